"""Higher-order coupling: forces that three or four oscillators make together, not pair by pair.

For unit vectors a, b, c the vector 2⟨a, b⟩a − b is b mirrored at a, for N = 2 the angle 2α − β; and
⟨a, b⟩c + ⟨a, c⟩b − ⟨b, c⟩a has for N = 2 the angle β + γ − α. Both have length 1 and turn with a, b
and c: the sines of three phases in N dimensions.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from kuramoto import sphere
from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    integers_like,
    require_same,
    scalar,
    to_numpy,
)
from kuramoto._check import invalid, whole_number
from kuramoto.couplings.base import Linear
from kuramoto.couplings.sparse import Sparse

__all__ = ["Form", "Tetradic", "Triadic", "Triangles"]

Form = Literal["asymmetric", "symmetric"]


class _StateDependent(Linear):
    """What the couplings here share: no matrix, and no energy of eq. 3."""

    state_dependent = True

    def to_dense(self, sites: Any = None, *, like: Array | None = None) -> Array:
        """Refuse: J depends on the state."""
        remedy = "apply the coupling to a state instead"
        found = f"a {type(self).__name__} coupling"
        raise invalid("self", "be linear to have one matrix", found, remedy)


class _MeanFields(_StateDependent):
    """Everyone with everyone, equally: what follows from the mean of the vectors alone."""

    strength: Any

    def _mean(self, x: Array) -> Array:
        """Return m, the mean over the site axes, kept with length 1."""
        require_same(x, self.strength, "x", "strength")
        self._require_shape(x)
        return array_namespace(x).mean(x, axis=self._axes, keepdims=True)

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-1 - self.site_ndim, -1))

    def row_bound(self) -> float:
        """Return |K|: a bound on ‖Σ‖, as every group's vector has length 1."""
        return abs(self._value())

    def _value(self) -> float:
        return float(to_numpy(as_array(self.strength, "strength")))


class Triadic(_MeanFields):
    """All groups of three, equally: (K/M²) Σ_{j,k} of one of the forms below, in O(M).

    * ``"asymmetric"``: 2⟨x_j, x_k⟩x_j − x_k, for N = 2 sin(2θ_j − θ_k − θ_i). With m = ⟨x⟩ and
      Q = ⟨xxᵀ⟩ the sum is K(2Qm − m).
    * ``"symmetric"``: ⟨x_i, x_j⟩x_k + ⟨x_i, x_k⟩x_j − ⟨x_j, x_k⟩x_i, for N = 2
      sin(θ_j + θ_k − 2θ_i). The sum is K(2⟨m, x_i⟩m − ‖m‖²x_i).

    Only both together, equally strong, have an energy: −(K M/2)(2 mᵀQm − ‖m‖²). It composes with
    other couplings: ``MeanField(1.0) + Triadic(4.0)``.

    Parameters
    ----------
    strength : float or 0-d array
        K.
    form : {"asymmetric", "symmetric"}, default "asymmetric"
    dims : int, default 1
        How many axes of the state count oscillators.

    Raises
    ------
    ValueError
        If the form is not known.

    See Also
    --------
    Triangles : given groups of three.

    References
    ----------
    Skardal, Arenas (2020), Higher order interactions in complex networks of phase oscillators
    promote abrupt synchronization switching, Commun. Phys. 3, 218.

    Examples
    --------
    >>> import numpy as np
    >>> Triadic(2.0)(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[0., 0.],
           [0., 0.]])
    """

    def __init__(self, strength: Any, form: Form = "asymmetric", *, dims: int = 1) -> None:
        self.strength, self.form = scalar(strength, "strength"), _checked_form(form)
        self.site_ndim = whole_number("dims", dims, least=1)

    def __call__(self, x: Array, /) -> Array:
        """Return the sum for x of shape (*batch, *sites, N)."""
        mean, xp = self._mean(x), array_namespace(x)
        along = 2 * sphere.dot(x, 0 * x + mean)
        if self.form == "symmetric":
            return self.strength * (along * mean - sphere.dot(mean, mean) * x)
        pull = xp.mean(along * x, axis=self._axes, keepdims=True) - mean
        return xp.broadcast_to(self.strength * pull, x.shape)

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"strength": self._value(), "form": self.form, "dims": self.site_ndim}


class Tetradic(_MeanFields):
    """All groups of four, equally: (K/M³) Σ_{j,k,l} ⟨x_k, x_l⟩x_j = K‖m‖²m, in O(M).

    For N = 2 this is Σ sin(θ_j + θ_k − θ_l − θ_i): the mean field, with a strength that grows with
    the order.

    Parameters
    ----------
    strength : float or 0-d array
        K.
    dims : int, default 1
        How many axes of the state count oscillators.

    References
    ----------
    Skardal, Arenas (2020), Commun. Phys. 3, 218.

    Examples
    --------
    >>> import numpy as np
    >>> Tetradic(2.0)(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """

    def __init__(self, strength: Any, *, dims: int = 1) -> None:
        self.strength = scalar(strength, "strength")
        self.site_ndim = whole_number("dims", dims, least=1)

    def __call__(self, x: Array, /) -> Array:
        """Return the sum for x of shape (*batch, *sites, N)."""
        mean = self._mean(x)
        pull = self.strength * sphere.dot(mean, mean) * mean
        return array_namespace(x).broadcast_to(pull, x.shape)

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"strength": self._value(), "dims": self.site_ndim}


