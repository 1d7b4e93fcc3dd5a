"""How well clusters of features find the objects of images, for any extractor of features."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kuramoto._backend import Array, to_numpy
from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto._outputs import require_free
from kuramoto.nn import clustering, layout
from kuramoto.nn.data.objects import NoScenes, Scenes
from kuramoto.nn.metrics import average
from kuramoto.nn.tasks.objects_report import Report
from kuramoto.nn.tasks.objects_scores import METHODS, How, Scores, score
from kuramoto.nn.training.files import write_whole
from kuramoto.nn.uptiling import uptile

if TYPE_CHECKING:
    from kuramoto.nn.data.objects import Source

__all__ = ["METHODS", "Report", "evaluate", "segment"]


def evaluate(
    extract: Callable[[Any], Any],
    scenes: Source | tuple[Array, ...],
    clusters: int,
    *,
    sweep: Sequence[int] = (),
    method: str = "average",
    components: int | None = None,
    up_tile: int = 1,
    patch_size: int | None = None,
    interpolation: str = "bilinear",
    batch: int = 32,
    device: Any = "cpu",
    processes: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Report:
    """Cluster the features of images, and score the clusters against the objects.

    Parameters
    ----------
    extract : callable
        Images [B, C, H, W], float32 in 0 ... 1, to features [B, C', h, w]: ``net.features``, or
        any other network's, wrapped with the normalisation that it wants. It has to be in
        evaluation mode.
    scenes : Source, or tuple of arrays
        Scenes with labels; or images uint8 (n, H, W, C), labels (n, H, W) and, if there are any,
        classes (n, H, W). −1 is ignored, 0 is background.
    clusters
        Of an image, background and all.
    sweep
        Other numbers of clusters to score by the way.
    method : {"average", "k-means"}
        Average linkage or K-means (`kuramoto.nn.clustering`).
    components
        Main components of an image's features to cluster; default: the features themselves.
    up_tile, patch_size, interpolation
        Scale of up-tiling, and what it has to know (`kuramoto.nn.uptiling.uptile`).
    batch
        Images at once. An extractor that draws random numbers can depend on it.
    device
        Where images are put before they are given to `extract`.
    processes
        Processes that cluster, beside this one; default: none. Start Python with
        ``OMP_NUM_THREADS=1``, and begin the script with ``if __name__ == "__main__":``.
    seed
        Of K-means.
    out
        File to write the report to, as JSON.
    overwrite
        Replace the file.
    progress
        Show a bar.

    Returns
    -------
    Report
        It does not depend on `processes`.

    Raises
    ------
    ValueError
        If scenes have no labels, there are fewer places than clusters, or a choice is unknown.
    FileExistsError
        If there is such a report.

    Examples
    --------
    >>> labels = np.zeros((1, 8, 8), np.int8)
    >>> labels[:, :4, :4] = 1
    >>> images = 255 * labels[..., None].astype(np.uint8)
    >>> report = evaluate(torch.nn.AvgPool2d(2), (images, labels), clusters=2)
    >>> report.fg_ari, report.mbo_i
    (1.0, 1.0)
    """
    how = How(clusters, (*sweep,), method, components, up_tile, patch_size, interpolation, seed)
    file = None if out is None else Path(out)
    if file is not None:
        require_free(file, overwrite)
    source, began = as_source(scenes), time.perf_counter()
    batch = whole_number("batch", batch, least=1)
    found: list[Scores] = []
    with _pool(processes) as workers, _bar(len(source), progress) as bar:
        for scores in _scored(extract, source, how, batch, device, workers):
            found += scores
            bar.update(len(scores))
            so_far = average([image["fg_ari"][how.asked] for image in found])
            bar.set_postfix({"FG-ARI": f"{100 * so_far:.1f} %"}, refresh=False)
    if not found:
        raise invalid("scenes", "hold at least one image", "holds none")
    report = _report(found, how, batch, len(source), time.perf_counter() - began)
    if file is not None:
        write_whole(file, report.to_json().encode(), overwrite=overwrite)
    return report


@torch.no_grad()
def segment(
    extract: Callable[[Any], Any],
    images: Array,
    clusters: int,
    *,
    method: str = "average",
    components: int | None = None,
    up_tile: int = 1,
    patch_size: int | None = None,
    interpolation: str = "bilinear",
    device: Any = "cpu",
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the clusters of images, at the images' size, and the features that they come from.

    Parameters
    ----------
    images : array of uint8, shape (n, H, W, C)
        Computed all at once.
    extract, clusters, method, components, up_tile, patch_size, interpolation, device, seed
        As for `evaluate`.

    Returns
    -------
    labels : array of int64, shape (n, H, W)
        0, 1, ... from the largest cluster to the smallest.
    features : array, shape (n, C', h, w)

    Examples
    --------
    >>> images = np.zeros((1, 4, 4, 1), np.uint8)
    >>> images[:, :, 2:] = 255
    >>> segment(torch.nn.AvgPool2d(2), images, 2)[0][0, 0]
    array([0, 0, 1, 1])
    """
    how = How(clusters, (), method, components, up_tile, patch_size, interpolation, seed)
    features = _features(how, extract, images, device)
    return clustering.enlarge(how.cluster(features)[0], images.shape[1:3]), features


def as_source(scenes: Source | tuple[Array, ...]) -> Source:
    """Return scenes with labels, also of plain arrays."""
    if isinstance(scenes, tuple):
        if not 2 <= len(scenes) <= 3:
            must = "be scenes, or a tuple (images, labels) or (images, labels, classes)"
            raise invalid("scenes", must, f"has {len(scenes)} entries")
        return Scenes(*(None if part is None else np.asarray(part) for part in scenes))
    if not hasattr(scenes, "fingerprint"):
        must = "be scenes, or a tuple (images, labels) or (images, labels, classes)"
        raise wrong_type("scenes", must, scenes)
    return scenes


def _features(how: How, extract: Callable[[Any], Any], images: Array, device: Any) -> np.ndarray:
    """Return features (B, C, h, w) of images uint8 (B, H, W, C)."""
    pixels = layout.pixels(torch.from_numpy(np.ascontiguousarray(images)).to(device))
    if how.up_tile == 1:
        return to_numpy(extract(pixels))
    look = {"interpolation": how.interpolation}
    return to_numpy(uptile(extract, pixels, how.up_tile, how.patch_size or 1, **look))


def _scored(
    extract: Callable[[Any], Any],
    source: Source,
    how: How,
    batch: int,
    device: Any,
    workers: Executor | None,
) -> Iterator[list[Scores]]:
    """Yield the scores of each image, batch by batch, in order.

    With workers, features of the next batch are computed while the last one is clustered.
    """
    waiting: deque[list[Future[Scores]]] = deque()
    for first in range(0, len(source), batch):
        rows = np.arange(first, min(first + batch, len(source)))
        jobs = _jobs(extract, source, rows, how, device)
        if workers is None:
            yield [job() for job in jobs]
            continue
        waiting.append([workers.submit(job) for job in jobs])
        if len(waiting) > 1:
            yield [done.result() for done in waiting.popleft()]
    for last in waiting:
        yield [done.result() for done in last]


@torch.no_grad()
def _jobs(
    extract: Callable[[Any], Any], source: Source, rows: np.ndarray, how: How, device: Any
) -> list[Callable[[], Scores]]:
    """Return what is left to do for each image, once there are features."""
    try:
        scenes = source.take(rows)
    except NoScenes:
        return []
    if scenes.labels is None:
        raise invalid("scenes", "have labels to be scored against", "has none")
    features = _features(how, extract, scenes.images, device)
    if features.ndim != 4 or len(features) != len(scenes):
        must = f"return features [{len(scenes)}, C, h, w]"
        raise invalid("extract", must, f"it returns {features.shape}")
    truths = [scenes.labels] if scenes.classes is None else [scenes.labels, scenes.classes]
    return [partial(score, how, *row) for row in zip(features, *truths, strict=True)]


def _pool(processes: int | None) -> AbstractContextManager[Executor | None]:
    if processes is None:
        return nullcontext()
    number = whole_number("processes", processes, least=1)
    # A process that is forked while torch computes can wait for a lock for ever.
    return ProcessPoolExecutor(number, mp_context=get_context("spawn"))


def _bar(images: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=images, unit="image", disable=not progress)


def _report(found: list[Scores], how: How, batch: int, asked: int, seconds: float) -> Report:
    """Return the report on the scores (K,) of each image."""
    scores = {name: np.stack([image[name] for image in found]) for name in found[0]}
    rows = (
        {"clusters": number, **{name: average(scores[name][:, row]) for name in scores}}
        for row, number in enumerate(how.numbers)
    )
    return Report(
        images=len(found),
        left_out=asked - len(found),
        scores={name: tuple(values[:, how.asked].tolist()) for name, values in scores.items()},
        sweep=tuple(rows),
        settings=how.settings() | {"batch": batch},
        seconds=seconds,
    )
