"""The audit on models whose robustness is known: real, absent, or hidden behind bad gradients."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from kuramoto.nn import ClassifierConfig, ClassifierNet  # noqa: E402
from kuramoto.nn.attacks import PGD, AutoAttack, Threat, Trial  # noqa: E402
from kuramoto.nn.audit import (  # noqa: E402
    LEVELS,
    VERDICTS,
    Plan,
    audit,
    gradient_statistics,
)
from kuramoto.nn.tasks.partial import Partial  # noqa: E402

SIDE = 6
THREAT = Threat("Linf", 0.12)
PLAN = Plan(
    steps=12, restarts=2, samples=6, sweep=(1, 6), queries=100, tries=10, gradient_samples=6
)


def drawn(n, seed):
    """Two classes: one pixel that shows plainly which, mostly, and 35 that each do a little.

    The many together are right nearly always, and a perturbation of 0.12 turns them all.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (n,), generator=generator)
    side = (2 * labels - 1).float()[:, None]
    strong = 0.5 + 0.3 * torch.where(torch.rand(n, 1, generator=generator) < 0.9, side, -side)
    weak = 0.5 + 0.05 * side + 0.06 * torch.randn(n, 35, generator=generator)
    return torch.cat([strong, weak], 1).clamp(0, 1).view(n, 1, SIDE, SIDE), labels


def trained(robust=False, shifted=False):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 2))
    images, labels = drawn(600, 1)
    shift, generator = Shifted(net), torch.Generator().manual_seed(0)
    learner = torch.optim.Adam(net.parameters(), 3e-2)
    for step in range(150):
        rows = torch.randint(0, len(images), (64,), generator=generator)
        x, y = images[rows], labels[rows]
        if robust:
            x = Trial(net, x, y, THREAT, seed=step).perturb(PGD(steps=2, step_size=1.0))
        learner.zero_grad()
        said = shift(x, generator) if shifted else net(x)
        nn.functional.cross_entropy(said, y).backward()
        learner.step()
    return net


class Shifted(nn.Module):
    """Shift every image by up to a pixel each way, at random; logits on a scale of their own."""

    def __init__(self, net, scale=1.0):
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, images, generator=None):
        moves = torch.randint(-1, 2, (len(images), 2), generator=generator)
        rows = (torch.arange(SIDE) + moves[:, :1]) % SIDE
        columns = (torch.arange(SIDE) + moves[:, 1:]) % SIDE
        each = torch.arange(len(images))[:, None, None]
        shifted = images[each, 0, rows[:, :, None], columns[:, None, :]]
        return self.scale * self.net(shifted[:, None])


