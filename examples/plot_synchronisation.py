"""
The onset of synchronisation
============================

Oscillators with different natural frequencies, all coupled to all with strength K. Below a critical
coupling each goes its own way; above it, a part of them locks together. For frequencies with a
Lorentzian distribution of half width :math:`\\gamma`, Kuramoto found the size of the locked state
exactly, in the limit of infinitely many oscillators:

.. math::  r = \\sqrt{1 - K_c / K}, \\qquad K_c = 2 \\gamma,

where :math:`r = \\|\\frac{1}{M} \\sum_i x_i\\|` is the length of the mean oscillator. Here the
formula meets a simulation of 1000 oscillators, whose frequencies are the quantiles of the
distribution: a sample without sampling noise.
"""

import matplotlib.pyplot as plt
import numpy as np

import kuramoto as km

gamma, M = 0.5, 1000
critical = 2 * gamma
omega = km.frequencies.quantile_grid(km.frequencies.lorentzian(width=gamma), M)
x0 = km.sphere.random_points((M, 2), seed=0)


def order_over_time(K):
    """Return the times and r(t) of a run from disorder."""
    run = km.solve(
        km.Kuramoto(km.MeanField(K), km.Rotation(omega[:, None])),
        x0,
        t1=50.0,
        dt=0.02,
        stepper=km.Splitting(),  # turns even the fastest ones, of |ω| = 318, exactly
        save=km.SaveAt(every=25, start=True),
        observe={"r": lambda t, x: np.linalg.norm(x.mean(axis=0))},
    )
    return run.times, run.observed["r"]


couplings = np.array([0.3, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 2.0, 2.4, 3.0, 3.6, 4.0])
curves = {K: order_over_time(K) for K in couplings}

# %%
# From disorder to order
# ----------------------
# Below :math:`K_c = 1` nothing happens, but for the unrest of any finite number of oscillators.
# Above it r grows, first exponentially, until it settles where the theory (dashed) says.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for K, color in zip(
    (0.6, 1.2, 1.6, 2.4, 4.0), plt.cm.viridis(np.linspace(0, 0.85, 5)), strict=True
):
    ax.plot(*curves[K], color=color, label=f"K = {K:g}")
    ax.axhline(np.sqrt(max(0.0, 1 - critical / K)), color=color, linestyle="--", linewidth=1)
ax.set(xlabel="time t", ylabel="order parameter r", xlim=(0, 50), ylim=(0, 1))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

# %%
# The transition
# --------------
# The mean of r over the second half of each run, against K.

settled = [r[times >= 25].mean() for times, r in curves.values()]
fine = np.linspace(critical, 4, 400)
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot([0, critical], [0, 0], color="#D55E00", linewidth=2)
ax.plot(fine, np.sqrt(1 - critical / fine), color="#D55E00", linewidth=2, label="theory")
ax.plot(couplings, settled, "o", color="#0072B2", label=f"simulation, M = {M}")
ax.axvline(critical, color="0.6", linestyle=":")
ax.annotate("$K_c = 2γ$", (critical, 0.93), xytext=(6, 0), textcoords="offset points")
ax.set(xlabel="coupling K", ylabel="order parameter r", xlim=(0, 4.1), ylim=(-0.02, 1))
ax.legend(loc="lower right", frameon=False)
plt.show()
