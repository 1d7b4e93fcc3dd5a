"""Fused CPU kernels in runs: legs, threads, resumed files.

Kind of tests: agreement (however a run is cut into legs or shared out among threads, it ends in the
same numbers, bit for bit). That the numbers are right: `test_kernels.py`.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h5py
import numba
import numpy as np
import pytest

import kuramoto as km
from kuramoto import _kernels, sphere, storage
from kuramoto._kernels import compiled as kernels
from kuramoto._kernels import team
from kuramoto._kernels import torus as tori

STEPPERS = [km.ProjectedEuler(), km.Splitting(), km.RungeKutta4(), km.DormandPrince()]
each_stepper = pytest.mark.parametrize("stepper", STEPPERS, ids=lambda s: type(s).__name__)


def sparse(rng: np.random.Generator, sites: int, N: int | None = None) -> km.Sparse:
    i, j = rng.integers(0, sites, (2, 5 * sites))
    weights = rng.random(len(i) if N is None else (len(i), N, N)) / 5
    return km.Sparse.from_edges(i, j, weights, sites=sites)


# Name: coupling, its sites, and how large it has to be for several tiles.
COUPLINGS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Dense": (lambda rng: km.Dense(rng.random((200, 200)) / 100), (200,)),
    "Dense blocks": (lambda rng: km.Dense(rng.random((130, 130, 2, 2)) / 100), (130,)),
    "Sparse": (lambda rng: sparse(rng, 200), (200,)),
    "Sparse blocks": (lambda rng: sparse(rng, 200, 2), (200,)),
    "MeanField": (lambda rng: km.MeanField(1.5), (3000,)),
    "Lattice": (lambda rng: km.Lattice(rng.random((3, 5)) / 10, "reflect"), (33, 70)),
    "chain": (lambda rng: km.Lattice(rng.random(3) / 2, "zero"), (2100,)),
}
each_coupling = pytest.mark.parametrize("coupling", COUPLINGS)


def problem(coupling: str = "Dense", batch: tuple[int, ...] = ()) -> tuple[km.Kuramoto, np.ndarray]:
    """Return a model with frequencies and stimulus, not chaotic, and a state."""
    rng = np.random.default_rng(0)
    make, sites = COUPLINGS[coupling]
    frequency = km.Rotation(0.3 * rng.standard_normal((*sites, 1)))
    model = km.Kuramoto(make(rng), frequency, 0.5 * rng.standard_normal((*sites, 2)))
    return model, sphere.random_points((*batch, *sites, 2), seed=0)


def torus() -> tuple[km.Kuramoto, np.ndarray]:
    """Return a grid that is swept, if sweeps are for grids that small."""
    rng = np.random.default_rng(0)
    frequency = km.Rotation(0.3 * rng.standard_normal((130, 11, 1)))
    coupling = km.Lattice(rng.random((3, 5)) / 10)
    model = km.Kuramoto(coupling, frequency, rng.standard_normal((130, 11, 2)))
    return model, sphere.random_points((130, 11, 2), seed=0)


def arrays(step: km.Step) -> list[np.ndarray]:
    """Return the arrays of a step: the state, and what Dormand-Prince adds."""
    carried = [step.error, step.carry[1]] if step.error is not None else []
    return [step.x, *carried]


def assert_same(found: km.Step, expected: km.Step) -> None:
    for one, other in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def march(engine: Any, x: np.ndarray, legs: tuple[int, ...]) -> km.Step:
    """Take steps in legs, each of which goes on with the carry of the one before."""
    step, done = km.Step(x, None, engine.init(0.0, x)), 0
    for count in legs:
        step = engine.advance(0.05 * done, step.x, 0.05, count, step.carry)
        done += count
    return step


@pytest.fixture
def share_out(monkeypatch):
    """Return a function that lets so many threads work on the smallest of systems."""

    def share(count: int) -> None:
        monkeypatch.setattr(kernels, "workers", lambda: count)
        monkeypatch.setattr(kernels, "_WORTH_SHARING", 1.0)

    return share


# Agreement, bit for bit: legs.


@each_stepper
@each_coupling
def test_legs_do_not_change_the_numbers(coupling, stepper):
    model, x = problem(coupling, (2,))
    engine = _kernels.fused(model, stepper, x)
    whole = march(engine, x, (5,))
    assert_same(march(engine, x, (2, 3)), whole)
    assert_same(march(engine, x, (1, 1, 1, 1, 1)), whole)
    half = march(engine, x, (2,))
    again = _kernels.fused(model, stepper, half.x)  # as a resumed run does
    assert_same(again.advance(0.1, half.x, 0.05, 3, again.init(0.1, half.x)), whole)


@each_stepper
@each_coupling
def test_a_step_that_is_taken_again_ends_the_same(coupling, stepper):
    model, x = problem(coupling, (2,))
    engine, before = _kernels.fused(model, stepper, x), x.copy()
    carry = engine.init(0.0, x)
    first = engine.advance(0.0, x, 0.05, 3, carry)
    kept = [array.copy() for array in arrays(first)]
    engine.advance(0.0, x, 0.2, 2, carry)  # as if it had been rejected
    engine.advance(0.0, -x, 0.05, 3, engine.init(0.0, -x))
    assert_same(engine.advance(0.0, x, 0.05, 3, carry), first)
    for one, other in zip([*arrays(first), x], [*kept, before], strict=True):
        np.testing.assert_array_equal(one, other)


@each_stepper
@pytest.mark.parametrize(
    "save",
    [km.SaveAt(every=1), km.SaveAt(every=7), km.SaveAt(times=[0.33, 0.35, 1.9]), km.SaveAt()],
    ids=["every step", "every seventh", "times", "end"],
)
def test_saving_does_not_change_the_numbers(save, stepper):
    model, x = problem()
    words = {"dt": 0.05, "stepper": stepper, "compile": True}
    whole = km.solve(model, x, t1=2.03, **words).final  # the last step is shorter
    np.testing.assert_array_equal(km.solve(model, x, t1=2.03, save=save, **words).final, whole)
    first = km.solve(model, x, t1=2.03, save=save, max_steps=13, **words)
    assert first.statistics.steps == 13
    np.testing.assert_array_equal(first.final, km.solve(model, x, t1=0.65, **words).final)


@each_stepper
def test_times_between_steps_are_those_of_the_generic_run(stepper):
    model, x = problem()
    save = km.SaveAt(every=9, times=[0.2, 0.33, 0.71, 1.01])  # within the last, shorter step, too
    words = {"t1": 1.03, "dt": 0.05, "stepper": stepper, "save": save}
    found, expected = (km.solve(model, x, compile=wish, **words) for wish in (True, False))
    np.testing.assert_array_equal(found.times, expected.times)
    np.testing.assert_allclose(found.states, expected.states, rtol=0, atol=1e-12)


def test_adaptive_runs_take_the_steps_of_the_generic_one():
    model, x = problem()
    controller = km.AdaptiveStep(rtol=1e-8)
    words = {"t1": 5.0, "dt": 2.0, "stepper": km.DormandPrince(), "controller": controller}
    found, expected = (km.solve(model, x, compile=wish, **words) for wish in (True, False))
    assert found.statistics.rejected > 0
    assert found.statistics.rejected == expected.statistics.rejected
    assert found.statistics.steps == expected.statistics.steps
    np.testing.assert_allclose(found.final, expected.final, rtol=0, atol=1e-11)


# Agreement, bit for bit: threads.


@each_stepper
@each_coupling
def test_threads_that_share_tiles_do_not_change_the_numbers(coupling, stepper, share_out):
    model, x = problem(coupling)
    found = []
    for count in (1, 2, 3):
        share_out(count)
        engine = _kernels.fused(model, stepper, x)
        assert (engine.size, engine.apart) == (count, False)
        found.append(march(engine, x, (4, 3)))
    assert_same(found[1], found[0])
    assert_same(found[2], found[0])


@each_stepper
@pytest.mark.parametrize("coupling", ["Sparse", "MeanField", "Lattice"])
def test_threads_that_share_systems_do_not_change_the_numbers(coupling, stepper, share_out):
    for batch in [(3,), (2, 2)]:
        model, x = problem(coupling, batch)
        found = []
        for count in (1, 2, 3):
            share_out(count)
            engine = _kernels.fused(model, stepper, x)
            assert (engine.size, engine.apart) == (count, True)
            found.append(march(engine, x, (4, 3)))
        assert_same(found[1], found[0])
        assert_same(found[2], found[0])


@each_stepper
def test_threads_of_few_systems_share_the_tiles_of_each(stepper, share_out):
    model, x = problem("Dense", (2,))
    share_out(1)
    alone = _kernels.fused(model, stepper, x)
    expected = march(alone, x, (5,))
    share_out(3)
    engine = _kernels.fused(model, stepper, x)
    assert (engine.size, engine.apart) == (3, False)
    for _ in range(20):  # a worker that is late meets another order of events
        assert_same(march(engine, x, (5,)), expected)
        assert_same(march(engine, x, (2, 3)), expected)


def test_sweeps_in_legs_and_threads_give_the_same_numbers(share_out, monkeypatch):
    monkeypatch.setattr(tori, "_LARGE", 0)
    model, x = torus()
    expected = None
    for count in (1, 2, 3, 7):
        share_out(count)
        for legs in [(5,), (1, 4), (2, 3)]:
            engine = _kernels.fused(model, km.RungeKutta4(), x)
            assert (type(engine), engine.size) == (tori.Swept, count)
            found = march(engine, x, legs)
            expected = found if expected is None else expected
            assert_same(found, expected)


def test_work_is_for_one_where_the_threads_are_busy(share_out):
    share_out(2)
    model, x = problem()
    engine = _kernels.fused(model, km.DormandPrince(), x)
    expected = march(engine, x, (5,))
    sizes = []
    with team._alone:
        team.together(lambda worker, size, meeting: sizes.append((worker, size)), 2)
        assert_same(march(engine, x, (5,)), expected)
    assert sizes == [(0, 1)]
    team.together(lambda worker, size, meeting: sizes.append((worker, size)), 2)
    assert sorted(sizes[1:]) == [(0, 2), (1, 2)]


def test_what_a_thread_raises_comes_out_and_frees_the_threads():
    def work(worker: int, size: int, meeting: np.ndarray) -> None:
        if worker == size - 1:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        team.together(work, 2)
    assert team._alone.acquire(blocking=False)
    team._alone.release()


@numba.njit(nogil=True)
def meet(meeting: np.ndarray, size: int) -> None:
    for _ in range(1000):
        team.barrier(meeting, size)


@pytest.mark.parametrize("absent", [0, 1])
def test_nobody_waits_for_a_worker_that_never_comes(absent):
    """As when Ctrl-C arrives after the threads have been sent and before the caller follows."""

    def work(worker: int, size: int, meeting: np.ndarray) -> None:
        if worker == absent:
            raise KeyError("mine")
        meet(meeting, size)

    raised = []

    def call() -> None:
        with pytest.raises(KeyError, match="mine"):
            team.together(work, 2)
        raised.append(True)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(30)
    assert raised == [True]
    team.together(lambda worker, size, meeting: meet(meeting, size), 2)  # and all is as before


def test_runs_in_several_threads_at_once_do_not_disturb_each_other(share_out):
    share_out(2)
    model, x = problem()
    starts = [sphere.random_points(x.shape, seed=seed) for seed in range(4)]

    def final(start: np.ndarray) -> np.ndarray:
        return km.solve(model, start, t1=5.0, dt=0.05, compile=True).final

    expected = [final(start) for start in starts]
    gate = threading.Barrier(4)

    def often(number: int) -> bool:
        gate.wait()
        return all(np.array_equal(final(starts[number]), expected[number]) for _ in range(5))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(often, range(4))) == [True] * 4


# Agreement, bit for bit: run files.


class Stop:
    """An observable that interrupts the run at its n-th call."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, t: float, x: np.ndarray) -> float:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return t


