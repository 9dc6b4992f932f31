"""Checks that a program keeps the invariants of the IR, and shows the faulty line if not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, cast

import numpy as np

from wengert.errors import VerificationError, WengertError, at
from wengert.ir.floats import kind_of
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, regions
from wengert.ir.text import eqn_lines
from wengert.ir.types import Dim, Symbol, is_supported

_AROUND = 5
_LITERALS: dict[str, type] = {"f": float, "i": int, "u": int, "b": bool, "c": complex}


Symbols = frozenset[Symbol]
"""The loops around an equation, by the symbols of their indices."""


Known = Mapping[int, Symbols]
"""Equations that were found right before, by their identities, and the loops around them."""
NOTHING: Known = {}


def identities(program: Program, symbols: Symbols = frozenset()) -> Known:
    """The equations of a program that was verified; it must outlive what it is compared with."""
    found: dict[int, Symbols] = {}
    for eqn in program.eqns:
        found[id(eqn)] = symbols
        inner = regions(eqn)
        if inner:
            within = _within(eqn, symbols)
            for region in inner:
                found.update(identities(region, within))
    return found


def _within(eqn: Eqn, symbols: Symbols) -> Symbols:
    """The loops around the regions of an equation."""
    own = [v for v in eqn.params.values() if isinstance(v, Symbol)]
    return symbols.union(own) if own else symbols


def verify(program: Program, symbols: Symbols = frozenset(), known: Known = NOTHING) -> None:
    """Raises VerificationError unless `program` keeps every invariant of `ir.program`.

    Structure (each value bound once, before it is used), types (what `op.infer` gives is what
    the outputs have), params (those that the op declares, of kinds that can be hashed and
    printed), dimensions (of the `symbols` in scope), and the same for regions. Of `known` equations
    inside the same loops only the structure is asked for again: most passes leave most equations as
    they are.
    """
    bound: set[Var] = set()
    for var in program.inputs:
        if var in bound:
            raise VerificationError("two inputs of the program are the same value")
        _check_dims("an input of the program", var.type.shape, symbols)
        bound.add(var)
    for number, eqn in enumerate(program.eqns):
        try:
            _check_eqn(eqn, bound, symbols, known)
        except WengertError as error:
            fail(program, number, str(error))
        bound.update(eqn.outputs)
    for number, atom in enumerate(program.outputs):
        fault = _atom_fault(atom, bound)
        if fault:
            fail(program, len(program.eqns), f"output {number} of the program {fault}")


def verify_linear(program: Program, residuals: int) -> None:
    """Raises VerificationError unless `program` is linear in the inputs after `residuals`.

    Each equation that reads a tangent must be linear in all the tangents it reads, and each
    output must be a tangent: then transposition cannot fail on structure.
    """
    tangents: set[Atom] = set(program.inputs[residuals:])
    for number, eqn in enumerate(program.eqns):
        positions = frozenset(i for i, a in enumerate(eqn.inputs) if a in tangents)
        if not positions:
            continue
        if not eqn.op.linear(positions):
            operands = ", ".join(map(str, sorted(positions)))
            fail(program, number, f"op '{eqn.op.name}' is not linear in its operands {operands}")
        tangents.update(eqn.outputs)
    for number, atom in enumerate(program.outputs):
        if atom not in tangents and not _is_zero(program, atom):
            fail(
                program,
                len(program.eqns),
                f"output {number} of the linear program depends on no tangent and is not zero",
            )


def _is_zero(program: Program, atom: Atom) -> bool:
    if isinstance(atom, Literal):
        return atom.value == 0
    makers = [e for e in program.eqns if atom in e.outputs]
    return (
        bool(makers) and makers[0].op.name == "broadcast" and _is_zero(program, makers[0].inputs[0])
    )


def _check_eqn(eqn: Eqn, bound: set[Var], symbols: Symbols, known: Known) -> None:
    for number, atom in enumerate(eqn.inputs):
        fault = _atom_fault(atom, bound)
        if fault:
            raise VerificationError(f"operand {number} of '{eqn.op.name}' {fault}")
    for var in eqn.outputs:
        if var in bound or eqn.outputs.count(var) > 1:
            raise VerificationError(f"'{eqn.op.name}' binds a value that is bound already")
    if known.get(id(eqn)) == symbols:
        return
    for var in eqn.outputs:
        _check_dims(f"an output of '{eqn.op.name}'", var.type.shape, symbols)
    if eqn.params or eqn.op.params:
        _check_params(eqn, symbols, known)
    if id(eqn) not in known:
        _check_types(eqn)


def _check_params(eqn: Eqn, symbols: Symbols, known: Known) -> None:
    if set(eqn.params) | eqn.op.optional != set(eqn.op.params):
        raise VerificationError(
            f"'{eqn.op.name}' has params {sorted(eqn.params)}, but declares {sorted(eqn.op.params)}"
        )
    inner = _within(eqn, symbols)
    if len(inner) == len(symbols) and any(isinstance(v, Symbol) for v in eqn.params.values()):
        raise VerificationError(f"'{eqn.op.name}' binds the symbol of a loop around it")
    for name, value in eqn.params.items():
        fault = _param_fault(value, inner, known)
        if fault:
            raise VerificationError(f"param '{name}' of '{eqn.op.name}' {fault}")


def _check_dims(what: str, dims: tuple[int, ...], symbols: Symbols) -> None:
    for dim in dims:
        if isinstance(dim, Dim) and not _in_scope(dim, symbols):
            raise VerificationError(f"{what} {_STRAY}")


_STRAY = "has a dimension of a loop that is not around it"
_PLAIN = frozenset((int, str, bool, float, type(None)))


def _in_scope(dim: Dim, symbols: Symbols) -> bool:
    return symbols.issuperset([s for s, _ in dim.terms])


def _param_fault(value: Any, symbols: Symbols, known: Known) -> str | None:
    """What is wrong with a param, or with a region in it."""
    if type(value) in _PLAIN:
        return None
    if isinstance(value, Program):
        verify(value, symbols, known)
    elif isinstance(value, tuple):
        for item in cast(tuple[Any, ...], value):
            fault = _param_fault(item, symbols, known)
            if fault:
                return fault
    elif isinstance(value, Dim):
        return None if _in_scope(value, symbols) else _STRAY
    elif isinstance(value, np.ndarray):
        return "is an array that can still be changed" if value.flags.writeable else None
    elif type(value).__hash__ is None:
        return f"is a {type(value).__name__}, which cannot be hashed"
    return None


def _check_types(eqn: Eqn) -> None:
    expected = eqn.op.infer(*(a.type for a in eqn.inputs), **eqn.params)
    found = tuple(v.type for v in eqn.outputs)
    if tuple(expected) != found:
        raise VerificationError(
            f"'{eqn.op.name}' of {_types(tuple(a.type for a in eqn.inputs))} gives "
            f"{_types(expected)}, but is written as {_types(found)}"
        )


def _types(types: tuple[Any, ...]) -> str:
    return f"({', '.join(map(str, types))})" if len(types) != 1 else str(types[0])


def _atom_fault(atom: Atom, bound: set[Var]) -> str | None:
    if isinstance(atom, Var):
        return None if atom in bound else "is used before it is bound"
    if not is_supported(atom.dtype):
        return f"is a literal of dtype {atom.dtype}, which the IR does not know"
    if type(atom.value) is not _LITERALS[kind_of(atom.dtype)]:
        return f"is the literal {atom.value!r}, which is not a Python number of {atom.dtype}"
    return None


def fail(program: Program, number: int, message: str) -> NoReturn:
    """Raises VerificationError with `message` and the equations around number `number` marked.

    The number after the last equation stands for the outputs.
    """
    lines = [*eqn_lines(program), "    return ..."]
    location = program.eqns[number].location if number < len(program.eqns) else None
    first, last = max(0, number - _AROUND), min(len(lines), number + _AROUND + 1)
    excerpt = [
        f"{'>>>' if i == number else '   '} {i:4d} | {lines[i].strip()}" for i in range(first, last)
    ]
    raise VerificationError("\n".join([f"{message}{at(location)}", *excerpt]))
