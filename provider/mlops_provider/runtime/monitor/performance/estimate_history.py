"""How well estimates have done: against the truth, in earlier stretches of the log, each as it was possible then."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.monitor.performance.estimate import Calibrator, Scored, estimate
from mlops_provider.runtime.resampling import measure_quickly

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from mlops_provider.runtime.answers import Answers
    from mlops_provider.store.models import Signature

    Array = np.ndarray[Any, Any]

CALIBRATION_ROWS = 500
"""So many labelled rows of the log calibrate better than the rows that the model was evaluated on."""
MOST_POINTS = 12
_ENOUGH = 3
"""Stretches that it takes to say how large the error of an estimate is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One stretch of labelled rows: when it ended, what was estimated from what was known before it, what came true."""

    at: str
    rows: int
    estimated: dict[str, float]
    realised: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def calibrator_of(past: Scored, evaluated: Scored | None) -> tuple[Calibrator | None, str]:
    """Calibrate on the labelled rows of the log, before there are enough on those of the evaluation; say on which."""
    if len(past) >= CALIBRATION_ROWS:
        return Calibrator.of(past), f"{len(past):,} earlier predictions whose outcome is known"
    if evaluated is not None and len(evaluated):
        return Calibrator.of(evaluated), f"{len(evaluated):,} rows that the model was evaluated on"
    return None, ""


def look_back(
    signature: Signature,
    past: Scored,
    answers: Answers,
    at: Sequence[str],
    evaluated: Scored | None,
    names: Sequence[str],
    *,
    rows: int,
) -> list[Point]:
    """Estimate stretches of earlier rows, in the order of time, by a calibrator of what came before each.

    `past` and `answers` are the same rows, `at` their moments. A stretch has at least `rows` rows.
    """
    import numpy as np

    size = max(rows, -(-len(past) // MOST_POINTS))
    found = []
    for start in range(0, len(past) - size + 1, size):
        inside = np.arange(start, start + size)
        calibrator, _ = calibrator_of(past.take(slice(0, start)), evaluated)
        if calibrator is None:
            continue
        realised = measure_quickly(answers.take(inside), names)
        estimated = estimate(signature, past.take(inside), calibrator).metrics
        both = [name for name in names if name in realised and name in estimated]
        found.append(
            Point(
                at=at[start + size - 1],
                rows=size,
                estimated={name: estimated[name] for name in both},
                realised={name: realised[name] for name in both},
            )
        )
    return found


def errors_of(points: Sequence[Point]) -> dict[str, tuple[float, float]]:
    """Give mean absolute and root mean squared error of the estimates, of metrics that enough stretches have."""
    found = {}
    for name in dict.fromkeys(name for point in points for name in point.estimated):
        gaps = [point.estimated[name] - point.realised[name] for point in points if name in point.estimated]
        if len(gaps) >= _ENOUGH:
            absolute = sum(map(abs, gaps)) / len(gaps)
            found[name] = absolute, (sum(gap**2 for gap in gaps) / len(gaps)) ** 0.5
    return found
