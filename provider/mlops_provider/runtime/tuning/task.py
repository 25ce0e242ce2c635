"""The share that a task of its own has in a search: what the training itself then finds done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlops_provider.runtime.cache import content_key, look_up
from mlops_provider.runtime.contract import Inputs, RunContext, now
from mlops_provider.runtime.outside import outside_of
from mlops_provider.runtime.records import note
from mlops_provider.runtime.training_data import read_training_data
from mlops_provider.runtime.tuning.search import Search
from mlops_provider.runtime.usage import Stopwatch

if TYPE_CHECKING:
    from mlops_dag_factory.spec.train import TrainSpec


def run_trials(
    config: TrainSpec, inputs: Inputs, training: RunContext, worker: RunContext, *, cache: bool | float
) -> tuple[str, str]:
    """Run trials until none is left; give in a sentence what was done, and the URI of the record.

    `training` is the context of the phase whose search it is, `worker` that of this task. Where the cache has the
    training's model, there is nothing to do.
    """
    started, watch = now(), Stopwatch()
    count, said = 0, ""
    if cache is not False:
        outside = outside_of(config, training)
        hit = look_up(content_key(config, inputs, training, outside), training, outside, cache)
        said = f"The cache has the model: {hit.why}." if hit.outcome else ""
    if not said:
        count = Search.open(config, read_training_data(config, inputs, training), training).work(stay=False)
        said = f"Ran {count} trials of the search of `{training.phase}`."
    uri = note(
        replace(worker, phase_type="trial"),
        started=started,
        summary=said,
        config={"of": training.phase},
        metrics={"trials": float(count)},
        usage=watch.stop().to_dict(),
    )
    return said, uri
