"""The multi-object data sets that are published as TFRecords: Tetrominoes, dSprites, CLEVR."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, nearest, whole_number
from kuramoto._graph_files import existing_file
from kuramoto.nn.data.objects.cache import made
from kuramoto.nn.data.objects.framing import Framing, pillow
from kuramoto.nn.data.objects.scenes import Scenes
from kuramoto.nn.data.objects.tfrecords import parse_example, read_records

__all__ = ["read_multi_objects"]


class _Kind(NamedTuple):
    """Size of the images in the file, where the masks' entities stand, what part is usual."""

    height: int
    width: int
    entities_last: bool
    framing: Framing


_KINDS = {
    "tetrominoes": _Kind(35, 35, False, Framing(crop=32)),
    "multi_dsprites": _Kind(64, 64, True, Framing()),
    "clevr": _Kind(240, 320, False, Framing(crop=192, size=128)),
}


def read_multi_objects(
    path: str | os.PathLike[str],
    kind: str,
    *,
    first: int = 0,
    n: int | None = None,
    framing: Framing | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Scenes:
    """Read images and masks of the published TFRecord files, without TensorFlow.

    ==================  ================================================  ======================
    kind                file                                              framing, if None
    ==================  ================================================  ======================
    ``tetrominoes``     ``tetrominoes_train.tfrecords``, 35×35            middle 32×32
    ``multi_dsprites``  ``multi_dsprites_*.tfrecords``, 64×64, all three  as it is
    ``clevr``           ``clevr_with_masks_train.tfrecords``, 240×320     middle 192×192 → 128×128
    ==================  ================================================  ======================

    Labels count the masks: 0 is the first, background. An object that is hidden has no pixels.

    Parameters
    ----------
    path : path
        TFRecord file, compressed by gzip as published, or not.
    kind : str
        Which data set.
    first : int
        Records to leave out at the beginning. They have to be read all the same.
    n : int or None
        How many records to take; None takes all that are left, and reads the file once more to
        count them.
    framing : Framing or None
        Part and size.
    cache : path or None
        Folder to keep what was read in, as arrays that are mapped into memory.

    Returns
    -------
    Scenes
        Images uint8 (n, H, W, C), labels int16 (n, H, W).

    Raises
    ------
    ValueError
        If a record is damaged or does not fit the kind (file and record are named), or there are
        too few.

    References
    ----------
    Kabra et al. (2019), Multi-object datasets, github.com/deepmind/multi-object-datasets.
    """
    if kind not in _KINDS:
        raise invalid("kind", f"be one of {', '.join(_KINDS)}", repr(kind), nearest(kind, _KINDS))
    file, start = existing_file(path), whole_number("first", first)
    chosen = framing or _KINDS[kind].framing
    count = _left(file, start) if n is None else whole_number("n", n, least=1)
    channels = _channels(file, kind)
    chosen = dataclasses.replace(chosen, channels=channels)
    rows, columns = chosen.shape(_KINDS[kind].height, _KINDS[kind].width)
    layout = {
        "images": ((count, rows, columns, channels), np.uint8),
        "labels": ((count, rows, columns), np.int16),
    }

    def fill(arrays: dict[str, Array]) -> None:
        done = 0
        for image, labels in _scenes(file, kind, start, count):
            arrays["images"][done] = chosen.image(pillow().Image.fromarray(image.squeeze()))
            arrays["labels"][done] = chosen.labels(labels)
            done += 1
        if done < count:
            must = f"hold {start + count} records"
            raise invalid("path", must, f"{str(file)!r}, which holds {start + done}")

    status = file.stat()
    facts = {
        "file": [file.name, status.st_size, status.st_mtime_ns],
        "first": start,
        "framing": dataclasses.asdict(chosen),
    }
    return Scenes(**made(layout, fill, cache, kind, facts))


def _left(file: os.PathLike[str], start: int) -> int:
    total = sum(1 for _ in read_records(file))
    if total <= start:
        raise invalid("path", f"hold more than {start} records", f"{str(file)!r} holds {total}")
    return total - start


def _channels(file: os.PathLike[str], kind: str) -> int:
    """Return 1 or 3, from the first record."""
    for image, _ in _scenes(file, kind, 0, 1):
        return int(image.shape[2])
    raise invalid("path", "hold records", f"{str(file)!r}, which holds none")


def _scenes(
    file: os.PathLike[str], kind: str, start: int, count: int
) -> Iterator[tuple[Array, Array]]:
    """Yield images (H, W, C) and labels (H, W) as they stand in the file."""
    for number, record in enumerate(read_records(file)):
        if number >= start + count:
            return
        if number >= start:
            try:
                yield _scene(record, _KINDS[kind])
            except ValueError as error:
                must = f"hold {kind} as published"
                found = f"{str(file)!r}, of which record {number} is other: {error}"
                raise invalid("path", must, found) from None


def _scene(record: bytes, kind: _Kind) -> tuple[Array, Array]:
    features = parse_example(record)
    missing = {"image", "mask"} - features.keys()
    if missing:
        raise ValueError(f"it has no {', '.join(sorted(missing))}")
    image, mask = (np.frombuffer(features[name].raw, np.uint8) for name in ("image", "mask"))
    pixels = kind.height * kind.width
    if len(image) not in (pixels, 3 * pixels):
        raise ValueError(f"its image of {len(image)} bytes is not {kind.height}×{kind.width}")
    if not len(mask) or len(mask) % pixels:
        raise ValueError(f"its masks of {len(mask)} bytes are not {kind.height}×{kind.width}")
    shape = (kind.height, kind.width)
    masks = mask.reshape(*shape, -1) if kind.entities_last else mask.reshape(-1, *shape)
    labels = masks.argmax(axis=2 if kind.entities_last else 0)
    return image.reshape(*shape, -1), labels
