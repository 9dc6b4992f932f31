"""Builds scalar expressions by pulling elements through a program.

`read(atom, index)` is the element of a value at an index: a load if the value is stored, else
what its op's `element` rule makes of the elements of its operands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wengert.ir.program import Atom, Eqn, Literal, Var
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import TensorType
from wengert.kernels.loops import Buffer
from wengert.kernels.staging.materialise import Plan
from wengert.kernels.staging.stages import row_major
from wengert.kernels.staging.updates import updated

Reader = Callable[[Sequence[Expr]], Expr]


@dataclass(slots=True)
class Pull:
    """Reads elements of the values of one program.

    `bound` says how to read inputs that are not in a buffer of their own.
    """

    s: ScalarBuilder
    plan: Plan
    buffers: dict[Var, Buffer]
    bound: Mapping[Var, Reader] = field(default_factory=dict[Var, "Reader"])
    _memo: dict[tuple[Any, ...], Expr] = field(default_factory=dict[tuple[Any, ...], Expr])

    def read(self, atom: Atom, index: Sequence[Expr]) -> Expr:
        """The element of `atom` at `index`, one expression per axis."""
        if isinstance(atom, Literal):
            return self.s.const(atom.value, atom.dtype)
        index = tuple(index) if atom.type.shape else ()
        key = (atom, *map(id, index))
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._element(atom, index)
        return found

    def _element(self, var: Var, index: tuple[Expr, ...]) -> Expr:
        buffer = self.buffers.get(self.plan.root(var))
        if buffer is not None:
            return self.s.load(buffer, row_major(self.s, var.type.shape, index))
        reader = self.bound.get(var)
        if reader is not None:
            return reader(index)
        return self.element(self.plan.producer[var], index)

    def element(self, eqn: Eqn, index: tuple[Expr, ...]) -> Expr:
        """The element of a pointwise equation's output, from its operands."""
        update = self.plan.updates.get(eqn.outputs[0])
        if update is not None:
            return updated(self.context(eqn), update, index)
        return eqn.op.rule("element")(self.context(eqn), index)

    def context(self, eqn: Eqn) -> Context:
        """What the element rule of `eqn` works with."""
        types = tuple(a.type for a in eqn.inputs)
        return Context(self.s, types, eqn.outputs[0].type, eqn.params, eqn.inputs, self)


@dataclass(slots=True)
class Context:
    """An `ElementContext` for one equation."""

    s: ScalarBuilder
    in_types: tuple[TensorType, ...]
    out_type: TensorType
    params: dict[str, Any]
    atoms: tuple[Atom, ...]
    pull: Pull

    def read(self, operand: int, index: Sequence[Expr]) -> Expr:
        return self.pull.read(self.atoms[operand], index)
