"""`python -m wengert doctor`: what this machine offers, in one table.

Whatever could hang or crash while it is asked (Numba's threading layer, CuPy, MPI) is asked in a
process of its own, so that the table always comes out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wengert.config import config

VECTOR_FEATURES = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "amx_tile")
VECTOR_FEATURES_ARM = ("asimd", "sve", "sve2")
PROBE_SECONDS = 60

THREADS_PROBE = """
from wengert.backends.cpu import threads
count = threads.start()
print(threads.layer_name() or "no layer of Numba's can be used", "on", count, "threads")
"""
LLVM_PROBE = """
import llvmlite.binding as llvm
print(llvm.get_host_cpu_name(), "(LLVM", ".".join(map(str, llvm.llvm_version_info)) + ")")
"""
CUPY_PROBE = """
import cupy
runtime = cupy.cuda.runtime
driver = runtime.driverGetVersion()
has = f"driver for CUDA {driver // 1000}.{driver % 1000 // 10}" if driver else "no driver"
print("CuPy", cupy.__version__ + ",", has)
"""
GPU_PROBE = """
import cupy
runtime = cupy.cuda.runtime
for n in range(runtime.getDeviceCount()):
    known = runtime.getDeviceProperties(n)
    size = f"{known['totalGlobalMem'] / 2**30:.0f} GiB"
    print(f"{known['name'].decode()}, {size}, sm_{known['major']}{known['minor']};", end=" ")
