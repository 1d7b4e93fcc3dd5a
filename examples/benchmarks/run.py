"""Measure this library beside its peers and the floors of this machine.

Run: ``python examples/benchmarks/run.py`` (a quarter of an hour; ``--quick`` a few minutes).
The README beside this file says how to install the peers; those that are missing are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figure import draw
from goals import render_goals
from machine import Neighbours, cores
from race import Crew
from report import render
from suite import measure
from workloads import GROUPS

NUMBERS, FIGURE = "results.json", "results.png"


def thread_counts(text: str) -> tuple[int, ...]:
    """Return (1, 2) from "1,2"."""
    try:
        counts = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers like 1,2, but is {text!r}") from None
    if not 1 <= counts[0] <= counts[-1] <= cores():
        must = f"must lie in 1 to {cores()}, the cores of this machine, but is {text!r}"
        raise argparse.ArgumentTypeError(must)
    return counts


def groups(text: str) -> tuple[str, ...]:
    """Return groups of workloads from "W1,W2"."""
    words = tuple(text.split(","))
    unknown = [word for word in words if word not in GROUPS]
    if unknown:
        must = f"must be among {', '.join(GROUPS)}, but holds {unknown[0]!r}"
        raise argparse.ArgumentTypeError(must)
    return words


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add, every = parser.add_argument, ",".join(GROUPS)
    add("--quick", action="store_true", help="fewer and shorter samples; slow ones are left out")
    add("--only", type=groups, default=GROUPS, metavar="GROUPS", help=f"some of {every}")
    add("--threads", type=thread_counts, default=tuple(sorted({1, cores()})), help="such as 1,2")
    add("--out", type=Path, default=Path("benchmark_results"), help="folder for the results")
    add("--force", action="store_true", help="overwrite results that are there")
    peers = os.environ.get("KURAMOTO_PEERS_PYTHON", sys.executable)
    add("--peers-python", default=peers, metavar="PATH", help="interpreter that has the peers")
    old = os.environ.get("KURAMOTO04_PYTHON")
    add("--kuramoto04-python", default=old, metavar="PATH", help="interpreter with kuramoto 0.4")
    return parser.parse_args(arguments)


def require_free(folder: Path, force: bool) -> None:
    """Raise if the folder is a file, or holds results."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"Output {folder} is a file; choose another with --out.")
    taken = [folder / name for name in (NUMBERS, FIGURE) if (folder / name).exists()]
    if taken and not force:
        remedy = "choose another folder with --out, or pass --force"
        raise FileExistsError(f"Output {taken[0]} exists already; {remedy}.")


def write(results: dict[str, Any], folder: Path) -> None:
    """Write the numbers and the figure."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (folder / NUMBERS).write_text(text + "\n", encoding="utf-8")
    draw(results, folder / FIGURE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 if a contestant computed something else."""
    options = parse(arguments)
    try:
        require_free(options.out, options.force)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    neighbours = Neighbours()
    with Crew(interpreters(options)) as crew:
        results = measure(options, crew)
    results["machine"]["others"] = neighbours.cores()
    write(results, options.out)
    print(render(results), render_goals(results), sep="\n")
    print(f"{options.out / NUMBERS} and {options.out / FIGURE} are written.")
    return int(any(record.get("problem") == "WRONG" for record in results["agreement"]))


def interpreters(options: argparse.Namespace) -> dict[str, str]:
    """Return who runs where."""
    pythons = {"ours": sys.executable, "peers": options.peers_python}
    old = options.kuramoto04_python
    return {**pythons, "kuramoto04": old} if old else pythons


if __name__ == "__main__":
    sys.exit(main())
