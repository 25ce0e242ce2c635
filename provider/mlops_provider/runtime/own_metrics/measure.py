"""Measure the metrics of the workflow's own, of the model and of the champion."""

from __future__ import annotations

import json
import logging
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError, FunctionError
from mlops_provider.runtime.gains import Gain, of_draws
from mlops_provider.runtime.intervals import percentiles
from mlops_provider.runtime.metrics import goodness, known
from mlops_provider.runtime.own_metrics.process import run_child
from mlops_provider.runtime.own_metrics.rows import DRAWS, VALUE, rows_of
from mlops_provider.runtime.training.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from mlops_dag_factory.spec.evaluate import EvaluateSpec, MetricSpec
    from mlops_provider.runtime.answers import Answers
    from mlops_provider.runtime.contract import RunContext

    Array = np.ndarray[Any, Any]

log = logging.getLogger(__name__)
MOST_DRAWS, LEAST_DRAWS, MOST_ROWS_DRAWN = 200, 40, 10_000_000
_CHARACTERS = 2_500


@dataclass(frozen=True)
class OwnMetrics:
    """Values, the champion's, intervals and gains by name; `notes` say which have no interval and why."""

    metrics: dict[str, float] = field(default_factory=dict)
    champion: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    gain: dict[str, Gain] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def measure_own(
    config: EvaluateSpec, context: RunContext, frame: pd.DataFrame, models: Sequence[Answers]
) -> OwnMetrics:
    """Measure the phase's metrics that have `python` or `sql`; `models` are the model and, if any, the champion.

    Each runs in a process of its own that ends after the metric's timeout, wherever it is stuck. Intervals are
    percentiles of up to 200 draws of as many rows as there are, fewer for many rows, none for more than 250,000: a sum
    of all rows means something else on fewer of them. Queries of a ranking are drawn whole, rows of a forecast in
    blocks.
    """
    found = OwnMetrics()
    own = [metric for metric in config.metrics if metric.python is not None or metric.sql is not None]
    if not own:
        return found
    frames = [rows_of(frame, answers) for answers in models]
    for metric in own:
        if metric.name in known(models[0].signature.kind):
            raise ConfigError(f"the metric '{metric.name}' is known already", hint="give yours another name")
        _measure(metric, context, frames, models, found)
    return found


def _measure(
    metric: MetricSpec,
    context: RunContext,
    frames: Sequence[pd.DataFrame],
    models: Sequence[Answers],
    found: OwnMetrics,
) -> None:
    import numpy as np

    rows = len(frames[0])
    draws = min(MOST_DRAWS, MOST_ROWS_DRAWN // rows)
    with tempfile.TemporaryDirectory(prefix="mlops-metric-") as name:
        folder = Path(name)
        _write_request(folder, metric, context, frames, models[0], draws if draws >= LEAST_DRAWS else 0)
        secrets = Secrets.known(context.connections)
        code, printed = run_child(folder, metric.timeout.total_seconds())
        printed = secrets.hide(printed).rstrip()
        if printed:
            log.info("the metric '%s' printed:\n%s", metric.name, printed[-_CHARACTERS:])
        values = _values(metric, folder, code, printed, secrets)
        drawn = json.loads((folder / DRAWS).read_text())["draws"] if (folder / DRAWS).exists() else None
    found.metrics[metric.name] = values[0]
    if len(values) > 1:
        found.champion[metric.name] = values[1]
        found.gain[metric.name] = Gain(_better(metric, values[0]) - _better(metric, values[1]))
    if not drawn or not drawn[0]:
        took = f"its draws took longer than {metric.timeout}"
        found.notes[metric.name] = took if drawn is None else f"{rows:,} rows are too many to draw from"
        return
    sides = [np.array(side, dtype=float) for side in drawn]
    between = percentiles(sides[0], values[0], 1.0)
    if between:
        found.intervals[metric.name] = between
    if len(values) > 1:
        differences = _better(metric, sides[0]) - _better(metric, sides[1])
        found.gain[metric.name] = of_draws(found.gain[metric.name].value, differences, 1.0)


def _better(metric: MetricSpec, value: Any) -> Any:
    return goodness(metric.name, value, lower_is_better=metric.lower_is_better)


def _write_request(
    folder: Path, metric: MetricSpec, context: RunContext, frames: Sequence[pd.DataFrame], answers: Answers, draws: int
) -> None:
    import numpy as np

    request = {
        "python": metric.python,
        "sql": metric.sql,
        "allowed": list(context.allowed_imports),
        "models": len(frames),
        "draws": draws,
        "season": answers.signature.season,
    }
    (folder / "request.json").write_text(json.dumps(request))
    for i, frame in enumerate(frames):
        frame.to_parquet(folder / f"rows-{i}.parquet", index=False)
    units = {name: values for name in ("query", "time") if (values := getattr(answers, name)) is not None}
    np.savez(folder / "units.npz", **units)


def _values(metric: MetricSpec, folder: Path, code: int | None, printed: str, secrets: Secrets) -> list[float]:
    """Give the value of each model, or raise what went wrong."""
    what = f"the metric '{metric.name}' ({metric.python or 'SQL'})"
    file = folder / VALUE
    if not file.exists():
        if code is None:
            raise ConfigError(f"{what} was ended after {metric.timeout}", hint="make it faster, or raise its 'timeout'")
        ended = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        raise FunctionError(f"{what} ended its process {ended}\n{printed[-_CHARACTERS:]}".rstrip())
    content: dict[str, Any] = json.loads(file.read_text())
    if "wrong" in content:
        raise DataError(f"{what} {secrets.hide(content['wrong'])}", hint="it must give one finite number")
    if "config" in content:
        raise ConfigError(f"{what}: {secrets.hide(content['config'])}", hint=secrets.hide(content["hint"]))
    if "raised" in content:
        raise FunctionError(f"{what} failed\n{secrets.hide(content['raised'])[-_CHARACTERS:]}")
    values: list[float] = content["values"]
    return values
