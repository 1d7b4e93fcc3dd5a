"""
A brain at the onset of synchrony
=================================

68 areas of the human cortex as phase oscillators, coupled along the measured bundles of fibres
between them, with random frequencies: nobody knows the true ones. For each coupling strength, 32
such brains run side by side in one batch. At which do their correlations look most like those of
people at rest? Synchrony is expected near :math:`K_c = 2 / (\\pi g(0) \\lambda)`, g the density of
frequencies, λ the largest eigenvalue of the weights (Restrepo, Ott and Hunt, 2005). The data are
group averages of the Human Connectome Project, from ENIGMA (Larivière et al., 2021).
"""

import matplotlib.pyplot as plt
import numpy as np

import kuramoto as km
from kuramoto.observables import Correlation, RunningMean, order_parameter

brain = km.datasets.connectome()
M, brains, strengths = len(brain.labels), 32, [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4]
critical = 2 / (np.pi * np.sqrt(1 / (2 * np.pi)) * np.linalg.eigvalsh(brain.structural)[-1])
rng = np.random.default_rng(0)
omega = km.Rotation(rng.standard_normal((brains, M, 1)))
x0 = km.sphere.random_points((brains, M, 2), seed=rng)


def observe(strength):
    """Return the correlations of sin θ, shape (brains, M, M), and the running mean of r(t)."""
    model = km.Kuramoto(km.Dense(strength * critical * brain.structural), omega)
    settled = km.solve(model, x0, t1=50.0, dt=0.1).final
    correlation, r = Correlation(), RunningMean(lambda t, x: order_parameter(x))
    save = km.SaveAt(every=10, states=False)  # statistics on the way: no state is kept
    km.solve(model, settled, t1=200.0, dt=0.1, save=save, observe={"c": correlation, "r": r})
    return correlation.value(), r


found = {K: observe(K) for K in strengths}

# %%
# Most lifelike at the onset
# --------------------------
# Where r rises, it also fluctuates most (metastability). From there to about 1.5 times as strong a
# coupling the correlations, averaged over the 32 brains, resemble the measured ones best; deep in
# synchrony the likeness is lost. In fairness: a single brain is much less alike, and most so at
# stronger coupling; and the weights alone (dashed) are as much alike as the best model.

pairs = np.triu_indices(M, 1)


def like(matrix):
    """Return the correlation with the measured matrix over all pairs of areas."""
    return np.corrcoef(matrix[pairs], brain.functional[pairs])[0, 1]


average = [like(c.mean(axis=0)) for c, _ in found.values()]
single = [np.mean([like(own) for own in c]) for c, _ in found.values()]
order, spread = np.transpose([(r.mean.mean(), r.deviation().mean()) for _, r in found.values()])
print(np.round([strengths, order, spread, average, single], 3))
figure, (above, below) = plt.subplots(2, sharex=True, figsize=(7, 6), layout="constrained")
above.plot(strengths, order, "o-", label="order parameter r")
above.plot(strengths, spread, "s-", label="its fluctuation: metastability")
below.plot(strengths, average, "o-", color="#009E73", label="average of 32 brains")
below.plot(strengths, single, "s-", color="#CC79A7", label="one brain, in the mean")
below.axhline(like(brain.structural), color="0.4", linestyle="--", label="weights alone")
below.set(xlabel="coupling strength / $K_c$", ylabel="likeness to measured", ylim=(0, 0.5))
for ax in (above, below):
    ax.axvline(1, color="0.6", linestyle=":")
    ax.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.55))

# %%
# Left hemisphere first, then the right one; coloured by rank, so that the scales can be compared.

pictures = {"weights": brain.structural, "measured correlations": brain.functional}
pictures |= {f"model at {K} $K_c$": found[K][0].mean(axis=0) for K in (1, 4)}
figure, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
for ax, (name, matrix) in zip(axes, pictures.items(), strict=True):
    ax.imshow(np.searchsorted(np.sort(matrix[pairs]), matrix), vmax=len(pairs[0]))
    ax.set(title=name, xticks=[], yticks=[])
plt.show()
