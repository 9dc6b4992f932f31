"""The sum of one array of each process of a machine, through memory that they share, in LLVM text.

An array goes in blocks, each in three steps that overlap with those of the next blocks: a process
puts the others' parts of its block into its slot of the shared memory, adds up its own part of all
there (in the order of ranks, so all get the same bits, in every run), and takes the other parts
from where their owners have added them up. This is a reduce-scatter and an all-gather (R. Thakur,
R. Rabenseifner, W. Gropp, "Optimization of collective communication operations in MPICH", IJHPCA
19, 2005), whose messages are reads of another process's slot.

Each process counts, in cells that the others read, the blocks it has staged, summed and taken. The
counts go on from call to call. `shared_wait_text.py` has the waiting.
"""

from __future__ import annotations

import numpy as np

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines import shared_wait_text
from wengert.ir.types import FLOAT32, FLOAT64, DType

PREFIX = "wg.shared.sum."
KINDS = {FLOAT32: "float", FLOAT64: "double"}
SLOTS = 8
"""Blocks of a process that can be on their way: what it has begun and not waited for yet, as far as
there is room. All of them (a megabyte) stay in a core's cache: with 64, which do not, the sum of a
network's gradients of 4.8 MB took 2.7 ms in a step instead of 2.3 (Emerald Rapids)."""
STAGED, SUMMED, TAKEN, GONE = 0, 8, 16, 24
"""Where a process's counts are, in numbers of 8 bytes: each has a cache line to itself. The last
one is not 0 if the process has ended."""
CELLS = 32
ROUND = 16
"""Parts begin at multiples of so many elements: the lines of two processes do not mix."""

_NEEDS = """
declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


def name(dtype: DType) -> str:
    """The function's symbol."""
    return PREFIX + dtype.name


def text(dtype: DType) -> str:
    """The module with the function of a dtype.

    i64 (slots, cells, data, n, rank, size, block, before, staged, hurry, deadline, staging): adds
    the n elements at `data` up in place and gives how many blocks they are, or -1 if others did not
    come until `deadline` (seconds since 1970), or ended before. If `staging` is not 0 it only puts
    down as many blocks as there is room for now, and gives their number, which is `staged` in the
    call that follows. `slots` and `cells` are arrays of `size` addresses, of `SLOTS` blocks of
    `block` elements and of `CELLS` counts for each process; `before` is how many blocks went
    through before this array; `hurry` is how often to look for others before sleeping.
    """
    return "\n".join([_NEEDS, shared_wait_text.text(), _Sum(dtype).text()])


_NUMBERS = ("n", "rank", "size", "block", "before", "staged", "hurry", "deadline", "staging")


