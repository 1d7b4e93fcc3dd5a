"""Drivers: the steppers of `kuramoto.steppers`, compiled, taking many steps in one call.

Every worker runs the same driver on its own tiles (of one system that all share) or on its own
systems, and meets the others at a barrier after each stage. Nothing is allocated. How the tiles are
shared out never changes the numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kuramoto._kernels.boards import force, gather, publish, recall
from kuramoto._kernels.jit import driver, piece
from kuramoto._kernels.lanes import (
    TILE,
    add,
    dot,
    load,
    minus,
    norm_neutral,
    normalize,
    plus,
    rotate,
    scale,
    stimulate,
    store,
    to_tangent,
    turn,
)
from kuramoto._kernels.team import barrier
from kuramoto._kernels.tiles import start_of
from kuramoto._kernels.watch import looks, note, wants

SIDES = 4
"""Sides of the board that a team uses."""

SCRATCH = 4
"""Tiles of vectors that a worker needs for itself."""


class Parts(NamedTuple):
    """A model, prepared: everything that stays the same from step to step.

    Attributes
    ----------
    board : one of the boards
    frequency : Still, Planes, SharedPlanes, Matrix or SharedMatrix
    turn : exp(Ω dt) where rotations are split off, else Still
    stimulus : Stimulus or NoStimulus
    tiles : Tiles
    units : Units
    zero : the zero vector, a tuple of N numbers
    watch : Watch or NoWatch
    """

    board: Any
    frequency: Any
    turn: Any
    stimulus: Any
    tiles: Any
    units: Any
    zero: Any
    watch: Any


class Share(NamedTuple):
    """What is a worker's own.

    Attributes
    ----------
    first_system, last_system : int
    first_tile, last_tile : int
    side : int
        First of the two sides of the board that this worker (or its team) uses.
    size : int
        How many meet at the barrier.
    """

    first_system: int
    last_system: int
    first_tile: int
    last_tile: int
    side: int
    size: int


@piece
def lanes_of(parts: Parts, tile: int) -> Any:
    """Return how many oscillators a tile holds."""
    return parts.tiles.start[tile + 1] - parts.tiles.start[tile]


@piece
def publish_all(parts: Parts, share: Share, side: int, state: Any, system: int) -> None:
    """Publish the worker's tiles of a system, from a state of one slot."""
    for tile in range(share.first_tile, share.last_tile):
        base = start_of(parts.tiles, system, tile, 1, 0, len(parts.zero))
        publish(parts.board, side, parts.tiles, tile, state, base, parts.zero)


@piece
def pull(parts: Parts, x: Any, f: Any, system: int, tile: int, lane: int) -> Any:
    """Return ẋ = Ωx + Proj_x(c + Jx) in the norm-neutral form, Jx being in f."""
    y = stimulate(parts.stimulus, load(f, 0, lane, x), system, tile, lane)
    return rotate(parts.frequency, norm_neutral(x, y), x, tile, lane)


@piece
def watch_tile(parts: Parts, state: Any, base: int, f: Any, step: int, at: Any) -> None:
    """Note what is observed of x after `step` steps, if it is: Σ x and the energy of a tile."""
    if not wants(parts.watch, step):
        return
    total, energy = parts.zero, parts.zero[0]
    for lane in range(lanes_of(parts, at[1])):
        x, coupled = load(state, base, lane, parts.zero), load(f, 0, lane, parts.zero)
        total = plus(total, x)
        energy += energy_of(parts, x, coupled, at, lane)
    note(parts.watch, step, at, len(parts.tiles.start) - 1, total, energy)


@piece
def energy_of(parts: Parts, x: Any, coupled: Any, at: Any, lane: int) -> Any:
    """Return −½ x·Jx − c·x of one oscillator (`kuramoto.energy`), Jx being `coupled`."""
    y = stimulate(parts.stimulus, coupled, at[0], at[1], lane)
    return parts.units.half * dot(x, coupled) - dot(x, y)


# The projected Euler step, and splitting: a state of one slot.


@piece
def turn_tile(parts: Parts, state: Any, base: int, tile: int) -> None:
    """Rotate the vectors of a tile exactly."""
    for lane in range(lanes_of(parts, tile)):
        x = load(state, base, lane, parts.zero)
        store(state, base, lane, turn(parts.turn, x, tile, lane))


