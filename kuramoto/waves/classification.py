"""What is going on? One word for a run, with the numbers that led to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array, to_numpy
from kuramoto._check import whole_number
from kuramoto.waves.defects import defect_charges
from kuramoto.waves.detection import TravellingWave, detect_travelling_wave
from kuramoto.waves.flux import open_bonds
from kuramoto.waves.grid import after, require_frames, require_where
from kuramoto.waves.projection import leading_plane, to_plane

__all__ = ["Classification", "classify"]

# What a word asks for; the docs page lists them.
LEVEL = 0.01  # of the test for travelling waves
WEAK = 0.1  # strength of a travelling wave
ONE_WAY = 0.8  # directedness of a plane wave, in parts of its strength
IN_STEP = 0.9  # order parameter of synchrony
COHERENT = 0.5  # neighbours' correlation in a standing wave; its uniform part stays below
RIGID = 0.99
STILL = 1e-3  # radians away from the mean, root mean square


class Classification(NamedTuple):
    """A word, and the numbers that led to it.

    Attributes
    ----------
    label : str
        "plane wave", "spiral wave", "travelling wave" (neither), "standing wave", "synchronous",
        "rotating", "still" or "incoherent".
    wave : TravellingWave
        The test for travelling waves.
    order : float
        Order parameter, mean over the frames.
    motion : float
        Root mean square distance of the oscillators from their means over time.
    coherence : float
        Correlation of neighbours' motion, in [−1, 1].
    uniformity : float
        Part of the motion that all share, in [0, 1].
    rigidity : float
        How well one rotation takes each frame to the next, in [0, 1].
    vortices : float
        Median over the frames, in two dimensions; else 0.
    """

    label: str
    wave: TravellingWave
    order: float
    motion: float
    coherence: float
    uniformity: float
    rigidity: float
    vortices: float


def classify(
    states: Array,
    dt: float = 1.0,
    boundary: str = "periodic",
    *,
    where: Any = None,
    window: int = 5,
    shuffles: int = 199,
    seed: int | np.random.Generator | None = 0,
) -> Classification:
    """Say in one word what a run does.

    In this order: *plane*, *spiral* or other *travelling wave* (see `detect_travelling_wave`, at
    level 0.01); *standing wave*: neighbours move together, go round, not all alike, and nothing
    travels;
    *synchronous*: all point the same way; *still*: less than one turn within the record;
    *rotating*: the pattern turns as one; else *incoherent*.

    Parameters
    ----------
    states : array, shape (S, *grid, N)
        Successive states, `dt` apart, without transients.
    dt, boundary, where, window, shuffles, seed
        As for `detect_travelling_wave`; at least 99 shuffles.

    Returns
    -------
    Classification

    Raises
    ------
    ValueError
        If the shape does not fit, there are fewer than 4 frames, or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import phase
    >>> t, row, column = np.meshgrid(np.arange(30), np.arange(8), np.arange(8), indexing="ij")
    >>> classify(phase.from_phases(column * np.pi / 4 - 0.5 * t)).label
    'plane wave'
    >>> classify(phase.from_phases(0.5 * t)).label
    'synchronous'
    """
    shuffles = whole_number("shuffles", shuffles, least=99)
    wave = detect_travelling_wave(
        states,
        dt,
        boundary,
        where=where,
        window=window,
        shuffles=shuffles,
        alpha=LEVEL,
        seed=seed,
    )
    states, dims = require_frames(states, 4)
    x = to_numpy(states).astype(np.float64)
    region = require_where(where, x.shape[1:-1])
    numbers = Classification(
        "",
        wave,
        float(np.linalg.norm(x[:, region].mean(axis=1), axis=-1).mean()),
        *_motion(x, region, boundary),
        _rigidity(x[:, region]),
        _vortices(x, region, boundary) if dims == 2 else 0.0,
    )
    return numbers._replace(label=_word(numbers))


def _word(found: Classification) -> str:
    wave = found.wave
    if found.motion >= STILL and wave.detected and wave.strength >= WEAK:
        if wave.directedness >= ONE_WAY * wave.strength:
            return "plane wave"
        return "spiral wave" if found.vortices else "travelling wave"
    goes_round = found.motion >= STILL and wave.turns >= 1
    stands = wave.strength < WEAK and found.coherence >= COHERENT > found.uniformity
    if goes_round and stands:
        return "standing wave"
    if found.order >= IN_STEP:
        return "synchronous"
    if not goes_round:
        return "still"
    return "rotating" if found.rigidity >= RIGID else "incoherent"


def _motion(x: np.ndarray, region: np.ndarray, boundary: str) -> tuple[float, float, float]:
    """Return the size of the motion, its correlation between neighbours, and its uniform part."""
    y = (x - x.mean(axis=0)) * region[..., None]
    power, sites = (y**2).sum(axis=(0, -1)), region.sum()
    motion = float(np.sqrt(power.sum() / (len(x) * sites)))
    if motion == 0:
        return 0.0, 0.0, 0.0
    uniform = float((y.sum(axis=tuple(range(1, y.ndim - 1))) ** 2).sum() / (sites * power.sum()))
    common, both = 0.0, 0.0
    for axis, bond in enumerate(open_bonds(region, boundary)):
        products = (y * after(y, axis + 1)).sum(axis=(0, -1))
        common += float((bond * products).sum())
        both += float((bond * (power + after(power, axis)) / 2).sum())
    return motion, common / both if both else 0.0, uniform


def _rigidity(vectors: np.ndarray) -> float:
    """Return the mean overlap of each frame, turned the best way, with the next (Procrustes)."""
    moments = np.einsum("sin,sim->snm", vectors[1:], vectors[:-1]) / vectors.shape[1]
    return float(np.linalg.svd(moments, compute_uv=False).sum(axis=-1).mean())


def _vortices(x: np.ndarray, region: np.ndarray, boundary: str) -> float:
    inner = region & np.roll(region, -1, 0)
    inner &= np.roll(inner, -1, 1)
    plane = leading_plane(x[:, region])
    charges = np.abs(defect_charges(to_plane(x, plane), boundary))
    inner = inner[: charges.shape[1], : charges.shape[2]]
    return float(np.median((charges * inner).sum(axis=(1, 2))))
