"""Up-tiling: finer feature maps from shifted images, by any extractor of features of patches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn.functional import grid_sample, interpolate

from kuramoto._check import invalid, nearest, whole_number

__all__ = ["INTERPOLATIONS", "shifted", "uptile"]

Tensor = Any
Extract = Callable[[Tensor], Any]

INTERPOLATIONS = ("bilinear", "bicubic")
"""How images are enlarged: as the paper prints it, as its reference program does."""


@torch.no_grad()
def uptile(
    extract: Extract,
    images: Tensor,
    scale: int,
    patch_size: int,
    *,
    interpolation: str = "bilinear",
    batch: int | None = None,
) -> Tensor:
    """Return features at `scale` times the resolution of an extractor's own.

    The images, enlarged by a little less than a patch, are cut at s·s places that lie P/s pixels
    apart; the s·s maps of features are interleaved, so that entry (i·s + a, j·s + b) is entry
    (i, j) of the image shifted by (a, b)·P/s.

    Parameters
    ----------
    extract : callable
        Images [B, C, H, W] to features [B, C', H/P, W/P]. A network has to be in evaluation mode.
    images : tensor, shape [B, C, H, W]
    scale : int
        s ≥ 1; 1 calls `extract` on the images as they are. Where s does not divide P, images are
        sampled between pixels.
    patch_size : int
        P.
    interpolation : {"bilinear", "bicubic"}
        The first is what the paper prints, the second what its reference program does.
    batch
        Images computed at once; default: all of `images`, for one shift after the other.

    Returns
    -------
    tensor, shape [B, C', s*H/P, s*W/P]
        Where `extract` puts its features.

    Raises
    ------
    ValueError
        If a size is no multiple of P, or the features are no map of patches.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, C.1.2, Code 1.

    Examples
    --------
    >>> images = torch.rand(2, 3, 16, 16)
    >>> patches = torch.nn.AvgPool2d(4)
    >>> uptile(patches, images, 2, 4).shape
    torch.Size([2, 3, 8, 8])
    >>> bool((uptile(patches, images, 1, 4) == patches(images)).all())
    True
    """
    size = whole_number("batch", len(images) if batch is None else batch, least=min(1, len(images)))
    features: Any = None
    for a, b, crops in shifted(images, scale, patch_size, interpolation=interpolation):
        for first in range(0, len(images), size):
            part = torch.as_tensor(extract(crops[first : first + size]))
            if features is None:
                features = _room(part, len(crops[:size]), images, scale, patch_size)
            features[first : first + size, :, a::scale, b::scale] = part
    return features


def shifted(
    images: Tensor, scale: int, patch_size: int, *, interpolation: str = "bilinear"
) -> Iterator[tuple[int, int, Tensor]]:
    """Yield a, b and the images shifted by (a, b)·P/s, row by row, each [B, C, H, W].

    Parameters
    ----------
    images, scale, patch_size, interpolation
        As for `uptile`.
    """
    scale = whole_number("scale", scale, least=1)
    _require_patches(images, whole_number("patch_size", patch_size, least=1))
    if interpolation not in INTERPOLATIONS:
        must, remedy = "be bilinear or bicubic", nearest(interpolation, INTERPOLATIONS)
        raise invalid("interpolation", must, repr(interpolation), remedy)
    shift = _whole_shift if patch_size % scale == 0 else _fine_shift
    yield from shift(images, scale, patch_size, interpolation)


def _whole_shift(
    images: Tensor, scale: int, patch_size: int, interpolation: str
) -> Iterator[tuple[int, int, Tensor]]:
    """Cut an enlarged image at whole pixels: views."""
    H, W = images.shape[2:]
    stride = patch_size // scale
    larger = (H + patch_size - stride, W + patch_size - stride)
    whole = images
    if scale > 1:
        whole = interpolate(images, larger, mode=interpolation, align_corners=False)
    for a in range(scale):
        for b in range(scale):
            top, left = a * stride, b * stride
            yield a, b, whole[:, :, top : top + H, left : left + W]


def _fine_shift(
    images: Tensor, scale: int, patch_size: int, interpolation: str
) -> Iterator[tuple[int, int, Tensor]]:
    """Sample the images where the pixels of the enlarged and shifted ones would lie."""
    stride = patch_size / scale

    def places(pixels: int, shift: int) -> Tensor:
        # In units of half an image, from its middle, as grid_sample counts.
        at = torch.arange(pixels, device=images.device, dtype=torch.float64) + shift * stride + 0.5
        return (2 * at / (pixels + patch_size - stride) - 1).to(images.dtype)

    H, W = images.shape[2:]
    for a in range(scale):
        for b in range(scale):
            y, x = torch.meshgrid(places(H, a), places(W, b), indexing="ij")
            grid = torch.stack([x, y], dim=-1).expand(len(images), -1, -1, -1)
            yield a, b, grid_sample(images, grid, interpolation, "border", align_corners=False)


def _require_patches(images: Tensor, patch_size: int) -> None:
    if not isinstance(images, torch.Tensor) or images.ndim != 4 or not images.is_floating_point():
        found = f"is of type {type(images).__name__}"
        if isinstance(images, torch.Tensor):
            found = f"is {images.dtype} of shape {tuple(images.shape)}"
        raise invalid("images", "be a tensor of floating-point numbers [B, C, H, W]", found)
    H, W = images.shape[2:]
    if H % patch_size or W % patch_size or not H * W:
        must = f"have sides that are multiples of the patch size {patch_size}"
        raise invalid("images", must, f"has {H} x {W} pixels", "crop or resize them")


def _room(part: Tensor, asked: int, images: Tensor, scale: int, patch_size: int) -> Tensor:
    """Return an empty tensor for all features, judging by those of the images asked first."""
    H, W = (pixels // patch_size for pixels in images.shape[2:])
    if part.ndim != 4 or part.shape[2:] != (H, W) or len(part) != asked:
        must = f"return features [{asked}, C, {H}, {W}] of patches of {patch_size} pixels"
        raise invalid("extract", must, f"it returns {tuple(part.shape)}")
    return part.new_empty(len(images), part.shape[1], H * scale, W * scale)
