"""Random well-typed programs over the op registry, the same for the same seed.

`random_program(seed, size)` draws a program and arguments for it. A smooth one is built from
infinitely differentiable ops alone and keeps its values small, so that finite differences of it
mean something; the others take in every op that has no run-time check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import wengert.ir.ops  # noqa: F401  (fills the registry)
from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.program import Program
from wengert.ir.types import BOOL, FLOAT32, FLOAT64, INT64, DType, TensorType

SHAPES = ((), (1,), (3,), (4,), (2, 3), (3, 4), (1, 3), (2, 1, 3), (2, 3, 4), (0,), (0, 3))
SMOOTH = ("sin", "cos", "tanh", "atan", "logistic", "neg", "expm1_small", "asinh", "log1p_square")
UNARY = (
    *("neg", "abs", "sign", "sqrt", "cbrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan"),
    *("asin", "atan", "sinh", "tanh", "asinh", "floor", "ceil", "trunc", "rint", "logistic"),
)
BINARY = ("add", "sub", "mul", "div", "max", "min", "fmax", "pow", "hypot", "atan2", "fmod", "mod")
INTEGER_BINARY = ("add", "sub", "mul", "max", "min", "floordiv", "mod", "bitand", "bitxor")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
LITERALS = (0.0, 1.0, -1.0, 2.0, 0.5, -0.0, -3.25, 8.0)


@dataclass(eq=False)
class Draw:
    """A program being drawn: its values so far, and the source of randomness."""

    rng: np.random.Generator
    smooth: bool
    builder: Builder = field(default_factory=Builder)
    values: list[Value] = field(default_factory=list[Value])
    args: list[Any] = field(default_factory=list[Any])

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def value(self, test: Callable[[Value], bool] = lambda v: True) -> Value:
        """A value so far that passes the test, late ones more often; a new input if none does."""
        fitting = [v for v in self.values if test(v)]
        if not fitting:
            return self.input(FLOAT64, ())
        late = fitting[-4:]
        return self.pick(late if self.chance(0.6) else fitting)

    def floating(self) -> Value:
        return self.value(lambda v: v.dtype.kind == "f")

    def shaped(self) -> Value:
        found = [v for v in self.values if v.ndim and (not self.smooth or v.dtype.kind == "f")]
        return self.pick(found) if found else self.input(FLOAT64, (2, 3))

    def like(self, x: Value) -> Value:
        """A value of the type of `x`, or a literal of its dtype."""
        if self.chance(0.25):
            numbers = LITERALS if x.dtype.kind == "f" else (True,) if x.dtype == BOOL else (0, 1, 5)
            return self.builder.literal(self.pick(numbers), x.dtype)
        fitting = [v for v in self.values if v.type == x.type]
        return self.pick(fitting) if fitting else x

    def input(self, dtype: DType, shape: tuple[int, ...]) -> Value:
        value = self.builder.input(TensorType(dtype, shape))
        self.args.append(array(self.rng, dtype, shape))
        self.values.append(value)
        return value

    def indices(self, shape: tuple[int, ...], size: int) -> Value:
        return self.builder.constant(self.rng.integers(0, size, shape))

    def axes(self, x: Value, at_least: int = 0) -> tuple[int, ...]:
        count = int(self.rng.integers(at_least, x.ndim + 1))
        return tuple(sorted(self.rng.permutation(x.ndim)[:count].tolist()))


def array(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Any:
    """Random numbers of a dtype."""
    if dtype.kind == "f":
        return np.asarray(rng.standard_normal(shape)).astype(dtype)
    if dtype == BOOL:
        return np.asarray(rng.random(shape) < 0.5)
    return np.asarray(rng.integers(-9, 10, shape)).astype(dtype)


# one step: each function draws operands from `d` and appends an equation or two


def unary(d: Draw) -> Value:
    x = d.floating()
    name = d.pick(SMOOTH if d.smooth else UNARY)
    if name == "expm1_small":
        return (x.tanh()).expm1()
    if name == "log1p_square":
        return (x * x).log1p()
    return getattr(x, name)()


def binary(d: Draw) -> Value:
    x = d.floating()
    y = d.like(x)
    if d.smooth:
        return getattr(x, d.pick(("add", "sub", "mul")))(y).tanh()
    x, y = (y, x) if d.chance(0.5) else (x, y)
    return getattr(x, d.pick(BINARY))(y)


def linear(d: Draw) -> Value:
    x = d.floating()
    return getattr(x, d.pick(("add", "sub", "mul")))(d.builder.literal(d.pick(LITERALS), x.dtype))


def power(d: Draw) -> Value:
    x = d.floating().tanh()
    return x.integer_pow(exponent=d.pick((0, 1, 2, 3, 4) if d.smooth else (-1, 0, 1, 2, 3, 5)))


def integer_binary(d: Draw) -> Value:
    x = d.value(lambda v: v.dtype == INT64)
    if x.dtype != INT64:
        x = x.tanh().cast(dtype=INT64)
    return getattr(x, d.pick(INTEGER_BINARY))(d.like(x))


def comparison(d: Draw) -> Value:
    x = d.floating()
    return getattr(x, d.pick(COMPARISONS))(d.like(x))


def select(d: Draw) -> Value:
    x = d.floating()
    condition = x.lt(d.like(x)) if not d.smooth else d.builder.constant(d.rng.random(x.shape) < 0.5)
    return condition.select(d.like(x), d.like(x)) if x.shape == condition.shape else x


def cast(d: Draw) -> Value:
    x = d.value()
    return x.cast(dtype=d.pick((FLOAT64, FLOAT32, INT64, BOOL, np.dtype(np.int8))))


def reshape(d: Draw) -> Value:
    x = d.shaped() if d.chance(0.8) else d.floating()
    kept = [n for n in x.shape if n != 1 or d.chance(0.5)]
    shapes = [(x.type.size,), tuple(kept), (*kept, 1), (1, *kept)]
    return x.reshape(shape=d.pick(shapes))


def transpose(d: Draw) -> Value:
    x = d.shaped()
    return x.transpose(perm=tuple(d.rng.permutation(x.ndim).tolist()))


def broadcast(d: Draw) -> Value:
    x = d.value(lambda v: v.ndim < 3 and v.dtype.kind == "f")
    at = int(d.rng.integers(0, x.ndim + 1))
    shape = (*x.shape[:at], d.pick((1, 2, 3)), *x.shape[at:])
    return x.broadcast(shape=shape, dims=tuple(a for a in range(len(shape)) if a != at))


def slice_(d: Draw) -> Value:
    x = d.shaped()
    start = [int(d.rng.integers(0, n + 1)) if d.chance(0.5) else 0 for n in x.shape]
    stop = [
        int(d.rng.integers(a, n + 1)) if d.chance(0.5) else n
        for a, n in zip(start, x.shape, strict=True)
    ]
    return x.slice(
        start=tuple(start), stop=tuple(stop), step=tuple(d.pick((1, 1, 2)) for _ in start)
    )


def pad(d: Draw) -> Value:
    x = d.shaped()
    low, high, inside = (tuple(int(d.rng.integers(0, 3)) for _ in x.shape) for _ in range(3))
    fill = d.builder.literal(0, x.dtype)
    return x.pad(fill, low=low, high=high, interior=tuple(min(i, 1) for i in inside))


def concat(d: Draw) -> Value:
    x = d.shaped()
    others = [v for v in d.values if v.type == x.type][:2]
    return x.concat(*others, axis=int(d.rng.integers(x.ndim)))


def rev(d: Draw) -> Value:
    x = d.shaped()
    return x.rev(axes=d.axes(x))


def reduction(d: Draw) -> Value:
    x = d.shaped()
    if x.dtype == BOOL:
        return x.reduce_or(axes=d.axes(x))
    if d.smooth or 0 in x.shape:
        return (x * 0.5).reduce_sum(axes=d.axes(x)) if x.dtype.kind == "f" else x
    return getattr(x, d.pick(("reduce_sum", "reduce_max", "reduce_min", "reduce_prod")))(
        axes=d.axes(x)
    )


def scan(d: Draw) -> Value:
    x = d.shaped()
    if x.dtype.kind != "f":
        x = x.cast(dtype=FLOAT64)
    axis = int(d.rng.integers(x.ndim))
    return (x * 0.5).cumsum(axis=axis, reverse=d.chance(0.5))


def dot(d: Draw) -> Value:
    x = d.value(lambda v: 0 < v.ndim <= 3 and v.dtype.kind == "f")
    if not x.ndim:
        return x
    axis = int(d.rng.integers(x.ndim))
    fitting = [
        (v, a)
        for v in d.values
        for a, n in enumerate(v.shape)
        if v.dtype == x.dtype and n == x.shape[axis] and v.ndim <= 2
    ]
    y, other = d.pick(fitting) if fitting else (x, axis)
    if d.chance(0.4) and y.ndim == 2:
        y, other = y.transpose(perm=(1, 0)), 1 - other
    product = (x * 0.5).dot_general(y, contract=((axis,), (other,)), batch=((), ()))
    if product.ndim >= 2 and d.chance(0.3):
        return product.transpose(perm=(*range(x.ndim - 1, product.ndim), *range(x.ndim - 1)))
    return product if product.ndim <= 3 else product.reduce_sum(axes=(0,))


def batched_dot(d: Draw) -> Value:
    x = d.value(lambda v: v.ndim == 3 and v.dtype.kind == "f")
    if x.ndim != 3:
        return x
    y = x.transpose(perm=(0, 2, 1)) if d.chance(0.5) else x
    contract = ((2,), (1,)) if y.shape[1] == x.shape[2] else ((2,), (2,))
    return (x * 0.5).dot_general(y, contract=contract, batch=((0,), (0,)))


def gather(d: Draw) -> Value:
    x = d.shaped()
    if x.shape[0] == 0:
        return x
    return x.gather(d.indices(d.pick(((), (2,), (2, 2))), x.shape[0]))


def scatter(d: Draw) -> Value:
    x = d.shaped()
    if x.shape[0] == 0 or x.dtype.kind != "f":
        return x
    return x.scatter_add(x, d.indices((x.shape[0],), x.shape[0]))


SMOOTH_STEPS = (
    *(unary, unary, binary, binary, linear, power, select, reshape, transpose, broadcast, slice_),
    *(pad, concat, rev, reduction, scan, dot, dot, batched_dot, gather, scatter),
)
ALL_STEPS = (*SMOOTH_STEPS, cast, comparison, integer_binary)


def random_program(seed: int, size: int, *, smooth: bool = False) -> tuple[Program, list[Any]]:
    """A program of about `size` equations, and arguments for it."""
    d = Draw(np.random.default_rng(seed), smooth)
    for _ in range(int(d.rng.integers(1, 4))):
        d.input(FLOAT64, d.pick(SHAPES))
    if not smooth:
        d.input(d.pick((FLOAT32, INT64, BOOL)), d.pick(SHAPES))
    steps = SMOOTH_STEPS if smooth else ALL_STEPS
    while len(d.builder.eqns) < size:
        made = d.pick(steps)(d)
        if made.type.size <= 200 and made.ndim <= 4:
            d.values.append(made)
    outputs = [v for v in d.values[-3:] if v.dtype.kind == "f" or not smooth] or [d.values[0]]
    return d.builder.finish(outputs), d.args


def missing_ops() -> set[str]:
    """Names this module uses that the registry lacks (none, once all families are written)."""
    named = {*UNARY, *BINARY, *INTEGER_BINARY, *COMPARISONS, *SMOOTH}
    return named - set(REGISTRY) - {"expm1_small", "log1p_square"}
