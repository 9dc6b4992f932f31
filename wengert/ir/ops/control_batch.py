"""Batches of loops and branches.

There are three ways to run a loop for each lane of a batch, and `_way` chooses:

- whole: one loop whose body works on the whole batch. Best where the turns multiply all lanes by
  one matrix, as a product of matrices then, or where there are few lanes.
- blocks: `for_each` over blocks of some 16 lanes, in each of which a loop carries the lanes side
  by side. A small state then stays in registers, with one lane to each place of a vector, and
  blocks run on the threads; carried as a whole, the states of all lanes would pass through memory
  at each turn.
- apart: `for_each` over the lanes, in each of which the loop is as it was. For loops that make
  other numbers of turns or read at other places in each lane, and for states that are large. And
  for all that would be blocks where each lane has a thread of its own (`own_threads`): on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY, Op
from wengert.ir.ops.control_family import chosen
from wengert.ir.ops.structural_family import Batched, in_front
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.ir.rewrite import map_regions
from wengert.ir.transforms.batch import batch, spread
from wengert.ir.transforms.storage import is_safe, nbytes, work

LANES = 16
_FEWEST, _MOST = 8, 32
"""Bounds of the number of lanes in a block, which is 16 or divides the batch."""
_SMALL = 512
"""The most bytes of a state that is carried side by side with others."""
_PRODUCT = 2048
"""From this many multiplications on, a product with a common matrix is better done for all."""
_CHEAP = 64
"""Branches of less work in each lane are all computed."""

Flags = Sequence[bool]


_own_threads: ContextVar[bool] = ContextVar("whether each lane has a thread", default=False)


@contextmanager
def own_threads() -> Generator[None]:
    """Batches that are made meanwhile are for a device with a thread for each lane."""
    token = _own_threads.set(True)
    try:
        yield
    finally:
        _own_threads.reset(token)


def has_own_threads() -> bool:
    """Whether batches are made for such a device now."""
    return _own_threads.get()


def apart(
    op: Op, values: Sequence[Value], batched: Flags, size: int, params: dict[str, Any]
) -> Batched:
    """`op` on each lane alone."""

    def lane(builder: Builder, operands: list[Value]) -> list[Value]:
        return builder.emit(op, operands, params)

    return on_rows(values, batched, size, lane)


def on_rows(
    values: Sequence[Value],
    batched: Flags,
    size: int,
    lane: Callable[[Builder, list[Value]], list[Value]],
) -> Batched:
    """A `for_each` over the rows of the batched values; `lane` builds what is done for one."""
    outer = values[0].builder
    builder = Builder(location=outer.location)
    types = [
        v.type.with_shape(v.shape[1:]) if on else v.type
        for v, on in zip(values, batched, strict=True)
    ]
    consts = [builder.input(t) for t in chosen(types, batched, False)]
    rows = [builder.input(t) for t in chosen(types, batched)]
    left, right = iter(consts), iter(rows)
    outs = lane(builder, [next(right) if on else next(left) for on in batched])
    params = {"body": builder.finish(outs), "consts": len(consts), "size": size}
    operands = [*chosen(values, batched, False), *chosen(values, batched)]
    results = outer.emit(REGISTRY["for_each"], operands, params)
    return results, [True] * len(results)


# loops


def carried_flags(region: Program, flags: Flags, first: int, size: int) -> list[bool]:
    """Which inputs of a loop's body are batched, once what is carried from `first` on is stable."""
    found = list(flags)
    while True:
        outs = batch(region, found, size).out_batched
        grown = [a or b for a, b in zip(found[first:], outs, strict=True)]
        if grown == found[first:]:
            return found
        found[first:] = grown


def batched_region(region: Program, flags: Flags, outs: Flags, size: int) -> Program:
    """`region` on a batch, with those outputs batched that `outs` says."""
    builder = Builder()
    inputs = [
        builder.input(t.with_shape((size, *t.shape)) if on else t)
        for t, on in zip(region.in_types, flags, strict=True)
    ]
    values, found = spread(builder, region, inputs, flags, size)
    return builder.finish(
        [
            in_front(v, on, size) if wanted else v
            for v, on, wanted in zip(values, found, outs, strict=True)
        ]
    )


