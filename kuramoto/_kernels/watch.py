"""Observables on the way: what a driver notes of a state while its force is at hand anyway."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto import sphere
from kuramoto._kernels.jit import by_type, meaning, piece

WATCHED = ("energy", "order_parameter")
"""Names, as in `kuramoto.observables.OBSERVABLES`, of what can be noted."""


class NoWatch(NamedTuple):
    """Nothing is observed."""


class Watch(NamedTuple):
    """A table of sums over tiles, (rows, systems, tiles, N + 1): Σ x, then the energy.

    Attributes
    ----------
    table : array
    every : int
        Observe after steps whose number in the run is a multiple of it.
    first : int
        Number in the run of the first step to be taken.
    """

    table: Any
    every: int
    first: int


@by_type
def looks(watch: Any) -> Any:
    """Return 1 if the end of the last step is to be looked at too, else 0."""


@meaning(looks, NoWatch)
def _(watch: Any) -> int:
    return 0


@meaning(looks, Watch)
def _(watch: Any) -> int:
    return 1


@piece
def wants(watch: Watch, step: int) -> Any:
    """Say whether the state after `step` steps is observed; the one before the first is not."""
    return step > 0 and (watch.first + step) % watch.every == 0


@piece
def note(watch: Watch, step: int, at: Any, total: Any, energy: Any) -> None:
    """Enter the sums over a tile; `at` is (system, tile)."""
    row = (watch.first + step) // watch.every - watch.first // watch.every - 1
    for a in range(len(total)):
        watch.table[row, at[0], at[1], a] = total[a]
    watch.table[row, at[0], at[1], len(total)] = energy


def values(table: np.ndarray, oscillators: int) -> dict[str, np.ndarray]:
    """Return the observables of shape (rows, systems) from sums over tiles."""
    sums = table.sum(axis=2, dtype=np.float64)
    mean = sums[..., :-1] / oscillators
    found = {"energy": sums[..., -1], "order_parameter": sphere.norm(mean)[..., 0]}
    return {name: value.astype(table.dtype) for name, value in found.items()}
