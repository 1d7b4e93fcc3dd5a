"""Square attack: random search by squares, with no gradient at all."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from kuramoto._check import invalid, real_number, whole_number
from kuramoto.nn.attacks.gradient import Best, Perturbed, look
from kuramoto.nn.seeds import derived_seed

if TYPE_CHECKING:
    from kuramoto.nn.attacks.target import Query
    from kuramoto.nn.attacks.threat import Threat

__all__ = ["Square"]

Tensor = Any

# The side of squares is halved in area after so many of 10,000 queries (5.1 of the paper, and one
# more at 500 and 8,000 as its published programs have it).
_HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


@dataclass(frozen=True, kw_only=True)
class Square:
    """Square attack: try a square of change at a random place, keep what makes things worse.

    Images [B, C, H, W]. Every image is done with when each draw of a query is wrong.

    Attributes
    ----------
    queries : int
        Of each image, in each restart.
    restarts : int
    samples : int
        Draws of the model's random numbers for each query.
    area : float
        Fraction of an image that the first squares cover, in 0 ... 1.

    References
    ----------
    Andriushchenko, Croce, Flammarion & Hein (2020), Square attack: a query-efficient black-box
    adversarial attack via random search, Algorithms 1-3.

    Examples
    --------
    >>> Square(queries=1000).settings()["queries"]
    1000
    """

    queries: int = 5000
    restarts: int = 1
    samples: int = 1
    area: float = 0.8

    name: ClassVar[str] = "Square"
    black_box: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check all."""
        for name in ("queries", "restarts", "samples"):
            whole_number(name, getattr(self, name), least=1)
        if not 0 < real_number("area", self.area) <= 1:
            raise invalid("area", "be in 0 ... 1, above 0", f"{self.area:g}")

    def settings(self) -> dict[str, Any]:
        """Return all of it, as plain values."""
        return {"attack": self.name, **asdict(self)}

    def __call__(
        self, query: Query, images: Tensor, labels: Tensor, threat: Threat, seed: int
    ) -> Perturbed:
        """Return perturbed images."""
        if images.ndim != 4:
            raise invalid("images", "have shape [B, C, H, W] for Square", f"has {images.shape}")
        best = Best.from_clean(query, images, labels, self.samples)
        for restart in range(self.restarts):
            rows = best.standing(query)
            if len(rows):
                draw = _Draw(images.device, derived_seed(seed, "square", restart))
                found = self._run(query, images[rows], labels[rows], threat, draw)
                best.offer(
                    rows, found.images, look(query, found.images, labels[rows], self.samples)
                )
        return Perturbed(best.images)

    def _run(self, query: Query, images: Tensor, labels: Tensor, threat: Threat, draw: Any) -> Best:
        start, change = (_stripes, _square) if threat.norm == "Linf" else (_tiles, _two_squares)
        best = Best(images)
        rows = torch.arange(len(images), device=images.device)
        x = threat.project(images, images + start(images, threat.eps, draw))
        for number in range(self.queries):
            best.offer(rows, x, look(query, x, labels[rows], self.samples))
            rows = best.standing(query)
            if not len(rows) or number == self.queries - 1:
                break
            clean, side = images[rows], self._side(number + 1, images)
            moved = change(clean, best.images[rows] - clean, side, threat.eps, draw)
            x = threat.project(clean, clean + moved)
        return best

    def _side(self, number: int, images: Tensor) -> int:
        """Return the side of the squares of a query."""
        H, W = images.shape[2:]
        passed = number * 10_000 / self.queries
        area = self.area / 2 ** sum(passed > bound for bound in _HALVED_AFTER)
        return max(1, min(round(math.sqrt(area * int(H * W))), int(H), int(W)))


class _Draw:
    """Random numbers of one search."""

    def __init__(self, device: Any, seed: int) -> None:
        self._how = {"generator": torch.Generator(device).manual_seed(seed), "device": device}

    def signs(self, *shape: int) -> Tensor:
        return 2 * torch.randint(0, 2, shape, **self._how) - 1

    def below(self, bound: int, n: int) -> Tensor:
        return torch.randint(0, bound, (n,), **self._how)


def _stripes(images: Tensor, eps: float, draw: _Draw) -> Tensor:
    """Return ±ε in vertical stripes one pixel wide."""
    B, C, _, W = images.shape
    return (eps * draw.signs(B, C, 1, W)).to(images.dtype).expand(images.shape)