class _Sum:
    """The text of the function itself."""

    def __init__(self, dtype: DType) -> None:
        self.kind, self.itemsize = KINDS[dtype], np.dtype(dtype).itemsize
        listed = ", ".join(f"i64 %{each}" for each in _NUMBERS)
        self.f = Function(f"i64 @{name(dtype)}(ptr %slots, ptr %cells, ptr %data, {listed})")

    def text(self) -> str:
        f = self.f
        f.line("%own = getelementptr ptr, ptr %cells, i64 %rank")
        f.line("%mine = load ptr, ptr %own")
        f.line("%up = add nsw i64 %n, %block")
        f.line("%up1 = sub nsw i64 %up, 1")
        f.line("%blocks = sdiv i64 %up1, %block")
        with f.unless(f.op("icmp eq i64 %staging, 0")):
            self._stage_what_fits()
        f.line("%steps = add nsw i64 %blocks, 2")
        with f.loop("%steps") as step:
            following = f.op(f"icmp sge i64 {step}, %staged")
            inside = f.op(f"icmp slt i64 {step}, %blocks")
            with f.when(f.op(f"and i1 {following}, {inside}")):
                self._wait(TAKEN, step, 1 - SLOTS)
                self._stage(step)
            summed = f.op(f"sub nsw i64 {step}, 1")
            with f.when(f.op(f"icmp ult i64 {summed}, %blocks")):
                self._sum(summed)
            with f.when(f.op(f"icmp sge i64 {step}, 2")):
                self._take(f.op(f"sub nsw i64 {step}, 2"))
        f.line("ret i64 %blocks")
        return f.text()

    def _stage_what_fits(self) -> None:
        f = self.f
        with f.loop("%blocks") as k:
            self._wait(TAKEN, k, 1 - SLOTS, patient=False, otherwise=k)
            self._stage(k)
        f.line("ret i64 %blocks")

    def _stage(self, k: str) -> None:
        """What others add up: the parts before the own one and behind it."""
        f = self.f
        data, length = self._block(k)
        slot = self._slot("%rank", k)
        low, count = self._part("%rank", length)
        high = f.op(f"add nsw i64 {low}, {count}")
        self._copy(slot, data, low)
        self._copy(
            self._at(slot, high), self._at(data, high), f.op(f"sub nsw i64 {length}, {high}")
        )
        self._count(STAGED, k)

    def _sum(self, k: str) -> None:
        """The own part of a block: in the own slot and, with the last rank's, in `data`, too."""
        f = self.f
        self._wait(STAGED, k, 1)
        data, length = self._block(k)
        low, count = self._part("%rank", length)
        own, total = self._at(data, low), self._at(self._slot("%rank", k), low)

        def given(rank: str) -> str:
            there = self._at(self._slot(rank, k), low)
            here = f.op(f"icmp eq i64 {rank}, %rank")
            return f.op(f"select i1 {here}, ptr {own}, ptr {there}")

        first, others = given("0"), f.op("sub nsw i64 %size, 2")
        with f.loop(others) as other:
            second = f.op(f"icmp eq i64 {other}, 0")
            left = f.op(f"select i1 {second}, ptr {first}, ptr {total}")
            self._add(left, given(f.op(f"add nsw i64 {other}, 1")), count, [total])
        pair = f.op(f"icmp eq i64 {others}, 0")
        left = f.op(f"select i1 {pair}, ptr {first}, ptr {total}")
        self._add(left, given(f.op("sub nsw i64 %size, 1")), count, [total, own])
        self._count(SUMMED, k)

    def _take(self, k: str) -> None:
        f = self.f
        self._wait(SUMMED, k, 1)
        data, length = self._block(k)
        with f.loop("%size") as rank, f.when(f.op(f"icmp ne i64 {rank}, %rank")):
            low, count = self._part(rank, length)
            self._copy(self._at(data, low), self._at(self._slot(rank, k), low), count)
        self._count(TAKEN, k)

    def _wait(
        self, offset: int, k: str, ahead: int, patient: bool = True, otherwise: str = "-1"
    ) -> None:
        """Until all have counted to block k, and `ahead` more; the function else ends.

        Unless `patient`, it ends if they have not yet.
        """
        f = self.f
        target = f.op(f"add nsw i64 {f.op(f'add nsw i64 {k}, {ahead}')}, %before")
        waiting = "i64 %hurry, i64 %deadline" if patient else "i64 0, i64 0"
        with f.loop("%size") as rank:
            cells = f.op(f"load ptr, ptr {f.at('ptr', '%cells', rank)}")
            cell, gone = f.at("i64", cells, offset), f.at("i64", cells, GONE)
            given = f"ptr {cell}, i64 {target}, {waiting}, ptr {gone}"
            with f.unless(f.op(f"call i1 @{shared_wait_text.WAIT}({given})")):
                f.line(f"ret i64 {otherwise}")

    def _count(self, offset: int, k: str) -> None:
        f = self.f
        done = f.op(f"add nsw i64 {f.op(f'add nsw i64 {k}, 1')}, %before")
        cell = f.at("i64", "%mine", offset)
        f.line(f"call void @{shared_wait_text.NOTE}(ptr {cell}, i64 {done})")

    def _block(self, k: str) -> tuple[str, str]:
        """Where block k of the data is, and its length."""
        f = self.f
        first = f.op(f"mul nsw i64 {k}, %block")
        return self._at("%data", first), f.least(f.op(f"sub nsw i64 %n, {first}"), "%block")

    def _part(self, rank: str, length: str) -> tuple[str, str]:
        """Where the part of a process begins in a block, and its length."""
        f = self.f
        more = f.op(f"add nsw i64 {length}, {f.op(f'mul nsw i64 %size, {ROUND}')}")
        width = f.op(f"sdiv i64 {f.op(f'sub nsw i64 {more}, 1')}, %size")
        width = f.op(f"and i64 {width}, {-ROUND}")
        low = f.least(f.op(f"mul nsw i64 {rank}, {width}"), length)
        high = f.least(f.op(f"add nsw i64 {low}, {width}"), length)
        return low, f.op(f"sub nsw i64 {high}, {low}")

    def _slot(self, rank: str, k: str) -> str:
        """Where block k of a process is in the shared memory."""
        f = self.f
        turn = f.op(f"urem i64 {f.op(f'add nsw i64 {k}, %before')}, {SLOTS}")
        base = f.op(f"load ptr, ptr {f.at('ptr', '%slots', rank)}")
        return self._at(base, f.op(f"mul nsw i64 {turn}, %block"))

    def _at(self, pointer: str, offset: str) -> str:
        return self.f.at(self.kind, pointer, offset)

    def _copy(self, target: str, source: str, count: str) -> None:
        size = self.f.op(f"mul nsw i64 {count}, {self.itemsize}")
        self.f.line(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)"
        )

    def _add(self, left: str, right: str, count: str, sums: list[str]) -> None:
        """Puts the sum of two arrays, one of which it may replace, into all of `sums`."""
        f = self.f
        whole = f.op(f"and i64 {count}, {-ROUND}")
        with f.loop(whole, ROUND) as i:
            self._add_at(f"<{ROUND} x {self.kind}>", (left, right), i, sums)
        with f.loop(f.op(f"sub nsw i64 {count}, {whole}")) as i:
            self._add_at(self.kind, (left, right), f.op(f"add nsw i64 {whole}, {i}"), sums)

    def _add_at(self, kind: str, pair: tuple[str, str], i: str, sums: list[str]) -> None:
        f, align = self.f, f"align {self.itemsize}"
        left, right = (f.op(f"load {kind}, ptr {self._at(x, i)}, {align}") for x in pair)
        added = f.op(f"fadd {kind} {left}, {right}")
        for target in sums:
            f.line(f"store {kind} {added}, ptr {self._at(target, i)}, {align}")
