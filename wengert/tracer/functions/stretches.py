"""x[a:b:s] whose length depends on data: rows of sparse matrices, segments of lists of lists.

Such a slice is kept as its ends and what its element at a place is. Functions of elements make
another stretch of that. Sums and their kin (`stretch_functions`) are loops over the places from a
to b, and so is an assignment. Anything else needs the length, and is an error.

A slice is a view, so it is read when it is used; what is computed from it holds the elements that
the arrays had at that time, and is an array of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from wengert.errors import CaptureError, DTypeError, ShapeError, at
from wengert.ir.types import INT64, Dim
from wengert.tracer.affine import bind_index, bounds
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.entries import UnknownLengthError
from wengert.tracer.functions.masks import is_number
from wengert.tracer.functions.operands import materialise, operand, wrapped
from wengert.tracer.functions.origins import Origin
from wengert.tracer.functions.spans import (
    as_index,
    count,
    demand,
    is_basic,
    refuse_length,
    same,
    spanned,
)
from wengert.tracer.lift import lift, wrap
from wengert.tracer.mutation import write
from wengert.tracer.stack import current, opened, user_location
from wengert.tracer.tables import UFUNCS

UNEQUAL = "operands could not be broadcast together: slices of different lengths"

Element = Callable[[Any], Any]
Step = Callable[[Any, Any], Any]
New = Callable[[Any, Any], Any]
"""The new element for the old one and its place."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""What functions of NumPy, and `np.ufunc` for all ufuncs, do: filled by `stretch_functions`."""
METHODS: dict[str, Callable[..., Any]] = {}
"""The same for methods and properties of arrays."""


def _loop(start: Any, stop: Any, state: Any, step: Step) -> Any:
    raise NotImplementedError


