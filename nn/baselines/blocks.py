"""The blocks of Fig. 11: one layer iterated T times with the same weights, then an MLP.

Shapes: tokens (B, n, C), row by row of their grid; feature maps [B, C, H, W].
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import functional as F

from kuramoto._check import invalid, nearest, whole_number
from kuramoto.nn.layout import require_split
from kuramoto.nn.positions import APE

__all__ = ["AttentionBlock", "ConvolutionBlock", "SelfAttention"]

Tensor = Any

POSITIONS = ("ape", "none")


def check_split(argument: str, size: int, parts: int, what: str) -> None:
    """Raise unless both are whole numbers and `parts`, the number that `what` names, divides."""
    whole_number(argument, size, least=1)
    require_split(argument, size, whole_number(what, parts, least=1), what)


def optional_numbers(config: Any, *names: str) -> None:
    """Raise unless each of these that the configuration has and that is not None is at least 1."""
    for name in names:
        if getattr(config, name, None) is not None:
            whole_number(name, getattr(config, name), least=1)


def steps_or(steps: int | None, default: int) -> int:
    """Return the steps asked for, or as many as the model was made for."""
    return default if steps is None else whole_number("steps", steps, least=1)


def fixed_depth(steps: int | None, name: str) -> None:
    """Raise where steps are asked of a network that has layers of its own at each depth."""
    if steps is not None and steps != 1:
        remedy = "it iterates nothing: leave `steps` out"
        raise invalid("steps", f"be left out for {name}", f"{steps}", remedy)


def places_for(positions: str, channels: int, side: int) -> nn.Module | None:
    """Return learned positions on a square grid, or None where a configuration wants none."""
    return APE(channels, (side, side)) if positions == "ape" else None


def check_positions(positions: str) -> None:
    """Raise unless it is one of the words that `places_for` knows."""
    if positions not in POSITIONS:
        must = f"be one of {', '.join(POSITIONS)}"
        raise invalid("positions", must, repr(positions), nearest(str(positions), POSITIONS))


def attention_blocks(config: Any) -> nn.ModuleList:
    """Return a configuration's blocks of self-attention."""
    hidden = config.hidden or 2 * config.channels
    parts = [AttentionBlock(config.channels, config.heads, hidden) for _ in range(config.blocks)]
    return nn.ModuleList(parts)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Return tokens (B, n, C) as (B, heads, n, C/heads); each head is a run of channels."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(tokens: Tensor) -> Tensor:
    """Undo `split_heads`."""
    return tokens.transpose(1, 2).flatten(-2)


class SelfAttention(nn.Module):
    """W_o softmax(q kᵀ / √d) v with q, k, v = W_qkv x; d = channels / heads.

    Parameters
    ----------
    channels, heads : int

    Raises
    ------
    ValueError
        If heads do not divide channels.

    Examples
    --------
    >>> import torch
    >>> SelfAttention(8, heads=2)(torch.zeros(1, 5, 8)).shape
    torch.Size([1, 5, 8])
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        check_split("channels", channels, heads, "heads")
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the update of tokens (B, n, C)."""
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, -1))
        return self.out(join_heads(F.scaled_dot_product_attention(query, key, value)))


class AttentionBlock(nn.Module):
    """ItrSA's block, Fig. 11b: T times x += attention(LN(x)); then x += MLP(LN(x)).

    T = 1 is the block of a Transformer with the norm in front.

    Parameters
    ----------
    channels, heads : int
    hidden : int
        Channels inside the MLP (Linear, GELU, Linear).

    References
    ----------
    Miyato et al. (2025), Fig. 11b.

    Examples
    --------
    >>> import torch
    >>> AttentionBlock(8, heads=2, hidden=16)(torch.zeros(1, 5, 8), steps=3).shape
    torch.Size([1, 5, 8])
    """

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, heads)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor, steps: int = 1) -> Tensor:
        """Return tokens (B, n, C) after `steps` times the attention, and the MLP once."""
        for _ in range(steps):
            x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class ConvolutionBlock(nn.Module):
    """ItrConv's block, Fig. 11a: T times x += conv(GN(x)); then x += MLP(GN(x)).

    Parameters
    ----------
    channels : int
    kernel_size : int
        Odd; zeros stand around the map.
    hidden : int
        Channels inside the MLP, which acts on each place alone.
    groups : int
        Groups of the two group norms.

    Raises
    ------
    ValueError
        If the kernel's size is even, or groups do not divide channels.

    References
    ----------
    Miyato et al. (2025), Fig. 11a.

    Examples
    --------
    >>> import torch
    >>> ConvolutionBlock(8, 3, hidden=16, groups=2)(torch.zeros(1, 8, 5, 5), steps=3).shape
    torch.Size([1, 8, 5, 5])
    """

    def __init__(self, channels: int, kernel_size: int, hidden: int, groups: int) -> None:
        super().__init__()
        if whole_number("kernel_size", kernel_size, least=1) % 2 == 0:
            raise invalid("kernel_size", "be odd", f"{kernel_size}")
        check_split("channels", channels, groups, "groups")
        self.convolution_norm = nn.GroupNorm(groups, channels)
        self.convolution = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)
        self.mlp_norm = nn.GroupNorm(groups, channels)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.GELU(), nn.Conv2d(hidden, channels, 1)
        )

    def forward(self, x: Tensor, steps: int = 1) -> Tensor:
        """Return the map [B, C, H, W] after `steps` times the convolution, and the MLP once."""
        for _ in range(steps):
            x = x + self.convolution(self.convolution_norm(x))
        return x + self.mlp(self.mlp_norm(x))
