"""The common corruptions of Hendrycks and Dietterich (2019), made on the fly.

`corrupt` takes uint8 images (n, H, W, 3) to uint8 images of the same shape: 15 corruptions
(`COMMON`) and 4 (`EXTRA`) at five severities, with the constants of CIFAR-10-C, Tiny-ImageNet-C or
ImageNet-C. Image k of a data set is corrupted in the same way whatever it comes with.
"""

from kuramoto.nn.corruptions.apply import corrupt
from kuramoto.nn.corruptions.constants import SIZES, constants
from kuramoto.nn.corruptions.weather import read_frost
from kuramoto.nn.data.images import COMMON, EXTRA

__all__ = ["COMMON", "EXTRA", "SIZES", "constants", "corrupt", "read_frost"]
