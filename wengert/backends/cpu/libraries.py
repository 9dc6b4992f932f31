"""Addresses of the outside functions that compiled programs call."""

from __future__ import annotations

import ctypes
import functools
import importlib
import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.backends.cpu import collectives, numpy_sorts, pocketfft, threads


def resolve(name: str) -> int:
    """The address of a symbol that an object file lacks."""
    family, _, routine = name.partition(".")
    if name == "wengert_runtime":
        threads.start()
        return ctypes.addressof(threads.RUNTIME)
    found = _FAMILIES.get(family)
    return _address(ctypes.CDLL(None), name) if found is None else found(routine)


_FUNCTIONS_OF_DTYPE = 365
"""PyDataType_GetArrFuncs, in NumPy's C interface."""


_PYTHON = {"ndarray": np.ndarray, "NotImplemented": NotImplemented}


def _numpy_api(number: int) -> int:
    """The address of a function of NumPy's C interface, by its number."""
    capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    return (ctypes.c_void_p * (number + 1)).from_address(pointer(capsule, None))[number] or 0


def _address(library: ctypes.CDLL, name: str) -> int:
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert address is not None
    return address


@functools.cache
def _openblas() -> ctypes.CDLL | None:
    """The OpenBLAS that NumPy brought along, and has loaded already.

    It takes 64-bit sizes, and shares one set of threads with NumPy.
    """
    folder = pathlib.Path(np.__file__).parent
    for place in (folder.parent / "numpy.libs", folder / ".dylibs"):
        for path in sorted(place.glob("libscipy_openblas64_*")):
            library = ctypes.CDLL(str(path))
            if hasattr(library, "scipy_dgemm_64_"):
                return library
    return None


@functools.cache
def blas(routine: str) -> int:
    """The address of a routine of BLAS or LAPACK, with 64-bit sizes where there are any.

    Compiled programs pass the addresses of 64-bit sizes. A routine with 32-bit ones reads their
    lower halves, which are right on a little-endian machine for sizes below 2**31.
    """
    library = _openblas()
    if library is not None:
        return _address(library, f"scipy_{routine}_64_")
    for module in ("scipy.linalg.cython_blas", "scipy.linalg.cython_lapack"):
        if routine in importlib.import_module(module).__pyx_capi__:
            return _capsule(module, routine)
    raise KeyError(f"SciPy has no BLAS or LAPACK routine '{routine}'")


def integer_bits() -> int:
    """How wide the integers are that a LAPACK routine writes."""
    return 32 if _openblas() is None else 64


# functions of the C library
_LIBM = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "exp",
        "exp2",
        "log",
        "log2",
        "log10",
        "pow",
        "erf",
        "erfc",
        "fmod",
        "lgamma",
        "tgamma",
    ]
)


def call_symbol(name: str) -> tuple[str, bool]:
    """The symbol that a CALL of `name` prints, and whether it takes a hidden last argument.

    SciPy's functions do: an int that is not used.
    """
    return (name, False) if name in _LIBM else (f"special.{name}", True)


@functools.cache
def blas_threads(action: str) -> int:
    """The address of the BLAS's function to `get` or `set` its number of threads.

    Where there is none, that of `abs`, which takes an int, gives an int, and does nothing.
    """
    library = _openblas()
    name = f"scipy_openblas_{action}_num_threads64_"
    if library is not None and hasattr(library, name):
        return _address(library, name)
    return _address(ctypes.CDLL(None), "abs")


@functools.cache
def special(routine: str) -> int:
    """The address of one of SciPy's special functions, all arguments and the result doubles.

    Functions with variants for complex or single-precision numbers export each under a prefix:
    the variant of doubles is known by its signature.
    """
    module = "scipy.special.cython_special"
    table: dict[str, Any] = importlib.import_module(module).__pyx_capi__
    for name in (routine, f"__pyx_fuse_0{routine}", f"__pyx_fuse_1{routine}"):
        if name in table and _DOUBLES.fullmatch(_signature(table[name])):
            return _capsule(module, name)
    raise KeyError(f"scipy.special.cython_special has no '{routine}' of doubles")


_DOUBLES = re.compile(r"double \((double, )+int __pyx_skip_dispatch\)")


def _signature(capsule: Any) -> str:
    """The C type of an exported function, which is the name of its capsule."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = (ctypes.py_object,)
    name: bytes = api.PyCapsule_GetName(capsule)
    return name.decode()


def _capsule(module: str, name: str) -> int:
    """The C function that a Cython module exports under `name`."""
    table: dict[str, Any] = importlib.import_module(module).__pyx_capi__
    capsule = table[name]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = (ctypes.py_object,)
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    return int(address)


def _fourier_plan(name: str) -> int:
    """The address of a plan; what makes plans is imported by programs that have transforms."""
    plans: Any = importlib.import_module("wengert.backends.cpu.fourier_plans")
    return plans.address(name)


_FAMILIES: dict[str, Callable[[str], int]] = {
    "blas": blas,
    "blasthreads": blas_threads,
    "world": lambda _: collectives.address(),
    "special": special,
    "fft": pocketfft.loop,
    "fftdata": pocketfft.data,
    "fftplan": _fourier_plan,
    "npysort": lambda routine: numpy_sorts.sort(routine, _numpy_api(_FUNCTIONS_OF_DTYPE)),
    "npy": lambda number: _numpy_api(int(number)),
    "py": lambda name: id(_PYTHON[name]),
    "scratch": lambda _: ctypes.addressof(threads.SCRATCH),
}
"""What finds a function, by the first part of its symbol."""
