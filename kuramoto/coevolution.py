"""Coupling that co-evolves with the state: weights that learn from the oscillators they join.

A row of the state holds a unit vector and the weights by which its oscillator receives,
(x_i, J_i1, ..., J_iM), in N + M numbers. `Coevolving.state` makes such states,
`Coevolving.vectors` and `Coevolving.weights` take them apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    from_numpy,
    is_array,
    require_same,
    to_numpy,
    zeros_array,
)
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.couplings import Linear
from kuramoto.frequencies import Frequency
from kuramoto.model import Kuramoto, Stimulus

__all__ = ["Coevolving", "lag_rule"]


def lag_rule(beta: float) -> np.ndarray:
    """Return the B of −sin(θ_i − θ_j + β) = x_iᵀ B x_j for N = 2: a rotation by −β − π/2.

    β = −π/2 is Hebb's rule (equal phases bind, B = 1), β = π/2 its opposite, β = 0 the rule of
    spike-timing: who is ahead is bound to who is behind with the other sign than the other way.

    Parameters
    ----------
    beta : float
        Radians.

    References
    ----------
    Berner, Schöll, Yanchuk (2019), Multiclusters in networks of adaptively coupled phase
    oscillators, SIAM J. Appl. Dyn. Syst. 18, 2227.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(lag_rule(-np.pi / 2), np.eye(2)))
    True
    """
    angle = -real_number("beta", beta) - np.pi / 2
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


class Coevolving(Kuramoto):
    """ẋ_i = Ω_i x_i + Proj_{x_i}(c_i + s Σ_j J_ij A x_j) with J̇_ij = ε (x_iᵀ B x_j − J_ij).

    Parameters
    ----------
    sites : int
        Number of oscillators, M.
    rate : float
        ε ≥ 0, the rate of adaptation per unit time; 0 freezes the weights.
    rule : array, shape (N, N), optional
        B; by default the identity, Hebb's rule. `lag_rule` gives the one of phase oscillators.
    turn : array, shape (N, N), optional
        A, such as a phase lag in the coupling; by default the identity.
    mask : array, shape (M, M), optional
        Where it is 0 there is no edge, and J_ij stays 0; elsewhere it must be 1. All edges by
        default.
    scale : float, optional
        s; 1/M by default.
    frequency : Rotation or Antisymmetric, optional
    stimulus : array or callable, optional

    Raises
    ------
    ValueError
        If the rate is negative, or shapes do not fit.

    Notes
    -----
    A step costs O(M² N) operations and the state holds M² weights, also under a mask.

    References
    ----------
    Berner, Schöll, Yanchuk (2019), Multiclusters in networks of adaptively coupled phase
    oscillators, SIAM J. Appl. Dyn. Syst. 18, 2227. Seliger, Young, Tsimring (2002),
    Plasticity and learning in a network of coupled phase oscillators, Phys. Rev. E 65, 041906.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = Coevolving(2, rate=0.1)
    >>> start = model.state(np.array([[1.0, 0.0], [0.0, 1.0]]), weights=np.ones((2, 2)))
    >>> model.velocity(start)
    array([[ 0. ,  0.5,  0. , -0.1],
           [ 0.5,  0. , -0.1,  0. ]])
    """

    carries = "its incoming weights"
    steppers = ("RungeKutta4", "DormandPrince")

    def __init__(
        self,
        sites: int,
        rate: float,
        *,
        rule: Any = None,
        turn: Any = None,
        mask: Any = None,
        scale: float | None = None,
        frequency: Frequency | None = None,
        stimulus: Stimulus = None,
    ) -> None:
        M = whole_number("sites", sites, least=1)
        self.scale = 1 / M if scale is None else real_number("scale", scale)
        self.turn, self.rule = _square("turn", turn), _square("rule", rule)
        self.mask = _checked_mask(mask, M)
        self.rate = real_number("rate", rate)
        if self.rate < 0:
            raise invalid("rate", "be at least 0", f"{self.rate:g}", "weights relax to their rule")
        super().__init__(Incoming(M, self.turn, self.scale), frequency, stimulus)

    def state(self, x: Array, weights: Any = None) -> Array:
        """Return the state of these unit vectors and weights, shape (*batch, M, N + M).

        Parameters
        ----------
        x : array, shape (*batch, M, N)
            Unit vectors.
        weights : array, broadcastable to (*batch, M, M), optional
            J; row i receives. 0 by default.

        Raises
        ------
        ValueError
            If shapes do not fit, or a weight outside the mask is not 0.
        """
        x = sphere.require_unit(x, "x")
        (M,) = self.coupling.sites or (0,)
        if x.ndim < 2 or x.shape[-2] != M:
            raise invalid("x", f"have shape (*batch, {M}, N)", f"has shape {tuple(x.shape)}")
        zeros = zeros_array((*x.shape[:-1], M), x)
        weights = zeros if weights is None else as_array(weights, "weights")
        require_same(x, weights, "x", "weights")
        try:
            fits = np.broadcast_shapes(tuple(weights.shape), tuple(zeros.shape)) == zeros.shape
        except ValueError:
            fits = False
        if not fits:
            must = f"broadcast to {tuple(zeros.shape)}"
            raise invalid("weights", must, f"has shape {tuple(weights.shape)}")
        return self.require_state(_join(x, zeros + weights), "weights")

    def vectors(self, state: Array) -> Array:
        """Return x, shape (*batch, M, N)."""
        return state[..., : state.shape[-1] - state.shape[-2]]

    def weights(self, state: Array) -> Array:
        """Return J, shape (*batch, M, M); row i receives."""
        return state[..., state.shape[-1] - state.shape[-2] :]

    def project(self, state: Array) -> Array:
        """Return the nearest state: x normalised, the weights as they are."""
        return _join(sphere.normalize(self.vectors(state)), self.weights(state))

    def velocity(self, x: Array, t: float = 0.0) -> Array:
        """Return (ẋ, J̇) of a state, shape (*batch, M, N + M)."""
        vectors, weights = self.vectors(x), self.weights(x)
        drift = sphere.norm_neutral(vectors, self.force(x, t))
        drift = drift if self.frequency is None else drift + self.frequency(vectors)
        learned = self.rate * (self.targets(vectors) - weights)
        return _join(drift, learned)

    def targets(self, x: Array) -> Array:
        """Return x_iᵀ B x_j on the mask, shape (*batch, M, M): what the weights go after."""
        xp = array_namespace(x)
        values = xp.matmul(x, xp.matrix_transpose(_turned(self.rule, x, "rule")))
        return values if self.mask is None else self.mask * values

    def energy(self, x: Array, t: float = 0.0) -> Array:
        """Return E = −(s/2) Σ_ij J_ij x_iᵀ B x_j + (s/4) Σ_ij J_ij² − c·x, shape (*batch,).

        It exists where A = B = Bᵀ. Without Ω, with a constant stimulus, symmetric weights and a
        symmetric mask, everything goes downhill in it:
        dE/dt = −Σ_i ‖ẋ_i‖² − (s/2ε) Σ_ij J̇_ij².

        Raises
        ------
        ValueError
            If A ≠ B, or B is not symmetric.
        """
        if not _same_symmetric(self.turn, self.rule):
            found = "has others"
            raise invalid("model", "have A = B = Bᵀ (`turn` and `rule`) for an energy", found)
        vectors, weights = self.vectors(x), self.weights(x)
        xp = array_namespace(x)
        bound = xp.sum(weights * (0.25 * weights - 0.5 * self.targets(vectors)), axis=(-2, -1))
        stimulus = self.stimulus_at(t)
        if stimulus is None:
            return self.scale * bound
        work = sphere.dot(vectors, 0 * vectors + stimulus)
        return self.scale * bound - xp.sum(work, axis=(-2, -1))

    def require_state(self, x: Any, argument: str = "x0", t: float = 0.0) -> Array:
        """Return `x` as a state of this model: unit vectors and finite weights on the mask.

        Raises
        ------
        ValueError
            If shapes do not fit, vectors are not unit vectors, or weights not on the mask.
        TypeError
            If libraries, dtypes or devices are mixed.
        """
        x = x if is_array(x) else as_array(x, argument)
        (M,) = self.coupling.sites or (0,)
        if x.ndim < 2 or x.shape[-2] != M or x.shape[-1] <= M:
            must, found = f"have shape (*batch, {M}, N + {M})", f"has shape {tuple(x.shape)}"
            raise invalid(argument, must, found, "make it with model.state(x, weights)")
        unit = sphere.require_unit(self.vectors(x), argument)
        self._require_stimulus(unit, argument, t)
        weights = to_numpy(self.weights(x))
        if not np.isfinite(weights).all():
            raise invalid(argument, "have finite weights", "holds NaN or infinity")
        if self.mask is not None:
            require_same(x, self.mask, argument, "mask")
            outside = np.argwhere((weights != 0) & (to_numpy(self.mask) == 0))
            if len(outside):
                where = f"{weights[tuple(outside[0])]:g} at {tuple(map(int, outside[0]))}"
                raise invalid(argument, "have no weights outside the mask", f"holds {where}")
        self.velocity(x, t)  # the parts say themselves what does not fit
        return _join(unit, self.weights(x))

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments, for run files."""
        (M,) = self.coupling.sites or (0,)
        matrices = {"rule": self.rule, "turn": self.turn, "mask": self.mask}
        rest = {"frequency": self.frequency, "stimulus": self.stimulus}
        return {"sites": M, "rate": self.rate, "scale": self.scale, **matrices, **rest}


