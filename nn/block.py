"""A Kuramoto layer with its readout: (x, c) to (x_T, c'), what networks are stacked of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn import functional as F

from kuramoto.nn.layer import KuramotoLayer
from kuramoto.nn.readout import NormReadout

__all__ = ["KuramotoBlock", "ResidualReadout"]

Tensor = Any


class KuramotoBlock(nn.Module):
    """A Kuramoto layer, and the readout that makes the next stimulus of its last state.

    Parameters
    ----------
    layer : KuramotoLayer
    readout : nn.Module
        From oscillators [B, C*N, H, W] to features [B, C', H, W].
    """

    def __init__(self, layer: KuramotoLayer, readout: nn.Module) -> None:
        super().__init__()
        self.layer, self.readout = layer, readout

    def forward(self, x: Tensor, c: Tensor, steps: int | None = None) -> tuple[Tensor, Tensor]:
        """Return the last state x_T and the new stimulus c'."""
        x = self.layer(x, c, steps)
        return x, self.readout(x)


class ResidualReadout(nn.Module):
    """Lengths (eq. 6), refined: m ← m + f₂(f₁(m)), c' = f₃(m), each f = conv ∘ ReLU ∘ norm.

    Parameters
    ----------
    in_channels : int
        C·N of the oscillators.
    out_channels : int
        Of the new stimulus.
    dimensions : int
        N', of the vectors whose lengths are taken.
    kernel_size : int, default 1
        Of all convolutions; odd.
    norm : callable, optional
        Makes a normalisation for so many channels (`nn.BatchNorm2d`); none by default.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dimensions: int,
        *,
        kernel_size: int = 1,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.lengths = NormReadout(in_channels, out_channels, dimensions, kernel_size=kernel_size)
        made = [norm(out_channels) if norm else nn.Identity() for _ in range(3)]
        self.norms = nn.ModuleList(made)
        self.maps = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, kernel_size, padding=kernel_size // 2)
            for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return c' for oscillators [B, C*N, H, W]."""
        lengths = self.lengths(x)
        refined = lengths + self._map(1, self._map(0, lengths))
        return self._map(2, refined)

    def _map(self, which: int, features: Tensor) -> Tensor:
        return self.maps[which](F.relu(self.norms[which](features)))
