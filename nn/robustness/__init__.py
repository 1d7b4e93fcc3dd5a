"""How a classifier does where images are not those it learned from: one budget, one report.

`examine` scores clean images, uniform noise and the common corruptions (accuracy and calibration),
attacks some of the images and audits what the attacks found. All of it is kept batch by batch.

Examples
--------
>>> import numpy as np, torch
>>> from kuramoto.nn.data.images import LabelledImages
>>> pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
>>> images = LabelledImages(pixels, np.arange(8) % 2, ("dark", "bright"))
>>> lightness = lambda x: torch.stack([0.5 - (m := x.mean((1, 2, 3))), m - 0.5], 1)
>>> budget = Budget(images=4, noise=(8 / 255,), corruptions=("fog",), autoattack="none")
>>> report = examine(lightness, images, budget, size=32)
>>> [score.name for score in report.scores]
['clean', 'noise', 'fog']
"""

from __future__ import annotations

from kuramoto.nn.robustness.budget import BUDGETS, Budget
from kuramoto.nn.robustness.examination import examine
from kuramoto.nn.robustness.report import Example, Report, Score

__all__ = ["BUDGETS", "Budget", "Example", "Report", "Score", "examine"]
