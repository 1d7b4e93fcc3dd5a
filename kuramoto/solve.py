"""`solve` and `resume`: a run from its arguments to its solution, saved on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto import _kernels
from kuramoto._backend import Array
from kuramoto._check import wrong_type
from kuramoto.controllers import AdaptiveStep, FixedStep
from kuramoto.march import Leg, march
from kuramoto.model import Kuramoto
from kuramoto.plan import Plan, Position, first_step, make_plan
from kuramoto.solution import (
    MemoryRecorder,
    Observers,
    SaveAt,
    Solution,
    Statistics,
    Status,
)
from kuramoto.steppers import Stepper

__all__ = ["resume", "solve"]

# An adaptive run is taken to need so many steps when it is decided whether compiling pays.
_ADAPTIVE_STEPS = 300


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
            for leg in march(model, plan, position, observe):
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
