"""Fourier transforms of wengert's own, in LLVM text: as many at a time as vectors have lanes.

Each transform has one lane, so passes need no exchange between lanes (`fourier_passes.py`); numbers
are brought into rows of vectors and back as they stand in memory (`fourier_layouts.py`). Passes
work in place, in a room that stays in the second-level cache: over all rows while their blocks are
large, then through all that is left to do with one block after the other, near the core.
The order in which this leaves the results is in the plan (`fourier_plans.py`), as roots of unity
are.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines import fourier_layouts as layouts
from wengert.backends.cpu.routines.fourier_passes import (
    GENERAL,
    PASS,
    RADICES,
    general,
    pass_name,
    written_out,
)
from wengert.backends.cpu.routines.gemm_kernels import F32, F64, Kind

NEAR = 1 << 14
"""Bytes of a block whose passes are done one after the other: it stays in the first-level cache."""

COLUMNS, LINES, STRIPS = range(3)
"""How numbers stand in memory."""

PARAMETERS = "ptr, i64, i64, i64, ptr, i64, i64, i64, ptr, i64, i64"
"""The plan; how many transforms, and which of the columns of a first step is the first of them; how
numbers stand, where, and the floats from one transform to the next, and from one number of it to
the next; the same of the results. Of strips the last are the floats from one to the next, and a
vector of transforms is as long as so many."""

LEVELS, LEVEL = 8, 3
"""Words of a plan before its levels, and of each of them: radix, m, and where its roots are."""


def name(kind: Kind) -> str:
    """The function's symbol: `wg.fft.f32` or `wg.fft.f64`."""
    return f"wg.fft.{kind.suffix}"


KINDS = {name(kind): kind for kind in (F32, F64)}
"""By symbol."""


def texts(kind: Kind) -> tuple[str, str]:
    """Two modules, of which the second one has half of the passes: compiled at the same time."""
    passes = [(radix, last) for radix in RADICES for last in (False, True)]
    own, others = passes[:8], passes[8:]
    parts = [
        kind.declarations(),
        "declare ptr @malloc(i64)\ndeclare void @free(ptr)",
        *(f"declare hidden void {pass_name(*each)}({_types(PASS)})" for each in others),
        *(written_out(kind, *each, "internal") for each in own),
        general(kind),
        layouts.columns_in(kind),
        layouts.lines_in(kind),
        layouts.columns_out(kind),
        layouts.lines_out(kind),
        layouts.strips_out(kind),
        _step(),
        _walk(kind),
        _all(kind),
    ]
    rest = [written_out(kind, *each, "hidden") for each in others]
    return "\n".join(parts), "\n".join(rest)


def _types(parameters: str) -> str:
    return ", ".join(each.split()[0] for each in parameters.split(", "))


_WALK, _STEP = "@wg.fft.walk", "@wg.fft.step"


def _word(f: Function, base: str, number: int, kind: str = "i64") -> str:
    return f.op(f"load {kind}, ptr {f.at('i64', base, number)}")


def _step() -> str:
    """The pass of a level."""
    head = f"void {_STEP}(ptr %level, ptr %from, ptr %to, i64 %blocks)"
    f = Function(head, "internal", 'nounwind "no-jump-tables"="true"')
    radix, m, roots = _word(f, "%level", 0), _word(f, "%level", 1), _word(f, "%level", 2, "ptr")
    given = f"ptr %from, ptr %to, i64 %blocks, i64 {m}, ptr {roots}"
    last = f.op(f"zext i1 {f.op(f'icmp eq i64 {m}, 1')} to i64")
    number = f.op(f"add i64 {f.op(f'mul i64 {radix}, 2')}, {last}")
    cases = {2 * r + last: pass_name(r, bool(last)) for r in RADICES for last in (0, 1)}
    listed = " ".join(f"i64 {n}, label %case{n}" for n in cases)
    f.line(f"switch i64 {number}, label %other [ {listed} ]")
    for n, symbol in cases.items():
        f.label(f"%case{n}")
        f.line(f"tail call void {symbol}({given})")
        f.line("ret void")
    f.label("%other")
    f.line(f"tail call void {GENERAL}({given}, i64 {radix})")
    f.line("ret void")
    return f.text()


