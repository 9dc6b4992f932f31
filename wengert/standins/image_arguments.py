"""What the arguments of `scipy.ndimage` mean: axes, sequences for them, borders and `output`.

SciPy computes in float64 and stores in the dtype of the image, after each axis, unless `output`
says otherwise.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from wengert.errors import ArgumentError, AxisRangeError, ShapeError
from wengert.ir.floats import kind_of
from wengert.numpy import asarray
from wengert.tracer.functions.operands import holds_tracers

_BORDERS = {
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "edge",
    "mirror": "reflect",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}


def axis_of(axis: Any, ndim: int) -> int:
    """An axis counted from the front."""
    found = operator.index(axis)
    if not -ndim <= found < ndim:
        raise AxisRangeError(f"axis {found} is out of bounds for an image of {ndim} dimensions")
    return found % ndim


def axes_of(axes: Any, ndim: int) -> tuple[int, ...]:
    """The axes to filter along: all, one or some."""
    if axes is None:
        return tuple(range(ndim))
    found = tuple(axis_of(d, ndim) for d in ([axes] if np.ndim(axes) == 0 else axes))
    if len(set(found)) != len(found):
        raise ArgumentError(f"axes must be unique, got {axes}")
    return found


def for_each(name: str, given: Any, count: int) -> list[Any]:
    """One argument for each of so many axes, which may be given as one for all."""
    if not isinstance(given, list | tuple) and not getattr(given, "ndim", 0):
        return [given] * count
    if len(given) != count:
        raise ArgumentError(f"{name} has {len(given)} elements, but there are {count} axes")
    return list(given)


def one_mode(mode: Any) -> str:
    """A mode that is the same for all axes."""
    if not isinstance(mode, str):
        raise ArgumentError(f"filters that take their axes at once take one mode, not {mode!r}")
    return mode


def before(size: int, origin: Any) -> int:
    """How many neighbours of a filter lie before an element."""
    if size < 1:
        raise ArgumentError(f"a filter needs a size of 1 or more, not {size}")
    found = size // 2 + operator.index(origin)
    if not 0 <= found < size:
        raise ArgumentError(
            f"origin {origin} moves a filter of {size} elements off the element it is for"
        )
    return found


def around(x: Any, widths: Sequence[tuple[int, int]], mode: str, cval: Any) -> Any:
    """The array with what its mode says is around it."""
    if mode not in _BORDERS:
        raise ArgumentError(f"mode is one of {', '.join(_BORDERS)}, not {mode!r}")
    if not x.shape:
        return x
    if x.dtype.kind != "c" and np.iscomplexobj(cval):
        raise ArgumentError(f"what is around a real image must be real, but cval is {cval}")
    if _BORDERS[mode] == "constant" or 0 in x.shape:
        return np.pad(x, widths, constant_values=cval)
    return np.pad(x, widths, mode=cast("Any", _BORDERS[mode]))


def neighbours(
    x: Any, shape: Sequence[int], origins: Sequence[Any], mode: str, cval: Any
) -> Callable[[Sequence[int]], Any]:
    """What gives, for a place in a filter of a shape, the neighbour there of each element."""
    starts = [before(n, o) for n, o in zip(shape, origins, strict=True)]
    room = around(x, [(b, n - 1 - b) for b, n in zip(starts, shape, strict=True)], mode, cval)
    return lambda place: room[tuple(slice(i, i + n) for i, n in zip(place, x.shape, strict=True))]


def over_all_axes(what: str, weights: Any, origin: Any, axes: Any, ndim: int) -> tuple[Any, Any]:
    """A filter's array and its origins for all axes, from those for some; `what` begins a sentence
    on its dimensions."""
    along = axes_of(axes, ndim)
    if weights.ndim != len(along):
        raise ShapeError(f"{what} {weights.ndim} dimensions for {len(along)} axes")
    origins = [0] * ndim
    for axis, at in zip(along, for_each("origin", origin, len(along)), strict=True):
        origins[axis] = operator.index(at)
    return np.expand_dims(weights, tuple(d for d in range(ndim) if d not in along)), origins


def _is_array(output: Any) -> bool:
    return hasattr(output, "shape") and not isinstance(output, type | np.dtype)


def dtype_for(x: Any, output: Any, is_complex: bool = False) -> np.dtype[Any]:
    """The dtype in which a result is stored: that of the image, or what `output` says."""
    if output is None:
        found = x.dtype
    elif _is_array(output):
        found = output.dtype
    else:
        found = np.dtype(output)
    if not is_complex or found.kind == "c":
        return found
    if _is_array(output) or isinstance(output, str):
        raise ArgumentError(f"the result is complex, but output asks for {found}")
    return np.promote_types(found, np.complex64)


def kept(found: Any, dtype: np.dtype[Any], rounded: bool = False) -> Any:
    """What was computed in float64, as elements of a dtype: cut off as C does, or rounded."""
    if kind_of(dtype) in "fc":
        return found.astype(dtype)
    if kind_of(found.dtype) not in "fc":
        found = found.astype(np.float64)
    if rounded and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        found = np.clip(np.trunc(found + np.copysign(0.5, found)), limits.min, limits.max)
    return np.trunc(found).astype(dtype)


def given_back(found: Any, output: Any) -> Any:
    """A result, written to the array `output` if there is one."""
    if not _is_array(output):
        return found
    if not holds_tracers([output]):
        raise ArgumentError("output must be an array that the traced function made, or a dtype")
    if output.shape != found.shape:
        raise ArgumentError(f"output has the shape {output.shape}, the result {found.shape}")
    output[...] = found
    return output


def as_image(x: Any) -> Any:
    """The array of a first argument."""
    return asarray(x)


def wide(x: Any) -> Any:
    """In the precision in which SciPy computes."""
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