class Incoming(Linear):
    """s Σ_j J_ij A x_j with the J that the state itself holds: the coupling of `Coevolving`."""

    state_dependent = True

    def __init__(self, sites: int, turn: Array | None, scale: float) -> None:
        self.sites, self.turn, self.scale = (sites,), turn, scale

    def __call__(self, x: Array, /) -> Array:
        """Return the sum for a state of shape (*batch, M, N + M), shape (*batch, M, N)."""
        N = x.shape[-1] - x.shape[-2]
        senders = _turned(self.turn, x[..., :N], "turn")
        return self.scale * array_namespace(x).matmul(x[..., N:], senders)


def _turned(matrix: Array | None, x: Array, name: str) -> Array:
    """Return the matrix applied to every vector; None is the identity."""
    if matrix is None:
        return x
    require_same(x, matrix, "x", name)
    if matrix.shape[-1] != x.shape[-1]:
        N = x.shape[-1]
        raise invalid(name, f"have shape ({N}, {N}), the state's N", f"has {tuple(matrix.shape)}")
    xp = array_namespace(x)
    return xp.matmul(x, xp.matrix_transpose(matrix))


def _join(x: Array, weights: Array) -> Array:
    return array_namespace(x).concat([x, weights], axis=-1)


def _square(name: str, value: Any) -> Array | None:
    if value is None:
        return None
    matrix = as_array(value, name)
    shape = tuple(matrix.shape)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise invalid(name, "have shape (N, N)", f"has shape {shape}")
    if not np.isfinite(to_numpy(matrix)).all():
        raise invalid(name, "be finite", "holds NaN or infinity")
    return matrix


def _checked_mask(value: Any, M: int) -> Array | None:
    if value is None:
        return None
    mask = as_array(value, "mask")
    if tuple(mask.shape) != (M, M):
        raise invalid("mask", f"have shape ({M}, {M})", f"has shape {tuple(mask.shape)}")
    host = to_numpy(mask)
    if not ((host == 0) | (host == 1)).all():
        remedy = "weights belong into the state: model.state(x, weights)"
        raise invalid("mask", "hold 0 and 1 alone", "holds other numbers", remedy)
    return mask


def _same_symmetric(one: Array | None, other: Array | None) -> bool:
    given = [matrix for matrix in (one, other) if matrix is not None]
    if not given:
        return True
    identity = from_numpy(np.eye(given[0].shape[-1]), given[0])
    a, b = (to_numpy(identity if matrix is None else matrix) for matrix in (one, other))
    return a.shape == b.shape and np.array_equal(a, b) and np.array_equal(b, b.T)
