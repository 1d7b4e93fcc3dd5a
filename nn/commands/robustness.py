"""``kuramoto evaluate robustness``: noise, corruptions, attacks, and what these are worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kuramoto._check import invalid, nearest
from kuramoto.cli import Force, NoBar
from kuramoto.nn.commands.options import (
    Changes,
    Data,
    Device,
    RunFolder,
    device_of,
    interruptible,
    option,
    pairs,
)
from kuramoto.nn.commands.outputs import beside

if TYPE_CHECKING:
    from kuramoto.nn.robustness import Budget

__all__ = ["evaluate"]


def evaluate(
    run: RunFolder,
    budget: Annotated[
        str, option("NAME", "toy, quick or standard (hours on a CPU) [default: standard].")
    ] = "standard",
    changes: Changes = [],  # noqa: B006  (typer takes a copy)
    eps: Annotated[str | None, option("EPS", "Of attacks [default: 8/255].")] = None,
    images: Annotated[
        int | None, option("N", "Images that are attacked, spread evenly [default: the budget's].")
    ] = None,
    surrogate: Annotated[
        Path | None, option("RUN", "Another run; what fools its network is tried on this one.")
    ] = None,
    data: Data = None,
    limit: Annotated[int | None, option("N", "Images in all, spread evenly.")] = None,
    frost: Annotated[
        Path | None, option("DIR", "Pictures of frost [default: frost, beside the data].")
    ] = None,
    corrupted: Annotated[
        Path | None, option("DIR", "CIFAR-10-C as published [default: corruptions are made].")
    ] = None,
    samples: Annotated[
        int | None, option("K", "Initial states whose logits are averaged [default: as trained].")
    ] = None,
    steps: Annotated[int | None, option("T", "Kuramoto steps [default: as trained].")] = None,
    no_attacks: Annotated[
        bool, typer.Option("--no-attacks", help="Noise and corruptions only.")
    ] = False,
    out: Annotated[
        Path | None, option("FOLDER", "Write to it [default: RUN-robustness, beside the run].")
    ] = None,
    device: Device = "",
    force: Force = False,
    quiet: NoBar = False,
) -> None:
    """Report how a classifier does off its training images: noise, corruptions, attacks, an audit.

    As in: kuramoto evaluate robustness run --budget quick. Writes report.html, to be read,
    report.json and table.txt. What is done is kept image batch by image batch: the same command
    goes on after an interruption. --set steps=50 changes the budget, --set plan.steps=20 that of
    the audit.
    """
    from kuramoto.nn import training
    from kuramoto.nn.pictures import robustness_page as pages
    from kuramoto.nn.tasks import robustness

    extra = {"eps": eps, "images": images}
    spent = _budget(budget, {**pairs(changes), **{k: v for k, v in extra.items() if v is not None}})
    if no_attacks:
        spent = _without_attacks(spent)
    other = None if surrogate is None else training.Run(surrogate)
    found = training.Run(run)
    folder = out or beside(run, "-robustness")
    with interruptible("the same command goes on"), _kept(folder, force) as kept:
        report = robustness.evaluate_run(
            found,
            spent,
            data=data,
            limit=limit,
            surrogate=other,
            frost=frost,
            published=corrupted,
            samples=samples,
            steps=steps,
            device=device_of(device),
            kept=kept,
            overwrite=force,
            progress=not quiet,
        )
        pages.write(report, folder, overwrite=force)
    typer.echo(f"{report}\n{folder / 'report.html'}")


@contextmanager
def _kept(folder: Path, force: bool) -> Iterator[Path]:
    """Make the folder; yield where what is done is kept until the report is written."""
    from kuramoto._outputs import require_free
    from kuramoto.nn.tasks.partial import partial_name

    report = folder / "report.json"
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"Output {folder} is no folder; choose another name.")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"Output folder {folder.parent} does not exist; create it first.")
    require_free(report, force) if folder.exists() else folder.mkdir()
    kept = partial_name(report)
    try:
        yield kept
        kept.unlink(missing_ok=True)
    finally:
        if not any(folder.iterdir()):  # nothing came of it
            folder.rmdir()


def _budget(name: str, changes: dict[str, Any]) -> Budget:
    """Return a budget with some of it changed."""
    from dataclasses import replace

    from kuramoto.nn.robustness import BUDGETS
    from kuramoto.nn.training import changed

    if name not in BUDGETS:
        known = nearest(name, BUDGETS)
        raise invalid("budget", f"be one of {', '.join(BUDGETS)}", repr(name), known)
    start = BUDGETS[name]
    plan = {key[5:]: value for key, value in changes.items() if key.startswith("plan.")}
    own = {key: value for key, value in changes.items() if not key.startswith("plan.")}
    if "eps" in own:
        own["eps"] = _fraction(own["eps"])
    if plan and start.plan is not None:
        start = replace(start, plan=changed(start.plan, plan))
    return changed(start, own)


def _without_attacks(budget: Budget) -> Budget:
    from dataclasses import replace

    return replace(budget, plan=None)


def _fraction(text: Any) -> float:
    try:
        return float(Fraction(str(text)))
    except (ValueError, ZeroDivisionError):
        raise invalid("eps", "be a number or a fraction, as 8/255", repr(text)) from None
