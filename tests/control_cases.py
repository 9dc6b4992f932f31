"""Small programs with loops and branches, and arguments for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert.ir.ops  # noqa: F401  (fills the registry)
from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.program import Program
from wengert.ir.transforms.checkpoint import checkpointed
from wengert.ir.types import BOOL, FLOAT64, INT64, Dim, Symbol, TensorType, type_of

SCALAR = TensorType(FLOAT64, ())
INDEX = TensorType(INT64, ())
Case = tuple[Program, list[np.ndarray]]


def vector(n: int) -> TensorType:
    return TensorType(FLOAT64, (n,))


def region(types: Sequence[TensorType], function: Callable[..., Any]) -> Program:
    """The program of `function` on values of these types."""
    builder = Builder()
    outs = function(*[builder.input(t) for t in types])
    return builder.finish(outs if isinstance(outs, (tuple, list)) else (outs,))


def loop(
    start: Any,
    stop: Any,
    carry: Sequence[Value],
    body: Callable[..., Any],
    consts: Sequence[Value] = (),
    symbol: Symbol | None = None,
    reverse: bool = False,
    turns: int | None = None,
    **more: Any,
) -> list[Value]:
    """A for_loop whose body is a Python function of (i, *consts, *carry)."""
    builder = (*carry, *consts)[0].builder
    bounds = [x if isinstance(x, Value) else builder.literal(x, INT64) for x in (start, stop)]
    if turns is None and not isinstance(start, Value) and not isinstance(stop, Value):
        turns = max(0, stop - start)
    inner = region([INDEX, *(v.type for v in (*consts, *carry))], body)
    params = {
        "symbol": symbol,
        "turns": turns,
        "reverse": reverse,
        "consts": len(consts),
        "body": inner,
        **more,
    }
    return builder.emit(REGISTRY["for_loop"], [*bounds, *consts, *carry], params)


def while_(
    carry: Sequence[Value],
    cond: Callable[..., Any],
    body: Callable[..., Any],
    consts: Sequence[Value] = (),
) -> list[Value]:
    types = [v.type for v in (*consts, *carry)]
    params = {"cond": region(types, cond), "body": region(types, body), "consts": len(consts)}
    return carry[0].builder.emit(REGISTRY["while_loop"], [*consts, *carry], params)


def choose(index: Value, operands: Sequence[Value], *branches: Callable[..., Any]) -> list[Value]:
    """A branch; a bool index is cast."""
    types = [v.type for v in operands]
    params = {"branches": tuple([region(types, f) for f in branches])}
    index = index.to(INT64)
    return index.builder.emit(REGISTRY["branch"], [index, *operands], params)


def each(consts: Sequence[Value], rows: Sequence[Value], body: Callable[..., Any]) -> list[Value]:
    size = rows[0].shape[0]
    types = [*(v.type for v in consts), *(v.type.with_shape(v.shape[1:]) for v in rows)]
    params = {"body": region(types, body), "consts": len(consts), "size": size}
    return rows[0].builder.emit(REGISTRY["for_each"], [*consts, *rows], params)


def at(x: Value, *index: Any) -> Value:
    """The element of an array."""
    return x.window(*_places(x, index), sizes=(1,) * x.ndim, steps=(1,) * x.ndim).reshape(shape=())


def put(x: Value, value: Value, *index: Any, add: bool = False) -> Value:
    """The array with an element replaced, or added to."""
    row = value.reshape(shape=(1,) * x.ndim)
    places = _places(x, index)
    if add:
        return x.window_add(row, *places, steps=(1,) * x.ndim)
    return x.window_set(row, *places, steps=(1,) * x.ndim)


def _places(x: Value, index: Sequence[Any]) -> list[Value]:
    return [i if isinstance(i, Value) else x.builder.literal(i, INT64) for i in index]


def part(x: Value, starts: Sequence[Any], sizes: Sequence[int]) -> Value:
    return x.window(*_places(x, starts), sizes=tuple(sizes), steps=(1,) * x.ndim)


def put_part(x: Value, value: Value, starts: Sequence[Any]) -> Value:
    return x.window_set(value, *_places(x, starts), steps=(1,) * x.ndim)


def case(function: Callable[..., Any], *args: Any) -> Case:
    arrays = [np.asarray(a) for a in args]
    return region([type_of(a) for a in arrays], function), arrays


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.3, 0.9, shape)


# the cases


def recurrence(x: Value, a: Value) -> Any:
    """A nonlinear recurrence on a scalar."""
    return loop(0, 6, [x], lambda i, a, x: (x * a).sin() + x * 0.5, [a])


def lorenz(x: Value, y: Value, z: Value) -> Any:
    """Runge-Kutta steps of the Lorenz system."""

    def slope(x: Value, y: Value, z: Value) -> tuple[Value, Value, Value]:
        return (y - x) * 10.0, x * (28.0 - z) - y, x * y - z * (8 / 3)

    def body(i: Value, *s: Value) -> list[Value]:
        h = 0.01

        def ahead(k: Sequence[Value], f: float) -> list[Value]:
            return [a + b * (h * f) for a, b in zip(s, k, strict=True)]

        k1 = slope(*s)
        k2 = slope(*ahead(k1, 0.5))
        k3 = slope(*ahead(k2, 0.5))
        k4 = slope(*ahead(k3, 1.0))
        return [
            a + (p + q * 2.0 + r * 2.0 + t) * (h / 6)
            for a, p, q, r, t in zip(s, k1, k2, k3, k4, strict=True)
        ]

    return loop(0, 10, [x, y, z], body)


def in_place(x: Value) -> Any:
    """x[i] = sin(x[i-1]) * x[i]."""
    return loop(
        1, 7, [x], lambda i, x: put(x, at(x, i - 1).sin() * at(x, i), i), symbol=Symbol(1, 6)
    )


def gauss_seidel(u: Value) -> Any:
    """Sweeps that read what they have just written; linear."""

    def point(i: Value, j: Value, u: Value) -> Value:
        around = at(u, i - 1, j) + at(u, i + 1, j) + at(u, i, j - 1) + at(u, i, j + 1)
        return put(u, around * 0.25, i, j)

    def row(i: Value, u: Value) -> Any:
        return loop(1, 4, [u], lambda j, i, u: point(i, j, u), [i])

    return loop(0, 2, [u], lambda k, u: loop(1, 4, [u], row))


def jacobi(u: Value) -> Any:
    """A stencil whose result is written over the inner points."""

    def sweep(k: Value, u: Value) -> Value:
        around = part(u, (0, 1), (3, 3)) + part(u, (2, 1), (3, 3))
        around = around + part(u, (1, 0), (3, 3)) + part(u, (1, 2), (3, 3))
        return put_part(u, around * 0.25, (1, 1))

    return loop(0, 5, [u], sweep)


def sums_of_products(w: Value, x: Value) -> Any:
    """A recurrent layer: a constant matrix in each turn."""
    product = {"contract": ((1,), (0,)), "batch": ((), ())}
    return loop(0, 4, [x], lambda i, w, x: w.dot_general(x, **product).tanh(), [w])


def rows_of_constant(t: Value, x: Value) -> Any:
    """A constant is read row by row."""

    def body(i: Value, t: Value, x: Value) -> Value:
        return x * part(t, (i, 0), (1, 3)).reshape(shape=(3,)) + x.sin()

    return loop(0, 5, [x], body, [t])


def triangular(a: Value) -> Any:
    """a[i] = sum(a[:i] ** 2) * a[i]: a length that depends on the index."""
    symbol = Symbol(1, 5)

    def body(i: Value, a: Value) -> Value:
        head = part(a, (0,), (Dim.make({symbol: 1}, 0),))
        return put(a, (head * head).reduce_sum(axes=(0,)) * at(a, i), i)

    return loop(1, 6, [a], body, symbol=symbol)


def nested_triangular(a: Value) -> Any:
    """Two nested loops over a matrix, as in Cholesky's method."""
    outer = Symbol(0, 3)

    def inner(j: Value, i: Value, a: Value) -> Value:
        return put(a, at(a, i, j) * 0.5 + (at(a, j, i) * at(a, i, 0)).sin(), i, j)

    def body(i: Value, a: Value) -> Any:
        head = part(a, (i, 0), (1, Dim.make({outer: 1}, 1)))
        a = put(a, (head * head).reduce_sum(axes=(0, 1)), i, i)
        return loop(0, i, [a], inner, [i], symbol=Symbol(0, 3), turns=3)

    return loop(0, 4, [a], body, symbol=outer)


