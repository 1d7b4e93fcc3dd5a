"""N > 2: the plane in which most of a state lies, and states as seen in it."""

from __future__ import annotations

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, from_numpy, require_same, to_numpy
from kuramoto._check import invalid

__all__ = ["leading_plane", "to_plane"]


def leading_plane(x: Array) -> Array:
    """Return orthonormal axes of the plane that holds most of the states, shape (2, N).

    The eigenvectors of Σ_i x_i x_iᵀ with the two largest eigenvalues; for N = 2 the plane itself.
    An eigenvector has no sign of its own: its largest entry is made positive.

    Parameters
    ----------
    x : array, shape (..., N)
        N ≥ 2. All vectors count alike: to find one plane for a run, give all its states.

    Raises
    ------
    ValueError
        If N is below 2.

    Examples
    --------
    >>> import numpy as np
    >>> leading_plane(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]))
    array([[0., 0., 1.],
           [0., 1., 0.]])
    """
    x = as_array(x, "x")
    N = _dimensions(x)
    if N == 2:
        return from_numpy(np.eye(2), x)
    xp = array_namespace(x)
    points = xp.reshape(x, (-1, N))
    moments = to_numpy(xp.matmul(xp.matrix_transpose(points), points)).astype(np.float64)
    axes = np.linalg.eigh(moments)[1][:, :-3:-1].T
    largest = np.argmax(np.abs(axes).round(9), axis=1)
    return from_numpy(axes * np.sign(axes[[0, 1], largest])[:, None], x)


def to_plane(x: Array, plane: Array | None = None) -> Array:
    """Return the components of vectors in a plane, shape (..., 2); not normalised.

    How long they are says how much of each vector lies in the plane.

    Parameters
    ----------
    x : array, shape (..., N)
    plane : array, shape (2, N), optional
        Orthonormal axes; `leading_plane` of x by default. For N = 2 the default leaves x as it is.

    Raises
    ------
    ValueError
        If N is below 2, or the plane has another N or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> to_plane(np.array([0.6, 0.0, 0.8]), np.eye(3)[:2])
    array([0.6, 0. ])
    """
    x = as_array(x, "x")
    N = _dimensions(x)
    if plane is None:
        return x if N == 2 else _components(x, leading_plane(x))
    plane = as_array(plane, "plane")
    if tuple(plane.shape) != (2, N):
        raise invalid("plane", f"have shape (2, N) = (2, {N})", f"has shape {tuple(plane.shape)}")
    require_same(x, plane, "x", "plane")
    if not np.isfinite(to_numpy(plane)).all():
        raise invalid("plane", "be finite", "holds NaN or infinity")
    return _components(x, plane)


def _components(x: Array, plane: Array) -> Array:
    xp = array_namespace(x)
    return xp.matmul(x, xp.matrix_transpose(plane))


def _dimensions(x: Array) -> int:
    N = int(x.shape[-1]) if x.ndim else 0
    if N < 2:
        must = "have shape (*batch, *grid, N) with N of at least 2"
        raise invalid("x", must, f"has shape {tuple(x.shape)}")
    return N
