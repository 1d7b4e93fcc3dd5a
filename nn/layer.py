"""The Kuramoto layer: T steps of the core's `ProjectedEuler` on PyTorch tensors (eq. 4-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from kuramoto import sphere
from kuramoto._check import invalid, nearest, real_number, whole_number, wrong_type
from kuramoto.model import Kuramoto
from kuramoto.nn import layout
from kuramoto.nn.connectivity import Connectivity
from kuramoto.nn.step import Kind, compiled, lean, plain, whole

__all__ = ["KuramotoLayer", "Run"]

Tensor = Any
Map = Callable[[Tensor], Tensor]

MEMORY = ("auto", "autograd", "recompute", "save")

# "auto" recomputes from here on: below, a quarter of the time of a training step is worth more.
_LARGE = 4 * 2**30

# Keeping every second state, autograd holds T/2 of them and, while it goes back through one
# segment, what two steps need: for five tensors a step and T = 16 that sum is the smallest.
_SEGMENT = 2


class KuramotoLayer(nn.Module):
    """x ← Π[x + γ (Ωx + Proj_x(c + Jx))], T times (Miyato et al., 2025, eq. 4-5).

    Parameters
    ----------
    connectivity : Connectivity
        J, and its number of channels C·N.
    dimensions : int
        N: consecutive channels make one oscillator.
    frequency : RotationFrequency or AntisymmetricFrequency, optional
        Ω; none by default.
    steps : int, default 8
        T.
    step_size : float, default 1.0
        γ > 0.
    learn_step_size : bool, default False
    project, normalize : bool, default True
        Proj and Π can be left out, for ablations.
    stimulus_norm : nn.Module, optional
        Applied to c before the first step: a `GroupNorm` with C groups, say.
    memory : {"auto", "save", "recompute", "autograd"}
        What is kept for the gradient: of the sphere's part of a step x and y alone ("save"); x of
        every second step and nothing else, at the price of another forward pass ("recompute");
        whatever autograd keeps by itself, which alone can be differentiated twice ("autograd").
        "auto" recomputes where more than 4 GiB would be kept.
    compile : bool, default False
        Compile one step, not T of them, with `torch.compile`.

    Raises
    ------
    ValueError
        If the channels are no multiple of N, or a number or a word is out of range.

    Examples
    --------
    >>> from kuramoto.nn import AttentionConnectivity, KuramotoLayer
    >>> layer = KuramotoLayer(AttentionConnectivity(16, heads=4), 4, steps=3)
    >>> layer(torch.randn(2, 16, 5, 5), torch.zeros(2, 16, 5, 5)).shape
    torch.Size([2, 16, 5, 5])
    """

    def __init__(
        self,
        connectivity: Connectivity,
        dimensions: int,
        *,
        frequency: nn.Module | None = None,
        steps: int = 8,
        step_size: float = 1.0,
        learn_step_size: bool = False,
        project: bool = True,
        normalize: bool = True,
        stimulus_norm: nn.Module | None = None,
        memory: str = "auto",
        compile: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(connectivity, Connectivity):
            raise wrong_type("connectivity", "be a kuramoto.nn.Connectivity", connectivity)
        self.dimensions = whole_number("dimensions", dimensions, least=1)
        self.channels = connectivity.channels
        N = "rotating dimensions N"
        self.oscillators = layout.require_split("channels", self.channels, dimensions, N)
        if memory not in MEMORY:
            must = f"be one of {', '.join(MEMORY)}"
            raise invalid("memory", must, repr(memory), nearest(str(memory), MEMORY))
        self.connectivity, self.frequency = connectivity, frequency
        self.stimulus_norm = stimulus_norm
        self.steps = whole_number("steps", steps, least=1)
        size = torch.tensor(real_number("step_size", step_size, positive=True))
        self.step_size = nn.Parameter(size, requires_grad=learn_step_size)
        self.kind, self.memory = Kind(project, normalize), memory
        self._compiled = compiled(whole) if compile else None

    def forward(self, x: Tensor, c: Tensor, steps: int | None = None) -> Tensor:
        """Return x after T steps, features [B, C*N, H, W].

        Parameters
        ----------
        x, c : tensor, shape [B, C*N, H, W]
            Initial state (of any length: it is normalised first) and stimulus.
        steps : int, optional
            Another T than the layer's own.
        """
        return self.begin(x, c).advance(self._number(steps)).features

    def trajectory(
        self, x: Tensor, c: Tensor, steps: int | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x_t, E_t) for t = 1 ... T, one by one: features and eq. 3, shape (B,).

        Nothing is kept. Each energy is that of the state beside it; the force is shared with the
        next step, so that all of them cost one more evaluation of J.
        """
        run = self.begin(x, c)
        for _ in range(self._number(steps)):
            run = run.advance(1)
            yield run.features, run.energy

    def energy(self, x: Tensor, c: Tensor) -> Tensor:
        """Return E = −½ x·Jx − c·x of a state, shape (B,) (eq. 3); biases count as stimulus."""
        return self.begin(x, c).energy

    def begin(self, x: Tensor, c: Tensor) -> Run:
        """Return a run at its initial state, which `Run.advance` takes further."""
        layout.require_features(x, "x", self.channels)
        layout.require_features(c, "c", self.channels)
        if x.shape != c.shape:
            raise invalid("c", f"have the shape of x, {tuple(x.shape)}", f"has {tuple(c.shape)}")
        if self.stimulus_norm is not None:
            c = self.stimulus_norm(c)
        vectors, stimulus = (layout.components_first(v, self.dimensions) for v in (x, c))
        start = sphere.normalize(vectors) if self.kind.normalize else vectors
        return Run(self, self._equation(stimulus), start)

    def as_model(self, stimulus: Tensor) -> Kuramoto:
        """Return the layer as a model of the core, for `solve`, `certify`, `energy` and the rest.

        Its states are ``kuramoto.nn.layout.to_state(x, N)``, (B, C, H, W, N); a layer's T steps are
        T steps of `ProjectedEuler` with dt = γ. The weights are shared, without their gradients.

        Parameters
        ----------
        stimulus : tensor, shape [B, C*N, H, W] or [C*N, H, W]
            c; biases are added to it.
        """
        if not all(self.kind):
            raise invalid("self", "project and normalize to be a Kuramoto model", f"{self.kind}")
        single = isinstance(stimulus, torch.Tensor) and stimulus.ndim == 3
        c = stimulus[None] if single else stimulus
        layout.require_features(c, "stimulus", self.channels)
        grid = (int(c.shape[-2]), int(c.shape[-1]))
        with torch.no_grad():
            c = c if self.stimulus_norm is None else self.stimulus_norm(c)
            c = layout.to_state(self.connectivity.stimulus(c), self.dimensions)
        coupling = self.connectivity.coupling(self.dimensions, grid)
        frequency: Any = None if self.frequency is None else self.frequency.as_core(grid)
        return Kuramoto(coupling, frequency, (c[0] if single else c).detach())

    def extra_repr(self) -> str:
        """Say what the parts do not."""
        ablated = "" if all(self.kind) else f", {self.kind}"
        return f"dimensions={self.dimensions}, steps={self.steps}, memory={self.memory}{ablated}"

    def _number(self, steps: int | None) -> int:
        return self.steps if steps is None else whole_number("steps", steps)

    def _equation(self, c: Tensor) -> Equation:
        frequency = None if self.frequency is None else self.frequency.field(self.oscillators)
        features, N = layout.vectors_to_components(c), self.dimensions
        force = self.connectivity.field(features, N)
        stimulus = layout.components_to_vectors(self.connectivity.stimulus(features, N), N)
        return Equation(force, frequency, stimulus, N)

    def _keeps(self, x: Tensor, steps: int) -> str:
        """Say what to keep for the gradient of so many steps."""
        if self.memory != "auto":
            return self.memory
        if not torch.is_grad_enabled():
            return "save"
        kept = steps * (2 + self.connectivity.kept) * x.numel() * x.element_size()
        return "recompute" if kept > _LARGE else "save"


