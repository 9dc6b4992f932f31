"""Removing equations: those computed twice, and those that nothing needs."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, cast

import numpy as np

from wengert.ir.compare import literal_key
from wengert.ir.passes.narrow import narrow
from wengert.ir.passes.splats import COMMUTATIVE
from wengert.ir.program import Atom, Eqn, Literal, Program, can_fail, regions
from wengert.ir.rewrite import map_regions, rename
from wengert.ir.text import region_key


def dce(program: Program) -> Program:
    """Dead code elimination: drops equations whose outputs nothing reads, in regions too.

    Those that can fail at run time (`op.check`) stay: the failure is what the user asked for.
    """
    live: set[Atom] = set(program.outputs)
    kept: list[Eqn] = []
    changed = False
    for eqn in reversed(program.eqns):
        flags = [v in live for v in eqn.outputs]
        has_regions = any(True for _ in regions(eqn))
        fails = can_fail(eqn) if has_regions else eqn.op.check is not None
        if not any(flags) and not fails:
            changed = True
            continue
        if has_regions:
            narrowed = narrow(eqn, flags, dce)
            changed = changed or narrowed is not eqn
            eqn = narrowed
        live.update(eqn.inputs)
        kept.append(eqn)
    if not changed:
        return program
    return Program(program.inputs, tuple(reversed(kept)), program.outputs)


def cse(program: Program) -> Program:
    """Common subexpression elimination: computes equal equations once."""
    program = map_regions(program, cse)
    number: dict[Any, int] = {}
    env: dict[Atom, Atom] = {}
    seen: dict[Any, Eqn] = {}
    kept: list[Eqn] = []
    for eqn in program.eqns:
        eqn = rename(eqn, env)
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
    params = tuple([(k, _param_key(v)) for k, v in sorted(eqn.params.items())])
    return (eqn.op, params, *inputs)


def _param_key(value: Any) -> Any:
    """A hashable stand-in for a param, equal for equal params of one type only."""
    if type(value) is int:
        return value
    if isinstance(value, tuple):
        items = cast(tuple[Any, ...], value)
        return tuple([v if type(v) is int else _param_key(v) for v in items])
    if isinstance(value, np.ndarray):
        array = cast(np.ndarray[Any, Any], value)
        return (array.dtype, array.shape, hashlib.sha256(np.ascontiguousarray(array).data).digest())
    if isinstance(value, Program):
        return (Program, region_key(value))
    if isinstance(value, float):
        return (float, struct.pack("<d", value))
    return (type(value), value)
