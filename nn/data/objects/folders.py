"""Folders of images, decoded when they are asked for; bad files are named, or left out."""

from __future__ import annotations

import copy
import functools
import hashlib
import os
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kuramoto._backend import Array
from kuramoto._check import invalid, message, wrong_type
from kuramoto.nn.data.objects.framing import Framing, open_image, opened, unreadable
from kuramoto.nn.data.objects.scenes import NoScenes, Scenes

__all__ = ["ImageFolder", "files_below", "index_image", "read_folder", "read_imagenet"]

_ENDINGS = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


class _Decoded(NamedTuple):
    """One image with its labels and classes, or why there is none."""

    image: Array | None = None
    labels: Array | None = None
    classes: Array | None = None
    complaint: str = ""


class ImageFolder:
    """Images in files, one after the other or any at once; a `Source` of scenes.

    Parameters
    ----------
    files : sequence of Path
        The images.
    framing : Framing
        Part, size and channels of what is made of them.
    skip : bool
        Leave bad files out instead of raising: each is reported once, as a warning, and stands in
        ``skipped``.
    draft : bool
        Let JPEG decode at a smaller scale: see `kuramoto.nn.data.objects.framing.open_image`.
    targets : array of int, shape (n,), or None
        A class of each image as a whole.
    names : sequence of str
        The classes' names.

    Attributes
    ----------
    skipped : dict
        What is wrong with each bad file that was left out, by its path.
    """

    def __init__(
        self,
        files: Sequence[Path],
        framing: Framing,
        *,
        skip: bool = False,
        draft: bool = False,
        targets: Array | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.files, self.framing = list(files), framing
        self.skip, self.draft = skip, draft
        self.targets, self.names = targets, tuple(names)
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.files)

    def masks(self, row: int, shape: tuple[int, int]) -> tuple[Array | None, Array | None]:
        """Return labels and classes of an image, in its file's size; None where there are none."""
        return None, None

    def take(self, rows: Array | slice) -> Scenes:
        """Return the scenes of these rows, decoded by as many threads as there are cores.

        Raises
        ------
        ValueError
            If a file is bad (it is named) and ``skip`` is not set, or if images differ in size and
            the framing gives none.
        NoScenes
            If all are bad and left out.
        """
        wanted = np.arange(len(self))[rows].tolist()
        if len(wanted) == 1:
            found = [self._decode(wanted[0], self.skip)]
        else:
            found = list(_pool().map(lambda row: self._decode(row, self.skip), wanted))
        good = [(row, item) for row, item in zip(wanted, found, strict=True) if not item.complaint]
        self._report((row, item) for row, item in zip(wanted, found, strict=True) if item.complaint)
        if not good:
            raise NoScenes(f"None of the {len(wanted)} images asked for can be read.")
        self._check_sizes(good)
        return Scenes(*(_stacked([item[k] for _, item in good]) for k in range(3)))

    def checked(self) -> ImageFolder:
        """Return the same source without its bad files, each of which is reported; reads all."""
        keep = []
        for row in range(len(self)):
            item = self._decode(row, skip=True)
            if item.complaint:
                self._report([(row, item)])
            else:
                keep.append(row)
        if not keep:
            raise NoScenes(f"None of the {len(self)} images can be read.")
        other = copy.copy(self)
        other._keep(keep)
        return other

    def _keep(self, rows: list[int]) -> None:
        """Forget all images but these."""
        self.files = [self.files[row] for row in rows]
        if self.targets is not None:
            self.targets = self.targets[rows]

    def fingerprint(self) -> str:
        """Return 16 characters that follow from framing, names and sizes of all files."""
        facts = (type(self).__name__, self.framing, self.draft, self._options())
        digest = hashlib.blake2b(repr(facts).encode(), digest_size=8)
        root = os.path.commonpath([path.parent for path in self._paths()])
        for path in self._paths():
            size = path.stat().st_size if path.is_file() else -1
            digest.update(f"{os.path.relpath(path, root)}\0{size}\0".encode())
        return digest.hexdigest()

    def _paths(self) -> list[Path]:
        """Return all files that scenes are made of."""
        return self.files

    def _options(self) -> Any:
        """Return what else they follow from."""
        return None

    def _decode(self, row: int, skip: bool) -> _Decoded:
        path = self.files[row]
        try:
            image, shape = open_image(path, self.framing, draft=self.draft)
            labels, classes = (
                None if part is None else self.framing.labels(_same_size(part, shape, path))
                for part in self.masks(row, shape)
            )
            return _Decoded(image, labels, classes)
        except (ValueError, OSError) as error:
            if not skip:
                raise
            return _Decoded(complaint=str(error))

    def _report(self, bad: Iterable[tuple[int, _Decoded]]) -> None:
        for row, item in bad:
            name = str(self.files[row])
            if name not in self.skipped:
                self.skipped[name] = item.complaint
                warnings.warn(f"Left out {name}: {item.complaint}", stacklevel=3)

    def _check_sizes(self, good: list[tuple[int, Any]]) -> None:
        first_row, first = good[0]
        for row, item in good:
            if item.image.shape != first.image.shape:
                sizes = [f"{one.image.shape[0]}×{one.image.shape[1]}" for one in (first, item)]
                files = [str(self.files[k]) for k in (first_row, row)]
                found = f"None, and {files[0]!r} is {sizes[0]}, {files[1]!r} {sizes[1]}"
                raise invalid("size", "be given where images differ", found)


