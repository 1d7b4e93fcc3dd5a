"""Lyapunov exponents by Benettin's method: tangent vectors carried along, orthogonalised by QR."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, from_numpy, to_numpy, zeros_array
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.lyapunov.tangent import derivative, require_plain
from kuramoto.model import Kuramoto
from kuramoto.solution import SolveError
from kuramoto.steppers import RungeKutta4

__all__ = ["Exponents", "exponents", "kaplan_yorke_dimension"]

_ROWS = 100  # of the running averages kept


class Exponents(NamedTuple):
    """Lyapunov exponents and how they settled.

    Attributes
    ----------
    values : array, shape (*batch, k)
        Exponents per unit time, largest first.
    times : numpy array, shape (S,)
        When the running averages were taken.
    running : array, shape (S, *batch, k)
        Averages up to then, each row largest first; the last row is `values`.
    final : array, shape (*batch, *sites, N)
        The state at t1, from where the run can go on.
    """

    values: Array
    times: np.ndarray
    running: Array
    final: Array


def exponents(
    model: Kuramoto,
    x0: Array,
    *,
    k: int,
    t1: float,
    dt: float,
    t0: float = 0.0,
    burn_in: float = 0.0,
    every: int = 1,
    seed: int | None = 0,
    progress: bool = False,
) -> Exponents:
    """Return the k largest Lyapunov exponents of a trajectory.

    The state and k disturbances V, tangent to the spheres, obey

        ẋ = f(x),    V̇ = Df(x) V ,

    integrated together by Runge-Kutta 4. Every few steps V = QR; the exponents are the averages of
    log |R_jj| per unit time (Benettin et al., 1980).

    Parameters
    ----------
    model : Kuramoto
        Without noise.
    x0 : array, shape (*batch, *sites, N)
        Unit vectors; each state of a batch has exponents of its own.
    k : int
        How many, 1 to M (N − 1).
    t1, t0 : float
        End and start of the run.
    dt : float
        Step size (made a little smaller if it does not divide the run). An exponent λ of a state
        at rest is found with a relative error of (λ dt)⁴ / 120.
    burn_in : float, default 0.0
        Time from t0 on that is left out of the averages: for the state to settle and for V to
        align. Without it the averages approach their limits as slowly as 1 / (t1 − t0).
    every : int, default 1
        Steps between orthogonalisations. More is cheaper; too many and all vectors become one.
    seed : int, optional
        Of the first disturbances.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    Exponents

    Raises
    ------
    ValueError
        If a number is out of range, the model has noise, or `x0` is no state of it.
    TypeError
        If an argument is of the wrong kind.
    SolveError
        If the state stops being finite.

    References
    ----------
    Benettin, Galgani, Giorgilli, Strelcyn (1980), Meccanica 15, 9-30; Dieci, Russell, Van Vleck
    (1997), On the computation of Lyapunov exponents for continuous dynamical systems.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> together = np.array([[1.0, 0.0]] * 4)
    >>> found = exponents(km.Kuramoto(km.MeanField(2.0)), together, k=3, t1=9, dt=0.02, burn_in=8)
    >>> found.values.round(5) + 0.0
    array([ 0., -2., -2.])
    """
    require_plain(model)
    if model.noise:
        raise invalid("model", "be without noise", f"has noise {model.noise:g}")
    clock = clock_of(t0, t1, dt, burn_in, every)
    x = model.require_state(x0, "x0", clock.t0)
    V = _disturbances(model, x, whole_number("k", k, least=1), seed)
    return _run(_Variational(model), clock, _join(x, V), progress)


def kaplan_yorke_dimension(values: Any) -> Array:
    """Return D = j + (λ_1 + … + λ_j) / |λ_{j+1}|, j the last for which that sum is not negative.

    Parameters
    ----------
    values : array, shape (*batch, k)
        Lyapunov exponents, largest first; enough of them for their sum to turn negative.

    Returns
    -------
    numpy array, shape (*batch,)
        The estimate of the attractor's dimension; NaN where the k exponents are too few to tell.

    References
    ----------
    Kaplan, Yorke (1979), Lecture Notes in Mathematics 730, 204-227.

    Examples
    --------
    >>> float(kaplan_yorke_dimension([0.9, 0.0, -14.5]).round(3))  # of the order of Lorenz's
    2.062
    """
    host = to_numpy(as_array(values, "values")).astype(np.float64)
    if host.ndim < 1 or host.shape[-1] < 1 or (np.diff(host, axis=-1) > 0).any():
        must = "hold exponents along its last axis, largest first"
        raise invalid("values", must, f"has shape {host.shape}: {host.tolist()!s:.60}")
    sums = np.cumsum(host, axis=-1)
    whole = (sums >= 0).sum(axis=-1, keepdims=True)
    last = np.minimum(whole, host.shape[-1] - 1)
    before = np.take_along_axis(sums, np.maximum(whole - 1, 0), axis=-1) * (whole > 0)
    beyond = np.abs(np.take_along_axis(host, last, axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        dimension = whole + before / beyond
    return np.asarray(np.where(whole < host.shape[-1], dimension, np.nan)[..., 0])


class _Variational:
    """State and disturbances as one array (1 + k, *batch, *sites, N) that any stepper can take."""

    def __init__(self, model: Kuramoto) -> None:
        self.model, self.stimulus = model, model.stimulus

    def velocity(self, joint: Array, t: float) -> Array:
        x, V = joint[0, ...], joint[1:, ...]
        return _join(self.model.velocity(x, t), derivative(self.model, x, V, t))

    def project(self, joint: Array) -> Array:
        x = self.model.project(joint[0, ...])
        return _join(x, sphere.to_tangent(x, joint[1:, ...]))


@dataclass(frozen=True)
class Clock:
    """When to stand still: after every so many steps of one size, the last stretch maybe less."""

    t0: float
    dt: float
    steps: int
    first: int  # steps of the burn-in
    every: int

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Yield (first step, number of steps) between orthogonalisations."""
        for begin, end in ((0, self.first), (self.first, self.steps)):
            for step in range(begin, end, self.every):
                yield step, min(self.every, end - step)


