"""Order that comes and goes: metastability over time, chimeras over populations."""

from __future__ import annotations

from typing import Any

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.observables.shapes import require_rows

__all__ = ["chimera_index", "metastability", "strength_of_incoherence"]


def metastability(r: Any) -> Array:
    """Return the standard deviation over time of order parameters.

    Large where order keeps forming and dissolving; 0 in a steady state, of order or disorder. The
    index λ of Shanahan is the mean over populations of its square.

    Parameters
    ----------
    r : array, shape (S, ...)
        Order parameters over time, without the transient: one, or one for each population.

    Returns
    -------
    array, shape (...)
        With S − 1 in the denominator of the variance, as in the reference.

    Raises
    ------
    ValueError
        If there are fewer than two times.

    References
    ----------
    Shanahan (2010), Metastable chimera states in community-structured oscillator networks, Chaos
    20, 013108.

    Examples
    --------
    >>> import numpy as np
    >>> metastability(np.array([0.2, 0.6, 1.0])).round(12)
    np.float64(0.4)
    """
    r = as_array(r, "r")
    if r.ndim < 1 or r.shape[0] < 2:
        raise invalid("r", "hold at least two times", f"has shape {tuple(r.shape)}")
    return array_namespace(r).std(r, axis=0, correction=1)


def chimera_index(r: Any) -> Array:
    """Return the mean over time of the variance of r over populations.

    Large where some populations are in order while others are not: 0 if all are alike, and
    P/(4(P − 1)) at most, for half of P populations at r = 1 and half at 0.

    Parameters
    ----------
    r : array, shape (S, ..., P)
        Order parameters of P populations over time, as `population_order_parameters` has them.

    Returns
    -------
    array, shape (...)
        With P − 1 in the denominator of the variance, as in the reference.

    Raises
    ------
    ValueError
        If there are fewer than two populations.

    References
    ----------
    Shanahan (2010), Metastable chimera states in community-structured oscillator networks, Chaos
    20, 013108.

    Examples
    --------
    >>> import numpy as np
    >>> chimera_index(np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.float64(0.5)
    """
    r = as_array(r, "r")
    if r.ndim < 2 or r.shape[-1] < 2 or r.shape[0] < 1:
        must = "hold times first and at least two populations last"
        raise invalid("r", must, f"has shape {tuple(r.shape)}")
    xp = array_namespace(r)
    return xp.mean(xp.var(r, axis=-1, correction=1), axis=0)


def strength_of_incoherence(states: Any, bins: int, threshold: float) -> Array:
    """Return the share of stretches of a ring in which neighbours differ: 0 to 1, chimera between.

    With z_i = x_{i+1} − x_i and its mean z̄ round the ring (which is 0), a stretch of M/bins
    oscillators is incoherent if ⟨√(mean over it of ‖z_i − z̄‖²)⟩_t reaches the threshold.

    Parameters
    ----------
    states : array or dataset, shape (S, *batch, M, N)
        Oscillators in their order round the ring; read row by row.
    bins : int
        How many stretches; divides M.
    threshold : float
        Between the distance of neighbours on a smooth profile, about 2π/M, and that of oscillators
        at random, √2.

    Returns
    -------
    array, shape (*batch,)

    Raises
    ------
    ValueError
        If `bins` does not divide M, the threshold is not positive, or there is no state.

    References
    ----------
    Gopal, Chandrasekar, Venkatesan & Lakshmanan (2014), Observation and characterization of chimera
    states in coupled dynamical systems with nonlocal coupling, Phys. Rev. E 89, 052914.

    Examples
    --------
    >>> import kuramoto as km
    >>> x = km.sphere.random_points((1, 100, 2), seed=0)
    >>> x[:, :51] = [1.0, 0.0]
    >>> strength_of_incoherence(x, bins=10, threshold=0.3)
    np.float64(0.5)
    """
    bins = whole_number("bins", bins, least=1)
    threshold = real_number("threshold", threshold, positive=True)
    states = require_rows(states)
    shape = tuple(states.shape)
    if shape[0] < 1:
        raise invalid("states", "hold at least one", f"has shape {shape}")
    if shape[-2] % bins:
        raise invalid("bins", f"divide M = {shape[-2]}", f"{bins}")
    spread = sum(_spread(states[row, ...], bins) for row in range(shape[0])) / shape[0]
    xp = array_namespace(spread)
    return xp.mean(xp.astype(spread >= threshold, spread.dtype), axis=-1)


def _spread(x: Array, bins: int) -> Array:
    """Return how much neighbours differ in each stretch, shape (*batch, bins)."""
    xp = array_namespace(x)
    z = xp.roll(x, -1, axis=-2) - x
    squares = sphere.dot(z, z)[..., 0]
    stretches = xp.reshape(squares, (*squares.shape[:-1], bins, -1))
    return xp.sqrt(xp.mean(stretches, axis=-1))
