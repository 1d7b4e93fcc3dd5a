"""Tasks: data, loss and evaluation of what the paper trains for, and its settings as data.

A task is a module with ``PRESETS``, ``prepare(preset, data, changes)``, ``restore(about, data)``
and ``evaluate_run(run, ...)``; `task` finds it by name. Adding one means a module and a line here.
"""

from __future__ import annotations

import importlib
from typing import Any

from kuramoto._check import nearest

TASKS = {
    "classification": "kuramoto.nn.tasks.classification",
    "objects": "kuramoto.nn.tasks.objects",
    "sudoku": "kuramoto.nn.tasks.sudoku",
}

__all__ = ["TASKS", "task"]


def task(name: str) -> Any:
    """Return the module of a task.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> task("sudoku").__name__
    'kuramoto.nn.tasks.sudoku'
    """
    if name not in TASKS:
        raise ValueError(f"There is no task `{name}`; {nearest(name, TASKS)}")
    return importlib.import_module(TASKS[name])
