"""How well clusters of pixels agree with object masks: FG-ARI, ARI and mean best overlap.

Masks and clusters are whole numbers (*batch, H, W). In masks, 0 is background, −1 is ignored and
every other number is one object; a cluster's number is only a name. NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kuramoto._backend import Array, to_numpy
from kuramoto._check import invalid, message, nearest

__all__ = [
    "OVER",
    "Contingency",
    "adjusted_rand_index",
    "average",
    "foreground_ari",
    "mean_best_overlap",
]

OVER = ("objects", "clusters")
"""What mean best overlap may be averaged over."""

# Counted at once: pixels, and cells of tables.
_MOST_PIXELS = 1 << 18
_MOST_CELLS = 1 << 22
_MOST_LABELS = 1 << 10  # of a mask: numbers in a wider range are renumbered


def foreground_ari(truth: Array, clusters: Array, *, empty: float = np.nan) -> np.ndarray:
    """Return the adjusted Rand index of each image over the pixels of objects: FG-ARI.

    What clusters do in the background costs nothing. An image with one object has 1 if all of it
    lies in one cluster, and 0 if it does not.

    Parameters
    ----------
    truth, clusters : array of integers, shape (*batch, H, W)
        Masks: −1 ignored, 0 background. The batches are broadcast.
    empty
        Value of an image without a pixel of an object, where the index means nothing. By default
        NaN, which `average` leaves out; the reference program of the paper counts 1.

    Returns
    -------
    array, shape (*batch,)
        At most 1; 0 is expected of clusters drawn by chance.

    Raises
    ------
    ValueError
        If the sizes differ or a mask is below −1.
    TypeError
        If an argument holds no integers.

    References
    ----------
    Hubert & Arabie (1985), Comparing partitions, eq. 5. Greff et al. (2019), Multi-object
    representation learning with iterative variational inference, 3.

    Examples
    --------
    >>> truth = np.array([[0, 0, 1, 1], [0, 2, 2, -1]])
    >>> clusters = np.array([[5, 5, 5, 5], [3, 3, 3, 3]])
    >>> float(foreground_ari(truth, clusters))
    1.0
    """
    return Contingency.of(truth, clusters).foreground_ari(empty)


def adjusted_rand_index(truth: Array, clusters: Array) -> np.ndarray:
    """Return the adjusted Rand index of each image, the background being one more object.

    Parameters
    ----------
    truth, clusters : array of integers, shape (*batch, H, W)
        As for `foreground_ari`; ignored pixels are left out.

    Returns
    -------
    array, shape (*batch,)
        NaN where all pixels are ignored.

    References
    ----------
    Hubert & Arabie (1985), Comparing partitions, eq. 5.

    Examples
    --------
    >>> float(adjusted_rand_index([[0, 0, 1, 1]], [[0, 0, 1, 2]]).round(4))
    0.5714
    """
    return Contingency.of(truth, clusters).adjusted_rand_index()


def mean_best_overlap(
    truth: Array, clusters: Array, *, over: str = "objects", empty: float = np.nan
) -> np.ndarray:
    """Return the mean best overlap of each image: intersection over union of pairs, averaged.

    Masks of instances give MBO_i, masks of classes (0 background) MBO_c.

    Parameters
    ----------
    truth, clusters : array of integers, shape (*batch, H, W)
        As for `foreground_ari`. Ignored pixels are in no intersection and no union.
    over : {"objects", "clusters"}
        "objects": each object is paired with the cluster that overlaps it best, and the mean is
        over objects; so the literature and the reference program of the paper have it.
        "clusters": each cluster is paired with the mask that it overlaps best, and the mean is over
        clusters; so the text of the paper reads (C.1.1). Clusters that overlap the background best
        are left out, and 0 remains if there is no other.
    empty
        Value of an image without objects.

    Returns
    -------
    array, shape (*batch,)
        Between 0 and 1.

    Raises
    ------
    ValueError, TypeError
        As for `foreground_ari`.

    References
    ----------
    Pont-Tuset, Arbeláez, Barron, Marques & Malik (2017), Multiscale combinatorial grouping, 5.2.

    Examples
    --------
    >>> truth, clusters = [[0, 0, 1, 1]], [[7, 7, 7, 8]]
    >>> [float(mean_best_overlap(truth, clusters, over=way)) for way in OVER]
    [0.5, 0.5]
    """
    return Contingency.of(truth, clusters).mean_best_overlap(over, empty)


def average(scores: Array) -> float:
    """Return the mean of the scores that are numbers; NaN if none is.

    Examples
    --------
    >>> average([0.5, np.nan, 1.0])
    0.75
    """
    scores = np.asarray(scores, dtype=np.float64)
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")


@dataclass(frozen=True)
class Contingency:
    """How many pixels each object shares with each cluster: all that the metrics ask.

    Attributes
    ----------
    counts : array of int64, shape (*batch, G, K)
        Row 0 is the background, the others are the objects in the order of their numbers; columns
        are clusters in theirs. They are those of the whole batch, and some may be zero. Ignored
        pixels are left out.

    Examples
    --------
    >>> Contingency.of([[0, 0, 1, -1]], [[0, 1, 1, 1]]).counts
    array([[1, 1],
           [0, 1]])
    """

    counts: np.ndarray

    @classmethod
    def of(cls, truth: Array, clusters: Array) -> Contingency:
        """Count the pixels of masks and clusters, (*batch, H, W) each."""
        truth, clusters = _labels("truth", truth), _labels("clusters", clusters)
        if truth.size and truth.min() < -1:
            must = "hold -1 for ignored pixels, 0 for background and numbers of objects above"
            raise invalid("truth", must, f"holds {truth.min()}")
        batch = _common_batch(truth, clusters)
        truth, least, G = _close_together(truth, (-1, 0))
        clusters, first, K = _close_together(clusters, ())
        flat = (np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in (truth, clusters))
        rows, columns = (a.reshape(-1, a.shape[-2] * a.shape[-1]) for a in flat)
        counts = _count(rows, columns, (least, first), (G, K))
        return cls(counts[:, 1:].reshape(*batch, G - 1, K))

    def overlaps(self) -> np.ndarray:
        """Return intersection over union of each row with each column, (*batch, G, K)."""
        objects = self.counts.sum(axis=-1, keepdims=True)
        union = objects + self.counts.sum(axis=-2, keepdims=True) - self.counts
        return np.asarray(self.counts / np.maximum(union, 1))

    def adjusted_rand_index(self) -> np.ndarray:
        """Return the index of all rows, (*batch,); NaN where nothing was counted."""
        return _adjusted_rand_index(self.counts, np.nan)

    def foreground_ari(self, empty: float = np.nan) -> np.ndarray:
        """Return the index of the objects' rows, (*batch,)."""
        return _adjusted_rand_index(self.counts[..., 1:, :], empty)

    def mean_best_overlap(self, over: str = "objects", empty: float = np.nan) -> np.ndarray:
        """Return the mean best overlap over objects or over clusters, (*batch,)."""
        if over not in OVER:
            raise invalid("over", f"be one of {', '.join(OVER)}", repr(over), nearest(over, OVER))
        overlaps, there = self.overlaps(), self.counts[..., 1:, :].any(axis=-1)
        if over == "objects":
            best, counted = overlaps[..., 1:, :].max(axis=-1, initial=0), there
        else:
            best = overlaps.max(axis=-2)
            taken = self.counts.any(axis=-2)
            counted = taken & (overlaps.argmax(axis=-2) > 0)
        total = np.where(counted, best, 0).sum(axis=-1)
        return np.where(there.any(axis=-1), total / np.maximum(counted.sum(axis=-1), 1), empty)


