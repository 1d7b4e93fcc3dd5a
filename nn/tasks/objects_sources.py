"""Where the scenes of object discovery come from: a name, a split, and how many."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, nearest
from kuramoto.nn.data import objects as data_of
from kuramoto.nn.data.objects import Framing, Scenes, Source

__all__ = ["KINDS", "SPLITS", "Kind", "Wanted", "kind_of", "scenes", "some", "spread"]

SPLITS = ("train", "validation", "test")

# CLEVR with at most six objects: 50,000 scenes of the file for training, 320 for test (Tab. 9).
_CLEVR = {"train": (0, 50_000), "test": (50_000, 320), "validation": (50_320, 1000)}
_CLEVR_OBJECTS = 6
_FILES = {
    "tetrominoes": "tetrominoes_train.tfrecords",
    "multi_dsprites": "multi_dsprites_colored_on_colored.tfrecords",
    "clevr": "clevr_with_masks_train.tfrecords",
}


@dataclass(frozen=True)
class Wanted:
    """Which scenes.

    Parameters
    ----------
    split : {"train", "validation", "test"}
    number
        How many at most, spread evenly over files; 0: all.
    size
        Pixels along an image.
    seed
        Of scenes that are drawn, and of crops.
    data
        Folder or file that the user named.
    skip
        Leave files out that cannot be read.
    """

    split: str = "train"
    number: int = 0
    size: int = 0
    seed: int = 0
    data: Path | None = None
    skip: bool = False


class Kind(NamedTuple):
    """A source: how it is read, pixels along an image, channels, clusters to look for.

    ``resizable`` says whether images of other sizes can be had; ``generated``, that there is
    nothing to read; ``labelled``, that objects are known.
    """

    read: Callable[[Wanted], Source]
    size: int
    channels: int
    clusters: int
    resizable: bool = True
    generated: bool = False
    labelled: bool = True


def scenes(name: str, wanted: Wanted) -> Source:
    """Return scenes of a source.

    What is drawn or decoded once is kept in the folder ``$KURAMOTO_CACHE``, if that is set, and
    mapped into memory from there.

    Parameters
    ----------
    name
        One of `KINDS`.
    wanted
        Which of its scenes.

    Raises
    ------
    ValueError
        If there is no such source or split, or it needs or takes no data.
    FileNotFoundError
        If there are no such data.
    """
    kind = kind_of(name)
    if wanted.split not in SPLITS:
        raise invalid("split", f"be one of {', '.join(SPLITS)}", repr(wanted.split))
    if wanted.size != kind.size and not kind.resizable:
        raise invalid("size", f"be {kind.size}, as images of {name} are", f"{wanted.size}")
    if kind.generated and wanted.data is not None:
        remedy = f", or set source={name}_file" if f"{name}_file" in KINDS else ""
        raise ValueError(f"Source {name} is generated and reads nothing: leave --data out{remedy}.")
    found = kind.read(wanted)
    return spread(found, wanted.number) if wanted.number else found


def kind_of(name: str) -> Kind:
    """Return what is known of a source."""
    if name not in KINDS:
        raise invalid("source", f"be one of {', '.join(KINDS)}", repr(name), nearest(name, KINDS))
    return KINDS[name]


class _Some:
    """Some rows of a source."""

    def __init__(self, source: Source, rows: Array) -> None:
        self.source, self.rows = source, rows

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Array) -> Scenes:
        """Return the scenes of these rows."""
        return self.source.take(self.rows[rows])

    def fingerprint(self) -> str:
        """Return what the source says, and which rows there are."""
        ends = f"{self.rows[0]}-{self.rows[-1]}"
        return f"{self.source.fingerprint()} {len(self.rows)} of {len(self.source)}, {ends}"


def some(source: Source, rows: Array) -> Source:
    """Return a source with some rows of another one."""
    return _Some(source, rows)


def spread(source: Source, number: int) -> Source:
    """Return at most so many rows of a source, spread evenly: files come sorted by class."""
    if number >= len(source):
        return source
    return some(source, np.linspace(0, len(source) - 1, number).round().astype(int))


def _cache() -> str | None:
    return os.environ.get("KURAMOTO_CACHE")


def _place(wanted: Wanted, name: str) -> Path:
    """Return where data lie: what was named, or ``$KURAMOTO_DATA``; a folder NAME inside it."""
    given = wanted.data or os.environ.get("KURAMOTO_DATA")
    if given is None:
        raise FileNotFoundError(
            f"Source {name} reads files: pass --data, the folder with them, or set KURAMOTO_DATA."
        )
    inner = Path(given) / name
    return inner if inner.is_dir() else Path(given)


def _stretch(name: str, wanted: Wanted) -> tuple[int, int]:
    """Return the first of a generated or published sequence, and how many."""
    splits = data_of.SPLITS[name]
    if wanted.split in splits:
        first, n = splits[wanted.split]
    else:  # where nothing is published for validation, it follows the test
        first, n = sum(splits["test"]), 1000
    return first, min(wanted.number or n, n)


def _generated(name: str, wanted: Wanted) -> Scenes:
    makers: dict[str, Callable[..., Scenes]] = {
        "shapes": data_of.shapes,
        "tetrominoes": data_of.tetrominoes,
        "multi_dsprites": data_of.multi_dsprites,
    }
    first, n = _stretch(name, wanted)
    return makers[name](n, wanted.seed, first=first, cache=_cache())


def _record_file(name: str, wanted: Wanted) -> Path:
    place = _place(wanted, name)
    return place / _FILES[name] if place.is_dir() else place


def _records(name: str, wanted: Wanted) -> Scenes:
    first, n = _stretch(name, wanted)
    file = _record_file(name, wanted)
    return data_of.read_multi_objects(file, name, first=first, n=n, cache=_cache())


def _clevr(wanted: Wanted) -> Source:
    """Return scenes of at most six objects; the file has up to ten."""
    framing = Framing(crop=192, size=wanted.size)
    file = _record_file("clevr", wanted)
    found = data_of.read_multi_objects(file, "clevr", framing=framing, cache=_cache())
    labels = found.labels
    assert labels is not None
    few = np.array([label.max() <= _CLEVR_OBJECTS for label in labels])
    first, n = _CLEVR[wanted.split]
    rows = np.flatnonzero(few)[first : first + n]
    if not len(rows):
        must = f"hold more than {first} scenes of at most {_CLEVR_OBJECTS} objects"
        raise invalid("data", must, f"{str(file)!r}, which holds {few.sum()}")
    return some(found, rows)


def _kept(source: Source, name: str) -> Source:
    """Return a folder's scenes decoded, if there is a place to keep them in."""
    cache = _cache()
    return source if cache is None else data_of.kept(source, cache, name)


