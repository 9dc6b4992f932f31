"""Products of half numbers as a device's library makes them: halves in and out, sums in float32.

The pass `half` has written them as products of float32, between conversions: right for loops, and
for a library that knows no halves. Those that become calls of a device's library are taken back, as
that adds up in float32 by itself, and the copies of the operands are for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from wengert.ir.floats import is_half
from wengert.ir.forms import Contraction
from wengert.ir.passes.cleanup import dce
from wengert.ir.program import Atom, Eqn, Program
from wengert.ir.types import FLOAT32
from wengert.kernels.staging.gemm import is_call
from wengert.kernels.staging.homes import form_of


def with_half_products(program: Program) -> Program:
    """`program` with products of halves in the place of those of their conversions to float32.

    Products in regions stay, since those become loops.
    """
    makers: dict[Atom, Eqn] = {v: e for e in program.eqns for v in e.outputs}
    readers: dict[Atom, int] = {}
    for atom in (*program.outputs, *(a for e in program.eqns for a in e.inputs)):
        readers[atom] = readers.get(atom, 0) + 1
    found = [_in_halves(e, makers, readers) for e in program.eqns]
    if all(new is old for new, old in zip(found, program.eqns, strict=True)):
        return program
    return dce(Program(program.inputs, tuple(found), program.outputs))


def _in_halves(eqn: Eqn, makers: Mapping[Atom, Eqn], readers: Mapping[Atom, int]) -> Eqn:
    """half(product(float32(x), float32(y))) as product(x, y); anything else as it is."""
    if eqn.op.name != "cast" or readers[eqn.inputs[0]] > 1:
        return eqn
    half = eqn.outputs[0].type.dtype
    product = makers.get(eqn.inputs[0])
    form = None if product is None else form_of(product)
    if product is None or not isinstance(form, Contraction) or not is_half(half):
        return eqn
    given = [a for x in product.inputs if (a := _converted(x, makers)) is not None]
    types = [a.type for a in given]
    wide = product.outputs[0].type.dtype == FLOAT32
    if not wide or [t.dtype for t in types] != [half] * 2 or not is_call(form, types, narrow=True):
        return eqn
    return Eqn(product.op, tuple(given), eqn.outputs, product.params, product.location)


def _converted(atom: Atom, makers: Mapping[Atom, Eqn]) -> Atom | None:
    """What a conversion converts."""
    maker = makers.get(atom)
    return maker.inputs[0] if maker is not None and maker.op.name == "cast" else None
