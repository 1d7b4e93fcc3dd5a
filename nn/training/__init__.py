"""Training, the same for every task: a `Recipe`, `Settings`, and a folder that survives any crash.

.. code-block:: text

    RUN/
      config.json                  what was asked for: task, model, data, settings; never changes
      weights.safetensors          the averaged weights as of the last checkpoint
      checkpoints/step_*.safetensors     everything that training needs to go on
      metrics.csv                  loss, gradient norm, speed; scores of the held-out boards
      tensorboard/                 the same as curves, where TensorBoard is installed

No file holds a pickle: reading one never runs code. Randomness is not stored but derived, from the
seed, the step and the part of the step; so a run that was cut anywhere goes on with the same
numbers (on the CPU: bit for bit). Lightning is imported by `fit`, not before.
"""

from kuramoto.nn.training.files import load_weights, read_tree, save_weights, write_tree
from kuramoto.nn.training.recipe import Recipe
from kuramoto.nn.training.run import Outcome, Run, fit
from kuramoto.nn.training.settings import Settings, changed

__all__ = [
    "Outcome",
    "Recipe",
    "Run",
    "Settings",
    "changed",
    "fit",
    "load_weights",
    "read_tree",
    "save_weights",
    "write_tree",
]
