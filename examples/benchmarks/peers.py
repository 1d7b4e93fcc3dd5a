"""Solvers for any differential equation, given the unit-vector form: diffrax and torchdiffeq.

Each gets the form in which it was fastest: coordinates first, and for N = 2 the projection as
one number per oscillator. Both take fixed Runge-Kutta steps of order 4.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from contestants import Contestant, counted
from workloads import DT, System, Workload, coordinates_first, coordinates_last, lattice_symbol


class Diffrax(Contestant):
    """diffrax on JAX: compiled, float64, one thread."""

    def __init__(self, workload: Workload, system: System) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.x0 = jax.numpy.asarray(coordinates_first(system.x0))
        self.arguments = _jax_arguments(workload, system)
        self.solve = _diffrax_solve(_jax_velocity(workload))

    def advance(self, steps: int) -> float:
        """Take RK4 steps; the number of steps is no constant, so nothing is compiled again."""
        self.x = self.solve(self.x0, self.arguments, steps * DT)
        self.x.block_until_ready()
        return 4.0 * steps

    def state(self) -> np.ndarray:
        """Return the final state."""
        return coordinates_last(self.x)

    def versions(self) -> dict[str, str]:
        """Return those of the stack."""
        return {name: version(name) for name in ("diffrax", "jax", "jaxlib")}


def _jax_arguments(workload: Workload, system: System) -> tuple[Any, Any]:
    import jax.numpy as jnp

    omega = None if system.omega is None else jnp.asarray(system.omega)
    if workload.kind == "sparse":
        matrix = system.weights.tocoo()
        edges = (jnp.asarray(index.astype(np.int32)) for index in (matrix.row, matrix.col))
        return (jnp.asarray(matrix.data)[:, None], *edges), omega
    if workload.kind == "lattice":
        return jnp.asarray(lattice_symbol(system.weights, workload.sites)), omega
    return jnp.asarray(system.weights), omega


def _jax_velocity(workload: Workload) -> Callable[..., Any]:
    """Return (t, x, (weights, omega)) -> ẋ, both of shape (N, *batch, *sites)."""
    import jax.numpy as jnp

    force = _jax_force(workload)

    def velocity(t: Any, x: Any, arguments: tuple[Any, Any]) -> Any:
        weights, omega = arguments
        y = force(weights, x)
        if len(x) != 2:
            return y - sum(a * b for a, b in zip(x, y, strict=True)) * x
        rate = x[0] * y[1] - x[1] * y[0]
        rate = rate if omega is None else omega + rate
        return jnp.stack([-rate * x[1], rate * x[0]])

    return velocity


def _jax_force(workload: Workload) -> Callable[[Any, Any], Any]:
    import jax.numpy as jnp

    if workload.kind == "dense" and workload.batch:
        return lambda J, x: x @ J.T
    return {
        "dense": lambda J, x: jnp.stack([J @ coordinate for coordinate in x]),
        "mean field": lambda K, x: K * x.mean(axis=-1, keepdims=True),
        "sparse": _jax_sum_over_edges,
        "lattice": lambda S, x: jnp.fft.irfft2(S * jnp.fft.rfft2(x), workload.sites),
    }[workload.kind]


def _jax_sum_over_edges(edges: tuple[Any, Any, Any], x: Any) -> Any:
    import jax

    values, rows, columns = edges
    sizes = {"num_segments": x.shape[1], "indices_are_sorted": True}
    return jax.ops.segment_sum(values * x.T[columns], rows, **sizes).T


def _diffrax_solve(velocity: Callable[..., Any]) -> Callable[..., Any]:
    """Return a compiled (x0, arguments, t1) -> x(t1)."""
    import diffrax
    import jax

    fixed = {"stepsize_controller": diffrax.ConstantStepSize(), "max_steps": None}
    forward = {"adjoint": diffrax.ForwardMode(), "saveat": diffrax.SaveAt(t1=True)}
    term, rk4 = diffrax.ODETerm(velocity), _diffrax_rk4()

    @jax.jit
    def solve(x0: Any, arguments: Any, t1: Any) -> Any:
        run = diffrax.diffeqsolve(term, rk4, 0.0, t1, DT, x0, arguments, **fixed, **forward)
        return run.ys[0]

    return solve


def _diffrax_rk4() -> Any:
    """Return the classical method: diffrax ships none, but takes a tableau."""
    import diffrax

    tableau = diffrax.ButcherTableau(
        c=np.array([0.5, 0.5, 1.0]),
        a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
        b_sol=np.array([1, 2, 2, 1]) / 6,
        b_error=np.zeros(4),
    )
    hermite = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k
    members = {"tableau": tableau, "interpolation_cls": staticmethod(hermite)}
    members |= {"order": lambda self, terms: 4}
    return type("RungeKutta4", (diffrax.AbstractERK,), members)()


class Torchdiffeq(Contestant):
    """torchdiffeq on PyTorch: no gradients, float64, one thread."""

    def __init__(self, workload: Workload, system: System) -> None:
        import torch

        torch.set_num_threads(1)
        omega = None if system.omega is None else torch.from_numpy(system.omega)
        self.x0 = torch.from_numpy(coordinates_first(system.x0))
        velocity = _torch_velocity(_torch_force(workload, system.weights), omega)
        self.velocity, self.calls = counted(velocity)

    def advance(self, steps: int) -> float:
        """Take steps of its "rk4", the 3/8 rule; rounding may add a step of length zero."""
        import torch
        from torchdiffeq import odeint

        before = self.calls()
        ends = torch.tensor([0.0, steps * DT], dtype=torch.float64)
        with torch.no_grad():
            run = odeint(self.velocity, self.x0, ends, method="rk4", options={"step_size": DT})
        self.x = run[-1]
        return self.calls() - before

    def state(self) -> np.ndarray:
        """Return the final state."""
        return coordinates_last(self.x)

    def versions(self) -> dict[str, str]:
        """Return those of the stack."""
        return {name: version(name) for name in ("torchdiffeq", "torch")}


def _torch_velocity(force: Callable[[Any], Any], omega: Any) -> Callable[[Any, Any], Any]:
    import torch

    def velocity(t: Any, x: Any) -> Any:
        y = force(x)
        if len(x) != 2:
            return y - (x * y).sum(0) * x
        rate = x[0] * y[1] - x[1] * y[0]
        rate = rate if omega is None else omega + rate
        return torch.stack([-rate * x[1], rate * x[0]])

    return velocity


def _torch_force(workload: Workload, weights: Any) -> Callable[[Any], Any]:
    """Return x -> Σ_j J_ij x_j; on the lattice by FFT, since float64 conv2d is far slower."""
    import torch

    if workload.kind == "mean field":
        return lambda x: weights * x.mean(-1, keepdim=True)
    if workload.kind == "dense":
        J = torch.from_numpy(weights)
        return lambda x: x @ J.T
    if workload.kind == "sparse":
        parts = (torch.from_numpy(part) for part in (weights.indptr, weights.indices, weights.data))
        J = torch.sparse_csr_tensor(*parts, size=weights.shape)
        return lambda x: torch.stack([J @ coordinate for coordinate in x])
    symbol = torch.from_numpy(lattice_symbol(weights, workload.sites))
    return lambda x: torch.fft.irfft2(symbol * torch.fft.rfft2(x), s=workload.sites)
