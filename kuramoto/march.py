"""How a run moves: in legs, each as long as nobody wants to look between.

A leg is one adaptive step, or as many fixed steps as can be taken before something has to be saved,
checkpointed or shown; how legs are cut never changes the numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kuramoto import _kernels
from kuramoto._backend import Array, array_namespace
from kuramoto._kernels import Engine, Watching, steps_watched
from kuramoto.controllers import AdaptiveStep
from kuramoto.model import Kuramoto
from kuramoto.plan import Plan, Position
from kuramoto.solution import SolveError

__all__ = ["Leg", "Row", "march"]

# A leg of fixed steps lasts about this long, so that bars move and checkpoints are not late.
_LEG_SECONDS = 0.1
_GROWTH = 8  # from one leg to the next

# A fused leg begins and ends with copies of the state, which take as long as a few steps: so many
# steps make them cheap, if it takes no longer than this.
_FUSED_STEPS, _FUSED_SECONDS = 32, 4.0


class Row(NamedTuple):
    """What was observed after a step, without stopping for it."""

    step: int
    observed: Mapping[str, Any]


class Leg(NamedTuple):
    """A stretch of a run; `carry` belongs to its beginning, `rows` were observed on the way."""

    before: Position
    after: Position
    carry: Any
    rows: Sequence[Row] = ()


def march(
    model: Kuramoto, plan: Plan, position: Position, observe: dict[str, Any]
) -> Iterator[Leg]:
    """Go from a position to the end of the plan, leg by leg."""
    engine = _kernels.engine(model, plan.stepper, position.x, compiled=plan.compile)
    if plan.controller.adaptive:
        return _march_adaptive(engine, plan, position)
    return _march_fixed(engine, plan, position, _watch(engine, model, plan, observe))


class _Watch(NamedTuple):
    """What observes on the way, and {name: standard name} of what is observed."""

    advance: Watching
    names: dict[str, str]


def _watch(engine: Engine, model: Kuramoto, plan: Plan, observe: dict[str, Any]) -> _Watch | None:
    """Return how all that is wanted is observed on the way, if the engine can do that."""
    if not observe or not plan.save.every or plan.save.states or plan.wanted:
        return None
    if any(getattr(function, "model", None) is not model for function in observe.values()):
        return None
    names = {name: function.standard_name for name, function in observe.items()}
    watching = engine.watching(names.values())
    return None if watching is None else _Watch(watching, names)


def _march_fixed(
    engine: Engine, plan: Plan, position: Position, watch: _Watch | None
) -> Iterator[Leg]:
    """Take fixed steps, as many at once as nobody wants to look between."""
    last, burst = plan.total_steps, 1
    carry = engine.init(position.t, position.x)
    if plan.max_steps is not None:
        last = min(last, plan.max_steps)
    while position.step < last:
        stop = min(last, position.step + burst)
        if watch is None:
            stop = min(stop, _next_stop(plan, position.step))
        begun = time.perf_counter()
        x, next_carry, rows = _advance(engine, plan, stop, position, carry, watch)
        after = Position(plan.time(stop), x, stop, dt=position.dt)
        _require_finite(after)
        per_step = max((time.perf_counter() - begun) / (stop - position.step), 1e-7)
        fitting = int(_LEG_SECONDS / per_step)
        if engine.leaps:
            fitting = max(fitting, min(_FUSED_STEPS, int(_FUSED_SECONDS / per_step)))
        burst = max(1, min(_GROWTH * burst, fitting))
        yield Leg(position, after, carry, rows)
        position, carry = after, next_carry


def _advance(
    engine: Engine,
    plan: Plan,
    stop: int,
    position: Position,
    carry: Any,
    watch: _Watch | None,
) -> tuple[Array, Any, list[Row]]:
    """Take fixed steps up to number `stop`, of which the run's last may be shorter."""
    assert plan.dt is not None
    first, x, rows = position.step, position.x, []
    while first < stop:
        t, whole = plan.time(first), min(stop, plan.whole_steps) - first
        count = whole if engine.leaps and whole > 0 else 1
        size = plan.dt if whole > 0 else plan.t1 - t
        if watch is not None and whole > 0:
            every = plan.save.every
            step, noted = watch.advance(t, x, size, count, carry, every, first)
            for row, number in enumerate(steps_watched(first, count, every)):
                values = {name: noted[known][row] for name, known in watch.names.items()}
                rows.append(Row(number, values))
        else:
            step = engine.advance(t, x, size, count, carry)
        x, carry, first = step.x, step.carry, first + count
    return x, carry, rows


def _next_stop(plan: Plan, step: int) -> int:
    """Return the next step after which something is saved, or which passes a wanted time."""
    stops = [plan.total_steps]
    if plan.save.every:
        stops.append((step // plan.save.every + 1) * plan.save.every)
    if plan.wanted:
        assert plan.dt is not None
        here = plan.time(step)
        later = plan.wanted[int(np.searchsorted(plan.wanted, here, side="right")) :]
        for wanted in later[:1]:  # stop on both sides of it; one more for rounding
            passed = math.floor((wanted - plan.t0) / plan.dt)
            stops += [passed - 1, passed, passed + 1]
    return min(stop for stop in stops if stop > step)


def _march_adaptive(engine: Engine, plan: Plan, position: Position) -> Iterator[Leg]:
    """Take steps of the controller's choosing; one that ends within rounding of t1 ends there."""
    controller = plan.controller
    assert isinstance(controller, AdaptiveStep)
    carry = engine.init(position.t, position.x)
    while position.t < plan.t1:
        if plan.max_steps is not None and position.step >= plan.max_steps:
            return
        remaining = plan.t1 - position.t
        last = position.dt >= remaining * (1 - 1e-12)
        dt = remaining if last else position.dt
        t = plan.t1 if last else position.t + dt
        if not last and dt < 1e-14 * max(1.0, abs(t)):
            _fail_step(position, dt)
        step = engine.advance(position.t, position.x, dt, 1, carry)
        verdict = controller.decide(step.error, dt, position.memory, plan.stepper.order)
        if not verdict.accept:
            position = position._replace(dt=verdict.dt, rejected=position.rejected + 1)
            continue
        after = Position(
            t, step.x, position.step + 1, position.rejected, verdict.dt, verdict.memory
        )
        yield Leg(position, after, carry)
        position, carry = after, step.carry


def _fail_step(position: Position, dt: float) -> None:
    raise SolveError(
        f"The step size fell to {dt:.3g} at t = {position.t:.6g} without meeting the tolerance; "
        "loosen rtol and atol of AdaptiveStep, or look for a stimulus that is not continuous."
    )


def _require_finite(position: Position) -> None:
    xp = array_namespace(position.x)
    if not bool(xp.isfinite(xp.sum(position.x))):
        raise SolveError(
            f"The state stopped being finite before t = {position.t:.6g} "
            f"(step {position.step}); take a smaller dt or use DormandPrince()."
        )
