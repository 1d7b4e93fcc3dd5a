"""Gradients on grids, robust to wrapping: phases, wavevectors, velocities, and any N.

Angles are never unwrapped: a difference is the atan2 of cross and dot product of two neighbours,
right as long as neighbours differ by less than π. Lengths are in sites: multiply a wavevector by
1/a, and a speed by a, for a lattice of spacing a.
"""

from __future__ import annotations

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, as_array, require_same
from kuramoto._check import invalid, real_number, whole_number
from kuramoto.observables.shapes import cross
from kuramoto.waves.grid import after, centred, part, require_boundary, require_grid
from kuramoto.waves.projection import leading_plane, to_plane

__all__ = [
    "angle_between",
    "frequency_between",
    "geodesic_gradient",
    "gradient_norm",
    "local_wavevector",
    "phase_gradient",
    "phase_velocity",
]


def angle_between(z: Array, w: Array) -> Array:
    """Return the signed angle from z to w in radians, in [−π, π], shape (...).

    atan2(z × w, z · w): for vectors of any length; exact through the cut at ±π.

    Parameters
    ----------
    z, w : array, shape (..., 2)

    Examples
    --------
    >>> import numpy as np
    >>> angle_between(np.array([-1.0, 0.1]), np.array([-1.0, -0.1])).round(6)
    np.float64(0.199337)
    """
    xp = array_namespace(z, w)
    return xp.atan2(cross(z, w), xp.vecdot(z, w))


def phase_gradient(
    x: Array,
    boundary: str = "periodic",
    *,
    grid_ndim: int | None = None,
    plane: Array | None = None,
) -> Array:
    """Return ∇θ, the mean of the phase differences to both neighbours along every grid axis.

    Parameters
    ----------
    x : array, shape (*batch, *grid, N)
    boundary : {"periodic", "open"}
        Around a torus, or with edges, where the one difference that there is counts.
    grid_ndim : int, optional
        How many axes before the last are the grid; by default all of them (no batch).
    plane : array, shape (2, N), optional
        For N > 2: phases in this plane; `leading_plane` of x by default.

    Returns
    -------
    array, shape (*batch, *grid, d)
        Radians per site; component a is along grid axis a.

    Raises
    ------
    ValueError
        If the shape does not fit, or the boundary is not known.

    Examples
    --------
    >>> from kuramoto import phase
    >>> x = phase.from_phases([0.0, 3.0, 6.0, 9.0, 12.0])  # wraps twice
    >>> phase_gradient(x, "open")[:, 0]
    array([3., 3., 3., 3., 3.])
    """
    boundary = require_boundary(boundary)
    x, dims = require_grid(x, grid_ndim)
    z = to_plane(x, plane)
    axes = range(z.ndim - 1 - dims, z.ndim - 1)
    slopes = [centred(angle_between(z, after(z, axis)), axis, boundary) for axis in axes]
    return array_namespace(z).stack(slopes, axis=-1)


def local_wavevector(
    x: Array,
    boundary: str = "periodic",
    *,
    reach: int = 2,
    grid_ndim: int | None = None,
    plane: Array | None = None,
) -> Array:
    """Return the wavevector around each site: the phase of the summed bond products.

    k_a = arg Σ conj(z_r) z_{r+e_a}, over the bonds along axis a within `reach` sites of the place
    in every direction. Where the plain gradient carries the noise of its two bonds, this averages
    many, each weighted by how much of its vectors lies in the plane.

    Parameters
    ----------
    x, boundary, grid_ndim, plane
        As for `phase_gradient`.
    reach : int, default 2
        0 takes just the two bonds at the site.

    Returns
    -------
    array, shape (*batch, *grid, d)
        Radians per site, each component in [−π, π]; the wavelength is 2π / ‖k‖.

    Raises
    ------
    ValueError
        If the shape does not fit, `reach` is negative, or the boundary is not known.

    Examples
    --------
    >>> from kuramoto import phase
    >>> x = phase.from_phases([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    >>> local_wavevector(x, "open", reach=1)[:, 0].round(12)
    array([1., 1., 1., 1., 1., 1.])
    """
    boundary, reach = require_boundary(boundary), whole_number("reach", reach)
    x, dims = require_grid(x, grid_ndim)
    z = to_plane(x, plane)
    xp, axes = array_namespace(z), tuple(range(z.ndim - 1 - dims, z.ndim - 1))
    components = []
    for axis in axes:
        w = after(z, axis)
        products = xp.stack([xp.vecdot(z, w), cross(z, w)], axis=-1)
        products = centred(products, axis, boundary)
        for along in axes:
            products = _box_sum(products, along, reach, boundary)
        components.append(xp.atan2(products[..., 1], products[..., 0]))
    return xp.stack(components, axis=-1)


def _box_sum(x: Array, axis: int, reach: int, boundary: str) -> Array:
    """Add up the neighbours within `reach` along an axis; beyond an edge there is nothing."""
    xp, size = array_namespace(x), x.shape[axis]
    total = x
    for step in range(1, min(reach, size - 1) + 1):
        if boundary == "periodic":
            total = total + xp.roll(x, step, axis=axis) + xp.roll(x, -step, axis=axis)
            continue
        nothing = xp.zeros_like(part(x, axis, 0, step))
        total = total + xp.concat([part(x, axis, step, None), nothing], axis=axis)
        total = total + xp.concat([nothing, part(x, axis, 0, -step)], axis=axis)
    return total


