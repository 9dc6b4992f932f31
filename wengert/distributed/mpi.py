"""MPI as the carrier of collectives, through mpi4py.

Sums of processes that share memory go through that (`shared.py`), all else through MPI's calls.
A collective that is waited for runs where it is called. One that has begun runs on a thread of its
own, since most MPI libraries only make progress inside their calls; while there are any of those,
all go through that thread, so that their order is the same in all processes. Where no core is left
for that thread, and messages do not leave the machine, it would only take time from the others:
then what begins is done at once, except that sums through shared memory put down what the others
need, and wait for nobody until they are waited for.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from wengert.distributed.shared import SharedMemory, too_late
from wengert.errors import DistributedError
from wengert.ir.floats import is_half
from wengert.world import Request

Array = np.ndarray[Any, Any]
SPINS = 2000
"""How often a process asks in a hurry whether the others have come, before it sleeps meanwhile."""


def library() -> Any:
    """mpi4py's module MPI, initialised; raises DistributedError if it is not installed."""
    try:
        return importlib.import_module("mpi4py.MPI")
    except ImportError as error:
        raise DistributedError(
            f"this process was started by an MPI launcher, and mpi4py cannot be loaded ({error}); "
            "install wengert[mpi]"
        ) from error


@dataclass(slots=True)
class Line:
    """The thread on which what has begun is carried out, shared by all axes of a process.

    Unless it is `beside` the others, there is none, and work is done when it begins.
    """

    beside: bool = True
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="wengert collectives")
    )
    waiting: int = 0

    def begin(self, work: Callable[[], None]) -> Callable[[], None]:
        """Puts work behind all that has begun; the result is called to wait for it."""
        if not self.beside:
            work()
            return _done
        self.waiting += 1
        future: Future[None] = self.pool.submit(work)

        def finish() -> None:
            try:
                future.result()
            finally:
                self.waiting -= 1

        return finish

    def run(self, work: Callable[[], None]) -> None:
        """Carries work out, after all that has begun."""
        if self.waiting:
            self.begin(work)()
        else:
            work()