"""
NVRTC_PROBE = """
from wengert.backends.cuda import nvrtc
print("NVRTC", ".".join(map(str, nvrtc.version())))
"""
CUBLASLT_PROBE = """
from wengert.backends.cuda.gpu.cublaslt import CublasLt
CublasLt()
print("ready")
"""
LIBRARIES_PROBE = """
import cupy
cupy.cuda.cusolver, cupy.cuda.cublas, cupy.cuda.cufft, cupy.cuda.thrust
print("ready")
"""
PRODUCTS_PROBE = """
from wengert.backends.cpu import machine
own = machine.target().masks
print("wengert's own, in vectors of 512 bits" if own else "NumPy's BLAS")
"""
BLAS_PROBE = """
import scipy.linalg.cython_blas, threadpoolctl
found = [lib for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
print(", ".join(sorted({f"{lib.get('architecture')} on {lib['num_threads']} threads"
                        for lib in found})))
"""
MPI_PROBE = """
from mpi4py import MPI
print("mpi4py with", MPI.Get_library_version().splitlines()[0].strip())
"""


class Row(NamedTuple):
    """A line of the table; rows of the same section stand together."""

    section: str
    name: str
    value: str


def version(package: str) -> str:
    """The installed version of a package, or that there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def probe(code: str) -> str:
    """What a new Python process prints for `code`; the last line of its error if it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {PROBE_SECONDS} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return f"fails: {lines[-1]}"
    return done.stdout.strip()


def cpu_fields() -> dict[str, str]:
    """The first processor's entries of /proc/cpuinfo; empty where there is no such file."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return {}
    first = info.read_text(errors="replace").split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def cpu_rows() -> Iterator[Row]:
    """The processor, what LLVM makes of it, its vector features and cores."""
    fields = cpu_fields()
    flags = fields.get("flags", fields.get("Features", "")).split()
    known = [name for name in VECTOR_FEATURES + VECTOR_FEATURES_ARM if name in flags]
    yield Row("processor", "name", fields.get("model name", platform.machine()))
    yield Row("processor", "LLVM target", probe(LLVM_PROBE))
    yield Row("processor", "vector features", " ".join(known) or "unknown")
    yield Row("processor", "cores", cores())


def cores() -> str:
    """How many cores there are, and how many this process may use."""
    total = os.cpu_count()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    return f"{total}" if usable == total else f"{total}, of which this process may use {usable}"


def blas(module: Any) -> str:
    """The BLAS that NumPy or SciPy was built with."""
    found = module.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


def engine_rows() -> Iterator[Row]:
    """Threads and linear algebra."""
    scipy = importlib.import_module("scipy") if importlib.util.find_spec("scipy") else None
    yield Row("engines", "threading", probe(THREADS_PROBE))
    yield Row("engines", "matrix products", probe(PRODUCTS_PROBE))
    yield Row("engines", "NumPy's BLAS (used)", blas(np))
    yield Row("engines", "SciPy's BLAS", blas(scipy) if scipy else "SciPy is missing")
    if importlib.util.find_spec("threadpoolctl"):
        yield Row("engines", "BLAS kernels", probe(BLAS_PROBE))
    forced = os.environ.get("OPENBLAS_CORETYPE")
    if forced:
        yield Row("engines", "OPENBLAS_CORETYPE", f"{forced}: OpenBLAS uses that, not the best")


def cache_rows() -> Iterator[Row]:
    """Where compiled programs are kept, and how much that is."""
    settings = config()
    folder = settings.cache_dir
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    size = sum(path.stat().st_size for path in files)
    state = "on" if settings.cache else "off (WENGERT_CACHE)"
    yield Row("disk cache", "state", state)
    yield Row("disk cache", "folder", str(folder))
    yield Row("disk cache", "content", f"{len(files)} files, {size / 2**20:.1f} MiB")


def optional_rows() -> Iterator[Row]:
    """What is not needed: MPI."""
    has_mpi = importlib.util.find_spec("mpi4py") is not None
    yield Row("optional", "MPI", probe(MPI_PROBE) if has_mpi else "mpi4py is not installed")


def cuda_rows() -> Iterator[Row]:
    """What backend="cuda" needs: CuPy with a driver and a GPU, NVRTC, cublasLt; or g++."""
    driver = shutil.which("nvidia-smi")
    yield Row("CUDA", "nvidia-smi", driver or "not found")
    yield Row("CUDA", "kernels' compiler", probe(NVRTC_PROBE))
    has_cupy = importlib.util.find_spec("cupy") is not None
    yield Row("CUDA", "CuPy", probe(CUPY_PROBE) if has_cupy else "not installed (wengert[cuda13])")
    if has_cupy:
        yield Row("CUDA", "GPUs", probe(GPU_PROBE) or "none")
        yield Row("CUDA", "cublasLt", probe(CUBLASLT_PROBE))
        yield Row("CUDA", "cuSOLVER, cuFFT", probe(LIBRARIES_PROBE))
    found = shutil.which("g++")
    yield Row("CUDA", "host device (g++)", found or "g++ was not found")


def version_rows() -> Iterator[Row]:
    """Versions of everything that compiled code depends on."""
    yield Row("versions", "wengert", version("wengert"))
    yield Row("versions", "Python", f"{platform.python_version()} ({platform.system()})")
    for name, package in (("NumPy", "numpy"), ("SciPy", "scipy"), ("Numba", "numba")):
        yield Row("versions", name, version(package))
    yield Row("versions", "llvmlite", version("llvmlite"))


def rows() -> list[Row]:
    """The whole table."""
    parts = (version_rows, cpu_rows, engine_rows, cache_rows, cuda_rows, optional_rows)
    return [row for part in parts for row in part()]


def table(found: list[Row]) -> str:
    """The rows as text, each section's name once."""
    widths = [max(len(row[column]) for row in found) for column in (0, 1)]
    lines, section = [], ""
    for row in found:
        shown = row.section if row.section != section else ""
        if shown and section:
            lines.append("")
        section = row.section
        lines.append(f"{shown:{widths[0]}}  {row.name:{widths[1]}}  {row.value}")
    return "\n".join(lines)


def doctor(argv: Sequence[str]) -> int:
    """The subcommand: prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m wengert doctor",
        description="Prints what this machine offers: versions, CPU, BLAS, threads, GPU.",
    )
    parser.parse_args(argv)
    print(table(rows()))
    return 0
