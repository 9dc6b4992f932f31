"""What the turns of a loop share: nothing, sums in registers, or an order.

Turns are independent if no two of them access the same element of what the loop writes, other than
what belongs to one turn. With offsets c*k + r for turn k, this is shown as follows. The part of r
that is the same in all turns cancels. Terms with large coefficients (rows of an array, whatever
their numbers are, also if k decides on them) are multiples of some M, as constants are but for a
remainder. What is left of all r together spans less than |c|, and with it c*k stays within M. So
columns are independent under row numbers known only at run time.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from math import gcd

from wengert.ir.scalar import Expr, Index, ScalarOp
from wengert.kernels.expressions import loaded, nodes
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

# A thread's own copies of the temporaries of a turn take at most this many bytes.
PRIVATE_BYTES = 4_096

Uses = Counter[Buffer]


class Order(enum.Enum):
    """How a loop's turns hang together."""

    INDEPENDENT = "independent"
    REDUCTION = "reduction"  # they add to registers
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, slots=True)
class Turns:
    """What is known of a loop's turns; each has `private` temporaries of its own."""

    order: Order
    private: tuple[Buffer, ...] = ()
    sums: tuple[Register, ...] = ()


SEQUENTIAL = Turns(Order.SEQUENTIAL)


def touched(statement: Stmt) -> set[Buffer]:
    """The buffers that a statement itself reads or writes."""
    found = set(loaded(own_expressions(statement)))
    if isinstance(statement, Store):
        found.add(statement.buffer)
    elif isinstance(statement, Call):
        found.update(x.buffer for x in statement.matrices)
    elif isinstance(statement, Communicate):
        found.update((*statement.sources, *statement.outs))
    return found


def count_uses(bodies: Iterable[Sequence[Stmt]], kept: Iterable[Buffer] = ()) -> Uses:
    """In how many statements each buffer occurs; those that are `kept` count once more."""
    found: Uses = Counter(kept)
    for body in bodies:
        for statement in walk(body):
            found.update(touched(statement))
    return found


def classify(loop: Loop, uses: Uses) -> Turns:
    """How the turns of `loop` hang together, in a program with these `uses` of buffers."""
    sums = shared_sums(loop.body)
    if sums is None or any(isinstance(st, Call) for st in walk(loop.body)):
        return SEQUENTIAL
    accesses = _accesses(loop.body)
    inside = count_uses((loop.body,))
    private: list[Buffer] = []
    for buffer in dict.fromkeys(st.buffer for st in walk(loop.body) if isinstance(st, Store)):
        own = buffer.space in (Space.LOCAL, Space.TEMP) and inside[buffer] == uses[buffer]
        large = buffer.space is Space.TEMP and buffer.nbytes > PRIVATE_BYTES
        if own and not (large and apart(loop, accesses[buffer])):
            private.append(buffer)
        elif not apart(loop, accesses[buffer]):
            return SEQUENTIAL
    private = [b for b in private if b.space is Space.TEMP]
    if sum(b.nbytes for b in private) > PRIVATE_BYTES:
        return SEQUENTIAL
    return Turns(Order.REDUCTION if sums else Order.INDEPENDENT, tuple(private), tuple(sums))


def shared_sums(body: Sequence[Stmt]) -> dict[Register, str] | None:
    """The outer registers that a turn only adds to; None if it does something else to any."""
    own: set[Register] = set()
    sums: dict[Register, str] = {}
    read = {n.attr for st in walk(body) for n in nodes(own_expressions(st)) if _is_register(n)}
    for statement in walk(body):
        match statement:
            case Declare():
                own.add(statement.register)
            case Assign() if statement.register not in own:
                return None
            case Accumulate(register, combine) if register not in own:
                if register in read or sums.setdefault(register, combine) != combine:
                    return None
            case _:
                pass
    return sums


def _is_register(expr: Expr) -> bool:
    return expr.op is ScalarOp.REGISTER


def _accesses(body: Sequence[Stmt]) -> dict[Buffer, list[Expr]]:
    found: dict[Buffer, list[Expr]] = {}
    for statement in walk(body):
        if isinstance(statement, Store):
            found.setdefault(statement.buffer, []).append(statement.offset)
        for node in nodes(own_expressions(statement)):
            if node.op is ScalarOp.LOAD:
                found.setdefault(node.attr, []).append(node.args[0])
    return found