def downwards(x: Value, y: Value) -> Any:
    """A loop that runs backwards and swaps what it carries."""
    return loop(2, 7, [x, y], lambda i, x, y: (y, x * y + at_scalar(i) * y), reverse=True)


def at_scalar(i: Value) -> Value:
    return i.to(FLOAT64) * 0.1


def known_turns(x: Value, n: Value) -> Any:
    """The number of turns is an argument, with a bound."""
    return loop(0, n, [x], lambda i, x: x.sin() + x, turns=9)


def unknown_turns(x: Value, n: Value) -> Any:
    """The number of turns is an argument without a bound."""
    start = n - n
    return loop(start, n, [x], lambda i, x: x.sin() + x * at_scalar(i))


def newton(a: Value) -> Any:
    """A while loop that ends by what it computes."""

    def far(a: Value, x: Value) -> Value:
        return (x * x - a).abs().gt(1e-14)

    return while_([a + 1.0], far, lambda a, x: (x + a / x) * 0.5, [a])


def collatz(x: Value, y: Value) -> Any:
    """A while loop with an integer carried beside floats, and an array."""

    def body(n: Value, x: Value, y: Value) -> Any:
        half = n.floordiv(2)
        return half, x * at(y, half.mod(3)) + 0.1, put(y, x, half.mod(3))

    return while_([x.builder.literal(27, INT64), x, y], lambda n, x, y: n.gt(0), body)[1:]


