"""Fixtures that the test files share: array libraries, real data, how hypothesis searches."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import array_api_compat
import numpy as np
import pytest
from hypothesis import settings

# Examples are found, not timed; on CI they are the same every time, so that a red run is about the
# change in it. A failure prints the line that reproduces it.
settings.register_profile(
    "kuramoto", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("kuramoto")

BACKENDS = [
    "numpy",
    "array_api_strict",
    "torch",
    pytest.param("cupy", marks=pytest.mark.gpu),
]
if importlib.util.find_spec("jax"):  # a bonus, tested where somebody has it
    BACKENDS.append("jax")


@pytest.fixture(autouse=True, scope="module")
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Networks are tested in one thread: small ones only wait for more of them."""
    torch = sys.modules.get("torch")
    name = request.module.__name__.rpartition(".")[2]
    if torch is None or not name.startswith("test_nn_"):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _namespace(name: str) -> Any:
    """Return an array-API namespace, or skip the test where the library cannot serve."""
    module = importlib.import_module("numpy") if name == "numpy" else pytest.importorskip(name)
    if name == "cupy":
        try:
            module.cuda.runtime.getDeviceCount()
        except module.cuda.runtime.CUDARuntimeError as error:
            pytest.skip(f"cupy finds no CUDA device: {error}")
    if name == "jax":
        module.config.update("jax_enable_x64", True)
        module = importlib.import_module("jax.numpy")
    return array_api_compat.array_namespace(module.asarray(0.0))


@pytest.fixture(scope="session", params=BACKENDS)
def xp(request: pytest.FixtureRequest) -> Any:
    """Each array library in turn, as its array-API namespace."""
    return _namespace(request.param)


@pytest.fixture(scope="session")
def to_backend() -> Callable[..., Any]:
    """Return the function (array, xp, dtype="float64") that copies numbers to a library."""

    def convert(array: Any, xp: Any, dtype: str = "float64") -> Any:
        return xp.asarray(np.array(array, dtype=dtype), dtype=getattr(xp, dtype), copy=True)

    return convert


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real data that is not part of the package."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("KURAMOTO_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}: set KURAMOTO_DATA to the folder that holds it")
    return folder
