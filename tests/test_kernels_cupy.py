"""Fused steps on CUDA: that they compile, and that they agree with the generic steppers.

Where there is no GPU the same CUDA text runs on the CPU: compiled as C++ under a shim that gives it
threads, blocks and barriers, and driven by the same host code with NumPy for the array library.
"""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import subprocess

import numpy as np
import pytest
import scipy.sparse

import kuramoto as km
from kuramoto import sphere
from kuramoto._kernels import cupy as kernels
from kuramoto._kernels.cuda_source import SOURCE

DTYPES = {"float64": "double", "float32": "float"}
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
ENTRY = re.compile(r'extern "C" __global__ void (\w+)\(')

STEPPERS = [km.ProjectedEuler(), km.Splitting(), km.RungeKutta4(), km.DormandPrince()]
each_stepper = pytest.mark.parametrize("stepper", STEPPERS, ids=lambda s: type(s).__name__)


# The emulation: a launch has CUDA's signature (grid, block, pointers to the arguments). Kernels
# that wait at barriers get real threads; the others run one index after the other.

SHIM = r"""
#include <barrier>
#include <cmath>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

struct Place { unsigned x, y; };
static thread_local Place threadIdx, blockIdx;
static Place gridDim;
static std::barrier<> *gate;
static void __syncthreads() { gate->arrive_and_wait(); }
using std::sqrt;
#define __global__
#define __device__
#define __shared__ static
"""

LAUNCH = r"""
template <class... A, size_t... I>
void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A *>(arguments[I])...);
}

template <class... A>
void launch(void (*kernel)(A...), unsigned width, unsigned height, bool waits, void **arguments) {
    gridDim = {width, height};
    auto blocks = [&](unsigned first, unsigned last) {
        for (blockIdx.y = 0; blockIdx.y < height; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < width; ++blockIdx.x) {
                for (threadIdx.x = first; threadIdx.x < last; ++threadIdx.x)
                    call(kernel, arguments, std::index_sequence_for<A...>());
                if (waits) __syncthreads();
            }
    };
    if (!waits) return blocks(0, BLOCK);
    std::barrier<> here(BLOCK);
    gate = &here;
    std::vector<std::thread> team;
    for (unsigned index = 0; index < BLOCK; ++index) team.emplace_back(blocks, index, index + 1);
    for (auto &member : team) member.join();
}
"""


class Emulator:
    """A `Device` of NumPy and a C++ compiler; four threads a block, so that few sites need many."""

    xp, block = np, 4

    def __init__(self, folder):
        self.folder = folder
        self.compile = functools.cache(self._compile)

    def _compile(self, source, options):
        stem = self.folder / str(abs(hash(options)))
        waits = {name: "__syncthreads" in body for name, body in bodies(source).items()}
        entries = [
            f'extern "C" void launch_{name}(unsigned width, unsigned height, void **arguments) '
            f"{{ launch({name}, width, height, {str(wait).lower()}, arguments); }}\n"
            for name, wait in waits.items()
        ]
        stem.with_suffix(".cpp").write_text(SHIM + source + LAUNCH + "".join(entries))
        defines = [option for option in options if option.startswith("-D")]
        command = ["g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-pthread", *defines]
        run([*command, "-o", stem.with_suffix(".so"), stem.with_suffix(".cpp")])
        library = ctypes.CDLL(str(stem.with_suffix(".so")))
        return lambda name: functools.partial(self._launch, library[f"launch_{name}"])

    def _launch(self, function, grid, block, arguments):
        assert block == (self.block,)
        held = [self._argument(argument) for argument in arguments]
        pointers = (ctypes.c_void_p * len(held))(*(ctypes.addressof(value) for value in held))
        function(*(ctypes.c_uint(size) for size in (*grid, 1)[:2]), pointers)

    @staticmethod
    def _argument(argument):
        """Return what CuPy would pass: an array's address, or a NumPy number of its own size."""
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous
            return ctypes.c_void_p(argument.ctypes.data)
        kinds = {"int32": ctypes.c_int32, "float32": ctypes.c_float, "float64": ctypes.c_double}
        return kinds[argument.dtype.name](argument.item())


