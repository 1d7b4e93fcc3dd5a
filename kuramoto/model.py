"""The generalised Kuramoto model of eq. 2: coupling + natural frequency + stimulus (+ noise)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuramoto import sphere
from kuramoto._backend import Array, as_array, is_array, require_same, to_numpy
from kuramoto._check import invalid, real_number, wrong_type
from kuramoto.couplings import Coupling
from kuramoto.couplings.base import as_linear, is_coupling
from kuramoto.energy import potential
from kuramoto.frequencies import Frequency

__all__ = ["Kuramoto"]

Stimulus = Array | Callable[[float], Array] | None


class Kuramoto:
    """ẋ_i = Ω_i x_i + Proj_{x_i}(c_i + Σ_j J_ij x_j) on unit vectors x_i ∈ S^{N−1} (eq. 2).

    Parameters
    ----------
    coupling : Coupling
        Σ_j J_ij x_j: `Dense`, `Sparse`, `MeanField`, `Lattice`, `Attention`, or sums of them.
    frequency : Rotation or Antisymmetric, optional
        Natural frequencies Ω_i; none by default.
    stimulus : array or callable, optional
        c, broadcastable to the state's shape (*sites, N), or a function of time that returns it.
    noise : float, default 0.0
        σ of isotropic noise σ Proj_x ∘ dW (Stratonovich); above 0 only for `StochasticHeun`.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the noise is negative or the stimulus not finite.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, eq. 2-3.

    Examples
    --------
    >>> import numpy as np, kuramoto as km
    >>> model = km.Kuramoto(km.MeanField(2.0), km.Rotation([1.0]))
    >>> model.velocity(np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[0., 2.],
           [0., 0.]])
    """

    # What other families of models differ in; `kuramoto.inertia` is one.
    carries: str = ""  # what an oscillator's row of the state holds after x_i, in words
    steppers: tuple[str, ...] | None = None  # names of those that can take it; None: all

    def __init__(
        self,
        coupling: Coupling | Any,
        frequency: Frequency | None = None,
        stimulus: Stimulus = None,
        noise: float = 0.0,
    ) -> None:
        if not is_coupling(coupling):
            remedy = "wrap a matrix in kuramoto.Dense or kuramoto.Sparse"
            raise wrong_type("coupling", "be a Coupling", coupling, remedy)
        turns = hasattr(frequency, "propagate") and not isinstance(frequency, type)
        if frequency is not None and not turns:
            remedy = "wrap rates in kuramoto.Rotation"
            raise wrong_type("frequency", "be Rotation or Antisymmetric", frequency, remedy)
        if stimulus is not None and not callable(stimulus):
            stimulus = as_array(stimulus, "stimulus")
            if not np.isfinite(to_numpy(stimulus)).all():
                raise invalid("stimulus", "be finite", "holds NaN or infinity")
        self.coupling = as_linear(coupling)
        self.frequency = frequency
        self.stimulus = stimulus
        self.noise = real_number("noise", noise)
        if self.noise < 0:
            raise invalid("noise", "be at least 0", f"{self.noise}")

    def stimulus_at(self, t: float) -> Array | None:
        """Return c at time t."""
        return self.stimulus(t) if callable(self.stimulus) else self.stimulus

    def force(self, x: Array, t: float = 0.0) -> Array:
        """Return y = c + Jx, shape (*batch, *sites, N)."""
        stimulus = self.stimulus_at(t)
        coupled = self.coupling(x)
        return coupled if stimulus is None else coupled + stimulus

    def velocity(self, x: Array, t: float = 0.0) -> Array:
        """Return ẋ = Ωx + Proj_x(c + Jx), shape (*batch, *sites, N) (eq. 2).

        The projection is the norm-neutral one: equal to eq. 2 on the sphere, and safe in any
        integrator that lets the state drift off it (`kuramoto.sphere.norm_neutral`).
        """
        drift = sphere.norm_neutral(x, self.force(x, t))
        return drift if self.frequency is None else drift + self.frequency(x)

    def state(self, x: Array, /) -> Array:
        """Return a state with these unit vectors: here they are all of it."""
        return x

    def vectors(self, state: Array) -> Array:
        """Return the unit vectors in a state, shape (*batch, *sites, N): here all of it."""
        return state

    def project(self, state: Array) -> Array:
        """Return the nearest state: what steppers do when a step has left the sphere."""
        return sphere.normalize(state)

    def energy(self, x: Array, t: float = 0.0) -> Array:
        """Return E = −½ x·Jx − c·x, shape (*batch,) (eq. 3)."""
        return potential(self, x, t)

    def require_state(self, x: Any, argument: str = "x0", t: float = 0.0) -> Array:
        """Return `x` as a state of this model, or raise with both shapes, dtypes or devices.

        Raises
        ------
        ValueError
            If shapes do not fit or the vectors are not finite unit vectors.
        TypeError
            If libraries, dtypes or devices are mixed.
        """
        if not is_array(x):
            x = as_array(x, argument)
        self._require_stimulus(x, argument, t)
        unit = sphere.require_unit(x, argument)
        force = self.coupling(x)  # says itself if x does not fit
        if self.frequency is not None:
            self.frequency(x)
        if tuple(force.shape) != tuple(x.shape):
            must = f"return the state's shape {tuple(x.shape)}"
            raise invalid("coupling", must, f"has shape {tuple(force.shape)}")
        return unit

    def _require_stimulus(self, x: Array, argument: str, t: float) -> None:
        stimulus = self.stimulus_at(t)
        if stimulus is None:
            return
        if not is_array(stimulus):
            raise wrong_type("stimulus", "return an array", stimulus)
        require_same(x, stimulus, argument, "stimulus")
        shape, state = tuple(stimulus.shape), tuple(x.shape)
        try:
            fits = np.broadcast_shapes(shape, state) == state
        except ValueError:
            fits = False
        if not fits:
            must = f"broadcast to the state's shape {state}"
            raise invalid("stimulus", must, f"has shape {shape}")

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments, for run files."""
        return {
            "coupling": self.coupling,
            "frequency": self.frequency,
            "stimulus": self.stimulus,
            "noise": self.noise,
        }

    @property
    def state_dependent(self) -> bool:
        """Whether the coupling's weights depend on the state (then there is no certificate)."""
        return self.coupling.state_dependent

    def __repr__(self) -> str:
        """Name the parts."""
        parts = [type(self.coupling).__name__]
        parts += [type(self.frequency).__name__] if self.frequency is not None else []
        parts += ["stimulus"] if self.stimulus is not None else []
        parts += [f"noise={self.noise:g}"] if self.noise else []
        return f"Kuramoto({', '.join(parts)})"
