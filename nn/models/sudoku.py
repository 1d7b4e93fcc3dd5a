"""Sudoku: digits in, logits out, one attentive Kuramoto block between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from kuramoto._check import whole_number
from kuramoto.nn import layout
from kuramoto.nn.block import KuramotoBlock, ResidualReadout
from kuramoto.nn.connectivity import AttentionConnectivity
from kuramoto.nn.data.sudoku.tensors import require_digits
from kuramoto.nn.initial import FromStimulus, MixedState, RandomState
from kuramoto.nn.models import parts
from kuramoto.nn.positions import APE, GTA, RoPE

__all__ = ["Moment", "SudokuConfig", "SudokuNet"]

Tensor = Any

POSITIONS = ("ape", "gta", "none", "rope")


@dataclass(frozen=True)
class SudokuConfig:
    """All that makes a `SudokuNet`, as plain values; the defaults are the paper's (Tab. 12).

    Attributes
    ----------
    side : int
        9 for the usual board; 4 or 6 for small ones.
    channels, dimensions, heads : int
        C·N, N, attention heads.
    blocks, steps : int
        L, T.
    step_size, learn_step_size
        γ at the start, and whether it is learned.
    frequency : {"shared", "each", "antisymmetric", "none"}
        Ω: planes shared by all oscillators, planes of each channel, one full matrix, none.
    initial_frequency : float
        At the start, in radians per unit time.
    positions : {"gta", "rope", "ape", "none"}
    symmetric : bool
        The symmetrised variant (App. D.4).
    scaled : bool
        Attention scores times 1/√D.
    project, normalize : bool
        Ablations.
    memory : {"auto", "save", "recompute", "autograd"}
        What training keeps (`KuramotoLayer`).
    seed : int
        Of the random initial states in evaluation.
    """

    side: int = 9
    channels: int = 512
    dimensions: int = 4
    heads: int = 8
    blocks: int = 1
    steps: int = 16
    step_size: float = 1.0
    learn_step_size: bool = True
    frequency: str = "shared"
    initial_frequency: float = 0.5
    positions: str = "gta"
    symmetric: bool = False
    scaled: bool = True
    project: bool = True
    normalize: bool = True
    memory: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what the layers do not check themselves."""
        parts.require_word("frequency", self.frequency, parts.FREQUENCIES)
        parts.require_word("positions", self.positions, POSITIONS)
        parts.require_numbers(self, "side", "channels", "dimensions", "heads", "blocks", "steps")
        whole_number("seed", self.seed)


class Moment(NamedTuple):
    """One step of `SudokuNet.run`: which one, the state, its energies (B, K)."""

    step: int
    state: Tensor
    energy: Tensor


class SudokuNet(nn.Module):
    """AKOrN for Sudoku: c embeds the digits, givens start at c/‖c‖ and blanks at random.

    Parameters
    ----------
    config : SudokuConfig

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, 5.2, App. C.

    Examples
    --------
    >>> net = SudokuNet(SudokuConfig(side=4, channels=16, heads=2, steps=2)).eval()
    >>> net(torch.zeros(3, 4, 4, dtype=torch.int64)).shape
    torch.Size([3, 4, 4, 4])
    """

    def __init__(self, config: SudokuConfig | None = None) -> None:
        super().__init__()
        self.config = SudokuConfig() if config is None else config
        side, channels = self.config.side, self.config.channels
        self.embedding = nn.Embedding(side + 1, channels)
        self.places = APE(channels, (side, side)) if self.config.positions == "ape" else None
        N = self.config.dimensions
        self.initial = MixedState(FromStimulus(N), RandomState(N))
        self.blocks = nn.ModuleList(_block(self.config) for _ in range(self.config.blocks))
        self.logits = nn.Conv2d(channels, side, 1)

    def forward(
        self,
        digits: Tensor,
        *,
        steps: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return logits (B, side, side, side): class k means digit k + 1.

        Parameters
        ----------
        digits : integer tensor, shape (B, side, side)
            0 = blank, 1 ... side.
        steps : int, optional
            T at test time; the configuration's by default.
        generator : torch.Generator, optional
            Of the random initial states; by default PyTorch's own in training, and in evaluation
            one with the configuration's seed.
        """
        c, x = self.start(digits, generator)
        for block in self.blocks:
            x, c = block(x, c, steps)
        return self.decode(c)

    def run(
        self,
        digits: Tensor,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        samples: int = 1,
    ) -> Iterator[Moment]:
        """Yield the last block's states and energies step by step, from several initial states.

        Nothing is kept. `predict` makes logits of a state.

        Parameters
        ----------
        digits : integer tensor, shape (B, side, side)
        steps : int, optional
        generator : torch.Generator, optional
        samples : int, default 1
            K initial states per board.

        Yields
        ------
        Moment
            For t = 1 ... T: t; the state [B*K, C*N, side, side], the samples of a board in a row;
            its energies (B, K), eq. 3.
        """
        whole_number("samples", samples, least=1)
        require_digits(digits, self.config.side)
        c, x = self.start(digits.repeat_interleave(samples, 0), generator)
        for block in self.blocks[:-1]:
            x, c = block(x, c, steps)
        moments = self.blocks[-1].layer.trajectory(x, c, steps)
        for step, (state, energy) in enumerate(moments, start=1):
            yield Moment(step, state, energy.unflatten(0, (-1, samples)))

    def predict(self, state: Tensor) -> Tensor:
        """Return the logits (B, side, side, side) that a state of the last block stands for."""
        return self.decode(self.blocks[-1].readout(state))

    def start(
        self, digits: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return stimulus and initial state, features [B, C*N, side, side]."""
        require_digits(digits, self.config.side)
        c = self.embedding(digits.long()).permute(0, 3, 1, 2)
        c = c if self.places is None else self.places(c)
        if generator is None and not self.training:
            generator = torch.Generator(device=c.device).manual_seed(self.config.seed)
        return c, self.initial(c, generator, mask=(digits > 0)[:, None])

    def decode(self, c: Tensor) -> Tensor:
        """Return the logits (B, side, side, side) of the last block's readout."""
        return self.logits(F.relu(c)).permute(0, 2, 3, 1)


def _block(config: SudokuConfig) -> KuramotoBlock:
    channels, N, side = config.channels, config.dimensions, config.side
    head = layout.require_split("channels", channels, config.heads, "number of heads")
    grid = (side, side)
    positions: Any = None
    if config.positions == "gta":
        positions = GTA(grid, head, symmetric=config.symmetric)
    elif config.positions == "rope":
        positions = RoPE(head)
    attention = AttentionConnectivity(
        channels,
        config.heads,
        positions=positions,
        scaled=config.scaled,
        symmetric=config.symmetric,
    )
    layer = parts.layer_of(config, attention, config.steps, "none")
    return KuramotoBlock(layer, ResidualReadout(channels, channels, N))
