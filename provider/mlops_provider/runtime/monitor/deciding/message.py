"""What people are told of a breach: why, what is done, what moved and since when, and where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import MlopsError
from mlops_provider.runtime.monitor.content import read_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_provider.store.store import Store

_BARS = "▁▂▃▄▅▆▇█"


def message_of(store: Store, decision: Mapping[str, Any], *, page: str) -> dict[str, Any]:
    """Give the message of a decision as JSON; `text` is the whole of it in words. `page` is where the report opens."""
    causes = _causes(store, str(decision["report"]))
    message = {
        "event": "breach",
        **{key: decision[key] for key in ("id", "at", "why", "actions", "report", "metrics")},
        "causes": causes["says"],
        "chart": {name: sparkline(values) for name, values in causes["history"].items()},
        "page": page,
    }
    return {**message, "text": _text(message)}


def sparkline(values: list[float]) -> str:
    """Draw finite numbers as one line of text, the lowest at the bottom; what is constant is drawn low."""
    if not values:
        return ""
    halves = [value / 2 for value in values]  # the span of any two numbers is one, too
    low = min(halves)
    span = max(halves) - low
    return "".join(_BARS[round((half - low) / span * (len(_BARS) - 1)) if span > 0 else 0] for half in halves)


def _causes(store: Store, report: str) -> dict[str, Any]:
    """Give what the report says of causes; one that cannot be read does not keep people from being told."""
    try:
        content = read_content(store, report)
    except MlopsError as err:
        return {"says": [f"the report cannot be read: {err.message}"], "history": {}}
    found: dict[str, Any] = content.get("causes") or {"says": [], "history": {}}
    return found


def _text(message: Mapping[str, Any]) -> str:
    lines = [f"{message['why']}."]
    lines += [f"- {said}" for said in message["causes"]]
    lines += [f"{name} {line} {_value(message, name)}".rstrip() for name, line in message["chart"].items()]
    lines.append(f"What is done: {', '.join(message['actions'])}.")
    lines.append(f"The report: {message['page'] or message['report']}")
    return "\n".join(lines)


def _value(message: Mapping[str, Any], name: str) -> str:
    value = message["metrics"].get(name)
    return f"(now {value:.3g})" if isinstance(value, int | float) else ""
