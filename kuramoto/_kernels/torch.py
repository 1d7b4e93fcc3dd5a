"""Torch states: the NumPy kernels on the CPU where no gradient is wanted, else `torch.compile`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
from torch.autograd import forward_ad

from kuramoto._backend import Array, is_array, to_numpy
from kuramoto._kernels import Unwatched, Watching, own_name
from kuramoto._modelfile import BUILDERS
from kuramoto.model import Kuramoto
from kuramoto.steppers import Step, Stepper

__all__ = ["Shared", "Traced", "prepare"]


def prepare(model: Kuramoto, stepper: Stepper, x: Array) -> Any:
    """Return a fused run on the memory of CPU tensors; NotImplemented on a GPU or for gradients."""
    from kuramoto._kernels import numba

    if callable(model.stimulus) or not all(_is_plain(tensor) for tensor in (x, *_tensors(model))):
        return NotImplemented
    prepared = numba.prepare(_on_numpy(model), stepper, to_numpy(x))
    return prepared if prepared is NotImplemented else Shared(prepared)


def _is_plain(tensor: torch.Tensor) -> bool:
    """Say whether a tensor is numbers on the CPU, and no derivative of it is wanted."""
    recorded = tensor.requires_grad and torch.is_grad_enabled()
    forward = forward_ad.unpack_dual(tensor).tangent is not None
    return tensor.device.type == "cpu" and not recorded and not forward


def _tensors(part: Any) -> list[torch.Tensor]:
    """Return all tensors that a model, or one of its parts, holds."""
    if isinstance(part, torch.Tensor):
        return [part]
    parts = vars(part).values() if own_name(part) else ()
    return [tensor for value in parts for tensor in _tensors(value)]


def _on_numpy(part: Any) -> Any:
    """Return a part of a model, its tensors seen as NumPy arrays: no copies."""
    if isinstance(part, Kuramoto):
        parts = (_on_numpy(p) for p in (part.coupling, part.frequency, part.stimulus))
        return Kuramoto(*parts)
    if is_array(part):
        return to_numpy(part)
    if not hasattr(part, "parameters"):
        return part
    arguments = {name: _on_numpy(value) for name, value in part.parameters().items()}
    return BUILDERS[type(part).__name__](**arguments)


@dataclass(frozen=True)
class Shared:
    """A fused run of NumPy arrays that share their memory with tensors."""

    run: Any
    leaps = True

    def init(self, t: float, x: Array) -> Any:
        """Return the carry for the first step."""
        return _as_tensors(self.run.init(t, to_numpy(x)))

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: Any) -> Step:
        """Take `steps` steps of size dt from (t, x)."""
        step = self.run.advance(t, to_numpy(x), dt, steps, _as_arrays(carry))
        return Step(*(_as_tensors(part) for part in step))

    def watching(self, names: Iterable[str]) -> Watching | None:
        """Return what observes all these on the way, if it can."""
        watch = self.run.watching(names)
        return None if watch is None else functools.partial(_watched, watch)


def _watched(
    watch: Watching,
    t: float,
    x: Array,
    dt: float,
    steps: int,
    carry: Any,
    every: int,
    first: int,
) -> tuple[Step, dict[str, Any]]:
    step, noted = watch(t, to_numpy(x), dt, steps, _as_arrays(carry), every, first)
    tensors = Step(*(_as_tensors(part) for part in step))
    return tensors, {name: torch.from_numpy(values) for name, values in noted.items()}


def _as_tensors(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_tensors(item) for item in value)
    return torch.from_numpy(value) if hasattr(value, "__array_interface__") else value


def _as_arrays(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_arrays(item) for item in value)
    return to_numpy(value) if isinstance(value, torch.Tensor) else value


class Traced(Unwatched):
    """A stepper compiled by torch: any model, any device, with gradients."""

    leaps = False

    def __init__(self, model: Kuramoto, stepper: Stepper) -> None:
        self.model, self.stepper = model, stepper
        # What depends on time would be compiled anew at every step.
        moves = callable(model.stimulus) or getattr(stepper, "stochastic", False)
        self._timeless = not moves and own_name(stepper) != ""

        def step(x: Array, dt: float, carry: Any) -> Step:
            return stepper.step(model, 0.0, x, dt, carry)

        # Torch counts compilations per code object, and gives up after a few: each run has its own.
        own = step.__code__.replace(co_name=f"step_{id(self)}")
        fresh = FunctionType(own, globals(), own.co_name, None, step.__closure__)
        self._step = torch.compile(fresh)

    def init(self, t: float, x: Array) -> Any:
        """Return the carry for the first step."""
        return self.stepper.init(self.model, t, x)

    def advance(self, t: float, x: Array, dt: float, steps: int, carry: Any) -> Step:
        """Take one step."""
        if not self._timeless:
            return self.stepper.step(self.model, t, x, dt, carry)
        with warnings.catch_warnings():  # the compiler's, of what it meets in other libraries
            warnings.simplefilter("ignore")
            return Step(*self._step(x, dt, carry))
