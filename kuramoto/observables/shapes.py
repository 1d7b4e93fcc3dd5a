"""What the observables ask of a state's shape, and how they flatten its sites."""

from __future__ import annotations

from kuramoto._backend import Array, array_namespace
from kuramoto._check import invalid


def require_planar(x: Array, remedy: str = "") -> None:
    """Raise unless N = 2."""
    if x.ndim < 2 or x.shape[-1] != 2:
        raise invalid("x", "have N = 2 as its last axis", f"has shape {tuple(x.shape)}", remedy)


def flat_sites(x: Array, site_ndim: int) -> Array:
    """Return x of shape (*batch, *sites, N) as (*batch, M, N), row-major over the sites."""
    if site_ndim == 1:
        return x
    batch = tuple(x.shape[: x.ndim - 1 - site_ndim])
    M = 1
    for size in x.shape[x.ndim - 1 - site_ndim : -1]:
        M *= size
    return array_namespace(x).reshape(x, (*batch, M, x.shape[-1]))
