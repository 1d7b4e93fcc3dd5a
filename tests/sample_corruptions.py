"""Images that corruptions are tested on, and how results are compared."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def scene(n, H, W, seed=0):
    """Return smooth coloured pictures with a few sharp edges and some noise."""
    random = np.random.default_rng(seed)
    rough = random.random((n, H, W, 3))
    x = ndimage.gaussian_filter(rough, (0, H / 10, W / 10, 0), mode="wrap")
    x = (x - x.min()) / (x.max() - x.min()) + 0.15 * (rough - 0.5)
    x[:, H // 4 : H // 2, W // 4 : W // 2] *= 0.3
    return np.uint8(np.clip(x, 0, 1) * 255)


def close(found, expected, exact=0.9):
    """Check that values agree, but for one level where a value lies next to a whole one."""
    difference = np.abs(np.asarray(found).astype(int) - np.asarray(expected).astype(int))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= exact


def truncated(x):
    return np.uint8(np.clip(x, 0, 1) * 255)
