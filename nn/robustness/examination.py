"""Put a classifier to all tests of a budget."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from kuramoto._backend import Array
from kuramoto._check import invalid, whole_number
from kuramoto.nn import layout
from kuramoto.nn.attacks import Attack, Ledger, Target, Trial
from kuramoto.nn.audit import Audit, audit
from kuramoto.nn.calibration import Calibration
from kuramoto.nn.corruptions import SIZES, read_frost
from kuramoto.nn.data.images import LabelledImages
from kuramoto.nn.robustness.budget import Budget
from kuramoto.nn.robustness.report import Example, Report, Score
from kuramoto.nn.robustness.scoring import Change, as_they_are, corrupted, score, uniform_noise
from kuramoto.nn.seeds import derived_seed

__all__ = ["examine", "question"]

Published = Callable[[str, int], LabelledImages]


def examine(
    model: Any,
    images: LabelledImages,
    budget: Budget | None = None,
    *,
    name: str = "",
    device: Any = None,
    surrogate: Any = None,
    frost: str | os.PathLike[str] | Sequence[Array] | None = None,
    published: Published | None = None,
    size: int | None = None,
    kept: Ledger | None = None,
    progress: bool = False,
) -> Report:
    """Score a classifier on clean, noisy and corrupted images, attack it, audit the attacks.

    Parameters
    ----------
    model : Target or callable
        Images [B, 3, H, W] in 0 ... 1 to logits (B, K).
    images : LabelledImages
        All are scored; ``budget.images`` of them, spread evenly, are attacked.
    budget : Budget, optional
    name : str, optional
        Of the network, for the report.
    device
        Default: that of the model's parameters.
    surrogate : Target or callable, optional
        Another classifier; what fools it is tried on the model.
    frost : path or sequence of array, optional
        As for `kuramoto.nn.corruptions.corrupt`. Without it frost is left out, and the report says
        so.
    published : callable, optional
        Name and severity to images that are corrupted already
        (`kuramoto.nn.data.images.read_cifar10_c`); default: they are made.
    size : int, optional
        Whose constants corruptions have: 32, 64 or 224; default: those nearest to the images' size.
    kept : Ledger, optional
        Where what is done is kept, batch by batch: ``Partial(path, question(...))``.
    progress
        Show bars.

    Returns
    -------
    Report
        The same for the same budget.

    Raises
    ------
    ValueError
        If there are no images, the model returns no logits, has too few of them or no gradients.
    """
    if not len(images):
        raise invalid("images", "hold an image at least", "is empty")
    target = model if isinstance(model, Target) else Target(model)
    spent = Budget() if budget is None else budget
    device = torch.device(device or target.device or "cpu")
    task = _Examination(target, images, spent, device, kept, progress)
    if published is None:
        task.make_corruptions(frost, size)
    else:
        task.read_corruptions(published)
    return task.report(name or type(target.model).__name__, surrogate)


def question(model: Any, images: LabelledImages, budget: Budget, **others: Any) -> dict[str, Any]:
    """Return all that an examination's answers follow from, as plain values."""
    target = model if isinstance(model, Target) else Target(model)
    shown = {"images": images.fingerprint(), "number": len(images), "source": images.source}
    return {**target.description, **shown, "budget": asdict(budget), **others}


