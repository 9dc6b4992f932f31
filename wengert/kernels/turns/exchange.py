"""Loops that walk across their arrays change places with the loop around them.

    for j: { y[i, j] *= c;  for k: x[k, j] += y[i, j] * z[k, i] }

Each turn of the loop over k is a row further. Its turns need nothing of one another, so the loop
over j may be the inner one, with vectors along the rows. What else a turn of j does gets a loop
over j of its own, before or after (loop distribution and interchange: R. Allen, K. Kennedy,
Optimizing Compilers for Modern Architectures, 2001, sections 5.2 and 5.3).

Legality. A turn j is cut into parts. Part B of turn j now comes after part A of all later turns
j' > j, so where A stands before B, nothing that B does in turn j may meet what A does in a later
one. In an exchanged part, turn (j', k') with j' > j and k' < k now comes before (j, k): the two may
not meet. Sums into an element may be regrouped, so they do not wait for one another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter, loaded, nodes
from wengert.kernels.loops import If, Kernel, Kind, Loop, Space, Stmt, Store
from wengert.kernels.skew.distances import Access, accesses
from wengert.kernels.statements import (
    changed,
    expressions,
    map_loops,
    map_statements,
    own_expressions,
    walk,
)
from wengert.kernels.turns.bounds import Around, differ
from wengert.kernels.turns.turn import own_scalars

SHORT = 16
"""A loop of fewer turns is not worth being the inner one."""
ACROSS = 8
"""What an access costs that is in another line of the cache each time; a neighbour costs 1."""
_MANY = 24
"""Turns of more statements than this are left alone."""
_KINDS = (Kind.SERIAL, Kind.ORDERED, Kind.FREE)

Part = tuple[Stmt, ...]


def exchanged(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such loops inside those that they stand in."""

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        return _exchanged(s, loop, around)

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def _exchanged(s: ScalarBuilder, loop: Loop, around: Around) -> Sequence[Stmt] | None:
    inner = [st for st in loop.body if isinstance(st, Loop)]
    if loop.kind not in (Kind.SERIAL, Kind.ORDERED) or loop.index.extent < SHORT or not inner:
        return None
    statements = list(walk(loop.body))
    if len(statements) > _MANY or not all(isinstance(st, Store | If | Loop) for st in statements):
        return None
    if changed(loop.body) & loaded((loop.start, loop.stop)):
        return None
    parts = list(_parts(s, loop, around))
    if not any(isinstance(part, Loop) for part in parts) or not _may_part(s, loop, parts, around):
        return None
    found: list[Stmt] = []
    for part in parts:
        if isinstance(part, Loop):
            within = replace(loop, body=part.body, kind=Kind.ORDERED)
            found.append(replace(part, body=(within,), kind=Kind.ORDERED))
        else:
            found.append(replace(loop, body=part))
    return found


def _parts(s: ScalarBuilder, loop: Loop, around: Around) -> Iterator[Loop | Part]:
    """The turn of a loop: loops that are better outside it, and what is between them."""
    waiting: list[Stmt] = []
    for statement in loop.body:
        if isinstance(statement, Loop) and _is_across(s, loop, statement, around):
            if waiting:
                yield tuple(waiting)
            yield statement
            waiting = []
        else:
            waiting.append(statement)
    if waiting:
        yield tuple(waiting)


def _is_across(s: ScalarBuilder, loop: Loop, inner: Loop, around: Around) -> bool:
    """Whether an inner loop should and may be the outer one."""
    if inner.kind not in _KINDS or any(isinstance(st, Loop) for st in walk(inner.body)):
        return False
    if any(affine(x) is None or loop.index in x.indices for x in (inner.start, inner.stop)):
        return False
    own = own_scalars(inner.body)
    found = [x for x in accesses(s, inner.body, inside=True) if x.buffer not in own]
    if any(x.place is None for x in found):
        return False
    if _cost(found, loop.index) >= _cost(found, inner.index):
        return False
    return _may_cross(s, found, {**around, inner.index: inner}, (loop, inner))


def _cost(found: Sequence[Access], index: Index) -> int:
    """What the accesses of a turn cost where a loop over `index` is the innermost one.

    Local arrays are in the nearest cache however they are walked. Turns that all set one element
    wait for one another, unless they only add to it.
    """
    total = 0
    places = {(x.buffer, x.writes, x.adds, _as_key(x.place)) for x in found}
    for buffer, writes, adds, (_, terms) in places:
        if buffer.space is Space.LOCAL:
            continue
        step = abs(dict(terms).get(index, 0))
        waits = writes and not adds and step == 0
        total += (ACROSS if waits else min(step, ACROSS)) * (2 if writes else 1)
    return total


