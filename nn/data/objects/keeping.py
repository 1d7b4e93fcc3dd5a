"""Sources of files decoded once, and mapped into memory from then on."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto.nn.data.objects.cache import Layout, made
from kuramoto.nn.data.objects.scenes import NoScenes, Scenes, Source

__all__ = ["kept"]

_CHUNK = 64


def kept(source: Source, cache: str | os.PathLike[str], name: str = "scenes") -> Scenes:
    """Decode all of a source into a cache, or map what is there already.

    Batches from a mapped cache cost a hundredth of what decoding does. Bad files are left out if
    the source leaves them out.

    Parameters
    ----------
    source : Source
        An `ImageFolder` with a size, or any other source.
    cache : path
        Folder of the cache. An image takes H·W·C bytes, 2 more a pixel for labels, 2 for classes.
    name : str
        How the files in the cache are called.

    Raises
    ------
    ValueError
        If a file is bad and the source does not leave it out.
    NoScenes
        If all are left out.
    """
    facts = {"source": source.fingerprint(), "skip": bool(getattr(source, "skip", False))}
    arrays = made(_layout(source), lambda room: _fill(room, source), cache, name, facts)
    count = int(arrays.pop("count")[0])
    return Scenes(**{key: array[:count] for key, array in arrays.items()})


def _layout(source: Source) -> Layout:
    """Return shapes and types for as many scenes as there may be, as the first one has them."""
    first = _first(source)
    parts = {"images": first.images, "labels": first.labels, "classes": first.classes}
    layout: dict[str, tuple[tuple[int, ...], Any]] = {
        key: ((len(source), *part.shape[1:]), part.dtype)
        for key, part in parts.items()
        if part is not None
    }
    return {**layout, "count": ((1,), np.dtype(np.int64))}


def _first(source: Source) -> Scenes:
    for row in range(len(source)):
        try:
            return source.take(np.array([row]))
        except NoScenes:
            continue
    raise NoScenes(f"None of the {len(source)} images can be read.")


def _fill(room: dict[str, Array], source: Source) -> None:
    done = 0
    for start in range(0, len(source), _CHUNK):
        try:
            scenes = source.take(np.arange(start, min(start + _CHUNK, len(source))))
        except NoScenes:
            continue
        for key in room.keys() - {"count"}:
            room[key][done : done + len(scenes)] = getattr(scenes, key)
        done += len(scenes)
    room["count"][0] = done
