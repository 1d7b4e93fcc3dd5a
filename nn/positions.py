"""Where a token is: added to its channels (APE), or acting on attention heads (RoPE, GTA).

A head of D dimensions consists of D/2 pairs; pair p is made of the dimensions p and p + D/2. GTA
multiplies every pair of a query, key, value and output by a 2×2 matrix that belongs to the place:
out = diagonal ∘ v + crossing ∘ swap(v), where swap exchanges the two halves of the head, so that a
2×2 product costs two multiply-adds over contiguous memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from kuramoto._check import invalid, whole_number

__all__ = ["APE", "GTA", "RoPE", "Tables", "apart", "folded", "pair_product", "rotations"]

Tensor = Any
Inward = Callable[[Tensor], list[Tensor]]
Outward = Callable[[Tensor], Tensor]


class Tables(NamedTuple):
    """Diagonal and crossing tables for query, key (and value), and for the output, or None.

    Shapes ``(2, H*W, parts, heads, D)`` with 2 or 3 parts, and ``(2, H*W, heads, D)``.
    """

    inputs: Tensor
    output: Tensor | None


class APE(nn.Module):
    """Absolute positions: a learned embedding, added to features of the same channels.

    Parameters
    ----------
    channels : int
        C·N, a multiple of 4.
    grid : (int, int)
        (H, W) that the embedding is made for; other grids get it resized bilinearly.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, 3.5: sines and cosines to start from, in
    turn, of the column in the first half of the channels and of the row in the second.
    """

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        if channels % 4:
            raise invalid("channels", "be a multiple of 4 for APE", f"{channels}")
        rows, columns = _coordinates(grid)
        waves = 10000.0 ** -(torch.arange(channels // 4) / (channels // 4))
        phases = torch.stack([place[..., None] * waves for place in (columns, rows)])
        start = torch.stack([torch.sin(phases), torch.cos(phases)], -1).movedim(0, -3).flatten(-3)
        self.embedding = nn.Parameter(start.movedim(-1, 0)[None].contiguous())

    def forward(self, features: Tensor) -> Tensor:
        """Return features [B, C*N, H, W] with the embedding added."""
        return features + _resized(self.embedding, tuple(features.shape[-2:]))


class RoPE(nn.Module):
    """Rotary positions: pairs of query and key turn with the row and with the column.

    Parameters
    ----------
    head_dimension : int
        D, even. Pairs 2j turn by row · f_j, pairs 2j + 1 by column · f_j, f_j = 10000^(−j/⌈D/4⌉).

    References
    ----------
    Su et al. (2021), RoFormer, eq. 34.
    """

    parts = 2

    def __init__(self, head_dimension: int) -> None:
        super().__init__()
        self.head_dimension = _even(head_dimension)

    def tables(self, grid: tuple[int, int], heads: int, like: Tensor) -> Tables:
        """Return the tables for a grid (H, W)."""
        matrices = rotations(grid, self.head_dimension).to(like)
        return Tables(_spread(torch.stack([matrices, matrices], 1), heads), None)


class GTA(nn.Module):
    """Learned 2×2 tables at every place, for query, key, value and output; they start as rotations.

    Parameters
    ----------
    grid : (int, int)
        (H, W) that the tables are made for; other grids get them resized bilinearly.
    head_dimension : int
        D, even.
    symmetric : bool, default False
        Key tables = query tables, output tables = transposed value tables.

    Attributes
    ----------
    query, key, value, output : tensor, shape (H*W, D/2, 2, 2)

    References
    ----------
    Miyato, Jaeger, Welling, Geiger (2024), GTA: a geometry-aware attention mechanism.
    """

    parts = 3

    def __init__(
        self, grid: tuple[int, int], head_dimension: int, *, symmetric: bool = False
    ) -> None:
        super().__init__()
        height, width = (whole_number("grid", size, least=1) for size in grid)
        self.grid, self.symmetric = (height, width), symmetric
        self.head_dimension = _even(head_dimension)
        start = rotations(self.grid, head_dimension)
        self.query, self.value = nn.Parameter(start), nn.Parameter(start.clone())
        if not symmetric:
            self.key = nn.Parameter(start.clone())
            self.output = nn.Parameter(start.mT.contiguous())

    def tables(self, grid: tuple[int, int], heads: int, like: Tensor) -> Tables:
        """Return the tables for a grid (H, W): the learned ones, resized if it is another grid."""
        key, output = (self.query, self.value.mT) if self.symmetric else (self.key, self.output)
        matrices = torch.stack([self.query, key, self.value, output], 1)
        if grid != self.grid:
            image = matrices.flatten(1).unflatten(0, self.grid).movedim(-1, 0)[None]
            there = _resized(image, grid)[0].movedim(0, -1).flatten(0, 1)
            matrices = there.unflatten(-1, tuple(matrices.shape[1:]))
        return Tables(_spread(matrices[:, :3], heads), _spread(matrices[:, 3], heads))

    def extra_repr(self) -> str:
        """Say which grid the tables are for."""
        return f"grid={self.grid}, pairs={self.query.shape[1]}, symmetric={self.symmetric}"


def rotations(grid: tuple[int, int], head_dimension: int) -> Tensor:
    """Return the rotations [[cos, −sin], [sin, cos]] of RoPE and GTA, shape (H*W, D/2, 2, 2).

    Examples
    --------
    >>> rotations((1, 3), 4)[2, 1, 0]  # column 2 turns the second pair by 2 rad
    tensor([-0.4161, -0.9093])
    """
    pairs = head_dimension // 2
    count = math.ceil(head_dimension / 4)
    waves = 10000.0 ** -(torch.arange(count) / count)
    places = torch.stack(_coordinates(grid), -1)  # (H, W, 2): row, column
    angles = (places[..., None, :] * waves[:, None]).flatten(2).flatten(0, 1)[:, :pairs]
    cos, sin = torch.cos(angles), torch.sin(angles)
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def pair_product(v: Tensor, tables: Tensor) -> Tensor:
    """Multiply every pair of a head by its 2×2 matrix.

    Parameters
    ----------
    v : tensor, shape (B, H*W, ..., D)
    tables : tensor, shape (2, H*W, ..., D)
        Diagonal and crossing: out = diagonal ∘ v + crossing ∘ swap(v).
    """
    return _PairProduct.apply(v, *tables.to(v.dtype).unbind(0))


def apart(
    weights: tuple[Tensor, Tensor | None, Tensor], tables: Tables | None, shape: tuple[int, int]
) -> tuple[Inward, Outward]:
    """Return the maps from tokens to query, key and value and from weighted values to tokens.

    Parameters
    ----------
    weights : tensors, shapes (3·C·N, C·N), (3·C·N,) or None, and (C·N, C·N)
        Of queries, keys and values, their bias, and of the output.
    tables : Tables, optional
        What positions do to the heads: applied to every one.
    shape : (int, int)
        Heads and their dimension D; query, key, value have shape (B, H*W, heads, D).
    """
    into, bias, out = weights

    def inward(tokens: Tensor) -> list[Tensor]:
        heads = F.linear(tokens, into, bias).unflatten(-1, (3, *shape))
        parts = list(heads.unbind(2))
        if tables is not None:
            turned = tables.inputs.shape[2]
            # Not sliced where all are turned: the gradient of a slice is one more full pass.
            first = heads if turned == len(parts) else heads[:, :, :turned]
            parts[:turned] = pair_product(first, tables.inputs).unbind(2)
        return parts

    def outward(weighted: Tensor) -> Tensor:
        if tables is not None and tables.output is not None:
            weighted = pair_product(weighted, tables.output)
        return F.linear(weighted.flatten(2), out)

    return inward, outward


def folded(
    weights: tuple[Tensor, Tensor | None, Tensor], tables: Tables, shape: tuple[int, int]
) -> tuple[Inward, Outward]:
    """Return the maps that `apart` returns, as one matrix per place: M_t W and W^O M_t.

    They take no longer than one matrix for all places, and nothing is left to do per token.
    """
    into, bias, out = weights
    extended = torch.cat([into, into.new_zeros(len(into), 1) if bias is None else bias[:, None]], 1)
    rows = extended.unflatten(0, (3, *shape))
    (a, b), turned = tables.inputs.unsqueeze(-1), tables.inputs.shape[2]
    parts = [a * rows[:turned] + b * _swapped(rows[:turned], -2)]
    parts += [rows[turned:].expand(len(a), *rows[turned:].shape)]
    per_place = torch.cat(parts, 1).flatten(1, 3).mT
    inside, shift = per_place[:, :-1], per_place[:, -1:]
    columns = out.unflatten(1, shape)
    if tables.output is not None:
        a, b = tables.output.unsqueeze(2)
        columns = a * columns + _swapped(b * columns, -1)
    outside = columns.flatten(-2).mT.expand(len(per_place), -1, -1)

    def inward(tokens: Tensor) -> list[Tensor]:
        heads = torch.baddbmm(shift, tokens.transpose(0, 1), inside)
        return [part.transpose(0, 1) for part in heads.unflatten(-1, (3, *shape)).unbind(2)]

    def outward(weighted: Tensor) -> Tensor:
        return torch.bmm(weighted.flatten(2).transpose(0, 1), outside).transpose(0, 1).contiguous()

    return inward, outward


def _swapped(v: Tensor, axis: int) -> Tensor:
    return v.roll(v.shape[axis] // 2, axis)


class _PairProduct(torch.autograd.Function):
    """out = a ∘ v + b ∘ swap(v), keeping v alone (the gradient of a product keeps swap(v) too).

    swap is its own transpose, so the gradients are a ∘ g + swap(b ∘ g) for v, and, summed over the
    batch, g ∘ v for a and g ∘ swap(v) for b.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(v, a, b)
        return _multiply_add(v, a, b)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        v, a, b = ctx.saved_tensors
        into_v = _multiply_add(g, a, _swapped(b, -1))
        if not ctx.needs_input_grad[1]:
            return into_v, None, None
        first, second = v.chunk(2, -1)
        into_first, into_second = g.chunk(2, -1)
        crossed = [(into_first * second).sum(0), (into_second * first).sum(0)]
        return into_v, (g * v).sum(0), torch.cat(crossed, -1)


