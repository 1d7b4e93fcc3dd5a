"""The robustness of a run: its own test images, a report that is kept, and the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call

torch = pytest.importorskip("torch")
pytest.importorskip("kornia")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")
pytest.importorskip("pyautoattack")
pytest.importorskip("matplotlib")

from kuramoto.nn import training  # noqa: E402
from kuramoto.nn.attacks import PGD  # noqa: E402
from kuramoto.nn.pictures import robustness_page  # noqa: E402
from kuramoto.nn.robustness import BUDGETS, Report  # noqa: E402
from kuramoto.nn.tasks import classification, robustness  # noqa: E402
from kuramoto.nn.tasks.classification_evaluation import evaluate_run  # noqa: E402

FEW = {"train_images": "200", "validation_images": "20"}
SHORT = ["--budget", "toy", "--limit", "40", "--images", "6", "--quiet"]


def trained(folder: Path, **changes: str) -> Path:
    recipe, settings = classification.prepare("toy", None, {**FEW, **changes})
    settings = dataclasses.replace(settings, steps=3, batch=20, validate_every=3)
    assert training.fit(recipe, settings, folder).finished
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "waves")


@pytest.fixture(scope="module")
def rival(tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {"model.name": "resnet18", "model.channels": "2"}
    return trained(tmp_path_factory.mktemp("runs") / "rival", **changes)


def test_a_report_of_a_run_is_of_its_test_images(run: Path, rival: Path) -> None:
    budget = dataclasses.replace(BUDGETS["toy"], images=6, examples=2)
    opened, other = training.Run(run), training.Run(rival)
    report = robustness.evaluate_run(opened, budget, limit=40, surrogate=other, samples=2)
    assert report.name == "waves"
    assert report.images == "generated Shapes, 40"
    alone = evaluate_run(opened, limit=40, batch=20, samples=2)
    assert report.clean.as_dict() == alone.as_dict()
    assert report.audit is not None
    assert {"transfer", "AutoAttack rand"} <= set(report.audit.results)
    assert len(report.audit.results["clean"].right) == 6
    assert report.audit["clean"].data["stochastic"]


def test_the_command_writes_a_report_and_never_over_one(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    arguments = ["evaluate", "robustness", run, *SHORT, "--out", out, "--eps", "4/255"]
    code, said, err = call(capsys, *arguments)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [
        "report.html",
        "report.json",
        "table.txt",
    ]
    report = Report.from_json((out / "report.json").read_text())
    assert said == f"{report}\n{out / 'report.html'}\n"
    assert report.settings["budget"]["eps"] == 4 / 255
    before = {path: path.read_bytes() for path in out.iterdir()}
    code, said, err = call(capsys, *arguments)
    assert (code, said) == (2, "")
    assert "report.json exists already; choose another name, or pass" in err
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    code, _, err = call(capsys, *arguments, "--force", "--no-attacks")
    assert code == 0
    assert Report.from_json((out / "report.json").read_text()).audit is None


def test_an_interrupted_command_goes_on(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(robustness_page, "html", lambda report: "<p>")  # its pictures take seconds
    command = ["evaluate", "robustness", run, *SHORT, "--set", "corruptions=fog"]
    arguments, whole = ([*command, "--out", tmp_path / name] for name in ("cut", "whole"))
    assert call(capsys, *whole)[0] == 0
    attack, calls = PGD.__call__, []

    def interrupted(self: PGD, *args: Any) -> Any:
        calls.append(self)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return attack(self, *args)

    monkeypatch.setattr(PGD, "__call__", interrupted)
    code, _, err = call(capsys, *arguments)
    assert (code, err) == (130, "kuramoto: interrupted; the same command goes on\n")
    kept = tmp_path / "cut" / "report.json.partial"
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    done = len(kept.read_text().splitlines())
    assert done > 6
    code, _, err = call(capsys, *arguments, "--set", "seed=1")
    assert code == 2
    assert "is of another question: budget" in err
    assert len(kept.read_text().splitlines()) == done
    monkeypatch.setattr(PGD, "__call__", attack)
    assert call(capsys, *arguments)[0] == 0
    assert not kept.exists()
    found = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("cut", "whole")]
    for plain in found:
        plain.pop("seconds")
        for result in plain["audit"]["results"].values():
            result.pop("seconds")
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--budget", "quit"], "`budget` must be one of standard, quick, toy, but is 'quit'"),
        (["--eps", "8"], "`eps` must be in 0 ... 1, but is 8; images have values in 0 ... 1"),
        (["--eps", "8/0"], "`eps` must be a number or a fraction, as 8/255, but is '8/0'"),
        (["--images", "0"], "`images` must be"),
        (["--set", "plan.step=3"], "There is no setting `step`; did you mean `steps`"),
        (["--set", "queries"], "`set` must be KEY=VALUE"),
        (["--out", "nowhere/here"], "Output folder nowhere does not exist; create it first"),
        (["--corrupted", "nowhere"], "nowhere"),
        (["--frost", "nowhere", "--set", "corruptions=frost"], "nowhere"),
    ],
)
def test_bad_input_leaves_nothing_behind(
    run: Path,
    extra: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said, err = call(capsys, "evaluate", "robustness", run, *SHORT, "--out", "found", *extra)
    assert (code, said) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.rglob("*")) == []


def test_pictures_of_frost_lie_beside_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KURAMOTO_DATA", raising=False)
    assert robustness._frost(None) is None
    (tmp_path / "cifar10").mkdir()
    assert robustness._frost(tmp_path) is None
    (tmp_path / "frost").mkdir()
    assert robustness._frost(tmp_path) == tmp_path / "frost"
    assert robustness._frost(tmp_path / "cifar10") == tmp_path / "frost"
    monkeypatch.setenv("KURAMOTO_DATA", str(tmp_path))
    assert robustness._frost(None) == tmp_path / "frost"


def test_published_corruptions_are_read_and_missed_early(run: Path, tmp_path: Path) -> None:
    for name, shape in (("fog", (50_000, 32, 32, 3)), ("labels", (50_000,))):
        file = tmp_path / f"{name}.npy"  # nothing but holes: zeros that take no room
        np.lib.format.open_memmap(file, "w+", np.uint8, shape)
    opened, toy = training.Run(run), BUDGETS["toy"]
    budget = dataclasses.replace(toy, plan=None, corruptions=("fog",), noise=())
    report = robustness.evaluate_run(opened, budget, limit=30, published=tmp_path)
    assert report.corrupted(5)["fog"].images == 30
    more = dataclasses.replace(budget, corruptions=("fog", "snow"))
    kept = tmp_path / "kept"
    with pytest.raises(FileNotFoundError, match=r"snow\.npy"):
        robustness.evaluate_run(opened, more, limit=30, published=tmp_path, kept=kept)
    assert not kept.exists()
