"""The CUDA text of the fused steps: one thread per oscillator, one kernel per coupling and stage.

A state is an array of `count` vectors in R^N, a batch of systems of `sites` oscillators each. The
formulas are those of `steppers`, `sphere` and `couplings`, and the tests hold them to agree. The
text includes no header, as NVRTC wants it, and takes REAL (float or double), DIM (N), TINY (of
`_backend.tiny`) and BLOCK (threads per block, a power of two) from the compiler's options.
"""

from __future__ import annotations

# How a kernel comes by Σ_j J_ij x_j, by the names that end its own.
COUPLINGS = {
    "given": "Given",
    "sparse": "Sparse<false>",
    "sparse_blocks": "Sparse<true>",
    "lattice": "Lattice<false>",
    "lattice_blocks": "Lattice<true>",
}

BOUNDARIES = {"periodic": 0, "zero": 1, "reflect": 2}

TURNING = {"none": 0, "planes": 1, "matrices": 2}

_VECTORS = r"""
using real = REAL;
constexpr int N = DIM;

// Aligned to the largest power of two that its size admits: then N = 2 and 4 load in one go.
constexpr int BYTES = N * sizeof(real), POWER = BYTES & -BYTES;
struct alignas(POWER < 16 ? POWER : 16) Vector { real at[N]; };

__device__ real dot(const Vector &x, const Vector &y) {
    real sum = 0;
    for (int n = 0; n < N; ++n) sum += x.at[n] * y.at[n];
    return sum;
}

__device__ void add(Vector &sum, real weight, const Vector &x) {
    for (int n = 0; n < N; ++n) sum.at[n] += weight * x.at[n];
}

__device__ Vector normalized(Vector x) {
    const real norm = sqrt(dot(x, x) + real(TINY));
    for (int n = 0; n < N; ++n) x.at[n] /= norm;
    return x;
}

__device__ Vector product(const real *matrix, const Vector &x) {
    Vector result = {};
    for (int n = 0; n < N; ++n)
        for (int m = 0; m < N; ++m) result.at[n] += matrix[n * N + m] * x.at[m];
    return result;
}

__device__ int thread() { return blockIdx.x * BLOCK + threadIdx.x; }
"""

_SYSTEM = r"""
// Oscillator i has the entry i % period of a table: all the same one, one per site, or its own.
struct System {
    int count, sites;
    const int *layout, *columns;
    const real *weights;
    real factor;
    const Vector *stimulus;
    int stimulus_period;  // 0: there is none
    const real *rates;
    int rates_period, turning;
};

// Summed up before; `layout`: the strides of sites and of the batch.
struct Given {
    static __device__ Vector sum(const System &s, const Vector *, int i) {
        const int place = i % s.sites * s.layout[0] + i / s.sites * s.layout[1];
        return reinterpret_cast<const Vector *>(s.weights)[place];
    }
};

// An entry of the weights is a number, or a block of N by N.
template <bool blocks>
__device__ void add_entry(Vector &sum, const real *entry, const Vector &x) {
    if constexpr (blocks) add(sum, 1, product(entry, x));
    else add(sum, *entry, x);
}

// Compressed rows: `layout` points to where the rows begin.
template <bool blocks>
struct Sparse {
    static __device__ Vector sum(const System &s, const Vector *y, int i) {
        constexpr size_t entry = blocks ? N * N : 1;
        const int site = i % s.sites;
        const Vector *own = y + (i - site);
        Vector total = {};
        for (int e = s.layout[site]; e < s.layout[site + 1]; ++e)
            add_entry<blocks>(total, s.weights + e * entry, own[s.columns[e]]);
        return total;
    }
};

// The site whose value a place on or beyond the grid shows; -1: nothing is there.
__device__ int shown(int place, int length, int boundary) {
    if (place >= 0 && place < length) return place;
    if (boundary == ZERO) return -1;
    const int period = boundary == REFLECT ? 2 * length : length;
    place = (place % period + period) % period;
    return place < length ? place : 2 * length - 1 - place;
}

// `layout`: channels, three grid lengths, three kernel sizes, the boundary.
template <bool blocks>
struct Lattice {
    static __device__ Vector sum(const System &s, const Vector *y, int i) {
        constexpr int entry = blocks ? N * N : 1;
        const int channels = s.layout[0], boundary = s.layout[7];
        const int *grid = s.layout + 1, *size = s.layout + 4;
        const int cells = grid[0] * grid[1] * grid[2], entries = size[0] * size[1] * size[2];
        const int site = i % s.sites, cell = site % cells, channel = site / cells;
        const int h0 = cell / (grid[1] * grid[2]), h1 = cell / grid[2] % grid[1];
        const int h2 = cell % grid[2];
        const real *weight = s.weights + size_t(channel) * channels * entries * entry;
        const Vector *sheet = y + (i - site);
        Vector total = {};
        for (int sender = 0; sender < channels; ++sender, sheet += cells)
            for (int o0 = 0; o0 < size[0]; ++o0) {
                const int p0 = shown(h0 + o0 - size[0] / 2, grid[0], boundary);
                for (int o1 = 0; o1 < size[1]; ++o1) {
                    const int p1 = shown(h1 + o1 - size[1] / 2, grid[1], boundary);
                    const int line = p0 < 0 || p1 < 0 ? -1 : (p0 * grid[1] + p1) * grid[2];
                    for (int o2 = 0; o2 < size[2]; ++o2, weight += entry) {
                        const int p2 = shown(h2 + o2 - size[2] / 2, grid[2], boundary);
                        if (line >= 0 && p2 >= 0)
                            add_entry<blocks>(total, weight, sheet[line + p2]);
                    }
                }
            }
        return total;
    }
};
"""