def _square(images: Tensor, moved: Tensor, side: int, eps: float, draw: _Draw) -> Tensor:
    """Return a change with ±ε in one square, a sign for each channel."""
    B, C = images.shape[:2]
    inside = _window(images, side, draw)
    return torch.where(inside, (eps * draw.signs(B, C, 1, 1)).to(images.dtype), moved)


def _window(images: Tensor, side: int, draw: _Draw) -> Tensor:
    """Return masks (B, 1, H, W) of one square at a random place of each image."""
    B, _, H, W = images.shape
    top, left = draw.below(H - side + 1, B), draw.below(W - side + 1, B)
    rows, columns = (torch.arange(size, device=images.device) for size in (H, W))
    down = (rows >= top[:, None]) & (rows < top[:, None] + side)
    across = (columns >= left[:, None]) & (columns < left[:, None] + side)
    return (down[:, None, :, None]) & across[:, None, None, :]


def _tiles(images: Tensor, eps: float, draw: _Draw) -> Tensor:
    """Return a change of length ε: five tiles a side, each a bump of either sign (L2)."""
    B, C, H, W = images.shape
    side = max(min(H, W) // 5, 1)
    down, across = H // side, W // side
    signs = draw.signs(B, C, down, across).to(images.dtype)
    tile = _bump(side, images).repeat(down, across)
    spread = signs.repeat_interleave(side, 2).repeat_interleave(side, 3) * tile
    whole = torch.zeros_like(images)
    whole[:, :, : down * side, : across * side] = spread
    return eps * whole / _length(whole, (1, 2, 3))


def _two_squares(images: Tensor, moved: Tensor, side: int, eps: float, draw: _Draw) -> Tensor:
    """Return a change that takes the length spent in one square to another one (L2)."""
    B, C, _, _ = images.shape
    side = max(side, min(3, *images.shape[2:]))
    to, source = _window(images, side, draw), _window(images, side, draw)
    both = to | source
    unused = (eps**2 - (moved * moved).sum((1, 2, 3), keepdim=True)).clamp(min=0)
    available = ((moved * moved * both).sum((2, 3), keepdim=True) + unused / C).sqrt()
    bump = torch.zeros_like(images)
    signs = draw.signs(B, C, 1, 1).to(images.dtype)
    pattern = _split_bump(side, images, draw) * signs
    bump[to.expand_as(images)] = pattern.flatten()
    old = moved * to
    new = bump + old / _length(old, (2, 3))
    new = available * new / _length(new, (2, 3))
    return torch.where(to, new, torch.where(source, torch.zeros_like(moved), moved))


def _split_bump(side: int, images: Tensor, draw: _Draw) -> Tensor:
    """Return patterns (B, 1, side, side) of length 1: a bump, and beside it one of the other sign.

    The halves lie side by side or one above the other, by chance.
    """
    half = side // 2
    pattern = torch.cat([_hill(half, side, images), -_hill(side - half, side, images)])
    pattern = pattern / _length(pattern, (0, 1))
    turned = draw.below(2, len(images)).bool().view(-1, 1, 1, 1)
    return torch.where(turned, pattern.T, pattern)


def _bump(side: int, images: Tensor) -> Tensor:
    hill = _hill(side, side, images)
    return hill / _length(hill, (0, 1))


def _hill(height: int, width: int, images: Tensor) -> Tensor:
    """Return η of eq. 2, Σ_{j = d + 1 ... n + 1} 1/j² in the d-th ring around the middle.

    n is half of the longer side, so that the bump of a rectangle reaches its ends.
    """
    rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
    ring = torch.maximum((rows - height // 2).abs()[:, None], (columns - width // 2).abs()[None])
    j = torch.arange(1, max(height, width) // 2 + 2, device=images.device)
    from_ring = (1 / j.to(images.dtype) ** 2).flip(0).cumsum(0).flip(0)
    return from_ring[ring]


def _length(values: Tensor, over: tuple[int, ...]) -> Tensor:
    """Return lengths over some axes, 1 where they vanish."""
    lengths = (values * values).sum(over, keepdim=True).sqrt()
    return torch.where(lengths > 0, lengths, torch.ones_like(lengths))
