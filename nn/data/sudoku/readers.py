"""Boards from files: as SAT-Net and RRN publish them, text, CSV or .npz; nothing is unpickled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message, nearest
from kuramoto._graph_files import existing_file, plain_arrays
from kuramoto.nn.data.sudoku.boards import Boards, Box, as_rows, box_shape, check_boards
from kuramoto.nn.data.sudoku.solver import solve

__all__ = ["read_boards", "read_satnet", "save_boards"]

GET_DATA = (
    "the page on Sudoku says where boards come from, and "
    "`kuramoto.nn.data.sudoku.generate` makes some"
)

_TEXT_ENDINGS = (".csv", ".txt", ".sdk", ".sdm")
_SEPARATORS = str.maketrans(",;\t", "   ")
_SIGNS = np.full(256, 255, dtype=np.uint8)
_SIGNS[[ord(sign) for sign in "0123456789._"]] = [*range(10), 0, 0]


def read_boards(path: str | os.PathLike[str], *, box: Box | None = None) -> Boards:
    """Read boards from a file; its ending says how.

    =================  ===========================================================================
    ``.csv``           a puzzle and its solution a line, each as digits row by row: what RRN
                       (train.csv, valid.csv, test.csv) and Kaggle's sets are. A header may stand
                       on top
    ``.txt .sdm``      the same separated by spaces, or puzzles only; ``#`` starts a comment
    ``.npz``           arrays ``puzzles`` and ``solutions`` of shape (n, cells) or (n, side, side)
    a folder           SAT-Net's: see `read_satnet`
    =================  ===========================================================================

    Blanks are ``0``, ``.`` or ``_``. Solutions that a file lacks are found by `solve`; those that
    it has are checked against rules and givens.

    Parameters
    ----------
    path : path
        File or folder.
    box : (int, int) or None
        Rows and columns of a box; None goes by the size of the boards.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message says how to get boards.
    ValueError
        If a file is of another kind, a line is ill-formed (the line is named), or a solution is
        wrong (the board is named, counted from 0).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "boards.txt"
    >>> _ = path.write_text("1.....2..3.....4  # a small one")
    >>> read_boards(path).solutions[0, :4]
    array([1, 2, 4, 3], dtype=uint8)
    """
    if isinstance(path, str | os.PathLike) and Path(path).is_dir():
        return Boards(*read_satnet(path))
    file = data_file(path)
    if file.suffix == ".npz":
        return _read_npz(file, box)
    if file.suffix not in _TEXT_ENDINGS:
        known = (*_TEXT_ENDINGS, ".npz")
        must = f"end in {', '.join(known)}, or be a folder of SAT-Net's tensors"
        raise invalid("path", must, f"{file.name!r}", nearest(file.suffix, known))
    return _read_lines(file, box)


def data_file(path: Any) -> Path:
    """Return `path` as a file, or raise an error that says how to get data."""
    if isinstance(path, str | os.PathLike) and not Path(path).exists():
        text = message("path", "lead to boards", f"{str(path)!r}, and nothing is there", GET_DATA)
        raise FileNotFoundError(text)
    return existing_file(path)


def save_boards(path: str | os.PathLike[str], boards: Boards) -> Path:
    """Write boards to a ``.npz`` file that `read_boards` reads; return its path."""
    file = Path(path)
    if file.suffix != ".npz":
        raise invalid("path", "end in .npz", f"{file.name!r}")
    np.savez_compressed(file, puzzles=boards.puzzles, solutions=boards.solutions)
    return file


def _read_npz(file: Path, box: Box | None) -> Boards:
    arrays = plain_arrays(file)
    if "puzzles" not in arrays:
        found = f"holds {', '.join(arrays) or 'nothing'}"
        raise invalid("path", "hold arrays `puzzles` and `solutions`", found)
    puzzles = as_rows(arrays["puzzles"], box, "puzzles")
    return _with_solutions(puzzles, arrays.get("solutions"), box)


def _with_solutions(puzzles: Array, solutions: Any, box: Box | None) -> Boards:
    if solutions is None:
        return Boards(puzzles, solve(puzzles, box))
    return check_boards(puzzles, solutions, box)


def _read_lines(file: Path, box: Box | None) -> Boards:
    rows = _rows(file)
    width = len(rows[0][1])
    columns = [_digits([(line, fields[k]) for line, fields in rows], box) for k in range(width)]
    return _with_solutions(columns[0], columns[1] if width == 2 else None, box)


def _rows(file: Path) -> list[tuple[int, list[str]]]:
    """Return (line number, fields) of the lines that hold a board; all have as many fields."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise invalid("path", "be a file of text", f"{file.name!r}, which is not") from None
    fields = (line.partition("#")[0].translate(_SEPARATORS).split() for line in lines)
    rows = [(number, part) for number, part in enumerate(fields, start=1) if part]
    if rows and not any(sign.isdigit() or sign == "." for sign in rows[0][1][0]):
        rows = rows[1:]
    if not rows:
        raise invalid("path", "hold a board a line", f"{file.name!r}, which holds none")
    for number, part in rows:
        if len(part) != len(rows[0][1]) or len(part) > 2:
            must = "hold a puzzle, or a puzzle and its solution, on each line"
            raise invalid("path", must, f"has {len(part)} fields on line {number}")
    return rows


