"""Fused runs of NumPy states, compiled with numba: which of the kinds a run is."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._kernels import build, torus, unscaled
from kuramoto._kernels.compiled import Compiled
from kuramoto.model import Kuramoto
from kuramoto.steppers import Stepper

__all__ = ["Compiled", "prepare"]


def prepare(model: Kuramoto, stepper: Stepper, x: Array) -> Any:
    """Return a fused run, or NotImplemented where it asks for what no kernel does."""
    plain = type(x) is np.ndarray and x.dtype in (np.float32, np.float64) and x.size > 0
    if not plain or callable(model.stimulus):
        return NotImplemented
    coupling, factor = unscaled(model.coupling)
    layout = build.layout(coupling, float(factor), x)
    if layout is None:
        return NotImplemented
    swept = torus.swept(model, stepper, x)
    return Compiled(model, stepper, layout, x) if swept is None else swept