def _multiply_add(v: Tensor, a: Tensor, b: Tensor) -> Tensor:
    out = v * a
    for half, other, factor in zip(
        out.chunk(2, -1), reversed(v.chunk(2, -1)), b.chunk(2, -1), strict=True
    ):
        half.addcmul_(other, factor)
    return out


def _spread(matrices: Tensor, heads: int) -> Tensor:
    """Write (..., D/2, 2, 2) matrices as diagonal and crossing (2, ..., heads, D).

    Repeated over the heads, so that products run over long stretches of memory.
    """
    diagonal = torch.cat([matrices[..., 0, 0], matrices[..., 1, 1]], -1)
    crossing = torch.cat([matrices[..., 0, 1], matrices[..., 1, 0]], -1)
    both = torch.stack([diagonal, crossing]).unsqueeze(-2)
    return both.expand(*both.shape[:-2], heads, -1).contiguous()


def _coordinates(grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    rows, columns = torch.meshgrid(*(torch.arange(n).float() for n in grid), indexing="ij")
    return rows, columns


def _resized(image: Tensor, grid: tuple[int, int]) -> Tensor:
    if tuple(image.shape[-2:]) == tuple(grid):
        return image
    return F.interpolate(image, size=grid, mode="bilinear", align_corners=False)


def _even(head_dimension: int) -> int:
    if head_dimension % 2:
        found, remedy = f"{head_dimension}", "positions act on pairs; take other heads or channels"
        raise invalid("head_dimension", "be even", found, remedy)
    return whole_number("head_dimension", head_dimension, least=2)
