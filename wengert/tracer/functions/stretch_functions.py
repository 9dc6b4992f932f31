"""Functions of slices whose length depends on data: of elements, and sums and their kin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError, ShapeError
from wengert.ir.floats import kind_of
from wengert.ir.ops.complex_order import identity as complex_identity
from wengert.tracer.affine import difference
from wengert.tracer.array import Tracer
from wengert.tracer.functions import stretches
from wengert.tracer.functions.operands import broadcast, materialise, normal_axis, operand, wrapped
from wengert.tracer.functions.spans import as_index, demand, refuse_length
from wengert.tracer.functions.stretches import (
    FUNCTIONS,
    METHODS,
    UNEQUAL,
    Element,
    Stretch,
    assign_stretch,
    beside,
    elements_for,
    of_parts,
    same_ends,
    store_at,
    whole_of,
)
from wengert.tracer.lift import lift, wrap

# of elements


def _called(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: Any) -> Any:
    """A ufunc, or its method, of arguments with stretches among them."""
    out = kwargs.pop("out", (None,))[0]
    if method == "reduce" and ufunc.__name__ in _REDUCED and out is None:
        return FUNCTIONS[_REDUCED[ufunc.__name__]](*inputs, **{"axis": 0, **kwargs})
    if method == "at" and ufunc.nin == 2:
        return _accumulated(ufunc, *inputs)
    if ufunc is np.matmul and method == "__call__" and out is None:
        return _product(*inputs)
    if method != "__call__" or ufunc.nout != 1 or ufunc.signature is not None:
        refuse_length(f"np.{ufunc.__name__}.{method} of x[a:b]")
    if kwargs.pop("where", True) is not True:
        refuse_length(f"np.{ufunc.__name__} of x[a:b] with where=")
    if out is None:
        return mapped(of_parts(ufunc), *inputs, **kwargs)
    changed = out if isinstance(out, Stretch) else whole_of(out)
    changed.update(ufunc, [changed if x is out else x for x in inputs], kwargs)
    return out


def mapped(f: Callable[..., Any], *inputs: Any, **options: Any) -> Stretch:
    """`f` of the elements of stretches and of what stands beside them."""
    start, stop, parts = aligned(*inputs)
    return Stretch(start, stop, lambda k: f(*[p(k) for p in parts], **options))


def aligned(*inputs: Any, strict: bool = False) -> tuple[Any, Any, list[Element]]:
    """The places that operands have in common, and what each has there.

    A stretch of length 1 is repeated, unless that is not wanted (`strict`).
    """
    slices = [x.now() for x in inputs if isinstance(x, Stretch)]
    ndim = max(x.ndim for x in slices)
    tall = [x for x in slices if x.ndim == ndim]  # others stand beside the elements of these
    first = tall[0]
    if not all(same_ends(x, first) for x in tall):
        first = Stretch(as_index(0), _common_length(tall, strict), first.element)
    own = iter([x.next_to(first) if x.ndim == ndim else _beside_each(x) for x in slices])
    parts = [next(own) if isinstance(x, Stretch) else beside(first, ndim, x) for x in inputs]
    return first.start, first.stop, parts


def _beside_each(x: Stretch) -> Element:
    return lambda k: x


def _common_length(slices: Sequence[Stretch], strict: bool) -> Any:
    longest = slices[0].length
    for x in slices[1:]:
        if strict:
            demand(longest == x.length, UNEQUAL, ShapeError)
        longest = np.where(longest == 1, x.length, longest)
    return longest


def _of_elements(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    """A function whose first `count` arguments may be stretches."""

    def of_elements(*args: Any, **options: Any) -> Any:
        given, rest = args[:count], args[count:]
        if len(given) < count:
            refuse_length(f"np.{function.__name__} of x[a:b] with these arguments")
        return mapped(lambda *xs: function(*xs, *rest, **options), *given)

    return of_elements


def _copied(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    if where is not True:
        refuse_length("np.copyto of x[a:b] with where=")
    target = dst if isinstance(dst, Stretch) else whole_of(dst)
    dtype = src.dtype if isinstance(src, Stretch) else operand(src).spec
    if not np.can_cast(
        dtype if isinstance(dtype, np.dtype) else np.dtype(dtype), target.dtype, casting
    ):
        raise DTypeError(f"cannot cast {dtype} to {target.dtype} by the rule '{casting}'")
    assign_stretch(target, src)


def _filled(x: Stretch, value: Any) -> None:
    x[...] = value


def _accumulated(ufunc: Any, x: Tracer, places: Any, values: Any) -> None:
    """ufunc.at(x, places, values), where the places are a stretch of integers."""
    if not isinstance(x, Tracer) or not isinstance(places, Stretch):
        refuse_length(f"np.{ufunc.__name__}.at of x[a:b]")
    if places.dtype.kind not in "iu":
        refuse_length("an index that is no slice of integers")
    new, numbers = elements_for(places, values), places.now()
    f = of_parts(ufunc)
    found = Stretch(places.start, places.stop, lambda k: f(x[numbers.element(k)], new(k))).dtype
    if not np.can_cast(found, x.dtype, "same_kind"):
        raise DTypeError(f"np.{ufunc.__name__}.at cannot store {found} in an array of {x.dtype}")
    store_at(places, x, numbers.element, lambda old, k: f(old, new(k)))


def _diff(x: Stretch, n: int = 1, axis: Any = -1) -> Any:
    if x.ndim != 1:
        return refuse_length("np.diff of x[a:b] along other axes")
    for _ in range(n):
        x = np.subtract(x[1:], x[:-1])  # pyright: ignore
    return x


# folds


def _wide(dtype: Any) -> Any:
    """What sums of short floating point numbers are formed in, as NumPy has it."""
    return np.dtype(np.float32) if kind_of(dtype) == "f" and dtype.itemsize == 2 else dtype


def _extreme(name: str, dtype: Any) -> Any:
    """What no element is above, for min, or below, for max."""
    kind = kind_of(dtype)
    if kind == "c":
        return complex_identity(name)
    if kind == "b":
        return name == "min"
    if kind == "f":
        return np.inf if name == "min" else -np.inf
    return np.iinfo(dtype).max if name == "min" else np.iinfo(dtype).min


_COMBINE = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum,
            "any": np.logical_or, "all": np.logical_and}  # fmt: skip
_REDUCED = {"add": np.sum, "multiply": np.prod, "maximum": np.max, "minimum": np.min,
            "logical_or": np.any, "logical_and": np.all}  # fmt: skip
_NEUTRAL = {"sum": 0, "prod": 1, "any": False, "all": True}


def _fold(name: str) -> Callable[..., Any]:
    def folded(
        x: Stretch, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
        initial: Any = None, where: Any = True,
    ) -> Any:  # fmt: skip
        if out is not None:
            refuse_length(f"np.{name} of x[a:b] with out=")
        along = None if axis is None else normal_axis(axis, x.ndim)
        if where is not True:
            x = _chosen(name, x, where, initial)
        if along:
            return _of_rows(name, x, axis=along - 1, dtype=dtype, keepdims=keepdims)
        if name in ("max", "min") and initial is None:
            what = f"zero-size array to reduction operation {_COMBINE[name].__name__}"
            demand(x.length > 0, f"{what} which has no identity", ArgumentError)
        found = _folded(name, x, along is None, dtype, initial)
        if not keepdims:
            return found
        return np.reshape(found, (1,) * x.ndim if along is None else (1, *found.shape))

    return folded


def _chosen(name: str, x: Stretch, where: Any, initial: Any) -> Stretch:
    """The elements where a mask holds, and in the place of others what changes nothing."""
    if name in ("max", "min") and initial is None:
        raise ArgumentError(
            f"reduction operation '{_COMBINE[name].__name__}' does not have an identity, so to use "
            "a where mask one has to specify 'initial'"
        )
    neutral = _NEUTRAL.get(name, initial)
    return mapped(lambda m, e: np.where(m, e, wrapped(materialise(neutral, x.dtype))), where, x)


def _of_rows(name: str, x: Stretch, **options: Any) -> Any:
    if options.get("dtype", 0) is None:
        del options["dtype"]
    element = x.now().element
    found = Stretch(x.start, x.stop, lambda k: getattr(np, name)(element(k), **options))
    return settled(found)


def settled(x: Stretch) -> Any:
    """The array of a stretch whose length is known after all, as of the rows of A[:, a:b]."""
    length = difference(x.stop, x.start)
    if type(length) is not int or not length >= 0 or not x.is_regular:
        return x
    board = wrapped(broadcast(materialise(0, x.dtype), (length, *x.type.shape)))

    def step(filled: Any, k: Any) -> Any:
        filled[k - x.start] = x.element(k)
        return filled

    return stretches.loop(x.start, x.stop, board, step)


def _folded(name: str, x: Stretch, over_all: bool, dtype: Any, initial: Any) -> Any:
    """The sum, or its kin, along the first axis or all of them."""
    combine, frozen = _COMBINE[name], x.now().element
    source = frozen
    if over_all and x.ndim > 1:
        given = {} if initial is None else {"initial": initial}
        source = lambda k: getattr(np, name)(frozen(k), **given)  # noqa: E731
    one = np.ones((1,), x.dtype)
    target = getattr(np, name)(one, dtype=dtype).dtype if dtype else getattr(np, name)(one).dtype
    wide = _wide(target) if name in ("sum", "prod") else target
    start = _NEUTRAL.get(name)
    start = initial if initial is not None else _extreme(name, target) if start is None else start
    shape = () if over_all else x.type.shape
    # an element of an array, since sums into one may be regrouped
    state = wrapped(broadcast(materialise(start, wide), (1, *shape)))

    def step(total: Any, k: Any) -> Any:
        total[0] = combine(total[0], wrapped(materialise(source(k), None)).astype(wide))
        return total

    found = stretches.loop(x.start, x.stop, state, step)[0]
    return found if wide == target else found.astype(target)


def _place_of(name: str) -> Callable[..., Any]:
    """argmax and argmin: the place of the first element that is the extreme one, or NaN."""

    def place_of(x: Stretch, axis: Any = None) -> Any:
        if x.ndim != 1 or axis not in (None, 0, -1):
            refuse_length(f"np.arg{name} of x[a:b] of several axes")
        demand(x.length > 0, f"attempt to get arg{name} of an empty sequence", ArgumentError)
        element, kind = x.now().element, kind_of(x.dtype)
        best = wrapped(broadcast(materialise(_extreme(name, x.dtype), x.dtype), (1,)))
        better = np.greater if name == "max" else np.less

        def step(state: Any, k: Any) -> Any:
            best, place = state
            value = element(k)
            wins = better(value, best[0])
            if kind in "fc":
                wins |= np.isnan(value) & ~np.isnan(best[0])
            return (
                np.where(wins, value, best),
                np.where(wins, k - x.start, place),
            )

        first = wrapped(materialise(np.zeros(1, np.int64)))
        return stretches.loop(x.start, x.stop, (best, first), step)[1][0]

    return place_of


def _ptp(x: Stretch, axis: Any = None) -> Any:
    return np.subtract(np.max(x, axis), np.min(x, axis))  # pyright: ignore


# means and norms


def _count(x: Stretch, axis: Any) -> Any:
    if axis is None and not x.is_regular:
        element = x.now().element
        number = np.sum(Stretch(x.start, x.stop, lambda k: _count(element(k), None)))  # pyright: ignore
    else:
        number = x.length * (math.prod(x.type.shape) if axis is None else 1)
    return wrap(lift(number), True)


def _inner_axis(x: Stretch, axis: Any) -> Any:
    """The axis of the elements that is meant; None for the axis of the slice, or all."""
    along = None if axis is None else normal_axis(axis, x.ndim)
    return along - 1 if along else None


def _exact(x: Stretch) -> Stretch:
    """As floating point numbers of at least 32 bits."""
    if kind_of(x.dtype) in "biu":
        return x.astype(np.float64)
    return x.astype(_wide(x.dtype)) if _wide(x.dtype) != x.dtype else x


def _rounded(found: Any, x: Stretch) -> Any:
    """A mean of short numbers as one of them."""
    return found.astype(x.dtype) if _wide(x.dtype) != x.dtype else found


def _mean(x: Stretch, axis: Any = None) -> Any:
    inner = _inner_axis(x, axis)
    if inner is not None:
        return _of_rows("mean", x, axis=inner)
    return _rounded(np.sum(_exact(x), axis) / _count(x, axis), x)  # pyright: ignore


def _var(x: Stretch, axis: Any = None, ddof: Any = 0) -> Any:
    inner = _inner_axis(x, axis)
    if inner is not None:
        return _of_rows("var", x, axis=inner, ddof=ddof)
    return _rounded(_spread(x, axis, ddof), x)


def _spread(x: Stretch, axis: Any, ddof: Any) -> Any:
    exact: Any = _exact(x)
    off = abs(exact - _mean(exact, axis))
    return (off * off).sum(axis) / (_count(x, axis) - ddof)


def _std(x: Stretch, axis: Any = None, ddof: Any = 0) -> Any:
    inner = _inner_axis(x, axis)
    if inner is not None:
        return _of_rows("std", x, axis=inner, ddof=ddof)
    return _rounded(np.sqrt(_spread(x, axis, ddof)), x)


def _average(x: Stretch, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return _mean(x, axis)
    weighted: Any = mapped(of_parts(np.multiply), x, weights)
    return np.sum(weighted, axis) / np.sum(weights, axis)


def _norm(x: Stretch, ord: Any = None, axis: Any = None) -> Any:  # noqa: A002
    inner = _inner_axis(x, axis)
    if inner is not None:
        element = x.now().element
        return settled(Stretch(x.start, x.stop, lambda k: np.linalg.norm(element(k), ord, inner)))
    if x.ndim > 1 and (ord is not None or axis is not None):
        refuse_length("this norm of x[a:b]")
    size: Any = abs(_exact(x)) if kind_of(x.dtype) in "biu" else abs(x)  # pyright: ignore
    if ord in (None, 2):
        return np.sqrt((size * size).sum())
    if ord in (np.inf, -np.inf):
        return size.max(initial=0) if ord > 0 else size.min()
    if ord == 0:
        return (size != 0).sum().astype(size.dtype)
    return size.sum() if ord == 1 else (size**ord).sum() ** (1 / ord)


def _count_nonzero(x: Any) -> Any:
    return (x != 0).sum()


# products


def _product(x: Any, y: Any) -> Any:
    """x @ y along the axis of a stretch, or of its rows."""
    if isinstance(x, Stretch) and x.ndim == 2:
        source, right = (
            x.now().element,
            y.now() if isinstance(y, Stretch) else wrapped(materialise(y)),
        )
        return settled(Stretch(x.start, x.stop, lambda k: source(k) @ right))
    sides = [z.ndim if isinstance(z, Stretch) else operand(z).ndim for z in (x, y)]
    if sides[0] != 1 or sides[1] not in (1, 2):
        refuse_length("this product of x[a:b]")
    start, stop, (left, right) = _paired(x, y)
    terms = Stretch(start, stop, lambda k: left(k) * right(k))
    return np.sum(terms, 0, dtype=terms.dtype)


def _paired(x: Any, y: Any) -> tuple[Any, Any, list[Element]]:
    """Operands of a sum of products: lengths must be equal, and the second may have rows."""
    own = [z.now() if isinstance(z, Stretch) else whole_of(wrapped(materialise(z))) for z in (x, y)]
    first, other = own
    if not same_ends(first, other):
        demand(first.length == other.length, UNEQUAL, ShapeError)
    shift, element = other.start - first.start, other.element
    if same_ends(first, other):
        return first.start, first.stop, [first.element, element]
    return first.start, first.stop, [first.element, lambda k: element(k + shift)]


def _vdot(x: Any, y: Any) -> Any:
    return _product(np.conj(x) if kind_of(x.dtype) == "c" else x, y)


FUNCTIONS.update({
    np.ufunc: _called,
    **{getattr(np, name): _fold(name) for name in _COMBINE},
    **dict.fromkeys((np.dot, np.inner, np.linalg.vecdot), _product), np.vdot: _vdot,
    np.mean: _mean, np.var: _var, np.std: _std, np.linalg.norm: _norm, np.average: _average,
    np.argmax: _place_of("max"), np.argmin: _place_of("min"), np.ptp: _ptp,
    np.count_nonzero: _count_nonzero, np.copyto: _copied, np.diff: _diff,
    np.where: _of_elements(np.where, 3), np.clip: _of_elements(np.clip, 3),
    **{f: _of_elements(f, 1) for f in (np.real, np.imag, np.round, np.nan_to_num, np.angle)},
})  # fmt: skip
METHODS.update({
    **{name: FUNCTIONS[getattr(np, name)] for name in (
        *_COMBINE, "mean", "var", "std", "argmax", "argmin", "round", "clip", "dot")},
    "fill": _filled,
})  # fmt: skip
