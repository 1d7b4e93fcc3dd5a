"""Initial states x(0): from the stimulus, learned, random, or a mixture of them.

Random numbers come from the `generator` given, so that an evaluation can be repeated; without one,
from PyTorch's global generator.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kuramoto import sphere
from kuramoto._check import invalid
from kuramoto.nn import layout

__all__ = ["FromStimulus", "InitialState", "LearnedState", "MixedState", "RandomState"]

Tensor = Any


class InitialState(nn.Module):
    """Base: unit vectors [B, C*N, H, W] for a stimulus of that shape.

    Parameters
    ----------
    dimensions : int
        N.
    """

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions

    def raw(self, c: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return vectors of any length."""
        raise NotImplementedError(f"{type(self).__name__} must define raw")

    def forward(self, c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return x(0), features [B, C*N, H, W]."""
        vectors = layout.to_vectors(self.raw(c, generator), self.dimensions)
        return layout.vectors_to_features(sphere.normalize(vectors))


class FromStimulus(InitialState):
    """x_i(0) = c_i/‖c_i‖."""

    def raw(self, c: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return c."""
        return c


class RandomState(InitialState):
    """Uniform on the sphere, every oscillator on its own.

    Examples
    --------
    >>> c = torch.zeros(2, 8, 3, 3)
    >>> x = RandomState(4)(c, torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(x.unflatten(1, (2, 4)).norm(dim=2), torch.ones(2, 2, 3, 3)))
    True
    """

    def raw(self, c: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return normal numbers, whose directions are uniform."""
        # Drawn in the order of [B, C*N, H, W] whatever the memory of c: one seed, one state.
        shape = tuple(c.shape)
        return torch.randn(shape, generator=generator, dtype=c.dtype, device=c.device)


class LearnedState(InitialState):
    """One learned state for all inputs.

    Parameters
    ----------
    channels : int
        C·N.
    grid : (int, int)
        (H, W); (1, 1) for one vector per channel at every place.
    dimensions : int
        N.
    """

    def __init__(self, channels: int, grid: tuple[int, int], dimensions: int) -> None:
        super().__init__(dimensions)
        layout.require_split("channels", channels, dimensions, "rotating dimensions N")
        self.state = nn.Parameter(torch.randn(1, channels, *grid))

    def raw(self, c: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the learned vectors, once per input."""
        try:
            return self.state.expand_as(c)
        except RuntimeError:
            must = f"fit the learned state {tuple(self.state.shape)}"
            raise invalid("c", must, f"has shape {tuple(c.shape)}") from None


class MixedState(InitialState):
    """One initial state where a mask says so, another elsewhere: Sudoku's givens and blanks.

    Parameters
    ----------
    where : InitialState
        Where the mask is true.
    elsewhere : InitialState
    """

    def __init__(self, where: InitialState, elsewhere: InitialState) -> None:
        if where.dimensions != elsewhere.dimensions:
            found = f"{elsewhere.dimensions}"
            raise invalid("elsewhere", f"have dimensions {where.dimensions}", found)
        super().__init__(where.dimensions)
        self.where, self.elsewhere = where, elsewhere

    def forward(
        self, c: Tensor, generator: torch.Generator | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Return x(0) for a boolean mask that broadcasts to [B, 1, H, W]."""
        if mask is None:
            raise invalid("mask", "be given for a mixed state", "None")
        return torch.where(mask, self.where(c, generator), self.elsewhere(c, generator))
