"""How numbers come from memory into rows of vectors, and back, for Fourier transforms.

In memory, numbers are pairs of floats. Either the numbers of several transforms are neighbours
(columns), or those of one are (lines), which are then turned in registers; or, between the two
steps of a long transform, they stand in strips (`kernels/fourier.py`). Masks take what is left over
of a vector. Results are taken from where the passes have left them (`%order`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines.fourier_passes import Complex, Number
from wengert.backends.cpu.routines.gemm_kernels import (
    VECTORS,
    Kind,
    lane_mask,
    masked_load,
    masked_store,
)

ATTRIBUTES = f"nounwind noinline {VECTORS}"
GATHER = "i64 %n, i64 %valid, ptr %from, i64 %stride, ptr %room"
SCATTER = "i64 %n, i64 %valid, ptr %room, ptr %order, ptr %to, i64 %stride"
STRIPS = f"{SCATTER}, i64 %column, ptr %plan"
"""Parameters: the length, how many lanes are in use, addresses, and floats from line to line (or
from strip to strip). `%column` is the number of the first lane among the columns of the whole."""
TURNS = (4, 5, 6, 7)
"""Where a plan has roots of unity for the second step: of neighbours, of steps from one to the next
and of whole runs of steps, and the bits of what is inside a run."""


def shuffled(f: Function, kind: Kind, x: Sequence[str], numbers: Sequence[int]) -> str:
    """A vector of numbers of two others."""
    v, listed = kind.vector, ", ".join(f"i32 {n}" for n in numbers)
    return f.op(f"shufflevector {v} {x[0]}, {v} {x[1]}, <{kind.lanes} x i32> <{listed}>")


def _apart(f: Function, kind: Kind, halves: Sequence[str]) -> Number:
    """The parts of as many neighbouring pairs as a vector has lanes."""
    both = 2 * kind.lanes
    re, im = (shuffled(f, kind, halves, range(part, both, 2)) for part in (0, 1))
    return re, im


def _together(f: Function, kind: Kind, x: Number) -> Masks:
    """Neighbouring pairs of parts: two vectors."""
    lanes = kind.lanes
    turns = [n for k in range(lanes) for n in (k, lanes + k)]
    return shuffled(f, kind, x, turns[:lanes]), shuffled(f, kind, x, turns[lanes:])


def _turned(f: Function, kind: Kind, rows: Sequence[str]) -> list[str]:
    """The transpose of as many vectors as they have lanes: blocks of 1, 2, 4, ... exchanged."""
    found, lanes = list(rows), kind.lanes
    size = 1
    while size < lanes:
        for i in range(lanes):
            if i & size:
                continue
            a, b = found[i], found[i + size]
            low = [k if not k & size else lanes + k - size for k in range(lanes)]
            high = [k + size if not k & size else lanes + k for k in range(lanes)]
            found[i] = shuffled(f, kind, (a, b), low)
            found[i + size] = shuffled(f, kind, (a, b), high)
        size *= 2
    return found


Masks = tuple[str, str]
"""Of the two vectors that as many pairs as there are lanes take."""


def _masks(f: Function, kind: Kind, valid: str) -> Masks:
    """The lanes of two vectors that hold so many pairs."""
    floats = f.op(f"mul i64 {valid}, 2")
    return lane_mask(f, kind, floats), lane_mask(f, kind, f.op(f"sub i64 {floats}, {kind.lanes}"))


def pairs_at(f: Function, kind: Kind, place: str, masks: Masks | None) -> Number:
    """The parts of pairs in memory."""
    c = Complex(f, kind)
    if masks is None:
        return _apart(f, kind, c.load(place))
    second = f.at(kind.scalar, place, kind.lanes)
    given = zip((place, second), masks, strict=True)
    return _apart(f, kind, [masked_load(f, kind, at, mask) for at, mask in given])


def put_pairs(f: Function, kind: Kind, x: Number, place: str, masks: Masks | None) -> None:
    """Stores parts as pairs."""
    halves = _together(f, kind, x)
    if masks is None:
        Complex(f, kind).store(halves, place)
        return
    places = (place, f.at(kind.scalar, place, kind.lanes))
    for half, at, mask in zip(halves, places, masks, strict=True):
        masked_store(f, kind, half, at, mask)


def _row(f: Function, kind: Kind, base: str, number: str) -> str:
    return f.at(kind.scalar, base, f.op(f"mul i64 {number}, {2 * kind.lanes}"))


def _left(f: Function, kind: Kind, number: str) -> str:
    """Where the passes have left an output."""
    place = f.op(f"load i64, ptr {f.at('i64', '%order', number)}")
    return _row(f, kind, "%room", place)


def columns_in(kind: Kind) -> str:
    """Rows of neighbouring numbers of several transforms, which are `%stride` floats apart."""
    f = Function(f"void @wg.fft.columns.in({GATHER})", "internal", ATTRIBUTES)
    full = f.op(f"icmp eq i64 %valid, {kind.lanes}")
    masks = _masks(f, kind, "%valid")
    for whole in (True, False):
        with f.when(full if whole else f.op(f"xor i1 {full}, true")), f.loop("%n") as i:
            place = f.at(kind.scalar, "%from", f.op(f"mul i64 {i}, %stride"))
            found = pairs_at(f, kind, place, None if whole else masks)
            Complex(f, kind).store(found, _row(f, kind, "%room", i))
    f.line("ret void")
    return f.text()


def columns_out(kind: Kind) -> str:
    """The other way round."""
    f = Function(f"void @wg.fft.columns.out({SCATTER})", "internal", ATTRIBUTES)
    full = f.op(f"icmp eq i64 %valid, {kind.lanes}")
    masks = _masks(f, kind, "%valid")
    for whole in (True, False):
        with f.when(full if whole else f.op(f"xor i1 {full}, true")), f.loop("%n") as i:
            place = f.at(kind.scalar, "%to", f.op(f"mul i64 {i}, %stride"))
            x = Complex(f, kind).load(_left(f, kind, i))
            put_pairs(f, kind, x, place, None if whole else masks)
    f.line("ret void")
    return f.text()


def _line_starts(f: Function, kind: Kind, base: str) -> list[str]:
    """Where the transform of each lane starts; lanes that are not in use repeat the last one."""
    last = f.op("sub i64 %valid, 1")
    lanes = [f.op(f"mul i64 {f.least(last, lane)}, %stride") for lane in range(kind.lanes)]
    return [f.at(kind.scalar, base, x) for x in lanes]


def _in_blocks(f: Function, kind: Kind, block: Callable[[str, Masks | None], None]) -> None:
    """`block` for every vector of the `%n` numbers of lines, with masks for what is left."""
    rest = f.op(f"and i64 %n, {kind.lanes - 1}")
    whole = f.op(f"sub i64 %n, {rest}")
    masks = _masks(f, kind, rest)
    with f.loop(whole, kind.lanes) as i:
        block(i, None)
    with f.when(f.op(f"icmp ne i64 {rest}, 0")):
        block(whole, masks)


def lines_in(kind: Kind) -> str:
    """Neighbouring numbers of one transform, the next of which is `%stride` floats away.

    The room is for whole vectors of numbers.
    """
    f = Function(f"void @wg.fft.lines.in({GATHER})", "internal", ATTRIBUTES)
    starts = _line_starts(f, kind, "%from")

    def block(i: str, masks: Masks | None) -> None:
        first = f.op(f"mul i64 {i}, 2")
        found = [pairs_at(f, kind, f.at(kind.scalar, x, first), masks) for x in starts]
        parts = [_turned(f, kind, x) for x in zip(*found, strict=True)]
        for r, (re, im) in enumerate(zip(*parts, strict=True)):
            Complex(f, kind).store((re, im), _row(f, kind, "%room", f.op(f"add i64 {i}, {r}")))

    _in_blocks(f, kind, block)
    f.line("ret void")
    return f.text()


def lines_out(kind: Kind) -> str:
    """The other way round."""
    f = Function(f"void @wg.fft.lines.out({SCATTER})", "internal", ATTRIBUTES)
    starts, lanes = _line_starts(f, kind, "%to"), kind.lanes
    last = f.op("sub i64 %n, 1")

    def block(i: str, masks: Masks | None) -> None:
        numbers = [f.least(f.op(f"add i64 {i}, {r}"), last) for r in range(lanes)]
        rows = [Complex(f, kind).load(_left(f, kind, k)) for k in numbers]
        parts = [_turned(f, kind, x) for x in zip(*rows, strict=True)]
        first = f.op(f"mul i64 {i}, 2")
        for start, re, im in zip(starts, *parts, strict=True):
            put_pairs(f, kind, (re, im), f.at(kind.scalar, start, first), masks)

    _in_blocks(f, kind, block)
    f.line("ret void")
    return f.text()


def strips_out(kind: Kind) -> str:
    """Into strips, output k of column j turned by w**(jk): the end of a first step.

    For neighbouring columns that is a vector for each k, times a number for each k and all of them.
    """
    f = Function(f"void @wg.fft.strips.out({STRIPS})", "internal", ATTRIBUTES)
    c, lanes = Complex(f, kind), kind.lanes
    near, fine, coarse, bits = (
        f.op(f"load {'i64' if k == TURNS[-1] else 'ptr'}, ptr {f.at('i64', '%plan', k)}")
        for k in TURNS
    )
    inside = f.op(f"sub i64 {f.op(f'shl i64 1, {bits}')}, 1")
    last = f.op("sub i64 %n, 1")
    strips = f.op(f"sdiv i64 {f.op(f'add i64 %n, {lanes - 1}')}, {lanes}")
    used = [f.op(f"icmp slt i64 {lane}, %valid") for lane in range(lanes)]

    def table(base: str, number: str) -> Number:
        return c.spread(f.at(kind.scalar, base, f.op(f"mul i64 {number}, 2")))

    with f.loop(strips) as strip:
        first = f.op(f"mul i64 {strip}, {lanes}")
        rows: list[Number] = []
        for r in range(lanes):
            k = f.least(f.op(f"add i64 {first}, {r}"), last)
            power = f.op(f"mul i64 {k}, %column")
            whole = table(coarse, f.op(f"lshr i64 {power}, {bits}"))
            part = table(fine, f.op(f"and i64 {power}, {inside}"))
            turn = c.times(c.times(whole, part), c.load(_row(f, kind, near, k)))
            rows.append(c.times(c.load(_left(f, kind, k)), turn))
        parts = [_turned(f, kind, x) for x in zip(*rows, strict=True)]
        start = f.at(kind.scalar, "%to", f.op(f"mul i64 {strip}, %stride"))
        for lane, (re, im) in enumerate(zip(*parts, strict=True)):
            with f.when(used[lane]):
                c.store((re, im), f.at(kind.scalar, start, 2 * lane * lanes))
    f.line("ret void")
    return f.text()
