"""Observables: numbers that say what a state is doing, and the ones that runs know by name.

An observer, as `solve` takes it, is a function of (t, x). `OBSERVABLES` maps names to makers of
observers for a given model; experiment files and run files refer to these names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace
from kuramoto._check import nearest
from kuramoto.energy import energy, energy_rate
from kuramoto.model import Kuramoto

__all__ = ["OBSERVABLES", "Standard", "order_parameter", "residual", "standard"]

Observer = Callable[[float, Array], Array]


def order_parameter(x: Array, site_ndim: int = 1) -> Array:
    """Return r = ‖(1/M) Σ_i x_i‖₂: 1 if all oscillators point the same way, near 0 in disorder.

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    site_ndim : int, default 1
        How many axes before the last count oscillators.

    Returns
    -------
    array, shape (*batch,)

    References
    ----------
    Kuramoto (1975) for N = 2; Chandra, Girvan & Ott (2019), Continuous versus discontinuous
    transitions in the D-dimensional generalized Kuramoto model, Phys. Rev. X 9, for any N.

    Examples
    --------
    >>> import numpy as np
    >>> float(order_parameter(np.array([[1.0, 0.0], [0.0, 1.0]]))) ** 2
    0.5000000000000001
    """
    axes = tuple(range(-1 - site_ndim, -1))
    return sphere.norm(array_namespace(x).mean(x, axis=axes))[..., 0]


def residual(model: Kuramoto, x: Array, t: float = 0.0) -> Array:
    """Return max_i ‖ẋ_i‖₂: 0 exactly at rest, in radians per unit time.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*batch, *sites, N)
    t : float, default 0.0

    Returns
    -------
    array, shape (*batch,)
    """
    axes = tuple(range(-model.coupling.site_ndim, 0))
    speed = sphere.norm(model.velocity(x, t))[..., 0]
    return array_namespace(x).max(speed, axis=axes)


OBSERVABLES: dict[str, Callable[[Kuramoto], Observer]] = {
    "energy": lambda model: lambda t, x: energy(model, x, t),
    "energy_rate": lambda model: lambda t, x: energy_rate(model, x, t),
    "order_parameter": lambda model: (
        lambda t, x: order_parameter(model.vectors(x), model.coupling.site_ndim)
    ),
    "residual": lambda model: lambda t, x: residual(model, x, t),
}
"""Makers of the standard observers: name -> (model -> f(t, x))."""


@dataclass(frozen=True)
class Standard:
    """An observer that its name alone can bring back, such as when a run file is resumed.

    Attributes
    ----------
    standard_name : str
        Its key in `OBSERVABLES`.
    function : callable
        f(t, x).
    model : Kuramoto
        Whose states it is made for.
    """

    standard_name: str
    function: Observer
    model: Kuramoto

    def __call__(self, t: float, x: Array) -> Array:
        """Return the value for state x at time t."""
        return self.function(t, x)


def standard(names: Iterable[str], model: Kuramoto) -> dict[str, Observer]:
    """Return standard observers of a model by name, ready for ``solve(..., observe=...)``.

    Parameters
    ----------
    names : iterable of str
        Keys of `OBSERVABLES`.
    model : Kuramoto

    Returns
    -------
    dict of callable
        ``{name: f(t, x)}``, in the order of `names`.

    Raises
    ------
    ValueError
        If a name is not known; the nearest known one is suggested.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> observers = standard(["energy"], km.Kuramoto(km.MeanField(2.0)))
    >>> observers["energy"](0.0, np.array([[1.0, 0.0], [1.0, 0.0]]))
    np.float64(-2.0)
    """
    found: dict[str, Observer] = {}
    for name in names:
        if name not in OBSERVABLES:
            hint = nearest(str(name), OBSERVABLES)
            raise ValueError(f"Observable {name!r} is not a standard one; {hint}")
        found[name] = Standard(name, OBSERVABLES[name](model), model)
    return found
