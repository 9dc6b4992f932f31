"""Matrix products of wengert's own, in LLVM text: for machines with vectors of 512 bits.

The method is Goto and van de Geijn's ("Anatomy of high-performance matrix multiplication", ACM
TOMS 34(3), 2008), in the form that BLIS gave it (Van Zee and van de Geijn, ACM TOMS 41(3), 2015).
For each block of KC by NC of the right operand, packed into panels of two vectors of columns, and
each block of rows of the left one, packed into panels of at most `ROWS` rows, a tile of the result
is kept in registers while the contracted index runs: each step takes two vectors of the right
panel, and one number after the other of the left one, spread over a vector.

- A panel has as many rows as any other, or one less: there is a tile for each height. Rows are
  not padded, so that few rows cost little.
- Columns left over are padded in the packed panel, and masked where they are stored.
- A row-major operand of which each element is used by few tiles is not packed but read where it
  stands.
- Each element of the result is summed over the contracted index in the same order, whatever the
  number of rows: the same bits, however the rows are shared out over threads.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines.gemm_kernels import (
    F32,
    F64,
    ROWS,
    STANDING,
    TILE,
    WIDE,
    Kind,
    tile,
    tile_name,
)
from wengert.backends.cpu.routines.gemm_packing import (
    COLUMNS,
    LINES,
    ROW_MAJOR,
    pack_columns,
    pack_lines,
    pack_rows,
)
from wengert.backends.cpu.threads import SCRATCH

# KC: steps of a panel of the right operand, which is near the first-level cache; longer panels
# leave unfinished sums in memory less often, shorter ones leave room for the left operand.
DEPTH = {F32: 384, F64: 256}
BLOCK_ROWS = 8 * ROWS  # MC: of a block of the left one, which stays in the second-level cache
BLOCK_COLUMNS = 512  # NC: of a block of the right one
FEW_ROWS = 4 * ROWS  # up to so many, packing the right operand costs more than it saves
SEVERAL_ROWS = 128  # the same where its rows are short and whole lines of the cache
SHORT_ROWS = 1024  # bytes
ROOM = 1 << 15  # bytes on the stack, for products that need no more
NEAR = 1 << 15  # bytes of a right operand that stays in the first-level cache as it stands
FEW_PANELS = 8  # up to so many panels of columns, packing the left operand costs more
IDLE = "scratch.idle"  # cells with the addresses of scratch memory that nobody uses


def name(kind: Kind) -> str:
    """The function's symbol: `wg.gemm.f32` or `wg.gemm.f64`."""
    return f"wg.gemm.{kind.suffix}"


PARAMETERS = "i64, i64, i64, ptr, i64, i64, ptr, i64, i64, ptr, i64"
"""m, n, k; the first element of lhs, its strides of rows and columns; the same of rhs; out, whose
columns are next to each other, and its stride of rows. Strides are in elements."""


def texts(kind: Kind) -> tuple[str, str]:
    """Two modules, of which the second one has the larger tiles: they compile at the same time."""
    small, large = _TILES[:_SMALL], _TILES[_SMALL:]
    parts = [
        _DECLARATIONS.format(cells=len(SCRATCH), idle=IDLE),
        kind.declarations(),
        *(f"declare hidden void {tile_name(*each)}({_types(TILE)})" for each in large),
        *(tile(kind, *each, "internal") for each in small),
        pack_lines(kind),
        pack_columns(kind),
        pack_rows(kind),
        _take(),
        _give_back(),
        _choose(True),
        _choose(False),
        _right(kind),
        _rows(kind),
        _product(kind),
    ]
    others = [tile(kind, *each, "hidden") for each in large]
    return "\n".join(parts), "\n".join([kind.declarations(), *others])


_DECLARATIONS = """
@{idle} = external global [{cells} x ptr]
declare ptr @malloc(i64)
declare void @free(ptr)
"""


