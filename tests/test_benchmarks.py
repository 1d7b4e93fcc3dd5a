"""The benchmark suite, without timing anything: formulas, references, tables, refusals."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import kuramoto as km

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "benchmarks"
MODULES = [path.stem for path in FOLDER.glob("*.py") if path.stem not in ("accuracy", "peers")]


@pytest.fixture(scope="module")
def suite() -> Iterator[SimpleNamespace]:
    """The modules of the suite; their plain names are nobody else's business afterwards."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(FOLDER))
        for name in MODULES:
            sys.modules.pop(name, None)


def workload(suite: SimpleNamespace, key: str) -> Any:
    every = (*suite.workloads.TABLE, *suite.workloads.beside(quick=False))
    return next(workload for workload in every if workload.key == key)


FLOORS = {
    "W1-1000": (8e6, "bytes", "read"),
    "W1-4000": (128e6, "bytes", "read"),
    "W2-1e4": (4e5, "bytes", "triad"),
    "W2-1e6": (4e7, "bytes", "triad"),
    "W3": (12e6 + 4e6, "bytes", "read"),
    "W4-N2": (84934656.0, "flops", "gemm"),
    "W4-N4": (169869312.0, "flops", "gemm"),
    "ensembles-dense": (4e8, "flops", "gemm"),
}


@pytest.mark.parametrize("key", FLOORS)
def test_floor_formulas(suite: SimpleNamespace, key: str) -> None:
    """Analytic: the formulas, worked out by hand."""
    assert suite.floors.least_work(workload(suite, key)) == FLOORS[key]


def test_a_floor_is_work_over_rate(suite: SimpleNamespace) -> None:
    assert suite.floors.floor_seconds(suite.floors.Work(8e6, "bytes", "read"), 50e9) == 1.6e-4
    assert suite.floors.least_work(workload(suite, "ensembles-mean")) is None


@pytest.mark.parametrize(
    "key", ["W1-1000", "W2-1e4", "W3", "W4-N2", "W4-N4", "ensembles-mean", "ensembles-dense"]
)
@pytest.mark.parametrize("name", ["numba by hand", "NumPy"])
def test_references_agree_with_solve(suite: SimpleNamespace, key: str, name: str) -> None:
    """Agreement: the references are what they claim to be."""
    small = suite.workloads.in_small(workload(suite, key))
    system = suite.workloads.build(small)
    ends = []
    for who in (name, "kuramoto-spheres, NumPy path"):
        contestant = suite.contestants.create(who, small, system)
        assert contestant.advance(20) == 80.0
        ends.append(contestant.state())
    assert np.abs(ends[1] - system.x0).max() > 0.01
    assert np.allclose(*ends, rtol=0, atol=1e-9)


def test_our_contestant_is_solve(suite: SimpleNamespace) -> None:
    small = suite.workloads.in_small(workload(suite, "W1-1000"))
    system = suite.workloads.build(small)
    contestant = suite.contestants.create("kuramoto-spheres, NumPy path", small, system)
    contestant.advance(5)
    model = km.Kuramoto(km.Dense(system.weights), km.Rotation(system.omega[:, None]))
    run = km.solve(model, system.x0, t1=0.05, dt=0.01, stepper=km.RungeKutta4(), compile=False)
    assert np.array_equal(contestant.state(), run.final)


def test_random_graph(suite: SimpleNamespace) -> None:
    graph = suite.workloads.random_graph(500, 10, np.random.default_rng(0))
    assert graph.nnz == 5000
    assert abs(graph - graph.T).max() == 0
    assert not graph.diagonal().any()


def test_samples_take_the_set_up_away(suite: SimpleNamespace) -> None:
    """A disturbed leg of either kind moves neither median nor minimum."""
    samples = [[(1.0, 4.0), (3.0, 44.0)]] * 3
    samples += [[(9.0, 4.0), (3.0, 44.0)], [(1.0, 4.0), (9.0, 44.0)]]
    assert suite.timing.seconds_per_evaluation(samples) == pytest.approx(0.05)
    assert suite.timing.seconds_per_evaluation(samples, min) == pytest.approx(0.05)
    assert suite.timing.seconds_per_evaluation([[(0.0, 0.0), (3.0, 30.0)]]) == pytest.approx(0.1)


