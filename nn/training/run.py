"""A training run: its folder, and the one function that fills it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import platform
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kuramoto._check import invalid
from kuramoto.nn.training.files import load_weights, write_whole
from kuramoto.nn.training.recipe import Recipe
from kuramoto.nn.training.settings import Settings

FORMAT = 1


@dataclass(frozen=True)
class Outcome:
    """How training ended.

    Attributes
    ----------
    step
        Optimiser steps taken, over all parts of the run.
    finished
        Whether that was all of them; else time was up, or somebody asked to stop.
    interrupted
        Whether somebody asked to stop.
    metrics
        The last row of ``metrics.csv``.
    """

    step: int
    finished: bool
    interrupted: bool
    metrics: dict[str, float]


class Run:
    """The folder of a training run.

    Parameters
    ----------
    folder
        Where it is.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / "config.json"
        if not path.is_file():
            raise FileNotFoundError(f"Folder {folder} holds no training run (no config.json).")
        try:
            self.config = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"File {path} is not JSON: {error}.") from error
        known = isinstance(self.config, dict) and self.config.get("training_run") == FORMAT
        if not known or not {"recipe", "settings"} <= self.config.keys():
            raise ValueError(f"File {path} is not the configuration of a training run.")

    @property
    def settings(self) -> Settings:
        """How it is trained."""
        return Settings().with_changes(self.config["settings"])

    @property
    def recipe(self) -> dict[str, Any]:
        """What is trained, as `Recipe.about` said it."""
        about: dict[str, Any] = self.config["recipe"]
        return about

    def checkpoint(self) -> Path:
        """Return the newest checkpoint."""
        found = sorted((self.folder / "checkpoints").glob("step_*.safetensors"))
        if not found:
            raise FileNotFoundError(
                f"Run {self.folder} has no checkpoint yet; start it again with --force."
            )
        return found[-1]

    def load(self, model: Any) -> Any:
        """Load the averaged weights into a model of the run's kind, in evaluation mode."""
        load_weights(self.folder / "weights.safetensors", model)
        return model.eval()


def fit(
    recipe: Recipe,
    settings: Settings,
    folder: str | Path,
    *,
    device: str = "cpu",
    resume: bool | str | Path = False,
    progress: bool = False,
    overwrite: bool = False,
) -> Outcome:
    """Train a recipe's model into a run folder.

    Parameters
    ----------
    recipe
        What to train.
    settings
        How. A run that is resumed may be given more `steps` or `minutes`.
    folder
        Run folder; it is made.
    device
        ``"cpu"`` or ``"cuda"``.
    resume
        Go on from the newest checkpoint of the folder, or from this one. On the CPU (and the same
        number of threads) everything that follows is the same, bit for bit, as without the break.
    progress
        Show a bar with loss and speed.
    overwrite
        Replace a run that the folder holds.

    Returns
    -------
    Outcome
        How far it came.

    Raises
    ------
    FileExistsError
        If the folder holds something and neither `resume` nor `overwrite` is given.
    ValueError
        If the device is absent, or if the run to go on with is of another recipe, has a damaged
        checkpoint, or has taken more steps than asked for.
    SolveError
        If the loss stops being finite.
    """
    folder = Path(folder)
    kind = accelerator(device, settings.devices)
    about = json.loads(json.dumps(recipe.about()))
    start = _start(folder, about, resume)
    # What cannot be made is bad input, and said before anything is written.
    recipe.batch(0, settings.batch, settings.seed)
    with _quiet():
        from kuramoto.nn.training.callbacks import Keeper, Metrics
        from kuramoto.nn.training.loop import Trainee

        trainee = Trainee(recipe, settings)
        reached = 0 if start is None else trainee.require_checkpoint(start)
        if reached > settings.steps:
            must = f"be at least {reached}, which the run has taken"
            raise invalid("steps", must, f"{settings.steps}")
        if reached == settings.steps:
            return Outcome(reached, finished=True, interrupted=False, metrics={})
        if first_process():
            _prepare(folder, about, settings, start, overwrite)
        metrics = Metrics(folder, settings, progress)
        keeper = Keeper(folder, settings, metrics, about)
        trainer = _trainer(folder, settings, kind, [metrics, keeper])
        # Files are safetensors: `weights_only` keeps Lightning from warning about pickles.
        with _signals_given_back():
            trainer.fit(trainee, ckpt_path=start, weights_only=True)
    finished = trainer.global_step >= settings.steps
    return Outcome(trainer.global_step, finished, keeper.asked_to_stop, metrics.row)


