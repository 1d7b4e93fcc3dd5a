"""Run files: what comes back, what survives crashes and full disks, what bad files say.

Kinds of tests: agreement (a file equals memory, a resumed run equals an uninterrupted one, bit for
bit), bad input.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.sparse

import kuramoto as km
from kuramoto import storage
from kuramoto.storage import bundle, open_run

PACKAGE = Path(km.__file__).parent
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def phases(M: int = 5) -> tuple[km.Kuramoto, np.ndarray]:
    rng = np.random.default_rng(0)
    model = km.Kuramoto(km.Dense(rng.standard_normal((M, M))), km.Rotation(rng.normal(size=(M, 1))))
    return model, km.sphere.random_points((M, 2), seed=0)


SAVE = km.SaveAt(every=2, times=[0.07, 0.31], start=True)
OBSERVE = {
    "energy": lambda t, x: km.energy(phases()[0], x),
    "mean": lambda t, x: x.mean(axis=-2),
    "time": lambda t, x: t,
}


def written(path: Path, **settings: Any) -> km.Solution:
    model, x0 = phases()
    return km.solve(model, x0, out=path, **({"t1": 1.0, "dt": 0.1, "save": SAVE} | settings))


def assert_same(one: km.Solution, two: km.Solution) -> None:
    np.testing.assert_array_equal(one.times, two.times)
    np.testing.assert_array_equal(np.asarray(one.states), np.asarray(two.states))
    np.testing.assert_array_equal(np.asarray(one.final), np.asarray(two.final))
    assert list(one.observed) == list(two.observed)
    for name in one.observed:
        np.testing.assert_array_equal(
            np.asarray(one.observed[name]), np.asarray(two.observed[name])
        )
    assert one.status is two.status
    assert one.statistics.steps == two.statistics.steps
    assert one.statistics.rejected == two.statistics.rejected


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def one_line(caught: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text


# Agreement: a file holds what memory holds.

RUNS = {
    "fixed": {"t1": 1.0, "dt": 0.1},
    "adaptive": {"t1": 1.0},
    "shorter last step": {"t1": 1.05, "dt": 0.1},
    "max_steps": {"t1": 1.0, "dt": 0.1, "max_steps": 7},
    "no length": {"t1": 0.0, "save": km.SaveAt(start=True)},
    "no rows": {"t1": 1.0, "dt": 0.1, "save": km.SaveAt(end=False)},
    "splitting": {"t1": 1.0, "dt": 0.1, "stepper": km.Splitting()},
    "negative times": {"t0": -2.0, "t1": -1.0, "dt": 0.1, "save": km.SaveAt(every=1)},
}


@pytest.mark.parametrize("settings", RUNS.values(), ids=list(RUNS))
def test_a_file_holds_what_memory_would(tmp_path, settings):
    model, x0 = phases()
    settings = {"save": SAVE, "observe": OBSERVE, **settings}
    memory = km.solve(model, x0, **settings)
    disk = km.solve(model, x0, out=tmp_path / "run.h5", **settings)
    if len(memory.times):
        assert_same(disk, memory)
    np.testing.assert_array_equal(disk.final, memory.final)
    assert disk.times.dtype == memory.times.dtype
    assert disk.states.shape == memory.states.shape
    assert len(disk.states) == len(memory.times)
    assert names_in(tmp_path) == ["run.h5"]
    with open_run(tmp_path / "run.h5") as run:
        assert run.status is memory.status
        assert run.statistics.steps == memory.statistics.steps
        np.testing.assert_array_equal(run.times, memory.times)
        np.testing.assert_array_equal(run.states[()], memory.states)
        np.testing.assert_array_equal(run.position().x, memory.final)
        assert list(run.observed) == list(OBSERVE)


def test_many_chunks_come_back_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_CHUNK_BYTES", 500)
    model, x0 = phases()
    settings = {"t1": 10.0, "dt": 0.1, "save": km.SaveAt(every=1), "observe": OBSERVE}
    disk = km.solve(model, x0, out=tmp_path / "run.h5", **settings)
    assert_same(disk, km.solve(model, x0, **settings))
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["states"].chunks[0] < 10


def test_stored_states_read_like_an_array(tmp_path):
    model, x0 = phases()
    settings = {"t1": 1.0, "dt": 0.1, "save": km.SaveAt(every=1)}
    memory = km.solve(model, x0, **settings).states
    states = km.solve(model, x0, out=tmp_path / "run.h5", **settings).states
    assert states.shape == memory.shape
    assert len(states) == 10
    np.testing.assert_array_equal(states[-1], memory[-1])
    np.testing.assert_array_equal(states[2:8:3], memory[2:8:3])
    np.testing.assert_array_equal(states[:, 0], memory[:, 0])
    np.testing.assert_array_equal(np.stack(list(states)), memory)
    np.testing.assert_array_equal(np.asarray(states), memory)
    assert isinstance(states[0], np.ndarray)


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_files_give_back_the_library_and_dtype_they_were_given(tmp_path, library, dtype):
    xp = pytest.importorskip(library)
    kind = getattr(xp, dtype)
    model = km.Kuramoto(km.MeanField(1.0), km.Rotation(xp.asarray([1.5], dtype=kind)))
    x0 = km.sphere.random_points((4, 2), seed=0, like=xp.asarray([0.0], dtype=kind))
    settings = {"t1": 1.0, "dt": 0.1, "save": km.SaveAt(every=1)}
    disk = km.solve(model, x0, out=tmp_path / "run.h5", **settings)
    memory = km.solve(model, x0, **settings)
    again = km.resume(tmp_path / "run.h5")
    for final in (disk.final, again.final, disk.states[-1], again.states[-1]):
        assert type(final) is type(x0)
        assert final.dtype == kind
        assert bool(xp.all(final == memory.final))
    with open_run(tmp_path / "run.h5") as run:
        restored = run.model()
        assert bool(xp.all(restored.velocity(x0) == model.velocity(x0)))
        assert run.settings["backend"] == library


def test_settings_versions_and_the_experiment_are_inside(tmp_path):
    controller = km.AdaptiveStep(rtol=1e-4, max_step=0.3)
    written(tmp_path / "run.h5", dt=None, controller=controller, seed=3, experiment="name: a test")
    with open_run(tmp_path / "run.h5") as run:
        assert run.experiment == "name: a test"
        assert run.versions["numpy"] == np.__version__
        assert run.versions["h5py"] == h5py.__version__
        plan = run.plan()
        assert (plan.t0, plan.t1, plan.dt, plan.seed) == (0.0, 1.0, None, 3)
        assert plan.stepper == km.DormandPrince()
        assert plan.controller == controller
        assert plan.save == SAVE
        assert run.settings["shape"] == [5, 2]


def test_numpy_numbers_are_numbers(tmp_path):
    settings = {
        "t1": np.float32(1.0),
        "dt": np.float64(0.125),
        "max_steps": np.int64(4),
        "seed": np.uint32(3),
        "save": km.SaveAt(every=np.int64(2), times=np.array([0.5])),
    }
    disk = written(tmp_path / "fixed.h5", **settings)
    assert_same(disk, written(tmp_path / "same.h5", **settings))
    controller = km.AdaptiveStep(rtol=np.float32(1e-4), max_step=np.int64(2))
    written(tmp_path / "adaptive.h5", dt=None, controller=controller)
    with open_run(tmp_path / "adaptive.h5") as run:
        assert run.plan().controller == controller


def test_a_numpy_seed_is_a_seed(tmp_path):
    written(tmp_path / "run.h5", stepper=km.StochasticHeun(seed=np.int64(3)), save=None)
    with open_run(tmp_path / "run.h5") as run:
        assert run.plan().stepper == km.StochasticHeun(seed=3)


# Agreement: models come back.


def with_stimulus(coupling: Any, shape: tuple[int, ...], frequency: Any = None) -> Any:
    rng = np.random.default_rng(9)
    return km.Kuramoto(coupling, frequency, rng.standard_normal(shape)), shape


def restorable() -> dict[str, tuple[km.Kuramoto, tuple[int, ...]]]:
    """Return a model and a state's shape for every coupling and frequency that there is."""
    rng = np.random.default_rng(7)
    draw = rng.standard_normal
    ring = km.graphs.ring(4, 1, strength=0.7)
    blocks = scipy.sparse.bsr_array(
        np.kron(np.eye(4)[[1, 2, 3, 0]], draw((3, 3))), blocksize=(3, 3)
    )
    attention = [draw((2, 5, 3, 4, 4)), draw((2, 5, 3, 4, 4)), draw((2, 2, 3, 4, 4))]
    attention = km.Attention(*attention, draw((2, 3, 2, 4, 4)), scale=0.3)
    omega = draw((4, 3, 3))
    omega = omega - omega.swapaxes(1, 2)
    field = km.MeanField(1.5)
    single = km.Dense(draw((4, 4)).astype(np.float32))
    return {
        "Dense": with_stimulus(km.Dense(draw((4, 4))), (4, 3)),
        "Dense blocks": with_stimulus(km.Dense(draw((4, 4, 3, 3))), (4, 3)),
        "Dense float32": (km.Kuramoto(single), (4, 3)),
        "Sparse": with_stimulus(km.Sparse(ring), (4, 3)),
        "Sparse blocks": with_stimulus(km.Sparse(blocks), (4, 3)),
        "Sparse edges": with_stimulus(
            km.Sparse.from_edges([0, 0, 2], [1, 1, 3], [0.1, 0.2, 0.3], sites=4), (4, 3)
        ),
        "Sparse without edges": with_stimulus(km.Sparse.from_edges([], [], [], sites=4), (4, 3)),
        "MeanField": with_stimulus(field, (4, 3)),
        "MeanField on a grid": with_stimulus(km.MeanField(-2.0, dims=2), (4, 5, 3)),
        "Lattice": with_stimulus(km.Lattice(draw(3)), (6, 2)),
        "Lattice zero fft": with_stimulus(km.Lattice(draw((3, 5)), "zero", "fft"), (6, 7, 2)),
        "Lattice blocks": with_stimulus(
            km.Lattice(draw((3, 3, 3)), "reflect", "direct", dims=1), (6, 3)
        ),
        "Lattice channels": with_stimulus(
            km.Lattice(draw((2, 2, 3, 3)), channels=True), (2, 5, 5, 3)
        ),
        "Lattice in full": with_stimulus(
            km.Lattice(draw((2, 2, 3, 3, 4, 4)), channels=True), (2, 5, 5, 4)
        ),
        "Attention": (km.Kuramoto(attention), (6, 3, 4)),
        "Frustrated": with_stimulus(km.Frustrated(km.Dense(draw((4, 4))), draw((3, 3))), (4, 3)),
        "Triadic": (km.Kuramoto(km.Triadic(0.7)), (4, 3)),
        "Triadic symmetric": (km.Kuramoto(km.Triadic(0.7, "symmetric", dims=2)), (4, 2, 3)),
        "Tetradic": (km.Kuramoto(km.Tetradic(0.7)), (4, 3)),
        "Triangles": (
            km.Kuramoto(km.Triangles([[0, 1, 2], [1, 2, 3]], [0.5, 0.8], sites=4)),
            (4, 3),
        ),
        "Scaled": with_stimulus(0.3 * km.Dense(draw((4, 4))), (4, 3)),
        "Sum": with_stimulus(km.Dense(draw((4, 4))) + 0.5 * (field - km.Sparse(ring)), (4, 3)),
        "Rotation shared": with_stimulus(field, (4, 5), km.Rotation(draw(2))),
        "Rotation each": with_stimulus(field, (4, 3), km.Rotation(draw((4, 1)))),
        "Antisymmetric shared": with_stimulus(field, (4, 3), km.Antisymmetric(omega[0])),
        "Antisymmetric each": with_stimulus(field, (4, 3), km.Antisymmetric(omega)),
        "noise": (km.Kuramoto(field, noise=0.25), (4, 3)),
    }


