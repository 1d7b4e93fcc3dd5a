"""The ``kuramoto train`` and ``kuramoto evaluate`` commands; `kuramoto.cli` hands them over.

They end as the other commands do: 0 done, 1 training could not go on, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
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
    folder = path.parent.parent if path.suffix == ".safetensors" else path
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
        typer.echo(f"{folder}: step {outcome.step} of {settings.steps}; {', '.join(numbers)}")
        if not outcome.finished:
            typer.echo(f"Time is up; {again} --minutes M")
    return 0


@app.command()
def evaluate(
    task: Task,
    run: RunFolder,
    steps: Annotated[int | None, _option("T", "Kuramoto steps [default: as trained].")] = None,
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
    out: Annotated[Path | None, _option("FILE.json", "Write the report there too.")] = None,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Score a trained network: right answers, in all and by difficulty.

    As in: kuramoto evaluate sudoku run --steps 128 --samples 100 --vote sum.
    """
    from kuramoto._outputs import require_free
    from kuramoto.nn import tasks, training

    if out is not None:
        require_free(out, force)
    report = tasks.task(task).evaluate_run(
        training.Run(run),
        boards=boards,
        data=data,
        limit=limit,
        device=_device(device),
        progress=not quiet,
        steps=steps,
        samples=samples,
        vote=vote or ("sum" if samples > 1 else None),
        batch=batch,
        seed=seed,
        stop_settled=stop_settled,
    )
    if out is not None:
        out.write_text(report.to_json())
    typer.echo(report)


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
