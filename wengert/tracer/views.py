"""Views: arrays that see the elements of another one, their base, and write through to it.

Nearly every view NumPy makes is a `Window`: a regular part of the base, whose axes may be
reordered, left out (length 1) or new. Windows of windows are windows of the same base, so that
`row = a[i]; row[j] = v` writes one element of `a`. A reshape that merges or splits axes is a
`Reshaped`, a repetition a `Spread`, which is read-only.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.program import Var
from wengert.ir.types import INT64, Dim, Shape, TensorType
from wengert.tracer.array import Array, Lens, Tracer
from wengert.tracer.lift import dimension
from wengert.tracer.mutation import adopt, known
from wengert.tracer.stack import Trace, open_trace, opened

Start = int | Tracer
"""Where a window begins along an axis: known, or a traced scalar."""


# the lenses


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A regular part of the base: for each of its axes a start, a step and a size.

    `axes` says for each axis of the view which one of the base it is, or -1 for a new axis of
    length 1. Axes of the base that are left out have size 1.
    """

    starts: tuple[Start, ...]
    steps: tuple[int, ...]
    sizes: Shape
    axes: tuple[int, ...]

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Window)
            and self.steps == other.steps
            and self.axes == other.axes
            and self.sizes == other.sizes
            and all(map(same_start, self.starts, other.starts))
        )

    @staticmethod
    @functools.lru_cache(512)
    def whole(shape: Shape) -> Window:
        """All of an array."""
        n = len(shape)
        return Window((0,) * n, (1,) * n, shape, tuple(range(n)))

    @property
    def shape(self) -> Shape:
        """The shape of the view."""
        return tuple([self.sizes[a] if a >= 0 else 1 for a in self.axes])

    @property
    def static(self) -> bool:
        """Whether position and sizes are known."""
        for start in self.starts:
            if type(start) is not int:
                return False
        return Dim not in map(type, self.sizes)

    def covers(self, shape: Shape) -> bool:
        """Whether this is all of the base, in its order, but for its axes' order."""
        return (
            self.sizes == shape
            and all(type(s) is int and s == 0 for s in self.starts)
            and all(s == 1 for s in self.steps)
        )

    def forwards(self) -> tuple[tuple[Start, ...], tuple[int, ...], tuple[int, ...]]:
        """Starts and steps with all steps positive, and the axes that are then to be reversed."""
        if min(self.steps, default=1) > 0:
            return self.starts, self.steps, ()
        starts, steps = list(self.starts), list(self.steps)
        turned: list[int] = []
        for axis, (step, size) in enumerate(zip(self.steps, self.sizes, strict=True)):
            if step >= 0 or type(size) is Dim:
                continue
            starts[axis] = moved(starts[axis], step * max(size - 1, 0))
            steps[axis] = -step
            if size > 1:
                turned.append(axis)
        return tuple(starts), tuple(steps), tuple(turned)

    # through the lens

    def read(self, trace: Trace, whole: Value) -> Value:
        """The view's contents, for contents of the base."""
        value = whole
        if not self.covers(whole.shape):
            starts, steps, turned = self.forwards()
            if self.static:
                cuts = [_cut(*c) for c in zip(starts, steps, self.sizes, strict=True)]
                first, last, step = (tuple(part) for part in zip(*cuts, strict=True))
                if cuts != [(0, n, 1) for n in whole.shape]:
                    value = value.slice(start=first, stop=last, step=step)
            else:
                placed = [_start(trace, s) for s in starts]
                value = value.window(*placed, sizes=self.sizes, steps=steps)
            if turned:
                value = value.rev(axes=turned)
        return self._arranged(value)

    def _arranged(self, value: Value) -> Value:
        kept = [a for a in self.axes if a >= 0]
        order = sorted(kept)
        if kept != order:
            value = reshaped(value, tuple([self.sizes[a] for a in order]))
            value = value.transpose(perm=tuple([order.index(a) for a in kept]))
        return reshaped(value, self.shape)

    def write(self, trace: Trace, whole: Value, value: Value) -> Value:
        """The contents of the base after the view has been given other ones."""
        kept = [a for a in self.axes if a >= 0]
        order = sorted(kept)
        value = reshaped(value, tuple([self.sizes[a] for a in kept]))
        if kept != order:
            value = value.transpose(perm=tuple([kept.index(a) for a in order]))
        value = reshaped(value, self.sizes)
        if self.covers(whole.shape):
            return value
        if any(n == 0 for n in self.sizes):
            return whole
        starts, steps, turned = self.forwards()
        if turned:
            value = value.rev(axes=turned)
        return whole.window_set(value, *[_start(trace, s) for s in starts], steps=steps)

    def of(self, array: Array) -> Array | None:
        """The same view of a concrete array; None if the window moves."""
        if not self.static:
            return None
        cuts = zip(self.starts, self.steps, self.sizes, strict=True)
        found = array[tuple(_slice(int(s), step, n) for s, step, n in cuts)]  # pyright: ignore
        kept = [a for a in self.axes if a >= 0]
        dropped = [a for a in range(array.ndim) if a not in kept]
        found = found.transpose([*dropped, *kept])[(*(0,) * len(dropped), ...)]
        return found[(*(None if a < 0 else slice(None) for a in self.axes), ...)]

    # windows of windows

    def transposed(self, perm: Sequence[int]) -> Window:
        """The axes of the view reordered."""
        return replace(self, axes=tuple([self.axes[p] for p in perm]))

    def squeezed(self, shape: Shape) -> Window | None:
        """The view in a shape that differs in axes of length 1 alone; None if it does not."""
        own = [(a, n) for a, n in zip(self.axes, self.shape, strict=True) if n != 1]
        if [n for _, n in own] != [n for n in shape if n != 1]:
            return None
        rest = iter(own)
        return replace(self, axes=tuple([-1 if n == 1 else next(rest)[0] for n in shape]))

    def part(self, cuts: Sequence[Part | None]) -> Window | None:
        """A part of the view: an entry for each of its axes, and None for each new axis.

        Gives None where a new axis is left with no element.
        """
        starts, steps, sizes = list(self.starts), list(self.steps), list(self.sizes)
        axes: list[int] = []
        old = iter(self.axes)
        for cut in cuts:
            if cut is None:
                axes.append(-1)
                continue
            axis = next(old)
            if not cut.dropped:
                axes.append(axis)
            if axis < 0:
                if cut.size != 1:
                    return None
                continue
            starts[axis] = moved(starts[axis], cut.start, self.steps[axis])
            steps[axis] = self.steps[axis] * cut.step
            sizes[axis] = cut.size
        return Window(tuple(starts), tuple(steps), tuple(sizes), tuple(axes))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of one axis: start, step and size; `dropped` if an integer chose it."""

    start: Start
    step: int
    size: int
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Reshaped:
    """The base's elements in row-major order in another shape."""

    shape: Shape
    inner: Shape

    def read(self, trace: Trace, whole: Value) -> Value:
        """The view's contents, for contents of the base."""
        return reshaped(whole, self.shape)

    def write(self, trace: Trace, whole: Value, value: Value) -> Value:
        """The contents of the base after the view has been given other ones."""
        return reshaped(value, self.inner)

    def of(self, array: Array) -> Array | None:
        """The same view of a concrete array."""
        return array.reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Spread:
    """The base repeated, as `broadcast_to` does it; read-only."""

    shape: Shape
    dims: tuple[int, ...]

    def read(self, trace: Trace, whole: Value) -> Value:
        """The view's contents, for contents of the base."""
        return whole.broadcast(shape=self.shape, dims=self.dims)

    def write(self, trace: Trace, whole: Value, value: Value) -> Value:
        """Never called: the view is read-only."""
        raise AssertionError("a repeated view is read-only")

    def of(self, array: Array) -> Array | None:
        """The same view of a concrete array."""
        lengths = [1] * len(self.shape)
        for d, n in zip(self.dims, array.shape, strict=True):
            lengths[d] = n
        return np.broadcast_to(array.reshape(lengths), self.shape)