def _trainer(folder: Path, settings: Settings, kind: str, callbacks: list[Any]) -> Any:
    import lightning.pytorch as lightning

    from kuramoto.nn.training.loop import SafeFiles

    return lightning.Trainer(
        accelerator=kind,
        devices=settings.devices,
        strategy=_strategy(settings.strategy),
        precision="bf16-mixed" if settings.precision == "bfloat16" else "32-true",
        max_steps=settings.steps,
        max_epochs=-1,
        callbacks=callbacks,
        plugins=[SafeFiles()],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _strategy(name: str) -> Any:
    """Return what Lightning takes for a strategy."""
    if name != "fsdp":
        return name
    from kuramoto.nn.training.sharded import ShardedStrategy

    return ShardedStrategy()


def accelerator(device: str, devices: int = 1) -> str:
    """Return Lightning's word for a device, or raise if it is not there."""
    import torch

    if device not in ("cpu", "cuda"):
        raise invalid("device", "be cpu or cuda", repr(device))
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and there < devices:
        found = f"PyTorch finds {there or 'no'} CUDA GPU{'s' * (there > 1)}"
        wanted = "cuda" if devices == 1 else f"cuda x {devices}"
        raise ValueError(f"Device {wanted} is not there: {found}; use cpu, or fewer devices.")
    return "gpu" if device == "cuda" else "cpu"


def _start(folder: Path, about: dict[str, Any], resume: bool | str | Path) -> Path | None:
    """Return the checkpoint to start from, once it is certain that the recipe is the run's."""
    if resume is False:
        return None
    run = Run(folder)
    for name in {**run.recipe, **about}:
        theirs, ours = run.recipe.get(name), about.get(name)
        if theirs != ours:
            raise ValueError(f"Run {folder} has {name} = {theirs}, but this is {ours}.")
    return run.checkpoint() if resume is True else Path(resume)


def first_process() -> bool:
    """Say whether this is the process that writes, where there are several."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def _prepare(
    folder: Path, about: dict[str, Any], settings: Settings, start: Path | None, overwrite: bool
) -> None:
    """Make the folder and write what is asked for."""
    if start is None:
        _require_free(folder, overwrite)
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    config = {
        "training_run": FORMAT,
        "recipe": about,
        "settings": dataclasses.asdict(settings),
        "versions": _versions(),
    }
    write_whole(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def _require_free(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that holds something, or with `overwrite` empty it if that is a run."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"Output {folder} is a file; name a folder for the run.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not overwrite:
        remedy = f"continue it with --resume {folder}, choose another name, or pass --force"
        raise FileExistsError(f"Output {folder} exists already; {remedy}.")
    Run(folder)  # raises where the folder holds something else: that is never deleted
    for name in ("checkpoints", "tensorboard"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("config.json", "weights.safetensors", "metrics.csv"):
        (folder / name).unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    from importlib import metadata

    names = ("kuramoto-spheres", "lightning", "numpy", "torch")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@contextmanager
def _signals_given_back() -> Iterator[None]:
    """Leave Ctrl-C and SIGTERM as they were: Lightning keeps the latter for itself."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None:  # None: one that Python has not set
                    signal.signal(number, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from advertising, and from warning about what is meant here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightning.pytorch  # noqa: F401  (its loggers exist from here on)
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        # Said by DistributedDataParallel of 1x1 convolutions, whose strides mean nothing.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        # Said by shards of outputs that are views; nothing here changes an output in place.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
