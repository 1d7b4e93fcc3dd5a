"""Object discovery: images in, features of patches out, that SimCLR trains and clustering reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kuramoto._check import invalid, whole_number
from kuramoto.nn import layout
from kuramoto.nn.baselines.images import Patches, projection_head
from kuramoto.nn.connectivity import AttentionConnectivity, ConvConnectivity
from kuramoto.nn.models import parts
from kuramoto.nn.positions import APE, GTA, RoPE
from kuramoto.nn.readout import NormReadout

__all__ = ["ObjectConfig", "ObjectNet"]

Tensor = Any

NORMS = ("between", *parts.NORMS)
POOLS = ("max", "mean")
POSITIONS = ("ape", "gta", "none", "rope")
READOUTS = ("none", "norm")


@dataclass(frozen=True, kw_only=True)
class ObjectConfig:
    """All that makes an `ObjectNet`, as plain values; the defaults are the paper's (Tab. 9).

    Attributes
    ----------
    image_size, patch_size : int
        Side of the square images that positions are made for, and of a patch.
    image_channels : int
        3, or 1 for gray images.
    channels, dimensions : int
        C·N, N.
    blocks : int
        L.
    steps : int or tuple of int
        T, of all blocks or of each.
    connectivity : {"attention", "convolution"}
    heads, kernel_size : int
        Of attention, of convolution.
    positions : {"gta", "rope", "ape", "none"}
        "gta" and "rope" act inside attention, and are nothing to a convolution; "ape" is added to
        the stimulus and to the initial state.
    step_size, learn_step_size
        γ at the start, and whether it is learned. The published networks used 1 in a program
        that adds x itself where there are no frequencies, which acts as 1/2 (`kuramoto.nn.compat`).
    frequency : {"none", "shared", "each", "antisymmetric"}
        Ω: none, planes shared by all oscillators, planes of each channel, one full matrix.
    initial_frequency : float
        At the start, in radians per unit time.
    stimulus_norm : {"between", "group", "affine", "none"}
        What acts on the stimulus before a block: a group norm with a group per oscillator before
        all blocks but the first (the paper), or before all; a learned scale and bias per channel.
    readout : {"norm", "none"}
        The lengths of eq. 6, or the oscillators themselves.
    state_map : bool
        A 1×1 convolution of the state between two blocks.
    pool : {"max", "mean"}
        Over all places, before the head.
    head_hidden, outputs : int, optional
        Channels inside and behind the MLP that follows; default 4·channels, channels.
    project, normalize : bool
        Ablations.
    memory : {"auto", "save", "recompute", "autograd"}
        What training keeps (`KuramotoLayer`).
    seed : int
        Of the random initial states in evaluation.
    """

    image_size: int = 32
    patch_size: int = 4
    image_channels: int = 3
    channels: int = 128
    dimensions: int = 4
    blocks: int = 1
    steps: int | tuple[int, ...] = 8
    connectivity: str = "attention"
    heads: int = 8
    kernel_size: int = 5
    positions: str = "gta"
    step_size: float = 0.5
    learn_step_size: bool = False
    frequency: str = "none"
    initial_frequency: float = 1.0
    stimulus_norm: str = "between"
    readout: str = "norm"
    state_map: bool = False
    pool: str = "max"
    head_hidden: int | None = None
    outputs: int | None = None
    project: bool = True
    normalize: bool = True
    memory: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what the layers do not check themselves."""
        for name, known in (
            ("connectivity", parts.CONNECTIVITIES),
            ("frequency", parts.FREQUENCIES),
            ("positions", POSITIONS),
            ("stimulus_norm", NORMS),
            ("readout", READOUTS),
            ("pool", POOLS),
        ):
            parts.require_word(name, getattr(self, name), known)
        names = ("image_size", "patch_size", "image_channels", "channels", "dimensions", "blocks")
        parts.require_numbers(self, *names, "heads", "kernel_size")
        layout.require_split("image_size", self.image_size, self.patch_size, "patch size")
        whole_number("seed", self.seed)
        given: Any = self.steps
        if isinstance(given, list):  # as JSON brings it
            object.__setattr__(self, "steps", tuple(given))
        for steps in self.steps_of_blocks:
            whole_number("steps", steps, least=1)

    @property
    def steps_of_blocks(self) -> tuple[int, ...]:
        """T of every block."""
        if not isinstance(self.steps, tuple):
            return (self.steps,) * self.blocks
        if len(self.steps) != self.blocks:
            must = f"be a number, or one for each of the {self.blocks} blocks"
            raise invalid("steps", must, f"{self.steps}")
        return self.steps


