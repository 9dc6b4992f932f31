"""Running combinations along an axis: cumsum, cumprod, cummax, cummin, linear_recurrence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value, add_tangents
from wengert.ir.floats import in_single
from wengert.ir.forms import Scan
from wengert.ir.op import Linear, Op, Sample, linear_in, register
from wengert.ir.ops.complex_order import extreme, identity
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.spreading import running
from wengert.ir.ops.structural_family import (
    DTYPES,
    NUMBERS,
    Batched,
    Params,
    batch_unary,
    check_axes,
    check_numeric,
    check_same_dtype,
    draw,
    in_front,
    iota,
    linear_unary,
    unary_samples,
)
from wengert.ir.types import TensorType

Array = np.ndarray[Any, Any]


def _batched_axis(size: int, *, axis: int, reverse: bool) -> Params:
    return {"axis": axis + 1, "reverse": reverse}


def _running(accumulate: Callable[..., Any], x: Any, *, axis: int, reverse: bool) -> Array:
    ordered = np.flip(x, axis) if reverse else np.asarray(x)
    out = accumulate(ordered, axis=axis, dtype=ordered.dtype)
    return np.flip(out, axis) if reverse else out


def _previous(x: Value, axis: int, reverse: bool, fill: Any, distance: int = 1) -> Value:
    """Each element replaced by the one `distance` before it in the order of the scan.

    Those that have none become `fill`.
    """
    n = x.shape[axis]
    if n == 0:
        return x
    start, stop, none = [0] * x.ndim, list(x.shape), (0,) * x.ndim
    start[axis], stop[axis] = (distance, n) if reverse else (0, n - distance)
    one = (*none[:axis], distance, *none[axis + 1 :])
    low, high = (none, one) if reverse else (one, none)
    kept = x.slice(start=tuple(start), stop=tuple(stop), step=(1,) * x.ndim)
    return kept.pad(fill, low=low, high=high, interior=none)


_CASES = (
    ((3, 4), {"axis": 1, "reverse": False}),
    ((3, 4), {"axis": 0, "reverse": True}),
    ((5,), {"axis": 0, "reverse": True}),
    ((2, 3, 2), {"axis": 1, "reverse": False}),
    ((1,), {"axis": 0, "reverse": False}),
    ((0, 2), {"axis": 0, "reverse": False}),
    ((2, 0), {"axis": 0, "reverse": True}),
)


# cumsum


def _numeric_infer(name: str) -> Callable[..., tuple[TensorType]]:
    def infer(x: TensorType, *, axis: int, reverse: bool) -> tuple[TensorType]:
        check_numeric(name, x)
        check_axes(name, x, (axis,))
        return (x,)

    return infer


def _cumsum_transpose(ct: Value, x: TensorType, *, axis: int, reverse: bool) -> Value:
    return ct.cumsum(axis=axis, reverse=not reverse)


cumsum = linear_unary(
    "cumsum",
    family="scan",
    params=("axis", "reverse"),
    infer=_numeric_infer("cumsum"),
    evaluate=in_single(lambda x, **params: _running(np.add.accumulate, x, **params)),
    transpose=_cumsum_transpose,
    batched_params=_batched_axis,
    form=lambda types, *, axis, reverse: Scan("add", axis, reverse),
    spread=lambda values, *, axis, reverse: running("cumsum", values[0], axis, reverse),
    samples=unary_samples(*_CASES, dtypes=NUMBERS),
    cost=1,
    doc="The running sum along an axis, from its end if `reverse`.",
)


# cumprod


def _cumprod_jvp(
    primals: Sequence[Value],
    tangents: Sequence[Value],
    outs: Sequence[Value],
    *,
    axis: int,
    reverse: bool,
) -> list[Value]:
    """From y[i] = x[i] y[i-1]: dy[i] = x[i] dy[i-1] + y[i-1] dx[i], with y[-1] = 1."""
    before = _previous(outs[0], axis, reverse, 1)
    driven = before * tangents[0]
    return [primals[0].linear_recurrence(driven, axis=axis, reverse=reverse)]


def _earlier(x: Parts, axis: int, reverse: bool, distance: int, fill: float) -> Parts:
    """Each element replaced by the one `distance` before it, the first ones by `fill`."""
    return Parts(
        _previous(x.re, axis, reverse, fill, distance), _previous(x.im, axis, reverse, 0, distance)
    )


def _doublings(x: Parts, axis: int) -> Iterator[int]:
    """The distances 1, 2, 4, ... within the axis (Hillis and Steele, CACM 1986)."""
    distance = 1
    while distance < x.re.shape[axis]:
        yield distance
        distance *= 2


def _cumprod_parts(operands: Sequence[Parts], *, axis: int, reverse: bool) -> list[Parts]:
    """Products over ever longer runs: a scan over pairs is not in the loops' vocabulary."""
    x = operands[0]
    for distance in _doublings(x, axis):
        x = x * _earlier(x, axis, reverse, distance, 1)
    return [x]


