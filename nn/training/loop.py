"""One training step and what happens between steps, on Lightning (imported here and only here)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.fabric.plugins.io import CheckpointIO
from torch.optim.swa_utils import AveragedModel

from kuramoto.nn.seeds import derived_seed
from kuramoto.nn.training.files import read_tree, require_same_model, write_tree
from kuramoto.nn.training.recipe import Recipe
from kuramoto.nn.training.settings import Settings


class Trainee(lightning.LightningModule):
    """A model, its average, and the step that trains it.

    The step is written out (Lightning calls it manual optimisation) because then an optimiser step
    is one batch of Lightning's, whatever the accumulation: a checkpoint is always between two.
    """

    def __init__(self, recipe: Recipe, settings: Settings) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe, self.settings = recipe, settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(settings.seed, "weights"))
            self.model = recipe.model()
        self.average = _average(self.model, settings) if settings.ema else None
        self.loss = self.gradient_norm = torch.zeros(())

    @property
    def best(self) -> Any:
        """The model to evaluate: the average if there is one."""
        return self.model if self.average is None else self.average.module

    def best_whole(self) -> Any:
        """Return the model to evaluate, whole; where it is sharded, all processes must ask."""
        if self.settings.strategy != "fsdp":
            return self.best
        from kuramoto.nn.training.sharded import whole

        with torch.random.fork_rng(devices=[]):
            model = self.recipe.model().to(self.device)
        model.load_state_dict(whole(self.best.state_dict()))
        return model.requires_grad_(False).eval()

    def configure_optimizers(self) -> Any:
        """Return optimiser and learning-rate schedule."""
        settings = self.settings
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = kind(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        return [optimizer], [
            torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: settings.rate(step))
        ]

    def train_dataloader(self) -> Any:
        """Return the batches from the step on that training has reached."""
        return _Batches(self.recipe, self.settings, lambda: self.trainer.global_step)

    def forward(self, batch: tuple[Any, ...]) -> Any:
        """Return the loss of one part."""
        return self.recipe.loss(self.model, batch)

    def training_step(self, batch: tuple[int, tuple[Any, ...]], batch_idx: int) -> None:
        """Take one optimiser step, in `accumulate` parts."""
        step, arrays = batch
        optimizer, parts = self.optimizers(), self.settings.accumulate
        optimizer.zero_grad()
        loss = torch.zeros((), device=self.device)
        for part, rows in enumerate(_parts(arrays, self.settings.part, parts, self.global_rank)):
            _seed_everything(self.settings.seed, step, part + parts * self.global_rank)
            share = self(rows) / parts
            self.manual_backward(share)
            loss += share.detach()
        self.loss, self.gradient_norm = loss, self._clip()
        optimizer.step()
        self.lr_schedulers().step()
        if self.average is not None and step % self.settings.ema_every == 0:
            self.average.update_parameters(self.model)

    def require_checkpoint(self, path: Path) -> int:
        """Return the step of a checkpoint; refuse one that is damaged or of another model."""
        checkpoint = SafeFiles().load_checkpoint(path)
        require_same_model(f"Checkpoint {path}", checkpoint["state_dict"], self.state_dict())
        return int(checkpoint["global_step"])

    def _clip(self) -> Any:
        clip = self.settings.clip or float("inf")
        if self.settings.strategy == "fsdp":
            from kuramoto.nn.training import sharded

            return sharded.clip(self.model, clip)
        return torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip)


def _average(model: Any, settings: Settings) -> AveragedModel:
    """Return a copy of the model that follows it as `Settings` describes."""

    def follow(averages: Any, currents: Any, updates: Any) -> None:
        decay = settings.ema_decay(settings.ema_every * int(updates))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, currents, 1 - decay)
        else:
            for average, current in zip(averages, currents, strict=True):
                average.copy_(current)

    average = AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
    return average.requires_grad_(False).eval()


class _Batches:
    """The batches of all steps to come, each made from its number."""

    def __init__(self, recipe: Recipe, settings: Settings, start: Callable[[], int]) -> None:
        self.recipe, self.settings, self.start = recipe, settings, start

    def __iter__(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        size, seed = self.settings.batch, self.settings.seed
        for step in range(self.start(), self.settings.steps):
            arrays = self.recipe.batch(step, size, seed)
            yield step, tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)


def _parts(arrays: tuple[Any, ...], size: int, parts: int, rank: int) -> Iterator[tuple[Any, ...]]:
    """Yield this process's parts of a batch, one after the other."""
    for part in range(rank * parts, (rank + 1) * parts):
        yield tuple(array[part * size : (part + 1) * size] for array in arrays)


def _seed_everything(seed: int, step: int, part: int) -> None:
    """Seed every global generator for one part of one step; nothing needs to be remembered."""
    derived = derived_seed(seed, "step", step, part)
    torch.manual_seed(derived)
    random.seed(derived)
    np.random.seed(derived % 2**32)  # noqa: NPY002  (for models that use the global generator)


class SafeFiles(CheckpointIO):
    """Lightning's checkpoints as safetensors, written at once, instead of pickles."""

    def save_checkpoint(
        self, checkpoint: Mapping[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint."""
        write_tree(path, checkpoint)

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint."""
        found = read_tree(path)
        if not {"state_dict", "optimizer_states", "loops"} <= found.keys():
            raise ValueError(f"File {path} holds no checkpoint of a training run.")
        return found

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)
