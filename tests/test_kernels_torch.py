"""Torch on the CPU: kernels where no gradient is wanted, `torch.compile` where one is.

Kind of tests: agreement (fused = generic, gradients = those of the generic run).
"""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

import kuramoto as km
from kuramoto import _kernels, sphere
from kuramoto._kernels import numba as kernels

torch = pytest.importorskip("torch")

STEPPERS = [km.ProjectedEuler(), km.Splitting(), km.RungeKutta4(), km.DormandPrince()]
each_stepper = pytest.mark.parametrize("stepper", STEPPERS, ids=lambda s: type(s).__name__)
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}
RNG = np.random.default_rng(0)
SENDERS, RECEIVERS = RNG.integers(0, 20, (2, 100))

# Name: what is differentiated, and the coupling that is made of it.
COUPLINGS: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "Dense": (RNG.random((20, 20)) / 10, km.Dense, (20,)),
    "Dense blocks": (RNG.random((20, 20, 2, 2)) / 10, km.Dense, (20,)),
    "Sparse": (
        RNG.random(100) / 5,
        lambda w: km.Sparse.from_edges(RECEIVERS, SENDERS, w, sites=20),
        (20,),
    ),
    "Lattice": (RNG.random((3, 5)) / 10, lambda w: km.Lattice(w, "zero"), (4, 5)),
    "MeanField": (np.array(1.5), km.MeanField, (20,)),
    "Scaled": (np.array(0.7), lambda w: w * km.MeanField(2.0), (20,)),
    "Scaled twice": (np.array(0.7), lambda w: 2.0 * (w * km.MeanField(2.0)), (20,)),
}


