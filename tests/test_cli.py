"""The command line: what is written and said, exit codes; nothing overwritten, no traceback."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import call
from typer.testing import CliRunner

import kuramoto as km
import kuramoto.ensembles
from kuramoto import cli

ROOT = Path(__file__).parents[1]
RING = ROOT / "examples" / "experiments" / "ring.yaml"
SMALL = """
experiment: 1
title: small
model: {coupling: {type: mean_field, strength: 1.0}}
state: {oscillators: 20, dimensions: 3}
solve: {t1: 2.0, dt: 0.05, save: {every: 4, start: true}, observe: [energy]}
"""
COMMANDS = ["demo", "run", "resume", "sweep", "certify", "info", "plot", "animate"]

# As the installed command does: under -m, Python itself may end by the signal afterwards. And hear
# Ctrl-C also where the tests run in the background of a shell, which makes their children deaf.
COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from kuramoto.cli import main
main()
"""


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


# --- what the commands do -----------------------------------------------------------------------


def test_run_info_plot_animate(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "run", trial)
    assert code == 0
    assert "finished at t = 2" in out
    assert "energy" in out
    assert "Traceback" not in err
    with km.storage.open_run("small.h5") as run:
        assert len(run.times) == 11
        assert run.experiment == SMALL
    code, out, _ = call(capsys, "info", "small.h5")
    assert code == 0
    assert "(20, 3), float64 on numpy" in out
    assert "RungeKutta4" in out
    assert call(capsys, "plot", "small.h5")[0] == 0
    assert Path("small.png").stat().st_size > 1000
    assert call(capsys, "animate", "small.h5", "--quiet")[0] == 0
    assert Path("small.gif").stat().st_size > 1000
    assert sorted(p.name for p in trial.parent.iterdir()) == [
        "small.gif",
        "small.h5",
        "small.png",
        "small.yaml",
    ]