loop: Callable[[Any, Any, Any, Step], Any] = _loop
"""state = step(state, k) for k = start .. stop - 1 (set by `capture.forms`)."""


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
        self.owner = current()
        self.line = user_location()
        self._sample: Any = None

    @property
    def sample(self) -> Any:
        """The type of an element, or of its elements where it is a stretch itself."""
        if self._sample is None:
            with opened("an element of a slice") as here:
                index = here.builder.input(materialise(self.start).type)
                bind_index(here, index, self.start, self.stop)
                found = self.element(wrap(index, True))
                self._sample = found.sample if isinstance(found, Stretch) else lift(found).type
                self._ndim = found.ndim if isinstance(found, Stretch) else len(self._sample.shape)
        return self._sample

    @property
    def is_regular(self) -> bool:
        """Whether its elements are numbers or arrays, and no slices of lengths of their own."""
        return len(self.sample.shape) == self._ndim

    @property
    def type(self) -> Any:
        """The type of an element."""
        found = self.sample
        if not self.is_regular:
            refuse_length("the shape of x[a:b, c:d]")
        return found

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self.sample.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        _ = self.sample
        return 1 + self._ndim

    @property
    def shape(self) -> tuple[Any, ...]:
        """The length, a traced one, and the other axes."""
        return (self.length, *self.type.shape)

    @property
    def length(self) -> Any:
        """The number of places, a traced one."""
        return np.maximum(self.stop - self.start, 0)

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

    def __getattr__(self, name: str) -> Any:
        found = METHODS.get(name)
        if found is not None:
            return lambda *args, **options: enter(found, self, *args, **options)
        if not name.startswith("__") and hasattr(np.ndarray, name):
            refuse_length(f"x[a:b].{name}")
        raise AttributeError(f"'Stretch' object has no attribute '{name}'")

    @property
    def real(self) -> Any:
        """As `ndarray.real`."""
        return np.real(self)  # pyright: ignore[reportCallIssue, reportArgumentType]

    @property
    def imag(self) -> Any:
        """As `ndarray.imag`."""
        return np.imag(self)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def __repr__(self) -> str:
        return f"a slice x[a:b] of {self.dtype}"

    # parts

    def __getitem__(self, index: Any) -> Any:
        return enter(self._item, index)

    def _item(self, index: Any) -> Any:
        first, rest = _split(index)
        if is_number(first):
            found = self.element(self._place(first))
            return found[rest] if rest else found
        if not isinstance(first, slice):
            refuse_length("a part of x[a:b] other than an element or a slice")
        part = self._cut(first)
        return part._within(rest) if rest else part

    def __setitem__(self, index: Any, value: Any) -> None:
        enter(self._set_item, index, value)

    def _set_item(self, index: Any, value: Any) -> None:
        if isinstance(index, Stretch) and index.dtype == np.bool_:
            mask, new = index.now().next_to(self), elements_for(self, value)
            self._change(lambda old, k: np.where(mask(k), new(k), old))
            return
        first, rest = _split(index)
        if self.origin is None and is_number(first) and not rest:
            place, fixed = self._checked(first), _fixed(value)
            self._change(lambda old, k: np.where(k == place, fixed, old))
        elif self.origin is None and first == slice(None) and not rest:
            new = elements_for(self, value)
            self._change(lambda old, k: new(k))
        elif not is_number(first):
            assign_stretch(self._item(index), value)
        elif self.origin is None:
            refuse_length("an assignment to parts of elements that were computed")
        elif rest:
            self._item(first)[rest] = value
        else:
            self.origin.array[self.origin.place(self._place(first))] = value

    def _place(self, index: Any) -> Any:
        """The place of an element; one that no array has if it is out of bounds."""
        k: Any = index
        place: Any = np.where(k < 0, self.stop, self.start) + k
        inside = (place >= self.start) & (place < self.stop)
        return np.where(inside, place, np.iinfo(np.int64).max)

    def _checked(self, index: Any) -> Any:
        """The place of an element, checked at run time."""
        reach = bounds(self.stop)
        size = np.iinfo(np.int64).max if reach is None else max(reach[1], 1)
        return wrap(materialise(self._place(index), INT64).check_index(size=size, axis=0))

    def _cut(self, part: slice) -> Stretch:
        """self[part]: a view of what this is a view of."""
        if part == slice(None):
            return Stretch(self.start, self.stop, self.element, self.origin)
        first, last, step = spanned(part, self.length)
        begin = _known_within(self.start + first, self)
        if type(step) is int and step == 1:
            end = _known_within(self.start + last, self)
            return Stretch(begin, end, self.element, self.origin)
        inner, stride = self.element, as_index(step)
        origin = None if self.origin is None else self.origin.strided(begin, stride)
        computed: Element = lambda k: inner(begin + k * stride)  # noqa: E731
        element = computed if origin is None else origin.element
        return Stretch(as_index(0), count(first, last, step), element, origin)

    def _within(self, rest: tuple[Any, ...]) -> Stretch:
        """self[:, *rest]"""
        origin, inner = self.origin, self.element
        if origin is None:
            return Stretch(self.start, self.stop, lambda k: inner(k)[rest])
        if origin.after or not all(map(is_basic, rest)):
            refuse_length("x[a:b, ...][:, i]")
        origin = replace(origin, after=rest)
        return Stretch(self.start, self.stop, origin.element, origin)

    def _change(self, new: New) -> None:
        """Gives each element the value new(old element, place), in place."""
        if self.origin is not None:
            store_at(self, self.origin.array, self.origin.place, new)
            return
        if self.owner is not current():
            raise CaptureError(
                "what was computed from a slice whose bounds depend on data is changed in place in "
                f"a branch or loop, and it was made outside of it{at(self.line)}; make a new one "
                "(s = s + 1), or change the array that the slice was taken of"
            )
        before, dtype = self.element, self.dtype
        self.element = lambda k: wrapped(materialise(new(before(k), k), dtype))

    def next_to(self, beside: Stretch) -> Element:
        """The element beside the one of another stretch of this length, or the only one."""
        element, start = self.element, self.start
        if same_ends(self, beside):
            return element
        length = self.length
        demand((length == beside.length) | (length == 1), UNEQUAL, ShapeError)
        step = np.where(length == 1, 0, 1)
        return lambda k: element(start + (k - beside.start) * step)

    def now(self) -> Stretch:
        """The same, with the elements that there are now."""
        frozen = self.element if self.origin is None else self.origin.frozen().element
        return Stretch(self.start, self.stop, frozen)

    def picked(self, x: Any) -> Stretch:
        """x[self]: the elements of `x` whose numbers these are."""
        if self.dtype.kind not in "iu":
            refuse_length("an index that is no slice of integers")
        whole, places = wrapped(materialise(x)), self.now()
        return Stretch(self.start, self.stop, lambda k: whole[places.element(k)])

    # elements

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return enter(FUNCTIONS[np.ufunc], ufunc, method, inputs, kwargs)

    def update(self, ufunc: Any, inputs: Sequence[Any], kwargs: Any) -> None:
        """x[a:b] op= y: the array changes if this is a view of one."""
        own = [None if x is self else _fitted(self, x) for x in inputs]
        f = of_parts(ufunc)

        def new(old: Any, k: Any) -> Any:
            return f(*[old if p is None else p(k) for p in own], **kwargs)

        old = self.element
        found = Stretch(self.start, self.stop, lambda k: new(old(k), k)).dtype
        if not np.can_cast(found, self.dtype, "same_kind"):
            raise DTypeError(
                f"cannot cast the result of np.{ufunc.__name__} from {found} to the dtype "
                f"{self.dtype} of the slice"
            )
        self._change(new)

    def astype(self, dtype: Any, **options: Any) -> Stretch:
        """As `ndarray.astype`."""
        element = self.now().element
        cast: Element = lambda k: wrapped(materialise(element(k))).astype(dtype, **options)  # noqa: E731
        return Stretch(self.start, self.stop, cast)

    def copy(self, order: str = "C") -> Stretch:
        """As `ndarray.copy`."""
        return self.now()

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        found = FUNCTIONS.get(func)
        if found is None:
            refuse_length(f"np.{func.__name__} of x[a:b]")
        return enter(found, *args, **kwargs)


