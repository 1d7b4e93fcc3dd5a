"""What a coupling is, and what all linear couplings share: composition, bounds, a dense form."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from kuramoto._backend import Array, array_namespace, from_numpy
from kuramoto._check import invalid
from kuramoto.frequencies import Frequency


@runtime_checkable
class Coupling(Protocol):
    """The sum Σ_j J_ij x_j, and what a certificate needs to know of J.

    Write your own with these members; derive from `Linear` to have most of them for free.
    """

    @property
    def sites(self) -> tuple[int, ...] | None:
        """Sizes of the site axes; None: any number of oscillators."""
        ...

    @property
    def site_ndim(self) -> int:
        """How many axes of a state, before the last, count oscillators."""
        ...

    @property
    def symmetric(self) -> bool:
        """Whether J_ij = J_jiᵀ: by construction, or checked numerically to rounding."""
        ...

    def __call__(self, x: Array, /) -> Array:
        """Return Σ_j J_ij x_j, same shape as x."""
        ...

    def row_bound(self) -> Any:
        """Return a bound ≥ Σ_j ‖J_ij‖₂: one number, or one per oscillator."""
        ...

    def lowest_eigenvalue_bound(self) -> float:
        """Return a bound ≤ λ_min(J); of the symmetric part where J is not symmetric."""
        ...

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return a bound on the blocks of [J, Ω]; 0 says that they commute."""
        ...

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments, for run files."""
        ...


class Linear:
    """Base of the couplings whose J does not depend on the state."""

    sites: tuple[int, ...] | None = None
    site_ndim: int = 1
    block_size: int | None = None  # N for N×N blocks, None where J_ij is a number

    def __call__(self, x: Array, /) -> Array:
        """Return Σ_j J_ij x_j."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    @property
    def asymmetry(self) -> float:
        """Max |J − Jᵀ|, or 0 where that is rounding; infinite where nothing is known."""
        return np.inf

    @property
    def symmetric(self) -> bool:
        """Whether J_ij = J_jiᵀ to rounding."""
        return self.asymmetry == 0

    def row_bound(self) -> Any:
        """Return a bound ≥ Σ_j ‖J_ij‖₂; infinite where nothing is known."""
        return np.inf

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return (low, high) around the eigenvalues of the symmetric part of J."""
        if not self.symmetric:
            return -np.inf, np.inf
        radius = float(np.max(self.row_bound()))  # Gershgorin: |λ| ≤ the largest row sum
        return -radius, radius

    def lowest_eigenvalue_bound(self) -> float:
        """Return a bound ≤ λ_min(J); of the symmetric part where J is not symmetric."""
        return self.eigenvalue_bounds()[0]

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return a bound on the blocks of [J, Ω]; infinite where nothing is known."""
        return np.inf

    def to_dense(
        self, sites: int | tuple[int, ...] | None = None, *, like: Array | None = None
    ) -> Array:
        """Return J as the array that `Dense` takes: (M, M), or (M, M, N, N) for blocks.

        Found by applying the coupling to every basis vector: for small systems.

        Parameters
        ----------
        sites : int or tuple of int, optional
            Sizes of the site axes, where the coupling itself fits any (`MeanField`, `Lattice`).
        like : array, optional
            Library, dtype and device; NumPy float64 by default.

        Raises
        ------
        ValueError
            If the coupling does not know its sites and none are given.
        """
        shape = _sites(self, sites)
        M, N = int(np.prod(shape)), self.block_size or 1
        like = np.zeros(0) if like is None else like
        basis = from_numpy(np.eye(M * N).reshape(M * N, *shape, N), like)
        xp = array_namespace(basis)
        columns = xp.reshape(self(basis), (M, N, M, N))  # [j, b, i, a] = J[(i, a), (j, b)]
        dense = xp.permute_dims(columns, (2, 0, 3, 1))
        return dense if self.block_size else dense[:, :, 0, 0]

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments, for run files."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to rebuild it")

    def __add__(self, other: Any) -> Any:
        """Add two couplings."""
        from kuramoto.couplings.compose import Sum  # compose builds on this file

        return Sum((self, other)) if isinstance(other, Coupling) else NotImplemented

    def __mul__(self, factor: Any) -> Any:
        """Scale by a number."""
        from kuramoto.couplings.compose import Scaled

        return NotImplemented if isinstance(factor, Coupling) else Scaled(factor, self)

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        """Change the sign."""
        return self * -1.0

    def __sub__(self, other: Any) -> Any:
        """Subtract a coupling."""
        return self + -1.0 * other

    def _require_shape(self, x: Array) -> None:
        """Raise unless the trailing axes of `x` are (*sites, N) as this coupling has them."""
        if x.ndim > self.site_ndim:
            sites = tuple(x.shape[x.ndim - 1 - self.site_ndim : -1])
            blocks_fit = self.block_size in (None, x.shape[-1])
            if blocks_fit and (self.sites is None or sites == self.sites):
                return
        wanted = self.sites or ("sites",) * self.site_ndim
        axes = ", ".join(map(str, ("*batch", *wanted, self.block_size or "N")))
        must = f"have shape ({axes}) for this {type(self).__name__}"
        raise invalid("x", must, f"has shape {tuple(x.shape)}")