@dataclass(frozen=True, slots=True)
class MpiCommunicator:
    """The processes of an MPI communicator; `timeout` are seconds to wait for all to agree.

    `shared` is memory that they share, where they are all on one machine.
    """

    mpi: Any
    comm: Any
    line: Line
    timeout: float
    shared: SharedMemory | None = None

    @property
    def rank(self) -> int:
        """The number of this process."""
        return int(self.comm.rank)

    @property
    def size(self) -> int:
        """How many processes there are."""
        return int(self.comm.size)

    def run(self, request: Request, sources: Sequence[Array], outs: Sequence[Array]) -> None:
        self.line.run(self._work(request, sources, outs))

    def start(
        self, request: Request, sources: Sequence[Array], outs: Sequence[Array]
    ) -> Callable[[], None]:
        if self.line.beside or not all(self._shares(request, out) for out in outs):
            return self.line.begin(self._work(request, sources, outs))
        assert self.shared is not None
        return partial(_all_done, [self.shared.begin(out) for out in outs])

    def _shares(self, request: Request, out: Array) -> bool:
        """Whether a result goes through shared memory."""
        return request.kind == "psum" and self.shared is not None and self.shared.takes(out.dtype)

    def _work(
        self, request: Request, sources: Sequence[Array], outs: Sequence[Array]
    ) -> Callable[[], None]:
        def work() -> None:
            given = sources or [out[:0] for out in outs]
            for source, out in zip(given, outs, strict=True):
                _KINDS[request.kind](self, request, source, out)

        return work

    # the kinds

    def reduce(self, request: Request, source: Array, out: Array) -> None:
        operation = {"psum": self.mpi.SUM, "pmax": self.mpi.MAX, "pmin": self.mpi.MIN}[request.kind]
        if self.shared and self._shares(request, out):
            self.shared.sum(out)
        elif is_half(out.dtype):
            self._reduce_halves(request, out)
        else:
            self.comm.Allreduce(self.mpi.IN_PLACE, out, operation)

    def _reduce_halves(self, request: Request, out: Array) -> None:
        """MPI has no arithmetic of halves: each process reduces a part of all, in float32."""
        width = -(-out.size // self.size)
        parts = np.zeros((self.size, width), out.dtype)
        parts.reshape(-1)[: out.size] = out
        received = np.empty_like(parts)
        self.comm.Alltoall(_bits(parts), _bits(received))
        combine = {"psum": np.sum, "pmax": np.max, "pmin": np.min}[request.kind]
        own = combine(received.astype(np.float32), axis=0).astype(out.dtype)
        self.comm.Allgather(_bits(own), _bits(parts))
        out[:] = parts.reshape(-1)[: out.size]

    def gather(self, request: Request, source: Array, out: Array) -> None:
        self.comm.Allgather(_bits(source), _bits(out))

    def scatter(self, request: Request, source: Array, out: Array) -> None:
        if is_half(source.dtype):
            received = np.empty((self.size, out.size), out.dtype)
            self.comm.Alltoall(_bits(source), _bits(received))
            out[:] = received.astype(np.float32).sum(0).astype(out.dtype)
        else:
            self.comm.Reduce_scatter_block(source, out, self.mpi.SUM)

    def exchange(self, request: Request, source: Array, out: Array) -> None:
        self.comm.Alltoall(_bits(source), _bits(out))

    def permute(self, request: Request, source: Array, out: Array) -> None:
        sent = _bits(out.copy())
        to, come = self.mpi.PROC_NULL, self.mpi.PROC_NULL
        for here, there in zip(request.detail[::2], request.detail[1::2], strict=True):
            to = there if here == self.rank else to
            come = here if there == self.rank else come
        out[:] = 0
        self.comm.Sendrecv(sent, to, recvbuf=_bits(out), source=come)

    def broadcast(self, request: Request, source: Array, out: Array) -> None:
        self.comm.Bcast(_bits(out), request.detail[0])

    def agree(self, request: Request, source: Array, out: Array) -> None:
        """Compares a number without waiting for ever."""
        if not self._all_equal(request.detail[0]):
            raise DistributedError(
                f"process {self.rank} and others are about to communicate differently: all "
                "processes must run the same program, with arrays of the same shapes wherever it "
                "communicates. WENGERT_DUMP=DIR writes each one's"
            )
        out[:] = 0

    def _all_equal(self, number: int) -> bool:
        if self.shared:
            return self.shared.all_equal(number)
        mine = np.array([number, -number], np.int64)
        least = np.empty_like(mine)
        self._within(self.comm.Iallreduce(mine, least, self.mpi.MIN))
        return bool(least[0] == -least[1])

    def _within(self, message: Any) -> None:
        stop = time.monotonic() + self.timeout
        spins = 0
        while not message.Test():
            spins += 1
            if spins > SPINS:
                time.sleep(1e-4)
                if time.monotonic() > stop:
                    raise too_late(self.rank, self.timeout)


def _done() -> None:
    return None


def _all_done(finishes: Sequence[Callable[[], None]]) -> None:
    for finish in finishes:
        finish()


def _bits(array: Array) -> Array:
    """An array that is only moved, as bytes."""
    return array.reshape(-1).view(np.uint8)


_KINDS: dict[str, Callable[[MpiCommunicator, Request, Array, Array], None]] = {
    "psum": MpiCommunicator.reduce,
    "pmax": MpiCommunicator.reduce,
    "pmin": MpiCommunicator.reduce,
    "all_gather": MpiCommunicator.gather,
    "psum_scatter": MpiCommunicator.scatter,
    "all_to_all": MpiCommunicator.exchange,
    "ppermute": MpiCommunicator.permute,
    "pbroadcast": MpiCommunicator.broadcast,
    "agree": MpiCommunicator.agree,
}
