"""Training: what a step computes, and that nothing is lost when it is cut off anywhere."""

from __future__ import annotations

import csv
import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kuramoto as km

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

from kuramoto.nn import training  # noqa: E402
from kuramoto.nn.seeds import derived_seed  # noqa: E402
from kuramoto.nn.training import Run, Settings, fit  # noqa: E402

ROOT = Path(__file__).parents[1]


class Toy:
    """Two classes of points. Batch norm, dropout and noise of three libraries: all must resume."""

    scores = ("accuracy",)
    noisy = True

    def about(self) -> dict[str, Any]:
        return {"task": "toy", "noisy": self.noisy}

    def model(self) -> Any:
        extra = [torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.2)] if self.noisy else []
        return torch.nn.Sequential(torch.nn.Linear(4, 8), *extra, torch.nn.Linear(8, 2))

    def batch(self, step: int, size: int, seed: int) -> tuple[np.ndarray, ...]:
        points = np.random.default_rng([seed, step]).normal(size=(size, 4)).astype(np.float32)
        return points, (points.sum(1) > 0).astype(np.int64)

    def loss(self, model: Any, batch: tuple[Any, ...]) -> Any:
        noise = random.random() + np.random.random() if self.noisy else 0.0  # noqa: NPY002
        return torch.nn.functional.cross_entropy(model(batch[0] + 0.1 * noise), batch[1])

    def validate(self, model: Any) -> dict[str, float]:
        points, labels = (torch.from_numpy(array) for array in self.batch(10**6, 50, 0))
        return {"accuracy": float((model(points).argmax(1) == labels).float().mean())}


class Plain(Toy):
    noisy = False


class Diverging(Plain):
    def loss(self, model: Any, batch: tuple[Any, ...]) -> Any:
        return super().loss(model, batch) * float("inf")


QUICK = Settings(
    steps=40, batch=8, ema_after=5, ema_every=2, checkpoint_every=7, log_every=5, keep=0
)


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of metrics without those that measure time."""
    with (folder / "metrics.csv").open(newline="") as file:
        clocks = ("seconds", "steps_per_second")
        return [{k: v for k, v in row.items() if k not in clocks} for row in csv.DictReader(file)]


def same(one: Any, other: Any, path: str = "") -> None:
    """Assert that two checkpoints are equal bit for bit, but for the clock."""
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert list(one) == list(other), path
        for key in one:
            if key != "seconds":
                same(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            same(a, b, f"{path}/{i}")
    elif torch.is_tensor(one):
        assert torch.equal(one, other), path
    else:
        assert one == other, path


def last_checkpoint(folder: Path) -> dict[str, Any]:
    found = training.read_tree(Run(folder).checkpoint())
    # What Lightning counts besides steps starts afresh with every part of a run.
    return {
        key: found[key] for key in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks")
    }


# --- resuming -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    torch.set_num_threads(1)
    outcome = fit(Toy(), dataclasses.replace(QUICK, accumulate=2), folder)
    assert (outcome.step, outcome.finished, outcome.interrupted) == (40, True, False)
    return folder


@pytest.mark.parametrize("step", [7, 21, 35])
def test_a_run_resumed_from_any_checkpoint_is_the_same_bit_for_bit(
    whole: Path, tmp_path: Path, step: int
) -> None:
    expected, wanted = last_checkpoint(whole), rows(whole)
    folder = tmp_path / "copy"
    (folder / "checkpoints").mkdir(parents=True)
    start = f"checkpoints/step_{step:09d}.safetensors"
    for name in ("config.json", "metrics.csv", start):
        (folder / name).write_bytes((whole / name).read_bytes())
    # Whatever the generators are at, before and after:
    random.seed(step)
    torch.manual_seed(step)
    fit(Toy(), dataclasses.replace(QUICK, accumulate=2), folder, resume=folder / start)
    same(last_checkpoint(folder), expected)
    assert rows(folder) == wanted
    weights = (folder / "weights.safetensors").read_bytes()
    assert weights == (whole / "weights.safetensors").read_bytes()


def test_the_comparison_of_runs_can_fail(whole: Path, tmp_path: Path) -> None:
    fit(Toy(), dataclasses.replace(QUICK, accumulate=2, seed=1), tmp_path / "other")
    with pytest.raises(AssertionError):
        same(last_checkpoint(tmp_path / "other"), last_checkpoint(whole))
    assert rows(tmp_path / "other") != rows(whole)


def start_toy(folder: Path, settings: Settings) -> subprocess.Popen[str]:
    code = f"""
