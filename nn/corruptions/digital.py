"""Light and files: contrast, brightness, saturation, pixels, JPEG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto.nn.corruptions.draws import Draws
from kuramoto.nn.corruptions.pixels import eight_bits, unit
from kuramoto.nn.data.objects.framing import pillow

__all__ = ["brightness", "contrast", "jpeg_compression", "pixelate", "saturate"]


def contrast(images: Array, share: float, draws: Draws) -> Array:
    """Return (x − mean)·c + mean, with the mean of each channel of each image."""
    H, W = images.shape[1:3]
    # Sums of whole numbers: the same in a batch of any size.
    mean = images.sum(axis=(1, 2), keepdims=True, dtype=np.int64) / (255.0 * H * W)
    return eight_bits((unit(images) - mean) * share + mean)


def brightness(images: Array, more: float, draws: Draws) -> Array:
    """Return x with V + c in HSV: all three channels by one factor, so that V is the largest."""
    x = unit(images)
    value = x.max(axis=3, keepdims=True)
    brighter = np.clip(value + more, 0, 1)
    scaled = x * (brighter / np.where(value > 0, value, 1))
    return eight_bits(np.where(value > 0, scaled, brighter))


def saturate(images: Array, constants: tuple[float, float], draws: Draws) -> Array:
    """Return x with a·S + b in HSV: distances from the largest channel by one factor.

    Gray has hue 0 in HSV: with b > 0 it turns red, as in the published sets.
    """
    factor, more = constants
    x = unit(images)
    value = x.max(axis=3, keepdims=True)
    spread = value - x.min(axis=3, keepdims=True)
    saturation = spread / np.where(value > 0, value, 1)
    wanted = np.clip(saturation * factor + more, 0, 1)
    coloured = value - (value - x) * (wanted / np.where(spread > 0, saturation, 1))
    red = value * (1 - wanted * np.array([0, 1, 1]))
    return eight_bits(np.where(spread > 0, coloured, red))


def pixelate(images: Array, share: float, draws: Draws) -> Array:
    """Return x made smaller and large again, both with box filters."""
    box = pillow().Image.Resampling.BOX
    H, W = images.shape[1:3]
    small = max(int(W * share), 1), max(int(H * share), 1)
    return _one_by_one(images, lambda picture: picture.resize(small, box).resize((W, H), box))


def jpeg_compression(images: Array, quality: int, draws: Draws) -> Array:
    """Return x written as JPEG of a quality, and read."""
    image = pillow().Image

    def coded(picture: Any) -> Any:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality)
        return image.open(stream)

    return _one_by_one(images, coded)


def _one_by_one(images: Array, change: Any) -> Array:
    image = pillow().Image
    return np.stack([np.asarray(change(image.fromarray(pixels))) for pixels in images])
