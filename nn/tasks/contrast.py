"""SimCLR as tasks use it: the loss of a batch of images and views, and that of held-out images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kuramoto.nn import layout
from kuramoto.nn.augmentation import Views, apply
from kuramoto.nn.seeds import derived_seed
from kuramoto.nn.simclr import nt_xent

__all__ = ["held_out_loss", "loss"]

Tensor = Any


def loss(
    model: Any, images: Tensor, views: Any, temperature: float, *, gather: bool = False
) -> Tensor:
    """Return how badly two views of each image find each other.

    Parameters
    ----------
    model
        Images [B, C, H, W] to codes (B, d).
    images : tensor of uint8, shape (B, H, W, C)
    views : sequence of tensors
        The fields of `Views`.
    temperature, gather
        As for `nt_xent`.
    """
    first, second = model(torch.cat(apply(layout.pixels(images), Views(*views)))).chunk(2)
    return nt_xent(first, second, temperature, gather=gather)


def held_out_loss(model: Any, source: Any, views: Any, temperature: float) -> float:
    """Return the mean loss of held-out images, in batches of about 100; by one process alone.

    Parameters
    ----------
    model
        In evaluation mode.
    source
        Has a length, and ``take(rows).images``.
    views : TwoViews
        What is drawn; always the same.
    temperature
        As for `nt_xent`.
    """
    device, n, total = next(model.parameters()).device, len(source), 0.0
    for part, rows in enumerate(np.array_split(np.arange(n), -(-n // 100))):
        images = source.take(rows).images
        drawn = views.draw(len(images), derived_seed(0, "validate", part))
        arrays = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (images, *drawn))
        shown, *done = arrays
        total += len(rows) * float(loss(model, shown, done, temperature).detach())
    return total / n
