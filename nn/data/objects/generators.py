"""Scenes made to order: Shapes, Tetrominoes and Multi-dSprites, drawn to their descriptions.

Image k depends on the seed and k only: sets of any size begin with the same images, and ``first``
starts anywhere. All images of a chunk are drawn at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, nearest, whole_number
from kuramoto.nn.data.objects import stamps
from kuramoto.nn.data.objects.cache import made
from kuramoto.nn.data.objects.draws import among, uniforms
from kuramoto.nn.data.objects.scenes import Scenes

__all__ = ["SPLITS", "generated", "multi_dsprites", "shapes", "tetrominoes"]

Cache = str | os.PathLike[str] | None

SPLITS: dict[str, dict[str, tuple[int, int]]] = {
    "shapes": {"train": (0, 40_000), "validation": (40_000, 1000), "test": (41_000, 1000)},
    "tetrominoes": {"train": (0, 60_000), "test": (60_000, 320)},
    "multi_dsprites": {"train": (0, 60_000), "test": (60_000, 320)},
}
"""First image and number of images of each split, sizes as published."""

# Raised whenever the same arguments give other images: older caches are not used any more.
_VERSION = 1
_CHUNK = 500

_Draw = Callable[[int, int, int], tuple[Array, Array]]


def generated(name: str, split: str = "train", seed: int = 0, cache: Cache = None) -> Scenes:
    """Return a split of a generated data set, of the published size.

    Parameters
    ----------
    name : str
        ``"shapes"``, ``"tetrominoes"`` or ``"multi_dsprites"``.
    split : str
        ``"train"``, ``"test"``, for Shapes also ``"validation"``; see `SPLITS`.
    seed : int
        Seed; the splits of a seed are stretches of one sequence of images.
    cache : path or None
        Folder to keep the images in.
    """
    if name not in SPLITS:
        raise invalid("name", f"be one of {', '.join(SPLITS)}", repr(name), nearest(name, SPLITS))
    if split not in SPLITS[name]:
        raise invalid("split", f"be one of {', '.join(SPLITS[name])}", repr(split))
    first, n = SPLITS[name][split]
    makers: dict[str, Callable[..., Scenes]] = {
        "shapes": shapes,
        "tetrominoes": tetrominoes,
        "multi_dsprites": multi_dsprites,
    }
    return makers[name](n, seed, first=first, cache=cache)


def shapes(
    n: int,
    seed: int = 0,
    *,
    first: int = 0,
    objects: tuple[int, int] = (2, 4),
    width: float = 3.0,
    cache: Cache = None,
) -> Scenes:
    """Draw Shapes: white outlines on gray, 40×40, one channel.

    Each image has a background of its own, uniform in U(0.1, 0.6), and 2 to 4 hollow shapes, each a
    triangle, square, circle or diamond that fills a stamp of 18×18 pixels at a random offset inside
    the image. Pixels that two outlines or more cover are labelled -1, ignored.

    The description leaves open what is chosen here: kinds and offsets are uniform and independent,
    a kind may come twice, outlines are 3 pixels thick and white (1.0), the inside shows what is
    behind. A shape of which others cover every pixel has none left: about one image in a thousand
    shows fewer than were drawn.

    Parameters
    ----------
    n : int
        Number of images.
    seed : int
        Seed of all random numbers.
    first : int
        Index of the first image.
    objects : (int, int)
        Least and most shapes in an image, each number as likely.
    width : float
        Thickness of an outline in pixels.
    cache : path or None
        Folder to keep the images in, as arrays that are mapped into memory; None: in memory only.

    Returns
    -------
    Scenes
        Images uint8 (n, 40, 40, 1), labels int8 (n, 40, 40).

    References
    ----------
    Miyato, Löwe, Geiger & Welling (2025), Artificial Kuramoto oscillatory neurons, ICLR, app. C.1.
    Reichert & Serre (2014), Neuronal synchrony in complex-valued deep networks, ICLR.

    Examples
    --------
    >>> scenes = shapes(3, seed=1)
    >>> scenes.images.shape, bool((scenes.labels == shapes(1, 1, first=2).labels).any())
    ((3, 40, 40, 1), True)
    """
    least, most = _range(objects)
    stamp = stamps.hollow_shapes(18, float(width))

    def draw(seed: int, first: int, n: int) -> tuple[Array, Array]:
        u = uniforms(seed, "shapes", first, n, 2 + 3 * most)
        labels = np.zeros((n, 40, 40), np.int8)
        count = least + among(u[:, 0], most - least + 1)
        for k in range(most):
            rows = np.flatnonzero(count > k)
            kind, top, left = u[rows, 2 + 3 * k : 5 + 3 * k].T
            masks = stamp[among(kind, len(stamp))]
            _paste(labels, rows, among(top, 23), among(left, 23), masks, k + 1, overlap=-1)
        palette = np.full((n, most + 2, 1), 255, np.uint8)  # label -1 finds the last
        palette[:, 0, 0] = np.rint(255 * (0.1 + 0.5 * u[:, 1]))
        return _painted(palette, labels), labels

    facts = {"objects": (least, most), "width": float(width)}
    return _made("shapes", draw, (40, 40, 1), n, seed, first, cache, facts)


def tetrominoes(
    n: int, seed: int = 0, *, first: int = 0, crop: int = 32, cache: Cache = None
) -> Scenes:
    """Draw Tetrominoes: three coloured pieces on black, 35×35, cropped to 32×32.

    Each image has three of the 19 tetrominoes (turned ones counted), each in one of six colours:
    red, green, blue, yellow, magenta, cyan. Pieces do not overlap.

    The description leaves open what is chosen here: blocks are 5×5 pixels, offsets are uniform over
    all in which no two pieces overlap and all lie within the 35×35 pixels, kinds and colours are
    uniform and independent (a colour may come twice), the crop is the middle, rounded towards the
    upper left.

    Parameters
    ----------
    n, seed, first, cache
        As in `shapes`.
    crop : int
        Pixels along the image, 5 to 35.

    Returns
    -------
    Scenes
        Images uint8 (n, crop, crop, 3), labels int8 (n, crop, crop).

    References
    ----------
    Kabra et al. (2019), Multi-object datasets, github.com/deepmind/multi-object-datasets.
    Greff et al. (2019), Multi-object representation learning with iterative variational inference,
    ICML, section 4 and appendix.

    Examples
    --------
    >>> tetrominoes(2).objects()
    array([3, 3])
    """
    side = whole_number("crop", crop, least=5)
    if side > 35:
        raise invalid("crop", "be at most 35", f"{side}")
    stamp = stamps.piece_stamps(5)
    edge = (35 - side) // 2

    def draw(seed: int, first: int, n: int) -> tuple[Array, Array]:
        u = uniforms(seed, "tetrominoes", first, n, 6)
        kinds = among(u[:, :3], len(stamps.PIECES))
        top, left = _apart(seed, first, kinds)
        labels = np.zeros((n, 55, 55), np.int8)  # stamps of 20 pixels may reach beyond 35
        for k in range(3):
            _paste(labels, np.arange(n), top[:, k], left[:, k], stamp[kinds[:, k]], k + 1)
        palette = np.zeros((n, 4, 3), np.uint8)
        palette[:, 1:] = _SIX_COLOURS[among(u[:, 3:], 6)]
        labels = labels[:, edge : edge + side, edge : edge + side]
        return _painted(palette, labels), labels

    return _made("tetrominoes", draw, (side, side, 3), n, seed, first, cache, {"crop": side})


_SIX_COLOURS = 255 * np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.uint8
)


def _apart(seed: int, first: int, kinds: Array) -> tuple[Array, Array]:
    """Return rows and columns at which no two pieces overlap, shape (n, 3) each.

    Whole placements are drawn until one fits, each round from a stream of its own.
    """
    n = len(kinds)
    corners, left_over, turn = np.zeros((n, 3, 2), np.int64), np.arange(n), 0
    cells = 5 * stamps.PIECES[kinds]
    room = 35 - 5 - cells.max(axis=2) + 1
    while len(left_over):
        u = uniforms(seed, f"placement {turn}", first, n, 6)[left_over].reshape(-1, 3, 2)
        corners[left_over] = among(u, room[left_over])
        blocks = cells[left_over] + corners[left_over][:, :, None]
        left_over, turn = left_over[_overlapping(blocks)], turn + 1
    return corners[..., 0], corners[..., 1]


def _overlapping(blocks: Array) -> Array:
    """Return which images have overlapping pieces, from corners of blocks (n, 3, 4, 2)."""
    found = np.zeros(len(blocks), bool)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        gap = np.abs(blocks[:, a, :, None] - blocks[:, b, None])
        found |= (gap < 5).all(axis=3).any(axis=(1, 2))
    return found


def multi_dsprites(
    n: int,
    seed: int = 0,
    *,
    first: int = 0,
    objects: tuple[int, int] = (2, 5),
    background: str = "colour",
    cache: Cache = None,
) -> Scenes:
    """Draw Multi-dSprites: coloured squares, ellipses and hearts that may hide each other, 64×64.

    Each image has 2 to 5 sprites on a background of one colour. As in dSprites there are three
    kinds, six sizes from 0.5 to 1 and 40 angles; a later sprite lies in front. One that is hidden
    has no pixel, so that fewer objects may show than were drawn.

    The description leaves open what is chosen here: size 1 is a square of side 20 pixels, ellipse
    and heart have its area, centres are uniform over the 33×33 pixels in the middle, so that every
    sprite lies within the image; colours are uniform in RGB and independent.

    Parameters
    ----------
    n, seed, first, cache
        As in `shapes`.
    objects : (int, int)
        Least and most sprites, each number as likely.
    background : str
        ``"colour"``, or ``"gray"``: a level drawn uniformly, as one published version has it.

    Returns
    -------
    Scenes
        Images uint8 (n, 64, 64, 3), labels int8 (n, 64, 64).

    References
    ----------
    Kabra et al. (2019), Multi-object datasets, github.com/deepmind/multi-object-datasets.
    Matthey, Higgins, Hassabis & Lerchner (2017), dSprites, github.com/deepmind/dsprites-dataset.

    Examples
    --------
    >>> scenes = multi_dsprites(100, objects=(5, 5))
    >>> int(scenes.labels.max()), bool((scenes.objects() >= 3).all())
    (5, True)
    """
    least, most = _range(objects)
    if background not in ("colour", "gray"):
        raise invalid("background", 'be "colour" or "gray"', repr(background))
    library = stamps.sprites(tuple(20 * scale for scale in np.linspace(0.5, 1, 6)), 40, 32)
    library = library.reshape(-1, 32, 32)

    def draw(seed: int, first: int, n: int) -> tuple[Array, Array]:
        u = uniforms(seed, "multi_dsprites", first, n, 1 + 3 * (most + 1) + 3 * most)
        count = least + among(u[:, 0], most - least + 1)
        colours, places = np.split(u[:, 1:], [3 * (most + 1)], axis=1)
        labels = np.zeros((n, 64, 64), np.int8)
        for k in range(most):
            rows = np.flatnonzero(count > k)
            kind, top, left = places[rows, 3 * k : 3 * k + 3].T
            masks = library[among(kind, len(library))]
            _paste(labels, rows, among(top, 33), among(left, 33), masks, k + 1)
        palette = among(colours.reshape(n, most + 1, 3), 256).astype(np.uint8)
        if background == "gray":
            palette[:, 0] = palette[:, 0, :1]
        return _painted(palette, labels), labels

    facts = {"objects": (least, most), "background": background}
    return _made("multi_dsprites", draw, (64, 64, 3), n, seed, first, cache, facts)


def _paste(
    labels: Array,
    rows: Array,
    top: Array,
    left: Array,
    masks: Array,
    value: int,
    overlap: int | None = None,
) -> None:
    """Write `value` into image rows[i] where masks[i] is, its corner at (top[i], left[i])."""
    side = np.arange(masks.shape[1])
    y, x = (top[:, None] + side)[:, :, None], (left[:, None] + side)[:, None, :]
    place = (rows[:, None, None] * labels.shape[1] + y) * labels.shape[2] + x
    flat, place = labels.reshape(-1), place[masks]
    flat[place] = value if overlap is None else np.where(flat[place] == 0, value, overlap)


def _painted(palette: Array, labels: Array) -> Array:
    """Return images: the colour that an image's palette (n, labels, C) has for each label."""
    return np.asarray(palette[np.arange(len(labels))[:, None, None], labels])


