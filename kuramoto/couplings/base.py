"""What a coupling is, what all linear couplings share, and their sums and multiples."""

from __future__ import annotations

import inspect
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    from_numpy,
    require_same,
    scalar,
    to_numpy,
)
from kuramoto._check import invalid
from kuramoto.frequencies import Frequency


@runtime_checkable
class Coupling(Protocol):
    """The sum Σ_j J_ij x_j, and what a certificate needs to know of J.

    Write your own with these members, or derive from `Linear`, which adds composition, a dense
    form and more to say: how many axes count oscillators, whether it commutes with Ω.
    """

    @property
    def sites(self) -> tuple[int, ...] | None:
        """Sizes of the site axes; None: any number of oscillators."""
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


class Linear:
    """Base of the couplings whose J does not depend on the state."""

    sites: tuple[int, ...] | None = None
    site_ndim: int = 1
    block_size: int | None = None  # N for N×N blocks, None where J_ij is a number
    state_dependent: bool = False  # whether J changes with x: then there is no energy of eq. 3
    __array_ufunc__ = None  # so that a NumPy number leaves ``number * coupling`` to `__rmul__`

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
        return Sum((self, other)) if is_coupling(other) else NotImplemented

    def __mul__(self, factor: Any) -> Any:
        """Scale by a number."""
        return NotImplemented if is_coupling(factor) else Scaled(factor, self)

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


class Scaled(Linear):
    """A number times a coupling; written ``2.0 * coupling``.

    Parameters
    ----------
    factor : float or 0-d array
    coupling : Coupling
    """

    def __init__(self, factor: Any, coupling: Coupling) -> None:
        self.factor, self.coupling = scalar(factor, "factor"), as_linear(coupling)
        self.sites, self.site_ndim = self.coupling.sites, self.coupling.site_ndim
        self.block_size = self.coupling.block_size
        self.state_dependent = self.coupling.state_dependent

    def __call__(self, x: Array, /) -> Array:
        """Return the factor times the coupling's sum."""
        require_same(x, self.factor, "x", "factor")
        return self.factor * self.coupling(x)

    @property
    def asymmetry(self) -> float:
        """|factor| times the coupling's."""
        return abs(self._value()) * self.coupling.asymmetry if self._value() else 0.0

    def row_bound(self) -> Any:
        """Return |factor| times the coupling's bound."""
        return abs(self._value()) * self.coupling.row_bound()

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the scaled bounds; a negative factor exchanges them."""
        low, high = self.coupling.eigenvalue_bounds()
        if self._value() == 0:
            return 0.0, 0.0
        ends = sorted((self._value() * low, self._value() * high))
        return ends[0], ends[1]

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return |factor| times the coupling's bound."""
        bound = self.coupling.commutator_bound(frequency)
        return abs(self._value()) * bound if self._value() else 0.0

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"factor": self._value(), "coupling": self.coupling}

    def _value(self) -> float:
        return float(to_numpy(as_array(self.factor, "factor")))


class Sum(Linear):
    """The sum of couplings; written ``a + b``.

    Parameters
    ----------
    terms : sequence of Coupling
        At least one; their sites and block sizes must fit.
    """

    def __init__(self, terms: Any) -> None:
        parts = [t.terms if isinstance(t, Sum) else (as_linear(t),) for t in terms]
        self.terms: tuple[Linear, ...] = tuple(term for part in parts for term in part)
        if not self.terms:
            raise invalid("terms", "hold at least one coupling", "empty")
        self.site_ndim = self._shared({t.site_ndim for t in self.terms}, "number of site axes")
        self.sites = self._shared({t.sites for t in self.terms} - {None}, "sites")
        sizes = {t.block_size for t in self.terms} - {None}
        self.block_size = self._shared(sizes, "block size")
        self.state_dependent = any(t.state_dependent for t in self.terms)

    def __call__(self, x: Array, /) -> Array:
        """Return the sum of the terms' sums."""
        total = self.terms[0](x)
        for term in self.terms[1:]:
            total = total + term(x)
        return total

    @property
    def asymmetry(self) -> float:
        """At most the sum of the terms' (two asymmetric terms that cancel are not looked for)."""
        return sum(term.asymmetry for term in self.terms)

    def row_bound(self) -> Any:
        """Return the sum of the terms' bounds."""
        return sum(term.row_bound() for term in self.terms)

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the sums of the terms' bounds (Weyl's inequality)."""
        low, high = zip(*(term.eigenvalue_bounds() for term in self.terms), strict=True)
        return sum(low), sum(high)

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return the sum of the terms' bounds."""
        return sum(term.commutator_bound(frequency) for term in self.terms)

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"terms": list(self.terms)}

    @staticmethod
    def _shared(found: set[Any], what: str) -> Any:
        if len(found) > 1:
            listed = " and ".join(str(value) for value in sorted(found))
            remedy = "for a mean field on a grid pass MeanField(K, dims=...)"
            raise invalid("terms", f"share one {what}", listed, remedy)
        return next(iter(found), None)


def is_coupling(value: Any) -> bool:
    """Say whether `value` has a coupling's members, without evaluating any (they can be costly)."""
    members = [name for name in vars(Coupling) if not name.startswith("_")] + ["__call__"]
    absent = object()
    found = [inspect.getattr_static(value, name, absent) is not absent for name in members]
    return not isinstance(value, type) and all(found)


class Adapted(Linear):
    """A coupling of somebody's own, given what `Linear` has besides the members of `Coupling`."""

    def __init__(self, own: Any) -> None:
        self.own, self.sites = own, own.sites
        self.site_ndim = getattr(own, "site_ndim", len(own.sites) if own.sites else 1)
        self.block_size = getattr(own, "block_size", None)
        self.state_dependent = getattr(own, "state_dependent", False)

    def __call__(self, x: Array, /) -> Array:
        """Return what the user's coupling returns."""
        return self.own(x)

    @property
    def asymmetry(self) -> float:
        """The coupling's own figure; where it says only yes or no, 0 or infinity."""
        return float(getattr(self.own, "asymmetry", 0.0 if self.own.symmetric else np.inf))

    def row_bound(self) -> Any:
        """Return the coupling's bound."""
        return self.own.row_bound()

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the coupling's lower bound, and Gershgorin's upper one."""
        high = float(np.max(self.row_bound())) if self.own.symmetric else np.inf
        return float(self.own.lowest_eigenvalue_bound()), high

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return the coupling's bound; infinite if it gives none."""
        bound = getattr(self.own, "commutator_bound", super().commutator_bound)
        return float(bound(frequency))


def as_linear(coupling: Any) -> Linear:
    """Return a coupling with all that `Linear` has: itself, or an adapter around a user's own."""
    return coupling if isinstance(coupling, Linear) else Adapted(coupling)
