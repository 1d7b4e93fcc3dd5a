"""The Sudoku recipe: its data, loss and scores; the commands from boards to a table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kuramoto import cli

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

from kuramoto.nn import tasks, training  # noqa: E402
from kuramoto.nn.checkpoints import load  # noqa: E402
from kuramoto.nn.data import sudoku as boards_of  # noqa: E402
from kuramoto.nn.tasks import sudoku  # noqa: E402
from kuramoto.nn.tasks.sudoku_evaluation import evaluate  # noqa: E402
from kuramoto.nn.voting import Settled  # noqa: E402

TINY = {"name": "akorn", "side": 4, "channels": 16, "heads": 2, "steps": 3}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def boards() -> boards_of.Boards:
    return boards_of.generate(60, (5, 10), box=(2, 2), seed=2)


def recipe(boards: boards_of.Boards, **options: Any) -> sudoku.Sudoku:
    chosen = sudoku.Options(**options)
    return sudoku.Sudoku(TINY, boards.select(slice(50)), boards.select(slice(50, None)), chosen)


class Oracle(torch.nn.Module):
    """Knows the solutions of some boards, and says 1 everywhere on the others."""

    def __init__(self, boards: boards_of.Boards, known: list[int]) -> None:
        super().__init__()
        self.config = SimpleNamespace(side=4, steps=3)
        self.weight = torch.nn.Parameter(torch.ones(()))
        rows = zip(*boards, strict=True)
        self.table = {p.tobytes(): s for i, (p, s) in enumerate(rows) if i in known}

    def forward(self, digits: Any, *, steps: Any = None, generator: Any = None) -> Any:
        rows = digits.flatten(1).to(torch.uint8).numpy()
        said = [self.table.get(row.tobytes(), np.ones(16, np.uint8)) for row in rows]
        classes = torch.from_numpy(np.stack(said)).long().unflatten(1, (4, 4)) - 1
        return 20 * torch.nn.functional.one_hot(classes, 4) * self.weight


# --- data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("augment", ["none", "digits", "all"])
def test_batches_are_boards_and_follow_from_the_step(
    boards: boards_of.Boards, augment: str
) -> None:
    one, other = (recipe(boards, augment=augment) for _ in range(2))
    for step in (17, 3, 3):
        puzzles, solutions = one.batch(step, 10, seed=5)
        assert puzzles.shape == solutions.shape == (10, 4, 4)
        assert boards_of.is_solution(solutions, puzzles).all()
        assert all(
            np.array_equal(a, b)
            for a, b in zip((puzzles, solutions), other.batch(step, 10, 5), strict=True)
        )
    assert not np.array_equal(one.batch(3, 10, 5)[0], one.batch(3, 10, 6)[0])


def test_an_epoch_shows_every_board_once_and_the_next_in_another_order(
    boards: boards_of.Boards,
) -> None:
    made = recipe(boards)
    epochs = [
        np.concatenate([made.batch(5 * epoch + i, 10, 0)[0].reshape(10, 16) for i in range(5)])
        for epoch in range(2)
    ]
    wanted = sorted(map(bytes, made.boards.puzzles))
    assert [sorted(map(bytes, epoch)) for epoch in epochs] == [wanted, wanted]
    assert not np.array_equal(*epochs)


def test_augmentation_renames_digits_or_moves_cells(boards: boards_of.Boards) -> None:
    plain, digits, moved = (
        recipe(boards, augment=how).batch(0, 50, 0)[0] for how in ("none", "digits", "all")
    )
    assert np.array_equal(digits > 0, plain > 0)
    assert not np.array_equal(digits, plain)
    assert not np.array_equal(moved > 0, plain > 0)


def test_held_out_boards_are_not_trained_on(data_dir: Path) -> None:
    made, settings = sudoku.prepare("paper", data_dir)
    puzzles, held = (boards.solutions for boards in (made.boards, made.held_out))
    assert (len(puzzles), len(held)) == (9000, 1000)
    assert not {bytes(row) for row in puzzles} & {bytes(row) for row in held}
    givens = made.boards.givens
    assert (givens.min(), givens.max()) == (31, 42)
    assert settings.steps * settings.batch == 100 * 9000  # 100 epochs


# --- loss and scores ----------------------------------------------------------------------------


def test_the_loss_is_the_cross_entropy_over_all_squares(boards: boards_of.Boards) -> None:
    made = recipe(boards)
    torch.manual_seed(0)
    model = made.model().eval()
    arrays = made.batch(0, 7, 0)
    loss = made.loss(model, tuple(torch.from_numpy(array) for array in arrays))
    with torch.no_grad():
        p = torch.softmax(model(torch.from_numpy(arrays[0]).long()).double(), -1).numpy()
    total = 0.0
    for b, i, j in np.ndindex(7, 4, 4):
        total -= np.log(p[b, i, j, arrays[1][b, i, j] - 1])
    assert float(loss.detach()) == pytest.approx(total / (7 * 16), rel=1e-5)


def test_scores_count_boards_squares_and_levels(boards: boards_of.Boards) -> None:
    known = [0, 3, 4, 20, 59]
    report = evaluate(Oracle(boards, known), boards, batch=9)
    right = np.isin(np.arange(60), known)
    assert (report.boards, report.right) == (60, 5)
    assert report.accuracy == 5 / 60
    assert report.squares == pytest.approx((5 + 55 / 4) / 60)  # a 1 is right in every fourth
    for level in np.unique(boards.givens):
        rows = boards.givens == level
        assert report.levels[int(level)] == (rows.sum(), right[rows].sum())
    assert sum(n for n, _ in report.levels.values()) == 60
    assert json.loads(report.to_json())["right"] == 5
    assert "boards right    8.33 %  (5 of 60)" in str(report)


def test_validation_counts_as_evaluation_does(boards: boards_of.Boards) -> None:
    made = recipe(boards, validation_boards=10)
    scores = made.validate(Oracle(boards, [50, 51, 59]))
    report = evaluate(Oracle(boards, [50, 51, 59]), made.held_out)
    assert scores["board_accuracy"] == report.accuracy == 0.3
    assert scores["square_accuracy"] == pytest.approx(report.squares)
    assert tuple(scores) == made.scores


def test_evaluation_is_reproducible_and_leaves_the_model_as_it_was(
    boards: boards_of.Boards,
) -> None:
    torch.manual_seed(0)
    model = recipe(boards).model().double().train()
    asked = {"steps": 5, "samples": 6, "vote": "sum"}
    one, other = (evaluate(model, boards, batch=size, **asked) for size in (64, 7))
    plain = dataclasses.replace(one, seconds=other.seconds)
    assert plain == other
    assert model.training
    assert one.settings["steps"] == 5


def test_settled_boards_are_reported(boards: boards_of.Boards) -> None:
    torch.manual_seed(0)
    model = recipe(boards).model()
    report = evaluate(model, boards, steps=12, settled=Settled(every=2, tolerance=1e9))
    assert (report.stopped, report.steps) == (60, 4.0)
    assert "60 boards settled and were stopped; 4.0 steps a board" in str(report)


# --- presets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sudoku.PRESETS)
def test_presets_make_models(name: str) -> None:
    with torch.device("meta"):
        model = sudoku.build(sudoku.PRESETS[name].model)
    assert model.config.channels % model.config.dimensions == 0


def test_the_papers_settings() -> None:
    paper, reference = sudoku.PRESETS["paper"], sudoku.PRESETS["reference"]
    with torch.device("meta"):
        config = sudoku.build(paper.model).config
    assert (config.channels, config.dimensions, config.steps, config.blocks) == (512, 4, 16, 1)
    assert (config.frequency, config.initial_frequency, config.learn_step_size) == (
        "shared",
        0.5,
        True,
    )
    assert config.positions == "gta"
    settings = paper.training
    assert (settings.batch, settings.optimizer, settings.learning_rate) == (100, "adam", 5e-4)
    assert (settings.clip, settings.ema, settings.ema_every, settings.ema_after) == (
        1.0,
        0.995,
        10,
        100,
    )
    assert reference.training == dataclasses.replace(settings, learning_rate=1e-3)


def test_changes_reach_model_options_and_training() -> None:
    changes = {"model.channels": "24", "augment": "none", "batch": "20", "generate": "40"}
    made, settings = sudoku.prepare("toy", None, changes)
    assert made.model().config.channels == 24
    assert (made.options.augment, settings.batch) == ("none", 20)
    assert len(made.boards.puzzles) + len(made.held_out.puzzles) == 40
    again = sudoku.restore(json.loads(json.dumps(made.about())), None)
    assert again.about() == made.about()


@pytest.mark.parametrize("name", ["itrsa", "transformer", "energy_transformer", "symmetric"])
def test_every_model_trains(name: str, tmp_path: Path) -> None:
    changes = {"model.name": name, "model.channels": "16", "generate": "40", "batch": "6"}
    made, settings = sudoku.prepare("toy", None, {**changes, "validation_boards": "4"})
    outcome = training.fit(made, dataclasses.replace(settings, steps=2), tmp_path / "run")
    assert outcome.finished
    report = tasks.task("sudoku").evaluate_run(training.Run(tmp_path / "run"))
    assert report.boards == 4


# --- the commands -------------------------------------------------------------------------------


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


SMALL = ["--set", "model.channels=16", "--set", "generate=200", "--set", "batch=30"]
TRAIN = ["train", "sudoku", "--preset", "toy", "--quiet", "--device", "cpu", *SMALL]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    torch.set_num_threads(1)
    with pytest.raises(SystemExit) as ended:
        cli.main([*TRAIN, "--out", str(folder), "--steps", "60"])
    assert not ended.value.code
    return folder


def test_training_learns(run: Path) -> None:
    with (run / "metrics.csv").open() as file:
        lines = [line.strip().split(",") for line in file]
    losses = [float(line[2]) for line in lines[1:]]
    assert lines[0][:3] == ["step", "seconds", "loss"]
    assert losses[0] > 0.9
    assert losses[-1] < 0.75  # guessing costs ln 4 = 1.39; the givens alone 0.74 at best


def test_the_weights_of_a_run_say_what_they_are(run: Path) -> None:
    model = load(run / "weights.safetensors")
    config = training.Run(run).recipe["model"]
    assert {"name": "akorn", **dataclasses.asdict(model.config)} == config


def test_evaluate_prints_a_table(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    asked = ["--steps", 8, "--samples", 4, "--vote", "sum", "--quiet", "--out", out]
    code, text, err = call(capsys, "evaluate", "sudoku", run, *asked)
    assert (code, err) == (0, "")
    assert "boards right" in text
    assert "steps 8, samples 4, vote sum" in text
    report = json.loads(out.read_text())
    assert report["boards"] == 20
    assert f"({report['right']} of 20)" in text
    code, _, err = call(capsys, "evaluate", "sudoku", run, "--quiet", "--out", out)
    assert (code, out.read_text()) == (2, json.dumps(report, indent=2) + "\n")
    assert "exists already" in err


def test_evaluate_takes_a_file_of_boards(
    run: Path, tmp_path: Path, boards: boards_of.Boards, capsys: pytest.CaptureFixture[str]
) -> None:
    file = boards_of.save_boards(tmp_path / "boards.npz", boards)
    asked = ["--boards", file, "--quiet", "--limit", 9]
    code, text, _ = call(capsys, "evaluate", "sudoku", run, *asked)
    assert code == 0
    assert "of 9)" in text


def test_resume_goes_on_and_may_go_further(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = call(capsys, *TRAIN, "--out", tmp_path / "cut", "--steps", 25)
    assert code == 0
    again = ["train", "sudoku", "--resume", tmp_path / "cut", "--quiet", "--device", "cpu"]
    code, out, err = call(capsys, *again, "--steps", 60)
    assert (code, out, err) == (0, "", "")
    one, other = (folder / "weights.safetensors" for folder in (run, tmp_path / "cut"))
    assert one.read_bytes() == other.read_bytes()


def test_help_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "train", "-h")
    assert code == 0
    assert out.startswith("Usage: kuramoto train")
    assert "--resume RUN" in out
    assert "--vote HOW" in call(capsys, "evaluate", "--help")[1]
    assert "Train a network." in call(capsys, "--help")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "chess"], "There is no task `chess`; known: sudoku"),
        (["train", "sudoku", "--preset", "papr"], "no preset `papr`; did you mean `paper`?"),
        (["train", "sudoku"], "No boards to train on: pass --data, a folder with sudoku/kaggle"),
        (["train", "sudoku", "--data", "nowhere"], "nothing is there; the page on Sudoku says"),
        ([*TRAIN, "--set", "batch"], "`set` must be KEY=VALUE, but is 'batch'"),
        ([*TRAIN, "--set", "bach=3"], "no setting `bach`; did you mean `batch`?"),
        ([*TRAIN, "--set", "model.chanels=3"], "no setting `chanels`; did you mean `channels`?"),
        ([*TRAIN, "--set", "augment=flips"], "`augment` must be one of none, digits, all"),
        ([*TRAIN, "--set", "batch=5000"], "`batch` must be at most the number of boards"),
        ([*TRAIN, "--set", "model.channels=18"], "channels"),
        ([*TRAIN, "--steps", "0"], "`steps` must be a whole number of at least 1"),
        ([*TRAIN[:-6], "--device", "tpu"], "`device` must be cpu or cuda, but is 'tpu'"),
        (["train", "sudoku", "--resume", "nowhere"], "Folder nowhere holds no training run"),
        (["evaluate", "sudoku", "nowhere"], "Folder nowhere holds no training run"),
        (["train", "sudoku", "--speed", "9"], "No such option: --speed"),
        (["train"], "Missing argument"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KURAMOTO_DATA", raising=False)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("kuramoto: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".npz"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_that_is_absent(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["train", "sudoku", "--resume"], ["evaluate", "sudoku"]):
        code, _, err = call(capsys, *command, run, "--device", "cuda")
        assert code == 2
        assert "Device cuda is not there: PyTorch finds no CUDA GPU; use cpu" in err


def test_bad_input_for_runs(
    run: Path, tmp_path: Path, boards: boards_of.Boards, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "train", "sudoku", "--resume", run, "--set", "batch=3")
    assert code == 2
    assert "--set cannot be given with --resume" in err
    code, _, err = call(capsys, *TRAIN, "--out", run)
    assert code == 2
    assert "exists already; continue it with --resume" in err
    code, _, err = call(capsys, "evaluate", "sudoku", run, "--vote", "lst", "--quiet")
    assert code == 2
    assert "no vote `lst`; did you mean `last`?" in err
    full = boards_of.Boards(*(np.repeat(part, 81 // 16 + 1, 1)[:, :81] for part in boards))
    with pytest.raises(ValueError, match="`boards` must have 16 squares, but has 81"):
        evaluate(Oracle(boards, []), full)


def test_the_weights_of_another_model_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    changes = [*TRAIN[:-6], "--set", "model.channels=32", *TRAIN[-4:], "--out", other]
    assert call(capsys, *changes, "--steps", 1)[0] == 0
    (other / "weights.safetensors").write_bytes((run / "weights.safetensors").read_bytes())
    code, _, err = call(capsys, "evaluate", "sudoku", other)
    assert code == 2
    assert "is of another model: `embedding.weight` is of shape (5, 16) in the file" in err
    assert "of shape (5, 32) in the model" in err


def test_baselines_have_nothing_to_vote_by(boards: boards_of.Boards) -> None:
    with pytest.raises(ValueError, match="Model Oracle has no energy to vote by"):
        evaluate(Oracle(boards, []), boards, samples=3, vote="sum")
    with pytest.raises(ValueError, match="`vote` must be last, sum, majority, but is None"):
        evaluate(Oracle(boards, []), boards, samples=3)
