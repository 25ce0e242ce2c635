"""The share that a task of its own has in a search: what the training itself then finds done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_provider.runtime.contract import Outcome, now
from mlops_provider.runtime.phase import Finished
from mlops_provider.runtime.records import note
from mlops_provider.runtime.training_data import read_training_data
from mlops_provider.runtime.tuning.search import Search
from mlops_provider.runtime.usage import Stopwatch

if TYPE_CHECKING:
    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_provider.runtime.places.work import Work


def run_trials(work: Work, config: TrainSpec) -> Finished:
    """Run trials until none is left; the record is that of the worker, and there are no outputs.

    Where the cache has the training's model, there is nothing to do.
    """
    started, watch, training = now(), Stopwatch(), work.context
    count = 0
    if work.recalled and work.recalled.hit.outcome is not None:
        said = f"The cache has the model: {work.recalled.hit.why}."
    else:
        count = Search.open(config, read_training_data(config, work.inputs, training), training).work(stay=False)
        said = f"Ran {count} trials of the search of `{training.phase}`."
    outcome = Outcome(metrics={"trials": float(count)}, summary=said)
    uri = note(
        work.recorded,
        started=started,
        summary=said,
        config={"of": training.phase},
        metrics=outcome.metrics,
        usage=watch.stop().to_dict(),
    )
    return Finished(outcome, uri)
