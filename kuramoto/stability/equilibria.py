"""Newton's method on the product of spheres: states at rest, and states that turn rigidly.

Solutions are never isolated here: a turned equilibrium is one again, splay states come in families
of many dimensions. So the step is Levenberg's and Marquardt's, min ‖F + Lδ‖² + μ²‖δ‖² with μ the
residual: it converges quadratically to such families too (Yamashita, Fukushima, 2001). Large
systems take GMRES steps instead, which need no matrix; they stay in the range of L, so that its
null vectors do no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, from_numpy, to_numpy
from kuramoto._check import invalid, whole_number
from kuramoto.model import Kuramoto
from kuramoto.stability.jacobian import Linearisation, require_single, symmetries, tolerance, turned

__all__ = ["Equilibrium", "NotConverged", "equilibrium", "relative_equilibrium"]

_HALVINGS = 12  # of a step, before it is given up
_LONGEST = 1.0  # radians that a step may move an oscillator


@dataclass(frozen=True)
class Equilibrium:
    """A state with ẋ_i = A x_i, and how well that holds.

    Attributes
    ----------
    x : array, shape (*sites, N)
    rotation : numpy array, shape (N, N)
        A, in radians per unit time; zero for a state at rest. For N = 2 the common frequency is
        ``rotation[1, 0]``.
    residual : float
        max_i ‖ẋ_i − A x_i‖.
    iterations : int
        Newton steps taken.
    """

    x: Array
    rotation: np.ndarray
    residual: float
    iterations: int


class NotConverged(RuntimeError):
    """Newton's method found no solution; `best` is the state with the smallest residual it saw."""

    def __init__(self, text: str, best: Equilibrium) -> None:
        super().__init__(text)
        self.best = best


def equilibrium(
    model: Kuramoto,
    x0: Array,
    *,
    tol: float | None = None,
    max_iterations: int = 50,
    t: float = 0.0,
    dense_up_to: int = 1000,
) -> Equilibrium:
    """Find a state at rest near `x0`, stable or not: Ω_i x_i + Proj_{x_i}(y_i) = 0.

    Parameters
    ----------
    model : Kuramoto
        Noise is left out; a stimulus that depends on time is held at its value at `t`.
    x0 : array, shape (*sites, N)
        One state. Far from a solution, integrate for a while with `solve` first.
    tol : float, optional
        Largest max_i ‖ẋ_i‖ to accept; by default 1e-10 (1e-5 in float32).
    max_iterations : int, default 50
    t : float, default 0.0
    dense_up_to : int, default 1000
        Up to so many unknowns M (N − 1) steps use a matrix, beyond only products with it.

    Returns
    -------
    Equilibrium

    Raises
    ------
    NotConverged
        If the Newton step is singular (no small change lowers the residual: near a bifurcation, or
        where no equilibrium is near), or the iterations are used up. Its `best` is the best state.
    ValueError
        If an argument is out of range, or `x0` is no state of the model or a batch.

    References
    ----------
    Absil, Mahony, Sepulchre (2008), Optimization Algorithms on Matrix Manifolds, 6.1; Yamashita,
    Fukushima (2001), On the rate of convergence of the Levenberg-Marquardt method, Computing
    Suppl. 15, 239.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(1.0), km.Rotation([[0.3], [-0.3]]))
    >>> found = equilibrium(model, np.array([[1.0, 0.0]] * 2))  # sin(θ_1 − θ_2) = 2 · 0.3
    >>> round(float(np.linalg.det(found.x)), 9)
    -0.6
    """
    x = require_single(model, x0, "x0", t)
    none = np.zeros((0, int(x.shape[-1]), int(x.shape[-1])))
    return _Newton(model, none, t, dense_up_to).run(
        x, tolerance(tol, x, 1e-10, 1e-5), max_iterations
    )


