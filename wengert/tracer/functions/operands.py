"""What NumPy's functions do with their arguments before any arithmetic: dtypes, shapes, axes.

An operand is a `Value` of the open program (perhaps weakly typed), a Python scalar or a concrete
NumPy array. Python scalars and 0-d arrays become literals, concrete arrays are cast while they
are still arrays, and casts come before broadcasts, so that few equations are written.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import (
    AxisRangeError,
    DTypeError,
    InputTypeError,
    ShapeError,
    TracerConversionError,
    WengertError,
)
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.floats import dtype_of, kind_of
from wengert.ir.op import REGISTRY
from wengert.ir.program import Literal
from wengert.ir.types import (
    COMPLEX128,
    FLOAT64,
    INT64,
    Dim,
    DType,
    Shape,
    is_supported,
    supported_dtype,
)
from wengert.tracer.affine import bounds, difference
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap

Scalar = bool | int | float | complex
WEAK_DTYPES = {int: INT64, float: FLOAT64, complex: COMPLEX128}
WEAK_KINDS = {"i": int, "f": float, "c": complex}


@dataclass(frozen=True, slots=True)
class Operand:
    """An argument of a function: `value` is a Value, a Python scalar or a concrete array.

    `weak` is set for Python ints, floats and complex numbers, which take on the dtype of their
    neighbours (NEP 50).
    """

    value: Any
    shape: Shape
    dtype: DType
    weak: bool = False

    @property
    def spec(self) -> Any:
        """What `np.result_type` and `ufunc.resolve_dtypes` take for this operand."""
        return WEAK_KINDS.get(self.dtype.kind, int) if self.weak else self.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def known(self) -> bool:
        """Whether the numbers themselves are known while tracing."""
        return not isinstance(self.value, Value)


def operand(x: Any) -> Operand:
    """`x` as an operand; raises InputTypeError for what is no array, number or list of those."""
    if isinstance(x, Operand):
        return x
    if isinstance(x, Tracer):
        value = lift(x)
        return Operand(value, value.shape, value.dtype, x.weak)
    if isinstance(x, Value):
        return Operand(x, x.shape, x.dtype)
    if isinstance(x, Dim):
        return Operand(lift(x), (), INT64, weak=True)
    if type(x) in WEAK_DTYPES:
        return Operand(x, (), WEAK_DTYPES[type(x)], weak=True)
    if isinstance(x, list | tuple) and holds_tracers(x):
        value = assemble(x)
        return Operand(value, value.shape, value.dtype)
    return _concrete(x)


def _concrete(x: Any) -> Operand:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ShapeError(f"{type(x).__name__} is not an array: {error}") from error
    if not is_supported(array.dtype.newbyteorder("=")):
        kind = DTypeError if kind_of(array.dtype) in "cfmM" else InputTypeError
        raise kind(f"expected an array or a number, got {type(x).__name__} of dtype {array.dtype}")
    return Operand(array, array.shape, supported_dtype(array.dtype))


def holds_tracers(x: Any) -> bool:
    """Whether a nest of lists and tuples has a traced value in it."""
    if isinstance(x, list | tuple):
        return any(holds_tracers(item) for item in x)
    return isinstance(x, Tracer | Value)


def assemble(items: Sequence[Any]) -> Value:
    """The array a nest of lists with traced values in it stands for, as `np.array` would."""
    parts = [operand(item) for item in items]
    shapes = {part.shape for part in parts}
    if len(shapes) > 1:
        raise ShapeError(
            f"the items of a list have different shapes {sorted(shapes)}; an array needs equal ones"
        )
    dtype = supported_dtype(promotion.result_type(*(part.dtype for part in parts)))
    rows = [expand(materialise(part, dtype), 0) for part in parts]
    return rows[0] if len(rows) == 1 else rows[0].concat(*rows[1:], axis=0)


def result_type(*operands: Operand) -> DType:
    """NumPy's result dtype (NEP 50): Python scalars give way to arrays of the same kind."""
    specs = [{int: 0, float: 0.0, complex: 0j}.get(o.spec, o.spec) for o in operands]
    return supported_dtype(promotion.result_type(*specs))


def materialise(x: Any, dtype: Any = None) -> Value:
    """`x` as a Value, cast to `dtype` if that is given."""
    x = operand(x)
    dtype = x.dtype if dtype is None else dtype_of(dtype)
    if isinstance(x.value, Value):
        return x.value.to(dtype)
    with np.errstate(all="ignore"):
        if x.weak:
            return lift(np.asarray(x.value, dtype=dtype))  # OverflowError for ints that do not fit
        return lift(x.value.astype(dtype, copy=False))


