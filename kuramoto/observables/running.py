"""Statistics of a run gathered on the way, so that its states need not be kept."""

from __future__ import annotations

import math
from collections.abc import Callable

from kuramoto._backend import Array, array_namespace
from kuramoto._check import invalid

__all__ = ["RunningMean"]

# States are gathered this many at a time: one product of matrices in place of as many outer ones.
_CHUNK = 64


class RunningMean:
    """The mean over time of any observable, and its spread: an observer that `solve` can call.

    Every call weighs the same, so let them be evenly spaced. Calling it returns the number of
    values taken; a second call for the same time is ignored. What it has gathered is not kept in
    run files.

    Parameters
    ----------
    function : callable
        f(t, x) → array or number.

    Attributes
    ----------
    count : int
        Values taken.
    mean : array
        Mean so far.

    References
    ----------
    Welford (1962), Note on a method for calculating corrected sums of squares and products,
    Technometrics 4, 419.

    Examples
    --------
    >>> import kuramoto as km
    >>> r = RunningMean(lambda t, x: x)
    >>> r(0.0, 1.0), r(1.0, 3.0), r.mean, r.deviation()
    (1, 2, 2.0, 1.4142135623730951)
    """

    def __init__(self, function: Callable[[float, Array], Array]) -> None:
        self.function, self.count = function, 0
        self.mean: Array = 0.0
        self._squares: Array = 0.0
        self._time = math.nan

    def __call__(self, t: float, x: Array) -> int:
        """Take the observable of state x at time t."""
        if t != self._time:
            value = self.function(t, x)
            self.count += 1
            departure = value - self.mean
            self.mean = self.mean + departure / self.count
            self._squares = self._squares + departure * (value - self.mean)
            self._time = t
        return self.count

    def deviation(self) -> Array:
        """Return the standard deviation over time, with n − 1 in its denominator.

        Raises
        ------
        ValueError
            If fewer than two values were taken.
        """
        if self.count < 2:
            raise invalid("observations", "be at least two", f"{self.count}")
        return (self._squares / (self.count - 1)) ** 0.5


class Moments:
    """Mean and covariance over time of rows of P numbers, shape (*batch, P), in chunks.

    Two sets of rows are joined by the formula of Chan, Golub and LeVeque, so that nothing is lost
    to cancellation however long the run.

    References
    ----------
    Chan, Golub & LeVeque (1983), Algorithms for computing the sample variance, The American
    Statistician 37, 242.
    """

    def __init__(self) -> None:
        self.count = 0
        self._merged = 0
        self._mean: Array = None
        self._products: Array = None
        self._waiting: list[Array] = []

    def add(self, row: Array) -> None:
        """Take one row of shape (*batch, P)."""
        self._waiting.append(array_namespace(row).asarray(row, copy=True))  # the run may write on
        self.count += 1
        if len(self._waiting) == _CHUNK:
            self._merge()

    def _merge(self) -> None:
        """Join the waiting rows to those before."""
        if not self._waiting:
            return
        xp = array_namespace(self._waiting[0])
        rows = xp.stack(self._waiting, axis=-2)  # (*batch, S, P)
        new, self._waiting = rows.shape[-2], []
        mean = xp.mean(rows, axis=-2)
        centred = rows - mean[..., None, :]
        products = xp.matmul(xp.matrix_transpose(centred), centred)
        if self._merged:
            total = self._merged + new
            gap = mean - self._mean
            share = self._merged * new / total
            products = products + self._products + share * gap[..., :, None] * gap[..., None, :]
            mean = self._mean + gap * (new / total)
        self._mean, self._products = mean, products
        self._merged += new

    def centred(self) -> Array:
        """Return (1/S) Σ (y − ȳ)(y − ȳ)ᵀ, shape (*batch, P, P)."""
        if self.count < 2:
            raise invalid("states", "be at least two", f"{self.count}")
        self._merge()
        return self._products / self._merged

    def second(self) -> Array:
        """Return (1/S) Σ y yᵀ, shape (*batch, P, P)."""
        centred = self.centred()
        return centred + self._mean[..., :, None] * self._mean[..., None, :]
