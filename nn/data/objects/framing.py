"""What part of an image is taken, and at what size: with Pillow, imported on first use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message, real_number, whole_number

__all__ = ["Framing", "decoded", "open_image", "opened", "pillow", "unreadable"]

# What Pillow makes of eight bits a channel; others (16 bits, floats) have no one meaning as uint8.
_EIGHT_BITS = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}


@dataclass(frozen=True)
class Framing:
    """A central square of an image, and the size it is brought to.

    Parameters
    ----------
    crop : int or float or None
        Side of the square: pixels (int), or a fraction of the shorter side (float, at most 1).
        None takes the whole image.
    size : int or (int, int) or None
        Height and width of the result; one number for both. None leaves it as it is.
    channels : int
        3 for colour, 1 for gray.

    Examples
    --------
    >>> framing = Framing(crop=32)
    >>> framing.box(35, 35)
    (1, 1, 33, 33)
    """

    crop: int | float | None = None
    size: int | tuple[int, int] | None = None
    channels: int = 3

    def __post_init__(self) -> None:
        """Complain about what cannot be meant."""
        if isinstance(self.crop, float) and not 0 < real_number("crop", self.crop) <= 1:
            must = "be pixels (int) or a fraction (float) above 0 and at most 1"
            raise invalid("crop", must, f"{self.crop}")
        if self.crop is not None and not isinstance(self.crop, float):
            whole_number("crop", self.crop, least=1)
        if self.size is not None:
            pair = self.size if isinstance(self.size, tuple | list) else (self.size, self.size)
            if len(pair) != 2:
                raise invalid("size", "be one number, or (height, width)", f"{self.size}")
            object.__setattr__(
                self, "size", tuple(whole_number("size", side, least=1) for side in pair)
            )
        if self.channels not in (1, 3):
            raise invalid("channels", "be 1 or 3", f"{self.channels}")

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (top, left, bottom, right) of the part that is taken; halves are rounded down."""
        if self.crop is None:
            return 0, 0, height, width
        shorter = min(height, width)
        side = int(self.crop * shorter) if isinstance(self.crop, float) else int(self.crop)
        if not 0 < side <= shorter:
            must = f"fit into the image of {height}×{width} pixels"
            raise invalid("crop", must, f"{self.crop}")
        top, left = (height - side) // 2, (width - side) // 2
        return top, left, top + side, left + side

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of what comes out."""
        if isinstance(self.size, tuple):
            return self.size
        top, left, bottom, right = self.box(height, width)
        return bottom - top, right - left

    def image(self, picture: Any) -> Array:
        """Return a picture of Pillow's as uint8 (H, W, C), resized bilinearly with antialiasing."""
        pixels = self._framed(picture, smooth=True)
        return np.asarray(pixels).reshape(*pixels.size[::-1], self.channels)

    def labels(self, labels: Array) -> Array:
        """Return labels (H, W) as int16, resized by taking the nearest."""
        image = pillow().Image
        framed = self._framed(image.fromarray(labels.astype(np.int32)), smooth=False)
        return np.asarray(framed).astype(np.int16)

    def _framed(self, picture: Any, *, smooth: bool) -> Any:
        resampling = pillow().Image.Resampling
        width, height = picture.size
        top, left, bottom, right = self.box(height, width)
        rows, columns = self.shape(height, width)
        if (rows, columns) == (bottom - top, right - left):
            return picture.crop((left, top, right, bottom))
        how = resampling.BILINEAR if smooth else resampling.NEAREST
        return picture.resize((columns, rows), how, box=(left, top, right, bottom))


def open_image(path: Path, framing: Framing, *, draft: bool = False) -> tuple[Array, Any]:
    """Return a file's framed image, and the height and width that it has in the file.

    Parameters
    ----------
    path : Path
        File in any format that Pillow reads.
    framing : Framing
        Part, size and channels.
    draft : bool
        Let JPEG decode at 1/2, 1/4 or 1/8 of its scale where the result is no larger than that:
        faster, not exactly the same pixels.

    Raises
    ------
    ValueError
        If the file is no image, is cut short, or has pixels of other than 8 bits a channel.
    """
    mode = "RGB" if framing.channels == 3 else "L"
    with opened(path) as picture:
        width, height = picture.size
        if draft and isinstance(framing.size, tuple) and picture.format == "JPEG":
            _draft(picture, mode, framing)
        pixels = decoded(picture, path, mode)
        return framing.image(pixels), (height, width)


def _draft(picture: Any, mode: str, framing: Framing) -> None:
    """Ask for the smallest scale at which what is taken is not smaller than the result."""
    if isinstance(framing.crop, int):
        return
    width, height = picture.size
    top, left, bottom, right = framing.box(height, width)
    rows, columns = framing.shape(height, width)
    scale = max(rows / (bottom - top), columns / (right - left))
    if scale < 1:
        picture.draft(mode, (round(width * scale), round(height * scale)))


def opened(path: Path) -> Any:
    """Open an image with Pillow, or raise a one-line error that names the file."""
    pil = pillow()
    try:
        return pil.Image.open(path)
    except FileNotFoundError:
        text = message("path", "lead to an image", f"{str(path)!r}, and nothing is there")
        raise FileNotFoundError(text) from None
    except (OSError, ValueError, SyntaxError, pil.Image.DecompressionBombError) as error:
        raise unreadable(path, error) from None


def decoded(picture: Any, path: Path, mode: str) -> Any:
    """Return the pixels of an opened picture in a mode of 8 bits a channel."""
    if picture.mode not in _EIGHT_BITS:
        found = f"of mode {picture.mode!r} in {str(path)!r}"
        raise invalid("path", "lead to images of 8 bits a channel", found, "convert it")
    try:
        return picture.convert(mode)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> ValueError:
    """Return the complaint about a file that Pillow cannot read, in one line."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    reason = "no image that Pillow knows" if "cannot identify" in reason else reason
    return invalid("path", "lead to whole images", f"{str(path)!r}, which is not: {reason}")


def pillow() -> Any:
    """Return Pillow, or say how to get it."""
    try:
        import PIL.Image
    except ImportError:
        raise ImportError("Reading images needs Pillow: pip install pillow.") from None
    return PIL
