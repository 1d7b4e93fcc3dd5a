"""Images that tests make and write."""

from __future__ import annotations

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")


def smooth(height, width, seed=0, channels=3):
    """Return a picture that JPEG keeps: waves, another one for each seed."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin((y + seed) / (7 + c)) + np.cos((x - seed) / (9 + c)) for c in range(channels)]
    return (127 + 60 * np.stack(waves, axis=2)).astype(np.uint8)


def save(path, pixels, **options):
    """Write an image, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels.squeeze() if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    Image.fromarray(pixels).save(path, **options)
    return path
