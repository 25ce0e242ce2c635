"""The estimate of the window's performance, and how far such estimates were off before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.monitor.performance.estimate import SURE, Scored, estimable, estimate
from mlops_provider.runtime.monitor.performance.estimate_history import (
    CALIBRATION_ROWS,
    Point,
    calibrator_of,
    errors_of,
    look_back,
)
from mlops_provider.runtime.monitor.performance.log_answers import answers_of, measured_by_log
from mlops_provider.runtime.predictions import Stretch, read_window

if TYPE_CHECKING:
    import pandas as pd

    from mlops_provider.runtime.monitor.look import Look
    from mlops_provider.runtime.monitor.performance.measures import Measures
    from mlops_provider.runtime.monitor.performance.reference import Reference

BEFORE = "estimated_"
ERROR = "estimate_error"
EARLIER_ROWS = 50_000
"""Predictions before the window among which labelled ones are looked for."""
_KNOWN = 0.9
_COLUMNS = ["request_id", "ts", "prediction", "probability", "truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """The estimate of the window, the earlier stretches that tell its error, and what it was calibrated on.

    `why` says why there is no estimate. `errors` are mean absolute errors by metric, `ece` the calibration error of the
    model's own probabilities. `now` is the window: its truth is there where nine of ten labels are.
    """

    why: str = ""
    calibrated_on: str = ""
    ece: float | None = None
    now: Point | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    errors: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "why": self.why,
            "calibrated_on": self.calibrated_on,
            "ece": self.ece,
            "now": self.now.to_dict() if self.now else None,
            "intervals": self.intervals,
            "points": [point.to_dict() for point in self.points],
            "errors": self.errors,
        }


def estimate_names(look_names: list[str]) -> list[str]:
    """Give the names that gates read of estimates of these metrics."""
    return [*(f"{BEFORE}{name}" for name in look_names), ERROR]


def estimate_performance(look: Look, reference: Reference, measures: Measures) -> Estimated:
    """Estimate the window; what cannot be estimated has its reason, and loses no other check."""
    measured = measured_by_log(look.signature)
    found = _estimated(look, reference)
    if found.now:
        rows = found.now.rows
        measures.add(found.now.estimated, rows, found.intervals, before=BEFORE)
    if "accuracy" in found.errors:
        measures.add({ERROR: found.errors["accuracy"]}, sum(point.rows for point in found.points))
    why = found.why or (
        "the log has the probability of the predicted class: of more than two classes it is enough for accuracy"
        if look.signature.kind == "multiclass"
        else "probabilities do not tell it for these rows"
    )
    measures.missing |= {f"{BEFORE}{name}": why for name in measured if f"{BEFORE}{name}" not in measures.found}
    measures.missing.setdefault(ERROR, found.why or "there are fewer than three earlier stretches with labels")
    return found


def _estimated(look: Look, reference: Reference) -> Estimated:
    signature = look.signature
    names = estimable(signature)
    if not names:
        return Estimated(why=f"performance of a {signature.task} cannot be estimated: it gives no probabilities")
    rows = _with_probability(look.answered)
    least = look.config.policy.minimum_rows
    if len(rows) < least:
        return Estimated(why=f"{len(rows)} predictions have a probability between 0 and 1, {least} are needed")
    earlier = _earlier(look, rows)
    answers = answers_of(signature, earlier)
    past = Scored.of(signature, answers.predicted, earlier["probability"].to_numpy(), answers.truth)
    evaluated, lost = None, ""
    if len(past) < CALIBRATION_ROWS:  # else there is no need to load the model
        try:
            evaluated = _evaluated(look, reference)
        except MlopsError as err:
            lost = f" ({err.message})"
    calibrator, what = calibrator_of(past, evaluated)
    if calibrator is None:
        either = f"neither of an evaluation{lost} nor {CALIBRATION_ROWS} of the log"
        return Estimated(why=f"there are no labelled rows to calibrate on: {either}")
    points = look_back(signature, past, answers, _moments(earlier), evaluated, names, rows=max(least, 200))
    errors = errors_of(points)
    predicted = answers_of(signature, rows.assign(truth=rows["prediction"])).predicted
    scored = Scored.of(signature, predicted, rows["probability"].to_numpy())
    made = estimate(signature, scored, calibrator)
    realised = _realised(look, rows, names)
    now = Point(at=_moments(rows)[-1], rows=len(rows), estimated=made.metrics, realised=realised)
    intervals = {}
    for name, value in made.metrics.items():
        half = SURE * max(made.errors[name], errors[name][1] if name in errors else 0.0)
        low, high = value - half, value + half
        intervals[name] = (low, high) if name in {"log_loss", "mcc"} else (max(low, 0.0), min(high, 1.0))
    return Estimated(
        calibrated_on=what,
        ece=calibrator.ece,
        now=now,
        intervals=intervals,
        points=tuple(points),
        errors={name: absolute for name, (absolute, _) in errors.items()},
    )


def _evaluated(look: Look, reference: Reference) -> Scored | None:
    import numpy as np

    found = reference.evaluated
    if found is None or found[1].probabilities is None:
        return None
    answers, given = found[1], found[1].probabilities
    probability = given[np.arange(len(given)), answers.codes[1]]
    return Scored.of(look.signature, answers.predicted, probability, answers.truth)


def _earlier(look: Look, rows: pd.DataFrame) -> pd.DataFrame:
    """Read the labelled predictions of the version before the window, in the order of time."""
    config, empty = look.config, rows.iloc[:0][_COLUMNS]
    if config.labels is None:
        return empty
    first = rows["ts"].min().to_pydatetime()
    due = look.context.clock() - config.labels.delay
    window = read_window(
        look.store,
        look.context.workflow,
        environment=config.environment,
        version=look.served.version,
        signature=look.signature,
        labels=config.labels,
        locate=look.context.locate,
        stretch=Stretch(until=min(first, due), rows=EARLIER_ROWS),
        only_labelled=True,
    )
    if window is None:
        return empty
    found: pd.DataFrame = window.table.select(_COLUMNS).to_pandas()
    return _with_probability(found.dropna(subset=["truth"])).reset_index(drop=True)


def _with_probability(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["prediction"].notna() & rows["probability"].astype(float).between(0, 1)]


def _realised(look: Look, rows: pd.DataFrame, names: list[str]) -> dict[str, float]:
    known = rows.dropna(subset=["truth"])
    return answers_of(look.signature, known).measure(names, {}) if len(known) >= _KNOWN * len(rows) else {}


def _moments(rows: pd.DataFrame) -> list[str]:
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in rows["ts"]]
