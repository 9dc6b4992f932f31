"""Ranks as threads of one process: for tests, examples, and trying a program out.

Each rank publishes its arrays; when all have, each computes its own results from them, in the order
of ranks, so that all get the same bits; when all have, they go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import DistributedError
from wengert.ir.floats import is_half
from wengert.world import WORLD, Request, only_here

Array = np.ndarray[Any, Any]
TIMEOUT = 60.0
"""Seconds after which a rank gives up waiting for the others."""


@dataclass(slots=True)
class Room:
    """Where the ranks of a world meet."""

    size: int
    barrier: threading.Barrier = field(init=False)
    board: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.barrier = threading.Barrier(self.size, timeout=TIMEOUT)
        self.board = [None] * self.size

    def wait(self) -> None:
        """Returns when all ranks are here; raises DistributedError if one will not come."""
        try:
            self.barrier.wait()
        except threading.BrokenBarrierError:
            raise DistributedError(
                "another rank has ended or failed while this one waited for it"
            ) from None


@dataclass(frozen=True, slots=True)
class ThreadCommunicator:
    """One rank's way to the others."""

    rank: int
    room: Room

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return self.room.size

    def run(self, request: Request, sources: Sequence[Array], outs: Sequence[Array]) -> None:
        room = self.room
        room.board[self.rank] = (request, [s.copy() for s in sources])
        room.wait()
        others = list(room.board)
        room.wait()
        check_agreement([r for r, _ in others])
        for k, out in enumerate(outs):
            combine(request, self.rank, [given[k] for _, given in others if given], out)

    def start(
        self, request: Request, sources: Sequence[Array], outs: Sequence[Array]
    ) -> Callable[[], None]:
        """Publishing has to wait for everyone, so it is done at the end."""
        return lambda: self.run(request, sources, outs)


def check_agreement(requests: Sequence[Request]) -> None:
    """Raises DistributedError unless all ranks ask for the same."""
    different = [rank for rank, r in enumerate(requests) if r != requests[0]]
    if different:
        raise DistributedError(
            f"the processes {different} are about to communicate differently from process 0 "
            f"({requests[different[0]].kind} against {requests[0].kind}): all processes must run "
            "the same program, with arrays of the same shapes wherever it communicates"
        )


def combine(request: Request, rank: int, given: Sequence[Array], out: Array) -> None:
    """What a collective gives rank number `rank`, from the flat arrays of all."""
    match request.kind:
        case "psum" | "pmax" | "pmin":
            out[:] = _REDUCTIONS[request.kind](given)
        case "all_gather":
            out[:] = np.concatenate(given)
        case "psum_scatter":
            out[:] = _total(given).reshape(request.size, -1)[rank]
        case "all_to_all":
            out[:] = np.concatenate([x.reshape(request.size, -1)[rank] for x in given])
        case "ppermute":
            pairs = zip(request.detail[::2], request.detail[1::2], strict=True)
            sender = {target: source for source, target in pairs}.get(rank)
            out[:] = 0 if sender is None else given[sender]
        case "pbroadcast":
            out[:] = given[request.detail[0]]
        case _:
            out[:] = 0


def _total(given: Sequence[Array]) -> Array:
    """The sum in the order of ranks; of halves in float32."""
    wide = np.float32 if is_half(given[0].dtype) else given[0].dtype
    total = given[0].astype(wide)
    for x in given[1:]:
        total = total + x
    return total.astype(given[0].dtype)


_REDUCTIONS: dict[str, Callable[[Sequence[Array]], Array]] = {
    "psum": _total,
    "pmax": lambda given: np.maximum.reduce(list(given)),
    "pmin": lambda given: np.minimum.reduce(list(given)),
}


def simulate(size: int, fun: Callable[..., Any], *args: Any) -> list[Any]:
    """The results of `fun(*args)` on `size` ranks that are threads of this process.

    In each, `wg.distributed` sees a world of `size`, and `wg.distributed.rank()` tells which one it
    is. Raises what the first rank that failed raised.
    """
    room = Room(size)
    results: list[Any] = [None] * size
    errors: dict[int, BaseException] = {}

    def one(rank: int) -> None:
        with only_here({WORLD: ThreadCommunicator(rank, room)}):
            try:
                results[rank] = fun(*args)
            except BaseException as error:
                errors[rank] = error
                room.barrier.abort()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        own = [e for e in errors.values() if "another rank has ended" not in str(e)]
        raise own[0] if own else next(iter(errors.values()))
    return results
