"""Coupled oscillators on spheres: simulate, certify and (in `kuramoto.nn`) train Kuramoto models.

Oscillators are unit vectors x_i on S^{N−1} with ẋ_i = Ω_i x_i + Proj_{x_i}(c_i + Σ_j J_ij x_j).
"""

from __future__ import annotations

import importlib
from typing import Any

from kuramoto import couplings, frequencies, lyapunov, observables, phase, sphere
from kuramoto.controllers import AdaptiveStep, FixedStep
from kuramoto.couplings import (
    Attention,
    Coupling,
    Dense,
    Lattice,
    Linear,
    MeanField,
    Scaled,
    Sparse,
    Sum,
)
from kuramoto.energy import energy, energy_rate
from kuramoto.frequencies import Antisymmetric, Frequency, Rotation
from kuramoto.lyapunov import Certificate, certify, check_descent
from kuramoto.model import Kuramoto
from kuramoto.solution import SaveAt, Solution, SolveError, Statistics, Status
from kuramoto.solve import resume, solve
from kuramoto.steppers import (
    DormandPrince,
    GeodesicEuler,
    ProjectedEuler,
    RungeKutta4,
    Splitting,
    Step,
    Stepper,
    StochasticHeun,
)

# Loaded on first use: they bring h5py, SciPy, matplotlib, hypothesis, YAML or torch with them.
_LAZY = ("datasets", "experiment", "graphs", "nn", "plotting", "storage", "testing")

__all__ = [
    "AdaptiveStep",
    "Antisymmetric",
    "Attention",
    "Certificate",
    "Coupling",
    "Dense",
    "DormandPrince",
    "FixedStep",
    "Frequency",
    "GeodesicEuler",
    "Kuramoto",
    "Lattice",
    "Linear",
    "MeanField",
    "ProjectedEuler",
    "Rotation",
    "RungeKutta4",
    "SaveAt",
    "Scaled",
    "Solution",
    "SolveError",
    "Sparse",
    "Splitting",
    "Statistics",
    "Status",
    "Step",
    "Stepper",
    "StochasticHeun",
    "Sum",
    "certify",
    "check_descent",
    "couplings",
    "energy",
    "energy_rate",
    "frequencies",
    "lyapunov",
    "observables",
    "phase",
    "resume",
    "solve",
    "sphere",
]


def __getattr__(name: str) -> Any:
    """Import the heavier modules when they are first asked for."""
    if name in _LAZY:
        return importlib.import_module(f"kuramoto.{name}")
    if name == "__version__":
        from importlib import metadata

        return metadata.version("kuramoto-spheres")
    raise AttributeError(f"module 'kuramoto' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the lazy modules too."""
    return sorted([*globals(), *_LAZY, "__version__"])
