"""The host as a CUDA device: kernels compiled by g++, a fiber for each thread, NumPy arrays."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.cuda.device import (
    Array,
    ExchangeSpec,
    KernelSpec,
    LibrarySpec,
    MatMulSpec,
    Shape,
)
from wengert.backends.cuda.host.build import build
from wengert.backends.cuda.host.routines import results
from wengert.errors import DeviceMemoryError, LaunchError
from wengert.kernels.activation import ACTIVATIONS
from wengert.world import perform

ALIGNMENT = 256
# Blocks of a cooperative launch: enough to show what goes wrong between blocks.
COOPERATIVE_BLOCKS = 3
_MEETS = re.compile(r"\bwg_(sync|warp_sync|grid_sync|shuffle\w*|\w+_reduce)\b")


@dataclass(slots=True, eq=False)
class HostMemory:
    """Memory of the process."""

    array: Array
    address: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kernel of a library: its address, and whether its threads meet."""

    library: ctypes.CDLL
    address: int
    meets: bool


@dataclass(frozen=True, slots=True)
class HostMatMul:
    """A product, which NumPy computes."""

    spec: MatMulSpec
    workspace: int = 0


@dataclass(frozen=True, slots=True)
class HostRoutine:
    """A library's routine, by the meaning of its op."""

    spec: LibrarySpec
    workspace: int = 0
    recordable: bool = True


@dataclass(frozen=True, slots=True)
class HostExchange:
    """A collective, which this process's communicator carries out in its own memory."""

    spec: ExchangeSpec
    workspace: int = 0