def _needed(kind: Kind) -> int:
    """Bytes of scratch memory: both packed blocks, and what a vector may write beyond."""
    return (DEPTH[kind] * (BLOCK_COLUMNS + BLOCK_ROWS) + 2 * kind.lanes) * kind.itemsize


SCRATCH_BYTES = max(_needed(F32), _needed(F64)) + 64  # the same for all: they share it


def _take() -> str:
    """Scratch memory: what an earlier product has left, else new, else what the next one leaves."""
    f = Function("ptr @wg.gemm.take()", "internal")
    f.go("%search")
    f.label("%search")
    for cell in range(len(SCRATCH)):
        found = f.op(f"atomicrmw xchg ptr {_cell(cell)}, ptr null seq_cst")
        with f.unless(f.op(f"icmp eq ptr {found}, null")):
            f.line(f"ret ptr {found}")
    made = f.op(f"call ptr @malloc(i64 {SCRATCH_BYTES})")
    f.line(f"br i1 {f.op(f'icmp eq ptr {made}, null')}, label %search, label %done")
    f.label("%done")
    f.line(f"ret ptr {made}")
    return f.text()


def _give_back() -> str:
    """Leaves scratch memory for the next product, or frees it where enough is idle."""
    f = Function("void @wg.gemm.give_back(ptr %memory)", "internal")
    for cell in range(len(SCRATCH)):
        pair = f.op(f"cmpxchg ptr {_cell(cell)}, ptr null, ptr %memory seq_cst seq_cst")
        taken = f.op(f"xor i1 {f.op(f'extractvalue {{ ptr, i1 }} {pair}, 1')}, true")
        with f.unless(taken):
            f.line("ret void")
    f.line("call void @free(ptr %memory)")
    f.line("ret void")
    return f.text()


def _cell(number: int) -> str:
    return f"getelementptr inbounds (ptr, ptr @{IDLE}, i64 {number})"


def _aligned(f: Function, memory: str) -> str:
    """The first whole vector of scratch memory."""
    number = f.op(f"add i64 {f.op(f'ptrtoint ptr {memory} to i64')}, 63")
    return f.op(f"inttoptr i64 {f.op(f'and i64 {number}, -64')} to ptr")


def _types(parameters: str) -> str:
    """The types alone of a function's parameters."""
    return ", ".join(each.split()[0] for each in parameters.split(", "))


_RUN, _RUN_STANDING = "@wg.gemm.run", "@wg.gemm.run.standing"
_ROWS = "@wg.gemm.rows"
_PACK_RIGHT = "@wg.gemm.right"


def _choose(packed: bool) -> str:
    """Calls the tile of `rows` rows and `wide` vectors."""
    head = f"void {_RUN if packed else _RUN_STANDING}(i64 %rows, i64 %wide, {TILE})"
    f = Function(head, "internal", 'nounwind "no-jump-tables"="true"')
    number = f.op(f"add i64 {f.op(f'mul i64 %rows, {WIDE}')}, %wide")
    cases = {each[0] * WIDE + each[1]: each for each in _TILES if each[2] == packed}
    listed = " ".join(f"i64 {n}, label %tile{n}" for n in cases)
    f.line(f"switch i64 {number}, label %never [ {listed} ]")
    for n, each in cases.items():
        f.label(f"%tile{n}")
        f.line(f"tail call void {tile_name(*each)}({TILE.replace('noalias ', '')})")
        f.line("ret void")
    f.label("%never")
    f.line("unreachable")
    return f.text()


_OPERAND = "ptr noalias %{0}, i64 %{0}.row, i64 %{0}.column"


