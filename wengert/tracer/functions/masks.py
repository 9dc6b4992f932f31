"""x[mask] with a traced mask: how many elements there are is known only at run time.

Such a selection is kept as the whole array with its mask. Elementwise functions work on the whole,
sums and their kin leave elements out, and `x[mask] = selection` writes back in place. Anything else
needs the length, which is an error that shows `np.where`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from wengert.errors import OutOfBoundsError, TracerConversionError
from wengert.ir.floats import finfo, kind_of
from wengert.ir.program import Atom, Literal
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.operands import expand, materialise, wrapped
from wengert.tracer.stack import Trace, open_trace
from wengert.tracer.tables import UFUNCS

_REDUCTIONS: dict[Callable[..., Any], str] = {
    np.sum: "sum", np.prod: "prod", np.mean: "mean", np.var: "var", np.std: "std",
    np.any: "any", np.all: "all", np.max: "max", np.min: "min", np.amax: "max", np.amin: "min",
}  # fmt: skip


def _too_long(what: str) -> NoReturn:
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

    def __init__(self, whole: Tracer, mask: Tracer) -> None:
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

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return self.whole.__array_namespace__(api_version=api_version)

    @property
    def shape(self) -> NoReturn:
        """Not known while tracing."""
        _too_long("the shape of x[mask]")

    size = property(lambda self: _too_long("the size of x[mask]"))

    def __len__(self) -> NoReturn:
        _too_long("len(x[mask])")

    def __iter__(self) -> NoReturn:
        _too_long("iterating over x[mask]")

    def __getitem__(self, index: Any) -> NoReturn:
        _too_long("an element of x[mask]")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        _too_long("an array of x[mask]")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if method != "__call__" or (out is not None and out[0] is not self):
            _too_long(f"np.{ufunc.__name__}.{method} of x[mask]")
        result = enter(self._elementwise, ufunc, inputs, kwargs)
        if out is None:
            return result
        # x[mask] += y: the selection is a copy, which the assignment then writes back
        self.whole = result.whole.astype(self.dtype, casting="same_kind")
        return self

    def _elementwise(self, ufunc: Any, inputs: Any, kwargs: Any) -> Any:
        wholes = [self._fitting(x) for x in inputs]
        result = UFUNCS[ufunc.__name__](*wholes, **kwargs)
        if isinstance(result, tuple):
            return tuple(Selection(r, self.mask) for r in result)
        return Selection(result, self.mask)

    def _fitting(self, x: Any) -> Any:
        """An operand beside the whole array: one number per selected element cannot be."""
        if isinstance(x, Selection):
            if not same_mask(x.mask, self.mask):
                _too_long("combining selections of different masks")
            return x.whole
        if np.ndim(x) >= self.ndim:
            _too_long("combining x[mask] with an array")
        return x

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = _REDUCTIONS.get(func)
        if name is None or not args or args[0] is not self:
            _too_long(f"np.{func.__name__} of x[mask]")
        return self._reduced(name, *args[1:], **kwargs)

    def _reduced(self, name: str, axis: Any = None, **options: Any) -> Any:
        if axis not in (None, 0):
            _too_long(f"x[mask].{name} along other axes")
        axes = None if axis is None else tuple(range(self.mask.ndim))
        where = wrapped(trailing(self.mask, self.whole.ndim))
        if name in ("max", "min") and "initial" not in options:
            info = finfo if kind_of(self.dtype) == "f" else np.iinfo
            extreme = -np.inf if name == "max" else np.inf
            if kind_of(self.dtype) != "f":
                extreme = getattr(info(self.dtype), "min" if name == "max" else "max")
            options["initial"] = extreme
        return getattr(np, name)(self.whole, axis=axes, where=where, **options)

    def refuse_other_mask(self) -> NoReturn:
        """Raises: this selection was assigned to that of another mask."""
        _too_long("x[mask] = y[other_mask]")

    def astype(self, dtype: Any, **options: Any) -> Selection:
        """As `ndarray.astype`."""
        return Selection(self.whole.astype(dtype, **options), self.mask)

    def copy(self) -> Selection:
        """Itself: a selection is a copy already."""
        return self

    def __repr__(self) -> str:
        return f"Selection({self.whole!r}, {self.mask!r})"


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
