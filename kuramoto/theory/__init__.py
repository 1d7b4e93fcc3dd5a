"""What is known exactly: oracles for tests, tools for users.

Critical couplings, reductions and self-consistent order parameters, in the limit of infinitely
many oscillators unless said otherwise. By topic: `critical`, `self_consistency`, `ott_antonsen`,
`dimensions` (any N), `noise`, `twisted` (rings) and `chimera` (two populations). The page on
predictions in the documentation derives them and sets simulations beside them.
"""

from __future__ import annotations

from kuramoto.theory.chimera import Breathing, Chimera, TwoPopulations, chimera_boundaries
from kuramoto.theory.critical import critical_coupling, largest_eigenvalue
from kuramoto.theory.dimensions import (
    attraction,
    entrained_fraction,
    entrained_order,
    isotropic_critical_coupling,
    isotropic_order_parameter,
    isotropic_rotations,
    onset_order,
    uniform_instability,
)
from kuramoto.theory.noise import bessel_ratio, noisy_critical_coupling, noisy_order_parameter
from kuramoto.theory.ott_antonsen import OttAntonsen, poisson_phases
from kuramoto.theory.self_consistency import (
    LockedCurve,
    locked_curve,
    order_branches,
    order_parameter,
)
from kuramoto.theory.twisted import stable_twists, twisted_phases, twisted_spectrum

__all__ = [
    "Breathing",
    "Chimera",
    "LockedCurve",
    "OttAntonsen",
    "TwoPopulations",
    "attraction",
    "bessel_ratio",
    "chimera_boundaries",
    "critical_coupling",
    "entrained_fraction",
    "entrained_order",
    "isotropic_critical_coupling",
    "isotropic_order_parameter",
    "isotropic_rotations",
    "largest_eigenvalue",
    "locked_curve",
    "noisy_critical_coupling",
    "noisy_order_parameter",
    "onset_order",
    "order_branches",
    "order_parameter",
    "poisson_phases",
    "stable_twists",
    "twisted_phases",
    "twisted_spectrum",
    "uniform_instability",
]
