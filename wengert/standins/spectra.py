"""Spectra of segments of samples: `scipy.signal`'s welch, stft and their kin.

Segments are rows of an array, from which a mean or a line is taken and which are weighted by a
window and transformed. P. D. Welch, IEEE Transactions on Audio and Electroacoustics 15, 1967.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.ir.floats import kind_of
from wengert.standins.filters import detrend as _detrended
from wengert.standins.functions import called_with
from wengert.standins.tables import in_floats, known, stands_in


@dataclass(frozen=True)
class Segments:
    """How samples are cut, weighted and transformed; `fs` samples in a unit of time."""

    length: int
    step: int
    window: np.ndarray[Any, Any]
    bins: int
    detrend: Any
    onesided: bool
    scale: Any

    def transformed(self, x: Any) -> Any:
        """Spectra of all segments along the last axis: (..., segments, frequencies)."""
        count = (x.shape[-1] - self.length) // self.step + 1
        places = self.step * np.arange(count)[:, None] + np.arange(self.length)
        rows = x[..., places]
        if self.detrend:
            rows = (
                called_with(self.detrend)(rows)
                if callable(self.detrend)
                else _detrended(rows, -1, self.detrend)
            )
        rows = rows * self.window.astype(rows.real.dtype)
        forward = np.fft.rfft if self.onesided else np.fft.fft
        return forward(rows, self.bins, -1)

    def doubled(self, power: Any) -> Any:
        """The power with that of negative frequencies, which are those of positive ones."""
        if not self.onesided:
            return power
        inner = np.ones(self.bins // 2 + 1)
        inner[1 : None if self.bins % 2 else -1] = 2.0
        return power * inner.astype(power.real.dtype)


def _window(window: Any, nperseg: Any, length: int) -> tuple[np.ndarray[Any, Any], int]:
    """The window's weights and the length of segments."""
    if isinstance(window, str | tuple):
        n = 256 if nperseg is None else int(nperseg)
        if n < 1:
            raise ArgumentError("nperseg must be a positive integer")
        n = min(n, length)
        return importlib.import_module("scipy.signal").get_window(window, n), n
    weights = known("a window", window)
    if weights.ndim != 1:
        raise ShapeError("window must be 1-D")
    if length < weights.size:
        raise ShapeError("window is longer than input signal")
    if nperseg is not None and nperseg != weights.size:
        raise ArgumentError("value specified for nperseg is different from length of window")
    return weights, weights.size


def _segments(
    x: Any, fs: Any, window: Any, nperseg: Any, noverlap: Any, nfft: Any, detrend: Any,
    onesided: bool, scaling: str,
) -> Segments:  # fmt: skip
    weights, n = _window(window, nperseg, x.shape[-1])
    overlap = n // 2 if noverlap is None else int(noverlap)
    if overlap >= n:
        raise ArgumentError("noverlap must be less than nperseg.")
    bins = n if nfft is None else int(nfft)
    if bins < n:
        raise ArgumentError("nfft must be greater than or equal to nperseg.")
    if scaling == "density":
        scale = 1.0 / (fs * (weights * weights).sum())
    elif scaling == "spectrum":
        scale = 1.0 / weights.sum() ** 2
    else:
        raise ArgumentError(f"Unknown scaling: {scaling!r}")
    one = onesided and kind_of(x.dtype) != "c"
    return Segments(n, n - overlap, weights, bins, detrend, one, scale)


def _frequencies(cut: Segments, fs: Any) -> Any:
    every = np.fft.rfftfreq if cut.onesided else np.fft.fftfreq
    return every(cut.bins) * fs


def _middles(cut: Segments, length: int, fs: Any) -> Any:
    count = (length - cut.length) // cut.step + 1
    return (cut.length / 2 + cut.step * np.arange(count)) / fs


def _powers(x: Any, y: Any, cut: Segments) -> Any:
    """The cross power of all segments, or the power where y is x."""
    first = cut.transformed(x)
    if y is x:
        found = first.real**2 + first.imag**2
    else:
        found = np.conj(first) * cut.transformed(y)
    return cut.doubled(found * np.asarray(cut.scale, found.real.dtype))


