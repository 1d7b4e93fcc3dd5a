"""Pictures of networks: what is written and coloured on a board, curves, and the commands."""

from __future__ import annotations

import itertools
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

from command_line import call  # noqa: E402
from matplotlib.colors import to_hex, to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from PIL import Image  # noqa: E402

from kuramoto.nn import pictures, training  # noqa: E402
from kuramoto.nn.data import sudoku  # noqa: E402
from kuramoto.nn.energies import Recording, Solving, record, watch  # noqa: E402
from kuramoto.nn.models import build  # noqa: E402
from kuramoto.nn.pictures import curves, page, runs, solving  # noqa: E402
from kuramoto.nn.pictures import movie as movies  # noqa: E402
from kuramoto.nn.pictures.board import RIGHT, WRONG  # noqa: E402
from kuramoto.nn.tasks import sudoku as task  # noqa: E402
from kuramoto.nn.tasks.presets import network_of  # noqa: E402


def axes() -> Any:
    return Figure().subplots()


# --- boards -------------------------------------------------------------------------------------

SOLVED = np.array([[1, 2, 3, 4], [3, 4, 1, 2], [2, 1, 4, 3], [4, 3, 2, 1]])
PUZZLE = np.where(np.eye(4, dtype=bool), SOLVED, 0)


def ground(picture: Any) -> np.ndarray:
    return np.asarray(picture.ground.get_array())


def test_givens_are_black_and_answers_coloured_by_right_and_wrong() -> None:
    answer = SOLVED.copy()
    answer[0, 1] = 4
    picture = pictures.draw_board(axes(), PUZZLE, answer, solution=SOLVED)
    texts = np.array(picture.texts).reshape(4, 4)
    assert [[int(text.get_text()) for text in row] for row in texts] == answer.tolist()
    for row, column in np.ndindex(4, 4):
        text, given = texts[row, column], PUZZLE[row, column] > 0
        color = "#000000" if given else WRONG if (row, column) == (0, 1) else RIGHT
        assert to_hex(text.get_color()) == to_hex(color)
        assert text.get_position() == (column, row)
        assert text.get_fontweight() == ("bold" if given else "normal")
    wrong = (ground(picture) != 1).any(-1)
    assert np.argwhere(wrong).tolist() == [[0, 1]]


def test_blanks_stay_blank_and_without_a_solution_nothing_is_wrong() -> None:
    bare = pictures.draw_board(axes(), PUZZLE.ravel())
    assert [text.get_text() for text in bare.texts] == [str(d or "") for d in PUZZLE.flat]
    assert (ground(bare) == 1).all()
    picture = pictures.draw_board(axes(), PUZZLE, SOLVED[::-1])
    colors = {
        to_hex(t.get_color()) for t, d in zip(picture.texts, PUZZLE.flat, strict=True) if not d
    }
    assert colors == {to_hex(RIGHT)}


def test_a_given_that_the_answer_contradicts_is_marked_and_still_shown() -> None:
    answer = SOLVED.copy()
    answer[3, 3] = 2
    picture = pictures.draw_board(axes(), PUZZLE, answer)
    assert picture.texts[15].get_text() == "1"
    assert np.argwhere((ground(picture) != 1).any(-1)).tolist() == [[3, 3]]


def test_confidence_is_the_shade() -> None:
    chances = np.full((4, 4, 4), 0.25)  # a guess
    chances[0, 1] = [0, 1, 0, 0]  # sure
    chances[0, 2] = [0.1, 0.1, 0.7, 0.1]
    picture = pictures.draw_board(axes(), PUZZLE, probabilities=chances, solution=SOLVED)
    shades, alphas = ground(picture)[..., 2], [text.get_alpha() for text in picture.texts]
    assert [text.get_text() for text in picture.texts[:4]] == ["1", "2", "3", "1"]
    assert shades[0, 1] == shades[0, 0] == 1  # a given needs no confidence
    assert shades[0, 3] == pytest.approx(0.8)
    assert shades[0, 2] == pytest.approx(0.6 * 1 + 0.4 * 0.8)  # (0.7 - 1/4) / (1 - 1/4) = 0.6
    assert alphas[1] == 1
    assert alphas[1] > alphas[2] > alphas[3] > 0.2