def _walk(kind: Kind) -> str:
    """All passes from a level on, of one block."""
    head = f"void {_WALK}(ptr %level, i64 %levels, ptr %from, ptr %to)"
    f = Function(head, "internal", "nounwind noinline")
    f.line(f"call void {_STEP}(ptr %level, ptr %from, ptr %to, i64 1)")
    with f.unless(f.op("icmp sgt i64 %levels, 1")):
        f.line("ret void")
    radix, m = _word(f, "%level", 0), _word(f, "%level", 1)
    following, rest = f.at("i64", "%level", LEVEL), f.op("sub i64 %levels, 1")
    size = f.op(f"mul i64 {m}, {2 * kind.lanes}")
    with f.when(f.op(f"icmp sgt i64 {size}, {NEAR // kind.itemsize}")):
        with f.loop(radix) as k:
            block = f.at(kind.scalar, "%to", f.op(f"mul i64 {k}, {size}"))
            f.line(f"call void {_WALK}(ptr {following}, i64 {rest}, ptr {block}, ptr {block})")
        f.line("ret void")
        f.label(f.fresh("near"))
    blocks = f.room("i64")
    f.line(f"store i64 {radix}, ptr {blocks}")
    with f.loop(rest) as k:
        level = f.at("i64", following, f.op(f"mul i64 {k}, {LEVEL}"))
        count = f.op(f"load i64, ptr {blocks}")
        f.line(f"call void {_STEP}(ptr {level}, ptr %to, ptr %to, i64 {count})")
        more = f.op(f"mul i64 {count}, {_word(f, level, 0)}")
        f.line(f"store i64 {more}, ptr {blocks}")
    f.line("ret void")
    return f.text()


def _all(kind: Kind) -> str:
    """All transforms, a vector of them at a time."""
    head = (
        f"void @{name(kind)}(ptr %plan, i64 %count, i64 %first, i64 %given, ptr %from, "
        "i64 %from.line, i64 %from.step, i64 %wanted, ptr %to, i64 %to.line, i64 %to.step)"
    )
    f = Function(head)
    n, levels, order = _word(f, "%plan", 0), _word(f, "%plan", 1), _word(f, "%plan", 2, "ptr")
    level = f.at("i64", "%plan", LEVELS)
    memory = f.op(f"call ptr @malloc(i64 {_word(f, '%plan', 3)})")
    number = f.op(f"add i64 {f.op(f'ptrtoint ptr {memory} to i64')}, 63")
    room = f.op(f"inttoptr i64 {f.op(f'and i64 {number}, -64')} to ptr")
    with f.loop("%count", kind.lanes) as i:
        valid = f.least(f.op(f"sub i64 %count, {i}"), kind.lanes)
        source = f.at(kind.scalar, "%from", f.op(f"mul i64 {i}, %from.line"))
        target = f.at(kind.scalar, "%to", f.op(f"mul i64 {i}, %to.line"))
        lanes = f"i64 {n}, i64 {valid}"
        for mode, symbol, stride in ((COLUMNS, "columns", "step"), (LINES, "lines", "line")):
            with f.when(f.op(f"icmp eq i64 %given, {mode}")):
                given = f"ptr {source}, i64 %from.{stride}, ptr {room}"
                f.line(f"call void @wg.fft.{symbol}.in({lanes}, {given})")
        apart = f.op(f"icmp eq i64 %given, {STRIPS}")
        rows = f.op(f"select i1 {apart}, ptr {source}, ptr {room}")
        f.line(f"call void {_WALK}(ptr {level}, i64 {levels}, ptr {rows}, ptr {room})")
        wanted = f"{lanes}, ptr {room}, ptr {order}, ptr {target}"
        for mode, symbol, stride in ((COLUMNS, "columns", "step"), (LINES, "lines", "line")):
            with f.when(f.op(f"icmp eq i64 %wanted, {mode}")):
                f.line(f"call void @wg.fft.{symbol}.out({wanted}, i64 %to.{stride})")
        with f.when(f.op(f"icmp eq i64 %wanted, {STRIPS}")):
            column = f.op(f"add i64 %first, {i}")
            given = f"{wanted}, i64 %to.step, i64 {column}, ptr %plan"
            f.line(f"call void @wg.fft.strips.out({given})")
    f.line(f"call void @free(ptr {memory})")
    f.line("ret void")
    return f.text()
