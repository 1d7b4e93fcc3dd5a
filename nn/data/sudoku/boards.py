"""Boards: what a grid is, boards from text and back, and what every complaint about one says.

A board is ``side * side`` digits row by row, 0 for a blank: uint8, shape (cells,), many of them
(n, cells). A box of `rows` by `columns` cells holds every digit once, so that the side is rows
times columns: ``(3, 3)`` is the usual board, ``(2, 2)`` one of 4 by 4, ``(2, 3)`` one of 6 by 6.
Wherever `box` may be None, the size of the board decides.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array, to_numpy
from kuramoto._check import invalid, whole_number, wrong_type

__all__ = ["Boards", "check_boards", "format_board", "is_solution", "parse_board"]

Box = tuple[int, int]

_BOXES: dict[int, Box] = {16: (2, 2), 36: (2, 3), 64: (2, 4), 81: (3, 3)}
_BLANKS = str.maketrans(dict.fromkeys("._", "0") | dict.fromkeys("|+- \t\r\n", None))


class Boards(NamedTuple):
    """Puzzles and their solutions, both uint8 of shape (n, cells)."""

    puzzles: Array
    solutions: Array

    @property
    def givens(self) -> Array:
        """Number of digits given in each puzzle, shape (n,)."""
        return np.count_nonzero(self.puzzles, axis=1)

    def select(self, rows: Any) -> Boards:
        """Return some of the boards: `rows` is what indexes an array."""
        return Boards(self.puzzles[rows], self.solutions[rows])


def box_shape(box: Box | None, cells: int | None = None) -> Box:
    """Return a box that is one, and fits a board of so many cells; None asks the board."""
    if box is None:
        if cells not in _BOXES:
            raise invalid("board", "have 16, 36, 64, 81 cells", f"has {cells}")
        return _BOXES[cells]
    if not isinstance(box, Sequence) or len(box) != 2:
        raise wrong_type("box", "be a pair (rows, columns)", box)
    rows, columns = (whole_number("box", length, least=2) for length in box)
    if rows * columns > 9:
        raise invalid("box", "have at most 9 cells, one for each digit", f"{rows} by {columns}")
    if cells is not None and cells != (rows * columns) ** 2:
        must = f"have {(rows * columns) ** 2} cells for boxes of {rows} by {columns}"
        raise invalid("board", must, f"has {cells}")
    return rows, columns


@functools.cache
def units(box: Box) -> Array:
    """Return the cells of every row, column and box, shape (3 side, side)."""
    rows, columns = box
    side = rows * columns
    cells = np.arange(side * side).reshape(side, side)
    boxes = cells.reshape(columns, rows, rows, columns).swapaxes(1, 2).reshape(side, side)
    found = np.concatenate([cells, cells.T, boxes])
    found.flags.writeable = False  # shared by all callers
    return found


@functools.cache
def peers(box: Box) -> Array:
    """Return the cells that share a unit with each cell, in growing order, shape (cells, P)."""
    meets = np.zeros(((box[0] * box[1]) ** 2,) * 2, dtype=bool)
    for unit in units(box):
        meets[np.ix_(unit, unit)] = True
    np.fill_diagonal(meets, False)
    found = meets.nonzero()[1].reshape(len(meets), -1)
    found.flags.writeable = False
    return found


def parse_board(text: str, box: Box | None = None) -> Array:
    """Read one board from text: digits row by row; ``.``, ``0`` or ``_`` for a blank.

    Spaces, line ends and the lines that `format_board` draws between boxes are passed over.

    Parameters
    ----------
    text : str
        The board.
    box : (int, int) or None
        Rows and columns of a box.

    Returns
    -------
    array of uint8, shape (cells,)

    Raises
    ------
    ValueError
        If there are too many or too few cells, or other signs.

    Examples
    --------
    >>> parse_board("1... ..2. .3.. ...4").reshape(4, 4)[0]
    array([1, 0, 0, 0], dtype=uint8)
    """
    if not isinstance(text, str):
        raise wrong_type("text", "be a board as text", text)
    plain = text.translate(_BLANKS)
    wrong = next((sign for sign in plain if sign not in "0123456789"), None)
    if wrong is not None:
        raise invalid("text", "hold digits, and `.`, `0` or `_` for blanks", f"holds {wrong!r}")
    digits = np.frombuffer(plain.encode(), dtype=np.uint8) - np.uint8(ord("0"))
    box_shape(box, digits.size)
    return as_rows(digits, box)[0]


def format_board(board: Any, box: Box | None = None) -> str:
    """Draw a board as text that `parse_board` reads.

    Examples
    --------
    >>> print(format_board(parse_board("1.....2..3.....4")))
    1 . | . .
    . . | 2 .
    ----+----
    . 3 | . .
    . . | . 4
    """
    digits = as_rows(board, box)[0]
    rows, columns = box_shape(box, digits.size)
    side = rows * columns
    signs = np.array(list("." + "123456789"))[digits].reshape(side, rows, columns)
    lines = [" | ".join(" ".join(part) for part in line) for line in signs]
    dashes = "-" * (2 * columns)
    rule = "+".join([dashes, *[dashes + "-"] * (rows - 2), dashes])
    bands = ["\n".join(lines[first : first + rows]) for first in range(0, side, rows)]
    return f"\n{rule}\n".join(bands)


def as_rows(boards: Any, box: Box | None = None, name: str = "board") -> Array:
    """Return boards of any accepted form as uint8, shape (n, cells): a copy or a view.

    Accepted are text, a list of texts, and whole numbers of shape (*batch, cells) or
    (*batch, side, side), from any array library.
    """
    if isinstance(boards, str):
        return parse_board(boards, box)[None]
    if isinstance(boards, list | tuple) and boards and isinstance(boards[0], str):
        return np.stack([parse_board(text, box) for text in boards])
    digits = np.asarray(boards) if isinstance(boards, list | tuple) else to_numpy(boards)
    cells = int(cells_of(digits.shape))
    rows, columns = box_shape(box, cells)
    if digits.dtype.kind not in "iu":
        raise invalid(name, "hold whole numbers", f"has dtype {digits.dtype}")
    _check_range(digits.reshape(-1, cells), rows * columns, name)
    return np.ascontiguousarray(digits.reshape(-1, cells), dtype=np.uint8)


def cells_of(shape: Sequence[int]) -> int:
    """Return how many cells a board has in an array of this shape."""
    square = len(shape) > 1 and shape[-1] == shape[-2] and math.prod(shape[-2:]) in _BOXES
    return math.prod(shape[-2:]) if square else (shape[-1] if shape else 1)


def _check_range(digits: Array, side: int, name: str) -> None:
    wrong = np.argwhere((digits < 0) | (digits > side))
    if len(wrong):
        row, cell = wrong[0]
        must = f"hold digits from 1 to {side}, and 0 for blanks"
        where = place(cell, side) + (f" of board {row}" if len(digits) > 1 else "")
        raise invalid(name, must, f"holds {digits[row, cell]} at {where}")


def place(cell: int, side: int) -> str:
    """Name a cell as people do: rows and columns counted from 1."""
    return f"row {cell // side + 1}, column {cell % side + 1}"


def clash(board: Array, box: Box) -> tuple[int, int] | None:
    """Return the first two cells that hold one digit in one unit; None if there are none."""
    meeting = peers(box)
    same = (board[meeting] == board[:, None]) & (board[:, None] > 0)
    first = np.flatnonzero(same.any(axis=1))
    return (int(first[0]), int(meeting[first[0]][same[first[0]]][0])) if first.size else None


def check_givens(boards: Array, box: Box, name: str = "board") -> None:
    """Raise if a board, a row of (n, cells), holds a digit twice in a unit; name both cells."""
    seen = np.zeros(len(boards), dtype=bool)
    for unit in units(box):
        digits = np.sort(boards[:, unit], axis=1)
        seen |= ((digits[:, 1:] == digits[:, :-1]) & (digits[:, 1:] > 0)).any(axis=1)
    if not seen.any():
        return
    row = int(seen.argmax())
    pair = clash(boards[row], box)
    assert pair is not None
    first, second = (place(cell, box[0] * box[1]) for cell in pair)
    whose = f" of board {row}" if len(boards) > 1 else ""
    must = "hold each digit at most once a row, column and box"
    raise invalid(name, must, f"holds {boards[row, pair[0]]} at {first} and at {second}{whose}")


def is_solution(answers: Any, puzzles: Any = None, box: Box | None = None) -> Array:
    """Say which answers are right: full boards that keep to the rules and to the givens.

    Parameters
    ----------
    answers : array of int, shape (*batch, cells) or (*batch, side, side)
        Filled boards, or text.
    puzzles : array of int, like `answers`, or None
        The givens that they must agree with; None checks the rules only.
    box : (int, int) or None
        Rows and columns of a box.

    Returns
    -------
    array of bool, shape (n,)
        One entry for each board, batch axes flattened.

    Examples
    --------
    >>> is_solution(["1234341221434321", "1234341221434312"], ["1..............." ] * 2)
    array([ True, False])
    """
    filled = as_rows(answers, box, "answers")
    box = box_shape(box, filled.shape[1])
    full = (1 << (box[0] * box[1] + 1)) - 2
    bits = np.left_shift(np.int16(1), filled, dtype=np.int16)
    right = np.ones(len(filled), dtype=bool)
    for unit in units(box):
        right &= np.bitwise_or.reduce(bits[:, unit], axis=1) == full
    return right if puzzles is None else right & _agrees(filled, as_rows(puzzles, box, "puzzles"))


def _agrees(filled: Array, givens: Array) -> Array:
    if len(filled) != len(givens):
        found = f"has {len(givens)} boards"
        raise invalid("puzzles", f"be as many as the answers, {len(filled)}", found)
    return ((givens == 0) | (givens == filled)).all(axis=1)


def check_boards(puzzles: Any, solutions: Any, box: Box | None = None) -> Boards:
    """Return `Boards`, after checking that each solution is one, and the puzzle's.

    That no puzzle has a second solution is for `count_solutions` to say.

    Raises
    ------
    ValueError
        If shapes differ, a digit is out of range, or a solution breaks a rule or a given; the
        message names the board, counted from 0.

    Examples
    --------
    >>> check_boards("1...............", "1234341221434321").givens
    array([1])
    """
    givens, filled = as_rows(puzzles, box, "puzzles"), as_rows(solutions, box, "solutions")
    if givens.shape != filled.shape:
        must = f"have the shape of the puzzles, {givens.shape}"
        raise invalid("solutions", must, f"has shape {filled.shape}")
    wrong = np.flatnonzero(~is_solution(filled, givens, box))
    if wrong.size:
        row = int(wrong[0])
        rule = "breaks a rule" if not is_solution(filled[row], None, box)[0] else "changes a given"
        raise invalid("solutions", "solve the puzzles", f"it {rule} on board {row}")
    return Boards(givens, filled)
