"""The workloads as data: what is simulated, how large it is, and the numbers drawn for it.

Everybody who takes part draws the same numbers from here. This module needs NumPy and SciPy alone,
so that the environment of a peer can import it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

DT = 0.01
"""The step of every fixed-step contestant."""

STRENGTH = 2.0
"""K of the mean field."""

DEGREE = 10
"""Mean number of neighbours in the sparse graph."""

KERNEL_SIZE = 9
"""Side of the lattice's kernel."""


@dataclass(frozen=True)
class Workload:
    """What is timed. `steps`: time whole runs of so many steps, their set-up included."""

    key: str
    title: str
    kind: str
    sites: tuple[int, ...]
    N: int = 2
    batch: int = 0
    frequencies: bool = True
    steps: int = 0
    seed: int = 0

    @property
    def group(self) -> str:
        """The word that ``--only`` knows it by."""
        return self.key.split("-")[0]

    @property
    def oscillators(self) -> int:
        """How many there are, over all systems of the batch."""
        return prod(self.sites) * max(self.batch, 1)


@dataclass(frozen=True)
class System:
    """The numbers of a workload.

    Parameters
    ----------
    x0 : array, shape (*batch, *sites, N)
        Unit vectors.
    omega : array, shape (*sites,), or None
        Natural frequencies; None: there are none.
    weights : array, sparse matrix or float
        J as (M, M) numbers or as ``csr_array``; K of the mean field; the lattice's kernel.
    """

    x0: np.ndarray
    omega: np.ndarray | None
    weights: Any


_GRID = (512, 512)

TABLE = (
    Workload("W1-1000", "W1 dense J, 1,000 oscillators", "dense", (1000,)),
    Workload("W1-4000", "W1 dense J, 4,000 oscillators", "dense", (4000,)),
    Workload("W2-1e4", "W2 mean field, 10⁴ oscillators", "mean field", (10**4,)),
    Workload("W2-1e6", "W2 mean field, 10⁶ oscillators", "mean field", (10**6,)),
    Workload("W3", "W3 random graph, 10⁵ nodes of mean degree 10", "sparse", (10**5,)),
    Workload("W4-N2", "W4 lattice 512×512, 9×9, N = 2", "lattice", _GRID, 2, frequencies=False),
    Workload("W4-N4", "W4 lattice 512×512, 9×9, N = 4", "lattice", _GRID, 4, frequencies=False),
)
"""The rows of the main table."""

_SMALLEST = "10 oscillators, dense J, whole runs of 10⁴ steps"


def beside(quick: bool) -> tuple[Workload, ...]:
    """Return ensembles, fewer systems for a quick run, and systems so small that overhead rules."""
    batch, many = (10**3, "10³ systems of 100") if quick else (10**4, "10⁴ systems of 100")
    return (
        Workload("W1-100", "W1 in small: dense J, 100 oscillators", "dense", (100,)),
        Workload("ensembles-mean", f"{many}, mean field", "mean field", (100,), batch=batch),
        Workload("ensembles-dense", f"{many}, one dense J", "dense", (100,), batch=batch),
        Workload("small", _SMALLEST, "dense", (10,), steps=10**4),
    )


def weak_scaling(quick: bool) -> tuple[Workload, ...]:
    """Return mean fields and lattices from small to large; a quick run leaves out the largest."""
    powers, doublings = (range(3, 7), range(5, 10)) if quick else (range(3, 8), range(5, 12))
    fields = (
        Workload(f"weak-mean-1e{p}", "10" + "³⁴⁵⁶⁷"[p - 3], "mean field", (10**p,)) for p in powers
    )
    sides = (2**d for d in doublings)
    lattices = (
        Workload(f"weak-lattice-{s}", f"{s}²", "lattice", (s, s), frequencies=False) for s in sides
    )
    return (*fields, *lattices)


GROUPS = ("W1", "W2", "W3", "W4", "ensembles", "small", "weak")

RECORDED = {
    "W1-1000": (0.15, 0.16),
    "W1-4000": (7.5, 3.7),
    "W2-1e4": (0.025, 0.005),
    "W2-1e6": (5.5, 1.15),
    "W3": (5.0, 0.38),
    "W4-N2": (3.8, 1.7),
    "W4-N4": (9.1, 3.4),
}
"""Best hand-written kernel F and floor, ms: recorded once, the machine in another state."""

_SMALL = {"dense": (20,), "mean field": (30,), "sparse": (60,), "lattice": (12, 14)}


def in_small(workload: Workload) -> Workload:
    """Return the same physics at a size where everybody can be checked."""
    batch = 3 if workload.batch else 0
    return replace(workload, sites=_SMALL[workload.kind], batch=batch, steps=0)


def build(workload: Workload) -> System:
    """Draw the numbers of a workload from its seed."""
    rng = np.random.default_rng(workload.seed)
    leading = (workload.batch,) if workload.batch else ()
    x0 = rng.standard_normal((*leading, *workload.sites, workload.N))
    x0 /= np.linalg.norm(x0, axis=-1, keepdims=True)
    omega = rng.standard_normal(workload.sites) if workload.frequencies else None
    return System(x0, omega, _weights(workload, rng))


def _weights(workload: Workload, rng: np.random.Generator) -> Any:
    M = prod(workload.sites)
    if workload.kind == "dense":
        half = rng.standard_normal((M, M)) / M
        return (half + half.T) / 2
    if workload.kind == "mean field":
        return STRENGTH
    if workload.kind == "sparse":
        return random_graph(M, DEGREE, rng)
    # Of full rank: a separable kernel would invite tricks that few users can play.
    return rng.standard_normal((KERNEL_SIZE, KERNEL_SIZE)) / KERNEL_SIZE**2


def random_graph(M: int, degree: int, rng: np.random.Generator) -> Any:
    """Return a symmetric matrix with exactly ``M * degree`` entries, random weights, no loops."""
    from scipy import sparse

    wanted = M * degree // 2
    pairs = np.unique(rng.integers(0, M * M, size=3 * wanted))
    i, j = np.divmod(pairs, M)
    chosen = rng.permutation(np.flatnonzero(i < j))[:wanted]
    i, j, weights = i[chosen], j[chosen], rng.uniform(0.1, 0.3, size=wanted)
    ends = (np.concatenate([i, j]), np.concatenate([j, i]))
    matrix = sparse.coo_array((np.concatenate([weights, weights]), ends), shape=(M, M)).tocsr()
    matrix.sort_indices()
    return matrix


def coordinates_first(x: np.ndarray) -> np.ndarray:
    """Return (N, ...) from (..., N), contiguous: the layout in which array libraries are fast."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 0))


def coordinates_last(x: Any) -> np.ndarray:
    """Return (..., N) from (N, ...)."""
    return np.moveaxis(np.asarray(x), 0, -1)


def phases(x: np.ndarray) -> np.ndarray:
    """Return θ of x = (cos θ, sin θ)."""
    return np.arctan2(x[..., 1], x[..., 0])


def from_phases(theta: Any) -> np.ndarray:
    """Return (cos θ, sin θ)."""
    return np.stack([np.cos(theta), np.sin(theta)], axis=-1)


def lattice_symbol(kernel: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    """Return the kernel's half spectrum: times a state's spectrum, it makes the correlation."""
    padded = np.zeros(grid)
    half = KERNEL_SIZE // 2
    padded[:KERNEL_SIZE, :KERNEL_SIZE] = kernel
    return np.conj(np.fft.rfft2(np.roll(padded, (-half, -half), axis=(0, 1))))
