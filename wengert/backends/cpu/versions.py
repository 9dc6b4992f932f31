"""Two versions of loops over functions whose exact form is a rare library call.

sin, cos and tan of huge arguments need a library call under a branch, which keeps LLVM from
vectorising the loop. So such a loop is cut into strips. Each strip first runs with the fast form
alone, noting whether any argument was too large for it; if one was, the strip runs once more with
the exact form. That is sound where running an iteration twice does no harm: a loop that reads
nothing that it stores, and whose accumulators are set back before the second run.
"""

from __future__ import annotations

from wengert.ir.scalar import MATHS, Expr, Index, ScalarBuilder, ScalarOp
from wengert.ir.types import BOOL
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Declare,
    If,
    Loop,
    Register,
    Stmt,
    Store,
)
from wengert.kernels.maths import expand, needs_slow_path

STRIP = 1024


def in_two_versions(s: ScalarBuilder, loop: Loop) -> tuple[Stmt, ...]:
    """`loop`, or what to run instead of it."""
    if not _repeatable(loop):
        return (loop,)
    slow = _slow_functions(s, loop)
    if not slow:
        return (loop,)
    flag = Register(BOOL)
    fast_forms = {x: expand(s, x, guard=False) for x in slow}
    rewrite = _Rewriter(s, fast_forms)
    fast = [rewrite.statement(stmt) for stmt in loop.body]
    fast += [Accumulate(flag, "or", rewrite(condition)) for condition in slow.values()]
    kept = {
        stmt.register: Register(stmt.register.dtype)
        for stmt in loop.body
        if isinstance(stmt, Accumulate)
    }

    def strip(start: Expr, stop: Expr) -> tuple[Stmt, ...]:
        exact = Loop(loop.index, start, stop, loop.body, loop.kind)
        restored = [Assign(r, s.register(k)) for r, k in kept.items()]
        return (
            Declare(flag, s.const(False, BOOL)),
            *(Declare(k, s.register(r)) for r, k in kept.items()),
            Loop(loop.index, start, stop, tuple(fast), loop.kind),
            If(s.register(flag), (*restored, exact)),
        )

    if loop.index.extent <= STRIP:
        return strip(loop.start, loop.stop)
    number = Index(-(-loop.index.extent // STRIP))
    first = s.add(loop.start, s.mul(s.index(number), STRIP))
    last = s.min(loop.stop, s.add(first, STRIP))
    count = s.idiv(s.add(s.sub(loop.stop, loop.start), STRIP - 1), STRIP)
    return (Loop(number, s.int(0), count, strip(first, last)),)


def _repeatable(loop: Loop) -> bool:
    """Whether an iteration may run twice (accumulators apart)."""
    stored: set[Buffer] = set()
    read: set[object] = set()
    declared: set[Register] = set()
    accumulated: set[Register] = set()
    for stmt in loop.body:
        match stmt:
            case Store():
                stored.add(stmt.buffer)
                read |= _places(stmt.offset) | _places(stmt.value)
            case Accumulate():
                accumulated.add(stmt.register)
                read |= _places(stmt.value)
            case Declare():
                declared.add(stmt.register)
                read |= _places(stmt.init)
            case _:
                return False
    return not (read & stored) and not (read & accumulated) and not (declared & accumulated)


def _places(x: Expr) -> set[object]:
    return {n.attr for n in _nodes(x) if n.op in (ScalarOp.LOAD, ScalarOp.REGISTER)}


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


def _slow_functions(s: ScalarBuilder, loop: Loop) -> dict[Expr, Expr]:
    """The calls in the loop that have a slow form, each with the condition under which it holds.

    Those that do not depend on the loop are computed outside of it, and do not count.
    """
    found: dict[Expr, Expr] = {}
    for node in _nodes(*(v for stmt in loop.body for v in _values(stmt))):
        if node.op not in MATHS or node.op is ScalarOp.CALL or node.dtype.itemsize == 2:
            continue
        if loop.index in node.indices or any(n.op is ScalarOp.REGISTER for n in _nodes(node)):
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
