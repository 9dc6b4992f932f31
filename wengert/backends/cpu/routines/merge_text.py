"""Merging two sorted runs in vectors, in LLVM text.

After Inoue and Taura ("SIMD- and cache-friendly algorithm for sorting an array of structures",
PVLDB 8(11), 2015, section 2), with Batcher's bitonic network (AFIPS 1968): a vector of the
smallest elements so far meets the next vector of that run whose next element is the smaller one;
the lower half of both, in order, is what comes next, the upper half meets the next vector.

- Floats are compared as integers: all bits but the sign are turned where the sign is set. Then -0
  is before 0, while NumPy takes them as equal: runs may have them in any order, and the result too.
- NaNs stand at the runs' ends (of either sign, so not where the integers are) and are left out.
- Vectors at the runs' ends are filled up with the largest integer, which stays behind.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.llvm.types import memory_type
from wengert.ir.types import DType


def name(dtype: DType) -> str:
    """The function's symbol; its parameters are the runs, one behind the other, and where the
    second one starts, and where it ends. The result takes their place."""
    return f"wg.merge.values.{dtype.char}"


PARAMETERS = "ptr, i64, i64"


def text(dtype: DType) -> str:
    """The module with the function of a dtype."""
    return _Merge(dtype).text()


class _Merge:
    """The text for one dtype. Runs of `lanes` numbers are a vector, compared as `word`s."""

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype
        self.lanes = min(16, 64 // dtype.itemsize)
        self.bits = 8 * dtype.itemsize
        self.word = f"i{self.bits}"
        self.vector = f"<{self.lanes} x {self.word}>"
        self.sign = "u" if dtype.kind == "u" else "s"
        self.most = (1 << self.bits) - 1 if dtype.kind == "u" else (1 << self.bits - 1) - 1
        self.least = 0 if dtype.kind == "u" else -(1 << self.bits - 1)
        head = f"void @{name(dtype)}(ptr %out, i64 %m, i64 %n)"
        self.f = Function(head, attributes='nounwind "prefer-vector-width"="512"')

    def text(self) -> str:
        f = self.f
        size = self.dtype.itemsize
        room = f.op(f"mul i64 {f.op(f'add i64 %n, {self.lanes}')}, {size}")
        nbytes = f.op(f"mul i64 %n, {size}")
        left = f.op(f"call ptr @malloc(i64 {room})")
        f.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {left}, ptr %out, i64 {nbytes}, i1 false)")
        right = f.at(self.word, left, "%m")
        rest = f.op("sub i64 %n, %m")
        ends = self._numbers(left, "%m"), self._numbers(right, rest)
        total = f.op(f"add i64 {ends[0]}, {ends[1]}")
        self._merge((left, right), ends, total)
        middle = f.op(f"sub i64 %m, {ends[0]}")
        self._copy(f.at(self.word, "%out", total), f.at(self.word, left, ends[0]), middle)
        last = f.at(self.word, "%out", f.op(f"add i64 {total}, {middle}"))
        self._copy(last, f.at(self.word, right, ends[1]), f.op(f"sub i64 {rest}, {ends[1]}"))
        f.line(f"call void @free(ptr {left})")
        f.line("ret void")
        return self._declarations() + f.text()

    def _declarations(self) -> str:
        v, suffix = self.vector, f"v{self.lanes}{self.word}"
        return f"""
