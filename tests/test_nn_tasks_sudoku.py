"""The Sudoku recipe: its data, loss and scores, its presets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

from kuramoto.nn import (  # noqa: E402
    models,
    tasks,
    training,
)
from kuramoto.nn.data import sudoku as boards_of  # noqa: E402
from kuramoto.nn.tasks import sudoku  # noqa: E402
from kuramoto.nn.tasks.sudoku_evaluation import evaluate, grids  # noqa: E402
from kuramoto.nn.voting import WAYS, Settled, vote  # noqa: E402

TINY = {"name": "akorn", "side": 4, "channels": 16, "heads": 2, "steps": 3}


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


def test_the_recipe_and_the_loader_show_boards_in_one_order(boards: boards_of.Boards) -> None:
    made = recipe(boards)
    shown = np.concatenate([made.batch(5 + i, 10, 7)[0] for i in range(5)])
    loader = boards_of.loader(made.boards, 50, seed=7)
    loader.sampler.set_epoch(1)
    ((digits, _),) = loader
    assert np.array_equal(digits.numpy(), shown)


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


def test_the_report_has_all_votes_side_by_side(boards: boards_of.Boards) -> None:
    """Each is what it would be alone, and the mean over samples what they are one by one."""
    torch.manual_seed(0)
    # Steps so small that samples stay as different as they begin.
    model, some = (
        models.build("sudoku", **{**TINY, "step_size": 0.1}).double(),
        boards.select(slice(8)),
    )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(False)
        if name.endswith("bias"):  # they alone would decide what an untrained network says
            parameter.zero_()
    # Its own answers to be judged by: those of one sample, with a vote they are right in part.
    own = vote(model, grids(some.puzzles, "cpu"), samples=3, keep_samples=True).samples[:, 1]
    some = some._replace(solutions=own.flatten(1).numpy())
    asked = {"samples": 3, "batch": 6}
    report = evaluate(model, some, vote="sum", steps=3, at=[2], **asked)
    rows = {(row["steps"], row["givens"]): row for row in report.table}
    assert [key for key in rows if key[1] is None] == [(2, None), (3, None)]
    for how in WAYS:
        alone = evaluate(model, some, vote=how, **asked)
        assert alone.accuracy == rows[3, None][how]
        for givens, (n, right) in alone.levels.items():
            assert rows[3, givens]["boards"] == n
            assert rows[3, givens][how] == right / n
        assert evaluate(model, some, vote=how, steps=2, **asked).accuracy == rows[2, None][how]
    assert 1 / 3 <= rows[3, None]["single"] < 1
    assert len(set(report.table[3].values())) > 2


# --- presets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sudoku.PRESETS)
def test_presets_make_models(name: str) -> None:
    with torch.device("meta"):
        model = models.build("sudoku", **sudoku.PRESETS[name].model)
    assert model.config.channels % model.config.dimensions == 0


def test_the_papers_settings() -> None:
    paper, reference = sudoku.PRESETS["paper"], sudoku.PRESETS["reference"]
    with torch.device("meta"):
        config = models.build("sudoku", **paper.model).config
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
    out = tmp_path / "report.json"
    report = tasks.task("sudoku").evaluate_run(training.Run(tmp_path / "run"), out=out)
    assert report.boards == 4
    assert out.read_text() == report.to_json()


def test_baselines_have_nothing_to_vote_by(boards: boards_of.Boards) -> None:
    with pytest.raises(ValueError, match="Model Oracle has no energy to vote by"):
        evaluate(Oracle(boards, []), boards, samples=3, vote="sum")
    with pytest.raises(ValueError, match=r"`at` must be left out for Oracle, but is .*at the end"):
        evaluate(Oracle(boards, []), boards, at=[1, 3])
    with pytest.raises(
        ValueError, match="`vote` must be last, sum, majority, confidence, but is None"
    ):
        evaluate(Oracle(boards, []), boards, samples=3)


def test_boards_of_another_size(boards: boards_of.Boards) -> None:
    full = boards_of.Boards(*(np.repeat(part, 81 // 16 + 1, 1)[:, :81] for part in boards))
    with pytest.raises(ValueError, match="`boards` must have 16 squares, but has 81"):
        evaluate(Oracle(boards, []), full)
    with pytest.raises(ValueError, match="`boards` must hold at least one board, but holds none"):
        evaluate(Oracle(boards, []), boards.select(slice(0)))


class Counting(torch.nn.Module):
    """Notes how many steps it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.asked = torch.nn.Parameter(torch.zeros(4, 4, 4)), []

    def forward(self, digits: Any, *, steps: Any = None, generator: Any = None) -> Any:
        self.asked.append(steps)
        return self.weight.expand(len(digits), 4, 4, 4)


def test_steps_vary_by_batch_and_follow_from_the_seed(boards: boards_of.Boards) -> None:
    asked = []
    for seed in (0, 0, 1):
        one, model = recipe(boards, vary_steps=2), Counting()
        batch = tuple(map(torch.from_numpy, one.batch(0, 10, 0)))
        torch.manual_seed(seed)
        for _ in range(60):
            one.loss(model, batch)
        asked.append(model.asked)
    assert set(asked[0]) == {1, 2, 3, 4, 5}
    assert asked[0] == asked[1] != asked[2]


def test_steps_vary_only_if_asked(boards: boards_of.Boards) -> None:
    model = Counting()
    batch = tuple(map(torch.from_numpy, recipe(boards).batch(0, 10, 0)))
    recipe(boards).loss(model, batch)
    assert model.asked == [None]
    with pytest.raises(ValueError, match="`vary_steps` must be less than the 3 steps, but is 3"):
        recipe(boards, vary_steps=3)


def test_a_preset_of_another_model_is_that_model():
    recipe, _ = sudoku.prepare("toy", None, {"model.name": "symmetric"})
    assert recipe.config["symmetric"]
    assert models.name_of(recipe.model()) == ("sudoku", "symmetric")
    recipe, _ = sudoku.prepare("toy", None, {"model.name": "transformer", "model.blocks": "3"})
    assert models.name_of(recipe.model()) == ("sudoku", "transformer")
    assert (recipe.config["channels"], recipe.config["blocks"]) == (32, 3)
