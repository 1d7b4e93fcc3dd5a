"""A model as HDF5 groups, and back: every part is its class name and its constructor's arguments.

Nothing is pickled. What has no arguments to write (a function of time, a class that is not ours)
leaves a note saying what is missing; the rest of the file stays readable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuramoto import coevolution, couplings, delays, frequencies, inertia
from kuramoto._backend import Array, from_numpy, is_array, to_numpy
from kuramoto.model import Kuramoto

BUILDERS: dict[str, Callable[..., Any]] = {
    "Antisymmetric": frequencies.Antisymmetric,
    "Attention": couplings.Attention,
    "Coevolving": coevolution.Coevolving,
    "Delayed": delays.Delayed.from_edges,
    "Dense": couplings.Dense,
    "Frustrated": couplings.Frustrated,
    "Inertial": inertia.Inertial,
    "Kuramoto": Kuramoto,
    "Lattice": couplings.Lattice,
    "MeanField": couplings.MeanField,
    "Rotation": frequencies.Rotation,
    "Scaled": couplings.Scaled,
    "Sparse": couplings.Sparse.from_edges,
    "Sum": couplings.Sum,
    "Tetradic": couplings.Tetradic,
    "Triadic": couplings.Triadic,
    "Triangles": couplings.Triangles,
}


def write_model(parent: Any, model: Kuramoto) -> None:
    """Write a model into the group "model" of an h5py group."""
    _write_part(parent.create_group("model"), model)


def missing_parts(group: Any) -> list[str]:
    """Return what a written model lacks, in words."""
    note = group.attrs.get("missing")
    found = [] if note is None else [f"model ({note})"]

    def visit(name: str, node: Any) -> None:
        if "missing" in node.attrs:
            found.append(f"{name} ({node.attrs['missing']})")

    group.visititems(visit)
    return found


def read_model(group: Any, like: Array) -> Kuramoto:
    """Build the model that `write_model` wrote, its arrays on the library and device of `like`."""
    model: Kuramoto = _read(group, like)
    return model


def _write(group: Any, name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool | int | float | str):
        group.attrs[name] = value
    elif is_array(value):
        group.create_dataset(name, data=to_numpy(value))
    elif isinstance(value, list):
        inner = group.create_group(name)
        inner.attrs["items"] = len(value)
        for number, item in enumerate(value):
            _write(inner, str(number), item)
    else:
        _write_part(group.create_group(name), value)


def _write_part(group: Any, part: Any) -> None:
    part = getattr(part, "own", part)  # what an adapter adapts
    kind = type(part).__name__
    if kind not in BUILDERS or not hasattr(part, "parameters"):
        function = callable(part) and not hasattr(part, "parameters") and not hasattr(part, "sites")
        group.attrs["missing"] = "a function" if function else f"the class {kind}"
        return
    group.attrs["type"] = kind
    for name, value in part.parameters().items():
        _write(group, name, value)


def _read(node: Any, like: Array) -> Any:
    if hasattr(node, "dtype"):  # a dataset; indices stay on the host
        values = node[()]
        floating = np.issubdtype(values.dtype, np.floating)
        return from_numpy(values, like) if floating else values
    if "items" in node.attrs:
        return [_member(node, str(number), like) for number in range(int(node.attrs["items"]))]
    arguments = {name: _plain(value) for name, value in node.attrs.items() if name != "type"}
    arguments.update({name: _read(node[name], like) for name in node})
    return BUILDERS[str(node.attrs["type"])](**arguments)


def _member(node: Any, name: str, like: Array) -> Any:
    return _read(node[name], like) if name in node else _plain(node.attrs[name])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
