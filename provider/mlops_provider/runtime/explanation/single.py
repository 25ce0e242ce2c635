"""Why one logged row was answered as it was: what each feature contributed, beside what is usual for it.

With the extra `explain` the contributions are SHAP values: with the base they add up to what the model says. Without
it each value is replaced by values of the baseline, one feature at a time: what the answer changes by is shown, and
does not add up. Either way it is the version that answered that is asked, live or not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import DataError, MissingExtraError
from mlops_provider.runtime.explanation.outputs import output_names, outputs
from mlops_provider.runtime.explanation.shap_values import ASKED_BACKGROUND_ROWS, explain_rows, spread
from mlops_provider.store.models import load_model

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_provider.refs import ModelRef
    from mlops_provider.runtime.audit.request import LoggedRow
    from mlops_provider.store.models import Feature, LoadedModel
    from mlops_provider.store.store import Store

    Array = np.ndarray[Any, Any]

REPLACED = "replacement, one at a time"
_LOW, _HIGH = 0.05, 0.95
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one feature contributed; `usual` is its value in the baseline, `odd` says where the row's is not of it."""

    feature: str
    value: Any
    contribution: float
    usual: str = ""
    odd: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleExplanation:
    """An answer with its contributions, the largest first; `output` is what they push towards or away from.

    `base` is what the model says on the average of the baseline, `total` what it says of this row, both in `unit`.
    `again` is what the same version answers now; `notes` say what else one must know.
    """

    request_id: str
    row: int
    service: str
    version: str
    at: str
    answer: Any
    probability: float | None
    again: Any
    output: str
    unit: str
    method: str
    base: float
    total: float
    contributions: tuple[Contribution, ...]
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def explain_answer(store: Store, logged: LoggedRow, ref: ModelRef) -> SingleExplanation:
    """Explain a logged row with the version that answered it; DataError where it has no answer."""
    if logged.prediction is None:
        raise DataError(
            f"request '{logged.request_id}' failed with status {logged.status}: there is no answer to explain"
        )
    model = load_model(store, ref)
    frame = row_frame(logged.features, model)
    again = model.predict(frame)[0]
    notes = [] if _same(again, logged.prediction) else [f"the log says {logged.prediction}, the version now {again}"]
    values, base, unit, method, missing = _contributions(model, frame)
    place = _place(model, again, base + values.sum(axis=0))
    baseline = model.baseline()
    parts = [
        Contribution(
            feature=feature.name,
            value=logged.features.get(feature.name),
            contribution=float(values[index, place]),
            **_usual(feature, logged.features.get(feature.name), baseline[feature.name]),
        )
        for index, feature in enumerate(model.signature.features)
    ]
    total = (
        float(outputs(model, frame)[0, place]) if method == REPLACED else float(base[place] + values[:, place].sum())
    )
    return SingleExplanation(
        request_id=logged.request_id,
        row=logged.row,
        service=f"{logged.workflow}/{logged.environment}",
        version=logged.version,
        at=logged.ts.isoformat(timespec="seconds"),
        answer=logged.prediction,
        probability=logged.probability,
        again=_plain(again),
        output=output_names(model.signature)[place],
        unit=unit,
        method=method,
        base=float(base[place]),
        total=total,
        contributions=tuple(sorted(parts, key=lambda part: -abs(part.contribution))),
        notes=(*notes, *missing),
    )


def row_frame(features: dict[str, Any], model: LoadedModel) -> pd.DataFrame:
    """Give a logged row as the server gives it to the model: numbers as double, what was missing as missing."""
    import numpy as np
    import pandas as pd

    kinds = {"float": "float64", "integer": "float64", "string": "object", "boolean": "object"}
    lost = [name for name in model.signature.names() if name not in features]
    if lost:
        raise DataError(f"the log has no feature {', '.join(lost)} of this row")
    columns = {}
    for feature in model.signature.features:
        value = features[feature.name]
        kind = kinds.get(feature.type, "datetime64[us]")
        columns[feature.name] = pd.Series([np.nan if value is None and kind == "object" else value], dtype=kind)
    return pd.DataFrame(columns)


