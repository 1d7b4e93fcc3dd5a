"""The race: who takes part, and everybody's turns, A B C A B C, so that noise hits all alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from timing import seconds_per_evaluation
from workers import Worker
from workloads import Workload

TOLERANCE = 1e-6
"""How far a contestant may end from us after a few steps of the small version."""

OURS = "kuramoto-spheres"
NUMPY_PATH = "kuramoto-spheres, NumPy path"
BY_HAND = "numba by hand"
FLOOR = "floor"


@dataclass(frozen=True)
class Entrant:
    """A contestant in some environment."""

    name: str
    team: str
    threads: int = 1

    @property
    def label(self) -> str:
        """How tables call it."""
        return self.name if self.threads == 1 else f"{self.name}, {self.threads} threads"


REFERENCE = Entrant(NUMPY_PATH, "ours")


class Pace(NamedTuple):
    """How long to measure: seconds of a sample, samples of a cell, seconds of a cell.

    A single sample that takes eight times the seconds of a cell is left out.
    """

    target: float
    rounds: int
    budget: float
    patience: float


FULL = Pace(target=0.2, rounds=5, budget=8.0, patience=60.0)
QUICK = Pace(target=0.02, rounds=3, budget=0.3, patience=1.0)

_ALONE = {
    "ours": (NUMPY_PATH, BY_HAND, "NumPy"),
    "peers": ("diffrax", "torchdiffeq", "oscillatools"),
    "kuramoto04": ("kuramoto 0.4",),
}


def entrants(workload: Workload, threads: Iterable[int], quick: bool) -> list[Entrant]:
    """Return who takes part; the scaling is about ourselves alone."""
    own = [Entrant(OURS, "ours", count) for count in threads]
    if workload.group == "weak":
        return own
    others = [Entrant(name, team) for team, names in _ALONE.items() for name in names]
    most = 10 if quick else 4000  # from 100 oscillators on, a C compiler needs a minute
    if workload.kind == "dense" and workload.oscillators <= most:
        others.append(Entrant("jitcode", "peers"))
    floors = sorted({1, *threads}) if not workload.steps else []
    return [*own, *others, *(Entrant(FLOOR, "ours", count) for count in floors)]


class Crew:
    """The processes, one for every environment and number of threads, started when needed."""

    def __init__(self, pythons: dict[str, str]) -> None:
        self.pythons = pythons
        self.workers: dict[tuple[str, int], Worker] = {}

    def ask(self, entrant: Entrant, task: str, **details: Any) -> dict[str, Any]:
        """Pass a request on to the entrant's process."""
        key = entrant.team, entrant.threads
        if entrant.team not in self.pythons:
            return {"problem": "not installed", "why": "no interpreter was named for it"}
        if key not in self.workers:
            python, threads = self.pythons[entrant.team], entrant.threads
            self.workers[key] = Worker(python, threads, ours=entrant.team == "ours")
        return self.workers[key].ask(task, **details)

    def unload(self) -> None:
        """Let every process forget the last workload."""
        for worker in self.workers.values():
            worker.ask("unload")

    def __enter__(self) -> Crew:
        """Take part."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes."""
        for worker in self.workers.values():
            worker.close()


def agreement(crew: Crew, workload: Workload, entrant: Entrant) -> dict[str, Any]:
    """Compare where a contestant ends with where our NumPy path does."""
    answer = crew.ask(entrant, "check", name=entrant.name, workload=workload)
    record = {"contestant": entrant.name, "threads": entrant.threads}
    if "problem" in answer:
        return {**record, **answer}
    reference = crew.ask(REFERENCE, "check", name=REFERENCE.name, workload=workload)
    if "problem" in reference:
        raise RuntimeError(f"Our NumPy path fails on {workload.key}: {reference['why']}")
    deviation = float(np.abs(np.subtract(answer["state"], reference["state"])).max())
    record |= {"deviation": deviation, "versions": answer["versions"]}
    if deviation <= TOLERANCE:
        return record
    return {**record, "problem": "WRONG", "why": f"it ends {deviation:.1e} from where it should"}


def race(
    crew: Crew,
    workload: Workload,
    field: list[Entrant],
    pace: Pace,
    tell: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Return one cell per entrant: its samples, or why there are none."""
    cells = [_load(crew, workload, entrant, pace, tell) for entrant in field]
    for turn in range(pace.rounds):
        for entrant, cell in zip(field, cells, strict=True):
            if turn < cell.get("rounds", 0) and "problem" not in cell:
                tell(f"{workload.key}: {entrant.label}, {turn + 1} of {cell['rounds']}")
                answer = crew.ask(entrant, "sample", name=entrant.name, steps=cell["steps"])
                cell.update(answer) if "problem" in answer else cell["samples"].append(
                    answer["legs"]
                )
    crew.unload()
    return [_finished(cell) for cell in cells]


def _load(
    crew: Crew, workload: Workload, entrant: Entrant, pace: Pace, tell: Callable[[str], None]
) -> dict[str, Any]:
    tell(f"{workload.key}: {entrant.label}, set-up")
    cell = {"workload": workload.key, "contestant": entrant.name, "threads": entrant.threads}
    limits = {"target": pace.target, "patience": pace.patience}
    answer = crew.ask(entrant, "load", name=entrant.name, workload=workload, **limits)
    if "problem" in answer:
        return {**cell, **answer}
    if answer["seconds"] > pace.budget * 8:
        why = f"a sample takes about {answer['seconds']:.1f} s"
        return {**cell, "problem": "too slow", "why": why}
    rounds = min(pace.rounds, max(1, math.floor(pace.budget / answer["seconds"])))
    return {**cell, "steps": answer["steps"], "rounds": rounds, "samples": []}


def _finished(cell: dict[str, Any]) -> dict[str, Any]:
    """Add median and minimum, seconds per right-hand side."""
    if "problem" in cell:
        return cell
    statistics = {"median": median, "min": min}
    times = {k: seconds_per_evaluation(cell["samples"], f) for k, f in statistics.items()}
    if min(times.values()) > 0:
        return cell | times
    why = "a short run took longer than a long one: the machine is too busy"
    return {**cell, "problem": "no time", "why": why}
