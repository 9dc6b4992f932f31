"""The narrow interface between launch plans and whatever runs them.

`host/` implements it: it compiles the kernel text with g++ and runs each CUDA thread as a fiber, so
that everything above this interface is tested on machines without a GPU. The driver of a GPU is to
implement it for the very same text; it is not written yet.

Addresses are plain ints. A kernel's parameters are all pointers, so a launch is described by the
addresses that its parameters have: `Launch.arguments` says where each comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


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
    """out = lhs @ rhs, in row-major terms, for one dtype of all operands.

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

    address: int
    nbytes: int


class Device(Protocol):
    """One GPU, or the host playing one."""

    name: str

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

    def matmul(self, spec: MatMulSpec, addresses: Sequence[int]) -> None:
        """Runs a product on the addresses of lhs, rhs and out."""
        ...

    def record(self, run: Any) -> Any:
        """What replays all launches that `run()` makes, or None if they cannot be recorded."""
        ...

    # the user's arrays

    def address_of(self, array: Any) -> int | None:
        """The address of an array of this device; None if it is no such array."""
        ...

    def empty(self, memory: Memory, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """An array for the user, over memory that it keeps alive."""
        ...
