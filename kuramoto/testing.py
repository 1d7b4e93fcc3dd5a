"""Property tests for your own models: hypothesis strategies, and checkers of the laws.

>>> from hypothesis import given
>>> from kuramoto import testing
>>> @given(testing.symmetric_models(), testing.seeds())
... def test_energy_falls(model, seed):
...     testing.assert_descends(model, testing.random_state(model, seed))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, from_numpy, to_numpy
from kuramoto._check import invalid, wrong_type
from kuramoto.controllers import FixedStep
from kuramoto.couplings import Dense, Lattice, Linear, MeanField, Sparse
from kuramoto.frequencies import Antisymmetric, Rotation
from kuramoto.lyapunov import certify, check_descent
from kuramoto.model import Kuramoto
from kuramoto.solution import SaveAt
from kuramoto.solve import solve
from kuramoto.steppers import ProjectedEuler, Splitting, Stepper

try:
    from hypothesis import strategies as st
except ImportError as error:  # pragma: no cover - the message is the point
    raise ImportError(
        "kuramoto.testing needs hypothesis; install it with `pip install hypothesis`."
    ) from error

__all__ = [
    "assert_descends",
    "assert_on_sphere",
    "assert_rotation_equivariant",
    "models",
    "random_state",
    "seeds",
    "state_shape",
    "states",
    "symmetric_models",
]

KINDS = ("dense", "blocks", "sparse", "mean_field", "lattice", "sum")


def seeds() -> Any:
    """Return a strategy for seeds of NumPy's generator.

    Models and states are drawn through a seed rather than number by number: thousands of examples
    a minute, and a failing one is still reported by a value that reproduces it.
    """
    return st.integers(0, 2**32 - 1)


def states(shape: Any = None, *, max_sites: int = 8, max_dimensions: int = 5) -> Any:
    """Return a strategy for states: unit vectors, shape (*batch, *sites, N).

    Parameters
    ----------
    shape : tuple of int or Kuramoto, optional
        The shape to draw, or a model to fit; by default (M, N) with sizes of its own choosing.
    """
    if isinstance(shape, Kuramoto):
        shape = state_shape(shape)
    if shape is not None:
        return seeds().map(lambda seed: sphere.random_points(shape, seed=seed))
    sizes = st.tuples(st.integers(1, max_sites), st.integers(2, max_dimensions))
    drawn = st.tuples(sizes, seeds())
    return drawn.map(lambda pair: sphere.random_points(pair[0], seed=pair[1]))


def models(*, kinds: tuple[str, ...] = KINDS, max_sites: int = 8, max_dimensions: int = 5) -> Any:
    """Return a strategy for models of every kind: asymmetric couplings, any Ω, any stimulus."""
    return _drawn(kinds, max_sites, max_dimensions, symmetric=False)


def symmetric_models(
    *, kinds: tuple[str, ...] = KINDS, max_sites: int = 8, max_dimensions: int = 5
) -> Any:
    """Return a strategy for models that `certify` certifies: J = Jᵀ, [J, Ω] = 0, Ωc = 0.

    Positive and negative couplings, with and without a shared Ω that leaves some directions alone,
    with and without a stimulus along those directions.
    """
    return _drawn(kinds, max_sites, max_dimensions, symmetric=True)


def _drawn(kinds: tuple[str, ...], max_sites: int, max_dimensions: int, *, symmetric: bool) -> Any:
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise wrong_type("kinds", f"be among {', '.join(KINDS)}", unknown)
    parts = st.tuples(
        st.sampled_from(kinds), st.integers(1, max_sites), st.integers(2, max_dimensions), seeds()
    )
    return parts.map(lambda drawn: random_model(*drawn, symmetric=symmetric))


def random_model(kind: str, M: int, N: int, seed: int, *, symmetric: bool) -> Kuramoto:
    """Return the model that these numbers stand for, on M sites, or a grid of (M, 3)."""
    rng = np.random.default_rng(seed)
    scale = float(10 ** rng.uniform(-2, 2))
    coupling = scale * _coupling(kind, M, N, rng, symmetric)
    # Always there, if only as zeros, so that the model says what states fit it.
    stimulus = scale * rng.standard_normal((*_sites(kind, M), N)) * rng.integers(0, 2)
    if rng.random() < 0.5:
        return Kuramoto(coupling, None, stimulus)
    if not symmetric:
        weights = rng.standard_normal((*_sites(kind, M), N, N))
        return Kuramoto(coupling, Antisymmetric(weights - np.swapaxes(weights, -1, -2)), stimulus)
    # One Ω for all; blocks, which need not commute with it, get Ω = 0.
    frequency = _partial_rotation(N, rng) if kind != "blocks" else Rotation(np.zeros(N // 2))
    turning = np.repeat(frequency.omega != 0, 2)
    stimulus[..., : len(turning)][..., turning] = 0
    return Kuramoto(coupling, frequency, stimulus)


def _sites(kind: str, M: int) -> tuple[int, ...]:
    return (M, 3) if kind == "lattice" else (M,)


def _partial_rotation(N: int, rng: np.random.Generator) -> Rotation:
    return Rotation(rng.standard_normal(N // 2) * rng.integers(0, 2, N // 2))


def _coupling(kind: str, M: int, N: int, rng: np.random.Generator, symmetric: bool) -> Any:
    build: dict[str, Callable[..., Any]] = {
        "dense": _dense,
        "blocks": _blocks,
        "sparse": _sparse,
        "mean_field": lambda M, N, rng, symmetric: MeanField(rng.standard_normal()),
        "lattice": _lattice,
        "sum": lambda *args: _dense(*args) + rng.standard_normal() * _sparse(*args),
    }
    return build[kind](M, N, rng, symmetric)


def _dense(M: int, N: int, rng: np.random.Generator, symmetric: bool) -> Linear:
    weights = rng.standard_normal((M, M))
    return Dense((weights + weights.T) / 2 if symmetric else weights)


def _blocks(M: int, N: int, rng: np.random.Generator, symmetric: bool) -> Linear:
    weights = rng.standard_normal((M, M, N, N))
    return Dense((weights + weights.transpose(1, 0, 3, 2)) / 2 if symmetric else weights)


def _sparse(M: int, N: int, rng: np.random.Generator, symmetric: bool) -> Linear:
    count = int(rng.integers(0, 3 * M + 1))
    i, j, weights = rng.integers(0, M, count), rng.integers(0, M, count), rng.standard_normal(count)
    if symmetric:
        i, j = np.concatenate([i, j]), np.concatenate([j, i])
        weights = np.concatenate([weights, weights])
    return Sparse.from_edges(i, j, weights, sites=M)


def _lattice(M: int, N: int, rng: np.random.Generator, symmetric: bool) -> Linear:
    size = tuple(int(k) for k in rng.choice([1, 3, 5], size=2))
    kernel = rng.standard_normal(size)
    boundary = str(rng.choice(["periodic", "zero", "reflect"]))
    if symmetric:
        kernel = kernel + kernel[::-1, ::-1]
        kernel = kernel + kernel[::-1] if boundary == "reflect" else kernel
    return Lattice(kernel, boundary)


def state_shape(model: Kuramoto) -> tuple[int, ...]:
    """Return the shape (*sites, N) of the states that fit a model, from whatever part knows it.

    Raises
    ------
    ValueError
        If no part does.
    """
    c = model.stimulus_at(0.0)
    known = [model.coupling.sites, model.frequency.sites if model.frequency else None]
    known += [tuple(c.shape[:-1])] if c is not None and c.ndim > model.coupling.site_ndim else []
    sites = next((sites for sites in known if sites), None)
    N = c.shape[-1] if c is not None else model.coupling.block_size
    if N is None and model.frequency is not None:
        N = model.frequency.dimensions
    if sites is None or N is None:
        raise invalid("model", "fix the shape of its states", repr(model), "pass x0")
    return (*sites, N)


def random_state(model: Kuramoto, seed: int = 0, *, batch: tuple[int, ...] = ()) -> Array:
    """Return a random state that fits a model, shape (*batch, *sites, N)."""
    return sphere.random_points((*batch, *state_shape(model)), seed=seed)


def assert_on_sphere(x: Array, *, ulp: float = 4.0) -> None:
    """Raise AssertionError unless every ‖x_i‖ is 1 to within `ulp` units in the last place."""
    host = to_numpy(x)
    length = np.sqrt((host.astype(np.longdouble) ** 2).sum(axis=-1))
    worst = float(np.abs(length - 1).max(initial=0.0))
    allowed = ulp * np.finfo(host.dtype).eps
    # `not <=` so that NaN fails.
    if not worst <= allowed:
        raise AssertionError(f"max |‖x‖−1| = {worst:.3g}, more than {ulp:g} ulp = {allowed:.3g}")


def assert_descends(
    model: Kuramoto,
    x0: Array | None = None,
    *,
    dt: float | None = None,
    steps: int = 20,
    stepper: Stepper | None = None,
    rtol: float = 1e-12,
) -> None:
    """Raise AssertionError if a step raises the energy by more than rtol·max(1, |E|).

    Parameters
    ----------
    model : Kuramoto
    x0 : array, shape (*batch, *sites, N), optional
        By default a random state that fits the model.
    dt : float, optional
        By default the model's certified step.
    steps : int
    stepper : Stepper, optional
        `Splitting` by default, which is what the certificate is for.
    rtol : float
    """
    certificate = certify(model)
    if dt is None:
        if not certificate.monotone:
            raise AssertionError(f"no step to test at: {'; '.join(certificate.reasons)}")
        dt = min(certificate.max_step, 1e3)
    x0 = random_state(model) if x0 is None else x0
    rise = largest_rise(model, x0, dt=dt, steps=steps, stepper=stepper)
    if not rise <= rtol:
        raise AssertionError(
            f"the energy rose by {rise:.3g} of max(1, |E|) in a step of {dt:.6g} ({certificate})"
        )


def largest_rise(
    model: Kuramoto, x0: Array, *, dt: float, steps: int = 20, stepper: Stepper | None = None
) -> float:
    """Return the largest relative rise of the energy in `steps` steps of `dt`."""
    save = SaveAt(every=1, start=True)
    stepper = Splitting() if stepper is None else stepper
    run = solve(model, x0, t1=steps * dt, dt=dt, stepper=stepper, controller=FixedStep(), save=save)
    return check_descent(model, run.states)


def assert_rotation_equivariant(
    model: Kuramoto,
    x0: Array,
    *,
    seed: int = 0,
    dt: float = 0.1,
    stepper: Stepper | None = None,
    rtol: float = 1e-10,
) -> None:
    """Raise AssertionError unless a step commutes with a random global rotation of R^N.

    Holds for scalar couplings without stimulus and with Ω = 0; where it does not, the message says
    by how much it fails.
    """
    N, xp = x0.shape[-1], array_namespace(x0)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((N, N)))
    rotation = xp.matrix_transpose(from_numpy(turn, x0))
    stepper = ProjectedEuler() if stepper is None else stepper

    def step(x: Array) -> Array:
        return stepper.step(model, 0.0, x, dt, stepper.init(model, 0.0, x)).x

    defect = to_numpy(step(xp.matmul(x0, rotation)) - xp.matmul(step(x0), rotation))
    worst = float(np.abs(defect).max(initial=0.0))
    if not worst <= rtol:
        raise AssertionError(f"a step fails to commute with a rotation by {worst:.3g}")
