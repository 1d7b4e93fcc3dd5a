"""What the observables ask of a state's shape, and how they flatten its sites."""

from __future__ import annotations

import math
from typing import Any

from kuramoto._backend import Array, array_namespace, as_array
from kuramoto._check import invalid, whole_number


def require_sites(x: Any, site_ndim: int = 1) -> Array:
    """Return a state as an array, or raise unless it has `site_ndim` site axes, none empty."""
    x, axes = as_array(x, "x"), whole_number("site_ndim", site_ndim, least=1)
    if x.ndim < axes + 1 or 0 in x.shape[x.ndim - 1 - axes :]:
        must = f"have shape (*batch, *sites, N) with {axes} site axes"
        raise invalid("x", must, f"has shape {tuple(x.shape)}")
    return x


def require_planar(x: Any, remedy: str = "") -> Array:
    """Return a state as an array, or raise unless N = 2."""
    x = as_array(x, "x")
    if x.ndim < 2 or x.shape[-1] != 2:
        raise invalid("x", "have N = 2 as its last axis", f"has shape {tuple(x.shape)}", remedy)
    return x


def require_rows(states: Any) -> Any:
    """Return states that can be read row by row: a dataset as it is, lists as an array."""
    states = states if hasattr(states, "shape") else as_array(states, "states")
    if len(states.shape) < 3:
        must = "have shape (S, *batch, *sites, N)"
        raise invalid("states", must, f"has shape {tuple(states.shape)}")
    return states


def cross(x: Array, y: Array) -> Array:
    """Return x_0 y_1 − x_1 y_0 for N = 2: |x| |y| sin of the angle from x to y, shape (...)."""
    return x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]


def flat_sites(x: Array, site_ndim: int) -> Array:
    """Return x of shape (*batch, *sites, N) as (*batch, M, N), row-major over the sites."""
    if site_ndim == 1:
        return x
    batch = tuple(x.shape[: x.ndim - 1 - site_ndim])
    M = math.prod(x.shape[x.ndim - 1 - site_ndim : -1])
    return array_namespace(x).reshape(x, (*batch, M, x.shape[-1]))
