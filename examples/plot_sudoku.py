"""
Oscillators solve a Sudoku
==========================

A small network of oscillators comes with the package (:mod:`kuramoto.nn.shipped`). Givens are
stimuli, blanks start as random vectors, and what the coupling makes of them is the answer.
"""

import matplotlib.pyplot as plt
import torch

from kuramoto import plotting
from kuramoto.nn import energies, pictures, pretrained, solve_sudoku
from kuramoto.nn.data import sudoku

board = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
answer = solve_sudoku(board)
print(answer)

# %%
# Step by step
# ------------
# After every Kuramoto step the readout says which digit each square stands for, and how surely:
# faint digits on grey are undecided, vermilion ones wrong.

net = pretrained("sudoku")
puzzle = torch.from_numpy(sudoku.parse_board(board)).long().unflatten(0, (9, 9))
solving = energies.watch(net, puzzle, steps=32)

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for ax, step in zip(axes, (1, 4, 8, 32), strict=True):
    pictures.draw_board(
        ax, solving.puzzle, probabilities=solving.probabilities[step], solution=answer.solution
    )
    ax.set_title(f"after {step} step{'s' * (step > 1)}")

# %%
# Energy
# ------
# E = −½ Σ x·Jx − Σ c·x of sixteen initial states of one board. The coupling is attention, which is
# not symmetric and depends on the state: nothing makes this energy fall at every step.

runs = energies.record(net, puzzle[None], torch.from_numpy(answer.solution).long()[None],
                       steps=64, samples=16)  # fmt: skip
figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
for energy, right in zip(runs.energies[0], runs.right[0, :, -1], strict=True):
    ax.plot(energy, color=plotting.LINE_COLORS[0 if right else 1], lw=0.8)
ax.set(xlabel="Kuramoto step", ylabel="energy E")
ax.set_title(f"{runs.right[0, :, -1].sum()} of 16 states end at the solution")
