"""x[a:b:s] whose length depends on data: rows of sparse matrices, segments of lists of lists.

Such a slice is kept as its ends and what its element at a place is. Functions of elements make
another stretch of that. Sums and their kin are loops over the places from a to b, and so is an
assignment. Anything else needs the length, and is an error.

A slice is a view, so it is read when it is used; what is computed from it holds the elements that
the arrays had at that time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from wengert.errors import ArgumentError, DTypeError, ShapeError, TracerConversionError, at
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.op import REGISTRY
from wengert.ir.types import INT64, Dim
from wengert.tracer.affine import bind_index
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.entries import UnknownLengthError
from wengert.tracer.functions.masks import same_mask
from wengert.tracer.functions.operands import materialise, wrapped
from wengert.tracer.lift import lift, wrap
from wengert.tracer.mutation import write
from wengert.tracer.stack import open_trace, opened, user_location
from wengert.tracer.tables import UFUNCS

BACKWARDS = "the step of a slice that is known only at run time must be 1 or more"
UNEQUAL = "operands could not be broadcast together: slices of different lengths"

Element = Callable[[Any], Any]
Step = Callable[[Any, Any], Any]


def _loop(start: Any, stop: Any, state: Any, step: Step) -> Any:
    raise NotImplementedError


loop: Callable[[Any, Any, Any, Step], Any] = _loop
"""state = step(state, k) for k = start .. stop - 1 (set by `capture.forms`)."""


def refuse_length(what: str) -> NoReturn:
    """Raises TracerConversionError: `what` needs the length of a slice."""
    raise TracerConversionError(
        f"{what} needs the length of a slice whose bounds depend on data, and shapes are fixed "
        "while tracing. Such a slice can be computed with, summed, and assigned to; for anything "
        "else take the whole array and leave elements out by a condition: "
        "np.where((np.arange(len(x)) >= start) & (np.arange(len(x)) < stop), x, 0)"
    )


class Stretch(np.lib.mixins.NDArrayOperatorsMixin):
    """The elements element(k) for k = start .. stop - 1, along a first axis.

    `origin` is the array and its index before and after the slice, for a slice that is a view.
    """

    __hash__ = None  # pyright: ignore[reportAssignmentType]
    __array_priority__ = 2000.0

    def __init__(
        self, start: Tracer, stop: Tracer, element: Element, origin: Origin | None = None
    ) -> None:
        self.start, self.stop = start, stop
        self.element, self.origin = element, origin
        self.line = user_location()
        self._type: Any = None

    @property
    def type(self) -> Any:
        """The type of an element."""
        if self._type is None:
            with opened("an element of a slice") as here:
                index = here.builder.input(materialise(self.start).type)
                bind_index(here, index, self.start, self.stop)
                self._type = lift(self.element(wrap(index, True))).type
        return self._type

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return 1 + len(self.type.shape)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The length, a traced one, and the other axes."""
        return (np.maximum(self.stop - self.start, 0), *self.type.shape)

    @property
    def size(self) -> Any:
        """The number of elements, a traced one."""
        return math.prod(self.shape)

    def __len__(self) -> NoReturn:
        refuse_length("len(x[a:b])")

    def __iter__(self) -> NoReturn:
        refuse_length("iterating over x[a:b]")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        refuse_length(f"an array of x[a:b]{at(self.line)}")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'Stretch' object has no attribute '{name}'")
        refuse_length(f"x[a:b].{name}")

    def __getitem__(self, index: Any) -> Any:
        return enter(self._item, index)

    def _item(self, index: Any) -> Any:
        scalar = isinstance(index, Tracer) and not index.type.shape and index.dtype.kind in "iu"
        if not scalar and (isinstance(index, bool) or not isinstance(index, int | np.integer)):
            refuse_length("a part of x[a:b] other than a single element")
        k: Any = index
        place: Any = np.where(k < 0, self.stop, self.start) + k
        inside = (place >= self.start) & (place < self.stop)
        return self.element(np.where(inside, place, np.iinfo(np.int64).max))

    def next_to(self, beside: Stretch) -> Element:
        """The element beside the one of another stretch of this length."""
        if _same(self.start, beside.start) and _same(self.stop, beside.stop):
            return self.element
        equal = materialise(self.shape[0]).eq(materialise(beside.shape[0]))
        params = {"message": UNEQUAL, "error": ShapeError.__name__}
        equal.builder.emit(REGISTRY["require"], [equal], params)
        shift = self.start - beside.start
        return lambda k: self.element(k + shift)

    def now(self) -> Stretch:
        """The same, with the elements that there are now."""
        if self.origin is None:
            return self
        frozen = self.origin.frozen()
        return Stretch(self.start, self.stop, frozen.element)

    def picked(self, x: Any) -> Stretch:
        """x[self]: the elements of `x` whose numbers these are."""
        if self.dtype.kind not in "iu":
            refuse_length("an index that is no slice of integers")
        whole, places = wrapped(materialise(x)), self.now()
        return Stretch(self.start, self.stop, lambda k: whole[places.element(k)])

    # elements

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if ufunc is np.matmul and method == "__call__" and out is None:
            return enter(_product, *inputs)
        if method != "__call__" or (out is not None and out[0] is not self):
            refuse_length(f"np.{ufunc.__name__}.{method} of x[a:b]")
        if ufunc.nin > 2 or ufunc.nout != 1 or ufunc.signature is not None:
            refuse_length(f"np.{ufunc.__name__} of x[a:b]")
        result = enter(self._elementwise, ufunc, inputs, kwargs)
        return result if out is None else enter(self._replaced, result, ufunc, inputs, kwargs)

    def _elementwise(self, ufunc: Any, inputs: Any, kwargs: Any) -> Stretch:
        parts = [self._beside(x) for x in inputs]
        f = UFUNCS[ufunc.__name__]
        return Stretch(self.start, self.stop, lambda k: f(*[p(k) for p in parts], **kwargs))

    def _replaced(self, result: Stretch, ufunc: Any, inputs: Any, kwargs: Any) -> Stretch:
        """x[a:b] op= y: the array changes if this is a view of one."""
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise DTypeError(
                f"cannot cast the result of np.{ufunc.__name__} from {result.dtype} to the dtype "
                f"{self.dtype} of the slice"
            )
        if self.origin is None:
            return result.astype(self.dtype)
        own = [None if x is self else self._beside(x) for x in inputs]
        f = UFUNCS[ufunc.__name__]
        _store(self, lambda old, k: f(*[old if p is None else p(k) for p in own], **kwargs))
        return self

    def _beside(self, x: Any) -> Element:
        """An operand as what stands beside each element."""
        if isinstance(x, Stretch):
            if x.ndim != self.ndim:
                refuse_length("combining slices of different numbers of axes")
            return x.now().next_to(self)
        if np.ndim(x) >= self.ndim:
            refuse_length("combining x[a:b] with an array along its axis")
        fixed = wrapped(materialise(x)) if isinstance(x, Tracer) and x.type.shape else x
        return lambda k: fixed

    def astype(self, dtype: Any, **options: Any) -> Stretch:
        """As `ndarray.astype`."""
        source = self.now()
        return Stretch(
            self.start,
            self.stop,
            lambda k: wrapped(materialise(source.element(k))).astype(dtype, **options),
        )

    def copy(self, order: str = "C") -> Stretch:
        """As `ndarray.copy`."""
        return self.now()

    # sums

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        found = FUNCTIONS.get(func)
        if found is None:
            refuse_length(f"np.{func.__name__} of x[a:b]")
        return enter(found, *args, **kwargs)

    def dot(self, other: Any) -> Any:
        """As `ndarray.dot`."""
        return enter(_product, self, other)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a slice is a view of: `array` at the index (*before, place, *after).

    The place of the element k is k, or first + k * step if `walk` has these two.
    """

    array: Tracer
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    walk: tuple[Tracer, Tracer] | None = None

    def place(self, k: Any) -> Any:
        """The index of the element k."""
        place = k if self.walk is None else self.walk[0] + k * self.walk[1]
        return (*self.before, place, *self.after)

    def element(self, k: Any) -> Any:
        """The element k."""
        return self.array[self.place(k)]

    def frozen(self) -> Origin:
        """The same of an array that nothing changes."""
        return replace(self, array=wrapped(materialise(self.array)))

    def is_view_of(self, other: Origin) -> bool:
        """Whether the element k is the same element as that of the other one."""
        if self.array is not other.array or self.walk is None or other.walk is None:
            return self.array is other.array and self.walk is other.walk
        return all(map(_same, self.walk, other.walk))


def _same(x: Tracer, y: Tracer) -> bool:
    return x is y or same_mask(x, y)


# slices and assignments


def stretch_of(x: Tracer, index: Any, error: UnknownLengthError) -> Stretch:
    """x[index], one entry of which is a slice with bounds that depend on data."""
    entries = index if type(index) is tuple else (index,)
    place = next((i for i, e in enumerate(entries) if e is error.entry), -1)
    before, after = entries[:place], entries[place + 1 :]
    if place < 0 or not all(map(_is_number, before)) or not all(map(_is_basic, after)):
        raise error
    n, part = error.length, error.entry
    step: Any = 1 if part.step is None else part.step
    plain = not isinstance(step, Tracer) and step == 1
    if type(n) is Dim or not (isinstance(step, Tracer) or step >= 1):
        raise error
    first = _end(0 if part.start is None else part.start, n, error)
    last = _end(n if part.stop is None else part.stop, n, error)
    if plain:
        origin = Origin(x, before, after)
        return Stretch(first, last, origin.element, origin)
    step = _positive(step)
    count = (np.maximum(last - first, 0) + (step - 1)) // step
    origin = Origin(x, before, after, (first, step))
    none = wrap(open_trace().builder.literal(0, INT64))
    return Stretch(none, count, origin.element, origin)


def _positive(step: Any) -> Tracer:
    """A step that is checked to go forwards where that is known at run time only."""
    value = materialise(step, INT64)
    if isinstance(step, Tracer):
        value.gt(0).require(message=BACKWARDS, error=ArgumentError.__name__)
    return wrap(value)


def _is_number(entry: Any) -> bool:
    return isinstance(entry, int | np.integer) or (
        isinstance(entry, Tracer) and not entry.type.shape and entry.dtype.kind in "iu"
    )


def _is_basic(entry: Any) -> bool:
    return _is_number(entry) or isinstance(entry, slice)


def _end(bound: Any, n: int, error: UnknownLengthError) -> Tracer:
    """An end of a slice: counted from the end if it is negative, and within the array."""
    if isinstance(bound, Tracer) and (bound.type.shape or bound.dtype.kind not in "iu"):
        raise error
    value: Value = materialise(bound, INT64)
    value = value.lt(0).select(value.add(n), value).max(0).min(n)
    # never fails; what is checked is known to be in range from then on
    return Tracer(open_trace(), value.check_index(size=n + 1, axis=error.axis))


def assign_stretch(target: Stretch, value: Any) -> None:
    """Stores values where a slice is."""
    origin = target.origin
    if origin is None:
        refuse_length("an assignment to elements that were computed")
    if isinstance(value, Stretch) and value.origin is not None:
        own = value.origin.is_view_of(origin)
        if own and _same(value.start, target.start) and _same(value.stop, target.stop):
            return  # what `x[a:b] += y` ends with
    new = _new(target, value)
    _store(target, lambda old, k: new(k))


def scatter(x: Tracer, places: Stretch, value: Any) -> None:
    """x[places] = value, where the places are a stretch of integers."""
    if places.dtype.kind not in "iu":
        refuse_length("an index that is no slice of integers")
    new, numbers = _new(places, value), places.now()
    _stored(places, x, numbers.element, lambda old, k: new(k))


def _new(target: Stretch, value: Any) -> Element:
    if isinstance(value, Stretch):
        return value.now().next_to(target)
    if np.ndim(value) >= target.ndim:
        refuse_length("an assignment of an array to x[a:b]")
    fixed = wrapped(materialise(value)) if isinstance(value, Tracer) else value
    return lambda k: fixed


def _store(target: Stretch, new: Callable[[Any, Any], Any]) -> None:
    origin = target.origin
    assert origin is not None
    _stored(target, origin.array, origin.place, new)


def _stored(target: Stretch, array: Tracer, place: Element, new: Any) -> None:
    """array[place(k)] = new(its element there, k), one after the other."""

    def step(whole: Any, k: Any) -> Any:
        at = place(k)
        whole[at] = new(whole[at], k)
        return whole

    contents = wrapped(materialise(array))
    write(array, materialise(loop(target.start, target.stop, contents, step)))


# functions


def _folded(name: str, x: Stretch, axis: Any, dtype: Any = None, start: Any = None) -> Any:
    """The sum, or its kin, along the first axis or all of them."""
    if axis not in (None, 0) and axis != -x.ndim:
        refuse_length(f"np.{name} of x[a:b] along other axes")
    combine, initial = _FOLDS[name]
    first = x.now()
    source = first.element
    if axis is None and x.ndim > 1:
        source = lambda k: getattr(np, name)(first.element(k))  # noqa: E731
    one = np.ones((1,), x.dtype)
    target = getattr(np, name)(one, dtype=dtype).dtype if dtype else getattr(np, name)(one).dtype
    shape = () if axis is None else x.type.shape
    number = initial(target) if start is None else start
    # an element of an array, since sums into one may be regrouped
    state = wrapped(open_trace().builder.full((1, *shape), number, target))

    def step(total: Any, k: Any) -> Any:
        total[0] = combine(total[0], source(k)).astype(target)
        return total

    return loop(x.start, x.stop, state, step)[0]


def _least(dtype: Any) -> Any:
    return -np.inf if kind_of(dtype) == "f" else np.iinfo(dtype).min


def _greatest(dtype: Any) -> Any:
    return np.inf if kind_of(dtype) == "f" else np.iinfo(dtype).max


_FOLDS: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "sum": (np.add, lambda dtype: 0),
    "prod": (np.multiply, lambda dtype: 1),
    "max": (np.maximum, _least),
    "min": (np.minimum, _greatest),
    "any": (np.logical_or, lambda dtype: False),
    "all": (np.logical_and, lambda dtype: True),
}


def _fold(name: str) -> Callable[..., Any]:
    def folded(x: Stretch, axis: Any = None, dtype: Any = None, initial: Any = None) -> Any:
        return _folded(name, x, axis, dtype, initial)

    return folded


def _count(x: Stretch, axis: Any) -> Any:
    return x.shape[0] * (math.prod(x.type.shape) if axis is None else 1)


def _mean(x: Stretch, axis: Any = None) -> Any:
    return (x * 1.0 if x.dtype.kind in "biu" else x).sum(axis) / _count(x, axis)


def _var(x: Stretch, axis: Any = None, ddof: Any = 0) -> Any:
    return (abs(x - _mean(x, axis)) ** 2).sum(axis) / (_count(x, axis) - ddof)


def _std(x: Stretch, axis: Any = None, ddof: Any = 0) -> Any:
    return np.sqrt(_var(x, axis, ddof))


def _norm(x: Stretch) -> Any:
    return np.sqrt((abs(x) ** 2).sum())


def _count_nonzero(x: Stretch) -> Any:
    return (x != 0).sum()


def _product(x: Any, y: Any) -> Any:
    """x @ y along the axis of a stretch, or of its rows."""
    if isinstance(x, Stretch) and x.ndim == 1 and isinstance(y, Stretch):
        if y.ndim == 1:
            return (x * y).sum()
        source, rows = x.now(), y.now().next_to(x)
        terms = Stretch(x.start, x.stop, lambda k: source.element(k) * rows(k))
        return terms.sum(0)
    if isinstance(x, Stretch) and x.ndim == 2 and not isinstance(y, Stretch):
        source, right = x.now(), wrapped(materialise(y))
        return Stretch(x.start, x.stop, lambda k: source.element(k) @ right)
    refuse_length("this product of x[a:b]")


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{getattr(np, name): _fold(name) for name in _FOLDS},
    **dict.fromkeys((np.dot, np.inner), _product),
    np.mean: _mean, np.var: _var, np.std: _std, np.linalg.norm: _norm,
    np.count_nonzero: _count_nonzero,
}  # fmt: skip
"""What functions of NumPy do with stretches."""


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Stretch, *args: Any, **options: Any) -> Any:
        return enter(function, self, *args, **options)

    return method


_METHODS: Sequence[str] = (*_FOLDS, "mean", "var", "std")
for _name in _METHODS:
    setattr(Stretch, _name, _method(FUNCTIONS[getattr(np, _name)]))
