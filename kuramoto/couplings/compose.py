"""Sums and multiples of couplings."""

from __future__ import annotations

from typing import Any

from kuramoto._backend import Array, scalar
from kuramoto._check import invalid
from kuramoto.couplings.base import Coupling, Linear, asymmetry_of_any, bounds_of
from kuramoto.frequencies import Frequency


class Scaled(Linear):
    """A number times a coupling; written ``2.0 * coupling``.

    Parameters
    ----------
    factor : float or 0-d array
    coupling : Coupling
    """

    def __init__(self, factor: Any, coupling: Coupling) -> None:
        self.factor, self.coupling = scalar(factor, "factor"), coupling
        self.sites, self.site_ndim = coupling.sites, coupling.site_ndim
        self.block_size = getattr(coupling, "block_size", None)

    def __call__(self, x: Array, /) -> Array:
        """Return the factor times the coupling's sum."""
        return self.factor * self.coupling(x)

    @property
    def asymmetry(self) -> float:
        """|factor| times the coupling's."""
        return abs(self._value()) * asymmetry_of_any(self.coupling) if self._value() else 0.0

    def row_bound(self) -> Any:
        """Return |factor| times the coupling's bound."""
        return abs(self._value()) * self.coupling.row_bound()

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the scaled bounds; a negative factor exchanges them."""
        low, high = bounds_of(self.coupling)
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
        return float(self.factor)


class Sum(Linear):
    """The sum of couplings; written ``a + b``.

    Parameters
    ----------
    terms : sequence of Coupling
        At least one; their sites and block sizes must fit.
    """

    def __init__(self, terms: Any) -> None:
        parts = [t.terms if isinstance(t, Sum) else (t,) for t in terms]
        self.terms: tuple[Coupling, ...] = tuple(term for part in parts for term in part)
        if not self.terms:
            raise invalid("terms", "hold at least one coupling", "empty")
        self.site_ndim = self._shared({t.site_ndim for t in self.terms}, "number of site axes")
        self.sites = self._shared({t.sites for t in self.terms} - {None}, "sites")
        sizes = {getattr(t, "block_size", None) for t in self.terms} - {None}
        self.block_size = self._shared(sizes, "block size")

    def __call__(self, x: Array, /) -> Array:
        """Return the sum of the terms' sums."""
        total = self.terms[0](x)
        for term in self.terms[1:]:
            total = total + term(x)
        return total

    @property
    def asymmetry(self) -> float:
        """At most the sum of the terms' (two asymmetric terms that cancel are not looked for)."""
        return sum(asymmetry_of_any(term) for term in self.terms)

    def row_bound(self) -> Any:
        """Return the sum of the terms' bounds."""
        return sum(term.row_bound() for term in self.terms)

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return the sums of the terms' bounds (Weyl's inequality)."""
        low, high = zip(*(bounds_of(term) for term in self.terms), strict=True)
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
