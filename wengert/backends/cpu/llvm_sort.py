"""Calls of NumPy's sorting functions from kernels: they need no Python, and know NumPy's order.

They work in place: on a copy of the elements, or on the numbers 0, 1, ... that become the order.
"""

from __future__ import annotations

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
        merge = _merge(body, source.buffer.dtype, ordering=_order(call))
        keys = f"ptr {given}, " if _order(call) else ""
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


def _merge(body: Body, dtype: DType, ordering: bool) -> str:
    """The name of the function that merges two sorted runs, or the orders of two runs of keys."""
    kind, signed = memory_type(dtype), dtype.kind == "i"
    name = f"@wg.merge.{'order' if ordering else 'values'}.{dtype.char}"
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
    forms = _OF_ORDERS if ordering else _OF_VALUES
    item = "i64" if ordering else kind
    size = 8 if ordering else dtype.itemsize
    texts = {k: v.format(kind=kind, item=item) for k, v in forms.items()}
    body.module.declare("@malloc", "ptr", "i64")
    body.module.declare("@free", "void", "ptr")
    body.module.declare("@llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
    body.module.helpers[name] = _MERGE.format(
        name=name, item=item, size=size, later="\n  ".join(later), **texts
    )
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

# The left run is copied out of the way, then both are merged from their beginnings: of two equal
# elements the left one comes first. When one run is at its end, what is left of the right one is in
# its place already (its order counts from its own beginning: the left run's length is added), and
# what is left of the other is copied.
_MERGE = """define internal void {name}({given}ptr %out, i64 %m, i64 %n) nounwind {{
entry:
  %bytes = mul nuw nsw i64 %m, {size}
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
  %pa = getelementptr inbounds {item}, ptr %runs, i64 %i
  %a = load {item}, ptr %pa
  %pb = getelementptr inbounds {item}, ptr %out, i64 %j
  %b0 = load {item}, ptr %pb
  {moved}
  {left}
  {right}
  {later}
  %next = select i1 %swap, {item} %b, {item} %a
  %place = getelementptr inbounds {item}, ptr %out, i64 %k
  store {item} %next, ptr %place
  %one = zext i1 %swap to i64
  %other = sub nsw i64 1, %one
  %j1 = add nsw i64 %j, %one
  %i1 = add nsw i64 %i, %other
  %k1 = add nsw i64 %k, 1
  br label %test
rest:
  %pc = getelementptr inbounds {item}, ptr %runs, i64 %i
  %target = getelementptr inbounds {item}, ptr %out, i64 %k
  %count = sub nsw i64 %m, %i
  %size = mul nsw i64 %count, {size}
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %pc, i64 %size, i1 false)
  call void @free(ptr %runs)
  {ending}
  ret void
}}"""
_OF_VALUES = {
    "given": "",
    "moved": "%b = freeze {item} %b0",
    "left": "%left = freeze {kind} %a",
    "right": "%right = freeze {kind} %b",
    "ending": "",
}
_OF_ORDERS = {
    "given": "ptr noalias %keys, ",
    "moved": "%b = add nsw i64 %b0, %m",
    "left": "%pleft = getelementptr inbounds {kind}, ptr %keys, i64 %a\n"
    "  %left = load {kind}, ptr %pleft",
    "right": "%pright = getelementptr inbounds {kind}, ptr %keys, i64 %b\n"
    "  %right = load {kind}, ptr %pright",
    "ending": """br label %move
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
done:""",
}
