"""Critical couplings: where incoherence gives way to order, for phases (N = 2) and networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._check import invalid, real_number, whole_number
from kuramoto.theory._numerics import Density, as_density, panels

__all__ = ["critical_coupling", "largest_eigenvalue"]


def critical_coupling(
    distribution: Any,
    *,
    dimensions: int = 2,
    lag: float = 0.0,
    weights: Any = None,
    support: tuple[float, float] | None = None,
) -> float:
    """Return K_c = 2 / (π g(ω₀)), above which a part of the oscillators locks together.

    For a symmetric density g that falls from its center ω₀ outwards: 2γ for a Lorentzian of half
    width γ, σ√(8/π) for a normal density, 4γ/π for a uniform one on ω₀ ± γ (where r jumps).

    With a lag α, K_c and the rate Ω of the new order solve
    e^{iα}/K_c = (π/2) g(Ω) + (i/2) ⨍ g(Ω + u)/u du; for a Lorentzian K_c = 2γ / cos α.

    In N = `dimensions`, g is the density of one plane's rate, and the planes of different
    oscillators are independent and isotropic: K_c is the same formula for every even N, and 0 for
    every odd N (`kuramoto.theory.isotropic_critical_coupling` for the Gaussian ensemble).

    On a network, θ̇_i = ω_i + K Σ_j A_ij sin(θ_j − θ_i), K_c is divided by the largest eigenvalue of
    A: an approximation for large networks with many neighbours.

    Parameters
    ----------
    distribution : frozen scipy.stats distribution, or callable
        Density g of the natural frequencies, in radians per unit time; a callable takes arrays.
    dimensions : int, default 2
        N.
    lag : float, default 0.0
        Sakaguchi's α in radians, |α| < π/2; for N = 2.
    weights : array or SciPy sparse matrix, shape (M, M), optional
        A, nonnegative.
    support : tuple of float, optional
        (low, high) of a callable density.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If g is not symmetric or does not fall from its center outwards, or a number is out of
        range.

    References
    ----------
    Kuramoto (1975); Sakaguchi, Kuramoto (1986), Prog. Theor. Phys. 76, 576; Restrepo, Ott, Hunt
    (2005), Phys. Rev. E 71, 036151, eq. 10; Chandra, Girvan, Ott (2019), Phys. Rev. X 9, 011002.

    Examples
    --------
    >>> from kuramoto import frequencies
    >>> round(critical_coupling(frequencies.lorentzian(width=0.5)), 12)
    1.0
    """
    N, alpha = whole_number("dimensions", dimensions, least=2), require_lag(lag)
    density = require_simple(as_density(distribution, support))
    if N > 2 and alpha != 0:
        raise invalid("lag", "be 0 for more than 2 dimensions", f"{alpha:g}")
    if N % 2:
        return 0.0
    rate = density.center if alpha == 0 else _onset_rate(density, alpha)
    mean_field = 2 * np.cos(alpha) / (np.pi * float(density.pdf(np.asarray(rate))))
    return float(mean_field if weights is None else mean_field / largest_eigenvalue(weights))


def largest_eigenvalue(weights: Any) -> float:
    """Return the largest eigenvalue (Perron's) of a nonnegative matrix, dense or sparse.

    Raises
    ------
    ValueError
        If the matrix is not square or nonnegative, or has no positive eigenvalue.

    Examples
    --------
    >>> round(largest_eigenvalue([[0.0, 2.0], [2.0, 0.0]]), 12)
    2.0
    """
    from scipy import sparse

    matrix = sparse.csr_array(weights, dtype=np.float64)
    if matrix.shape[0] != matrix.shape[1]:
        raise invalid("weights", "have shape (M, M)", f"has shape {matrix.shape}")
    if matrix.nnz and matrix.data.min() < 0:
        raise invalid("weights", "be nonnegative", f"it holds {matrix.data.min():g}")
    largest = _perron(matrix)
    if not largest > 1e-14 * abs(matrix).max():
        raise invalid("weights", "have a positive eigenvalue", f"the largest is {largest:g}")
    return largest


def _perron(matrix: Any) -> float:
    if matrix.shape[0] <= 200:
        return float(np.linalg.eigvals(matrix.toarray()).real.max(initial=0.0))
    from scipy.sparse.linalg import eigs, eigsh

    symmetric = abs(matrix - matrix.T).max() == 0
    start = np.ones(matrix.shape[0])  # else ARPACK starts at random, and results differ in rounding
    if symmetric:
        return float(eigsh(matrix, k=1, which="LA", v0=start, return_eigenvectors=False)[0])
    return float(eigs(matrix, k=1, which="LR", v0=start, return_eigenvectors=False)[0].real)


def require_lag(lag: float) -> float:
    """Return α if |α| < π/2, or raise."""
    alpha = real_number("lag", lag)
    if not abs(alpha) < np.pi / 2:
        raise invalid("lag", "be within ±π/2: beyond it, coupling drives apart", f"{alpha:g}")
    return alpha


def require_simple(density: Density) -> Density:
    """Return a density if it is symmetric and falls from its center outwards, or raise."""
    remedy = "see kuramoto.theory.locked_curve, which takes any density"
    if not density.symmetric:
        found = f"it is not, about its median {density.center:g}"
        raise invalid("distribution", "be symmetric", found, remedy)
    if not density.unimodal:
        found = f"it rises somewhere away from {density.center:g}"
        raise invalid("distribution", "fall from its center outwards", found, remedy)
    return density


def _onset_rate(density: Density, alpha: float) -> float:
    """Solve tan α = ⨍ g(Ω + u)/u du / (π g(Ω)) for Ω."""
    from scipy.optimize import brentq

    def defect(rate: float) -> float:
        locked = np.pi * float(density.pdf(np.asarray(rate)))
        return float(np.cos(alpha) * _principal(density, rate) - np.sin(alpha) * locked)

    probable = density.breaks[1:-1]
    return float(brentq(defect, probable[0], probable[-1], xtol=1e-14, rtol=1e-14))


def _principal(density: Density, rate: float) -> float:
    """Return ⨍ g(Ω + u)/u du = ∫_0^∞ (g(Ω + u) − g(Ω − u))/u du."""
    distances = np.abs(density.breaks - rate)
    far = distances.max()
    edges = np.unique(np.concatenate([[0.0], distances, far * 2.0 ** np.arange(1, 30)]))
    u, weights = panels(edges, 16)
    return float(((density.pdf(rate + u) - density.pdf(rate - u)) / u) @ weights)
