"""How well a classifier tells rows of one side from rows of the other: 0.5 is a coin, 1 is always.

What no single column shows, as two that used to go together and do not any more, it sees (Lopez-Paz and Oquab,
Revisiting Classifier Two-Sample Tests, 2017). Scores are out of fold, so that it cannot learn rows by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError
from mlops_provider.store.frame import thinned

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

FOLDS = 3
TREES = 60
LEAF = 10
LEAST_ROWS = 30
_HASHES = 2**12


@dataclass(frozen=True, slots=True)
class Told:
    """ROC AUC out of fold, on how many rows of both sides, and how much each column was used (adds up to 1)."""

    auc: float
    rows: int
    used: dict[str, float]


def tell_frames_apart(before: pd.DataFrame, after: pd.DataFrame, numeric: frozenset[str], most: int) -> Told:
    """Tell the rows of two frames with the same columns apart; those not in `numeric` are categories.

    At most `most` rows of each side, at equal distances. DataError where there are too few.
    """
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    sides = thinned(before, most), thinned(after, most)
    if not len(before.columns):
        raise DataError("no column is there to tell two sides apart by")
    _require_rows(*map(len, sides))
    columns = [
        _numbers(sides[0][name], sides[1][name]) if name in numeric else _codes(sides[0][name], sides[1][name])
        for name in before.columns
    ]
    forest = RandomForestClassifier(n_estimators=TREES, min_samples_leaf=LEAF, random_state=0, n_jobs=1)
    auc, models, rows = _cross_validated(forest, np.column_stack(columns), len(sides[0]), len(sides[1]))
    shares = np.mean([model.feature_importances_ for model in models], axis=0)
    order = sorted(zip(map(str, before.columns), shares.tolist(), strict=True), key=lambda one: (-one[1], one[0]))
    return Told(auc, rows, dict(order))


def tell_texts_apart(before: list[str], after: list[str], embed: Any = None) -> Told:
    """Tell texts apart by their embeddings: a function's (n x width), or hashed words and pairs of words."""
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    _require_rows(len(before), len(after))
    if embed is None:
        inputs: Any = HashingVectorizer(n_features=_HASHES, ngram_range=(1, 2)).transform([*before, *after])
    else:
        inputs = np.asarray(embed([*before, *after]), dtype="float64")
        if inputs.ndim != 2 or len(inputs) != len(before) + len(after) or not np.isfinite(inputs).all():  # noqa: PLR2004 (rows and columns)
            wanted = len(before) + len(after)
            raise DataError(
                f"the embedding of {wanted} texts has the shape {inputs.shape}",
                hint="give one row of finite numbers for each text",
            )
    auc, _, rows = _cross_validated(LogisticRegression(max_iter=500), inputs, len(before), len(after))
    return Told(auc, rows, {})


def _cross_validated(model: Any, inputs: Any, before: int, after: int) -> tuple[float, list[Any], int]:
    import numpy as np
    from sklearn.base import clone
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    truth = np.repeat([0, 1], [before, after])
    chances, models = np.zeros(len(truth)), []
    for learn, judge in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(truth, truth):
        models.append(clone(model).fit(inputs[learn], truth[learn]))
        chances[judge] = models[-1].predict_proba(inputs[judge])[:, 1]
    return float(roc_auc_score(truth, chances)), models, len(truth)


def _require_rows(before: int, after: int) -> None:
    if min(before, after) < LEAST_ROWS:
        raise DataError(f"{min(before, after)} rows are too few to tell two sides apart, {LEAST_ROWS} are needed")


def _numbers(before: pd.Series[Any], after: pd.Series[Any]) -> Array:
    """Give floats; what is infinite or no number is missing, which the trees take as it is."""
    import numpy as np
    import pandas as pd

    both = pd.to_numeric(pd.concat([before, after], ignore_index=True), errors="coerce")
    values = both.to_numpy(dtype="float64", na_value=np.nan)
    limit = float(np.finfo("float32").max)  # the trees' own type
    return np.where(np.abs(values) < limit, values, np.nan)


def _codes(before: pd.Series[Any], after: pd.Series[Any]) -> Array:
    """Give how often the baseline has a value, as its place: -1 for a new one, -2 for none."""
    import pandas as pd

    places = {value: place for place, value in enumerate(before.astype("string").value_counts().sort_index().index)}
    values = pd.concat([before, after], ignore_index=True).astype("string")
    codes = values.map(lambda value: places.get(value, -1), na_action="ignore").astype("Int64")
    found: Array = codes.to_numpy(dtype="float64", na_value=-2.0)
    return found
