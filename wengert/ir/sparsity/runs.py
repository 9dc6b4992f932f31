"""Regular patterns: places that advance evenly from one group of rows to the next.

Bands, blocks and stencils have them. Such entries are read by slices, which fuse with what computes
the derivatives, and not by a table of places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wengert.ir.sparsity.pattern import Ints, Pattern

ROWS = 4
"""A group has at most so many rows."""
SHORT = 16
"""Fewer groups than that in a row are not worth being called regular."""
SLICES = 64
"""With more slices than that a table is better."""


@dataclass(frozen=True, slots=True)
class Run:
    """`count` groups of entries: number j of group k is at `places[j] + k * steps[j]`."""

    count: int
    places: tuple[int, ...]
    steps: tuple[int, ...]


def runs_of(pattern: Pattern, places: Ints, widths: Sequence[int]) -> tuple[Run, ...]:
    """The places of all entries as runs, or nothing if they are not so regular.

    The numbers among which they are come in pieces of these `widths`, again and again; no run
    leaves a piece.
    """
    borders = np.cumsum([0, *widths])
    found: list[Run] = []
    at, ends = 0, pattern.indptr.astype(np.int64)
    while at < len(places):
        row = int(np.searchsorted(ends, at, side="right"))  # the end of the first that is not empty
        count, size = _longest(places[at:], ends[row : row + ROWS] - at)
        run = _run(places[at : at + count * size], count, size)
        found.append(run)
        if sum(len(r.places) for r in found) > SLICES or not _in_pieces(run, borders):
            return ()
        at += count * size
    return tuple(found)


def _longest(places: Ints, ends: Ints) -> tuple[int, int]:
    """How many groups there are at the beginning, and of how many entries each; groups may end at
    the first of these `ends`, or at a later one."""
    best = (1, int(ends[0]))
    for size in ends.tolist():
        count = _groups(places, size)
        if count >= SHORT and count * size > best[0] * best[1]:
            best = (count, size)
    return best


def _groups(places: Ints, size: int) -> int:
    """How many groups of this size follow one another evenly."""
    if len(places) < 2 * size:
        return 1
    steps = places[size:] - places[:-size]
    if steps[:size].min() < 0:
        return 1
    same = steps == np.resize(steps[:size], len(steps))
    even = len(steps) if same.all() else int(np.argmin(same))
    return 1 + even // size


def _run(places: Ints, count: int, size: int) -> Run:
    first = places[:size]
    steps = places[size : 2 * size] - first if count > 1 else np.ones(size, np.int64)
    return Run(count, tuple(first.tolist()), tuple(steps.tolist()))


def _in_pieces(run: Run, borders: Ints) -> bool:
    first, steps = np.array(run.places), np.array(run.steps)
    last, width = first + (run.count - 1) * steps, int(borders[-1])
    begin, end = (np.searchsorted(borders, x % width, side="right") for x in (first, last))
    return bool(np.all(first // width == last // width) and np.all(begin == end))
