"""Traced arrays: what a function sees in place of its arguments while it is traced.

A `Tracer` answers Python's operators, NumPy's two protocols and the methods of ndarray (see
`tracer.dispatch`, `tracer.operators`) by equations of the current trace. It is no
subclass of ndarray, so NumPy can never read it as data: what needs concrete numbers (`float(x)`,
`if x:`, `np.asarray(x)`) raises `TracerConversionError` instead.
"""

from __future__ import annotations

import importlib
import math
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from wengert.errors import (
    TracerConversionError,
    WengertError,
    at,
    located,
)
from wengert.ir.builder import Value
from wengert.ir.types import Dim, DType, TensorType
from wengert.tracer import scipy_calls
from wengert.tracer.sharing import Links, doubts
from wengert.tracer.stack import Trace, current, leaked, user_location

Array = np.ndarray[Any, Any]


class Lens(Protocol):
    """What a view sees of its base; `tracer.views` has the kinds."""

    def read(self, trace: Trace, whole: Value) -> Value:
        """The view's contents, for contents of the base."""
        ...

    def write(self, trace: Trace, whole: Value, value: Value) -> Value:
        """The contents of the base after the view has been given other ones."""
        ...

    def of(self, array: Array) -> Array | None:
        """The same view of a concrete array, if its place is known."""
        ...


