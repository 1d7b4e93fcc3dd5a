"""Seeds that follow from what they are for: a run can start anywhere and draw the same numbers."""

from __future__ import annotations

import functools
import hashlib

import numpy as np

from kuramoto._backend import Array

__all__ = ["derived_seed", "epoch_order"]


def derived_seed(*parts: int | str | bytes) -> int:
    """Return a seed below 2⁶³ that follows from its parts: the run's seed, a step, a board, ...

    Examples
    --------
    >>> derived_seed(0, "step", 1) == derived_seed(0, "step", 1) != derived_seed(0, "step", 2)
    True
    """
    text = b"|".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


@functools.lru_cache(maxsize=4)
def epoch_order(n: int, seed: int, epoch: int) -> Array:
    """Return the order in which an epoch shows n examples."""
    return np.random.default_rng(derived_seed(seed, "order", epoch)).permutation(n)
