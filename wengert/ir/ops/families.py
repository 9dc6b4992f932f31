"""Constructors of ops, which derive most rules from a few.

An elementwise op is given by a NumPy function, its partial derivatives and a scalar formula; its
type rule, jvp, batching and lowering follow.

Zeros win: a tangent that is exactly 0 stays 0 whatever the partial is, and a partial of 0 gives 0
whatever the tangent is. Products of tangents and partials are therefore written `scale(t, p)` and
`unscale(t, y)` (0 where t, or p, is 0, else t*p and t/y), so that the branch of a `where` that is
not taken gives no NaN to a gradient although its partial is infinite or NaN there, and both modes
agree where a slope of 0 meets an infinite one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError, VerificationError
from wengert.ir.builder import Builder, Value, add_tangents
from wengert.ir.evaluate import evaluate
from wengert.ir.floats import among, in_single, is_half
from wengert.ir.op import REGISTRY, ElementContext, Linear, Op, Requirement, Sample, register
from wengert.ir.ops.parts import Parts, of_one
from wengert.ir.ops.samples import with_complex
from wengert.ir.program import Literal
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import (
    BOOL,
    COMPLEX,
    FLOAT32,
    FLOAT64,
    FLOATS,
    INTEGERS,
    DType,
    Shape,
    TensorType,
    type_of,
)

NUMERIC = (*INTEGERS, *FLOATS)


@dataclass(frozen=True, slots=True)
class Over:
    """The partial 1 / divisor: the tangent is divided, which rounds once."""

    divisor: Value


@dataclass(frozen=True, slots=True)
class Chosen:
    """The partial `share` where `mask` is set, and none elsewhere: a tangent that is not finite
    goes no further where it is not chosen, as those of sqrt(maximum(x, 0)) in reverse mode."""

    mask: Value
    share: Value


# A partial is a number, a Value, `Over`, `Chosen`, or None for zero; a rule may also compute it
# from (*primals, out, **params).
Partial = Value | Over | Chosen | float | None
PartialRule = (
    float
    | Callable[[Value, Value], Partial]
    | Callable[[Value, Value, Value], Partial]
    | Callable[..., Partial]
    | None
)
# The formula of an element from (s, *operands, **params).
S = ScalarBuilder
Scalar = (
    Callable[[S, Expr], Expr]
    | Callable[[S, Expr, Expr], Expr]
    | Callable[[S, Expr, Expr, Expr], Expr]
    | Callable[..., Expr]
)
# The NumPy meaning of (*arrays, **params).
Evaluate = Callable[[Any], Any] | Callable[[Any, Any], Any] | Callable[..., Any]
Batch = Callable[..., tuple[Sequence[Value], Sequence[bool]]]


# types


def plural(names: Sequence[Any]) -> str:
    """`names` as words: 'a, b and c'."""
    words = [str(n) for n in names]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def check_arity(name: str, types: Sequence[TensorType], arity: int) -> None:
    """Raises VerificationError if an op has the wrong number of operands."""
    if len(types) != arity:
        raise VerificationError(f"{name} takes {arity} operands, got {len(types)}")


def common_shape(name: str, types: Sequence[TensorType]) -> Shape:
    """The one shape of all operands, where 0-d ones may stand beside shaped ones."""
    shapes = list(dict.fromkeys(t.shape for t in types if t.shape))
    if len(shapes) > 1:
        raise ShapeError(
            f"{name} needs operands of one shape, got {plural([t.shape for t in types])}"
        )
    return shapes[0] if shapes else ()


def common_dtype(name: str, types: Sequence[TensorType], allowed: Sequence[DType]) -> DType:
    """The one dtype of all operands, which must be among `allowed`."""
    dtypes = list(dict.fromkeys(t.dtype for t in types))
    if len(dtypes) > 1:
        raise DTypeError(f"{name} needs operands of one dtype, got {plural(dtypes)}")
    if not among(dtypes[0], allowed):
        hint = "" if dtypes[0].kind != "c" else "; take np.real, np.imag or np.abs of it first"
        raise DTypeError(f"{name} does not take {dtypes[0]}; it takes {plural(allowed)}{hint}")
    return dtypes[0]


def _infer(
    name: str, arity: int, dtypes: Sequence[DType], out: DType | None
) -> Callable[..., tuple[TensorType, ...]]:
    known = frozenset(dtypes)

    def infer(*types: TensorType, **params: Any) -> tuple[TensorType, ...]:
        # operands of one type: the common case, on a hot path of all transforms
        if len(types) == arity == types.count(types[0]) and out is None and types[0].dtype in known:
            return (types[0],)
        check_arity(name, types, arity)
        dtype = common_dtype(name, types, dtypes)
        return (TensorType(dtype if out is None else out, common_shape(name, types)),)

    return infer


def _evaluate(function: Evaluate, out: DType | None, storage: bool) -> Callable[..., Any]:
    function = function if storage else in_single(function)

    def evaluate(*args: Any, **params: Any) -> Any:
        dtype = args[0].dtype if out is None else out
        with np.errstate(all="ignore"):
            return np.asarray(function(*args, **params)).astype(dtype, copy=False)

    return evaluate


def scipy_special(name: str) -> Callable[..., Any]:
    """The function `scipy.special.<name>`, imported at the first call: that takes a while."""

    def function(*args: Any) -> Any:
        wide = [a.astype(np.float32) if is_half(a.dtype) else a for a in args]
        return getattr(importlib.import_module("scipy.special"), name)(*wide)

    return function


# derivatives


def spread(tangent: Value, shape: Shape) -> Value:
    """A 0-d tangent broadcast to the output's shape, so that its transpose sums."""
    if tangent.shape == shape:
        return tangent
    return tangent.broadcast(shape=shape, dims=())


