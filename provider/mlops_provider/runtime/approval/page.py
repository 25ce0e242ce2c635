"""The evidence as a page: what it is about, how each checkpoint judged, what changed, where it comes from."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.evaluation.tables import table
from mlops_provider.runtime.report_page import markdown, page
from mlops_provider.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.runtime.approval.evidence import Evidence

_STYLES = {"passed": "passed", "overridden": "warned", "blocked": "failed", "failed": "failed", "vacuous": "warned"}
_MOST_SOURCES = 20
_MOST_IN_FULL = 12


def nowhere(_phase: str, _report: dict[str, Any] | None) -> str:
    """Give no address: a page that needs nothing else has no links."""
    return ""


def evidence_page(evidence: Evidence) -> str:
    """Write the self-contained page."""
    return page(evidence.question, *evidence_parts(evidence))


def evidence_parts(
    evidence: Evidence, address: Callable[[str, dict[str, Any] | None], str] = nowhere
) -> tuple[str, ...]:
    """Give the parts of the page below its heading."""
    return (
        _about(evidence),
        f"<h2>At a glance</h2>{_glance(evidence)}" if evidence.checkpoints else _NOTHING,
        *(_checkpoint(each, address) for each in _in_full(evidence.checkpoints)),
        _changes(evidence),
        _lineage(evidence),
    )


_NOTHING = "<p class=warned>No phase before this one gives a verdict: there is no evidence to look at.</p>"


def _about(evidence: Evidence) -> str:
    rows = [["run", f"<code>{escape(evidence.run)}</code> of {escape(evidence.workflow)}; {escape(evidence.started)}"]]
    rows += [["why", escape(evidence.why)]] if evidence.why else []
    rows += [["author", escape(", ".join(evidence.authors))]] if evidence.authors else []
    for model in evidence.models:
        champion = evidence.champions[model["name"]]
        before = f"version {escape(champion['version'])}" if champion else "nothing: there is no champion yet"
        version, digest = f"<b>version {escape(model['version'])}</b>", f"<code>{escape(model['digest'])}</code>"
        rows.append([escape(model["name"]), f"{version}, digest {digest}, in place of {before}"])
    return table(["", ""], rows)


def _glance(evidence: Evidence) -> str:
    rows = []
    for each in evidence.checkpoints:
        verdict = Verdict.from_dict(each["verdict"]) if each["verdict"] else None
        why = each.get("overridden") or ("; ".join(verdict.failures()) if verdict else "")
        if verdict and not why:
            held = sum(rule.result in {"passed", "warned"} for rule in verdict.rules)
            why = (
                f"{held} of {len(verdict.rules)} rules hold" if verdict.rules else "it has no rules: nothing is proven"
            )
        rows.append([escape(each["phase"]), _status(each["status"]), escape(why)])
    return table(["phase", "verdict", "why"], rows)


def _in_full(checkpoints: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Give the checkpoints that are shown in full: of many, those that did not pass first."""
    if len(checkpoints) <= _MOST_IN_FULL:
        return list(checkpoints)
    return sorted(checkpoints, key=lambda each: each["status"] == "passed")[:_MOST_IN_FULL]


def _status(status: str) -> str:
    return f"<span class={_STYLES.get(status, 'dim')}>{escape(status)}</span>"


def _checkpoint(each: dict[str, Any], address: Callable[[str, dict[str, Any] | None], str]) -> str:
    links = [
        f"<a href='{escape(found)}'>{text}</a>"
        for found, text in (
            (address(each["phase"], each["report"]) if each["report"] else "", "the whole report"),
            (address(each["phase"], None) if each["status"] != "did not run" else "", "the phase's record"),
        )
        if found
    ]
    more = f"<p>{' · '.join(links)}</p>" if links else ""
    return f"<h2>{escape(each['phase'])} {_status(each['status'])}</h2>{markdown(each['summary'])}{more}"


def _changes(evidence: Evidence) -> str:
    if not evidence.models:
        return ""
    title = "<h2>What changed since the champion was made</h2>"
    if evidence.why_no_changes:
        return f"{title}<p class=dim>It cannot be said: {escape(evidence.why_no_changes)}.</p>"
    found = evidence.changes
    rows = [[escape(change["kind"]), escape(change["says"])] for change in found["changes"]]
    same = f"<p class=dim>The same: {escape(', '.join(found['same']))}.</p>" if found["same"] else ""
    unknown = "".join(f"<p class=dim>Not compared: {escape(each)}.</p>" for each in found["unknown"])
    return f"{title}{table(['what', 'how'], rows) if rows else '<p>Nothing.</p>'}{same}{unknown}"


def _lineage(evidence: Evidence) -> str:
    """Show where the model comes from: data down to its sources, code, libraries."""
    found = evidence.lineage
    if not found:
        return ""
    sources = [_source(digest, about) for digest, about in list(found["data"]["made_of"].items())[:_MOST_SOURCES]]
    code, model = found["code"], found["model"]
    functions = [
        f"{escape(name)} <code>{digest[:12]}</code>"
        for some in code["functions"].values()
        for name, digest in some.items()
    ]
    facts = [
        ["estimator", escape(str(model.get("estimator", "")))],
        ["libraries", escape(", ".join([f"python {model.get('python', '')}", *model.get("requirements", [])]))],
        ["code", f"airflow-provider-mlops {escape(code['package'])}{'; ' if functions else ''}{', '.join(functions)}"],
        ["configuration", f"<code>{escape(code['configuration'][:20])}</code>"],
    ]
    data = table(["data", "rows", "made by", "of"], sources, numbers=[1])
    return f"<h2>Where it comes from</h2>{data}{table(['', ''], facts)}"


def _source(digest: str, about: dict[str, Any]) -> list[str]:
    made_by = f"{about['phase']} ({about['type']})" if "phase" in about else "another run"
    lineage = about.get("lineage")
    origin = lineage.get("sources", "") if isinstance(lineage, dict) else ""
    of = ", ".join(each[:12] for each in about["made_of"]) or str(origin)
    return [f"<code>{digest[:12]}</code>", f"{about['rows']:,}", escape(made_by), f"<code>{escape(of[:200])}</code>"]