def reshaped(value: Value, shape: Shape) -> Value:
    """`value` in another shape; writes nothing if it has that one."""
    return value if value.shape == shape else value.reshape(shape=shape)


def _cut(start: Any, step: int, size: int) -> tuple[int, int, int]:
    if size == 0:
        return 0, 0, 1
    return (start, start + 1, 1) if size == 1 else (start, start + step * (size - 1) + 1, step)


def _slice(start: int, step: int, size: int) -> slice:
    if size == 0:
        return slice(0, 0)
    stop = start + step * size
    return slice(start, stop if stop >= 0 else None, step)


def _start(trace: Trace, start: Start) -> Value:
    if isinstance(start, Tracer):
        return trace.read(start)
    return trace.builder.literal(start, INT64)


def same_start(x: Start, y: Start) -> bool:
    """Whether two starts are the same number, or the same scalar of the trace."""
    if isinstance(x, Tracer) and isinstance(y, Tracer):
        return x is y or x.value.atom is y.value.atom
    return type(x) is type(y) and x == y


def moved(start: Start, by: Start, step: int = 1) -> Start:
    """start + step * by"""
    if type(by) is int:
        if by * step == 0:
            return start
        if type(start) is int:
            return start + step * by
    elif type(start) is int and start == 0 and step == 1:
        return by
    trace = open_trace(start)
    offset = _start(trace, by)
    offset = offset if step == 1 else offset.mul(step)
    return Tracer(
        trace, offset if type(start) is int and start == 0 else _start(trace, start) + offset
    )