# Offsets


@dataclass(slots=True)
class Linear:
    """const + sum of coefficient * term; a term is an index or anything else that is not linear."""

    const: int = 0
    terms: dict[Index | Expr, int] = field(default_factory=dict["Index | Expr", int])


def linear(expr: Expr) -> Linear:
    """An int64 expression as a linear form."""
    found = Linear()
    _add(found, expr, 1)
    found.terms = {t: c for t, c in found.terms.items() if c}
    return found


def _add(total: Linear, expr: Expr, factor: int) -> None:
    match expr.op:
        case ScalarOp.CONST:
            total.const += factor * int(expr.attr)
        case ScalarOp.INDEX:
            total.terms[expr.attr] = total.terms.get(expr.attr, 0) + factor
        case ScalarOp.NEG:
            _add(total, expr.args[0], -factor)
        case ScalarOp.ADD | ScalarOp.SUB:
            _add(total, expr.args[0], factor)
            _add(total, expr.args[1], factor if expr.op is ScalarOp.ADD else -factor)
        case ScalarOp.MUL if expr.args[1].is_const:
            _add(total, expr.args[0], factor * int(expr.args[1].attr))
        case _:
            total.terms[expr] = total.terms.get(expr, 0) + factor


def apart(loop: Loop, offsets: Sequence[Expr]) -> bool:
    """Whether no two turns of `loop` access the same one of these offsets."""
    forms = [linear(o) for o in offsets]
    steps = {f.terms.get(loop.index, 0) for f in forms}
    if len(steps) != 1 or 0 in steps:
        return False
    return _disjoint(loop, forms, abs(steps.pop()))


def _disjoint(loop: Loop, forms: Sequence[Linear], step: int) -> bool:
    inner = _ranges(loop.body)
    same = _cancelling(loop, forms, inner)
    reach = step * max(0, loop.index.extent - 1)
    known = {*same, loop.index}
    large = [c for f in forms for t, c in f.terms.items() if t not in known and abs(c) > reach]
    modulus = gcd(*large)
    lows: list[int] = []
    highs: list[int] = []
    for form in forms:
        low = high = _remainder(form.const, modulus)
        for term, coefficient in form.terms.items():
            if term in known or abs(coefficient) > reach:
                continue
            if isinstance(term, Index) and term in inner:
                ends = [coefficient * b for b in inner[term]]
                low, high = low + min(ends), high + max(ends)
            else:
                return False
        lows.append(low)
        highs.append(high)
    span = max(highs) - min(lows)
    return span < step and (modulus == 0 or reach + span < modulus)


def _remainder(number: int, modulus: int) -> int:
    """What is left of a number but for multiples of the modulus, as small as it can be."""
    if not modulus:
        return number
    left = number % modulus
    return left if 2 * left <= modulus else left - modulus


def _cancelling(
    loop: Loop, forms: Sequence[Linear], inner: dict[Index, tuple[int, int]]
) -> set[Index | Expr]:
    """The terms that are the same number in all accesses of all turns."""
    found: set[Index | Expr] = set()
    for term, coefficient in forms[0].terms.items():
        if term is loop.index or any(f.terms.get(term) != coefficient for f in forms):
            continue
        own = inner.keys() | {loop.index}
        fixed = _is_fixed(term, own) if isinstance(term, Expr) else term not in own
        if fixed:
            found.add(term)
    return found


def _is_fixed(term: Expr, inner: AbstractSet[Index]) -> bool:
    """Whether an expression is the same in all turns: indices of loops around them alone."""
    reads = any(n.op in (ScalarOp.LOAD, ScalarOp.REGISTER) for n in nodes((term,)))
    return not reads and term.indices.isdisjoint(inner)


def _ranges(body: Sequence[Stmt]) -> dict[Index, tuple[int, int]]:
    """What the loops inside a turn run over."""
    found: dict[Index, tuple[int, int]] = {}
    for statement in walk(body):
        if isinstance(statement, Loop):
            low = statement.start.attr if statement.start.is_const else 0
            high = statement.index.extent - 1
            if statement.stop.is_const:
                high = statement.stop.attr - 1
            known = found.get(statement.index, (low, high))
            found[statement.index] = (min(low, known[0]), max(high, known[1]))
    return found
