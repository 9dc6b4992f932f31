"""Inputs for the law tests of the ops with the user's rules: linear programs, as the ops say."""

from __future__ import annotations

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.op import Sample
from wengert.ir.ops.control_samples import region
from wengert.ir.program import Program
from wengert.ir.types import FLOAT64, INT64, TensorType

VECTOR = TensorType(FLOAT64, (4,))
INDEX = TensorType(INT64, ())
X = np.array([0.3, -0.5, 0.8, 0.4])


def primal() -> Program:
    """(x, n) -> x + x[::-1] * 3, sum(x); n is an integer that is not used."""
    return region([VECTOR, INDEX], lambda x, n: _outputs(x))


def tangent() -> Program:
    """Its forward rule."""
    return region([VECTOR, INDEX, VECTOR], lambda x, n, dx: [*_outputs(x), *_outputs(dx)])


def forward() -> Program:
    """The first half of a reverse rule, which keeps the integer."""
    return region([VECTOR, INDEX], lambda x, n: [*_outputs(x), n])


def backward() -> Program:
    """The second half: (n, cotangents) -> the cotangent of x."""

    def pulled(n: Value, bar: Value, total: Value) -> list[Value]:
        return [_mirrored(bar) + total.broadcast(shape=(4,), dims=())]

    return region([INDEX, VECTOR, TensorType(FLOAT64, ())], pulled)


def _mirrored(x: Value) -> Value:
    return x + x.rev(axes=(0,)) * 3


def _outputs(x: Value) -> list[Value]:
    return [_mirrored(x), x.reduce_sum(axes=(0,))]


def linear_samples() -> list[Sample]:
    """The map alone, derived from the backward program and given."""
    n = np.array(2, np.int64)
    derived = {"backward": backward(), "residuals": 1, "tangent": None}
    given = {"backward": backward(), "residuals": 3, "tangent": tangent()}
    return [Sample((n, X), derived), Sample((n, X, n, X), given)]
