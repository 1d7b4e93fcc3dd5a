"""Order parameters: how far the oscillators of one state point the same way."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, from_numpy, to_numpy
from kuramoto._check import invalid, whole_number
from kuramoto.observables.neighbourhood import Neighbourhood
from kuramoto.observables.shapes import flat_sites, require_planar, require_sites

__all__ = [
    "daido_order_parameter",
    "local_order_parameter",
    "mean_vector",
    "nematic_order",
    "nematic_tensor",
    "order_parameter",
    "population_order_parameters",
    "weighted_order_parameter",
]


def order_parameter(x: Array, site_ndim: int = 1) -> Array:
    """Return r = ‖(1/M) Σ_i x_i‖₂: 1 if all oscillators point the same way, near 0 in disorder.

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    site_ndim : int, default 1
        How many axes before the last count oscillators.

    Returns
    -------
    array, shape (*batch,)

    Raises
    ------
    ValueError
        If x has fewer axes, or no oscillators.

    References
    ----------
    Kuramoto (1975) for N = 2; Chandra, Girvan & Ott (2019), Continuous versus discontinuous
    transitions in the D-dimensional generalized Kuramoto model, Phys. Rev. X 9, for any N.

    Examples
    --------
    >>> import numpy as np
    >>> float(order_parameter(np.array([[1.0, 0.0], [0.0, 1.0]]))) ** 2
    0.5000000000000001
    """
    return sphere.norm(mean_vector(x, site_ndim))[..., 0]


def mean_vector(x: Array, site_ndim: int = 1) -> Array:
    """Return (1/M) Σ_i x_i: the order parameter with its direction.

    For N = 2 it is (Re, Im) of Kuramoto's z = r exp(iψ).

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    site_ndim : int, default 1

    Returns
    -------
    array, shape (*batch, N)

    Examples
    --------
    >>> import numpy as np
    >>> mean_vector(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([0.5, 0.5])
    """
    x = require_sites(x, site_ndim)
    return array_namespace(x).mean(x, axis=tuple(range(-1 - site_ndim, -1)))


def weighted_order_parameter(x: Array, weights: Any) -> Array:
    """Return ‖Σ_i w_i x_i‖₂ / Σ_i |w_i|, in [0, 1].

    With the number of links of each oscillator as its weight, this is the order parameter of
    networks: the mean direction that a random link sees.

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    weights : array, shape (*sites,)
        Negative ones count the oscillator with its direction reversed.

    Returns
    -------
    array, shape (*batch,)

    Raises
    ------
    ValueError
        If the weights do not fit the sites, are not finite or are all 0.

    References
    ----------
    Restrepo, Ott & Hunt (2005), Onset of synchronization in large networks of coupled
    oscillators, Phys. Rev. E 71, 036151.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    >>> float(weighted_order_parameter(x, [3.0, 1.0]))
    0.5
    """
    x, values = as_array(x, "x"), to_numpy(as_array(weights, "weights"))
    sites = tuple(x.shape[x.ndim - 1 - values.ndim : -1])
    if values.ndim == 0 or values.shape != sites:
        must = f"have the shape of the sites of x, of shape {tuple(x.shape)}"
        raise invalid("weights", must, f"has shape {values.shape}")
    total = float(np.abs(values).sum())
    if not np.isfinite(total) or total == 0:
        raise invalid("weights", "be finite and not all 0", f"it has Σ|w| = {total:g}")
    share = from_numpy(values / total, x)
    axes = tuple(range(-1 - values.ndim, -1))
    return sphere.norm(array_namespace(x).sum(share[..., None] * x, axis=axes))[..., 0]


def local_order_parameter(x: Array, coupling: Any) -> Array:
    """Return r_i = ‖Σ_j |J_ij| x_j‖₂ / Σ_j |J_ij|: order as oscillator i sees it.

    On lattices and rings it maps where the state is coherent and where it is not; a self-coupling
    J_ii counts like any other. An oscillator without neighbours has r_i = 0.

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    coupling : Coupling, matrix or Neighbourhood
        `Dense`, `Sparse`, `MeanField` or `Lattice` (with its boundary) whose J_ij are numbers,
        their sums and multiples; or the matrix of weights, full or sparse. Of a sum the terms'
        |J_ij| add up, and so do the entries of a kernel that reach one site. Gradients flow to x,
        not to the weights. For many states make the `Neighbourhood` once.

    Returns
    -------
    array, shape (*batch, *sites)

    Raises
    ------
    ValueError
        If the coupling has N×N blocks or depends on the state, or its sites are others.

    References
    ----------
    Wolfrum, Omel'chenko, Yanchuk & Maistrenko (2011), Spectral properties of chimera states,
    Chaos 21, 013112.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> x = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    >>> local_order_parameter(x, km.Lattice([1.0, 0.0, 1.0])).round(12)
    array([0., 0., 0., 0.])
    """
    near = coupling if isinstance(coupling, Neighbourhood) else Neighbourhood(coupling)
    return near.order(x)


def population_order_parameters(x: Array, labels: Any) -> Array:
    """Return the order parameter of every population by itself.

    Parameters
    ----------
    x : array, shape (*batch, M, N)
    labels : array of int, shape (M,)
        Which population each oscillator belongs to: 0 to P − 1, none of them empty.

    Returns
    -------
    array, shape (*batch, P)

    Raises
    ------
    ValueError
        If there is not one label for each oscillator, or a population is empty.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    >>> population_order_parameters(x, [0, 0, 1, 1]).round(12)
    array([1., 0.])
    """
    x, labels = as_array(x, "x"), np.asarray(to_numpy(labels))
    if labels.shape != tuple(x.shape[-2:-1]) or labels.dtype.kind not in "iu":
        must = f"hold one whole number for each oscillator of x, of shape {tuple(x.shape)}"
        raise invalid("labels", must, f"has shape {labels.shape} and dtype {labels.dtype}")
    counts = np.bincount(labels) if labels.min() >= 0 else np.zeros(1)
    if not counts.all():
        found = f"holds {sorted(set(labels.tolist()))!s:.60}"
        raise invalid("labels", "count populations from 0, none of them empty", found)
    share = (labels == np.arange(len(counts))[:, None]) / counts[:, None]
    return sphere.norm(array_namespace(x).matmul(from_numpy(share, x), x))[..., 0]


def daido_order_parameter(x: Array, order: int, site_ndim: int = 1) -> Array:
    """Return |(1/M) Σ_j exp(i n θ_j)| for N = 2: order n sees n clusters evenly round the circle.

    The powers of cos θ + i sin θ are taken by repeated squaring, without any angle.

    Parameters
    ----------
    x : array, shape (*batch, *sites, 2)
    order : int
        n, at least 1; 1 gives the order parameter itself.
    site_ndim : int, default 1

    Returns
    -------
    array, shape (*batch,)

    Raises
    ------
    ValueError
        If N is not 2 (there, take `nematic_order`), or the order is below 1.

    References
    ----------
    Daido (1992), Order function and macroscopic mutual entrainment in uniformly coupled
    limit-cycle oscillators, Prog. Theor. Phys. 88, 1213.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    >>> daido_order_parameter(x, 1).round(12), daido_order_parameter(x, 2).round(12)
    (np.float64(0.0), np.float64(1.0))
    """
    x = require_planar(x, "for N > 2 there is `nematic_order`")
    power = whole_number("order", order, least=1)
    square, product = (x[..., 0], x[..., 1]), None
    while power:
        if power % 2:
            product = square if product is None else _times(product, square)
        square, power = _times(square, square), power // 2
    return order_parameter(array_namespace(x).stack(product, axis=-1), site_ndim)


def _times(z: tuple[Array, Array], w: tuple[Array, Array]) -> tuple[Array, Array]:
    """Multiply complex numbers given as (real, imaginary): the standard has no complex power."""
    return z[0] * w[0] - z[1] * w[1], z[0] * w[1] + z[1] * w[0]


def nematic_tensor(x: Array, site_ndim: int = 1) -> Array:
    """Return Q = (N ⟨x xᵀ⟩ − I) / (N − 1): order of axes, which x and −x share.

    Symmetric and traceless; 0 in disorder, and for aligned axes ±n it is (N n nᵀ − I)/(N − 1),
    with largest eigenvalue 1.

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    site_ndim : int, default 1

    Returns
    -------
    array, shape (*batch, N, N)

    Raises
    ------
    ValueError
        If N is 1.

    References
    ----------
    de Gennes & Prost (1993), The Physics of Liquid Crystals, sec. 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> nematic_tensor(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    array([[ 1.,  0.],
           [ 0., -1.]])
    """
    x = require_sites(x, site_ndim)
    xp, N = array_namespace(x), x.shape[-1]
    if N < 2:
        raise invalid("x", "have N of at least 2 as its last axis", f"has shape {tuple(x.shape)}")
    rows = flat_sites(x, site_ndim)
    second = xp.matmul(xp.matrix_transpose(rows), rows) / rows.shape[-2]
    return (N * second - from_numpy(np.eye(N), x)) / (N - 1)


def nematic_order(x: Array, site_ndim: int = 1) -> Array:
    """Return the largest eigenvalue of `nematic_tensor`: 1 if all share one axis, 0 in disorder.

    For N = 2 it is the Daido order parameter of order 2. M random oscillators have about
    1/√M by chance.

    Parameters
    ----------
    x : array, shape (*batch, *sites, N)
    site_ndim : int, default 1

    Returns
    -------
    array, shape (*batch,)

    Examples
    --------
    >>> import numpy as np
    >>> float(nematic_order(np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])))
    1.0
    """
    Q = nematic_tensor(x, site_ndim)
    return array_namespace(Q).linalg.eigvalsh(Q)[..., -1]
