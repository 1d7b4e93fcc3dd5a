"""Experiments as data: the numbers of Python, every example, what bad files are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import kuramoto as km
from kuramoto.experiment import ExperimentError, load, loads, parts, sections
from kuramoto.experiment.schema import keys

EXAMPLES = sorted((Path(__file__).parents[1] / "examples" / "experiments").glob("*.yaml"))
GOOD = """
experiment: 1
title: small
model:
  coupling: {type: mean_field, strength: 2.0}
  frequency: {type: normal, width: 0.5, seed: 1}
state:
  oscillators: 12
  dimensions: 2
  initial: {type: random, seed: 3}
solve:
  t1: 1.0
  dt: 0.1
  stepper: runge_kutta4
  save: {every: 2, start: true}
  observe: [order_parameter, energy]
"""


# --- agreement with the same thing built in Python ----------------------------------------------


def test_a_run_has_the_numbers_of_the_same_run_in_python() -> None:
    rates = km.frequencies.sample(km.frequencies.normal(width=0.5), (12, 1), seed=1)
    model = km.Kuramoto(km.MeanField(2.0), km.Rotation(rates))
    x0 = km.sphere.random_points((12, 2), seed=3)
    expected = km.solve(model, x0, t1=1.0, dt=0.1, save=km.SaveAt(every=2, start=True))
    found = loads(GOOD).solve()
    np.testing.assert_array_equal(found.states, expected.states)
    np.testing.assert_array_equal(found.times, expected.times)
    np.testing.assert_array_equal(found.observed["energy"], km.energy(model, expected.states))


def coupling_of(text: str, state: str = "{oscillators: 6, dimensions: 2}") -> km.Coupling:
    file = f"experiment: 1\nmodel:\n  coupling: {text}\nstate: {state}\nsolve: {{t1: 1.0}}\n"
    return loads(file).model().coupling


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{type: dense, weights: [[0, 1], [1, 0]], strength: 3}", np.array([[0, 3.0], [3, 0]])),
        ("{type: graph, kind: ring}", km.graphs.ring(6).toarray()),
        ("{type: graph, kind: ring, neighbours: 2}", km.graphs.ring(6, 2).toarray()),
        ("{type: graph, kind: complete, strength: 0.5}", km.graphs.complete(6, 0.5).toarray()),
        ("{type: graph, kind: random, mean_degree: 3}", km.graphs.random(6, 3, seed=0).toarray()),
    ],
)
def test_couplings_are_those_of_the_library(text: str, expected: np.ndarray) -> None:
    state = "{dimensions: 2}" if "dense" in text else "{oscillators: 6, dimensions: 2}"
    np.testing.assert_allclose(coupling_of(text, state).to_dense(), expected)


def test_lattice_kernels() -> None:
    state = "{sites: [8, 8], dimensions: 3}"
    gaussian = coupling_of(
        "{type: lattice, kernel: {type: gaussian, size: 5, width: 1.0}, boundary: zero}", state
    )
    assert gaussian.kernel.shape == (5, 5)
    assert gaussian.boundary == "zero"
    assert gaussian.kernel.sum() == pytest.approx(1.0)
    assert gaussian.symmetric
    blocks = coupling_of("{type: lattice, kernel: {type: random_blocks, size: 3, seed: 2}}", state)
    assert blocks.kernel.shape == (3, 3, 3, 3)
    assert blocks.block_size == 3
    assert not blocks.symmetric
    total = coupling_of(
        "{type: sum, terms: [{type: lattice, kernel: {type: uniform, size: 3}}, "
        "{type: lattice, kernel: {type: mexican_hat, size: 5, width: 1.0}}]}",
        state,
    )
    assert isinstance(total, km.Sum)
    assert len(total.terms) == 2


def test_files_are_relative_to_the_experiment(tmp_path: Path) -> None:
    weights = np.array([[0.0, 2.0], [2.0, 0.0]])
    np.savez(tmp_path / "w.npz", weights=weights)
    scipy.sparse.save_npz(tmp_path / "s.npz", scipy.sparse.csr_array(weights))
    for name in ("w.npz", "s.npz"):
        text = GOOD.replace("{type: mean_field, strength: 2.0}", f"{{type: file, path: {name}}}")
        text = text.replace("  oscillators: 12\n", "")
        (tmp_path / "trial.yaml").write_text(text)
        found = load(tmp_path / "trial.yaml").model().coupling
        np.testing.assert_array_equal(found.to_dense(), weights)


def test_a_certified_step_is_the_certificates() -> None:
    text = GOOD.replace("dt: 0.1", "dt: certified").replace("runge_kutta4", "splitting")
    text = text.replace("  frequency: {type: normal, width: 0.5, seed: 1}\n", "")
    trial = loads(text.replace("t1: 1.0", "t1: 10.0"))
    assert trial.settings()["dt"] == km.certify(trial.model()).max_step
    assert (np.diff(trial.solve().observed["energy"]) <= 1e-12).all()
    with pytest.raises(ExperimentError, match=r"splitting for dt: certified"):
        loads(text.replace("splitting", "runge_kutta4")).settings()
    turning = GOOD.replace("dt: 0.1", "dt: certified").replace("runge_kutta4", "splitting")
    with pytest.raises(ExperimentError, match=r"without a certificate.*\[J, Ω\] ≠ 0"):
        loads(turning).settings()


@pytest.mark.parametrize(
    ("initial", "expected"),
    [
        ("aligned", np.tile([1.0, 0.0], (4, 1))),
        ("{type: aligned, direction: [0, 3]}", np.tile([0.0, 1.0], (4, 1))),
        ("{type: twisted, winding: -1}", [[1, 0], [0, -1], [-1, 0], [0, 1]]),
        ("{type: phases, theta: [0, 0, 0, 3.141592653589793]}", [[1, 0]] * 3 + [[-1, 0]]),
        ("{type: vectors, values: [0, 1]}", [[0, 1]] * 4),
        ("random", km.sphere.random_points((4, 2), seed=0)),
    ],
)
def test_initial_states(initial: str, expected: np.ndarray) -> None:
    text = "experiment: 1\nmodel: {coupling: {type: mean_field, strength: 1}}\nstate:\n"
    text += f"  oscillators: 4\n  dimensions: 2\n  initial: {initial}\nsolve: {{t1: 1.0}}\n"
    np.testing.assert_allclose(loads(text).initial_state(), expected, atol=1e-12)


def test_a_twist_turns_along_each_axis_and_fills_a_batch() -> None:
    text = GOOD.replace("  oscillators: 12\n", "  sites: [4, 8]\n  batch: 3\n")
    text = text.replace("{type: random, seed: 3}", "{type: twisted, winding: [1, 2]}")
    x = loads(text).initial_state()
    assert x.shape == (3, 4, 8, 2)
    turns = km.phase.to_phases(x[2]) / (2 * np.pi)
    np.testing.assert_allclose((turns[1, 0] - turns[0, 0]) % 1, 1 / 4)
    np.testing.assert_allclose((turns[0, 1] - turns[0, 0]) % 1, 2 / 8)


def test_quantiles_are_the_grid_in_random_order() -> None:
    text = GOOD.replace("seed: 1}", "seed: 1, quantiles: true}")
    rates = loads(text).model().frequency.omega
    grid = km.frequencies.quantile_grid(km.frequencies.normal(width=0.5), 12)
    assert rates.shape == (12, 1)
    assert not np.array_equal(rates[:, 0], grid)
    np.testing.assert_array_equal(np.sort(rates[:, 0]), grid)


def test_the_fish_is_in_the_stimulus() -> None:
    model = load(next(path for path in EXAMPLES if path.stem == "fish")).model()
    inside = km.datasets.fish(32)
    np.testing.assert_array_equal(model.stimulus[~inside], 1.0)
    np.testing.assert_array_equal(model.stimulus[inside], 0.0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_backend_and_dtype(backend: str, dtype: str) -> None:
    pytest.importorskip(backend)
    text = GOOD.replace("state:\n", f"state:\n  backend: {backend}\n  dtype: {dtype}\n")
    final = loads(text).solve().final
    assert type(final).__module__.split(".")[0] == backend
    assert str(final.dtype).endswith(dtype)


# --- the examples -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_builds_and_certifies_or_says_why_not(path: Path) -> None:
    trial = load(path)
    certificate = km.certify(trial.model())
    assert trial.title
    assert certificate.reasons
    assert trial.initial_state().shape[-1] >= 2
    assert certificate.monotone == (path.stem == "ring")


def test_the_power_grid_ends_phase_locked() -> None:
    path = next(path for path in EXAMPLES if path.stem == "power_grid")
    solution = load(path).solve()
    assert solution.observed["residual"][-1] < 1e-9
    assert solution.observed["residual"][0] > 1


# --- bad input: one line that names the key, the finding and the remedy -------------------------

BAD = {
    "no header": ("model: {}\n", "experiment"),
    "a list": ("- 1\n- 2\n", "experiment"),
    "plain text": ("just words\n", "experiment"),
    "empty": ("", "experiment"),
    "broken YAML": ("experiment: 1\nmodel: [1,\n", "line"),
    "newer format": (GOOD.replace("experiment: 1", "experiment: 2"), "upgrade"),
    "key on top": (GOOD + "sovle: {}\n", "`sovle` is not a known key; did you mean `solve`"),
    "key in a section": (GOOD.replace("oscillators", "oscilators"), "`state.oscilators`"),
    "key in a part": (GOOD.replace("strength", "stength"), "`model.coupling.stength`"),
    "unknown type": (GOOD.replace("mean_field", "meanfield"), "did you mean `mean_field`"),
    "unknown stepper": (GOOD.replace("runge_kutta4", "runge_kuta"), "runge_kutta4"),
    "unknown observable": (GOOD.replace("energy]", "enregy]"), "energy"),
    "text for a number": (GOOD.replace("t1: 1.0", "t1: soon"), "`solve.t1`"),
    "a key missing": (GOOD.replace("  t1: 1.0\n", ""), "t1"),
    "a key twice": (GOOD.replace("  dt: 0.1\n", "  dt: 0.1\n  dt: 0.2\n"), "dt"),
    "negative dt": (GOOD.replace("dt: 0.1", "dt: -0.1"), "dt"),
    "dt beyond the end": (GOOD.replace("dt: 0.1", "dt: 5.0"), "dt"),
    "t1 before t0": (GOOD.replace("t1: 1.0", "t1: 1.0\n  t0: 2.0"), "t1"),
    "no oscillators": (GOOD.replace("oscillators: 12", "oscillators: 0"), "oscillators"),
    "a Python object": (GOOD.replace("small", "!!python/object/apply:os.getcwd []"), "tag"),
    "a newer format with new keys": ("experiment: 2\nspace: flat\n", "upgrade"),
    "a key that is no word": (GOOD + "1: 2\n", "a key must be a word"),
    "an alias": (GOOD.replace("small", "&a small") + "x: *a\n", "aliases are not taken"),
    "nested without end": ("[" * 5000, "nested too deeply"),
    "a NUL": (GOOD.replace("small", "\0"), "not YAML"),
    "a missing file": (
        GOOD.replace("{type: mean_field, strength: 2.0}", "{type: file, path: none.npz}"),
        "none.npz",
    ),
}


@pytest.mark.parametrize(("text", "holds"), list(BAD.values()), ids=list(BAD))
def test_bad_files_are_told_what_is_wrong(text: str, holds: str, tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(text)
    with pytest.raises((ValueError, TypeError, OSError)) as caught:
        load(path).solve()
    message = str(caught.value)
    assert "\n" not in message
    assert holds in message
    assert "trial.yaml" in message or "none.npz" in message or "Argument" in message


# Sections that fit together until one value is replaced: (which section, by what, what is said).
WRONG_VALUES = [
    (
        "coupling",
        "{type: mean_field, strength: .nan}",
        "`model.coupling.strength` must be a finite",
    ),
    ("coupling", "{type: mean_field, strength: true}", "must be a finite number, but is True"),
    ("coupling", "mean_field", "`model.coupling.strength` is missing"),
    ("coupling", "5", "must be a mapping with the key `type`, one of dataset, dense"),
    ("coupling", "{type: graph}", "the key `kind`, one of complete, lattice, random, ring"),
    ("coupling", "{type: graph, kind: rign}", "did you mean `ring`?"),
    ("coupling", "{type: graph, kind: ring, neighbours: 9}", "`neighbours` must be at most"),
    ("coupling", "{type: dense, weights: [[0, 1], [1, 0]]}", "must be [2], as the coupling has"),
    ("coupling", "{type: dense, weights: [[1, 2], [3]]}", "must have rows of one length"),
    ("coupling", "{type: dense, weights: two.npz}", "must name one of the arrays in two.npz: a, b"),
    ("coupling", "{type: dense, weights: objects.npy}", "without Python objects"),
    ("coupling", "{type: dense, weights: nan.npy}", "must be finite, but holds NaN"),
    ("coupling", "{type: dense, weights: words.csv}", "must be a table of numbers"),
    ("coupling", "{type: dense, weights: broken.npz}", "must be a whole .npz file"),
    ("coupling", "{type: dense, weights: none.npz}", "no such file exists"),
    ("coupling", "{type: dataset, name: ieee14}", "did you mean `ieee118`?"),
    ("coupling", "{type: lattice, kernel: {type: uniform, size: 4}}", "`size` must be odd"),
    ("coupling", "{type: lattice, kernel: {type: inline, values: [1, 2]}}", "odd sizes"),
    ("coupling", "{type: sum, terms: []}", "must be a list of couplings"),
    ("frequency", "{type: antisymmetric, weights: [[0, 1], [1, 0]]}", "must be antisymmetric"),
    ("frequency", "{type: planes, omega: [1, 2]}", "must have shape (*sites, N//2) or (N//2,)"),
    ("frequency", "{type: normal, width: 0}", "`width` must be positive"),
    ("stimulus", "{type: constant, value: [1, 2, 3]}", "shape (..., 2), but has shape (3,)"),
    ("stimulus", "fish", "must have two axes for a fish"),
    ("noise", "-1", "`noise` must be at least 0"),
    ("initial", "{type: vectors, values: [[2, 0], [1, 0], [1, 0]]}", "must hold unit vectors"),
    ("initial", "{type: vectors, values: [[1, 0]]}", ""),  # one for all: this one runs
    ("initial", "{type: vectors, values: nan.npy}", "must hold finite unit vectors"),
    ("initial", "{type: vectors, values: [[.nan, 0]]}", "must be a finite number, nested lists"),
    ("initial", "{type: vectors, values: [[1, 0], [0, 1]]}", "shape (3, 2), but has shape (2, 2)"),
    ("initial", "{type: phases, theta: [1, 2]}", "shape (3, 2), but has shape (2, 2)"),
    ("initial", "{type: aligned, direction: [0, 0]}", "must hold 2 numbers that are not all 0"),
    ("backend", "jax", "known: cupy, numpy, torch"),
    ("dtype", "float16", "did you mean `float64`?"),
    ("batch", "0", "whole numbers of at least 1"),
    ("controller", "{type: adaptive, rtol: -1}", "`rtol` must be a positive number"),
    ("save", "{times: [0.5, 0.2]}", "strictly increasing"),
    ("observe", "energy", "must be a list of names, but is 'energy'"),
    ("max_steps", "0", "whole number of at least 1"),
]


def fill(folder: Path) -> None:
    """Make the files that the values above name."""
    np.savez(folder / "two.npz", a=np.eye(3), b=np.eye(3))
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(folder / "nan.npy", np.full((3, 3), np.nan))
    (folder / "words.csv").write_text("one,two\n")
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 and no more")


@pytest.mark.parametrize(("key", "value", "says"), WRONG_VALUES)
def test_wrong_values_are_named(key: str, value: str, says: str, tmp_path: Path) -> None:
    fill(tmp_path)
    model = {"coupling": "{type: mean_field, strength: 1.0}"}
    state = {"oscillators": "3", "dimensions": "2"}
    solve = {"t1": "1.0", "dt": "0.1"}
    home = {"backend": state, "dtype": state, "batch": state, "initial": state}
    home |= dict.fromkeys(("controller", "save", "observe", "max_steps"), solve)
    home.get(key, model)[key] = value
    sections = {"model": model, "state": state, "solve": solve}
    lines = ["experiment: 1"]
    for name, content in sections.items():
        lines += [f"{name}:", *(f"  {k}: {v}" for k, v in content.items())]
    trial = tmp_path / "trial.yaml"
    trial.write_text("\n".join(lines))
    if not says:
        assert load(trial).solve().final.shape == (3, 2)
        return
    with pytest.raises((ValueError, TypeError)) as caught:
        load(trial).solve()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def registered(registry: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Go through every word that a file may say: (where, word)."""
    for name, entry in registry.entries.items():
        yield path, name
        if hasattr(entry, "entries"):
            yield from registered(entry, f"{path}.{name}")
        else:
            yield from ((f"{path}.{name}", key) for key in keys(entry))


def test_every_word_is_documented() -> None:
    registries = [parts.COUPLINGS, parts.KERNELS, parts.FREQUENCIES, parts.STIMULI, parts.INITIAL]
    registries += [sections.STEPPERS, sections.CONTROLLERS]
    words = [word for registry in registries for word in registered(registry)]
    for section in (sections._model, sections._state, sections._solve, sections._save):
        words += [(section.__name__, key) for key in keys(section)]
    assert len(words) > 80
    for where, word in words:
        documented = re.search(rf"``{word}( = \S+)?``", km.experiment.__doc__)
        assert documented, f"{word} of {where} is not in the documentation of kuramoto.experiment"


def test_the_title_is_read_from_any_text() -> None:
    for text, title in (
        ("experiment: 1\ntitle: Größe\nmodel: none", "Größe"),
        ("experiment: 1", ""),
        ("title: [", ""),
        ("[1, 2]", ""),
        (None, ""),
    ):
        assert km.experiment.title_of(text) == title


def test_a_missing_experiment_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")
    with pytest.raises(OSError, match="folder"):
        load(tmp_path)
