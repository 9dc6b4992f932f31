"""Dead code in regions: carried values, results and operands of loops and branches not needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wengert.ir.program import Atom, Eqn, Program, Var, can_fail

Clean = Callable[[Program], Program]
Memo = dict[tuple[Program, tuple[bool, ...]], list[bool]]
"""What `_reached` has found: each loop asks several times, and so does each loop around it."""


def narrow(eqn: Eqn, live: Sequence[bool], clean: Clean, memo: Memo) -> Eqn:
    """`eqn` with only its live outputs and what they need, its regions cleaned.

    An equation that is there for its checks alone keeps an output.
    """
    match eqn.op.name:
        case "for_loop":
            return _loop(eqn, live, clean, memo, (2, 1))
        case "while_loop":
            return _loop(eqn, live, clean, memo, (0, 0))
        case "branch":
            return _branch(eqn, live, clean)
        case "for_each":
            return _each(eqn, live, clean)
        case _:
            return eqn


def _kept(items: Iterable[Any], flags: Sequence[bool]) -> tuple[Any, ...]:
    return tuple([item for item, on in zip(items, flags, strict=True) if on])


def _at_least_one(live: Sequence[bool], types: Sequence[Any]) -> list[bool]:
    if any(live):
        return list(live)
    smallest = min(range(len(live)), key=lambda k: types[k].size)
    return [k == smallest for k in range(len(live))]


def _as_it_is(region: Program) -> Program:
    return region


def _reached(region: Program, live: Sequence[bool], memo: Memo) -> list[bool]:
    """Which inputs the live outputs and the checks of a region depend on."""
    key = (region, tuple(live))
    if key not in memo:
        needed: set[Atom] = set(_kept(region.outputs, live))
        for eqn in reversed(region.eqns):
            flags = [v in needed for v in eqn.outputs]
            if any(flags) or can_fail(eqn):
                needed.update(narrow(eqn, flags, _as_it_is, memo).inputs)
        memo[key] = [v in needed for v in region.inputs]
    return memo[key]


def _loop(eqn: Eqn, live: Sequence[bool], clean: Clean, memo: Memo, before: tuple[int, int]) -> Eqn:
    """`before` says how many operands, and inputs of the body, come before the constants."""
    (bounds, extra), cond = before, eqn.params.get("cond")
    body, consts = eqn.params["body"], eqn.params["consts"]
    first = extra + consts
    found = _at_least_one(live, body.out_types)
    tests = [False] * (consts + len(found))
    if cond is not None:
        tests = _reached(cond, [True], memo)
    while True:
        reads = _reached(body, found, memo)[first:]
        grown = [a or b or c for a, b, c in zip(found, reads, tests[consts:], strict=True)]
        if grown == found:
            break
        found = grown
    inner, read = _cleaned(body, found, first, clean, memo)
    while any(misses := [a and not b for a, b in zip(read[first:], found, strict=True)]):
        found = [a or b for a, b in zip(found, misses, strict=True)]
        inner, read = _cleaned(body, found, first, clean, memo)
    used = [on or test for on, test in zip(read[extra:first], tests[:consts], strict=True)]
    if all(found) and all(used) and inner is body:
        return eqn
    params = {**eqn.params, "consts": sum(used), "body": _only(inner, [*[True] * extra, *used])}
    if cond is not None:
        params["cond"] = clean(_only(cond, [*used, *found]))
    operands = eqn.inputs[bounds:]
    inputs = (
        *eqn.inputs[:bounds],
        *_kept(operands[:consts], used),
        *_kept(operands[consts:], found),
    )
    return Eqn(eqn.op, inputs, _kept(eqn.outputs, found), params, eqn.location)


def _cleaned(
    body: Program, found: Sequence[bool], first: int, clean: Clean, memo: Memo
) -> tuple[Program, list[bool]]:
    """A loop's body with the carried values in `found`, and which inputs of `body` it reads then.

    In a cleaned body an equation that is left for its checks alone may read others than it did for
    its results, so what is there counts; else it is what cleaning would leave.
    """
    if clean is _as_it_is:
        return body, _reached(body, found, memo)
    outputs = _kept(body.outputs, found)
    kept = (*body.inputs[:first], *_kept(body.inputs[first:], found))
    inner = clean(body if all(found) else Program(kept, body.eqns, outputs))
    reads = _reads(inner)
    return inner, [v in reads for v in body.inputs]


def _only(region: Program, flags: Sequence[bool]) -> Program:
    """`region` with only these inputs; those after the last flag stay."""
    rest = region.inputs[len(flags) :]
    kept: tuple[Var, ...] = (*_kept(region.inputs[: len(flags)], flags), *rest)
    if len(kept) == len(region.inputs):
        return region
    return Program(kept, region.eqns, region.outputs)


def _reads(region: Program) -> set[Atom]:
    return {*region.outputs, *(a for e in region.eqns for a in e.inputs)}


def _giving(region: Program, flags: Sequence[bool]) -> Program:
    """`region` with only these outputs."""
    if all(flags):
        return region
    return Program(region.inputs, region.eqns, _kept(region.outputs, flags))


def _branch(eqn: Eqn, live: Sequence[bool], clean: Clean) -> Eqn:
    branches: tuple[Program, ...] = eqn.params["branches"]
    found = _at_least_one(live, branches[0].out_types)
    inner = [clean(_giving(r, found)) for r in branches]
    used = [
        any(v in reads for v, reads in zip(column, map(_reads, inner), strict=True))
        for column in zip(*[r.inputs for r in inner], strict=True)
    ]
    if all(found) and all(used) and all(a is b for a, b in zip(inner, branches, strict=True)):
        return eqn
    regions_ = tuple([_only(r, used) for r in inner])
    inputs = (eqn.inputs[0], *_kept(eqn.inputs[1:], used))
    return Eqn(eqn.op, inputs, _kept(eqn.outputs, found), {"branches": regions_}, eqn.location)


def _each(eqn: Eqn, live: Sequence[bool], clean: Clean) -> Eqn:
    body, consts = eqn.params["body"], eqn.params["consts"]
    found = _at_least_one(live, body.out_types)
    inner = clean(_giving(body, found))
    reads = _reads(inner)
    used = [v in reads for v in inner.inputs]
    if all(found) and all(used) and inner is body:
        return eqn
    params = {**eqn.params, "body": _only(inner, used), "consts": sum(used[:consts])}
    inputs = _kept(eqn.inputs, used)
    return Eqn(eqn.op, inputs, _kept(eqn.outputs, found), params, eqn.location)
