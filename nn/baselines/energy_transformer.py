r"""The Energy Transformer: tokens that go down one energy.

.. math::

   E(g) = -\frac{1}{\beta} \sum_h \sum_C \log \sum_{B \neq C} \exp(\beta\, k_{hB} \cdot q_{hC})
          - \frac12 \sum_B \sum_\mu \max(0, \xi_\mu \cdot g_B)^2,
   \qquad x \leftarrow x - \alpha\, \partial E / \partial g,

with g = LN(x) = ∂L/∂x, the gradient of a convex L, q = W_Q g, k = W_K g and β = 1/√d. In
continuous time dE/dt = −(∂E/∂g)ᵀ (∂²L/∂x²) (∂E/∂g) ≤ 0; `EnergyTransformerBlock.step_bound` says
up to which α a step cannot raise E.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from kuramoto._check import real_number
from kuramoto.nn.baselines.blocks import check_split, join_heads, split_heads, steps_or
from kuramoto.nn.baselines.boards import BoardConfig, BoardModel

__all__ = ["EnergyTransformerBlock", "EnergyTransformerConfig", "SudokuEnergyTransformer"]

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class EnergyTransformerConfig(BoardConfig):
    """What makes a `SudokuEnergyTransformer`.

    The paper gives its scores alone; four memories to a channel and α = 0.1 are Hoover's.

    Parameters
    ----------
    side, channels, heads, positions
        As for `BoardConfig`.
    steps : int, default 16
        T.
    step_size : float, default 0.1
        α.
    memories : int, optional
        Hopfield memories ξ; default 4·channels.
    """

    steps: int = 16
    step_size: float = 0.1
    memories: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        real_number("step_size", self.step_size, positive=True)


class EnergyTransformerBlock(nn.Module):
    """Energy attention and a Hopfield network, descended together.

    Parameters
    ----------
    channels, heads, memories : int
    step_size : float, default 0.1
        α.
    floor : float, default 1e-5
        ε in LN(x) = γ (x − mean(x)) / √(var(x) + ε) + δ. γ is one number, kept positive as the
        exponential of a parameter, so that L = C γ √(var(x) + ε) + δ·x is convex.

    Raises
    ------
    ValueError
        If heads do not divide channels.

    References
    ----------
    Hoover, Liang, Pham, Panda, Strobelt, Chau, Zaki, Krotov (2023), Energy Transformer,
    NeurIPS 36.

    Examples
    --------
    >>> block = EnergyTransformerBlock(8, heads=2, memories=16)
    >>> x = torch.randn(1, 5, 8)
    >>> block.step_size = 0.9 * block.step_bound(x).item()
    >>> (_, before), (_, after) = block.trajectory(x, steps=1)
    >>> bool(after < before)
    True
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        memories: int,
        *,
        step_size: float = 0.1,
        floor: float = 1e-5,
    ) -> None:
        super().__init__()
        check_split("channels", channels, heads, "heads")
        self.heads, self.step_size, self.floor = heads, step_size, floor
        self.beta = (channels // heads) ** -0.5
        scale = channels**-0.5
        self.query = nn.Parameter(scale * torch.randn(channels, channels))
        self.key = nn.Parameter(scale * torch.randn(channels, channels))
        self.memories = nn.Parameter(scale * torch.randn(memories, channels))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.shift = nn.Parameter(torch.zeros(channels))

    def normalize(self, x: Tensor) -> Tensor:
        """Return g = LN(x), the gradient of `lagrangian`."""
        scale = self.log_scale.exp() / self._spread(x)
        return (x - x.mean(-1, keepdim=True)) * scale + self.shift

    def lagrangian(self, x: Tensor) -> Tensor:
        """Return L(x) = C γ √(var(x) + ε) + δ·x of each token, shape (B, n)."""
        spread = self._spread(x)[..., 0]
        return x.shape[-1] * self.log_scale.exp() * spread + x @ self.shift

    def energy(self, g: Tensor) -> Tensor:
        """Return E of normalized tokens (B, n, C), shape (B,)."""
        query, key = self._queries_and_keys(g)
        attention = self._scores(query, key).logsumexp(-1).sum((1, 2)) / self.beta
        hopfield = 0.5 * F.linear(g, self.memories).relu().square().sum((1, 2))
        return -attention - hopfield

    def force(self, g: Tensor) -> Tensor:
        """Return −∂E/∂g, shape (B, n, C)."""
        query, key = self._queries_and_keys(g)
        # Not scaled_dot_product_attention: the keys' half needs the transposed weights as well.
        weights = self._scores(query, key).softmax(-1)
        attention = join_heads(weights @ key) @ self.query
        attention = attention + join_heads(weights.mT @ query) @ self.key
        return attention + F.linear(g, self.memories).relu() @ self.memories

    def forward(self, x: Tensor, steps: int = 1) -> Tensor:
        """Return tokens (B, n, C) after `steps` steps x += α force(LN(x))."""
        for _ in range(steps):
            x = x + self.step_size * self.force(self.normalize(x))
        return x

    def trajectory(self, x: Tensor, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x_t, E_t) for t = 0 ... steps, one by one."""
        yield x, self.energy(self.normalize(x))
        for _ in range(steps):
            x = self(x)
            yield x, self.energy(self.normalize(x))

    def step_bound(self, x: Tensor) -> Tensor:
        r"""Return a step size up to which the step from x cannot raise E, shape (B,).

        .. math::

           \alpha \le \min_i \frac{2 s_i}{\gamma \Lambda + 2 \|f_i\| / \sqrt{C}}, \qquad
           \Lambda = 2 \sqrt{n - 1} \sum_h \| W_{K,h}^\top W_{Q,h} \|_2,

        with s_i = √(var(x_i) + ε) and f_i the force on token i. Sufficient, not necessary.

        Notes
        -----
        Along v the second derivative of E is at most −2 Σ_h Σ_BC p_BC v_Bᵀ W_Kᵀ W_Q v_C ≤ Λ ‖v‖²:
        the rest of attention's (a variance) and all of the Hopfield network's lower it, and the
        softmax weights p have ‖p‖₂ ≤ √(n−1), for they sum to 1 one way, to n−1 at most the
        other. Δg_i = H Δx_i with a symmetric 0 ≤ H ≤ γ/s, s the least on the way, so that
        ⟨Δx_i, Δg_i⟩ ≥ (s/γ) ‖Δg_i‖². From Δx_i = α f_i follows
        ΔE ≤ Σ_i (−s/(αγ) + Λ/2) ‖Δg_i‖², and s ≥ s_i − α ‖f_i‖/√C because √(var + ε) changes no
        faster than ‖x‖/√C.
        """
        curvature = 2.0 * (x.shape[1] - 1) ** 0.5 * self._attention_norms().sum()
        speed = self.force(self.normalize(x)).square().mean(-1).sqrt()
        bounds = 2.0 * self._spread(x)[..., 0] / (self.log_scale.exp() * curvature + 2.0 * speed)
        return bounds.amin(-1)

    def _attention_norms(self) -> Tensor:
        """Return ‖W_Kᵀ W_Q‖₂ of each head, from triangles of the size of a head."""
        weights = (weight.unflatten(0, (self.heads, -1)) for weight in (self.key, self.query))
        key, query = (torch.linalg.qr(weight.mT).R for weight in weights)
        return torch.linalg.matrix_norm(key @ query.mT, ord=2)

    def _spread(self, x: Tensor) -> Tensor:
        """Return √(var(x) + ε) of each token, shape (B, n, 1)."""
        # Not x.var(): it warns where there are no tokens.
        centred = x - x.mean(-1, keepdim=True)
        return (centred.square().mean(-1, keepdim=True) + self.floor).sqrt()

    def _queries_and_keys(self, g: Tensor) -> tuple[Tensor, Tensor]:
        query, key = F.linear(g, self.query), F.linear(g, self.key)
        return split_heads(query, self.heads), split_heads(key, self.heads)

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Return β k_B·q_C, shape (B, heads, C, B); no token sees itself."""
        itself = torch.eye(query.shape[-2], dtype=torch.bool, device=query.device)
        return (self.beta * (query @ key.mT)).masked_fill(itself, -torch.inf)


class SudokuEnergyTransformer(BoardModel):
    """The Energy Transformer for boards: T steps down the energy of one block.

    Parameters
    ----------
    config : EnergyTransformerConfig

    References
    ----------
    Hoover et al. (2023); Miyato et al. (2025), Tab. 19 and Fig. 28.

    Examples
    --------
    >>> config = EnergyTransformerConfig(channels=16, heads=2, steps=4)
    >>> SudokuEnergyTransformer(config)(torch.zeros(1, 9, 9, dtype=torch.int64)).shape
    torch.Size([1, 9, 9, 9])
    """

    def __init__(self, config: EnergyTransformerConfig) -> None:
        super().__init__(config)
        memories = config.memories or 4 * config.channels
        self.block = EnergyTransformerBlock(
            config.channels, config.heads, memories, step_size=config.step_size
        )

    def update(self, x: Tensor, steps: int | None) -> Tensor:
        """Return the tokens after `steps` steps."""
        return self.block(x, steps_or(steps, self.config.steps))

    def trajectory(
        self, digits: Tensor, steps: int | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (tokens x_t, energies E_t) of boards for t = 0 ... T, one by one."""
        return self.block.trajectory(self.tokens(digits), steps_or(steps, self.config.steps))