def either(x: Value, y: Value) -> Any:
    """Branches that compute different things of the same operands."""
    return choose(x.gt(y), [x, y], lambda x, y: (x * y, y), lambda x, y: (x.sin(), x * 2.0))


def branch_in_loop(x: Value) -> Any:
    """if x[i] > 0.5: x[i+1] = x[i] * x[i+1]."""

    def body(i: Value, x: Value) -> Any:
        def update(x: Value, i: Value) -> Value:
            return put(x, at(x, i) * at(x, i + 1), i + 1)

        return choose(at(x, i).gt(0.5), [x, i], lambda x, i: x, update)

    return loop(0, 5, [x], body)


def rows_apart(w: Value, x: Value) -> Any:
    """A loop for each row."""

    def row(w: Value, x: Value) -> Any:
        return loop(0, 4, [x], lambda i, w, x: (x * w).sin(), [w])

    return each([w], [x], row)


def second_state(x: Value, y: Value) -> Any:
    """One carried value is not differentiated at first, one never changes, one is an integer."""

    def body(i: Value, k: Value, x: Value, y: Value, c: Value) -> Any:
        return k + 2, x * 0.5 + k.to(FLOAT64), y * c + x, c

    zero = x.builder.literal(0, INT64)
    return loop(0, 4, [zero, x, x.builder.literal(1.0, FLOAT64), y], body)[1:]


def inner_tape(x: Value, a: Value) -> Any:
    """A loop within a loop on scalars: a tape of tapes."""

    def body(i: Value, a: Value, x: Value) -> Value:
        (y,) = loop(0, 3, [x], lambda j, a, x: x.sin() * a + x * x, [a])
        return y * at_scalar(i)

    return loop(1, 4, [x], body, [a])


def gathered(x: Value, s: Value) -> Any:
    """Reads at checked positions that depend on the index."""

    def body(i: Value, x: Value, s: Value) -> Value:
        place = i.mul(3).mod(5).check_index(size=5, axis=0)
        return s * x.gather(place) + s.sin()

    return loop(0, 6, [s], body, [x])


def in_place_columns(a: Value) -> Any:
    """LU without pivots: rows below are updated by a product of a column and a row."""
    symbol = Symbol(0, 2)

    def body(k: Value, a: Value) -> Value:
        rest = Dim.make({symbol: -1}, 3)
        below = part(a, (k + 1, k), (rest, 1))
        right = part(a, (k, k + 1), (1, rest))
        pivot = at(a, k, k)
        scaled = below / pivot.broadcast(shape=below.shape, dims=())
        outer = scaled.dot_general(right, contract=((1,), (0,)), batch=((), ()))
        a = put_part(a, scaled, (k + 1, k))
        corner = part(a, (k + 1, k + 1), (rest, rest))
        return put_part(a, corner - outer, (k + 1, k + 1))

    return loop(0, 3, [a], body, symbol=symbol)


def on_a_budget(x: Value, w: Value) -> Any:
    """A loop of 20 turns that may keep 200 bytes, with an array and a constant."""

    def body(i: Value, w: Value, x: Value) -> Value:
        return (x * w).sin() + x * at_scalar(i)

    return loop(2, 22, [x], body, [w], checkpoint=200)


def kept_apart(x: Value, y: Value) -> Any:
    """Part of a program that is computed again."""
    part = region([x.type, y.type], lambda x, y: ((x * y).sin() * x, x.exp()))
    a, b = checkpointed(x.builder, part, [x, y])
    return a * b


