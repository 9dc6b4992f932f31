"""Convolutions and linear filters: `scipy.signal`.

Convolutions are sums over the elements of the shorter array, or Fourier transforms where it is
long. A recursive filter is a loop over the samples.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from wengert.api.control import scan
from wengert.errors import ArgumentError, ShapeError
from wengert.numpy import asarray
from wengert.standins.tables import stands_in
from wengert.tracer.functions.operands import holds_tracers

LONGEST = 64
"""Elements of the smaller array up to which a convolution is a sum over them."""


def _full(a: Any, b: Any) -> Any:
    """The full convolution of arrays of as many dimensions."""
    small, large = (a, b) if math.prod(a.shape) < math.prod(b.shape) else (b, a)
    shape = tuple(n + m - 1 for n, m in zip(a.shape, b.shape, strict=True))
    if math.prod(small.shape) > LONGEST:
        return _by_transforms(a, b, shape)
    room = np.pad(large, [(n - 1, n - 1) for n in small.shape])
    total: Any = 0.0
    for index in np.ndindex(*small.shape):
        starts = [n - 1 - i for n, i in zip(small.shape, index, strict=True)]
        part = room[tuple(slice(i, i + n) for i, n in zip(starts, shape, strict=True))]
        total = total + small[index] * part
    return total


def _by_transforms(a: Any, b: Any, shape: Sequence[int]) -> Any:
    axes = tuple(range(len(shape)))
    whole = np.iscomplexobj(a) or np.iscomplexobj(b)
    forward, back = (np.fft.fftn, np.fft.ifftn) if whole else (np.fft.rfftn, np.fft.irfftn)
    sizes = [1 << (n - 1).bit_length() for n in shape]
    found = back(forward(a, sizes, axes) * forward(b, sizes, axes), sizes, axes)
    return found[tuple(slice(0, n) for n in shape)]


def _cut(found: Any, first: Sequence[int], second: Sequence[int], mode: str) -> Any:
    if mode == "full":
        return found
    sizes = list(first)
    if mode == "valid":
        sizes = [abs(n - m) + 1 for n, m in zip(first, second, strict=True)]
    elif mode != "same":
        raise ArgumentError(f"mode is 'full', 'valid' or 'same', not {mode!r}")
    starts = [(n - m) // 2 for n, m in zip(found.shape, sizes, strict=True)]
    return found[tuple(slice(i, i + m) for i, m in zip(starts, sizes, strict=True))]


def _checked(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    a, b = asarray(a), asarray(b)
    if a.ndim != b.ndim:
        raise ShapeError(f"{name} takes arrays of as many dimensions, got {a.ndim} and {b.ndim}")
    return a, b


@stands_in("signal", "convolve", "fftconvolve")
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto", axes: Any = None) -> Any:
    """The convolution of two arrays."""
    if axes is not None:
        raise ArgumentError("convolutions of traced values take no axes")
    a, b = _checked("convolve", in1, in2)
    return _cut(_full(a, b), a.shape, b.shape, mode)


@stands_in("signal")
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """The correlation of two arrays."""
    a, b = _checked("correlate", in1, in2)
    turned = b[(slice(None, None, -1),) * b.ndim]
    return _cut(_full(a, np.conj(turned)), a.shape, b.shape, mode)


def _spread_out(a: Any, b: Any, boundary: str, fillvalue: float) -> Any:
    """What is around a where b reaches beyond it."""
    widths = [(n - 1, n - 1) for n in b.shape]
    modes = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}
    if boundary not in modes:
        raise ArgumentError(f"boundary is 'fill', 'wrap' or 'symm', not {boundary!r}")
    if boundary == "fill":
        return np.pad(a, widths, constant_values=fillvalue)
    return np.pad(a, widths, mode=cast("Any", modes[boundary]))


@stands_in("signal")
def convolve2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: float = 0
) -> Any:
    """The convolution of two matrices."""
    a, b = _checked("convolve2d", in1, in2)
    if boundary == "fill" and fillvalue == 0:
        return _cut(_full(a, b), a.shape, b.shape, mode)
    whole = _full(_spread_out(a, b, boundary, fillvalue), b)
    inner = whole[tuple(slice(n - 1, m - n + 1) for n, m in zip(b.shape, whole.shape, strict=True))]
    return _cut(inner, a.shape, b.shape, mode)


@stands_in("signal")
def correlate2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: float = 0
) -> Any:
    """The correlation of two matrices."""
    return convolve2d(in1, np.conj(in2)[::-1, ::-1], mode, boundary, fillvalue)


@stands_in("signal")
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """The recursive filter of these coefficients, in the transposed direct form II."""
    b, a = (asarray(c) * 1.0 for c in (b, a))
    count = max(b.shape[0], a.shape[0])
    b, a = (np.pad(c, (0, count - c.shape[0])) / a[0] for c in (b, a))
    rows = np.moveaxis(x, axis, 0)
    if count == 1:
        return b[0] * x if zi is None else (b[0] * x, zi)
    if zi is None:
        state = np.zeros((count - 1, *rows.shape[1:])) * b[0]
    else:
        state = np.moveaxis(zi, axis, 0)
    wide = (slice(None), *(None,) * (rows.ndim - 1))

    def step(held: Any, sample: Any) -> Any:
        out = b[0] * sample + held[0]
        rest = np.concatenate([held[1:], np.zeros_like(held[:1])])
        return rest + b[1:][wide] * sample - a[1:][wide] * out, out

    last, found = scan(step, state, rows)
    found = np.moveaxis(found, 0, axis)
    return found if zi is None else (found, np.moveaxis(last, 0, axis))


@stands_in("signal")
def savgol_filter(
    x: Any,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: float = 0.0,
) -> Any:
    """The filter of Savitzky and Golay, by what SciPy makes of unit vectors."""
    if holds_tracers([delta, cval]) or cval != 0:
        raise ArgumentError("savgol_filter of traced values takes known numbers, and cval 0")
    scipys = importlib.import_module("scipy.signal").savgol_filter
    options = {"deriv": deriv, "delta": delta, "mode": mode, "axis": -1}
    matrix = scipys(np.eye(x.shape[axis]), window_length, polyorder, **options)
    return np.moveaxis(np.moveaxis(x, axis, -1) @ matrix, -1, axis)


@stands_in("signal")
def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0) -> Any:  # noqa: A002
    """The data without their mean, or without lines fitted to them."""
    scipys = importlib.import_module("scipy.signal").detrend
    matrix = scipys(np.eye(data.shape[axis]), axis=-1, type=type, bp=bp)
    return np.moveaxis(np.moveaxis(data, axis, -1) @ matrix, -1, axis)
