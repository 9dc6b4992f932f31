"""The narrow interface between launch plans and whatever runs them.

Two packages implement it for the very same text. `gpu/` has kernels compiled by NVRTC and launches
them through CuPy; `host/` compiles them with g++ and runs each CUDA thread as a fiber, so that
everything above this interface is tested on machines without a GPU.

Addresses are plain ints. A kernel's parameters are all pointers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wengert.world import Request

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kernel of a source text, and how it is launched.

    `threads` per block, `blocks` in the grid (both one-dimensional), `shared` bytes of dynamic
    shared memory. The blocks of a `cooperative` kernel wait for one another, so that all of them
    must be resident at once: the driver may then launch fewer blocks, never more.
    """

    name: str
    blocks: int
    threads: int
    shared: int = 0
    cooperative: bool = False


@dataclass(frozen=True, slots=True)
class MatMulSpec:
    """out = activation(lhs @ rhs + bias), in row-major terms, for one dtype of all operands.

    The activation is "relu", "gelu" or ""; a bias has a number for each column.

    Element (i, j) of an operand is at i * row + j * column, with one of the two strides 1 (and
    out's column). Batches follow one another at `batch` elements; a step of 0 repeats an operand.
    """

    dtype: np.dtype[Any]
    m: int
    n: int
    k: int
    lhs: tuple[int, int]
    rhs: tuple[int, int]
    out: tuple[int, int]
    batch: int = 1
    steps: tuple[int, int, int] = (0, 0, 0)  # of lhs, rhs, out
    alignment: int = 16  # of the first elements, in bytes
    activation: str = ""
    biased: bool = False


@dataclass(frozen=True, slots=True)
class ExchangeSpec:
    """A collective of arrays of `sent` elements, with results of `received`, for one dtype."""

    request: Request
    dtype: np.dtype[Any]
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class LibrarySpec:
    """What `routine` of a library gives for each of `batch` operands that follow one another.

    `library` is the name of the op whose meaning the routine has (lapack, pocketfft or sort).
    Operands are row-major matrices of `shapes`, of which pocketfft takes the rows by the length in
    the routine's name; results are `count` numbers in a row. Nothing has gaps. `dtype` is that of
    operands, and of results as well unless these are positions.
    """

    library: str
    routine: str
    dtype: np.dtype[Any]
    shapes: tuple[tuple[int, int], ...]
    result: np.dtype[Any]
    count: int
    batch: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the compiler says of one kernel: registers per thread, and bytes of memory."""

    name: str
    registers: int
    spill_bytes: int
    stack_bytes: int
    shared_bytes: int


class Memory(Protocol):
    """A stretch of device memory, given back when the object dies."""

    @property
    def address(self) -> int: ...

    @property
    def nbytes(self) -> int: ...


class Prepared(Protocol):
    """A call that is ready to run, and the bytes of device memory that it needs meanwhile."""

    @property
    def workspace(self) -> int: ...


class PreparedRoutine(Prepared, Protocol):
    """A library's routine that is ready to run; some of them cannot be recorded."""

    @property
    def recordable(self) -> bool: ...


class Device(Protocol):
    """One GPU, or the host playing one."""

    name: str

    def active(self) -> AbstractContextManager[Any]:
        """While it is entered, work goes to this device."""
        ...

    def order(self, last: Any) -> Any:
        """Where work goes now; it waits for all that went to `last`, an earlier such place."""
        ...

    def load(self, source: str, kernels: Sequence[KernelSpec]) -> Sequence[Any]:
        """Compiles a text (or finds it in the disk cache); a handle for each kernel."""
        ...

    def allocate(self, nbytes: int) -> Memory:
        """Uninitialised memory, aligned to 256 bytes; raises DeviceMemoryError."""
        ...

    def upload(self, address: int, array: Array) -> None:
        """Copies a C-contiguous NumPy array to the device; done when it returns."""
        ...

    def download(self, array: Array, address: int) -> None:
        """Copies device memory into a NumPy array, after all that was launched before."""
        ...

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Copies on the device, in the order of launches."""
        ...

    def launch(self, handle: Any, spec: KernelSpec, parameters: Any) -> None:
        """Launches a kernel; `parameters` is a ctypes array of pointers to its arguments."""
        ...

    def prepare(self, spec: MatMulSpec) -> Prepared:
        """Chooses how a product is computed."""
        ...

    def matmul(self, product: Any, addresses: Sequence[int], workspace: int) -> None:
        """Runs a prepared product on the addresses of lhs, rhs, out and, if it has one, bias."""
        ...

    def prepare_library(self, spec: LibrarySpec) -> PreparedRoutine:
        """Chooses how a library's routine is run; raises MissingRuleError if there is none."""
        ...

    def run_library(self, call: Any, addresses: Sequence[int], workspace: int) -> None:
        """Runs a prepared routine on the addresses of its operands and then of the results."""
        ...

    def prepare_exchange(self, spec: ExchangeSpec) -> Prepared:
        """Meets the other processes of a collective; all of them prepare it at the same time."""
        ...

    def exchange(self, exchange: Any, source: int, out: int, workspace: int) -> None:
        """Runs a prepared collective; in place, where `source` is `out`."""
        ...

    def write(self, address: int, number: int) -> None:
        """Writes a small int64 >= 0, in the order of launches."""
        ...

    def record(self, run: Callable[[], None]) -> Callable[[], None] | None:
        """What replays all launches that `run()` makes, or None if they cannot be recorded.

        A replay uses the addresses that were in the arguments while it was recorded.
        """
        ...

    # the user's arrays

    def borrow(self, array: Any, shape: Shape, dtype: np.dtype[Any]) -> int | None:
        """The address of an array of this device of a shape and dtype; else None."""
        ...

    def address_of(self, array: Any) -> int | None:
        """The address of an array of this device; None if kernels cannot use it as it is.

        Raises InputTypeError for an array of another device.
        """
        ...

    def contiguous(self, array: Any, dtype: np.dtype[Any]) -> Any:
        """A copy of an array of this device that kernels can use; None if it is none."""
        ...

    def mixes(self, leaves: Sequence[Any]) -> bool:
        """Whether some arguments are arrays of this device, and others arrays of the host."""
        ...

    def empty(self, memory: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """An array for the user, over memory that it keeps alive."""
        ...
