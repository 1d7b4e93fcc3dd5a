"""Fixed steps on CUDA through CuPy: arrays prepared once, then a few launches per step.

The formulas are in `cuda_source`, the arrays that they read in `cuda_system`; here stands what is
served, and what is launched when, on which buffers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._kernels import Engine, Unwatched, unscaled
from kuramoto._kernels.cuda_system import (
    FREQUENCIES,
    PULLS,
    Device,
    Pull,
    System,
    Workspace,
    period_of,
)
from kuramoto.couplings import Lattice
from kuramoto.frequencies import Rotation
from kuramoto.model import Kuramoto
from kuramoto.steppers import (
    DORMAND_PRINCE_A,
    DORMAND_PRINCE_E,
    DormandPrince,
    ProjectedEuler,
    RungeKutta4,
    Splitting,
    Step,
    Stepper,
    _combine,
)

__all__ = ["fuse", "prepare"]

# Row s weighs the slopes 0 to s; the last row ends the step.
_RUNGE_KUTTA_4_A = ((1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6))

# From this many kernel entries on, "auto" goes by FFT. Reasoned, not measured: an entry costs a
# cached load and about ten instructions per site, some 0.5 us per million sites; two transforms
# and a product with the symbol cost some twenty launches and passes, 0.2 ms at that size.
_FFT_TERMS = 21 * 21

_MOST = 2**30  # oscillators and edges are counted in 32 bits, with room to step beyond the last


class Cuda:
    """CuPy and NVRTC; CuPy keeps what it compiled on disk."""

    block = 128

    def __init__(self) -> None:
        import cupy

        self.xp = cupy

    @staticmethod
    @functools.cache
    def compile(source: str, options: tuple[str, ...]) -> Callable[[str], Any]:
        """Compile, once per process."""
        import cupy

        module = cupy.RawModule(code=source, options=options)
        return functools.cache(module.get_function)


def prepare(model: Kuramoto, stepper: Stepper, x: Array) -> Any:
    """Return the engine of a model and a stepper for states like `x` (CuPy), or NotImplemented."""
    return fuse(model, stepper, x, Cuda())


def fuse(model: Kuramoto, stepper: Stepper, x: Array, device: Device) -> Any:
    """Do what `prepare` does, on any device."""
    coupling, factor = unscaled(model.coupling)
    pull, march = PULLS.get(type(coupling)), _MARCHES.get(type(stepper))
    if pull is None or march is None or not _serves(model, coupling, x):
        return NotImplemented
    workspace = Workspace(x, coupling.site_ndim, device)
    return march(model, workspace, pull(coupling, float(factor), workspace))


def _serves(model: Kuramoto, coupling: Any, x: Array) -> bool:
    """Say whether the kernels take a model, given that they know its coupling's class."""
    if callable(model.stimulus) or type(model.frequency) not in (type(None), *FREQUENCIES):
        return False
    if type(coupling) is Lattice and not _directly(coupling):
        return False
    floats = x.dtype in (np.dtype("float32"), np.dtype("float64"))
    many = max(math.prod(x.shape[:-1]), len(getattr(coupling, "indices", ())))
    held = _arrays(model, coupling)
    alike = all(type(array) is type(x) and array.dtype == x.dtype for array in held)
    return floats and alike and x.size > 0 and many < _MOST and _fits(model, coupling, x)


def _directly(lattice: Lattice) -> bool:
    """Say whether one pass over the kernel is asked for, or is the faster way."""
    terms = math.prod(lattice.size) * (lattice.channels or 1)
    return lattice.method == "direct" or (lattice.method == "auto" and terms < _FFT_TERMS)


def _arrays(model: Kuramoto, coupling: Any) -> list[Array]:
    places = [(coupling, "weights"), (coupling, "kernel"), (model, "stimulus")]
    places += [(model.frequency, "omega"), (model.frequency, "weights")]
    found = [getattr(holder, name, None) for holder, name in places]
    return [array for array in found if array is not None]


def _fits(model: Kuramoto, coupling: Any, x: Array) -> bool:
    """Say whether shapes fit, where a kernel would read beyond an array if they did not."""
    N, sites = x.shape[-1], tuple(x.shape[:-1])
    own = sites[-coupling.site_ndim :]
    channels = getattr(coupling, "channels", None)
    return (
        len(sites) >= coupling.site_ndim
        and coupling.block_size in (None, N)
        and coupling.sites in (None, own)
        and channels in (None, own[0])
        and (model.frequency is None or _turns(model.frequency, sites, N))
        and (model.stimulus is None or _broadcasts(model.stimulus, x))
    )


def _turns(frequency: Any, sites: tuple[int, ...], N: int) -> bool:
    own = frequency.sites or ()
    dimensions = N - N % 2 if type(frequency) is Rotation else N
    return frequency.dimensions == dimensions and sites[len(sites) - len(own) :] == own


def _broadcasts(stimulus: Array, x: Array) -> bool:
    try:
        return np.broadcast_shapes(stimulus.shape, x.shape) == tuple(x.shape)
    except ValueError:
        return False


class _Euler(Unwatched):
    """`ProjectedEuler`: one launch per step, from one buffer to another."""

    leaps = True

    def __init__(self, model: Kuramoto, work: Workspace, pull: Pull) -> None:
        self.work, self.system = work, System(model, work, pull)
        self.spare = work.empty()

    def init(self, t: float, x: Array) -> None:
        """Carry nothing."""

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: None) -> Step:
        """Take fixed steps."""
        here, there, size = self.work.load(x), self.spare, self.work.real(dt)
        for _ in range(steps):
            self.system.evaluate("euler", here, size, there)
            here, there = there, here
        return Step(self.work.unload(here), None, None)