class Run:
    """A layer on its way: the state it is in, and what takes it further.

    Attributes
    ----------
    vectors : tensor, shape (B, H, W, C, N)
        The state.
    """

    def __init__(self, layer: KuramotoLayer, equation: Equation, vectors: Tensor) -> None:
        self.layer, self.equation, self.vectors = layer, equation, vectors

    @property
    def features(self) -> Tensor:
        """The state as features [B, C*N, H, W]."""
        return layout.vectors_to_features(self.vectors)

    @cached_property
    def force(self) -> Tensor:
        """The force y = c + Jx, vectors (B, H, W, C, N)."""
        return self.equation.force(self.vectors)

    @property
    def energy(self) -> Tensor:
        """E = −½ x·Jx − c·x, shape (B,) (eq. 3): with y = c + Jx, −½ x·(y + c)."""
        doubled = self.vectors * (self.force + self.equation.stimulus)
        return -0.5 * doubled.flatten(1).sum(1)

    def advance(self, steps: int) -> Run:
        """Return the run after so many more steps."""
        keep = self.layer._keeps(self.vectors, steps)
        x = self.vectors
        if steps == 1:
            x = self._step(keep, x, self.force)
        elif keep != "recompute":
            x = self._steps(keep, x, steps)
        else:
            for done in range(0, steps, _SEGMENT):
                x = self._segment(x, min(_SEGMENT, steps - done))
        return Run(self.layer, self.equation, x)

    def _segment(self, x: Tensor, steps: int) -> Tensor:
        """Take some steps of which autograd keeps the beginning alone."""
        options: Any = {"use_reentrant": False, "preserve_rng_state": False}
        return checkpoint(self._steps, "save", x, steps, **options)

    def _steps(self, keep: str, x: Tensor, steps: int) -> Tensor:
        for _ in range(steps):
            if self.layer._compiled is not None:
                x = self.layer._compiled(self.equation, self.layer.kind, x, self.layer.step_size)
            else:
                x = self._step(keep, x, self.equation.force(x))
        return x

    def _step(self, keep: str, x: Tensor, y: Tensor) -> Tensor:
        turned = self.equation.turned(x)
        step = plain if keep == "autograd" else lean
        return step(self.layer.kind, x, y, turned, self.layer.step_size)


@dataclass(frozen=True)
class Equation:
    """What a layer's weights and one stimulus make of eq. 2: forces and rotations of vectors."""

    field: Map
    frequency: Map | None
    stimulus: Tensor
    dimensions: int

    def force(self, x: Tensor) -> Tensor:
        """Return y = c + Jx, vectors (B, H, W, C, N)."""
        y = self.field(layout.vectors_to_components(x))
        return layout.components_to_vectors(y, self.dimensions)

    def turned(self, x: Tensor) -> Tensor | None:
        """Return Ωx, or None without natural frequencies."""
        if self.frequency is None:
            return None
        with layout.full_precision(x):
            return self.frequency(x)
