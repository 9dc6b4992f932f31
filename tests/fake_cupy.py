"""A stand-in for CuPy on a machine without a GPU, for what the CUDA back end asks of CuPy.

Kernels run on the host device. As on a GPU, work does not run when it is put on a stream: each
stream has a queue that runs when something waits for it, so that a missing wait gives wrong
results. Memory that is freed goes to the next allocation of its size.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

import fake_nccl
import fake_solver
import numpy as np

from wengert.backends.cuda.device import KernelSpec
from wengert.backends.cuda.host import HostDevice

Work = Callable[[], None]


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


class CUDADriverError(RuntimeError):
    """As CuPy's."""


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


class Pointer:
    """CuPy's MemoryPointer: gives its block back when it dies."""

    def __init__(self, pool: Pool, block: np.ndarray[Any, Any], device: int, key: Any) -> None:
        self.pool, self.block, self.device_id, self.key = pool, block, device, key
        self.ptr = -(-block.ctypes.data // 256) * 256

    def __del__(self) -> None:
        self.pool.free.setdefault(self.key, []).append(self.block)


class Pool:
    """A memory pool of `limit` bytes."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.free: dict[Any, list[np.ndarray[Any, Any]]] = {}
        self.mallocs = 0

    def malloc(self, nbytes: int) -> Pointer:
        self.mallocs += 1
        size = -(-nbytes // 512) * 512 + 256
        if size > self.gpu.memory:
            raise OutOfMemoryError(f"out of memory allocating {nbytes} bytes")
        key = (self.gpu.current, self.gpu.streams[-1].ptr, size)  # each stream has its arena
        known = self.free.get(key)
        block = known.pop() if known else np.full(size, 0xFF, np.uint8)
        self.gpu.blocks.append(block)
        return Pointer(self, block, self.gpu.current, key)

    def free_all_blocks(self) -> None:
        """Nothing to do: there is no system to give memory back to."""


class Stream:
    """A queue of work."""

    def __init__(self, gpu: Gpu, number: int) -> None:
        self.gpu, self.ptr = gpu, number
        self.queue: list[Work] = []
        self.captured: list[Work] | None = None

    def put(self, work: Work) -> None:
        (self.queue if self.captured is None else self.captured).append(work)

    def synchronize(self) -> None:
        self.gpu.synchronisations += 1
        self.flush()

    def flush(self) -> None:
        """Runs the queue, in turn with those of the other streams."""
        others = [s for s in self.gpu.streams if s is not self]
        while self.queue:
            self.queue.pop(0)()
            for other in others:
                if other.queue:
                    other.queue.pop(0)()

    def wait_event(self, event: Event) -> None:
        self.put(event.wait)

    def begin_capture(self) -> None:
        self.captured = []

    def end_capture(self) -> Graph:
        captured, self.captured = self.captured, None
        assert captured is not None
        if self.gpu.refuses_capture:
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported")
        return Graph(self.gpu, captured)

    def __enter__(self) -> Stream:
        self.gpu.streams.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.gpu.streams.pop()


class Event:
    """A place in a stream's queue."""

    def __init__(self, disable_timing: bool = False) -> None:
        self.done = False
        self.stream: Stream | None = None

    def record(self, stream: Stream) -> None:
        self.stream = stream
        stream.put(self._reached)

    def _reached(self) -> None:
        self.done = True

    def wait(self) -> None:
        assert self.stream is not None
        while not self.done:
            self.stream.queue.pop(0)()


class Graph:
    """Captured work."""

    def __init__(self, gpu: Gpu, work: list[Work]) -> None:
        self.gpu, self.work = gpu, work

    def launch(self, stream: Stream) -> None:
        self.gpu.replays += 1
        for one in self.work:
            stream.put(one)


class Module:
    """A program whose machine code is its text."""

    gpu: Gpu

    def load(self, code: bytes) -> None:
        self.source = code.decode()

    def get_function(self, name: str) -> Any:
        (loaded,) = self.gpu.host.load(self.source, [KernelSpec(name, 1, 1)])
        head = re.search(rf"WG_KERNEL\({name}, \d+\)\((.*?)\)", self.source, re.DOTALL)
        assert head is not None
        count = head[1].count(",") + 1 if head[1].strip() else 0
        number = 1 + len(self.gpu.functions)
        self.gpu.functions[number] = (loaded, name, count)
        return types.SimpleNamespace(ptr=number)


class Gpu:
    """What all parts of the stand-in share, and what tests ask about afterwards."""

    def __init__(self, devices: int = 1, driver: int = 13_000) -> None:
        self.devices, self.driver = devices, driver
        self.memory = 1 << 32
        self.current = 0
        self.host = HostDevice()
        self.functions: dict[int, Any] = {}
        self.blocks: list[np.ndarray[Any, Any]] = []  # alive, since queued work has addresses
        self.synchronisations = self.launches = self.replays = self.copies_to_host = 0
        self.copies_from_host = 0
        self.allocators: list[Any] = []
        self.handles: dict[int, int] = {}  # the streams of libraries
        self.refuses_capture = False
        self.fails: str | None = None
        self.numbers = itertools.count(1)
        self.streams = [Stream(self, 0)]

    def stream(self, number: int) -> Stream:
        (found,) = [s for s in self.streams if s.ptr == number][:1]
        return found

    # the runtime

    def copy(self, target: int, source: int, nbytes: int, kind: int, stream: int) -> None:
        if kind == 1:  # the host's memory is read at once
            self.copies_from_host += 1
            held = ctypes.string_at(source, nbytes)
            self.stream(stream).put(lambda: ctypes.memmove(target, held, nbytes) and None)
        else:
            self.copies_to_host += kind == 2
            self.stream(stream).put(lambda: ctypes.memmove(target, source, nbytes) and None)

    def copy_rows(self, target: int, step: int, source: int, given: int, *rest: int) -> None:
        """Runtime.memcpy2DAsync."""
        nbytes, rows, kind, stream = rest
        assert step >= nbytes <= given
        for k in range(rows):
            self.copy(target + k * step, source + k * given, nbytes, kind, stream)

    def fill(self, address: int, value: int, nbytes: int, stream: int) -> None:
        self.stream(stream).put(lambda: ctypes.memset(address, value, nbytes) and None)

    def runtime(self) -> Any:
        return types.SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError,
            memcpyHostToDevice=1,
            memcpyDeviceToHost=2,
            memcpyDeviceToDevice=3,
            driverGetVersion=lambda: self.driver,
            getDeviceCount=lambda: self.devices,
            getDevice=lambda: self.current,
            memGetInfo=lambda: (self.memory, self.memory),
            memcpyAsync=self.copy,
            memcpy2DAsync=self.copy_rows,
            memsetAsync=self.fill,
            free=lambda address: None,
            deviceSynchronize=lambda: [stream.flush() for stream in self.streams],
        )

    # the driver

    def launch(self, function: int, *launch: int) -> None:
        blocks, _, _, threads, _, _, shared, stream, parameters = launch[:9]
        if self.fails is not None:
            raise CUDADriverError(self.fails)
        self.launches += 1
        loaded, name, count = self.functions[function]
        places = (ctypes.c_void_p * count).from_address(parameters) if count else ()
        values = [ctypes.c_uint64.from_address(p or 0).value for p in places]
        held = (ctypes.c_uint64 * max(1, count))(*values)
        base = ctypes.addressof(held)
        pointers = (ctypes.c_void_p * max(1, count))(*(base + 8 * k for k in range(count)))
        cooperative = len(launch) == 9
        spec = KernelSpec(name, blocks, threads, shared, cooperative)

        def run(held: Any = held) -> None:
            self.host.launch(loaded, spec, pointers)

        self.stream(stream).put(run)

    def driver_api(self) -> Any:
        return types.SimpleNamespace(
            CUDADriverError=CUDADriverError,
            CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8,
            launchKernel=self.launch,
            launchCooperativeKernel=self.launch,
            occupancyMaxActiveBlocksPerMultiprocessor=lambda function, threads, shared: 2,
            funcSetAttribute=lambda function, which, value: None,
        )

    @contextlib.contextmanager
    def using_allocator(self, allocator: Any) -> Iterator[None]:
        """As CuPy's."""
        self.allocators.append(allocator)
        yield
        self.allocators.pop()

    @contextlib.contextmanager
    def use(self, number: int) -> Iterator[None]:
        before, self.current = self.current, number
        yield
        self.current = before

    def device(self, number: int) -> Any:
        gpu = self

        class Device:
            compute_capability = "90"
            attributes: dict[str, int] = {"MultiProcessorCount": 132}  # noqa: RUF012 - as CuPy's

            def __enter__(self) -> None:
                self.manager = gpu.use(number)
                self.manager.__enter__()

            def __exit__(self, *_: object) -> None:
                self.manager.__exit__(None, None, None)

        return Device()