@pytest.mark.parametrize(
    ("side", "thick"),
    [
        (4, {(0, 2, 4), (0, 2, 4)}),
        (6, {(0, 2, 4, 6), (0, 3, 6)}),
        (9, {(0, 3, 6, 9), (0, 3, 6, 9)}),
    ],
)
def test_thick_lines_lie_between_boxes(side: int, thick: set[tuple[int, ...]]) -> None:
    ax = axes()
    pictures.draw_board(ax, np.zeros((side, side), int))
    widest = max(line.get_linewidth() for line in ax.lines)
    found: dict[str, list[float]] = {"rows": [], "columns": []}
    for line in ax.lines:
        if line.get_linewidth() == widest:
            across = len(set(line.get_ydata())) == 1
            at = line.get_ydata()[0] if across else line.get_xdata()[0]
            found["rows" if across else "columns"].append(at + 0.5)
    assert {tuple(sorted(lines)) for lines in found.values()} == thick
    assert len(ax.lines) == 2 * (side + 1)


def test_boards_that_are_none() -> None:
    with pytest.raises(ValueError, match="`board` must have 16, 36, 64, 81 cells, but has 9"):
        pictures.draw_board(axes(), np.zeros((3, 3), int))
    with pytest.raises(ValueError, match=r"`answer` must have shape \(4, 4\), as the puzzle has"):
        pictures.draw_board(axes(), PUZZLE, np.ones(9, int))
    with pytest.raises(ValueError, match=r"`solution` must hold digits 1 ... 4, but holds 5"):
        pictures.draw_board(axes(), PUZZLE, SOLVED, solution=SOLVED + 1)
    with pytest.raises(ValueError, match=r"`probabilities` must have shape \(4, 4, 4\)"):
        pictures.draw_board(axes(), PUZZLE, probabilities=np.ones((4, 4)))


# --- curves -------------------------------------------------------------------------------------


def recording(both: int, T: int = 12) -> Recording:
    """Ten boards of four samples, `both` of them answered both ways; right ones lie 1 below."""
    right = np.zeros((10, 4, T), bool)
    right[5:] = True
    right[:both, :2] = True
    right[:both, 2:] = False
    decay = np.exp(-np.arange(T))
    energies = 10.0 * np.arange(10)[:, None, None] - right + decay + 0 * right
    return Recording(
        energies.astype(np.float32), 16 * right.astype(np.uint8), 16, np.arange(1, T + 1)
    )


def test_right_and_wrong_samples_of_the_same_boards_are_compared() -> None:
    ax = axes()
    pictures.draw_energies(ax, recording(6), trained=4)
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["right: 12 samples", "wrong: 12 samples"]
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert np.allclose(lines[labels[1]] - lines[labels[0]], 1)  # though boards differ by far more
    assert lines[labels[0]][-1] == pytest.approx(-0.5, abs=1e-3)  # their mean is the board's zero
    assert "6 boards" in ax.get_title()
    assert any(np.array_equal(line.get_xdata(), [4, 4]) for line in ax.lines)


def test_where_hardly_any_board_is_answered_both_ways_all_are_shown() -> None:
    few = recording(4)
    for draw in (pictures.draw_energies, pictures.draw_energy_histogram):
        ax = axes()
        draw(ax, few)
        assert "all 10 boards" in ax.get_title()
        assert sum(int(words.split()[1]) for words in ax.get_legend_handles_labels()[1]) == 40
        assert "board's" not in ax.get_xlabel() + ax.get_ylabel()


@pytest.mark.parametrize("kind", [0, 1])
def test_one_kind_alone_is_drawn(kind: int) -> None:
    energies = np.zeros((3, 2, 4), np.float32)
    squares = np.full((3, 2, 4), 16 * kind, np.uint8)
    alone = Recording(energies, squares, 16, np.arange(1, 5))
    for draw in (pictures.draw_energies, pictures.draw_energy_histogram):
        ax = axes()
        draw(ax, alone)
        (label,) = ax.get_legend_handles_labels()[1]
        assert label == f"{['wrong', 'right'][kind]}: 6 samples"


def test_energies_that_go_up_and_down_are_shown_by_their_troughs() -> None:
    ax, T = axes(), 12
    up_and_down = recording(6)
    energies = up_and_down.energies + 50.0 * (np.arange(T) % 2 == 0)
    pictures.draw_energies(ax, Recording(energies, up_and_down.squares, 16, up_and_down.looks))
    assert ax.lines[0].get_xdata().tolist() == [2, 4, 6, 8, 10, 12]
    assert "troughs" in ax.get_xlabel()
    assert len(ax.lines) == 2
    assert np.array_equal(ax.lines[0].get_xdata(), ax.lines[1].get_xdata())
    assert ax.get_ylim()[1] < 40