def _averaged(powers: Any, average: str) -> Any:
    if average == "mean":
        return np.mean(powers, axis=-2)
    if average != "median":
        raise ArgumentError(f"average must be 'median' or 'mean', got {average}")
    count = powers.shape[-2]
    terms = 2.0 * np.arange(1, (count - 1) // 2 + 1)
    bias = 1.0 + np.sum(1.0 / (terms + 1.0) - 1.0 / terms)
    if kind_of(powers.dtype) == "c":
        parts = np.median(powers.real, axis=-2) + 1j * np.median(powers.imag, axis=-2)
        return parts / bias
    return np.median(powers, axis=-2) / bias


def _samples(*arrays: Any, axis: int) -> list[Any]:
    """Arrays with the samples along the last axis, in floats."""
    found = [np.moveaxis(in_floats(x), axis, -1) for x in arrays]
    if any(x.shape[-1] == 0 for x in found):
        raise ShapeError("spectra need samples, and an array has none")
    if len({x.shape[-1] for x in found}) > 1:
        longest = max(x.shape[-1] for x in found)
        pads = [[(0, 0)] * (x.ndim - 1) + [(0, longest - x.shape[-1])] for x in found]
        found = [np.pad(x, pad) for x, pad in zip(found, pads, strict=True)]
    return found


def _cross(
    x: Any, y: Any, fs: Any, options: dict[str, Any], axis: int, average: str
) -> tuple[Any, Any]:
    if y is x:
        first = second = _samples(x, axis=axis)[0]
    else:
        first, second = _samples(x, y, axis=axis)
    either = first if kind_of(first.dtype) == "c" else second
    cut = _segments(either, fs, **options)
    found = _averaged(_powers(first, second, cut), average)
    return _frequencies(cut, fs), np.moveaxis(found, -1, axis)


def _spectral(name: str) -> Callable[..., Any]:
    """A function of SciPy's with these names of arguments and its defaults of windows."""

    def estimate(
        x: Any,
        y: Any,
        fs: Any = 1.0,
        window: Any = "hann_periodic",
        nperseg: Any = None,
        noverlap: Any = None,
        nfft: Any = None,
        detrend: Any = "constant",
        return_onesided: bool = True,
        scaling: str = "density",
        axis: int = -1,
        average: str = "mean",
    ) -> Any:
        options = {
            "window": window,
            "nperseg": nperseg,
            "noverlap": noverlap,
            "nfft": nfft,
            "detrend": detrend,
            "onesided": return_onesided,
            "scaling": scaling,
        }
        return _cross(x, y, fs, options, axis, average)

    estimate.__name__ = name
    return estimate


csd = stands_in("signal")(_spectral("csd"))


@stands_in("signal")
def welch(x: Any, *args: Any, **options: Any) -> Any:
    """The power spectrum as a mean over segments."""
    return csd(x, x, *args, **options)


@stands_in("signal")
def periodogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = "boxcar",
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> Any:
    """The power spectrum of all samples."""
    x = in_floats(x)
    n = x.shape[axis]
    if nfft is not None and nfft < n:
        x = np.moveaxis(np.moveaxis(x, axis, -1)[..., :nfft], -1, axis)
        n = nfft
    length = n if isinstance(window, str | tuple) else None
    given = (fs, "boxcar" if window is None else window, length, 0, nfft, detrend)
    return csd(x, x, *given, return_onesided, scaling, axis)


@stands_in("signal")
def coherence(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    axis: int = -1,
) -> Any:
    """How much two spectra have in common: |Pxy|^2 / (Pxx Pyy)."""
    options = (fs, window, nperseg, noverlap, nfft, detrend)
    places, first = csd(x, x, *options, axis=axis)
    _, second = csd(y, y, *options, axis=axis)
    _, both = csd(x, y, *options, axis=axis)
    return places, np.abs(both) ** 2 / first / second


@stands_in("signal")
def spectrogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = ("tukey_periodic", 0.25),
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    mode: str = "psd",
) -> Any:
    """The spectra of segments: frequencies, times and (..., frequencies, times)."""
    modes = ("psd", "complex", "magnitude", "angle", "phase")
    if mode not in modes:
        raise ArgumentError(f"unknown value for mode {mode}, must be one of {list(modes)}")
    (samples,) = _samples(x, axis=axis)
    weights, n = _window(window, nperseg, samples.shape[-1])
    overlap = n // 8 if noverlap is None else noverlap
    cut = _segments(samples, fs, weights, n, overlap, nfft, detrend, return_onesided, scaling)
    if mode == "psd":
        found = _powers(samples, samples, cut)
    else:
        found = cut.transformed(samples) * np.sqrt(cut.scale)
        if mode == "magnitude":
            found = np.abs(found)
        elif mode != "complex":
            found = np.angle(found)
            found = np.unwrap(found, axis=-2) if mode == "phase" else found
    found = np.swapaxes(found, -1, -2)
    found = found if axis in (-1, x.ndim - 1) else np.moveaxis(found, -2, axis)
    return _frequencies(cut, fs), _middles(cut, samples.shape[-1], fs), found


_BORDERS = {"even": "reflect", "constant": "edge", "zeros": "constant"}