class _Splitting(Unwatched):
    """`Splitting`: the exact rotation, then a projected step without natural frequencies."""

    leaps = True

    def __init__(self, model: Kuramoto, work: Workspace, pull: Pull) -> None:
        self.work, self.frequency = work, model.frequency
        self.system = System(model, work, pull, turning=False)
        self.spare = work.empty()

    def init(self, t: float, x: Array) -> tuple[float, Any]:
        """Carry the propagator of the last dt."""
        return 0.0, None

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: Any) -> Step:
        """Take fixed steps."""
        last_dt, propagator = carry
        if self.frequency is not None and (propagator is None or dt != last_dt):
            propagator = self.frequency.propagator(dt)
        here, there, size = self.work.load(x), self.spare, self.work.real(dt)
        turn = self._turn(propagator)
        for _ in range(steps):
            if turn is not None:
                turn(here, there)
                here, there = there, here
            self.system.evaluate("euler", here, size, there)
            here, there = there, here
        return Step(self.work.unload(here), None, (dt, propagator))

    def _turn(self, propagator: Any) -> Callable[[Array, Array], None] | None:
        """Return what turns one buffer into another."""
        if self.frequency is None:
            return None
        work, planes = self.work, type(self.frequency) is Rotation
        tables = [work.reals(part) for part in (propagator if planes else (propagator,))]
        name = "turn_planes" if planes else "turn_matrices"
        count, period = np.int32(work.count), period_of(self.frequency)
        return lambda here, there: work.each(name, count, *tables, period, here, there)


class _RungeKutta4(Unwatched):
    """`RungeKutta4`: two buffers take turns, since a stage reads what its neighbours look at.

    Keeping every slope moves as many bytes as one running sum, which each stage reads and writes.
    """

    leaps = True
    tableau: tuple[tuple[float, ...], ...] = _RUNGE_KUTTA_4_A
    stages = range(4)
    end = 3  # the stage after which the step has ended

    def __init__(self, model: Kuramoto, work: Workspace, pull: Pull) -> None:
        self.work, self.system = work, System(model, work, pull)
        self.slopes = work.empty(len(self.tableau))
        self.buffers = work.empty(), work.empty()

    def init(self, t: float, x: Array) -> Any:
        """Carry nothing."""

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: Any) -> Step:
        """Take fixed steps."""
        here, table = self.work.load(x), self._table(dt)
        for _ in range(steps):
            self._step(here, here, table, 0)
        return Step(self.work.unload(here), None, None)

    def _table(self, dt: float) -> Array:
        """Return dt times the tableau: row s weighs the slopes for the stage after s."""
        rows = np.zeros((len(self.tableau),) * 2)
        for row, weights in zip(rows, self.tableau, strict=True):
            row[: len(weights)] = weights
        return self.work.reals(dt * rows)

    def _step(self, y: Array, x: Array, table: Array, first: int) -> Array:
        """Take one step in place, from x and the point y where the first stage looks."""
        for number in self.stages:
            y = self._stage(number, y, x, table, first)
        return y

    def _stage(self, number: int, y: Array, x: Array, table: Array, first: int) -> Array:
        """Evaluate the slope at y; return the point where the next stage looks."""
        ends = number == self.end
        target = x if ends else self.buffers[self.buffers[0] is y]
        place = (np.int32(value) for value in (number, first, len(self.tableau)))
        project = np.int32(ends)
        self.system.evaluate("stage", y, *place, table, project, x, self.slopes, target)
        return target


class _DormandPrince(_RungeKutta4):
    """`DormandPrince`: the seventh slope of a step is the first of the next.

    Its launch therefore also makes the point where the next step's second stage looks, and the ring
    of slopes turns by six.
    """

    tableau = (*DORMAND_PRINCE_A, (*(0.0,) * 6, *DORMAND_PRINCE_A[0]))
    stages = range(1, 7)
    end = 5

    def init(self, t: float, x: Array) -> tuple[float, Array]:
        """Carry the velocity at (t, x), by the kernel of later steps, and so to the last bit."""
        here = self.work.load(x)
        self._stage(6, here, here, self._table(0.0), first=1)
        return t, self.work.unload(self.slopes[0])

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: Any) -> Step:
        """Take fixed steps; the carried velocity holds, since nothing here depends on time."""
        work, here, y, first = self.work, self.work.load(x), self.buffers[0], 0
        table, count, weight = self._table(dt), np.int32(work.count), DORMAND_PRINCE_A[0][0]
        self.slopes[0] = work.load(carry[1])
        work.each("begin", count, work.real(dt * weight), here, self.slopes, y)
        for _ in range(steps):
            y = self._step(y, here, table, first)
            first = (first + 6) % 7
        slopes = [self.slopes[(first + 1 + number) % 7] for number in range(7)]
        error = _combine(None, dt, DORMAND_PRINCE_E, slopes)
        x, error, velocity = (work.unload(own) for own in (here, error, slopes[6]))
        return Step(x, error, (t + steps * dt, velocity))


_MARCHES: dict[type, Callable[[Kuramoto, Workspace, Pull], Engine]] = {
    ProjectedEuler: _Euler,
    Splitting: _Splitting,
    RungeKutta4: _RungeKutta4,
    DormandPrince: _DormandPrince,
}
