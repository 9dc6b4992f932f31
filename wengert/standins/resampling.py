"""Samples at other rates, and filters in sections there and back: `scipy.signal`."""

from __future__ import annotations

import importlib
import math
import operator
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.standins.filters import continued, sosfilt
from wengert.standins.functions import is_known
from wengert.standins.tables import in_floats, known, stands_in

_LEVELS = {"mean": np.mean, "median": np.median, "minimum": np.min, "maximum": np.max}


@stands_in("signal")
def upfirdn(
    h: Any,
    x: Any,
    up: int = 1,
    down: int = 1,
    axis: int = -1,
    mode: str = "constant",
    cval: Any = 0,
) -> Any:
    """The samples with zeros between them, filtered, of which every so many are left.

    For each result only the coefficients that meet a sample are taken.
    """
    if mode != "constant" or (is_known(cval) and cval != 0) or not is_known(cval):
        raise ArgumentError("upfirdn of traced values has zeros around the samples")
    up, down = operator.index(up), operator.index(down)
    if up < 1 or down < 1:
        raise ArgumentError("Both up and down must be >= 1")
    taps, rows = in_floats(h), np.moveaxis(in_floats(x), axis, -1)
    if taps.ndim != 1 or not taps.shape[0]:
        raise ShapeError("h must be 1-D with non-zero length")
    n, m = rows.shape[-1], taps.shape[0]
    count = ((n - 1) * up + m - 1) // down + 1
    each = -(-m // up)
    at = down * np.arange(count)[:, None]
    samples = at // up - np.arange(each)
    filled = np.pad(taps, (0, each * up - m))[at % up + up * np.arange(each)]
    inside = (samples >= 0) & (samples < n)
    chosen = rows[..., np.where(inside, samples, 0)] * inside.astype(rows.real.dtype)
    return np.moveaxis(np.sum(chosen * filled, axis=-1), -1, axis)


@stands_in("signal")
def resample_poly(
    x: Any,
    up: int,
    down: int,
    axis: int = 0,
    window: Any = ("kaiser", 5.0),
    padtype: str = "constant",
    cval: Any = None,
) -> Any:
    """The samples at up / down times their rate, by a filter without delay."""
    x = in_floats(x)
    if up != int(up) or down != int(down) or up < 1 or down < 1:
        raise ArgumentError(f"up and down must be integers of at least 1, got {up} and {down}")
    common = math.gcd(int(up), int(down))
    up, down = int(up) // common, int(down) // common
    if up == down == 1:
        return x.copy()
    if isinstance(window, str | tuple):
        rate = max(up, down)
        half = 10 * rate
        firwin = importlib.import_module("scipy.signal").firwin
        taps = firwin(2 * half + 1, 1.0 / rate, window=window)
    else:
        taps = known("a window", window)
        half = (taps.size - 1) // 2
    taps = taps.astype(x.real.dtype) * up
    level = _level(x, axis, padtype, cval)
    n = x.shape[axis]
    wanted = -(-n * up // down)
    before = down - half % down
    removed = (half + before) // down
    after = max(0, (wanted + removed - 1) * down + 1 - (n - 1) * up - taps.size - before)
    taps = np.concatenate([np.zeros(before), taps, np.zeros(after)]).astype(taps.dtype)
    found = np.moveaxis(upfirdn(taps, x - level, up, down, axis), axis, -1)
    return np.moveaxis(found[..., removed : removed + wanted], -1, axis) + level


def _level(x: Any, axis: int, padtype: str, cval: Any) -> Any:
    """What is taken to be around the samples."""
    if padtype == "constant" and (cval is None or (is_known(cval) and cval == 0)):
        return 0.0
    if cval is not None:
        raise ArgumentError("cval has no effect when padtype is " + padtype)
    if padtype not in _LEVELS:
        raise ArgumentError(
            f"resample_poly of traced values takes padtype 'constant', {', '.join(_LEVELS)}; not "
            f"{padtype!r}"
        )
    return _LEVELS[padtype](x, axis=axis, keepdims=True)


@stands_in("signal")
def sosfiltfilt(
    sos: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None
) -> Any:
    """Filters in sections forwards, then backwards."""
    sections = known("sosfiltfilt", sos)
    zeros = min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum())
    taps = 2 * sections.shape[0] + 1 - int(zeros)
    count = 0 if padtype is None else 3 * taps if padlen is None else padlen
    rows = np.moveaxis(in_floats(x), axis, 0)
    if rows.shape[0] <= count:
        raise ArgumentError(
            f"The length of the input vector x must be greater than padlen, which is {count}."
        )
    rows = continued(rows, padtype, count)
    start = importlib.import_module("scipy.signal").sosfilt_zi(sections)
    start = start.reshape((*start.shape, *(1,) * (rows.ndim - 1)))
    there, _ = sosfilt(sections, rows, 0, start * rows[:1])
    back, _ = sosfilt(sections, there[::-1], 0, start * there[-1:])
    found = back[::-1]
    return np.moveaxis(found[count : found.shape[0] - count], 0, axis)


@stands_in("signal")
def decimate(
    x: Any,
    q: int,
    n: int | None = None,
    ftype: Any = "iir",
    axis: int = -1,
    zero_phase: bool = True,
) -> Any:
    """Every q-th sample, after a low-pass filter."""
    x, q = in_floats(x), operator.index(q)
    signal = importlib.import_module("scipy.signal")
    if ftype == "fir":
        taps = signal.firwin((20 * q if n is None else n) + 1, 1.0 / q, window="hamming")
        taps = taps.astype(x.real.dtype)
        if zero_phase:
            return resample_poly(x, 1, q, axis, taps)
        found = np.moveaxis(upfirdn(taps, x, 1, q, axis), axis, -1)
        return np.moveaxis(found[..., : -(-x.shape[axis] // q)], -1, axis)
    if ftype != "iir":
        raise ArgumentError(f"decimate of traced values takes ftype 'iir' or 'fir', not {ftype!r}")
    sections = signal.cheby1(8 if n is None else n, 0.05, 0.8 / q, output="sos")
    sections = sections.astype(x.real.dtype)
    found = sosfiltfilt(sections, x, axis) if zero_phase else sosfilt(sections, x, axis)
    return np.moveaxis(np.moveaxis(found, axis, -1)[..., ::q], -1, axis)
