"""Learned Σ_j J_ij x_j: convolution (eq. 7) and attention (eq. 8-9).

A connectivity maps features ``[B, C*N, H, W]`` to features of the same shape. What it adds to J x
besides (a bias per channel) acts as a stimulus, and `field` treats it as one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from kuramoto._check import invalid, whole_number
from kuramoto.couplings import Lattice, Linear
from kuramoto.nn import layout
from kuramoto.nn.positions import GTA, RoPE, apart, folded

__all__ = [
    "AttentionConnectivity",
    "Connectivity",
    "ConvConnectivity",
    "LearnedCoupling",
]

Tensor = Any
Force = Callable[[Tensor], Tensor]


class Connectivity(nn.Module):
    """Base of all connectivities: features in, features out.

    Attributes
    ----------
    channels : int
        C·N.
    kept : int
        State-sized tensors that autograd keeps per application, besides its input.
    """

    channels: int
    kept: int = 1

    @property
    def bias(self) -> Tensor | None:
        """What is added to every place, shape (C*N,); the model's stimulus takes it in."""
        return None

    def field(self, c: Tensor, dimensions: int = 1) -> Force:
        """Return x ↦ y = c + Jx on features, with what does not depend on x made once.

        Parameters
        ----------
        c : tensor, shape [B, C*N, H, W]
        dimensions : int, default 1
            N, if the channels of c, x and y have their components first (`layout.by_component`);
            1 for the usual order.
        """
        raise NotImplementedError(f"{type(self).__name__} must define field")

    def forward(self, x: Tensor) -> Tensor:
        """Return Jx + bias for features [B, C*N, H, W]."""
        layout.require_features(x, "x", self.channels)
        return self.field(x.new_zeros(1, *x.shape[1:]))(x)

    def coupling(self, dimensions: int, grid: tuple[int, int]) -> Linear:
        """Return J as a coupling of the core for states (B, C, H, W, N), without the bias."""
        return LearnedCoupling(self, dimensions)

    def stimulus(self, c: Tensor, dimensions: int = 1) -> Tensor:
        """Return c with the bias, features [B, C*N, H, W] in the order that `field` takes."""
        if self.bias is None:
            return c
        return c + layout.by_component(self.bias, dimensions, 0)[:, None, None]


class LearnedCoupling(Linear):
    """A connectivity as a coupling of the core, for states (B, C, H, W, N): J x without the bias.

    Parameters
    ----------
    connectivity : Connectivity
    dimensions : int
        N.
    state_dependent : bool, default True
        Whether J depends on x, as it does for attention.
    """

    site_ndim = 3

    def __init__(
        self, connectivity: Connectivity, dimensions: int, *, state_dependent: bool = True
    ) -> None:
        self.connectivity, self.block_size = connectivity, dimensions
        self.state_dependent = state_dependent

    def __call__(self, x: Any, /) -> Any:
        """Return Σ_j J_ij x_j."""
        self._require_shape(x)
        batch = x.shape[:-4]
        features = layout.to_features(x.reshape(-1, *x.shape[-4:]))
        bias = self.connectivity.bias
        c = features.new_zeros(1, *features.shape[1:])  # takes the bias away again
        coupled = self.connectivity.field(c if bias is None else c - bias[:, None, None])(features)
        return layout.to_state(coupled, self.block_size or 1).reshape(*batch, *x.shape[-4:])


class ConvConnectivity(Connectivity):
    """Convolutional J (eq. 7): y = c + Σ_{h'} J_{h'} x_{h+h'}, nothing beyond the image's edge.

    Parameters
    ----------
    channels : int
        C·N.
    kernel_size : int
        Odd.
    bias : bool, default True
    symmetric : bool, default False
        J = Jᵀ: the entry at h' is the transpose of that at −h'.

    Attributes
    ----------
    weight : tensor, shape (C*N, C*N, k, k)

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, eq. 7.

    Examples
    --------
    >>> ConvConnectivity(8, 3)(torch.zeros(1, 8, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    """

    def __init__(
        self, channels: int, kernel_size: int, *, bias: bool = True, symmetric: bool = False
    ) -> None:
        super().__init__()
        if whole_number("kernel_size", kernel_size, least=1) % 2 == 0:
            raise invalid("kernel_size", "be odd, to have a centre", f"{kernel_size}")
        self.channels, self.symmetric = whole_number("channels", channels, least=1), symmetric
        self.convolution = nn.Conv2d(
            channels, channels, kernel_size, padding=kernel_size // 2, bias=bias
        )

    @property
    def bias(self) -> Tensor | None:
        """What is added to every place, shape (C*N,)."""
        return self.convolution.bias

    @property
    def weight(self) -> Tensor:
        """J, symmetrised if so asked."""
        weight = self.convolution.weight
        return (weight + weight.transpose(0, 1).flip(2, 3)) / 2 if self.symmetric else weight

    def field(self, c: Tensor, dimensions: int = 1) -> Force:
        """Return x ↦ c + bias + Jx."""
        stimulus = self.stimulus(c, dimensions)
        weight = layout.by_component(self.weight, dimensions, 1)
        weight = layout.by_component(weight, dimensions, 0)
        weight = weight.contiguous(memory_format=torch.channels_last)
        padding = self.convolution.padding
        return lambda x: F.conv2d(x, weight, padding=padding).to(stimulus.dtype) + stimulus

    def coupling(self, dimensions: int, grid: tuple[int, int]) -> Lattice:
        """Return J as a `Lattice` of N×N blocks that mixes channels, with a zero boundary."""
        blocks = self.weight.detach().unflatten(1, (-1, dimensions)).unflatten(0, (-1, dimensions))
        kernel = blocks.permute(0, 2, 4, 5, 1, 3).contiguous()
        return Lattice(kernel, boundary="zero", dims=2, channels=True)

    def extra_repr(self) -> str:
        """Say whether J is symmetric."""
        return f"symmetric={self.symmetric}"


