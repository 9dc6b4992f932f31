"""x[mask] with a traced mask: how many elements there are is known only at run time.

Such a selection is kept as the whole array with its mask. Elementwise functions work on the whole,
sums and their kin leave elements out, and `x[mask] = selection` writes back in place. Anything else
needs the length, which is an error that shows `np.where`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from wengert.errors import MissingRuleError, OutOfBoundsError, TracerConversionError
from wengert.ir.floats import kind_of
from wengert.ir.ops.complex_order import identity as complex_identity
from wengert.ir.program import Atom, Literal
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.operands import expand, materialise, wrapped
from wengert.tracer.lift import lift, wrap
from wengert.tracer.stack import Trace, open_trace
from wengert.tracer.tables import UFUNCS

_REDUCTIONS: dict[Callable[..., Any], str] = {
    np.sum: "sum", np.prod: "prod", np.mean: "mean", np.var: "var", np.std: "std",
    np.any: "any", np.all: "all", np.max: "max", np.min: "min", np.amax: "max", np.amin: "min",
}  # fmt: skip


SELECTED: dict[Any, Callable[..., Any]] = {}
"""What functions do with selections among their arguments: `f(first selection, *arguments)`."""


_FUNCTIONS_OF = {
    "argmax": np.argmax, "argmin": np.argmin, "clip": np.clip, "cumprod": np.cumprod,
    "cumsum": np.cumsum, "dot": np.dot, "ptp": np.ptp, "round": np.round,
}  # fmt: skip


def too_long(what: str) -> NoReturn:
    """Raises TracerConversionError: `what` needs the number of selected elements."""
    raise TracerConversionError(
        f"{what} needs the number of elements that a traced boolean mask selects, which is known "
        "only when the compiled program runs; use np.where(mask, x, other) or np.sum(x, where=mask)"
        " on the whole array (a selection x[mask] can be computed with, summed, and written back "
        "by x[mask] = ...)"
    )


class Selection(np.lib.mixins.NDArrayOperatorsMixin):
    """x[mask]: `whole` is x, as it was, and `mask` the mask over its leading axes."""

    __hash__ = None  # pyright: ignore[reportAssignmentType]
    __array_priority__ = 2000.0

    def __init__(self, whole: Any, mask: Any) -> None:
        self.whole = whole
        self.mask = mask

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self.whole.dtype

    @property
    def ndim(self) -> int:
        """The number of axes: those of the mask are one."""
        return self.whole.ndim - self.mask.ndim + 1

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        return self.whole.__array_namespace__(api_version=api_version)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The number of elements that the mask selects, a traced one, and the other axes."""
        count = wrap(lift(np.sum(self.mask)), True)
        return (count, *self.whole.shape[self.mask.ndim :])

    @property
    def size(self) -> Any:
        """The number of elements, a traced one."""
        return math.prod(self.shape)

    @property
    def rows(self) -> Selection:
        """The same with the axes of the mask as one."""
        shape = (-1, *self.whole.shape[self.mask.ndim :])
        return Selection(np.reshape(self.whole, shape), np.reshape(self.mask, (-1,)))

    @property
    def trailing(self) -> Any:
        """The mask, such that it broadcasts against the whole array."""
        return wrapped(trailing(self.mask, self.whole.ndim))

    def __len__(self) -> NoReturn:
        too_long("len(x[mask])")

    def __iter__(self) -> NoReturn:
        too_long("iterating over x[mask]")

    def __getitem__(self, index: Any) -> Any:
        return enter(self._item, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        enter(self._set_item, index, value)

    def _item(self, index: Any) -> Any:
        if isinstance(index, Selection) and index.dtype == np.bool_:
            mask = index.whole_of(index) & self.whole_of(index, "a mask of another selection")
            return Selection(self.whole, self.mask & mask)
        if type(index) is tuple and index and index[0] == slice(None):
            return Selection(self.whole[(slice(None),) * self.mask.ndim + index[1:]], self.mask)
        if not is_number(index):
            too_long("elements x[mask][...] other than a single one")
        rows, count = self.rows, self.shape[0]
        rank: Any = np.where(index < 0, index + count, index)  # pyright: ignore[reportOperatorIssue]
        place = np.argmax(np.cumsum(rows.mask) == rank + 1)
        there = (rank >= 0) & (rank < count)
        return rows.whole[np.where(there, place, len(rows.mask))]  # out of bounds: an IndexError

    def _set_item(self, index: Any, value: Any) -> None:
        if not isinstance(index, Selection) or index.dtype != np.bool_ or self.mask.ndim != 1:
            too_long("a change of single elements of x[mask]")
        new = np.asarray(value) if not isinstance(value, Selection | Tracer) else value
        chosen = np.where(self.whole_of(index), self.whole_of(new), self.whole)
        self.whole = chosen.astype(self.dtype)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        too_long("an array of x[mask]")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if ufunc is np.matmul and method == "__call__" and out is None:
            return enter(SELECTED[ufunc], self, *inputs)
        if method != "__call__" or (out is not None and out[0] is not self):
            too_long(f"np.{ufunc.__name__}.{method} of x[mask]")
        result = enter(self._elementwise, ufunc, inputs, kwargs)
        if out is None:
            return result
        # x[mask] += y: the selection is a copy, which the assignment then writes back
        self.whole = result.whole.astype(self.dtype, casting="same_kind")
        return self

    def _elementwise(self, ufunc: Any, inputs: Any, kwargs: Any) -> Any:
        wholes = [self._fitting(x) for x in inputs]
        if ufunc.__name__ not in UFUNCS:
            raise MissingRuleError(
                f"the ufunc '{ufunc.__name__}' is not available for traced values yet"
            )
        result = UFUNCS[ufunc.__name__](*wholes, **kwargs)
        if isinstance(result, tuple):
            return tuple(Selection(r, self.mask) for r in result)
        return Selection(result, self.mask)

    def whole_of(self, x: Any, what: str = "combining selections of different masks") -> Any:
        """An operand, or a list of operands, beside the whole array."""
        if isinstance(x, list | tuple):
            return type(x)([self.whole_of(item, what) for item in x])
        return self._fitting(x)

    def _fitting(self, x: Any) -> Any:
        """An operand beside the whole array: one number per selected element cannot be."""
        if isinstance(x, Selection):
            if not same_mask(x.mask, self.mask):
                too_long("combining selections of different masks")
            return x.whole
        if np.ndim(x) >= self.ndim:
            too_long("combining x[mask] with an array")
        return x

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = _REDUCTIONS.get(func)
        if func in SELECTED:
            return enter(SELECTED[func], self, *args, **kwargs)
        if name is None or not args or args[0] is not self:
            too_long(f"np.{func.__name__} of x[mask]")
        return self._reduced(name, *args[1:], **kwargs)

    def _reduced(self, name: str, axis: Any = None, **options: Any) -> Any:
        if axis not in (None, 0):
            too_long(f"x[mask].{name} along other axes")
        axes = None if axis is None else tuple(range(self.mask.ndim))
        where = wrapped(trailing(self.mask, self.whole.ndim))
        if name in ("max", "min") and "initial" not in options:
            options["initial"] = self.extreme(name)
        return getattr(np, name)(self.whole, axis=axes, where=where, **options)

    def extreme(self, name: str) -> Any:
        """What no element is below, for `max`, or above, for `min`."""
        if kind_of(self.dtype) == "c":
            return complex_identity(name)
        if kind_of(self.dtype) == "f":
            return -np.inf if name == "max" else np.inf
        return getattr(np.iinfo(self.dtype), "min" if name == "max" else "max")

    def refuse_as_places(self) -> NoReturn:
        """Raises: an array was to be changed at places computed from a selection."""
        too_long("x[places] = y with computed places")

    def refuse_other_mask(self) -> NoReturn:
        """Raises: this selection was assigned to that of another mask."""
        too_long("x[mask] = y[other_mask]")

    def __getattr__(self, name: str) -> Any:
        func = _FUNCTIONS_OF.get(name)
        if func is not None:
            return lambda *args, **options: func(self, *args, **options)
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'Selection' object has no attribute '{name}'")
        too_long(f"x[mask].{name}")

    def astype(self, dtype: Any, **options: Any) -> Selection:
        """As `ndarray.astype`."""
        return Selection(self.whole.astype(dtype, **options), self.mask)

    def copy(self) -> Selection:
        """Itself: a selection is a copy already."""
        return self

    def __repr__(self) -> str:
        return f"Selection({self.whole!r}, {self.mask!r})"


class Places(Selection):
    """The numbers of the elements that a mask selects, along one of its axes: an index."""


def is_number(entry: Any) -> bool:
    """Whether an entry of an index is one integer, traced or not."""
    if isinstance(entry, Tracer):
        return not entry.type.shape and entry.dtype.kind in "iu"
    return isinstance(entry, int | np.integer) and not isinstance(entry, bool)


def as_mask(index: Any, shape: Any) -> Any:
    """An index made by np.nonzero of an array with these leading lengths, as the mask it comes
    from; others as they are.
    """
    parts = index if type(index) is tuple else (index,)
    if not parts or not all(isinstance(p, Places) for p in parts):
        return index
    mask = parts[0].mask
    if mask.ndim != len(parts) or not all(p.mask is mask for p in parts):
        too_long("an index by places of several masks")
    if mask.type.shape == tuple(shape)[: mask.ndim]:
        return mask
    return index[0] if type(index) is tuple and len(index) == 1 else index


def _method(name: str) -> Callable[..., Any]:
    def method(self: Selection, axis: Any = None, **options: Any) -> Any:
        return self._reduced(name, axis, **options)  # pyright: ignore[reportPrivateUsage]

    method.__name__ = name
    method.__doc__ = f"As `ndarray.{name}`."
    return method


for _name in sorted(set(_REDUCTIONS.values())):
    setattr(Selection, _name, _method(_name))


def masked(x: Tracer, mask: Tracer) -> Selection:
    """x[mask] with a traced mask of x's leading axes."""
    check_mask(x.type.shape, mask.type.shape)
    return Selection(wrapped(materialise(x)), wrapped(materialise(mask)))


def check_mask(shape: Any, mask: Any) -> None:
    """Raises OutOfBoundsError unless the mask fits the leading axes."""
    if len(mask) > len(shape):
        raise OutOfBoundsError(
            f"too many indices for array: array is {len(shape)}-dimensional, but {len(mask)} were "
            "indexed"
        )
    for axis, (n, m) in enumerate(zip(mask, shape, strict=False)):
        if n != m:
            raise OutOfBoundsError(
                f"boolean index did not match indexed array along axis {axis}; size of axis is "
                f"{m} but size of corresponding boolean axis is {n}"
            )


def same_mask(x: Tracer, y: Tracer) -> bool:
    """Whether two masks are the same values of the trace, made by the same equations perhaps."""
    trace = open_trace(x)
    return _same(trace, materialise(x).atom, materialise(y).atom, [100])


def _same(trace: Trace, x: Atom, y: Atom, budget: list[int]) -> bool:
    budget[0] -= 1
    if x is y:
        return True
    if isinstance(x, Literal) or isinstance(y, Literal):
        return (
            isinstance(x, Literal)
            and isinstance(y, Literal)
            and (x.value, x.dtype) == (y.value, y.dtype)
        )
    first, second = trace.producer(x), trace.producer(y)
    if first is None or second is None or first.op is not second.op or budget[0] < 0:
        return False
    simple = all(isinstance(p, int | float | tuple | str | np.dtype) for p in first.params.values())
    if not simple or first.params != second.params:
        return False
    pairs = zip(first.inputs, second.inputs, strict=True)
    return len(first.outputs) == 1 and all(_same(trace, a, b, budget) for a, b in pairs)


def trailing(mask: Any, ndim: int) -> Any:
    """A mask of leading axes as one that broadcasts against all axes."""
    value = materialise(mask)
    return expand(value, *range(value.ndim, ndim)) if value.ndim < ndim else value
