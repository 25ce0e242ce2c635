"""Two runs side by side: parameters, metrics, verdicts, durations, usage, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.iterations.changes import Changes, compare_runs
from mlops_provider.runtime.iterations.explanation import Explanation, explain
from mlops_provider.runtime.iterations.history import EVALUATE, Run, evaluation_of
from mlops_provider.runtime.iterations.scores import Step, steps

if TYPE_CHECKING:
    from mlops_provider.store.store import Store


@dataclass(frozen=True, slots=True)
class PhasePair:
    """A phase in both runs: how it ended, its verdict, seconds and peak memory; None where it did not run."""

    phase: str
    status: tuple[str | None, str | None]
    verdict: tuple[str | None, str | None]
    seconds: tuple[float | None, float | None]
    memory: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side; `explanation` is of the checkpoint that both reached, where there is one."""

    earlier: Run
    later: Run
    phases: list[PhasePair]
    metrics: dict[str, list[Step]]
    parameters: dict[str, tuple[Any, Any]]
    changes: Changes
    explanation: Explanation | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "workflow": self.later.workflow,
            "earlier": {"run_id": self.earlier.run_id, "started": self.earlier.started},
            "later": {"run_id": self.later.run_id, "started": self.later.started},
            "phases": [
                {
                    "phase": pair.phase,
                    "status": list(pair.status),
                    "verdict": list(pair.verdict),
                    "seconds": list(pair.seconds),
                    "peak_memory_mib": list(pair.memory),
                }
                for pair in self.phases
            ],
            "metrics": {phase: [step.to_dict() for step in found] for phase, found in self.metrics.items()},
            "parameters": {name: list(values) for name, values in self.parameters.items()},
            "changes": self.changes.to_dict(),
            "explanation": self.explanation.to_dict() if self.explanation else None,
        }


def compare(store: Store, earlier: Run, later: Run, *, phase: str = "") -> Comparison:
    """Compare two runs; `phase` is the checkpoint to explain, default: the first that blocked, or the last."""
    phase = phase or checkpoint_of(earlier, later)
    explanation = explain(store, earlier, later, phase) if phase else None
    names = [*later.phases, *(name for name in earlier.phases if name not in later.phases)]
    both = [name for name in later.phases if name in earlier.phases]
    metrics = {name: steps(earlier.phases[name], later.phases[name]) for name in both}
    sides = [run_parameters(run) for run in (earlier, later)]
    return Comparison(
        earlier,
        later,
        [_pair(name, earlier, later) for name in names],
        {name: found for name, found in metrics.items() if found},
        {name: (sides[0].get(name), sides[1].get(name)) for name in sorted({*sides[0], *sides[1]})},
        explanation.changes if explanation else compare_runs(store, earlier, later),
        explanation,
    )


def checkpoint_of(earlier: Run, later: Run) -> str:
    """Give the evaluation of both runs that is looked into: the first that is blocked, else the last; '' for none."""
    names = [
        str(record["phase"])
        for record in later.of_type(EVALUATE)
        if record["phase"] in earlier.phases and record["status"] != "failed"
    ]
    blocked = [name for name in names if evaluation_of(later.phases[name]).status == "blocked"]
    return (blocked or names[-1:] or [""])[0]


def run_parameters(run: Run) -> dict[str, Any]:
    """Give the parameters that a run was started with."""
    return dict(next((record.get("parameters") or {} for record in run.phases.values()), {}))


def _pair(name: str, earlier: Run, later: Run) -> PhasePair:
    sides = [run.phases.get(name) for run in (earlier, later)]
    status, verdict, seconds, memory = [], [], [], []
    for side in sides:
        usage = (side or {}).get("usage") or {}
        status.append(side["status"] if side else None)
        verdict.append(((side or {}).get("verdict") or {}).get("status"))
        seconds.append(usage.get("wall_seconds"))
        memory.append(usage.get("peak_memory_mib"))
    return PhasePair(
        name,
        (status[0], status[1]),
        (verdict[0], verdict[1]),
        (seconds[0], seconds[1]),
        (memory[0], memory[1]),
    )
