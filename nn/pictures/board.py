"""Sudoku boards, drawn: givens, answers, and how sure the network is of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from kuramoto._backend import Array
from kuramoto._check import invalid
from kuramoto.nn.data.sudoku.boards import box_shape
from kuramoto.plotting.palette import LINE_COLORS

RIGHT, WRONG = LINE_COLORS[:2]  # told apart with every common colour vision
GIVEN = "black"

_UNSURE, _MISTAKEN = np.array(to_rgb("0.80")), np.array(to_rgb("#FBD9C5"))
_FAINTEST = 0.25  # a digit that is no better than a guess can still be read


def draw_board(
    ax: Any,
    puzzle: Array,
    answer: Array | None = None,
    probabilities: Array | None = None,
    solution: Array | None = None,
) -> BoardPicture:
    """Draw a board: givens black, answers coloured, undecided squares grey and their digits faint.

    Where the solution is known, right digits are blue and wrong ones vermilion; else all are blue.
    Squares that are surely wrong, and givens that the answer contradicts, have a vermilion ground.

    Parameters
    ----------
    ax : matplotlib axes
    puzzle : array of int, shape (side, side) or (side²,)
        0 = blank.
    answer : array of int, of the same size, optional
        Digits 1 ... side; by default the most probable ones, if there are probabilities.
    probabilities : array, shape (side, side, side) or (side², side), optional
        Of the digits 1 ... side of every square; by default every digit counts as sure.
    solution : array of int, of the same size, optional

    Returns
    -------
    BoardPicture
        Draws other answers to the same board.

    Raises
    ------
    ValueError
        If a shape does not fit, or a digit is out of range.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> picture = draw_board(Figure().subplots(), np.eye(4, dtype=int))
    >>> [text.get_text() for text in picture.texts[:5]]
    ['1', '', '', '', '']
    """
    picture = BoardPicture(ax, puzzle, solution)
    picture.show(answer, probabilities)
    return picture


def legend(solved: bool) -> str:
    """Say in a line what the colours mean, where the solution is known or is not."""
    colors = "blue: right, vermilion: wrong" if solved else "blue: answers"
    return f"bold: givens, {colors}; the greyer, the less sure"


class BoardPicture:
    """A board on axes.

    Parameters
    ----------
    ax, puzzle, solution
        As for `draw_board`.

    Attributes
    ----------
    ground : matplotlib image
        The squares' colours.
    texts : list of matplotlib texts
        The squares' digits, row by row.
    """

    def __init__(self, ax: Any, puzzle: Array, solution: Array | None = None) -> None:
        puzzle = np.asarray(puzzle)
        box = box_shape(None, puzzle.size)
        self.side = box[0] * box[1]
        self.puzzle = self._digits(puzzle, "puzzle", 0)
        self.solution = None if solution is None else self._digits(solution, "solution", 1)
        self.ground = ax.imshow(np.ones((self.side, self.side, 3)), interpolation="nearest")
        size = _points_of_a_square(ax, self.side)
        style = {"ha": "center", "va": "center_baseline", "fontsize": 0.64 * size}
        self.texts = [
            ax.text(column, row, "", **style)
            for row in range(self.side)
            for column in range(self.side)
        ]
        for text, digit in zip(self.texts, self.puzzle.flat, strict=True):
            text.set(fontweight="bold" if digit else "normal", color=GIVEN)
        self.lines = _draw_lines(ax, self.side, box, size)

    @property
    def artists(self) -> list[Any]:
        """All that `show` may change, and what lies over it, from below."""
        return [self.ground, *self.lines, *self.texts]

    def show(self, answer: Array | None = None, probabilities: Array | None = None) -> None:
        """Draw an answer, or with nothing given the bare puzzle; arguments as for `draw_board`."""
        sure = np.ones((self.side, self.side))
        if probabilities is not None:
            chances = self._probabilities(probabilities)
            said = chances.argmax(-1) + 1 if answer is None else self._digits(answer, "answer", 1)
            sure = np.take_along_axis(chances, said[..., None].astype(int) - 1, -1)[..., 0]
            sure = np.clip((sure - 1 / self.side) / (1 - 1 / self.side), 0, 1)
        elif answer is not None:
            said = self._digits(answer, "answer", 1)
        else:
            said = self.puzzle
        self._paint(said, sure)

    def _paint(self, said: Array, sure: Array) -> None:
        given = self.puzzle > 0
        right = np.where(given, self.puzzle, said if self.solution is None else self.solution)
        mistaken = said != right
        self.ground.set_data(_ground(np.where(given, 1.0, sure), mistaken, said > 0))
        squares = zip(self.texts, given.flat, said.flat, mistaken.flat, sure.flat, strict=True)
        for (text, is_given, digit, is_wrong, trust), own in zip(
            squares, self.puzzle.flat, strict=True
        ):
            if is_given:
                text.set_text(str(own))
                continue
            text.set(text=str(digit) if digit else "", color=WRONG if is_wrong else RIGHT)
            text.set_alpha(_FAINTEST + (1 - _FAINTEST) * float(trust))

    def _digits(self, digits: Any, name: str, least: int) -> Array:
        digits = np.asarray(digits)
        if digits.size != self.side**2:
            must = f"have shape ({self.side}, {self.side}), as the puzzle has"
            raise invalid(name, must, f"has shape {digits.shape}")
        if digits.min() < least or digits.max() > self.side:
            worst = digits.min() if digits.min() < least else digits.max()
            raise invalid(name, f"hold digits {least} ... {self.side}", f"holds {worst}")
        return digits.reshape(self.side, self.side)

    def _probabilities(self, chances: Any) -> Array:
        chances = np.asarray(chances, dtype=np.float64)
        if chances.size != self.side**3:
            must = f"have shape ({self.side}, {self.side}, {self.side})"
            raise invalid("probabilities", must, f"has shape {chances.shape}")
        return chances.reshape(self.side, self.side, self.side)


def _ground(sure: Array, mistaken: Array, filled: Array) -> Array:
    """Return the colours of squares: white where sure, grey where not, vermilion where mistaken."""
    clear = np.where(mistaken[..., None], _MISTAKEN, 1.0)
    share = np.where(filled, sure, 1.0)[..., None]
    return np.asarray(share * clear + (1 - share) * _UNSURE)


def _points_of_a_square(ax: Any, side: int) -> float:
    """Return how many points a square measures; a layout may still change it a little."""
    extent = ax.get_window_extent()
    return float(min(extent.width, extent.height) / side * 72 / ax.figure.dpi)


def _draw_lines(ax: Any, side: int, box: tuple[int, int], size: float) -> list[Any]:
    """Draw thin lines between squares, thick ones between boxes and around the board."""
    ax.set(xlim=(-0.6, side - 0.4), ylim=(side - 0.4, -0.6), aspect="equal")
    ax.set_axis_off()
    drawn = []
    for edge in range(side + 1):
        for across, height in ((True, box[0]), (False, box[1])):
            thick = edge % height == 0
            width = min(size * 0.075, 3.2) if thick else min(size * 0.02, 0.8)
            style = {"color": "0.1" if thick else "0.6", "linewidth": width, "zorder": 2 + thick}
            ends, at = [-0.5, side - 0.5], [edge - 0.5] * 2
            style |= {"solid_capstyle": "projecting"}
            drawn += ax.plot(*((ends, at) if across else (at, ends)), **style)
    return sorted(drawn, key=lambda line: line.get_zorder())
