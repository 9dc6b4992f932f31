"""Addresses of NumPy's sorting functions, which take plain memory and need no Python.

They stand in the table of functions that each dtype has in NumPy's C interface
(PyArray_ArrFuncs in numpy/ndarraytypes.h): after 21 casts and 12 others come three that sort, then
three that find the order, each in the order quick, heap, stable.
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from wengert.errors import MissingRuleError

_SORTS, _ORDERS = 8 * 33, 8 * 36  # byte offsets in the table
_QUICK, _STABLE = 0, 8 * 2
_PROBE = (3, 1, 2, 1)


@functools.cache
def sort(name: str, api_function: int) -> int:
    """The address of `values.CHAR` or `order.CHAR` for a dtype's character.

    `api_function` is the address of NumPy's PyDataType_GetArrFuncs. Raises MissingRuleError if the
    function does not sort: then this NumPy keeps it elsewhere.
    """
    routine, _, char = name.partition(".")
    dtype = np.dtype(char)
    table = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(api_function)(dtype)
    offset = _SORTS + _QUICK if routine == "values" else _ORDERS + _STABLE
    address = ctypes.c_void_p.from_address(table + offset).value or 0
    if not address or not _works(address, routine, dtype):
        raise MissingRuleError(
            f"this version of NumPy keeps its sorting functions of {dtype} in another form than "
            "wengert knows; compile the function with backend='reference'"
        )
    return address


def _works(address: int, routine: str, dtype: np.dtype[np.generic]) -> bool:
    """Whether the function does as it should on a few numbers."""
    numbers = np.array(_PROBE, dtype)
    words = [ctypes.c_void_p] * (2 if routine == "order" else 1)
    call = ctypes.CFUNCTYPE(ctypes.c_int, *words, ctypes.c_ssize_t, ctypes.c_void_p)(address)
    if routine == "values":
        call(numbers.ctypes.data, numbers.size, None)
        return bool(np.array_equal(numbers, np.sort(np.array(_PROBE, dtype))))
    places = np.arange(numbers.size)
    call(numbers.ctypes.data, places.ctypes.data, numbers.size, None)
    return bool(np.array_equal(places, np.argsort(numbers, kind="stable")))
