"""Compiled programs for a CUDA device: its arrays in, its arrays out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import errors
from wengert.backends.cuda import nvrtc
from wengert.backends.cuda.device import Device, Memory
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


@dataclass(slots=True)
class _Number:
    """A plain number's place on the device, and its bytes there."""

    memory: Memory
    value: bytes | None = None


class Executable:
    """A compiled program: call it with its leaves to get a tuple of the device's arrays.

    Arguments are arrays of the device, of the dtypes and shapes it was compiled for; those that are
    not C-contiguous are copied. Numbers may be plain ones, which go to device memory when they
    change; if no argument is an array of the device, arrays of the host may stand for them all.
    Results that are 0-d are 0-d arrays: to make numbers of them would wait for the device. The
    call returns before the device is done, unless the program has checks. An output that the
    program leaves in the memory of a `donated` argument is that argument's array.
    """

    from_cache = False

    def __init__(self, plan: Plan, signature: Signature, device: Device) -> None:
        self.plan = plan
        self.signature = signature
        self.device = device
        self.compile_seconds = 0.0
        self.text = ""
        self._kinds = signature.in_types
        program = plan.program
        self._inputs = program.inputs
        self._outputs = program.outputs
        self._written = [b for b in dict.fromkeys(program.outputs) if b.space is Space.OUTPUT]
        self._donated = {b: k for k, b in enumerate(program.inputs) if b in program.donated}
        self._numbers: dict[int, _Number] = {}
        self._lock = threading.Lock()

    def __call__(self, *leaves: Any) -> tuple[Any, ...]:
        # the plan has one table of addresses, and one arena
        with self._lock, self.device.active():
            self.plan.follow()
            return self._run(list(leaves))

    def fast(self, *leaves: Any) -> Any:
        """As a call, but does nothing and returns NotImplemented if an argument needs a copy."""
        borrow = self.device.borrow
        with self._lock, self.device.active():
            self.plan.follow()
            addresses: list[int] = []
            for position, (leaf, kind) in enumerate(zip(leaves, self._kinds, strict=True)):
                if type(leaf) in (float, complex) or isinstance(leaf, np.generic):
                    address = self._number(leaf, kind, position)
                else:
                    address = borrow(leaf, kind.shape, kind.dtype)
                if address is None:
                    return NotImplemented
                addresses.append(address)
            return self._launch(addresses, leaves)

    def _run(self, leaves: list[Any]) -> tuple[Any, ...]:
        return self._launch(self._addresses(leaves), leaves)

    def _launch(self, addresses: Sequence[int], leaves: Sequence[Any]) -> tuple[Any, ...]:
        memory = {b: self.device.allocate(max(1, b.nbytes)) for b in self._written}
        known = dict(zip(self._inputs, addresses, strict=True))
        known.update((b, m.address) for b, m in memory.items())
        order = dict.fromkeys([*self._inputs, *self._outputs])
        self.plan.run([known[b] if b in known else self.plan.address(b) for b in order])
        failure = self.plan.failure()
        if failure is not None:
            raise failed(self.signature.failures[failure[0]], failure[1])
        return self._results(memory, known, leaves)

    def _addresses(self, leaves: list[Any]) -> list[int]:
        """Where the arguments are on the device; copies that were made take their places."""
        types = self.signature.in_types
        if len(leaves) != len(types):
            raise TypeError(
                f"the compiled program takes {len(types)} arrays, but was called with {len(leaves)}"
            )
        return [self._address(leaves, t, k) for k, t in enumerate(types)]

    def _address(self, leaves: list[Any], kind: TensorType, position: int) -> int:
        leaf = leaves[position]
        shape, dtype = getattr(leaf, "shape", ()), getattr(leaf, "dtype", None)
        native = None if dtype is None else dtype.newbyteorder("=")
        if shape != kind.shape or (native is not None and native != kind.dtype):
            raise errors.InputTypeError(
                f"argument {position} of the compiled program is {dtype}{list(shape)}, "
                f"but it was compiled for {kind}; compile it again for these types"
            )
        address = self.device.address_of(leaf) if dtype == kind.dtype else None
        if address is not None:
            return address
        copy = None if dtype is None else self.device.contiguous(leaf, kind.dtype)
        if copy is not None:
            leaves[position] = copy
            return self.device.address_of(copy) or 0
        if self.device.mixes(leaves):
            raise errors.InputTypeError(
                f"argument {position} of the compiled program is a NumPy array, and another one "
                f"is an array of {self.device.name}; move all of them to one place "
                "(cupy.asarray(x), or x.get())"
            )
        return self._number(leaf, kind, position)

    def _number(self, leaf: Any, kind: TensorType, position: int) -> int:
        """A number, or an array of the host, in device memory of the program's own."""
        array = np.asarray(leaf, kind.dtype, order="C")
        number = self._numbers.get(position)
        if number is None:
            memory = self.device.allocate(max(1, array.nbytes))
            number = self._numbers[position] = _Number(memory)
        value = array.tobytes() if array.ndim == 0 else None
        is_kept = value == number.value and self._inputs[position] not in self._donated
        if value is None or not is_kept:
            self.device.upload(number.memory.address, array)
            number.value = value
        return number.memory.address

    def _results(
        self, memory: dict[Buffer, Any], known: dict[Buffer, int], leaves: Sequence[Any]
    ) -> tuple[Any, ...]:
        results: list[Any] = []
        given: set[Buffer] = set()
        for buffer, kind in zip(self._outputs, self.signature.out_types, strict=True):
            own = memory.get(buffer)
            place = self._donated.get(buffer)
            if place is not None and buffer not in given and place not in self._numbers:
                given.add(buffer)
                results.append(leaves[place])
                continue
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

    def asm(self) -> str:
        """The program as PTX, the assembly that all GPUs share."""
        return nvrtc.compile_cubin(self.text, "compute_90")[0].decode().rstrip("\0")
