"""init: finds the processes that were started together with this one."""

from __future__ import annotations

import atexit
import math
import os
import sys
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from wengert.distributed.mpi import Line, MpiCommunicator, library
from wengert.distributed.shared import SharedMemory, shared_memory
from wengert.errors import ArgumentError, DistributedError
from wengert.world import WORLD, Axes, axes, use

STARTED_BY = ("PMI_SIZE", "PMIX_RANK", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "SLURM_PROCID")
"""Variables by which a process knows that an MPI launcher has started it."""


READING = 0.3
"""Seconds for the launcher to read a message: what it has not when a process aborts, it drops."""


def init(mesh: Mapping[str, int] | None = None, timeout: float = 600.0) -> None:
    """Joins the processes that `mpiexec -n N python ...` started; does nothing without it.

    Call it before functions that communicate are traced. `mesh` arranges the processes in a grid
    with named axes, the last one of neighbours: {"data": 2, "model": 4} makes axes "data" and
    "model" besides "world"; one size may be -1 for what is left. A process whose partners have not
    come to the same program within `timeout` seconds (or, on one machine, have ended) raises
    DistributedError, and one that ends by an exception ends all. CPU cores are shared out among the
    processes of a machine unless WENGERT_NUM_THREADS says otherwise.

    Raises ArgumentError for a mesh that is not as large as the world, DistributedError if mpi4py is
    missing.
    """
    if len(axes()) > 1 or axes()[WORLD].size > 1:
        raise DistributedError("wg.distributed.init() was called before; it is called once")
    if not any(name in os.environ for name in STARTED_BY):
        use(_alone(mesh))
        return
    mpi = library()
    comm = mpi.COMM_WORLD
    shape = _shape(mesh or {}, comm.size)
    local = comm.Split_type(mpi.COMM_TYPE_SHARED).size
    line = Line(_share_cores(local) or local < comm.size)
    groups = {WORLD: comm.Dup()}
    for name, members in shape.items():
        stride = math.prod(list(shape.values())[list(shape).index(name) + 1 :])
        own = comm.rank % stride + comm.rank // (stride * members) * stride * members
        groups[name] = comm.Split(own, comm.rank)
    if comm.size > 1:
        _abort_on_exceptions(comm)
    shared = {name: shared_memory(mpi, group, timeout) for name, group in groups.items()}
    for memory in shared.values():
        if memory is not None:
            atexit.register(leave, memory, os.getpid())
    use(
        {
            name: MpiCommunicator(mpi, group, line, timeout, shared[name])
            for name, group in groups.items()
        }
    )


def leave(memory: SharedMemory, process: int) -> None:
    """At the end of this process, but not of one that it has forked."""
    if os.getpid() == process:
        memory.leave()


def _alone(mesh: Mapping[str, int] | None) -> Axes:
    """The axes of one process."""
    own = axes()[WORLD]
    return {WORLD: own} | dict.fromkeys(_shape(mesh or {}, 1), own)


def _shape(mesh: Mapping[str, int], size: int) -> dict[str, int]:
    """The sizes of a mesh's axes, with -1 as what is left."""
    known = math.prod(n for n in mesh.values() if n != -1)
    found = {name: size // known if n == -1 and known > 0 else n for name, n in mesh.items()}
    if any(n < 1 for n in found.values()) or (mesh and math.prod(found.values()) != size):
        raise ArgumentError(f"the mesh {dict(mesh)} is for {known} processes, and there are {size}")
    return found


def _share_cores(processes: int) -> bool:
    """Threads for this process's part of the machine; whether a core is left beside them."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    own = max(1, (count or 1) // processes)
    named = [os.environ.get(name, "") for name in ("WENGERT_NUM_THREADS", "NUMBA_NUM_THREADS")]
    asked = next((int(text) for text in named if text.isdecimal()), None)
    if asked is None:
        os.environ["NUMBA_NUM_THREADS"] = str(own)
    return own > (asked or own)


def _abort_on_exceptions(comm: Any) -> None:
    """Ends all processes when this one ends by an exception: they would wait for it for ever."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if before is sys.__excepthook__:
            text = "".join(traceback.format_exception(kind, error, where))
            sys.stderr.write(f"process {comm.rank} of {comm.size}: {text}")
        else:
            before(kind, error, where)
        sys.stderr.flush()
        time.sleep(READING)
        comm.Abort(1)

    sys.excepthook = hook
