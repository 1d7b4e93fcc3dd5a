"""Weights on disk: models with their configuration as safetensors, and the reference's state dicts.

Nothing here reads a pickle.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from kuramoto._check import invalid, nearest, wrong_type
from kuramoto.nn.official import TASKS

__all__ = ["load", "load_official", "save"]

Tensor = Any


def save(model: Any, path: str | Path) -> None:
    """Write a model, its weights and its configuration, to one safetensors file.

    Parameters
    ----------
    model : SudokuNet, ObjectNet, ClassifierNet, or any that `kuramoto.nn.models.build` makes
    path : str or Path
        A file that exists is replaced, at once.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    from kuramoto.nn.models import name_of
    from kuramoto.nn.training.files import save_weights

    task, name = name_of(model)
    config = dataclasses.asdict(model.config)
    save_weights(path, model, {"task": task, "model": {"name": name, **config}})


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
    from kuramoto.nn.models import build
    from kuramoto.nn.training.files import load_weights, read_file

    about = json.loads(read_file(path)[1].get("about", "{}"))
    config = about.get("model")
    if not isinstance(config, dict) or "name" not in config:
        found = f"{path}, which does not say its model"
        remedy = "for a reference state dict take load_official"
        raise invalid("path", "be a file of kuramoto.nn.save", found, remedy)
    model = build(about.get("task", "sudoku"), **config)
    load_weights(path, model)
    return model.eval()


def load_official(
    source: Mapping[str, Any] | str | Path, *, task: str = "sudoku", **settings: Any
) -> Any:
    """Build our model from a state dict of the reference implementation.

    It reproduces the reference's outputs from the same initial states, which ``x0=`` takes where
    the model is for images. Its energies are eq. 3; the reference's own are
    `kuramoto.nn.compat.reference_energy`.

    Parameters
    ----------
    source : mapping of str to tensor or array, str or Path
        The state dict, or a safetensors file that holds one. Files of ``torch.save`` are pickles
        and not read here: pass ``torch.load(path, weights_only=True)`` if you trust them. Averaged
        weights (``ema_model.``) are taken where there are both.
    task : {"sudoku", "sudoku_itrsa", "objects", "objects_itrsa", "classification"}
    **settings
        What weights do not tell:

        * ``steps``: T; 16 for the two of Sudoku, 8 for those of objects, 3 for classification. The
          image networks also take one number for each block.
        * ``heads``: 8. GTA's tables tell them, where there are any.
        * ``project``: True; False for networks trained without Proj. Image networks.
        * ``dimensions``: N; 2 for classification. For objects the readout tells it, else 4.
        * ``pool``: "max", or "mean" (``maxpool=False`` there). Objects.
        * ``image_size``: 8 patches where no positions tell it. Objects. Images of other sizes are
          taken as they are; the reference resizes them first where ``autorescale`` is on.
        * ``samples``: 1, initial states whose logits are averaged (``ensemble``). Classification.

    Returns
    -------
    SudokuNet, SudokuItrSA, ObjectNet, ImageItrSA or ClassifierNet
        In evaluation mode.

    Raises
    ------
    ValueError
        If an entry is missing, unknown or of another shape: the first one is named, with both
        shapes. If the task does not know a setting.
    """
    if task not in TASKS:
        raise invalid("task", f"be one of {', '.join(TASKS)}", repr(task), nearest(task, TASKS))
    known = [name for name in inspect.signature(TASKS[task]).parameters if name != "entries"]
    for name in settings:
        if name not in known:
            must = f"be of {', '.join(known)} for {task}"
            raise invalid("settings", must, f"`{name}`", nearest(name, known))
    return TASKS[task](_unwrapped(_tensors(_entries(source))), **settings).eval()


def _entries(source: Any) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, str | Path):
        raise wrong_type("source", "be a state dict or the path of a safetensors file", source)
    if Path(source).suffix in (".bin", ".ckpt", ".pkl", ".pt", ".pth"):
        remedy = "if you trust it, pass torch.load(path, weights_only=True)"
        raise invalid("source", "be a safetensors file, not a pickle", str(source), remedy)
    from kuramoto.nn.training.files import read_file

    return read_file(source)[0]


def _tensors(entries: Mapping[str, Any]) -> dict[str, Tensor]:
    for name, value in entries.items():
        if not hasattr(value, "shape"):
            remedy = "pass the inner dict that holds the weights"
            found = f"holds `{name}` of type {type(value).__name__}"
            raise invalid("source", "hold nothing but tensors", found, remedy)
    return {name: torch.as_tensor(value) for name, value in entries.items()}


def _unwrapped(entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the averaged weights out of what holds several, and what wrappers put before names."""
    for prefix in ("ema_model.", "module.", "_orig_mod."):
        inner = {n.removeprefix(prefix): v for n, v in entries.items() if n.startswith(prefix)}
        entries = inner or entries
    return dict(entries)
