"""Batching (vmap): pushes a leading batch axis through a program."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from wengert.ir.builder import Builder, Value
from wengert.ir.program import Atom, Program, Var


@dataclass(frozen=True, slots=True)
class Batched:
    """A program whose batched inputs and outputs have the batch as axis 0."""

    program: Program
    out_batched: tuple[bool, ...]


_Memo = dict[tuple[Program, tuple[bool, ...], int], Batched]
_memo: ContextVar[_Memo | None] = ContextVar("batched programs", default=None)


def batch(program: Program, batched: Sequence[bool], size: int) -> Batched:
    """The program mapped over a batch of `size`, on those inputs that are batched.

    A loop's rule tries its body several times, which would multiply in nested loops: within a
    batch, what is asked for again is remembered.
    """
    memo = _memo.get()
    if memo is None:
        token = _memo.set({})
        try:
            return _mapped(program, batched, size)
        finally:
            _memo.reset(token)
    key = (program, tuple(batched), size)
    if key not in memo:
        memo[key] = _mapped(program, batched, size)
    return memo[key]


def _mapped(program: Program, batched: Sequence[bool], size: int) -> Batched:
    builder = Builder()
    inputs = [
        builder.input(t.with_shape((size, *t.shape)) if on else t)
        for t, on in zip(program.in_types, batched, strict=True)
    ]
    outs, out_batched = spread(builder, program, inputs, batched, size)
    return Batched(builder.finish(outs), tuple(out_batched))


def spread(
    builder: Builder,
    program: Program,
    inputs: Sequence[Value],
    batched: Sequence[bool],
    size: int,
) -> tuple[list[Value], list[bool]]:
    """Appends the batched program to `builder`; gives its outputs and which are batched."""
    env: dict[Var, tuple[Value, bool]] = dict(
        zip(program.inputs, zip(inputs, batched, strict=True), strict=True)
    )

    def read(atom: Atom) -> tuple[Value, bool]:
        return env[atom] if isinstance(atom, Var) else (Value(builder, atom), False)

    for eqn in program.eqns:
        builder.location = eqn.location
        values, flags = zip(*map(read, eqn.inputs), strict=True) if eqn.inputs else ((), ())
        if any(flags):
            results, out_flags = eqn.op.rule("batch")(values, flags, size, **eqn.params)
        else:
            results = builder.emit(eqn.op, values, eqn.params)
            out_flags = [False] * len(results)
        env.update(zip(eqn.outputs, zip(results, out_flags, strict=True), strict=True))
    pairs = [read(a) for a in program.outputs]
    return [v for v, _ in pairs], [on for _, on in pairs]
