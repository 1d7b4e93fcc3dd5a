"""The equation for one oscillator, compiled: vectors are tuples of N numbers.

A loop over the oscillators ("lanes") of a tile that calls these becomes vector instructions, each
coordinate in registers: N is part of the types, so every loop here is unrolled. The formulas are
those of `kuramoto.sphere` and `kuramoto.model`, which remain the reference (tests compare them).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.cpython.unsafe import tuple as tuples

from kuramoto._kernels.jit import by_type, meaning, piece

put: Any = tuples.tuple_setitem
"""``put(x, a, value)`` returns the vector x with another coordinate a: tuples do not change."""

TILE = 1024
"""Lanes per tile, at most. A constant, so that a tile's rows lie at constant distances: only then
does the compiler see that they do not overlap."""


@piece
def place(base: int, row: int, lane: int) -> Any:
    """Return the index of a row's lane; unsigned, which saves the test for negative indices."""
    return np.uintp(base + row * TILE + lane)


@piece
def load(array: Any, base: int, lane: int, x: Any) -> Any:
    """Return a vector from `array`; `x` is any vector of that length."""
    for a in range(len(x)):
        x = put(x, a, array[place(base, a, lane)])
    return x


@piece
def store(array: Any, base: int, lane: int, x: Any) -> None:
    """Write a vector."""
    for a in range(len(x)):
        array[place(base, a, lane)] = x[a]


@piece
def dot(x: Any, y: Any) -> Any:
    """Return ⟨x, y⟩."""
    total = x[0] * y[0]
    for a in range(1, len(x)):
        total += x[a] * y[a]
    return total


@piece
def scale(factor: Any, x: Any) -> Any:
    """Return a number times a vector."""
    for a in range(len(x)):
        x = put(x, a, factor * x[a])
    return x


@piece
def add(x: Any, factor: Any, y: Any) -> Any:
    """Return x + factor · y."""
    for a in range(len(x)):
        x = put(x, a, x[a] + factor * y[a])
    return x


@piece
def minus(x: Any, y: Any) -> Any:
    """Return x − y."""
    for a in range(len(x)):
        x = put(x, a, x[a] - y[a])
    return x


class Units(NamedTuple):
    """1, 1/2 and almost 0 in the dtype of the run: a bare 1 would promote float32 to float64."""

    one: Any
    half: Any
    tiny: Any


@piece
def plus(x: Any, y: Any) -> Any:
    """Return x + y."""
    for a in range(len(x)):
        x = put(x, a, x[a] + y[a])
    return x


@piece
def normalize(x: Any, units: Units) -> Any:
    """Return Π(x) = x / ‖x‖ (`kuramoto.sphere.normalize`)."""
    return scale(units.one / np.sqrt(dot(x, x) + units.tiny), x)


@piece
def to_tangent(x: Any, y: Any) -> Any:
    """Return y − ⟨x, y⟩ x (`kuramoto.sphere.to_tangent`)."""
    return add(y, -dot(x, y), x)


@piece
def norm_neutral(x: Any, y: Any) -> Any:
    """Return ‖x‖² y − ⟨x, y⟩ x (`kuramoto.sphere.norm_neutral`)."""
    return add(scale(dot(x, x), y), -dot(x, y), x)


# Natural frequencies, and the rotations by them. "Shared" ones hold tuples, the others tiles.


class Still(NamedTuple):
    """No rotation."""


class SharedPlanes(NamedTuple):
    """Ω in planes (0, 1), (2, 3), ...: `kuramoto.Rotation` with shared rates."""

    rates: Any


class Planes(NamedTuple):
    """Ω in planes, for every oscillator its own rates."""

    rates: Any


class SharedMatrix(NamedTuple):
    """A full matrix, row by row: Ω of `kuramoto.Antisymmetric`, or exp(Ω dt)."""

    entries: Any


class Matrix(NamedTuple):
    """For every oscillator its own matrix."""

    entries: Any


class SharedTurn(NamedTuple):
    """exp(Ω dt) in planes."""

    cos: Any
    sin: Any


