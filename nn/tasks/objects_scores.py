"""From the features of an image to its scores: what processes do, which load no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kuramoto._check import invalid, nearest, whole_number
from kuramoto.nn import clustering
from kuramoto.nn.metrics import Contingency

__all__ = ["METHODS", "How", "Scores", "score"]

Scores = dict[str, np.ndarray]

METHODS = ("average", "k-means")
"""Average linkage, as in the paper, and K-means."""


@dataclass(frozen=True)
class How:
    """How images become clusters; plain values, as `evaluate` has them."""

    clusters: int
    sweep: tuple[int, ...]
    method: str
    components: int | None
    up_tile: int
    patch_size: int | None
    interpolation: str
    seed: int
    numbers: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        if self.method not in METHODS:
            must = f"be one of {', '.join(METHODS)}"
            raise invalid("method", must, repr(self.method), nearest(self.method, METHODS))
        if whole_number("up_tile", self.up_tile, least=1) > 1 and self.patch_size is None:
            raise invalid("patch_size", "be given for up-tiling", "None")
        numbers = [whole_number("clusters", self.clusters, least=1)]
        numbers += [whole_number("sweep", number, least=1) for number in self.sweep]
        object.__setattr__(self, "numbers", tuple(sorted({*numbers})))

    @property
    def asked(self) -> int:
        """Where the number of clusters that was asked for stands in `numbers`."""
        return self.numbers.index(self.clusters)

    def settings(self) -> dict[str, Any]:
        """Return what was asked, without what does not matter."""
        told: dict[str, Any] = {"clusters": self.clusters, "method": self.method}
        told |= {"components": self.components, "up_tile": self.up_tile}
        if self.up_tile > 1:
            told |= {"patch_size": self.patch_size, "interpolation": self.interpolation}
        return told | ({"seed": self.seed} if self.method == "k-means" else {})

    def cluster(self, features: np.ndarray) -> np.ndarray:
        """Return labels (K, B, h, w) for each of `numbers`."""
        if self.method == "average":
            return clustering.agglomerate(features, self.numbers, components=self.components)
        return clustering.k_means(
            features, self.numbers, components=self.components, seed=self.seed
        )


def score(how: How, features: np.ndarray, *truths: np.ndarray) -> Scores:
    """Return the scores (K,) of one image: features (C, h, w), labels and perhaps classes."""
    places = how.cluster(features[None])[:, 0]
    scores: Scores = {}
    for truth, kind in zip(truths, "ic", strict=False):
        clusters = clustering.enlarge(places, (truth.shape[0], truth.shape[1]))
        counted = Contingency.of(truth, clusters)
        if kind == "i":
            scores |= {"fg_ari": counted.foreground_ari(), "ari": counted.adjusted_rand_index()}
        scores[f"mbo_{kind}"] = counted.mean_best_overlap()
        scores[f"mbo_{kind}_clusters"] = counted.mean_best_overlap("clusters")
    return scores
