"""Secrets: they stand in Airflow's connections, never in the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_dag_factory.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_dag_factory.errors import Location

_KEY = re.compile(
    r"(?:.*_)?(?:password|passwd|passphrase|pwd|token|secret|api_?key|access_key|secret_key|private_key|credentials?)",
    re.IGNORECASE,
)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@{]*:[^/\s@{]+@")
_VALUE = re.compile(r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----")
_HINT = 'keep it in an Airflow connection and name its conn_id, or read it when it runs: "{{ conn.name.password }}"'
_TRACES = ("passw", "passphrase", "pwd", "token", "secret", "key", "credential", "akia", "@")
_PREFIXES = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
_HOLD_NAMES = {"columns", "secrets"}
"""Maps whose keys are columns and variables; the values of `secrets` say where a secret is kept."""


def may_hold_secrets(text: str) -> bool:
    """Say quickly whether the text of a file has anything for `check_data` to look at."""
    lowered = text.lower()  # a search for each is ten times cheaper than one expression for all
    return any(trace in lowered for trace in (*_TRACES, *_PREFIXES))


def check_data(data: dict[str, Any]) -> Iterator[Finding]:
    """Yield literal values that look like secrets; the message never repeats them."""
    waiting: list[tuple[Location, Any]] = [((), data)]
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(((*loc, key), item) for key, item in value.items())
        elif isinstance(value, list):
            waiting.extend(((*loc, index), item) for index, item in enumerate(value))
        elif isinstance(value, str) and (message := _looks_secret(loc, value)):
            yield Finding(loc=loc, code="secret", message=message, hint=_HINT)


def _looks_secret(loc: Location, value: str) -> str:
    keys = [part for part in loc if isinstance(part, str)]
    # a default is the value of the parameter that it stands in
    key = keys[-2] if keys[-1] == "default" and len(keys) > 1 else keys[-1]
    named = bool(_KEY.fullmatch(key)) and not _HOLD_NAMES.intersection(keys[-2:-1])
    if named and value.strip() and "{{" not in value:
        return f"a secret stands in the file: '{key}'"
    if _URL.search(value):
        return "a password stands in this URL"
    return "a secret key stands in this text" if _VALUE.search(value) else ""
