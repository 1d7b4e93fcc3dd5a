"""What the baselines for boards share: digits to tokens, tokens to logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kuramoto._check import whole_number
from kuramoto.nn.baselines.blocks import check_positions, check_split, optional_numbers, places_for
from kuramoto.nn.data.sudoku.tensors import require_digits

__all__ = ["BoardConfig", "BoardModel"]

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class BoardConfig:
    """What the configurations of all models for boards have; the defaults are the paper's.

    Parameters
    ----------
    side : int, default 9
        Squares in a row.
    channels : int, default 512
    heads : int, default 8
    positions : {"ape", "none"}
        Learned absolute positions (`kuramoto.nn.APE`), or none.

    Raises
    ------
    ValueError
        If a number is too small, or heads do not divide channels.
    """

    side: int = 9
    channels: int = 512
    heads: int = 8
    positions: str = "ape"

    def __post_init__(self) -> None:
        whole_number("side", self.side, least=2)
        check_split("channels", self.channels, self.heads, "heads")
        check_positions(self.positions)
        optional_numbers(self, "steps", "blocks", "hidden", "memories")


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
        require_digits(digits, self.config.side)
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
