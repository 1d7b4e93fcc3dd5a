"""What the baselines for images share: pixels to [−1, 1], patches, pooling."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.nn.baselines.blocks import optional_numbers

__all__: list[str] = []

Tensor = Any


def centre(images: Tensor, channels: int) -> Tensor:
    """Return images [B, C, H, W] with values of 0 ... 1 moved to −1 ... 1.

    Raises
    ------
    TypeError
        If the images are no floating-point tensor.
    ValueError
        If they have another number of axes or channels.
    """
    if not torch.is_tensor(images) or not images.is_floating_point():
        raise wrong_type("images", "be a floating-point tensor with values in 0 ... 1", images)
    if images.ndim != 4 or images.shape[1] != channels:
        found = f"has shape {tuple(images.shape)}"
        raise invalid("images", f"have shape (B, {channels}, H, W)", found)
    return 2.0 * images - 1.0


class Patches(nn.Module):
    """Cut images into P×P patches and map each to a vector: [B, C, H, W] to [B, C', H/P, W/P].

    Parameters
    ----------
    image_channels, channels, patch_size : int
    """

    def __init__(self, image_channels: int, channels: int, patch_size: int) -> None:
        super().__init__()
        self.image_channels, self.patch_size = image_channels, patch_size
        self.weights = nn.Conv2d(image_channels, channels, patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """Return the map of patches of images with values in 0 ... 1."""
        images = centre(images, self.image_channels)
        if any(size % self.patch_size for size in images.shape[2:]):
            must = f"have sides that are multiples of the patch size {self.patch_size}"
            raise invalid("images", must, f"has shape {tuple(images.shape)}")
        return self.weights(images)


def projection_head(channels: int, hidden: int | None, outputs: int | None) -> nn.Module:
    """Return the MLP with one hidden layer whose output SimCLR's loss compares."""
    hidden, outputs = hidden or 4 * channels, outputs or channels
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def check_image_config(config: Any) -> None:
    """Raise unless the numbers that all models for images have are whole and positive."""
    for name in ("image_channels", "channels"):
        whole_number(name, getattr(config, name), least=1)
    optional_numbers(config, "outputs", "head_hidden", "hidden")
