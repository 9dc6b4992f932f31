"""The least and the greatest value of index arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from wengert.ir.scalar import Expr, Index, ScalarOp
from wengert.ir.types import INT64

Interval = tuple[int, int]
ANYTHING: Interval = (-(2**63), 2**63 - 1)


def _product(x: Interval, y: Interval) -> Interval:
    corners = [a * b for a in x for b in y]
    return min(corners), max(corners)


def _quotient(x: Interval, y: Interval) -> Interval | None:
    return (x[0] // y[1], x[1] // y[0]) if x[0] >= 0 and y[0] > 0 else None


def _remainder(x: Interval, y: Interval) -> Interval | None:
    return (0, min(x[1], y[1] - 1)) if x[0] >= 0 and y[0] > 0 else None


def _masked(x: Interval, y: Interval) -> Interval | None:
    if y[0] != y[1] or y[0] < 0:
        return None
    return (0, min(x[1], y[0]) if x[0] >= 0 else y[0])


def _shifted(x: Interval, y: Interval) -> Interval | None:
    return (x[0] >> y[0], x[1] >> y[0]) if y[0] == y[1] and 0 <= y[0] < 64 else None


BOUNDS: dict[ScalarOp, Callable[[Interval, Interval], Interval | None]] = {
    ScalarOp.ADD: lambda x, y: (x[0] + y[0], x[1] + y[1]),
    ScalarOp.SUB: lambda x, y: (x[0] - y[1], x[1] - y[0]),
    ScalarOp.MUL: _product,
    ScalarOp.MIN: lambda x, y: (min(x[0], y[0]), min(x[1], y[1])),
    ScalarOp.MAX: lambda x, y: (max(x[0], y[0]), max(x[1], y[1])),
    ScalarOp.IDIV: _quotient,
    ScalarOp.IREM: _remainder,
    ScalarOp.AND: _masked,
    ScalarOp.SHR: _shifted,
}
_BOUNDED_BY_ONE = (ScalarOp.MIN, ScalarOp.MAX, ScalarOp.AND)
"""Whatever the one operand is, the other bounds these."""


def combined(op: ScalarOp, x: Interval | None, y: Interval | None) -> Interval | None:
    """The bounds of `op` in int64 of operands with these bounds; None if it may overflow."""
    if op in _BOUNDED_BY_ONE:
        x, y = x or ANYTHING, y or ANYTHING
    found = None if x is None or y is None else BOUNDS[op](x, y)
    inside = found is not None and -(2**63) <= found[0] <= found[1] < 2**63
    return found if inside else None


@dataclass(slots=True)
class Intervals:
    """What indices run over, and what follows for arithmetic on them."""

    ranges: dict[Index, Interval] = field(default_factory=dict[Index, Interval])
    _known: dict[Expr, Interval | None] = field(default_factory=dict[Expr, "Interval | None"])

    def set_range(self, index: Index, interval: Interval) -> None:
        """Notes what an index runs over; one index may stand in several loops after another."""
        if self.ranges.get(index, interval) != interval:
            self._known.clear()
        self.ranges[index] = interval

    def of(self, x: Expr) -> Interval | None:
        """The bounds of `x`; None if it is not index arithmetic or may overflow int64."""
        if x.op is ScalarOp.INDEX:
            return self.ranges.get(x.attr)
        if x.dtype != INT64 or (x.op not in BOUNDS and x.op is not ScalarOp.CONST):
            return None
        if x not in self._known:
            self._known[x] = self._bounds(x)
        return self._known[x]

    def _bounds(self, x: Expr) -> Interval | None:
        if x.is_const:
            return x.attr, x.attr
        first, second = (self.of(a) for a in x.args)
        return combined(x.op, first, second)

    def fits_int32(self, x: Expr) -> bool:
        """Whether `x` is index arithmetic with values of at most 31 bits and a sign."""
        bounds = self.of(x)
        return bounds is not None and -(2**31) < bounds[0] <= bounds[1] < 2**31
