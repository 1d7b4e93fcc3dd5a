"""``kuramoto plot`` and ``kuramoto animate`` of training runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kuramoto._check import invalid, whole_number
from kuramoto._outputs import cannot_write, give_name, require_free, temporary_name
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

    target = out or _beside(runs[0], ".png")
    _require_ending(target, _picture_formats())
    require_free(target, force)
    how = {"steps": steps, "samples": samples, "batch": batch, "seed": seed}
    _require_numbers(**how, limit=limit)
    opened, names = [Run(path) for path in runs], _names(runs)
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
        with _written(target, force) as temporary:
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
    from kuramoto.nn.pictures.runs import board_of, network, solve_board
    from kuramoto.nn.pictures.solving import require_ffmpeg, write_solving
    from kuramoto.nn.training import Run

    target = out or _beside(run, ".gif")
    _require_ending(target, (".gif", ".mp4"))
    if target.suffix.lower() == ".mp4":
        require_ffmpeg()
    require_free(target, force)
    _require_numbers(steps=steps, samples=samples, every=every, seed=seed)
    opened = Run(run)
    puzzle = board_of(opened, board, data)
    with interruptible():
        model = network(opened, device_of(device))
        found = solve_board(model, puzzle, steps=steps, samples=samples, seed=seed)
        others = found.energies if samples > 1 else None
        shown = {"solution": found.solution, "others": others, "every": every}
        title = f"{_names([run])[0]}: {found.words}"
        with _written(target, force) as temporary:
            write_solving(found.solving, temporary, title=title, progress=not quiet, **shown)
    typer.echo(f"Wrote {target}: {found.words}")


def _beside(folder: Path, ending: str) -> Path:
    """Return a name beside a folder, also for ``.``."""
    whole = folder.resolve()
    return (folder.parent if folder.name else whole.parent) / (whole.name + ending)


def _names(runs: Sequence[Path]) -> list[str]:
    """Return the runs' folders, with as little of their paths as tells them apart."""
    parts = [path.resolve().parts for path in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = [str(Path(*own[-depth:])) for own in parts]
        if len(set(names)) == len(names):
            return names
    raise ValueError("The same run is given twice; give each once.")


def _picture_formats() -> tuple[str, ...]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    import kuramoto.plotting  # noqa: F401 - says what to install where matplotlib is missing

    return tuple(f".{name}" for name in FigureCanvasAgg.get_supported_filetypes())


def _require_ending(target: Path, known: Sequence[str]) -> None:
    if target.suffix.lower() not in known:
        raise invalid("out", f"end in {', '.join(sorted(known))}", repr(str(target)))


def _require_numbers(**numbers: int | None) -> None:
    """Complain before anything is computed."""
    for name, value in numbers.items():
        if value is not None:
            whole_number(name, value, least=0 if name == "seed" else 1)


@contextlib.contextmanager
def _written(target: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary name, which becomes the output's only if all goes well."""
    temporary = temporary_name(target)
    temporary = temporary.with_name(temporary.name + target.suffix)
    try:
        yield temporary
        give_name(temporary, target, overwrite)
    except PermissionError as error:
        raise cannot_write(target, error) from None
    finally:
        temporary.unlink(missing_ok=True)
