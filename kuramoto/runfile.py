"""Reading run files: finished, still growing, or left behind by a run that was killed."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto import _hdf5, _modelfile, controllers, delays, observables, steppers
from kuramoto._backend import Array, device_by_name, empty_on, from_numpy
from kuramoto._check import nearest
from kuramoto.model import Kuramoto
from kuramoto.plan import Plan, Position
from kuramoto.solution import Observers, SaveAt, Solution, Statistics, Status

__all__ = ["RunFile", "StoredStates", "open_run"]

FORMAT_VERSION = 1
CHECKPOINT_FIELDS = (
    "sequence",
    "t",
    "step",
    "rejected",
    "dt",
    "memory",
    "rows",
    "status",
    "checksum",
)
_PARTS = {
    part.__name__: part
    for part in (
        controllers.AdaptiveStep,
        controllers.FixedStep,
        delays.DelayedHeun,
        steppers.DormandPrince,
        steppers.GeodesicEuler,
        steppers.ProjectedEuler,
        steppers.RungeKutta4,
        steppers.Splitting,
        steppers.StochasticHeun,
        SaveAt,
    )
}


def checkpoint_numbers(
    sequence: int, position: Position, rows: int, status: Status, x: np.ndarray
) -> np.ndarray:
    """Return a slot's numbers, in the order of `CHECKPOINT_FIELDS`; the last is their checksum."""
    head = [sequence, position.t, position.step, position.rejected, position.dt, position.memory]
    numbers = np.array([*head, rows, list(Status).index(status)], dtype=np.float64)
    return np.append(numbers, _checksum(numbers, x))


def _checksum(numbers: np.ndarray, x: np.ndarray) -> float:
    return float(zlib.crc32(np.ascontiguousarray(x).tobytes(), zlib.crc32(numbers.tobytes())))


def keeps_states(group: Any) -> bool:
    """Say whether a run keeps its states, not only what it observes."""
    return bool(json.loads(group.attrs["settings"])["save"].get("states", True))


def row_datasets(*groups: Any) -> Iterator[tuple[Any, ...]]:
    """Go through the datasets that grow with time, in several files side by side."""
    states = ("states",) if keeps_states(groups[0]) else ()
    for name in ("times", *states, *(f"observed/{n}" for n in groups[0]["observed"])):
        yield tuple(group[name] for group in groups)


def open_run(path: str | Path, name: str | None = None) -> RunFile:
    """Open a run file for reading, also while the run goes on or after it was killed.

    Parameters
    ----------
    path : path
    name : str, optional
        Which run, in a file that holds several; the first by default.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no HDF5 file, no run file, damaged, or of a newer format.

    Examples
    --------
    >>> with open_run("run.h5") as run:  # doctest: +SKIP
    ...     print(run.status, run.times[-1])
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"Run file {path} {what}; name a file that a run wrote.")
    for patience in (0.0, 0.01, 0.03, 0.1, 0.3):  # a busy writer may be at both checkpoints
        time.sleep(patience)
        try:
            return _try_open(path, name)
        except TornCheckpointsError as error:
            torn = error
    raise _damaged(path, torn)


class TornCheckpointsError(OSError):
    """Neither of a file's two checkpoints agrees with its checksum."""


def _try_open(path: Path, name: str | None) -> RunFile:
    file = None
    try:
        file = _hdf5.open_for_reading(path)
        return RunFile(path, file, name)
    except BaseException as error:
        if file is not None:
            file.close()
        if isinstance(error, PermissionError):
            raise PermissionError(f"Run file {path} cannot be read: {error.strerror}.") from None
        damage = isinstance(error, KeyError | OSError | RuntimeError | json.JSONDecodeError)
        if damage and not isinstance(error, TornCheckpointsError):
            raise _damaged(path, error) from None
        raise


def _damaged(path: Path, error: BaseException) -> ValueError:
    words = " ".join(str(error).split())
    return ValueError(f"Run file {path} is damaged or truncated and cannot be read ({words:.120}).")


