"""A search in the store: which trials there are, who works on them, what came of them.

Below `<workflow>/tuning/<study key>/`:
    study.json              what is searched
    rounds/0001.json        when a round began; closed/0001.json when its search had an end
    claims/0001-00007-1     the first who took trial 7 in round 1, created exclusively; -2 took over from a dead one
    results/00007.json      what came of trial 7: finished or pruned, for good
    failed/0001-00007.json  why it failed in round 1; the next round tries it again
    worker-….json           its sign of life
Every process sees the same trials, so that a search goes on after a crash where it was, and several share it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_provider.runtime.tuning.lease import alive
from mlops_provider.runtime.tuning.trial import Proposal, Trial
from mlops_provider.store.store import json_bytes

if TYPE_CHECKING:
    from mlops_provider.store.store import Store

MOST_DEATHS = 3
"""A trial during which so many workers died is not tried again."""


@dataclass(slots=True)
class Study:
    """One search, seen by one process. What was read of finished trials stays in memory: it never changes."""

    store: Store
    key: str
    round: int
    began: float
    known: dict[int, Trial] = field(default_factory=dict)

    @classmethod
    def open(cls, store: Store, key: str, about: dict[str, Any]) -> Study:
        """Open a search, or begin it; `about` is for people."""
        store.files.create(f"{key}/study.json", json_bytes(about))
        number = len(store.files.list(f"{key}/closed")) + 1
        name = f"{key}/rounds/{number:04d}.json"
        store.files.create(name, json_bytes({"began": time.time()}))
        return cls(store, key, number, json.loads(store.files.read(name))["began"])

    def trials(self) -> dict[int, Trial]:
        """Give the trials that have an end, in order of their numbers."""
        for folder, own in (("results", ""), ("failed", f"{self.round:04d}-")):
            for name in self.store.files.list(f"{self.key}/{folder}"):
                number = int(name.removesuffix(".json").rpartition("-")[2])
                if name.startswith(own) and number not in self.known:
                    found = json.loads(self.store.files.read(f"{self.key}/{folder}/{name}"))
                    self.known[number] = Trial.from_dict(found)
        return dict(sorted(self.known.items()))

    def claims(self) -> dict[int, int]:
        """Give how often each trial was taken in this round."""
        found: dict[int, int] = {}
        for name in self.store.files.list(f"{self.key}/claims"):
            round_, number, count = name.split("-")
            if int(round_) == self.round:
                found[int(number)] = max(int(count), found.get(int(number), 0))
        return found

    def claim(self, number: int, taken: int, worker: str, proposal: Proposal | None) -> Proposal | None:
        """Take a trial that nobody alive works on; None where somebody does, or was faster.

        `taken` is how often it was taken before: who takes over tries the same, others the proposal.
        """
        before = self._claim(number, taken) if taken else None
        if before is not None and alive(self.store, self.key, before["worker"]):
            return None
        if before is not None and taken >= MOST_DEATHS:
            self._give_up(number, before)
            return None
        if before is not None:
            proposal = Proposal(before["parameters"], before["rows"], before["rung"])
        if proposal is None:
            return None
        claim = {
            "worker": worker,
            "at": time.time(),
            "parameters": proposal.parameters,
            "rows": proposal.rows,
            "rung": proposal.rung,
        }
        return proposal if self.store.files.create(self._claim_key(number, taken + 1), json_bytes(claim)) else None

    def running(self, claims: dict[int, int]) -> dict[int, Proposal]:
        """Give what is being tried."""
        found = {}
        for number, taken in claims.items():
            if number not in self.known:
                claim = self._claim(number, taken)
                found[number] = Proposal(claim["parameters"], claim["rows"], claim["rung"])
        return found

    def finish(self, trial: Trial) -> bool:
        """Keep what came of a trial; False where somebody else, thought dead, was first."""
        failed = trial.state == "failed"
        name = f"failed/{self.round:04d}-{trial.number:05d}.json" if failed else f"results/{trial.number:05d}.json"
        return self.store.files.create(f"{self.key}/{name}", json_bytes(trial.to_dict()))

    def close(self) -> None:
        """Say that the search has an end: a later one tries again what failed."""
        self.store.files.create(f"{self.key}/closed/{self.round:04d}.json", json_bytes({"at": time.time()}))

    def _claim_key(self, number: int, count: int) -> str:
        return f"{self.key}/claims/{self.round:04d}-{number:05d}-{count}"

    def _claim(self, number: int, count: int) -> dict[str, Any]:
        return json.loads(self.store.files.read(self._claim_key(number, count)))  # type: ignore[no-any-return]

    def _give_up(self, number: int, claim: dict[str, Any]) -> None:
        self.finish(
            Trial(
                number=number,
                parameters=claim["parameters"],
                rows=claim["rows"],
                rung=claim["rung"],
                state="failed",
                error=f"all {MOST_DEATHS} processes that tried it were ended: did they run out of memory?",
                started=claim["at"],
                worker=claim["worker"],
            )
        )
