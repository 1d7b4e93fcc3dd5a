"""All-to-all coupling: a full matrix, and its O(M) special case, the mean field."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, require_same, scalar, to_numpy
from kuramoto._check import invalid, whole_number
from kuramoto.couplings.base import Linear
from kuramoto.couplings.bounds import (
    asymmetry_of,
    block_commutators,
    exact_bounds,
    host_frequencies,
    spectral_norms,
)
from kuramoto.frequencies import Frequency

# Above this many rows an eigenvalue decomposition takes minutes: Gershgorin's circles instead.
_EXACT_ROWS = 2500


class Dense(Linear):
    """Coupling by a full matrix: Σ_j J_ij x_j.

    Parameters
    ----------
    weights : array, shape (M, M) or (M, M, N, N)
        J_ij as numbers, or as N×N blocks; row i receives.

    Raises
    ------
    ValueError
        If the weights are not square or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> Dense([[0.0, 1.0], [1.0, 0.0]])(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[0., 1.],
           [1., 0.]])
    """

    def __init__(self, weights: Any) -> None:
        self.weights = as_array(weights, "weights")
        shape = tuple(self.weights.shape)
        square = len(shape) in (2, 4) and shape[0] == shape[1] and shape[-2] == shape[-1]
        if not square or 0 in shape:
            raise invalid("weights", "have shape (M, M) or (M, M, N, N)", f"has shape {shape}")
        if not np.isfinite(to_numpy(self.weights)).all():
            raise invalid("weights", "be finite", "holds NaN or infinity")
        self.sites = (shape[0],)
        self.block_size = shape[-1] if len(shape) == 4 else None

    def __call__(self, x: Array, /) -> Array:
        """Return Σ_j J_ij x_j for x of shape (*batch, M, N)."""
        require_same(x, self.weights, "x", "weights")
        self._require_shape(x)
        xp = array_namespace(x)
        if self.block_size is None:
            return xp.matmul(self.weights, x)
        rows = self._matrix()
        flat = xp.reshape(x, (*x.shape[:-2], rows.shape[0], 1))
        return xp.reshape(xp.matmul(rows, flat), tuple(x.shape))

    @property
    def asymmetry(self) -> float:
        """Max |J − Jᵀ|, or 0 where that is rounding."""
        matrix = self._host_matrix()
        return asymmetry_of(matrix, matrix.T)

    def row_bound(self) -> np.ndarray:
        """Return Σ_j ‖J_ij‖₂, shape (M,)."""
        weights = to_numpy(self.weights)
        norms = np.abs(weights) if self.block_size is None else spectral_norms(weights)
        return np.asarray(norms.sum(axis=1, dtype=np.float64))

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the extreme eigenvalues of the symmetric part, or Gershgorin's bounds if large."""
        matrix = self._host_matrix().astype(np.float64)
        part = (matrix + matrix.T) / 2
        if len(part) <= _EXACT_ROWS:
            return exact_bounds(part)
        center = np.diagonal(part)
        radius = np.abs(part).sum(axis=1) - np.abs(center)
        return float((center - radius).min()), float((center + radius).max())

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return max_ij ‖J_ij Ω_j − Ω_i J_ij‖_F."""
        if frequency.shared and self.block_size is None:
            return 0.0
        weights = to_numpy(self.weights).astype(np.float64)
        omega = host_frequencies(frequency, self.block_size)
        blocks = self.block_size is not None
        if frequency.shared:
            return max(block_commutators(row, omega, omega, blocks=blocks) for row in weights)
        rows = zip(weights, omega, strict=True)  # row by row: M² matrices would not fit
        return max(block_commutators(row, own, omega, blocks=blocks) for row, own in rows)

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"weights": self.weights}

    def _matrix(self) -> Array:
        """Return the blocks as one (M·N, M·N) matrix."""
        if self.block_size is None:
            return self.weights
        xp = array_namespace(self.weights)
        size = self.weights.shape[0] * self.block_size
        return xp.reshape(xp.permute_dims(self.weights, (0, 2, 1, 3)), (size, size))

    def _host_matrix(self) -> np.ndarray:
        return to_numpy(self._matrix())


class MeanField(Linear):
    """Everyone with everyone, equally: J_ij = K/M, computed in O(M).

    Parameters
    ----------
    strength : float or 0-d array
        K. Positive attracts.
    dims : int, default 1
        How many axes of the state count oscillators.

    Examples
    --------
    >>> import numpy as np
    >>> MeanField(2.0)(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[1., 1.],
           [1., 1.]])
    """

    def __init__(self, strength: Any, *, dims: int = 1) -> None:
        self.strength = scalar(strength, "strength")
        self.site_ndim = whole_number("dims", dims, least=1)

    def __call__(self, x: Array, /) -> Array:
        """Return K times the mean over the site axes, broadcast to the shape of x."""
        require_same(x, self.strength, "x", "strength")
        self._require_shape(x)
        xp = array_namespace(x)
        axes = tuple(range(-1 - self.site_ndim, -1))
        return xp.broadcast_to(self.strength * xp.mean(x, axis=axes, keepdims=True), x.shape)

    @property
    def asymmetry(self) -> float:
        """0: the mean field is symmetric by construction."""
        return 0.0

    def row_bound(self) -> float:
        """Return |K|."""
        return abs(self._value())

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the two eigenvalues, K (once) and 0, in order."""
        return min(0.0, self._value()), max(0.0, self._value())

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return |K| times the largest difference of an Ω_i from the first."""
        if frequency.shared:
            return 0.0
        omega = host_frequencies(frequency, None)
        omega = omega.reshape(-1, *omega.shape[-2:])
        return block_commutators(np.asarray(self._value()), omega[:1], omega, blocks=False)

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"strength": self._value(), "dims": self.site_ndim}

    def _value(self) -> float:
        return float(to_numpy(as_array(self.strength, "strength")))
