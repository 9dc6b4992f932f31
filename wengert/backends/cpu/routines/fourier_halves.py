"""Between transforms of real numbers and those of half as many complex ones, in LLVM text.

`kernels/fourier.py` has the equations. Numbers k and h - k are read together, a vector of each;
roots of unity are products of three, as those between the two steps of long transforms are.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines.fourier_layouts import TURNS, pairs_at, put_pairs, shuffled
from wengert.backends.cpu.routines.fourier_passes import Complex, Number
from wengert.backends.cpu.routines.gemm_kernels import F32, F64, VECTORS, Kind

PARAMETERS = "ptr, i64, i64, i64, i1, ptr, ptr"
"""The plan, h, which output is the first one and how many there are, whether they are to be
transformed to real numbers, and where the numbers are and go."""


def name(kind: Kind) -> str:
    """The function's symbol: `wg.fft.halves.f32` or `wg.fft.halves.f64`."""
    return f"wg.fft.halves.{kind.suffix}"


KINDS = {name(kind): kind for kind in (F32, F64)}
"""By symbol."""


def text(kind: Kind) -> str:
    """The module. A last vector is moved to where it is full: it repeats what the one before did,
    so there must be more numbers than a vector has lanes."""
    head = (
        f"void @{name(kind)}(ptr %plan, i64 %h, i64 %first, i64 %count, i1 %back, ptr %from, "
        "ptr %to)"
    )
    f = Function(head, "", f"nounwind {VECTORS}")
    last = f.op("add i64 %first, %count")
    starts = f.op("icmp eq i64 %first, 0")
    low = f.op(f"add i64 %first, {f.op(f'zext i1 {starts} to i64')}")
    inner = f.op(f"sub i64 {f.least(last, '%h')}, {low}")
    latest = f.op(f"sub i64 %h, {kind.lanes}")
    ends = f.op(f"icmp sgt i64 {last}, %h")
    for back in (False, True):
        with f.when("%back" if back else f.op("xor i1 %back, true")):
            with f.when(starts):
                _zeroth(f, kind, back)
            if not back:
                with f.when(ends):
                    _middle(f, kind)
            with f.loop(inner, kind.lanes) as i:
                _vector(f, kind, f.least(f.op(f"add i64 {low}, {i}"), latest), back)
    f.line("ret void")
    return kind.declarations() + f.text()


def _vector(f: Function, kind: Kind, k: str, back: bool) -> None:
    """A vector of outputs from k on."""
    c = Complex(f, kind)
    ascending = pairs_at(f, kind, _pair(f, kind, "%from", k), None)
    lowest = f.op(f"sub i64 {f.op(f'sub i64 %h, {k}')}, {kind.lanes - 1}")
    halves = c.load(_pair(f, kind, "%from", lowest))
    both = 2 * kind.lanes
    re, im = (shuffled(f, kind, halves, range(both - 2 + part, -1, -2)) for part in (0, 1))
    descending = re, im
    p, q = (descending, ascending) if back else (ascending, descending)
    total = c.real("fadd", p[0], q[0]), c.real("fsub", p[1], q[1])
    difference = c.real("fsub", p[0], q[0]), c.real("fadd", p[1], q[1])
    found = c.minus_i(total, c.times(difference, _roots(f, kind, k)))
    if not back:
        found = c.scaled(found, c.constant(0.5))
    put_pairs(f, kind, found, _pair(f, kind, "%to", k), None)


def _roots(f: Function, kind: Kind, k: str) -> Number:
    """w**k and those of the next numbers."""
    c = Complex(f, kind)
    *tables, bits = (
        f.op(f"load {'i64' if at == TURNS[-1] else 'ptr'}, ptr {f.at('i64', '%plan', at)}")
        for at in TURNS
    )
    near, fine, coarse = tables
    inside = f.op(f"sub i64 {f.op(f'shl i64 1, {bits}')}, 1")
    whole = c.spread(_pair(f, kind, coarse, f.op(f"lshr i64 {k}, {bits}")))
    part = c.spread(_pair(f, kind, fine, f.op(f"and i64 {k}, {inside}")))
    row = f.at(kind.scalar, near, 2 * kind.lanes)  # that of 1, after that of 0
    return c.times(c.times(whole, part), c.load(row))


def _pair(f: Function, kind: Kind, base: str, number: str) -> str:
    """Where a number stands."""
    return f.at(kind.scalar, base, f.op(f"mul i64 {number}, 2"))


def _real_part(f: Function, kind: Kind, place: str) -> str:
    return f.op(f"load {kind.scalar}, ptr {place}")


def _zeroth(f: Function, kind: Kind, back: bool) -> None:
    """The first output: of half as many numbers, sum and difference of the real ends; of all of
    them, the sum of both parts."""
    other = _pair(f, kind, "%from", "%h") if back else f.at(kind.scalar, "%from", 1)
    x, y = _real_part(f, kind, "%from"), _real_part(f, kind, other)
    difference = f.op(f"fsub {kind.scalar} {x}, {y}") if back else "0.0"
    f.line(f"store {kind.scalar} {f.op(f'fadd {kind.scalar} {x}, {y}')}, ptr %to")
    f.line(f"store {kind.scalar} {difference}, ptr {f.at(kind.scalar, '%to', 1)}")


def _middle(f: Function, kind: Kind) -> None:
    """Output h of all numbers."""
    x, y = (_real_part(f, kind, f.at(kind.scalar, "%from", part)) for part in (0, 1))
    place = _pair(f, kind, "%to", "%h")
    f.line(f"store {kind.scalar} {f.op(f'fsub {kind.scalar} {x}, {y}')}, ptr {place}")
    f.line(f"store {kind.scalar} 0.0, ptr {f.at(kind.scalar, place, 1)}")
