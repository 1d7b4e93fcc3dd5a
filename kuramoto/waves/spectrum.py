"""Power over wavevector and frequency, and the plane wave that explains most of it.

Signs: a wave θ = k·r − ωt, seen as z = exp(iθ) or as cos θ, has its power at (k, ω); with ω > 0 it
moves along k. An oscillator that turns by θ̇ > 0 without any wave sits at (0, −θ̇).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array, array_namespace, from_numpy, to_numpy
from kuramoto._check import invalid, nearest, real_number
from kuramoto.waves.grid import require_frames, require_where
from kuramoto.waves.projection import leading_plane, to_plane

__all__ = ["PlaneWave", "Spectrum", "dispersion", "dominant_wave"]

_NO_TURN = 1e-12  # radians per frame or site
_TAPERS = {"none": 0.0, "hann": 0.5}


class Spectrum(NamedTuple):
    """Power over frequency and wavevector.

    Attributes
    ----------
    omega : numpy array, shape (S,)
        Rising, in radians per unit time.
    k : tuple of d numpy arrays
        Rising, in radians per site, along each grid axis.
    power : array, shape (S, *grid)
        |ẑ|², of sum ⟨|z|²⟩: 1 for N = 2.
    """

    omega: np.ndarray
    k: tuple[np.ndarray, ...]
    power: Array


def dispersion(
    states: Array, dt: float, *, taper: str = "none", plane: Array | None = None
) -> Spectrum:
    """Return the power spectrum of z = x·e₁ + i x·e₂ over wavevector and frequency.

    ẑ(k, ω) = Σ_{r,t} w_t z(r, t) exp(−i(k·r − ωt)).

    Parameters
    ----------
    states : array, shape (S, *grid, N)
        Successive states, `dt` apart, on a torus.
    dt : float
    taper : {"none", "hann"}
        Weights w_t over the record: "hann" trades a twice as wide line for far less leakage.
    plane : array, shape (2, N), optional
        For N > 2; by default the leading plane of all states together.

    Returns
    -------
    Spectrum

    Raises
    ------
    ValueError
        If the shape does not fit, there are fewer than 2 frames, or `dt` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import phase
    >>> t, r = np.arange(16)[:, None], np.arange(8)
    >>> wave = dispersion(phase.from_phases(2 * np.pi * (r / 8 - 3 * t / 16)), 1.0)
    >>> row, column = np.unravel_index(wave.power.argmax(), wave.power.shape)
    >>> round(wave.omega[row] * 16 / (2 * np.pi)), round(wave.k[0][column] * 8 / (2 * np.pi))
    (3, 1)
    """
    dt = real_number("dt", dt, positive=True)
    states, dims = require_frames(states, 2)
    z = _complex(to_plane(states, plane))
    xp, S = array_namespace(z), int(z.shape[0])
    weights = from_numpy(_weights(S, taper), states)
    z = z * xp.astype(xp.reshape(weights, (S, *([1] * dims))), z.dtype)
    # exp(+iωt): the inverse transform over time, the forward one over space.
    z = xp.fft.fftn(xp.fft.ifft(z, axis=0, norm="forward"), axes=tuple(range(1, dims + 1)))
    power = xp.abs(xp.fft.fftshift(z)) ** 2
    sites = int(np.prod(z.shape[1:]))
    power = power / (float(xp.sum(weights**2)) * S * sites**2)
    omega = 2 * np.pi * np.fft.fftshift(np.fft.fftfreq(S, dt))
    k = tuple(2 * np.pi * np.fft.fftshift(np.fft.fftfreq(int(n))) for n in z.shape[1:])
    return Spectrum(omega, k, power)


def _complex(z: Array) -> Array:
    xp = array_namespace(z)
    kind = xp.complex64 if z.dtype == xp.float32 else xp.complex128
    return xp.astype(z[..., 0], kind) + 1j * xp.astype(z[..., 1], kind)


def _weights(frames: int, taper: str) -> np.ndarray:
    if taper not in _TAPERS:
        must = f"be one of {', '.join(_TAPERS)}"
        raise invalid("taper", must, repr(taper), nearest(str(taper), _TAPERS))
    middle = (np.arange(frames) + 0.5) / frames
    return np.asarray(1 - _TAPERS[taper] * (1 + np.cos(2 * np.pi * middle)))


class PlaneWave(NamedTuple):
    """The plane wave A exp(i(k·r − ωt)) that holds most of the power.

    Attributes
    ----------
    k : numpy array, shape (d,)
        Wavevector, radians per site, each component in [−π, π].
    omega : float
        Radians per unit time, in [−π, π] / dt.
    speed : float
        |ω| / ‖k‖ in sites per unit time; infinite for k = 0.
    direction : numpy array, shape (d,)
        Where it moves: k ω / (‖k‖ |ω|); zeros if it does not.
    share : float
        Of the power, in [0, 1].
    """

    k: np.ndarray
    omega: float
    speed: float
    direction: np.ndarray
    share: float


def dominant_wave(
    states: Array,
    dt: float,
    *,
    where: Any = None,
    moving: bool = False,
    plane: Array | None = None,
) -> PlaneWave:
    """Find the plane wave that explains most of a run, between the bins of the spectrum too.

    The highest bin of the spectrum is the start; from there Newton's method climbs |ẑ(k, ω)|² to
    its top. For one wave in white noise that is the estimate of maximum likelihood.

    Parameters
    ----------
    states : array, shape (S, *grid, N)
        Successive states, `dt` apart.
    dt : float
    where : array of bool, shape grid, optional
        Only these sites; by default all.
    moving : bool, default False
        Subtract each oscillator's mean over time first: for waves over a pattern that stands. That
        takes a part of the wave along unless it goes round whole times: ω of a wave of half a turn
        in the record is off by half, of 1.3 turns by 2 %, of three and more by 0.2 % at most.
    plane : array, shape (2, N), optional
        For N > 2; by default the leading plane of all states (inside `where`) together.

    Returns
    -------
    PlaneWave

    Raises
    ------
    ValueError
        If the shape does not fit, there are fewer than 4 frames, or `dt` is not positive.

    References
    ----------
    Rife & Boorstyn (1974), Single-tone parameter estimation from discrete-time observations, IEEE
    Trans. Inf. Theory 20, 591.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import phase
    >>> t, r = 0.1 * np.arange(50)[:, None], np.arange(40)
    >>> wave = dominant_wave(phase.from_phases(0.3 * r - 2.0 * t), 0.1)
    >>> float(wave.k[0].round(9)), round(wave.omega, 9), round(wave.speed, 9)
    (0.3, 2.0, 6.666666667)
    """
    dt = real_number("dt", dt, positive=True)
    states, _ = require_frames(states, 4)
    x = to_numpy(states).astype(np.float64)
    region = require_where(where, x.shape[1:-1])
    if moving:
        x = x - x.mean(axis=0)
    if plane is None and x.shape[-1] > 2:
        plane = leading_plane(x[:, region])
    z = _complex(to_plane(x, None if plane is None else to_numpy(plane).astype(np.float64)))
    z = np.where(region, z, 0.0)
    turns = _folded(_climbed(z, _highest(z)))
    total = (np.abs(z) ** 2).sum() * len(x) * region.sum()
    share = float(np.abs(_moments(z, turns)[(0,) * z.ndim]) ** 2 / total) if total else 0.0
    return _wave(np.asarray(turns[1:]), float(0.0 - turns[0]) / dt, share)


def _folded(turns: np.ndarray) -> np.ndarray:
    """Return turns in [−π, π]; what is rounding alone is none."""
    turns = turns - 2 * np.pi * np.round(turns / (2 * np.pi))
    return np.asarray(np.where(np.abs(turns) > _NO_TURN, turns, 0.0))


def _wave(k: np.ndarray, omega: float, share: float) -> PlaneWave:
    length = float(np.sqrt(k @ k))
    speed = abs(omega) / length if length else np.inf
    direction = k * np.sign(omega) / length if length else np.zeros_like(k)
    return PlaneWave(k, omega, speed, direction, share)


def _highest(z: np.ndarray) -> np.ndarray:
    """Return the turns per frame and per site, in radians, of the spectrum's highest bin."""
    # Twice as fine as the bins: from the best of these Newton's method cannot fall off the peak.
    shape = [2 * n for n in z.shape]
    power = np.abs(np.fft.fftn(z, s=shape, axes=range(z.ndim)))
    index = np.unravel_index(power.argmax(), power.shape)
    return np.array([2 * np.pi * np.fft.fftfreq(n)[i] for n, i in zip(shape, index, strict=True)])


