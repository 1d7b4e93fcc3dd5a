"""What every contestant can do, and where each of them lives.

Classes are named as "module:Class" and imported on first use: a peer's environment has neither our
library nor numba, ours has no peers.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from workloads import System, Workload

_HOMES = {
    "kuramoto-spheres": "ours:Ours",
    "kuramoto-spheres, NumPy path": "ours:Generic",
    "numba by hand": "references:ByHand",
    "NumPy": "plain:Plain",
    "floor": "floors:Floor",
    "diffrax": "peers:Diffrax",
    "torchdiffeq": "peers:Torchdiffeq",
    "oscillatools": "packages:Oscillatools",
    "kuramoto 0.4": "packages:Kuramoto04",
    "jitcode": "packages:Jitcode",
}

NAMES = tuple(_HOMES)


class Impossible(Exception):
    """A contestant cannot do a workload; the message says why."""


class Contestant:
    """One way to integrate a workload, set up and ready to run from x0.

    Attributes
    ----------
    counted : bool
        Whether the integrator chooses its own steps, so that evaluations have to be counted.
    """

    counted = False

    def __init__(self, workload: Workload, system: System) -> None:
        raise NotImplementedError

    def advance(self, steps: int) -> float:
        """Run from x0 to ``steps * DT``; return how often the right-hand side was evaluated."""
        raise NotImplementedError

    def state(self) -> np.ndarray:
        """Return where the last run ended, as unit vectors of shape (*batch, *sites, N)."""
        raise NotImplementedError

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that did the work."""
        return {}


def create(name: str, workload: Workload, system: System) -> Contestant:
    """Set a contestant up."""
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)(workload, system)


def counted(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[], float]]:
    """Return a function that counts its calls, and one that says how many there were."""
    count = 0

    def counting(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return function(*arguments)

    return counting, lambda: float(count)