def relative_equilibrium(
    model: Kuramoto,
    x0: Array,
    *,
    tol: float | None = None,
    max_iterations: int = 50,
    t: float = 0.0,
    dense_up_to: int = 1000,
) -> Equilibrium:
    """Find a state near `x0` that turns as a rigid body: ẋ_i = A x_i with one A for all.

    A is among the rotations that leave the model as it is (`symmetries`): only along those does a
    state keep its shape. For N = 2 it is a common frequency; at every iterate A is the least
    squares fit to ẋ.

    Parameters
    ----------
    model, x0, tol, max_iterations, t, dense_up_to
        As for `equilibrium`; `tol` is on max_i ‖ẋ_i − A x_i‖.

    Returns
    -------
    Equilibrium

    Raises
    ------
    NotConverged, ValueError
        As for `equilibrium`.

    References
    ----------
    Mirollo, Strogatz (2005), The spectrum of the locked state for the Kuramoto model of coupled
    oscillators, Physica D 205, 249.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(1.0), km.Rotation([[0.9], [0.3]]))
    >>> found = relative_equilibrium(model, np.array([[1.0, 0.0]] * 2))
    >>> round(float(found.rotation[1, 0]), 12)  # the mean of the frequencies
    0.6
    """
    x = require_single(model, x0, "x0", t)
    newton = _Newton(model, symmetries(model, x, t), t, dense_up_to)
    return newton.run(x, tolerance(tol, x, 1e-10, 1e-5), max_iterations)


@dataclass(frozen=True)
class _Point:
    """A state with its fitted rotation and what remains of its velocity."""

    x: Array
    rotation: np.ndarray
    drift: Array

    @property
    def residual(self) -> float:
        return float(np.sqrt(np.max(np.sum(_host(self.drift) ** 2, axis=-1), initial=0.0)))

    @property
    def norm(self) -> float:
        return float(np.linalg.norm(_host(self.drift)))


class _Newton:
    """The iteration for f(x) = Ax with A among given generators (none: at rest)."""

    def __init__(self, model: Kuramoto, generators: np.ndarray, t: float, dense_up_to: int) -> None:
        self.model, self.generators, self.t = model, generators, t
        self.dense_up_to = whole_number("dense_up_to", dense_up_to)

    def run(self, x: Array, tol: float, max_iterations: int) -> Equilibrium:
        most = whole_number("max_iterations", max_iterations)
        point = self.at(x)
        for iteration in range(most + 1):
            if not np.isfinite(point.residual):
                raise invalid("x0", "have a finite velocity", f"moves at {point.residual}")
            found = Equilibrium(point.x, point.rotation, point.residual, iteration)
            if point.residual <= tol:
                return found
            if iteration == most:
                break
            step, words = self.step(point)
            lower = self.search(point, step)
            if lower is None:
                raise NotConverged(_singular(found, words, tol), found)
            point = lower
        remedy = "start nearer (integrate first) or allow more"
        text = f"No equilibrium after {most} iterations: the residual is {point.residual:.2g}"
        raise NotConverged(f"{text}, not {tol:g}; {remedy}. The best state is in `.best`.", found)

    def at(self, x: Array) -> _Point:
        """Fit the rotation to the velocity."""
        velocity = self.model.velocity(x, self.t)
        N = int(x.shape[-1])
        if not len(self.generators):
            return _Point(x, np.zeros((N, N)), sphere.to_tangent(x, velocity))
        columns, target = self._turnings(x), _host(velocity).ravel()
        weights = np.linalg.lstsq(columns, target, rcond=1e-10)[0]
        rotation = np.tensordot(weights, self.generators, axes=1)
        drift = velocity - turned(from_numpy(rotation, x), x)
        return _Point(x, rotation, sphere.to_tangent(x, drift))

    def _turnings(self, x: Array) -> np.ndarray:
        """Return A x for every generator, shape (M N, S)."""
        turned = np.einsum("sab,...b->...as", self.generators, _host(x))
        return np.asarray(turned.reshape(-1, len(self.generators)))

    def step(self, point: _Point) -> tuple[np.ndarray, str]:
        """Return a Newton step in coordinates, and what was singular about it."""
        linear = Linearisation(self.model, point.x, point.rotation, self.t)
        project = self._projection(linear, point.x)
        target = -linear.lower(point.drift)
        if linear.size <= self.dense_up_to:
            return _marquardt(project(linear.dense()), target, point.residual)
        return _krylov(linear, project, target, point.residual)

    def _projection(self, linear: Linearisation, x: Array) -> Callable[[np.ndarray], np.ndarray]:
        """Return the projection of coordinates, shape (n, ...), off what a rotation can do.

        The fitted A is a function of x. This is its part of the derivative, but for a term that is
        as small as the residual.
        """
        if not len(self.generators):
            return lambda c: c
        turnings = np.moveaxis(self._turnings(x).reshape(*x.shape, -1), -1, 0)
        rows = linear.lower(from_numpy(turnings, x))
        _, sizes, right = np.linalg.svd(rows, full_matrices=False)
        Q = right[sizes > 1e-8 * max(1.0, sizes.max(initial=0.0))].T
        return lambda c: c - Q @ (Q.T @ c)

    def search(self, point: _Point, step: np.ndarray) -> _Point | None:
        """Go along the geodesic, half as far until the residual falls; None if it never does."""
        v = Linearisation(self.model, point.x).lift(step)
        longest = float(np.sqrt(np.max(np.sum(_host(v) ** 2, axis=-1), initial=0.0)))
        if not np.isfinite(longest):
            return None
        fraction = min(1.0, _LONGEST / longest) if longest else 1.0
        for _ in range(_HALVINGS):
            tried = self.at(sphere.exp(point.x, fraction * v))
            if tried.norm < (1 - 1e-4 * fraction) * point.norm:
                return tried
            fraction /= 2
        return None


