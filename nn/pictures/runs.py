"""From folders of training runs to what there is to draw."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from kuramoto._check import invalid
from kuramoto.nn import energies
from kuramoto.nn.data import sudoku as files
from kuramoto.nn.pictures.board import legend
from kuramoto.nn.pictures.learning import read_metrics
from kuramoto.nn.pictures.portrait import Portrait, portray
from kuramoto.nn.tasks.presets import network_of
from kuramoto.nn.tasks.sudoku import restore

if TYPE_CHECKING:
    from kuramoto._backend import Array
    from kuramoto.nn.data.sudoku import Boards
    from kuramoto.nn.training import Run


@dataclass(frozen=True)
class Source:
    """Which boards a run's network is to answer, and where.

    Parameters
    ----------
    boards
        A file; default: the boards that the run held out.
    data
        Where the run's boards are, if they are needed.
    limit
        At most so many, spread evenly over them.
    device
        ``"cpu"`` or ``"cuda"``.
    """

    boards: Path | None = None
    data: Path | None = None
    limit: int = 100
    device: str = "cpu"

    def read(self, run: Run) -> Boards:
        """Return the boards."""
        found = held_out(run, self.data) if self.boards is None else files.read_boards(self.boards)
        count = len(found.puzzles)
        if self.limit >= count:
            return found
        return found.select(np.linspace(0, count - 1, self.limit).round().astype(int))


def held_out(run: Run, data: Path | None) -> Boards:
    """Return the boards that a run held out, once it is certain that they are.

    Raises
    ------
    FileNotFoundError
        If there are none; the message says how to get some.
    ValueError
        If they are other boards than the run's: it may have been trained on them.
    """
    recipe = restore(run.recipe, data)
    if recipe.about()["boards"] != run.recipe["boards"]:
        place = data or "$KURAMOTO_DATA"
        raise ValueError(f"The boards of {place} are not those of run {run.folder}; pass its own.")
    return recipe.held_out


def portrait_of(
    run: Run, name: str, source: Source = Source(), **asked: Any
) -> tuple[Portrait, list[str]]:
    """Return what there is to draw of a run, and what had to be left out, and why.

    Learning curves are left out where there are none yet, and what the network answers where
    there are no weights yet or, if none were asked for, no boards.

    Parameters
    ----------
    run : kuramoto.nn.training.Run
    name : str
    source : Source
    **asked
        As for `portray`.
    """
    metrics, missing = None, []
    try:
        metrics = read_metrics(run.folder)
    except FileNotFoundError as error:
        missing.append(f"learning curves ({_plain(error)})")
    try:
        model = network_of(run, "sudoku", source.device)
        boards = _boards(run, source)
    except FileNotFoundError as error:
        if source.boards is not None or source.data is not None:
            raise
        missing.append(f"what its network answers ({_plain(error)})")
        return Portrait(name, metrics), missing
    return portray(model, boards, name=name, metrics=metrics, **asked), missing


def _boards(run: Run, source: Source) -> Boards:
    try:
        return source.read(run)
    except FileNotFoundError:
        if source.boards is not None or source.data is not None:
            raise
        words = "no boards: pass --boards FILE, or --data for those that it held out"
        raise FileNotFoundError(words) from None


def _plain(error: Exception) -> str:
    return str(error).removesuffix(".")


def caption_of(portraits: Sequence[Portrait], runs: Sequence[Run], boards: Path | None) -> str:
    """Say which boards were answered, and what the colours mean."""
    answered = [portrait for portrait in portraits if portrait.levels]
    if not answered:
        return ""
    counts = {sum(n for n, _ in next(iter(p.levels.values())).values()) for p in answered}
    kind = "held-out boards" if boards is None else f"boards of {boards.name}"
    words = [f"{' or '.join(map(str, sorted(counts)))} {kind}"]
    if boards is None and len({str(run.recipe["boards"]) for run in runs}) > 1:
        words.append("not the same for all runs")
    recorded = next((p.recording for p in answered if p.recording is not None), None)
    if recorded is not None:
        _, samples, steps = recorded.energies.shape
        words.append(
            f"{samples} samples, {steps} Kuramoto steps" if samples > 1 else f"{steps} steps"
        )
    words += [f"board: {legend(True)}"] if len(portraits) == 1 and recorded is not None else []
    return "; ".join(words)


def board_of(run: Run, text: str | None = None, data: Path | None = None) -> Array:
    """Return a puzzle (side, side) for a run's network: one given as text, or a held-out one.

    Raises
    ------
    FileNotFoundError
        If there is neither.
    ValueError
        If the board is ill-formed, or of another size than the run's.
    """
    side = int(run.recipe["model"].get("side", 9))
    if text is not None:
        puzzle = files.parse_board(text)
        if puzzle.size != side**2:
            must = f"have {side**2} squares, as those of the run"
            raise invalid("board", must, f"has {puzzle.size}")
    elif data or os.environ.get("KURAMOTO_DATA") or run.recipe["options"].get("generate"):
        puzzle = held_out(run, data).puzzles[0]
    else:
        raise FileNotFoundError("No board to solve: pass --board, or --data for a held-out one.")
    return np.asarray(puzzle.reshape(side, side))


class Solved(NamedTuple):
    """A board that a network has worked on.

    Attributes
    ----------
    solving : Solving
        Of the sample with the lowest sum of energies.
    solution : array of uint8, shape (side, side)
    energies : array of float32, shape (K, T)
        Of all samples.
    words : str
        How it ends.
    """

    solving: energies.Solving
    solution: Array
    energies: Array
    words: str


def solve_board(
    model: Any, puzzle: Array, *, steps: int | None = None, samples: int = 1, seed: int = 0
) -> Solved:
    """Have a network work on a board, and return the sample that a vote elects on its way.

    Parameters
    ----------
    model
        An oscillator network in evaluation mode.
    puzzle : array of uint8, shape (side, side)
    steps
        Kuramoto steps; default: four times as many as in training.
    samples, seed
        As for `kuramoto.nn.energies.record`.

    Raises
    ------
    ValueError
        If the board has no solution or several, or the model no energy.
    """
    from kuramoto.nn.tasks.sudoku_evaluation import device_of

    energies.require_energy(model)
    solution = files.solve(puzzle)
    steps = steps or 4 * int(model.config.steps)
    digits, wanted = (
        torch.from_numpy(part).long().to(device_of(model)) for part in (puzzle, solution)
    )
    how = {"steps": steps, "seed": seed}
    kept = energies.record(model, digits[None], wanted[None], samples=samples, looks=[steps], **how)
    solving = energies.watch(model, digits, sample=int(kept.elected("sum")[0]), **how)
    wrong = int((solving.answers[-1] != solution).sum())
    end = f"{wrong} square{'s' * (wrong != 1)} wrong" if wrong else "solved"
    words = f"{end} after {steps} steps, {int((puzzle > 0).sum())} givens"
    return Solved(solving, solution, kept.energies[0], words)
