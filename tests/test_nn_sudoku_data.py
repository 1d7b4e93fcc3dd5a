"""Sudoku boards from files, the training split and the OOD test, symmetries, PyTorch loaders."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuramoto.nn.data import sudoku

SMALL, ANSWER = "1.....2..3.....4", "1243342143122134"
HELP = "the page on Sudoku says where boards come from, and .*generate` makes some"


@pytest.fixture(scope="module")
def boards():
    return sudoku.generate(60, (26, 33), seed=11)


def same(one, other):
    assert all((a.shape, a.dtype) == (b.shape, b.dtype) for a, b in zip(one, other, strict=True))
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def text(digits):
    return "".join(map(str, digits))


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_known_boards():
    puzzle = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
    answer = "812753649943682175675491283154237896369845721287169534521974368438526917796318452"
    assert text(sudoku.solve(puzzle)) == answer, "Inkala's"
    assert sudoku.is_solution([answer, answer[::-1]], [puzzle] * 2).tolist() == [True, False]
    # 28 200 960 grids of 6 by 6, each first row as often as any other.
    assert sudoku.count_solutions("123456" + "." * 30, limit=10**6) == 28_200_960 // 720


def test_boards_need_no_torch():
    program = "import sys; sys.modules['torch'] = None; from kuramoto.nn.data import sudoku;"
    program += f"print(*sudoku.solve({SMALL!r}), sep='')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == ANSWER, done.stderr


# Files


def test_npz_there_and_back(tmp_path, boards):
    path = sudoku.save_boards(tmp_path / "boards.npz", boards)
    assert same(sudoku.read_boards(path), boards)
    square = [part.reshape(-1, 9, 9).astype(np.int64) for part in boards]
    np.savez(path, puzzles=square[0], solutions=square[1])
    assert same(sudoku.read_boards(str(path)), boards)
    np.savez(path, puzzles=boards.puzzles[:5])
    assert same(sudoku.read_boards(path), boards.select(slice(5))), "solutions are found"


@pytest.mark.parametrize("header", [(), ("quizzes,solutions",)])
def test_csv(tmp_path, boards, header):
    lines = [f"{text(a)},{text(b)}" for a, b in zip(*boards, strict=True)]
    assert same(sudoku.read_boards(write(tmp_path / "test.csv", *header, *lines)), boards)


def test_text_with_comments_and_without_solutions(tmp_path):
    path = write(tmp_path / "some.txt", "# two", "", f"{SMALL}  # one", SMALL.replace(".", "_"))
    read = sudoku.read_boards(path)
    assert [text(answer) for answer in read.solutions] == [ANSWER] * 2
    path = write(tmp_path / "some.sdm", f"{SMALL} {ANSWER}")
    assert text(sudoku.read_boards(path).solutions[0]) == ANSWER
    wide = sudoku.generate(2, 24, box=(3, 2))
    path = write(tmp_path / "wide.txt", *map(text, wide.puzzles))
    assert same(sudoku.read_boards(path, box=(3, 2)), wide)


def bits_of(digits):
    return (digits.reshape(-1, 9, 9, 1) == np.arange(1, 10)).astype(np.float32)


@pytest.fixture
def satnet(tmp_path, boards):
    torch = pytest.importorskip("torch")
    order = np.random.default_rng(0).permutation(729)
    tensors = {"features": bits_of(boards.puzzles), "labels": bits_of(boards.solutions)}
    for name, array in {**tensors, "perm": order}.items():
        torch.save(torch.from_numpy(array), tmp_path / f"{name}.pt")
    return tmp_path, order


def test_tensors_of_satnet(satnet, boards):
    folder, order = satnet
    assert same(sudoku.read_satnet(folder), boards)
    assert same(sudoku.read_boards(folder), boards)
    read, permuted = sudoku.read_satnet(folder, permuted=True)
    assert same(read, boards)
    np.testing.assert_array_equal(permuted, order)


class Harm:
    """What a pickle could do, were it unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_tensors_that_are_none(satnet):
    torch = pytest.importorskip("torch")
    folder, _ = satnet
    wrong = {
        "must hold plain tensors as torch.save writes them, but holds no such": {"a": 1},
        r"must hold bits of shape \(n, 9, 9, 9\), but holds others of shape \(2, 81\)": torch.zeros(
            2, 81
        ),
        "set one bit a cell at most, but it sets more in 'labels.pt'": torch.ones(2, 9, 9, 9),
        "hold plain tensors": Harm(),
    }
    for what, content in wrong.items():
        torch.save(content, folder / "labels.pt")
        with pytest.raises(ValueError, match=what):
            sudoku.read_satnet(folder)
    (folder / "labels.pt").unlink()
    with pytest.raises(FileNotFoundError, match=HELP):
        sudoku.read_satnet(folder)


