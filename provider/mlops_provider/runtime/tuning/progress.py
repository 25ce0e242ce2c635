"""What the log says while a search runs: which trial, its score, the best so far, how long the rest takes."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops_provider.runtime.tuning.search import Search
    from mlops_provider.runtime.tuning.trial import Goal, Trial

_LOG = logging.getLogger(__name__)
_MINUTE = 60.0
_LOOK = 1.0
"""Seconds between two looks at what other processes did."""


@dataclass(slots=True)
class Progress:
    """Says a line for each trial; the time left follows from how many ended since this process looks on."""

    goal: Goal
    size: int
    began: float = field(default_factory=time.monotonic)
    before: int = -1

    def say(self, trial: Trial, done: Mapping[int, Trial]) -> None:
        """Say what came of a trial."""
        if self.before < 0:
            self.before = len(done) - 1
        best = self.goal.best(done.values())
        _LOG.info(
            "trial %d (%d of %d done): %s in %.1f s; %s; %s left",
            trial.number,
            len(done),
            self.size,
            _outcome(trial, self.goal),
            trial.seconds,
            f"best so far {best.score:.6g} (trial {best.number})" if best else "none finished yet",
            _duration(self._left(len(done))),
        )

    def _left(self, done: int) -> float:
        ended = max(1, done - self.before)
        return (time.monotonic() - self.began) / ended * max(0, self.size - done)


@contextmanager
def watching(search: Search) -> Iterator[None]:
    """Say meanwhile what came of the trials that other processes run."""
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(search.again(), over), daemon=True, name="progress of the search")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(search: Search, over: threading.Event) -> None:
    progress = Progress(search.judge.goal, search.sampler.size)
    said = set(search.study.trials())
    progress.before = len(said)
    last = False
    while not last:
        last = over.wait(_LOOK)
        try:
            done = search.study.trials()
        except OSError:
            continue
        for number in done.keys() - said:
            progress.say(done[number], done)
        said |= done.keys()


def _outcome(trial: Trial, goal: Goal) -> str:
    if trial.state == "failed":
        return f"failed: {trial.error[:200]}"
    after = f", given up after {len(trial.folds)} folds" if trial.state == "pruned" else ""
    return f"{goal.metric} {trial.score:.6g}{after}"


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"about {seconds:.0f} s"
    return f"about {seconds / _MINUTE:.0f} min"
