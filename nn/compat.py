"""The reference implementation's numbers: its energy, its Ω when there is none, its parameters.

Everything that only exists to match it is in this file; nothing else of `kuramoto.nn` knows of it.
Where it differs from the paper:

* its energy is −Σ x·(Jx + c), without ½, of the state before each step (`reference_energy`);
* "no natural frequency" adds x itself, so that its γ acts as γ/(1+γ) (`IdentityFrequency`);
* a frequency is the length of a vector, hence never negative, and turns the other way round;
* attention heads are interleaved (channel = d·heads + head), pairs are neighbours within a head.

The functions that convert parameters are made of differentiable operations: gradients of our
parameters pass through them to the reference's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid, nearest
from kuramoto.nn.layer import KuramotoLayer

__all__ = [
    "IdentityFrequency",
    "Reference",
    "attention_parameters",
    "layer_parameters",
    "readout_parameters",
    "reference_energy",
    "residual_readout_parameters",
    "step_size",
]

Tensor = Any
Parameters = dict[str, Tensor]


class IdentityFrequency(nn.Module):
    """x ↦ x in the place of Ωx: what the reference adds when it is told to use no frequencies.

    Before Π, x + γ(x + p) is (1 + γ)(x + γ/(1+γ) p): it only shortens the step.
    """

    def field(self, oscillators: int) -> Any:
        """Return x ↦ x."""
        return lambda x: x

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def as_core(self, grid: tuple[int, int]) -> Any:
        """Refuse: the identity is no rotation."""
        remedy = "set frequency=None and step_size γ/(1+γ): the same steps"
        raise invalid("frequency", "be antisymmetric", "the reference's identity", remedy)


def reference_energy(
    layer: KuramotoLayer, x: Tensor, c: Tensor, steps: int | None = None
) -> Iterator[Tensor]:
    """Yield the reference's energies, T + 1 of shape (B,): 0, then −Σ x·(Jx + c) before each step.

    Biases of J are included, the energy of x_T is not. Its votes are counted with these numbers.
    """
    run = layer.begin(x, c)
    yield run.vectors.new_zeros(run.vectors.shape[0])
    for _ in range(layer.steps if steps is None else steps):
        yield -(run.vectors * run.force).flatten(1).sum(1)
        run = run.advance(1)


def step_size(gamma: Tensor, *, turns: bool) -> Tensor:
    """Return our γ for the reference's: γ/(1+γ) where its "no frequencies" adds x itself."""
    return gamma if turns else gamma / (1 + gamma)


class Reference:
    """A reference state dict that is read entry by entry, and knows what was never read.

    Parameters
    ----------
    entries : mapping of str to tensor
    prefix : str
        Of the names that are read.
    """

    def __init__(self, entries: Mapping[str, Tensor], prefix: str = "") -> None:
        self.entries, self.prefix = entries, prefix
        self.read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.entries

    def under(self, prefix: str) -> Reference:
        """Return the entries below a name, counting what is read of them."""
        below = Reference(self.entries, self.prefix + prefix)
        below.read = self.read
        return below

    def take(self, name: str, shape: tuple[int | None, ...] | None = None) -> Tensor:
        """Return an entry, or raise if it is missing or has another shape; None fits any size.

        Raises
        ------
        ValueError
            Names the entry, and both shapes.
        """
        full = self.prefix + name
        wanted = "" if shape is None else f" with shape ({_spelled(shape)})"
        if full not in self.entries:
            known = nearest(full, self.entries) if self.entries else "it is empty"
            raise invalid("state_dict", f"have the entry `{full}`{wanted}", "it has none", known)
        value = self.entries[full]
        if shape is not None and not _fits(tuple(value.shape), shape):
            found = f"has shape {tuple(value.shape)}"
            raise invalid("state_dict", f"have the entry `{full}`{wanted}", f"this one {found}")
        self.read.add(full)
        return value

    def require_all_read(self, ignored: tuple[str, ...] = ()) -> None:
        """Raise if entries are left that nothing has been made of."""
        left = sorted(set(self.entries) - self.read - set(ignored))
        if left:
            shape = tuple(self.entries[left[0]].shape)
            found = f"has `{left[0]}` of shape {shape} and {len(left) - 1} more"
            raise invalid("state_dict", "hold nothing but this model's entries", found)


