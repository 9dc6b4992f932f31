"""Each rewrite rule: it fires where it should, and both sides evaluate to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert.ir.ops  # noqa: F401
from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.floats import bfloat16
from wengert.ir.op import REGISTRY
from wengert.ir.passes.simplify import rules, simplify
from wengert.ir.program import Atom, Program
from wengert.ir.rewrite import Node, Rewriter, Rule, rewrite
from wengert.ir.transforms.cse import COMMUTATIVE
from wengert.ir.types import BOOL, FLOAT32, FLOAT64, INT64, type_of
from wengert.ir.verify import verify

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 1e308, -2.5, 3.0, 0.1])
PAIRS = np.array(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
RNG = np.random.default_rng(0)
INPUTS: dict[str, Any] = {
    "x": PAIRS[0],
    "y": PAIRS[1],
    "i": RNG.integers(-9, 9, 24),
    "j": RNG.integers(1, 9, 24),
    "c": RNG.random(144) < 0.5,
    "s": np.float64(0.75),
    "m": RNG.standard_normal((3, 4)),
    "n": RNG.standard_normal((4, 2)),
    "t": RNG.standard_normal((2, 3, 4)),
    "u": RNG.standard_normal((1, 3, 1)),
    "v": RNG.standard_normal(3),
    "w": RNG.standard_normal(4),
    "k": np.array([1, 3, 1]),
    "q": np.int64(1),
    "b": RNG.random((2, 3)) < 0.5,
    "f": np.where(np.abs(SPECIAL) > 1e38, np.inf, SPECIAL).astype(np.float32),
    "h": np.zeros(12, np.float16),
    "g": np.zeros(12, bfloat16()),
    "e": np.zeros((0, 3)),
}


class Inputs:
    """The inputs above, made part of a program where they are used."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.args: list[Any] = []

    def __getattr__(self, name: str) -> Value:
        value = self.builder.input(type_of(INPUTS[name]))
        self.args.append(np.asarray(INPUTS[name]))
        setattr(self, name, value)
        return value

    def number(self, value: Any, dtype: Any = FLOAT64) -> Value:
        return self.builder.literal(value, np.dtype(dtype))

    def full(self, like: Value, value: Any) -> Value:
        return like.full_like(value)


def dot(x: Value, y: Value, contract: Any = ((1,), (0,)), batch: Any = ((), ())) -> Value:
    return x.dot_general(y, contract=contract, batch=batch)


Make = Callable[[Inputs], Value]
ROWS = {"shape": (3, 4), "dims": (0,)}


def _eye(a: Inputs, n: int) -> Value:
    iotas = [
        a.builder.emit(REGISTRY["iota"], (), {"shape": (n, n), "dtype": INT64, "axis": k})[0]
        for k in (0, 1)
    ]
    return iotas[0].eq(iotas[1]).cast(dtype=FLOAT64)


def in_order(a: Inputs, x: Value) -> Value:
    params = {"shape": x.shape, "dtype": INT64, "axis": 0}
    rows = a.builder.emit(REGISTRY["iota"], (), params)[0]
    return x.gather(rows, x.sort(routine="order"))


def _twice(x: Value) -> Value:
    return x + x


def window_add(a: Inputs, x: Value, v: Value) -> Value:
    return x.window_add(v, a.q, steps=(1,))


def window_set(a: Inputs, x: Value, v: Value) -> Value:
    return x.window_set(v, a.q, steps=(1,))


def written(a: Inputs) -> Value:
    return window_set(a, a.w, a.v).window(a.q, sizes=(3,), steps=(1,))


def _gauss(x: Value, far: float) -> Value:
    held = x.abs().gt(far).select(far, x)
    return (-held * held).exp()


def _over_ratio(x: Value, y: Value) -> Value:
    return y.unscale(x / y).unscale(y)


