"""Regions: parts of a function that are traced by themselves, and the ops made of them.

A region is traced on inputs of its own. What else it reads of the traces around it becomes a
constant of the op, and the arrays it has changed (`Trace.written`) become state of the loop or
results of the branch, which are written back in the enclosing trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.errors import CaptureError
from wengert.ir.builder import Value
from wengert.ir.compare import same
from wengert.ir.op import REGISTRY
from wengert.ir.program import Atom, Program, Var, can_fail
from wengert.ir.types import BOOL, INT64, Symbol, TensorType
from wengert.tracer.array import Tracer
from wengert.tracer.sharing import pass_on, set_together, settle
from wengert.tracer.stack import Trace

INDEX = TensorType(INT64, ())
Captured = dict[int, Tracer]


def _captured(*regions: Trace) -> Captured:
    return {i: t for r in regions for i, (t, _) in r.captured.items()}


def _written(*regions: Trace) -> Captured:
    return {i: t for r in regions for i, (t, _) in r.written.items()}


def _entries(region: Trace, tracers: Sequence[Tracer]) -> list[Atom]:
    """The inputs of a region that stand for these tracers' contents on entry."""
    found: list[Atom] = []
    for tracer in tracers:
        captured = region.captured.get(id(tracer))
        found.append(Var(tracer.type) if captured is None else captured[1].atom)
    return found


def _exits(region: Trace, tracers: Sequence[Tracer], entries: Sequence[Atom]) -> list[Atom]:
    """The contents of these tracers when the region ends."""
    found: list[Atom] = []
    for tracer, atom in zip(tracers, entries, strict=True):
        written = region.written.get(id(tracer))
        found.append(atom if written is None else written[1].atom)
    return found


def _split(*regions: Trace) -> tuple[list[Tracer], list[Tracer]]:
    """Constants and written arrays of regions."""
    written = _written(*regions)
    constants = [t for i, t in _captured(*regions).items() if i not in written]
    return constants, list(written.values())


def _program(region: Trace, inputs: Sequence[Any], outputs: Sequence[Atom]) -> Program:
    return Program(tuple(inputs), tuple(region.builder.eqns), tuple(outputs))


Region = tuple[Trace, Sequence[Value], Sequence[Value], Symbol | None]
"""A trace, its inputs and outputs, and the symbol of its index."""


def same_region(a: Region, b: Region) -> bool:
    """Whether two regions do the same with the same arrays of the traces around them."""
    captured = [list(x[0].captured.values()) for x in (a, b)]
    written = [list(x[0].written.values()) for x in (a, b)]
    for first, second in (captured, written):
        if len(first) != len(second) or not all(
            x[0] is y[0] or _same_contents(x[0], y[0]) for x, y in zip(first, second, strict=True)
        ):
            return False
    programs = [
        _program(
            trace,
            _atoms([*inputs, *(v for _, v in outer)]),
            _atoms([*outputs, *(v for _, v in changed)]),
        )
        for (trace, inputs, outputs, _), outer, changed in zip(
            (a, b), captured, written, strict=True
        )
    ]
    bound = {} if a[3] is None or b[3] is None else {a[3]: b[3]}
    return same(programs[0], programs[1], bound)


def _same_contents(x: Tracer, y: Tracer) -> bool:
    """Whether two tracers of values that nothing changes are of the same value."""
    if x.owner is not y.owner or x.mutable or y.mutable or x.base is not None or y.base is not None:
        return False
    return x.contents().atom is y.contents().atom


def _atoms(values: Sequence[Value]) -> list[Atom]:
    return [v.atom for v in values]


def _only_fails(*regions: Trace) -> bool:
    """Whether regions that have no results check something: then a truth value is carried."""
    fails = any(can_fail(eqn) for region in regions for eqn in region.builder.eqns)
    return fails and not _written(*regions)


