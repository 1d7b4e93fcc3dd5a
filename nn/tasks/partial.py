"""Answers to a long question, kept as they come: what is done stays, however the process ends."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kuramoto._outputs import cannot_write

__all__ = ["Partial", "partial_name"]


class Partial:
    """A file of JSON lines: the question, then a record of every part that is answered.

    Each line is on the disk before the next part begins; the first part makes the file. A last line
    that was cut is dropped.

    Parameters
    ----------
    path
        File; gone on with if it is of the same question.
    question
        All that decides the answers, as plain values.
    overwrite
        Start afresh where the file is of another question.

    Attributes
    ----------
    records : list of dict
        What is there, in the order in which it was added.

    Raises
    ------
    FileExistsError
        If the file is of another question (the first difference is named), or something else.
    ValueError
        If a line in the middle is damaged.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "report.json.partial"
    >>> Partial(path, {"steps": 8}).add({"right": 3})
    >>> Partial(path, {"steps": 8}).records
    [{'right': 3}]
    """

    def __init__(
        self, path: str | Path, question: Mapping[str, Any], *, overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self.question = json.loads(json.dumps(dict(question)))
        self._head = _line({"partial_answer_to": self.question})
        self.records = self._read(overwrite) if self.path.exists() else []

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record, and see it onto the disk."""
        head = b"" if self.records else self._head
        try:
            with self.path.open("ab" if self.records else "wb") as file:
                file.write(head + _line(record))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self.records.append(dict(record))

    def remove(self) -> None:
        """Delete the file: the answers are elsewhere."""
        self.path.unlink(missing_ok=True)

    def _read(self, overwrite: bool) -> list[dict[str, Any]]:
        """Return the records; a line that was cut goes."""
        content = self.path.read_bytes() if self.path.is_file() else b"no file"
        whole, newline, cut = content.rpartition(b"\n")
        if not newline and self._head.startswith(cut):
            return []  # not even the question got there
        first, *rest = whole.split(b"\n")
        theirs = _parsed(first).get("partial_answer_to")
        if not isinstance(theirs, dict):
            raise FileExistsError(f"Output {self.path} exists already; choose another name.")
        if theirs != self.question:
            if overwrite:
                return []
            raise FileExistsError(self._other_question(theirs))
        records = [_parsed(line) for line in rest]
        if not all(records):
            number = 2 + records.index({})
            raise ValueError(f"File {self.path} is damaged on line {number}; delete it.")
        os.truncate(self.path, len(whole) + 1)
        return records

    def _other_question(self, theirs: Mapping[str, Any]) -> str:
        names = {**theirs, **self.question}
        name = next(key for key in names if theirs.get(key) != self.question.get(key))
        there, here = (found.get(name) for found in (theirs, self.question))
        remedy = "choose another output, or pass overwrite=True (--force) to start afresh"
        return f"File {self.path} is of another question: {name} {there}, not {here}; {remedy}."


def partial_name(out: Path) -> Path:
    """Return where what is done of an output lies until it is whole."""
    return out.with_name(f"{out.name}.partial")


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(record), separators=(",", ":")).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, Any]:
    """Return a line's record; an empty one if it is none."""
    try:
        record = json.loads(line)
    except ValueError:  # also where bytes are no text
        return {}
    return record if isinstance(record, dict) else {}
