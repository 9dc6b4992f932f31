"""What the bounds of loops say about offsets: whether two accesses can be of the same element."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wengert.ir.scalar import Affine, Index, affine
from wengert.kernels.loops import Loop

Around = Mapping[Index, Loop]
"""The loops around a place, the outermost first."""


def plus(x: Affine, y: Affine, factor: int = 1) -> Affine:
    """x + factor * y."""
    terms = dict(x.terms)
    for index, coefficient in y.terms.items():
        terms[index] = terms.get(index, 0) + factor * coefficient
    return Affine(x.const + factor * y.const, {i: c for i, c in terms.items() if c})


def least(x: Affine, around: Around) -> float:
    """A number that x never falls below, by the bounds of the loops, the inner ones first."""
    inner = next((i for i in reversed([*around]) if i in x.terms), None)
    if inner is None:
        return x.const if not x.terms else -float("inf")
    factor, loop = x.terms[inner], around[inner]
    rest = Affine(x.const, {i: c for i, c in x.terms.items() if i is not inner})
    end = affine(loop.start) if factor > 0 else affine(loop.stop)
    plain = Affine(0 if factor > 0 else inner.extent, {})
    ends = [plain] if end is None or inner in end.terms else [plain, end]
    shift = 0 if factor > 0 else -factor
    return max(least(plus(rest, e, factor), around) for e in ends) + shift


def differ(x: Affine, y: Affine, around: Around) -> bool:
    """Whether two offsets differ at every turn of the loops around them.

    All of x's lie above y's or below them, or so do their places in rows of the same length.
    """
    above = plus(x, y, -1)
    if _positive(above, around) or _positive(_negated(above), around):
        return True
    lengths = {abs(c) for c in above.terms.values()} - {1}
    return any(_within_rows(above, length, around) for length in lengths)


def _within_rows(x: Affine, length: int, around: Around) -> bool:
    """Whether x is between two multiples of a length."""
    terms = {i: r for i, c in x.terms.items() if (r := _remainder(c, length))}
    const = _remainder(x.const, length)
    for shift in (-length, 0, length):
        place = Affine(const + shift, terms)
        if _positive(place, around) and _positive(plus(Affine(length, {}), place, -1), around):
            return True
    return False


def _remainder(x: int, length: int) -> int:
    """The remainder nearest to 0."""
    return (x + length // 2) % length - length // 2


def _positive(x: Affine, around: Around) -> bool:
    """Whether x > 0 wherever all loops around are at a turn.

    Then a loop from a to b - 1 has one: b - 1 - a >= 0, so x is at least x - m * (b - 1 - a) for
    any m >= 0. That bounds an outer index by the loops inside, as in: for i < n: for j < n - 1 - i.
    """
    if least(x, around) > 0:
        return True
    for loop in around.values():
        start, stop = affine(loop.start), affine(loop.stop)
        if start is None or stop is None or not (start.terms or stop.terms):
            continue
        room = plus(plus(stop, start, -1), Affine(-1, {}))
        for index, c in room.terms.items():
            times, left = divmod(x.terms.get(index, 0), c)
            if times > 0 and left == 0 and least(plus(x, room, -times), around) > 0:
                return True
    return False


def _negated(x: Affine) -> Affine:
    return plus(Affine(0, {}), x, -1)


def same_turn(x: Affine, y: Affine, loop: Loop) -> bool:
    """Whether two accesses of a loop are of the same element in the same turn only, or never."""
    step = x.terms.get(loop.index, 0)
    if not step or y.terms.get(loop.index) != step:
        return False
    apart = plus(x, y, -1)
    length = abs(step) * loop.index.extent  # at least, of a row that the loop goes along
    if not apart.terms and (abs(apart.const) < abs(step) or abs(apart.const) >= length):
        return True
    return all(
        abs(c) >= length and c % length == 0 for c in (*apart.terms.values(), apart.const) if c
    )


def apart_turns(x: Affine, y: Affine, loop: Loop, around: Around) -> bool:
    """Whether no two turns of a loop access one element at these places; `loop` is in `around`.

    Of places that are not neighbours from turn to turn no more is asked than whether they are in
    step: vectors that gather and scatter are not faster than turns in order.
    """
    if same_turn(x, y, loop):
        return True
    if x.terms == y.terms or {abs(p.terms[loop.index]) for p in (x, y)} != {1}:
        return False
    other = Index(loop.index.extent)
    moved = Affine(y.const, {other if i is loop.index else i: c for i, c in y.terms.items()})
    return differ(x, moved, {**around, other: replace(loop, index=other)})
