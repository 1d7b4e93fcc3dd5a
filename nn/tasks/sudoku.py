"""Sudoku: cross-entropy over all squares of real boards, and how many boards come out right.

The settings of the paper (Miyato et al. 2025, section 4.2 and appendix C.2) and others are
``PRESETS``. The boards for training are `kuramoto.nn.data.sudoku.training_split` of real ones:
"SAT-Net-like", with 31-42 givens as SAT-Net's; they are not SAT-Net's own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kuramoto._check import invalid, whole_number
from kuramoto.nn import models
from kuramoto.nn.seeds import derived_seed, epoch_order
from kuramoto.nn.tasks.presets import Preset, changed_model, chosen, full, require_task, wishes
from kuramoto.nn.training import Settings, changed

if TYPE_CHECKING:
    from kuramoto._backend import Array
    from kuramoto.nn.data.sudoku import Boards
    from kuramoto.nn.training import Run

__all__ = ["PRESETS", "Options", "Preset", "Sudoku", "evaluate_run", "prepare", "restore"]

AUGMENTATIONS = ("none", "digits", "all")


@dataclass(frozen=True)
class Options:
    """What belongs to the task rather than to model or training.

    Parameters
    ----------
    augment
        ``"none"``, ``"digits"``: digits are renamed at random, or ``"all"``: rows, columns and
        boxes change places too.
    train_boards
        How many boards to train on; 0: all that are left when 1,000 are held out.
    data_seed
        Decides which boards are held out, and which of their blanks are filled.
    validation_boards
        Held-out boards that are scored during training.
    generate
        Make so many 4×4 boards with 5 to 10 givens instead of reading any; 0: read.
    vary_steps
        Train with T − v ... T + v steps, a number drawn for every batch. A network that always
        takes T steps learns to be right after T steps, but not after T + 1 or 2T.
    """

    augment: str = "none"
    train_boards: int = 0
    data_seed: int = 0
    validation_boards: int = 200
    generate: int = 0
    vary_steps: int = 0

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        if self.augment not in AUGMENTATIONS:
            raise invalid("augment", "be one of " + ", ".join(AUGMENTATIONS), repr(self.augment))
        whole_number("validation_boards", self.validation_boards, least=1)
        for name in ("train_boards", "data_seed", "generate", "vary_steps"):
            whole_number(name, getattr(self, name))


PRESETS: dict[str, Preset] = {
    # 4x4 boards in seconds: to see everything work.
    "toy": Preset(
        {"name": "akorn", "side": 4, "channels": 32, "heads": 2, "steps": 4},
        Settings(
            steps=300,
            batch=50,
            learning_rate=3e-3,
            ema_every=1,
            validate_every=100,
            checkpoint_every=100,
        ),
        Options(augment="digits", validation_boards=100, generate=1000),
    ),
    # Half an hour on one core. The rate matters most: 8e-3 in batches of 50 learns several times as
    # fast as 2e-3 in batches of 100. Varied steps make answers that last (docs/networks.rst).
    "cpu": Preset(
        {"name": "akorn", "channels": 64, "heads": 4, "steps": 16},
        Settings(
            steps=4000,
            batch=50,
            learning_rate=8e-3,
            warmup=100,
            schedule="cosine",
            ema_every=1,
            validate_every=500,
        ),
        Options(augment="digits", vary_steps=8),
    ),
    # The paper's: 9,000 boards in batches of 100, 100 epochs, Adam at 5e-4.
    "paper": Preset(
        {"name": "akorn", "channels": 512, "heads": 8, "steps": 16},
        Settings(steps=9000, learning_rate=5e-4, validate_every=900),
        Options(train_boards=9000, validation_boards=1000),
    ),
    # The defaults of the authors' published program, which differ from the paper's in the rate.
    "reference": Preset(
        {"name": "akorn", "channels": 512, "heads": 8, "steps": 16},
        Settings(steps=9000, learning_rate=1e-3, validate_every=900),
        Options(train_boards=9000, validation_boards=1000),
    ),
}


class Sudoku:
    """The recipe: real boards, cross-entropy over all squares, board accuracy.

    Parameters
    ----------
    config : mapping
        ``name`` of a model and its values, for `kuramoto.nn.models.build`.
    boards, held_out : Boards
        To train on, and to score.
    options : Options
        The rest.
    """

    scores = ("held_out_loss", "square_accuracy", "board_accuracy")

    def __init__(
        self,
        config: Mapping[str, Any],
        boards: Boards,
        held_out: Boards,
        options: Options = Options(),
    ) -> None:
        self.options = options
        self.config = full("sudoku", config)
        self.boards, self.held_out = boards, held_out
        usual = self.config.get("steps", options.vary_steps + 1)
        if options.vary_steps >= usual:
            raise invalid("vary_steps", f"be less than the {usual} steps", f"{options.vary_steps}")
        self.side = round(boards.puzzles.shape[1] ** 0.5)
        if self.config["side"] != self.side:
            found = f"{self.config['side']}"
            raise invalid("model.side", f"be {self.side}, as that of the boards", found)

    def about(self) -> dict[str, Any]:
        """Return what makes this recipe again; the boards by their number and fingerprint."""
        trained, held = self.boards, self.held_out
        digest = hashlib.sha256(b"".join(part.tobytes() for part in (*trained, *held))).hexdigest()
        return {
            "task": "sudoku",
            "model": self.config,
            "options": dataclasses.asdict(self.options),
            "boards": {"train": len(trained[0]), "held_out": len(held[0]), "sha256": digest[:16]},
        }

    def model(self) -> Any:
        """Return a new model."""
        return models.build("sudoku", **self.config)

    def batch(self, step: int, size: int, seed: int) -> tuple[Array, Array]:
        """Return puzzles and solutions (size, side, side) of a step: epochs, each in its order."""
        from kuramoto.nn.data.sudoku import augment

        steps = len(self.boards.puzzles) // size
        if not steps:
            found = f"{size}, of {len(self.boards.puzzles)} boards"
            raise invalid("batch", "be at most the number of boards", found)
        rows = epoch_order(len(self.boards.puzzles), seed, step // steps)
        boards = self.boards.select(rows[step % steps * size :][:size])
        how = self.options.augment
        if how != "none":
            random = np.random.default_rng(derived_seed(seed, "augment", step))
            boards = augment(boards, random, cells=how == "all")
        shape = (size, self.side, self.side)
        return boards.puzzles.reshape(shape), boards.solutions.reshape(shape)

    def loss(self, model: Any, batch: tuple[Any, ...]) -> Any:
        """Return the mean cross-entropy over all squares, given ones too."""
        from torch.nn.functional import cross_entropy

        puzzles, solutions = batch
        logits = model(puzzles.long(), steps=self._steps())
        return cross_entropy(logits.flatten(0, -2), solutions.long().flatten() - 1)

    def _steps(self) -> int | None:
        """Draw how many steps to take, by the generator that is seeded for every batch."""
        import torch

        usual, spread = self.config.get("steps"), self.options.vary_steps
        if usual is None or not spread:
            return None
        return int(torch.randint(usual - spread, usual + spread + 1, ()))

    def validate(self, model: Any) -> dict[str, float]:
        """Score held-out boards: loss, right squares, right boards."""
        import torch

        from kuramoto.nn.tasks.sudoku_evaluation import device_of, grids

        boards = self.held_out.select(slice(self.options.validation_boards))
        device, loss = device_of(model), 0.0
        squares, right, n = 0, 0, len(boards.puzzles)
        for first in range(0, n, 100):
            puzzles, solutions = (grids(part[first : first + 100], device) for part in boards)
            generator = torch.Generator(device).manual_seed(derived_seed(0, "validate", first))
            logits = model(puzzles, generator=generator).float()
            same = logits.argmax(-1) + 1 == solutions
            squares, right = squares + int(same.sum()), right + int(same.flatten(1).all(1).sum())
            flat = torch.nn.functional.cross_entropy(
                logits.flatten(0, -2), solutions.flatten() - 1, reduction="sum"
            )
            loss += float(flat.detach())
        cells = n * self.side**2
        return dict(zip(self.scores, (loss / cells, squares / cells, right / n), strict=True))


def load(data: Path | None, options: Options) -> tuple[Boards, Boards]:
    """Return boards to train on, and held-out ones.

    Parameters
    ----------
    data
        A folder or file as for `kuramoto.nn.data.sudoku.training_split`, or a file of boards that
        are not 9×9: of those the last tenth is held out. None: the folder ``$KURAMOTO_DATA``.
    options
        How many, and which.

    Raises
    ------
    FileNotFoundError
        If there are none; the message says how to get some.
    """
    from kuramoto.nn.data import sudoku

    if options.generate:
        boards = sudoku.generate(options.generate, (5, 10), box=(2, 2), seed=options.data_seed)
        return _split(boards, options)
    place = data or os.environ.get("KURAMOTO_DATA")
    if place is None:
        raise FileNotFoundError(
            "No boards to train on: pass --data, a folder with sudoku/kaggle_20k.npz or a file of "
            "boards, or set KURAMOTO_DATA; --preset toy needs none."
        )
    file = Path(place)
    if file.is_file() and (boards := sudoku.read_boards(file)).puzzles.shape[1] != 81:
        return _split(boards, options)
    number = options.train_boards or None
    return sudoku.training_split(file, options.data_seed, train=number)


def _split(boards: Boards, options: Options) -> tuple[Boards, Boards]:
    """Hold the last tenth out, 1,000 at most."""
    held = min(max(len(boards.puzzles) // 10, 1), 1000)
    left = len(boards.puzzles) - held
    rest = boards.select(slice(min(options.train_boards or left, left)))
    return rest, boards.select(slice(-held, None))


def prepare(
    preset: str, data: Path | None, changes: Mapping[str, str] | None = None
) -> tuple[Sudoku, Settings]:
    """Return recipe and settings of a preset.

    Parameters
    ----------
    preset
        A name in ``PRESETS``.
    data
        Where the boards are, as for `kuramoto.nn.tasks.sudoku.load`.
    changes
        Settings to change, as text: of training, of `Options`, or ``model.KEY``.

    Raises
    ------
    ValueError
        If there is no such preset or setting.
    """
    start, wished = chosen(PRESETS, preset), wishes(changes, Options)
    model = changed_model("sudoku", start.model, wished.model)
    options, settings = changed(start.options, wished.options), start.training
    settings = settings.with_changes(wished.training)
    boards, held_out = load(data, options)
    return Sudoku(model, boards, held_out, options), settings


def restore(about: Mapping[str, Any], data: Path | None) -> Sudoku:
    """Return the recipe of a run, from what `Sudoku.about` said."""
    require_task(about, "sudoku")
    options = Options(**about["options"])
    return Sudoku(about["model"], *load(data, options), options)


def evaluate_run(run: Run, **how: Any) -> Any:
    """Score a run's averaged weights: see `kuramoto.nn.tasks.sudoku_evaluation.evaluate_run`."""
    from kuramoto.nn.tasks import sudoku_evaluation

    return sudoku_evaluation.evaluate_run(run, **how)
