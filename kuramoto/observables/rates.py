"""How fast oscillators turn: instantaneous and mean frequencies, and who shares one."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, integers_like, to_numpy
from kuramoto._check import invalid, real_number
from kuramoto.model import Kuramoto
from kuramoto.observables.neighbourhood import adjacency
from kuramoto.observables.shapes import cross, require_rows

__all__ = [
    "MeanFrequency",
    "angular_velocity",
    "frequency_clusters",
    "instantaneous_frequency",
    "mean_frequencies",
    "residual",
]

# Of a turn in (−π, π] that is this large, nobody knows whether it went the other way round.
_DOUBTFUL = 0.75 * math.pi


def residual(model: Kuramoto, x: Array, t: float = 0.0) -> Array:
    """Return max_i ‖ẋ_i‖₂: 0 exactly at rest, in radians per unit time.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*batch, *sites, N)
    t : float, default 0.0

    Returns
    -------
    array, shape (*batch,)
    """
    axes = tuple(range(-model.coupling.site_ndim, 0))
    speed = sphere.norm(model.velocity(x, t))[..., 0]
    return array_namespace(x).max(speed, axis=axes)


def instantaneous_frequency(model: Kuramoto, x: Array, t: float = 0.0) -> Array:
    """Return how fast every oscillator turns now: dθ_i/dt for N = 2, else the speed ‖ẋ_i‖₂.

    For N = 2 the sign says the sense, counterclockwise positive. In higher dimensions there is no
    such sign; the plane of the turn is in `angular_velocity`.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*batch, *sites, N)
    t : float, default 0.0

    Returns
    -------
    array, shape (*batch, *sites)
        Radians per unit time.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(0.0), km.Rotation([[1.0], [-2.0]]))
    >>> instantaneous_frequency(model, np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([ 1., -2.])
    """
    vectors, velocity = _motion(model, x, t)
    if vectors.shape[-1] == 2:
        return cross(vectors, velocity)
    return sphere.norm(velocity)[..., 0]


def _motion(model: Kuramoto, x: Array, t: float) -> tuple[Array, Array]:
    """Return x_i and ẋ_i, of a state that may hold more than them."""
    vectors, velocity = model.vectors(x), model.velocity(x, t)
    whole = tuple(velocity.shape) != tuple(vectors.shape)
    return vectors, model.vectors(velocity) if whole else velocity


def angular_velocity(model: Kuramoto, x: Array, t: float = 0.0) -> Array:
    """Return W_i = ẋ_i x_iᵀ − x_i ẋ_iᵀ: the slowest rotation with ẋ_i = W_i x_i.

    It turns in the plane of x_i and ẋ_i alone; W_i[1, 0] is dθ_i/dt for N = 2, and for N = 3
    W_i holds the components of x_i × ẋ_i. Averaged over time (`RunningMean`) it tells rotation
    from wandering about, which speed alone does not.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*batch, *sites, N)
    t : float, default 0.0

    Returns
    -------
    array, shape (*batch, *sites, N, N)
        Antisymmetric, in radians per unit time.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(0.0), km.Rotation([2.0]))
    >>> angular_velocity(model, np.array([[1.0, 0.0]]))[0]
    array([[ 0., -2.],
           [ 2.,  0.]])
    """
    vectors, velocity = _motion(model, x, t)
    product = velocity[..., :, None] * vectors[..., None, :]
    return product - array_namespace(x).matrix_transpose(product)


class MeanFrequency:
    """Mean frequencies from states as they come: an observer that `solve` can call.

    Sums the turns from one state to the next: signed for N = 2, lengths of arcs on the sphere for
    N > 2. See `mean_frequencies` for what that asks of the times between states.

    Calling it returns the number of states seen, so that a run's file holds one number a row; a
    second call for the same time is ignored. What it has gathered is not kept in run files.

    Attributes
    ----------
    count : int
        States seen.
    largest_turn : float
        The largest turn between two of them, in radians: near π nothing can be said.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> rates = MeanFrequency()
    >>> model = km.Kuramoto(km.MeanField(0.0), km.Rotation([[1.0], [-2.0]]))
    >>> x0 = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> save = km.SaveAt(every=10, start=True, states=False)
    >>> run = km.solve(model, x0, t1=10.0, dt=0.05, save=save, observe={"seen": rates})
    >>> rates.value().round(4)
    array([ 1., -2.])
    """

    def __init__(self) -> None:
        self.count, self.largest_turn = 0, 0.0
        self._total: Array = None
        self._first = self._time = math.nan
        self._last: Array = None

    def __call__(self, t: float, x: Array) -> int:
        """Take the state x at time t; return how many there have been."""
        if self.count == 0:
            self._first, self._total = t, 0 * x[..., 0]
        elif t == self._time:
            return self.count
        elif t < self._time:
            raise invalid("times", "increase", f"{t:g} after {self._time:g}")
        else:
            turn = _turn(self._last, x)
            largest = float(array_namespace(x).max(array_namespace(x).abs(turn)))
            self.largest_turn = max(self.largest_turn, largest)
            self._total = self._total + turn
        self._last = array_namespace(x).asarray(x, copy=True)  # the run may write on
        self._time, self.count = t, self.count + 1
        return self.count

    def value(self) -> Array:
        """Return the mean frequencies so far, shape (*batch, *sites).

        Raises
        ------
        ValueError
            If fewer than two states were seen.
        """
        if self.count < 2:
            raise invalid("states", "be at least two", f"{self.count}")
        if self.largest_turn > _DOUBTFUL:
            warnings.warn(
                f"Between two states an oscillator turned by {self.largest_turn / math.pi:.2f} π: "
                "the mean frequencies may have the wrong sense; save states more often.",
                RuntimeWarning,
                stacklevel=2,
            )
        return self._total / (self._time - self._first)


def mean_frequencies(times: Any, states: Any) -> Array:
    """Return the mean rate of turning of every oscillator over a run.

    For N = 2 the growth of the unwrapped phase over time, Ω_i = (θ_i(t_S) − θ_i(t_1))/(t_S − t_1),
    with its sign. For N > 2 the length of the path on the sphere over time, summed over the arcs
    from state to state: never more than the mean speed, and less by O(spacing²).

    Between two states no oscillator may turn by π or more: spacing < π / max |θ̇|. A faster one
    looks like a slower one that turns backwards, and the states alone cannot tell. A warning says
    so where a turn comes near (above 3π/4); where only few states are kept, let `MeanFrequency`
    look more often, or average `instantaneous_frequency`.

    Parameters
    ----------
    times : array, shape (S,)
        Increasing; at least two.
    states : array or dataset, shape (S, *batch, *sites, N)
        As in `Solution.states`; read row by row.

    Returns
    -------
    array, shape (*batch, *sites)
        Radians per unit time.

    Raises
    ------
    ValueError
        If there are fewer than two times, they do not increase, or not one for each state.

    Warns
    -----
    RuntimeWarning
        If a turn between two states is above 3π/4.

    Examples
    --------
    >>> import numpy as np
    >>> theta = np.array([[0.0], [2.0], [4.0], [6.0]])
    >>> mean_frequencies([0.0, 1.0, 2.0, 3.0], np.stack([np.cos(theta), np.sin(theta)], axis=-1))
    array([2.])
    """
    times = to_numpy(as_array(times, "times"))
    if times.ndim != 1 or len(times) < 2:
        raise invalid("times", "hold at least two", f"has shape {times.shape}")
    states = require_rows(states)
    if len(times) != states.shape[0]:
        raise invalid("states", f"be one for each of {len(times)} times", f"{states.shape[0]}")
    if not (np.diff(times) > 0).all():
        raise invalid("times", "increase", f"it has a step of {np.diff(times).min():g}")
    gathered = MeanFrequency()
    for row, t in enumerate(times.tolist()):
        gathered(t, states[row, ...])
    return gathered.value()


def _turn(x: Array, y: Array) -> Array:
    """Return the angle from x to y: in (−π, π] for N = 2, in [0, π] for N > 2."""
    if x.shape[-1] == 2:
        return array_namespace(x).atan2(cross(x, y), sphere.dot(x, y)[..., 0])
    return sphere.distance(x, y)


def frequency_clusters(frequencies: Array, tolerance: float, coupling: Any = None) -> Array:
    """Label groups of oscillators that turn at one frequency.

    Sorted by frequency, neighbours at most `tolerance` apart belong together: a group may be wider
    than the tolerance, the gaps between groups never narrower. With a coupling, its members must
    moreover be joined by links within the group, so that two that turn alike by chance, far apart
    on the network, are two groups.

    Parameters
    ----------
    frequencies : array, shape (*batch, *sites), or (M,)
        For example from `mean_frequencies`; a batch where the coupling tells the sites, otherwise
        all numbers are those of one state.
    tolerance : float
        Radians per unit time. Over a run of length T frequencies are known to about 2π/T.
    coupling : Coupling or matrix, optional
        Which oscillators are linked.

    Returns
    -------
    array of int, same shape as `frequencies`
        0, 1, ... by increasing frequency; with a coupling, parts of one group follow one another.

    Raises
    ------
    ValueError
        If the tolerance is not positive, a frequency is not finite, or the coupling has other
        sites.

    Examples
    --------
    >>> import numpy as np
    >>> frequency_clusters(np.array([0.5, -1.0, 0.5001, -0.9999]), 0.01)
    array([1, 0, 1, 0])
    """
    tolerance = real_number("tolerance", tolerance, positive=True)
    frequencies = as_array(frequencies, "frequencies")
    values = to_numpy(frequencies)
    if not values.ndim or not values.size or not np.isfinite(values).all():
        raise invalid("frequencies", "be an array of finite numbers", f"{values!s:.60}")
    ndim = values.ndim if coupling is None else getattr(coupling, "site_ndim", 1)
    sites = values.shape[values.ndim - ndim :]
    linked = None if coupling is None else adjacency(coupling, sites)
    rows = [_clusters(row, tolerance, linked) for row in values.reshape(-1, int(np.prod(sites)))]
    return integers_like(np.stack(rows).reshape(values.shape), frequencies)


def _clusters(values: np.ndarray, tolerance: float, linked: Any) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    labels = np.empty(len(values), dtype=np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(np.diff(values[order]) > tolerance)])
    if linked is None:
        return labels
    from scipy.sparse import coo_array, csgraph

    links = linked.tocoo()
    kept = labels[links.row] == labels[links.col]
    inner = coo_array((links.data[kept], (links.row[kept], links.col[kept])), shape=links.shape)
    parts = csgraph.connected_components(inner.tocsr(), directed=False)[1]
    # By group first, then by the part's first oscillator: pairs in the order of np.unique.
    return np.unique(labels * len(values) + parts, return_inverse=True)[1].astype(np.int64)
