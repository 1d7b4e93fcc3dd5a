"""The observables that runs, files and experiments know by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kuramoto._backend import Array
from kuramoto._check import nearest, wrong_type
from kuramoto.energy import energy_rate
from kuramoto.model import Kuramoto
from kuramoto.observables.energies import energy_per_oscillator
from kuramoto.observables.neighbourhood import Neighbourhood
from kuramoto.observables.order import mean_vector, nematic_order, order_parameter
from kuramoto.observables.rates import instantaneous_frequency, residual

__all__ = ["OBSERVABLES", "Standard", "standard"]

Observer = Callable[[float, Array], Array]


def _of_vectors(function: Callable[[Array, int], Array]) -> Callable[[Kuramoto], Observer]:
    """Return the maker of an observer for a function of the unit vectors and their site axes."""
    return lambda model: lambda t, x: function(model.vectors(x), model.coupling.site_ndim)


def _of_model(
    function: Callable[[Kuramoto, Array, float], Array],
) -> Callable[[Kuramoto], Observer]:
    """Return the maker of an observer for a function of model, state and time."""
    return lambda model: lambda t, x: function(model, x, t)


def _local_order(model: Kuramoto) -> Observer:
    near = Neighbourhood(model.coupling)
    return lambda t, x: near.order(model.vectors(x))


OBSERVABLES: dict[str, Callable[[Kuramoto], Observer]] = {
    "energy": lambda model: lambda t, x: model.energy(x, t),
    "energy_per_oscillator": _of_model(energy_per_oscillator),
    "energy_rate": _of_model(energy_rate),
    "instantaneous_frequency": _of_model(instantaneous_frequency),
    "local_order_parameter": _local_order,
    "mean_vector": _of_vectors(mean_vector),
    "nematic_order": _of_vectors(nematic_order),
    "order_parameter": _of_vectors(order_parameter),
    "residual": _of_model(residual),
}
"""Makers of the standard observers: name -> (model -> f(t, x))."""

_OF_VECTORS_ALONE = {"energy_per_oscillator", "energy_rate"}
"""What only makes sense where vectors are all that a state holds."""


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
        If a name is not known (the nearest known one is suggested), or does not apply to a model
        whose oscillators carry more than vectors.
    TypeError
        If `names` is a single string.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> observers = standard(["energy"], km.Kuramoto(km.MeanField(2.0)))
    >>> observers["energy"](0.0, np.array([[1.0, 0.0], [1.0, 0.0]]))
    np.float64(-2.0)
    """
    if isinstance(names, str):
        raise wrong_type("names", "be a list of names", names, f"pass [{names!r}]")
    found: dict[str, Observer] = {}
    for name in names:
        if name not in OBSERVABLES:
            hint = nearest(str(name), OBSERVABLES)
            raise ValueError(f"Observable {name!r} is not a standard one; {hint}")
        if model.carries and name in _OF_VECTORS_ALONE:
            kind = type(model).__name__
            raise ValueError(
                f"Observable {name!r} is not defined for {kind}: oscillators also carry "
                f"{model.carries}; observe a function of your own: {{name: f(t, x)}}."
            )
        found[name] = Standard(name, OBSERVABLES[name](model), model)
    return found
