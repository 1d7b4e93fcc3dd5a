"""Weights on disk: models with their configuration as safetensors, and the reference's state dicts.

Nothing here reads a pickle.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from kuramoto._check import invalid, nearest, whole_number, wrong_type
from kuramoto.nn import compat

__all__ = ["load", "load_official", "save"]

Tensor = Any


def save(model: Any, path: str | Path) -> None:
    """Write a model, its weights and its configuration, to one safetensors file.

    Parameters
    ----------
    model : SudokuNet, or any that `kuramoto.nn.models.sudoku.build` makes
    path : str or Path
        A file that exists is replaced, at once.
    """
    from kuramoto.nn.models.sudoku import name_of
    from kuramoto.nn.training.files import save_weights

    config = dataclasses.asdict(model.config) if hasattr(model, "config") else {}
    save_weights(path, model, {"task": "sudoku", "model": {"name": name_of(model), **config}})


def load(path: str | Path) -> Any:
    """Return the model that `save` wrote, in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it does not say which model it holds, or the weights are another model's: names the
        first entry that does not fit, and both shapes.
    """
    from kuramoto.nn.models.sudoku import build
    from kuramoto.nn.training.files import load_weights

    about = json.loads(_open_safely(path)[1].get("about", "{}")).get("model")
    if not isinstance(about, dict) or "name" not in about:
        found = f"{path}, which does not say its model"
        remedy = "for a reference state dict take load_official"
        raise invalid("path", "be a file of kuramoto.nn.save", found, remedy)
    model = build(**about)
    load_weights(path, model)
    return model.eval()


def load_official(
    source: Mapping[str, Any] | str | Path, *, task: str = "sudoku", **settings: Any
) -> Any:
    """Build our model from a state dict of the reference implementation.

    It reproduces the reference's outputs from the same initial states. Its energies are eq. 3; the
    reference's own are `kuramoto.nn.compat.reference_energy`.

    Parameters
    ----------
    source : mapping of str to tensor or array, str or Path
        The state dict, or a safetensors file that holds one. Files of ``torch.save`` are pickles
        and not read here: pass ``torch.load(path, weights_only=True)`` if you trust them.
    task : {"sudoku", "sudoku_itrsa"}
    **settings
        What weights do not tell: ``steps`` (T, 16 by default), ``heads`` (8; AKOrN's tables tell).

    Returns
    -------
    SudokuNet or SudokuItrSA
        In evaluation mode.

    Raises
    ------
    ValueError
        If an entry is missing, unknown or of another shape: the first one is named, with both
        shapes.
    """
    if task not in _TASKS:
        raise invalid("task", f"be one of {', '.join(_TASKS)}", repr(task), nearest(task, _TASKS))
    entries = {name: torch.as_tensor(value) for name, value in _entries(source).items()}
    return _TASKS[task](_unwrapped(entries), **settings).eval()


def _sudoku(entries: Mapping[str, Tensor], *, steps: int = 16, heads: int = 8) -> Any:
    from kuramoto.nn.models.sudoku import SudokuNet

    reference = compat.Reference(entries)
    net = SudokuNet(_sudoku_config(reference, steps, heads))
    net.load_state_dict(sudoku_parameters(reference, net))
    reference.require_all_read(ignored=("x0",))  # the reference keeps it and never looks at it
    return net


def _sudoku_config(reference: compat.Reference, steps: int, heads: int) -> Any:
    """Read off the weights what they tell."""
    from kuramoto.nn.models.sudoku import SudokuConfig

    symbols, channels = reference.take("embedding.weight", (None, None)).shape
    lengths = reference.take("layers.0.1.0.invconv.weight", (None, channels, 1, 1)).shape[0]
    turns = "layers.0.0.omg.omg_param" in reference
    shared = turns and reference.entries["layers.0.0.omg.omg_param"].ndim == 1
    gta = "layers.0.0.connectivity.mat_q" in reference
    if gta:
        table = reference.take("layers.0.0.connectivity.mat_q", (None, None, 2, 2))
        heads = channels // (2 * int(table.shape[1]))
    blocks = {name.split(".")[1] for name in reference.entries if name.startswith("layers.")}
    return SudokuConfig(
        side=symbols - 1,
        channels=channels,
        dimensions=lengths // channels,
        heads=heads,
        blocks=len(blocks),
        steps=whole_number("steps", steps, least=1),
        frequency=("shared" if shared else "each") if turns else "none",
        positions="gta" if gta else "none",
    )


def sudoku_parameters(reference: compat.Reference, net: Any) -> compat.Parameters:
    """Return the parameters of a `SudokuNet` from those of the reference's network."""
    channels, side = net.config.channels, net.config.side
    made = {
        "embedding.weight": reference.take("embedding.weight", (side + 1, channels)),
        "logits.weight": reference.take("out.1.weight", (side, channels, 1, 1)),
        "logits.bias": reference.take("out.1.bias", (side,)),
    }
    size = compat.step_size(reference.take("gamma", (1,))[0], turns=net.config.frequency != "none")
    for number, block in enumerate(net.blocks):
        below = reference.under(f"layers.{number}.")
        layer = compat.layer_parameters(below.under("0."), block.layer)
        readout = compat.residual_readout_parameters(below.under("1."), block.readout)
        made |= {f"blocks.{number}.layer.{name}": value for name, value in layer.items()}
        made |= {f"blocks.{number}.readout.{name}": value for name, value in readout.items()}
        made[f"blocks.{number}.layer.step_size"] = size
    return made


def _itrsa(entries: Mapping[str, Tensor], **settings: Any) -> Any:
    from kuramoto.nn.baselines import from_official

    return from_official(entries, **settings)


_TASKS: dict[str, Callable[..., Any]] = {"sudoku": _sudoku, "sudoku_itrsa": _itrsa}


def _entries(source: Any) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, str | Path):
        raise wrong_type("source", "be a state dict or the path of a safetensors file", source)
    if Path(source).suffix in (".bin", ".ckpt", ".pkl", ".pt", ".pth"):
        remedy = "if you trust it, pass torch.load(path, weights_only=True)"
        raise invalid("source", "be a safetensors file, not a pickle", str(source), remedy)
    return _open_safely(source)[0]


def _unwrapped(entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the averaged weights out of what holds several, and what wrappers put before names."""
    for prefix in ("ema_model.", "module."):
        inner = {n.removeprefix(prefix): v for n, v in entries.items() if n.startswith(prefix)}
        entries = inner or entries
    return dict(entries)


def _open_safely(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a safetensors file and what is said about them."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"File {path} does not exist.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except SafetensorError as error:
        raise invalid("path", "be a safetensors file", f"{path} ({error})") from None