def emit_for(
    parent: Trace,
    region: Trace,
    index: Value,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    operands: Sequence[Value],
    *,
    start: Value,
    stop: Value,
    symbol: Symbol | None,
    reverse: bool = False,
    turns: int | None = None,
    params: dict[str, Any] | None = None,
) -> list[Value]:
    """A for_loop with the state `inputs` to `outputs`, entered with `operands`; its last state."""
    if not outputs and _only_fails(region):
        inputs = outputs = [region.builder.input(TensorType(BOOL, ()))]
        operands = [parent.builder.literal(True, BOOL)]
    settle(region, _written(region))
    constants, written = _split(region)
    known, arrays = _entries(region, constants), _entries(region, written)
    body = _program(
        region,
        [index.atom, *known, *_atoms(inputs), *arrays],
        [*_atoms(outputs), *_exits(region, written, arrays)],
    )
    given = [parent.read(t) for t in constants]
    carried = [*operands, *(parent.read(t) for t in written)]
    if not carried:
        pass_on(parent, region)
        return []
    found = parent.builder.emit(
        REGISTRY["for_loop"],
        [start, stop, *given, *carried],
        {
            "body": body,
            "consts": len(given),
            "symbol": symbol,
            "reverse": reverse,
            "turns": turns,
            **(params or {}),
        },
    )
    return _write_back(parent, found, len(operands), written, region)


def emit_while(
    parent: Trace,
    cond: tuple[Trace, Sequence[Value], Value],
    body: tuple[Trace, Sequence[Value], Sequence[Value]],
    operands: Sequence[Value],
) -> list[Value]:
    """A while_loop; the regions come with their inputs and their results."""
    test, test_inputs, condition = cond
    region, inputs, outputs = body
    if test.written:
        raise CaptureError(
            "the condition of a while loop changes an array; do that in the body of the loop"
        )
    settle(region, _written(region))
    constants, written = _split(test, region)
    test_entries = [*_entries(test, constants), *_atoms(test_inputs), *_entries(test, written)]
    known, arrays = _entries(region, constants), _entries(region, written)
    leaving = [*_atoms(outputs), *_exits(region, written, arrays)]
    given = [parent.read(t) for t in constants]
    carried = [*operands, *(parent.read(t) for t in written)]
    found = parent.builder.emit(
        REGISTRY["while_loop"],
        [*given, *carried],
        {
            "cond": _program(test, test_entries, [condition.atom]),
            "body": _program(region, [*known, *_atoms(inputs), *arrays], leaving),
            "consts": len(given),
        },
    )
    return _write_back(parent, found, len(operands), written, region)


def emit_branch(
    parent: Trace, index: Value, regions: Sequence[Trace], outputs: Sequence[Sequence[Value]]
) -> list[Value]:
    """A branch between regions that give `outputs`, of the same types."""
    if not outputs[0] and _only_fails(*regions):
        outputs = [[region.builder.literal(True, BOOL)] for region in regions]
    for region in regions:
        settle(region, _written(*regions))
    captured, written = _captured(*regions), list(_written(*regions).values())
    captured.update({id(t): t for t in written})
    tracers = list(captured.values())
    programs: list[Program] = []
    for region, outs in zip(regions, outputs, strict=True):
        entries = _entries(region, tracers)
        by_id = {id(t): a for t, a in zip(tracers, entries, strict=True)}
        exits = _exits(region, written, [by_id[id(t)] for t in written])
        programs.append(_program(region, entries, [*_atoms(outs), *exits]))
    if not outputs[0] and not written:
        for region in regions:
            pass_on(parent, region)
        return []
    found = parent.builder.emit(
        REGISTRY["branch"],
        [index, *(parent.read(t) for t in tracers)],
        {"branches": tuple(programs)},
    )
    return _write_back(parent, found, len(outputs[0]), written, *regions)


def _write_back(
    parent: Trace, found: list[Value], count: int, written: Sequence[Tracer], *regions: Trace
) -> list[Value]:
    for tracer, value in zip(written, found[count:], strict=True):
        parent.write(tracer, value)
    set_together(parent, {id(t): t for t in written})
    for region in regions:
        pass_on(parent, region)
    return found[:count]
