"""Two things of Lyapunov's: functions that cannot rise (certificates), and exponents."""

from __future__ import annotations

from kuramoto.lyapunov.certificate import Certificate, certify, check_descent
from kuramoto.lyapunov.exponents import Exponents, exponents, kaplan_yorke_dimension

__all__ = [
    "Certificate",
    "Exponents",
    "certify",
    "check_descent",
    "exponents",
    "kaplan_yorke_dimension",
]
