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
    Frustrated,
    Lattice,
    Linear,
    MeanField,
    Scaled,
    Sparse,
    Sum,
    Tetradic,
    Triadic,
    Triangles,
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

# Loaded on first use: they bring h5py, SciPy, matplotlib, hypothesis, YAML or torch with them, or
# are not needed by most.
_LAZY = (
    "datasets",
    "ensembles",
    "experiment",
    "graphs",
    "nn",
    "plotting",
    "stability",
    "storage",
    "testing",
    "theory",
    "waves",
)
_LAZY_NAMES = {
    "Coevolving": "coevolution",
    "Delayed": "delays",
    "DelayedHeun": "delays",
    "Inertial": "inertia",
    "ensemble": "ensembles",
    "sweep": "ensembles",
}

__all__ = [
    "AdaptiveStep",
    "Antisymmetric",
    "Attention",
    "Certificate",
    "Coevolving",
    "Coupling",
    "Delayed",
    "DelayedHeun",
    "Dense",
    "DormandPrince",
    "FixedStep",
    "Frequency",
    "Frustrated",
    "GeodesicEuler",
    "Inertial",
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
    "Tetradic",
    "Triadic",
    "Triangles",
    "certify",
    "check_descent",
    "couplings",
    "energy",
    "energy_rate",
    "ensemble",
    "frequencies",
    "lyapunov",
    "observables",
    "phase",
    "resume",
    "solve",
    "sphere",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Import the heavier modules when they are first asked for."""
    if name in _LAZY:
        return importlib.import_module(f"kuramoto.{name}")
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(f"kuramoto.{_LAZY_NAMES[name]}"), name)
    if name == "__version__":
        from importlib import metadata

        return metadata.version("kuramoto-spheres")
    raise AttributeError(f"module 'kuramoto' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the lazy modules too."""
    return sorted([*globals(), *_LAZY, *_LAZY_NAMES, "__version__"])
