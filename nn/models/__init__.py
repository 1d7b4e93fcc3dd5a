"""Models: each file reads top-down, a configuration as plain values and then the network.

`MODELS` is the one table of them, by task and name, baselines too; `build` makes any of them from
plain values, and `name_of` tells task and name of a model that exists.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, NamedTuple

from kuramoto._check import invalid, nearest, wrong_type

__all__ = ["MODELS", "Model", "build", "name_of"]


class Model(NamedTuple):
    """Where configuration and network are defined, below `kuramoto.nn`, and values that differ."""

    module: str
    config: str
    network: str
    preset: Mapping[str, Any] = MappingProxyType({})

    @property
    def types(self) -> tuple[Any, Any]:
        """The types of configuration and network."""
        module = importlib.import_module(f"kuramoto.nn.{self.module}")
        return getattr(module, self.config), getattr(module, self.network)

    def describes(self, model: Any) -> bool:
        """Whether it makes models of this type, and this one has the values of its preset."""
        if type(model).__name__ != self.network or type(model) is not self.types[1]:
            return False
        return all(getattr(model.config, key) == value for key, value in self.preset.items())


_MIX = {"connectivity": ("convolution", "convolution", "attention"), "steps": (6, 4, 2)}

# Where several make the same type, the one whose preset fits stands before the general one.
MODELS: dict[str, dict[str, Model]] = {
    "sudoku": {
        "symmetric": Model("models.sudoku", "SudokuConfig", "SudokuNet", {"symmetric": True}),
        "akorn": Model("models.sudoku", "SudokuConfig", "SudokuNet"),
        "itrsa": Model("baselines.itr", "ItrSAConfig", "SudokuItrSA"),
        "transformer": Model("baselines.transformer", "TransformerConfig", "SudokuTransformer"),
        "energy_transformer": Model(
            "baselines.energy_transformer", "EnergyTransformerConfig", "SudokuEnergyTransformer"
        ),
    },
    "classification": {
        "akorn_mix": Model("models.classification", "ClassifierConfig", "ClassifierNet", _MIX),
        "akorn": Model("models.classification", "ClassifierConfig", "ClassifierNet"),
        "itrconv": Model("baselines.itr_conv", "ItrConvClassifierConfig", "ItrConvClassifier"),
        "resnet18": Model("baselines.resnet", "ResNetConfig", "ResNet18"),
        "vit": Model("baselines.vit", "ViTConfig", "ViT", {"outputs": 10}),
    },
    "objects": {
        "akorn": Model("models.objects", "ObjectConfig", "ObjectNet"),
        "itrsa": Model("baselines.vit", "ImageItrSAConfig", "ImageItrSA"),
        "itrconv": Model("baselines.itr_conv", "ItrConvConfig", "ItrConv"),
        "vit": Model("baselines.vit", "ViTConfig", "ViT"),
    },
}


def build(task: str, name: str, **config: Any) -> Any:
    """Make a model from its task, its name and plain values.

    Parameters
    ----------
    task : {"sudoku", "objects", "classification"}
    name : str
        "akorn", "akorn_mix", "symmetric" or a baseline: see `MODELS`.
    **config
        Fields of the model's configuration.

    Raises
    ------
    ValueError
        If a task, name or field is not known; says which is nearest.

    Examples
    --------
    >>> build("objects", "akorn", channels=32, steps=4).config.steps
    4
    """
    models = _known("task", task, MODELS)
    model = _known("name", name, models)
    made, network = model.types
    known = [field.name for field in fields(made)]
    for key in config:
        if key not in known:
            must = f"hold fields of {made.__name__}"
            raise invalid("config", must, repr(key), nearest(key, known))
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}  # from JSON
    return network(made(**{**model.preset, **values}))


def name_of(model: Any) -> tuple[str, str]:
    """Return the task and the name by which `build` makes such a model.

    Raises
    ------
    TypeError
        If it makes none of this type.
    """
    for task, models in MODELS.items():
        for name, row in models.items():
            if row.describes(model):
                return task, name
    found = sorted({row.network for models in MODELS.values() for row in models.values()})
    raise wrong_type("model", f"be one of {', '.join(found)}", model)


def _known(argument: str, word: Any, table: Mapping[str, Any]) -> Any:
    if word not in table:
        must = f"be one of {', '.join(sorted(table))}"
        raise invalid(argument, must, repr(word), nearest(str(word), table))
    return table[word]
