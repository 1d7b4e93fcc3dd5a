"""Commands of networks: train, evaluate, plot, animate; `kuramoto.cli` hands them over by name.

A file holds what one task or one kind of output needs; `options` is what they share.
"""

from __future__ import annotations

from collections.abc import Sequence

import typer

from kuramoto.nn.commands import pictures, sudoku
from kuramoto.nn.commands.options import application
from kuramoto.nn.commands.train import train

__all__ = ["app", "run"]

app = application()
app.command()(train)
app.command()(pictures.plot)
app.command()(pictures.animate)

_evaluate = application()
app.add_typer(_evaluate, name="evaluate", help="Score a trained network of a task.")
_evaluate.command("sudoku")(sudoku.evaluate)


@_evaluate.callback(invoke_without_command=True)
def _require_task(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise ValueError("Which task? As in: kuramoto evaluate sudoku RUN.")


def run(name: str | None, arguments: Sequence[str]) -> int:
    """Run one of the commands on what `kuramoto.cli` was given; return its exit code."""
    command = typer.main.get_command(app)
    code = command.main([str(name), *arguments], prog_name="kuramoto", standalone_mode=False)
    return code if isinstance(code, int) else 0
