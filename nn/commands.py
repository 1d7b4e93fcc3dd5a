"""The ``kuramoto train`` and ``kuramoto evaluate`` commands; `kuramoto.cli` hands them over.

They end as the other commands do: 0 done, 1 training could not go on, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kuramoto._check import invalid
from kuramoto.cli import Force, NoBar, Quiet

if TYPE_CHECKING:
    from kuramoto.nn.training import Outcome

__all__ = ["app", "run"]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Task = Annotated[str, typer.Argument(metavar="TASK", help="Task: sudoku.", show_default=False)]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a training run.", show_default=False)
]


def _option(metavar: str, help: str) -> Any:
    return typer.Option(metavar=metavar, help=help, show_default=False)


Data = Annotated[Path | None, _option("PATH", "Folder or file of data [default: $KURAMOTO_DATA].")]
Device = Annotated[
    str, _option("DEVICE", "cpu or cuda [default: cuda where there is a GPU, else cpu].")
]


@app.command()
def train(
    task: Task,
    preset: Annotated[str | None, _option("NAME", "Model and settings [default: cpu].")] = None,
    data: Data = None,
    out: Annotated[
        Path | None, _option("RUN", "Folder to write to [default: TASK_PRESET, in this folder].")
    ] = None,
    steps: Annotated[int | None, _option("N", "Optimiser steps in all.")] = None,
    minutes: Annotated[float | None, _option("M", "Time of training in all.")] = None,
    resume: Annotated[
        Path | None, _option("RUN", "Go on with this run, or from this checkpoint of a run.")
    ] = None,
    device: Device = "",
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable."),
    ] = [],  # noqa: B006  (typer takes a copy)
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
        device=_device(device),
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
    pairs = dict(_pair(text) for text in changes)
    recipe, settings = tasks.task(task).prepare(name, data, pairs)
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


@app.command()
def evaluate(
    task: Task,
    run: RunFolder,
    steps: Annotated[
        int | None, _option("T", "Kuramoto steps [default: the last of --at, or as trained].")
    ] = None,
    samples: Annotated[int, _option("K", "Samples of every board [default: 1].")] = 1,
    vote: Annotated[
        str | None, _option("HOW", "last, sum or majority [default: sum if K > 1].")
    ] = None,
    boards: Annotated[
        Path | None, _option("FILE", "Boards with solutions [default: the held-out ones].")
    ] = None,
    data: Data = None,
    limit: Annotated[int | None, _option("N", "Boards at most, spread evenly.")] = None,
    batch: Annotated[int | None, _option("B", "Samples computed at once.")] = None,
    seed: Annotated[int, _option("SEED", "Of the initial states [default: 0].")] = 0,
    stop_settled: Annotated[
        bool, typer.Option("--stop-settled", help="Stop boards whose samples agree and rest.")
    ] = False,
    at: Annotated[
        str | None, _option("T1,T2,...", "Score after these numbers of steps, too.")
    ] = None,
    out: Annotated[
        Path | None,
        _option("FILE.json", "Write the report there too; what is done is kept if it is cut."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Insist on going on; without it, begin if nothing is done."),
    ] = False,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Score a trained network: right answers, in all and by difficulty.

    As in: kuramoto evaluate sudoku run --steps 128 --samples 100 --vote sum --out report.json. An
    evaluation that was interrupted or killed goes on when the same command is given again.
    """
    from kuramoto._outputs import require_free
    from kuramoto.nn import tasks, training

    if out is not None:
        require_free(out, force)
    if resume:
        _require_partial(out)
    with _interruptible(out):
        report = tasks.task(task).evaluate_run(
            training.Run(run),
            boards=boards,
            data=data,
            limit=limit,
            device=_device(device),
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


@contextlib.contextmanager
def _interruptible(out: Path | None) -> Iterator[None]:
    """Turn Ctrl-C into exit code 130 and a line on how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        hint = "with --out FILE.json it could go on" if out is None else "the same command goes on"
        typer.echo(f"kuramoto: interrupted; {hint}", err=True)
        raise typer.Exit(130) from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.strip()):
        raise invalid("set", "be KEY=VALUE", repr(text))
    return name.strip(), value.strip()


def _device(name: str) -> str:
    """Return a device: the one asked for, else the best there is."""
    if name:
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def run(name: str | None, arguments: Sequence[str]) -> int:
    """Run one of the commands on what `kuramoto.cli` was given; return its exit code."""
    command = typer.main.get_command(app)
    code = command.main([str(name), *arguments], prog_name="kuramoto", standalone_mode=False)
    return code if isinstance(code, int) else 0
