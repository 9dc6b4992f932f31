"""Python callables around compiled programs, made in C's way: a call costs well under 1 µs.

The function behind them (`entry_text.py`) reads the fields of Python's and NumPy's objects
itself. That is right on CPython with the GIL; the offsets are checked once against known objects,
and where one differs there is no fast entry, only the slow one of `executable.py`.
"""

from __future__ import annotations

import ctypes
import functools
import math
import struct
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.backends.cpu import entry_text as layout
from wengert.backends.cpu.executable import Signature
from wengert.backends.cpu.load import load
from wengert.backends.cpu.support import object_codes, resolve
from wengert.ir.floats import is_bfloat16
from wengert.ir.types import TensorType
from wengert.kernels.failed import failed

_METH_FASTCALL = 0x80


class _MethodDefinition(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def fast_entry(
    signature: Signature,
    plan: int,
    constants: tuple[np.ndarray[Any, Any], ...],
    keep: Any,
    release_gil: bool,
) -> Callable[..., Any] | None:
    """A callable for a program, or None where this interpreter's objects are laid out otherwise.

    `keep` is what keeps the machine code in memory.
    """
    function = _entry_address()
    if function is None:
        return None

    def fail(code: int, value: int) -> None:
        raise failed(signature.failures[code], value)

    words = specification(signature, plan, constants, id(fail), release_gil)
    packed = struct.pack(f"<{len(words)}q", *words)
    definition = _MethodDefinition(b"compiled_program", function[0], _METH_FASTCALL, None)
    owner = (packed, fail, constants, keep, definition, function[1], signature)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    entry: Callable[..., Any] = make(ctypes.addressof(definition), owner, None)
    return entry


def specification(
    signature: Signature,
    plan: int,
    constants: tuple[np.ndarray[Any, Any], ...],
    fail: int,
    release_gil: bool,
) -> list[int]:
    """The words that the entry reads."""
    donated = sorted(signature.donated)
    inputs = [_input_record(t, k in donated) for k, t in enumerate(signature.in_types)]
    outputs = [
        [t.ndim, id(np.dtype(t.dtype)), donor, *t.shape]
        for t, donor in zip(signature.out_types, signature.donors, strict=True)
    ]
    first_input = layout.HEADER_WORDS
    first_constant = first_input + sum(map(len, inputs))
    first_output = first_constant + len(constants)
    first_donated = first_output + sum(map(len, outputs))
    header = {
        layout.INPUTS: len(inputs),
        layout.CONSTANTS: len(constants),
        layout.OUTPUTS: len(outputs),
        layout.PROGRAM: plan,
        layout.ARENA: signature.arena,
        layout.RELEASE: int(release_gil),
        layout.FAIL: fail,
        layout.FIRST_INPUT: first_input,
        layout.FIRST_CONSTANT: first_constant,
        layout.FIRST_OUTPUT: first_output,
        layout.DONATED: len(donated),
        layout.FIRST_DONATED: first_donated,
        layout.FIRST_SIZE: first_donated + len(donated),
    }
    words = [header[k] for k in range(layout.HEADER_WORDS)]
    words += [w for record in inputs for w in record]
    words += [c.ctypes.data for c in constants]
    words += [w for record in outputs for w in record]
    words += [*donated, *(t.size * t.dtype.itemsize for t in signature.in_types)]
    return words


def _input_record(kind: TensorType, donated: bool) -> list[int]:
    dtype = kind.dtype
    # NumPy has two type numbers for the C types of one width (long and long long)
    numbers = [np.dtype(c).num for c in "bBhHiIlLqQ" if np.dtype(c) == dtype] or [dtype.num]
    python = {np.dtype(float): float, np.dtype(complex): complex}
    scalars = [id(dtype.type), id(python.get(dtype, dtype.type))]
    plain = kind.ndim == 0 and not is_bfloat16(dtype)  # whose scalars are not NumPy's
    return [
        kind.ndim,
        numbers[0],
        numbers[-1],
        *(scalars if plain else [0, 0]),
        layout.OWN if donated else layout.PLAIN,
        *kind.shape,
    ]


@functools.cache
def _supported() -> bool:
    """Whether the objects of this interpreter are laid out as the entry expects."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    if ctypes.sizeof(ctypes.c_void_p) != 8 or sys.byteorder != "little":
        return False
    return all(_array_layout_holds(a) for a in _samples()) and _object_layout_holds()


def _samples() -> list[np.ndarray[Any, Any]]:
    swapped = np.zeros(2, np.dtype(np.int32).newbyteorder())
    return [np.zeros((2, 3)), np.zeros(7, np.int16)[::2], np.asarray(1.5), swapped]


def _read(address: int, kind: type[Any]) -> Any:
    return kind.from_address(address).value


def _array_layout_holds(array: np.ndarray[Any, Any]) -> bool:
    at, pointer = id(array), ctypes.c_void_p
    dtype = _read(at + layout.ARRAY_DTYPE, pointer)
    if dtype != id(array.dtype) or _read(at + layout.OBJECT_TYPE, pointer) != id(np.ndarray):
        return False
    shape = _read(at + layout.ARRAY_SHAPE, pointer)
    dims = (ctypes.c_int64 * array.ndim).from_address(shape) if array.ndim else ()
    contiguous, aligned = array.flags.c_contiguous, array.flags.aligned
    return (
        _read(at + layout.ARRAY_DATA, pointer) == array.ctypes.data
        and _read(at + layout.ARRAY_NDIM, ctypes.c_int) == array.ndim
        and tuple(dims) == array.shape
        and _read(at + layout.ARRAY_FLAGS, ctypes.c_int) & 257 == contiguous + 256 * aligned
        and _read(dtype + layout.DTYPE_NUMBER, ctypes.c_int) == array.dtype.num
        and _read(dtype + layout.DTYPE_ORDER, ctypes.c_char).decode() == array.dtype.byteorder
    )


def _object_layout_holds() -> bool:
    text, number, scalar = b"layout", 0.375, np.int64(-(2**40))
    pair = (text, number)
    single = np.float32(0.375)
    wide = (complex(1, 0.375), np.complex128(complex(1, 0.375)))
    return (
        ctypes.string_at(id(text) + layout.BYTES_VALUE, 6) == text
        and _read(id(pair) + layout.TUPLE_ITEMS, ctypes.c_void_p) == id(text)
        and _read(id(number) + layout.SCALAR_VALUE, ctypes.c_double) == number
        and _read(id(scalar) + layout.SCALAR_VALUE, ctypes.c_int64) == int(scalar)
        and _read(id(single) + layout.SCALAR_VALUE, ctypes.c_float) == 0.375
        and all(_read(id(z) + layout.SCALAR_VALUE + 8, ctypes.c_double) == 0.375 for z in wide)
    )


_entry: tuple[int, Any] | None = None


def _entry_address() -> tuple[int, Any] | None:
    """The entry function of this process, and what keeps it in memory."""
    global _entry
    if _entry is None and _supported():
        addresses, code = load(
            object_codes("entry", lambda: [layout.ENTRY_TEXT]), [layout.ENTRY], resolve
        )
        _entry = (addresses[layout.ENTRY], code)
    return _entry


def worth_releasing(signature: Signature, work: int) -> bool:
    """Whether a program runs long enough for other threads to be let in meanwhile.

    `work` is the number of loop iterations that it makes.
    """
    elements = sum(math.prod(t.shape) for t in (*signature.in_types, *signature.out_types))
    return work + elements > 20_000
