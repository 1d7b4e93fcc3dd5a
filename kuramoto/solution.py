"""What a run is asked to keep, and what it returns."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kuramoto._backend import Array, array_namespace, is_array
from kuramoto._check import invalid, whole_number, wrong_type

__all__ = ["SaveAt", "Solution", "SolveError", "Statistics", "Status"]

Observers = Mapping[str, Callable[[float, Array], Any]]


class Status(enum.StrEnum):
    """How a run ended, or that it has not."""

    RUNNING = "running"
    FINISHED = "finished"
    MAX_STEPS = "max_steps"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class SolveError(RuntimeError):
    """A run that cannot go on: the state stopped being finite, or the step became too small."""


@dataclass(frozen=True)
class Statistics:
    """What a run cost.

    Attributes
    ----------
    steps : int
        Accepted steps.
    rejected : int
        Steps that the controller undid.
    seconds : float
        Wall time; for a resumed run, since it was resumed.
    """

    steps: int
    rejected: int
    seconds: float


@dataclass(frozen=True)
class SaveAt:
    """When to save the state (and evaluate the observables).

    Parameters
    ----------
    times : sequence of float, optional
        At these times, within [t0, t1]. Between steps the state there is found by one shorter step
        of the same stepper, aside of the run, which is not disturbed.
    every : int, default 0
        After each `every`-th step; 0 for none.
    start, end : bool
        At t0, and at the end of the run.
    states : bool, default True
        Keep the states; False: only what is observed (``Solution.final`` is there anyway).

    Raises
    ------
    ValueError
        If the times are not finite or not increasing, or `every` is negative.

    Examples
    --------
    >>> SaveAt(every=10, start=True).every
    10
    """

    times: Any = None
    every: int = 0
    start: bool = False
    end: bool = True
    states: bool = True

    def __post_init__(self) -> None:
        """Check, and keep the times as a tuple of floats."""
        object.__setattr__(self, "every", whole_number("every", self.every))
        for name in ("start", "end", "states"):
            object.__setattr__(self, name, bool(getattr(self, name)))
        if self.times is None:
            return
        try:
            times = np.asarray(self.times, dtype=np.float64)
        except (TypeError, ValueError):
            raise wrong_type("times", "be a sequence of numbers", self.times) from None
        if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            must = "be finite and strictly increasing"
            raise invalid("times", must, f"has shape {times.shape}: {times.tolist()!s:.60}")
        object.__setattr__(self, "times", tuple(times.tolist()))


@dataclass(frozen=True)
class Solution:
    """The outcome of `solve`.

    Attributes
    ----------
    times : numpy array, shape (S,)
        When states were saved.
    states : array, shape (S, *batch, *sites, N)
        The saved states, on x0's library, dtype and device; for a run written to a file, an h5py
        dataset read on demand (index it: ``states[-1]``).
    observed : dict of array
        Each observable at `times`, shape (S, ...).
    final : array, shape (*batch, *sites, N)
        The last state.
    status : Status
    statistics : Statistics
    """

    times: np.ndarray
    states: Any
    observed: dict[str, Any]
    final: Array
    status: Status
    statistics: Statistics


class MemoryRecorder:
    """Keeps rows in lists, on the state's own library: gradients flow through."""

    def __init__(self, keeps_states: bool = True) -> None:
        self.keeps_states = keeps_states
        self.times: list[float] = []
        self.states: list[Array] = []
        self.observed: dict[str, list[Any]] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing has been recorded yet."""
        return not self.times

    def record(self, t: float, x: Array, observed: Mapping[str, Any]) -> None:
        """Keep one row."""
        self.times.append(t)
        if self.keeps_states:
            self.states.append(x)
        for name, value in observed.items():
            self.observed.setdefault(name, []).append(value)

    def checkpoint(self, position: Any) -> None:
        """Do nothing: memory needs no checkpoints."""

    def close(self, status: Status, position: Any) -> None:
        """Do nothing: memory needs no closing."""

    def rows(self, like: Array) -> tuple[np.ndarray, Array, dict[str, Any]]:
        """Return times, states and observables as arrays."""
        xp = array_namespace(like)
        empty = xp.zeros((0, *like.shape), dtype=like.dtype)
        states = xp.stack(self.states) if self.states else empty
        observed = {name: _stack(values) for name, values in self.observed.items()}
        return np.asarray(self.times), states, observed


def _stack(values: list[Any]) -> Any:
    if is_array(values[0]) and not isinstance(values[0], np.generic):
        return array_namespace(values[0]).stack(values)
    return np.asarray(values)
