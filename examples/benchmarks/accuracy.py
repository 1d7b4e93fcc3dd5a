"""Measure what the documentation claims of the core's accuracy, and print it as a table.

Run: ``python examples/benchmarks/accuracy.py`` (about two minutes; needs the ``nn`` extra for the
rows of the torch backend, and array-api-strict for its own).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

import kuramoto as km
from kuramoto import testing

STEPPERS = {
    "ProjectedEuler": (km.ProjectedEuler(), (400, 800, 1600, 3200)),
    "Splitting": (km.Splitting(), (400, 800, 1600, 3200)),
    "GeodesicEuler": (km.GeodesicEuler(), (400, 800, 1600, 3200)),
    "RungeKutta4": (km.RungeKutta4(), (20, 40, 80, 160)),
    "DormandPrince": (km.DormandPrince(), (110, 150, 200, 270)),
}


def heterogeneous(N: int, M: int = 6) -> tuple[km.Kuramoto, np.ndarray]:
    """Return a system with asymmetric blocks, a frequency of its own per oscillator, a stimulus."""
    rng = np.random.default_rng(N)
    omega = rng.standard_normal((M, N, N))
    model = km.Kuramoto(
        km.Dense(rng.standard_normal((M, M, N, N)) / M),
        km.Antisymmetric(omega - omega.transpose(0, 2, 1)),
        rng.standard_normal((M, N)),
    )
    return model, km.sphere.random_points((M, N), seed=N)


def fitted_order(stepper: km.Stepper, counts: tuple[int, ...], N: int) -> float:
    """Fit the slope of log error against log dt; the reference is SciPy's, on the same velocity."""
    model, x0 = heterogeneous(N)

    def flat(t: float, y: np.ndarray) -> np.ndarray:
        return model.velocity(y.reshape(x0.shape), t).ravel()

    exact = solve_ivp(flat, (0, 1), x0.ravel(), method="DOP853", rtol=3e-14, atol=1e-16).y[:, -1]
    errors = [
        np.abs(km.solve(model, x0, t1=1.0, dt=1 / n, stepper=stepper).final.ravel() - exact).max()
        for n in counts
    ]
    return float(np.polyfit(np.log([1 / n for n in counts]), np.log(errors), 1)[0])


def orders(name: str) -> str:
    stepper, counts = STEPPERS[name]
    return " and ".join(f"{fitted_order(stepper, counts, N):.3f} (N = {N})" for N in (3, 4))


def norm_drift(name: str) -> str:
    model, x0 = heterogeneous(3)
    run = km.solve(model, x0, t1=1e3, dt=1e-2, stepper=STEPPERS[name][0], save=km.SaveAt(every=100))
    lengths = np.sqrt((np.asarray(run.states, dtype=np.longdouble) ** 2).sum(axis=-1))
    worst = float(np.abs(lengths - 1).max() / np.finfo(float).eps)
    return f"{worst:.2f} ulp after {run.statistics.steps:,} steps"


def against_scipy() -> str:
    rng = np.random.default_rng(0)
    J, omega, theta = rng.standard_normal((20, 20)), rng.standard_normal(20), rng.uniform(0, 6, 20)
    phases = km.phase.PhaseModel(J / 20, omega)
    exact = solve_ivp(
        lambda t, y: phases.velocity(y), (0, 10), theta, method="DOP853", rtol=1e-12, atol=1e-13
    ).y[:, -1]
    control = km.AdaptiveStep(rtol=1e-11, atol=1e-12)
    x0 = km.phase.from_phases(theta)
    run = km.solve(phases.as_kuramoto(), x0, t1=10.0, controller=control)
    return f"{np.abs(run.final - km.phase.from_phases(exact)).max():.1e}"


def backend_gap(backend: str, dtype: str) -> str:
    if importlib.util.find_spec(backend) is None:
        return "not installed"
    gap = {dtype: backend_run(backend, dtype) - backend_run("numpy", "float64")}
    return f"{np.abs(gap[dtype]).max():.1e} after 1,000 steps"


