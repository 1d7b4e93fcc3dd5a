"""Writing sweep files, so that a ``kill -9`` costs no finished point.

How a file survives. Its datasets are contiguous and allocated as a whole, filled with NaN, so that
a finished point changes bytes in place and never the structure: data, flush, mark, flush. A point
whose mark is there has its data. The datasets are made when the first point tells their shapes, and
made longer when one needs more rows; then a new file is written beside the old one and renamed over
it. HDF5's lock keeps a second writer out, and dies with the process that holds it.
"""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kuramoto import _hdf5
from kuramoto._outputs import cannot_write, give_name, require_free, temporary_name
from kuramoto.ensembles.point import Outcome
from kuramoto.ensembles.result import FORMAT, FORMAT_VERSION, PointStatus, is_sweep, open_sweep
from kuramoto.storage import StorageError

__all__ = ["Header", "SweepWriter", "continues"]

# Superblocks of this age have no flag that a killed writer would leave set.
_AGE = ("v108", "v108")
_RESERVE_BYTES = 2**17
_MESSAGE_BYTES = 400
_FIXED = ("status", "rows", "messages", "coordinates")


class Header(NamedTuple):
    """What makes a sweep the one it is: a file is continued only by the same."""

    experiment: str
    grid: dict[str, list[Any]]
    seeds: int
    observed: list[str]
    keeps_states: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the points, (*grid, seeds)."""
        return (*(len(values) for values in self.grid.values()), self.seeds)


def continues(path: Path, header: Header, *, overwrite: bool) -> bool:
    """Say whether a sweep goes on in the file at `path`; raise if it may not be written there."""
    if not path.exists() or overwrite or not is_sweep(path):
        require_free(path, overwrite)
        return False
    _require_same(path, header)
    return True


class SweepWriter:
    """The only hand that writes a sweep file."""

    def __init__(self, path: Path, header: Header, file: Any) -> None:
        self.path, self.header, self._file = path, header, file

    @classmethod
    def begin(cls, out: str | Path, header: Header, *, overwrite: bool = False) -> SweepWriter:
        """Begin a file, or go on with the one that is there if it is of the same sweep.

        Raises
        ------
        FileExistsError
            If the output is another file, or of another sweep, and `overwrite` is not given.
        OSError
            If it cannot be written, or another process writes it.
        """
        path = Path(out)
        if not continues(path, header, overwrite=overwrite):
            _require_idle(path)
            return cls(path, header, _published(path, _skeleton(header), overwrite=overwrite))
        writer = cls(path, header, _reopened(path))
        for left in path.parent.glob(f".{path.name}.*.part"):  # by a process killed at growing
            left.unlink(missing_ok=True)
        return writer

    @property
    def unfinished(self) -> list[int]:
        """The points that are not done, by number: those that failed are tried again."""
        return np.flatnonzero(self._file["status"][()].ravel() != PointStatus.DONE).tolist()

    def record(self, outcome: Outcome) -> bool:
        """Write how a point ended; return whether it is done.

        Raises
        ------
        StorageError
            If there is no space: what was written before is safe.
        """
        place = np.unravel_index(outcome.number, self.header.shape)
        complaint = outcome.failure or self._misfit(outcome)
        if not complaint:
            self._make_room(outcome)
            self._write(place, outcome)
        text = (complaint or outcome.note).encode()[:_MESSAGE_BYTES]
        self._file["messages"][place] = np.bytes_(text)
        self._file.flush()
        self._file["status"][place] = PointStatus.FAILED if complaint else PointStatus.DONE
        self._file.flush()
        return not complaint

    def __enter__(self) -> SweepWriter:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def _misfit(self, outcome: Outcome) -> str:
        """Say what of a point has not the shape that the first one gave the file."""
        if "times" not in self._file:
            return ""
        for name, values in _arrays(outcome):
            have, must = values.shape[1:], self._file[name].shape[len(self.header.shape) + 1 :]
            if name == "states":
                have, must = values.shape, self._file[name].shape[len(self.header.shape) :]
            if have != must:
                label = name.removeprefix("observed/")
                return f"Its {label} has shape {have}, but the first finished point's has {must}."
        return ""

    def _write(self, place: tuple[Any, ...], outcome: Outcome) -> None:
        rows = len(outcome.times)
        for name, values in _arrays(outcome):
            where = place if name == "states" else (*place, slice(rows))
            self._file[name][where] = values
        self._file["rows"][place] = rows

    def _make_room(self, outcome: Outcome) -> None:
        """See that the file has a place for every number of a point."""
        have = self._file["times"].shape[-1] if "times" in self._file else 0
        need = len(outcome.times)
        if "times" in self._file and need <= have:
            return
        length = max(need, have * 3 // 2)  # so that growing row by row costs little in all
        try:
            grown = self._grown(outcome, length)
        except OSError as error:
            remedy = "free some space, then start the same sweep again: it goes on"
            raise StorageError(f"{str(error).rstrip('.')}; {remedy}.") from None
        self._file.close()
        self._file = grown

    def _grown(self, outcome: Outcome, length: int) -> Any:
        """Write the file anew with datasets of so many rows, and rename it over the old one."""
        old, shapes = self._file, {}
        for name, values in _arrays(outcome):
            inner = values.shape if name == "states" else (length, *values.shape[1:])
            shapes[name] = ((*self.header.shape, *inner), values.dtype)

        def fill(file: Any) -> None:
            _copy_fixed(old, file)
            for name, (shape, dtype) in shapes.items():
                file.create_dataset(name, shape=shape, dtype=dtype)
                self._name_axes(file[name])

        def copy(file: Any) -> None:
            for name in shapes:
                _fill_with_nan(file[name], old.get(name))

        size = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in shapes.values())
        image = _image(fill)
        return _published(self.path, image, copy, size=size, overwrite=True)

    def _name_axes(self, dataset: Any) -> None:
        for axis, name in enumerate((*self.header.grid, "seed")):
            dataset.dims[axis].label = name


def _arrays(outcome: Outcome) -> Iterator[tuple[str, np.ndarray]]:
    """Go through the arrays of a point by the names of their datasets."""
    yield "times", outcome.times
    yield from ((f"observed/{name}", values) for name, values in outcome.observed.items())
    if outcome.state is not None:
        yield "states", outcome.state


def _fill_with_nan(new: Any, old: Any) -> None:
    """Fill a dataset slab by slab: with what was in the old one, else NaN."""
    for index in range(len(new)):
        slab = np.full(new.shape[1:], np.nan, dtype=new.dtype)
        if old is not None:
            slab[tuple(slice(size) for size in old.shape[1:])] = old[index]
        new[index] = slab


def _require_same(path: Path, header: Header) -> None:
    """Raise unless the file holds this very sweep."""
    found = open_sweep(path)
    there = (found.experiment, found.grid, found.seeds, found.observables, found.keeps_states)
    differ = [
        name
        for name, have, want in zip(Header._fields, there, header, strict=True)
        # Axes come in an order, which == on mappings does not see.
        if json.dumps(have) != json.dumps(want)
    ]
    if differ:
        words = ", ".join(differ).replace("keeps_states", "states").replace("observed", "observe")
        raise FileExistsError(
            f"Output {path} holds another sweep (other: {words}); choose another name, or pass "
            "overwrite=True (--force)."
        )


def _image(fill: Any) -> bytes:
    """Return the bytes of a small HDF5 file, made in memory."""
    import h5py

    with h5py.File("image", "w", libver=_AGE, driver="core", backing_store=False) as memory:
        fill(memory)
        memory.flush()
        image: bytes = memory.id.get_file_image()
    return image


def _skeleton(header: Header) -> bytes:
    """Return a file that holds what is known before the first point has run."""

    def fill(file: Any) -> None:
        file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
        file.attrs["experiment"], file.attrs["grid"] = header.experiment, json.dumps(header.grid)
        file.attrs["seeds"], file.attrs["keeps_states"] = header.seeds, header.keeps_states
        file.attrs["observed"] = json.dumps(header.observed)
        file.attrs["versions"] = json.dumps(_versions())
        file["status"] = np.full(header.shape, PointStatus.PENDING, dtype=np.int8)
        file["rows"] = np.zeros(header.shape, dtype=np.int64)
        file["messages"] = np.zeros(header.shape, dtype=f"S{_MESSAGE_BYTES}")
        for name, values in {**header.grid, "seed": range(header.seeds)}.items():
            axis = np.asarray(values)
            words = axis.dtype.kind == "U"
            file[f"coordinates/{name}"] = np.char.encode(axis, "utf-8") if words else axis

    return _image(fill)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("kuramoto-spheres", "numpy", "numba", "h5py"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _copy_fixed(old: Any, new: Any) -> None:
    for name, value in old.attrs.items():
        new.attrs[name] = value
    for name in _FIXED:
        old.copy(name, new)


def _published(
    path: Path, image: bytes, extend: Any = None, *, size: int = 0, overwrite: bool
) -> Any:
    """Write a file under a temporary name, fill it, give it its name; return it open and locked.

    Its space is allocated before HDF5 writes there: it cannot close a file after a failed write.
    """
    import h5py

    temporary, file = temporary_name(path), None
    try:
        with temporary.open("wb") as plain:
            plain.write(image)
            plain.flush()
            _hdf5.allocate(plain.fileno(), len(image) + size + _RESERVE_BYTES)
        file = h5py.File(temporary, "r+", libver=_AGE)
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


def _require_idle(path: Path) -> None:
    """Raise if another process writes a sweep there: its points would be lost."""
    if is_sweep(path):
        with contextlib.suppress(PermissionError):  # a file that may be replaced, not written
            _reopened(path).close()


def _reopened(path: Path) -> Any:
    import h5py

    try:
        return h5py.File(path, "r+", libver=_AGE)
    except BlockingIOError:
        words = "is being written by another process; wait for it, or choose another name"
        raise BlockingIOError(f"Output {path} {words}.") from None
    except OSError as error:
        raise cannot_write(path, error) from None
