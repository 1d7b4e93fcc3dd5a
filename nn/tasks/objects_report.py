"""The report of an evaluation on objects: its numbers, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kuramoto._check import invalid, nearest
from kuramoto.nn.metrics import average

__all__ = ["SCORES", "Report"]

SCORES = {
    "fg_ari": "FG-ARI",
    "ari": "ARI",
    "mbo_i": "MBO_i",
    "mbo_i_clusters": "MBO_i, over clusters",
    "mbo_c": "MBO_c",
    "mbo_c_clusters": "MBO_c, over clusters",
}
"""What is scored, and how a table calls it; the last two need classes."""


@dataclass(frozen=True)
class Report:
    """Scores of clusters against the objects of images.

    Attributes
    ----------
    images
        How many images were scored.
    left_out
        How many were not, because their files are bad.
    scores
        For each name of a score, one number an image: ``fg_ari``, ``ari``, ``mbo_i`` and
        ``mbo_i_clusters``, and with classes ``mbo_c`` and ``mbo_c_clusters``
        (`kuramoto.nn.metrics` defines them). NaN where an image has no objects.
    sweep
        Means against the number of clusters, one row each: all from the same trees of merges.
    settings
        What was asked.
    seconds
        Computing time.
    """

    images: int
    left_out: int
    scores: dict[str, tuple[float, ...]]
    sweep: tuple[dict[str, float], ...]
    settings: dict[str, Any]
    seconds: float

    @property
    def fg_ari(self) -> float:
        """Mean FG-ARI of the images that have objects."""
        return self.mean("fg_ari")

    @property
    def mbo_i(self) -> float:
        """Mean MBO over objects, of the images that have any."""
        return self.mean("mbo_i")

    @property
    def mbo_c(self) -> float | None:
        """Mean MBO over classes; None where there are no classes."""
        return self.mean("mbo_c") if "mbo_c" in self.scores else None

    def mean(self, name: str, *, empty: float | None = None) -> float:
        """Return the mean of a score over images.

        Parameters
        ----------
        name
            Of the score.
        empty
            Value of an image without objects; None leaves it out. The reference program of the
            paper counts 1 for FG-ARI and leaves such images out of MBO.
        """
        if name not in self.scores:
            must = f"be one of {', '.join(self.scores)}"
            raise invalid("name", must, repr(name), nearest(name, self.scores))
        scores = np.asarray(self.scores[name])
        return average(scores if empty is None else np.where(np.isnan(scores), empty, scores))

    def error(self, name: str) -> float:
        """Return the standard error of a mean: of these images, for clusters as they are."""
        scores = np.asarray(self.scores[name])
        known = scores[~np.isnan(scores)]
        return float(known.std(ddof=1) / len(known) ** 0.5) if len(known) > 1 else float("nan")

    def counted(self, name: str) -> int:
        """Return how many images have a value of this score."""
        return int(np.count_nonzero(~np.isnan(np.asarray(self.scores[name]))))

    def to_json(self) -> str:
        """Return all of it as JSON; null stands for NaN."""
        means = {name: self.mean(name) for name in self.scores}
        return json.dumps(_plain({"means": means, **asdict(self)}), indent=2) + "\n"

    def __str__(self) -> str:
        """Return a table, in %."""
        head = f"{self.images} images"
        lines = [f"{head:22}{'mean':>8}{'std. error':>12}{'images':>8}"]
        for name in self.scores:
            row = f"{100 * self.mean(name):8.2f}{100 * self.error(name):12.2f}"
            lines.append(f"{SCORES[name]:22}{row}{self.counted(name):8d}")
        if len(self.sweep) > 1:
            names = [name for name in ("fg_ari", "mbo_i", "mbo_c") if name in self.scores]
            lines.append("clusters" + "".join(f"{SCORES[name]:>9}" for name in names))
            for means in self.sweep:
                numbers = "".join(f"{100 * means[name]:9.2f}" for name in names)
                lines.append(f"{int(means['clusters']):8d}{numbers}")
        if self.left_out:
            lines.append(f"{self.left_out} images could not be read and are left out")
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return "\n".join([*lines, f"{settings}; {self.seconds:.1f} s"])


def _plain(value: Any) -> Any:
    """Return nested values with None for NaN, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and value != value else value
