"""The choice of t = a*i + b*j, and of the loops over a diagonal that statements run in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.ir.scalar import ScalarBuilder
from wengert.kernels.loops import Stmt, Store
from wengert.kernels.skew.distances import Access, Box, Conflict, accesses, conflict, pairs
from wengert.kernels.turns.turn import own_scalars

FACTORS = ((1, 1), (2, 1), (1, 2), (3, 1), (1, 3))
"""What is tried for (a, b), the least number of diagonals first."""

Meeting = tuple[Access, Access, Conflict]


@dataclass(frozen=True, slots=True)
class Hyperplane:
    """t = a*i + b*j; statements of which loop over a diagonal, if not of the first.

    `sums` are the statements that add to one and the same element at all points.
    """

    a: int
    b: int
    later: dict[int, int]
    sums: frozenset[int]


def hyperplane(s: ScalarBuilder, body: Sequence[Stmt], box: Box) -> Hyperplane | None:
    """A t that keeps all dependences of a nest, if there is one."""
    meetings: list[Meeting] = []
    sums: set[int] = set()
    own = own_scalars(body)
    for x, y in pairs([x for x in accesses(s, body) if x.buffer not in own]):
        found = conflict(x, y, box)
        if found is None:
            return None
        if found.everywhere:
            if not (x.adds and y.adds):
                return None
            sums |= {x.at, y.at}
        meetings.append((x, y, found))
    for a, b in FACTORS:
        groups = _groups(a, b, meetings, sums)
        if groups is not None and all(isinstance(body[at], Store) for at in (*groups, *sums)):
            return Hyperplane(a, b, groups, frozenset(sums))
    return None


def _groups(a: int, b: int, meetings: Sequence[Meeting], sums: set[int]) -> dict[int, int] | None:
    """The number of the loop of each statement that may not run in the first; None if not legal."""
    before: dict[int, set[int]] = {}
    for x, y, found in meetings:
        for d in found.distances:
            t = a * d.i + b * d.j
            if t > 0:
                continue
            if t < 0 or not (x.adds and y.adds) or x.at == y.at:
                return None
            first, second = (x.at, y.at) if d.forward else (y.at, x.at)
            before.setdefault(second, set()).add(first)
            before.setdefault(first, set())
    groups = {at: number for at, number in _levels(before).items() if number}
    last = max(groups.values(), default=0) + 1
    places = {**groups, **dict.fromkeys(sums, last)}
    for x, y, found in meetings:
        first, second = sorted((x.at, y.at))
        if found.same and places.get(first, 0) > places.get(second, 0):
            return None
    return groups


def _levels(before: dict[int, set[int]]) -> dict[int, int]:
    """Numbers that differ for all neighbours, growing along `before` where that has no circle."""
    levels: dict[int, int] = {}
    left = sorted(before)
    while left:
        free = [at for at in left if before[at] <= levels.keys()]
        at = (free or left)[0]
        near = before[at] | {x for x in before if at in before[x]}
        levels[at] = 1 + max((levels[x] for x in near if x in levels), default=-1)
        left.remove(at)
    return levels
