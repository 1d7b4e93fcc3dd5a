"""The checked settings of a run, and where it stands: what solve, resume and run files share."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, real_number, whole_number, wrong_type
from kuramoto.controllers import AdaptiveStep, FixedStep
from kuramoto.model import Kuramoto
from kuramoto.solution import SaveAt
from kuramoto.steppers import DormandPrince, RungeKutta4, Stepper

__all__ = ["Plan", "Position", "first_step", "make_plan"]


class Position(NamedTuple):
    """Where a run stands: all that is needed to go on, bit for bit."""

    t: float
    x: Array
    step: int = 0
    rejected: int = 0
    dt: float = 0.0  # what an adaptive controller wants next
    memory: float = 1.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """The checked settings of a run."""

    t0: float
    t1: float
    dt: float | None
    stepper: Stepper
    controller: FixedStep | AdaptiveStep
    save: SaveAt
    max_steps: int | None = None
    seed: int | None = None
    compile: bool = False

    @cached_property
    def whole_steps(self) -> int:
        """How many full fixed steps fit; a span within rounding of a multiple counts as one."""
        assert self.dt is not None
        ratio = (self.t1 - self.t0) / self.dt
        nearest = round(ratio)
        return nearest if abs(ratio - nearest) <= 1e-9 * max(1.0, ratio) else math.floor(ratio)

    @cached_property
    def total_steps(self) -> int:
        """Fixed steps in all, the last of which may be shorter."""
        assert self.dt is not None
        ratio = (self.t1 - self.t0) / self.dt
        return self.whole_steps + (ratio - self.whole_steps > 1e-9 * max(1.0, ratio))

    @cached_property
    def wanted(self) -> tuple[float, ...]:
        """The times of `save`; those that are steps to rounding, exactly as `time` has them."""
        times = self.save.times or ()
        if self.controller.adaptive or self.dt is None or not times:
            return tuple(times)
        steps = (np.asarray(times) - self.t0) / self.dt
        nearest = np.round(steps)
        close = np.abs(steps - nearest) <= 1e-9 * np.maximum(1.0, np.abs(steps))
        snapped = [
            self.time(int(n)) if c else t for t, n, c in zip(times, nearest, close, strict=True)
        ]
        return tuple(snapped)

    def time(self, step: int) -> float:
        """Return when fixed step number `step` begins: never a running sum."""
        assert self.dt is not None
        return self.t1 if step >= self.total_steps else self.t0 + step * self.dt


def make_plan(
    model: Kuramoto,
    t0: float,
    t1: float,
    dt: float | None,
    stepper: Stepper | None,
    controller: FixedStep | AdaptiveStep | None,
    save: SaveAt | None,
    max_steps: int | None,
    seed: int | None,
) -> Plan:
    """Fill in the defaults and check every setting of `solve`."""
    if not isinstance(model, Kuramoto):
        raise wrong_type("model", "be a Kuramoto model", model, "build one: Kuramoto(coupling)")
    t0, t1, dt = _checked_times(t0, t1, dt)
    if controller is None:
        controller = AdaptiveStep() if dt is None else FixedStep()
    if stepper is None:
        stepper = getattr(model, "default_stepper", None)
    if stepper is None:
        adaptive = getattr(controller, "adaptive", False)
        stepper = DormandPrince() if adaptive else RungeKutta4()
    _require_pair(model, dt, stepper, controller)
    save = SaveAt() if save is None else save
    if not isinstance(save, SaveAt):
        raise wrong_type("save", "be a SaveAt", save, "for example SaveAt(every=10)")
    if save.times and not t0 <= save.times[0] <= save.times[-1] <= t1:
        found = f"has {save.times[0]:g} to {save.times[-1]:g}"
        raise invalid("save.times", f"lie within t0 = {t0:g} and t1 = {t1:g}", found)
    max_steps = None if max_steps is None else whole_number("max_steps", max_steps, least=1)
    seed = None if seed is None else whole_number("seed", seed)
    if getattr(stepper, "stochastic", False):
        stepper, seed = _seeded(stepper, seed)
    plan = Plan(t0, t1, dt, stepper, controller, save, max_steps, seed)
    _require_reachable_times(plan)
    return plan


def _checked_times(t0: Any, t1: Any, dt: Any) -> tuple[float, float, float | None]:
    t0, t1 = real_number("t0", t0), real_number("t1", t1)
    if t1 < t0:
        raise invalid("t1", f"be at least t0 = {t0:g}", f"{t1:g}", "time runs forwards")
    if dt is None:
        return t0, t1, None
    dt = real_number("dt", dt, positive=True)
    if dt > (t1 - t0) * (1 + 1e-9) and t1 > t0:
        remedy = "take a smaller step or a later t1"
        raise invalid("dt", f"be at most t1 − t0 = {t1 - t0:g}", f"{dt:g}", remedy)
    if not (t1 - t0) < dt * 2**53:  # beyond that, steps cannot even be counted
        raise invalid("dt", f"be at least {(t1 - t0) / 2**53:g} for this span", f"{dt:g}")
    return t0, t1, dt


def _require_pair(
    model: Kuramoto, dt: float | None, stepper: Stepper, controller: FixedStep | AdaptiveStep
) -> None:
    """Raise unless the stepper can serve the controller and the model."""
    for name, value, needs in (
        ("stepper", stepper, "step"),
        ("controller", controller, "adaptive"),
    ):
        if isinstance(value, type) or not hasattr(value, needs):
            remedy = "pass an instance, such as " + (
                "RungeKutta4()" if name == "stepper" else "FixedStep()"
            )
            raise wrong_type(name, f"be a {name}", value, remedy)
    kind = type(stepper).__name__
    if model.steppers is not None and kind not in model.steppers:
        must = f"be {' or '.join(model.steppers)} for {type(model).__name__}"
        raise invalid("stepper", must, kind)
    if controller.adaptive and not getattr(stepper, "estimates_error", False):
        must = f"be FixedStep for {kind}, which has no error estimate"
        if dt is None:
            remedy = "pass a dt, or use DormandPrince()"
            raise invalid("dt", f"be given for {kind}, which has no error estimate", "None", remedy)
        raise invalid("controller", must, type(controller).__name__, "or use DormandPrince()")
    if not controller.adaptive and dt is None:
        raise invalid("dt", "be given for FixedStep", "None", "pass dt=..., or use AdaptiveStep()")
    stochastic = getattr(stepper, "stochastic", False)
    if model.noise > 0 and not stochastic:
        remedy = "use StochasticHeun() with a dt"
        raise invalid("stepper", "be stochastic for a model with noise", kind, remedy)


def _seeded(stepper: Any, seed: int | None) -> tuple[Stepper, int]:
    """Give a stochastic stepper its seed: solve's, else its own, else a fresh one."""
    chosen = stepper.seed if seed is None else seed
    chosen = int(np.random.SeedSequence().generate_state(1)[0]) if chosen is None else chosen
    return dataclasses.replace(stepper, seed=chosen), chosen


def _require_reachable_times(plan: Plan) -> None:
    """Raise where a stochastic run is asked for times between its steps: noise has no half-way."""
    if not getattr(plan.stepper, "stochastic", False) or not plan.save.times or plan.dt is None:
        return
    on_steps = [plan.time(round((t - plan.t0) / plan.dt)) for t in plan.wanted]
    apart = [t for t, step in zip(plan.wanted, on_steps, strict=True) if step != t != plan.t1]
    if apart:
        found = f"has {apart[0]:g}"
        remedy = "choose dt so that it divides them"
        raise invalid("save.times", f"be multiples of dt = {plan.dt:g} with noise", found, remedy)


def first_step(model: Kuramoto, plan: Plan, x: Array) -> float:
    """Return the first step size: as given, or guessed for an adaptive run."""
    if isinstance(plan.controller, AdaptiveStep) and plan.t1 > plan.t0:
        guess = plan.dt or plan.controller.first_step(model, plan.stepper, plan.t0, x)
        return min(guess, plan.t1 - plan.t0)
    return plan.dt or 0.0
