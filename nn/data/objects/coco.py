"""COCO 2017: instances from polygons and run lengths, or panoptic segments from PNG files."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message
from kuramoto.nn.data.objects.folders import ImageFolder, existing_folder
from kuramoto.nn.data.objects.framing import Framing, decoded, opened
from kuramoto.nn.data.objects.masks import from_polygons, from_rle

__all__ = ["read_coco"]


class _CocoFolder(ImageFolder):
    """Images with what the annotations say about each."""

    def __init__(
        self, files: Sequence[Path], framing: Framing, about: Sequence[Any], **options: Any
    ) -> None:
        super().__init__(files, framing, **options)
        self.about = list(about)

    def _keep(self, rows: list[int]) -> None:
        super()._keep(rows)
        self.about = [self.about[row] for row in rows]

    def _options(self) -> Any:
        return hashlib.sha256(repr(self.about).encode()).hexdigest()


class _Instances(_CocoFolder):
    """One list of annotated objects an image."""

    def masks(self, row: int, shape: tuple[int, int]) -> tuple[Array, Array]:
        """Paint crowds first, then objects by falling area, so that the smaller lies in front."""
        labels, classes = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        objects = sorted(self.about[row], key=lambda one: (not one.get("iscrowd"), -_area(one)))
        number = 0
        for one in objects:
            mask = self._mask(one, shape, row)
            number += not one.get("iscrowd")
            labels[mask] = -1 if one.get("iscrowd") else number
            classes[mask] = one["category_id"]
        return labels, classes

    def _mask(self, one: dict[str, Any], shape: tuple[int, int], row: int) -> Array:
        drawn = one["segmentation"]
        try:
            mask = from_rle(drawn) if isinstance(drawn, dict) else from_polygons(drawn, *shape)
        except (ValueError, KeyError, TypeError) as error:
            found = f"annotation {one.get('id')} of {str(self.files[row])!r}: {error}"
            raise invalid("masks", "be run lengths or polygons", found) from None
        if mask.shape != shape:
            size = f"{mask.shape[0]}×{mask.shape[1]}, where {str(self.files[row])!r} is"
            found = f"{size} {shape[0]}×{shape[1]} (annotation {one.get('id')})"
            raise invalid("masks", "be as large as their image", found)
        return mask


def _area(one: dict[str, Any]) -> float:
    return float(one.get("area", 0))


class _Panoptic(_CocoFolder):
    """One PNG file of segments an image: identity = R + 256 G + 65536 B."""

    def __init__(self, *args: Any, things: set[int], stuff: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.things, self.stuff = things, stuff

    def _paths(self) -> list[Path]:
        return self.files + [path for path, _ in self.about]

    def _options(self) -> Any:
        names = [(path.name, segments) for path, segments in self.about]
        facts = (names, sorted(self.things), self.stuff)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def masks(self, row: int, shape: tuple[int, int]) -> tuple[Array, Array]:
        """Give each thing a number, stuff too if asked; void and crowds are -1."""
        path, segments = self.about[row]
        with opened(path) as picture:
            pixels = np.asarray(decoded(picture, path, "RGB")).astype(np.int64)
        identities, inverse = np.unique(pixels @ (1, 256, 65536), return_inverse=True)
        known = {segment["id"]: segment for segment in segments}
        table = np.full((2, len(identities)), -1)
        number = 0
        for k, identity in enumerate(identities.tolist()):
            if identity == 0:
                continue
            if identity not in known:
                found = f"segment {identity} in {str(path)!r}, and they do not"
                raise invalid("annotations", f"name segment {identity}", found)
            segment = known[identity]
            counts = self.stuff or segment["category_id"] in self.things
            number += bool(counts and not segment.get("iscrowd"))
            label = -1 if segment.get("iscrowd") else number if counts else 0
            table[:, k] = label, segment["category_id"]
        labels, classes = table[:, inverse.reshape(pixels.shape[:2])]
        return labels, classes


def read_coco(
    folder: str | os.PathLike[str],
    split: str = "val2017",
    masks: str = "instances",
    framing: Framing | None = None,
    *,
    stuff: bool = False,
    skip: bool = False,
) -> ImageFolder:
    """Read COCO 2017: ``SPLIT/*.jpg`` and ``annotations/MASKS_SPLIT.json``.

    Labels number the things of an image, 0 is everything else; crowds, and pixels that a panoptic
    image leaves void, are -1. Classes are COCO's category numbers, -1 where void. Instances may
    overlap: the smaller one lies in front. All images are there, also those without any object.

    Parameters
    ----------
    folder : path
        Folder with ``train2017``, ``val2017``, ``annotations`` in it; panoptic PNG files lie in
        ``annotations/panoptic_SPLIT``.
    split : str
        ``"train2017"`` or ``"val2017"`` (5,000 images).
    masks : str
        ``"instances"`` (polygons and run lengths) or ``"panoptic"`` (segments in PNG files).
    framing : Framing or None
        Part and size; None takes all of the image at 256×256.
    stuff : bool
        For panoptic masks: number segments of stuff (sky, grass, ...) as well.
    skip
        As in `ImageFolder`.

    References
    ----------
    Lin et al. (2014), Microsoft COCO, ECCV. Kirillov et al. (2019), Panoptic segmentation, CVPR.
    """
    if masks not in ("instances", "panoptic"):
        raise invalid("masks", 'be "instances" or "panoptic"', repr(masks))
    root, framing = existing_folder(folder), framing or Framing(size=256)
    path = root / "annotations" / f"{masks}_{split}.json"
    content = _json(path)
    try:
        images = sorted(content["images"], key=lambda image: int(image["id"]))
        files = [root / split / image["file_name"] for image in images]
        about = [[] for _ in images] if not content["annotations"] else _by_image(content, images)
    except (KeyError, TypeError, ValueError) as error:
        raise _other(path, f"lacks {error}") from None
    if not files:
        raise invalid("folder", "hold images", f"{str(path)!r}, which names none")
    if masks == "instances":
        return _Instances(files, framing, about, skip=skip)
    return _panoptic(path, content, files, about, framing, stuff=stuff, skip=skip)


def _panoptic(
    path: Path,
    content: dict[str, Any],
    files: list[Path],
    about: list[list[Any]],
    framing: Framing,
    *,
    stuff: bool,
    skip: bool,
) -> ImageFolder:
    missing = [file.name for file, found in zip(files, about, strict=True) if len(found) != 1]
    if missing:
        raise _other(path, f"has no segments, or several, for {missing[0]}")
    things = {kind["id"] for kind in content.get("categories", []) if kind.get("isthing")}
    pairs = [(path.with_suffix("") / one["file_name"], one["segments_info"]) for (one,) in about]
    return _Panoptic(files, framing, pairs, things=things, stuff=stuff, skip=skip)


def _by_image(content: dict[str, Any], images: list[Any]) -> list[list[Any]]:
    """Return the annotations of each image."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for one in content["annotations"]:
        found[one["image_id"]].append(one)
    return [found[image["id"]] for image in images]


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        text = message("folder", "hold the annotations", f"without {str(path)!r}", "unpack them")
        raise FileNotFoundError(text)
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise _other(path, f"is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise _other(path, "holds no object")
    return content


def _other(path: Path, why: str) -> ValueError:
    return invalid("folder", "hold annotations as COCO's", f"{str(path)!r}, which {why}")
