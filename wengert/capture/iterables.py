"""What stands for Python's `range`, `enumerate`, `zip`, ... and for functions of itertools.

Of what a compiled loop can run over they make another such sequence; of all else, what Python
makes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.capture.open_lists import items_of
from wengert.capture.scalars import is_traced
from wengert.capture.sequences import (
    Combinations,
    Count,
    Enumerate,
    Items,
    Later,
    Pairs,
    Part,
    Product,
    Range,
    Reversed,
    Zip,
    sequence,
)
from wengert.errors import CaptureError, located
from wengert.ir.types import INT64, Dim
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.stretches import Stretch
from wengert.tracer.lift import lift, wrap
from wengert.tracer.stack import current, user_location

Function = Callable[..., Any]


def _range(*args: Any) -> Any:
    """`range`"""
    if not any(map(is_traced, args)):
        return range(*args)
    step = args[2] if len(args) == 3 else 1
    start, stop = (0, args[0]) if len(args) == 1 else args[:2]
    return Range(*(_index(x) for x in (start, stop, step)))


def _index(x: Any) -> Any:
    if isinstance(x, Tracer):
        if x.dtype.kind not in "iu":
            raise located(
                CaptureError(f"range() takes integers, and got {x.type}; convert it with int()"),
                user_location(),
            )
        return enter(_as_index, x)
    return x if isinstance(x, Dim) else int(x)


def _as_index(x: Any) -> Any:
    return x if x.weak and x.dtype == INT64 else wrap(lift(x).to(INT64), True)


def _parts(items: Any) -> Any:
    """`items` as a sequence if a loop over it may be compiled, beside others that are traced."""
    found = sequence(items)
    if found is None and isinstance(items, (list, tuple)):
        return Items(items)
    return found


def _is_traced_sequence(items: Any) -> bool:
    made = (Range, Count, Enumerate, Zip, Reversed, Pairs, Part, Product)
    known = isinstance(items, (Tracer, Stretch, np.ndarray, range, *made))
    return known or items_of(items) is not None


def _enumerate(items: Any, start: Any = 0) -> Any:
    """`enumerate`"""
    if current() is None or not _is_traced_sequence(items):
        return enumerate(items, start)
    found = sequence(items)
    return enumerate(items, start) if found is None else Enumerate(found, start)


def _zip(*parts: Any, strict: bool = False) -> Any:
    """`zip`"""
    if current() is None or not any(map(_is_traced_sequence, parts)):
        return zip(*parts, strict=strict)
    # a count cannot be used again, so it is asked for when all others are known to be sequences
    if any(not isinstance(p, Count) and _parts(p) is None for p in parts):
        return zip(*parts, strict=strict)
    return Zip(tuple(_parts(p) for p in parts))


def _reversed(items: Any) -> Any:
    """`reversed`"""
    if isinstance(items, range):
        return items[::-1]
    if current() is None or not _is_traced_sequence(items):
        return reversed(items)
    found = sequence(items)
    return reversed(items) if found is None else Reversed(found)


def _ndindex(*shape: Any) -> Any:
    """`np.ndindex`"""
    plain = np.ndindex(*shape)
    if current() is None:
        return plain
    lengths = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    return Product(tuple([Range(0, int(n)) for n in lengths]), plain)


# itertools


def _product(*pools: Any, repeat: Any = 1) -> Any:
    """`itertools.product`"""
    if current() is None or type(repeat) is not int or not any(map(_is_traced_sequence, pools)):
        return itertools.product(*pools, repeat=repeat)
    listed = [p if _is_traced_sequence(p) else tuple(p) for p in pools]
    parts = [_parts(p) for p in listed]
    if not parts or any(p is None or type(p.count) is not int for p in parts):
        return itertools.product(*listed, repeat=repeat)
    plain = Later(lambda: itertools.product(*listed, repeat=repeat))
    return Product((*parts * repeat,), plain)


def _combinations(function: Any, again: bool) -> Function:
    """`itertools.combinations` and `itertools.combinations_with_replacement`"""

    def combined(iterable: Any, r: Any) -> Any:
        found = sequence(iterable) if current() is not None else None
        if found is None or type(r) is not int or r < 1 or type(found.count) is not int:
            return function(iterable, r)
        return Combinations(found, r, again, Later(lambda: function(iterable, r)))

    return combined


def _pairwise(items: Any) -> Any:
    """`itertools.pairwise`"""
    if current() is None or not _is_traced_sequence(items):
        return itertools.pairwise(items)
    found = sequence(items)
    return itertools.pairwise(items) if found is None else Pairs(found)


def _islice(items: Any, *ends: Any) -> Any:
    """`itertools.islice`"""
    known = all(x is None or type(x) is int for x in ends)
    if current() is not None and known and _is_traced_sequence(items):
        found = sequence(items)
        if found is not None and type(found.count) is int:
            return Part(found, range(found.count)[slice(*ends)])
    return itertools.islice(items, *ends)


def _count(start: Any = 0, step: Any = 1) -> Any:
    """`itertools.count`"""
    whole = type(start) is int and type(step) is int and step != 0
    return Count(start, step) if whole and current() is not None else itertools.count(start, step)


ITERABLES: dict[Any, Function] = {
    range: _range,
    enumerate: _enumerate,
    zip: _zip,
    reversed: _reversed,
    np.ndindex: _ndindex,
    itertools.count: _count,
    itertools.product: _product,
    itertools.combinations: _combinations(itertools.combinations, False),
    itertools.combinations_with_replacement: _combinations(
        itertools.combinations_with_replacement, True
    ),
    itertools.pairwise: _pairwise,
    itertools.islice: _islice,
}
"""What stands for functions whose result a `for` runs over."""