def test_histograms_sum_to_one_and_say_how_often_right_lies_below() -> None:
    ax = axes()
    pictures.draw_energy_histogram(ax, recording(6), "last")
    assert "right below wrong: 100 %" in ax.get_title()
    # Bars and outlines, of both kinds.
    heights: dict[str, float] = {}
    for patch in ax.patches:
        if hasattr(patch, "get_height"):
            color = to_hex(patch.get_facecolor())
            heights[color] = heights.get(color, 0) + patch.get_height()
    assert heights == {to_hex(RIGHT): pytest.approx(1), to_hex(WRONG): pytest.approx(1)}
    mixed = recording(6)
    nothing = Recording(0 * mixed.energies, mixed.squares, 16, mixed.looks)
    pictures.draw_energy_histogram(ax, nothing)
    assert "right below wrong: 50 %" in ax.get_title()


def test_accuracy_has_dots_at_multiples_of_the_trained_steps() -> None:
    ax, steps = axes(), np.arange(1, 13)
    pictures.draw_accuracy(ax, steps, steps / 12, trained=4)
    pale, dots = ax.lines
    assert np.array_equal(pale.get_xdata(), steps)
    assert np.allclose(dots.get_xydata(), [[4, 1 / 3], [8, 2 / 3], [12, 1]])
    with pytest.raises(ValueError, match=r"`counts and accuracy` must have one shape \(S,\)"):
        pictures.draw_accuracy(ax, steps, steps[1:])


def test_levels_have_wilsons_intervals() -> None:
    ax = axes()
    pictures.draw_by_givens(ax, {"net": {17: (10, 0), 20: (100, 50.0), 30: (7, 7)}})
    (segments,) = ax.containers[0].lines[2]
    ends = np.array(segments.get_segments())[..., 1]
    # Brown, Cai, DasGupta (2001), from their equation (4); symmetric under right <-> wrong.
    assert ends[0] == pytest.approx([0, 0.27754], abs=1e-4)
    assert ends[1] == pytest.approx([0.40383, 0.59617], abs=1e-4)
    assert ends[2] == pytest.approx([0.64567, 1], abs=1e-4)
    assert np.allclose(curves.wilson(np.array(3.0), np.array(10.0))[0], 0.10779, atol=1e-4)


def test_learning_curves_are_those_of_the_table(tmp_path: Path) -> None:
    rows = ["step,seconds,loss,held_out_loss,square_accuracy,board_accuracy"]
    rows += [f"{10 * i},1,{2 / i},{'0.5,0.9,0.25' if i % 5 == 0 else ',,'}" for i in range(1, 11)]
    (tmp_path / "metrics.csv").write_text("\n".join([*rows, "110,1,0."]))  # a row being written
    metrics = pictures.read_metrics(tmp_path)
    assert metrics["step"].tolist() == list(range(10, 101, 10))
    assert np.isnan(metrics["held_out_loss"]).sum() == 8
    ax, other = axes(), axes()
    pictures.draw_losses(ax, {"net": metrics})
    assert np.allclose(ax.lines[0].get_ydata(), 2 / np.arange(1, 11))
    assert ax.lines[-1].get_xydata().tolist() == [[50, 0.5], [100, 0.5]]
    pictures.draw_scores(other, {"net": metrics})
    assert [line.get_ydata().tolist() for line in other.lines] == [[0.25] * 2, [0.9] * 2]


def test_tables_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no metrics.csv yet"):
        pictures.read_metrics(tmp_path)
    (tmp_path / "metrics.csv").write_text("step,loss\n")
    with pytest.raises(FileNotFoundError, match="holds no rows of a training run yet"):
        pictures.read_metrics(tmp_path)
    (tmp_path / "metrics.csv").write_text("step,loss\n1,abc\n")
    with pytest.raises(ValueError, match=r"is damaged: could not convert string to float"):
        pictures.read_metrics(tmp_path)


# --- a trained network --------------------------------------------------------------------------


def trained(folder: Path, name: str = "akorn", generate: int = 60, steps: int = 12) -> Path:
    changes = {"model.name": name, "model.channels": "16", "validation_boards": "6", "batch": "20"}
    made, settings = task.prepare("toy", None, {**changes, "generate": str(generate)})
    settings = settings.with_changes({"steps": steps, "log_every": 2, "validate_every": 6})
    training.fit(made, settings, folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "net.v1")


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "itrsa", "itrsa")


FEW = ["--samples", 3, "--limit", 4, "--quiet", "--device", "cpu"]


