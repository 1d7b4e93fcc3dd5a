"""Is there a travelling wave? A number for it, and how often chance alone would give as much."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array, to_numpy
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.waves.flux import currents, mean_turns, open_bonds, series
from kuramoto.waves.grid import require_boundary, require_frames, require_where

__all__ = ["TravellingWave", "detect_travelling_wave"]

_FLOOR = 1e-3  # of the bound: a flux below it has no direction
_STRETCHES = 16  # of time: 2¹⁵ ways to reverse some of them
_LEAST = 0.01  # strength that a wave must have: finite records leave less to standing waves


class TravellingWave(NamedTuple):
    """What was found.

    Attributes
    ----------
    detected : bool
        Whether p_value ≤ alpha, p_reversal ≤ alpha, oscillators go round at least once, and
        strength ≥ 0.01.
    statistic : float
        Alignment of the flux of waves in [0, 1]: ‖Σ flux‖ / Σ ‖flux‖ within a window, averaged over
        windows with the weight Σ ‖flux‖. 1 if fluxes within a window all point one way.
    p_value : float
        (1 + how many shuffles reach the statistic) / (1 + shuffles).
    p_reversal : float
        The same for the total size of the windows' fluxes, when stretches of time are turned round
        at random.
    shuffled : numpy array, shape (shuffles,)
        The statistic of each shuffle.
    direction : numpy array, shape (d,)
        Of the total flux, of length 1.
    strength : float
        ‖Σ flux‖ within windows / Σ bound, in [0, 1]: how much of the motion travels. 1 for a wave
        without noise that is plane within a window; noise lowers it.
    directedness : float
        ‖Σ flux‖ over all of the region / Σ bound: near `strength` if waves move one way everywhere,
        near 0 if they leave a centre.
    turns : float
        See `kuramoto.waves.mean_turns`.
    """

    detected: bool
    statistic: float
    p_value: float
    p_reversal: float
    shuffled: np.ndarray
    direction: np.ndarray
    strength: float
    directedness: float
    turns: float


def detect_travelling_wave(
    states: Array,
    dt: float = 1.0,
    boundary: str = "periodic",
    *,
    where: Any = None,
    window: int = 5,
    shuffles: int = 199,
    alpha: float = 0.05,
    seed: int | np.random.Generator | None = None,
) -> TravellingWave:
    """Test whether waves travel, against the same time courses at shuffled places.

    The statistic is the alignment of the flux of waves (`wave_flux`) within windows. A shuffle
    moves whole time courses to other sites, all frames alike: what each oscillator does in time
    stays, how they lie beside each other is lost. The p-value is exact if, without waves, sites are
    exchangeable. Noise that is correlated between neighbours is not, but looks alike in both
    directions of time: the second test reverses stretches of time, up to 16, each at random. It
    leaves space as it is, and is exact if without waves stretches are independent and reversible.
    Oscillators that turn are not reversible; they are the first test's business. Fewer than 8
    frames cannot reach p-values of 0.05 reliably.

    A wave must also go round: a pattern that settles does move, neighbour after neighbour, and its
    shuffles do not; it is told by less than one turn. Cut transients off before testing. A standing
    wave has no flux, but for what a finite record leaves: it is told by its strength.

    Parameters
    ----------
    states : array, shape (S, *grid, N)
        Successive states, `dt` apart; any N, no plane is needed.
    dt : float, default 1.0
        Changes no verdict: for symmetry with the others.
    boundary : {"periodic", "open"}
    where : array of bool, shape grid, optional
        The region to test; shuffles stay within it.
    window : int, default 5
        Odd width of the windows in sites: how far waves must keep their direction.
    shuffles : int, default 199
        The least p-value is 1 / (1 + shuffles).
    alpha : float, default 0.05
        Level of the verdict.
    seed : int or numpy.random.Generator, optional
        Of the shuffles.

    Returns
    -------
    TravellingWave

    Raises
    ------
    ValueError
        If the shape does not fit, there are fewer than 4 frames, or a number is out of range.

    References
    ----------
    Phipson & Smyth (2010), Permutation P-values should never be zero, Stat. Appl. Genet. Mol. Biol.
    9, 39.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import phase
    >>> t, row, column = np.meshgrid(np.arange(30), np.arange(8), np.arange(8), indexing="ij")
    >>> found = detect_travelling_wave(phase.from_phases(column * np.pi / 4 - 0.5 * t), seed=0)
    >>> found.detected, round(found.statistic, 2), found.p_value
    (True, 1.0, 0.005)
    """
    real_number("dt", dt, positive=True)
    boundary, shuffles = require_boundary(boundary), whole_number("shuffles", shuffles, least=1)
    if whole_number("window", window, least=1) % 2 == 0:
        raise invalid("window", "be odd", f"{window}")
    if not 0 < real_number("alpha", alpha) < 1:
        raise invalid("alpha", "be between 0 and 1", f"{alpha:g}")
    states, _ = require_frames(states, 4)
    x = to_numpy(states).astype(np.float64)
    region = require_where(where, x.shape[1:-1])
    test = _Test(x, region, boundary, window)
    rng = np.random.default_rng(seed)
    flux, bound = test.flux()
    statistic = test.alignment(flux, bound)
    orders = (rng.permutation(test.size) for _ in range(shuffles))
    shuffled = np.array([test.alignment(*test.flux(order)) for order in orders])
    # Ties up to rounding count for chance: that errs on the safe side.
    reached = (shuffled >= statistic - 1e-12).sum()
    p, turns = float((1 + reached) / (1 + shuffles)), mean_turns(x, region)
    direction, strength, directedness = test.course(flux, bound)
    p_reversal = test.reversal(shuffles, rng)
    detected = max(p, p_reversal) <= alpha and turns >= 1 and strength >= _LEAST
    return TravellingWave(
        detected, statistic, p, p_reversal, shuffled, direction, strength, directedness, turns
    )


class _Test:
    """Time courses in a region, and the statistic of any arrangement of them."""

    def __init__(self, x: np.ndarray, region: np.ndarray, boundary: str, window: int) -> None:
        self.sums, self.steps = series(x - x.mean(axis=0))
        self.x = x
        self.region, self.size = region, int(region.sum())
        self.bonds = open_bonds(region, boundary)
        self.mode, self.window = "wrap" if boundary == "periodic" else "constant", window

    def flux(self, order: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return flux and bound, of the time courses in another order where one is given."""
        sums, steps = self._arranged(self.sums, order), self._arranged(self.steps, order)
        flux, bound = currents(sums, steps, self.bonds)
        return np.stack(flux), bound

    def alignment(self, flux: np.ndarray, bound: np.ndarray) -> float:
        """Return Σ ‖window's flux‖ / Σ ‖flux‖."""
        # Where next to nothing travels, as in a standing wave, the directions of rounding errors
        # must not count.
        sizes = np.maximum(_length(flux), _FLOOR * bound)
        total = sizes.sum()
        return (
            float(_length(self._smooth(flux)).sum() / self._smooth(sizes).sum()) if total else 0.0
        )

    def course(self, flux: np.ndarray, bound: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Return direction, strength and directedness."""
        total = flux.sum(axis=tuple(range(1, flux.ndim)))
        length, most = float(np.sqrt(total @ total)), float(bound.sum())
        if not most:
            return np.zeros(len(total)), 0.0, 0.0
        strength = _length(self._smooth(flux)).sum() / self._smooth(bound).sum()
        return total / (length or 1.0), float(strength), length / most

    def reversal(self, count: int, rng: np.random.Generator) -> float:
        """Return the p-value of the flux among those with stretches of time reversed."""
        # Means stay in: to subtract them would tie all stretches together.
        ends = np.linspace(0, len(self.x) - 1, min(_STRETCHES, len(self.x) - 1) + 1).astype(int)
        stretches = [self.x[a : b + 1] for a, b in itertools.pairwise(ends)]
        fluxes = [currents(*series(one), self.bonds)[0] for one in stretches]
        windows = np.stack([self._smooth(np.stack(one)) for one in fluxes])
        signs = np.concatenate(
            [np.ones((1, len(windows))), rng.choice([-1.0, 1.0], (count, len(windows)))]
        )
        sizes = np.array([_length(np.tensordot(one, windows, axes=1)).sum() for one in signs])
        return float((1 + (sizes[1:] >= sizes[0] * (1 - 1e-12)).sum()) / (1 + count))

    def _arranged(self, courses: np.ndarray, order: np.ndarray | None) -> np.ndarray:
        """Return the time courses with those of the region in another order."""
        if order is None:
            return courses
        table, inside = np.arange(self.region.size), np.flatnonzero(self.region)
        table[inside] = inside[order]
        moved = courses.reshape(self.region.size, -1)[table]
        return np.asarray(moved.reshape(courses.shape))

    def _smooth(self, values: np.ndarray) -> np.ndarray:
        """Average over windows, along the grid's axes, which are the last ones."""
        from scipy import ndimage

        width = [1] * (values.ndim - self.region.ndim) + [self.window] * self.region.ndim
        return np.asarray(ndimage.uniform_filter(values, width, mode=self.mode))


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt((vectors**2).sum(axis=0)))
