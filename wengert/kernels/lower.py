"""Tensor IR -> loop IR: stages, fusion, emission, scheduling and the buffer plan."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.config import config
from wengert.ir.passes.expand import spread, without_libraries
from wengert.ir.passes.growing import sums_in_place
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.passes.spectra import values_alone
from wengert.ir.program import Program
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.buffers.donate import in_donated
from wengert.kernels.buffers.memory import arena
from wengert.kernels.expressions import nodes
from wengert.kernels.fusion.emit import Emitter, Nest
from wengert.kernels.fusion.nest import Node, nest
from wengert.kernels.grid.epilogue import with_epilogues
from wengert.kernels.grid.halves import with_half_products
from wengert.kernels.grid.place import place
from wengert.kernels.grid.turns import count_uses
from wengert.kernels.loops import (
    Assign,
    Buffer,
    Check,
    Declare,
    Kernel,
    Loop,
    LoopProgram,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.recursion import deep_recursion
from wengert.kernels.scheduling.layout import along_inner_loops
from wengert.kernels.scheduling.lines import in_whole_lines
from wengert.kernels.scheduling.overlap import overlapped
from wengert.kernels.scheduling.pivots import rows_on_threads
from wengert.kernels.scheduling.schedule import inner, schedule
from wengert.kernels.scheduling.strips import in_strips
from wengert.kernels.scheduling.unroll import unroll
from wengert.kernels.skew.fronts import wavefronts
from wengert.kernels.staging.block import Block, Context, Inputs
from wengert.kernels.staging.build import build
from wengert.kernels.staging.segments import too_large
from wengert.kernels.staging.stages import StageKind
from wengert.kernels.statements import expressions, in_turn
from wengert.kernels.turns.ascending import ascending
from wengert.kernels.turns.choices import choices_as_values
from wengert.kernels.turns.direct import written_at_once
from wengert.kernels.turns.exchange import exchanged
from wengert.kernels.turns.idle import idle_rows
from wengert.kernels.turns.meeting import around_meetings
from wengert.kernels.turns.neighbours import neighbours_joined
from wengert.kernels.turns.own_loops import with_own_loops
from wengert.kernels.turns.standing import standing_sums
from wengert.kernels.turns.turn_scalars import index_scalars, turn_scalars
from wengert.kernels.verify import verify

# Stages that bring their statements with them.
GIVEN = (StageKind.GEMM, StageKind.LIBRARY, StageKind.COLLECTIVE, StageKind.REGION)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A loop program and the arrays of its constants, in the order of `loops.constants`."""

    loops: LoopProgram
    constants: tuple[np.ndarray[Any, Any], ...]


def merged(steps: Sequence[Kernel]) -> list[Kernel]:
    """Neighbours without loops as one kernel, where they share their subexpressions.

    They are the stages without a domain, which fusion has no loop to put into.
    """
    found: list[Kernel] = []
    computed: set[Expr] = set()
    for step in steps:
        if not _straight(step):
            found.append(step)
            continue
        own = set(nodes(expressions(step.body)))
        if found and _straight(found[-1]) and not too_large(computed, own):
            name = "_".join(dict.fromkeys((*found[-1].name.split("_"), *step.name.split("_"))))
            found[-1] = Kernel(name, (*found[-1].body, *step.body))
            computed |= own
        else:
            found.append(step)
            computed = own
    return found


def _straight(step: Kernel) -> bool:
    return all(isinstance(st, Store | Check | Declare | Assign) for st in step.body)