def test_an_order_that_is_none(satnet):
    torch = pytest.importorskip("torch")
    folder, _ = satnet
    torch.save(torch.zeros(729), folder / "perm.pt")
    with pytest.raises(ValueError, match="must hold each index from 0 to 728 once"):
        sudoku.read_satnet(folder, permuted=True)


@pytest.mark.parametrize(
    ("name", "lines", "what"),
    [
        ("a.txt", [SMALL, SMALL[1:]], "boards of 16 cells, .* but has 15 on line 2"),
        ("a.txt", ["", SMALL, "9" + SMALL[1:]], "digits from 1 to 4, .* holds '9' on line 3"),
        ("a.txt", [SMALL, "½" + SMALL[1:]], "holds '½' on line 2"),
        ("a.txt", [SMALL[1:]], "must have 16, 36, 64, 81 cells, but has 15"),
        ("a.csv", [f"{SMALL},{ANSWER}", SMALL], "each line, but has 1 fields on line 2"),
        ("a.csv", [f"{SMALL},{ANSWER},1"], "each line, but has 3 fields on line 1"),
        ("a.csv", [f"{SMALL},{ANSWER[::-1]}"], "it changes a given on board 0"),
        ("a.csv", ["puzzle,solution"], "must hold a board a line, .* which holds none"),
        ("a.txt", ["." * 16], "must have one solution, but has several"),
        ("a.cvs", [SMALL], "must end in .csv, .* did you mean `.csv`"),
    ],
)
def test_bad_lines(tmp_path, name, lines, what):
    with pytest.raises(ValueError, match=what):
        sudoku.read_boards(write(tmp_path / name, *lines))


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=HELP):
        sudoku.read_boards(tmp_path / "none.npz")
    np.savez(tmp_path / "a.npz", boards=np.zeros(3))
    with pytest.raises(ValueError, match=r"must hold arrays `puzzles` and `solutions`, .* boards"):
        sudoku.read_boards(tmp_path / "a.npz")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ValueError, match="must be a file of text"):
        sudoku.read_boards(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"must end in .npz, but is 'a.csv'"):
        sudoku.save_boards(tmp_path / "a.csv", sudoku.generate(1, 8, box=(2, 2)))


# Training split and OOD test


def rows(*parts):
    return {row.tobytes() for part in parts for row in part}


def check_split(training, held_out, source):
    for part in (training, held_out):
        sudoku.check_boards(*part)
        assert part.givens.min() >= 31
        assert part.givens.max() <= 42
        assert (sudoku.count_solutions(part.puzzles) == 1).all()
        assert rows(part.solutions) <= rows(source.solutions)
    assert not rows(training.solutions) & rows(held_out.solutions)


def test_split(tmp_path, boards):
    path = sudoku.save_boards(tmp_path / "kaggle_20k.npz", boards)
    training, held_out = sudoku.training_split(path, 3, test=20)
    assert (len(training.puzzles), len(held_out.puzzles)) == (40, 20)
    check_split(training, held_out, boards)
    for place in (path, tmp_path):
        again = sudoku.training_split(place, 3, test=20)
        assert same(again[0], training)
        assert same(again[1], held_out)
    small, held_again = sudoku.training_split(path, 3, train=7, test=20)
    assert same(held_again, held_out), "the ID test does not depend on the training set"
    assert same(small, training.select(slice(7)))
    other = sudoku.training_split(path, 4, test=20)[1]
    assert rows(other.solutions) != rows(held_out.solutions)


def test_two_puzzles_of_one_grid_never_lie_on_both_sides(tmp_path, boards):
    twice = sudoku.Boards(*(np.concatenate([part, part]) for part in boards))
    path = sudoku.save_boards(tmp_path / "twice.npz", twice)
    once = sudoku.save_boards(tmp_path / "once.npz", boards)
    for part, expected in zip(
        sudoku.training_split(path, test=30), sudoku.training_split(once, test=30), strict=True
    ):
        assert same(part, expected)
    with pytest.raises(ValueError, match=r"must hold 70 boards of different grids, .* holds 60"):
        sudoku.training_split(path, train=40, test=30)


