"""What the commands of networks share: their options, and how they end.

They end as the other commands do: 0 done, 1 training could not go on, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from kuramoto._check import invalid

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def application() -> typer.Typer:
    """Return a group of commands without any."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=SETTINGS)


def option(metavar: str, help: str) -> Any:
    """Declare an option whose default the help says in words."""
    return typer.Option(metavar=metavar, help=help, show_default=False)


def argument(metavar: str, help: str) -> Any:
    """Declare an argument."""
    return typer.Argument(metavar=metavar, help=help, show_default=False)


RunFolder = Annotated[Path, argument("RUN", "Folder of a training run.")]
Data = Annotated[Path | None, option("PATH", "Folder or file of data [default: $KURAMOTO_DATA].")]
Seed = Annotated[int, option("SEED", "Of the initial states [default: 0].")]
Device = Annotated[
    str, option("DEVICE", "cpu or cuda [default: cuda where there is a GPU, else cpu].")
]

Changes = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")
]


def pairs(changes: list[str]) -> dict[str, str]:
    """Return what ``--set`` says."""
    return dict(map(_pair, changes))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise invalid("set", "be KEY=VALUE", repr(text))
    return name.strip(), value.strip()


def device_of(name: str) -> str:
    """Return a device: the one asked for, else the best there is."""
    if name:
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def interruptible(hint: str = "") -> Iterator[None]:
    """Turn Ctrl-C into exit code 130 and, if there is a way to go on, a line on it."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("kuramoto: interrupted" + (f"; {hint}" if hint else ""), err=True)
        raise typer.Exit(130) from None