MODELS = restorable()


def test_every_coupling_and_frequency_is_in_the_list():
    concrete = {
        kind.__name__
        for kind in [*vars(km.couplings).values(), *vars(km.frequencies).values()]
        if isinstance(kind, type)
        and kind.__module__.startswith("kuramoto.")
        and "parameters" in vars(kind)
        and not kind.__name__.startswith("_")
    } - {"Coupling", "Linear", "Frequency"}
    assert concrete <= {name.split()[0] for name in MODELS}
    assert len(concrete) >= 8


@pytest.mark.parametrize("name", list(MODELS))
def test_models_come_back_bit_for_bit(tmp_path, name):
    model, shape = MODELS[name]
    like = np.zeros(0, dtype=np.float32 if "float32" in name else np.float64)
    x = km.sphere.random_points(shape, seed=1, like=like)
    stepper = km.StochasticHeun() if model.noise else km.Splitting()
    settings = {"t1": 0.2, "dt": 0.1, "stepper": stepper, "seed": 0}
    final = km.solve(model, x, out=tmp_path / "run.h5", **settings).final
    with open_run(tmp_path / "run.h5") as run:
        restored = run.model()
    np.testing.assert_array_equal(restored.velocity(x), model.velocity(x))
    np.testing.assert_array_equal(restored.energy(x), model.energy(x))
    assert restored.noise == model.noise
    assert repr(restored) == repr(model)
    np.testing.assert_array_equal(km.solve(restored, x, **settings).final, final)


