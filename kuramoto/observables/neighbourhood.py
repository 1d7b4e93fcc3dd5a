"""Who is near whom: the entries of a coupling as a graph, and order in a neighbourhood."""

from __future__ import annotations

from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, from_numpy, is_array, to_numpy
from kuramoto._check import invalid, wrong_type
from kuramoto.couplings import Dense, Lattice, Linear, MeanField, Scaled, Sparse, Sum
from kuramoto.couplings.base import is_coupling

__all__ = ["Neighbourhood"]


class Neighbourhood:
    """A coupling's neighbourhoods: |J_ij| in place of J_ij.

    Parameters
    ----------
    coupling : Coupling or matrix
        As `local_order_parameter` takes it.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> near = Neighbourhood(km.Lattice([-1.0, 0.0, 1.0], "zero"))
    >>> near.order(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    array([1., 1., 1.])
    """

    def __init__(self, coupling: Any) -> None:
        coupling = as_coupling(coupling)
        if coupling.state_dependent or coupling.block_size is not None:
            sort = "weights that depend on the state" if coupling.state_dependent else "N×N blocks"
            found = f"a {type(coupling).__name__} with {sort}"
            must = "have one number J_ij for each pair to have neighbourhoods"
            raise invalid("coupling", must, found, "pass a matrix of weights")
        self.coupling = _absolute(coupling)
        self._totals: dict[tuple[int, ...], np.ndarray] = {}

    def order(self, x: Array) -> Array:
        """Return r_i = ‖Σ_j |J_ij| x_j‖₂ / Σ_j |J_ij|, shape (*batch, *sites)."""
        x = as_array(x, "x")
        pull = sphere.norm(self.coupling(x))[..., 0]
        total = self.total(x)
        # Lonely oscillators: their pull is rounding at most, and so is what is returned.
        lonely = total == 0
        xp = array_namespace(x)
        order = pull / xp.where(lonely, xp.ones_like(total), total)
        return xp.where(lonely, xp.zeros_like(order), order)

    def total(self, x: Array) -> Array:
        """Return Σ_j |J_ij|, shape (*sites,), on the library of x; kept for later calls."""
        sites = tuple(x.shape[x.ndim - 1 - self.coupling.site_ndim : -1])
        if sites not in self._totals:
            ones = from_numpy(np.ones((*sites, 1)), x)
            self._totals[sites] = to_numpy(_exact(self.coupling)(ones))[..., 0]
        return from_numpy(self._totals[sites], x)


def as_coupling(value: Any, argument: str = "coupling") -> Linear:
    """Return a coupling, or a matrix of weights as one."""
    if is_coupling(value):
        if isinstance(value, Linear):
            return value
        remedy = "pass a matrix of weights"
        raise wrong_type(argument, "be one of kuramoto's own couplings", value, remedy)
    if is_array(value) or isinstance(value, list | tuple):
        return Dense(value)
    try:
        return Sparse(value)
    except TypeError:
        raise wrong_type(argument, "be a Coupling or a matrix of weights", value) from None


@singledispatch
def _absolute(coupling: Any) -> Linear:
    """Return the coupling with |J_ij| in place of J_ij."""
    raise wrong_type("coupling", "have known weights", coupling, "pass a matrix of weights")


@_absolute.register
def _(coupling: Dense) -> Linear:
    return Dense(_sizes(coupling.weights))


@_absolute.register
def _(coupling: Sparse) -> Linear:
    M = len(coupling.indptr) - 1
    bonds = _added_up(entries(coupling), M)
    return Sparse.from_edges(
        bonds.i, bonds.j, from_numpy(np.abs(bonds.weight), coupling.weights), sites=M
    )


@_absolute.register
def _(coupling: MeanField) -> Linear:
    return MeanField(_size(coupling.strength), dims=coupling.site_ndim)


@_absolute.register
def _(coupling: Lattice) -> Linear:
    kernel, channels = _sizes(coupling.kernel), coupling.channels is not None
    boundary, method = coupling.boundary, coupling.method
    return Lattice(kernel, boundary, method, dims=coupling.dims, channels=channels)


@_absolute.register
def _(coupling: Scaled) -> Linear:
    return Scaled(_size(coupling.factor), _absolute(coupling.coupling))


@_absolute.register
def _(coupling: Sum) -> Linear:
    return Sum([_absolute(term) for term in coupling.terms])


def _sizes(weights: Array) -> Array:
    """Return |weights|, cut off from autograd like the sums of them that are kept."""
    return from_numpy(np.abs(to_numpy(weights)), weights)


