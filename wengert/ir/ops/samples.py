"""Inputs for the law tests: deterministic arrays over dtypes, shapes and special values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wengert.ir.floats import finfo
from wengert.ir.op import Sample
from wengert.ir.types import BOOL, COMPLEX, FLOAT32, FLOAT64, FLOATS, INT64, DType

Samples = Callable[[], Iterable[Sample]]


def specials(dtype: DType) -> np.ndarray:
    """Values at which formulas go wrong: zeros, ones, halves, extremes, infinities, NaN."""
    if dtype == BOOL:
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        values = {0, 1, 2, 3, 7, 100, info.max, info.max - 1, info.min, info.min + 1}
        if dtype.kind == "i":
            values |= {-1, -2, -3, -7, -100}
        return np.array(sorted(values), dtype)
    if dtype.kind == "c":
        return np.array([0, 1, -1, 1j, -1j, 2 - 3j, complex(-0.0, -0.0), complex(0, -2)], dtype)
    info = finfo(dtype)
    positive = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 10.0, np.inf, info.max, info.tiny]
    values = [*positive, *(-v for v in positive), info.smallest_subnormal, np.nan]
    return np.array(values, dtype)


def draw(dtype: DType, shape: tuple[int, ...], low: float, high: float, seed: int) -> np.ndarray:
    """Numbers of any dtype between `low` and `high`."""
    rng = np.random.default_rng(seed)
    if dtype == BOOL:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(max(int(low), info.min), min(int(high), info.max) + 1, shape, dtype)
    if dtype.kind == "c":
        parts = rng.uniform(low, high, (2, *shape))
        return np.asarray(parts[0] + 1j * parts[1]).astype(dtype)
    return np.asarray(rng.uniform(low, high, shape)).astype(dtype)


def with_complex(samples: Samples) -> Samples:
    """The samples, and complex ones made of those of float64 that are differentiable.

    Where there are complex ones already, nothing is added.
    """

    def extended() -> Iterator[Sample]:
        given = list(samples())
        yield from given
        if any(np.asarray(a).dtype in COMPLEX for s in given for a in s.args):
            return
        wide = [s for s in given if s.differentiable and _is_double(s)]
        for number, sample in enumerate(wide):
            for dtype in COMPLEX if number == 0 else COMPLEX[1:]:
                args = tuple(_with_imaginary(a, dtype, k) for k, a in enumerate(sample.args))
                yield replace(sample, args=args, tolerance=4 * sample.tolerance)

    return extended


def _is_double(sample: Sample) -> bool:
    dtypes = [np.asarray(a).dtype for a in sample.args]
    return dtypes.count(FLOAT64) > 0 and all(d in (FLOAT64, BOOL) for d in dtypes)


def _with_imaginary(x: Any, dtype: DType, seed: int) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype == BOOL:
        return x
    return np.asarray(x + 1j * draw(FLOAT64, x.shape, -1, 1, 50 + seed)).astype(dtype)


def operands(
    *domains: tuple[float, float],
    dtypes: Sequence[DType] = FLOATS,
    special: bool = True,
    tolerance: float = 1.0,
    **params: Any,
) -> Samples:
    """Samples of an op whose operands, all of one dtype, lie in these domains.

    They cover all dtypes, 0-d and zero-size arrays, a 0-d operand beside shaped ones and, if
    `special`, all combinations of special values.
    """

    def arrays(dtype: DType, *shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return tuple(
            draw(dtype, shape, low, high, seed)
            for seed, ((low, high), shape) in enumerate(zip(domains, shapes, strict=True))
        )

    def samples() -> Iterator[Sample]:
        count = len(domains)
        wide = FLOAT64 if FLOAT64 in dtypes else INT64 if INT64 in dtypes else dtypes[0]
        yield Sample(arrays(wide, *[(3, 4)] * count), params, tolerance=tolerance)
        for dtype in dtypes:
            yield Sample(arrays(dtype, *[(5,)] * count), params, tolerance=tolerance)
        yield Sample(arrays(wide, *[()] * count), params, tolerance=tolerance)
        yield Sample(arrays(wide, *[(0, 3)] * count), params, tolerance=tolerance)
        for position in range(count if count > 1 else 0):
            shapes = [() if i == position else (2, 3) for i in range(count)]
            yield Sample(arrays(wide, *shapes), params, tolerance=tolerance)
        for dtype in dtypes if special else ():
            grids = np.meshgrid(*[specials(dtype)] * count, indexing="ij")
            yield Sample(
                tuple(g.reshape(-1) for g in grids),
                params,
                differentiable=False,
                tolerance=tolerance,
            )

    return samples


def both(*sources: Samples) -> Samples:
    """The samples of all sources."""
    return lambda: [sample for source in sources for sample in source()]


def kinks(*args: Any, **params: Any) -> Samples:
    """One float64 or float32 sample at which the op is not differentiable."""
    arrays = tuple(np.asarray(a) for a in args)
    return lambda: [Sample(arrays, params, differentiable=False)]


__all__ = ["FLOAT32", "both", "draw", "kinks", "operands", "specials"]
