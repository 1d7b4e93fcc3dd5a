"""The network that comes with the package: it loads, solves, and says when it errs."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import kuramoto.nn as kn  # noqa: E402
from kuramoto.nn.data import sudoku  # noqa: E402

BOARD = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"


@pytest.fixture(scope="module")
def net():
    return kn.pretrained("sudoku")


def test_the_board_of_the_readme_is_solved():
    answer = kn.solve_sudoku(BOARD)
    assert answer.right
    assert answer.digits.shape == (9, 9)
    assert answer.digits.dtype == np.uint8
    assert sudoku.is_solution(answer.digits.reshape(1, 81), sudoku.parse_board(BOARD)[None])[0]
    assert np.array_equal(np.asarray(answer), answer.digits)
    assert "right" in str(answer)
    assert 0 < answer.agreement <= 1
    assert answer.energies.shape == (32,)


def test_most_boards_like_those_it_was_trained_on_are_solved():
    boards = sudoku.generate(20, (34, 40), seed=5)
    answers = [kn.solve_sudoku(board, samples=8) for board in boards.puzzles]
    assert sum(answer.right for answer in answers) >= 18
    for answer, solution in zip(answers, boards.solutions, strict=True):
        assert answer.right == bool((answer.digits.ravel() == solution).all())


def test_an_error_is_said(net):
    answer = kn.solve_sudoku(BOARD, model=kn.SudokuNet(net.config).eval(), steps=2, samples=2)
    wrong = int((answer.digits != answer.solution).sum())
    assert not answer.right
    assert wrong > 0
    assert f"wrong in {wrong} squares" in str(answer)


def test_the_same_seed_gives_the_same_energies():
    first, again, other = (kn.solve_sudoku(BOARD, steps=8, seed=s).energies for s in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_it_is_small_and_its_recipe_lies_beside_it():
    folder = resources.files("kuramoto.nn") / "weights"
    with resources.as_file(folder / "sudoku.safetensors") as path:
        assert path.stat().st_size < 5e6
    recipe = (folder / "sudoku.md").read_text()
    assert "kuramoto train sudoku" in recipe
    assert "SAT-Net-like" in recipe


@pytest.mark.parametrize(
    ("board", "said"),
    [
        ("53..7", "must have 16, 36, 64, 81 cells, but has 5"),
        (BOARD.replace("5", "x", 1), "must hold digits, and `.`, `0` or `_` for blanks"),
        ("55" + BOARD[2:], "holds 5 at row 1, column 1 and at row 1, column 2"),
        (BOARD.replace("5", ".").replace("7", "."), "must have one solution, but has several"),
        ("1.....2..3.....4", "must be one board of 81 squares, but has 1 x 16"),
        ([[10] + [0] * 8] + [[0] * 9] * 8, "holds 10 at row 1, column 1"),
        ([BOARD, BOARD], "must be one board of 81 squares, but has 2 x 81"),
    ],
)
def test_boards_that_cannot_be_solved_are_refused(board, said):
    with pytest.raises(ValueError, match=said.replace(".", r"\.").replace("(", r"\(")):
        kn.solve_sudoku(board)


def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="`name` must be one of sudoku"):
        kn.pretrained("sudoky")
    with pytest.raises(TypeError, match="`model` must be a network with an energy"):
        kn.solve_sudoku(BOARD, model=torch.nn.Linear(2, 2))
