"""The derivative of the velocity, applied to vectors: what every linear question rests on.

Off the sphere and on it, `Kuramoto.velocity` is f_i(x) = Ω_i x_i + ‖x_i‖² y_i − ⟨x_i, y_i⟩ x_i with
y = c + Jx. Its derivative along v, with u = Jv (or Dy(x)[v] where J depends on the state), is

    Df(x)[v]_i = Ω_i v_i + ‖x_i‖² u_i − ⟨x_i, u_i⟩ x_i − ⟨x_i, y_i⟩ v_i + 2⟨x_i, v_i⟩ y_i
                 − ⟨v_i, y_i⟩ x_i .

On the sphere and for tangent v its part along x_i is −⟨ẋ_i, v_i⟩ x_i, which only keeps v tangent
while x moves; the rest, the covariant derivative, is Proj_x(Ωv + Jv) − ⟨x, y⟩ v.
"""

from __future__ import annotations

from typing import Any

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, require_same, tiny
from kuramoto._check import invalid, wrong_type
from kuramoto.couplings import Linear
from kuramoto.model import Kuramoto

__all__ = ["derivative", "jvp", "require_plain"]


def jvp(model: Kuramoto, x: Array, v: Array, t: float = 0.0) -> Array:
    """Return the covariant derivative ∇_v ẋ = Proj_x(Ωv + Jv) − ⟨x, y⟩ v: a Jacobian times v.

    It is the linearisation of the flow in the tangent spaces of the spheres, with no more cost
    than two couplings: nothing of the size of the Jacobian is built.

    Parameters
    ----------
    model : Kuramoto
    x : array, shape (*batch, *sites, N)
        Unit vectors.
    v : array, shape (*more, *batch, *sites, N)
        Directions; their parts along x are ignored. Axes before those of x hold several.
    t : float, default 0.0

    Returns
    -------
    array, shape of v
        Tangent at x. Exact to rounding for linear couplings. Where the coupling depends on the
        state (`Attention`), Jv becomes a central difference of fourth order: about eps^(4/5)
        of the largest entry (1e-12 in float64, 1e-5 in float32).

    Raises
    ------
    TypeError
        If `model` is no Kuramoto model, or libraries, dtypes or devices are mixed.
    ValueError
        If `x` is no state of the model, `v` does not fit it, or the model's states hold more
        than vectors.

    References
    ----------
    Absil, Mahony, Sepulchre (2008), Optimization Algorithms on Matrix Manifolds, 5.3.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> x, v = np.array([[1.0, 0.0]] * 2), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> jvp(km.Kuramoto(km.MeanField(3.0)), x, v)  # synchrony: −K v
    array([[ 0., -3.],
           [ 0.,  3.]])
    """
    require_plain(model)
    x, v = model.require_state(x, "x", t), as_array(v, "v")
    require_same(x, v, "x", "v")
    if tuple(v.shape[max(0, v.ndim - x.ndim) :]) != tuple(x.shape):
        raise invalid("v", f"end in the shape of x, {tuple(x.shape)}", f"has shape {v.shape}")
    return covariant(model, x, sphere.to_tangent(x, v), t)


def covariant(model: Kuramoto, x: Array, v: Array, t: float = 0.0) -> Array:
    """Return Proj_x(Ωv + Jv) − ⟨x, y⟩ v for tangent v, unchecked."""
    change = change_of_coupling(model.coupling, x, v)
    if model.frequency is not None:
        change = change + model.frequency(v)
    return sphere.to_tangent(x, change) - sphere.dot(x, model.force(x, t)) * v


def derivative(model: Kuramoto, x: Array, v: Array, t: float = 0.0) -> Array:
    """Return D velocity(x)[v] in R^N for any x and v, on the sphere or off it: as autograd would.

    Along a trajectory v̇ = D velocity(x)[v] carries disturbances along, and keeps them tangent.
    """
    force, change = model.force(x, t), change_of_coupling(model.coupling, x, v)
    along = sphere.dot(v, force) + sphere.dot(x, change)
    drift = sphere.dot(x, x) * change + 2 * sphere.dot(x, v) * force
    drift = drift - along * x - sphere.dot(x, force) * v
    return drift if model.frequency is None else drift + model.frequency(v)


def change_of_coupling(coupling: Linear, x: Array, v: Array) -> Array:
    """Return Jv, or where J depends on x the derivative of the coupling's sum along v."""
    if not coupling.state_dependent:
        return coupling(v)
    xp = array_namespace(x)
    # Fourth-order central difference: truncation h⁴ and rounding eps / h meet at h = eps^(1/5).
    step = float(xp.finfo(x.dtype).eps) ** 0.2
    axes = tuple(range(-1 - coupling.site_ndim, 0))
    size = xp.max(xp.abs(v), axis=axes, keepdims=True) + tiny(x)
    h = (step / size) * v
    near = coupling(x + h) - coupling(x - h)
    far = coupling(x + 2 * h) - coupling(x - 2 * h)
    return (8 * near - far) * (size / (12 * step))


def require_plain(model: Any) -> None:
    """Raise unless the model's states are its unit vectors and nothing else."""
    if not isinstance(model, Kuramoto):
        raise wrong_type("model", "be a Kuramoto model", model)
    if model.carries:
        must = "have states of unit vectors alone, to be linearised"
        raise invalid("model", must, f"{type(model).__name__}, which also carries {model.carries}")
