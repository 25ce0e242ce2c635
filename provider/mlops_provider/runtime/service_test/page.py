"""The report of a service's test: verdict, numbers beside the champion's, plots, and what came of every case."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mlops_provider.runtime.plots.chart import Axis, Chart, thinned
from mlops_provider.runtime.report_page import markdown, page
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlops_provider.runtime.service_test.load import Series
    from mlops_provider.runtime.service_test.tested import Tested

_WIDE = 700
_MB = 1e6


def write_report(folder: Path, title: str, found: Tested, summary: str) -> None:
    """Write report.json, report.md and report.html."""
    (folder / "report.json").write_bytes(json_bytes({"title": title, **found.to_dict()}))
    (folder / "report.md").write_text(f"# {title}\n\n{summary}", encoding="utf-8")
    (folder / "report.html").write_text(page(title, *_parts(found)), encoding="utf-8")


def numbers(found: Tested) -> str:
    """Give the metrics as a Markdown table, the champion's beside them."""
    beside = found.champion is not None
    lines = [f"| metric | {found.version} |" + (f" {found.rival} | |" if beside else "")]
    lines.append("|---|---|" + ("---|---|" if beside else ""))
    for name, value in found.metrics.items():
        other = (found.champion or {}).get(name)
        more = f" {'' if other is None else _number(other)} | {_ratio(value, other)} |" if beside else ""
        lines.append(f"| {name} | {_number(value)} |{more}")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"  # noqa: PLR2004 (below, digits matter)


def _ratio(value: float, other: float | None) -> str:
    return f"{value / other:.2f} x" if other else ""


def _parts(found: Tested) -> list[str]:
    verdict = found.verdict
    parts = [f"<p class='verdict {verdict.status}'>{verdict.status}</p>", f"<p>{escape(found.note)}.</p>"]
    parts += [f"<p class=warn>{escape(sentence)}</p>" for sentence in found.troubles]
    parts += [f"<p class=dim>{escape(sentence)}</p>" for sentence in found.left_out]
    parts.append(f"<div class=wide>{markdown(verdict.to_markdown().partition(chr(10))[2])}</div>")
    parts += ["<h2>Numbers</h2>", markdown(numbers(found)), f"<div class=plots>{''.join(_plots(found))}</div>"]
    parts += ["<h2>Cases</h2>", _cases(found)]
    return parts


def _plots(found: Tested) -> list[str]:
    sides = [(found.version, found.turns), *([(found.rival, found.rival_turns)] if found.rival_turns else [])]
    sides = [(name, series) for name, series in sides if any(reply.answered for reply in series.replies)]
    plots = [_distribution(sides), _over_time("Latency of single rows, in turn", sides)] if sides else []
    levels = [(level, series) for level, series in found.levels.items() if any(r.answered for r in series.replies)]
    if levels:
        plots.append(_levels(levels))
    if found.soaked and any(reply.answered for reply in found.soaked.series.replies):
        plots.append(_over_time("Latency in the soak", [(found.version, found.soaked.series)]))
        if found.soaked.memory:
            start = found.soaked.memory[0][0]
            points = [(at - start, value / _MB) for at, value in found.soaked.memory]
            chart = Chart(
                "Memory of the server in the soak",
                Axis.over("seconds", [x for x, _ in points]),
                Axis.over("MB", [y for _, y in points], zero=True),
                width=_WIDE,
            )
            chart.line(points, 2)
            plots.append(chart.svg())
    return plots


def _good(series: Series) -> list[float]:
    return [reply.ms for reply in series.replies if reply.answered]


def _distribution(sides: Sequence[tuple[str, Series]]) -> str:
    """Draw which share of requests was answered within how long."""
    most = max(sorted(_good(series))[int(0.99 * (len(_good(series)) - 1))] for _, series in sides) * 1.1
    ticks = [(share / 4, f"{25 * share} %") for share in range(5)]
    chart = Chart("Answered within", Axis("ms", 0.0, most), Axis("share of requests", 0.0, 1.0, ticks))
    for color, (name, series) in enumerate(sides):
        times = sorted(_good(series))
        points = [(ms, (i + 1) / len(times)) for i, ms in enumerate(times) if ms <= most]
        chart.line(thinned([(points[0][0], 0.0), *points]), color, name=name)
    return chart.svg()


def _over_time(title: str, sides: Sequence[tuple[str, Series]]) -> str:
    start = min(reply.at for _, series in sides for reply in series.replies)
    places = [[(r.at - start, r.ms) for r in series.replies if r.answered] for _, series in sides]
    every = [point for points in places for point in points]
    x = Axis.over("seconds", [x for x, _ in every], zero=True)
    chart = Chart(title, x, Axis.over("ms", [y for _, y in every], zero=True), width=_WIDE)
    for color, ((name, _), points) in enumerate(zip(sides, places, strict=True)):
        chart.dots(thinned(points, 800), color, name=name, radius=1.6, opacity=0.6)
    return chart.svg()


def _levels(levels: Sequence[tuple[int, Series]]) -> str:
    """Draw the latency by how many requests are in work at once."""
    measured = [(level, series.metrics()) for level, series in levels]
    ticks = [(float(i), str(level)) for i, (level, _) in enumerate(measured)]
    y = Axis.over("ms", [m["latency_p99_ms"] for _, m in measured], zero=True)
    chart = Chart("Many at once", Axis("requests in work", -0.5, len(measured) - 0.5, ticks), y)
    for color, name in enumerate(("latency_p50_ms", "latency_p95_ms", "latency_p99_ms")):
        points = [(float(i), m[name]) for i, (_, m) in enumerate(measured)]
        chart.line(points, color, name=name.split("_")[1])
        chart.dots(points, color, radius=3)
    return chart.svg()


def _cases(found: Tested) -> str:
    rows = "".join(
        f"<tr><td>{escape(case.name)}<td>{case.kind}<td>{case.wanted}"
        f"<td class={'passed' if case.passed else 'failed'}>{'passed' if case.passed else 'failed'}"
        f"<td><code>{escape(case.got)}</code>"
        for case in sorted(found.cases, key=lambda case: case.passed)
    )
    return f"<div class=wide><table><tr><th>case<th>of<th>wanted<th>result<th>what came back{rows}</table></div>"


def summary_of(found: Tested) -> str:
    """Give the summary in Markdown."""
    failed = [case.sentence() for case in found.cases if not case.passed]
    said = "".join(f"- {sentence}\n" for sentence in [*found.troubles, *failed, *found.left_out])
    return f"{found.note}.\n\n{numbers(found)}\n{said}\n{found.verdict.to_markdown()}"
