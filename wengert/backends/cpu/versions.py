"""Other forms of loops, which compile to better or less code.

Chunks of equal length. The last chunk of a loop is shorter than the others, so that each loop in a
chunk would be compiled twice, with vectors and for what they leave over. Where it does no harm
that some iterations run twice, the last chunk instead begins earlier, and all have one length.

Two versions of loops over functions whose exact form is a rare library call. sin, cos and tan of
huge arguments need a library call under a branch, which keeps LLVM from vectorising the loop. So
such a loop is cut into strips. Each strip first runs with the fast form alone, noting whether any
argument was too large for it; if one was, the strip runs once more with the exact form. That is
sound where running an iteration twice does no harm: a loop that reads nothing that it stores, and
whose accumulators are set back before the second run. Arrays that a loop changes in place, as most
loops over time do, are copied before a strip runs, and set back before it runs once more. A loop
that only stores needs the second run where an argument is too large, and has library calls alone
there, which is less to compile.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from wengert.ir.scalar import MATHS, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import BOOL
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Declare,
    If,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.maths import expand, expand_slow, needs_slow_path

STRIP = 1024
HELD_STRIP = 512  # where arrays are copied, on the stack

Place = tuple[Buffer, Expr]
"""An array, and an offset in it."""


def in_two_versions(
    s: ScalarBuilder, loop: Loop, place: Callable[[Buffer], object]
) -> tuple[tuple[Stmt, ...], tuple[Stmt, ...]]:
    """What to run instead of `loop`, and the body of the version that hardly ever runs; or twice
    nothing. Buffers share memory if their `place` is the same."""
    slow = _slow_functions(s, loop)
    held = _held(loop, place) if slow else None
    if held is None:
        return (), ()
    size = HELD_STRIP if held else STRIP
    flag = Register(BOOL)
    rewrite = _Rewriter(s, {x: expand(s, x, guard=False) for x in slow})
    changing = _changing(loop, slow)
    fast = _noting(loop, slow, changing, rewrite, flag)
    own = {stmt.register for stmt in loop.body if isinstance(stmt, Declare)}
    kept = {
        stmt.register: Register(stmt.register.dtype)
        for stmt in loop.body
        if isinstance(stmt, Accumulate) and stmt.register not in own
    }

    again, only_stores = loop.body, all(isinstance(stmt, Store) for stmt in loop.body)
    if only_stores and not changing and not held:
        too_large = functools.reduce(s.or_, map(rewrite, slow.values()))
        by_library = _Rewriter(s, {x: expand_slow(s, x) for x in slow})
        again = (If(too_large, tuple(map(by_library.statement, loop.body))),)

    def strip(start: Expr, stop: Expr) -> tuple[Stmt, ...]:
        exact = Loop(loop.index, start, stop, again, loop.kind)
        restored = [Assign(r, s.register(k)) for r, k in kept.items()]
        copied, set_back = _copies(s, Loop(loop.index, start, stop, ()), held, copies)
        return (
            Declare(flag, s.const(False, BOOL)),
            *(Declare(k, s.register(r)) for r, k in kept.items()),
            *copied,
            Loop(loop.index, start, stop, fast, Kind.FREE if held else loop.kind),
            If(s.register(flag), (*restored, *set_back, exact)),
        )

    moved = only_stores and not held
    copies = [Buffer(b.dtype, min(size, loop.index.extent), Space.LOCAL) for b, _ in held]
    length = constant_length(s, loop)
    if (loop.index.extent if length is None else length) <= size:  # of a chunk, say, not the array
        return strip(loop.start, loop.stop), again
    number, first, last, count = _strips(s, loop, size, length if moved else None)
    return (Loop(number, s.int(0), count, strip(first, last)),), again


def _copies(
    s: ScalarBuilder, turns: Loop, held: Sequence[Place], copies: Sequence[Buffer]
) -> tuple[list[Stmt], list[Stmt]]:
    """What copies the elements that `turns` change, and what sets them back."""
    place = s.sub(s.index(turns.index), turns.start)
    pairs = list(zip(held, copies, strict=True))
    there = [Store(copy, place, s.load(*at)) for at, copy in pairs]
    back = [Store(*at, s.load(copy, place)) for at, copy in pairs]
    return [replace(turns, body=(x,)) for x in there], [replace(turns, body=(x,)) for x in back]


def _noting(
    loop: Loop, slow: dict[Expr, Expr], changing: set[Expr], rewrite: _Rewriter, flag: Register
) -> tuple[Stmt, ...]:
    """The body in its fast form; before each call that may have a value of its own, `flag` is set
    if the argument is too large."""
    fast: list[Stmt] = []
    seen: set[Expr] = set()
    for stmt in loop.body:
        called = [x for x in _nodes(*_values(stmt)) if x in slow and x not in seen - changing]
        fast += [Accumulate(flag, "or", rewrite(slow[x])) for x in called]
        fast.append(rewrite.statement(stmt))
        seen.update(called)
    return tuple(fast)


def _strips(
    s: ScalarBuilder, loop: Loop, strip: int, length: int | None
) -> tuple[Index, Expr, Expr, Expr]:
    """The number of a strip of so many turns, where it begins and ends, and how many there are.

    If turns may run again in another strip, `length` is how many turns there are, more than one
    strip of them, and all strips have the same length.
    """
    if length is not None:
        # as with chunks, the last strip begins earlier; strips are multiples of a vector's length,
        # and shorter than the loop, since there are two at least
        size = -(-length // (64 * -(-length // strip))) * 64
        number = Index(-(-length // size))
        first = s.add(loop.start, s.mul(s.index(number), size))
        first = s.min(first, s.sub(loop.stop, size))
        return number, first, s.add(first, size), s.int(number.extent)
    number = Index(-(-loop.index.extent // strip))
    first = s.add(loop.start, s.mul(s.index(number), strip))
    last = s.min(loop.stop, s.add(first, strip))
    count = s.idiv(s.add(s.sub(loop.stop, loop.start), strip - 1), strip)
    return number, first, last, count


def in_equal_chunks(s: ScalarBuilder, outer: Loop, place: Callable[[Buffer], object]) -> Loop:
    """The loop over chunks `outer`, or a form of it in which each chunk has the same length.

    Two threads may then store the same values to the same elements.
    """
    inner = outer.body[0]
    if len(outer.body) > 1 or not isinstance(inner, Loop) or not _repeatable(inner, place, True):
        return outer
    length = _full_length(inner)
    if length is None or any(isinstance(stmt, Accumulate) for stmt in inner.body):
        return outer
    start = s.min(inner.start, s.int(inner.index.extent - length))
    return replace(outer, body=(replace(inner, start=start, stop=s.add(start, length)),))


def _full_length(loop: Loop) -> int | None:
    """n, if the loop stops at min(start + n, extent)."""
    if loop.stop.op is not ScalarOp.MIN:
        return None
    reach, extent = loop.stop.args
    if not extent.is_const or extent.attr != loop.index.extent or reach.op is not ScalarOp.ADD:
        return None
    start, length = reach.args
    return length.attr if length.is_const and start is loop.start else None


def constant_length(s: ScalarBuilder, loop: Loop) -> int | None:
    """The number of iterations, if it is constant."""
    length = s.sub(loop.stop, loop.start)
    if length.is_const:
        return length.attr
    start, length = loop.stop.args if loop.stop.op is ScalarOp.ADD else (loop.stop, length)
    return length.attr if length.is_const and start is loop.start else None


def _repeatable(loop: Loop, place: Callable[[Buffer], object], shared: bool = False) -> bool:
    """Whether an iteration may run twice (accumulators apart); buffers overlap if their `place` is
    the same. If it is `shared`, two threads may be in it at the same time."""
    return _read_and_stored(loop, place, shared) == set()


def _held(loop: Loop, place: Callable[[Buffer], object]) -> list[Place] | None:
    """The elements that must be set back before an iteration runs twice; None if it may not.

    Each iteration changes elements of its own: each array is at one place in it.
    """
    both = _read_and_stored(loop, place)
    if not both:
        return None if both is None else []
    found: dict[object, set[Place]] = {}
    for statement in loop.body:
        if isinstance(statement, Store):
            found.setdefault(place(statement.buffer), set()).add(
                (statement.buffer, statement.offset)
            )
    for node in _nodes(*(v for stmt in loop.body for v in _values(stmt))):
        if node.op is ScalarOp.LOAD and place(node.attr) in found:
            found[place(node.attr)].add((node.attr, node.args[0]))
    if loop.kind is Kind.ORDERED or not all(
        len(places) == 1 and _is_along(offset, loop.index)
        for places in found.values()
        for _, offset in places
    ):
        return None
    return [at for x in both if x in found for at in found[x]]


def _is_along(offset: Expr, index: Index) -> bool:
    function = affine(offset)
    return function is not None and function.terms.get(index) == 1


def _read_and_stored(
    loop: Loop, place: Callable[[Buffer], object], shared: bool = False
) -> set[object] | None:
    """The places that an iteration reads and stores; None if it cannot run twice for registers."""
    stored: set[object] = set()
    read: set[object] = set()
    declared: set[Register] = set()
    accumulated: set[Register] = set()
    made: set[tuple[Buffer, Expr]] = set()
    seen: set[Expr] = set()  # whose reads are known: what is made later they have not left out
    for stmt in loop.body:
        match stmt:
            case Store():
                read |= _places(stmt.offset, place, made, seen)
                read |= _places(stmt.value, place, made, seen)
                stored.add(place(stmt.buffer))
                if not shared:
                    made.add((stmt.buffer, stmt.offset))
            case Accumulate():
                accumulated.add(stmt.register)
                read |= _places(stmt.value, place, made, seen)
            case Declare():
                declared.add(stmt.register)
                read |= _places(stmt.init, place, made, seen)
            case _:
                return None
    lasting = accumulated - declared
    return None if read & lasting else read & stored


def _places(
    x: Expr,
    place: Callable[[Buffer], object],
    made: AbstractSet[tuple[Buffer, Expr]],
    seen: set[Expr],
) -> set[object]:
    """What `x` reads below nodes not `seen` yet, except elements that the same turn has `made`."""
    found: set[object] = set()
    stack = [x]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack.extend(node.args)
        if node.op is ScalarOp.LOAD and (node.attr, node.args[0]) not in made:
            found.add(place(node.attr))
        elif node.op is ScalarOp.REGISTER:
            found.add(node.attr)
    return found


def _nodes(*roots: Expr) -> list[Expr]:
    """The distinct nodes under `roots`, operands before users."""
    order: dict[Expr, None] = {}
    stack = [(x, False) for x in roots]
    while stack:
        node, done = stack.pop()
        if done:
            order[node] = None
        elif node not in order:
            stack.append((node, True))
            stack.extend((a, False) for a in node.args)
    return list(order)


def _values(stmt: Stmt) -> tuple[Expr, ...]:
    match stmt:
        case Store():
            return (stmt.offset, stmt.value)
        case Declare():
            return (stmt.init,)
        case Accumulate():
            return (stmt.value,)
        case _:
            return ()


def _changing(loop: Loop, slow: Iterable[Expr]) -> set[Expr]:
    """Those of the calls that read what a turn changes: the same call may have other values."""
    stored = {stmt.buffer for stmt in loop.body if isinstance(stmt, Store)}
    return {x for x in slow if _changes(x, stored)}


def _changes(x: Expr, stored: AbstractSet[Buffer]) -> bool:
    """Whether an expression reads a register, or what is `stored`."""
    return any(
        n.op is ScalarOp.REGISTER or (n.op is ScalarOp.LOAD and n.attr in stored) for n in _nodes(x)
    )


def _slow_functions(s: ScalarBuilder, loop: Loop) -> dict[Expr, Expr]:
    """The calls in the loop that have a slow form, each with the condition under which it holds.

    Those that do not depend on the loop are computed outside of it, and do not count.
    """
    found: dict[Expr, Expr] = {}
    stored = {stmt.buffer for stmt in loop.body if isinstance(stmt, Store)}
    for node in _nodes(*(v for stmt in loop.body for v in _values(stmt))):
        if node.op not in MATHS or node.op is ScalarOp.CALL or node.dtype.itemsize == 2:
            continue
        if loop.index in node.indices or _changes(node, stored):
            condition = needs_slow_path(s, node)
            if condition is not None:
                found[node] = condition
    return found


class _Rewriter:
    """Replaces nodes in expressions and statements."""

    def __init__(self, s: ScalarBuilder, replacements: dict[Expr, Expr]) -> None:
        self.s = s
        self.done: dict[Expr, Expr] = {}
        self.replacements = replacements

    def __call__(self, x: Expr) -> Expr:
        """`x` with the replacements made, inside of replacements too."""
        pending = [x]
        while pending:
            node = pending[-1]
            if node in self.done:
                pending.pop()
                continue
            replacement = self.replacements.get(node)
            operands = node.args if replacement is None else (replacement,)
            missing = [a for a in operands if a not in self.done]
            if missing:
                pending.extend(missing)
                continue
            pending.pop()
            self.done[node] = self._rebuilt(node, replacement)
        return self.done[x]

    def _rebuilt(self, node: Expr, replacement: Expr | None) -> Expr:
        if replacement is not None:
            return self.done[replacement]
        args = tuple(self.done[a] for a in node.args)
        unchanged = all(a is b for a, b in zip(args, node.args, strict=True))
        return node if unchanged else self.s.node(node.op, args, node.dtype, node.attr)

    def statement(self, stmt: Stmt) -> Stmt:
        """A Store, Declare or Accumulate with its expressions replaced."""
        match stmt:
            case Store():
                return Store(stmt.buffer, self(stmt.offset), self(stmt.value))
            case Declare():
                return Declare(stmt.register, self(stmt.init))
            case Accumulate():
                return Accumulate(stmt.register, stmt.combine, self(stmt.value))
            case _:
                return stmt