def test_boards_of_the_ood_test_are_never_trained_on(tmp_path):
    path = sudoku.save_boards(tmp_path / "hard.npz", sudoku.generate(3, (24, 26), seed=1))
    assert sudoku.read_boards(path).givens.min() == 24
    with pytest.raises(ValueError, match=r"of 25 givens and more, .* never trained on"):
        sudoku.training_split(path, test=1)


def test_data_that_are_not_there(tmp_path):
    for read in (sudoku.training_split, sudoku.ood_test):
        for place in (tmp_path, tmp_path / "none"):
            with pytest.raises(FileNotFoundError, match=HELP):
                read(place)
        with pytest.raises(TypeError, match="`path` must be the path of a file or folder"):
            read(3)


def test_givens_are_filled_from_the_solution(boards):
    filled = sudoku.fill_givens(boards, (31, 42), 5)
    kept = boards.puzzles > 0
    assert (filled.puzzles[kept] == boards.puzzles[kept]).all()
    assert sudoku.is_solution(filled.solutions, filled.puzzles).all()
    assert len(np.unique(filled.givens)) > 8
    assert same(sudoku.fill_givens(boards, (0, 0)), boards), "nothing is taken away"
    assert (sudoku.fill_givens(boards, (81, 81)).puzzles == boards.solutions).all()
    with pytest.raises(ValueError, match=r"must be \(least, most\), at most 81, but is \(42, 31\)"):
        sudoku.fill_givens(boards, (42, 31))
    with pytest.raises(TypeError, match=r"`givens` must be a pair \(least, most\)"):
        sudoku.fill_givens(boards, 31)


def test_ood_levels(tmp_path, boards):
    (tmp_path / "sudoku").mkdir()
    sudoku.save_boards(tmp_path / "sudoku" / "rrn_test_half.npz", boards)
    levels = sudoku.ood_test(tmp_path)
    assert list(levels) == sorted(set(boards.givens.tolist()))
    assert all((part.givens == level).all() for level, part in levels.items())
    assert sum(len(part.puzzles) for part in levels.values()) == len(boards.puzzles)


def test_the_real_boards(data_dir):
    folder = data_dir / "sudoku"
    if not folder.is_dir():
        pytest.skip(f"no boards at {folder}")
    source = sudoku.read_boards(folder / "kaggle_20k.npz")
    assert source.puzzles.shape == (20_000, 81)
    np.testing.assert_array_equal(sudoku.solve(source.puzzles), source.solutions)
    training, held_out = sudoku.training_split(data_dir, train=9000)
    assert (len(training.puzzles), len(held_out.puzzles)) == (9000, 1000)
    check_split(training, held_out, source)
    assert set(training.givens.tolist()) == set(range(31, 43))
    levels = sudoku.ood_test(data_dir)
    assert {level: len(part.puzzles) for level, part in levels.items()} == dict.fromkeys(
        range(17, 35), 500
    )
    for part in levels.values():
        np.testing.assert_array_equal(sudoku.solve(part.puzzles), part.solutions)
        assert not rows(part.solutions) & rows(source.solutions)


# Symmetries