def _marquardt(matrix: np.ndarray, target: np.ndarray, damping: float) -> tuple[np.ndarray, str]:
    """Return argmin ‖Lδ − target‖² + damping² ‖δ‖², and the rank of L in words."""
    left, sizes, right = np.linalg.svd(matrix)
    step = right.T @ (sizes / (sizes**2 + damping**2) * (left.T @ target))
    rank = int((sizes > 1e-9 * sizes.max(initial=0.0)).sum())
    return step, f"the linearisation has rank {rank} of {len(sizes)}, smallest {sizes[-1]:.2g}"


def _krylov(
    linear: Linearisation,
    project: Callable[[np.ndarray], np.ndarray],
    target: np.ndarray,
    residual: float,
) -> tuple[np.ndarray, str]:
    """Return a GMRES step, solved as well as a Newton step at this residual deserves.

    Convergence is then quadratic down to a factor of 1e-3 an iteration.
    """
    from scipy.sparse.linalg import LinearOperator, gmres

    def apply(c: np.ndarray) -> np.ndarray:
        return project(linear(c.reshape(-1)))

    operator = LinearOperator((linear.size,) * 2, matvec=apply, dtype=np.float64)
    # Asked for more digits than a singular system has, GMRES wanders off along null vectors.
    accuracy = max(1e-3, min(0.05, residual))
    step, _ = gmres(operator, target, rtol=accuracy, restart=80, maxiter=10)
    left = np.linalg.norm(apply(step) - target) / np.linalg.norm(target)
    return step, f"GMRES left {left:.2g} of the right-hand side"


def _singular(found: Equilibrium, words: str, tol: float) -> str:
    return (
        f"The Newton step is singular at iteration {found.iterations}: the residual "
        f"{found.residual:.2g} (wanted: {tol:g}) cannot be lowered by a small change of the state "
        f"({words}); start elsewhere, or look for a bifurcation. The best state is in `.best`."
    )


def _host(array: Array) -> np.ndarray:
    return to_numpy(array).astype(np.float64)
