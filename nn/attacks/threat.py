"""What an attacker may do: move an image within a ball, and within 0 ... 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from kuramoto._check import invalid, nearest, real_number

__all__ = ["NORMS", "Threat"]

Tensor = Any

NORMS = ("Linf", "L2")

# Each halves the interval of the scale that is looked for: as fine as float32 is.
_HALVINGS = 26


@dataclass(frozen=True)
class Threat:
    """Perturbed images x' with ‖x' − x‖ ≤ ε and every value in 0 ... 1.

    Attributes
    ----------
    norm : {"Linf", "L2"}
        Largest change of a value; root of the sum of squares over an image.
    eps : float
        ε, in 0 ... 1, where images have values in 0 ... 1: 8/255 for CIFAR-10 in the literature.
        ``Threat("Linf", 1)`` allows every image.

    Raises
    ------
    ValueError
        If ε is outside 0 ... 1, or the norm is unknown.

    Examples
    --------
    >>> image = torch.tensor([[0.0, 0.5]])
    >>> Threat("Linf", 0.25).project(image, torch.tensor([[-1.0, 1.0]]))
    tensor([[0.0000, 0.7500]])
    """

    norm: str = "Linf"
    eps: float = 8 / 255

    def __post_init__(self) -> None:
        """Check both."""
        if self.norm not in NORMS:
            must = f"be one of {', '.join(NORMS)}"
            raise invalid("norm", must, repr(self.norm), nearest(str(self.norm), NORMS))
        eps = real_number("eps", self.eps)
        if not 0 <= eps <= 1:
            remedy = "images have values in 0 ... 1: write 8/255, not 8"
            raise invalid("eps", "be in 0 ... 1", f"{eps:g}", remedy)
        object.__setattr__(self, "eps", eps)

    def __str__(self) -> str:
        """Return it as a table has it."""
        shown = f"{255 * self.eps:.4g}/255" if self.norm == "Linf" and self.eps < 1 else self.eps
        return f"{self.norm} {shown}"

    def project(self, images: Tensor, perturbed: Tensor) -> Tensor:
        """Return the allowed images nearest to perturbed ones.

        Within rounding the projection onto the intersection of ball and cube: for L2, it is
        x + clip(s·(x' − x)) with the scale s that makes the length ε.
        """
        if self.norm == "Linf":
            low, high = (images - self.eps).clamp(min=0), (images + self.eps).clamp(max=1)
            return torch.minimum(torch.maximum(perturbed, low), high)
        moved = perturbed - images
        inside = torch.zeros_like(_lengths(moved))
        outside = torch.ones_like(inside)
        fits = _lengths(perturbed.clamp(0, 1) - images) <= self.eps
        for _ in range(_HALVINGS):
            scale = (inside + outside) / 2
            short = _lengths((images + scale * moved).clamp(0, 1) - images) <= self.eps
            inside, outside = torch.where(short, scale, inside), torch.where(short, outside, scale)
        scaled = images + torch.where(fits, torch.ones_like(inside), inside) * moved
        return torch.where(fits, perturbed, scaled).clamp(0, 1)

    def random(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return points drawn uniformly from the balls, projected into 0 ... 1."""
        how = {"generator": generator, "device": images.device, "dtype": images.dtype}
        if self.norm == "Linf":
            moved = 2 * torch.rand(images.shape, **how) - 1
        else:
            values = images[0].numel() if len(images) else 1
            radius = torch.rand(_lengths(images).shape, **how) ** (1 / values)
            moved = radius * _unit(torch.randn(images.shape, **how))
        return self.project(images, images + self.eps * moved)

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the direction of norm 1 that a gradient rises most in; 0 where there is none."""
        return gradient.sign() if self.norm == "Linf" else _unit(gradient)

    def distance(self, images: Tensor, perturbed: Tensor) -> Tensor:
        """Return ‖x' − x‖ of each image, (B,)."""
        moved = (perturbed - images).flatten(1)
        return moved.abs().amax(1) if self.norm == "Linf" else _lengths(moved).flatten()


def _lengths(moved: Tensor) -> Tensor:
    """Return the L2 norms of images (B, ...), shape (B, 1, ...)."""
    squares = (moved * moved).flatten(1).sum(1)
    return squares.sqrt().view(-1, *[1] * (moved.ndim - 1))


def _unit(moved: Tensor) -> Tensor:
    # By the largest value first: squares of gradients as small as 1e-30 would vanish.
    largest = moved.flatten(1).abs().amax(1).view(-1, *[1] * (moved.ndim - 1))
    scaled = moved / torch.where(largest > 0, largest, torch.ones_like(largest))
    lengths = _lengths(scaled)
    return scaled / torch.where(lengths > 0, lengths, torch.ones_like(lengths))
