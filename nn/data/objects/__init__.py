"""Scenes for object discovery: generated ones, published data sets, and images of one's own.

Images are uint8 of shape (n, H, W, C), labels whole numbers of shape (n, H, W): 0 is background, -1
is ignored. `Scenes` hold them in memory or mapped from a cache; an `ImageFolder` decodes files when
they are asked for. Both are a `Source`, of which `batch` takes what a step needs.
"""

from kuramoto.nn.data.objects.batches import Batches, batch
from kuramoto.nn.data.objects.coco import read_coco
from kuramoto.nn.data.objects.folders import ImageFolder, read_folder, read_imagenet
from kuramoto.nn.data.objects.framing import Framing
from kuramoto.nn.data.objects.generators import (
    SPLITS,
    generated,
    multi_dsprites,
    shapes,
    tetrominoes,
)
from kuramoto.nn.data.objects.keeping import kept
from kuramoto.nn.data.objects.masked_folders import read_clevrtex, read_voc
from kuramoto.nn.data.objects.multi_objects import read_multi_objects
from kuramoto.nn.data.objects.nuclei import read_nuclei
from kuramoto.nn.data.objects.scenes import NoScenes, Scenes, Source
from kuramoto.nn.data.objects.tfrecords import parse_example, read_records

__all__ = [
    "SPLITS",
    "Batches",
    "Framing",
    "ImageFolder",
    "NoScenes",
    "Scenes",
    "Source",
    "batch",
    "generated",
    "kept",
    "multi_dsprites",
    "parse_example",
    "read_clevrtex",
    "read_coco",
    "read_folder",
    "read_imagenet",
    "read_multi_objects",
    "read_nuclei",
    "read_records",
    "read_voc",
    "shapes",
    "tetrominoes",
]
