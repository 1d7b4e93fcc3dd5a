"""Master stability: synchrony of identical oscillators, one eigenvalue of the network at a time.

Nodes ẋ_i = F(x_i) − σ Σ_j L_ij H x_j, Laplacian L, have a synchronous solution s(t). Along an
eigenvector of L with eigenvalue γ a disturbance obeys ξ̇ = (DF(s) − σγ H) ξ, which knows of the
network μ = σγ alone: its leading exponent as a function of μ serves every network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuramoto._backend import to_numpy
from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.lyapunov.exponents import Clock, clock_of
from kuramoto.lyapunov.tangent import require_plain
from kuramoto.model import Kuramoto

__all__ = ["master_stability", "transverse_exponents"]

Matrix = Any
_ROUND_OFF = 1e-10  # relative


def master_stability(
    jacobian: Matrix | Callable[[float], Matrix],
    inner_coupling: Matrix,
    mus: Any,
    *,
    t1: float | None = None,
    dt: float | None = None,
    t0: float = 0.0,
    burn_in: float = 0.0,
) -> np.ndarray:
    """Return the leading exponent of ξ̇ = (DF − μ H) ξ for each μ: the master stability function.

    Parameters
    ----------
    jacobian : array, shape (d, d), or callable
        DF of one node on the synchronous solution; a function of time where that moves. It is asked
        at the beginning, middle and end of every step.
    inner_coupling : array, shape (d, d)
        H: which variables of a node act on which of another.
    mus : array, any shape
        Coupling strength times eigenvalues of the Laplacian; complex for directed networks.
    t1, dt, t0, burn_in : float, optional
        For a function of time: end, step size, start, and a time from t0 on that is left out.

    Returns
    -------
    numpy array, shape of `mus`
        Negative where synchrony is stable against disturbances of that eigenvalue.

    Raises
    ------
    ValueError
        If matrices do not fit, or `t1` and `dt` are missing or out of range.

    References
    ----------
    Pecora, Carroll (1998), Master stability functions for synchronized coupled systems, Phys. Rev.
    Lett. 80, 2109, eq. 5.

    Examples
    --------
    >>> import numpy as np
    >>> master_stability(np.array([[0.5]]), np.eye(1), [0.0, 0.5, 2.0])
    array([ 0.5,  0. , -1.5])
    """
    mu = np.asarray(mus)
    if mu.dtype.kind not in "iufc" or not np.isfinite(mu).all():
        raise invalid("mus", "be finite numbers", f"has dtype {mu.dtype}: {mu.tolist()!s:.60}")
    H = _square("inner_coupling", inner_coupling)
    if not callable(jacobian):
        blocks = _square("jacobian", jacobian, H) - mu[..., None, None] * H
        return np.asarray(np.linalg.eigvals(blocks).real.max(axis=-1))
    if t1 is None or dt is None:
        raise invalid("t1 and dt", "be given for a jacobian that is a function of time", "None")
    clock = clock_of(t0, t1, dt, burn_in)
    growth = _growth(jacobian, H, mu.reshape(-1, 1, 1), clock)
    return (growth / ((clock.steps - clock.first) * clock.dt)).reshape(mu.shape)


def _growth(
    jacobian: Callable[[float], Matrix],
    H: np.ndarray,
    mu: np.ndarray,
    clock: Clock,
) -> np.ndarray:
    """Return Σ log ‖ξ_{n+1}‖ / ‖ξ_n‖ after the burn-in, for every μ at once."""
    xi = np.ones((len(mu), len(H), 1), dtype=np.result_type(mu, H))
    xi = xi * np.random.default_rng(0).standard_normal((len(H), 1))
    total, dt = np.zeros(len(mu)), clock.dt

    def blocks(t: float) -> np.ndarray:
        return np.asarray(_square("jacobian", jacobian(t), H) - mu * H)

    end = blocks(clock.t0)
    for step in range(clock.steps):
        t = clock.t0 + step * dt
        start, middle, end = end, blocks(t + dt / 2), blocks(t + dt)
        k1 = start @ xi
        k2 = middle @ (xi + dt / 2 * k1)
        k3 = middle @ (xi + dt / 2 * k2)
        k4 = end @ (xi + dt * k3)
        xi = xi + dt / 6 * (k1 + 2 * (k2 + k3) + k4)
        length = np.linalg.norm(xi, axis=(1, 2))
        xi = xi / length[:, None, None]
        total += np.log(length) if step >= clock.first else 0.0
    return total


def transverse_exponents(model: Kuramoto, M: int | tuple[int, ...] | None = None) -> np.ndarray:
    """Return the exponents of full synchrony x_1 = … = x_M, mode by mode of the network.

    For identical oscillators with scalar couplings J_ij the linearisation at synchrony is, in the
    frame that turns along with Ω, −L ⊗ I with the Laplacian L_ij = δ_ij Σ_k J_ik − J_ij: every
    eigenvalue γ of L gives the exponent −γ, N − 1 times.

    Parameters
    ----------
    model : Kuramoto
        Couplings by numbers, one natural frequency for all or none, no stimulus.
    M : int or tuple of int, optional
        Sizes of the site axes, where the coupling fits any.

    Returns
    -------
    numpy array of complex, shape (M,)
        By descending real part. One is 0: all turn together. The others are transverse; synchrony
        is stable if their real parts are negative.

    Raises
    ------
    ValueError
        If the oscillators are not identical, or the couplings are blocks or depend on the state.

    References
    ----------
    Pecora, Carroll (1998), Phys. Rev. Lett. 80, 2109.

    Examples
    --------
    >>> import kuramoto as km
    >>> ring = km.Kuramoto(km.Sparse(km.graphs.ring(4)), km.Rotation([1.0]))
    >>> transverse_exponents(ring).real.round(9) + 0.0
    array([ 0., -2., -2., -4.])
    """
    require_plain(model)
    _require_identical(model)
    weights = to_numpy(model.coupling.to_dense(_sizes(model, M))).astype(np.float64)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    symmetric = np.abs(laplacian - laplacian.T).max() <= _ROUND_OFF * np.abs(laplacian).max()
    eigenvalues = np.linalg.eigvalsh(laplacian) if symmetric else np.linalg.eigvals(laplacian)
    values = (-eigenvalues).astype(np.complex128)  # not −0j
    return np.asarray(values[np.lexsort((-values.imag, -values.real))])


def _sizes(model: Kuramoto, M: Any) -> tuple[int, ...]:
    """Return the sizes of the site axes: the coupling's own, or those given."""
    own, axes = model.coupling.sites, model.coupling.site_ndim
    given = own if M is None else M
    if given is None:
        raise invalid("M", f"hold the sizes of {axes} site axes for this coupling", "None")
    sizes = given if isinstance(given, tuple | list) else (given,)
    found = tuple(whole_number("M", size, least=1) for size in sizes)
    if len(found) != axes or (own is not None and found != own):
        must = f"hold the sizes of {axes} site axes" if own is None else f"be {own}"
        raise invalid("M", f"{must} for this coupling", f"{given}")
    return found


def _require_identical(model: Kuramoto) -> None:
    must = "have identical oscillators coupled by numbers"
    if model.state_dependent or model.coupling.block_size is not None:
        found = f"a {type(model.coupling).__name__} of blocks, or one that depends on the state"
        raise invalid("model", must, found, "use `spectrum` at the synchronous state")
    if model.frequency is not None and not model.frequency.shared:
        raise invalid("model", must, "one with a natural frequency for each oscillator")
    if model.stimulus is not None:
        raise invalid(
            "model", must, "one with a stimulus", "use `spectrum` at the synchronous state"
        )


def _square(argument: str, matrix: Any, like: np.ndarray | None = None) -> np.ndarray:
    try:
        found = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise wrong_type(argument, "be a square matrix of numbers", matrix) from None
    square = found.ndim == 2 and found.shape[0] == found.shape[1] > 0
    if not square or (like is not None and found.shape != like.shape):
        must = "be a square matrix" if like is None else f"have shape {like.shape}"
        raise invalid(argument, must, f"has shape {found.shape}")
    if not np.isfinite(found).all():
        raise invalid(argument, "be finite", "holds NaN or infinity")
    return found