class Triangles(_StateDependent):
    """Given groups of three: Σ_{(i,j,k)} w_ijk of one of the forms of `Triadic`.

    Parameters
    ----------
    triangles : array of int, shape (E, 3)
        Rows (i, j, k); equal rows act as their sum.
    weights : float or array, shape (E,), default 1.0
        On any library, dtype and device: the state's must match. Gradients flow to it.
    sites : int
        Number of oscillators, M.
    form : {"asymmetric", "symmetric"}, default "asymmetric"
    symmetric : bool, default True
        Whether each triangle, listed once, acts on all three corners, in both orders of the other
        two; else oscillator i alone is drawn, by (j, k) in the order given.

    Raises
    ------
    ValueError
        If an index lies outside 0 to M − 1 or shapes do not fit.
    TypeError
        If indices are not whole numbers.

    References
    ----------
    Skardal, Arenas (2020), Commun. Phys. 3, 218.

    Examples
    --------
    >>> import numpy as np
    >>> Triangles([[0, 1, 2]], sites=3, symmetric=False)(np.eye(2)[[0, 0, 1]])
    array([[ 0., -1.],
           [ 0.,  0.],
           [ 0.,  0.]])
    """

    def __init__(
        self,
        triangles: Any,
        weights: Any = 1.0,
        *,
        sites: int,
        form: Form = "asymmetric",
        symmetric: bool = True,
    ) -> None:
        M, self.form = whole_number("sites", sites, least=1), _checked_form(form)
        self.sites, self._count = (M,), M
        corners = _checked_triangles(triangles, M)
        values = as_array(weights, "weights")
        if tuple(values.shape) not in ((), corners.shape[:1]):
            must = f"be a number or have shape ({len(corners)},), one for each triangle"
            raise invalid("weights", must, f"has shape {tuple(values.shape)}")
        xp = array_namespace(values)
        values = xp.broadcast_to(values, (len(corners),))
        if symmetric:
            turns = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
            corners = np.concatenate([corners[:, turn] for turn in turns])
            values = xp.concat([values] * len(turns))
        self._build(corners, values)

    def _build(self, corners: np.ndarray, values: Array) -> None:
        """Keep (i, j, k) as three index arrays, and the sum over the groups of each i as a product.

        The product is square, so fewer groups than oscillators are filled up with idle ones.
        """
        M = self._count
        self.corners, self.weights = corners, values
        missing = max(0, M - len(corners))
        filled = np.concatenate([corners, np.zeros((missing, 3), dtype=np.int64)])
        self._corners = [integers_like(column, values) for column in filled.T]
        index = np.arange(len(corners))
        self._sum = Sparse.from_edges(corners[:, 0], index, values, sites=len(filled))

    def __call__(self, x: Array, /) -> Array:
        """Return the sum for x of shape (*batch, M, N)."""
        require_same(x, self.weights, "x", "weights")
        self._require_shape(x)
        xp = array_namespace(x)
        i, j, k = (xp.take(x, corner, axis=-2) for corner in self._corners)
        if self.form == "asymmetric":
            pull = 2 * sphere.dot(j, k) * j - k
        else:
            pull = sphere.dot(i, j) * k + sphere.dot(i, k) * j - sphere.dot(j, k) * i
        return self._sum(pull)[..., : self._count, :]

    def row_bound(self) -> np.ndarray:
        """Return Σ_{j,k} |w_ijk|, shape (M,): a bound on ‖Σ‖, as every term has length |w|."""
        return self._sum.row_bound()[: self._count]

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        groups = {"triangles": self.corners, "weights": self.weights}
        return {**groups, "sites": self._count, "form": self.form, "symmetric": False}


def _checked_form(form: Any) -> Form:
    if form not in ("asymmetric", "symmetric"):
        raise invalid("form", "be 'asymmetric' or 'symmetric'", repr(form))
    known: Form = form
    return known


def _checked_triangles(triangles: Any, M: int) -> np.ndarray:
    corners = np.asarray(to_numpy(triangles))
    if corners.ndim != 2 or corners.shape[1] != 3:
        must = "have shape (E, 3): rows (i, j, k)"
        raise invalid("triangles", must, f"has shape {corners.shape}")
    if corners.size and not np.issubdtype(corners.dtype, np.integer):
        found = f"has dtype {corners.dtype}"
        raise TypeError(f"Argument `triangles` must hold whole numbers, but {found}.")
    if corners.size and not 0 <= corners.min() <= corners.max() < M:
        found = f"holds {corners.min()} to {corners.max()}"
        raise invalid("triangles", f"lie in 0 to {M - 1}", found)
    return corners.astype(np.int64)
