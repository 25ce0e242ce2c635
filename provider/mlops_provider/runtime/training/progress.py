"""Progress of a training in the task's log: rounds, score, time left; never more than a line every few seconds."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two lines."""
SILENCE = 60.0
"""Seconds without a line after which one says that the training goes on."""
_ROUND = re.compile(r"^(?:\[(?P<done>\d+)/(?P<of>\d+)\]|Iteration (?P<iteration>\d+))")
_SCORES = re.compile(r"(?:score|loss)(?:: | = )(-?\d[\d.e+-]*)")


class Progress:
    """Told how far a training is, as `progress(done, of, score)`; a look at the clock where it says nothing."""

    def __init__(self) -> None:
        self._started = self._said = time.monotonic()

    def __call__(self, done: int, of: int, score: float | None = None) -> None:
        """Say that so many rounds are done, with the score where there is one."""
        now = time.monotonic()
        if now - self._said < EVERY:
            return
        self._said = now
        elapsed = now - self._started
        shown = f", score {score:.5g}" if score is not None else ""
        left = f", about {elapsed / done * (of - done):.0f} s left" if 0 < done <= of else ""
        log.info("round %d of %d%s, %.0f s%s", done, of, shown, elapsed, left)

    @contextmanager
    def watching(self, what: str) -> Iterator[None]:
        """Say that it starts, that it goes on where nothing else says so, and how long it took."""
        log.info("training %s", what)
        self._started = self._said = time.monotonic()
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(ended,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
        log.info("trained in %.1f s", time.monotonic() - self._started)

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(EVERY):
            now = time.monotonic()
            if now - self._said >= SILENCE:
                self._said = now
                log.info("still training after %.0f s", now - self._started)

    @contextmanager
    def following(self, estimator: Any) -> Iterator[dict[str, Any]]:
        """Follow an estimator's rounds in whatever way it tells of them; give the arguments of `fit` for that."""
        name, home = type(estimator).__name__, type(estimator).__module__.partition(".")[0]
        if home == "lightgbm":
            yield {"callbacks": [self._lightgbm]}
        elif home == "sklearn" and name.startswith("GradientBoosting"):
            yield {"monitor": self._monitor}
        elif home == "sklearn" and name.startswith(("HistGradientBoosting", "MLP")) and not estimator.verbose:
            lines = _Lines(self, estimator.get_params().get("max_iter", 0))
            estimator.set_params(verbose=2)  # 1 tells nothing of the rounds of boosted trees
            try:
                with contextlib.redirect_stdout(lines):
                    yield {}
            finally:
                estimator.set_params(verbose=0)
        else:
            yield {}

    def _lightgbm(self, state: Any) -> None:
        results = state.evaluation_result_list
        score = float(results[0][2]) if results else None
        self(state.iteration + 1 - state.begin_iteration, state.end_iteration - state.begin_iteration, score)

    def _monitor(self, done: int, estimator: Any, _locals: dict[str, Any]) -> bool:
        self(done + 1, estimator.n_estimators, float(estimator.train_score_[done]))
        return False


class _Lines(io.TextIOBase):
    """Reads what scikit-learn prints when it is verbose."""

    def __init__(self, progress: Progress, rounds: int) -> None:
        self._progress, self._rounds, self._rest = progress, rounds, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if found := _ROUND.match(line):
                scores = _SCORES.findall(line)  # of the training rows, then of those that judge
                done, of = int(found["done"] or found["iteration"]), int(found["of"] or self._rounds)
                self._progress(done, of, float(scores[-1]) if scores else None)
        return len(text)
