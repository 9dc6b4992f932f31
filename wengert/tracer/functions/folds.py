"""Reductions by ufuncs that no op is made for.

Where a ufunc is associative, pairs are combined, then pairs of these: the same as NumPy's order but
for roundings. All others take one element after the other, in a loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.types import Shape
from wengert.tracer.functions.operands import broadcast, reshape
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.loops import for_loop

ASSOCIATIVE: dict[str, Any] = {
    "logaddexp": -np.inf,
    "logaddexp2": -np.inf,
    "hypot": 0.0,
    "bitwise_and": -1,
    "bitwise_or": 0,
    "bitwise_xor": 0,
    "gcd": 0,
    "lcm": 1,
}
"""The number that changes nothing."""
FROM_FIRST = {"subtract": "add", "divide": "multiply"}
"""Where all elements but the first are joined by another ufunc."""


def part(x: Value, axis: int, start: int, stop: int) -> Value:
    """The elements from one place to another along an axis."""
    starts = tuple(start if d == axis else 0 for d in range(x.ndim))
    stops = tuple(stop if d == axis else n for d, n in enumerate(x.shape))
    return x.slice(start=starts, stop=stops, step=(1,) * x.ndim)


def folded(ufunc: np.ufunc, x: Value, axis: int) -> Value:
    """All elements along an axis of one element or more combined; the axis has one then."""
    while x.shape[axis] > 1:
        n = x.shape[axis]
        half = n // 2
        joined = call(ufunc, part(x, axis, 0, half), part(x, axis, half, 2 * half)).to(x.dtype)
        x = joined if n == 2 * half else joined.concat(part(x, axis, n - 1, n), axis=axis)
    return x


def running_fold(ufunc: np.ufunc, x: Value, axis: int) -> Value:
    """Each element combined with all before it: W. D. Hillis, G. L. Steele, Data parallel
    algorithms, Communications of the ACM 29, 1986."""
    n, apart = x.shape[axis], 1
    while apart < n:
        joined = call(ufunc, part(x, axis, 0, n - apart), part(x, axis, apart, n)).to(x.dtype)
        x = part(x, axis, 0, apart).concat(joined, axis=axis)
        apart *= 2
    return x


def in_turn(
    ufunc: np.ufunc, x: Value, axis: int, first: Value | None = None, where: Value | None = None
) -> tuple[Value, Value]:
    """All elements along an axis combined from the first on, or from `first`; and every state.

    The result has no such axis, the states have it. What `where` leaves out changes nothing.
    """
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    begin = 1 if first is None else 0
    start = part(x, axis, 0, 1) if first is None else first
    state = broadcast(reshape(start, rest) if start.ndim == x.ndim else start, rest)
    consts = [x] if where is None else [x, where]
    row = tuple(1 if d == axis else n for d, n in enumerate(x.shape))

    def at(value: Value, i: Value) -> Value:
        return reshape(_row(value, i, axis, row), rest)

    def turn(i: Value, given: list[Value], carry: list[Value]) -> list[Value]:
        old, states = carry
        new = call(ufunc, old, at(given[0], i)).to(old.dtype)
        if len(given) > 1:
            new = at(given[1], i).select(new, old)
        zero = i.builder.literal(0, i.dtype)
        places = [i if d == axis else zero for d in range(len(row))]
        return [new, states.window_set(reshape(new, row), *places, steps=(1,) * len(row))]

    last, states = for_loop(begin, x.shape[axis], consts, [state, x], turn)
    return last, states


def _row(value: Value, i: Value, axis: int, row: Shape) -> Value:
    zero = i.builder.literal(0, i.dtype)
    places = [i if d == axis else zero for d in range(len(row))]
    return value.window(*places, sizes=row, steps=(1,) * len(row))


def between(ufunc: np.ufunc, x: Value, axis: int, starts: Value, stops: Value) -> Value:
    """The elements from each start to its stop combined, or the one at the start if none is."""
    count = starts.shape[0]
    row = tuple(1 if d == axis else n for d, n in enumerate(x.shape))
    found = broadcast(part(x, axis, 0, 1), (*x.shape[:axis], count, *x.shape[axis + 1 :]))

    def segment(k: Value, given: list[Value], carry: list[Value]) -> list[Value]:
        start, stop = (e.window(k, sizes=(1,), steps=(1,)).reshape(shape=()) for e in given[1:])

        def turn(i: Value, known: list[Value], state: list[Value]) -> list[Value]:
            return [call(ufunc, state[0], _row(known[0], i, axis, row)).to(state[0].dtype)]

        whole = _row(given[0], start, axis, row)
        (whole,) = for_loop(start.add(1), stop, [given[0]], [whole], turn)
        zero = k.builder.literal(0, k.dtype)
        places = [k if d == axis else zero for d in range(len(row))]
        return [carry[0].window_set(whole, *places, steps=(1,) * len(row))]

    return for_loop(0, count, [x, starts, stops], [found], segment)[0]
