"""Random programs of loops, branches and updates in place, to compare lowered with evaluated ones.

A program carries two matrices, a vector and two scalars through nested loops. Each step reads
elements, rows or columns, computes, and writes to a window, adds to one or replaces a whole array;
old versions are sometimes read after the update, and turns sometimes exchange arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.program import Program
from wengert.ir.types import FLOAT64, INT64, Symbol, TensorType

INDEX = TensorType(INT64, ())


def integer(like: Value, value: int) -> Value:
    return like.builder.literal(value, INT64)


def real(like: Value, value: float) -> Value:
    return like.builder.literal(value, FLOAT64)


def for_loop(
    builder: Builder,
    start: Any,
    stop: Any,
    consts: list[Value],
    carry: list[Value],
    turn: Any,
    **params: Any,
) -> list[Value]:
    """A loop whose body is `turn(i, consts, carry)`."""
    inner = Builder()
    types = (INDEX, *(v.type for v in consts), *(v.type for v in carry))
    i, *rest = [inner.input(t) for t in types]
    body = inner.finish(turn(i, rest[: len(consts)], rest[len(consts) :]))
    bounds = [x if isinstance(x, Value) else builder.literal(x, INT64) for x in (start, stop)]
    given = {"symbol": None, "reverse": False, "turns": None, **params}
    return builder.emit(
        REGISTRY["for_loop"],
        [*bounds, *consts, *carry],
        {"body": body, "consts": len(consts), **given},
    )


def if_else(condition: Value, operands: list[Value], then: Any, otherwise: Any) -> list[Value]:
    """A branch whose regions are `then(operands)` and `otherwise(operands)`."""

    def region(make: Any) -> Program:
        inner = Builder()
        return inner.finish(make([inner.input(v.type) for v in operands]))

    index = condition.to(INT64)
    params = {"branches": (region(otherwise), region(then))}
    return condition.builder.emit(REGISTRY["branch"], [index, *operands], params)


def while_loop(consts: list[Value], carry: list[Value], test: Any, turn: Any) -> list[Value]:
    """A loop while `test(consts, carry)` holds."""

    def region(make: Any) -> Program:
        inner = Builder()
        inputs = [inner.input(v.type) for v in (*consts, *carry)]
        return inner.finish(make(inputs[: len(consts)], inputs[len(consts) :]))

    cond = region(lambda c, k: [test(c, k)])
    params = {"cond": cond, "body": region(turn), "consts": len(consts)}
    return carry[0].builder.emit(REGISTRY["while_loop"], [*consts, *carry], params)


@dataclass
class Generator:
    """Draws programs; `n` is the length of every axis."""

    rng: np.random.Generator
    n: int = 5
    depth: int = 2

    def program(self) -> Program:
        builder = Builder()
        n = self.n
        types = [TensorType(FLOAT64, s) for s in ((n, n), (n, n), (n,), (), ())]
        state = [builder.input(t) for t in types]
        known = [builder.input(t) for t in types[:3]]
        zero = builder.literal(0, INT64)
        return builder.finish(self.steps(state, known, [zero], self.depth))

    def steps(
        self, state: list[Value], known: list[Value], indices: list[Value], depth: int
    ) -> list[Value]:
        older = list(state)
        for _ in range(int(self.rng.integers(1, 5))):
            before = list(state)
            state = self.step(state, known, indices, older, depth)
            older = before if self.rng.random() < 0.3 else older
        if self.rng.random() < 0.25:
            state[0], state[1] = state[1], state[0]
        return state

    def step(
        self,
        state: list[Value],
        known: list[Value],
        indices: list[Value],
        older: list[Value],
        depth: int,
    ) -> list[Value]:
        kind = self.rng.choice(["write", "write", "whole", "scalar", "loop", "loop", "if"])
        if kind == "loop" and depth:
            return self.loop(state, known, indices, depth)
        if kind == "if" and depth:
            return self.branch(state, known, indices, depth)
        state = list(state)
        if kind == "whole":
            target = int(self.rng.integers(0, 3))
            state[target] = self.whole(state, known, target, older)
        elif kind == "scalar":
            state[3 + int(self.rng.integers(0, 2))] = self.scalar(state, known, indices, older)
        else:
            target = int(self.rng.integers(0, 3))
            state[target] = self.write(state, known, indices, older, target)
        return state

    def loop(
        self, state: list[Value], known: list[Value], indices: list[Value], depth: int
    ) -> list[Value]:
        consts = [*known, *indices]

        def turn(i: Value, c: list[Value], k: list[Value]) -> list[Value]:
            return self.steps(k, c[:3], [*c[3:], i], depth - 1)

        start = int(self.rng.integers(0, 2))
        stop = int(self.rng.integers(start, self.n + 1))
        reverse = bool(self.rng.random() < 0.3)
        builder = state[0].builder
        turns = stop - start if self.rng.random() < 0.8 else None
        symbol = Symbol(start, max(start, stop - 1))
        return for_loop(
            builder, start, stop, consts, state, turn, reverse=reverse, turns=turns, symbol=symbol
        )

    def branch(
        self, state: list[Value], known: list[Value], indices: list[Value], depth: int
    ) -> list[Value]:
        condition = state[3].gt(state[4])
        operands = [*known, *indices, *state]
        count = len(indices)

        def region(ops: list[Value]) -> list[Value]:
            inner = list(ops[3 + count :])
            return self.steps(inner, ops[:3], ops[3 : 3 + count], depth - 1)

        keep = self.rng.random() < 0.4
        return if_else(
            condition, operands, region, (lambda ops: list(ops[3 + count :])) if keep else region
        )

    def place(self, indices: list[Value]) -> Value:
        """A loop index, or its mirror image."""
        i = indices[int(self.rng.integers(0, len(indices)))]
        return integer(i, self.n - 1) - i if self.rng.random() < 0.3 else i

    def scalar(
        self, state: list[Value], known: list[Value], indices: list[Value], older: list[Value]
    ) -> Value:
        sources = [*state, *known, older[int(self.rng.integers(0, 3))]]
        x = self.element(sources[int(self.rng.integers(0, len(sources)))], indices)
        y = self.element(sources[int(self.rng.integers(0, len(sources)))], indices)
        return (x * real(x, 0.5) + y * real(x, 0.25)).sin()

    def element(self, x: Value, indices: list[Value]) -> Value:
        if not x.ndim:
            return x
        starts = [self.place(indices) for _ in range(x.ndim)]
        one = (1,) * x.ndim
        return x.window(*starts, sizes=one, steps=one).reshape(shape=())

    def row(self, x: Value, indices: list[Value]) -> Value:
        """A vector: a row or column of a matrix, or the vector itself."""
        if x.ndim < 2:
            return x
        n, zero, i = self.n, integer(x, 0), self.place(indices)
        if self.rng.random() < 0.5:
            return x.window(i, zero, sizes=(1, n), steps=(1, 1)).reshape(shape=(n,))
        return x.window(zero, i, sizes=(n, 1), steps=(1, 1)).reshape(shape=(n,))

    def whole(
        self, state: list[Value], known: list[Value], target: int, older: list[Value]
    ) -> Value:
        if target == 2:
            return (state[2] * real(state[2], 0.5)).sin() + self.row(
                known[0], [integer(state[2], 1)]
            )
        source = (state[0], state[1], known[0], older[target])[int(self.rng.integers(0, 4))]
        if self.rng.random() < 0.3:
            source = source.transpose(perm=(1, 0))
        return (source + state[target] * real(source, 0.5)).sin()

    def write(
        self,
        state: list[Value],
        known: list[Value],
        indices: list[Value],
        older: list[Value],
        target: int,
    ) -> Value:
        x = state[target]
        op = str(self.rng.choice(["window_set", "window_add"]))
        choice = self.rng.random()
        if choice < 0.5:
            one = (1,) * x.ndim
            v = self.scalar(state, known, indices, older).reshape(shape=one)
            starts = [self.place(indices) for _ in range(x.ndim)]
        elif x.ndim == 2 and choice < 0.8:
            v = self.row(state[int(self.rng.integers(0, 3))], indices).reshape(shape=(1, self.n))
            v = (
                v + self.scalar(state, known, indices, older).broadcast(shape=v.shape, dims=())
            ).sin()
            starts = [self.place(indices), integer(x, 0)]
        else:
            sizes = tuple(int(s) for s in self.rng.integers(1, self.n + 1, x.ndim))
            source = state[int(self.rng.integers(0, 2))] if x.ndim == 2 else state[2]
            first = [integer(x, int(self.rng.integers(0, self.n - s + 1))) for s in sizes]
            v = source.window(*first, sizes=sizes, steps=(1,) * x.ndim).sin()
            starts = [integer(x, int(self.rng.integers(0, self.n - s + 1))) for s in sizes]
        return getattr(x, op)(v, *starts, steps=(1,) * x.ndim)