def _spelled(shape: tuple[int | None, ...]) -> str:
    return ", ".join("any" if size is None else str(size) for size in shape)


def _fits(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    pairs = zip(found, shape, strict=False)
    return len(found) == len(shape) and all(want in (None, have) for have, want in pairs)


def layer_parameters(reference: Reference, layer: KuramotoLayer) -> Parameters:
    """Return the parameters of a `KuramotoLayer` from those of a reference layer."""
    from kuramoto.nn.connectivity import AttentionConnectivity

    made: Parameters = {}
    C = layer.channels
    below = reference.under("connectivity.")
    if isinstance(layer.connectivity, AttentionConnectivity):
        found = attention_parameters(below, layer.connectivity)
    else:
        kernel = (C, C, *layer.connectivity.convolution.kernel_size)
        found = {
            "convolution.weight": below.take("weight", kernel),
            "convolution.bias": below.take("bias", (C,)),
        }
    made |= {f"connectivity.{name}": value for name, value in found.items()}
    if layer.frequency is not None and not isinstance(layer.frequency, IdentityFrequency):
        shape = (2,) if layer.frequency.rate.ndim == 1 else (C // 2, 2)
        made["frequency.rate"] = _rates(reference.take("omg.omg_param", shape), layer)
    if layer.stimulus_norm is not None:
        for name in ("weight", "bias"):
            made[f"stimulus_norm.{name}"] = reference.take(f"c_norm.{name}", (C,))
    return made


def _rates(vectors: Tensor, layer: KuramotoLayer) -> Tensor:
    """Return rates (N//2,) or (C, N//2): minus the lengths, since it turns the other way round."""
    rates = -torch.sqrt((vectors * vectors).sum(-1))
    planes = layer.dimensions // 2
    return rates.expand(planes) if rates.ndim == 0 else rates.reshape(-1, planes)


def attention_parameters(reference: Reference, attention: Any) -> Parameters:
    """Return the parameters of an `AttentionConnectivity` from the reference's."""
    C, heads = attention.channels, attention.heads
    order = _head_order(heads, attention.head_dimension)
    rows = torch.cat([order + part * C for part in range(3)])
    into = reference.take("W_qkv.weight", (3 * C, C, 1, 1)).flatten(1)
    out = reference.take("W_o.weight", (C, C, 1, 1)).flatten(1)
    made = {
        "inputs.weight": into[rows],
        "inputs.bias": reference.take("W_qkv.bias", (3 * C,))[rows],
        "output.weight": out[:, order],
        "output.bias": reference.take("W_o.bias", (C,)),
    }
    if attention.positions is not None:
        height, width = attention.positions.grid
        shape = (height * width, attention.head_dimension // 2, 2, 2)
        for ours in ("query", "key", "value", "output"):
            made[f"positions.{ours}"] = reference.take(f"mat_{ours[0]}", shape)
    return made


def _head_order(heads: int, head_dimension: int) -> Tensor:
    """Return for each of our channels (head, half, pair) the reference's (pair, half, head)."""
    theirs = torch.arange(heads * head_dimension).reshape(head_dimension // 2, 2, heads)
    return theirs.permute(2, 1, 0).flatten()


def readout_parameters(reference: Reference, readout: Any) -> Parameters:
    """Return the parameters of a `NormReadout` from the reference's."""
    shape = tuple(readout.convolution.weight.shape)
    return {
        "convolution.weight": reference.take("invconv.weight", shape),
        "convolution.bias": reference.take("invconv.bias", shape[:1]),
        "bias": reference.take("bias", tuple(readout.bias.shape)),
    }


def residual_readout_parameters(reference: Reference, readout: Any) -> Parameters:
    """Return the parameters and statistics of a `ResidualReadout` from the reference's."""
    lengths = readout_parameters(reference.under("0."), readout.lengths)
    made = {f"lengths.{name}": value for name, value in lengths.items()}
    for which, place in enumerate(("1.fn.fn.0.fn.", "1.fn.fn.1.fn.", "2.fn.")):
        below = reference.under(place)
        for kind, number, module in (
            ("norms", 0, readout.norms[which]),
            ("maps", 2, readout.maps[which]),
        ):
            for name, ours in module.state_dict().items():
                if name == "num_batches_tracked":
                    continue
                value = below.take(f"{number}.{name}", tuple(ours.shape))
                made[f"{kind}.{which}.{name}"] = value
    return made
