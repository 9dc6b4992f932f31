"""Stages: the loops that a program needs, before they are fused.

A stage computes one materialised value: it walks a domain of loop indices and, at each point,
stores, accumulates or scatters a scalar expression. Whatever is not materialised is computed in
place, inside the expressions of the stages that read it.

The dimensions of all domains share their `Index` objects by (depth, extent). So two stages whose
leading extents agree speak of the same indices: equal subexpressions are the same node, and
fusing loops needs no renaming.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wengert.ir.index_algebra import flat
from wengert.ir.op import Requirement
from wengert.ir.scalar import Expr, Index, ScalarBuilder
from wengert.ir.types import Dim, Shape, Symbol
from wengert.kernels.loops import Buffer, Stmt


class StageKind(enum.StrEnum):
    """What a stage does at each point of its domain."""

    MAP = "map"  # out[offset] = value
    REDUCE = "reduce"  # out[offset] = combine(out[offset], value)
    ARGREDUCE = "argreduce"  # the position of the largest or smallest value
    SCAN = "scan"  # out[offset] = combine(out[previous], value)
    SCATTER = "scatter"  # out[offset] (+)= value, in order, after a first copy if not in place
    GEMM = "gemm"  # `product`: library calls
    LIBRARY = "library"  # `product`: calls of LAPACK
    COLLECTIVE = "collective"  # `product`: a collective, or a call of Python's
    REGION = "region"  # `product`: loops and branches of the program


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Stage:
    """One value and the loops that compute it.

    `reduced` are the depths of the domain over which the stage combines, or runs in sequence:
    its value is complete only after those loops.
    """

    kind: StageKind
    buffer: Buffer
    domain: tuple[Index, ...]
    reduced: frozenset[int]
    offset: Expr
    value: Expr
    combine: str = ""
    factor: Expr | None = None  # a linear recurrence's a
    first: Expr | None = None  # a scan's condition for its first step
    previous: Expr | None = None  # a scan's offset of the element before
    position: Expr | None = None  # an arg-reduction's running position
    requirement: Requirement | None = None
    code: int = -1  # the requirement's failure number
    initial: Stage | None = None  # a scatter's first copy; None if it works in place
    product: tuple[Stmt, ...] = ()
    writes: tuple[Buffer, ...] = ()  # what a region writes
    loads: frozenset[Buffer] = field(default_factory=frozenset[Buffer])

    @property
    def expressions(self) -> tuple[Expr, ...]:
        """All expressions evaluated at each point."""
        parts = (self.value, self.factor, self.first, self.offset)
        checks = (
            ()
            if self.requirement is None
            else (
                self.requirement.condition,
                self.requirement.value,
            )
        )
        return (*(e for e in parts if e is not None), *checks)


@dataclass(slots=True)
class Domains:
    """The shared `Index` objects by depth and extent.

    `symbols` holds the indices of the program's own loops, on which extents may depend.
    """

    s: ScalarBuilder
    symbols: Mapping[Symbol, Expr] = field(default_factory=dict[Symbol, Expr])
    _table: dict[tuple[int, Expr], Index] = field(default_factory=dict[tuple[int, Expr], Index])

    def index(self, depth: int, extent: int) -> Index:
        stop = length(self.s, extent, self.symbols)
        key = (depth, stop)
        if key not in self._table:
            self._table[key] = Index(int(extent), None if stop.is_const else stop)
        return self._table[key]

    def of_shape(self, shape: Shape) -> tuple[tuple[Index, ...], tuple[Expr, ...]]:
        """Indices for the axes of a shape (those of size 1 need none), and an index per axis."""
        return self.of_axes([(axis, extent) for axis, extent in enumerate(shape)], len(shape))

    def of_axes(
        self, axes: Sequence[tuple[int, int]], rank: int
    ) -> tuple[tuple[Index, ...], tuple[Expr, ...]]:
        """Loops in the order of `axes` (axis, extent), and an index for each of `rank` axes."""
        domain: list[Index] = []
        exprs: list[Expr] = [self.s.int(0)] * rank
        for axis, extent in axes:
            if extent != 1:
                domain.append(self.index(len(domain), extent))
                exprs[axis] = self.s.index(domain[-1])
        return tuple(domain), tuple(exprs)


def length(s: ScalarBuilder, extent: int, symbols: Mapping[Symbol, Expr]) -> Expr:
    """A dimension as an expression of loop indices."""
    if not isinstance(extent, Dim):
        return s.int(extent)
    total = s.int(extent.const)
    for symbol, coefficient in extent.terms:
        total = s.add(total, s.mul(symbols[symbol], coefficient))
    return total


def whole(s: ScalarBuilder, index: Index) -> Expr:
    """Where a loop over the whole of an index stops."""
    return s.int(index.extent) if index.stop is None else index.stop


def row_major(s: ScalarBuilder, shape: Shape, index: Sequence[Expr]) -> Expr:
    """The flat offset of an element in a contiguous array; divisions cancel where they can."""
    return flat(s, shape, index)