class Problem:
    """A model of tensors, any of which may ask for gradients."""

    def __init__(self, coupling: str = "Dense", dtype: Any = torch.float64, N: int = 2) -> None:
        weights, self.build, sites = COUPLINGS[coupling]
        rng = np.random.default_rng(1)
        numbers = {
            "weights": weights,
            "omega": 0.3 * rng.standard_normal((*sites, N // 2)),
            "stimulus": 0.5 * rng.standard_normal((*sites, N)),
            "x0": sphere.random_points((*sites, N), seed=0),
        }
        self.tensors = {name: torch.tensor(array, dtype=dtype) for name, array in numbers.items()}

    @property
    def model(self) -> km.Kuramoto:
        parts = self.tensors
        return km.Kuramoto(
            self.build(parts["weights"]), km.Rotation(parts["omega"]), parts["stimulus"]
        )

    def fused(self, stepper: Any) -> Any:
        return _kernels.fused(self.model, stepper, self.tensors["x0"])

    def solve(self, stepper: Any, compile: bool | None, **words: Any) -> km.Solution:
        words = {"t1": 0.38, "dt": 0.05, "stepper": stepper, "compile": compile, **words}
        return km.solve(self.model, self.tensors["x0"], **words)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Keep torch to one thread: for matrices this small, several wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def fused_runs(monkeypatch):
    """Count the legs that kernels take."""
    legs = []
    advance = kernels.Compiled.advance

    def counted(self: Any, *arguments: Any) -> km.Step:
        legs.append(type(self.stepper).__name__)
        return advance(self, *arguments)

    monkeypatch.setattr(kernels.Compiled, "advance", counted)
    return legs


@pytest.fixture
def always_worth(monkeypatch):
    """Let `compile=None` take any kernel there is."""
    monkeypatch.setattr(_kernels, "_WORTH_SECONDS", -1.0)


def assert_agree(found: Any, expected: Any) -> None:
    assert isinstance(found, torch.Tensor)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE[expected.dtype])


# Agreement: without gradients the kernels run.


@each_stepper
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_tensors_are_taken_as_they_are(coupling, stepper, fused_runs):
    problem = Problem(coupling)
    before = {name: tensor.clone() for name, tensor in problem.tensors.items()}
    save = km.SaveAt(every=3, times=[0.18])
    found = problem.solve(stepper, True, save=save)
    assert fused_runs
    expected = problem.solve(stepper, False, save=save)
    assert_agree(found.final, expected.final)
    assert_agree(found.states, expected.states)
    for name, tensor in problem.tensors.items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_single_precision(fused_runs):
    problem = Problem("Dense", torch.float32, N=5)
    found, expected = (problem.solve(km.RungeKutta4(), wish).final for wish in (True, False))
    assert fused_runs
    assert found.dtype == torch.float32
    assert_agree(found, expected)


def test_tensors_of_any_layout(fused_runs):
    problem = Problem()
    expected = problem.solve(km.RungeKutta4(), False).final
    problem.tensors = {name: t.T.contiguous().T for name, t in problem.tensors.items()}
    assert not problem.tensors["x0"].is_contiguous()
    assert_agree(problem.solve(km.RungeKutta4(), True).final, expected)
    assert fused_runs


def test_observables_on_the_way_are_tensors():
    problem = Problem("MeanField")
    model, x0 = problem.model, problem.tensors["x0"]
    observe = km.observables.standard(["energy", "order_parameter"], model)
    words = {"t1": 1.0, "dt": 0.05, "observe": observe, "save": km.SaveAt(every=3, states=False)}
    found, expected = (km.solve(model, x0, compile=wish, **words) for wish in (True, False))
    assert len(found.times) == len(expected.times) == 7
    for name, values in expected.observed.items():
        torch.testing.assert_close(found.observed[name], values, rtol=1e-12, atol=1e-12)


def test_run_files_remember_that_tensors_were_compiled(tmp_path, fused_runs):
    problem, path = Problem(), tmp_path / "run.h5"

    def stop(t: float, x: Any) -> float:
        if t > 0.5 and path.exists() and stop.armed:
            raise KeyboardInterrupt
        return t

    stop.armed = True
    words = {"t1": 1.03, "save": km.SaveAt(every=5), "observe": {"t": stop}}
    with pytest.raises(KeyboardInterrupt):
        problem.solve(km.DormandPrince(), True, out=path, **words)
    stop.armed = False
    fused_runs.clear()
    again = km.resume(path, observe={"t": stop}).final
    assert fused_runs
    whole = problem.solve(km.DormandPrince(), True, **words).final
    torch.testing.assert_close(again, whole, rtol=0, atol=0)


# Agreement: where gradients are wanted, they are there.


def gradients(problem: Problem, names: tuple[str, ...], compile: bool | None) -> list[Any]:
    """Return the final state, and the gradients of something made of it."""
    wanted = [problem.tensors[name].requires_grad_() for name in names]
    final = problem.solve(km.RungeKutta4(), compile).final
    weights = torch.linspace(-1, 1, final.numel(), dtype=final.dtype).reshape(final.shape)
    found = torch.autograd.grad((weights * final).sum(), wanted)
    return [final.detach(), *found]


PARTS = [("Dense", name) for name in ("x0", "omega", "stimulus")]
PARTS += [(coupling, "weights") for coupling in COUPLINGS]


@pytest.mark.parametrize(("coupling", "name"), PARTS)
def test_gradients_are_never_lost(coupling, name, always_worth):
    problem = Problem(coupling)
    assert problem.fused(km.RungeKutta4()) is not None
    problem.tensors[name].requires_grad_()
    assert problem.fused(km.RungeKutta4()) is None
    found, expected = (gradients(problem, (name,), wish) for wish in (None, False))
    for one, other in zip(found, expected, strict=True):
        assert bool(torch.isfinite(one).all())
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert float(expected[1].abs().max()) > 1e-3


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, on first use
@pytest.mark.parametrize("name", ["x0", "weights"])
def test_forward_derivatives_are_never_lost(name, always_worth):
    from torch.autograd import forward_ad

    problem = Problem()
    tensor = problem.tensors[name]
    direction = torch.tensor(sphere.to_tangent(tensor.numpy(), np.ones(tensor.shape)))
    found = []
    for wish in (None, False):
        with forward_ad.dual_level():
            problem.tensors[name] = forward_ad.make_dual(tensor, direction)
            final = problem.solve(km.ProjectedEuler(), wish, t1=0.1).final
            found.append(forward_ad.unpack_dual(final).tangent)
    assert found[1] is not None
    assert found[0] is not None
    torch.testing.assert_close(*found, rtol=0, atol=0)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_kernels_run_where_no_gradient_is_recorded(mode, fused_runs):
    problem = Problem()
    for name in ("weights", "x0"):
        problem.tensors[name].requires_grad_()
    with mode():
        found = problem.solve(km.RungeKutta4(), True).final
        assert fused_runs
        expected = problem.solve(km.RungeKutta4(), False).final
        assert not found.requires_grad
        assert_agree(found, expected)


# Agreement: what is not ours keeps its meaning.


class Dense(km.Dense):
    """Not ours, but of a name that is."""

    def __call__(self, x):
        return 2 * super().__call__(x)


class Faster(km.Rotation):
    def __call__(self, x):
        return 3 * super().__call__(x)


@pytest.mark.parametrize("changed", ["coupling", "frequency"])
def test_changed_parts_are_not_mistaken_for_ours(changed, always_worth):
    parts, x0 = Problem().tensors, Problem().tensors["x0"]
    coupling = Dense if changed == "coupling" else km.Dense
    frequency = Faster if changed == "frequency" else km.Rotation
    model = km.Kuramoto(coupling(parts["weights"]), frequency(parts["omega"]), parts["stimulus"])
    words = {"t1": 1.0, "dt": 0.05, "stepper": km.ProjectedEuler()}
    found, expected = (km.solve(model, x0, compile=wish, **words).final for wish in (None, False))
    assert_agree(found, expected)


# Agreement: torch.compile.


class Slowing(km.ProjectedEuler):
    """A stepper of somebody's own, which looks at the time."""

    def step(self, model, t, x, dt, carry):
        return super().step(model, t, x, dt / (1 + 10 * t), carry)


@pytest.mark.parametrize(
    "stepper", [*STEPPERS, km.StochasticHeun(), Slowing()], ids=lambda s: type(s).__name__
)
def test_traced_steps_are_the_steppers_own(stepper, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function: function)  # what is traced, not how
    problem = Problem()
    problem.tensors["weights"].requires_grad_()
    model, x0, noise = problem.model, problem.tensors["x0"], isinstance(stepper, km.StochasticHeun)
    model = km.Kuramoto(model.coupling, model.frequency, model.stimulus, 0.3 * noise)
    words = {"t1": 0.23, "dt": 0.05, "stepper": stepper, "seed": 3}
    found, expected = (km.solve(model, x0, compile=wish, **words).final for wish in (True, False))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's, of its own old parts and others' caches
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_steps_have_the_eager_values_and_gradients():
    import torch._dynamo

    for stepper, t1 in ((km.ProjectedEuler(), 0.3), (km.DormandPrince(), 0.05)):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        found, expected = (compiled_or_not(stepper, t1, wish) for wish in (True, False))
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def compiled_or_not(stepper: Any, t1: float, wish: bool) -> list[Any]:
    """Return the end of a short run, and its gradients."""
    problem = Problem()
    wanted = [problem.tensors[name].requires_grad_() for name in ("weights", "omega", "x0")]
    final = problem.solve(stepper, wish, t1=t1).final
    return [final.detach(), *torch.autograd.grad(final[:, 0].sum(), wanted)]
