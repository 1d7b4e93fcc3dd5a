"""Networks that come with the package, trained by this project, and what they are good for.

The weights lie in ``kuramoto/nn/weights/``; beside them is the recipe that each was trained by.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch

from kuramoto._backend import Array
from kuramoto._check import invalid, nearest, wrong_type
from kuramoto.nn import voting
from kuramoto.nn.checkpoints import load
from kuramoto.nn.data import sudoku
from kuramoto.nn.data.sudoku.boards import as_rows

__all__ = ["PRETRAINED", "SudokuAnswer", "pretrained", "solve_sudoku"]

PRETRAINED = ("sudoku",)


@dataclass(frozen=True)
class SudokuAnswer:
    """What a network says to a Sudoku.

    Attributes
    ----------
    digits : array of uint8, shape (side, side)
        The answer: of the sample that is surest of its digits, unless another vote is asked for.
    right : bool
        Whether it is the solution, as an exact solver judges.
    solution : array of uint8, shape (side, side)
        The exact solver's.
    energies : array of float32, shape (K,)
        Of the samples; their sums over all steps if that is voted by.
    agreement : float
        Fraction of the samples that gave this answer.
    """

    digits: Array
    right: bool
    solution: Array
    energies: Array
    agreement: float

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the digits, so that NumPy takes an answer for a board."""
        return np.array(self.digits, dtype=dtype)

    def __str__(self) -> str:
        """Draw the board, and say whether it is right."""
        wrong = int((self.digits != self.solution).sum())
        said = "right" if self.right else f"wrong in {wrong} squares"
        board = sudoku.format_board(self.digits)
        return f"{board}\n{said}; {100 * self.agreement:.0f} % of the samples agree"


def pretrained(name: str = "sudoku") -> Any:
    """Return a trained network that comes with the package, in evaluation mode.

    Parameters
    ----------
    name : {"sudoku"}
        "sudoku": a `SudokuNet` for 9×9 boards, trained on SAT-Net-like boards of 31-42 givens.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> pretrained("sudoku").config.side
    9
    """
    if name not in PRETRAINED:
        must = f"be one of {', '.join(PRETRAINED)}"
        raise invalid("name", must, repr(name), nearest(str(name), PRETRAINED))
    file = resources.files("kuramoto.nn") / "weights" / f"{name}.safetensors"
    with resources.as_file(file) as path:
        return load(path)


def solve_sudoku(
    board: Any,
    *,
    model: Any = None,
    steps: int = 128,
    samples: int = 32,
    vote: str = "confidence",
    seed: int = 0,
) -> SudokuAnswer:
    """Solve a Sudoku with an oscillator network.

    Parameters
    ----------
    board : str or array of int, shape (81,) or (9, 9)
        Digits row by row; 0, ``.`` or ``_`` for a blank. It must have exactly one solution.
    model : SudokuNet, optional
        Another network than the one that comes with the package; then boards are of its side.
    steps : int, default 128
        Kuramoto steps T.
    samples : int, default 32
        K random initial states; the vote chooses the one that answers.
    vote : {"confidence", "sum", "last", "majority"}
        What is voted by, as in `kuramoto.nn.voting.vote`. Of the network that comes with the
        package the surest sample is right most often, and energy does not tell.
    seed : int, default 0
        Of the initial states.

    Returns
    -------
    SudokuAnswer
        Networks err: ``answer.right`` says whether the exact solver agrees.

    Raises
    ------
    ValueError
        If the board is ill-formed, its givens contradict each other (both squares are named), or
        it has no solution or several.

    Examples
    --------
    >>> board = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
    >>> answer = solve_sudoku(board)
    >>> answer.digits[0], answer.right
    (array([5, 3, 4, 6, 7, 8, 9, 1, 2], dtype=uint8), True)
    """
    network = _shared() if model is None else model
    if not hasattr(network, "predict"):
        raise wrong_type("model", "be a network with an energy, such as SudokuNet", model)
    side = int(network.config.side)
    puzzle = as_rows(board)
    if puzzle.shape != (1, side**2):
        found = f"has {' x '.join(map(str, puzzle.shape))}"
        raise invalid("board", f"be one board of {side**2} squares", found)
    solution = sudoku.solve(puzzle).reshape(side, side)
    device = next(network.parameters()).device
    digits = torch.from_numpy(puzzle).to(device).long().unflatten(1, (side, side))
    verdict = voting.vote(
        network, digits, steps=steps, samples=samples, how=vote, seed=seed, keep_samples=True
    )
    said = verdict.prediction[0].numpy()
    samples_said: Any = verdict.samples
    agree = (samples_said[0] == verdict.prediction).flatten(1).all(1)
    return SudokuAnswer(
        digits=said,
        right=bool((said == solution).all()),
        solution=solution,
        energies=verdict.energies[0].numpy(),
        agreement=float(agree.float().mean()),
    )


@functools.cache
def _shared() -> Any:
    return pretrained("sudoku")
