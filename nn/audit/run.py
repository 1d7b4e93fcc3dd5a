"""The audit: which attacks are run, and what is asked of their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kuramoto._check import invalid, whole_number
from kuramoto.nn.attacks import (
    PGD,
    Attack,
    Clean,
    Ledger,
    Noise,
    Result,
    Square,
    Target,
    Threat,
    Transfer,
    Trial,
)
from kuramoto.nn.audit import checks
from kuramoto.nn.audit.findings import Audit, Finding, verdict_on
from kuramoto.nn.audit.gradients import gradient_statistics

__all__ = ["Plan", "audit"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much an audit spends.

    Attributes
    ----------
    steps, restarts : int
        Of PGD; plain PGD has one start.
    samples : int
        Draws that the gradients of attacks on a stochastic model are means over.
    sweep : tuple of int
        Numbers of draws to compare.
    queries : int
        Of Square.
    tries : int
        Of noise.
    gradient_samples : int
        Draws that the noise of gradients is measured by.

    Examples
    --------
    >>> Plan(samples=4, sweep=(1, 4)).steps
    40
    """

    steps: int = 40
    restarts: int = 2
    samples: int = 20
    sweep: tuple[int, ...] = (1, 2, 5, 10, 20)
    queries: int = 1000
    tries: int = 50
    gradient_samples: int = 20

    def __post_init__(self) -> None:
        """Check all."""
        for name in ("steps", "restarts", "samples", "queries", "tries"):
            whole_number(name, getattr(self, name), least=1)
        whole_number("gradient_samples", self.gradient_samples, least=2)
        object.__setattr__(self, "sweep", tuple(sorted(set(self.sweep))))
        for number in self.sweep:
            whole_number("sweep", number, least=1)
        if not self.sweep:
            raise invalid("sweep", "hold at least one number of draws", "is empty")

    def naive(self) -> PGD:
        """Return PGD as it is often run: cross-entropy, one start, one draw."""
        return PGD(steps=self.steps)

    def adaptive(self, samples: int, restarts: int | None = None) -> PGD:
        """Return PGD that is hard to mislead: the margin, many draws, falling steps."""
        restarts = self.restarts if restarts is None else restarts
        how: dict[str, Any] = {"loss": "margin", "step_size": 0.5, "decay": True}
        return PGD(steps=self.steps, restarts=restarts, samples=samples, **how)


def audit(
    trial: Trial,
    plan: Plan | None = None,
    *,
    surrogate: Any = None,
    others: Iterable[Attack] = (),
    kept: Ledger | None = None,
    progress: bool = False,
) -> Audit:
    """Attack a model in many ways, and say what its accuracy under attack is worth.

    Parameters
    ----------
    trial : Trial
        The model, images, labels and threat.
    plan : Plan, optional
    surrogate : Target or callable, optional
        Another classifier; what fools it is tried on the model.
    others : iterable of Attack
        To be run too: ``AutoAttack(version="rand")``.
    kept : Ledger, optional
        As for `Trial.run`: an audit that was cut goes on from the batch that it was at.
    progress
        Show a bar for each attack.

    Returns
    -------
    Audit
        The same for the same seed and batch.

    Raises
    ------
    ValueError
        If the model has no gradients, or the threat allows nothing.

    Examples
    --------
    >>> import torch
    >>> images, w = torch.rand(20, 1, 4, 4), torch.randn(16)
    >>> line = lambda x: torch.stack([0 * (z := (x.flatten(1) - 0.5) @ w), z], 1)
    >>> trial = Trial(line, images, line(images).argmax(1), Threat("Linf", 0.5))
    >>> audit(trial, Plan(steps=5, queries=10)).verdict
    'none'
    """
    if trial.threat.eps == 0:
        raise invalid("threat", "have eps above 0 to be audited", f"is {trial.threat}")
    spent = Plan() if plan is None else plan
    return _Auditor(trial, spent, surrogate, tuple(others), kept, progress).report()


