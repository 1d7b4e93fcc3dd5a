"""Drivers: the steppers of `kuramoto.steppers`, compiled, taking many steps in one call.

Every worker runs the same driver on its own tiles (of one system that all share) or on its own
systems, and meets the others at a barrier after each stage. Nothing is allocated. How the tiles are
shared out never changes the numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kuramoto._kernels.boards import force, gather, publish, recall
from kuramoto._kernels.jit import by_type, driver, meaning, piece
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
from kuramoto._kernels.watch import NoWatch, Watch, looks, note, wants

SIDES = 4
"""Sides of the board that a team uses."""

SCRATCH = 4
"""Tiles of vectors that a worker needs for itself."""


class Field(NamedTuple):
    """What acts on every oscillator by itself.

    Attributes
    ----------
    frequency : Still, Planes, SharedPlanes, Matrix or SharedMatrix
    turn : exp(Ω dt) where rotations are split off, else Still
    stimulus : Stimulus or NoStimulus
    units : Units
    zero : the zero vector, a tuple of N numbers
    """

    frequency: Any
    turn: Any
    stimulus: Any
    units: Any
    zero: Any


class Parts(NamedTuple):
    """A model, prepared: everything that stays the same from step to step.

    Pieces are given no more of it than they need: what is passed is copied, call by call.

    Attributes
    ----------
    board : one of the boards
    tiles : Tiles
    field : Field
    watch : Watch or NoWatch
    """

    board: Any
    tiles: Any
    field: Any
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
def place_of(tiles: Any, system: int, tile: int) -> Any:
    """Return (system, tile, how many oscillators it holds)."""
    return (system, tile, tiles.start[tile + 1] - tiles.start[tile])


@piece
def velocity(field: Field, x: Any, coupled: Any, at: Any, lane: int) -> Any:
    """Return ẋ = Ωx + Proj_x(c + Jx) in the norm-neutral form, Jx being `coupled`."""
    y = stimulate(field.stimulus, coupled, at[0], at[1], lane)
    return rotate(field.frequency, norm_neutral(x, y), x, at[1], lane)


@by_type
def watch_tile(watch: Any, field: Field, state: Any, base: int, f: Any, step: int, at: Any) -> None:
    """Note what is observed of x after `step` steps, if it is: Σ x and the energy of a tile."""


@meaning(watch_tile, NoWatch)
def _(watch: Any, field: Field, state: Any, base: int, f: Any, step: int, at: Any) -> None:
    pass


@meaning(watch_tile, Watch)
def _(watch: Any, field: Field, state: Any, base: int, f: Any, step: int, at: Any) -> None:
    if not wants(watch, step):
        return
    total, energy = field.zero, field.zero[0]
    for lane in range(at[2]):
        x, coupled = load(state, base, lane, field.zero), load(f, 0, lane, field.zero)
        total = plus(total, x)
        energy += energy_of(field, x, coupled, at, lane)
    note(watch, step, at, total, energy)


@piece
def energy_of(field: Field, x: Any, coupled: Any, at: Any, lane: int) -> Any:
    """Return −½ x·Jx − c·x of one oscillator (`kuramoto.energy`), Jx being `coupled`."""
    y = stimulate(field.stimulus, coupled, at[0], at[1], lane)
    return field.units.half * dot(x, coupled) - dot(x, y)


# The projected Euler step, and splitting: a state of one slot.


@piece
def turn_tile(field: Field, state: Any, base: int, at: Any) -> None:
    """Rotate the vectors of a tile exactly."""
    for lane in range(at[2]):
        x = load(state, base, lane, field.zero)
        store(state, base, lane, turn(field.turn, x, at[1], lane))


@piece
def euler_tile(field: Field, state: Any, base: int, f: Any, dt: Any, at: Any) -> None:
    """Take x to Π[x + dt (Ωx + Proj_x(c + Jx))]; `at` is (system, tile, lanes)."""
    for lane in range(at[2]):
        x = load(state, base, lane, field.zero)
        y = stimulate(field.stimulus, load(f, 0, lane, x), at[0], at[1], lane)
        v = rotate(field.frequency, to_tangent(x, y), x, at[1], lane)
        store(state, base, lane, normalize(add(x, dt, v), field.units))


@driver
def euler(
    parts: Any, share: Any, state: Any, scratch: Any, dt: Any, steps: int, meeting: Any
) -> None:
    """Take projected Euler steps, after exact rotations where `field.turn` has them."""
    board, tiles, field, watch = parts
    zero, ends = field.zero, steps + looks(watch)
    for system in range(share.first_system, share.last_system):
        side = share.side
        for step in range(-1, ends):  # step -1 only turns and publishes
            other = side ^ 1 if step >= 0 else side
            gathered = gather(board, side, tiles, zero)
            for tile in range(share.first_tile, share.last_tile):
                base = start_of(tiles, system, tile, 1, 0, len(zero))
                at = place_of(tiles, system, tile)
                if step >= 0:
                    force(board, side, tiles, tile, gathered, scratch, zero)
                    watch_tile(watch, field, state, base, scratch, step, at)
                if 0 <= step < steps:
                    euler_tile(field, state, base, scratch, dt, at)
                if step + 1 < ends:
                    turn_tile(field, state, base, at)
                    publish(board, other, tiles, tile, state, base, zero)
            barrier(meeting, share.size)
            side = other


# Runge-Kutta 4: only x is kept in the state. The states of the stages, y_2, y_3 and y_4, stay on
# their sides of the board; what they say of k_1, k_2 and k_3 is worked out at the end of the step:
# x + dt/6 (k_1 + 2 k_2 + 2 k_3 + k_4) = (y_2 + 2 y_3 + y_4 - x)/3 + dt/6 k_4. That moves half of
# what a running sum of stages would.


@piece
def next_stage(field: Field, state: Any, bases: Any, scratch: Any, ahead: Any, at: Any) -> None:
    """Let y = x + ahead · velocity(y), in the scratch; `bases` is (x, y)."""
    for lane in range(at[2]):
        x = load(state, bases[0], lane, field.zero)
        y = load(scratch, bases[1], lane, field.zero)
        k = velocity(field, y, load(scratch, 0, lane, y), at, lane)
        store(scratch, bases[1], lane, add(x, ahead, k))


@piece
def without_last(x: Any, stages: Any, one_third: Any) -> Any:
    """Return (y_2 + 2 y_3 + y_4 - x)/3, the end but for dt/6 k_4; `stages` is (y_2, y_3, y_4)."""
    second, third, fourth = stages
    total = plus(plus(second, plus(third, third)), fourth)
    return scale(one_third, minus(total, x))


@piece
def last_stage(field: Field, state: Any, bases: Any, scratch: Any, sizes: Any, at: Any) -> None:
    """Let x and y be the end of the step; `bases` is (x, y_4, y_3, y_2)."""
    for lane in range(at[2]):
        x = load(state, bases[0], lane, field.zero)
        y = load(scratch, bases[1], lane, x)
        k = velocity(field, y, load(scratch, 0, lane, y), at, lane)
        third, second = load(scratch, bases[2], lane, x), load(scratch, bases[3], lane, x)
        end = add(without_last(x, (second, third, y), sizes[3]), sizes[2], k)
        end = normalize(end, field.units)
        store(state, bases[0], lane, end)
        store(scratch, bases[1], lane, end)


@piece
def show_state(field: Field, state: Any, x: int, scratch: Any, y: int, at: Any) -> None:
    """Let y = x."""
    for lane in range(at[2]):
        store(scratch, y, lane, load(state, x, lane, field.zero))


@driver
def runge_kutta4(
    parts: Any, share: Any, state: Any, scratch: Any, sizes: Any, steps: int, meeting: Any
) -> None:
    """Take Runge-Kutta steps; `sizes` is (dt/2, dt, dt/6, 1/3)."""
    board, tiles, field, watch = parts
    zero, row = field.zero, len(field.zero) * TILE
    for system in range(share.first_system, share.last_system):
        for number in range(-1, 4 * steps + looks(watch)):  # number -1 only publishes x
            stage = number % 4
            side = share.side + stage
            for tile in range(share.first_tile, share.last_tile):
                x = start_of(tiles, system, tile, 1, 0, len(zero))
                at = place_of(tiles, system, tile)
                if number < 0:
                    show_state(field, state, x, scratch, row, at)
                else:
                    force(board, side, tiles, tile, zero, scratch, zero)
                    if stage == 0:
                        watch_tile(watch, field, state, x, scratch, number // 4, at)
                    if number == 4 * steps:
                        continue
                    for back in range(3 if stage == 3 else 1):
                        recall(board, side - back, tiles, tile, scratch, (1 + back) * row, zero)
                    if stage < 3:
                        next_stage(field, state, (x, row), scratch, sizes[stage // 2], at)
                    else:
                        bases = (x, row, 2 * row, 3 * row)
                        last_stage(field, state, bases, scratch, sizes, at)
                after = share.side + (stage + 1) % 4
                publish(board, after, tiles, tile, scratch, row, zero)
            barrier(meeting, share.size)


# Dormand-Prince 5(4): slots x, y, then seven stages, the last of which is the next step's first.

STAGES = 2
DORMAND_PRINCE_SLOTS = 9


@piece
def combine(field: Field, state: Any, slots: Any, weights: Any, at: Any) -> None:
    """Let y = x + Σ_s weights_s k_s; `slots` is (x, y, k_0)."""
    for lane in range(at[2]):
        store(state, slots[1], lane, load(state, slots[0], lane, field.zero))
    add_stages(field, state, slots, weights, at)


@piece
def add_stages(field: Field, state: Any, slots: Any, weights: Any, at: Any) -> None:
    """Let y += Σ_s weights_s k_s; `slots` is (x, y, k_0)."""
    for s in range(len(weights)):
        k = slots[2] + s * len(field.zero) * TILE
        if weights[s] != 0:
            for lane in range(at[2]):
                y = load(state, slots[1], lane, field.zero)
                store(state, slots[1], lane, add(y, weights[s], load(state, k, lane, y)))


@piece
def normalize_tile(field: Field, state: Any, y: int, at: Any) -> None:
    """Project y to the sphere."""
    for lane in range(at[2]):
        store(state, y, lane, normalize(load(state, y, lane, field.zero), field.units))


@piece
def velocity_tile(field: Field, state: Any, bases: Any, f: Any, at: Any) -> None:
    """Let k = velocity(y); `bases` is (y, k)."""
    for lane in range(at[2]):
        y = load(state, bases[0], lane, field.zero)
        store(state, bases[1], lane, velocity(field, y, load(f, 0, lane, y), at, lane))


@piece
def finish_tile(field: Field, state: Any, slots: Any, errors: Any, last: bool, at: Any) -> None:
    """Let x = y and k_0 = k_6; after the last step let y = Σ_s errors_s k_s."""
    N = len(field.zero)
    for lane in range(at[2]):
        store(state, slots[0], lane, load(state, slots[1], lane, field.zero))
    if last:
        for lane in range(at[2]):
            store(state, slots[1], lane, field.zero)
        add_stages(field, state, slots, errors, at)
    for lane in range(at[2]):
        k = load(state, slots[2] + 6 * N * TILE, lane, field.zero)
        store(state, slots[2], lane, k)


@driver
def dormand_prince(
    parts: Any, share: Any, state: Any, scratch: Any, table: Any, steps: int, meeting: Any
) -> None:
    """Take Dormand-Prince steps; with steps = 0, only find k_0, the velocity at x.

    `table` holds dt·A in rows 0 to 5, dt·E in row 6 and zeros in row 7. That k_0 is found here, as
    the last stage of a step is, keeps runs bitwise the same wherever they begin.
    """
    board, tiles, field, _ = parts
    zero, row = field.zero, len(field.zero) * TILE
    side = share.side  # goes on from system to system: others may still read the last one's
    for system in range(share.first_system, share.last_system):
        for number in range(-1 if steps == 0 else 0, 6 * steps):
            stage = number % 6
            weights = table[7 if number < 0 else stage, : stage + 1]
            for tile in range(share.first_tile, share.last_tile):
                x = start_of(tiles, system, tile, DORMAND_PRINCE_SLOTS, 0, len(zero))
                slots, at = (x, x + row, x + STAGES * row), place_of(tiles, system, tile)
                combine(field, state, slots, weights, at)
                if stage == 5 and number >= 0:
                    normalize_tile(field, state, slots[1], at)
                publish(board, side, tiles, tile, state, slots[1], zero)
            barrier(meeting, share.size)
            gathered = gather(board, side, tiles, zero)
            for tile in range(share.first_tile, share.last_tile):
                x = start_of(tiles, system, tile, DORMAND_PRINCE_SLOTS, 0, len(zero))
                slots, at = (x, x + row, x + STAGES * row), place_of(tiles, system, tile)
                force(board, side, tiles, tile, gathered, scratch, zero)
                velocity_tile(field, state, (slots[1], slots[2] + (stage + 1) * row), scratch, at)
                if stage == 5:
                    finish_tile(field, state, slots, table[6], number == 6 * steps - 1, at)
            side ^= 1
