"""A classifier put to all tests: scores agree with direct ones, what is done is not done again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kuramoto.nn.attacks import Target  # noqa: E402
from kuramoto.nn.audit import Plan  # noqa: E402
from kuramoto.nn.calibration import calibration, pooled, reliability  # noqa: E402
from kuramoto.nn.corruptions import corrupt  # noqa: E402
from kuramoto.nn.data.images import LabelledImages  # noqa: E402
from kuramoto.nn.robustness import BUDGETS, Budget, Report, examine  # noqa: E402
from kuramoto.nn.robustness.scoring import (  # noqa: E402
    as_they_are,
    corrupted,
    score,
    uniform_noise,
)

NAMES = ("red", "green", "blue")
SHORT = Plan(steps=3, restarts=1, samples=2, sweep=(1, 2), queries=4, tries=2, gradient_samples=2)
BUDGET = Budget(
    images=6,
    noise=(8 / 255, 64 / 255),
    corruptions=("gaussian_noise", "fog"),
    severities=(2, 5),
    autoattack="none",
    plan=SHORT,
    examples=3,
    batch=4,
)


def pictures(n=10, seed=0):
    """Images whose class is their strongest colour, mostly."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    pixels = random.integers(60, 160, (n, 32, 32, 3))
    pixels[np.arange(n), :, :, labels] += 25
    return LabelledImages(pixels.astype(np.uint8), labels, NAMES, "coloured noise")


def colour(images):
    """Return how much of each colour there is, as logits."""
    return 40 * images.mean((2, 3))


class Shaky:
    """The same, with random numbers of its own; counts what it is asked."""

    asked = 0

    def __call__(self, images, generator=None):
        self.asked += len(images)
        noise = torch.randn(len(images), 3, generator=generator)
        return colour(images) + 0.3 * noise


class Kept:
    """A ledger in memory, which breaks after some records."""

    def __init__(self, breaks_after=10**9):
        self.records, self.left = [], breaks_after

    def add(self, record):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.records.append(record)


def without_times(report):
    results = {k: dataclasses.replace(r, seconds=0) for k, r in report.audit.results.items()}
    audit = dataclasses.replace(report.audit, results=results)
    return dataclasses.replace(report, seconds=0, audit=audit).to_json()


@pytest.fixture(scope="module")
def effort():
    """What a whole examination finds, and how many images it shows to the model."""
    model = Shaky()
    return examine(model, pictures(), BUDGET, name="shaky"), model.asked


@pytest.fixture(scope="module")
def report(effort):
    return effort[0]


def test_a_score_is_the_calibration_of_all_logits():
    images = pictures(11)
    direct = colour(torch.from_numpy(images.images).permute(0, 3, 1, 2) / 255)
    expected = calibration(direct.numpy(), images.labels, logits=True).as_dict()
    for batch in (3, 11, 100):
        found = score(Target(colour), images, as_they_are, device="cpu", batch=batch).as_dict()
        assert found.pop("reliability")["counts"] == expected["reliability"]["counts"]
        assert found == pytest.approx({k: v for k, v in expected.items() if k in found})


def test_changes_belong_to_images_not_to_batches():
    images = pictures(7).images
    for change in (uniform_noise(0.1, 3), corrupted("gaussian_noise", 3, seed=1)):
        whole = change(0, images)
        parts = torch.cat([change(first, images[first : first + 2]) for first in range(0, 7, 2)])
        assert torch.equal(whole, parts)
    direct = corrupt(images, "gaussian_noise", 3, seed=1)
    assert torch.equal(whole, as_they_are(0, direct))


def test_noise_fills_the_whole_range_and_no_more():
    images = np.full((4, 16, 16, 3), 128, np.uint8)
    moved = uniform_noise(0.25, 0)(0, images) - 128 / 255
    assert float(moved.abs().max()) <= 0.25 + 1e-6
    assert float(moved.max()) > 0.24
    assert float(moved.min()) < -0.24
    assert float(moved.std()) == pytest.approx(0.25 / 3**0.5, rel=0.05)
    assert not torch.equal(moved[0], moved[1])
    ends = uniform_noise(0.25, 0)(0, np.array([0, 255], np.uint8).repeat(3).reshape(2, 1, 1, 3))
    assert float(ends.min()) >= 0
    assert float(ends.max()) <= 1


def test_a_report_has_everything_that_was_asked(report):
    sorts = [(score.name, score.level) for score in report.scores]
    assert sorts[:3] == [("clean", 0), ("noise", 8 / 255), ("noise", 64 / 255)]
    assert sorts[3:] == [(n, s) for s in (2, 5) for n in ("gaussian_noise", "fog")]
    assert report.severities == (2, 5)
    both = report.corrupted(5)
    assert report.mean(5, "ece") == pytest.approx(np.mean([c.ece for c in both.values()]))
    assert report.reliability(5).counts.sum() == 20
    assert len(report.audit["clean"].data)
    assert report.audit.results["clean"].settings
    assert [example.row for example in report.examples] == [0, 4, 9]
    shown = str(report)
    for words in ("coloured noise, 10", "noise ±64/255", "mean of 2, severity 5", "plain PGD"):
        assert words in shown


