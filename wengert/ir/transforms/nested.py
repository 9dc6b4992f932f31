"""Taylor coefficients of one equation by differentiating again and again along the path."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from wengert.ir.builder import Builder, Value
from wengert.ir.program import Eqn, Program
from wengert.ir.transforms.jvp import jvp
from wengert.ir.types import FLOAT64, TensorType

Operand = Value | Callable[[int], Value | None]
"""A constant operand, or the coefficients of one that moves."""


def nested(
    builder: Builder, eqn: Eqn, operands: Sequence[Operand], order: int | None
) -> Callable[[int], list[Value | None]]:
    """The coefficients of all outputs of an equation, as a function of their order.

    With an `order` those up to it are computed at once, else each when it is asked for.
    """
    upto = functools.cache(functools.partial(_all, builder, eqn, operands))
    return lambda k: upto(k if order is None else order)[k]


def _all(
    builder: Builder, eqn: Eqn, operands: Sequence[Operand], order: int
) -> list[list[Value | None]]:
    inner = Builder(location=eqn.location)
    time = inner.input(TensorType(FLOAT64, ()))
    given: list[Value] = []
    points: list[Value] = []
    for x in operands:
        terms = [x] if isinstance(x, Value) else [x(k) for k in range(order + 1)]
        held = [None if t is None else inner.input(t.type) for t in terms]
        given += [t for t in terms if t is not None]
        points.append(_path(time, held))
    program = inner.finish(inner.emit(eqn.op, points, eqn.params))
    for _ in range(order):
        program = _longer(program, len(eqn.outputs))
    builder.location = eqn.location
    found = builder.inline(program, [builder.literal(0.0, FLOAT64), *given])
    count = len(eqn.outputs)
    return [
        [_divided(v, math.factorial(k)) for v in found[k * count : (k + 1) * count]]
        for k in range(order + 1)
    ]


def _divided(v: Value, number: int) -> Value:
    return v if number == 1 or not v.type.is_float else v / float(number)


def _path(time: Value, terms: Sequence[Value | None]) -> Value:
    """The polynomial with these coefficients, by Horner's rule."""
    point: Value | None = None
    for term in reversed(terms):
        if point is not None:
            point = point * time.to(point.dtype)
        if term is not None:
            point = term if point is None else point + term
    assert point is not None
    return point


def _longer(program: Program, count: int) -> Program:
    """A program of derivatives of orders 0 to n in its first input, with order n + 1 as well."""
    pushed = jvp(program, [True, *(False for _ in program.inputs[1:])])
    builder = Builder()
    inputs = [builder.input(v.type) for v in program.inputs]
    found = builder.inline(pushed.program, [*inputs, builder.literal(1.0, FLOAT64)])
    size = len(program.outputs)
    slopes = iter(found[size:])
    tangents = [
        next(slopes) if on else _nothing(v)
        for on, v in zip(pushed.out_active, found[:size], strict=True)
    ]
    return builder.finish([*found[:count], *tangents])


def _nothing(v: Value) -> Value:
    return v.builder.zeros(v.type)