def _right(kind: Kind) -> str:
    """Packs `columns` columns of the right operand from `%b` on, for `%depth` steps.

    With `%direct`, panels without padding are left where they are.
    """
    head = f"void {_PACK_RIGHT}(i64 %columns, i64 %depth, {_OPERAND.format('b')}, "
    f = Function(f"{head}ptr noalias %to, i1 %direct)", "internal", "nounwind noinline")
    along = f.op("icmp eq i64 %b.column, 1")
    with f.unless(f.op(f"or i1 %direct, {f.op(f'xor i1 {along}, true')}")):
        f.line(f"call void {ROW_MAJOR}(i64 %columns, i64 %depth, ptr %b, i64 %b.row, ptr %to)")
        f.line("ret void")
    with f.loop("%columns", kind.width) as j:
        valid = f.least(f.op(f"sub i64 %columns, {j}"), kind.width)
        width = _panel_width(f, kind, valid)
        full = f.op(f"icmp eq i64 {valid}, {kind.width}")
        left_there = f.op(f"and i1 {full}, %direct")
        with f.when(f.op(f"xor i1 {left_there}, true")):
            source = f.at(kind.scalar, "%b", f.op(f"mul i64 {j}, %b.column"))
            target = f.at(kind.scalar, "%to", f.op(f"mul i64 {j}, %depth"))
            _pack(f, source, ("%b.column", "%b.row"), valid, target, width)
    f.line("ret void")
    return f.text()


def _panel_width(f: Function, kind: Kind, valid: str) -> str:
    """The columns of a panel with padding: those of one vector, if it needs no more."""
    narrow = f.op(f"icmp sle i64 {valid}, {kind.lanes}")
    return f.op(f"select i1 {narrow}, i64 {kind.lanes}, i64 {kind.width}")


def _pack(
    f: Function, source: str, strides: tuple[str, str], valid: str, target: str, width: str
) -> None:
    """Packs a panel of lines with a stride from line to line, and one from step to step."""
    lines, steps = strides
    together = f.op(f"icmp eq i64 {lines}, 1")
    rest = f"i64 {valid}, i64 %depth, ptr {target}, i64 {width}"
    with f.when(together):
        f.line(f"call void {COLUMNS}(ptr {source}, i64 {steps}, {rest})")
    with f.when(f.op(f"xor i1 {together}, true")):
        f.line(f"call void {LINES}(ptr {source}, i64 {lines}, {rest}, i64 {width})")


def _rows(kind: Kind) -> str:
    """A block of rows of the result: packs the left operand, then runs all tiles.

    `%b` is where the right operand stands, `%to` where it is packed; `%left` has room. With
    `%standing` the left operand is read where it stands.
    """
    parameters = (
        f"i64 %rows, i64 %columns, i64 %depth, {_OPERAND.format('a')}, ptr noalias %b, i64 %b.row, "
        "ptr noalias %to, i1 %direct, i1 %standing, ptr noalias %left, ptr noalias %c, i64 %row, "
        "i1 %more"
    )
    f = Function(f"void {_ROWS}({parameters})", "internal", "nounwind noinline")
    most = f.op(f"select i1 %standing, i64 {STANDING}, i64 {ROWS}")
    whole = f.op(f"sub i64 {f.op(f'add i64 %rows, {most}')}, 1")
    panels = f.op(f"sdiv i64 {whole}, {most}")
    height = f.op(f"sdiv i64 %rows, {panels}")
    extra = f.op(f"srem i64 %rows, {panels}")
    packing = f.op("xor i1 %standing, true")
    with f.when(packing), f.loop(panels) as q:
        start, count = _panel(f, q, height, extra)
        source = f.at(kind.scalar, "%a", f.op(f"mul i64 {start}, %a.row"))
        target = f.at(kind.scalar, "%left", f.op(f"mul i64 {start}, %depth"))
        _pack(f, source, ("%a.row", "%a.column"), count, target, count)
    left = f.op("select i1 %standing, ptr %a, ptr %left")
    line = f.op("select i1 %standing, i64 %a.row, i64 %depth")
    with f.loop("%columns", kind.width) as j:
        valid = f.least(f.op(f"sub i64 %columns, {j}"), kind.width)
        width = _panel_width(f, kind, valid)
        wide = f.op(f"sdiv i64 {width}, {kind.lanes}")
        full = f.op(f"icmp eq i64 {valid}, {kind.width}")
        direct = f.op(f"and i1 {full}, %direct")
        packed = f.at(kind.scalar, "%to", f.op(f"mul i64 {j}, %depth"))
        right = f.op(f"select i1 {direct}, ptr {f.at(kind.scalar, '%b', j)}, ptr {packed}")
        step = f.op(f"select i1 {direct}, i64 %b.row, i64 {width}")
        with f.loop(panels) as q:
            start, count = _panel(f, q, height, extra)
            a = f.at(kind.scalar, left, f.op(f"mul i64 {start}, {line}"))
            place = f.op(f"add i64 {f.op(f'mul i64 {start}, %row')}, {j}")
            out = f.at(kind.scalar, "%c", place)
            operands = (
                f"i64 {count}, i64 {wide}, i64 %depth, ptr {a}, i64 %a.row, ptr {right}, "
                f"i64 {step}, ptr {out}, i64 %row, i64 {valid}, i1 %more"
            )
            with f.when(packing):
                f.line(f"call void {_RUN}({operands})")
            with f.when("%standing"):
                f.line(f"call void {_RUN_STANDING}({operands})")
    f.line("ret void")
    return f.text()


