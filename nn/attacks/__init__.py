"""Adversarial attacks on classifiers, stochastic ones too, and how many images withstand them.

A `Trial` is a model, images, labels and a `Threat`: what an attacker may do. ``trial.run(attack)``
answers how many images are still classified rightly. A model is any callable from images in 0 ... 1
to logits; a `Target` holds its random numbers.

Examples
--------
>>> import torch
>>> from kuramoto.nn.attacks import PGD, Threat, Trial
>>> images = torch.tensor([0.45, 0.3, 0.6, 0.9]).view(4, 1, 1, 1)
>>> step = lambda x: torch.cat([0.5 - x.flatten(1), x.flatten(1) - 0.5], 1)
>>> trial = Trial(step, images, torch.tensor([0, 0, 1, 1]), Threat("Linf", 0.15))
>>> trial.clean().accuracy, trial.run(PGD(steps=5)).accuracy
(1.0, 0.5)
"""

from __future__ import annotations

from kuramoto.nn.attacks.autoattack import VERSIONS, AutoAttack
from kuramoto.nn.attacks.gradient import FGSM, KEEP, PGD
from kuramoto.nn.attacks.losses import LOSSES
from kuramoto.nn.attacks.simple import Clean, Noise, Transfer
from kuramoto.nn.attacks.square import Square
from kuramoto.nn.attacks.target import Target
from kuramoto.nn.attacks.threat import NORMS, Threat
from kuramoto.nn.attacks.trial import Attack, Ledger, Result, Trial

__all__ = [
    "FGSM",
    "KEEP",
    "LOSSES",
    "NORMS",
    "PGD",
    "VERSIONS",
    "Attack",
    "AutoAttack",
    "Clean",
    "Ledger",
    "Noise",
    "Result",
    "Square",
    "Target",
    "Threat",
    "Transfer",
    "Trial",
]
