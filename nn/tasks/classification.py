"""Classification: cross-entropy on augmented images; or SimCLR, to begin from.

The settings of the paper (Miyato et al. 2025, section 4.3 and appendix) and others are ``PRESETS``.
Each is for AKOrN-conv; its counterparts are a change of the model away: ``model.name=akorn_mix``,
``itrconv``, ``resnet18``, ``vit``. Images for validation are held out of those for training; test
images are only ever scored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kuramoto._check import invalid
from kuramoto.nn import models
from kuramoto.nn.seeds import derived_seed, epoch_order
from kuramoto.nn.tasks import classification_evaluation as evaluation
from kuramoto.nn.tasks.classification_evaluation import evaluate_run
from kuramoto.nn.tasks.classification_presets import PRESETS, Options
from kuramoto.nn.tasks.classification_sources import images_of
from kuramoto.nn.tasks.presets import changed_model, chosen, full, require_task, wishes
from kuramoto.nn.training import Settings, changed

if TYPE_CHECKING:
    from kuramoto._backend import Array
    from kuramoto.nn.data.images import LabelledImages

__all__ = ["PRESETS", "Classification", "Options", "evaluate_run", "prepare", "restore"]

_HEAD = "logits."


class Classification:
    """The recipe: labelled images, cross-entropy, accuracy; or SimCLR.

    Parameters
    ----------
    config : mapping
        ``name`` of a model and its values, for `kuramoto.nn.models.build`.
    train, held_out : LabelledImages
        To train on, and to score.
    options : Options
        The rest.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        train: LabelledImages,
        held_out: LabelledImages,
        options: Options | None = None,
    ) -> None:
        self.options = options = options or Options()
        self.config = full("classification", config)
        self.train, self.held_out = train, held_out
        classes, outputs = len(train.names), self.config["outputs"]
        if options.objective == "classes" and outputs != classes:
            found = f"{outputs}, of images of {classes} classes"
            raise invalid("model.outputs", f"be {classes}", found)

    @property
    def scores(self) -> tuple[str, ...]:
        """What `validate` returns."""
        classes = self.options.objective == "classes"
        return ("held_out_loss", "accuracy", "ece") if classes else ("held_out_loss",)

    def about(self) -> dict[str, Any]:
        """Return what makes this recipe again; the images by their number and fingerprint."""
        parts = {"train": self.train, "held_out": self.held_out}
        return {
            "task": "classification",
            "model": self.config,
            "options": dataclasses.asdict(self.options),
            "images": {name: [len(part), part.fingerprint()] for name, part in parts.items()},
        }

    def model(self) -> Any:
        """Return a new model; where it starts from another one, with that one's weights."""
        model = models.build("classification", **self.config)
        if self.options.start_from:
            _begin_from(model, Path(self.options.start_from))
        return model

    def batch(self, step: int, size: int, seed: int) -> tuple[Array, ...]:
        """Return images uint8 (size, H, W, 3) and labels of a step, and what is done to each."""
        n = len(self.train)
        if n < size:
            raise invalid("batch", "be at most the number of images", f"{size}, of {n} images")
        rows = epoch_order(n, seed, step // (n // size))[step % (n // size) * size :][:size]
        found = self.train.take(np.sort(rows))
        return (found.images, found.labels, *self._drawn(size, derived_seed(seed, "views", step)))

    def _drawn(self, size: int, seed: int) -> tuple[Array, ...]:
        from kuramoto.nn.augmix import AugMix

        if self.options.objective == "classes" and self.options.augment == "none":
            return ()
        views = self.options.views.draw(size, seed)
        if self.options.objective == "simclr" or self.options.augment == "crop":
            return tuple(views)
        return (*views, *AugMix().draw(size, derived_seed(seed, "augmix")))

    def loss(self, model: Any, batch: tuple[Any, ...]) -> Any:
        """Return the mean cross-entropy, or SimCLR's loss."""
        import torch
        from torch.nn.functional import cross_entropy

        from kuramoto.nn import layout
        from kuramoto.nn.augmentation import Views, apply
        from kuramoto.nn.augmix import Mixture, mix
        from kuramoto.nn.tasks import contrast

        images, labels, *drawn = batch
        if self.options.objective == "simclr":
            return contrast.loss(model, images, drawn, self.options.temperature, gather=True)
        pixels, count = layout.pixels(images), len(Views._fields)
        if drawn:
            pixels = apply(pixels, Views(*drawn[:count]))[0]
        if drawn[count:]:
            pixels = mix(pixels, Mixture(*drawn[count:]))
        if self.options.noise:
            pixels = pixels + self.options.noise * torch.randn_like(pixels)
        return cross_entropy(model(pixels), labels.long())

    def validate(self, model: Any) -> dict[str, float]:
        """Score held-out images: loss, accuracy and calibration; of SimCLR the loss alone."""
        if self.options.objective == "simclr":
            from kuramoto.nn.tasks import contrast

            views, temperature = self.options.views, self.options.temperature
            found = contrast.held_out_loss(model, self.held_out, views, temperature)
            return {"held_out_loss": found}
        scored = evaluation.score(model, self.held_out)
        return {"held_out_loss": scored.nll, "accuracy": scored.accuracy, "ece": scored.ece}


def _begin_from(model: Any, path: Path) -> None:
    """Take all weights of a file but those of the last layer; all of them have to fit."""
    from kuramoto.nn.training.files import read_file, require_same_model

    file = path / "weights.safetensors" if path.is_dir() else path
    found = {name: value for name, value in read_file(file)[0].items() if _HEAD not in name}
    own = {name: value for name, value in model.state_dict().items() if _HEAD not in name}
    require_same_model(str(file), found, own)
    model.load_state_dict(found, strict=False)


def prepare(
    preset: str, data: Path | None, changes: Mapping[str, str] | None = None
) -> tuple[Classification, Settings]:
    """Return recipe and settings of a preset.

    Parameters
    ----------
    preset
        A name in ``PRESETS``.
    data
        Folder with the images; None: ``$KURAMOTO_DATA``, if the source reads any.
    changes
        Settings to change, as text: of training, of `Options`, or ``model.KEY``.

    Raises
    ------
    ValueError
        If there is no such preset or setting.
    FileNotFoundError
        If there are no such data.
    """
    start, wished = chosen(PRESETS, preset), wishes(changes, Options)
    options = changed(start.options, wished.options)
    settings = start.training.with_changes(wished.training)
    train, held_out = images_of(options.source, data, options)
    shown = {"outputs": str(len(train.names))} if options.objective == "classes" else {}
    model = changed_model("classification", start.model, {**shown, **wished.model})
    return Classification(model, train, held_out, options), settings


def restore(about: Mapping[str, Any], data: Path | None) -> Classification:
    """Return the recipe of a run, from what `Classification.about` said."""
    require_task(about, "classification")
    options = Options(**about["options"])
    return Classification(about["model"], *images_of(options.source, data, options), options)
