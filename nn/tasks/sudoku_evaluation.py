"""How many boards come out right: in all, and by the number of givens."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kuramoto._check import invalid, whole_number
from kuramoto.nn import voting
from kuramoto.nn.seeds import derived_seed

if TYPE_CHECKING:
    from kuramoto._backend import Array
    from kuramoto.nn.data.sudoku import Boards
    from kuramoto.nn.training import Run

__all__ = ["Report", "evaluate", "evaluate_run"]


@dataclass(frozen=True)
class Report:
    """Scores of a network on boards.

    Attributes
    ----------
    boards, right
        How many boards there were, and how many came out right in all squares.
    squares
        Fraction of squares that came out right, given ones too.
    levels
        ``{givens: (boards, right)}``, fewest givens first.
    settings
        What was asked: steps, samples, vote, seed, whether settled boards were stopped.
    stopped
        Boards that were stopped because they had settled.
    steps
        Mean number of steps of a board.
    seconds
        Wall time.
    """

    boards: int
    right: int
    squares: float
    levels: dict[int, tuple[int, int]]
    settings: dict[str, Any]
    stopped: int
    steps: float
    seconds: float

    @property
    def accuracy(self) -> float:
        """Fraction of boards that came out right."""
        return self.right / self.boards

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps({"accuracy": self.accuracy, **asdict(self)}, indent=2) + "\n"

    def __str__(self) -> str:
        """Return a table."""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        lines = [
            f"boards right  {100 * self.accuracy:6.2f} %  ({self.right} of {self.boards})",
            f"squares right {100 * self.squares:6.2f} %",
            *(
                f"  {givens:2d} givens   {100 * right / boards:6.2f} %  ({right} of {boards})"
                for givens, (boards, right) in self.levels.items()
            ),
            f"{settings}; {self.seconds:.1f} s",
        ]
        if self.settings["stop_settled"]:
            words = (
                f"{self.stopped} boards settled and were stopped; {self.steps:.1f} steps a board"
            )
            lines.append(words)
        return "\n".join(lines)


def evaluate(
    model: Any,
    boards: Boards,
    *,
    steps: int | None = None,
    samples: int = 1,
    vote: str | None = None,
    batch: int | None = None,
    seed: int = 0,
    settled: voting.Settled | None = None,
    progress: bool = False,
) -> Report:
    """Score a Sudoku network; it is right where all squares of a board are.

    Parameters
    ----------
    model : torch.nn.Module
        `SudokuNet` or a baseline. It is put in evaluation mode while it is scored.
    boards : Boards
        Puzzles and solutions, of the model's side.
    steps
        Steps T, where the model has any; default: as in its configuration.
    samples, vote, settled
        As for `kuramoto.nn.voting.vote`; one sample needs no vote.
    batch
        Samples computed at once; default: 64, or 1,024 on a GPU.
    seed
        Decides the initial states.
    progress
        Show a bar.

    Returns
    -------
    Report
        The same for the same seed, whatever `batch`, but for rounding.

    Raises
    ------
    ValueError
        If several samples are asked for and no vote, or the boards are of another size.
    """
    if whole_number("samples", samples, least=1) > 1 and vote is None:
        raise invalid("vote", "be " + ", ".join(voting.WAYS), "None", "or ask for one sample")
    side = int(model.config.side)
    if boards.puzzles.shape[1] != side**2:
        raise invalid("boards", f"have {side**2} squares", f"has {boards.puzzles.shape[1]}")
    device, training, began = device_of(model), model.training, time.perf_counter()
    how = {"steps": steps, "samples": samples, "how": vote or "last", "seed": seed, "batch": batch}
    model.eval()
    try:
        digits = grids(boards.puzzles, device)
        if hasattr(model, "predict"):
            parts = voting.stream(model, digits, settled=settled, **how)
        else:
            parts = _answers(model, digits, steps, samples, vote, batch, seed)
        right, squares, taken = _score(parts, boards, progress)
    finally:
        model.train(training)
    asked = steps or getattr(model.config, "steps", 1)
    return Report(
        boards=len(right),
        right=int(right.sum()),
        squares=float(squares.mean()),
        levels=_levels(boards.givens, right),
        settings={
            "steps": asked,
            "samples": samples,
            "vote": vote,
            "seed": seed,
            "stop_settled": settled is not None,
        },
        stopped=int((taken < asked).sum()),
        steps=float(taken.mean()),
        seconds=time.perf_counter() - began,
    )


@torch.no_grad()
def _answers(
    model: Any,
    digits: Any,
    steps: int | None,
    samples: int,
    vote: str | None,
    batch: int | None,
    seed: int,
) -> Any:
    """Yield the answers of a model that has no energy, as verdicts."""
    if samples > 1 or vote is not None:
        name = type(model).__name__
        raise ValueError(f"Model {name} has no energy to vote by; evaluate it without a vote.")
    size = whole_number("batch", batch or (1024 if digits.is_cuda else 64), least=1)
    for first in range(0, len(digits), size):
        part = digits[first : first + size]
        generator = torch.Generator(digits.device).manual_seed(derived_seed(seed, first))
        said = (model(part, steps=steps, generator=generator).argmax(-1) + 1).to(torch.uint8).cpu()
        taken = torch.full((len(part),), steps or getattr(model.config, "steps", 1))
        yield voting.Verdict(said, torch.zeros(len(part), 1), taken, None)


def _score(parts: Any, boards: Boards, progress: bool) -> tuple[Array, Array, Array]:
    """Return which boards are right, the fraction of right squares, and the steps taken."""
    from tqdm import tqdm

    n = len(boards.puzzles)
    right, squares, steps = np.zeros(n, dtype=bool), np.zeros(n), np.zeros(n)
    done = 0
    with tqdm(total=n, unit="board", disable=not progress) as bar:
        for part in parts:
            rows = slice(done, done + len(part.prediction))
            same = part.prediction.flatten(1).numpy() == boards.solutions[rows]
            right[rows], squares[rows] = same.all(1), same.mean(1)
            steps[rows] = part.steps.numpy()
            done = rows.stop
            bar.update(len(same))
            bar.set_postfix({"right": f"{100 * right[:done].mean():.1f} %"}, refresh=False)
    return right, squares, steps


def _levels(givens: Array, right: Array) -> dict[int, tuple[int, int]]:
    return {
        int(level): (int((givens == level).sum()), int(right[givens == level].sum()))
        for level in np.unique(givens)
    }


def evaluate_run(
    run: Run,
    *,
    boards: Path | None = None,
    data: Path | None = None,
    limit: int | None = None,
    device: str = "cpu",
    progress: bool = False,
    vote: str | None = None,
    samples: int = 1,
    stop_settled: bool = False,
    **how: Any,
) -> Report:
    """Score a run's averaged weights.

    Parameters
    ----------
    run
        The run.
    boards
        File of boards; default: those that the run held out.
    data
        Where the run's boards are, if they are needed.
    limit
        At most so many boards, spread evenly over them.
    device
        ``"cpu"`` or ``"cuda"``.
    progress, vote, samples, **how
        As for `evaluate`.
    stop_settled
        Stop boards that have settled.
    """
    from kuramoto.nn.data import sudoku as files
    from kuramoto.nn.tasks.sudoku import build, restore
    from kuramoto.nn.training.run import accelerator

    accelerator(device)
    if run.recipe.get("task") != "sudoku":
        raise ValueError(f"Run {run.folder} is of the task {run.recipe.get('task')}, not sudoku.")
    model = run.load(build(run.recipe["model"])).to(device)
    found = restore(run.recipe, data).held_out if boards is None else files.read_boards(boards)
    n = len(found.puzzles)
    if limit is not None and whole_number("limit", limit, least=1) < n:
        found = found.select(np.linspace(0, n - 1, limit).round().astype(int))
    settled = voting.Settled() if stop_settled else None
    return evaluate(
        model, found, vote=vote, samples=samples, settled=settled, progress=progress, **how
    )


def device_of(model: Any) -> Any:
    """Return the device that a model's parameters are on."""
    return next(model.parameters()).device


def grids(boards: Array, device: Any) -> Any:
    """Return boards (n, side·side) as an int64 tensor (n, side, side)."""
    side = round(boards.shape[1] ** 0.5)
    return torch.from_numpy(boards).to(device).long().unflatten(1, (side, side))
