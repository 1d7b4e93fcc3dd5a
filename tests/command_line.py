"""The ``kuramoto`` command as tests call it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kuramoto import cli


def code_of(arguments: Sequence[object]) -> int:
    """Run the command in this process; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command in this process; return exit code, stdout, stderr."""
    code = code_of(arguments)
    out, err = capsys.readouterr()
    return code, out, err
