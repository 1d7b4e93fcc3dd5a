"""The Transformer for boards: blocks with weights of their own, each used once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kuramoto.nn.baselines.blocks import attention_blocks, fixed_depth
from kuramoto.nn.baselines.boards import BoardConfig, BoardModel

__all__ = ["SudokuTransformer", "TransformerConfig"]

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(BoardConfig):
    """What makes a `SudokuTransformer`; the defaults are the paper's (Tab. 19).

    Parameters
    ----------
    side, channels, heads, positions
        As for `BoardConfig`.
    blocks : int, default 8
    hidden : int, optional
        Channels inside the MLPs; default 2·channels.
    """

    blocks: int = 8
    hidden: int | None = None


class SudokuTransformer(BoardModel):
    """A Transformer with the norms in front: x += attention(LN(x)), x += MLP(LN(x)) in each block.

    Parameters
    ----------
    config : TransformerConfig

    References
    ----------
    Vaswani et al. (2017); Miyato et al. (2025), App. C.2 and Tab. 19.

    Examples
    --------
    >>> import torch
    >>> model = SudokuTransformer(TransformerConfig(channels=16, heads=2, blocks=2))
    >>> model(torch.zeros(1, 9, 9, dtype=torch.int64)).shape
    torch.Size([1, 9, 9, 9])
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.blocks = attention_blocks(config)

    def update(self, x: Tensor, steps: int | None) -> Tensor:
        """Return the tokens after all blocks; `steps` must be left out."""
        fixed_depth(steps, "a Transformer")
        for block in self.blocks:
            x = block(x)
        return x
