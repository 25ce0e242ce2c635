"""The global random generators, seeded for a fit and put back afterwards."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from mlops_provider.runtime.training.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Iterator


_SEEDED = Shared()


def seeded(seed: int, *, torch: bool = False) -> AbstractContextManager[None]:
    """Seed Python's and numpy's generators, and PyTorch's where the code at work uses it.

    Threads that fit at once draw from the same generators: none of them can be repeated by its seed alone.
    """
    return _SEEDED.held(lambda: _seeded(seed, torch=torch))


@contextmanager
def _seeded(seed: int, *, torch: bool) -> Iterator[None]:
    import numpy as np

    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 (what libraries draw from)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (as above)
    try:
        if not torch:
            yield
            return
        with _torch_seeded(seed):
            yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002 (as above)


@contextmanager
def _torch_seeded(seed: int) -> Iterator[None]:
    import torch

    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
