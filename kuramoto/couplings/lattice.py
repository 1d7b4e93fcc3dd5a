"""Coupling on a grid by a kernel (eq. 7): a correlation in one to three dimensions."""

from __future__ import annotations

from itertools import chain, combinations, product
from typing import Any

import numpy as np

from kuramoto._backend import (
    Array,
    array_namespace,
    as_array,
    integers_like,
    may_keep,
    needs_gradient,
    require_same,
    to_numpy,
    version_of,
    zeros_array,
)
from kuramoto._check import invalid, nearest
from kuramoto.couplings.base import Linear
from kuramoto.couplings.bounds import (
    asymmetry_of,
    block_commutators,
    host_frequencies,
    spectral_norms,
)
from kuramoto.couplings.kernels import (
    extremes,
    offsets,
    reading,
    sampled_symbol,
    samples,
    sources,
    wrap,
)
from kuramoto.frequencies import Frequency

# From this many kernel entries on, two FFTs beat one pass per entry (measured on 64² and 256²).
_FFT_ENTRIES = {False: 16, True: 9}  # keyed by: does each entry hold a matrix?


class Lattice(Linear):
    """Coupling on a grid: site h takes Σ_{h'} J_{h'} x_{h+h'}, a centred correlation.

    Parameters
    ----------
    kernel : array
        With odd sizes k along one to three grid dimensions:

        * ``(*k)``: numbers;
        * ``(*k, N, N)``: N×N blocks;
        * ``(C, C, *k)``: numbers that mix C channels (receiving channel first);
        * ``(C, C, *k, N, N)``: blocks that mix channels: eq. 7 in full.

        The state is ``(*batch, *grid, N)``, or ``(*batch, C, *grid, N)`` with channels.
    boundary : {"periodic", "zero", "reflect"}
        Outside the grid lies: the grid again; nothing; the mirrored grid, edge sites repeated
        (``d c b a | a b c d | d c b a``, as in scipy.ndimage: this keeps an even kernel symmetric).
    method : {"auto", "direct", "fft"}
        One pass over the grid per kernel entry, or the convolution theorem; "auto" counts entries.
    dims : int, optional
        Grid dimensions, where the shape of the kernel alone is ambiguous. Without it, numbers are
        preferred to blocks and blocks to channels, among the readings with odd kernel sizes.
    channels : bool, optional
        Whether the two leading axes are channels; likewise.

    Raises
    ------
    ValueError
        If no reading of the kernel's shape has odd sizes, or a word is not known.

    References
    ----------
    Miyato, Löwe, Geiger, Welling (2025), Artificial Kuramoto Oscillatory Neurons, eq. 7.

    Examples
    --------
    >>> import numpy as np
    >>> shift = Lattice([0.0, 0.0, 1.0])  # every site takes its right neighbour
    >>> shift(np.array([[1.0], [2.0], [3.0]])).ravel()
    array([2., 3., 1.])
    """

    def __init__(
        self,
        kernel: Any,
        boundary: str = "periodic",
        method: str = "auto",
        *,
        dims: int | None = None,
        channels: bool | None = None,
    ) -> None:
        self.kernel = as_array(kernel, "kernel")
        for name, word, known in (
            ("boundary", boundary, ("periodic", "zero", "reflect")),
            ("method", method, ("auto", "direct", "fft")),
        ):
            if word not in known:
                must = f"be one of {', '.join(known)}"
                raise invalid(name, must, repr(word), nearest(str(word), known))
        self.boundary, self.method = boundary, method
        shape = tuple(self.kernel.shape)
        self.dims, mixes, blocks = reading(shape, dims, channels)
        self.channels = shape[0] if mixes else None
        self.block_size = shape[-1] if blocks else None
        self.size = shape[2 * mixes : 2 * mixes + self.dims]
        self.site_ndim = self.dims + mixes
        self._symbols: dict[tuple[int, ...], Array] = {}
        if not np.isfinite(to_numpy(self.kernel)).all():
            raise invalid("kernel", "be finite", "holds NaN or infinity")

    def __call__(self, x: Array, /) -> Array:
        """Return the correlation for x of shape (*batch, *grid, N) or (*batch, C, *grid, N)."""
        require_same(x, self.kernel, "x", "kernel")
        self._require_shape(x)
        if self.channels not in (None, *x.shape[x.ndim - 1 - self.site_ndim :][:1]):
            must = f"have {self.channels} channels for this Lattice: (*batch, C, *grid, N)"
            raise invalid("x", must, f"has shape {tuple(x.shape)}")
        fibres = self._to_fibres(x)
        return self._from_fibres(self._correlate(fibres), x)

    # One layout serves the four kinds of kernel: (*lead, *grid, F); a kernel entry acts on F.

    @property
    def _fibre_kernel(self) -> Array:
        """Return the kernel as (*k) numbers or (*k, F, F) matrices."""
        xp, d = array_namespace(self.kernel), self.dims
        if self.channels is None:
            return self.kernel
        grid = tuple(range(2, 2 + d))
        if self.block_size is None:
            return xp.permute_dims(self.kernel, (*grid, 0, 1))
        F = self.channels * self.block_size
        blocks = xp.permute_dims(self.kernel, (*grid, 0, 2 + d, 1, 3 + d))
        return xp.reshape(blocks, (*self.size, F, F))

    def _to_fibres(self, x: Array) -> Array:
        if self.channels is None:
            return x
        xp = array_namespace(x)
        channel = x.ndim - 2 - self.dims
        if self.block_size is None:  # (*batch, N, *grid, C): the coordinates are spectators
            swapped = xp.moveaxis(x, -1, channel)
            return xp.moveaxis(swapped, channel + 1, -1)
        moved = xp.moveaxis(x, channel, -2)
        return xp.reshape(moved, (*moved.shape[:-2], self.channels * self.block_size))

    def _from_fibres(self, y: Array, x: Array) -> Array:
        if self.channels is None:
            return y
        xp = array_namespace(x)
        channel = x.ndim - 2 - self.dims
        if self.block_size is None:
            swapped = xp.moveaxis(y, -1, channel + 1)
            return xp.moveaxis(swapped, channel, -1)
        split = xp.reshape(y, (*y.shape[:-1], self.channels, self.block_size))
        return xp.moveaxis(split, -2, channel)

    def _correlate(self, x: Array) -> Array:
        grid = tuple(x.shape[-1 - self.dims : -1])
        entries = int(np.prod(self.size))
        use_fft = self.method == "fft" or (
            self.method == "auto" and entries >= _FFT_ENTRIES[self._matrices]
        )
        if not use_fft:
            return self._direct(self._pad(x), grid)
        if self.boundary == "periodic":
            return self._by_fft(x)
        inner = tuple(slice(k // 2, k // 2 + n) for k, n in zip(self.size, grid, strict=True))
        return self._by_fft(self._pad(x))[(..., *inner, slice(None))]

    def _pad(self, x: Array) -> Array:
        """Surround the grid with half a kernel of what lies beyond the boundary."""
        xp = array_namespace(x)
        for dim, k in enumerate(self.size):
            axis = x.ndim - 1 - self.dims + dim
            if self.boundary == "zero":
                margin = zeros_array((*x.shape[:axis], k // 2, *x.shape[axis + 1 :]), x)
                x = xp.concat([margin, x, margin], axis=axis)
            elif k > 1:
                source = sources(x.shape[axis], k // 2, self.boundary)
                x = xp.take(x, integers_like(source, x), axis=axis)
        return x

    def _direct(self, padded: Array, grid: tuple[int, ...]) -> Array:
        """One multiply-add over the grid per kernel entry."""
        xp, kernel = array_namespace(padded), self._fibre_kernel
        total: Array = None
        for offset in product(*map(range, self.size)):
            window = tuple(slice(o, o + n) for o, n in zip(offset, grid, strict=True))
            part, entry = padded[(..., *window, slice(None))], kernel[(*offset, ...)]
            term = entry * part if entry.ndim == 0 else xp.matmul(part, xp.matrix_transpose(entry))
            total = term if total is None else total + term
        return total

    def _by_fft(self, x: Array) -> Array:
        """Periodic correlation: the kernel's symbol times the state's transform, per wavevector."""
        xp = array_namespace(x)
        grid = tuple(x.shape[-1 - self.dims : -1])
        axes = tuple(range(-1 - self.dims, -1))
        symbol, waves = self._symbol(grid), xp.fft.rfftn(x, axes=axes)
        if symbol.ndim == self.dims:
            waves = symbol[..., None] * waves
        else:
            waves = xp.matmul(symbol, waves[..., None])[..., 0]
        return xp.fft.irfftn(waves, s=grid, axes=axes)

    def _symbol(self, grid: tuple[int, ...]) -> Array:
        """Return Σ_h K_h exp(2πi k·h/L) on the half grid of wavevectors; the last one is kept."""
        key = (version_of(self.kernel), *grid)
        if key in self._symbols and not needs_gradient(self.kernel):
            return self._symbols[key]
        xp, kernel = array_namespace(self.kernel), self._fibre_kernel
        for axis, (k, length) in enumerate(zip(self.size, grid, strict=True)):
            kernel = wrap(xp, kernel, axis, k, length)
        symbol = xp.fft.rfftn(kernel, axes=tuple(range(self.dims)))
        if may_keep(self.kernel, symbol):
            self._symbols = {key: symbol}
        return symbol

    @property
    def _host(self) -> np.ndarray:
        return to_numpy(self._fibre_kernel).astype(np.float64)

    @property
    def _matrices(self) -> bool:
        return self.channels is not None or self.block_size is not None

    @property
    def asymmetry(self) -> float:
        """Max |K_h − K_{−h}ᵀ|, so that 0 means J = Jᵀ on every grid; at reflecting walls per axis.

        A wall turns the offset h into its image along the reflected axes, so there the condition
        is asked of every subset of axes.
        """
        kernel = to_numpy(self._fibre_kernel)
        axes = range(self.dims)
        subsets = chain.from_iterable(combinations(axes, n) for n in range(self.dims + 1))
        flips = list(subsets) if self.boundary == "reflect" else [tuple(axes)]
        turned = np.swapaxes(kernel, -1, -2) if self._matrices else kernel
        return max(asymmetry_of(kernel, np.flip(turned, axes)) for axes in flips)

    def row_bound(self) -> Any:
        """Return Σ_h ‖K_h‖₂: one number, or shape (C, 1, ...) per receiving channel."""
        kernel = to_numpy(self.kernel).astype(np.float64)
        norms = np.abs(kernel) if self.block_size is None else spectral_norms(kernel)
        if self.channels is None:
            return float(norms.sum())
        return norms.reshape(self.channels, -1).sum(axis=1).reshape(-1, *(1,) * self.dims)

    def eigenvalue_bounds(self) -> tuple[float, float]:
        """Return bounds for every grid size, from the kernel's symbol S(k) = Σ_h K_h exp(ik·h).

        Periodic grids have eigenvalues among those of S(k); a zero boundary is a compression of
        the infinite lattice, a reflecting one (with an even kernel) its even part: both lie within
        the range of S. That range is sampled, then widened by the most that the symbol can move
        between samples (its gradient vanishes at the extremum; docs/theory).
        """
        if not self.symmetric:
            return self._bounds_by_rows()
        kernel = self._host
        low, high = extremes(sampled_symbol(kernel, self.size), matrices=self._matrices)
        weights = np.linalg.norm(kernel, ord=2, axis=(-2, -1)) if self._matrices else kernel
        reach = sum(
            np.abs(h) / count
            for h, count in zip(offsets(self.size), samples(kernel, self.size), strict=True)
        )
        slack = 0.5 * np.pi**2 * float((np.abs(weights) * reach**2).sum())
        rounding = 1e-13 * float(np.abs(weights).sum())
        return low - slack - rounding, high + slack + rounding

    def _bounds_by_rows(self) -> tuple[float, float]:
        """‖symmetric part‖ ≤ half the row sums plus half the column sums.

        A site can be reached by one offset from its own place and from its mirror images.
        """
        kernel = np.abs(self._host) if not self._matrices else spectral_norms(self._host)
        images = 2**self.dims if self.boundary == "reflect" else 1
        radius = 0.5 * (1 + images) * float(kernel.sum())
        return -radius, radius

    def commutator_bound(self, frequency: Frequency) -> float:
        """Return the largest ‖K_h Ω_{i+h} − Ω_i K_h‖_F over offsets and sites."""
        if frequency.shared and self.block_size is None:
            return 0.0
        omega = host_frequencies(frequency, self.block_size)
        if frequency.shared:
            kernel = to_numpy(self.kernel).astype(np.float64)
            return block_commutators(kernel, omega, omega, blocks=True)
        largest = max(self._edge_commutators(omega), default=0.0)
        # On a grid shorter than the kernel, several entries join the same two sites.
        grid = omega.shape[-2 - self.dims : -2]
        folds = 2 if self.boundary == "reflect" else 1
        pairs = zip(self.size, grid, strict=True)
        repeats = np.prod([1 if k <= n and folds == 1 else folds * -(-k // n) for k, n in pairs])
        return largest * float(repeats) if largest else 0.0

    def _edge_commutators(self, omega: np.ndarray) -> Any:
        """Go through the kernel's entries: all the edges that one of them makes, at once."""
        kernel = to_numpy(self.kernel).astype(np.float64)
        grid = omega.shape[-2 - self.dims : -2]
        channels = omega.shape[: omega.ndim - 2 - self.dims]
        omega = omega.reshape(-1, int(np.prod(grid)), *omega.shape[-2:])
        blocks = self.block_size is not None
        for c, d in product(range(len(omega)), repeat=2):
            entries = kernel[c, d] if channels else kernel
            for offset in product(*map(range, self.size)):
                sender = self._senders(grid, offset)
                inside = sender >= 0
                ends = omega[c][inside], omega[d][sender[inside]]
                yield block_commutators(entries[offset], *ends, blocks=blocks)

    def _senders(self, grid: tuple[int, ...], offset: tuple[int, ...]) -> np.ndarray:
        """Return for every site, row-major, the site that it takes by this entry, or −1."""
        total = np.zeros(grid, dtype=np.int64)
        outside = np.zeros(grid, dtype=bool)
        for axis, (o, k, n) in enumerate(zip(offset, self.size, grid, strict=True)):
            place = np.arange(n) + o - k // 2
            shape = tuple(n if a == axis else 1 for a in range(self.dims))
            outside |= ((place < 0) | (place >= n)).reshape(shape)
            folded = sources(n, k // 2, self.boundary)[o : o + n].reshape(shape)
            total = total * n + folded
        if self.boundary == "zero":
            total[outside] = -1
        return total.ravel()

    def parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        words = {"boundary": self.boundary, "method": self.method}
        reading = {"dims": self.dims, "channels": self.channels is not None}
        return {"kernel": self.kernel, **words, **reading}