class Turn(NamedTuple):
    """exp(Ω dt) in planes, for every oscillator its own."""

    cos: Any
    sin: Any


@by_type
def rotate(frequency: Any, v: Any, x: Any, tile: int, lane: int) -> Any:
    """Return v + Ωx."""


@meaning(rotate, Still)
def _(frequency: Any, v: Any, x: Any, tile: int, lane: int) -> Any:
    return v


@meaning(rotate, SharedPlanes)
def _(frequency: Any, v: Any, x: Any, tile: int, lane: int) -> Any:
    for p in range(len(x) // 2):
        rate = frequency.rates[p]
        v = put(v, 2 * p, v[2 * p] - rate * x[2 * p + 1])
        v = put(v, 2 * p + 1, v[2 * p + 1] + rate * x[2 * p])
    return v


@meaning(rotate, Planes)
def _(frequency: Any, v: Any, x: Any, tile: int, lane: int) -> Any:
    planes = len(x) // 2
    for p in range(planes):
        rate = frequency.rates[place(tile * planes * TILE, p, lane)]
        v = put(v, 2 * p, v[2 * p] - rate * x[2 * p + 1])
        v = put(v, 2 * p + 1, v[2 * p + 1] + rate * x[2 * p])
    return v


@meaning(rotate, SharedMatrix)
def _(frequency: Any, v: Any, x: Any, tile: int, lane: int) -> Any:
    N = len(x)
    for a in range(N):
        for b in range(N):
            v = put(v, a, v[a] + frequency.entries[a * N + b] * x[b])
    return v


@meaning(rotate, Matrix)
def _(frequency: Any, v: Any, x: Any, tile: int, lane: int) -> Any:
    N = len(x)
    for a in range(N):
        for b in range(N):
            entry = frequency.entries[place(tile * N * N * TILE, a * N + b, lane)]
            v = put(v, a, v[a] + entry * x[b])
    return v


@by_type
def turn(propagator: Any, x: Any, tile: int, lane: int) -> Any:
    """Return exp(Ω dt) x."""


@meaning(turn, Still)
def _(propagator: Any, x: Any, tile: int, lane: int) -> Any:
    return x


@meaning(turn, SharedTurn)
def _(propagator: Any, x: Any, tile: int, lane: int) -> Any:
    v = x
    for p in range(len(x) // 2):
        cos, sin = propagator.cos[p], propagator.sin[p]
        v = put(v, 2 * p, cos * x[2 * p] - sin * x[2 * p + 1])
        v = put(v, 2 * p + 1, sin * x[2 * p] + cos * x[2 * p + 1])
    return v


@meaning(turn, Turn)
def _(propagator: Any, x: Any, tile: int, lane: int) -> Any:
    v, planes = x, len(x) // 2
    for p in range(planes):
        here = place(tile * planes * TILE, p, lane)
        cos, sin = propagator.cos[here], propagator.sin[here]
        v = put(v, 2 * p, cos * x[2 * p] - sin * x[2 * p + 1])
        v = put(v, 2 * p + 1, sin * x[2 * p] + cos * x[2 * p + 1])
    return v


@meaning(turn, SharedMatrix)
@meaning(turn, Matrix)
def _(propagator: Any, x: Any, tile: int, lane: int) -> Any:
    return rotate(propagator, scale(x[0] - x[0], x), x, tile, lane)


# The stimulus c.


class NoStimulus(NamedTuple):
    """c = 0."""


class Stimulus(NamedTuple):
    """c in tiles, for each system of the batch or (with a stride of 0) for all."""

    values: Any
    stride: int


@by_type
def stimulate(stimulus: Any, force: Any, system: int, tile: int, lane: int) -> Any:
    """Return force + c."""


@meaning(stimulate, NoStimulus)
def _(stimulus: Any, force: Any, system: int, tile: int, lane: int) -> Any:
    return force


@meaning(stimulate, Stimulus)
def _(stimulus: Any, force: Any, system: int, tile: int, lane: int) -> Any:
    base = (system * stimulus.stride + tile) * len(force) * TILE
    return plus(force, load(stimulus.values, base, lane, force))
