"""Mean fields with noise on S^{N−1}: von Mises-Fisher distributions and Langevin functions.

For dx = Proj_x(F) dt + σ Proj_x ∘ dW the noise is Brownian motion on the sphere, of generator
½σ²Δ, and the drift is the gradient of F·x. The Fokker-Planck equation therefore has the stationary
density ∝ exp(2 F·x/σ²): von Mises-Fisher with κ = 2‖F‖/σ², whose mean has the length A_N(κ). With
F = K r, r = A_N(2 K r/σ²).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._check import invalid, real_number, whole_number
from kuramoto.theory._numerics import as_density, increasing_root, nonnegative, panels
from kuramoto.theory.critical import require_simple

__all__ = ["bessel_ratio", "noisy_critical_coupling", "noisy_order_parameter"]

_LARGE = 1e6  # below it the continued fraction, above it the Riccati equation's slow solution


def bessel_ratio(kappa: Any, dimensions: int) -> np.ndarray:
    """Return A_N(κ) = I_{N/2}(κ) / I_{N/2−1}(κ), the mean length under exp(κ x·μ) on S^{N−1}.

    A_2 is the XY magnet's I₁/I₀, A_3 = coth κ − 1/κ the Langevin function. Evaluated by the
    continued fraction A_N = κ/(N + κ A_{N+2}), from far enough up that rounding alone is left.

    Parameters
    ----------
    kappa : array or float
        κ ≥ 0.
    dimensions : int
        N ≥ 1.

    Returns
    -------
    array of the shape of `kappa`
        In [0, 1); κ/N for small κ, 1 − (N−1)/(2κ) for large.

    References
    ----------
    Amos (1974), Math. Comp. 28, 239 (bounds); Mardia, Jupp (2000), Directional Statistics, 9.3.

    Examples
    --------
    >>> bessel_ratio([0.0, 1.0], 3).round(9)
    array([0.        , 0.31303528])
    """
    N = whole_number("dimensions", dimensions, least=1)
    k = nonnegative("kappa", kappa)
    ratio = _continued_fraction(np.minimum(k, _LARGE), N)
    return np.where(k > _LARGE, _slow_solution(np.maximum(k, _LARGE), N), ratio)


def _continued_fraction(k: np.ndarray, N: int) -> np.ndarray:
    """Go down from an order at which Amos's bound is good; each order forgets its error by A²."""
    orders = 20 + int(6 * np.sqrt(k.max(initial=0.0)))
    nu = N / 2 - 1 + orders
    ratio = k / (nu + 0.5 + np.sqrt((nu + 1.5) ** 2 + k * k))
    for order in range(orders - 1, -1, -1):
        ratio = k / (N + 2 * order + k * ratio)
    return np.asarray(ratio)


def _slow_solution(k: np.ndarray, N: int) -> np.ndarray:
    """Solve A' = 1 − A² − (N−1)A/κ for slowly varying A, once corrected: to some N/κ³."""
    a = (N - 1) / (2 * k)
    root = np.sqrt(1 + a * a)
    slope = a / k * (1 - a / root)  # of A ≈ √(1 + a²) − a
    return np.asarray(np.sqrt(1 + a * a - slope) - a)


def noisy_order_parameter(coupling: Any, noise: float, dimensions: int) -> np.ndarray:
    """Return the r > 0 that solves r = A_N(2 K r/σ²), or 0 up to K_c = N σ²/2.

    For ``Kuramoto(MeanField(K), noise=σ)`` with infinitely many oscillators, all of the same
    natural frequency (or none); exact, and the only stable stationary state.

    Parameters
    ----------
    coupling : array or float
        K ≥ 0.
    noise : float
        σ > 0.
    dimensions : int
        N ≥ 2.

    Returns
    -------
    array of the shape of `coupling`

    Examples
    --------
    >>> noisy_order_parameter([1.0, 3.0], noise=1.0, dimensions=3).round(6)
    array([0.      , 0.788887])
    """
    N = whole_number("dimensions", dimensions, least=2)
    variance = real_number("noise", noise, positive=True) ** 2
    K = nonnegative("coupling", coupling)
    # K = κσ²/(2 A_N(κ)) rises from Nσ²/2; A_N < 1, so κ < 2K/σ².
    top = 2 * np.maximum(K, 1e-300) / variance

    def curve(kappa: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 * variance * kappa / bessel_ratio(kappa, N))

    kappa = increasing_root(curve, K, 0.0, top)
    return np.where(N * variance / 2 < K, bessel_ratio(kappa, N), 0.0)


def noisy_critical_coupling(
    noise: float,
    dimensions: int = 2,
    distribution: Any = None,
    *,
    support: tuple[float, float] | None = None,
) -> float:
    """Return the K at which incoherence loses its stability under noise σ.

    K_c = Nσ²/2 without natural frequencies. With D = (N−1)σ²/2, the rate at which noise forgets a
    direction, and rates of density g (symmetric about ω₀, falling outwards; for N > 2 of planes
    that are independent and isotropic from one oscillator to the next),

        N / ((N−1) K_c) = ∫ D g(ω₀ + u)/(D² + u²) du           for even N,

    and that integral times (N−1)/N plus 1/(N D) for odd N, whose rotations hold one axis still. For
    a Lorentzian and N = 2 this is 2γ + σ².

    Parameters
    ----------
    noise : float
        σ > 0.
    dimensions : int, default 2
        N.
    distribution : frozen scipy.stats distribution, or callable, optional
        Density of one plane's rate; none: no natural frequencies.
    support : tuple of float, optional
        (low, high) of a callable density.

    References
    ----------
    Sakaguchi (1988), Prog. Theor. Phys. 79, 39; Strogatz, Mirollo (1991), J. Stat. Phys. 63, 613.

    Examples
    --------
    >>> from kuramoto import frequencies
    >>> round(noisy_critical_coupling(1.0, distribution=frequencies.lorentzian(width=0.5)), 9)
    2.0
    """
    N = whole_number("dimensions", dimensions, least=2)
    D = 0.5 * (N - 1) * real_number("noise", noise, positive=True) ** 2
    if distribution is None:
        return N * D / (N - 1)
    density = require_simple(as_density(distribution, support))
    # u = D tan φ makes the kernel flat, whatever the ratio of the two widths.
    u = density.breaks - density.center
    doubling = D * 2.0 ** np.arange(max(0.0, np.log2(np.abs(u).max() / D)))
    edges = np.arctan(np.concatenate([u, doubling, -doubling]) / D)
    ends = np.arctan((np.array(density.support) - density.center) / D)
    phi, weights = panels(np.unique([*np.clip(edges, *ends), *ends]))
    mean = float(density.pdf(density.center + D * np.tan(phi)) @ weights)
    if N % 2:
        mean = mean * (N - 1) / N + 1 / (N * D)
    if not mean > 0:
        raise invalid("distribution", "be positive near its center", "it is not")
    return N / ((N - 1) * mean)
