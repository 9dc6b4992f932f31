"""The loop IR: what back ends print.

Grammar

    LoopProgram = inputs, outputs, constants: Buffer*;  steps: Kernel*
    Kernel      = body: Stmt*                     one native function over buffers
    Stmt        = Loop(index, start, stop, body, kind)
                | Store(buffer, offset, value)
                | Declare(register, init)         a mutable scalar, live to the end of its block
                | Assign(register, value)
                | Accumulate(register, combine, value)      register = combine(register, value)
                | If(condition, then, otherwise)
                | While(before, condition, body)  before; if condition: body; again
                | Check(condition, code, value)   fail the whole call unless the condition holds
                | Gemm(out, lhs, rhs, m, n, k)    a library's matrix product
                | Factorise(routine, out, sources)    a library's factorisation or solution
                | Communicate(request, sources, outs, phase)    a collective, or a call of Python's
                | Kernel(body)                   a launch of its own

For a grid of threads (`kernels/grid`) loops have further kinds, and a kernel says how many threads
work together on what it does:
- GRID: each turn is the work of one thread. Such a loop is all there is of its kernel.
- BLOCK: each turn is the work of a team of `Kernel.threads` threads, which all run its body. It is
  all there is of its kernel. A kernel that has neither is the work of one team.
- LANES, in a team's body: the turns are shared out to the threads of the team. What a turn adds to
  registers that are declared outside is combined over the team at the end of the loop. All other
  statements of the body are run by every thread with the same values; stores by one of them.
- HOST: the host runs the turns; the body is kernels, which it launches one after the other. If and
  While may have kernels in the place of other statements, too: the host then looks at their
  conditions. Such loops are all there is of their kernels.
In the order of a serial loop each of these means the same, so the interpreter knows none of them.

Invariants
- Expressions are pure; a LOAD reads the buffer's value at the point where its statement runs.
- A Loop runs index = start, start+1, ..., stop-1; start and stop are int64 expressions that do
  not depend on it. `Index.extent` is an upper bound of stop.
- The iterations of a PARALLEL loop write disjoint elements and are meant to be few (chunks), each
  worth a thread. It may stand anywhere but in another one, and changes no register around it.
- Accumulate on floats may be reassociated within the innermost loop that contains it; nothing
  else may, so results do not depend on the number of threads.
- Offsets are flat, in elements, within [0, buffer.size). Buffers do not overlap, except that a
  temporary may stand where one stood that dies in the kernel that writes it (`inplace.py`).
- LOCAL buffers belong to one iteration of the outermost loop (one stack slot per thread).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wengert.errors import Location
from wengert.ir.host import HostCall
from wengert.ir.scalar import Expr, Index
from wengert.ir.types import DType
from wengert.world import Request


class Space(enum.StrEnum):
    """Where a buffer lives."""

    INPUT = "input"
    OUTPUT = "output"
    CONSTANT = "constant"
    TEMP = "temp"
    LOCAL = "local"


class Kind(enum.StrEnum):
    """How a loop runs; the turns of an ORDERED one wait for one another.

    What a turn of a FREE one writes to arrays, no other turn reads or writes: that is proved.
    """

    SERIAL = "serial"
    FREE = "free"
    ORDERED = "ordered"
    PARALLEL = "parallel"
    UNROLL = "unroll"
    GRID = "grid"
    BLOCK = "block"
    LANES = "lanes"
    HOST = "host"


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Buffer:
    """A flat array of `size` elements, known by identity.

    Truth values may be `packed`: each is a bit.
    """

    dtype: DType
    size: int
    space: Space
    packed: bool = False

    @property
    def nbytes(self) -> int:
        # a vector of bits is read as a whole word, from the byte that has the first one
        return self.size // 8 + 8 if self.packed else self.size * self.dtype.itemsize


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Register:
    """A mutable scalar, known by identity."""

    dtype: DType


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Loop:
    """Runs `body` for each turn from `start` up to `stop`."""

    index: Index
    start: Expr
    stop: Expr
    body: tuple[Stmt, ...]
    kind: Kind = Kind.SERIAL


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Store:
    """buffer[offset] = value."""

    buffer: Buffer
    offset: Expr
    value: Expr


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Declare:
    """A new register with a first value."""

    register: Register
    init: Expr


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Assign:
    """register = value."""

    register: Register
    value: Expr


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Accumulate:
    """`combine` is one of add, mul, max, min, and, or."""

    register: Register
    combine: str
    value: Expr


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class If:
    """Runs one of two blocks."""

    condition: Expr
    then: tuple[Stmt, ...]
    otherwise: tuple[Stmt, ...] = ()


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class While:
    """Runs `before`, and then, if `condition` holds, `body` and all of it again."""

    before: tuple[Stmt, ...]
    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Check:
    """Stops the call with failure number `code`, and `value` (int64), if `condition` is false."""

    condition: Expr
    code: int
    value: Expr


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Matrix:
    """A matrix in a buffer: element (i, j) is at offset + i * row + j * column."""

    buffer: Buffer
    offset: Expr
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Epilogue:
    """What a product does to its sums: adds `bias`, a number for each column, then `activation`.

    The activation is "relu", "gelu" (by way of tanh) or "" for none.
    """

    activation: str
    bias: Buffer | None


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Gemm:
    """out = lhs @ rhs for floats, by a BLAS on one thread, or by a device's library.

    out is m by n, lhs m by k, rhs k by n; `m` is an int64 expression. One stride of each operand
    is 1, and out.column is. Only products on a grid have an epilogue.
    """

    out: Matrix
    lhs: Matrix
    rhs: Matrix
    m: Expr
    n: int
    k: int
    epilogue: Epilogue | None = None

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """What is written, then what is read."""
        return (self.out, self.lhs, self.rhs)


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Factorise:
    """out = what `routine` of LAPACK, pocketfft or a sort gives for `sources`, on one thread.

    Sources are row-major matrices of the given shapes; `out` is a matrix of `count` numbers in
    `rows` rows. `library` is the op whose meaning the routine has. LAPACK's takes as many matrices
    as there are rows, one below the other in each source, and gives a row for each, or as many
    lines as `lines` says. `first` is an int64: which of a longer row of things the first one is,
    for routines to which that matters (`kernels/fourier.py`).
    """

    routine: str
    out: Matrix
    count: int
    sources: tuple[Matrix, ...]
    shapes: tuple[tuple[int, int], ...]
    library: str = "lapack"
    rows: int = 1
    lines: int = 1
    first: Expr | None = None

    @property
    def out_shape(self) -> tuple[int, int]:
        """Rows and columns of `out`."""
        return self.rows * self.lines, self.count // (self.rows * self.lines)

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """What is written, then what is read."""
        return (self.out, *self.sources)


class Phase(enum.StrEnum):
    """What of a collective a statement does: all of it, its beginning, or waiting for its end."""

    WHOLE = "whole"
    START = "start"
    WAIT = "wait"


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Communicate:
    """outs = what the collective `request` makes of `sources` in all processes, whole buffers.

    Or what a Python function makes of them: then it is WHOLE, and on the thread that has called the
    program; those without elements are left out.

    In place, the sources are the outs. Between the START and the WAIT with the same `ticket`
    nothing else touches any of them. `code` is the number of the failure that stands for an error.
    """

    request: Request | HostCall
    sources: tuple[Buffer, ...]
    outs: tuple[Buffer, ...]
    code: int
    phase: Phase = Phase.WHOLE
    ticket: int = 0


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Kernel:
    """One native function; `name` is for people.

    On a grid, `threads` is the size of a team (1 for GRID loops). A `wide` kernel's one team is
    made of all threads of a grid whose blocks have so many.
    """

    name: str
    body: tuple[Stmt, ...]
    threads: int = 1
    wide: bool = False


Call = Gemm | Factorise
"""What a library does; the device's one, LAPACK, pocketfft, or a sort."""

Stmt = (
    Loop
    | Store
    | Declare
    | Assign
    | Accumulate
    | If
    | While
    | Check
    | Gemm
    | Factorise
    | Communicate
    | Kernel
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What Check number `code` means: an exception type's name and a message.

    `{value}` in the message stands for the checked value.
    """

    error: str
    message: str
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class LoopProgram:
    """A whole program over buffers; `steps` run in order.

    `outputs` may repeat, and may be inputs or constants (then the caller gets a copy). `offsets`
    places each TEMP buffer in one arena of `arena` bytes; buffers live at the same time do not
    overlap. `donated` are inputs that the program writes, since an output takes their memory: they
    are outputs too.
    """

    inputs: tuple[Buffer, ...]
    constants: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    steps: tuple[Kernel, ...]
    failures: tuple[Failure, ...]
    offsets: dict[Buffer, int]
    arena: int
    donated: frozenset[Buffer] = frozenset()

    @property
    def donors(self) -> list[int]:
        """For each output, the number of the donated input that it is for the first time; or -1."""
        numbers = {b: k for k, b in enumerate(self.inputs) if b in self.donated}
        return [numbers.pop(b, -1) for b in self.outputs]