def overwritten_later(x: Value) -> Any:
    """x[i-1] = sin(x[i]) * x[i+1]: what a turn reads the next ones write."""
    return loop(
        1, 6, [x], lambda i, x: put(x, at(x, i).sin() * at(x, i + 1), i - 1), symbol=Symbol(1, 5)
    )


def overwritten_below(x: Value) -> Any:
    """The same in a loop that runs down."""
    return loop(
        1,
        6,
        [x],
        lambda i, x: put(x, at(x, i).sin() * at(x, i - 1), i + 1),
        symbol=Symbol(1, 5),
        reverse=True,
    )


def nonlinear_sweeps(x: Value) -> Any:
    """What is final in a sweep is overwritten by the next one."""
    sweep = Symbol(1, 6)

    def body(k: Value, x: Value) -> Any:
        return loop(1, 7, [x], lambda i, x: put(x, at(x, i - 1).sin() * at(x, i), i), symbol=sweep)

    return loop(0, 3, [x], body, symbol=Symbol(0, 2))


def cholesky(a: Value) -> Any:
    """Cholesky's method, column by column, with triangular lengths."""
    outer, inner = Symbol(0, 3), Symbol(1, 3)
    size = Dim.make({outer: 1}, 0)

    def entry(i: Value, j: Value, a: Value, low: Value) -> Value:
        left = part(low, (i, 0), (1, size)) * part(low, (j, 0), (1, size))
        value = (at(a, i, j) - left.reduce_sum(axes=(0, 1))) / at(low, j, j)
        return put(low, value, i, j)

    def column(j: Value, a: Value, low: Value) -> Any:
        head = part(low, (j, 0), (1, size))
        pivot = (at(a, j, j) - (head * head).reduce_sum(axes=(0, 1))).sqrt()
        low = put(low, pivot, j, j)
        return loop(j + 1, 4, [low], entry, [j, a], symbol=inner, turns=3)

    return loop(0, 4, [a * 0.0], column, [a], symbol=outer)


def shortest_paths(d: Value) -> Any:
    """Floyd's method on an array so large that its comparisons share bytes."""

    def body(k: Value, d: Value) -> Value:
        n = d.shape[0]
        column = part(d, (0, k), (n, 1)).reshape(shape=(n,)).broadcast(shape=d.shape, dims=(0,))
        row = part(d, (k, 0), (1, n)).reshape(shape=(n,)).broadcast(shape=d.shape, dims=(1,))
        return d.min(column + row)

    return loop(0, 3, [d], body)


def cases() -> dict[str, Case]:
    """All of them by name."""
    x, m = draw(7), draw(5, 5, seed=1)
    diagonal = draw(4, 4, seed=2) + 3 * np.eye(4)
    return {
        "recurrence": case(recurrence, 0.4, 0.9),
        "lorenz": case(lorenz, 1.0, 1.1, 0.9),
        "in_place": case(in_place, x),
        "gauss_seidel": case(gauss_seidel, m),
        "jacobi": case(jacobi, m),
        "sums_of_products": case(sums_of_products, draw(3, 3), draw(3)),
        "rows_of_constant": case(rows_of_constant, draw(5, 3), draw(3)),
        "triangular": case(triangular, draw(6)),
        "nested_triangular": case(nested_triangular, draw(4, 4)),
        "downwards": case(downwards, 0.4, 0.7),
        "known_turns": case(known_turns, 0.4, 5),
        "unknown_turns": case(unknown_turns, 0.4, 5),
        "newton": case(newton, 2.0),
        "collatz": case(collatz, 0.4, draw(3)),
        "either": case(either, 0.4, 0.6),
        "or": case(either, 0.8, 0.6),
        "branch_in_loop": case(branch_in_loop, x),
        "rows_apart": case(rows_apart, draw(2), draw(3, 2, seed=1)),
        "second_state": case(second_state, 0.4, 0.7),
        "inner_tape": case(inner_tape, 0.4, 0.7),
        "gathered": case(gathered, draw(5), 0.4),
        "on_a_budget": case(on_a_budget, draw(3), draw(3, seed=1)),
        "kept_apart": case(kept_apart, 0.4, 0.7),
        "overwritten_later": case(overwritten_later, x),
        "overwritten_below": case(overwritten_below, x),
        "nonlinear_sweeps": case(nonlinear_sweeps, x),
        "shortest_paths": case(shortest_paths, draw(17, 17)),
        "cholesky": case(cholesky, diagonal),
        "in_place_columns": case(in_place_columns, diagonal),
    }


__all__ = ["BOOL", "cases", "each", "loop", "while_"]
