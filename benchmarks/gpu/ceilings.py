"""What the device takes by itself: empty kernels, and products by cublasLt without a program.

Each ceiling is measured in turns with the tools, as a call without anything around it. It is given
the inputs of its line as CuPy arrays, row after row in memory.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from typing import Any

Ceiling = Callable[[Sequence[Any]], Callable[[], Any]]
"""Prepares a call on the arrays of a line."""

KERNELS = 20
EMPTY = "WG_KERNEL(wg_empty, 32)(float* x) {}\n"


def _backend(name: str) -> Any:
    return importlib.import_module(f"wengert.backends.cuda.{name}")


def empty_kernel(arrays: Sequence[Any]) -> Callable[[], Any]:
    """One launch of a kernel that does nothing, from arguments that are packed already."""
    device = _backend("gpu").current_device()
    spec = _backend("device").KernelSpec("wg_empty", 1, 32)
    with device.active():
        (kernel,) = device.load(_backend("source").source_text([EMPTY]), [spec])
    address = ctypes.c_uint64()
    places = (ctypes.c_void_p * 1)(ctypes.addressof(address))

    def run(keep: Any = address) -> None:
        device.launch(kernel, spec, places)

    return run


def empty_graph(arrays: Sequence[Any]) -> Callable[[], Any]:
    """A graph of as many such kernels as the program beside it has."""
    device, launch = _backend("gpu").current_device(), empty_kernel(arrays)

    def run() -> None:
        for _ in range(KERNELS):
            launch()

    with device.active():
        graph = device.record(run)
    if graph is None:
        raise RuntimeError("launches could not be recorded")
    return graph


def product_alone(arrays: Sequence[Any]) -> Callable[[], Any]:
    """The first two arrays multiplied by cublasLt, in the way that it proposes."""
    device = _backend("gpu").current_device()
    lhs, rhs = arrays[:2]
    (m, k), n = lhs.shape, rhs.shape[1]
    spec = _backend("device").MatMulSpec(lhs.dtype, m, n, k, (k, 1), (n, 1), (n, 1))
    with device.active():
        product = device.prepare(spec)
        out = device.allocate(m * n * lhs.dtype.itemsize)
        room = device.allocate(max(1, product.workspace))
    addresses = [device.address_of(lhs), device.address_of(rhs), out.address]

    def run(keep: Any = (lhs, rhs, out, room)) -> None:
        device.matmul(product, addresses, room.address)

    return run
