"""Comparisons, tests of floats, and choices between operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import DTypeError
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.op import Linear, Sample, linear_in
from wengert.ir.ops.complex_order import compares, extreme
from wengert.ir.ops.families import (
    Chosen,
    check_arity,
    common_dtype,
    common_shape,
    elementwise,
    fit,
)
from wengert.ir.ops.parts import Parts, choose
from wengert.ir.ops.samples import both, draw, kinks, operands, specials
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import BOOL, FLOAT32, FLOAT64, FLOATS, ORDERED, SUPPORTED, TensorType

S = ScalarBuilder
Formula = Callable[[S, Expr, Expr], Expr]


def _equal(x: Parts, y: Parts) -> Value:
    return x.re.eq(y.re).bitand(x.im.eq(y.im))


def _not_equal(x: Parts, y: Parts) -> Value:
    return x.re.ne(y.re).bitor(x.im.ne(y.im))


def _comparison(
    name: str,
    function: Any,
    scalar: Formula,
    on_bools: Formula,
    doc: str,
    parts: Callable[[Parts, Parts], Value] | None = None,
) -> None:
    def formula(s: S, x: Expr, y: Expr) -> Expr:
        return on_bools(s, x, y) if x.dtype == BOOL else scalar(s, x, y)

    elementwise(
        name,
        2,
        ORDERED,
        function,
        formula,
        out=BOOL,
        doc=doc,
        parts=parts,
        samples=operands((-3, 3), (-3, 3), dtypes=ORDERED),
    )


_comparison("eq", np.equal, S.eq, lambda s, x, y: s.not_(s.xor(x, y)), "x == y", _equal)
_comparison("ne", np.not_equal, S.ne, lambda s, x, y: s.xor(x, y), "x != y", _not_equal)
_comparison("lt", np.less, S.lt, lambda s, x, y: s.and_(s.not_(x), y), "x < y", compares("lt"))
_comparison(
    "le", np.less_equal, S.le, lambda s, x, y: s.or_(s.not_(x), y), "x <= y", compares("le")
)
_comparison("gt", np.greater, S.gt, lambda s, x, y: s.and_(x, s.not_(y)), "x > y", compares("gt"))
_comparison(
    "ge", np.greater_equal, S.ge, lambda s, x, y: s.or_(x, s.not_(y)), "x >= y", compares("ge")
)


def _signbit(s: S, x: Expr) -> Expr:
    return s.lt(s.bitcast(x, f"int{8 * x.dtype.itemsize}"), 0)


def _test(name: str, function: Any, scalar: Callable[[S, Expr], Expr], doc: str) -> None:
    samples = operands((-3, 3))
    elementwise(name, 1, FLOATS, function, scalar, out=BOOL, samples=samples, doc=doc)


_test("isnan", np.isnan, lambda s, x: s.ne(x, x), "whether x is NaN")
_test("isinf", np.isinf, lambda s, x: s.eq(s.abs(x), np.inf), "whether x is infinite")
_test("isfinite", np.isfinite, lambda s, x: s.lt(s.abs(x), np.inf), "neither NaN nor infinite")
_test("signbit", np.signbit, _signbit, "whether the sign bit is set, as in -0.0")


# Extrema. At a tie both operands have slope 1/2.


def _share(mask: Value, x: Value, y: Value) -> Chosen:
    """1 where the operand wins and 1/2 where it ties, which is where the mask is set."""
    one, half = (x.builder.literal(p, x.dtype) for p in (1, 0.5))
    return Chosen(mask, x.eq(y).select(half, one))


def _max_partial(x: Value, y: Value, out: Value) -> Chosen:
    return _share(x.ge(y), x, y)


def _min_partial(x: Value, y: Value, out: Value) -> Chosen:
    return _share(x.le(y), x, y)


def _missing(x: Value) -> Value:
    return x.ne(x) if x.type.is_complex else x.isnan()


def _fmax_partial(x: Value, y: Value, out: Value) -> Chosen:
    return _share(x.ge(y).bitor(_missing(y)), x, y)


def _fmin_partial(x: Value, y: Value, out: Value) -> Chosen:
    return _share(x.le(y).bitor(_missing(y)), x, y)


def _ignoring_nan(scalar: Formula) -> Formula:
    def formula(s: S, x: Expr, y: Expr) -> Expr:
        if kind_of(x.dtype) != "f":
            return scalar(s, x, y)
        return s.select(s.isnan(x), y, s.select(s.isnan(y), x, scalar(s, x, y)))

    return formula


def _max(s: S, x: Expr, y: Expr) -> Expr:
    return s.or_(x, y) if x.dtype == BOOL else s.max(x, y)


def _min(s: S, x: Expr, y: Expr) -> Expr:
    return s.and_(x, y) if x.dtype == BOOL else s.min(x, y)


def _extremum(
    name: str, function: Any, scalar: Formula, partial: Callable[..., Chosen], doc: str
) -> None:
    elementwise(
        name,
        2,
        ORDERED,
        function,
        scalar,
        doc=doc,
        partials=[partial, lambda x, y, out: partial(y, x, out)],
        parts=extreme(name.removeprefix("f"), name.startswith("f")),
        samples=both(
            operands((-3, 3), (-3, 3), dtypes=ORDERED),
            kinks(np.array([1.0, 2.0]), np.array([1.0, 2.0])),
        ),
    )


_extremum("max", np.maximum, _max, _max_partial, "the larger; NaN if either is NaN")
_extremum("min", np.minimum, _min, _min_partial, "the smaller; NaN if either is NaN")
_extremum("fmax", np.fmax, _ignoring_nan(_max), _fmax_partial, "the larger; the other of a NaN")
_extremum("fmin", np.fmin, _ignoring_nan(_min), _fmin_partial, "the smaller; the other of a NaN")


# Choice.


def _infer_select(*types: TensorType, **params: Any) -> tuple[TensorType, ...]:
    check_arity("select", types, 3)
    condition, *branches = types
    if condition.dtype != BOOL:
        raise DTypeError(f"select needs a bool condition, got {condition.dtype}")
    dtype = common_dtype("select", branches, SUPPORTED)
    return (TensorType(dtype, common_shape("select", types)),)


def _select_jvp(
    primals: Sequence[Value],
    tangents: Sequence[Value | None],
    outs: Sequence[Value],
    **params: Any,
) -> Sequence[Value | None]:
    shape, (_, x, y) = outs[0].shape, tangents
    if x is None and y is None:
        return [None]
    zero = outs[0].builder.literal(0, outs[0].dtype)
    out = primals[0].select(zero if x is None else x, zero if y is None else y)
    return [out if out.shape == shape else out.broadcast(shape=shape, dims=())]


def _select_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Any], **params: Any
) -> Sequence[Value | None]:
    ct, (condition, x, y) = cotangents[0], inputs
    zero = ct.builder.literal(0, ct.dtype)
    bars = [condition.select(ct, zero), condition.select(zero, ct)]
    pairs = zip(bars, (x, y), strict=True)
    return [None, *(fit(b, v) if isinstance(v, Linear) else None for b, v in pairs)]


def _select_samples() -> list[Sample]:
    condition = draw(BOOL, (3, 4), 0, 1, 7)
    samples = [
        Sample((condition, draw(d, (3, 4), -3, 3, 1), draw(d, (3, 4), -3, 3, 2))) for d in ORDERED
    ]
    x, y = (draw(FLOAT64, (2, 3), -3, 3, seed) for seed in (3, 4))
    samples += [
        Sample((np.array(True), x, y)),
        Sample((condition[:2, :3], np.array(1.5), y)),
        Sample((condition[:2, :3], x, np.array(-2.5))),
        Sample((condition[0, 0], x[0, 0], y[0, 0])),
        Sample((condition[:0], np.ones((0, 4)), np.ones((0, 4)))),
        Sample((condition, np.array(1.5), np.array(-0.5))),
    ]
    odd = specials(FLOAT32)
    return [*samples, Sample((odd > 0, odd, -odd), differentiable=False)]


elementwise(
    "select",
    3,
    ORDERED,
    np.where,
    lambda s, c, x, y: s.select(c, x, y),
    infer=_infer_select,
    jvp=_select_jvp,
    linear=linear_in(1, 2),
    transpose=_select_transpose,
    samples=_select_samples,
    parts=choose,
    storage=True,
    doc="x where the condition holds, else y",
)
