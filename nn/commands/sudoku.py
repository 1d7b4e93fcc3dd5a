"""``kuramoto evaluate sudoku``: how many boards a trained network answers right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuramoto._check import invalid
from kuramoto.cli import Force, NoBar
from kuramoto.nn.commands.options import (
    Data,
    Device,
    RunFolder,
    Seed,
    device_of,
    interruptible,
    option,
)

__all__ = ["evaluate"]


def evaluate(
    run: RunFolder,
    steps: Annotated[
        int | None, option("T", "Kuramoto steps [default: the last of --at, or as trained].")
    ] = None,
    samples: Annotated[int, option("K", "Samples of every board [default: 1].")] = 1,
    vote: Annotated[
        str | None, option("HOW", "last, sum, majority or confidence [default: sum if K > 1].")
    ] = None,
    boards: Annotated[
        Path | None, option("FILE", "Boards with solutions [default: the held-out ones].")
    ] = None,
    data: Data = None,
    limit: Annotated[int | None, option("N", "Boards at most, spread evenly.")] = None,
    batch: Annotated[int | None, option("B", "Samples computed at once.")] = None,
    seed: Seed = 0,
    stop_settled: Annotated[
        bool, typer.Option("--stop-settled", help="Stop boards whose samples agree and rest.")
    ] = False,
    at: Annotated[
        str | None, option("T1,T2,...", "Score after these numbers of steps, too.")
    ] = None,
    out: Annotated[
        Path | None,
        option("FILE.json", "Write the report there too; what is done is kept if it is cut."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Insist on going on; without it, begin if nothing is done."),
    ] = False,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Score a network for boards: right answers, in all and by givens.

    As in: kuramoto evaluate sudoku run --steps 128 --samples 100 --vote sum --out report.json. An
    evaluation that was interrupted or killed goes on when the same command is given again.
    """
    from kuramoto._outputs import require_free
    from kuramoto.nn import training
    from kuramoto.nn.tasks import sudoku

    if out is not None:
        require_free(out, force)
    if resume:
        _require_partial(out)
    with interruptible(_hint(out)):
        report = sudoku.evaluate_run(
            training.Run(run),
            boards=boards,
            data=data,
            limit=limit,
            device=device_of(device),
            progress=not quiet,
            steps=steps,
            at=_numbers(at),
            samples=samples,
            vote=vote or ("sum" if samples > 1 else None),
            batch=batch,
            seed=seed,
            stop_settled=stop_settled,
            out=out,
            overwrite=force,
        )
    typer.echo(report)


def _numbers(text: str | None) -> list[int] | None:
    """Read numbers of steps."""
    try:
        return None if text is None else sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise invalid("at", "hold whole numbers, as 8,16,128", repr(text)) from None


def _require_partial(out: Path | None) -> None:
    """Raise unless there is an evaluation to go on with."""
    from kuramoto.nn.tasks.partial import partial_name

    if out is None:
        raise ValueError("Option --resume needs --out: what is done is kept beside the report.")
    if not partial_name(out).exists():
        remedy = "leave --resume out to begin"
        raise FileNotFoundError(f"There is no {partial_name(out)} to go on with; {remedy}.")


def _hint(out: Path | None) -> str:
    return "with --out FILE.json it could go on" if out is None else "the same command goes on"
