"""One model, some images, one threat: what withstands each attack, batch by batch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from kuramoto._check import invalid, message, whole_number, wrong_type
from kuramoto.nn.attacks.gradient import Perturbed
from kuramoto.nn.attacks.simple import Clean
from kuramoto.nn.attacks.target import Query, Target
from kuramoto.nn.attacks.threat import Threat
from kuramoto.nn.seeds import derived_seed

__all__ = ["Attack", "Ledger", "Result", "Trial"]

Tensor = Any
Record = dict[str, Any]


class Attack(Protocol):
    """What makes images worse: `PGD`, `Square`, ..., or your own.

    Attributes
    ----------
    name : str
    black_box : bool
        Whether it asks for logits only.
    """

    name: ClassVar[str]
    black_box: ClassVar[bool]

    def settings(self) -> dict[str, Any]:
        """Return all that it does, as plain values."""
        ...

    def __call__(
        self, query: Query, images: Tensor, labels: Tensor, threat: Threat, seed: int
    ) -> Perturbed:
        """Return perturbed images."""
        ...


class Ledger(Protocol):
    """Where records of batches are kept: `kuramoto.nn.tasks.partial.Partial`, for one."""

    records: list[Record]

    def add(self, record: Record) -> None:
        """Keep one more."""
        ...


@dataclass(frozen=True)
class Result:
    """What is left of a model's accuracy under one attack.

    Attributes
    ----------
    settings
        Of the attack, the threat, and whether random numbers were fixed.
    right : tuple of float
        For each image, the fraction of draws that is right.
    distance : tuple of float
        How far each image was moved, in the threat's norm.
    curve : tuple of tuple of float, or None
        For each restart and step of PGD, the accuracy by the attack's own draws so far.
    held : tuple of bool, or None
        Images that are still right by the attack's own count, where it has one (`AutoAttack`).
    notes : tuple of str
        What the attack said, each thing once.
    seconds
        Computing time.
    """

    settings: dict[str, Any]
    right: tuple[float, ...]
    distance: tuple[float, ...]
    curve: tuple[tuple[float, ...], ...] | None
    held: tuple[bool, ...] | None
    notes: tuple[str, ...]
    seconds: float

    @property
    def accuracy(self) -> float:
        """Mean over images."""
        return float(np.mean(self.right))

    @property
    def error(self) -> float:
        """Standard error of the accuracy, images being a sample; NaN of one image."""
        n = len(self.right)
        return float(np.std(self.right, ddof=1) / n**0.5) if n > 1 else float("nan")

    @property
    def threat(self) -> Threat | None:
        """What the attack was allowed; None where there was none."""
        clean = self.settings["attack"] == Clean.name
        return None if clean else Threat(**self.settings["threat"])

    @property
    def own_accuracy(self) -> float | None:
        """Accuracy by the attack's own count; None where it has none."""
        return None if self.held is None else float(np.mean(self.held))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        head = {"accuracy": self.accuracy, "error": self.error, "own_accuracy": self.own_accuracy}
        return head | asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Result:
        """Return what `as_dict` was made of."""
        kept = {field.name: plain[field.name] for field in fields(cls)}
        for name in ("right", "distance", "held", "notes"):
            kept[name] = None if kept[name] is None else tuple(kept[name])
        curve = kept["curve"]
        return cls(**kept | {"curve": None if curve is None else tuple(map(tuple, curve))})

    def __str__(self) -> str:
        """Return one line."""
        name = f"{self.settings['attack']} {self.settings.get('version', '')}"
        threat = "" if self.threat is None else str(self.threat)
        found = f"{100 * self.accuracy:6.2f} % ± {100 * self.error:.2f}"
        return f"{name:20} {threat:14} {found}, {len(self.right)} images"


