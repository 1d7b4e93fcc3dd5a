"""A prepared run: state in, driver called by every worker, state out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from kuramoto._backend import Array, tiny
from kuramoto._kernels import Watching, build, drivers, steps_watched, unscaled
from kuramoto._kernels.jit import ready
from kuramoto._kernels.lanes import TILE, Still, Units
from kuramoto._kernels.mean_field import mean_field_runge_kutta4
from kuramoto._kernels.team import MEETING, together, workers
from kuramoto._kernels.tiles import empty_out, fill, room_for, zeros
from kuramoto._kernels.watch import WATCHED, NoWatch, Watch, values
from kuramoto.couplings import MeanField
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
)

__all__ = ["Compiled"]

# A worker must have this many multiplications per stage, to be worth waiting for.
_WORTH_SHARING = 4000.0


class Compiled:
    """A run of one model with one stepper, on states like x.

    Parameters
    ----------
    model : Kuramoto
    stepper : Stepper
    layout : Layout
    x : numpy array, shape (*batch, *sites, N)
    """

    leaps = True

    def __init__(self, model: Kuramoto, stepper: Stepper, layout: build.Layout, x: Array) -> None:
        self.model, self.stepper, self.tiles = model, stepper, layout.tiles
        M, N = len(layout.tiles.order), x.shape[-1]
        self.systems, self.real = x.size // (M * N), x.dtype.type
        self.driver, self.slots = _driver(model, stepper)
        self.ready: dict[type, Callable[..., None]] = {}
        self.size, self.apart = _team(self.systems, layout.work * N)
        self.bounds = _fair(layout.work, self.size)
        needed, own = self._memory(N)
        self.state = room_for(needed, x)
        self.scratch = [room_for(own, x) for _ in range(self.size)]
        field = drivers.Field(
            frequency=Still() if type(stepper) is Splitting else build.frequency(model, self.tiles),
            turn=Still(),
            stimulus=build.stimulus(model, self.tiles, x),
            units=Units(self.real(1), self.real(0.5), self.real(tiny(x))),
            zero=zeros(N, x),
        )
        board = layout.board(drivers.SIDES * (self.size if self.apart else 1))
        self.parts = drivers.Parts(board, self.tiles, field, NoWatch())

    def _memory(self, N: int) -> tuple[int, int]:
        """Return how many numbers the state holds, and how many each worker needs for itself."""
        tiles = len(self.tiles.start) - 1
        return self.systems * tiles * self.slots * N * TILE, drivers.SCRATCH * N * TILE

    def init(self, t: float, x: Array) -> Any:
        """Return the carry for the first step."""
        if not isinstance(self.stepper, DormandPrince):
            return self.stepper.init(self.model, t, x)
        self._fill(0, x)
        self._march(self._sizes(0.0), 0)
        return t, self._emptied(drivers.STAGES, x)

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: Any) -> Step:
        """Take `steps` steps of size dt from (t, x)."""
        if isinstance(self.stepper, Splitting):
            carry = self._turn_by(dt, carry)
        self._fill(0, x)
        if isinstance(self.stepper, DormandPrince):
            self._fill(drivers.STAGES, carry[1])
        self._march(self._sizes(dt), steps)
        new = self._emptied(0, x)
        if not isinstance(self.stepper, DormandPrince):
            return Step(new, None, carry)
        velocity = self._emptied(drivers.STAGES, x)
        return Step(new, self._emptied(1, x), (t + steps * dt, velocity))

    def watching(self, names: Iterable[str]) -> Watching | None:
        """Return what observes all these on the way, if it can."""
        at_hand = isinstance(self.stepper, ProjectedEuler | RungeKutta4)
        return self._watched if at_hand and set(names) <= set(WATCHED) else None

    def _watched(
        self, t: float, x: Array, dt: float, steps: int, carry: Any, every: int, first: int
    ) -> tuple[Step, dict[str, np.ndarray]]:
        rows = len(steps_watched(first, steps, every))
        N, tiles = x.shape[-1], len(self.tiles.start) - 1
        table = np.zeros((rows, self.systems, tiles, N + 1), dtype=x.dtype)
        quiet, self.parts = self.parts, self.parts._replace(watch=Watch(table, every, first))
        try:
            step = self.advance(t, x, dt, steps, carry)
        finally:
            self.parts = quiet
        batch = x.shape[: x.ndim - 1 - self.model.coupling.site_ndim]
        found = values(table, len(self.tiles.order)).items()
        return step, {name: value.reshape(rows, *batch) for name, value in found}

    def _march(self, sizes: Any, steps: int) -> None:
        """Run the driver on all workers."""
        what = f"{type(self.model.coupling).__name__} with {type(self.stepper).__name__}"
        own = self._share(0, 1), self.state, self.scratch[0], sizes, steps
        kind = type(self.parts.watch)
        if kind not in self.ready:
            arguments = (self.parts, *own, np.zeros(MEETING, dtype=np.int64))
            self.ready[kind] = ready(self.driver, arguments, what)
        drive = self.ready[kind]

        def work(worker: int, size: int, meeting: np.ndarray) -> None:
            share, scratch = self._share(worker, size), self.scratch[worker]
            drive(self.parts, share, self.state, scratch, sizes, steps, meeting)

        together(work, self.size)

    def _share(self, worker: int, size: int) -> drivers.Share:
        """Return what is a worker's own, among `size`."""
        tiles, systems = len(self.tiles.start) - 1, self.systems
        if size == 1:
            return drivers.Share(0, systems, 0, tiles, 0, 1)
        if self.apart:
            first, last = systems * worker // size, systems * (worker + 1) // size
            return drivers.Share(first, last, 0, tiles, drivers.SIDES * worker, 1)
        first, last = int(self.bounds[worker]), int(self.bounds[worker + 1])
        return drivers.Share(0, systems, first, last, 0, size)

    def _sizes(self, dt: float) -> Any:
        """Return the step size as the driver takes it."""
        if isinstance(self.stepper, RungeKutta4):
            return tuple(self.real(size) for size in (dt / 2, dt, dt / 6, 1 / 3))
        if not isinstance(self.stepper, DormandPrince):
            return self.real(dt)
        table = np.zeros((8, 7))
        for row, weights in enumerate((*DORMAND_PRINCE_A, DORMAND_PRINCE_E)):
            table[row, : len(weights)] = weights
        return (dt * table).astype(self.real)

    def _turn_by(self, dt: float, carry: tuple[float, Any]) -> tuple[float, Any]:
        """Prepare exp(Ω dt), unless it is there; return the carry that the stepper keeps."""
        last_dt, propagator = carry
        if self.model.frequency is not None and (propagator is None or dt != last_dt):
            propagator = self.model.frequency.propagator(dt)
        if propagator is not None:
            turn = build.propagator(self.model.frequency, propagator, self.tiles)
            field = self.parts.field._replace(turn=turn)
            self.parts = self.parts._replace(field=field)
        return dt, propagator

    def _fill(self, slot: int, x: Array) -> None:
        x = np.ascontiguousarray(x).reshape(self.systems, -1, x.shape[-1])
        fill(self.state, x, self.tiles, self.slots, slot)

    def _emptied(self, slot: int, like: Array) -> Array:
        x = np.empty((self.systems, len(self.tiles.order), like.shape[-1]), dtype=like.dtype)
        empty_out(self.state, x, self.tiles, self.slots, slot)
        return x.reshape(like.shape)