@dataclass(slots=True)
class HostDevice:
    """Runs kernels on the CPU, in an order of threads that follows from `seed`."""

    seed: int = 1
    sanitize: bool = False
    name: str = "host"
    launches: int = field(default=0, init=False)
    _recording: list[Callable[[], None]] | None = field(default=None, init=False)

    def active(self) -> AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def order(self, last: Any) -> Any:
        return None

    def load(self, source: str, kernels: Sequence[KernelSpec]) -> Sequence[Any]:
        if not kernels:
            return []
        library = build(source, self.sanitize)
        library.wg_report.restype = ctypes.c_char_p
        texts = _texts(source)
        return [self._loaded(library, k.name, texts[k.name]) for k in kernels]

    def _loaded(self, library: ctypes.CDLL, name: str, text: str) -> Loaded:
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        assert address is not None
        return Loaded(library, address, _MEETS.search(text) is not None)

    def allocate(self, nbytes: int) -> HostMemory:
        try:
            array = np.empty(nbytes + ALIGNMENT, np.uint8)
        except MemoryError as error:
            raise DeviceMemoryError(
                f"the host device has no {nbytes} bytes left; use smaller arrays"
            ) from error
        start = -array.ctypes.data % ALIGNMENT
        own = array[start : start + nbytes]
        return HostMemory(own, own.ctypes.data if nbytes else array.ctypes.data, nbytes)

    def upload(self, address: int, array: Array) -> None:
        if array.nbytes:
            ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def download(self, array: Array, address: int) -> None:
        if array.nbytes:
            ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        if nbytes:
            ctypes.memmove(target, source, nbytes)

    def launch(self, handle: Loaded, spec: KernelSpec, parameters: Any) -> None:
        if self._recording is not None:
            values = _values(parameters)
            self._recording.append(lambda: self._run(handle, spec, values.pointers))
        else:
            self._run(handle, spec, parameters)

    def _run(self, handle: Loaded, spec: KernelSpec, parameters: Any) -> None:
        self.launches += 1
        blocks = min(spec.blocks, COOPERATIVE_BLOCKS) if spec.cooperative else spec.blocks
        mode = 2 if spec.cooperative else int(handle.meets)
        failed = handle.library.wg_launch(
            ctypes.c_void_p(handle.address),
            len(parameters),
            parameters,
            blocks,
            spec.threads,
            spec.shared,
            mode,
            ctypes.c_uint64(self.seed + self.launches),
        )
        if failed:
            report = handle.library.wg_report().decode()
            raise LaunchError(f"kernel {spec.name} of the host device failed: {report}")

    def prepare(self, spec: MatMulSpec) -> HostMatMul:
        return HostMatMul(spec)

    def matmul(self, product: HostMatMul, addresses: Sequence[int], workspace: int) -> None:
        at = tuple(addresses)
        self._do(lambda: self._multiply(product.spec, at))

    def _multiply(self, spec: MatMulSpec, addresses: Sequence[int]) -> None:
        shapes = ((spec.m, spec.k), (spec.k, spec.n), (spec.m, spec.n))
        strides = (spec.lhs, spec.rhs, spec.out)
        lhs, rhs, out = (
            _matrices(spec, at, shape, stride, step)
            for at, shape, stride, step in zip(addresses, shapes, strides, spec.steps, strict=False)
        )
        wide = np.float32 if spec.dtype.itemsize == 2 else spec.dtype
        product = np.matmul(lhs.astype(wide, copy=False), rhs.astype(wide, copy=False))
        if spec.biased:
            bias = ctypes.string_at(addresses[3], spec.n * spec.dtype.itemsize)
            product += np.frombuffer(bias, spec.dtype)
        out[...] = ACTIVATIONS[spec.activation](product)

    def prepare_library(self, spec: LibrarySpec) -> HostRoutine:
        return HostRoutine(spec)

    def run_library(self, call: HostRoutine, addresses: Sequence[int], workspace: int) -> None:
        at = tuple(addresses)
        self._do(lambda: self._apply(call.spec, at))

    def _apply(self, spec: LibrarySpec, addresses: Sequence[int]) -> None:
        *sources, out = addresses
        given = [
            _flat(at, spec.batch * rows * columns, spec.dtype).reshape(-1, rows, columns)
            for at, (rows, columns) in zip(sources, spec.shapes, strict=True)
        ]
        made = _flat(out, spec.batch * spec.count, spec.result)
        made[...] = results(spec, given).reshape(-1)

    def prepare_exchange(self, spec: ExchangeSpec) -> HostExchange:
        return HostExchange(spec)

    def exchange(self, exchange: HostExchange, source: int, out: int, workspace: int) -> None:
        self._do(lambda: self._perform(exchange.spec, source, out))

    def _perform(self, spec: ExchangeSpec, source: int, out: int) -> None:
        sent, received = _flat(source, spec.sent, spec.dtype), _flat(out, spec.received, spec.dtype)
        perform(spec.request, [sent], [received])

    def write(self, address: int, number: int) -> None:
        self._do(lambda: _flat(address, 1, np.dtype(np.int64)).fill(number))

    def _do(self, work: Callable[[], None]) -> None:
        """Runs work, or keeps it for replays."""
        if self._recording is not None:
            self._recording.append(work)
        else:
            work()

    def record(self, run: Callable[[], None]) -> Callable[[], None]:
        """As a CUDA graph does, keeps the arguments' values of the time of recording."""
        steps = self._recording = []
        try:
            run()
        finally:
            self._recording = None

        def replay() -> None:
            for step in steps:
                step()

        return replay

    def borrow(self, array: Any, shape: Shape, dtype: np.dtype[Any]) -> int | None:
        fine = type(array) is np.ndarray and array.shape == shape and array.dtype == dtype
        return self.address_of(array) if fine else None

    def address_of(self, array: Any) -> int | None:
        fine = isinstance(array, np.ndarray) and array.flags.c_contiguous
        return array.ctypes.data if fine and array.ctypes.data % 16 == 0 else None

    def contiguous(self, array: Any, dtype: np.dtype[Any]) -> Any:
        return None

    def mixes(self, leaves: Sequence[Any]) -> bool:
        return False

    def empty(self, memory: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        size = int(np.prod(shape, dtype=np.int64))
        return memory.array[: size * dtype.itemsize].view(dtype).reshape(shape)


@dataclass(frozen=True, slots=True)
class _Values:
    """A copy of a kernel's arguments, and the pointers to them."""

    copies: Any
    pointers: Any


def _values(parameters: Any) -> _Values:
    count = len(parameters)
    known = [ctypes.c_uint64.from_address(p).value if p else 0 for p in parameters]
    copies = (ctypes.c_uint64 * count)(*known)
    base = ctypes.addressof(copies)
    return _Values(copies, (ctypes.c_void_p * count)(*(base + 8 * k for k in range(count))))


def _texts(source: str) -> dict[str, str]:
    """The text of each kernel by its name."""
    parts = re.split(r"WG_KERNEL\((\w+), \d+\)", source)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _flat(address: int, count: int, dtype: np.dtype[Any]) -> Array:
    """The elements at an address."""
    memory: Any = (ctypes.c_uint8 * (count * dtype.itemsize)).from_address(address)
    return np.frombuffer(memory, dtype)


def _matrices(
    spec: MatMulSpec, address: int, shape: tuple[int, int], strides: tuple[int, int], step: int
) -> Array:
    size = spec.dtype.itemsize
    reach = (spec.batch - 1) * step + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    flat = np.ctypeslib.as_array(
        ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8)), ((reach + 1) * size,)
    ).view(spec.dtype)
    return np.lib.stride_tricks.as_strided(
        flat, (spec.batch, *shape), tuple(size * s for s in (step, *strides))
    )
