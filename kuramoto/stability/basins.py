"""How much of the state space leads where: basins of attraction measured by sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, is_array, to_numpy
from kuramoto._check import invalid, real_number, whole_number, wrong_type
from kuramoto.model import Kuramoto
from kuramoto.solve import solve
from kuramoto.steppers import Stepper

__all__ = ["BasinStability", "basin_sizes", "basin_stability"]


class BasinStability(NamedTuple):
    """The share of random initial states that end somewhere, with its confidence interval.

    Attributes
    ----------
    fraction : float
        hits / samples.
    low, high : float
        Wilson's interval for the true share.
    hits, samples : int
    """

    fraction: float
    low: float
    high: float
    hits: int
    samples: int


def basin_stability(
    model: Kuramoto,
    predicate: Callable[[Array], Any],
    *,
    shape: Sequence[int],
    t1: float,
    samples: int = 500,
    seed: int | None = None,
    confidence: float = 0.95,
    dt: float | None = None,
    stepper: Stepper | None = None,
    like: Array | None = None,
    progress: bool = False,
) -> BasinStability:
    """Return the share of uniformly random initial states whose state at t1 satisfies a predicate.

    All samples are one batch of one run.

    Parameters
    ----------
    model : Kuramoto
    predicate : callable
        From final states, shape (samples, *sites, N), to truth values, shape (samples,). A state
        with inertia holds velocities too: see ``model.vectors``.
    shape : sequence of int
        (*sites, N) of one state's vectors. What else a state holds begins as ``model.state`` says.
    t1 : float
        How long to integrate; long enough for every sample to have decided.
    samples : int, default 500
    seed : int, optional
    confidence : float, default 0.95
        Of the interval.
    dt, stepper
        As for `solve`; without `dt` the step adapts to the sample that needs the smallest.
    like : array, optional
        Library, dtype and device to compute on; NumPy float64 by default.
    progress : bool, default False

    Returns
    -------
    BasinStability

    Raises
    ------
    ValueError
        If a number is out of range, or the predicate does not return one value for each sample.
    TypeError
        If the predicate is not callable.

    References
    ----------
    Menck, Heitzig, Marwan, Kurths (2013), How basin stability complements the linear-stability
    paradigm, Nature Physics 9, 89; Wilson (1927), J. Am. Stat. Assoc. 22, 209.

    Examples
    --------
    >>> import kuramoto as km
    >>> model, r = km.Kuramoto(km.MeanField(1.0)), km.observables.order_parameter
    >>> synchronous = lambda x: r(x) > 0.99
    >>> found = basin_stability(model, synchronous, shape=(10, 3), t1=30.0, samples=100, seed=0)
    >>> found.fraction, round(found.low, 3)
    (1.0, 0.963)
    """
    require_callable(predicate, "predicate")
    found = basin_sizes(
        model,
        lambda x: np.asarray(_labels(predicate, x, "predicate", samples), dtype=bool),
        shape=shape,
        t1=t1,
        samples=samples,
        seed=seed,
        confidence=confidence,
        dt=dt,
        stepper=stepper,
        like=like,
        progress=progress,
    )
    return found.get(True, _wilson(0, samples, confidence))


def basin_sizes(
    model: Kuramoto,
    label: Callable[[Array], Any],
    *,
    shape: Sequence[int],
    t1: float,
    samples: int = 500,
    seed: int | None = None,
    confidence: float = 0.95,
    dt: float | None = None,
    stepper: Stepper | None = None,
    like: Array | None = None,
    progress: bool = False,
) -> dict[Any, BasinStability]:
    """Return how often random initial states end in each of several attractors.

    Parameters
    ----------
    label : callable
        From final states, shape (samples, *sites, N), to labels, shape (samples,): winding numbers,
        say.
    model, shape, t1, samples, seed, confidence, dt, stepper, like, progress
        As for `basin_stability`.

    Returns
    -------
    dict of BasinStability
        Label to share, labels in ascending order.

    Raises
    ------
    ValueError, TypeError
        As for `basin_stability`.

    References
    ----------
    Wiley, Strogatz, Girvan (2006), The size of the sync basin, Chaos 16, 015103.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(0.0), stimulus=np.array([2.0, 0.0]))
    >>> found = basin_sizes(model, lambda x: x[:, 0, 0].round(), shape=(1, 2), t1=30.0, samples=50)
    >>> {label: size.hits for label, size in found.items()}
    {1.0: 50}
    """
    require_callable(label, "label")
    samples = whole_number("samples", samples, least=1)
    _confidence(confidence)
    if not isinstance(shape, tuple | list):
        raise wrong_type("shape", "be (*sites, N) of one state", shape)
    sizes = [whole_number("shape", size, least=1) for size in shape]
    x0 = sphere.random_points((samples, *sizes), seed=seed, like=like)
    x0 = model.state(x0) if isinstance(model, Kuramoto) else x0  # solve says what is wrong
    final = solve(model, x0, t1=t1, dt=dt, stepper=stepper, seed=seed, progress=progress).final
    labels, counts = np.unique(_labels(label, final, "label", samples), return_counts=True)
    pairs = zip(labels.tolist(), counts.tolist(), strict=True)
    return {value: _wilson(hits, samples, confidence) for value, hits in pairs}


def require_callable(
    function: Any, argument: str, must: str = "be a function of the final states"
) -> None:
    """Raise unless `function` can be called."""
    if not callable(function):
        raise wrong_type(argument, must, function)


def _labels(function: Any, final: Array, argument: str, samples: int) -> np.ndarray:
    found = function(final)
    labels, wanted = to_numpy(found) if is_array(found) else np.asarray(found), (samples,)
    if labels.shape != wanted:
        raise invalid(
            argument, f"return shape {wanted}, one value a sample", f"has shape {labels.shape}"
        )
    return labels


def _confidence(confidence: Any) -> float:
    level = real_number("confidence", confidence)
    if not 0 < level < 1:
        raise invalid("confidence", "be between 0 and 1", f"{level:g}")
    return level


def _wilson(hits: int, samples: int, confidence: float) -> BasinStability:
    """Return Wilson's score interval: where |p̂ − p| ≤ z √(p (1 − p) / n)."""
    z, p = NormalDist().inv_cdf((1 + confidence) / 2), hits / samples
    spread = z * math.sqrt(p * (1 - p) / samples + z**2 / (4 * samples**2))
    middle, scale = p + z**2 / (2 * samples), 1 + z**2 / samples
    low, high = (middle - spread) / scale, (middle + spread) / scale
    # Exact at the ends, where rounding would leave 1e-17 of them.
    return BasinStability(p, low if hits else 0.0, high if hits < samples else 1.0, hits, samples)
