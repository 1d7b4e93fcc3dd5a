"""Attacks that need no search: none at all, noise, and what another model is fooled by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from kuramoto._check import whole_number, wrong_type
from kuramoto.nn.attacks.gradient import Best, Perturbed, look
from kuramoto.nn.attacks.target import Target
from kuramoto.nn.seeds import derived_seed

if TYPE_CHECKING:
    from kuramoto.nn.attacks.target import Query
    from kuramoto.nn.attacks.threat import Threat
    from kuramoto.nn.attacks.trial import Attack

__all__ = ["Clean", "Noise", "Transfer"]

Tensor = Any


@dataclass(frozen=True)
class Clean:
    """No attack: images as they are."""

    name: ClassVar[str] = "clean"
    black_box: ClassVar[bool] = True

    def settings(self) -> dict[str, Any]:
        """Return its name."""
        return {"attack": self.name}

    def __call__(
        self, query: Query, images: Tensor, labels: Tensor, threat: Threat, seed: int
    ) -> Perturbed:
        """Return the images."""
        return Perturbed(images)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Points drawn uniformly from the ball; of several, the worst classified one.

    With one try it asks nothing of the model: accuracy under noise, not under attack (Fig. 8 of
    the paper has ``Threat("Linf", 64 / 255)``).

    Attributes
    ----------
    tries : int
    samples : int
        Draws of the model's random numbers that a try is judged by.
    """

    tries: int = 1
    samples: int = 1

    name: ClassVar[str] = "noise"
    black_box: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check both."""
        whole_number("tries", self.tries, least=1)
        whole_number("samples", self.samples, least=1)

    def settings(self) -> dict[str, Any]:
        """Return all of it, as plain values."""
        return {"attack": self.name, **asdict(self)}

    def __call__(
        self, query: Query, images: Tensor, labels: Tensor, threat: Threat, seed: int
    ) -> Perturbed:
        """Return perturbed images."""
        generator = torch.Generator(images.device).manual_seed(derived_seed(seed, "noise"))
        if self.tries == 1:
            return Perturbed(threat.random(images, generator))
        best = Best.from_clean(query, images, labels, self.samples)
        rows = torch.arange(len(images), device=images.device)
        for _ in range(self.tries):
            tried = threat.random(images, generator)
            best.offer(rows, tried, look(query, tried, labels, self.samples))
        return Perturbed(best.images)


@dataclass(frozen=True)
class Transfer:
    """What an attack makes of a surrogate, shown to the model: no gradient of its own is needed.

    Attributes
    ----------
    surrogate : Target or callable
        Images to logits, as for `Trial`. The model's own ``pinned()`` asks what an attack on one
        initial state does to all the others.
    attack : Attack

    Raises
    ------
    TypeError
        If the surrogate is no model.
    """

    surrogate: Any
    attack: Attack

    name: ClassVar[str] = "transfer"
    black_box: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the surrogate."""
        if not callable(self.surrogate) and not isinstance(self.surrogate, Target):
            raise wrong_type("surrogate", "be a Target or callable", self.surrogate)
        if not isinstance(self.surrogate, Target):
            object.__setattr__(self, "surrogate", Target(self.surrogate))

    def settings(self) -> dict[str, Any]:
        """Return all of it, as plain values."""
        inner = {"surrogate": self.surrogate.description, "by": self.attack.settings()}
        return {"attack": self.name, **inner}

    def __call__(
        self, query: Query, images: Tensor, labels: Tensor, threat: Threat, seed: int
    ) -> Perturbed:
        """Return images that were made to fool the surrogate."""
        with self.surrogate.ready(images.device, derived_seed(seed, "surrogate")) as other:
            return self.attack(other, images, labels, threat, seed)
