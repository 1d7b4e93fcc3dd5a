"""Published data sets of images with masks beside them: CLEVRTex and PASCAL VOC 2012."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message, nearest
from kuramoto.nn.data.objects.folders import ImageFolder, existing_folder, files_below, index_image
from kuramoto.nn.data.objects.framing import Framing

__all__ = ["read_clevrtex", "read_voc"]

_VARIANTS = ("full", "outd", "camo", "pbg", "vbg", "grassbg")
_PARTS = {"test": (0.0, 0.1), "validation": (0.1, 0.2), "train": (0.2, 1.0), "all": (0.0, 1.0)}


class MaskedFolder(ImageFolder):
    """Images with a file of instances each, and perhaps one of classes.

    Parameters
    ----------
    files, framing, **options
        As in `ImageFolder`.
    instances : sequence of Path
        An image of labels for each.
    classes : sequence of Path or None
        An image of classes for each.
    void : int or None
        The number that says a pixel is to be ignored, in both.
    """

    def __init__(
        self,
        files: Sequence[Path],
        framing: Framing,
        instances: Sequence[Path],
        classes: Sequence[Path] | None = None,
        *,
        void: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(files, framing, **options)
        self.void = void
        self.instances, self.classes = list(instances), None if classes is None else list(classes)

    def masks(self, row: int, shape: tuple[int, int]) -> tuple[Array | None, Array | None]:
        """Return labels and classes of an image, in its file's size."""
        classes = None if self.classes is None else self._read(self.classes[row], shape)
        return self._read(self.instances[row], shape), classes

    def _read(self, path: Path, shape: tuple[int, int]) -> Array:
        """Return the numbers in a file, those that mean void as -1."""
        labels = index_image(path)
        if labels.shape != shape:
            sizes = [f"{height}×{width}" for height, width in (labels.shape, shape)]
            found = f"{sizes[0]} in {str(path)!r}, of {sizes[1]}"
            raise invalid("masks", "be as large as their image", found)
        return labels if self.void is None else np.where(labels == self.void, -1, labels)

    def _paths(self) -> list[Path]:
        return self.files + self.instances + (self.classes or [])

    def _keep(self, rows: list[int]) -> None:
        super()._keep(rows)
        self.instances = [self.instances[row] for row in rows]
        if self.classes is not None:
            self.classes = [self.classes[row] for row in rows]


def read_clevrtex(
    folder: str | os.PathLike[str],
    variant: str = "full",
    split: str = "train",
    framing: Framing | None = None,
    *,
    skip: bool = False,
) -> ImageFolder:
    """Read CLEVRTex or one of its variants: OOD (``outd``), CAMO (``camo``), ...

    Images ``CLEVRTEX_VARIANT_000000.png`` of 240×320 pixels lie anywhere below the folder, each
    beside its masks ``..._flat.png``, in which a pixel holds the number of its object. As in the
    published evaluation the first tenth by number is for test, the second for validation, and the
    OOD set has no splits; the middle 192×192 pixels are brought to 128×128.

    Parameters
    ----------
    folder : path
        Folder with the images below it, or with ``clevrtex_VARIANT`` in it.
    variant : str
        ``"full"``, ``"outd"``, ``"camo"``, ``"pbg"``, ``"vbg"`` or ``"grassbg"``.
    split : str
        ``"train"``, ``"validation"``, ``"test"`` or ``"all"``; ``outd`` is always whole.
    framing : Framing or None
        Part and size; None takes the middle as published.
    skip
        As in `ImageFolder`.

    References
    ----------
    Karazija, Laina & Rupprecht (2021), ClevrTex, NeurIPS datasets and benchmarks.
    """
    if variant not in _VARIANTS:
        must = f"be one of {', '.join(_VARIANTS)}"
        raise invalid("variant", must, repr(variant), nearest(variant, _VARIANTS))
    if split not in _PARTS:
        raise invalid("split", f"be one of {', '.join(_PARTS)}", repr(split))
    root = existing_folder(folder)
    inner = root / f"clevrtex_{variant}"
    pattern = re.compile(rf"CLEVRTEX_{variant}_(\d{{6}})\.png")
    found = files_below(inner if inner.is_dir() else root)
    images = sorted(
        (path for path in found if pattern.fullmatch(path.name)), key=lambda path: path.name
    )
    if not images:
        must = f"hold images CLEVRTEX_{variant}_000000.png, ..."
        raise invalid("folder", must, f"{str(root)!r}, which holds none")
    start, stop = (
        int(part * len(images)) for part in _PARTS["all" if variant == "outd" else split]
    )
    chosen = images[start:stop]
    if not chosen:
        raise invalid("split", f"be large enough with {len(images)} images", repr(split))
    masks = [path.with_name(f"{path.stem}_flat.png") for path in chosen]
    return MaskedFolder(chosen, framing or Framing(crop=0.8, size=128), masks, skip=skip)


def read_voc(
    folder: str | os.PathLike[str],
    split: str = "val",
    framing: Framing | None = None,
    *,
    skip: bool = False,
) -> ImageFolder:
    """Read the segmentation set of PASCAL VOC 2012, instances and classes; void is -1.

    Parameters
    ----------
    folder : path
        ``VOCdevkit/VOC2012``, or a folder with that in it.
    split : str
        A list in ``ImageSets/Segmentation``: ``"train"``, ``"val"`` (1,449 images), ``"trainval"``.
    framing : Framing or None
        Part and size; None takes all of the image at 256×256.
    skip
        As in `ImageFolder`.

    References
    ----------
    Everingham et al. (2015), The PASCAL visual object classes challenge: a retrospective, IJCV 111.
    """
    root = existing_folder(folder)
    inner = (root, root / "VOC2012", root / "VOCdevkit" / "VOC2012")
    root = next((place for place in inner if (place / "ImageSets").is_dir()), root)
    names = _listed(root / "ImageSets" / "Segmentation" / f"{split}.txt")
    images, instances, classes = (
        [root / part / f"{name}{ending}" for name in names]
        for part, ending in (
            ("JPEGImages", ".jpg"),
            ("SegmentationObject", ".png"),
            ("SegmentationClass", ".png"),
        )
    )
    return MaskedFolder(
        images, framing or Framing(size=256), instances, classes, void=255, skip=skip
    )


def _listed(path: Path) -> list[str]:
    if not path.is_file():
        text = message("split", "name a list", f"{path.stem!r}, and there is no {str(path)!r}")
        raise FileNotFoundError(text)
    names = path.read_text().split()
    if not names:
        raise invalid("split", "name a list of images", f"{path.stem!r}: {str(path)!r} is empty")
    return names
