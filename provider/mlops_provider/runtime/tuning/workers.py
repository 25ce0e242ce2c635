"""Several workers of one search at once, inside its task: by joblib's backends loky, threading, dask and ray.

Threads share the data. Processes, here or on a cluster, get its reference and read it from the store: nothing is sent
with the trials.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops_provider.imports import import_extra
from mlops_provider.runtime.training_data import read_training_data
from mlops_provider.runtime.tuning.progress import watching
from mlops_provider.runtime.tuning.search import Search, inputs_of
from mlops_provider.runtime.tuning.study import MOST_DEATHS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.spec.train import TrainSpec
    from mlops_dag_factory.spec.tune import TuneSpec
    from mlops_provider.runtime.contract import Inputs, RunContext

_LOG = logging.getLogger(__name__)


def work_at_once(search: Search, tune: TuneSpec, count: int) -> None:
    """Let so many workers run the trials of a search until none is left for them.

    A process that is killed takes joblib's others with it. What was being tried then is tried again one by one, so
    that the trial that is to blame is found, before all go on.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    with watching(search), _backend(tune.backend, count):
        while True:
            try:
                _run(search, tune, count)
            except TerminatedWorkerError:
                _LOG.warning("a worker of the search was killed; what was being tried is tried again one by one")
                _one_by_one(search, tune)
            else:
                return


def _one_by_one(search: Search, tune: TuneSpec) -> None:
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    for _ in range(MOST_DEATHS):
        get_reusable_executor().shutdown(wait=True, kill_workers=True)  # none of them is there to be killed later
        try:
            _run(search, tune, 1)
        except TerminatedWorkerError:
            continue
        return


def _run(search: Search, tune: TuneSpec, count: int) -> None:
    """Run so many workers; a single one takes only what others began."""
    from joblib import Parallel, cpu_count, delayed
    from threadpoolctl import threadpool_limits

    judge = search.judge
    if tune.backend == "threading":
        with threadpool_limits(max(1, cpu_count() // count)):
            Parallel(n_jobs=count)(delayed(search.again().work)(stay=False, share=False) for _ in range(count))
        return
    context = replace(judge.context, connections={})
    parent = os.getpid() if tune.backend == "loky" else 0
    job = delayed(_elsewhere)(judge.config, inputs_of(judge.data), context, parent=parent, begun=count == 1)
    Parallel(n_jobs=max(2, count))(job for _ in range(count))  # 1 would run here


def _elsewhere(config: TrainSpec, inputs: Inputs, context: RunContext, *, parent: int, begun: bool) -> int:
    """Work on a search in a process of joblib's."""
    search = Search.open(config, read_training_data(config, inputs, context), context)
    return search.work(stay=False, parent=parent, begun=begun)


@contextmanager
def _backend(name: str, count: int) -> Iterator[None]:
    """Choose joblib's backend; Dask and Ray use the cluster that their own settings name, else start one here."""
    from joblib import parallel_config

    if name == "dask":
        distributed = import_extra("distributed", "dask")
        with _dask(distributed, count) as client, parallel_config(backend="dask", client=client):
            yield
    elif name == "ray":
        import_extra("ray", "ray").init(num_cpus=_cpus(count), ignore_reinit_error=True, log_to_driver=False)
        import_extra("ray.util.joblib", "ray").register_ray()
        with parallel_config(backend="ray"):
            yield
    else:
        with parallel_config(backend=name):
            yield


@contextmanager
def _dask(distributed: Any, count: int) -> Iterator[Any]:
    import dask

    if dask.config.get("scheduler-address", None):
        with distributed.Client() as client:
            yield client
        return
    with (
        distributed.LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _cpus(count: int) -> int | None:
    return None if os.environ.get("RAY_ADDRESS") else count
