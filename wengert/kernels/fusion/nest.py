"""Fusion: arranges stages into a tree of shared loops.

Two stages may share their leading loops as far as these run over the same indices. If one reads
what the other writes, the elements it reads must have been completed within the same iteration
of the shared loops. With flat offsets that is a question about affine functions:

    the producer writes at  W = sum_t w_t I_t + inner
    the consumer reads at   R = sum_t r_t I_t + rest

They may share the first p loops if r_t = w_t for each t < p, no shared loop is one that the
producer combines over, and `rest` stays within the range of `inner` (the strides w_t of a
contiguous array are larger than that range, so no other iteration writes there).

The tree is built top down and greedily: at each depth a stage joins the last loop it may share,
as long as everything it reads is complete there; else it opens a new one. It also does so where
the loop would become too large (`segments.py`). What is computed once, without a loop and from no
loop's result, comes first, wherever the program has it: between two loops it would part them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from wengert.ir.scalar import Affine, Expr, Index, ScalarOp, affine
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Buffer
from wengert.kernels.staging.segments import too_large
from wengert.kernels.staging.stages import Stage, StageKind


@dataclass(slots=True, eq=False)
class Node:
    """A loop over `index` with children, or, where `index` is None, the body of one stage."""

    index: Index | None
    stages: list[Stage]
    children: list[Node] = field(default_factory=list["Node"])
    computed: set[Expr] = field(default_factory=set[Expr])  # what the stages of a root evaluate


SHORT = 2048
FEW_ARRAYS = 6
"""Loops with nothing in common but their indices are one if they are short, or for few arrays."""

OPAQUE = (
    *(StageKind.GEMM, StageKind.LIBRARY, StageKind.COLLECTIVE),
    *(StageKind.SCATTER, StageKind.REGION),
)


def nest(stages: Sequence[Stage], grid: bool = False) -> list[Node]:
    """The fused loop tree of a program; each root becomes a kernel or a library call."""
    return _Nest(grid).level(_once_first(stages), 0)


def _once_first(stages: Sequence[Stage]) -> list[Stage]:
    """The stages with those first that need no loop before them."""
    first: list[Stage] = []
    rest: list[Stage] = []
    written: set[Buffer] = set()  # by the rest
    touched: set[Buffer] = set()  # read or written by the rest
    for stage in stages:
        own = {stage.buffer, *stage.writes}
        once = not stage.domain and stage.kind not in OPAQUE
        if once and not stage.loads & written and not own & touched:
            first.append(stage)
        else:
            rest.append(stage)
            written |= own
            touched |= own | stage.loads
    return first + rest


@dataclass(slots=True)
class _Nest:
    _grid: bool
    _limits: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def level(self, stages: list[Stage], depth: int) -> list[Node]:
        runs: list[Node] = []
        place: dict[Buffer, int] = {}
        for stage in stages:
            leaf = len(stage.domain) <= depth or stage.kind in OPAQUE
            at = None if leaf else self.host(runs, stage, depth, place)
            if at is None:
                at = len(runs)
                runs.append(Node(None if leaf else stage.domain[depth], []))
            runs[at].stages.append(stage)
            if depth == 0 and not leaf:
                runs[at].computed.update(nodes(stage.expressions))
            place.update((b, at) for b in (stage.buffer, *stage.writes))
        for run in runs:
            if run.index is not None:
                run.children = self.level(run.stages, depth + 1)
        return runs

    def host(
        self, runs: list[Node], stage: Stage, depth: int, place: dict[Buffer, int]
    ) -> int | None:
        """The last run that `stage` may join: not before anything it reads."""
        earliest = max((place[b] for b in stage.loads if b in place), default=0)
        computed = frozenset(nodes(stage.expressions)) if depth == 0 else frozenset[Expr]()
        for at in range(len(runs) - 1, earliest - 1, -1):
            if self.fits(runs[at], stage, depth) and not too_large(runs[at].computed, computed):
                return at
        return None

    def fits(self, run: Node, stage: Stage, depth: int) -> bool:
        if run.index is not stage.domain[depth]:
            return False
        if depth == 0 and not self.worthwhile(run.stages, stage):
            return False
        if self._grid and self.crosses(run.stages, stage, depth):
            return False
        return all(
            other.buffer not in stage.loads or self.shared(other, stage) > depth
            for other in run.stages
        )

    def crosses(self, run: list[Stage], stage: Stage, depth: int) -> bool:
        """Whether a loop that one scan walks in order would have independent scans inside."""
        scans = [s for s in (*run, stage) if s.kind is StageKind.SCAN]
        return len({depth in s.reduced for s in scans}) == 2

    def worthwhile(self, run: list[Stage], stage: Stage) -> bool:
        """Whether sharing the outermost loop saves anything: a dependence, a common load, a loop.

        On a grid a loop saved is a launch saved. Elsewhere it only counts where the loop is short,
        or walks through few arrays: caches and prefetchers cannot follow many at once.
        """
        if any(s.kind is StageKind.SCAN and 0 in s.reduced for s in (*run, stage)):
            return False
        if any(s.buffer in stage.loads or s.loads & stage.loads for s in run):
            return True
        if not any(s.domain == stage.domain for s in run):
            return False
        if self._grid or prod(i.extent for i in stage.domain) <= SHORT:
            return True
        arrays = stage.loads.union({stage.buffer}, *({s.buffer, *s.loads} for s in run))
        return len(arrays) <= FEW_ARRAYS

    def shared(self, producer: Stage, consumer: Stage) -> int:
        key = (id(producer), id(consumer))
        if key not in self._limits:
            self._limits[key] = shared_loops(producer, consumer)
        return self._limits[key]


def shared_loops(producer: Stage, consumer: Stage) -> int:
    """How many leading loops `consumer`, which reads `producer`, may share with it."""
    limit = 0
    for t, (x, y) in enumerate(zip(producer.domain, consumer.domain, strict=False)):
        if x is not y or t in producer.reduced:
            break
        limit = t + 1
    written = affine(producer.offset)
    if written is None:
        return 0
    for node in nodes([e for e in consumer.expressions if producer.buffer in e.loads]):
        if node.op is ScalarOp.LOAD and node.attr is producer.buffer:
            limit = min(limit, _aligned(node.args[0], written, producer.domain, limit))
    return limit


def _aligned(offset: Expr, written: Affine, domain: Sequence[Index], limit: int) -> int:
    read = affine(offset)
    if read is None:
        return 0
    for depth in range(limit, 0, -1):
        shared = domain[:depth]
        same = all(read.terms.get(i, 0) == written.terms.get(i, 0) for i in shared)
        if same and _within(_range(read, shared), _range(written, shared)):
            return depth
    return 0


def _range(function: Affine, fixed: Sequence[Index]) -> tuple[int, int]:
    """The least and greatest value over all indices but the `fixed` ones, whose terms count 0."""
    low = high = function.const
    for index, coefficient in function.terms.items():
        if index not in fixed:
            reach = coefficient * max(0, index.extent - 1)
            low, high = low + min(0, reach), high + max(0, reach)
    return low, high


def _within(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]
