"""Classification: images in, logits out; Kuramoto blocks on three grids, each half the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid, whole_number
from kuramoto.nn.baselines.images import centre
from kuramoto.nn.block import ResidualReadout
from kuramoto.nn.connectivity import AttentionConnectivity, ConvConnectivity
from kuramoto.nn.models import parts

__all__ = ["ClassifierConfig", "ClassifierNet"]

Tensor = Any

PER_BLOCK = ("channels", "connectivity", "kernel_sizes", "steps", "strides")


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """All that makes a `ClassifierNet`, as plain values; the defaults are the paper's AKOrN-conv.

    AKOrN-mix has ``connectivity=("convolution", "convolution", "attention"), steps=(6, 4, 2)``.

    Attributes
    ----------
    image_channels : int
    channels : tuple of int
        C·N of every block; their number is L.
    dimensions : int
        N.
    connectivity : tuple of {"convolution", "attention"}
    kernel_sizes : tuple of int
        Of the convolutional blocks; nothing to an attentive one.
    steps : tuple of int
        T of every block.
    strides : tuple of int
        Of the convolutions before the blocks; the first block has none, and there it is 1.
    heads : int
        Of attention.
    step_size, learn_step_size
        γ at the start, and whether it is learned.
    frequency : {"shared", "each", "antisymmetric", "none"}
        Ω: planes shared by all oscillators, planes of each channel, one full matrix, none.
    initial_frequency : float
        At the start, in radians per unit time.
    stimulus_norm : {"group", "affine", "none"}
        What acts on the stimulus before each block: a group norm with a group per oscillator; a
        learned scale and bias per channel.
    readout_dimensions : int
        N' of eq. 6.
    readout_kernel_size : int
        Of the convolutions of the readouts, and of those before the blocks.
    readout_norm : bool
        Batch norm in the readouts.
    outputs : int
        Classes.
    samples : int
        Initial states per image, whose logits are averaged.
    stimulus, lengths, project, normalize : bool
        Ablations. Without a stimulus ("stacking K-layers", Fig. 17) the image makes the initial
        state, and only the last block is read out; without lengths ("no m") the readout begins
        with a convolution.
    memory : {"auto", "save", "recompute", "autograd"}
        What training keeps (`KuramotoLayer`).
    seed : int
        Of the random initial states in evaluation.
    """

    image_channels: int = 3
    channels: tuple[int, ...] = (64, 128, 256)
    dimensions: int = 2
    connectivity: tuple[str, ...] = ("convolution", "convolution", "convolution")
    kernel_sizes: tuple[int, ...] = (9, 7, 5)
    steps: tuple[int, ...] = (3, 3, 3)
    strides: tuple[int, ...] = (1, 2, 2)
    heads: int = 8
    step_size: float = 1.0
    learn_step_size: bool = False
    frequency: str = "shared"
    initial_frequency: float = 1.0
    stimulus_norm: str = "group"
    readout_dimensions: int = 2
    readout_kernel_size: int = 3
    readout_norm: bool = True
    outputs: int = 10
    samples: int = 1
    stimulus: bool = True
    lengths: bool = True
    project: bool = True
    normalize: bool = True
    memory: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what the layers do not check themselves."""
        for name in PER_BLOCK:
            self._check_per_block(name)
        for word in self.connectivity:
            parts.require_word("connectivity", word, parts.CONNECTIVITIES)
        parts.require_word("frequency", self.frequency, parts.FREQUENCIES)
        parts.require_word("stimulus_norm", self.stimulus_norm, parts.NORMS)
        names = ("image_channels", "dimensions", "heads", "outputs", "samples")
        parts.require_numbers(self, *names, "readout_dimensions", "readout_kernel_size")
        whole_number("seed", self.seed)
        if self.readout_kernel_size % 2 == 0:
            raise invalid("readout_kernel_size", "be odd", f"{self.readout_kernel_size}")
        if self.strides[0] != 1:
            raise invalid("strides", "begin with 1", f"{self.strides}")

    def _check_per_block(self, name: str) -> None:
        values = getattr(self, name)
        if isinstance(values, list):  # as JSON brings them
            object.__setattr__(self, name, values := tuple(values))
        if not isinstance(values, tuple) or not values or len(values) != len(self.channels):
            must = f"hold one value for each of the {len(self.channels)} blocks"
            raise invalid(name, must, f"{values!r}")
        if name != "connectivity":
            for value in values:
                whole_number(name, value, least=1)