def test_a_stimulus_that_is_a_function_is_asked_for_again(tmp_path):
    model = km.Kuramoto(km.MeanField(1.0), None, lambda t: np.array([np.cos(t), 0.0]))
    x0 = km.sphere.random_points((4, 2), seed=0)
    path = tmp_path / "run.h5"
    settings = {"t1": 1.0, "dt": 0.1, "save": km.SaveAt(every=1)}
    solution = km.solve(model, x0, out=path, **settings)
    with open_run(path) as run:
        np.testing.assert_array_equal(run.states[()], km.solve(model, x0, **settings).states)
        with pytest.raises(ValueError, match=r"stimulus \(a function\)") as caught:
            run.model()
    assert "pass model=" in one_line(caught)
    with pytest.raises(ValueError, match="pass model="):
        km.resume(path)
    assert_same(km.resume(path, model=model), solution)


class Mine(km.Linear):
    """A coupling of somebody's own."""

    def __call__(self, x: np.ndarray, /) -> np.ndarray:
        return 2.0 * x

    def parameters(self) -> dict[str, Any]:
        return {}


def test_a_coupling_of_ones_own_is_named(tmp_path):
    x0 = km.sphere.random_points((4, 2), seed=0)
    km.solve(km.Kuramoto(km.MeanField(1.0) + Mine()), x0, t1=1.0, dt=0.1, out=tmp_path / "run.h5")
    with (
        open_run(tmp_path / "run.h5") as run,
        pytest.raises(ValueError, match="class Mine") as caught,
    ):
        run.model()
    assert "pass model=" in one_line(caught)


class Euler:
    """A stepper of somebody's own: no dataclass, and not ours."""

    order = 1

    def init(self, model: km.Kuramoto, t: float, x: np.ndarray) -> None:
        """Carry nothing."""

    def step(self, model: km.Kuramoto, t: float, x: np.ndarray, dt: float, carry: None) -> km.Step:
        return km.Step(km.sphere.normalize(x + dt * model.velocity(x, t)), None, None)


def test_a_stepper_of_ones_own_writes_files_that_say_so(tmp_path):
    solution = written(tmp_path / "run.h5", stepper=Euler(), max_steps=3)
    with open_run(tmp_path / "run.h5") as run:
        np.testing.assert_array_equal(run.times, solution.times)
    before = (tmp_path / "run.h5").read_bytes()
    with pytest.raises(ValueError, match="Euler") as caught:
        km.resume(tmp_path / "run.h5")
    assert "cannot be resumed" in one_line(caught)
    assert (tmp_path / "run.h5").read_bytes() == before


# Agreement: a run that was cut short goes on as if nothing had happened.


