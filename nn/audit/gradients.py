"""Gradients of a classifier's losses by images: how long, how noisy, how often zero."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from kuramoto._check import whole_number
from kuramoto.nn.attacks import LOSSES, Ledger, Trial
from kuramoto.nn.attacks.gradient import one_gradient
from kuramoto.nn.seeds import derived_seed

__all__ = ["GradientStatistics", "gradient_statistics"]

Tensor = Any


@dataclass(frozen=True)
class GradientStatistics:
    """Of the gradients g of a loss at clean images, over draws of a model's random numbers.

    Attributes
    ----------
    loss : str
    samples : int
        Draws.
    norm : tuple of float
        √E‖g‖² of each image, L2.
    zero : float
        Fraction of images and draws whose gradient is exactly zero, or not finite.
    cosine : float
        Mean cosine between the gradients of two draws, over images: 1 if there is no noise.
    draws_needed : float
        Median over images of E‖g − E g‖²/‖E g‖²: the mean over so many draws is as much signal as
        noise. Infinite where the draws show no signal.
    """

    loss: str
    samples: int
    norm: tuple[float, ...]
    zero: float
    cosine: float
    draws_needed: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON: quantiles of the norm, None for what is not finite."""
        plain = asdict(self) | {"norm": np.quantile(self.norm, (0, 0.25, 0.5, 0.75, 1)).tolist()}
        finite = {key: None if plain[key] - plain[key] != 0 else plain[key] for key in _MAY_BE_NONE}
        return plain | finite


_MAY_BE_NONE = ("cosine", "draws_needed")


def gradient_statistics(
    trial: Trial,
    *,
    loss: str = "cross_entropy",
    samples: int = 20,
    kept: Ledger | None = None,
    progress: bool = False,
) -> GradientStatistics:
    """Measure gradients at the images of a trial.

    Parameters
    ----------
    trial : Trial
        Of which model, images, labels, batch and seed count.
    loss : {"cross_entropy", "margin", "dlr"}
    samples : int
        Draws of a stochastic model; 1 is enough for a deterministic one.
    kept, progress
        As for `Trial.run`.

    Examples
    --------
    >>> from kuramoto.nn.attacks import Threat
    >>> logits = lambda images: images.flatten(1) * torch.tensor([1.0, 3.0])
    >>> trial = Trial(logits, torch.rand(4, 2), torch.zeros(4, dtype=int), Threat("Linf", 0.1))
    >>> found = gradient_statistics(trial, loss="margin", samples=2)
    >>> round(found.norm[0], 4), round(found.cosine, 4)
    (3.1623, 1.0)
    """
    K = whole_number("samples", samples, least=1)
    asked = {"attack": "gradients", "loss": loss, "samples": K}

    def answer(first: int, images: Tensor, labels: Tensor) -> dict[str, Any]:
        seed = derived_seed(trial.seed, "gradients", first)
        with trial.model.ready(images.device, seed) as query:
            draws = (one_gradient(query, images, labels, LOSSES[loss])[0] for _ in range(K))
            return _moments(draws, images)

    records = list(trial.batches(asked, answer, kept, progress))
    joined = {
        name: np.concatenate([np.asarray(record[name]) for record in records])
        for name in ("squares", "of_sum", "of_units", "zero")
    }
    return _statistics(loss, K, joined)


def _moments(draws: Any, images: Tensor) -> dict[str, Any]:
    """Return Σ‖g‖², ‖Σg‖², ‖Σ g/‖g‖‖² and how many are zero, for each image."""
    total = torch.zeros_like(images, dtype=torch.float64)
    units, squares = total.clone(), total.new_zeros(len(images))
    zero = squares.clone()
    for found in draws:
        gone = ~torch.isfinite(found).flatten(1).all(1)
        g = torch.nan_to_num(found.double(), 0.0, 0.0, 0.0)
        square = (g * g).flatten(1).sum(1)
        length = square.sqrt().view(-1, *[1] * (g.ndim - 1))
        total, squares = total + g, squares + square
        units = units + g / torch.where(length > 0, length, torch.ones_like(length))
        zero = zero + ((square == 0) | gone).double()
    sums = {"of_sum": total, "of_units": units}
    found = {name: (v * v).flatten(1).sum(1).tolist() for name, v in sums.items()}
    return {**found, "squares": squares.tolist(), "zero": zero.tolist()}


def _statistics(loss: str, K: int, found: dict[str, np.ndarray]) -> GradientStatistics:
    power, units = found["squares"] / K, K - found["zero"]
    if K == 1:
        cosine, needed = float("nan"), 0.0
    else:
        pairs = units * (units - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            # Over pairs of different draws, so that noise adds nothing to the signal.
            cosine = float(np.nanmean((found["of_units"] - units) / pairs)) if pairs.any() else 0.0
            signal = (found["of_sum"] - found["squares"]) / (K * (K - 1))
            ratio = np.where(signal > 0, (power - signal) / signal, np.inf)
        needed = max(float(np.median(ratio)), 0.0)
    zero = float(found["zero"].mean() / K)
    return GradientStatistics(loss, K, tuple(np.sqrt(power).tolist()), zero, cosine, needed)
