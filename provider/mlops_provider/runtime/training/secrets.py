"""Secrets that this process knows, kept out of what code of a workflow prints and of what its errors say."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import sys
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, TextIO
from urllib.parse import unquote, urlsplit

from mlops_provider.runtime.training.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MASK = "***"
_SHORTEST = 4  # shorter words would be masked everywhere
_HIDDEN = Shared()
_NAMES = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|FERNET_KEY|PRIVATE_KEY", re.IGNORECASE)


class Secrets:
    """Values that no log and no record may show."""

    def __init__(self, values: set[str]) -> None:
        found = sorted((value for value in values if len(value) >= _SHORTEST), key=lambda value: (-len(value), value))
        self._pattern = re.compile("|".join(map(re.escape, found))) if found else None

    @classmethod
    def known(cls, connections: Mapping[str, str]) -> Secrets:
        """Collect the passwords of connections, and what the environment holds under the name of a secret."""
        values: set[str] = set()
        for url in connections.values():
            values |= _passwords(url)
        for name, value in os.environ.items():
            if name.startswith("AIRFLOW_CONN_") and value.lstrip().startswith("{"):
                values |= _of_json(value)
            elif "://" in value:
                values |= _passwords(value)
            elif _NAMES.search(name):
                values.add(value)
        return cls(values)

    def hide(self, text: str) -> str:
        """Give a text without them."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def hidden(self) -> AbstractContextManager[None]:
        """Keep them out of standard output, standard error and the log meanwhile."""
        return _HIDDEN.held(self._hidden)

    @contextmanager
    def _hidden(self) -> Iterator[None]:
        with ExitStack() as stack:
            out, err = _Masked(self, sys.stdout), _Masked(self, sys.stderr)
            stack.callback(out.finish)
            stack.callback(err.finish)
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            mask = _MaskedRecords(self)
            for handler in logging.getLogger().handlers:
                handler.addFilter(mask)
                stack.callback(handler.removeFilter, mask)
            yield


def _passwords(url: str) -> set[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()


def _of_json(text: str) -> set[str]:
    try:
        connection = json.loads(text)
        extra = connection.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
        parts = {**extra, "password": connection.get("password")}
    except (ValueError, AttributeError, TypeError):
        return {text}
    return {str(value) for name, value in parts.items() if value and _NAMES.search(name)}


class _Masked(io.TextIOBase):
    """Writes whole lines to another stream, without secrets: one that is written in pieces is masked too."""

    def __init__(self, secrets: Secrets, stream: TextIO) -> None:
        self._secrets, self._stream, self._rest = secrets, stream, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        lines, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._stream.write(self._secrets.hide(lines) + newline)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def finish(self) -> None:
        self._stream.write(self._secrets.hide(self._rest))
        self._rest = ""
        self._stream.flush()


class _MaskedRecords(logging.Filter):
    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._secrets.hide(record.getMessage()), ()
        return True
