"""Compiled programs for a CUDA device: its arrays in, its arrays out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import errors
from wengert.backends.cuda.device import Device
from wengert.backends.cuda.plan import Plan
from wengert.ir.types import TensorType
from wengert.kernels.failed import failed
from wengert.kernels.loops import Buffer, Failure, Space


@dataclass(frozen=True, slots=True)
class Signature:
    """What a program takes, returns and may fail with."""

    in_types: tuple[TensorType, ...]
    out_types: tuple[TensorType, ...]
    failures: tuple[Failure, ...]


class Executable:
    """A compiled program: call it with its leaves to get a tuple of the device's arrays.

    Arguments are arrays of the device, C-contiguous and of the dtypes and shapes it was compiled
    for; numbers may be plain ones, which go to device memory with each call. Results that are 0-d
    are 0-d arrays: to make numbers of them would wait for the device. The call returns before the
    device is done, unless the program has checks.
    """

    fast = None
    from_cache = False

    def __init__(self, plan: Plan, signature: Signature, device: Device, seconds: float) -> None:
        self.plan = plan
        self.signature = signature
        self.device = device
        self.compile_seconds = seconds
        self.text = ""
        program = plan.program
        self._inputs = program.inputs
        self._outputs = program.outputs
        self._written = [b for b in dict.fromkeys(program.outputs) if b.space is Space.OUTPUT]
        self._numbers: dict[int, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, *leaves: Any) -> tuple[Any, ...]:
        with self._lock:  # the plan has one table of addresses, and one arena
            return self._run(leaves)

    def _run(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        addresses = self._addresses(leaves)
        memory = {b: self.device.allocate(max(1, b.nbytes)) for b in self._written}
        known = dict(zip(self._inputs, addresses, strict=True))
        known.update((b, m.address) for b, m in memory.items())
        order = dict.fromkeys([*self._inputs, *self._outputs])
        self.plan.run([known[b] if b in known else self.plan.address(b) for b in order])
        failure = self.plan.failure()
        if failure is not None:
            raise failed(self.signature.failures[failure[0]], failure[1])
        return self._results(memory, known)

    def _addresses(self, leaves: Sequence[Any]) -> list[int]:
        types = self.signature.in_types
        if len(leaves) != len(types):
            raise TypeError(
                f"the compiled program takes {len(types)} arrays, but was called with {len(leaves)}"
            )
        return [
            self._address(leaf, t, k) for k, (leaf, t) in enumerate(zip(leaves, types, strict=True))
        ]

    def _address(self, leaf: Any, kind: TensorType, position: int) -> int:
        shape, dtype = getattr(leaf, "shape", ()), getattr(leaf, "dtype", None)
        native = None if dtype is None else dtype.newbyteorder("=")
        if shape != kind.shape or (native is not None and native != kind.dtype):
            raise errors.InputTypeError(
                f"argument {position} of the compiled program is {dtype}{list(shape)}, "
                f"but it was compiled for {kind}; compile it again for these types"
            )
        address = self.device.address_of(leaf) if dtype == kind.dtype else None
        return self._number(leaf, kind, position) if address is None else address

    def _number(self, leaf: Any, kind: TensorType, position: int) -> int:
        """A number, or an array of another place, in device memory of the program's own."""
        array = np.ascontiguousarray(np.asarray(leaf, kind.dtype))
        if position not in self._numbers:
            self._numbers[position] = self.device.allocate(max(1, array.nbytes))
        self.device.upload(self._numbers[position].address, array)
        return self._numbers[position].address

    def _results(self, memory: dict[Buffer, Any], known: dict[Buffer, int]) -> tuple[Any, ...]:
        results: list[Any] = []
        given: set[Buffer] = set()
        for buffer, kind in zip(self._outputs, self.signature.out_types, strict=True):
            own = memory.get(buffer)
            if own is None or buffer in given:
                # an input or a constant, or an output for the second time: the caller gets a copy
                source = known[buffer] if buffer in known else self.plan.address(buffer)
                own = self.device.allocate(max(1, buffer.nbytes))
                self.device.copy(own.address, source, buffer.nbytes)
            given.add(buffer)
            results.append(self.device.empty(own, kind.shape, kind.dtype))
        return tuple(results)

    @property
    def source(self) -> str:
        """The source of the program: CUDA C++."""
        return self.text