class Cut:
    """A stimulus or observable that raises at its n-th call."""

    def __init__(self, calls: int, error: BaseException, function: Any) -> None:
        self.left, self.error, self.function = calls, error, function

    def __call__(self, *args: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.function(*args)


def swing(t: float) -> np.ndarray:
    return np.array([np.cos(30 * t), 0.5])


def swung(stimulus: Any = swing) -> km.Kuramoto:
    model, _ = phases()
    return km.Kuramoto(model.coupling, model.frequency, stimulus)


CUT_RUNS = {
    "Runge-Kutta": {"t1": 1.0, "dt": 0.1},
    "Dormand-Prince": {"t1": 1.0, "dt": 0.07, "stepper": km.DormandPrince()},
    "adaptive": {"t1": 1.0},
}


@pytest.mark.parametrize("run", list(CUT_RUNS))
@pytest.mark.parametrize("place", ["stimulus", "observable"])
def test_an_interrupted_run_resumes_to_the_same_rows(tmp_path, place, run):
    error, status = KeyboardInterrupt(), "interrupted"
    if run == "Runge-Kutta":
        error, status = RuntimeError("no more"), "failed"
    settings = CUT_RUNS[run] | {"save": km.SaveAt(times=[0.25, 0.55, 0.57], every=1, start=True)}
    _, x0 = phases()
    whole = km.solve(swung(), x0, **settings, observe={"x": lambda t, x: x[0, 0]})
    cut_short = 0
    for calls in (*range(1, 16), *range(16, 80, 7)):
        path = tmp_path / f"{calls}.h5"
        stimulus, observable = swing, lambda t, x: x[0, 0]
        if place == "stimulus":
            stimulus = Cut(calls, error, swing)
        else:
            observable = Cut(calls, error, observable)
        try:
            km.solve(swung(stimulus), x0, **settings, out=path, observe={"x": observable})
        except type(error):
            pass
        else:
            break
        if not path.exists():  # cut before anything began
            continue
        cut_short += 1
        with open_run(path) as run:
            assert run.status == status
            np.testing.assert_array_equal(run.times, whole.times[: len(run.times)])
        assert_same(km.resume(path, model=swung(), observe={"x": lambda t, x: x[0, 0]}), whole)
    assert cut_short > 8


def test_steps_whose_times_do_not_add_up_resume_bit_for_bit(tmp_path, monkeypatch):
    # Here t + dt misses the next step's t0 + n·dt by a rounding, and the stimulus is fast enough to
    # tell: Dormand-Prince, whose last stage is the next step's first, must start again from t + dt.
    monkeypatch.setattr(storage, "_CHUNK_BYTES", 1)
    rattle = Rattle()
    x0 = phases()[1]
    settings = {"t1": 0.1, "dt": 0.0037, "stepper": km.DormandPrince(), "save": km.SaveAt(every=1)}
    assert any(n * 0.0037 + 0.0037 != (n + 1) * 0.0037 for n in range(26))
    whole = km.solve(swung(rattle), x0, **settings)
    for calls in range(10, 150, 12):
        path = tmp_path / f"{calls}.h5"
        with pytest.raises(KeyboardInterrupt):
            km.solve(swung(Cut(calls, KeyboardInterrupt(), rattle)), x0, **settings, out=path)
        assert_same(km.resume(path, model=swung(rattle)), whole)


class Rattle:
    """A stimulus that turns a rounding of t into something visible."""

    def __call__(self, t: float) -> np.ndarray:
        return 300 * np.array([np.cos(170_000 * t), 0.3])


def test_a_finished_file_resumes_to_itself(tmp_path):
    path = tmp_path / "run.h5"
    solution = written(path, observe=OBSERVE)
    before = path.read_bytes()
    assert_same(km.resume(path, observe=OBSERVE), solution)
    assert path.read_bytes() == before


def test_observables_of_ones_own_are_asked_for_again(tmp_path):
    path = tmp_path / "run.h5"
    written(path, observe=OBSERVE, max_steps=3)
    with pytest.raises(ValueError, match="energy, mean, time") as caught:
        km.resume(path)
    assert "pass them again" in one_line(caught)
    with pytest.raises(ValueError, match=r"observed mean, time by"):
        km.resume(path, observe={"energy": OBSERVE["energy"]})


@pytest.mark.parametrize(
    ("odd", "found"),
    [
        ("text", "is of type str"),
        (None, "is of type NoneType"),
        (1j, "is of type complex"),
        (np.zeros(3), "has shape (3,)"),
        (0.5, "float64"),
    ],
    ids=["text", "None", "complex", "other shape", "other kind"],
)
def test_an_observable_that_changes_its_kind_is_told_about(tmp_path, odd, found):
    # An integer at first: HDF5 would cut 0.5 down to 0 without a word.
    def observe(t: float, x: np.ndarray) -> Any:
        return 1 if t < 0.55 else odd

    path = tmp_path / "run.h5"
    with pytest.raises((ValueError, TypeError), match=r"observe\['kind'\]") as caught:
        written(path, save=km.SaveAt(every=1), observe={"kind": observe})
    assert found in one_line(caught)
    with open_run(path) as run:
        assert run.status == "failed"
        np.testing.assert_allclose(run.times, [0.1, 0.2, 0.3, 0.4, 0.5])
        np.testing.assert_array_equal(run.observed["kind"], 1)


def test_an_observable_must_return_numbers_from_the_start(tmp_path):
    with pytest.raises(ValueError, match="must return real numbers") as caught:
        written(tmp_path / "run.h5", observe={"name": lambda t, x: "synchronous"})
    one_line(caught)
    assert names_in(tmp_path) == []


# Crashes. Child processes run what stands in CRASHES; each is killed by a SIGKILL of its own, just
# before one of the calls by which a run writes.

CRASHES = """
import json, os, signal, sys
from pathlib import Path
import h5py
import numpy as np
import kuramoto as km
from kuramoto import storage

storage._CHUNK_BYTES = 1  # write after every leg that saved something
rng = np.random.default_rng(0)
dense, rotation = km.Dense(rng.standard_normal((5, 5))), km.Rotation(rng.normal(size=(5, 1)))
jolts = lambda t: np.array([20.0 if t % 0.2 > 0.1 else 0.0, 0.0])
CASES = {
    "fixed": (None, 0.0, dict(t1=0.55, dt=0.1)),
    "adaptive": (jolts, 0.0, dict(t1=0.13, controller=km.AdaptiveStep(rtol=3e-3))),
    "noise": (None, 0.3, dict(t1=0.5, dt=0.1, stepper=km.StochasticHeun(), seed=11)),
}
stimulus, noise, settings = CASES[sys.argv[1]]
save = dict(every=1, start=True, times=None if noise else [0.05, 0.12])
settings["save"] = km.SaveAt(**save)
settings["observe"] = {"mean": lambda t, x: x.mean(axis=0), "time": lambda t, x: t}
model = km.Kuramoto(dense, rotation, stimulus, noise)
x0 = km.sphere.random_points((5, 2), seed=0)
path = Path(sys.argv[2]) / "run.h5"
whole = km.solve(model, x0, **settings)


def arm(calls):
    def guard(owner, name):
        original = getattr(owner, name)

        def guarded(*args, **keywords):
            arm.left -= 1
            if arm.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **keywords)

        setattr(owner, name, guarded)

    arm.left = calls
    for name in ("__setitem__", "resize"):
        guard(h5py.Dataset, name)
    for name in ("flush", "close"):
        guard(h5py.File, name)
    for name in ("link", "replace", "posix_fallocate"):
        if hasattr(os, name):
            guard(os, name)


def killed(calls, action):
    pid = os.fork()
    if pid == 0:
        arm(calls)
        action()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    assert os.WEXITSTATUS(status) == 0, status
    return False


def resume():
    return km.resume(path, model=model, observe=settings["observe"])


def same(solution):
    pairs = [(solution.times, whole.times), (np.asarray(solution.states), whole.states)]
    pairs += [(solution.final, whole.final)]
    pairs += [(solution.observed[name], whole.observed[name]) for name in whole.observed]
    counts = [(s.statistics.steps, s.statistics.rejected) for s in (solution, whole)]
    return all(np.array_equal(a, b) for a, b in pairs) and counts[0] == counts[1]


def opens():
    with h5py.File(path, "r", libver="latest", swmr=True) as file:
        return len(file["times"]) >= 0


def look():
    with storage.open_run(path) as run:
        good = np.array_equal(run.times, whole.times[: run.rows])
        good &= np.array_equal(np.asarray(run.states), whole.states[: run.rows])
        return bool(good), run.rows, str(run.status)


def clear():
    for entry in path.parent.iterdir():
        entry.unlink()
"""

KILLED_RUNS = """
found, calls = [], 0
while True:
    calls += 1
    clear()
    if not killed(calls, lambda: km.solve(model, x0, out=path, **settings)):
        break
    if path.exists():
        found.append([calls, opens(), *look(), same(resume())])
print(json.dumps({"killed": calls - 1, "found": found, "rejected": whole.statistics.rejected}))
"""

KILLED_RESUMES = """
calls = 0
while True:  # a file that has about half of the rows
    calls += 5
    clear()
    assert killed(calls, lambda: km.solve(model, x0, out=path, **settings))
    if path.exists() and look()[1] >= 4:
        break
half, found, calls = path.read_bytes(), [], 0
while True:
    calls += 1
    clear()
    path.write_bytes(half)
    if not killed(calls, resume):
        break
    found.append([calls, opens(), *look(), same(resume())])
print(json.dumps({"killed": calls - 1, "found": found}))
"""


def child(script: str, *arguments: str | Path, **keywords: Any) -> subprocess.Popen[str]:
    """Start Python on a script, with this very package."""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes, **keywords)


