"""The layer: the core's steps, its symmetries, gradients by hand and by autograd, what it keeps."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import kuramoto as km  # noqa: E402
from kuramoto.nn import (  # noqa: E402
    GTA,
    AntisymmetricFrequency,
    AttentionConnectivity,
    ConvConnectivity,
    DenseConnectivity,
    KuramotoLayer,
    RotationFrequency,
    layout,
)

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make(kind="conv", dimensions=4, frequency="each", **options):
    """A layer of 12 (or N·k) channels on 4×5."""
    N = dimensions
    channels = 12 if 12 % N == 0 else 2 * N
    connectivity = {
        "conv": lambda: ConvConnectivity(channels, 3),
        "attention": lambda: AttentionConnectivity(channels, 2),
        "gta": lambda: AttentionConnectivity(channels, 2, positions=GTA((4, 5), channels // 2)),
        "dense": lambda: DenseConnectivity(channels, (4, 5), N),
    }[kind]()
    omega = {
        "none": lambda: None,
        "shared": lambda: RotationFrequency(N, initial=0.7),
        "each": lambda: RotationFrequency(N, channels // N),
        "antisymmetric": lambda: AntisymmetricFrequency(N),
        "antisymmetric each": lambda: AntisymmetricFrequency(N, channels // N),
    }[frequency]()
    options = {"steps": 3, "step_size": 0.8, "learn_step_size": True} | options
    layer = KuramotoLayer(connectivity, N, frequency=omega, **options)
    if frequency == "each":
        torch.nn.init.normal_(omega.rate)
    return layer


def inputs(layer, batch=2):
    shape = (batch, layer.channels, 4, 5)
    return torch.randn(shape), torch.randn(shape)


# Agreement with the core.


@pytest.mark.parametrize("frequency", ["none", "shared", "each", "antisymmetric"])
@pytest.mark.parametrize("kind", ["conv", "attention", "gta", "dense"])
def test_a_layer_is_t_projected_euler_steps_of_its_model(kind, frequency):
    layer = make(kind, frequency=frequency)
    x, c = inputs(layer)
    model = layer.as_model(c)
    start = km.sphere.normalize(layout.to_state(x, 4))
    state, step, dt = start, km.ProjectedEuler(), float(layer.step_size.detach())
    with torch.no_grad():
        for time in range(3):
            state = step.step(model, time * dt, state, dt, None).x
    torch.testing.assert_close(layout.to_state(layer(x, c), 4), state)


def test_solve_and_observables_take_a_trained_layer():
    layer = make("conv", frequency="shared")
    x, c = inputs(layer)
    start = km.sphere.normalize(layout.to_state(x, 4))
    model = layer.as_model(c)
    dt = float(layer.step_size.detach())
    solution = km.solve(model, start, t1=3 * dt, dt=dt, stepper=km.ProjectedEuler())
    torch.testing.assert_close(layout.to_features(solution.final), layer(x, c).detach())
    single = layer.as_model(c[0])
    torch.testing.assert_close(single.energy(start)[0], model.energy(start)[0])


@pytest.mark.parametrize("kind", ["conv", "attention", "gta", "dense"])
def test_energies_are_equation_3_of_the_model(kind):
    layer = make(kind)
    x, c = inputs(layer)
    model = layer.as_model(c)
    with torch.no_grad():
        found = list(layer.trajectory(x, c, steps=4))
        for state, energy in found:
            expected = km.energy(model, layout.to_state(state, 4))
            torch.testing.assert_close(energy, expected)
        torch.testing.assert_close(found[-1][0], layer(x, c, steps=4))
        first = km.energy(model, km.sphere.normalize(layout.to_state(x, 4)))
        torch.testing.assert_close(layer.energy(x, c), first)


def test_certify_judges_a_symmetric_layer():
    """J = Jᵀ, Ω = 0: certified, and no step up to the bound raises the energy."""
    symmetric = KuramotoLayer(ConvConnectivity(12, 3, symmetric=True), 4, steps=30)
    x, c = inputs(symmetric)
    certificate = km.certify(symmetric.as_model(c))
    assert certificate.monotone
    with torch.no_grad():
        symmetric.step_size.fill_(certificate.max_step)
        energies = torch.stack([e for _, e in symmetric.trajectory(x, c)])
    assert float(energies.diff(dim=0).max()) <= 1e-12 * float(energies.abs().max())
    assert not km.certify(make("conv", frequency="none").as_model(c)).monotone
    assert not km.certify(make("attention", frequency="none").as_model(c)).monotone


def test_group_norm_on_the_stimulus():
    norm = torch.nn.GroupNorm(3, 12)
    torch.nn.init.normal_(norm.weight)
    layer = make("conv", stimulus_norm=norm)
    without = make("conv")
    without.load_state_dict(
        {name: v for name, v in layer.state_dict().items() if "stimulus_norm" not in name}
    )
    x, c = inputs(layer)
    torch.testing.assert_close(layer(x, c), without(x, norm(c)))
    state = km.sphere.normalize(layout.to_state(x, 4))
    torch.testing.assert_close(layer.as_model(c).energy(state), layer.energy(x, c).detach())


# Laws.


@given(SEEDS, st.sampled_from([2, 3, 4, 5]), st.sampled_from(["conv", "attention", "dense"]))
@settings(max_examples=20)
def test_every_state_is_on_the_sphere(seed, N, kind):
    torch.manual_seed(seed)
    layer = make(kind, N, frequency="shared" if N % 2 else "antisymmetric each")
    x, c = inputs(layer)
    for state, _ in layer.trajectory(x, c):
        lengths = layout.to_state(state, N).square().sum(-1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-14, rtol=0)


@given(SEEDS, st.sampled_from([2, 3, 4]))
@settings(max_examples=15)
def test_turning_everything_turns_the_result(seed, N):
    """J_ij numbers, Ω shared and commuting with the turn: the layer commutes with it."""
    torch.manual_seed(seed)
    layer = KuramotoLayer(
        DenseConnectivity(2 * N, (4, 5), N), N, frequency=RotationFrequency(N), steps=4
    )
    x, c = inputs(layer)
    angle = torch.rand(())
    turn = torch.eye(N)
    turn[:2, :2] = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    x2, c2 = (layout.to_features(layout.to_state(v, N) @ turn.T) for v in (x, c))
    expected = layout.to_features(layout.to_state(layer(x, c), N) @ turn.T)
    torch.testing.assert_close(layer(x2, c2), expected)
    if N > 2:
        other = torch.linalg.qr(torch.randn(N, N))[0]  # does not commute with Ω
        x3, c3 = (layout.to_features(layout.to_state(v, N) @ other.T) for v in (x, c))
        wrong = layout.to_features(layout.to_state(layer(x, c), N) @ other.T)
        assert not torch.allclose(layer(x3, c3), wrong, atol=1e-6)


@given(SEEDS)
@settings(max_examples=10)
def test_any_turn_without_frequencies(seed):
    """Scalar convolution kernels: O(N)-equivariant; with N×N blocks it is not so."""
    torch.manual_seed(seed)
    layer = KuramotoLayer(ConvConnectivity(12, 3, bias=False), 4, steps=4)
    numbers = torch.randn(3, 3, 3, 3)
    blocks = torch.einsum("cdhw,ij->cidjhw", numbers, torch.eye(4)).reshape(12, 12, 3, 3)
    turn = torch.linalg.qr(torch.randn(4, 4))[0]
    x, c = inputs(layer)
    x2, c2 = (layout.to_features(layout.to_state(v, 4) @ turn.T) for v in (x, c))

    def turned():
        return layout.to_features(layout.to_state(layer(x, c), 4) @ turn.T)

    assert not torch.allclose(layer(x2, c2), turned(), atol=1e-6)
    with torch.no_grad():
        layer.connectivity.convolution.weight.copy_(blocks)
    torch.testing.assert_close(layer(x2, c2), turned())


def test_frequencies_alone_turn_by_arctan_per_step():
    """J = c = 0: x ← Π[x + γωx^⊥] turns every plane by arctan(γω); the odd axis loses weight."""
    layer = make("dense", 2, frequency="none")
    torch.nn.init.zeros_(layer.connectivity.parameter)
    layer.frequency = RotationFrequency(2, initial=0.5)
    x = layout.to_features(km.sphere.random_points((1, 6, 4, 5, 2), seed=0, like=torch.zeros(1)))
    before = torch.atan2(*layout.to_state(x, 2).flip(-1).unbind(-1))
    after = torch.atan2(*layout.to_state(layer(x, 0 * x), 2).flip(-1).unbind(-1))
    turned = torch.remainder(after - before, 2 * torch.pi)
    expected = 3 * torch.atan(0.8 * torch.tensor(0.5))
    torch.testing.assert_close(turned, expected.expand_as(turned))


@pytest.mark.parametrize("N", [2, 3, 4, 5])
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("family", [RotationFrequency, AntisymmetricFrequency])
def test_frequencies_are_the_cores(family, each, N):
    frequency = family(N, 3 if each else None)
    for parameter in frequency.parameters():
        torch.nn.init.normal_(parameter)
    state = torch.randn(2, 3, 4, 5, N)
    vectors = state.permute(0, 2, 3, 1, 4)
    expected = frequency.as_core((4, 5))(state).permute(0, 2, 3, 1, 4)
    torch.testing.assert_close(frequency(vectors), expected)


# Gradients.


@pytest.mark.parametrize("N", [2, 3, 4])
def test_turning_can_be_differentiated_twice(N):
    """In both orders of memory."""
    frequency = RotationFrequency(N, 3)
    rate = torch.randn(3, N // 2, requires_grad=True)
    x = torch.randn(2, 2, 1, 3, N)
    for v in (x, x.transpose(-1, -2).contiguous().transpose(-1, -2)):

        def turn(v, rate):
            return torch.func.functional_call(frequency, {"rate": rate}, (v,))

        given = v.clone().requires_grad_(), rate
        assert turn(*given).stride() == v.stride()
        assert torch.autograd.gradcheck(turn, given)
        assert torch.autograd.gradgradcheck(turn, given)


@pytest.mark.parametrize("memory", ["save", "recompute", "autograd", "auto"])
def test_gradients_of_a_layer_by_finite_differences(memory):
    layer = make("gta", memory=memory)
    x, c = (v[:1, :, :2, :1].contiguous().requires_grad_() for v in inputs(layer))

    def run(x, c, rate, size):
        parameters = {"frequency.rate": rate, "step_size": size}
        return torch.func.functional_call(layer, parameters, (x, c))

    rate, size = layer.frequency.rate, layer.step_size
    assert torch.autograd.gradcheck(run, (x, c, rate, size), fast_mode=True)


@pytest.mark.parametrize("kind", ["conv", "gta"])
@pytest.mark.parametrize("frequency", ["none", "each", "antisymmetric"])
def test_all_ways_to_remember_give_the_same_gradients(kind, frequency):
    layer = make(kind, frequency=frequency, steps=5)
    x, c = inputs(layer)
    found = {}
    for memory in ("autograd", "save", "recompute"):
        other = copy.deepcopy(layer)
        other.memory = memory
        x2, c2 = x.clone().requires_grad_(), c.clone().requires_grad_()
        (other(x2, c2) * x).sum().backward()
        found[memory] = [x2.grad, c2.grad, *(p.grad for p in other.parameters())]
    for memory in ("save", "recompute"):
        for one, two in zip(found["autograd"], found[memory], strict=True):
            torch.testing.assert_close(one, two)


def test_second_derivatives_need_autograd():
    layer = make("conv", memory="autograd")
    x, c = inputs(layer)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x, c).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert x.grad is not None
    layer.memory = "save"
    (gradient,) = torch.autograd.grad(layer(x, c).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()


def kept(layer, x, c):
    """Bytes that autograd holds after a forward pass, every storage once."""
    known = {v.untyped_storage().data_ptr() for v in (x, c, *layer.parameters())}
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = layer(x, c)
    assert result.requires_grad
    return sum(found.values())


@pytest.mark.parametrize("kind", ["conv", "gta"])
def test_what_is_kept(kind):
    """Recomputing keeps an eighth of what autograd does at most; "save" lies between."""
    layer = make(kind, steps=16)
    x, c = (torch.randn(4, 12, 16, 16) for _ in range(2))
    if kind == "gta":
        x, c = (torch.randn(64, 12, 4, 5) for _ in range(2))
    bytes_of = {}
    for memory in ("autograd", "save", "recompute"):
        layer.memory = memory
        bytes_of[memory] = kept(layer, x, c)
    assert bytes_of["recompute"] < bytes_of["autograd"] / 8
    assert bytes_of["recompute"] < bytes_of["save"] < bytes_of["autograd"]


def test_auto_recomputes_what_would_be_large(monkeypatch):
    layer = make("conv")
    x, _ = inputs(layer)
    assert layer._keeps(x, 3) == "save"
    monkeypatch.setattr("kuramoto.nn.layer._LARGE", 1000)
    assert layer._keeps(x, 3) == "recompute"
    with torch.no_grad():
        assert layer._keeps(x, 3) == "save", "nothing is kept: nothing to compute again"


# Precision, and compiled steps.


def test_autocast_leaves_the_sphere_alone():
    """Under bfloat16 the states stay float32 unit vectors; only J is computed in half the bits."""
    torch.set_default_dtype(torch.float32)
    layer = make("gta", frequency="antisymmetric", steps=4)
    x, c = inputs(layer)
    exact = layer(x, c)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = layer(x, c)
        energies = [energy for _, energy in layer.trajectory(x, c)]
        rough.sum().backward()
    assert rough.dtype == torch.float32
    assert energies[0].dtype == torch.float32
    lengths = layout.to_state(rough, 4).square().sum(-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-6, rtol=0)
    off = float((rough - exact).detach().abs().max())
    assert 1e-6 < off < 0.1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler, about itself
def test_one_step_is_compiled():
    """Right numbers and gradients; more steps and another stimulus compile nothing new."""
    from torch._dynamo.utils import counters

    torch.set_default_dtype(torch.float32)
    layer = make("gta", frequency="shared", steps=3, memory="save")
    quick = make("gta", frequency="shared", steps=3, memory="save", compile=True)
    quick.load_state_dict(layer.state_dict())
    x, c = inputs(layer)
    counters.clear()
    for number in (3, 7):
        one, two = layer(x, c, steps=number), quick(x, c, steps=number)
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)
        ours, theirs = (
            torch.autograd.grad(v.pow(3).sum(), m.step_size)
            for v, m in ((one, layer), (two, quick))
        )
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)
        c = c + 1
    assert counters["stats"]["unique_graphs"] <= 2, "the first step, and those after it"
    assert not counters["graph_break"]


# Ablations and bad input.


def test_ablations():
    layer = make("conv", frequency="none", project=False, normalize=False, steps=1)
    x, c = inputs(layer)
    expected = x + layer.step_size * (layer.connectivity(x) + c)
    torch.testing.assert_close(layer(x, c), expected)
    unprojected = make("conv", project=False)
    assert not torch.allclose(unprojected(x, c), make("conv")(x, c))
    with pytest.raises(ValueError, match="must project and normalize to be a Kuramoto model"):
        unprojected.as_model(c)


def test_a_fixed_step_size_is_not_learned():
    layer = make("conv", learn_step_size=False)
    layer(*inputs(layer)).sum().backward()
    assert layer.step_size.grad is None
    assert "step_size" in layer.state_dict()


def test_bad_input():
    conv = ConvConnectivity(12, 3)
    with pytest.raises(ValueError, match="multiple of the rotating dimensions N, 5, but is 12; 10"):
        KuramotoLayer(conv, 5)
    with pytest.raises(ValueError, match=r"`memory` must be one of .* did you mean `recompute`"):
        KuramotoLayer(conv, 4, memory="recomputed")
    with pytest.raises(TypeError, match=r"`connectivity` must be a kuramoto.nn.Connectivity"):
        KuramotoLayer(torch.nn.Conv2d(12, 12, 1), 4)
    with pytest.raises(ValueError, match="`step_size` must be a positive number"):
        KuramotoLayer(conv, 4, step_size=0.0)
    layer = KuramotoLayer(conv, 4)
    with pytest.raises(ValueError, match=r"`x` must have shape \[B, 12, H, W\], but has shape"):
        layer(torch.zeros(1, 8, 3, 3), torch.zeros(1, 12, 3, 3))
    with pytest.raises(ValueError, match=r"`c` must have the shape of x, \(1, 12, 3, 3\)"):
        layer(torch.zeros(1, 12, 3, 3), torch.zeros(1, 12, 4, 4))
    with pytest.raises(ValueError, match="`steps` must be a whole number"):
        layer(torch.zeros(1, 12, 3, 3), torch.zeros(1, 12, 3, 3), steps=-1)
