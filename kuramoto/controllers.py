"""Step-size controllers: fixed steps, and PI control of an error estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kuramoto import sphere
from kuramoto._backend import Array, array_namespace, to_numpy
from kuramoto._check import invalid, real_number
from kuramoto.model import Kuramoto
from kuramoto.steppers import Stepper

__all__ = ["AdaptiveStep", "Decision", "FixedStep"]


class Decision(NamedTuple):
    """Whether to keep a step, the size of the next, and what the controller remembers."""

    accept: bool
    dt: float
    memory: float


@dataclass(frozen=True)
class FixedStep:
    """Equal steps of the `dt` given to `solve`; the last one is shortened to end at t1."""

    adaptive = False


@dataclass(frozen=True)
class AdaptiveStep:
    """Proportional-integral control of the largest error of any oscillator.

    A step is kept if max_i ‖error_i‖₂ ≤ atol + rtol (all oscillators have length 1: the two add).

    Parameters
    ----------
    rtol, atol : float
        Tolerated error per step.
    max_step : float
        Never step further than this.
    safety, shrink, grow : float
        The usual factors: aim below the tolerance, and change a step by no more than these.

    Raises
    ------
    ValueError
        If a number is not positive.

    References
    ----------
    Hairer, Nørsett, Wanner (1993), Solving Ordinary Differential Equations I, II.4.
    Gustafsson (1991), Control theoretic techniques for stepsize selection, ACM TOMS 17.
    """

    rtol: float = 1e-6
    atol: float = 1e-9
    max_step: float = float("inf")
    safety: float = 0.9
    shrink: float = 0.2
    grow: float = 5.0

    adaptive = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("rtol", "atol", "safety", "shrink", "grow"):
            real_number(name, getattr(self, name), positive=True)
        if self.shrink >= 1 or self.safety > 1:
            found = f"{self.shrink:g} (and safety {self.safety:g})"
            raise invalid("shrink", "be below 1, and safety at most 1", found)
        if self.grow <= 1:
            raise invalid("grow", "be above 1", f"{self.grow:g}")
        if self.max_step != float("inf"):
            real_number("max_step", self.max_step, positive=True)

    def first_step(self, model: Kuramoto, stepper: Stepper, t: float, x: Array) -> float:
        """Guess a first step from two velocities (Hairer, Nørsett, Wanner, 1993, II.4)."""
        velocity = model.velocity(x, t)
        speed = _largest(velocity)
        rough = 0.01 / speed if speed > 1e-5 else 1e-6
        ahead = model.project(x + rough * velocity)
        bend = _largest(model.velocity(ahead, t + rough) - velocity) / rough
        steep = max(speed, bend)
        target = self.rtol + self.atol
        fine = (target / steep) ** (1 / (stepper.order + 1)) if steep > 1e-15 else 1e-3
        return min(100 * rough, fine, self.max_step)

    def decide(self, error: Array, dt: float, memory: float, order: int) -> Decision:
        """Accept or reject a step of size `dt`; `memory` is the last accepted scaled error."""
        scaled = max(_largest(error) / (self.rtol + self.atol), 1e-10)
        if not scaled <= 1:  # NaN is a rejection too
            factor = self.safety * scaled ** (-1 / order) if scaled < float("inf") else 0.0
            return Decision(False, dt * max(self.shrink, factor if factor < 1 else 0.0), memory)
        factor = self.safety * scaled ** (-0.7 / order) * memory ** (0.4 / order)
        factor = min(self.grow, max(self.shrink, factor))
        return Decision(True, min(dt * factor, self.max_step), scaled)


def _largest(vectors: Array) -> float:
    """Return the largest ‖v_i‖₂; NaN if any is."""
    if 0 in vectors.shape:
        return 0.0
    return float(to_numpy(array_namespace(vectors).max(sphere.norm(vectors))))