@pytest.fixture
def fused_runs(monkeypatch):
    """Count the legs that kernels take."""
    legs = []
    advance = kernels.Compiled.advance

    @functools.wraps(advance)
    def counted(self: Any, *arguments: Any) -> km.Step:
        legs.append(type(self.stepper).__name__)
        return advance(self, *arguments)

    monkeypatch.setattr(kernels.Compiled, "advance", counted)
    return legs


RUNS = {type(stepper).__name__: {"dt": 0.05, "stepper": stepper} for stepper in STEPPERS}
RUNS["adaptive"] = {}


@pytest.mark.parametrize("run", RUNS)
def test_an_interrupted_run_resumes_with_the_kernel(run, tmp_path, monkeypatch, fused_runs):
    monkeypatch.setattr(storage, "_CHUNK_BYTES", 1)
    model, x = problem()
    words = {"t1": 2.0, "save": km.SaveAt(every=3), "compile": True, **RUNS[run]}
    whole = km.solve(model, x, **words, observe={"t": lambda t, x: t})
    for calls in (2, 4):
        path = tmp_path / f"{calls}.h5"
        with pytest.raises(KeyboardInterrupt):
            km.solve(model, x, **words, out=path, observe={"t": Stop(calls)})
        fused_runs.clear()
        again = km.resume(path, observe={"t": lambda t, x: t})
        assert fused_runs
        np.testing.assert_array_equal(again.final, whole.final)
        np.testing.assert_array_equal(again.times, whole.times)
        np.testing.assert_array_equal(np.asarray(again.states), whole.states)


