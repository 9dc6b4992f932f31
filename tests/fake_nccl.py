"""A stand-in for CuPy's `cuda.nccl`, for ranks that are threads, each with a stand-in GPU.

As with NCCL, a call is put on a stream and runs when that does; ranks meet by a unique id; sends and
receives belong between groupStart and groupEnd, where they happen together.
"""

from __future__ import annotations

import ctypes
import itertools
import queue
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.ir.floats import dtype_of

DTYPES = dict(enumerate(["int8", "uint8", "int32", "uint32", "int64", "uint64"]))
DTYPES |= {6: "float16", 7: "float32", 8: "float64", 9: "bfloat16"}
REDUCTIONS = {0: np.add, 2: np.maximum, 3: np.minimum}
_numbers = itertools.count(1)
_rooms: dict[bytes, Room] = {}
_lock = threading.Lock()


class NcclError(RuntimeError):
    """As CuPy's."""


class Room:
    """Where the ranks of a communicator meet."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=20)
        self.board: list[Any] = [None] * size
        pairs = itertools.product(range(size), repeat=2)
        self.mail: dict[tuple[int, int], queue.Queue[Any]] = {p: queue.Queue() for p in pairs}

    def exchange(self, rank: int, given: Any) -> list[Any]:
        self.board[rank] = given
        self.barrier.wait()
        found = list(self.board)
        self.barrier.wait()
        return found


def array(address: int, count: int, kind: int) -> np.ndarray[Any, Any]:
    dtype = dtype_of(DTYPES[kind])
    memory: Any = (ctypes.c_uint8 * (count * dtype.itemsize)).from_address(address)
    return np.frombuffer(memory, dtype)


class Communicator:
    """NcclCommunicator of one rank."""

    def __init__(self, gpu: Any, size: int, name: bytes, rank: int) -> None:
        assert type(name) is bytes and len(name) == 128  # as CuPy 14 has it
        with _lock:
            self.room = _rooms.setdefault(name, Room(size))
        self.gpu, self.rank, self.size = gpu, rank, size

    def put(self, stream: int, work: Callable[[], Any]) -> None:
        self.gpu.calls += 1
        self.gpu.stream(stream).put(work)

    def allReduce(
        self, source: int, out: int, count: int, kind: int, how: int, stream: int
    ) -> None:
        def run() -> None:
            given = self.room.exchange(self.rank, array(source, count, kind).copy())
            array(out, count, kind)[:] = REDUCTIONS[how].reduce(given)

        self.put(stream, run)

    def allGather(self, source: int, out: int, count: int, kind: int, stream: int) -> None:
        def run() -> None:
            given = self.room.exchange(self.rank, array(source, count, kind).copy())
            array(out, count * self.size, kind)[:] = np.concatenate(given)

        self.put(stream, run)

    def reduceScatter(
        self, source: int, out: int, count: int, kind: int, how: int, stream: int
    ) -> None:
        def run() -> None:
            own = array(source, count * self.size, kind).copy()
            given = self.room.exchange(self.rank, own)
            rows = REDUCTIONS[how].reduce(given).reshape(self.size, count)
            array(out, count, kind)[:] = rows[self.rank]

        self.put(stream, run)

    def broadcast(
        self, source: int, out: int, count: int, kind: int, root: int, stream: int
    ) -> None:
        def run() -> None:
            given = self.room.exchange(self.rank, array(source, count, kind).copy())
            array(out, count, kind)[:] = given[root]

        self.put(stream, run)

    def send(self, source: int, count: int, kind: int, peer: int, stream: int) -> None:
        assert self.gpu.group is not None and kind == 0
        self.gpu.group.append((self, "send", source, count, peer, stream))

    def recv(self, out: int, count: int, kind: int, peer: int, stream: int) -> None:
        assert self.gpu.group is not None and kind == 0
        self.gpu.group.append((self, "recv", out, count, peer, stream))


def library(gpu: Any) -> Any:
    """The module for one rank's GPU."""
    gpu.group, gpu.calls = None, 0

    def start() -> None:
        gpu.group = []

    def end() -> None:
        calls, gpu.group = gpu.group, None
        if calls:
            comm, stream = calls[0][0], calls[0][5]
            comm.put(stream, lambda: together(comm, calls))

    def together(comm: Communicator, calls: Any) -> None:
        for _, kind, address, count, peer, _ in calls:
            if kind == "send":
                comm.room.mail[comm.rank, peer].put(array(address, count, 0).copy())
        for _, kind, address, count, peer, _ in calls:
            if kind == "recv":
                array(address, count, 0)[:] = comm.room.mail[peer, comm.rank].get(timeout=20)

    names = {f"NCCL_{name.upper()}": number for number, name in DTYPES.items()}
    return types.SimpleNamespace(
        NcclError=NcclError,
        NcclCommunicator=lambda size, name, rank: Communicator(gpu, size, name, rank),
        available=True,
        get_unique_id=lambda: bytes([next(_numbers)] + [200] * 127),
        groupStart=start,
        groupEnd=end,
        NCCL_SUM=0,
        NCCL_MAX=2,
        NCCL_MIN=3,
        **names,
    )
