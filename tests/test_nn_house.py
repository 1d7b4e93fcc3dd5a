"""The house of `kuramoto.nn`: what imports what, what loads what, examples in docstrings."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import kuramoto.nn

ROOT = Path(__file__).resolve().parents[1] / "nn"

# From the ground up, as in test_house: a room may import only what stands before it.
FLOORS = [
    "seeds",
    "data",
    "layout",
    "positions",
    "connectivity",
    "dense",
    "frequency",
    "readout",
    "initial",
    "step",
    "layer",
    "block",
    "baselines",
    "models",
    "training",
    "reference",
    "compat",
    "official",
    "checkpoints",
    "samples",
    "voting",
    "shipped",
    "energies",
    "metrics",
    "calibration",
    "attacks",
    "audit",
    "clustering",
    "uptiling",
    "augmentation",
    "augmix",
    "corruptions",
    "robustness",
    "simclr",
    "tasks",
    "overlays",
    "pictures",
    "commands",
]
HEAVY = ["lightning", "safetensors", "tensorboard", "h5py", "matplotlib", "torch"]


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "kuramoto.nn":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kuramoto.nn."):
            names.add((node.module or "").split(".")[2])
    return names


def tree_of(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text())
    kept = [n for n in tree.body if not (isinstance(n, ast.If) and "TYPE" in ast.unparse(n.test))]
    return ast.Module(kept, [])


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_down(path: Path) -> None:
    own = room(path)
    if own == "__init__":
        return
    assert own in FLOORS, f"{own} has no floor yet: add it to FLOORS where it belongs"
    assert imported_rooms(tree_of(path)) <= {*FLOORS[: FLOORS.index(own)], own}


def test_every_floor_is_there() -> None:
    assert {room(path) for path in sources()} - {"__init__"} == set(FLOORS)


def test_importing_nn_loads_nothing_heavy() -> None:
    code = f"import sys, kuramoto.nn; print([n for n in {HEAVY} if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_network_loads_no_trainer() -> None:
    lean = [name for name in HEAVY if name != "torch"]
    shown = f"print([n for n in {lean} if n in sys.modules])"
    code = f"import sys, kuramoto.nn as kn; kn.SudokuNet; {shown}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def modules() -> list[str]:
    return sorted(info.name for info in pkgutil.walk_packages(kuramoto.nn.__path__, "kuramoto.nn."))


@pytest.mark.parametrize("name", modules())
def test_doctests(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name), verbose=False).failed == 0