def fit(cotangent: Value, operand: Linear) -> Value:
    """The cotangent of an operand that was 0-d beside shaped ones: the sum."""
    if operand.type.shape == cotangent.shape:
        return cotangent
    return cotangent.reduce_sum(axes=tuple(range(cotangent.ndim)))


def times(tangent: Value, partial: Partial) -> Value | None:
    """tangent * partial, where a tangent of 0 stays 0 even if the partial is not finite."""
    if partial is None:
        return None
    if isinstance(partial, Over):
        return tangent.unscale(partial.divisor)
    if isinstance(partial, Chosen):
        zero = tangent.builder.literal(0, tangent.dtype)
        return partial.mask.select(tangent * partial.share, zero)
    if isinstance(partial, Value):
        if isinstance(partial.atom, Literal):
            return times(tangent, partial.atom.value)
        return tangent.scale(partial)
    if partial == 0:
        return None
    if partial == 1:
        return tangent
    return -tangent if partial == -1 else tangent * partial


def _jvp(rules: Sequence[Any]) -> Callable[..., Sequence[Value | None]]:
    def jvp(
        primals: Sequence[Value],
        tangents: Sequence[Value | None],
        outs: Sequence[Value],
        **params: Any,
    ) -> Sequence[Value | None]:
        total = None
        for rule, tangent in zip(rules, tangents, strict=True):
            if tangent is not None and rule is not None:
                partial: Any = rule(*primals, outs[0], **params) if callable(rule) else rule
                total = add_tangents(total, times(spread(tangent, outs[0].shape), partial))
        return [total]

    return jvp


def no_derivative(
    primals: Sequence[Value],
    tangents: Sequence[Value | None],
    outs: Sequence[Value],
    **params: Any,
) -> Sequence[Value | None]:
    """The jvp of ops that are constant between jumps, or give no floats."""
    return [None] * len(outs)


def transpose_constants(*factors: float | None) -> Callable[..., Sequence[Value | None]]:
    """The transpose of an op that is linear in the operands with these constant partials."""

    def transpose(
        cotangents: Sequence[Value], inputs: Sequence[Value | Linear], **params: Any
    ) -> Sequence[Value | None]:
        return [
            _pull(cotangents[0], factor, x) if isinstance(x, Linear) else None
            for factor, x in zip(factors, inputs, strict=True)
        ]

    return transpose


def _pull(cotangent: Value, factor: float | None, operand: Linear) -> Value | None:
    pulled = times(cotangent, factor)
    return None if pulled is None else fit(pulled, operand)


def transpose_partials(
    *rules: Callable[[Value, Any, Any], Value],
) -> Callable[..., Sequence[Value | None]]:
    """The transpose of an op that is linear in one operand at a time.

    `rules[i](cotangent, *inputs)` is the cotangent of operand i, in the output's shape.
    """

    def transpose(
        cotangents: Sequence[Value], inputs: Sequence[Value | Linear], **params: Any
    ) -> Sequence[Value | None]:
        return [
            fit(rule(cotangents[0], *inputs), x) if isinstance(x, Linear) else None
            for rule, x in zip(rules, inputs, strict=False)
        ] + [None] * (len(inputs) - len(rules))

    return transpose


# batching


def batch_elementwise(name: str) -> Batch:
    """The batch rule of ops that map equal indices to equal indices."""

    def batch(
        values: Sequence[Value], batched: Sequence[bool], size: int, **params: Any
    ) -> tuple[Sequence[Value], Sequence[bool]]:
        shapes = [v.shape[1:] if on else v.shape for v, on in zip(values, batched, strict=True)]
        shape = max(shapes, key=len)
        aligned = [_align(v, on, size, shape) for v, on in zip(values, batched, strict=True)]
        return values[0].builder.emit(REGISTRY[name], aligned, params), [True]

    return batch


def _align(value: Value, batched: bool, size: int, shape: Shape) -> Value:
    if batched:
        if value.ndim - 1 == len(shape):
            return value
        return value.broadcast(shape=(size, *shape), dims=(0,))
    if not value.shape:
        return value
    return value.broadcast(shape=(size, *shape), dims=tuple(range(1, len(shape) + 1)))