def _extended(x: Any, boundary: str | None, width: int) -> Any:
    """Samples with more at both ends."""
    if boundary is None or not width:
        return x
    pad = [(0, 0)] * (x.ndim - 1) + [(width, width)]
    if boundary == "odd":
        left, right = x[..., width:0:-1], x[..., -2 : -(width + 2) : -1]
        ends = 2.0 * x[..., :1] - left, 2.0 * x[..., -1:] - right
        return np.concatenate([ends[0], x, ends[1]], axis=-1)
    if boundary not in _BORDERS:
        raise ArgumentError(
            f"Unknown boundary option '{boundary}', must be one of: even, odd, constant, zeros, "
            "None"
        )
    return np.pad(x, pad, mode=_BORDERS[boundary])  # pyright: ignore


@stands_in("signal")
def stft(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: Any = 256,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: str | None = "zeros",
    padded: bool = True,
    axis: int = -1,
    scaling: str = "spectrum",
) -> Any:
    """Transforms of segments: frequencies, times and (..., frequencies, times)."""
    names = {"psd": "density", "spectrum": "spectrum"}
    if scaling not in names:
        raise ArgumentError(f"Parameter {scaling=} not in ['spectrum', 'psd']!")
    (samples,) = _samples(x, axis=axis)
    weights, n = _window(window, nperseg, samples.shape[-1])
    cut = _segments(
        samples, fs, weights, n, noverlap, nfft, detrend, return_onesided, names[scaling]
    )
    room = _extended(samples, boundary, n // 2)
    if padded:
        more = -(room.shape[-1] - n) % cut.step % n
        room = np.pad(room, [(0, 0)] * (room.ndim - 1) + [(0, more)])
    found = np.swapaxes(cut.transformed(room) * np.sqrt(cut.scale), -1, -2)
    found = found if axis in (-1, x.ndim - 1) else np.moveaxis(found, -2, axis)
    shift = 0.0 if boundary is None else cut.length / 2 / fs
    return _frequencies(cut, fs), _middles(cut, room.shape[-1], fs) - shift, found


@stands_in("signal")
def istft(
    Zxx: Any,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
    scaling: str = "spectrum",
) -> Any:
    """The samples of transforms of segments: times and samples."""
    found = in_floats(Zxx)
    if found.ndim < 2:
        raise ShapeError("Input stft must be at least 2d!")
    rows = np.moveaxis(found, (time_axis, freq_axis), (-2, -1))
    bins = rows.shape[-1]
    default = 2 * (bins - 1) if input_onesided else bins
    n = default if nperseg is None else int(nperseg)
    whole = (default + (n == default + 1) if input_onesided else n) if nfft is None else int(nfft)
    if whole < n:
        raise ArgumentError("nfft must be greater than or equal to nperseg.")
    overlap = n // 2 if noverlap is None else int(noverlap)
    weights, _ = _window(window, n, n)
    step = n - overlap
    if scaling == "spectrum":
        factor = weights.sum()
    elif scaling == "psd":
        factor = np.sqrt(fs * (weights**2).sum())
    else:
        raise ArgumentError(f"Parameter {scaling=} not in ['spectrum', 'psd']!")
    back = np.fft.irfft if input_onesided else np.fft.ifft
    parts = back(rows, whole, -1)[..., :n] * (weights * factor)
    total = _laid_over(parts, step)
    norm = np.asarray(_known_norm(weights, rows.shape[-2], step))
    if boundary:
        inner = slice(n // 2, total.shape[-1] - n // 2)
        total, norm = total[..., inner], norm[inner]
    total = total / np.where(norm > 1e-10, norm, 1.0)
    time, frequency = time_axis % found.ndim, freq_axis % found.ndim
    if time != found.ndim - 1:
        total = np.moveaxis(total, -1, time - (frequency < time))
    return np.arange(total.shape[0]) / fs, total  # of the first axis, as SciPy's


def _known_norm(weights: np.ndarray[Any, Any], count: int, step: int) -> np.ndarray[Any, Any]:
    """The sum of the squares of the windows that lie over each sample."""
    norm = np.zeros(weights.size + (count - 1) * step)
    for k in range(count):
        norm[k * step : k * step + weights.size] += weights**2
    return norm


def _laid_over(parts: Any, step: int) -> Any:
    """The sum of rows, each of which begins some samples after the one before."""
    count, n = parts.shape[-2:]
    blocks = -(-n // step)
    wide = np.pad(parts, [(0, 0)] * (parts.ndim - 1) + [(0, blocks * step - n)])
    pieces = wide.reshape((*parts.shape[:-1], blocks, step))
    total: Any = None
    for k in range(blocks):
        pad = [(0, 0)] * (parts.ndim - 2) + [(k, blocks - 1 - k), (0, 0)]
        moved = np.pad(pieces[..., k, :], pad)
        total = moved if total is None else total + moved
    flat = total.reshape((*parts.shape[:-2], -1))
    return flat[..., : n + (count - 1) * step]
