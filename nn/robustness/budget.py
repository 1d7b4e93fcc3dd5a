"""What is looked at, and how much is spent on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kuramoto._check import invalid, nearest, whole_number
from kuramoto.nn.attacks import VERSIONS, AutoAttack, Threat
from kuramoto.nn.audit import Plan
from kuramoto.nn.data.images import COMMON, EXTRA

__all__ = ["BUDGETS", "Budget"]

_CHOICES = ("auto", "none", *VERSIONS)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What an examination looks at, and how much it spends.

    Attributes
    ----------
    norm, eps
        Of the threat (`kuramoto.nn.attacks.Threat`).
    images : int
        That are attacked, spread evenly.
    noise : tuple of float
        ε of uniform noise in ±ε.
    corruptions : tuple of str
        Common corruptions; none: an empty tuple.
    severities : tuple of int
        Of corruptions, 1 to 5.
    autoattack : {"auto", "none", "standard", "plus", "rand"}
        Version of AutoAttack; auto: "rand" of a stochastic model, else "standard".
    steps, samples, queries : int
        Of AutoAttack.
    plan : Plan
        Of the audit; None: no attack at all.
    examples : int
        Images that are shown with what PGD makes of them.
    batch : int
        Images computed at once; random initial states depend on it.
    draws : int
        Of random numbers that each attacked image is judged by.
    seed : int

    Raises
    ------
    ValueError
        If ε is outside 0 ... 1, or a name or number cannot be meant.

    Examples
    --------
    >>> Budget(eps=4 / 255).threat
    Threat(norm='Linf', eps=0.01568627450980392)
    """

    norm: str = "Linf"
    eps: float = 8 / 255
    images: int = 500
    noise: tuple[float, ...] = (16 / 255, 32 / 255, 64 / 255)
    corruptions: tuple[str, ...] = COMMON
    severities: tuple[int, ...] = (5,)
    autoattack: str = "auto"
    steps: int = 100
    samples: int = 20
    queries: int = 5000
    plan: Plan | None = field(default_factory=Plan)
    examples: int = 8
    batch: int = 100
    draws: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check all that no attack checks itself."""
        self.threat  # noqa: B018  (complains about what it does not take)
        for eps in self.noise:
            Threat("Linf", eps)
        for name in self.corruptions:
            _one_of("corruptions", name, COMMON + EXTRA)
        for severity in self.severities:
            if whole_number("severities", severity, least=1) > 5:
                raise invalid("severities", "be 1 to 5", f"{severity}")
        _one_of("autoattack", self.autoattack, _CHOICES)
        for name in ("images", "steps", "samples", "queries", "batch", "draws"):
            whole_number(name, getattr(self, name), least=1)
        whole_number("examples", self.examples)
        whole_number("seed", self.seed)

    @property
    def threat(self) -> Threat:
        """What attackers may do."""
        return Threat(self.norm, self.eps)

    def attack(self, random: bool) -> AutoAttack | None:
        """Return AutoAttack as asked for, for a model that is stochastic or not."""
        if self.autoattack == "none":
            return None
        usual = "rand" if random else "standard"
        version = usual if self.autoattack == "auto" else self.autoattack
        spent = {"samples": self.samples, "steps": self.steps, "queries": self.queries}
        return AutoAttack(version=version, **spent)


def _one_of(name: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise invalid(name, f"be one of {', '.join(known)}", repr(word), nearest(word, known))


BUDGETS: dict[str, Budget] = {
    # AutoAttack's published steps and queries; gradients are means over 20 draws.
    "standard": Budget(),
    # A twentieth: to see where a network stands. Its figures are too high.
    "quick": Budget(
        images=100,
        steps=20,
        samples=5,
        queries=200,
        plan=Plan(
            steps=20,
            restarts=1,
            samples=5,
            sweep=(1, 5),
            queries=200,
            tries=10,
            gradient_samples=5,
        ),
    ),
    # Seconds: to see everything work. Attacks that are this short say nothing.
    "toy": Budget(
        images=20,
        noise=(64 / 255,),
        corruptions=("gaussian_noise", "fog"),
        steps=4,
        samples=2,
        queries=20,
        plan=Plan(
            steps=4,
            restarts=1,
            samples=2,
            sweep=(1, 2),
            queries=20,
            tries=2,
            gradient_samples=2,
        ),
        examples=4,
        batch=20,
    ),
}
"""Budgets by name."""
