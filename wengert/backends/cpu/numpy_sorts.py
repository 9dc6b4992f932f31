"""Addresses of NumPy's sorting functions, which take plain memory and need no Python.

They stand in the table of functions that each dtype has in NumPy's C interface
(PyArray_ArrFuncs in numpy/ndarraytypes.h): after 21 casts and 12 others come three that sort, the
quick one first.
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from wengert.errors import MissingRuleError

_QUICK = 8 * 33  # the byte offset in the table
_PROBE = (3, 1, 2, 1)


@functools.cache
def sort(name: str, api_function: int) -> int:
    """The address of `values.CHAR` for a dtype's character.

    `api_function` is the address of NumPy's PyDataType_GetArrFuncs. Raises MissingRuleError if the
    function does not sort: then this NumPy keeps it elsewhere.
    """
    dtype = np.dtype(name.rpartition(".")[2])
    table = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(api_function)(dtype)
    address = ctypes.c_void_p.from_address(table + _QUICK).value or 0
    if not address or not _works(address, dtype):
        raise MissingRuleError(
            f"this version of NumPy keeps its sorting functions of {dtype} in another form than "
            "wengert knows; compile the function with backend='reference'"
        )
    return address


def _works(address: int, dtype: np.dtype[np.generic]) -> bool:
    """Whether the function does as it should on a few numbers."""
    numbers = np.array(_PROBE, dtype)
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_void_p)
    call(address)(numbers.ctypes.data, numbers.size, None)
    return bool(np.array_equal(numbers, np.sort(np.array(_PROBE, dtype))))