def _range(objects: Any) -> tuple[int, int]:
    if not isinstance(objects, tuple | list) or len(objects) != 2:
        raise invalid("objects", "be (least, most)", f"{objects!r}")
    least, most = (whole_number("objects", bound) for bound in objects)
    if least > most or most > 100:
        raise invalid("objects", "be (least, most) with most at most 100", f"({least}, {most})")
    return least, most


def _made(
    name: str,
    draw: _Draw,
    shape: tuple[int, int, int],
    n: int,
    seed: int,
    first: int,
    cache: Cache,
    options: Mapping[str, Any],
) -> Scenes:
    """Draw all images, a chunk at a time, into memory or the cache."""
    n, start = whole_number("n", n, least=1), whole_number("first", first)
    seed = whole_number("seed", seed)

    def fill(arrays: dict[str, Array]) -> None:
        for k in range(0, n, _CHUNK):
            size = min(_CHUNK, n - k)
            images, labels = draw(seed, start + k, size)
            arrays["images"][k : k + size], arrays["labels"][k : k + size] = images, labels

    layout = {"images": ((n, *shape), np.uint8), "labels": ((n, *shape[:2]), np.int8)}
    facts = {"version": _VERSION, "n": n, "seed": seed, "first": start, **options}
    return Scenes(**made(layout, fill, cache, name, facts))
