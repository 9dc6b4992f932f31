"""The op branch: one of several programs, chosen by an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.errors import ShapeError
from wengert.ir.builder import Builder, Value, substitute
from wengert.ir.evaluate import evaluate
from wengert.ir.forms import Region
from wengert.ir.op import REGISTRY, Linear, Op, register
from wengert.ir.ops.control_batch import batch_branch
from wengert.ir.ops.control_family import (
    Tangents,
    Types,
    check_index_type,
    check_region,
    chosen,
    fresh,
    is_linear,
    or_zeros,
    reads,
    with_tangents,
)
from wengert.ir.ops.control_samples import branch_samples
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, acts
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.separate import Body, Price, Split, repeat, separate_region
from wengert.ir.transforms.taint import depending, reached
from wengert.ir.transforms.transpose import pull_onto
from wengert.ir.types import BOOL, TensorType


def _infer(index: TensorType, *operands: TensorType, branches: tuple[Program, ...]) -> Types:
    check_index_type("branch", "the index", index)
    if not branches:
        raise ShapeError("branch: there are no branches")
    gives = branches[0].out_types
    for number, region in enumerate(branches):
        check_region("branch", f"branch {number}", region, operands, gives)
    return gives


def _evaluate(index: Any, *operands: Any, branches: tuple[Program, ...]) -> Any:
    outs = evaluate(branches[int(index)], operands)
    return outs[0] if len(outs) == 1 else outs


def _either(flags: Sequence[Sequence[bool]]) -> list[bool]:
    """Where any of several lists of flags is set."""
    return [any(column) for column in zip(*flags, strict=True)]


def _taint(
    marks: Sequence[bool],
    spread: Callable[[Program, Sequence[bool]], list[bool]],
    *,
    branches: tuple[Program, ...],
) -> list[bool]:
    if marks[0]:
        return [True] * len(branches[0].outputs)
    return _either([spread(region, marks[1:]) for region in branches])


def _jvp(
    primals: Sequence[Value], tangents: Tangents, outs: None, *, branches: tuple[Program, ...]
) -> tuple[list[Value], list[Value | None]]:
    """The same choice between the branches with their tangents."""
    marks = [t is not None for t in tangents[1:]]
    active = _either([jvp(region, marks).out_active for region in branches])
    regions = tuple([with_tangents(region, marks, active) for region in branches])
    inputs = [*primals, *(t for t in tangents if t is not None)]
    results = primals[0].builder.emit(branch, inputs, {"branches": regions})
    count = len(active)
    pushed = iter(results[count:])
    return results[:count], [next(pushed) if on else None for on in active]


# the two sides


def _split(eqn: Eqn, tainted: Sequence[bool], price: Price) -> Split:
    """Each branch apart; what their linear parts need comes out of the known ones in slots."""
    regions: tuple[Program, ...] = eqn.params["branches"]
    marks = list(tainted[1:])
    outs = _taint(tainted, depending, branches=regions)
    operands = chosen(eqn.inputs[1:], marks, False)
    bodies: list[Body] = []
    for region in regions:
        known = chosen(region.inputs, marks, False)
        prices = {v: price(a) for v, a in zip(known, operands, strict=True)}
        bodies.append(separate_region(region, marks, chosen(region.outputs, outs), prices, 1))
    types, places = _slots(
        [
            [v for v in body.plan.stored if v not in set(region.inputs)]
            for body, region in zip(bodies, regions, strict=True)
        ]
    )
    slots = fresh(types)
    known = _known(eqn, bodies, marks, outs, slots, places)
    return Split(known, [_linear(eqn, bodies, marks, outs, slots, places, bool(known))])


def _slots(
    stored: Sequence[Sequence[Var]],
) -> tuple[list[TensorType], list[dict[int, Var]]]:
    """Types of slots for what each branch stores, and what each has in which slot."""
    types: list[TensorType] = []
    places: list[dict[int, Var]] = []
    for variables in stored:
        taken: dict[int, Var] = {}
        for var in variables:
            open_ = [i for i, t in enumerate(types) if t == var.type and i not in taken]
            if not open_:
                types.append(var.type)
            taken[open_[0] if open_ else len(types) - 1] = var
        places.append(taken)
    return types, places


def _known(
    eqn: Eqn,
    bodies: Sequence[Body],
    marks: Sequence[bool],
    outs: Sequence[bool],
    slots: Sequence[Var],
    places: Sequence[dict[int, Var]],
) -> list[Eqn]:
    """The branch of known values that fills the slots; none if it gives and does nothing."""
    outputs = (*chosen(eqn.outputs, outs, False), *slots)
    more: tuple[Atom, ...] = ()
    if not outputs:
        if not any(acts(e) for body in bodies for e in body.parts.known):
            return []
        outputs, more = (Var(TensorType(BOOL, ())),), (Literal(True, BOOL),)
    regions: list[Program] = []
    for region, body, place in zip(eqn.params["branches"], bodies, places, strict=True):
        builder = Builder(inputs=chosen(region.inputs, marks, False), eqns=list(body.parts.known))
        filled = [
            place[i] if i in place else builder.zeros(slot.type).atom
            for i, slot in enumerate(slots)
        ]
        gives = (*chosen(region.outputs, outs, False), *filled, *more)
        regions.append(Program(tuple(builder.inputs), tuple(builder.eqns), gives))
    inputs = (eqn.inputs[0], *chosen(eqn.inputs[1:], marks, False))
    return [Eqn(eqn.op, inputs, outputs, {"branches": tuple(regions)}, eqn.location)]


def _linear(
    eqn: Eqn,
    bodies: Sequence[Body],
    marks: Sequence[bool],
    outs: Sequence[bool],
    slots: Sequence[Var],
    places: Sequence[dict[int, Var]],
    has_known: bool,
) -> Eqn:
    """The branch on tangents; it reads known operands and the slots."""
    regions: list[Program] = []
    for region, body, place in zip(eqn.params["branches"], bodies, places, strict=True):
        builder = Builder(location=eqn.location)
        inputs = fresh([v.type for v in region.inputs])
        boards = fresh([v.type for v in slots])
        env: dict[Atom, Atom] = dict(zip(region.inputs, inputs, strict=True))
        env |= {v: boards[i] for i, v in place.items()}
        checks = any(e.op.check is not None for e in body.parts.known)
        repeat(
            builder,
            body.parts.known if checks and not has_known else body.plan.again,
            env,
            has_known,
        )
        repeat(builder, body.parts.linear, env, False)
        gives = tuple([substitute(env, a) for a in chosen(region.outputs, outs)])
        regions.append(Program((*inputs, *boards), tuple(builder.eqns), gives))
    used = _either([[v in reads(r.eqns, r.outputs) for v in r.inputs] for r in regions])
    regions = [Program(tuple(chosen(r.inputs, used)), r.eqns, r.outputs) for r in regions]
    operands = chosen((*eqn.inputs[1:], *slots), used)
    return Eqn(
        eqn.op,
        (eqn.inputs[0], *operands),
        tuple(chosen(eqn.outputs, outs)),
        {"branches": tuple(regions)},
        eqn.location,
    )


# backwards


def _transpose(
    cotangents: Tangents,
    inputs: Sequence[Value | Linear],
    *,
    seeds: Tangents,
    branches: tuple[Program, ...],
) -> list[Value | None]:
    """The same choice between the transposed branches, each on top of the seeds."""
    outer = next(x for x in cotangents if x is not None).builder
    marks = [is_linear(x) for x in inputs[1:]]
    live = [ct is not None for ct in cotangents]
    read = _either([reached(region, live) for region in branches])
    wanted = [on and r for on, r in zip(marks, read, strict=True)]
    sums = [s if on else None for s, on in zip(seeds[1:], wanted, strict=True)]
    regions = tuple([_backward(region, marks, live, wanted, sums) for region in branches])
    operands: list[Any] = [
        inputs[0],
        *chosen(inputs[1:], marks, False),
        *(ct for ct in cotangents if ct is not None),
        *(s for s in sums if s is not None),
    ]
    if not any(wanted):
        return [None, *seeds[1:]]
    results = iter(outer.emit(REGISTRY["branch"], operands, {"branches": regions}))
    return [
        None,
        *(next(results) if on else seed for on, seed in zip(wanted, seeds[1:], strict=True)),
    ]


def _backward(
    region: Program,
    marks: Sequence[bool],
    live: Sequence[bool],
    wanted: Sequence[bool],
    sums: Tangents,
) -> Program:
    """(known operands, cotangents, sums) -> the cotangents of the wanted operands."""
    known, linear = chosen(region.inputs, marks, False), chosen(region.inputs, marks)
    builder = Builder()
    given = [builder.input(v.type) for v in known]
    bars = [
        builder.input(a.type) if on else None for a, on in zip(region.outputs, live, strict=True)
    ]
    seeds = [None if s is None else builder.input(s.type) for s in chosen(sums, marks)]
    program = Program((*known, *linear), region.eqns, region.outputs)
    results = pull_onto(builder, program, given, bars, seeds)
    flags = chosen(wanted, marks)
    return builder.finish(
        [
            or_zeros(builder, bar, v.type)
            for bar, v, on in zip(results, linear, flags, strict=True)
            if on
        ]
    )


branch = register(
    Op(
        name="branch",
        family="control",
        params=("branches",),
        infer=_infer,
        evaluate=_evaluate,
        jvp=_jvp,
        batch=batch_branch,
        joint=True,
        taint=_taint,
        split=_split,
        linear=lambda positions: 0 not in positions,
        transpose=_transpose,
        accumulates=True,
        form=lambda types, **params: Region("branch"),
        samples=branch_samples,
        doc="branches[index](*operands), where index is in range; an `if` has the branches "
        "(else, then).",
    )
)
