"""Any dimension N: mean fields with isotropic Gaussian rotations, solved exactly.

ẋ = Wx + Proj_x(F) is, with x = y/s, the linear flow of (y, s) under the (N+1)×(N+1) matrix
[[W, F], [Fᵀ, 0]], a Lorentz boost. Either that matrix has one pair ±λ of real eigenvalues: then x
goes to the one attracting fixed point, where ⟨x, F⟩ = λ > 0 and 1 = Fᵀ(λ² − W²)⁻¹F. Or it has none
(possible for even N alone): then ⟨x, F⟩ averages to zero over time. By isotropy the mean of x is
parallel to F, so self-consistency is K r² = E[λ] at ‖F‖ = K r, with λ = 0 where there is no pair.

For entries W_ij (i < j) independent and normal with standard deviation σ, the Kac-Rice formula
counts the fixed points: λ = ‖F‖ cos φ has, at f = ‖F‖/σ, the density

    C_N sin^{N−2}φ exp(−½ f² sin²φ) h_{N−1}(f cos φ) dφ,    h_n(λ) = E det(λ − W_n),

where h_{n+1} = λ h_n + n h_{n−1} are Hermite polynomials with all signs positive. All is exact for
infinitely many oscillators and a steady mean field.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._check import real_number, whole_number
from kuramoto.theory._numerics import increasing_root, nonnegative, panels

__all__ = [
    "attraction",
    "entrained_fraction",
    "entrained_order",
    "isotropic_critical_coupling",
    "isotropic_order_parameter",
    "isotropic_rotations",
    "onset_order",
    "uniform_instability",
]


def isotropic_rotations(
    count: int, dimensions: int, width: float = 1.0, *, seed: Any = None
) -> np.ndarray:
    """Draw antisymmetric Gaussian matrices: rotations without a preferred plane.

    Parameters
    ----------
    count : int
        M, number of oscillators.
    dimensions : int
        N.
    width : float, default 1.0
        σ, standard deviation of the entries above the diagonal, radians per unit time.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    array, shape (M, N, N)
        For `kuramoto.Antisymmetric`.

    Examples
    --------
    >>> isotropic_rotations(5, 3, seed=0).shape
    (5, 3, 3)
    """
    M, N = whole_number("count", count), whole_number("dimensions", dimensions, least=1)
    sigma = real_number("width", width, positive=True)
    upper = np.triu(np.random.default_rng(seed).standard_normal((M, N, N)), k=1)
    return np.asarray(sigma * (upper - np.swapaxes(upper, -1, -2)))


def isotropic_critical_coupling(dimensions: int, width: float = 1.0) -> float:
    """Return K_c = √2 σ Γ(N/2 + 1) / Γ((N + 1)/2) for even N, and 0 for odd N.

    It equals 2/(π g̃(0)), with g̃ the density of one plane's rate. Above it no incoherent state is
    stable, and r rises continuously from 0 for even N; for odd N it jumps to `onset_order`.

    Parameters
    ----------
    dimensions : int
        N ≥ 2.
    width : float, default 1.0
        σ.

    References
    ----------
    Chandra, Girvan, Ott (2019), Phys. Rev. X 9, 011002 (that K_c = 2/(π g̃(0))).

    Examples
    --------
    >>> [round(isotropic_critical_coupling(N), 4) for N in (2, 3, 4, 6)]
    [1.5958, 0.0, 2.1277, 2.5532]
    """
    from scipy.special import gammaln

    N = whole_number("dimensions", dimensions, least=2)
    sigma = real_number("width", width, positive=True)
    ratio = np.exp(gammaln(N / 2 + 1) - gammaln((N + 1) / 2))
    return 0.0 if N % 2 else float(np.sqrt(2) * sigma * ratio)


def uniform_instability(dimensions: int, width: float = 1.0) -> float:
    """Return the K above which oscillators spread uniformly over the sphere begin to gather.

    N/(2(N−1)) K_c: for even N ≥ 4 below K_c. Between the two, r first grows out of the uniform
    state, and then falls back to 0 as the oscillators reach another incoherent state.

    References
    ----------
    Chandra, Ott (2019), Chaos 29, 033124 (for the phenomenon).

    Examples
    --------
    >>> round(uniform_instability(4) / isotropic_critical_coupling(4), 12)
    0.666666666667
    """
    N = whole_number("dimensions", dimensions, least=2)
    return N / (2 * (N - 1)) * isotropic_critical_coupling(N, width)


def onset_order(dimensions: int) -> float:
    """Return r as K → 0⁺: Γ(N/2) / (√π Γ((N + 1)/2)) for odd N, and 0 for even N.

    An odd-dimensional rotation holds one axis ±n still. However weak the field, the oscillator ends
    on that axis, on the field's side: r = E|n_1| for a random unit vector n. For N = 3, ½.

    Examples
    --------
    >>> [round(onset_order(N), 12) for N in (2, 3, 5)]
    [0.0, 0.5, 0.375]
    """
    from scipy.special import gammaln

    N = whole_number("dimensions", dimensions, least=2)
    mean = np.exp(gammaln(N / 2) - gammaln((N + 1) / 2)) / np.sqrt(np.pi)
    return float(mean) if N % 2 else 0.0


def entrained_order(field: Any, dimensions: int, width: float = 1.0) -> np.ndarray:
    """Return the mean length r = E[λ]/‖F‖ of oscillators in a steady field of strength ‖F‖.

    For N = 3, r = 1 − (1 − e^{−f²/2})/f² with f = ‖F‖/σ; for N = 2, 4,
    r = √(2/π) f ∫ sin^N φ e^{−½f² cos²φ} dφ over [0, π/2].

    Parameters
    ----------
    field : array or float
        ‖F‖ ≥ 0.
    dimensions : int
        N ≥ 2.
    width : float, default 1.0
        σ.

    Returns
    -------
    array of the shape of `field`

    Examples
    --------
    >>> entrained_order([0.0, 1.0], 3).round(9)
    array([0.5       , 0.60653066])
    """
    return _average(field, dimensions, width, power=1)


def entrained_fraction(field: Any, dimensions: int, width: float = 1.0) -> np.ndarray:
    """Return the part of the oscillators that a steady field holds: 1 for odd N, else erf(f/√2).

    Examples
    --------
    >>> entrained_fraction([0.0, 1.0], 4).round(9)
    array([0.        , 0.68268949])
    """
    return _average(field, dimensions, width, power=0)


def isotropic_order_parameter(coupling: Any, dimensions: int, width: float = 1.0) -> np.ndarray:
    """Return r(K) for ``Kuramoto(MeanField(K), Antisymmetric(isotropic_rotations(...)))``.

    The solution r > 0 of r = `entrained_order` (K r). For even N it is 0 up to K_c; for odd N there
    is one for every K > 0 (at K = 0 the limit, `onset_order`, is returned). r = 0 remains a state
    for all K, unstable above K_c.

    Parameters
    ----------
    coupling : array or float
        K ≥ 0.
    dimensions : int
        N ≥ 2.
    width : float, default 1.0
        σ.

    Returns
    -------
    array of the shape of `coupling`

    References
    ----------
    Chandra, Girvan, Ott (2019), Phys. Rev. X 9, 011002 (the transitions).

    Examples
    --------
    >>> isotropic_order_parameter([0.0, 1.0], 3).round(6)
    array([0.5    , 0.53401])
    """
    K = nonnegative("coupling", coupling)
    N = whole_number("dimensions", dimensions, least=2)
    K_c = isotropic_critical_coupling(N, width)

    def curve(field: np.ndarray) -> np.ndarray:
        return np.asarray(field / entrained_order(field, N, width))

    field = increasing_root(curve, K, 0.0, np.maximum(K, 1e-9))
    r = entrained_order(field, N, width)
    return np.where(K_c < K, r, onset_order(N))


def attraction(rotations: Any, field: Any) -> np.ndarray:
    """Return λ = ⟨x, F⟩ at the attracting fixed point of ẋ = Wx + Proj_x(F); 0 if there is none.

    The largest real eigenvalue of [[W, F], [Fᵀ, 0]], for any given rotations. It is also the rate
    at which the oscillator comes to rest.

    Parameters
    ----------
    rotations : array, shape (M, N, N)
        W, antisymmetric.
    field : array, shape (N,)
        F.

    Returns
    -------
    array, shape (M,)

    Examples
    --------
    >>> import numpy as np
    >>> attraction(np.zeros((1, 3, 3)), [0.0, 0.0, 2.0])
    array([2.])
    """
    W, F = np.asarray(rotations, dtype=np.float64), np.asarray(field, dtype=np.float64)
    N = F.shape[-1]
    boost = np.zeros((*W.shape[:-2], N + 1, N + 1))
    boost[..., :N, :N], boost[..., :N, N], boost[..., N, :N] = W, F, F
    values = np.linalg.eigvals(boost)
    # Rounding leaves imaginary pairs a real part of some ε; a threefold zero eigenvalue, ε^{1/3}.
    size = np.abs(values).max(axis=-1)
    largest = values.real.max(axis=-1)
    return np.where(largest > 1e-7 * size, largest, 0.0)


def _average(field: Any, dimensions: int, width: float, power: int) -> np.ndarray:
    """Return the mean of cos^p φ under the density of entrained oscillators."""
    from scipy.special import gammaln

    N = whole_number("dimensions", dimensions, least=2)
    f = nonnegative("field", field) / real_number("width", width, positive=True)
    # Beyond f sin φ of √N and a few more there is nothing: let the nodes follow.
    reach = (12 + 2 * np.sqrt(N)) / np.maximum(f, 1e-300)
    end = np.where(reach < 1, np.arcsin(np.minimum(reach, 1)), np.pi / 2)[..., None]
    nodes, weights = panels(np.linspace(0, 1, 9))
    phi, f = end * nodes, f[..., None]
    log_norm = (3 - N) / 2 * np.log(2) - gammaln((N - 1) / 2)
    with np.errstate(divide="ignore"):  # h of odd degree vanishes at f = 0, and so does the sum
        log_hermite = _log_hermite(N - 1, f * np.cos(phi))
    exponent = log_norm + (N - 2) * np.log(np.sin(phi)) - 0.5 * (f * np.sin(phi)) ** 2
    values = np.exp(exponent + log_hermite) * np.cos(phi) ** power
    return np.asarray((values * end) @ weights)


def _log_hermite(degree: int, x: np.ndarray) -> np.ndarray:
    """Return log h_n(x) for x ≥ 0 and n ≥ 1, rescaled at every step so that nothing overflows."""
    low, high, scale = np.ones_like(x), np.array(x), np.zeros_like(x)
    for n in range(1, degree):
        low, high = high, x * high + n * low
        size = np.maximum(low, high)
        low, high, scale = low / size, high / size, scale + np.log(size)
    return np.asarray(scale + np.log(high))