_DRIVERS = {
    ProjectedEuler: (drivers.euler, 1),
    Splitting: (drivers.euler, 1),
    RungeKutta4: (drivers.runge_kutta4, 1),
    DormandPrince: (drivers.dormand_prince, drivers.DORMAND_PRINCE_SLOTS),
}
"""Driver of each stepper, and how many vectors per oscillator its state holds."""


def _driver(model: Kuramoto, stepper: Stepper) -> tuple[Any, int]:
    mean_field = isinstance(unscaled(model.coupling)[0], MeanField)
    if mean_field and isinstance(stepper, RungeKutta4):
        return mean_field_runge_kutta4, 1
    return _DRIVERS[type(stepper)]


def _team(systems: int, work: np.ndarray) -> tuple[int, bool]:
    """Return how many workers there are, and whether each has systems of its own."""
    total = float(work.sum())
    if 1 < systems >= workers():
        return max(1, min(workers(), int(systems * total / _WORTH_SHARING))), True
    return max(1, min(workers(), len(work), int(total / _WORTH_SHARING))), False


def _fair(work: np.ndarray, size: int) -> np.ndarray:
    """Cut tiles into `size` runs of about equal work; return where they begin and end."""
    done = np.concatenate([[0.0], np.cumsum(work)])
    return np.searchsorted(done, np.linspace(0, done[-1], size + 1) * (1 - 1e-12))
