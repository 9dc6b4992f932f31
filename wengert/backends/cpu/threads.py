"""The thread pool: Numba's, loaded without Numba.

Numba's threading layers are extension modules of their own; loading one from its file takes two
milliseconds where `import numba` takes hundreds. Compiled programs read the pool's address and
the number of threads from cells of memory, `RUNTIME`, so that a forked child, in which
neither layer may be used, can be told to run on one thread.

Before the pool come the threads of a team of our own (`team_text.py`), where there is one.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.machinery
import importlib.util
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from wengert.backends.cpu.routines.team_text import BUSY, DOOR, SHUT
from wengert.config import config

# the pool's parallel loop, its thread count, the idle arena and its size, BLAS's threads, the team
RUNTIME = (ctypes.c_int64 * 48)(0, 1)
RUNTIME[BUSY], RUNTIME[DOOR] = 1, SHUT  # until there is one
# memory that no matrix product uses now, to be had by the next (`gemm_text.py`)
SCRATCH = (ctypes.c_void_p * 8)()
# The layers that take calls from several threads at once. TBB comes first: the thread that calls
# does the work of those that the system keeps waiting, where OpenMP waits for each of them.
_LAYERS = ("tbbpool", "omppool")
TEAM_NAME = b"wengert team"  # of its threads, as `top -H` shows them: 15 characters at most
_SPINS = "1000"  # some tens of microseconds
_lock = threading.Lock()
_layer: ModuleType | None = None
_tried = False


def keep_scratch(nbytes: int) -> None:
    """Have one stretch of memory in `SCRATCH`, so that products which get no more can wait for it.

    Raises MemoryError.
    """
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    with _lock:
        if SCRATCH[0] is None:
            SCRATCH[0] = libc.malloc(nbytes)
            if SCRATCH[0] is None:
                raise MemoryError(f"matrix products need {nbytes} bytes of memory to work in")


def thread_count() -> int:
    """How many threads a parallel loop may use.

    `WENGERT_NUM_THREADS`, else `NUMBA_NUM_THREADS`, else the CPUs that this process may run on.
    """
    asked = config().num_threads
    if asked is not None:
        return asked
    text = os.environ.get("NUMBA_NUM_THREADS", "")
    if text.isdigit() and int(text) > 0:
        return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start() -> int:
    """Make `RUNTIME` ready; the number of threads that programs will use."""
    global _layer, _tried
    with _lock:
        if not _tried:
            _tried = True
            count = thread_count()
            _layer = _load() if count > 1 else None
            if _layer is not None:
                launch = ctypes.CFUNCTYPE(None, ctypes.c_int)(_layer.launch_threads)
                launch(count)
                RUNTIME[0] = _layer.parallel_for
                RUNTIME[1] = count
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=_alone)
    return int(RUNTIME[1])


def launch(function: int, code: Any) -> None:
    """Start the team: threads beside the caller's that run `function`, of which `code` is the code.

    They run until the process ends, so neither the code nor `RUNTIME` may be freed before.
    """
    if thread_count() < 2 or start() < 2:
        return
    for kept in (code, RUNTIME):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    libc = ctypes.CDLL(None)
    identity = ctypes.c_size_t()
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        for number in range(1, int(RUNTIME[1])):
            body, argument = ctypes.c_void_p(function), ctypes.c_void_p(number)
            if libc.pthread_create(ctypes.byref(identity), None, body, argument):
                return  # the system gives no more threads: loops are the pool's
            libc.pthread_setname_np(identity, TEAM_NAME)
            libc.pthread_detach(identity)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    RUNTIME[BUSY] = 0


def layer_name() -> str | None:
    """The layer in use: `omppool`, `tbbpool`, or None."""
    return _layer.__name__ if _layer is not None else None


def set_threads(count: int) -> int:
    """Use `count` threads from now on, at most as many as were started; the count before."""
    before = start()
    with _lock:
        RUNTIME[1] = max(1, count) if RUNTIME[0] else 1
    return before


def _alone() -> None:
    """In a forked child the pool's threads do not exist."""
    RUNTIME[1] = 1
    RUNTIME[0] = 0


def _load() -> ModuleType | None:
    spec = importlib.util.find_spec("numba")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = pathlib.Path(spec.submodule_search_locations[0]) / "np" / "ufunc"
    for name in _wanted():
        if name == "tbbpool":
            _load_tbb()
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = folder / (name + suffix)
            if path.exists():
                try:
                    with _short_spins():
                        return load_extension(name, path)
                except (ImportError, OSError):
                    continue  # the layer's own library (TBB, say) is missing
    return None


def _wanted() -> tuple[str, ...]:
    """The layers in order: that of `NUMBA_THREADING_LAYER` alone, if it names one."""
    named = os.environ.get("NUMBA_THREADING_LAYER", "") + "pool"
    return (named,) if named in _LAYERS else _LAYERS


def _load_tbb() -> None:
    """Load the library that TBB's layer needs, which pip puts where no loader looks."""
    for folder in (pathlib.Path(sys.prefix) / "lib", pathlib.Path(sys.prefix) / "Library" / "bin"):
        for name in ("libtbb.so.12", "libtbb.12.dylib", "tbb12.dll"):
            if (folder / name).exists():
                with contextlib.suppress(OSError):
                    ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL)


@contextlib.contextmanager
def _short_spins() -> Iterator[None]:
    """Have GNU OpenMP, while it is being loaded, read that its threads shall not spin for long.

    By default they spin for milliseconds before they sleep. A thread that does so on a machine
    that others use too keeps off its CPU the very thread that it waits for.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        yield
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)


def load_extension(name: str, path: pathlib.Path) -> ModuleType:
    """An extension module from its file, without the package around it."""
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
