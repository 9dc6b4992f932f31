"""Calls of NumPy's sorting functions from kernels: they need no Python, and know NumPy's order.

They work in place: on a copy of the elements, or on the numbers 0, 1, ... that become the order.
"""

from __future__ import annotations

from wengert.backends.cpu import merge_text
from wengert.backends.cpu.llvm_expr import Body
from wengert.backends.cpu.llvm_types import memory_type
from wengert.ir.types import DType
from wengert.kernels.loops import Factorise


def print_sort(body: Body, entry: list[str], call: Factorise) -> None:
    """Prints the sorting of one row, or the search for its order."""
    source, n = call.sources[0], call.count
    given = body.address(source.buffer, body.value(source.offset))
    made = body.address(call.out.buffer, body.value(call.out.offset))
    if len(call.sources) == 2:
        dtype, ordering = source.buffer.dtype, _order(call)
        merge = _merge_of_orders(body, dtype) if ordering else _merge_of_values(body, dtype)
        keys = f"ptr {given}, " if ordering else ""
        body.line(f"call void {merge}({keys}ptr {made}, i64 {call.shapes[1][1]}, i64 {n})")
    elif _order(call):
        body.module.helpers["@wg.counted"] = _COUNTED
        body.line(f"call void @wg.counted(ptr {made}, i64 {n})")
        name = _declared(body, call, "ptr, ptr, i64, ptr")
        body.line(f"call i32 {name}(ptr {given}, ptr {made}, i64 {n}, ptr null)")
    else:
        copy = "@llvm.memcpy.p0.p0.i64"
        body.module.declare(copy, "void", "ptr, ptr, i64, i1")
        size = n * source.buffer.dtype.itemsize
        body.line(f"call void {copy}(ptr {made}, ptr {given}, i64 {size}, i1 false)")
        name = _declared(body, call, "ptr, i64, ptr")
        body.line(f"call i32 {name}(ptr {made}, i64 {n}, ptr null)")
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


def _merge_of_orders(body: Body, dtype: DType) -> str:
    """The name of the function that merges the orders of two runs of keys."""
    kind, signed = memory_type(dtype), dtype.kind == "i"
    name = f"@wg.merge.order.{dtype.char}"
    if dtype.kind == "f":
        later = [
            f"%below = fcmp olt {kind} %right, %left",
            f"%lost = fcmp uno {kind} %left, %left",
            f"%sound = fcmp ord {kind} %right, %right",
            "%beyond = and i1 %lost, %sound",
            "%swap = or i1 %below, %beyond",
        ]
    else:
        later = [f"%swap = icmp {'s' if signed else 'u'}lt {kind} %right, %left"]
    body.module.declare("@malloc", "ptr", "i64")
    body.module.declare("@free", "void", "ptr")
    body.module.declare("@llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
    body.module.helpers[name] = _MERGE.format(name=name, kind=kind, later="\n  ".join(later))
    return name


def _order(call: Factorise) -> bool:
    return call.routine == "order"


_COUNTED = """define internal void @wg.counted(ptr %out, i64 %n) nounwind {
entry:
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %next, %loop ]
  %place = getelementptr inbounds i64, ptr %out, i64 %k
  store i64 %k, ptr %place
  %next = add nuw nsw i64 %k, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}"""

# The left order is copied out of the way, then both are merged from their beginnings: of two equal
# keys the left one comes first. The right order counts from its own beginning, so the left run's
# length is added. When one is at its end, the rest of the right one is in its place already, and
# the rest of the left one is copied.
_MERGE = """define internal void {name}(ptr noalias %keys, ptr %out, i64 %m, i64 %n) nounwind {{
entry:
  %bytes = mul nuw nsw i64 %m, 8
  %runs = call ptr @malloc(i64 %bytes)
  call void @llvm.memcpy.p0.p0.i64(ptr %runs, ptr %out, i64 %bytes, i1 false)
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %i1, %step ]
  %j = phi i64 [ %m, %entry ], [ %j1, %step ]
  %k = phi i64 [ 0, %entry ], [ %k1, %step ]
  %some = icmp slt i64 %i, %m
  %others = icmp slt i64 %j, %n
  %both = and i1 %some, %others
  br i1 %both, label %step, label %rest
step:
  %pa = getelementptr inbounds i64, ptr %runs, i64 %i
  %a = load i64, ptr %pa
  %pb = getelementptr inbounds i64, ptr %out, i64 %j
  %b0 = load i64, ptr %pb
  %b = add nsw i64 %b0, %m
  %pleft = getelementptr inbounds {kind}, ptr %keys, i64 %a
  %left = load {kind}, ptr %pleft
  %pright = getelementptr inbounds {kind}, ptr %keys, i64 %b
  %right = load {kind}, ptr %pright
  {later}
  %next = select i1 %swap, i64 %b, i64 %a
  %place = getelementptr inbounds i64, ptr %out, i64 %k
  store i64 %next, ptr %place
  %one = zext i1 %swap to i64
  %other = sub nsw i64 1, %one
  %j1 = add nsw i64 %j, %one
  %i1 = add nsw i64 %i, %other
  %k1 = add nsw i64 %k, 1
  br label %test
rest:
  %pc = getelementptr inbounds i64, ptr %runs, i64 %i
  %target = getelementptr inbounds i64, ptr %out, i64 %k
  %count = sub nsw i64 %m, %i
  %size = mul nsw i64 %count, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %pc, i64 %size, i1 false)
  call void @free(ptr %runs)
  br label %move
move:
  %at = phi i64 [ %j, %rest ], [ %at1, %moving ]
  %more = icmp slt i64 %at, %n
  br i1 %more, label %moving, label %done
moving:
  %pd = getelementptr inbounds i64, ptr %out, i64 %at
  %old = load i64, ptr %pd
  %new = add nsw i64 %old, %m
  store i64 %new, ptr %pd
  %at1 = add nsw i64 %at, 1
  br label %move
done:
  ret void
}}"""
