"""Delays per edge: oscillators that see one another as they were a while ago.

The state holds the past as well: shape (*batch, D+1, M, N), the frames x(t), x(t − dt), ...,
x(t − D dt), newest first, where D dt is the longest delay, rounded up. It is all that a run needs
to go on, so that run files and batches work as everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    from_numpy,
    is_array,
    require_same,
    to_numpy,
)
from kuramoto._check import invalid, real_number, wrong_type
from kuramoto.couplings import Sparse
from kuramoto.couplings.delayed import edges_of, in_steps, per_edge, split
from kuramoto.frequencies import Frequency
from kuramoto.model import Kuramoto, Stimulus
from kuramoto.steppers import Step

__all__ = ["Delayed", "DelayedHeun"]


@dataclass(frozen=True)
class DelayedHeun:
    """Heun's method for `Delayed` models, in the frame that turns with Ω_i: exact turning, order 2.

    The first stage reads the past at t − τ, the second at t + dt − τ, both by linear interpolation
    between frames; what lies between x(t) and x(t + dt) is read off the first stage's guess. The
    end is projected to the sphere. A step may be shorter than the frames' distance (the last of a
    run, or one to a wanted time): the past is then interpolated to the frames of the new time.

    References
    ----------
    Bellen, Zennaro (2003), Numerical Methods for Delay Differential Equations, ch. 6.
    Lawson (1967), Generalized Runge-Kutta processes for stable systems with large Lipschitz
    constants, SIAM J. Numer. Anal. 4, 372 (the turning frame).
    """

    order = 2

    def init(self, model: Delayed, t: float, x: Array) -> tuple[float, Any]:
        """Carry the last dt, and its propagator."""
        return 0.0, None

    def step(self, model: Delayed, t: float, x: Array, dt: float, carry: tuple[float, Any]) -> Step:
        """Take one step, by which every frame moves up one place."""
        last_dt, propagator = carry
        _require_step(model, dt, last_dt)
        omega = model.frequency
        if omega is not None and dt != last_dt:
            propagator = omega.propagator(dt)
        now, past = model.vectors(x), model.past_after(x, dt)
        first = dt * model.drift(now, x[..., 1:, :, :], t)
        guess, half = now + first, now + 0.5 * first
        if omega is not None:
            guess, half = (omega.propagate(propagator, vectors) for vectors in (guess, half))
        new = sphere.normalize(half + (dt / 2) * model.drift(guess, past, t + dt))
        frames = array_namespace(x).concat([new[..., None, :, :], past], axis=-3)
        return Step(frames, None, (dt, propagator))


def _require_step(model: Delayed, dt: float, last_dt: float) -> None:
    """Raise unless a step is as long as the frames are apart, or is a single shorter one."""
    # Interpolating the past anew at every step would smear it, by a fixed share of each.
    short_before = 0 < last_dt < model.dt * (1 - 1e-9)
    if dt > model.dt * (1 + 1e-9) or short_before:
        must = f"be the distance of the state's frames, {model.dt:g}"
        remedy = "pass dt=model.dt to solve, or build Delayed(..., dt=...) with the dt you want"
        raise invalid("dt", must, f"{dt:g}", remedy)


class Delayed(Kuramoto):
    """ẋ_i = Ω_i x_i + Proj_{x_i}(c_i + Σ_j J_ij x_j(t − τ_ij)), with a delay for every edge.

    A run has the fixed step `dt`, and begins at ``model.state(x0)``. Delays need not be multiples
    of dt: they are interpolated to second order, as the stepper is. They may be shorter than dt,
    or 0.

    Parameters
    ----------
    weights : array or sparse matrix, shape (M, M), or (M, M, N, N) for blocks
        J_ij; row i receives. All that `Dense` and `Sparse` take.
    delays : float, array or sparse matrix, shape (M, M)
        τ_ij ≥ 0 in units of time: one for all, or one per edge; read where J_ij is not 0.
    dt : float
        Step of the runs, and distance in time of the frames that the state holds.
    frequency : Rotation or Antisymmetric, optional
    stimulus : array or callable, optional

    Attributes
    ----------
    delays : ndarray, shape (E,)
        τ of the edges, ordered as ``coupling.rows`` and ``coupling.indices`` are; rounded to the
        precision of the weights.
    depth : int
        D, the number of frames before the present one.
    coupling : Sparse
        What the coupling would be without delays.

    Raises
    ------
    ValueError
        If a delay is negative or not finite, or shapes do not fit.

    See Also
    --------
    Delayed.from_edges : from lists of edges.

    Notes
    -----
    A step costs two products over the edges, and one copy of the state: (D+1)·M·N numbers, which
    takes as long as the products where D is some fifty times the mean degree.

    References
    ----------
    Yeung, Strogatz (1999), Time delay in the Kuramoto model of coupled oscillators, Phys. Rev.
    Lett. 82, 648. Earl, Strogatz (2003), Synchronization in oscillator networks with delayed
    coupling: a stability criterion, Phys. Rev. E 67, 036204.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = Delayed([[0.0, 1.0], [1.0, 0.0]], delays=0.5, dt=0.1)
    >>> model.state(km.sphere.random_points((2, 3), seed=0)).shape
    (6, 2, 3)
    """

    carries = "its past"
    steppers = ("DelayedHeun",)
    default_stepper = DelayedHeun()

    def __init__(
        self,
        weights: Any,
        delays: Any,
        *,
        dt: float,
        frequency: Frequency | None = None,
        stimulus: Stimulus = None,
    ) -> None:
        coupling = edges_of(weights)
        self._build(coupling, per_edge(delays, coupling), dt, frequency, stimulus)

    @classmethod
    def from_edges(
        cls,
        i: Any,
        j: Any,
        weights: Any,
        delays: Any,
        *,
        sites: int,
        dt: float,
        frequency: Frequency | None = None,
        stimulus: Stimulus = None,
    ) -> Delayed:
        """Build from edges j → i.

        Parameters
        ----------
        i, j : array of int, shape (E,)
            Receiving and sending oscillator.
        weights : array, shape (E,) or (E, N, N)
        delays : float or array, shape (E,)
        sites : int
            Number of oscillators, M.
        dt, frequency, stimulus
            As in the constructor.
        """
        coupling = Sparse.from_edges(i, j, weights, sites=sites)
        tau = np.asarray(to_numpy(as_array(delays, "delays")), dtype=np.float64)
        edges = len(coupling.indices)
        if tau.shape not in ((), (edges,)):
            must = f"be a number or have shape ({edges},), one for each edge"
            raise invalid("delays", must, f"has shape {tau.shape}")
        order = np.lexsort((to_numpy(j), to_numpy(i)))  # as `Sparse.from_edges` orders them
        model = cls.__new__(cls)
        tau = np.broadcast_to(tau, (edges,))[order]
        model._build(coupling, tau, dt, frequency, stimulus)
        return model

    def _build(
        self,
        coupling: Sparse,
        delays: np.ndarray,
        dt: float,
        frequency: Frequency | None,
        stimulus: Stimulus,
    ) -> None:
        super().__init__(coupling, frequency, stimulus)
        self.dt = real_number("dt", dt, positive=True)
        wrong = np.flatnonzero(~(np.isfinite(delays) & (delays >= 0)))
        if wrong.size:
            edge = wrong[0]
            where = f"on the edge {coupling.indices[edge]} → {coupling.rows[edge]}"
            raise invalid("delays", "be at least 0 and finite", f"holds {delays[edge]:g} {where}")
        # As a run file gives them back: else a resumed run could read them differently.
        rounded = to_numpy(from_numpy(delays, coupling.weights))
        self.delays = rounded.astype(np.float64)
        steps = in_steps(self.delays / self.dt, float(np.finfo(rounded.dtype).eps))
        self.depth = int(np.ceil(steps.max(initial=0.0)))
        self._instant, self._past = split(coupling, steps)

    def state(
        self, x0: Array, *, t0: float = 0.0, history: Callable[[float], Array] | None = None
    ) -> Array:
        """Return the state that begins a run: the present, and the past it comes from.

        Parameters
        ----------
        x0 : array, shape (*batch, M, N)
            Unit vectors.
        t0 : float, default 0.0
            When the run begins.
        history : callable, optional
            x(t) at times t < t0, shape (*batch, M, N). By default x0 has always been.

        Returns
        -------
        array, shape (*batch, D+1, M, N)

        Raises
        ------
        ValueError
            If vectors have no unit length, or the history another shape than `x0`.
        """
        present = super().require_state(x0, "x0", t0)
        frames = [present] * (self.depth + 1)
        if history is not None:
            if not callable(history):
                raise wrong_type("history", "be a function of time", history)
            times = [t0 - step * self.dt for step in range(1, self.depth + 1)]
            frames[1:] = [_frame(history(t), present, t) for t in times]
        return array_namespace(present).stack(frames, axis=-3)

    def vectors(self, state: Array) -> Array:
        """Return the present frame, shape (*batch, M, N)."""
        return state[..., 0, :, :]

    def past_after(self, state: Array, dt: float) -> Array:
        """Return the past as seen from t + dt, shape (*batch, D, M, N): a view for a full step."""
        share = dt / self.dt
        newer, older = state[..., :-1, :, :], state[..., 1:, :, :]
        if share > 1 - 1e-9 or not self.depth:
            return newer
        return sphere.normalize(share * newer + (1 - share) * older)

    def force(self, x: Array, t: float = 0.0) -> Array:
        """Return y = c + Σ_j J_ij x_j(t − τ_ij) for a state, shape (*batch, M, N)."""
        return self.force_from(self.vectors(x), x[..., 1:, :, :], t)

    def velocity(self, x: Array, t: float = 0.0) -> Array:
        """Return ẋ of the present frame of a state, shape (*batch, M, N)."""
        present = self.vectors(x)
        drift = self.drift(present, x[..., 1:, :, :], t)
        return drift if self.frequency is None else drift + self.frequency(present)

    def drift(self, x: Array, past: Array, t: float = 0.0) -> Array:
        """Return ẋ − Ωx for a present (*batch, M, N) and a past (*batch, D, M, N)."""
        return sphere.norm_neutral(x, self.force_from(x, past, t))

    def force_from(self, x: Array, past: Array, t: float) -> Array:
        """Return y for a present (*batch, M, N) and a past (*batch, D, M, N)."""
        parts = [self._instant(x)] if self._instant is not None else []
        parts += [self._past(past)] if self._past is not None else []
        stimulus = self.stimulus_at(t)
        parts += [] if stimulus is None else [stimulus]
        return sum(parts[1:], start=parts[0]) if parts else 0 * x

    def energy(self, x: Array, t: float = 0.0) -> Array:
        """Refuse: with delays there is no energy of eq. 3.

        Raises
        ------
        ValueError
        """
        remedy = "take the energy of Kuramoto(model.coupling) at model.vectors(state)"
        raise invalid("model", "have no delays for an energy", "a Delayed model", remedy)

    def require_state(self, x: Any, argument: str = "x0", t: float = 0.0) -> Array:
        """Return `x` as a state of this model: frames of unit vectors.

        Raises
        ------
        ValueError
            If shapes do not fit or the vectors are not finite unit vectors.
        TypeError
            If libraries, dtypes or devices are mixed.
        """
        x = x if is_array(x) else as_array(x, argument)
        frames, (M,) = self.depth + 1, self.coupling.sites or (0,)
        if x.ndim < 3 or tuple(x.shape[-3:-1]) != (frames, M):
            must = f"have shape (*batch, {frames}, {M}, N): the present and {self.depth} frames of"
            remedy = "make it with model.state(x0)"
            raise invalid(argument, f"{must} the past", f"has shape {tuple(x.shape)}", remedy)
        unit = sphere.require_unit(x, argument)
        super().require_state(self.vectors(unit), argument, t)
        return unit

    def __repr__(self) -> str:
        """Name the size and the longest delay."""
        edges, longest = len(self.delays), self.delays.max(initial=0.0)
        return f"Delayed({edges} edges, delays up to {longest:g}, dt={self.dt:g})"

    def parameters(self) -> dict[str, Any]:
        """Return what `from_edges` takes."""
        own = {"delays": self.delays, "dt": self.dt}
        rest = {"frequency": self.frequency, "stimulus": self.stimulus}
        return {**self.coupling.parameters(), **own, **rest}


def _frame(x: Any, present: Array, t: float) -> Array:
    name = f"history({t:g})"
    frame = sphere.require_unit(x, name)
    require_same(present, frame, "x0", name)
    if tuple(frame.shape) != tuple(present.shape):
        must = f"return the shape of x0, {tuple(present.shape)}"
        raise invalid(name, must, f"has shape {tuple(frame.shape)}")
    return frame
