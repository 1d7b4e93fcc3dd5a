"""Classification: cross-entropy on augmented images; or SimCLR, to begin from.

The settings of the paper (Miyato et al. 2025, section 4.3 and appendix) and others are ``PRESETS``.
Each is for AKOrN-conv; its counterparts are a change of the model away: ``model.name=akorn_mix``,
``itrconv``, ``resnet18``, ``vit``. Images for validation are held out of those for training; test
images are only ever scored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kuramoto._check import invalid, nearest, real_number, whole_number
from kuramoto.nn import models
from kuramoto.nn.seeds import derived_seed, epoch_order
from kuramoto.nn.tasks.classification_sources import SOURCES, images_of
from kuramoto.nn.tasks.presets import (
    Preset,
    changed_model,
    chosen,
    full,
    require_task,
    wishes,
)
from kuramoto.nn.training import Settings, changed

if TYPE_CHECKING:
    from kuramoto._backend import Array
    from kuramoto.nn.calibration import Calibration
    from kuramoto.nn.data.images import LabelledImages
    from kuramoto.nn.training import Run

__all__ = ["PRESETS", "Classification", "Options", "evaluate_run", "prepare", "restore"]

AUGMENTATIONS = ("none", "crop", "augmix")
OBJECTIVES = ("classes", "simclr")
_HEAD = "logits."


@dataclass(frozen=True)
class Options:
    """What belongs to the task rather than to model or training.

    Parameters
    ----------
    source
        A name in `kuramoto.nn.tasks.classification_sources.SOURCES`.
    train_images, validation_images
        How many to train on (0: all that are left), and how many of the training set are held out.
    data_seed
        Decides which are held out.
    objective
        ``"classes"``: cross-entropy; ``"simclr"``: two views of an image find each other, and the
        outputs are their code. ``augment`` and ``noise`` are of the first alone.
    augment
        ``"none"``; ``"crop"``: random scale and crop, colours and reflection; ``"augmix"``: these,
        then AugMix.
    smallest_crop
        Least part of an image's area that a crop shows.
    noise
        Standard deviation of Gaussian noise added in training (the paper's Tab. 8).
    temperature
        Of SimCLR's loss.
    start_from
        Weights to begin with, but for the last layer's: a run folder, or a file of weights.
    """

    source: str = "cifar10"
    train_images: int = 0
    validation_images: int = 1000
    data_seed: int = 0
    objective: str = "classes"
    augment: str = "augmix"
    smallest_crop: float = 0.5
    noise: float = 0.0
    temperature: float = 0.1
    start_from: str = ""

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        for name, known in (
            ("source", SOURCES),
            ("objective", OBJECTIVES),
            ("augment", AUGMENTATIONS),
        ):
            word = getattr(self, name)
            if word not in known:
                must = f"be one of {', '.join(known)}"
                raise invalid(name, must, repr(word), nearest(str(word), known))
        whole_number("validation_images", self.validation_images, least=2)
        for name in ("train_images", "data_seed"):
            whole_number(name, getattr(self, name))
        if real_number("noise", self.noise) < 0:
            raise invalid("noise", "be at least 0", f"{self.noise:g}")
        real_number("temperature", self.temperature, positive=True)
        self.views  # noqa: B018  (complains about what it does not take)

    @property
    def views(self) -> Any:
        """What is done to images first: SimCLR crops more, and takes colours away."""
        from kuramoto.nn.augmentation import TwoViews

        if self.objective == "simclr":
            return TwoViews(mirror=0.5)
        return TwoViews((self.smallest_crop, 1.0), 0.5, gray_probability=0.0)


def _published(**training: Any) -> Settings:
    """Return the reference defaults: Adam at 1e-4, average of weights 0.99."""
    settings = {"batch": 128, "learning_rate": 1e-4, "ema": 0.99, "log_every": 50, **training}
    return Settings(**settings)


PRESETS: dict[str, Preset] = {
    # How many shapes are there? Seconds, no data needed: to see everything work.
    "toy": Preset(
        {
            "name": "akorn",
            "channels": (8, 16),
            "connectivity": ("convolution", "convolution"),
            "kernel_sizes": (5, 5),
            "steps": (2, 2),
            "strides": (1, 2),
        },
        Settings(steps=60, batch=50, learning_rate=5e-3, ema=0.9, ema_every=1, validate_every=30),
        Options("shape_counts", 2000, 200, augment="none"),
    ),
    # An hour or two on one core: a quarter of the channels, smaller kernels, one step less.
    "cpu": Preset(
        {"name": "akorn", "channels": (16, 32, 64), "kernel_sizes": (5, 5, 3), "steps": (2, 2, 2)},
        Settings(
            steps=8000,
            batch=64,
            learning_rate=2e-3,
            warmup=100,
            schedule="cosine",
            ema=0.99,
            ema_every=1,
            validate_every=500,
        ),
        Options("cifar10_jpeg", augment="crop"),
    ),
    # 400 epochs of 49,000 images; the paper's begin from SimCLR's weights: start_from=RUN.
    "cifar10": Preset({"name": "akorn"}, _published(steps=152_800, validate_every=3820), Options()),
    # 50 epochs of 99,000 images in batches of 512, outputs that are a code.
    "pretrain": Preset(
        {"name": "akorn", "outputs": 128},
        _published(steps=9650, batch=512, validate_every=965),
        Options("tiny_imagenet", objective="simclr"),
    ),
}


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
        scored = _scored(model, self.held_out)
        return {"held_out_loss": scored.nll, "accuracy": scored.accuracy, "ece": scored.ece}


def _begin_from(model: Any, path: Path) -> None:
    """Take all weights of a file but those of the last layer; all of them have to fit."""
    from kuramoto.nn.training.files import read_file, require_same_model

    file = path / "weights.safetensors" if path.is_dir() else path
    found = {name: value for name, value in read_file(file)[0].items() if _HEAD not in name}
    own = {name: value for name, value in model.state_dict().items() if _HEAD not in name}
    require_same_model(str(file), found, own)
    model.load_state_dict(found, strict=False)


def _scored(model: Any, images: LabelledImages, *, batch: int = 100, **how: Any) -> Calibration:
    """Return accuracy and calibration of a model in evaluation mode."""
    import torch

    from kuramoto.nn import layout
    from kuramoto.nn.calibration import calibration

    device = next(model.parameters()).device
    said = []
    with torch.no_grad():
        for first in range(0, len(images), batch):
            shown = np.ascontiguousarray(images.images[first : first + batch])
            said.append(
                model(layout.pixels(torch.from_numpy(shown).to(device)), **how).float().cpu()
            )
    return calibration(torch.cat(said).numpy(), images.labels, logits=True)


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


def evaluate_run(
    run: Run,
    *,
    data: Path | None = None,
    split: str = "test",
    limit: int | None = None,
    batch: int = 100,
    device: str = "cpu",
    **how: Any,
) -> Calibration:
    """Score a run's averaged weights: accuracy, calibration.

    Parameters
    ----------
    run
        The run.
    data
        Folder with the images, if they are read.
    split
        ``"test"``, or ``"validation"``: what was held out of the training images.
    limit
        At most so many images, spread evenly.
    batch
        Images at once; random initial states depend on it.
    device
        ``"cpu"`` or ``"cuda"``.
    **how
        ``samples`` and ``steps`` of the network.

    Raises
    ------
    ValueError
        If the run is of another task, or learned no classes.
    """
    from kuramoto.nn.training.run import accelerator

    accelerator(device)
    require_task(run.recipe, "classification")
    options = Options(**run.recipe["options"])
    if options.objective != "classes":
        raise ValueError(f"Run {run.folder} was trained by SimCLR: it knows no classes yet.")
    if split not in ("test", "validation"):
        raise invalid("split", "be test or validation", repr(split))
    images = images_of(options.source, data, options, test=True)[split == "validation"]
    if limit is not None and whole_number("limit", limit, least=1) < len(images):
        images = images.take(np.linspace(0, len(images) - 1, limit).round().astype(int))
    model = run.load(models.build("classification", **run.recipe["model"])).to(device).eval()
    return _scored(model, images, batch=whole_number("batch", batch, least=1), **how)
