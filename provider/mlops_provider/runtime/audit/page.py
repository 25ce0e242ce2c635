"""The trail as a page: at a glance, then each link with what is known of it; and as lines for a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.evaluation.tables import table
from mlops_provider.runtime.report_page import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlops_provider.runtime.audit.trail import Link, Trail

TITLES = {
    "prediction": "The prediction",
    "deployment": "What was deployed",
    "model": "The model",
    "registration": "Its registration",
    "data": "What it was trained on",
    "code": "Code and parameters",
    "run": "The run that made it",
    "verdicts": "How it was judged",
    "people": "Who decided",
    "promotion": "How it became the champion",
    "image": "Its image",
    "monitor": "What the monitor said",
    "incidents": "What was done since",
    "chain": "The audit chain",
}
_STYLES = {"whole": "passed", "missing": "failed", "damaged": "failed", "none": "dim"}
_WORDS = {"whole": "whole", "missing": "missing", "damaged": "damaged", "none": "there is none"}
_LONG = 160
_MANY = 12
_DIGEST = re.compile(r"[0-9a-f]{64}")


def trail_page(trail: Trail) -> str:
    """Write the self-contained page."""
    return page(f"Audit of {trail.subject}", *trail_parts(trail))


def trail_parts(trail: Trail) -> Iterator[str]:
    """Give the parts of the page below its heading."""
    if trail.broken:
        names = ", ".join(TITLES[link.name] for link in trail.broken)
        count = f"{len(trail.broken)} of {len(trail.links)} links are broken"
        yield f"<p class='verdict blocked'>{count}: {escape(names)}</p>"
    else:
        yield "<p class='verdict passed'>Every link is whole, and so is the audit chain</p>"
    yield f"<p class=dim>As the store was at {escape(trail.at[:19].replace('T', ' '))} UTC.</p>"
    rows = [
        [f"<a href='#{link.name}'>{TITLES[link.name]}</a>", _state(link), escape(link.says)] for link in trail.links
    ]
    yield table(["link", "state", ""], rows)
    for link in trail.links:
        yield _section(link)


def trail_lines(trail: Trail) -> Iterator[tuple[str, str, str]]:
    """Give a line for each link: its title, its state, what it says, and below it what is wrong."""
    for link in trail.links:
        yield TITLES[link.name], link.state, link.says
        yield from (("", "", each) for each in link.wrong)


def _section(link: Link) -> str:
    wrong = "".join(f"<li class=failed>{escape(each)}" for each in link.wrong)
    said = f"<h2 id={link.name}>{TITLES[link.name]} {_state(link)}</h2><p>{escape(link.says)}</p>"
    return f"{said}{f'<ul>{wrong}</ul>' if wrong else ''}{content(link.data)}"


def _state(link: Link) -> str:
    return f"<small class={_STYLES[link.state]}>{_WORDS[link.state]}</small>"


def content(data: Mapping[str, Any]) -> str:
    """Show JSON: plain values as one table, lists and maps of maps as tables of their own, the rest as text."""
    plain = [[escape(_title(name)), _cell(value)] for name, value in data.items() if not _is_table(value)]
    tables = "".join(
        f"<h3>{escape(_title(name))}</h3>{_folded(_rows(value))}" for name, value in data.items() if _is_table(value)
    )
    plain = [row for row in plain if row[1]]
    return f"{table(['', ''], plain) if plain else ''}{tables}"


def _is_table(value: Any) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return bool(members) and all(isinstance(each, dict) for each in members)


def _rows(value: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    rows: list[Mapping[str, Any]]
    rows = [{"": key, **row} for key, row in value.items()] if isinstance(value, Mapping) else list(value)
    names = list(dict.fromkeys(name for row in rows for name in row))
    used = [name for name in names if any(_cell(row.get(name)) for row in rows)]
    return [escape(_title(name)) for name in used], [[_short(row.get(name)) for name in used] for row in rows]


def _folded(rows: tuple[list[str], list[list[str]]]) -> str:
    head, body = rows
    if len(body) <= _MANY:
        return table(head, body)
    more = f"<details><summary>{len(body) - _MANY} more</summary>{table(head, body[_MANY:])}</details>"
    return f"{table(head, body[:_MANY])}{more}"


def _title(name: str) -> str:
    return name.replace("_", " ")


def _short(value: Any) -> str:
    """Give a cell of a table with several columns: of digests the first digits, the whole when one points at it."""
    given = value if isinstance(value, list | tuple) else [value]
    if given and all(isinstance(each, str) and _DIGEST.fullmatch(each) for each in given):
        return ", ".join(f"<code title='{each}'>{each[:12]}</code>" for each in given)
    return _cell(value)


def _cell(value: Any) -> str:
    if value in (None, "", [], {}, ()):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
    if isinstance(value, dict) and all(isinstance(each, int | float | str | None) for each in value.values()):
        text = ", ".join(
            f"{key}: {each:.6g}" if isinstance(each, float) else f"{key}: {each}" for key, each in value.items()
        )
    elif isinstance(value, list | tuple) and all(isinstance(each, str | int | float) for each in value):
        text = ", ".join(map(str, value))
    else:
        text = value if isinstance(value, str) else json.dumps(value, indent=1, default=str)
    shown = f"<code>{escape(text)}</code>" if _is_code(text) else escape(text)
    if len(text) <= _LONG:
        return shown
    return f"<details><summary>{escape(text[:60])}…</summary>{shown}</details>"


def _is_code(text: str) -> bool:
    return "/" in text or "{" in text or (" " not in text and len(text) > 30)  # noqa: PLR2004 (a digest or a path)
