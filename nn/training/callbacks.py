"""What happens between the steps of training: rows of metrics, the progress bar, checkpoints."""

from __future__ import annotations

import csv
import importlib.util
import io
import math
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from tqdm import tqdm

from kuramoto._outputs import cannot_write
from kuramoto.nn.training.files import save_weights, write_whole
from kuramoto.nn.training.loop import Trainee
from kuramoto.nn.training.recipe import Recipe
from kuramoto.nn.training.settings import Settings
from kuramoto.solution import SolveError

COLUMNS = ("step", "seconds", "loss", "gradient_norm", "learning_rate", "steps_per_second")


class Metrics(Callback):
    """Write a row every few steps: to ``metrics.csv``, to TensorBoard, behind the progress bar.

    The loss of a row is the mean over the steps since the last one, also if the run was cut there.
    """

    def __init__(self, folder: Path, settings: Settings, progress: bool) -> None:
        self.folder, self.settings, self.progress = folder, settings, progress
        self.seconds = self.total = 0.0
        self.count = 0
        self.row: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run has to know."""
        return {"seconds": self.seconds, "total": float(self.total), "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint remembers."""
        self.seconds, self.total = state_dict["seconds"], state_dict["total"]
        self.count = state_dict["count"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Open the outputs; rows of steps that will be taken again go."""
        start = trainer.global_step
        self.columns = (*COLUMNS, *pl_module.recipe.scores)
        self.tick = self.row_time = time.perf_counter()
        self.row_step = start
        self.bar = tqdm(
            total=self.settings.steps,
            initial=start,
            unit="step",
            disable=not (self.progress and trainer.is_global_zero),
            dynamic_ncols=True,
        )
        self.board = None
        if trainer.is_global_zero:
            _keep_rows(self.folder / "metrics.csv", self.columns, start)
            self.board = _tensorboard(self.folder / "tensorboard", start)

    def on_train_batch_end(self, trainer: Any, pl_module: Trainee, *_: Any) -> None:
        """Add up the loss; write a row when it is time."""
        step, now = trainer.global_step, time.perf_counter()
        self.seconds, self.tick = self.seconds + now - self.tick, now
        self.total, self.count = self.total + pl_module.loss.double(), self.count + 1
        self.bar.update()
        scored = _due(step, self.settings.validate_every) or step == self.settings.steps
        if scored or _due(step, self.settings.log_every):
            self._write(trainer, pl_module, scored)

    def _write(self, trainer: Any, module: Trainee, scored: bool) -> None:
        loss = float(trainer.strategy.reduce(self.total / self.count, reduce_op="mean"))
        require_finite(loss, trainer.global_step)
        taken, elapsed = trainer.global_step - self.row_step, time.perf_counter() - self.row_time
        self.row = {
            "step": trainer.global_step,
            "seconds": round(self.seconds, 3),
            "loss": loss,
            "gradient_norm": float(module.gradient_norm),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "steps_per_second": round(taken / elapsed, 4),
        }
        self.total, self.count = 0.0, 0
        best = module.best_whole() if scored else None
        if trainer.is_global_zero:
            self.row |= _scores(module.recipe, best) if scored else {}
            self._publish()
        self.row_step, self.row_time = trainer.global_step, time.perf_counter()

    def _publish(self) -> None:
        path = self.folder / "metrics.csv"
        try:
            with path.open("a", newline="") as file:
                csv.DictWriter(file, self.columns).writerow(self.row)
        except OSError as error:
            raise cannot_write(path, error) from error
        for name, value in self.row.items():
            if self.board is not None and name != "step":
                self.board.add_scalar(name, value, int(self.row["step"]))
        self.bar.set_postfix({"loss": f"{self.row['loss']:.4f}"}, refresh=False)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Close the outputs."""
        if hasattr(self, "bar"):
            self.bar.close()
            if self.board is not None:
                self.board.close()


class Keeper(Checkpoint):
    """Write checkpoints, and stop between two steps: on Ctrl-C, SIGTERM, or when time is up."""

    def __init__(
        self, folder: Path, settings: Settings, metrics: Metrics, about: Mapping[str, Any]
    ) -> None:
        self.folder, self.settings, self.metrics, self.about = folder, settings, metrics, about
        self.asked_to_stop = False
        self.handlers: dict[int, Any] = {}
        self.saved = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Trainee, *_: Any) -> None:
        """Save when it is time; all processes have to agree on that."""
        settings, step = self.settings, trainer.global_step
        late = settings.minutes is not None and self.metrics.seconds >= 60 * settings.minutes
        stop = _any_process(trainer, self.asked_to_stop or late)
        waited = time.perf_counter() - self.saved
        overdue = bool(settings.checkpoint_minutes) and waited >= 60 * settings.checkpoint_minutes
        whole = _due(step, settings.checkpoint_every) or step >= settings.steps
        if stop or whole or _any_process(trainer, overdue):
            self._save(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or stop

    def _save(self, trainer: Any, module: Trainee) -> None:
        require_finite(float(module.loss), trainer.global_step)
        folder = self.folder / "checkpoints"
        trainer.save_checkpoint(folder / f"step_{trainer.global_step:09d}.safetensors")
        best = module.best_whole()
        if trainer.is_global_zero:
            about = {**self.about, "step": trainer.global_step}
            save_weights(self.folder / "weights.safetensors", best, about)
            for old in checkpoints(self.folder)[: -self.settings.keep or None]:
                if self.settings.keep:
                    old.unlink()
        self.saved = time.perf_counter()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Let the first Ctrl-C or SIGTERM end training after the step that runs."""

        def ask(number: int, frame: object) -> None:
            self.asked_to_stop = True
            signal.signal(number, self.handlers[number])

        # Only the main thread may; and only now, because Lightning has set its own before.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.handlers[number] = signal.signal(number, ask)


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    return sorted((folder / "checkpoints").glob("step_*.safetensors"))


def require_finite(loss: float, step: int) -> None:
    """Raise if training has diverged."""
    if not math.isfinite(loss):
        remedy = "lower learning_rate or clip, or resume from an earlier checkpoint"
        raise SolveError(f"The loss is {loss} after step {step}; {remedy}.")


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _any_process(trainer: Any, wish: bool) -> bool:
    """Say whether any process wishes something; several are asked every tenth step only."""
    if trainer.world_size == 1:
        return wish
    if trainer.global_step % 10:
        return False
    return bool(trainer.strategy.reduce_boolean_decision(wish, all=False))


def _scores(recipe: Recipe, model: Any) -> dict[str, float]:
    """Score a model, and leave everything as it was."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return {name: float(value) for name, value in recipe.validate(model).items()}
    finally:
        model.train(training)


def _keep_rows(path: Path, columns: tuple[str, ...], last: int) -> None:
    """Begin a table, or keep the rows of one up to a step."""
    rows = []
    if path.is_file():
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if None not in row.values()]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row for row in rows if int(row["step"]) <= last)
    write_whole(path, text.getvalue().encode())


def _tensorboard(folder: Path, start: int) -> Any:
    """Return a writer of curves, or None where TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=start + 1 if start else None)
