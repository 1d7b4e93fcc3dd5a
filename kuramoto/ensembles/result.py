"""Reading sweep files: finished, still growing, or left behind by a sweep that was killed.

Layout: attributes ``format``, ``format_version``, ``experiment``, ``grid``, ``seeds``,
``observed``, ``keeps_states``, ``versions``; ``coordinates/<axis>``; datasets over all points,
shape (*grid, seeds, ...): ``status``, ``rows``, ``messages`` and, from the first finished point on,
``times`` (..., S), ``observed/<name>`` (..., S, ...) and ``states``.
"""

from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from kuramoto import _hdf5

__all__ = ["FORMAT", "FORMAT_VERSION", "PointStatus", "Sweep", "is_sweep", "open_sweep"]

FORMAT = "kuramoto-sweep"
FORMAT_VERSION = 1


class PointStatus(enum.IntEnum):
    """What has become of a point, as files hold it."""

    PENDING = 0
    DONE = 1
    FAILED = 2


class Sweep:
    """A sweep file as arrays over its points; the file is opened only while something is read.

    Get one from `open_sweep`. It may be read while the sweep goes on: what is not finished is NaN.

    Attributes
    ----------
    path : Path
    grid : dict of list
        The values of every axis, as they were given: ``{"coupling.strength": [0.0, ...]}``.
    seeds : int
        How many runs there are of every point of the grid.
    names : list of str
        The axes in order; the last is ``seed``.
    coordinates : dict of numpy array
        The values along every axis.
    shape : tuple of int
        (*grid, seeds).
    experiment : str
        The text of the experiment.
    versions : dict of str
        What the sweep was begun with.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._open() as file:
            self.grid: dict[str, list[Any]] = json.loads(file.attrs["grid"])
            self.seeds = int(file.attrs["seeds"])
            self.experiment: str = file.attrs["experiment"]
            self.versions: dict[str, str] = json.loads(file.attrs["versions"])
            self.observables: list[str] = json.loads(file.attrs["observed"])
            self.keeps_states = bool(file.attrs["keeps_states"])
        self.names = [*self.grid, "seed"]
        values = {name: np.asarray(axis) for name, axis in self.grid.items()}
        self.coordinates: dict[str, np.ndarray] = {**values, "seed": np.arange(self.seeds)}
        self.shape = tuple(len(axis) for axis in self.coordinates.values())

    def __enter__(self) -> Sweep:
        """Return the sweep."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: the file is not kept open."""

    def __repr__(self) -> str:
        """Name the file and how far it is."""
        done = int(self.done.sum())
        return f"Sweep({str(self.path)!r}, {done} of {self.done.size} points done)"

    @property
    def status(self) -> np.ndarray:
        """``pending``, ``done`` or ``failed`` for every point, shape (*grid, seeds)."""
        words = np.array([status.name.lower() for status in PointStatus])
        with self._open() as file:
            return np.asarray(words[file["status"][()]])

    @property
    def done(self) -> np.ndarray:
        """Whether a point is finished, shape (*grid, seeds)."""
        with self._open() as file:
            return _done(file)

    @property
    def failures(self) -> dict[tuple[int, ...], str]:
        """Why points failed, by their index into the arrays."""
        with self._open() as file:
            failed = np.argwhere(file["status"][()] == PointStatus.FAILED)
            messages = file["messages"][()]
        places = [tuple(map(int, place)) for place in failed]
        return {place: messages[place].decode("utf-8", "replace") for place in places}

    @property
    def times(self) -> np.ndarray:
        """When observables were saved: shape (S,), or (*grid, seeds, S) where points differ.

        Points differ where times are swept, or where steps adapt and ``save.every`` counts them;
        then S is that of the longest, and the others end in NaN.
        """
        with self._open() as file:
            times, done = self._rows(file, "times"), _done(file)
        if not done.any():
            return np.zeros(0)
        rows = times[done]
        return rows[0] if np.array_equal(rows, np.broadcast_to(rows[0], rows.shape)) else times

    @property
    def observed(self) -> dict[str, np.ndarray]:
        """Every observable at `times`, shape (*grid, seeds, S, ...); NaN where missing."""
        with self._open() as file:
            return {name: self._rows(file, f"observed/{name}") for name in self.observables}

    @property
    def states(self) -> np.ndarray | None:
        """The final states, shape (*grid, seeds, *state), NaN where missing; None if not kept."""
        with self._open() as file:
            if "states" not in file:
                return None
            return _masked(file, file["states"][()])

    def to_xarray(self) -> Any:
        """Return an `xarray.Dataset` with the axes, ``seed`` and ``time`` as named dimensions.

        Where points were saved at different times, the dimension is ``sample``, and ``time`` a
        coordinate over it and all axes.

        Raises
        ------
        ImportError
            If xarray is not installed.
        """
        try:
            import xarray
        except ImportError:
            remedy = 'pip install "kuramoto-spheres[xarray]"'
            words = f"xarray is not installed; install it: {remedy}"
            raise ImportError(words, name="xarray") from None
        times, observed, states = self.times, self.observed, self.states
        along = "time" if times.ndim == 1 else "sample"
        coordinates: dict[str, Any] = dict(self.coordinates)
        coordinates["time"] = (along if times.ndim == 1 else [*self.names, along], times)
        variables = {n: (self._dimensions(n, v.ndim, along), v) for n, v in observed.items()}
        variables["status"] = (self.names, self.status)
        if states is not None:
            variables["states"] = (self._dimensions("states", states.ndim), states)
        attributes = {"experiment": self.experiment, **self.versions}
        return xarray.Dataset(variables, coordinates, attributes)

    def summary(self) -> dict[str, str]:
        """Put into words what the file holds and how far it is."""
        status, rows = self.status, self.times.shape[-1]
        counts = {word: int((status == word).sum()) for word in ("done", "failed", "pending")}
        why = next(iter(self.failures.values()), "")
        return {
            **{name: _span(values) for name, values in self.grid.items()},
            "seeds": str(self.seeds),
            "points": ", ".join(f"{n} {word}" for word, n in counts.items() if n),
            **({"failed": why} if why else {}),
            "observed": f"{', '.join(self.observables) or 'nothing'}, at {rows} times",
            "versions": ", ".join(f"{name} {version}" for name, version in self.versions.items()),
        }

    def _dimensions(self, name: str, count: int, *more: str) -> list[str]:
        """Name the axes of an array: those that are only its own are numbered."""
        names = [*self.names, *more]
        return [*names, *(f"{name}_{axis}" for axis in range(count - len(names)))]

    def _rows(self, file: Any, name: str) -> np.ndarray:
        """Return a dataset over all points, as long as the longest finished point."""
        if name not in file:
            return np.full((*self.shape, 0), np.nan)
        most = int(file["rows"][()].max(where=_done(file), initial=0))
        return _masked(file, file[name][(slice(None),) * len(self.shape) + (slice(most),)])

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        with _opened(self.path) as file:
            yield file


