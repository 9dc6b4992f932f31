"""The buffer plan: places temporaries in one arena, so that live ones do not overlap."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from wengert.kernels.buffers.inplace import may_take_over
from wengert.kernels.expressions import loaded
from wengert.kernels.loops import Buffer, Kernel, Space
from wengert.kernels.statements import buffers, inner_kernels, own_expressions

ALIGNMENT = 64

# First and last step that uses a buffer.
Lifetime = tuple[int, int]
# Where a buffer begins and ends, and its lifetime.
Placed = tuple[int, int, int, int]


def arena(steps: Sequence[Kernel], takeover: bool = True) -> tuple[dict[Buffer, int], int]:
    """The offset of each TEMP buffer in bytes, and the arena's size: first fit by lifetime.

    Unless `takeover`, no buffer stands where another dies in the same kernel: that rests on the
    order of turns, which a grid of threads has not got.
    """
    lifetimes = _lifetimes(steps)
    heirs = _heirs(steps, lifetimes) if takeover else {}
    taken_over = set(heirs.values())
    lines = [_line(b, heirs) for b in lifetimes if b not in taken_over]
    offsets: dict[Buffer, int] = {}
    placed: list[Placed] = []
    end = 0
    for line in sorted(lines, key=lambda x: (-x[0].nbytes, lifetimes[x[0]])):
        first, last = lifetimes[line[0]][0], lifetimes[line[-1]][1]
        at = _gap(line[0].nbytes, (first, last), placed)
        for b in line:
            offsets[b] = at
            bisect.insort(placed, (at, at + _rounded(b.nbytes), *lifetimes[b]))
        end = max(end, at + _rounded(line[0].nbytes))
    return offsets, end


def _heirs(steps: Sequence[Kernel], lifetimes: dict[Buffer, Lifetime]) -> dict[Buffer, Buffer]:
    """The buffer that takes over the memory of each one that has such an heir."""
    heirs: dict[Buffer, Buffer] = {}
    dying: dict[int, list[Buffer]] = {}
    for buffer, (_, last) in lifetimes.items():
        dying.setdefault(last, []).append(buffer)
    for new, (first, last) in lifetimes.items():
        for old in dying.get(first, ()):
            later = old is not new and old not in heirs and lifetimes[old][0] < first <= last
            if later and may_take_over(steps[first], old, new):
                heirs[old] = new
                break
    return heirs


def _line(buffer: Buffer, heirs: dict[Buffer, Buffer]) -> list[Buffer]:
    line = [buffer]
    while line[-1] in heirs:
        line.append(heirs[line[-1]])
    return line


def _gap(size: int, lifetime: Lifetime, placed: Sequence[Placed]) -> int:
    """The lowest place for `size` bytes that is free all through `lifetime`."""
    first, last = lifetime
    at = 0
    for start, stop, born, dead in placed:
        if born > last or first > dead:
            continue
        if at + size <= start:
            break
        at = max(at, stop)
    return at


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _lifetimes(steps: Sequence[Kernel]) -> dict[Buffer, Lifetime]:
    """From the first to the last use; launches that the host comes to are steps like others.

    What is used in a loop of the host and elsewhere too lives all through it; what is used in it
    alone belongs to a turn.
    """
    total = Counter(b for step in _in_order(steps) for b in _own(step))
    found: dict[Buffer, Lifetime] = {}
    _live(steps, 0, total, found)
    return {b: life for b, life in found.items() if b.space is Space.TEMP}


def _in_order(steps: Sequence[Kernel]) -> Iterator[Kernel]:
    """Steps, and after each one those inside it."""
    for step in steps:
        yield step
        for part in inner_kernels(step) or ():
            yield from _in_order(part)


def _own(step: Kernel) -> Collection[Buffer]:
    """What a step uses, without those inside it."""
    if inner_kernels(step) is None:
        return [*buffers(step.body)]
    return loaded(own_expressions(step.body[0]))


def _live(
    steps: Sequence[Kernel], at: int, total: Counter[Buffer], found: dict[Buffer, Lifetime]
) -> tuple[int, Counter[Buffer]]:
    """Adds the uses by steps, the first of which is number `at`: the number after, and how many."""
    uses: Counter[Buffer] = Counter()
    for step in steps:
        first, own = at, Counter(_own(step))
        at += 1
        for buffer in own:
            _extend(found, buffer, first, first)
        for part in inner_kernels(step) or ():
            at, inside = _live(part, at, total, found)
            own.update(inside)
        if at > first + 1:
            for buffer, count in own.items():
                if count < total[buffer]:
                    _extend(found, buffer, first, at - 1)
        uses.update(own)
    return at, uses


def _extend(found: dict[Buffer, Lifetime], buffer: Buffer, first: int, last: int) -> None:
    known = found.get(buffer, (first, last))
    found[buffer] = (min(known[0], first), max(known[1], last))