def child_result(script: str, *arguments: str | Path) -> Any:
    process = child(script, *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-2000:]
    return json.loads(out.splitlines()[-1])


@needs_fork
@pytest.mark.parametrize("case", ["fixed", "adaptive", "noise"])
def test_a_run_killed_at_any_moment_opens_and_resumes_bit_for_bit(tmp_path, case):
    result = child_result(CRASHES + KILLED_RUNS, case, tmp_path)
    assert result["killed"] > 50  # every writing call was reached
    assert len(result["found"]) > 40
    rows = [row for _, _, _, row, _, _ in result["found"]]
    assert rows == sorted(rows)
    assert rows[0] == 0
    assert rows[-1] >= 6
    for calls, opens, readable, _, status, same in result["found"]:
        assert opens
        assert readable, f"killed before writing call {calls}"
        assert same, f"killed before writing call {calls}"
        assert status in ("running", "finished")
    if case == "adaptive":
        assert result["rejected"] > 0


@needs_fork
def test_a_resume_killed_at_any_moment_resumes_again(tmp_path):
    result = child_result(CRASHES + KILLED_RESUMES, "fixed", tmp_path)
    assert result["killed"] > 20
    for calls, opens, readable, rows, _, same in result["found"]:
        assert opens
        assert readable, f"killed before writing call {calls}"
        assert rows >= 4, f"killed before writing call {calls}"
        assert same, f"killed before writing call {calls}"


SLOW_RUN = """
import sys
import numpy as np
import kuramoto as km
from kuramoto import storage
storage._CHUNK_BYTES = 1
rng = np.random.default_rng(0)
model = km.Kuramoto(km.Dense(rng.standard_normal((5, 5))), km.Rotation(rng.normal(size=(5, 1))))
x0 = km.sphere.random_points((5, 2), seed=0)
km.solve(model, x0, t1=500.0, dt=0.1, out=sys.argv[1], save=km.SaveAt(every=1))
"""


@needs_fork
@pytest.mark.parametrize("enough", [1, 150])
def test_a_run_is_read_from_outside_while_it_goes_on_and_survives_kill_9(tmp_path, enough):
    path = tmp_path / "run.h5"
    model, x0 = phases()
    whole = km.solve(model, x0, t1=500.0, dt=0.1, save=km.SaveAt(every=1))
    process = child(SLOW_RUN, path)
    try:
        seen = watch(path, enough)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert seen == sorted(seen)
    with h5py.File(path, "r", libver="latest", swmr=True) as file:
        assert len(file["times"]) >= enough
    with open_run(path) as run:
        assert run.status is km.Status.RUNNING
        assert enough <= run.rows < 5000
        np.testing.assert_array_equal(run.states[()], whole.states[: run.rows])
    resumed = km.resume(path)
    np.testing.assert_array_equal(resumed.final, whole.final)
    np.testing.assert_array_equal(resumed.times, whole.times)
    np.testing.assert_array_equal(resumed.states[()], whole.states)
    assert names_in(tmp_path) == ["run.h5"]


def watch(path: Path, enough: int) -> list[int]:
    """Read a growing file over and over until it has enough rows; return how many there were."""
    seen, deadline = [0], time.monotonic() + 60
    while seen[-1] < enough:
        assert time.monotonic() < deadline
        time.sleep(0.005)
        if path.exists():
            with open_run(path) as run:
                assert run.status is km.Status.RUNNING
                assert len(run.times) == run.rows == len(run.states)
                assert run.statistics.steps == run.rows
                seen.append(run.rows)
    return seen


def test_a_run_reads_its_own_file_while_it_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_CHUNK_BYTES", 1)
    path, seen = tmp_path / "run.h5", []

    def look(t: float, x: np.ndarray) -> float:
        if path.exists():
            with open_run(path) as run:
                seen.append(len(run.times))
        return t

    written(path, save=km.SaveAt(every=1), observe={"look": look})
    assert seen == list(range(10))


# Torn checkpoints.


