"""What networks share: parts by plain words; for images, stages and the way through them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from kuramoto import sphere
from kuramoto._check import invalid, nearest, whole_number
from kuramoto.nn import layout
from kuramoto.nn.block import KuramotoBlock
from kuramoto.nn.frequency import AntisymmetricFrequency, RotationFrequency
from kuramoto.nn.initial import RandomState
from kuramoto.nn.layer import KuramotoLayer

__all__ = ["ChannelAffine", "Moment", "Stage", "StagedNet"]

Tensor = Any

CONNECTIVITIES = ("attention", "convolution")
FREQUENCIES = ("antisymmetric", "each", "none", "shared")
NORMS = ("affine", "group", "none")


class Moment(NamedTuple):
    """One step of `StagedNet.run`: block and step, the state, its energies (B, K)."""

    block: int
    step: int
    state: Tensor
    energy: Tensor


class ChannelAffine(nn.Module):
    """c ↦ weight · c + bias with a weight and a bias per channel: a norm that normalises nothing.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, c: Tensor) -> Tensor:
        """Return the features [B, C*N, H, W] that follow."""
        return c * self.weight[:, None, None] + self.bias[:, None, None]


class Stage(KuramotoBlock):
    """A Kuramoto block with what comes before it: a change of grid or channels.

    Parameters
    ----------
    layer : KuramotoLayer
    readout : nn.Module
        From oscillators [B, C*N, H, W] to features [B, C', H, W].
    entrance : nn.Module, optional
        From the last block's (x, c) to this one's.
    """

    def __init__(
        self, layer: KuramotoLayer, readout: nn.Module, entrance: nn.Module | None = None
    ) -> None:
        super().__init__(layer, readout)
        self.entrance = entrance

    def enter(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state and the stimulus that the layer starts from."""
        return (x, c) if self.entrance is None else self.entrance(x, c)

    def forward(self, x: Tensor, c: Tensor, steps: int | None = None) -> tuple[Tensor, Tensor]:
        """Return the last state x_T and the new stimulus c'."""
        return super().forward(*self.enter(x, c), steps)


class StagedNet(nn.Module):
    """Base of the networks for images: images make c and x, stages follow, the last c is decoded.

    Parameters
    ----------
    config
        ``dimensions`` and ``seed`` are read here.
    """

    blocks: Any

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.initial = RandomState(config.dimensions)

    def start(
        self, images: Tensor, generator: torch.Generator | None = None, x0: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return stimulus and initial state, features [B, C*N, h, w] of the first block.

        Parameters
        ----------
        images : tensor, shape [B, 1 or 3, H, W]
            Values in 0 ... 1.
        generator : torch.Generator, optional
            Of the random initial states; by default PyTorch's own in training, and in evaluation
            one with the configuration's seed.
        x0 : tensor, shape [B, C*N, h, w], optional
            Vectors of any length to begin with instead of random ones.
        """
        raise NotImplementedError(f"{type(self).__name__} must define start")

    def decode(self, c: Tensor) -> Tensor:
        """Return the output that the last block's readout stands for."""
        raise NotImplementedError(f"{type(self).__name__} must define decode")

    def features(
        self,
        images: Tensor,
        *,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        x0: Tensor | None = None,
    ) -> Tensor:
        """Return the last block's readout C, [B, C, h, w]; parameters as for `start` and `run`."""
        steps = None if steps is None else whole_number("steps", steps, least=1)
        c, x = self.start(images, generator, x0)
        for block in self.blocks:
            x, c = block(x, c, steps)
        return c

    def run(
        self,
        images: Tensor,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        samples: int = 1,
        x0: Tensor | None = None,
    ) -> Iterator[Moment]:
        """Yield all blocks' states and energies step by step, from several initial states.

        Nothing is kept. `predict` makes the output of a state of the last block.

        Parameters
        ----------
        images : tensor, shape [B, 1 or 3, H, W]
            Values in 0 ... 1.
        steps : int, optional
            T of every block; the configuration's by default.
        generator : torch.Generator, optional
        samples : int, default 1
            K initial states per image.
        x0 : tensor, shape [B*K, C*N, h, w], optional
            Initial states, the samples of an image in a row.

        Yields
        ------
        Moment
            For every block 0 ... L − 1 and t = 1 ... T: block; t; the state [B*K, C*N, h, w]; its
            energies (B, K), eq. 3.
        """
        steps = None if steps is None else whole_number("steps", steps, least=1)
        c, x = self.start(repeated(images, samples), generator, x0)
        for number, block in enumerate(self.blocks):
            if number:
                c = self.blocks[number - 1].readout(x)
            moments = block.layer.trajectory(*block.enter(x, c), steps)
            for step, (state, energy) in enumerate(moments, start=1):
                x = state
                yield Moment(number, step, state, energy.unflatten(0, (-1, samples)))

    def predict(self, state: Tensor) -> Tensor:
        """Return the output that a state of the last block stands for."""
        return self.decode(self.blocks[-1].readout(state))

    def forward(
        self,
        images: Tensor,
        *,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        x0: Tensor | None = None,
    ) -> Tensor:
        """Return the output; parameters as for `start` and `run`."""
        return self.decode(self.features(images, steps=steps, generator=generator, x0=x0))

    def _state(self, c: Tensor, generator: torch.Generator | None, x0: Tensor | None) -> Tensor:
        """Return x0, or random vectors, for a stimulus c; of any length."""
        if x0 is not None:
            layout.require_features(x0, "x0", c.shape[1])
            if x0.shape != c.shape:
                found = f"has shape {tuple(x0.shape)}"
                raise invalid("x0", f"have the shape of the stimulus, {tuple(c.shape)}", found)
            return x0
        if generator is None and not self.training:
            generator = torch.Generator(device=c.device).manual_seed(self.config.seed)
        return self.initial.raw(c, generator)


def repeated(images: Tensor, samples: int) -> Tensor:
    """Return every image so many times in a row."""
    K = whole_number("samples", samples, least=1)
    return images if K == 1 else images.repeat_interleave(K, 0)


def unit(features: Tensor, dimensions: int) -> Tensor:
    """Return features [B, C*N, H, W] with every oscillator at length 1."""
    vectors = layout.to_vectors(features, dimensions)
    return layout.vectors_to_features(sphere.normalize(vectors))


def layer_of(config: Any, connectivity: Any, steps: int, norm: str) -> KuramotoLayer:
    """Return a layer with a configuration's frequency, step size, ablations and memory."""
    return KuramotoLayer(
        connectivity,
        config.dimensions,
        frequency=_frequency(config, connectivity.channels),
        steps=steps,
        step_size=config.step_size,
        learn_step_size=config.learn_step_size,
        project=config.project,
        normalize=config.normalize,
        stimulus_norm=_norm(norm, connectivity.channels, config.dimensions),
        memory=config.memory,
    )


def _frequency(config: Any, channels: int) -> nn.Module | None:
    N, initial = config.dimensions, config.initial_frequency
    if config.frequency == "none":
        return None
    if config.frequency == "antisymmetric":
        return AntisymmetricFrequency(N, initial=initial)
    each = channels // N if config.frequency == "each" else None
    return RotationFrequency(N, each, initial=initial)


def _norm(word: str, channels: int, dimensions: int) -> nn.Module | None:
    """Return what acts on a stimulus; the groups are the oscillators: N channels, all places."""
    if word == "none":
        return None
    if word == "affine":
        return ChannelAffine(channels)
    groups = layout.require_split("channels", channels, dimensions, "rotating dimensions N")
    return nn.GroupNorm(groups, channels)


def require_word(argument: str, word: Any, known: Sequence[str]) -> None:
    """Raise unless it is one of the known words; says which is nearest."""
    if word not in known:
        must = f"be one of {', '.join(known)}"
        raise invalid(argument, must, repr(word), nearest(str(word), known))


def require_numbers(config: Any, *names: str) -> None:
    """Raise unless each of these fields is a whole number of at least 1."""
    for name in names:
        whole_number(name, getattr(config, name), least=1)
