"""Outputs in the memory of inputs that are not used again.

An output may take an input's place if no element of the input is read once the element of the
output at its place is written: all reads stand in earlier statements, or in the same nest of
independent turns, where each turn reads its own element before it writes it. The output's buffer
then becomes the input's, and the program is one that changes its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.ir.scalar import ScalarBuilder, ScalarOp
from wengert.ir.types import TensorType
from wengert.kernels.grid.nests import perfect
from wengert.kernels.grid.turns import Order, classify, count_uses
from wengert.kernels.loops import Buffer, If, Kernel, Loop, Space, Stmt, Store, While
from wengert.kernels.stages import nodes
from wengert.kernels.statements import buffers, changed, own_expressions, renamed


def in_donated(
    s: ScalarBuilder,
    steps: Sequence[Kernel],
    donated: Sequence[tuple[Buffer, TensorType]],
    outputs: Sequence[tuple[Buffer, TensorType]],
) -> tuple[list[Kernel], tuple[Buffer, ...]]:
    """The steps and outputs, with outputs in the memory of donated inputs of the same type."""
    made = list(steps)
    places: dict[Buffer, Buffer] = {}
    kinds = {b: kind for b, kind in outputs if b.space is Space.OUTPUT}
    for given, kind in donated:
        if any(b is given for b, _ in outputs) or any(given in changed(k.body) for k in made):
            continue
        for output, other in kinds.items():
            if other == kind and output not in places and _fits(s, made, given, output):
                places[output] = given
                names = {output: given}
                made = [replace(k, body=renamed(s, k.body, names)) for k in made]
                break
    return made, tuple(places.get(b, b) for b, _ in outputs)


def _fits(s: ScalarBuilder, steps: Sequence[Kernel], given: Buffer, output: Buffer) -> bool:
    """Whether `output` may lie where `given` does."""
    body = [statement for kernel in steps for statement in kernel.body]
    reads = [k for k, st in enumerate(body) if given in buffers((st,))]
    writes = [k for k, st in enumerate(body) if output in changed((st,))]
    if not writes:
        return False
    last, first = max(reads, default=-1), min(writes)
    return last < first or (last == first and _own_elements(s, body[first], given, output))


def _own_elements(s: ScalarBuilder, statement: Stmt, given: Buffer, output: Buffer) -> bool:
    """Whether each turn of a nest reads `given` only where it then writes `output` itself."""
    if not isinstance(statement, Loop):
        return False
    renamed_nest = renamed(s, (statement,), {output: given})[0]
    assert isinstance(renamed_nest, Loop)
    loops, body = perfect(renamed_nest)
    if any(isinstance(st, Loop | If | While) for st in body):
        return False
    stores = [k for k, st in enumerate(body) if isinstance(st, Store) and st.buffer is given]
    loads = [(k, n) for k, st in enumerate(body) for n in nodes(own_expressions(st))]
    loads = [(k, n) for k, n in loads if n.op is ScalarOp.LOAD and n.attr is given]
    places = {id(n.args[0]) for _, n in loads}
    if len(stores) != 1 or any(k > stores[0] for k, _ in loads) or len(places) != 1:
        return False
    store = body[stores[0]]
    assert isinstance(store, Store)
    uses = count_uses((loops,), (given,))
    return id(store.offset) in places and all(
        classify(loop, uses).order is Order.INDEPENDENT for loop in loops
    )