def same_ends(x: Stretch, y: Stretch) -> bool:
    """Whether two stretches are known to have the same places."""
    return same(x.start, y.start) and same(x.stop, y.stop)


def of_parts(ufunc: Any) -> Callable[..., Any]:
    """A ufunc for elements, which are stretches themselves in x[a:b, c:d]."""

    def called(*xs: Any, **options: Any) -> Any:
        nested = any(isinstance(x, Stretch) for x in xs)
        return (ufunc if nested else UFUNCS[ufunc.__name__])(*xs, **options)

    return called


# what stands beside the elements


def _fitted(target: Stretch, x: Any) -> Element:
    """What stands beside each element of a stretch that keeps its length."""
    if not isinstance(x, Stretch):
        return beside(target, target.ndim, x)
    if x.ndim > target.ndim:
        refuse_length("storing slices of more axes")
    frozen = x.now()
    return frozen.next_to(target) if x.ndim == target.ndim else lambda k: frozen


def beside(target: Stretch, ndim: int, x: Any) -> Element:
    """A number or an array as what stands beside each element."""
    if isinstance(x, int | float | complex) or not (given := operand(x)).shape:
        fixed = _fixed(x)
        return lambda k: fixed
    whole = wrapped(materialise(given))
    if given.ndim < ndim:
        return lambda k: whole
    n = given.shape[0]
    if given.ndim > ndim or type(n) is Dim:
        refuse_length("combining x[a:b] with an array of more axes")
    if n == 1:
        row = whole[0]
        return lambda k: row
    demand(target.length == n, UNEQUAL, ShapeError)
    return lambda k: whole[k - target.start]


def _fixed(x: Any) -> Any:
    """An operand that nothing changes."""
    return wrapped(materialise(x)) if isinstance(x, Tracer) and x.mutable else x


# slices and assignments


def stretch_of(x: Tracer, index: Any, error: UnknownLengthError) -> Stretch:
    """x[index], one entry of which is a slice with bounds that depend on data.

    The first slice is the axis of the result; what comes after it is that of its elements.
    """
    entries = _written_out(x, index)
    place = next((i for i, e in enumerate(entries) if isinstance(e, slice)), -1)
    unknown = any(e is error.entry for e in entries)
    if not unknown or not all(map(is_basic, entries)) or type(x.type.shape[place]) is Dim:
        raise error
    before, after = entries[:place], entries[place + 1 :]
    first, last, step = spanned(entries[place], x.type.shape[place], error)
    origin = Origin(x, before, after)
    if type(step) is int and step == 1:
        return Stretch(first, last, origin.element, origin)
    origin = origin.strided(first, as_index(step))
    return Stretch(as_index(0), count(first, last, step), origin.element, origin)


