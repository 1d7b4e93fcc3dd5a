"""Weights from files of several kinds; public as `kuramoto.graphs.read`."""

from __future__ import annotations

import math
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message, real_number, wrong_type
from kuramoto._weights import LARGEST_M, from_edges, scaled, square_matrix

# What NumPy, SciPy and zipfile raise on files that are not theirs, cut short or damaged.
_BROKEN_ARCHIVE = (
    *(ValueError, TypeError, AttributeError, LookupError, ArithmeticError, SyntaxError),
    *(EOFError, MemoryError, RuntimeError, OSError, zipfile.BadZipFile, zlib.error),
)

_SEPARATORS = {".csv": r"[,;]", ".tsv": r"\t", ".txt": r"[\s,;]+"}

_FIRST_DIAGONAL = {"symmetric": 0, "skew-symmetric": 1}

_MARKET_KINDS = [
    [layout, field, symmetry]
    for layout in ("coordinate", "array")
    for field in ("real", "double", "integer", "pattern")
    for symmetry in ("general", *_FIRST_DIAGONAL)
    if (layout, field) != ("array", "pattern")
]


def read(path: str | os.PathLike[str], *, symmetric: bool = True, strength: float = 1.0) -> Array:
    r"""Read weights from a file; its ending says how.

    ========================  ====================================================================
    ``.mtx``                  Matrix Market (its header says whether it is symmetric)
    ``.npz``                  `scipy.sparse.save_npz`, or an array ``weights`` of shape (M, M)
    ``.csv .tsv .txt``        edge list: two indices counted from 0 and an optional weight a line,
                              separated by commas, tabs or spaces; an optional header; ``#`` or
                              ``%`` starts a comment; M is the largest index + 1
    ========================  ====================================================================

    Parameters
    ----------
    path : path
        File to read; nothing in it is ever unpickled or run.
    symmetric : bool
        For edge lists: whether a line ``a, b, w`` acts both ways. If not, it is an edge from a to
        b, as NetworkX writes them, and sets ``weights[b, a]`` (as `from_networkx` does).
    strength : float
        Factor for all weights.

    Returns
    -------
    scipy.sparse.csr_array, shape (M, M)

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    ValueError
        If the ending is unknown or the content is not a square matrix or a list of edges.

    Examples
    --------
    >>> import kuramoto as km
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "edges.csv")
    ...     _ = file.write_text("from,to,weight\n0,1,2.5\n1,2,1\n")
    ...     km.graphs.read(file).sum(axis=1)
    array([2.5, 3.5, 1. ])
    """
    file, scale = existing_file(path), real_number("strength", strength)
    ending = file.suffix.lower()
    if ending in _SEPARATORS:
        return scaled(_read_edge_list(file, _SEPARATORS[ending], symmetric), scale)
    if ending not in {".mtx", ".npz"}:
        must = f"end in .mtx, .npz, {', '.join(_SEPARATORS)}"
        raise invalid("path", must, f"{file.name!r}", "convert it, or use from_sparse")
    matrix = _read_matrix_market(file) if ending == ".mtx" else _read_npz(file)
    return scaled(square_matrix(matrix, "path"), scale)


def existing_file(path: Any) -> Path:
    """Return `path` as a `Path` to a file that can be opened, or raise an OSError saying why."""
    if not isinstance(path, str | os.PathLike):
        raise wrong_type("path", "be the path of a file", path)
    file = Path(path)
    if not file.is_file():
        found = f"{str(file)!r}, which is a folder" if file.is_dir() else f"{str(file)!r}"
        remedy = "check the name" if file.exists() else "no such file exists"
        raise FileNotFoundError(message("path", "be a file", found, remedy))
    if not os.access(file, os.R_OK):
        raise PermissionError(message("path", "be a file that you may read", f"{str(file)!r}"))
    return file


def plain_arrays(file: Path) -> dict[str, Array]:
    """Return the arrays of an .npz file, none of them unpickled, or raise a one-line error."""
    try:
        # NumPy leaves a file that it opened by name open when it turns out to be broken.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except _BROKEN_ARCHIVE:
        must = "be a whole .npz file of plain arrays, without Python objects"
        remedy = "write it with numpy.savez"
        raise invalid("path", must, f"{file.name!r}, which is not", remedy) from None


def _read_npz(file: Path) -> Any:
    arrays = plain_arrays(file)
    if "weights" in arrays:
        return arrays["weights"]
    from scipy.sparse import load_npz

    try:
        matrix = load_npz(file)
        # The constructor trusts the indices; the first product would read outside the arrays.
        getattr(matrix, "check_format", int)()
    except _BROKEN_ARCHIVE:
        must = "hold an array `weights` or what scipy.sparse.save_npz writes"
        raise invalid("path", must, f"holds {', '.join(arrays) or 'nothing'}") from None
    return matrix


