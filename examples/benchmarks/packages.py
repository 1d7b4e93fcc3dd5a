"""Packages made for oscillators: oscillatools, kuramoto 0.4 and jitcode, in phases as they ask.

kuramoto 0.4 and jitcode choose their own steps; there, evaluations of the right-hand side are
counted. Whatever a package has no means for is not possible: nothing is written for it here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from contestants import Contestant, Impossible, counted
from workloads import DT, STRENGTH, System, Workload, from_phases, phases


class Phases(Contestant):
    """What the packages share: one system of phases at a time."""

    kinds: tuple[str, ...] = ("dense", "mean field")
    limit = 10**9

    def __init__(self, workload: Workload, system: System) -> None:
        self.prepare()
        if workload.batch:
            raise Impossible("it takes one system at a time")
        if workload.kind not in self.kinds:
            raise Impossible(f"it has no means for this kind of coupling: {workload.kind}")
        if workload.oscillators > self.limit:
            raise Impossible(self.too_large(workload.oscillators))
        self.theta0, self.omega = phases(system.x0), system.omega

    def too_large(self, M: int) -> str:
        """Say what stands in the way of so many oscillators."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Import the package: one that is missing says so before anything else."""
        raise NotImplementedError

    def state(self) -> np.ndarray:
        """Return the final state."""
        return from_phases(self.theta)


class Oscillatools(Phases):
    """oscillatools with its own RK4; it uses its Rust engine by itself where that is installed."""

    kinds = ("dense", "mean field", "sparse")

    def prepare(self) -> None:
        """Import it."""
        import oscillatools.accel

        self.accel = oscillatools.accel

    def __init__(self, workload: Workload, system: System) -> None:
        super().__init__(workload, system)
        self.kind, self.weights = workload.kind, system.weights
        if self.kind == "sparse":
            self.weights = self.accel.sparse_coupling_from_scipy(system.weights)

    def advance(self, steps: int) -> float:
        """Take RK4 steps."""
        if self.kind == "mean field":
            build = self.accel.KuramotoSystem.mean_field
            self.theta = build(self.theta0, self.omega, self.weights, dt=DT).step(n=steps)
            return 4.0 * steps
        dense = self.kind == "dense"
        accel = self.accel
        run = accel.kuramoto_rk4_trajectory if dense else accel.sparse_kuramoto_rk4_trajectory
        self.theta = run(self.theta0, self.omega, self.weights, DT, steps)[-1]
        return 4.0 * steps

    def versions(self) -> dict[str, str]:
        """Return its version and which engine did the work."""
        tier = self.accel.last_kuramoto_rk4_trajectory_tier_used()
        engine = {} if tier is None else {"oscillatools engine": tier}
        return {"oscillatools": version("oscillatools"), **engine}


class Kuramoto04(Phases):
    """kuramoto 0.4 of PyPI: odeint over a dense matrix."""

    counted = True
    limit = 5000

    def too_large(self, M: int) -> str:
        """Say how large its matrix is."""
        return f"it needs an M×M matrix of {8e-9 * M**2:,.1f} GB, and several more beside"

    def prepare(self) -> None:
        """Import it, and nothing else of the same name."""
        import kuramoto

        if not hasattr(getattr(kuramoto, "Kuramoto", None), "derivative"):
            raise ImportError("the module `kuramoto` of this interpreter is not kuramoto 0.4")
        self.module = kuramoto

    def __init__(self, workload: Workload, system: System) -> None:
        super().__init__(workload, system)
        M = workload.oscillators
        # It divides by the number of neighbours, and column i of its matrix receives.
        mean = workload.kind == "mean field"
        self.matrix = np.ones((M, M)) if mean else np.ascontiguousarray(system.weights.T)
        self.strength = STRENGTH if mean else float(M)

    def advance(self, steps: int) -> float:
        """Integrate; two points in time are enough for it."""
        T = steps * DT
        model = self.module.Kuramoto(self.strength, dt=T / 2, T=T, natfreqs=self.omega)
        model.derivative, calls = counted(model.derivative)
        self.theta = model.run(self.matrix, self.theta0)[:, -1]
        return calls()

    def versions(self) -> dict[str, str]:
        """Return its version."""
        return {"kuramoto": version("kuramoto")}


class Jitcode(Phases):
    """jitcode: every equation becomes C, compiled before the first step; integrated by dopri5."""

    counted = True
    limit = 100

    def too_large(self, M: int) -> str:
        """Say how many terms there are."""
        return f"it compiles {M**2:.0e} terms to C, which takes many minutes"

    def prepare(self) -> None:
        """Import it."""
        import jitcode
        import symengine

        self.jitcode, self.symengine = jitcode, symengine

    def __init__(self, workload: Workload, system: System) -> None:
        super().__init__(workload, system)
        M = workload.oscillators
        J = np.full((M, M), STRENGTH / M) if workload.kind == "mean field" else system.weights
        ode = self.jitcode.jitcode(self._equations(J), n=M, verbose=False)
        ode.generate_f_C(simplify=False)  # there is nothing to simplify, and it takes longest
        ode.compile_C()
        ode.f, self.calls = counted(ode.f)
        ode.compile_attempt = True  # or it would compile once more, and lose the count
        self.ode = ode

    def _equations(self, J: np.ndarray) -> Callable[[], Any]:
        sin, y = self.symengine.sin, self.jitcode.y

        def equations() -> Any:
            for i, row in enumerate(J):
                pulls = (w * sin(y(j) - y(i)) for j, w in enumerate(row) if j != i)
                yield self.omega[i] + sum(pulls)

        return equations

    def advance(self, steps: int) -> float:
        """Integrate from the start."""
        before = self.calls()
        self.ode.set_integrator("dopri5", rtol=1e-8, atol=1e-8)
        self.ode.set_initial_value(self.theta0, 0.0)
        self.theta = self.ode.integrate(steps * DT)
        return self.calls() - before

    def versions(self) -> dict[str, str]:
        """Return those of the stack."""
        return {name: version(name) for name in ("jitcode", "symengine")}