class _Auditor:
    """The results of one audit."""

    def __init__(
        self,
        trial: Trial,
        plan: Plan,
        surrogate: Any,
        others: tuple[Attack, ...],
        kept: Ledger | None,
        progress: bool,
    ) -> None:
        self.trial, self.plan, self.others = trial, plan, others
        self.how: dict[str, Any] = {"kept": kept, "progress": progress}
        self.random = trial.model.is_random(trial.images[: trial.batch].to(trial.model.device))
        self.samples = plan.samples if self.random else 1
        self.surrogate: Target | None = None
        if surrogate is not None:
            self.surrogate = surrogate if isinstance(surrogate, Target) else Target(surrogate)
        self.white: dict[str, Result] = {}
        self.black: dict[str, Result] = {}
        self.results: dict[str, Result] = {}

    def report(self) -> Audit:
        """Run all, and judge."""
        adaptive = self.plan.adaptive(self.samples)
        clean = self._run("clean", Clean())
        naive = self._attack("plain PGD", self.plan.naive())
        attacked = self._attack("adaptive PGD", adaptive)
        self._run_others(adaptive)
        findings = [checks.clean_accuracy(clean, self.random), *self._gradients()]
        if self.random:
            findings += self._of_randomness(attacked)
        findings += self._of_strength(attacked)
        name, strongest = min(self._attacks().items(), key=lambda item: item[1].accuracy)
        findings.append(checks.naive_is_enough(naive, strongest, name))
        verdict, words = verdict_on(findings, clean.accuracy, naive.accuracy, strongest, name)
        settings = {"plan": asdict(self.plan), "trial": self.trial.question}
        settings["threat"] = asdict(self.trial.threat)
        together = np.min([result.right for result in self._attacks().values()], axis=0)
        return Audit(
            verdict=verdict,
            words=words,
            accuracy=strongest.accuracy,
            strongest=name,
            together=float(np.mean(together)),
            findings=tuple(findings),
            results=self.results,
            settings=settings,
        )

    def _run(self, name: str, attack: Attack, trial: Trial | None = None) -> Result:
        self.results[name] = (trial or self.trial).run(attack, **self.how)
        return self.results[name]

    def _attack(self, name: str, attack: Attack) -> Result:
        """Run an attack on the model itself, one to be compared with all others."""
        sort = self.black if attack.black_box else self.white
        sort[name] = self._run(name, attack)
        return sort[name]

    def _attacks(self) -> dict[str, Result]:
        return {**self.white, **self.black}

    def _run_others(self, adaptive: PGD) -> None:
        """Run what needs no gradient of the model, and what the user wants."""
        few = min(self.samples, 5)  # a query is no better than its draws, and there are many
        self._attack("Square", Square(queries=self.plan.queries, samples=few))
        self._attack("noise", Noise(tries=self.plan.tries, samples=few))
        if self.surrogate is not None:
            self._attack("transfer", Transfer(self.surrogate, adaptive))
        for number, attack in enumerate(self.others, start=1):
            version = attack.settings().get("version", "")
            name = f"{attack.name} {version}".strip()
            self._attack(name if name not in self._attacks() else f"{name} ({number})", attack)

    def _gradients(self) -> Iterator[Finding]:
        samples = self.plan.gradient_samples if self.random else 1
        entropy, margin = (
            gradient_statistics(self.trial, loss=loss, samples=samples, **self.how)
            for loss in ("cross_entropy", "margin")
        )
        yield checks.gradients_exist(entropy, margin)
        if self.random:
            yield checks.gradients_stand_out(margin, self.samples)

    def _of_randomness(self, attacked: Result) -> Iterator[Finding]:
        """Compare numbers of draws, and one initial state with all of them."""
        adaptive = {number: self.plan.adaptive(number, 1) for number in self.plan.sweep}
        yield checks.draws_level_off(
            {number: self._attack(f"PGD, {number} draws", adaptive[number]) for number in adaptive}
        )
        pinned, one = self.trial.model.pinned(), self.plan.adaptive(1)
        fixed = self.trial.on(pinned)
        yield checks.fixed_against_random(
            self._run("clean, fixed", Clean(), fixed),
            self._run("PGD, fixed", one, fixed),
            self._run("PGD, fixed to random", Transfer(pinned, one)),
            attacked,
        )

    def _of_strength(self, attacked: Result) -> Iterator[Finding]:
        everything = self.trial.under(Threat("Linf", 1.0))
        unbounded = self.plan.adaptive(self.samples, 1)
        yield checks.unbounded_breaks_all(self._run("PGD, unbounded", unbounded, everything))
        yield checks.black_box_is_weaker(self.white, self.black)
        yield checks.steps_level_off(attacked)
