"""Run files: HDF5 that is streamed while a run goes on, opens after any crash, and can be resumed.

How a file survives. It is prepared under a temporary name, switched to HDF5's single-writer-
multiple-reader (SWMR) mode, and only then given its name: from that moment on what lies on disk is
consistent at every instant, for a reader beside the run and after a ``kill -9``. Rows are appended
in chunks; after each chunk the position (state, time, step, controller) is written into one of two
slots in turn, with a checksum, so that one of them is always whole. Disk space is allocated before
HDF5 writes into it, so a full disk is found while the file can still be closed. A file whose writer
died cannot be appended to: `resume` copies what is valid into a fresh file, renames that over the
old one, and goes on from there.

Layout: attributes ``format``, ``format_version``, ``settings``, ``versions``, ``experiment``;
groups ``model`` and ``observed``; datasets ``times`` (S,), ``states`` (S, *shape), ``initial``, and
``checkpoint/x``, ``checkpoint/numbers``. A bundle holds several runs under ``runs/<name>``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import operator
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto import _hdf5, _modelfile, runfile
from kuramoto._backend import Array, device_of, namespace_name, to_numpy
from kuramoto._check import invalid
from kuramoto._outputs import cannot_write, give_name, require_free, temporary_name
from kuramoto.model import Kuramoto
from kuramoto.plan import Plan, Position
from kuramoto.runfile import FORMAT_VERSION, RunFile, StoredStates, open_run
from kuramoto.solution import Status

__all__ = ["RunFile", "RunWriter", "StorageError", "bundle", "open_run"]

_CHUNK_BYTES = 2**20
_SECONDS_BETWEEN_WRITES = 1.0
_RESERVE_BYTES = 2**17  # kept free: metadata of the chunks, and the closing of the file


class StorageError(OSError):
    """A run file could not be written on; what was written before still opens and resumes."""


class RunWriter:
    """The recorder that `solve` uses for ``out=``: rows in, chunks and checkpoints out."""

    def __init__(self, path: Path, file: Any, rows: int, sequence: int) -> None:
        self.path, self._file = path, file
        self._rows, self._sequence = rows, sequence
        self._times: list[float] = []
        self._states: list[np.ndarray] = []
        self._observed: dict[str, list[np.ndarray]] = {name: [] for name in file["observed"]}
        self._next_write = time.monotonic() + _SECONDS_BETWEEN_WRITES
        self._keeps_states = runfile.keeps_states(file)
        self._row_bytes = max(8, file["initial"].nbytes if self._keeps_states else 0)
        self._complete = 0  # rows in the buffer that the position has passed
        self._broken = False

    @classmethod
    def create(
        cls,
        out: str | Path,
        model: Kuramoto,
        plan: Plan,
        start: Position,
        probe: Mapping[str, Any],
        *,
        standard: Sequence[str] = (),
        overwrite: bool = False,
        experiment: str | None = None,
    ) -> RunWriter:
        """Begin a new file.

        Raises
        ------
        FileExistsError
            If it exists and `overwrite` is not given.
        OSError
            If it cannot be created there.
        """
        path = Path(out)
        require_free(path, overwrite)
        initial = to_numpy(start.x)
        values = {name: numeric(name, value) for name, value in probe.items()}

        def fill(file: Any) -> None:
            file.attrs["format"], file.attrs["format_version"] = "kuramoto-run", FORMAT_VERSION
            file.attrs["settings"] = json.dumps(
                _settings(plan, start.x), default=operator.methodcaller("item")
            )
            file.attrs["versions"] = json.dumps(_versions(namespace_name(start.x)))
            file.attrs["observed"] = json.dumps(list(values))
            file.attrs["standard_observables"] = json.dumps(list(standard))
            if experiment is not None:
                file.attrs["experiment"] = experiment
            _modelfile.write_model(file, model)
            file.create_dataset("initial", data=initial)
            _create_rows(file, initial, values)
            _write_checkpoint(file, 0, start, 0, Status.RUNNING)

        return cls(path, _publish(path, fill, overwrite=overwrite), rows=0, sequence=0)

    @classmethod
    def reopen(cls, path: str | Path) -> RunWriter:
        """Continue a file whose writer has gone: copy what is valid, rename, append."""
        path = Path(path)
        with open_run(path) as run:
            rows, position, source = run.rows, run.position(), run.group

            def fill(file: Any) -> None:
                for name, value in source.attrs.items():
                    file.attrs[name] = value
                for name in ("model", "initial"):
                    source.copy(name, file)
                probe = {name: source["observed"][name][:0] for name in source["observed"]}
                values = {n: np.zeros(v.shape[1:], dtype=v.dtype) for n, v in probe.items()}
                _create_rows(file, source["initial"], values)

            def copy_rows(file: Any) -> None:
                for old, new in runfile.row_datasets(source, file):
                    _copy_rows(old, new, rows)
                _write_checkpoint(file, 0, position, rows, Status.RUNNING)

            file = _publish(path, fill, copy_rows, overwrite=True)
        return cls(path, file, rows=rows, sequence=0)

    @property
    def empty(self) -> bool:
        """Whether nothing has been recorded yet, by this process or one before."""
        return self._rows == 0 and not self._times

    def record(self, t: float, x: Array, observed: Mapping[str, Any]) -> None:
        """Take one row into the buffer."""
        values = {name: self._fitting(name, value) for name, value in observed.items()}
        if self._keeps_states:
            self._states.append(np.array(to_numpy(x)))
        for name, value in values.items():
            self._observed[name].append(value)
        self._times.append(t)

    def _fitting(self, name: str, value: Any) -> np.ndarray:
        """Return an observed value as numbers of the kind and shape that it had at the start."""
        array, rows = numeric(name, value), self._file["observed"][name]
        fits = array.shape == rows.shape[1:] and np.can_cast(array.dtype, rows.dtype, "same_kind")
        if not fits:
            found = f"has shape {array.shape} and dtype {array.dtype}"
            must = f"keep to shape {rows.shape[1:]} and dtype {rows.dtype}"
            raise invalid(f"observe['{name}']", must, found)
        return array

    def checkpoint(self, position: Position) -> None:
        """Write the buffer and the position, if a chunk is full or a second has passed."""
        self._complete = len(self._times)
        full = len(self._times) * self._row_bytes >= _CHUNK_BYTES
        if full or time.monotonic() >= self._next_write:
            self._write(position, Status.RUNNING)

    def close(self, status: Status, position: Position) -> None:
        """Write what is left and how the run ended, and close the file."""
        if self._broken:
            return
        if status in (Status.INTERRUPTED, Status.FAILED):
            self._drop_incomplete()
        self._write(position, status)
        self._file.close()
        _hdf5.give_back(self.path)

    def _drop_incomplete(self) -> None:
        """Forget rows of a leg that was cut short: whoever resumes will pass there again."""
        buffers: list[list[Any]] = [self._times, self._states, *self._observed.values()]
        for rows in buffers:
            del rows[self._complete :]

    def rows(self, like: Array) -> tuple[np.ndarray, Any, dict[str, Any]]:
        """Return times, states (read on demand) and observables."""
        with open_run(self.path) as run:
            return run.times, StoredStates(self.path, like), run.observed

    def _write(self, position: Position, status: Status) -> None:
        begun = time.monotonic()
        try:
            _reserve(self._file, self._rows + len(self._times))
            self._append()
            self._file.flush()
            self._sequence += 1
            _write_checkpoint(self._file, self._sequence, position, self._rows, status)
            self._file.flush()
        except (OSError, RuntimeError) as error:
            self._abandon()
            words = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise StorageError(
                f"Could not write to {self.path} at t = {position.t:.6g}: {words:.200}; free some "
                f"space, then continue with `kuramoto resume {self.path}`."
            ) from None
        # A large state takes long to write: never spend more than a tenth of the time on it.
        taken = time.monotonic() - begun
        self._next_write = time.monotonic() + max(_SECONDS_BETWEEN_WRITES, 10 * taken)

    def _append(self) -> None:
        new = len(self._times)
        if not new:
            return
        end = self._rows + new
        columns: dict[str, list[Any]] = {"times": self._times}
        columns |= {"states": self._states} if self._keeps_states else {}
        columns |= {f"observed/{name}": values for name, values in self._observed.items()}
        for name, values in columns.items():
            dataset = self._file[name]
            dataset.resize(end, axis=0)
            dataset[self._rows : end] = np.asarray(values)
            values.clear()
        self._rows, self._complete = end, 0

    def _abandon(self) -> None:
        """Let go of a file that can no longer be written; what was written before stays whole."""
        self._broken = True
        with contextlib.suppress(Exception):
            self._file.close()
            _hdf5.give_back(self.path)


def bundle(runs: Mapping[str, str | Path], out: str | Path, *, overwrite: bool = False) -> Path:
    """Merge finished run files into one that holds them by name.

    Raises
    ------
    FileExistsError
        If `out` exists and `overwrite` is not given.
    """
    import h5py

    path = Path(out)
    if not runs or any(not name or "/" in name for name in runs):
        raise invalid("runs", "be {name: run file}, names without '/'", f"{list(runs)}")
    require_free(path, overwrite)
    temporary = temporary_name(path)
    try:
        with h5py.File(temporary, "w", libver="latest") as file:
            file.attrs["format"], file.attrs["format_version"] = "kuramoto-runs", FORMAT_VERSION
            file.attrs["names"] = json.dumps(list(runs))
            for name, source in runs.items():
                with open_run(source) as run:
                    run.require_single("bundled")
                    run.group.file.copy("/", file, f"runs/{name}")
        give_name(temporary, path, overwrite)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def numeric(name: str, value: Any) -> np.ndarray:
    """Return an observed value as numbers, or raise."""
    array = np.asarray(to_numpy(value) if hasattr(value, "shape") else value)
    if array.dtype.kind not in "fiub":
        found = f"is of type {type(value).__name__}"
        raise invalid(f"observe['{name}']", "return real numbers", found)
    return array


def _create_rows(file: Any, initial: Any, values: Mapping[str, np.ndarray]) -> None:
    """Make the growing datasets: chunks of about a mebibyte along time."""
    shapes = {"times": ((), np.dtype(np.float64)), "states": (initial.shape, initial.dtype)}
    shapes |= {f"observed/{name}": (value.shape, value.dtype) for name, value in values.items()}
    file.create_group("observed")
    for name, (shape, dtype) in shapes.items():
        row = max(1, int(np.prod(shape)) * dtype.itemsize)
        length = int(min(1024, max(1, _CHUNK_BYTES // row)))
        chunks = (length, *(max(1, n) for n in shape))
        file.create_dataset(
            name, shape=(0, *shape), maxshape=(None, *shape), dtype=dtype, chunks=chunks
        )
    slots = file.create_group("checkpoint")
    slots.create_dataset("x", shape=(2, *initial.shape), dtype=initial.dtype)
    slots.create_dataset("numbers", shape=(2, len(runfile.CHECKPOINT_FIELDS)), dtype=np.float64)


def _reserve(file: Any, rows: int) -> None:
    """Take the disk space that growing to so many rows needs, or raise while all is still well.

    HDF5 cannot close a file in which a write has failed (it aborts the process). So no write of its
    own may fail: the space is allocated beforehand, and given back when the file is closed.
    """
    wanted = file.id.get_filesize() + _RESERVE_BYTES
    for (dataset,) in runfile.row_datasets(file):
        length = dataset.chunks[0]
        new_chunks = -(-rows // length) - -(-len(dataset) // length)
        wanted += new_chunks * int(np.prod(dataset.chunks)) * dataset.dtype.itemsize
    _hdf5.allocate(file.id.get_vfd_handle(), wanted)


def _copy_rows(old: Any, new: Any, rows: int) -> None:
    _reserve(new.file, rows)
    new.resize(rows, axis=0)
    step = new.chunks[0]
    for first in range(0, rows, step):
        new[first : min(rows, first + step)] = old[first : min(rows, first + step)]


def _write_checkpoint(
    file: Any, sequence: int, position: Position, rows: int, status: Status
) -> None:
    """Fill the slot that is not the newest; its checksum makes a torn write visible."""
    x = np.ascontiguousarray(to_numpy(position.x))
    numbers = runfile.checkpoint_numbers(sequence, position, rows, status, x)
    slots = file["checkpoint"]
    slots["x"][sequence % 2] = x
    slots["numbers"][sequence % 2] = numbers


def _publish(path: Path, fill: Any, extend: Any = None, *, overwrite: bool) -> Any:
    """Write a file under a temporary name, switch it to SWMR, give it its name; return it open.

    The fixed part is made in memory and written as plain bytes, so that a full disk is an ordinary
    error; `extend` may then add rows.
    """
    import h5py

    temporary = temporary_name(path)
    with h5py.File(temporary, "w", libver="latest", driver="core", backing_store=False) as memory:
        fill(memory)
        memory.flush()
        image = memory.id.get_file_image()
    file = None
    try:
        with temporary.open("wb") as plain:
            plain.write(image)
            plain.flush()
            _hdf5.allocate(plain.fileno(), len(image) + _RESERVE_BYTES)
        file = h5py.File(temporary, "r+", libver="latest")
        file.swmr_mode = True
        if extend is not None:
            extend(file)
        file.flush()
        give_name(temporary, path, overwrite)
    except OSError as error:
        if file is not None:
            file.close()
        raise cannot_write(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)
    return file


def _settings(plan: Plan, x: Array) -> dict[str, Any]:
    def spell(part: Any) -> dict[str, Any]:
        own = dataclasses.is_dataclass(part) and not isinstance(part, type)
        fields = dataclasses.asdict(part) if own else {}
        return {"type": type(part).__name__, **fields}

    plain = {
        name: getattr(plan, name) for name in ("t0", "t1", "dt", "max_steps", "seed", "compile")
    }
    parts = {name: spell(getattr(plan, name)) for name in ("stepper", "controller", "save")}
    array = {"backend": namespace_name(x), "dtype": str(to_numpy(x).dtype)}
    return {**plain, **parts, **array, "device": str(device_of(x)), "shape": list(x.shape)}


def _versions(backend: str) -> dict[str, str]:
    import platform
    from importlib import metadata

    versions = {"python": platform.python_version()}
    for package in dict.fromkeys(("kuramoto-spheres", "numpy", "scipy", "h5py", backend)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