def batch_for_loop(values: Sequence[Value], batched: Flags, size: int, **params: Any) -> Batched:
    """The batch rule of for_loop."""
    if any(batched[:2]) or size == 0:
        return apart(REGISTRY["for_loop"], values, batched, size, params)
    flags = carried_flags(params["body"], (False, *batched[2:]), 1 + params["consts"], LANES)

    def whole(operands: Sequence[Value], count: int) -> list[Value]:
        return _whole_for_loop(operands, (False, *batched[1:]), flags, count, params)

    return _loop("for_loop", values, batched, size, params, flags[1:], whole)


def _whole_for_loop(
    values: Sequence[Value], batched: Flags, flags: Flags, size: int, params: dict[str, Any]
) -> list[Value]:
    first = 1 + params["consts"]
    region = batched_region(params["body"], flags, flags[first:], size)
    operands = [
        in_front(v, on, size) if wanted else v
        for v, on, wanted in zip(values[2:], batched[2:], flags[1:], strict=True)
    ]
    return values[0].builder.emit(
        REGISTRY["for_loop"], [*values[:2], *operands], {**params, "body": region}
    )


def batch_while_loop(values: Sequence[Value], batched: Flags, size: int, **params: Any) -> Batched:
    """The batch rule of while_loop: lanes that end at different turns run apart."""
    cond, body, consts = params["cond"], params["body"], params["consts"]
    op = REGISTRY["while_loop"]
    flags = carried_flags(body, batched, consts, LANES)
    if size == 0 or batch(cond, flags, LANES).out_batched[0]:
        return apart(op, values, batched, size, params)

    def whole(operands: Sequence[Value], count: int) -> list[Value]:
        regions = {
            "cond": batched_region(cond, flags, (False,), count),
            "body": batched_region(body, flags, flags[consts:], count),
        }
        filled = [
            in_front(v, on, count) if wanted else v
            for v, on, wanted in zip(operands, batched, flags, strict=True)
        ]
        return operands[0].builder.emit(op, filled, {**params, **regions})

    return _loop("while_loop", values, batched, size, params, flags, whole)


def _loop(
    name: str,
    values: Sequence[Value],
    batched: Flags,
    size: int,
    params: dict[str, Any],
    flags: Flags,
    whole: Callable[[Sequence[Value], int], list[Value]],
) -> Batched:
    """A loop for each lane; `flags` are those of the body's operands."""
    body, consts = params["body"], params["consts"]
    inputs = body.inputs[len(body.inputs) - len(flags) :]
    first = [False] * (len(body.inputs) - len(flags))
    state = sum(_touched(body, v) for v in chosen(inputs[consts:], flags[consts:]))
    way = _way(body, (*first, *flags), state, size)
    if way == "whole":
        return whole(values, size), list(flags[consts:])
    if way == "apart":
        return apart(REGISTRY[name], values, batched, size, params)
    return _blocks(values, batched, size, flags[consts:], whole)


def _way(body: Program, flags: Flags, state: int, size: int) -> str:
    """How a batch of loops runs; the module's text has the reasons."""
    if _shares_product(body, flags):
        return "whole"
    if not _side_by_side(batch(body, flags, LANES).program) or state > _SMALL:
        return "apart"
    if size < 2 * LANES:
        return "whole"
    return "apart" if has_own_threads() else "blocks"


def _touched(body: Program, var: Var) -> int:
    """The bytes of a carried value that a turn works on: parts, if it only reads and writes those.

    The arrays that a loop fills with a row at each turn, tapes for instance, are large, and no
    state.
    """
    parts = 0
    names: set[Atom] = {var}
    for eqn in body.eqns:
        if names.isdisjoint(eqn.inputs):
            continue
        if not names.isdisjoint(eqn.inputs[1:]) or eqn.op.name not in _PARTIAL:
            return nbytes(var.type)
        if eqn.op.name == "window":
            parts += nbytes(eqn.outputs[0].type)
        else:
            parts += nbytes(eqn.inputs[1].type)
            names.update(eqn.outputs)
    return min(parts, nbytes(var.type)) or nbytes(var.type)


_PARTIAL = frozenset({"window", "window_set", "window_add"})


def _shares_product(body: Program, flags: Flags) -> bool:
    """Whether the body multiplies each lane by one large matrix."""
    lanes = {v for v, on in zip(body.inputs, flags, strict=True) if on}
    for eqn in body.eqns:
        marks = [a in lanes for a in eqn.inputs]
        if eqn.op.name == "dot_general" and sum(marks) == 1:
            contract = eqn.params["contract"][0]
            terms = math.prod(int(eqn.inputs[0].type.shape[a]) for a in contract)
            if terms * eqn.outputs[0].type.size >= _PRODUCT:
                return True
        if any(marks):
            lanes.update(eqn.outputs)
    return False


