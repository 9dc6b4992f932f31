"""The plan of a program: addresses, kernel calls, threads, BLAS, copies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wengert.backends.cpu.llvm.collectives import abandoning
from wengert.backends.cpu.llvm.expr import Module
from wengert.backends.cpu.llvm.launches import Access, Memory, joined
from wengert.backends.cpu.routines.runtime_text import (
    DECLARATIONS,
    FAILURE,
    MOST_POINTERS,
    PLAN,
    SERIAL,
    caller,
    kernel_call,
)
from wengert.kernels.loops import (
    Buffer,
    Communicate,
    Factorise,
    Gemm,
    Kernel,
    Loop,
    LoopProgram,
    Phase,
    Space,
)
from wengert.kernels.statements import walk

Word = int | str  # a number, or the name of what has an address
STEP_WORDS, JOINED = 6, 4  # before the pointers, and which of them says what goes together


@dataclass(frozen=True, slots=True)
class Group:
    """Buffers that one pointer parameter stands for; `exclusive` if no other one overlaps it."""

    buffers: tuple[Buffer, ...]
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Called:
    """The buffers of a kernel: as its parameters, all of them, and those that it writes."""

    groups: Sequence[Group]
    buffers: Sequence[Buffer]
    written: Collection[Buffer]


class Layout:
    """Where the buffers of a program are."""

    def __init__(self, program: LoopProgram) -> None:
        self.offsets = program.offsets
        table = (*program.inputs, *program.constants, *program.outputs)
        self.slots: dict[Buffer, int] = {}
        for k, buffer in enumerate(table):
            self.slots.setdefault(buffer, k)

    def groups(self, buffers: Sequence[Buffer]) -> list[Group]:
        """Buffers by pointer parameter: temporaries may share their memory."""
        return [g for cluster in self.clusters(buffers) for g in self._split(cluster)]

    def clusters(self, buffers: Sequence[Buffer]) -> list[list[Buffer]]:
        """Buffers that overlap one another, directly or through others, together."""
        found = [[b] for b in buffers if b.space is not Space.TEMP]
        end = -1
        temporaries = [b for b in buffers if b.space is Space.TEMP]
        for b in sorted(temporaries, key=lambda b: self.offsets[b]):
            offset = self.offsets[b]
            if offset < end and b.nbytes:
                found[-1].append(b)
            else:
                found.append([b])
            end = max(end, offset + b.nbytes)
        return found

    def _split(self, cluster: list[Buffer]) -> list[Group]:
        if len({self.offsets.get(b, 0) for b in cluster}) == 1:
            return [Group(tuple(cluster), True)]
        return [Group((b,), False) for b in cluster]


class Main:
    """Collects the plan of a program, step by step: what the runtime's main function does.

    Words: the number of steps, the most steps of a launch, the most pointers of one (and one more
    for each step), whether a BLAS is called, the function and the text that abandon collectives (or
    null twice). Then each step: the function that calls its kernel, the kernel, the first chunk,
    the number of chunks (or SERIAL), whether the threads go on to the next step without a stop, the
    number of pointers, the pointers. A pointer is the number of an argument, FAILURE, or -1 minus
    an offset in the arena. A copy has no function, and its length in place of chunks.
    """

    def __init__(self, program: LoopProgram) -> None:
        self.program = program
        self.layout = Layout(program)
        self.steps: list[list[Word]] = []
        self.accesses: list[Access | None] = []  # of the steps that may be joined

    def pointer(self, buffer: Buffer) -> int:
        """How a buffer's address is named."""
        slot = self.layout.slots.get(buffer)
        return -1 - self.layout.offsets[buffer] if slot is None else slot

    def kernel(
        self, module: Module, name: str, called: Called, chunks: range | None, checks: bool
    ) -> None:
        """Call a kernel, for each chunk number on the threads that there are, or once."""
        pointers = [self.pointer(g.buffers[0]) for g in called.groups] + [FAILURE] * checks
        first, count = (0, SERIAL) if chunks is None else (chunks.start, len(chunks))
        function = calling(module, len(pointers))
        self.steps.append([function, f"@{name}", first, count, 0, len(pointers), *pointers])
        together = chunks is not None and not checks
        self.accesses.append(self._access(called) if together else None)

    def _access(self, called: Called) -> Access:
        return Access(self._memory(called.buffers), self._memory(called.written), 1)

    def _memory(self, buffers: Collection[Buffer]) -> Memory:
        slots, offsets = self.layout.slots, self.layout.offsets  # local buffers are in neither
        placed = [(offsets[b], b.nbytes) for b in buffers if b not in slots and b in offsets]
        return Memory(
            {slots[b] for b in buffers if b in slots},
            [(start, start + nbytes) for start, nbytes in placed],
        )

    def _launches(self) -> tuple[int, int]:
        """Mark the steps that go together; the most steps and the most pointers of a launch."""
        for step, goes_on in zip(self.steps, joined(self.accesses), strict=False):
            step[JOINED] = int(goes_on)
        sizes = [(0, 0)]
        number = width = 0
        for step in self.steps:
            number, width = number + 1, width + 1 + len(step) - STEP_WORDS
            if not step[JOINED]:
                sizes.append((number, width))
                number = width = 0
        most, widest = (max(column) for column in zip(*sizes, strict=True))
        return most, widest

    def _copies(self) -> None:
        """Fill outputs that are inputs, constants or earlier outputs."""
        first = len(self.program.inputs) + len(self.program.constants)
        donors = self.program.donors
        for k, buffer in enumerate(self.program.outputs, first):
            there = self.layout.slots[buffer] == k or donors[k - first] >= 0
            if not there and buffer.nbytes:
                source = self.pointer(buffer)
                self.steps.append(["null", "null", 0, buffer.nbytes, 0, 2, k, source])

    def _abandoned(self, module: Module) -> list[Word]:
        """After a failure: waits for the collectives whose memory is about to be given back."""
        statements = (st for step in self.program.steps for st in walk(step.body))
        begun = any(isinstance(st, Communicate) and st.phase is Phase.START for st in statements)
        return list(abandoning(module)) if begun else ["null", "null"]

    def text(self, module: Module) -> str:
        """The plan as a constant; one line for each step."""
        self._copies()
        own = module.target.masks
        blas = any(_calls_blas(kernel, own) for kernel in self.program.steps)
        head = [len(self.steps), *self._launches(), int(blas), *self._abandoned(module)]
        lines = [head, *self.steps]
        types = ", ".join("i64" if isinstance(x, int) else "ptr" for line in lines for x in line)
        words = ",\n  ".join(", ".join(map(_word, line)) for line in lines)
        return f"@{PLAN} = constant <{{ {types} }}> <{{\n  {words}\n}}>, align 8\n"


