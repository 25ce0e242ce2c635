"""Samples of `dags/workflows`: their phases one after the other, then their monitor on a log that tests write."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.provider.runtime.monitor.conftest import Watched

from mlops_dag_factory.spec import Workflow
from mlops_provider.runtime.phase import run_phase
from mlops_provider.runtime.table import read_frame
from mlops_provider.store.models import load_model
from mlops_provider.store.services import Change, ServedVersion, now, set_version

WORKFLOWS = Path(__file__).parents[4] / "dags" / "workflows"


class Sample(Watched):
    """A sample of `dags/workflows` with its first version live; `values` are its parameters."""

    def __init__(self, bench, name, trained, values):
        self.bench, self.name, self.values, self.runs = bench, name, values, 0
        self.workflow = Workflow.read(WORKFLOWS / f"{name}.yaml")
        self.outputs, self.outcomes = {}, {}
        for phase in trained:
            self.outcomes[phase] = self.run_phase(phase)
            self.outputs[phase] = self.outcomes[phase].outputs
        self.ref = self.outputs["candidate"]["version"]
        change = Change(id="release-1", action="release", by="ana", at=now())
        served = ServedVersion(version=self.ref.version, model=self.ref)
        set_version(bench.store, name, "production", served, change)
        self.model = load_model(bench.store, self.ref)
        self.rows = read_frame(bench.store, self.outputs["parts"]["test"])

    def run_phase(self, name):
        spec = self.workflow.phases[name]
        text = spec.model_dump_json(exclude_unset=True)
        for parameter, value in self.values.items():
            text = text.replace(f'"{{{{ params.{parameter} }}}}"', str(value))
            text = text.replace(f"{{{{ params.{parameter} }}}}", str(value))
        spec = type(spec).model_validate_json(text)
        if spec.type == "ingest":  # as the compiler does
            spec = spec.model_copy(update={"labels": self.workflow.monitor.labels})
        inputs = {}
        for field in ("data", "model"):
            if reference := getattr(spec, field, None):
                phase, _, output = reference.partition(".")
                inputs[field] = [self.outputs[phase][output or self.workflow.phases[phase].default_output]]
        context = self.bench.context(name, spec.type, workflow=self.name, parameters=self.values)
        return run_phase(spec, inputs, context).outcome

    def folder(self, at, version="1"):
        found = super().folder(at, version)
        return Path(str(found).replace("/flow/", f"/{self.name}/"))

    def phase(self, phase, spec, inputs):
        context = self.bench.context(
            phase, f"monitor.{phase}", run_id=f"monitor__{self.runs}", workflow=self.name, parameters=self.values
        )
        named = {field: [ref] for field, ref in inputs.items() if ref is not None}
        return run_phase(spec, named, context).outcome

    def asked(self, frame, truth=None, **columns):
        """Answer requests, deliver their outcomes, look at them, decide; give what broke and the decision."""
        self.runs += 1
        ids = self.log(frame, **columns)
        folder = self.bench.root / "labels" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = frame["target"] if truth is None else truth
        labels = pd.DataFrame({"request_id": ids, "target": list(outcomes)})
        labels.to_csv(folder / f"{self.runs:02d}.csv", index=False)
        spec = self.workflow.monitor
        window = self.phase("window", spec, {}).outputs
        check = self.phase("check", spec, dict(window))
        decision = self.phase("decide", spec, {"window": window["window"], "report": check.outputs["report"]})
        broken = [rule.rule for rule in check.verdict.rules if rule.result == "failed"]
        return broken, decision.details, check