def _stacked(parts: list[Any]) -> Array | None:
    return None if parts[0] is None else np.stack(parts)


def _same_size(labels: Array, shape: tuple[int, int], path: Path) -> Array:
    if labels.shape != shape:
        found = f"{labels.shape[0]}×{labels.shape[1]} where {str(path)!r} is {shape[0]}×{shape[1]}"
        raise invalid("masks", "be as large as their image", found)
    return labels


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Return the threads that decode; Pillow lets them run side by side."""
    return ThreadPoolExecutor(os.cpu_count() or 1, "decode")


def index_image(path: Path) -> Array:
    """Return the numbers that an image of labels holds, shape (H, W): gray or palette."""
    with opened(path) as picture:
        if picture.mode not in ("1", "L", "P") and not picture.mode.startswith("I"):
            must = "lead to masks of one number a pixel, gray or palette"
            raise invalid("path", must, f"of mode {picture.mode!r} in {str(path)!r}")
        try:
            return np.asarray(picture).astype(np.int32)
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise unreadable(path, error) from None


# A process that was forked off has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def files_below(folder: Any, argument: str = "folder") -> list[Path]:
    """Return all images in a folder and those in it, in the order of their paths."""
    root = existing_folder(folder, argument)
    found = []
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(place, name)
            for name in names
            if os.path.splitext(name)[1].lower() in _ENDINGS and not name.startswith(".")
        ]
    if not found:
        raise invalid(argument, "hold images", f"{str(root)!r}, which holds none")
    return sorted(found)


def existing_folder(folder: Any, argument: str = "folder") -> Path:
    """Return `folder` as a path, or say that it is no folder."""
    if not isinstance(folder, str | os.PathLike):
        raise wrong_type(argument, "be the path of a folder", folder)
    path = Path(folder)
    if not path.is_dir():
        why = "which is a file" if path.exists() else "and nothing is there"
        text = message(argument, "be a folder", f"{str(path)!r}, {why}")
        raise (NotADirectoryError if path.exists() else FileNotFoundError)(text)
    return path


def read_folder(
    folder: str | os.PathLike[str],
    framing: Framing | None = None,
    *,
    skip: bool = False,
    draft: bool = False,
) -> ImageFolder:
    """Read any folder of images, those in folders inside it too, in the order of their paths.

    Parameters
    ----------
    folder : path
        Folder of ``.jpg .png .bmp .tif .webp .gif .ppm .pgm`` files; other files do not matter.
    framing : Framing or None
        Part, size and channels; None takes images as they are. Without a size all must have the
        same.
    skip, draft
        As in `ImageFolder`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If there are no images in it.
    """
    return ImageFolder(files_below(folder), framing or Framing(), skip=skip, draft=draft)


def read_imagenet(
    folder: str | os.PathLike[str],
    split: str = "train",
    framing: Framing | None = None,
    *,
    skip: bool = False,
    draft: bool = True,
) -> ImageFolder:
    """Read ImageNet, or whatever has a folder for each class: ``SPLIT/CLASS/*.JPEG``.

    Parameters
    ----------
    folder : path
        Folder with the splits in it.
    split : str
        ``"train"``, ``"val"``, ...; with ``""`` the classes lie in the folder itself.
    framing : Framing or None
        Part and size; None takes the middle square at 256×256.
    skip, draft
        As in `ImageFolder`.

    Returns
    -------
    ImageFolder
        With ``targets`` (class of each image, in the order of their names) and ``names``.
    """
    root = existing_folder(Path(existing_folder(folder), split))
    files = files_below(root)
    classes = [path.relative_to(root).parts[0] for path in files]
    names, targets = np.unique(classes, return_inverse=True)
    astray = next((path for path in files if path.parent == root), None)
    if astray is not None:
        raise invalid("folder", "hold a folder for each class", f"holds {str(astray)!r} beside")
    chosen = framing or Framing(crop=1.0, size=256)
    return ImageFolder(files, chosen, skip=skip, draft=draft, targets=targets, names=names.tolist())
