"""SimCLR's two views: random crops, reflections, colours; a whole batch at once, on its device.

What is done to each image is drawn first, as arrays that follow from a seed, and then done: on any
device, in one part or in many, with the same result. Colours are changed by kornia, which is
imported on first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from kuramoto._backend import Array
from kuramoto._check import invalid, real_number, whole_number

__all__ = ["TwoViews", "Views"]

Tensor = Any

# Largest aspect ratio of a crop, and how often one is drawn before all is shown: SimCLR's.
_ASPECT = 4 / 3
_TRIES = 10


class Views(NamedTuple):
    """What is done to n images for both their views: arrays, or tensors.

    Attributes
    ----------
    window : float32, shape (n, 2, 4)
        Top, left, height and width of the crop, as fractions of the image's sides.
    mirror : bool, shape (n, 2)
        Whether left and right change places.
    factors : float32, shape (n, 2, 4)
        Of brightness, contrast and saturation; turns of hue.
    order : int8, shape (n, 2, 4)
        Which of these comes first, second, ...; −1: none.
    gray : bool, shape (n, 2)
        Whether colours are taken away.
    """

    window: Any
    mirror: Any
    factors: Any
    order: Any
    gray: Any


@dataclass(frozen=True)
class TwoViews:
    """Two random views of each image; the defaults are those of the published program.

    Parameters
    ----------
    crop : (float, float)
        Least and most of the image's area that a crop shows; it is resized bilinearly.
    mirror : float
        Probability of a reflection.
    jitter : (float, float, float, float)
        Strengths: brightness, contrast and saturation are multiplied by 1 − s ... 1 + s, hue is
        turned by −s ... s turns, in random order.
    jitter_probability, gray_probability : float
        Of a change of colours, and of no colours. Gray images have brightness and contrast only.

    References
    ----------
    Chen, Kornblith, Norouzi & Hinton (2020), A simple framework for contrastive learning of visual
    representations, ICML, appendix A.

    Examples
    --------
    >>> views = TwoViews()
    >>> first, second = views(torch.rand(5, 3, 32, 32), seed=0)
    >>> first.shape, bool((first == second).all())
    (torch.Size([5, 3, 32, 32]), False)
    """

    crop: tuple[float, float] = (0.08, 1.0)
    mirror: float = 0.0
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_probability: float = 0.8
    gray_probability: float = 0.2

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        if len(self.crop) != 2 or not 0 < self.crop[0] <= self.crop[1] <= 1:
            raise invalid("crop", "be (least, most), above 0 and at most 1", f"{self.crop}")
        if len(self.jitter) != 4 or min(self.jitter) < 0 or max(self.jitter) > 1:
            must = "be strengths of brightness, contrast, saturation, hue in 0 ... 1"
            raise invalid("jitter", must, f"{self.jitter}")
        if self.jitter[3] > 0.5:
            raise invalid("jitter", "turn hues by at most 0.5", f"{self.jitter[3]:g}")
        for name in ("mirror", "jitter_probability", "gray_probability"):
            if not 0 <= real_number(name, getattr(self, name)) <= 1:
                raise invalid(name, "lie in 0 ... 1", f"{getattr(self, name):g}")

    def __call__(self, images: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return both views of images [B, C, H, W], drawn from a seed."""
        drawn = self.draw(len(images), seed)
        return apply(images, Views(*(torch.from_numpy(part) for part in drawn)))

    def draw(self, n: int, seed: int) -> Views:
        """Return what is done to n images, as arrays that follow from the seed.

        Parameters
        ----------
        n
            How many images.
        seed
            Of all that is random.
        """
        shape = (whole_number("n", n, least=1), 2)
        random = np.random.default_rng(whole_number("seed", seed))
        window = _windows(random, shape, *self.crop)
        strengths = np.asarray(self.jitter)
        factors = np.array([1, 1, 1, 0]) + strengths * random.uniform(-1, 1, (*shape, 4))
        order = random.random((*shape, 4)).argsort(-1).astype(np.int8)
        order[random.random(shape) >= self.jitter_probability] = -1
        mirror, gray = random.random((2, *shape))
        chosen = mirror < self.mirror, gray < self.gray_probability
        return Views(window, chosen[0], factors.astype(np.float32), order, chosen[1])