def _panel(f: Function, q: str, height: str, extra: str) -> tuple[str, str]:
    """Where panel `q` of rows starts, and its height: the first `extra` ones have one row more."""
    start = f.op(f"add i64 {f.op(f'mul i64 {q}, {height}')}, {f.least(q, extra)}")
    longer = f.op(f"zext i1 {f.op(f'icmp slt i64 {q}, {extra}')} to i64")
    return start, f.op(f"add i64 {height}, {longer}")


def _share(f: Function, total: str, parts: str, number: str) -> tuple[str, str]:
    """Where part `number` of `parts` about equal ones starts, and its length."""
    start = f.op(f"sdiv i64 {f.op(f'mul i64 {total}, {number}')}, {parts}")
    following = f.op(f"add i64 {number}, 1")
    stop = f.op(f"sdiv i64 {f.op(f'mul i64 {total}, {following}')}, {parts}")
    return start, f.op(f"sub i64 {stop}, {start}")


def _product(kind: Kind) -> str:
    """The product: over blocks of columns, of the contracted index, of rows."""
    sizes = "i64 %m, i64 %n, i64 %k"
    operands = f"{_OPERAND.format('a')}, {_OPERAND.format('b')}, ptr noalias %c, i64 %row"
    f = Function(f"void @{name(kind)}({sizes}, {operands})")
    small, memory, borrowed = _memory(f, kind)
    packed = f.op(f"mul i64 {_padded(f, kind)}, {f.least('%k', DEPTH[kind])}")
    left = f.at(kind.scalar, memory, packed)
    direct = f.op(f"and i1 {_unpacked(f, kind)}, {f.op('icmp eq i64 %b.column, 1')}")
    narrow = f.op(f"icmp sle i64 %n, {FEW_PANELS * kind.width}")
    standing = f.op(f"and i1 {narrow}, {f.op('icmp eq i64 %a.column, 1')}")
    deepest = DEPTH[kind]
    parts = f.op(f"sdiv i64 {f.op(f'add i64 %k, {deepest - 1}')}, {deepest}")
    blocks = f.op(f"sdiv i64 {f.op(f'add i64 %m, {BLOCK_ROWS - 1}')}, {BLOCK_ROWS}")
    with f.loop("%n", BLOCK_COLUMNS) as j:
        columns = f.least(f.op(f"sub i64 %n, {j}"), BLOCK_COLUMNS)
        with f.loop(parts) as part:
            first, depth = _share(f, "%k", parts, part)
            more = f.op(f"icmp ne i64 {part}, 0")
            across = f.op(f"mul i64 {j}, %b.column")
            offset = f.op(f"add i64 {f.op(f'mul i64 {first}, %b.row')}, {across}")
            b = f.at(kind.scalar, "%b", offset)
            operand = f"ptr {b}, i64 %b.row, i64 %b.column, ptr {memory}, i1 {direct}"
            f.line(f"call void {_PACK_RIGHT}(i64 {columns}, i64 {depth}, {operand})")
            with f.loop(blocks) as block:
                start, rows = _share(f, "%m", blocks, block)
                along = f.op(f"mul i64 {first}, %a.column")
                offset = f.op(f"add i64 {f.op(f'mul i64 {start}, %a.row')}, {along}")
                a = f.at(kind.scalar, "%a", offset)
                place = f.op(f"add i64 {f.op(f'mul i64 {start}, %row')}, {j}")
                c = f.at(kind.scalar, "%c", place)
                f.line(
                    f"call void {_ROWS}(i64 {rows}, i64 {columns}, i64 {depth}, ptr {a}, "
                    f"i64 %a.row, i64 %a.column, ptr {b}, i64 %b.row, ptr {memory}, i1 {direct}, "
                    f"i1 {standing}, ptr {left}, ptr {c}, i64 %row, i1 {more})"
                )
    with f.unless(small):
        f.line(f"call void @wg.gemm.give_back(ptr {borrowed})")
        f.line("ret void")
    f.line("ret void")
    return f.text()


