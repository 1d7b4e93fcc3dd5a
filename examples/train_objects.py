"""Train oscillators and their counterparts to find objects, score them, put all into a table.

    python examples/train_objects.py OUT                            # Shapes, preset `cpu`; hours
    python examples/train_objects.py OUT --source tetrominoes --seeds 0 1 --only akorn itrsa
    python examples/train_objects.py OUT --source nuclei --data DATA

All see the same images in the same order, take as many steps, and are scored on the same held-out
scenes, plain and scaled up by up-tiling. Two floors stand beside them: the colours of the patches,
and the same network untrained. Started again after any interruption, it goes on where it was. OUT
gets a run folder for each network and seed, reports, and ``table.txt``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from kuramoto.nn import training
from kuramoto.nn.tasks import objects
from kuramoto.nn.tasks.objects_evaluation import evaluate
from kuramoto.nn.tasks.objects_sources import scenes

NETWORKS: dict[str, dict[str, str]] = {
    "akorn": {},
    "itrsa": {"model.name": "itrsa"},
    "akorn_conv": {"model.connectivity": "convolution"},
    "itrconv": {"model.name": "itrconv"},
}


def main() -> None:
    """Train and score what is asked for, then write the table of all that is there."""
    asked = _arguments()
    for seed in asked.seeds:
        for name in asked.only or NETWORKS:
            folder = asked.out / f"{asked.source}_{name}_seed_{seed}"
            train(folder, asked, {**NETWORKS[name], "seed": str(seed)})
            score(training.Run(folder), asked)
    floors(training.Run(folder), asked)
    text = table(asked.out)
    (asked.out / "table.txt").write_text(text)
    print(text)


def train(folder: Path, asked: argparse.Namespace, changes: dict[str, str]) -> None:
    """Train a network into a folder, or go on with it."""
    wanted = dict(pair.split("=", 1) for pair in asked.set)
    changes = {"source": asked.source, **changes, **wanted}
    recipe, settings = objects.prepare(asked.preset, asked.data, changes)
    begun = (folder / "weights.safetensors").is_file()
    print(f"{folder.name}: training")
    outcome = training.fit(
        recipe, settings, folder, device=asked.device, resume=begun, overwrite=True, progress=True
    )
    if not outcome.finished:
        raise SystemExit(f"Interrupted at step {outcome.step}; the same command goes on.")


def score(run: Any, asked: argparse.Namespace) -> None:
    """Write reports of test scenes; those that are there already stay."""
    for scale in asked.up_tile:
        file = run.folder / f"test_up_tile_{scale}.json"
        if not file.is_file():
            objects.evaluate_run(
                run,
                data=asked.data,
                limit=asked.limit,
                up_tile=scale,
                device=asked.device,
                out=file,
                progress=True,
            )


def floors(run: Any, asked: argparse.Namespace) -> None:
    """Score what needs no training: mean colours of patches, and an untrained network."""
    recipe = objects.restore(run.recipe, asked.data)
    torch.manual_seed(0)
    untrained = recipe.model().eval()
    kinds = {
        "colours": torch.nn.AvgPool2d(untrained.config.patch_size),
        "untrained": untrained.features,
    }
    test = scenes(
        recipe.options.source, recipe.options.wanted("test", asked.data, asked.limit or 0)
    )
    for name, features in kinds.items():
        folder = asked.out / f"{asked.source}_{name}"
        folder.mkdir(exist_ok=True)
        how = {"clusters": recipe.options.clusters, "patch_size": untrained.config.patch_size}
        for scale in asked.up_tile:
            file = folder / f"test_up_tile_{scale}.json"
            if not file.is_file():
                evaluate(features, test, up_tile=scale, out=file, progress=True, **how)


def table(out: Path) -> str:
    """Return FG-ARI and MBO in %, of every network and scale of up-tiling."""
    lines = [f"{'network':32} {'scale':>5} {'scenes':>6}  FG-ARI    MBO"]
    for file in sorted(out.glob("*/test_up_tile_*.json")):
        report = json.loads(file.read_text())
        scale = file.stem.rsplit("_", 1)[1]
        means = report["means"]
        scores = f"{100 * means['fg_ari']:6.1f} {100 * means['mbo_i']:6.1f}"
        lines.append(f"{file.parent.name:32} {scale:>5} {report['images']:6}  {scores}")
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--source", default="shapes", help="scenes [default: shapes]")
    parser.add_argument("--data", type=Path, help="folder of data, for scenes that are read")
    parser.add_argument("--preset", default="cpu", choices=sorted(objects.PRESETS))
    parser.add_argument("--only", nargs="+", choices=sorted(NETWORKS), help="some networks")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], help="[default: 0 1]")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the preset")
    parser.add_argument("--up-tile", nargs="+", type=int, default=[1, 2], help="[default: 1 2]")
    parser.add_argument("--limit", type=int, help="test scenes at most [default: all]")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
