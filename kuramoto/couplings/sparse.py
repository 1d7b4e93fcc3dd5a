"""Coupling along the edges of a graph: numbers or N×N blocks per edge, in compressed rows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    csr_matrix,
    from_sparse,
    integers_like,
    may_keep,
    needs_gradient,
    require_same,
    to_numpy,
    version_of,
)
from kuramoto._check import invalid, whole_number
from kuramoto.couplings.base import Linear
from kuramoto.couplings.bounds import (
    block_commutators,
    exact_bounds,
    host_frequencies,
    spectral_norms,
)
from kuramoto.frequencies import Frequency

# Up to this many rows the dense eigenvalues take less than a second; above, Gershgorin.
_EXACT_ROWS = 1000


class Sparse(Linear):
    """Coupling by a sparse matrix: Σ_j J_ij x_j over the neighbours j of i.

    Parameters
    ----------
    weights : sparse matrix or array, shape (M, M)
        SciPy (any format), torch sparse (COO or CSR) or cupyx. Row i receives. SciPy's block
        format ``bsr_array`` with N×N blocks and shape (M·N, M·N), like torch's BSR, gives one
        block per edge.

    Raises
    ------
    TypeError
        If `weights` is not a sparse matrix of a known library.
    ValueError
        If it is not square or not finite.

    See Also
    --------
    Sparse.from_edges : from index lists and weights of any array library.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> ring = scipy.sparse.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> Sparse(ring)(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[0., 1.],
           [1., 0.]])
    """

    def __init__(self, weights: Any) -> None:
        self._build(*from_sparse(weights))

    @classmethod
    def from_edges(cls, i: Any, j: Any, weights: Any, *, sites: int) -> Sparse:
        """Build from edges j → i; equal pairs stay apart and act as their sum.

        Parameters
        ----------
        i, j : array of int, shape (E,)
            Receiving and sending oscillator.
        weights : array, shape (E,) or (E, N, N)
            On any library, dtype and device: the state's must match. Gradients flow to it.
        sites : int
            Number of oscillators, M.
        """
        M = whole_number("sites", sites, least=1)
        values = as_array(weights, "weights")
        if values.ndim not in (1, 3):
            must = "have shape (edges,) or (edges, N, N)"
            raise invalid("weights", must, f"has shape {tuple(values.shape)}")
        rows, columns = (np.asarray(to_numpy(index)) for index in (i, j))
        for name, index in (("i", rows), ("j", columns)):
            integral = np.issubdtype(index.dtype, np.integer) or index.size == 0
            if not integral or index.shape != values.shape[:1]:
                found = f"has dtype {index.dtype} and shape {index.shape}"
                raise invalid(name, f"hold {values.shape[0]} whole numbers", found)
            if index.size and not 0 <= index.min() <= index.max() < M:
                found = f"holds {index.min()} to {index.max()}"
                raise invalid(name, f"lie in 0 to {M - 1}", found)
        order = np.lexsort((columns, rows))
        indptr = np.searchsorted(rows[order], np.arange(M + 1))
        coupling = cls.__new__(cls)
        coupling._build(values, columns[order], indptr, order)
        return coupling

    def _build(
        self, values: Array, indices: np.ndarray, indptr: np.ndarray, order: Any = None
    ) -> None:
        """Keep compressed rows: the user's own weights, and on NumPy where they belong."""
        self.weights, self._order, self._kept = values, order, (-1, None)
        self.indices = np.ascontiguousarray(indices, dtype=np.int64)
        self.indptr = np.ascontiguousarray(indptr, dtype=np.int64)
        self.sites = (len(indptr) - 1,)
        self.block_size = int(values.shape[-1]) if values.ndim == 3 else None
        if values.shape[1:2] != values.shape[2:3]:
            must = "have shape (edges,) or (edges, N, N)"
            raise invalid("weights", must, f"has shape {tuple(values.shape)}")
        if not np.isfinite(to_numpy(values)).all():
            raise invalid("weights", "be finite", "holds NaN or infinity")

    @property
    def values(self) -> Array:
        """The weights in the order of compressed rows."""
        if self._order is None:
            return self.weights
        index = integers_like(self._order, self.weights)
        return array_namespace(self.weights).take(self.weights, index, axis=0)

    @cached_property
    def rows(self) -> np.ndarray:
        """The receiving oscillator of every edge."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    def __call__(self, x: Array, /) -> Array:
        """Return Σ_j J_ij x_j for x of shape (*batch, M, N)."""
        require_same(x, self.weights, "x", "weights")
        self._require_shape(x)
        xp = array_namespace(x)
        M, N = x.shape[-2:]
        batch = tuple(x.shape[:-2])
        # One matrix product: oscillators (or, for blocks, their coordinates) down, all else across.
        rows, across = (M * N, 1) if self.block_size else (M, N)
        lead = xp.reshape(x, (-1, rows, across))
        columns = xp.reshape(xp.permute_dims(lead, (1, 0, 2)), (rows, -1))
        product = self._operator() @ columns
        lead = xp.reshape(product, (rows, -1, across))
        return xp.reshape(xp.permute_dims(lead, (1, 0, 2)), (*batch, M, N))

    def _operator(self) -> Any:
        """Return the library's own matrix; built anew while autograd records for the values."""
        version, matrix = self._kept
        if version == version_of(self.weights) and not needs_gradient(self.weights):
            return matrix
        matrix = csr_matrix(*self._scalar_rows())
        if may_keep(self.weights, matrix):
            self._kept = version_of(self.weights), matrix
        return matrix

    @cached_property
    def _expansion(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions, indices and indptr that write N×N blocks as scalar rows of M·N oscillators."""
        N = self.block_size or 1
        edges = np.arange(len(self.indices))
        entry = edges[:, None, None] * N * N + np.arange(N)[:, None] * N + np.arange(N)
        row = self.rows[:, None, None] * N + np.arange(N)[:, None] + 0 * entry
        column = self.indices[:, None, None] * N + np.arange(N) + 0 * entry
        order = np.lexsort((column.ravel(), row.ravel()))
        indptr = np.searchsorted(row.ravel()[order], np.arange((len(self.indptr) - 1) * N + 1))
        return entry.ravel()[order], column.ravel()[order], indptr

    def _scalar_rows(self) -> tuple[Array, np.ndarray, np.ndarray]:
        if self.block_size is None:
            return self.values, self.indices, self.indptr
        xp = array_namespace(self.values)
        entries, indices, indptr = self._expansion
        flat = xp.reshape(self.values, (-1,))
        return xp.take(flat, integers_like(entries, flat), axis=0), indices, indptr

    @property
    def _host(self) -> Any:
        """J as a SciPy matrix of numbers, (M, M) or (M·N, M·N)."""
        from scipy import sparse

        values, indices, indptr = self._scalar_rows()
        size = len(indptr) - 1
        data = to_numpy(values).astype(np.float64)
        matrix = sparse.csr_array((data, indices.copy(), indptr.copy()), shape=(size, size))
        matrix.sum_duplicates()
        return matrix

    @property
    def asymmetry(self) -> float:
        """Max |J − Jᵀ|, or 0 where that is rounding of the values' dtype."""
        matrix = self._host
        defect = float(np.abs((matrix - matrix.T).tocsr().data).max(initial=0.0))
        weights = to_numpy(self.weights)  # before equal pairs are added up, and may cancel
        rounding = 4 * np.finfo(weights.dtype).eps * np.abs(weights).max(initial=0.0)
        return defect if defect > rounding * self._most_repeated_edge() else 0.0

    def row_bound(self) -> np.ndarray:
        """Return Σ_j ‖J_ij‖₂, shape (M,)."""
        values = to_numpy(self.values).astype(np.float64)
        norms = np.abs(values) if self.block_size is None else spectral_norms(values)
        return np.bincount(self.rows, weights=norms, minlength=len(self.indptr) - 1)

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the extreme eigenvalues of the symmetric part, or Gershgorin's bounds if large."""
        matrix = self._host
        part = ((matrix + matrix.T) / 2).tocsr()
        if part.shape[0] <= _EXACT_ROWS:
            return exact_bounds(part.toarray())
        center = part.diagonal()
        radius = np.asarray(abs(part).sum(axis=1)).ravel() - np.abs(center)
        return float((center - radius).min()), float((center + radius).max())

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return the largest ‖J_ij Ω_j − Ω_i J_ij‖_F over the edges, a bound where edges repeat."""
        if frequency.shared and self.block_size is None:
            return 0.0
        values = to_numpy(self.values).astype(np.float64)
        omega = host_frequencies(frequency, self.block_size)
        ends = (omega, omega) if frequency.shared else (omega[self.rows], omega[self.indices])
        largest = block_commutators(values, *ends, blocks=self.block_size is not None)
        return largest * self._most_repeated_edge() if largest else 0.0

    def _most_repeated_edge(self) -> int:
        """Return how often the most frequent pair (i, j) occurs: its commutators may add up."""
        pairs = self.rows * (len(self.indptr) - 1) + self.indices
        return int(np.unique(pairs, return_counts=True)[1].max(initial=1))

    def parameters(self) -> dict[str, Any]:
        """Return what `from_edges` takes."""
        edges = {"i": self.rows, "j": self.indices}
        return {**edges, "weights": self.values, "sites": len(self.indptr) - 1}
