"""Runge-Kutta 4 for the mean field, recomputing stages instead of storing them.

Here an oscillator's later stages depend on the others through four means only. So every pass reads
x (and Ω), works its way up to its own stage again in registers, and adds up what the next mean
needs; only the last pass writes. A step moves 4 reads of x and Ω and one write of x, a third of
what four stored stages move, and takes the same time per oscillator in and out of the caches.
"""

from __future__ import annotations

from typing import Any

from kuramoto._kernels.boards import gather, publish
from kuramoto._kernels.drivers import Parts, energy_of, lanes_of
from kuramoto._kernels.jit import driver, piece
from kuramoto._kernels.lanes import (
    add,
    load,
    norm_neutral,
    normalize,
    plus,
    rotate,
    stimulate,
    store,
)
from kuramoto._kernels.team import barrier
from kuramoto._kernels.tiles import start_of
from kuramoto._kernels.watch import looks, note, wants


@piece
def velocity(parts: Parts, x: Any, mean: Any, at: Any, lane: int) -> Any:
    """Return ẋ under a given mean field."""
    y = stimulate(parts.stimulus, mean, at[0], at[1], lane)
    return rotate(parts.frequency, norm_neutral(x, y), x, at[1], lane)


@piece
def second_state(parts: Parts, x: Any, means: Any, sizes: Any, at: Any, lane: int) -> Any:
    """Return (x + dt/2 k_1, k_1)."""
    k = velocity(parts, x, means[0], at, lane)
    return add(x, sizes[0], k), k


@piece
def third_state(parts: Parts, x: Any, means: Any, sizes: Any, at: Any, lane: int) -> Any:
    """Return (x + dt/2 k_2, k_1 + 2 k_2)."""
    y, total = second_state(parts, x, means, sizes, at, lane)
    k = velocity(parts, y, means[1], at, lane)
    return add(x, sizes[0], k), plus(total, plus(k, k))


@piece
def fourth_state(parts: Parts, x: Any, means: Any, sizes: Any, at: Any, lane: int) -> Any:
    """Return (x + dt k_3, k_1 + 2 k_2 + 2 k_3)."""
    y, total = third_state(parts, x, means, sizes, at, lane)
    k = velocity(parts, y, means[2], at, lane)
    return add(x, sizes[1], k), plus(total, plus(k, k))


@piece
def new_state(parts: Parts, x: Any, means: Any, sizes: Any, at: Any, lane: int) -> Any:
    """Return the end of the step, Π[x + dt/6 (k_1 + 2 k_2 + 2 k_3 + k_4)]."""
    y, total = fourth_state(parts, x, means, sizes, at, lane)
    k = velocity(parts, y, means[3], at, lane)
    return normalize(add(x, sizes[2], plus(total, k)), parts.units)


@piece
def sum_tile(parts: Parts, state: Any, means: Any, sizes: Any, stage: int, at: Any) -> Any:
    """Return the sum over a tile of the state that a stage leads to; the last one is written."""
    total = parts.zero
    base = start_of(parts.tiles, at[0], at[1], 1, 0, len(parts.zero))
    lanes = lanes_of(parts, at[1])
    if stage == 0:
        for lane in range(lanes):
            x = load(state, base, lane, parts.zero)
            total = plus(total, second_state(parts, x, means, sizes, at, lane)[0])
    elif stage == 1:
        for lane in range(lanes):
            x = load(state, base, lane, parts.zero)
            total = plus(total, third_state(parts, x, means, sizes, at, lane)[0])
    elif stage == 2:
        for lane in range(lanes):
            x = load(state, base, lane, parts.zero)
            total = plus(total, fourth_state(parts, x, means, sizes, at, lane)[0])
    else:
        for lane in range(lanes):
            x = load(state, base, lane, parts.zero)
            store(state, base, lane, new_state(parts, x, means, sizes, at, lane))
    return total


@piece
def watch_mean_field(parts: Parts, state: Any, mean: Any, step: int, at: Any) -> None:
    """Note what is observed of x after `step` steps, if it is."""
    if not wants(parts.watch, step):
        return
    total, energy = parts.zero, parts.zero[0]
    base = start_of(parts.tiles, at[0], at[1], 1, 0, len(parts.zero))
    for lane in range(lanes_of(parts, at[1])):
        x = load(state, base, lane, parts.zero)
        total = plus(total, x)
        energy += energy_of(parts, x, mean, at, lane)
    note(parts.watch, step, at, len(parts.tiles.start) - 1, total, energy)


@driver
def mean_field_runge_kutta4(
    parts: Any, share: Any, state: Any, scratch: Any, sizes: Any, steps: int, meeting: Any
) -> None:
    """Take Runge-Kutta steps; `sizes` is (dt/2, dt, dt/6, 1/3)."""
    N, count = len(parts.zero), len(parts.tiles.start) - 1
    for system in range(share.first_system, share.last_system):
        side, zero = share.side, parts.zero
        means = (zero, zero, zero, zero)
        for number in range(-1, 4 * steps + looks(parts.watch)):  # -1 only finds the first mean
            stage = number % 4
            for tile in range(share.first_tile, share.last_tile):
                total = zero
                if stage == 0:
                    watch_mean_field(parts, state, means[0], number // 4, (system, tile))
                if number == 4 * steps:
                    continue
                if number >= 0:
                    total = sum_tile(parts, state, means, sizes, stage, (system, tile))
                if stage < 3:
                    for a in range(N):
                        parts.board.sums[((side ^ 1) * count + tile) * N + a] = total[a]
                else:  # one place in the code that adds up x: its rounding is the same wherever
                    base = start_of(parts.tiles, system, tile, 1, 0, N)  # a run begins
                    publish(parts.board, side ^ 1, parts.tiles, tile, state, base, zero)
            barrier(meeting, share.size)
            side ^= 1
            mean = gather(parts.board, side, parts.tiles, zero)
            if stage == 3:
                means = (mean, zero, zero, zero)
            elif stage == 0:
                means = (means[0], mean, zero, zero)
            elif stage == 1:
                means = (means[0], means[1], mean, zero)
            else:
                means = (means[0], means[1], means[2], mean)
