"""Convolutions and linear filters: `scipy.signal`.

Convolutions are sums over the elements of the shorter array, or Fourier transforms where it is
long. A recursive filter is a loop over the samples.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from wengert.api.control import scan
from wengert.errors import ArgumentError, ShapeError
from wengert.ir.floats import kind_of
from wengert.numpy import asarray
from wengert.standins.image_arguments import axes_of
from wengert.standins.tables import by_matrix, in_floats, stands_in
from wengert.tracer.functions.operands import holds_tracers

LONGEST = 64
"""Elements of the smaller array up to which a convolution is a sum over them."""


def _full(a: Any, b: Any) -> Any:
    """The full convolution of arrays of as many dimensions."""
    if not a.ndim:
        return a * b
    small, large = (a, b) if math.prod(a.shape) < math.prod(b.shape) else (b, a)
    shape = tuple(n + m - 1 for n, m in zip(a.shape, b.shape, strict=True))
    if math.prod(small.shape) > LONGEST:
        found = _by_transforms(a, b, shape, range(a.ndim))
        dtype = np.result_type(a.dtype, b.dtype)
        return found if kind_of(dtype) in "fc" else np.rint(found).astype(dtype)
    room = np.pad(large, [(n - 1, n - 1) for n in small.shape])
    total: Any = None
    for index in np.ndindex(*small.shape):
        starts = [n - 1 - i for n, i in zip(small.shape, index, strict=True)]
        part = room[tuple(slice(i, i + n) for i, n in zip(starts, shape, strict=True))]
        term = small[index] * part
        total = term if total is None else total + term
    return total


def _by_transforms(a: Any, b: Any, shape: Sequence[int], along: Iterable[int]) -> Any:
    axes = tuple(along)
    whole = a.dtype.kind == "c" or b.dtype.kind == "c"
    forward, back = (np.fft.fftn, np.fft.ifftn) if whole else (np.fft.rfftn, np.fft.irfftn)
    sizes = [1 << (shape[d] - 1).bit_length() for d in axes]
    found = back(forward(a, sizes, axes) * forward(b, sizes, axes), sizes, axes)
    return found[tuple(slice(0, n) if d in axes else slice(None) for d, n in enumerate(shape))]


def _cut(found: Any, first: Sequence[int], second: Sequence[int], mode: str) -> Any:
    if mode == "full":
        return found
    sizes = list(first)
    if mode == "valid":
        pairs = list(zip(first, second, strict=True))
        if not (all(n >= m for n, m in pairs) or all(n <= m for n, m in pairs)):
            raise ShapeError(
                "mode 'valid' needs one array that is at least as large as the other in every "
                f"dimension, got {tuple(first)} and {tuple(second)}"
            )
        sizes = [abs(n - m) + 1 for n, m in pairs]
    elif mode != "same":
        raise ArgumentError(f"mode is 'full', 'valid' or 'same', not {mode!r}")
    starts = [(n - m) // 2 for n, m in zip(found.shape, sizes, strict=True)]
    return found[tuple(slice(i, i + m) for i, m in zip(starts, sizes, strict=True))]


def _checked(name: str, a: Any, b: Any, ndim: int | None = None) -> tuple[Any, Any]:
    a, b = asarray(a), asarray(b)
    if a.ndim != b.ndim or (ndim is not None and a.ndim != ndim):
        wanted = "as many" if ndim is None else str(ndim)
        raise ShapeError(f"{name} takes arrays of {wanted} dimensions, got {a.ndim} and {b.ndim}")
    return a, b


def _known_method(method: str) -> None:
    if method not in ("auto", "direct", "fft"):
        raise ArgumentError(f"method is 'auto', 'direct' or 'fft', not {method!r}")


@stands_in("signal")
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """The convolution of two arrays."""
    a, b = _checked("convolve", in1, in2)
    _known_method(method)
    return _joined("convolve", a, b, mode)


@stands_in("signal", "fftconvolve", "oaconvolve")
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """The convolution of two arrays along axes, in floats; along others they are broadcast."""
    a, b = _checked("fftconvolve", in1, in2)
    if 0 in a.shape or 0 in b.shape:
        return np.zeros(0)
    a, b = in_floats(a), in_floats(b)
    if axes is None:
        return _cut(_full(a, b), a.shape, b.shape, mode)
    along = axes_of(axes, a.ndim)
    pairs = list(enumerate(zip(a.shape, b.shape, strict=True)))
    if any(n != m and 1 not in (n, m) for d, (n, m) in pairs if d not in along):
        raise ShapeError(f"shapes {a.shape} and {b.shape} differ along other axes than {axes}")
    shape = [n + m - 1 if d in along else max(n, m) for d, (n, m) in pairs]
    first, second = (
        [n if d in along else m for d, (n, m) in enumerate(zip(x.shape, shape, strict=True))]
        for x in (a, b)
    )
    if mode == "valid":
        second = [n if d in along else 1 for d, n in enumerate(second)]
    if mode == "same":
        first = a.shape
    return _cut(_by_transforms(a, b, shape, along), first, second, mode)


@stands_in("signal")
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """The correlation of two arrays."""
    a, b = _checked("correlate", in1, in2)
    _known_method(method)
    return _joined("correlate", a, _turned(b), mode)


def _turned(b: Any) -> Any:
    turned = b[(slice(None, None, -1),) * b.ndim]
    return np.conj(turned) if b.dtype.kind == "c" else turned


def _joined(name: str, a: Any, b: Any, mode: str) -> Any:
    if 0 not in a.shape and 0 not in b.shape:
        return _cut(_full(a, b), a.shape, b.shape, mode)
    if a.ndim == 1:
        raise ShapeError(f"{name} takes no empty vectors, got shapes {a.shape} and {b.shape}")
    return np.zeros(0)


def _spread_out(a: Any, b: Any, boundary: str, fillvalue: float) -> Any:
    """What is around a where b reaches beyond it."""
    widths = [(n - 1, n - 1) for n in b.shape]
    modes = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}
    if boundary not in modes:
        raise ArgumentError(f"boundary is 'fill', 'wrap' or 'symm', not {boundary!r}")
    if boundary == "fill":
        return np.pad(a, widths, constant_values=fillvalue)
    return np.pad(a, widths, mode=cast("Any", modes[boundary]))


def _of_matrices(
    a: Any, b: Any, mode: str, boundary: str, fillvalue: Any, before: Sequence[int]
) -> Any:
    """The convolution; in mode 'same', so many elements of the full one are left out first."""
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"mode is 'full', 'valid' or 'same', not {mode!r}")
    room = _spread_out(a, b, boundary, fillvalue)
    if mode == "valid":
        return _cut(_full(a, b), a.shape, b.shape, mode)
    if boundary == "fill" and not holds_tracers([fillvalue]) and fillvalue == 0:
        found = _full(a, b)
    else:
        whole = _full(room, b)
        inner = zip(b.shape, whole.shape, strict=True)
        found = whole[tuple(slice(n - 1, m - n + 1) for n, m in inner)]
    if mode == "full":
        return found
    return found[tuple(slice(i, i + n) for i, n in zip(before, a.shape, strict=True))]


@stands_in("signal")
def convolve2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Any:
    """The convolution of two matrices."""
    a, b = _checked("convolve2d", in1, in2, 2)
    return _of_matrices(a, b, mode, boundary, fillvalue, [(n - 1) // 2 for n in b.shape])


@stands_in("signal")
def correlate2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Any:
    """The correlation of two matrices."""
    a, b = _checked("correlate2d", in1, in2, 2)
    before = [n // 2 for n in b.shape]
    return _of_matrices(a, _turned(b), mode, boundary, fillvalue, before)


@stands_in("signal")
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """The recursive filter of these coefficients, in the transposed direct form II."""
    if not holds_tracers([a]) and np.ndim(a) and not np.asarray(a)[0]:
        raise ArgumentError("lfilter needs a first coefficient of the denominator that is not 0")
    b, a = (_coefficients(c) for c in (b, a))
    x = in_floats(x)
    b, a = _normalised(b, a)
    count = b.shape[0]
    rows = np.moveaxis(x, axis, 0)
    shape = (count - 1, *rows.shape[1:])
    if zi is None:
        state = np.zeros(shape, np.result_type(b.dtype, a.dtype, x.dtype))
    else:
        state = np.broadcast_to(np.moveaxis(in_floats(zi), axis, 0), shape)
        state = state.astype(np.result_type(state.dtype, b.dtype, a.dtype, x.dtype))
    if count == 1:
        found = (b[0] * x).astype(state.dtype)
        return found if zi is None else (found, zi)
    wide = (slice(None), *(None,) * (rows.ndim - 1))

    def step(held: Any, sample: Any) -> Any:
        out = b[0] * sample + held[0]
        rest = np.concatenate([held[1:], np.zeros_like(held[:1])])
        return rest + b[1:][wide] * sample - a[1:][wide] * out, out

    last, found = scan(step, state, rows.astype(state.dtype))
    found = np.moveaxis(found, 0, axis)
    return found if zi is None else (found, np.moveaxis(last, 0, axis))


def _coefficients(c: Any) -> Any:
    found = in_floats(c)
    if found.ndim > 1:
        raise ShapeError(f"filters take vectors of coefficients, got an array of {found.shape}")
    return found.reshape((-1,))


def continued(x: Any, padtype: str | None, count: int) -> Any:
    """Samples along the first axis, with more at both ends that lead on from them."""
    if padtype is None or count == 0:
        return x
    if padtype not in ("odd", "even", "constant"):
        raise ArgumentError(f"padtype is 'odd', 'even', 'constant' or None, not {padtype!r}")
    if padtype == "constant":
        return np.pad(x, [(count, count)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    left, right = x[count:0:-1], x[-2 : -(count + 2) : -1]
    if padtype == "odd":
        left, right = 2.0 * x[:1] - left, 2.0 * x[-1:] - right
    return np.concatenate([left, x, right])


def _normalised(b: Any, a: Any) -> tuple[Any, Any]:
    """Both of one length, in units of the denominator's first coefficient."""
    count = max(b.shape[0], a.shape[0])
    b, a = (np.pad(c, (0, count - c.shape[0])) / a[0] for c in (b, a))
    return b, a


