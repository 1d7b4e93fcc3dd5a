"""One point of a sweep, from its text to its numbers: what a worker runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kuramoto import experiment
from kuramoto._backend import to_numpy
from kuramoto.experiment import Experiment
from kuramoto.solution import SaveAt, Solution, SolveError, Status
from kuramoto.solve import solve
from kuramoto.storage import numeric

__all__ = ["Outcome", "Point", "run_point"]


# Errors that say all in their text.
_EXPECTED = (ValueError, OSError, SolveError)


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes
    ----------
    number : int
        Its place among all points, in C order of (*grid, seeds).
    text, base, source : str
        The experiment with the values of this point in it, the folder of its files, and what to
        call it in messages.
    shift : int
        What is added to every seed.
    observe : dict of callable
        Observers besides those that the experiment names.
    keeps_state : bool
        Whether the final state is wanted.
    """

    number: int
    text: str
    base: str
    source: str
    shift: int
    observe: Mapping[str, Callable[..., Any]]
    keeps_state: bool

    def read(self) -> Experiment:
        """Return the experiment.

        Raises
        ------
        ExperimentError
            If it cannot be read: the message names the point.
        """
        trial = experiment.loads(self.text, self.base, source=self.source)
        return trial.reseeded(self.shift)

    def complaint(self, error: Exception) -> str:
        """Spell an error on one line that names the point."""
        words = " ".join(str(error).split())
        if words.startswith(self.source):
            return words
        kind = "" if isinstance(error, _EXPECTED) and words else f"{type(error).__name__}: "
        return f"{self.source}: {kind}{words}"


@dataclass(frozen=True)
class Outcome:
    """What became of a point: its numbers, or why there are none.

    Attributes
    ----------
    number : int
    failure : str
        Why it failed; empty if it did not.
    note : str
        What else there is to say.
    times : numpy array, shape (S,)
    observed : dict of numpy array, shape (S, ...)
    state : numpy array, shape (*batch, *sites, N), or None
        The final state, if it is wanted.
    """

    number: int
    failure: str = ""
    note: str = ""
    times: np.ndarray = field(default_factory=lambda: np.zeros(0))
    observed: Mapping[str, np.ndarray] = field(default_factory=dict)
    state: np.ndarray | None = None


def run_point(point: Point) -> Outcome:
    """Run a point; an error becomes its outcome."""
    try:
        # A run that overflows ends with an error that says so; NumPy's warnings would come first.
        with np.errstate(all="ignore"):
            return _outcome(point, _solved(point.read(), point))
    except Exception as error:  # whatever it is, the other points go on
        return Outcome(point.number, point.complaint(error))


def _solved(trial: Experiment, point: Point) -> Solution:
    settings = trial.settings()
    settings["save"] = dataclasses.replace(settings["save"] or SaveAt(), states=False)
    settings["observe"] = {**settings["observe"], **point.observe}
    return solve(trial.model(), trial.initial_state(), **settings)


def _outcome(point: Point, solution: Solution) -> Outcome:
    observed = {name: _numbers(name, values) for name, values in solution.observed.items()}
    if not len(solution.times) and not point.keeps_state:
        return Outcome(point.number, "Nothing was saved; give `solve.save` times, every or end.")
    note = "stopped at max_steps" if solution.status is Status.MAX_STEPS else ""
    state = np.array(to_numpy(solution.final)) if point.keeps_state else None
    return Outcome(point.number, "", note, np.asarray(solution.times), observed, state)


def _numbers(name: str, values: Any) -> np.ndarray:
    """Return an observable as numbers that can be NaN."""
    array = numeric(name, values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
