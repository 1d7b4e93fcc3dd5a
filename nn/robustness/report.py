"""What an examination found: numbers, a table, JSON and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kuramoto.nn.audit import Audit
from kuramoto.nn.calibration import Calibration, Reliability, pooled

__all__ = ["Example", "Report", "Score"]


@dataclass(frozen=True)
class Score:
    """Accuracy and calibration on one sort of images.

    Attributes
    ----------
    name : str
        ``"clean"``, ``"noise"``, or a corruption.
    level : float
        0 of clean images, ε of noise, severity of a corruption.
    calibration : Calibration
    """

    name: str
    level: float
    calibration: Calibration

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {"name": self.name, "level": self.level, "calibration": self.calibration.as_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Score:
        """Return what `as_dict` was made of."""
        found = Calibration.from_dict(plain["calibration"])
        return cls(plain["name"], plain["level"], found)


@dataclass(frozen=True)
class Example:
    """An image, what PGD made of it, and what the network says of both.

    Attributes
    ----------
    row : int
        Of the image, among those that were scored.
    label, before, after : str
        Its class, and the network's answers.
    confidence_before, confidence_after : float
        Of these answers.
    image, attacked : array of uint8, shape (H, W, 3)
        Rounded to be shown.
    """

    row: int
    label: str
    before: str
    after: str
    confidence_before: float
    confidence_after: float
    image: np.ndarray
    attacked: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON: images as base64 of their bytes."""
        packed = {
            name: {
                "shape": list(pixels.shape),
                "bytes": base64.b64encode(pixels.tobytes()).decode(),
            }
            for name, pixels in (("image", self.image), ("attacked", self.attacked))
        }
        return {**vars(self), **packed}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Example:
        """Return what `as_dict` was made of."""
        images = {
            name: np.frombuffer(base64.b64decode(plain[name]["bytes"]), np.uint8).reshape(
                plain[name]["shape"]
            )
            for name in ("image", "attacked")
        }
        return cls(**{**plain, **images})


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes
    ----------
    name : str
        Of the network.
    images : str
        What the images are, in words.
    scores : tuple of Score
        Clean, noise, corruptions.
    audit : Audit, optional
        None where nothing was attacked.
    examples : tuple of Example
    notes : tuple of str
        What was left out, and why.
    settings : dict
        What was asked: model, budget, images.
    seconds : float
        Computing time of all, attacks and all.
    """

    name: str
    images: str
    scores: tuple[Score, ...]
    audit: Audit | None
    examples: tuple[Example, ...]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    seconds: float

    @property
    def clean(self) -> Calibration:
        """On images as they are."""
        return self.scores[0].calibration

    @property
    def noise(self) -> dict[float, Calibration]:
        """Under uniform noise, by ε."""
        return {s.level: s.calibration for s in self.scores if s.name == "noise"}

    def corrupted(self, severity: int) -> dict[str, Calibration]:
        """Return calibrations by corruption."""
        return {
            score.name: score.calibration
            for score in self.scores
            if score.name not in ("clean", "noise") and score.level == severity
        }

    @property
    def severities(self) -> tuple[int, ...]:
        """Severities at which there are corruptions."""
        return tuple(
            sorted({int(s.level) for s in self.scores if s.name not in ("clean", "noise")})
        )

    def mean(self, severity: int, what: str = "accuracy") -> float:
        """Return the mean over corruptions of one of `Calibration`'s numbers."""
        found = self.corrupted(severity)
        return float(np.mean([getattr(calibration, what) for calibration in found.values()]))

    def reliability(self, severity: int) -> Reliability:
        """Return the diagram of all corruptions together."""
        return pooled([found.reliability for found in self.corrupted(severity).values()])

    def to_json(self) -> str:
        """Return all of it as JSON."""
        plain = {
            **vars(self),
            "scores": [score.as_dict() for score in self.scores],
            "audit": None if self.audit is None else self.audit.as_dict(),
            "examples": [example.as_dict() for example in self.examples],
        }
        return json.dumps(plain, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return what `to_json` was made of.

        Raises
        ------
        ValueError
            If the text is no report.
        """
        try:
            plain = json.loads(text)
            audit = plain["audit"]
            inner = {
                "scores": tuple(map(Score.from_dict, plain["scores"])),
                "audit": None if audit is None else Audit.from_dict(audit),
                "examples": tuple(map(Example.from_dict, plain["examples"])),
                "notes": tuple(plain["notes"]),
            }
            return cls(**{**plain, **inner})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"This is no report on robustness ({error!r}).") from None

    def __str__(self) -> str:
        """Return a table, in %, and the audit's words."""
        lines = [f"{self.name}: {self.images}", _HEAD]
        for score in self.scores:
            lines.append(_row(_shown(score), score.calibration))
        for severity in self.severities:
            n = len(self.corrupted(severity))
            means = [self.mean(severity, what) for what in _COLUMNS]
            lines.append(_line(f"mean of {n}, severity {severity}", means))
        if self.audit is not None:
            lines += ["", *_attacks(self.audit), "", str(self.audit)]
        return "\n".join([*lines, *self.notes, f"{self.seconds:.0f} s"])


_COLUMNS = ("accuracy", "confidence", "ece", "adaptive", "class_wise", "nll", "brier")
_HEAD = (
    f"{'':28}{'accuracy':>9}{'conf.':>8}{'ECE':>8}{'adapt.':>8}{'classes':>9}{'NLL':>8}{'Brier':>8}"
)
_WIDTHS = (9, 8, 8, 8, 9, 8, 8)


def _shown(score: Score) -> str:
    if score.name == "clean":
        return f"clean, {score.calibration.images} images"
    if score.name == "noise":
        return f"noise ±{255 * score.level:.4g}/255"
    return f"{score.name} {score.level:.0f}"


def _row(name: str, found: Calibration) -> str:
    return _line(name, [getattr(found, what) for what in _COLUMNS])


def _line(name: str, values: list[float]) -> str:
    """Return a row: all in %, but NLL and Brier."""
    numbers = [*(100 * value for value in values[:5]), *values[5:]]
    digits = (2, 2, 2, 2, 2, 3, 3)
    shown = zip(numbers, _WIDTHS, digits, strict=True)
    return f"{name:28}" + "".join(f"{value:{width}.{d}f}" for value, width, d in shown)


def _attacks(audit: Audit) -> list[str]:
    """Return a row for each attack, the strongest first."""
    found = sorted(audit.results.items(), key=lambda item: item[1].accuracy)
    lines = [f"{'attack':28}{'threat':>16}{'accuracy':>10}{'± error':>9}{'images':>8}"]
    for name, result in found:
        threat = "" if result.threat is None else str(result.threat)
        shown = f"{100 * result.accuracy:10.2f}{100 * result.error:9.2f}{len(result.right):8d}"
        lines.append(f"{name:28}{threat:>16}{shown}")
    return lines
