"""Frustrated coupling: what every oscillator sends is turned by one matrix, such as a phase lag."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, require_same, scalar, to_numpy
from kuramoto._check import invalid, wrong_type
from kuramoto.couplings.base import Coupling, Linear, as_linear, is_coupling
from kuramoto.couplings.bounds import (
    asymmetry_of,
    block_commutators,
    exact_bounds,
    host_frequencies,
)
from kuramoto.frequencies import Frequency


class Frustrated(Linear):
    """A coupling by numbers with one N×N matrix R before every sender: Σ_j J_ij R x_j.

    For N = 2 a phase lag α is R = R(−α), and the coupling is J_ij sin(θ_j − θ_i − α) of Sakaguchi
    and Kuramoto. The sum costs what the coupling inside costs: O(M) for `MeanField`.

    Parameters
    ----------
    coupling : Coupling
        J_ij as numbers, not depending on the state.
    matrix : array, shape (N, N), optional
        R, any matrix; on the library, dtype and device of the states.
    lag : float or 0-d array, optional
        α in radians, for N = 2; a number fits every library and dtype. Either this or `matrix`.

    Raises
    ------
    TypeError
        If `coupling` is no coupling.
    ValueError
        If the coupling has blocks or depends on the state, not exactly one of `matrix` and `lag`
        is given, or the matrix is not square and finite.

    References
    ----------
    Sakaguchi, Kuramoto (1986), A soluble active rotator model, Prog. Theor. Phys. 76, 576, eq. 1.
    Buzanello, Barioni, de Aguiar (2022), Matrix coupling and generalized frustration in Kuramoto
    oscillators, Chaos 32, 093130: any R for N = 2.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import MeanField
    >>> Frustrated(MeanField(2.0), lag=np.pi / 2)(np.array([[1.0, 0.0], [1.0, 0.0]])).round(12)
    array([[ 0., -2.],
           [ 0., -2.]])
    """

    def __init__(self, coupling: Coupling | Any, matrix: Any = None, *, lag: Any = None) -> None:
        if not is_coupling(coupling):
            raise wrong_type("coupling", "be a Coupling", coupling)
        self.coupling = as_linear(coupling)
        if self.coupling.state_dependent:
            found = f"{type(coupling).__name__}, whose weights depend on the state"
            raise invalid("coupling", "be linear", found)
        if self.coupling.block_size is not None:
            remedy = "multiply its blocks by the matrix instead"
            raise invalid("coupling", "couple by numbers", "has N×N blocks", remedy)
        if (matrix is None) == (lag is None):
            found = "both" if lag is not None else "none"
            raise invalid("matrix", "be given, or `lag` instead", found, "pass one of the two")
        self.lag = None if lag is None else scalar(lag, "lag")
        self.matrix = None if matrix is None else _square(matrix)
        self.sites, self.site_ndim = self.coupling.sites, self.coupling.site_ndim
        self.block_size = 2 if self.matrix is None else int(self.matrix.shape[-1])

    def __call__(self, x: Array, /) -> Array:
        """Return Σ_j J_ij R x_j."""
        self._require_shape(x)
        return self.coupling(self._turned(x))

    def _turned(self, x: Array) -> Array:
        xp = array_namespace(x)
        if self.matrix is not None:
            require_same(x, self.matrix, "x", "matrix")
            return xp.matmul(x, xp.matrix_transpose(self.matrix))
        require_same(x, self.lag, "x", "lag")
        functions: Any = math if isinstance(self.lag, float) else xp
        cos, sin = functions.cos(self.lag), functions.sin(self.lag)
        a, b = x[..., 0], x[..., 1]
        return xp.stack([cos * a + sin * b, cos * b - sin * a], axis=-1)

    # J is the Kronecker product of the numbers inside with R: what is known of the two says it all.

    @property
    def asymmetry(self) -> float:
        """At most max |J_ij − J_ji| max |R| + max |J_ij| max |R − Rᵀ|: 0 if both are symmetric."""
        matrix = self._host_matrix()
        inner, skew = self.coupling.asymmetry, asymmetry_of(matrix, matrix.T)
        size = float(np.abs(matrix).max())
        return (inner * size if size else 0.0) + (skew * self._largest_row() if skew else 0.0)

    def row_bound(self) -> Any:
        """Return the coupling's bound times ‖R‖₂."""
        return self.coupling.row_bound() * float(np.linalg.norm(self._host_matrix(), ord=2))

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return bounds by the products of eigenvalues of the two symmetric parts.

        Infinite where neither the coupling nor R is symmetric: then their antisymmetric parts make
        a symmetric product, of which nothing is known.
        """
        matrix = self._host_matrix()
        if not self.coupling.symmetric and asymmetry_of(matrix, matrix.T):
            return -np.inf, np.inf
        ends = exact_bounds((matrix + matrix.T) / 2)
        products = [a * b if b else 0.0 for a in self.coupling.eigenvalue_bounds() for b in ends]
        return min(products), max(products)

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return a bound on ‖J_ij (R Ω_j − Ω_i R)‖_F: from [R, Ω_i], and the coupling's own."""
        matrix = self._host_matrix().astype(np.float64)
        omega = host_frequencies(frequency, self.block_size)
        inner = block_commutators(matrix, omega, omega, blocks=True)
        outer = self.coupling.commutator_bound(frequency)
        if outer:
            outer = outer * float(np.linalg.norm(matrix, ord=2))
        return outer + (inner * self._largest_row() if inner else 0.0)

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"coupling": self.coupling, "matrix": self.matrix, "lag": self.lag}

    def _largest_row(self) -> float:
        """Return a bound on every |J_ij|."""
        return float(np.max(self.coupling.row_bound()))

    def _host_matrix(self) -> np.ndarray:
        if self.matrix is not None:
            return to_numpy(self.matrix)
        lag = float(to_numpy(as_array(self.lag, "lag")))
        return np.array([[math.cos(lag), math.sin(lag)], [-math.sin(lag), math.cos(lag)]])


def _square(matrix: Any) -> Array:
    """Return R as an array, or raise."""
    matrix = as_array(matrix, "matrix")
    shape = tuple(matrix.shape)
    if len(shape) != 2 or shape[0] != shape[1] or 0 in shape:
        raise invalid("matrix", "have shape (N, N)", f"has shape {shape}")
    if not np.isfinite(to_numpy(matrix)).all():
        raise invalid("matrix", "be finite", "holds NaN or infinity")
    return matrix