def test_a_file_that_says_nothing_of_compiling_resumes_without(tmp_path, fused_runs):
    model, x = problem()
    words = {"t1": 2.0, "dt": 0.05, "save": km.SaveAt(every=3)}
    path = tmp_path / "old.h5"
    with pytest.raises(KeyboardInterrupt):
        km.solve(model, x, **words, compile=True, out=path, observe={"t": Stop(4)})
    with h5py.File(path, "r+") as file:
        settings = json.loads(file.attrs["settings"])
        assert settings.pop("compile") is True
        file.attrs["settings"] = json.dumps(settings)
    fused_runs.clear()
    final = km.resume(path, observe={"t": lambda t, x: t}).final
    assert not fused_runs
    expected = km.solve(model, x, **words, compile=False).final
    np.testing.assert_allclose(final, expected, rtol=0, atol=1e-12)


def test_a_model_without_a_kernel_may_take_over_a_file(tmp_path):
    model, x = problem()
    words = {"t1": 2.0, "dt": 0.05, "save": km.SaveAt(every=3)}
    path = tmp_path / "run.h5"
    with pytest.raises(KeyboardInterrupt):
        km.solve(model, x, **words, compile=True, out=path, observe={"t": Stop(4)})
    moving = km.Kuramoto(model.coupling, model.frequency, lambda t: model.stimulus)
    final = km.resume(path, model=moving, observe={"t": lambda t, x: t}).final
    expected = km.solve(model, x, **words, compile=False).final
    np.testing.assert_allclose(final, expected, rtol=0, atol=1e-12)


DIGEST = """
import hashlib, numpy as np, kuramoto as km
x = km.sphere.random_points((512, 160, 2), seed=0)
model = km.Kuramoto(km.Lattice(np.random.default_rng(0).standard_normal((9, 9)) / 81))
final = km.solve(model, x, t1=0.2, dt=0.01, compile=True).final
print(hashlib.sha256(final.tobytes()).hexdigest())
"""


def test_who_compiles_gets_the_numbers_of_who_finds_it_on_disk(tmp_path):
    """Else a run that was killed, having compiled, could not be resumed bit for bit."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    found = [
        subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert list(tmp_path.rglob("*.nbc"))
    assert found[0] == found[1]
