"""One run of a small workflow on real data, phase by phase, wherever its phases run."""

from __future__ import annotations

import threading

import pytest

from mlops_dag_factory.spec import EvaluateSpec, IngestSpec, SplitSpec, TrainSpec
from mlops_provider.runtime.places.elsewhere import run_elsewhere, run_here
from mlops_provider.runtime.places.environments import ready_environment
from mlops_provider.runtime.places.work import Work
from mlops_provider.runtime.records import read_record

EXTRA = ["humanize==4.12.3"]
"""A small library that the worker does not have."""
TREE = "sklearn.tree.DecisionTreeClassifier"


class Runner:
    """Runs phases at a place, and keeps what they said."""

    def __init__(self, bench, place=None, **context):
        self.bench = bench
        self.context = context
        self.place = place
        self.said = []

    def work(self, spec, phase, inputs, *, variables=None, **context):
        run = self.bench.context(phase, spec.type, **{**self.context, **context})
        return Work(
            spec=f"mlops_dag_factory.spec:{type(spec).__name__}",
            config=spec.model_dump(mode="json", exclude_defaults=True),
            inputs={field: [ref] for field, ref in inputs.items()},
            context=run,
            variables=variables or {},
        )

    def run(self, spec, phase, inputs=None, *, cache=False, **context):
        work = self.work(spec, phase, inputs or {}, **context)
        if self.place is None:
            return run_here(work, spec, cache=cache)
        return run_elsewhere(work, spec, self.place, self.said.append, cache=cache)

    def whole(self):
        """Read, split, train and judge; give the records of the phases."""
        self.bench.tracking_uri = ""
        rows = self.run(IngestSpec(source="sklearn:iris"), "rows")
        parts = self.run(SplitSpec(data="d", test=0.4, seed=3), "parts", {"data": rows.outcome.outputs["data"]})
        train, test = (parts.outcome.outputs[name] for name in ("train", "test"))
        tree = TrainSpec(data="d", target="target", estimator=TREE, parameters={"max_depth": 3}, seed=1)
        model = self.run(tree, "model", {"data": train})
        judge = EvaluateSpec(model="m", data="d", gates=["accuracy >= 0.8"])
        quality = self.run(judge, "quality", {"model": model.outcome.outputs["model"], "data": test})
        return {
            record["phase"]: record
            for each in (rows, parts, model, quality)
            for record in [read_record(self.bench.store, each.record_uri)]
        }


def alike(record):
    """Give what of a record must not depend on where the phase ran."""
    own = {"started", "ended", "usage", "place", "store_url", "tracking_uri", "data_root", "key"}
    found = {name: value for name, value in record.items() if name not in own}
    outputs = {name: ref["digest"] for name, ref in record["outputs"].items()}
    inputs = {name: [ref["digest"] for ref in refs] for name, refs in record["inputs"].items()}
    return found | {"outputs": outputs, "inputs": inputs}


@pytest.fixture
def runner(bench):
    return Runner(bench)


@pytest.fixture(scope="session")
def inline_records(tmp_path_factory):
    from tests.provider.conftest import Bench

    return Runner(Bench(tmp_path_factory.mktemp("inline"))).whole()


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    """Make the environment by two at once: one does it, the other waits and takes it."""
    root, said = tmp_path_factory.mktemp("environments"), []
    makers = [threading.Thread(target=ready_environment, args=(root, EXTRA, "", said.append)) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert len(said) == 1, said
    return root
