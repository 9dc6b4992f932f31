"""Where each stage's value lives, once the loops are fused.

A value that is read outside the kernel needs memory of its full size. One whose readers all
share its first p loops needs only what one iteration of those loops produces: nothing, if the
readers sit in the very same body (the expression is forwarded); a register, if it is a single
number; else a small local buffer, indexed by the inner loops alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter, from_affine
from wengert.kernels.fusion.nest import Node
from wengert.kernels.loops import Buffer, Register, Space
from wengert.kernels.staging.stages import Stage, StageKind

# Local buffers of one kernel together take at most this many bytes of stack.
LOCAL_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """The storage of one stage's value.

    `buffer` is None if the value is only forwarded or kept in `register`. Offsets lose their
    terms in the `shared` indices if the buffer is local; what is left is counted in units of
    `unit`, as neighbours in a local buffer may be that far apart in the whole array.
    """

    buffer: Buffer | None
    register: Register | None
    shared: tuple[Index, ...]
    forwarded: bool
    unit: int = 1


@dataclass(slots=True)
class Storage:
    """The places of all stages of one kernel, and the rewriting of expressions that follows."""

    s: ScalarBuilder
    places: dict[Buffer, Place] = field(default_factory=dict[Buffer, Place])
    values: dict[Expr, Expr] = field(default_factory=dict[Expr, Expr])
    only: dict[Buffer, Expr] = field(default_factory=dict[Buffer, Expr])
    _rewriter: Rewriter | None = None

    def rewrite(self, expr: Expr) -> Expr:
        """`expr` with loads of this kernel's values redirected to where they live now."""
        if self._rewriter is None:
            self._rewriter = Rewriter(self.s, self._load)
        return self._rewriter(expr)

    def offset(self, place: Place, offset: Expr) -> Expr:
        """A flat offset within the buffer of `place`."""
        if not place.shared:
            return offset
        function = affine(offset)
        assert function is not None, "only affine reads share loops with their producer"
        unit = place.unit
        assert function.const % unit == 0, "what loops share does not move reads along the rest"
        inner = {i: c // unit for i, c in function.terms.items() if i not in place.shared}
        return from_affine(self.s, Affine(function.const // unit, inner))

    def forward(self, stage: Stage, value: Expr) -> None:
        """Lets readers of the element just computed use `value` itself."""
        self.values[self.s.load(stage.buffer, stage.offset)] = value
        self.only[stage.buffer] = value

    def leave(self) -> None:
        """Ends a loop body: what was forwarded in it is no longer at hand."""
        self.values.clear()
        self._rewriter = None

    def _load(self, expr: Expr) -> Expr | None:
        if expr.op is not ScalarOp.LOAD or expr.attr not in self.places:
            return None
        place = self.places[expr.attr]
        if place.forwarded and expr in self.values:
            return self.values[expr]
        if place.register is not None:
            return self.s.register(place.register)
        if place.buffer is None:
            return self.only[expr.attr]
        if place.buffer is expr.attr:
            return None
        return self.s.load(place.buffer, self.offset(place, expr.args[0]))


def assign(
    s: ScalarBuilder,
    root: Node,
    readers: dict[Buffer, list[Stage]],
    kept: frozenset[Buffer] = frozenset(),
) -> Storage:
    """Chooses the places of all values that the kernel `root` computes; `kept` ones have theirs."""
    storage = Storage(s)
    paths = _paths(root)
    budget = LOCAL_BYTES
    for stage in root.stages:
        if stage.buffer in kept:
            place = Place(stage.buffer, None, (), _forwards(stage))
        else:
            place = _place(stage, readers.get(stage.buffer, []), paths, budget)
        if place.buffer is not None and place.buffer.space is Space.LOCAL:
            budget -= place.buffer.nbytes
        storage.places[stage.buffer] = place
    return storage


def _paths(root: Node) -> dict[Stage, tuple[Node, ...]]:
    """The loops around each stage, outermost first."""
    paths: dict[Stage, tuple[Node, ...]] = {}

    def visit(node: Node, above: tuple[Node, ...]) -> None:
        if node.index is None:
            for stage in node.stages:
                paths[stage] = above
        for child in node.children:
            visit(child, (*above, node))

    visit(root, ())
    return paths


def _place(
    stage: Stage, readers: Sequence[Stage], paths: dict[Stage, tuple[Node, ...]], budget: int
) -> Place:
    kept = Place(stage.buffer, None, (), _forwards(stage))
    if stage.kind is StageKind.SCAN:
        return Place(stage.buffer, None, (), False)
    temporary = stage.buffer.space in (Space.TEMP, Space.LOCAL)
    if not temporary or any(r not in paths for r in readers):
        return kept
    own = paths[stage]
    depth = min((_common(own, paths[r]) for r in readers), default=len(own))
    if depth == len(own) and _forwards(stage) and all(paths[r] == own for r in readers):
        return Place(None, None, (), True)
    inner = [i for t, i in enumerate(stage.domain) if t >= depth and t not in stage.reduced]
    if not inner:
        return Place(None, Register(stage.buffer.dtype), (), False)
    size = 1
    for index in inner:
        size *= index.extent
    if depth == 0 or size * stage.buffer.dtype.itemsize > budget:
        return kept
    local = Buffer(stage.buffer.dtype, size, Space.LOCAL)
    return Place(local, None, stage.domain[:depth], _forwards(stage), _unit(stage, inner))


def _unit(stage: Stage, inner: Sequence[Index]) -> int:
    """How far apart neighbours along the inner loops are in the whole array."""
    function = affine(stage.offset)
    terms = {} if function is None else function.terms
    return min((abs(terms[i]) for i in inner if terms.get(i)), default=1)


def _forwards(stage: Stage) -> bool:
    """Whether readers in the same body may use the value's expression."""
    return stage.kind is StageKind.MAP


def _common(x: tuple[Node, ...], y: tuple[Node, ...]) -> int:
    depth = 0
    for a, b in zip(x, y, strict=False):
        if a is not b:
            break
        depth += 1
    return depth
