"""Calls of Python functions from programs: `pure_callback`, and what `wengert.debug` is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.arguments import abstract, fail, function_name, require_callable
from wengert.config import config
from wengert.errors import (
    ArgumentError,
    DTypeError,
    ImpureCallbackError,
    Location,
    ShapeError,
    TreeError,
    WengertError,
    located,
)
from wengert.ir.host import HostFunction
from wengert.ir.op import REGISTRY
from wengert.ir.types import INT64, TensorType, supported_dtype
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import TreeDef, flatten
from wengert.tracer.stack import current, user_location

Array = np.ndarray[Any, Any]
METHODS = ("sequential", "broadcast_all")
_RANKS = "biufc"
_NUMBERS = {bool: "b", int: "i", float: "f", complex: "c"}


def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    /,
    *args: Any,
    vmap_method: str = "sequential",
    **kwargs: Any,
) -> Any:
    """What a Python function gives, which a program calls with NumPy arrays while it runs.

    `result_shape_dtypes` is a pytree of `ShapeDtypeStruct` (or of anything with a shape and a
    dtype), which the results must have. The function must be pure: a call may be left out if
    nothing needs its results, or be made again for a derivative; WENGERT_DEBUG_CALLBACKS=1 calls it
    twice each time, and compares. In a batch (`vmap`) it is called
    for each row ("sequential") or once, with the batch as first axis of all arrays
    ("broadcast_all"). What it raises comes out of the compiled function.

    Raises MissingRuleError for derivatives: a function with a rule (`custom_jvp`, `custom_vjp`)
    has to stand around the call. The CUDA back end has no such calls.
    """
    require_callable("pure_callback", callback)
    if vmap_method not in METHODS:
        fail(ArgumentError(f"vmap_method is one of {', '.join(METHODS)}, and not {vmap_method!r}"))
    wanted, out = flatten(result_shape_dtypes)
    gives = tuple([_stated(x) for x in wanted])
    leaves, tree = flatten((args, kwargs))
    call = _Callback(callback, len(leaves), tree, out, user_location())
    here = current()
    if here is None:
        types = [abstract(x, f"argument {k} of pure_callback") for k, x in enumerate(leaves)]
        arrays = [np.array(x, t.type.dtype) for x, t in zip(leaves, types, strict=True)]
        return out.unflatten([x if x.ndim else x[()] for x in call(arrays, gives)])
    if not gives:
        return out.unflatten([])
    values = [lift(x) for x in leaves] or [here.builder.literal(0, INT64)]
    for k, value in enumerate(values):
        if not value.type.is_static:
            fail(
                ShapeError(
                    f"argument {k} of pure_callback has a shape that depends on the index of a "
                    "loop, and Python is called with arrays of one shape; pad it"
                )
            )
    takes = tuple([v.type for v in values])
    whole = vmap_method == "broadcast_all"
    function = HostFunction(function_name(callback), call, takes, gives, whole)
    here.builder.location = call.location
    results = here.builder.emit(REGISTRY["pure_call"], values, {"function": function})
    return out.unflatten([wrap(v) for v in results])


def _stated(leaf: Any) -> TensorType:
    """The type of a result, as it was stated."""
    shape, dtype = getattr(leaf, "shape", None), getattr(leaf, "dtype", None)
    if shape is None or dtype is None:
        fail(
            ArgumentError(
                "pure_callback is told the results of its function by "
                f"wg.ShapeDtypeStruct(shape, dtype), and got {type(leaf).__name__}"
            )
        )
    return TensorType(supported_dtype(dtype), tuple([int(n) for n in shape]))


@dataclass(frozen=True, slots=True)
class _Callback:
    """The user's function on the first `count` arrays, whose results have the structure `out`."""

    fun: Callable[..., Any]
    count: int
    tree: TreeDef
    out: TreeDef
    location: Location | None

    def __call__(self, arrays: Sequence[Array], gives: tuple[TensorType, ...]) -> list[Array]:
        if not config().debug_callbacks:
            return self.once(arrays, gives)
        copies = [x.copy() for x in arrays]  # the function may change what it is given
        found = [np.array(x) for x in self.once(arrays, gives)]
        for x, y in zip(found, self.once(copies, gives), strict=True):
            self.require_same(x, y)
        return found

    def require_same(self, x: Array, y: Array) -> None:
        """Raises ImpureCallbackError if a result is not the one of another call."""
        apart = (x != y) & ~((x != x) & (y != y))  # NaN is NaN
        if not apart.any():
            return
        place = tuple([int(k) for k in np.argwhere(apart)[0]])
        where = f" at {place}" if place else ""
        error = ImpureCallbackError(
            f"'{function_name(self.fun)}' gave {x[place]!s}{where}, and then {y[place]!s} for the "
            "same arguments; pure_callback needs a pure function, as calls may be left out or be "
            "repeated. Pass it what it depends on as an argument (a random state, say), or call "
            "what acts by wg.debug.callback"
        )
        raise located(error, self.location)

    def once(self, arrays: Sequence[Array], gives: tuple[TensorType, ...]) -> list[Array]:
        """The results of one call."""
        args, kwargs = self.tree.unflatten(arrays[: self.count])
        leaves, found = flatten(self.fun(*args, **kwargs))
        if found != self.out:
            raise self.wrong(TreeError, str(found), str(self.out))
        return [self.fitting(x, t) for x, t in zip(leaves, gives, strict=True)]

    def fitting(self, value: Any, like: TensorType) -> Array:
        """A result as an array of its type, which Python numbers take on."""
        kind = _NUMBERS.get(type(value))
        if kind is not None and _RANKS.index(kind) <= _RANKS.index(like.dtype.kind):
            value = like.dtype.type(value)
        array = np.asarray(value)
        given = f"{array.dtype.name}[{','.join(map(str, array.shape))}]"
        if array.shape != like.shape:
            raise self.wrong(ShapeError, given, str(like))
        if array.dtype != like.dtype:
            raise self.wrong(DTypeError, given, str(like))
        return array

    def wrong(self, kind: type[WengertError], given: str, wanted: str) -> WengertError:
        """The error of a result that is not as stated."""
        name = function_name(self.fun)
        message = f"'{name}' gave {given}, and pure_callback was told that it gives {wanted}"
        return located(kind(message), self.location)


def act(name: str, fun: Callable[[list[Any]], None], leaves: Sequence[Any]) -> None:
    """Calls a function with `leaves` when the program runs; traced ones are arrays by then."""
    here = current()
    places = [k for k, x in enumerate(leaves) if isinstance(x, Tracer)]
    if here is None:
        fun(list(leaves))
        return
    values = [lift(leaves[k]) for k in places] or [here.builder.literal(0, INT64)]
    if not all(v.type.is_static for v in values):
        fail(
            ShapeError(
                f"{name} was given an array whose shape depends on the index of a loop, and "
                "Python is called with arrays of one shape; pad it"
            )
        )
    fixed = [None if isinstance(x, Tracer) else x for x in leaves]

    def call(arrays: Sequence[Array], gives: tuple[TensorType, ...]) -> list[Array]:
        found = list(fixed)
        for place, array in zip(places, arrays, strict=False):
            found[place] = array if array.ndim else array[()]
        fun(found)
        return [np.zeros(t.shape, t.dtype) for t in gives]

    takes = tuple([v.type for v in values])
    function = HostFunction(name, call, takes, (TensorType(INT64, ()),))
    here.builder.location = user_location()
    here.builder.emit(REGISTRY["acting_call"], values, {"function": function})


__all__ = ["METHODS", "act", "pure_callback"]
