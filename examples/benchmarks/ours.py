"""Our own library as contestant: `km.solve`, as a user calls it.

By default, `solve` compiles where a run is long enough to be worth it. Runs of all lengths are
compared here, so both rows say which path they take.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import numpy as np
from contestants import Contestant
from workloads import DT, System, Workload

import kuramoto as km


def model_of(workload: Workload, system: System) -> km.Kuramoto:
    """Return the model of a workload."""
    build = {
        "dense": km.Dense,
        "mean field": km.MeanField,
        "sparse": km.Sparse,
        "lattice": km.Lattice,
    }[workload.kind]
    frequency = None if system.omega is None else km.Rotation(system.omega[..., None])
    return km.Kuramoto(build(system.weights), frequency)


class Ours(Contestant):
    """The fused kernels."""

    compile = True

    def __init__(self, workload: Workload, system: System) -> None:
        self.model, self.x0 = model_of(workload, system), system.x0

    def advance(self, steps: int) -> float:
        """Take RK4 steps: four evaluations each."""
        self.solution = km.solve(
            self.model,
            self.x0,
            t1=steps * DT,
            dt=DT,
            stepper=km.RungeKutta4(),
            compile=self.compile,
        )
        return 4.0 * self.solution.statistics.steps

    def state(self) -> np.ndarray:
        """Return the final state."""
        return self.solution.final

    def versions(self) -> dict[str, str]:
        """Return ours."""
        try:
            return {"kuramoto-spheres": version("kuramoto-spheres")}
        except PackageNotFoundError:
            return {"kuramoto-spheres": "this checkout, not installed"}


class Generic(Ours):
    """The generic path: NumPy, no compiled kernels."""

    compile = False