def _sites(coupling: Linear, sites: int | tuple[int, ...] | None) -> tuple[int, ...]:
    if sites is None and coupling.sites is None:
        remedy = "pass sites=(...)"
        raise invalid("sites", "be given for a coupling that fits any size", "None", remedy)
    given = coupling.sites if sites is None else sites
    return (given,) if isinstance(given, int) else tuple(given or ())


def asymmetry_of_any(coupling: Coupling) -> float:
    """Return the asymmetry of any coupling; where it says only yes or no, 0 or infinity."""
    return float(getattr(coupling, "asymmetry", 0.0 if coupling.symmetric else np.inf))


def bounds_of(coupling: Coupling) -> tuple[float, float]:
    """Return (low, high) around the eigenvalues of any coupling's symmetric part."""
    if isinstance(coupling, Linear):
        return coupling.eigenvalue_bounds()
    high = float(np.max(coupling.row_bound())) if coupling.symmetric else np.inf
    return coupling.lowest_eigenvalue_bound(), high


def spectral_norms(blocks: np.ndarray) -> np.ndarray:
    """Return ‖·‖₂ of each trailing matrix, or for very many of them a bound that is cheap.

    The bound is min(‖A‖_F, √(‖A‖₁‖A‖_∞)).
    """
    if blocks.size <= 1_000_000:
        norms: np.ndarray = np.linalg.norm(blocks, ord=2, axis=(-2, -1))
        return norms
    size = np.abs(blocks)
    frobenius = np.sqrt((size * size).sum(axis=(-2, -1)))
    mixed = np.sqrt(size.sum(axis=-1).max(axis=-1) * size.sum(axis=-2).max(axis=-1))
    return np.asarray(np.minimum(frobenius, mixed))


def block_commutators(
    weights: np.ndarray, omega_i: np.ndarray, omega_j: np.ndarray, *, blocks: bool
) -> float:
    """Return max ‖J_ij Ω_j − Ω_i J_ij‖_F, differences below rounding counted as 0.

    Parameters
    ----------
    weights : array, shape (...,) or (..., N, N)
    omega_i, omega_j : array, shape (..., N, N)
        The matrices at the two ends, broadcast against `weights`.
    blocks : bool
        Whether `weights` holds N×N blocks.
    """
    if weights.size == 0:
        return 0.0
    if blocks:
        defect = weights @ omega_j - omega_i @ weights
        size = np.abs(weights).max() * max(np.abs(omega_i).max(), np.abs(omega_j).max())
    else:
        defect = weights[..., None, None] * (omega_j - omega_i)
        size = np.abs(weights).max() * np.abs(omega_i).max()
    largest = float(np.sqrt((defect * defect).sum(axis=(-2, -1))).max())
    rounding = 8 * weights.shape[-1] if blocks else 8
    return largest if largest > rounding * np.finfo(defect.dtype).eps * size else 0.0


def host_frequencies(frequency: Frequency, block_size: int | None) -> np.ndarray:
    """Return Ω as NumPy float64 matrices, in the smallest N that shows all of it."""
    planes = getattr(frequency, "omega", None)
    N = block_size or (2 * planes.shape[-1] if planes is not None else 0)
    return np.asarray(frequency.matrices(N), dtype=np.float64)


def asymmetry_of(matrix: np.ndarray, transposed: np.ndarray) -> float:
    """Return max |A − Aᵀ|, or 0 where that is rounding of the largest entry."""
    if matrix.size == 0:
        return 0.0
    largest = float(np.abs(matrix - transposed).max())
    rounding = 4 * np.finfo(matrix.dtype).eps * np.abs(matrix).max()
    return largest if largest > rounding else 0.0


def exact_bounds(symmetric_part: np.ndarray) -> tuple[float, float]:
    """Return the extreme eigenvalues, moved outwards by what rounding can have cost."""
    matrix = np.asarray(symmetric_part, dtype=np.float64)
    values = np.linalg.eigvalsh(matrix)
    size = float(np.linalg.norm(matrix))
    margin = 4 * len(matrix) * np.finfo(np.float64).eps * size
    return float(values[0]) - margin, float(values[-1]) + margin