class ClassifierNet(parts.StagedNet):
    """AKOrN-conv or AKOrN-mix: the image is the stimulus, oscillators start at random.

    Between two blocks one convolution of stride 2 maps both state and stimulus. Every readout is
    m ← m + f₂(f₁(m)), c' = f₃(m), f = convolution ∘ ReLU ∘ batch norm (`ResidualReadout`); the last
    one's mean over all places makes the logits.

    Parameters
    ----------
    config : ClassifierConfig

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, 5.3, App. C.3.

    Examples
    --------
    >>> net = ClassifierNet(ClassifierConfig(channels=(8, 16, 32))).eval()
    >>> images = torch.zeros(2, 3, 32, 32)
    >>> net(images).shape, net.features(images).shape
    (torch.Size([2, 10]), torch.Size([2, 32, 8, 8]))
    """

    def __init__(self, config: ClassifierConfig | None = None) -> None:
        config = ClassifierConfig() if config is None else config
        super().__init__(config)
        first, last = config.channels[0], config.channels[-1]
        self.stem = nn.Conv2d(config.image_channels, first, 3, padding=1, bias=False)
        self.blocks = nn.ModuleList(_stage(config, number) for number in range(len(config.steps)))
        self.logits = nn.Linear(last, config.outputs)

    def forward(
        self,
        images: Tensor,
        *,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        samples: int | None = None,
        x0: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, outputs).

        Parameters
        ----------
        images : tensor, shape [B, 3, H, W]
            Values in 0 ... 1.
        steps : int, optional
            T of every block; the configuration's by default.
        generator : torch.Generator, optional
            Of the random initial states; by default PyTorch's own in training, and in evaluation
            one with the configuration's seed.
        samples : int, optional
            K initial states per image, whose logits are averaged; the configuration's by default.
        x0 : tensor, shape [B*K, C*N, H, W], optional
            Vectors of any length to begin with instead of random ones, an image's K in a row.
        """
        K = self.config.samples if samples is None else samples
        images = parts.repeated(images, K)
        logits = super().forward(images, steps=steps, generator=generator, x0=x0)
        return logits if K == 1 else logits.unflatten(0, (-1, K)).mean(1)

    def start(
        self, images: Tensor, generator: torch.Generator | None = None, x0: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return stimulus and initial state, features [B, C*N, H, W]; parameters as for `forward`.

        Without a stimulus (an ablation) it is zero, and the image makes the state.
        """
        seen = self.stem(centre(images, self.config.image_channels))
        if not self.config.stimulus:
            if x0 is not None:
                raise invalid("x0", "be left out where images make the initial state", "given")
            return torch.zeros_like(seen), parts.unit(seen, self.config.dimensions)
        return seen, parts.unit(self._state(seen, generator, x0), self.config.dimensions)

    def decode(self, c: Tensor) -> Tensor:
        """Return the logits (B, outputs) for the last block's readout."""
        return self.logits(c.mean((2, 3)))


class Transition(nn.Module):
    """One convolution for state and stimulus, on the way to the next block.

    Parameters
    ----------
    channels_in, channels, kernel_size, stride : int
    stimulus : bool, default True
        False: the stimulus is zero behind it, whatever it was.
    """

    def __init__(
        self, channels_in: int, channels: int, kernel_size: int, stride: int, stimulus: bool = True
    ) -> None:
        super().__init__()
        self.map = nn.Conv2d(channels_in, channels, kernel_size, stride, kernel_size // 2)
        self.stimulus = stimulus

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next block's state (of any length) and stimulus."""
        x = self.map(x)
        return x, self.map(c) if self.stimulus else torch.zeros_like(x)


def _stage(config: ClassifierConfig, number: int) -> parts.Stage:
    channels, connectivity = config.channels[number], _connectivity(config, number)
    norm = config.stimulus_norm if config.stimulus else "none"
    layer = parts.layer_of(config, connectivity, config.steps[number], norm)
    entrance = None
    if number:
        kernel, stride = config.readout_kernel_size, config.strides[number]
        before = config.channels[number - 1]
        entrance = Transition(before, channels, kernel, stride, config.stimulus)
    unread = not config.stimulus and number < len(config.steps) - 1
    return parts.Stage(layer, nn.Identity() if unread else _readout(config, channels), entrance)


def _connectivity(config: ClassifierConfig, number: int) -> Any:
    channels = config.channels[number]
    if config.connectivity[number] == "attention":
        return AttentionConnectivity(channels, config.heads)
    return ConvConnectivity(channels, config.kernel_sizes[number])


def _readout(config: ClassifierConfig, channels: int) -> ResidualReadout:
    size = config.readout_kernel_size
    norm = nn.BatchNorm2d if config.readout_norm else None
    readout = ResidualReadout(
        channels, channels, config.readout_dimensions, kernel_size=size, norm=norm
    )
    if not config.lengths:
        readout.lengths = nn.Conv2d(channels, channels, size, padding=size // 2)
    return readout