def test_examples_stay_within_the_threat_and_tell_the_truth(report):
    images = pictures()
    for example in report.examples:
        assert np.array_equal(example.image, images.images[example.row])
        moved = example.attacked.astype(int) - example.image
        assert 0 < np.abs(moved).max() <= 8
        assert example.label == NAMES[images.labels[example.row]]
        assert 1 / 3 <= example.confidence_before <= 1


def test_a_report_survives_json(report):
    again = Report.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert str(again) == str(report)
    for text in ("", "[]", '{"scores": []}'):
        with pytest.raises(ValueError, match="This is no report on robustness"):
            Report.from_json(text)


@pytest.mark.parametrize("records", [0, 1, 5, 9, 20])
def test_what_is_done_is_not_done_again(effort, records):
    report, asked = effort
    cut = Kept(records)
    with pytest.raises(KeyboardInterrupt):
        examine(Shaky(), pictures(), BUDGET, name="shaky", kept=cut)
    assert len(cut.records) == records
    cut.left = 10**9
    for part in (1, 4):  # the second time all is there, but examples and whether it is stochastic
        model = Shaky()
        whole = examine(model, pictures(), BUDGET, name="shaky", kept=cut)
        assert without_times(whole) == without_times(report)
        assert model.asked <= asked / part


def test_pooled_diagrams_are_that_of_all_predictions():
    random = np.random.default_rng(0)
    logits, labels = 2 * random.normal(size=(90, 4)), random.integers(0, 4, 90)
    parts = [
        reliability(logits[rows], labels[rows], logits=True)
        for rows in (slice(0, 7), slice(7, 50), slice(50, 90))
    ]
    whole = reliability(logits, labels, logits=True)
    for name in ("counts", "confidence", "accuracy"):
        np.testing.assert_allclose(getattr(pooled(parts), name), getattr(whole, name))
    with pytest.raises(ValueError, match="`parts` must have the same bins"):
        pooled([whole, reliability(logits, labels, logits=True, bins=5)])
    with pytest.raises(ValueError, match="`parts` must hold a diagram at least"):
        pooled([])


def test_frost_is_left_out_in_words_where_its_pictures_are_not():
    budget = dataclasses.replace(BUDGET, corruptions=("frost", "fog"), severities=(3,), plan=None)
    found = examine(colour, pictures(), budget)
    assert list(found.corrupted(3)) == ["fog"]
    assert found.notes == ("Frost was left out: its pictures are not here.",)
    assert found.audit is None
    assert found.examples == ()
    rime = [np.full((200, 200, 3), 200, np.uint8)] * 5
    assert list(examine(colour, pictures(), budget, frost=rime).corrupted(3)) == ["frost", "fog"]


def test_corruptions_may_be_published_ones():
    seen = []

    def published(name, severity):
        seen.append((name, severity))
        dark = pictures(5)
        return LabelledImages(dark.images // 3, dark.labels, NAMES)

    budget = dataclasses.replace(BUDGET, plan=None)
    found = examine(colour, pictures(), budget, published=published)
    assert seen == [(n, s) for s in (2, 5) for n in ("gaussian_noise", "fog")]
    assert found.clean.images == 10
    assert found.corrupted(5)["fog"].images == 5


def test_autoattack_is_the_version_for_the_model():
    assert BUDGETS["standard"].attack(True).version == "rand"
    assert BUDGETS["standard"].attack(True).samples == 20
    assert BUDGETS["standard"].attack(False).version == "standard"
    assert Budget(autoattack="plus").attack(True).version == "plus"
    assert Budget(autoattack="none").attack(True) is None


def test_autoattack_is_left_out_in_words_where_there_are_too_few_classes():
    budget = dataclasses.replace(BUDGET, autoattack="auto", corruptions=(), noise=())
    found = examine(colour, pictures(), budget)
    assert found.notes == ("AutoAttack was left out: AutoAttack standard needs 4 classes.",)
    assert not any("AutoAttack" in name for name in found.audit.results)
    with pytest.raises(ValueError, match="`autoattack` must be auto or none here, but is 'plus'"):
        examine(colour, pictures(), dataclasses.replace(budget, autoattack="plus"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"eps": 8.0}, "`eps` must be in 0 ... 1, but is 8; images have values in 0 ... 1: write"),
        ({"norm": "L1"}, "`norm` must be one of Linf, L2"),
        ({"noise": (64.0,)}, "`eps` must be in 0 ... 1, but is 64"),
        ({"corruptions": ("frog",)}, "`corruptions` must be one of .*; did you mean `fog`"),
        ({"severities": (6,)}, "`severities` must be 1 to 5, but is 6"),
        ({"severities": (0,)}, "`severities` must be"),
        ({"autoattack": "rant"}, "`autoattack` must be one of .*; did you mean `rand`"),
        ({"images": 0}, "`images` must be"),
        ({"seed": -1}, "`seed` must be"),
    ],
)
def test_budgets_that_cannot_be_meant(wrong, words):
    with pytest.raises(ValueError, match=words):
        Budget(**wrong)


def test_no_images_and_other_models():
    with pytest.raises(ValueError, match="`images` must hold an image at least, but is empty"):
        examine(colour, pictures().take(slice(0)), BUDGET)
    with pytest.raises(ValueError, match="`model` must return logits"):
        examine(lambda images: images.mean((1, 2, 3)), pictures(), BUDGET)
    with pytest.raises(ValueError, match="gradient"):
        examine(lambda images: colour(images).detach(), pictures(), BUDGET)