def _word(x: Word) -> str:
    return f"i64 {x}" if isinstance(x, int) else f"ptr {x}"


def _calls_blas(kernel: Kernel, own: bool) -> bool:
    """Whether a kernel calls a BLAS or LAPACK; with `own`, matrix products need none."""
    return any(
        (isinstance(st, Gemm) and not (own and st.k))
        or (isinstance(st, Factorise) and st.library == "lapack")
        for st in walk(kernel.body)
    )


def declare(module: Module, name: str) -> None:
    """Declare a function of the runtime."""
    result, parameters = DECLARATIONS[name]
    module.declare(f"@{name}", result, parameters, " nounwind")


def calling(module: Module, pointers: int) -> str:
    """The function that calls a kernel, given a table of its address and so many pointers."""
    if pointers <= MOST_POINTERS:
        declare(module, caller(pointers))
        return f"@{caller(pointers)}"
    module.helpers[caller(pointers)] = kernel_call(pointers, "internal")
    return f"@{caller(pointers)}"


def constant_range(loop: Loop) -> range:
    """The chunk numbers of a parallel loop, which are known."""
    if not (loop.start.is_const and loop.stop.is_const):
        raise ValueError("the bounds of a parallel loop must be constants")
    return range(loop.start.attr, loop.stop.attr)


def parallel_loop(kernel: Kernel) -> Loop | None:
    """The parallel loop that a kernel consists of, if it does."""
    first = kernel.body[0] if len(kernel.body) == 1 else None
    return first if isinstance(first, Loop) and first.kind == "parallel" else None
