"""What ops that move, combine or index elements share: constructors, checks, batching, samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.errors import AxisRangeError, DTypeError, ShapeError
from wengert.ir.builder import Builder, Value
from wengert.ir.floats import kind_of
from wengert.ir.op import REGISTRY, Op, Sample, linear_in_all, register
from wengert.ir.ops.parts import separately
from wengert.ir.types import BOOL, INT64, DType, Shape, TensorType

Batched = tuple[list[Value], list[bool]]
Params = dict[str, Any]

ORDERED = (np.float64, np.float32, np.float16, np.int32, np.uint8, np.bool_)
DTYPES = (*ORDERED, np.complex128, np.complex64)
NUMBERS = tuple(d for d in DTYPES if d is not np.bool_)


# constructors


def linear_unary(
    name: str,
    *,
    family: str,
    params: tuple[str, ...],
    infer: Callable[..., tuple[TensorType, ...]],
    evaluate: Callable[..., Any],
    transpose: Callable[..., Value],
    batched_params: Callable[..., Params],
    samples: Callable[[], Iterable[Sample]],
    element: Callable[..., Any] | None = None,
    form: Callable[..., Any] | None = None,
    spread: Callable[..., Any] | None = None,
    onto: Callable[..., Value] | None = None,
    cost: int = 0,
    doc: str = "",
) -> Op:
    """An op that is linear in its single operand.

    `transpose(cotangent, operand_type, **params)` gives the operand's cotangent;
    `onto(cotangent, seed, **params)` gives it on top of a seed, where that may be cheaper.
    """

    def jvp(primals: Any, tangents: Sequence[Value], outs: Any, **given: Any) -> list[Value]:
        return [getattr(tangents[0], name)(**given)]

    def pull(cotangents: Sequence[Value], inputs: Sequence[Any], **given: Any) -> list[Value]:
        return [transpose(cotangents[0], inputs[0].type, **given)]

    return register(
        Op(
            name=name,
            family=family,
            params=params,
            infer=infer,
            evaluate=evaluate,
            jvp=jvp,
            linear=linear_in_all,
            transpose=pull if onto is None else _pull_onto(pull, onto),
            accumulates=onto is not None,
            batch=batch_unary(name, batched_params),
            element=element,
            form=form,
            spread=spread,
            parts=separately(name),
            samples=samples,
            cost=cost,
            doc=doc,
        )
    )


def _pull_onto(
    pull: Callable[..., list[Value]], onto: Callable[..., Value]
) -> Callable[..., list[Value]]:
    """A transpose that gives the cotangent on top of a seed, if there is one."""

    def pull_onto(
        cotangents: Sequence[Value], inputs: Sequence[Any], *, seeds: Sequence[Any], **given: Any
    ) -> list[Value]:
        if seeds[0] is None:
            return pull(cotangents, inputs, **given)
        return [onto(cotangents[0], seeds[0], **given)]

    return pull_onto


def batch_unary(name: str, batched_params: Callable[..., Params]) -> Callable[..., Batched]:
    """The batch rule of an op with one operand: the same op with its axes moved up by one.

    `batched_params(size, **params)` gives the params for the batched operand.
    """

    def batch(values: Sequence[Value], batched: Any, size: int, /, **params: Any) -> Batched:
        return [getattr(values[0], name)(**batched_params(size, **params))], [True]

    return batch


def no_tangent(primals: Any, tangents: Any, outs: Sequence[Value], **params: Any) -> list[None]:
    """The jvp of an op whose output is discrete: zero wherever it is defined."""
    return [None] * len(outs)


# emitting


def iota(builder: Builder, shape: Shape, axis: int, dtype: DType = INT64) -> Value:
    """An array whose elements are their own index along `axis`."""
    params = {"shape": tuple(shape), "dtype": dtype, "axis": axis}
    return builder.emit(REGISTRY["iota"], (), params)[0]


def in_front(value: Value, batched: bool, size: int) -> Value:
    """`value` with a batch axis in front, repeated along it if it has none yet."""
    if batched:
        return value
    return value.broadcast(shape=(size, *value.shape), dims=after_batch(range(value.ndim)))


def permuted(value: Value, perm: Sequence[int]) -> Value:
    """`value` with its axes in the order `perm`."""
    if tuple(perm) == tuple(range(value.ndim)):
        return value
    return value.transpose(perm=tuple(perm))


def after_batch(axes: Iterable[int]) -> tuple[int, ...]:
    """What `axes` are called once a batch axis stands in front."""
    return tuple(a + 1 for a in axes)


def kept_axes(ndim: int, axes: Sequence[int]) -> tuple[int, ...]:
    """The axes of an array that are not among `axes`."""
    return tuple(a for a in range(ndim) if a not in axes)


def without(x: TensorType, axes: Sequence[int]) -> TensorType:
    """The type of an array that has lost `axes`."""
    return x.with_shape(tuple(x.shape[a] for a in kept_axes(x.ndim, axes)))


# checks


def check_not_empty(name: str, x: TensorType, axes: Sequence[int]) -> None:
    """Raises ShapeError if there is nothing along `axes`."""
    if any(x.shape[a] == 0 for a in axes):
        raise ShapeError(
            f"{name}: axes {tuple(axes)} of {x} hold no elements, and the {name} of nothing has "
            "no value"
        )


def check_axes(name: str, operand: TensorType, axes: Sequence[int]) -> None:
    """Raises AxisRangeError unless `axes` are distinct axes of `operand`."""
    for axis in axes:
        if not 0 <= axis < operand.ndim:
            raise AxisRangeError(
                f"{name}: axis {axis} is out of bounds for {operand}, which has "
                f"{operand.ndim} dimensions"
            )
    if len(set(axes)) != len(axes):
        raise AxisRangeError(f"{name}: an axis is named twice in {tuple(axes)}")


def check_numeric(name: str, operand: TensorType) -> None:
    """Raises DTypeError for a bool operand."""
    if operand.dtype == BOOL:
        raise DTypeError(f"{name} takes numbers, got {operand}; cast it to an integer dtype first")


def check_real(name: str, operand: TensorType) -> None:
    """Raises DTypeError for complex numbers."""
    if operand.is_complex:
        raise DTypeError(
            f"{name} takes real numbers, got {operand}; complex numbers have no order: "
            "take np.abs, np.real or np.imag of them first"
        )


def check_same_dtype(name: str, *types: TensorType) -> None:
    """Raises DTypeError unless all operands have one dtype."""
    if any(t.dtype != types[0].dtype for t in types):
        listed = " and ".join(map(str, types))
        raise DTypeError(f"{name} takes operands of one dtype, got {listed}; cast them first")


# samples


def draw(shape: Shape, dtype: Any = np.float64, seed: int = 0) -> np.ndarray[Any, Any]:
    """An array of varied numbers, the same at each call."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype == BOOL:
        return np.asarray(rng.random(shape) < 0.6)
    if kind_of(dtype) == "f":
        return np.asarray(rng.standard_normal(shape)).astype(dtype)
    if dtype.kind == "c":
        return np.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(
            dtype
        )
    return np.asarray(rng.integers(0 if dtype.kind == "u" else -9, 10, shape)).astype(dtype)


def unary_samples(
    *cases: tuple[Shape, Params], dtypes: Sequence[Any] = DTYPES
) -> Callable[[], list[Sample]]:
    """Samples of an op with one operand: every case in float64, the first one in all dtypes."""

    def samples() -> list[Sample]:
        shape, params = cases[0]
        first = [Sample((draw(shape, dtype),), params) for dtype in dtypes]
        rest = [Sample((draw(s, dtypes[0], seed),), p) for seed, (s, p) in enumerate(cases[1:], 1)]
        return first + rest

    return samples