def copy(run: Path, to: Path, without: str = "") -> Path:
    shutil.copytree(run, to, ignore=shutil.ignore_patterns("checkpoints", "tensorboard", without))
    return to


def test_a_portrait_holds_what_was_computed(run: Path) -> None:
    opened = training.Run(run)
    source = runs.Source(limit=4)
    portrait, missing = runs.portrait_of(opened, "net", source, samples=3, steps=6)
    assert missing == []
    assert portrait.trained == 4
    boards = source.read(opened)
    assert len(boards.puzzles) == 4
    model = network_of(opened, "sudoku")
    grids = [torch.from_numpy(part).long().reshape(4, 4, 4) for part in boards]
    expected = record(model, *grids, samples=3, steps=6)
    assert np.array_equal(portrait.recording.energies, expected.energies)
    assert list(portrait.levels) == ["one sample, 6 steps", "vote of 3, 6 steps"]
    assert np.array_equal(portrait.solution, grids[1][0])
    figure = pictures.figure_portraits([portrait])
    assert len([ax for ax in figure.axes if ax.axison or ax.images]) == 8
    assert np.array_equal(figure.axes[0].lines[0].get_xdata(), [2, 4, 6, 8, 10, 12])


def test_plot_draws_a_training_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = copy(run, tmp_path / "net.v1")
    code, out, err = call(capsys, "plot", here, *FEW)
    target = tmp_path / "net.v1.png"
    assert (code, out, err) == (0, f"Wrote {target}\n", "")
    assert np.asarray(Image.open(target)).std() > 10
    target.write_text("precious")
    code, _, err = call(capsys, "plot", here, *FEW)
    assert (code, target.read_text()) == (2, "precious")
    assert "exists already" in err
    assert call(capsys, "plot", here, *FEW, "--force")[0] == 0
    assert target.stat().st_size > 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.v1", "net.v1.png"]


