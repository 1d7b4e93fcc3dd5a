"""Batches that follow from seed and step, made ahead while the one before is being used."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, whole_number
from kuramoto.nn.data.objects.scenes import NoScenes, Scenes, Source
from kuramoto.nn.seeds import epoch_order

__all__ = ["Batches", "batch"]


def batch(source: Source, step: int, size: int, seed: int) -> Scenes:
    """Return the scenes of a step: epochs, each in a random order of its own.

    Which scenes they are follows from `seed` and `step` only, so that a training may go on
    anywhere. As many scenes as fill no batch are left over at the end of an epoch. Where a source
    leaves out bad files, those that come next in the order take their place.

    Parameters
    ----------
    source : Source
        `Scenes`, or a folder of images.
    step : int
        Step, counted from 0.
    size : int
        B, how many scenes.
    seed : int
        Seed of the orders.

    Examples
    --------
    >>> from kuramoto.nn.data.objects import shapes
    >>> scenes = shapes(10)
    >>> batch(scenes, 7, 4, seed=0).images.shape
    (4, 40, 40, 1)
    """
    size, step = whole_number("size", size, least=1), whole_number("step", step)
    steps = len(source) // size
    if not steps:
        raise invalid("size", "be at most the number of images", f"{size}, of {len(source)} images")
    order = epoch_order(len(source), whole_number("seed", seed), step // steps)
    first, tried, found = step % steps * size, 0, None
    while found is None or len(found) < size:
        missing = size - (0 if found is None else len(found))
        if tried + missing > len(order):
            raise invalid("source", f"hold {size} images that can be read", "has fewer")
        rows = order[(first + np.arange(tried, tried + missing)) % len(order)]
        found, tried = _joined(found, _taken(source, rows)), tried + missing
    return found


def _taken(source: Source, rows: Array) -> Scenes | None:
    """Return what can be read of these rows, or None."""
    try:
        return source.take(rows)
    except NoScenes:
        return None


def _joined(one: Scenes | None, other: Scenes | None) -> Scenes | None:
    if one is None or other is None:
        return other if one is None else one
    pairs = zip(*((s.images, s.labels, s.classes) for s in (one, other)), strict=True)
    return Scenes(*(None if a is None or b is None else np.concatenate([a, b]) for a, b in pairs))


class Batches:
    """The batches of a source, those to come prepared in the background.

    Asking for step s starts on the steps after s; asking for another one, after a resume, only
    costs the wait. What comes out is what `batch` returns.

    Parameters
    ----------
    source : Source
        `Scenes`, or a folder of images.
    size : int
        B, how many scenes.
    seed : int
        Seed of the orders.
    ahead : int
        Batches to prepare; 0 prepares none.

    Examples
    --------
    >>> from kuramoto.nn.data.objects import shapes
    >>> with Batches(shapes(10), 4) as batches:
    ...     batches(0).images.shape
    (4, 40, 40, 1)
    """

    def __init__(self, source: Source, size: int, seed: int = 0, *, ahead: int = 2) -> None:
        self.source, self.size = source, whole_number("size", size, least=1)
        self.seed, self.ahead = whole_number("seed", seed), whole_number("ahead", ahead)
        self._waiting: dict[int, Future[Scenes]] = {}
        self._worker: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def __call__(self, step: int) -> Scenes:
        """Return the scenes of a step."""
        if not self.ahead:
            return batch(self.source, step, self.size, self.seed)
        with self._lock:
            wanted = range(step, step + self.ahead + 1)
            for old in [known for known in self._waiting if known not in wanted]:
                self._waiting.pop(old).cancel()
            for new in wanted:
                if new not in self._waiting:
                    self._waiting[new] = self._start(new)
            future = self._waiting.pop(step)
        return future.result()

    def _start(self, step: int) -> Future[Scenes]:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "batches")
        return self._worker.submit(batch, self.source, step, self.size, self.seed)

    def close(self) -> None:
        """Stop the background work."""
        with self._lock:
            self._waiting.clear()
            if self._worker is not None:
                self._worker.shutdown(wait=True, cancel_futures=True)
            self._worker = None

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
