"""Sweep files and where points run: nothing is lost, nothing is run twice, the same bits come out.

Kinds of tests: agreement (a sweep that was killed equals one that was not, Dask equals this
process), bad input. Kills are SIGKILLs of real processes.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from kuramoto import _hdf5
from kuramoto.ensembles import Sweep, open_sweep, schedule, sweep
from kuramoto.storage import StorageError

distributed = pytest.importorskip("distributed")

ROOT = Path(__file__).parents[1]
SMALL = """
experiment: 1
model: {coupling: {type: mean_field, strength: 1.0}, frequency: {type: normal}}
state: {oscillators: 6, dimensions: 2}
solve: {t1: 1.0, dt: 0.1, save: {every: 2, start: true}, observe: [order_parameter]}
"""
GRID = {"coupling.strength": [0.0, 1.0, 2.0], "solve.t1": [0.4, 1.0]}
HERE = {"scheduler": "synchronous", "progress": False}


def swept(out: Path, grid=GRID, seeds=2, text=SMALL, **settings) -> Sweep:
    return sweep(text, grid, seeds, out=out, **{**HERE, **settings})


def assert_same(one: Sweep, two: Sweep) -> None:
    assert one.done.all()
    assert two.done.all()
    np.testing.assert_array_equal(one.times, two.times)
    assert list(one.observed) == list(two.observed)
    for name, values in one.observed.items():
        np.testing.assert_array_equal(values, two.observed[name])


def one_line(caught: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text


class Runs:
    """An observer that counts how often runs begin; it may stop one on the way."""

    def __init__(self, stop_at: int | None = None, error: type[BaseException] = KeyboardInterrupt):
        self.count, self.stop_at, self.error = 0, stop_at, error

    def __call__(self, t: float, x: np.ndarray) -> float:
        self.count += t == 0.0
        if self.count == self.stop_at:
            raise self.error("stopped here")
        return t


# What is kept, and when.


def test_a_finished_sweep_is_returned_as_it_is(tmp_path):
    out, runs = tmp_path / "sweep.h5", Runs()
    first = swept(out, observe={"runs": runs})
    assert runs.count == 12
    before = out.read_bytes()
    assert_same(swept(out, observe={"runs": runs}, scheduler="tcp://127.0.0.1:1"), first)
    assert runs.count == 12
    assert out.read_bytes() == before


def test_an_interrupted_sweep_runs_only_what_is_left(tmp_path):
    out, runs = tmp_path / "sweep.h5", Runs(stop_at=8)
    with pytest.raises(KeyboardInterrupt):
        swept(out, observe={"runs": runs})
    half = open_sweep(out)
    assert half.done.sum() == 7
    assert half.status.ravel().tolist() == ["done"] * 7 + ["pending"] * 5
    assert np.isnan(half.observed["runs"][~half.done]).all()
    assert half.summary()["points"] == "7 done, 5 pending"
    again = Runs()
    found = swept(out, observe={"runs": again})
    assert again.count == 5
    assert_same(found, swept(tmp_path / "whole.h5", observe={"runs": Runs()}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.h5", "whole.h5"]


def test_points_that_fail_are_noted_and_tried_again(tmp_path):
    out = tmp_path / "sweep.h5"
    runs = Runs(stop_at=5, error=ZeroDivisionError)
    with pytest.warns(RuntimeWarning, match="1 of 12 points failed; the first: .*stopped here"):
        found = swept(out, observe={"runs": runs})
    assert runs.count == 12
    words = "experiment at coupling.strength = 1.0, solve.t1 = 0.4, seed = 0: "
    assert found.failures == {(1, 0, 0): f"{words}ZeroDivisionError: stopped here"}
    assert found.summary()["points"] == "11 done, 1 failed"
    mended = Runs()
    assert_same(
        swept(out, observe={"runs": mended}), swept(tmp_path / "b.h5", observe={"runs": Runs()})
    )
    assert mended.count == 1
    assert open_sweep(out).failures == {}


def test_a_value_out_of_range_concerns_its_point_alone(tmp_path):
    with pytest.warns(RuntimeWarning, match="solve.dt = 9.*`dt` must be"):
        found = swept(tmp_path / "sweep.h5", {"solve.dt": [0.1, 9.0]}, 1)
    assert found.status.tolist() == [["done"], ["failed"]]


def test_points_of_another_shape_are_noted(tmp_path):
    with pytest.warns(RuntimeWarning, match=r"order_parameter has shape \(3,\), but .* has \(2,\)"):
        found = swept(tmp_path / "sweep.h5", {"state.batch": [2, 3]}, 1)
    assert found.observed["order_parameter"].shape == (2, 1, 6, 2)
    with pytest.warns(RuntimeWarning, match=r"states has shape \(7, 2\), but .* has \(5, 2\)"):
        found = swept(tmp_path / "b.h5", {"state.oscillators": [5, 7]}, 1, states=True)
    assert found.status.ravel().tolist() == ["done", "failed"]


def test_a_plain_reader_finds_coordinates_and_names(tmp_path):
    swept(tmp_path / "sweep.h5")
    with h5py.File(tmp_path / "sweep.h5") as file:
        values = file["observed/order_parameter"]
        assert values.shape[:3] == (3, 2, 2)
        labels = [values.dims[axis].label for axis in range(3)]
        assert labels == ["coupling.strength", "solve.t1", "seed"]
        np.testing.assert_array_equal(file["coordinates/coupling.strength"], [0, 1, 2])
        assert file.attrs["experiment"] == SMALL
        assert "numpy" in json.loads(file.attrs["versions"])


# Kills at every writing call, of a sweep that runs in one process.

KILLS = """
import json, os, signal, sys, warnings
from pathlib import Path
import h5py, numpy as np
from kuramoto.ensembles import open_sweep, sweep

