"""`solve`: the only time loop.

A run marches in legs. A leg is one adaptive step, or as many fixed steps as can be taken before
something has to be saved, checkpointed or shown; how legs are cut never changes the numbers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kuramoto import _kernels
from kuramoto._backend import Array, array_namespace
from kuramoto._check import wrong_type
from kuramoto._kernels import Engine
from kuramoto.controllers import AdaptiveStep, FixedStep
from kuramoto.model import Kuramoto
from kuramoto.plan import Plan, Position, first_step, make_plan
from kuramoto.solution import (
    MemoryRecorder,
    Observers,
    SaveAt,
    Solution,
    SolveError,
    Statistics,
    Status,
)
from kuramoto.steppers import Stepper

__all__ = ["resume", "solve"]

# An adaptive run is taken to need so many steps when it is decided whether compiling pays.
_ADAPTIVE_STEPS = 300

# A leg of fixed steps lasts about this long, so that bars move and checkpoints are not late.
_LEG_SECONDS = 0.1
_GROWTH = 8  # from one leg to the next


def solve(
    model: Kuramoto,
    x0: Array,
    *,
    t1: float,
    t0: float = 0.0,
    dt: float | None = None,
    stepper: Stepper | None = None,
    controller: FixedStep | AdaptiveStep | None = None,
    save: SaveAt | None = None,
    observe: Observers | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
    seed: int | None = None,
    max_steps: int | None = None,
    compile: bool | None = None,
    experiment: str | None = None,
) -> Solution:
    """Integrate a model from `t0` to `t1`.

    With `dt`, steps are fixed (Runge-Kutta 4 unless another stepper is given). Without it, they
    adapt to a tolerance (Dormand-Prince 5(4), unless another stepper with an error estimate is).
    To adapt from a given first step, pass both `dt` and ``controller=AdaptiveStep(...)``.

    Parameters
    ----------
    model : Kuramoto
    x0 : array, shape (*batch, *sites, N)
        Unit vectors. The result follows its library, dtype and device.
    t1, t0 : float
        End and start of the run.
    dt : float, optional
        Step size; at most t1 − t0.
    stepper : Stepper, optional
    controller : FixedStep or AdaptiveStep, optional
    save : SaveAt, optional
        When to save; by default only at the end.
    observe : dict of callable, optional
        ``{name: f(t, x)}``, evaluated whenever the state is saved.
    out : path, optional
        Stream to this HDF5 file instead of memory: killed at any moment, it still opens, and
        `resume` continues it. The file must not exist unless `overwrite` is given.
    overwrite : bool, default False
    progress : bool, default False
        Show a progress bar.
    seed : int, optional
        Of the noise, for stochastic steppers; kept in the file.
    max_steps : int, optional
        Stop after this many steps, with ``status`` saying so.
    compile : bool, optional
        Whether to run compiled code (numba for NumPy and for torch on the CPU without gradients,
        ``torch.compile`` otherwise on torch, CUDA kernels on CuPy). By default where the run is
        long enough to pay for it and a kernel exists. Numbers agree to rounding.
    experiment : str, optional
        The text of the experiment that this run is, to be kept in the file.

    Returns
    -------
    Solution

    Raises
    ------
    ValueError
        If x0 does not hold unit vectors that fit the model, or a number is out of range.
    TypeError
        If libraries, dtypes or devices are mixed.
    FileExistsError
        If `out` exists.
    SolveError
        If the state stops being finite or the step size collapses.

    Examples
    --------
    >>> import kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(1.0))
    >>> x0 = km.sphere.random_points((10, 3), seed=0)
    >>> solution = km.solve(model, x0, t1=30.0)
    >>> bool(abs(km.energy(model, solution.final) + 5.0) < 1e-6)
    True
    """
    plan = make_plan(model, t0, t1, dt, stepper, controller, save, max_steps, seed)
    x = model.require_state(x0, "x0", plan.t0)
    plan = dataclasses.replace(plan, compile=_checked_compile(compile, model, plan, x))
    start = Position(plan.t0, x, dt=first_step(model, plan, x))
    observe = _checked_observers(observe)
    if out is None:
        recorder = MemoryRecorder(plan.save.states)
        return _run(model, plan, start, recorder, observe, progress)
    from kuramoto.storage import RunWriter  # h5py is loaded on first use only

    probe = {name: function(start.t, start.x) for name, function in observe.items()}
    named = [n for n, f in observe.items() if getattr(f, "standard_name", None) == n]
    writer = RunWriter.create(
        out,
        model,
        plan,
        start,
        probe,
        standard=named,
        overwrite=overwrite,
        experiment=experiment,
    )
    return _run(model, plan, start, writer, observe, progress)


def resume(
    path: str | Path,
    *,
    model: Kuramoto | None = None,
    observe: Observers | None = None,
    progress: bool = False,
) -> Solution:
    """Continue a run file to its end: the final state is bitwise that of an uninterrupted run.

    Parameters
    ----------
    path : path
        A file that `solve` began.
    model : Kuramoto, optional
        Needed where the file could not hold the model (a stimulus that is a function, a coupling
        class of your own).
    observe : dict of callable, optional
        The same observables as before, if there were any that are no standard ones.
    progress : bool, default False

    Raises
    ------
    ValueError
        If the file is not a run file, is damaged or of a newer format, or needs an argument above.
    """
    from kuramoto import storage

    observe = _checked_observers(observe)
    with storage.open_run(path) as run:
        run.require_single("resumed")
        model = run.model() if model is None else model
        plan, position = run.plan(), run.position()
        observe = run.observers(observe, model)
        model.require_state(position.x, "model", position.t)
        if run.status is Status.FINISHED:
            return run.solution()
    return _run(model, plan, position, storage.RunWriter.reopen(path), observe, progress)


def _checked_compile(wish: Any, model: Kuramoto, plan: Plan, x: Array) -> bool:
    if wish is not None and not isinstance(wish, bool):
        raise wrong_type("compile", "be True, False or None", wish)
    steps = _ADAPTIVE_STEPS if plan.controller.adaptive else plan.total_steps
    return _kernels.choose(wish, model, plan.stepper, x, steps)


def _checked_observers(observe: Observers | None) -> dict[str, Any]:
    if observe is not None and not isinstance(observe, Mapping):
        raise wrong_type("observe", "be {name: function of (t, x)}", observe)
    observe = dict(observe or {})
    for name, function in observe.items():
        if not isinstance(name, str) or not name or "/" in name or not callable(function):
            must = "be {name: function of (t, x)}, names without '/'"
            raise wrong_type("observe", must, function if isinstance(name, str) else name)
    return observe


def _run(
    model: Kuramoto,
    plan: Plan,
    position: Position,
    recorder: Any,
    observe: dict[str, Any],
    progress: bool,
) -> Solution:
    """March to the end, saving on the way; leave the recorder closed whatever happens."""
    begun = time.perf_counter()
    status = Status.FAILED
    try:
        with _bar(plan, position, progress) as bar:
            if position.step == 0 and recorder.empty:
                _save_start(plan, position, recorder, observe)
            for leg in _march(model, plan, position, observe):
                _save_leg(model, plan, leg, recorder, observe)
                position = leg.after
                recorder.checkpoint(position)
                bar.n = min(bar.total, position.t - plan.t0)
                bar.update(0)
        status = Status.FINISHED if position.t >= plan.t1 else Status.MAX_STEPS
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
        raise
    finally:
        recorder.close(status, position)
    statistics = Statistics(position.step, position.rejected, time.perf_counter() - begun)
    times, states, observed = recorder.rows(position.x)
    return Solution(times, states, observed, position.x, status, statistics)


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


def _march(
    model: Kuramoto, plan: Plan, position: Position, observe: dict[str, Any]
) -> Iterator[Leg]:
    engine = _kernels.engine(model, plan.stepper, position.x, compiled=plan.compile)
    if plan.controller.adaptive:
        return _march_adaptive(engine, plan, position)
    return _march_fixed(engine, plan, position, _watched(engine, model, plan, observe))


def _watched(
    engine: Engine, model: Kuramoto, plan: Plan, observe: dict[str, Any]
) -> dict[str, str]:
    """Return {name: standard name} if the engine can observe all that is wanted on the way."""
    if not plan.save.every or plan.save.states or plan.wanted:
        return {}
    mine = {name: f for name, f in observe.items() if getattr(f, "model", None) is model}
    known = {name: function.standard_name for name, function in mine.items()}
    return known if len(known) == len(observe) and engine.watches(known.values()) else {}


def _march_fixed(
    engine: Engine, plan: Plan, position: Position, watched: dict[str, str]
) -> Iterator[Leg]:
    """Take fixed steps, as many at once as nobody wants to look between."""
    last, burst = plan.total_steps, 1
    carry = engine.init(position.t, position.x)
    if plan.max_steps is not None:
        last = min(last, plan.max_steps)
    while position.step < last:
        stop = min(last, position.step + burst)
        if not watched:
            stop = min(stop, _next_stop(plan, position.step))
        begun = time.perf_counter()
        x, next_carry, rows = _advance(engine, plan, stop, position, carry, watched)
        after = Position(plan.time(stop), x, stop, dt=position.dt)
        _require_finite(after)
        per_step = max((time.perf_counter() - begun) / (stop - position.step), 1e-7)
        burst = max(1, min(_GROWTH * burst, int(_LEG_SECONDS / per_step)))
        yield Leg(position, after, carry, rows)
        position, carry = after, next_carry


def _advance(
    engine: Engine,
    plan: Plan,
    stop: int,
    position: Position,
    carry: Any,
    watched: dict[str, str],
) -> tuple[Array, Any, list[Row]]:
    """Take fixed steps up to number `stop`, of which the run's last may be shorter."""
    assert plan.dt is not None
    first, x, rows = position.step, position.x, []
    while first < stop:
        t, whole = plan.time(first), min(stop, plan.whole_steps) - first
        count = whole if engine.leaps and whole > 0 else 1
        size = plan.dt if whole > 0 else plan.t1 - t
        if watched and whole > 0:
            every = plan.save.every
            step, noted = engine.watched(t, x, size, count, carry, every, first)
            numbers = range((first // every + 1) * every, first + count + 1, every)
            for row, number in enumerate(numbers):
                values = {name: noted[known][row] for name, known in watched.items()}
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


def _save_start(plan: Plan, start: Position, recorder: Any, observe: dict[str, Any]) -> None:
    wanted = plan.save.start or (plan.wanted and plan.wanted[0] == plan.t0)
    if wanted or (plan.save.end and plan.t0 == plan.t1):
        _record(start.t, start.x, recorder, observe)


def _save_leg(
    model: Kuramoto, plan: Plan, leg: Leg, recorder: Any, observe: dict[str, Any]
) -> None:
    """Save what a leg passes: wanted times on the way, then its end if that is wanted."""
    before, after, save = leg.before, leg.after, plan.save
    for row in leg.rows:
        recorder.record(plan.time(row.step), after.x, row.observed)
    ended = after.t >= plan.t1 or after.step == plan.max_steps
    wanted_end = (save.every and after.step % save.every == 0) or (save.end and ended)
    wanted_end = wanted_end and not (leg.rows and leg.rows[-1].step == after.step)
    for wanted in _between(plan.wanted, before.t, after.t):
        if abs(wanted - after.t) <= 1e-9 * (after.t - before.t):
            wanted_end = True
            continue
        aside = plan.stepper.step(model, before.t, before.x, wanted - before.t, leg.carry)
        _record(wanted, aside.x, recorder, observe)
    if wanted_end:
        _record(after.t, after.x, recorder, observe)


def _between(times: Any, low: float, high: float) -> Any:
    if not times:
        return ()
    first, last = np.searchsorted(times, [low, high], side="right")
    return times[first:last]


def _record(t: float, x: Array, recorder: Any, observe: dict[str, Any]) -> None:
    recorder.record(t, x, {name: function(t, x) for name, function in observe.items()})


@contextlib.contextmanager
def _bar(plan: Plan, position: Position, progress: bool) -> Iterator[Any]:
    from tqdm import tqdm

    layout = "{desc}{percentage:3.0f}%|{bar}| t = {n:.4g}/{total:.4g} [{elapsed}<{remaining}]"
    with tqdm(
        total=plan.t1 - plan.t0,
        initial=position.t - plan.t0,
        disable=not progress,
        bar_format=layout,
        leave=False,
    ) as bar:
        yield bar
