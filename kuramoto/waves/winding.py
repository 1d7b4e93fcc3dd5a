"""Winding numbers: how often the phase turns around a ring, or around a torus along each axis."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, from_numpy, zeros_array
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.observables.shapes import cross
from kuramoto.phase import from_phases
from kuramoto.waves.gradient import angle_between
from kuramoto.waves.grid import after, require_finite, require_grid
from kuramoto.waves.projection import to_plane

__all__ = ["Windings", "twist_order", "twisted_state", "winding_number", "winding_numbers"]


def winding_number(x: Array, *, plane: Array | None = None) -> Array:
    """Return q = (1/2π) Σ_j (θ_{j+1} − θ_j) around a ring, each difference taken in [−π, π].

    A state with x_j = (cos, sin)(2πqj/M + α) is q-twisted. For N > 2 nothing is protected by
    topology: the winding is that of the projection on a plane.

    Parameters
    ----------
    x : array, shape (*batch, M, N)
        The ring is the last site axis, j = M − 1 beside j = 0.
    plane : array, shape (2, N), optional
        For N > 2; `leading_plane` of x by default.

    Returns
    -------
    array of int, shape (*batch,)

    Raises
    ------
    ValueError
        If the shape does not fit, or x is not finite.

    References
    ----------
    Wiley, Strogatz & Girvan (2006), The size of the sync basin, Chaos 16, 015103.

    Examples
    --------
    >>> int(winding_number(twisted_state(12, -2)))
    -2
    """
    x, _ = require_grid(x, 1)
    require_finite(x, "x")
    z = to_plane(x, plane)
    return _turns(z, z.ndim - 2)


def _turns(z: Array, axis: int) -> Array:
    xp = array_namespace(z)
    turns = xp.sum(angle_between(z, after(z, axis)), axis=axis) / (2 * np.pi)
    return xp.astype(xp.round(turns), xp.int64)


class Windings(NamedTuple):
    """Winding numbers on a torus.

    Attributes
    ----------
    mean : array, shape (*batch, d)
        Along each grid axis, the mean over the parallel rings.
    agree : array of bool, shape (*batch, d)
        Whether all rings along an axis have the same; they do unless there are defects.
    rows : tuple of d arrays of int, shape (*batch, *others)
        The winding of each ring; the other grid axes say which.
    """

    mean: Array
    agree: Array
    rows: tuple[Array, ...]


def winding_numbers(
    x: Array, *, grid_ndim: int | None = None, plane: Array | None = None
) -> Windings:
    """Return the winding numbers of a state on a torus, along each of its axes.

    Parallel rings have the same winding as long as no vortex lies between them: where they
    disagree, the numbers jump by the charge in between (`defects`).

    Parameters
    ----------
    x : array, shape (*batch, *grid, N)
    grid_ndim : int, optional
        How many axes before the last are the grid; by default all of them (no batch).
    plane : array, shape (2, N), optional
        For N > 2; `leading_plane` of x by default.

    Returns
    -------
    Windings

    Raises
    ------
    ValueError
        If the shape does not fit, or x is not finite.

    Examples
    --------
    >>> winding_numbers(twisted_state((6, 8), (1, -2))).mean
    array([ 1., -2.])
    """
    x, dims = require_grid(x, grid_ndim)
    require_finite(x, "x")
    z = to_plane(x, plane)
    xp, first = array_namespace(z), z.ndim - 1 - dims
    rows = tuple(_turns(z, first + a) for a in range(dims))
    others = tuple(range(first, first + dims - 1))
    means = [xp.mean(xp.astype(row, z.dtype), axis=others) if others else row for row in rows]
    agree = [xp.max(row, axis=others) == xp.min(row, axis=others) if others else row == row
             for row in rows]  # fmt: skip
    mean = xp.stack([xp.astype(one, z.dtype) for one in means], axis=-1)
    return Windings(mean, xp.stack(agree, axis=-1), rows)


def twisted_state(
    sites: int | tuple[int, ...],
    q: int | tuple[int, ...],
    *,
    offset: float = 0.0,
    like: Any = None,
) -> Array:
    """Return the q-twisted state x_j = (cos, sin)(2π Σ_a q_a j_a / M_a + offset).

    Parameters
    ----------
    sites : int or tuple of int
        Sites of the ring, or of the torus along each axis.
    q : int or tuple of int
        Turns along each axis.
    offset : float, default 0.0
        Radians.
    like : array, optional
        Library, dtype and device to return; NumPy float64 by default.

    Returns
    -------
    array, shape (*sites, 2)

    Raises
    ------
    ValueError
        If there are not as many turns as axes.
    TypeError
        If turns or sizes are not whole.

    Examples
    --------
    >>> twisted_state(4, 1).round(12)
    array([[ 1.,  0.],
           [ 0.,  1.],
           [-1.,  0.],
           [-0., -1.]])
    """
    sizes = [whole_number("sites", size, least=1) for size in _listed(sites)]
    turns = _listed(q)
    if len(turns) != len(sizes):
        raise invalid("q", f"have {len(sizes)} entries, one for each axis", f"has {len(turns)}")
    theta = np.full(sizes, real_number("offset", offset))
    for axis, (size, turn) in enumerate(zip(sizes, turns, strict=True)):
        # Whole turns are taken out before the division: exact for any size.
        steps = whole_number("q", turn, least=-(2**63)) % size * np.arange(size) % size
        theta = theta + np.expand_dims(
            2 * np.pi * steps / size, [a for a in range(len(sizes)) if a != axis]
        )
    x = from_phases(theta)
    return x if like is None else from_numpy(x, like)


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, tuple | list) or np.ndim(values) else [values]


def twist_order(x: Array, q: int) -> Array:
    """Return r_q = |(1/M) Σ_j exp(i(θ_j − 2πqj/M))|: 1 for a q-twisted ring, r for q = 0.

    Parameters
    ----------
    x : array, shape (*batch, M, 2)
    q : int

    Returns
    -------
    array, shape (*batch,)

    Raises
    ------
    ValueError
        If the shape does not fit.

    Examples
    --------
    >>> round(float(twist_order(twisted_state(9, 2), 2)), 12)
    1.0
    """
    x = as_array(x, "x")
    if x.ndim < 2 or x.shape[-1] != 2:
        raise invalid("x", "have shape (*batch, M, 2)", f"has shape {tuple(x.shape)}")
    xp = array_namespace(x)
    twist = twisted_state(int(x.shape[-2]), q, like=zeros_array((), x))
    along = xp.mean(xp.vecdot(x, twist), axis=-1)
    across = xp.mean(cross(twist, x), axis=-1)
    return xp.sqrt(along**2 + across**2)
