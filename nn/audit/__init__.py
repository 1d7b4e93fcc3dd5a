"""Is a network's robustness real, or do its gradients only hide the way? An audit, in words.

The checks are those that the literature asks of a defence, stochastic ones above all: attacks with
one and with many draws, from one initial state, without any bound, without any gradient.

References
----------
Athalye, Carlini & Wagner (2018), Obfuscated gradients give a false sense of security, 3.1.
Carlini et al. (2019), On evaluating adversarial robustness, 4-5.
Tramèr, Carlini, Brendel & Mądry (2020), On adaptive attacks to adversarial example defenses.
"""

from __future__ import annotations

from kuramoto.nn.audit.findings import LEVELS, VERDICTS, Audit, Finding
from kuramoto.nn.audit.gradients import GradientStatistics, gradient_statistics
from kuramoto.nn.audit.run import Plan, audit

__all__ = [
    "LEVELS",
    "VERDICTS",
    "Audit",
    "Finding",
    "GradientStatistics",
    "Plan",
    "audit",
    "gradient_statistics",
]
