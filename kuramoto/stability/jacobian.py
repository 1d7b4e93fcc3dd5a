"""The linearisation in orthonormal coordinates of the tangent spaces, with and without a matrix.

A tangent vector of M oscillators has n = M (N − 1) coordinates: N − 1 for each sphere. States live
on their own library and device; coordinates are NumPy's, for the linear algebra of SciPy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, from_numpy, to_numpy
from kuramoto._check import invalid, real_number
from kuramoto.lyapunov.tangent import covariant, derivative, require_plain
from kuramoto.model import Kuramoto

__all__ = ["Linearisation", "jacobian", "require_single", "symmetries", "tangent_basis"]

_CHUNK = 2**22  # numbers in a batch of tangent vectors


def tangent_basis(x: Array) -> Array:
    """Return an orthonormal basis of each tangent space, by Householder's reflection.

    H = I − 2ww⊤/‖w‖² with w = x ± e_N sends e_N to ∓x; its other columns are orthogonal to x.

    Parameters
    ----------
    x : array, shape (..., N)
        Unit vectors.

    Returns
    -------
    array, shape (..., N, N − 1)
        A column for each basis vector.

    Examples
    --------
    >>> import numpy as np
    >>> tangent_basis(np.array([0.0, 0.0, 1.0]))
    array([[1., 0.],
           [0., 1.],
           [0., 0.]])
    """
    x = as_array(x, "x")
    xp, N = array_namespace(x), int(x.shape[-1])
    last = x[..., -1:]
    away = xp.where(last < 0, last - 1, last + 1)  # no cancellation
    w = xp.concat([x[..., :-1], away], axis=-1)
    identity = from_numpy(np.eye(N), x)
    reflection = identity - (2 / sphere.dot(w, w))[..., None] * w[..., :, None] * w[..., None, :]
    return reflection[..., :, : N - 1]


class Linearisation:
    """∇ẋ − A at a state, as a linear map of tangent coordinates.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*sites, N)
    rotation : numpy array, shape (N, N), optional
        A of a frame that turns along.
    t : float, default 0.0
    """

    def __init__(
        self, model: Kuramoto, x: Array, rotation: np.ndarray | None = None, t: float = 0.0
    ) -> None:
        self.model, self.x, self.t = model, x, t
        self.basis = tangent_basis(x)
        turns = rotation is not None and bool(rotation.any())
        self.rotation = from_numpy(rotation, x) if turns else None
        self.size = math.prod(x.shape[:-1]) * (int(x.shape[-1]) - 1)

    def lift(self, coordinates: np.ndarray) -> Array:
        """Return tangent vectors, shape (*more, *sites, N), for coordinates (*more, n)."""
        shape = (*coordinates.shape[:-1], *self.x.shape[:-1], 1, int(self.x.shape[-1]) - 1)
        local = from_numpy(coordinates.reshape(shape), self.x)
        return array_namespace(self.x).sum(self.basis * local, axis=-1)

    def lower(self, v: Array) -> np.ndarray:
        """Return the coordinates, shape (*more, n), of vectors (*more, *sites, N)."""
        local = array_namespace(self.x).sum(self.basis * v[..., :, None], axis=-2)
        more = v.shape[: v.ndim - self.x.ndim]
        return to_numpy(local).astype(np.float64).reshape(*more, self.size)

    def __call__(self, coordinates: np.ndarray) -> np.ndarray:
        """Apply the map to coordinates, shape (*more, n)."""
        v = self.lift(coordinates)
        change = covariant(self.model, self.x, v, self.t)
        return self.lower(change if self.rotation is None else change - turned(self.rotation, v))

    def dense(self) -> np.ndarray:
        """Return the matrix, shape (n, n)."""
        rows = max(1, _CHUNK // max(1, math.prod(self.x.shape)))
        identity = np.eye(self.size)
        columns = [self(identity[i : i + rows]) for i in range(0, self.size, rows)]
        return np.concatenate([np.zeros((0, self.size)), *columns]).T

    def operator(self) -> Any:
        """Return the map as `scipy.sparse.linalg.LinearOperator`."""
        from scipy.sparse.linalg import LinearOperator

        def apply(c: np.ndarray) -> np.ndarray:
            return self(c.reshape(self.size))

        return LinearOperator((self.size, self.size), matvec=apply, dtype=np.float64)


def jacobian(model: Kuramoto, x: Array, t: float = 0.0) -> np.ndarray:
    """Return ∇ẋ as a matrix in the orthonormal coordinates of `tangent_basis`.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*sites, N)
        One state.
    t : float, default 0.0

    Returns
    -------
    numpy array, shape (n, n), n = M (N − 1)
        Oscillators in row-major order, N − 1 coordinates each. Symmetric for symmetric J, Ω = 0.

    Raises
    ------
    ValueError
        If `x` is no state of the model, or a batch of them.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> jacobian(km.Kuramoto(km.MeanField(2.0)), np.array([[1.0, 0.0]] * 2))
    array([[-1.,  1.],
           [ 1., -1.]])
    """
    return Linearisation(model, require_single(model, x, "x", t), None, t).dense()


def symmetries(model: Kuramoto, x: Array, t: float = 0.0) -> np.ndarray:
    """Return the rotations that leave the model as it is: a basis of their generators.

    A turns every solution into a solution if Df(x)[Ax] = A f(x) for all x. The equation is linear
    in A; it is solved at random states, as many as it takes to have twice as many equations as
    unknowns: there nothing holds by accident.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*sites, N)
        Any state: says the shape, library, dtype and device.
    t : float, default 0.0

    Returns
    -------
    numpy array, shape (S, N, N)
        Antisymmetric, orthonormal up to the factor √2.

    Raises
    ------
    ValueError
        If `x` is no state of the model, or a batch of them.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> x, free = np.array([[1.0, 0.0, 0.0]] * 3), km.Kuramoto(km.MeanField(2.0))
    >>> len(symmetries(free, x)), len(symmetries(km.Kuramoto(km.MeanField(2.0), None, x), x))
    (3, 1)
    """
    x = require_single(model, x, "x", t)
    basis = _rotation_basis(int(x.shape[-1]))
    if not len(basis):
        return basis
    defects, scale = _symmetry_defects(model, x, basis, t)
    missing = max(0, len(basis) - defects.shape[1])
    left, sizes, _ = np.linalg.svd(np.pad(defects, ((0, 0), (0, missing))), full_matrices=False)
    kept = left.T[sizes <= _rounding(x) * max(scale, np.finfo(np.float64).tiny)]
    return np.tensordot(kept, basis, axes=1)


def _symmetry_defects(
    model: Kuramoto, x: Array, generators: np.ndarray, t: float
) -> tuple[np.ndarray, float]:
    """Return Df(z)[Az] − A f(z) at random z, a row for each A, and the size of its terms."""
    states = math.ceil(x.shape[-1] / max(1, math.prod(x.shape[:-1])))
    z = sphere.random_points((states, *x.shape), seed=20, like=x)
    A = from_numpy(generators.reshape(-1, *(1,) * x.ndim, *generators.shape[1:]), x)
    velocity = model.velocity(z, t)
    carried = derivative(model, z, turned(A, z), t)
    defects = to_numpy(carried - turned(A, velocity)).astype(np.float64)
    rows = len(generators)
    scale = np.linalg.norm(to_numpy(velocity)) + np.linalg.norm(to_numpy(carried)) / max(1, rows)
    return defects.reshape(rows, -1), float(scale)


def symmetry_defect(model: Kuramoto, x: Array, generator: np.ndarray, t: float) -> float:
    """Return how far a rotation is from leaving the model as it is, relative to its terms."""
    defects, scale = _symmetry_defects(model, x, generator[None], t)
    return float(np.linalg.norm(defects)) / scale if scale else 0.0


def _rounding(x: Array) -> float:
    """Return what finite differences of attention leave of zero, generously."""
    return float(100 * float(array_namespace(x).finfo(x.dtype).eps) ** 0.7)


def _rotation_basis(N: int) -> np.ndarray:
    """Return E_ab − E_ba for all a > b, shape (N(N − 1)/2, N, N): positive turns b towards a."""
    planes = [(a, b) for a in range(N) for b in range(a)]
    basis = np.zeros((len(planes), N, N))
    for row, (a, b) in enumerate(planes):
        basis[row, a, b], basis[row, b, a] = 1.0, -1.0
    return basis


def turned(A: Array, x: Array) -> Array:
    """Return Ax for matrices (..., N, N) and vectors (..., N)."""
    return array_namespace(x).matmul(A, x[..., None])[..., 0]


def tolerance(tol: float | None, x: Array, double: float, single: float) -> float:
    """Return `tol`, or what becomes it by default in the precision of x."""
    if tol is not None:
        return real_number("tol", tol, positive=True)
    return double if float(array_namespace(x).finfo(x.dtype).eps) < 1e-10 else single


def require_single(model: Any, x: Any, argument: str, t: float = 0.0) -> Array:
    """Return `x` as one state of a model that can be linearised, or raise."""
    require_plain(model)
    x = model.require_state(x, argument, t)
    sites = model.coupling.site_ndim
    if x.ndim != sites + 1:
        must = f"be one state, with {sites + 1} axes for this coupling, not a batch"
        raise invalid(argument, must, f"has shape {tuple(x.shape)}")
    return x