def _windows(
    random: np.random.Generator, shape: tuple[int, int], least: float, most: float
) -> Array:
    """Return random crops (*shape, 4): the first of some tries that lies within the image."""
    area = random.uniform(least, most, (*shape, _TRIES))
    aspect = _ASPECT ** random.uniform(-1, 1, (*shape, _TRIES))
    sides = np.sqrt(np.stack([area / aspect, area * aspect], -1))
    fits = (sides <= 1).all(-1)
    sides = np.take_along_axis(sides, fits.argmax(-1)[..., None, None], -2)[..., 0, :]
    sides[~fits.any(-1)] = 1.0
    corner = random.random((*shape, 2)) * (1 - sides)
    return np.concatenate([corner, sides], -1).astype(np.float32)


def apply(images: Tensor, views: Views) -> tuple[Tensor, Tensor]:
    """Return both views of each image.

    Parameters
    ----------
    images : tensor, shape [B, 1 or 3, H, W]
        Values in 0 ... 1.
    views : Views
        Tensors with B rows, on any device.

    Returns
    -------
    pair of tensors, shape [B, C, H, W]
        Values in 0 ... 1.

    Raises
    ------
    ValueError
        If there are not as many images as rows, or they are neither gray nor RGB.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        found = f"has shape {tuple(images.shape)}"
        raise invalid("images", "have shape (B, 1 or 3, H, W)", found)
    if len(images) != len(views.window):
        raise invalid("views", f"be of {len(images)} images", f"is of {len(views.window)}")
    flat = Views(*(part.transpose(0, 1).flatten(0, 1) for part in views))  # the first views first
    with torch.autocast(images.device.type, enabled=False), torch.no_grad():
        shown = _cropped(images.repeat(2, 1, 1, 1), flat.window, flat.mirror)
        order, factors = flat.order.cpu(), flat.factors.to(images)
        for place in range(order.shape[1]):
            _change_colours(shown, order[:, place], factors)
        if images.shape[1] == 3:
            _take_colours_away(shown, flat.gray.cpu())
    first, second = shown.chunk(2)
    return first, second


def _cropped(images: Tensor, window: Tensor, mirror: Tensor) -> Tensor:
    """Return the windows of images, each at the size of a whole image."""
    top, left, height, width = window.to(images).unbind(-1)
    turned = torch.where(mirror.to(images.device), -width, width)
    none = torch.zeros_like(top)
    across = torch.stack([turned, none, 2 * left + width - 1], -1)
    down = torch.stack([none, height, 2 * top + height - 1], -1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    # A crop is shown larger than it is: nothing is left out, and nothing needs to be smoothed.
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _change_colours(images: Tensor, kinds: Tensor, factors: Tensor) -> None:
    """Do one change to each image, in place: the one of its kind, or none."""
    from kornia import enhance

    changes = (
        enhance.adjust_brightness_accumulative,
        enhance.adjust_contrast_with_mean_subtraction,
        enhance.adjust_saturation_with_gray_subtraction,
        enhance.adjust_hue,
    )
    for kind, change in enumerate(changes[: 4 if images.shape[1] == 3 else 2]):
        rows = torch.nonzero(kinds == kind)[:, 0].to(images.device)
        if len(rows):
            by = factors[rows, kind] * (2 * torch.pi if kind == 3 else 1)
            images[rows] = change(images[rows], by[:, None, None, None])


def _take_colours_away(images: Tensor, gray: Tensor) -> None:
    from kornia.color import rgb_to_grayscale

    rows = torch.nonzero(gray)[:, 0].to(images.device)
    images[rows] = rgb_to_grayscale(images[rows]).expand(-1, 3, -1, -1)
