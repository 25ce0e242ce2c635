"""Why a checkpoint's metric fell since the last good run: the evidence, and what to look at next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.iterations.changes import Changes, compare_runs
from mlops_provider.runtime.iterations.crossed import Crossed, cross
from mlops_provider.runtime.iterations.history import Evaluation, Run, evaluation_of, evaluations, manifest_of
from mlops_provider.runtime.iterations.parts import WorstParts, worst_parts
from mlops_provider.runtime.iterations.proposal import propose
from mlops_provider.runtime.iterations.scores import Step, steps, worst_step
from mlops_provider.runtime.iterations.suspects import Made, Suspect, drift_of_rows, importance_in, rank
from mlops_provider.store.models import Signature

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

_POINTS = 50


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about a checkpoint in two runs; `missing` says what could not be computed, and why.

    `step` is the metric that is looked into, None where none fell. `history` are the values of all runs so far.
    """

    phase: str
    earlier: Evaluation
    later: Evaluation
    changes: Changes
    steps: list[Step]
    step: Step | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    crossed: Crossed | None = None
    parts: WorstParts = field(default_factory=WorstParts)
    suspects: list[Suspect] = field(default_factory=list)
    proposal: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "phase": self.phase,
            "earlier": {**self.earlier.to_dict(), "metrics": None},
            "later": {**self.later.to_dict(), "metrics": None},
            "metrics": [step.to_dict() for step in self.steps],
            "looked_into": self.step.name if self.step else None,
            "history": self.history,
            "crossed": self.crossed.to_dict() if self.crossed else None,
            "worst_slices": self.parts.to_dict(),
            "suspects": [suspect.to_dict() for suspect in self.suspects],
            "proposal": self.proposal,
            "missing": self.missing,
            "changes": self.changes.to_dict(),
        }


def explain(store: Store, earlier: Run, later: Run, phase: str) -> Explanation:
    """Explain what a checkpoint said in two runs that both reached it."""
    records = earlier.phases[phase], later.phases[phase]
    sides = [evaluation_of(run.phases[phase], run.phases.get(f"{phase}.override")) for run in (earlier, later)]
    changes = compare_runs(store, earlier, later, phase=phase)
    compared = steps(*records)
    step = worst_step(compared, records[1].get("verdict"))
    history = _history(store, sides[1], phase)
    if step is None:
        return Explanation(phase, sides[0], sides[1], changes, compared, history=history)
    trained = _trained(earlier, phase), _trained(later, phase)
    missing: list[str] = []
    crossed, drifts, parts = None, {}, WorstParts()
    try:
        learned = earlier.phases.get(trained[0])
        crossed = cross(store, step.name, step.direction, *records, learned)
    except MlopsError as err:
        missing.append(f"both models on both sets of rows: {err.message}")
    try:
        drifts = drift_of_rows(store, *records)
    except MlopsError as err:
        missing.append(f"the drift of the evaluated rows: {err.message}")
    made = _made(store, later, phase, trained[1])
    try:
        parts = worst_parts(store, earlier, later, phase)
    except MlopsError as err:
        missing.append(f"the worst slices: {err.message}")
    suspects = rank(changes, crossed, made, drifts, importance_in(later, earlier))
    models = [record["inputs"]["model"][0]["digest"] for record in records]
    proposal = propose(step, crossed, suspects, changes, parts, models=(models[0], models[1]), target=made.targets)
    return Explanation(
        phase, sides[0], sides[1], changes, compared, step, history, crossed, parts, suspects, proposal, missing
    )


def _history(store: Store, later: Evaluation, phase: str) -> list[dict[str, Any]]:
    """Give the checkpoint's latest values up to this run, the oldest first."""
    before = [
        one.to_dict()
        for one in evaluations(store, later.record["workflow"], phase)
        if one.record["started"] < later.record["started"] and one.run_id != later.run_id
    ]
    return [*before, later.to_dict()][-_POINTS:]


def _trained(run: Run, phase: str) -> str:
    """Give the phase that made the model which a checkpoint looked at; '' where it came from elsewhere."""
    wanted = run.phases[phase]["inputs"]["model"][0]["uri"]
    for name, record in run.phases.items():
        if wanted in {ref["uri"] for ref in (record.get("outputs") or {}).values()} and record["phase_type"] == "train":
            return name
    return ""


def _made(store: Store, run: Run, phase: str, trained: str) -> Made:
    phases = frozenset(run.makers(trained)) if trained else frozenset()
    manifest = manifest_of(store, run.phases[phase], "model")
    if not manifest:
        return Made(phases)
    signature = Signature.from_dict(manifest["meta"]["signature"])
    return Made(phases, tuple(signature.names()), tuple(signature.targets()))