import importlib.util, time, torch
spec = importlib.util.spec_from_file_location("toys", {__file__!r})
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)
torch.set_num_threads(1)
class Slow(toys.Toy):  # after some steps it hardly gets on: a busy machine stops it in time, too
    calls = 0
    def loss(self, *arguments):
        self.calls += 1
        time.sleep(0.02 if self.calls < 32 else 0.4)
        return super().loss(*arguments)
settings = toys.Settings(**{dataclasses.asdict(settings)!r})
print(toys.fit(Slow(), settings, {str(folder)!r}))
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    "how",
    [signal.SIGKILL, signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)],
)
def test_a_stopped_run_goes_on_to_the_same_losses(
    whole: Path, tmp_path: Path, how: signal.Signals
) -> None:
    folder, settings = tmp_path / "run", dataclasses.replace(QUICK, accumulate=2)
    process = start_toy(folder, settings)
    wait_for(folder / "checkpoints" / "step_000000014.safetensors", process)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    reached = int(Run(folder).checkpoint().stem.removeprefix("step_"))
    assert 14 <= reached < 40
    if how is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        assert reached % 7 == 0  # at most one interval is lost
    else:
        assert "interrupted=True" in out
        assert int(rows(folder)[-1]["step"]) <= reached
    fit(Toy(), settings, folder, resume=True)
    same(last_checkpoint(folder), last_checkpoint(whole))
    assert rows(folder) == rows(whole)


def test_a_run_may_be_given_more_steps(whole: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, accumulate=2)
    fit(Toy(), dataclasses.replace(settings, steps=13), tmp_path / "run")
    assert Run(tmp_path / "run").settings.steps == 13
    fit(Toy(), settings, tmp_path / "run", resume=True)
    assert Run(tmp_path / "run").settings.steps == 40
    expected, found = last_checkpoint(whole), last_checkpoint(tmp_path / "run")
    same(found["state_dict"], expected["state_dict"])


def test_signals_are_given_back(tmp_path: Path) -> None:
    heard = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    fit(Plain(), dataclasses.replace(QUICK, steps=3), tmp_path / "run")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == heard


def test_time_runs_out(tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, steps=10**6, minutes=0.005, checkpoint_every=0)
    outcome = fit(Plain(), settings, tmp_path / "run")
    assert not outcome.finished
    assert not outcome.interrupted
    assert 0 < outcome.step < 10**6
    assert Run(tmp_path / "run").checkpoint().stem == f"step_{outcome.step:09d}"


# --- what a step computes -----------------------------------------------------------------------


