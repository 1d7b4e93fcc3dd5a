"""Where the energy sits: per oscillator, per bond."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, from_numpy, integers_like
from kuramoto._check import invalid
from kuramoto.model import Kuramoto
from kuramoto.observables.neighbourhood import bonds

__all__ = ["BondEnergies", "energy_per_bond", "energy_per_oscillator"]


class BondEnergies(NamedTuple):
    """The ends i ≤ j of every bond, NumPy (E,), and its energy, (*batch, E)."""

    i: np.ndarray
    j: np.ndarray
    energy: Array


def energy_per_oscillator(model: Kuramoto, x: Array, t: float = 0.0) -> Array:
    """Return e_i = −½ x_i · (Jx)_i − c_i · x_i, which add up to the energy of eq. 3.

    Each bond's energy is shared evenly by its two ends. What other families of models add to it
    (kinetic energy, the cost of weights that adapt) belongs to no e_i.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*batch, *sites, N)
    t : float, default 0.0

    Returns
    -------
    array, shape (*batch, *sites)

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(2.0))
    >>> energy_per_oscillator(model, np.array([[1.0, 0.0], [1.0, 0.0]]))
    array([-1., -1.])
    """
    vectors, stimulus = model.vectors(x), model.stimulus_at(t)
    # Weights that the state itself holds are found in the whole of it.
    field = 0.5 * model.coupling(x if model.coupling.state_dependent else vectors)
    if stimulus is not None:
        field = field + stimulus
    return -sphere.dot(vectors, field)[..., 0]


def energy_per_bond(model: Kuramoto, x: Array) -> BondEnergies:
    """Return e_ij = −J_ij x_i · x_j for every bond: large where a bond is frustrated.

    Where J is not symmetric, or holds blocks, e_ij = −½ x_iᵀ (J_ij + J_jiᵀ) x_j; a self-coupling
    has −½ J_ii. They add up to the energy but for the stimulus, which is no bond's.

    Parameters
    ----------
    model : Kuramoto
        With a `Dense` or `Sparse` coupling, or sums and multiples of them.
    x : array, shape (*batch, M, N)

    Returns
    -------
    BondEnergies
        ``i``, ``j`` and ``energy``.

    Raises
    ------
    TypeError
        If the coupling has no list of bonds (mean field, lattice, attention).
    ValueError
        If x does not fit the coupling.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.Dense([[0.0, 1.0], [1.0, 0.0]]))
    >>> energy_per_bond(model, np.array([[1.0, 0.0], [-1.0, 0.0]]))
    BondEnergies(i=array([0]), j=array([1]), energy=array([1.]))
    """
    vectors, found = model.vectors(x), bonds(model.coupling)
    if tuple(vectors.shape[-2:-1]) != model.coupling.sites:
        must = f"have {model.coupling.sites} oscillators before its last axis"
        raise invalid("x", must, f"has shape {tuple(x.shape)}")
    xp = array_namespace(vectors)
    ends = [xp.take(vectors, integers_like(k, vectors), axis=-2) for k in (found.i, found.j)]
    weight = from_numpy(found.weight, vectors)
    if weight.ndim == 1:
        return BondEnergies(found.i, found.j, -weight * sphere.dot(*ends)[..., 0])
    pulled = xp.matmul(weight, ends[1][..., None])[..., 0]
    return BondEnergies(found.i, found.j, -sphere.dot(ends[0], pulled)[..., 0])
