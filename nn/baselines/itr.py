"""ItrSA for boards: one self-attention layer iterated, the paper's closest relative of AKOrN."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from kuramoto._check import invalid
from kuramoto.nn.baselines.blocks import attention_blocks, steps_or
from kuramoto.nn.baselines.boards import BoardConfig, BoardModel

__all__ = ["ItrSAConfig", "SudokuItrSA", "from_official"]

Tensor = Any

POSITIONS = "places.embedding"
# Ours, and the reference implementation's: `*` stands for weight and bias.
TOP = {
    "embedding.weight": "embedding.weight",
    POSITIONS: "pos_embed",
    "norm.*": "out.0.*",
    "readout.*": "out.1.*",
}
BLOCK = {
    "attention_norm.*": "layernorm1.*",
    "attention.qkv.*": "attn.W_qkv.*",
    "attention.out.*": "attn.W_o.*",
    "mlp_norm.*": "layernorm2.*",
    "mlp.0.*": "mlp.0.*",
    "mlp.2.*": "mlp.2.*",
}


@dataclass(frozen=True, kw_only=True)
class ItrSAConfig(BoardConfig):
    """What makes a `SudokuItrSA`; the defaults are the paper's (App. C.2).

    Parameters
    ----------
    side, channels, heads, positions
        As for `BoardConfig`.
    steps : int, default 16
        T, how often each block iterates its attention.
    blocks : int, default 1
    hidden : int, optional
        Channels inside the MLPs; default 2·channels.
    """

    steps: int = 16
    blocks: int = 1
    hidden: int | None = None


class SudokuItrSA(BoardModel):
    """ItrSA: in every block T times x += attention(LN(x)) with one weight; then x += MLP(LN(x)).

    Parameters
    ----------
    config : ItrSAConfig

    References
    ----------
    Miyato et al. (2025), Fig. 11b, Tabs 3 and 19.

    Examples
    --------
    >>> model = SudokuItrSA(ItrSAConfig(channels=16, heads=2, steps=4))
    >>> model(torch.zeros(1, 9, 9, dtype=torch.int64), steps=8).shape
    torch.Size([1, 9, 9, 9])
    """

    def __init__(self, config: ItrSAConfig) -> None:
        super().__init__(config)
        self.blocks = attention_blocks(config)

    def update(self, x: Tensor, steps: int | None) -> Tensor:
        """Return the tokens after all blocks of `steps` steps each."""
        for block in self.blocks:
            x = block(x, steps_or(steps, self.config.steps))
        return x


def from_official(state_dict: Mapping[str, Any], *, heads: int = 8, steps: int = 16) -> SudokuItrSA:
    """Build a model from a state dict of the reference implementation's ``SudokuTransformer``.

    ====================================================  =========================
    there (l counts blocks)                               here
    ====================================================  =========================
    ``pos_embed`` (side·side, C)                          ``places.embedding`` [1, C, side, side]
    ``embedding.weight``                                  ``embedding.weight``
    ``transformer_encoder.l.layernorm1``, ``layernorm2``  ``blocks.l.attention_norm``, ``mlp_norm``
    ``transformer_encoder.l.attn.W_qkv``                  ``blocks.l.attention.qkv``, regrouped
    ``transformer_encoder.l.attn.W_o``                    ``blocks.l.attention.out``, regrouped
    ``transformer_encoder.l.mlp.0``, ``mlp.2``            ``blocks.l.mlp.0``, ``mlp.2``
    ``out.0``, ``out.1``                                  ``norm``, ``readout``
    ====================================================  =========================

    There channel d·heads + h belongs to head h, here channel h·(channels/heads) + d does: each head
    is a run of channels, which attention kernels read without a copy.

    Parameters
    ----------
    state_dict : mapping of str to tensor or array
    heads, steps : int
        What the weights alone do not tell.

    Returns
    -------
    SudokuItrSA

    Raises
    ------
    ValueError
        If a tensor is missing, unknown or of another shape; the first one is named.

    References
    ----------
    Miyato et al. (2025), Fig. 11b.
    """
    given = {name: torch.as_tensor(value) for name, value in state_dict.items()}
    model = SudokuItrSA(_config_of(given, heads, steps))
    wanted = {ours: _official_name(ours) for ours in model.state_dict()}
    _same_names(given, set(wanted.values()))
    order = torch.arange(model.config.channels).reshape(-1, heads).T.flatten()
    for ours, tensor in model.state_dict().items():
        theirs = given[wanted[ours]]
        _same_shape(wanted[ours], theirs, _official_shape(ours, tensor))
        tensor.copy_(_rearranged(ours, theirs, order))
    return model


def _config_of(given: Mapping[str, Tensor], heads: int, steps: int) -> ItrSAConfig:
    """Read off the weights what they tell."""
    for name in ("embedding.weight", "transformer_encoder.0.mlp.0.weight"):
        if name not in given or given[name].ndim != 2:
            raise invalid("state_dict", "be that of a SudokuTransformer", f"has no matrix {name}")
    symbols, channels = given["embedding.weight"].shape
    found = [re.match(r"transformer_encoder\.(\d+)\.", name) for name in given]
    return ItrSAConfig(
        side=symbols - 1,
        channels=channels,
        heads=heads,
        steps=steps,
        blocks=1 + max(int(match[1]) for match in found if match),
        hidden=given["transformer_encoder.0.mlp.0.weight"].shape[0],
        positions="ape" if "pos_embed" in given else "none",
    )


def _official_name(ours: str) -> str:
    """Return the reference's name of one of our tensors."""
    if ours in TOP:
        return TOP[ours]
    stem, kind = ours.rsplit(".", 1)
    block = re.match(r"blocks\.(\d+)\.(.*)", stem)
    if block is None:
        return TOP[f"{stem}.*"].replace("*", kind)
    return f"transformer_encoder.{block[1]}." + BLOCK[f"{block[2]}.*"].replace("*", kind)


def _same_names(given: Mapping[str, Tensor], wanted: set[str]) -> None:
    for names, what in ((wanted - given.keys(), "misses"), (given.keys() - wanted, "also holds")):
        if names:
            found = f"it {what} {min(names)}" + f" and {len(names) - 1} more" * (len(names) > 1)
            raise invalid("state_dict", "hold just the tensors of a SudokuTransformer", found)


def _official_shape(ours: str, tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of the reference's tensor: ours, but for positions, which hold tokens."""
    return tuple(tensor[0].flatten(1).T.shape if ours == POSITIONS else tensor.shape)


def _same_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        found = f"holds shape {tuple(tensor.shape)}"
        raise invalid("state_dict", f"hold {name} of shape {shape}", found)


def _rearranged(ours: str, tensor: Tensor, order: Tensor) -> Tensor:
    """Bring the channels of attention from interleaved heads into runs, positions onto a grid."""
    if ours == POSITIONS:
        return tensor.T.unflatten(1, (math.isqrt(len(tensor)), -1))[None]
    if ".attention.qkv." in ours:
        return torch.cat([part[order] for part in tensor.chunk(3)])
    return tensor[:, order] if ours.endswith(".attention.out.weight") else tensor