def test_the_progress_bar_is_on_stderr_and_quiet_says_nothing(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, err = call(capsys, "run", trial)
    assert "%" in err
    assert "%" not in out
    code, out, err = call(capsys, "run", trial, "--out", "b.h5", "--quiet")
    assert (code, out, err) == (0, "", "")


def test_quiet_keeps_the_librarys_notices_back(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notices = logging.getLogger("kuramoto._kernels.jit")
    for command in (["run", trial], ["sweep", trial, *HERE], ["animate", "small.h5"]):
        call(capsys, *command, "--quiet")
        assert not notices.isEnabledFor(logging.WARNING)
        call(capsys, *command, "--force")
        assert notices.isEnabledFor(logging.WARNING)


def test_certify_tells_by_its_exit_code(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "certify", RING)
    assert code == 0
    assert out.startswith("Certified")
    turning = SMALL.replace("1.0}}", "1.0}, frequency: {type: normal}}")
    trial.write_text(turning)
    code, out, _ = call(capsys, "certify", trial)
    assert code == 1
    assert "[J, Ω] ≠ 0" in out


def test_resume_of_a_finished_run_changes_nothing(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "run", trial, "--quiet")
    before = Path("small.h5").read_bytes()
    code, out, _ = call(capsys, "resume", "small.h5")
    assert code == 0
    assert "finished" in out
    assert Path("small.h5").read_bytes() == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_is_resumed_to_the_same_end(
    trial: Path, capsys: pytest.CaptureFixture[str], how: signal.Signals
) -> None:
    trial.write_text(SMALL.replace("dt: 0.05", "dt: 0.00005"))
    start = [sys.executable, "-c", COMMAND]
    command = [*start, "run", str(trial), "--out", "cut.h5"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    while not Path("cut.h5").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(how)
    err = process.communicate()[1]
    assert "Traceback" not in err
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "kuramoto resume cut.h5" in err
    with km.storage.open_run("cut.h5") as run:
        assert run.status != "finished"
    assert call(capsys, "resume", "cut.h5", "--quiet")[0] == 0
    assert call(capsys, "run", trial, "--out", "whole.h5", "--quiet")[0] == 0
    with km.storage.open_run("cut.h5") as cut, km.storage.open_run("whole.h5") as whole:
        np.testing.assert_array_equal(cut.position().x, whole.position().x)
        np.testing.assert_array_equal(cut.times, whole.times)


LOSES_AN_INTERRUPT = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from kuramoto import cli

class Last:
    def __del__(self):
        raise KeyboardInterrupt

@cli.app.command("busy")
def busy():
    Last()
    for _ in range(600):
        time.sleep(0.1)
    print("went on")

cli.main(["busy"])
"""


def test_an_interrupt_in_a_destructor_is_not_lost() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOSES_AN_INTERRUPT],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode != 0
    assert "went on" not in ended.stdout
    assert "Exception ignored" not in ended.stderr


# --- sweeps -------------------------------------------------------------------------------------

HERE = ("--scheduler", "synchronous")
AXIS = ("--grid", "coupling.strength=0:2:3")


def test_a_sweep_is_written_told_and_not_run_twice(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("sweep", trial, *AXIS, "--grid", "solve.t1=1,2", "--seeds", 2, *HERE)
    code, out, err = call(capsys, *command)
    assert code == 0
    assert "/12 points" in err
    assert "12 done" in out
    with km.ensembles.open_sweep("small_sweep.h5") as sweep:
        assert sweep.names == ["coupling.strength", "solve.t1", "seed"]
        assert sweep.coordinates["coupling.strength"].tolist() == [0, 1, 2]
        assert sweep.experiment == SMALL
    before = Path("small_sweep.h5").read_bytes()
    assert call(capsys, *command, "--quiet") == (0, "", "")
    assert Path("small_sweep.h5").read_bytes() == before
    code, out, _ = call(capsys, "info", "small_sweep.h5")
    assert code == 0
    assert re.search(r"coupling.strength +3 values, 0, 1, 2\n", out)
    assert re.search(r"points +12 done\n", out)


def test_points_that_fail_are_told_and_end_with_1(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "sweep", trial, "--grid", "solve.dt=0.1,9", *HERE)
    assert code == 1
    assert "1 done, 1 failed" in out
    assert "kuramoto: failed: " in err
    assert "solve.dt = 9" in err
    assert "Traceback" not in err
    out = call(capsys, "info", "small_sweep.h5")[1]
    assert re.search(r"failed +.*small.yaml at solve.dt = 9", out)
    one = ("--grid", "coupling.strength=2", "--out", "one.h5")
    out = call(capsys, "sweep", trial, *one, *HERE)[1]
    assert re.search(r"coupling.strength +1 value, 2\n", out)


def test_what_is_for_runs_says_what_is_for_sweeps(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "sweep", trial, *AXIS, *HERE, "--quiet")
    before = Path("small_sweep.h5").read_bytes()
    assert "same `kuramoto sweep` goes on" in refused(capsys, "resume", "small_sweep.h5")
    assert "draw it with `kuramoto plot`" in refused(capsys, "animate", "small_sweep.h5")
    assert Path("small_sweep.h5").read_bytes() == before
    assert call(capsys, "plot", "small_sweep.h5")[0] == 0


def test_sweeps_that_cannot_be_are_refused(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "start:stop:count" in refused(capsys, "sweep", trial, "--grid", "coupling.strength=1:2")
    wrong = ("--grid", "coupling.strenght=1,2")
    assert "did you mean `strength`" in refused(capsys, "sweep", trial, *wrong, *HERE)
    assert "an address" in refused(capsys, "sweep", trial, *AXIS, "--scheduler", "somewhere")
    assert sorted(path.name for path in trial.parent.iterdir()) == ["small.yaml"]
    call(capsys, "sweep", trial, *AXIS, *HERE, "--quiet")
    assert "another sweep" in refused(capsys, "sweep", trial, *AXIS, *HERE, "--seeds", 2)
    assert call(capsys, "sweep", trial, *AXIS, *HERE, "--seeds", 2, "--force", "--quiet")[0] == 0


def test_an_interrupted_sweep_goes_on_by_the_same_command(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial.write_text(SMALL.replace("dt: 0.05", "dt: 0.001"))
    command = ["sweep", str(trial), "--grid", "coupling.strength=0:2:41", *HERE, "--out", "cut.h5"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *command],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    while not Path("cut.h5").exists() or km.ensembles.open_sweep("cut.h5").done.sum() < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    err = process.communicate()[1]
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted; the same command goes on" in err
    done = km.ensembles.open_sweep("cut.h5").done
    assert 3 <= done.sum() < 41
    assert call(capsys, *command, "--quiet") == (0, "", "")
    assert km.ensembles.open_sweep("cut.h5").done.all()


# --- help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_reads_well(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *command, "--help")
    assert code == 0
    assert err == ""
    assert "Usage: kuramoto" in out
    assert max(map(len, out.splitlines())) <= 100
    if not command:
        assert all(re.search(rf"^  {name} ", out, re.MULTILINE) for name in COMMANDS)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--version")
    assert code == 0
    assert out.startswith("kuramoto-spheres ")


# --- bad input ----------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Expect exit code 2 and one line on stderr; return it."""
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, ""), err
    lines = [line for line in err.splitlines() if line.strip()]
    assert [line.startswith("kuramoto: error: ") for line in lines] == [True], err
    return lines[0]


def test_outputs_are_not_overwritten_without_force(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "run", trial, "--quiet")
    for command, output in (("run", "small.h5"), ("plot", "small.png"), ("animate", "small.gif")):
        if command != "run":
            Path(output).write_text("precious")
        source = trial if command == "run" else "small.h5"
        before = Path(output).read_bytes()
        assert "exists already" in refused(capsys, command, source)
        assert Path(output).read_bytes() == before
        assert call(capsys, command, source, "--force")[0] == 0
    assert not list(trial.parent.glob(".*"))


def test_demo_refuses_before_it_computes(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("fish.gif").write_text("precious")
    assert "fish.gif" in refused(capsys, "demo")
    assert Path("fish.gif").read_text() == "precious"
    assert not Path("fish.h5").exists()


@pytest.mark.parametrize("command", ["info", "resume", "plot", "animate"])
def test_files_that_are_no_runs(
    command: str, trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "does not exist" in refused(capsys, command, "none.h5")
    assert "is a folder" in refused(capsys, command, trial.parent)
    assert "not an HDF5 file" in refused(capsys, command, trial)
    call(capsys, "run", trial, "--quiet")
    Path("cut.h5").write_bytes(Path("small.h5").read_bytes()[:3000])
    assert "cut.h5 is damaged or truncated" in refused(capsys, command, "cut.h5")
    assert sorted(p.name for p in trial.parent.iterdir()) == ["cut.h5", "small.h5", "small.yaml"]


def test_bad_experiments_leave_no_file(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for bad, says in (
        (SMALL.replace("oscillators", "oscilators"), "did you mean `oscillators`"),
        (SMALL.replace("t1: 2.0", "t1: -2.0"), "t1"),
        (SMALL.replace("dt: 0.05", "dt: 9"), "dt"),
        ("nothing: here\n", "experiment"),
    ):
        trial.write_text(bad)
        assert says in refused(capsys, "run", trial)
    assert [p.name for p in trial.parent.iterdir()] == ["small.yaml"]


def test_outputs_that_cannot_be_written(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not exist" in refused(capsys, "run", trial, "--out", "no/such/run.h5")
    assert "is a folder" in refused(capsys, "run", trial, "--out", ".")


def test_wrong_words_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "run" in refused(capsys, "runn")
    assert "EXPERIMENT" in refused(capsys, "run")
    assert "--fast" in refused(capsys, "run", RING, "--fast")


def test_force_never_replaces_the_experiment(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["run", trial], ["sweep", trial, *AXIS, *HERE]):
        assert "experiment itself" in refused(capsys, *command, "--out", trial, "--force")
    assert trial.read_text() == SMALL


def test_a_run_that_cannot_go_on_ends_with_1(
    trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial.write_text(SMALL.replace("1.0}}", "1.0e+300}}"))
    code, out, err = call(capsys, "run", trial, "--quiet")
    assert (code, out) == (1, "")
    assert err.startswith("kuramoto: error: The state stopped being finite")
    assert len(err.splitlines()) == 1
    assert "failed" in call(capsys, "info", "small.h5")[1]


def test_a_missing_extra_is_named_with_its_remedy(
    trial: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call(capsys, "run", trial, "--quiet")
    monkeypatch.delitem(sys.modules, "kuramoto.plotting", raising=False)
    monkeypatch.delattr(km, "plotting", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert 'pip install "kuramoto-spheres[plot]"' in refused(capsys, "plot", "small.h5")


def test_networkx_is_named_with_its_remedy(
    trial: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.write_text(SMALL.replace("type: mean_field", "type: graph, kind: ring"))
    call(capsys, "run", trial, "--quiet")
    monkeypatch.setitem(sys.modules, "networkx", None)
    assert 'pip install "kuramoto-spheres[plot]"' in refused(capsys, "plot", "small.h5")


def test_tracebacks_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KURAMOTO_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        cli.main(["info", "none.h5"])


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys)[1] == call(capsys, "--help")[1]
    assert CliRunner().invoke(cli.app, ["--help"]).exit_code == 0


HELP_ALONE = """
import sys
from kuramoto import cli
try:
    cli.main(["--help"])
finally:
    print({"torch", "matplotlib", "h5py", "scipy", "yaml", "numba"} & set(sys.modules))
"""


def test_help_loads_nothing_heavy() -> None:
    command = [sys.executable, "-c", HELP_ALONE]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.endswith("\nset()\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_replaced_by_a_file(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    assert "device or a pipe" in refused(capsys, "run", trial, "--out", "pipe", "--force")
    assert Path("pipe").is_fifo()


def test_an_error_of_the_system_names_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._report(PermissionError(13, "Permission denied", "locked/demo")) == 2
    says = "kuramoto: error: Path locked/demo cannot be used: Permission denied; choose another."
    assert capsys.readouterr().err.strip() == says
