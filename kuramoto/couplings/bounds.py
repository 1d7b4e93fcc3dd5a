"""Matrices as numbers: norms, extreme eigenvalues, asymmetry, commutators. NumPy on the host."""

from __future__ import annotations

import numpy as np

from kuramoto.frequencies import Frequency


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
    return np.asarray(frequency.matrices(block_size or frequency.dimensions), dtype=np.float64)


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