folder, text, grid = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])

def run(out):
    return sweep(text, grid, 1, out=out, scheduler="synchronous", progress=False)

def arm(calls):
    left = [calls]
    def counted(function):
        def call(*args, **kwargs):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return call
    for owner, name in ((h5py.Dataset, "__setitem__"), (h5py.File, "flush"), (h5py.File, "close"),
                        (os, "replace"), (os, "link"), (Path, "unlink")):
        setattr(owner, name, counted(getattr(owner, name)))

def killed(calls, out):
    child = os.fork()
    if not child:
        arm(calls)
        run(out)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

whole, calls, found = run(folder / "whole.h5"), 0, []
while True:
    calls += 1
    out = folder / f"{calls}.h5"
    if not killed(calls, out):
        break
    done = int(open_sweep(out).done.sum()) if out.exists() else -1
    again = run(out)
    pairs = [(again.observed[name], values) for name, values in whole.observed.items()]
    pairs += [(again.times, whole.times)]
    same = all(np.array_equal(*pair, equal_nan=True) for pair in pairs)
    found.append([done, bool(same and again.done.all()), len(list(folder.glob(f".{out.name}.*")))])
    out.unlink()
print(json.dumps(found))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_a_sweep_killed_at_any_writing_call_goes_on_with_the_same_bits(tmp_path):
    few = {"solve.t1": [0.4, 1.0], "coupling.strength": [0.5, 1.5]}  # the file has to grow once
    command = [sys.executable, "-c", KILLS, str(tmp_path), SMALL, json.dumps(few)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    assert len(found) > 40  # every writing call was reached
    counts = [count for count, _, _ in found]
    assert counts == sorted(counts)  # what was done stays done
    assert set(counts) == {-1, 0, 1, 2, 3, 4}
    assert all(same for _, same, _ in found)
    assert not any(left for count, _, left in found if count >= 0)  # nothing lies about


# Files that are not this sweep's.


def test_another_sweep_is_refused_and_replaced_on_request(tmp_path):
    out = tmp_path / "sweep.h5"
    swept(out)
    before = out.read_bytes()
    for other, says in (
        ({"grid": {**GRID, "solve.t1": [0.4, 1.2]}}, "grid"),
        ({"grid": dict(reversed(GRID.items()))}, "grid"),
        ({"seeds": 3}, "seeds"),
        ({"text": SMALL.replace("1.0}", "1.5}")}, "experiment"),
        ({"observe": ["energy"]}, "observe"),
        ({"states": True}, "states"),
    ):
        with pytest.raises(FileExistsError, match=rf"another sweep \(other: {says}\)") as caught:
            swept(out, **other)
        one_line(caught)
    assert out.read_bytes() == before
    assert swept(out, seeds=3, overwrite=True).shape == (3, 2, 3)


def test_a_file_that_is_no_sweep_is_not_touched(tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("precious")
    with pytest.raises(FileExistsError, match="exists already"):
        swept(out)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        swept(tmp_path)
    with pytest.raises(FileNotFoundError, match="Output folder"):
        swept(tmp_path / "none" / "sweep.h5")
    assert out.read_text() == "precious"


def test_damaged_files_are_refused(tmp_path):
    swept(tmp_path / "sweep.h5")
    data = (tmp_path / "sweep.h5").read_bytes()
    for size in (30, 200, len(data) - 1):
        cut = tmp_path / "cut.h5"
        cut.write_bytes(data[:size])
        with pytest.raises(ValueError, match="damaged or truncated") as caught:
            open_sweep(cut)
        one_line(caught)
    newer = Path(shutil.copy(tmp_path / "sweep.h5", tmp_path / "newer.h5"))
    with h5py.File(newer, "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(ValueError, match="format 99; this version reads 1"):
        open_sweep(newer)


def test_two_do_not_write_one_file(tmp_path):
    out = tmp_path / "sweep.h5"
    with pytest.raises(KeyboardInterrupt):
        swept(out, observe={"runs": Runs(stop_at=3)})
    with out.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert open_sweep(out).done.sum() == 2  # readers are not kept out
        with pytest.raises(BlockingIOError, match="being written by another process") as caught:
            swept(out, observe={"runs": Runs()})
        one_line(caught)
        with pytest.raises(BlockingIOError, match="being written by another process"):
            swept(out, seeds=3, overwrite=True)  # not even by force: its points would be lost
    assert swept(out, observe={"runs": Runs()}).done.all()
    assert swept(out, seeds=3, overwrite=True).done.all()


def test_a_full_disk_costs_no_finished_point(tmp_path, monkeypatch):
    """The file must grow for t1 = 1; there is no space for it until some is freed."""
    out, sizes, allocate = tmp_path / "sweep.h5", [], _hdf5.allocate

    def full(handle: int, size: int) -> None:
        sizes.append(size)
        if len(sizes) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        allocate(handle, size)

    monkeypatch.setattr(_hdf5, "allocate", full)
    with pytest.raises(StorageError, match="No space left on device; free some space") as caught:
        swept(out)
    one_line(caught)
    assert open_sweep(out).done.sum() == 2
    assert_same(swept(out), swept(tmp_path / "whole.h5"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.h5", "whole.h5"]


# Dask.


def _quiet():
    return warnings.catch_warnings(action="ignore")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two processes, as somebody else might run one."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with _quiet(), distributed.LocalCluster(**settings, silence_logs=50) as running:
        yield running


def test_a_cluster_finds_the_same_bits(tmp_path, cluster):
    here = swept(tmp_path / "here.h5", states=True)
    there = swept(
        tmp_path / "there.h5", states=True, scheduler=cluster.scheduler_address, progress=True
    )
    assert_same(there, here)
    np.testing.assert_array_equal(there.states, here.states)


def test_points_that_fail_on_a_cluster_are_noted(tmp_path, cluster):
    grid = {"solve.dt": [0.1, 9.0, 0.05]}
    with pytest.warns(RuntimeWarning, match="1 of 3 points failed; .*solve.dt = 9"):
        found = swept(tmp_path / "sweep.h5", grid, 1, scheduler=cluster.scheduler_address)
    assert found.status.ravel().tolist() == ["done", "failed", "done"]


def test_what_workers_cannot_load_is_noted(tmp_path, cluster):
    class Unsendable:
        def __call__(self, t, x):
            return t

        def __reduce__(self):
            return exec, ("raise RuntimeError('not here')",)

    with pytest.warns(RuntimeWarning, match="1 of 1 points failed; .*deserialization"):
        found = swept(
            tmp_path / "sweep.h5",
            {"coupling.strength": [1.0]},
            1,
            observe={"own": Unsendable()},
            scheduler=cluster.scheduler_address,
        )
    assert not found.done.any()


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_scheduler_no_harm(tmp_path, monkeypatch, overwrite):
    monkeypatch.setattr(schedule, "_SECONDS_TO_CONNECT", 0.3)
    out = tmp_path / "sweep.h5"
    with pytest.raises(ConnectionError, match=r"No Dask scheduler answers at tcp://127\.0"):
        swept(out, scheduler="tcp://127.0.0.1:1")
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        swept(out, observe={"runs": Runs(stop_at=3)})
    before = out.read_bytes()
    with pytest.raises(ConnectionError, match="No Dask scheduler") as caught:
        swept(out, observe={"runs": Runs()}, scheduler="tcp://127.0.0.1:1", overwrite=overwrite)
    one_line(caught)
    assert out.read_bytes() == before


def test_a_cluster_without_workers_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "_SECONDS_WITHOUT_WORKERS", 1)
    settings = {"n_workers": 0, "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
    says = pytest.raises(ConnectionError, match="no workers for 1 s; start some")
    with _quiet(), distributed.LocalCluster(**settings) as empty, says as caught:
        swept(tmp_path / "sweep.h5", scheduler=empty.scheduler_address)
    one_line(caught)
    assert not open_sweep(tmp_path / "sweep.h5").done.any()


def test_dask_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "kuramoto-spheres\[sweep\]"') as caught:
        swept(tmp_path / "sweep.h5", scheduler=None)
    assert caught.value.name == "distributed"
    assert not list(tmp_path.iterdir())


# Kills of the processes of a sweep with workers of its own.

SCRIPT = """
import os, sys
from kuramoto.ensembles import sweep

def note(t, x):
    if t == 0.0:
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(f"{os.getpid()}\\n")
    return float(x[0, 0])

if __name__ == "__main__":
    os.environ["NOTES"] = sys.argv[3]
    grid = {"coupling.strength": [0.1 * k for k in range(20)]}
    sweep(sys.argv[1], grid, 2, out=sys.argv[2], observe={"note": note}, workers=2, progress=False)
"""


@pytest.mark.slow
def test_kill_9_of_a_worker_and_of_the_whole_sweep_lose_no_point(tmp_path):
    script, text = tmp_path / "script.py", tmp_path / "small.yaml"
    out, notes = tmp_path / "sweep.h5", tmp_path / "notes"
    script.write_text(textwrap.dedent(SCRIPT))
    text.write_text(SMALL.replace("dt: 0.1", "dt: 0.001"))
    command = [sys.executable, str(script), str(text), str(out), str(notes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def until(done: int) -> None:
        while not out.exists() or open_sweep(out).done.sum() < done:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)

    until(5)
    os.kill(int(notes.read_text().split()[-1]), signal.SIGKILL)  # a worker
    until(15)
    process.kill()
    process.communicate()
    done, kept = open_sweep(out).done, open_sweep(out).observed["note"]
    started = len(notes.read_text().split())
    assert 15 <= done.sum() < 40
    # Beyond what is done: at most two in the worker that died, and two with each at the end.
    assert started <= done.sum() + 6
    subprocess.run(command, env=environment, check=True, capture_output=True)
    found = open_sweep(out)
    again = len(notes.read_text().split()) - started
    assert again == 40 - done.sum()  # none that was done was run again
    np.testing.assert_array_equal(found.observed["note"][done], kept[done])
    grid = {"coupling.strength": [0.1 * k for k in range(20)]}
    whole = swept(tmp_path / "whole.h5", grid, 2, text=text, observe={"note": lambda t, x: x[0, 0]})
    assert_same(found, whole)
