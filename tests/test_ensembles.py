"""Ensembles and the points of sweeps: what a batch is, which run stands at which place of a grid.

Kinds of tests: agreement (a batch equals its members, a point equals the experiment written out by
hand), law (seeds), analytic (the Ott-Antonsen transition), bad input.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

import kuramoto as km
from kuramoto import experiment, phase
from kuramoto.ensembles import ensemble, is_sweep, open_sweep, parse_axes, sweep

ROOT = Path(__file__).parents[1]
MEAN_FIELD = """
experiment: 1
title: small
model:
  coupling: {type: mean_field, strength: 1.0}
  frequency: {type: normal, width: 0.5}
state: {oscillators: 12, dimensions: 2}
solve: {t1: 2.0, dt: 0.1, save: {every: 5, start: true}, observe: [order_parameter, energy]}
"""
STRENGTHS = [0.0, 0.5, 2.0]


def swept(tmp_path: Path, grid=None, seeds=1, text=MEAN_FIELD, **settings):
    settings = {
        "out": tmp_path / "sweep.h5",
        "scheduler": "synchronous",
        "progress": False,
    } | settings
    grid = {"coupling.strength": STRENGTHS} if grid is None else grid
    return sweep(text, grid, seeds, **settings)


def one_line(caught: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text


# Agreement: a batch is its members.


def model_of(M: int = 8) -> km.Kuramoto:
    rng = np.random.default_rng(1)
    return km.Kuramoto(km.Dense(rng.standard_normal((M, M))), km.Rotation(rng.normal(size=(M, 1))))


OBSERVE = {"r": lambda t, x: km.observables.order_parameter(x)}


def test_every_member_is_the_run_it_would_be_alone():
    model, save = model_of(), km.SaveAt(every=10, start=True)
    x0s = km.sphere.random_points((5, 8, 2), seed=3)
    settings = {"t1": 3.0, "dt": 0.05, "save": save, "observe": OBSERVE}
    together = ensemble(model, x0s, **settings)
    assert together.states.shape == (7, 5, 8, 2)
    assert together.observed["r"].shape == (7, 5)
    for member, x0 in enumerate(x0s):
        alone = km.solve(model, x0, **settings)
        np.testing.assert_allclose(together.states[:, member], alone.states, atol=1e-12)
        np.testing.assert_allclose(
            together.observed["r"][:, member], alone.observed["r"], atol=1e-12
        )


def test_a_sequence_of_states_is_stacked_on_its_own_library(xp):
    states = [xp.asarray(km.sphere.random_points((8, 2), seed=k)) for k in range(3)]
    final = ensemble(km.Kuramoto(km.MeanField(1.0)), states, t1=0.5, dt=0.1).final
    assert tuple(final.shape) == (3, 8, 2)
    assert type(final) is type(states[0])


def test_random_states_follow_the_seed_and_begin_alike_for_every_number():
    run = {"t1": 0.0, "save": km.SaveAt(start=True)}
    few = ensemble(model_of(), samples=3, seed=5, **run).final
    many = ensemble(model_of(), samples=10, seed=5, **run).final
    np.testing.assert_array_equal(many[:3], few)
    assert np.abs(ensemble(model_of(), samples=3, seed=6, **run).final - few).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(many, axis=-1), 1, atol=1e-15)


def test_members_may_have_frequencies_of_their_own():
    omega = np.array([[[0.0]], [[1.0]], [[-2.0]]]) * np.ones((3, 4, 1))
    model = km.Kuramoto(km.MeanField(0.0), km.Rotation(omega))
    x0 = np.broadcast_to([1.0, 0.0], (3, 4, 2))
    final = ensemble(model, x0, t1=1.0, dt=0.01).final
    expected = phase.from_phases(omega[..., 0])
    np.testing.assert_allclose(final, expected, atol=1e-8)


def test_noise_differs_between_members():
    model = km.Kuramoto(km.MeanField(1.0), noise=0.5)
    x0 = np.broadcast_to([1.0, 0.0], (2, 6, 2))
    settings = {"t1": 0.5, "dt": 0.1, "stepper": km.StochasticHeun(), "seed": 4}
    final = ensemble(model, x0, **settings).final
    assert np.abs(final[0] - final[1]).max() > 0.05
    np.testing.assert_array_equal(final, ensemble(model, x0, **settings).final)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "or else `samples`, but is neither"),
        ({"x0s": np.ones((2, 8, 2)), "samples": 3}, "is both"),
        ({"x0s": km.sphere.random_points((8, 2), seed=0)}, r"at least 3 axes, \(B, \*sites, N\)"),
        ({"x0s": [np.ones((8, 2)), np.ones((7, 2))]}, "hold states of one shape"),
        ({"samples": 0}, "`samples` must be a whole number of at least 1"),
        ({"samples": 2, "sites": 5}, "8"),
    ],
)
def test_ensembles_say_what_they_need(arguments, says):
    with pytest.raises(ValueError, match=says) as caught:
        ensemble(model_of(), **arguments, t1=1.0, dt=0.1)
    one_line(caught)


def test_strengths_cannot_differ_between_members_and_the_error_says_what_can():
    with pytest.raises(TypeError, match=r"use kuramoto\.ensembles\.sweep"):
        ensemble([model_of(), model_of()], samples=2, t1=1.0)
    with pytest.raises(ValueError, match="sites"):
        ensemble(km.Kuramoto(km.MeanField(1.0)), samples=2, t1=1.0)


# Agreement: a point is the experiment with its values written in by hand.


def test_every_point_is_the_experiment_with_its_values_in_it(tmp_path):
    grid = {"coupling.strength": STRENGTHS, "state.oscillators": [5, 9]}
    found = swept(tmp_path, grid, seeds=2)
    assert found.names == ["coupling.strength", "state.oscillators", "seed"]
    assert found.shape == (3, 2, 2)
    assert found.done.all()
    np.testing.assert_allclose(found.times, [0, 0.5, 1, 1.5, 2], atol=1e-15)
    for i, K in enumerate(STRENGTHS):
        for j, M in enumerate([5, 9]):
            text = MEAN_FIELD.replace("1.0}", f"{K}}}").replace(
                "oscillators: 12", f"oscillators: {M}"
            )
            for k in range(2):
                seeded = text.replace("width: 0.5", f"width: 0.5, seed: {k}").replace(
                    "dimensions: 2", f"dimensions: 2, initial: {{type: random, seed: {k}}}"
                )
                alone = experiment.loads(seeded).solve()
                for name, values in alone.observed.items():
                    np.testing.assert_array_equal(found.observed[name][i, j, k], values)


def test_paths_lead_to_every_section_and_into_bare_types_and_lists(tmp_path):
    text = MEAN_FIELD.replace(
        "{type: mean_field, strength: 1.0}",
        "{type: sum, terms: [{type: mean_field, strength: 1.0}, {type: graph, kind: ring}]}",
    ).replace("{type: normal, width: 0.5}", "normal")
    grid = {"coupling.terms[1].strength": [0.0, 1.0], "frequency.width": [0.1, 0.2]}
    grid |= {"solve.save.every": [5], "state.dimensions": [2, 4]}
    found = swept(tmp_path, grid, text=text)
    assert found.done.all()
    energies = found.observed["energy"][..., 0, :]
    assert len(np.unique(energies[..., -1])) == 8  # each axis has its say


def test_seed_k_adds_k_to_every_seed_also_to_those_left_out():
    text = """
