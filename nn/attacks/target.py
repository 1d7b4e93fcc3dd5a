"""A model as attacks see it: at rest, its random numbers in hand, fresh ones or always the same."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.nn.seeds import derived_seed

__all__ = ["Query", "Target"]

Tensor = Any

_CALLS = 4  # two of few random numbers are the same too often


class Target:
    """A classifier and its random numbers.

    A model that has an argument ``generator`` draws from it; any other draws from PyTorch's global
    generator, which is seeded for the time being and restored. A `torch.nn.Module` is put into
    evaluation mode, and its parameters want no gradients, while it is attacked.

    Parameters
    ----------
    model : callable
        Images [B, ...] in 0 ... 1 to logits (B, K); deterministic or not.
    fixed : bool
        Draw the same random numbers at every call: what is attacked, and judged, is one
        deterministic network. A model with `start` and an argument ``x0`` (`ClassifierNet`) has
        one initial state for all images; any other is seeded anew before each call.
    seed : int
        Of what is fixed.
    **options
        Given to the model at each call: ``samples=8``, ``steps=6``, ...

    Raises
    ------
    TypeError
        If the model cannot be called.

    Examples
    --------
    >>> noisy = Target(lambda images: images.flatten(1) + torch.randn(1, 2))
    >>> noisy.is_random(torch.zeros(1, 2)), noisy.pinned().is_random(torch.zeros(1, 2))
    (True, False)
    """

    def __init__(
        self, model: Callable[..., Tensor], *, fixed: bool = False, seed: int = 0, **options: Any
    ) -> None:
        if not callable(model):
            raise wrong_type("model", "be callable: images in 0 ... 1 to logits", model)
        self.model, self.fixed, self.options = model, fixed, options
        self.seed = whole_number("seed", seed)
        asked = _arguments(model)
        self._draws = "generator" in asked
        begins = getattr(getattr(model, "config", None), "stimulus", True)
        self._has_state = "x0" in asked and hasattr(model, "start") and bool(begins)

    def pinned(self, seed: int | None = None) -> Target:
        """Return the same model with its random numbers fixed."""
        seed = self.seed if seed is None else seed
        return Target(self.model, fixed=True, seed=seed, **self.options)

    @property
    def any_rows(self) -> bool:
        """Whether images may be left out of a batch: what is fixed must stay with its image."""
        return not self.fixed or self._has_state

    @property
    def device(self) -> Any:
        """The device of the parameters; None if there are none."""
        of_model = iter(self.model.parameters() if isinstance(self.model, nn.Module) else ())
        return getattr(next(of_model, None), "device", None)

    @property
    def description(self) -> dict[str, Any]:
        """What it is, as plain values; a plain function is known by its name only."""
        found: dict[str, Any] = {"model": _name(self.model), "options": repr(self.options)}
        if isinstance(self.model, nn.Module):
            found["weights"] = _digest(self.model)
        return found | ({"fixed": True, "seed": self.seed} if self.fixed else {})

    @contextmanager
    def ready(self, device: Any, seed: int) -> Iterator[Query]:
        """Set the model at rest and its random numbers to a seed; what it yields answers."""
        device = torch.device(device)
        cuda = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(cuda), _at_rest(self.model):
            torch.manual_seed(seed)
            yield Query(self, device, torch.Generator(device).manual_seed(seed))

    def is_random(self, images: Tensor) -> bool:
        """Return whether a few calls on these images differ by more than rounding."""
        with self.ready(images.device, 0) as query, torch.no_grad():
            first, *others = (query(images) for _ in range(_CALLS))
        return not all(torch.allclose(first, other, rtol=1e-4, atol=1e-5) for other in others)

    def call(self, images: Tensor, generator: torch.Generator, state: Tensor | None) -> Tensor:
        """Return what the model says."""
        extra: dict[str, Any] = {}
        if state is not None:
            extra["x0"] = state.repeat(len(images), *[1] * (state.ndim - 1))
        elif self._draws:
            extra["generator"] = generator
        return self.model(images, **self.options, **extra)

    def state(self, images: Tensor) -> Tensor | None:
        """Return the initial states that all images share, one for each sample, or None."""
        if not (self.fixed and self._has_state):
            return None
        config = getattr(self.model, "config", None)
        samples = self.options.get("samples") or getattr(config, "samples", 1)
        generator = torch.Generator(images.device).manual_seed(derived_seed(self.seed, "state"))
        start: Any = self.model
        with torch.no_grad():
            return start.start(images[:1].repeat(samples, 1, 1, 1), generator)[1]


class Query:
    """What an attack may ask of a target: logits, as often as it likes.

    Attributes
    ----------
    any_rows : bool
        Whether images may be left out of a batch.
    """

    def __init__(self, target: Target, device: Any, generator: torch.Generator) -> None:
        self._target, self._generator, self._device = target, generator, device
        self._state: Tensor | None = None
        self.any_rows = target.any_rows

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits (B, K), with the next random numbers or those that are fixed."""
        if self._target.fixed:
            self._begin_again(images)
        return _require_logits(self._target.call(images, self._generator, self._state), images)

    def _begin_again(self, images: Tensor) -> None:
        if self._state is None:
            self._state = self._target.state(images)
        if self._state is None:
            torch.manual_seed(self._target.seed)
            self._generator.manual_seed(self._target.seed)


def _require_logits(logits: Tensor, images: Tensor) -> Tensor:
    must = f"return logits ({len(images)}, K), K at least 2, for {len(images)} images"
    if not isinstance(logits, torch.Tensor) or not logits.is_floating_point():
        found = getattr(logits, "dtype", type(logits).__name__)
        raise invalid("model", must, f"it returns {found}")
    if logits.ndim != 2 or len(logits) != len(images) or logits.shape[1] < 2:
        raise invalid("model", must, f"it returns {tuple(logits.shape)}")
    if not torch.isfinite(logits.detach()).all():
        raise invalid("model", "return finite logits", "it returns NaN or infinite ones")
    return logits


@contextmanager
def _at_rest(model: Any) -> Iterator[None]:
    """Put a module into evaluation mode, its parameters without gradients; and back again."""
    if not isinstance(model, nn.Module):
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter in learned:
            parameter.requires_grad_(True)


def _arguments(model: Any) -> set[str]:
    asked = model.forward if isinstance(model, nn.Module) else model
    try:
        return set(inspect.signature(asked).parameters)
    except (TypeError, ValueError):  # some builtins have no signature
        return set()


def _name(model: Any) -> str:
    if hasattr(model, "config"):
        return repr(model.config)
    return str(getattr(model, "__qualname__", type(model).__qualname__))


def _digest(model: Any) -> str:
    """Return a hash of all that a module's state holds."""
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        plain = tensor.detach().cpu().contiguous()
        found.update(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
        found.update(plain.flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]
