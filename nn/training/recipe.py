"""What a task has to say before it can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Recipe(Protocol):
    """Data, loss and evaluation of a task.

    Everything random in `batch` follows from its arguments, so that a run can start at any step.
    Models draw their own random numbers from torch's global generator while they train (it is
    seeded before every part of every step) and from their own generator when they are evaluated.
    """

    #: Names of the numbers that `validate` returns: columns of ``metrics.csv``.
    scores: tuple[str, ...]

    def about(self) -> dict[str, Any]:
        """Return what makes this recipe again, as plain values: it becomes ``config.json``."""

    def model(self) -> Any:
        """Return a new model, its weights drawn from torch's global generator."""

    def batch(self, step: int, size: int, seed: int) -> tuple[np.ndarray, ...]:
        """Return the examples of a step: arrays with `size` rows."""

    def loss(self, model: Any, batch: tuple[Any, ...]) -> Any:
        """Return the mean loss of a batch of tensors."""

    def validate(self, model: Any) -> Mapping[str, float]:
        """Score a model in evaluation mode on held-out examples."""
