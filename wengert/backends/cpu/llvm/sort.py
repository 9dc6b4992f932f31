"""Calls of NumPy's sorting functions from kernels: they need no Python, and know NumPy's order.

They work in place, on a copy of the elements. The order is found by wengert's own (`order_text`).
"""

from __future__ import annotations

from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.routines import merge_text, order_text
from wengert.ir.types import DType
from wengert.kernels.loops import Factorise


def print_sort(body: Body, entry: list[str], call: Factorise) -> None:
    """Prints the sorting of one row, or the search for its order."""
    source, n = call.sources[0], call.count
    given = body.address(source.buffer, body.value(source.offset))
    made = body.address(call.out.buffer, body.value(call.out.offset))
    if len(call.sources) == 2:
        dtype, ordering = source.buffer.dtype, _order(call)
        merge = order_text.merging(body, dtype) if ordering else _merge_of_values(body, dtype)
        keys = f"ptr {given}, " if ordering else ""
        body.line(f"call void {merge}({keys}ptr {made}, i64 {call.shapes[1][1]}, i64 {n})")
    elif _order(call):
        ordered = order_text.ordering(body, source.buffer.dtype)
        body.line(f"call void {ordered}(ptr {given}, ptr {made}, i64 {n})")
    else:
        copy = "@llvm.memcpy.p0.p0.i64"
        body.module.declare(copy, "void", "ptr, ptr, i64, i1")
        size = n * source.buffer.dtype.itemsize
        body.line(f"call void {copy}(ptr {made}, ptr {given}, i64 {size}, i1 false)")
        name = _declared(body, call, "ptr, i64, ptr")
        body.line(f"call i32 {name}(ptr {made}, i64 {n}, ptr null)")
    body.forget((body.place(call.out.buffer),))


def print_selection(body: Body, entry: list[str], call: Factorise) -> None:
    """Prints the search for the places of some ranks in one row."""
    given, ranks, made = (
        body.address(m.buffer, body.value(m.offset)) for m in (*call.sources, call.out)
    )
    (_, n), (_, m) = call.shapes
    name = order_text.selecting(body, call.sources[0].buffer.dtype)
    body.line(f"call void {name}(ptr {given}, ptr {ranks}, ptr {made}, i64 {n}, i64 {m})")
    body.forget((body.place(call.out.buffer),))


def _declared(body: Body, call: Factorise, arguments: str) -> str:
    name = f"@npysort.{call.routine}.{call.sources[0].buffer.dtype.char}"
    body.module.declare(name, "i32", arguments)
    return name


def _merge_of_values(body: Body, dtype: DType) -> str:
    """The function that merges two sorted runs, compiled once for all programs."""
    name = f"@{merge_text.name(dtype)}"
    body.module.declare(name, "void", merge_text.PARAMETERS)
    return name


def _order(call: Factorise) -> bool:
    return call.routine == "order"
