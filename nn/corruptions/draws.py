"""Random numbers of which image k's depend on seed, stream and k only, for any set of images."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from kuramoto._backend import Array
from kuramoto.nn.data.objects.draws import uniforms

__all__ = ["Draws"]


class Draws:
    """The random numbers of some images.

    Parameters
    ----------
    seed : int
        Seed.
    stream : str
        What they are for: corruption and severity.
    indices : array of int, shape (n,)
        Which images, counted in their data set; in any order.

    Examples
    --------
    >>> one, other = Draws(0, "fog 1", np.arange(9)), Draws(0, "fog 1", np.array([7, 2]))
    >>> bool((one.uniform("a", 5)[[7, 2]] == other.uniform("a", 5)).all())
    True
    """

    def __init__(self, seed: int, stream: str, indices: Array) -> None:
        self.seed, self.stream, self.indices = seed, stream, indices

    def uniform(self, purpose: str, *shape: int) -> Array:
        """Return numbers in [0, 1), shape (n, *shape); another purpose has others."""
        stream = f"{self.stream} {purpose}"
        parts = [
            uniforms(self.seed, stream, first, count, math.prod(shape))
            for first, count in self._stretches()
        ]
        return np.concatenate(parts).reshape(-1, *shape)

    def normal(self, purpose: str, *shape: int) -> Array:
        """Return numbers of mean 0 and standard deviation 1, shape (n, *shape)."""
        # Half of the least step above: the quantile of 0 would be −∞.
        return np.asarray(ndtri(self.uniform(purpose, *shape) + 2.0**-54))

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Yield (first, count) of each stretch of images that follow one another."""
        cuts = np.flatnonzero(np.diff(self.indices) != 1) + 1
        for part in np.split(self.indices, cuts):
            yield int(part[0]), len(part)
