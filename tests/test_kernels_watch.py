"""Fused CPU kernels between steps: what they observe on the way, and that they allocate nothing.

Kinds of tests: agreement (observed on the way = observed by stopping), law (memory does not grow).
"""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import h5py
import numpy as np
import pytest

import kuramoto as km
from kuramoto import _kernels, sphere
from kuramoto._kernels import torus as tori

STEPPERS = [km.ProjectedEuler(), km.Splitting(), km.RungeKutta4(), km.DormandPrince()]


def couplings(rng: np.random.Generator) -> dict[str, tuple[Any, tuple[int, ...]]]:
    i, j = rng.integers(0, 200, (2, 1000))
    return {
        "Dense": (km.Dense(rng.random((200, 200)) / 100), (200,)),
        "Sparse": (km.Sparse.from_edges(i, j, rng.random(1000) / 5, sites=200), (200,)),
        "MeanField": (km.MeanField(1.5), (3000,)),
        "torus": (km.Lattice(rng.random((3, 5)) / 10), (130, 11)),
    }


def problem(coupling: str = "Dense", batch: tuple[int, ...] = ()) -> tuple[km.Kuramoto, np.ndarray]:
    """Return a model with frequencies and stimulus, not chaotic, and a state."""
    rng = np.random.default_rng(0)
    linear, sites = couplings(rng)[coupling]
    frequency = km.Rotation(0.3 * rng.standard_normal((*sites, 1)))
    model = km.Kuramoto(linear, frequency, 0.5 * rng.standard_normal((*sites, 2)))
    return model, sphere.random_points((*batch, *sites, 2), seed=0)


# Agreement: observables on the way.

WATCHED = [
    ("Dense", km.ProjectedEuler()),
    ("Sparse", km.RungeKutta4()),
    ("MeanField", km.RungeKutta4()),
]


@pytest.mark.parametrize("batch", [(), (2, 2)])
@pytest.mark.parametrize(("coupling", "stepper"), WATCHED)
def test_observables_on_the_way_are_the_generic_ones(coupling, stepper, batch, monkeypatch):
    model, x = problem(coupling, batch)
    observe = km.observables.standard(["order_parameter", "energy"], model)
    save = km.SaveAt(every=7, start=True, states=False)
    words = {"t1": 2.03, "dt": 0.05, "stepper": stepper, "observe": observe, "save": save}
    expected = km.solve(model, x, compile=False, **words)
    monkeypatch.setattr(km.observables.Standard, "__call__", once(x, len(observe)))
    found = km.solve(model, x, compile=True, **words)
    np.testing.assert_array_equal(found.times, expected.times)
    assert len(found.states) == 0
    assert list(found.observed) == list(observe)
    for name, values in expected.observed.items():
        size = max(1.0, np.abs(values).max())
        assert found.observed[name].shape == values.shape
        np.testing.assert_allclose(found.observed[name], values, rtol=0, atol=1e-12 * size)
    unseen = {**words, "observe": None, "save": None}
    unseen_final = km.solve(model, x, compile=True, **unseen).final
    np.testing.assert_allclose(found.final, unseen_final, rtol=0, atol=1e-12)


def once(x: np.ndarray, count: int) -> Any:
    """Return a `Standard.__call__` for the start and for the end, which is no whole step."""
    seen: list[float] = []

    def call(self: Any, t: float, state: np.ndarray) -> np.ndarray:
        seen.append(t)
        assert len(seen) <= 2 * count, "observed by stopping, not on the way"
        return self.function(t, state)

    return call


def test_a_resumed_run_observes_on_the_way_as_before(tmp_path):
    model, x = problem()
    observe = km.observables.standard(["energy"], model)
    save = km.SaveAt(every=7, states=False)
    words = {"t1": 2.03, "dt": 0.05, "save": save, "compile": True}
    whole = km.solve(model, x, **words, observe=observe)
    path = tmp_path / "run.h5"
    km.solve(model, x, **words, observe=observe, out=path, max_steps=10)
    with h5py.File(path, "r+") as file:  # as if it had been killed there
        settings = json.loads(file.attrs["settings"]) | {"max_steps": None}
        file.attrs["settings"] = json.dumps(settings)
    again = km.resume(path)
    assert again.times[0] == whole.times[0]
    np.testing.assert_array_equal(again.times[2:], whole.times[1:])  # it had saved its end
    np.testing.assert_array_equal(again.observed["energy"][2:], whole.observed["energy"][1:])
    np.testing.assert_array_equal(again.final, whole.final)


@pytest.mark.parametrize("stepper", [km.Splitting(), km.DormandPrince()])
def test_other_steppers_stop_to_observe(stepper):
    model, x = problem()
    observe = km.observables.standard(["energy"], model)
    words = {"t1": 1.0, "dt": 0.05, "stepper": stepper, "observe": observe}
    save = km.SaveAt(every=7, states=False)
    found, expected = (km.solve(model, x, compile=c, save=save, **words) for c in (True, False))
    np.testing.assert_array_equal(found.times, expected.times)
    np.testing.assert_allclose(found.observed["energy"], expected.observed["energy"], rtol=1e-12)


# Law: nothing is allocated per step.


def peak(action: Any) -> int:
    """Return how many bytes were held at most."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("coupling", "stepper"),
    [*(("Sparse", stepper) for stepper in STEPPERS), ("MeanField", km.RungeKutta4())],
)
def test_steps_allocate_nothing(coupling, stepper):
    model, x = problem(coupling)
    assert_flat(_kernels.fused(model, stepper, x), x)


def test_sweeps_allocate_nothing(monkeypatch):
    monkeypatch.setattr(tori, "_LARGE", 0)
    model, x = problem("torus")
    assert_flat(_kernels.fused(model, km.RungeKutta4(), x), x)


def assert_flat(engine: Any, x: np.ndarray) -> None:
    def march(steps: int) -> None:
        engine.advance(0.0, x, 0.01, steps, engine.init(0.0, x))

    march(1)
    few, many = peak(lambda: march(1)), peak(lambda: march(1000))
    assert few > x.nbytes  # it is the right memory that is looked at
    assert many - few < 4096


def test_long_runs_hold_no_more_than_short_ones():
    model, x = problem("Sparse")

    def run(steps: int) -> None:
        km.solve(model, x, t1=0.01 * steps, dt=0.01, stepper=km.Splitting(), compile=True)

    run(10)
    short, long = peak(lambda: run(100)), peak(lambda: run(10_000))
    assert long - short < 20_000  # a list of all times alone would take more
