"""Vortices of two-dimensional phase fields: where the phase turns once around a plaquette."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, to_numpy
from kuramoto._check import invalid
from kuramoto.waves.gradient import angle_between
from kuramoto.waves.grid import after, part, require_boundary, require_finite, require_grid
from kuramoto.waves.projection import leading_plane, to_plane

__all__ = ["Defects", "defect_charges", "defects", "vortex_count"]


class Defects(NamedTuple):
    """The vortices of one state.

    Attributes
    ----------
    positions : numpy array, shape (D, 2)
        Row and column of the plaquettes' centres: on the dual lattice, at half sites.
    charges : numpy array of int, shape (D,)
        +1 where the phase rises from the direction of growing rows to that of growing columns:
        counter-clockwise in a picture whose first row is on top; −1 the other way.
    """

    positions: np.ndarray
    charges: np.ndarray


def defect_charges(x: Array, boundary: str = "periodic", *, plane: Array | None = None) -> Array:
    """Return the charge (1/2π) ∮ ∇θ·dl in every plaquette.

    The circulation is the sum of four phase differences, each in [−π, π]. Every bond belongs to
    two plaquettes, with opposite signs: on a torus the charges of any state sum to zero.

    Parameters
    ----------
    x : array, shape (*batch, rows, columns, N)
    boundary : {"periodic", "open"}
    plane : array, shape (2, N), optional
        For N > 2: phases in this plane; `leading_plane` of x by default.

    Returns
    -------
    array of int, shape (*batch, rows, columns), or one fewer of both with open boundaries
        Entry (i, j) belongs to the plaquette with corners (i, j) and (i + 1, j + 1).

    Raises
    ------
    ValueError
        If the shape does not fit, x is not finite, or the boundary is not known.

    Examples
    --------
    >>> from kuramoto import phase
    >>> defect_charges(phase.from_phases([[0.0, -1.6], [1.6, 3.1]]), "open")
    array([[1]])
    """
    boundary = require_boundary(boundary)
    x, _ = require_grid(x, 2)
    require_finite(x, "x")
    z = to_plane(x, plane)
    xp, row, column = array_namespace(z), z.ndim - 3, z.ndim - 2
    down, right = angle_between(z, after(z, row)), angle_between(z, after(z, column))
    circulation = down + after(right, row) - after(down, column) - right
    if boundary == "open":
        circulation = part(part(circulation, row, 0, -1), column, 0, -1)
    return xp.astype(xp.round(circulation / (2 * np.pi)), xp.int64)


def defects(
    x: Array, boundary: str = "periodic", *, plane: Array | None = None
) -> Defects | list[Any]:
    """Find the vortices of a two-dimensional phase field.

    Parameters
    ----------
    x, boundary, plane
        As for `defect_charges`; one plane for all states of a batch.

    Returns
    -------
    Defects
        Or, for a batch, a list of them (nested as deep as there are batch axes): states differ in
        how many they have.

    Raises
    ------
    ValueError
        If the shape does not fit, x is not finite, or the boundary is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import phase
    >>> row, column = np.meshgrid(np.arange(4) - 1.5, np.arange(4) - 1.5, indexing="ij")
    >>> defects(phase.from_phases(np.arctan2(column, row)), "open")
    Defects(positions=array([[1.5, 1.5]]), charges=array([1]))
    """
    return _listed(to_numpy(defect_charges(x, boundary, plane=plane)))


def _listed(charges: np.ndarray) -> Defects | list[Any]:
    return [_listed(one) for one in charges] if charges.ndim > 2 else _of_one(charges)


def _of_one(charges: np.ndarray) -> Defects:
    cells = np.argwhere(charges)
    return Defects(cells + 0.5, charges[tuple(cells.T)].astype(np.int64))


def vortex_count(x: Array, boundary: str = "periodic", *, plane: Array | None = None) -> Array:
    """Return how many vortices there are, both signs counted alike.

    Parameters
    ----------
    x, boundary, plane
        As for `defect_charges`.

    Returns
    -------
    array of int, shape (*batch,)

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> int(vortex_count(km.sphere.random_points((2, 16, 16, 2), seed=0))[0])
    98
    """
    charges = defect_charges(x, boundary, plane=plane)
    xp = array_namespace(charges)
    return xp.sum(xp.abs(charges), axis=(-2, -1))


def defect_sequence(
    states: Any, boundary: str, plane: Array | None = None
) -> tuple[list[Defects], tuple[int, int] | None]:
    """Return the vortices of every frame, and the grid's shape where states say it."""
    if isinstance(states, list | tuple) and all(isinstance(one, Defects) for one in states):
        return list(states), None
    states = as_array(states, "states")
    if states.ndim != 4:
        must = "have shape (S, rows, columns, N), or be a list of Defects"
        raise invalid("states", must, f"has shape {tuple(states.shape)}")
    if plane is None and states.shape[-1] > 2:
        plane = leading_plane(states)
    # A frame at a time: the sequence itself may be larger than memory's comfort.
    found = [
        _of_one(to_numpy(defect_charges(x, boundary, plane=plane)))
        for x in (states[s, ...] for s in range(states.shape[0]))
    ]
    rows, columns = states.shape[1:3]
    return found, (rows, columns)