@pytest.mark.parametrize(("setup", "per_step"), [(1e-4, 1e-6), (0.1, 0.001), (0.5, 0.5)])
def test_long_runs_outlast_the_set_up(
    suite: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, setup: float, per_step: float
) -> None:
    monkeypatch.setattr(suite.timing, "leg", lambda _, steps: (setup + per_step * steps, 4 * steps))
    fixed = SimpleNamespace(counted=False)
    short, long, seconds = suite.timing.calibrate(fixed, 0.2, 60.0)
    assert 1 <= short < long
    assert per_step * long >= 0.99 * max(0.2, 3 * setup)
    assert seconds == pytest.approx(3 * setup + (2 * short + long) * per_step, rel=0.1)


class Fake:
    """A crew without processes: it answers at once, and remembers who was asked for a sample."""

    def __init__(self, state: float = 0.0, broken: str = "") -> None:
        self.state, self.broken, self.order = state, broken, []

    def ask(self, entrant: Any, task: str, **_: Any) -> dict[str, Any]:
        if entrant.name == self.broken:
            return {"problem": "not installed", "why": "No module"}
        if task == "check":
            wrong = entrant.name == "NumPy"
            return {"state": [[1.0, self.state * wrong]], "versions": {}}
        if task == "sample":
            self.order.append(entrant.name)
        return {"steps": [1, 10], "seconds": 0.01, "legs": [[0.0, 4.0], [1.0, 44.0]]}

    def unload(self) -> None:
        pass


def test_everybody_takes_turns(suite: SimpleNamespace) -> None:
    crew, race = Fake(broken="diffrax"), suite.race
    names = ("kuramoto-spheres", "NumPy", "diffrax", "floor")
    field = [race.Entrant(name, "ours") for name in names]
    cells = race.race(crew, workload(suite, "W3"), field, race.QUICK)
    assert crew.order == ["kuramoto-spheres", "NumPy", "floor"] * race.QUICK.rounds
    assert [cell.get("median") for cell in cells] == [0.025, 0.025, None, 0.025]
    assert cells[2]["problem"] == "not installed"


@pytest.mark.parametrize(("state", "problem"), [(1e-7, None), (1e-5, "WRONG")])
def test_wrong_numbers_are_found(suite: SimpleNamespace, state: float, problem: str) -> None:
    entrant = suite.race.Entrant("NumPy", "ours")
    record = suite.race.agreement(Fake(state), workload(suite, "W3"), entrant)
    assert record["deviation"] == state
    assert record.get("problem") == problem


def test_a_worker_answers_and_survives_what_it_cannot_do(suite: SimpleNamespace) -> None:
    worker, small = suite.workers.Worker(), workload(suite, "small")
    try:
        answer = worker.ask("check", name="NumPy", workload=small)
        missing = worker.ask("load", name="kuramoto 0.4", workload=small, target=0.1, patience=1.0)
        assert worker.ask("unload") == {}
    finally:
        worker.close()
    assert np.shape(answer["state"]) == (20, 2)
    assert missing["problem"] == "not installed"
    lost = suite.workers.Worker("no-such-python").ask("about")
    assert lost["problem"] == "failed"
    assert "no-such-python" in lost["why"]


def cell(key: str, name: str, ms: float, threads: int = 1) -> dict[str, Any]:
    times = {"median": ms / 1e3, "min": 0.9 * ms / 1e3}
    return {"workload": key, "contestant": name, "threads": threads, **times}


@pytest.fixture
def results(suite: SimpleNamespace) -> dict[str, Any]:
    """Results as a run writes them, with round numbers."""
    chosen = [workload(suite, key) for key in ("W1-1000", "W2-1e6", "small")]
    chosen += [w for w in suite.workloads.weak_scaling(True) if w.key.endswith(("1e4", "1e5"))]
    options = SimpleNamespace(quick=True)
    results = suite.suite._blank(options, chosen, {})
    results["machine"] |= {"others": 0.25}
    results["rates"] = {"1": {"gemm": 50e9, "read, memory": 20e9}}
    deviation = {"contestant": "NumPy", "threads": 1, "deviation": 2e-16}
    results["agreement"] = [{**deviation, "on": ["dense", 2, 0]}]
    missing = {"workload": "W1-1000", "contestant": "diffrax", "threads": 1}
    results["cells"] = [
        cell("W1-1000", "kuramoto-spheres", 0.15),
        cell("W1-1000", "kuramoto-spheres", 0.1, 2),
        cell("W1-1000", "numba by hand", 0.3),
        {**missing, "problem": "not installed", "why": "No module named 'diffrax'"},
        cell("W1-1000", "floor", 0.1),
        cell("W2-1e6", "kuramoto-spheres", 10.0),
        cell("W2-1e6", "oscillatools", 50.0),
        cell("small", "kuramoto-spheres", 2.5e-4),
        cell("weak-mean-1e4", "kuramoto-spheres", 0.01),
        cell("weak-mean-1e5", "kuramoto-spheres", 0.2),
    ]
    results["whole"] = [{**missing, "contestant": "kuramoto-spheres", "steps": 4, "seconds": 0.5}]
    return json.loads(json.dumps(results))