@piece
def euler_tile(parts: Parts, state: Any, base: int, f: Any, dt: Any, at: Any) -> None:
    """Take x to Π[x + dt (Ωx + Proj_x(c + Jx))]; `at` is (system, tile)."""
    for lane in range(lanes_of(parts, at[1])):
        x = load(state, base, lane, parts.zero)
        y = stimulate(parts.stimulus, load(f, 0, lane, x), at[0], at[1], lane)
        v = rotate(parts.frequency, to_tangent(x, y), x, at[1], lane)
        store(state, base, lane, normalize(add(x, dt, v), parts.units))


@driver
def euler(
    parts: Any, share: Any, state: Any, scratch: Any, dt: Any, steps: int, meeting: Any
) -> None:
    """Take projected Euler steps, after exact rotations where `parts.turn` has them."""
    N = len(parts.zero)
    for system in range(share.first_system, share.last_system):
        side = share.side
        for step in range(-1, steps + looks(parts.watch)):  # step -1 only turns and publishes
            other = side ^ 1 if step >= 0 else side
            gathered = gather(parts.board, side, parts.tiles, parts.zero)
            for tile in range(share.first_tile, share.last_tile):
                base = start_of(parts.tiles, system, tile, 1, 0, N)
                if step >= 0:
                    force(parts.board, side, parts.tiles, tile, gathered, scratch, parts.zero)
                    watch_tile(parts, state, base, scratch, step, (system, tile))
                if 0 <= step < steps:
                    euler_tile(parts, state, base, scratch, dt, (system, tile))
                if step + 1 < steps + looks(parts.watch):
                    turn_tile(parts, state, base, tile)
                    publish(parts.board, other, parts.tiles, tile, state, base, parts.zero)
            barrier(meeting, share.size)
            side = other


# Runge-Kutta 4: only x is kept in the state. The states of the stages, y_2, y_3 and y_4, stay on
# their sides of the board; what they say of k_1, k_2 and k_3 is worked out at the end of the step:
# x + dt/6 (k_1 + 2 k_2 + 2 k_3 + k_4) = (y_2 + 2 y_3 + y_4 - x)/3 + dt/6 k_4. That moves half of
# what a running sum of stages would.


@piece
def next_stage(parts: Parts, state: Any, bases: Any, scratch: Any, ahead: Any, at: Any) -> None:
    """Let y = x + ahead · velocity(y), in the scratch; `bases` is (x, y)."""
    for lane in range(lanes_of(parts, at[1])):
        x = load(state, bases[0], lane, parts.zero)
        y = load(scratch, bases[1], lane, parts.zero)
        k = pull(parts, y, scratch, at[0], at[1], lane)
        store(scratch, bases[1], lane, add(x, ahead, k))


@piece
def last_stage(parts: Parts, state: Any, bases: Any, scratch: Any, sizes: Any, at: Any) -> None:
    """Let x be the end of the step; `bases` is (x, y_4, y_3, y_2)."""
    for lane in range(lanes_of(parts, at[1])):
        x = load(state, bases[0], lane, parts.zero)
        y = load(scratch, bases[1], lane, x)
        k = pull(parts, y, scratch, at[0], at[1], lane)
        third = load(scratch, bases[2], lane, x)
        total = plus(plus(load(scratch, bases[3], lane, x), plus(third, third)), y)
        new = add(scale(sizes[3], minus(total, x)), sizes[2], k)
        store(state, bases[0], lane, normalize(new, parts.units))