class RunFile:
    """An open run file; use it in a ``with`` statement.

    Attributes
    ----------
    names : list of str
        The runs in the file; ``[""]`` for a file that is one run.
    times : numpy array, shape (S,)
    states : h5py dataset or numpy array, shape (S, *shape)
    observed : dict of numpy array
    status : Status
    settings, versions : dict
    experiment : str or None
        The text of the experiment file.
    """

    def __init__(self, path: Path, file: Any, name: str | None) -> None:
        self.path, self._file = path, file
        kind, version = file.attrs.get("format"), file.attrs.get("format_version", 0)
        if not isinstance(kind, str) or kind not in ("kuramoto-run", "kuramoto-runs"):
            raise ValueError(f"Run file {path} is HDF5, but not written by a run of kuramoto.")
        if not isinstance(version, int | np.integer):
            raise OSError("its format_version is no number")
        if version > FORMAT_VERSION:
            raise ValueError(
                f"Run file {path} has format {version}, newer than the {FORMAT_VERSION} that this "
                "version reads; upgrade kuramoto-spheres."
            )
        self.names = json.loads(file.attrs["names"]) if kind == "kuramoto-runs" else [""]
        chosen = self.names[0] if name is None else name
        if chosen not in self.names:
            raise ValueError(
                f"Run file {path} holds no run {chosen!r}; {nearest(chosen, self.names)}"
            )
        self.group = file[f"runs/{chosen}"] if chosen else file
        self.settings: dict[str, Any] = json.loads(self.group.attrs["settings"])
        self.versions: dict[str, str] = json.loads(self.group.attrs["versions"])
        self.experiment: str | None = self.group.attrs.get("experiment")
        self._x, self._checkpoint = self._newest_checkpoint()
        self.rows = int(self._checkpoint["rows"])
        self.status = list(Status)[int(self._checkpoint["status"])]

    def __enter__(self) -> RunFile:
        """Return the open file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def times(self) -> np.ndarray:
        """When rows were saved."""
        return np.asarray(self.group["times"][: self.rows])

    @property
    def states(self) -> Any:
        """The saved states: the dataset itself, or its valid part if a run died while adding."""
        states = self.group["states"]
        return states if len(states) == self.rows else states[: self.rows]

    @property
    def observed(self) -> dict[str, np.ndarray]:
        """The observables, in the order they were given."""
        names = json.loads(self.group.attrs["observed"])
        return {name: self.group["observed"][name][: self.rows] for name in names}

    @property
    def statistics(self) -> Statistics:
        """Steps so far; the time they took is not kept."""
        return Statistics(
            int(self._checkpoint["step"]), int(self._checkpoint["rejected"]), float("nan")
        )

    def require_single(self, use: str) -> None:
        """Raise ValueError if the file holds several runs."""
        if self.names != [""]:
            raise ValueError(
                f"Run file {self.path} holds several runs ({', '.join(self.names)}); only a file "
                f"of one run can be {use}."
            )

    def model(self) -> Kuramoto:
        """Build the model anew.

        Raises
        ------
        ValueError
            If a part of it could not be written.
        """
        group = self.group["model"]
        missing = _modelfile.missing_parts(group)
        if missing:
            raise ValueError(
                f"Run file {self.path} could not hold the whole model: {', '.join(missing)}; "
                "pass model=... to kuramoto.resume."
            )
        return _modelfile.read_model(group, self._like())

    def position(self) -> Position:
        """Return where the run stands, on the library that it ran on."""
        numbers = self._checkpoint
        x = from_numpy(self._x, self._like())
        counts = int(numbers["step"]), int(numbers["rejected"])
        return Position(numbers["t"], x, *counts, numbers["dt"], numbers["memory"])

    def plan(self) -> Plan:
        """Build the settings anew."""
        plain = {name: self.settings[name] for name in ("t0", "t1", "dt", "max_steps", "seed")}
        parts = {name: self._part(name) for name in ("stepper", "controller", "save")}
        return Plan(**plain, **parts, compile=self.settings.get("compile", False))

    def observers(self, given: Observers, model: Kuramoto) -> dict[str, Any]:
        """Return the observables to go on with: those given, else the standard ones by name."""
        names = json.loads(self.group.attrs["observed"])
        standard = json.loads(self.group.attrs["standard_observables"])
        unknown = [name for name in names if name not in given and name not in standard]
        if unknown:
            raise ValueError(
                f"Run file {self.path} observed {', '.join(unknown)} by functions of your own; "
                "pass them again: kuramoto.resume(path, observe={name: f})."
            )
        rest = [name for name in names if name not in given]
        known = observables.standard(rest, model) if rest else {}
        return {name: given[name] if name in given else known[name] for name in names}

    def solution(self) -> Solution:
        """Return the run as `solve` would have."""
        position = self.position()
        name = self.group.name.removeprefix("/runs/") if self.names != [""] else None
        states = StoredStates(self.path, position.x, name)
        rest = (self.observed, position.x, self.status, self.statistics)
        return Solution(self.times, states, *rest)

    def _like(self) -> Array:
        backend, dtype = self.settings["backend"], self.settings["dtype"]
        return empty_on(backend, dtype, device_by_name(backend, self.settings["device"]))

    def _part(self, name: str) -> Any:
        fields = dict(self.settings[name])
        kind = fields.pop("type")
        if kind not in _PARTS:
            raise ValueError(
                f"Run file {self.path} was written with {kind}, a {name} that is not ours; "
                "such a run cannot be resumed."
            )
        return _PARTS[kind](**fields)

    def _newest_checkpoint(self) -> tuple[np.ndarray, dict[str, float]]:
        """Return the newest slot whose checksum holds: a killed run may have torn the other."""
        slots, best = self.group["checkpoint"], None
        for x, numbers in zip(slots["x"][()], slots["numbers"][()], strict=True):
            whole = numbers[-1] == _checksum(numbers[:-1], x)
            if whole and (best is None or numbers[0] > best[1][0]):
                best = x, numbers
        if best is None:
            raise TornCheckpointsError("neither checkpoint is whole")
        return best[0], dict(zip(CHECKPOINT_FIELDS, map(float, best[1]), strict=True))


class StoredStates:
    """The states of a run file as a sequence that reads from disk when indexed.

    Behaves like an array of shape (S, *shape) for indexing, ``len``, ``shape`` and iteration; what
    comes out is on the library, dtype and device that the run used. The file is not kept open.
    """

    def __init__(self, path: Path, like: Array, name: str | None = None) -> None:
        self.path, self._like, self._name = path, like, name
        with open_run(path, name) as run:
            self.shape: tuple[int, ...] = (run.rows, *run.group["initial"].shape)

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        """Read rows."""
        with open_run(self.path, self._name) as run:
            return from_numpy(run.states[index], self._like)

    def __iter__(self) -> Iterator[Array]:
        """Read row by row."""
        return (self[number] for number in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read everything into NumPy."""
        with open_run(self.path, self._name) as run:
            return np.asarray(run.states[()], dtype=dtype)