def bodies(source):
    """Return every kernel's text by its name."""
    parts = ENTRY.split(source)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def run(command):
    """Run a compiler; fail with what it says."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: the CUDA text cannot be run on the CPU")
    return Emulator(tmp_path_factory.mktemp("emulated"))


@pytest.fixture(scope="session")
def cuda():
    cupy = pytest.importorskip("cupy")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"cupy finds no CUDA device: {error}")
    return kernels.Cuda()


@pytest.fixture(params=["emulator", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """CUDA's stand-in, and CUDA itself where there is one."""
    return request.getfixturevalue(request.param)


# What is run: every kind of coupling, of natural frequencies and of stimulus, on small systems.


class Numbers:
    """Random parameters on a device."""

    def __init__(self, device, dtype, seed=0):
        self.device, self.dtype = device, dtype
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape):
        return self.to(self.rng.standard_normal(shape))

    def skew(self, *shape):
        weights = np.triu(self.rng.standard_normal(shape), 1)
        return self.to(weights - np.swapaxes(weights, -1, -2))

    def unit(self, *shape):
        return self.to(sphere.random_points(shape, seed=self.rng))

    def to(self, values):
        return self.device.xp.asarray(values, dtype=self.dtype)


def random_sparse(n, sites, *block):
    """Edges with a row that has none, a pair that occurs twice and a loop."""
    i, j = [0, 0, 0, 3, 3, 1, 5], [2, 2, 4, 0, 5, 1, 3]
    return km.Sparse.from_edges(i, j, n(len(i), *block), sites=sites)


COUPLINGS = {
    "dense": (lambda n, N: km.Dense(n(9, 9)), (9,)),
    "dense blocks": (lambda n, N: km.Dense(n(4, 4, N, N)), (4,)),
    "sparse": (lambda n, N: random_sparse(n, 7), (7,)),
    "sparse blocks": (lambda n, N: random_sparse(n, 7, N, N), (7,)),
    "no edges": (lambda n, N: km.Sparse.from_edges([], [], n(0), sites=5), (5,)),
    "mean field": (lambda n, N: km.MeanField(1.5), (37,)),
    "mean field of few": (lambda n, N: km.MeanField(-0.7), (3,)),
    "mean field on a grid": (lambda n, N: km.MeanField(n(), dims=2), (5, 7)),
    "chain": (lambda n, N: km.Lattice(n(5), "periodic", "direct"), (7,)),
    "kernel beyond the chain": (lambda n, N: km.Lattice(n(9), "reflect", "direct"), (2,)),
    "two turns": (lambda n, N: km.Lattice(n(11), "periodic", "direct"), (2,)),
    "grid": (lambda n, N: km.Lattice(n(3, 5), "zero", "direct"), (4, 6)),
    "grid of blocks": (lambda n, N: km.Lattice(n(3, 3, N, N), "reflect", dims=2), (3, 5)),
    "cube": (lambda n, N: km.Lattice(n(3, 1, 3), "reflect"), (2, 3, 4)),
    "cube of blocks": (lambda n, N: km.Lattice(n(3, 3, 1, N, N), "zero", dims=3), (3, 2, 3)),
    "channels": (lambda n, N: km.Lattice(n(2, 2, 3), "zero", channels=True), (2, 6)),
    "channels and blocks": (
        lambda n, N: km.Lattice(n(2, 2, 3, 3, N, N), "reflect", "direct", dims=2),
        (2, 3, 4),
    ),
    "scaled": (lambda n, N: -0.5 * km.Dense(n(4, 4)), (4,)),
    "scaled twice": (lambda n, N: n() * (2.0 * km.Lattice(n(3), method="direct")), (5,)),
    "scaled mean field": (lambda n, N: 3.0 * km.MeanField(0.5), (17,)),
}