@dataclass(frozen=True)
class Trial:
    """A model before its attackers. All that is random follows from the seed.

    Attributes
    ----------
    model : Target or callable
        Images [B, ...] in 0 ... 1 to logits (B, K), deterministic or not.
    images : tensor or array, shape (n, ...)
        In 0 ... 1; for images, (n, C, H, W).
    labels : tensor or array of integers, shape (n,)
    threat : Threat
    batch : int
        Images at once.
    draws : int
        Of a stochastic model's random numbers that every image is judged by, the same for all
        attacks and none of them the attack's own. Accuracy is the mean over images and draws.
    seed : int

    Raises
    ------
    TypeError, ValueError
        If images are not in 0 ... 1, or labels do not fit them.

    Examples
    --------
    >>> images = torch.rand(8, 1, 4, 4)
    >>> trial = Trial(torch.nn.Flatten(), images, torch.arange(8), Threat("Linf", 0.1))
    >>> len(trial.clean().right)
    8
    """

    model: Any
    images: Any
    labels: Any
    threat: Threat
    batch: int = 100
    draws: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check all, and make tensors of arrays."""
        if not isinstance(self.model, Target):
            object.__setattr__(self, "model", Target(self.model))
        if not isinstance(self.threat, Threat):
            raise wrong_type("threat", "be a Threat", self.threat)
        object.__setattr__(self, "images", _images(self.images))
        object.__setattr__(self, "labels", _labels(self.labels, len(self.images)))
        for name, least in (("batch", 1), ("draws", 1), ("seed", 0)):
            whole_number(name, getattr(self, name), least=least)

    @property
    def question(self) -> dict[str, Any]:
        """All that results follow from, but for attack, threat and what is fixed.

        Any number of them may share a partial file: their records say what they answer.
        """
        return {
            "target": self.model.description,
            "images": _digest(self.images),
            "labels": _digest(self.labels),
            "batch": self.batch,
            "draws": self.draws,
            "seed": self.seed,
        }

    def on(self, model: Target | Callable[..., Tensor]) -> Trial:
        """Return the same trial of another model."""
        return replace(self, model=model)

    def under(self, threat: Threat) -> Trial:
        """Return the same trial under another threat."""
        return replace(self, threat=threat)

    def clean(self, *, kept: Ledger | None = None, progress: bool = False) -> Result:
        """Return the result of no attack."""
        return self.run(Clean(), kept=kept, progress=progress)

    def run(self, attack: Attack, *, kept: Ledger | None = None, progress: bool = False) -> Result:
        """Attack all images, and judge them by fresh draws.

        Parameters
        ----------
        attack : Attack
        kept : Ledger, optional
            Takes a record of every batch that is done, and gives those that are there:
            ``Partial(path, trial.question)``.
        progress
            Show a bar.

        Returns
        -------
        Result
            The same for the same seed and batch.

        Raises
        ------
        ValueError
            If the model returns no logits, has fewer classes than labels, or has no gradients that
            the attack could follow.
        """
        asked = self._asked(attack)
        records = list(
            self.batches(asked, lambda *part: self._attacked(attack, *part), kept, progress)
        )
        curves = [(record["images"], record["curve"]) for record in records if record["curve"]]
        return Result(
            settings=asked,
            right=tuple(v for record in records for v in record["right"]),
            distance=tuple(v for record in records for v in record["distance"]),
            curve=_mean_curve(curves),
            held=_joined(record["held"] for record in records),
            notes=tuple(dict.fromkeys(note for record in records for note in record["notes"])),
            seconds=sum(record["seconds"] for record in records),
        )

    def perturb(self, attack: Attack, first: int = 0) -> Tensor:
        """Return the perturbed images of one batch, that which begins at image `first`."""
        images, labels = self._part(first)
        return self._perturbed(attack, first, images, labels).images

    def batches(
        self,
        asked: dict[str, Any],
        answer: Callable[[int, Tensor, Tensor], Record],
        kept: Ledger | None = None,
        progress: bool = False,
    ) -> Iterator[Record]:
        """Yield a record of each batch: one that is kept, or else what `answer` makes of it.

        Parameters
        ----------
        asked
            What the records answer, as plain values.
        answer : callable
            First image, images [B, ...] on the model's device and labels to plain values.
        kept, progress
            As for `run`.
        """
        from tqdm import tqdm

        there = {r["first"]: r for r in (kept.records if kept else ()) if r.get("asked") == asked}
        name = str(asked.get("attack", ""))
        with tqdm(total=len(self.images), unit="image", desc=name, disable=not progress) as bar:
            for first in range(0, len(self.images), self.batch):
                record = there.get(first)
                if record is None:
                    record = self._answered(asked, answer, first)
                    if kept is not None:
                        kept.add(record)
                bar.update(record["images"])
                yield record

    def _answered(self, asked: dict[str, Any], answer: Callable[..., Record], first: int) -> Record:
        images, labels = self._part(first)
        began, record = time.perf_counter(), {"asked": asked, "first": first, "images": len(images)}
        record |= answer(first, images, labels)
        return record | {"seconds": time.perf_counter() - began}

    def _asked(self, attack: Attack) -> dict[str, Any]:
        fixed = {"fixed": True, "fixed_seed": self.model.seed} if self.model.fixed else {}
        return {**attack.settings(), "threat": asdict(self.threat), **fixed}

    def _part(self, first: int) -> tuple[Tensor, Tensor]:
        rows, device = slice(first, first + self.batch), self.model.device
        return self.images[rows].to(device), self.labels[rows].to(device)

    def _perturbed(self, attack: Attack, first: int, images: Tensor, labels: Tensor) -> Perturbed:
        seed = derived_seed(self.seed, "attack", first)
        with self.model.ready(images.device, seed) as query:
            found = attack(query, images, labels, self.threat, seed)
        # Whatever an attack does, or rounds, what is judged is allowed.
        return found._replace(images=self.threat.project(images, found.images.detach()))

    def _attacked(self, attack: Attack, first: int, images: Tensor, labels: Tensor) -> Record:
        found = self._perturbed(attack, first, images, labels)
        curve = None if found.curve is None else found.curve.mean(2).tolist()
        return {
            "right": self._judged(first, found.images, labels).tolist(),
            "distance": self.threat.distance(images, found.images).tolist(),
            "curve": curve,
            "held": None if found.held is None else found.held.tolist(),
            "notes": list(found.notes),
        }

    def _judged(self, first: int, images: Tensor, labels: Tensor) -> Tensor:
        """Return the fraction of draws that is right on each image, (B,)."""
        seed = derived_seed(self.seed, "judge", first)
        with self.model.ready(images.device, seed) as query, torch.no_grad():
            right = [_right(query(images), labels) for _ in range(self.draws)]
        return torch.stack(right).double().mean(0)


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    if int(labels.max()) >= logits.shape[1]:
        must = f"be classes 0 ... {logits.shape[1] - 1} of the model"
        raise invalid("labels", must, f"holds {int(labels.max())}")
    return logits.argmax(1) == labels


def _joined(parts: Iterable[list[bool] | None]) -> tuple[bool, ...] | None:
    """Return all parts in a row, if each is there."""
    found: list[bool] = []
    for part in parts:
        if part is None:
            return None
        found += part
    return tuple(found)


def _mean_curve(curves: list[tuple[int, Any]]) -> tuple[tuple[float, ...], ...] | None:
    if not curves:
        return None
    sizes, values = zip(*curves, strict=True)
    mean = np.average(np.asarray(values), axis=0, weights=sizes)
    return tuple(tuple(row) for row in mean.tolist())


def _images(images: Any) -> Tensor:
    found = torch.as_tensor(images).detach()
    if not found.is_floating_point():
        remedy = "divide bytes by 255"
        text = message("images", "hold floats in 0 ... 1", f"has dtype {found.dtype}", remedy)
        raise TypeError(text)
    if found.ndim < 2 or not found.numel():
        must = "have shape (n, C, H, W), with an image at least"
        raise invalid("images", must, f"has shape {tuple(found.shape)}")
    low, high = float(found.min()), float(found.max())
    if not (low >= 0 and high <= 1):  # also where there is NaN
        remedy = "attacks work on images before they are normalised"
        raise invalid("images", "be in 0 ... 1", f"holds {low:g} ... {high:g}", remedy)
    return found.contiguous()  # attacks flatten images, and what lies beside them, as views


def _labels(labels: Any, n: int) -> Tensor:
    found = torch.as_tensor(labels).detach()
    if found.is_floating_point() or found.dtype == torch.bool:
        raise TypeError(message("labels", "hold integers", f"has dtype {found.dtype}"))
    if found.shape != (n,):
        must = f"have shape ({n},), one for each image"
        raise invalid("labels", must, f"has shape {tuple(found.shape)}")
    if int(found.min()) < 0:
        raise invalid("labels", "be classes from 0 on", f"holds {int(found.min())}")
    return found.long()


def _digest(values: Tensor) -> str:
    plain = values.cpu().contiguous()
    text = f"{plain.dtype} {tuple(plain.shape)}".encode()
    return hashlib.sha256(text + plain.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()[
        :16
    ]
