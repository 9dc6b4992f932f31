"""Program -> stages: one builder per kernel form.

Loop orders. A stage walks its operand in memory order, so that loads are contiguous: a reduction
over leading axes then accumulates into its output's memory, one over trailing axes in a register.
A contraction that is not a library call runs as rows of dot products where both operands are
contiguous along the contracted axes or the product is small (registers), else as a sum of scaled
rows.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from wengert.ir.forms import (
    Collective,
    Contraction,
    Form,
    Library,
    Reduction,
    Region,
    Scan,
    Scatter,
    Update,
)
from wengert.ir.host import HostCall
from wengert.ir.program import Atom, Eqn, Program, Var
from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, linear_in
from wengert.ir.types import TensorType
from wengert.kernels.expressions import loaded, nodes
from wengert.kernels.loops import Buffer, Failure, Space, Stmt
from wengert.kernels.staging import calls, regions
from wengert.kernels.staging.block import LOCAL_SIZE, Context, Inputs
from wengert.kernels.staging.coordinates import lengths, loop_axes
from wengert.kernels.staging.gemm import (
    Dims,
    Operand,
    contraction_dims,
    in_packed_order,
    is_call,
    loop_order,
    product,
)
from wengert.kernels.staging.homes import form_of
from wengert.kernels.staging.library import OF_ROWS, matrix_dims, of_library, row_dims
from wengert.kernels.staging.materialise import Plan, plan
from wengert.kernels.staging.pull import Pull
from wengert.kernels.staging.stages import Domains, Stage, StageKind, row_major


@dataclass(frozen=True, slots=True)
class Staged:
    """The stages of a program, and the buffers of its outputs."""

    stages: tuple[Stage, ...]
    outputs: tuple[Buffer, ...]


def build(program: Program, context: Context, inputs: Inputs, top: bool = False) -> Staged:
    """The stages that compute `program`, in order.

    Outputs of the whole program (`top`) have buffers of their own kind.
    """
    as_they_are = _no_operands
    if inputs.steps or not context.grid:
        as_they_are = functools.partial(gemm_operands, narrow=context.grid)
    found = plan(program, as_they_are, inputs.mutable, parts=not context.grid)
    return _Build(program, found, context, inputs, top).run()


def gemm_operands(eqn: Eqn, form: Form, narrow: bool = False) -> list[Atom]:
    """The operands of a library call whose memory order it takes as it is; see `is_call`."""
    types = [a.type for a in eqn.inputs]
    if isinstance(form, Library | HostCall):
        return list(eqn.inputs)
    if isinstance(form, Collective) and not form.request.in_place:
        return list(eqn.inputs)
    if not isinstance(form, Contraction) or not is_call(form, types, narrow):
        return []
    dims = contraction_dims(form, types)
    return [a for a, d in zip(eqn.inputs, dims, strict=True) if d.strides() is not None]


def _no_operands(eqn: Eqn, form: Form) -> list[Atom]:
    return []


@dataclass(slots=True)
class _Build:
    program: Program
    plan: Plan
    shared: Context
    inputs: Inputs
    top: bool
    s: ScalarBuilder = field(init=False)
    buffers: dict[Var, Buffer] = field(init=False)
    stages: list[Stage] = field(default_factory=list[Stage])
    wanted: set[Var] = field(default_factory=set[Var])
    packs: dict[tuple[Var, tuple[int, ...]], Buffer] = field(
        default_factory=dict[tuple[Var, tuple[int, ...]], Buffer]
    )
    pull: Pull = field(init=False)
    domains: Domains = field(init=False)
    rows: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self.s = self.shared.s
        self.buffers = dict(self.inputs.buffers)
        self.pull = Pull(self.s, self.plan, self.buffers, self.inputs.bound)
        self.domains = Domains(self.s, self.inputs.symbols)
        self.rows = frozenset() if self.shared.grid else lengths(self.program)

    def run(self) -> Staged:
        outputs = self.program.outputs
        if self.top:
            self.wanted = {self.plan.root(a) for a in outputs if isinstance(a, Var)}
        for eqn in self.program.eqns:
            self.equation(eqn)
        found = tuple(self.output(a) for a in outputs)
        return Staged(tuple(self.stages), found)

    def equation(self, eqn: Eqn) -> None:
        """The stages of an equation, unless its values are computed where they are read."""
        if eqn.op.name == "constant":
            out = eqn.outputs[0]
            self.buffers[out] = _buffer(out.type, Space.CONSTANT)
            self.shared.constants.append((self.buffers[out], eqn.params["value"]))
            return
        form = form_of(eqn)
        if isinstance(form, Region):
            regions.lower(self, form, eqn)
            return
        if isinstance(form, HostCall):
            calls.python(self, form, eqn)
            return
        out = eqn.outputs[0]
        is_view = form is None and self.plan.root(out) is not out
        if out in self.plan.stored and not is_view:
            self.stage(eqn, self.home(out))

    def home(self, var: Var) -> Buffer:
        """The buffer that a value is to be put in: a new one, or that of what it replaces."""
        root = self.plan.root(var)
        buffer = self.buffers.get(root)
        if buffer is None:
            buffer = _buffer(root.type, self.space(root))
        self.buffers[root] = buffer
        return buffer

    def space(self, var: Var) -> Space:
        """Where a new buffer lives."""
        if var in self.wanted:
            return Space.OUTPUT
        local = var.type.size * var.type.dtype.itemsize <= LOCAL_SIZE
        return (
            Space.LOCAL if local and not self.top and not self.inputs.steps else self.inputs.space
        )

    def output(self, atom: Atom) -> Buffer:
        """Where an output is; what is in no buffer is put into one."""
        if isinstance(atom, Var):
            buffer = self.buffers.get(self.plan.root(atom))
            if buffer is not None:
                return buffer
        space = Space.OUTPUT if self.top else self.space(Var(atom.type))
        buffer = _buffer(atom.type, space)
        self.copy(atom, buffer)
        return buffer

    def copy(self, atom: Atom, buffer: Buffer) -> None:
        """A stage that computes all elements of a value into a buffer."""
        if buffer.size == 0:
            return
        shape = atom.type.shape
        domain, index = self.domains.of_shape(shape)
        offset, value = row_major(self.s, shape, index), self.pull.read(atom, index)
        self.add(Stage(StageKind.MAP, buffer, domain, frozenset(), offset, value))

    def add(self, stage: Stage) -> None:
        exprs = stage.expressions
        self.stages.append(replace(stage, loads=loaded(exprs) - {stage.buffer}))

    def stage(self, eqn: Eqn, buffer: Buffer) -> None:
        if buffer.size == 0:
            return
        form = self.plan.forms.get(eqn.outputs[0])
        match form:
            case Reduction(combine="argmax" | "argmin"):
                self.argreduce(eqn, form, buffer)
            case Reduction():
                self.reduce(eqn, form, buffer)
            case Scan():
                self.scan(eqn, form, buffer)
            case Scatter() | Update():
                self.update(eqn, form, buffer)
            case Library():
                self.library(eqn, form, buffer)
            case Collective():
                calls.collective(self, form, eqn, buffer)
            case Contraction() if self.is_call(form, eqn):
                self.gemm(eqn, form, buffer)
            case Contraction():
                self.contract(eqn, form, buffer)
            case _:
                self.map(eqn, buffer)

    def is_call(self, form: Contraction, eqn: Eqn) -> bool:
        """Whether a contraction becomes a library call."""
        here = self.inputs.steps or not self.shared.grid
        return here and is_call(form, [a.type for a in eqn.inputs], self.shared.grid)

    def map(self, eqn: Eqn, buffer: Buffer) -> None:
        shape = eqn.outputs[0].type.shape
        domain, index = self.domains.of_axes(loop_axes(shape, self.rows), len(shape))
        value = self.pull.element(eqn, index)
        requirement, code = None, -1
        if eqn.op.check is not None:
            requirement = eqn.op.check(self.pull.context(eqn), index)
            failure = Failure(requirement.error, requirement.message, eqn.location)
            code = len(self.shared.failures)
            self.shared.failures.append(failure)
        self.add(
            Stage(
                StageKind.MAP,
                buffer,
                domain,
                frozenset(),
                row_major(self.s, shape, index),
                value,
                requirement=requirement,
                code=code,
            )
        )

    def reduce(self, eqn: Eqn, form: Reduction, buffer: Buffer) -> None:
        source = eqn.inputs[0]
        shape = source.type.shape
        last = len(shape) - 1 in form.axes
        axes = loop_axes(shape, frozenset() if last else self.rows)
        domain, index = self.domains.of_axes(axes, len(shape))
        reduced = frozenset(_depths(shape, [a for a, _ in axes], form.axes))
        kept = [a for a in range(len(shape)) if a not in form.axes]
        offset = row_major(self.s, tuple(shape[a] for a in kept), [index[a] for a in kept])
        value = self.pull.read(source, index)
        kind = StageKind.REDUCE if reduced else StageKind.MAP
        self.add(Stage(kind, buffer, domain, reduced, offset, value, form.combine))

    def argreduce(self, eqn: Eqn, form: Reduction, buffer: Buffer) -> None:
        source = eqn.inputs[0]
        shape = source.type.shape
        (axis,) = form.axes
        order = [a for a in range(len(shape)) if a != axis] + [axis]
        domain, index = self.domains.of_axes([(a, shape[a]) for a in order], len(shape))
        kept = order[:-1]
        offset = row_major(self.s, tuple(shape[a] for a in kept), [index[a] for a in kept])
        if shape[axis] == 1:
            zero = self.s.int(0)
            self.add(Stage(StageKind.MAP, buffer, domain, frozenset(), offset, zero))
            return
        value = self.pull.read(source, index)
        self.add(
            Stage(
                StageKind.ARGREDUCE,
                buffer,
                domain,
                frozenset((len(domain) - 1,)),
                offset,
                value,
                form.combine,
                position=index[axis],
            )
        )

    def scan(self, eqn: Eqn, form: Scan, buffer: Buffer) -> None:
        shape = eqn.outputs[0].type.shape
        domain, index = self.domains.of_shape(shape)
        extent, step = shape[form.axis], prod(shape[form.axis + 1 :])
        first = self.s.eq(index[form.axis], self.s.int(0))
        place = list(index)
        if form.reverse:
            place[form.axis] = self.s.sub(self.s.int(extent - 1), index[form.axis])
        offset = row_major(self.s, shape, place)
        previous = self.s.add(offset, self.s.int(step if form.reverse else -step))
        operands = [self.pull.read(a, place) for a in eqn.inputs]
        factor = operands[0] if form.combine == "linear" else None
        if extent == 1:
            self.add(Stage(StageKind.MAP, buffer, domain, frozenset(), offset, operands[-1]))
            return
        reduced = frozenset(_depths(shape, range(len(shape)), (form.axis,)))
        self.add(
            Stage(
                StageKind.SCAN,
                buffer,
                domain,
                reduced,
                offset,
                operands[-1],
                form.combine,
                factor=factor,
                first=first,
                previous=previous,
            )
        )

    def update(self, eqn: Eqn, form: Scatter | Update, buffer: Buffer) -> None:
        """Writes to parts of an array: after a copy of it, unless it stands there already."""
        target, updates, *where = eqn.inputs
        copy = self.initial(target, eqn.outputs[0], buffer)
        domain, index = self.domains.of_shape(updates.type.shape)
        if isinstance(form, Scatter):
            rank = where[0].type.ndim if where else 0
            place = [*(self.pull.read(a, index[:rank]) for a in where), *index[rank:]]
        else:
            place = [
                self.s.add(self.pull.read(a, ()), self.s.mul(k, step))
                for a, k, step in zip(where, index, form.steps, strict=True)
            ]
        offset = row_major(self.s, target.type.shape, place)
        value = self.pull.read(updates, index)
        if copy is None and domain and self.reads_elsewhere(value, buffer, offset):
            value = self.aside(updates, index)
        self.stages.append(
            Stage(
                StageKind.SCATTER,
                buffer,
                domain,
                frozenset(range(len(domain))),
                offset,
                value,
                form.combine,
                initial=copy,
                loads=self.touched(value, offset, buffer, copy),
            )
        )

    def initial(self, target: Atom, out: Var, buffer: Buffer) -> Stage | None:
        """The copy of an array that is to be updated; None if it is in `buffer` already."""
        if isinstance(target, Var) and self.plan.root(target) is self.plan.root(out):
            return None
        shape = target.type.shape
        domain, index = self.domains.of_shape(shape)
        offset, value = row_major(self.s, shape, index), self.pull.read(target, index)
        return Stage(StageKind.MAP, buffer, domain, frozenset(), offset, value)

    def touched(
        self, value: Expr, offset: Expr, buffer: Buffer, copy: Stage | None
    ) -> frozenset[Buffer]:
        if copy is None:
            return loaded([value, offset]) | {buffer}
        return loaded([value, offset, *copy.expressions]) - {buffer}

    def reads_elsewhere(self, value: Expr, buffer: Buffer, offset: Expr) -> bool:
        """Whether a new element depends on others of the memory that it is written to."""
        return any(
            n.op is ScalarOp.LOAD and n.attr is buffer and n.args[0] is not offset
            for n in nodes((value, offset))
        )

    def aside(self, atom: Atom, index: tuple[Expr, ...]) -> Expr:
        """An element of a value that is first computed as a whole."""
        buffer = self.new(atom.type)
        self.copy(atom, buffer)
        return self.s.load(buffer, row_major(self.s, atom.type.shape, index))

    def contract(self, eqn: Eqn, form: Contraction, buffer: Buffer) -> None:
        lhs, rhs = contraction_dims(form, [a.type for a in eqn.inputs])
        order = loop_order(lhs, rhs)
        extents = [(lhs if side == 0 else rhs).shape[axis] for side, axis in order]
        domain, index = self.domains.of_shape(tuple(extents))
        place: dict[tuple[int, int], Expr] = dict(zip(order, index, strict=True))
        for mine, other in zip(lhs.batch + lhs.contract, rhs.batch + rhs.contract, strict=True):
            place[1, other] = place[0, mine]
        left = self.pull.read(eqn.inputs[0], [place[0, a] for a in range(len(lhs.shape))])
        right = self.pull.read(eqn.inputs[1], [place[1, a] for a in range(len(rhs.shape))])
        kept = [(0, a) for a in (*lhs.batch, *lhs.free)] + [(1, a) for a in rhs.free]
        shape = eqn.outputs[0].type.shape
        offset = row_major(self.s, shape, [place[d] for d in kept])
        contracted = [p for p, d in enumerate(order) if d not in kept]
        reduced = frozenset(_depths(extents, range(len(extents)), contracted))
        value = self.s.mul(left, right)
        kind = StageKind.REDUCE if reduced else StageKind.MAP
        self.add(Stage(kind, buffer, domain, reduced, offset, value, "add"))

    def gemm(self, eqn: Eqn, form: Contraction, buffer: Buffer) -> None:
        dims = contraction_dims(form, [a.type for a in eqn.inputs])
        lhs, rhs = (self.operand(a, d) for a, d in zip(eqn.inputs, dims, strict=True))
        whole = self.shared.grid or not self.inputs.threads
        statements = product(self.s, buffer, lhs, rhs, dims, whole)
        offsets = loaded([lhs.offset, rhs.offset])
        self.given(StageKind.GEMM, buffer, statements, (lhs.buffer, rhs.buffer, *offsets))

    def given(
        self, kind: StageKind, buffer: Buffer, body: tuple[Stmt, ...], loads: Sequence[Buffer]
    ) -> None:
        """A stage whose statements are known already."""
        zero = self.s.const(0, buffer.dtype)
        start = self.s.int(0)
        self.stages.append(
            Stage(kind, buffer, (), frozenset(), start, zero, product=body, loads=frozenset(loads))
        )

    def library(self, eqn: Eqn, form: Library, buffer: Buffer) -> None:
        """A routine of LAPACK for each matrix of a batch, or another library's for each row."""
        types, whole = [a.type for a in eqn.inputs], self.shared.grid
        if whole:
            calls.require_routine(form, eqn)
        by_rows = form.library in OF_ROWS
        dims = [row_dims(t) if by_rows else matrix_dims(t) for t in types]
        given = [self.packed(a, d).buffer for a, d in zip(eqn.inputs, dims, strict=True)]
        for stage in of_library(self.s, form, buffer, given, types, whole, self.new):
            self.given(StageKind.LIBRARY, *stage)

    def new(self, kind: TensorType) -> Buffer:
        """A buffer for what nobody else reads."""
        return _buffer(kind, self.space(Var(kind)))

    def in_memory(self, atom: Atom) -> Buffer:
        """A buffer with all elements of a value."""
        if isinstance(atom, Var) and self.plan.root(atom) in self.buffers:
            return self.buffers[self.plan.root(atom)]
        buffer = self.new(atom.type)
        self.copy(atom, buffer)
        return buffer

    def operand(self, atom: Atom, dims: Dims) -> Operand:
        """The operand of a product in memory, copied if it has no order there that BLAS takes."""
        assert isinstance(atom, Var)
        here = self.plan.root(atom) in self.buffers and dims.strides() is not None
        found = None if here else self.in_place(atom, dims)
        return found or self.packed(atom, dims)

    def packed(self, atom: Atom, dims: Dims) -> Operand:
        """All of an operand in memory, copied into an order that BLAS takes if it has none."""
        assert isinstance(atom, Var)
        strides = dims.strides()
        if strides is not None and self.plan.root(atom) in self.buffers:
            return Operand(self.buffers[self.plan.root(atom)], strides, self.s.int(0))
        key = (atom, dims.packed)
        if key not in self.packs:
            self.packs[key] = self.pack(atom, dims)
        strides = in_packed_order(
            dims
        ).strides()  # by the axes' roles, which differ from use to use
        assert strides is not None
        return Operand(self.packs[key], strides, self.s.int(0))

    def in_place(self, atom: Var, dims: Dims) -> Operand | None:
        """An operand that is a part of an array, as BLAS can walk it there."""
        if self.shared.grid or not atom.type.is_static:
            return None
        own = [Index(int(extent)) for extent in dims.shape]
        place = [self.s.index(i) if i.extent != 1 else self.s.int(0) for i in own]
        element = self.pull.read(atom, place)
        if element.op is not ScalarOp.LOAD:
            return None
        found = linear_in(self.s, element.args[0], frozenset(own))
        if found is None:
            return None
        strides = dims.strides([found[0].get(i, 0) for i in own])
        return None if strides is None else Operand(element.attr, strides, found[1])

    def pack(self, atom: Var, dims: Dims) -> Buffer:
        """A copy of an operand with its axes in the order `dims.packed`."""
        order = dims.packed
        shape = tuple(dims.shape[a] for a in order)
        kind = TensorType(atom.type.dtype, shape)
        buffer = _buffer(kind, self.space(Var(kind)))
        domain, index = self.domains.of_shape(shape)
        place = [index[order.index(a)] for a in range(len(order))]
        self.add(
            Stage(
                StageKind.MAP,
                buffer,
                domain,
                frozenset(),
                row_major(self.s, shape, index),
                self.pull.read(atom, place),
            )
        )
        return buffer


def _buffer(tensor: TensorType, space: Space) -> Buffer:
    return Buffer(tensor.dtype, int(tensor.size), space)


def _depths(shape: Sequence[int], order: Sequence[int], axes: Sequence[int]) -> list[int]:
    """The loop depths of `axes`, given that axes of size 1 have no loop."""
    looped = [a for a in order if shape[a] != 1]
    return [looped.index(a) for a in axes if shape[a] != 1]
