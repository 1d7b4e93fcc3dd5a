"""AutoAttack, as its authors run it: through the library pyautoattack."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kuramoto._check import invalid, nearest, whole_number
from kuramoto.nn.attacks.gradient import Perturbed, one_gradient
from kuramoto.nn.attacks.losses import margin
from kuramoto.nn.seeds import derived_seed

if TYPE_CHECKING:
    from kuramoto.nn.attacks.target import Query
    from kuramoto.nn.attacks.threat import Threat

__all__ = ["VERSIONS", "AutoAttack"]

Tensor = Any

VERSIONS = ("standard", "plus", "rand")
"""APGD-CE, targeted APGD-DLR, targeted FAB and Square; all of them with more restarts, and
untargeted; APGD-CE and APGD-DLR with every gradient a mean over draws."""

_CLASSES = {"standard": 4, "plus": 4, "rand": 3}  # the DLR loss ranks so many logits
_TARGETS = 9


@dataclass(frozen=True, kw_only=True)
class AutoAttack:
    """The ensemble of parameter-free attacks that robustness is compared by.

    The library counts an image as broken if one draw is wrong once, and tries each image several
    times: of a stochastic model this finds less robustness than a fresh draw would. `Trial` judges
    the images anew, and `Result.own_accuracy` is what the library counted.

    Attributes
    ----------
    version : {"standard", "plus", "rand"}
        "rand" is the one for stochastic models.
    samples : int
        Draws that a gradient of "rand" is a mean over (EoT).
    steps : int
        Of APGD and FAB; the published figures have 100.
    queries : int
        Of Square; the published figures have 5,000.

    References
    ----------
    Croce & Hein (2020), Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks, ICML.

    Examples
    --------
    >>> AutoAttack(version="rand").settings()["samples"]
    20
    """

    version: str = "standard"
    samples: int = 20
    steps: int = 100
    queries: int = 5000

    name: ClassVar[str] = "AutoAttack"
    black_box: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check all."""
        if self.version not in VERSIONS:
            must = f"be one of {', '.join(VERSIONS)}"
            remedy = nearest(str(self.version), VERSIONS)
            raise invalid("version", must, repr(self.version), remedy)
        for name in ("samples", "steps", "queries"):
            whole_number(name, getattr(self, name), least=1)

    @property
    def classes(self) -> int:
        """How many classes there must be."""
        return _CLASSES[self.version]

    def settings(self) -> dict[str, Any]:
        """Return all of it that counts for the version, as plain values."""
        unused = "queries" if self.version == "rand" else "samples"
        kept = {name: value for name, value in asdict(self).items() if name != unused}
        return {"attack": self.name, **kept}

    def __call__(
        self, query: Query, images: Tensor, labels: Tensor, threat: Threat, seed: int
    ) -> Perturbed:
        """Return perturbed images; those that were not broken as they are.

        Raises
        ------
        ImportError
            If pyautoattack is not installed.
        ValueError
            If the model has no gradients, too few classes, or random numbers fixed by place.
        """
        library = _library()
        if not query.any_rows:
            remedy = "pin a model with an initial state x0, or use PGD"
            must = "not have random numbers that belong to places in a batch"
            raise invalid("model", must, "is pinned by seeding it anew", remedy)
        _, logits = one_gradient(query, images[:1], labels[:1], margin)
        classes = logits.shape[1]
        if classes < self.classes:
            must = f"have {self.classes} classes or more for AutoAttack {self.version}"
            raise invalid("model", must, f"has {classes}", "use PGD with loss='margin'")
        if threat.eps == 0:
            return Perturbed(images)
        notes: list[str] = []
        with _heard(notes):
            attacker = self._attacker(library, query, images, threat, seed, classes)
            perturbed, answers = attacker.run_standard_evaluation(
                images, labels, batch_size=len(images)
            )
        return Perturbed(perturbed.detach(), notes=tuple(notes), held=answers == labels)

    def _attacker(
        self, library: Any, query: Any, images: Tensor, threat: Threat, seed: int, classes: int
    ) -> Any:
        """Return the library's attack, with our budget."""
        attacker = library.AutoAttack(
            query,
            norm=threat.norm,
            eps=threat.eps,
            # The library hands it on to NumPy's and PyTorch's generators: 32 bits.
            seed=derived_seed(seed, "AutoAttack") % 2**32,
            version=self.version,
            device=images.device,
        )
        for search in (attacker.apgd, attacker.apgd_targeted):
            # As its constructor derives them from the number of steps.
            search.n_iter = search.n_iter_orig = self.steps
            search.n_iter_2 = max(int(0.22 * self.steps), 1)
            search.n_iter_min = max(int(0.06 * self.steps), 1)
            search.size_decr = max(int(0.03 * self.steps), 1)
        attacker.fab.n_iter, attacker.square.n_queries = self.steps, self.queries
        for search in (attacker.fab, attacker.apgd_targeted):
            search.n_target_classes = min(_TARGETS, classes - 1)
        if self.version == "rand":
            attacker.apgd.eot_iter = self.samples
        return attacker


def _library() -> Any:
    try:
        return importlib.import_module("pyautoattack")
    except ImportError as error:
        must = "AutoAttack needs the package pyautoattack"
        raise ImportError(f'{must}; pip install "kuramoto-spheres[attacks]".') from error


class _Notes(logging.Handler):
    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        said = " ".join(record.getMessage().split())
        if said not in self._notes:
            self._notes.append(said)


@contextmanager
def _heard(notes: list[str]) -> Iterator[None]:
    """Collect the library's warnings, and put back what it takes: tracers, what logs go to."""
    logger, tracer = logging.getLogger("auto-attack"), sys.gettrace()
    handler, before = _Notes(notes), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        sys.settrace(tracer)
        logger.removeHandler(handler)
        logger.propagate = before
