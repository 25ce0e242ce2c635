"""Calibration: do probabilities mean what they say; and for numbers, how errors depend on the prediction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    Array = np.ndarray[Any, Any]

BINS = 10
"""Bins of equal width over the probabilities from 0 to 1."""
ERROR_QUANTILES = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """A reliability curve, one entry for each bin that has rows, and what it sums up to.

    `said` is the mean probability in a bin, `seen` the share of rows that are really so, `counts` its rows. `ece` is
    the mean of |said - seen| over the rows (Naeini, Cooper, Hauskrecht 2015). `brier` is the mean squared error of the
    probabilities; it equals `reliability` - `resolution` + `uncertainty` (Murphy 1973) + `within`, the part that stems
    from different probabilities in one bin.
    """

    said: tuple[float, ...]
    seen: tuple[float, ...]
    counts: tuple[int, ...]
    ece: float
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float

    @classmethod
    def of(cls, happened: Array, probability: Array) -> Reliability:
        """Sum up n outcomes (booleans) and their probabilities."""
        import numpy as np

        outcome, chance = np.asarray(happened, dtype=np.float64), np.asarray(probability, dtype=np.float64)
        if not len(chance) or not ((chance >= 0) & (chance <= 1)).all():
            raise ConfigError("probabilities must lie between 0 and 1, and there must be some")
        places = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], chance)  # a value on an edge as scikit-learn has it
        counts = np.bincount(places, minlength=BINS)
        full = counts > 0
        weights = counts[full] / len(chance)
        said = np.bincount(places, chance, minlength=BINS)[full] / counts[full]
        seen = np.bincount(places, outcome, minlength=BINS)[full] / counts[full]
        base = outcome.mean()
        brier = float(((chance - outcome) ** 2).mean())
        reliability = float((weights * (said - seen) ** 2).sum())
        resolution = float((weights * (seen - base) ** 2).sum())
        uncertainty = float(base * (1 - base))
        return cls(
            said=tuple(said.tolist()),
            seen=tuple(seen.tolist()),
            counts=tuple(counts[full].tolist()),
            ece=float((weights * np.abs(said - seen)).sum()),
            brier=brier,
            reliability=reliability,
            resolution=resolution,
            uncertainty=uncertainty,
            within=brier - (reliability - resolution + uncertainty),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def ece(truth: Array, probabilities: Array, classes: Sequence[Any]) -> float:
    """Give the expected calibration error, over ten bins of equal width.

    Of two classes, that of the second's probability; of more, that of the highest probability being right (Guo, Pleiss,
    Sun, Weinberger 2017). Of a multilabel model (no classes; n x labels), the mean over its labels.
    """
    import numpy as np

    if not len(classes):
        columns = range(probabilities.shape[1])
        return float(np.mean([Reliability.of(truth[:, i], probabilities[:, i]).ece for i in columns]))
    if len(classes) == 2:  # noqa: PLR2004 (two classes)
        return Reliability.of(truth == classes[1], probabilities[:, 1]).ece
    return top_label(truth, probabilities, classes).ece


def top_label(truth: Array, probabilities: Array, classes: Sequence[Any]) -> Reliability:
    """Give the reliability of the highest probability: is the class right as often as it says."""
    import numpy as np

    said = np.asarray(classes, dtype=object)[probabilities.argmax(axis=1)]
    return Reliability.of(np.asarray(truth, dtype=object) == said, probabilities.max(axis=1))


def by_class(truth: Array, probabilities: Array, classes: Sequence[Any]) -> dict[Any, Reliability]:
    """Give the reliability of each class against the rest; of two classes, of the second only."""
    places = range(1, 2) if len(classes) == 2 else range(len(classes))  # noqa: PLR2004 (two classes)
    return {classes[i]: Reliability.of(truth == classes[i], probabilities[:, i]) for i in places}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorProfile:
    """How errors of a regression are spread.

    `quantiles` is the |error| that so large a share of the rows stays below; the lists have one entry for each tenth of
    the predictions: its mean, and there the mean error (prediction - truth), the 10th and the 90th percentile.
    """

    quantiles: dict[str, float]
    predicted: tuple[float, ...]
    mean_error: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, truth: Array, predicted: Array) -> ErrorProfile:
        """Sum up the errors of n rows."""
        import numpy as np

        said = np.asarray(predicted, dtype=np.float64)
        error = said - np.asarray(truth, dtype=np.float64)
        sizes = np.quantile(np.abs(error), ERROR_QUANTILES)
        parts = [part for part in np.array_split(np.argsort(said, kind="stable"), BINS) if len(part)]
        return cls(
            quantiles={f"{share:g}": float(size) for share, size in zip(ERROR_QUANTILES, sizes, strict=True)},
            predicted=tuple(float(said[part].mean()) for part in parts),
            mean_error=tuple(float(error[part].mean()) for part in parts),
            low=tuple(float(np.quantile(error[part], 0.1)) for part in parts),
            high=tuple(float(np.quantile(error[part], 0.9)) for part in parts),
            counts=tuple(len(part) for part in parts),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)
