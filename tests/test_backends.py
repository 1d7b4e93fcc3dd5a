"""One formula, every array library: agreement with NumPy, dtype and device kept, gradients flow."""

from __future__ import annotations

import subprocess
import sys

import array_api_compat
import numpy as np
import pytest

import kuramoto as km
from kuramoto import frequencies, phase, sphere, testing

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}

# PyTorch's announcement, once per process; that the library adds none of its own is tested below.
BETA = "ignore:Sparse .* tensor support is in beta state:UserWarning"
pytestmark = pytest.mark.filterwarnings(BETA)


def host(array):
    """Return a NumPy copy of any array, by a way of its own."""
    if hasattr(array, "detach"):
        return array.detach().cpu().numpy()
    if hasattr(array, "get"):
        return array.get()
    return np.from_dlpack(array) if hasattr(array, "__dlpack__") else np.asarray(array)


def assert_agrees(found, expected, xp, dtype, tolerance=None):
    """Check values, namespace and dtype; both in units of the largest value, if that is above 1."""
    tolerance = TOLERANCE[dtype] if tolerance is None else tolerance
    assert array_api_compat.array_namespace(found) is xp
    assert found.dtype == getattr(xp, dtype)
    expected = np.asarray(expected, dtype=np.float64)
    size = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(host(found), expected, rtol=0, atol=tolerance * size)


class Numbers:
    """Random parameters, rounded to a dtype so that every library starts from the same numbers."""

    def __init__(self, dtype, seed=0):
        self.rng, self.dtype = np.random.default_rng(seed), dtype

    def __call__(self, *shape, scale=1.0):
        return (scale * self.rng.standard_normal(shape)).astype(self.dtype).astype(np.float64)

    def skew(self, *shape, scale=1.0):
        weights = np.triu(self(*shape, scale=scale), 1)
        return weights - np.swapaxes(weights, -1, -2)

    def unit(self, *shape):
        points = sphere.random_points(shape, seed=self.rng).astype(self.dtype)
        return points.astype(np.float64)


# Every coupling, as (function of (numbers, convert) → coupling, shape of a state that fits).
# `convert` takes NumPy numbers to the library; with NumPy itself it does nothing.
COUPLINGS = {
    "dense": (lambda n, to: km.Dense(to(n(6, 6))), (6, 3)),
    "dense blocks": (lambda n, to: km.Dense(to(n(4, 4, 3, 3))), (4, 3)),
    "sparse": (
        lambda n, to: km.Sparse.from_edges([0, 0, 4, 2], [1, 1, 3, 2], to(n(4)), sites=5),
        (5, 3),
    ),
    "sparse blocks": (
        lambda n, to: km.Sparse.from_edges([0, 0, 4, 2], [1, 1, 3, 2], to(n(4, 2, 2)), sites=5),
        (5, 2),
    ),
    "sparse without edges": (
        lambda n, to: km.Sparse.from_edges([], [], to(n(0)), sites=5),
        (5, 2),
    ),
    "mean field": (lambda n, to: km.MeanField(1.5), (7, 3)),
    "mean field of an array": (lambda n, to: km.MeanField(to(n()), dims=2), (3, 2, 3)),
    "lattice, direct": (lambda n, to: km.Lattice(to(n(3, 3)), "zero", "direct"), (4, 5, 3)),
    "lattice, fft": (lambda n, to: km.Lattice(to(n(5, 3)), "reflect", "fft"), (4, 5, 3)),
    "lattice blocks, direct": (
        lambda n, to: km.Lattice(to(n(3, 3, 2, 2)), "reflect", "direct"),
        (4, 5, 2),
    ),
    "lattice blocks, fft": (lambda n, to: km.Lattice(to(n(3, 3, 2, 2)), method="fft"), (4, 5, 2)),
    "lattice channels": (lambda n, to: km.Lattice(to(n(2, 2, 3)), "zero"), (2, 6, 3)),
    "lattice channels, fft": (lambda n, to: km.Lattice(to(n(2, 2, 3)), method="fft"), (2, 6, 3)),
    "lattice channels and blocks": (
        lambda n, to: km.Lattice(to(n(2, 2, 3, 3, 2, 2)), "reflect"),
        (2, 3, 4, 2),
    ),
    "attention": (
        lambda n, to: km.Attention(
            *(to(n(*s)) for s in [(2, 3, 2, 2, 2)] * 2 + [(2, 4, 2, 2, 2), (2, 2, 4, 2, 2)])
        ),
        (5, 2, 2),
    ),
    "scaled": (lambda n, to: -0.5 * km.Dense(to(n(4, 4))), (4, 3)),
    "scaled by an array": (lambda n, to: km.Dense(to(n(4, 4))) * to(n()), (4, 3)),
    "sum": (lambda n, to: km.Dense(to(n(4, 4))) - 2.0 * km.MeanField(to(n())), (4, 3)),
}