class ObjectNet(parts.StagedNet):
    """AKOrN for object discovery: patches are the stimulus, oscillators start at random.

    ``features(images)`` are the last block's C, which clustering turns into objects;
    ``net(images)`` is the output z = MLP(max over all places of C), which SimCLR's loss compares.

    Parameters
    ----------
    config : ObjectConfig

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, 5.1, App. C.1.

    Examples
    --------
    >>> net = ObjectNet(ObjectConfig(channels=16, heads=2, steps=2)).eval()
    >>> images = torch.zeros(3, 3, 32, 32)
    >>> net(images).shape, net.features(images).shape
    (torch.Size([3, 16]), torch.Size([3, 16, 8, 8]))
    """

    def __init__(self, config: ObjectConfig | None = None) -> None:
        config = ObjectConfig() if config is None else config
        super().__init__(config)
        channels, side = config.channels, config.image_size // config.patch_size
        self.patches = Patches(config.image_channels, channels, config.patch_size)
        ape = config.positions == "ape"
        self.stimulus_places = APE(channels, (side, side)) if ape else None
        self.state_places = APE(channels, (side, side)) if ape else None
        self.blocks = nn.ModuleList(_stage(config, number) for number in range(config.blocks))
        self.head = projection_head(channels, config.head_hidden, config.outputs)

    def start(
        self, images: Tensor, generator: torch.Generator | None = None, x0: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return stimulus and initial state, features [B, C*N, H/P, W/P].

        Parameters
        ----------
        images : tensor, shape [B, 1 or 3, H, W]
            Values in 0 ... 1. For another size than the configuration's, positions are resized.
        generator : torch.Generator, optional
            Of the random initial states; by default PyTorch's own in training, and in evaluation
            one with the configuration's seed.
        x0 : tensor, shape [B, C*N, H/P, W/P], optional
            Vectors of any length to begin with instead of normal random numbers; "ape" positions
            are added to either.
        """
        c = self.patches(images)
        x = self._state(c, generator, x0)
        c = c if self.stimulus_places is None else self.stimulus_places(c)
        x = x if self.state_places is None else self.state_places(x)
        return c, parts.unit(x, self.config.dimensions)

    def decode(self, c: Tensor) -> Tensor:
        """Return z (B, outputs) for the last block's readout."""
        return self.head(c.amax((2, 3)) if self.config.pool == "max" else c.mean((2, 3)))


class StateMap(nn.Module):
    """A 1×1 convolution of the state; the stimulus stays.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.map = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mapped state, and c."""
        return self.map(x), c


def _stage(config: ObjectConfig, number: int) -> parts.Stage:
    channels, N = config.channels, config.dimensions
    norm = config.stimulus_norm
    if norm == "between":
        norm = "group" if number else "none"
    layer = parts.layer_of(config, _connectivity(config), config.steps_of_blocks[number], norm)
    readout = NormReadout(channels, channels, N) if config.readout == "norm" else nn.Identity()
    entrance = StateMap(channels) if config.state_map and number else None
    return parts.Stage(layer, readout, entrance)


def _connectivity(config: ObjectConfig) -> Any:
    channels, heads = config.channels, config.heads
    if config.connectivity == "convolution":
        return ConvConnectivity(channels, config.kernel_size)
    head = layout.require_split("channels", channels, heads, "number of heads")
    positions: Any = None
    if config.positions == "gta":
        side = config.image_size // config.patch_size
        positions = GTA((side, side), head)
    elif config.positions == "rope":
        positions = RoPE(head)
    return AttentionConnectivity(channels, heads, positions=positions)