experiment: 1
model:
  coupling:
    type: sum
    terms: [{type: graph, kind: random, mean_degree: 3, seed: 7}, {type: mean_field, strength: 1}]
  frequency: {type: normal}
  noise: 0.1
state: {oscillators: 12, dimensions: 2}
solve: {t1: 1.0, dt: 0.1, stepper: stochastic_heun}
"""
    shifted = experiment.loads(text).reseeded(3)
    by_hand = experiment.loads(
        text.replace("seed: 7", "seed: 10")
        .replace("{type: normal}", "{type: normal, seed: 3}")
        .replace("dimensions: 2", "dimensions: 2, initial: {type: random, seed: 3}")
        .replace("stochastic_heun", "stochastic_heun, seed: 3")
    )
    np.testing.assert_array_equal(shifted.solve().final, by_hand.solve().final)
    first, again = (experiment.loads(text).reseeded(0).solve().final for _ in range(2))
    np.testing.assert_array_equal(first, again)  # the noise too has a seed
    assert np.abs(first - shifted.solve().final).max() > 0.1


def test_the_transition_of_ott_and_antonsen_is_in_the_file(tmp_path):
    """r = √(1 − 2Δ/K) beyond K = 2Δ, and 0 below (Ott & Antonsen, 2008)."""
    text = """
