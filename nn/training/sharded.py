"""Training with weights and optimiser cut into shards, one for each process (FSDP).

`torch.distributed.fsdp.fully_shard` puts the weights of a block together when they are needed, and
averages gradients into shards; weights that are one number stay with every process. A checkpoint is
whole, the same file that one process writes: any number of processes can go on from it, sharded or
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


class ShardedStrategy(DDPStrategy):
    """Processes as for DDP, but each keeps its shard of weights, average and optimiser only."""

    def _setup_model(self, model: Any) -> Any:
        """Cut a trainee's model and its average; Lightning calls this in the place of DDP's."""
        mesh = init_device_mesh(self.root_device.type, (self.world_size,))
        shard(model.model, mesh)
        if model.average is not None:
            shard(model.average.module, mesh)
        return model

    def _register_ddp_hooks(self) -> None:
        """Register nothing: gradients are summed by the shards themselves."""

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return all weights, whole, on every process."""
        state: dict[str, Any] = whole(super().lightning_module_state_dict())
        return state

    def optimizer_state(self, optimizer: Any) -> dict[str, Any]:
        """Return an optimiser's state, whole, on every process."""
        state: dict[str, Any] = whole(super().optimizer_state(optimizer))
        return state

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Take this process's shards of whole weights."""
        module = self.lightning_module
        own = module.state_dict()
        parts = {name: _like(t, own.get(name)) for name, t in checkpoint["state_dict"].items()}
        module.load_state_dict(parts, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this process's shards of whole states."""
        for wrapped, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer = wrapped.optimizer if isinstance(wrapped, LightningOptimizer) else wrapped
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            parts = {
                i: {name: _like(value, parameters[i]) for name, value in entries.items()}
                for i, entries in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": parts})


def shard(model: Any, mesh: Any) -> None:
    """Cut a model: every part of a list of parts (blocks, layers) on its own, then the rest."""
    single = {p for p in model.parameters() if p.ndim == 0}  # PyTorch cannot cut these
    lists = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList)]
    for block in [block for part in reversed(lists) for block in part]:
        fully_shard(block, mesh=mesh, ignored_params=single)
    fully_shard(model, mesh=mesh, ignored_params=single)


def clip(model: Any, largest: float) -> Any:
    """Scale all gradients down to a largest norm, and return the norm that they had."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    cut = [g.to_local() for g in gradients if isinstance(g, DTensor)]
    uncut = [g for g in gradients if not isinstance(g, DTensor)]
    for gradient in uncut:  # the others are averages over the processes already
        torch.distributed.all_reduce(gradient)
        gradient /= torch.distributed.get_world_size()
    squares = torch.stack([g.square().sum() for g in cut]).sum()
    torch.distributed.all_reduce(squares)
    norm = (squares + sum(g.square().sum() for g in uncut)).sqrt()
    torch._foreach_mul_([*cut, *uncut], (largest / (norm + 1e-6)).clamp(max=1.0))
    return norm


def whole(tree: Any) -> Any:
    """Return nested dicts and lists with every sharded tensor put together; all must ask."""
    if isinstance(tree, DTensor):
        return tree.full_tensor()
    if isinstance(tree, Mapping):
        return {key: whole(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(whole(value) for value in tree)
    return tree


def _like(value: Any, example: Any) -> Any:
    """Return a whole tensor cut as an example is; others (a count of steps) as they are."""
    if isinstance(example, DTensor) and value.shape == example.shape:
        mesh, cut = example.device_mesh, example.placements
        return distribute_tensor(value.to(example.device), mesh, cut, src_data_rank=None)
    return value
