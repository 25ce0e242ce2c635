"""The model card as a page and as Markdown, both from its JSON."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.audit.page import content
from mlops_provider.runtime.report_page import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Card = dict[str, Any]
_NOTHING = {
    "evaluations": "It was not evaluated in this run.",
    "fairness": "Fairness was not measured in this run.",
    "verdicts": "No phase gave a verdict.",
    "people": "Nobody has decided on it in this run so far.",
    "deployments": "No service has named it so far.",
    "incidents": "The monitor has decided on nothing about it so far.",
}
_TITLES = {
    "model": "The model",
    "intended_use": "What it is for",
    "limits": "Limits",
    "evaluations": "How good it is",
    "fairness": "How groups are treated",
    "data": "What it was trained and judged on",
    "code": "Code and parameters",
    "verdicts": "Verdicts",
    "people": "Who decided",
    "deployments": "Where it was deployed",
    "incidents": "Incidents",
}
"""The parts of a card in the order in which they are read."""


def title_of(card: Card) -> str:
    """Give the card's title."""
    return f"Model card: {card['model']['name']}, version {card['model']['version']}"


def card_page(card: Card) -> str:
    """Write the self-contained page."""
    parts = [f"<h2 id={name}>{title}</h2>{_html(name, card[name])}" for name, title in _TITLES.items()]
    return page(title_of(card), *parts)


def card_markdown(card: Card) -> str:
    """Write the card in Markdown."""
    lines = [f"# {title_of(card)}"]
    for name, title in _TITLES.items():
        lines += ["", f"## {title}", "", *_markdown(name, card[name])]
    return "\n".join(lines) + "\n"


def _html(name: str, value: Any) -> str:
    if name == "limits":
        return f"<ul>{''.join(f'<li>{escape(each)}' for each in value)}</ul>"
    if name == "intended_use" and not any(value.values()):
        return "<p class=warned>Its makers have not said what it is for.</p>"
    if not value:
        return f"<p class=dim>{_NOTHING[name]}</p>"
    if name == "evaluations":
        return "".join(f"<h3>{escape(each['phase'])}</h3>{content(_without(each, 'phase'))}" for each in value)
    return content(value if isinstance(value, dict) else {"": value})


def _markdown(name: str, value: Any) -> Iterator[str]:
    if name == "limits":
        yield from (f"- {each}" for each in value)
    elif name == "intended_use" and not any(value.values()):
        yield "Its makers have not said what it is for."
    elif not value:
        yield _NOTHING[name]
    elif name == "evaluations":
        for each in value:
            yield f"### {each['phase']} ({each['rows'] or 0:,} rows)"
            yield ""
            yield from _table(each["metrics"])
            if each["worst_slices"]:
                yield ""
                yield from _table(each["worst_slices"])
    elif isinstance(value, dict):
        tables = {key: item for key, item in value.items() if _is_map(item)}
        value = _without(value, *tables)
        yield from (f"- **{key}**: {_text(item)}" for key, item in value.items() if item not in ("", [], {}, None))
        for key, rows in tables.items():
            yield from ("", f"### {key}", "", *_table([{"": name, **row} for name, row in rows.items()]))
    else:
        yield from _table(value)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(each, dict) for each in value.values())


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    used = [name for name in names if any(row.get(name) not in ("", None, [], {}) for row in rows)]
    yield f"| {' | '.join(used)} |"
    yield f"|{'---|' * len(used)}"
    for row in rows:
        yield f"| {' | '.join(_text(row.get(name)).replace('|', chr(92) + '|') for name in used)} |"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value).replace("\n", " ")


def _without(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in names}