_RATES = r"""
// The force f = c + J x.
template <class Coupling>
__device__ Vector force(const System &s, const Vector *y, int i) {
    Vector total = {};
    add(total, s.factor, Coupling::sum(s, y, i));
    if (s.stimulus_period) add(total, 1, s.stimulus[i % s.stimulus_period]);
    return total;
}

// Omega x, of the natural frequencies.
__device__ Vector turned(const System &s, const Vector &x, int i) {
    Vector rate = {};
    if (s.turning == MATRICES) return product(s.rates + size_t(i % s.rates_period) * N * N, x);
    if (s.turning == PLANES) {
        const real *omega = s.rates + size_t(i % s.rates_period) * (N / 2);
        for (int p = 0; p < N / 2; ++p) {
            rate.at[2 * p] = -omega[p] * x.at[2 * p + 1];
            rate.at[2 * p + 1] = omega[p] * x.at[2 * p];
        }
    }
    return rate;
}

// One projected step: normalized(x + dt (Omega x + f - <x, f> x)).
template <class Coupling>
__device__ void euler(const System &s, const Vector *x, real dt, Vector *next) {
    const int i = thread();
    if (i >= s.count) return;
    const Vector here = x[i], pull = force<Coupling>(s, x, i);
    Vector rate = turned(s, here, i), sum = here;
    add(rate, 1, pull);
    add(rate, -dot(here, pull), here);
    add(sum, dt, rate);
    next[i] = normalized(sum);
}

// Stage `number` of an explicit Runge-Kutta step from x. Its slope Omega y + <y, y> f - <y, f> y is
// kept in a ring of `ring` slopes that begins at `first`. Then x plus the weighted slopes is where
// the next stage looks or, projected to the sphere, where the step ends. `next` may be x itself:
// no other thread reads that entry of x.
template <class Coupling>
__device__ void stage(const System &s, const Vector *y, int number, int first, int ring,
                      const real *weights, int project, const Vector *x, Vector *slopes,
                      Vector *next) {
    const int i = thread();
    if (i >= s.count) return;
    const Vector here = y[i], pull = force<Coupling>(s, y, i);
    Vector slope = turned(s, here, i), sum = x[i];
    add(slope, dot(here, here), pull);
    add(slope, -dot(here, pull), here);
    const real *row = weights + number * ring;
    for (int m = 0; m < number; ++m)
        if (row[m] != 0) add(sum, row[m], slopes[size_t((first + m) % ring) * s.count + i]);
    slopes[size_t((first + number) % ring) * s.count + i] = slope;
    add(sum, row[number], slope);
    next[i] = project ? normalized(sum) : sum;
}
"""

