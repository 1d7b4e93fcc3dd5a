"""Inertia: second-order oscillators, which are masses on spheres; for N = 2 the swing equation.

A row of the state holds a unit vector and its velocity, (x_i, v_i), in 2N numbers; v_i is tangent
to the sphere at x_i. `Inertial.state` makes such states, `Inertial.vectors` and
`Inertial.velocities` take them apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    is_array,
    require_same,
    scalar,
    to_numpy,
)
from kuramoto._check import invalid
from kuramoto.couplings import Coupling
from kuramoto.energy import potential
from kuramoto.frequencies import Frequency
from kuramoto.model import Kuramoto, Stimulus

__all__ = ["Inertial"]


class Inertial(Kuramoto):
    """m Dv_i/dt = −γ v_i + Ω_i x_i + Proj_{x_i}(c_i + Σ_j J_ij x_j), v_i = ẋ_i, on S^{N−1}.

    D/dt is the covariant derivative, v̇_i + ‖v_i‖² x_i: without force and damping the oscillators
    run along great circles. For N = 2 and scalar J this is m θ̈_i + γ θ̇_i = ω_i + Σ_j J_ij
    sin(θ_j − θ_i), the swing equation of power grids. As m → 0 it becomes the model of eq. 2 with
    time running at 1/γ. An adaptive step holds its tolerance for x and v alike.

    Parameters
    ----------
    coupling : Coupling
    frequency : Rotation or Antisymmetric, optional
        Ω_i: a torque here, in the units of the coupling.
    stimulus : array or callable, optional
    mass : float or array, shape (*sites,)
        m > 0: one for all, or one each.
    damping : float or array, shape (*sites,), default 1.0
        γ ≥ 0, likewise.

    Raises
    ------
    ValueError
        If a mass is not positive, a damping negative, or (on use) their shapes do not fit.

    References
    ----------
    Tanaka, Lichtenberg, Oishi (1997), Self-synchronization of coupled oscillators with hysteretic
    responses, Physica D 100, 279, eq. 1.
    Filatrella, Nielsen, Pedersen (2008), Analysis of a power grid using a Kuramoto-like model, Eur.
    Phys. J. B 61, 485, eq. 10.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> pendulum = Inertial(km.MeanField(0.0), stimulus=np.array([1.0, 0.0]), mass=1.0, damping=0.0)
    >>> start = pendulum.state(np.array([[0.0, 1.0]]))
    >>> pendulum.velocity(start)
    array([[0., 0., 1., 0.]])
    """

    carries = "velocities"
    steppers = ("RungeKutta4", "DormandPrince")

    def __init__(
        self,
        coupling: Coupling | Any,
        frequency: Frequency | None = None,
        stimulus: Stimulus = None,
        *,
        mass: Any,
        damping: Any = 1.0,
    ) -> None:
        super().__init__(coupling, frequency, stimulus)
        self.mass = _per_site("mass", mass)
        self.damping = _per_site("damping", damping)
        if not (to_numpy(as_array(self.mass, "mass")) > 0).all():
            raise invalid("mass", "be positive", f"{mass}", "Kuramoto has no inertia at all")
        if not (to_numpy(as_array(self.damping, "damping")) >= 0).all():
            raise invalid("damping", "be at least 0", f"{damping}")

    def state(self, x: Array, velocity: Array | None = None) -> Array:
        """Return the state with these unit vectors and velocities, shape (*batch, *sites, 2N).

        Parameters
        ----------
        x : array, shape (*batch, *sites, N)
            Unit vectors.
        velocity : array, broadcastable to the shape of x, optional
            Of which the part tangent to the sphere is taken; at rest by default.

        Raises
        ------
        ValueError
            If x does not hold unit vectors or the shapes do not fit.
        """
        x = sphere.require_unit(x, "x")
        velocity = 0 * x if velocity is None else as_array(velocity, "velocity")
        require_same(x, velocity, "x", "velocity")
        try:
            fits = np.broadcast_shapes(tuple(velocity.shape), tuple(x.shape)) == tuple(x.shape)
        except ValueError:
            fits = False
        if not fits:
            must = f"broadcast to the shape of x, {tuple(x.shape)}"
            raise invalid("velocity", must, f"has shape {tuple(velocity.shape)}")
        return _join(x, sphere.to_tangent(x, 0 * x + velocity))

    def vectors(self, state: Array) -> Array:
        """Return x, shape (*batch, *sites, N)."""
        return state[..., : state.shape[-1] // 2]

    def velocities(self, state: Array) -> Array:
        """Return v, shape (*batch, *sites, N), in radians per unit time."""
        return state[..., state.shape[-1] // 2 :]

    def project(self, state: Array) -> Array:
        """Return the nearest state: x normalised, v made tangent to the sphere at x."""
        x = sphere.normalize(self.vectors(state))
        return _join(x, sphere.to_tangent(x, self.velocities(state)))

    def velocity(self, x: Array, t: float = 0.0) -> Array:
        """Return (ẋ, v̇) of a state, shape (*batch, *sites, 2N).

        Off the sphere, inside Runge-Kutta stages, the tangent part of v counts and the pull inwards
        is ‖v‖²/‖x‖²: so ‖x‖ and ⟨x, v⟩ are conserved exactly there too, and no error of theirs
        grows.
        """
        x, v = self.vectors(x), self.velocities(x)
        squared = sphere.dot(x, x)
        v = v - (sphere.dot(x, v) / squared) * x
        force = super().velocity(x, t) - _column(self.damping) * v
        inwards = sphere.dot(v, v) / squared
        return _join(v, force / _column(self.mass) - inwards * x)

    def energy(self, x: Array, t: float = 0.0) -> Array:
        """Return −½ x·Jx − c·x + ½ Σ_i m_i ‖v_i‖², shape (*batch,).

        With symmetric J, a constant stimulus and without Ω it falls at the rate Σ_i γ_i ‖v_i‖².
        """
        v = self.velocities(x)
        axes = tuple(range(-1 - self.coupling.site_ndim, 0))
        kinetic = array_namespace(v).sum(0.5 * _column(self.mass) * v * v, axis=axes)
        return potential(self, self.vectors(x), t) + kinetic

    def require_state(self, x: Any, argument: str = "x0", t: float = 0.0) -> Array:
        """Return `x` as a state of this model, or raise saying what does not fit.

        Raises
        ------
        ValueError
            If shapes do not fit, vectors are not unit vectors, or velocities not tangent to them.
        TypeError
            If libraries, dtypes or devices are mixed.
        """
        if not is_array(x):
            x = as_array(x, argument)
        shape, remedy = tuple(x.shape), "make states by model.state(x, velocity)"
        if len(shape) < 1 or shape[-1] < 4 or shape[-1] % 2:
            must = "have shape (*batch, *sites, 2N), a unit vector and a velocity in each row"
            raise invalid(argument, must, f"has shape {shape}", remedy)
        self._require_rows(x, argument, remedy)
        unit = super().require_state(self.vectors(x), argument, t)
        for name, value in (("mass", self.mass), ("damping", self.damping)):
            self._require_sites(name, value, unit, argument)
        v = self.velocities(x)
        host = to_numpy(v).astype(np.float64)
        if not np.isfinite(host).all():
            raise invalid(argument, "hold finite velocities", "holds NaN or infinity")
        size = max(1.0, float(np.abs(host).max(initial=0.0)))
        normal = np.abs(to_numpy(sphere.dot(unit, v))).max(initial=0.0)
        if normal > 1e-5 * size:
            found = f"max |⟨x, v⟩| = {normal:.2g}"
            raise invalid(argument, "hold velocities tangent to the sphere", found, remedy)
        return _join(unit, v)

    def _require_rows(self, x: Array, argument: str, remedy: str) -> None:
        """Raise if the rows look like unit vectors alone."""
        rows = to_numpy(x).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            half = (rows[..., : rows.shape[-1] // 2] ** 2).sum(axis=-1)
            whole = (rows**2).sum(axis=-1)
        if np.all(np.abs(whole - 1) < 1e-5) and not np.all(np.abs(half - 1) < 1e-5):
            must = "hold a unit vector and a velocity in each row"
            raise invalid(argument, must, "holds unit vectors alone", remedy)

    def _require_sites(self, name: str, value: Any, x: Array, argument: str) -> None:
        """Raise unless masses or dampings are one for all, or one for each oscillator."""
        require_same(x, value, argument, name)
        sites = tuple(x.shape[x.ndim - 1 - self.coupling.site_ndim : -1])
        if getattr(value, "ndim", 0) and tuple(value.shape) != sites:
            raise invalid(name, f"be a number or have shape {sites}", f"has shape {value.shape}")

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments, for run files."""
        parts = super().parameters()
        del parts["noise"]
        return {**parts, "mass": self.mass, "damping": self.damping}

    def __repr__(self) -> str:
        """Name the parts."""
        return super().__repr__().replace("Kuramoto", "Inertial", 1)


def _per_site(argument: str, value: Any) -> Any:
    """Return a number, or an array of numbers for the sites."""
    array = as_array(value, argument)
    if not array.ndim:
        return scalar(value, argument)
    if not np.isfinite(to_numpy(array)).all():
        raise invalid(argument, "be finite", "holds NaN or infinity")
    return array


def _column(value: Any) -> Any:
    """Return a number, or numbers for the sites with an axis for the components."""
    return value[..., None] if getattr(value, "ndim", 0) else value


def _join(x: Array, v: Array) -> Array:
    return array_namespace(x).concat([x, v], axis=-1)
