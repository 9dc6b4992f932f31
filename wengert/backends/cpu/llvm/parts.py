"""Exponents, significands and small tables: what expansions of maths functions are made of.

With AVX-512 each is one instruction, for vectors of 512 bits; shorter ones are put into such. In
code that runs one number at a time, which LLVM may make vectors of, they are arithmetic, and tables
are in memory; so are those of vectors on other machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wengert.backends.cpu.llvm.types import constant, intrinsic_suffix, value_type
from wengert.ir.scalar import Expr
from wengert.ir.types import BOOL, DType

_VECTOR = 64  # bytes
_INT32 = np.dtype(np.int32)
_CURRENT = 4  # rounding as the machine is set
_FROM_1_NAN_IF_NEGATIVE = 8  # vgetmant: in [1, 2), and NaN for negative numbers


class Emitter(Protocol):
    """What is asked of the printer."""

    lanes: int

    @property
    def is_masked(self) -> bool:
        """Whether it prints vectors for a machine that has masks."""
        ...

    def op(self, text: str) -> str:
        """Append `%name = text` and return the name."""
        ...

    def intrinsic(self, name: str, result: str, parameters: str) -> None:
        """Declare a function of this module once."""
        ...

    def helper(self, name: str, text: str) -> None:
        """Define a function or constant of this module once."""
        ...


@dataclass(frozen=True, slots=True)
class _Whole:
    """Vectors of 512 bits of one dtype."""

    dtype: DType

    @property
    def lanes(self) -> int:
        return _VECTOR // self.dtype.itemsize

    @property
    def kind(self) -> str:
        return value_type(self.dtype, self.lanes)

    @property
    def suffix(self) -> str:
        return "ps.512" if self.dtype.itemsize == 4 else "pd.512"


def exponent(e: Emitter, x: Expr, args: list[str]) -> str:
    """floor(log2|x|)."""
    return _masked(e, x, "getexp", args) if e.is_masked else _helped(e, x, "exponent", args)


def significand(e: Emitter, x: Expr, args: list[str]) -> str:
    """x 2**-exponent(x)."""
    return _masked(e, x, "getmant", args) if e.is_masked else _helped(e, x, "significand", args)


def scale(e: Emitter, x: Expr, args: list[str]) -> str:
    """x 2**floor(y)."""
    return _masked(e, x, "scalef", args) if e.is_masked else _helped(e, x, "scale", args)


def _masked(e: Emitter, x: Expr, name: str, args: list[str]) -> str:
    """An intrinsic whose mask takes all lanes."""
    whole = _Whole(x.dtype)
    tail = [f"i32 {_FROM_1_NAN_IF_NEGATIVE}"] if name == "getmant" else []
    tail += [f"{whole.kind} poison", f"i{whole.lanes} -1", f"i32 {_CURRENT}"]
    full = f"@llvm.x86.avx512.mask.{name}.{whole.suffix}"
    kinds = ["i32 immarg" if o.startswith("i32") else o[: o.rindex(" ")] for o in tail]
    e.intrinsic(full, whole.kind, ", ".join([*[whole.kind] * len(args), *kinds]))
    found: list[str] = []
    for vectors in zip(*(_wholes(e, a, x.dtype) for a in args), strict=True):
        operands = ", ".join([*(f"{whole.kind} {v}" for v in vectors), *tail])
        found.append(e.op(f"call {whole.kind} {full}({operands})"))
    return _joined(e, found, x.dtype)


def lookup(e: Emitter, x: Expr, args: list[str]) -> str:
    """An element of a table, of which vectors of 512 bits hold two halves."""
    table: tuple[float, ...] = x.attr
    index = x.args[0].dtype
    if not e.is_masked:
        return _from_memory(e, x, table, index, args[0])
    whole, bits = _Whole(x.dtype), _Whole(index)
    kind = whole.kind
    halves = [table[k : k + whole.lanes] for k in range(0, len(table), whole.lanes)]
    first, *second = (f"{kind} {_literal(half, x.dtype)}" for half in halves)
    if second:
        name = f"@llvm.x86.avx512.vpermi2var.{whole.suffix}"
    else:
        name = f"@llvm.x86.avx512.permvar.{'sf' if x.dtype.itemsize == 4 else 'df'}.512"
    e.intrinsic(name, kind, ", ".join([kind, bits.kind, *[kind] * len(second)]))
    found: list[str] = []
    for places in _wholes(e, args[0], index):
        operands = ", ".join([first, f"{bits.kind} {places}", *second])
        found.append(e.op(f"call {kind} {name}({operands})"))
    return _joined(e, found, x.dtype)


def _from_memory(e: Emitter, x: Expr, table: tuple[float, ...], index: DType, places: str) -> str:
    """Elements of a table in memory, for each lane on its own."""
    kind, bits, size = value_type(x.dtype), value_type(index), len(table)
    text = _literal(table, x.dtype)[1:-1]
    name = f"@wg.table.{hashlib.sha1(text.encode()).hexdigest()[:16]}"
    e.helper(name, f"{name} = internal unnamed_addr constant [{size} x {kind}] [{text}]")
    last = constant(size - 1, index, e.lanes)
    inside = e.op(f"and {value_type(index, e.lanes)} {places}, {last}")

    def element(place: str) -> str:
        address = e.op(f"getelementptr inbounds {kind}, ptr {name}, {bits} {place}")
        return e.op(f"load {kind}, ptr {address}, align {x.dtype.itemsize}")

    if not e.lanes:
        return element(inside)
    found = "poison"
    for k in range(e.lanes):
        place = e.op(f"extractelement {value_type(index, e.lanes)} {inside}, i64 {k}")
        whole = value_type(x.dtype, e.lanes)
        found = e.op(f"insertelement {whole} {found}, {kind} {element(place)}, i64 {k}")
    return found


def _literal(numbers: tuple[float, ...], dtype: DType) -> str:
    kind = value_type(dtype)
    return f"<{', '.join(f'{kind} {constant(v, dtype)}' for v in numbers)}>"


def _wholes(e: Emitter, vector: str, dtype: DType) -> list[str]:
    """A vector as vectors of 512 bits: one that has lanes which nothing looks at, or several.

    There are several where other values of the loop are of smaller dtypes, whose vectors are full.
    """
    whole = _Whole(dtype).lanes
    if e.lanes == whole:
        return [vector]
    kind = value_type(dtype, e.lanes)
    return [
        _chosen(
            e, kind, vector, "poison", [k if k < e.lanes else None for k in range(at, at + whole)]
        )
        for at in range(0, e.lanes, whole)
    ]


def _joined(e: Emitter, vectors: list[str], dtype: DType) -> str:
    """The first lanes of vectors of 512 bits, one after the other."""
    count = _Whole(dtype).lanes
    if len(vectors) == 1 and e.lanes == count:
        return vectors[0]
    while len(vectors) > 1:
        kind, order = value_type(dtype, count), list(range(2 * count))
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [_chosen(e, kind, left, right, order) for left, right in pairs]
        count *= 2
    if count == e.lanes:
        return vectors[0]
    return _chosen(e, value_type(dtype, count), vectors[0], "poison", list(range(e.lanes)))


def _chosen(e: Emitter, kind: str, left: str, right: str, lanes: Sequence[int | None]) -> str:
    """A vector of lanes of two others, by their places in both."""
    order = value_type(_INT32, len(lanes))
    taken = ", ".join("i32 poison" if k is None else f"i32 {k}" for k in lanes)
    return e.op(f"shufflevector {kind} {left}, {kind} {right}, {order} <{taken}>")


def _helped(e: Emitter, x: Expr, name: str, args: list[str]) -> str:
    """The same by a function in arithmetic."""
    kind, suffix = value_type(x.dtype, e.lanes), intrinsic_suffix(x.dtype, e.lanes)
    single = x.dtype.itemsize == 4
    mantissa, bias = (23, 127) if single else (52, 1023)
    bits = np.dtype(np.uint32 if single else np.uint64)

    def number(value: float) -> str:
        return constant(value, x.dtype, e.lanes)

    def word(value: int) -> str:
        return constant(value, bits, e.lanes)

    words = {
        "kind": kind,
        "suffix": suffix,
        "bits": value_type(bits, e.lanes),
        "truth": value_type(BOOL, e.lanes),
        "unity": word(1),
        "mantissa": word(mantissa),
        "fraction": word((1 << mantissa) - 1),
        "one": word(bias << mantissa),
        "tiny": number(2.0 ** (1 - bias)),
        "up": number(2.0 ** (mantissa + 2)),
        "shift": number(mantissa + 2.0),
        "unit": word((mantissa + bias) << mantissa),  # the bits of 2**mantissa
        "base": number(2.0**mantissa + bias),
        "magic": number(1.5 * 2.0**mantissa + 2 * bias),
        "zero": number(0.0),
        "inf": number(float("inf")),
        "minus_inf": number(float("-inf")),
        "nan": number(float("nan")),
    }
    for used in ("fabs", "floor"):
        e.intrinsic(f"@llvm.{used}.{suffix}", kind, kind)
    full = f"@wg.{name}.{suffix}"
    e.helper(full, _TEXTS[name].format(**words))
    return e.op(f"call {kind} {full}({', '.join(f'{kind} {a}' for a in args)})")


# A subnormal number is scaled to a normal one first. The field of the exponent is put below the
# significand of 2**mantissa, which makes a float of it without a conversion.
_TEXTS = {
    "exponent": """define internal {kind} @wg.exponent.{suffix}({kind} %x) alwaysinline {{
  %size = call {kind} @llvm.fabs.{suffix}({kind} %x)
  %small = fcmp olt {kind} %size, {tiny}
  %larger = fmul {kind} %size, {up}
  %normal = select {truth} %small, {kind} %larger, {kind} %size
  %bits = bitcast {kind} %normal to {bits}
  %field = lshr {bits} %bits, {mantissa}
  %placed = or {bits} %field, {unit}
  %whole = bitcast {bits} %placed to {kind}
  %exponent = fsub {kind} %whole, {base}
  %lower = fsub {kind} %exponent, {shift}
  %number = select {truth} %small, {kind} %lower, {kind} %exponent
  %some = fcmp ogt {kind} %size, {zero}
  %found = select {truth} %some, {kind} %number, {kind} {minus_inf}
  %finite = fcmp olt {kind} %size, {inf}
  %result = select {truth} %finite, {kind} %found, {kind} %size
  ret {kind} %result
}}
""",
    "significand": """define internal {kind} @wg.significand.{suffix}({kind} %x) alwaysinline {{
  %small = fcmp olt {kind} %x, {tiny}
  %larger = fmul {kind} %x, {up}
  %normal = select {truth} %small, {kind} %larger, {kind} %x
  %bits = bitcast {kind} %normal to {bits}
  %fraction = and {bits} %bits, {fraction}
  %whole = or {bits} %fraction, {one}
  %found = bitcast {bits} %whole to {kind}
  %right = fcmp oge {kind} %x, {zero}
  %result = select {truth} %right, {kind} %found, {kind} {nan}
  ret {kind} %result
}}
""",
    # two factors of about 2**(n/2), since one cannot reach from subnormals to overflow
    "scale": """define internal {kind} @wg.scale.{suffix}({kind} %x, {kind} %y) alwaysinline {{
  %whole = call {kind} @llvm.floor.{suffix}({kind} %y)
  %moved = fadd {kind} %whole, {magic}
  %n = bitcast {kind} %moved to {bits}
  %half = lshr {bits} %n, {unity}
  %rest = sub {bits} %n, %half
  %first.bits = shl {bits} %half, {mantissa}
  %second.bits = shl {bits} %rest, {mantissa}
  %first = bitcast {bits} %first.bits to {kind}
  %second = bitcast {bits} %second.bits to {kind}
  %once = fmul {kind} %x, %first
  %result = fmul {kind} %once, %second
  ret {kind} %result
}}
""",
}