def _unpacked(f: Function, kind: Kind) -> str:
    """Whether a row-major right operand is better read where it stands."""
    short = f.op(f"icmp sle i64 %b.row, {SHORT_ROWS // kind.itemsize}")
    bits = f.op(
        f"or i64 {f.op('ptrtoint ptr %b to i64')}, {f.op(f'mul i64 %b.row, {kind.itemsize}')}"
    )
    lines = f.op(f"icmp eq i64 {f.op(f'and i64 {bits}, 63')}, 0")
    several = f.op(f"and i1 {short}, {lines}")
    most = f.op(f"select i1 {several}, i64 {SEVERAL_ROWS}, i64 {FEW_ROWS}")
    few = f.op(f"icmp sle i64 %m, {most}")
    spanned = f.op(f"mul i64 %b.row, {f.least('%k', DEPTH[kind])}")
    near = f.op(f"icmp sle i64 {spanned}, {NEAR // kind.itemsize}")
    return f.op(f"or i1 {few}, {near}")


def _memory(f: Function, kind: Kind) -> tuple[str, str, str]:
    """Whether the stack has room for the packed blocks; where they go; what is to be given back."""
    room = f.room(f"[{ROOM} x i8]")
    small = f.op(f"icmp sle i64 {_used(f, kind)}, {ROOM // kind.itemsize}")
    f.go("%start")
    f.label("%start")
    f.line(f"br i1 {small}, label %ready, label %larger")
    f.label("%larger")
    taken = f.op("call ptr @wg.gemm.take()")
    aligned = _aligned(f, taken)
    f.go("%ready")
    f.label("%ready")
    memory = f.op(f"phi ptr [ {room}, %start ], [ {aligned}, %larger ]")
    return small, memory, f.op(f"phi ptr [ null, %start ], [ {taken}, %larger ]")


def _padded(f: Function, kind: Kind) -> str:
    """The columns of a block of the right operand, with padding."""
    columns = f.least("%n", BLOCK_COLUMNS)
    return f.op(f"and i64 {f.op(f'add i64 {columns}, {kind.width - 1}')}, {-kind.width}")


def _used(f: Function, kind: Kind) -> str:
    """The numbers that both packed blocks take, and that a vector may write beyond."""
    lines = f.op(f"add i64 {_padded(f, kind)}, {f.least('%m', BLOCK_ROWS)}")
    numbers = f.op(f"mul i64 {lines}, {f.least('%k', DEPTH[kind])}")
    return f.op(f"add i64 {numbers}, {2 * kind.lanes}")


_TILES = [
    *((rows, wide, False) for rows in range(1, STANDING + 1) for wide in range(1, WIDE + 1)),
    *((rows, wide, True) for rows in range(1, ROWS + 1) for wide in range(1, WIDE + 1)),
]
"""Rows, vectors, and whether the left operand is packed."""
_SMALL = 30  # of them are in the first module
KINDS = {name(kind): kind for kind in (F32, F64)}
"""By symbol."""
