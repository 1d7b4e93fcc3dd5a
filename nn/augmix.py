"""AugMix: chains of simple changes, mixed with each other and with the image; a batch at once.

What is done to each image is drawn first, as arrays that follow from a seed, and then done: on any
device, in one part or in many, with the same result (as `kuramoto.nn.augmentation`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from kuramoto._check import invalid, real_number, whole_number

__all__ = ["OPERATIONS", "AugMix", "Mixture", "mix"]

Tensor = Any

_MOST_LEVEL = 10.0
_TURN, _SHEAR, _SHIFT = 30.0, 0.3, 1 / 3  # degrees, and parts of a side, at the highest level


class Mixture(NamedTuple):
    """What is done to n images: arrays, or tensors.

    Attributes
    ----------
    operation : int8, shape (n, chains, depth)
        Numbers in `OPERATIONS`; −1: none.
    level : float32, shape (n, chains, depth)
        How strongly, up to 10; the sign says to which side.
    weight : float32, shape (n, chains)
        Of the chains, 1 in all.
    share : float32, shape (n,)
        Of what the chains made; the image itself has the rest.
    """

    operation: Any
    level: Any
    weight: Any
    share: Any


@dataclass(frozen=True)
class AugMix:
    """AugMix as published, without the loss that compares several mixtures of an image.

    Parameters
    ----------
    severity : float
        Largest level, up to 10.
    chains, depth : int
        How many chains, and the most changes in one.
    alpha : float
        Of the Dirichlet and Beta distributions of weights and shares.

    References
    ----------
    Hendrycks, Mu, Cubuk, Zoph, Gilmer & Lakshminarayanan (2020), AugMix: a simple data processing
    method to improve robustness and uncertainty, ICLR.

    Examples
    --------
    >>> AugMix()(torch.rand(5, 3, 32, 32), seed=0).shape
    torch.Size([5, 3, 32, 32])
    """

    severity: float = 3.0
    chains: int = 3
    depth: int = 3
    alpha: float = 1.0

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        if not 0 < real_number("severity", self.severity) <= _MOST_LEVEL:
            raise invalid("severity", "lie above 0 and be at most 10", f"{self.severity:g}")
        for name in ("chains", "depth"):
            whole_number(name, getattr(self, name), least=1)
        real_number("alpha", self.alpha, positive=True)

    def __call__(self, images: Tensor, seed: int) -> Tensor:
        """Return mixtures of images [B, C, H, W], values in 0 ... 1, drawn from a seed."""
        drawn = self.draw(len(images), seed)
        return mix(images, Mixture(*(torch.from_numpy(part) for part in drawn)))

    def draw(self, n: int, seed: int) -> Mixture:
        """Return what is done to n images, as arrays that follow from the seed."""
        random = np.random.default_rng(whole_number("seed", seed))
        shape = (whole_number("n", n, least=1), self.chains, self.depth)
        operation = random.integers(0, len(OPERATIONS), shape).astype(np.int8)
        depth = random.integers(1, self.depth + 1, shape[:2])
        operation[np.arange(self.depth) >= depth[..., None]] = -1
        side = random.choice([-1.0, 1.0], shape)
        level = (side * random.uniform(0.1, max(self.severity, 0.1), shape)).astype(np.float32)
        weight = random.dirichlet(np.full(self.chains, self.alpha), shape[0]).astype(np.float32)
        share = random.beta(self.alpha, self.alpha, shape[0]).astype(np.float32)
        return Mixture(operation, level, weight, share)


@torch.no_grad()
def mix(images: Tensor, mixture: Mixture) -> Tensor:
    """Return mixtures of images.

    Parameters
    ----------
    images : tensor, shape [B, 1 or 3, H, W]
        Values in 0 ... 1.
    mixture : Mixture
        Tensors with B rows, on any device.

    Raises
    ------
    ValueError
        If there are not as many images as rows.
    """
    if len(images) != len(mixture.operation):
        raise invalid("mixture", f"be of {len(images)} images", f"is of {len(mixture.operation)}")
    operation, level = mixture.operation.cpu(), mixture.level.to(images)
    weight, share = mixture.weight.to(images), mixture.share.to(images)
    with torch.autocast(images.device.type, enabled=False):
        mixed = torch.zeros_like(images)
        for chain in range(operation.shape[1]):
            changed = images.clone()
            for place in range(operation.shape[2]):
                _change(changed, operation[:, chain, place], level[:, chain, place])
            mixed += weight[:, chain, None, None, None] * changed
        return torch.lerp(images, mixed, share[:, None, None, None])


def _change(images: Tensor, kinds: Tensor, level: Tensor) -> None:
    """Do one change to each image, in place: that of its kind."""
    for kind, operation in enumerate(OPERATIONS.values()):
        rows = torch.nonzero(kinds == kind)[:, 0].to(images.device)
        if len(rows):
            images[rows] = operation(images[rows], level[rows]).clamp(0, 1)


def _autocontrast(images: Tensor, level: Tensor) -> Tensor:
    """Stretch each channel to 0 ... 1; one that is the same everywhere stays."""
    low, high = (f(images, (2, 3), True) for f in (torch.amin, torch.amax))
    spread = high - low
    return torch.where(spread > 0, (images - low) / spread.clamp(min=1e-6), images)


def _equalize(images: Tensor, level: Tensor) -> Tensor:
    from kornia.enhance import equalize

    return equalize(images)


def _posterize(images: Tensor, level: Tensor) -> Tensor:
    """Keep 4 bits, or fewer."""
    bits = 4 - (level.abs() * 4 / _MOST_LEVEL).floor()
    step = 2 ** (8 - bits)[:, None, None, None]
    return ((images * 255).round() / step).floor() * step / 255


def _solarize(images: Tensor, level: Tensor) -> Tensor:
    """Turn what is brighter than a threshold into its negative."""
    threshold = 256 - (level.abs() * 256 / _MOST_LEVEL).floor()
    bright = (images * 255).round() >= threshold[:, None, None, None]
    return torch.where(bright, 1 - images, images)


def _rotate(images: Tensor, level: Tensor) -> Tensor:
    degrees = (level.abs() * _TURN / _MOST_LEVEL).floor() * level.sign()
    cosine, sine = torch.deg2rad(degrees).cos(), torch.deg2rad(degrees).sin()
    return _moved(images, [[cosine, -sine, 0], [sine, cosine, 0]])


def _shear_x(images: Tensor, level: Tensor) -> Tensor:
    return _moved(images, [[1, level * _SHEAR / _MOST_LEVEL, 0], [0, 1, 0]])


def _shear_y(images: Tensor, level: Tensor) -> Tensor:
    return _moved(images, [[1, 0, 0], [level * _SHEAR / _MOST_LEVEL, 1, 0]])


def _translate_x(images: Tensor, level: Tensor) -> Tensor:
    return _moved(images, [[1, 0, _pixels(level, images.shape[3])], [0, 1, 0]])


def _translate_y(images: Tensor, level: Tensor) -> Tensor:
    return _moved(images, [[1, 0, 0], [0, 1, _pixels(level, images.shape[2])]])


def _pixels(level: Tensor, side: int) -> Tensor:
    """Return a shift by whole pixels, in units of half the side."""
    return (level.abs() * side * _SHIFT / _MOST_LEVEL).floor() * level.sign() * 2 / side


def _moved(images: Tensor, entries: list[list[Any]]) -> Tensor:
    """Return images seen through affine maps of (x, y) in −1 ... 1; black beyond the border."""
    one = torch.ones(len(images), device=images.device, dtype=images.dtype)
    maps = torch.stack([torch.stack([one * entry for entry in row], -1) for row in entries], 1)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "posterize": _posterize,
    "rotate": _rotate,
    "solarize": _solarize,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
"""The changes of the published training: none that the common corruptions are made of."""
