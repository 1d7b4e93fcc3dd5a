"""The energy of eq. 3 and its rate of change along eq. 2, written once for every coupling."""

from __future__ import annotations

from typing import Protocol

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace
from kuramoto._check import invalid
from kuramoto.couplings import Linear

__all__ = ["energy", "energy_rate"]


class Model(Protocol):
    """What an energy needs of a model; `kuramoto.Kuramoto` is one."""

    coupling: Linear
    carries: str

    def energy(self, x: Array, t: float = 0.0) -> Array:
        """Return the energy of a state."""
        ...

    def stimulus_at(self, t: float) -> Array | None:
        """Return c at time t."""
        ...

    def velocity(self, x: Array, t: float = 0.0) -> Array:
        """Return ẋ."""
        ...


def energy(model: Model, x: Array, t: float = 0.0) -> Array:
    """Return E = −½ Σ_ij x_iᵀ J_ij x_j − Σ_i c_iᵀ x_i.

    Of a model whose oscillators carry more than vectors (`kuramoto.Inertial`), its own energy.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*batch, *sites, N)
    t : float, default 0.0
        Time, for a stimulus that depends on it.

    Returns
    -------
    array, shape (*batch,)
        One energy per state of the batch.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, eq. 3.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(2.0))
    >>> energy(model, np.array([[1.0, 0.0], [1.0, 0.0]]))
    np.float64(-2.0)
    """
    return model.energy(x, t) if model.carries else potential(model, x, t)


def potential(model: Model, x: Array, t: float = 0.0) -> Array:
    """Return eq. 3 for unit vectors, shape (*batch,)."""
    field = 0.5 * model.coupling(x)
    stimulus = model.stimulus_at(t)
    if stimulus is not None:
        field = field + stimulus
    return -_sum_sites(model, sphere.dot(x, field))


def energy_rate(model: Model, x: Array, t: float = 0.0) -> Array:
    """Return dE/dt along ẋ = velocity(x, t), analytically: −Σ_i ⟨c_i + (J_s x)_i, ẋ_i⟩.

    J_s is the symmetric part of J; where J is symmetric that is the force, and under the conditions
    of `certify` the rate equals −Σ_i ‖Proj_{x_i}(y_i)‖² ≤ 0. A time-dependent stimulus adds
    −Σ_i ⟨∂c_i/∂t, x_i⟩, which is not included: this is the rate at which the motion changes E.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*batch, *sites, N)
    t : float, default 0.0

    Returns
    -------
    array, shape (*batch,)

    Raises
    ------
    ValueError
        If the coupling depends on the state (attention), or oscillators carry more than vectors.
    """
    if model.carries:
        found = f"{type(model).__name__}, whose oscillators also carry {model.carries}"
        raise invalid("model", "have states of vectors alone for an energy rate", found)
    # dE/dt = −½(⟨ẋ, Jx⟩ + ⟨x, Jẋ⟩) − ⟨c, ẋ⟩ for any J: no transpose is needed.
    if model.coupling.state_dependent:
        found = f"{type(model.coupling).__name__}, which depends on the state"
        raise invalid("model", "have a linear coupling for an energy rate", found)
    velocity = model.velocity(x, t)
    work = 0.5 * sphere.dot(velocity, model.coupling(x))
    work = work + 0.5 * sphere.dot(x, model.coupling(velocity))
    stimulus = model.stimulus_at(t)
    if stimulus is not None:
        work = work + sphere.dot(velocity, 0 * x + stimulus)
    return -_sum_sites(model, work)


def _sum_sites(model: Model, per_site: Array) -> Array:
    """Sum an array of shape (*batch, *sites, 1) over everything but the batch."""
    axes = tuple(range(-1 - model.coupling.site_ndim, 0))
    return array_namespace(per_site).sum(per_site, axis=axes)
