"""Evidently's own report of the answers, made by a process beside, when it is opened or in the phase.

Importing Evidently takes four seconds and 300 MB, whatever the rows, so by default the phase keeps the rows that the
page shows (answers, or the two sides of a drift), and whoever opens it first has it made. What Evidently does not take
is found in the phase; if it fails all the same, nothing else is lost. The ids in its page are numbered anew, so that
the same answers give the same bytes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.evidently_drift import ROWS_FILE, draw
from mlops_provider.store.store import MANIFEST

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    import pandas as pd

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.store.store import Store

    Array = np.ndarray[Any, Any]

EVIDENTLY, EVIDENTLY_JSON = "evidently.html", "evidently.json"
MOST_ROWS = 5_000
"""Rows that Evidently looks at; of more, as many at equal distances."""
EVIDENTLY_ROWS = ROWS_FILE
"""The rows that the page shows, kept in the report until somebody opens it."""
DRIFT = "drift"
"""What is drawn of rows that are two sides; else it is the task of a model."""
_MOST_CLASSES = 30
_SECONDS = 180
_TRUTH, _PREDICTION = "truth", "prediction"
_IDS = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")


class EvidentlyPage:
    """`finish` leaves the page or its rows, or says why there are none. Leaving the context ends the process.

    `wanted` is the field `evidently` of the phase: yes (a process starts at once), no, or `auto` (only rows are kept).
    """

    def __init__(self, answers: Answers, *, wanted: Literal["auto"] | bool = True) -> None:
        self._why_not = "it was not asked for"
        self._rows = b""
        self._drawing: Drawing | None = None
        if wanted:
            frame = sampled(answers)
            self._why_not = why_not(answers, frame)
            if not self._why_not:
                self._rows = frame.to_parquet(index=False)
                self._drawing = Drawing(answers.signature.task, self._rows) if wanted is True else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawing:
            self._drawing.close()

    def finish(self, folder: Path) -> str:
        """Put evidently.html or evidently.parquet into a folder; gives why there is neither, or nothing."""
        if self._drawing:
            try:
                (folder / EVIDENTLY).write_bytes(self._drawing.wait())
            except EvidentlyError as err:
                return str(err)
        elif self._rows:
            (folder / EVIDENTLY_ROWS).write_bytes(self._rows)
        return self._why_not


class EvidentlyError(MlopsError):
    """Evidently did not make its page."""


class Drawing:
    """A process that makes the page of some rows (Parquet) of a kind of task."""

    def __init__(self, task: str, rows: bytes) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="mlops-evidently-")
        self._folder = Path(self._temporary.name)
        (self._folder / EVIDENTLY_ROWS).write_bytes(rows)
        with (self._folder / "errors.txt").open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, task, self._folder],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "DO_NOT_TRACK": "1", "PYTHONHASHSEED": "0"},  # it walks through sets of labels
            )

    def wait(self) -> bytes:
        """Give the page; EvidentlyError says why there is none."""
        try:
            code = self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired as err:
            raise EvidentlyError(f"it was not ready after {_SECONDS} seconds") from err
        if code != 0:
            said = (self._folder / "errors.txt").read_text(errors="replace").strip().splitlines()
            raise EvidentlyError(f"Evidently failed: {(said or ['no reason given'])[-1][:200]}")
        return (self._folder / EVIDENTLY).read_bytes()

    def numbers(self) -> bytes:
        """Give the same as JSON, where the page of these rows has it, once `wait` has come back."""
        return (self._folder / EVIDENTLY_JSON).read_bytes()

    def close(self) -> None:
        """End the process, if it still runs, and remove its folder."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._temporary.cleanup()


def drawn(store: Store, folder: str, name: str = EVIDENTLY) -> bytes | None:
    """Give a page of Evidently's of a report, from its folder in the store; None if the report keeps no rows for it.

    `name` is evidently.html, or what else a report calls it; of a drift there is the same as `.json`.
    Raises EvidentlyError if Evidently fails, FileNotFoundError if there is no such report.
    """
    files = json.loads(store.files.read(f"{folder}/{MANIFEST}"))["files"]
    if name in files:
        return store.files.read(f"{folder}/{name}")
    stem, _, ending = name.rpartition(".")
    rows = f"{stem}.parquet"
    if rows not in files or ending not in {"html", "json"}:
        return None
    task = json.loads(store.files.read(f"{folder}/report.json")).get("task", DRIFT)
    if ending == "json" and task != DRIFT:
        return None
    drawing = Drawing(task, store.files.read(f"{folder}/{rows}"))
    try:
        page = drawing.wait()
        return page if ending == "html" else drawing.numbers()
    finally:
        drawing.close()


def made_when_opened(context: RunContext, name: str = EVIDENTLY) -> str:
    """Write the link to a page that is not made yet, and how to have it made without Airflow."""
    named = "" if name == EVIDENTLY else f" --page {name}"
    command = f"mlops runs evidently {context.workflow} {context.run_id} --phase {context.phase}{named}"
    return (
        f"<a href='{name}'>Evidently's report</a> is made when it is opened in Airflow, or by "
        f"<code>{escape(command)}</code>."
    )


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
    """Write evidently.html from evidently.parquet, both in the folder."""
    if task == DRIFT:
        draw(folder / EVIDENTLY_ROWS, folder)
    else:
        _draw_answers(task, folder)
    page = (folder / "raw.html").read_text(encoding="utf-8")
    (folder / EVIDENTLY).write_text(numbered(page), encoding="utf-8")


def _draw_answers(task: str, folder: Path) -> None:
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

    frame = pd.read_parquet(folder / EVIDENTLY_ROWS)
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
