"""The tensor IR: static single assignment over tensors.

Grammar

    Program  = inputs: Var*;  eqns: Eqn*;  outputs: Atom*
    Eqn      = outputs: Var* = op[params](inputs: Atom*)  at location
    Atom     = Var | Literal
    Literal  = a scalar constant with a dtype (shape ())

Invariants (checked by `ir.verify`)
- Every Var is bound once, by the program's inputs or one equation, before it is used.
- `op.infer` of the input types gives exactly the output types.
- Params are hashable Python values, NumPy dtypes, or (for `constant`) a read-only array; the op
  declares their names. Regions of structured control flow are params that are Programs.
- Nodes are compared by identity and never changed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from wengert.errors import Location
from wengert.ir.op import Op
from wengert.ir.types import DType, TensorType


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Var:
    """A tensor value; named only when printed."""

    type: TensorType


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Literal:
    """A scalar constant. `value` is a Python bool, int, float or complex."""

    value: Any
    dtype: DType

    @property
    def type(self) -> TensorType:
        """The type of a scalar of this dtype."""
        return _scalar(self.dtype)


@functools.cache
def _scalar(dtype: DType) -> TensorType:
    return TensorType(dtype, ())


Atom = Var | Literal


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Eqn:
    """One application of an op."""

    op: Op
    inputs: tuple[Atom, ...]
    outputs: tuple[Var, ...]
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    location: Location | None = None


def equations(program: Program) -> Iterator[Eqn]:
    """The equations of a program and of its regions, each before those of its own regions."""
    for eqn in program.eqns:
        yield eqn
        for region in regions(eqn):
            yield from equations(region)


def regions(eqn: Eqn) -> Sequence[Program]:
    """The programs among the params of an equation."""
    if not eqn.params:
        return ()
    found: list[Program] = []
    for value in eqn.params.values():
        if type(value) is Program:
            found.append(value)
        elif type(value) is tuple:
            found += [v for v in cast(tuple[Any, ...], value) if type(v) is Program]
    return found


def can_fail(eqn: Eqn) -> bool:
    """Whether an equation, or one in its regions, may fail at run time."""
    if eqn.op.fails:
        return True
    return any(can_fail(e) for region in regions(eqn) for e in region.eqns)


def acts(eqn: Eqn) -> bool:
    """Whether an equation, or one in its regions, does something beside giving results."""
    return eqn.op.effect or any(acts(e) for region in regions(eqn) for e in region.eqns)


@dataclass(frozen=TYPE_CHECKING, slots=True, eq=False)
class Program:
    """A function from tensors to tensors."""

    inputs: tuple[Var, ...]
    eqns: tuple[Eqn, ...]
    outputs: tuple[Atom, ...]

    @property
    def in_types(self) -> tuple[TensorType, ...]:
        """The types of the inputs."""
        return tuple(v.type for v in self.inputs)

    @property
    def out_types(self) -> tuple[TensorType, ...]:
        """The types of the outputs."""
        return tuple(a.type for a in self.outputs)
