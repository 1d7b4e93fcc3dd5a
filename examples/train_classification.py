"""Train oscillators, ablations and counterparts on CIFAR-10, attack them all, compare them.

    python examples/train_classification.py DATA OUT                      # all, preset `cpu`; days
    python examples/train_classification.py DATA OUT --only akorn resnet --budget quick

DATA holds CIFAR-10: as published (``--source cifar10``), or re-encoded as JPEG, ``cifar10/*.npz``
(the default; call figures from it what they are); and, if it is there, ``frost`` with the pictures
of that corruption. All networks see the same images in the same order, take as many steps and are
put to the same tests. Started again after any interruption, it goes on where it was. OUT gets a run
folder and a report for each network, ``table.txt``, and pictures of all beside each other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from kuramoto.nn import training
from kuramoto.nn.data.images import read_cifar10_pairs
from kuramoto.nn.pictures import robustness as pictures
from kuramoto.nn.robustness import BUDGETS, Report
from kuramoto.nn.tasks import classification, robustness
from kuramoto.nn.tasks.classification_evaluation import network_of_run, score
from kuramoto.nn.tasks.partial import partial_name

# What differs from the preset, which is AKOrN-conv with N = 2. What fools resnet is tried on all
# others.
NETWORKS: dict[str, dict[str, str]] = {
    "resnet": {"model.name": "resnet18", "model.channels": "11"},
    "akorn": {},
    "akorn_4": {"model.dimensions": "4"},
    "itrconv": {"model.name": "itrconv", "model.channels": "24"},
    "resnet_noise": {"model.name": "resnet18", "model.channels": "11", "noise": "0.2"},
    "no_projection": {"model.project": "false"},
    "no_stimulus": {"model.stimulus": "false"},
    "no_lengths": {"model.lengths": "false"},
}
PAIRS = "jpeg_or_lossless.json"


def main() -> None:
    """Train and test what is asked for, then compare all that is there."""
    asked = _arguments()
    for name in asked.only or NETWORKS:
        folder = asked.out / name
        train(folder, asked, NETWORKS[name])
        if asked.budget != "none":
            examine(folder, asked)
        if asked.source == "cifar10_jpeg":
            compare_pixels(folder, asked)
    text = table(asked.out)
    (asked.out / "table.txt").write_text(text)
    print(text)
    draw(asked.out)


def train(folder: Path, asked: argparse.Namespace, changes: dict[str, str]) -> None:
    """Train a network into a folder, or go on with it."""
    wanted = dict(pair.split("=", 1) for pair in asked.set)
    changes = {"source": asked.source, **changes, **wanted}
    recipe, settings = classification.prepare(asked.preset, asked.data, changes)
    begun = (folder / "weights.safetensors").is_file()
    print(f"{folder.name}: training")
    outcome = training.fit(
        recipe, settings, folder, device=asked.device, resume=begun, overwrite=True, progress=True
    )
    if not outcome.finished:
        raise SystemExit(f"Interrupted at step {outcome.step}; the same command goes on.")


def examine(folder: Path, asked: argparse.Namespace) -> None:
    """Write a report on a network; one that is there already stays."""
    target = folder / "robustness"
    if (target / "report.json").is_file():
        return
    target.mkdir(exist_ok=True)
    surrogate = asked.out / "resnet"
    known = folder != surrogate and (surrogate / "weights.safetensors").is_file()
    kept = partial_name(target / "report.json")
    report = robustness.evaluate_run(
        training.Run(folder),
        BUDGETS[asked.budget],
        data=asked.data,
        surrogate=training.Run(surrogate) if known else None,
        device=asked.device,
        kept=kept,
        progress=True,
    )
    pictures.write(report, target)
    kept.unlink(missing_ok=True)


def compare_pixels(folder: Path, asked: argparse.Namespace) -> None:
    """Score the 4,000 test images that are there twice: as JPEG, and with their true pixels."""
    file = folder / PAIRS
    if file.is_file() or not (asked.data / "cifar10" / "test_4class_lossless.npz").is_file():
        return
    pairs, model = read_cifar10_pairs(asked.data / "cifar10"), network_of_run(training.Run(folder))
    found = {name: score(model, images).as_dict() for name, images in pairs._asdict().items()}
    file.write_text(json.dumps(found, indent=1) + "\n")


def reports_of(out: Path) -> dict[str, Report]:
    """Return all reports that are there."""
    files = sorted(out.glob("*/robustness/report.json"))
    return {file.parent.parent.name: Report.from_json(file.read_text()) for file in files}


def table(out: Path) -> str:
    """Return what a paper's table has, in %, and what the audits say."""
    heads = ["clean", "ECE", "noise", "corr.", "ECE", "AA", "least", "fixed", "JPEG", "pixels"]
    lines = [f"{'network':16}" + "".join(f"{head:>8}" for head in heads) + "  audit"]
    for name, report in reports_of(out).items():
        values = [*_scores(report), *_attacked(report), *_pixels(out / name / PAIRS)]
        shown = "".join("       -" if v is None else f"{100 * v:8.2f}" for v in values)
        verdict = "" if report.audit is None else report.audit.verdict
        lines.append(f"{name:16}{shown}  {verdict}")
    return "\n".join(lines) + "\n"


def _scores(report: Report) -> list[float | None]:
    noisy = report.noise.get(64 / 255)
    severe = report.corrupted(5)
    means = [report.mean(5, what) if severe else None for what in ("accuracy", "ece")]
    accuracy = None if noisy is None else noisy.accuracy
    return [report.clean.accuracy, report.clean.ece, accuracy, *means]


def _attacked(report: Report) -> list[float | None]:
    """Return what is left under AutoAttack, the strongest attack, PGD on one initial state."""
    if report.audit is None:
        return [None] * 3
    found = report.audit.results
    auto = next((result for name, result in found.items() if "AutoAttack" in name), None)
    fixed = found.get("PGD, fixed")
    accuracies = [None if result is None else result.accuracy for result in (auto, fixed)]
    return [accuracies[0], report.audit.accuracy, accuracies[1]]


def _pixels(file: Path) -> list[float | None]:
    found = json.loads(file.read_text()) if file.is_file() else {}
    return [found[name]["accuracy"] if name in found else None for name in ("jpeg", "lossless")]


def draw(out: Path) -> None:
    """Draw all networks beside each other."""
    reports = reports_of(out)
    if not reports:
        return
    for name in ("reliability", "noise", "corruptions"):
        figure = getattr(pictures, f"figure_{name}")(reports)
        figure.savefig(out / f"{name}.png", dpi=120)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="folder of data")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--source", default="cifar10_jpeg", help="[default: cifar10_jpeg]")
    parser.add_argument("--preset", default="cpu", choices=sorted(classification.PRESETS))
    parser.add_argument("--only", nargs="+", choices=sorted(NETWORKS), help="some networks")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the preset")
    parser.add_argument("--budget", default="standard", choices=[*BUDGETS, "none"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
