"""The commands for networks: from boards to a table, cut anywhere, and every way to misuse them."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import call, code_of

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

from kuramoto.nn import training, voting  # noqa: E402
from kuramoto.nn.checkpoints import load  # noqa: E402
from kuramoto.nn.data import sudoku as boards_of  # noqa: E402
from kuramoto.nn.tasks.partial import Partial, partial_name  # noqa: E402

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def boards() -> boards_of.Boards:
    return boards_of.generate(60, (5, 10), box=(2, 2), seed=2)


def refused(capsys: pytest.CaptureFixture[str], arguments: list[Any], *words: str) -> None:
    """Assert that a command ends with code 2 and one line that holds some words."""
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, ""), err
    assert err.startswith("kuramoto: error: ")
    assert err.count("\n") == 1
    for part in words:
        assert part in err


SMALL = ["--set", "model.channels=16", "--set", "generate=200", "--set", "batch=30"]
TRAIN = ["train", "sudoku", "--preset", "toy", "--quiet", "--device", "cpu", *SMALL]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    torch.set_num_threads(1)
    assert code_of([*TRAIN, "--out", folder, "--steps", 60]) == 0
    return folder


def test_training_learns(run: Path) -> None:
    with (run / "metrics.csv").open() as file:
        lines = [line.strip().split(",") for line in file]
    losses = [float(line[2]) for line in lines[1:]]
    assert lines[0][:3] == ["step", "seconds", "loss"]
    assert losses[0] > 0.9
    assert losses[-1] < 0.75  # guessing costs ln 4 = 1.39; the givens alone 0.74 at best


def test_the_weights_of_a_run_say_what_they_are(run: Path) -> None:
    model = load(run / "weights.safetensors")
    config = training.Run(run).recipe["model"]
    assert {"name": "akorn", **dataclasses.asdict(model.config)} == config


def test_evaluate_prints_a_table(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    asked = ["--steps", 8, "--samples", 4, "--vote", "sum", "--quiet", "--out", out]
    code, text, err = call(capsys, "evaluate", "sudoku", run, *asked)
    assert (code, err) == (0, "")
    assert "boards right" in text
    assert "steps 8, samples 4, vote sum" in text
    report = json.loads(out.read_text())
    assert report["boards"] == 20
    assert f"({report['right']} of 20)" in text
    code, _, err = call(capsys, "evaluate", "sudoku", run, "--quiet", "--out", out)
    assert (code, out.read_text()) == (2, json.dumps(report, indent=2) + "\n")
    assert "exists already" in err


def test_evaluate_takes_a_file_of_boards(
    run: Path, tmp_path: Path, boards: boards_of.Boards, capsys: pytest.CaptureFixture[str]
) -> None:
    file = boards_of.save_boards(tmp_path / "boards.npz", boards)
    asked = ["--boards", file, "--quiet", "--limit", 9]
    code, text, _ = call(capsys, "evaluate", "sudoku", run, *asked)
    assert code == 0
    assert "of 9)" in text


def test_resume_goes_on_and_may_go_further(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = call(capsys, *TRAIN, "--out", tmp_path / "cut", "--steps", 25)
    assert code == 0
    again = ["train", "sudoku", "--resume", tmp_path / "cut", "--quiet", "--device", "cpu"]
    code, out, err = call(capsys, *again, "--steps", 60)
    assert (code, out, err) == (0, "", "")
    one, other = (folder / "weights.safetensors" for folder in (run, tmp_path / "cut"))
    assert one.read_bytes() == other.read_bytes()


def test_help_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "train", "-h")
    assert code == 0
    assert out.startswith("Usage: kuramoto train")
    assert "--resume RUN" in out
    assert "--vote HOW" in call(capsys, "evaluate", "sudoku", "--help")[1]
    assert "sudoku" in call(capsys, "evaluate", "--help")[1]
    assert "Train a network." in call(capsys, "--help")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "chess"], "There is no task `chess`; known: "),
        (["evaluate", "sodoku", "run"], "Did you mean 'sudoku'?"),
        (["evaluate"], "Which task? As in: kuramoto evaluate sudoku RUN."),
        (["train", "sudoku", "--preset", "papr"], "no preset `papr`; did you mean `paper`?"),
        (["train", "sudoku"], "No boards to train on: pass --data, a folder with sudoku/kaggle"),
        (["train", "sudoku", "--data", "nowhere"], "nothing is there; the page on Sudoku says"),
        ([*TRAIN, "--set", "batch"], "`set` must be KEY=VALUE, but is 'batch'"),
        ([*TRAIN, "--set", "bach=3"], "no setting `bach`; did you mean `batch`?"),
        ([*TRAIN, "--set", "model.chanels=3"], "no setting `chanels`; did you mean `channels`?"),
        ([*TRAIN, "--set", "augment=flips"], "`augment` must be one of none, digits, all"),
        ([*TRAIN, "--set", "batch=5000"], "`batch` must be at most the number of boards"),
        ([*TRAIN, "--set", "model.channels=18"], "channels"),
        ([*TRAIN, "--steps", "0"], "`steps` must be a whole number of at least 1"),
        ([*TRAIN[:-6], "--device", "tpu"], "`device` must be cpu or cuda, but is 'tpu'"),
        (["train", "sudoku", "--resume", "nowhere"], "Folder nowhere holds no training run"),
        (["evaluate", "sudoku", "nowhere"], "Folder nowhere holds no training run"),
        (["train", "sudoku", "--speed", "9"], "No such option: --speed"),
        (["train"], "Missing argument"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KURAMOTO_DATA", raising=False)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("kuramoto: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".npz"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_that_is_absent(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["train", "sudoku", "--resume"], ["evaluate", "sudoku"]):
        code, _, err = call(capsys, *command, run, "--device", "cuda")
        assert code == 2
        assert "Device cuda is not there: PyTorch finds no CUDA GPU; use cpu" in err


def test_bad_input_for_runs(
    run: Path, tmp_path: Path, boards: boards_of.Boards, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "train", "sudoku", "--resume", run, "--set", "batch=3")
    assert code == 2
    assert "--set cannot be given with --resume" in err
    code, _, err = call(capsys, *TRAIN, "--out", run)
    assert code == 2
    assert "exists already; continue it with --resume" in err
    code, _, err = call(capsys, "evaluate", "sudoku", run, "--vote", "lst", "--quiet")
    assert code == 2
    assert "no vote `lst`; did you mean `last`?" in err


def test_the_weights_of_another_model_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    changes = [*TRAIN[:-6], "--set", "model.channels=32", *TRAIN[-4:], "--out", other]
    assert call(capsys, *changes, "--steps", 1)[0] == 0
    (other / "weights.safetensors").write_bytes((run / "weights.safetensors").read_bytes())
    code, _, err = call(capsys, "evaluate", "sudoku", other)
    assert code == 2
    assert "is of another model: `embedding.weight` is of shape (5, 16) in the file" in err
    assert "of shape (5, 32) in the model" in err


# --- an evaluation that is cut ------------------------------------------------------------------

ASKED = ["--steps", 12, "--at", "3,6", "--samples", 4, "--batch", 12, "--quiet", "--device", "cpu"]


def report_of(path: Path) -> dict[str, Any]:
    """Return a report without what measures time."""
    found = json.loads(path.read_text())
    del found["seconds"]
    return found


@pytest.fixture(scope="module")
def answered(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes]:
    """An evaluation that nobody interrupted, and its partial file before the last boards."""
    folder, kept = tmp_path_factory.mktemp("answered"), []
    asked = ["evaluate", "sudoku", run, *ASKED, "--out", folder / "report.json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Partial, "remove", lambda self: kept.append(self.path.read_bytes()))
        assert code_of(asked) == 0
    return report_of(folder / "report.json"), kept[0]


def test_an_evaluation_that_is_killed_goes_on(
    run: Path, tmp_path: Path, answered: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    asked = [str(part) for part in ("evaluate", "sudoku", run, *ASKED, "--out", out)]
    code = f"""
