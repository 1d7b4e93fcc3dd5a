"""Kuramoto's self-consistency for N = 2: the locked states of any density of frequencies.

An oscillator of rate ω in a field of strength F that turns at the rate Ω has, with u = ω − Ω, the
mean e^{iθ} = √(1 − u²/F²) + iu/F if |u| ≤ F (it locks), and i(u/F)(1 − √(1 − F²/u²)) if not (it
drifts). Averaged over g this is Z(F, Ω); the field is F = K e^{−iα} Z. So arg Z = α gives Ω, and
K = F/|Z|: every locked state lies on one curve, which F runs through.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from kuramoto._check import invalid
from kuramoto.theory._numerics import Density, as_density, nonnegative, panels
from kuramoto.theory.critical import require_lag

__all__ = ["LockedCurve", "locked_curve", "order_branches", "order_parameter"]

_GRID = 200  # points of the curve among which branches are looked for
_SMALLEST = 1e-4  # fields below this part of the density's width count as none


class LockedCurve(NamedTuple):
    """Points (K, r, Ω) of the locked states, one for each field F = K r."""

    coupling: np.ndarray
    order: np.ndarray
    rate: np.ndarray


def locked_curve(
    field: Any,
    distribution: Any,
    *,
    lag: float = 0.0,
    support: tuple[float, float] | None = None,
) -> LockedCurve:
    """Return the K, r and Ω of the locked state in which the field has the strength F = K r.

    For a symmetric g without lag, 1/K = ∫ cos²θ g(ω₀ + F sin θ) dθ over |θ| ≤ π/2 and Ω = ω₀.
    Exact for infinitely many oscillators and a field of constant strength; says nothing of
    stability, and nothing of states whose order parameter oscillates.

    Parameters
    ----------
    field : array or float
        F > 0, radians per unit time.
    distribution : frozen scipy.stats distribution, or callable
        A callable density takes arrays of rates, and needs its support.
    lag : float, default 0.0
        Sakaguchi's α, |α| < π/2.
    support : tuple of float, optional
        (low, high) of a callable density.

    Returns
    -------
    LockedCurve
        Arrays of the shape of `field`.

    Raises
    ------
    ValueError
        If a field is not positive, or no rate Ω is found for it.

    References
    ----------
    Kuramoto (1975); Sakaguchi, Kuramoto (1986), Prog. Theor. Phys. 76, 576; Omel'chenko, Wolfrum
    (2012), Phys. Rev. Lett. 109, 164101.

    Examples
    --------
    >>> from kuramoto import frequencies
    >>> curve = locked_curve(1.0, frequencies.uniform(width=1.0))  # the end of the jump
    >>> [round(float(value), 6) for value in curve]
    [1.27324, 0.785398, 0.0]
    """
    density, alpha = as_density(distribution, support), require_lag(lag)
    fields = nonnegative("field", field)
    if not (fields > 0).all():
        raise invalid("field", "be positive", f"{fields.min():g}")
    simple = alpha == 0 and density.symmetric
    rates = [density.center if simple else _rate(density, F, alpha) for F in fields.flat]
    means = [_locked(density, F, rate) for F, rate in zip(fields.flat, rates, strict=True)]
    if not simple:
        pairs = zip(fields.flat, rates, strict=True)
        means = [m + _drifting(density, F, r) for m, (F, r) in zip(means, pairs, strict=True)]
    order = np.reshape(np.abs(means) if not simple else np.real(means), fields.shape)
    return LockedCurve(fields / order, order, np.reshape(rates, fields.shape))


def order_parameter(
    coupling: Any,
    distribution: Any,
    *,
    lag: float = 0.0,
    support: tuple[float, float] | None = None,
) -> np.ndarray:
    """Return the largest self-consistent r for each coupling K; 0 where there is none.

    Parameters
    ----------
    coupling : array or float
        K ≥ 0.
    distribution, lag, support
        As for `locked_curve`.

    Returns
    -------
    array of the shape of `coupling`

    Examples
    --------
    >>> from kuramoto import frequencies
    >>> order_parameter([0.5, 2.0], frequencies.lorentzian(width=0.5)).round(9)
    array([0.        , 0.70710678])
    """
    K = nonnegative("coupling", coupling)
    found = order_branches(K.ravel(), distribution, lag=lag, support=support)
    return np.reshape([branch.max(initial=0.0) for branch in found], K.shape)


def order_branches(
    coupling: Any,
    distribution: Any,
    *,
    lag: float = 0.0,
    support: tuple[float, float] | None = None,
) -> list[np.ndarray]:
    """Return all self-consistent r > 0 for each coupling K, ascending; r = 0 always is one more.

    Where the curve of states is vertical, as at K_c of a uniform density, the ends of the
    continuum. Branches on which K falls as F = Kr rises belong to states that repel.

    Parameters
    ----------
    coupling : array of shape (count,), or float
        K ≥ 0.
    distribution, lag, support
        As for `locked_curve`.

    Returns
    -------
    list of array
        One array per coupling, of as many r as there are branches.

    Examples
    --------
    >>> from kuramoto import frequencies
    >>> order_branches([1.0, 1.5], frequencies.uniform(width=1.0))
    [array([], dtype=float64), array([0.89860999])]
    """
    couplings = np.atleast_1d(nonnegative("coupling", coupling))
    density = as_density(distribution, support)
    alpha = require_lag(lag)
    fields = _fields(density, float(couplings.max(initial=0.0)))
    grid = locked_curve(fields, density, lag=alpha).coupling

    def refine(K: float, low: float, high: float) -> float:
        from scipy.optimize import brentq

        def excess(F: float) -> float:
            return float(locked_curve(F, density, lag=alpha).coupling) - K

        return float(brentq(excess, low, high, xtol=1e-15, rtol=1e-13))

    return [_crossings(float(K), fields, grid, refine) / max(K, 1e-300) for K in couplings]


def _fields(density: Density, largest: float) -> np.ndarray:
    """Return fields up to K: r ≤ 1, so there are none above. The support's edges are kinks."""
    scale = density.scale
    top = max(largest, scale) * (1 + 1e-9)
    fields = np.geomspace(_SMALLEST * scale, top, _GRID)
    edges = np.abs(np.array(density.support) - density.center)
    inside = edges[np.isfinite(edges) & (edges < top)]
    return np.unique(np.concatenate([fields, inside]))


