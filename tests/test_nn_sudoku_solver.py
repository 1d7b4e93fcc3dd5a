"""The judge of Sudoku boards: exact solutions, counts, and boards made to order."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from kuramoto.nn.data.sudoku import (
    augment,
    count_solutions,
    format_board,
    generate,
    is_solution,
    parse_board,
    solve,
)
from kuramoto.nn.data.sudoku.boards import peers, units

BOXES = [(2, 2), (2, 3), (3, 2), (2, 4), (4, 2), (3, 3)]
SMALL = "1.....2..3.....4"
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def boards():
    return generate(20, (22, 30), seed=7)


def grids_by_hand():
    """All 4×4 grids, from permutations of rows: no code of the library."""
    rows = list(permutations((1, 2, 3, 4)))
    for grid in product(rows, repeat=4):
        cells = np.array(grid)
        parts = [*cells.T, *cells.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4)]
        if all(len(set(part)) == 4 for part in parts):
            yield cells.ravel()


@pytest.fixture(scope="module")
def all_grids():
    return np.array(list(grids_by_hand()), dtype=np.uint8)


def plain_count(board, box, limit=10**9):
    """Count solutions by plain backtracking, cell by cell."""
    blanks = np.flatnonzero(board == 0)
    if not blanks.size:
        return int(is_solution(board, box=box)[0])
    cell, total = int(blanks[0]), 0
    for digit in set(range(1, box[0] * box[1] + 1)) - set(board[peers(box)[cell]].tolist()):
        trial = board.copy()
        trial[cell] = digit
        total += plain_count(trial, box, limit - total)
        if total >= limit:
            break
    return total


# Analytic.


def test_the_288_grids_of_4_by_4(all_grids):
    assert len(all_grids) == 288
    assert count_solutions("." * 16, limit=10**6) == 288
    assert is_solution(all_grids).all()


def test_no_4_by_4_puzzle_has_three_givens_and_some_have_four(all_grids):
    """Every triple of cells of every grid, counted against the list of grids."""
    for cells in combinations(range(16), 3):
        codes = all_grids[:, cells] @ np.array([1, 5, 25])
        assert np.unique(codes, return_counts=True)[1].min() > 1
    assert count_solutions(generate(1, 4, box=(2, 2)).puzzles[0]) == 1


def test_the_28200960_grids_of_6_by_6():
    """Renaming digits turns any first row into 123456: equally many grids begin with each."""
    assert 720 * count_solutions("123456" + "." * 30, limit=10**6) == 28_200_960


def test_a_board_with_one_blank():
    full = solve(SMALL)
    for cell in range(16):
        board = full.copy()
        board[cell] = 0
        np.testing.assert_array_equal(solve(board), full)


def test_a_known_rectangle_has_two_solutions():
    """Two digits that stand crosswise in two rows, two columns and two boxes can be exchanged."""
    board = parse_board("1234341243212143").reshape(4, 4)
    board[np.ix_([0, 1], [0, 2])] = 0  # 1 3 above 3 1
    assert count_solutions(board, limit=10) == 2


@pytest.mark.parametrize("box", BOXES)
def test_every_unit_holds_side_cells_and_every_cell_its_peers(box):
    side = box[0] * box[1]
    assert units(box).shape == (3 * side, side)
    assert (np.bincount(units(box).ravel()) == 3).all()
    boxes = np.stack([units(box)[2 * side :] // side, units(box)[2 * side :] % side])
    np.testing.assert_array_equal(np.ptp(boxes, axis=2).T, [[box[0] - 1, box[1] - 1]] * side)
    assert peers(box).shape[1] == 2 * (side - 1) + (box[0] - 1) * (box[1] - 1)


# Agreement.


def test_counts_agree_with_the_list_of_all_grids(all_grids):
    random = np.random.default_rng(0)
    puzzles = all_grids[random.integers(288, size=200)]
    puzzles = np.where(random.random(puzzles.shape) < 0.3, puzzles, 0)
    fits = (puzzles[:, None] == 0) | (puzzles[:, None] == all_grids)
    np.testing.assert_array_equal(count_solutions(puzzles, limit=300), fits.all(-1).sum(-1))


@pytest.mark.parametrize("box", [(2, 3), (3, 2)])
def test_counts_agree_with_plain_backtracking(box):
    random = np.random.default_rng(1)
    for puzzle in generate(6, 12, box=box, seed=1).puzzles:
        puzzle[random.choice(np.flatnonzero(puzzle), 3, replace=False)] = 0
        assert count_solutions(puzzle, 10**6, box) == plain_count(puzzle, box)


def test_removing_a_given_from_a_minimal_puzzle_is_noticed(boards):
    """Plain backtracking counts as many, once the cells that are certain are filled in."""
    puzzle = boards.puzzles[0]
    for cell in np.flatnonzero(puzzle)[:6]:
        fewer = puzzle.copy()
        fewer[cell] = 0
        several = count_solutions(fewer, limit=3)
        assert several == plain_count(solve_all_but(fewer, boards.solutions[0]), (3, 3), 3)


def solve_all_but(puzzle, solution):
    """Give every cell in which all solutions agree, found by fixing each other digit in turn."""
    known = puzzle.copy()
    for cell in np.flatnonzero(puzzle == 0):
        others = [d for d in range(1, 10) if d != solution[cell]]
        trials = np.repeat(puzzle[None], 8, axis=0)
        trials[:, cell] = others
        if not count_solutions(trials, limit=1).any():
            known[cell] = solution[cell]
    return known


def test_many_at_once_are_as_one_by_one(boards):
    each = np.stack([solve(puzzle) for puzzle in boards.puzzles])
    np.testing.assert_array_equal(each, solve(boards.puzzles))
    np.testing.assert_array_equal(each, boards.solutions)


# Laws.


@settings(max_examples=25)
@given(SEEDS)
def test_counts_survive_every_symmetry(seed):
    puzzles = np.where(np.arange(81) % 7 == 0, 0, generate(2, 26, seed=3).puzzles)
    (moved,) = augment((puzzles,), seed)
    np.testing.assert_array_equal(
        count_solutions(moved, limit=500), count_solutions(puzzles, limit=500)
    )


@settings(max_examples=25)
@given(SEEDS, st.sampled_from(BOXES))
def test_generated_boards_have_one_solution_and_their_givens(seed, box):
    side = box[0] * box[1]
    least = side * side // 2
    found = generate(2, (least, least + 3), box=box, seed=seed)
    assert ((found.givens >= least) & (found.givens <= least + 3)).all()
    assert (count_solutions(found.puzzles, box=box) == 1).all()
    assert is_solution(found.solutions, found.puzzles, box).all()


@pytest.mark.parametrize("givens", [20, 24, 40, 81])
def test_any_number_of_givens(givens):
    found = generate(3, givens, seed=2)
    np.testing.assert_array_equal(found.givens, givens)
    np.testing.assert_array_equal(solve(found.puzzles), found.solutions)


@pytest.mark.slow
def test_nineteen_givens_take_exchanges():
    found = generate(3, 19, seed=11)
    np.testing.assert_array_equal(found.givens, 19)
    np.testing.assert_array_equal(solve(found.puzzles), found.solutions)


def test_boards_follow_from_seed_and_number():
    ten, four = generate(10, 25, seed=5), generate(4, 25, seed=5)
    np.testing.assert_array_equal(ten.puzzles[:4], four.puzzles)
    assert len(np.unique(ten.solutions, axis=0)) == 10
    assert (generate(4, 25, seed=6).puzzles != four.puzzles).any()


def test_all_grids_of_4_by_4_come_up(all_grids):
    """288 grids in 3,000 draws: a grid of the mean frequency is missed with probability 3e-5."""
    found = np.unique(generate(3000, 16, box=(2, 2)).solutions, axis=0)
    assert len(found) == len(all_grids)


# Shapes.


def test_answers_come_in_the_shape_of_the_question(boards):
    puzzle = boards.puzzles[0]
    assert solve(puzzle).shape == (81,)
    assert solve(puzzle.reshape(9, 9)).shape == (9, 9)
    assert solve(boards.puzzles[:6].reshape(2, 3, 9, 9)).shape == (2, 3, 9, 9)
    assert solve(format_board(puzzle)).shape == (81,)
    assert solve([format_board(puzzle)] * 2).shape == (2, 81)
    assert solve(puzzle.tolist()).dtype == np.uint8
    assert isinstance(count_solutions(puzzle), int)
    assert isinstance(count_solutions(puzzle.reshape(9, 9)), int)
    assert count_solutions(boards.puzzles[:6].reshape(2, 3, 81)).shape == (2, 3)
    assert count_solutions([SMALL, SMALL]).shape == (2,)


def test_input_is_left_alone(boards):
    before = boards.puzzles.copy()
    solve(boards.puzzles)
    count_solutions(boards.puzzles)
    np.testing.assert_array_equal(boards.puzzles, before)


# Bad input.


@pytest.mark.parametrize(
    ("board", "message"),
    [
        ("1..1" + "." * 12, "holds 1 at row 1, column 1 and at row 1, column 4"),
        ("2......." + "2......." + "." * 65, "holds 2 at row 1, column 1 and at row 1, column 9"),
        (".2.." + "...." + ".2.." + "....", "holds 2 at row 1, column 2 and at row 3, column 2"),
        ("3... .3.." + "." * 8, "holds 3 at row 1, column 1 and at row 2, column 2"),
        ("123. ...4" + "." * 8, "must have a solution, but has none"),
        ("." * 81, r"has several: row \d, column \d can be \d or \d; give more digits"),
        ("1.....2..3....", "must have 16, 36, 64(,| or) 81 cells, but has 14"),
        ([0, 1, 2, 9] * 4, "must hold digits from 1 to 4, and 0 for blanks, but holds 9 at row 1"),
        ([0.5] * 16, "must hold whole numbers, but has dtype float64"),
        ([-1] + [0] * 15, "but holds -1 at row 1, column 1"),
    ],
)
def test_boards_that_cannot_be_solved(board, message):
    with pytest.raises(ValueError, match=message) as caught:
        solve(board)
    assert "\n" not in str(caught.value)


def test_the_board_among_many_is_named(boards):
    puzzles = boards.puzzles.copy()
    puzzles[3] = 0
    with pytest.raises(ValueError, match=r"`board\[3\]` must have one solution, but has several"):
        solve(puzzles)
    puzzles[3, :2] = 5
    with pytest.raises(ValueError, match="row 1, column 1 and at row 1, column 2 of board 3"):
        solve(puzzles)
    assert count_solutions(puzzles)[3] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"givens": 16}, "must lie between 17 and 81, .* is 16; no board with 16 has one solution"),
        ({"givens": 82}, "between 17 and 81"),
        ({"givens": (30, 20)}, "the least first"),
        ({"givens": 2, "box": (2, 2)}, "between 3 and 16"),
        ({"givens": 3, "box": (2, 2), "attempts": 3}, "is 3, and 3 attempts led to 4 at the least"),
        ({"box": (3, 4)}, "`box` must have at most 9 cells, one for each digit, but is 3 by 4"),
        ({"box": (1, 9)}, "`box` must be a whole number of at least 2"),
    ],
)
def test_boards_that_cannot_be_made(settings, message):
    with pytest.raises(ValueError, match=message):
        generate(1, **settings)


def test_a_box_that_does_not_fit():
    with pytest.raises(ValueError, match="must have 36 cells for boxes of 2 by 3, but has 16"):
        solve(SMALL, (2, 3))
    with pytest.raises(TypeError, match="must be a pair"):
        solve(SMALL, 3)