import time, torch
from kuramoto import cli
from kuramoto.nn.tasks import partial
torch.set_num_threads(1)
add = partial.Partial.add
partial.Partial.add = lambda *arguments: (add(*arguments), time.sleep(0.2))
cli.main({asked!r})
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    deadline = time.monotonic() + 120
    while not (partial_name(out).exists() and partial_name(out).read_bytes().count(b"\n") >= 3):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    before = partial_name(out).read_bytes()
    assert answered[1].count(b"\n") > before.count(b"\n") >= 3
    assert call(capsys, *asked, "--resume")[0] == 0
    assert report_of(out) == answered[0]
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("left", [0, 1])
def test_a_partial_report_may_be_cut_at_any_byte(
    run: Path, tmp_path: Path, answered: Any, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every byte of the last record what is before it is kept, and it alone is counted again."""
    report, whole = answered
    lines = whole.splitlines(keepends=True)
    body = b"".join(lines[:-1])
    question = json.loads(lines[0])["partial_answer_to"]
    path = tmp_path / "report.json.partial"
    for length in range(len(body), len(whole)):
        path.write_bytes(whole[:length])
        assert Partial(path, question).records == [json.loads(line) for line in lines[1:-1]]
        assert path.read_bytes() == body
    for length in range(len(lines[0])):
        path.write_bytes(whole[:length])
        assert Partial(path, question).records == []
    # The whole way through, for some of them.
    seen, survey = [], voting.survey
    monkeypatch.setattr(
        voting, "survey", lambda m, d, **how: seen.append(len(d)) or survey(m, d, **how)
    )
    for length in (len(body) + left, len(whole) - 1 - left):
        path.write_bytes(whole[:length])
        asked = ["evaluate", "sudoku", run, *ASKED, "--out", tmp_path / "report.json"]
        assert code_of(asked) == 0
        assert report_of(tmp_path / "report.json") == report
        assert list(tmp_path.iterdir()) == [tmp_path / "report.json"]
        (tmp_path / "report.json").unlink()
    assert seen == [json.loads(lines[-1])["boards"]] * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--steps", 24], "is of another question: steps [3, 6, 12], not [3, 6, 24]; choose"),
        (["--samples", 5], "is of another question: samples 4, not 5"),
        (["--seed", 1], "is of another question: seed 0, not 1"),
        (["--limit", 3], "is of another question: boards "),
        (["--stop-settled"], "is of another question: settled None, not {"),
    ],
)
def test_a_partial_report_of_another_question_is_refused(
    run: Path, tmp_path: Path, answered: Any, changes: list[Any], words: str, capsys: Any
) -> None:
    out = tmp_path / "report.json"
    partial_name(out).write_bytes(answered[1])
    asked = ["evaluate", "sudoku", run, *ASKED, "--out", out, *changes]
    refused(capsys, asked, words)
    assert partial_name(out).read_bytes() == answered[1]
    assert call(capsys, *asked, "--force")[0] == 0
    assert list(tmp_path.iterdir()) == [out]


def test_another_vote_is_the_same_question(
    run: Path, tmp_path: Path, answered: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """All votes are counted from the same samples: nothing has to be computed again."""
    out = tmp_path / "report.json"
    partial_name(out).write_bytes(answered[1])
    monkeypatch.setattr(voting, "survey", lambda *_, **__: pytest.fail("computed"))
    asked = ["evaluate", "sudoku", run, *ASKED, "--out", out, "--vote", "majority"]
    code, text, _ = call(capsys, *asked)
    report = report_of(out)
    assert (code, report["table"]) == (0, answered[0]["table"])
    last = [row for row in report["table"] if row["givens"] is None][-1]
    assert (last["steps"], report["accuracy"]) == (12, last["majority"])
    assert "boards right, %      single        last         sum    majority  confidence" in text


def test_files_that_are_no_partial_report_are_left_alone(
    run: Path, tmp_path: Path, answered: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    asked = ["evaluate", "sudoku", run, *ASKED, "--out", out]
    for text in ("my notes", "my notes\n", '{"my": "notes"}\n', "[1]\n2\n"):
        partial_name(out).write_text(text)
        refused(capsys, [*asked, "--force"], "report.json.partial exists already; choose another")
        assert partial_name(out).read_text() == text
    lines = answered[1].splitlines(keepends=True)
    partial_name(out).write_bytes(b"".join([*lines[:2], b"x", *lines[2:]]))
    refused(capsys, asked, "report.json.partial is damaged on line 3; delete it")


def test_resume_insists_on_something_to_go_on_with(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["evaluate", "sudoku", run, *ASKED, "--resume"]
    refused(capsys, asked, "Option --resume needs --out")
    refused(capsys, [*asked, "--out", tmp_path / "a.json"], "no", "a.json.partial to go on with")


def test_an_interrupted_evaluation_says_how_to_go_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Partial, "add", interrupted)
    monkeypatch.setattr(voting, "elect", interrupted)
    asked = ["evaluate", "sudoku", run, *ASKED]
    ends = {(): "with --out FILE.json it could go on", ("--out", tmp_path / "a"): "same command"}
    for more, words in ends.items():
        code, _, err = call(capsys, *asked, *more)
        assert (code, err.count("\n")) == (130, 1)
        assert words in err


# --- bad boards ---------------------------------------------------------------------------------

GOOD, ANSWER = "1.....2..3.....4", "1243342143122134"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([GOOD, GOOD[1:]], "boards of 16 cells, as the first one has, but has 15 on line 2"),
        ([GOOD[1:]], "must have 16, 36, 64, 81 cells, but has 15"),
        (["9" + GOOD[1:]], "digits from 1 to 4, and `.`, `0` or `_` for blanks, but holds '9'"),
        (["11" + GOOD[2:]], "holds 1 at row 1, column 1 and at row 1, column 2"),
        (["12.." + "." * 8 + "..34"[::-1]], "must have one solution, but has several: row"),
        (
            ["1234............" + " " + "1234341221434321"],
            "must have one solution, but has several",
        ),
        (["21..34.........." + " " + ANSWER], "must solve the puzzles, but it changes a given"),
        (["." * 81], "must have one solution, but has several"),
        (["." * 36 + " " + "123456" * 6], "must solve the puzzles, but it breaks a rule"),
        ([], "must hold a board a line, but is 'boards.txt', which holds none"),
    ],
)
def test_boards_that_cannot_be_judged_by(
    run: Path, tmp_path: Path, lines: list[str], words: str, capsys: Any
) -> None:
    file = tmp_path / "boards.txt"
    file.write_text("\n".join(lines))
    asked = ["evaluate", "sudoku", run, "--boards", file, "--out", tmp_path / "report.json"]
    refused(capsys, asked, words)
    assert list(tmp_path.iterdir()) == [file]


def test_boards_of_another_side(run: Path, tmp_path: Path, capsys: Any) -> None:
    file = boards_of.save_boards(tmp_path / "wide.npz", boards_of.generate(2, 24, box=(2, 3)))
    refused(capsys, ["evaluate", "sudoku", run, "--boards", file], "have 16 squares, but has 36")
    for name in ("akorn", "transformer"):
        out, model = tmp_path / "run", ["--set", f"model.name={name}", "--set", "model.side=9"]
        refused(capsys, [*TRAIN, *model, "--out", out], "`model.side` must be 4, as that of the")
        assert not out.exists()


# --- bad models, runs and devices ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["model.channels=17"], "number of heads, 2, but is 17; 16 would do"),
        (["model.dimensions=3"], "rotating dimensions N, 3, but is 16; 15 would do"),
        (["model.heads=3"], "number of heads, 3, but is 16; 15 would do"),
        (["model.name=itrsa", "model.heads=3"], "`channels` must be a multiple of the heads, 3"),
        (["model.name=transformer", "model.heads=5"], "must be a multiple of the heads, 5"),
        (["model.name=energy_transformer", "model.heads=5"], "must be a multiple of the heads, 5"),
        (["model.name=akron"], "did you mean `akorn`?"),
        (["strategy=fsdq"], "`strategy` must be one of auto, ddp, fsdp, but is 'fsdq'"),
        (["devices=3"], "`batch` must be a multiple of 3 devices x 1 parts, but is 50"),
        (["precision=float16"], "`precision` must be one of float32, bfloat16"),
    ],
)
def test_models_that_cannot_be_built(
    tmp_path: Path, changes: list[str], words: str, capsys: Any
) -> None:
    asked = [part for text in changes for part in ("--set", text)]
    start = [*TRAIN[:-2], "--out", tmp_path / "run"]
    refused(capsys, [*start, *asked], words)
    assert not list(tmp_path.iterdir())


def copied(run: Path, to: Path) -> Path:
    """Return a copy of a run; its newest checkpoint lies at `checkpoint_of`."""
    return Path(shutil.copytree(run, to))


def checkpoint_of(run: Path) -> Path:
    return training.Run(run).checkpoint()


def test_files_of_a_run_that_are_damaged(run: Path, tmp_path: Path, capsys: Any) -> None:
    resume = ["train", "sudoku", "--quiet", "--device", "cpu", "--steps", 70, "--resume"]
    for name in ("checkpoint", "weights"):
        folder = copied(run, tmp_path / name)
        path = checkpoint_of(folder) if name == "checkpoint" else folder / "weights.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        asked = resume if name == "checkpoint" else ["evaluate", "sudoku"]
        before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        refused(capsys, [*asked, folder], path.name, "is not safetensors, or is damaged")
        assert before == {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for content in ("{", "[]", '{"training_run": 1}', '{"training_run": 2}'):
        (folder / "config.json").write_text(content)
        for command in (["evaluate", "sudoku"], resume):
            refused(capsys, [*command, folder], "config.json is not")
    config = json.loads((run / "config.json").read_text())
    config["settings"]["speed"] = 9
    (folder / "config.json").write_text(json.dumps(config))
    refused(capsys, [*resume, folder], "There is no setting `speed`")


def test_checkpoints_of_something_else(run: Path, tmp_path: Path, capsys: Any) -> None:
    resume = ["train", "sudoku", "--quiet", "--device", "cpu", "--steps", 70, "--resume"]
    folder = copied(run, tmp_path / "run")
    refused(capsys, [*resume, folder / "weights.safetensors"], "holds no checkpoint")
    refused(capsys, [*resume, folder / "checkpoints" / "a.safetensors"], "does not exist")
    other = tmp_path / "other"
    changes = [*TRAIN[:-6], "--set", "model.channels=32", *TRAIN[-4:], "--out", other]
    assert call(capsys, *changes, "--steps", 1)[0] == 0
    path = checkpoint_of(folder)
    path.write_bytes(checkpoint_of(other).read_bytes())
    words = ["`model.embedding.weight` is of shape (5, 32) in the file", "(5, 16) in the model"]
    refused(capsys, [*resume, folder], *words)
    training.write_tree(path, {"step": 1})
    refused(capsys, [*resume, folder], "holds no checkpoint of a training run")


def test_resume_knows_the_run(run: Path, tmp_path: Path, capsys: Any) -> None:
    for given in (["--preset", "cpu"], ["--out", tmp_path / "x"], ["--force"]):
        words = f"Option {given[0]} cannot be given with --resume: the run knows it"
        refused(capsys, ["train", "sudoku", "--resume", run, *given], words)
    folder = copied(run, tmp_path / "run")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    resume = ["train", "sudoku", "--resume", folder, "--device", "cpu"]
    refused(capsys, [*resume, "--steps", 30], "`steps` must be at least 60, which the run has")
    code, out, _ = call(capsys, *resume)
    assert (code, out) == (
        0,
        f"{folder}: step 60 of 60; nothing is left to do, but with more --steps\n",
    )
    assert before == {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_loss_that_is_not_a_number(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    asked = [*TRAIN, "--out", out, "--set", "learning_rate=1e30", "--set", "clip=0"]
    code, _, err = call(capsys, *asked)
    assert (code, err.count("\n")) == (1, 1)
    assert "kuramoto: error: The loss is nan after step" in err
    assert not list((out / "checkpoints").iterdir())
    assert not (out / "weights.safetensors").exists()
    assert "nan" not in (out / "metrics.csv").read_text()


def test_a_full_disk(
    run: Path, tmp_path: Path, answered: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Wherever it is noticed, nothing is left half-written, and what there was is left."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    folder = copied(run, tmp_path / "run")
    out = tmp_path / "report.json"
    before = {file: file.read_bytes() for file in folder.rglob("*.safetensors")}
    resume = ["train", "sudoku", "--quiet", "--device", "cpu", "--steps", 70, "--resume", folder]
    evaluate = ["evaluate", "sudoku", run, *ASKED, "--out", out]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        refused(capsys, [*TRAIN, "--out", tmp_path / "new"], "config.json cannot be written: No sp")
        assert not [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
        refused(capsys, resume, "config.json cannot be written: No space left")
        refused(capsys, evaluate, "report.json.partial cannot be written: No space left")
    with monkeypatch.context() as patch:
        patch.setattr("kuramoto.nn.training.files._write", lambda path, *_: full())
        refused(capsys, resume, "No space left on device")
    assert before == {file: file.read_bytes() for file in folder.rglob("*.safetensors")}
    write = csv.DictWriter.writerow
    with monkeypatch.context() as patch:
        patch.setattr(
            "csv.DictWriter.writerow",
            lambda file, row: write(file, row) if row["step"] == "step" else full(),
        )
        refused(capsys, resume, "metrics.csv cannot be written: No space left")
    assert code_of(resume) == 0
    assert code_of(evaluate) == 0
    assert report_of(out) == answered[0]