def test_several_runs_are_drawn_beside_each_other(
    run: Path, baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both.pdf"
    assert call(capsys, "plot", baseline, run, *FEW, "--out", out)[0] == 0
    assert out.read_bytes().startswith(b"%PDF")
    source = runs.Source(limit=4)
    both = [
        runs.portrait_of(training.Run(path), path.name, source, samples=2, steps=8)[0]
        for path in (baseline, run)
    ]
    assert both[0].recording is None
    assert both[0].accuracy[0].tolist() == [4, 8]
    figure = pictures.figure_portraits(both)
    drawn = [ax for ax in figure.axes if ax.axison]
    assert len(drawn) == 5
    for ax in (drawn[0], drawn[1], drawn[3]):
        assert ax.get_legend_handles_labels()[1] == ["itrsa", "net.v1"]
    colors = [line.get_color() for line in drawn[4].lines]
    assert colors == [page.LINE_COLORS[1]]  # the second run's, though the only one that votes
    assert call(capsys, "plot", baseline, *FEW, "--out", tmp_path / "alone.png")[0] == 0


def test_without_boards_the_learning_curves_are_drawn(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KURAMOTO_DATA", raising=False)
    here = copy(run, tmp_path / "net")
    about = json.loads((here / "config.json").read_text())
    about["recipe"]["options"]["generate"] = 0
    (here / "config.json").write_text(json.dumps(about))
    code, out, _ = call(capsys, "plot", here, *FEW)
    assert code == 0
    assert "Left out of net: what its network answers (no boards: pass --boards FILE" in out
    assert "Wrote" in out
    code, _, err = call(capsys, "animate", here, "--quiet")
    assert code == 2
    assert "No board to solve: pass --board, or --data for a held-out one." in err
    boards = sudoku.generate(3, (6, 8), box=(2, 2), seed=9)
    file = sudoku.save_boards(tmp_path / "boards.npz", boards)
    code, out, _ = call(capsys, "plot", here, *FEW, "--boards", file, "--force")
    assert (code, out) == (0, f"Wrote {tmp_path / 'net.png'}\n")


def test_what_is_not_there_yet_is_left_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    young = copy(run, tmp_path / "young", "weights.safetensors")
    code, out, _ = call(capsys, "plot", young, *FEW)
    assert code == 0
    assert "what its network answers" in out
    untold = copy(run, tmp_path / "untold", "metrics.csv")
    code, out, _ = call(capsys, "plot", untold, *FEW)
    assert code == 0
    assert "Left out of untold: learning curves" in out
    (young / "metrics.csv").unlink()
    code, _, err = call(capsys, "plot", young, *FEW, "--force")
    assert code == 2
    assert "nothing to draw" in err


def test_boards_of_another_training_are_not_held_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = copy(run, tmp_path / "net")
    about = json.loads((here / "config.json").read_text())
    about["recipe"]["boards"]["sha256"] = "0" * 16
    (here / "config.json").write_text(json.dumps(about))
    code, _, err = call(capsys, "plot", here, *FEW)
    assert code == 2
    assert "are not those of run" in err


# --- animations ---------------------------------------------------------------------------------

TEXT = "1... ..2. .3.. ...4"


def test_animate_shows_a_board_being_solved(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.gif"
    asked = ["--steps", 6, "--samples", 3, "--quiet", "--board", TEXT]
    code, said, err = call(capsys, "animate", run, *asked, "--out", out)
    assert (code, err) == (0, "")
    assert said.startswith(f"Wrote {out}: ")
    assert said.endswith("after 6 steps, 4 givens\n")
    with Image.open(out) as movie:
        assert movie.n_frames == 7
        frames = []
        for number in range(7):
            movie.seek(number)
            frames.append(np.asarray(movie.convert("RGB")))
        assert movie.info["duration"] == 2500
    assert (frames[0][0, 0] == 255).all()  # paper is white
    assert all((one != other).any() for one, other in itertools.pairwise(frames))
    for color in ("black", RIGHT):
        assert (frames[-1] == np.round(255 * np.array(to_rgb(color)))).all(-1).any()
    assert "exists already" in call(capsys, "animate", run, *asked, "--out", out)[2]
    every = [*asked, "--every", 4, "--force", "--out", out]
    assert call(capsys, "animate", run, *every)[0] == 0
    with Image.open(out) as movie:
        assert movie.n_frames == 2  # steps 2 and 6


def test_the_board_shown_is_the_one_elected(run: Path) -> None:
    model = network_of(training.Run(run), "sudoku")
    puzzle = sudoku.parse_board(TEXT).reshape(4, 4)
    found = runs.solve_board(model, puzzle, steps=6, samples=5, seed=2)
    lowest = int(found.energies.sum(-1).argmin())
    digits = torch.from_numpy(puzzle).long()
    assert np.array_equal(
        found.solving.energies, watch(model, digits, steps=6, seed=2, sample=lowest).energies
    )
    assert np.array_equal(found.solution, sudoku.solve(puzzle))
    wrong = (found.solving.answers[-1] != found.solution).sum()
    assert found.words.startswith("solved" if not wrong else f"{wrong} square")


def frames_of_a_solving(steps: int = 3) -> Solving:
    random = np.random.default_rng(0)
    chances = random.dirichlet(np.ones(4), size=(steps + 1, 4, 4)).astype(np.float32)
    energies = -np.arange(steps + 1, dtype=np.float32)
    return Solving(PUZZLE.astype(np.uint8), chances, energies)


def test_curves_grow_with_the_steps() -> None:
    found = frames_of_a_solving()
    movie = solving._Solving(found, SOLVED, np.zeros((2, 3)), "")
    for row in (3, 1):
        movie.frame(row)
        (line, head), _ = movie.curves[0]
        assert np.array_equal(
            line.get_xydata(), np.column_stack([range(row + 1), -np.arange(row + 1)])
        )
        assert head.get_xydata().tolist() == [[row, -row]]
        blank = PUZZLE == 0
        right = (found.answers[row] == SOLVED)[blank].sum()
        assert movie.curves[1][1][row] == right
        assert f"step {row} of 3" in movie.clock.get_text()
        digits = np.where(blank, found.answers[row], PUZZLE)
        assert [int(text.get_text()) for text in movie.board.texts] == digits.ravel().tolist()
    unsolved = solving._Solving(found, None, None, "")
    assert np.allclose(unsolved.curves[1][1], found.probabilities.max(-1).mean((1, 2)))


def test_an_mp4_is_what_ffmpeg_makes_of_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="MP4 needs the program ffmpeg"):
        pictures.write_solving(frames_of_a_solving(), tmp_path / "a.mp4")
    program = tmp_path / "ffmpeg"
    program.write_text(
        '#!/bin/sh\nfor out; do :; done\n/bin/cat > "$out"\necho "$@" > "$out.txt"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    pictures.write_solving(frames_of_a_solving(), tmp_path / "a.mp4", seconds_per_frame=0.5)
    asked = (tmp_path / "a.mp4.txt").read_text()
    width, height = (int(n) for n in asked.split("-s ")[1].split()[0].split("x"))
    assert "-r 2 " in asked
    assert (tmp_path / "a.mp4").stat().st_size == 3 * width * height * (4 + 5)  # 2.5 s more
    program.write_text("#!/bin/sh\necho no such codec >&2\nexit 1\n")  # it reads nothing
    with pytest.raises(OSError, match="ffmpeg failed: no such codec"):
        pictures.write_solving(frames_of_a_solving(), tmp_path / "a.mp4")


def test_other_animations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`out` must end in .gif or .mp4"):
        pictures.write_solving(frames_of_a_solving(), tmp_path / "a.png")
    with pytest.raises(ValueError, match="`every` must be a whole number of at least 1"):
        pictures.write_solving(frames_of_a_solving(), tmp_path / "a.gif", every=0)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plot", "RUN", "--out", "a.xyz"], "`out` must end in"),
        (["plot", "RUN", "--out", "no/a.png"], "Output folder no does not exist"),
        (["plot", "RUN", "--samples", "0"], "`samples` must be a whole number of at least 1"),
        (["plot", "RUN", "--seed", "-1"], "`seed` must be a whole number of at least 0"),
        (["plot", "RUN", "--boards", "no.npz"], "nothing is there"),
        (["plot", "RUN", "--device", "tpu"], "`device` must be cpu or cuda, but is 'tpu'"),
        (["plot", "RUN", "nowhere"], "Folder nowhere holds no training run"),
        (["plot", "RUN", "RUN"], "The same run is given twice"),
        (["plot", "RUN", "--stepps", "3"], "No such option: --stepps"),
        (["plot", "nowhere"], "does not exist"),
        (["plot", "."], ""),  # a folder, but of no training run
        (["animate", "RUN", "--out", "a.png"], "`out` must end in .gif, .mp4, but is 'a.png'"),
        (["animate", "RUN", "--board", "12.."], "`board` must have 16, 36, 64, 81 cells"),
        (["animate", "RUN", "--board", "." * 81], "`board` must have 16 squares, as those of"),
        (["animate", "RUN", "--board", "11" + 14 * "."], "at most once a row, column and box"),
        (["animate", "RUN", "--board", "1" + 15 * "."], "must have one solution, but has several"),
        (["animate", "RUN", "--every", "0"], "`every` must be a whole number of at least 1"),
        (["animate", "BASELINE"], "Model SudokuItrSA has no energy to record"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str],
    words: str,
    run: Path,
    baseline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"RUN": run, "BASELINE": baseline}
    quiet = ["--quiet"] if set(arguments) & set(named) else []
    code, out, err = call(capsys, *(named.get(word, word) for word in arguments), *quiet)
    assert (code, out) == (2, "")
    assert err.startswith("kuramoto: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_interrupted_is_130_and_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "portray", stop)
    monkeypatch.setitem(movies._WRITERS, ".gif", stop)
    for arguments in (["plot", run, *FEW], ["animate", run, "--quiet", "--steps", 2]):
        code, out, err = call(capsys, *arguments, "--out", tmp_path / "a.gif")
        assert (code, out, err) == (130, "", "kuramoto: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_boards_of_another_size_are_refused(run: Path, tmp_path: Path) -> None:
    boards = sudoku.generate(1, 20, box=(2, 3), seed=0)
    file = sudoku.save_boards(tmp_path / "six.npz", boards)
    with pytest.raises(ValueError, match="`boards` must have 16 squares, but has 36"):
        runs.portrait_of(training.Run(run), "net", runs.Source(boards=file))


def test_help_tells_what_networks_are_drawn_with(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--samples K" in call(capsys, "plot", run, "--help")[1]
    assert "--board BOARD" in call(capsys, "animate", run, "-h")[1]
    for command in ("plot", "animate"):
        code, out, _ = call(capsys, command, "--help")
        assert code == 0
        assert f"kuramoto {command} FOLDER --help" in " ".join(out.split())


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(ValueError, match="There is nothing to draw, metrics or answers"):
        pictures.figure_portraits([pictures.Portrait("net")])
    model = build("sudoku", "akorn", side=4, channels=16, heads=2, steps=2).eval()
    boards = sudoku.generate(2, 8, box=(2, 2), seed=0)
    portrait = pictures.portray(model, boards, samples=1)
    assert portrait.recording.energies.shape == (2, 1, 8)  # four times as trained
    assert len(pictures.figure_portraits([portrait]).axes) == 5 + 1