# making views


def frame(x: Tracer) -> tuple[Tracer, Window]:
    """The array that a window of `x` is best taken of, and `x` as a window of it."""
    if x.base is not None and isinstance(x.lens, Window):
        return x.base, x.lens
    return x, Window.whole(x.type.shape)


def view(base: Tracer, lens: Lens, shape: Shape, locked: bool | str = False) -> Tracer:
    """An array that sees `base` through a lens.

    Its contents are written now, unless the elements of the base are known: so a view stands at
    its place in the user's program.
    """
    found = unread(base, lens, shape)
    found.locked = locked or base.locked
    if known(base, note=False) is None:
        found.viewed(found.owner)
    return found


def unread(base: Tracer, lens: Lens, shape: Shape) -> Tracer:
    """A view whose contents are not written to the program before they are asked for."""
    found = Tracer.__new__(Tracer)
    found.owner = open_trace(base)
    found.type = TensorType(base.dtype, shape)
    found.weak, found.made, found.locked = False, True, False
    found.latest = found.elements = None
    found.base, found.lens, found.links = base, lens, None
    found._seen = None  # pyright: ignore[reportPrivateUsage]
    return found


def windowed(x: Tracer, base: Tracer, window: Window) -> Tracer:
    """The view of `base` through a window; `x` is the array that it was taken of."""
    return view(base, window, window.shape, x.locked)


# functions that give views

Step = tuple[str, dict[str, Any]]


def of_function(
    implementation: Callable[..., Any], x: Tracer, args: Any, kwargs: Any, locked: bool = False
) -> Any:
    """The views of `x` that a function such as transpose gives.

    What the function does is found by running it on an array of the same shape by itself.
    """
    key = (tuple(args), tuple(kwargs.items()))
    try:
        hash(key)
    except TypeError:
        recipe = _recipe(implementation, x.type, args, kwargs)
    else:
        recipe = _remembered(implementation, x.type, key)
    several, ways = recipe
    if None in ways:
        return implementation(x, *args, **kwargs)
    found = [_followed(x, steps, locked) for steps in ways]
    return found[0] if several is None else several(found)


@functools.lru_cache(4096)
def _remembered(implementation: Callable[..., Any], kind: TensorType, key: Any) -> Any:
    return _recipe(implementation, kind, key[0], dict(key[1]))


def _recipe(implementation: Callable[..., Any], kind: TensorType, args: Any, kwargs: Any) -> Any:
    """The equations that lead from an array to its views, and what holds them, if several."""
    with opened("a view") as trace:
        source = trace.builder.input(kind)
        result = implementation(Tracer(trace, source), *args, **kwargs)
        if isinstance(result, list | tuple):
            return type(result), [_steps(trace, source, r) for r in result]
        return None, [_steps(trace, source, result)]


def _steps(trace: Trace, source: Value, result: Tracer) -> tuple[Step, ...] | None:
    """The equations from `source` to `result`; None if that is no view of it."""
    steps: list[Step] = []
    atom = result.value.atom
    while atom is not source.atom:
        eqn = trace.producer(atom) if isinstance(atom, Var) else None
        if eqn is None or eqn.op.name not in _STEPS:
            return None
        steps.append((eqn.op.name, eqn.params))
        atom = eqn.inputs[0]
    return tuple(reversed(steps))