def _written_out(x: Tracer, index: Any) -> tuple[Any, ...]:
    """An index with slices in the place of an ellipsis."""
    entries = index if type(index) is tuple else (index,)
    if not any(e is Ellipsis for e in entries):
        return entries
    k = next(i for i, e in enumerate(entries) if e is Ellipsis)
    free = x.ndim - len(entries) + 1
    return (*entries[:k], *[slice(None)] * free, *entries[k + 1 :])


def whole_of(x: Tracer) -> Stretch:
    """An array as a slice of all of it."""
    if not isinstance(x, Tracer) or not x.type.shape or type(x.type.shape[0]) is Dim:
        refuse_length("storing x[a:b] in this array")
    origin = Origin(x, (), ())
    return Stretch(as_index(0), as_index(x.type.shape[0]), origin.element, origin)


def _known_within(place: Any, whole: Stretch) -> Any:
    """A place that is no further than the ends of a stretch, known to be so."""
    ends = bounds(whole.start), bounds(whole.stop)
    if ends[0] is None or ends[1] is None or min(ends[0][0], ends[1][0]) < 0:
        return place
    most = max(ends[0][1], ends[1][1])
    return wrap(materialise(place, INT64).check_index(size=most + 1, axis=0))


def _split(index: Any) -> tuple[Any, tuple[Any, ...]]:
    """What an index has for the axis of a stretch, and for the others."""
    entries = index if type(index) is tuple else (index,)
    if not entries or entries[0] is Ellipsis:
        return slice(None), (() if len(entries) < 2 else refuse_length("x[a:b][..., i]"))
    rest = entries[1:]
    return entries[0], (rest[:-1] if rest and rest[-1] is Ellipsis else rest)


def assign_stretch(target: Stretch, value: Any) -> None:
    """Stores values where a slice is."""
    origin = target.origin
    if origin is None:
        refuse_length("an assignment to elements that were computed")
    source = value.origin if isinstance(value, Stretch) else None
    if source is not None and source.is_view_of(origin) and same_ends(value, target):
        return  # what `x[a:b] += y` ends with
    if isinstance(value, Stretch) and value.ndim == target.ndim and not same_ends(value, target):
        _store_shifted(target, origin, value)
        return
    new = elements_for(target, value)
    store_at(target, origin.array, origin.place, lambda old, k: new(k))


def _store_shifted(target: Stretch, origin: Origin, value: Stretch) -> None:
    """Stores a stretch of other places: a loop over its elements, and one for the only one."""
    single, start = value.length == 1, value.start
    demand((value.length == target.length) | single, UNEQUAL, ShapeError)
    element, shift = value.now().element, start - target.start
    middle: Any = np.where(single, target.start, target.stop)
    parts: tuple[tuple[Any, Any, Element], ...] = (
        (target.start, middle, lambda k: element(k + shift)),
        (middle, target.stop, lambda k: element(start)),
    )
    for first, last, new in parts:
        places = Stretch(first, last, new)
        store_at(places, origin.array, origin.place, lambda old, k, new=new: new(k))


def scatter(x: Tracer, places: Stretch, value: Any) -> None:
    """x[places] = value, where the places are a stretch of integers."""
    if places.dtype.kind not in "iu":
        refuse_length("an index that is no slice of integers")
    new, numbers = elements_for(places, value), places.now()
    store_at(places, x, numbers.element, lambda old, k: new(k))


def elements_for(target: Stretch, value: Any) -> Element:
    """The elements to be stored."""
    if not isinstance(value, Stretch) and not operand(value).shape:
        fixed = _fixed(value)
        return lambda k: fixed
    return _fitted(target, value)


def store_at(target: Stretch, array: Tracer, place: Element, new: New) -> None:
    """array[place(k)] = new(its element there, k), one after the other."""

    def step(whole: Any, k: Any) -> Any:
        at = place(k)
        whole[at] = new(whole[at], k)
        return whole

    contents = wrapped(materialise(array))
    write(array, materialise(loop(target.start, target.stop, contents, step)))