def _cumprod_samples() -> list[Sample]:
    zeros = np.array([2.0, 0.0, 3.0, 0.0, 1.5])
    return [
        *unary_samples(*_CASES, dtypes=NUMBERS)(),
        Sample((zeros,), {"axis": 0, "reverse": False}),
        Sample((zeros,), {"axis": 0, "reverse": True}),
    ]


cumprod = register(
    Op(
        name="cumprod",
        family="scan",
        params=("axis", "reverse"),
        infer=_numeric_infer("cumprod"),
        evaluate=in_single(lambda x, **params: _running(np.multiply.accumulate, x, **params)),
        jvp=_cumprod_jvp,
        batch=batch_unary("cumprod", _batched_axis),
        form=lambda types, *, axis, reverse: Scan("mul", axis, reverse),
        parts=_cumprod_parts,
        samples=_cumprod_samples,
        doc="The running product along an axis, from its end if `reverse`.",
    )
)


# cummax, cummin


def _extremum_samples() -> list[Sample]:
    tied = np.array([1.0, 3.0, 3.0, 2.0, 4.0])
    nans = np.array([1.0, np.nan, 3.0, -np.inf])
    return [
        *unary_samples(*_CASES, dtypes=DTYPES)(),
        Sample((tied,), {"axis": 0, "reverse": False}, differentiable=False),
        Sample((nans,), {"axis": 0, "reverse": True}, differentiable=False),
    ]


def _first_winners(
    x: Value, t: Value, out: Value, no_better: Callable[[Value], Value], axis: int, reverse: bool
) -> Value:
    """The tangent of the first winner so far: taken at each record, else carried on.

    An element is a record if it is the first, or beats the value before it (which NaN does, and
    which nothing does to NaN). Carrying on is a recurrence with coefficients 0 and 1.
    """
    if x.type.size == 0:
        return t
    before = _previous(out, axis, reverse, 0)
    beats = no_better(before).bitnot().bitand(before.eq(before))
    first = x.shape[axis] - 1 if reverse else 0
    record = beats.bitor(iota(x.builder, x.shape, axis).eq(first))
    carry = record.bitnot().to(t.dtype)
    return carry.linear_recurrence(record.select(t, 0), axis=axis, reverse=reverse)


def _running_extremum(
    name: str, combine: str, accumulate: Callable[..., Any], no_better: str
) -> Op:
    """`no_better` names the comparison x ? y that holds where x does not replace y."""

    def infer(x: TensorType, *, axis: int, reverse: bool) -> tuple[TensorType]:
        check_axes(name, x, (axis,))
        return (x,)

    def jvp(
        primals: Sequence[Value],
        tangents: Sequence[Value],
        outs: Sequence[Value],
        *,
        axis: int,
        reverse: bool,
    ) -> list[Value]:
        x, t = primals[0], tangents[0]
        return [_first_winners(x, t, outs[0], getattr(x, no_better), axis, reverse)]

    def parts(operands: Sequence[Parts], *, axis: int, reverse: bool) -> list[Parts]:
        x, better, nothing = operands[0], extreme(combine), identity(combine).real
        for distance in _doublings(x, axis):
            before = (_previous(p, axis, reverse, nothing, distance) for p in (x.re, x.im))
            x = better(Parts(*before), x)
        return [x]

    return register(
        Op(
            name=name,
            family="scan",
            params=("axis", "reverse"),
            infer=infer,
            evaluate=lambda x, **params: _running(accumulate, x, **params),
            jvp=jvp,
            batch=batch_unary(name, _batched_axis),
            form=lambda types, *, axis, reverse: Scan(combine, axis, reverse),
            spread=lambda values, *, axis, reverse: running(name, values[0], axis, reverse),
            parts=parts,
            samples=_extremum_samples,
            doc=f"The running {combine} along an axis; NaN from the first NaN on. "
            "Of equal elements the first has the derivative.",
        )
    )


