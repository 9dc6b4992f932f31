"""Walks over statements of the loop IR."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from wengert.ir.scalar import MATHS, Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Call,
    Check,
    Communicate,
    Declare,
    Factorise,
    Gemm,
    If,
    Kernel,
    Kind,
    Loop,
    Matrix,
    Register,
    Stmt,
    Store,
    While,
)


def map_statements(
    body: Sequence[Stmt],
    expr: Callable[[Expr], Expr],
    store: Callable[[Store], Store] = lambda statement: statement,
) -> tuple[Stmt, ...]:
    """`body` with every expression replaced, and then every Store."""

    def many(statements: Sequence[Stmt]) -> tuple[Stmt, ...]:
        return tuple(one(st) for st in statements)

    def one(statement: Stmt) -> Stmt:
        match statement:
            case Loop(index, start, stop, inner, kind):
                return Loop(index, expr(start), expr(stop), many(inner), kind)
            case If(condition, then, otherwise):
                return If(expr(condition), many(then), many(otherwise))
            case While(before, condition, inner):
                return While(many(before), expr(condition), many(inner))
            case Store(buffer, offset, value):
                return store(Store(buffer, expr(offset), expr(value)))
            case Kernel():
                return replace(statement, body=many(statement.body))
            case _:
                return _mapped(statement, expr)

    return many(body)


def _mapped(
    statement: Declare | Assign | Accumulate | Check | Call | Communicate,
    expr: Callable[[Expr], Expr],
) -> Stmt:
    match statement:
        case Declare(register, init):
            return Declare(register, expr(init))
        case Assign(register, value):
            return Assign(register, expr(value))
        case Accumulate(register, combine, value):
            return Accumulate(register, combine, expr(value))
        case Check(condition, code, value):
            return Check(expr(condition), code, expr(value))
        case Gemm(out, lhs, rhs, m):
            out, lhs, rhs = (replace(x, offset=expr(x.offset)) for x in (out, lhs, rhs))
            return replace(statement, out=out, lhs=lhs, rhs=rhs, m=expr(m))
        case Factorise():
            out, *sources = (replace(x, offset=expr(x.offset)) for x in statement.matrices)
            first = None if statement.first is None else expr(statement.first)
            return replace(statement, out=out, sources=tuple(sources), first=first)
        case Communicate():
            return statement


def map_loops(
    body: Sequence[Stmt],
    change: Callable[[Loop, Mapping[Index, Loop]], Sequence[Stmt] | None],
    around: Mapping[Index, Loop] | None = None,
) -> tuple[Stmt, ...]:
    """`body` with what `change` gives for each loop, from a loop and all around it and itself.

    Where it gives None the loops inside are looked at.
    """

    def one(statement: Stmt) -> Sequence[Stmt]:
        match statement:
            case Loop():
                inside = {**(around or {}), statement.index: statement}
                found = change(statement, inside)
                if found is not None:
                    return found
                return (replace(statement, body=map_loops(statement.body, change, inside)),)
            case If(condition, then, otherwise):
                parts = (map_loops(x, change, around) for x in (then, otherwise))
                return (If(condition, *parts),)
            case While(before, condition, inner):
                first, rest = (map_loops(x, change, around) for x in (before, inner))
                return (While(first, condition, rest),)
            case _:
                return (statement,)

    return tuple(new for statement in body for new in one(statement))


# By kind of statement, since most walks ask each statement of a program for them.
_OWN: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    Store: lambda st: (st.offset, st.value),
    Loop: lambda st: (st.start, st.stop),
    Declare: lambda st: (st.init,),
    Assign: lambda st: (st.value,),
    Accumulate: lambda st: (st.value,),
    If: lambda st: (st.condition,),
    While: lambda st: (st.condition,),
    Check: lambda st: (st.condition, st.value),
    Gemm: lambda st: (st.out.offset, st.lhs.offset, st.rhs.offset, st.m),
    Factorise: lambda st: _offsets(st),
    Communicate: lambda _: (),
    Kernel: lambda _: (),
}


def _offsets(call: Factorise) -> tuple[Expr, ...]:
    offsets = tuple(x.offset for x in call.matrices)
    return offsets if call.first is None else (*offsets, call.first)


def own_expressions(statement: Stmt) -> tuple[Expr, ...]:
    """The expressions of a statement itself, without those of statements inside it."""
    return _OWN[type(statement)](statement)


_STRAIGHT = frozenset({Store, Declare, Assign, Accumulate, Check, Gemm, Factorise, Communicate})
"""The statements without others inside."""


def walk(body: Sequence[Stmt]) -> Iterator[Stmt]:
    """All statements, depth first."""
    stack = list(reversed(body))
    while stack:
        statement = stack.pop()
        yield statement
        if type(statement) in _STRAIGHT:
            continue
        match statement:
            case Loop() | Kernel():
                stack.extend(reversed(statement.body))
            case If(_, then, otherwise):
                stack.extend(reversed((*then, *otherwise)))
            case While(before, _, inner):
                stack.extend(reversed((*before, *inner)))
            case _:
                pass


def inner_kernels(kernel: Kernel) -> tuple[tuple[Kernel, ...], ...] | None:
    """The launches of each part of a loop or branch that the host runs; None for other kernels."""
    match kernel.body:
        case (Loop(_, _, _, body, Kind.HOST),):
            parts = (body,)
        case (If(_, first, second),) | (While(first, _, second),):
            parts = (first, second)
        case _:
            return None
    if not all(isinstance(st, Kernel) for part in parts for st in part):
        return None
    return tuple([tuple([st for st in part if isinstance(st, Kernel)]) for part in parts])


def map_inner_kernels(
    kernel: Kernel, change: Callable[[Sequence[Kernel]], Sequence[Kernel]]
) -> Kernel:
    """The kernel with other launches in each part, if it is one that the host runs."""
    parts = inner_kernels(kernel)
    if parts is None:
        return kernel
    made = [tuple(change(part)) for part in parts]
    match kernel.body[0]:
        case Loop() as loop:
            return replace(kernel, body=(replace(loop, body=made[0]),))
        case If(condition):
            return replace(kernel, body=(If(condition, *made),))
        case While(_, condition):
            return replace(kernel, body=(While(made[0], condition, made[1]),))
        case _:
            return kernel


def changed(body: Sequence[Stmt]) -> frozenset[Buffer]:
    """The buffers that `body` writes."""
    found: set[Buffer] = set()
    for statement in walk(body):
        if isinstance(statement, Store):
            found.add(statement.buffer)
        elif isinstance(statement, Call):
            found.add(statement.out.buffer)
        elif isinstance(statement, Communicate):
            found.update(statement.outs)
    return frozenset(found)


def in_turn(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """`body` with all of its parallel loops run one turn after the other."""

    def one(statement: Stmt) -> Stmt:
        match statement:
            case Loop():
                kind = Kind.SERIAL if statement.kind is Kind.PARALLEL else statement.kind
                return replace(statement, body=in_turn(statement.body), kind=kind)
            case If(condition, then, otherwise):
                return If(condition, in_turn(then), in_turn(otherwise))
            case While(before, condition, inner):
                return While(in_turn(before), condition, in_turn(inner))
            case _:
                return statement

    return tuple(one(st) for st in body)


def expressions(body: Sequence[Stmt]) -> list[Expr]:
    """All expressions below `body`."""
    return [e for statement in walk(body) for e in own_expressions(statement)]


def buffers(body: Sequence[Stmt]) -> dict[Buffer, None]:
    """All buffers that `body` reads or writes, in order of appearance."""
    found: dict[Buffer, None] = {}
    for node in nodes(expressions(body)):
        if node.op is ScalarOp.LOAD:
            found[node.attr] = None
    for statement in walk(body):
        if isinstance(statement, Store):
            found[statement.buffer] = None
        elif isinstance(statement, Communicate):
            found.update(dict.fromkeys((*statement.sources, *statement.outs)))
        elif isinstance(statement, Call):
            found.update((x.buffer, None) for x in reversed(statement.matrices))
            if (
                isinstance(statement, Gemm)
                and statement.epilogue is not None
                and statement.epilogue.bias is not None
            ):
                found[statement.epilogue.bias] = None
    return found


def registers(body: Sequence[Stmt]) -> set[Register]:
    """All registers that `body` uses."""
    exprs = nodes(expressions(body))
    found: set[Register] = {n.attr for n in exprs if n.op is ScalarOp.REGISTER}
    found.update(st.register for st in walk(body) if isinstance(st, Declare | Assign | Accumulate))
    return found


# What an operation costs, in vector instructions.
MATHS_COST = 10
# How many turns of a while loop are counted.
MANY_TURNS = 100


def work(body: Sequence[Stmt]) -> int:
    """About how many vector instructions `body` runs, per lane."""
    total = 0
    plain: list[Expr] = []
    for statement in body:
        match statement:
            case Loop():
                total += statement.index.extent * work(statement.body)
            case If(condition, then, otherwise):
                plain.append(condition)
                total += work(then) + work(otherwise)
            case While(before, condition, inner):
                plain.append(condition)
                total += MANY_TURNS * (work(before) + work(inner))
            case _:
                plain.extend(own_expressions(statement))
    return total + sum(MATHS_COST if n.op in MATHS else 1 for n in nodes(plain))


def renamed(
    s: ScalarBuilder, body: Sequence[Stmt], names: Mapping[Buffer, Buffer]
) -> tuple[Stmt, ...]:
    """`body` with other buffers in the place of those in `names`."""

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in names:
            return s.load(names[expr.attr], rewrite(expr.args[0]))
        return None

    def store(statement: Store) -> Store:
        buffer = names.get(statement.buffer, statement.buffer)
        return Store(buffer, statement.offset, statement.value)

    rewrite = Rewriter(s, rule)

    def matrix(x: Matrix) -> Matrix:
        return replace(x, buffer=names.get(x.buffer, x.buffer))

    return map_calls(map_statements(body, rewrite, store), matrix, names)


def map_calls(
    body: Sequence[Stmt],
    matrix: Callable[[Matrix], Matrix],
    names: Mapping[Buffer, Buffer] = MappingProxyType({}),
) -> tuple[Stmt, ...]:
    """`body` with other matrices in calls of libraries, and other buffers in communication."""

    def many(statements: Sequence[Stmt]) -> tuple[Stmt, ...]:
        return map_calls(statements, matrix, names)

    def one(statement: Stmt) -> Stmt:
        match statement:
            case Loop():
                return replace(statement, body=many(statement.body))
            case If(condition, then, otherwise):
                return If(condition, many(then), many(otherwise))
            case While(before, condition, inner):
                return While(many(before), condition, many(inner))
            case Gemm(out, lhs, rhs):
                return replace(statement, out=matrix(out), lhs=matrix(lhs), rhs=matrix(rhs))
            case Factorise():
                out, *sources = map(matrix, statement.matrices)
                return replace(statement, out=out, sources=tuple(sources))
            case Communicate(_, sources, outs):
                sources, outs = (tuple(names.get(b, b) for b in x) for x in (sources, outs))
                return replace(statement, sources=sources, outs=outs)
            case _:
                return statement

    return tuple(one(st) for st in body)
