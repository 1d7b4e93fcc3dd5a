"""The readout of eq. 6: lengths of linear combinations of oscillators."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kuramoto import sphere
from kuramoto._check import whole_number
from kuramoto.nn import layout

__all__ = ["NormReadout"]

Tensor = Any


class NormReadout(nn.Module):
    """m_k = ‖z_k‖₂ + b_k with z_k = Σ_i U_ki x_i + a_k ∈ R^{N'} (eq. 6).

    A turn of all oscillators that U commutes with leaves m unchanged, but for the biases a.

    Parameters
    ----------
    in_channels : int
        C·N of the oscillators.
    out_channels : int
        K.
    dimensions : int
        N', of the vectors whose lengths are taken.
    kernel_size : int, default 1
        Odd; U is a convolution.
    bias : bool, default True
        Whether there are biases a inside the norm and b outside.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, eq. 6.

    Examples
    --------
    >>> NormReadout(8, 5, 4)(torch.ones(1, 8, 3, 3)).shape
    torch.Size([1, 5, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dimensions: int,
        *,
        kernel_size: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.dimensions = whole_number("dimensions", dimensions, least=1)
        self.in_channels = whole_number("in_channels", in_channels, least=1)
        self.convolution = nn.Conv2d(
            in_channels, out_channels * dimensions, kernel_size, padding=kernel_size // 2, bias=bias
        )
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return m [B, K, H, W] for oscillators [B, C*N, H, W]."""
        layout.require_features(x, "x", self.in_channels)
        z = layout.to_vectors(layout.channels_last(self.convolution(x)), self.dimensions)
        with layout.full_precision(z):
            lengths = sphere.norm(z.to(x.dtype)).squeeze(-1)
            lengths = lengths if self.bias is None else lengths + self.bias
        return lengths.permute(0, 3, 1, 2)
