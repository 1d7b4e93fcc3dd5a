"""What models are trained and tested on: SAT-Net-like boards, and RRN's boards by level.

The training set is made from boards of a public Kaggle set in the range of givens of SAT-Net's own,
31 to 42; results from it are results on SAT-Net-like boards.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._check import invalid, whole_number, wrong_type
from kuramoto.nn.data.sudoku.boards import Boards
from kuramoto.nn.data.sudoku.readers import read_boards

__all__ = ["fill_givens", "ood_test", "training_split"]

TRAINING_FILE, OOD_FILE = "kaggle_20k.npz", "rrn_test_half.npz"

# RRN's boards have from 17 givens up, those of the source for training 29 and more.
_FEWEST_TO_TRAIN_ON = 25


def training_split(
    path: str | os.PathLike[str],
    seed: int = 0,
    *,
    train: int | None = None,
    test: int = 1000,
    givens: tuple[int, int] = (31, 42),
) -> tuple[Boards, Boards]:
    """Make SAT-Net-like boards: (training set, ID test), the same for the same seed.

    Of puzzles with the same solution the first is kept. Boards are shuffled, and random blanks of
    each are filled from its solution until it has a number of givens drawn from `givens`; one that
    has as many already stays. The ID test comes first, so that its boards do not depend on the
    size of the training set.

    Parameters
    ----------
    path : path
        The file ``kaggle_20k.npz``, another that `read_boards` reads, or the folder with the former
        in it or in ``sudoku/``.
    seed : int
        Seed of shuffling and filling.
    train : int or None
        How many boards to train on; None takes all that are left. SAT-Net's set has 9,000.
    test : int
        How many boards to hold out.
    givens : (int, int)
        Least and most givens.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message says how to get boards.
    ValueError
        If there are too few boards, or some have fewer than 25 givens: those are the OOD test's,
        which is never trained on.
    """
    boards = read_boards(locate(path, TRAINING_FILE))
    if boards.givens.min() < _FEWEST_TO_TRAIN_ON:
        must = f"hold boards to train on, of {_FEWEST_TO_TRAIN_ON} givens and more"
        found = f"holds boards of {boards.givens.min()}"
        raise invalid("path", must, found, "the boards of the OOD test are never trained on")
    # One puzzle a grid: filled up, two of the same grid could be one board on both sides.
    boards = boards.select(np.sort(np.unique(boards.solutions, axis=0, return_index=True)[1]))
    generator = np.random.default_rng(whole_number("seed", seed))
    test = whole_number("test", test, least=1)
    size = len(boards.puzzles) - test if train is None else whole_number("train", train, least=1)
    if size < 1 or test + size > len(boards.puzzles):
        found = f"holds {len(boards.puzzles)}"
        must = f"hold {test + max(size, 1)} boards of different grids, tests included"
        raise invalid("path", must, found)
    order = generator.permutation(len(boards.puzzles))
    filled = fill_givens(boards.select(order), givens, generator)
    return filled.select(slice(test, test + size)), filled.select(slice(test))


def fill_givens(boards: Boards, givens: tuple[int, int] = (31, 42), generator: Any = 0) -> Boards:
    """Fill random blanks from the solutions up to a number of givens drawn for each board.

    Parameters
    ----------
    boards : Boards
        Puzzles that have at most as many givens stay as they are.
    givens : (int, int)
        Least and most givens, each as likely.
    generator : int or numpy.random.Generator
        Where random numbers come from.

    Examples
    --------
    >>> from kuramoto.nn.data.sudoku import generate
    >>> fill_givens(generate(3, 6, box=(2, 2)), (9, 9)).givens
    array([9, 9, 9])
    """
    if not isinstance(givens, tuple) or len(givens) != 2:
        raise wrong_type("givens", "be a pair (least, most)", givens)
    least, most = (whole_number("givens", bound) for bound in givens)
    if not least <= most <= boards.puzzles.shape[1]:
        must = f"be (least, most), at most {boards.puzzles.shape[1]}"
        raise invalid("givens", must, f"({least}, {most})")
    random = np.random.default_rng(generator)
    target = random.integers(least, most, size=len(boards.puzzles), endpoint=True)
    # Givens first, blanks behind them in random order: the first `target` cells are given.
    order = np.argsort(np.where(boards.puzzles > 0, -1.0, random.random(boards.puzzles.shape)))
    rank = np.argsort(order, axis=1)
    given = (rank < target[:, None]) | (boards.puzzles > 0)
    return boards._replace(puzzles=np.where(given, boards.solutions, np.uint8(0)))


def ood_test(path: str | os.PathLike[str]) -> dict[int, Boards]:
    """Read the OOD test: {givens: boards}, fewest givens first.

    Parameters
    ----------
    path : path
        The file ``rrn_test_half.npz`` (every second board of RRN's test split, 500 of each level
        from 17 to 34), RRN's own ``test.csv``, or the folder with the former in it or in
        ``sudoku/``.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message says how to get boards.
    """
    boards = read_boards(locate(path, OOD_FILE))
    return {int(level): boards.select(boards.givens == level) for level in np.unique(boards.givens)}


def locate(path: Any, name: str) -> Path:
    """Return the file `name` in a data folder, or the path itself if it is no folder."""
    if not isinstance(path, str | os.PathLike):
        raise wrong_type("path", "be the path of a file or folder", path)
    folder = Path(path)
    if not folder.is_dir() or (folder / "features.pt").exists():
        return folder
    places = (folder / name, folder / "sudoku" / name)
    return next((place for place in places if place.exists()), places[0])
