"""How far a classifier's probabilities can be believed: calibration errors, likelihood, Brier.

Predictions are arrays (n, K) of probabilities, or of logits where ``logits=True`` says so, and
labels (n,) whole numbers 0 ... K − 1. NumPy only; all is computed in float64.
"""

from kuramoto.nn.calibration.measures import (
    BINS,
    adaptive_calibration_error,
    brier_score,
    calibration,
    class_wise_calibration_error,
    expected_calibration_error,
    negative_log_likelihood,
    probabilities_of,
    reliability,
)
from kuramoto.nn.calibration.records import Calibration, Reliability, pooled

__all__ = [
    "BINS",
    "Calibration",
    "Reliability",
    "adaptive_calibration_error",
    "brier_score",
    "calibration",
    "class_wise_calibration_error",
    "expected_calibration_error",
    "negative_log_likelihood",
    "pooled",
    "probabilities_of",
    "reliability",
]
