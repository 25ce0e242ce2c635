"""Evidently's own report of the answers, made by a process beside the evaluation.

Importing Evidently takes four seconds and 300 MB, whatever the rows: in a child both are gone from the evaluation,
which meanwhile measures. What Evidently does not take is found before; if it fails all the same, the report says so and
loses nothing else. The ids in its page are numbered anew, so that the same answers give the same bytes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers

    Array = np.ndarray[Any, Any]

EVIDENTLY = "evidently.html"
MOST_ROWS = 5_000
"""Rows that Evidently looks at; of more, as many at equal distances."""
AUTO_ROWS = 1_000
"""Rows from which `auto` makes the page: fewer are evaluated in less than the time that it takes."""
_MOST_CLASSES = 30
_SECONDS = 180
_TRUTH, _PREDICTION = "truth", "prediction"
_IDS = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")


class EvidentlyPage:
    """Starts at once; `finish` waits and says why there is no page. Leaving the context ends the process.

    `wanted` is the field `evidently` of the phase: yes, no, or `auto`.
    """

    def __init__(self, answers: Answers, *, wanted: Literal["auto"] | bool = True) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mlops-evidently-")
        self._process: subprocess.Popen[bytes] | None = None
        self._why_not = "it was not asked for"
        if wanted == "auto" and len(answers) < AUTO_ROWS:
            self._why_not = f"it is made from {AUTO_ROWS:,} rows on; 'evidently: true' makes it of fewer"
        elif wanted:
            frame = sampled(answers)
            self._why_not = why_not(answers, frame)
            if not self._why_not:
                self._start(answers.signature.task, frame)

    def _start(self, task: str, frame: pd.DataFrame) -> None:
        folder = Path(self._folder.name)
        frame.to_parquet(folder / "answers.parquet", index=False)
        with (folder / "errors.txt").open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, task, folder],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "DO_NOT_TRACK": "1", "PYTHONHASHSEED": "0"},  # it walks through sets of labels
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def finish(self, folder: Path) -> str:
        """Put evidently.html into a folder; gives why there is none, or nothing."""
        if self._process is None:
            return self._why_not
        try:
            code = self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            return f"it was not ready after {_SECONDS} seconds"
        made = Path(self._folder.name)
        if code != 0:
            lines = (made / "errors.txt").read_text(errors="replace").strip().splitlines() or ["no reason given"]
            return f"Evidently failed: {lines[-1][:200]}"
        (folder / EVIDENTLY).write_bytes((made / EVIDENTLY).read_bytes())
        return ""


def sampled(answers: Answers) -> pd.DataFrame:
    """Give truth, prediction and probabilities of up to 5,000 rows, under names that Evidently and HTML take."""
    import numpy as np
    import pandas as pd

    rows = len(answers.truth)
    if rows > MOST_ROWS:
        answers = answers.take(np.linspace(0, rows - 1, MOST_ROWS).astype(np.int64))
    truth, predicted, chances = answers.truth, answers.predicted, answers.probabilities
    if answers.signature.task != "classification":
        if truth.ndim > 1:
            return pd.DataFrame(index=range(len(truth)))
        return pd.DataFrame({_TRUTH: truth.astype(float), _PREDICTION: predicted.astype(float)})
    names = _plain_names([*answers.signature.classes, *pd.unique(truth)])
    frame = pd.DataFrame(
        {_TRUTH: [names[x] for x in truth.tolist()], _PREDICTION: [names[x] for x in predicted.tolist()]}
    )
    if chances is not None:
        for place, name in enumerate(answers.signature.classes):
            frame[names[name]] = chances[:, place]
    return frame


def _plain_names(classes: list[Any]) -> dict[Any, str]:
    """Give each class a text of its own without markup, for Evidently puts it into its page as it is."""
    names: dict[Any, str] = {}
    for value in classes:
        key = value.item() if hasattr(value, "item") else value
        if key not in names:
            plain = re.sub(r"[<>&\"'\\]", "·", str(key))[:40]
            taken = {*names.values(), _TRUTH, _PREDICTION}
            names[key] = plain if plain not in taken else f"{plain} ({len(names)})"
    return names


def why_not(answers: Answers, frame: pd.DataFrame) -> str:
    """Say what of these answers Evidently does not take; nothing if it takes them."""
    task = answers.signature.task
    if task in {"multilabel", "ranking"}:
        return f"it has no report of {'several labels' if task == 'multilabel' else 'a ranking'}"
    return _bad_classes(answers, frame) if task == "classification" else _bad_numbers(frame)


def _bad_classes(answers: Answers, frame: pd.DataFrame) -> str:
    known = len(answers.signature.classes)
    if frame[_TRUTH].nunique() < 2:  # noqa: PLR2004 (two classes)
        return "the rows have one class only"
    if known > _MOST_CLASSES:
        return f"there are {known} classes, and it is made for no more than {_MOST_CLASSES}"
    new = {*frame[_TRUTH]} - {*_plain_names(list(answers.signature.classes)).values()}
    return f"the rows have classes that the model does not know: {', '.join(sorted(new)[:5])}" if new else ""


def _bad_numbers(frame: pd.DataFrame) -> str:
    import numpy as np

    if len(frame) < 3:  # noqa: PLR2004 (a line through two points has no error)
        return "there are fewer than three rows"
    for name in (_TRUTH, _PREDICTION):
        values = frame[name].to_numpy()
        if not np.isfinite(values).all():
            return f"the {name} holds values that are no finite numbers"
        if float(np.ptp(values)) <= 1e-9 * max(1.0, float(np.abs(values).max())):
            return f"the {name} is nearly the same in every row"
    return ""


def main(task: str, folder: Path) -> None:
    """Write evidently.html from answers.parquet, both in the folder."""
    import warnings

    import pandas as pd
    from evidently import (
        BinaryClassification,
        DataDefinition,
        Dataset,
        MulticlassClassification,
        Regression,
        Report,
    )
    from evidently.presets import ClassificationPreset, RegressionPreset

    frame = pd.read_parquet(folder / "answers.parquet")
    chances = [name for name in frame.columns if name not in {_TRUTH, _PREDICTION}]
    if task != "classification":
        definition = DataDefinition(regression=[Regression(target=_TRUTH, prediction=_PREDICTION)])
    elif len(chances) == 2:  # noqa: PLR2004 (two classes)
        side = BinaryClassification(
            target=_TRUTH, prediction_labels=_PREDICTION, prediction_probas=chances[1], pos_label=chances[1]
        )
        definition = DataDefinition(classification=[side])
    else:
        many = MulticlassClassification(target=_TRUTH, prediction_labels=_PREDICTION, prediction_probas=chances or None)
        definition = DataDefinition(classification=[many])
    preset = ClassificationPreset() if task == "classification" else RegressionPreset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        current = Dataset.from_pandas(frame, data_definition=definition)
        Report([preset]).run(current_data=current, reference_data=None).save_html(str(folder / "raw.html"))
    page = (folder / "raw.html").read_text(encoding="utf-8")
    (folder / EVIDENTLY).write_text(numbered(page), encoding="utf-8")


def numbered(page: str) -> str:
    """Number the ids of a page in the order of their first places, each in the form that it had."""
    numbers: dict[str, str] = {}

    def again(found: re.Match[str]) -> str:
        text = f"{numbers.setdefault(found[0].replace('-', ''), str(len(numbers))):0>32}"
        dash = found[1]
        return dash.join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])

    return _IDS.sub(again, page)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
