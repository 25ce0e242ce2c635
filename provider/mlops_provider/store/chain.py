"""The audit chain of a workflow: what was decided and done, each entry bound to the one before by its hash.

Entry n is the file `<workflow>/audit/<n, ten digits>.json`, created only if it does not exist yet. Its `hash` is the
SHA-256 of everything else in it, in the one JSON form of the store, and `previous` is the hash of entry n - 1: whoever
changes, removes or inserts an entry breaks the chain there. `latest` says of every subject where its latest entry is,
so that what holds now is read in two steps however long the chain is.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ChainError, ConflictError
from mlops_provider.store.store import json_bytes, json_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlops_provider.store.store import Store

_DIGITS = 10
_TRIES = 200
_LONGEST_PAUSE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened.

    `kind` says what (registered, champion, …), `subject` to what ('model/rain', 'service/production'), `by` and
    `run` on whose behalf; `workflow` is the one that acted; `payload` is JSON. The chain sets `number`, counted from 1,
    `latest`, `previous` and `hash`.
    """

    kind: str
    subject: str
    workflow: str
    by: str
    run: str
    at: str
    reason: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    latest: dict[str, int] = field(default_factory=dict)
    previous: str = ""
    hash: str = ""

    def sealed(self) -> Entry:
        """Give the entry with its hash."""
        return replace(self, hash=self.own_hash())

    def own_hash(self) -> str:
        """Give the SHA-256 of everything but `hash`."""
        content = asdict(self)
        del content["hash"]
        return json_digest(content)


class Chain:
    """The chain of one workflow."""

    def __init__(self, store: Store, workflow: str) -> None:
        self.store = store
        self.key = f"{workflow}/audit"

    def last(self) -> Entry | None:
        """Read the last entry; None where the chain is empty."""
        numbers = self.numbers()
        return self.read(numbers[-1]) if numbers else None

    def numbers(self) -> list[int]:
        """Give the numbers of the entries that are there, in order."""
        names = (name.removesuffix(".json") for name in self.store.files.list(self.key))
        return [int(name) for name in names if len(name) == _DIGITS and name.isdigit()]

    def read(self, number: int) -> Entry:
        """Read one entry; ChainError when it is gone, is no entry or does not hash to what it says."""
        try:
            entry = Entry(**json.loads(self.store.files.read(self.file(number))))
        except FileNotFoundError as err:
            raise ChainError(self.store.uri(self.key), number, "it is gone") from err
        except (ValueError, TypeError) as err:
            raise ChainError(self.store.uri(self.key), number, "it is not an entry") from err
        if entry.number != number or entry.hash != entry.own_hash():
            raise ChainError(self.store.uri(self.key), number, "its content was changed after it was written")
        return entry

    def latest(self, subject: str) -> Entry | None:
        """Read the latest entry of a subject; None where there is none."""
        last = self.last()
        number = last.latest.get(subject) if last else None
        return self.read(number) if number else None

    def before(self, entry: Entry) -> Entry | None:
        """Read the entry of the same subject that came before; None for its first."""
        earlier = self.read(entry.number - 1).latest.get(entry.subject) if entry.number > 1 else None
        return self.read(earlier) if earlier else None

    def entries(self, subject: str = "") -> Iterator[Entry]:
        """Read all entries, or those of a subject, oldest first."""
        entries = (self.read(number) for number in self.numbers())
        return (entry for entry in entries if not subject or entry.subject == subject)

    def append(self, subject: str, decide: Callable[[Entry | None], Entry | None]) -> Entry | None:
        """Append what `decide` makes of the subject's latest entry, by compare-and-set.

        When another writer was first, it is asked again; None from it appends nothing, what it raises goes on.
        Gives the subject's latest entry: the new one, or where nothing was appended the one that stands.
        """
        for attempt in range(_TRIES):
            last = self.last()
            number = last.latest.get(subject) if last else None
            current = self.read(number) if number else None
            wanted = decide(current)
            if wanted is None:
                return current
            made = self._after(last, wanted)
            if self.store.files.create(self.file(made.number), json_bytes(asdict(made))):
                return made
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.002 * (attempt + 1))))  # noqa: S311 (no secret)
        raise ConflictError(self.store.uri(self.key), self.numbers()[-1])

    def file(self, number: int) -> str:
        """Give the key of an entry."""
        return f"{self.key}/{number:0{_DIGITS}d}.json"

    def _after(self, last: Entry | None, wanted: Entry) -> Entry:
        number = last.number + 1 if last else 1
        latest = {**(last.latest if last else {}), wanted.subject: number}
        return replace(wanted, number=number, latest=latest, previous=last.hash if last else "").sealed()
