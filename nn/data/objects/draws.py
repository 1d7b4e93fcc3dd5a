"""Random numbers of which image k's depend on the seed and k only."""

from __future__ import annotations

import numpy as np

from kuramoto._backend import Array
from kuramoto.nn.seeds import derived_seed

__all__ = ["among", "uniforms"]

# Philox makes its numbers in fours.
_STEP = 4


def uniforms(seed: int, stream: str, first: int, count: int, each: int) -> Array:
    """Return uniform numbers in [0, 1) of images first..first + count - 1, shape (count, each).

    Philox is a function of key and counter: every image has a stretch of counters of its own, so
    that chunks of any size and start see the same numbers. Its raw bits are the same in all
    versions of NumPy.

    Parameters
    ----------
    seed : int
        Seed.
    stream : str
        What the numbers are for; other streams are independent.
    first, count : int
        Which images.
    each : int
        Numbers for an image. Another count gives other numbers.

    References
    ----------
    Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3, SC11.

    Examples
    --------
    >>> bool((uniforms(0, "a", 0, 9, 6)[5:] == uniforms(0, "a", 5, 4, 6)).all())
    True
    """
    steps = -(-each // _STEP)
    bits = np.random.Philox(key=derived_seed(seed, stream), counter=first * steps)
    raw = bits.random_raw(count * steps * _STEP).reshape(count, steps * _STEP)
    return np.asarray((raw[:, :each] >> np.uint64(11)) * 2.0**-53)


def among(uniform: Array, choices: int | Array) -> Array:
    """Turn uniform numbers into whole ones from 0 to choices - 1, all as likely."""
    return np.asarray(uniform * choices).astype(np.int64)