class Array:
    """CuPy's ndarray, as far as it is needed."""

    gpu: Gpu
    pool: Pool

    def __init__(self, shape: tuple[int, ...], dtype: Any, memptr: Pointer) -> None:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        memory = (ctypes.c_uint8 * max(1, size)).from_address(memptr.ptr)
        raw = np.frombuffer(memory, np.uint8, size)
        self.data, self.view = memptr, raw.view(dtype).reshape(shape)

    dtype = property(lambda self: self.view.dtype)
    shape = property(lambda self: self.view.shape)
    strides = property(lambda self: self.view.strides)
    ndim = property(lambda self: self.view.ndim)
    flags = property(lambda self: types.SimpleNamespace(c_contiguous=self.view.flags.c_contiguous))

    @classmethod
    def of(cls, value: Any, dtype: Any = None, order: str = "C", copy: bool = True) -> Array:
        """cupy.array."""
        source = value.get() if isinstance(value, Array) else np.asarray(value)
        source = np.ascontiguousarray(source, dtype).reshape(source.shape)
        made = cls(source.shape, source.dtype, cls.pool.malloc(source.nbytes))
        made.view[...] = source
        return made

    @property
    def T(self) -> Array:
        turned = type(self).__new__(type(self))
        turned.data, turned.view = self.data, self.view.T
        return turned

    def get(self) -> np.ndarray[Any, Any]:
        """A copy on the host, after all work of the current stream."""
        self.gpu.streams[-1].flush()
        return self.view.copy()

    def __setitem__(self, key: Any, value: Any) -> None:
        def assign() -> None:
            self.view[key] = value.view if isinstance(value, Array) else value

        self.gpu.streams[-1].put(assign)


