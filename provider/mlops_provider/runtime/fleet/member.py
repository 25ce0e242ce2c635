"""What became of one item of a fleet, from the records that its phases left."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.metrics import goodness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_provider.runtime.records import Record

STATUSES = ("failed", "blocked", "skipped", "vacuous", "passed", "succeeded")
"""How an item ended, the worst first; succeeded is one whose phases hold no checkpoint."""
_BROKEN = frozenset({"failed", "upstream_failed"})


@dataclass(frozen=True, slots=True)
class Member:
    """One item: how it ended and why, its numbers, and those of its champion on the same rows.

    `rows` are those that were evaluated; `version` is the one that it was registered as, `name` the registry's name.
    """

    label: str
    item: dict[str, Any]
    status: str
    why: str = ""
    rows: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    champion: dict[str, float] = field(default_factory=dict)
    champion_note: str = ""
    name: str = ""
    version: str = ""
    seconds: float = 0.0
    reports: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def member_of(
    label: str, item: dict[str, Any], phases: Sequence[str], records: Mapping[str, Record], states: Sequence[str]
) -> Member:
    """Tell the story of an item: `records` are its last ones by phase, `states` those of its tasks in Airflow."""
    made = [records[phase] for phase in phases if phase in records]
    judged = next((record for record in reversed(made) if record.get("verdict")), None)
    registered = next((record for record in made if record["phase_type"] == "register"), None)
    status, why = _ended(phases, records, made, states)
    details = (judged or {}).get("details") or {}
    version = ((registered or {}).get("outputs") or {}).get("version") or {}
    data = ((judged or {}).get("inputs") or {}).get("data") or [{}]
    return Member(
        label=label,
        item=item,
        status=status,
        why=why,
        rows=data[0].get("rows"),
        metrics=_numbers((judged or {}).get("metrics")),
        champion=_numbers(details.get("champion")),
        champion_note=str(details.get("champion_note") or ""),
        name=str(version.get("name") or ""),
        version=str(version.get("version") or ""),
        seconds=sum((record.get("usage") or {}).get("wall_seconds", 0.0) for record in made),
        reports=tuple(
            ref["uri"] for record in made for ref in (record.get("outputs") or {}).values() if ref["kind"] == "report"
        ),
    )


def _ended(
    phases: Sequence[str], records: Mapping[str, Record], made: list[Record], states: Sequence[str]
) -> tuple[str, str]:
    for record in made:
        if record["status"] == "failed":
            error = record.get("error") or {}
            return "failed", f"{_bare(record)}: {str(error.get('message', '')).splitlines()[0][:300]}"
    for record in made:
        verdict = record.get("verdict") or {}
        if verdict.get("status") == "blocked":
            failed = [rule["why"] for rule in verdict["rules"] if rule["result"] == "failed"]
            return "blocked", "; ".join(failed)
    if _BROKEN.intersection(states):
        missing = [phase for phase in phases if phase not in records]
        return "failed", f"{missing[0] if missing else phases[-1]} ended without a record: see its log"
    if phases[-1] not in records:
        return "skipped", f"{phases[-1]} did not run"
    verdicts = [record["verdict"]["status"] for record in made if record.get("verdict")]
    if "vacuous" in verdicts:
        return "vacuous", "a checkpoint had no gates that apply"
    return ("passed", "") if verdicts else ("succeeded", "")


def _bare(record: Record) -> str:
    return str(record["phase"]).partition("@")[0]


def _numbers(values: Any) -> dict[str, float]:
    found = values if isinstance(values, dict) else {}
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}


def main_metric(members: Sequence[Member], records: Sequence[Record]) -> str:
    """Give the metric that a fleet is judged by: the one that most gates look at, else the first that all have."""
    counts: dict[str, int] = {}
    for record in records:
        for rule in (record.get("verdict") or {}).get("rules", ()):
            for name in rule.get("values") or {}:
                if any(name in member.metrics for member in members):
                    counts[name] = counts.get(name, 0) + 1
    if counts:
        return max(sorted(counts), key=lambda name: counts[name])
    return next((name for member in members for name in member.metrics), "")


def worst_first(members: Sequence[Member], metric: str) -> list[Member]:
    """Sort by how they ended, then by the metric, the worst first."""

    def place(member: Member) -> tuple[int, float, str]:
        value = member.metrics.get(metric)
        return STATUSES.index(member.status), float("-inf") if value is None else goodness(metric, value), member.label

    return sorted(members, key=place)
