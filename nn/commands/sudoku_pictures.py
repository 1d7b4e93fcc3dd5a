"""``kuramoto plot`` and ``kuramoto animate`` of runs of Sudoku."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuramoto._outputs import require_free
from kuramoto.cli import Force, NoBar
from kuramoto.nn.commands.options import (
    Data,
    Device,
    RunFolder,
    Seed,
    argument,
    device_of,
    interruptible,
    option,
)
from kuramoto.nn.commands.outputs import (
    beside,
    names_of,
    picture_formats,
    require_ending,
    require_numbers,
    written,
)

__all__ = ["animate", "plot"]

Steps = Annotated[int | None, option("T", "Kuramoto steps [default: four times as trained].")]


def plot(
    runs: Annotated[list[Path], argument("RUN", "Folders of training runs.")],
    out: Annotated[
        Path | None, option("FILE", "Picture to write; its ending says how [default: RUN.png].")
    ] = None,
    boards: Annotated[
        Path | None, option("FILE", "Boards with solutions [default: the held-out ones].")
    ] = None,
    data: Data = None,
    limit: Annotated[int, option("N", "Boards at most, spread evenly [default: 100].")] = 100,
    steps: Steps = None,
    samples: Annotated[int, option("K", "Samples of every board [default: 8].")] = 8,
    batch: Annotated[int | None, option("B", "Samples computed at once.")] = None,
    seed: Seed = 0,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Draw a training run: how it learned, what its network answers, what the energy tells.

    As in: kuramoto plot run --steps 128 --samples 16. Learning curves; accuracy by givens, steps
    and samples of a vote; energies of right and wrong samples; a board. Of several runs, what they
    have in common. Without boards the learning curves alone.
    """
    from kuramoto.nn.pictures import figure_portraits
    from kuramoto.nn.pictures.runs import Source, caption_of, portrait_of
    from kuramoto.nn.training import Run

    target = out or beside(runs[0], ".png")
    require_ending(target, picture_formats())
    require_free(target, force)
    how = {"steps": steps, "samples": samples, "batch": batch, "seed": seed}
    require_numbers(**how, limit=limit)
    opened, names = [Run(path) for path in runs], names_of(runs)
    source = Source(boards, data, limit, device_of(device))
    portraits = []
    with interruptible():
        for one, name in zip(opened, names, strict=True):
            found, missing = portrait_of(one, name, source, progress=not quiet, **how)
            portraits.append(found)
            for part in missing:
                typer.echo(f"Left out of {name}: {part}")
        caption = caption_of(portraits, opened, boards)
        figure = figure_portraits(portraits, title=", ".join(names), caption=caption)
        with written(target, force) as temporary:
            figure.savefig(temporary, format=target.suffix[1:].lower(), dpi=130)
    typer.echo(f"Wrote {target}")


def animate(
    run: RunFolder,
    board: Annotated[
        str | None, option("BOARD", "Board to solve: 53..7.... [default: a held-out one].")
    ] = None,
    out: Annotated[
        Path | None, option("FILE", "Animation to write, .gif or .mp4 [default: RUN.gif].")
    ] = None,
    data: Data = None,
    steps: Steps = None,
    samples: Annotated[
        int, option("K", "Show the sample of lowest energy of so many [default: 1].")
    ] = 1,
    every: Annotated[int, option("E", "Show every so many steps [default: 1].")] = 1,
    seed: Seed = 0,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Animate how a trained network solves a board: its digits and its energy, step by step.

    As in: kuramoto animate run --board "53..7....6..195..." --samples 16. Digits are faint and on
    grey while the network is not sure of them. MP4 needs ffmpeg.
    """
    from kuramoto.nn.pictures.movie import require_ffmpeg
    from kuramoto.nn.pictures.runs import board_of, solve_board
    from kuramoto.nn.pictures.solving import write_solving
    from kuramoto.nn.tasks.presets import network_of
    from kuramoto.nn.training import Run

    target = out or beside(run, ".gif")
    require_ending(target, (".gif", ".mp4"))
    if target.suffix.lower() == ".mp4":
        require_ffmpeg()
    require_free(target, force)
    require_numbers(steps=steps, samples=samples, every=every, seed=seed)
    opened = Run(run)
    puzzle = board_of(opened, board, data)
    with interruptible():
        model = network_of(opened, "sudoku", device_of(device))
        found = solve_board(model, puzzle, steps=steps, samples=samples, seed=seed)
        others = found.energies if samples > 1 else None
        shown = {"solution": found.solution, "others": others, "every": every}
        title = f"{names_of([run])[0]}: {found.words}"
        with written(target, force) as temporary:
            write_solving(found.solving, temporary, title=title, progress=not quiet, **shown)
    typer.echo(f"Wrote {target}: {found.words}")
