"""Natural frequencies: the antisymmetric Ω_i of eq. 2, and samplers for their sizes.

Two representations: `Rotation` turns consecutive coordinate pairs (0, 1), (2, 3), ... each at its
own rate; `Antisymmetric` holds a full N×N matrix. Both can be shared by all oscillators or differ
from one to the next. Rates are in radians per unit time; positive turns the first axis of a plane
towards the second, so that for N = 2, dθ/dt = +ω.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, from_numpy, require_same, to_numpy
from kuramoto._check import invalid, whole_number

__all__ = [
    "Antisymmetric",
    "Frequency",
    "Rotation",
    "lorentzian",
    "normal",
    "quantile_grid",
    "sample",
    "uniform",
]


class Frequency(Protocol):
    """Natural frequencies Ω: what the model, the steppers and `certify` need of them."""

    @property
    def shared(self) -> bool:
        """Whether all oscillators have the same Ω."""
        ...

    @property
    def sites(self) -> tuple[int, ...] | None:
        """Sites that the Ω_i belong to; None if shared."""
        ...

    @property
    def dimensions(self) -> int:
        """The smallest N that shows all of Ω."""
        ...

    def __call__(self, x: Array, /) -> Array:
        """Return Ωx, same shape as x."""
        ...

    def propagator(self, dt: Any) -> Any:
        """Return exp(Ω dt) in the form that `propagate` takes."""
        ...

    def propagate(self, propagator: Any, x: Array) -> Array:
        """Return exp(Ω dt) x: the exact solution of ẋ = Ωx after dt."""
        ...

    def matrices(self, N: int) -> np.ndarray:
        """Return Ω as NumPy matrices, shape (N, N) if shared, else (*sites, N, N)."""
        ...

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        ...


class Rotation:
    """Rotation in the planes (0, 1), (2, 3), ... of R^N; for odd N the last axis stands still.

    Parameters
    ----------
    omega : array, shape (*sites, N//2) or (N//2,), or a number for N = 2 or 3
        Angular rates in radians per unit time; one-dimensional: shared by all oscillators.

    Raises
    ------
    ValueError
        If a rate is not finite, or (on use) the number of planes does not fit the state.

    Examples
    --------
    >>> import numpy as np
    >>> Rotation([2.0])(np.array([1.0, 0.0]))
    array([-0.,  2.])
    """

    def __init__(self, omega: Any) -> None:
        omega = as_array(omega, "omega")
        self.omega = omega if omega.ndim else omega[None]
        if not np.isfinite(to_numpy(self.omega)).all():
            raise invalid("omega", "be finite", "holds NaN or infinity")

    @property
    def shared(self) -> bool:
        """Whether all oscillators turn at the same rates."""
        return bool(self.omega.ndim == 1)

    @property
    def sites(self) -> tuple[int, ...] | None:
        """Sites that the rates belong to; None if shared."""
        return None if self.shared else tuple(self.omega.shape[:-1])

    @property
    def dimensions(self) -> int:
        """Two for every plane."""
        return 2 * int(self.omega.shape[-1])

    def __call__(self, x: Array, /) -> Array:
        """Return Ωx."""
        self._require_fit(x)
        a, b = self._planes(x)
        return self._join(-self.omega * b, self.omega * a, x, still=0 * x[..., -1:])

    def propagator(self, dt: Any) -> tuple[Array, Array]:
        """Return cos(ω dt), sin(ω dt)."""
        xp = array_namespace(self.omega)
        return xp.cos(self.omega * dt), xp.sin(self.omega * dt)

    def propagate(self, propagator: tuple[Array, Array], x: Array) -> Array:
        """Turn every plane by its angle."""
        self._require_fit(x)
        (cos, sin), (a, b) = propagator, self._planes(x)
        return self._join(cos * a - sin * b, sin * a + cos * b, x, still=x[..., -1:])

    def matrices(self, N: int) -> np.ndarray:
        """Return Ω as matrices, shape (N, N) or (*sites, N, N)."""
        omega = to_numpy(self.omega)
        blocks = np.zeros((*omega.shape[:-1], N, N), dtype=omega.dtype)
        for plane in range(omega.shape[-1]):
            blocks[..., 2 * plane + 1, 2 * plane] = omega[..., plane]
            blocks[..., 2 * plane, 2 * plane + 1] = -omega[..., plane]
        return blocks

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"omega": self.omega}

    def _planes(self, x: Array) -> tuple[Array, Array]:
        even = 2 * self.omega.shape[-1]
        return x[..., 0:even:2], x[..., 1:even:2]

    @staticmethod
    def _join(a: Array, b: Array, x: Array, still: Array) -> Array:
        xp = array_namespace(x)
        turned = xp.reshape(xp.stack([a, b], axis=-1), (*a.shape[:-1], 2 * a.shape[-1]))
        return turned if x.shape[-1] % 2 == 0 else xp.concat([turned, still], axis=-1)

    def _require_fit(self, x: Array) -> None:
        require_same(x, self.omega, "x", "omega")
        planes, sites = x.shape[-1] // 2, self.omega.shape[:-1]
        fits = self.omega.shape[-1] == planes
        if fits and tuple(x.shape[x.ndim - 1 - len(sites) : -1]) == tuple(sites):
            return
        remedy = f"N = {x.shape[-1]} has {planes} plane(s), so the last axis must be {planes}"
        if not fits and self.shared and planes == 1:
            remedy += "; for one rate per oscillator pass omega[:, None]"
        must = f"have shape (*sites, N//2) or (N//2,) for a state of shape {tuple(x.shape)}"
        raise invalid("omega", must, f"has shape {tuple(self.omega.shape)}", remedy)


class Antisymmetric:
    """A full antisymmetric Ω, for any N.

    Parameters
    ----------
    weights : array, shape (N, N) or (*sites, N, N)
        Ω itself, with Ω = −Ωᵀ, in radians per unit time; two-dimensional: shared.

    Raises
    ------
    ValueError
        If the matrices are not square, finite and antisymmetric.
    """

    def __init__(self, weights: Any) -> None:
        self.weights = as_array(weights, "weights")
        shape = tuple(self.weights.shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise invalid("weights", "have shape (N, N) or (*sites, N, N)", f"has shape {shape}")
        host = to_numpy(self.weights)
        if not np.isfinite(host).all():
            raise invalid("weights", "be finite", "holds NaN or infinity")
        defect = float(np.abs(host + np.swapaxes(host, -1, -2)).max(initial=0.0))
        if defect > 4 * np.finfo(host.dtype).eps * np.abs(host).max(initial=0.0):
            found = f"max |Ω + Ωᵀ| = {defect:.2g}"
            raise invalid("weights", "be antisymmetric", found, "pass (W − Wᵀ)/2")

    @property
    def shared(self) -> bool:
        """Whether all oscillators have the same Ω."""
        return bool(self.weights.ndim == 2)

    @property
    def sites(self) -> tuple[int, ...] | None:
        """Sites that the matrices belong to; None if shared."""
        return None if self.shared else tuple(self.weights.shape[:-2])

    @property
    def dimensions(self) -> int:
        """N."""
        return int(self.weights.shape[-1])

    def __call__(self, x: Array, /) -> Array:
        """Return Ωx."""
        return self._apply(self.weights, x)

    def propagator(self, dt: Any) -> Array:
        """Return the orthogonal matrices exp(Ω dt)."""
        return _matrix_exp(self.weights * dt)

    def propagate(self, propagator: Array, x: Array) -> Array:
        """Turn every oscillator by its matrix."""
        return self._apply(propagator, x)

    def matrices(self, N: int) -> np.ndarray:
        """Return Ω as matrices, shape (N, N) or (*sites, N, N)."""
        return to_numpy(self.weights)

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"weights": self.weights}

    def _apply(self, matrices: Array, x: Array) -> Array:
        require_same(x, self.weights, "x", "weights")
        sites, N = self.weights.shape[:-2], self.weights.shape[-1]
        if x.shape[-1] != N or tuple(x.shape[x.ndim - 1 - len(sites) : -1]) != tuple(sites):
            must = f"have shape (N, N) or (*sites, N, N) for a state of shape {tuple(x.shape)}"
            raise invalid("weights", must, f"has shape {tuple(self.weights.shape)}")
        xp = array_namespace(x)
        if self.shared:
            return xp.matmul(x, xp.matrix_transpose(matrices))
        return xp.matmul(matrices, x[..., None])[..., 0]


def _matrix_exp(matrices: Array) -> Array:
    """Scale, sum the Taylor series, square: products only, so that it differentiates anywhere.

    With ‖A‖ ≤ 1/2 the 16th remainder is below 1e-19.
    """
    xp = array_namespace(matrices)
    size = float(np.abs(to_numpy(matrices)).sum(axis=-1).max(initial=0.0))
    squarings = max(0, math.ceil(math.log2(size)) + 1) if size > 0 else 0
    scaled = matrices / 2**squarings
    identity = from_numpy(np.eye(matrices.shape[-1]), matrices)
    result = identity + 0 * scaled
    for order in range(16, 0, -1):  # Horner: 1 + A(1 + A/2(1 + A/3(...)))
        result = identity + xp.matmul(scaled, result) / order
    for _ in range(squarings):
        result = xp.matmul(result, result)
    return result


def lorentzian(center: float = 0.0, width: float = 1.0) -> Any:
    """Return SciPy's Lorentzian (Cauchy) distribution with half width `width`."""
    from scipy import stats

    return stats.cauchy(loc=center, scale=_positive("width", width))


def normal(center: float = 0.0, width: float = 1.0) -> Any:
    """Return SciPy's normal distribution with standard deviation `width`."""
    from scipy import stats

    return stats.norm(loc=center, scale=_positive("width", width))


def uniform(center: float = 0.0, width: float = 1.0) -> Any:
    """Return SciPy's uniform distribution on [center − width, center + width]."""
    from scipy import stats

    return stats.uniform(loc=center - width, scale=2 * _positive("width", width))


def sample(
    distribution: Any, shape: int | tuple[int, ...], *, seed: Any = None, like: Any = None
) -> Array:
    """Draw rates from a distribution (one of the above, or any of scipy.stats).

    Parameters
    ----------
    distribution : frozen scipy.stats distribution
    shape : int or tuple of int
        ``(*sites, N//2)`` for `Rotation`.
    seed : int or numpy.random.Generator, optional
    like : array, optional
        Library, dtype and device to return; NumPy float64 by default.

    Examples
    --------
    >>> sample(lorentzian(width=0.5), (100, 1), seed=0).shape
    (100, 1)
    """
    rates = distribution.rvs(size=shape, random_state=np.random.default_rng(seed))
    return np.asarray(rates, dtype=np.float64) if like is None else from_numpy(rates, like)


def quantile_grid(distribution: Any, count: int, *, like: Any = None) -> Array:
    """Return the quantiles at (i + ½)/count: a sample without sampling noise, shape (count,).

    Examples
    --------
    >>> quantile_grid(uniform(width=1.0), 4)
    array([-0.75, -0.25,  0.25,  0.75])
    """
    whole_number("count", count, least=1)
    rates = distribution.ppf((np.arange(count) + 0.5) / count)
    return np.asarray(rates, dtype=np.float64) if like is None else from_numpy(rates, like)


def _positive(argument: str, value: float) -> float:
    if not value > 0:
        raise invalid(argument, "be positive", f"{value}")
    return float(value)