def _adjusted_rand_index(counts: np.ndarray, empty: float) -> np.ndarray:
    both = _pairs(counts).sum(axis=(-2, -1))
    objects = _pairs(counts.sum(axis=-1)).sum(axis=-1)
    clusters = _pairs(counts.sum(axis=-2)).sum(axis=-1)
    pixels = counts.sum(axis=(-2, -1))
    pairs = _pairs(pixels)
    # All in one part or each pixel on its own, in objects and in clusters: nothing is left to
    # chance, and they agree.
    certain = (objects == clusters) & ((objects == 0) | (objects == pairs))
    chance = objects * (clusters / np.maximum(pairs, 1))
    most = np.where(certain, 1, (objects + clusters) / 2 - chance)
    index = np.where(certain, 1.0, (both - chance) / most)
    return np.where(pixels > 0, index, empty)


def _pairs(n: Any) -> Any:
    return n * (n - 1) // 2


def _labels(name: str, value: Any) -> np.ndarray:
    labels = np.asarray(to_numpy(value) if hasattr(value, "shape") else value)
    if labels.dtype.kind not in "iu":
        found, remedy = f"has dtype {labels.dtype}", "round it and convert it first"
        raise TypeError(message(name, "hold integers", found, remedy))
    if labels.ndim < 2:
        raise invalid(name, "have shape (*batch, H, W)", f"has shape {labels.shape}")
    return labels


def _common_batch(truth: np.ndarray, clusters: np.ndarray) -> tuple[int, ...]:
    if truth.shape[-2:] != clusters.shape[-2:]:
        must = f"be of the masks' size {truth.shape[-2:]}"
        remedy = "enlarge them with kuramoto.nn.clustering.enlarge"
        raise invalid("clusters", must, f"{clusters.shape[-2:]}", remedy)
    try:
        return np.broadcast_shapes(truth.shape[:-2], clusters.shape[:-2])
    except ValueError:
        must = f"have a batch that fits the masks' {truth.shape[:-2]}"
        raise invalid("clusters", must, f"has {clusters.shape[:-2]}") from None


def _close_together(labels: np.ndarray, always: tuple[int, ...]) -> tuple[np.ndarray, int, int]:
    """Return labels, the least of them and the width of their range; far ones are renumbered."""
    ends = [int(labels.min()), int(labels.max())] if labels.size else [0]
    least, most = min(*ends, *always, 0), max(*ends, *always, 0)
    if most - least < _MOST_LABELS:
        return labels, least, most - least + 1
    known = np.union1d(np.array(always, dtype=labels.dtype), labels)
    return np.searchsorted(known, labels), 0, len(known)


def _count(
    rows: np.ndarray, columns: np.ndarray, least: tuple[int, int], table: tuple[int, int]
) -> np.ndarray:
    """Return tables (n, G, K) of labels (n, pixels), some images at a time."""
    (n, pixels), (G, K) = rows.shape, table
    tables = np.empty((n, G, K), dtype=np.int64)
    some = max(min(_MOST_PIXELS // max(pixels, 1), _MOST_CELLS // (G * K)), 1)
    for first in range(0, n, some):
        part = slice(first, first + some)
        row, column = rows[part].astype(np.int64), columns[part].astype(np.int64)
        cells = (row - least[0]) * K
        cells += column - least[1]
        cells += G * K * np.arange(len(cells))[:, None]
        tables[part] = np.bincount(cells.ravel(), minlength=len(cells) * G * K).reshape(-1, G, K)
    return tables