_STEPS = ("slice", "rev", "transpose", "reshape", "broadcast")


def _followed(x: Tracer, steps: Sequence[Step], locked: bool) -> Tracer:
    base, window = frame(x)
    for name, params in steps:
        if name == "transpose":
            window = window.transposed(params["perm"])
        elif name == "slice":
            cuts = zip(params["start"], params["stop"], params["step"], strict=True)
            window = _narrowed(window, [Part(a, s, _span(a, b, s)) for a, b, s in cuts])
        elif name == "rev":
            lengths = enumerate(window.shape)
            every = [
                Part(dimension(n) - 1, -1, n) if d in params["axes"] else Part(0, 1, n)
                for d, n in lengths
            ]
            window = _narrowed(window, every)
        elif name == "broadcast":
            inner = base if window == Window.whole(base.type.shape) else windowed(x, base, window)
            base = view(inner, Spread(params["shape"], params["dims"]), params["shape"], True)
            window = Window.whole(base.type.shape)
        else:
            squeezed = window.squeezed(params["shape"])
            if squeezed is not None:
                window = squeezed
                continue
            inner = base if window == Window.whole(base.type.shape) else windowed(x, base, window)
            if not _is_view(inner, params["shape"]):
                base = copied(inner, params["shape"])
            else:
                base = view(inner, Reshaped(params["shape"], inner.type.shape), params["shape"])
            window = Window.whole(base.type.shape)
    if base is not x and window == Window.whole(base.type.shape) and not locked:
        return base
    return view(base, window, window.shape, locked or x.locked)


def _span(start: int, stop: int, step: int) -> int:
    return stop - start if type(stop) is Dim and step == 1 else len(range(start, stop, step))


def copied(x: Tracer, shape: Shape) -> Tracer:
    """A new array of x's elements in another shape."""
    elements = known(x)
    if elements is not None:
        return adopt(elements.reshape(shape))
    trace = open_trace(x)
    return Tracer(trace, reshaped(trace.read(x), shape))


def _narrowed(window: Window, parts: Sequence[Part]) -> Window:
    found = window.part(parts)
    assert found is not None, "an empty part of an axis of length 1"
    return found


def flat(x: Tracer) -> Tracer:
    """The elements in row-major order, to be read and written whatever the order in memory is."""
    if sum(type(n) is Dim for n in x.type.shape) > 1:
        raise ShapeError(
            f"x.flat of an array of shape {x.type.shape}, with two lengths that depend on the "
            "indices of loops, is not available; use x[i, j]"
        )
    size = functools.reduce(operator.mul, x.type.shape, 1)
    return view(x, Reshaped((size,), x.type.shape), (size,))


# which reshapes are views


def _is_view(x: Tracer, shape: Shape) -> bool:
    """Whether NumPy reshapes without a copy; arrays are taken to be contiguous."""
    if any(type(n) is Dim for n in x.type.shape):
        return False
    if x.base is None:
        return True
    try:
        np.reshape(layout(x), shape, copy=False)
    except ValueError:
        return False
    return True


def layout(x: Tracer) -> Array:
    """An array of bytes with the shape and the strides, in elements, of `x`; not to be read."""
    if x.base is None:
        return _strided(x.type.shape, _row_major(x.type.shape))
    whole = layout(x.base)
    if isinstance(x.lens, Window):
        w = x.lens
        strides = [whole.strides[a] * w.steps[a] if a >= 0 else 0 for a in w.axes]
        return _strided(x.type.shape, strides)
    if isinstance(x.lens, Reshaped):
        return np.reshape(whole, x.type.shape, copy=False)
    return _strided(x.type.shape, [0] * x.ndim)


def _row_major(shape: Shape) -> list[int]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.insert(0, step)
        step *= max(int(n), 1)
    return strides


def _strided(shape: Shape, strides: Sequence[int]) -> Array:
    return np.lib.stride_tricks.as_strided(
        np.zeros(1, np.uint8), tuple(map(int, shape)), strides, writeable=False
    )
