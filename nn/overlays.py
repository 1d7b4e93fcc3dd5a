"""Pictures of scenes: masks and clusters over images, main components of features as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from kuramoto._backend import Array, to_numpy
from kuramoto._check import invalid, real_number
from kuramoto.nn.clustering import enlarge, principal_components
from kuramoto.nn.metrics import Contingency
from kuramoto.plotting.axes import TICK
from kuramoto.plotting.palette import LINE_COLORS

__all__ = [
    "OBJECT_COLORS",
    "boundaries",
    "component_colors",
    "draw_components",
    "draw_image",
    "draw_labels",
    "figure_scenes",
    "matched",
    "painted",
]

OBJECT_COLORS = (*LINE_COLORS, "#F0E442", "#785EF0", "#FFFFFF", "#882255")
"""Colours of objects 1, 2, ...: Okabe and Ito's first (2008), then violet, white and wine."""

_IGNORED = (0.5, 0.5, 0.5)
_LUMA = np.array([0.2126, 0.7152, 0.0722])  # how bright red, green and blue are (ITU-R BT.709)
_PANEL = 1.6  # inches
_SIDE = {"rotation": 90, "ha": "right", "va": "center", "fontsize": TICK}


def painted(image: Array, labels: Array, *, strength: float = 0.75) -> np.ndarray:
    """Return an image with a colour over each object.

    Label 0 stays as it is and −1 is hatched in grey. Object k has the k-th of `OBJECT_COLORS`,
    which begin again after the last; of the image, only its brightness shines through.

    Parameters
    ----------
    image : array, shape (H, W, C)
        uint8, or numbers in 0 ... 1; C is 1 or 3.
    labels : array of integers, shape (h, w)
        Enlarged to the image's size.
    strength
        Of the colours, from 0 to 1.

    Returns
    -------
    array, shape (H, W, 3)
        Red, green, blue in 0 ... 1.

    Examples
    --------
    >>> black = np.zeros((1, 2, 1), np.uint8)
    >>> painted(black, np.array([[0, 1]]), strength=1.0).round(2)
    array([[[0.  , 0.  , 0.  ],
            [0.  , 0.45, 0.7 ]]])
    """
    pixels, share = _rgb(image), real_number("strength", strength)
    labels = enlarge(labels, pixels.shape[:2])
    palette = np.array([to_rgb(color) for color in OBJECT_COLORS])
    colors = np.where((labels > 0)[..., None], palette[(labels - 1) % len(palette)], _IGNORED)
    rows, columns = np.indices(labels.shape)
    hatched = (labels < 0) & ((rows + columns) % 3 == 0)
    tinted = ((labels > 0) | hatched)[..., None] * share
    grey = np.where(tinted > 0, pixels @ _LUMA[:, None], pixels)
    return np.asarray((1 - tinted) * grey + tinted * colors)


def boundaries(labels: Array) -> np.ndarray:
    """Return segments between neighbours with different labels, shape (segments, 2, 2).

    Each is two points (x, y), in pixels as ``imshow`` counts them: the middle of the first pixel
    is (0, 0).

    Examples
    --------
    >>> boundaries(np.array([[0, 1]]))
    array([[[ 0.5, -0.5],
            [ 0.5,  0.5]]])
    """
    labels = np.asarray(to_numpy(labels))
    rows, columns = np.nonzero(labels[:, 1:] != labels[:, :-1])
    upright = np.stack([columns + 0.5, rows - 0.5, columns + 0.5, rows + 0.5], axis=-1)
    rows, columns = np.nonzero(labels[1:] != labels[:-1])
    level = np.stack([columns - 0.5, rows + 0.5, columns + 0.5, rows + 0.5], axis=-1)
    return np.concatenate([upright, level]).reshape(-1, 2, 2)


def matched(clusters: Array, truth: Array) -> np.ndarray:
    """Return clusters renumbered after the objects that they show, so that colours agree.

    Clusters and masks, the background among them, are paired one to one so that their overlaps
    (intersections over unions) add up to the most; clusters without a mask get the numbers that
    follow.

    Parameters
    ----------
    clusters, truth : array of integers, shape (H, W)

    Examples
    --------
    >>> matched(np.array([[5, 5, 2, 7]]), np.array([[0, 0, 3, 3]]))
    array([[0, 0, 3, 4]])
    """
    from scipy.optimize import linear_sum_assignment

    clusters, truth = np.asarray(to_numpy(clusters)), np.asarray(to_numpy(truth))
    known, columns = np.unique(clusters, return_inverse=True)
    objects = np.union1d([0], truth[truth > 0])
    rows = np.where(truth < 0, -1, np.searchsorted(objects, truth))
    overlaps = Contingency.of(rows, columns.reshape(clusters.shape)).overlaps()
    pairs = [(g, k) for g, k in zip(*linear_sum_assignment(-overlaps), strict=True)]
    names = np.full(len(known), -1)
    for g, k in pairs:
        names[k] = objects[g] if overlaps[g, k] > 0 else -1
    left = names < 0
    names[left] = objects.max() + 1 + np.arange(left.sum())
    return np.asarray(names[columns].reshape(clusters.shape))