FREQUENCIES = {
    "none": lambda n, to, sites, N: None,
    "planes, shared": lambda n, to, sites, N: km.Rotation(to(n(N // 2))),
    "planes, each": lambda n, to, sites, N: km.Rotation(to(n(*sites, N // 2))),
    "matrix, shared": lambda n, to, sites, N: km.Antisymmetric(to(n.skew(N, N))),
    "matrix, each": lambda n, to, sites, N: km.Antisymmetric(to(n.skew(*sites, N, N))),
}


def model_of(coupling, frequency, dtype, to):
    """Build a model from the two tables, and a batch of states for it."""
    make, shape = COUPLINGS[coupling]
    n = Numbers(dtype)
    rates = FREQUENCIES[frequency]
    model = km.Kuramoto(make(n, to), rates(n, to, shape[:-1], shape[-1]), to(n(*shape)))
    return model, to(n.unit(2, *shape))


def both(coupling, frequency, dtype, xp, to_backend):
    """The same model and state on a library and on NumPy in float64."""
    there = model_of(coupling, frequency, dtype, lambda a: to_backend(a, xp, dtype))
    return there, model_of(coupling, frequency, dtype, lambda a: a)


# Agreement: every public function on every library.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COUPLINGS)
def test_couplings_and_their_bounds(name, dtype, xp, to_backend):
    (model, x), (oracle, y) = both(name, "none", dtype, xp, to_backend)
    coupling, expected = model.coupling, oracle.coupling
    assert_agrees(coupling(x), expected(y), xp, dtype)
    assert_agrees(coupling(x[0, ...]), expected(y[0]), xp, dtype)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(coupling.row_bound(), expected.row_bound(), rtol=tolerance)
    assert coupling.symmetric == expected.symmetric
    if name != "attention":
        found, bounds = coupling.eigenvalue_bounds(), expected.eigenvalue_bounds()
        np.testing.assert_allclose(found, bounds, rtol=tolerance, atol=tolerance)
        sites = tuple(x.shape[1:-1])
        dense = coupling.to_dense(sites, like=x)
        assert_agrees(dense, expected.to_dense(sites), xp, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("coupling", ["dense", "lattice blocks, fft"])
def test_models(coupling, frequency, dtype, xp, to_backend):
    (model, x), (oracle, y) = both(coupling, frequency, dtype, xp, to_backend)
    for function in ("force", "velocity", "energy"):
        assert_agrees(getattr(model, function)(x), getattr(oracle, function)(y), xp, dtype)
    assert_agrees(km.energy(model, x), km.energy(oracle, y), xp, dtype)
    assert_agrees(km.energy_rate(model, x), km.energy_rate(oracle, y), xp, dtype)
    if model.frequency is not None:
        turned = model.frequency.propagate(model.frequency.propagator(0.7), x)
        expected = oracle.frequency.propagate(oracle.frequency.propagator(0.7), y)
        assert_agrees(turned, expected, xp, dtype)
        N = x.shape[-1]
        np.testing.assert_allclose(
            model.frequency.matrices(N), oracle.frequency.matrices(N), rtol=1e-13
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COUPLINGS)
def test_certificates(name, dtype, xp, to_backend):
    (model, _), (oracle, _) = both(name, "planes, shared", dtype, xp, to_backend)
    assert km.certify(model).monotone == km.certify(oracle).monotone
    model = km.Kuramoto(symmetrised(name, dtype, lambda a: to_backend(a, xp, dtype)))
    oracle = km.Kuramoto(symmetrised(name, dtype, lambda a: a))
    found, expected = km.certify(model), km.certify(oracle)
    assert found.monotone == expected.monotone == (name != "attention")
    if expected.monotone:
        np.testing.assert_allclose(found.max_step, expected.max_step, rtol=TOLERANCE[dtype])


def symmetrised(name, dtype, to):
    """The coupling of that name with symmetric weights (the same random numbers)."""
    make, _ = COUPLINGS[name]

    class Symmetric(Numbers):
        def __call__(self, *shape, scale=1.0):
            weights = super().__call__(*shape, scale=scale)
            if name.startswith("lattice"):
                return symmetric_kernel(name, weights).astype(self.dtype).astype(np.float64)
            if len(shape) == 4:
                weights = weights + weights.transpose(1, 0, 3, 2)
            elif name.startswith("dense") or name in ("sum", "scaled", "scaled by an array"):
                weights = weights + weights.T
            return weights.astype(self.dtype).astype(np.float64)

    if name.startswith("sparse"):  # the same edges both ways
        weights = Numbers(dtype)(1, *((2, 2) if "blocks" in name else ()))
        turned = np.swapaxes(weights, -1, -2) if "blocks" in name else weights
        values = to(np.concatenate([weights, turned]))
        return km.Sparse.from_edges([0, 3], [3, 0], values, sites=5)
    return make(Symmetric(dtype), to)


def symmetric_kernel(name, weights):
    """Even along every grid axis, and symmetric in channels and blocks."""
    lead = 2 if "channels" in name else 0
    grid = range(lead, weights.ndim - (2 if "blocks" in name else 0))
    for axis in grid:
        weights = weights + np.flip(weights, axis)
    turned = np.swapaxes(weights, 0, 1) if lead else weights
    return weights + (np.swapaxes(turned, -1, -2) if "blocks" in name else turned)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sphere(dtype, xp, to_backend):
    n = Numbers(dtype)
    x, y, v = n.unit(5, 4), n.unit(5, 4), n(5, 4)
    v = sphere.to_tangent(x, v).astype(dtype).astype(np.float64)
    at, end, move = (to_backend(a, xp, dtype) for a in (x, y, v))
    for name in ("dot", "to_tangent", "norm_neutral", "distance", "log"):
        function = getattr(sphere, name)
        assert_agrees(function(at, end), function(x, y), xp, dtype)
    assert_agrees(sphere.exp(at, move), sphere.exp(x, v), xp, dtype)
    assert_agrees(sphere.norm(move), sphere.norm(v), xp, dtype)
    assert_agrees(sphere.normalize(move), sphere.normalize(v), xp, dtype)
    assert_agrees(sphere.normalize(0 * move), 0 * v, xp, dtype)
    assert_agrees(sphere.require_unit(at), x, xp, dtype)
    drawn = sphere.random_points((3, 2), seed=5, like=at)
    assert_agrees(drawn, sphere.random_points((3, 2), seed=5), xp, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_samplers(dtype, xp, to_backend):
    like, normal = to_backend([0.0], xp, dtype), frequencies.normal()
    expected = frequencies.sample(normal, (4, 1), seed=2)
    assert_agrees(frequencies.sample(normal, (4, 1), seed=2, like=like), expected, xp, dtype)
    expected = frequencies.quantile_grid(normal, 5)
    assert_agrees(frequencies.quantile_grid(normal, 5, like=like), expected, xp, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lag", ["none", "number", "matrix"])
def test_phases(lag, dtype, xp, to_backend):
    n = Numbers(dtype)
    theta, weights, omega = n(3, 4), n(4, 4), n(4)
    alpha = {"none": np.zeros(()), "number": n(), "matrix": n(4, 4)}[lag]
    there = [to_backend(a, xp, dtype) for a in (weights, omega, alpha)]
    model, oracle = phase.PhaseModel(*there), phase.PhaseModel(weights, omega, alpha)
    at = to_backend(theta, xp, dtype)
    x = phase.from_phases(at)
    assert_agrees(x, phase.from_phases(theta), xp, dtype)
    assert_agrees(phase.to_phases(x), phase.to_phases(phase.from_phases(theta)), xp, dtype)
    assert_agrees(model.velocity(at), oracle.velocity(theta), xp, dtype)
    assert_agrees(model.order_parameter(at), oracle.order_parameter(theta), xp, dtype)
    expected = oracle.as_kuramoto().velocity(phase.from_phases(theta))
    assert_agrees(model.as_kuramoto().velocity(x), expected, xp, dtype)


STEPPERS = [
    km.ProjectedEuler(),
    km.Splitting(),
    km.GeodesicEuler(),
    km.RungeKutta4(),
    km.DormandPrince(),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stepper", STEPPERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(
    ("coupling", "frequency"),
    [
        ("dense", "matrix, each"),
        ("sparse blocks", "planes, shared"),
        ("lattice channels and blocks", "none"),
        ("attention", "planes, each"),
    ],
)
def test_solve(coupling, frequency, stepper, dtype, xp, to_backend):
    (model, x), (oracle, y) = both(coupling, frequency, dtype, xp, to_backend)
    settings = {"t1": 0.2, "dt": 0.02, "stepper": stepper, "save": km.SaveAt(every=4, start=True)}
    observe = {"energy": lambda t, x: model.energy(x, t)}
    found = km.solve(model, x, **settings, observe=observe)
    expected = km.solve(oracle, y, **settings)
    assert_agrees(found.states, expected.states, xp, dtype)
    assert_agrees(found.final, expected.final, xp, dtype)
    np.testing.assert_array_equal(found.times, expected.times)
    energies = oracle.energy(expected.states[-1])
    assert_agrees(found.observed["energy"][-1, ...], energies, xp, dtype)
    testing.assert_on_sphere(found.final)


@pytest.mark.parametrize("dtype", DTYPES)
def test_adaptive_solve(dtype, xp, to_backend):
    (model, x), (oracle, y) = both("dense", "matrix, each", dtype, xp, to_backend)
    # In single precision no error estimate can be trusted below rounding.
    tolerance = {"float64": 1e-8, "float32": 1e-5}[dtype]
    controller = km.AdaptiveStep(rtol=tolerance)
    found = km.solve(model, x, t1=0.3, controller=controller)
    expected = km.solve(oracle, y, t1=0.3, controller=controller)
    # Steps are chosen by rounded errors: they, and so the states, differ within the tolerance.
    assert_agrees(found.final, expected.final, xp, dtype, tolerance=10 * tolerance)
    if dtype == "float64":
        assert found.statistics.steps == expected.statistics.steps


def calm_model(name, dtype, to):
    """A system that settles: attraction, and frequencies too small to pull it apart."""
    n = Numbers(dtype)
    if name == "mean field":
        rates = n(12, 2, scale=0.02)
        return km.Kuramoto(km.MeanField(1.0), km.Rotation(to(rates))), to(n.unit(12, 4))
    kernel, turn = np.array([0.5, 0.0, 0.5]), n.skew(3, 3, scale=0.02)
    start = sphere.normalize(n(9, 3, scale=0.5) + np.array([0.0, 0.0, 1.0]))
    start = start.astype(dtype).astype(np.float64)
    return km.Kuramoto(km.Lattice(to(kernel)), km.Antisymmetric(to(turn))), to(start)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "stepper"),
    [("lattice", km.RungeKutta4()), ("mean field", km.ProjectedEuler())],
    ids=["lattice, Runge-Kutta 4", "mean field, Euler"],
)
def test_a_thousand_steps(name, stepper, dtype, xp, to_backend):
    model, x0 = calm_model(name, dtype, lambda a: to_backend(a, xp, dtype))
    oracle, y0 = calm_model(name, dtype, lambda a: a)
    found = km.solve(model, x0, t1=50.0, dt=0.05, stepper=stepper)
    expected = km.solve(oracle, y0, t1=50.0, dt=0.05, stepper=stepper)
    assert found.statistics.steps == 1000
    assert_agrees(found.final, expected.final, xp, dtype)
    assert np.abs(host(found.final) - y0).max() > 0.1, "nothing happened"


def test_a_thousand_steps_of_chaos_disagree():
    """The agreement above is earned: rounding of the same size grows where a system is chaotic."""
    rng = np.random.default_rng(1)
    weights, rates = 0.5 * rng.standard_normal((30, 30)), rng.standard_normal((30, 1))
    model = km.Kuramoto(km.Dense(weights), km.Rotation(rates))
    x0 = sphere.random_points((30, 2), seed=2)
    nudged = sphere.normalize(x0 + 1e-15 * rng.standard_normal(x0.shape))
    one, two = (km.solve(model, x, t1=50.0, dt=0.05).final for x in (x0, nudged))
    assert np.abs(one - two).max() > 1e-6


# Laws: what comes back belongs where x0 lived.


def test_results_stay_on_the_device():
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("device1")

    def to(array):
        return strict.asarray(array, device=device)

    for name in COUPLINGS:
        if name.startswith("sparse"):
            continue  # matrices of that library are checked below
        model, x = model_of(name, "matrix, each", "float64", to)
        for result in (model.coupling(x), model.velocity(x), model.energy(x)):
            assert result.device == device, name
    model, x = model_of("sum", "planes, each", "float64", to)
    run = km.solve(model, x, t1=0.2, dt=0.1, save=km.SaveAt(every=1, start=True))
    assert run.final.device == run.states.device == device
    assert sphere.random_points((3, 2), seed=0, like=x).device == device
    certified = km.Kuramoto(km.Dense(to(np.eye(4))), stimulus=to(np.ones((4, 3))))
    assert km.certify(certified).max_step > 0


@pytest.mark.parametrize("name", ["sparse", "sparse blocks"])
def test_sparse_results_stay_on_the_device(name):
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("device1")
    model, x = model_of(name, "none", "float64", lambda a: strict.asarray(a, device=device))
    assert model.coupling(x).device == device


# Bad input: what is mixed is named.


def test_mixed_libraries_are_named(xp, to_backend):
    if xp.__name__.endswith("numpy") and "jax" not in xp.__name__:
        pytest.skip("NumPy does not mix with itself")
    x = sphere.random_points((4, 2), seed=0)
    there = to_backend(np.eye(4), xp)
    name = xp.__name__.removeprefix("array_api_compat.").split(".")[0]
    for make in (
        lambda: km.Dense(there)(x),
        lambda: km.Sparse.from_edges([0], [1], there[0, :1], sites=4)(x),
        lambda: km.Lattice(there[0, :1])(x),
        lambda: km.Rotation(there[0, :1])(x),
        lambda: km.Antisymmetric(0 * there[:2, :2])(x),
        lambda: km.solve(km.Kuramoto(km.MeanField(1.0), stimulus=there[0, :2]), x, t1=1.0),
    ):
        with pytest.raises(TypeError, match=f"must share one library, but .* numpy and .* {name}"):
            make()


def test_mixed_dtypes_are_named(xp, to_backend):
    x = to_backend(sphere.random_points((4, 2), seed=0), xp, "float32")
    there = to_backend(np.eye(4), xp, "float64")
    for make, names in (
        (lambda: km.Dense(there)(x), ("x", "weights")),
        (lambda: km.Sparse.from_edges([0], [1], there[0, :1], sites=4)(x), ("x", "weights")),
        (lambda: km.Lattice(there[0, :1])(x), ("x", "kernel")),
        (lambda: km.Rotation(there[0, :1])(x), ("x", "omega")),
        (lambda: km.Antisymmetric(0 * there[:2, :2])(x), ("x", "weights")),
        (
            lambda: km.solve(km.Kuramoto(km.MeanField(1.0), stimulus=there[0, :2]), x, t1=1.0),
            ("x0", "stimulus"),
        ),
    ):
        one, two = names
        match = (
            rf"`{one}` and `{two}` must share one dtype, but `{one}` has \S*float32 "
            rf"and `{two}` has \S*float64; convert one of them first"
        )
        with pytest.raises(TypeError, match=match):
            make()


def test_mixed_devices_are_named():
    strict = pytest.importorskip("array_api_strict")
    x = strict.asarray(sphere.random_points((4, 2), seed=0), device=strict.Device("device1"))
    match = r"must share one device, but `x` has .*device1.* and `weights` has .*CPU_DEVICE"
    with pytest.raises(TypeError, match=match):
        km.Dense(strict.asarray(np.eye(4)))(x)
    with pytest.raises(TypeError, match=r"`x` has .*device1.* and `omega` has .*CPU_DEVICE"):
        km.Rotation(strict.asarray([1.0]))(x)
    stimulus = strict.asarray([1.0, 0.0])
    with pytest.raises(TypeError, match=r"`x0` has .*device1.* and `stimulus` has .*CPU_DEVICE"):
        km.solve(km.Kuramoto(km.MeanField(1.0), stimulus=stimulus), x, t1=1.0)


SCALARS = [km.MeanField, lambda factor: km.Scaled(factor, km.MeanField(1.0))]


@pytest.mark.parametrize("make", SCALARS, ids=["mean field", "scaled"])
@pytest.mark.parametrize("mixed", ["library", "dtype"])
def test_mixed_numbers_are_named(mixed, make):
    strict = pytest.importorskip("array_api_strict")
    x = sphere.random_points((4, 2), seed=0)
    number = strict.asarray(1.0, dtype=strict.float32)
    x = x if mixed == "library" else strict.asarray(x)
    with pytest.raises(TypeError, match=f"must share one {mixed}"):
        make(number)(x)


# Agreement: torch's gradients with finite differences.


@pytest.fixture
def torch():
    """PyTorch, or a skip."""
    return pytest.importorskip("torch")


def through_solve(make, x0, stepper):
    """Return the function parameters → state after three steps; x0 = None: the first parameter."""

    def run(*parameters):
        start = x0
        if start is None:
            start, *parameters = parameters
            start = sphere.normalize(start)
        return km.solve(make(*parameters), start, t1=0.6, dt=0.2, stepper=stepper).final

    return run


def leaf(torch, *shape, seed=0, scale=1.0):
    values = scale * np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def parts(torch):
    """Every parameter that learning may want: (name, function of it → model, leaf, N, sites)."""
    skew = leaf(torch, 3, 3, seed=1)
    base, calm = km.MeanField(0.7), km.Rotation
    edges = ([0, 0, 1, 2], [1, 1, 2, 0])
    small = [leaf(torch, *s, seed=7, scale=0.5) for s in [(1, 1, 2, 2, 2)] * 2]
    small += [leaf(torch, *s, seed=8, scale=0.5) for s in [(1, 2, 2, 2, 2)] * 2]
    return {
        "dense": (lambda w: km.Kuramoto(km.Dense(w)), [leaf(torch, 3, 3)], (3, 2)),
        "dense blocks": (lambda w: km.Kuramoto(km.Dense(w)), [leaf(torch, 3, 3, 2, 2)], (3, 2)),
        "sparse": (
            lambda w: km.Kuramoto(km.Sparse.from_edges(*edges, w, sites=3)),
            [leaf(torch, 4)],
            (3, 2),
        ),
        "sparse blocks": (
            lambda w: km.Kuramoto(km.Sparse.from_edges(*edges, w, sites=3)),
            [leaf(torch, 4, 2, 2)],
            (3, 2),
        ),
        "lattice, direct": (
            lambda w: km.Kuramoto(km.Lattice(w, "reflect", "direct", dims=1)),
            [leaf(torch, 3, 2, 2)],
            (4, 2),
        ),
        "lattice, fft": (
            lambda w: km.Kuramoto(km.Lattice(w, method="fft", channels=True)),
            [leaf(torch, 2, 2, 3)],
            (2, 4, 2),
        ),
        "mean field": (lambda w: km.Kuramoto(km.MeanField(w)), [leaf(torch)], (3, 2)),
        "factor": (lambda w: km.Kuramoto(w * km.MeanField(1.0)), [leaf(torch)], (3, 2)),
        "attention": (lambda *w: km.Kuramoto(km.Attention(*w)), small, (3, 2, 2)),
        "rotation": (lambda w: km.Kuramoto(base, calm(w)), [leaf(torch, 3, 1)], (3, 3)),
        "antisymmetric": (
            lambda w: km.Kuramoto(base, km.Antisymmetric(w - w.mT)),
            [skew],
            (3, 3),
        ),
        "stimulus": (lambda c: km.Kuramoto(base, None, c), [leaf(torch, 3, 2)], (3, 2)),
    }


PARTS = [
    "dense",
    "dense blocks",
    "sparse",
    "sparse blocks",
    "lattice, direct",
    "lattice, fft",
    "mean field",
    "factor",
    "attention",
    "rotation",
    "antisymmetric",
    "stimulus",
]


@pytest.mark.parametrize("stepper", STEPPERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("name", PARTS)
def test_gradients_of_parameters(name, stepper, torch):
    make, leaves, shape = parts(torch)[name]
    x0 = torch.tensor(sphere.random_points(shape, seed=3))
    # Along one random direction in and out, which no wrong entry escapes.
    assert torch.autograd.gradcheck(through_solve(make, x0, stepper), tuple(leaves), fast_mode=True)


@pytest.mark.parametrize("name", ["dense", "sparse", "lattice, fft", "attention", "rotation"])
def test_gradients_of_the_start(name, torch):
    make, leaves, shape = parts(torch)[name]
    fixed = [w.detach() for w in leaves]
    start = torch.tensor(sphere.random_points(shape, seed=3), requires_grad=True)
    run = through_solve(lambda: make(*fixed), None, km.RungeKutta4())
    assert torch.autograd.gradcheck(run, (start,))


def test_gradients_of_energy_and_of_phases(torch):
    x = torch.tensor(sphere.random_points((4, 2), seed=0), requires_grad=True)
    weights, theta = leaf(torch, 4, 4), leaf(torch, 4, seed=2)

    def energies(weights, x):
        model = km.Kuramoto(km.Dense(weights), km.Rotation(torch.ones(1, dtype=x.dtype)))
        return model.energy(x), km.energy_rate(model, x)

    assert torch.autograd.gradcheck(energies, (weights, x))
    velocity = lambda w, rate, y: phase.PhaseModel(w, rate).velocity(y)  # noqa: E731
    assert torch.autograd.gradcheck(velocity, (weights, leaf(torch, 4, seed=5), theta))


KEPT = {
    "lattice": lambda w: km.Lattice(w, method="fft"),
    "sparse": lambda w: km.Sparse.from_edges([0, 1, 2], [1, 2, 0], w, sites=3),
}


@pytest.mark.parametrize("name", KEPT)
def test_weights_that_an_optimiser_moved_are_seen(name, torch):
    weights, x = leaf(torch, 3), torch.tensor(sphere.random_points((3, 2), seed=0))
    coupling = KEPT[name](weights)
    before = coupling(x).detach()
    with torch.no_grad():
        coupling(x)
        weights *= 2
    np.testing.assert_allclose(coupling(x).detach(), 2 * before, rtol=1e-14)


@pytest.mark.parametrize("name", ["dense", *KEPT])
def test_a_certificate_is_about_the_weights_as_they_are(name, torch):
    make = {**KEPT, "dense": km.Dense}[name]
    shape = (3, 3) if name == "dense" else (3,)
    weights = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    model = km.Kuramoto(make(weights))
    assert km.certify(model)
    with torch.no_grad():
        weights[0] += 1  # a step of training: now lopsided
    assert not km.certify(model)
    assert km.certify(km.Kuramoto(make(weights))) == km.certify(model)


@pytest.mark.parametrize("name", KEPT)
def test_one_coupling_serves_many_backward_passes(name, torch):
    weights, x = leaf(torch, 3), torch.tensor(sphere.random_points((3, 2), seed=0))
    coupling = KEPT[name](weights)
    for _ in range(2):
        coupling(x).sum().backward()
    assert torch.isfinite(weights.grad).all()


@pytest.mark.parametrize("name", KEPT)
def test_weights_may_begin_to_learn_late(name, torch):
    weights, x = leaf(torch, 3).detach(), torch.tensor(sphere.random_points((3, 2), seed=0))
    coupling = KEPT[name](weights)
    coupling(x)
    weights.requires_grad_(True)
    assert coupling(x).requires_grad


@pytest.mark.parametrize("name", KEPT)
def test_evaluation_does_not_spoil_training(name, torch):
    x = torch.tensor(sphere.random_points((3, 2), seed=0), requires_grad=True)
    coupling = KEPT[name](leaf(torch, 3).detach())
    with torch.inference_mode():
        coupling(x)
    (gradient,) = torch.autograd.grad(coupling(x).sum(), x)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("place", ["omega", "lag"])
def test_gradients_of_one_rate_for_all_phases(place, torch):
    weights, theta = leaf(torch, 4, 4).detach(), leaf(torch, 4, seed=2).detach()
    rate = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    speed = phase.PhaseModel(weights, **{place: rate}).velocity(theta)
    assert speed.requires_grad


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_zero_vector_has_a_finite_gradient(dtype, torch):
    x = torch.zeros((3, 4), dtype=getattr(torch, dtype), requires_grad=True)
    for function in (sphere.normalize, sphere.norm, lambda v: sphere.exp(v + 0.5, v)):
        (gradient,) = torch.autograd.grad(function(x).sum(), x)
        assert torch.isfinite(gradient).all()
    naive = torch.sqrt((x * x).sum(-1, keepdim=True))
    (gradient,) = torch.autograd.grad((x / naive).sum(), x)
    assert not torch.isfinite(gradient).any(), "the naive formula passes too: this test is idle"


SILENT = {
    "sparse": "km.Sparse.from_edges([0], [1], w[None], sites=2)(x).sum().backward()",
    "mean field": "km.certify(km.Kuramoto(km.MeanField(w)))",
    "factor": "km.certify(km.Kuramoto(km.MeanField(1.0) * w))",
    "solve": "km.solve(km.Kuramoto(km.MeanField(w)), x, t1=0.2, dt=0.1).final.sum().backward()",
}


def test_learning_is_silent(torch):
    """PyTorch warns once per process: a fresh one, with warnings as errors, hears them all."""
    lines = ["import torch, kuramoto as km", "x = torch.eye(2)", "bad = []"]
    for name, call in SILENT.items():
        lines += ["w = torch.tensor(1.0, requires_grad=True)", f"try: {call}"]
        lines += [f"except UserWarning as error: bad.append(({name!r}, str(error)[:60]))"]
    lines += ["assert not bad, bad"]
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