# lowering


def _element(scalar: Scalar, storage: bool) -> Callable[[ElementContext, tuple[Expr, ...]], Expr]:
    """The element rule of a scalar formula.

    float16 and bfloat16 are storage formats: unless the formula only moves bits (`storage`), it is
    evaluated in float32 and rounded once, which is what NumPy does.
    """

    def element(ctx: ElementContext, index: tuple[Expr, ...]) -> Expr:
        args = read_all(ctx, index)
        if not storage:
            args = [ctx.s.cast(a, FLOAT32) if is_half(a.dtype) else a for a in args]
        return ctx.s.cast(scalar(ctx.s, *args, **ctx.params), ctx.out_type.dtype)

    return element


def read_all(ctx: ElementContext, index: tuple[Expr, ...]) -> list[Expr]:
    """The elements of all operands at an output index."""
    return [ctx.read(i, index if t.shape else ()) for i, t in enumerate(ctx.in_types)]


# constructors


def elementwise(
    name: str,
    arity: int,
    dtypes: Sequence[DType],
    evaluate: Evaluate,
    scalar: Scalar,
    *,
    samples: Callable[[], Iterable[Sample]],
    partials: Sequence[PartialRule] | None = None,
    out: DType | None = None,
    infer: Callable[..., tuple[TensorType, ...]] | None = None,
    jvp: Callable[..., Sequence[Value | None]] | None = None,
    linear: Callable[[frozenset[int]], bool] = lambda positions: False,
    transpose: Callable[..., Sequence[Value | None]] | None = None,
    check: Callable[[ElementContext, tuple[Expr, ...]], Requirement] | None = None,
    params: tuple[str, ...] = (),
    storage: bool = False,
    parts: Callable[..., Parts | Value] | None = None,
    family: str = "elementwise",
    cost: int = 1,
    doc: str = "",
) -> Op:
    """Registers an op that acts on each element alone.

    `evaluate(*arrays, **params)` is its NumPy meaning and `scalar(s, *exprs, **params)` the same
    over the scalar vocabulary. `partials` has one entry per operand; without it the op has no
    derivative. `out` is the output's dtype where it is not the operands'. With `parts`, the same in
    real arithmetic, the op takes complex numbers too.
    """
    if parts is not None:
        dtypes = (*dtypes, *COMPLEX)
        samples = with_complex(samples)
    op = Op(
        name,
        family,
        infer=_infer(name, arity, dtypes, out) if infer is None else infer,
        evaluate=evaluate if infer is not None else _evaluate(evaluate, out, storage),
        params=params,
        jvp=jvp or (no_derivative if partials is None else _jvp(partials)),
        linear=linear,
        transpose=transpose,
        batch=batch_elementwise(name),
        element=_element(scalar, storage),
        check=check,
        parts=None if parts is None else of_one(parts),
        samples=samples,
        cost=cost,
        doc=doc,
    )
    return register(op)


def elementwise_made(
    name: str,
    arity: int,
    expand: Callable[..., Value],
    *,
    samples: Callable[[], Iterable[Sample]],
    partials: Sequence[PartialRule],
    params: tuple[str, ...] = (),
    family: str = "elementwise",
    cost: int = 1000,
    doc: str = "",
) -> Op:
    """Registers an op on the elements of float arrays that is made of other equations.

    `expand(*values, **params)` gets operands of one shape in float64; what it gives is also the
    op's meaning, by the reference evaluator.
    """

    def made(values: Sequence[Value], **given: Any) -> list[Value]:
        shape = max((v.shape for v in values), key=len)
        wide = [spread(v.to(FLOAT64), shape) for v in values]
        return [expand(*wide, **given).to(values[0].dtype)]

    def meaning(*args: Any, **given: Any) -> Any:
        builder = Builder()
        inputs = [builder.input(type_of(a)) for a in args]
        return evaluate(builder.finish(made(inputs, **given)), args)[0]

    return register(
        Op(
            name,
            family,
            infer=_infer(name, arity, FLOATS, None),
            evaluate=_evaluate(meaning, None, storage=True),
            params=params,
            jvp=_jvp(partials),
            batch=batch_elementwise(name),
            expand=made,
            samples=samples,
            cost=cost,
            doc=doc,
        )
    )


def zero_one(condition: Value, like: Value) -> Value:
    """1 where `condition` holds, else 0, in the dtype of `like`."""
    literal = like.builder.literal
    return condition.select(literal(1, like.dtype), literal(0, like.dtype))


__all__ = [
    "BOOL",
    "NUMERIC",
    "Chosen",
    "Over",
    "batch_elementwise",
    "check_arity",
    "common_dtype",
    "common_shape",
    "elementwise",
    "elementwise_made",
    "fit",
    "no_derivative",
    "plural",
    "read_all",
    "scipy_special",
    "spread",
    "times",
    "transpose_constants",
    "transpose_partials",
    "zero_one",
]
