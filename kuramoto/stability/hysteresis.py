"""Hysteresis: follow a state while a parameter rises, then while it falls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, from_numpy, to_numpy
from kuramoto._check import invalid, real_number, wrong_type
from kuramoto.model import Kuramoto
from kuramoto.observables import standard
from kuramoto.solution import SaveAt
from kuramoto.solve import solve
from kuramoto.stability.basins import require_callable
from kuramoto.steppers import Stepper

__all__ = ["Hysteresis", "hysteresis"]

_LOOKS = 100  # at the observable, during the part of a run that is averaged


class Hysteresis(NamedTuple):
    """An observable along a parameter, on the way up and on the way down.

    Attributes
    ----------
    values : numpy array, shape (V,)
        The parameter.
    forward, backward : numpy array, shape (V, *batch)
        Averages of the observable; both in the order of `values`.
    final : array, shape (*batch, *sites, N)
        The state at the end of the way back.
    """

    values: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    final: Array

    @property
    def area(self) -> np.ndarray:
        """∫ (backward − forward) by the trapezoidal rule: how open the loop is."""
        return np.asarray(np.trapezoid(self.backward - self.forward, self.values, axis=0))


def hysteresis(
    make_model: Callable[[float], Kuramoto],
    values: Any,
    x0: Array,
    *,
    t1: float,
    observe: str | Callable[[float, Array], Any] = "order_parameter",
    average: float = 0.5,
    perturbation: float = 1e-3,
    seed: int | None = 0,
    dt: float | None = None,
    stepper: Stepper | None = None,
    progress: bool = False,
) -> Hysteresis:
    """Follow an observable through the values of a parameter and back again.

    At each value the model runs for a time t1 from where the one before ended, perturbed a little
    so that no unstable state survives; the observable is averaged over the last part of the run.

    Parameters
    ----------
    make_model : callable
        From a value of the parameter to a model.
    values : array, shape (V,)
        Of the parameter, in the order of the way forward.
    x0 : array, shape (*batch, *sites, N)
        Where the first run begins: a state of the models, so ``model.state(x)`` for those with
        inertia.
    t1 : float
        Length of each run.
    observe : str or callable, default "order_parameter"
        A name in `kuramoto.observables.OBSERVABLES`, or a function of (t, x) to shape (*batch,).
    average : float, default 0.5
        Share of each run, at its end, over which the observable is averaged; 0: its end alone.
    perturbation : float, default 1e-3
        Size, in radians, of the Gaussian kick on each oscillator before each run.
    seed : int, optional
        Of the kicks.
    dt, stepper
        As for `solve`.
    progress : bool, default False
        Show a bar over the runs.

    Returns
    -------
    Hysteresis

    Raises
    ------
    ValueError
        If a number is out of range or `values` is not one-dimensional and finite.
    TypeError
        If `make_model` does not return a model.

    References
    ----------
    Pazó (2005), Thermodynamic limit of the first-order phase transition in the Kuramoto model,
    Phys. Rev. E 72, 046211; Gómez-Gardeñes, Gómez, Arenas, Moreno (2011), Explosive synchronization
    transitions in scale-free networks, Phys. Rev. Lett. 106, 128701.

    Examples
    --------
    >>> import kuramoto as km
    >>> x0 = km.sphere.random_points((20, 2), seed=0)
    >>> loop = hysteresis(lambda K: km.Kuramoto(km.MeanField(K)), [-1.0, 1.0], x0, t1=50.0)
    >>> loop.forward.round(3), loop.backward.round(3)
    (array([0., 1.]), array([0., 1.]))
    """
    require_callable(make_model, "make_model", "be a function from a value to a model")
    points, share = _values(values), _share(average)
    kick = real_number("perturbation", perturbation)
    if kick < 0:
        raise invalid("perturbation", "be at least 0", f"{kick:g}")
    t1 = real_number("t1", t1, positive=True)
    # A stream of its own: along an x0 drawn from the same seed the first kick would do nothing.
    rng, x, seen = np.random.default_rng(seed).spawn(1)[0], x0, []
    for value in _with_bar([*points, *points[::-1]], progress):
        model = make_model(value)
        if not isinstance(model, Kuramoto):
            raise wrong_type("make_model", "return a Kuramoto model", model)
        x = _kicked(model, model.require_state(x, "x0"), kick, rng)
        observer = standard([observe], model)[observe] if isinstance(observe, str) else observe
        times = t1 * np.linspace(1 - share, 1, _LOOKS) if share else [t1]
        save, watch = SaveAt(times=times, states=False, end=False), {"observed": observer}
        run = solve(model, x, t1=t1, dt=dt, stepper=stepper, save=save, observe=watch, seed=seed)
        seen.append(to_numpy(as_array(run.observed["observed"], "observe")).mean(axis=0))
        x = run.final
    forward, backward = np.array(seen[: len(points)]), np.array(seen[: len(points) - 1 : -1])
    return Hysteresis(np.array(points), forward, backward, x)


def _values(values: Any) -> list[float]:
    points = to_numpy(as_array(values, "values"))
    if points.ndim != 1 or not len(points) or not np.isfinite(points).all():
        must = "be a sequence of finite numbers"
        raise invalid("values", must, f"has shape {points.shape}: {points.tolist()!s:.60}")
    return [float(point) for point in points]


def _share(average: Any) -> float:
    share = real_number("average", average)
    if not 0 <= share <= 1:
        raise invalid("average", "be from 0 to 1", f"{share:g}")
    return share


def _kicked(model: Kuramoto, state: Array, size: float, rng: np.random.Generator) -> Array:
    """Move the vectors by noise; what else the state holds stays, as near as it may be."""
    x = model.vectors(state)
    if x.ndim < state.ndim:  # a past is vectors as well, instant by instant
        x = state
    noise = from_numpy(size * rng.standard_normal(tuple(x.shape)), x)
    moved = sphere.normalize(x + sphere.to_tangent(x, noise))
    if not size or not model.carries:
        return moved if size else state
    rest = state[..., x.shape[-1] :]
    joined = array_namespace(x).concat([moved, rest], axis=-1)
    own = type(model).project is not Kuramoto.project
    return model.project(joined) if own else joined


def _with_bar(points: list[float], progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(points, disable=not progress, leave=False)
