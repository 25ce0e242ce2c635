"""Drift within the segments of a window: what moves in a small part is hardly seen in the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.columns.scores import shown
from mlops_provider.runtime.evaluation.tables import number, table
from mlops_provider.runtime.monitor.drift.chances import Chances, chances_of
from mlops_provider.runtime.monitor.drift.scores import compare_features
from mlops_provider.runtime.monitor.drift.verdict import judge_features
from mlops_provider.runtime.monitor.findings import Findings
from mlops_provider.runtime.monitor.windows.segments import WHOLE, feature_of, rows_of

if TYPE_CHECKING:
    from mlops_dag_factory.spec.monitoring.drift import DataDriftCheck
    from mlops_provider.runtime.monitor.look import Look
    from mlops_provider.verdicts import RuleResult

SHARE = "segment_drift_share"
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDrift:
    """What was found in one segment; `why_not` says why it was not judged."""

    name: str
    rows: int
    baseline_rows: int
    share: float | None = None
    moved: dict[str, float] = field(default_factory=dict)
    why_not: str = ""


def check_segments(look: Look, found: Findings) -> None:
    """Judge every segment that has rows enough on both sides, as strictly as the whole, for how many there are."""
    check = look.config.checks.data_drift
    if check is None or not look.config.segments:
        return
    names = [name for name in look.parts if name != WHOLE]
    least, chances = look.config.policy.minimum_rows, Chances(look.store, look.context.workflow)
    large = [name for name in names if min(_rows(look, name)) >= least]
    if check.false_discovery is not None and large:
        check = check.model_copy(update={"false_discovery": check.false_discovery / len(large)})
    segments: list[SegmentDrift] = []
    for name in names:
        rows, before = _rows(look, name)
        if name in large:
            rule, share = _judge(look, check, name, chances)
            found.rules.append(rule)
            segments.append(
                SegmentDrift(name=name, rows=rows, baseline_rows=before, share=share, moved=dict(rule.values))
            )
        else:
            side = f"{rows:,} rows" if rows < least else f"{before:,} rows in the baseline"
            why = f"{side}, fewer than policy.minimum_rows ({least})"
            segments.append(SegmentDrift(name=name, rows=rows, baseline_rows=before, why_not=why))
    judged = [one.share for one in segments if one.share is not None]
    if judged:
        found.metrics[SHARE] = max(judged)
    new = look.about.new_segments
    found.more["segment_drift"] = {"segments": [asdict(one) for one in segments], "new": new}
    found.sections.append(_section(segments, new))


def _rows(look: Look, name: str) -> tuple[int, int]:
    return rows_of(look.parts[name]), rows_of(look.baseline_parts.get(name, {}))


def _judge(look: Look, check: DataDriftCheck, name: str, chances: Chances) -> tuple[RuleResult, float | None]:
    """Judge a segment as the whole is judged."""
    baseline, window = look.baseline_parts[name], look.parts[name]
    own = feature_of(name, look.config.segments)  # it is what makes the segment: it cannot drift there
    compared = compare_features(look.signature, check, baseline, window, but=own)
    inside = Findings(
        scores=compared.scores,
        methods=compared.methods,
        thresholds=compared.thresholds,
        bad_columns=compared.bad,
        chances=chances_of(compared, baseline, window, chances),
    )
    judge_features(check, compared.total, inside)
    [rule] = inside.rules
    said = replace(
        rule, rule=f"data_drift where {name}", why=f"where {name}: {rule.why}", slice=name, n=rows_of(window)
    )
    return said, inside.metrics.get("drift_share")


def _section(segments: list[SegmentDrift], new: dict[str, int]) -> str:
    def line(one: SegmentDrift) -> list[str]:
        moved = ", ".join(f"{escape(name)} {shown(score)}" for name, score in list(one.moved.items())[:_SHOWN])
        told = moved if one.share is not None else f"<span class=dim>{escape(one.why_not)}</span>"
        share = "" if one.share is None else f"{one.share:.0%}"
        return [escape(one.name), f"{one.rows:,}", f"{one.baseline_rows:,}", share, told]

    ordered = sorted(segments, key=lambda one: (one.share is None, -(one.share or 0.0), one.name))
    head = ["segment", "rows", "in the baseline", "drifted", "moved most"]
    said = "".join(
        f"<li>{escape(name)}: {number(float(rows))} rows, in the baseline none</li>" for name, rows in new.items()
    )
    listed = f"<p>New segments, counted with the others:</p><ul>{said}</ul>" if said else ""
    return f"<h2>Segments</h2>{table(head, map(line, ordered), numbers=[1, 2, 3])}{listed}"
