"""Builds programs: `Value` handles whose methods append equations.

Rules of ops, transforms and the tracer all write IR through these handles. A method of `Value`
is looked up by name in the op registry (`x.sin()`, `x.reduce_sum(axes=(0,))`), so that op
families can use one another without importing each other.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import Location
from wengert.ir.op import REGISTRY, Op
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.types import BOOL, FLOAT64, DType, Shape, TensorType


@dataclass(slots=True, eq=False)
class Builder:
    """An open program: equations are appended, then `finish` closes it.

    `location` is stamped on each new equation.
    """

    inputs: list[Var] = field(default_factory=list[Var])
    eqns: list[Eqn] = field(default_factory=list[Eqn])
    location: Location | None = None

    def input(self, type: TensorType) -> Value:  # noqa: A002
        """A new input of the program."""
        var = Var(type)
        self.inputs.append(var)
        return Value(self, var)

    def literal(self, value: Any, dtype: DType) -> Value:
        """A scalar constant, rounded to `dtype`."""
        if dtype == FLOAT64 and type(value) is float:
            rounded = value
        else:
            with np.errstate(all="ignore"):
                rounded = np.asarray(value).astype(dtype).item()
        return Value(self, Literal(rounded, dtype))

    def constant(self, array: Any) -> Value:
        """An array baked into the program; 0-d ones become literals."""
        array = np.asarray(array)
        if array.ndim == 0:
            return self.literal(array[()], array.dtype)
        frozen = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
        frozen.flags.writeable = False
        return self.emit(REGISTRY["constant"], (), {"value": frozen})[0]

    def full(self, shape: Shape, value: Any, dtype: DType) -> Value:
        """An array of one repeated number."""
        scalar = self.literal(value, dtype)
        return scalar if not shape else scalar.broadcast(shape=tuple(shape), dims=())

    def zeros(self, type: TensorType) -> Value:  # noqa: A002
        """An array of zeros."""
        return self.full(type.shape, 0, type.dtype)

    def emit(self, op: Op, inputs: Sequence[Value], params: dict[str, Any]) -> list[Value]:
        """Appends `outputs = op[params](inputs)`; raises what the op's type rule raises."""
        atoms = tuple([v.atom for v in inputs])
        types = op.infer(*[a.type for a in atoms], **params)
        outputs = tuple([Var(t) for t in types])
        self.eqns.append(Eqn(op, atoms, outputs, params, self.location))
        return [Value(self, var) for var in outputs]

    def inline(self, program: Program, inputs: Sequence[Value]) -> list[Value]:
        """Appends the equations of `program` applied to `inputs`."""
        eqns, outputs = self.copies(program, inputs)
        self.eqns += eqns
        return [Value(self, a) for a in outputs]

    def copies(self, program: Program, inputs: Sequence[Value]) -> tuple[list[Eqn], list[Atom]]:
        """The equations and outputs of `program` applied to `inputs`; appends nothing."""
        env: dict[Var, Atom] = dict(zip(program.inputs, [v.atom for v in inputs], strict=True))
        eqns: list[Eqn] = []
        for eqn in program.eqns:
            fresh = tuple([Var(v.type) for v in eqn.outputs])
            atoms = tuple([substitute(env, a) for a in eqn.inputs])
            eqns.append(Eqn(eqn.op, atoms, fresh, eqn.params, eqn.location or self.location))
            env.update(zip(eqn.outputs, fresh, strict=True))
        return eqns, [substitute(env, a) for a in program.outputs]

    def finish(self, outputs: Sequence[Value]) -> Program:
        """The program of all equations so far."""
        return Program(tuple(self.inputs), tuple(self.eqns), tuple(v.atom for v in outputs))


def substitute(env: Mapping[Any, Atom], atom: Atom) -> Atom:
    """What `atom` is called in a program being rebuilt."""
    return env.get(atom, atom) if isinstance(atom, Var) else atom


@dataclass(slots=True, eq=False)
class Value:
    """A handle on a value of an open program; never changed (frozen ones are slow to make)."""

    builder: Builder
    atom: Atom

    @property
    def type(self) -> TensorType:
        """The value's dtype and shape."""
        return self.atom.type

    @property
    def dtype(self) -> DType:
        """The value's dtype."""
        return self.atom.type.dtype

    @property
    def shape(self) -> Shape:
        """The value's shape."""
        return self.atom.type.shape

    @property
    def ndim(self) -> int:
        """How many axes the value has."""
        return len(self.atom.type.shape)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        op = REGISTRY.get(name)
        if op is None:
            raise AttributeError(f"there is no op called '{name}'")
        return lambda *others, **params: self._apply(op, others, params)  # pyright: ignore

    def _apply(self, op: Op, others: tuple[Any, ...], params: dict[str, Any]) -> Any:
        operands = [self, *others]
        values = [v for v in operands if isinstance(v, Value)]
        if len(values) < len(operands):
            dtype = values[-1].dtype
            values = [v if isinstance(v, Value) else self._scalar(v, dtype) for v in operands]
        outputs = self.builder.emit(op, values, params)
        return outputs[0] if len(outputs) == 1 else outputs

    def _scalar(self, value: Any, dtype: DType) -> Value:
        return self.builder.literal(value, BOOL if isinstance(value, bool) else dtype)

    # shorthands that the rules of many ops use

    def full_like(self, value: Any) -> Value:
        """An array of this one's type filled with a number."""
        return self.builder.full(self.shape, value, self.dtype)

    def to(self, dtype: DType) -> Value:
        """The value cast to a dtype; itself if it has it already."""
        return self if self.dtype == dtype else self._apply(REGISTRY["cast"], (), {"dtype": dtype})

    def __add__(self, other: Any) -> Value:
        return self._apply(REGISTRY["add"], (other,), {})

    def __sub__(self, other: Any) -> Value:
        return self._apply(REGISTRY["sub"], (other,), {})

    def __mul__(self, other: Any) -> Value:
        return self._apply(REGISTRY["mul"], (other,), {})

    def __truediv__(self, other: Any) -> Value:
        return self._apply(REGISTRY["div"], (other,), {})

    def __neg__(self) -> Value:
        return self._apply(REGISTRY["neg"], (), {})

    def __radd__(self, other: Any) -> Value:
        return self._scalar(other, self.dtype)._apply(REGISTRY["add"], (self,), {})

    def __rsub__(self, other: Any) -> Value:
        return self._scalar(other, self.dtype)._apply(REGISTRY["sub"], (self,), {})

    def __rmul__(self, other: Any) -> Value:
        return self._apply(REGISTRY["mul"], (other,), {})

    def __rtruediv__(self, other: Any) -> Value:
        return self._scalar(other, self.dtype)._apply(REGISTRY["div"], (self,), {})


def add_tangents(x: Value | None, y: Value | None) -> Value | None:
    """The sum of two tangents or cotangents, None being zero."""
    if x is None or y is None:
        return y if x is None else x
    return operator.add(x, y)
