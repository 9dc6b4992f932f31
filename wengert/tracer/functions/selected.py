"""NumPy's functions of x[mask] and of np.nonzero(mask), whose lengths are known only at run time.

A selection is the whole array beside its mask (`masks.py`). Functions of elements work on the
whole; sums and their kin leave out what is not selected; running sums skip it. Places, which
np.nonzero gives, are a selection of the numbers of elements: as an index they are the mask again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.tracer.functions.choosing import MASK_CURE, data_dependent
from wengert.tracer.functions.masks import SELECTED, Places, Selection, too_long
from wengert.tracer.functions.operands import iota, materialise, wrapped
from wengert.tracer.tables import function, method

_EVERY = range(9)
_BY_ELEMENT: dict[Callable[..., Any], Sequence[int]] = {
    **dict.fromkeys(
        (np.where, np.clip, np.round, np.around, np.fix, np.nan_to_num, np.real, np.imag, np.angle,
         np.isclose, np.sinc, np.i0, np.isposinf, np.isneginf, np.select),
        _EVERY,
    ),
    **dict.fromkeys((np.zeros_like, np.ones_like, np.empty_like, np.full_like), (0,)),
    **dict.fromkeys((np.interp, np.digitize, np.isin), (0,)),
    **dict.fromkeys((np.polyval, np.searchsorted), (1,)),
}  # fmt: skip
"""Functions of elements, and which arguments they take one element of at a time."""


def _by_element(func: Any, own: Sequence[int]) -> Callable[..., Any]:
    def of_whole(first: Selection, *args: Any, **kwargs: Any) -> Any:
        wholes = [first.whole_of(x) if k in own else x for k, x in enumerate(args)]
        return Selection(func(*wholes, **kwargs), first.mask)

    return of_whole


for _function, _own in _BY_ELEMENT.items():
    SELECTED[_function] = _by_element(_function, _own)


def _selects(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers what functions do with a selection, which comes first."""

    def decorate(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for f in functions:
            SELECTED[f] = implementation
        return implementation

    return decorate


def _filled(x: Selection, value: Any) -> Any:
    """The whole array, with `value` in place of what is not selected."""
    return np.where(x.trailing, x.whole, np.asarray(value, x.dtype))


@_selects(np.count_nonzero)
def _count(first: Selection, x: Selection) -> Any:
    return np.count_nonzero(_filled(x, 0))


@_selects(np.ptp)
def _range(first: Selection, x: Selection) -> Any:
    return x.max() - x.min()


@_selects(np.average)
def _average(first: Selection, a: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return a.mean(axis)
    return (a * weights).sum(axis) / weights.sum(axis)


@_selects(np.linalg.norm)
def _norm(first: Selection, x: Selection, ord: Any = None) -> Any:  # noqa: A002
    if ord is not None and (x.ndim != 1 or ord < 1):
        too_long("this norm of x[mask]")
    return np.linalg.norm(np.ravel(_filled(x, 0)), ord)


@_selects(np.dot, np.vdot, np.inner, np.matmul)
def _dot(first: Selection, a: Any, b: Any) -> Any:
    if not all(isinstance(x, Selection) and x.ndim == 1 for x in (a, b)):
        too_long("a product of x[mask] with an array")
    return (a * b).sum()


@_selects(np.cumsum)
def _cumsum(first: Selection, a: Selection, axis: Any = None) -> Any:
    return _running(np.cumsum, a, 0)


@_selects(np.cumprod)
def _cumprod(first: Selection, a: Selection, axis: Any = None) -> Any:
    return _running(np.cumprod, a, 1)


def _running(func: Any, a: Selection, neutral: int) -> Any:
    x = _line(a, f"np.{func.__name__}")
    return Selection(func(_filled(x, neutral)), x.mask)


def _line(a: Selection, what: str) -> Selection:
    """A selection of numbers, as one of a vector."""
    if a.ndim != 1:
        too_long(f"{what} of x[mask] with more than one axis")
    return a.rows


@_selects(np.argmax)
def _argmax(first: Selection, a: Selection) -> Any:
    return _rank_of(a, np.argmax)


@_selects(np.argmin)
def _argmin(first: Selection, a: Selection) -> Any:
    return _rank_of(a, np.argmin)


def _rank_of(a: Selection, find: Any) -> Any:
    """Of the extreme element, how many selected ones come before it."""
    x = _line(a, f"np.{find.__name__}")
    place = find(_filled(x, x.extreme("max" if find is np.argmax else "min")))
    return np.cumsum(x.mask)[place] - 1


@_selects(np.sort)
def _sort(first: Selection, a: Selection) -> Any:
    x = _line(a, "np.sort")
    return Selection(_in_order(x)[np.maximum(np.cumsum(x.mask) - 1, 0)], x.mask)


def _in_order(x: Selection) -> Any:
    """The selected elements in order, before all others."""
    return np.sort(_filled(x, x.extreme("min")))


@_selects(np.median)
def _median(first: Selection, a: Selection) -> Any:
    return _quantile(first, a, 0.5)


@_selects(np.percentile)
def _percentile(first: Selection, a: Selection, q: Any) -> Any:
    return _quantile(first, a, np.asarray(q) / 100)


@_selects(np.quantile)
def _quantile(first: Selection, a: Selection, q: Any) -> Any:
    """Between the two elements around the place q (n - 1) in the order."""
    x = _line(a, "a quantile")
    x = Selection(x.whole * 1.0, x.mask)
    last = np.maximum(x.size - 1, 0)
    place = q * last
    below = np.floor(place).astype(int)
    ordered = _in_order(x)
    low, high = ordered[below], ordered[np.minimum(below + 1, last)]
    wrong = np.any(np.isnan(x.whole) & x.mask) | (x.size == 0)
    return np.where(wrong, np.nan, np.where(low == high, low, low + (high - low) * (place - below)))


# places


@function(np.nonzero)
@method("nonzero")
def nonzero(a: Any) -> tuple[Any, ...]:
    """The places where `a` is not 0, along each axis, as selections of numbers."""
    value = wrapped(materialise(a))
    mask = value if value.dtype == np.bool_ else value != 0
    shape = mask.type.shape
    return tuple([Places(wrapped(iota(shape, axis)), mask) for axis in range(len(shape))])


@function(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """The places where `a` is not 0, as numbers of its elements."""
    return nonzero(np.ravel(wrapped(materialise(a))))[0]


for _function in (np.argwhere, np.extract):
    function(_function)(data_dependent(_function.__name__, MASK_CURE.format(_function.__name__)))
