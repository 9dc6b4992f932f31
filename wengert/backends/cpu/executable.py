"""A compiled program that can be called with arrays."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert import errors
from wengert.backends.cpu.routines.runtime_text import MAIN
from wengert.backends.cpu.support import resolve
from wengert.ir.types import TensorType
from wengert.kernels.failed import failed
from wengert.kernels.loops import Failure

ALIGNMENT = 64
_Main = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a compiled program takes and returns, and the memory that it needs.

    `donors` has, for each result, the number of the argument whose memory it takes, or -1.
    """

    in_types: tuple[TensorType, ...]
    out_types: tuple[TensorType, ...]
    arena: int
    failures: tuple[Failure, ...]
    donors: tuple[int, ...]

    @property
    def donated(self) -> frozenset[int]:
        """The arguments whose memory results take."""
        return frozenset(d for d in self.donors if d >= 0)


@dataclass(slots=True, eq=False)
class Executable:
    """A compiled program: call it with its leaves to get a tuple of arrays and NumPy scalars.

    `fast` is the C entry, which takes the same arguments and returns the same results, but
    returns NotImplemented, having done nothing, unless each argument is exactly what the program
    was compiled for: a C-contiguous, aligned array of the dtype and shape, or a number. Calling
    the object itself makes such copies of the arguments as are needed. A donated argument must also
    be writeable and lie apart from all others.
    """

    signature: Signature
    constants: tuple[np.ndarray[Any, Any], ...]
    plan: int  # its address
    code: Any  # keeps the machine code in memory
    text: Callable[[], str]
    compile_seconds: float = 0.0
    from_cache: bool = False
    fast: Callable[..., Any] | None = None
    _main: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._main = _Main(resolve(MAIN))

    def __call__(self, *leaves: Any) -> tuple[Any, ...]:
        if len(leaves) != len(self.signature.in_types):
            raise TypeError(
                f"the compiled program takes {len(self.signature.in_types)} arrays, "
                f"but was called with {len(leaves)}"
            )
        if self.fast is not None:
            result = self.fast(*leaves)
            if result is not NotImplemented:
                return result
        arrays = [
            _as_compiled(leaf, kind, k)
            for k, (leaf, kind) in enumerate(zip(leaves, self.signature.in_types, strict=True))
        ]
        for k in self.signature.donated:
            if not arrays[k].flags.writeable or _meets_others(arrays, k):
                arrays[k] = arrays[k].copy()
        return self.fast(*arrays) if self.fast is not None else self.run(arrays)

    def run(self, arrays: Sequence[np.ndarray[Any, Any]]) -> tuple[Any, ...]:
        """Run on arrays that are exactly as compiled for, through ctypes."""
        outputs = [
            np.empty(t.shape, t.dtype) if donor < 0 else arrays[donor]
            for t, donor in zip(self.signature.out_types, self.signature.donors, strict=True)
        ]
        table = [*arrays, *self.constants, *outputs]
        addresses = (ctypes.c_void_p * len(table))(*(a.ctypes.data for a in table))
        arena = np.empty(self.signature.arena + ALIGNMENT, np.uint8)
        start = -(-arena.ctypes.data // ALIGNMENT) * ALIGNMENT
        failure = (ctypes.c_int64 * 2)(0, 0)
        if self._main(addresses, start, failure, self.plan):
            raise failed(self.signature.failures[failure[0] - 1], failure[1])
        return tuple(a[()] if a.ndim == 0 else a for a in outputs)

    @property
    def source(self) -> str:
        """The LLVM text, before optimisation."""
        return self.text()

    def asm(self) -> str:
        """The assembly that LLVM makes of it."""
        machine: Any = importlib.import_module("wengert.backends.cpu.machine")
        text: str = machine.assembly(self.source)
        return text


def _meets_others(arrays: Sequence[np.ndarray[Any, Any]], position: int) -> bool:
    """Whether an argument may share memory with another one."""
    own = arrays[position]
    return any(k != position and np.may_share_memory(own, x) for k, x in enumerate(arrays))


def _as_compiled(leaf: Any, kind: TensorType, position: int) -> np.ndarray[Any, Any]:
    """`leaf` as a C-contiguous, aligned array in native byte order; a copy only if needed."""
    array = np.asarray(leaf)
    dtype = array.dtype.newbyteorder("=")
    if dtype != kind.dtype or array.shape != kind.shape:
        raise errors.InputTypeError(
            f"argument {position} of the compiled program is {dtype.name}{list(array.shape)}, "
            f"but it was compiled for {kind}; compile it again for these types"
        )
    # np.ascontiguousarray would make one dimension of none
    if not array.flags.c_contiguous or not array.flags.aligned or array.dtype != kind.dtype:
        return np.array(array, dtype=kind.dtype, order="C", copy=True, subok=False)
    return array
