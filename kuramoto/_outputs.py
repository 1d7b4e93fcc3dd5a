"""Output files: nothing overwritten unasked, nothing half-written under its final name."""

from __future__ import annotations

import os
from pathlib import Path


def require_free(path: Path, overwrite: bool) -> None:
    """Raise if an output path is taken, is a folder, or lies in no folder."""
    if path.is_dir():
        raise IsADirectoryError(f"Output {path} is a folder; name a file in it.")
    if path.exists() and not path.is_file():
        raise FileExistsError(f"Output {path} is a device or a pipe; name an ordinary file.")
    if path.exists() and not overwrite:
        remedy = "choose another name, or pass overwrite=True (--force)"
        raise FileExistsError(f"Output {path} exists already; {remedy}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Output folder {path.parent} does not exist; create it first.")


def temporary_name(path: Path) -> Path:
    """Return a name beside `path`, of this process alone."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def give_name(temporary: Path, path: Path, overwrite: bool) -> None:
    """Rename; without `overwrite`, a file that appeared in the meantime is not replaced."""
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)
    except FileExistsError:
        require_free(path, overwrite)
        raise
    except OSError:  # a file system without hard links
        with path.open("x"):
            os.replace(temporary, path)


def cannot_write(path: Path, error: OSError) -> OSError:
    """Return an error of the same kind that names the output."""
    if isinstance(error, FileExistsError):
        return error
    words = error.strerror or " ".join(str(error).split())
    return type(error)(f"Output {path} cannot be written: {words}.")
