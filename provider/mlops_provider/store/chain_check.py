"""Whether an audit chain is as it was written: which entry was changed, removed or inserted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mlops_provider.store.chain import Entry
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_provider.store.chain import Chain


_START = Entry(kind="", subject="", workflow="", by="", run="", at="")
"""What the first entry follows."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What somebody outside the chain says about an entry, such as the record of the phase that wrote it."""

    number: int
    hash: str
    who: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an entry; number 0 is a file that is no entry at all."""

    number: int
    what: str


def check_chain(chain: Chain, witnesses: Iterable[Witness] = ()) -> list[Finding]:
    """Read every entry and every byte of it; give all that is wrong, nothing when the chain is whole.

    The chain alone cannot know that its last entries are missing, or that somebody wrote all of it anew: witnesses can.
    """
    numbers = chain.numbers()
    known = {chain.file(number).rpartition("/")[2] for number in numbers}
    names = chain.store.files.list(chain.key)
    found = [Finding(0, f"the file {name} is no entry of the chain") for name in names if name not in known]
    hashes: dict[int, str] = {}
    expected = 1
    before: Entry | None = _START
    for number in numbers:
        if number > expected:
            found.append(Finding(expected, _removed(expected, number - 1)))
            before = None
        content = chain.store.files.read(chain.file(number))
        entry = _parse(content)
        if entry is None:
            found.append(Finding(number, "it was changed: it is not an entry any more"))
        else:
            found += [Finding(number, what) for what in _wrong(entry, number, content, before)]
            hashes[number] = entry.hash
        expected, before = number + 1, entry
    for witness in witnesses:
        if witness.number >= expected:
            found.append(Finding(witness.number, f"it was removed: {witness.who} names it"))
        elif hashes.get(witness.number, witness.hash) != witness.hash:
            found.append(Finding(witness.number, f"it was replaced: {witness.who} names another"))
    return list(dict.fromkeys(found))


def _removed(first: int, last: int) -> str:
    return "it was removed" if first == last else f"entries {first} to {last} were removed, or {last + 1} was inserted"


def _parse(content: bytes) -> Entry | None:
    try:
        entry = Entry(**json.loads(content))
        return entry if isinstance(entry.latest, dict) and entry.own_hash() else None
    except (ValueError, TypeError):
        return None


def _wrong(entry: Entry, number: int, content: bytes, before: Entry | None) -> list[str]:
    """Say what is wrong with an entry, by itself and after the one before; None: that one is gone, and said so."""
    if entry.own_hash() != entry.hash or json_bytes(asdict(entry)) != content:
        return ["it was changed: its content does not give its hash"]
    if entry.number != number:
        return [f"it was moved here: it calls itself entry {entry.number}"]
    if before is None:
        return []
    if entry.previous != before.hash:
        return [f"it does not follow entry {number - 1}: one of the two was replaced or inserted"]
    if entry.latest != {**before.latest, entry.subject: number}:
        return ["it was forged: its list of latest entries is not the one before and itself"]
    return []
