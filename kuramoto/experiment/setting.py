"""The ground that the parts of an experiment stand on: its sizes, its library, its files."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from kuramoto import _graph_files
from kuramoto._backend import Array, empty_on, from_numpy
from kuramoto._check import invalid, message
from kuramoto.couplings import Coupling
from kuramoto.experiment.schema import ExperimentError, each, show, text, whole, wrong


@dataclasses.dataclass(frozen=True)
class Setting:
    """The ground that parts stand on: how many oscillators of which kind, and where files are."""

    base: Path
    dimensions: int
    sites: tuple[int, ...] | None
    batch: tuple[int, ...]
    like: Array

    def array(self, values: Any) -> Array:
        """Return host numbers on the library, dtype and device of the experiment."""
        return from_numpy(values, self.like)

    @property
    def known_sites(self) -> tuple[int, ...]:
        """The sizes of the site axes.

        Raises
        ------
        ExperimentError
            If neither the file nor the coupling says them.
        """
        if self.sites is None:
            raise ExperimentError("`state.oscillators` (or `state.sites`) must be given here.")
        return self.sites

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the state, (*batch, *sites, N)."""
        return (*self.batch, *self.known_sites, self.dimensions)

    def fitted(self, coupling: Coupling) -> Setting:
        """Return the setting with the sites that the coupling has, if it has any of its own."""
        if coupling.sites is None or coupling.sites == self.sites:
            return self
        if self.sites is None:
            return dataclasses.replace(self, sites=coupling.sites)
        must = f"be {list(coupling.sites)}, as the coupling has them"
        raise ExperimentError(f"{invalid('state.sites', must, str(list(self.sites)))}")


def make_setting(
    base: Path,
    backend: str,
    dtype: str,
    device: str | None,
    dimensions: int,
    sites: tuple[int, ...] | None,
    batch: tuple[int, ...],
) -> Setting:
    """Make a setting; say so in one line if the library or its device is not there."""
    try:
        like = empty_on(backend, dtype, device)
    except (
        RuntimeError,
        AssertionError,
        ValueError,
    ) as error:  # a library's own words for "no GPU"
        words = " ".join(str(error).split())
        raise ExperimentError(f"`state.backend` {backend!r} cannot be used: {words:.200}") from None
    return Setting(base, dimensions, sites, batch, like)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """An array in the file, or the name of a file that holds it."""

    where: str
    values: np.ndarray | None
    path: str = ""
    array: str | None = None

    def load(self, base: Path) -> np.ndarray:
        """Return the numbers; a file is looked for from `base`, and nothing in it is unpickled."""
        if self.values is not None:
            return self.values
        file = _graph_files.existing_file(base / self.path)
        read = _ARRAY_FILES.get(file.suffix.lower())
        if read is None:
            must = f"end in {', '.join(_ARRAY_FILES)}"
            raise wrong(self.where, must, self.path)
        values = read(file, self.array)
        if values.dtype.kind not in "iuf":
            found = f"has dtype {values.dtype}"
            raise ExperimentError(message(self.where, "hold real numbers", found))
        return np.asarray(values, dtype=np.float64)


def numbers(value: Any, where: str) -> Numbers:
    """Read a number, nested lists of numbers, the name of a file, or {path, array}."""
    if isinstance(value, str):
        return Numbers(where, None, value)
    if isinstance(value, dict):
        named = {key: text(item, f"{where}.{key}") for key, item in value.items()}
        if "path" not in named or not named.keys() <= {"path", "array"}:
            raise wrong(where, "have the keys path and, for .npz, array", list(value))
        return Numbers(where, None, named["path"], named.get("array"))
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise wrong(where, "have rows of one length", value) from None
    if array.dtype.kind not in "iuf" or not array.size or not np.isfinite(array).all():
        must = "be a finite number, nested lists of them, or the name of a file"
        raise wrong(where, must, value)
    return Numbers(where, array.astype(np.float64))


def _read_npz(file: Path, name: str | None) -> np.ndarray:
    arrays = _graph_files.plain_arrays(file)
    if name is None and len(arrays) == 1:
        name = next(iter(arrays))
    if name not in arrays:
        must = f"name one of the arrays in {file.name}: {', '.join(arrays)}"
        raise invalid("array", must, show(name))
    return np.asarray(arrays[name])


def _read_npy(file: Path, _: str | None) -> np.ndarray:
    try:
        return np.asarray(np.load(file, allow_pickle=False))
    except (ValueError, EOFError):
        must = "be a .npy file of plain numbers, without Python objects"
        raise invalid("path", must, f"{file.name!r}, which is not") from None


def _read_csv(file: Path, _: str | None) -> np.ndarray:
    try:
        with warnings.catch_warnings(action="error"):  # "input contained no data"
            return np.loadtxt(file, delimiter=",", ndmin=1)
    except (ValueError, UserWarning) as error:
        words = str(error).rstrip(".")
        raise invalid("path", "be a table of numbers", f"{file.name!r}: {words:.120}") from None


_ARRAY_FILES = {".npz": _read_npz, ".npy": _read_npy, ".csv": _read_csv}


def sizes(value: Any, where: str) -> tuple[int, ...]:
    """Read one size or several, each at least 1."""
    counts: tuple[int, ...] = each(whole, "whole numbers", alone=True)(value, where)
    if min(counts) < 1:
        raise wrong(where, "hold whole numbers of at least 1", value)
    return counts


AnyNumbers = Annotated[Numbers, numbers]
WholeNumbers = Annotated[tuple[int, ...], each(whole, "whole numbers", alone=True)]
Sizes = Annotated[tuple[int, ...], sizes]
