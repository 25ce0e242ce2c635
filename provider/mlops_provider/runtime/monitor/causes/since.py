"""Since when: the moment within the window, else between two checks, at which something became other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.monitor.causes.change_point import find_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_provider.runtime.monitor.causes.series import Point, RowSeries

_SHOWN = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """The change lies after `earliest` and at `latest` or before; `says` is the sentence with its numbers."""

    earliest: datetime
    latest: datetime
    what: str
    before: float
    after: float
    p_value: float | None
    says: str

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "earliest": self.earliest.isoformat(),
            "latest": self.latest.isoformat(),
            "what": self.what,
            "before": self.before,
            "after": self.after,
            "p_value": self.p_value,
        }


def since_when(
    rows: RowSeries | None, checks: Sequence[Point], names: Sequence[str], now: Point, *, failed: bool
) -> Since | None:
    """Find it; None where neither the rows nor the checks show a change that is not chance."""
    within = _in_rows(rows) if rows else None
    return within or _in_checks([*checks, now], names) or (_first(checks, now) if failed else None)


def _in_rows(rows: RowSeries) -> Since | None:
    change = find_change(rows.values)
    if change is None:
        return None
    latest, earliest = rows.ts[change.place], rows.ts[max(change.place - 1, 0)]
    before, after = (f"{value:.0%}" if rows.share else f"{value:.4g}" for value in (change.before, change.after))
    said = f"since {latest:{_SHOWN}} UTC: {rows.what} {before} → {after} (p = {change.p_value:.3g}, over the rows)"
    return Since(
        earliest=earliest,
        latest=latest,
        what=rows.what,
        before=change.before,
        after=change.after,
        p_value=change.p_value,
        says=said,
    )


def _in_checks(points: Sequence[Point], names: Sequence[str]) -> Since | None:
    """Take the metric whose change is surest, of those that are still as they have been since."""
    found: list[tuple[float, Since]] = []
    for name in names:
        having = [point for point in points if name in point.metrics]
        values = [point.metrics[name] for point in having]
        change = find_change(values)
        if change is None or abs(values[-1] - change.after) > abs(values[-1] - change.before):
            continue
        earliest, latest = having[change.place - 1].at, having[change.place].at
        said = (
            f"since between the checks of {earliest:{_SHOWN}} and {latest:{_SHOWN}} UTC: {name} "
            f"{change.before:.3g} → {change.after:.3g} (p = {change.p_value:.3g}, over {len(having)} checks)"
        )
        since = Since(
            earliest=earliest,
            latest=latest,
            what=name,
            before=change.before,
            after=change.after,
            p_value=change.p_value,
            says=said,
        )
        found.append((change.p_value, since))
    return min(found, key=lambda one: one[0])[1] if found else None


def _first(checks: Sequence[Point], now: Point) -> Since | None:
    """Say which check was the last without a breach: that is known without any test."""
    quiet = [point for point in checks if point.status == "passed"]
    if not quiet:
        return None
    last = quiet[-1].at
    following = [point.at for point in [*checks, now] if point.at > last and point.status == now.status]
    if not following or following[0] - last > timedelta(days=365):
        return None
    said = (
        f"the last check without a breach was that of {last:{_SHOWN}} UTC, the first with one {following[0]:{_SHOWN}}"
    )
    return Since(earliest=last, latest=following[0], what="the verdict", before=0.0, after=1.0, p_value=None, says=said)