def _crossings(K: float, fields: np.ndarray, grid: np.ndarray, refine: Any) -> np.ndarray:
    excess = grid - K
    sign = np.sign(np.where(np.abs(excess) <= 1e-12 * K, 0.0, excess)).astype(int)
    roots = []
    for i in np.flatnonzero(sign[1:] != sign[:-1]):
        touching = [fields[j] for j in (i, i + 1) if sign[j] == 0]
        roots += touching or [refine(K, fields[i], fields[i + 1])]
    return np.unique(np.asarray(roots, dtype=np.float64))


def _locked(density: Density, F: float, rate: float) -> complex:
    """Return ∫ g(Ω + F sin θ) e^{iθ} F cos θ dθ over |θ| ≤ π/2."""
    edges = np.arcsin(np.clip((density.breaks - rate) / F, -1, 1))
    theta, weights = panels(np.unique([-np.pi / 2, *edges, np.pi / 2]))
    values = density.pdf(rate + F * np.sin(theta)) * np.exp(1j * theta) * np.cos(theta)
    return complex(F * (values @ weights))


def _drifting(density: Density, F: float, rate: float) -> complex:
    """Return i ∫ g(Ω + u)(u/F)(1 − √(1 − F²/u²)) du over |u| > F, with |u| = F / sin φ."""
    total = 0.0
    for side in (1, -1):
        distances = side * (density.breaks - rate)
        doubling = F * 2.0 ** np.arange(max(0.0, np.log2(max(distances.max(), F) / F)))
        edges = np.arcsin(F / np.maximum([*distances, *doubling], F))
        start = [] if np.isfinite(density.support[(1 + side) // 2]) else [0.0]
        phi, weights = panels(np.unique([*start, *edges, np.pi / 2]))
        mean = np.tan(phi / 2) * np.cos(phi) / np.sin(phi) ** 2
        total += side * float((density.pdf(rate + side * F / np.sin(phi)) * mean) @ weights)
    return 1j * F * total


def _rate(density: Density, F: float, alpha: float) -> float:
    """Return Ω, nearest the median, at which Z(F, Ω) has the phase α."""
    from scipy.optimize import brentq

    def defect(rate: float) -> float:
        Z = _locked(density, F, rate) + _drifting(density, F, rate)
        return float((Z * np.exp(-1j * alpha)).imag)

    step = 0.2 * (F + density.scale)
    distances = step * np.arange(1, 150)
    ends = {1: defect(density.center), -1: defect(density.center)}
    for distance, side in itertools.product(distances, (-1, 1)):
        rate = density.center + side * distance
        last, ends[side] = ends[side], defect(rate)
        if last * ends[side] <= 0:
            return float(brentq(defect, rate - side * step, rate, xtol=1e-14, rtol=1e-13))
    raise invalid("field", "have a locked state", f"{F:g}, at which no rate Ω is consistent")
