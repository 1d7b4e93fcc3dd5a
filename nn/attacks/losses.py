"""What attacks make large: losses of logits (B, K) and labels (B,), one number an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from kuramoto._check import invalid, nearest

__all__ = ["LOSSES", "cross_entropy", "logit_ratio", "loss_named", "margin"]

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return −log p(label). Its gradient vanishes where a network is very sure."""
    return functional.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return max_{k ≠ y} z_k − z_y: above 0 if and only if the answer is wrong.

    References
    ----------
    Carlini & Wagner (2017), Towards evaluating the robustness of neural networks, f₆ in IV.

    Examples
    --------
    >>> margin(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0]))
    tensor([-1.])
    """
    own = functional.one_hot(labels, logits.shape[1]).bool()
    return logits.masked_fill(own, -torch.inf).amax(1) - logits.gather(1, labels[:, None])[:, 0]


def logit_ratio(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the difference of logits ratio, the margin over z₍₁₎ − z₍₃₎: scales are nothing to it.

    References
    ----------
    Croce & Hein (2020), Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks, eq. 6.
    """
    if logits.shape[1] < 3:
        remedy = "use the loss margin with two classes"
        raise invalid("model", "have 3 classes or more for dlr", f"has {logits.shape[1]}", remedy)
    largest = logits.topk(3, dim=1).values
    return margin(logits, labels) / (largest[:, 0] - largest[:, 2] + 1e-12)


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "margin": margin, "dlr": logit_ratio}
"""By the names that attacks know them by."""


def loss_named(name: str) -> Loss:
    """Return a loss; raise if there is no such one."""
    if name not in LOSSES:
        must = f"be one of {', '.join(LOSSES)}"
        raise invalid("loss", must, repr(name), nearest(str(name), LOSSES))
    return LOSSES[name]
