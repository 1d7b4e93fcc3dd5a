"""Fused kernels: many fixed steps in one compiled call, where one has been written.

A registry maps (coupling, stepper, array library) to a function that prepares a run. What it
returns advances by n steps; ``NotImplemented`` means that it cannot take this dtype, device,
stimulus or gradient, and the generic steppers run. Kernels are imported on first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np

from kuramoto._backend import Array, namespace_name
from kuramoto._check import invalid
from kuramoto.couplings import Dense, Lattice, Scaled, Sparse
from kuramoto.model import Kuramoto
from kuramoto.steppers import Step, Stepper

__all__ = [
    "REGISTRY",
    "Engine",
    "Stepwise",
    "Unwatched",
    "Watching",
    "choose",
    "engine",
    "fused",
    "steps_watched",
    "unscaled",
]

_COUPLINGS = ("Dense", "Sparse", "MeanField", "Lattice")
_STEPPERS = ("ProjectedEuler", "Splitting", "RungeKutta4", "DormandPrince")
_MODULES = {"numpy": "numba", "torch": "torch", "cupy": "cupy"}

REGISTRY: dict[tuple[str, str, str], str] = {
    (coupling, stepper, library): f"kuramoto._kernels.{module}:prepare"
    for coupling, stepper in product(_COUPLINGS, _STEPPERS)
    for library, module in _MODULES.items()
}
"""(coupling, stepper, array library) -> "module:function", the function being
``prepare(model, stepper, x) -> Engine | NotImplemented``."""

# Loading compiled code takes about this long, and compiling it once a few times longer.
_WORTH_SECONDS = 0.5


class Watching(Protocol):
    """What advances as `Engine.advance` does, and observes on the way."""

    def __call__(
        self, t: float, x: Array, dt: float, steps: int, carry: Any, every: int, first: int
    ) -> tuple[Step, dict[str, Any]]:
        """Advance from the end of step number `first`, and observe after the `steps_watched`.

        Returned are the last step and {name: values}, values of shape (rows, *batch).
        """
        ...


def steps_watched(first: int, steps: int, every: int) -> range:
    """Return those of the `steps` numbers after `first` that are multiples of `every`."""
    return range((first // every + 1) * every, first + steps + 1, every)


class Engine(Protocol):
    """What takes the steps of a run.

    Attributes
    ----------
    leaps : bool
        Whether it takes more than one step at once; if so, the stimulus does not change in time.
    """

    leaps: bool

    def init(self, t: float, x: Array) -> Any:
        """Return the carry for the first step."""
        ...

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: Any) -> Step:
        """Take `steps` steps of size dt from (t, x); the error is that of the last step."""
        ...

    def watching(self, names: Iterable[str]) -> Watching | None:
        """Return what observes all these on the way (`OBSERVABLES` has the names), if it can."""
        ...


class Unwatched:
    """Base of engines that observe nothing on the way."""

    def watching(self, names: Iterable[str]) -> Watching | None:
        """Return None."""
        return None


@dataclass(frozen=True)
class Stepwise(Unwatched):
    """The generic engine: the stepper itself, one step at a time."""

    model: Kuramoto
    stepper: Stepper
    leaps = False

    def init(self, t: float, x: Array) -> Any:
        """Return the carry for the first step."""
        return self.stepper.init(self.model, t, x)

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: Any) -> Step:
        """Take one step."""
        assert steps == 1
        return self.stepper.step(self.model, t, x, dt, carry)


def engine(model: Kuramoto, stepper: Stepper, x: Array, *, compiled: bool) -> Engine:
    """Return what takes the steps of a run."""
    if not compiled:
        return Stepwise(model, stepper)
    found = fused(model, stepper, x)
    if found is None and namespace_name(x) == "torch":
        from kuramoto._kernels.torch import Traced

        return Traced(model, stepper)
    # A resumed run may have been given a model that has no kernel.
    return Stepwise(model, stepper) if found is None else found


def choose(wish: bool | None, model: Kuramoto, stepper: Stepper, x: Array, steps: int) -> bool:
    """Say whether a run of `steps` steps is to be compiled; None leaves it to the work there is.

    The choice depends on the run alone, never on what is compiled already, so that the same call
    gives the same numbers.

    Raises
    ------
    ValueError
        If the wish is True and there is nothing to compile for this run.
    """
    if wish is None:
        worth = _generic_seconds(model, stepper, x) * steps > _WORTH_SECONDS
        return worth and fused(model, stepper, x) is not None
    if wish and fused(model, stepper, x) is None and namespace_name(x) != "torch":
        names = f"{type(unscaled(model.coupling)[0]).__name__} with {type(stepper).__name__}"
        found = f"True, but there is no kernel for {names} on {namespace_name(x)} {x.dtype}"
        raise invalid("compile", "be None or False for this run", found)
    return wish


def _generic_seconds(model: Kuramoto, stepper: Stepper, x: Array) -> float:
    """Guess what a generic step takes: calls, then numbers, then products over neighbours."""
    coupling, _ = unscaled(model.coupling)
    size = float(np.prod(x.shape))
    neighbours = 1.0
    if isinstance(coupling, Dense):
        neighbours = float(x.shape[-2])
    elif isinstance(coupling, Sparse):
        neighbours = len(coupling.indices) / x.shape[-2]
    elif isinstance(coupling, Lattice):
        neighbours = float(min(np.prod(coupling.size), 32))
    return stepper.order * (3e-5 + size * (1e-8 + neighbours * 5e-10))


def fused(model: Kuramoto, stepper: Stepper, x: Array) -> Engine | None:
    """Return the fused form of a run, or None where there is none."""
    key = (own_name(unscaled(model.coupling)[0]), own_name(stepper), namespace_name(x))
    if key not in REGISTRY or not _is_plain(model):
        return None
    module, function = REGISTRY[key].split(":")
    prepared = getattr(importlib.import_module(module), function)(model, stepper, x)
    return None if prepared is NotImplemented else prepared


def own_name(part: Any) -> str:
    """Return the name of a class of ours; nothing for somebody's own, whatever its name."""
    kind = type(part)
    return kind.__name__ if kind.__module__.startswith("kuramoto.") else ""


def _is_plain(model: Kuramoto) -> bool:
    """Say whether a model is what kernels take it for: our classes, frequencies of sites."""
    omega = model.frequency
    if type(model) is not Kuramoto or not (omega is None or own_name(omega)):
        return False
    sites = () if omega is None else omega.sites or ()
    return len(sites) <= model.coupling.site_ndim  # else every system has its own


def unscaled(coupling: Any) -> tuple[Any, Any]:
    """Take the factors off a coupling; return it and their product."""
    factor = 1.0
    while type(coupling) is Scaled:
        factor, coupling = factor * coupling.factor, coupling.coupling
    return coupling, factor
