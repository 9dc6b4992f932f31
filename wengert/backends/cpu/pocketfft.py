"""Addresses of NumPy's Fourier transforms: the inner loops of its ufuncs, found in their objects.

The fields of a ufunc are part of NumPy's C interface (numpy/ufuncobject.h): its loops in order of
dtypes, and what each is passed as its last argument. Two known fields are compared first.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from typing import Any

from wengert.errors import MissingRuleError

# byte offsets in PyUFuncObject
_INPUTS, _OUTPUTS, _LOOPS, _DATA, _COUNT = 16, 20, 32, 40, 48
_UFUNCS = {"c2c": "fft", "r2c0": "rfft_n_even", "r2c1": "rfft_n_odd", "c2r": "irfft"}
_DTYPES = "ds"
"""Loops are in the order double, float, long double."""


def loop(name: str) -> int:
    """The address of a loop: a kind of transform, `r2c` with 1 for odd lengths, then d or s."""
    return _field(name, _LOOPS)


def data(name: str) -> int:
    """What a loop takes as its last argument; the address of anything where it takes nothing."""
    return _field(name, _DATA) or id(None)


def _field(name: str, offset: int) -> int:
    table = _word(_ufunc(name[:-1]) + offset)
    return _word(table + 8 * _DTYPES.index(name[-1])) if table else 0


@functools.cache
def _ufunc(kind: str) -> int:
    """The address of the ufunc that does a kind of transform."""
    module: Any = importlib.import_module("numpy.fft._pocketfft_umath")
    ufunc = getattr(module, _UFUNCS[kind])
    counts = [ctypes.c_int.from_address(id(ufunc) + at).value for at in (_INPUTS, _OUTPUTS, _COUNT)]
    if counts != [ufunc.nin, ufunc.nout, ufunc.ntypes] or ufunc.types[0].lower()[0] != "d":
        raise MissingRuleError(
            "this version of NumPy keeps its Fourier transforms in another form than those that "
            "wengert knows; compile the function with backend='reference'"
        )
    return id(ufunc)


def _word(address: int) -> int:
    return ctypes.c_void_p.from_address(address).value or 0