FREQUENCIES = {
    "none": lambda n, sites, N: None,
    "planes, shared": lambda n, sites, N: km.Rotation(n(N // 2)),
    "planes, each": lambda n, sites, N: km.Rotation(n(*sites, N // 2)),
    "planes, last axis": lambda n, sites, N: km.Rotation(n(sites[-1], N // 2)),
    "matrix, shared": lambda n, sites, N: km.Antisymmetric(n.skew(N, N)),
    "matrix, each": lambda n, sites, N: km.Antisymmetric(n.skew(*sites, N, N)),
}

STIMULI = {
    "none": lambda n, batch, sites, N: None,
    "one number": lambda n, batch, sites, N: n(),
    "one vector": lambda n, batch, sites, N: n(1, N),
    "each site": lambda n, batch, sites, N: n(*sites, N),
    "last axis": lambda n, batch, sites, N: n(1, sites[-1], N),
    "each system": lambda n, batch, sites, N: n(*batch, *(1,) * len(sites), N),
    "all": lambda n, batch, sites, N: n(*batch, *sites, N),
}


def problem(n, coupling, frequency="none", stimulus="none", *, N=3, batch=()):
    """Return a model of named parts, and a state for it."""
    make, sites = COUPLINGS[coupling]
    parts = FREQUENCIES[frequency](n, sites, N), STIMULI[stimulus](n, batch, sites, N)
    return km.Kuramoto(make(n, N), *parts), n.unit(*batch, *sites, N)


def generic(model, stepper, x, dt, steps, t=0.5):
    """Take steps one by one, as `solve` would without the kernels."""
    carry = stepper.init(model, t, x)
    for number in range(steps):
        x, error, carry = stepper.step(model, t + number * dt, x, dt, carry)
    return km.Step(x, error, carry)


def fused(device, model, stepper, x, dt, steps, t=0.5):
    ready = kernels.fuse(model, stepper, x, device)
    assert ready is not NotImplemented
    return ready.advance(t, x, dt, steps, stepper.init(model, t, x))


def host(array):
    return array.get() if hasattr(array, "get") else np.asarray(array)


def assert_close(found, expected, dtype, tolerance=None):
    """Compare in units of the largest value, if that is above 1."""
    assert type(found) is type(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    expected = host(expected)
    size = max(1.0, np.abs(expected).max(initial=0.0))
    tolerance = TOLERANCE[dtype] if tolerance is None else tolerance
    np.testing.assert_allclose(host(found), expected, rtol=0, atol=tolerance * size)


# Agreement: fused = generic.


@each_stepper
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_couplings(coupling, stepper, device):
    n = Numbers(device, "float64")
    model, x = problem(n, coupling, "matrix, each", "each site", batch=(2,))
    expected = generic(model, stepper, x, 0.02, 100)
    assert_close(fused(device, model, stepper, x, 0.02, 100).x, expected.x, "float64")
    assert np.abs(host(expected.x - x)).max() > 0.1, "nothing moves: this test is idle"


PARTS = [  # every frequency and every stimulus, in every number of dimensions at least once
    ("planes, shared", "one vector", 2),
    ("planes, each", "last axis", 2),
    ("matrix, each", "all", 2),
    ("planes, shared", "each system", 3),
    ("planes, each", "none", 3),
    ("none", "one number", 4),
    ("planes, last axis", "each site", 4),
    ("matrix, shared", "none", 4),
    ("none", "none", 5),
    ("planes, each", "each system", 5),
    ("matrix, shared", "last axis", 5),
]


@each_stepper
@pytest.mark.parametrize(("frequency", "stimulus", "N"), PARTS)
def test_frequencies_and_stimuli(frequency, stimulus, N, stepper, device):
    n = Numbers(device, "float64", seed=N)
    for batch in [(), (2, 3)]:
        model, x = problem(n, "grid of blocks", frequency, stimulus, N=N, batch=batch)
        expected = generic(model, stepper, x, 0.02, 100)
        assert_close(fused(device, model, stepper, x, 0.02, 100).x, expected.x, "float64")


# Every coupling once, every N with every stepper.
SINGLE = [
    pytest.param(name, 2 + k % 4, STEPPERS[(k + k // 4) % 4], id=name)
    for k, name in enumerate(COUPLINGS)
]


@pytest.mark.parametrize(("coupling", "N", "stepper"), SINGLE)
def test_single_precision(coupling, N, stepper, device):
    n = Numbers(device, "float32", seed=1)
    model, x = problem(n, coupling, "planes, each", "all", N=N, batch=(2,))
    expected = generic(model, stepper, x, 0.02, 100)
    assert_close(fused(device, model, stepper, x, 0.02, 100).x, expected.x, "float32")


@pytest.mark.parametrize("coupling", ["dense", "dense blocks", "mean field", "sparse", "grid"])
def test_no_batch(coupling, device):
    model, x = problem(Numbers(device, "float64"), coupling, N=2)
    for stepper in STEPPERS:
        expected = generic(model, stepper, x, 0.05, 7)
        assert_close(fused(device, model, stepper, x, 0.05, 7).x, expected.x, "float64")


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_dormand_prince_estimates_the_error_of_the_last_step(steps, device):
    model, x = problem(Numbers(device, "float64"), "sparse", "planes, each", "each site")
    stepper = km.DormandPrince()
    expected = generic(model, stepper, x, 0.2, steps).error
    found = fused(device, model, stepper, x, 0.2, steps).error
    assert_close(found, expected, "float64", tolerance=1e-14)
    assert np.abs(host(expected)).max() > 1e-7, "no error to compare: this test is idle"


@each_stepper
def test_only_dormand_prince_estimates_an_error(stepper, device):
    model, x = problem(Numbers(device, "float64"), "sparse")
    estimates = getattr(stepper, "estimates_error", False)
    assert (fused(device, model, stepper, x, 0.1, 2).error is not None) == estimates


@each_stepper
@pytest.mark.parametrize("frequency", ["none", "planes, each", "matrix, shared"])
def test_generic_and_fused_steps_take_turns(frequency, stepper, device):
    model, x = problem(Numbers(device, "float64"), "sparse", frequency, "all", batch=(2,))
    expected = generic(model, stepper, x, 0.1, 8)
    ready = kernels.fuse(model, stepper, x, device)
    carry, t = stepper.init(model, 0.5, x), 0.5
    for leg in range(2):
        x, error, carry = ready.advance(t, x, 0.1, 3, carry)
        x, error, carry = stepper.step(model, t + 0.3, x, 0.1, carry)
        t = 0.5 + 0.4 * (leg + 1)
    assert_close(x, expected.x, "float64")
    assert (error is None) == (expected.error is None)
    if isinstance(stepper, km.DormandPrince):
        assert carry[0] == pytest.approx(expected.carry[0])
        assert_close(carry[1], expected.carry[1], "float64")


@each_stepper
@pytest.mark.parametrize("coupling", ["dense blocks", "mean field", "sparse", "grid"])
def test_legs_and_resumed_runs_are_the_same_bit_for_bit(coupling, stepper, device):
    n = Numbers(device, "float64")
    model, x = problem(n, coupling, "planes, each", "each site", batch=(2,))
    ready = kernels.fuse(model, stepper, x, device)
    whole = ready.advance(0.0, x, 0.1, 8, ready.init(0.0, x))
    half = ready.advance(0.0, x, 0.1, 3, ready.init(0.0, x))
    for carry in (half.carry, ready.init(0.3, half.x)):
        assert_same(arrays(ready.advance(0.3, half.x, 0.1, 5, carry)), arrays(whole))


@each_stepper
def test_the_first_carry_is_the_steppers_own(stepper, device):
    model, x = problem(Numbers(device, "float64"), "grid", "planes, each", "all", batch=(2,))
    found = kernels.fuse(model, stepper, x, device).init(0.5, x)
    expected = stepper.init(model, 0.5, x)
    if isinstance(stepper, km.DormandPrince):
        assert found[0] == expected[0]
        assert_close(found[1], expected[1], "float64")
    else:
        assert found == expected


def test_dormand_prince_hands_over_its_time_and_velocity(device):
    model, x = problem(Numbers(device, "float64"), "sparse", "planes, each")
    expected = generic(model, km.DormandPrince(), x, 0.1, 5).carry
    found = fused(device, model, km.DormandPrince(), x, 0.1, 5).carry
    assert found[0] == pytest.approx(expected[0], rel=1e-15)
    assert_close(found[1], expected[1], "float64")


def test_splitting_uses_the_propagator_of_its_carry_for_that_step_only(device):
    model, x = problem(Numbers(device, "float64"), "sparse", "planes, each")
    stepper, resting = km.Splitting(), model.frequency.propagator(0.0)
    ready = kernels.fuse(model, stepper, x, device)
    same = ready.advance(0.0, x, 0.1, 3, (0.1, resting))
    still = fused(device, km.Kuramoto(model.coupling), stepper, x, 0.1, 3)
    assert_close(same.x, still.x, "float64")
    assert same.carry == (0.1, resting)
    other = ready.advance(0.0, x, 0.1, 3, (0.2, resting))
    assert_close(other.x, generic(model, stepper, x, 0.1, 3).x, "float64")


@each_stepper
@pytest.mark.parametrize("coupling", ["dense", "mean field", "sparse"])
def test_a_run_is_repeatable_and_leaves_its_start_alone(coupling, stepper, device):
    model, x = problem(Numbers(device, "float64"), coupling, "planes, each", batch=(3,))
    before, carry = x.copy(), stepper.init(model, 0.0, x)
    ready = kernels.fuse(model, stepper, x, device)
    first = ready.advance(0.0, x, 0.1, 5, carry)
    kept = [array.copy() for array in arrays(first)]
    ready.advance(0.5, -x, 0.1, 5, stepper.init(model, 0.5, -x))
    assert_same([*arrays(first), x], [*kept, before])
    assert_same(arrays(ready.advance(0.0, x, 0.1, 5, carry)), kept)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(host(one), host(other))


def arrays(step):
    """Return the arrays of a step: the state, and what Dormand-Prince adds."""
    carried = step.carry[1] if isinstance(step.carry, tuple) else None
    found = [step.x, step.error, carried]
    return [array for array in found if hasattr(array, "dtype")]


def test_views_of_larger_arrays(device):
    n = Numbers(device, "float64")
    wide = n.unit(6, 9, 4)
    x, weights = wide[::2, :, :][1], n(9, 2, 9)[:, 0, :]
    stimulus = n(2 * 9 * 4 + 1)[1 : 9 * 4 + 1].reshape(9, 4)  # off any boundary of 16 bytes
    model = km.Kuramoto(km.Dense(weights), km.Rotation(n(9, 4)[:, ::2]), stimulus)
    for stepper in STEPPERS:
        expected = generic(model, stepper, x, 0.05, 4)
        assert_close(fused(device, model, stepper, x, 0.05, 4).x, expected.x, "float64")


# What the kernels leave to the generic path.


def declined():
    n = Numbers(Emulator, "float64")
    half = Numbers(Emulator, "float16")
    model, x = problem(n, "dense")
    grid = n.unit(4, 6, 3)
    heads = [n(*shape) for shape in [(2, 3, 2, 2, 2)] * 2 + [(2, 4, 2, 2, 2), (2, 2, 4, 2, 2)]]
    return {
        "stimulus of time": (km.Kuramoto(model.coupling, None, lambda t: x), x),
        "half precision": (km.Kuramoto(km.MeanField(1.0)), half.unit(9, 3)),
        "attention": (km.Kuramoto(km.Attention(*heads)), n.unit(5, 2, 2)),
        "sum": (km.Kuramoto(model.coupling + km.MeanField(1.0)), x),
        "scaled sum": (km.Kuramoto(2.0 * (model.coupling + km.MeanField(1.0))), x),
        "coupling of another": (km.Kuramoto(Mine(1.0)), x),
        "frequency of another": (km.Kuramoto(model.coupling, Spin([1.0])), x),
        "lattice by FFT": (km.Kuramoto(km.Lattice(n(3, 3), method="fft")), grid),
        "large kernel": (km.Kuramoto(km.Lattice(n(21, 21))), grid),
        "mixed dtypes": (km.Kuramoto(model.coupling), x.astype("float32")),
        "mixed dtypes of the stimulus": (
            km.Kuramoto(model.coupling, None, n(3).astype("float32")),
            x,
        ),
        "other sites": (model, n.unit(8, 3)),
        "other blocks": (problem(n, "dense blocks")[0], n.unit(4, 2)),
        "too few axes": (km.Kuramoto(km.MeanField(1.0, dims=2)), n.unit(4, 3)),
        "other channels": (problem(n, "channels")[0], n.unit(3, 6, 3)),
        "other planes": (km.Kuramoto(model.coupling, km.Rotation(n(2))), x),
        "other rates": (km.Kuramoto(model.coupling, km.Rotation(n(8, 1))), x),
        "other stimulus": (km.Kuramoto(model.coupling, None, n(8, 3)), x),
        "wider stimulus": (km.Kuramoto(model.coupling, None, n(2, 9, 3)), x),
        "no oscillators": (km.Kuramoto(km.MeanField(1.0)), n(0, 3)),
    }


class Mine(km.MeanField):
    """A mean field that somebody else has changed."""


class Spin(km.Rotation):
    """A rotation that somebody else has changed."""


class Uncalled:
    """A device that is not asked for anything."""

    xp, block = np, 4

    def compile(self, source, options):
        raise AssertionError("declined only after compiling")


@pytest.mark.parametrize("reason", declined())
def test_what_is_declined(reason):
    model, x = declined()[reason]
    for stepper in STEPPERS:
        assert kernels.fuse(model, stepper, x, Uncalled()) is NotImplemented


@pytest.mark.parametrize("stepper", [km.GeodesicEuler(), km.StochasticHeun()])
def test_steppers_without_kernels_are_declined(stepper):
    model, x = problem(Numbers(Emulator, "float64"), "dense")
    assert kernels.fuse(model, stepper, x, Uncalled()) is NotImplemented


def test_what_is_taken_is_not_declined(emulator):
    """The same parts as above, as they should be."""
    n = Numbers(emulator, "float64")
    grid = n.unit(4, 6, 3)
    for kernel, method in [(n(19, 21), "auto"), (n(23, 23), "direct")]:
        model = km.Kuramoto(km.Lattice(kernel, method=method))
        assert kernels.fuse(model, km.RungeKutta4(), grid, emulator) is not NotImplemented


def test_scipy_weights(emulator):
    weights = scipy.sparse.random_array((11, 11), density=0.4, rng=np.random.default_rng(0))
    model, x = km.Kuramoto(km.Sparse(weights)), sphere.random_points((11, 2), seed=0)
    expected = generic(model, km.RungeKutta4(), x, 0.1, 10)
    found = fused(emulator, model, km.RungeKutta4(), x, 0.1, 10)
    assert_close(found.x, expected.x, "float64")


# The text itself.


def instance(real, N):
    """Return the text for one dtype and N, fit to stand beside others in one file."""
    defines = {"REAL": real, "DIM": N, "TINY": 1e-37, "BLOCK": 128}
    lines = [f"#undef {name}\n#define {name} {value}\n" for name, value in defines.items()]
    body = SOURCE.replace('extern "C"', "")
    return f"{''.join(lines)}\nnamespace {real}_{N} {{\n{body}\n}}\n"


def test_it_is_plain_cuda(tmp_path):
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc is not installed: the CUDA text cannot be compiled for a device")
    text = "".join(instance(real, N) for real in DTYPES.values() for N in (2, 3, 4, 5))
    (tmp_path / "all.cu").write_text(text)
    command = ["nvcc", "--ptx", "-arch=sm_90", "-std=c++17", "-o", tmp_path / "all.ptx"]
    said = run([*command, tmp_path / "all.cu"])
    assert "warning" not in said, said
    ptx = (tmp_path / "all.ptx").read_text()
    assert len(re.findall(r"\.entry", ptx)) == 8 * len(bodies(SOURCE))
    for vector in ("ld.global.v2.f32", "ld.global.v4.f32", "ld.global.v2.f64"):
        assert vector in ptx, f"no vectorised load {vector}"


def test_it_includes_nothing_and_is_ascii():
    """NVRTC finds no host header; and not every version of it reads more than ASCII."""
    assert "#include" not in SOURCE
    assert SOURCE.isascii()
