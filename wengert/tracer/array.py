"""Traced arrays: what a function sees in place of its arguments while it is traced.

A `Tracer` answers Python's operators, NumPy's two protocols and the methods of ndarray by looking
the operation up in `tracer.tables` and running it on values of the current trace. It is no
subclass of ndarray, so NumPy can never read it as data: what needs concrete numbers (`float(x)`,
`if x:`, `np.asarray(x)`) raises `TracerConversionError` instead.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from wengert.errors import (
    DTypeError,
    MissingRuleError,
    ShapeError,
    TracerConversionError,
    WengertError,
    at,
    located,
)
from wengert.ir.builder import Value
from wengert.ir.types import FLOAT64, INT64, DType, Shape
from wengert.tracer.stack import Trace, current, leaked, user_location
from wengert.tracer.tables import FUNCTIONS, METHODS, UFUNC_METHODS, UFUNCS


class Tracer:
    """An array whose elements are not known yet: a value of the program being traced.

    `owner` is the trace it belongs to. `weak` marks a Python float: next to arrays it takes on
    their dtype (NEP 50).
    """

    __slots__ = ("__weakref__", "owner", "value", "weak")
    __hash__ = None  # pyright: ignore[reportAssignmentType]
    __array_priority__ = 1000.0

    def __init__(self, owner: Trace, value: Value, weak: bool = False) -> None:
        self.owner = owner
        self.value = value
        self.weak = weak

    if TYPE_CHECKING:  # the methods and operators that are installed below

        def __getattr__(self, name: str) -> Any: ...

    # what is known without running

    @property
    def shape(self) -> Shape:
        """The lengths of the axes."""
        return self.value.atom.type.shape

    @property
    def dtype(self) -> DType:
        """The dtype, as `ndarray.dtype`."""
        return self.value.atom.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.value.atom.type.size

    @property
    def itemsize(self) -> int:
        """Bytes in an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
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

    @property
    def real(self) -> Tracer:
        """The real part: the array itself, for it is real."""
        return self

    @property
    def imag(self) -> Any:
        """The imaginary part: zeros."""
        return enter(_operate, "multiply", self, 0)

    @property
    def flat(self) -> Iterator[Any]:
        """The elements in row-major order."""
        return iter(self.ravel())

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return enter(_ufunc, ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        implementation = FUNCTIONS.get(func)
        if implementation is None:
            name = f"{getattr(func, '__module__', '')}.{getattr(func, '__name__', func)}"
            return enter(_missing, f"{name} is not available for traced values yet")
        return enter(implementation, *args, **kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        # above this module in the import order, and loaded long before a trace can be open
        return importlib.import_module("wengert.numpy")

    # conversions, which cannot be

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        _no_conversion(
            self,
            "NumPy needed its elements",
            "instead of np.array([x, y]) use np.stack, of array[x] wg.numpy.take(array, x), of "
            "array[i] = x np.where or np.concatenate, of np.asarray and np.full their namesakes "
            "in wg.numpy",
        )

    def __bool__(self) -> NoReturn:
        _no_conversion(
            self,
            "Python needed it to be True or False (if, while, and, or, not, assert, min, max)",
            "use np.where(condition, x, y), np.logical_and and friends, np.minimum, np.maximum, or "
            "make the argument that it depends on static (static_argnums)",
        )

    def __int__(self) -> NoReturn:
        _no_conversion(
            self,
            "int() needed its value",
            "use x.astype(int), or make the argument that it depends on static (static_argnums)",
        )

    def __float__(self) -> NoReturn:
        _no_conversion(
            self,
            "float(), a function of Python's math module or an assignment array[i] = x needed its "
            "value",
            "use x.astype(float), the function of the same name in np, or np.where and np.stack to "
            "fill an array; or make the argument that it depends on static (static_argnums)",
        )

    def __complex__(self) -> NoReturn:
        _no_conversion(self, "complex() needed its value", "return it and convert the result")

    def __index__(self) -> NoReturn:
        _no_conversion(
            self,
            "Python or NumPy needed an integer (range, a shape, a slice, the index of a NumPy "
            "array or list)",
            "make the argument that it depends on static (static_argnums), or, to index an array, "
            "use wg.numpy.take(array, i, axis)",
        )

    def item(self, *args: Any) -> NoReturn:
        """Not possible: a traced value has no concrete elements."""
        _no_conversion(self, "item() needed its value", "return it and call item() on the result")

    def tolist(self) -> NoReturn:
        """Not possible: a traced value has no concrete elements."""
        _no_conversion(self, "tolist() needed it", "return it and call tolist() on the result")

    def tobytes(self, order: Any = "C") -> NoReturn:
        """Not possible: a traced value has no concrete elements."""
        _no_conversion(self, "tobytes() needed it", "return it and call tobytes() on the result")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        _no_conversion(self, "pickle needed its elements", "return it and pickle the result")

    # containers

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, index: Any) -> Any:
        return enter(_method, "__getitem__", self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        enter(_method, "__setitem__", self, index, value)

    def __contains__(self, item: Any) -> NoReturn:
        _no_conversion(self, "'in' needed its elements", "use np.any(x == item)")

    def __copy__(self) -> Tracer:
        return self

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self

    def __repr__(self) -> str:
        state = "" if self.owner.alive else ", finished"
        return f"Tracer({self.value.type}{', weak' if self.weak else ''}{state})"

    def __format__(self, spec: str) -> str:
        if spec:
            _no_conversion(self, "formatting needed its value", "return it and format the result")
        return repr(self)


def is_weak(x: Any) -> bool:
    """Whether `x` is a Python number, or a traced one, which takes on the dtype of arrays."""
    if isinstance(x, Tracer):
        return x.weak
    return isinstance(x, (int, float)) and not isinstance(x, (bool, np.generic))


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


def _missing(message: str) -> NoReturn:
    raise MissingRuleError(message)


def _ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    _refuse_out(ufunc.__name__, kwargs.pop("out", None))
    if method == "at":
        raise TracerConversionError(
            f"np.{ufunc.__name__}.at changes an array in place, which traced values cannot do; "
            "use np.bincount, a matrix product or np.where"
        )
    if method != "__call__":
        implementation = UFUNC_METHODS.get(method)
        if implementation is None:
            _missing(f"np.{ufunc.__name__}.{method} is not available for traced values yet")
        return implementation(ufunc, *inputs, **kwargs)
    if kwargs.pop("where", True) is not True:
        raise TracerConversionError(
            f"np.{ufunc.__name__}(..., where=mask) without out= leaves elements undefined; use "
            "np.where(mask, result, other)"
        )
    implementation = UFUNCS.get(ufunc.__name__)
    if implementation is None:
        _missing(f"the ufunc '{ufunc.__name__}' is not available for traced values yet")
    for name in ("order", "subok"):
        kwargs.pop(name, None)
    return implementation(*inputs, **kwargs)


def _refuse_out(name: str, out: Any) -> None:
    if out is not None and any(o is not None for o in (out if isinstance(out, tuple) else (out,))):
        raise TracerConversionError(
            f"np.{name}(..., out=array) would write traced values into an array; use the result "
            f"instead: array = np.{name}(...)"
        )


def _method(name: str, self: Tracer, *args: Any, **kwargs: Any) -> Any:
    implementation = METHODS.get(name)
    if implementation is not None:
        return implementation(self, *args, **kwargs)
    if name in _IN_PLACE:
        raise TracerConversionError(
            f"a traced array cannot be changed in place ({_IN_PLACE[name][0]}); "
            f"{_IN_PLACE[name][1]}"
        )
    return _missing(f"the array method '{name}' is not available for traced values yet")


_IN_PLACE = {
    "__setitem__": ("x[i] = v", "build the new array with np.where, np.concatenate or np.stack"),
    "fill": ("x.fill(v)", "use np.full_like(x, v)"),
    "sort": ("x.sort()", "use np.sort(x)"),
    "partition": ("x.partition(k)", "use np.partition(x, k)"),
    "put": ("x.put(i, v)", "build the new array with np.where"),
    "resize": ("x.resize(shape)", "use np.resize(x, shape)"),
    "setfield": ("x.setfield(...)", "build the new array with np.where"),
    "byteswap": ("x.byteswap()", "swap the bytes before tracing"),
}
_PLAIN = (
    "all any argmax argmin argpartition argsort astype choose clip compress conj conjugate copy "
    "cumprod cumsum diagonal dot flatten max mean min nonzero prod ptp ravel repeat reshape round "
    "searchsorted squeeze std sum swapaxes take to_device trace transpose var view"
)


def _make_method(name: str) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return enter(_method, name, self, *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = f"Tracer.{name}"
    method.__doc__ = f"As `numpy.ndarray.{name}`."
    return method


for _name in (*_PLAIN.split(), *(n for n in _IN_PLACE if n != "__setitem__")):
    setattr(Tracer, _name, _make_method(_name))


# operators

_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "divmod": "divmod",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
_COMPARE = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}
_OPERANDS = (Tracer, np.ndarray, np.generic, bool, int, float, complex, list, tuple)


def _operate(name: str, *operands: Any) -> Any:
    implementation = UFUNCS.get(name)
    if implementation is None:
        _missing(f"the operator '{name}' is not available for traced values yet")
    result = implementation(*operands)
    # Python floats among themselves give Python floats
    if all(map(is_weak, operands)):
        for part in result if isinstance(result, tuple) else (result,):
            part.weak = part.dtype in (FLOAT64, INT64)
    return result


def _update(name: str, symbol: str, x: Tracer, y: Any) -> Any:
    """`x op= y`: rebinds x, with the dtype and shape that x would have kept as an array."""
    result = _operate(name, x, y)
    if not x.shape:
        return result
    if result.shape != x.shape:
        raise ShapeError(
            f"x {symbol}= y cannot change the shape of x: it is {x.shape}, and the result "
            f"{result.shape}"
        )
    if not np.can_cast(result.dtype, x.dtype, "same_kind"):
        raise DTypeError(
            f"x {symbol}= y cannot store {result.dtype} in an array of {x.dtype}; "
            f"write x = x {symbol} y"
        )
    return Tracer(result.owner, result.value.to(x.dtype), x.weak)


def _symbol(short: str) -> str:
    symbols = {"floordiv": "//", "pow": "**", "lshift": "<<", "rshift": ">>", "mod": "%"}
    plain = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "matmul": "@"}
    return {**symbols, **plain, "and": "&", "or": "|", "xor": "^"}.get(short, short)


def _install_binary(short: str, name: str, reflected: bool, in_place: bool) -> None:
    def forward(self: Tracer, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return enter(_operate, name, self, other)

    def backward(self: Tracer, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return enter(_operate, name, other, self)

    def update(self: Tracer, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return enter(_update, name, _symbol(short), self, other)

    setattr(Tracer, f"__{short}__", forward)
    if reflected:
        setattr(Tracer, f"__r{short}__", backward)
    if in_place:
        setattr(Tracer, f"__i{short}__", update)


def _install_unary(short: str, name: str) -> None:
    def unary(self: Tracer) -> Any:
        return enter(_operate, name, self)

    setattr(Tracer, f"__{short}__", unary)


for _short, _name in _BINARY.items():
    _install_binary(_short, _name, reflected=True, in_place=_short != "divmod")
for _short, _name in _COMPARE.items():
    _install_binary(_short, _name, reflected=False, in_place=False)
for _short, _name in _UNARY.items():
    _install_unary(_short, _name)


def _round(self: Tracer, digits: int | None = None) -> Any:
    """round(x) gives an integer in Python, so only round(x, digits) is known for arrays."""
    return self.round(digits or 0)


Tracer.__round__ = _round  # pyright: ignore[reportAttributeAccessIssue]


def _no_conversion(tracer: Tracer, why: str, fix: str) -> NoReturn:
    where = user_location()
    if not tracer.owner.alive:
        raise leaked(tracer)
    error = TracerConversionError(
        f"{why}, but it is traced: {tracer.value.type}, whose elements are known only when the "
        f"compiled program runs. {fix[0].upper()}{fix[1:]}{at(where)}"
    )
    error.location = where
    raise error
