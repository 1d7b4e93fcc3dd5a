"""Voting: who is elected, and that an answer depends on board, sample and seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn.data import sudoku  # noqa: E402
from kuramoto.nn.models import build  # noqa: E402
from kuramoto.nn.seeds import derived_seed  # noqa: E402
from kuramoto.nn.voting import (  # noqa: E402
    WAYS,
    Settled,
    advance,
    begin,
    elect,
    stream,
    survey,
    vote,
)


class Scripted:
    """A model of 2 by 2 boards whose sample k says digit answers[k] and has energies[k][t].

    The first given of a board says by how much its answers are shifted, its state is the step.
    """

    def __init__(self, energies: Any, answers: list[int], moves_until: int = 10**9) -> None:
        self.energies = torch.tensor(energies, dtype=torch.float32)
        self.answers, self.moves_until = torch.tensor(answers), moves_until
        self.config = SimpleNamespace(steps=self.energies.shape[1], side=2)
        self.blocks = [SimpleNamespace(layer=self)]
        self.seen = 0

    def start(self, digits: Any, generator: Any = None) -> tuple[Any, Any]:
        samples = torch.arange(len(digits))  # of one block: 0 ... 7
        x = torch.stack([samples, torch.zeros_like(samples)], 1)[:, :, None, None].double()
        return digits[:, :1, :1, None].double(), x

    def trajectory(self, x: Any, c: Any, steps: int) -> Iterator[tuple[Any, Any]]:
        for _ in range(steps):
            self.seen += len(x)
            sample, step = x[:, 0, 0, 0].long(), x[:, 1, 0, 0].long()
            x = x.clone()
            x[:, 1] += 1
            yield x, self.energies[sample, step]

    def predict(self, x: Any) -> Any:
        logits = torch.zeros(len(x), 2, 2, 2)
        moved = x[:, 1, 0, 0].clamp(max=self.moves_until).float() * 1e-2
        said = self.answers[x[:, 0, 0, 0].long()] - 1
        logits[torch.arange(len(x)), :, :, said] = 5 + moved[:, None, None]
        return logits


BOARDS = torch.tensor([[[1, 0], [0, 0]], [[2, 0], [0, 0]]])


@pytest.mark.parametrize(("how", "elected"), [("last", 2), ("sum", 1), ("majority", 2)])
def test_who_is_elected(how: str, elected: int) -> None:
    energies = [[-9.0, -1.0], [0.0, -2.0], [0.0, -1.5]]
    verdict = vote(Scripted(energies, [1, 2, 2]), BOARDS, samples=3, how=how)
    assert (verdict.prediction == elected).all()
    expected = torch.tensor(energies).sum(1) if how == "sum" else torch.tensor(energies)[:, -1]
    assert torch.equal(verdict.energies, expected.expand(2, 3))
    assert verdict.steps.tolist() == [2, 2]


def test_the_surest_sample_is_elected() -> None:
    """Whatever energy says, and by the mean over squares, not by the surest square."""

    class Sure(Scripted):
        def predict(self, x: Any) -> Any:
            logits = super().predict(x)
            sample = x[:, 0, 0, 0].long()
            logits[sample == 0] *= 0.1  # a little sure everywhere
            logits[sample == 1, 0, 0] *= 10  # very sure of one square, not of the others
            logits[sample == 1, 1] *= 0.01
            return logits

    model = Sure([[-9.0], [-8.0], [0.0]], [1, 2, 1])
    found = next(iter(survey(model, BOARDS, samples=3)))
    states = torch.tensor([[0, 1], [1, 1], [2, 1]])[:, :, None, None].double()
    logs = model.predict(states).log_softmax(-1).amax(-1).mean((1, 2))
    torch.testing.assert_close(found.confidence, logs.expand(2, 1, 3))
    assert int(logs.argmax()) == 2
    verdict = vote(model, BOARDS, samples=3, how="confidence", keep_samples=True)
    assert torch.equal(verdict.prediction, verdict.samples[:, 2])
    assert torch.equal(verdict.prediction, elect(found, "confidence")[:, 0])
    assert verdict.energies.tolist() == [[-9.0, -8.0, 0.0]] * 2


def test_equals_of_a_majority_give_the_lower_digit() -> None:
    verdict = vote(Scripted([[0.0]] * 4, [2, 1, 2, 1]), BOARDS, samples=4, how="majority")
    assert (verdict.prediction == 1).all()


def test_a_sample_that_is_not_a_number_is_never_elected() -> None:
    verdict = vote(Scripted([[float("nan")], [5.0]], [1, 2]), BOARDS, samples=2, how="last")
    assert (verdict.prediction == 2).all()


# --- settling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["last", "sum"])
def test_boards_that_rest_are_stopped_and_nothing_changes(how: str) -> None:
    steps = 40
    energies = -torch.arange(1.0, 4.0)[:, None].expand(3, steps).clone()
    energies[:, :6] = 0.0  # still on their way
    asked = {"samples": 3, "how": how}
    full = vote(Scripted(energies.tolist(), [1, 1, 1], 6), BOARDS, **asked)
    model = Scripted(energies.tolist(), [1, 1, 1], 6)
    short = vote(model, BOARDS, settled=Settled(every=4, tolerance=1e-3), **asked)
    assert short.steps.tolist() == [12, 12]  # looks at 4, 8 (moved), 12 (rested)
    assert model.seen == 2 * 3 * 12
    torch.testing.assert_close(short.energies, full.energies)
    assert torch.equal(short.prediction, full.prediction)


@pytest.mark.parametrize(
    ("answers", "moves_until"), [([1, 2, 1], 0), ([1, 1, 1], 10**9)], ids=["disagree", "move"]
)
def test_boards_that_disagree_or_move_are_not_stopped(answers: list[int], moves_until: int) -> None:
    model = Scripted([[0.0] * 20] * 3, answers, moves_until)
    verdict = vote(model, BOARDS, samples=3, settled=Settled(every=4, tolerance=1e-3))
    assert verdict.steps.tolist() == [20, 20]


def test_settling_needs_all_samples_at_once() -> None:
    with pytest.raises(ValueError, match=r"`batch` must hold all samples .* at least 9"):
        vote(Scripted([[0.0]], [1]), BOARDS, samples=9, batch=4, settled=Settled())
    found = vote(Scripted([[0.0] * 20] * 8, [1] * 8), BOARDS, samples=70, settled=Settled())
    assert found.energies.shape == (2, 70)  # more than are usually computed at once


# --- the real network ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    torch.manual_seed(0)
    # Double precision: chunks of other sizes round differently, and close calls would tip.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield build("sudoku", "akorn", side=4, channels=16, heads=2, steps=4, blocks=2).double().eval()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits() -> Any:
    boards = sudoku.generate(5, (5, 8), box=(2, 2), seed=1)
    return torch.from_numpy(boards.puzzles.astype(np.int64)).unflatten(1, (4, 4))


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("batch", [2, 5, 25, 1000])
def test_chunks_change_nothing(net: Any, digits: Any, how: str, batch: int) -> None:
    asked = {"samples": 10, "how": how, "keep_samples": True}
    expected, found = vote(net, digits, **asked), vote(net, digits, batch=batch, **asked)
    torch.testing.assert_close(found.energies, expected.energies, rtol=1e-6, atol=1e-6)
    assert torch.equal(found.prediction, expected.prediction)
    assert torch.equal(found.samples, expected.samples)


def test_a_sample_depends_on_seed_board_and_its_number_alone(net: Any, digits: Any) -> None:
    many = vote(net, digits, samples=20)
    few = vote(net, digits.flip(0)[2:], samples=11)
    torch.testing.assert_close(few.energies, many.energies.flip(0)[2:, :11], rtol=1e-6, atol=1e-6)
    assert torch.equal(vote(net, digits, samples=20).energies, many.energies)
    assert not torch.allclose(vote(net, digits, samples=20, seed=1).energies, many.energies)
    assert len(set(many.energies.flatten().tolist())) == 5 * 20  # no two samples are the same


@torch.no_grad()
def test_energies_are_those_of_the_states(net: Any, digits: Any) -> None:
    """Eq. 3 at the last state, or summed over the states after 1, 2, ... steps, each run anew."""
    name = digits[0].to(torch.uint8).numpy().tobytes()
    random = torch.Generator().manual_seed(derived_seed(0, name, 0))
    c, x = net.start(digits[:1].expand(8, -1, -1), random)
    x, c = net.blocks[0](x, c)
    layer = net.blocks[1].layer
    energies = torch.stack([layer.energy(layer(x, c, steps=t), c) for t in range(1, 5)])
    last, total = (vote(net, digits, samples=8, how=how).energies[0] for how in ("last", "sum"))
    torch.testing.assert_close(last, energies[-1].float())
    torch.testing.assert_close(total, energies.sum(0).float())


def test_settling_legs_join_seamlessly(net: Any, digits: Any) -> None:
    """Cut into legs of 1 step, with nothing that settles, a run is the same."""
    asked = {"samples": 3, "how": "sum"}
    whole, legs = (vote(net, digits, settled=s, **asked) for s in (None, Settled(1, 1e-300)))
    assert (legs.steps == 4).all()
    torch.testing.assert_close(legs.energies, whole.energies, rtol=1e-6, atol=1e-6)
    assert torch.equal(legs.prediction, whole.prediction)


def test_verdicts_stream_in_order(net: Any, digits: Any) -> None:
    parts = list(stream(net, digits, samples=4, batch=8))
    assert [len(part.prediction) for part in parts] == [2, 2, 1]
    together = vote(net, digits, samples=4, batch=8)
    assert torch.equal(torch.cat([part.prediction for part in parts]), together.prediction)
    assert together.samples is None


# --- several questions, one pass ----------------------------------------------------------------


@pytest.mark.parametrize("settled", [None, Settled(every=2, tolerance=1e-300)])
def test_one_survey_answers_every_vote_after_every_number_of_steps(
    digits: Any, settled: Settled | None
) -> None:
    torch.manual_seed(1)
    one = build("sudoku", "akorn", side=4, channels=16, heads=2, steps=4).double().eval()
    for name, parameter in one.named_parameters():
        if name.endswith("bias"):  # they alone would decide what an untrained network says
            parameter.requires_grad_(False).zero_()
    asked = {"samples": 6, "batch": 12}
    parts = list(survey(one, digits, at=[1, 2, 5], steps=7, settled=settled, **asked))
    assert [part.answers.shape[:3] for part in parts] == [(2, 4, 6), (2, 4, 6), (1, 4, 6)]
    for how in WAYS:
        found = torch.cat([elect(part, how) for part in parts])
        for column, steps in enumerate([1, 2, 5, 7]):
            alone = vote(one, digits, steps=steps, how=how, **asked)
            assert torch.equal(found[:, column], alone.prediction)
            kept = [part.total if how == "sum" else part.last for part in parts]
            energies = torch.cat(kept)[:, column]
            torch.testing.assert_close(energies, alone.energies, rtol=1e-6, atol=1e-6)
    assert not torch.equal(parts[0].answers[:, 0], parts[0].answers[:, -1])


def test_boards_that_settled_keep_their_answer_at_later_steps() -> None:
    energies = [[-1.0] * 40, [-2.0] * 40]
    (found,) = survey(
        Scripted(energies, [2, 2], 0), BOARDS, at=[4, 10, 40], samples=2, settled=Settled(every=4)
    )
    assert found.steps.tolist() == [8, 8]
    assert (found.answers == 2).all()
    wanted = torch.tensor([4.0, 10.0, 40.0])[:, None] * torch.tensor([-1.0, -2.0])
    assert torch.equal(found.total, wanted.expand(2, 3, 2))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"at": [4, 2]}, r"`at` must hold growing numbers of steps, 4 at most, but is \[4, 2\]"),
        ({"at": [2, 9], "steps": 8}, r"growing numbers of steps, 8 at most, but is \[2, 9\]"),
        ({"at": [0]}, "`at` must be a whole number of at least 1"),
        ({"at": [2], "steps": 4}, "`at` must be left out for a model of several blocks"),
    ],
)
def test_steps_that_cannot_be_answered_after(
    net: Any, digits: Any, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        next(survey(net, digits, samples=2, **asked))


@torch.no_grad()
def test_the_pieces_of_a_run_are_those_of_a_vote(net: Any, digits: Any) -> None:
    x, c = begin(net, digits, range(3, 9), seed=4)
    x, energy, total = advance(net, x, c, 4)
    asked = {"samples": 9, "seed": 4}
    for how, found in (("last", energy), ("sum", total)):
        expected = vote(net, digits, how=how, **asked).energies[:, 3:]
        torch.testing.assert_close(found.unflatten(0, (5, 6)), expected, rtol=1e-6, atol=1e-6)


def test_voting_leaves_no_gradient_and_no_global_randomness(net: Any, digits: Any) -> None:
    state = torch.get_rng_state()
    assert not vote(net, digits, samples=2).energies.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


def test_memory_that_does_not_suffice_halves_the_samples(
    net: Any, digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, sizes, decode = vote(net, digits, samples=8), [], net.decode

    def small(c: Any) -> Any:
        sizes.append(len(c))
        if len(c) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(c)

    monkeypatch.setattr(net, "decode", small)
    found = vote(net, digits, samples=8, batch=1000)
    assert max(sizes) > 20
    torch.testing.assert_close(found.energies, expected.energies, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"how": "lats"}, "no vote `lats`; did you mean `last`"),
        ({"samples": 0}, "`samples` must be a whole number of at least 1, but is 0"),
        ({"steps": 0}, "`steps` must be a whole number of at least 1"),
        ({"batch": -1}, "`batch` must be a whole number of at least 1"),
    ],
)
def test_bad_input(net: Any, digits: Any, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        vote(net, digits, **asked)


def test_models_without_energy_and_no_boards(digits: Any) -> None:
    with pytest.raises(ValueError, match="Model Linear has no energy to vote by"):
        vote(torch.nn.Linear(2, 2), digits)
    with pytest.raises(ValueError, match="`digits` must hold at least one board"):
        vote(Scripted([[0.0]], [1]), digits[:0])
