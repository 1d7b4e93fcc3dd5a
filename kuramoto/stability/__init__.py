"""Where a model rests, whether it stays there, and how much of the state space leads there.

Equilibria and rigidly rotating states by Newton's method on the spheres, spectra of the
linearisation, transverse exponents of networks, sizes of basins, and hysteresis loops. The page
docs/stability derives what is computed.
"""

from __future__ import annotations

from kuramoto.lyapunov.tangent import jvp
from kuramoto.stability.basins import BasinStability, basin_sizes, basin_stability
from kuramoto.stability.equilibria import (
    Equilibrium,
    NotConverged,
    equilibrium,
    relative_equilibrium,
)
from kuramoto.stability.hysteresis import Hysteresis, hysteresis
from kuramoto.stability.jacobian import jacobian, symmetries, tangent_basis
from kuramoto.stability.master import master_stability, transverse_exponents
from kuramoto.stability.spectra import spectrum

__all__ = [
    "BasinStability",
    "Equilibrium",
    "Hysteresis",
    "NotConverged",
    "basin_sizes",
    "basin_stability",
    "equilibrium",
    "hysteresis",
    "jacobian",
    "jvp",
    "master_stability",
    "relative_equilibrium",
    "spectrum",
    "symmetries",
    "tangent_basis",
    "transverse_exponents",
]
