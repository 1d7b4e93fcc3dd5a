"""The flux of waves, for any N: how much of what neighbours do, one does after the other.

With y = x − ⟨x⟩_t, the current between neighbours i and j is the part of their correlation at a lag
of one frame that changes sign when time runs backwards,

    F_ij = ½ ⟨y_i(t)·y_j(t+Δt) − y_j(t)·y_i(t+Δt)⟩_t / Δt :

positive where j does later what i does now. It is A² sin k sin(ωΔt)/Δt ≈ A² kω for a wave of
amplitude A, and zero for anything that moves without travelling: a pattern that stands, a standing
wave a(r) b(t), oscillators in step, a relaxation. No plane and no phase is needed, and a common
rotation of all vectors changes nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, from_numpy
from kuramoto._check import real_number
from kuramoto.waves.grid import after, part, require_boundary, require_frames, require_where

__all__ = ["WaveFlux", "mean_turns", "wave_flux"]

# A bond whose two oscillators differ by less than this of what they do has no flux worth a ratio:
# there rounding would be divided by rounding.
_FLOOR = 1e-6


class WaveFlux(NamedTuple):
    """The flux of waves at every site.

    Attributes
    ----------
    flux : array, shape (*grid, d)
        Component a belongs to the bond from the site to its next neighbour along axis a; radians²
        per site and unit time.
    bound : array, shape (*grid)
        What ‖flux‖ cannot exceed, given how much neighbours move and differ: reached by plane
        waves.
    """

    flux: Array
    bound: Array


def wave_flux(
    states: Array, dt: float, boundary: str = "periodic", *, where: Any = None
) -> WaveFlux:
    """Return the flux of waves, averaged over a run, and its bound.

    Parameters
    ----------
    states : array, shape (S, *grid, N)
        Successive states, `dt` apart. No wave may turn by more than π between frames, nor between
        neighbours, or it is seen to move the other way.
    dt : float
    boundary : {"periodic", "open"}
    where : array of bool, shape grid, optional
        Only bonds between these sites.

    Returns
    -------
    WaveFlux

    Raises
    ------
    ValueError
        If the shape does not fit, there are fewer than 3 frames, or `dt` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import phase
    >>> t, r = np.arange(64)[:, None], np.arange(16)
    >>> k, omega = 2 * np.pi / 16, 2 * np.pi / 32
    >>> right = wave_flux(phase.from_phases(k * r - omega * t), 1.0)
    >>> bool(np.allclose(right.flux[:, 0], np.sin(k) * np.sin(omega), rtol=0.05))
    True
    >>> bool(np.allclose(right.flux[:, 0], right.bound, rtol=0.05))
    True
    """
    dt, boundary = real_number("dt", dt, positive=True), require_boundary(boundary)
    states, _ = require_frames(states, 3)
    bonds = open_bonds(require_where(where, tuple(states.shape[1:-1])), boundary)
    xp = array_namespace(states)
    sums, steps = series(states - xp.mean(states, axis=0))
    flux, bound = currents(sums, steps, [from_numpy(one, states) for one in bonds])
    scale = 4 * (states.shape[0] - 1)
    return WaveFlux(xp.stack(flux, axis=-1) / (scale * dt), bound / (scale * dt))


def series(y: Array) -> tuple[Array, Array]:
    """Return y(t+Δt) + y(t) and y(t+Δt) − y(t) at every site, shape (*grid, (S − 1) N)."""
    xp = array_namespace(y)
    y = xp.moveaxis(y, 0, -2)
    late, early = y[..., 1:, :], y[..., :-1, :]
    shape = (*y.shape[:-2], (y.shape[-2] - 1) * y.shape[-1])
    return xp.reshape(late + early, shape), xp.reshape(late - early, shape)


def currents(sums: Array, steps: Array, bonds: list[Any]) -> tuple[list[Array], Array]:
    """Return Σ_t s_i·d_j − s_j·d_i along each axis, and the bound on the norm of the vector.

    With u = s_j + s_i, v = s_j − s_i, and p, q likewise of the steps, it is ½ Σ_t (u·q − v·p), and
    by Cauchy and Schwarz at most ½ (‖u‖ ‖q‖ + ‖v‖ ‖p‖).
    """
    xp = array_namespace(sums)
    flux, squares = [], 0.0
    s, d = xp.vecdot(sums, sums), xp.vecdot(steps, steps)
    for axis, bond in enumerate(bonds):
        sums_next, steps_next = after(sums, axis), after(steps, axis)
        flux.append(bond * (xp.vecdot(sums, steps_next) - xp.vecdot(sums_next, steps)))
        s_both, d_both = s + after(s, axis), d + after(d, axis)
        ss, dd = 2 * xp.vecdot(sums, sums_next), 2 * xp.vecdot(steps, steps_next)
        roots = [xp.sqrt(xp.clip(a, 0.0, None)) for a in (s_both + ss, d_both - dd)]
        other = [xp.sqrt(xp.clip(a, 0.0, None)) for a in (s_both - ss, d_both + dd)]
        bound = (roots[0] * roots[1] + other[0] * other[1]) / 2
        squares = squares + bond * (bound + _FLOOR * xp.sqrt(s_both * d_both)) ** 2
    return flux, xp.sqrt(squares)


def open_bonds(region: np.ndarray, boundary: str) -> list[np.ndarray]:
    """Return 1.0 for every site that has a next neighbour within the region, for each axis."""
    bonds = []
    for axis in range(region.ndim):
        both = region & np.roll(region, -1, axis=axis)
        if boundary == "open":
            part(both, axis, -1, None)[...] = False
        bonds.append(both.astype(np.float64))
    return bonds


def mean_turns(states: Array, where: Any = None) -> float:
    """Return how often oscillators go round: path length / (2π times the distance from the mean).

    One turn of a vector on any circle counts 1. A drift from one place to another stays below 1,
    however far it leads; so does a relaxation, unless it is over in a small part of the record.

    Parameters
    ----------
    states : array, shape (S, *grid, N)
    where : array of bool, shape grid, optional

    Returns
    -------
    float
        Root mean squares over the sites are what enters. 0 where nothing moves.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import phase
    >>> theta = np.linspace(0, 4 * np.pi, 101)[:, None] + np.zeros(3)
    >>> round(mean_turns(phase.from_phases(theta)), 2)
    2.0
    """
    states, _ = require_frames(states, 2)
    region = require_where(where, tuple(states.shape[1:-1]))
    xp, sites = array_namespace(states), float(region.sum())
    inside = from_numpy(region, states)
    y = states - xp.mean(states, axis=0)
    spread = float(xp.sum(inside * xp.mean(xp.vecdot(y, y), axis=0)) / sites)
    lengths = sphere.norm(y[1:, ...] - y[:-1, ...])[..., 0]
    path = float(xp.sum(inside * xp.sum(lengths, axis=0) ** 2) / sites)
    tiny = float(xp.finfo(states.dtype).eps) ** 2
    return float(np.sqrt(path / spread) / (2 * np.pi)) if spread > 100 * tiny else 0.0