experiment: 1
model:
  coupling: {type: mean_field, strength: 1.0}
  frequency: {type: lorentzian, width: 0.5, quantiles: true}
state: {oscillators: 400, dimensions: 2}
solve: {t1: 30.0, dt: 0.05, stepper: splitting, save: {every: 20}, observe: [order_parameter]}
"""
    found = swept(tmp_path, {"coupling.strength": [0.5, 2.0, 4.0]}, 2, text=text)
    settled = found.observed["order_parameter"][..., -15:].mean(axis=(-1, -2))
    np.testing.assert_allclose(settled, [0.0, np.sqrt(0.5), np.sqrt(0.75)], atol=0.08)


def test_observables_may_be_given_by_name_or_as_functions(tmp_path):
    by_name = swept(tmp_path, observe=["residual"])
    assert list(by_name.observed) == ["residual"]
    own = {"mean": lambda t, x: x.mean(axis=-2), "count": lambda t, x: len(x)}
    found = swept(tmp_path, observe=own, out=tmp_path / "own.h5", states=True)
    assert {name: values.shape for name, values in found.observed.items()} == {
        "order_parameter": (3, 1, 5),
        "energy": (3, 1, 5),
        "mean": (3, 1, 5, 2),
        "count": (3, 1, 5),
    }
    assert found.states.shape == (3, 1, 12, 2)
    bare = swept(tmp_path, observe=[], out=tmp_path / "bare.h5", states=True)
    assert bare.observed == {}
    np.testing.assert_array_equal(bare.states, found.states)
    radius = np.linalg.norm(found.observed["mean"], axis=-1)
    np.testing.assert_allclose(radius, found.observed["order_parameter"], atol=1e-14)
    np.testing.assert_array_equal(found.states.mean(axis=-2), found.observed["mean"][..., -1, :])


# Points that are saved at different times.


def test_times_that_differ_are_kept_for_every_point(tmp_path):
    found = swept(tmp_path, {"solve.t1": [1.0, 3.0, 2.0]})
    assert found.times.shape == (3, 1, 7)
    assert np.isfinite(found.times).sum(axis=-1).ravel().tolist() == [3, 7, 5]
    assert np.nanmax(found.times, axis=-1).ravel().tolist() == [1.0, 3.0, 2.0]
    same = np.isfinite(found.times)
    for values in found.observed.values():
        np.testing.assert_array_equal(np.isfinite(values), same)
    np.testing.assert_array_equal(
        found.observed["energy"][0, 0, :3], found.observed["energy"][1, 0, :3]
    )


# xarray.


def test_xarray_has_the_axes_by_name(tmp_path):
    data = swept(tmp_path, seeds=2, states=True).to_xarray()
    assert isinstance(data, xarray.Dataset)
    assert data["energy"].dims == ("coupling.strength", "seed", "time")
    assert data["states"].dims == ("coupling.strength", "seed", "states_0", "states_1")
    assert data["coupling.strength"].values.tolist() == STRENGTHS
    one = data["order_parameter"].sel({"coupling.strength": 2.0, "seed": 1}).sel(time=2.0)
    assert 0 <= float(one) <= 1
    assert (data["status"] == "done").all()


def test_xarray_takes_times_that_differ(tmp_path):
    data = swept(tmp_path, {"solve.t1": [1.0, 2.0]}).to_xarray()
    assert data["energy"].dims == ("solve.t1", "seed", "sample")
    assert data["time"].dims == ("solve.t1", "seed", "sample")


def test_xarray_is_asked_for_by_name(tmp_path, monkeypatch):
    found = swept(tmp_path)
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r'pip install "kuramoto-spheres\[xarray\]"'):
        found.to_xarray()


# The command line's axes.


def test_axes_are_read_from_the_command_line():
    texts = [
        "coupling.strength=0:4:41",
        "state.oscillators=10:30:3",
        "solve.stepper=splitting, runge_kutta4",
    ]
    axes = parse_axes([*texts, "solve.dt=1e-3,0.5"])
    np.testing.assert_array_equal(axes["coupling.strength"], np.linspace(0, 4, 41))
    assert json.dumps(axes["state.oscillators"]) == "[10, 20, 30]"
    assert axes["solve.stepper"] == ["splitting", "runge_kutta4"]
    assert axes["solve.dt"] == [1e-3, 0.5]


@pytest.mark.parametrize(
    "text", ["K", "K=", "=1", "K=0:1", "K=0:1:x", "K=0:1:0", "K=1,,2", "K=[1", "K={a: 1}"]
)
def test_axes_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match="`--grid` must read NAME=start:stop:count") as caught:
        parse_axes([text])
    one_line(caught)


def test_an_axis_comes_once():
    with pytest.raises(ValueError, match="has K twice"):
        parse_axes(["K=1", "K=2"])


# Bad input: before anything runs, and no file.


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        (
            {"coupling.strenght": [1.0]},
            "`model.coupling.strenght` is not a known key; did you mean `strength`",
        ),
        ({"copling.strength": [1.0]}, "did you mean `coupling`"),
        ({"solve.t2": [1.0]}, "did you mean `t1`|did you mean `t0`"),
        (
            {"coupling.strength": [1.0, "much"]},
            "coupling.strength = much.*finite number, but is 'much'",
        ),
        (
            {"coupling.strength": [1.0], "state.oscillators": [5, 2.5]},
            "oscillators = 2.5.*whole number",
        ),
        ({"coupling.strength.x": [1.0]}, "leads nowhere: 1.0 has no `x`"),
        ({"coupling.terms[3].x": [1.0]}, "leads nowhere"),
        ({"coupling..x": [1.0]}, "path of a key"),
        ({"coupling.strength": []}, "at least one value"),
        ({"coupling.strength": [[1.0, 2.0]]}, "only numbers or words"),
        ({"coupling.strength": [1.0, 1.0]}, "every value once"),
        ({"coupling.strength": [1.0], "model.coupling.strength": [2.0]}, "every key once"),
        ({"seed": [0, 1]}, "the argument `seeds`"),
    ],
)
def test_grids_are_checked_first(tmp_path, grid, says):
    with pytest.raises(ValueError, match=says) as caught:
        swept(tmp_path, grid)
    one_line(caught)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"grid": [1.0]}, TypeError, "`grid` must be {key path: values}"),
        ({"grid": {"coupling.strength": 2.0}}, TypeError, r"for one value, \[2.0\]"),
        ({"seeds": 0}, ValueError, "`seeds` must be a whole number of at least 1"),
        ({"retries": -1}, ValueError, "`retries`"),
        ({"observe": "energy"}, TypeError, "`observe` must be names"),
        ({"observe": ["enrgy"]}, ValueError, "did you mean `energy`"),
        ({"observe": []}, ValueError, "something to keep"),
        ({"observe": {"a/b": len}}, TypeError, "`observe`"),
        ({"scheduler": "here"}, ValueError, "synchronous or an address"),
        ({"scheduler": "foo://bar:1"}, ValueError, "synchronous or an address"),
        ({"scheduler": "tcp://127.0.0.1"}, ValueError, "synchronous or an address"),
        ({"scheduler": "tcp://127.0.0.1:port"}, ValueError, "synchronous or an address"),
        ({"text": 3}, TypeError, "`experiment` must be a path"),
        ({"text": "none.yaml"}, FileNotFoundError, "does not exist"),
    ],
)
def test_arguments_are_checked_first(tmp_path, arguments, kind, says):
    with pytest.raises(kind, match=says) as caught:
        swept(tmp_path, **arguments)
    one_line(caught)
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_sweeps_are_told_apart(tmp_path):
    experiment.loads(MEAN_FIELD).solve(out=tmp_path / "run.h5")
    (tmp_path / "text.h5").write_text("nothing")
    assert is_sweep(swept(tmp_path).path)
    for name in ("run.h5", "text.h5", "none.h5", "."):
        assert not is_sweep(tmp_path / name)
    with pytest.raises(ValueError, match="not written by a sweep"):
        open_sweep(tmp_path / "run.h5")
    with pytest.raises(ValueError, match="not an HDF5 file"):
        open_sweep(tmp_path / "text.h5")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_sweep(tmp_path / "none.h5")


def test_import_of_the_package_loads_neither_ensembles_nor_dask():
    code = (
        "import sys, kuramoto; print('kuramoto.ensembles' in sys.modules);"
        "import kuramoto.ensembles; print({'dask', 'h5py', 'xarray'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["False", "set()"]
