"""Set simulations beside the exact results of `kuramoto.theory`, and print them as a table.

Run: ``python examples/benchmarks/physics.py`` for all of it (some minutes), or name sections:
``python examples/benchmarks/physics.py lorentzian three``. All seeds are in this file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

import kuramoto as km
from kuramoto import frequencies, theory

M = 100_000
Row = tuple[str, str, str]


def mean_order(
    model: km.Kuramoto, x0: np.ndarray, stepper: km.Stepper, dt: float, t1: float
) -> tuple[float, np.ndarray]:
    """Return the mean of r over the last quarter of a run, and r at every unit of time."""
    run = km.solve(
        model,
        x0,
        t1=t1,
        dt=dt,
        stepper=stepper,
        save=km.SaveAt(every=round(1 / dt), start=True),
        observe=km.observables.standard(["order_parameter"], model),
        seed=0,
    )
    r = run.observed["order_parameter"]
    return float(r[-round(t1 / 4) :].mean()), r


def phases(distribution: object, K: float, dt: float, t1: float) -> tuple[float, np.ndarray]:
    """Return the same of M phase oscillators from disorder, their rates being quantiles."""
    omega = frequencies.quantile_grid(distribution, M)[:, None]
    model = km.Kuramoto(km.MeanField(K), km.Rotation(omega))
    # Exact rotation: a Lorentzian's fastest rates are far beyond any Runge-Kutta step.
    return mean_order(model, km.sphere.random_points((M, 2), seed=0), km.Splitting(), dt, t1)


def isotropic(K: float, N: int, dt: float, t1: float) -> tuple[float, np.ndarray]:
    """Return the same in N dimensions, for isotropic Gaussian rotations of unit width."""
    rotations = km.Antisymmetric(theory.isotropic_rotations(M, N, seed=1))
    model = km.Kuramoto(km.MeanField(K), rotations)
    return mean_order(model, km.sphere.random_points((M, N), seed=0), km.RungeKutta4(), dt, t1)


def lorentzian() -> Iterator[Row]:
    density = frequencies.lorentzian()
    K_c = theory.critical_coupling(density)
    for ratio in (1.5, 2.0, 3.0):
        measured, _ = phases(density, ratio * K_c, 0.0025, 60.0)
        exact = np.sqrt(1 - 1 / ratio)
        yield f"Lorentzian, r at K = {ratio:g} K_c", f"{exact:.4f}", f"{measured:.4f}"


def transient() -> Iterator[Row]:
    model, M = theory.OttAntonsen(2.0, 0.5), 20_000
    omega = frequencies.quantile_grid(frequencies.lorentzian(width=0.5), M)
    # Phases independent of rates: a golden-ratio sequence, far more even than random pairs.
    golden = np.argsort(np.argsort(np.arange(M) * 0.6180339887498949 % 1))
    x0 = km.phase.from_phases(theory.poisson_phases(0.1, M)[golden])
    system = km.Kuramoto(km.MeanField(2.0), km.Rotation(omega[:, None]))
    _, r = mean_order(system, x0, km.Splitting(), 0.001, 20.0)
    worst = np.abs(r - np.abs(model.trajectory(0.1, np.arange(21.0)))).max()
    yield "Ott-Antonsen, r(t) from 0.1 to 0.7071: largest deviation", "0", f"{worst:.4f}"


def uniform() -> Iterator[Row]:
    density = frequencies.uniform()
    K_c = theory.critical_coupling(density)
    for ratio in (0.97, 1.01, 1.05, 1.5):
        exact = float(theory.order_parameter(ratio * K_c, density))
        measured, _ = phases(density, ratio * K_c, 0.01, 400.0)
        yield f"uniform, r at K = {ratio:g} K_c", f"{exact:.4f}", f"{measured:.4f}"


def normal() -> Iterator[Row]:
    density = frequencies.normal()
    K_c = theory.critical_coupling(density)
    for ratio in (1.1, 1.5):
        exact = float(theory.order_parameter(ratio * K_c, density))
        measured, _ = phases(density, ratio * K_c, 0.0025, 100.0)
        yield f"normal, r at K = {ratio:g} K_c", f"{exact:.4f}", f"{measured:.4f}"


def three() -> Iterator[Row]:
    for K, t1 in ((0.1, 600.0), (0.2, 400.0), (0.3, 300.0), (1.0, 100.0), (3.0, 60.0)):
        exact = float(theory.isotropic_order_parameter(K, 3))
        measured, _ = isotropic(K, 3, 0.1, t1)
        yield f"N = 3, r at K = {K:g}", f"{exact:.4f}", f"{measured:.4f}"


def four() -> Iterator[Row]:
    couplings = np.array([2.2, 2.3, 2.4, 2.6, 3.0])
    measured = np.array([isotropic(K, 4, 0.1, 300.0)[0] for K in couplings])
    for K, r in zip(couplings, measured, strict=True):
        exact = float(theory.isotropic_order_parameter(K, 4))
        yield f"N = 4, r at K = {K:g}", f"{exact:.4f}", f"{r:.4f}"
    # K is a smooth function of F² along the branch: its value at F = 0 is K_c.
    onset = np.polynomial.Polynomial.fit((couplings * measured) ** 2, couplings, 2)(0.0)
    K_c = theory.isotropic_critical_coupling(4)
    yield "N = 4, K_c, from a fit of K to F² = (Kr)²", f"{K_c:.4f}", f"{onset:.4f}"
    _, r = isotropic(1.8, 4, 0.1, 300.0)
    yield "N = 4, K = 1.8: largest r on the way", "above 0", f"{r.max():.4f}"
    yield "N = 4, K = 1.8: r in the end", "0", f"{r[-75:].mean():.4f}"


def five_and_six() -> Iterator[Row]:
    for N, K in ((5, 0.5), (5, 2.0), (6, 3.0)):
        exact = float(theory.isotropic_order_parameter(K, N))
        measured, _ = isotropic(K, N, 0.1, 200.0)
        yield f"N = {N}, r at K = {K:g}", f"{exact:.4f}", f"{measured:.4f}"


def noise() -> Iterator[Row]:
    for N in (2, 3, 4):
        for ratio in (0.8, 1.2, 2.0):
            K = ratio * N / 2
            exact = float(theory.noisy_order_parameter(K, 1.0, N))
            x0 = np.zeros((10_000, N)) + np.eye(N)[0]
            model = km.Kuramoto(km.MeanField(K), noise=1.0)
            measured, _ = mean_order(model, x0, km.StochasticHeun(), 0.01, 40.0)
            yield f"noise, N = {N}, r at K = {ratio:g} K_c", f"{exact:.4f}", f"{measured:.4f}"


def population_order(
    A: float, r0: float, psi: float, times: np.ndarray, M: int = 128
) -> np.ndarray:
    """Return r of the incoherent one of two populations of M, simulated; the other is in step."""
    system = theory.TwoPopulations(A, 0.1)
    same = np.kron(np.eye(2), np.ones((M, M)))
    weights = (system.within * same + system.across * (1 - same)) / M
    theta = np.concatenate([np.zeros(M), theory.poisson_phases(r0 * np.exp(-1j * psi), M)])
    model = km.phase.PhaseModel(weights, lag=system.lag).as_kuramoto()
    run = km.solve(
        model,
        km.phase.from_phases(theta),
        t1=float(times[-1]),
        dt=0.1,
        save=km.SaveAt(every=round((times[1] - times[0]) / 0.1), start=True),
        observe={"r": lambda t, x: km.observables.order_parameter(x[M:])},
    )
    return run.observed["r"]


def chimera() -> Iterator[Row]:
    times = np.arange(0.0, 600.1, 0.5)
    for A in (0.2, 0.28, 0.35):
        system = theory.TwoPopulations(A, 0.1)
        still = system.chimeras()[0]
        cycle = None if still.stable else system.breathing()
        start = (still.order + 0.1, still.phase) if cycle is None else cycle[:2]
        measured = population_order(A, *start, times)
        worst = np.abs(measured - system.trajectory(*start, times)[0]).max()
        yield f"chimera, A = {A:g}: largest deviation of r(t) up to t = 600", "0", f"{worst:.1e}"
        if cycle is None:
            yield f"chimera, A = {A:g}: r at t = 600", f"{still.order:.4f}", f"{measured[-1]:.4f}"
            continue
        found = f"{period(times, measured, still.order):.2f}"
        yield f"chimera, A = {A:g}: period of breathing", f"{cycle.period:.2f}", found
        ends = [f"{r:.3f}" for r in (cycle.lowest, measured.min(), cycle.highest, measured.max())]
        yield f"chimera, A = {A:g}: least r", ends[0], ends[1]
        yield f"chimera, A = {A:g}: largest r", ends[2], ends[3]


def period(times: np.ndarray, r: np.ndarray, level: float) -> float:
    """Return the time between the last two passages upwards through a level."""
    i = np.flatnonzero((r[:-1] < level) & (r[1:] >= level))[-2:]
    passages = times[i] + (level - r[i]) / (r[i + 1] - r[i]) * (times[1] - times[0])
    return float(np.diff(passages)[0])


SECTIONS: dict[str, Callable[[], Iterator[Row]]] = {
    "lorentzian": lorentzian,
    "transient": transient,
    "normal": normal,
    "uniform": uniform,
    "three": three,
    "four": four,
    "five_and_six": five_and_six,
    "noise": noise,
    "chimera": chimera,
}


def main(names: list[str]) -> None:
    print(f"{'':62}{'theory':>10}{'simulation':>12}")
    for name in names or SECTIONS:
        begin = time.perf_counter()
        for what, exact, measured in SECTIONS[name]():
            print(f"{what:62}{exact:>10}{measured:>12}", flush=True)
        print(f"  ({name}: {time.perf_counter() - begin:.0f} s)", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
