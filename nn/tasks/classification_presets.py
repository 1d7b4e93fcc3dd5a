"""The settings of classification: the reference defaults, small ones, and pre-training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kuramoto._check import invalid, nearest, real_number, whole_number
from kuramoto.nn.tasks.classification_sources import SOURCES
from kuramoto.nn.tasks.presets import Preset
from kuramoto.nn.training import Settings

__all__ = ["PRESETS", "Options"]

AUGMENTATIONS = ("none", "crop", "augmix")
OBJECTIVES = ("classes", "simclr")


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
