"""The reference implementation's networks, built as ours from their state dicts: one task each.

Everything that the weights tell is read from them: channels, N, blocks, kernels, which parts there
are. What they do not tell are keyword arguments. `kuramoto.nn.load_official` is the way in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from kuramoto._check import whole_number
from kuramoto.nn import compat
from kuramoto.nn.reference import Parameters, Reference, under

__all__ = ["TASKS", "classification", "objects", "objects_itrsa", "sudoku", "sudoku_itrsa"]

Tensor = Any
Entries = Mapping[str, Tensor]


def sudoku(entries: Entries, *, steps: int = 16, heads: int = 8) -> Any:
    """Build a `SudokuNet`.

    Parameters
    ----------
    entries : mapping of str to tensor
    steps : int
        T.
    heads : int
        Where no GTA tables tell.
    """
    from kuramoto.nn.models.sudoku import SudokuConfig, SudokuNet

    reference = Reference(entries)
    symbols, channels = reference.take("embedding.weight", (None, None)).shape
    lengths = reference.take("layers.0.1.0.invconv.weight", (None, channels, 1, 1)).shape[0]
    layer = reference.under("layers.0.0.")
    config = SudokuConfig(
        side=symbols - 1,
        channels=channels,
        dimensions=max(1, lengths // channels),
        heads=compat.heads(layer, channels, heads),
        blocks=reference.count("layers."),
        steps=whole_number("steps", steps, least=1),
        frequency=compat.frequency(layer),
        positions="gta" if layer.has_under("connectivity.mat_") else "none",
    )
    net = SudokuNet(config)
    # The reference keeps x0 and never looks at it.
    return reference.fill(net, sudoku_parameters(reference, net), ignored=("x0",))


def sudoku_parameters(reference: Reference, net: Any) -> Parameters:
    """Return the parameters of a `SudokuNet` from those of the reference's network."""
    made = _copied(reference, net, {"embedding": "embedding", "logits": "out.1"})
    for number, block in enumerate(net.blocks):
        below, ours = reference.under(f"layers.{number}."), f"blocks.{number}."
        made |= _layer(reference, below.under("0."), block.layer, ours)
        readout = compat.residual_readout_parameters(below.under("1."), block.readout)
        made |= under(f"{ours}readout.", readout)
    return made


def sudoku_itrsa(entries: Entries, *, steps: int = 16, heads: int = 8) -> Any:
    """Build a `SudokuItrSA`."""
    from kuramoto.nn.baselines import from_official

    return from_official(entries, steps=steps, heads=heads)


def objects(
    entries: Entries,
    *,
    steps: int | tuple[int, ...] = 8,
    heads: int = 8,
    dimensions: int = 4,
    image_size: int | None = None,
    pool: str = "max",
    project: bool = True,
) -> Any:
    """Build an `ObjectNet`.

    Parameters
    ----------
    entries : mapping of str to tensor
    steps : int or tuple of int
        T, of all blocks or of each.
    heads : int
        Where no GTA tables tell.
    dimensions : int
        N, where no readout tells.
    image_size : int, optional
        Side, where no positions tell; default 8 patches.
    pool : {"max", "mean"}
        ``maxpool`` there.
    project : bool
    """
    from kuramoto.nn.models.objects import ObjectConfig, ObjectNet

    reference = Reference(entries)
    patches = _patches(reference)
    told = _object_settings(reference, patches["channels"], heads, dimensions)
    positions, grid = _places(reference, patches["channels"], told["heads"])
    side = patches["patch_size"] * grid if grid else image_size or 8 * patches["patch_size"]
    config = ObjectConfig(
        **patches,
        **told,
        positions=positions,
        image_size=side,
        steps=steps,
        pool=pool,
        project=project,
    )
    net = ObjectNet(config)
    return reference.fill(net, object_parameters(reference, net))


