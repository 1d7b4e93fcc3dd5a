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

    (a, b) turns by (−ωb, ωa), as with `kuramoto.Rotation`: a product with the exchanged pairs.
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
    >>> turn(torch.tensor([[3.0, 1.0]])).tolist()
    [[-2.0, 6.0]]
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
        # Components first in memory, as vectors are while a layer runs.
        rate = self.rate.expand(oscillators, planes).T.contiguous().T
        return lambda x: (_turned if torch.compiler.is_compiling() else _Turn.apply)(x, rate)

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


class _Turn(torch.autograd.Function):
    """Ωx for rates (C, N//2), keeping x alone; Ωᵀ = −Ω. It can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rate: Tensor) -> Tensor:
        ctx.save_for_backward(x, rate)
        turned = torch.zeros_like(x) if x.shape[-1] % 2 else torch.empty_like(x)
        first, second = _planes(x)
        into_first, into_second = _planes(turned)
        torch.mul(second, -rate, out=into_first)
        torch.mul(first, rate, out=into_second)
        return turned

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, rate = ctx.saved_tensors
        into_x = _Turn.apply(g, -rate) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return into_x, None
        (a, b), (into_a, into_b) = _planes(x), _planes(g)
        return into_x, (into_b * a - into_a * b).sum(tuple(range(x.ndim - 2)))


def _turned(x: Tensor, rate: Tensor) -> Tensor:
    """Return Ωx by operations that a compiler fuses."""
    first, second = _planes(x)
    turned = torch.stack([-rate * second, rate * first], -1).flatten(-2)
    return nn.functional.pad(turned, (0, x.shape[-1] % 2))


def _planes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the components 0, 2, ... and 1, 3, ... that make the planes."""
    end = x.shape[-1] // 2 * 2
    return x[..., 0:end:2], x[..., 1:end:2]


def _per_site(values: Tensor, inner: int, grid: tuple[int, int]) -> Tensor:
    """Repeat values per channel over the grid: (C, *inner) to (C, H, W, *inner)."""
    if values.ndim == inner:
        return values
    spread = values.reshape(values.shape[0], 1, 1, *values.shape[1:])
    return spread.expand(-1, *grid, *([-1] * inner)).contiguous()
