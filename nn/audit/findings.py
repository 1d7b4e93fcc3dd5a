"""What an audit found: each thing as data and as one sentence, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kuramoto.nn.attacks import Result

__all__ = ["LEVELS", "VERDICTS", "Audit", "Finding", "difference", "percent", "verdict_on"]

LEVELS = ("fine", "caution", "alarm")
"""How bad a finding is. An alarm: what an attack measured is not robustness."""

VERDICTS = {
    "sound": "no sign of hidden gradients",
    "doubtful": "the figure may be too high",
    "none": "not robust, and attacks show it",
    "masked": "what plain attacks measure is not robustness",
}
"""What an audit may come to."""

_NOTHING = 0.05  # of the clean accuracy: no robustness to speak of


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
    level : {"fine", "caution", "alarm"}
    sentence : str
        In words, with the figures that it rests on.
    data : dict
        All figures, as plain values.
    """

    name: str
    level: str
    sentence: str
    data: dict[str, Any]

    def __str__(self) -> str:
        """Return a line."""
        return f"{self.level:8}{self.name:14}{self.sentence}"


@dataclass(frozen=True)
class Audit:
    """All findings.

    Attributes
    ----------
    verdict : {"sound", "doubtful", "none", "masked"}
    words : str
        The verdict in words.
    accuracy : float
        Under the strongest attack: robustness is at most this.
    strongest : str
        Name of that attack.
    together : float
        Accuracy if each image meets the attack that is worst for it, chosen in hindsight: the usual
        figure of an ensemble. Of a stochastic model with few draws it is somewhat too low, because
        every attack has another chance to be lucky.
    findings : tuple of Finding
    results : dict of str to Result
        Of every attack that was run.
    settings : dict
        What was asked.
    """

    verdict: str
    words: str
    accuracy: float
    strongest: str
    together: float
    findings: tuple[Finding, ...]
    results: dict[str, Result]
    settings: dict[str, Any]

    def __getitem__(self, name: str) -> Finding:
        """Return a finding by its name."""
        return next(finding for finding in self.findings if finding.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "verdict": self.verdict,
            "words": self.words,
            "accuracy": self.accuracy,
            "strongest": self.strongest,
            "together": self.together,
            "findings": [vars(finding) for finding in self.findings],
            "results": {name: result.as_dict() for name, result in self.results.items()},
            "settings": self.settings,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Audit:
        """Return what `as_dict` was made of."""
        found = tuple(Finding(**finding) for finding in plain["findings"])
        results = {name: Result.from_dict(result) for name, result in plain["results"].items()}
        return cls(**{**plain, "findings": found, "results": results})

    def __str__(self) -> str:
        """Return the verdict and a line for each finding."""
        hindsight = f"Image by image the worst of all attacks leaves {percent(self.together)}."
        return "\n".join([self.words, hindsight, *map(str, self.findings)])


def verdict_on(
    findings: Sequence[Finding], clean: float, naive: float, strongest: Result, name: str
) -> tuple[str, str]:
    """Return the verdict and its words."""
    alarms, cautions = (
        [finding.name for finding in findings if finding.level == level]
        for level in ("alarm", "caution")
    )
    left = strongest.accuracy
    figure = f"{name} leaves {percent(left)} of {percent(clean)}"
    if alarms:
        told = f"plain PGD leaves {percent(naive)}, {figure}; alarms: {', '.join(alarms)}"
        return "masked", f"What plain attacks measure here is not robustness: {told}."
    if left <= _NOTHING * clean:
        return "none", f"There is no robustness, and attacks show it plainly: {figure}."
    bound = f"{figure} (± {percent(strongest.error)})"
    if cautions:
        remain = f"doubts remain: {', '.join(cautions)}"
        return "doubtful", f"Robustness is at most that, and may be less: {bound}; {remain}."
    return "sound", f"No check found a sign of masked gradients: {bound}, the least of all attacks."


def percent(fraction: float) -> str:
    """Return a fraction as text.

    Examples
    --------
    >>> percent(0.5)
    '50.0 %'
    """
    return f"{100 * fraction:.1f} %"


def difference(one: Result, other: Result) -> tuple[float, float]:
    """Return how much more accurate one is than the other on the same images, ± standard error."""
    apart = np.asarray(one.right) - np.asarray(other.right)
    error = apart.std(ddof=1) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
    return float(apart.mean()), float(error)


def beyond_chance(one: Result, other: Result, least: float) -> bool:
    """Return whether one is more accurate by more than `least`, and by two standard errors."""
    apart, error = difference(one, other)
    return apart > max(least, 2 * error)
