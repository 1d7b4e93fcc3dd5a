"""The sphere S^{N-1}: the one place that knows its geometry.

States and vectors have shape ``(*batch, *sites, N)``: N, the number of rotating dimensions, is the
last axis, and every function acts on that axis alone. All accept any array of the Python array API
standard and return arrays of the same library, dtype and device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, from_numpy, inner, tiny, to_numpy
from kuramoto._check import invalid

__all__ = [
    "distance",
    "dot",
    "exp",
    "log",
    "norm",
    "norm_neutral",
    "normalize",
    "random_points",
    "require_unit",
    "to_tangent",
]


def dot(x: Array, y: Array) -> Array:
    """Return ⟨x, y⟩ over the last axis, kept with length 1.

    Examples
    --------
    >>> import numpy as np
    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([11.])
    """
    return inner(x, y)[..., None]


def norm(x: Array) -> Array:
    """Return ‖x‖₂ over the last axis, kept with length 1."""
    # Tiny: no effect on vectors of any ordinary length, but the zero vector then has a finite
    # gradient, and normalises to zero instead of NaN.
    return array_namespace(x).sqrt(dot(x, x) + tiny(x))


def normalize(x: Array) -> Array:
    """Return Π(x) = x / ‖x‖₂ (Miyato et al., 2025, eq. 5); the zero vector stays zero.

    Parameters
    ----------
    x : array, shape (..., N)

    Examples
    --------
    >>> import numpy as np
    >>> normalize(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    return x / norm(x)


def to_tangent(x: Array, y: Array) -> Array:
    """Return Proj_x(y) = y − ⟨x, y⟩ x for unit `x` (Miyato et al., 2025, eq. 2).

    Parameters
    ----------
    x : array, shape (..., N)
        Unit vectors: points of the sphere.
    y : array, shape (..., N)
        Any vectors at those points.
    """
    return y - dot(x, y) * x


def norm_neutral(x: Array, y: Array) -> Array:
    """Return ‖x‖² y − ⟨x, y⟩ x: `to_tangent` on the sphere, and orthogonal to `x` off it too.

    Between renormalisations (inside Runge-Kutta stages, or in somebody else's integrator) a state
    is slightly off the sphere. There, d‖x‖²/dt = 2⟨x, y⟩(1 − ‖x‖²) under the plain projection: with
    ⟨x, y⟩ < 0 any error grows exponentially. Under this form ‖x‖ is conserved exactly.
    """
    return dot(x, x) * y - dot(x, y) * x


def exp(x: Array, v: Array) -> Array:
    """Return the end of the geodesic from `x` with tangent velocity `v` after unit time.

    Parameters
    ----------
    x : array, shape (..., N)
        Unit vectors.
    v : array, shape (..., N)
        Tangent vectors at `x`; their length is the angle to go, in radians.

    Examples
    --------
    >>> import numpy as np
    >>> exp(np.array([1.0, 0.0]), np.array([0.0, np.pi / 2])).round(12)
    array([0., 1.])
    """
    xp = array_namespace(x)
    angle = norm(v)
    return normalize(xp.cos(angle) * x + (xp.sin(angle) / angle) * v)


def log(x: Array, y: Array) -> Array:
    """Return the tangent vector at `x` whose geodesic reaches `y` after unit time.

    The inverse of `exp` for points that are not antipodal (there, every direction would do).
    """
    tangent = to_tangent(x, y)
    return distance(x, y)[..., None] * normalize(tangent)


def distance(x: Array, y: Array) -> Array:
    """Return the angle between unit vectors in radians, in [0, π], shape (...).

    Computed as 2·atan2(‖x − y‖, ‖x + y‖), which is accurate for nearby and for opposite points.
    """
    xp = array_namespace(x)
    return 2 * xp.atan2(norm(x - y), norm(x + y))[..., 0]


def random_points(
    shape: int | Sequence[int], *, seed: int | np.random.Generator | None = None, like: Any = None
) -> Array:
    """Return points distributed uniformly on the sphere.

    The numbers are drawn by NumPy on the host, so that one seed gives one state on every backend.

    Parameters
    ----------
    shape : tuple of int
        ``(*batch, *sites, N)``; N ≥ 1 is the last entry.
    seed : int or numpy.random.Generator, optional
    like : array, optional
        Library, dtype and device to return; NumPy float64 by default.

    Raises
    ------
    ValueError
        If `shape` is empty or holds a negative size, or N < 1.

    Examples
    --------
    >>> random_points((5, 3), seed=0).shape
    (5, 3)
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not sizes or min(sizes) < 0 or sizes[-1] < 1:
        raise invalid("shape", "be (*batch, *sites, N) with N of at least 1", f"{sizes}")
    points = np.random.default_rng(seed).standard_normal(sizes)
    points = points / np.linalg.norm(points, axis=-1, keepdims=True)
    if like is None:
        return points
    converted = from_numpy(points, like)
    return converted if _is_double(like) else normalize(converted)


def _is_double(array: Array) -> bool:
    return int(array_namespace(array).finfo(array.dtype).bits) == 64


def require_unit(x: Any, argument: str = "x") -> Array:
    """Return `x` as an array if it holds finite unit vectors, else raise saying where it does not.

    The tolerance admits states stored in single precision, whatever the dtype of `x`; the result is
    normalised to full precision where that changes more than rounding.

    Raises
    ------
    ValueError
        If an entry is not finite, or a norm differs from 1 by more than 1e-5.
    """
    x = as_array(x, argument)
    if x.ndim < 1 or x.shape[-1] < 1:
        raise invalid(argument, "have shape (*batch, *sites, N)", f"has shape {tuple(x.shape)}")
    host = to_numpy(x).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.abs(np.sqrt(np.sum(host**2, axis=-1)) - 1)
    if deviation.size == 0:
        return x
    # argmax takes the first NaN for the largest
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(deviation), deviation.shape))
    where = f"at index {worst}" if worst else "of the one vector given"
    if not np.isfinite(host[worst]).all():
        raise invalid(argument, "hold finite unit vectors", f"holds NaN or infinity {where}")
    if deviation[worst] > 1e-5:
        raise invalid(
            argument,
            "hold unit vectors",
            f"max |‖x‖−1| = {deviation[worst]:.2g} {where}",
            f"call `kuramoto.sphere.normalize({argument})` first",
        )
    rounding = 4 * float(array_namespace(x).finfo(x.dtype).eps)
    return normalize(x) if deviation[worst] > rounding else x
