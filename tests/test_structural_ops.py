"""What the registry-wide laws cannot say of ops that move, combine or index elements."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import wengert.ir.ops  # noqa: F401  (fills the registry)
from wengert.errors import AxisRangeError, DTypeError, OutOfBoundsError, ShapeError, WengertError
from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.index_algebra import flat, unflat
from wengert.ir.op import REGISTRY
from wengert.ir.ops.structural import reshaped_index
from wengert.ir.program import Program
from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.transpose import vjp
from wengert.ir.types import TensorType, type_of


def traced(function: Callable[..., Value], *args: Any) -> Program:
    builder = Builder()
    inputs = [builder.input(type_of(a)) for a in args]
    return builder.finish([function(*inputs)])


def gradient(function: Callable[..., Value], *args: Any, cotangent: Any) -> list[np.ndarray]:
    """The cotangents of the float arguments."""
    program = traced(function, *args)
    pulled = vjp(program, [np.asarray(a).dtype.kind == "f" for a in args]).program
    return evaluate(pulled, [*args, np.asarray(cotangent)])[1:]


# index algebra


def value_of(expr: Expr, env: dict[Index, int]) -> int:
    if expr.op is ScalarOp.CONST:
        return expr.attr
    if expr.op is ScalarOp.INDEX:
        return env[expr.attr]
    x, y = (value_of(a, env) for a in expr.args)
    operations = {
        ScalarOp.ADD: x + y,
        ScalarOp.SUB: x - y,
        ScalarOp.MUL: x * y,
        ScalarOp.IDIV: x // y if y else 0,
        ScalarOp.IREM: x % y if y else 0,
    }
    return operations[expr.op]


def has_division(expr: Expr) -> bool:
    return expr.op in (ScalarOp.IDIV, ScalarOp.IREM) or any(map(has_division, expr.args))


CHAINS = [
    [(2, 3), (3, 2)],
    [(6,), (2, 3), (3, 2), (6,)],
    [(4, 6, 5), (24, 5), (8, 3, 5), (2, 60)],
    [(2, 3, 4, 5), (6, 20), (120,), (5, 24), (5, 4, 6)],
    [(1, 6, 1), (2, 1, 3), (3, 2, 1, 1)],
]


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_chains_of_reshapes_are_right_and_cost_no_division(
    chain: list[tuple[int, ...]],
) -> None:
    s = ScalarBuilder()
    loops = tuple(Index(n) for n in chain[-1])
    index: Sequence[Expr] = [s.index(i) for i in loops]
    for new, old in itertools.pairwise(reversed(chain)):
        index = reshaped_index(s, tuple(index), new, old)
    offset = flat(s, chain[0], index)
    assert affine(offset) is not None
    for expected, place in enumerate(np.ndindex(chain[-1])):
        env = dict(zip(loops, place, strict=True))
        assert value_of(offset, env) == expected
        assert [value_of(e, env) for e in index] == list(np.unravel_index(expected, chain[0]))


def test_split_and_unit_axes_have_affine_indices() -> None:
    s = ScalarBuilder()
    new, old = (2, 1, 3, 5, 7), (2, 15, 1, 7)
    index = tuple(s.index(Index(n)) for n in new)
    assert not any(map(has_division, reshaped_index(s, index, new, old)))


def test_merge_then_split_cancels() -> None:
    s = ScalarBuilder()
    index = tuple(s.index(Index(n)) for n in (4, 5, 6))
    assert unflat(s, flat(s, (4, 5, 6), index), (4, 5, 6)) == list(index)


def test_divisions_of_unknown_values_stay() -> None:
    """An index that was loaded may be anything, so nothing is known of its remainder."""
    s = ScalarBuilder()
    loaded = s.load(TensorType(np.dtype(np.int64), (1,)), s.int(0))
    assert [e.op for e in unflat(s, loaded, (3, 4))] == [ScalarOp.IDIV, ScalarOp.IREM]


# element rules


@dataclass
class Recorder:
    """An ElementContext whose reads are leaves, in the order they were made."""

    op: str
    in_types: tuple[TensorType, ...]
    params: dict[str, Any]
    s: ScalarBuilder = field(default_factory=ScalarBuilder)

    @property
    def out_type(self) -> TensorType:
        return REGISTRY[self.op].infer(*self.in_types, **self.params)[0]

    def read(self, operand: int, index: Sequence[Expr]) -> Expr:
        offset = flat(self.s, self.in_types[operand].shape, index)
        return self.s.load(self.in_types[operand], offset)

    def element(self) -> Expr:
        rule = REGISTRY[self.op].element
        assert rule is not None
        index = tuple(self.s.index(Index(n)) for n in self.out_type.shape)
        return rule(self, index)


def conditions(expr: Expr) -> list[Expr]:
    """The comparisons in the guards of an expression."""
    if expr.op is ScalarOp.AND:
        return [c for a in expr.args for c in conditions(a)]
    if expr.op is ScalarOp.GUARD:
        return [c for a in expr.args for c in conditions(a)]
    return [expr] if expr.dtype == np.bool_ else []


def f64(*shape: int) -> TensorType:
    return TensorType(np.dtype(np.float64), shape)


def test_bounds_of_pad_and_concat_are_affine_comparisons() -> None:
    """So that the lowering can split loops at them; only interior padding needs a remainder."""
    padded = Recorder(
        "pad", (f64(3, 4), f64()), {"low": (1, 0), "high": (2, 3), "interior": (0, 0)}
    ).element()
    joined = Recorder("concat", (f64(2, 3), f64(2, 0), f64(2, 4), f64(2, 1)), {"axis": 1}).element()
    assert len(conditions(padded)) == 3
    assert len(conditions(joined)) == 4
    for condition in conditions(padded) + conditions(joined):
        assert condition.op in (ScalarOp.GE, ScalarOp.LT)
        assert affine(condition.args[0]) is not None
        assert condition.args[1].is_const


def test_pad_by_nothing_reads_without_a_guard() -> None:
    none = {"low": (0,), "high": (0,), "interior": (0,)}
    assert Recorder("pad", (f64(3), f64()), none).element().op is ScalarOp.LOAD


# contraction


LAYOUTS = [
    (x, y, ((cx,), (cy,)))
    for (x, cx), (y, cy) in itertools.product(
        (((2, 3), 1), ((3, 2), 0)), (((3, 4), 0), ((4, 3), 1))
    )
]


@pytest.mark.parametrize(("x", "y", "contract"), LAYOUTS, ids=str)
def test_the_gradient_of_a_matrix_product_is_two_matrix_products(
    x: tuple[int, ...], y: tuple[int, ...], contract: Any
) -> None:
    builder = Builder()
    inputs = [builder.input(f64(*x)), builder.input(f64(*y))]
    out = inputs[0].dot_general(inputs[1], contract=contract, batch=((), ()))
    pulled = vjp(builder.finish([out]), [True, True]).program
    assert [e.op.name for e in pulled.eqns] == ["dot_general"] * 3


@pytest.mark.parametrize(
    ("spec", "x", "y", "params"),
    [
        ("bij,bjk->bik", (5, 2, 3), (5, 3, 4), {"contract": ((2,), (1,)), "batch": ((0,), (0,))}),
        ("ijb,kbj->bik", (2, 3, 5), (4, 5, 3), {"contract": ((1,), (2,)), "batch": ((2,), (1,))}),
        (
            "iabj,bak->ijk",
            (2, 3, 4, 2),
            (4, 3, 5),
            {"contract": ((1, 2), (1, 0)), "batch": ((), ())},
        ),
        ("abi,jba->abij", (2, 3, 4), (5, 3, 2), {"contract": ((), ()), "batch": ((0, 1), (2, 1))}),
        ("i,j->ij", (2,), (3,), {"contract": ((), ()), "batch": ((), ())}),
        (",->", (), (), {"contract": ((), ()), "batch": ((), ())}),
    ],
)
def test_dot_general_is_einsum(
    spec: str, x: tuple[int, ...], y: tuple[int, ...], params: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    left, right = (np.asarray(rng.standard_normal(shape)) for shape in (x, y))
    program = traced(lambda a, b: a.dot_general(b, **params), left, right)
    found = evaluate(program, [left, right])[0]
    np.testing.assert_allclose(found, np.einsum(spec, left, right), rtol=1e-12)


# conventions of derivatives


@pytest.mark.parametrize(
    ("op", "x", "expected"),
    [
        ("reduce_max", [1.0, 3.0, 3.0, 2.0], [0, 0.5, 0.5, 0]),
        ("reduce_min", [1.0, 3.0, 1.0, 1.0], [1 / 3, 0, 1 / 3, 1 / 3]),
        ("reduce_max", [1.0, np.nan, np.inf, np.nan], [0, 0.5, 0, 0.5]),
        ("reduce_max", [-np.inf, -np.inf], [0.5, 0.5]),
        ("reduce_prod", [2.0, 3.0, 4.0], [12, 8, 6]),
        ("reduce_prod", [2.0, 0.0, 4.0], [0, 8, 0]),
        ("reduce_prod", [0.0, 3.0, 0.0], [0, 0, 0]),
        ("reduce_prod", [], []),
    ],
)
def test_gradients_of_reductions(op: str, x: list[float], expected: list[float]) -> None:
    bar = gradient(lambda v: getattr(v, op)(axes=(0,)), np.array(x), cotangent=1.0)[0]
    np.testing.assert_allclose(bar, expected, rtol=1e-15)


def test_second_derivative_of_a_product_with_zeros() -> None:
    x = np.array([0.0, 3.0, 0.0])
    program = traced(lambda v: v.reduce_prod(axes=(0,)), x)
    first = vjp(program, [True]).program
    second = vjp(first, [True, False]).program
    row = evaluate(second, [x, np.array(1.0), np.array(0.0), np.array([1.0, 0.0, 0.0])])
    np.testing.assert_array_equal(row[-1], [0.0, 0.0, 3.0])


@pytest.mark.parametrize(
    ("op", "reverse", "x", "expected"),
    [
        ("cummax", False, [1.0, 3.0, 3.0, 2.0, 4.0], [1, 3, 0, 0, 1]),
        ("cummax", True, [1.0, 3.0, 3.0, 2.0, 4.0], [0, 0, 0, 0, 5]),
        ("cummin", False, [2.0, 2.0, 1.0, 5.0, np.nan], [2, 0, 2, 0, 1]),
        ("cummax", False, [1.0, np.nan, 3.0, np.nan, 4.0], [1, 4, 0, 0, 0]),
        ("cummax", False, [-np.inf, -np.inf, 0.0, 0.0, 0.0], [2, 0, 3, 0, 0]),
    ],
)
def test_the_first_winner_of_a_running_extremum_has_the_gradient(
    op: str, reverse: bool, x: list[float], expected: list[float]
) -> None:
    bar = gradient(
        lambda v: getattr(v, op)(axis=0, reverse=reverse), np.array(x), cotangent=np.ones(5)
    )[0]
    np.testing.assert_array_equal(bar, expected)


def test_the_last_of_repeated_writes_wins_and_has_the_gradient() -> None:
    x, updates = np.zeros(3), np.array([1.0, 2.0, 3.0, 4.0])
    index = np.array([1, 0, 1, 1])
    program = traced(lambda *v: v[0].scatter_set(*v[1:]), x, updates, index)
    np.testing.assert_array_equal(evaluate(program, [x, updates, index])[0], [2, 4, 0])
    x_bar, updates_bar = gradient(
        lambda *v: v[0].scatter_set(*v[1:]), x, updates, index, cotangent=np.array([5.0, 6.0, 7.0])
    )
    np.testing.assert_array_equal(x_bar, [0, 0, 7])
    np.testing.assert_array_equal(updates_bar, [0, 5, 0, 6])


def test_the_fill_of_pad_has_the_sum_of_what_it_filled() -> None:
    """Computed without the difference of sums, in which the infinity would give NaN."""
    none, one = (0,), (1,)
    ct = np.array([1.0, np.inf, 2.0])
    _, fill_bar = gradient(
        lambda x, fill: x.pad(fill, low=one, high=one, interior=none),
        np.array([1.0]),
        np.array(3.0),
        cotangent=ct,
    )
    assert fill_bar == 3.0


# batching


def test_batches_of_batches() -> None:
    """Two batch axes, over different operands of a gather and of a product."""
    rng = np.random.default_rng(0)
    x, index = rng.standard_normal((2, 4, 3)), rng.integers(0, 4, (5, 6))

    def function(v: Value, i: Value) -> Value:
        picked = v.gather(i)
        return picked.dot_general(v, contract=((1,), (1,)), batch=((), ()))

    inner = batch(traced(function, x[0], index[0]), [False, True], 5).program
    outer = batch(inner, [True, False], 2).program
    expected = np.einsum("abij,akj->abik", x[:, index], x)
    np.testing.assert_allclose(evaluate(outer, [x, index])[0], expected, rtol=1e-12)


# errors


def test_an_index_out_of_bounds_fails_with_the_words_of_numpy() -> None:
    index = np.array([0, -5, 7, 9])
    program = traced(lambda i: i.check_index(size=5, axis=1), index)
    with pytest.raises(OutOfBoundsError) as failure:
        evaluate(program, [index])
    with pytest.raises(IndexError) as numpys:
        np.zeros((2, 5))[:, index]
    assert str(failure.value) == str(numpys.value)


def i32(*shape: int) -> TensorType:
    return TensorType(np.dtype(np.int32), shape)


def i64(*shape: int) -> TensorType:
    return TensorType(np.dtype(np.int64), shape)


def flags(*shape: int) -> TensorType:
    return TensorType(np.dtype(np.bool_), shape)


DOT = {"contract": ((1,), (0,)), "batch": ((), ())}
ERRORS: list[tuple[str, tuple[TensorType, ...], dict[str, Any], type[WengertError], str]] = [
    ("reshape", (f64(2, 3),), {"shape": (4, 2)}, ShapeError, "6 elements.*8 elements"),
    ("reshape", (f64(2, 3),), {"shape": (-1, 6)}, ShapeError, "negative"),
    ("transpose", (f64(2, 3),), {"perm": (0, 2)}, AxisRangeError, "axis 2 is out of bounds"),
    ("transpose", (f64(2, 3),), {"perm": (0, 0)}, AxisRangeError, "named twice"),
    ("transpose", (f64(2, 3),), {"perm": (1,)}, ShapeError, "each of the 2 axes"),
    ("broadcast", (f64(3),), {"shape": (2, 4), "dims": (1,)}, ShapeError, r"float64\[3\]"),
    ("broadcast", (f64(3, 2),), {"shape": (2, 3), "dims": (1, 0)}, ShapeError, "order"),
    ("slice", (f64(3),), {"start": (0,), "stop": (4,), "step": (1,)}, ShapeError, "within"),
    ("slice", (f64(3),), {"start": (), "stop": (), "step": ()}, ShapeError, "1 bounds"),
    ("slice", (f64(3),), {"start": (0,), "stop": (3,), "step": (0,)}, ShapeError, "at least 1"),
    (
        "pad",
        (f64(3), f64()),
        {"low": (-1,), "high": (0,), "interior": (0,)},
        ShapeError,
        "must not be negative",
    ),
    ("pad", (f64(3), i32()), {"low": (1,), "high": (0,), "interior": (0,)}, DTypeError, "int32"),
    ("pad", (f64(3), f64(1)), {"low": (1,), "high": (0,), "interior": (0,)}, ShapeError, "scalar"),
    ("concat", (f64(2, 3), f64(3, 3)), {"axis": 1}, ShapeError, "other axes must agree"),
    ("concat", (f64(2), i32(2)), {"axis": 0}, DTypeError, "one dtype"),
    ("concat", (f64(), f64()), {"axis": 0}, AxisRangeError, "0 dimensions"),
    ("rev", (f64(2),), {"axes": (1,)}, AxisRangeError, "out of bounds"),
    ("iota", (), {"shape": (2,), "dtype": np.dtype(bool), "axis": 0}, DTypeError, "bool"),
    ("reduce_sum", (flags(3),), {"axes": (0,)}, DTypeError, "cast it"),
    ("reduce_max", (f64(2, 0),), {"axes": (1,)}, ShapeError, "no elements"),
    ("argmin", (f64(0),), {"axis": 0}, ShapeError, "no elements"),
    ("reduce_and", (f64(2),), {"axes": (0,)}, DTypeError, "takes bools"),
    ("cumsum", (f64(2),), {"axis": 1, "reverse": False}, AxisRangeError, "out of bounds"),
    (
        "linear_recurrence",
        (f64(2), f64(3)),
        {"axis": 0, "reverse": False},
        ShapeError,
        "one shape",
    ),
    ("dot_general", (f64(2, 3), f64(4, 5)), DOT, ShapeError, "same lengths"),
    ("dot_general", (f64(2, 3), i32(3, 4)), DOT, DTypeError, "one dtype"),
    ("dot_general", (flags(2, 3), flags(3, 4)), DOT, DTypeError, "takes numbers"),
    ("dot_general", (f64(3), f64(3)), DOT, AxisRangeError, "axis 1"),
    (
        "dot_general",
        (f64(2, 3), f64(3)),
        {"contract": ((0, 1), (0,)), "batch": ((), ())},
        ShapeError,
        "same lengths",
    ),
    ("gather", (f64(3), i32(2)), {}, DTypeError, "int64 indices"),
    ("gather", (f64(3), i64(2), i64(2)), {}, ShapeError, "2 index arrays"),
    ("gather", (f64(3),), {}, ShapeError, "0 index arrays"),
    ("gather", (f64(3, 3), i64(2), i64(3)), {}, ShapeError, "one shape"),
    ("scatter_add", (f64(3), f64(3), i64(2)), {}, ShapeError, r"shape \(2,\)"),
    ("scatter_add", (flags(3), flags(2), i64(2)), {}, DTypeError, "takes numbers"),
    ("scatter_set", (f64(3), i32(2), i64(2)), {}, DTypeError, "one dtype"),
    ("check_index", (i32(2),), {"size": 3, "axis": 0}, DTypeError, "int64"),
]


@pytest.mark.parametrize(
    ("op", "types", "params", "error", "words"), ERRORS, ids=[f"{e[0]}-{e[4]}" for e in ERRORS]
)
def test_errors_are_sentences_with_the_shapes(
    op: str,
    types: tuple[TensorType, ...],
    params: dict[str, Any],
    error: type[WengertError],
    words: str,
) -> None:
    with pytest.raises(error, match=words) as failure:
        REGISTRY[op].infer(*types, **params)
    assert op in str(failure.value) or op[:6] in str(failure.value)