def _object_settings(
    reference: Reference, channels: int, heads: int, dimensions: int
) -> dict[str, Any]:
    layer = reference.under("layers.0.0.")
    reads = reference.has_under("layers.0.1.")
    if reads:
        rows = reference.take("layers.0.1.invconv.weight", (None, channels, 1, 1)).shape[0]
        dimensions = max(1, rows // channels)
    L = max(1, reference.count("layers."))
    norms = [compat.stimulus_norm(reference.under(f"layers.{number}.0.")) for number in range(L)]
    return {
        "dimensions": dimensions,
        "blocks": L,
        "connectivity": compat.connectivity(layer),
        "heads": compat.heads(layer, channels, heads),
        "kernel_size": compat.kernel_size(layer),
        "frequency": compat.frequency(layer),
        "stimulus_norm": "between" if norms[:2] == ["none", "group"] else norms[0],
        "readout": "norm" if reads else "none",
        "state_map": reference.has_under("layers.0.2."),
    }


def _places(reference: Reference, channels: int, heads: int) -> tuple[str, int | None]:
    """Return the word for the positions, and the grid's side that they tell."""
    if reference.has_under("pemb_"):
        return "ape", int(reference.take("pemb_c", (channels, None, None)).shape[1])
    layer = reference.under("layers.0.0.connectivity.")
    if not layer.has_under("mat_"):
        return "none", None
    pairs = channels // heads // 2
    side = math.isqrt(int(layer.take("mat_q", (None, pairs, 2, 2)).shape[0]))
    layer.take("mat_q", (side * side, pairs, 2, 2))
    return "gta", side


def object_parameters(reference: Reference, net: Any) -> Parameters:
    """Return the parameters of an `ObjectNet` from those of the reference's network."""
    made = _copied(reference, net, _AROUND)
    if net.stimulus_places is not None:
        for ours, theirs in (("stimulus_places", "pemb_c"), ("state_places", "pemb_x")):
            shape = tuple(getattr(net, ours).embedding.shape)
            made[f"{ours}.embedding"] = reference.take(theirs, shape[1:])[None]
    for number, block in enumerate(net.blocks):
        below, ours = reference.under(f"layers.{number}."), f"blocks.{number}."
        made |= _layer(reference, below.under("0."), block.layer, ours)
        if net.config.readout == "norm":
            found = compat.readout_parameters(below.under("1."), block.readout)
            made |= under(f"{ours}readout.", found)
        if block.entrance is not None:
            before = {f"{ours}entrance.map": f"layers.{number - 1}.2"}
            made |= _copied(reference, net, before)
    return made


def objects_itrsa(entries: Entries, *, steps: int = 8, heads: int = 8) -> Any:
    """Build an `ImageItrSA`; with steps=1 it is a ViT.

    Parameters
    ----------
    entries : mapping of str to tensor
    steps : int
        T.
    heads : int
    """
    from kuramoto.nn.baselines import ImageItrSA, ImageItrSAConfig

    reference = Reference(entries)
    patches = _patches(reference)
    C, grid = patches["channels"], 8
    placed = "pos_embed" in reference
    if placed:
        grid = int(reference.take("pos_embed", (C, None, None)).shape[1])
    mlp = reference.take("transformer_encoder.0.mlp.0.weight", (None, C, 1, 1))
    config = ImageItrSAConfig(
        **patches,
        image_size=patches["patch_size"] * grid,
        heads=heads,
        steps=steps,
        blocks=reference.count("transformer_encoder."),
        hidden=mlp.shape[0],
        positions="ape" if placed else "none",
    )
    net = ImageItrSA(config)
    return reference.fill(net, itrsa_parameters(reference, net))


def itrsa_parameters(reference: Reference, net: Any) -> Parameters:
    """Return the parameters of an `ImageItrSA` from those of the reference's network."""
    made = _copied(reference, net, _AROUND)
    C = net.config.channels
    made |= under("norm.", compat.channel_norm_parameters(reference.under("out.0."), C))
    if net.places is not None:
        shape = tuple(net.places.embedding.shape)[1:]
        made["places.embedding"] = reference.take("pos_embed", shape)[None]
    for number, block in enumerate(net.blocks):
        theirs, ours = f"transformer_encoder.{number}", f"blocks.{number}"
        below = reference.under(f"{theirs}.")
        for place, norm in (("attention_norm", "layernorm1."), ("mlp_norm", "layernorm2.")):
            found = compat.channel_norm_parameters(below.under(norm), C)
            made |= under(f"{ours}.{place}.", found)
        found = compat.self_attention_parameters(below.under("attn."), block.attention)
        made |= under(f"{ours}.attention.", found)
        made |= _copied(reference, net, {f"{ours}.mlp.{n}": f"{theirs}.mlp.{n}" for n in (0, 2)})
    return made


def classification(
    entries: Entries,
    *,
    steps: int | tuple[int, ...] = 3,
    heads: int = 8,
    dimensions: int = 2,
    samples: int = 1,
    project: bool = True,
) -> Any:
    """Build a `ClassifierNet`.

    Parameters
    ----------
    entries : mapping of str to tensor
    steps : int or tuple of int
        T, of all blocks or of each.
    heads : int
        Of attentive blocks.
    dimensions : int
        N.
    samples : int
        Initial states whose logits are averaged (``ensemble`` there).
    project : bool
    """
    from kuramoto.nn.models.classification import ClassifierConfig, ClassifierNet

    reference = Reference(entries)
    told = _classifier_settings(reference)
    config = ClassifierConfig(
        **told,
        steps=steps if isinstance(steps, tuple | list) else (steps,) * len(told["channels"]),
        heads=heads,
        dimensions=dimensions,
        samples=samples,
        project=project,
    )
    net = ClassifierNet(config)
    return reference.fill(net, classifier_parameters(reference, net))


def _classifier_settings(reference: Reference) -> dict[str, Any]:
    first, image_channels = reference.take("conv0.weight", (None, None, 3, 3)).shape[:2]
    channels, L = [int(first)], max(1, reference.count("layers."))
    for number in range(1, L):
        name = compat.transition(reference, number) + ".weight"
        channels.append(int(reference.take(name, (None, channels[-1], None, None)).shape[0]))
    layers = [reference.under(f"layers.{number}.2.") for number in range(L)]
    shape = (None, channels[0], None, None)
    rows, _, size, _ = reference.take("layers.0.3.0.invconv.weight", shape).shape
    return {
        "image_channels": int(image_channels),
        "channels": tuple(channels),
        "connectivity": tuple(compat.connectivity(layer) for layer in layers),
        "kernel_sizes": tuple(compat.kernel_size(layer) for layer in layers),
        "strides": tuple(2 if number in (1, 2) else 1 for number in range(L)),
        "frequency": compat.frequency(layers[0]),
        "stimulus_norm": compat.stimulus_norm(layers[0]),
        "readout_dimensions": max(1, rows // channels[0]),
        "readout_kernel_size": int(size),
        "readout_norm": reference.has_under("layers.0.3.2.fn.0."),
        "outputs": int(reference.take("out.weight", (None, channels[-1])).shape[0]),
    }


def classifier_parameters(reference: Reference, net: Any) -> Parameters:
    """Return the parameters of a `ClassifierNet` from those of the reference's network."""
    made = _copied(reference, net, {"stem": "conv0", "logits": "out"})
    for number, block in enumerate(net.blocks):
        below, ours = reference.under(f"layers.{number}."), f"blocks.{number}."
        made |= _layer(reference, below.under("2."), block.layer, ours)
        readout = compat.residual_readout_parameters(below.under("3."), block.readout)
        made |= under(f"{ours}readout.", readout)
        if number:
            found = compat.transition_parameters(reference, number, block.entrance.map)
            made |= under(f"{ours}entrance.map.", found)
    return made


TASKS: dict[str, Callable[..., Any]] = {
    "classification": classification,
    "objects": objects,
    "objects_itrsa": objects_itrsa,
    "sudoku": sudoku,
    "sudoku_itrsa": sudoku_itrsa,
}

# What stands around the blocks of the networks for objects: ours, and the reference's.
_AROUND = {"patches.weights": "patchfy.1", "head.0": "out.3", "head.2": "out.5"}


def _patches(reference: Reference) -> dict[str, Any]:
    """Read off what stands around the blocks of the networks for objects."""
    patchify = reference.take("patchfy.1.weight", (None, None, None, None))
    channels, image_channels, patch, _ = (int(size) for size in patchify.shape)
    reference.take("patchfy.1.weight", (None, None, patch, patch))
    hidden = int(reference.take("out.3.weight", (None, channels)).shape[0])
    return {
        "patch_size": patch,
        "image_channels": image_channels,
        "channels": channels,
        "head_hidden": hidden,
        "outputs": int(reference.take("out.5.weight", (None, hidden)).shape[0]),
    }


def _layer(reference: Reference, below: Reference, layer: Any, ours: str) -> Parameters:
    """Return the parameters of one of several layers, with the γ that all of them share."""
    made = compat.layer_parameters(below, layer)
    gamma = reference.take("gamma", (1,))[0]
    made["step_size"] = compat.step_size(gamma, turns=layer.frequency is not None)
    return under(f"{ours}layer.", made)


def _copied(reference: Reference, net: Any, places: Mapping[str, str]) -> Parameters:
    """Return the parameters of modules of ours that are the same there, by both their names."""
    made: Parameters = {}
    for ours, theirs in places.items():
        module = net.get_submodule(ours)
        found = compat.module_parameters(reference.under(f"{theirs}."), module)
        made |= under(f"{ours}.", found)
    return made