def _side_by_side(program: Program) -> bool:
    """Whether a batched region works on all lanes at once, with nothing apart or scattered."""
    unfit = {"for_each", "scatter_add", "scatter_set", "selection", "sort", "while_loop"}
    found = [e.op.name for e in program.eqns if e.op.name in unfit]

    def inspect(region: Program) -> Program:
        if not _side_by_side(region):
            found.append("")
        return region

    map_regions(program, inspect)
    return not found


def _blocks(
    values: Sequence[Value],
    batched: Flags,
    size: int,
    outs: Flags,
    whole: Callable[[Sequence[Value], int], list[Value]],
) -> Batched:
    lanes = _lanes(size)
    count = -(-size // lanes)
    rows = [
        _filled(v, count * lanes).reshape(shape=(count, lanes, *v.shape[1:])) if on else v
        for v, on in zip(values, batched, strict=True)
    ]

    def block(builder: Builder, operands: list[Value]) -> list[Value]:
        results = whole(operands, lanes)
        return [in_front(v, on, lanes) for v, on in zip(results, outs, strict=True)]

    results, _ = on_rows(rows, batched, count, block)
    flat = [v.reshape(shape=(count * lanes, *v.shape[2:])) for v in results]
    return [_first(v, size) for v in flat], [True] * len(flat)


def _lanes(size: int) -> int:
    """How many lanes make a block: 16, or what divides the batch."""
    if size % LANES == 0:
        return LANES
    fitting = [n for n in range(_FEWEST, _MOST + 1) if size % n == 0]
    return min(fitting, key=lambda n: abs(n - LANES)) if fitting else LANES


def _filled(value: Value, size: int) -> Value:
    """`value` with its last row repeated up to `size` rows."""
    count, rest = value.shape[0], value.shape[1:]
    if count == size:
        return value
    last = value.slice(
        start=(count - 1, *(0 for _ in rest)), stop=value.shape, step=(1,) * value.ndim
    )
    more = last.reshape(shape=rest).broadcast(
        shape=(size - count, *rest), dims=tuple(range(1, value.ndim))
    )
    return value.concat(more, axis=0)


def _first(value: Value, size: int) -> Value:
    if value.shape[0] == size:
        return value
    rest = value.shape[1:]
    return value.slice(start=(0,) * value.ndim, stop=(size, *rest), step=(1,) * value.ndim)


# branches


def batch_branch(
    values: Sequence[Value], batched: Flags, size: int, *, branches: tuple[Program, ...]
) -> Batched:
    """The batch rule of branch: where lanes choose differently, all cheap branches are computed."""
    op = REGISTRY["branch"]
    if not batched[0]:
        results = [batch(region, batched[1:], size).out_batched for region in branches]
        outs = [any(column) for column in zip(*results, strict=True)]
        regions = tuple([batched_region(r, batched[1:], outs, size) for r in branches])
        return values[0].builder.emit(op, values, {"branches": regions}), outs
    if not all(map(cheap, branches)):
        return apart(op, values, batched, size, {"branches": branches})
    builder, index = values[0].builder, values[0]
    rows: list[list[Value]] = []
    for region in branches:
        found, flags = spread(builder, region, values[1:], batched[1:], size)
        rows.append([in_front(v, on, size) for v, on in zip(found, flags, strict=True)])
    chosen_rows = rows[-1]
    for number in reversed(range(len(rows) - 1)):
        here = index.eq(number)
        chosen_rows = [
            _spread_over(here, x).select(x, y)
            for x, y in zip(rows[number], chosen_rows, strict=True)
        ]
    return chosen_rows, [True] * len(chosen_rows)


def _spread_over(condition: Value, value: Value) -> Value:
    if value.ndim == 1:
        return condition
    return condition.broadcast(shape=value.shape, dims=(0,))


def cheap(region: Program) -> bool:
    """Whether a region is little work that cannot fail, so that it may run for nothing."""
    return all(_effort(e) is not None for e in region.eqns) and (
        sum(_effort(e) or 0 for e in region.eqns) <= _CHEAP
    )


def _effort(eqn: Eqn) -> int | None:
    return work(eqn) if is_safe(eqn) else None


__all__ = ["apart", "batch_branch", "batch_for_loop", "batch_while_loop", "cheap", "on_rows"]