def backend_run(backend: str, dtype: str) -> np.ndarray:
    from kuramoto._backend import namespace_by_name, to_numpy

    xp = namespace_by_name(backend)
    omega = np.linspace(-0.2, 0.2, 30)[:, None]
    parts = (np.full((30, 30), 1 / 30), omega, km.sphere.random_points((30, 3), seed=0))
    J, omega, x0 = (xp.asarray(part, dtype=getattr(xp, dtype)) for part in parts)
    model = km.Kuramoto(km.Dense(J), km.Rotation(omega))
    run = km.solve(model, km.sphere.normalize(x0), t1=10.0, dt=0.01)
    return np.asarray(to_numpy(run.final), dtype=np.float64)


def energy_rises() -> str:
    """Run 2,000 random certified models at their certified step, and at three times that."""
    worst, found = -np.inf, 0
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        kind, sizes = testing.KINDS[seed % len(testing.KINDS)], rng.integers((1, 2), (9, 6))
        model = testing.random_model(kind, *map(int, sizes), seed, symmetric=True)
        step, x0 = km.certify(model).max_step, testing.random_state(model, seed)
        if np.isfinite(step):
            worst = max(worst, testing.largest_rise(model, x0, dt=step))
            found += testing.largest_rise(model, x0, dt=3 * step) > 1e-9
    return f"largest rise {worst:.1e} of max(1, |E|); at 3x the step, {found} of 2,000 rise"


def repulsion() -> str:
    """K = −4 up to T = 200: where the plain projection runs off the sphere."""
    model = km.Kuramoto(km.MeanField(-4.0), km.Rotation(np.linspace(-1, 1, 20)[:, None]))
    x0 = km.sphere.random_points((20, 2), seed=0)

    def plain(x: np.ndarray) -> np.ndarray:
        return km.sphere.to_tangent(x, model.force(x)) + model.frequency(x)

    def drift(velocity: Callable[[np.ndarray], np.ndarray]) -> float:
        x, dt = x0, 0.1
        for _ in range(2000):
            k1 = velocity(x)
            k2 = velocity(x + dt / 2 * k1)
            k3 = velocity(x + dt / 2 * k2)
            k4 = velocity(x + dt * k3)
            x = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            off = float(np.abs(np.linalg.norm(x, axis=-1) - 1).max())
            if off > 1:
                break  # it only gets worse, up to overflow
        return off

    ours = km.solve(model, x0, t1=200.0, dt=0.1).final
    off = np.abs(np.linalg.norm(ours, axis=-1) - 1).max()
    return (
        f"RungeKutta4 {off:.1e}; without renormalising {drift(model.velocity):.1e}; "
        f"plain projection {drift(plain):.2g} and rising"
    )


def grid_residual() -> str:
    grid = km.datasets.ieee118()
    model = km.Kuramoto(km.Sparse(grid.weights), km.Rotation(grid.omega[:, None]))
    run = km.solve(model, km.phase.from_phases(np.zeros(118)), t1=200.0, dt=2.5e-3)
    return f"max |velocity| = {np.linalg.norm(model.velocity(run.final), axis=-1).max():.1e}"


def import_time() -> str:
    code = "import time; t = time.perf_counter(); import kuramoto; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    return f"{min(times):.2f} s (the best of 5)"


def main() -> None:
    """Print one line per claim."""
    rows: list[tuple[str, Callable[[], str]]] = []
    rows += [(f"order of {name}", lambda name=name: orders(name)) for name in STEPPERS]
    rows += [(f"max ||x|-1|, {name}", lambda name=name: norm_drift(name)) for name in STEPPERS]
    rows += [("N = 2 against SciPy at rtol 1e-12", against_scipy)]
    for backend, dtype in (
        ("torch", "float64"),
        ("array_api_strict", "float64"),
        ("numpy", "float32"),
        ("torch", "float32"),
    ):
        label = f"{backend} {dtype} against NumPy float64"
        rows.append((label, lambda b=backend, d=dtype: backend_gap(b, d)))
    rows += [
        ("2,000 certified models", energy_rises),
        ("off the sphere at K = -4, T = 200", repulsion),
        ("118-bus grid, phase-locked", grid_residual),
        ("import kuramoto", import_time),
    ]
    for label, measure in rows:
        print(f"{label:<44} {measure()}", flush=True)


if __name__ == "__main__":
    main()
