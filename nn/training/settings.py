"""How to train: plain values, checked once."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from kuramoto._check import invalid, nearest, real_number, whole_number

_Values = TypeVar("_Values")

OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("float32", "bfloat16")
STRATEGIES = ("auto", "ddp", "fsdp")


@dataclass(frozen=True)
class Settings:
    r"""How to train.

    Parameters
    ----------
    steps
        Optimiser steps in all.
    minutes
        Stop after this time of training, summed over all resumed parts; None: never.
    batch
        Examples per optimiser step, over all devices and parts.
    accumulate
        Parts into which a device cuts its share of a batch, to save memory.
    optimizer
        ``"adam"`` or ``"adamw"`` (which decays weights apart from the gradient).
    learning_rate, weight_decay
        Of the optimiser.
    warmup
        Steps over which the learning rate rises linearly.
    schedule
        ``"constant"``, or ``"cosine"``: down to 0 at the last step.
    clip
        Largest norm of the gradient; 0: any.
    ema, ema_every, ema_after
        Exponential moving average of the weights, the ones that are evaluated: every `ema_every`
        steps :math:`\bar w \leftarrow \beta_k \bar w + (1 - \beta_k) w`, where
        :math:`\beta_k = \min(\mathtt{ema}, 1 - (1 + k - \mathtt{ema\_after})^{-2/3})` at step k and
        0 until `ema_after`. ``ema = 0``: no average.
    precision
        ``"float32"``, or ``"bfloat16"``: automatic mixed precision.
    seed
        Decides initial weights, order of the data, augmentations and noise.
    log_every, validate_every
        Steps between rows of ``metrics.csv``, and between evaluations of the held-out examples
        (0: at the end only).
    checkpoint_every, checkpoint_minutes
        Steps and minutes between checkpoints, whichever comes first (0: not by this measure).
    keep
        Checkpoints kept, the newest; 0: all.
    devices, strategy
        Processes, and how they share the work: each with all weights (``"auto"``, ``"ddp"``) or
        with a shard of weights, average and optimiser (``"fsdp"``).

    Examples
    --------
    >>> Settings(steps=100).with_changes({"learning_rate": "2e-3"}).learning_rate
    0.002
    """

    steps: int = 9000
    minutes: float | None = None
    batch: int = 100
    accumulate: int = 1
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: int = 0
    schedule: str = "constant"
    clip: float = 1.0
    ema: float = 0.995
    ema_every: int = 10
    ema_after: int = 100
    precision: str = "float32"
    seed: int = 0
    log_every: int = 10
    validate_every: int = 0
    checkpoint_every: int = 500
    checkpoint_minutes: float = 5.0
    keep: int = 2
    devices: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        for name in ("steps", "batch", "accumulate", "ema_every", "log_every", "devices"):
            whole_number(name, getattr(self, name), least=1)
        for name in ("warmup", "ema_after", "seed", "validate_every", "checkpoint_every", "keep"):
            whole_number(name, getattr(self, name))
        real_number("learning_rate", self.learning_rate, positive=True)
        if self.minutes is not None:
            real_number("minutes", self.minutes, positive=True)
        for name in ("weight_decay", "clip", "checkpoint_minutes"):
            if real_number(name, getattr(self, name)) < 0:
                raise invalid(name, "not be negative", f"{getattr(self, name):g}")
        if not 0 <= real_number("ema", self.ema) < 1:
            raise invalid("ema", "lie in [0, 1)", f"{self.ema:g}", "0 keeps no average")
        _require_one_of("optimizer", self.optimizer, OPTIMIZERS)
        _require_one_of("schedule", self.schedule, SCHEDULES)
        _require_one_of("precision", self.precision, PRECISIONS)
        _require_one_of("strategy", self.strategy, STRATEGIES)
        if self.batch % (self.devices * self.accumulate):
            pieces = f"{self.devices} devices x {self.accumulate} parts"
            raise invalid("batch", f"be a multiple of {pieces}", f"{self.batch}")

    def with_changes(self, changes: Mapping[str, Any]) -> Settings:
        """Return settings with some values changed; text is read as the field's type."""
        return changed(self, changes)

    @property
    def part(self) -> int:
        """Examples that one device takes through the model at once."""
        return self.batch // (self.devices * self.accumulate)

    def ema_decay(self, step: int) -> float:
        """Return how much of the average survives the update at a step (from 0).

        Examples
        --------
        >>> [round(Settings().ema_decay(step), 4) for step in (0, 100, 110, 10**5)]
        [0.0, 0.0, 0.7978, 0.995]
        """
        after = step - self.ema_after
        return min(self.ema, 1 - (1 + after) ** (-2 / 3)) if after > 0 else 0.0

    def rate(self, step: int) -> float:
        """Return the learning rate at a step (from 0) as a fraction of `learning_rate`.

        Examples
        --------
        >>> Settings(steps=10, warmup=4, schedule="cosine").rate(1)
        0.5
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        left = max(self.steps - self.warmup, 1)
        return 0.5 * (1 + math.cos(math.pi * min((step - self.warmup) / left, 1.0)))


def changed(values: _Values, changes: Mapping[str, Any]) -> _Values:
    """Return a dataclass of plain values with some of them changed, as on the command line.

    Raises
    ------
    ValueError
        If there is no such value, or if a text cannot be read as one.

    Examples
    --------
    >>> changed(Settings(), {"clip": "0.5", "schedule": "cosine"}).clip
    0.5

    Several values of one setting are written with commas: ``model.channels=64,128,256``.
    """
    kinds = typing.get_type_hints(type(values))
    for name in changes:
        if name not in kinds:
            raise ValueError(f"There is no setting `{name}`; {nearest(name, kinds)}")
    read = {name: _read(name, value, kinds[name]) for name, value in changes.items()}
    return typing.cast(_Values, dataclasses.replace(typing.cast(Any, values), **read))


def _require_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise invalid(name, "be one of " + ", ".join(known), repr(value))


def _read(name: str, value: Any, kind: Any) -> Any:
    """Read a text as a value of a type; other values, and types of other sorts, pass."""
    if not isinstance(value, str):
        return value
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        return tuple(_read(name, part.strip(), inner) for part in value.split(","))
    kinds = set(typing.get_args(kind)) or {kind}
    if type(None) in kinds and value.lower() in ("none", "null"):
        return None
    if bool in kinds and value.lower() in ("true", "false"):
        return value.lower() == "true"
    for number in (int, float):
        if number in kinds:
            try:
                return number(value)
            except ValueError:
                continue
    if str in kinds:
        return value
    words = " or ".join(sorted(getattr(one, "__name__", str(one)) for one in kinds))
    raise invalid(name, f"be of type {words}", repr(value))
