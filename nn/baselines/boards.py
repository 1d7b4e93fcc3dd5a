"""What the baselines for boards share: digits to tokens, tokens to logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.nn.baselines.blocks import check_positions, check_split, optional_numbers, places_for

__all__ = ["BoardModel"]

Tensor = Any


def check_board_config(config: Any) -> None:
    """Raise unless the numbers that all models for boards have are such that they can be built."""
    whole_number("side", config.side, least=2)
    check_split("channels", config.channels, config.heads, "heads")
    check_positions(config.positions)
    optional_numbers(config, "steps", "blocks", "hidden", "memories")


def check_digits(digits: Tensor, side: int) -> None:
    """Raise unless `digits` holds boards of this side, 0 where a square is blank."""
    if not torch.is_tensor(digits) or digits.is_floating_point():
        raise wrong_type("digits", "be a tensor of whole numbers, 0 where blank", digits)
    if digits.ndim != 3 or tuple(digits.shape[1:]) != (side, side):
        found = f"has shape {tuple(digits.shape)}"
        raise invalid("digits", f"have shape (B, {side}, {side})", found)
    # On a GPU the look at the values would stall it at every call.
    if digits.device.type != "cpu" or torch.compiler.is_compiling() or not digits.numel():
        return
    low, high = int(digits.min()), int(digits.max())
    if low < 0 or high > side:
        raise invalid("digits", f"lie in 0 ... {side}", f"holds {low if low < 0 else high}")


class BoardModel(nn.Module):
    """Embed digits, add positions, let `update` work on the tokens, and read logits off them.

    logits = W LN(update(embedding[digits] + positions)) + b. A subclass says what `update` is.

    Parameters
    ----------
    config : dataclass
        With `side`, `channels` and `positions`.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        side, channels = config.side, config.channels
        self.embedding = nn.Embedding(side + 1, channels)
        self.places = places_for(config.positions, channels, side)
        self.norm = nn.LayerNorm(channels)
        self.readout = nn.Linear(channels, side)

    def tokens(self, digits: Tensor) -> Tensor:
        """Return the tokens (B, side·side, C) of boards, row by row.

        Raises
        ------
        TypeError
            If the digits are no tensor of whole numbers.
        ValueError
            If the boards have another side, or (on the CPU) a digit is out of range.
        """
        check_digits(digits, self.config.side)
        features = self.embedding(digits.long()).permute(0, 3, 1, 2)
        features = features if self.places is None else self.places(features)
        return features.flatten(2).mT

    def update(self, x: Tensor, steps: int | None) -> Tensor:
        """Return the tokens (B, n, C) that the network makes of tokens (B, n, C)."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def forward(
        self, digits: Tensor, *, steps: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the logits of every square.

        Parameters
        ----------
        digits : integer tensor, shape (B, side, side)
            0 where a square is blank, else 1 ... side.
        steps : int, optional
            Steps T, where the model has any; default: as in its configuration.
        generator : torch.Generator, optional
            Unused (nothing is random here): the models of oscillators take one.

        Returns
        -------
        tensor, shape (B, side, side, side)
            The last axis holds the classes; class k is the digit k + 1.
        """
        logits = self.readout(self.norm(self.update(self.tokens(digits), steps)))
        return logits.unflatten(1, (self.config.side, self.config.side))