def cut_to(x: Any, dtype: DType) -> Value:
    """`x` as a Value of `dtype`; of a Python int only its last bits, as of arrays of ints."""
    x = operand(x)
    if x.weak and x.known and type(x.value) is int and dtype.kind in "iu":
        x = _concrete(np.asarray(x.value).astype(dtype))
    return materialise(x, dtype)


def values(*xs: Any) -> list[Value]:
    """The arguments as Values of their common dtype."""
    parts = [operand(x) for x in xs]
    dtype = result_type(*parts)
    return [materialise(part, dtype) for part in parts]


def floating(x: Any) -> Value:
    """`x` as a Value; ints and bools become float64."""
    x = operand(x)
    return materialise(x, x.dtype if kind_of(x.dtype) in "fc" else np.float64)


def wrapped(value: Any) -> Any:
    """Values as tracers, also inside tuples and lists."""
    if isinstance(value, Value):
        return wrap(value)
    if isinstance(value, tuple | list):
        return type(value)(wrapped(v) for v in value)
    return value


# shapes


def broadcast_shapes(
    *shapes: Shape, what: str = "the arguments", kind: type[WengertError] = ShapeError
) -> Shape:
    """The shape that all of them broadcast to; raises ShapeError if there is none."""
    distinct = {shape for shape in shapes if shape}
    if len(distinct) <= 1:
        return distinct.pop() if distinct else ()
    try:
        if any(Dim in map(type, shape) for shape in distinct):
            return _broadcast_dims(distinct)
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join(map(str, shapes))
        raise kind(
            f"{what} have shapes {listed}, which do not broadcast together; axes are matched "
            "from the last one and must be equal or 1"
        ) from None


def _broadcast_dims(shapes: Iterable[Shape]) -> Shape:
    """The same for lengths that are affine in loop indices, which must be the same function."""
    found: list[int] = []
    for lengths in itertools.zip_longest(*(reversed(s) for s in shapes), fillvalue=1):
        long = {n for n in lengths if type(n) is Dim or n != 1}
        if len(long) > 1:
            raise ValueError
        found.append(long.pop() if long else 1)
    return tuple(reversed(found))


def is_literal(value: Value) -> bool:
    """Whether `value` is a known scalar, which may stand beside any shape."""
    return isinstance(value.atom, Literal)


def broadcast(value: Value, shape: Shape) -> Value:
    """`value` repeated to `shape`; writes nothing if it has that shape."""
    if value.shape == shape:
        return value
    if broadcast_shapes(value.shape, shape) != shape:
        raise ShapeError(f"shape {value.shape} cannot be broadcast to {shape}")
    offset = len(shape) - value.ndim
    kept = [i for i, n in enumerate(value.shape) if n == shape[offset + i]]
    value = reshape(value, tuple(value.shape[i] for i in kept))
    return value.broadcast(shape=tuple(shape), dims=tuple(offset + i for i in kept))


def fit(value: Value, shape: Shape) -> Value:
    """`value` made to stand beside operands of `shape`: literals may stay scalars."""
    return value if is_literal(value) else broadcast(value, shape)


def fit_all(items: Sequence[Value]) -> list[Value]:
    """Values broadcast against each other, literals excepted."""
    shape = broadcast_shapes(*(v.shape for v in items))
    return [fit(v, shape) for v in items]


def reshape(value: Value, shape: Shape) -> Value:
    """`value` in row-major order in a new shape; writes nothing if it has that shape.

    A reshape of the latest reshape starts from that one's operand, so that keepdims followed by
    broadcasting leaves nothing behind.
    """
    shape = tuple(shape)
    if value.shape == shape:
        return value
    if Dim in map(type, value.shape) or Dim in map(type, shape):
        _check_moving(value.shape, shape)
    latest = value.builder.eqns[-1] if value.builder.eqns else None
    if latest is not None and latest.op.name == "reshape" and latest.outputs[0] is value.atom:
        value = Value(value.builder, latest.inputs[0])
    return value if value.shape == shape else value.reshape(shape=shape)


def _check_moving(have: Shape, wanted: Shape) -> None:
    """Raises ShapeError where lengths depend on loop indices and the sizes may differ."""
    sides = [[n for n in shape if type(n) is Dim or n != 1] for shape in (have, wanted)]
    same = sides[0] == sides[1]
    if not same and max(sum(type(n) is Dim for n in side) for side in sides) < 2:
        same = math.prod(sides[0]) == math.prod(sides[1])
    if not same:
        raise ShapeError(
            f"an array of shape {have} cannot take the shape {wanted}: two lengths that depend on "
            "the indices of loops cannot be joined to one axis, nor one be split"
        )


def spread(value: Value, shape: Shape, axes: Sequence[int]) -> Value:
    """`value`, which lacks `axes` of `shape`, repeated along them."""
    dims = tuple(d for d in range(len(shape)) if d not in axes)
    return value.broadcast(shape=tuple(shape), dims=dims) if axes else value


