"""A process that holds contestants and times them on request: one JSON object a line, both ways.

Started by `workers.Worker`, under the interpreter that has the packages. It stays warm between
requests, so that contestants of several environments can take turns.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from typing import Any

import contestants
import timing
from workloads import System, Workload, build, in_small

CHECKED_STEPS = 3


class Stage:
    """The contestants of one workload, set up; numbers are drawn once for all of them."""

    def __init__(self) -> None:
        self.ready: dict[str, contestants.Contestant] = {}
        self.drawn: tuple[Workload, System] | None = None

    def numbers(self, workload: Workload) -> System:
        """Return the workload's system, drawn anew only if it is another one."""
        if self.drawn is None or self.drawn[0] != workload:
            self.drawn = None  # the old one need not stay in memory while the new one is drawn
            self.drawn = workload, build(workload)
        return self.drawn[1]

    def do_about(self) -> dict[str, Any]:
        """Say who answers."""
        return {"python": platform.python_version()}

    def do_check(self, name: str, workload: Workload) -> dict[str, Any]:
        """Return where a contestant ends after a few steps of the small version."""
        small = in_small(workload)
        contestant = contestants.create(name, small, build(small))
        contestant.advance(CHECKED_STEPS)
        return {"state": contestant.state().tolist(), "versions": contestant.versions()}

    def do_load(
        self, name: str, workload: Workload, target: float, patience: float
    ) -> dict[str, Any]:
        """Set a contestant up and find out how many steps make a sample."""
        contestant = contestants.create(name, workload, self.numbers(workload))
        self.ready[name] = contestant
        if workload.steps:
            contestant.advance(1)  # what it compiles or loads is no part of a run
            seconds = timing.clock(lambda: contestant.advance(workload.steps))
            return {"steps": [0, workload.steps], "seconds": seconds}
        *steps, seconds = timing.calibrate(contestant, target, patience)
        return {"steps": steps, "seconds": seconds}

    def do_sample(self, name: str, steps: list[int]) -> dict[str, Any]:
        """Time a contestant once more."""
        return {"legs": timing.sample(self.ready[name], *steps)}

    def do_whole(self, name: str, workload: Workload, steps: int) -> dict[str, Any]:
        """Time everything from the numbers to the final state: models are built here."""
        system = self.numbers(workload)

        def run() -> None:
            contestants.create(name, workload, system).advance(steps)

        return {"seconds": timing.clock(run)}

    def do_rates(self) -> dict[str, Any]:
        """Measure the machine."""
        from floors import machine_rates

        return {"rates": machine_rates()}

    def do_unload(self) -> dict[str, Any]:
        """Forget everything: the next workload may need the memory."""
        self.ready, self.drawn = {}, None
        return {}


def answer(stage: Stage, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; what goes wrong is part of the answer."""
    task = request.pop("do")
    if "workload" in request:
        raw = request["workload"]
        request["workload"] = Workload(**{**raw, "sites": tuple(raw["sites"])})
    try:
        return getattr(stage, f"do_{task}")(**request)
    except contestants.Impossible as reason:
        return {"problem": "not possible", "why": str(reason)}
    except ImportError as error:
        return {"problem": "not installed", "why": str(error)}
    except Exception as error:  # a peer may fail in any way; the others go on
        return {"problem": "failed", "why": f"{type(error).__name__}: {error}"[:500]}


def main() -> None:
    """Answer until the input ends."""
    # Libraries print as they please: what they print goes to stderr, the answers stay alone.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cores = {int(core) for core in sys.argv[1].split(",") if core}
    if cores and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, cores)
    stage = Stage()
    for line in sys.stdin:
        print(json.dumps(answer(stage, json.loads(line))), file=channel, flush=True)


if __name__ == "__main__":
    main()
