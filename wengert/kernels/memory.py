"""The buffer plan: places temporaries in one arena, so that live ones do not overlap."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.kernels.inplace import may_take_over
from wengert.kernels.loops import Buffer, Kernel, Space
from wengert.kernels.statements import buffers

ALIGNMENT = 64

# First and last step that uses a buffer.
Lifetime = tuple[int, int]


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
    end = 0
    for line in sorted(lines, key=lambda x: (-x[0].nbytes, lifetimes[x[0]])):
        first, last = lifetimes[line[0]][0], lifetimes[line[-1]][1]
        at = _gap(line[0].nbytes, (first, last), offsets, lifetimes)
        offsets.update((b, at) for b in line)
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


def _gap(
    size: int, lifetime: Lifetime, offsets: dict[Buffer, int], lifetimes: dict[Buffer, Lifetime]
) -> int:
    """The lowest place for `size` bytes that is free all through `lifetime`."""
    taken = sorted(
        (at, at + _rounded(other.nbytes))
        for other, at in offsets.items()
        if lifetimes[other][0] <= lifetime[1] and lifetime[0] <= lifetimes[other][1]
    )
    at = 0
    for start, stop in taken:
        if at + size <= start:
            break
        at = max(at, stop)
    return at


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _lifetimes(steps: Sequence[Kernel]) -> dict[Buffer, Lifetime]:
    found: dict[Buffer, Lifetime] = {}
    for at, step in enumerate(steps):
        for buffer in buffers(step.body):
            if buffer.space is Space.TEMP:
                found[buffer] = (found.get(buffer, (at, at))[0], at)
    return found
