"""N = 2, the classical Kuramoto model: phases, and eq. 1 in its sine form.

x = (cos θ, sin θ) turns eq. 2 with scalar J into θ̇_i = ω_i + Σ_j J_ij sin(θ_j − θ_i) (eq. 10-11).
The sine form here is written on its own, as an oracle for the vector form and for users who think
in phases; the vector form is the one to simulate with (it needs no sine or cosine).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, require_same, scalar, to_numpy
from kuramoto._check import invalid
from kuramoto.couplings import Coupling, Dense
from kuramoto.frequencies import Rotation
from kuramoto.model import Kuramoto
from kuramoto.observables import order_parameter

__all__ = ["PhaseModel", "from_phases", "to_phases"]


def to_phases(x: Array) -> Array:
    """Return θ in (−π, π] with x = (cos θ, sin θ).

    Parameters
    ----------
    x : array, shape (*batch, *sites, 2)

    Returns
    -------
    array, shape (*batch, *sites)
        Radians.

    Raises
    ------
    ValueError
        If the last axis is not 2.

    Examples
    --------
    >>> import numpy as np
    >>> to_phases(np.array([[0.0, 1.0]]))
    array([1.57079633])
    """
    x = as_array(x, "x")
    if x.ndim < 1 or x.shape[-1] != 2:
        remedy = "phases exist for N = 2 alone"
        raise invalid("x", "have 2 as its last axis", f"has shape {tuple(x.shape)}", remedy)
    return array_namespace(x).atan2(x[..., 1], x[..., 0])


def from_phases(theta: Any) -> Array:
    """Return x = (cos θ, sin θ).

    Parameters
    ----------
    theta : array, shape (*batch, *sites)
        Radians.

    Returns
    -------
    array, shape (*batch, *sites, 2)

    Examples
    --------
    >>> from_phases([0.0])
    array([[1., 0.]])
    """
    theta = as_array(theta, "theta")
    xp = array_namespace(theta)
    return xp.stack([xp.cos(theta), xp.sin(theta)], axis=-1)


class PhaseModel:
    """θ̇_i = ω_i + Σ_j J_ij sin(θ_j − θ_i − α) (eq. 1, with Sakaguchi's phase lag α).

    Parameters
    ----------
    weights : array, shape (M, M)
        J_ij; row i receives.
    omega : array, shape (M,) or (), default 0
        Natural frequencies in radians per unit time.
    lag : float or array, shape (M, M), default 0
        α in radians.

    Raises
    ------
    ValueError
        If the weights are not square, or the shapes do not fit.

    References
    ----------
    Kuramoto (1975); Sakaguchi, Kuramoto (1986), Prog. Theor. Phys. 76, 576.

    Examples
    --------
    >>> import numpy as np
    >>> PhaseModel([[0.0, 1.0], [1.0, 0.0]]).velocity(np.array([0.0, np.pi / 2]))
    array([ 1., -1.])
    """

    def __init__(self, weights: Any, omega: Any = 0.0, lag: Any = 0.0) -> None:
        self.weights = as_array(weights, "weights")
        shape = tuple(self.weights.shape)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise invalid("weights", "have shape (M, M)", f"has shape {shape}")
        self.omega = as_array(omega, "omega")
        self.lag = as_array(lag, "lag")
        for name, array, fits in (
            ("omega", self.omega, ((), shape[:1])),
            ("lag", self.lag, ((), shape)),
        ):
            if tuple(array.shape) not in fits:
                must = f"have shape {' or '.join(map(str, fits))}"
                raise invalid(name, must, f"has shape {tuple(array.shape)}")
            if array.ndim:
                require_same(self.weights, array, "weights", name)

    def velocity(self, theta: Array, t: float = 0.0) -> Array:
        """Return θ̇ for θ of shape (*batch, M)."""
        require_same(theta, self.weights, "theta", "weights")
        xp = array_namespace(theta)
        difference = theta[..., None, :] - theta[..., :, None] - _plain(self.lag)
        return _plain(self.omega) + xp.sum(self.weights * xp.sin(difference), axis=-1)

    def as_kuramoto(self) -> Kuramoto:
        """Return the same dynamics in vector form; a lag becomes a rotation in each block.

        J_ij sin(θ_j − θ_i − α) is the tangent part of J_ij R(−α) x_j: coupling by N×N blocks.
        """
        xp = array_namespace(self.weights)
        ones = xp.ones_like(self.weights[:, 0])
        omega = (ones * _plain(self.omega))[:, None]
        return Kuramoto(self._coupling(), Rotation(omega))

    def _coupling(self) -> Coupling:
        if not np.any(to_numpy(self.lag)):
            return Dense(self.weights)
        xp = array_namespace(self.weights)
        lag = self.weights * 0 + _plain(self.lag)
        cos, sin = self.weights * xp.cos(lag), self.weights * xp.sin(lag)
        rows = [xp.stack([cos, sin], axis=-1), xp.stack([-sin, cos], axis=-1)]
        return Dense(xp.stack(rows, axis=-2))

    def order_parameter(self, theta: Array) -> Array:
        """Return r = |Σ_j exp(iθ_j)| / M, shape (*batch,)."""
        return order_parameter(from_phases(theta))


def _plain(value: Array) -> Any:
    """Return a number for a 0-d array of NumPy's, so that it fits every library and dtype."""
    return value if value.ndim else scalar(value, "omega or lag")
