"""Sums over the processes of one machine, through memory that they share.

MPI libraries move a message between two processes of a machine by copying it through small cells;
here each process reads what the others have put down. `backends/cpu/routines/shared_sum_text.py`
has the algorithm, MPI gives the memory.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.cpu import support
from wengert.backends.cpu.routines import shared_sum_text
from wengert.errors import DistributedError
from wengert.ir.types import DType

Array = np.ndarray[Any, Any]

MOST_BLOCK, LEAST_BLOCK, ALL_BLOCKS = 1 << 17, 1 << 14, 1 << 19
"""Bytes of a block, which is to stay in the cache of a core, and of the blocks of all processes."""
HURRY, NO_HURRY = 4000, 20
"""How often to look for the others before they are let run: if each has a core, and if not."""
_CELL_BYTES = 8 * shared_sum_text.CELLS
_Sum = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 9)


@dataclass(slots=True, eq=False)
class _Begun:
    """An array whose sum has begun: after so many blocks, with so many of its own put down."""

    array: Array
    before: int
    staged: int = 0


@dataclass(slots=True)
class SharedMemory:
    """The memory of the processes of a communicator, all on one machine, and its state.

    `slots` and `cells` are tables of addresses, of each process's part; `blocks` counts what has
    begun, the same in all processes, which make the same calls in the same order; `begun` has what
    nobody has waited for yet.
    """

    rank: int
    size: int
    block_bytes: int
    slots: Any
    cells: Any
    hurry: int
    timeout: float
    window: Any  # keeps the memory
    blocks: int = 0
    begun: deque[_Begun] = field(default_factory=deque)

    def takes(self, dtype: DType) -> bool:
        """Whether arrays of this dtype can be added up here."""
        return dtype in shared_sum_text.KINDS

    def sum(self, array: Array) -> None:
        """Puts the sum over all processes into the place of a contiguous array, in each.

        Raises DistributedError if the others do not come within the timeout, or have ended.
        """
        self.begun.append(_Begun(array, self.blocks))
        self.blocks += self._blocks(array)
        self._finish(self.begun[-1])

    def begin(self, array: Array) -> Callable[[], None]:
        """Puts down what the others need of an array, as far as there is room, without waiting.

        The result does the rest of `sum`, after that of all that has begun before.
        """
        begun = _Begun(array, self.blocks)
        self.blocks += self._blocks(array)
        if not self.begun or self.begun[-1].staged == self._blocks(self.begun[-1].array):
            begun.staged = self._call(begun, staging=True)
        self.begun.append(begun)
        return lambda: self._finish(begun)

    def _finish(self, wanted: _Begun) -> None:
        while wanted in self.begun:
            if self._call(self.begun.popleft(), staging=False) < 0:
                ended = [k for k in range(self.size) if k != self.rank and self._gone(k)[0]]
                raise has_ended(self.rank, ended) if ended else too_late(self.rank, self.timeout)

    def leave(self) -> None:
        """Lets the others know that this process ends: who waits for it need not do so longer."""
        self._gone(self.rank)[0] = 1

    def _gone(self, rank: int) -> Any:
        """Where a process notes that it ends."""
        place = self.cells[rank] + 8 * shared_sum_text.GONE
        return ctypes.cast(place, ctypes.POINTER(ctypes.c_int64))

    def _blocks(self, array: Array) -> int:
        return -(-array.nbytes // self.block_bytes)

    def _call(self, begun: _Begun, staging: bool) -> int:
        array = begun.array
        found: int = _function(array.dtype)(
            self.slots,
            self.cells,
            array.ctypes.data,
            array.size,
            self.rank,
            self.size,
            self.block_bytes // array.itemsize,
            begun.before,
            begun.staged,
            self.hurry,
            int(time.time() + self.timeout) + 1,
            staging,
        )
        return found

    def all_equal(self, number: int) -> bool:
        """Whether all processes give the same number of 64 bits; raises as `sum` does."""
        halves = np.zeros(2 * self.size)  # each process fills in its pair
        high, low = divmod(number % 2**64, 2**32)
        halves[2 * self.rank], halves[2 * self.rank + 1] = high, low
        self.sum(halves)
        found = halves.tolist()
        return found[2:] == found[:-2]


def too_late(rank: int, timeout: float) -> DistributedError:
    """What a process raises that has waited for the others for so many seconds."""
    return DistributedError(
        f"process {rank} waited {timeout:g} s for the others to come to the same program; one has "
        "failed or does something else. wg.distributed.init(timeout=...) sets how long to wait"
    )


def has_ended(rank: int, ended: Sequence[int]) -> DistributedError:
    """What a process raises that waits for others which are no longer there."""
    named = f"process {ended[0]} has" if len(ended) == 1 else f"processes {list(ended)} have"
    return DistributedError(
        f"{named} ended, and process {rank} waits to communicate with it: all processes must make "
        "the same calls, and one that returns or exits before the others leaves them waiting"
    )


_FUNCTIONS: dict[DType, Any] = {}


def _function(dtype: DType) -> Any:
    if dtype not in _FUNCTIONS:
        _FUNCTIONS[dtype] = _Sum(support.resolve(shared_sum_text.name(dtype)))
    return _FUNCTIONS[dtype]


def shared_memory(mpi: Any, comm: Any, timeout: float) -> SharedMemory | None:
    """The shared memory of a communicator's processes; None if they are not all on one machine.

    All of them make this call. Where one cannot have the memory, or not compile, none uses it.
    """
    local = comm.Split_type(mpi.COMM_TYPE_SHARED)
    near = local.size == comm.size
    local.Free()
    if comm.size == 1 or not near:
        return None
    made = _made(mpi, comm, timeout)
    return made if comm.allreduce(made is not None, mpi.LAND) else None


def _made(mpi: Any, comm: Any, timeout: float) -> SharedMemory | None:
    block_bytes = min(max(ALL_BLOCKS // comm.size, LEAST_BLOCK), MOST_BLOCK) // 64 * 64
    nbytes = _CELL_BYTES + shared_sum_text.SLOTS * block_bytes
    try:
        window = mpi.Win.Allocate_shared(nbytes, 8, comm=comm)
    except mpi.Exception:
        return None
    parts = [window.Shared_query(rank)[0] for rank in range(comm.size)]
    starts = [ctypes.addressof(ctypes.c_char.from_buffer(part)) for part in parts]
    table = ctypes.c_void_p * comm.size
    ctypes.memset(starts[comm.rank], 0, _CELL_BYTES)
    comm.Barrier()
    return SharedMemory(
        comm.rank,
        comm.size,
        block_bytes,
        table(*[start + _CELL_BYTES for start in starts]),
        table(*starts),
        HURRY if comm.size <= (os.cpu_count() or 1) else NO_HURRY,
        timeout,
        window,
    )
