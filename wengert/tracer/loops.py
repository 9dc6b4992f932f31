"""Loops that functions of the tracer are made of, written with `Value`s."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.types import INT64, TensorType

Body = Callable[[Value, list[Value], list[Value]], list[Value]]


def for_loop(
    start: int | Value,
    stop: int | Value,
    consts: Sequence[Value],
    carry: Sequence[Value],
    body: Body,
) -> list[Value]:
    """carry = body(i, consts, carry) for i = start .. stop - 1; the types of the carry stay.

    The body gets values of another builder, and must make all of its values from them.
    """
    outside = carry[0].builder
    inside = Builder(location=outside.location)
    i = inside.input(TensorType(INT64, ()))
    known = [inside.input(c.type) for c in consts]
    state = [inside.input(c.type) for c in carry]
    program = inside.finish(body(i, known, state))
    turns = stop - start if isinstance(start, int) and isinstance(stop, int) else None
    ends = [outside.literal(x, INT64) if isinstance(x, int) else x for x in (start, stop)]
    params = {
        "body": program, "consts": len(consts), "symbol": None, "reverse": False, "turns": turns
    }  # fmt: skip
    return outside.emit(REGISTRY["for_loop"], [*ends, *consts, *carry], params)
