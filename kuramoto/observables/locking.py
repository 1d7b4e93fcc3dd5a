"""Pairs over time: phase locking and functional connectivity."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, tiny
from kuramoto._check import invalid, nearest, whole_number
from kuramoto.observables.running import Moments
from kuramoto.observables.shapes import flat_sites, require_planar, require_rows

__all__ = [
    "Correlation",
    "PhaseLocking",
    "functional_connectivity",
    "phase_locking_value",
]

Signal = str | Callable[[Array], Array] | None


class _OverPairs:
    """Moments of rows gathered from states as they come: what both matrices are made of."""

    def __init__(self, site_ndim: int) -> None:
        self.site_ndim = whole_number("site_ndim", site_ndim, least=1)
        self._moments, self._time, self._dimensions = Moments(), math.nan, 0

    def __call__(self, t: float, x: Array) -> int:
        """Take the state x at time t; return how many there have been."""
        if t != self._time:
            self.update(x)
            self._time = t
        return self._moments.count

    def update(self, x: Array) -> None:
        """Take a state of shape (*batch, *sites, N)."""
        signals = self._signals(x)
        self._dimensions = signals.shape[-1]
        self._moments.add(_row(flat_sites(signals, self.site_ndim)))

    def _signals(self, x: Array) -> Array:
        """Return what is correlated, (*batch, *sites, D): the vectors themselves."""
        return x

    def _over(self, states: Any) -> Self:
        """Take a whole run, row by row."""
        states = require_rows(states)
        for row in range(states.shape[0]):
            self.update(states[row, ...])
        return self


class PhaseLocking(_OverPairs):
    """The matrix of phase locking values from states as they come; see `phase_locking_value`.

    An observer that `solve` can call: it returns the number of states taken, and ignores a second
    call for the same time. What it has gathered is not kept in run files.

    Parameters
    ----------
    site_ndim : int, default 1

    Examples
    --------
    >>> import kuramoto as km
    >>> locking = PhaseLocking()
    >>> model = km.Kuramoto(km.MeanField(1.0), km.Rotation([2.0]))
    >>> x0 = km.sphere.random_points((4, 2), seed=0)
    >>> save = km.SaveAt(every=10, states=False)
    >>> run = km.solve(model, x0, t1=100.0, dt=0.05, save=save, observe={"seen": locking})
    >>> bool(locking.value().min() > 0.95)
    True
    """

    def __init__(self, site_ndim: int = 1) -> None:
        super().__init__(site_ndim)

    def value(self) -> Array:
        """Return the phase locking values so far, shape (*batch, M, M)."""
        return _best_rotation(_blocks(self._moments.second(), self._dimensions))


def phase_locking_value(states: Any, site_ndim: int = 1) -> Array:
    """Return PLV_ij = max over rotations R of ⟨x_i · R x_j⟩_t, in [0, 1].

    It is 1 if one fixed rotation carries oscillator j to oscillator i at all times. For N = 2 the
    best rotation is by the mean phase difference, and PLV_ij = |⟨exp(i(θ_i − θ_j))⟩_t|, the usual
    definition. For N > 2 the best rotation is Kabsch's: with the singular values σ of
    A = ⟨x_i x_jᵀ⟩_t it gives σ_1 + ... + σ_{N−1} + sign(det A) σ_N.

    Oscillators at rest are locked to everything, as for N = 2. S independent states give about
    1/√S by chance, for N = 2.

    Parameters
    ----------
    states : array or dataset, shape (S, *batch, *sites, N)
        Read row by row; at least two.
    site_ndim : int, default 1

    Returns
    -------
    array, shape (*batch, M, M)

    Raises
    ------
    ValueError
        If there are fewer than two states, or N is 1.

    References
    ----------
    Lachaux, Rodriguez, Martinerie & Varela (1999), Measuring phase synchrony in brain signals,
    Human Brain Mapping 8, 194. Kabsch (1978), Acta Cryst. A 34, 827.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 20 * np.pi, 1000, endpoint=False)
    >>> theta = np.stack([t, t + 1.0, 2 * t], axis=-1)
    >>> phase_locking_value(np.stack([np.cos(theta), np.sin(theta)], axis=-1)).round(6)
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]])
    """
    return PhaseLocking(site_ndim)._over(states).value()


def _row(x: Array) -> Array:
    """Return (*batch, M, N) as (*batch, M·N)."""
    return array_namespace(x).reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))


def _blocks(matrix: Array, N: int) -> Array:
    """Return (*batch, M·N, M·N) as (*batch, M, M, N, N)."""
    xp, M = array_namespace(matrix), matrix.shape[-1] // N
    split = xp.reshape(matrix, (*matrix.shape[:-2], M, N, M, N))
    return xp.moveaxis(split, -3, -2)


def _best_rotation(A: Array) -> Array:
    """Return max over rotations R of tr(Rᵀ A) for matrices A of shape (..., N, N)."""
    xp, N = array_namespace(A), A.shape[-1]
    if N < 2:
        raise invalid("states", "have N of at least 2 as their last axis", f"it has N = {N}")
    if N == 2:
        parts = [A[..., 0, 0] + A[..., 1, 1], A[..., 1, 0] - A[..., 0, 1]]
        return sphere.norm(xp.stack(parts, axis=-1))[..., 0]
    sizes = xp.linalg.svdvals(A)
    return xp.sum(sizes[..., :-1], axis=-1) + xp.sign(xp.linalg.det(A)) * sizes[..., -1]


class Correlation(_OverPairs):
    """Functional connectivity from states as they come; see `functional_connectivity`.

    An observer that `solve` can call: it returns the number of states taken, and ignores a second
    call for the same time. What it has gathered is not kept in run files.

    Parameters
    ----------
    signal : {"sin", "cos", "vector"} or callable, optional
    site_ndim : int, default 1

    Examples
    --------
    >>> import kuramoto as km
    >>> connectivity = Correlation()
    >>> model = km.Kuramoto(km.MeanField(1.0), km.Rotation([2.0]))
    >>> x0 = km.sphere.random_points((4, 2), seed=0)
    >>> save = km.SaveAt(every=10, states=False)
    >>> run = km.solve(model, x0, t1=100.0, dt=0.05, save=save, observe={"seen": connectivity})
    >>> bool(connectivity.value().min() > 0.95)
    True
    """

    def __init__(self, signal: Signal = None, site_ndim: int = 1) -> None:
        known = ("sin", "cos", "vector")
        named = isinstance(signal, str) and signal in known
        if not (signal is None or callable(signal) or named):
            must = f"be one of {', '.join(known)}, or a function of x"
            raise invalid("signal", must, repr(signal), nearest(str(signal), known))
        super().__init__(site_ndim)
        self.signal = signal

    def value(self) -> Array:
        """Return the correlations so far, shape (*batch, M, M)."""
        centred, second = self._moments.centred(), self._moments.second()
        xp = array_namespace(centred)
        covariance, size = (
            xp.linalg.trace(_blocks(matrix, self._dimensions)) for matrix in (centred, second)
        )
        variance, square = xp.linalg.diagonal(covariance), xp.linalg.diagonal(size)
        # What varies by rounding alone does not vary, and correlates with none.
        varies = variance > (16 * xp.finfo(square.dtype).eps) ** 2 * square
        weight = xp.where(varies, 1 / xp.sqrt(variance + tiny(variance)), xp.zeros_like(variance))
        return covariance * weight[..., :, None] * weight[..., None, :]

    def _signals(self, x: Array) -> Array:
        """Return what is correlated, (*batch, *sites, D)."""
        if callable(self.signal):
            return self.signal(x)[..., None]
        signal = self.signal or ("sin" if x.shape[-1] == 2 else "vector")
        if signal == "vector":
            return x
        require_planar(x, 'for N > 2 take signal="vector"')
        return x[..., 1:] if signal == "sin" else x[..., :1]


def functional_connectivity(states: Any, signal: Signal = None, site_ndim: int = 1) -> Array:
    """Return the Pearson correlations over time between the signals of all oscillators.

    The signal of a phase oscillator that stands for a brain area is sin θ by custom, and that is
    the default for N = 2; cos θ differs by a quarter of a turn, and over many turns gives the same.
    ``"vector"``, the default for N > 2, takes all components at once,
    ⟨δx_i · δx_j⟩ / √(⟨|δx_i|²⟩⟨|δx_j|²⟩) with δx = x − ⟨x⟩_t, and does not depend on the axes.

    Parameters
    ----------
    states : array or dataset, shape (S, *batch, *sites, N)
        Read row by row; at least two.
    signal : {"sin", "cos", "vector"} or callable, optional
        A callable takes a state and returns one number for each oscillator, (*batch, *sites).
    site_ndim : int, default 1

    Returns
    -------
    array, shape (*batch, M, M)
        In [−1, 1], symmetric, with ones on the diagonal; a signal that does not vary correlates
        with none: its row is 0.

    Raises
    ------
    ValueError
        If there are fewer than two states, or the signal is not known or not for this N.

    References
    ----------
    Cabral, Hugues, Sporns & Deco (2011), Role of local network oscillations in resting-state
    functional connectivity, NeuroImage 57, 130.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 20 * np.pi, 1000, endpoint=False)
    >>> theta = np.stack([t, t + np.pi / 3], axis=-1)
    >>> functional_connectivity(np.stack([np.cos(theta), np.sin(theta)], axis=-1)).round(6)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    return Correlation(signal, site_ndim)._over(states).value()
