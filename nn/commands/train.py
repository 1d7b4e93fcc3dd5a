"""``kuramoto train``: a network of any task, from a preset or a run, into a folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kuramoto.cli import Force, Quiet
from kuramoto.nn.commands.options import Changes, Data, Device, argument, device_of, option, pairs

if TYPE_CHECKING:
    from kuramoto.nn.training import Outcome

__all__ = ["train"]

Task = Annotated[str, argument("TASK", "What to train for: sudoku, ...")]


def train(
    task: Task,
    preset: Annotated[str | None, option("NAME", "Model and settings [default: cpu].")] = None,
    data: Data = None,
    out: Annotated[
        Path | None, option("RUN", "Folder to write to [default: TASK_PRESET, in this folder].")
    ] = None,
    steps: Annotated[int | None, option("N", "Optimiser steps in all.")] = None,
    minutes: Annotated[float | None, option("M", "Time of training in all.")] = None,
    resume: Annotated[
        Path | None, option("RUN", "Go on with this run, or from this checkpoint of a run.")
    ] = None,
    device: Device = "",
    changes: Changes = [],  # noqa: B006  (typer takes a copy)
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train a network into a folder: weights, checkpoints, metrics.

    As in: kuramoto train sudoku --preset cpu --out run. A run that was interrupted or killed goes
    on, to the same losses, with: kuramoto train sudoku --resume run. --set batch=50 changes a
    setting of the preset, --set model.channels=128 one of the model, --set model.name=itrsa the
    model itself.
    """
    from kuramoto.nn import training

    if resume is None:
        recipe, settings, folder = _begin(task, preset, data, out, changes)
        start: bool | Path = False
    else:
        given = {"--preset": preset, "--out": out, "--set": changes, "--force": force}
        recipe, settings, folder, start = _go_on(task, resume, data, given)
    limits = {"steps": steps, "minutes": minutes}
    settings = settings.with_changes({k: v for k, v in limits.items() if v is not None})
    outcome = training.fit(
        recipe,
        settings,
        folder,
        device=device_of(device),
        resume=start,
        progress=not quiet,
        overwrite=force,
    )
    raise typer.Exit(_report(task, folder, settings, outcome, quiet))


def _begin(
    task: str, preset: str | None, data: Path | None, out: Path | None, changes: list[str]
) -> tuple[Any, Any, Path]:
    from kuramoto.nn import tasks

    name = preset or "cpu"
    recipe, settings = tasks.task(task).prepare(name, data, pairs(changes))
    return recipe, settings, out or Path(f"{task}_{name}")


def _go_on(
    task: str, path: Path, data: Path | None, given: dict[str, Any]
) -> tuple[Any, Any, Path, bool | Path]:
    from kuramoto.nn import tasks, training

    extra = next((name for name, value in given.items() if value), None)
    if extra is not None:
        raise ValueError(f"Option {extra} cannot be given with --resume: the run knows it.")
    folder = path
    if path.suffix == ".safetensors":
        folder = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    run = training.Run(folder)
    recipe = tasks.task(task).restore(run.recipe, data)
    return recipe, run.settings, folder, True if folder == path else path


def _report(task: str, folder: Path, settings: Any, outcome: Outcome, quiet: bool) -> int:
    """Say how training ended, and return the exit code."""
    from kuramoto.nn.training.run import first_process

    again = f"continue with: kuramoto train {task} --resume {shlex.quote(str(folder))}"
    if outcome.interrupted:
        typer.echo(f"kuramoto: interrupted at step {outcome.step}; {again}", err=True)
        return 130
    if not quiet and first_process():
        numbers = [f"{k} {v:.4g}" for k, v in outcome.metrics.items() if k != "step"]
        told = ", ".join(numbers) or "nothing is left to do, but with more --steps"
        typer.echo(f"{folder}: step {outcome.step} of {settings.steps}; {told}")
        if not outcome.finished:
            typer.echo(f"Time is up; {again} --minutes M")
    return 0
