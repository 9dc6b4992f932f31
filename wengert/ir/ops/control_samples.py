"""Inputs for the law tests of the ops with regions; larger programs are in the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Builder, Value
from wengert.ir.op import Sample
from wengert.ir.program import Program
from wengert.ir.types import FLOAT64, INT64, Dim, Symbol, TensorType

_SCALAR = TensorType(FLOAT64, ())
_VECTOR = TensorType(FLOAT64, (4,))
_INDEX = TensorType(INT64, ())
_X = np.array([0.3, -0.5, 0.8, 0.4])


def region(types: Sequence[TensorType], function: Callable[..., Sequence[Value]]) -> Program:
    """A program written as a function of its inputs."""
    builder = Builder()
    return builder.finish(function(*[builder.input(t) for t in types]))


def _element(x: Value, i: Value) -> Value:
    return x.window(i, sizes=(1,), steps=(1,)).reshape(shape=())


def _replaced(x: Value, value: Value, i: Value) -> Value:
    return x.window_set(value.reshape(shape=(1,)), i, steps=(1,))


def for_loop_samples() -> list[Sample]:
    """A recurrence with a constant, an update in place, a length that depends on the index."""
    symbol = Symbol(1, 3)

    def recurrence(i: Value, a: Value, x: Value, y: Value) -> list[Value]:
        return [(x * a).sin() + y, x * i.to(FLOAT64)]

    def update(i: Value, x: Value) -> list[Value]:
        return [_replaced(x, _element(x, i) * _element(x, i - 1).sin(), i)]

    def head(i: Value, x: Value) -> list[Value]:
        first = x.window(i * 0, sizes=(Dim.make({symbol: 1}, 0),), steps=(1,))
        return [_replaced(x, first.reduce_sum(axes=(0,)) * _element(x, i), i)]

    def params(body: Program, consts: int, **more: Any) -> dict[str, Any]:
        given = {"symbol": None, "turns": 3, "reverse": False, "consts": consts, "body": body}
        return {**given, **more}

    scalars = region([_INDEX, _SCALAR, _SCALAR, _SCALAR], recurrence)
    one, four = np.array(1), np.array(4)
    numbers = (np.array(0.7), np.array(0.4), np.array(0.2))
    vector = region([_INDEX, _VECTOR], update)
    triangle = region([_INDEX, _VECTOR], head)
    return [
        Sample((one, four, *numbers), params(scalars, 1)),
        Sample((one, four, *numbers), params(scalars, 1, turns=None, reverse=True)),
        Sample((four, one, *numbers), params(scalars, 1, turns=0)),
        Sample((one, four, _X), params(vector, 0, reverse=True)),
        Sample((one, four, _X), params(triangle, 0, symbol=symbol)),
    ]


def while_loop_samples() -> list[Sample]:
    """Heron's root, and a count of turns beside an array."""
    root_types = [_SCALAR, _SCALAR]
    root = {
        "cond": region(root_types, lambda a, x: [(x * x - a).abs().gt(1e-12)]),
        "body": region(root_types, lambda a, x: [(x + a / x) * 0.5]),
        "consts": 1,
    }
    count_types = [_INDEX, _VECTOR]
    count = {
        "cond": region(count_types, lambda n, x: [n.lt(3)]),
        "body": region(count_types, lambda n, x: [n + 1, _replaced(x, _element(x, n).sin(), n)]),
        "consts": 0,
    }
    return [
        Sample((np.array(2.0), np.array(3.0)), root, tolerance=100),
        Sample((np.array(0), _X), count),
        Sample((np.array(5), _X), count),
    ]


def branch_samples() -> list[Sample]:
    """Three branches of scalars, and an array that one of two branches updates."""
    types = [_SCALAR, _SCALAR]
    three = {
        "branches": (
            region(types, lambda x, y: [x * y, y]),
            region(types, lambda x, y: [x.sin(), x * 2.0]),
            region(types, lambda x, y: [y.full_like(0.5), y * y]),
        )
    }
    update = {
        "branches": (
            region([_INDEX, _VECTOR], lambda i, x: [x]),
            region([_INDEX, _VECTOR], lambda i, x: [_replaced(x, _element(x, i).sin(), i)]),
        )
    }
    numbers = (np.array(0.7), np.array(0.4))
    return [
        *(Sample((np.array(i), *numbers), three) for i in range(3)),
        *(Sample((np.array(i), np.array(2), _X), update) for i in range(2)),
    ]


def for_each_samples() -> list[Sample]:
    """Rows with a constant."""
    body = region(
        [_SCALAR, _VECTOR, _SCALAR],
        lambda a, x, y: [(x * a.broadcast(shape=(4,), dims=())).sin().reduce_sum(axes=(0,)) * y, x],
    )
    rows = np.stack([_X, _X * 0.5, -_X])
    first = Sample(
        (np.array(0.7), rows, np.array([0.1, 0.2, 0.3])), {"body": body, "consts": 1, "size": 3}
    )
    none = Sample((np.array(0.7), rows[:0], np.zeros(0)), {"body": body, "consts": 1, "size": 0})
    return [first, none]
