"""Functions of Python's that a program calls while it runs.

A program holds such a function itself; native code only knows its number, by which `called` finds
it. What has become part of native code is held for as long as the process lives.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wengert.ir.types import TensorType, real_dtype

Array = np.ndarray[Any, Any]
_numbers = functools.partial(next, itertools.count())


@dataclass(frozen=True, slots=True, eq=False)
class HostFunction:
    """A function from arrays of the types `takes` to arrays of the types `gives`.

    `call(arrays, gives)` makes sure of the types of its results. Of a batch it is called once,
    if it is `whole`, else for each row.
    """

    name: str
    call: Callable[[Sequence[Array], tuple[TensorType, ...]], Sequence[Array]]
    takes: tuple[TensorType, ...]
    gives: tuple[TensorType, ...]
    whole: bool = False
    number: int = field(default_factory=_numbers)

    @property
    def opaque_name(self) -> str:
        """What stands for the function in a program's text."""
        return f"function {self.number}, {self.name}"

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """The results for these arrays, which the function may keep."""
        copies = [np.array(x, order="C") for x in arrays]
        return [np.asarray(x) for x in self.call(copies, self.gives)]

    def batched(self, flags: Sequence[bool], size: int) -> HostFunction:
        """The function on a batch of `size`, which the operands with a flag have in front."""
        takes = tuple(
            [_rows(t, size) if on else t for t, on in zip(self.takes, flags, strict=True)]
        )
        gives = tuple([_rows(t, size) for t in self.gives])
        call = self.call if self.whole else functools.partial(self.by_row, flags, size)
        return replace(self, call=call, takes=takes, gives=gives, number=_numbers())

    def by_row(
        self, flags: Sequence[bool], size: int, arrays: Sequence[Array], gives: Sequence[TensorType]
    ) -> list[Array]:
        """The results for each row, stacked."""
        found = [np.empty(t.shape, t.dtype) for t in gives]
        for row in range(size):
            operands = [x[row] if on else x for x, on in zip(arrays, flags, strict=True)]
            for out, result in zip(found, self(operands), strict=True):
                out[row] = result
        return found

    def of_parts(self) -> HostFunction:
        """The same, with real and imaginary parts in the place of complex operands and results."""
        takes, gives = _in_parts(self.takes), _in_parts(self.gives)
        return replace(self, call=self.on_parts, takes=takes, gives=gives, number=_numbers())

    def on_parts(self, arrays: Sequence[Array], gives: Sequence[TensorType]) -> list[Array]:
        """The parts of the results, from the parts of the operands."""
        given = iter(arrays)
        operands = [_joined(t, given) if t.is_complex else next(given) for t in self.takes]
        found: list[Array] = []
        for result, t in zip(self(operands), self.gives, strict=True):
            found += [result.real, result.imag] if t.is_complex else [result]
        return found

    def perform(self, sources: Sequence[Array], outs: Sequence[Array]) -> None:
        """Calls the function on flat arrays; those without elements are left out of both."""
        given, places = iter(sources), iter(outs)
        arrays = [
            (next(given) if t.size else np.empty(0, t.dtype)).reshape(t.shape) for t in self.takes
        ]
        for result in self(arrays):
            if result.size:
                next(places)[:] = result.reshape(-1)


def _rows(t: TensorType, size: int) -> TensorType:
    return t.with_shape((size, *t.shape))


def _joined(t: TensorType, parts: Iterator[Array]) -> Array:
    z = np.empty(t.shape, t.dtype)
    z.real, z.imag = next(parts), next(parts)
    return z


def _in_parts(types: Sequence[TensorType]) -> tuple[TensorType, ...]:
    found: list[TensorType] = []
    for t in types:
        found += [t.with_dtype(real_dtype(t.dtype))] * 2 if t.is_complex else [t]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class HostCall:
    """A kernel form: what the function with this number makes of all operands, in all outputs."""

    number: int
    kind = "host_call"
    in_place = False

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


_HELD: dict[int, HostFunction] = {}


def held(function: HostFunction) -> HostCall:
    """The call of a function, for native code: from now on it is held."""
    _HELD[function.number] = function
    return HostCall(function.number)


def called(call: HostCall) -> HostFunction:
    """The function that is called."""
    return _HELD[call.number]
