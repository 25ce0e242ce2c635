"""What a search found, as numbers, as words and as a page."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.refs import ReportRef
from mlops_provider.runtime.tuning.page import search_page
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.runtime.contract import RunContext
    from mlops_provider.runtime.tuning.trial import Goal, Trial

_SHOWN = 10
_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best trial of a search and all others; `parameters` are those of the config with the best in their place.

    `key` is the search's in the store, `wanted` how many trials it would have had without a timeout.
    """

    parameters: dict[str, Any]
    goal: Goal
    best: Trial
    trials: list[Trial]
    key: str
    wanted: int

    @property
    def states(self) -> dict[str, int]:
        """How many trials finished, were given up, failed."""
        counts = Counter(trial.state for trial in self.trials)
        return {state: counts[state] for state in ("finished", "pruned", "failed") if counts[state]}

    def metrics(self) -> dict[str, float]:
        """Give the numbers of the search as metrics of its training."""
        found = {"tune.best_score": self.best.score or 0.0, "tune.trials": float(len(self.trials))}
        return found | {f"tune.{state}": float(count) for state, count in self.states.items()}

    def details(self) -> dict[str, Any]:
        """Give what belongs in the record: the choice, and why the others failed."""
        return {
            "parameters": self.best.parameters,
            "metric": self.goal.metric,
            "score": self.best.score,
            "trial": self.best.number,
            "states": self.states,
            "search": self.key,
            "errors": dict(Counter(trial.error for trial in self.trials if trial.error).most_common(5)),
        }

    def summary(self, run_id: str) -> str:
        """Give the best trials as Markdown; `run_id` tells those of this run from those that were there already."""
        said = ", ".join(f"{count} {state}" for state, count in self.states.items())
        lines = [f"Searched {len(self.trials)} trials ({said}) for the {self._direction()} {self.goal.metric}."]
        reused = sum(1 for trial in self.trials if trial.run_id and trial.run_id != run_id)
        if reused:
            lines.append(f"{reused} of them were run by earlier runs.")
        if len(self.trials) < self.wanted:
            lines.append(f"{self.wanted - len(self.trials)} more were not run: no time was left, or too few were good.")
        names = sorted(self.best.parameters)
        header = f"| trial | {' | '.join(names)} | {self.goal.metric} | seconds |"
        rows = [
            f"| {trial.number} | {' | '.join(shown(trial.parameters[name]) for name in names)} "
            f"| {trial.score:.6g} | {trial.seconds:.1f} |"
            for trial in self._shown()
        ]
        return "\n".join([" ".join(lines), "", header, "|---" * (len(names) + 3) + "|", *rows])

    def publish(self, context: RunContext, data: str) -> ReportRef:
        """Publish the search as a report; nothing in it depends on when or where trials ran."""
        title = f"{context.workflow}: search of {context.phase}"
        store = context.store()
        trials = [{name: value for name, value in trial.to_dict().items() if name in _LASTING} for trial in self.trials]
        with store.scratch() as folder:
            content = {"title": title, "metric": self.goal.metric, "best": self.best.number, "trials": trials}
            (folder / "report.json").write_bytes(json_bytes(content))
            (folder / "report.html").write_text(search_page(title, self.goal, self.best, self.trials))
            meta = {"lineage": {"data": data, "identity": context.identity}}
            published = store.publish(context.workflow, "reports", folder, meta)
        return ReportRef(uri=published.uri, digest=published.digest)

    def _direction(self) -> str:
        return "lowest" if self.goal.lower else "highest"

    def _shown(self) -> list[Trial]:
        top = [trial for trial in self.trials if trial.state == "finished" and trial.rung == self.best.rung]
        return sorted(top, key=self.goal.key)[:_SHOWN]


_LASTING = frozenset({"number", "parameters", "state", "folds", "score", "rows", "rung", "error"})


def shown(value: Any) -> str:
    """Give a value of a parameter in a table's cell."""
    text = f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    return text[:_LONGEST].replace("|", "\\|")
