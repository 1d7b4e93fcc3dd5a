"""Attacks along the gradient: FGSM and PGD, from several starts, averaged over randomness."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch

from kuramoto._check import invalid, nearest, real_number, whole_number
from kuramoto.nn.attacks.losses import Loss, loss_named, margin
from kuramoto.nn.seeds import derived_seed

if TYPE_CHECKING:
    from kuramoto.nn.attacks.target import Query
    from kuramoto.nn.attacks.threat import Threat

__all__ = ["FGSM", "KEEP", "PGD", "Best", "Perturbed", "Seen", "look", "loss_gradient"]

Tensor = Any

KEEP = ("best", "last")
"""Which image of a run PGD takes: the worst classified one, or the one it ends with."""

_LOOKS = 4  # an image that a stochastic model knows is wrong by chance once, not four times


class Perturbed(NamedTuple):
    """What an attack makes of images.

    Attributes
    ----------
    images : tensor, shape [B, ...]
    curve : tensor, shape (restarts, steps + 1, B), or None
        Fraction of an attack's own draws that is still right on the best image so far.
    notes : tuple of str
        What the attack has to say.
    held : tensor of bool, shape (B,), or None
        Images that are still right by the attack's own count.
    """

    images: Tensor
    curve: Tensor | None = None
    notes: tuple[str, ...] = ()
    held: Tensor | None = None


class Seen(NamedTuple):
    """What some draws say of images: fraction of them that is wrong, and mean margin, (B,)."""

    wrong: Tensor
    margin: Tensor

    def beats(self, other: Seen) -> Tensor:
        """Return where it is better for the attacker: more draws wrong, then a larger margin."""
        further = (self.wrong == other.wrong) & (self.margin > other.margin)
        return (self.wrong > other.wrong) | further

    def at(self, rows: Tensor) -> Seen:
        """Return what it says of some rows."""
        return Seen(self.wrong[rows], self.margin[rows])


class Best:
    """The worst classified images so far."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.clone()
        self.seen = Seen(images.new_zeros(len(images)), images.new_full((len(images),), -torch.inf))

    @classmethod
    def from_clean(cls, query: Query, images: Tensor, labels: Tensor, samples: int) -> Best:
        """Begin with the images themselves: what is wrong already needs no attack."""
        best, rows = cls(images), torch.arange(len(images), device=images.device)
        best.offer(rows, images, look(query, images, labels, max(samples, _LOOKS)))
        return best

    def offer(self, rows: Tensor, images: Tensor, seen: Seen, *, always: bool = False) -> None:
        """Take those of some rows that are better (or all that are offered)."""
        better = seen.beats(self.seen.at(rows)) | always
        taken, (wrong, far) = rows[better], seen.at(better)
        self.images[taken], self.seen.wrong[taken] = images[better], wrong
        self.seen.margin[taken] = far

    def standing(self, query: Query) -> Tensor:
        """Return the rows to go on with: those not wrong in every draw, where rows may go."""
        rows = torch.arange(len(self.images), device=self.images.device)
        return rows[self.seen.wrong < 1] if query.any_rows else rows


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Projected gradient ascent of a loss: x ← project(x + α·steepest direction).

    Attributes
    ----------
    steps : int
    restarts : int
        Runs, each from another start; images that every draw gets wrong are left out of the next,
        and of the first those that are wrong as they are.
    samples : int
        Draws of the model's random numbers that each gradient is a mean over: expectation over
        transformation (EoT). 1 is enough for a deterministic model.
    step_size : float, optional
        α as a fraction of ε; default 2.5/steps.
    decay : bool
        Let α fall linearly to 0.
    loss : {"cross_entropy", "margin", "dlr"}
    random_start : bool
        Begin at random points of the ball, not at the images.
    keep : {"best", "last"}
        Of a run's images, the worst classified one or the last.

    References
    ----------
    Madry et al. (2018), Towards deep learning models resistant to adversarial attacks, 2.1.
    Athalye, Engstrom, Ilyas & Kwok (2018), Synthesizing robust adversarial examples, 2.2 (EoT).

    Examples
    --------
    >>> PGD(steps=20, restarts=5, samples=20).settings()["samples"]
    20
    """

    steps: int = 40
    restarts: int = 1
    samples: int = 1
    step_size: float | None = None
    decay: bool = False
    loss: str = "cross_entropy"
    random_start: bool = True
    keep: str = "best"

    name: ClassVar[str] = "PGD"
    black_box: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check all."""
        for name in ("steps", "restarts", "samples"):
            whole_number(name, getattr(self, name), least=1)
        if self.step_size is not None:
            real_number("step_size", self.step_size, positive=True)
        loss_named(self.loss)
        if self.keep not in KEEP:
            must = f"be one of {', '.join(KEEP)}"
            raise invalid("keep", must, repr(self.keep), nearest(str(self.keep), KEEP))

    def settings(self) -> dict[str, Any]:
        """Return all of it, as plain values."""
        return {"attack": self.name, **asdict(self)}

    def __call__(
        self, query: Query, images: Tensor, labels: Tensor, threat: Threat, seed: int
    ) -> Perturbed:
        """Return perturbed images."""
        last = self.keep == "last"
        best = Best(images) if last else Best.from_clean(query, images, labels, self.samples)
        right = torch.zeros(self.restarts, self.steps + 1, len(images), device=images.device)
        for restart in range(self.restarts):
            rows = best.standing(query)
            right[restart] = 1 - best.seen.wrong
            generator = torch.Generator(images.device)
            generator.manual_seed(derived_seed(seed, "start", restart))
            if len(rows):
                here = (query, images[rows], labels[rows], threat)
                self._run(here, best, rows, right[restart], generator)
        return Perturbed(best.images, right)

    def _run(
        self, here: tuple[Any, ...], best: Best, rows: Tensor, right: Tensor, generator: Any
    ) -> None:
        query, images, labels, threat = here
        loss, run = loss_named(self.loss), Best(images)
        own = torch.arange(len(rows), device=rows.device)
        x = threat.random(images, generator) if self.random_start else images.clone()
        for step in range(self.steps + 1):
            last = step == self.steps
            if last:
                seen = look(query, x, labels, self.samples)
            else:
                gradient, seen = loss_gradient(query, x, labels, loss, self.samples)
            run.offer(own, x, seen, always=self.keep == "last")
            right[step, rows] = torch.minimum(right[step, rows], 1 - run.seen.wrong)
            if not last:
                x = threat.project(images, x + self._size(step, threat) * threat.steepest(gradient))
        # Runs are compared by fresh draws: those that chose an image flatter it.
        best.offer(rows, run.images, look(query, run.images, labels, self.samples))

    def _size(self, step: int, threat: Threat) -> float:
        relative = 2.5 / self.steps if self.step_size is None else self.step_size
        return threat.eps * relative * (1 - step / self.steps if self.decay else 1)


