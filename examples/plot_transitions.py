"""
Four ways into order
====================

How a mean field of many oscillators sets in depends on the frequencies, and on the dimension. Lines
are the exact results of :mod:`kuramoto.theory` for infinitely many oscillators, points are
simulations of a few thousand:

* a Lorentzian density of rates: continuously, :math:`r = \\sqrt{1 - K_c/K}`;
* a uniform one: with a jump to :math:`\\pi/4` at :math:`K_c`;
* rotations of three-dimensional space, without a preferred axis: with a jump to ½ at *any* K > 0;
* rotations of four-dimensional space: continuously again.
"""

import matplotlib.pyplot as plt
import numpy as np

import kuramoto as km
from kuramoto import frequencies, theory

M = 4000


def settled(K, frequency, N, t1, dt, stepper):
    """Return the mean order parameter over the last third of a run."""
    model = km.Kuramoto(km.MeanField(K), frequency)
    x0 = km.sphere.normalize(km.sphere.random_points((M, N), seed=0) + 0.5 * np.eye(N)[0])
    observe = km.observables.standard(["order_parameter"], model)
    save = km.SaveAt(every=round(1 / dt))
    run = km.solve(model, x0, t1=t1, dt=dt, stepper=stepper, save=save, observe=observe)
    r = run.observed["order_parameter"]
    return r[-len(r) // 3 :].mean()


def phases(distribution, couplings):
    """Return r for each coupling, for phases (N = 2) with the quantiles of a density as rates."""
    omega = km.Rotation(frequencies.quantile_grid(distribution, M)[:, None])
    return [settled(K, omega, 2, 90.0, 0.01, km.Splitting()) for K in couplings]


def spheres(N, couplings):
    """Return r for each coupling, for isotropic Gaussian rotations."""
    turns = km.Antisymmetric(theory.isotropic_rotations(M, N, seed=1))
    return [settled(K, turns, N, 120.0, 0.1, km.RungeKutta4()) for K in couplings]


# %%
# Each row: the title, the lines' r(K), and simulated points.

lorentzian, uniform = frequencies.lorentzian(width=0.5), frequencies.uniform(width=1.0)
K = {"slow": np.array([0.6, 0.9, 1.2, 1.5, 2.0, 3.0]), "three": np.array([0.2, 0.5, 1, 2, 3, 4.0])}
K["jump"] = np.array([0.8, 1.1, 1.22, 1.32, 1.6, 2.2])
K["four"] = np.array([1.0, 1.7, 2.3, 2.6, 3.2, 4.0])
panels = [
    ("N = 2, Lorentzian rates", lambda k: theory.order_parameter(k, lorentzian), K["slow"]),
    ("N = 2, uniform rates", lambda k: theory.order_parameter(k, uniform), K["jump"]),
    ("N = 3, isotropic", lambda k: theory.isotropic_order_parameter(k, 3), K["three"]),
    ("N = 4, isotropic", lambda k: theory.isotropic_order_parameter(k, 4), K["four"]),
]
points = [phases(lorentzian, K["slow"]), phases(uniform, K["jump"])]
points += [spheres(3, K["three"]), spheres(4, K["four"])]

figure, axes = plt.subplots(2, 2, figsize=(8, 6), layout="constrained", sharey=True)
for ax, (title, line, at), r in zip(axes.flat, panels, points, strict=True):
    fine = np.linspace(0.0, at[-1] * 1.03, 400)
    order = line(fine[1:])
    ax.plot(fine, [0.0, *order], color="#D55E00", linewidth=2, label="theory")
    ax.plot(at, r, "o", color="#0072B2", label=f"simulation, M = {M}")
    ax.set(title=title, xlabel="coupling K", xlim=(0, fine[-1]), ylim=(-0.03, 1))
axes[0, 0].set_ylabel("order parameter r")
axes[1, 0].set_ylabel("order parameter r")
axes[1, 1].legend(loc="upper left", frameon=False)
plt.show()
