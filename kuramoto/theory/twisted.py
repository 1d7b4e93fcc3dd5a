"""Twisted states on rings: θ_i = 2π q i/M, and what happens to small disturbances of them.

With weights w_h to the neighbour at the offset h, a disturbance e^{2πi m j/M} of the phases grows
at the rate λ_m = Σ_h w_h cos(2πqh/M) (e^{2πi m h/M} − 1). In N ≥ 3 the state, laid on a great
circle, can also be left sideways: at the rate Σ_h w_h (e^{2πi m h/M} − cos(2πqh/M)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kuramoto._check import invalid, whole_number

__all__ = ["stable_twists", "twisted_phases", "twisted_spectrum"]

Weights = Sequence[float] | Mapping[int, float] | np.ndarray


def twisted_phases(winding: int, count: int) -> np.ndarray:
    """Return the phases θ_i = 2π q i/M, shape (M,), radians in [0, 2π).

    Examples
    --------
    >>> import numpy as np
    >>> (twisted_phases(1, 4) / np.pi).tolist()
    [0.0, 0.5, 1.0, 1.5]
    """
    M = whole_number("count", count, least=1)
    steps = _integer("winding", winding) * np.arange(M) % M  # in whole numbers: no rounding
    return np.asarray(2 * np.pi * steps / M)


def twisted_spectrum(
    weights: Weights, winding: int, count: int, *, transverse: bool = False
) -> np.ndarray:
    """Return the eigenvalues λ_m, m = 0..M−1, of the linearisation at a twisted state.

    For ẋ_i = Proj_{x_i}(Σ_h w_h x_{i+h}) on a ring of M oscillators, with all natural frequencies
    equal. λ_0 = 0 is the turn of all phases together.

    Parameters
    ----------
    weights : sequence (w_1, ..., w_R), or dict {offset: weight}
        A sequence: the same to both sides, and the spectrum is real. A dict: offsets of either
        sign as they are; where w_h ≠ w_{−h} the spectrum is complex (and the state turns).
    winding : int
        q.
    count : int
        M.
    transverse : bool, default False
        For the disturbances out of the great circle, which exist for N ≥ 3. With weights ≥ 0 that
        connect the ring, only q = 0 survives them.

    Returns
    -------
    array, shape (M,)
        Per unit time; all but λ_0 have to be below 0 for stability in the circle.

    Raises
    ------
    ValueError
        If an offset is 0 or does not fit the ring (sequences: 2R < M).

    References
    ----------
    Wiley, Strogatz, Girvan (2006), Chaos 16, 015103.

    Examples
    --------
    >>> twisted_spectrum([1.0], winding=1, count=4).round(12) + 0.0  # a quarter turn: neutral
    array([0., 0., 0., 0.])
    """
    M, q = whole_number("count", count, least=2), _integer("winding", winding)
    offsets, w = _offsets(weights, M)
    cosines = np.cos(2 * np.pi * (q * offsets % M) / M)
    on_ring = np.zeros(M)
    np.add.at(on_ring, offsets % M, w if transverse else w * cosines)
    waves = M * np.fft.ifft(on_ring)  # Σ_h a_h e^{2πi m h/M} for all m
    spectrum = waves - (w @ cosines if transverse else waves[0])
    return np.asarray(spectrum if isinstance(weights, Mapping) else spectrum.real)


def stable_twists(weights: Weights, count: int) -> list[int]:
    """Return the winding numbers q ≥ 0 whose twisted states are stable for phases (N = 2).

    For nearest neighbours: those with q < M/4. (States of −q are stable with those of q.)

    Examples
    --------
    >>> stable_twists([1.0], 12)
    [0, 1, 2]
    """
    M = whole_number("count", count, least=2)
    spectra = {q: twisted_spectrum(weights, q, M)[1:].real for q in range(M // 2 + 1)}
    scale = np.abs(_offsets(weights, M)[1]).sum()
    return [q for q, rates in spectra.items() if (rates < -1e-13 * scale).all()]


def _offsets(weights: Any, M: int) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(weights, Mapping):
        offsets, w = np.array(list(weights), dtype=np.int64), np.array(list(weights.values()))
        if (offsets % M == 0).any():
            raise invalid("weights", f"have offsets that are no multiples of {M}", f"{weights}")
        return offsets, w.astype(np.float64)
    half = np.asarray(weights, dtype=np.float64)
    if half.ndim != 1 or not 2 * half.size < M:
        must = f"be (w_1, ..., w_R) with 2R < {M}"
        raise invalid("weights", must, f"has shape {half.shape}")
    reach = np.arange(1, half.size + 1)
    return np.concatenate([reach, -reach]), np.concatenate([half, half])


def _integer(argument: str, value: Any) -> int:
    """Return a whole number of either sign."""
    sign = -1 if hasattr(value, "__index__") and value < 0 else 1
    return sign * whole_number(argument, sign * value if sign < 0 else value)
