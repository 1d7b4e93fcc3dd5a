"""What is said about run and sweep files: tables of a name and some words for each line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto import ensembles, storage
from kuramoto._backend import to_numpy
from kuramoto.experiment import title_of
from kuramoto.solution import Solution, Status
from kuramoto.storage import RunFile

__all__ = ["of_file", "of_solution"]


def of_file(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Go through the titles and tables of a sweep file, or of the runs in a run file."""
    if ensembles.is_sweep(path):
        yield str(path), ensembles.open_sweep(path).summary()
        return
    with storage.open_run(path) as first:
        names = first.names
    for name in names:
        with storage.open_run(path, name) as file:
            yield f"{path}: {name}" if name else str(path), _description(path, file)


def of_solution(path: Path, solution: Solution) -> dict[str, str]:
    """Put the outcome of a run into words."""
    statistics = solution.statistics
    took = f" in {statistics.seconds:.3g} s" if statistics.seconds >= 0 else ""
    with storage.open_run(path) as file:
        return {
            "model": repr(file.model()),
            "state": _shape(file.settings),
            "steps": f"{statistics.steps}{took}, {statistics.rejected} rejected",
            "status": f"{_status(file)} at t = {file.position().t:.6g}",
            **_last_values(solution.times, solution.observed),
            "written": f"{path}, {_count(len(solution.times))}",
        }


def _description(path: Path, file: RunFile) -> dict[str, str]:
    """Put the contents of a run file into words."""
    settings, position = file.settings, file.position()
    lines = {
        "title": title_of(file.experiment),
        "model": _model(file),
        "state": _shape(settings),
        "status": f"{_status(file)} at t = {position.t:.6g} of {settings['t1']:.6g}",
        "steps": f"{position.step}, {position.rejected} rejected",
        "settings": _settings(settings),
        "saved": _count(file.rows),
        **_last_values(file.times, file.observed),
        "versions": ", ".join(f"{name} {version}" for name, version in file.versions.items()),
    }
    if file.status in (Status.RUNNING, Status.INTERRUPTED) and file.names == [""]:
        lines["continue"] = f"kuramoto resume {shlex.quote(str(path))}"
    return {name: line for name, line in lines.items() if line}


def _count(states: int) -> str:
    return f"{states} state{'s' * (states != 1)}"


def _status(file: RunFile) -> str:
    words = {Status.RUNNING: "running, or killed", Status.MAX_STEPS: "stopped at max_steps"}
    return words.get(file.status, str(file.status))


def _model(file: RunFile) -> str:
    try:
        return repr(file.model())
    except ValueError as error:  # a part that files cannot hold
        return str(error)


def _shape(settings: Mapping[str, Any]) -> str:
    return f"{tuple(settings['shape'])}, {settings['dtype']} on {settings['backend']}"


def _settings(settings: Mapping[str, Any]) -> str:
    plain = {name: settings[name] for name in ("t0", "t1", "dt", "seed", "max_steps")}
    words = [f"{name} = {value:g}" for name, value in plain.items() if value is not None]
    return ", ".join([*words, settings["stepper"]["type"], settings["controller"]["type"]])


def _last_values(times: Any, observed: Mapping[str, Any]) -> dict[str, str]:
    """Spell the last value of every observable."""
    if not len(times):
        return {}
    rows = {name: np.asarray(to_numpy(values[-1:]))[0] for name, values in observed.items()}
    return {name: np.array2string(row, precision=6, threshold=8) for name, row in rows.items()}