def _as_key(place: Affine | None) -> tuple[int, frozenset[tuple[Index, int]]]:
    assert place is not None
    return place.const, frozenset(place.terms.items())


def _may_cross(
    s: ScalarBuilder, found: Sequence[Access], around: Around, loops: tuple[Loop, Loop]
) -> bool:
    """Whether no turn of the outer loop meets, at earlier inner turns, what one before it does."""
    outer, inner = loops
    j, k = Index(outer.index.extent), Index(inner.index.extent)
    moved = {outer.index: j, inner.index: k}
    earlier = Loop(j, outer.start, s.index(outer.index), ())
    later = Loop(k, s.add(s.index(inner.index), 1), inner.stop, ())
    both = {**around, j: earlier, k: later}
    return all(
        differ(_known(x), _renamed(_known(y), moved), both)
        for x, y in itertools.product(found, found)
        if _meet(x, y)
    )


def _known(access: Access) -> Affine:
    assert access.place is not None
    return access.place


def _renamed(place: Affine, names: Mapping[Index, Index]) -> Affine:
    return Affine(place.const, {names.get(i, i): c for i, c in place.terms.items()})


def _meet(x: Access, y: Access) -> bool:
    """Whether two accesses are of one array and wait for one another."""
    return x.buffer is y.buffer and (x.writes or y.writes) and not (x.adds and y.adds)


def _may_part(s: ScalarBuilder, loop: Loop, parts: Sequence[Loop | Part], around: Around) -> bool:
    """Whether the parts of a turn may have loops of their own."""
    bodies = [(part,) if isinstance(part, Loop) else part for part in parts]
    return all(
        _in_order(s, first, second, loop, around)
        for first, second in itertools.combinations(bodies, 2)
    )


def _in_order(s: ScalarBuilder, first: Part, second: Part, loop: Loop, around: Around) -> bool:
    """Whether the first part of a turn meets nothing of the second parts of turns before it."""
    written, read = (
        (changed(first), changed(second)),
        [loaded(expressions(x)) for x in (first, second)],
    )
    if written[0] & (read[1] | written[1]) or written[1] & read[0]:
        row = Index(loop.index.extent)
        moved = _copied(s, second, {loop.index: row})
        before = {row: Loop(row, loop.start, s.index(loop.index), ())}
        after = {loop.index: replace(loop, start=s.add(s.index(row), 1))}
        outer = {i: x for i, x in around.items() if i is not loop.index}
        ways = (
            {**outer, loop.index: loop, **before},
            {**outer, row: replace(loop, index=row), **after},
        )
        for (x, own), (y, others) in itertools.product(_accesses(s, first), _accesses(s, moved)):
            if not _meet(x, y):
                continue
            if x.place is None or y.place is None:
                return False
            if not any(differ(x.place, y.place, {**way, **own, **others}) for way in ways):
                return False
    return True


def _accesses(s: ScalarBuilder, body: Sequence[Stmt]) -> Iterator[tuple[Access, Around]]:
    """What statements access, and the loops in `body` that are around it: no others need have a
    turn where it is done."""
    for statement in body:
        match statement:
            case Loop(index, _, _, inner):
                for access, loops in _accesses(s, inner):
                    yield access, {index: statement, **loops}
            case If(_, then, otherwise):
                yield from _accesses(s, (*then, *otherwise))
            case _:
                yield from ((access, {}) for access in accesses(s, (statement,), inside=True))
        if isinstance(statement, Loop | If):
            read = [n for n in nodes(own_expressions(statement)) if n.op is ScalarOp.LOAD]
            yield from ((Access(0, n.attr, affine(n.args[0]), False), {}) for n in read)


def _copied(s: ScalarBuilder, body: Sequence[Stmt], names: Mapping[Index, Index]) -> Part:
    """Statements with other indices, those of the loops in them among these."""
    inside = {x.index for x in walk(body) if isinstance(x, Loop)}
    every = {**names, **{i: Index(i.extent) for i in inside}}

    def rule(expr: Expr) -> Expr | None:
        return values.get(expr)

    def one(statement: Stmt) -> Stmt:
        match statement:
            case Loop():
                inner = tuple([one(st) for st in statement.body])
                return replace(statement, index=every[statement.index], body=inner)
            case If(condition, then, otherwise):
                return If(condition, tuple(map(one, then)), tuple(map(one, otherwise)))
            case _:
                return statement

    values = {s.index(old): s.index(new) for old, new in every.items()}
    return tuple([one(st) for st in map_statements(body, Rewriter(s, rule))])