def frequency_between(
    before: Array, after: Array, dt: float, *, plane: Array | None = None
) -> Array:
    """Return the mean θ̇ between two states, in radians per unit time.

    Right as long as no phase turns by π or more in `dt`. The rate at one instant, from the model,
    is `kuramoto.observables.instantaneous_frequency`; over a run, `mean_frequencies` there.

    Parameters
    ----------
    before, after : array, shape (*batch, *sites, N)
    dt : float
        Time from one to the other.
    plane : array, shape (2, N), optional
        For N > 2: phases in this plane; `leading_plane` of `before` by default.

    Returns
    -------
    array, shape (*batch, *sites)

    Raises
    ------
    ValueError
        If shapes differ or `dt` is not positive.

    Examples
    --------
    >>> from kuramoto import phase
    >>> frequency_between(phase.from_phases([3.0]), phase.from_phases([3.5]), 0.1)
    array([5.])
    """
    dt = real_number("dt", dt, positive=True)
    z, w = _pair(before, after, plane)
    return angle_between(z, w) / dt


def phase_velocity(
    before: Array,
    after: Array,
    dt: float,
    boundary: str = "periodic",
    *,
    reach: int = 0,
    grid_ndim: int | None = None,
    plane: Array | None = None,
) -> Array:
    """Return the velocity at which lines of equal phase move, −θ̇ k / ‖k‖².

    Lines of θ(r, t) = const move along k = ∇θ; θ = k·r − ωt moves with ω k / ‖k‖². Phases and
    wavevectors belong to the middle of the two states.

    Parameters
    ----------
    before, after : array, shape (*batch, *grid, N)
    dt : float
        Time from one to the other; no phase may turn by π or more in it.
    boundary, grid_ndim, plane
        As for `phase_gradient`.
    reach : int, default 0
        Over which to average the wavevector, as for `local_wavevector`.

    Returns
    -------
    array, shape (*batch, *grid, d)
        Sites per unit time: its norm is the speed, its direction that of the wave. NaN where the
        wavevector is zero: there no line of equal phase passes.

    Raises
    ------
    ValueError
        If shapes differ or do not fit, or `dt` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from kuramoto import phase
    >>> k, omega, r = 2 * np.pi / 8, 0.3, np.arange(8)
    >>> waves = phase.from_phases(k * r), phase.from_phases(k * r - omega * 0.5)
    >>> bool(np.allclose(phase_velocity(*waves, 0.5), omega / k))
    True
    """
    dt = real_number("dt", dt, positive=True)
    require_grid(before, grid_ndim, "before")
    z, w = _pair(before, after, plane)
    xp = array_namespace(z)
    omega = angle_between(z, w)[..., None] / dt
    k = local_wavevector(z + w, boundary, reach=reach, grid_ndim=grid_ndim)
    squared = xp.vecdot(k, k)[..., None]
    flat = squared == 0
    velocity = -omega * k / xp.where(flat, xp.ones_like(squared), squared)
    return xp.where(flat, xp.full_like(velocity, float("nan")), velocity)


def _pair(before: Array, after: Array, plane: Array | None) -> tuple[Array, Array]:
    """Return two states in one plane."""
    before, after = as_array(before, "before"), as_array(after, "after")
    require_same(before, after, "before", "after")
    if tuple(before.shape) != tuple(after.shape):
        must = f"have the shape of `before` {tuple(before.shape)}"
        raise invalid("after", must, f"has shape {tuple(after.shape)}")
    if plane is None and before.shape[-1] > 2:
        plane = leading_plane(before)
    return to_plane(before, plane), to_plane(after, plane)


def geodesic_gradient(
    x: Array, boundary: str = "periodic", *, grid_ndim: int | None = None
) -> Array:
    """Return ∇x on the sphere: half of log_x(next) − log_x(previous) along every grid axis.

    For any N, without a plane: tangent vectors at x. For N = 2 component a is ∂_a θ times the unit
    tangent (−sin θ, cos θ). Opposite neighbours have no logarithm: there the result is arbitrary.

    Parameters
    ----------
    x : array, shape (*batch, *grid, N)
        Unit vectors.
    boundary, grid_ndim
        As for `phase_gradient`.

    Returns
    -------
    array, shape (*batch, *grid, d, N)
        Radians per site.

    Raises
    ------
    ValueError
        If the shape does not fit, or the boundary is not known.

    Examples
    --------
    >>> from kuramoto import phase
    >>> geodesic_gradient(phase.from_phases([0.0, 0.5, 1.0]), "open")[0].round(12)
    array([[0. , 0.5]])
    """
    boundary = require_boundary(boundary)
    x, dims = require_grid(x, grid_ndim)
    xp = array_namespace(x)
    slopes = []
    for axis in range(x.ndim - 1 - dims, x.ndim - 1):
        forward = sphere.log(x, after(x, axis))
        backward = -sphere.log(x, xp.roll(x, 1, axis=axis))
        if boundary == "open":
            low, high = part(forward, axis, 0, 1), part(backward, axis, -1, None)
            forward = xp.concat([part(forward, axis, 0, -1), high], axis=axis)
            backward = xp.concat([low, part(backward, axis, 1, None)], axis=axis)
        slopes.append((forward + backward) / 2)
    return xp.stack(slopes, axis=-2)


def gradient_norm(x: Array, boundary: str = "periodic", *, grid_ndim: int | None = None) -> Array:
    """Return ‖∇x‖ = (Σ_a ‖∂_a x‖²)^½ of the `geodesic_gradient`, in radians per site.

    Parameters
    ----------
    x, boundary, grid_ndim
        As for `geodesic_gradient`.

    Returns
    -------
    array, shape (*batch, *grid)
    """
    gradient = geodesic_gradient(x, boundary, grid_ndim=grid_ndim)
    return sphere.norm(sphere.norm(gradient)[..., 0])[..., 0]
