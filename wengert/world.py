"""The processes that a program runs on: who they are, and how collective operations reach them.

A *world* is a set of processes (ranks 0 to size - 1) that run the same program. It has named axes:
"world" for all of it, and others for groups that stand in a grid. A `Communicator` carries out
collectives along one axis; without any, an axis is a world of this process alone. Compiled code and
the reference evaluator both end up in `perform`.

The axes are state of the process, or of one thread (`only_here`): so ranks can be threads, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wengert.errors import DistributedError

Array = np.ndarray[Any, Any]
WORLD = "world"
"""The axis of all processes."""

IN_PLACE = frozenset(("psum", "pmax", "pmin", "ppermute", "pbroadcast"))
"""Collectives whose result has the operand's type: it takes the place of the operand."""


@dataclass(frozen=True, slots=True)
class Request:
    """A collective along `axis`, traced for `size` ranks; `detail` are what numbers it needs.

    Operands and results of each kind, for an array x in each rank:

    - psum, pmax, pmin: x in each rank -> their sum, largest or smallest, elementwise.
    - all_gather: x -> the stack of all x, in the order of ranks.
    - psum_scatter: x, whose first axis has `size` rows -> row r of their sum, in rank r.
    - all_to_all: x of `size` rows -> row r of each, stacked, in rank r.
    - ppermute: x -> the x of the rank that sends here; zeros if there is none. `detail` are
      pairs of source and target, one after the other.
    - pbroadcast: x -> the x of the rank in `detail`.
    - axis_index: -> the rank.
    - agree: -> 0, if all ranks make this request with the same `detail`; else an error.
    """

    kind: str
    axis: str
    size: int
    detail: tuple[int, ...] = ()

    def __str__(self) -> str:
        given = ",".join(map(str, self.detail))
        return f"{self.kind} {self.axis} {self.size} {given}".rstrip()

    @property
    def in_place(self) -> bool:
        """Whether the result takes the place of the operand."""
        return self.kind in IN_PLACE


def parse_request(text: str) -> Request:
    """The request that prints as `text`."""
    kind, axis, size, *given = text.split(" ")
    detail = tuple([int(x) for x in given[0].split(",")]) if given else ()
    return Request(kind, axis, int(size), detail)


class Communicator(Protocol):
    """The processes along one axis."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def run(self, request: Request, sources: Sequence[Array], outs: Sequence[Array]) -> None:
        """Carries out a collective of one-dimensional arrays, of each source into its `out`.

        In place, the sources are the outs. With several arrays this is as for one after the other.
        """
        ...

    def start(
        self, request: Request, sources: Sequence[Array], outs: Sequence[Array]
    ) -> Callable[[], None]:
        """Begins what `run` does; the result is to be called, and returns when it is done."""
        ...


class Alone:
    """A world of one process."""

    rank = 0
    size = 1

    def run(self, request: Request, sources: Sequence[Array], outs: Sequence[Array]) -> None:
        if request.in_place:
            sent_here = request.detail[:2] == (0, 0)
            if request.kind == "ppermute" and not sent_here:
                for out in outs:
                    out[:] = 0
            return
        for source, out in zip(sources or [0] * len(outs), outs, strict=True):
            out[:] = source

    def start(
        self, request: Request, sources: Sequence[Array], outs: Sequence[Array]
    ) -> Callable[[], None]:
        self.run(request, sources, outs)
        return _nothing


def _nothing() -> None:
    return None


Axes = Mapping[str, Communicator]
_ALONE: Axes = {WORLD: Alone()}


class _State(threading.local):
    """The axes that a thread has for itself, and the collectives that it has begun."""

    axes: Axes | None = None
    pending: dict[int, Callable[[], None]] | None = None
    caught: BaseException | None = None


_process: dict[str, Communicator] = dict(_ALONE)
_thread = _State()


def use(axes: Axes) -> None:
    """Makes `axes` those of this process; "world" must be among them."""
    _process.clear()
    _process.update(axes)


@contextmanager
def only_here(axes: Axes) -> Generator[None]:
    """Runs the body with other axes in this thread."""
    before = _thread.axes
    _thread.axes = axes
    try:
        yield
    finally:
        _thread.axes = before


def axes() -> Axes:
    """The axes as they are in this thread."""
    return _process if _thread.axes is None else _thread.axes


def communicator(axis: str) -> Communicator:
    """The processes along `axis`; raises DistributedError if there is no such axis."""
    found = axes().get(axis)
    if found is None:
        listed = ", ".join(map(repr, axes()))
        raise DistributedError(
            f"there is no axis {axis!r} of processes; there are {listed}. "
            "wg.distributed.init(mesh={...}) makes others"
        )
    return found


def _asked(request: Request) -> Communicator:
    found = communicator(request.axis)
    if found.size != request.size:
        raise DistributedError(
            f"{request.kind} along {request.axis!r} was traced for {request.size} processes, and "
            f"there are {found.size}; call wg.distributed.init() before functions that communicate"
        )
    return found


def perform(request: Request, sources: Sequence[Array], outs: Sequence[Array]) -> None:
    """Carries out a collective; see `Communicator.run`."""
    found = _asked(request)
    if request.kind == "axis_index":
        outs[0][0] = found.rank
    else:
        found.run(request, sources, outs)


def begin(request: Request, sources: Sequence[Array], outs: Sequence[Array], ticket: int) -> None:
    """Begins a collective, for `finish` with the same ticket to end."""
    pending = _thread.pending
    if pending is None:
        pending = _thread.pending = {}
    pending[ticket] = _asked(request).start(request, sources, outs)


def finish(ticket: int) -> None:
    """Waits for a collective that this thread has begun."""
    assert _thread.pending is not None
    _thread.pending.pop(ticket)()


def catch(error: BaseException) -> None:
    """Keeps an exception that native code cannot carry, until that has come back."""
    _thread.caught = error


def caught() -> BaseException:
    """The exception that was kept in this thread."""
    found, _thread.caught = _thread.caught, None
    return found or DistributedError("a collective failed")


def abandon() -> None:
    """Waits for all that this thread has begun, after a failure: its memory is to be given back."""
    while _thread.pending:
        _thread.pending.popitem()[1]()
