"""Find the causes of a breach, after the checks: nothing that goes wrong here loses the verdict."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.columns.scores import shown
from mlops_provider.runtime.monitor.causes.changed import Changed, changed_then
from mlops_provider.runtime.monitor.causes.moved import Moved, lost_columns, moved_columns
from mlops_provider.runtime.monitor.causes.parts import Part, changed_parts
from mlops_provider.runtime.monitor.causes.rows import sample_rows
from mlops_provider.runtime.monitor.causes.series import Point, earlier_checks, followed, of_rows
from mlops_provider.runtime.monitor.causes.since import Since, since_when

if TYPE_CHECKING:
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look

log = logging.getLogger(__name__)

TOLD = 3
HISTORY = 24


@dataclass(slots=True)
class Causes:
    """What was found; `breach` says whether anything failed or warned, `problems` what could not be computed."""

    checks: list[Point]
    names: list[str]
    breach: bool = False
    moved: list[Moved] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    since: Since | None = None
    changed: list[Changed] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failed: bool = False

    def says(self) -> list[str]:
        """Give the sentences, the most telling first: at most three of each kind."""
        if not self.breach:
            return []
        lines = self.lost[:TOLD]
        if len(self.lost) > TOLD:
            lines.append(f"{len(self.lost) - TOLD} more features are lost or missing")
        lines += [_of_column(one) for one in self.moved[:TOLD]]
        if len(self.moved) > TOLD:
            lines.append(f"{len(self.moved) - TOLD} more features moved")
        if not self.moved and not self.lost:
            lines.append("no feature moved")
        lines += [part.says for part in self.parts[:TOLD]]
        if self.since:
            lines.append(self.since.says)
            lines += [one.says for one in self.changed[:TOLD]]
            if not self.changed:
                lines.append("nothing else is on record from an hour before until then")
        else:
            lines.append("since when cannot be told from this window and the checks before")
        return [*lines, *self.problems]

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, as it stands in the report."""
        return {
            "says": self.says(),
            "columns": [one.to_dict() for one in self.moved],
            "segments": [part.to_dict() for part in self.parts],
            "since": self.since.to_dict() if self.since else None,
            "changed": [one.to_dict() for one in self.changed],
            "rows": self.rows,
            "history": {
                name: [point.metrics[name] for point in self.checks[-HISTORY:] if name in point.metrics]
                for name in self.names
            },
        }


def find_causes(look: Look, found: Findings) -> Causes:
    """Look for causes where a rule failed or warned; the last of `checks` is this one."""
    verdict = found.verdict
    now = Point(look.context.clock(), dict(found.metrics), verdict.status, "")
    causes = Causes([], followed(found))
    try:
        earlier = earlier_checks(look)
        causes.checks = [*earlier, now]
        causes.failed = verdict.status == "blocked"
        causes.breach = any(rule.result in {"failed", "warned"} for rule in found.rules)
        if causes.breach:
            causes.lost = lost_columns(look, found)
            causes.moved = moved_columns(look, found)
            causes.parts = changed_parts(look, causes.moved)
            series = of_rows(look, causes.moved)
            causes.since = since_when(series, earlier, causes.names, now, failed=causes.failed)
            causes.changed = changed_then(look, causes.since) if causes.since else []
            causes.rows = sample_rows(look, causes.moved)
    except Exception as err:  # the verdict stands, whatever the search for its causes meets
        log.exception("the causes could not all be looked for")
        causes.problems.append(f"the causes could not all be looked for: {type(err).__name__}: {err}")
    return causes


def _of_column(one: Moved) -> str:
    weight = "" if one.importance is None else f", {one.importance:.0%} of the importance"
    said = f": {one.says}" if one.says else ""
    return f"{one.column} moved by {shown(one.score)} (from {one.threshold:g} on it counts{weight}){said}"
