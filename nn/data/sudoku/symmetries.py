"""Symmetries of Sudoku: what turns a valid board into another valid board.

Digits may be renamed; bands of boxes, rows within a band, stacks of boxes and columns within a
stack may change places; and where boxes are square, the board may be transposed. On 9×9 boards
these are 9! · 2 · 6⁸ = 1 218 998 108 160 symmetries.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array, array_namespace, device_of, integers_like
from kuramoto._check import invalid
from kuramoto.nn.data.sudoku.boards import Boards, Box, box_shape, cells_of

__all__ = ["Symmetries", "augment", "random_symmetries"]


class Symmetries(NamedTuple):
    """One symmetry for each of n boards: new board[i] = digits[old board[cells[i]]].

    Attributes
    ----------
    cells : array of int, shape (n, cells)
        Which cell each cell is taken from.
    digits : array of int, shape (n, side + 1)
        New name of each digit; 0, the blank, stays.
    """

    cells: Array
    digits: Array

    def __call__(self, boards: Array) -> Array:
        """Apply to boards of shape (n, cells) or (n, side, side), from the same array library."""
        xp = array_namespace(boards)
        flat = xp.reshape(boards, self.cells.shape)
        old = xp.take_along_axis(flat, self.cells, axis=1)
        new = xp.take_along_axis(self.digits, xp.astype(old, self.digits.dtype), axis=1)
        return xp.reshape(xp.astype(new, boards.dtype), boards.shape)


def draws_needed(box: Box) -> int:
    """Return how many random numbers one symmetry takes."""
    rows, columns = box
    side = rows * columns
    return side + columns + side + rows + side + 1


def from_draws(draws: Array, box: Box, *, digits: bool = True, cells: bool = True) -> Symmetries:
    """Turn uniform random numbers, shape (n, draws_needed(box)), into symmetries.

    A permutation is the order of as many numbers; every symmetry is equally likely.
    """
    side = box[0] * box[1]
    # What must not change takes numbers that are in order.
    named = draws[:, :side] if digits else _ordered(draws, side)
    placed = draws[:, side:] if cells else _ordered(draws, draws.shape[1] - side)
    return Symmetries(_cells(placed, box), _digits(named))


def _ordered(draws: Array, count: int) -> Array:
    """Return 1, 2, ..., count for each row of the draws."""
    xp = array_namespace(draws)
    return draws[:, :1] * 0 + xp.arange(1, count + 1, dtype=draws.dtype, device=device_of(draws))


def _digits(draws: Array) -> Array:
    """Return new names of the digits 0..side, 0 for 0."""
    xp = array_namespace(draws)
    blank = xp.zeros((draws.shape[0], 1), dtype=xp.int64, device=device_of(draws))
    return xp.concat([blank, 1 + xp.argsort(draws, axis=1)], axis=1)


def _cells(draws: Array, box: Box) -> Array:
    """Return which cell each cell is taken from: lines change places, then rows and columns."""
    xp = array_namespace(draws)
    rows, columns = box
    side = rows * columns
    row = _lines(draws[:, : columns + side], columns, rows)
    column = _lines(draws[:, columns + side : -1], rows, columns)
    source = row[:, :, None] * side + column[:, None, :]
    if rows == columns:
        turned = draws[:, -1][:, None, None] < 0.5
        source = xp.where(turned, xp.permute_dims(source, (0, 2, 1)), source)
    return xp.reshape(source, (-1, side * side))


def _lines(draws: Array, bands: int, width: int) -> Array:
    """Return an order of lines that keeps bands of `width` together, shape (n, bands * width)."""
    xp = array_namespace(draws)
    band = xp.argsort(draws[:, :bands], axis=1)
    within = xp.argsort(xp.reshape(draws[:, bands:], (-1, bands, width)), axis=2)
    return xp.reshape(band[:, :, None] * width + within, (-1, bands * width))


def random_symmetries(
    n: int, generator: Any = None, box: Box = (3, 3), *, digits: bool = True, cells: bool = True
) -> Symmetries:
    """Draw n symmetries, all equally likely.

    Parameters
    ----------
    n : int
        How many.
    generator : int, numpy.random.Generator, torch.Generator or None
        Where random numbers come from. A torch generator makes torch tensors on its device.
    box : (int, int)
        Rows and columns of a box.
    digits, cells : bool
        Whether digits are renamed, and whether cells change places.

    Examples
    --------
    >>> symmetries = random_symmetries(5, 0, (2, 3))
    >>> symmetries.cells.shape, symmetries.digits.shape
    ((5, 36), (5, 7))
    """
    box = box_shape(box)
    shape = (n, draws_needed(box))
    if type(generator).__module__.startswith("torch"):
        import torch

        # In double precision: with 24 bits two of the numbers to sort would be equal now and then.
        draws: Any = torch.rand(
            shape, generator=generator, device=generator.device, dtype=torch.float64
        )
    else:
        draws = np.random.default_rng(generator).random(shape)
    return from_draws(draws, box, digits=digits, cells=cells)


def augment(
    boards: Any,
    generator: Any = None,
    box: Box | None = None,
    *,
    digits: bool = True,
    cells: bool = True,
) -> Any:
    """Apply a random symmetry to each board, the same to a puzzle and its solution.

    Parameters
    ----------
    boards : Boards, or a tuple of arrays or tensors
        Each of shape (n, cells) or (n, side, side), n the same, of one array library.
    generator : int, numpy.random.Generator, torch.Generator or None
        Where random numbers come from; a torch.Generator on the device of the boards for tensors.
    box : (int, int) or None
        Rows and columns of a box; None goes by the size.
    digits, cells : bool
        Whether digits are renamed, and whether cells change places.

    Returns
    -------
    Boards or tuple
        As given: same shapes, dtypes, library and device.

    Examples
    --------
    >>> from kuramoto.nn.data.sudoku import generate, is_solution
    >>> boards = augment(generate(3, 8, box=(2, 2)), 0)
    >>> is_solution(boards.solutions, boards.puzzles)
    array([ True,  True,  True])
    """
    first = boards[0]
    box = box_shape(box, cells_of(first.shape))
    drawn = random_symmetries(first.shape[0], generator, box, digits=digits, cells=cells)
    if type(first) is not type(drawn.cells):
        drawn = Symmetries(*(_like(table, first) for table in drawn))
    moved = [drawn(part) for part in boards]
    return Boards(*moved) if isinstance(boards, Boards) else tuple(moved)


def _like(table: Array, example: Array) -> Array:
    """Return a table of NumPy's in the library and on the device of an example."""
    if not isinstance(table, np.ndarray):
        must = "be a NumPy generator or a seed for NumPy boards"
        raise invalid("generator", must, "is PyTorch's")
    return integers_like(table, example)
