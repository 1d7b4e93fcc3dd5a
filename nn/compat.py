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

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid
from kuramoto.nn.layer import KuramotoLayer
from kuramoto.nn.reference import Parameters, Reference

__all__ = [
    "IdentityFrequency",
    "Reference",
    "attention_parameters",
    "channel_norm_parameters",
    "connectivity",
    "frequency",
    "heads",
    "kernel_size",
    "layer_parameters",
    "module_parameters",
    "readout_parameters",
    "reference_energy",
    "residual_readout_parameters",
    "self_attention_parameters",
    "step_size",
    "stimulus_norm",
    "transition",
    "transition_parameters",
]

Tensor = Any


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
        groups = isinstance(layer.stimulus_norm, nn.GroupNorm)
        for ours, theirs in (("weight", "weight" if groups else "scale"), ("bias", "bias")):
            made[f"stimulus_norm.{ours}"] = reference.take(f"c_norm.{theirs}", (C,))
    return made


def stimulus_norm(reference: Reference) -> str:
    """Return the word of `kuramoto.nn.models` for a reference layer's ``c_norm``."""
    if "c_norm.scale" in reference:
        return "affine"
    return "group" if reference.has_under("c_norm.") else "none"


def frequency(reference: Reference) -> str:
    """Return the word of `kuramoto.nn.models` for a reference layer's ``omg``."""
    if not reference.has_under("omg."):
        return "none"
    return "shared" if reference.take("omg.omg_param").ndim == 1 else "each"


def connectivity(reference: Reference) -> str:
    """Return the word of `kuramoto.nn.models` for a reference layer's ``connectivity``."""
    attends = reference.has_under("connectivity.W_") or reference.has_under("connectivity.mat_")
    return "attention" if attends else "convolution"


def kernel_size(reference: Reference) -> int:
    """Return the size of a reference layer's convolution; 1 for attention."""
    if connectivity(reference) == "attention":
        return 1
    return int(reference.take("connectivity.weight", (None, None, None, None)).shape[2])


def heads(reference: Reference, channels: int, otherwise: int) -> int:
    """Return the number of heads that a reference layer's tables tell, or the one given."""
    if not reference.has_under("connectivity.mat_"):
        return otherwise
    pairs = int(reference.take("connectivity.mat_q", (None, None, 2, 2)).shape[1])
    told = pairs > 0 and channels % (2 * pairs) == 0
    return channels // (2 * pairs) if told else otherwise


def transition(reference: Reference, number: int) -> str:
    """Return the name of the convolution before a block of the reference's classifier.

    It has two, for the state and for the stimulus, that are one: files may hold either or both.
    """
    first, second = (f"layers.{number}.0.{which}" for which in (0, 1))
    only_second = reference.has_under(f"{second}.") and not reference.has_under(f"{first}.")
    return second if only_second else first


def transition_parameters(reference: Reference, number: int, convolution: Any) -> Parameters:
    """Return the parameters of the convolution before a block of the reference's classifier."""
    name, second = transition(reference, number), f"layers.{number}.0.1"
    made = module_parameters(reference.under(f"{name}."), convolution)
    if reference.has_under(f"{second}."):
        other = module_parameters(reference.under(f"{second}."), convolution)
        for kind, value in made.items():
            if not torch.equal(value, other[kind]):
                must = f"have the same `{name}.{kind}` and `{second}.{kind}`"
                raise invalid("state_dict", must, "these differ")
    return made


def _rates(vectors: Tensor, layer: KuramotoLayer) -> Tensor:
    """Return rates (N//2,) or (C, N//2): minus the lengths, since it turns the other way round."""
    if layer.dimensions % 2:
        remedy = (
            "the reference turns consecutive pairs of channels, whatever oscillator they are of"
        )
        raise invalid("dimensions", "be even with frequencies", f"{layer.dimensions}", remedy)
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


def self_attention_parameters(reference: Reference, attention: Any) -> Parameters:
    """Return the parameters of a baseline's `SelfAttention` from the reference's convolutions."""
    C, heads = attention.out.in_features, attention.heads
    order = torch.arange(C).reshape(-1, heads).T.flatten()
    rows = torch.cat([order + part * C for part in range(3)])
    into = module_parameters(reference.under("W_qkv."), attention.qkv)
    out = module_parameters(reference.under("W_o."), attention.out)
    return {
        "qkv.weight": into["weight"][rows],
        "qkv.bias": into["bias"][rows],
        "out.weight": out["weight"][:, order],
        "out.bias": out["bias"],
    }


def module_parameters(reference: Reference, module: nn.Module) -> Parameters:
    """Return the parameters and buffers of a module from those of the same names and shapes.

    A linear map may be a 1×1 convolution there. Of batch norms the count of batches may be missing.
    """
    made: Parameters = {}
    for name, ours in module.state_dict().items():
        if name == "num_batches_tracked" and name not in reference:
            continue
        shape = tuple(ours.shape)
        if isinstance(module, nn.Linear) and name == "weight":
            wide = name in reference and reference.entries[reference.prefix + name].ndim == 4
            shape = (*shape, 1, 1) if wide else shape
        made[name] = reference.take(name, shape).reshape(ours.shape)
    return made


def channel_norm_parameters(reference: Reference, channels: int) -> Parameters:
    """Return the parameters of a `LayerNorm` from those of the reference's norm over channels."""
    names = {"weight": "gamma", "bias": "beta"}
    shape = (1, channels, 1, 1)
    return {ours: reference.take(theirs, shape).flatten() for ours, theirs in names.items()}


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
            found = module_parameters(below.under(f"{number}."), module)
            made |= {f"{kind}.{which}.{name}": value for name, value in found.items()}
    return made
