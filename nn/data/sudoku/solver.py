"""The judge: exact solutions, and how many a board has."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, whole_number
from kuramoto.nn.data.sudoku.boards import (
    Box,
    as_rows,
    box_shape,
    check_givens,
    peers,
    place,
    units,
)

__all__ = ["count_solutions", "solve"]


def solve(board: Any, box: Box | None = None) -> Array:
    """Return the solution of a board, or of many; there must be exactly one.

    Candidates are propagated (cells with one candidate, digits with one place in a unit), then the
    most constrained cell is split and both branches are searched. Compiled on first use.

    Parameters
    ----------
    board : str or array of int, shape (*batch, cells) or (*batch, side, side)
        Digits row by row, 0 for a blank; text as `parse_board` reads it, or a list of such.
    box : (int, int) or None
        Rows and columns of a box; None goes by the size: 2×2, 2×3, 2×4 or 3×3.

    Returns
    -------
    array of uint8, in the shape of the board, (cells,) for text

    Raises
    ------
    ValueError
        If the board is ill-formed, its givens contradict each other (both cells are named), or it
        has no solution or several (a cell in which two of them differ is named).

    Examples
    --------
    >>> solve([[1, 0, 0, 0], [0, 0, 2, 0], [0, 3, 0, 0], [0, 0, 0, 4]])
    array([[1, 2, 4, 3],
           [3, 4, 2, 1],
           [4, 3, 1, 2],
           [2, 1, 3, 4]], dtype=uint8)
    """
    boards = as_rows(board, box)
    box = box_shape(box, boards.shape[1])
    check_givens(boards, box)
    counts, first, last = run(boards, box, 2)
    wrong = np.flatnonzero(counts != 1)
    if wrong.size:
        row = int(wrong[0])
        raise _not_unique(row, len(boards), first[row], last[row], int(counts[row]), box)
    return first.reshape(_shape(board, boards))


def count_solutions(board: Any, limit: int = 2, box: Box | None = None) -> Any:
    """Count the solutions of a board, or of many, up to `limit`.

    Parameters
    ----------
    board : str or array of int, shape (*batch, cells) or (*batch, side, side)
        As in `solve`; givens that contradict each other leave no solution.
    limit : int
        Where to stop counting.
    box : (int, int) or None
        Rows and columns of a box.

    Returns
    -------
    int for one board, array of int of shape (*batch,) for many

    Examples
    --------
    >>> count_solutions("1.....2..3.....4"), count_solutions("." * 16, limit=1000)
    (1, 288)
    """
    boards = as_rows(board, box)
    counts, _, _ = run(
        boards, box_shape(box, boards.shape[1]), whole_number("limit", limit, least=1)
    )
    shape = _shape(board, boards)
    batch = shape[: len(shape) - (2 if shape[-1] != boards.shape[1] else 1)]
    return counts.reshape(batch) if batch else int(counts[0])


def _shape(board: Any, boards: Array) -> tuple[int, ...]:
    """Return the shape in which boards were given."""
    text = isinstance(board, list | tuple) and isinstance(board[0], str)
    shape: tuple[int, ...] = boards.shape if text else np.shape(board)
    return boards.shape[1:] if isinstance(board, str) else shape


def _not_unique(row: int, n: int, first: Array, last: Array, count: int, box: Box) -> ValueError:
    name = "board" if n == 1 else f"board[{row}]"
    if not count:
        return invalid(name, "have a solution", "has none", "check its digits")
    cell = int((first != last).argmax())
    found = f"has several: {place(cell, box[0] * box[1])} can be {first[cell]} or {last[cell]}"
    return invalid(name, "have one solution", found, "give more digits")


def run(boards: Array, box: Box, limit: int) -> tuple[Array, Array, Array]:
    """Return (count up to `limit`, first solution, last one counted) for boards (n, cells)."""
    room = Room.of(box, min(limit, 2))
    counts, solutions = np.zeros(len(boards), np.int64), np.zeros((2, *boards.shape), np.uint8)
    call("solve_each", np.ascontiguousarray(boards), solutions, counts, limit, *room)
    return counts, *solutions


class Room(NamedTuple):
    """What every search needs: where solutions go, random numbers, working space, the rules."""

    found: Array
    noise: Array
    work: Any
    rules: Any

    @classmethod
    def of(cls, box: Box, solutions: int, noise: Array | None = None) -> Room:
        """Return room for so many solutions at a time; no noise: a search in fixed order."""
        from kuramoto.nn.data.sudoku.compiled import Work

        rules = _rules(box)
        cells = len(rules.peers)
        work = Work(
            levels=np.zeros((cells + 1, cells), dtype=np.int16),
            split=np.zeros(cells + 1, dtype=np.uint8),
            queue=np.zeros(cells + 1, dtype=np.uint8),
        )
        found = np.zeros((solutions, cells), dtype=np.uint8)
        return cls(found, np.zeros(0, np.uint64) if noise is None else noise, work, rules)


@functools.cache
def _rules(box: Box) -> Any:
    from kuramoto.nn.data.sudoku.compiled import Rules

    full = (1 << (box[0] * box[1])) - 1
    return Rules(units(box).astype(np.uint8), peers(box).astype(np.uint8), full)


def call(name: str, *arguments: Any) -> Any:
    """Call a compiled driver, from disk or compiled now."""
    from kuramoto._kernels.jit import ready
    from kuramoto.nn.data.sudoku import compiled

    return ready(getattr(compiled, name), arguments, "the search for Sudoku boards")(*arguments)
