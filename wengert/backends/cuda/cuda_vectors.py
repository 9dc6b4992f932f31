"""Printing turns in vectors: V neighbouring turns by one thread, with 16-byte accesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wengert.backends.cuda.cuda_thread import Thread
from wengert.backends.cuda.cuda_types import memory_type
from wengert.backends.cuda.vectors import Vectors
from wengert.ir.scalar import Expr, Index
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Buffer, Stmt, Store
from wengert.kernels.statements import own_expressions


@dataclass(slots=True)
class Kept:
    """What a thread keeps in registers for its own turns of several loops over one row.

    `slot` is the text of the place of the current turn in the arrays.
    """

    loads: dict[Expr, str] = field(default_factory=dict[Expr, str])
    filled: set[Expr] = field(default_factory=set[Expr])
    buffers: dict[Buffer, str] = field(default_factory=dict[Buffer, str])


def print_vector(
    thread: Thread,
    body: Sequence[Stmt],
    index: Index,
    first: str,
    vectors: Vectors,
    local: Sequence[Buffer],
    kept: Kept | None = None,
    slot: str = "",
) -> None:
    """The turns from `first` on, as many as a vector is wide."""
    out = thread.body
    width = vectors.width
    load = _Wide(thread, index, first)
    for node in vectors.loads:
        if kept is not None and node in kept.filled:
            continue
        name = load.load(node, width)
        out.renamed[node] = out.of_memory(node.attr, f"{name}.a[k]")
    stores: list[tuple[Store, str]] = []
    for store in vectors.stores:
        name = out.fresh("y")
        out.line(f"wg_vec<{memory_type(store.buffer.dtype)}, {width}> {name};")
        thread.places[id(store)] = f"{name}.a[k]"
        stores.append((store, name))
    load.leave()
    out.line("#pragma unroll")
    out.open(f"for (int k = 0; k < {width}; ++k)")
    print_lane(thread, body, index, f"{first} + k", local, kept, slot and f"{slot} + k")
    out.close()
    for store, name in stores:
        load.store(store, name, width)
    load.leave()
    for node in vectors.loads:
        out.renamed.pop(node, None)


def print_lane(
    thread: Thread,
    body: Sequence[Stmt],
    index: Index,
    place: str,
    local: Sequence[Buffer],
    kept: Kept | None,
    slot: str,
) -> None:
    """One turn, with what is kept in registers read from and put there."""
    out = thread.body
    name = out.fresh("i")
    out.line(f"const int {name} = {place};")
    out.indices[index] = name
    if kept is None:
        thread.turn(body, local)
        return
    out.slots.update({b: f"{array}[{slot}]" for b, array in kept.buffers.items()})
    used = {n for st in body for n in nodes(own_expressions(st))}
    for node, array in kept.loads.items():
        element = f"{array}[{slot}]"
        if node in used and node not in kept.filled:
            out.line(f"{element} = {out.loaded(node)};")
            kept.filled.add(node)
        out.renamed[node] = element
    thread.turn(body, local)
    out.slots.clear()
    for node in kept.loads:
        out.renamed.pop(node, None)


@dataclass(slots=True)
class _Wide:
    """Vector accesses at the first of the turns; offsets named for it are forgotten after it."""

    thread: Thread
    index: Index
    first: str

    def load(self, node: Expr, width: int) -> str:
        out = self.thread.body
        out.indices[self.index] = self.first
        at = out.value(node.args[0])
        kind = f"wg_vec<{memory_type(node.attr.dtype)}, {width}>"
        name = out.fresh("x")
        out.line(f"const {kind} {name} = *(const {kind}*)({out.pointers[node.attr]} + {at});")
        return name

    def store(self, store: Store, name: str, width: int) -> None:
        out = self.thread.body
        out.indices[self.index] = self.first
        at = out.value(store.offset)
        kind = f"wg_vec<{memory_type(store.buffer.dtype)}, {width}>"
        out.line(f"*({kind}*)({out.pointers[store.buffer]} + {at}) = {name};")
        self.thread.places.pop(id(store), None)

    def leave(self) -> None:
        known = self.thread.body.scopes[-1].known
        for node in [x for x in known if self.index in x.indices]:
            del known[node]