def slot_places(path: Path) -> list[int]:
    """Return where in the file the two slots' states begin, the newest first."""
    with h5py.File(path) as file:
        slots = file["checkpoint"]
        numbers, start = slots["numbers"][()], slots["x"].id.get_offset()
        size = slots["x"][0].nbytes
    newest = int(np.argmax(numbers[:, 0]))
    return [start + newest * size, start + (1 - newest) * size]


def overwrite_bytes(path: Path, place: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


def test_a_torn_checkpoint_gives_way_to_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_CHUNK_BYTES", 1)
    path = tmp_path / "run.h5"
    whole = written(path, save=km.SaveAt(every=1))
    expected = np.asarray(whole.states)
    newest, other = slot_places(path)
    overwrite_bytes(path, newest, b"torn")
    with open_run(path) as run:
        assert run.status is km.Status.RUNNING
        assert 0 < run.rows <= len(expected)
        np.testing.assert_array_equal(run.states[()], expected[: run.rows])
    resumed = km.resume(path)
    np.testing.assert_array_equal(resumed.states[()], expected)
    np.testing.assert_array_equal(resumed.final, expected[-1])
    assert resumed.status is km.Status.FINISHED

    newest, other = slot_places(path)
    overwrite_bytes(path, other, b"torn")
    with open_run(path) as run:
        assert run.status is km.Status.FINISHED


def test_two_torn_checkpoints_are_an_error(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    written(path)
    for place in slot_places(path):
        overwrite_bytes(path, place, b"torn")
    before = path.read_bytes()
    for use in (open_run, km.resume):
        with pytest.raises(ValueError, match="damaged") as caught:
            use(path)
        assert "neither checkpoint is whole" in one_line(caught)
    assert path.read_bytes() == before


# A full disk. RLIMIT_FSIZE stands in for it: beyond it every write fails with EFBIG.

FULL_DISK = """
import json, os, resource, sys
from pathlib import Path
import numpy as np
import kuramoto as km
from kuramoto.storage import StorageError, open_run

rng = np.random.default_rng(0)
model = km.Kuramoto(km.MeanField(1.0), km.Rotation(rng.normal(size=(200, 1))))
x0 = km.sphere.random_points((200, 3), seed=0)
settings = dict(t1=60.0, dt=0.1, save=km.SaveAt(every=1))
whole = km.solve(model, x0, **settings)
path = Path(sys.argv[1]) / "run.h5"


def limited(limit, action):
    '''Act in a child process that may write files of so many bytes; return how it ended.'''
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            words = str(action().status)
        except StorageError as error:
            words = f"StorageError {error}"
        except OSError as error:
            words = f"OSError {error}"
        os.write(writer, words.encode())
        sys.exit(0)  # in the ordinary way: HDF5 tidies up at exit
    os.close(writer)
    with open(reader) as pipe:
        words = pipe.read()
    _, status = os.waitpid(pid, 0)
    return words, os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def equal(solution):
    rows = np.array_equal(np.asarray(solution.states), whole.states)
    return bool(rows and np.array_equal(solution.final, whole.final))


def look():
    with open_run(path) as run:
        return run.rows, bool(np.array_equal(np.asarray(run.states), whole.states[: run.rows]))


found = []
for limit in json.loads(sys.argv[2]):
    words, orderly = limited(limit, lambda: km.solve(model, x0, out=path, **settings))
    entry = {"limit": limit, "words": words, "orderly": orderly, "exists": path.exists()}
    if path.exists():
        entry["rows"], entry["readable"] = look()
        before = path.read_bytes()
        if words.startswith("StorageError"):
            entry["again"] = limited(limit, lambda: km.resume(path))
            entry["after"] = look()
        entry["resumed"] = equal(km.resume(path))
    entry["folder"] = sorted(other.name for other in path.parent.iterdir())
    found.append(entry)
    path.unlink(missing_ok=True)
print(json.dumps(found))
"""

LIMITS = [2_000, 20_000, 130_000, 200_000, 1_200_000, 1_400_000, 2_300_000, 3_300_000, 20_000_000]


@needs_fork
def test_a_full_disk_ends_the_run_in_one_line_and_leaves_a_file_that_resumes(tmp_path):
    pytest.importorskip("resource")
    found = child_result(FULL_DISK, tmp_path, json.dumps(LIMITS))
    kinds = [entry["words"].split()[0] for entry in found]
    assert kinds[0] == "OSError"
    assert kinds[-1] == "finished"
    assert kinds.count("StorageError") >= 4
    for entry in found:
        assert entry["orderly"], entry
        assert "\n" not in entry["words"]
        if entry["words"].startswith("OSError"):  # there was no room to begin
            assert "cannot be written" in entry["words"]
            assert entry["folder"] == []
            continue
        assert entry["readable"], entry
        assert entry["resumed"], entry
        assert entry["folder"] == ["run.h5"]
        if entry["words"].startswith("StorageError"):
            assert f"Could not write to {tmp_path / 'run.h5'} at t = " in entry["words"]
            assert "free some space" in entry["words"]
            words, orderly = entry["again"]  # resuming while the disk is still full
            assert orderly, entry
            assert words.split()[0] in ("StorageError", "OSError", "finished"), entry
            assert entry["after"][1], entry
            assert entry["after"][0] >= entry["rows"], entry


# Bad input: files that are no run files.


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.h5"
    written(path, t1=30.0, save=km.SaveAt(every=1), observe={"time": lambda t, x: t})
    return path


def attempts(path: Path) -> list[Any]:
    return [lambda: open_run(path), lambda: km.resume(path)]


def refused(path: Path, kind: type[Exception], text: str) -> None:
    """Check that reading and resuming are refused in one line that names the file."""
    before = path.read_bytes() if path.is_file() else b""
    for attempt in attempts(path):
        with pytest.raises(kind, match=text) as caught:
            attempt()
        assert str(path) in one_line(caught)
    if path.is_file():
        assert path.read_bytes() == before


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    refused(tmp_path / "none.h5", FileNotFoundError, "does not exist")
    refused(tmp_path, FileNotFoundError, "is a folder")


@pytest.mark.parametrize("content", [b"", b"t,x\n0,1\n", b"\x89HDF\r\n\x1a\n", b"\x89HDF"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "run.h5"
    path.write_bytes(content)
    refused(path, ValueError, "not an HDF5 file|damaged or truncated")


OPEN_IN_A_CHILD = """
import sys
import kuramoto as km
for path in sys.argv[1:]:
    for action in (km.storage.open_run, km.resume):
        try:
            action(path)
            print("opened", flush=True)
        except ValueError as error:
            print(error, flush=True)
"""


def lines_of_child(script: str, *arguments: str | Path) -> list[str]:
    """Return what a child prints within a generous time: an HDF5 reader may wait for ever."""
    process = child(script, *arguments)
    try:
        out, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    else:
        assert process.returncode == 0, err[-2000:]
    return out.splitlines()


def data_end(path: Path) -> int:
    """Return where the last byte of the last row of anything lies."""
    with h5py.File(path) as file:
        rows = [file[name].id for name in ("times", "states", "observed/time")]
        last = [chunks.get_chunk_info(chunks.get_num_chunks() - 1) for chunks in rows]
    return max(chunk.byte_offset + chunk.size for chunk in last)


def test_truncated_files_are_refused(tmp_path, run_file):
    content, end, paths = run_file.read_bytes(), data_end(run_file), []
    for size in (40, 60, 500, 2000, 4096, end // 3, end // 2, end - 1000, end - 1):
        paths.append(tmp_path / f"{size}.h5")
        paths[-1].write_bytes(content[:size])
    lines = lines_of_child(OPEN_IN_A_CHILD, *paths)
    for path, line in zip(np.repeat(paths, 2), lines, strict=False):
        assert "damaged or truncated" in line or "not an HDF5 file" in line, path.name
        assert path.name in line
    assert len(lines) == 2 * len(paths), f"waits for ever on {paths[len(lines) // 2].name}"


def test_a_finished_file_keeps_no_room_that_it_had_set_aside(run_file):
    assert run_file.stat().st_size - data_end(run_file) < 10_000


TRUNCATE_KILLED = """
calls = 0
while not path.exists() or look()[1] < 4:
    calls += 9
    clear()
    assert killed(calls, lambda: km.solve(model, x0, out=path, **settings))
content = path.read_bytes()
with h5py.File(path, "r", libver="latest", swmr=True) as file:
    states = file["states"].id
    chunks = [states.get_chunk_info(n) for n in range(states.get_num_chunks())]
    end = max(chunk.byte_offset + chunk.size for chunk in chunks)
for size in (end - 1, end // 2, 60):
    path.write_bytes(content[:size])
    try:
        look()
        print("opened", flush=True)
    except (ValueError, OSError) as error:
        print(error, flush=True)
"""


@needs_fork
def test_files_of_killed_runs_that_were_truncated_too_are_refused(tmp_path):
    lines = lines_of_child(CRASHES + TRUNCATE_KILLED, "fixed", tmp_path)
    assert len(lines) == 3, f"waits for ever: {lines}"
    for line in lines:
        assert "damaged or truncated" in line


def changed(path: Path, name: str, value: Any) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value


def test_a_newer_format_is_refused(run_file):
    changed(run_file, "format_version", 99)
    refused(run_file, ValueError, "format 99, newer than the 1 .* upgrade kuramoto-spheres")


@pytest.mark.parametrize("value", ["1", np.arange(2)], ids=["text", "array"])
def test_a_format_version_that_is_no_number_is_refused(run_file, value):
    changed(run_file, "format_version", value)
    refused(run_file, ValueError, "damaged")


@pytest.mark.parametrize(
    "mark", [None, "other-format", 3, np.arange(3)], ids=["none", "text", "number", "array"]
)
def test_foreign_hdf5_is_refused(tmp_path, mark):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(3)
        if mark is not None:
            file.attrs["format"] = mark
    refused(path, ValueError, "not written by a run of kuramoto")


@pytest.mark.parametrize("name", ["settings", "versions", "checkpoint"])
def test_files_that_lack_a_part_are_refused(run_file, name):
    with h5py.File(run_file, "r+") as file:
        del (file if name in file else file.attrs)[name]
    refused(run_file, ValueError, "damaged")


def test_broken_settings_are_refused(run_file):
    changed(run_file, "settings", "{t1: ")
    refused(run_file, ValueError, "damaged")


# Bad input: output paths.


def test_an_existing_output_is_not_touched(tmp_path, run_file):
    before = run_file.read_bytes()
    with pytest.raises(FileExistsError) as caught:
        written(run_file)
    text = one_line(caught)
    assert str(run_file) in text
    assert "exists already" in text
    assert "overwrite=True" in text
    assert run_file.read_bytes() == before
    assert names_in(tmp_path) == ["run.h5"]


def test_overwrite_replaces(tmp_path, run_file):
    run_file.write_text("something else")
    solution = written(run_file, overwrite=True)
    assert_same(solution, written(tmp_path / "other.h5"))
    assert names_in(tmp_path) == ["other.h5", "run.h5"]


def test_overwriting_with_bad_input_leaves_the_old_file(run_file):
    before = run_file.read_bytes()
    model, x0 = phases()
    for bad in ({"dt": -1.0}, {"dt": 0.1, "observe": {"name": lambda t, x: "text"}}):
        with pytest.raises(ValueError, match="Argument"):
            km.solve(model, x0, t1=1.0, out=run_file, overwrite=True, **bad)
    with pytest.raises(ValueError, match="unit vectors"):
        km.solve(model, 2 * x0, t1=1.0, dt=0.1, out=run_file, overwrite=True)
    assert run_file.read_bytes() == before


def test_outputs_that_are_folders_or_lie_nowhere_are_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it") as caught:
        written(tmp_path)
    one_line(caught)
    with pytest.raises(FileNotFoundError, match="does not exist; create it first") as caught:
        written(tmp_path / "none" / "run.h5")
    one_line(caught)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file") as caught:
        written(tmp_path / "file" / "run.h5")
    one_line(caught)
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("length", [250, 300])
def test_names_that_are_too_long_are_refused(tmp_path, length):
    with pytest.raises(OSError, match="ile name too long") as caught:
        written(tmp_path / ("x" * length))
    one_line(caught)
    assert names_in(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_an_output_folder_without_permission_is_refused(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="cannot be written") as caught:
            written(folder / "run.h5")
        assert str(folder / "run.h5") in one_line(caught)
        assert names_in(folder) == []
    finally:
        folder.chmod(0o700)


def test_a_file_that_appears_in_the_meantime_is_not_replaced(tmp_path, monkeypatch):
    path, link = tmp_path / "run.h5", os.link

    def late(source: Any, target: Any) -> None:
        path.write_text("somebody else's")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FileExistsError, match="exists already") as caught:
        written(path)
    one_line(caught)
    assert path.read_text() == "somebody else's"
    assert names_in(tmp_path) == ["run.h5"]


def test_file_systems_without_hard_links_will_do(tmp_path, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "run.h5"
    solution = written(path)
    with pytest.raises(FileExistsError):
        written(path)
    monkeypatch.undo()
    assert_same(solution, written(tmp_path / "other.h5"))
    assert names_in(tmp_path) == ["other.h5", "run.h5"]


# Bundles.


@pytest.fixture
def two_runs(tmp_path: Path) -> dict[str, Path]:
    written(tmp_path / "a.h5", observe=OBSERVE)
    written(tmp_path / "b.h5", t1=2.0, max_steps=5)
    return {"left": tmp_path / "a.h5", "right": tmp_path / "b.h5"}


def test_a_bundle_holds_runs_by_name(tmp_path, two_runs):
    path = bundle(two_runs, tmp_path / "both.h5")
    assert names_in(tmp_path) == ["a.h5", "b.h5", "both.h5"]
    _, x0 = phases()
    for name, source in two_runs.items():
        with open_run(path, name) as run, open_run(source) as alone:
            assert run.names == ["left", "right"]
            assert_same(run.solution(), alone.solution())
            np.testing.assert_array_equal(run.model().velocity(x0), alone.model().velocity(x0))
            assert run.plan() == alone.plan()
    with open_run(path) as run, open_run(path, "left") as left:
        np.testing.assert_array_equal(run.times, left.times)  # the first, where none is named
    with pytest.raises(ValueError, match="holds no run 'rihgt'; did you mean `right`") as caught:
        open_run(path, "rihgt")
    one_line(caught)


def test_a_bundle_is_not_written_over(tmp_path, two_runs):
    path = bundle(two_runs, tmp_path / "both.h5")
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="exists already"):
        bundle(two_runs, path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        bundle({"gone": tmp_path / "gone.h5"}, path, overwrite=True)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["a.h5", "b.h5", "both.h5"]
    bundle({"left": two_runs["left"]}, path, overwrite=True)
    with open_run(path) as run:
        assert run.names == ["left"]


@pytest.mark.parametrize("order", [("left", "right"), ("right", "left")])
def test_resuming_a_bundle_never_loses_a_run(tmp_path, two_runs, order):
    path = bundle({name: two_runs[name] for name in order}, tmp_path / "both.h5")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"both\.h5") as caught:
        km.resume(path, observe=OBSERVE)
    one_line(caught)
    assert path.read_bytes() == before


@pytest.mark.parametrize("runs", [{}, {"": "a.h5"}, {"a/b": "a.h5"}], ids=["none", "blank", "path"])
def test_a_bundle_needs_runs_and_plain_names(tmp_path, two_runs, runs):
    with pytest.raises(ValueError, match="runs") as caught:
        bundle({name: tmp_path / file for name, file in runs.items()}, tmp_path / "both.h5")
    one_line(caught)
    assert not (tmp_path / "both.h5").exists()


def test_a_bundle_of_bundles_is_refused(tmp_path, two_runs):
    path = bundle(two_runs, tmp_path / "both.h5")
    with pytest.raises(ValueError, match=r"both\.h5") as caught:
        bundle({"all": path}, tmp_path / "more.h5")
    one_line(caught)
    assert not (tmp_path / "more.h5").exists()


# No pickle anywhere.

UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "unsafe_load", "full_load", "read_pickle", "to_pickle"}


def unsafe(tree: ast.AST) -> list[str]:
    """Return what a module's source does that could run code out of a file."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in UNSAFE_MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").split(".")[0] in UNSAFE_MODULES else []
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            found += [called] if called in UNSAFE_CALLS and _is_builtin(node) else []
            for keyword in node.keywords:
                safe = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                found += ["allow_pickle"] if keyword.arg == "allow_pickle" and not safe else []
    return found


def _is_builtin(call: ast.Call) -> bool:
    """Tell the builtin eval() from a method of that name, such as a network's."""
    if isinstance(call.func, ast.Name):
        return True
    return call.func.attr not in ("eval", "exec")


def test_nothing_is_pickled():
    folders = [PACKAGE, Path(sys.modules["kuramoto"].__path__[-1])]
    sources = {path.resolve() for folder in folders for path in folder.rglob("*.py")}
    assert len(sources) > 20
    for path in sources:
        assert unsafe(ast.parse(path.read_text(encoding="utf-8"))) == [], path.name


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.memory",
        "np.load(f, allow_pickle=True)",
        "np.load(f, allow_pickle=flag)",
        "yaml.unsafe_load(f)",
        "eval(text)",
    ],
)
def test_the_search_for_pickles_finds_them(source):
    assert unsafe(ast.parse(source))


def test_a_copied_file_is_a_run_file(tmp_path, run_file):
    copy = Path(shutil.copy(run_file, tmp_path / "copy.h5"))
    with open_run(copy) as run, open_run(run_file) as original:
        np.testing.assert_array_equal(run.states[()], original.states[()])