CASES: list[tuple[str, Make]] = [
    ("empty", lambda a: a.e.exp()),
    ("empty", lambda a: a.v.broadcast(shape=(0, 3), dims=(1,))),
    ("empty", lambda a: dot(a.e, a.m)),
    ("reduce_empty", lambda a: a.e.reduce_sum(axes=(0,))),
    ("reduce_empty", lambda a: a.e.reduce_prod(axes=(0, 1))),
    ("reduce_empty", lambda a: a.e.gt(0.0).reduce_and(axes=(0,))),
    ("dot_empty", lambda a: dot(a.e, a.e, ((0,), (0,)))),
    (
        "scatter_nothing",
        lambda a: a.w.scatter_add(
            a.builder.constant(np.zeros(0)), a.builder.constant(np.zeros(0, np.int64))
        ),
    ),
    ("fold", lambda a: a.x + a.number(2.0).exp()),
    ("splats_to_literals", lambda a: a.x - a.full(a.x, 2.0)),
    ("literal_second", lambda a: a.number(3.0) * a.x),
    ("move_last", lambda a: a.v.broadcast(**ROWS).exp()),
    ("move_last", lambda a: a.v.broadcast(**ROWS) * a.v.sin().broadcast(**ROWS) + 2.0),
    ("move_last", lambda a: a.v.reshape(shape=(3, 1)).exp() + a.s.broadcast(shape=(3, 1), dims=())),
    ("move_last", lambda a: 1.0 / a.m.transpose(perm=(1, 0))),
    (
        "move_last",
        lambda a: (
            a.v.pad(a.number(0.0), low=(2,), high=(0,), interior=(1,)).exp()
            + a.v.pad(a.number(3.0), low=(2,), high=(0,), interior=(1,))
        ),
    ),
    ("fold_select", lambda a: a.c.select(a.number(1.0), a.number(0.0)) * 0.5),
    ("add_zero", lambda a: a.x + -0.0),
    ("add_zero", lambda a: a.i + 0),
    ("add_negated", lambda a: a.x + (-a.y)),
    ("add_negated", lambda a: (-a.x) + a.y),
    ("sub_zero", lambda a: a.x - 0.0),
    ("zero_sub", lambda a: a.number(-0.0) - a.x),
    ("zero_sub", lambda a: a.number(0, INT64) - a.i),
    ("sub_negated", lambda a: a.x - (-a.y)),
    ("sub_self", lambda a: a.i - a.i),
    ("mul_one", lambda a: a.x * 1.0),
    ("mul_minus_one", lambda a: a.x * -1.0),
    ("mul_zero", lambda a: a.i * 0),
    ("negated_factor", lambda a: (-a.x) * (-a.y)),
    ("negated_factor", lambda a: (-a.x) * 3.0),
    ("negated_factor", lambda a: (-a.x) / (-a.y)),
    ("negated_factor", lambda a: (-a.x) / 3.0),
    ("div_power_of_two", lambda a: a.x / 8.0),
    ("div_power_of_two", lambda a: a.x / -0.25),
    ("div_power_of_two", lambda a: a.f / 2.0),
    ("floordiv_one", lambda a: a.i.floordiv(1)),
    ("negated_factor", lambda a: (-a.x) * a.y),
    ("negated_factor", lambda a: a.x / (-a.y)),
    ("negated_factor", lambda a: a.m.scale(-a.m)),
    ("add_self", lambda a: a.x + a.x),
    ("add_self", lambda a: _twice(a.x * 3.0)),
    ("add_self", lambda a: _twice((a.m * 3.0).scale(a.m))),
    ("merge_factors", lambda a: (a.x * 3.0) * -4.0),
    ("merge_factors", lambda a: (a.m * 3.0).scale(a.m) * 2.0),
    ("dot_identity", lambda a: dot(a.m, _eye(a, 4))),
    ("dot_identity", lambda a: dot(_eye(a, 3), a.t, ((0,), (1,)))),
    ("neg_neg", lambda a: a.x.neg().neg()),
    ("neg_mul", lambda a: -(a.x * 3.0)),
    ("abs_inner", lambda a: (-a.x).abs()),
    ("abs_inner", lambda a: a.x.abs().abs()),
    ("pow_small", lambda a: a.m.abs().pow(0.5)),
    ("pow_small", lambda a: a.x.pow(-1.0)),
    ("pow_small", lambda a: a.x.pow(0.0)),
    ("pow_small", lambda a: a.x.pow(2.0)),
    ("powi_literal", lambda a: a.i.powi(3)),
    ("integer_pow_small", lambda a: a.x.integer_pow(exponent=0)),
    ("integer_pow_small", lambda a: a.x.integer_pow(exponent=1)),
    ("integer_pow_small", lambda a: a.x.integer_pow(exponent=2)),
    ("integer_pow_small", lambda a: a.x.integer_pow(exponent=-1)),
    ("scale_known", lambda a: a.number(0.0).scale(a.x)),
    ("scale_known", lambda a: a.number(2.0).scale(a.x)),
    ("unscale_known", lambda a: a.number(2.0).unscale(a.x)),
    ("unscale_known", lambda a: a.number(0.0).unscale(a.x)),
    ("unscale_quotient", lambda a: _over_ratio(a.m, a.m.exp())),
    ("exp_held", lambda a: _gauss(a.x, 40.0)),
    ("scale_mask", lambda a: a.m.scale(a.m.gt(0.0).select(a.number(1.0), a.number(0.0)))),
    ("scale_mask", lambda a: a.m.scale(a.m.gt(0.0).select(a.number(0.0), a.number(1.0)))),
    ("scale_mask", lambda a: a.m.scale(a.m.gt(0.0).cast(dtype=FLOAT64))),
    (
        "scale_mask",
        lambda a: a.m.scale(
            a.m.gt(0.0).select(a.number(1.0), a.m.lt(-1.0).select(a.number(0.5), a.number(0.0)))
        ),
    ),
    ("select_bool", lambda a: a.c.select(a.number(True, BOOL), a.number(False, BOOL))),
    ("select_bool", lambda a: a.c.select(a.number(False, BOOL), a.number(True, BOOL))),
    ("select_known", lambda a: a.number(True, BOOL).select(a.x, a.y)),
    ("select_known", lambda a: a.number(False, BOOL).select(a.x, a.number(2.0))),
    ("select_same", lambda a: a.c.select(a.x, a.x)),
    ("select_not", lambda a: a.c.bitnot().select(a.x, a.y)),
    ("idempotent", lambda a: a.x.max(a.x)),
    ("bitnot_bitnot", lambda a: a.c.bitnot().bitnot()),
    ("bool_known", lambda a: a.c.bitand(a.number(True, BOOL))),
    ("bool_known", lambda a: a.c.bitand(a.number(False, BOOL))),
    ("bool_known", lambda a: a.c.bitor(a.number(True, BOOL))),
    ("bool_known", lambda a: a.c.bitor(a.number(False, BOOL))),
    ("cast_same", lambda a: a.x.cast(dtype=FLOAT64)),
    ("cast_cast", lambda a: a.f.cast(dtype=FLOAT64).cast(dtype=FLOAT32)),
    ("cast_cast", lambda a: a.c.cast(dtype=INT64).cast(dtype=FLOAT32)),
    ("same_type", lambda a: a.m.reshape(shape=(3, 4))),
    ("same_type", lambda a: a.m.slice(start=(0, 0), stop=(3, 4), step=(1, 1))),
    ("same_type", lambda a: a.m.broadcast(shape=(3, 4), dims=(0, 1))),
    ("transpose_identity", lambda a: a.t.transpose(perm=(0, 1, 2))),
    ("transpose_transpose", lambda a: a.t.transpose(perm=(2, 0, 1)).transpose(perm=(0, 2, 1))),
    ("transpose_broadcast", lambda a: a.v.broadcast(**ROWS).transpose(perm=(1, 0))),
    (
        "transpose_broadcast",
        lambda a: a.m.broadcast(shape=(3, 2, 4), dims=(0, 2)).transpose(perm=(2, 0, 1)),
    ),
    ("transpose_dot", lambda a: dot(a.m, a.n).transpose(perm=(1, 0))),
    (
        "transpose_dot",
        lambda a: dot(a.t, a.t, ((2,), (2,)), ((0,), (0,))).transpose(perm=(2, 0, 1)),
    ),
    ("add_update", lambda a: a.w + a.full(a.w, 0.0).scatter_add(a.v, a.k)),
    ("add_update", lambda a: a.w + window_add(a, a.full(a.w, 0.0), a.v)),
    ("add_to_cleared", lambda a: window_add(a, window_set(a, a.w, a.full(a.v, 0.0)), a.v)),
    ("set_again", lambda a: window_set(a, window_set(a, a.w, a.v), a.v * 2.0)),
    ("set_read", lambda a: window_set(a, a.w, a.w.window(a.q, sizes=(3,), steps=(1,)))),
    ("read_written", lambda a: a.w.window(a.q, sizes=(3,), steps=(1,)) + written(a)),
    ("read_all", lambda a: a.w.window(a.number(0, INT64), sizes=(4,), steps=(1,))),
    ("read_splat", lambda a: a.full(a.w, 2.0).window(a.q, sizes=(3,), steps=(1,))),
    ("set_splat", lambda a: window_set(a, a.full(a.w, 2.0), a.full(a.v, 2.0))),
    ("write_all", lambda a: a.w.window_set(a.w * 2.0, a.number(0, INT64), steps=(1,))),
    ("write_all", lambda a: a.w.window_add(a.w * 2.0, a.number(0, INT64), steps=(1,))),
    ("write_nothing", lambda a: window_add(a, a.w, a.full(a.v, 0.0))),
    ("transpose_dot", lambda a: dot(a.t, a.n, ((2,), (0,))).transpose(perm=(2, 0, 1))),
    ("reshape_reshape", lambda a: a.m.reshape(shape=(2, 6)).reshape(shape=(12,))),
    ("reshape_broadcast", lambda a: a.s.broadcast(shape=(3, 4), dims=()).reshape(shape=(12,))),
    (
        "reshape_broadcast",
        lambda a: a.u.broadcast(shape=(1, 3, 1, 2), dims=(0, 1, 2)).reshape(shape=(3, 2, 1)),
    ),
    (
        "broadcast_broadcast",
        lambda a: a.v.broadcast(**ROWS).broadcast(shape=(3, 2, 4), dims=(0, 2)),
    ),
    (
        "broadcast_reshape",
        lambda a: a.v.reshape(shape=(3, 1)).broadcast(shape=(3, 1, 2), dims=(0, 1)),
    ),
    (
        "slice_slice",
        lambda a: a.x.slice(start=(3,), stop=(90,), step=(4,)).slice(
            start=(1,), stop=(20,), step=(3,)
        ),
    ),
    (
        "empty",
        lambda a: a.x.slice(start=(3,), stop=(90,), step=(4,)).slice(
            start=(22,), stop=(22,), step=(3,)
        ),
    ),
    (
        "slice_broadcast",
        lambda a: a.v.broadcast(**ROWS).slice(start=(1, 1), stop=(3, 2), step=(1, 1)),
    ),
    (
        "slice_concat",
        lambda a: a.v.concat(a.w, a.v, axis=0).slice(start=(4,), stop=(7,), step=(2,)),
    ),
    ("pad_nothing", lambda a: a.v.pad(a.number(0.0), low=(0,), high=(0,), interior=(0,))),
    ("pad_splat", lambda a: a.e.pad(a.s, low=(2, 0), high=(0, 0), interior=(0, 0))),
    (
        "pad_splat",
        lambda a: a.full(a.v, 1.5).pad(a.number(1.5), low=(2,), high=(0,), interior=(1,)),
    ),
    ("concat_trivial", lambda a: a.v.concat(axis=0)),
    (
        "concat_slices",
        lambda a: a.m.slice(start=(0, 1), stop=(2, 2), step=(1, 1)).concat(
            a.m.slice(start=(0, 2), stop=(2, 4), step=(1, 1)), axis=1
        ),
    ),
    (
        "concat_trivial",
        lambda a: a.e.concat(
            a.e.exp(), a.e.pad(a.s, low=(2, 0), high=(0, 0), interior=(0, 0)), axis=0
        ),
    ),
    ("_in_order", lambda a: in_order(a, a.m)),
    ("rev_rev", lambda a: a.m.rev(axes=(0, 1)).rev(axes=(1,))),
    ("rev_rev", lambda a: a.u.rev(axes=(0, 1, 2))),
    ("rev_broadcast", lambda a: a.v.broadcast(**ROWS).rev(axes=(0, 1))),
    ("reduce_nothing", lambda a: a.m.reduce_sum(axes=())),
    ("reduce_nothing", lambda a: a.u.reduce_max(axes=(0, 2))),
    ("reduce_reduce", lambda a: a.t.reduce_max(axes=(1,)).reduce_max(axes=(1,))),
    ("reduce_reduce", lambda a: a.t.reduce_sum(axes=(1,)).reduce_sum(axes=(1,))),
    ("reduce_transpose", lambda a: a.t.transpose(perm=(2, 0, 1)).reduce_min(axes=(0,))),
    ("reduce_reshape", lambda a: a.m.reshape(shape=(3, 1, 4)).reduce_sum(axes=(1, 2))),
    ("reduce_reshape", lambda a: a.m.reshape(shape=(12,)).reduce_max(axes=(0,))),
    ("reduce_negated", lambda a: (-a.m).reduce_sum(axes=(1,))),
    ("dot_negated", lambda a: dot(a.m, -a.n)),
    ("reduce_broadcast", lambda a: a.v.broadcast(**ROWS).reduce_max(axes=(0, 1))),
    ("reduce_broadcast", lambda a: a.v.broadcast(**ROWS).reduce_sum(axes=(1,))),
    ("reduce_broadcast", lambda a: a.i.broadcast(shape=(24, 5), dims=(0,)).reduce_sum(axes=(0, 1))),
    ("dot_transposed", lambda a: dot(a.n.transpose(perm=(1, 0)), a.m, ((1,), (1,)))),
    ("dot_transposed", lambda a: dot(a.m, a.n.transpose(perm=(1, 0)), ((1,), (1,)))),
    (
        "dot_transposed",
        lambda a: dot(a.t, a.t.transpose(perm=(2, 1, 0)), ((2,), (0,)), ((0,), (2,))),
    ),
    ("in_single", lambda a: a.h.reduce_sum(axes=(0,))),
    ("sorted_in_single", lambda a: a.g.sort(routine="values")),
    (
        "selected_in_single",
        lambda a: a.g.selection(a.number(1, INT64).broadcast(shape=(1,), dims=())),
    ),
    ("running", lambda a: a.g.cumsum(axis=0, reverse=False)),
    ("dot_outer", lambda a: dot(a.v, a.w, ((), ()))),
    ("dot_outer", lambda a: dot(a.u, a.m.reshape(shape=(1, 3, 4)), ((2,), (0,)), ((1,), (1,)))),
]
INEXACT = {
    "unscale_quotient",
    "reduce_reduce",
    "reduce_broadcast",
    "transpose_dot",
    "dot_transposed",
    "pow_small",
}
UNSIGNED_ZEROS = {"scale_mask", "scale_known"}


