"""Channels and oscillators: the only file that reshapes between PyTorch's layout and the core's.

Features are PyTorch images ``[B, C*N, H, W]``: C oscillators at every place, oscillator i in the N
consecutive channels from i·N on. Three other ways to look at the same numbers:

* a *state* ``(B, C, H, W, N)`` is what the core's models take (`to_state`);
* *vectors* ``(B, H, W, C, N)`` have the order in which a layer computes: contiguous for features in
  channels-last memory, as convolutions, linear maps and attention heads like it (`to_vectors`);
* *tokens* ``(B, H*W, C*N)`` are the places in row-major order (`to_tokens`).

None of them copies, except where the memory of an image is not in the order that tokens need.

While it runs, a layer keeps its vectors in another order of memory, *components first*: at every
place the first components of all oscillators, then the second ones, so that products of vectors run
along the oscillators and not over N numbers at a time (`components_first`). The same memory read as
features has its channels in that order, n·C + i for component n of oscillator i, and so have the
weights that act on them (`by_component`).
"""

from __future__ import annotations

from typing import Any

import torch

from kuramoto._check import invalid, message, wrong_type

__all__ = [
    "by_component",
    "by_oscillator",
    "channels_last",
    "components_first",
    "components_to_vectors",
    "full_precision",
    "require_features",
    "require_split",
    "to_features",
    "to_state",
    "to_tokens",
    "to_vectors",
    "tokens_to_features",
    "vectors_to_components",
    "vectors_to_features",
]

Tensor = Any


def to_state(features: Tensor, dimensions: int) -> Tensor:
    """Return features ``[B, C*N, H, W]`` as a state of the core, ``(B, C, H, W, N)``: a view.

    Examples
    --------
    >>> to_state(torch.zeros(2, 12, 5, 6), 4).shape
    torch.Size([2, 3, 5, 6, 4])
    """
    return features.unflatten(1, (-1, dimensions)).movedim(2, -1)


def to_features(state: Tensor) -> Tensor:
    """Return a state ``(B, C, H, W, N)`` as features ``[B, C*N, H, W]``: inverse of `to_state`."""
    return state.movedim(-1, 2).flatten(1, 2)


def to_vectors(features: Tensor, dimensions: int) -> Tensor:
    """Return features ``[B, C*N, H, W]`` as vectors ``(B, H, W, C, N)``: a view."""
    return features.permute(0, 2, 3, 1).unflatten(-1, (-1, dimensions))


def vectors_to_features(vectors: Tensor) -> Tensor:
    """Return vectors ``(B, H, W, C, N)`` as features ``[B, C*N, H, W]``."""
    return vectors.flatten(-2).permute(0, 3, 1, 2)


def to_tokens(features: Tensor) -> Tensor:
    """Return features ``[B, C*N, H, W]`` as tokens ``(B, H*W, C*N)``, row-major."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def tokens_to_features(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return tokens ``(B, H*W, C*N)`` as features ``[B, C*N, H, W]`` of a grid (H, W)."""
    return tokens.unflatten(1, grid).permute(0, 3, 1, 2)


def channels_last(features: Tensor) -> Tensor:
    """Return the same features with all channels of a place side by side in memory."""
    # Not `contiguous(memory_format=...)`: where H = W = 1 that leaves the strides as they are.
    return features.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def pixels(images: Tensor) -> Tensor:
    """Return uint8 images (B, H, W, C) as float32 features [B, C, H, W] in 0 ... 1."""
    return images.permute(0, 3, 1, 2).to(torch.float32) / 255


def by_component(tensor: Tensor, dimensions: int, axis: int) -> Tensor:
    """Return a tensor with the channels along an axis in the order components first.

    Examples
    --------
    >>> by_component(torch.arange(6), 2, 0).tolist()
    [0, 2, 4, 1, 3, 5]
    """
    split = tensor.unflatten(axis, (-1, dimensions))
    return split.transpose(axis, axis + 1).flatten(axis, axis + 1)


def by_oscillator(tensor: Tensor, dimensions: int, axis: int) -> Tensor:
    """Return a tensor with its channels in the usual order: inverse of `by_component`."""
    return by_component(tensor, tensor.shape[axis] // dimensions, axis)


def components_first(features: Tensor, dimensions: int) -> Tensor:
    """Return features ``[B, C*N, H, W]`` as vectors ``(B, H, W, C, N)``, in another memory order.

    Memory has the order (B, H, W, N, C).
    """
    return to_vectors(features, dimensions).transpose(-1, -2).contiguous().transpose(-1, -2)


def vectors_to_components(vectors: Tensor) -> Tensor:
    """Return vectors ``(B, H, W, C, N)`` as features ``[B, N*C, H, W]``, channels by component."""
    return vectors.transpose(-1, -2).flatten(-2).permute(0, 3, 1, 2)


def components_to_vectors(features: Tensor, dimensions: int) -> Tensor:
    """Return features ``[B, N*C, H, W]`` as vectors: inverse of `vectors_to_components`."""
    return features.permute(0, 2, 3, 1).unflatten(-1, (dimensions, -1)).transpose(-1, -2)


def require_split(argument: str, channels: int, parts: int, what: str) -> int:
    """Return channels/parts, or raise if that is not a whole number.

    Raises
    ------
    ValueError
        Names the argument, both numbers and the nearest number of channels that fits.
    """
    if channels % parts or channels < parts:
        nearest = max(parts, parts * round(channels / parts))
        found, remedy = f"{channels}", f"{nearest} would do"
        raise invalid(argument, f"be a multiple of the {what}, {parts}", found, remedy)
    return channels // parts


def require_features(features: Any, argument: str, channels: int) -> None:
    """Raise unless `features` is a floating-point tensor ``[B, channels, H, W]``."""
    if not isinstance(features, torch.Tensor):
        raise wrong_type(argument, "be a torch tensor [B, C*N, H, W]", features)
    shape = tuple(features.shape)
    if len(shape) != 4 or shape[1] != channels:
        raise invalid(argument, f"have shape [B, {channels}, H, W]", f"has shape {shape}")
    if not features.is_floating_point():
        found = f"has dtype {features.dtype}"
        raise TypeError(message(argument, "be floating-point", found, "convert it with .float()"))


def full_precision(tensor: Tensor) -> Any:
    """Return a context in which autocast leaves operations on this tensor's device alone.

    Angles on the sphere do not survive bfloat16's eight bits.
    """
    return torch.autocast(device_type=tensor.device.type, enabled=False)
