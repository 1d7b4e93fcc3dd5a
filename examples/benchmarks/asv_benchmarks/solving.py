"""Our own speed over time: W1 to W4, ensembles, and what a step costs when it computes nothing.

Whole solves of a fixed number of RK4 steps on one thread, compiled beforehand.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ours import Ours
from workloads import TABLE, beside, build

_WORKLOADS = {workload.key: workload for workload in (*TABLE, *beside(quick=False))}
_STEPS = {
    "W1-1000": 100,
    "W1-4000": 5,
    "W2-1e4": 200,
    "W2-1e6": 10,
    "W3": 10,
    "W4-N2": 10,
    "W4-N4": 5,
    "ensembles-mean": 10,
    "ensembles-dense": 5,
}


class Solve:
    """Seconds of a solve, by workload."""

    params = tuple(_STEPS)
    param_names = ("workload",)
    timeout = 300
    warmup_time = 0  # the first run in `setup` has warmed up what there is

    def setup(self, key: str) -> None:
        """Draw the numbers, compile."""
        workload = _WORKLOADS[key]
        self.contestant, self.steps = Ours(workload, build(workload)), _STEPS[key]
        self.contestant.advance(self.steps)

    def time_solve(self, key: str) -> None:
        """Take the steps."""
        self.contestant.advance(self.steps)


class Small:
    """Ten oscillators: overhead and nothing else."""

    unit = "steps/s"

    def setup(self) -> None:
        """Compile."""
        workload = _WORKLOADS["small"]
        self.contestant, self.steps = Ours(workload, build(workload)), workload.steps
        self.contestant.advance(1)

    def track_steps_per_second(self) -> float:
        """Return the best of three runs."""
        return max(self.steps / self._seconds() for _ in range(3))

    def _seconds(self) -> float:
        begun = time.perf_counter()
        self.contestant.advance(self.steps)
        return time.perf_counter() - begun
