"""`sweep`: an experiment over a grid of its parameters, into one file that survives any crash."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kuramoto import experiment as experiments
from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.ensembles.grid import Grid, checked_axes
from kuramoto.ensembles.result import Sweep, open_sweep
from kuramoto.ensembles.schedule import Runner, runner
from kuramoto.ensembles.store import Header, SweepWriter, continues
from kuramoto.experiment import Experiment

__all__ = ["sweep"]


def sweep(
    experiment: str | Path | Experiment,
    grid: Mapping[str, Any],
    seeds: int = 1,
    *,
    out: str | Path,
    observe: Sequence[str] | Mapping[str, Callable[..., Any]] | None = None,
    states: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    retries: int = 2,
    overwrite: bool = False,
    progress: bool = True,
) -> Sweep:
    """Run an experiment at every point of a grid, on several processes or a cluster.

    Points are independent runs; each is as deterministic as the experiment alone. They are written
    to one HDF5 file as they end. Killed at any moment, the file still opens, and the same call goes
    on with the points that are not done. Points that failed are noted there, and tried again by the
    same call.

    Workers are new Python processes, which import the script that starts them: there, call this
    under ``if __name__ == "__main__":``.

    Parameters
    ----------
    experiment : path, text of YAML, or Experiment
    grid : mapping
        ``{key path: values}``; the sweep goes over the product of all axes. A path begins with
        ``model``, ``state`` or ``solve``, or is understood below ``model``:
        ``"coupling.strength"``, ``"solve.t1"``, ``"coupling.terms[0].strength"``.
    seeds : int, default 1
        Runs of every point. Run k = 0, 1, ... adds k to every seed of the experiment (graph,
        kernel, frequencies, initial state, noise), so run 0 is the experiment as it stands.
    out : path
        The sweep file.
    observe : sequence of str, or dict of callable, optional
        Names of `kuramoto.observables.OBSERVABLES`, instead of those in the experiment; or
        ``{name: f(t, x)}``, besides them. Workers must be able to import the functions.
    states : bool, default False
        Keep the final states.
    scheduler : str, optional
        Address of a Dask scheduler (``"tcp://host:8786"``), whose workers have this package and see
        the files of the experiment under the same paths; or ``"synchronous"``: in this process,
        without Dask. By default, workers of this sweep's own, of one thread each.
    workers : int, optional
        How many of those; by default one per core.
    retries : int, default 2
        How often a point is tried again when its worker dies. A scheduler at an address counts by
        its own ``distributed.scheduler.allowed-failures``.
    overwrite : bool, default False
        Replace the file if it exists, even if the sweep could go on.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    Sweep
        The file, as `open_sweep` opens it.

    Raises
    ------
    ExperimentError, ValueError, TypeError
        If a key or a value is not taken: before anything runs, with the point in the message.
    FileExistsError
        If `out` is another file or of another sweep, and `overwrite` is not given.
    ConnectionError
        If the scheduler cannot be reached or is lost. Finished points are safe.

    Warns
    -----
    RuntimeWarning
        If points failed; `Sweep.failures` says why.

    Examples
    --------
    >>> import kuramoto.ensembles
    >>> found = kuramoto.ensembles.sweep(  # doctest: +SKIP
    ...     "mean_field.yaml", {"coupling.strength": [0.5, 1.0, 2.0]}, seeds=10, out="sweep.h5"
    ... )
    >>> found.observed["order_parameter"].shape  # doctest: +SKIP
    (3, 10, 101)
    """
    retries = whole_number("retries", retries)
    workers = None if workers is None else whole_number("workers", workers, least=1)
    space = _space(_read(experiment), grid, seeds, observe, bool(states))
    names = [*space.named, *space.observe]
    if not names and not states:
        must = "name something to keep (or pass states=True)"
        raise invalid("observe", must, "empty, in the experiment and here")
    space.check()
    header = Header(space.trial.text, dict(space.axes), space.seeds, names, bool(states))
    goes_on = continues(Path(out), header, overwrite=overwrite)
    if not (goes_on and open_sweep(out).done.all()):
        # The file last: without a scheduler, none is begun and none is replaced.
        with runner(scheduler, workers, retries) as run:
            _run(space, SweepWriter.begin(out, header, overwrite=overwrite), run, progress)
    found = open_sweep(out)
    _warn_of_failures(found)
    return found


def _read(experiment: Any) -> Experiment:
    """Return the experiment itself; a text is told from a path by its lines."""
    if isinstance(experiment, Experiment):
        return experiment
    if isinstance(experiment, str) and "\n" in experiment:
        return experiments.loads(experiment)
    if isinstance(experiment, str | Path):
        return experiments.load(experiment)
    raise wrong_type("experiment", "be a path, a text of YAML or an Experiment", experiment)


def _space(trial: Experiment, grid: Any, seeds: Any, observe: Any, states: bool) -> Grid:
    axes, seeds = checked_axes(grid, seeds)
    if isinstance(observe, Mapping):
        for name, function in observe.items():
            if not isinstance(name, str) or not name or "/" in name or not callable(function):
                must = "be names of observables, or {name: function of (t, x)}"
                raise wrong_type("observe", must, function if isinstance(name, str) else name)
        return Grid(trial, axes, seeds, dict(observe), None, states)
    if isinstance(observe, str) or not (observe is None or isinstance(observe, Sequence)):
        raise wrong_type("observe", "be names of observables, or {name: function}", observe)
    names = None if observe is None else list(observe)
    return Grid(trial, axes, seeds, {}, names, states)


def _run(space: Grid, writer: SweepWriter, run: Runner, progress: bool) -> None:
    """Run what is not done yet, and write it down as it comes."""
    failed, total = 0, math.prod(space.shape)
    numbers = writer.unfinished
    with writer, _bar(total - len(numbers), total, progress) as bar:
        for outcome in run(map(space.point, numbers)):
            failed += not writer.record(outcome)
            bar.update(1)
            if failed:
                bar.set_postfix_str(f"{failed} failed")


@contextlib.contextmanager
def _bar(done: int, total: int, progress: bool) -> Iterator[Any]:
    from tqdm import tqdm

    layout = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} points [{elapsed}<{remaining}{postfix}]"
    with tqdm(
        total=total, initial=done, disable=not progress, bar_format=layout, leave=False
    ) as bar:
        yield bar


def _warn_of_failures(found: Sweep) -> None:
    failures = found.failures
    if failures:
        first = next(iter(failures.values()))
        words = f"{len(failures)} of {found.done.size} points failed; the first: {first}"
        warnings.warn(words, RuntimeWarning, stacklevel=3)
