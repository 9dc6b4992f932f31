"""Fourier transforms by cuFFT, through CuPy's plans on the memory of a launch plan.

A plan is made once, with a work area from wengert's own pool. Calls may be captured in graphs.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from wengert.backends.cuda.device import LibrarySpec
from wengert.backends.cuda.gpu.ready import Ready, Room
from wengert.ir.forms import Transform

# cufftType by what is transformed and the bytes of a float; cuFFT's names for forward
TYPES = {
    ("c2c", 4): 41,
    ("r2c", 4): 42,
    ("c2r", 4): 44,
    ("c2c", 8): 105,
    ("r2c", 8): 106,
    ("c2r", 8): 108,
}
FORWARD = -1


def prepare_transform(cupy: Any, pool: Any, spec: LibrarySpec) -> Ready:
    """The transform of each row, or of the columns of each matrix of a batch.

    cuFFT may write to the operand of c2r, so that one is copied first. Of numbers that are their
    own conjugates it takes the real part (CuPy's tests of irfft rest on that, too).
    """
    routine, width = Transform.named(spec.routine), spec.dtype.itemsize
    layout = _layout(routine, spec)
    with cupy.cuda.using_allocator(pool.malloc):
        plan = _plan(cupy, routine, layout, TYPES[routine.kind, width])
    room = Room()
    copied = room.take(layout.floats * width * spec.batch) if routine.kind == "c2r" else None
    # real numbers must stand where complex ones could
    floats = {"r2c": layout.floats, "c2r": spec.count}.get(routine.kind, 0)
    aside = room.take(floats * width) if spec.batch > 1 and floats % 2 else None

    def move(target: int, source: int, count: int) -> int:
        runtime, stream = cupy.cuda.runtime, cupy.cuda.get_current_stream().ptr
        kind = runtime.memcpyDeviceToDevice
        runtime.memcpyAsync(target, source, count * width, kind, stream)
        return target

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        first = sources[0]
        if copied is not None:
            first = move(work + copied, first, layout.floats * spec.batch)
        for k in range(spec.batch):
            source, result = first + k * layout.floats * width, out + k * spec.count * width
            if aside is None:
                plan.fft(_at(source), _at(result), FORWARD)
            elif routine.kind == "r2c":
                plan.fft(_at(move(work + aside, source, floats)), _at(result), FORWARD)
            else:
                plan.fft(_at(source), _at(work + aside), FORWARD)
                move(result, work + aside, floats)

    return Ready(room.size, run, True, (cupy.cuda.cufft.CuFFTError,))


@dataclass(frozen=True, slots=True)
class _Layout:
    """How many transforms a call makes; strides within and between them, in numbers."""

    count: int
    stride: int
    before: int
    after: int
    floats: int  # of the operand


def _layout(routine: Transform, spec: LibrarySpec) -> _Layout:
    rows, columns = spec.shapes[0]
    # a single column has the name of a row, but is not as long as one
    if routine.inner == 1 and columns == routine.row_before:
        return _Layout(rows, 1, routine.before, routine.after, rows * columns)
    return _Layout(routine.inner, routine.inner, 1, 1, rows * columns)


def _plan(cupy: Any, routine: Transform, layout: _Layout, kind: int) -> Any:
    before, after = [routine.before], [routine.after]
    steps = (before, layout.stride, layout.before, after, layout.stride, layout.after)
    shape, last = (routine.n,), routine.n
    return cupy.cuda.cufft.PlanNd(shape, *steps, kind, layout.count, "C", 0, last)


def _at(address: int) -> Any:
    """What CuPy's plans take for an array: they look at its address alone."""
    return SimpleNamespace(data=SimpleNamespace(ptr=address))
