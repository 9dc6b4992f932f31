"""Bits of bytes: packbits and unpackbits."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError
from wengert.tracer.functions.operands import flat_or_axis, integer, materialise, wrapped
from wengert.tracer.tables import function

BITS = 8


def _shifts(bitorder: str) -> Any:
    """How far each of eight bits is shifted to its place."""
    if bitorder not in ("big", "little"):
        raise ArgumentError(f"'order' must be either 'little' or 'big', not {bitorder!r}")
    shifts = np.arange(BITS, dtype=np.uint8)
    return shifts if bitorder == "little" else shifts[::-1]


@function(np.packbits)
def packbits(a: Any, /, axis: int | None = None, bitorder: str = "big") -> Any:
    """Whether elements are not 0, eight of them in a byte; zeros follow at the end of an axis."""
    shifts, value = _shifts(bitorder), materialise(a)
    if value.dtype.kind not in "biu":
        raise InputTypeError(f"packbits takes integers or booleans, got {value.type}")
    given, position = flat_or_axis(value, axis)
    bits = np.moveaxis((wrapped(given) != 0).astype(np.uint8), position, -1)
    missing = -bits.shape[-1] % BITS
    bits = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, missing)])
    groups = np.reshape(bits, (*bits.shape[:-1], bits.shape[-1] // BITS, BITS))
    return np.moveaxis(np.sum(groups << shifts, axis=-1, dtype=np.uint8), -1, position)


@function(np.unpackbits)
def unpackbits(
    a: Any, /, axis: int | None = None, count: int | None = None, bitorder: str = "big"
) -> Any:
    """The bits of bytes as bytes of 0 and 1; of them `count`, or without the last -`count`."""
    shifts, value = _shifts(bitorder), materialise(a)
    if value.dtype != np.uint8:
        raise InputTypeError(f"unpackbits takes uint8, got {value.type}")
    given, position = flat_or_axis(value, axis)
    bytes_ = np.moveaxis(wrapped(given), position, -1)
    bits = (bytes_[..., None] >> shifts) & np.uint8(1)
    bits = np.reshape(bits, (*bytes_.shape[:-1], BITS * bytes_.shape[-1]))
    if count is not None:
        bits = _cut(bits, integer(count, "count"))
    return np.moveaxis(bits, -1, position)


def _cut(bits: Any, count: int) -> Any:
    n = bits.shape[-1]
    if count < -n:
        raise ArgumentError(f"-count larger than number of elements: {n}")
    if count <= n:
        return bits[..., :count] if count >= 0 else bits[..., : n + count]
    return np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, count - n)])