class Quantised(nn.Module):
    """Round the input to 1/32: the gradient is zero everywhere."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, images):
        return self.net((32 * images).round() / 32)


class Louder(nn.Module):
    """The same answers, so sure of themselves that cross-entropy is flat in single precision."""

    def __init__(self, net, scale):
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, images):
        return self.scale * self.net(images)


class NoisyGradients(nn.Module):
    """The same answers, with noise on the gradient and nowhere else."""

    def __init__(self, net, noise):
        super().__init__()
        self.net, self.noise = net, noise

    def forward(self, images, generator=None):
        direction = self.noise * torch.randn(images.shape, generator=generator)
        nothing = ((images - images.detach()) * direction).flatten(1).sum(1)
        # The tiny difference in value makes it stochastic to whoever looks.
        value = 1e-2 * torch.randn(len(images), generator=generator)
        return self.net(images) + torch.stack([nothing + value, -nothing - value], 1)


@pytest.fixture(scope="module")
def plain():
    return trained()


@pytest.fixture(scope="module")
def robust():
    return trained(robust=True)


@pytest.fixture(scope="module")
def data():
    return drawn(100, 2)


def levels(found):
    return {finding.name: finding.level for finding in found.findings}


def test_a_robust_network_is_found_sound(robust, data):
    found = audit(Trial(robust, *data, THREAT), PLAN)
    assert found.verdict == "sound"
    assert set(levels(found).values()) == {"fine"}
    assert found.accuracy > 0.8
    assert found["unbounded"].data["accuracy"] == 0
    # The one pixel at ±0.3 cannot be turned by 0.12: what is left is what it is right about.
    assert found.accuracy == pytest.approx(0.9, abs=0.06)
    assert "No check found" in found.words
    assert f"{100 * found.accuracy:.1f} %" in found.words


def test_a_plain_network_is_found_not_robust(plain, data):
    found = audit(Trial(plain, *data, THREAT), PLAN)
    assert found.verdict == "none"
    assert "alarm" not in levels(found).values()
    assert found["clean"].data["accuracy"] > 0.95
    assert found.accuracy < 0.05
    assert found.words.startswith("There is no robustness")


def test_quantised_input_is_exposed(plain, data):
    trial = Trial(Quantised(plain), *data, THREAT)
    assert trial.run(PLAN.naive()).accuracy > 0.8  # naively robust
    found = audit(trial, PLAN)
    assert found.verdict == "masked"
    for name in ("gradients", "unbounded", "black_box", "naive"):
        assert levels(found)[name] == "alarm", name
    assert found["gradients"].data["margin"]["zero"] == 1
    assert found.accuracy < 0.2
    assert found.strongest == "Square"
    attacks = {**found["black_box"].data["white"], **found["black_box"].data["black"]}
    worst = np.min([found.results[name].right for name in attacks], axis=0)
    assert found.together == worst.mean() <= found.accuracy
    assert found.together >= 1 - sum(1 - accuracy for accuracy in attacks.values())
    assert "not robustness" in found.words


def test_a_surrogate_exposes_it_too(plain, data):
    images, labels = data
    trial = Trial(Quantised(plain), images[:60], labels[:60], THREAT)
    found = audit(trial, PLAN, surrogate=plain)
    assert found.results["transfer"].accuracy < 0.1
    assert found["black_box"].data["black"]["transfer"] == found.results["transfer"].accuracy


def test_random_shifts_of_a_saturated_network_are_exposed(data):
    trial = Trial(Shifted(trained(shifted=True), scale=300.0), *data, THREAT, draws=4)
    naive = trial.run(PLAN.naive()).accuracy
    assert naive > 0.6  # naively robust
    found = audit(trial, PLAN)
    assert found.verdict == "masked"
    assert found["clean"].data["stochastic"]
    assert levels(found)["gradients"] == "caution"  # of cross-entropy only
    assert levels(found)["naive"] == "alarm"
    assert found["naive"].data["naive"] == naive
    assert found.accuracy < naive - 0.3


def test_a_saturated_network_is_exposed(plain, data):
    found = audit(Trial(Louder(plain, 1e4), *data, THREAT), PLAN)
    assert found.verdict == "masked"
    assert levels(found)["gradients"] == "caution"
    assert found["naive"].data["naive"] > 0.5
    assert found.accuracy < 0.05


def test_noise_on_gradients_is_exposed(plain, data):
    trial = Trial(NoisyGradients(plain, 200.0), *data, THREAT)
    found = audit(trial, PLAN)
    said = levels(found)
    assert said["noise"] == "caution"
    assert said["black_box"] == "alarm"
    assert found.verdict == "masked"
    quiet = audit(Trial(NoisyGradients(plain, 1.0), *data, THREAT), PLAN)
    assert levels(quiet)["noise"] == "fine"
    assert levels(quiet)["black_box"] == "fine"


def test_more_draws_are_seen_to_help(plain, data):
    plan = Plan(steps=8, restarts=1, samples=16, sweep=(16, 1, 4), queries=20, tries=2)
    found = audit(Trial(NoisyGradients(plain, 5.0), *data, THREAT), plan)["draws"]
    assert found.data["samples"] == [1, 4, 16]
    first, _, last = found.data["accuracy"]
    assert last < first - 0.1
    assert "Accuracy by draws per gradient is 1: " in found.sentence


def test_randomness_alone_is_told_apart(data):
    # Each draw is turned by one perturbation or its negative: no image fools both signs, and with
    # one of them fixed nothing stands.
    class Signed(nn.Module):
        def forward(self, images, generator=None):
            sign = 1 - 2 * torch.randint(0, 2, (1,), generator=generator)
            z = (images[:, 0, 0, 0] - 0.5) * sign * 10 + 0.5
            return torch.stack([z, torch.zeros_like(z)], 1)

    images, labels = torch.full((20, 1, SIDE, SIDE), 0.51), torch.zeros(20, dtype=int)
    # The sign is drawn for a batch: 32 draws are all there are.
    trial = Trial(Signed(), images, labels, THREAT, draws=32)
    found = audit(trial, PLAN)
    assert levels(found)["fixed"] == "caution"
    assert found["fixed"].data["fixed"] == 0
    assert found["fixed"].data["random"] == pytest.approx(0.5, abs=0.25)
    assert found.verdict != "sound"


# Statistics of gradients


def test_gradient_statistics_in_closed_form():
    w = torch.randn(SIDE**2, generator=torch.Generator().manual_seed(0))

    def linear(images):
        z = (images.flatten(1) - 0.5) @ w
        return torch.stack([-z, z], 1)

    images, labels = drawn(40, 3)
    exact = gradient_statistics(Trial(linear, images, labels, THREAT), loss="margin", samples=3)
    assert np.allclose(exact.norm, 2 * float(w.norm()), rtol=1e-5)
    assert exact.cosine == pytest.approx(1, abs=1e-6)
    assert exact.draws_needed == pytest.approx(0, abs=1e-6)
    assert exact.zero == 0

    noise, d = 3.0, SIDE**2
    trial = Trial(NoisyGradients(linear, noise), images, labels, THREAT)
    found = gradient_statistics(trial, loss="margin", samples=200)
    # The margin doubles both: gradient 2w, noise 2·3·normal.
    ratio = noise**2 * d / float(w.norm()) ** 2
    assert found.draws_needed == pytest.approx(ratio, rel=0.1)
    assert np.mean(np.square(found.norm)) == pytest.approx(
        4 * (float(w.norm()) ** 2 + noise**2 * d), rel=0.05
    )
    assert found.cosine == pytest.approx(1 / (1 + ratio), rel=0.15)


def test_gradients_that_vanish_or_are_no_numbers():
    images, labels = drawn(10, 4)

    def flat(images):
        return torch.stack([images.flatten(1).sum(1) * 0, images.flatten(1).sum(1) * 0], 1)

    found = gradient_statistics(Trial(flat, images, labels, THREAT), samples=4)
    assert (found.zero, found.draws_needed) == (1, math.inf)
    json.dumps(found.as_dict(), allow_nan=False)

    def root(images):  # the gradient of a root at zero is infinite, times zero
        z = (images.flatten(1)[:, :2] * 0).sqrt()
        return z

    broken = gradient_statistics(Trial(root, images, labels, THREAT), samples=1)
    assert broken.zero == 1
    json.dumps(broken.as_dict(), allow_nan=False)


# How it is done


def test_it_is_repeatable_and_goes_on(plain, data, tmp_path):
    images, labels = data
    plan = Plan(steps=3, samples=2, sweep=(1, 2), queries=5, tries=2, gradient_samples=2)
    model = NoisyGradients(plain, 5.0)
    trial = Trial(model, images[:40], labels[:40], THREAT, batch=20)
    whole = audit(trial, plan).as_dict()
    path = tmp_path / "audit.json.partial"
    kept = Partial(path, trial.question)
    kept.add = lambda record, add=kept.add: (add(record), 1 / (len(kept.records) - 9))
    with pytest.raises(ZeroDivisionError):
        audit(trial, plan, kept=kept)
    again = audit(trial, plan, kept=Partial(path, trial.question)).as_dict()
    for found in (whole, again):
        for result in found["results"].values():
            del result["seconds"]
    assert again == whole
    assert json.loads(json.dumps(whole, allow_nan=False))["verdict"] in VERDICTS


def test_the_report_reads_well(robust, data):
    images, labels = data
    plan = Plan(steps=3, queries=5, tries=2)
    found = audit(Trial(robust, images[:30], labels[:30], THREAT), plan)
    assert str(found).splitlines()[0] == found.words
    for finding in found.findings:
        assert finding.level in LEVELS
        assert finding.sentence.endswith(".")
        assert "\n" not in finding.sentence
    names = [finding.name for finding in found.findings]
    assert names == ["clean", "gradients", "unbounded", "black_box", "steps", "naive"]
    assert found["clean"].sentence.startswith("The model is deterministic")


def test_other_attacks_join(data):
    pytest.importorskip("pyautoattack")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 4))
    images = data[0][:20]
    trial = Trial(net, images, net(images).argmax(1), THREAT)
    plan = Plan(steps=3, queries=5, tries=2)
    short = AutoAttack(steps=3, queries=3)
    found = audit(trial, plan, others=[short, AutoAttack(steps=4, queries=3), PGD(steps=2)])
    assert {"AutoAttack standard", "AutoAttack standard (2)", "PGD"} <= set(found.results)
    assert "AutoAttack standard" in found["black_box"].data["white"]


def test_the_paper_network_is_audited():
    torch.manual_seed(0)
    net = ClassifierNet(ClassifierConfig(channels=(4, 4, 4), kernel_sizes=(3, 3, 3), outputs=3))
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 8, 8, generator=generator)
    plan = Plan(steps=2, samples=2, sweep=(1, 2), queries=3, tries=2, gradient_samples=2)
    found = audit(Trial(net, images, torch.tensor([0, 1, 2, 0]), THREAT, draws=2), plan)
    assert found["clean"].data["stochastic"]
    assert {"noise", "draws", "fixed"} <= set(levels(found))
    assert found.results["PGD, fixed"].settings["fixed"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Plan(steps=0), "`steps` must be a whole number of at least 1"),
        (lambda: Plan(sweep=(0, 1)), "`sweep` must be a whole number of at least 1"),
        (lambda: Plan(sweep=()), "`sweep` must hold at least one number of draws"),
        (lambda: Plan(gradient_samples=1), "`gradient_samples` .* of at least 2"),
    ],
)
def test_bad_plans(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_bad_trials(data):
    images, labels = data
    trial = Trial(nn.Flatten(), images, labels, Threat("Linf", 0))
    with pytest.raises(ValueError, match="`threat` must have eps above 0 to be audited"):
        audit(trial)

    def blind(images):
        return images.detach().flatten(1)

    with pytest.raises(ValueError, match="`model` must have gradients"):
        audit(Trial(blind, images, labels, THREAT))
