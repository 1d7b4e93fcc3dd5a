"""Grids: neighbours under a boundary, and what a state on a grid must look like."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, to_numpy
from kuramoto._check import invalid, nearest, whole_number, wrong_type

BOUNDARIES = ("periodic", "open")


def require_boundary(boundary: Any) -> str:
    """Return `boundary` if it is a known word."""
    if boundary not in BOUNDARIES:
        must = f"be one of {', '.join(BOUNDARIES)}"
        raise invalid("boundary", must, repr(boundary), nearest(str(boundary), BOUNDARIES))
    return str(boundary)


def require_grid(x: Any, grid_ndim: int | None, argument: str = "x") -> tuple[Array, int]:
    """Return the state as an array and how many of its axes are a grid: 1, 2 or 3."""
    x = as_array(x, argument)
    dims = x.ndim - 1 if grid_ndim is None else whole_number("grid_ndim", grid_ndim, least=1)
    if not 1 <= dims <= 3:
        remedy = "say with `grid_ndim` how many axes before the last are the grid"
        must = "have a grid of one to three axes: (*batch, *grid, N)"
        raise invalid(argument, must, f"has shape {tuple(x.shape)}", remedy)
    if x.ndim < dims + 1 or min(x.shape[-1 - dims :]) < 2:
        must = f"have shape (*batch, *grid, N), {dims} grid axes of 2 sites or more, N ≥ 2"
        raise invalid(argument, must, f"has shape {tuple(x.shape)}")
    return x, dims


def require_frames(states: Any, least: int) -> tuple[Array, int]:
    """Return successive states (S, *grid, N) as an array, and the number of grid axes."""
    states = as_array(states, "states")
    if not 3 <= states.ndim <= 5 or min(states.shape[1:]) < 2:
        must = "have shape (S, *grid, N), one to three grid axes of 2 sites or more, N ≥ 2"
        remedy = "a run's states are saved by SaveAt(every=...); pass one run at a time"
        raise invalid("states", must, f"has shape {tuple(states.shape)}", remedy)
    if states.shape[0] < least:
        must = f"hold at least {least} frames"
        raise invalid("states", must, f"holds {states.shape[0]}", "save more often")
    require_finite(states, "states")
    return states, states.ndim - 2


def require_finite(x: Array, argument: str) -> None:
    """Raise where NaN or infinity would turn into whole numbers that mean nothing."""
    xp = array_namespace(x)
    if not bool(xp.all(xp.isfinite(x))):
        raise invalid(argument, "be finite", "holds NaN or infinity")


def require_where(where: Any, grid: tuple[int, ...]) -> np.ndarray:
    """Return a region of the grid as Booleans on the host; None is all of it."""
    if where is None:
        return np.ones(grid, dtype=bool)
    region = np.asarray(where if isinstance(where, list | tuple) else to_numpy(where))
    if region.dtype != bool:
        remedy = "compare it with something first"
        raise wrong_type("where", "be an array of Booleans", where, remedy)
    if region.shape != grid:
        raise invalid("where", f"have the shape of the grid {grid}", f"has shape {region.shape}")
    if not region.any():
        raise invalid("where", "be True somewhere", "is False everywhere")
    return region


def after(x: Array, axis: int) -> Array:
    """Return the state of each site's next neighbour along an axis, around the torus."""
    return array_namespace(x).roll(x, -1, axis=axis)


def part(x: Array, axis: int, start: int | None, stop: int | None) -> Array:
    """Return x[start:stop] along an axis."""
    index = [slice(None)] * x.ndim
    index[axis] = slice(start, stop)
    return x[tuple(index)]


def centred(bonds: Array, axis: int, boundary: str) -> Array:
    """Return the mean of the two differences at each site, from those towards its next neighbour.

    On an open grid an end site has one difference only, which counts alone; the last entry of
    `bonds` leads around and is not used.
    """
    if boundary == "periodic":
        return (bonds + array_namespace(bonds).roll(bonds, 1, axis=axis)) / 2
    inner = part(bonds, axis, 0, -1)
    middle = (part(inner, axis, 1, None) + part(inner, axis, 0, -1)) / 2
    ends = part(inner, axis, 0, 1), part(inner, axis, -1, None)
    return array_namespace(bonds).concat([ends[0], middle, ends[1]], axis=axis)
