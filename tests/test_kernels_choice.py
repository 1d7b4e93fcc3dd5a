"""Fused CPU kernels: which runs have one, what happens to the others, and the cache on disk.

Kinds of tests: agreement (whatever `solve` chooses by itself, the numbers are the generic ones),
bad input.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import array_api_strict
import numpy as np
import pytest

import kuramoto as km
from kuramoto import _kernels, sphere
from kuramoto._kernels import jit

PACKAGE = Path(km.__file__).parent
STEPPERS = [km.ProjectedEuler(), km.Splitting(), km.RungeKutta4(), km.DormandPrince()]
each_stepper = pytest.mark.parametrize("stepper", STEPPERS, ids=lambda s: type(s).__name__)


def problem(sites: int = 70) -> tuple[km.Kuramoto, np.ndarray]:
    """Return a model that has a kernel, and a state."""
    rng = np.random.default_rng(0)
    coupling = km.Dense(2 / sites * rng.random((sites, sites)))
    frequency = km.Rotation(0.3 * rng.standard_normal((sites, 1)))
    model = km.Kuramoto(coupling, frequency, rng.standard_normal((sites, 2)))
    return model, sphere.random_points((sites, 2), seed=0)


def skew(rng: np.random.Generator, *shape: int) -> np.ndarray:
    weights = rng.standard_normal(shape)
    return weights - np.swapaxes(weights, -1, -2)


# What somebody else may have changed.


class Faster(km.Rotation):
    def __call__(self, x):
        return 3 * super().__call__(x)


class Spin:
    """A frequency with the members of `Frequency`, and nothing else."""

    shared, sites, dimensions = True, None, 2

    def __call__(self, x):
        return km.Rotation([1.0])(x)

    def propagator(self, dt):
        return np.exp(1j * dt)

    def propagate(self, propagator, x):
        turned = (x[..., 0] + 1j * x[..., 1]) * propagator
        return np.stack([turned.real, turned.imag], axis=-1)


class Dense(km.Dense):
    """Not ours, but of a name that is."""

    def __call__(self, x):
        return 2 * super().__call__(x)


class Louder(km.Scaled):
    def __call__(self, x):
        return 2 * super().__call__(x)


class Driven(km.Kuramoto):
    def force(self, x, t=0.0):
        return 2 * super().force(x, t)


class RungeKutta4(km.RungeKutta4):
    """Not ours, but of a name that is."""

    def step(self, model, t, x, dt, carry):
        return super().step(model, t, x, dt / 2, carry)


# Agreement: what `solve` chooses by itself, kernel or not, computes what the generic path does.


def unusual() -> dict[str, tuple[km.Kuramoto, tuple[int, ...]]]:
    rng = np.random.default_rng(0)
    dense, plane, c = km.Dense(rng.random((7, 7)) / 4), km.MeanField(1.5, dims=2), np.ones(2)
    rates, matrices = rng.standard_normal((5, 7, 1)), skew(rng, 5, 7, 2, 2)
    rows, batch = {}, {}
    for name, kind, values in (
        ("planes", km.Rotation, rates),
        ("matrices", km.Antisymmetric, matrices),
    ):
        rows[f"{name} along the last axis"] = km.Kuramoto(plane, kind(values[0]), c), (5, 7, 2)
        batch[f"{name} of every system"] = km.Kuramoto(dense, kind(values), c), (5, 7, 2)
    return {
        **rows,
        **batch,
        "changed rotation": (km.Kuramoto(dense, Faster(rates[0]), c), (7, 2)),
        "own frequency": (km.Kuramoto(dense, Spin(), c), (7, 2)),
        "changed coupling": (km.Kuramoto(Dense(dense.weights), None, c), (7, 2)),
        "changed multiple": (km.Kuramoto(Louder(0.5, dense), None, c), (7, 2)),
        "changed model": (Driven(dense, None, c), (7, 2)),
        "ours": (km.Kuramoto(dense, km.Rotation(rates[0]), c), (7, 2)),
    }


@pytest.mark.parametrize("stepper", STEPPERS[:2], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("case", unusual())
def test_what_solve_chooses_by_itself_agrees(case, stepper, monkeypatch):
    monkeypatch.setattr(_kernels, "_WORTH_SECONDS", -1.0)  # any kernel there is
    model, shape = unusual()[case]
    x = sphere.random_points(shape, seed=0)
    chosen, expected = (
        km.solve(model, x, t1=1.0, dt=0.1, stepper=stepper, compile=wish).final
        for wish in (None, False)
    )
    np.testing.assert_allclose(chosen, expected, rtol=0, atol=1e-12)


@each_stepper
def test_runs_are_compiled_where_that_pays(stepper):
    model, x = problem()
    chosen = [_kernels.choose(None, model, stepper, x, steps) for steps in (1, 100, 10**6)]
    assert chosen == [False, False, True]
    assert _kernels.choose(True, model, stepper, x, 1)
    assert not _kernels.choose(False, model, stepper, x, 10**6)


@each_stepper
def test_states_of_any_layout(stepper):
    model, x = problem()
    words = {"t1": 1.0, "dt": 0.1, "stepper": stepper}
    expected = km.solve(model, x, compile=False, **words).final
    reversed_twice, fixed = x[::-1].copy()[::-1], x.copy()
    fixed.flags.writeable = False
    layouts = {
        "columns first": np.asfortranarray(x),
        "every second": np.repeat(x, 2, axis=0)[::2],
        "every second coordinate": np.repeat(x, 2, axis=1)[:, ::2],
        "negative strides": reversed_twice,
        "broadcast": np.broadcast_to(x, (3, *x.shape)),
        "read-only": fixed,
    }
    for name, view in layouts.items():
        before = view.copy()
        final = km.solve(model, view, compile=True, **words).final
        np.testing.assert_array_equal(view, before, err_msg=name)
        assert final.flags.writeable
        found = np.broadcast_to(expected, final.shape)
        np.testing.assert_allclose(final, found, rtol=0, atol=1e-12, err_msg=name)


def test_weights_that_are_views():
    model, x = problem()
    wide = np.repeat(model.coupling.weights, 2, axis=1)
    weights = {"transposed": wide[:, ::2].T, "strided": wide[:, ::2]}
    for name, view in weights.items():
        other = km.Kuramoto(km.Dense(view), model.frequency, np.asfortranarray(model.stimulus))
        found, expected = (
            km.solve(other, x, t1=1.0, dt=0.1, compile=wish).final for wish in (True, False)
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=name)


def test_parameters_changed_in_place_are_seen():
    model, x = problem()

    def final(compile: bool) -> np.ndarray:
        return km.solve(model, x, t1=1.0, dt=0.1, compile=compile).final

    last = final(True)
    for array in (model.coupling.weights, model.frequency.omega, model.stimulus):
        array *= 1.5
        found = final(True)
        assert np.abs(found - last).max() > 1e-3
        np.testing.assert_allclose(found, final(False), rtol=0, atol=1e-12)
        last = found


# Bad input: what has no kernel is told so, and runs without.


def declined() -> dict[str, tuple[km.Kuramoto, Any, Any]]:
    rng = np.random.default_rng(0)
    model, x = problem(7)
    stepper, field = km.RungeKutta4(), km.Kuramoto(km.MeanField(1.0))
    poles = np.tile([1.0, 0.0], (7, 1))
    cell = sphere.random_points((4, 5, 2), seed=0)
    heads = [(2, 3, 2, 2, 2)] * 2 + [(2, 4, 2, 2, 2), (2, 2, 4, 2, 2)]
    attention = km.Attention(*(rng.standard_normal(shape) for shape in heads))
    wide = rng.standard_normal((21, 21))
    return {
        "stimulus of time": (km.Kuramoto(model.coupling, None, lambda t: poles), stepper, x),
        "attention": (km.Kuramoto(attention), stepper, sphere.random_points((5, 2, 2), seed=0)),
        "sum": (km.Kuramoto(model.coupling + km.MeanField(1.0)), stepper, x),
        "multiple of a sum": (km.Kuramoto(2.0 * (model.coupling + model.coupling)), stepper, x),
        "coupling of a name that is ours": (
            km.Kuramoto(Dense(model.coupling.weights)),
            stepper,
            x,
        ),
        "stepper of a name that is ours": (model, RungeKutta4(), x),
        "geodesic Euler": (model, km.GeodesicEuler(), x),
        "stochastic Heun": (model, km.StochasticHeun(seed=0), x),
        "lattice by FFT": (km.Kuramoto(km.Lattice(wide[:3, :3], method="fft")), stepper, cell),
        "lattice that FFT is faster for": (km.Kuramoto(km.Lattice(wide)), stepper, cell),
        "half precision": (field, stepper, poles.astype(np.float16)),
        "extended precision": (field, stepper, poles.astype(np.longdouble)),
        "another byte order": (field, stepper, poles.astype(np.dtype(np.float64).newbyteorder())),
        "no system": (field, stepper, np.zeros((0, 7, 2))),
        "another library": (field, stepper, array_api_strict.asarray(poles)),
    }


@pytest.mark.parametrize("reason", declined())
def test_what_has_no_kernel_says_so(reason):
    model, stepper, x = declined()[reason]
    assert _kernels.fused(model, stepper, x) is None
    assert not _kernels.choose(None, model, stepper, x, 10**9)
    with pytest.raises(ValueError, match="Argument `compile` must be None or False") as caught:
        km.solve(model, x, t1=1.0, dt=0.1, stepper=stepper, compile=True)
    assert "\n" not in str(caught.value)
    assert type(stepper).__name__ in str(caught.value)


@pytest.mark.parametrize("wish", [1, "yes", np.True_])
def test_compile_must_be_a_choice(wish):
    model, x = problem(7)
    with pytest.raises(TypeError, match="Argument `compile` must be True, False or None"):
        km.solve(model, x, t1=1.0, dt=0.1, compile=wish)


@pytest.mark.parametrize("stepper", [km.RungeKutta4(), km.DormandPrince()])
def test_a_run_that_blows_up_says_so(stepper):
    _, x = problem(7)
    model = km.Kuramoto(km.Dense(np.full((7, 7), 1e300)), km.Rotation(np.ones((7, 1))), np.ones(2))
    with pytest.raises(km.SolveError, match="stopped being finite"):
        km.solve(model, x, t1=1.0, dt=0.1, stepper=stepper, compile=True)


# Numba is loaded only for runs that need it; what it compiles is kept on disk.


def child(script: str, package: Path = PACKAGE, **environment: str) -> Any:
    """Run a script in a process of its own; return what it prints, and what it says."""
    variables = os.environ | {"PYTHONPATH": str(package.parent), **environment}
    command = [sys.executable, "-W", "error", "-c", script]
    place = package.parent
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=place)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


NO_NUMBA = """
import json, sys
import kuramoto as km
model = km.Kuramoto(km.MeanField(1.0))
x = km.sphere.random_points((10, 2), seed=0)
km.solve(model, x, t1=10.0)
km.solve(model, x, t1=1.0, dt=0.01)
km.solve(model, x, t1=100.0, dt=0.1, compile=False)
loaded = ["numba" in sys.modules]
km._kernels.choose(True, model, km.RungeKutta4(), x, 1)
print(json.dumps([*loaded, "numba" in sys.modules]))
"""


def test_runs_that_need_no_numba_do_not_load_it():
    assert child(NO_NUMBA)[0] == [False, True]


CACHED = """
import json
import kuramoto as km
from kuramoto._kernels import drivers, fused, tiles
x = km.sphere.random_points((10, 2), seed=0)
engine = fused(km.Kuramoto(km.MeanField(1.0)), km.ProjectedEuler(), x)
engine.advance(0.0, x, 0.1, 3, None)
functions = engine.driver, tiles.fill, tiles.empty_out
print(json.dumps([
    [sum(f.stats.cache_hits.values()) for f in functions],
    [sum(f.stats.cache_misses.values()) for f in functions],
]))
"""


@pytest.mark.slow
def test_compiled_code_is_kept_on_disk_until_a_source_changes(tmp_path):
    package = tmp_path / "kuramoto"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("nn", "__pycache__"))
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    # What a driver finds on disk it loads by itself, and numba does not count.
    loaded, compiled = [[0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 1]]
    assert child(CACHED, package, **cache)[0] == compiled
    assert child(CACHED, package, **cache) == (loaded, "")
    source = package / "_kernels" / "boards.py"
    source.write_text(source.read_text() + "# another line\n")
    assert child(CACHED, package, **cache)[0] == compiled


# The notice that compiling takes a while.


class Timer:
    """Of `threading`, but it rings when the test says so."""

    def __init__(self, delay: float, function: Any, arguments: list[Any]) -> None:
        self.delay, self.function, self.arguments, self.state = delay, function, arguments, "new"
        timers.append(self)

    def start(self) -> None:
        self.state = "running"

    def cancel(self) -> None:
        self.state = "cancelled"

    def ring(self) -> None:
        if self.state == "running":
            self.function(*self.arguments)


timers: list[Timer] = []


class Function:
    """What numba makes of a function, as far as it is asked here."""

    def __init__(self, slow: bool, error: type[Exception] | None = None) -> None:
        self.slow, self.error, self.overloads = slow, error, {}
        self.targetctx = SimpleNamespace(subtarget=lambda **parts: None)
        self._cache = SimpleNamespace(load_overload=lambda types, context: None)
        self.__name__ = "function"

    def compile(self, types: Any) -> None:
        self.overloads[types] = SimpleNamespace(entry_point=print)
        if self.slow:
            timers[-1].ring()
        if self.error:
            raise self.error


@pytest.fixture
def clock(monkeypatch):
    """Let no time pass but what tests let pass."""
    timers.clear()
    monkeypatch.setattr(jit, "threading", SimpleNamespace(Timer=Timer))
    return timers


def test_slow_compiling_is_announced_once(clock, caplog):
    function = Function(slow=True)
    for number in (1.0, 2.0):
        assert jit.ready(function, (number,), "MeanField with Splitting") is print
    (record,) = caplog.records
    assert record.getMessage().startswith("kuramoto: compiling MeanField with Splitting")
    assert record.name.startswith("kuramoto.")
    assert [(timer.state, timer.delay) for timer in clock] == [("cancelled", 1.0)]


def test_the_notice_is_pythons_own_logging():
    """On stderr by itself, as it reads; silent for who asks that, as `kuramoto --quiet` does."""
    start = "import logging; from kuramoto._kernels import jit; "
    hush = "logging.getLogger('kuramoto').setLevel(logging.ERROR); "
    notice = "jit._logger.warning('compiling'); print(1)"
    assert child(start + notice) == (1, "compiling\n")
    assert child(start + hush + notice) == (1, "")


@pytest.mark.parametrize("error", [None, KeyError])
def test_quick_or_failed_compiling_is_not_announced(error, clock, caplog):
    try:
        jit.ready(Function(slow=False, error=error), (1.0,), "MeanField with Splitting")
    except KeyError:
        assert error is KeyError
    clock[0].ring()
    assert not caplog.records