_KERNELS = r"""
// The point where a second stage looks, rounded as `stage` does it.
extern "C" __global__ void begin(int count, real weight, const Vector *x, const Vector *slope,
                                 Vector *next) {
    const int i = thread();
    if (i >= count) return;
    Vector sum = x[i];
    add(sum, weight, slope[i]);
    next[i] = sum;
}

// exp(Omega dt) x by the cosines and sines of the angles; for odd N the last axis stands still.
extern "C" __global__ void turn_planes(int count, const real *cosines, const real *sines,
                                       int period, const Vector *x, Vector *next) {
    const int i = thread();
    if (i >= count) return;
    const size_t own = size_t(i % period) * (N / 2);
    const Vector here = x[i];
    Vector result = here;
    for (int p = 0; p < N / 2; ++p) {
        const real a = here.at[2 * p], b = here.at[2 * p + 1];
        result.at[2 * p] = cosines[own + p] * a - sines[own + p] * b;
        result.at[2 * p + 1] = sines[own + p] * a + cosines[own + p] * b;
    }
    next[i] = result;
}

extern "C" __global__ void turn_matrices(int count, const real *matrices, int period,
                                         const Vector *x, Vector *next) {
    const int i = thread();
    if (i < count) next[i] = product(matrices + size_t(i % period) * N * N, x[i]);
}

// The blocks (b, 0), (b, 1), ... share the sum of the b-th `length` vectors, each in an order that
// never changes. A second launch, of one block per b, adds up what the first has left.
extern "C" __global__ void reduce(int length, const Vector *x, Vector *sums) {
    __shared__ real shared[BLOCK];
    const int lane = threadIdx.x;
    const Vector *own = x + size_t(blockIdx.x) * length;
    Vector total = {};
    for (int j = blockIdx.y * BLOCK + lane; j < length; j += gridDim.y * BLOCK)
        add(total, 1, own[j]);
    for (int n = 0; n < N; ++n) {
        shared[lane] = total.at[n];
        __syncthreads();
        for (int half = BLOCK / 2; half > 0; half /= 2) {
            if (lane < half) shared[lane] += shared[lane + half];
            __syncthreads();
        }
        if (lane == 0) sums[size_t(blockIdx.x) * gridDim.y + blockIdx.y].at[n] = shared[0];
    }
}
"""

_PARAMETERS = """int count, int sites, const int *layout, const int *columns, const real *weights,
    real factor, const Vector *stimulus, int stimulus_period, const real *rates, int rates_period,
    int turning, const Vector *x"""

_SYSTEM_ARGUMENT = """{count, sites, layout, columns, weights, factor, stimulus, stimulus_period,
                          rates, rates_period, turning}"""

_PER_COUPLING = f"""
extern "C" __global__ void euler_NAME(
    {_PARAMETERS}, real dt, Vector *next) {{
    const System system = {_SYSTEM_ARGUMENT};
    euler<COUPLING>(system, x, dt, next);
}}

extern "C" __global__ void stage_NAME(
    {_PARAMETERS}, int number, int first, int ring,
    const real *table, int project, const Vector *start, Vector *slopes, Vector *next) {{
    const System system = {_SYSTEM_ARGUMENT};
    stage<COUPLING>(system, x, number, first, ring, table, project, start, slopes, next);
}}
"""


def _constants() -> str:
    codes = {**BOUNDARIES, **TURNING}.items()
    return f"enum {{ {', '.join(f'{name.upper()} = {code}' for name, code in codes)} }};\n"


def _per_coupling(name: str, coupling: str) -> str:
    return _PER_COUPLING.replace("NAME", name).replace("COUPLING", coupling)


SOURCE = "".join(
    [
        _VECTORS,
        _constants(),
        _SYSTEM,
        _RATES,
        _KERNELS,
        *(_per_coupling(name, coupling) for name, coupling in COUPLINGS.items()),
    ]
)