def FGSM(*, samples: int = 1, loss: str = "cross_entropy") -> PGD:
    """Return the fast gradient sign method: one step of length ε from the image.

    References
    ----------
    Goodfellow, Shlens & Szegedy (2015), Explaining and harnessing adversarial examples, 4.

    Examples
    --------
    >>> FGSM().steps
    1
    """
    return PGD(steps=1, samples=samples, step_size=1.0, loss=loss, random_start=False)


def loss_gradient(
    query: Query, images: Tensor, labels: Tensor, loss: Loss, samples: int
) -> tuple[Tensor, Seen]:
    """Return the gradient of a loss by images, mean over draws, and what the draws say.

    Raises
    ------
    ValueError
        If logits do not depend on images differentiably.
    """
    gradient, wrong, far = torch.zeros_like(images), 0, 0
    for _ in range(samples):
        one, logits = one_gradient(query, images, labels, loss)
        gradient += torch.nan_to_num(one, 0.0, 0.0, 0.0)
        wrong = wrong + (logits.argmax(1) != labels).to(images.dtype)
        far = far + margin(logits, labels).to(images.dtype)
    return gradient / samples, Seen(wrong / samples, far / samples)


def one_gradient(query: Query, images: Tensor, labels: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """Return the gradient of one draw, as it is, and its logits."""
    x = images.detach().requires_grad_()
    with torch.enable_grad():
        logits = query(x)
        value = loss(logits, labels).sum()
    found = None
    if value.requires_grad:
        (found,) = torch.autograd.grad(value, [x], allow_unused=True)
    if found is None:
        remedy = "attack it with Square or Noise, or by Transfer from a surrogate"
        must = "have gradients with respect to images for this attack"
        raise invalid("model", must, "it has none", remedy)
    return found, logits.detach()


def look(query: Query, images: Tensor, labels: Tensor, samples: int) -> Seen:
    """Return what some draws say of images, without gradients."""
    with torch.no_grad():
        draws = [query(images) for _ in range(samples)]
    wrong = torch.stack([logits.argmax(1) != labels for logits in draws]).to(images.dtype)
    margins = torch.stack([margin(logits, labels) for logits in draws]).to(images.dtype)
    return Seen(wrong.mean(0), margins.mean(0))
