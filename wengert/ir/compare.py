"""Structural equality of programs: the same equations on the same values, whatever the objects."""

from __future__ import annotations

import struct
from typing import Any, cast

import numpy as np

from wengert.ir.floats import kind_of
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.types import Dim, Symbol, TensorType

_Pairs = dict[Any, Any]
"""Which values and symbols of one program stand for which of the other."""


def same(p: Program, q: Program, symbols: dict[Symbol, Symbol] | None = None) -> bool:
    """Whether two programs are equal but for the identity of their nodes and for locations.

    `symbols` says which symbols of `p`, bound outside of it, stand for which of `q`.
    """
    return _same(p, q, dict(symbols or {}))


def _same(p: Program, q: Program, outer: _Pairs) -> bool:
    if len(p.eqns) != len(q.eqns) or len(p.inputs) != len(q.inputs):
        return False
    pairs = {**outer, **dict(zip(p.inputs, q.inputs, strict=True))}
    if not all(map(_same_type, p.in_types, q.in_types, [pairs] * len(p.inputs))):
        return False
    return all(_same_eqn(a, b, pairs) for a, b in zip(p.eqns, q.eqns, strict=True)) and (
        _same_atoms(p.outputs, q.outputs, pairs)
    )


def _same_eqn(a: Eqn, b: Eqn, pairs: _Pairs) -> bool:
    if a.op is not b.op or len(a.outputs) != len(b.outputs):
        return False
    if not _same_atoms(a.inputs, b.inputs, pairs) or not same_params(a.params, b.params, pairs):
        return False
    pairs.update(zip(a.outputs, b.outputs, strict=True))
    return all(_same_type(x.type, y.type, pairs) for x, y in zip(a.outputs, b.outputs, strict=True))


def _same_type(a: TensorType, b: TensorType, pairs: _Pairs) -> bool:
    return a.dtype == b.dtype and _same_param(a.shape, b.shape, pairs)


def _same_dim(a: Dim, b: Dim, pairs: _Pairs) -> bool:
    moved = {pairs.get(symbol, symbol): coefficient for symbol, coefficient in a.terms}
    return moved == dict(b.terms) and a.const == b.const


def _same_symbol(a: Symbol, b: Symbol, pairs: _Pairs) -> bool:
    pairs[a] = b
    return (a.low, a.high) == (b.low, b.high)


def _same_atoms(xs: tuple[Atom, ...], ys: tuple[Atom, ...], pairs: _Pairs) -> bool:
    return len(xs) == len(ys) and all(
        pairs.get(x) is y if isinstance(x, Var) else same_literal(x, y)
        for x, y in zip(xs, ys, strict=True)
    )


def same_literal(x: Atom, y: Atom) -> bool:
    """Whether both are literals of the same bits."""
    if not isinstance(x, Literal) or not isinstance(y, Literal):
        return False
    return literal_key(x) == literal_key(y)


def literal_key(x: Literal) -> tuple[Any, ...]:
    """A key that is equal for literals of the same bits: it tells -0.0 from 0.0 and knows NaN."""
    if kind_of(x.dtype) == "f":
        return (x.dtype, struct.pack("<d", x.value))
    if x.dtype.kind == "c":
        return (x.dtype, struct.pack("<dd", x.value.real, x.value.imag))
    return (x.dtype, x.value)


def same_params(a: dict[str, Any], b: dict[str, Any], pairs: _Pairs | None = None) -> bool:
    """Whether two sets of params are equal, arrays and regions included."""
    if a is b:
        return True
    known: _Pairs = {} if pairs is None else pairs
    return a.keys() == b.keys() and all(_same_param(a[name], b[name], known) for name in a)


def _same_param(a: Any, b: Any, pairs: _Pairs) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, Program):
        return _same(a, b, pairs)
    if isinstance(a, tuple):
        xs, ys = cast(tuple[Any, ...], a), cast(tuple[Any, ...], b)
        return len(xs) == len(ys) and all(
            _same_param(x, y, pairs) for x, y in zip(xs, ys, strict=True)
        )
    if isinstance(a, np.ndarray):
        x, y = cast(np.ndarray[Any, Any], a), cast(np.ndarray[Any, Any], b)
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, Dim):
        return _same_dim(a, b, pairs)
    if isinstance(a, Symbol):
        return _same_symbol(a, b, pairs)
    return bool(a == b)
