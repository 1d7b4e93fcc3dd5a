"""Colours of states: a hue for every direction in a plane, a shade for what points out of it."""

from __future__ import annotations

import numpy as np

from kuramoto import waves
from kuramoto._backend import Array, as_array, to_numpy
from kuramoto._check import invalid

LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours (2008), told apart with every common colour vision."""


def colors(x: Array, plane: Array | None = None) -> np.ndarray:
    """Return a colour for every oscillator: its hue is the phase in a plane.

    The hues lie on a circle of the OKLCh space, evenly spaced for the eye; lightness swings once
    around, so that the phase can be told without colour vision too. The further a vector points out
    of the plane, the darker and greyer it is.

    Parameters
    ----------
    x : array, shape (*sites, N)
    plane : array, shape (2, N), optional
        Orthonormal axes of the plane; `leading_plane` of x by default (for N = 2 the plane itself).

    Returns
    -------
    array, shape (*sites, 3)
        Red, green, blue in [0, 1].

    References
    ----------
    Ottosson (2020), A perceptual color space for image processing.

    Examples
    --------
    >>> import numpy as np
    >>> colors(np.array([[1.0, 0.0], [-1.0, 0.0]])).round(2)
    array([[0.84, 0.43, 0.57],
           [0.13, 0.82, 0.72]])
    """
    x = to_numpy(as_array(x, "x")).astype(np.float64)
    axes = leading_plane(x) if plane is None else to_numpy(as_array(plane, "plane"))
    if axes.shape != (2, x.shape[-1]):
        must = f"have shape (2, N) = (2, {x.shape[-1]})"
        raise invalid("plane", must, f"has shape {axes.shape}")
    part = x @ axes.T
    radius = np.minimum(np.sqrt((part**2).sum(axis=-1)), 1.0)
    return _oklch(np.arctan2(part[..., 1], part[..., 0]), radius)


def leading_plane(x: Array) -> np.ndarray:
    """Return orthonormal axes of the plane that holds most of the states, shape (2, N).

    As `kuramoto.waves.leading_plane`; for N ≤ 2 the first axes.

    Parameters
    ----------
    x : array, shape (..., N)
    """
    points = to_numpy(as_array(x, "x")).astype(np.float64)
    if points.shape[-1] < 2:
        return np.eye(2)[:, : points.shape[-1]]
    return np.asarray(waves.leading_plane(points))


# Björn Ottosson's matrices: OKLab to the cubic roots of LMS, LMS to linear sRGB.
_LAB_TO_ROOTS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _oklch(angle: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return sRGB on a disc of hues: the rim as vivid as the gamut allows, the centre dark."""
    lightness = 0.34 + radius * (0.38 + 0.12 * np.cos(angle - np.deg2rad(115)))
    chroma = 0.135 * radius
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)
    linear = np.clip((lab @ _LAB_TO_ROOTS.T) ** 3 @ _LMS_TO_RGB.T, 0.0, 1.0)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb)
