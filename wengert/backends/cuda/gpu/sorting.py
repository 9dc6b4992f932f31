"""Sorted rows by Thrust, through CuPy's functions of it.

One row is sorted by the bits of its numbers, which puts a NaN without a sign last, where NumPy has
all of them; several rows are sorted together, by comparing row numbers first. Both are stable.
Thrust takes memory while it runs, from wengert's own pool, so graphs cannot have it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.backends.cuda.device import LibrarySpec
from wengert.backends.cuda.gpu.own import OwnKernels
from wengert.backends.cuda.gpu.ready import Ready, Room
from wengert.ir.floats import kind_of

# Infinity as an unsigned integer, by the bytes of a float.
INFINITE = {2: 0x7C00, 4: 0x7F80_0000, 8: 0x7FF0_0000_0000_0000}
BITS = {2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}


def prepare_sort(cupy: Any, pool: Any, own: OwnKernels, spec: LibrarySpec) -> Ready:
    """The elements of each row in order, or their order."""
    size, width = spec.batch * spec.count, spec.dtype.itemsize
    shape = (size,) if spec.batch == 1 else (spec.batch, spec.count)
    room = Room()
    rows = room.take(8 * size) if spec.batch > 1 else 0
    copied = room.take(size * width) if spec.routine == "order" else None
    thrust, runtime = cupy.cuda.thrust, cupy.cuda.runtime

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        data = out if copied is None else work + copied  # what is sorted in its place
        stream, kind = cupy.cuda.get_current_stream().ptr, runtime.memcpyDeviceToDevice
        runtime.memcpyAsync(data, sources[0], size * width, kind, stream)
        if spec.batch == 1 and kind_of(spec.dtype) == "f":
            own.launch("sorting.h", names_of(spec.dtype), "wg_quieted", size, data, size)
        with cupy.cuda.using_allocator(pool.malloc):
            if copied is None:
                thrust.sort(spec.dtype, data, work + rows, shape)
            else:
                thrust.argsort(spec.dtype, out, data, work + rows, shape)

    # Thrust's own errors come as those of C++, as RuntimeError
    return Ready(room.size, run, False, (RuntimeError, NotImplementedError))


def names_of(dtype: np.dtype[Any]) -> dict[str, str]:
    """What stands for the names in text/sorting.h."""
    infinite = INFINITE[dtype.itemsize]
    quiet = infinite | (infinite & -infinite) >> 1
    return {"INFINITE": f"{infinite}ull", "QUIET": f"{quiet}ull", "BITS": BITS[dtype.itemsize]}
