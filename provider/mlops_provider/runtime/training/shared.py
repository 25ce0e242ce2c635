"""Changes to the whole process that threads at work at once share: the first makes it, the last undoes it."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Shared:
    """One such change; trials of a search may fit in threads, and would undo it in another order than they made it."""

    def __init__(self) -> None:
        self._lock, self._users, self._made = Lock(), 0, ExitStack()

    @contextmanager
    def held(self, make: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
        """Keep the change meanwhile."""
        with self._lock:
            if self._users == 0:
                self._made.enter_context(make())
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._made.close()