def _clevrtex(variant: str, wanted: Wanted) -> Source:
    framing = Framing(crop=0.8, size=wanted.size)
    place = _place(wanted, "clevrtex")
    read = data_of.read_clevrtex(place, variant, wanted.split, framing, skip=wanted.skip)
    return _kept(read, f"clevrtex_{variant}_{wanted.split}")


def _imagenet(wanted: Wanted) -> Source:
    split = "train" if wanted.split == "train" else "val"
    framing = Framing(crop=1.0, size=wanted.size)
    place = _place(wanted, "imagenet")
    return data_of.read_imagenet(place, split, framing, skip=wanted.skip)


def _voc(wanted: Wanted) -> Source:
    split = "train" if wanted.split == "train" else "val"
    place, framing = _place(wanted, "voc"), Framing(size=wanted.size)
    return _kept(data_of.read_voc(place, split, framing, skip=wanted.skip), f"voc_{split}")


def _coco(wanted: Wanted) -> Source:
    split = "train2017" if wanted.split == "train" else "val2017"
    place, framing = _place(wanted, "coco"), Framing(size=wanted.size)
    read = data_of.read_coco(place, split, framing=framing, skip=wanted.skip)
    return _kept(read, f"coco_{split}")


def _nuclei(wanted: Wanted) -> Source:
    """Return random crops."""
    number = wanted.number or {"train": 20_000, "validation": 100, "test": 320}[wanted.split]
    return data_of.read_nuclei(
        _place(wanted, "nuclei"),
        number,
        wanted.split,
        crop=wanted.size,
        seed=wanted.seed,
        objects=(2, 20),
        smallest=20,
    )


def _folder(channels: int, wanted: Wanted) -> Source:
    """Return any images: the last tenth of them, at most 1,000, is held out."""
    place = _place(wanted, "images")
    framing = Framing(crop=1.0, size=wanted.size, channels=channels)
    read = data_of.read_folder(place, framing, skip=wanted.skip, draft=True)
    found = _kept(read, f"images_{place.name}")
    # An image alone has no other to be told from.
    held = min(max(len(found) // 10, 2), 1000)
    if len(found) < 4:
        raise invalid("data", "hold four images or more", f"{str(place)!r}, with {len(found)}")
    cut = len(found) - held
    return some(found, np.arange(cut) if wanted.split == "train" else np.arange(cut, len(found)))


def _fixed(name: str, size: int, channels: int, clusters: int) -> Kind:
    read = partial(_generated, name)
    return Kind(read, size, channels, clusters, resizable=False, generated=True)


KINDS: dict[str, Kind] = {
    "shapes": _fixed("shapes", 40, 1, 5),
    "tetrominoes": _fixed("tetrominoes", 32, 3, 4),
    "multi_dsprites": _fixed("multi_dsprites", 64, 3, 7),
    "tetrominoes_file": Kind(partial(_records, "tetrominoes"), 32, 3, 4, resizable=False),
    "multi_dsprites_file": Kind(partial(_records, "multi_dsprites"), 64, 3, 7, resizable=False),
    "clevr": Kind(_clevr, 128, 3, 11),
    "clevrtex": Kind(partial(_clevrtex, "full"), 128, 3, 11),
    "clevrtex_ood": Kind(partial(_clevrtex, "outd"), 128, 3, 11),
    "clevrtex_camo": Kind(partial(_clevrtex, "camo"), 128, 3, 11),
    "imagenet": Kind(_imagenet, 256, 3, 7, labelled=False),
    "voc": Kind(_voc, 256, 3, 4),
    "coco": Kind(_coco, 256, 3, 7),
    "nuclei": Kind(_nuclei, 64, 1, 8),
    "images": Kind(partial(_folder, 3), 64, 3, 5, labelled=False),
    "gray_images": Kind(partial(_folder, 1), 64, 1, 5, labelled=False),
}
"""All sources by name; sizes and numbers of clusters are the paper's where it has the source."""
