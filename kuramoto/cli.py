"""The ``kuramoto`` command: what it says, what it returns, and nothing that computes.

Everything heavy is imported inside the commands, so that ``--help`` is quick and a missing extra
concerns only the command that needs it.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib
import logging
import os
import shlex
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kuramoto.solution import SolveError

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_EXTRAS = {
    "matplotlib": "plot",
    "PIL": "plot",
    "networkx": "plot",
    "torch": "nn",
    "lightning": "nn",
    "safetensors": "nn",
    "cupy": "gpu",
    "dask": "sweep",
    "distributed": "sweep",
    "hypothesis": "testing",
}

ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT.yaml", help="Experiment to read.", show_default=False)
]
RunFilePath = Annotated[
    Path, typer.Argument(metavar="RUN.h5", help="File that a run wrote.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the output if it exists.")]


def _hush(quiet: bool) -> bool:
    """Keep what the library tells by Python's logging, such as that it compiles, to itself."""
    logging.getLogger("kuramoto").setLevel(logging.ERROR if quiet else logging.NOTSET)
    return quiet


def _quiet(help: str) -> Any:
    return typer.Option("--quiet", callback=_hush, help=help)


Quiet = Annotated[bool, _quiet("Show no progress bar and no summary.")]
NoBar = Annotated[bool, _quiet("Show no progress bar.")]


