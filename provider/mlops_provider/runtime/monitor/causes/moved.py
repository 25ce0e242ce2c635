"""Which columns moved: those whose score reaches its threshold, ranked by score times importance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, DataError
from mlops_provider.runtime.iterations.history import read_manifest, read_run
from mlops_provider.runtime.iterations.suspects import importance_in
from mlops_provider.runtime.monitor.drift.importance_weights import importance_weights

if TYPE_CHECKING:
    from mlops_provider.runtime.columns.profile import ColumnProfile
    from mlops_provider.runtime.monitor.findings import Findings
    from mlops_provider.runtime.monitor.look import Look

LONGEST = 40
_PER_CENT = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A column that moved: its score and threshold, its importance as a share of all (None: not known), what it did."""

    column: str
    score: float
    threshold: float
    importance: float | None = None
    says: str = ""

    @property
    def weight(self) -> float:
        """What the ranking is by."""
        return self.score * (1.0 if self.importance is None else self.importance)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


def moved_columns(look: Look, found: Findings) -> list[Moved]:
    """Give the columns that moved, the likeliest cause first; where no importance is known, by score."""
    limits = {name: found.thresholds.get(name, found.threshold) for name in found.scores}
    far = {name: score for name, score in found.scores.items() if score >= limits[name] and name not in found.by_chance}
    importance = found.weights or (_importance(look) if len(far) > 1 else {})
    total = sum(max(value, 0.0) for value in importance.values())
    moved = []
    for name, score in far.items():
        share = max(importance.get(name, 0.0), 0.0) / total if total else None
        moved.append(
            Moved(
                column=name,
                score=round(score, 6),
                threshold=limits[name],
                importance=None if share is None else round(share, 6),
                says=_said(look, name),
            )
        )
    return sorted(moved, key=lambda one: (-one.weight, -one.score, one.column))


def lost_columns(look: Look, found: Findings) -> list[str]:
    """Say which columns cannot be compared any more, and which are missing in more rows than is allowed."""
    said = {name: f"{name} {why}" for name, why in found.bad_columns.items()}
    shares = [rule.values for rule in found.rules if rule.rule == "data_quality" and rule.result == "failed"]
    for name, share in (item for one in shares for item in one.items()):
        before = look.baseline_profiles.get(name)
        was = f", in the baseline {before.missing_share:.0%}" if before else ""
        said.setdefault(name, f"{name} is missing in {share:.0%} of the rows{was}")
    return list(said.values())


def most_changed(before: ColumnProfile, after: ColumnProfile) -> tuple[str, float, float] | None:
    """Give the value whose share of the rows changed most, and both shares; None where there is nothing to compare."""
    if not before.values or not after.values:
        return None
    shares = {
        each: (before.categories.get(each, 0) / before.values, after.categories.get(each, 0) / after.values)
        for each in sorted({*before.categories, *after.categories})
    }
    if not shares:
        return None
    most = max(shares, key=lambda each: abs(shares[each][1] - shares[each][0]))
    return most, *shares[most]


def _importance(look: Look) -> dict[str, float]:
    """Give how much each feature matters: as an `explain` of the run says that made the version, else as measured."""
    try:
        lineage = read_manifest(look.store, look.served.model.to_dict()).get("meta", {}).get("lineage", {})
    except DataError:  # rows from elsewhere, which no version answered
        return {}
    run, workflow = str(lineage.get("run_id", "")), str(lineage.get("identity", "")).partition("/")[0]
    try:
        found = importance_in(read_run(look.store, workflow, run)) if run and workflow else {}
    except ConfigError:  # its records are gone
        found = {}
    return found or importance_weights(look)[0]


def _said(look: Look, name: str) -> str:
    """Say in the column's own unit what it did: its mean, or the value whose share changed most."""
    before, after = look.baseline_profiles.get(name), look.profiles.get(name)
    if before is None or after is None or not before.values or not after.values:
        return ""
    parts = []
    if before.kind == "number":
        parts.append(f"mean {before.mean:.4g} → {after.mean:.4g}")
    elif most := most_changed(before, after):
        value, old, new = most
        parts.append(f"'{value[:LONGEST]}' {old:.0%} → {new:.0%} of the rows")
    if abs(after.missing_share - before.missing_share) >= _PER_CENT:
        parts.append(f"missing {before.missing_share:.0%} → {after.missing_share:.0%}")
    return ", ".join(parts)
