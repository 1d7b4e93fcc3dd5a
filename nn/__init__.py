"""Artificial Kuramoto oscillatory neurons: trainable layers on PyTorch, built on the core.

The folder `nn/` is imported as ``kuramoto.nn``; dependencies point one way only, from
`kuramoto.nn` to `kuramoto`. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

if __name__ != "kuramoto.nn":
    raise ImportError("import kuramoto.nn, not nn")

_HOMES = {
    "APE": "positions",
    "AntisymmetricFrequency": "frequency",
    "AttentionConnectivity": "connectivity",
    "ClassifierConfig": "models.classification",
    "ClassifierNet": "models.classification",
    "Connectivity": "connectivity",
    "ConvConnectivity": "connectivity",
    "DenseConnectivity": "dense",
    "FromStimulus": "initial",
    "GTA": "positions",
    "KuramotoBlock": "block",
    "KuramotoLayer": "layer",
    "LearnedState": "initial",
    "MixedState": "initial",
    "NormReadout": "readout",
    "ObjectConfig": "models.objects",
    "ObjectNet": "models.objects",
    "RandomState": "initial",
    "ResidualReadout": "block",
    "RoPE": "positions",
    "RotationFrequency": "frequency",
    "SudokuConfig": "models.sudoku",
    "SudokuNet": "models.sudoku",
    "load": "checkpoints",
    "load_official": "checkpoints",
    "pretrained": "shipped",
    "save": "checkpoints",
    "solve_sudoku": "shipped",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name from the file that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kuramoto.nn' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"kuramoto.nn.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_HOMES})
