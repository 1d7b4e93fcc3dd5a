"""Steppers: one step of eq. 2, from the paper's own (eq. 4-5) to Dormand-Prince 5(4).

A stepper holds no state. `init` returns a carry for the first step; `step` takes the carry of the
step before and returns a `Step`. Every step ends on the sphere. A carry is a function of (model, t,
x) and of the last dt alone, so that a run resumed from (t, x) goes on bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, from_numpy
from kuramoto._check import whole_number
from kuramoto.model import Kuramoto

__all__ = [
    "DormandPrince",
    "GeodesicEuler",
    "ProjectedEuler",
    "RungeKutta4",
    "Splitting",
    "Step",
    "Stepper",
    "StochasticHeun",
]


class Step(NamedTuple):
    """The end of a step: the new state, an estimate of its error (or None), the next carry."""

    x: Array
    error: Array | None
    carry: Any


class Stepper(Protocol):
    """What `solve` asks of a stepper."""

    @property
    def order(self) -> int:
        """Global order of convergence."""
        ...

    def init(self, model: Kuramoto, t: float, x: Array) -> Any:
        """Return the carry for the first step."""
        ...

    def step(self, model: Kuramoto, t: float, x: Array, dt: float, carry: Any) -> Step:
        """Advance from t to t + dt."""
        ...


@dataclass(frozen=True)
class ProjectedEuler:
    """x ← Π[x + dt (Ωx + Proj_x(c + Jx))]: the Kuramoto step of eq. 4-5 to the letter; order 1."""

    order = 1

    def init(self, model: Kuramoto, t: float, x: Array) -> None:
        """Carry nothing."""

    def step(self, model: Kuramoto, t: float, x: Array, dt: float, carry: None) -> Step:
        """Take one step."""
        update = sphere.to_tangent(x, model.force(x, t))
        if model.frequency is not None:
            update = model.frequency(x) + update
        return Step(sphere.normalize(x + dt * update), None, None)


@dataclass(frozen=True)
class Splitting:
    """Rotate exactly by exp(Ω dt), then x ← Π[x + dt Proj_x(c + Jx)]; order 1.

    Under the conditions of `certify` and up to its `max_step`, no step raises the energy: the
    rotation leaves it unchanged, the projected step cannot raise it.
    """

    order = 1

    def init(self, model: Kuramoto, t: float, x: Array) -> tuple[float, Any]:
        """Carry the propagator of the last dt."""
        return 0.0, None

    def step(
        self, model: Kuramoto, t: float, x: Array, dt: float, carry: tuple[float, Any]
    ) -> Step:
        """Take one step."""
        last_dt, propagator = carry
        if model.frequency is not None:
            if propagator is None or dt != last_dt:
                propagator = model.frequency.propagator(dt)
            x = model.frequency.propagate(propagator, x)
        x = sphere.normalize(x + dt * sphere.to_tangent(x, model.force(x, t)))
        return Step(x, None, (dt, propagator))


@dataclass(frozen=True)
class GeodesicEuler:
    """x ← exp_x(dt ẋ): along the great circle of the present velocity; order 1."""

    order = 1

    def init(self, model: Kuramoto, t: float, x: Array) -> None:
        """Carry nothing."""

    def step(self, model: Kuramoto, t: float, x: Array, dt: float, carry: None) -> Step:
        """Take one step."""
        return Step(sphere.exp(x, dt * model.velocity(x, t)), None, None)


@dataclass(frozen=True)
class RungeKutta4:
    """The classical fourth-order Runge-Kutta method, projected to the sphere after every step.

    References
    ----------
    Hairer, Lubich, Wanner (2006), Geometric Numerical Integration, IV.4 (projection methods).
    """

    order = 4

    def init(self, model: Kuramoto, t: float, x: Array) -> None:
        """Carry nothing."""

    def step(self, model: Kuramoto, t: float, x: Array, dt: float, carry: None) -> Step:
        """Take one step."""
        k1 = model.velocity(x, t)
        k2 = model.velocity(x + (dt / 2) * k1, t + dt / 2)
        k3 = model.velocity(x + (dt / 2) * k2, t + dt / 2)
        k4 = model.velocity(x + dt * k3, t + dt)
        return Step(model.project(x + (dt / 6) * (k1 + 2 * (k2 + k3) + k4)), None, None)


# Dormand & Prince (1980), table 2; the last row of A is b, the error weights are b − b̂.
DORMAND_PRINCE_A = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
DORMAND_PRINCE_C = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
DORMAND_PRINCE_E = (
    71 / 57600,
    0.0,
    -71 / 16695,
    71 / 1920,
    -17253 / 339200,
    22 / 525,
    -1 / 40,
)


@dataclass(frozen=True)
class DormandPrince:
    """Dormand-Prince 5(4), projected to the sphere after every step, with an error estimate.

    The last stage is evaluated at the projected end point and serves as the first stage of the next
    step: six evaluations a step.

    References
    ----------
    Dormand, Prince (1980), A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6.
    """

    order = 5
    estimates_error = True

    def init(self, model: Kuramoto, t: float, x: Array) -> tuple[float, Array]:
        """Carry the velocity at (t, x), and t."""
        return t, model.velocity(x, t)

    def step(
        self, model: Kuramoto, t: float, x: Array, dt: float, carry: tuple[float, Array]
    ) -> Step:
        """Take one step."""
        # t + dt and the next step's t can differ by rounding: a moving stimulus would see that.
        carried, velocity = carry
        same = carried == t or not callable(model.stimulus)
        stages = [velocity if same else model.velocity(x, t)]
        for weights, node in zip(DORMAND_PRINCE_A[:-1], DORMAND_PRINCE_C[:-1], strict=True):
            stages.append(model.velocity(_combine(x, dt, weights, stages), t + node * dt))
        new = model.project(_combine(x, dt, DORMAND_PRINCE_A[-1], stages))
        stages.append(model.velocity(new, t + dt))
        error = _combine(None, dt, DORMAND_PRINCE_E, stages)
        return Step(new, error, (t + dt, stages[-1]))


def _combine(x: Array | None, dt: float, weights: tuple[float, ...], stages: list[Array]) -> Array:
    """Return x + dt Σ w_s k_s."""
    for weight, stage in zip(weights, stages, strict=True):
        if weight:
            term = (dt * weight) * stage
            x = term if x is None else x + term
    return x


@dataclass(frozen=True)
class StochasticHeun:
    """Heun's method around a geodesic kick, for dx = velocity dt + σ Proj_x ∘ dW, σ = model.noise.

    With f = velocity(x, t) and y the end of the kick (`kick`), the step ends at

        Π[y + (dt/2) (f̂ + velocity(y + dt f̂, t + dt))],    f̂ = f ⟨x, y⟩ − x ⟨f, y⟩:

    f̂ is at y what f is at x, if the sphere is turned as a whole so that x moves by f. Moments
    converge with order 2 (weak order), for any N; paths for given W with order ½, as for every
    method that takes no more of W than its increments. Without noise it is Heun's method, order 2.

    The noise of the step at time t is drawn from a counter-based generator keyed by (seed, t), so a
    resumed run sees the same noise.

    Parameters
    ----------
    seed : int, optional
        `solve` fills it in from its own `seed`, or draws one.

    References
    ----------
    Kloeden, Platen (1992), Numerical Solution of Stochastic Differential Equations, 15.1.
    Hsu (2002), Stochastic Analysis on Manifolds, 3.2: Brownian motion on spheres.
    """

    seed: int | None = None
    order = 2
    stochastic = True

    def __post_init__(self) -> None:
        """Check the seed."""
        if self.seed is not None:
            object.__setattr__(self, "seed", whole_number("seed", self.seed))

    def init(self, model: Kuramoto, t: float, x: Array) -> None:
        """Carry nothing."""

    def step(self, model: Kuramoto, t: float, x: Array, dt: float, carry: None) -> Step:
        """Take one step."""
        instant = int(np.float64(t).view(np.uint64))
        bits = np.random.Philox(key=self.seed or 0, counter=[0, 0, 0, instant])
        normal = np.random.Generator(bits).standard_normal(tuple(x.shape))
        noise = from_numpy(model.noise * np.sqrt(dt) * normal, x)
        return Step(kicked(model, t, x, dt, noise), None, None)


def kicked(model: Kuramoto, t: float, x: Array, dt: float, noise: Array) -> Array:
    """Return where a step of `StochasticHeun` ends, for the increment σ(W(t + dt) − W(t))."""
    y = kick(x, noise, model.noise**2 * dt)
    drift = model.velocity(x, t)
    turned = sphere.dot(x, y) * drift - sphere.dot(drift, y) * x
    ahead = model.velocity(y + dt * turned, t + dt)
    return sphere.normalize(y + (dt / 2) * (turned + ahead))


def kick(x: Array, noise: Array, variance: float) -> Array:
    """Return where Brownian motion on the sphere comes to: along the geodesic of the noise at x.

    Its length is scaled by 1/√(1 + (N−2)/6 · variance): there is less room around x on the sphere
    than in the tangent space, and of the heat kernel's density this is the first term. The mean is
    then right up to the variance cubed for every function on the sphere; for N = 2, exactly.

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    noise : array, shape of x
        Independent components of the variance given; their tangent part counts.
    variance : float
        σ² dt.
    """
    scale = 1 / math.sqrt(1 + max(0, x.shape[-1] - 2) * variance / 6)
    return sphere.exp(x, scale * sphere.to_tangent(x, noise))
