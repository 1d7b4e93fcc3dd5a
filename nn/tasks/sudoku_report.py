"""The report of an evaluation on boards: its numbers, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Scores of a network on boards.

    Attributes
    ----------
    boards, right
        How many boards there were, and how many came out right in all squares, by the vote asked.
    squares
        Fraction of squares that came out right, given ones too.
    levels
        ``{givens: (boards, right)}``, fewest givens first.
    table
        Every vote from the same samples: a row for each number of steps and of givens (None: all),
        with the fraction of boards that each way got right. ``"single"`` is the mean over samples.
    settings
        What was asked: steps, samples, vote, seed, whether settled boards were stopped.
    stopped
        Boards that were stopped because they had settled.
    steps
        Mean number of steps of a board.
    seconds
        Computing time, over all parts of an evaluation that was cut.
    """

    boards: int
    right: int
    squares: float
    levels: dict[int, tuple[int, int]]
    table: tuple[dict[str, Any], ...]
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
            *self._ways(),
            f"{settings}; {self.seconds:.1f} s",
        ]
        if self.settings["stop_settled"]:
            words = (
                f"{self.stopped} boards settled and were stopped; {self.steps:.1f} steps a board"
            )
            lines.append(words)
        return "\n".join(lines)

    def _ways(self) -> list[str]:
        """Return all votes side by side, in % of all boards; nothing where there is but one."""
        rows = [row for row in self.table if row["givens"] is None]
        alone = self.settings["samples"] == 1
        ways = [name for name in rows[0] if name not in ("steps", "givens", "boards")]
        ways = ways[:1] if alone else ways
        if alone and len(rows) == 1:
            return []
        head = "boards right, %" + "".join(f"{way:>12}" for way in ways)
        body = (
            f"  {row['steps']:7d} steps" + "".join(f"{100 * row[way]:12.2f}" for way in ways)
            for row in rows
        )
        return [head, *body]