def fired_by(program: Program) -> tuple[Program, set[str]]:
    """The simplified program, and the names of the rules that changed something."""
    fired: set[str] = set()

    def traced(rule: Rule) -> Rule:
        def apply(r: Rewriter, n: Node) -> Atom | None:
            found = rule(r, n)
            if found is not None:
                fired.add(rule.__name__)
            return found

        return apply

    table = {name: tuple(map(traced, each)) for name, each in rules().items()}
    return rewrite(program, table), fired


@pytest.mark.parametrize(
    ("name", "make"), CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)]
)
def test_rule(name: str, make: Make) -> None:
    inputs = Inputs()
    program = inputs.builder.finish([make(inputs)])
    verify(program)
    simpler, fired = fired_by(program)
    assert name in fired
    verify(simpler)
    (x,), (y,) = evaluate(program, inputs.args), evaluate(simpler, inputs.args)
    assert x.dtype == y.dtype and x.shape == y.shape
    if name in INEXACT and x.dtype.kind == "f":
        np.testing.assert_allclose(y, x, rtol=1e-14)
    else:
        np.testing.assert_array_equal(y, x)
        if x.dtype.kind == "f" and name not in UNSIGNED_ZEROS:
            numbers = ~np.isnan(x)
            np.testing.assert_array_equal(np.signbit(y)[numbers], np.signbit(x)[numbers])