def _span(values: list[Any]) -> str:
    """Spell the values of an axis, or its ends where there are many."""
    words = [f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]
    span = ", ".join(words) if len(words) <= 4 else f"{words[0]} to {words[-1]}"
    return f"{len(words)} value{'s' * (len(words) != 1)}, {span}"


def _done(file: Any) -> np.ndarray:
    return np.asarray(file["status"][()] == PointStatus.DONE)


def _masked(file: Any, values: np.ndarray) -> np.ndarray:
    """Put NaN where a point is not finished: its numbers may be there in part."""
    values[~_done(file)] = np.nan
    return values


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py

    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"Sweep file {path} {what}; name a file that a sweep wrote.")
    try:
        _hdf5.read_superblock(path)
        # Unlocked: the sweep that writes it holds a lock, and never changes the file's structure.
        file = h5py.File(path, "r", locking=False)
    except PermissionError as error:
        raise PermissionError(f"Sweep file {path} cannot be read: {error.strerror}.") from None
    except (OSError, RuntimeError) as error:
        words = " ".join(str(error).split())
        raise ValueError(f"Sweep file {path} is damaged or truncated ({words:.120}).") from None
    with file:
        _require_format(path, file)
        try:
            yield file
        except (KeyError, json.JSONDecodeError, OSError) as error:
            words = " ".join(str(error).split())
            raise ValueError(f"Sweep file {path} is damaged ({words:.120}).") from None


def _require_format(path: Path, file: Any) -> None:
    if file.attrs.get("format") != FORMAT:
        raise ValueError(f"Sweep file {path} is HDF5, but not written by a sweep of kuramoto.")
    version = file.attrs.get("format_version")
    if not isinstance(version, int | np.integer) or version > FORMAT_VERSION:
        raise ValueError(
            f"Sweep file {path} has format {version}; this version reads {FORMAT_VERSION}: upgrade "
            "kuramoto-spheres."
        )


def open_sweep(path: str | Path) -> Sweep:
    """Open a sweep file for reading, also while the sweep goes on or after it was killed.

    Parameters
    ----------
    path : path

    Returns
    -------
    Sweep

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no sweep file, damaged, or of a newer format.

    Examples
    --------
    >>> with open_sweep("sweep.h5") as sweep:  # doctest: +SKIP
    ...     print(sweep.names, sweep.observed["order_parameter"][..., -1])
    """
    return Sweep(path)


def is_sweep(path: str | Path) -> bool:
    """Say whether a path is a sweep file, so that `open_sweep` can read it.

    Parameters
    ----------
    path : path

    Examples
    --------
    >>> is_sweep("no_such_file.h5")
    False
    """
    import h5py

    try:
        _hdf5.read_superblock(Path(path))
        with h5py.File(path, "r", locking=False) as file:
            return bool(file.attrs.get("format") == FORMAT)
    except (OSError, RuntimeError, ValueError):
        return False
