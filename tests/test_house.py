"""The house itself: what imports what, what `import kuramoto` loads, what the wheel holds."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kuramoto

ROOT = Path(__file__).resolve().parents[1]

# From the ground up: a module may import only what stands before it. Packages count as one room.
FLOORS = [
    "_check",
    "_backend",
    "sphere",
    "frequencies",
    "couplings",
    "energy",
    "model",
    "observables",
    "phase",
    "waves",
    "theory",
    "_weights",
    "_graph_files",
    "graphs",
    "datasets",
    "steppers",
    "controllers",
    "inertia",
    "delays",
    "coevolution",
    "solution",
    "_modelfile",
    "_kernels",
    "plan",
    "_hdf5",
    "_outputs",
    "runfile",
    "storage",
    "march",
    "solve",
    "lyapunov",
    "stability",
    "testing",
    "experiment",
    "ensembles",
    "plotting",
    "demo",
    "_reports",
    "cli",
    "__main__",
]
HEAVY = ["torch", "numba", "cupy", "h5py", "dask", "matplotlib", "scipy", "yaml", "typer"]


def sources() -> list[Path]:
    files = (ROOT / "kuramoto").rglob("*.py")
    return sorted(path for path in files if "nn" not in path.relative_to(ROOT).parts)


def room(path: Path) -> str:
    return path.relative_to(ROOT / "kuramoto").parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    """Every room of ours that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "kuramoto":
            names |= {f"kuramoto.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    rooms = {name.split(".")[1] for name in names if name.startswith("kuramoto.")}
    return rooms & {*FLOORS, "nn"}  # `from kuramoto import solve` may mean the function


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def tree_of(path: Path) -> ast.AST:
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if not is_type_checking(node)]
    return tree


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_arrows_point_down(path: Path) -> None:
    own = room(path)
    if own == "__init__":
        return
    assert own in FLOORS, f"{own} has no floor yet: add it to FLOORS where it belongs"
    below = {*FLOORS[: FLOORS.index(own)], own}
    assert imported_rooms(tree_of(path)) <= below


def test_the_arrow_test_can_fail() -> None:
    assert imported_rooms(ast.parse("def f():\n    from kuramoto.cli import main")) == {"cli"}


def test_the_core_never_imports_nn() -> None:
    assert not [path for path in sources() if "nn" in imported_rooms(tree_of(path))]


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, kuramoto; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert loaded.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert all(hasattr(kuramoto, name) for name in kuramoto.__all__)
    assert sorted(kuramoto.__all__) == list(kuramoto.__all__)


@pytest.mark.parametrize(
    "name", ["datasets", "experiment", "graphs", "nn", "plotting", "storage", "testing"]
)
def test_lazy_modules_load_on_first_use(name: str) -> None:
    assert getattr(kuramoto, name).__name__ == f"kuramoto.{name}"
    assert name in dir(kuramoto)


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'oscillator'"):
        kuramoto.oscillator  # noqa: B018


def test_packages_are_listed_by_name() -> None:
    """setuptools drops a package that is not listed, silently."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in sources() if path.name == "__init__.py"}
    found = {".".join(folder.parts) for folder in folders}
    inner = {path.parent.relative_to(ROOT) for path in (ROOT / "nn").rglob("__init__.py")}
    found |= {".".join(("kuramoto", *folder.parts)) for folder in inner}
    assert set(settings["packages"]) == found


def test_nn_is_imported_as_kuramoto_nn() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import nn"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert "import kuramoto.nn, not nn" in done.stderr
    assert (ROOT / "kuramoto" / "nn").is_symlink()


def test_no_pickle_anywhere() -> None:
    restricted = ROOT / "nn" / "data" / "images" / "pickles.py"  # builds nothing but arrays
    assert "pickle.load" not in restricted.read_text()
    for path in [*sources(), *(ROOT / "nn").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        assert path == restricted or "pickle" not in {n.split(".")[0] for n in _modules(tree)}, path
        assert "allow_pickle=True" not in path.read_text().replace(" ", ""), path
        assert "yaml.load(" not in path.read_text().replace(" ", ""), path


def _modules(tree: ast.AST) -> set[str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {a.name for node in imports for a in node.names} | {n.module or "" for n in froms}


def _modules_with_doctests() -> list[str]:
    found = pkgutil.walk_packages(kuramoto.__path__, "kuramoto.")
    return sorted(info.name for info in found if not info.name.startswith("kuramoto.nn"))


@pytest.mark.parametrize("name", _modules_with_doctests())
def test_doctests(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), verbose=False)
    assert results.failed == 0