@driver
def runge_kutta4(
    parts: Any, share: Any, state: Any, scratch: Any, sizes: Any, steps: int, meeting: Any
) -> None:
    """Take Runge-Kutta steps; `sizes` is (dt/2, dt, dt/6, 1/3)."""
    row = len(parts.zero) * TILE
    for system in range(share.first_system, share.last_system):
        publish_all(parts, share, share.side, state, system)
        barrier(meeting, share.size)
        for number in range(4 * steps + looks(parts.watch)):
            stage = number % 4
            side = share.side + stage
            for tile in range(share.first_tile, share.last_tile):
                x = start_of(parts.tiles, system, tile, 1, 0, len(parts.zero))
                force(parts.board, side, parts.tiles, tile, parts.zero, scratch, parts.zero)
                if stage == 0:
                    watch_tile(parts, state, x, scratch, number // 4, (system, tile))
                if number == 4 * steps:
                    continue
                for back in range(3 if stage == 3 else 1):
                    recalled = (1 + back) * row
                    recall(
                        parts.board, side - back, parts.tiles, tile, scratch, recalled, parts.zero
                    )
                if stage < 3:
                    ahead = sizes[stage // 2]
                    next_stage(parts, state, (x, row), scratch, ahead, (system, tile))
                    publish(parts.board, side + 1, parts.tiles, tile, scratch, row, parts.zero)
                else:
                    bases = (x, row, 2 * row, 3 * row)
                    last_stage(parts, state, bases, scratch, sizes, (system, tile))
                    publish(parts.board, share.side, parts.tiles, tile, state, x, parts.zero)
            barrier(meeting, share.size)


# Dormand-Prince 5(4): slots x, y, then seven stages, the last of which is the next step's first.

STAGES = 2
DORMAND_PRINCE_SLOTS = 9


@piece
def combine(parts: Parts, state: Any, slots: Any, weights: Any, tile: int) -> None:
    """Let y = x + Σ_s weights_s k_s, or without x where slots[0] < 0; `slots` is (x, y, k_0)."""
    N = len(parts.zero)
    lanes = lanes_of(parts, tile)
    for lane in range(lanes):
        start = parts.zero if slots[0] < 0 else load(state, max(slots[0], 0), lane, parts.zero)
        store(state, slots[1], lane, start)
    for s in range(len(weights)):
        k = slots[2] + s * N * TILE
        if weights[s] != 0:
            for lane in range(lanes):
                y = load(state, slots[1], lane, parts.zero)
                store(state, slots[1], lane, add(y, weights[s], load(state, k, lane, y)))


@piece
def normalize_tile(parts: Parts, state: Any, y: int, tile: int) -> None:
    """Project y to the sphere."""
    for lane in range(lanes_of(parts, tile)):
        store(state, y, lane, normalize(load(state, y, lane, parts.zero), parts.units))


@piece
def velocity_tile(parts: Parts, state: Any, bases: Any, f: Any, at: Any) -> None:
    """Let k = velocity(y); `bases` is (y, k)."""
    for lane in range(lanes_of(parts, at[1])):
        y = load(state, bases[0], lane, parts.zero)
        store(state, bases[1], lane, pull(parts, y, f, at[0], at[1], lane))


@piece
def finish_tile(parts: Parts, state: Any, slots: Any, errors: Any, last: bool, tile: int) -> None:
    """Let x = y and k_0 = k_6; after the last step let y = Σ_s errors_s k_s."""
    N = len(parts.zero)
    for lane in range(lanes_of(parts, tile)):
        store(state, slots[0], lane, load(state, slots[1], lane, parts.zero))
    if last:
        combine(parts, state, (-1, slots[1], slots[2]), errors, tile)
    for lane in range(lanes_of(parts, tile)):
        k = load(state, slots[2] + 6 * N * TILE, lane, parts.zero)
        store(state, slots[2], lane, k)


@driver
def dormand_prince(
    parts: Any, share: Any, state: Any, scratch: Any, table: Any, steps: int, meeting: Any
) -> None:
    """Take Dormand-Prince steps; with steps = 0, only find k_0, the velocity at x.

    `table` holds dt·A in rows 0 to 5, dt·E in row 6 and zeros in row 7. That k_0 is found here, as
    the last stage of a step is, keeps runs bitwise the same wherever they begin.
    """
    N = len(parts.zero)
    for system in range(share.first_system, share.last_system):
        side = share.side
        for number in range(-1 if steps == 0 else 0, 6 * steps):
            stage = number % 6
            weights = table[7 if number < 0 else stage, : stage + 1]
            for tile in range(share.first_tile, share.last_tile):
                x = start_of(parts.tiles, system, tile, DORMAND_PRINCE_SLOTS, 0, N)
                slots = (x, x + N * TILE, x + STAGES * N * TILE)
                combine(parts, state, slots, weights, tile)
                if stage == 5 and number >= 0:
                    normalize_tile(parts, state, slots[1], tile)
                publish(parts.board, side, parts.tiles, tile, state, slots[1], parts.zero)
            barrier(meeting, share.size)
            gathered = gather(parts.board, side, parts.tiles, parts.zero)
            for tile in range(share.first_tile, share.last_tile):
                x = start_of(parts.tiles, system, tile, DORMAND_PRINCE_SLOTS, 0, N)
                slots = (x, x + N * TILE, x + STAGES * N * TILE)
                force(parts.board, side, parts.tiles, tile, gathered, scratch, parts.zero)
                bases = (slots[1], slots[2] + (stage + 1) * N * TILE)
                velocity_tile(parts, state, bases, scratch, (system, tile))
                if stage == 5:
                    finish_tile(parts, state, slots, table[6], number == 6 * steps - 1, tile)
            side ^= 1