def transpose(value: Value, perm: Sequence[int]) -> Value:
    """The axes reordered; writes nothing for the identity."""
    if tuple(perm) == tuple(range(value.ndim)):
        return value
    return value.transpose(perm=tuple(perm))


def expand(value: Value, *positions: int) -> Value:
    """New axes of length 1 at these non-negative positions of the result."""
    shape = list(value.shape)
    for position in sorted(positions):
        shape.insert(position, 1)
    return reshape(value, tuple(shape))


def full(shape: Shape, number: Any, dtype: DType) -> Value:
    """An array of one repeated number."""
    scalar = lift(np.asarray(number, dtype=dtype))
    return scalar if not shape else scalar.broadcast(shape=tuple(shape), dims=())


def iota(shape: Shape, axis: int, dtype: Any = INT64) -> Value:
    """The index along `axis` at each position."""
    params = {"shape": tuple(shape), "dtype": dtype_of(dtype), "axis": axis % len(shape)}
    return lift(0).builder.emit(REGISTRY["iota"], (), params)[0]


def size_of(shape: Sequence[int]) -> int:
    """The number of elements."""
    return math.prod(shape)


# plain Python arguments


def integer(x: Any, name: str) -> int:
    """An argument that must be a concrete int (an axis, a count, a shape's entry)."""
    if isinstance(x, Dim):
        return x
    if isinstance(x, Tracer):
        found = _affine(x)
        if found is not None:
            return found
        raise TracerConversionError(
            f"{name} must be a Python int, since shapes are fixed while tracing; got a traced "
            "value. Pass it as a static argument (static_argnums) or compute it from shapes"
        )
    try:
        return operator.index(x)
    except TypeError:
        raise InputTypeError(f"{name} must be an int, got {type(x).__name__}") from None


def _affine(x: Tracer) -> int | None:
    """A traced integer as an int or a Dim, if it is known, or affine in loop indices and never
    negative.
    """
    elements = x.concrete()
    if elements is not None:
        return operator.index(elements[()])
    found = difference(x, 0)
    interval = None if found is None else bounds(found)
    return found if interval is not None and interval[0] >= 0 else None


def number_of(lengths: Sequence[int]) -> Any:
    """How many elements there are: an int, a Dim, or a Value where the product is no Dim."""
    if sum(type(n) is Dim for n in lengths) < 2:
        return size_of(lengths)
    product = lift(1)
    for n in lengths:
        product = product.mul(lift(n))
    return product


def normal_axis(axis: Any, ndim: int, name: str = "axis") -> int:
    """`axis` counted from the front; raises AxisRangeError outside the dimensions."""
    number = integer(axis, name)
    if not -ndim <= number < ndim:
        raise AxisRangeError(f"{name} {number} is out of bounds for array of dimension {ndim}")
    return number % ndim


def normal_axes(axis: Any, ndim: int, name: str = "axis") -> tuple[int, ...]:
    """An axis argument (None: all, int, or tuple) as axes counted from the front."""
    if axis is None:
        return tuple(range(ndim))
    listed = axis if isinstance(axis, tuple | list) else (axis,)
    axes = tuple(normal_axis(a, ndim, name) for a in listed)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"duplicate value in '{name}' {axis!r}")
    return axes


def reduced_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of a reduction, in which NumPy allows axis 0 and -1 of a 0-d array."""
    scalar = ndim == 0 and isinstance(axis, int | np.integer) and axis in (0, -1)
    return () if scalar else normal_axes(axis, ndim)


def flat_or_axis(value: Value, axis: Any) -> tuple[Value, int]:
    """A value and one of its axes; with axis None, the flattened value; 0-d ones count as 1-d."""
    if axis is None or value.ndim == 0:
        value = reshape(value, (size_of(value.shape),))
    return value, 0 if axis is None else normal_axis(axis, value.ndim)


def shape_argument(shape: Any) -> Shape:
    """A shape given as an int or a sequence of ints."""
    if isinstance(shape, Tracer) and shape.ndim:
        elements = shape.concrete()
        shape = list(shape) if elements is None else elements
    if isinstance(shape, list | tuple | np.ndarray):
        return tuple(integer(n, "an entry of the shape") for n in shape)
    return (integer(shape, "the shape"),)


def refuse(name: str, **arguments: Any) -> None:
    """Raises InputTypeError for arguments that traced values cannot honour, such as out=."""
    for argument, given in arguments.items():
        if given is not None and given is not False:
            cure = "use the result instead" if argument == "out" else "leave it out"
            raise InputTypeError(f"{name} on traced values does not take {argument}=; {cure}")
