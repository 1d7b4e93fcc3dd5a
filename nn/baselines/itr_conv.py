"""ItrConv: one convolution iterated, for object discovery and for classification."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid, whole_number
from kuramoto.nn.baselines.blocks import ConvolutionBlock, check_split, steps_or
from kuramoto.nn.baselines.images import Patches, centre, check_image_config, projection_head

__all__ = ["ItrConv", "ItrConvClassifier", "ItrConvClassifierConfig", "ItrConvConfig"]

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class ItrConvConfig:
    """What makes an `ItrConv`; the defaults are the paper's for Tetrominoes (Tab. 9).

    The paper does not say into how many groups its group norms divide the channels.

    Parameters
    ----------
    patch_size : int, default 4
    image_channels : int, default 3
    channels : int, default 128
    kernel_size : int, default 5
    steps : int, default 8
        T, how often each block iterates its convolution.
    blocks : int, default 1
    hidden : int, optional
        Channels inside the MLPs; default 2·channels.
    groups : int, default 8
        Of the group norms.
    head_hidden, outputs : int, optional
        Channels inside and behind the MLP that follows the pooling; default 4·channels, channels.

    Raises
    ------
    ValueError
        If a number is too small, the kernel's size is even or groups do not divide channels.
    """

    patch_size: int = 4
    image_channels: int = 3
    channels: int = 128
    kernel_size: int = 5
    steps: int = 8
    blocks: int = 1
    hidden: int | None = None
    groups: int = 8
    head_hidden: int | None = None
    outputs: int | None = None

    def __post_init__(self) -> None:
        check_image_config(self)
        check_split("channels", self.channels, self.groups, "groups")
        whole_number("patch_size", self.patch_size, least=1)
        whole_number("steps", self.steps, least=1)
        whole_number("blocks", self.blocks, least=1)


class ItrConv(nn.Module):
    """ItrConv: patches; T times x += conv(GN(x)) with one weight, then x += MLP(GN(x)).

    z = head(max over all places of GN(x)).

    Parameters
    ----------
    config : ItrConvConfig

    References
    ----------
    Miyato et al. (2025), Fig. 11a, App. C.1.

    Examples
    --------
    >>> model = ItrConv(ItrConvConfig(channels=16, steps=2))
    >>> model(torch.zeros(1, 3, 32, 32)).shape, model.features(torch.zeros(1, 3, 64, 32)).shape
    (torch.Size([1, 16]), torch.Size([1, 16, 16, 8]))
    """

    def __init__(self, config: ItrConvConfig) -> None:
        super().__init__()
        self.config = config
        channels, hidden = config.channels, config.hidden or 2 * config.channels
        self.patches = Patches(config.image_channels, channels, config.patch_size)
        parts = [
            ConvolutionBlock(channels, config.kernel_size, hidden, config.groups)
            for _ in range(config.blocks)
        ]
        self.blocks = nn.ModuleList(parts)
        self.norm = nn.GroupNorm(config.groups, channels)
        self.head = projection_head(channels, config.head_hidden, config.outputs)

    def features(self, images: Tensor, *, steps: int | None = None) -> Tensor:
        """Return the map GN(x), shape [B, C, H/P, W/P], of images with values in 0 ... 1."""
        x = self.patches(images)
        for block in self.blocks:
            x = block(x, steps_or(steps, self.config.steps))
        return self.norm(x)

    def forward(
        self, images: Tensor, *, steps: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return z, shape (B, outputs), of images [B, C, H, W] with values in 0 ... 1.

        `steps` replaces the configuration's T; `generator` is unused (nothing is random here).
        """
        return self.head(self.features(images, steps=steps).amax((2, 3)))


@dataclass(frozen=True, kw_only=True)
class ItrConvClassifierConfig:
    """What makes an `ItrConvClassifier`; kernels and steps as the paper's AKOrN-conv (App. C.3).

    Parameters
    ----------
    image_channels : int, default 3
    channels : int, default 64
        Of the first block; each further block has twice as many as the one before.
    kernel_sizes : tuple of int, default (9, 7, 5)
        One per block.
    steps : tuple of int, default (3, 3, 3)
        T of each block.
    groups : int, default 8
        Of the group norms.
    outputs : int, default 10
        Classes.

    Raises
    ------
    ValueError
        If a number is too small, the lengths differ or groups do not divide channels.
    """

    image_channels: int = 3
    channels: int = 64
    kernel_sizes: tuple[int, ...] = (9, 7, 5)
    steps: tuple[int, ...] = (3, 3, 3)
    groups: int = 8
    outputs: int = 10

    def __post_init__(self) -> None:
        check_image_config(self)
        check_split("channels", self.channels, self.groups, "groups")
        if len(self.steps) != len(self.kernel_sizes) or not self.steps:
            must = f"hold one number for each of the {len(self.kernel_sizes)} kernels"
            raise invalid("steps", must, f"{tuple(self.steps)}")
        for count in self.steps:
            whole_number("steps", count, least=1)


class ItrConvClassifier(nn.Module):
    """ItrConv's blocks with a convolution of stride 2 before each but the first; mean; softmax.

    Parameters
    ----------
    config : ItrConvClassifierConfig

    References
    ----------
    Miyato et al. (2025), App. C.3 and Tab. 20.

    Examples
    --------
    >>> model = ItrConvClassifier(ItrConvClassifierConfig(channels=8))
    >>> model(torch.zeros(1, 3, 32, 32)).shape, model.features(torch.zeros(1, 3, 32, 32)).shape
    (torch.Size([1, 10]), torch.Size([1, 32, 8, 8]))
    """

    def __init__(self, config: ItrConvClassifierConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels << depth for depth in range(len(config.steps))]
        self.stem = nn.Conv2d(config.image_channels, widths[0], 3, padding=1, bias=False)
        halvings = pairwise(widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in halvings)
        self.blocks = nn.ModuleList(
            ConvolutionBlock(width, kernel_size, 2 * width, config.groups)
            for width, kernel_size in zip(widths, config.kernel_sizes, strict=True)
        )
        self.readout = nn.Linear(widths[-1], config.outputs)

    def features(self, images: Tensor, *, steps: int | None = None) -> Tensor:
        """Return the last block's map of images [B, C, H, W] with values in 0 ... 1."""
        x = self.stem(centre(images, self.config.image_channels))
        for depth, (block, default) in enumerate(zip(self.blocks, self.config.steps, strict=True)):
            x = self.down[depth - 1](x) if depth else x
            x = block(x, steps_or(steps, default))
        return x

    def forward(
        self, images: Tensor, *, steps: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return logits (B, outputs) of images [B, C, H, W] with values in 0 ... 1.

        `steps` replaces every block's T; `generator` is unused (nothing is random here).
        """
        return self.readout(self.features(images, steps=steps).mean((2, 3)))
