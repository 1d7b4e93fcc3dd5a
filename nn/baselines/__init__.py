"""What AKOrN is compared with: the networks of the paper's tables that hold no oscillators.

Every model for boards is called as the oscillator models are, ``model(digits, steps=None,
generator=None)``, and every model for images ``model(images, steps=None, generator=None)``. None of
them draws random numbers after it has been made, so that `generator` changes nothing.

`kuramoto.nn.models` has their names and builds them. The symmetrised AKOrN of Tab. 19 is an
oscillator model (queries and keys from one weight, values from a symmetric one): "symmetric" there.

References
----------
Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, Fig. 11, App. C.
"""

from kuramoto.nn.baselines.boards import BoardConfig, BoardModel
from kuramoto.nn.baselines.energy_transformer import (
    EnergyTransformerBlock,
    EnergyTransformerConfig,
    SudokuEnergyTransformer,
)
from kuramoto.nn.baselines.itr import ItrSAConfig, SudokuItrSA, from_official
from kuramoto.nn.baselines.itr_conv import (
    ItrConv,
    ItrConvClassifier,
    ItrConvClassifierConfig,
    ItrConvConfig,
)
from kuramoto.nn.baselines.resnet import ResNet18, ResNetConfig
from kuramoto.nn.baselines.transformer import SudokuTransformer, TransformerConfig
from kuramoto.nn.baselines.vit import ImageItrSA, ImageItrSAConfig, ViT, ViTConfig

__all__ = [
    "BoardConfig",
    "BoardModel",
    "EnergyTransformerBlock",
    "EnergyTransformerConfig",
    "ImageItrSA",
    "ImageItrSAConfig",
    "ItrConv",
    "ItrConvClassifier",
    "ItrConvClassifierConfig",
    "ItrConvConfig",
    "ItrSAConfig",
    "ResNet18",
    "ResNetConfig",
    "SudokuEnergyTransformer",
    "SudokuItrSA",
    "SudokuTransformer",
    "TransformerConfig",
    "ViT",
    "ViTConfig",
    "from_official",
]