def component_colors(features: Array, first: int = 1) -> np.ndarray:
    """Return three main components of each image's features as red, green and blue.

    Each component is stretched from its 1st to its 99th percentile, image by image: colours say
    which places are alike within an image, and nothing between images.

    Parameters
    ----------
    features : array, shape (B, C, h, w)
    first
        Which component is red, counted from 1.

    Returns
    -------
    array, shape (B, h, w, 3)
        Numbers in 0 ... 1; half where a component does not vary.

    Examples
    --------
    >>> features = np.linspace(0, 1, 12).reshape(1, 1, 3, 4)
    >>> component_colors(features).shape
    (1, 3, 4, 3)
    """
    main = principal_components(features, first + 2)[:, first - 1 :]
    low, high = np.percentile(main, [1, 99], axis=(2, 3), keepdims=True)
    # Rounding is no variation.
    spread = high - low
    flat = spread <= 1e-9 * np.abs(main).max(initial=1e-300)
    scaled = np.where(flat, 0.5, (main - low) / np.where(flat, 1, spread))
    return np.clip(scaled, 0, 1).transpose(0, 2, 3, 1)


def draw_image(ax: Any, image: Array) -> None:
    """Draw an image (H, W, C) on axes, without a frame."""
    _show(ax, _rgb(image))


def draw_labels(ax: Any, image: Array, labels: Array, *, strength: float = 0.75) -> None:
    """Draw an image with its objects or clusters in colours, and lines between them.

    Parameters
    ----------
    ax : matplotlib axes
    image, labels, strength
        As for `painted`.
    """
    from matplotlib.collections import LineCollection

    pixels = painted(image, labels, strength=strength)
    _show(ax, pixels)
    lines = list(boundaries(enlarge(labels, pixels.shape[:2])))
    # A light line on a dark one is seen on every ground.
    for width, color in ((1.3, "0.1"), (0.5, "1.0")):
        ax.add_collection(LineCollection(lines, colors=color, linewidths=width, capstyle="round"))


def draw_components(ax: Any, colors: Array) -> None:
    """Draw one map of `component_colors`, shape (h, w, 3)."""
    _show(ax, np.asarray(colors))


def figure_scenes(
    images: Array,
    columns: Mapping[str, Array],
    *,
    features: Mapping[str, Array] | None = None,
    truth: str | None = None,
    notes: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Draw images one below the other, each beside its masks, clusters and features.

    Parameters
    ----------
    images : array, shape (n, H, W, C)
    columns : mapping of str to array of integers, shape (n, h, w)
        Labels under their heading: the ground truth, the clusters of one network or of several.
    features : mapping of str to array, shape (n, C', h, w), optional
        Drawn as their first three main components.
    truth : str, optional
        The heading of the ground truth: the other columns take over its colours
        (`matched`), and nothing is drawn where they found background.
    notes : sequence of n str
        Written before each row.
    title : str

    Returns
    -------
    matplotlib Figure
        Not known to pyplot; save it with ``figure.savefig(...)``.

    Raises
    ------
    ValueError
        If there are no images, or a column has another number of rows.
    """
    features = features or {}
    n = len(images)
    if not n:
        raise invalid("images", "hold at least one image", "holds none")
    for name, column in {**columns, **features}.items():
        if len(column) != n:
            raise invalid(name, f"have {n} rows, one for each image", f"has {len(column)}")
    if truth is not None and truth not in columns:
        raise invalid("truth", "be the heading of a column", repr(truth))
    heads = ["image", *columns, *features]
    H, W = images.shape[1:3]
    size = (len(heads) * _PANEL, n * _PANEL * H / W + 0.3 + 0.3 * bool(title))
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    figure = Figure(figsize=size, layout=layout)
    if title:
        figure.suptitle(title, fontsize=11)
    axes = figure.subplots(n, len(heads), squeeze=False)
    colors = {name: component_colors(maps) for name, maps in features.items()}
    for row, line in enumerate(axes):
        draw_image(line[0], images[row])
        masks = None if truth is None else columns[truth][row]
        for ax, (name, labels) in zip(line[1:], columns.items(), strict=False):
            draw_labels(ax, images[row], _named(labels[row], masks, name == truth))
        for ax, maps in zip(line[1 + len(columns) :], colors.values(), strict=True):
            draw_components(ax, maps[row])
        if row < len(notes):
            line[0].text(-0.06, 0.5, notes[row], **_SIDE, transform=line[0].transAxes)
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=TICK)
    return figure


def _named(labels: Array, masks: Array | None, is_truth: bool) -> Array:
    """Return labels as they are drawn: clusters count from 1 where no masks lend their numbers."""
    if is_truth:
        return labels
    if masks is None:
        return np.asarray(to_numpy(labels)) + 1
    return matched(enlarge(labels, masks.shape), masks)


def _show(ax: Any, pixels: np.ndarray) -> None:
    ax.imshow(pixels, interpolation="nearest")
    ax.set_axis_off()


def _rgb(image: Array) -> np.ndarray:
    """Return an image as red, green and blue in 0 ... 1."""
    pixels = np.asarray(to_numpy(image))
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise invalid("image", "have shape (H, W, 1) or (H, W, 3)", f"has shape {pixels.shape}")
    scaled = pixels / 255 if pixels.dtype == np.uint8 else np.clip(pixels, 0, 1)
    return np.asarray(np.broadcast_to(scaled, (*pixels.shape[:2], 3)), dtype=np.float64)
