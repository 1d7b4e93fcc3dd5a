"""Experiments as data: the numbers of Python, every example, what bad files are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import kuramoto as km
from kuramoto.experiment import ExperimentError, load, loads

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


def test_a_missing_experiment_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")
    with pytest.raises(OSError, match="folder"):
        load(tmp_path)
