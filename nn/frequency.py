"""Learned natural frequencies Ω_i: planes or full antisymmetric matrices, shared or one each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid, real_number, whole_number
from kuramoto.frequencies import Antisymmetric, Rotation

__all__ = ["AntisymmetricFrequency", "RotationFrequency"]

Tensor = Any


class RotationFrequency(nn.Module):
    """Rotation in the planes (0, 1), (2, 3), ... of every oscillator, at learned rates.

    A plane as a complex number z turns by ż = iωz: what `kuramoto.Rotation` computes, in one pass.
    For odd N the last axis stands still. Rates have a sign, and may cross zero while learning.

    Parameters
    ----------
    dimensions : int
        N ≥ 2.
    oscillators : int, optional
        C for rates of their own per channel, the same at every place; None: one Ω for all.
    initial : float, default 0.5
        Every rate at the start, in radians per unit time.
    learn : bool, default True

    Attributes
    ----------
    rate : tensor, shape (N//2,) or (C, N//2)

    Examples
    --------
    >>> turn = RotationFrequency(2, initial=2.0)
    >>> turn(torch.tensor([[1.0, 0.0]])).tolist()
    [[0.0, 2.0]]
    """

    def __init__(
        self,
        dimensions: int,
        oscillators: int | None = None,
        *,
        initial: float = 0.5,
        learn: bool = True,
    ) -> None:
        super().__init__()
        self.dimensions = whole_number("dimensions", dimensions, least=2)
        planes = self.dimensions // 2
        shape = (planes,) if oscillators is None else (oscillators, planes)
        rate = torch.full(shape, real_number("initial", initial))
        self.rate = nn.Parameter(rate, requires_grad=learn)

    def forward(self, x: Tensor) -> Tensor:
        """Return Ωx for vectors (..., C, N)."""
        return self.field(x.shape[-2])(x)

    def field(self, oscillators: int) -> Callable[[Tensor], Tensor]:
        """Return x ↦ Ωx for vectors (..., C, N), with what does not depend on x made once."""
        planes = self.dimensions // 2
        # Written out per oscillator: products with a row of two numbers are several times slower.
        rate = self.rate.expand(oscillators, planes).contiguous()
        turning = torch.complex(torch.zeros_like(rate), rate)
        still = self.dimensions - 2 * planes

        def turn(x: Tensor) -> Tensor:
            pairs = x[..., : 2 * planes].unflatten(-1, (planes, 2))
            if torch.compiler.is_compiling():  # has no code for complex numbers
                turned = torch.stack([-rate * pairs[..., 1], rate * pairs[..., 0]], -1).flatten(-2)
            else:
                plane = torch.view_as_complex(pairs.contiguous())
                turned = torch.view_as_real(turning * plane).flatten(-2)
            return nn.functional.pad(turned, (0, still)) if still else turned

        return turn

    def as_core(self, grid: tuple[int, int]) -> Rotation:
        """Return the core's `Rotation` for states (B, C, H, W, N)."""
        return Rotation(_per_site(self.rate.detach(), 1, grid))

    def extra_repr(self) -> str:
        """Say which rates there are."""
        return f"dimensions={self.dimensions}, rates={tuple(self.rate.shape)}"


class AntisymmetricFrequency(nn.Module):
    """A full antisymmetric Ω = (W − Wᵀ)/2 with learned W, for any N.

    Parameters
    ----------
    dimensions : int
        N ≥ 2.
    oscillators : int, optional
        C for a matrix of its own per channel, the same at every place; None: one Ω for all.
    initial : float, default 0.5
        Standard deviation of W's entries at the start, in radians per unit time.
    learn : bool, default True

    Attributes
    ----------
    weight : tensor, shape (N, N) or (C, N, N)
    """

    def __init__(
        self,
        dimensions: int,
        oscillators: int | None = None,
        *,
        initial: float = 0.5,
        learn: bool = True,
    ) -> None:
        super().__init__()
        self.dimensions = whole_number("dimensions", dimensions, least=2)
        deviation = real_number("initial", initial)
        if deviation < 0:
            raise invalid("initial", "be at least 0", f"{deviation:g}")
        sites = () if oscillators is None else (oscillators,)
        weight = deviation * torch.randn(*sites, dimensions, dimensions)
        self.weight = nn.Parameter(weight, requires_grad=learn)

    @property
    def matrices(self) -> Tensor:
        """Ω, shape (N, N) or (C, N, N)."""
        return (self.weight - self.weight.mT) / 2

    def forward(self, x: Tensor) -> Tensor:
        """Return Ωx for vectors (..., C, N)."""
        return self.field(x.shape[-2])(x)

    def field(self, oscillators: int) -> Callable[[Tensor], Tensor]:
        """Return x ↦ Ωx for vectors (..., C, N), with Ω made once."""
        matrices = self.matrices
        if matrices.ndim == 2:
            return lambda x: x @ matrices.mT
        return lambda x: (matrices @ x.unsqueeze(-1)).squeeze(-1)

    def as_core(self, grid: tuple[int, int]) -> Antisymmetric:
        """Return the core's `Antisymmetric` for states (B, C, H, W, N)."""
        return Antisymmetric(_per_site(self.matrices.detach(), 2, grid))

    def extra_repr(self) -> str:
        """Say which matrices there are."""
        return f"dimensions={self.dimensions}, matrices={tuple(self.weight.shape)}"


def _per_site(values: Tensor, inner: int, grid: tuple[int, int]) -> Tensor:
    """Repeat values per channel over the grid: (C, *inner) to (C, H, W, *inner)."""
    if values.ndim == inner:
        return values
    spread = values.reshape(values.shape[0], 1, 1, *values.shape[1:])
    return spread.expand(-1, *grid, *([-1] * inner)).contiguous()
