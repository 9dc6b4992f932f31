"""Functions of `numpy.fft`: transforms along one axis or several, and shifts.

All are made of the op fft, which transforms an axis without a factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.floats import is_half
from wengert.ir.types import COMPLEX64, COMPLEX128, DType, real_dtype
from wengert.tracer.dispatch import FIXED
from wengert.tracer.functions.operands import (
    integer,
    materialise,
    normal_axis,
    operand,
    refuse,
    wrapped,
)
from wengert.tracer.functions.shapes import roll
from wengert.tracer.tables import function

NORMS = (None, "backward", "ortho", "forward")
SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _complex_dtype(dtype: DType) -> DType:
    """The complex dtype in which NumPy transforms numbers of a dtype."""
    return COMPLEX64 if is_half(dtype) or dtype in (np.float32, COMPLEX64) else COMPLEX128


def _factor(n: int, norm: Any, forward: bool) -> float:
    """What a transform of length n is multiplied by; raises ArgumentError for other norms."""
    if norm not in NORMS:
        raise ArgumentError(
            f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".'
        )
    if norm == "ortho":
        return 1 / math.sqrt(n)
    return 1 / n if (norm == "forward") == forward else 1.0


def _resized(x: Value, axis: int, length: int) -> Value:
    """An axis cut, or filled with zeros, to a length."""
    n, none = x.shape[axis], (0,) * x.ndim
    if length < n:
        stop = (*x.shape[:axis], length, *x.shape[axis + 1 :])
        return x.slice(start=none, stop=stop, step=(1,) * x.ndim)
    high = (*none[:axis], length - n, *none[axis + 1 :])
    return x if length == n else x.pad(0, low=none, high=high, interior=none)


def transformed(x: Value, kind: str, n: int, axis: int, norm: Any) -> Value:
    """The transform of length n along an axis, scaled as `norm` says."""
    if n < 1:
        raise ArgumentError(f"Invalid number of FFT data points ({n}) specified.")
    dtype = _complex_dtype(x.dtype)
    if kind == "real" and x.type.is_complex:
        raise DTypeError(
            f"rfft takes real numbers, got {x.type}; use fft, or take np.real(x) first"
        )
    given = x.to(real_dtype(dtype) if kind == "real" else dtype)
    length = n // 2 + 1 if kind == "halved" else n
    found = _resized(given, axis, length).fft(kind=kind, n=n, axis=axis)
    factor = _factor(n, norm, kind in ("forward", "real"))
    scaled = found if factor == 1 else _scaled(found, factor)
    if kind == "halved" and is_half(x.dtype):  # where NumPy rounds the result
        scaled = scaled.to(x.dtype)
    return scaled


def _scaled(x: Value, factor: float) -> Value:
    """x times a real number, part by part."""
    if not x.type.is_complex:
        return x.mul(factor)
    return x.real().mul(factor).complex(x.imag().mul(factor))


def _one_axis(kind: str) -> Callable[..., Any]:
    def transform(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
        refuse(kind, out=out)
        value = materialise(a)
        place = normal_axis(axis, value.ndim)
        return wrapped(transformed(value, kind, _length(value, kind, n, place), place, norm))

    return transform


def _length(x: Value, kind: str, n: Any, axis: int) -> int:
    if n is not None:
        return integer(n, "n")
    return 2 * (x.shape[axis] - 1) if kind == "halved" else x.shape[axis]


fft = function(np.fft.fft)(_one_axis("forward"))
ifft = function(np.fft.ifft)(_one_axis("backward"))
rfft = function(np.fft.rfft)(_one_axis("real"))
irfft = function(np.fft.irfft)(_one_axis("halved"))


@function(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """The transform of what has a conjugate for each number: real numbers."""
    refuse("hfft", out=out)
    value = materialise(a)
    place = normal_axis(axis, value.ndim)
    length = _length(value, "halved", n, place)
    value = value.conj() if value.type.is_complex else value
    return wrapped(transformed(value, "halved", length, place, _swapped(norm)))


@function(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """The inverse of hfft."""
    refuse("ihfft", out=out)
    value = materialise(a)
    place = normal_axis(axis, value.ndim)
    length = _length(value, "real", n, place)
    return wrapped(transformed(value, "real", length, place, _swapped(norm)).conj())


def _swapped(norm: Any) -> Any:
    return SWAPPED[norm] if norm in NORMS else norm


# several axes


def _lengths(x: Value, s: Any, axes: Any, halved: bool = False) -> tuple[list[int], list[int]]:
    """The length of the transform along each axis, and the axes, as NumPy takes them."""
    if axes is None:
        places = range(x.ndim) if s is None else range(-len(s), 0)
    else:
        places = axes if isinstance(axes, Sequence) else (axes,)
    found = [normal_axis(a, x.ndim) for a in places]
    if s is None:
        lengths = [x.shape[a] for a in found]
        if halved and found:
            lengths[-1] = 2 * (x.shape[found[-1]] - 1)
        return lengths, found
    if len(s) != len(found):
        raise ShapeError("Shape and axes have different lengths.")
    given = [
        x.shape[a] if n is None else integer(n, "an entry of s")
        for n, a in zip(s, found, strict=True)
    ]
    return [x.shape[a] if n == -1 else n for n, a in zip(given, found, strict=True)], found


def _several(kind: str) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None
    ) -> Any:
        refuse("fftn", out=out)
        value = materialise(a)
        lengths, places = _lengths(value, s, axes, kind == "halved")
        pairs = list(zip(lengths, places, strict=True))
        if kind == "halved":
            *rest, (n, place) = pairs
            for length, axis in rest:
                value = transformed(value, "backward", length, axis, norm)
            return wrapped(transformed(value, "halved", n, place, norm))
        if kind == "real":
            n, place = pairs.pop()
            value = transformed(value, "real", n, place, norm)
        direction = "forward" if kind == "real" else kind
        for length, axis in reversed(pairs):
            value = transformed(value, direction, length, axis, norm)
        if not places:
            value = value.to(_complex_dtype(value.dtype))
        return wrapped(value)

    return transform


def _plane(several: Callable[..., Any]) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None
    ) -> Any:
        return several(a, s, axes, norm, out)

    return transform


fftn = function(np.fft.fftn)(_several("forward"))
ifftn = function(np.fft.ifftn)(_several("backward"))
rfftn = function(np.fft.rfftn)(_several("real"))
irfftn = function(np.fft.irfftn)(_several("halved"))
fft2 = function(np.fft.fft2)(_plane(fftn))
ifft2 = function(np.fft.ifft2)(_plane(ifftn))
rfft2 = function(np.fft.rfft2)(_plane(rfftn))
irfft2 = function(np.fft.irfft2)(_plane(irfftn))


# shifts


def _shifted(x: Any, axes: Any, inverse: bool) -> Any:
    found = operand(x)
    if axes is None:
        axes = tuple(range(found.ndim))
    places = [axes] if isinstance(axes, int | np.integer) else list(axes)
    lengths = [found.shape[normal_axis(a, found.ndim)] for a in places]
    shifts = [-(n // 2) if inverse else n // 2 for n in lengths]
    return roll(x, tuple(shifts), tuple(places))


@function(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """The frequency 0 in the middle."""
    return _shifted(x, axes, inverse=False)


@function(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of fftshift."""
    return _shifted(x, axes, inverse=True)


FIXED.update(
    (np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft, np.fft.fftn,
     np.fft.ifftn, np.fft.rfftn, np.fft.irfftn, np.fft.fft2, np.fft.ifft2, np.fft.rfft2,
     np.fft.irfft2, np.fft.fftshift, np.fft.ifftshift)
)  # fmt: skip
