"""Real networks that come with the package, and the fish of the demonstration.

The 118-bus power grid and the human connectome are bundled; ``kuramoto/_data/ATTRIBUTION.md`` says
whose they are and under which licence. Every call returns fresh arrays, free to be changed.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, whole_number
from kuramoto._graph_files import existing_file, plain_arrays
from kuramoto._weights import from_edges, square_matrix

__all__ = ["Connectome", "PowerGrid", "connectome", "fish", "ieee118", "layout", "power_grid"]

_DATA = Path(__file__).with_name("_data")
_BUS_ARRAYS = ("bus_id", "p_load", "p_gen_min", "p_gen_max")
_LINE_ARRAYS = ("edge_from", "edge_to", "x", "tap")


@dataclass(frozen=True, eq=False)
class PowerGrid:
    """A transmission grid as Kuramoto oscillators: dθ_i/dt = ω_i + Σ_j K_ij sin(θ_j - θ_i).

    Buses are the oscillators. A phase-locked state is the power flow of the grid without losses and
    at equal voltages: what a bus generates beyond its load leaves over its lines,
    K_ij sin(θ_i - θ_j) on each.

    Attributes
    ----------
    bus_id : array of int, shape (M,)
        Number of each bus in the source.
    weights : scipy.sparse.csr_array, shape (M, M)
        K_ij = 1 / (|x| tap) in per unit, the susceptance of the line; symmetric, parallel lines
        added up.
    omega : array, shape (M,)
        Net power of each bus in per unit, generation less load; the sum is 0.
    edges : array of int, shape (E, 2)
        Indices i < j of each pair of buses that at least one line joins, in the order of
        ``weights``.

    References
    ----------
    Dörfler, Chertkov & Bullo (2013), Synchronization in complex oscillator networks and smart
    grids, PNAS 110.
    """

    bus_id: Array
    weights: Array
    omega: Array
    edges: Array

    def positions(self) -> Array:
        """Return places to draw the buses at, shape (M, 2): `layout` of the weights."""
        return layout(self.weights)


@dataclass(frozen=True, eq=False)
class Connectome:
    """Connections between the areas of a brain, averaged over a group of people.

    Attributes
    ----------
    structural : array, shape (68, 68)
        Strength of the structural connection between two cortical areas; symmetric, zero on the
        diagonal and where there is none. Processing as in the source.
    functional : array, shape (68, 68)
        Functional connectivity of two areas at rest, as in the source (values may exceed 1);
        symmetric, zero on the diagonal.
    labels : array of str, shape (68,)
        Names of the areas, ``L_`` for the left and ``R_`` for the right hemisphere.

    References
    ----------
    Larivière et al. (2021), The ENIGMA Toolbox, Nature Methods 18.
    Desikan et al. (2006), An automated labeling system for subdividing the human cerebral cortex
    on MRI scans into gyral based regions of interest, NeuroImage 31.
    """

    structural: Array
    functional: Array
    labels: Array


def ieee118() -> PowerGrid:
    """Return the IEEE 118-bus test grid, from the PGLib-OPF collection.

    References
    ----------
    Babaeinejadsarookolaee et al. (2019), The Power Grid Library for Benchmarking AC Optimal Power
    Flow Algorithms, arXiv:1908.02788.

    Examples
    --------
    >>> import kuramoto as km
    >>> grid = km.datasets.ieee118()
    >>> grid.weights.shape, grid.edges.shape, abs(grid.omega.sum()) < 1e-12
    ((118, 118), (179, 2), np.True_)
    """
    return power_grid(_DATA / "ieee118.npz")


def connectome() -> Connectome:
    """Return the group-average human connectome of 68 cortical areas, from the ENIGMA toolbox.

    References
    ----------
    Larivière et al. (2021), The ENIGMA Toolbox, Nature Methods 18.

    Examples
    --------
    >>> import kuramoto as km
    >>> brain = km.datasets.connectome()
    >>> str(brain.labels[0]), brain.structural.shape
    ('L_bankssts', (68, 68))
    """
    arrays = plain_arrays(_DATA / "connectome68.npz")
    structural, functional = (arrays[k].astype(np.float64) for k in ("structural", "functional"))
    return Connectome(structural, functional, arrays["labels"])


def power_grid(path: str | os.PathLike[str]) -> PowerGrid:
    """Read a grid from an .npz file and dispatch its generators so that power balances.

    Each bus generates p_gen_min + a (p_gen_max - p_gen_min), with the one fraction a for which
    generation equals load.

    Parameters
    ----------
    path : path
        File of plain arrays, in per unit: ``bus_id, p_load, p_gen_min, p_gen_max``, shape (M,),
        and ``edge_from, edge_to`` (indices of buses from 0), ``x`` (reactance) and ``tap`` (ratio
        of the transformer, 1 for a line), one entry for each line. Other arrays are ignored.

    Returns
    -------
    PowerGrid

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    ValueError
        If an array is missing, ill-shaped or out of range, or no dispatch covers the load.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.datasets.power_grid("grid.npz")
    Traceback (most recent call last):
    FileNotFoundError: Argument `path` must be a file, but is 'grid.npz'; no such file exists.
    """
    arrays = _grid_arrays(existing_file(path))
    i, j = _line_ends(arrays)
    strength = 1 / (np.abs(arrays["x"]) * arrays["tap"])
    bus_id = arrays["bus_id"].astype(np.int64)
    # Upper triangle first, so that the edges come out in the order of the weights.
    upper = from_edges(bus_id.size, np.minimum(i, j), np.maximum(i, j), strength, symmetric=False)
    edges = np.stack(upper.nonzero(), axis=1).astype(np.int64)
    weights = from_edges(bus_id.size, edges[:, 0], edges[:, 1], upper.data)
    return PowerGrid(bus_id, weights, _balanced_power(arrays), edges)


def layout(weights: Array) -> Array:
    """Place the nodes of a graph in the plane so that distances follow the number of hops.

    Stress majorisation from a start by classical scaling: the same graph is always drawn alike.
    Needs O(M²) memory.

    Parameters
    ----------
    weights : sparse or dense array, shape (M, M)
        Which nodes are joined, in either direction; the values do not matter.

    Returns
    -------
    array, shape (M, 2)
        Positions, centred on 0, largest coordinate 1.

    References
    ----------
    Gansner, Koren & North (2004), Graph drawing by stress majorization.

    Examples
    --------
    >>> import kuramoto as km
    >>> km.datasets.layout(km.graphs.ring(12)).shape
    (12, 2)
    """
    from scipy.sparse.csgraph import shortest_path

    joined = square_matrix(weights, "weights")
    joined.data[:] = 1
    hops = shortest_path(joined, directed=False)
    # Separate islands would lie infinitely far apart: set them one hop beyond the rest instead.
    hops[np.isinf(hops)] = hops[np.isfinite(hops)].max() + 1
    positions = _majorise_stress(hops, _classical_scaling(hops))
    positions -= positions.mean(axis=0)
    return positions / max(float(np.abs(positions).max()), np.finfo(np.float64).tiny)


def fish(height: int = 64, width: int | None = None) -> Array:
    """Draw a fish that looks to the left, centred, True inside its silhouette.

    The outline is made of smooth curves, so every size shows the same fish; it takes about 35 % of
    a square picture.

    Parameters
    ----------
    height : int
        Rows of the picture, at least 8.
    width : int or None
        Columns, at least 8; None for a square. The fish is never stretched.

    Returns
    -------
    array of bool, shape (height, width)

    Raises
    ------
    ValueError
        If the picture is smaller than 8 by 8.

    Examples
    --------
    >>> import kuramoto as km
    >>> silhouette = km.datasets.fish(64)
    >>> silhouette.shape, round(float(silhouette.mean()), 2)
    ((64, 64), 0.35)
    """
    height = whole_number("height", height, least=8)
    width = height if width is None else whole_number("width", width, least=8)
    # One unit is half the width of a square picture; a wide one is filled up to its height.
    unit = min(width, 1.4 * height) / 2
    x = (np.arange(width) + 0.5 - width / 2)[None, :] / unit
    y = (height / 2 - 0.5 - np.arange(height))[:, None] / unit
    return _fish_outline(x, y + 0.06)


def _fish_outline(x: Array, y: Array) -> Array:
    """Say which points lie in a fish of length 1.86 around the origin, y upwards."""
    along = np.clip((x + 0.93) / 1.50, 0, 1)
    half_height = 0.43 * np.sin(np.pi * along**0.76) ** 0.8 + 0.07 * along
    body = (np.abs(x + 0.18) <= 0.75) & (np.abs(y) <= half_height)
    dorsal_fin = (y > 0) & (y <= half_height + _fin(x, -0.48, 0.30, 0.27))
    anal_fin = (y < 0) & (-y <= half_height + _fin(x, -0.08, 0.30, 0.18))
    fins = (np.abs(x) < 0.48) & (dorsal_fin | anal_fin)
    tail_spread = 0.06 + 0.46 * np.sin(np.pi / 2 * np.clip((x - 0.36) / 0.57, 0, 1)) ** 1.2
    tail_end = 0.93 - 0.20 * np.cos(np.pi / 2 * np.clip(y / 0.52, -1, 1)) ** 2
    tail = (x >= 0.36) & (x <= tail_end) & (np.abs(y) <= tail_spread)
    mouth = np.abs(y + 0.07) < -0.3 * (x + 0.79)
    return (body | fins | tail) & ~mouth


def _fin(x: Array, front: float, back: float, height: float) -> Array:
    """Return how far a fin stands out of the body: a hump that leans backwards."""
    return height * np.sin(np.pi * np.clip((x - front) / (back - front), 0, 1) ** 1.3)


def _grid_arrays(file: Path) -> dict[str, Array]:
    """Return the arrays of a grid as float64, checked for presence, shape and finiteness."""
    arrays = plain_arrays(file)
    missing = [name for name in _BUS_ARRAYS + _LINE_ARRAYS if name not in arrays]
    if missing:
        must = f"hold the arrays {', '.join(_BUS_ARRAYS + _LINE_ARRAYS)}"
        raise invalid("path", must, f"it lacks {', '.join(missing)} in {file.name!r}")
    for names in (_BUS_ARRAYS, _LINE_ARRAYS):
        shape = arrays[names[0]].shape
        for name in names:
            if arrays[name].shape != shape or len(shape) != 1 or not shape[0]:
                must = f"hold one-dimensional {', '.join(names)} of one length"
                raise invalid("path", must, f"holds `{name}` of shape {arrays[name].shape}")
            if arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name]).all():
                raise invalid("path", "hold finite numbers", f"it has others in `{name}`")
    return {name: arrays[name].astype(np.float64) for name in _BUS_ARRAYS + _LINE_ARRAYS}


def _line_ends(arrays: dict[str, Array]) -> tuple[Array, Array]:
    """Return the buses at both ends of each line, after checking that the lines make sense."""
    last = arrays["bus_id"].size - 1
    for name in ("edge_from", "edge_to"):
        ends = arrays[name]
        wrong = np.flatnonzero((ends < 0) | (ends > last) | (ends != np.floor(ends)))
        if wrong.size:
            must = f"hold indices of buses from 0 to {last} in `{name}`"
            raise invalid("path", must, f"holds {ends[wrong[0]]:g} for line {wrong[0]}")
    for name in ("x", "tap"):
        if not np.all(arrays[name]) or (name == "tap" and arrays[name].min() < 0):
            line = int(np.argmin(np.abs(arrays["x"]) if name == "x" else arrays["tap"]))
            must = "hold reactances `x` other than 0 and ratios `tap` above 0"
            raise invalid("path", must, f"holds {arrays[name][line]:g} for line {line}")
    return arrays["edge_from"].astype(np.int64), arrays["edge_to"].astype(np.int64)


def _balanced_power(arrays: dict[str, Array]) -> Array:
    """Return generation less load, with all generators at the same fraction of their range."""
    least, most, load = (arrays[name] for name in ("p_gen_min", "p_gen_max", "p_load"))
    needed, room = math.fsum(load) - math.fsum(least), math.fsum(most) - math.fsum(least)
    fraction = needed / room if room > 0 else math.nan
    if not 0 <= fraction <= 1:
        must = "hold a load that the generators can meet"
        found = f"holds a load of {math.fsum(load):g} for {math.fsum(least):g} to"
        raise invalid("path", must, f"{found} {math.fsum(most):g} of generation")
    return least + fraction * (most - least) - load


def _classical_scaling(distance: Array) -> Array:
    """Return the best plane picture of a distance matrix in the sense of squared distances."""
    squared = distance**2
    mean = squared.mean(axis=0)
    _, vectors = np.linalg.eigh(-(squared - mean - mean[:, None] + mean.mean()) / 2)
    plane = np.zeros((len(distance), 2))
    plane[:, : min(2, len(distance))] = vectors[:, :-3:-1] * np.sqrt(len(distance))
    # An eigenvector has no sign of its own: let its largest entry be positive.
    largest = np.argmax(np.abs(plane).round(9), axis=0)
    return plane * np.sign(plane[largest, np.arange(2)])


def _majorise_stress(distance: Array, positions: Array, rounds: int = 200) -> Array:
    """Lower Σ (‖p_i - p_j‖ - d_ij)² / d_ij² step by step."""
    M = len(distance)
    weight = 1 / (distance + np.eye(M)) ** 2
    np.fill_diagonal(weight, 0)
    laplacian = np.diag(weight.sum(axis=1)) - weight
    inverse = np.linalg.inv(laplacian + 1 / M) - 1 / M
    for _ in range(rounds):
        gaps = np.linalg.norm(positions[:, None] - positions, axis=-1)
        pull = -weight * distance / np.maximum(gaps, 1e-9)
        np.fill_diagonal(pull, -pull.sum(axis=1))
        positions = inverse @ (pull @ positions)
    return positions
