"""Accuracy and calibration of a model on images that are changed on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from kuramoto.nn import layout
from kuramoto.nn.attacks import Target, Threat
from kuramoto.nn.calibration import Calibration, calibration
from kuramoto.nn.corruptions import corrupt
from kuramoto.nn.data.images import LabelledImages
from kuramoto.nn.seeds import derived_seed

__all__ = ["Change", "as_they_are", "corrupted", "score", "uniform_noise"]

Tensor = Any
Change = Callable[[int, np.ndarray], Tensor]
"""First image's row and images uint8 (B, H, W, 3) to images [B, 3, H, W] in 0 ... 1."""


def score(
    target: Target,
    images: LabelledImages,
    change: Change,
    *,
    device: Any,
    batch: int = 100,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Calibration:
    """Show all images, changed, to a model.

    Parameters
    ----------
    target : Target
    images : LabelledImages
    change : Change
        The same for the same row, whatever the batch.
    device
        Where the model is.
    batch : int
        Images at once; a stochastic model's draws depend on it.
    seed : int
        Of the model's random numbers.
    progress : callable
        Told how many images more are done.
    """
    said = []
    for first in range(0, len(images), batch):
        shown = change(first, np.ascontiguousarray(images.images[first : first + batch]))
        with target.ready(device, derived_seed(seed, "score", first)) as query, torch.no_grad():
            said.append(query(shown.to(device)).float().cpu())
        progress(len(shown))
    return calibration(torch.cat(said).numpy(), images.labels, logits=True)


def as_they_are(first: int, images: np.ndarray) -> Tensor:
    """Change nothing."""
    return layout.pixels(torch.from_numpy(images))


def corrupted(name: str, severity: int, **how: Any) -> Change:
    """Return the change that `kuramoto.nn.corruptions.corrupt` makes."""

    def change(first: int, images: np.ndarray) -> Tensor:
        return as_they_are(first, corrupt(images, name, severity, indices=first, **how))

    return change


def uniform_noise(eps: float, seed: int) -> Change:
    """Return the change that adds uniform noise in ±eps, and clips to 0 ... 1."""
    threat = Threat("Linf", eps)

    def change(first: int, images: np.ndarray) -> Tensor:
        noisy = []
        for row, image in enumerate(
            as_they_are(first, images), start=first
        ):  # an image's noise is its own
            generator = torch.Generator().manual_seed(derived_seed(seed, "noise", row))
            noisy.append(threat.random(image[None], generator))
        return torch.cat(noisy)

    return change
