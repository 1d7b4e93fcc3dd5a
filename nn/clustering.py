"""From features of places to objects: clusters within each image, and maps of main components.

Features are (B, C, h, w), arrays of any library; labels are int64 (B, h, w), numbered 0, 1, ...
from the largest cluster of an image to the smallest. All is computed in float64 on the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np

from kuramoto._backend import Array, as_array, to_numpy
from kuramoto._check import invalid, whole_number

__all__ = ["agglomerate", "average_linkage", "enlarge", "k_means", "principal_components"]

# Distances of more places than this fill 4.3 GB an image.
_MOST_PLACES = 1 << 15
# Squared distances below this part of the squared lengths are rounding: the places are the same.
_ROUNDING = 1e-13
_ROWS = 256  # of the matrix of distances, computed at once
_ROUNDS = 20  # of five iterations of K-means, at most


def agglomerate(
    features: Array,
    clusters: int | Sequence[int],
    *,
    components: int | None = None,
    executor: Executor | None = None,
) -> np.ndarray:
    """Cluster the places of each image bottom-up, by average linkage of Euclidean distances.

    Beginning with every place on its own, the two clusters with the smallest mean distance between
    their members are merged, until `clusters` are left (UPGMA).

    Parameters
    ----------
    features : array, shape (B, C, h, w)
    clusters : int, or sequence of K ints
        How many at most: where mean distances tie, fewer can be left. Several numbers are answered
        from one tree of merges, which is where the time goes.
    components
        Of the features, the main ones that are used; default: all.
    executor : concurrent.futures.Executor, optional
        Computes several images at once: a `ProcessPoolExecutor`.

    Returns
    -------
    array of int64, shape (B, h, w) or (K, B, h, w)

    Raises
    ------
    ValueError
        If an image has fewer places than clusters are asked for, or features are not finite.

    References
    ----------
    Sokal & Michener (1958), A statistical method for evaluating systematic relationships.
    Müllner (2011), Modern hierarchical, agglomerative clustering algorithms.

    Examples
    --------
    >>> features = np.array([0.0, 0.1, 5.0, 5.1, 9.0, 0.2]).reshape(1, 1, 2, 3)
    >>> agglomerate(features, 3)
    array([[[0, 0, 1],
            [1, 2, 0]]])
    """
    points, size = _points(features, components)
    asked = _numbers(clusters, points.shape[1])
    if points.shape[1] > _MOST_PLACES:
        must = f"have at most {_MOST_PLACES} places an image for agglomerative clustering"
        raise invalid("features", must, f"has {points.shape[1]}", "use k_means or scale up less")
    cut = partial(_cut, clusters=asked)
    found = map(cut, points) if executor is None else executor.map(cut, points)
    return _assembled(found, len(asked), size, not np.ndim(clusters))


def k_means(
    features: Array,
    clusters: int | Sequence[int],
    *,
    components: int | None = None,
    restarts: int = 5,
    seed: int = 0,
    executor: Executor | None = None,
) -> np.ndarray:
    """Cluster the places of each image by K-means, for comparison: the best of several starts.

    Starts are drawn by k-means++; the best has the least sum of squared distances to the centres.

    Parameters
    ----------
    features, clusters, components, executor
        As for `agglomerate`.
    restarts
        Number of starts.
    seed
        Decides the starts; those of an image do not depend on the others.

    Returns
    -------
    array of int64, shape (B, h, w) or (K, B, h, w)

    References
    ----------
    Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding.

    Examples
    --------
    >>> features = np.array([0.0, 0.1, 5.0, 5.1, 9.0, 0.2]).reshape(1, 1, 2, 3)
    >>> k_means(features, 3)
    array([[[0, 0, 1],
            [1, 2, 0]]])
    """
    points, size = _points(features, components)
    asked = _numbers(clusters, points.shape[1])
    restarts, seed = whole_number("restarts", restarts, least=1), whole_number("seed", seed)
    settle = partial(_settle, clusters=asked, restarts=restarts, seed=seed)
    found = map(settle, points) if executor is None else executor.map(settle, points)
    return _assembled(found, len(asked), size, not np.ndim(clusters))


def average_linkage(points: Array) -> np.ndarray:
    """Return the tree of merges by average linkage, in the form of ``scipy.cluster.hierarchy``.

    The same as SciPy's ``linkage(points, "average")`` up to rounding; distances come from products
    of matrices. Points closer than 3e-7 of their distance from the mean count as one.

    Parameters
    ----------
    points : array, shape (n, C)

    Returns
    -------
    array, shape (n − 1, 4)
        The two clusters that are merged, their mean distance, and the size of the new cluster.

    Examples
    --------
    >>> average_linkage(np.array([[0.0], [1.0], [5.0]]))
    array([[0. , 1. , 1. , 2. ],
           [2. , 3. , 4.5, 3. ]])
    """
    from scipy.cluster.hierarchy import linkage

    points = to_numpy(as_array(points, "points")).astype(np.float64)
    if points.ndim != 2 or len(points) < 2:
        raise invalid("points", "have shape (n, C) with n of at least 2", f"has {points.shape}")
    return np.asarray(linkage(_distances(points), "average"))


def principal_components(features: Array, components: int = 3) -> np.ndarray:
    """Return the main components of each image's features, each image by itself.

    Places are the samples: the features of an image are centred and projected on the directions
    along which they vary most.

    Parameters
    ----------
    features : array, shape (B, C, h, w)
    components
        How many; beyond those that exist, zeros follow.

    Returns
    -------
    array of float64, shape (B, components, h, w)
        Largest variance first. The entry with the largest magnitude of each direction is positive.

    Examples
    --------
    >>> features = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]).reshape(1, 2, 1, 3)
    >>> principal_components(features, 1).round(3)
    array([[[[-2.236,  0.   ,  2.236]]]])
    """
    points, (h, w) = _points(features, None)
    count = whole_number("components", components, least=1)
    main = np.stack([_main(image, count) for image in points])
    return main.reshape(len(points), h, w, count).transpose(0, 3, 1, 2)


def enlarge(labels: Array, size: tuple[int, int]) -> np.ndarray:
    """Return labels at another size, by the nearest place: of places at pixels.

    Parameters
    ----------
    labels : array, shape (..., h, w)
    size : tuple of int
        H, W.

    Returns
    -------
    array, shape (..., H, W)

    Examples
    --------
    >>> enlarge(np.array([[0, 1]]), (2, 4))
    array([[0, 0, 1, 1],
           [0, 0, 1, 1]])
    """
    labels = np.asarray(to_numpy(labels))
    rows, columns = (
        np.arange(whole_number("size", pixels, least=1)) * places // pixels
        for pixels, places in zip(size, labels.shape[-2:], strict=True)
    )
    return np.asarray(labels[..., rows[:, None], columns])


def _points(features: Array, components: int | None) -> tuple[np.ndarray, tuple[int, int]]:
    """Return features as float64 points (B, h·w, C), or (B, h·w, components), and (h, w)."""
    values = to_numpy(as_array(features, "features"))
    if values.ndim != 4 or 0 in values.shape[1:]:
        raise invalid("features", "have shape (B, C, h, w)", f"has shape {values.shape}")
    if not np.isfinite(values).all():
        raise invalid("features", "be finite", "holds NaN or infinity")
    B, C, h, w = values.shape
    points = values.reshape(B, C, h * w).transpose(0, 2, 1).astype(np.float64)
    if components is not None:
        count = min(whole_number("components", components, least=1), C, h * w)
        points = np.stack([_main(image, count) for image in points]) if B else points
    return points, (h, w)


def _numbers(clusters: int | Sequence[int], places: int) -> list[int]:
    several: list[Any] = [*clusters] if isinstance(clusters, Iterable) else [clusters]
    numbers = [whole_number("clusters", number, least=1) for number in several]
    if not numbers:
        raise invalid("clusters", "hold at least one number", "holds none")
    if max(numbers) > places:
        must = f"be at most the number of places an image has, {places}"
        raise invalid(
            "clusters", must, f"{max(numbers)}", "ask for fewer, or scale up by up-tiling"
        )
    return numbers


def _main(points: np.ndarray, count: int) -> np.ndarray:
    """Return the main components of points (n, C), (n, count)."""
    centred = points - points.mean(axis=0)
    n, C = points.shape
    # Of the two matrices of products with the same spectrum, the smaller one is taken apart.
    if n >= C:
        _, directions = np.linalg.eigh(centred.T @ centred)
    else:
        squares, combinations = np.linalg.eigh(centred @ centred.T)
        scale = np.sqrt(np.maximum(squares, squares.max(initial=0) * 1e-15 + 1e-300))
        directions = centred.T @ combinations / scale
    directions = directions[:, ::-1][:, :count]
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.sign(directions[largest, np.arange(directions.shape[1])])
    return np.pad(centred @ directions, ((0, 0), (0, count - directions.shape[1])))


def _distances(points: np.ndarray) -> np.ndarray:
    """Return the n (n − 1) / 2 distances, in the order of SciPy's ``pdist``."""
    points = points - points.mean(axis=0)
    squares, n = np.einsum("ij,ij->i", points, points), len(points)
    distances, at = np.empty(n * (n - 1) // 2), 0
    for first in range(0, n, _ROWS):
        some = points[first : first + _ROWS]
        length = squares[first : first + len(some), None] + squares[first:]
        block = length - 2 * (some @ points[first:].T)
        block[block < _ROUNDING * length] = 0
        for row, values in enumerate(np.sqrt(block)):
            size = len(values) - row - 1
            distances[at : at + size] = values[row + 1 :]
            at += size
    return distances


def _cut(points: np.ndarray, clusters: Sequence[int]) -> np.ndarray:
    """Return labels (K, n): one tree, cut once for each number of clusters."""
    from scipy.cluster.hierarchy import fcluster

    if len(points) == 1:
        return np.zeros((len(clusters), 1), dtype=np.int64)
    tree = average_linkage(points)
    return np.stack([_by_size(fcluster(tree, number, "maxclust")) for number in clusters])


def _settle(points: np.ndarray, clusters: Sequence[int], restarts: int, seed: int) -> np.ndarray:
    """Return labels (K, n) of the best of several starts."""
    rng = np.random.default_rng(seed)
    best = (
        min((_lloyd(points, _far_apart(points, number, rng)) for _ in range(restarts)), key=_first)
        for number in clusters
    )
    return np.stack([_by_size(labels) for _, labels in best])


def _first(pair: tuple[float, np.ndarray]) -> float:
    return pair[0]


def _lloyd(points: np.ndarray, centres: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the sum of squares and the labels that K-means ends with, from these centres."""
    import warnings

    from scipy.cluster.vq import kmeans2, vq

    with warnings.catch_warnings():  # an empty cluster keeps its centre, and is none
        warnings.filterwarnings("ignore", "One of the clusters is empty", UserWarning)
        for _ in range(_ROUNDS):
            before = centres
            centres, _ = kmeans2(points, before, iter=5, minit="matrix")
            if np.array_equal(centres, before):
                break
    labels, distances = vq(points, centres)
    return float((distances**2).sum()), labels


def _far_apart(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw centres by k-means++: each in proportion to its squared distance from those before."""
    chosen = [int(rng.integers(len(points)))]
    nearest = np.full(len(points), np.inf)
    for _ in range(count - 1):
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        total = nearest.sum()
        chances = nearest / total if total > 0 else None
        chosen.append(int(rng.choice(len(points), p=chances)))
    return points[chosen]


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Return labels numbered from the largest cluster; of two as large, the first seen leads."""
    _, first, inverse, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    places = np.empty(len(sizes), dtype=np.int64)
    places[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return places[inverse]


def _assembled(
    found: Iterator[np.ndarray], numbers: int, size: tuple[int, int], single: bool
) -> np.ndarray:
    """Return labels (B, h, w) or (K, B, h, w) of images' labels (K, n)."""
    images: list[Any] = list(found)
    labels = np.stack(images, axis=1) if images else np.empty((numbers, 0, 0), dtype=np.int64)
    labels = labels.reshape(numbers, len(images), *size)
    return labels[0] if single else labels