def lower(program: Program, grid: bool = False, donated: AbstractSet[int] = frozenset()) -> Lowered:
    """The loop program that computes `program`; for a grid of threads on request.

    Outputs take the memory of `donated` inputs where they can: they are then the inputs' buffers.
    """
    if grid:
        program = with_half_products(_with_own_equations(program))
    else:
        program = sums_in_place(values_alone(program))
    with deep_recursion():
        context = Context(ScalarBuilder(), _region, grid)
        inputs = tuple([Buffer(t.dtype, t.size, Space.INPUT) for t in program.in_types])
        known = dict(zip(program.inputs, inputs, strict=True))
        first = Inputs(known, {}, frozenset(), {}, Space.TEMP, threads=not grid, steps=grid)
        staged = build(program, context, first, top=True)
        emitter = Emitter(context.s, staged.stages)
        nests = [n for root in nest(staged.stages, grid) if (n := _nest_of(emitter, root))]
        steps = [n if isinstance(n, Kernel) else as_emitted(n) for n in nests]
        outputs = staged.outputs
        if donated:
            given = [(inputs[k], program.in_types[k]) for k in sorted(donated)]
            results = list(zip(outputs, program.out_types, strict=True))
            steps, outputs = in_donated(context.s, steps, given, results)
        if grid:
            used = (*outputs, *inputs, *(b for b, _ in context.constants))
            steps = place(context.s, merged(steps), used)
            steps = with_epilogues(steps, count_uses([k.body for k in steps], used))
        else:
            steps = _for_threads(context.s, nests, steps, outputs)
    offsets, size = arena(steps, takeover=not grid)
    loops = LoopProgram(
        inputs,
        tuple(b for b, _ in context.constants),
        outputs,
        tuple(steps),
        tuple(context.failures),
        offsets,
        size,
        frozenset(outputs).difference(staged.outputs),
    )
    if config().verify:
        verify(loops)
    return Lowered(loops, tuple(array for _, array in context.constants))


def _for_threads(
    s: ScalarBuilder,
    nests: Sequence[Nest | Kernel],
    emitted: Sequence[Kernel],
    outputs: Sequence[Buffer],
) -> list[Kernel]:
    """The kernels of nests, `emitted` as they stand, as threads and vectors run them."""
    made = [
        [k] if isinstance(n, Kernel) else schedule(s, _with_body(n, k.body))
        for n, k in zip(nests, emitted, strict=True)
    ]
    steps = wavefronts(s, merged([k for ks in made for k in ks]), outputs)
    steps = exchanged(s, written_at_once(s, index_scalars(s, steps)))
    steps = rows_on_threads(s, neighbours_joined(s, steps))
    steps = with_own_loops(s, standing_sums(s, around_meetings(s, steps)))
    steps = turn_scalars(s, choices_as_values(s, steps))
    steps = idle_rows(s, ascending(s, along_inner_loops(s, steps)))
    return in_whole_lines(s, overlapped(in_strips(s, steps, outputs)))


def _with_own_equations(program: Program) -> Program:
    """`program`, made ready again if a device does some of it in another way.

    It may lack a library, and has threads for what else goes on in order.
    """
    found = spread(without_libraries(program))
    return program if found is program else default_pipeline(found)


def _nest_of(emitter: Emitter, root: Node) -> Nest | Kernel | None:
    """The statements of a fused loop tree; a kernel where they are given; None without any."""
    stage = root.stages[0]
    if stage.product:
        return Kernel(str(stage.kind), stage.product)
    return None if stage.kind in GIVEN else emitter.kernel(root)


def _with_body(nest: Nest, body: Sequence[Stmt]) -> Nest:
    """A nest with other statements, as many as it has."""
    if nest.loop is None:
        return replace(nest, before=tuple(body))
    at = len(nest.before)
    loop = body[at]
    assert isinstance(loop, Loop)
    return replace(nest, before=tuple(body[:at]), loop=loop, after=tuple(body[at + 1 :]))


def as_emitted(nest: Nest) -> Kernel:
    """A fused loop nest with all of its loops serial."""
    loop = () if nest.loop is None else (nest.loop,)
    return Kernel(nest.name, (*nest.before, *loop, *nest.after))


def _region(context: Context, program: Program, inputs: Inputs) -> Block:
    """The statements of a loop's or a branch's region."""
    staged = build(program, context, inputs)
    emitter = Emitter(context.s, staged.stages, frozenset(staged.outputs))
    body: list[Stmt] = []
    for root in nest(staged.stages, context.grid):
        stage = root.stages[0]
        if stage.kind in GIVEN:
            given = stage.product if inputs.threads else in_turn(stage.product)
            body.extend(given)
        else:
            made = emitter.kernel(root)
            plain = context.grid
            body.extend(as_emitted(made).body if plain else inner(context.s, made, inputs.threads))
    if inputs.steps:
        return Block(tuple(body), staged.outputs)
    return Block(unroll(context.s, body, inside=True, stores=True), staged.outputs)
