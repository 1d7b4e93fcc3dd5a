"""A state dict of the reference implementation, read entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuramoto._check import invalid, nearest

__all__ = ["Parameters", "Reference", "under"]

Tensor = Any
Parameters = dict[str, Tensor]


class Reference:
    """A reference state dict that is read entry by entry, and knows what was never read.

    Parameters
    ----------
    entries : mapping of str to tensor
    prefix : str
        Of the names that are read.
    """

    def __init__(self, entries: Mapping[str, Tensor], prefix: str = "") -> None:
        self.entries, self.prefix = entries, prefix
        self.read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.entries

    def has_under(self, prefix: str) -> bool:
        """Whether there is any entry below a name."""
        return any(name.startswith(self.prefix + prefix) for name in self.entries)

    def count(self, prefix: str) -> int:
        """Return how many numbers follow a name: ``layers.0``, ``layers.1``, ... are two layers."""
        start = self.prefix + prefix
        below = (name.removeprefix(start) for name in self.entries if name.startswith(start))
        return len({rest.split(".")[0] for rest in below})

    def under(self, prefix: str) -> Reference:
        """Return the entries below a name, counting what is read of them."""
        below = Reference(self.entries, self.prefix + prefix)
        below.read = self.read
        return below

    def take(self, name: str, shape: tuple[int | None, ...] | None = None) -> Tensor:
        """Return an entry, or raise if it is missing or has another shape; None fits any size.

        Raises
        ------
        ValueError
            Names the entry, and both shapes.
        """
        full = self.prefix + name
        wanted = "" if shape is None else f" with shape ({_spelled(shape)})"
        if full not in self.entries:
            known = nearest(full, self.entries) if self.entries else "it is empty"
            raise invalid("state_dict", f"have the entry `{full}`{wanted}", "it has none", known)
        value = self.entries[full]
        if shape is not None and not _fits(tuple(value.shape), shape):
            found = f"has shape {tuple(value.shape)}"
            raise invalid("state_dict", f"have the entry `{full}`{wanted}", f"this one {found}")
        self.read.add(full)
        return value

    def require_all_read(self, ignored: tuple[str, ...] = ()) -> None:
        """Raise if entries are left that nothing has been made of."""
        left = sorted(set(self.entries) - self.read - set(ignored))
        if left:
            shape = tuple(self.entries[left[0]].shape)
            found = f"has `{left[0]}` of shape {shape} and {len(left) - 1} more"
            raise invalid("state_dict", "hold nothing but this model's entries", found)

    def fill(self, net: Any, parameters: Parameters, ignored: tuple[str, ...] = ()) -> Any:
        """Return a network with these parameters, made of all entries but the ignored ones."""
        self.require_all_read(ignored)
        counts = {n: v for n, v in net.state_dict().items() if n.endswith("num_batches_tracked")}
        net.load_state_dict(counts | parameters)  # strict: nothing of ours is left to chance
        return net


def _spelled(shape: tuple[int | None, ...]) -> str:
    return ", ".join("any" if size is None else str(size) for size in shape)


def _fits(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    pairs = zip(found, shape, strict=False)
    return len(found) == len(shape) and all(want in (None, have) for have, want in pairs)


def under(prefix: str, parameters: Parameters) -> Parameters:
    """Return parameters with something before their names."""
    return {prefix + name: value for name, value in parameters.items()}