class _Examination:
    """One network, its images, and how far things are."""

    def __init__(
        self,
        target: Target,
        images: LabelledImages,
        budget: Budget,
        device: Any,
        kept: Ledger | None,
        progress: bool,
    ) -> None:
        self.target, self.images, self.budget, self.device = target, images, budget, device
        self.kept, self.progress = kept, progress
        self.notes: list[str] = []
        self.seconds = 0.0
        seed = budget.seed
        noises = {eps: uniform_noise(eps, seed) for eps in budget.noise}
        self.sets: list[tuple[str, float, Callable[[], LabelledImages], Change]] = [
            ("clean", 0, lambda: images, as_they_are),
            *(("noise", eps, lambda: images, change) for eps, change in noises.items()),
        ]

    def make_corruptions(self, frost: Any, size: int | None) -> None:
        """Plan corruptions of the images at hand."""
        how: dict[str, Any] = {"seed": self.budget.seed, "size": _size(size, self.images)}
        if frost is not None and "frost" in self.budget.corruptions:
            how["frost"] = read_frost(frost) if isinstance(frost, str | os.PathLike) else frost
        for severity in self.budget.severities:
            for name in self.budget.corruptions:
                if name == "frost" and frost is None:
                    continue
                change = corrupted(name, severity, **how)
                self.sets.append((name, severity, lambda: self.images, change))
        if frost is None and "frost" in self.budget.corruptions:
            self.notes.append("Frost was left out: its pictures are not here.")

    def read_corruptions(self, published: Published) -> None:
        """Plan corruptions that are there already."""
        for severity in self.budget.severities:
            for name in self.budget.corruptions:
                read = _reader(published, name, severity)
                self.sets.append((name, severity, read, as_they_are))

    def report(self, name: str, surrogate: Any) -> Report:
        """Do it all."""
        attacks = self._others()
        scores = tuple(self._scores())
        found = None if self.budget.plan is None else self._audited(surrogate, attacks)
        settings = {"model": self.target.description, "budget": asdict(self.budget)}
        return Report(
            name,
            f"{self.images.source or 'images'}, {len(self.images)}",
            scores,
            found,
            () if found is None else tuple(self._examples()),
            tuple(self.notes),
            settings,
            self.seconds,
        )

    def _scores(self) -> Iterator[Score]:
        """Yield scores; those that are kept are not computed again."""
        from tqdm import tqdm

        records = () if self.kept is None else self.kept.records
        there = {tuple(r["score"]): r for r in records if "score" in r}
        for name, level, read, change in self.sets:
            record = there.get((name, level))
            if record is None:
                bar = tqdm(
                    total=len(self.images), desc=name, unit="image", disable=not self.progress
                )
                with bar:
                    record = self._scored(name, level, read(), change, bar.update)
            self.seconds += record["seconds"]
            yield Score(name, level, Calibration.from_dict(record["calibration"]))

    def _scored(
        self, name: str, level: float, images: LabelledImages, change: Change, told: Any
    ) -> dict[str, Any]:
        began, budget = time.perf_counter(), self.budget
        how: dict[str, Any] = {"batch": budget.batch, "seed": budget.seed, "progress": told}
        found = score(self.target, images, change, device=self.device, **how).as_dict()
        seconds = time.perf_counter() - began
        record = {"score": [name, level], "calibration": found, "seconds": seconds}
        if self.kept is not None:
            self.kept.add(record)
        return record

    def _others(self) -> tuple[Attack, ...]:
        """Return AutoAttack, if it is wanted and there are classes enough for it."""
        if self.budget.plan is None:
            return ()
        first = as_they_are(0, np.ascontiguousarray(self.images.images[: self.budget.batch]))
        attack = self.budget.attack(self.target.is_random(first.to(self.device)))
        if attack is None or attack.classes <= len(self.images.names):
            return () if attack is None else (attack,)
        needed = f"AutoAttack {attack.version} needs {attack.classes} classes"
        if self.budget.autoattack != "auto":
            found = f"{attack.version!r}, of images of {len(self.images.names)} classes"
            raise invalid("autoattack", "be auto or none here", found, needed)
        self.notes.append(f"AutoAttack was left out: {needed}.")
        return ()

    def _audited(self, surrogate: Any, attacks: tuple[Attack, ...]) -> Audit:
        trial = self._trial(_spread(len(self.images), self.budget.images))
        found = audit(
            trial,
            self.budget.plan,
            surrogate=surrogate,
            others=attacks,
            kept=self.kept,
            progress=self.progress,
        )
        self.seconds += sum(result.seconds for result in found.results.values())
        return found

    def _trial(self, rows: np.ndarray) -> Trial:
        shown = self.images.take(rows)
        pixels = layout.pixels(torch.from_numpy(np.ascontiguousarray(shown.images)))
        budget = self.budget
        how: dict[str, Any] = {"draws": budget.draws, "seed": budget.seed}
        return Trial(self.target, pixels, shown.labels, budget.threat, batch=budget.batch, **how)

    def _examples(self) -> Iterator[Example]:
        """Yield some images before and after an attack."""
        plan, count = self.budget.plan, min(self.budget.examples, self.budget.batch)
        if plan is None or not count:
            return
        rows = _spread(len(self.images), count)
        trial = self._trial(rows)
        samples = plan.samples if self.target.is_random(trial.images[:1].to(self.device)) else 1
        attacked = trial.perturb(plan.adaptive(samples, 1))
        pairs = [(self._said(pixels), _levels(pixels)) for pixels in (trial.images, attacked)]
        names = self.images.names
        for i, row in enumerate(rows):
            (before, image), (after, bad) = (
                ((names[said[0][i]], float(said[1][i])), levels[i]) for said, levels in pairs
            )
            label = names[int(trial.labels[i])]
            yield Example(int(row), label, before[0], after[0], before[1], after[1], image, bad)

    def _said(self, pixels: Any) -> tuple[list[int], list[float]]:
        """Return answers and their confidence."""
        seed = derived_seed(self.budget.seed, "examples")
        with self.target.ready(self.device, seed) as query, torch.no_grad():
            confidence, answers = query(pixels.to(self.device)).float().softmax(1).max(1)
        return answers.tolist(), confidence.tolist()


def _reader(published: Published, name: str, severity: int) -> Callable[[], LabelledImages]:
    return lambda: published(name, severity)


def _spread(n: int, count: int) -> np.ndarray:
    """Return so many rows of n, spread evenly; all if there are no more."""
    return np.unique(np.linspace(0, n - 1, min(count, n)).round().astype(int))


def _levels(pixels: Any) -> np.ndarray:
    """Return images as uint8 (n, H, W, 3)."""
    return np.asarray((255 * pixels.cpu()).round().byte().permute(0, 2, 3, 1).contiguous().numpy())


def _size(size: int | None, images: LabelledImages) -> int:
    """Return whose constants fit best."""
    if size is not None:
        return whole_number("size", size, least=1)
    side = max(images.images.shape[1:3])
    return min(SIZES, key=lambda known: abs(np.log(known / side)))
