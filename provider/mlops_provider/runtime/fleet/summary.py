"""The summary of a fleet: what became of every item, counted, told, and published as one page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.refs import ReportRef
from mlops_provider.runtime.contract import item_label
from mlops_provider.runtime.fleet.member import STATUSES, Member, main_metric, member_of, worst_first
from mlops_provider.runtime.fleet.page import fleet_page
from mlops_provider.runtime.records import run_records
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_provider.runtime.contract import RunContext

_SHOWN = 10
_GOOD = frozenset({"passed", "vacuous", "succeeded"})


@dataclass(frozen=True, slots=True)
class Fleet:
    """All items of a fleet, the worst first; `metric` is the one that they are compared by."""

    members: tuple[Member, ...]
    metric: str
    phases: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many items ended in which way, the worst first."""
        found = Counter(member.status for member in self.members)
        return {status: found[status] for status in STATUSES if found[status]}

    @property
    def succeeded(self) -> int:
        """How many items went through to the end."""
        return sum(member.status in _GOOD for member in self.members)

    def to_markdown(self) -> str:
        """Give the counts and the worst items."""
        said = ", ".join(f"{count} {status}" for status, count in reversed(self.counts.items()))
        way = " → ".join(f"`{phase}`" for phase in self.phases)
        lines = [f"{way}: {self.succeeded} of {len(self.members)} items succeeded ({said})."]
        bad = [member for member in self.members if member.status in {"failed", "blocked"}]
        if bad:
            rows = [f"| {m.label} | {m.status} | {_cell(m.why)} |" for m in bad[:_SHOWN]]
            lines.append("\n".join(["| item | verdict | why |", "|---|---|---|", *rows]))
        if len(bad) > _SHOWN:
            lines.append(f"{len(bad) - _SHOWN} more are in the report.")
        return "\n\n".join(lines)


def read_fleet(
    context: RunContext, phases: Sequence[str], items: Sequence[dict[str, Any]], states: Mapping[str, Sequence[str]]
) -> Fleet:
    """Read what the phases of every item left; `states` are those of its tasks, by the item's label."""
    records = run_records(context.store(), context.workflow, context.run_id)
    last = {record["phase"]: record for record in records}
    members = []
    for item in items:
        label = item_label(item)
        own = {phase: last[f"{phase}@{label}"] for phase in phases if f"{phase}@{label}" in last}
        members.append(member_of(label, item, phases, own, states.get(label, ())))
    chain = [record for record in last.values() if record["phase"].partition("@")[0] in phases]
    metric = main_metric(members, chain)
    return Fleet(tuple(worst_first(members, metric)), metric, tuple(phases))


def publish_fleet(context: RunContext, fleet: Fleet) -> ReportRef:
    """Publish the page and its numbers as a report."""
    store = context.store()
    title = f"{context.workflow}: {fleet.phases[-1]}, {len(fleet.members)} items"
    content = {"title": title, "metric": fleet.metric, "counts": fleet.counts, "phases": list(fleet.phases)}
    with store.scratch() as folder:
        members = [member.to_dict() for member in fleet.members]
        (folder / "report.json").write_bytes(json_bytes({**content, "items": members}))
        (folder / "report.md").write_text(f"# {title}\n\n{fleet.to_markdown()}\n", encoding="utf-8")
        (folder / "report.html").write_text(
            fleet_page(title, context.run_id, fleet.members, fleet.counts, fleet.metric), encoding="utf-8"
        )
        published = store.publish(context.workflow, "reports", folder, {"lineage": {"identity": context.identity}})
    return ReportRef(uri=published.uri, digest=published.digest)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
