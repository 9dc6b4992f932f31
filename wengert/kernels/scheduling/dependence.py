"""Which loops of a program may run their turns in any order, and so on several threads.

With flat offsets, the accesses of turn k to an array that the loop changes are c*k + r, where r
depends on inner indices alone. Turns do not meet if all accesses have the same c, not 0, and all
their r together span less than |c|. Everything else that a turn writes must belong to the turn, or
be sums that turns add to and do not read (`summed.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wengert.ir.program import Atom, Eqn, Literal, Program
from wengert.ir.scalar import Affine, Expr, Index, ScalarOp, affine
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Call,
    Communicate,
    Declare,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.statements import own_expressions, walk
from wengert.kernels.turns.turn import only_added

# A thread's own copies of the temporaries of a turn take at most this many bytes.
PRIVATE_BYTES = 1 << 20

Range = tuple[int, int]


def overwritten(eqn: Eqn, number: int) -> bool:
    """Whether a for_loop writes row i of a carried array in turn i, all rows, and reads none.

    Then it does not matter what the array holds before the loop.
    """
    start, stop = eqn.inputs[:2]
    body: Program = eqn.params["body"]
    first_carried = 1 + int(eqn.params["consts"])
    var = body.inputs[first_carried + number]
    users = [e for e in body.eqns if var in e.inputs]
    if len(users) != 1 or var in body.outputs or users[0].op.name != "window_set":
        return False
    write = users[0]
    new = write.outputs[0]
    if body.outputs[number] is not new or var in write.inputs[1:]:
        return False
    if body.outputs.count(new) > 1 or any(new in e.inputs for e in body.eqns):
        return False  # the rows of later turns are read
    if len(write.inputs) < 3 or not (isinstance(start, Literal) and isinstance(stop, Literal)):
        return False
    value, place, *rest = write.inputs[1:]
    first = _row(body, place, int(start.value))
    whole = value.type.shape == (1, *var.type.shape[1:]) and var.type.is_static
    zeros = all(isinstance(a, Literal) and a.value == 0 for a in rest)
    return whole and zeros and first == 0 and stop.value - start.value == var.type.shape[0]


def _row(body: Program, place: Atom, start: int) -> int | None:
    """The row that is written in the first turn, if the next turn writes the next one."""
    if place is body.inputs[0]:
        return start
    maker = next((e for e in body.eqns if place in e.outputs), None)
    if maker is None or maker.op.name != "sub" or maker.inputs[0] is not body.inputs[0]:
        return None
    offset = maker.inputs[1]
    return start - int(offset.value) if isinstance(offset, Literal) else None


@dataclass(frozen=True, slots=True)
class Independent:
    """A loop whose turns are independent; each thread needs `private` buffers of its own.

    All turns add to `sums`: they are independent where each thread adds to its own.
    """

    private: tuple[Buffer, ...]
    sums: tuple[Buffer, ...] = ()


def independent(
    index: Index, body: Sequence[Stmt], carried: Sequence[Buffer]
) -> Independent | None:
    """Whether the turns of a loop over `index`, which changes `carried`, are independent."""
    found = _Turns(index)
    if not found.registers_are_own(body) or any(
        isinstance(st, Call | Communicate) for st in walk(body)
    ):
        return None
    found.ranges(body)
    written = {st.buffer: None for st in walk(body) if isinstance(st, Store)}
    shared = [b for b in written if b in carried]
    private = [b for b in written if b not in carried and b.space is Space.TEMP]
    if any(b.space is Space.OUTPUT and b not in carried for b in written):
        return None
    if sum(b.nbytes for b in private) > PRIVATE_BYTES:
        return None
    accesses = list(_accesses(body))
    meeting = [b for b in shared if not found.apart([o for x, o in accesses if x is b])]
    if not all(only_added(body, b) for b in meeting):
        return None
    return Independent(tuple(private), tuple(meeting))


def _accesses(body: Sequence[Stmt]) -> Iterator[tuple[Buffer, Expr]]:
    exprs: list[Expr] = []
    for statement in walk(body):
        exprs.extend(own_expressions(statement))
        if isinstance(statement, Store):
            yield statement.buffer, statement.offset
    for node in nodes(exprs):
        if node.op is ScalarOp.LOAD:
            yield node.attr, node.args[0]


@dataclass(slots=True)
class _Turns:
    index: Index
    bounds: dict[Index, Range] = field(default_factory=dict[Index, Range])

    def registers_are_own(self, body: Sequence[Stmt]) -> bool:
        """Whether a turn changes no register that outlives it."""
        own: set[Register] = set()
        for statement in walk(body):
            match statement:
                case Declare():
                    own.add(statement.register)
                case Assign() | Accumulate() if statement.register not in own:
                    return False
                case _:
                    pass
        return True

    def ranges(self, body: Sequence[Stmt]) -> None:
        """Notes what the loops inside a turn run over."""
        for statement in walk(body):
            if isinstance(statement, Loop):
                low, high = 0, statement.index.extent - 1
                if statement.start.is_const:
                    low = statement.start.attr
                if statement.stop.is_const:
                    high = statement.stop.attr - 1
                known = self.bounds.get(statement.index, (low, high))
                self.bounds[statement.index] = (min(low, known[0]), max(high, known[1]))

    def apart(self, offsets: Sequence[Expr]) -> bool:
        """Whether no two turns access the same element."""
        functions = [affine(o) for o in offsets]
        known = [f for f in functions if f is not None]
        if len(known) < len(functions) or not known:
            return False
        step = known[0].terms.get(self.index, 0)
        outer = self.outer(known[0])
        if not step or any(
            f.terms.get(self.index, 0) != step or self.outer(f) != outer for f in known
        ):
            return False
        reaches = [self.reach(f) for f in known]
        return max(r[1] for r in reaches) - min(r[0] for r in reaches) < abs(step)

    def outer(self, function: Affine) -> dict[Index, int]:
        """The terms in indices of loops around the turns."""
        return {
            i: c for i, c in function.terms.items() if i is not self.index and i not in self.bounds
        }

    def reach(self, function: Affine) -> Range:
        """The least and greatest value of what inner indices contribute."""
        low = high = function.const
        for index, coefficient in function.terms.items():
            if index in self.bounds:
                ends = [coefficient * b for b in self.bounds[index]]
                low, high = low + min(ends), high + max(ends)
        return low, high