def _size(factor: Any) -> float:
    return abs(float(to_numpy(as_array(factor, "factor"))))


def _exact(coupling: Linear) -> Linear:
    """Return the coupling without FFTs: sums of |J_ij| that are 0 must come out as 0."""
    if isinstance(coupling, Lattice):
        dims, channels = coupling.dims, coupling.channels is not None
        return Lattice(coupling.kernel, coupling.boundary, "direct", dims=dims, channels=channels)
    if isinstance(coupling, Scaled):
        return Scaled(coupling.factor, _exact(coupling.coupling))
    return Sum([_exact(t) for t in coupling.terms]) if isinstance(coupling, Sum) else coupling


class Entries(NamedTuple):
    """Entries of J on the host: receivers i, senders j, numbers (E,) or blocks (E, N, N)."""

    i: np.ndarray
    j: np.ndarray
    weight: np.ndarray


@singledispatch
def entries(coupling: Any) -> Entries:
    """Return the entries of J that are there."""
    must = "be Dense or Sparse, or made of them, to have bonds"
    raise wrong_type("coupling", must, coupling, "pass kuramoto.Dense(coupling.to_dense(sites))")


@entries.register
def _(coupling: Dense) -> Entries:
    weights = to_numpy(coupling.weights)
    there = weights if weights.ndim == 2 else np.abs(weights).max(axis=(-2, -1))
    i, j = np.nonzero(there)
    return Entries(i, j, weights[i, j])


@entries.register
def _(coupling: Sparse) -> Entries:
    return Entries(coupling.rows, coupling.indices, to_numpy(coupling.values))


@entries.register
def _(coupling: Scaled) -> Entries:
    found = entries(coupling.coupling)
    return found._replace(
        weight=float(to_numpy(as_array(coupling.factor, "factor"))) * found.weight
    )


@entries.register
def _(coupling: Sum) -> Entries:
    parts = [entries(term) for term in coupling.terms]
    if len({part.weight.ndim for part in parts}) > 1:
        remedy = "pass kuramoto.Dense(coupling.to_dense())"
        raise invalid("coupling", "have terms all of numbers or all of blocks", "mixed", remedy)
    return Entries(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _added_up(found: Entries, M: int) -> Entries:
    """Add up the entries of equal pairs (i, j)."""
    pairs, inverse = np.unique(found.i * M + found.j, return_inverse=True)
    if len(pairs) == len(found.i):
        return found
    weight = np.zeros((len(pairs), *found.weight.shape[1:]), dtype=found.weight.dtype)
    np.add.at(weight, inverse, found.weight)
    return Entries(pairs // M, pairs % M, weight)


def bonds(coupling: Any) -> Entries:
    """Return every joined pair i ≤ j once, weighing B_ij = ½(J_ij + J_jiᵀ), and B_ii = ½ J_ii.

    Then −½ Σ_ij x_iᵀ J_ij x_j over all pairs is −Σ x_iᵀ B_ij x_j over the bonds.
    """
    coupling = as_coupling(coupling)
    found = entries(coupling)
    turned = found.weight if found.weight.ndim == 1 else np.swapaxes(found.weight, -1, -2)
    upper = (found.i <= found.j).reshape(-1, *(1,) * (found.weight.ndim - 1))
    ordered = np.where(upper, found.weight, turned) / 2
    low, high = np.minimum(found.i, found.j), np.maximum(found.i, found.j)
    return _added_up(Entries(low, high, ordered), coupling.sites[0] if coupling.sites else 1)


def adjacency(coupling: Any, sites: tuple[int, ...], argument: str = "coupling") -> Any:
    """Return who is joined to whom as a SciPy matrix of ones, (M, M), links taken both ways."""
    from scipy import sparse

    coupling = as_coupling(coupling, argument)
    M = int(np.prod(sites))
    if coupling.sites not in (None, sites):
        must = f"have the {M} oscillators given"
        raise invalid(argument, must, f"it has sites {coupling.sites}")
    if coupling.sites is None:
        coupling = Dense(coupling.to_dense(sites))
    found = _added_up(entries(coupling), M)
    size = np.abs(found.weight).reshape(len(found.i), -1).max(axis=1, initial=0.0)
    i, j = found.i[size > 0], found.j[size > 0]
    matrix = sparse.coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(M, M)).tocsr()
    return ((matrix + matrix.T) > 0).astype(np.int8)
