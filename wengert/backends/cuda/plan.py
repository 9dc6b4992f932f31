"""Launch plans: a program as a list of launches and library calls over one table of addresses.

A plan is made once per program and device. It owns the device memory of constants, temporaries
(one arena) and the failure record. A call fills in where its inputs and outputs are and then
launches kernels from argument arrays that were built beforehand: a kernel's parameters are
pointers into the table of addresses, so nothing is packed per call.

Launches are recorded (on a GPU as a CUDA graph) when a set of addresses comes the second time:
recordings are kept for the last few sets, since in a steady loop inputs and outputs come back in
the same places. Between them stand the calls of libraries that cannot be recorded, and loops and
branches that the host runs (`control.py`), whose parts are recorded in the same way.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.backends.cuda.control import Asked, Control, StoppedError, as_control, flat, run
from wengert.backends.cuda.cuda_print import Printed, print_kernel
from wengert.backends.cuda.device import Device, Memory, Prepared, PreparedRoutine
from wengert.backends.cuda.exchanges import Exchange, as_exchange
from wengert.backends.cuda.host_calls import PythonCall, as_python_call
from wengert.backends.cuda.host_calls import perform as perform_in_python
from wengert.backends.cuda.products import Product, as_products
from wengert.backends.cuda.routines import Routine, as_routine
from wengert.backends.cuda.source import source_text
from wengert.kernels.grid.place import is_collective, library_call
from wengert.kernels.loops import Buffer, Gemm, Kernel, LoopProgram
from wengert.world import Request, communicator, perform

Array = np.ndarray[Any, Any]

# A set of addresses is recorded when it comes the second time; so many recordings are kept.
RECORDINGS = 4
# What wide kernels meet at: a counter, and a part for each of at most so many blocks.
MEETING_BYTES = 256 + 8 * 1024
FAILURE_BYTES = 16


# A loop of the host with at most so many launches in all may be a part of a recording.
MOST_RECORDED = 1024

Step = Printed | Product | Routine | Exchange | PythonCall | Control


@dataclass(frozen=True, slots=True)
class Text:
    """A program in CUDA C++, and its steps: kernels and calls of libraries in their order."""

    source: str
    kernels: tuple[Printed, ...]
    steps: tuple[Step, ...]
    checks: bool


def print_program(program: LoopProgram) -> Text:
    """The text of a program that was lowered for a grid."""
    checks = bool(program.failures)
    numbers = itertools.count()
    steps = _steps_of(program.steps, lambda step: print_kernel(step, _name(numbers), checks))
    kernels = tuple(s for s in flat(steps) if isinstance(s, Printed))
    return Text(source_text([k.text for k in kernels]), kernels, steps, checks)


def _name(numbers: Iterator[int]) -> str:
    return f"wg_kernel{next(numbers)}"


def _steps_of(kernels: Sequence[Kernel], printed: Callable[[Kernel], Printed]) -> tuple[Step, ...]:
    """The steps that kernels are, which `printed` prints."""
    steps: list[Step] = []
    for step in kernels:
        call = library_call(step.body)
        control = as_control(step, lambda part: _steps_of(part, printed))
        if isinstance(call, Gemm):
            steps.extend(as_products(step))
        elif call is not None:
            steps.append(as_routine(step))
        elif is_collective(step.body):
            steps.append(as_python_call(step) or as_exchange(step))
        elif control is not None:
            steps.append(control)
        elif step.body:
            steps.append(printed(step))
    return tuple(steps)


@dataclass(slots=True)
class _Launch:
    handle: Any
    printed: Printed
    parameters: Any


@dataclass(slots=True)
class _Call:
    product: Prepared
    slots: tuple[int, ...]
    shifts: tuple[int, ...]


@dataclass(slots=True)
class _Routine:
    prepared: PreparedRoutine
    slots: tuple[int, ...]


@dataclass(slots=True)
class _Exchange:
    """A collective of arrays; `prepared` is None where the host alone knows what to write."""

    prepared: Prepared | None
    request: Request
    slots: tuple[int, ...]


_Prepared = _Launch | _Call | _Routine | _Exchange | PythonCall | Control


def _room(step: _Prepared) -> int:
    """The bytes of workspace that a step needs."""
    match step:
        case _Call():
            return step.product.workspace
        case _Routine(prepared):
            return prepared.workspace
        case _Exchange(prepared) if prepared is not None:
            return prepared.workspace
        case _:
            return 0


def _run_all(parts: Sequence[Callable[[], None]]) -> None:
    for part in parts:
        part()


def _is_recordable(step: _Prepared) -> bool:
    match step:
        case PythonCall():
            return False
        case Control():
            inside = all(_is_recordable(s) for part in step.parts for s in part)
            return inside and step.turns is not None and _launches(step) <= MOST_RECORDED
        case _:
            return not isinstance(step, _Routine) or step.prepared.recordable


def _launches(step: _Prepared) -> int:
    """How many launches a step is, with all turns of loops of known length."""
    if not isinstance(step, Control):
        return 1
    return (step.turns or 1) * sum(_launches(s) for part in step.parts for s in part)


class Plan:
    """A program on a device; call `run` with the addresses of inputs and outputs."""

    def __init__(
        self, program: LoopProgram, text: Text, constants: Sequence[Array], device: Device
    ) -> None:
        self.device = device
        self.program = program
        self.checks = text.checks
        self.memory: list[Memory] = []
        self.slots: dict[Buffer | str, int] = {}
        self.recordings: OrderedDict[tuple[int, ...], Callable[[], None] | None] = OrderedDict()
        self.recordable = True
        self.last: Any = None  # where the device ran the program before
        self._layout(program, constants, text)
        handles = device.load(text.source, [k.spec for k in text.kernels])
        known = dict(zip(map(id, text.kernels), handles, strict=True))
        self.agreements = [
            s.request
            for s in flat(text.steps)
            if isinstance(s, Exchange) and s.request.kind == "agree"
        ]
        self.steps = [self._prepared(s, known) for s in text.steps]
        self.workspace = self._allocate(max(map(_room, flat(self.steps)), default=0))

    def _prepared(self, step: Step, handles: dict[int, Any]) -> _Prepared:
        match step:
            case Printed():
                return self._launch(step, handles[id(step)])
            case Product():
                return self._product(step)
            case Routine():
                slots = tuple(self.slots[b] for b in step.buffers)
                return _Routine(self.device.prepare_library(step.spec), slots)
            case Exchange():
                return self._exchange(step)
            case PythonCall():
                return step
            case Control():
                parts = [tuple([self._prepared(s, handles) for s in part]) for part in step.parts]
                return replace(step, parts=tuple(parts))

    def _layout(self, program: LoopProgram, constants: Sequence[Array], text: Text) -> None:
        """Gives each buffer a slot in the table of addresses, and memory to those of the plan."""
        own = dict.fromkeys([*program.inputs, *program.outputs])
        names: list[Buffer | str] = [*own, *program.constants, *program.offsets]
        names += ["failure", "meeting"]
        self.slots = {name: k for k, name in enumerate(names)}
        self.table = (ctypes.c_uint64 * len(names))()
        arena = self._allocate(program.arena)
        for buffer, offset in program.offsets.items():
            self.table[self.slots[buffer]] = arena + offset
        for buffer, array in zip(program.constants, constants, strict=True):
            address = self._allocate(array.nbytes)
            self.device.upload(address, np.ascontiguousarray(array))
            self.table[self.slots[buffer]] = address
        if text.checks:
            self.table[self.slots["failure"]] = self._zeros(FAILURE_BYTES)
        if any(k.wide for k in text.kernels):
            self.table[self.slots["meeting"]] = self._zeros(MEETING_BYTES)

    def _allocate(self, nbytes: int) -> int:
        if nbytes == 0:
            return 0
        self.memory.append(self.device.allocate(nbytes))
        return self.memory[-1].address

    def _zeros(self, nbytes: int) -> int:
        address = self._allocate(nbytes)
        self.device.upload(address, np.zeros(nbytes, np.uint8))
        return address

    def _launch(self, printed: Printed, handle: Any) -> _Launch:
        names: list[Buffer | str] = [*printed.buffers]
        names += ["failure"] * printed.checks + ["meeting"] * printed.wide
        base = ctypes.addressof(self.table)
        places = [base + 8 * self.slots[name] for name in names]
        return _Launch(handle, printed, (ctypes.c_void_p * max(1, len(places)))(*places))

    def _product(self, product: Product) -> _Call:
        slots = tuple(self.slots[b] for b in product.buffers)
        return _Call(self.device.prepare(product.spec), slots, product.shifts)

    def _exchange(self, exchange: Exchange) -> _Exchange:
        slots = tuple(self.slots[b] for b in exchange.buffers)
        spec = exchange.spec
        prepared = None if spec is None else self.device.prepare_exchange(spec)
        return _Exchange(prepared, exchange.request, slots)

    def address(self, buffer: Buffer) -> int:
        """Where a buffer is whose memory is the plan's."""
        return self.table[self.slots[buffer]]

    # running

    def run(self, addresses: Sequence[int]) -> None:
        """Launches everything; `addresses` are those of inputs, then of distinct outputs.

        What was copied to the device for it came after `follow`.
        """
        for request in self.agreements:  # the host's business
            perform(request, [], [np.zeros(1, np.int64)])
        self.follow()
        key = tuple(addresses)
        recorded = self.recordings.get(key) or self._recorded(key)
        with contextlib.suppress(StoppedError):
            if recorded is None:
                self._issue(self.steps)
            else:
                self.recordings.move_to_end(key)
                recorded()

    def follow(self) -> None:
        """Work that comes now waits for the program's last run, which has the same memory."""
        self.last = self.device.order(self.last)

    def _recorded(self, key: tuple[int, ...]) -> Callable[[], None] | None:
        """A recording for a set of addresses that was there before; the table holds them now."""
        self.table[: len(key)] = key
        if not self.recordable:
            return None
        if key in self.recordings:
            made = self.recordings[key] = self._recording(self.steps)
            self.recordable = made is not None
            return made
        self.recordings[key] = None
        if len(self.recordings) > RECORDINGS:
            self.recordings.popitem(last=False)
        return None

    def _recording(self, steps: Sequence[_Prepared]) -> Callable[[], None] | None:
        """What does steps again at the addresses of now; None if they cannot be recorded."""
        parts: list[Callable[[], None] | None] = []
        for recordable, some in itertools.groupby(steps, _is_recordable):
            own = list(some)
            if recordable:
                parts.append(self.device.record(lambda own=own: self._issue(own)))
            else:
                parts += [self._again(step) for step in own]
        made = [part for part in parts if part is not None]
        if len(made) < len(parts):
            return None
        return made[0] if len(made) == 1 else functools.partial(_run_all, made)

    def _again(self, step: _Prepared) -> Callable[[], None] | None:
        """What makes a step that cannot be recorded as a whole, at the addresses of now."""
        if isinstance(step, _Routine):
            return self._routine(step)
        if not isinstance(step, Control):
            return self._python(step)
        parts = [self._recording(part) for part in step.parts]
        made = [part for part in parts if part is not None]
        return functools.partial(run, step, self._look, made) if len(made) == len(parts) else None

    def _look(self, asked: Asked) -> int:
        """A number that launches so far have left for the host, once the device is done."""
        if isinstance(asked, int):
            return asked
        if self._failed() is not None:
            raise StoppedError
        found = np.zeros(1, asked.dtype)
        self.device.download(found, self.address(asked))
        return int(found[0])

    def _routine(self, step: _Routine) -> Callable[[], None]:
        at = [self.table[k] for k in step.slots]
        return lambda: self.device.run_library(step.prepared, at, self.workspace)

    def _python(self, step: _Prepared) -> Callable[[], None]:
        """A call of Python, which is not made once a check has failed."""
        assert isinstance(step, PythonCall)
        at = {b: self.address(b) for b in (*step.sources, *step.outs)}

        def run() -> None:
            if self._failed() is None:
                perform_in_python(self.device, step, at.__getitem__)

        return run

    def _issue(self, steps: Sequence[_Prepared]) -> None:
        for step in steps:
            if isinstance(step, _Launch):
                self.device.launch(step.handle, step.printed.spec, step.parameters)
            elif isinstance(step, _Routine):
                self._routine(step)()
            elif isinstance(step, PythonCall):
                self._python(step)()
            elif isinstance(step, _Exchange):
                self._communicate(step)
            elif isinstance(step, Control):
                parts = [functools.partial(self._issue, part) for part in step.parts]
                run(step, self._look, parts)
            else:
                at = [self.table[k] + b for k, b in zip(step.slots, step.shifts, strict=True)]
                self.device.matmul(step.product, at, self.workspace)

    def _communicate(self, step: _Exchange) -> None:
        at = [self.table[k] for k in step.slots]
        if step.prepared is not None:
            self.device.exchange(step.prepared, at[0], at[-1], self.workspace)
        elif step.request.kind == "axis_index":
            self.device.write(at[0], communicator(step.request.axis).rank)

    def failure(self) -> tuple[int, int] | None:
        """The number and the value of the check that failed, after the program has run."""
        found = self._failed()
        if found is not None:
            self.device.upload(self.table[self.slots["failure"]], np.zeros(2, np.int64))
        return found

    def _failed(self) -> tuple[int, int] | None:
        """The same, while the program runs."""
        if not self.checks:
            return None
        record = np.zeros(2, np.int64)
        self.device.download(record, self.table[self.slots["failure"]])
        return None if record[0] == 0 else (int(record[0]) - 1, int(record[1]))
