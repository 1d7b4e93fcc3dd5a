"""What the presets of all tasks have in common: a model, settings, options, changed by words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kuramoto._check import invalid, nearest
from kuramoto.nn import models
from kuramoto.nn.training import Settings, changed

if TYPE_CHECKING:
    from kuramoto.nn.training import Run

__all__ = [
    "Preset",
    "Wishes",
    "changed_model",
    "chosen",
    "full",
    "network_of",
    "require_task",
    "wishes",
]


@dataclass(frozen=True)
class Preset:
    """A model, how it is trained, and what belongs to the task."""

    model: Mapping[str, Any]
    training: Settings
    options: Any


class Wishes(NamedTuple):
    """Changes to a preset by what they change, as text."""

    model: dict[str, str]
    options: dict[str, str]
    training: dict[str, str]


def chosen(presets: Mapping[str, Preset], name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in presets:
        raise ValueError(f"There is no preset `{name}`; {nearest(name, presets)}")
    return presets[name]


def wishes(changes: Mapping[str, str] | None, options: type) -> Wishes:
    """Sort changes: ``model.KEY``, fields of a task's options, and the rest, of training.

    Examples
    --------
    >>> wishes({"model.steps": "8", "batch": "50"}, Settings)
    Wishes(model={'steps': '8'}, options={'batch': '50'}, training={})
    """
    sorted_out = Wishes({}, {}, {})
    fields = {field.name for field in dataclasses.fields(options)}
    for key, value in (changes or {}).items():
        if key.startswith("model."):
            sorted_out.model[key.removeprefix("model.")] = value
        elif key in fields:
            sorted_out.options[key] = value
        else:
            sorted_out.training[key] = value
    return sorted_out


def changed_model(
    task: str, model: Mapping[str, Any], changes: Mapping[str, str]
) -> dict[str, Any]:
    """Return a model's name and values with some changed.

    Another model drops the values that it does not know, or that are of another type there: one
    number for each block, or one for all.

    Raises
    ------
    ValueError
        If there is no such model or value.

    Examples
    --------
    >>> model = {"name": "akorn", "channels": 32, "dimensions": 4}
    >>> changed_model("sudoku", model, {"name": "transformer", "heads": "4"})["channels"]
    32
    """
    name, known = changes.get("name", model["name"]), models.MODELS[task]
    if name not in known:
        must = f"be one of {', '.join(sorted(known))}"
        raise invalid("model.name", must, repr(name), nearest(name, known))
    config, own = known[name].types[0], known[name].preset
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    kept = {key: value for key, value in model.items() if _fits(value, usual.get(key, _UNKNOWN))}
    blocks = {len(value) for value in own.values() if isinstance(value, tuple)}
    if blocks:  # a model that says what its blocks are has as many as it has
        kept = {k: v for k, v in kept.items() if not isinstance(v, tuple) or len(v) in blocks}
    inner = {key: value for key, value in changes.items() if key != "name"}
    return {"name": name, **dataclasses.asdict(changed(config(**{**kept, **own}), inner))}


_UNKNOWN = object()


def _fits(value: Any, usual: Any) -> bool:
    """Say whether a value can stand where the usual one does."""
    several = isinstance(value, list | tuple) == isinstance(usual, list | tuple)
    return usual is not _UNKNOWN and (usual is None or several)


def full(task: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return name and all values of a model: defaults may change, a run may not."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        made = models.build(task, **model)
    return {"name": model["name"], **dataclasses.asdict(made.config)}


def require_task(about: Mapping[str, Any], task: str, name: str = "The run") -> None:
    """Raise unless a run's recipe is of this task."""
    if about.get("task") != task:
        raise ValueError(f"{name} is of the task {about.get('task')}, not of {task}.")


def network_of(run: Run, task: str, device: str = "cpu") -> Any:
    """Return a run's network with its averaged weights, in evaluation mode.

    Raises
    ------
    ValueError
        If the run is of another task, or there is no such device.
    """
    from kuramoto.nn.training.run import accelerator

    accelerator(device)
    require_task(run.recipe, task, f"Run {run.folder}")
    return run.load(models.build(task, **run.recipe["model"])).to(device)