def by_hand(settings: Settings) -> tuple[Any, Any]:
    """Return weights and average after training written out again, without Lightning."""
    recipe = Plain()
    torch.manual_seed(derived_seed(settings.seed, "weights"))
    model = recipe.model()
    average = [p.detach().clone() for p in model.parameters()]
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    optimizer = kind(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * settings.rate(step)
        optimizer.zero_grad()
        arrays = recipe.batch(step, settings.batch, settings.seed)
        recipe.loss(model, tuple(map(torch.from_numpy, arrays))).backward()
        norm = sum(p.grad.square().sum() for p in model.parameters()).sqrt()
        for p in model.parameters():
            p.grad *= min(1.0, settings.clip / float(norm)) if settings.clip else 1.0
        optimizer.step()
        if step % settings.ema_every == 0:
            k = step - settings.ema_after
            beta = min(settings.ema, 1 - (k + 1) ** (-2 / 3)) if k > 0 else 0.0
            for a, p in zip(average, model.parameters(), strict=True):
                a.copy_(beta * a + (1 - beta) * p.detach())
    return [p.detach() for p in model.parameters()], average


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"clip": 0.1},
        {"accumulate": 4},
        {"optimizer": "adamw", "weight_decay": 0.1, "clip": 0.0},
        {"warmup": 10, "schedule": "cosine"},
    ],
)
def test_training_is_what_the_settings_say(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = dataclasses.replace(QUICK, **changes)
    fit(Plain(), settings, tmp_path / "run")
    weights, average = by_hand(dataclasses.replace(settings, accumulate=1))
    state = last_checkpoint(tmp_path / "run")["state_dict"]
    for i, name in enumerate(["0.weight", "0.bias", "1.weight", "1.bias"]):
        torch.testing.assert_close(state[f"model.{name}"], weights[i], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(
            state[f"average.module.{name}"], average[i], rtol=1e-4, atol=1e-6
        )
    model = Plain().model()
    about = training.load_weights(tmp_path / "run" / "weights.safetensors", model)
    assert about["step"] == 40
    torch.testing.assert_close(model[0].weight.detach(), average[0], rtol=1e-4, atol=1e-6)


def test_the_average_is_the_reference_programs() -> None:
    """Its average of 1, 2, 3, ... at a few steps: computed by it, not by us."""
    settings, average = Settings(), 1.0
    expected = {10: 11.0, 100: 101.0, 110: 103.0218, 150: 113.68294, 290: 163.69241}
    for step in range(0, 300, 10):
        decay = settings.ema_decay(step)
        average = decay * average + (1 - decay) * (step + 1)
        if step in expected:
            assert average == pytest.approx(expected[step], rel=1e-6)


def test_without_average_the_weights_are_the_models(tmp_path: Path) -> None:
    fit(Plain(), dataclasses.replace(QUICK, ema=0.0), tmp_path / "run")
    state, model = last_checkpoint(tmp_path / "run")["state_dict"], Plain().model()
    training.load_weights(tmp_path / "run" / "weights.safetensors", model)
    assert torch.equal(model[0].weight, state["model.0.weight"])
    assert not any(name.startswith("average") for name in state)


def test_rows_hold_the_mean_loss_and_the_scores(tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, validate_every=10, learning_rate=1e-2)
    outcome = fit(Plain(), settings, tmp_path / "run")
    table = rows(tmp_path / "run")
    assert [int(row["step"]) for row in table] == list(range(5, 41, 5))
    assert [bool(row["accuracy"]) for row in table] == [False, True] * 4
    assert float(table[-1]["loss"]) < float(table[0]["loss"])
    assert outcome.metrics["accuracy"] == float(table[-1]["accuracy"]) > 0.8


def test_mixed_precision_trains(tmp_path: Path) -> None:
    fit(Plain(), dataclasses.replace(QUICK, precision="bfloat16"), tmp_path / "half")
    fit(Plain(), QUICK, tmp_path / "full")
    half, full = (float(rows(tmp_path / name)[-1]["loss"]) for name in ("half", "full"))
    assert half != full
    assert half == pytest.approx(full, rel=0.05)


def test_a_loss_that_is_not_finite_ends_training(tmp_path: Path) -> None:
    with pytest.raises(km.SolveError, match=r"loss is (inf|nan) after step 5; lower learning_rate"):
        fit(Diverging(), QUICK, tmp_path / "run")
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_old_checkpoints_go(tmp_path: Path) -> None:
    fit(Plain(), dataclasses.replace(QUICK, keep=2), tmp_path / "run")
    found = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert found == ["step_000000035.safetensors", "step_000000040.safetensors"]


def fit_in_processes(recipe: str, settings: Settings, folder: Path, resume: bool = False) -> None:
    """Train in as many processes as the settings say: a script, because each process runs it."""
    code = f"""
import importlib.util, torch
if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("toys", {__file__!r})
    toys = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toys)
    torch.set_num_threads(1)
    settings = toys.Settings(**{dataclasses.asdict(settings)!r})
    toys.fit(toys.{recipe}(), settings, {str(folder)!r}, resume={resume})
"""
    script = folder.parent / f"train_{recipe}.py"
    script.write_text(code)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    subprocess.run(
        [sys.executable, str(script)], check=True, env={**os.environ, "PYTHONPATH": path}
    )


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, devices=2, strategy="ddp", accumulate=2)
    fit_in_processes("Plain", settings, tmp_path / "two")
    fit(Plain(), QUICK, tmp_path / "one")
    for two, one in zip(rows(tmp_path / "two"), rows(tmp_path / "one"), strict=True):
        assert float(two["loss"]) == pytest.approx(float(one["loss"]), rel=1e-5)


class Deep(Plain):
    """Blocks in a list, and a weight that is one number: what shards treat apart."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))
            self.gain, self.out = torch.nn.Parameter(torch.tensor(0.5)), torch.nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            for block in self.blocks:
                x = x + self.gain * block(x)
            return self.out(x)

    def model(self) -> Any:
        return self.Net()


@pytest.mark.slow
def test_shards_take_over_from_one_process_and_hand_back(tmp_path: Path) -> None:
    """One process, then two with a shard each, then one: the checkpoints are whole all the way."""
    settings = dataclasses.replace(QUICK, clip=0.5, checkpoint_every=0)
    fit(Deep(), settings, tmp_path / "one")
    fit(Deep(), dataclasses.replace(settings, steps=12), tmp_path / "mixed")
    two = dataclasses.replace(settings, steps=26, devices=2, strategy="fsdp", accumulate=2)
    fit_in_processes("Deep", two, tmp_path / "mixed", resume=True)
    sharded = training.read_tree(Run(tmp_path / "mixed").checkpoint())
    assert {name: tuple(t.shape) for name, t in sharded["state_dict"].items()} == {
        name: tuple(t.shape) for name, t in last_checkpoint(tmp_path / "one")["state_dict"].items()
    }
    fit(Deep(), settings, tmp_path / "mixed", resume=True)
    for name in ("state_dict", "optimizer_states"):
        one, mixed = (last_checkpoint(tmp_path / folder)[name] for folder in ("one", "mixed"))
        torch.testing.assert_close(mixed, one, rtol=1e-4, atol=1e-6)
    norms = [
        {int(row["step"]): float(row["gradient_norm"]) for row in rows(tmp_path / folder)}
        for folder in ("one", "mixed")
    ]
    assert sum(norm > settings.clip for norm in norms[0].values()) > 2
    for step, norm in norms[0].items():
        assert norms[1][step] == pytest.approx(norm, rel=1e-4)
    weights = Deep().model()
    training.load_weights(tmp_path / "mixed" / "weights.safetensors", weights)


def test_one_process_may_hold_all_shards(tmp_path: Path) -> None:
    """What several processes do, without their start: the strategy, its checkpoints, the scores."""
    settings = dataclasses.replace(QUICK, steps=10)
    fit(Deep(), settings, tmp_path / "plain")
    fit(Deep(), dataclasses.replace(settings, strategy="fsdp"), tmp_path / "sharded")
    plain, sharded = (last_checkpoint(tmp_path / name) for name in ("plain", "sharded"))
    for name in ("state_dict", "optimizer_states"):
        torch.testing.assert_close(sharded[name], plain[name], rtol=1e-5, atol=1e-7)
    assert rows(tmp_path / "sharded")[-1]["accuracy"] == rows(tmp_path / "plain")[-1]["accuracy"]


# --- files --------------------------------------------------------------------------------------


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    tree = {
        "weights": {"a": shared, "transposed": shared.T, "scalar": torch.tensor(3)},
        "half": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        "plain": [1, 2.5, float("inf"), None, True, "text", (1, 2), []],
        "by number": {0: {"step": torch.zeros(0)}, 1: {}},
    }
    training.write_tree(tmp_path / "t.safetensors", tree)
    back = training.read_tree(tmp_path / "t.safetensors")
    assert back["plain"] == tree["plain"]
    assert list(back["by number"]) == [0, 1]
    assert torch.equal(back["weights"]["transposed"], shared.T)
    assert back["half"].dtype == torch.bfloat16
    assert back["weights"]["scalar"].shape == ()
    assert [path.name for path in tmp_path.iterdir()] == ["t.safetensors"]


@pytest.mark.parametrize("value", [object(), {1.5: 2}, {"x": {(1,): 2}}, torch.device("cpu")])
def test_a_tree_holds_nothing_that_would_need_code(tmp_path: Path, value: object) -> None:
    with pytest.raises(TypeError, match="A checkpoint cannot hold /strange"):
        training.write_tree(tmp_path / "t.safetensors", {"strange": value})
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.safetensors"
    training.write_tree(path, {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="cannot be written: No space left"):
        training.write_tree(path, {"step": 2})
    assert training.read_tree(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["t.safetensors"]


def test_pickles_and_damaged_files_are_refused(tmp_path: Path, whole: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "pickle.ckpt")
    good = Run(whole).checkpoint().read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(good[: len(good) // 2])
    for name in ("pickle.ckpt", "cut.safetensors"):
        with pytest.raises(ValueError, match=f"{name} is not safetensors, or is damaged"):
            training.read_tree(tmp_path / name)
    with pytest.raises(ValueError, match="holds no checkpoint"):
        training.read_tree(whole / "weights.safetensors")


def test_weights_of_another_model_are_named(tmp_path: Path) -> None:
    training.save_weights(tmp_path / "w.safetensors", torch.nn.Linear(3, 4))
    with pytest.raises(
        ValueError, match=r"`weight` is of shape \(4, 3\) in .*shape \(5, 3\) in the"
    ):
        training.load_weights(tmp_path / "w.safetensors", torch.nn.Linear(3, 5))
    with pytest.raises(ValueError, match=r"`bias` is of shape \(4,\) in the file, but missing"):
        training.load_weights(tmp_path / "w.safetensors", torch.nn.Linear(3, 4, bias=False))


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "`steps` must be a whole number of at least 1, but is 0"),
        ({"learning_rate": -1.0}, "`learning_rate` must be a positive number, but is -1"),
        ({"ema": 1.0}, r"`ema` must lie in \[0, 1\), but is 1; 0 keeps no average"),
        ({"optimizer": "sgd"}, "`optimizer` must be one of adam, adamw, but is 'sgd'"),
        ({"batch": 9, "accumulate": 2}, "multiple of 1 devices x 2 parts, but is 9"),
        ({"clip": -1.0}, "`clip` must not be negative, but is -1"),
        ({"minutes": 0.0}, "`minutes` must be a positive number"),
    ],
)
def test_settings_that_cannot_be_meant(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**changes)


def test_settings_are_read_from_text() -> None:
    changes = {"steps": "7", "minutes": "1.5", "clip": "0", "schedule": "cosine"}
    read = Settings().with_changes(changes)
    assert (read.steps, read.minutes, read.clip, read.schedule) == (7, 1.5, 0.0, "cosine")
    assert Settings(minutes=3.0).with_changes({"minutes": "none"}).minutes is None
    with pytest.raises(ValueError, match="no setting `step`; did you mean `steps`"):
        Settings().with_changes({"step": "7"})
    with pytest.raises(ValueError, match="`steps` must be of type int, but is 'many'"):
        Settings().with_changes({"steps": "many"})


def test_the_learning_rate_follows_its_schedule() -> None:
    settings = Settings(steps=110, warmup=10, schedule="cosine")
    assert settings.rate(0) == pytest.approx(0.1)
    assert settings.rate(9) == settings.rate(10) == 1.0
    assert settings.rate(60) == pytest.approx(0.5)
    assert settings.rate(110) == pytest.approx(0.0)
    assert Settings().rate(10**6) == 1.0


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    few = dataclasses.replace(QUICK, steps=3)
    fit(Plain(), few, folder)
    before = (folder / "weights.safetensors").read_bytes()
    with pytest.raises(FileExistsError, match="exists already; continue it with --resume"):
        fit(Plain(), few, folder)
    assert (folder / "weights.safetensors").read_bytes() == before
    (folder / "notes.txt").write_text("mine")
    fit(Plain(), dataclasses.replace(few, seed=1), folder, overwrite=True)
    assert (folder / "weights.safetensors").read_bytes() != before
    assert (folder / "notes.txt").exists()


def test_a_folder_that_is_no_run_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileNotFoundError, match="holds no training run"):
        fit(Plain(), QUICK, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_run_of_another_recipe_is_not_resumed(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has noisy = True, but this is False"):
        fit(Plain(), QUICK, whole, resume=True)
    with pytest.raises(FileNotFoundError, match="holds no training run"):
        fit(Plain(), QUICK, tmp_path, resume=True)


def test_a_checkpoint_of_another_model_is_named(whole: Path, tmp_path: Path) -> None:
    class Wider(Toy):
        def model(self) -> Any:
            return torch.nn.Linear(4, 2)

    with pytest.raises(
        ValueError, match=r"of another model: `model.weight` is missing in the file"
    ):
        fit(Wider(), QUICK, whole, resume=True)


def test_devices_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`device` must be cpu or cuda, but is 'tpu'"):
        fit(Plain(), QUICK, tmp_path / "run", device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="cuda is not there: PyTorch finds no CUDA GPU"):
            fit(Plain(), QUICK, tmp_path / "run", device="cuda")
    assert not (tmp_path / "run").exists()


def test_lightning_is_imported_only_when_training() -> None:
    heavy = ["lightning", "safetensors", "tensorboard"]
    modules = "kuramoto.nn.training, kuramoto.nn.tasks.sudoku, kuramoto.nn.commands"
    code = f"import sys, {modules}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
