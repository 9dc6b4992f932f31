"""Neighbours in order, and grey morphology: `scipy.ndimage`, and `scipy.signal`'s medfilt.

A result is one of the neighbours, and moves as that one does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.numpy import asarray
from wengert.standins.image_arguments import (
    as_image,
    axes_of,
    dtype_for,
    for_each,
    given_back,
    kept,
    neighbours,
    one_mode,
    over_all_axes,
)
from wengert.standins.neighbours import at_border, image, maximum_filter, minimum_filter
from wengert.standins.tables import known, stands_in


def _where(footprint: Any, size: Any, count: int) -> np.ndarray[Any, Any]:
    """The neighbours that count."""
    if footprint is not None:
        return known("a filter", footprint) != 0
    if size is None:
        raise ArgumentError("filters of neighbours need a size or a footprint")
    return np.ones(tuple(int(n) for n in for_each("size", size, count)), bool)


def _in_order(
    name: str, x: Any, rank_of: Callable[[int], int], footprint: Any, size: Any, output: Any,
    mode: Any, cval: Any, origin: Any, axes: Any,
) -> Any:  # fmt: skip
    """The neighbour of each element that has this place in order."""
    where = _where(footprint, size, len(axes_of(axes, as_image(x).ndim)))
    found = image(name, x)
    where, origins = over_all_axes("a footprint of", where, origin, axes, found.ndim)
    places = np.argwhere(where)
    if not len(places):
        raise ArgumentError("a footprint needs an element")
    rank = rank_of(len(places))
    if not 0 <= rank < len(places):
        raise ArgumentError("rank not within filter footprint size")
    at = neighbours(found, where.shape, origins, one_mode(mode), at_border(cval, found.dtype))
    beside = np.sort(np.stack([at(place.tolist()) for place in places]), axis=0)
    return given_back(kept(beside[rank], dtype_for(found, output)), output)


@stands_in("ndimage")
def median_filter(
    input: Any,  # noqa: A002
    size: Any = None,
    footprint: Any = None,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Any:
    """The neighbour in the middle of the order."""
    given = (footprint, size, output, mode, cval, origin, axes)
    return _in_order("median_filter", input, lambda n: n // 2, *given)


@stands_in("ndimage")
def rank_filter(
    input: Any,  # noqa: A002
    rank: int,
    size: Any = None,
    footprint: Any = None,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Any:
    """The neighbour at a place of the order, counted from its end where negative."""
    place = operator.index(rank)
    given = (footprint, size, output, mode, cval, origin, axes)
    return _in_order("rank_filter", input, lambda n: place + n * (place < 0), *given)


@stands_in("ndimage")
def percentile_filter(
    input: Any,  # noqa: A002
    percentile: float,
    size: Any = None,
    footprint: Any = None,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Any:
    """The neighbour above a share of the order, in percent."""
    share = float(percentile) + 100.0 * (percentile < 0)
    if not 0 <= share <= 100:
        raise ArgumentError("invalid percentile")
    given = (footprint, size, output, mode, cval, origin, axes)
    return _in_order(
        "percentile_filter",
        input,
        lambda n: n - 1 if share == 100 else int(float(n) * share / 100.0),
        *given,
    )


@stands_in("signal", "medfilt", "medfilt2d")
def medfilt(volume: Any, kernel_size: Any = None) -> Any:
    """The median of neighbours, with zeros around."""
    x = asarray(volume)
    sizes = [
        int(n) for n in for_each("kernel_size", 3 if kernel_size is None else kernel_size, x.ndim)
    ]
    if any(n % 2 == 0 for n in sizes):
        raise ArgumentError("Each element of kernel_size should be odd.")
    return median_filter(x, tuple(sizes), mode="constant")


# Grey morphology: the smallest or largest neighbour, less or plus what a structure has there.


def _with_structure(
    x: Any, structure: Any, where: Any, largest: bool, mode: str, cval: Any, origins: Any
) -> Any:
    at = neighbours(x, structure.shape, origins, mode, at_border(cval, x.dtype))
    total: Any = None
    for place in np.argwhere(where).tolist():
        height = structure[tuple(place)]
        one = at(place) + height if largest else at(place) - height
        total = one if total is None else (np.maximum if largest else np.minimum)(total, one)
    return total


def _grey(name: str, largest: bool) -> Callable[..., Any]:
    def filtered(
        input: Any,  # noqa: A002
        size: Any = None,
        footprint: Any = None,
        structure: Any = None,
        output: Any = None,
        mode: Any = "reflect",
        cval: Any = 0.0,
        origin: Any = 0,
        *,
        axes: Any = None,
    ) -> Any:
        """The smallest (erosion) or largest (dilation) neighbour."""
        if size is None and footprint is None and structure is None:
            raise ArgumentError("size, footprint, or structure must be specified")
        x = image(name, input)
        along = axes_of(axes, x.ndim)
        origins = [operator.index(o) for o in for_each("origin", origin, len(along))]
        heights = None if structure is None else asarray(structure)
        shape = heights.shape if heights is not None else _where(footprint, size, len(along)).shape
        where = np.ones(shape, bool) if footprint is None else known("a filter", footprint) != 0
        if largest:  # the structure is turned round
            turned = (slice(None, None, -1),) * len(shape)
            where, heights = where[turned], None if heights is None else heights[turned]
            origins = [-o - (n % 2 == 0) for o, n in zip(origins, shape, strict=True)]
        if heights is None:
            plain = maximum_filter if largest else minimum_filter
            box = {"size": shape} if footprint is None else {"footprint": where}
            return plain(x, output=output, mode=mode, cval=cval, origin=origins, axes=along, **box)
        if len(shape) != x.ndim:
            raise ShapeError(f"a structure of {len(shape)} dimensions for an image of {x.ndim}")
        whole = _with_structure(x, heights, where, largest, one_mode(mode), cval, origins)
        return given_back(kept(whole, dtype_for(x, output)), output)

    filtered.__name__ = name
    return filtered


grey_erosion = stands_in("ndimage", "grey_erosion")(_grey("grey_erosion", False))
grey_dilation = stands_in("ndimage", "grey_dilation")(_grey("grey_dilation", True))


def _together(name: str, join: Callable[..., Any]) -> Callable[..., Any]:
    def combined(
        input: Any,  # noqa: A002
        size: Any = None,
        footprint: Any = None,
        structure: Any = None,
        output: Any = None,
        mode: Any = "reflect",
        cval: Any = 0.0,
        origin: Any = 0,
        *,
        axes: Any = None,
    ) -> Any:
        """Made of erosions and dilations."""
        x = image(name, input)
        options = {"mode": mode, "cval": cval, "origin": origin, "axes": axes}

        def erode(y: Any) -> Any:
            return grey_erosion(y, size, footprint, structure, **options)

        def dilate(y: Any) -> Any:
            return grey_dilation(y, size, footprint, structure, **options)

        return given_back(kept(join(x, erode, dilate), dtype_for(x, output)), output)

    return combined


_JOINS: dict[str, Callable[..., Any]] = {
    "grey_opening": lambda x, erode, dilate: dilate(erode(x)),
    "grey_closing": lambda x, erode, dilate: erode(dilate(x)),
    "morphological_gradient": lambda x, erode, dilate: dilate(x) - erode(x),
    "morphological_laplace": lambda x, erode, dilate: dilate(x) + erode(x) - 2 * x,
    "white_tophat": lambda x, erode, dilate: x - dilate(erode(x)),
    "black_tophat": lambda x, erode, dilate: erode(dilate(x)) - x,
}
for _name, _join in _JOINS.items():
    stands_in("ndimage", _name)(_together(_name, _join))