@settings(max_examples=25, deadline=None)
@given(
    box=st.sampled_from([(2, 2), (2, 3), (3, 2), (2, 4), (3, 3)]),
    seed=st.integers(0, 2**32),
    digits=st.booleans(),
    cells=st.booleans(),
)
def test_symmetries_keep_rules_givens_and_the_one_solution(box, seed, digits, cells):
    side = box[0] * box[1]
    boards = sudoku.generate(3, side * side // 2, box=box, seed=seed)
    moved = sudoku.augment(boards, seed, box, digits=digits, cells=cells)
    sudoku.check_boards(*moved, box)
    assert (sudoku.count_solutions(moved.puzzles, box=box) == 1).all()
    np.testing.assert_array_equal(moved.givens, boards.givens)
    if not cells:
        np.testing.assert_array_equal(moved.puzzles > 0, boards.puzzles > 0)
    if not digits:
        assert all(
            (np.bincount(a, minlength=10) == np.bincount(b, minlength=10)).all()
            for a, b in zip(moved.puzzles, boards.puzzles, strict=True)
        )
    if not digits and not cells:
        assert same(moved, boards)


def test_all_ways_to_place_cells_come_up_equally():
    """There are 2 · (2! · 2!²)² = 128 of them on boards of 4 by 4."""
    drawn = sudoku.random_symmetries(1280, 0, (2, 2)).cells
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 128
    # Chi-square of 127 degrees of freedom: mean 127, standard deviation 16.
    assert abs(((counts - 10) ** 2 / 10).sum() - 127) < 5 * 16


def test_transposing_6x6_would_break_boxes():
    answer = sudoku.generate(1, 36, box=(2, 3)).solutions
    assert not sudoku.is_solution(answer.reshape(6, 6).T, box=(2, 3))[0]
    assert sudoku.is_solution(answer.reshape(6, 6).T, box=(3, 2))[0]


def test_symmetries_of_tensors(boards):
    torch = pytest.importorskip("torch")
    digits, targets = sudoku.as_tensors(boards)
    moved = sudoku.augment((digits, targets + 1), torch.Generator().manual_seed(1))
    again = sudoku.augment((digits, targets + 1), torch.Generator().manual_seed(1))
    assert all(torch.equal(a, b) for a, b in zip(moved, again, strict=True))
    assert moved[0].dtype == torch.int64
    assert moved[0].shape == digits.shape
    assert sudoku.is_solution(moved[1], moved[0]).all()
    assert not torch.equal(moved[0], digits)
    numbers = sudoku.augment((digits, targets + 1), 7)
    assert same(
        [part.numpy().reshape(-1, 81) for part in numbers],
        [part.astype(np.int64) for part in sudoku.augment(boards, 7)],
    )
    with pytest.raises(ValueError, match="must be a NumPy generator or a seed for NumPy boards"):
        sudoku.augment(boards, torch.Generator())


# Loaders


def test_tensors_hold_digits_and_classes(boards):
    torch = pytest.importorskip("torch")
    digits, targets = sudoku.as_tensors(boards)
    assert digits.shape == targets.shape == (60, 9, 9)
    assert digits.dtype == targets.dtype == torch.int64
    np.testing.assert_array_equal(digits.numpy().reshape(60, 81), boards.puzzles)
    np.testing.assert_array_equal(targets.numpy().reshape(60, 81) + 1, boards.solutions)


@pytest.mark.parametrize("augment", [False, True])
def test_batches_depend_on_seed_and_epoch_only(boards, augment):
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()

    def epoch(number, seed=0, **options):
        batches = sudoku.loader(boards, 25, augment=augment, seed=seed, **options)
        batches.sampler.set_epoch(number)
        return [torch.cat(parts) for parts in zip(*batches, strict=True)]

    first, second = epoch(0), epoch(1)
    assert torch.equal(epoch(1)[0], second[0]), "a resumed run sees what an uninterrupted one does"
    batches = sudoku.loader(boards, 25, augment=augment)
    assert [len(digits) for digits, _ in batches] == [25, 25, 10]
    assert torch.equal(torch.cat([digits for digits, _ in batches]), second[0])
    assert not torch.equal(first[0], second[0])
    assert not torch.equal(epoch(0, seed=1)[0], first[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert sudoku.is_solution(first[1] + 1, first[0]).all()
    seen = rows(first[0].numpy().reshape(60, 81).astype(np.uint8))
    assert (seen == rows(boards.puzzles)) is not augment
    assert len(seen) == 60


def test_without_shuffling_boards_stay_in_order(boards):
    torch = pytest.importorskip("torch")
    batches = sudoku.loader(boards, 60, shuffle=False)
    for _ in range(2):
        ((digits, _),) = batches
        assert torch.equal(digits, sudoku.as_tensors(boards)[0])
    with pytest.raises(ValueError, match="`batch_size`"):
        sudoku.loader(boards, 0)


def test_an_item_does_not_depend_on_its_batch(boards):
    pytest.importorskip("torch")
    data = sudoku.BoardDataset(boards, augment=True, seed=4)
    batch, _ = data.__getitems__([3, 63, 7])
    assert len(data) == 60
    for row, index in enumerate([3, 63, 7]):
        assert (data[index][0] == batch[row]).all()
    assert (batch[0] != batch[1]).any(), "another symmetry in the next epoch"