def test_every_rule_has_a_case() -> None:
    names = {rule.__name__ for each in rules().values() for rule in each}
    assert names == {name for name, _ in CASES}


@pytest.mark.parametrize("name", sorted(COMMUTATIVE))
def test_commutative_ops_commute(name: str) -> None:
    a = Inputs()
    x, y = (a.i, a.j) if name in ("gcd", "lcm", "bitand", "bitor", "bitxor") else (a.x, a.y)
    there, back = evaluate(a.builder.finish([getattr(x, name)(y), getattr(y, name)(x)]), a.args)
    np.testing.assert_array_equal(there, back)


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a.x + 0.0,
        lambda a: a.x * 0.0,
        lambda a: a.x - a.x,
        lambda a: a.number(0.0) - a.x,
        lambda a: a.x / 3.0,
        lambda a: (a.x * 3.0) * 5.0,
        lambda a: (a.x * 3.0) * 0.5,
        lambda a: (a.x * 1e308) * 4.0,
        lambda a: a.x / 1e-308,
        lambda a: a.i.cast(dtype=FLOAT64).cast(dtype=INT64),
        lambda a: a.x.cast(dtype=FLOAT32).cast(dtype=FLOAT64),
        lambda a: a.f.integer_pow(exponent=5),
        lambda a: dot(a.m, a.n),
        lambda a: a.f.broadcast(shape=(12, 2**24 + 1), dims=(0,)).reduce_sum(axes=(1,)),
        lambda a: (a.m.transpose(perm=(1, 0)) + a.m.reshape(shape=(4, 3))).transpose(perm=(1, 0)),
    ],
)
def test_what_must_stay(make: Make) -> None:
    """These look simpler than they are: NaN, infinities, signed zeros or rounding forbid it."""
    inputs = Inputs()
    program = inputs.builder.finish([make(inputs)])
    assert simplify(program) is program


def test_a_dot_with_two_users_is_not_repeated() -> None:
    a = Inputs()
    product = dot(a.m, a.n)
    program = a.builder.finish([product, product.transpose(perm=(1, 0))])
    assert simplify(program) is program