cummax = _running_extremum("cummax", "max", np.maximum.accumulate, "le")
cummin = _running_extremum("cummin", "min", np.minimum.accumulate, "ge")


# linear_recurrence


def _recurrence_infer(
    a: TensorType, b: TensorType, *, axis: int, reverse: bool
) -> tuple[TensorType]:
    check_numeric("linear_recurrence", a)
    check_same_dtype("linear_recurrence", a, b)
    check_axes("linear_recurrence", b, (axis,))
    if a.shape != b.shape:
        raise ShapeError(f"linear_recurrence takes operands of one shape, got {a} and {b}")
    return (b,)


def _recurrence_evaluate(a: Array, b: Array, *, axis: int, reverse: bool) -> Array:
    out = np.empty_like(b)
    rows, coefficients, terms = (np.moveaxis(v, axis, 0) for v in (out, a, b))
    y = np.zeros(rows.shape[1:], out.dtype)
    order = range(rows.shape[0])
    for i in reversed(order) if reverse else order:
        rows[i] = y = coefficients[i] * y + terms[i]
    return out


def _recurrence_jvp(
    primals: Sequence[Value],
    tangents: Sequence[Value | None],
    outs: Sequence[Value],
    *,
    axis: int,
    reverse: bool,
) -> list[Value]:
    """dy[i] = a[i] dy[i-1] + (db[i] + y[i-1] da[i]), with y[-1] = 0."""
    da, db = tangents
    driven = None if da is None else da * _previous(outs[0], axis, reverse, 0)
    total = add_tangents(db, driven)
    return [primals[0].linear_recurrence(total, axis=axis, reverse=reverse)]


def _recurrence_transpose(
    cotangents: Sequence[Value],
    inputs: Sequence[Value | Linear],
    *,
    axis: int,
    reverse: bool,
) -> list[Value | None]:
    """In b: y[i] feeds y[i+1] through a[i+1], so bbar[i] = ybar[i] + a[i+1] bbar[i+1]."""
    a = inputs[0]
    assert isinstance(a, Value)
    following = _previous(a, axis, not reverse, 0)
    return [None, following.linear_recurrence(cotangents[0], axis=axis, reverse=not reverse)]


def _recurrence_parts(operands: Sequence[Parts], *, axis: int, reverse: bool) -> list[Parts]:
    """The maps y -> a y + b, composed over ever longer runs."""
    a, b = operands
    for distance in _doublings(a, axis):
        b = b + a * _earlier(b, axis, reverse, distance, 0)
        a = a * _earlier(a, axis, reverse, distance, 1)
    return [b]


def _recurrence_batch(
    values: Sequence[Value], batched: Sequence[bool], size: int, *, axis: int, reverse: bool
) -> Batched:
    a, b = (in_front(v, on, size) for v, on in zip(values, batched, strict=True))
    return [a.linear_recurrence(b, axis=axis + 1, reverse=reverse)], [True]


def _recurrence_samples() -> list[Sample]:
    shape, params = _CASES[0]
    first = [Sample((draw(shape, d), draw(shape, d, 1)), params) for d in NUMBERS]
    return first + [Sample((draw(s), draw(s, seed=1)), p) for s, p in _CASES[1:]]


linear_recurrence = register(
    Op(
        name="linear_recurrence",
        family="scan",
        params=("axis", "reverse"),
        infer=_recurrence_infer,
        evaluate=in_single(_recurrence_evaluate),
        jvp=_recurrence_jvp,
        linear=linear_in(1),
        transpose=_recurrence_transpose,
        batch=_recurrence_batch,
        form=lambda types, *, axis, reverse: Scan("linear", axis, reverse),
        parts=_recurrence_parts,
        samples=_recurrence_samples,
        doc="y[i] = a[i] * y[i-1] + b[i] along an axis, from y[-1] = 0; linear in b.",
    )
)