declare ptr @malloc(i64)
declare void @free(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @llvm.smin.i64(i64, i64)
declare {v} @llvm.{self.sign}min.{suffix}({v}, {v})
declare {v} @llvm.{self.sign}max.{suffix}({v}, {v})
"""

    def _copy(self, target: str, source: str, count: str) -> None:
        nbytes = self.f.op(f"mul i64 {count}, {self.dtype.itemsize}")
        operands = f"ptr {target}, ptr {source}, i64 {nbytes}, i1 false"
        self.f.line(f"call void @llvm.memcpy.p0.p0.i64({operands})")

    def _numbers(self, run: str, length: str) -> str:
        """The length of a run without the NaNs at its end."""
        if self.dtype.kind != "f":
            return length
        f, kind = self.f, memory_type(self.dtype)
        before, test, look, less, done = (f.fresh(x) for x in ("b", "test", "look", "less", "done"))
        at, shorter = f.fresh("at"), f.fresh("at")
        f.go(before)
        f.label(before)
        f.go(test)
        f.label(test)
        f.line(f"{at} = phi i64 [ {length}, {before} ], [ {shorter}, {less} ]")
        some = f.op(f"icmp sgt i64 {at}, 0")
        f.line(f"br i1 {some}, label {look}, label {done}")
        f.label(look)
        f.line(f"{shorter} = sub i64 {at}, 1")
        last = f.op(f"load {kind}, ptr {f.at(kind, run, shorter)}")
        f.line(f"br i1 {f.op(f'fcmp uno {kind} {last}, {last}')}, label {less}, label {done}")
        f.label(less)
        f.go(test)
        f.label(done)
        return at

    def _merge(self, runs: tuple[str, str], ends: tuple[str, str], total: str) -> None:
        f, v = self.f, self.vector
        buffer = f.room(f"[{self.lanes} x {self.word}]")
        f.go("%start")
        f.label("%start")
        f.go("%loop")
        f.label("%loop")
        f.line("%i = phi i64 [ 0, %start ], [ %i1, %next ]")
        f.line("%j = phi i64 [ 0, %start ], [ %j1, %next ]")
        f.line(f"%k = phi i64 [ {-self.lanes}, %start ], [ %k1, %next ]")
        f.line(f"%carry = phi {v} [ {self._all(self.least)}, %start ], [ %upper, %next ]")
        left = f.op(f"icmp slt i64 %i, {ends[0]}")
        right = f.op(f"icmp slt i64 %j, {ends[1]}")
        f.line(f"br i1 {f.op(f'or i1 {left}, {right}')}, label %take, label %done")
        f.label("%take")
        places = f.at(self.word, runs[0], "%i"), f.at(self.word, runs[1], "%j")
        first, second = (self._ordered(f.op(f"load {self.word}, ptr {p}"), "") for p in places)
        earlier = f.op(f"icmp {self.sign}le {self.word} {first}, {second}")
        both = f.op(f"and i1 {left}, {earlier}")
        takes = f.op(f"select i1 {right}, i1 {both}, i1 true")
        left_over = f.op(f"sub i64 {ends[0]}, %i"), f.op(f"sub i64 {ends[1]}, %j")
        place = f.op(f"select i1 {takes}, ptr {places[0]}, ptr {places[1]}")
        count = f.op(f"select i1 {takes}, i64 {left_over[0]}, i64 {left_over[1]}")
        lower, upper = self._meet("%carry", self._block(place, count))
        f.line(f"%upper = bitcast {v} {upper} to {v}")
        f.line(f"%i1 = select i1 {takes}, i64 {f.op(f'add i64 %i, {self.lanes}')}, i64 %i")
        f.line(f"%j1 = select i1 {takes}, i64 %j, i64 {f.op(f'add i64 %j, {self.lanes}')}")
        f.line(f"%k1 = add i64 %k, {self.lanes}")
        with f.when(f.op("icmp sge i64 %k, 0")):
            self._store(lower, "%k", total, buffer)
        f.go("%next")
        f.label("%next")
        f.go("%loop")
        f.label("%done")
        with f.when(f.op("icmp sge i64 %k, 0")):
            self._store("%carry", "%k", total, buffer)

    def _block(self, place: str, count: str) -> str:
        """The vector at a place, of which `count` numbers are the run's."""
        f, lanes = self.f, self.lanes
        found = f.op(f"load {self.vector}, ptr {place}, align {self.dtype.itemsize}")
        limit = f.op(f"trunc i64 {f.least(count, lanes)} to i8")
        spread = self._spread(limit)
        numbers = ", ".join(f"i8 {lane}" for lane in range(lanes))
        inside = f.op(f"icmp slt <{lanes} x i8> <{numbers}>, {spread}")
        known = self._ordered(found, self.vector)
        most = self._all(self.most)
        return f.op(f"select <{lanes} x i1> {inside}, {self.vector} {known}, {self.vector} {most}")

    def _spread(self, value: str) -> str:
        v = f"<{self.lanes} x i8>"
        first = self.f.op(f"insertelement {v} poison, i8 {value}, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.f.op(f"shufflevector {v} {first}, {v} poison, {zeros}")

    def _all(self, number: int) -> str:
        """A constant vector."""
        return "<" + ", ".join([f"{self.word} {number}"] * self.lanes) + ">"

    def _ordered(self, bits: str, vector: str) -> str:
        """Bits of floats as integers in the same order, or back."""
        if self.dtype.kind != "f":
            return bits
        f, kind = self.f, vector or self.word
        shift = self._all(self.bits - 1) if vector else self.bits - 1
        most = self._all(self.most) if vector else self.most
        sign = f.op(f"ashr {kind} {bits}, {shift}")
        return f.op(f"xor {kind} {bits}, {f.op(f'and {kind} {sign}, {most}')}")

    def _meet(self, first: str, second: str) -> tuple[str, str]:
        """The lower and the upper half of two vectors in order, each in order."""
        turned = self._picked(second, second, range(self.lanes - 1, -1, -1))
        lower, upper = self._both(first, turned)
        return self._in_order(lower), self._in_order(upper)

    def _in_order(self, bitonic: str) -> str:
        distance = self.lanes // 2
        while distance:
            other = self._picked(bitonic, bitonic, [n ^ distance for n in range(self.lanes)])
            low, high = self._both(bitonic, other)
            order = [n + (self.lanes if n & distance else 0) for n in range(self.lanes)]
            bitonic = self._picked(low, high, order)
            distance //= 2
        return bitonic

    def _both(self, first: str, second: str) -> tuple[str, str]:
        """The smaller and the larger of each pair."""
        return self._extreme("min", first, second), self._extreme("max", first, second)

    def _extreme(self, which: str, first: str, second: str) -> str:
        v = self.vector
        intrinsic = f"@llvm.{self.sign}{which}.v{self.lanes}{self.word}"
        return self.f.op(f"call {v} {intrinsic}({v} {first}, {v} {second})")

    def _picked(self, first: str, second: str, order: Sequence[int]) -> str:
        v, lanes = self.vector, self.lanes
        numbers = ", ".join(f"i32 {n}" for n in order)
        return self.f.op(f"shufflevector {v} {first}, {v} {second}, <{lanes} x i32> <{numbers}>")

    def _store(self, keys: str, at: str, total: str, buffer: str) -> None:
        """Stores a vector at a position of the result, as far as that goes."""
        f, v = self.f, self.vector
        found = self._ordered(keys, v)
        target = f.at(self.word, "%out", at)
        left = f.op(f"sub i64 {total}, {at}")
        whole = f.op(f"icmp sge i64 {left}, {self.lanes}")
        with f.when(whole):
            f.line(f"store {v} {found}, ptr {target}, align {self.dtype.itemsize}")
        some = f.op(f"icmp sgt i64 {left}, 0")
        with f.when(f.op(f"and i1 {some}, {f.op(f'xor i1 {whole}, true')}")):
            f.line(f"store {v} {found}, ptr {buffer}, align 64")
            self._copy(target, buffer, left)
