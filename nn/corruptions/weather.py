"""Weather: snow, frost, fog."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message
from kuramoto.nn.corruptions.draws import Draws
from kuramoto.nn.corruptions.pixels import eight_bits, smeared, unit, zoomed
from kuramoto.nn.data.objects.draws import among
from kuramoto.nn.data.objects.folders import existing_folder
from kuramoto.nn.data.objects.framing import decoded, opened

__all__ = ["fog", "frost", "overlays", "plasma", "read_frost", "snow"]

# The published program draws among the first five of its six pictures.
_PICTURES = 5
# How much pictures of frost are made smaller, for images of each published size.
_SHRINK = {32: 0.2, 64: 0.3, 224: 1.0}


def snow(images: Array, constants: tuple[float, ...], draws: Draws) -> Array:
    """Return x bleached, with flakes that fall along −135° ... −45°, and these turned by 180°."""
    mean, deviation, zoom, threshold, radius, sigma, keep = constants
    layer = mean + deviation * draws.normal("flakes", *images.shape[1:3])
    layer = zoomed(layer, zoom)
    layer[layer < threshold] = 0
    degrees = -90 * draws.uniform("angle", 1)[:, 0] - 45
    levels = eight_bits(layer)[:, None]
    flakes = unit(smeared(levels, radius, sigma, degrees)[:, 0])[..., None]
    x = unit(images)
    gray = (0.299 * x[..., 0] + 0.587 * x[..., 1] + 0.114 * x[..., 2])[..., None]
    bleached = keep * x + (1 - keep) * np.maximum(x, 1.5 * gray + 0.5)
    return eight_bits(bleached + flakes + flakes[:, ::-1, ::-1])


def fog(images: Array, constants: tuple[float, float], draws: Draws) -> Array:
    """Return (x + c·plasma)·m/(m + c), where m is the brightest value of x."""
    strength, decay = constants
    H, W = images.shape[1:3]
    side = 1 << (max(H, W, 2) - 1).bit_length()
    x = unit(images)
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    cloud = plasma(draws.uniform("plasma", side * side), decay)[:, :H, :W, None]
    return eight_bits((x + strength * cloud) * (brightest / (brightest + strength)))


def plasma(uniform: Array, decay: float) -> Array:
    """Return random landscapes in 0 ... 1, (n, side, side): squares and diamonds in turn.

    The middle of each square is the mean of its corners, the middle of each of its sides the mean
    of the four points around it, plus noise; then squares of half the side. The landscape goes on
    periodically. Noise is uniform in −a² ... a² with a = 100, 100/decay, 100/decay², ...

    Parameters
    ----------
    uniform : array, shape (n, side²)
        Uniform numbers; the side is a power of two.
    decay : float
        Ratio of one a to the next.

    References
    ----------
    Fournier, Fussell & Carpenter (1982), Computer rendering of stochastic models, CACM 25.
    """
    n, side = len(uniform), int(uniform.shape[1] ** 0.5)
    z = np.zeros((n, side, side))
    used, step, height = 0, side, 100.0
    while step >= 2:
        half, count = step // 2, (side // step) ** 2
        noise = height**2 * (2 * uniform[:, used : used + 3 * count] - 1)
        middles, upper, left = noise.reshape(n, 3, side // step, side // step).transpose(1, 0, 2, 3)
        corners = z[:, ::step, ::step]
        rows = corners + np.roll(corners, -1, 1)
        centres = (rows + np.roll(rows, -1, 2)) / 4 + middles
        z[:, half::step, half::step] = centres
        beside = corners + np.roll(corners, -1, 2) + centres + np.roll(centres, 1, 1)
        z[:, ::step, half::step] = beside / 4 + upper
        above = corners + np.roll(corners, -1, 1) + centres + np.roll(centres, 1, 2)
        z[:, half::step, ::step] = above / 4 + left
        used, step, height = used + 3 * count, half, height / decay
    z -= z.min(axis=(1, 2), keepdims=True)
    return np.asarray(z / z.max(axis=(1, 2), keepdims=True))


def frost(
    images: Array, constants: tuple[float, float], draws: Draws, pictures: Sequence[Array]
) -> Array:
    """Return a·x + b·frost, where frost is a random part of one of the pictures."""
    share, strength = constants
    H, W = images.shape[1:3]
    u = draws.uniform("place", 3)
    parts = np.empty(images.shape)
    for k, which in enumerate(among(u[:, 0], len(pictures))):
        picture = pictures[which]
        top = int(u[k, 1] * (picture.shape[0] - H))
        left = int(u[k, 2] * (picture.shape[1] - W))
        parts[k] = picture[top : top + H, left : left + W]
    mixed = share * images + strength * parts
    return np.asarray(np.clip(mixed, 0, 255).astype(np.uint8))


def read_frost(folder: str | os.PathLike[str]) -> tuple[Array, ...]:
    """Read the pictures that `frost` lays over images.

    They are those of the published program: ``frost1.png``, ``frost2.png``, ``frost3.png``,
    ``frost4.jpg``, ``frost5.jpg`` (a sixth one is never drawn), to be had with it.

    Parameters
    ----------
    folder : path
        Folder with the five files.

    Returns
    -------
    tuple of array
        uint8 (rows, columns, 3); transparency does not matter.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the files is missing.
    """
    root = existing_folder(folder, "frost")
    return tuple(_picture(root, k) for k in range(1, _PICTURES + 1))


def _picture(root: Path, number: int) -> Array:
    found = sorted(root.glob(f"frost{number}.*"))
    if not found:
        must = f"be a folder with frost1 ... frost{_PICTURES} (.png or .jpg)"
        text = message("frost", must, f"{str(root)!r}, without frost{number}")
        raise FileNotFoundError(text)
    with opened(found[0]) as picture:
        return np.asarray(decoded(picture, found[0], "RGB"))


def overlays(pictures: Sequence[Array], size: int, shape: tuple[int, int]) -> tuple[Array, ...]:
    """Return pictures of frost at the scale for images of a published size."""
    shrunk = tuple(_shrunk(np.asarray(picture), _SHRINK[size]) for picture in pictures)
    small = [one.shape[:2] for one in shrunk if min(np.subtract(one.shape[:2], shape)) < 0]
    if not shrunk or small:
        found = f"has one of {small[0][0]}×{small[0][1]} pixels" if small else "has none"
        raise invalid("frost", f"hold pictures larger than {shape[0]}×{shape[1]}", found)
    return shrunk


def _shrunk(picture: Array, factor: float) -> Array:
    """Return a picture made smaller bilinearly, without smoothing, rounded to whole levels."""
    if factor == 1:
        return picture
    result = picture.astype(float)
    for axis in (0, 1):
        side = result.shape[axis]
        count = round(side * factor)
        places = np.clip((np.arange(count) + 0.5) / factor - 0.5, 0, side - 1)
        low = np.minimum(places.astype(int), max(side - 2, 0))
        share = np.expand_dims(places - low, tuple({0, 1, 2} - {axis}))
        upper = np.take(result, np.minimum(low + 1, side - 1), axis)
        result = np.take(result, low, axis) * (1 - share) + upper * share
    return np.rint(result)
