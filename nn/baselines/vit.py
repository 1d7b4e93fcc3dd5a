"""ItrSA and ViT for images: patches, self-attention, global max-pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kuramoto._check import whole_number
from kuramoto.nn.baselines.blocks import (
    attention_blocks,
    check_positions,
    check_split,
    fixed_depth,
    places_for,
    steps_or,
)
from kuramoto.nn.baselines.images import Patches, check_image_config, projection_head

__all__ = ["ImageItrSA", "ImageItrSAConfig", "ViT", "ViTConfig"]

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class ImageItrSAConfig:
    """What makes an `ImageItrSA`; the defaults are the paper's for Tetrominoes (Tab. 9).

    Parameters
    ----------
    image_size : int, default 32
        Side of the square images that positions are made for.
    patch_size : int, default 4
    image_channels : int, default 3
    channels : int, default 128
    heads : int, default 8
    steps : int, default 8
        T, how often each block iterates its attention.
    blocks : int, default 1
    hidden : int, optional
        Channels inside the MLPs; default 2·channels.
    positions : {"ape", "none"}
        Learned absolute positions (`kuramoto.nn.APE`), or none.
    head_hidden, outputs : int, optional
        Channels inside and behind the MLP that follows the pooling; default 4·channels, channels.

    Raises
    ------
    ValueError
        If a number is too small, heads do not divide channels or patches not the image.
    """

    image_size: int = 32
    patch_size: int = 4
    image_channels: int = 3
    channels: int = 128
    heads: int = 8
    steps: int = 8
    blocks: int = 1
    hidden: int | None = None
    positions: str = "ape"
    head_hidden: int | None = None
    outputs: int | None = None

    def __post_init__(self) -> None:
        check_image_config(self)
        check_split("channels", self.channels, self.heads, "heads")
        check_split("image_size", self.image_size, self.patch_size, "patch_size")
        check_positions(self.positions)
        whole_number("steps", self.steps, least=1)
        whole_number("blocks", self.blocks, least=1)


@dataclass(frozen=True, kw_only=True)
class ViTConfig(ImageItrSAConfig):
    """What makes a `ViT`: as `ImageItrSAConfig`, with blocks used once each.

    The paper does not say how many blocks it gave the ViT; 8 are those of its Sudoku Transformer.
    """

    steps: int = 1
    blocks: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        fixed_depth(self.steps, "a ViT")


class ImageItrSA(nn.Module):
    """ItrSA for images: patches + positions; T times x += attention(LN(x)); then x += MLP(LN(x)).

    z = head(max over all places of LN(x)).

    Parameters
    ----------
    config : ImageItrSAConfig

    References
    ----------
    Miyato et al. (2025), Fig. 11b, App. C.1.

    Examples
    --------
    >>> model = ImageItrSA(ImageItrSAConfig(channels=16, heads=2, steps=2, outputs=5))
    >>> model(torch.zeros(1, 3, 32, 32)).shape, model.features(torch.zeros(1, 3, 32, 32)).shape
    (torch.Size([1, 5]), torch.Size([1, 16, 8, 8]))
    """

    def __init__(self, config: ImageItrSAConfig) -> None:
        super().__init__()
        self.config = config
        channels, grid = config.channels, config.image_size // config.patch_size
        self.patches = Patches(config.image_channels, channels, config.patch_size)
        self.places = places_for(config.positions, channels, grid)
        self.blocks = attention_blocks(config)
        self.norm = nn.LayerNorm(channels)
        self.head = projection_head(channels, config.head_hidden, config.outputs)

    def features(self, images: Tensor, *, steps: int | None = None) -> Tensor:
        """Return the map LN(x), shape [B, C, H/P, W/P], of images with values in 0 ... 1.

        For images of another size than the model's, positions are resized bilinearly.
        """
        patches = self.patches(images)
        placed = patches if self.places is None else self.places(patches)
        x = placed.flatten(2).mT
        for block in self.blocks:
            x = block(x, self._steps(steps))
        return self.norm(x).mT.unflatten(2, patches.shape[2:])

    def forward(
        self, images: Tensor, *, steps: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return z.

        Parameters
        ----------
        images : tensor, shape [B, C, H, W]
            Values in 0 ... 1.
        steps : int, optional
            T; default: as in the configuration.
        generator : torch.Generator, optional
            Unused (nothing is random here): the models of oscillators take one.

        Returns
        -------
        tensor, shape (B, outputs)
        """
        return self.head(self.features(images, steps=steps).amax((2, 3)))

    def _steps(self, steps: int | None) -> int:
        return steps_or(steps, self.config.steps)


class ViT(ImageItrSA):
    """A Vision Transformer: `ImageItrSA` with more blocks, each used once.

    Parameters
    ----------
    config : ViTConfig

    References
    ----------
    Dosovitskiy et al. (2021), An Image is Worth 16x16 Words; Miyato et al. (2025), App. C.1.

    Examples
    --------
    >>> ViT(ViTConfig(channels=16, heads=2, blocks=2))(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 16])
    """

    def _steps(self, steps: int | None) -> int:
        fixed_depth(steps, "a ViT")
        return 1
