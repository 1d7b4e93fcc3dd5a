"""The settings of object discovery: the paper's columns, small ones, and one's own images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuramoto._check import real_number, whole_number
from kuramoto.nn.tasks.objects_sources import Wanted, kind_of
from kuramoto.nn.tasks.presets import Preset
from kuramoto.nn.training import Settings

if TYPE_CHECKING:
    from kuramoto.nn.augmentation import TwoViews

__all__ = ["PRESETS", "Options"]


@dataclass(frozen=True)
class Options:
    """What belongs to the task rather than to model or training.

    Parameters
    ----------
    source
        Where scenes come from: a name in `kuramoto.nn.tasks.objects_sources.KINDS`.
    size
        Pixels along an image; 0: as published. The model's ``image_size`` follows.
    train_scenes, validation_scenes
        How many scenes to train on (0: all), and how many are scored during training.
    data_seed
        Of scenes that are generated.
    clusters
        Of an image when it is scored, background and all; 0: as published.
    temperature
        Of the loss.
    crop
        Least part of an image's area that a view shows.
    mirror
        Whether views are reflected.
    brightness, contrast, saturation, hue
        Strengths of the change of colours.
    jitter, gray
        Probability of such a change, and of no colours.
    skip
        Leave out files that cannot be read.
    """

    source: str = "shapes"
    size: int = 0
    train_scenes: int = 0
    validation_scenes: int = 100
    data_seed: int = 0
    clusters: int = 0
    temperature: float = 0.1
    crop: float = 0.08
    mirror: bool = False
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    jitter: float = 0.8
    gray: float = 0.2
    skip: bool = False

    def __post_init__(self) -> None:
        """Complain about what cannot be meant, and fill in what is as published."""
        kind = kind_of(self.source)
        for name in ("size", "train_scenes", "data_seed", "clusters"):
            whole_number(name, getattr(self, name))
        whole_number("validation_scenes", self.validation_scenes, least=2)
        real_number("temperature", self.temperature, positive=True)
        object.__setattr__(self, "size", self.size or kind.size)
        object.__setattr__(self, "clusters", self.clusters or kind.clusters)
        self.views  # noqa: B018  (complains about what it does not take)

    @property
    def views(self) -> TwoViews:
        """What SimCLR does to images."""
        from kuramoto.nn.augmentation import TwoViews

        return TwoViews(
            (self.crop, 1.0),
            0.5 if self.mirror else 0.0,
            (self.brightness, self.contrast, self.saturation, self.hue),
            self.jitter,
            self.gray,
        )

    def wanted(self, split: str, data: Path | None, number: int = 0) -> Wanted:
        """Return which scenes a split has."""
        return Wanted(split, number, self.size, self.data_seed, data, self.skip)


def _paper(
    source: str, scenes: int, epochs: int, batch: int = 256, rate: float = 1e-3, **model: Any
) -> Preset:
    """Return a column of Tabs 9-11: Adam at a constant rate; averaged weights as published."""
    steps = epochs * (scenes // batch)
    settings = Settings(
        steps=steps,
        batch=batch,
        learning_rate=rate,
        ema=0.998,
        ema_every=10,
        log_every=50,
        validate_every=max(steps // 50, 1),
    )
    options = Options(source, mirror=source == "imagenet")
    return Preset({"name": "akorn", "heads": 8, **model}, settings, options)


PRESETS: dict[str, Preset] = {
    # In seconds: to see everything work.
    "toy": Preset(
        {"name": "akorn", "patch_size": 4, "channels": 32, "heads": 2, "steps": 4},
        Settings(
            steps=150,
            batch=32,
            learning_rate=2e-3,
            ema_every=1,
            ema=0.9,
            ema_after=20,
            validate_every=50,
        ),
        Options("tetrominoes", train_scenes=2000, validation_scenes=32),
    ),
    # An hour on one core: patches of 4 instead of 2 are six times as fast, but coarse. With T = 4
    # and steps of 1/2, as published, half of what an untrained network says is its random start.
    "cpu": Preset(
        {
            "name": "akorn",
            "patch_size": 4,
            "channels": 64,
            "heads": 4,
            "steps": 8,
            "step_size": 1.0,
        },
        Settings(
            steps=7000,
            batch=64,
            learning_rate=2e-3,
            warmup=100,
            schedule="cosine",
            ema=0.998,
            ema_every=1,
            validate_every=500,
        ),
        Options("shapes"),
    ),
    # Tab. 9. Kernels are of the convolutional models; none is told for Shapes, nor the depth.
    "tetrominoes": _paper(
        "tetrominoes", 60_000, 50, patch_size=4, channels=128, steps=8, kernel_size=5
    ),
    "dsprites": _paper(
        "multi_dsprites", 60_000, 50, patch_size=4, channels=128, steps=8, kernel_size=7
    ),
    "clevr": _paper("clevr", 50_000, 300, patch_size=8, channels=256, steps=8, kernel_size=9),
    "shapes": _paper("shapes", 40_000, 100, patch_size=2, channels=256, steps=4, kernel_size=5),
    # Tab. 10: two blocks are the better of the two depths trained; the large one of Tab. 17.
    "clevrtex": _paper(
        "clevrtex", 40_000, 500, rate=5e-4, patch_size=8, channels=256, steps=8, blocks=2
    ),
    "clevrtex_large": _paper(
        "clevrtex", 40_000, 1000, rate=5e-4, patch_size=8, channels=512, steps=8, blocks=2
    ),
    # Tab. 11: scored on PASCAL VOC and COCO.
    "imagenet": _paper(
        "imagenet",
        1_281_167,
        400,
        batch=512,
        rate=5e-4,
        patch_size=16,
        channels=768,
        steps=4,
        blocks=3,
    ),
    # Not the paper's: microscopy, and images of one's own.
    "nuclei": _paper("nuclei", 20_000, 50, patch_size=4, channels=128, steps=8),
    "images": _paper("images", 20_000, 50, patch_size=4, channels=128, steps=8),
}
