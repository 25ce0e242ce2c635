"""One statement of what changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

KINDS = ("data", "parameters", "seed", "code", "libraries", "image", "champion", "phases")
"""Kinds of change, in the order in which they are told."""
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was: `says` is the sentence, `details` the numbers behind it, `phase` where it is."""

    kind: str
    phase: str
    subject: str
    says: str
    before: Any = None
    after: Any = None
    details: dict[str, Any] = field(default_factory=dict)


def shown(value: Any) -> str:
    """Give a value in a few words."""
    if value is None:
        return "not set"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
