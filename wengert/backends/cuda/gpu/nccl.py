"""NCCL through CuPy's raw communicators: one for each axis of processes, with one GPU each.

The processes' own communicator (MPI, or threads in tests) carries the id by which they meet. Calls
go to a stream like launches do, and may be captured in graphs. What is only moved goes as bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.cuda.device import ExchangeSpec
from wengert.backends.cuda.gpu.cupy_module import nccl
from wengert.errors import DTypeError
from wengert.world import Request, communicator, perform

ID_BYTES = 128
_REDUCTIONS = {"psum": "NCCL_SUM", "pmax": "NCCL_MAX", "pmin": "NCCL_MIN"}


class Nccl:
    """The library, and this process's communicators by axis."""

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.known: dict[str, Any] = {}

    @functools.cached_property
    def library(self) -> Any:
        """CuPy's module, once there are several processes."""
        return nccl(self.cupy)

    @property
    def error(self) -> type[Exception]:
        """What the library raises."""
        kind: type[Exception] = self.library.NcclError
        return kind

    def prepare(self, spec: ExchangeSpec) -> Message:
        """Meets the others of an axis when it is first used. Raises DTypeError for a dtype."""
        request = spec.request
        if request.size > 1 and request.kind in (*_REDUCTIONS, "psum_scatter"):
            self.kind(spec.dtype)
        if request.size > 1 and request.axis not in self.known:
            self.known[request.axis] = self._met(request)
        here = communicator(request.axis).rank
        return Message(self, spec, self.known.get(request.axis), here)

    def _met(self, request: Request) -> Any:
        here = communicator(request.axis)
        name = np.zeros(ID_BYTES, np.uint8)
        if here.rank == 0:
            name[:] = np.frombuffer(self.library.get_unique_id(), np.uint8)
        perform(Request("pbroadcast", request.axis, request.size, (0,)), [name], [name])
        return self.library.NcclCommunicator(here.size, name.tobytes(), here.rank)

    def kind(self, dtype: np.dtype[Any]) -> int:
        """NCCL's number of a dtype."""
        found: int | None = getattr(self.library, f"NCCL_{dtype.name.upper()}", None)
        if found is None:
            raise DTypeError(f"NCCL has no sums of {dtype}; convert to int32 or float32 before")
        return found


@dataclass(frozen=True, slots=True)
class Message:
    """A collective that is ready to run: through `comm`, or None in a world of one."""

    nccl: Nccl
    spec: ExchangeSpec
    comm: Any
    rank: int

    @property
    def workspace(self) -> int:
        """Bytes of memory: what is sent on must be kept while something else comes."""
        return self.nbytes if self.spec.request.kind == "ppermute" else 0

    @property
    def nbytes(self) -> int:
        """Bytes of what is sent."""
        return self.spec.sent * self.spec.dtype.itemsize

    def run(self, source: int, out: int, workspace: int, stream: int) -> None:
        """Puts the collective on a stream."""
        if not self.nbytes:
            return
        if self.comm is None:
            self._alone(source, out, stream)
        else:
            _KINDS[self.spec.request.kind](self, source, out, workspace, stream)

    def _alone(self, source: int, out: int, stream: int) -> None:
        request, runtime = self.spec.request, self.nccl.cupy.cuda.runtime
        if not request.in_place:
            runtime.memcpyAsync(out, source, self.nbytes, runtime.memcpyDeviceToDevice, stream)
        elif request.kind == "ppermute" and request.detail[:2] != (0, 0):
            runtime.memsetAsync(out, 0, self.nbytes, stream)

    def _reduce(self, source: int, out: int, workspace: int, stream: int) -> None:
        how = getattr(self.nccl.library, _REDUCTIONS[self.spec.request.kind])
        kind = self.nccl.kind(self.spec.dtype)
        self.comm.allReduce(source, out, self.spec.sent, kind, how, stream)

    def _gather(self, source: int, out: int, workspace: int, stream: int) -> None:
        self.comm.allGather(source, out, self.nbytes, self.nccl.library.NCCL_INT8, stream)

    def _scatter(self, source: int, out: int, workspace: int, stream: int) -> None:
        kind, how = self.nccl.kind(self.spec.dtype), self.nccl.library.NCCL_SUM
        self.comm.reduceScatter(source, out, self.spec.received, kind, how, stream)

    def _broadcast(self, source: int, out: int, workspace: int, stream: int) -> None:
        root = self.spec.request.detail[0]
        self.comm.broadcast(out, out, self.nbytes, self.nccl.library.NCCL_INT8, root, stream)

    def _exchange(self, source: int, out: int, workspace: int, stream: int) -> None:
        count = self.spec.request.size
        part = self.nbytes // count
        byte = self.nccl.library.NCCL_INT8
        self.nccl.library.groupStart()
        for other in range(count):
            self.comm.send(source + other * part, part, byte, other, stream)
            self.comm.recv(out + other * part, part, byte, other, stream)
        self.nccl.library.groupEnd()

    def _permute(self, source: int, out: int, workspace: int, stream: int) -> None:
        runtime, byte = self.nccl.cupy.cuda.runtime, self.nccl.library.NCCL_INT8
        detail = self.spec.request.detail
        pairs = list(zip(detail[::2], detail[1::2], strict=True))
        runtime.memcpyAsync(workspace, out, self.nbytes, runtime.memcpyDeviceToDevice, stream)
        runtime.memsetAsync(out, 0, self.nbytes, stream)
        self.nccl.library.groupStart()
        for here, there in pairs:
            if here == self.rank:
                self.comm.send(workspace, self.nbytes, byte, there, stream)
            if there == self.rank:
                self.comm.recv(out, self.nbytes, byte, here, stream)
        self.nccl.library.groupEnd()


_KINDS: dict[str, Callable[[Message, int, int, int, int], None]] = {
    "psum": Message._reduce,
    "pmax": Message._reduce,
    "pmin": Message._reduce,
    "all_gather": Message._gather,
    "psum_scatter": Message._scatter,
    "pbroadcast": Message._broadcast,
    "all_to_all": Message._exchange,
    "ppermute": Message._permute,
}