def _digits(column: list[tuple[int, str]], box: Box | None) -> Array:
    """Turn fields of one length into digits, shape (n, cells)."""
    cells = len(column[0][1])
    for number, field in column:
        if len(field) != cells:
            must = f"hold boards of {cells} cells, as the first one has"
            raise invalid("path", must, f"has {len(field)} on line {number}")
    rows, columns = box_shape(box, cells)
    plain = "".join(field for _, field in column).encode("ascii", "replace")
    digits = _SIGNS[np.frombuffer(plain, dtype=np.uint8)].reshape(-1, cells)
    wrong = np.argwhere(digits > rows * columns)
    if len(wrong):
        number, field = column[wrong[0][0]]
        must = f"hold digits from 1 to {rows * columns}, and `.`, `0` or `_` for blanks"
        raise invalid("path", must, f"holds {field[wrong[0][1]]!r} on line {number}")
    return digits


def read_satnet(folder: str | os.PathLike[str], *, permuted: bool = False) -> Any:
    """Read the boards that SAT-Net publishes: ``features.pt`` and ``labels.pt`` in a folder.

    Both hold one bit a digit and cell, shape (n, 9, 9, 9); a blank has none set. The published
    split is in their order: the first 9,000 of 10,000 boards are for training, the rest for test.

    Parameters
    ----------
    folder : path
        Where the tensors lie. They are loaded as plain tensors: nothing is unpickled.
    permuted : bool
        Return also ``perm.pt``, the fixed order of the 729 bits that SAT-Net's permuted task
        hides the grid with: ``bits.reshape(n, 729)[:, order]``.

    Returns
    -------
    Boards, or (Boards, array of int of shape (729,)) if `permuted`

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file holds no tensor, or not one bit a digit.

    References
    ----------
    Wang, Donti, Wilder & Kolter (2019), SATNet: bridging deep learning and logical reasoning using
    a differentiable satisfiability solver, ICML.
    """
    puzzles, solutions = (
        _from_bits(Path(folder) / f"{name}.pt") for name in ("features", "labels")
    )
    boards = check_boards(puzzles, solutions, (3, 3))
    return (boards, _order(Path(folder) / "perm.pt")) if permuted else boards


def _from_bits(path: Path) -> Array:
    """Return the digits of a tensor of bits, shape (n, 81)."""
    bits = _tensor(path)
    if bits.ndim != 4 or bits.shape[1:] != (9, 9, 9) or not np.isin(bits, (0, 1)).all():
        must = "hold bits of shape (n, 9, 9, 9)"
        found = f"holds others of shape {bits.shape} in {path.name!r}"
        raise invalid("folder", must, found)
    bits = bits.reshape(-1, 81, 9).astype(np.uint8)
    if bits.sum(axis=2).max(initial=0) > 1:
        raise invalid("folder", "set one bit a cell at most", f"it sets more in {path.name!r}")
    return np.asarray(bits @ np.arange(1, 10, dtype=np.uint8))


def _order(path: Path) -> Array:
    order = _tensor(path)
    if order.shape != (729,) or (np.sort(order) != np.arange(729)).any():
        found = f"holds another tensor, of shape {order.shape}, in {path.name!r}"
        raise invalid("folder", "hold each index from 0 to 728 once", found)
    return order.astype(np.int64)


def _tensor(path: Path) -> Array:
    """Load one tensor without unpickling anything else."""
    import torch

    data_file(path)
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever a file that is not PyTorch's makes it raise
        tensor = None
    if not isinstance(tensor, torch.Tensor):
        must = "hold plain tensors as torch.save writes them"
        raise invalid("folder", must, f"holds no such in {path.name!r}") from None
    return tensor.detach().numpy()
