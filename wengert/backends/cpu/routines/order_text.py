"""The order of rows of any dtype, as LLVM text around `radix` and `rank_text`, which know words.

A word has the order of its number as a signed integer of as many bits: those of a float but the
sign are turned where the sign is set, and the sign of an unsigned number is turned. -0 is 0, and
all NaNs are the largest word, which no number has.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines import radix, rank_text, select_loops
from wengert.ir.floats import kind_of
from wengert.ir.types import DType

FEW = 1500
"""Up to so many numbers are merged from short runs, more are sorted by their digits."""


def ordering(body: Body, dtype: DType) -> str:
    """The name of the function of keys that writes their order, and of their number."""
    name = f"@wg.order.{dtype.char}"
    f = Function(f"void {name}(ptr %keys, ptr %out, i64 %n)", "internal")
    room = f.op(f"add i64 {f.op('mul i64 %n, 24')}, {8 * max(radix.DIGITS, rank_text.ROOM)}")
    words = f.op(f"call ptr @malloc(i64 {room})")
    others = f.at("i64", words, "%n")
    places = f.at("i64", others, "%n")
    rest = f.at("i64", places, "%n")
    with f.loop("%n") as i:
        _store_word(f, dtype, i, words, i)
    few = f.op(f"icmp sle i64 %n, {FEW}")
    with f.when(few):
        _from_runs(body, f, words, (others, "%out", words, places))
    with f.when(f.op(f"xor i1 {few}, true")):
        by_digits = _declared(body, "wg.radix.order", radix.PARAMETERS["wg.radix.order"])
        given = f"ptr {words}, ptr %out, ptr {others}, ptr {places}, ptr {rest}"
        f.line(f"call void {by_digits}({given}, i64 %n, i64 {8 * dtype.itemsize})")
    return _finished(body, name, f, words)


def _from_runs(body: Body, f: Function, words: str, arrays: tuple[str, ...]) -> None:
    """Orders runs, then merges them: `arrays` are for the words, their order, and room for both."""
    ranked = _declared(body, rank_text.NAME, rank_text.PARAMETERS)
    merged = _declared(body, "wg.radix.merged", radix.PARAMETERS["wg.radix.merged"])
    width = _halved(f, "%n", rank_text.MOST)
    with f.loop("%n", width) as first:
        count = f.least(f.op(f"sub i64 %n, {first}"), width)
        run = ", ".join(f"ptr {f.at('i64', x, first)}" for x in (words, *arrays[:2]))
        f.line(f"call void {ranked}({run}, i64 {first}, i64 {count})")
    given = ", ".join(f"ptr {x}" for x in arrays)
    f.line(f"call void {merged}({given}, i64 {width}, i64 %n)")


def _halved(f: Function, n: str, most: int) -> str:
    """The length of runs that have at most so many, of which those that are merged are alike."""
    before, head, again, after = (f.fresh(x) for x in ("before", "head", "again", "after"))
    width, half = f.fresh("width"), f.fresh("half")
    f.go(before)
    f.label(before)
    f.go(head)
    f.label(head)
    f.line(f"{width} = phi i64 [ {n}, {before} ], [ {half}, {again} ]")
    f.line(f"br i1 {f.op(f'icmp sgt i64 {width}, {most}')}, label {again}, label {after}")
    f.label(again)
    f.line(f"{half} = ashr i64 {f.op(f'add i64 {width}, 1')}, 1")
    f.go(head)
    f.label(after)
    return width


def merging(body: Body, dtype: DType) -> str:
    """The name of the function that merges the orders of two runs of keys.

    Its parameters are the keys, both orders, the length of the first run, and of both. The right
    order counts from its own beginning, so the left run's length is added.
    """
    name = f"@wg.merge.order.{dtype.char}"
    called = _declared(body, "wg.radix.merge", radix.PARAMETERS["wg.radix.merge"])
    f = Function(f"void {name}(ptr %keys, ptr %out, i64 %m, i64 %n)", "internal")
    words = f.op(f"call ptr @malloc(i64 {f.op('mul i64 %n, 24')})")
    places = f.at("i64", words, "%n")
    others = f.at("i64", places, "%n")
    with f.loop("%n") as i:
        own = f.op(f"load i64, ptr {f.at('i64', '%out', i)}")
        first = f.op(f"icmp slt i64 {i}, %m")
        place = f.op(f"add i64 {own}, {f.op(f'select i1 {first}, i64 0, i64 %m')}")
        f.line(f"store i64 {place}, ptr {f.at('i64', places, i)}")
        _store_word(f, dtype, place, words, i)
    given = f"ptr {words}, ptr {places}, ptr {others}, ptr %out"
    f.line(f"call void {called}({given}, i64 0, i64 %m, i64 %n)")
    return _finished(body, name, f, words)


def selecting(body: Body, dtype: DType) -> str:
    """The name of the function of keys and ranks that writes their places; then both numbers."""
    name = f"@wg.select.order.{dtype.char}"
    called = _declared(body, select_loops.NAME, select_loops.PARAMETERS)
    head = f"void {name}(ptr %keys, ptr %ranks, ptr %out, i64 %n, i64 %m)"
    f = Function(head, "internal")
    # apart, since the allocator keeps no large blocks
    sizes = [f.op("mul i64 %n, 8")] * (1 + select_loops.ROOMS) + [str(8 * select_loops.COUNTS)] * 3
    words, *rooms = (f.op(f"call ptr @malloc(i64 {size})") for size in sizes)
    with f.loop("%n") as i:
        _store_word(f, dtype, i, words, i)
    given = ", ".join(f"ptr {x}" for x in (words, "%ranks", "%out", *rooms))
    f.line(f"call void {called}({given}, i64 %n, i64 %m, i64 {8 * dtype.itemsize})")
    for room in rooms:
        f.line(f"call void @free(ptr {room})")
    return _finished(body, name, f, words)


def _declared(body: Body, symbol: str, parameters: str) -> str:
    body.module.declare("@malloc", "ptr", "i64")
    body.module.declare("@free", "void", "ptr")
    body.module.declare("@llvm.smin.i64", "i64", "i64, i64")
    body.module.declare(f"@{symbol}", "void", parameters)
    return f"@{symbol}"


def _finished(body: Body, name: str, f: Function, room: str) -> str:
    f.line(f"call void @free(ptr {room})")
    f.line("ret void")
    body.module.helpers[name] = f.text()
    return name


def _store_word(f: Function, dtype: DType, at: str, words: str, to: str) -> None:
    """Stores the word of the key at a place."""
    size = 8 * dtype.itemsize
    kind, sign = f"i{size}", -(1 << (size - 1))
    word = f.op(f"load {kind}, ptr {f.at(kind, '%keys', at)}")
    if dtype.kind == "u":
        word = f.op(f"xor {kind} {word}, {sign}")
    elif kind_of(dtype) == "f":
        word = _of_float(f, dtype, word)
    wide = word if size == 64 else f.op(f"sext {kind} {word} to i64")
    f.line(f"store i64 {wide}, ptr {f.at('i64', words, to)}")


_INFINITE = {2: 0x7C00, 4: 0x7F80_0000, 8: 0x7FF0_0000_0000_0000}
"""Infinity's bits, by the bytes of a float."""


def _of_float(f: Function, dtype: DType, bits: str) -> str:
    size = 8 * dtype.itemsize
    kind, most = f"i{size}", (1 << (size - 1)) - 1
    negative = f.op(f"ashr {kind} {bits}, {size - 1}")
    rest = f.op(f"and {kind} {bits}, {most}")
    turned = f.op(f"xor {kind} {bits}, {f.op(f'and {kind} {negative}, {most}')}")
    zero = f.op(f"icmp eq {kind} {rest}, 0")
    number = f.op(f"icmp ule {kind} {rest}, {_INFINITE[dtype.itemsize]}")
    found = f.op(f"select i1 {zero}, {kind} 0, {kind} {turned}")
    return f.op(f"select i1 {number}, {kind} {found}, {kind} {most}")
