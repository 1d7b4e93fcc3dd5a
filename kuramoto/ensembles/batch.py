"""`ensemble`: one model from many initial states, all in one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, is_array, require_same
from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.model import Kuramoto
from kuramoto.solution import Solution
from kuramoto.solve import solve

__all__ = ["ensemble"]


def ensemble(
    model: Kuramoto,
    x0s: Array | Sequence[Array] | None = None,
    *,
    samples: int | None = None,
    sites: int | Sequence[int] | None = None,
    dimensions: int = 2,
    seed: int | None = None,
    like: Array | None = None,
    **arguments: Any,
) -> Solution:
    """Run a model from many initial states at once, as a batch.

    Members do not interact: with fixed steps each is the run that it would be alone, to rounding.
    With adaptive steps all share the step that the most demanding member needs.

    What all members share is one model. Natural frequencies of shape (B, *sites, N//2) and a
    stimulus of shape (B, *sites, N) differ from member to member; coupling strengths cannot. To
    vary those, use `kuramoto.ensembles.sweep`.

    Parameters
    ----------
    model : Kuramoto
    x0s : array, shape (B, *sites, N), or sequence of B arrays of shape (*sites, N), optional
        Unit vectors; give these, or `samples`.
    samples : int, optional
        B, for random states, uniform on the sphere. The first ones are the same for every B.
    sites : int or sequence of int, optional
        Of random states; not needed where the coupling has a size of its own.
    dimensions : int, default 2
        N of random states.
    seed : int, optional
        Of random states (0 by default), and of the noise, as in `kuramoto.solve`.
    like : array, optional
        Library, dtype and device of random states; NumPy float64 by default.
    **arguments
        As `kuramoto.solve` takes them: t1, dt, stepper, save, observe, out, ...

    Returns
    -------
    Solution
        ``states`` have shape (S, B, *sites, N), standard observables (S, B).

    Raises
    ------
    ValueError, TypeError
        As `kuramoto.solve`; and if the states lack a batch axis, or are given in two ways or none.

    Examples
    --------
    >>> import kuramoto as km
    >>> from kuramoto.ensembles import ensemble
    >>> model = km.Kuramoto(km.MeanField(1.0))
    >>> ensemble(model, samples=4, sites=10, t1=30.0, dt=0.1).final.shape
    (4, 10, 2)
    """
    if not hasattr(model, "coupling"):  # such as a list of models
        remedy = "to vary parameters, use kuramoto.ensembles.sweep"
        raise wrong_type("model", "be one model, which all members share", model, remedy)
    if (x0s is None) == (samples is None):
        raise invalid("x0s", "be given, or else `samples`", "is both" if samples else "neither")
    if samples is not None:
        count = whole_number("samples", samples, least=1)
        shape = (count, *_sites(model, sites), whole_number("dimensions", dimensions, least=1))
        x0s = sphere.random_points(shape, seed=seed or 0, like=like)
    return solve(model, _stacked(model, x0s), seed=seed, **arguments)


def _sites(model: Kuramoto, sites: Any) -> tuple[int, ...]:
    """Return the sizes of the site axes: as given, or as the coupling has them."""
    if sites is None:
        if model.coupling.sites is None:
            raise invalid("sites", "be given: this coupling takes any number", "None")
        return model.coupling.sites
    return (sites,) if hasattr(sites, "__index__") else tuple(sites)


def _stacked(model: Kuramoto, x0s: Any) -> Array:
    """Return states with a batch axis in front."""
    if is_array(x0s):
        stacked = x0s
    else:
        states = [as_array(state, f"x0s[{index}]") for index, state in enumerate(x0s)]
        shapes = {tuple(state.shape) for state in states}
        if len(shapes) != 1:
            raise invalid("x0s", "hold states of one shape", f"has shapes {sorted(shapes)}")
        for index, state in enumerate(states):
            require_same(states[0], state, "x0s[0]", f"x0s[{index}]")
        stacked = array_namespace(states[0]).stack(states)
    axes = model.coupling.site_ndim + 2
    if stacked.ndim < axes:
        found = f"has shape {tuple(stacked.shape)}"
        raise invalid("x0s", f"have at least {axes} axes, (B, *sites, N)", found)
    return stacked