class AttentionConnectivity(Connectivity):
    """Attentive J (eq. 8-9) between the places of an image.

    Head h owns the D = C·N/heads channels from h·D on, in queries, keys, values and outputs, so
    that each is contiguous.

    Parameters
    ----------
    channels : int
        C·N, a multiple of `heads`.
    heads : int, default 8
    positions : GTA or RoPE, optional
        What acts on the heads, by place.
    scaled : bool, default True
        Scores times 1/√D, as networks do; eq. 9 of the paper's text has none.
    bias : bool, default True
    symmetric : bool, default False
        W^K = W^Q and W^O = (W^V)ᵀ: "the same weight for query and key, symmetric values" (paper,
        App. D.4). What remains asymmetric is the softmax, which normalises rows.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, eq. 8-9.

    Examples
    --------
    >>> AttentionConnectivity(16, 4)(torch.zeros(1, 16, 3, 3)).shape
    torch.Size([1, 16, 3, 3])
    """

    kept = 10  # q, k, v before and after their positions, weighted values likewise, x and y

    def __init__(
        self,
        channels: int,
        heads: int = 8,
        *,
        positions: GTA | RoPE | None = None,
        scaled: bool = True,
        bias: bool = True,
        symmetric: bool = False,
    ) -> None:
        super().__init__()
        self.channels = whole_number("channels", channels, least=1)
        self.heads, self.symmetric = whole_number("heads", heads, least=1), symmetric
        self.head_dimension = layout.require_split("channels", channels, heads, "number of heads")
        self._require_positions(positions)
        self.positions, self.scaled = positions, scaled
        self.inputs = nn.Linear(channels, (2 if symmetric else 3) * channels, bias=bias)
        self.output = None if symmetric else nn.Linear(channels, channels, bias=bias)
        self.output_bias = nn.Parameter(torch.zeros(channels)) if symmetric and bias else None

    def _require_positions(self, positions: Any) -> None:
        if positions is None:
            return
        if self.symmetric and isinstance(positions, GTA) and not positions.symmetric:
            raise invalid("positions", "be symmetric too", "GTA(symmetric=False)")
        expected = positions.head_dimension
        if expected != self.head_dimension:
            must = f"act on heads of {self.head_dimension} dimensions"
            raise invalid("positions", must, f"is made for {expected}")

    @property
    def bias(self) -> Tensor | None:
        """What is added to every place, shape (C*N,): that of the output map."""
        return self.output_bias if self.output is None else self.output.bias

    @property
    def weights(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """Weight (3·C·N, C·N) and bias of query, key and value, and the output's weight."""
        if self.output is not None:
            return self.inputs.weight, self.inputs.bias, self.output.weight
        query, value = self.inputs.weight.chunk(2)
        bias = self.inputs.bias
        both = None if bias is None else torch.cat([bias[: self.channels], bias])
        return torch.cat([query, query, value]), both, value.T

    def field(self, c: Tensor, dimensions: int = 1) -> Force:
        """Return x ↦ c + bias + Jx."""
        stimulus = layout.to_tokens(self.stimulus(c, dimensions))
        grid = (c.shape[-2], c.shape[-1])
        shape = (self.heads, self.head_dimension)
        into, bias, out = self.weights
        into, out = (layout.by_component(w, dimensions, a) for w, a in ((into, 1), (out, 0)))
        weights = into, bias, out
        tables = None
        if self.positions is not None:
            tables = self.positions.tables(grid, self.heads, into)
        # A map per place costs as many numbers as the batch has queries, keys and values when
        # B = C·N; from there on it saves all passes over those.
        if tables is not None and c.shape[0] >= self.channels:
            inward, outward = folded(weights, tables, shape)
        else:
            inward, outward = apart(weights, tables, shape)
        scale = None if self.scaled else 1.0

        def force(x: Tensor) -> Tensor:
            query, key, value = (v.transpose(1, 2) for v in inward(layout.to_tokens(x)))
            weighted = F.scaled_dot_product_attention(query, key, value, scale=scale)
            coupled = outward(weighted.transpose(1, 2)).to(stimulus.dtype)
            return layout.tokens_to_features(coupled + stimulus, grid)

        return force

    def extra_repr(self) -> str:
        """Say what the attention is made of."""
        return f"heads={self.heads}, scaled={self.scaled}, symmetric={self.symmetric}"
