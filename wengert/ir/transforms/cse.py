"""Computing equal equations once.

A pass, and what loops go through before they are differentiated, lest a value is stored twice.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, cast

import numpy as np

from wengert.ir.compare import literal_key
from wengert.ir.program import Atom, Eqn, Literal, Program, acts
from wengert.ir.rewrite import map_regions, rename
from wengert.ir.text import region_key

COMMUTATIVE = frozenset(
    (
        *("add", "mul", "max", "min", "fmax", "fmin", "eq", "ne", "bitand", "bitor", "bitxor"),
        *("logaddexp", "logaddexp2", "hypot", "gcd", "lcm"),
    )
)
"""Ops whose two operands may change places, to the last bit."""


def cse(program: Program) -> Program:
    """Common subexpression elimination: computes equal equations once."""
    program = map_regions(program, cse)
    number: dict[Any, int] = {}
    env: dict[Atom, Atom] = {}
    seen: dict[Any, Eqn] = {}
    kept: list[Eqn] = []
    for eqn in program.eqns:
        eqn = rename(eqn, env)
        if acts(eqn):
            kept.append(eqn)
            continue
        first = seen.setdefault(_key(eqn, number), eqn)
        if first is eqn:
            kept.append(eqn)
        else:
            env.update(zip(eqn.outputs, first.outputs, strict=True))
    if not env:
        return program
    return Program(program.inputs, tuple(kept), tuple([env.get(a, a) for a in program.outputs]))


def _key(eqn: Eqn, number: dict[Any, int]) -> tuple[Any, ...]:
    """Equal for equations that compute the same, from operands that are the same."""
    inputs: list[int] = []
    for atom in eqn.inputs:
        key = literal_key(atom) if type(atom) is Literal else atom
        inputs.append(number.setdefault(key, len(number)))
    if len(inputs) == 2 and inputs[0] > inputs[1] and eqn.op.name in COMMUTATIVE:
        inputs.reverse()
    if not eqn.params:
        return (eqn.op, *inputs)
    params = tuple([(k, param_key(v)) for k, v in sorted(eqn.params.items())])
    return (eqn.op, params, *inputs)


def param_key(value: Any) -> Any:
    """A hashable stand-in for a param, equal for equal params of one type only."""
    if type(value) is int:
        return value
    if isinstance(value, tuple):
        items = cast(tuple[Any, ...], value)
        return tuple([v if type(v) is int else param_key(v) for v in items])
    if isinstance(value, np.ndarray):
        array = cast(np.ndarray[Any, Any], value)
        return (array.dtype, array.shape, hashlib.sha256(array.tobytes()).digest())
    if isinstance(value, Program):
        return (Program, region_key(value))
    if isinstance(value, float):
        return (float, struct.pack("<d", value))
    return (type(value), value)
