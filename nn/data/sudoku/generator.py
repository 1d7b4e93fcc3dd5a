"""Boards made to order: random grids, thinned out as far as the solution stays unique."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, whole_number
from kuramoto.nn.data.sudoku.boards import Boards, Box, box_shape
from kuramoto.nn.data.sudoku.solver import Room, call, run

__all__ = ["generate"]

# Where an exchange would leave more solutions than this, listing them all costs more than it finds.
_LISTED = 1000
# Exchanges between two looks at the clock of patience, and looks without a step down.
_ROUNDS, _PATIENCE = 1000, 5


def generate(
    n: int = 1,
    givens: int | tuple[int, int] = 30,
    *,
    box: Box = (3, 3),
    seed: int = 0,
    attempts: int = 200,
    progress: bool = False,
) -> Boards:
    """Make puzzles with one solution each and an exact number of givens.

    A random full grid loses givens in random order wherever the solution stays unique. Where that
    ends above the number asked for, at a puzzle that no given can be spared from, two givens are
    exchanged for one, or one for another, until it is reached. Grids are random, not uniform over
    all grids. Board k depends on `seed` and k only: more boards begin with the same ones.

    Parameters
    ----------
    n : int
        Number of boards.
    givens : int or (int, int)
        Givens of each puzzle, or the least and the most, of which each board draws one.
    box : (int, int)
        Rows and columns of a box.
    seed : int
        Seed of all random numbers.
    attempts : int
        Grids to start from before a board is given up. On 9×9 boards 22 givens take milliseconds,
        each one fewer about five times as long as the one before.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Boards
        Puzzles and solutions, uint8 of shape (n, cells).

    Raises
    ------
    ValueError
        If no puzzle can have so few givens, or none was found in so many attempts.

    References
    ----------
    McGuire, Tugemann & Civario (2014), There is no 16-clue Sudoku, Experimental Mathematics 23.

    Examples
    --------
    >>> boards = generate(2, 6, box=(2, 2), seed=3)
    >>> boards.givens, boards.solutions.shape
    (array([6, 6]), (2, 16))
    """
    from tqdm import tqdm

    box = box_shape(box)
    least, most = _range(givens, box)
    seed = whole_number("seed", seed)
    count, attempts = whole_number("n", n), whole_number("attempts", attempts, least=1)
    puzzles = np.zeros((count, (box[0] * box[1]) ** 2), dtype=np.uint8)
    for k in tqdm(range(count), desc="boards", disable=not progress, leave=False):
        random = np.random.SeedSequence(seed, spawn_key=(k,)).generate_state(2, np.uint64)
        target = least + int(random[0] % np.uint64(most - least + 1))
        puzzles[k] = _Digger(box, random[1:]).puzzle(target, attempts)
    return Boards(puzzles, run(puzzles, box, 1)[1])


def _range(givens: Any, box: Box) -> tuple[int, int]:
    """Return the least and the most givens, after checking that such puzzles can exist."""
    least, most = givens if isinstance(givens, tuple) and len(givens) == 2 else (givens, givens)
    side = box[0] * box[1]
    # Two digits that are not given can always be exchanged, hence side - 1.
    floor, why = (17, "no board with 16 has one solution") if side == 9 else (side - 1, "")
    bounds = [whole_number("givens", bound) for bound in (least, most)]
    if bounds[0] < floor or bounds[1] > side * side or bounds[0] > bounds[1]:
        must = f"lie between {floor} and {side * side}, the least first"
        raise invalid("givens", must, f"{givens}", why if bounds[0] < floor else "")
    return bounds[0], bounds[1]


class _Digger:
    """Room and random numbers for one board."""

    def __init__(self, box: Box, noise: Array) -> None:
        self.room = Room.of(box, _LISTED, noise)
        self.cells, self.side = len(self.room.rules.peers), box[0] * box[1]
        self.scratch = (
            np.zeros(self.cells, dtype=np.uint8),
            np.zeros(self.cells, dtype=np.int64),
            np.zeros((self.cells, self.side + 1), dtype=np.int64),
        )

    def puzzle(self, target: int, attempts: int) -> Array:
        """Return a puzzle with so many givens."""
        fewest = self.cells
        for _ in range(attempts):
            puzzle = np.zeros(self.cells, dtype=np.uint8)
            call("fill", puzzle, *self.room)
            reached = self._thin_out(puzzle, target)
            if reached == target:
                return puzzle
            fewest = min(fewest, reached)
        found = f"{target}, and {attempts} attempts led to {fewest} at the least"
        raise invalid("givens", "be within reach", found, "ask for more givens, or more `attempts`")

    def _thin_out(self, puzzle: Array, target: int) -> int:
        """Thin a grid out for as long as it helps; return the givens left."""
        fewest, stale, rounds = self.cells, 0, 0
        while fewest > target and stale < _PATIENCE:
            givens = int(call("thin_out", puzzle, target, rounds, *self.scratch, *self.room))
            stale = 0 if givens < fewest else stale + 1
            fewest, rounds = min(fewest, givens), _ROUNDS
        return fewest
