"""Runge-Kutta 4 for the mean field, recomputing stages instead of storing them.

Here an oscillator's later stages depend on the others through four means only. So every pass reads
x (and Ω), works its way up to its own stage again in registers, and adds up what the next mean
needs; only the last pass writes. A step moves 4 reads of x and Ω and one write of x, a third of
what four stored stages move, and takes the same time per oscillator in and out of the caches.
"""

from __future__ import annotations

from typing import Any

from kuramoto._kernels.boards import gather, publish
from kuramoto._kernels.drivers import Field, energy_of, place_of, velocity
from kuramoto._kernels.jit import by_type, driver, meaning, piece
from kuramoto._kernels.lanes import add, load, normalize, plus, store
from kuramoto._kernels.team import barrier
from kuramoto._kernels.tiles import start_of
from kuramoto._kernels.watch import NoWatch, Watch, looks, note, wants


@piece
def second_state(field: Field, x: Any, means: Any, sizes: Any, at: Any, lane: int) -> Any:
    """Return (x + dt/2 k_1, k_1)."""
    k = velocity(field, x, means[0], at, lane)
    return add(x, sizes[0], k), k


@piece
def third_state(field: Field, x: Any, means: Any, sizes: Any, at: Any, lane: int) -> Any:
    """Return (x + dt/2 k_2, k_1 + 2 k_2)."""
    y, total = second_state(field, x, means, sizes, at, lane)
    k = velocity(field, y, means[1], at, lane)
    return add(x, sizes[0], k), plus(total, plus(k, k))


@piece
def fourth_state(field: Field, x: Any, means: Any, sizes: Any, at: Any, lane: int) -> Any:
    """Return (x + dt k_3, k_1 + 2 k_2 + 2 k_3)."""
    y, total = third_state(field, x, means, sizes, at, lane)
    k = velocity(field, y, means[2], at, lane)
    return add(x, sizes[1], k), plus(total, plus(k, k))


@piece
def new_state(field: Field, x: Any, means: Any, sizes: Any, at: Any, lane: int) -> Any:
    """Return the end of the step, Π[x + dt/6 (k_1 + 2 k_2 + 2 k_3 + k_4)]."""
    y, total = fourth_state(field, x, means, sizes, at, lane)
    k = velocity(field, y, means[3], at, lane)
    return normalize(add(x, sizes[2], plus(total, k)), field.units)


@piece
def sum_tile(
    field: Field, state: Any, base: int, means: Any, sizes: Any, stage: int, at: Any
) -> Any:
    """Return the sum over a tile of the state that a stage leads to; the last one is written."""
    total = field.zero
    lanes = at[2]
    if stage == 0:
        for lane in range(lanes):
            x = load(state, base, lane, field.zero)
            total = plus(total, second_state(field, x, means, sizes, at, lane)[0])
    elif stage == 1:
        for lane in range(lanes):
            x = load(state, base, lane, field.zero)
            total = plus(total, third_state(field, x, means, sizes, at, lane)[0])
    elif stage == 2:
        for lane in range(lanes):
            x = load(state, base, lane, field.zero)
            total = plus(total, fourth_state(field, x, means, sizes, at, lane)[0])
    else:
        for lane in range(lanes):
            x = load(state, base, lane, field.zero)
            store(state, base, lane, new_state(field, x, means, sizes, at, lane))
    return total


@by_type
def watch_mean_field(
    watch: Any, field: Field, state: Any, base: int, mean: Any, step: int, at: Any
) -> None:
    """Note what is observed of x after `step` steps, if it is."""


@meaning(watch_mean_field, NoWatch)
def _(watch: Any, field: Field, state: Any, base: int, mean: Any, step: int, at: Any) -> None:
    pass


@meaning(watch_mean_field, Watch)
def _(watch: Any, field: Field, state: Any, base: int, mean: Any, step: int, at: Any) -> None:
    if not wants(watch, step):
        return
    total, energy = field.zero, field.zero[0]
    for lane in range(at[2]):
        x = load(state, base, lane, field.zero)
        total = plus(total, x)
        energy += energy_of(field, x, mean, at, lane)
    note(watch, step, at, total, energy)


@driver
def mean_field_runge_kutta4(
    parts: Any, share: Any, state: Any, scratch: Any, sizes: Any, steps: int, meeting: Any
) -> None:
    """Take Runge-Kutta steps; `sizes` is (dt/2, dt, dt/6, 1/3)."""
    board, tiles, field, watch = parts
    zero, count = field.zero, len(tiles.start) - 1
    side = share.side  # goes on from system to system: others may still read the last one's
    for system in range(share.first_system, share.last_system):
        means = (zero, zero, zero, zero)
        for number in range(-1, 4 * steps + looks(watch)):  # -1 only finds the first mean
            stage = number % 4
            for tile in range(share.first_tile, share.last_tile):
                base = start_of(tiles, system, tile, 1, 0, len(zero))
                at, total = place_of(tiles, system, tile), zero
                if stage == 0:
                    watch_mean_field(watch, field, state, base, means[0], number // 4, at)
                if number == 4 * steps:
                    continue
                if number >= 0:
                    total = sum_tile(field, state, base, means, sizes, stage, at)
                if stage < 3:
                    for a in range(len(zero)):
                        board.sums[((side ^ 1) * count + tile) * len(zero) + a] = total[a]
                else:  # one place in the code that adds up x: its rounding is the same wherever
                    publish(board, side ^ 1, tiles, tile, state, base, zero)  # a run begins
            barrier(meeting, share.size)
            side ^= 1
            mean = gather(board, side, tiles, zero)
            if stage == 3:
                means = (mean, zero, zero, zero)
            elif stage == 0:
                means = (means[0], mean, zero, zero)
            elif stage == 1:
                means = (means[0], means[1], mean, zero)
            else:
                means = (means[0], means[1], means[2], mean)