def _read_edge_list(file: Path, separator: str, symmetric: bool) -> Array:
    rows = _rows(file, separator, comment="[#%]")
    if not any(_is_number(field) for field in rows[0][1]):
        rows = rows[1:]
    table = _number_table(rows, {2, 3})
    target, source = _whole(table[:, 1]), _whole(table[:, 0])
    M = int(max(target.max(), source.max())) + 1
    if symmetric:
        _refuse_both_directions(M, source, target)
    weights = table[:, 2] if table.shape[1] == 3 else 1.0
    return from_edges(M, target, source, weights, symmetric=symmetric)


def _read_matrix_market(file: Path) -> Array:
    """Read real square matrices, coordinate or array layout.

    `scipy.io.mmread` reads them too, but its compiled parser can crash Python on a broken file.
    """
    rows = _rows(file, r"\s+", comment="(?i)%(?!%?MatrixMarket)")
    words = [field.lower() for field in rows[0][1]]
    if words[:2] != ["%%matrixmarket", "matrix"] or words[2:] not in _MARKET_KINDS:
        must = "be a Matrix Market file of a real matrix"
        raise invalid("path", must, f"it begins with {' '.join(rows[0][1])[:60]!r}")
    layout, field, symmetry = words[2:]
    M, entries = _market_size(rows[1:2], layout, symmetry)
    width = 1 if layout == "array" else 2 if field == "pattern" else 3
    table = _number_table(rows[2:], {width}) if entries else np.empty((0, width))
    if len(table) != entries:
        raise invalid("path", f"hold {entries} entries", f"holds {len(table)}")
    if layout == "array":
        # Column by column; of a symmetric matrix only the lower triangle.
        j, i = np.triu_indices(M, _FIRST_DIAGONAL.get(symmetry, -M))
    else:
        i, j = _whole(table[:, 0], first=1, M=M), _whole(table[:, 1], first=1, M=M)
    values = 1.0 if width == 2 else table[:, -1]
    weights = from_edges(M, i, j, values, symmetric=symmetry == "symmetric")
    return weights - weights.T if symmetry == "skew-symmetric" else weights


def _market_size(rows: list[tuple[int, list[str]]], layout: str, symmetry: str) -> tuple[int, int]:
    """Return the number of oscillators and of entries that the size line announces."""
    size = _whole(_number_table(rows, {3 if layout == "coordinate" else 2})[0])
    M = int(size[0])
    if size[1] != M or not M:
        raise invalid("path", "hold a square matrix", f"has shape ({M}, {size[1]})")
    if layout == "coordinate":
        return M, int(size[2])
    outside = _FIRST_DIAGONAL.get(symmetry)
    return M, M * M if outside is None else M * (M + 1) // 2 - outside * M


def _rows(file: Path, separator: str, comment: str) -> list[tuple[int, list[str]]]:
    """Return the number of each line that is not empty or a comment, and its fields."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise invalid("path", "be a text file", f"{file.name!r}, which is not UTF-8") from None
    bare = [re.split(comment, line, maxsplit=1)[0].replace('"', "").strip() for line in lines]
    rows = [(k, re.split(separator, line)) for k, line in enumerate(bare, 1) if line]
    if not rows:
        raise invalid("path", "be a list of edges or a matrix", f"{file.name!r}, which is empty")
    return rows


def _number_table(rows: list[tuple[int, list[str]]], widths: set[int]) -> Array:
    """Turn the fields into finite numbers, shape (number of rows, one of `widths`)."""
    if not rows:
        raise invalid("path", "hold at least one row of numbers", "has none")
    width = len(rows[0][1])
    for line, fields in rows:
        if len(fields) != width or width not in widths:
            expected = " or ".join(str(number) for number in sorted(widths))
            must = f"have {expected} columns, as many on every line"
            raise invalid("path", must, f"has {len(fields)} on line {line}")
        if not all(_is_number(field) for field in fields):
            raise invalid("path", "hold finite numbers", f"holds {fields} on line {line}")
    return np.array([fields for _, fields in rows], dtype=np.float64)


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False


def _whole(numbers: Array, first: int = 0, M: int = LARGEST_M) -> Array:
    """Return indices that a file counts from `first` as integers counted from 0."""
    last = M - 1 + first
    wrong = np.flatnonzero((numbers < first) | (numbers > last) | (numbers != np.floor(numbers)))
    if wrong.size:
        must = f"list whole indices from {first} to {last}"
        raise invalid("path", must, f"holds {numbers[wrong[0]]:g} in entry {wrong[0] + 1}")
    return numbers.astype(np.int64) - first


def _refuse_both_directions(M: int, source: Array, target: Array) -> None:
    """Raise if an undirected list names some edge both ways: it would count twice."""
    up, down = source < target, source > target
    mirrored = np.isin(source * M + target, target[down] * M + source[down])
    doubled = np.flatnonzero(up & mirrored)
    if doubled.size:
        a, b = source[doubled[0]], target[doubled[0]]
        must = "list each undirected edge once"
        remedy = "pass symmetric=False, or drop one of the two"
        raise invalid("path", must, f"holds both {a}, {b} and {b}, {a}", remedy)
