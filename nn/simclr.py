"""SimCLR: two views of an image find each other among the views of all other images."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch.nn.functional import cross_entropy, normalize

from kuramoto._check import invalid, real_number

__all__ = ["nt_xent"]

Tensor = Any


def nt_xent(
    first: Tensor, second: Tensor, temperature: float = 0.1, *, gather: bool = False
) -> Tensor:
    r"""Return the normalised, temperature-scaled cross-entropy of two views of each image.

    Of all 2B outputs z, divided by their lengths, let z_j be the other view of z_i's image. Then

    .. math:: \ell = -\frac{1}{2B} \sum_i
        \log \frac{\exp(z_i \cdot z_j / \tau)}{\sum_{k \neq i} \exp(z_i \cdot z_k / \tau)}

    in float32 at least, also under autocast.

    Parameters
    ----------
    first, second : tensor, shape (B, d)
        Outputs for one view of each image, and for the other one.
    temperature
        τ.
    gather
        Compare with the views on all processes of `torch.distributed`, each of which has as many.
        What a process returns is the mean over its own images: mean and mean gradient over the
        processes, which distributed training takes, are those of the joined batch.

    Raises
    ------
    ValueError
        If the shapes are no (B, d) or differ, or τ is not positive.

    References
    ----------
    Chen, Kornblith, Norouzi & Hinton (2020), A simple framework for contrastive learning of visual
    representations, ICML, eq. 1.

    Examples
    --------
    >>> z = torch.eye(2)
    >>> round(float(nt_xent(z, z, temperature=1.0)), 4)  # ln(1 + 2/e)
    0.5514
    """
    real_number("temperature", temperature, positive=True)
    if first.ndim != 2 or first.shape != second.shape or not len(first):
        found = f"has shapes {tuple(first.shape)} and {tuple(second.shape)}"
        raise invalid("first, second", "be of one shape (B, d)", found)
    with torch.autocast(first.device.type, enabled=False):
        views = torch.cat([first, second])
        if views.dtype in (torch.float16, torch.bfloat16):
            views = views.float()
        views = normalize(views, dim=1)
        everybody, rank = _everybody(views) if gather else (views, 0)
        own = torch.arange(len(views), device=views.device)
        other = own.roll(len(first))
        start = rank * len(views)
        similar = views @ everybody.mT / temperature
        itself = torch.zeros_like(similar, dtype=torch.bool).scatter_(1, own[:, None] + start, True)
        return cross_entropy(similar.masked_fill(itself, -torch.inf), other + start)


def _everybody(views: Tensor) -> tuple[Tensor, int]:
    """Return the rows of all processes, and the number of this process."""
    group = torch.distributed
    if not (group.is_available() and group.is_initialized()):
        return views, 0
    return _Gather.apply(views), group.get_rank()


class _Gather(torch.autograd.Function):
    """Rows of all processes, in their order; the gradient that all of them have for these rows.

    PyTorch's own differentiable version is deprecated, and its successor is private.
    """

    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        """Return the rows of all processes."""
        rows = rows.contiguous()
        parts = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, rows)
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        """Return the sum over all processes of the gradients for this process's rows."""
        summed = gradient.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(summed)
        rank, number = torch.distributed.get_rank(), torch.distributed.get_world_size()
        return summed.chunk(number)[rank]