class Tracer:
    """An array whose elements are not known yet: a value of the program being traced.

    `owner` is the trace it belongs to. `weak` marks a Python number: next to arrays it takes on
    their dtype (NEP 50). `latest` are its contents, which assignments replace. A view has a `base`
    and a `lens` through which it sees that array. `elements` are the numbers of an array made while
    tracing, as long as they are known; `made` marks one that is mutable though it has no axes.
    `links` has other arrays that it may be, as is known only at run time.
    """

    __slots__ = (
        "__weakref__",
        "_seen",
        "base",
        "elements",
        "latest",
        "lens",
        "links",
        "locked",
        "made",
        "owner",
        "type",
        "weak",
    )
    __hash__ = None  # pyright: ignore[reportAssignmentType]
    __array_priority__ = 1000.0

    def __init__(self, owner: Trace, value: Value, weak: bool = False) -> None:
        self.owner = owner
        self.type: TensorType = value.atom.type
        self.weak = weak
        self.latest: Value | None = value  # None: to be made of `elements`
        self.elements: Array | None = None
        self.made = False
        self.locked: bool | str = False
        self.base: Tracer | None = None
        self.lens: Lens | None = None
        self.links: Links | None = None
        self._seen: Any = None

    # contents: see also tracer.mutation and tracer.views

    @property
    def value(self) -> Value:
        """The current contents, in the trace that the array belongs to."""
        if self.base is None and self.latest is not None and self.links is None:
            return self.latest
        return self.owner.read(self)

    @property
    def mutable(self) -> bool:
        """Whether this is an array; results of operations without dimensions are scalars."""
        return self.made or bool(self.type.shape)

    def contents(self) -> Value:
        """The contents of an array that is no view, in its own trace."""
        if self.latest is None:
            assert self.elements is not None
            self.latest = self.owner.splat_or_constant(self.elements)
        return self.latest

    def replace(self, value: Value) -> None:
        """Replaces the contents of an array that is no view, in its own trace."""
        self.latest = value
        self.elements = None

    def concrete(self, note: bool = True) -> Array | None:
        """The elements of an array made while tracing, if the current trace may rely on them.

        The array is the record of them, and a view of that record for a view. That they are relied
        on is noted in `Trace.assumed`, unless the caller only asks.
        """
        if self.base is not None:
            whole = self.base.concrete(note)
            return None if whole is None or self.lens is None else self.lens.of(whole)
        if self.elements is None:
            return None
        trace = current()
        if self.links is not None and doubts(trace or self.owner, self):
            return None  # and an error where it is read
        while trace is not None and trace is not self.owner:
            if id(self) in trace.written:
                return None
            if id(self) in trace.given:
                return trace.given[id(self)].elements
            if note:
                trace.assumed[id(self)] = self
            trace = trace.parent
        return self.elements

    def viewed(self, trace: Trace) -> Value:
        """The contents of a view in a trace; written anew only if its base has changed."""
        assert self.base is not None and self.lens is not None
        whole = trace.read(self.base)
        if self._seen is not whole.atom or self.latest is None:
            self.latest = self.lens.read(trace, whole)
            self._seen = whole.atom
        return self.latest

    def saw(self, whole: Value, value: Value) -> None:
        """Notes that the view's contents are `value` while those of its base are `whole`."""
        self.latest, self._seen = value, whole.atom

    if TYPE_CHECKING:  # the methods, operators and properties that are installed below
        real: Any
        imag: Any

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Any: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __floordiv__(self, other: Any) -> Any: ...
        def __mod__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...
        def __abs__(self) -> Any: ...

    # what is known without running

    @property
    def shape(self) -> tuple[Any, ...]:
        """The lengths of the axes; traced integers where they depend on the indices of loops."""
        shape = self.type.shape
        return tuple(map(_length, shape)) if Dim in map(type, shape) else shape

    @property
    def dtype(self) -> DType:
        """The dtype, as `ndarray.dtype`."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.type.shape)

    @property
    def size(self) -> Any:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes in an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        """Bytes in all elements."""
        return self.size * self.itemsize

    @property
    def device(self) -> str:
        """As `ndarray.device`."""
        return "cpu"

    @property
    def T(self) -> Any:  # noqa: N802
        """All axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two axes swapped."""
        return self.swapaxes(-1, -2)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        # above this module in the import order, and loaded long before a trace can be open
        return importlib.import_module("wengert.numpy")

    # conversions, which cannot be

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        known = self.concrete()
        if known is not None:
            return np.array(known, dtype=dtype)
        return _no_conversion(
            self,
            "NumPy needed its elements",
            scipy_calls.instead()
            or "instead of np.array([x, y]) use np.stack, of array[x] wg.numpy.take(array, x), of "
            "array[i] = x np.where or np.concatenate, of np.asarray and np.full their namesakes "
            "in wg.numpy",
        )

    def __bool__(self) -> Any:
        known = self.concrete()
        if known is not None:
            return bool(known)
        return _no_conversion(
            self,
            "Python needed it to be True or False (if, while, and, or, not, assert, min, max)",
            "use np.where(condition, x, y), np.logical_and and friends, np.minimum, np.maximum, or "
            "make the argument that it depends on static (static_argnums)",
        )

    def __int__(self) -> Any:
        known = self.concrete()
        if known is not None:
            return int(known)
        return _no_conversion(
            self,
            "int() needed its value",
            "use x.astype(int), or make the argument that it depends on static (static_argnums)",
        )

    def __float__(self) -> Any:
        known = self.concrete()
        if known is not None:
            return float(known)
        return _no_conversion(
            self,
            "float(), a function of Python's math module or an assignment array[i] = x needed its "
            "value",
            "use x.astype(float), the function of the same name in np, or np.where and np.stack to "
            "fill an array; or make the argument that it depends on static (static_argnums)",
        )

    def __complex__(self) -> Any:
        known = self.concrete()
        if known is not None:
            return complex(known)
        return _no_conversion(
            self, "complex() needed its value", "return it and convert the result"
        )

    def __index__(self) -> Any:
        known = self.concrete()
        if known is not None:
            return operator.index(known)
        return _no_conversion(
            self,
            "Python or NumPy needed an integer (range, a shape, a slice, the index of a NumPy "
            "array or list)",
            "make the argument that it depends on static (static_argnums), or, to index an array, "
            "use wg.numpy.take(array, i, axis)",
        )

    def tobytes(self, order: Any = "C") -> Any:
        """Not possible: a traced value has no concrete elements."""
        known = self.concrete()
        if known is not None:
            return known.tobytes(order)
        return _no_conversion(
            self, "tobytes() needed it", "return it and call tobytes() on the result"
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        return _no_conversion(self, "pickle needed its elements", "return it and pickle the result")

    # containers

    def __len__(self) -> int:
        if not self.type.shape:
            raise TypeError("len() of a 0-d array")
        if type(self.type.shape[0]) is Dim:
            _no_conversion(
                self,
                "len() needed its length, which differs from turn to turn of a loop",
                "use x.shape[0]",
            )
        return self.type.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.type.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __contains__(self, item: Any) -> Any:
        known = self.concrete()
        if known is not None:
            return item in known
        return _no_conversion(self, "'in' needed its elements", "use np.any(x == item)")

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __repr__(self) -> str:
        state = "" if self.owner.alive else ", finished"
        return f"Tracer({self.type}{', weak' if self.weak else ''}{state})"

    def __format__(self, spec: str) -> str:
        known = self.concrete()
        if known is not None:
            return format(known, spec)
        if spec:
            _no_conversion(self, "formatting needed its value", "return it and format the result")
        return repr(self)


def _length(n: int) -> Any:
    """A length as the user sees it: an int, or a traced one."""
    return as_number(n) if type(n) is Dim else n


def as_number(n: Any) -> Any:
    """A length that is affine in loop indices as a traced integer; installed by `lift`."""
    raise AssertionError("wengert.tracer.lift has not been imported")


def is_weak(x: Any) -> bool:
    """Whether `x` is a Python number, or a traced one, which takes on the dtype of arrays."""
    if isinstance(x, Tracer):
        return x.weak
    return isinstance(x, (int, float, complex)) and not isinstance(x, (bool, np.generic))


def is_array_of_one(x: Any) -> bool:
    """Whether `x` is an array without axes and no scalar, traced or not."""
    if isinstance(x, Tracer):
        return x.made and not x.type.shape
    return isinstance(x, np.ndarray) and not x.ndim


# running an operation


def enter(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls an implementation with the user's line noted in the trace and in errors."""
    trace = current()
    location = user_location()
    if trace is not None:
        trace.builder.location = location
    try:
        return function(*args, **kwargs)
    except WengertError as error:
        raise located(error, location) from error.__cause__


def _no_conversion(tracer: Tracer, why: str, fix: str) -> NoReturn:
    where = user_location()
    if not tracer.owner.alive:
        raise leaked(tracer)
    error = TracerConversionError(
        f"{why}, but it is traced: {tracer.type}, whose elements are known only when the "
        f"compiled program runs. {fix[0].upper()}{fix[1:]}{at(where)}"
    )
    error.location = where
    raise error
