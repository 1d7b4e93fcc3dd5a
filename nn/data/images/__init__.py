"""Labelled images for classification: CIFAR-10 in its published forms, CIFAR-10-C, Tiny-ImageNet.

All are `LabelledImages`: uint8 images (n, H, W, 3), labels (n,), the classes' names, and in words
what the images are.
"""

from kuramoto.nn.data.images.archives import CHECKSUMS
from kuramoto.nn.data.images.cifar import read_cifar10
from kuramoto.nn.data.images.cifar_c import COMMON, EXTRA, read_cifar10_c
from kuramoto.nn.data.images.labelled import CIFAR10, LabelledImages
from kuramoto.nn.data.images.packed import (
    Pairs,
    read_cifar10_jpeg,
    read_cifar10_lossless,
    read_cifar10_pairs,
)
from kuramoto.nn.data.images.tiny_imagenet import read_tiny_imagenet

__all__ = [
    "CHECKSUMS",
    "CIFAR10",
    "COMMON",
    "EXTRA",
    "LabelledImages",
    "Pairs",
    "read_cifar10",
    "read_cifar10_c",
    "read_cifar10_jpeg",
    "read_cifar10_lossless",
    "read_cifar10_pairs",
    "read_tiny_imagenet",
]