def _contributions(model: LoadedModel, frame: pd.DataFrame) -> tuple[Array, Array, str, str, list[str]]:
    """Give values (features x outputs), base (outputs), their unit and method, and what must be said about it."""
    try:
        found = explain_rows(model, frame, model.baseline())
    except MissingExtraError as err:
        return (*_replaced(model, frame), [f"{err.message}, so values were replaced one at a time ({err.hint})"])
    except DataError as err:
        return (*_replaced(model, frame), [f"{err.message}, so values were replaced one at a time"])
    shap = found.values[0]  # noqa: PD011 (no frame: its field)
    return shap, found.base, found.unit, found.method, []


def _replaced(model: LoadedModel, frame: pd.DataFrame) -> tuple[Array, Array, str, str]:
    """Replace each value by those of baseline rows; the mean change of the answer is what the value contributed."""
    import numpy as np
    import pandas as pd

    names = model.signature.names()
    usual = spread(model.baseline()[names], ASKED_BACKGROUND_ROWS).reset_index(drop=True)
    said = outputs(model, frame)[0]
    many = pd.concat([frame] * len(usual), ignore_index=True)
    values = [said - outputs(model, many.assign(**{name: usual[name]})).mean(axis=0) for name in names]
    unit = "probability" if model.signature.task in {"classification", "multilabel"} else model.signature.target
    return np.asarray(values), outputs(model, usual).mean(axis=0), unit, REPLACED


def _place(model: LoadedModel, answer: Any, totals: Array) -> int:
    """Give the output that is explained: of several classes the one that was answered, else the largest."""
    names = output_names(model.signature)
    if model.signature.task == "classification" and str(answer) in names:
        return names.index(str(answer))
    return int(totals.argmax())


def _usual(feature: Feature, value: Any, baseline: pd.Series[Any]) -> dict[str, str]:
    """Say what the feature usually is, and where this value is not of it."""
    import pandas as pd

    known = baseline.dropna()
    if known.empty:
        return {"usual": "always missing", "odd": "" if value is None else "was always missing"}
    if feature.type in {"string", "boolean"}:
        shares = known.astype(str).value_counts(normalize=True)
        most = ", ".join(f"{name} ({share:.0%})" for name, share in shares.head(3).items())
        odd = "unseen in the baseline" if value is not None and str(value) not in shares.index else ""
        return {"usual": most, "odd": odd or _lacks(value, baseline)}
    low, middle, high = (known.quantile(part) for part in (_LOW, 0.5, _HIGH))
    if feature.type == "timestamp":
        return {"usual": f"{low:%Y-%m-%d} to {high:%Y-%m-%d}", "odd": _lacks(value, baseline)}
    usual = f"{low:.4g} to {high:.4g}, median {middle:.4g}"
    if value is None or pd.isna(value):
        return {"usual": usual, "odd": _lacks(None, baseline)}
    if not known.min() <= value <= known.max():
        return {"usual": usual, "odd": f"outside {known.min():.4g} to {known.max():.4g}, all that the baseline has"}
    return {"usual": usual, "odd": "" if low <= value <= high else "rare: outside the middle 90 %"}


def _lacks(value: Any, baseline: pd.Series[Any]) -> str:
    if value is not None:
        return ""
    share = float(baseline.isna().mean())
    return f"missing, as {share:.0%} of the baseline" if share else "missing, which no row of the baseline is"


def _same(answer: Any, logged: Any) -> bool:
    import numpy as np

    if isinstance(logged, list):
        return bool(np.array_equal(np.asarray(answer), np.asarray(logged)))
    if isinstance(logged, float):
        return bool(np.isclose(float(answer), logged, rtol=_TOLERANCE, atol=_TOLERANCE))
    return str(answer) == str(logged)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
