"""Commands of networks: `kuramoto.cli` hands them over by name.

A file holds what one task or one kind of output needs; `options` is what they share. Runs are drawn
with the options of their task.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from kuramoto.nn.commands import (
    classification,
    objects,
    objects_pictures,
    robustness,
    sudoku,
    sudoku_pictures,
)
from kuramoto.nn.commands.options import application
from kuramoto.nn.commands.train import train

__all__ = ["app", "run"]

app = application()
app.command()(train)
app.command()(sudoku_pictures.plot)
app.command()(sudoku_pictures.animate)

_evaluate = application()
app.add_typer(_evaluate, name="evaluate", help="Score a trained network of a task.")
_evaluate.command("classification")(classification.evaluate)
_evaluate.command("objects")(objects.evaluate)
_evaluate.command("robustness")(robustness.evaluate)
_evaluate.command("sudoku")(sudoku.evaluate)
app.command()(objects.segment)

_drawn_objects = application()
_drawn_objects.command()(objects_pictures.plot)
_drawn_objects.command()(objects_pictures.animate)

_drawn_classes = application()
_drawn_classes.command()(classification.plot)
_drawn_classes.command()(classification.animate)
_DRAWN = {"objects": _drawn_objects, "classification": _drawn_classes}


@_evaluate.callback(invoke_without_command=True)
def _require_task(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise ValueError("Which task? As in: kuramoto evaluate sudoku RUN.")


def run(name: str | None, arguments: Sequence[str]) -> int:
    """Run one of the commands on what `kuramoto.cli` was given; return its exit code."""
    chosen = _DRAWN.get(str(_task_of(arguments)), app) if name in ("plot", "animate") else app
    command = typer.main.get_command(chosen)
    code = command.main([str(name), *arguments], prog_name="kuramoto", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _task_of(arguments: Sequence[str]) -> str | None:
    """Return the task of the first training run among the arguments; whether it is one, it says."""
    for path in (Path(word, "config.json") for word in arguments):
        try:
            return str(json.loads(path.read_text())["recipe"]["task"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
