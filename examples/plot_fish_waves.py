"""
Certified descent, and waves without a certificate
==================================================

The energy of a state falls along every trajectory if the coupling is symmetric (and commutes with
the natural frequencies). :func:`kuramoto.certify` checks that, and bounds the step up to which the
discrete dynamics keeps the promise. Without symmetry there is no such promise, and there are waves.

Oscillators on :math:`S^3` fill a square. In the water around a fish a stimulus holds them; inside
the fish it is zero. Two kernels couple them: a Gaussian, and one of random 4×4 blocks.
"""

import matplotlib.pyplot as plt
import numpy as np

import kuramoto as km
from kuramoto import plotting

fish = km.datasets.fish(48)
stimulus = np.where(fish[..., None], 0.0, np.ones(4))
x0 = km.sphere.random_points((48, 48, 4), seed=0)

bump = np.exp(-(np.arange(-4, 5) ** 2) / 8)
gaussian = np.outer(bump, bump) / bump.sum() ** 2
blocks = np.random.default_rng(906).standard_normal((9, 9, 4, 4)) / np.sqrt(9 * 9 * 4)
models = {
    "Gaussian kernel": km.Kuramoto(km.Lattice(gaussian), stimulus=stimulus),
    "random kernel": km.Kuramoto(km.Lattice(blocks), stimulus=stimulus),
}

# %%
# What can be promised
# --------------------
# The certificate names its reasons.

certificates = {name: km.certify(model) for name, model in models.items()}
for name, certificate in certificates.items():
    print(f"{name}: {certificate}\n")

# %%
# What happens
# ------------
# The certified model takes steps as large as its certificate allows; the other takes steps of ½.

runs = {}
for name, model in models.items():
    dt = certificates[name].max_step or 0.5
    save = km.SaveAt(every=1, start=True)
    runs[name] = km.solve(model, x0, t1=60 * dt, dt=dt, stepper=km.Splitting(), save=save)
    rise = km.check_descent(model, runs[name].states)
    print(f"{name}: largest change of E in a step, relative: {rise:+.1e}")

# %%
# Disorder gives way to order under the Gaussian kernel. Under the random one the water stands still
# while waves sweep the fish. Hue is the direction of an oscillator in the plane in which the fish
# moves most; what points out of that plane is dark.

figure, axes = plt.subplots(2, 5, figsize=(10, 4.4), layout="constrained")
for row, (name, run) in zip(axes, runs.items(), strict=True):
    plane = -plotting.leading_plane(run.states[20:, fish])  # so that the water is blue
    for ax, step in zip(row, (0, 4, 16, 55, 60), strict=True):
        plotting.draw_lattice(ax, run.states[step], plane)
        ax.set_title(f"{name}, step {step}" if step == 0 else f"step {step}", fontsize=10)

# %%
# The energy, from the third step on: it only falls, or it swings.

figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for ax, (name, run) in zip(axes, runs.items(), strict=True):
    energies = np.array([models[name].energy(x) for x in run.states])
    plotting.draw_curve(ax, np.arange(3, 61), energies[3:], "energy E")
    ax.set(title=name, xlabel="step")
plt.show()
