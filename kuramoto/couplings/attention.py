"""Attention as a coupling (eq. 8-9): the weights depend on the state."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuramoto._backend import Array, array_namespace, as_array, require_same, to_numpy
from kuramoto._check import invalid, real_number
from kuramoto.couplings.base import Linear


class Attention(Linear):
    """Multi-head attention between tokens l, m of C oscillators each (eq. 8-9).

    Σ_{m,j} Σ_{k,h} W^O_{h,i,k} A_h(l,m) W^V_{h,k,j} x_{m,j}, with A_h = softmax_m(scale·d_h(l,m))
    and d_h(l,m) = Σ_a ⟨Σ_i W^Q_{h,a,i} x_{l,i}, Σ_i W^K_{h,a,i} x_{m,i}⟩. The state has shape
    (*batch, tokens, C, N).

    Because J depends on the state, the energy of eq. 3 with this sum in place of Jx is no Lyapunov
    function: `certify` gives no certificate.

    Parameters
    ----------
    query, key : array, shape (heads, A, C, N, N)
        W^Q and W^K.
    value : array, shape (heads, K, C, N, N)
        W^V.
    output : array, shape (heads, C, K, N, N)
        W^O.
    scale : float, default 1.0
        Factor inside the softmax; the paper's text has 1, most networks 1/√(A·N).

    Raises
    ------
    ValueError
        If the shapes do not fit one another.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, eq. 8-9.
    """

    site_ndim = 2
    state_dependent = True

    def __init__(
        self, query: Any, key: Any, value: Any, output: Any, *, scale: float = 1.0
    ) -> None:
        names = ("query", "key", "value", "output")
        arrays = [as_array(w, n) for w, n in zip((query, key, value, output), names, strict=True)]
        self.query, self.key, self.value, self.output = arrays
        heads, _, C, N, _ = self._shape5(self.query, "query")
        self.block_size, self.channels = N, C
        self.scale = real_number("scale", scale)
        for array, name in zip(arrays[1:], names[1:], strict=True):
            require_same(arrays[0], array, "query", name)
            self._shape5(array, name)
        wanted = {
            "key": (self.key.shape, self.query.shape),
            "value": (self.value.shape, (heads, self.value.shape[1], C, N, N)),
            "output": (self.output.shape, (heads, C, self.value.shape[1], N, N)),
        }
        for name, (found, must) in wanted.items():
            if tuple(found) != tuple(must):
                raise invalid(name, f"have shape {tuple(must)}", f"has shape {tuple(found)}")

    def __call__(self, x: Array, /) -> Array:
        """Return the attention's sum for x of shape (*batch, tokens, C, N)."""
        require_same(x, self.query, "x", "query")
        self._require_shape(x)
        if x.shape[-2] != self.channels:
            must = f"have shape (*batch, tokens, {self.channels}, {self.block_size})"
            raise invalid("x", must, f"has shape {tuple(x.shape)}")
        xp = array_namespace(x)
        flat = xp.reshape(x, (*x.shape[:-3], 1, x.shape[-3], -1))  # (*batch, 1, tokens, C·N)
        query, key, value = (
            xp.matmul(flat, xp.matrix_transpose(_matrix(w)))
            for w in (self.query, self.key, self.value)
        )
        weights = _softmax(self.scale * xp.matmul(query, xp.matrix_transpose(key)))
        mixed = xp.matmul(xp.matmul(weights, value), xp.matrix_transpose(_matrix(self.output)))
        return xp.reshape(xp.sum(mixed, axis=-3), tuple(x.shape))

    def row_bound(self) -> np.ndarray:
        """Return Σ_h ‖W^O_{h,i}‖₂ ‖W^V_h‖₂ √C per oscillator i, shape (C,): rows of A_h sum to 1.

        A bound on ‖Σ_j J_ij x_j‖ for unit x_j, which is what the step bound uses of it.
        """
        heads, C, K, N, _ = self.output.shape
        out = to_numpy(self.output).astype(np.float64).transpose(0, 1, 3, 2, 4)
        rows = np.linalg.norm(out.reshape(heads, C, N, K * N), ord=2, axis=(-2, -1))
        value = np.linalg.norm(to_numpy(_matrix(self.value)), ord=2, axis=(-2, -1))
        return np.asarray((rows * value[:, None]).sum(axis=0) * np.sqrt(C))

    def to_dense(self, sites: Any = None, *, like: Array | None = None) -> Array:
        """Refuse: J depends on the state."""
        remedy = "apply the coupling to a state instead"
        raise invalid("self", "be linear to have one matrix", "an Attention coupling", remedy)

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        weights = {"query": self.query, "key": self.key, "value": self.value, "output": self.output}
        return {**weights, "scale": self.scale}

    @staticmethod
    def _shape5(array: Array, name: str) -> tuple[int, ...]:
        shape = tuple(array.shape)
        if len(shape) != 5 or shape[-1] != shape[-2] or 0 in shape:
            must = "have shape (heads, rows, columns, N, N)"
            raise invalid(name, must, f"has shape {shape}")
        if not np.isfinite(to_numpy(array)).all():
            raise invalid(name, "be finite", "holds NaN or infinity")
        return shape


def _matrix(weights: Array) -> Array:
    """Write (heads, R, C, N, N) blocks as (heads, R·N, C·N) matrices."""
    xp = array_namespace(weights)
    heads, rows, columns, N, _ = weights.shape
    return xp.reshape(xp.permute_dims(weights, (0, 1, 3, 2, 4)), (heads, rows * N, columns * N))


def _softmax(scores: Array) -> Array:
    xp = array_namespace(scores)
    powers = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
    return powers / xp.sum(powers, axis=-1, keepdims=True)