def _out(metavar: str, help: str) -> Any:
    return typer.Option(metavar=metavar, help=help, show_default=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        try:
            version = metadata.version("kuramoto-spheres")
        except metadata.PackageNotFoundError:
            version = "(a checkout that is not installed)"
        typer.echo(f"kuramoto-spheres {version}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def kuramoto(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Simulate coupled oscillators on spheres, and know when their energy can only fall.

    Experiments are YAML files; runs are HDF5 files that survive any crash. Outputs that exist are
    never overwritten without --force.

    Exit codes: 0 done; 1 the run could not go on (or, for certify, the model has no certificate);
    2 bad input; 130 interrupted. Set KURAMOTO_TRACEBACK=1 to see where an error comes from.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(short_help="Two kernels, one fish: see what the package is for.")
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")] = Path("."),
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Run two kernels over one fish, to see what the package is for (under half a minute).

    64 x 64 oscillators meet a fish silhouette. Coupled by a Gaussian kernel they are certified and
    their energy only falls; coupled by a random one they are not, and waves run inside the fish.
    Prints both certificates and writes fish.h5, fish.png and fish.gif.
    """
    from kuramoto import demo as demonstration

    for path in demonstration.run(out, force=force, progress=not quiet, echo=typer.echo):
        typer.echo(f"Wrote {path}")


@app.command(short_help="Run an experiment into a run file.")
def run(
    experiment: ExperimentFile,
    out: Annotated[
        Path | None, _out("RUN.h5", "Run file to write [default: EXPERIMENT.h5, in this folder].")
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Run an experiment and write its states and observables to a run file.

    The file can be read while the run goes on (kuramoto info). A run that was interrupted or
    killed is continued by kuramoto resume, to the same final state bit for bit.
    """
    from kuramoto import _reports
    from kuramoto import experiment as experiments

    trial = experiments.load(experiment)
    target = _target(experiment, f"{experiment.stem}.h5" if out is None else out)
    with _resumable(target):
        solution = trial.solve(target, progress=not quiet, overwrite=force)
    if not quiet:
        _echo_table(trial.title or experiment.name, _reports.of_solution(target, solution))


def _target(experiment: Path, out: str | Path) -> Path:
    """Return where to write to: not over the experiment, not even by force."""
    target = Path(out)
    if target.exists() and experiment.exists() and target.samefile(experiment):
        raise ValueError(f"Output {target} is the experiment itself; choose another name.")
    return target


@app.command(short_help="Continue a run that was interrupted or killed.")
def resume(run: RunFilePath, quiet: Quiet = False) -> None:
    """Continue a run that was interrupted or killed; one that is finished stays as it is."""
    import kuramoto
    from kuramoto import _reports

    _require_run(run, "the same `kuramoto sweep` goes on with it")
    with _resumable(run):
        solution = kuramoto.resume(run, progress=not quiet)
    if not quiet:
        _echo_table(str(run), _reports.of_solution(run, solution))


def _require_run(path: Path, remedy: str) -> None:
    from kuramoto import ensembles

    if ensembles.is_sweep(path):
        raise ValueError(f"File {path} holds a sweep, not a run; {remedy}.")


@app.command(short_help="Run an experiment over a grid of its parameters.")
def sweep(
    experiment: ExperimentFile,
    grid: Annotated[list[str], _out("KEY=VALUES", "Axis: start:stop:count or a,b,c.")] = [],  # noqa: B006
    seeds: Annotated[int, _out("K", "Runs of every point [default: 1].")] = 1,
    workers: Annotated[int | None, _out("W", "Processes [default: one per core].")] = None,
    scheduler: Annotated[str | None, _out("ADDRESS", "Dask scheduler to use instead.")] = None,
    out: Annotated[
        Path | None, _out("SWEEP.h5", "File [default: EXPERIMENT_sweep.h5, in this folder].")
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Run an experiment at every point of a grid, on several processes or a cluster.

    As in: kuramoto sweep ring.yaml --grid coupling.strength=0:4:41 --seeds 10. KEY is a key of the
    experiment, below model unless it begins with state or solve; repeat --grid for more axes. Run k
    of a point adds k to every seed. The same command goes on with what was interrupted or killed.

    Exit codes: 0 all points are done; 1 some failed; 2 bad input; 130 interrupted.
    """
    from kuramoto import ensembles

    target = _target(experiment, f"{experiment.stem}_sweep.h5" if out is None else out)
    settings: dict[str, Any] = {"scheduler": scheduler, "workers": workers, "overwrite": force}
    with _resumable(target, "the same command goes on"), warnings.catch_warnings(action="ignore"):
        axes = ensembles.parse_axes(grid)
        found = ensembles.sweep(experiment, axes, seeds, out=target, progress=not quiet, **settings)
    if not quiet:
        _echo_table(str(target), found.summary())
    for failure in list(found.failures.values())[:3]:
        typer.echo(f"kuramoto: failed: {failure}", err=True)
    raise typer.Exit(1 if found.failures else 0)


@app.command(short_help="Say whether an experiment's energy can only fall.")
def certify(experiment: ExperimentFile) -> None:
    """Say whether the energy of an experiment's model can only fall, why, and up to which step.

    Exit codes: 0 certified; 1 not certified; 2 the experiment cannot be read.
    """
    from kuramoto import certify as certificate_of
    from kuramoto import experiment as experiments

    certificate = certificate_of(experiments.load(experiment).model())
    typer.echo(certificate)
    raise typer.Exit(0 if certificate else 1)


@app.command(short_help="Say what a run or sweep file holds and how far it is.")
def info(run: RunFilePath) -> None:
    """Say what a run or sweep file holds and how far it has come, also while it goes on."""
    from kuramoto import _reports

    for title, lines in _reports.of_file(run):
        _echo_table(title, lines)


class _OrTraining(typer.core.TyperCommand):
    """A command on run files that hands folders of training runs over to kuramoto.nn."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Look for such a folder before the arguments are read: its options are others."""
        if any(os.path.isfile(os.path.join(word, "config.json")) for word in args):
            commands = importlib.import_module("kuramoto.nn.commands")
            ctx.exit(commands.run(ctx.info_name, args))
        return super().parse_args(ctx, args)


@app.command(short_help="Draw a run, a sweep or a training run.", cls=_OrTraining)
def plot(
    run: RunFilePath,
    out: Annotated[
        Path | None, _out("FILE", "Picture to write; its ending says how [default: RUN.png].")
    ] = None,
    force: Force = False,
) -> None:
    """Draw a run, its states and observables, or a sweep, its observables over its parameters.

    Folders of training runs are drawn too, with options of their own: kuramoto plot FOLDER --help.
    """
    from kuramoto import plotting

    typer.echo(f"Wrote {plotting.plot_run(run, out, overwrite=force)}")


@app.command(short_help="Animate a run as a GIF.", cls=_OrTraining)
def animate(
    run: RunFilePath,
    out: Annotated[Path | None, _out("FILE.gif", "Animation to write [default: RUN.gif].")] = None,
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Animate a run as a GIF.

    Of the folder of a training run, how its network solves a board, or binds the objects of an
    image: kuramoto animate FOLDER --help.
    """
    from kuramoto import plotting

    _require_run(run, "draw it with `kuramoto plot`")
    typer.echo(f"Wrote {plotting.animate_run(run, out, overwrite=force, progress=not quiet)}")


def _in_nn(context: typer.Context) -> None:
    """Hand a command over to kuramoto.nn: by name, because the core knows nothing of it."""
    commands = importlib.import_module("kuramoto.nn.commands")
    raise typer.Exit(commands.run(context.info_name, context.args))


_NETWORKS = {
    "train": "Train a network.",
    "evaluate": "Score a trained network.",
    "segment": "Find objects in images, with a trained network.",
}
for _name, _does in _NETWORKS.items():
    _as_it_is = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(_name, short_help=_does, add_help_option=False, context_settings=_as_it_is)(_in_nn)


# --- how a command ends -------------------------------------------------------------------------


def _echo_table(title: str, lines: Mapping[str, str]) -> None:
    width = max(map(len, lines))
    typer.echo("\n".join([title, *(f"  {name:<{width}}  {line}" for name, line in lines.items())]))


@contextlib.contextmanager
def _resumable(path: Path, hint: str = "") -> Iterator[None]:
    """Turn Ctrl-C into exit code 130 and, if the run left a file, a line on how to go on."""
    import numpy as np

    before = _identity(path)
    hint = hint or f"continue with: kuramoto resume {shlex.quote(str(path))}"
    try:
        # A run that overflows ends with an error that says so; NumPy's warnings would come first.
        with np.errstate(all="ignore"):
            yield
    except KeyboardInterrupt:
        hint = f"; {hint}" if _identity(path) != before else ""
        typer.echo(f"kuramoto: interrupted{hint}", err=True)
        raise typer.Exit(130) from None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written; None if there is none."""
    with contextlib.suppress(OSError):
        return path.stat().st_ino, path.stat().st_mtime_ns
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; expected errors become one line on stderr and an exit code."""
    command = typer.main.get_command(app)
    usual, sys.unraisablehook = sys.unraisablehook, _interrupt_again
    try:
        code = command.main(arguments, prog_name="kuramoto", standalone_mode=False)
    except Exception as error:
        if os.environ.get("KURAMOTO_TRACEBACK"):
            raise
        code = _report(error)
    finally:
        sys.unraisablehook = usual
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Send a Ctrl-C again that fell into a destructor, where Python prints it and goes on."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        later = threading.Timer(0.05, _thread.interrupt_main)
        later.daemon = True
        later.start()
    else:
        sys.__unraisablehook__(lost)


def _report(error: Exception) -> int:
    """Print an expected error on one line and return its exit code; let others through."""
    if isinstance(error, BrokenPipeError):  # the reader of our output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, ImportError):
        text = _missing(error)
    elif isinstance(error, OSError) and error.filename and error.strerror:  # the system's own
        text = f"Path {error.filename} cannot be used: {error.strerror}; choose another."
    elif isinstance(error, ValueError | TypeError | OSError | MemoryError | SolveError):
        text = str(error) or type(error).__name__
    elif hasattr(error, "format_message"):  # the command line itself was wrong
        text = error.format_message()
    else:
        raise error
    typer.echo(f"kuramoto: error: {' '.join(text.split())}", err=True)
    return 1 if isinstance(error, SolveError) else 2


def _missing(error: ImportError) -> str:
    """Say which extra brings a module that is not installed."""
    extra = _EXTRAS.get((error.name or "").split(".")[0])
    if extra is None:
        return str(error)
    return f'{error.name} is not installed; install it: pip install "kuramoto-spheres[{extra}]"'


if __name__ == "__main__":
    main()
