"""Sums, a transpose with an addition, softmax and layernorm with their gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.workload import Function, Namespace, Workload

Shape = tuple[int, int]
Build = Callable[[Namespace], Function]
Inputs = Callable[[np.random.Generator, bool], tuple[np.ndarray, ...]]


def normals(dtype: str, *shapes: tuple[int, ...]) -> Inputs:
    """An array of standard normal numbers for each shape; every axis is cut for "tiny"."""

    def make(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
        kept = [tuple(min(n, 24) for n in shape) if tiny else shape for shape in shapes]
        return tuple(rng.standard_normal(shape).astype(dtype) for shape in kept)

    return make


def sum_over(axis: int | None) -> Build:
    def build(ns: Namespace) -> Function:
        np = ns.np

        def f(x):
            return np.sum(x) if axis is None else np.sum(x, axis=axis)

        return f

    return build


def sum_numba(axis: int | None) -> Callable[[], Function]:
    return {None: sum_all_numba, 0: sum_columns_numba, 1: sum_rows_numba}[axis]


def sum_all_numba() -> Function:
    import numba

    @numba.njit(parallel=True, fastmath={"reassoc", "nsz"})
    def f(x):
        flat = x.reshape(-1)
        chunk = 1 << 16
        partial = np.zeros((flat.size + chunk - 1) // chunk, x.dtype)
        for c in numba.prange(partial.size):
            total = x.dtype.type(0)
            for i in range(c * chunk, min(flat.size, (c + 1) * chunk)):
                total += flat[i]
            partial[c] = total
        total = x.dtype.type(0)
        for part in partial:
            total += part
        return total

    return f


def sum_columns_numba() -> Function:
    import numba

    @numba.njit(parallel=True)
    def f(x):
        rows, columns = x.shape
        out = np.zeros(columns, x.dtype)
        block = 256
        for b in numba.prange((columns + block - 1) // block):
            start, stop = b * block, min(columns, (b + 1) * block)
            for i in range(rows):
                for j in range(start, stop):
                    out[j] += x[i, j]
        return out

    return f


def sum_rows_numba() -> Function:
    import numba

    @numba.njit(parallel=True, fastmath={"reassoc", "nsz"})
    def f(x):
        rows, columns = x.shape
        out = np.empty(rows, x.dtype)
        for i in numba.prange(rows):
            total = x.dtype.type(0)
            for j in range(columns):
                total += x[i, j]
            out[i] = total
        return out

    return f


def transpose_add(ns: Namespace) -> Function:
    def f(x, y):
        return x.T + y

    return f


def transpose_add_numba() -> Function:
    import numba

    @numba.njit(parallel=True)
    def f(x, y):
        rows, columns = y.shape
        out = np.empty_like(y)
        tile = 32
        for block in numba.prange((rows + tile - 1) // tile):
            start, stop = block * tile, min(rows, (block + 1) * tile)
            for left in range(0, columns, tile):
                for i in range(start, stop):
                    for j in range(left, min(columns, left + tile)):
                        out[i, j] = x[j, i] + y[i, j]
        return out

    return f


def softmax(ns: Namespace) -> Function:
    np = ns.np

    def f(x):
        shifted = np.exp(x - np.max(x, axis=1, keepdims=True))
        return shifted / np.sum(shifted, axis=1, keepdims=True)

    return f


def layernorm(ns: Namespace) -> Function:
    np = ns.np

    def f(x, scale, offset):
        centred = x - np.mean(x, axis=1, keepdims=True)
        variance = np.mean(centred * centred, axis=1, keepdims=True)
        return centred / np.sqrt(variance + 1e-5) * scale + offset

    return f


def weighted(build_inner: Build) -> Build:
    """The sum of the inner function's outputs, weighted by a last argument."""

    def build(ns: Namespace) -> Function:
        np, inner = ns.np, build_inner(ns)

        def total(*args):
            *inputs, weight = args
            return np.sum(inner(*inputs) * weight)

        return total

    return build


def softmax_numba() -> Function:
    import numba

    @numba.njit(parallel=True, fastmath={"reassoc", "nsz"})
    def f(x):
        rows, columns = x.shape
        out = np.empty_like(x)
        for i in numba.prange(rows):
            top = x[i, 0]
            for j in range(columns):
                top = max(top, x[i, j])
            total = x.dtype.type(0)
            for j in range(columns):
                out[i, j] = np.exp(x[i, j] - top)
                total += out[i, j]
            for j in range(columns):
                out[i, j] /= total
        return out

    return f


AXES = {None: "all", 0: "axis0", 1: "axis1"}
SHAPES: tuple[Shape, ...] = ((1024, 1024), (8192, 64))
SQUARE = (2048, 2048)

WORKLOADS = (
    *(
        Workload(
            f"sum/{label}/{dtype}",
            sum_over(axis),
            normals(dtype, SQUARE),
            by_hand={"numba": sum_numba(axis)},
            targets={"best": 1},
            tolerance=10.0,
        )
        for axis, label in AXES.items()
        for dtype in ("float32", "float64")
    ),
    Workload(
        "transpose_add",
        transpose_add,
        normals("float32", SQUARE, SQUARE),
        by_hand={"numba": transpose_add_numba},
        targets={"best": 1},
    ),
    *(
        Workload(
            f"softmax/value/{rows}x{columns}",
            softmax,
            normals("float32", (rows, columns)),
            by_hand={"numba": softmax_numba},
            targets={"best": 1.2},
        )
        for rows, columns in SHAPES
    ),
    *(
        Workload(
            f"softmax/gradient/{rows}x{columns}",
            weighted(softmax),
            normals("float32", (rows, columns), (rows, columns)),
            mode="value_and_grad",
            targets={"best": 1.2},
            tolerance=30.0,
        )
        for rows, columns in SHAPES
    ),
    *(
        Workload(
            f"layernorm/value/{rows}x{columns}",
            layernorm,
            normals("float32", (rows, columns), (columns,), (columns,)),
            targets={"best": 1.2},
        )
        for rows, columns in SHAPES
    ),
    *(
        Workload(
            f"layernorm/gradient/{rows}x{columns}",
            weighted(layernorm),
            normals("float32", (rows, columns), (columns,), (columns,), (rows, columns)),
            mode="value_and_grad",
            argnums=(0, 1, 2),
            targets={"best": 1.2},
            tolerance=30.0,
        )
        for rows, columns in SHAPES
    ),
)
