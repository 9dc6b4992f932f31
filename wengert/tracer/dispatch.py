"""NumPy's protocols and the methods of ndarray, installed on `Tracer` by importing this module.

Operations on arrays whose elements are known while tracing are done by NumPy at once. Functions
that give views hand over to `tracer.views`; `out=` is handled here for all others.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from wengert.errors import MissingRuleError, ShapeError, TracerConversionError
from wengert.ir.types import Dim
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.assignment import overwrite, refuse_constant, target
from wengert.tracer.functions.masks import Selection
from wengert.tracer.functions.stretches import Stretch
from wengert.tracer.mutation import adopt, all_known, stripped
from wengert.tracer.tables import (
    CHANGING,
    FIXED,
    FUNCTIONS,
    LOCKED,
    METHODS,
    STATIC,
    UFUNC_METHODS,
    UFUNCS,
    VIEWS,
)
from wengert.tracer.views import flat, layout, of_function


def missing(message: str) -> NoReturn:
    """Raises MissingRuleError."""
    raise MissingRuleError(message)


# what is known at once


def known_result(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """What NumPy makes of arguments that are all known; NotImplemented if some are traced."""
    for x in args:
        if type(x) is Tracer and x.elements is None and x.base is None:
            return NotImplemented
    if not (all_known(args) and all_known(kwargs)):
        return NotImplemented
    with np.errstate(all="ignore"):
        found = function(*stripped(args), **stripped(kwargs))
    if isinstance(found, np.generic) and all(x.ndim == 0 for x in args if type(x) is Tracer):
        return adopt(np.asarray(found))
    return adopt(found)


# ufuncs


def _ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = ufunc.__name__
    if method == "at":
        return UFUNC_METHODS["at"](ufunc, *inputs)
    outs = _outputs(kwargs.pop("out", None))
    where = kwargs.pop("where", True) if method == "__call__" else True
    if where is not True and not outs:
        raise TracerConversionError(
            f"np.{name}(..., where=mask) without out= leaves elements undefined; use "
            "np.where(mask, result, other)"
        )
    for out in outs:
        if out is not None:
            _writable(out, name)
    for option in ("order", "subok"):
        kwargs.pop(option, None)
    result = known_result(getattr(ufunc, method), inputs, kwargs)
    if result is NotImplemented:
        result = _ufunc_result(ufunc, method, inputs, kwargs)
    if not outs:
        return result
    casting = kwargs.get("casting", "same_kind")
    results = result if isinstance(result, tuple) else (result,)
    stored = tuple(_stored(out, r, casting, where) for out, r in zip(outs, results, strict=True))
    return stored if isinstance(result, tuple) else stored[0]


def _ufunc_result(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    name = ufunc.__name__
    table: Any = UFUNCS if method == "__call__" else UFUNC_METHODS
    implementation = table.get(name if method == "__call__" else method)
    if implementation is None:
        what = f"the ufunc '{name}'" if method == "__call__" else f"np.{name}.{method}"
        missing(f"{what} is not available for traced values yet")
    if method != "__call__":
        return implementation(ufunc, *inputs, **kwargs)
    return implementation(*inputs, **kwargs)


def _outputs(out: Any) -> tuple[Any, ...]:
    outs = out if isinstance(out, tuple) else (out,)
    return outs if any(o is not None for o in outs) else ()


def _writable(out: Any, name: str) -> None:
    refuse_constant(out, f"np.{name}(..., out=array)")
    target(out, f"np.{name}(..., out=x)")


def _stored(out: Any, result: Any, casting: Any, where: Any = True) -> Any:
    """`result`, put into `out` if that is given."""
    if out is None:
        return result
    overwrite(out, result, casting, None if where is True else where)
    return out


# functions and methods


def _function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    implementation = FUNCTIONS.get(func)
    if implementation is None:
        result = known_result(func, args, kwargs)
        if result is not NotImplemented:
            return result
        name = f"{getattr(func, '__module__', '')}.{getattr(func, '__name__', func)}"
        missing(f"{name} is not available for traced values yet")
    return applied(func, implementation, func, args, kwargs)


def applied(
    key: Any, implementation: Callable[..., Any], plain: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    """A function's implementation on its arguments: views, known arrays and out= seen to.

    `key` is what it has in the tables, `plain` NumPy's own.
    """
    if key in FIXED and _moving((args, kwargs)):
        raise ShapeError(
            f"np.{getattr(plain, '__name__', key)} needs arrays whose lengths do not depend on the "
            "indices of loops; use slices and arithmetic, or the whole array and a condition"
        )
    if key in STATIC:
        args, kwargs = _with_elements(implementation, STATIC[key], args, kwargs)
    if key in CHANGING:
        return implementation(*args, **kwargs)
    if key in VIEWS and args and isinstance(args[0], Tracer) and not _copies(key, *args, **kwargs):
        kwargs.pop("copy", None)
        if len(args) > 1 and key in SEVERAL:
            return tuple(
                of_function(implementation, x, (), {}) if isinstance(x, Tracer) else plain(x)
                for x in args
            )
        return of_function(implementation, args[0], args[1:], kwargs, key in LOCKED)
    out, arguments = _split_out(implementation, args, kwargs)
    if out is not None:
        _writable(out, getattr(plain, "__name__", str(key)))
    result = known_result(plain, arguments, kwargs)
    if result is NotImplemented:
        result = implementation(*arguments, **kwargs)
    return _stored(out, result, "same_kind")


def _copies(key: Any, x: Tracer, *rest: Any, copy: Any = None, **options: Any) -> bool:
    """Whether a function that mostly gives views makes a copy here."""
    if key is np.diag:  # a matrix from a vector is new
        return x.ndim != 2
    if key not in (np.ravel, "ravel"):
        return bool(copy)
    order = rest[0] if rest else options.get("order", "C")
    flags = layout(x).flags  # unlike reshape, ravel takes only contiguous arrays as they are
    return not (flags.f_contiguous if order == "F" else flags.c_contiguous)


def _moving(x: Any) -> bool:
    """Whether a length of any array depends on loop indices."""
    if isinstance(x, Tracer):
        return Dim in map(type, x.type.shape)
    if isinstance(x, dict):
        return any(map(_moving, x.values()))
    return isinstance(x, tuple | list) and any(map(_moving, x))


FIXED.update(
    (np.convolve, np.correlate, np.interp, np.delete, np.insert, np.polyval, np.cross, np.resize,
     np.linalg.cross, np.choose, "choose", np.unstack, np.gradient, np.putmask, np.place,
     np.fill_diagonal, np.block, np.partition, np.corrcoef, np.cov, np.vander, np.diagflat, np.kron)
)  # fmt: skip


STATIC.update(
    {
        **dict.fromkeys(
            (np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit), ("indices_or_sections",)
        ),
        **dict.fromkeys((np.repeat, "repeat"), ("repeats",)),
        **dict.fromkeys((np.insert, np.delete), ("obj",)),
        **dict.fromkeys((np.partition, "partition", np.argpartition, "argpartition"), ("kth",)),
        **dict.fromkeys((np.compress, "compress"), ("condition",)),
        np.pad: ("pad_width", "stat_length"),
        np.tile: ("reps",),
        np.moveaxis: ("source", "destination"),
        np.roll: ("shift", "axis"),
        np.tensordot: ("axes",),
        np.bincount: ("x",),
    }
)


def _with_elements(
    implementation: Callable[..., Any], names: tuple[str, ...], args: Any, kwargs: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments, with the elements that are known in place of arrays for these parameters."""
    order = _positional(implementation)
    found = tuple(
        _elements(x) if name in names else x
        for x, name in itertools.zip_longest(args, order[: len(args)], fillvalue="")
    )
    return found, {k: _elements(x) if k in names else x for k, x in kwargs.items()}