def clock_of(t0: Any, t1: Any, dt: Any, burn_in: Any, every: Any = 1) -> Clock:
    """Return the clock of a run, or raise saying which of its numbers is out of range."""
    t0, t1, dt = real_number("t0", t0), real_number("t1", t1), real_number("dt", dt, positive=True)
    burn_in, span = real_number("burn_in", burn_in), t1 - t0
    if span <= 0:
        raise invalid("t1", f"be after t0 = {t0:g}", f"{t1:g}")
    if not 0 <= burn_in < span:
        raise invalid("burn_in", f"be from 0 to below t1 - t0 = {span:g}", f"{burn_in:g}")
    if not span / dt < 2**53:
        raise invalid("dt", f"be long enough to count the steps in t1 - t0 = {span:g}", f"{dt:g}")
    steps = math.ceil(span / dt * (1 - 1e-12))
    first = min(steps - 1, round(burn_in / span * steps))
    return Clock(t0, span / steps, steps, first, whole_number("every", every, least=1))


def _disturbances(model: Kuramoto, x: Array, k: int, seed: int | None) -> Array:
    """Return k orthonormal tangent vectors at x, shape (k, *batch, *sites, N)."""
    axes = -1 - model.coupling.site_ndim
    most = math.prod(x.shape[axes:-1]) * (x.shape[-1] - 1)
    if k > most:
        raise invalid("k", f"be at most M (N - 1) = {most}", f"{k}")
    # A stream of its own: x drawn from the same seed would be parallel to the first disturbance.
    normal = np.random.default_rng(seed).spawn(1)[0].standard_normal((k, *x.shape))
    return _orthonormal(sphere.to_tangent(x, from_numpy(normal, x)), axes)[0]


def _orthonormal(V: Array, axes: int) -> tuple[Array, Array]:
    """Return Q in the shape of V and log |R_jj|, shape (*batch, k)."""
    xp = array_namespace(V)
    k, *batch = V.shape[:axes]
    flat = xp.moveaxis(xp.reshape(V, (k, *batch, -1)), 0, -1)
    Q, R = xp.linalg.qr(flat)
    growth = xp.log(xp.abs(xp.linalg.diagonal(R)))
    return xp.reshape(xp.moveaxis(Q, -1, 0), V.shape), growth


def _join(x: Array, V: Array) -> Array:
    return array_namespace(x).concat([x[None, ...], V], axis=0)


def _run(system: Any, clock: Clock, joint: Array, progress: bool) -> Exponents:
    xp, stepper = array_namespace(joint), RungeKutta4()
    axes = -1 - system.model.coupling.site_ndim
    batch, rows = tuple(joint.shape[1:axes]), []
    total = zeros_array((*batch, joint.shape[0] - 1), joint)
    gap, noted = (clock.steps - clock.first) / _ROWS, 0
    for begin, count in _with_bar(clock, progress):
        for step in range(begin, begin + count):
            t = clock.t0 + step * clock.dt
            joint = stepper.step(system, t, joint, clock.dt, None).x
        V, growth = _orthonormal(joint[1:, ...], axes)
        joint, done = _join(joint[0, ...], V), begin + count - clock.first
        if done <= 0:
            continue
        total = total + growth
        if done >= gap * (noted + 1) or begin + count == clock.steps:
            noted = int(done / gap)
            rows.append((done, total / (done * clock.dt)))
            _require_finite(total, clock.t0 + (begin + count) * clock.dt)
    times = clock.t0 + (clock.first + np.array([done for done, _ in rows])) * clock.dt
    running = -xp.sort(-xp.stack([average for _, average in rows]), axis=-1)  # largest first
    return Exponents(running[-1, ...], times, running, joint[0, ...])


def _require_finite(total: Array, t: float) -> None:
    # log 0 = −inf is no accident: a disturbance may die out altogether.
    if np.isnan(to_numpy(total)).any():
        raise SolveError(
            f"The disturbances stopped being finite before t = {t:g}; take a smaller dt."
        )


def _with_bar(clock: Clock, progress: bool) -> Iterator[tuple[int, int]]:
    from tqdm import tqdm

    layout = "{desc}{percentage:3.0f}%|{bar}| t = {n:.4g}/{total:.4g} [{elapsed}<{remaining}]"
    total = clock.steps * clock.dt
    with tqdm(total=total, disable=not progress, bar_format=layout, leave=False) as bar:
        for begin, count in clock.stretches():
            yield begin, count
            bar.n = min(total, (begin + count) * clock.dt)
            bar.update(0)
