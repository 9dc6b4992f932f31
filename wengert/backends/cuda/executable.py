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


@dataclass(frozen=True, slots=True)
class _Result:
    """Where an output comes from, by position: memory that is `own`, or the argument at `place`.

    Those that come again are copies, as are inputs that are not donated, and constants.
    """

    buffer: Buffer
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    own: int | None  # among the buffers that each call makes anew
    place: int | None  # among the arguments, if it is donated
    given: int | None  # among the arguments, whether or not
    first: bool


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
        self._sizes = [max(1, b.nbytes) for b in self._written]
        self._donated = {k for k, b in enumerate(program.inputs) if b in program.donated}
        # outputs as the plan lists them: after the inputs, each once
        others = [b for b in dict.fromkeys(program.outputs) if b not in program.inputs]
        self._others = [(b, self._written.index(b) if b in self._written else None) for b in others]
        self._made = [self._result(k) for k in range(len(program.outputs))]
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
        memory = [self.device.allocate(nbytes) for nbytes in self._sizes]
        table = [*addresses]
        for buffer, own in self._others:
            table.append(self.plan.address(buffer) if own is None else memory[own].address)
        self.plan.run(table)
        failure = self.plan.failure()
        if failure is not None:
            raise failed(self.signature.failures[failure[0]], failure[1])
        return tuple([self._given(r, memory, addresses, leaves) for r in self._made])

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
        is_kept = value == number.value and position not in self._donated
        if value is None or not is_kept:
            self.device.upload(number.memory.address, array)
            number.value = value
        return number.memory.address

    def _result(self, position: int) -> _Result:
        """What is known of an output before any call."""
        buffer, kind = self._outputs[position], self.signature.out_types[position]
        given = self._inputs.index(buffer) if buffer in self._inputs else None
        return _Result(
            buffer=buffer,
            shape=kind.shape,
            dtype=kind.dtype,
            own=self._written.index(buffer) if buffer in self._written else None,
            place=given if given in self._donated else None,
            given=given,
            first=buffer not in self._outputs[:position],
        )

    def _given(
        self,
        result: _Result,
        memory: Sequence[Memory],
        addresses: Sequence[int],
        leaves: Sequence[Any],
    ) -> Any:
        """An output for the caller."""
        if result.first and result.own is not None:
            return self.device.empty(memory[result.own], result.shape, result.dtype)
        if result.first and result.place is not None and result.place not in self._numbers:
            return leaves[result.place]
        if result.own is not None:
            source = memory[result.own].address
        elif result.given is not None:
            source = addresses[result.given]
        else:
            source = self.plan.address(result.buffer)
        nbytes = result.buffer.nbytes
        copy = self.device.allocate(max(1, nbytes))
        self.device.copy(copy.address, source, nbytes)
        return self.device.empty(copy, result.shape, result.dtype)

    @property
    def source(self) -> str:
        """The source of the program: CUDA C++."""
        return self.text

    def asm(self) -> str:
        """The program as PTX, the assembly that all GPUs share."""
        return nvrtc.compile_cubin(self.text, "compute_90")[0].decode().rstrip("\0")