def _elements(x: Any) -> Any:
    """`x`, as NumPy's own array, or number, if its elements are known."""
    found = stripped(x) if all_known(x) else x
    return found[()] if isinstance(found, np.ndarray) and not found.ndim else found


SEVERAL = (np.atleast_1d, np.atleast_2d, np.atleast_3d)
"""Functions of any number of arrays, each of which gives a view."""


def _split_out(
    implementation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, tuple[Any, ...]]:
    """The argument out=, taken from the others."""
    out = kwargs.pop("out", None)
    if isinstance(out, tuple) and len(out) == 1:
        out = out[0]
    if out is not None:
        return out, args
    place = _place_of_out(implementation)
    if place is None or len(args) <= place:
        return None, args
    given: Any = args[place]
    return given, (*args[:place], None, *args[place + 1 :])


def _place_of_out(implementation: Callable[..., Any]) -> int | None:
    names = _positional(implementation)
    return names.index("out") if "out" in names else None


@functools.cache
def _positional(implementation: Callable[..., Any]) -> list[str]:
    """The names of parameters that may be given by position."""
    parameters = inspect.signature(implementation).parameters.values()
    return [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]


def _method(name: str, self: Tracer, *args: Any, **kwargs: Any) -> Any:
    implementation = METHODS.get(name)
    if implementation is not None:
        return applied(name, implementation, getattr(np.ndarray, name), (self, *args), kwargs)
    found = known_result(getattr(np.ndarray, name), (self, *args), kwargs)
    if name not in _REFUSED and found is not NotImplemented:
        return found
    if name in _REFUSED:
        raise TracerConversionError(
            f"a traced array cannot be changed in this way (x.{name}); {_REFUSED[name]}"
        )
    return missing(f"the array method '{name}' is not available for traced values yet")


