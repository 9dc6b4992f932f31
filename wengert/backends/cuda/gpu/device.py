"""A GPU: kernels as cubins, launches on CuPy's current stream, memory from a pool of wengert's own.

CuPy's rules hold: work goes to the stream that is current when a program is called, arrays are
ready in the order of that stream, and what was freed may be used again by later work on it.
Recordings are CUDA graphs; they are captured on a stream of their own and may be launched on any.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.cuda.cubins import cubin
from wengert.backends.cuda.device import (
    Array,
    ExchangeSpec,
    KernelSpec,
    LibrarySpec,
    MatMulSpec,
    Shape,
)
from wengert.backends.cuda.gpu.cublaslt import CublasLt, MatMul
from wengert.backends.cuda.gpu.cupy_module import cupy
from wengert.backends.cuda.gpu.fourier import prepare_transform
from wengert.backends.cuda.gpu.nccl import Message, Nccl
from wengert.backends.cuda.gpu.own import OwnKernels
from wengert.backends.cuda.gpu.ready import Ready
from wengert.backends.cuda.gpu.solver import Solver
from wengert.backends.cuda.gpu.sorting import prepare_sort
from wengert.errors import (
    DeviceMemoryError,
    DeviceUnavailableError,
    InputTypeError,
    LaunchError,
)

# Addresses of arguments: kernels read and write 16 bytes at once.
ALIGNMENT = 16
# Dynamic shared memory that a kernel has without asking for more.
PLAIN_SHARED = 48 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class GpuMemory:
    """Memory of the device; `pointer` is CuPy's, which gives it back."""

    address: int
    nbytes: int
    pointer: Any


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kernel of a module, and how many of its blocks the device holds at once."""

    module: Any
    address: int
    resident: int


class GpuDevice:
    """The GPU with a number, counted as CuPy does."""

    def __init__(self, number: int) -> None:
        self.cupy = cupy()
        self.number = number
        self.name = f"cuda:{number}"
        self.runtime: Any = self.cupy.cuda.runtime
        self.driver: Any = self.cupy.cuda.driver
        self.errors = (self.runtime.CUDARuntimeError, self.driver.CUDADriverError)
        self.pool: Any = self.cupy.cuda.MemoryPool()
        self.ndarray: type = self.cupy.ndarray
        device: Any = self.cupy.cuda.Device(number)
        self.arch = f"sm_{device.compute_capability}"
        self._thread = threading.local()
        self.processors: int = device.attributes["MultiProcessorCount"]

    @functools.cached_property
    def library(self) -> CublasLt:
        """cublasLt, once a program has a product."""
        return CublasLt()

    # where and when work runs

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """While it is entered, this device is CuPy's current one."""
        with self.cupy.cuda.Device(self.number):
            if not hasattr(self._thread, "started"):
                self.runtime.free(0)  # the driver's functions need a context in each thread
                self._thread.started = True
            yield

    def order(self, last: Any) -> Any:
        """The current stream, which waits for the stream `last` if that is another one."""
        stream = self.cupy.cuda.get_current_stream()
        if last is not None and last.ptr != stream.ptr:
            event = self.cupy.cuda.Event(disable_timing=True)
            event.record(last)
            stream.wait_event(event)
        return stream

    def _stream(self) -> int:
        pointer: int = self.cupy.cuda.get_current_stream().ptr
        return pointer

    # memory

    def allocate(self, nbytes: int) -> GpuMemory:
        try:
            pointer = self._malloc(nbytes)
        except self.cupy.cuda.memory.OutOfMemoryError as error:
            free, total = self.runtime.memGetInfo()
            raise DeviceMemoryError(
                f"{self.name} has not {nbytes:,} bytes left for a program's arrays ({free:,} of "
                f"{total:,} bytes are free); use smaller arrays or batches, delete arrays, or "
                "donate arguments that are not used again (donate_argnums)"
            ) from error
        return GpuMemory(pointer.ptr, nbytes, pointer)

    def _malloc(self, nbytes: int) -> Any:
        try:
            return self.pool.malloc(nbytes)
        except self.cupy.cuda.memory.OutOfMemoryError:
            # what CuPy's pools keep for later may be enough
            self.pool.free_all_blocks()
            self.cupy.get_default_memory_pool().free_all_blocks()
            return self.pool.malloc(nbytes)

    def upload(self, address: int, array: Array) -> None:
        if array.nbytes:
            kind = self.runtime.memcpyHostToDevice
            # pageable memory has been read when this returns
            self.runtime.memcpyAsync(address, array.ctypes.data, array.nbytes, kind, self._stream())

    def download(self, array: Array, address: int) -> None:
        if array.nbytes:
            kind = self.runtime.memcpyDeviceToHost
            try:
                stream = self.cupy.cuda.get_current_stream()
                place = array.ctypes.data
                self.runtime.memcpyAsync(place, address, array.nbytes, kind, stream.ptr)
                stream.synchronize()
            except self.errors as error:
                raise self._lost("a program", error) from error

    def copy(self, target: int, source: int, nbytes: int) -> None:
        if nbytes:
            kind = self.runtime.memcpyDeviceToDevice
            self.runtime.memcpyAsync(target, source, nbytes, kind, self._stream())

    # kernels

    def load(self, source: str, kernels: Sequence[KernelSpec]) -> Sequence[Any]:
        if not kernels:
            return []
        module: Any = self.cupy.cuda.Module()
        module.load(cubin(source, self.arch))
        return [self._loaded(module, spec) for spec in kernels]

    def _loaded(self, module: Any, spec: KernelSpec) -> Loaded:
        address: int = module.get_function(spec.name).ptr
        if spec.shared > PLAIN_SHARED:
            which = self.driver.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            self.driver.funcSetAttribute(address, which, spec.shared)
        count = self.driver.occupancyMaxActiveBlocksPerMultiprocessor
        per = count(address, spec.threads, spec.shared) if spec.cooperative else 0
        return Loaded(module, address, per * self.processors)

    def launch(self, handle: Loaded, spec: KernelSpec, parameters: Any) -> None:
        block = (spec.threads, 1, 1, spec.shared, self._stream(), _address(parameters))
        try:
            if spec.cooperative:
                blocks = min(spec.blocks, handle.resident)
                self.driver.launchCooperativeKernel(handle.address, blocks, 1, 1, *block)
            else:
                self.driver.launchKernel(handle.address, spec.blocks, 1, 1, *block, 0)
        except self.errors as error:
            raise self._lost(f"kernel {spec.name}", error) from error

    def prepare(self, spec: MatMulSpec) -> MatMul:
        return self.library.prepare(spec)

    def matmul(self, product: MatMul, addresses: Sequence[int], workspace: int) -> None:
        self.library.run(product, addresses, workspace, self._stream())

    @functools.cached_property
    def solver(self) -> Solver:
        """cuSOLVER and cuBLAS, once a program has a factorisation."""
        return Solver(self.cupy, self.own)

    @functools.cached_property
    def own(self) -> OwnKernels:
        """Kernels around calls of libraries."""
        return OwnKernels(self)

    def prepare_library(self, spec: LibrarySpec) -> Ready:
        try:
            if spec.library == "lapack":
                return self.solver.prepare(spec)
            if spec.library == "sort":
                return prepare_sort(self.cupy, self.pool, self.own, spec)
            return prepare_transform(self.cupy, self.pool, spec)
        except ImportError as error:
            raise DeviceUnavailableError(
                f"{spec.routine} on a GPU is made by a library of CUDA 13 that CuPy cannot load "
                f"({error}); install it with: pip install 'wengert[cuda13]'"
            ) from error

    def run_library(self, call: Ready, addresses: Sequence[int], workspace: int) -> None:
        *sources, out = addresses
        try:
            call.run(tuple(sources), out, workspace)
        except call.errors as error:
            raise self._lost("a routine of a library", error) from error

    @functools.cached_property
    def nccl(self) -> Nccl:
        """NCCL, once a program communicates."""
        return Nccl(self.cupy)

    def prepare_exchange(self, spec: ExchangeSpec) -> Message:
        return self.nccl.prepare(spec)

    def exchange(self, exchange: Message, source: int, out: int, workspace: int) -> None:
        try:
            exchange.run(source, out, workspace, self._stream())
        except self.nccl.error as error:
            raise self._lost(f"the collective {exchange.spec.request.kind}", error) from error

    def write(self, address: int, number: int) -> None:
        for byte in range(8):  # a copy from the host could not be captured
            value = number >> 8 * byte & 255
            self.runtime.memsetAsync(address + byte, value, 1, self._stream())

    def record(self, run: Callable[[], None]) -> Callable[[], None] | None:
        """The launches of `run` as a CUDA graph."""
        stream: Any = self.cupy.cuda.Stream(non_blocking=True)
        try:
            graph = self._capture(stream, run)
        except (*self.errors, LaunchError, NotImplementedError):
            return None  # something in it cannot be captured
        current: Any = self.cupy.cuda.get_current_stream

        def replay() -> None:
            try:
                graph.launch(current())
            except self.errors as error:
                raise self._lost("a recorded program", error) from error

        return replay

    def _capture(self, stream: Any, run: Callable[[], None]) -> Any:
        with stream:
            stream.begin_capture()
            try:
                run()
            except BaseException:
                stream.end_capture()  # may fail in turn: the capture is lost either way
                raise
            return stream.end_capture()

    def _lost(self, what: str, error: Exception) -> LaunchError:
        return LaunchError(
            f"{what} failed on {self.name}: {error}. If the error is one of memory access, CUDA "
            "refuses all further work of this process on the device; the CPU back end still works"
        )

    # the user's arrays

    def borrow(self, array: Any, shape: Shape, dtype: np.dtype[Any]) -> int | None:
        if type(array) is not self.ndarray:
            return None
        leaf: Any = array
        if leaf.shape != shape or leaf.dtype != dtype or not leaf.flags.c_contiguous:
            return None
        data = leaf.data
        address: int = data.ptr
        return None if address % ALIGNMENT or data.device_id != self.number else address

    def address_of(self, array: Any) -> int | None:
        if not isinstance(array, self.ndarray):
            return None
        leaf: Any = array
        if leaf.data.device_id != self.number:
            raise InputTypeError(
                f"an argument lies on cuda:{leaf.data.device_id}, and the program is for "
                f"{self.name}, where its other arguments are or which was current; copy the array "
                "there (cupy.asarray under cupy.cuda.Device), or call under that device"
            )
        address: int = leaf.data.ptr
        return address if leaf.flags.c_contiguous and address % ALIGNMENT == 0 else None

    def contiguous(self, array: Any, dtype: np.dtype[Any]) -> Any:
        if isinstance(array, self.ndarray):
            return self.cupy.array(array, dtype=dtype, order="C", copy=True)
        return None

    def mixes(self, leaves: Sequence[Any]) -> bool:
        own = any(isinstance(x, self.ndarray) for x in leaves)
        return own and any(isinstance(x, np.ndarray) and x.ndim for x in leaves)

    def empty(self, memory: GpuMemory, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        return self.ndarray(shape, dtype, memory.pointer)


def _address(parameters: Any) -> int:
    """Where a ctypes array lies."""
    return ctypes.addressof(parameters)


@functools.cache
def gpu_device(number: int) -> GpuDevice:
    """The GPU with a number."""
    return GpuDevice(number)


def current_device() -> GpuDevice:
    """CuPy's current device. Raises DeviceUnavailableError with what is missing."""
    number: int = cupy().cuda.runtime.getDevice()
    return gpu_device(number)
