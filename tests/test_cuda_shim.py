"""The host device: kernels by g++, a fiber for each thread, faults reported."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from wengert.backends.cuda.device import KernelSpec
from wengert.backends.cuda.host import HostDevice
from wengert.backends.cuda.source import source_text
from wengert.errors import CompileError, LaunchError
from wengert.ir.floats import bfloat16, widened

if shutil.which("g++") is None:
    pytest.skip("g++ is not installed", allow_module_level=True)

SUM = """WG_KERNEL(block_sum, 256)(const double* __restrict__ x, double* __restrict__ y) {
  WG_DYNAMIC(scratch);
  const double total = wg_team_reduce<256, wg_add, double>(x[wg_thread()], scratch);
  y[wg_thread()] = total;
}
"""
NEIGHBOURS = """WG_KERNEL(neighbours, 64)(const float* __restrict__ x, float* __restrict__ y) {
  WG_DYNAMIC(dynamic);
  float* row = (float*)dynamic;
  row[wg_thread()] = x[wg_thread()];
  BARRIER
  y[wg_thread()] = row[63 - wg_thread()];
}
"""
GRID = """WG_KERNEL(rotate, 32)(int* x, int* y, unsigned* meeting) {
  const int k = wg_block() * 32 + wg_thread();
  x[k] = k;
  wg_grid_sync(meeting);
  y[k] = x[(k + 32) % (32 * wg_blocks())];
}
"""
HALVES = """WG_KERNEL(halves, 256)(const wg_half* x, float* wide, const double* from, wg_half* narrow) {
  for (int k = wg_thread(); k < 65536; k += 256) {
    wide[k] = wg_from_half(x[k]);
    narrow[k] = k % 2 ? wg_to_half(from[k]) : wg_to_half((float)from[k]);
  }
}
"""
BRIEF = """WG_KERNEL(brief, 256)(const wg_bfloat* x, float* wide, const float* from, wg_bfloat* narrow) {
  for (int k = wg_thread(); k < 65536; k += 256) {
    wide[k] = wg_from_bfloat(x[k]);
    narrow[k] = wg_to_bfloat(from[k]);
  }
}
"""


def run(text: str, spec: KernelSpec, arrays: Sequence[np.ndarray], seed: int = 1) -> None:
    device = HostDevice(seed)
    (handle,) = device.load(source_text([text]), [spec])
    addresses = (ctypes.c_uint64 * len(arrays))(*(a.ctypes.data for a in arrays))
    base = ctypes.addressof(addresses)
    pointers = (ctypes.c_void_p * len(arrays))(*(base + 8 * k for k in range(len(arrays))))
    device.launch(handle, spec, pointers)


@pytest.mark.slow
def test_a_block_adds_up() -> None:
    x, y = np.arange(256.0), np.zeros(256)
    run(SUM, KernelSpec("block_sum", 1, 256, 256), [x, y])
    np.testing.assert_array_equal(y, x.sum())


def reversed_by(barrier: str, seed: int) -> bool:
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    text = NEIGHBOURS.replace("BARRIER", barrier)
    run(text, KernelSpec("neighbours", 1, 64, 256), [x, y], seed)
    return np.array_equal(y, x[::-1])


@pytest.mark.slow
def test_a_missing_barrier_shows() -> None:
    assert all(reversed_by("wg_sync();", seed) for seed in range(3))
    # without any barrier threads run one after the other, and read what is not written yet
    assert not any(reversed_by("", seed) for seed in range(3))
    # a barrier of the warp alone: the other warp may not have come
    assert not all(reversed_by("wg_warp_sync();", seed) for seed in range(3))


@pytest.mark.parametrize(
    "barrier", ["if (wg_thread() < 16) wg_sync();", "if (wg_thread() < 16) wg_warp_sync();"]
)
def test_threads_that_never_come_are_reported(barrier: str) -> None:
    with pytest.raises(LaunchError, match=r"block 0: 16 threads wait .* 16 others|others never"):
        reversed_by(barrier, 0)


def test_blocks_wait_for_one_another() -> None:
    x, y = np.zeros(96, np.int32), np.zeros(96, np.int32)
    spec = KernelSpec("rotate", 3, 32, 0, cooperative=True)
    run(GRID, spec, [x, y, np.zeros(64, np.uint32)])
    np.testing.assert_array_equal(y, np.roll(np.arange(96), -32))


def test_halves_round_as_numpy_does() -> None:
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    rng = np.random.default_rng(0)
    values = rng.normal(size=65536) * 10.0 ** rng.integers(-9, 6, 65536)
    wide, narrow = np.zeros(65536, np.float32), np.zeros(65536, np.float16)
    run(HALVES, KernelSpec("halves", 1, 256), [x, wide, values, narrow])
    np.testing.assert_array_equal(wide, x.astype(np.float32))
    with np.errstate(over="ignore"):
        expected = np.where(
            np.arange(65536) % 2, values.astype(np.float16), values.astype(np.float32).astype("f2")
        )
    np.testing.assert_array_equal(narrow, expected)


def test_bfloat16_rounds_as_ml_dtypes_does() -> None:
    """All of its numbers, and what lies half-way between two or a little off."""
    kind = bfloat16()
    upper = np.arange(65536, dtype=np.uint32) << 16
    x = np.arange(65536, dtype=np.uint16).view(kind)
    for low in (0, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
        values = (upper | np.uint32(low)).view(np.float32)
        wide, narrow = np.zeros(65536, np.float32), np.zeros(65536, kind)
        run(BRIEF, KernelSpec("brief", 1, 256), [x, wide, values, narrow])
        np.testing.assert_array_equal(wide, x.astype(np.float32))
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(widened(narrow), widened(values.astype(kind)))


def test_a_fault_in_the_text_is_shown() -> None:
    with pytest.raises(CompileError, match="not declared"):
        HostDevice().load(
            source_text(["WG_KERNEL(wrong, 32)(float* x) { x[0] = y; }"]),
            [KernelSpec("wrong", 1, 32)],
        )


BEYOND = """
import ctypes, os
del os.environ["LD_PRELOAD"]  # g++ is to run as ever
from wengert.backends.cuda.device import KernelSpec
from wengert.backends.cuda.host import HostDevice
from wengert.backends.cuda.source import source_text
text = "WG_KERNEL(beyond, 32)(double* x) { x[wg_thread() + 1] = 1.0; }"
spec = KernelSpec("beyond", 1, 32)
device = HostDevice(sanitize=True)
(handle,) = device.load(source_text([text]), [spec])
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
address = ctypes.c_uint64(libc.malloc(32 * 8))
device.launch(handle, spec, (ctypes.c_void_p * 1)(ctypes.addressof(address)))
"""


@pytest.mark.slow
def test_the_address_sanitizer_finds_a_store_beyond_the_end() -> None:
    found: Any = subprocess.run(
        ["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    library = found.stdout.strip()
    if not os.path.isabs(library):
        pytest.skip("g++ has no libasan")
    tests = os.path.dirname(__file__)
    env = {
        **os.environ,
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join([tests, os.path.dirname(tests)]),
    }
    done = subprocess.run([sys.executable, "-c", BEYOND], env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
