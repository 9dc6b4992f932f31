"""Tiles loops that walk one array along its rows and another along its columns.

A transposed read touches a new cache line at each step of the inner loop. Done in square tiles as
wide as a line, each line that comes in is used whole before it is pushed out. Only loops that
store, and neither combine nor carry anything, are tiled: their turns may run in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.loops import Loop, Stmt, Store
from wengert.kernels.rebuild import Rewriter
from wengert.kernels.stages import nodes
from wengert.kernels.statements import expressions, map_statements

LINE = 64
# Arrays below this many elements fit the cache anyway.
MIN_SIZE = 4_096


@dataclass(frozen=True, slots=True)
class _Pair:
    """Positions in a chain of loops: `across` is contiguous in some read, the last in a store."""

    across: int
    width: int


def tile(s: ScalarBuilder, loop: Loop) -> tuple[Loop, ...]:
    """Loops that do what `loop` does: tiled, then the edges; or `loop` itself."""
    chain = _chain(loop)
    pair = _pair(chain)
    if pair is None:
        return (loop,)
    rows, columns = chain[pair.across], chain[-1]
    others = [x for i, x in enumerate(chain[:-1]) if i != pair.across]
    body = columns.body
    width = pair.width
    full_rows = rows.index.extent // width * width
    full_columns = columns.index.extent // width * width
    main = _tiles(s, rows.index, columns.index, width, body)
    result = [_around(s, others, main)]
    if full_columns < columns.index.extent:
        edge = replace(columns, start=s.int(full_columns))
        inner = replace(rows, stop=s.int(full_rows), body=(edge,))
        result.append(_around(s, others, inner))
    if full_rows < rows.index.extent:
        result.append(_around(s, others, replace(rows, start=s.int(full_rows), body=(columns,))))
    return tuple(result)


def _chain(loop: Loop) -> list[Loop]:
    chain = [loop]
    while len(chain[-1].body) == 1 and isinstance(chain[-1].body[0], Loop):
        chain.append(chain[-1].body[0])
    return chain


def _pair(chain: Sequence[Loop]) -> _Pair | None:
    body = chain[-1].body
    size = 1
    for loop in chain:
        size *= loop.index.extent
    if len(chain) < 2 or size < MIN_SIZE or not all(isinstance(st, Store) for st in body):
        return None
    if not all(_steps(st.offset, chain[-1].index) == 1 for st in body if isinstance(st, Store)):
        return None
    for node in nodes(expressions(body)):
        if node.op is ScalarOp.LOAD and abs(_steps(node.args[0], chain[-1].index)) > 1:
            for at in range(len(chain) - 1):
                if abs(_steps(node.args[0], chain[at].index)) == 1:
                    return _fitting(chain, at, max(1, LINE // node.dtype.itemsize))
    return None


def _fitting(chain: Sequence[Loop], at: int, width: int) -> _Pair | None:
    small = min(chain[at].index.extent, chain[-1].index.extent)
    return _Pair(at, width) if small >= 2 * width else None


def _steps(offset: Expr, index: Index) -> int:
    function = affine(offset)
    return 0 if function is None else function.terms.get(index, 0)


def _tiles(
    s: ScalarBuilder, rows: Index, columns: Index, width: int, body: tuple[Stmt, ...]
) -> Loop:
    """Square tiles over the parts of both ranges that `width` divides."""
    row_tile, column_tile = Index(rows.extent // width), Index(columns.extent // width)
    row, column = Index(width), Index(width)
    places = {
        s.index(rows): s.add(s.mul(s.index(row_tile), width), s.index(row)),
        s.index(columns): s.add(s.mul(s.index(column_tile), width), s.index(column)),
    }
    placed = map_statements(body, Rewriter(s, places.get))
    for index in (column, row, column_tile, row_tile):
        placed = (Loop(index, s.int(0), s.int(index.extent), placed),)
    (loop,) = placed
    assert isinstance(loop, Loop)
    return loop


def _around(s: ScalarBuilder, others: Sequence[Loop], inner: Loop) -> Loop:
    for loop in reversed(others):
        inner = Loop(loop.index, s.int(0), s.int(loop.index.extent), (inner,))
    return inner
