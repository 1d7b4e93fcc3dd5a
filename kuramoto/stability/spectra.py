"""Eigenvalues of the linearisation at a state that rests, or turns rigidly."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, as_array, from_numpy, to_numpy
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.model import Kuramoto
from kuramoto.stability.jacobian import (
    Linearisation,
    require_single,
    symmetry_defect,
    tolerance,
    turned,
)

__all__ = ["spectrum"]

_DENSE = 1000  # unknowns up to which all eigenvalues are computed, however few are wanted


def spectrum(
    model: Kuramoto,
    x: Array,
    k: int | None = None,
    *,
    rotation: Any = None,
    t: float = 0.0,
    tol: float | None = None,
) -> np.ndarray:
    """Return eigenvalues of the linearisation ∇ẋ − A on the tangent spaces, leading first.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*sites, N)
        One state with ẋ_i = A x_i, such as `equilibrium` and `relative_equilibrium` find.
    k : int, optional
        How many, those with the largest real parts; all M (N − 1) by default. With k and more than
        1000 unknowns no matrix is built (ARPACK).
    rotation : array, shape (N, N), or a number for N = 2; optional
        A, of the frame that turns along: ``relative_equilibrium(...).rotation``. None: at rest.
    t : float, default 0.0
    tol : float, optional
        How far max_i ‖ẋ_i − A x_i‖ may be from 0, relative to 1 + max_i ‖y_i‖; by default 1e-6
        (1e-3 in float32).

    Returns
    -------
    numpy array of complex, shape (k,) or (M (N − 1),)
        By descending real part. Every rotation that leaves the model as it is and moves the state
        contributes an eigenvalue 0.

    Raises
    ------
    ValueError
        If the state moves, `rotation` is no symmetry of the model, or an argument is out of range.

    References
    ----------
    Mirollo, Strogatz (2005), Physica D 205, 249; Lehoucq, Sorensen, Yang (1998), ARPACK.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> together = np.array([[1.0, 0.0, 0.0]] * 3)
    >>> spectrum(km.Kuramoto(km.MeanField(2.0)), together).real.round(9) + 0.0
    array([ 0.,  0., -2., -2., -2., -2.])
    """
    x = require_single(model, x, "x", t)
    A = _as_rotation(rotation, int(x.shape[-1]))
    _require_still(model, x, A, t, tol)
    linear = Linearisation(model, x, A, t)
    if k is None:
        return _leading(np.linalg.eigvals(linear.dense()))
    k = whole_number("k", k, least=1)
    if k > linear.size:
        raise invalid("k", f"be at most M (N - 1) = {linear.size}", f"{k}")
    if linear.size <= max(_DENSE, k + 2):
        return _leading(np.linalg.eigvals(linear.dense()))[:k]
    return _arpack(linear, k)


def _arpack(linear: Linearisation, k: int) -> np.ndarray:
    from scipy.sparse.linalg import eigs

    start = np.random.default_rng(0).standard_normal(linear.size)
    # A few more than wanted: a pair cut in half at the end, or a cluster, then converges.
    wider = min(k + 4, linear.size - 2)
    room = min(linear.size, max(4 * wider, 60))
    values = eigs(
        linear.operator(), wider, which="LR", v0=start, ncv=room, return_eigenvectors=False
    )
    return _leading(values)[:k]


def _leading(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.complex128)
    return np.asarray(values[np.lexsort((-values.imag, -values.real))])


def _as_rotation(rotation: Any, N: int) -> np.ndarray | None:
    if rotation is None:
        return None
    if N == 2 and np.ndim(rotation) == 0:
        rate = real_number("rotation", rotation)
        return np.array([[0.0, -rate], [rate, 0.0]])
    A = to_numpy(as_array(rotation, "rotation")).astype(np.float64)
    if A.shape != (N, N) or not np.isfinite(A).all():
        raise invalid("rotation", f"be a finite ({N}, {N}) matrix", f"has shape {A.shape}")
    if np.abs(A + A.T).max() > 1e-12 * np.abs(A).max():
        raise invalid("rotation", "be antisymmetric", f"max |A + Aᵀ| = {np.abs(A + A.T).max():.2g}")
    return A


def _require_still(
    model: Kuramoto, x: Array, A: np.ndarray | None, t: float, tol: float | None
) -> None:
    tol = tolerance(tol, x, 1e-6, 1e-3)
    drift = model.velocity(x, t)
    if A is not None:
        drift = drift - turned(from_numpy(A, x), x)
    speed = float(np.max(to_numpy(sphere.norm(drift)), initial=0.0))
    size = float(np.max(to_numpy(sphere.norm(model.force(x, t))), initial=0.0))
    if not speed <= tol * (1 + size):
        frame = "be at rest" if A is None else "be at rest in the frame of `rotation`"
        remedy = "find such a state with `equilibrium`, or `relative_equilibrium` and its rotation"
        raise invalid("x", frame, f"max ‖ẋ‖ = {speed:.2g}", remedy)
    if A is not None and A.any() and symmetry_defect(model, x, A, t) > tol:
        raise invalid("rotation", "leave the model as it is", "no symmetry of it")
