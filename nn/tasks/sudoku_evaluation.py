"""How many boards come out right: in all, by the number of givens, and by every vote at once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kuramoto._check import invalid, whole_number
from kuramoto._outputs import require_free
from kuramoto.nn import voting
from kuramoto.nn.samples import Samples, answer_steps, batch_size
from kuramoto.nn.seeds import derived_seed
from kuramoto.nn.tasks.partial import Partial, partial_name
from kuramoto.nn.tasks.sudoku_report import Report
from kuramoto.nn.training.files import write_whole

if TYPE_CHECKING:
    from kuramoto._backend import Array
    from kuramoto.nn.data.sudoku import Boards
    from kuramoto.nn.training import Run

__all__ = ["Report", "evaluate", "evaluate_run"]

SINGLE = "single"


def evaluate(
    model: Any,
    boards: Boards,
    *,
    steps: int | None = None,
    at: Sequence[int] | None = None,
    samples: int = 1,
    vote: str | None = None,
    batch: int | None = None,
    seed: int = 0,
    settled: voting.Settled | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Report:
    """Score a Sudoku network; it is right where all squares of a board are.

    All votes are counted from the same samples, whichever is asked for: the report has them side
    by side.

    Parameters
    ----------
    model : torch.nn.Module
        `SudokuNet` or a baseline. It is put in evaluation mode while it is scored.
    boards : Boards
        Puzzles and solutions, of the model's side.
    steps
        Steps T, where the model has any; default: the largest of `at`, or as in its configuration.
    at
        Numbers of steps to score after, on the way to T, growing.
    samples, vote, settled
        As for `kuramoto.nn.voting.vote`; one sample needs no vote.
    batch
        Samples computed at once; default: 64, or 1,024 on a GPU.
    seed
        Decides the initial states.
    out
        File to write the report to, as JSON. Until it is there, what is done lies beside it in a
        file of this name and ``.partial``: a call that was cut, however it was, goes on from there
        when it is made again.
    overwrite
        Replace the file, and a partial one of another question.
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
    FileExistsError
        If there is such a report, or a partial one of another question.
    """
    if whole_number("samples", samples, least=1) > 1 and vote is None:
        raise invalid("vote", "be " + ", ".join(voting.WAYS), "None", "or ask for one sample")
    if vote is not None:
        voting.require_way(vote)
    _require_boards(model, boards)
    file = None if out is None else Path(out)
    if file is not None:
        require_free(file, overwrite)
    counted = _Counted(model, boards, steps, at, samples, vote, seed, settled)
    partial = None
    if file is not None:
        partial = Partial(partial_name(file), counted.question, overwrite=overwrite)
    training = model.training
    model.eval()
    try:
        counted.go_on(partial, batch, progress)
    finally:
        model.train(training)
    report = counted.report()
    if file is not None and partial is not None:
        write_whole(file, report.to_json().encode(), overwrite=overwrite)
        partial.remove()
    return report


def _require_boards(model: Any, boards: Boards) -> None:
    side = int(model.config.side)
    if boards.puzzles.shape[1] != side**2:
        raise invalid("boards", f"have {side**2} squares", f"has {boards.puzzles.shape[1]}")
    if not len(boards.puzzles):
        raise invalid("boards", "hold at least one board", "holds none")


class _Counted:
    """What is asked, and what has been counted so far: right samples and squares of each board."""

    def __init__(
        self,
        model: Any,
        boards: Boards,
        steps: int | None,
        at: Sequence[int] | None,
        samples: int,
        vote: str | None,
        seed: int,
        settled: voting.Settled | None,
    ) -> None:
        self.model, self.boards, self.samples = model, boards, samples
        self.seed = whole_number("seed", seed)
        self.votes, self.settled = hasattr(model, "predict"), settled
        if not self.votes:
            _require_single(model, samples, vote, at)
        self.steps, self.vote = steps, vote
        self.at = answer_steps(model, steps, at)
        self.ways = (SINGLE, *voting.WAYS) if self.votes else (SINGLE,)
        self.records: list[dict[str, Any]] = []
        self.done = self.right = 0

    @property
    def question(self) -> dict[str, Any]:
        """All that the counts follow from; the vote is none of it, because all are counted."""
        settled = None if self.settled is None else asdict(self.settled)
        return {
            "model": repr(self.model.config),
            "weights": _digest(*_bytes_of(self.model)),
            "boards": _digest(*(part.tobytes() for part in self.boards)),
            "steps": list(self.at),
            "samples": self.samples,
            "seed": self.seed,
            "settled": settled,
            "ways": list(self.ways),
        }

    def go_on(self, partial: Partial | None, batch: int | None, progress: bool) -> None:
        """Count the boards that are left."""
        from tqdm import tqdm

        for record in partial.records if partial else ():
            if record["first"] == self.done:  # another process may have counted a part twice
                self._take(record)
        n, began = len(self.boards.puzzles), time.perf_counter()
        with tqdm(total=n, initial=self.done, unit="board", disable=not progress) as bar:
            for found in self._samples(self.done, batch):
                record = self._count(found, self.done)
                began, record["seconds"] = time.perf_counter(), time.perf_counter() - began
                if partial is not None:
                    partial.add(record)
                self._take(record)
                bar.update(record["boards"])
                bar.set_postfix({"right": f"{100 * self.right / self.done:.1f} %"}, refresh=False)

    def _take(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        self.done += record["boards"]
        self.right += sum(row[-1] for row in record["right"][self.vote or SINGLE])

    def _samples(self, first: int, batch: int | None) -> Iterator[Samples]:
        if first >= len(self.boards.puzzles):
            return iter(())
        digits = grids(self.boards.puzzles[first:], device_of(self.model))
        found: Iterator[Samples]
        if self.votes:
            asked = {"at": self.at, "samples": self.samples, "seed": self.seed, "batch": batch}
            found = voting.survey(self.model, digits, settled=self.settled, **asked)
        else:
            found = _answers(self.model, digits, self.steps, batch, self.seed, first)
        return found

    def _count(self, found: Samples, first: int) -> dict[str, Any]:
        """Return the record of some boards: whole numbers, (n, S) for each way."""
        rows = slice(first, first + len(found.steps))
        solutions = grids(self.boards.solutions[rows], "cpu")[:, None]
        same = (found.answers == solutions[:, :, None]).flatten(3)
        record: dict[str, Any] = {
            "first": first,
            "boards": len(same),
            "steps": found.steps.tolist(),
        }
        record["right"] = {SINGLE: same.all(3).sum(2).tolist()}
        record["squares"] = {SINGLE: same.sum((2, 3)).tolist()}
        for way in self.ways[1:]:
            same = (voting.elect(found, way) == solutions).flatten(2)
            record["right"][way] = same.all(2).int().tolist()
            record["squares"][way] = same.sum(2).tolist()
        return record

    def _joined(self, what: str, way: str) -> Array:
        """Return a count of all boards, (n, S), each as a fraction of its samples."""
        counts = np.concatenate([np.asarray(record[what][way]) for record in self.records])
        return counts / (self.samples if way == SINGLE else 1)

    def report(self) -> Report:
        """Return the report."""
        right = {way: self._joined("right", way) for way in self.ways}
        chosen = self.vote or SINGLE
        best, givens = right[chosen][:, -1] == 1, self.boards.givens
        taken = np.concatenate([record["steps"] for record in self.records])
        squares = self._joined("squares", chosen)[:, -1] / self.boards.puzzles.shape[1]
        return Report(
            boards=len(best),
            right=int(best.sum()),
            squares=float(squares.mean()),
            levels={
                int(level): (int((givens == level).sum()), int(best[givens == level].sum()))
                for level in np.unique(givens)
            },
            table=tuple(_table(self.at, givens, right)),
            settings={
                "steps": self.at[-1],
                "samples": self.samples,
                "vote": self.vote,
                "seed": self.seed,
                "stop_settled": self.settled is not None,
            },
            stopped=int((taken < self.at[-1]).sum()),
            steps=float(taken.mean()),
            seconds=sum(record["seconds"] for record in self.records),
        )


def _table(at: Sequence[int], givens: Array, right: dict[str, Array]) -> Iterator[dict[str, Any]]:
    for column, steps in enumerate(at):
        for level in (None, *np.unique(givens).tolist()):
            rows = np.ones(len(givens), dtype=bool) if level is None else givens == level
            row = {"steps": steps, "givens": level, "boards": int(rows.sum())}
            yield row | {way: float(found[rows, column].mean()) for way, found in right.items()}


def _require_single(model: Any, samples: int, vote: str | None, at: Any) -> None:
    name = type(model).__name__
    if samples > 1 or vote is not None:
        raise ValueError(f"Model {name} has no energy to vote by; evaluate it without a vote.")
    if at is not None:
        raise invalid("at", f"be left out for {name}", f"{list(at)}", "it answers at the end only")


@torch.no_grad()
def _answers(
    model: Any, digits: Any, steps: int | None, batch: int | None, seed: int, start: int
) -> Iterator[Samples]:
    """Yield the answers of a model that has no energy, as those of one sample."""
    size = batch_size(batch, digits)
    for first in range(0, len(digits), size):
        part = digits[first : first + size]
        generator = torch.Generator(digits.device).manual_seed(derived_seed(seed, start + first))
        said = (model(part, steps=steps, generator=generator).argmax(-1) + 1).to(torch.uint8).cpu()
        taken = torch.full((len(part),), steps or getattr(model.config, "steps", 1))
        nothing = torch.zeros(len(part), 1, 1)
        yield Samples(said[:, None, None], nothing, nothing, nothing, taken)


def _bytes_of(model: Any) -> Iterator[bytes]:
    for name, tensor in model.state_dict().items():
        plain = tensor.detach().cpu().contiguous()
        yield f"{name} {plain.dtype} {tuple(plain.shape)}".encode()
        yield plain.flatten().view(torch.uint8).numpy().tobytes()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def evaluate_run(
    run: Run,
    *,
    boards: Path | None = None,
    data: Path | None = None,
    limit: int | None = None,
    device: str = "cpu",
    stop_settled: bool = False,
    **how: Any,
) -> Report:
    """Score a run's averaged weights.

    Parameters
    ----------
    run
        The run.
    boards
        File of boards, each with one solution; default: those that the run held out.
    data
        Where the run's boards are, if they are needed.
    limit
        At most so many boards, spread evenly over them.
    device
        ``"cpu"`` or ``"cuda"``.
    stop_settled
        Stop boards that have settled.
    **how
        As for `evaluate`.
    """
    from kuramoto.nn.tasks.presets import network_of
    from kuramoto.nn.tasks.sudoku import restore

    model = network_of(run, "sudoku", device)
    found = restore(run.recipe, data).held_out if boards is None else _read(boards)
    n = len(found.puzzles)
    if limit is not None and whole_number("limit", limit, least=1) < n:
        found = found.select(np.linspace(0, n - 1, limit).round().astype(int))
    settled = voting.Settled() if stop_settled else None
    return evaluate(model, found, settled=settled, **how)


def _read(path: Path) -> Boards:
    """Read boards to be judged by: an answer can be wrong only where it is the one."""
    from kuramoto.nn.data import sudoku

    boards = sudoku.read_boards(path)
    sudoku.solve(boards.puzzles)
    return boards


def device_of(model: Any) -> Any:
    """Return the device that a model's parameters are on."""
    return next(model.parameters()).device


def grids(boards: Array, device: Any) -> Any:
    """Return boards (n, side·side) as an int64 tensor (n, side, side)."""
    side = round(boards.shape[1] ** 0.5)
    return torch.from_numpy(boards).to(device).long().unflatten(1, (side, side))
