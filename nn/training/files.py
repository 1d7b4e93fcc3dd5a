"""Weights and checkpoints as safetensors: tensors and JSON, so that reading never runs code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from kuramoto._outputs import cannot_write, give_name, temporary_name


def write_tree(path: str | Path, tree: Mapping[str, Any]) -> None:
    """Write nested dicts, lists and tuples of plain values and tensors to one file, at once.

    The file appears whole or not at all: a process that is killed leaves the previous one.

    Parameters
    ----------
    path
        File to write; one that exists is replaced.
    tree
        What to write. Keys are texts or whole numbers.

    Raises
    ------
    TypeError
        If something in it is neither plain nor a tensor.
    """
    tensors: dict[str, Any] = {}
    plain = _encode(dict(tree), "", tensors)
    _write(Path(path), tensors, {"tree": json.dumps(plain)})


def read_tree(path: str | Path) -> dict[str, Any]:
    """Return what `write_tree` wrote, with tensors on the CPU.

    Raises
    ------
    ValueError
        If the file is something else, or damaged.
    """
    tensors, about = read_file(path)
    if "tree" not in about:
        raise ValueError(f"File {path} holds no checkpoint; give a file of a run's checkpoints/.")
    tree: dict[str, Any] = _decode(json.loads(about["tree"]), tensors)
    return tree


def save_weights(path: str | Path, model: Any, about: Mapping[str, Any] | None = None) -> None:
    """Write a model's weights, and plain values that say what it is.

    Parameters
    ----------
    path
        File to write; one that exists is replaced.
    model : torch.nn.Module
        Whose ``state_dict`` to write.
    about
        Plain values, kept as JSON beside the tensors.
    """
    tensors = {name: _own(tensor) for name, tensor in model.state_dict().items()}
    _write(Path(path), tensors, {"about": json.dumps(dict(about or {}))})


def load_weights(path: str | Path, model: Any) -> dict[str, Any]:
    """Load a model's weights, and return what was written about them.

    Parameters
    ----------
    path
        File that `save_weights` wrote.
    model : torch.nn.Module
        Where the weights go; nothing is loaded if any of them does not fit.

    Raises
    ------
    ValueError
        If the weights are another model's: the first that does not fit is named.
    """
    tensors, about = read_file(path)
    require_same_model(str(path), tensors, model.state_dict())
    model.load_state_dict(tensors)
    told: dict[str, Any] = json.loads(about.get("about", "{}"))
    return told


def require_same_model(file: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise a `ValueError` that names the first tensor that does not fit, and both its shapes."""
    for name in [*wanted, *(name for name in found if name not in wanted)]:
        theirs, ours = _shape(found, name), _shape(wanted, name)
        if ours != theirs:
            raise ValueError(
                f"{file} is of another model: `{name}` is {theirs} in the file, "
                f"but {ours} in the model."
            )


def _shape(tensors: Mapping[str, Any], name: str) -> str:
    return f"of shape {tuple(tensors[name].shape)}" if name in tensors else "missing"


def _own(tensor: Any) -> Any:
    """Return a contiguous copy on the CPU: safetensors refuses memory that two names share."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def write_whole(path: Path, content: bytes, *, overwrite: bool = True) -> None:
    """Write a file at once: it appears whole, on the disk, or not at all."""
    temporary = temporary_name(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        give_name(temporary, path, overwrite)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write(path: Path, tensors: Mapping[str, Any], about: dict[str, str]) -> None:
    from safetensors.torch import save

    write_whole(path, save(dict(tensors), metadata=about))


def read_file(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors of a safetensors file and what is said about them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is something else, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"File {path} does not exist.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except SafetensorError as error:
        remedy = "where there is an older one, give that"
        raise ValueError(
            f"File {path} is not safetensors, or is damaged ({error}); {remedy}."
        ) from error


def _encode(value: Any, name: str, tensors: dict[str, Any]) -> Any:
    """Return JSON for a tree; its tensors go to `tensors` under their paths."""
    if isinstance(value, torch.Tensor):
        if name in tensors:
            raise TypeError(f"A checkpoint cannot hold {name}: two tensors have this path.")
        tensors[name] = _own(value)
        return {"tensor": name}
    if isinstance(value, Mapping):
        items = [(key, value[key]) for key in value]
        return {"dict": [[_key(k, name), _encode(v, f"{name}/{k}", tensors)] for k, v in items]}
    if isinstance(value, list | tuple):
        rows = [_encode(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": rows}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"A checkpoint cannot hold {name}: it is of type {type(value).__name__}.")


def _key(key: Any, name: str) -> Any:
    if type(key) not in (int, str):
        raise TypeError(f"A checkpoint cannot hold {name}: a key is of type {type(key).__name__}.")
    return key


def _decode(value: Any, tensors: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in inner}
    rows = [_decode(item, tensors) for item in inner]
    return tuple(rows) if kind == "tuple" else rows