def _settled(b: Any, a: Any) -> Any:
    """The state of a filter to which a constant 1 leads (SciPy's `lfilter_zi`)."""
    b, a = _normalised(b, a)
    count = b.shape[0]
    step = np.eye(count - 1) - (np.eye(count - 1, k=1) + _first_column(-a[1:]))
    return np.linalg.solve(step, b[1:] - a[1:] * b[0])


def _first_column(c: Any) -> Any:
    return c[:, None] * (np.arange(c.shape[0]) == 0)


@stands_in("signal")
def filtfilt(
    b: Any,
    a: Any,
    x: Any,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
) -> Any:
    """A recursive filter forwards, then backwards."""
    if method != "pad":
        raise ArgumentError(f"filtfilt of traced values takes the method 'pad', not {method!r}")
    b, a = _coefficients(b), _coefficients(a)
    rows = np.moveaxis(in_floats(x), axis, 0)
    taps = max(b.shape[0], a.shape[0])
    count = 0 if padtype is None else 3 * taps if padlen is None else padlen
    if rows.shape[0] <= count:
        raise ArgumentError(
            f"filtfilt continues the samples by {count}, which takes more than {rows.shape[0]}"
        )
    rows = continued(rows, padtype, count)
    if taps == 1:
        found = rows * (b[0] / a[0]) ** 2
    else:
        state = _settled(b, a).reshape((-1,) + (1,) * (rows.ndim - 1))
        there, _ = lfilter(b, a, rows, 0, state * rows[:1])
        back, _ = lfilter(b, a, there[::-1], 0, state * there[-1:])
        found = back[::-1]
    return np.moveaxis(found[count : found.shape[0] - count], 0, axis)


