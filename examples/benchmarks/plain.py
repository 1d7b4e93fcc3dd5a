"""The same physics in plain NumPy and SciPy, as a competent user writes it.

Coordinates come first, (N, *batch, *sites): each is a contiguous row then, which is several times
faster than short last axes. For N = 2 the projection needs one number per oscillator:
ẋ = (ω + x₁y₂ − x₂y₁) x^⊥.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy.fft
from contestants import Contestant
from workloads import DT, System, Workload, coordinates_first, coordinates_last, lattice_symbol

Array = np.ndarray


def force_of(workload: Workload, weights: Any) -> Callable[[Array], Array]:
    """Return x -> Σ_j J_ij x_j for states of shape (N, *batch, *sites)."""
    if workload.kind == "dense":
        return lambda x: x @ weights.T
    if workload.kind == "mean field":
        return lambda x: weights * x.mean(axis=-1, keepdims=True)
    if workload.kind == "sparse":
        return lambda x: np.stack([weights @ coordinate for coordinate in x])
    grid, symbol = workload.sites, lattice_symbol(weights, workload.sites)
    return lambda x: scipy.fft.irfft2(symbol * scipy.fft.rfft2(x), grid)


def velocity(x: Array, y: Array, omega: Array | None) -> Array:
    """Return Ωx + Proj_x(y)."""
    if len(x) == 2:
        rate = x[0] * y[1] - x[1] * y[0]
        if omega is not None:
            rate += omega
        return np.stack([-rate * x[1], rate * x[0]])
    return y - np.einsum("i...,i...->...", x, y) * x


def rk4_step(x: Array, f: Callable[[Array], Array], dt: float) -> Array:
    """Return the state one Runge-Kutta step later, back on the sphere."""
    k1 = f(x)
    k2 = f(x + dt / 2 * k1)
    k3 = f(x + dt / 2 * k2)
    k4 = f(x + dt * k3)
    x = x + dt / 6 * (k1 + 2 * (k2 + k3) + k4)
    return x / np.sqrt(np.einsum("i...,i...->...", x, x))


class Plain(Contestant):
    """Plain NumPy."""

    def __init__(self, workload: Workload, system: System) -> None:
        self.x0, self.omega = coordinates_first(system.x0), system.omega
        self.force = force_of(workload, system.weights)

    def advance(self, steps: int) -> float:
        """Take RK4 steps."""
        x = self.x0
        for _ in range(steps):
            x = rk4_step(x, lambda x: velocity(x, self.force(x), self.omega), DT)
        self.x = x
        return 4.0 * steps

    def state(self) -> Array:
        """Return the final state."""
        return coordinates_last(self.x)

    def versions(self) -> dict[str, str]:
        """Return those of the array libraries."""
        return {name: version(name) for name in ("numpy", "scipy")}
