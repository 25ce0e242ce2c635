"""Plots of numbers: predicted against true, errors by prediction, sizes of errors, and a series with its forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.plots.chart import SHARE, Axis, Chart, Point, thinned

if TYPE_CHECKING:
    import numpy as np

    from mlops_provider.runtime.calibration import ErrorProfile

    Array = np.ndarray[Any, Any]

_MOST_POINTS = 1000
_STEPS = 200


def predicted_against_true(truth: Array, predicted: Array) -> str:
    """Draw rows as points; on the diagonal the prediction is right. Of many rows, 1,000 at equal distances."""
    points, note = _some(truth, predicted)
    ends = [value for point in points for value in point]
    x, y = Axis.over("true", ends), Axis.over("predicted", ends)
    chart = Chart("Predicted against true", x, y, note=note)
    chart.guide((x.low, x.low), (x.high, x.high))
    chart.dots(points, 0, opacity=0.45)
    return chart.svg()


def errors_by_prediction(truth: Array, predicted: Array, profile: ErrorProfile) -> str:
    """Draw the errors over the prediction, with their mean and the band of the middle 80 % in each tenth."""
    points, note = _some(predicted, predicted - truth)
    x = Axis.over("predicted", [point[0] for point in points])
    y = Axis.over("error (predicted - true)", [*(point[1] for point in points), *profile.low, *profile.high], zero=True)
    chart = Chart("Errors by prediction", x, y, note=note)
    chart.guide((x.low, 0), (x.high, 0))
    chart.dots(points, 0, opacity=0.3)
    chart.band(
        list(zip(profile.predicted, profile.low, strict=True)),
        list(zip(profile.predicted, profile.high, strict=True)),
        1,
        name="middle 80 %",
    )
    chart.line(list(zip(profile.predicted, profile.mean_error, strict=True)), 1, name="mean error")
    return chart.svg()


def error_sizes(truth: Array, predicted: Array) -> str:
    """Draw below which |error| which share of the rows stays."""
    import numpy as np

    shares = np.linspace(0, 1, _STEPS + 1)
    sizes = np.quantile(np.abs(predicted - truth), shares)
    most = float(np.quantile(sizes, 0.99)) or 1.0
    chart = Chart("Size of errors", Axis("|error|", 0, most), Axis("rows below", 0, 1, SHARE))
    chart.line([(float(size), float(share)) for size, share in zip(sizes, shares, strict=True) if size <= most], 0)
    for share in (0.5, 0.9):
        size = float(np.quantile(np.abs(predicted - truth), share))
        chart.mark(size, share, f"{share:.0%}: {size:.4g}")
    return chart.svg()


def series(time: Array, truth: Array, predicted: Array, label: str) -> str:
    """Draw truth and forecast over time (datetime64); many rows are drawn as the means of short stretches."""
    import numpy as np

    order = np.argsort(time, kind="stable")
    parts = np.array_split(order, min(len(order), _STEPS))
    seconds = time.astype("datetime64[s]").astype("int64")
    at = [float(seconds[part].mean()) for part in parts]
    true = [float(truth[part].mean()) for part in parts]
    said = [float(predicted[part].mean()) for part in parts]
    low, high = at[0], at[-1] if at[-1] > at[0] else at[0] + 1
    marks = [(value, str(np.datetime64(int(value), "s"))[: 10 if high - low > 5 * 86400 else 16]) for value in
             (low, (low + high) / 2, high)]  # fmt: skip
    marks = [(value, text.replace("T", " ")) for value, text in marks]
    note = f"Means of stretches of about {len(order) / len(parts):.0f} rows." if len(order) > len(parts) else ""
    span = low, high
    x = Axis(label, span[0] - (span[1] - span[0]) * 0.04, span[1] + (span[1] - span[0]) * 0.04, marks)
    chart = Chart("Forecast over time", x, Axis.over("", [*true, *said]), width=720, note=note)
    chart.line(list(zip(at, true, strict=True)), 0, name="true")
    chart.line(list(zip(at, said, strict=True)), 1, name="forecast")
    return chart.svg()


def error_over_time(time: Array, truth: Array, predicted: Array, label: str) -> str:
    """Draw the mean |error| of twenty stretches, from the oldest to the newest."""
    import numpy as np

    order = np.argsort(time, kind="stable")
    parts = [part for part in np.array_split(order, 20) if len(part)]
    sizes = [float(np.abs(predicted[part] - truth[part]).mean()) for part in parts]
    ends = [str(time[parts[0][0]].astype("datetime64[D]")), str(time[parts[-1][-1]].astype("datetime64[D]"))]
    edges = [float(i) for i in range(len(parts) + 1)]
    x = Axis(f"{label}, twentieths of the rows", 0, len(parts), [(2.0, ends[0]), (len(parts) - 2.0, ends[1])])
    chart = Chart("Error, oldest to newest", x, Axis("mean |error|", 0, max(sizes) or 1.0))
    chart.bars(edges, sizes)
    return chart.svg()


def _some(x: Array, y: Array) -> tuple[list[Point], str]:
    points = list(zip(x.tolist(), y.tolist(), strict=True)) if len(x) <= _MOST_POINTS else []
    if points:
        return points, ""
    import numpy as np

    places = np.linspace(0, len(x) - 1, _MOST_POINTS).astype(int)
    chosen = thinned(list(zip(x[places].tolist(), y[places].tolist(), strict=True)), _MOST_POINTS)
    return chosen, f"{_MOST_POINTS:,} of {len(x):,} rows, at equal distances."
