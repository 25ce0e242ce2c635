"""What a plain scalar means: YAML 1.2's core schema, so that `on`, `no` and dates stay text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from yaml.events import ScalarEvent

_WORDS: dict[str, bool | float | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
    **{sign + word: float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}  # fmt: skip
_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
MAX_DIGITS = 400
_CORE = "tag:yaml.org,2002:"


class ScalarError(ValueError):
    """A scalar cannot be what its tag or its form says."""


def scalar(event: ScalarEvent) -> object:
    """Give the value of a scalar."""
    if event.tag is None:
        return plain(event.value) if event.implicit[0] else event.value
    return _tagged(event.tag, event.value)


def plain(text: str) -> object:
    """Give the value of a scalar without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if len(text) > MAX_DIGITS and (_FLOAT.fullmatch(text) or _BASED.fullmatch(text)):
        raise ScalarError(f"a number of {len(text)} characters is too long")
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return int(text, 0) if _BASED.fullmatch(text) else text


def _tagged(tag: str, text: str) -> object:
    kinds: dict[str, Callable[[object], bool]] = {
        "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
        "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "bool": lambda value: isinstance(value, bool),
        "null": lambda value: value is None,
    }
    name = tag.removeprefix(_CORE)
    if name in {"str", "!"}:
        return text
    if name not in kinds:
        raise ScalarError(f"the tag '{shown_tag(tag)}' is not allowed")
    value = plain(text)
    if not kinds[name](value):
        raise ScalarError(f"'{text}' is not what its tag !!{name} says")
    return float(value) if name == "float" and isinstance(value, int) else value


def shown_tag(tag: str) -> str:
    """Give a tag as people write it."""
    return f"!!{tag.removeprefix(_CORE)}" if tag.startswith(_CORE) else tag
