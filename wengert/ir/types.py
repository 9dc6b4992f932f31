"""Types of IR values: a dtype and a shape.

Dimensions are ints, except inside loops: there a dimension may be affine in the indices of the
loops around it (`x[:i]`), a `Dim`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from wengert.errors import DTypeError
from wengert.ir.floats import BFLOAT16, dtype_of, is_bfloat16, kind_of

DType = np.dtype[Any]
Shape = tuple[int, ...]

BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
SIGNED = tuple(np.dtype(t) for t in (np.int8, np.int16, np.int32, np.int64))
UNSIGNED = tuple(np.dtype(t) for t in (np.uint8, np.uint16, np.uint32, np.uint64))
INTEGERS = SIGNED + UNSIGNED
FLOATS = tuple(np.dtype(t) for t in (np.float16, np.float32, np.float64))
COMPLEX64 = np.dtype(np.complex64)
COMPLEX128 = np.dtype(np.complex128)
COMPLEX = (COMPLEX64, COMPLEX128)
ORDERED = (BOOL, *INTEGERS, *FLOATS)
"""All dtypes but the complex ones."""
SUPPORTED = (*ORDERED, *COMPLEX)
"""All dtypes but bfloat16, which is known once a program names it (`ir.floats`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """A loop's index in the shapes of values inside the loop, known by identity.

    `low` and `high` are the least and the greatest value that the index may take.
    """

    low: int
    high: int


Terms = tuple[tuple[Symbol, int], ...]


class Dim(int):
    """A dimension that is affine in loop indices: const + sum of coefficient * symbol.

    As an int it is its greatest value, so that code which only needs room for the data takes it
    as it is. It equals no plain int, and only those Dims that are the same function. Sums,
    differences and products with ints are Dims again; a product of two is only their bound.
    """

    terms: Terms
    const: int

    @staticmethod
    def make(terms: Mapping[Symbol, int], const: int) -> int:
        """The dimension of this affine form; a plain int if it depends on no symbol."""
        kept = tuple((s, c) for s, c in terms.items() if c != 0)
        if not kept:
            return const
        dim = Dim(const + sum(c * (s.high if c > 0 else s.low) for s, c in kept))
        dim.terms = kept
        dim.const = const
        return dim

    @property
    def least(self) -> int:
        """The least value it takes."""
        return self.const + sum(c * (s.low if c > 0 else s.high) for s, c in self.terms)

    def at(self, values: Mapping[Symbol, int]) -> int:
        """The value for these loop indices."""
        return self.const + sum(c * values[s] for s, c in self.terms)

    def _key(self) -> Any:
        return (frozenset(self.terms), self.const)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self._key() == other._key()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._key())

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Dim):
            terms = dict(self.terms)
            for symbol, coefficient in other.terms:
                terms[symbol] = terms.get(symbol, 0) + coefficient
            return Dim.make(terms, self.const + other.const)
        if isinstance(other, int):
            return Dim.make(dict(self.terms), self.const + int(other))
        return NotImplemented

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Dim):
            return int(self) * int(other)
        if isinstance(other, int):
            return Dim.make({s: c * int(other) for s, c in self.terms}, self.const * int(other))
        return NotImplemented

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, int) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"Dim({self.const}" + "".join(f" + {c}*{s}" for s, c in self.terms) + ")"


def length(dimension: int, values: Mapping[Symbol, int]) -> int:
    """The value of a dimension, for these loop indices."""
    return dimension.at(values) if isinstance(dimension, Dim) else dimension


def has_dims(params: Any) -> bool:
    """Whether a param (a dimension, or tuples of them) depends on loop indices."""
    if isinstance(params, tuple):
        return any(has_dims(p) for p in cast(tuple[Any, ...], params))
    return isinstance(params, Dim)


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of an IR value.

    `dtype` is one of `SUPPORTED` or bfloat16, in native byte order; each dimension is a
    non-negative int, or a `Dim` of loops around the value.
    """

    dtype: DType
    shape: Shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many elements there are, at most."""
        return math.prod(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether the shape depends on no loop index."""
        return not any(type(n) is Dim for n in self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating-point numbers, real or complex: these have tangents."""
        return kind_of(self.dtype) in "fc"

    @property
    def is_complex(self) -> bool:
        """Whether the elements are complex numbers."""
        return self.dtype.kind == "c"

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


def real_dtype(dtype: DType) -> DType:
    """The dtype of the real and imaginary parts of complex numbers; itself if it is a real one."""
    return {COMPLEX64: FLOAT32, COMPLEX128: FLOAT64}.get(dtype, dtype)


def complex_dtype(dtype: DType) -> DType:
    """The dtype of complex numbers whose parts are of this real dtype, or fit into it."""
    return COMPLEX64 if dtype == FLOAT32 else COMPLEX128


def is_supported(dtype: DType) -> bool:
    """Whether the IR knows a dtype, in native byte order."""
    return dtype in SUPPORTED or is_bfloat16(dtype)


def supported_dtype(dtype: Any) -> DType:
    """`dtype` as a native-order `np.dtype` that the IR knows.

    Raises DTypeError for any other (objects, strings, dates, long doubles, structures).
    """
    given = dtype_of(dtype)
    found = given.newbyteorder("=")
    if not is_supported(found):
        names = ", ".join([*(d.name for d in SUPPORTED), BFLOAT16])
        raise DTypeError(f"dtype {given} is not supported; wengert knows {names}")
    return found


def type_of(value: Any) -> TensorType:
    """The type of a NumPy array, NumPy scalar or Python number."""
    array = np.asarray(value)
    return TensorType(supported_dtype(array.dtype), array.shape)
