"""Recordings: the energies are the layers' and the votes', and counts are counts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from kuramoto.nn.data import sudoku  # noqa: E402
from kuramoto.nn.energies import Recording, join, record, stream, watch  # noqa: E402
from kuramoto.nn.models import build  # noqa: E402
from kuramoto.nn.samples import begin  # noqa: E402
from kuramoto.nn.voting import vote  # noqa: E402


@pytest.fixture(scope="module")
def boards() -> tuple[Any, Any]:
    """Five boards of 4x4, digits and solutions."""
    found = sudoku.generate(5, (5, 10), box=(2, 2), seed=1)
    shape = (5, 4, 4)
    return tuple(torch.from_numpy(part.astype(np.int64)).reshape(shape) for part in found)


@pytest.fixture(scope="module", params=[1, 2], ids=["1-block", "2-blocks"])
def net(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    # Double precision: chunks of other sizes round differently, and close calls would tip.
    made = build("sudoku", "akorn", side=4, channels=16, heads=2, steps=4, blocks=request.param)
    return made.double().eval()


def random_recording(seed: int, n: int = 6, K: int = 5, T: int = 3) -> Recording:
    random = np.random.default_rng(seed)
    energies = random.normal(size=(n, K, T)).astype(np.float32)
    squares = random.integers(14, 17, size=(n, K, T)).astype(np.uint8)
    return Recording(energies, squares, 16, np.arange(1, T + 1))


# --- agreement with what is computed otherwise --------------------------------------------------


@torch.no_grad()
def test_energies_and_answers_are_those_of_each_state(net: Any, boards: Any) -> None:
    digits, solutions = boards
    found = record(net, digits, solutions, samples=3, steps=5)
    assert found.energies.shape == found.squares.shape == found.right.shape == (5, 3, 5)
    assert (found.energies.dtype, found.squares.dtype, found.cells) == (np.float32, np.uint8, 16)
    layer = net.blocks[-1].layer
    x, c = begin(net, digits[2:3], range(3), steps=5)
    for step in range(1, 6):
        state = layer(x, c, steps=step)
        assert np.allclose(found.energies[2, :, step - 1], layer.energy(state, c), rtol=1e-6)
        right = net.predict(state).argmax(-1) + 1 == solutions[2]
        assert np.array_equal(found.squares[2, :, step - 1], right.flatten(1).sum(1))
        assert np.array_equal(found.right[2, :, step - 1], right.flatten(1).all(1))


@pytest.mark.parametrize("how", ["last", "sum"])
def test_votes_come_out_the_same(net: Any, boards: Any, how: str) -> None:
    digits, solutions = boards
    verdict = vote(net, digits, samples=9, steps=6, how=how, seed=3, keep_samples=True)
    found = record(net, digits, solutions, samples=9, steps=6, seed=3)
    assert np.allclose(found.scores(how), verdict.energies, rtol=1e-6)
    elected = verdict.samples[torch.arange(5), torch.from_numpy(found.elected(how))]
    assert torch.equal(elected, verdict.prediction)
    right = (verdict.prediction == solutions).flatten(1).all(1)
    assert found.accuracy_by_step(how)[-1] == right.double().mean()
    squares = (verdict.samples == solutions[:, None]).flatten(2).sum(2)
    assert np.array_equal(found.squares[..., -1], squares)


@pytest.mark.parametrize("batch", [1, 4, 7, 100])
def test_chunks_change_nothing(net: Any, boards: Any, batch: int) -> None:
    expected = record(net, *boards, samples=6)
    parts = list(stream(net, *boards, samples=6, batch=batch))
    assert len(parts) == {1: 5, 4: 5, 7: 5, 100: 1}[batch]
    found = join(parts)
    assert np.allclose(found.energies, expected.energies, rtol=1e-6)
    assert np.array_equal(found.squares, expected.squares)


def test_some_steps_are_looked_at_and_the_last(net: Any, boards: Any) -> None:
    full = record(net, *boards, samples=2, steps=7)
    found = record(net, *boards, samples=2, steps=7, looks=[5, 2])
    assert found.looks.tolist() == [2, 5, 7]
    assert np.array_equal(found.squares, full.squares[..., [1, 4, 6]])
    assert np.array_equal(found.energies, full.energies)
    assert np.allclose(found.accuracy_by_step("sum"), full.accuracy_by_step("sum")[[1, 4, 6]])


def test_memory_that_does_not_suffice_halves_the_samples(
    net: Any, boards: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, predict = record(net, *boards, samples=4), net.predict

    def small(state: Any) -> Any:
        if len(state) > 5:
            raise torch.OutOfMemoryError
        return predict(state)

    monkeypatch.setattr(net, "predict", small)
    found = record(net, *boards, samples=4)
    assert np.allclose(found.energies, expected.energies, rtol=1e-6)
    assert np.array_equal(found.squares, expected.squares)
    monkeypatch.setattr(net, "predict", lambda state: (_ for _ in ()).throw(torch.OutOfMemoryError))
    with pytest.raises(torch.OutOfMemoryError):
        record(net, *boards, samples=4)


def test_one_board_is_watched_from_its_start(net: Any, boards: Any) -> None:
    digits, solutions = boards
    recorded = record(net, digits, solutions, samples=3, steps=5)
    found = watch(net, digits[1], steps=5, sample=2)
    assert found.probabilities.shape == (6, 4, 4, 4)
    assert np.allclose(found.probabilities.sum(-1), 1, atol=1e-6)
    assert np.allclose(found.energies[1:], recorded.energies[1, 2], rtol=1e-6)
    right = (found.answers[1:] == solutions[1].numpy()).sum((1, 2))
    assert np.array_equal(right, recorded.squares[1, 2])
    assert np.array_equal(found.puzzle, digits[1])
    x, c = begin(net, digits[1:2], range(2, 3), steps=5)
    with torch.no_grad():
        start = net.blocks[-1].layer.energy(x, c)
    assert found.energies[0] == pytest.approx(float(start), rel=1e-6)


def test_recording_leaves_no_gradient_and_no_global_randomness(net: Any, boards: Any) -> None:
    state = torch.get_rng_state()
    one, other = (record(net, *boards, samples=2, seed=seed) for seed in (0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert not np.allclose(one.energies, other.energies)


# --- what is made of a recording ----------------------------------------------------------------


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_votes_of_fewer_samples_are_means_over_all_choices(seed: int) -> None:
    recording = random_recording(seed)
    scores, right = recording.scores("last"), recording.right[..., -1]
    found = recording.accuracy_by_samples("last")
    for k in range(1, 6):
        chosen = [list(some) for some in itertools.combinations(range(5), k)]
        rates = [
            np.mean([right[b, some[scores[b, some].argmin()]] for b in range(6)]) for some in chosen
        ]
        assert found[k - 1] == pytest.approx(np.mean(rates))
    assert found[0] == pytest.approx(recording.accuracy_by_step()[-1])
    assert found[-1] == pytest.approx(recording.accuracy_by_step("last")[-1])


def test_sums_go_up_to_the_step() -> None:
    recording = random_recording(0)
    energies = recording.energies.astype(np.float64)
    assert np.allclose(recording.scores("sum", 2), energies[..., 0] + energies[..., 1])
    assert np.array_equal(recording.scores("last", 2), energies[..., 1])
    assert np.allclose(recording.scores(), energies.sum(-1))


def test_a_sample_that_is_not_a_number_is_never_elected() -> None:
    energies = np.array([[[np.nan], [3.0], [-np.inf]], [[np.nan], [np.nan], [7.0]]], np.float32)
    squares = np.array([[[0], [0], [16]], [[0], [0], [16]]], np.uint8)
    recording = Recording(energies, squares, 16, np.array([1]))
    assert recording.elected("last").tolist() == [2, 2]
    assert recording.accuracy_by_samples("last")[-1] == 1


def test_levels_add_up() -> None:
    recording, givens = random_recording(2), np.array([5, 7, 5, 5, 7, 9])
    for how in (None, "sum", "last"):
        levels = recording.by_givens(givens, how)
        assert {level: boards for level, (boards, _) in levels.items()} == {5: 3, 7: 2, 9: 1}
        right = sum(right for _, right in levels.values())
        assert right / 6 == pytest.approx(recording.accuracy_by_step(how)[-1])
    assert recording.by_givens(givens)[9][1] == recording.right[5, :, -1].mean()


# --- bad input ----------------------------------------------------------------------------------


def test_bad_input(boards: Any) -> None:
    net = build("sudoku", "akorn", side=4, channels=16, heads=2, steps=4).eval()
    digits, solutions = boards
    other = build("sudoku", "transformer", side=4, channels=16, heads=2).eval()
    with pytest.raises(ValueError, match="Model SudokuTransformer has no energy to record"):
        record(other, digits, solutions)
    with pytest.raises(ValueError, match=r"`solutions` must have the shape of digits, \(5, 4, 4\)"):
        record(net, digits, solutions[:2])
    with pytest.raises(ValueError, match="`looks` must be at most T = 4, but is 5"):
        record(net, digits, solutions, looks=[5])
    with pytest.raises(ValueError, match="`digits` must hold at least one board"):
        record(net, digits[:0], solutions[:0])
    for name in ("samples", "steps", "batch"):
        with pytest.raises(ValueError, match=f"`{name}` must be a whole number of at least 1"):
            record(net, digits, solutions, **{name: -1})
    with pytest.raises(ValueError, match="`how` must be last or sum, but is 'summ'; did you mean"):
        random_recording(0).scores("summ")
    with pytest.raises(ValueError, match="`step` must be at most T = 3, but is 4"):
        random_recording(0).scores("sum", 4)
    with pytest.raises(ValueError, match="`givens` must have length n = 6, but has length 2"):
        random_recording(0).by_givens(np.array([1, 2]))
