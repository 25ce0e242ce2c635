"""The global random generators, seeded for a fit and put back afterwards."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def seeded(seed: int, *, torch: bool = False) -> Iterator[None]:
    """Seed Python's and numpy's generators, and PyTorch's where the code at work uses it."""
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
