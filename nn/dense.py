"""Learned J with a weight for every pair of an image's oscillators."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from kuramoto._check import invalid
from kuramoto.couplings import Dense, Linear
from kuramoto.nn import layout
from kuramoto.nn.connectivity import Connectivity, Force

__all__ = ["DenseConnectivity"]

Tensor = Any


class DenseConnectivity(Connectivity):
    """A weight J_ij for every pair of oscillators of an image of fixed size.

    Parameters
    ----------
    channels : int
        C·N, a multiple of N.
    grid : (int, int)
        (H, W).
    dimensions : int
        N.
    blocks : bool, default False
        N×N blocks J_ij instead of numbers.
    symmetric : bool, default False
        J = Jᵀ.

    Attributes
    ----------
    weight : tensor, shape (M, M) or (M, M, N, N)
        M = C·H·W, oscillators numbered as in a state (C, H, W).
    """

    def __init__(
        self,
        channels: int,
        grid: tuple[int, int],
        dimensions: int,
        *,
        blocks: bool = False,
        symmetric: bool = False,
    ) -> None:
        super().__init__()
        count = layout.require_split("channels", channels, dimensions, "rotating dimensions N")
        self.channels, self.dimensions, self.symmetric = channels, dimensions, symmetric
        self.grid = (int(grid[0]), int(grid[1]))
        M = count * int(np.prod(self.grid))
        shape = (M, M, dimensions, dimensions) if blocks else (M, M)
        fan_in = M * (dimensions if blocks else 1)
        self.parameter = nn.Parameter(torch.randn(shape) / fan_in**0.5)

    @property
    def weight(self) -> Tensor:
        """J, symmetrised if so asked."""
        weight = self.parameter
        if not self.symmetric:
            return weight
        turned = weight.transpose(0, 1)
        return (weight + (turned.mT if weight.ndim == 4 else turned)) / 2

    def field(self, c: Tensor, dimensions: int = 1) -> Force:
        """Return x ↦ c + Jx."""
        weight = self.weight
        if tuple(c.shape[-2:]) != self.grid:
            must = f"have the grid {self.grid} of this DenseConnectivity"
            raise invalid("c", must, f"has shape {tuple(c.shape)}")
        matrix = weight.transpose(1, 2).flatten(2).flatten(0, 1) if weight.ndim == 4 else weight

        def force(x: Tensor) -> Tensor:
            state = layout.to_state(layout.by_oscillator(x, dimensions, 1), self.dimensions)
            rows = state.flatten(1) if weight.ndim == 4 else state.flatten(1, -2).mT
            coupled = rows @ matrix.mT
            back = coupled if weight.ndim == 4 else coupled.mT
            coupled = layout.to_features(back.reshape(state.shape)).to(c.dtype)
            return layout.by_component(coupled, dimensions, 1) + c

        return force

    def coupling(self, dimensions: int, grid: tuple[int, int]) -> Linear:
        """Return J as a coupling for states (B, C, H, W, N): `Dense`, on flattened sites."""
        return _OnGrid(Dense(self.weight.detach()), (self.channels // dimensions, *self.grid))


class _OnGrid(Linear):
    """A coupling of M oscillators in a row, for states whose sites have a shape of their own."""

    def __init__(self, row: Dense, sites: tuple[int, ...]) -> None:
        self.row, self.sites, self.site_ndim = row, sites, len(sites)
        self.block_size = row.block_size

    def __call__(self, x: Any, /) -> Any:
        """Return Σ_j J_ij x_j."""
        self._require_shape(x)
        flat = x.reshape(*x.shape[: x.ndim - 1 - self.site_ndim], -1, x.shape[-1])
        return self.row(flat).reshape(x.shape)

    @property
    def asymmetry(self) -> float:
        """That of the row."""
        return self.row.asymmetry

    def row_bound(self) -> Any:
        """Return the row's bounds, in the shape of the sites."""
        return np.asarray(self.row.row_bound()).reshape(self.sites)

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the row's bounds."""
        return self.row.eigenvalue_bounds()

    def commutator_bound(self, frequency: Any) -> float:
        """Return the row's bound for a shared Ω; infinite otherwise."""
        return self.row.commutator_bound(frequency) if frequency.shared else np.inf
