"""The machine and the versions behind a set of numbers, and how many threads all tools get."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "WENGERT_NUM_THREADS",
)
PACKAGES = ("wengert", "numpy", "scipy", "numba", "llvmlite", "jax", "torch", "autograd")


def limit_threads(count: int) -> None:
    """Gives this process, and every tool loaded after this, `count` cores and threads.

    JAX has no setting for its threads: it counts the cores that it may run on.
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = str(count)
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:count])


def cold_caches() -> None:
    """Switches off what would turn a compilation into a file read."""
    os.environ["WENGERT_CACHE"] = "0"
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)


def processor() -> str:
    """The name of the CPU."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def description(threads: int) -> dict[str, object]:
    """What to write beside the numbers."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "packages": {name: found for name in PACKAGES if (found := version(name))},
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")
        },
    }
