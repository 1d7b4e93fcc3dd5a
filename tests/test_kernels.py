"""Fused CPU kernels: that they compute what the generic steppers do.

Kinds of tests: agreement (fused = generic, every entry of the registry), law (hypothesis: the
sphere, energy descent). How runs are cut and shared out: `test_kernels_runs.py`; which runs have a
kernel, and its cache: `test_kernels_choice.py`.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import kuramoto as km
from kuramoto import _kernels, sphere, testing
from kuramoto._kernels import REGISTRY, patches
from kuramoto._kernels import torus as tori
from kuramoto.testing import assert_on_sphere

STEPPERS = [km.ProjectedEuler(), km.Splitting(), km.RungeKutta4(), km.DormandPrince()]
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
each_stepper = pytest.mark.parametrize("stepper", STEPPERS, ids=lambda s: type(s).__name__)


class Numbers:
    """Random parameters: couplings attract and are not symmetric, so that nothing is chaotic."""

    def __init__(self, dtype: str = "float64", seed: int = 0) -> None:
        self.dtype, self.rng = dtype, np.random.default_rng(seed)

    def __call__(self, *shape: int) -> np.ndarray:
        """Numbers of either sign."""
        return self.rng.standard_normal(shape).astype(self.dtype)

    def pull(self, *shape: int, total: float = 2.0) -> np.ndarray:
        """Positive weights that add up to about `total` along all axes but the first."""
        size = np.prod(shape[1:] if len(shape) == 2 else shape)
        return (self.rng.random(shape) * 2 * total / size).astype(self.dtype)

    def blocks(self, weights: np.ndarray, N: int) -> np.ndarray:
        """Matrices near a multiple of the identity."""
        inner = np.eye(N) + 0.3 * self.rng.standard_normal((*weights.shape, N, N))
        return (weights[..., None, None] * inner).astype(self.dtype)

    def skew(self, *shape: int) -> np.ndarray:
        weights = np.triu(self.rng.standard_normal(shape), 1).astype(self.dtype)
        return weights - np.swapaxes(weights, -1, -2)


def graph(n: Numbers, sites: int, N: int | None = None) -> km.Sparse:
    """Return a random graph with loops, a pair that occurs twice, and oscillators without edges."""
    i, j = n.rng.integers(0, sites, (2, 5 * sites))
    i[i == 3], i[:2], j[:2] = 4, 7, 8
    weights = 0.4 * n.pull(len(i), total=len(i))
    return km.Sparse.from_edges(i, j, weights if N is None else n.blocks(weights, N), sites=sites)


def grid(n: Numbers, *size: int, boundary: str = "periodic", channels: int = 0, N: int = 0) -> Any:
    """Return a lattice whose kernel has `size`, mixes channels, and holds N×N blocks."""
    mixing = (channels, channels) if channels else ()
    kernel = n.pull(1, *mixing, *size)[0]
    kernel = n.blocks(kernel, N) if N else kernel
    return km.Lattice(kernel, boundary, dims=len(size), channels=bool(channels))


TALL = patches._LONGEST_COLUMN + 2  # the lowest kernel that is cut into pieces

# Name: coupling of N-vectors, and the sites it is for. Kernels of three rows share compiled code.
COUPLINGS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Dense": (lambda n, N: km.Dense(n.pull(70, 70)), (70,)),
    "Dense blocks": (lambda n, N: km.Dense(n.blocks(n.pull(67, 67), N)), (67,)),
    "Sparse": (lambda n, N: graph(n, 70), (70,)),
    "Sparse blocks": (lambda n, N: graph(n, 67, N), (67,)),
    "MeanField": (lambda n, N: km.MeanField(1.5), (70,)),
    "Lattice": (lambda n, N: grid(n, 3, 5), (6, 9)),
    "chain": (lambda n, N: grid(n, 3), (70,)),
    "Dense of one": (lambda n, N: km.Dense(n.pull(1, 1)), (1,)),
    "Sparse without edges": (lambda n, N: km.Sparse.from_edges([], [], n(0), sites=5), (5,)),
    "MeanField on a grid": (lambda n, N: km.MeanField(1.5, dims=2), (5, 14)),
    "MeanField of many": (lambda n, N: km.MeanField(1.5), (3000,)),
    "MeanField of one": (lambda n, N: km.MeanField(1.5), (1,)),
    "chain, many patches": (lambda n, N: grid(n, 3, boundary="zero"), (2100,)),
    "chain, channels": (lambda n, N: grid(n, 3, boundary="zero", channels=3), (3, 20)),
    "chain, blocks": (lambda n, N: grid(n, 3, boundary="reflect", N=N), (20,)),
    "chain shorter than its kernel": (lambda n, N: grid(n, 3, boundary="reflect"), (1,)),
    "ring shorter than its kernel": (lambda n, N: grid(n, 3), (2,)),
    "Lattice, zero": (lambda n, N: grid(n, 3, 5, boundary="zero"), (6, 9)),
    "Lattice, reflect": (lambda n, N: grid(n, 3, 5, boundary="reflect"), (6, 9)),
    "Lattice, many patches": (lambda n, N: grid(n, 3, 3), (33, 70)),
    "Lattice, cut rows": (lambda n, N: grid(n, 3, 5, boundary="reflect"), (9, 700)),
    "Lattice lower than a pass": (lambda n, N: grid(n, 3, 3, boundary="zero"), (2, 9)),
    "Lattice narrower than its kernel": (lambda n, N: grid(n, 3, 9), (4, 2)),
    "Lattice, mirrored twice": (lambda n, N: grid(n, 3, 9, boundary="reflect"), (1, 2)),
    "Lattice, channels": (lambda n, N: grid(n, 3, 3, boundary="zero", channels=2), (2, 8, 5)),
    "Lattice, blocks": (lambda n, N: grid(n, 3, 1, boundary="reflect", N=N), (8, 5)),
    "Lattice, channels and blocks": (lambda n, N: grid(n, 3, 3, channels=2, N=N), (2, 8, 5)),
    "cube": (lambda n, N: grid(n, 3, 3, 3), (4, 5, 6)),
    "cube, zero": (lambda n, N: grid(n, 5, 3, 1, boundary="zero"), (3, 4, 5)),
    "cube, reflect": (lambda n, N: grid(n, 3, 3, 5, boundary="reflect"), (1, 2, 3)),
    "cube, channels and blocks": (lambda n, N: grid(n, 1, 3, 3, channels=2, N=N), (2, 2, 3, 4)),
    "Lattice, tall kernel": (lambda n, N: grid(n, TALL, 3), (2 * TALL, 5)),
    "Lattice lower than a tall kernel": (lambda n, N: grid(n, TALL, 1, boundary="reflect"), (4, 5)),
    "Scaled Dense": (lambda n, N: 0.5 * km.Dense(n.pull(70, 70)), (70,)),
    "Scaled Dense blocks": (lambda n, N: 0.5 * km.Dense(n.blocks(n.pull(5, 5), N)), (5,)),
    "Scaled Sparse": (lambda n, N: 0.5 * graph(n, 70), (70,)),
    "Scaled MeanField": (lambda n, N: 0.5 * km.MeanField(2.0), (70,)),
    "Scaled Lattice": (lambda n, N: 0.5 * (3.0 * grid(n, 3, 3, channels=2)), (2, 8, 5)),
}
BOARDS = ["Dense", "Dense blocks", "Sparse", "Sparse blocks", "MeanField", "Lattice", "chain"]

FREQUENCIES: dict[str, Any] = {
    "none": lambda n, sites, N: None,
    "planes, shared": lambda n, sites, N: km.Rotation(0.3 * n(N // 2)),
    "planes, each": lambda n, sites, N: km.Rotation(0.3 * n(*sites, N // 2)),
    "matrix, shared": lambda n, sites, N: km.Antisymmetric(0.3 * n.skew(N, N)),
    "matrix, each": lambda n, sites, N: km.Antisymmetric(0.3 * n.skew(*sites, N, N)),
}


def problem(
    n: Numbers,
    coupling: str,
    frequency: str = "planes, each",
    *,
    N: int = 2,
    batch: tuple[int, ...] = (),
    stimulus: str = "sites",
) -> tuple[km.Kuramoto, np.ndarray]:
    """Return a model of named parts, and a state for it."""
    make, sites = COUPLINGS[coupling]
    shapes = {"sites": (*sites, N), "vector": (N,), "all": (*batch, *sites, N)}
    shapes |= {"systems": (*batch, *(1,) * len(sites), N), "leading": (1, *sites, N)}
    c = 0.5 * n(*shapes[stimulus]) if stimulus != "none" else None
    model = km.Kuramoto(make(n, N), FREQUENCIES[frequency](n, sites, N), c)
    return model, sphere.random_points((*batch, *sites, N), seed=n.rng, like=n(0))


def generic(model: Any, stepper: Any, x: np.ndarray, dt: float, steps: int) -> km.Step:
    carry = stepper.init(model, 0.0, x)
    for number in range(steps):
        x, error, carry = stepper.step(model, number * dt, x, dt, carry)
    return km.Step(x, error, carry)


def fused(model: Any, stepper: Any, x: np.ndarray, dt: float, steps: int) -> km.Step:
    engine = _kernels.fused(model, stepper, x)
    assert engine is not None
    return engine.advance(0.0, x, dt, steps, engine.init(0.0, x))


def assert_agree(model: Any, stepper: Any, x: np.ndarray, dt: float = 0.05) -> None:
    """Compare a hundred steps: the state, and what Dormand-Prince adds."""
    found, expected = (run(model, stepper, x, dt, 100) for run in (fused, generic))
    pairs = [(found.x, expected.x)]
    if isinstance(stepper, km.DormandPrince):
        pairs += [(found.error, expected.error), (found.carry[1], expected.carry[1])]
        assert found.carry[0] == pytest.approx(expected.carry[0])
    else:
        assert found.error is None
    for one, other in pairs:
        assert one.dtype == other.dtype == x.dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[x.dtype.name])


# The registry.


def test_the_registry_names_functions():
    for entry in set(REGISTRY.values()) - {"kuramoto._kernels.torch:prepare"}:
        module, function = entry.split(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_every_entry_for_numpy_is_compared_below():
    compared = {(name, type(stepper).__name__, "numpy") for name in BOARDS for stepper in STEPPERS}
    assert {key for key in REGISTRY if key[2] == "numpy"} <= compared
    assert {key[:2] for key in REGISTRY} == {key[:2] for key in REGISTRY if key[2] == "numpy"}


# Agreement: fused = generic.


PAIRS = [
    pytest.param(coupling, stepper, id=f"{coupling}, {type(stepper).__name__}")
    for coupling in COUPLINGS
    for stepper in STEPPERS
    if "tall" not in coupling or isinstance(stepper, km.RungeKutta4)  # they take long to compile
]


@pytest.mark.parametrize(("coupling", "stepper"), PAIRS)
def test_couplings(coupling, stepper):
    model, x = problem(Numbers(), coupling)
    assert_agree(model, stepper, x)


def test_lattices_of_all_shapes_are_among_them():
    def cut(name):
        make, sites = COUPLINGS[name]
        coupling = make(Numbers(), 2)
        shape = patches.cut(coupling, sites)
        return shape, patches.patches(shape)

    assert len(cut("chain, many patches")[1]) > 2
    assert len(cut("Lattice, many patches")[1]) > 2
    assert len({column for _, _, column, *_ in cut("Lattice, cut rows")[1]}) > 1
    low = cut("Lattice lower than a pass")[0]
    assert low.grid[1] < low.outputs
    tall = [cut(name)[0] for name in COUPLINGS if "tall" in name]
    assert all(shape.pieces > 1 and shape.spare > 0 for shape in tall)


@pytest.mark.parametrize("coupling", BOARDS)
def test_the_comparison_would_show_a_small_mistake(coupling):
    model, x = problem(Numbers(), coupling)
    run = generic(model, km.RungeKutta4(), x, 0.05, 100)
    assert np.abs(run.x - x).max() > 0.1
    wrong = km.Kuramoto((1 + 1e-9) * model.coupling, model.frequency, model.stimulus)
    assert np.abs(generic(wrong, km.RungeKutta4(), x, 0.05, 100).x - run.x).max() > 1e-11
    step = generic(model, km.DormandPrince(), x, 0.2, 5)
    assert np.abs(step.error).max() > 1e-8


@pytest.mark.parametrize(
    ("frequency", "N", "stepper"),
    [
        ("none", 3, km.RungeKutta4()),
        ("planes, shared", 5, km.RungeKutta4()),
        ("planes, shared", 5, km.Splitting()),
        ("matrix, shared", 4, km.ProjectedEuler()),
        ("matrix, shared", 4, km.Splitting()),
        ("matrix, each", 3, km.DormandPrince()),
        ("matrix, each", 3, km.Splitting()),
    ],
)
def test_frequencies_of_every_kind(frequency, N, stepper):
    for coupling in ("MeanField", "MeanField on a grid"):
        for batch in [(), (2,)]:
            model, x = problem(Numbers(), coupling, frequency, N=N, batch=batch)
            assert_agree(model, stepper, x)


@pytest.mark.parametrize(
    ("coupling", "N", "stepper", "dtype"),
    [
        ("Dense", 5, km.RungeKutta4(), "float32"),
        ("Dense blocks", 3, km.ProjectedEuler(), "float64"),
        ("Sparse", 4, km.DormandPrince(), "float32"),
        ("Sparse blocks", 3, km.Splitting(), "float64"),
        ("MeanField", 3, km.RungeKutta4(), "float32"),
        ("Lattice, blocks", 3, km.ProjectedEuler(), "float32"),
    ],
)
def test_dimensions_and_single_precision(coupling, N, stepper, dtype):
    model, x = problem(Numbers(dtype), coupling, N=N)
    assert_agree(model, stepper, x)


def test_on_the_line_nothing_moves():
    model, x = problem(Numbers(), "Dense", "none", N=1, stimulus="none")
    np.testing.assert_array_equal(fused(model, km.ProjectedEuler(), x, 0.1, 5).x, x)


@each_stepper
@pytest.mark.parametrize("batch", [(), (3,), (2, 2), (1,)])
def test_batches_and_stimuli_that_broadcast(batch, stepper):
    for stimulus in ("sites", "vector", "all", "systems", "leading"):
        if stimulus == "leading" and not batch:
            continue
        model, x = problem(Numbers(), "MeanField on a grid", batch=batch, stimulus=stimulus)
        assert_agree(model, stepper, x)


@pytest.mark.parametrize("coupling", BOARDS)
def test_batches_of_every_coupling(coupling):
    model, x = problem(Numbers(), coupling, batch=(3,), stimulus="all")
    assert_agree(model, km.ProjectedEuler(), x)


# Agreement: large periodic grids, all four stages of Runge-Kutta 4 in one sweep.

TORI = {
    "square": (lambda n: grid(n, 3, 5), (130, 11)),
    "as wide as half a kernel": (lambda n: grid(n, 3, 5), (127, 2)),
    "blocks": (lambda n: grid(n, 3, 3, N=2), (126, 7)),
    "a column": (lambda n: grid(n, 3, 1), (133, 1)),
}


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("torus", TORI)
def test_sweeps(torus, batch, monkeypatch):
    make, sites = TORI[torus]
    n = Numbers()
    frequency, c = FREQUENCIES["planes, each"](n, sites, 2), 0.5 * n(*sites, 2)
    model = km.Kuramoto(make(n), frequency, c)
    x = sphere.random_points((*batch, *sites, 2), seed=n.rng)
    assert driver_of(model, x).__name__ == "runge_kutta4"
    monkeypatch.setattr(tori, "_LARGE", 0)
    assert driver_of(model, x).__name__ == "torus_runge_kutta4"
    assert_agree(model, km.RungeKutta4(), x)
    for steps in (1, 2):
        found, expected = (
            run(model, km.RungeKutta4(), x, 0.1, steps).x for run in (fused, generic)
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_other_grids_are_not_swept(monkeypatch):
    monkeypatch.setattr(tori, "_LARGE", 0)
    n = Numbers()
    cases = {
        "walls": (grid(n, 3, 3, boundary="reflect"), (200, 5)),
        "channels": (grid(n, 3, 3, channels=2), (2, 200, 5)),
        "three dimensions": (grid(n, 3, 3, 3), (3, 200, 5)),
        "too low": (grid(n, 3, 3), (100, 5)),
        "too narrow": (grid(n, 3, 5), (200, 1)),
        "too wide": (grid(n, 3, 3), (200, 1025)),
    }
    for name, (coupling, sites) in cases.items():
        x = np.zeros((*sites, 2))
        assert driver_of(km.Kuramoto(coupling), x).__name__ == "runge_kutta4", name


def driver_of(model: km.Kuramoto, x: np.ndarray) -> Any:
    return _kernels.fused(model, km.RungeKutta4(), x).driver.py_func


# Law: small models of every sort.

KINDS = ("dense", "sparse")  # of two dimensions: few types, to compile little
few = settings(max_examples=25)


@few
@given(testing.models(kinds=KINDS, max_dimensions=2), testing.seeds())
def test_random_models_agree_and_stay_on_the_sphere(model, seed):
    x = testing.random_state(model, seed, batch=(2,))
    dt = 0.1 / max(1.0, float(np.max(model.coupling.row_bound())))
    found, expected = (run(model, km.Splitting(), x, dt, 20).x for run in (fused, generic))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert_on_sphere(found)


@few
@given(testing.symmetric_models(kinds=KINDS, max_dimensions=2), testing.seeds())
def test_certified_models_never_gain_energy(model, seed):
    dt = min(km.certify(model).max_step, 1e3)
    x = testing.random_state(model, seed)
    save = km.SaveAt(every=5, start=True)
    words = {"dt": dt, "stepper": km.Splitting(), "save": save, "compile": True}
    run = km.solve(model, x, t1=1000 * dt, controller=km.FixedStep(), **words)
    assert len(run.states) == 201
    assert km.check_descent(model, run.states) <= 1e-12
    assert_on_sphere(run.states)
