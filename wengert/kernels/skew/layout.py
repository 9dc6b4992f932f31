"""Temporaries by diagonals: what a wavefront reads and writes at once lies together.

Cell (r, c) of a table of R by C goes to row w*r + v*c of a new one, where t grows by w with r and
by v with c, at place r or c, whichever walks along the diagonal. The map is affine and one to one,
and neighbours of a cell stay at a constant distance. The new table has about R + C rows of the
shorter side, but what lies between the diagonals is never touched.

    offset = p*plane + r*row + c*cell + e   ->   ((p*cell + e)*rows + w*r + v*c)*pitch + (r or c)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, affine
from wengert.kernels.expressions import from_affine
from wengert.kernels.intervals import Interval
from wengert.kernels.loops import Buffer, Space
from wengert.kernels.skew.distances import Access, Box
from wengert.kernels.skew.hyperplane import Hyperplane
from wengert.kernels.turns.bounds import plus

GROWTH = 3
"""A table takes at most so many times its memory."""
_PAGE = 64
"""Rows of a multiple of so many elements would compete for few places of the cache."""

Ranges = Mapping[Index, Interval]


@dataclass(frozen=True, slots=True)
class Diagonals:
    """How a table lies: its strides, by how much t grows along its sides, and which is walked."""

    plane: int
    row: int
    cell: int
    size: int
    steps: tuple[int, int]  # of t with r and with c
    flipped: bool  # c counts down where r counts up
    along_row: bool  # the place in a diagonal is c, not r

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.plane // self.row, self.row // self.cell

    @property
    def pitch(self) -> int:
        length = self.shape[self.along_row]
        return length if length % _PAGE else length + 8

    @property
    def rows(self) -> int:
        """The number of diagonals."""
        (r, c), (w, v) = self.shape, self.steps
        return w * (r - 1) + v * (c - 1) + 1

    @property
    def new_size(self) -> int:
        return self.size // self.plane * self.cell * self.rows * self.pitch

    def place(self, p: Affine, e: Affine, r: Affine, c: Affine) -> Affine:
        """The new offset of element e of cell (r, c) of plane p."""
        if self.flipped:
            c = plus(Affine(self.shape[1] - 1, {}), c, -1)
        w, v = self.steps
        diagonal = plus(plus(Affine(0, {}), r, w), c, v)
        number = plus(plus(diagonal, p, self.cell * self.rows), e, self.rows)
        return plus(c if self.along_row else r, number, self.pitch)

    def moved(self, s: ScalarBuilder, offset: Expr, ranges: Ranges) -> Expr:
        """The new offset of what was at `offset`."""
        function = affine(offset)
        parts = None if function is None else self._parts(function, ranges)
        if parts is not None:
            return from_affine(s, self.place(*parts))
        p, left = s.idiv(offset, self.plane), s.irem(offset, self.plane)
        r, left = s.idiv(left, self.row), s.irem(left, self.row)
        c, e = s.idiv(left, self.cell), s.irem(left, self.cell)
        found = [(Index(1), x) for x in (p, e, r, c)]
        place = self.place(*(Affine(0, {k: 1}) for k, _ in found))
        values = dict(found)
        total = s.int(place.const)
        for index, factor in place.terms.items():
            total = s.add(s.mul(values[index], factor), total)
        return total

    def _parts(self, place: Affine, ranges: Ranges) -> tuple[Affine, Affine, Affine, Affine] | None:
        p, e = Affine(0, {}), Affine(0, {})
        if self.plane < self.size:
            split = _split(place, self.plane, ranges)
            if split is None:
                return None
            p, place = split
        split = _split(place, self.row, ranges)
        if split is None:
            return None
        r, c = split
        if self.cell > 1:
            split = _split(c, self.cell, ranges)
            if split is None:
                return None
            c, e = split
        return p, e, r, c


def _split(x: Affine, length: int, ranges: Ranges) -> tuple[Affine, Affine] | None:
    """(q, rest) with x = q * length + rest and 0 <= rest < length in all turns."""
    whole = {i: c // length for i, c in x.terms.items() if c % length == 0}
    others = {i: c for i, c in x.terms.items() if c % length}
    low = high = x.const
    for index, coefficient in others.items():
        if index not in ranges:
            return None
        ends = [coefficient * b for b in ranges[index]]
        low, high = low + min(ends), high + max(ends)
    shift = low // length
    if high - shift * length >= length:
        return None
    return Affine(shift, whole), Affine(x.const - shift * length, others)


def diagonals(access: Access, box: Box, plane: Hyperplane, along_i: bool) -> Diagonals | None:
    """How the table of an access should lie for a nest's wavefronts."""
    place, size = access.place, access.buffer.size
    if place is None:
        return None
    i, j = box.i.index, box.j.index
    ci, cj = place.terms.get(i, 0), place.terms.get(j, 0)
    row, cell = max(abs(ci), abs(cj)), min(abs(ci), abs(cj))
    if not cell or row == cell or row % cell:
        return None
    by_row = abs(ci) > abs(cj)
    table = row
    for index, coefficient in place.terms.items():
        if index not in (i, j) and abs(coefficient) >= row:
            table = gcd(table, coefficient) if table > row else abs(coefficient)
    table = size if table == row else table
    if table % row or size % table:
        return None
    steps = (plane.a, plane.b) if by_row else (plane.b, plane.a)
    found = Diagonals(table, row, cell, size, steps, (ci < 0) != (cj < 0), along_i != by_row)
    return found if found.new_size <= GROWTH * size else None


def renewed(buffer: Buffer, found: Diagonals) -> Buffer:
    """The buffer in its new size; an output is copied from a temporary in the end."""
    space = Space.TEMP if buffer.space is Space.OUTPUT else buffer.space
    return Buffer(buffer.dtype, found.new_size, space)
