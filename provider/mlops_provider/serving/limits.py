"""Limits: how much one request may ask, how long it may take, and how many may wait at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_provider.serving.answers import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server process takes.

    `body_bytes` and `rows` bound one request, `seconds` the time to answer it, `read_seconds` the time in which its
    head or body must arrive. `waiting` requests may be in work at once; those above are refused with 429. Single rows
    that wait at the same moment are predicted together, up to `batch_rows` of them; 0: each alone. `threads` predict
    large requests and slow models.
    """

    body_bytes: int = 10 * 1024 * 1024
    rows: int = 100_000
    seconds: float = 30.0
    read_seconds: float = 10.0
    waiting: int = 256
    batch_rows: int = 64
    threads: int = 2


class ClientLeftError(Exception):
    """The connection was closed before the whole body came."""


async def read_body(headers: dict[bytes, bytes], receive: Receive, limits: Limits) -> bytes:
    """Read a body; refuse one that is empty (400), too slow (408) or too large (413)."""
    length = headers.get(b"content-length", b"")
    announced = int(length) if length.isdigit() and len(length) < 20 else 0  # noqa: PLR2004 (digits of 2**64)
    if announced > limits.body_bytes:
        raise _too_large(announced, limits)
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(limits.read_seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeftError
                part = message.get("body", b"")
                size += len(part)
                if size > limits.body_bytes:
                    raise _too_large(size, limits)
                parts.append(part)
                more = message.get("more_body", False)
    except TimeoutError as err:
        raise RefusedError(
            408, f"the body did not arrive within {limits.read_seconds:g} s", "send it faster, or less at once"
        ) from err
    if not size:
        raise RefusedError(400, "the body is empty", "send JSON")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(size: int, limits: Limits) -> RefusedError:
    return RefusedError(
        413,
        f"the body has {size:,} bytes or more, at most {limits.body_bytes:,} are taken",
        "send fewer rows at once",
    )
