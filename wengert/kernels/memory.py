"""The buffer plan: places temporaries in one arena, so that live ones do not overlap."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.kernels.loops import Buffer, Kernel, Space
from wengert.kernels.statements import buffers

ALIGNMENT = 64


def arena(steps: Sequence[Kernel]) -> tuple[dict[Buffer, int], int]:
    """The offset of each TEMP buffer in bytes, and the arena's size: first fit by lifetime."""
    lifetimes = _lifetimes(steps)
    offsets: dict[Buffer, int] = {}
    end = 0
    for buffer in sorted(lifetimes, key=lambda b: (-b.nbytes, lifetimes[b])):
        first, last = lifetimes[buffer]
        taken = sorted(
            (offsets[other], offsets[other] + _rounded(other.nbytes))
            for other in offsets
            if lifetimes[other][0] <= last and first <= lifetimes[other][1]
        )
        at = 0
        for start, stop in taken:
            if at + buffer.nbytes <= start:
                break
            at = max(at, stop)
        offsets[buffer] = at
        end = max(end, at + _rounded(buffer.nbytes))
    return offsets, end


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _lifetimes(steps: Sequence[Kernel]) -> dict[Buffer, tuple[int, int]]:
    found: dict[Buffer, tuple[int, int]] = {}
    for at, step in enumerate(steps):
        for buffer in buffers(step.body):
            if buffer.space is Space.TEMP:
                found[buffer] = (found.get(buffer, (at, at))[0], at)
    return found
