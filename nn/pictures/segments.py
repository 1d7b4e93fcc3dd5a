"""Images of one's own, segmented: overlays, maps of labels, and a sheet that shows all of them."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from kuramoto._check import invalid, nearest, whole_number
from kuramoto.nn.clustering import enlarge
from kuramoto.nn.data.objects.folders import files_below
from kuramoto.nn.data.objects.framing import Framing, decoded, opened
from kuramoto.nn.overlays import (
    OBJECT_COLORS,
    component_colors,
    draw_components,
    draw_image,
    draw_labels,
    painted,
)
from kuramoto.nn.tasks import objects_evaluation
from kuramoto.nn.tasks.objects_scores import How
from kuramoto.nn.uptiling import INTERPOLATIONS
from kuramoto.plotting.axes import TICK, spread

__all__ = [
    "Segmenter",
    "Sheet",
    "View",
    "find_images",
    "label_png",
    "outputs_of",
    "overlay_png",
    "view_of",
]

MOST_LABELS = 256  # what an indexed PNG holds

_MOST_PLACES = 1 << 15  # as `kuramoto.nn.clustering.agglomerate` takes
_USUAL: dict[str, Any] = {
    "method": "average",
    "components": None,
    "up_tile": 1,
    "interpolation": "bilinear",
    "seed": 0,
}
_STRENGTH = 0.6  # of the colours of an overlay
_LINED = 160  # pixels along an image that a line of one pixel does not spoil
_THUMBNAIL = 256  # pixels
_ON_A_SHEET = 24  # images
_NAME = 30  # letters over a thumbnail
_CELL, _TALLEST = 1.65, 2.0  # inches that a thumbnail is wide, and its height in units of these


class View(NamedTuple):
    """An image as it is shown, uint8 (H, W, 3), and as a network sees it, uint8 (h·P, w·P, C)."""

    shown: np.ndarray
    seen: np.ndarray


def view_of(path: Path, channels: int, patch_size: int, size: int) -> View:
    """Read an image of any size: gray, colour or palette, of 8 bits a channel.

    Transparency is dropped, as where folders are read for training; of several pictures in a file
    it is the first.

    Parameters
    ----------
    path : Path
    channels : int
        Of what the network sees: 3 or 1.
    patch_size : int
        P. Sides are brought to its nearest multiples.
    size : int
        Pixels along the shorter side of what the network sees; 0: as many as the image has.

    Raises
    ------
    ValueError
        If the file is no image, is cut short, or has pixels of other than 8 bits a channel.
    FileNotFoundError
        If there is none.
    """
    with opened(path) as picture:
        shown = decoded(picture, path, "RGB")
        seen = shown if channels == 3 else decoded(picture, path, "L")
    width, height = shown.size
    scale = 1.0 if not size else size / min(width, height)
    sides = (max(round(side * scale / patch_size), 1) * patch_size for side in (height, width))
    framing = Framing(size=(next(sides), next(sides)), channels=channels)
    return View(np.asarray(shown), framing.image(seen).copy())


@dataclass(frozen=True)
class Segmenter:
    """A network for object discovery, and how its features become clusters.

    Images are computed one by one: what is found in one does not depend on the others.

    Parameters
    ----------
    extract : callable
        Images [1, C, H, W], float32 in 0 ... 1, to features [1, C', h, w].
    clusters
        Of an image, background and all: 256 at most.
    channels, patch_size, size
        As for `view_of`.
    how
        ``method``, ``components``, ``up_tile``, ``interpolation``, ``device``, ``seed`` as for
        `kuramoto.nn.tasks.objects_evaluation.segment`.
    """

    extract: Callable[[Any], Any]
    clusters: int
    channels: int
    patch_size: int
    size: int = 0
    how: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        if whole_number("clusters", self.clusters, least=1) > MOST_LABELS:
            must = f"be at most {MOST_LABELS}, which a map of labels has room for"
            raise invalid("clusters", must, f"{self.clusters}")
        whole_number("size", self.size)
        asked = _USUAL | {name: self.how[name] for name in _USUAL if name in self.how}
        How(self.clusters, (), patch_size=self.patch_size, **asked)  # complains about the others
        whole_number("seed", asked["seed"])
        word = str(asked["interpolation"])
        if word not in INTERPOLATIONS:
            must = f"be {' or '.join(INTERPOLATIONS)}"
            raise invalid("interpolation", must, repr(word), nearest(word, INTERPOLATIONS))

    def read(self, path: Path) -> View:
        """Return an image that has enough places for the clusters, and not too many."""
        view = view_of(path, self.channels, self.patch_size, self.size)
        h, w = view.seen.shape[0] // self.patch_size, view.seen.shape[1] // self.patch_size
        places = h * w * self.how.get("up_tile", 1) ** 2
        if places < self.clusters:
            must = f"be at most the number of places of {str(path)!r}, {places}"
            remedy = "ask for fewer, or pass --up-tile or a larger --size"
            raise invalid("clusters", must, f"{self.clusters}", remedy)
        if places > _MOST_PLACES and self.how.get("method", "average") == "average":
            found = f"Image {path} has {places} places, more than average linkage can cluster"
            remedy = "pass --method k-means or a smaller --size"
            raise ValueError(f"{found} ({_MOST_PLACES}); {remedy}.")
        return view

    def segment(self, path: Path, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Return labels (H, W) of an image as it is shown, and features (1, C', h, w)."""
        how = {**self.how, "patch_size": self.patch_size}
        try:
            labels, features = objects_evaluation.segment(
                self.extract, view.seen[None], self.clusters, **how
            )
        except ValueError as error:
            raise ValueError(f"Image {path} cannot be segmented: {error}") from None
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            h, w = view.seen.shape[:2]
            need = f"Image {path} needs more memory than there is at {w} x {h} pixels"
            raise ValueError(f"{need}; pass a smaller --size or --up-tile.") from None
        return enlarge(labels[0], view.shown.shape[:2]), features


def find_images(places: Sequence[Path], out: Path) -> list[Path]:
    """Return images by their names, and all in folders; each once, and none of the output's.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If there are no images in a folder, or it is the output's.
    """
    found: dict[Path, Path] = {}
    for place in places:
        if not place.exists():
            raise invalid("images", "be files or folders", f"{str(place)!r}: nothing is there")
        if place.is_dir() and place.resolve() == out.resolve():
            raise invalid("out", "be another folder than that of the images", repr(str(out)))
        inner = files_below(place, "images") if place.is_dir() else [place]
        for path in inner:
            if not (place.is_dir() and path.resolve().is_relative_to(out.resolve())):
                found.setdefault(path.resolve(), path)
    if not found:
        raise invalid("images", "hold images", f"{', '.join(map(str, places))}, without any")
    return list(found.values())


def outputs_of(files: Sequence[Path]) -> list[str]:
    """Return a name for each file, without its ending: as much of the path as tells them apart.

    Examples
    --------
    >>> outputs_of([Path("a/cat.png"), Path("a/dog.png"), Path("b/dog.png")])
    ['cat', 'a_dog.png', 'b_dog.png']
    """
    parent = os.path.commonpath([path.resolve().parent for path in files])
    stems = Counter(path.stem.lower() for path in files)
    names: list[str] = []
    taken: Counter[str] = Counter()
    for path in files:
        name = path.stem
        if stems[name.lower()] > 1:
            name = "_".join(Path(os.path.relpath(path.resolve(), parent)).parts)
        taken[name.lower()] += 1
        again = taken[name.lower()]
        names.append(name if again == 1 else f"{name}_{again}")
    return names


def overlay_png(image: np.ndarray, labels: np.ndarray) -> bytes:
    """Return an image with a colour over each cluster, and lines between them, as a PNG.

    Parameters
    ----------
    image : array of uint8, shape (H, W, 3)
    labels : array of integers, shape (H, W)
        0, 1, ...; label k has the k-th of `kuramoto.nn.overlays.OBJECT_COLORS`, from 0, which
        begin again after the last.
    """
    pixels = painted(image, labels + 1, strength=_STRENGTH)
    if min(labels.shape) >= _LINED:  # lines of a pixel would hide what is smaller
        pixels[_edges(labels)] = 1.0
    return _png(Image.fromarray((255 * pixels).round().astype(np.uint8)))


def _edges(labels: np.ndarray) -> np.ndarray:
    """Return which pixels have another label to their right or below."""
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    edges[:-1] |= labels[1:] != labels[:-1]
    return edges


def label_png(labels: np.ndarray) -> bytes:
    """Return labels as an indexed PNG: its numbers are the labels, its palette the overlay's.

    Parameters
    ----------
    labels : array of integers 0 ... 255, shape (H, W)
    """
    picture = Image.fromarray(labels.astype(np.uint8)).convert("L")
    picture.putpalette(
        [
            round(255 * value)
            for label in range(MOST_LABELS)
            for value in to_rgb(OBJECT_COLORS[label % len(OBJECT_COLORS)])
        ]
    )
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


class Sheet:
    """Thumbnails of images, their clusters and the main components of their features.

    Parameters
    ----------
    names : sequence of str
        Of all images; 24 of them are shown, spread evenly.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._wanted = set(spread(len(names), _ON_A_SHEET))
        self._rows: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, row: int, image: np.ndarray, labels: np.ndarray, features: np.ndarray) -> None:
        """Keep a thumbnail, if the image of this number is to be shown."""
        if row not in self._wanted:
            return
        stride = max(-(-max(labels.shape) // _THUMBNAIL), 1)
        small = (image[::stride, ::stride], labels[::stride, ::stride])
        self._rows.append((self.names[row], *small, component_colors(features)[0]))

    def png(self, title: str) -> bytes:
        """Return the sheet as a PNG."""
        count = len(self._rows)
        across = 1 if count < 3 else 2 if count < 13 else 3
        down = -(-count // across)
        tall = [image.shape[0] / image.shape[1] for _, image, _, _ in self._rows]
        heights = [
            _CELL * min(max(tall[first : first + across]), _TALLEST) + 0.25
            for first in range(0, count, across)
        ]
        layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03, wspace=0, hspace=0)
        figure = Figure(figsize=(across * 3 * _CELL, sum(heights) + 0.4), layout=layout)
        shown = "" if count == len(self.names) else f", {count} of {len(self.names)} images"
        figure.suptitle(title + shown, fontsize=11)
        axes = figure.subplots(down, 3 * across, squeeze=False, height_ratios=heights)
        for ax in axes.flat:
            ax.set_axis_off()
        for number, (name, image, labels, colors) in enumerate(self._rows):
            first, second, third = axes[number // across, 3 * (number % across) :][:3]
            draw_image(first, image)
            draw_labels(second, image, labels + 1, strength=_STRENGTH)
            draw_components(third, colors)
            _stretch(third, image.shape)
            second.set_title(_short(name), fontsize=TICK)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=110)
        return file.getvalue()


def _stretch(ax: Any, shape: tuple[int, ...]) -> None:
    """Give a map of places the shape of the image that it stands beside."""
    (picture,) = ax.images
    picture.set_extent((-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5))


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME // 2]}…{name[-_NAME // 2 + 1 :]}"
