"""ResNet-18 for images of 32×32 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kuramoto.nn.baselines.blocks import fixed_depth
from kuramoto.nn.baselines.images import centre, check_image_config

__all__ = ["ResNet18", "ResNetConfig"]

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """What makes a `ResNet18`.

    Parameters
    ----------
    image_channels : int, default 3
    channels : int, default 64
        Of the first stage; each of the three that follow doubles them and halves the map's sides.
    outputs : int, default 10
        Classes.

    Raises
    ------
    ValueError
        If a number is below 1.
    """

    image_channels: int = 3
    channels: int = 64
    outputs: int = 10

    def __post_init__(self) -> None:
        check_image_config(self)


class ResidualBlock(nn.Module):
    """ReLU(shortcut(x) + BN(conv(ReLU(BN(conv(x)))))) with 3×3 kernels.

    The shortcut is x itself, or a 1×1 convolution with BN where the shape changes.

    Parameters
    ----------
    channels_in, channels : int
    stride : int
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(channels_in, channels, 3, stride),
            nn.ReLU(inplace=True),
            *_convolution(channels, channels, 3, 1),
        )
        same = stride == 1 and channels_in == channels
        shortcut = () if same else _convolution(channels_in, channels, 1, stride)
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map that follows x."""
        return (self.shortcut(x) + self.body(x)).relu()


class ResNet18(nn.Module):
    """ResNet-18 whose first convolution is 3×3 without stride, and without max-pooling after it.

    11,173,962 parameters for 10 classes.

    Parameters
    ----------
    config : ResNetConfig

    References
    ----------
    He, Zhang, Ren, Sun (2016), Deep Residual Learning for Image Recognition, Tab. 1, and its
    sect. 4.2 for small images; Miyato et al. (2025), Tab. 20.

    Examples
    --------
    >>> ResNet18(ResNetConfig(channels=8)).eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels << stage for stage in range(4)]
        stem = [*_convolution(config.image_channels, widths[0], 3, 1), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*stem)
        stages = [_stage(widths[max(stage - 1, 0)], widths[stage], stage > 0) for stage in range(4)]
        self.stages = nn.Sequential(*stages)
        self.readout = nn.Linear(widths[-1], config.outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, images: Tensor, *, steps: int | None = None) -> Tensor:
        """Return the last map [B, 8C, H/8, W/8] of images with values in 0 ... 1."""
        fixed_depth(steps, "a ResNet")
        return self.stages(self.stem(centre(images, self.config.image_channels)))

    def forward(
        self, images: Tensor, *, steps: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return logits (B, outputs) of images [B, C, H, W] with values in 0 ... 1.

        `steps` must be left out; `generator` is unused (nothing is random here).
        """
        return self.readout(self.features(images, steps=steps).mean((2, 3)))


def _stage(channels_in: int, channels: int, halve: bool) -> nn.Module:
    first = ResidualBlock(channels_in, channels, 2 if halve else 1)
    return nn.Sequential(first, ResidualBlock(channels, channels, 1))


def _convolution(channels_in: int, channels: int, kernel_size: int, stride: int) -> list[Any]:
    """Return a convolution that keeps or halves the map, and its batch norm."""
    padding = kernel_size // 2
    convolution = nn.Conv2d(channels_in, channels, kernel_size, stride, padding, bias=False)
    return [convolution, nn.BatchNorm2d(channels)]