@stands_in("signal")
def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Recursive filters of order 2, one after the other."""
    sections = in_floats(sos)
    if sections.ndim != 2 or sections.shape[1] != 6:
        raise ShapeError(f"sosfilt takes sections in the rows of (n, 6), got {sections.shape}")
    found, states = in_floats(x), []
    for k in range(sections.shape[0]):
        b, a = sections[k, :3], sections[k, 3:]
        if zi is None:
            found = lfilter(b, a, found, axis)
        else:
            found, last = lfilter(b, a, found, axis, zi[k])
            states.append(last)
    return found if zi is None else (found, np.stack(states))


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
    if holds_tracers([delta, cval]):
        raise ArgumentError("savgol_filter of traced values takes a known delta and cval")
    x = in_floats(x)
    scipys = importlib.import_module("scipy.signal").savgol_filter
    options = {"deriv": deriv, "delta": delta, "mode": mode, "axis": -1}
    count = x.shape[axis]
    found = by_matrix(x, scipys(np.eye(count), window_length, polyorder, **options), axis)
    if mode != "constant" or cval == 0:
        return found
    beyond = scipys(np.zeros(count), window_length, polyorder, **options, cval=cval)
    return np.moveaxis(np.moveaxis(found, axis, -1) + beyond.astype(x.dtype), -1, axis)


@stands_in("signal")
def detrend(
    data: Any,
    axis: int = -1,
    type: str = "linear",  # noqa: A002
    bp: Any = 0,
    overwrite_data: bool = False,
) -> Any:
    """The data without their mean, or without lines fitted to them."""
    data = in_floats(data)
    scipys = importlib.import_module("scipy.signal").detrend
    return by_matrix(data, scipys(np.eye(data.shape[axis]), axis=-1, type=type, bp=bp), axis)
