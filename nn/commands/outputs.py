"""Pictures that commands write: their names, their endings, and nothing half-written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from kuramoto._check import invalid, whole_number
from kuramoto._outputs import cannot_write, give_name, temporary_name

__all__ = [
    "beside",
    "names_of",
    "picture_formats",
    "require_ending",
    "require_numbers",
    "written",
]


def beside(folder: Path, ending: str) -> Path:
    """Return a name beside a folder, also for ``.``."""
    whole = folder.resolve()
    return (folder.parent if folder.name else whole.parent) / (whole.name + ending)


def names_of(runs: Sequence[Path]) -> list[str]:
    """Return the runs' folders, with as little of their paths as tells them apart."""
    parts = [path.resolve().parts for path in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = [str(Path(*own[-depth:])) for own in parts]
        if len(set(names)) == len(names):
            return names
    raise ValueError("The same run is given twice; give each once.")


def picture_formats() -> tuple[str, ...]:
    """Return the endings of pictures that can be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    import kuramoto.plotting  # noqa: F401 - says what to install where matplotlib is missing

    return tuple(f".{name}" for name in FigureCanvasAgg.get_supported_filetypes())


def require_ending(target: Path, known: Sequence[str]) -> None:
    """Complain about an output whose ending says nothing."""
    if target.suffix.lower() not in known:
        raise invalid("out", f"end in {', '.join(sorted(known))}", repr(str(target)))


def require_numbers(**numbers: int | None) -> None:
    """Complain before anything is computed."""
    for name, value in numbers.items():
        if value is not None:
            whole_number(name, value, least=0 if name == "seed" else 1)


@contextlib.contextmanager
def written(target: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary name, which becomes the output's only if all goes well."""
    temporary = temporary_name(target)
    temporary = temporary.with_name(temporary.name + target.suffix)
    try:
        yield temporary
        give_name(temporary, target, overwrite)
    except PermissionError as error:
        raise cannot_write(target, error) from None
    finally:
        temporary.unlink(missing_ok=True)