def module(gpu: Gpu, apart: bool = False) -> Any:
    """The module `cupy` over a GPU; `apart` from others, with classes of its own."""
    array: Any = type("Array", (Array,), {}) if apart else Array
    own_module: Any = type("Module", (Module,), {}) if apart else Module
    array.gpu = own_module.gpu = gpu
    array.pool = Pool(gpu)
    own = Pool(gpu)
    cuda = types.SimpleNamespace(
        runtime=gpu.runtime(),
        driver=gpu.driver_api(),
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        MemoryPool=lambda: own,
        Device=gpu.device,
        Module=own_module,
        nccl=fake_nccl.library(gpu),
        cusolver=fake_solver.Solver(gpu, 11),
        cublas=fake_solver.Blas(gpu, 12),
        cufft=fake_solver.fourier(gpu),
        thrust=fake_solver.thrust(gpu),
        device=types.SimpleNamespace(get_cusolver_handle=lambda: 11, get_cublas_handle=lambda: 12),
        using_allocator=gpu.using_allocator,
        Event=Event,
        Stream=lambda non_blocking: Stream(gpu, next(gpu.numbers)),
        get_current_stream=lambda: gpu.streams[-1],
    )
    return types.SimpleNamespace(
        cuda=cuda,
        ndarray=array,
        array=array.of,
        asarray=array.of,
        copyto=lambda target, source: target.__setitem__(..., source),
        get_default_memory_pool=lambda: array.pool,
        may_share_memory=lambda x, y: np.may_share_memory(x.view, y.view),
    )