_REFUSED = {
    "resize": "use np.resize(x, shape)",
    "setfield": "build the new array with np.where",
    "byteswap": "swap the bytes before tracing",
}
_METHODS = (
    "all any argmax argmin argpartition argsort astype choose clip compress conj conjugate copy "
    "cumprod cumsum diagonal dot fill flatten max mean min nonzero partition prod put ravel "
    "repeat reshape round searchsorted sort squeeze std sum swapaxes take trace transpose var view "
    "item tolist"
)


def _make_method(name: str) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return enter(_method, name, self, *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = f"Tracer.{name}"
    method.__doc__ = f"As `numpy.ndarray.{name}`."
    return method


for _name in (*_METHODS.split(), *_REFUSED):
    setattr(Tracer, _name, _make_method(_name))


def _to_device(self: Tracer, *args: Any, **kwargs: Any) -> Any:
    return enter(METHODS["to_device"], self, *args, **kwargs)


def _getitem(self: Tracer, index: Any) -> Any:
    if type(index) is tuple and not index and not self.type.shape:
        return self.copy()  # known elements too, which NumPy would take out
    return enter(METHODS["__getitem__"], self, index)


def _setitem(self: Tracer, index: Any, value: Any) -> None:
    enter(METHODS["__setitem__"], self, index, value)


def _set_flat(self: Tracer, values: Any) -> None:
    enter(METHODS["__setitem__"], flat(self), slice(None), values)


def _array_ufunc(self: Tracer, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if any(isinstance(x, Selection | Stretch) for x in (*inputs, *kwargs.get("out", ()))):
        return NotImplemented
    return enter(_ufunc, ufunc, method, inputs, kwargs)


def _array_function(self: Tracer, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    if Selection in types or Stretch in types:
        return NotImplemented
    return enter(_function, func, args, dict(kwargs))


for _name, _protocol in (
    ("to_device", _to_device),
    ("flat", property(lambda self: enter(flat, self), _set_flat)),
    ("__getitem__", _getitem),
    ("__setitem__", _setitem),
    ("__array_ufunc__", _array_ufunc),
    ("__array_function__", _array_function),
):
    setattr(Tracer, _name, _protocol)
