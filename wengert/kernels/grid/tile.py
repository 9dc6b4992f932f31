"""Transposed reads: tiles of 32 x 32 go through memory that a team shares.

In a map whose stores walk by one with the last index j, and some of whose loads do with another
index i, neighbouring threads would read far apart. So a team takes a square of both: it first reads
the square with neighbours along i, and then computes with neighbours along j. Rows of the tile are
one element longer than they need be, so that a column of it lies in different banks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.grid.nests import extents, flat, replaced
from wengert.kernels.loops import Buffer, Declare, If, Kind, Loop, Space, Stmt, Store
from wengert.kernels.statements import changed, expressions, map_statements

SIDE = 32
THREADS = 256


@dataclass(frozen=True, slots=True)
class Square:
    """The loop that transposed loads walk with, by its position, and these loads."""

    position: int
    loads: tuple[Expr, ...]


def find_square(loops: Sequence[Loop], body: Sequence[Stmt]) -> Square | None:
    """The transposed reads of a map, if it has any that are worth tiles."""
    known = extents(loops)
    if known is None or len(loops) < 2 or known[-1] < SIDE:
        return None
    if not all(isinstance(st, Store | Declare) for st in body):
        return None
    stores = [st for st in body if isinstance(st, Store)]
    if not all(_step(st.offset, loops[-1].index) == 1 for st in stores):
        return None
    loads = _plain_loads(body)
    for position in range(len(loops) - 2, -1, -1):
        if known[position] < SIDE:
            continue
        found = [n for n in loads if _is_transposed(n, loops[position].index, loops[-1].index)]
        if found:
            return Square(position, tuple(found))
    return None


def _step(offset: Expr, index: Index) -> int | None:
    function = affine(offset)
    return None if function is None else function.terms.get(index, 0)


def _is_transposed(load: Expr, along: Index, last: Index) -> bool:
    across = _step(load.args[0], last)
    return _step(load.args[0], along) == 1 and across is not None and abs(across) >= SIDE


def _plain_loads(body: Sequence[Stmt]) -> list[Expr]:
    """Loads of memory that the body leaves alone, under no condition."""
    written = changed(body)
    exprs = expressions(body)
    guarded = {n for g in nodes(exprs) if g.op is ScalarOp.GUARD for n in nodes((g.args[1],))}
    loads = [n for n in nodes(exprs) if n.op is ScalarOp.LOAD]
    return [n for n in loads if n.attr not in written and n not in guarded]


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both loops of a square, their extents, and the indices that count squares along them."""

    loops: tuple[Loop, Loop]
    counts: tuple[int, int]
    squares: tuple[Index, Index]


def tiled(s: ScalarBuilder, loops: Sequence[Loop], body: Sequence[Stmt], square: Square) -> Loop:
    """The map with a team for each square."""
    known = extents(loops)
    assert known is not None
    counts = (known[square.position], known[-1])
    first, second = (Index(-(-count // SIDE)) for count in counts)
    sides = _Sides((loops[square.position], loops[-1]), counts, (first, second))
    tiles = {n: Buffer(n.dtype, SIDE * (SIDE + 1), Space.LOCAL) for n in square.loads}
    team = _team(s, body, sides, tiles)
    others = [x for k, x in enumerate(loops) if k not in (square.position, len(loops) - 1)]
    nest = [*others, *(Loop(i, s.int(0), s.int(i.extent), ()) for i in sides.squares)]
    whole = extents(nest)
    assert whole is not None
    index = Index(prod(whole))
    inner = flat(s, nest, team, s.index(index))
    return Loop(index, s.int(0), s.int(index.extent), inner, Kind.BLOCK)


def _team(
    s: ScalarBuilder, body: Sequence[Stmt], sides: _Sides, tiles: dict[Expr, Buffer]
) -> tuple[Stmt, ...]:
    """Reads a square into tiles, neighbours along the one side, and computes along the other."""
    filling, using = Index(SIDE * SIDE), Index(SIDE * SIDE)
    at = s.add(s.mul(_row(s, filling), SIDE + 1), _column(s, filling))
    fill = [Store(buffer, at, load) for load, buffer in tiles.items()]
    read = s.add(s.mul(_column(s, using), SIDE + 1), _row(s, using))

    def rule(expr: Expr) -> Expr | None:
        return s.load(tiles[expr], read) if expr in tiles else None

    use = map_statements(body, Rewriter(s, rule))
    columns, rows = (_column(s, filling), _row(s, filling)), (_row(s, using), _column(s, using))
    return (_half(s, fill, sides, filling, columns), _half(s, use, sides, using, rows))


def _row(s: ScalarBuilder, number: Index) -> Expr:
    return s.idiv(s.index(number), s.int(SIDE))


def _column(s: ScalarBuilder, number: Index) -> Expr:
    return s.irem(s.index(number), s.int(SIDE))


def _half(
    s: ScalarBuilder,
    body: Sequence[Stmt],
    sides: _Sides,
    number: Index,
    within: tuple[Expr, Expr],
) -> Loop:
    """`body` for each element of a square, which is `within` it along the two sides."""
    inside = s.const(True, bool)
    places: dict[Index, Expr] = {}
    for loop, count, square, spot in zip(
        sides.loops, sides.counts, sides.squares, within, strict=True
    ):
        place = s.add(s.mul(s.index(square), SIDE), spot)
        inside = s.and_(inside, s.lt(place, s.int(count)))
        places[loop.index] = s.add(place, loop.start)
    inner = (If(inside, replaced(s, body, places)),)
    return Loop(number, s.int(0), s.int(number.extent), inner, Kind.LANES)
