"""One Kuramoto step on PyTorch vectors (B, H, W, C, N), and its gradient written out.

`plain` is the core's step, letter for letter; autograd differentiates it as often as wanted, and
`torch.compile` fuses it. `lean` returns the same numbers and keeps only x and y for the gradient:
autograd would keep every intermediate of the size of the state.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import torch

from kuramoto import sphere
from kuramoto.nn import layout
from kuramoto.steppers import ProjectedEuler

__all__ = ["Kind", "compiled", "lean", "plain", "whole"]

Tensor = Any


class Kind(NamedTuple):
    """Which parts of the step are there: the paper's ablations leave some out."""

    project: bool = True
    normalize: bool = True


class _Known(NamedTuple):
    """What the core's stepper asks of a model, where the answers are known already."""

    y: Tensor
    turned: Tensor | None

    def force(self, x: Tensor, t: float) -> Tensor:
        """Return y = c + Jx."""
        return self.y

    @property
    def frequency(self) -> Callable[[Tensor], Tensor] | None:
        """Return x ↦ Ωx, or None."""
        return None if self.turned is None else lambda x: self.turned


def plain(kind: Kind, x: Tensor, y: Tensor, turned: Tensor | None, size: Tensor) -> Tensor:
    """Return Π[x + γ (Ωx + Proj_x(y))] for y = c + Jx, Ωx (or None) and γ."""
    with layout.full_precision(x):
        if all(kind):
            known: Any = _Known(y, turned)
            return ProjectedEuler().step(known, 0.0, x, size, None).x
        moved = _moved(kind, x, y, turned, size)
        return sphere.normalize(moved) if kind.normalize else moved


def lean(kind: Kind, x: Tensor, y: Tensor, turned: Tensor | None, size: Tensor) -> Tensor:
    """Return what `plain` returns, and keep x, y and one number per oscillator for the gradient."""
    return _Lean.apply(kind, x, y, turned, size)


def _moved(kind: Kind, x: Tensor, y: Tensor, turned: Tensor | None, size: Tensor) -> Tensor:
    update = sphere.to_tangent(x, y) if kind.project else y
    return torch.addcmul(x, size, update if turned is None else turned + update)


def whole(equation: Any, kind: Kind, x: Tensor, size: Tensor) -> Tensor:
    """Return a step with its coupling and rotation: what is compiled."""
    return plain(kind, x, equation.force(x), equation.turned(x), size)


def compiled(function: Any) -> Callable[..., Tensor]:
    """Return a function compiled on first use.

    Torch counts compilations per code object and gives up after a few, hence a fresh one each time.
    """
    code = function.__code__.replace(co_name=f"{function.__name__}_{next(_NUMBERS)}")
    inner = torch.compile(FunctionType(code, function.__globals__, code.co_name))

    def quietly(*arguments: Any) -> Tensor:
        with warnings.catch_warnings():  # the compiler's, of what it meets in other libraries
            warnings.simplefilter("ignore")
            return inner(*arguments)

    return quietly


_NUMBERS = itertools.count()


class _Lean(torch.autograd.Function):
    """The step, with the gradient below.

    Write z = x + γu, u = Ωx + y − ⟨x, y⟩x, x' = z/n, n = ‖z‖. For a gradient g of x':

    * of z: h = (g − ⟨g, x'⟩x')/n, which is orthogonal to x';
    * of Ωx: γh; of y: γ Proj_x(h) = γ(h − ⟨h, x⟩x), Proj being symmetric;
    * of x, besides what comes through y and Ωx: h − γ(⟨h, x⟩y + ⟨x, y⟩h);
    * of γ: Σ ⟨h, u⟩ = Σ ⟨h, Ωx⟩ + ⟨h, y⟩ − ⟨x, y⟩⟨h, x⟩.

    Without Π, h = g; without Proj, what comes from ⟨x, y⟩x is missing.
    """

    @staticmethod
    def forward(
        ctx: Any, kind: Kind, x: Tensor, y: Tensor, turned: Tensor | None, size: Tensor
    ) -> Tensor:
        with layout.full_precision(x):
            radial = sphere.dot(x, y) if kind.project else None
            update = y if radial is None else _minus(y, radial, x)
            new = torch.addcmul(x, size, update if turned is None else update + turned)
            length = sphere.norm(new) if kind.normalize else None
            new = new if length is None else new.div_(length)
        of_size = turned if ctx.needs_input_grad[4] else None
        ctx.kind = kind
        ctx.save_for_backward(x, y, of_size, size, new, length, radial)
        return new

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, y, turned, size, new, length, radial = ctx.saved_tensors
        if g.stride() != new.stride():  # one copy costs less than passes over two orders of memory
            g = torch.empty_like(new).copy_(g)
        with layout.full_precision(x):
            h = _minus(g, sphere.dot(g, new), new).div_(length) if ctx.kind.normalize else g
            along = sphere.dot(h, x) if ctx.kind.project else None
            into_size = None
            if ctx.needs_input_grad[4]:
                into_size = _into_size(h, y, turned, along, radial).reshape(size.shape)
            scaled = h * size
            into_turned = scaled if ctx.needs_input_grad[3] else None
            if along is None:
                return None, h, scaled, into_turned, into_size
            along = along * size
            into_x = _minus(_minus(h, radial, scaled), along, y)
            return None, into_x, _minus(scaled, along, x), into_turned, into_size


def _minus(v: Tensor, along: Tensor, x: Tensor) -> Tensor:
    """Return v − ⟨v, x⟩x for the product given, in one pass."""
    return torch.addcmul(v, along, x, value=-1)


def _into_size(
    h: Tensor, y: Tensor, turned: Tensor | None, along: Tensor | None, radial: Tensor | None
) -> Tensor:
    """Return Σ ⟨h, u⟩."""
    total = (h * (y if turned is None else y + turned)).sum()
    return total if along is None else total - (along * radial).sum()
