"""Attacks: robust accuracies in closed form, what is allowed, randomness, going on, bad input."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from kuramoto.nn import ClassifierConfig, ClassifierNet  # noqa: E402
from kuramoto.nn.attacks import (  # noqa: E402
    FGSM,
    PGD,
    AutoAttack,
    Clean,
    Noise,
    Square,
    Target,
    Threat,
    Transfer,
    Trial,
)
from kuramoto.nn.tasks.partial import Partial  # noqa: E402

SHAPE = (2, 6, 6)


class Linear:
    """Two classes: logits (−z, z), z = w·(x − 1/2)."""

    def __init__(self, seed=0):
        self.w = torch.randn(72, generator=torch.Generator().manual_seed(seed))

    def __call__(self, images):
        z = (images.flatten(1) - 0.5) @ self.w
        return torch.stack([-z, z], 1)

    def images(self, n, spread, seed=1):
        numbers = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed))
        images = 0.5 + spread * (numbers - 0.5)
        return images, self(images).argmax(1)

    def largest_change(self, images, labels, threat):
        """Return how far z can be moved the wrong way, (n,), in float64."""
        w = self.w.double().numpy() * (1 - 2 * labels.numpy())[:, None]
        x = images.flatten(1).double().numpy()
        room = np.where(w > 0, 1 - x, x)
        if threat.norm == "Linf":
            return (np.abs(w) * np.minimum(threat.eps, room)).sum(1)
        # δ = min(room, λ|w|) with the λ that spends all of ε.
        low, high = np.zeros((len(x), 1)), np.full((len(x), 1), 1e6)
        for _ in range(200):
            scale = (low + high) / 2
            small = np.linalg.norm(np.minimum(room, scale * np.abs(w)), axis=1) < threat.eps
            low, high = (np.where(small[:, None], a, b) for a, b in ((scale, low), (high, scale)))
        return (np.abs(w) * np.minimum(room, low * np.abs(w))).sum(1)


def closed_form(model, images, labels, threat):
    """Return which images stand, and which are too close to say."""
    margin = np.abs(((images.flatten(1) - 0.5) @ model.w).double().numpy())
    change = model.largest_change(images, labels, threat)
    return margin > change, np.abs(margin / change - 1) < 2e-3


class Noisy(torch.nn.Module):
    """A linear model whose input is shifted by noise of its own, another one for each image."""

    def __init__(self, model, scale):
        super().__init__()
        self.model, self.scale = model, scale

    def forward(self, images, generator=None):
        noise = torch.randn(images.shape, generator=generator)
        return self.model(images + self.scale * noise)


@pytest.fixture(scope="module")
def linear():
    return Linear()


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return ClassifierNet(ClassifierConfig(channels=(8, 8, 8), kernel_sizes=(3, 3, 3), outputs=4))


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(4, 3, 16, 16, generator=generator)
    return images, torch.randint(0, 4, (4,), generator=generator)


THREATS = [Threat("Linf", 0.004), Threat("Linf", 0.02), Threat("L2", 0.04), Threat("L2", 0.4)]


@pytest.mark.parametrize("threat", THREATS, ids=str)
@pytest.mark.parametrize("spread", [0.2, 1.0], ids=["inside", "at the walls"])
@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_pgd_reaches_the_closed_form(linear, threat, spread, loss):
    images, labels = linear.images(150, spread)
    stands, close = closed_form(linear, images, labels, threat)
    attack = PGD(steps=60, loss=loss, step_size=0.5, decay=True)
    right = np.array(Trial(linear, images, labels, threat).run(attack).right, dtype=bool)
    assert (right == stands)[~close].all()
    assert close.sum() < 10


def test_the_closed_form_is_not_trivial(linear):
    found = [
        closed_form(linear, *linear.images(150, spread), threat)[0].mean()
        for threat in THREATS
        for spread in (0.2, 1.0)
    ]
    assert sum(0.1 < fraction < 0.9 for fraction in found) >= 4


def test_one_step_is_enough_for_a_linear_model(linear):
    images, labels = linear.images(150, 0.2)
    threat = THREATS[0]
    stands, close = closed_form(linear, images, labels, threat)
    right = np.array(Trial(linear, images, labels, threat).run(FGSM()).right, dtype=bool)
    assert (right == stands)[~close].all()


@pytest.mark.parametrize("threat", [THREATS[0], THREATS[2]], ids=str)
def test_square_comes_near_the_closed_form_and_never_beats_it(linear, threat):
    images, labels = linear.images(60, 0.2)
    stands, close = closed_form(linear, images, labels, threat)
    trial = Trial(linear, images, labels, threat)
    few, many = (trial.run(Square(queries=number)) for number in (10, 300))
    right = np.array(many.right, dtype=bool)
    assert right[stands & ~close].all()
    assert many.accuracy < few.accuracy < 1
    bound = {"Linf": 0.1, "L2": 0.25}[threat.norm]
    assert many.accuracy - stands.mean() < bound


def test_noise_is_weaker_than_square(linear):
    images, labels = linear.images(60, 0.2)
    trial = Trial(linear, images, labels, THREATS[0])
    noise = trial.run(Noise(tries=30)).accuracy
    assert trial.run(Square(queries=30)).accuracy < noise <= trial.run(Noise()).accuracy


ATTACKS = [
    FGSM(),
    PGD(steps=5, restarts=2, step_size=1.0),
    PGD(steps=3, keep="last", loss="margin"),
    Noise(tries=3),
    Square(queries=12, restarts=2),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize("threat", [Threat("Linf", 0.3), Threat("L2", 0.9)], ids=str)
def test_perturbations_are_allowed(linear, attack, threat):
    images, labels = linear.images(20, 1.0)
    trial = Trial(linear, images, labels, threat, batch=20)
    # Before the trial projects them, too.
    found = attack(_query(linear), images, labels, threat, 0).images
    for perturbed in (found, trial.perturb(attack)):
        assert perturbed.min() >= 0
        assert perturbed.max() <= 1
        assert threat.distance(images, perturbed).max() <= threat.eps * (1 + 1e-5) + 1e-6
        assert threat.distance(images, perturbed).max() > 0.5 * threat.eps


def _query(model):
    def query(images):
        return model(images)

    query.any_rows = True
    return query


@pytest.mark.parametrize("attack", [*ATTACKS, AutoAttack()], ids=lambda attack: attack.name)
@pytest.mark.parametrize("draws", [1, 3])
def test_no_eps_is_the_clean_accuracy(linear, attack, draws):
    if attack.name == "AutoAttack":
        pytest.importorskip("pyautoattack")
        weights = torch.randn(72, 4, generator=torch.Generator().manual_seed(0))
        weights[:, 0], weights[:, 1] = -linear.w, linear.w
        model = Noisy(lambda images: (images.flatten(1) - 0.5) @ weights, 0.2)
    else:
        model = Noisy(linear, 0.2)
    images, labels = linear.images(40, 0.2)
    trial = Trial(model, images, labels, Threat("Linf", 0), draws=draws)
    clean = trial.clean()
    assert trial.run(attack).right == clean.right
    assert 0.1 < clean.accuracy < 1


def test_accuracy_falls_with_eps(linear):
    images, labels = linear.images(100, 0.2)
    for norm, scale in (("Linf", 0.01), ("L2", 0.1)):
        trial = Trial(linear, images, labels, Threat(norm, 0))
        found = [
            trial.under(Threat(norm, k * scale / 4)).run(PGD(steps=10)).accuracy for k in range(5)
        ]
        assert found == sorted(found, reverse=True)
        assert found[-1] < 0.3 < found[0]


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from(["Linf", "L2"]), st.floats(0.01, 1.0))
def test_projection_is_the_nearest_allowed_image(seed, norm, eps):
    generator = torch.Generator().manual_seed(seed)
    threat = Threat(norm, eps)
    x = torch.rand(3, 5, generator=generator).double().round(decimals=1).clamp(0, 1)
    far = x + 2 * torch.randn(3, 5, generator=generator).double()
    p = threat.project(x, far)
    assert threat.distance(x, p).max() <= eps * (1 + 1e-9) + 1e-12
    assert torch.allclose(threat.project(x, p), p, atol=1e-6)
    # ⟨far − p, z − p⟩ ≤ 0 for all allowed z says that p is the projection.
    for _ in range(20):
        z = threat.random(x, generator)
        assert ((far - p) * (z - p)).sum(1).max() <= 1e-5


def test_random_points_fill_the_ball():
    generator = torch.Generator().manual_seed(0)
    x = torch.full((4000, 2), 0.5)
    for norm in ("Linf", "L2"):
        threat = Threat(norm, 0.3)
        radii = threat.distance(x, threat.random(x, generator)) / 0.3
        # Uniform in two dimensions: P(r < s) = s².
        for s in (0.3, 0.6, 0.9):
            assert float((radii < s).float().mean()) == pytest.approx(s**2, abs=0.03)


def test_more_draws_make_a_stronger_attack(linear):
    images, labels = linear.images(150, 0.4)

    def forward(images, generator=None):
        # The mean of logits is the linear model's, and gradients are mostly noise.
        noise = torch.randn(images.shape, generator=generator)
        return linear(images) + 8 * linear_like(images - images.detach(), noise)

    trial = Trial(forward, images, labels, Threat("Linf", 0.008))
    few, some, many = (trial.run(PGD(steps=10, samples=k)).accuracy for k in (1, 8, 64))
    assert many < some - 0.05
    assert some < few - 0.05
    stands, _ = closed_form(linear, images, labels, trial.threat)
    assert many >= stands.mean()


def linear_like(images, w):
    z = (images * w).flatten(1).sum(1)
    return torch.stack([-z, z], 1)


def test_the_answer_of_a_stochastic_model_is_a_mean_over_draws(linear):
    images, labels = linear.images(30, 0.2)
    model = Noisy(linear, 0.05)
    trial = Trial(model, images, labels, Threat("Linf", 0.01), draws=200)
    z = ((images.flatten(1) - 0.5) @ linear.w).abs()
    expected = torch.distributions.Normal(0, 1).cdf(z / (0.05 * linear.w.norm()))
    assert np.allclose(trial.clean().right, expected, atol=0.15)
    assert trial.clean().accuracy == pytest.approx(float(expected.mean()), abs=0.015)


def test_restarts_and_steps_only_help(linear):
    images, _ = linear.images(100, 0.2)
    torch.manual_seed(1)
    bumpy = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(72, 30), torch.nn.Tanh())
    bumpy.append(torch.nn.Linear(30, 2))
    answers = bumpy(images).argmax(1)
    trial = Trial(bumpy, images, answers, Threat("Linf", 0.03))
    found = trial.run(PGD(steps=8, restarts=3))
    curve = np.array(found.curve)
    assert curve.shape == (3, 9)
    assert (np.diff(curve.flatten()) <= 0).all()
    assert curve[-1, -1] == pytest.approx(found.accuracy)
    assert found.accuracy <= trial.run(PGD(steps=8)).accuracy


def test_the_same_seed_the_same_result(linear):
    images, labels = linear.images(30, 0.2)
    model = Noisy(linear, 0.05)
    for attack in ATTACKS:
        trial = Trial(model, images, labels, THREATS[0], batch=20)
        torch.manual_seed(0)
        one = trial.run(attack)
        torch.manual_seed(1)
        assert trial.run(attack).right == one.right
    other = Trial(model, images, labels, THREATS[0], batch=20, seed=1)
    assert other.clean().right != trial.clean().right


def test_global_random_numbers_and_the_model_stay_as_they_are(net, pictures):
    net.train()
    before, learned = torch.get_rng_state(), [p.requires_grad for p in net.parameters()]
    Trial(net, *pictures, Threat("Linf", 0.03)).run(PGD(steps=2))
    assert torch.equal(torch.get_rng_state(), before)
    assert net.training
    assert net.blocks[0].training
    assert [p.requires_grad for p in net.parameters()] == learned
    assert all(p.grad is None for p in net.parameters())


def test_a_global_generator_is_seeded_too(linear):
    images, labels = linear.images(20, 0.2)

    def model(images):
        return linear(images + 0.1 * torch.randn(images.shape))

    trial = Trial(model, images, labels, THREATS[0])
    assert trial.model.is_random(images)
    assert trial.run(PGD(steps=3)).right == trial.run(PGD(steps=3)).right


def test_the_networks_start_is_random_or_one_for_all_images(net, pictures):
    images, _ = pictures
    target = Target(net)
    assert target.is_random(images)
    for pinned in (target.pinned(), Target(net, samples=3).pinned(seed=4)):
        assert pinned.any_rows
        assert not pinned.is_random(images)
        with pinned.ready("cpu", 0) as query, torch.no_grad():
            some, whole = query(images[1:3]), query(images)
        assert torch.allclose(some, whole[1:3], atol=1e-5)
    with target.pinned(1).ready("cpu", 0) as one, target.pinned(2).ready("cpu", 0) as other:
        assert not torch.allclose(one(images), other(images), atol=1e-3)


def test_attack_and_evaluation_with_one_start(net, pictures):
    images, _ = pictures
    target = Target(net).pinned()
    with target.ready("cpu", 0) as query, torch.no_grad():
        labels = query(images).argmax(1)
    trial = Trial(target, images, labels, Threat("Linf", 0.3))
    assert trial.clean().accuracy == 1
    found = trial.run(PGD(steps=20, loss="margin", restarts=2))
    assert found.accuracy < 1
    # Judged by what the attack itself saw: the curve ends where the accuracy is.
    assert found.curve[-1][-1] == found.accuracy
    assert found.settings["fixed"]


def test_images_stay_in_their_places_where_randomness_does(linear):
    # Pinned by its seed alone, each place in the batch has its own noise.
    images, _ = linear.images(40, 0.2)
    target = Target(Noisy(linear, 0.3)).pinned()
    assert not target.any_rows
    with target.ready("cpu", 0) as query:
        labels = query(images).argmax(1)
    trial = Trial(target, images, labels, Threat("Linf", 0.01))
    assert trial.clean().accuracy == 1
    for attack in (PGD(steps=20, restarts=2), Square(queries=50, restarts=2)):
        found = trial.run(attack)
        assert 0 < found.accuracy < 1
    pytest.importorskip("pyautoattack")
    with pytest.raises(ValueError, match="belong to places in a batch"):
        trial.run(AutoAttack())


def test_transfer_is_the_surrogates_attack(linear):
    images, labels = linear.images(60, 0.2)
    trial = Trial(linear, images, labels, Threat("Linf", 0.008))
    attack = PGD(steps=5)
    own = trial.run(attack)
    assert trial.run(Transfer(linear, attack)).right == own.right
    stranger = trial.run(Transfer(Linear(seed=7), attack))
    assert stranger.accuracy > own.accuracy + 0.2
    assert Transfer(linear, attack).settings()["by"]["steps"] == 5

    def blind(images):
        return linear(images.detach())

    assert trial.on(blind).run(Transfer(linear, attack)).right == own.right


def test_attacks_without_gradients_need_none(linear):
    images, labels = linear.images(40, 0.2)

    def blind(images):
        with torch.no_grad():
            return linear(images)

    trial = Trial(blind, images, labels, THREATS[0])
    assert trial.run(Square(queries=60)).accuracy < 0.9
    for attack in (PGD(), FGSM(loss="margin")):
        with pytest.raises(
            ValueError, match=r"`model` must have gradients .* attack it with Square"
        ):
            trial.run(attack)

    def constant(images):
        return torch.ones(len(images), 2, requires_grad=True) + 0.0

    with pytest.raises(ValueError, match="must have gradients"):
        trial.on(constant).run(PGD())


# Going on


class Counting:
    def __init__(self, model):
        self.model, self.calls = model, 0

    def __call__(self, images):
        self.calls += 1
        return self.model(images)


def test_a_cut_run_goes_on(linear, tmp_path):
    images, labels = linear.images(50, 0.2)
    model = Counting(linear)
    trial = Trial(model, images, labels, THREATS[0], batch=20)
    attack, path = PGD(steps=4), tmp_path / "report.json.partial"
    whole = trial.run(attack)
    each = model.calls // 3

    kept = Partial(path, trial.question)
    kept.add = lambda record, add=kept.add: (add(record), 1 / (len(kept.records) < 2))
    with pytest.raises(ZeroDivisionError):
        trial.run(attack, kept=kept)
    model.calls = 0
    again = trial.run(attack, kept=Partial(path, trial.question))
    assert model.calls == each
    assert (again.right, again.curve) == (whole.right, whole.curve)

    # Another attack and another threat share the file, and are not taken for this one.
    kept = Partial(path, trial.question)
    other = trial.run(PGD(steps=5), kept=kept)
    stronger = trial.under(Threat("Linf", 0.1)).run(attack, kept=kept)
    assert stronger.accuracy < whole.accuracy
    assert other.settings["steps"] == 5
    assert len(Partial(path, trial.question).records) == 9
    with pytest.raises(FileExistsError, match="another question"):
        Partial(path, Trial(linear, images[:30], labels[:30], THREATS[0]).question)


def test_a_module_is_known_by_its_weights(net):
    before = Target(net).description
    with torch.no_grad():
        net.logits.bias += 1
    assert Target(net).description["weights"] != before["weights"]


def test_results_are_plain(linear):
    images, labels = linear.images(10, 0.2)
    found = Trial(linear, images, labels, THREATS[0]).run(PGD(steps=2))
    assert json.loads(json.dumps(found.as_dict()))["accuracy"] == found.accuracy
    assert str(found).startswith("PGD")


@pytest.mark.parametrize("attack", [PGD(steps=2), Square(queries=3), Noise(tries=3)])
def test_what_is_wrong_already_needs_no_attack(attack):
    """The answer is wrong at the images alone: whoever moves them makes it right."""
    images = torch.full((5, *SHAPE), 0.5)

    def model(images):
        far = (images - 0.5).abs().mean((1, 2, 3))
        return torch.stack([1e4 * far, torch.ones(len(images))], 1)

    trial = Trial(model, images, torch.zeros(5, dtype=int), Threat("Linf", 0.1))
    assert trial.run(Noise(tries=1)).accuracy == 1  # noise is no attack: it may help
    assert trial.run(attack).accuracy == trial.clean().accuracy == 0
    assert trial.run(attack).distance == (0.0,) * 5


def test_pgd_spends_nothing_on_images_that_are_wrong_as_they_are():
    images, asked = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(0)), []

    def model(images):
        asked.append(len(images))
        m = images.mean((1, 2, 3))
        return torch.stack([m, 0.5 + 0 * m], 1)

    labels = model(images).argmax(1)
    labels[:6] = 1 - labels[:6]
    asked.clear()
    found = Trial(model, images, labels, Threat("Linf", 1e-3)).run(PGD(steps=10))
    assert found.accuracy == 0.25
    # Clean looks at all eight, a start and ten steps at two, the run's end, and the judge.
    assert asked == [8] * 4 + [2] * 11 + [2, 8]


# AutoAttack


@pytest.fixture(scope="module")
def four_classes():
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(4, 72, generator=generator)
    images = 0.5 + 0.2 * (torch.rand(24, *SHAPE, generator=generator) - 0.5)

    def model(images):
        return (images.flatten(1) - 0.5) @ weights.T

    return model, images, model(images).argmax(1), weights


@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_autoattack_reaches_the_closed_form(four_classes, version, norm):
    pytest.importorskip("pyautoattack")
    model, images, labels, weights = four_classes
    logits = model(images)
    apart = (weights[labels][:, None] - weights[None]).norm(p=1 if norm == "Linf" else 2, dim=-1)
    distance = (logits.gather(1, labels[:, None]) - logits) / apart
    distance[torch.arange(24), labels] = torch.inf
    distance = distance.amin(1)
    threat = Threat(norm, float(distance.median()) * 1.05)
    found = Trial(model, images, labels, threat, batch=12).run(
        AutoAttack(version=version, samples=2, steps=10, queries=20)
    )
    stands, close = distance > threat.eps, (distance / threat.eps - 1).abs() < 0.02
    right = torch.tensor(found.right).bool()
    assert right[stands & ~close].all()
    assert (right == stands)[~close].float().mean() >= (0.9 if version == "rand" else 1)
    assert found.own_accuracy == pytest.approx(found.accuracy)
    assert found.settings["version"] == version


@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
def test_autoattack_takes_images_however_they_lie_in_memory(four_classes, version):
    pytest.importorskip("pyautoattack")
    model, images, labels, _ = four_classes
    images = images.contiguous(memory_format=torch.channels_last)
    trial = Trial(model, images, labels, Threat("Linf", 0.01), batch=24)
    found = trial.run(AutoAttack(version=version, samples=2, steps=2, queries=2))
    assert len(found.right) == 24


def test_autoattack_says_that_a_model_is_stochastic(four_classes):
    pytest.importorskip("pyautoattack")
    model, images, labels, _ = four_classes
    trial = Trial(Noisy(model, 0.05), images, labels, Threat("Linf", 0.01), batch=24)
    attack = AutoAttack(steps=2, queries=2)
    tracer, before = sys.gettrace(), torch.get_rng_state()
    found = trial.run(attack)
    assert any("randomized" in note for note in found.notes)
    assert sys.gettrace() is tracer
    assert torch.equal(torch.get_rng_state(), before)
    assert trial.run(attack).right == found.right
    rand = trial.run(AutoAttack(version="rand", samples=3, steps=3))
    assert not any("randomized" in note for note in rand.notes)


def test_autoattack_hands_the_budget_on(four_classes, monkeypatch):
    model, images, labels, _ = four_classes
    made = []

    class Stub:
        def __init__(self, query, **how):
            self.query, self.how = query, how
            for part in ("apgd", "apgd_targeted", "fab", "square"):
                setattr(self, part, types.SimpleNamespace())
            made.append(self)

        def run_standard_evaluation(self, images, labels, batch_size):
            return 1 - images, self.query(images).argmax(1)

    monkeypatch.setitem(sys.modules, "pyautoattack", types.SimpleNamespace(AutoAttack=Stub))
    trial = Trial(model, images, labels, Threat("L2", 0.5), batch=24)
    found = trial.run(AutoAttack(version="rand", samples=7, steps=50))
    (attacker,) = made
    assert attacker.apgd.eot_iter == 7
    assert (attacker.apgd.n_iter, attacker.apgd.n_iter_2, attacker.fab.n_iter) == (50, 11, 50)
    assert attacker.fab.n_target_classes == attacker.apgd_targeted.n_target_classes == 3
    assert attacker.how["norm"] == "L2"
    assert attacker.how["version"] == "rand"
    # What it returned was not allowed; what is judged is.
    assert max(found.distance) <= 0.5 + 1e-6
    assert found.own_accuracy == 1


def test_autoattack_is_asked_for_where_it_is_missing(four_classes, monkeypatch):
    model, images, labels, _ = four_classes
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(ImportError, match=r'pip install "kuramoto-spheres\[attacks\]"'):
        Trial(model, images, labels, THREATS[0]).run(AutoAttack())


# Bad input


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Threat("Linf", 8), ValueError, "`eps` must be in 0 ... 1, but is 8; .* 8/255"),
        (lambda: Threat("L2", -0.1), ValueError, "`eps` must be in 0 ... 1"),
        (lambda: Threat("L2", float("nan")), ValueError, "`eps` must be a finite number"),
        (lambda: Threat("Linf", "8/255"), TypeError, "`eps` must be a finite number"),
        (lambda: Threat("l2", 0.1), ValueError, "`norm` must be one of Linf, L2.*did you mean"),
        (lambda: PGD(steps=0), ValueError, "`steps` must be a whole number of at least 1"),
        (lambda: PGD(loss="crossentropy"), ValueError, "`loss` .* did you mean `cross_entropy`"),
        (lambda: PGD(keep="first"), ValueError, "`keep` must be one of best, last"),
        (lambda: PGD(step_size=0.0), ValueError, "`step_size` must be a positive number"),
        (lambda: Square(area=0), ValueError, "`area` must be in 0 ... 1"),
        (lambda: Noise(tries=1.5), TypeError, "`tries` must be a whole number"),
        (lambda: AutoAttack(version="random"), ValueError, "`version` .* did you mean `rand`"),
        (lambda: Target(3), TypeError, "`model` must be callable"),
        (lambda: Transfer(3, PGD()), TypeError, "`surrogate` must be a Target or callable"),
    ],
)
def test_bad_settings(make, error, words):
    with pytest.raises(error, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


IMAGES, LABELS = torch.rand(4, 1, 3, 3), torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "error", "words"),
    [
        (IMAGES * 255, LABELS, ValueError, "`images` must be in 0 ... 1, .* normalised"),
        (IMAGES * torch.nan, LABELS, ValueError, "`images` must be in 0 ... 1"),
        ((IMAGES * 255).byte(), LABELS, TypeError, "`images` must hold floats.* by 255"),
        (IMAGES[:0], LABELS[:0], ValueError, "with an image at least"),
        (IMAGES, LABELS[:3], ValueError, r"`labels` must have shape \(4,\)"),
        (IMAGES, LABELS.float(), TypeError, "`labels` must hold integers"),
        (IMAGES, LABELS - 1, ValueError, "`labels` must be classes from 0 on"),
        (IMAGES, LABELS + 8, ValueError, "`labels` must be classes 0 ... 8 of the model"),
    ],
)
def test_bad_images_and_labels(images, labels, error, words):
    with pytest.raises(error, match=words) as caught:
        Trial(torch.nn.Flatten(), images, labels, THREATS[0]).clean()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda images: images, r"return logits \(4, K\), .* it returns \(4, 1, 3, 3\)"),
        (lambda images: images.flatten(1).argmax(1), "it returns torch.int64"),
        (lambda images: images.flatten(1)[:2], r"it returns \(2, 9\)"),
        (lambda images: images.flatten(1)[:, :1], r"it returns \(4, 1\)"),
        (lambda images: images.flatten(1) / 0, "return finite logits"),
        (lambda images: None, "it returns NoneType"),
    ],
)
def test_models_that_are_none(model, words):
    with pytest.raises(ValueError, match=words):
        Trial(model, IMAGES, LABELS, THREATS[0]).run(Clean())


def test_losses_that_need_classes(linear):
    images, labels = linear.images(4, 0.2)
    trial = Trial(linear, images, labels, THREATS[0])
    with pytest.raises(ValueError, match=r"have 3 classes or more for dlr.* use the loss margin"):
        trial.run(PGD(loss="dlr"))
    pytest.importorskip("pyautoattack")
    with pytest.raises(ValueError, match="have 4 classes or more for AutoAttack standard"):
        trial.run(AutoAttack())
    with pytest.raises(TypeError, match="`threat` must be a Threat"):
        Trial(linear, images, labels, 0.1)
    flat = Trial(torch.nn.Flatten(), images.flatten(1), labels, THREATS[0])
    with pytest.raises(ValueError, match=r"have shape \[B, C, H, W\] for Square"):
        flat.run(Square())