def test_the_table(suite: SimpleNamespace, results: dict[str, Any]) -> None:
    lines = suite.report.render(results).splitlines()
    rows = [" ".join(line.split()) for line in lines]
    assert "kuramoto-spheres 0.1500 0.1350 1.50 1.00" in rows
    assert "numba by hand 0.3000 0.2700 3.00 2.00" in rows
    assert "diffrax not installed No module named 'diffrax'" in rows
    memory = "from memory at 20.0 G/s: 0.4000 ms"
    assert f"floor: 8e+06 bytes at 80.0 G/s (read, this size); {memory}" in rows
    assert "recorded earlier (other machine state): F 0.15 ms, floor 0.16 ms" in rows
    assert "kuramoto-spheres 0.0003 0.0002 1.00 1,000,000 steps/s" in rows
    assert "W1-1000 1.50 floor:" in rows
    assert "mean field, 10⁵ 8.000" in rows
    assert "others kept 0.25 cores busy meanwhile" in rows
    assert max(map(len, lines[6:])) <= 100


def test_an_error_is_printed_for_wrong_numbers(
    suite: SimpleNamespace, results: dict[str, Any]
) -> None:
    results["agreement"][0] |= {"problem": "WRONG", "why": "it ends 1.0e-03 from where it should"}
    text = suite.report.render(results)
    assert "ERROR: NumPy on dense, N = 2: it ends 1.0e-03 from where it should" in text


def test_goals(suite: SimpleNamespace, results: dict[str, Any]) -> None:
    met = {goal.text: goal.met for goal in suite.goals.goals(results)}
    assert met == {
        "W1-1000: kuramoto-spheres / numba by hand": True,
        "W1-1000: kuramoto-spheres / floor": True,
        "W2-1e6: oscillatools / kuramoto-spheres": False,
        "W1-1000: kuramoto-spheres / kuramoto-spheres on 2 threads": False,
        "small: steps per second": True,
        "mean fields from 10⁴ up: time per oscillator, slowest / fastest": False,
    }
    assert suite.goals.render_goals(results).count(" NO\n") == 3


def test_a_run_writes_numbers_and_a_figure(
    suite: SimpleNamespace,
    results: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(suite.run, "measure", lambda options, crew: results)
    out = tmp_path / "new"
    assert suite.run.main(["--out", str(out)]) == 0
    assert json.loads((out / "results.json").read_text())["cells"] == results["cells"]
    assert (out / "results.png").read_bytes().startswith(b"\x89PNG")
    assert "/ floor" in capsys.readouterr().out
    assert suite.run.main(["--out", str(out)]) == 2
    assert "results.json exists already; choose another folder" in capsys.readouterr().err
    assert suite.run.main(["--out", str(out), "--force"]) == 0


def test_wrong_numbers_fail_the_run(
    suite: SimpleNamespace, results: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    results["agreement"][0] |= {"problem": "WRONG", "why": "far off"}
    monkeypatch.setattr(suite.run, "measure", lambda options, crew: results)
    assert suite.run.main(["--out", str(tmp_path)]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "must lie in 1 to "),
        (["--threads", "1,100000"], "must lie in 1 to "),
        (["--threads", "two"], "must be numbers like 1,2, but is 'two'"),
        (["--only", "W1,W9"], "must be among W1, W2, W3, W4, .* but holds 'W9'"),
        (["--quik"], "unrecognized arguments: --quik"),
    ],
)
def test_bad_arguments(
    suite: SimpleNamespace,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        suite.run.main(arguments)
    assert caught.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_folder_that_is_a_file_is_refused(
    suite: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert suite.run.main(["--out", str(taken)]) == 2
    assert "taken is a file; choose another with --out" in capsys.readouterr().err
    assert taken.read_text() == "mine"
