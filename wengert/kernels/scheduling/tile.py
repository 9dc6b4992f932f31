"""Tiles loops that walk one array along its rows and another along its columns.

A transposed read touches a new cache line at each step of the inner loop, and if its stride is a
power of two these lines even compete for few places in the cache. So the loops run in square
tiles, and each tile first copies what it reads across, along the rows in which it lies in memory,
into a local buffer that stays in the cache, where it is turned around. Only loops that store, and
neither combine nor carry anything, are tiled: their turns may run in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.loops import Buffer, Loop, Space, Stmt, Store
from wengert.kernels.statements import expressions, map_statements

# Columns of a tile. A tile has so many rows that what it copies from each place is a KiB (less, and
# memory is read too little at a time; more, and the copies leave the cache), in equal tiles.
WIDTH = 64
RUN = 1024
# All rows are in one tile if there are fewer than that, but these at least.
FEW = 8
# Arrays below this many elements fit the cache anyway.
MIN_SIZE = 16_384
# More transposed reads than this in one body are left as they are.
MAX_COPIES = 3


def tile(s: ScalarBuilder, loop: Loop) -> tuple[Loop, ...]:
    """Loops that do what `loop` does: tiled, then the edges; or `loop` itself."""
    chain = _chain(loop)
    across = _across(chain)
    if across is None:
        return (loop,)
    rows, columns = chain[across], chain[-1]
    others = [x for i, x in enumerate(chain[:-1]) if i != across]
    height = _height(rows.index, columns)
    full_rows = rows.index.extent // height * height
    full_columns = columns.index.extent // WIDTH * WIDTH
    main = _tiles(s, rows.index, columns.index, columns.body, height)
    result = [_around(s, others, main)]
    if full_columns < columns.index.extent:
        edge = replace(columns, start=s.int(full_columns))
        inner = replace(rows, stop=s.int(full_rows), body=(edge,))
        result.append(_around(s, others, inner))
    if full_rows < rows.index.extent:
        result.append(_around(s, others, replace(rows, start=s.int(full_rows), body=(columns,))))
    return tuple(result)


def _height(rows: Index, columns: Loop) -> int:
    """The rows of a tile."""
    widest = max(load.dtype.itemsize for load in _transposed(columns.body, rows, columns.index))
    return rows.extent // -(-rows.extent * widest // RUN)


def _chain(loop: Loop) -> list[Loop]:
    chain = [loop]
    while len(chain[-1].body) == 1 and isinstance(chain[-1].body[0], Loop):
        chain.append(chain[-1].body[0])
    return chain


def _across(chain: Sequence[Loop]) -> int | None:
    """Which loop of the chain walks the rows of an array that the innermost walks across."""
    inner, body = chain[-1].index, chain[-1].body
    if len(chain) < 2 or not all(isinstance(st, Store) for st in body):
        return None
    if not all(_step(st.offset, inner) == 1 for st in body if isinstance(st, Store)):
        return None
    for at in range(len(chain) - 1):
        found = _transposed(body, chain[at].index, inner)
        if found and len(found) <= MAX_COPIES and _large(chain, at) and not _decides(body):
            return at
    return None


def _large(chain: Sequence[Loop], at: int) -> bool:
    size = prod(loop.index.extent for loop in chain)
    rows, columns = chain[at].index.extent, chain[-1].index.extent
    return size >= MIN_SIZE and rows >= FEW and columns >= WIDTH


def _decides(body: Sequence[Stmt]) -> bool:
    """Whether conditions on indices are left, so that some loads are guarded."""
    return any(n.op is ScalarOp.GUARD for n in nodes(expressions(body)))


def _transposed(body: Sequence[Stmt], rows: Index, columns: Index) -> list[Expr]:
    """The loads that are contiguous along `rows`, and not along `columns`."""
    return [
        node
        for node in nodes(expressions(body))
        if node.op is ScalarOp.LOAD
        and _step(node.args[0], rows) == 1
        and abs(_step(node.args[0], columns)) > 1
    ]


def _step(offset: Expr, index: Index) -> int:
    function = affine(offset)
    return 0 if function is None else function.terms.get(index, 0)


def _tiles(
    s: ScalarBuilder, rows: Index, columns: Index, body: tuple[Stmt, ...], height: int
) -> Loop:
    """Tiles over the parts of both ranges that `height` and `WIDTH` divide."""
    row_tile, column_tile = Index(rows.extent // height), Index(columns.extent // WIDTH)
    row, column = Index(height), Index(WIDTH)
    places = {
        s.index(rows): s.add(s.mul(s.index(row_tile), height), s.index(row)),
        s.index(columns): s.add(s.mul(s.index(column_tile), WIDTH), s.index(column)),
    }
    place = Rewriter(s, places.get)
    inside = s.add(s.mul(s.index(row), WIDTH), s.index(column))
    copies: list[Stmt] = []
    local: dict[Expr, Expr] = {}
    for load in _transposed(body, rows, columns):
        buffer = Buffer(load.dtype, height * WIDTH, Space.LOCAL)
        copies.append(Store(buffer, inside, place(load)))
        local[load] = s.load(buffer, inside)
    computed = map_statements(body, Rewriter(s, lambda e: local.get(e) or places.get(e)))
    # a single row of tiles leaves the threads nothing but its columns to share
    tiles = (row_tile, column_tile) if row_tile.extent > 1 else (column_tile, row_tile)
    inner = (*_nested(s, (column, row), tuple(copies)), *_nested(s, (row, column), computed))
    return _nested(s, tiles, inner)[0]


def _nested(s: ScalarBuilder, indices: Sequence[Index], body: tuple[Stmt, ...]) -> tuple[Loop, ...]:
    """`body` in whole loops over `indices`, the first of them outermost."""
    (*outer, last) = indices
    loop = Loop(last, s.int(0), s.int(last.extent), body)
    for index in reversed(outer):
        loop = Loop(index, s.int(0), s.int(index.extent), (loop,))
    return (loop,)


def _around(s: ScalarBuilder, others: Sequence[Loop], inner: Loop) -> Loop:
    for loop in reversed(others):
        inner = Loop(loop.index, s.int(0), s.int(loop.index.extent), (inner,))
    return inner
