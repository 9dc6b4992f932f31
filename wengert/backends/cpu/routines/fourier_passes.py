"""Passes of a Fourier transform over rows of vectors, in LLVM text.

A row has one number of as many transforms as a vector has lanes: a vector of real parts, then one
of imaginary parts. A pass takes `radix` rows at a time, which are m rows apart, puts in their place
the transform of these, and turns each by a root of unity (Gentleman and Sande, "Fast Fourier
transforms: for fun and profit", AFIPS 1966, decimation in frequency). What it leaves are blocks of
m rows, the transforms of which the following passes make; passes without roots are the last ones,
of neighbouring rows. Lanes know nothing of one another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines.gemm_kernels import VECTORS, Kind, plain_load, plain_store
from wengert.backends.cpu.routines.gemm_kernels import spread_over as spread
from wengert.kernels.fourier import LARGEST

RADICES = (2, 3, 4, 5, 7, 8, 11, 13)
"""Radices of passes that are written out; other ones are loops (`general`)."""
PASS = "ptr %from, ptr %to, i64 %blocks, i64 %m, ptr %roots"
"""Parameters of a pass: where rows are and where they go (the same, or apart), how many blocks,
the rows between those of a butterfly, and its roots: pairs, for each of m rows, for all outputs of
the butterfly but the first."""

Number = tuple[str, str]
"""The vectors of real and imaginary parts."""


def pass_name(radix: int, last: bool) -> str:
    """The function of a pass that is written out."""
    return f"@wg.fft.{'last' if last else 'pass'}.{radix}"


GENERAL = "@wg.fft.pass.any"


class Complex:
    """Instructions on vectors of complex numbers."""

    def __init__(self, f: Function, kind: Kind) -> None:
        self.f, self.kind = f, kind

    def real(self, op: str, x: str, y: str) -> str:
        """An operation on real vectors; products and sums may be fused."""
        return self.f.op(f"{op} contract {self.kind.vector} {x}, {y}")

    def plus(self, x: Number, y: Number) -> Number:
        return self.real("fadd", x[0], y[0]), self.real("fadd", x[1], y[1])

    def minus(self, x: Number, y: Number) -> Number:
        return self.real("fsub", x[0], y[0]), self.real("fsub", x[1], y[1])

    def minus_i(self, x: Number, y: Number) -> Number:
        """x - i y."""
        return self.real("fadd", x[0], y[1]), self.real("fsub", x[1], y[0])

    def plus_i(self, x: Number, y: Number) -> Number:
        """x + i y."""
        return self.real("fsub", x[0], y[1]), self.real("fadd", x[1], y[0])

    def scaled(self, x: Number, factor: str) -> Number:
        """By a real vector."""
        return self.real("fmul", x[0], factor), self.real("fmul", x[1], factor)

    def times(self, x: Number, y: Number) -> Number:
        re = self.real("fsub", self.real("fmul", x[0], y[0]), self.real("fmul", x[1], y[1]))
        return re, self.real("fadd", self.real("fmul", x[0], y[1]), self.real("fmul", x[1], y[0]))

    def constant(self, value: float) -> str:
        """A vector of a number."""
        rounded = float(np.float32(value)) if self.kind.itemsize == 4 else value
        bits = int(np.float64(rounded).view(np.uint64))
        return f"<{', '.join([f'{self.kind.scalar} 0x{bits:016X}'] * self.kind.lanes)}>"

    def load(self, place: str) -> Number:
        """A row."""
        second = self.f.at(self.kind.scalar, place, self.kind.lanes)
        return plain_load(self.f, self.kind, place), plain_load(self.f, self.kind, second)

    def store(self, x: Number, place: str) -> None:
        second = self.f.at(self.kind.scalar, place, self.kind.lanes)
        plain_store(self.f, self.kind, x[0], place)
        plain_store(self.f, self.kind, x[1], second)

    def spread(self, place: str) -> Number:
        """A pair of numbers in memory, each in all lanes."""
        scalar, lanes = self.kind.scalar, self.kind.lanes
        re = self.f.op(f"load {scalar}, ptr {place}")
        im = self.f.op(f"load {scalar}, ptr {self.f.at(scalar, place, 1)}")
        return spread(self.f, re, scalar, lanes), spread(self.f, im, scalar, lanes)


def written_out(kind: Kind, radix: int, last: bool, linkage: str) -> str:
    """The pass of a radix; with `last`, m is 1 and there are no roots."""
    head = f"void {pass_name(radix, last)}({PASS})"
    f = Function(head, linkage, f"nounwind noinline {VECTORS}")
    c, row = Complex(f, kind), 2 * kind.lanes
    m = "1" if last else "%m"
    far = f.op(f"mul i64 {m}, {row}")
    with f.loop("%blocks") as block:
        start = f.op(f"mul i64 {f.op(f'mul i64 {block}, {radix}')}, {far}")
        with f.loop(m) as j:
            first = f.op(f"add i64 {start}, {f.op(f'mul i64 {j}, {row}')}")
            places = [f.op(f"add i64 {first}, {f.op(f'mul i64 {far}, {k}')}") for k in range(radix)]
            found = butterfly(c, [c.load(f.at(kind.scalar, "%from", x)) for x in places])
            root = f.op(f"mul i64 {j}, {2 * (radix - 1)}")
            for k, (place, x) in enumerate(zip(places, found, strict=True)):
                if k and not last:
                    at = f.op(f"add i64 {root}, {2 * (k - 1)}")
                    x = c.times(x, c.spread(f.at(kind.scalar, "%roots", at)))
                c.store(x, f.at(kind.scalar, "%to", place))
    f.line("ret void")
    return f.text()


def butterfly(c: Complex, x: Sequence[Number]) -> list[Number]:
    """The transform of a few numbers."""
    match len(x):
        case 2:
            return [c.plus(*x), c.minus(*x)]
        case 4:
            return _four(c, x)
        case 8:
            return _eight(c, x)
        case _:
            return _odd(c, x)


def _four(c: Complex, x: Sequence[Number]) -> list[Number]:
    even, odd = c.plus(x[0], x[2]), c.plus(x[1], x[3])
    second, third = c.minus(x[0], x[2]), c.minus(x[1], x[3])
    return [
        c.plus(even, odd),
        c.minus_i(second, third),
        c.minus(even, odd),
        c.plus_i(second, third),
    ]


def _eight(c: Complex, x: Sequence[Number]) -> list[Number]:
    """Even outputs are a transform of sums, odd ones of differences, turned by w = exp(-i pi/4).

    w = (1 - i) r and w**3 = (-1 - i) r, where r is the root of a half.
    """
    even = _four(c, [c.plus(x[k], x[k + 4]) for k in range(4)])
    d = [c.minus(x[k], x[k + 4]) for k in range(4)]
    half = c.constant(math.sqrt(0.5))
    second = c.scaled(c.minus_i(d[1], d[1]), half)
    fourth = c.scaled(c.plus_i(d[3], d[3]), half)  # -w**3 d[3]
    # of d[0], w d[1], -i d[2] and w**3 d[3]
    first, third = c.minus_i(d[0], d[2]), c.plus_i(d[0], d[2])
    left, right = c.minus(second, fourth), c.plus(second, fourth)
    odd = [
        c.plus(first, left),
        c.minus_i(third, right),
        c.minus(first, left),
        c.plus_i(third, right),
    ]
    return [y for pair in zip(even, odd, strict=True) for y in pair]


def _odd(c: Complex, x: Sequence[Number]) -> list[Number]:
    """For an odd number p of inputs, from sums and differences of those k and p - k.

    y[m] and y[p - m] are x[0] + sum over k < p/2 of cos(2 pi mk/p) (x[k] + x[p - k]), minus and
    plus i times the sum of sin(2 pi mk/p) (x[k] - x[p - k]).
    """
    p = len(x)
    few = range(1, p // 2 + 1)
    sums = [c.plus(x[k], x[p - k]) for k in few]
    differences = [c.minus(x[k], x[p - k]) for k in few]
    total = x[0]
    for each in sums:
        total = c.plus(total, each)
    found = [total] + [total] * (p - 1)
    for m in few:
        turns = [2 * math.pi * (m * k % p) / p for k in few]
        even = x[0]
        for turn, each in zip(turns, sums, strict=True):
            even = c.plus(even, c.scaled(each, c.constant(math.cos(turn))))
        odd = c.scaled(differences[0], c.constant(math.sin(turns[0])))
        for turn, each in zip(turns[1:], differences[1:], strict=True):
            odd = c.plus(odd, c.scaled(each, c.constant(math.sin(turn))))
        found[m], found[p - m] = c.minus_i(even, odd), c.plus_i(even, odd)
    return found


def general(kind: Kind) -> str:
    """The pass of any odd radix, by loops; its roots come after the p cosines and sines of it."""
    head = f"void {GENERAL}({PASS}, i64 %p)"
    f = Function(head, "internal", f"nounwind noinline {VECTORS}")
    c, row = Complex(f, kind), 2 * kind.lanes
    sums = f.room(f"[{LARGEST * row} x {kind.scalar}]")  # of k below half the radix; first x[0]
    differences = f.room(f"[{LARGEST * row} x {kind.scalar}]")
    far = f.op(f"mul i64 %m, {row}")
    few = f.op("lshr i64 %p, 1")
    others = f.op("sub i64 %p, 1")
    turned = f.at(kind.scalar, "%roots", f.op("mul i64 %p, 2"))
    with f.loop("%blocks") as block, f.loop("%m") as j:
        start = f.op(f"mul i64 {f.op(f'mul i64 {block}, %p')}, {far}")
        first = f.op(f"add i64 {start}, {f.op(f'mul i64 {j}, {row}')}")
        own = f.op(f"mul i64 {f.op(f'mul i64 {j}, {others}')}, 2")
        roots = f.at(kind.scalar, turned, own)

        def place(k: str, base: str, first: str = first) -> str:
            return f.at(kind.scalar, base, f.op(f"add i64 {first}, {f.op(f'mul i64 {far}, {k}')}"))

        def inside(k: str, base: str) -> str:
            return f.at(kind.scalar, base, f.op(f"mul i64 {k}, {row}"))

        zeroth = c.load(place("0", "%from"))
        with f.loop(few) as k0:
            k = f.op(f"add i64 {k0}, 1")
            x, y = c.load(place(k, "%from")), c.load(place(f.op(f"sub i64 %p, {k}"), "%from"))
            c.store(c.plus(x, y), inside(k0, sums))
            c.store(c.minus(x, y), inside(k0, differences))
        total = _summed(f, c, few, zeroth, lambda k0: c.load(inside(k0, sums)))
        c.store(total, place("0", "%to"))
        with f.loop(few) as m0:
            m = f.op(f"add i64 {m0}, 1")

            def term(k0: str, base: str, part: int, m: str = m) -> Number:
                power = f.op(f"mul i64 {m}, {f.op(f'add i64 {k0}, 1')}")
                turn = f.op(f"urem i64 {power}, %p")
                factor = c.spread(f.at(kind.scalar, "%roots", f.op(f"mul i64 {turn}, 2")))[part]
                return c.scaled(c.load(inside(k0, base)), factor)

            even = _summed(f, c, few, zeroth, lambda k0: term(k0, sums, 0))
            none = ("zeroinitializer", "zeroinitializer")
            odd = _summed(f, c, few, none, lambda k0: term(k0, differences, 1))
            mirrored = f.op(f"sub i64 %p, {m}")
            for k, x in ((m, c.minus_i(even, odd)), (mirrored, c.plus_i(even, odd))):
                at = f.op(f"mul i64 {f.op(f'sub i64 {k}, 1')}, 2")
                root = c.spread(f.at(kind.scalar, roots, at))
                c.store(c.times(x, root), place(k, "%to"))
    f.line("ret void")
    return f.text()


def _summed(
    f: Function, c: Complex, count: str, start: Number, term: Callable[[str], Number]
) -> Number:
    """What is added up in registers, of `count` terms."""
    before, head, body, after = (f.fresh(x) for x in ("before", "head", "body", "after"))
    index, following = f.fresh("k"), f.fresh("k")
    sums, new = [f.fresh("sum"), f.fresh("sum")], [f.fresh("new"), f.fresh("new")]
    f.go(before)
    f.label(before)
    f.go(head)
    f.label(head)
    f.line(f"{index} = phi i64 [ 0, {before} ], [ {following}, {body} ]")
    for old, first, later in zip(sums, start, new, strict=True):
        f.line(f"{old} = phi {c.kind.vector} [ {first}, {before} ], [ {later}, {body} ]")
    f.line(f"br i1 {f.op(f'icmp slt i64 {index}, {count}')}, label {body}, label {after}")
    f.label(body)
    for old, x, later in zip(sums, term(index), new, strict=True):
        f.line(f"{later} = fadd contract {c.kind.vector} {old}, {x}")
    f.line(f"{following} = add i64 {index}, 1")
    f.go(head)
    f.label(after)
    return sums[0], sums[1]