def _moments(z: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Return Σ u^p z exp(−i turns·u) for powers p of 0, 1, 2 along each axis, u from the middle."""
    for size, turn in zip(z.shape, turns, strict=True):
        u = np.arange(size) - (size - 1) / 2
        waves = np.exp(-1j * turn * u)[:, None] * u[:, None] ** np.arange(3)
        z = np.tensordot(z, waves, axes=(0, 0))
    return z


def _climbed(z: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Climb |ẑ|² by Newton's method on its logarithm."""
    units = np.eye(z.ndim, dtype=int)
    for _ in range(20):
        moments = _moments(z, turns)
        top = moments[(0,) * z.ndim]
        if abs(top) == 0:
            return turns
        first = np.array([moments[tuple(u)] for u in units]) / top
        second = np.array([[moments[tuple(u + v)] for v in units] for u in units]) / top
        # log ẑ has the derivatives −i m₁ and −(m₂ − m₁m₁); log|ẑ| their real parts.
        slope = first.imag
        bend = (second - first[:, None] * first[None, :]).real
        step = np.linalg.solve(bend, slope) if np.linalg.cond(bend) < 1e12 else 0 * slope
        turns = turns + np.clip(step, -np.pi / np.array(z.shape), np.pi / np.array(z.shape))
        if np.abs(step * z.shape).max() < 1e-10:
            break
    return turns
