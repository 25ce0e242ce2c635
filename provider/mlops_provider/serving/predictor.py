"""The predictor: lets a bounded number of requests in, and predicts small ones together, large ones in threads."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mlops_provider.serving.answers import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_provider.serving.limits import Limits
    from mlops_provider.serving.model import Answer, ServedModel

_RETRY_SECONDS = 1
T = TypeVar("T")


@dataclass(slots=True)
class _Waiting:
    """A request that waits for its prediction until `deadline`, in seconds of the monotonic clock."""

    served: ServedModel
    inputs: Any
    deadline: float
    future: asyncio.Future[Answer]


class Predictor:
    """Predicts in the event loop's own thread what is small, all that waits at one moment in one call of the model.

    A hand-over to a thread costs as much as a prediction. While requests come one by one nothing is collected and
    nothing waits; when many come at once, the model's cost per call is shared among them.
    """

    def __init__(self, limits: Limits, *, note: Callable[[int], None] = lambda _: None) -> None:
        self.limits = limits
        self.note = note
        """Told how many requests are in work, whenever that changes."""
        self.taken = 0
        self._waiting: list[_Waiting] = []
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="predict")

    def admit(self) -> None:
        """Let a request in, or refuse it while too many are in work."""
        if self.taken >= self.limits.waiting:
            raise RefusedError(
                429,
                f"{self.taken} requests are in work already",
                f"try again after {_RETRY_SECONDS} s",
                headers=((b"retry-after", b"%d" % _RETRY_SECONDS),),
            )
        self.taken += 1
        self.note(self.taken)

    def leave(self) -> None:
        """Take note that a request that was let in is done."""
        self.taken -= 1
        self.note(self.taken)

    async def predict(self, served: ServedModel, inputs: Any, started: float) -> Answer:
        """Predict a small request; 504 when its time is over before its turn comes."""
        if served.slow:
            return await self.in_thread(served.answer, inputs, started=started)
        if not (self.limits.batch_rows and served.batches):
            return served.answer(inputs)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._drain)
        self._waiting.append(_Waiting(served, inputs, started + self.limits.seconds, future))
        return await future

    async def in_thread(self, work: Callable[..., T], *arguments: Any, started: float) -> T:
        """Do work in a thread; 504 when it takes too long.

        A thread cannot be stopped: the request's place is taken until it ends, so that no more work piles up.
        """
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, work, *arguments)
        try:
            async with asyncio.timeout(max(0.0, started + self.limits.seconds - time.monotonic())):
                return await asyncio.shield(future)
        except TimeoutError as err:
            self.taken += 1
            future.add_done_callback(self._ended)
            raise self._late() from err

    def close(self) -> None:
        """End the threads; what they do is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        """Free the place of a request that nobody waits for any more."""
        self.leave()
        if not future.cancelled():
            future.exception()  # looked at, so that nothing complains that nobody did

    def _late(self) -> RefusedError:
        return RefusedError(
            504, f"no prediction within {self.limits.seconds:g} s", "send fewer rows at once, or try again later"
        )

    def _drain(self) -> None:
        waiting, self._waiting = self._waiting, []
        groups: dict[int, list[_Waiting]] = {}
        for one in waiting:
            groups.setdefault(id(one.served), []).append(one)
        for group in groups.values():
            batch: list[_Waiting] = []
            rows = 0
            for one in group:
                if batch and rows + len(one.inputs) > self.limits.batch_rows:
                    self._answer(batch)
                    batch, rows = [], 0
                batch.append(one)
                rows += len(one.inputs)
            self._answer(batch)

    def _answer(self, batch: list[_Waiting]) -> None:
        now = time.monotonic()
        late = [one for one in batch if now > one.deadline and not one.future.done()]
        for one in late:
            one.future.set_exception(self._late())
        batch = [one for one in batch if not one.future.done()]
        if not batch:
            return
        answers = batch[0].served.answer_each([one.inputs for one in batch])
        for one, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                one.future.set_exception(answer)
            else:
                one.future.set_result(answer)
