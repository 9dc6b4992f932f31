"""Which innermost loops are written as vectors, and how.

LLVM's vectoriser finds the vectors of a loop by itself, but the passes around it take as long as
all the rest of a compilation: they look for what the printer knows. A loop over neighbouring
elements, whose turns meet in nothing but sums, needs no search: each operation becomes the same one
of vectors. All other loops are written one number at a time and left to LLVM. On machines without
masks, elements left over are done by shorter vectors or one by one, and what is no instruction of
theirs is left to LLVM as well; so are all loops where no vector has even 256 bits.

A loop qualifies if
- its body is straight: stores, registers of its own, and sums (or products, extremes) into others,
  which it does not read;
- what it reads and writes in arrays moves by steps for which `llvm/access.py` has accesses, or it
  stands still and is only read;
- an array that it writes is read and written in one place alone, that of the same turn, unless it
  is proved that turns do not meet (Kind.FREE);
- the operations have a vector instruction: no library calls, no remainders, no halves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeGuard

from wengert.backends.cpu.llvm import bits as llvm_bits
from wengert.backends.cpu.llvm.access import (
    is_gathered,
    is_pair,
    is_read,
    is_written,
    step_of,
)
from wengert.backends.cpu.llvm.expr import Body, Place
from wengert.backends.cpu.llvm.hints import LONG_BODY, LONG_LOOP
from wengert.backends.cpu.llvm.ops import RULES
from wengert.backends.cpu.llvm.target import Target
from wengert.backends.cpu.versions import constant_length
from wengert.ir.floats import is_half, kind_of
from wengert.ir.scalar import MATHS, Expr, Index, ScalarOp, affine
from wengert.ir.types import BOOL, FLOAT32, DType
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Declare,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
)

# Sums of few operations are made in so many vectors side by side, since each addition waits for the
# one before; long bodies are run for two vectors at a time (see `hints.py`).
SIDE_BY_SIDE, FEW_OPERATIONS = 4, 24
FEW_EACH = 8  # operations in each of two vectors side by side, with half the registers
# There, bodies of more operations are chains that a machine's window is too small to overlap.
LONG_CHAIN = 30
# Turns left over are done by shorter vectors if these have so many operations together. What a
# masked vector stores cannot be read soon after, before it has arrived in memory.
FEW_MORE = 60
# Small local arrays are taken apart into registers where loops over them are written out, and stay
# vectors in registers where they are whole ones.
SMALL = 16
LEAST = 2  # vectors, for a loop whose length is known only at run time
# Processors fetch ahead of loops by themselves, but on this side of the next page (of 4096 bytes)
# alone, and not well for many arrays at once. Where a loop reads so many arrays of so many bytes,
# too large together for a core's own cache, the program asks for what comes: Adam's update of 100
# arrays of 400 KB, which reads four at once, then takes 3.6 ms instead of 4.8.
MANY_STREAMS, LARGE, TOO_LARGE = 3, 1 << 18, 1 << 20

# Loops of at least so many turns of at most so many operations are as fast if LLVM makes their code
# instruction by instruction: what it does better otherwise is around them, and in long bodies.
QUICK_TURNS, QUICK_SIZE = 8, 20

_WIDE = frozenset(RULES) - {ScalarOp.IDIV, ScalarOp.IREM}


@dataclass(frozen=True, slots=True)
class Widened:
    """How a loop is written: vectors of so many `lanes`, so many `copies` of the body a turn.

    `length` is the number of turns of the loop as it was, if it is known. `combines` has the
    registers that all turns change, `own` those that belong to one turn. `size` is the number of
    operations of a turn. `unmasked` says that of a loop of unknown length, too, what whole vectors
    leave over is done by shorter ones. `streams` are arrays to fetch ahead. `filled` is the place
    of one of the stores into packed arrays, if there are any: they all begin at the same bit of a
    byte.
    """

    lanes: int
    copies: int
    length: int | None
    combines: dict[Register, str]
    own: frozenset[Register]
    size: int
    unmasked: bool = False
    streams: frozenset[Buffer] = frozenset()
    filled: Expr | None = None

    @property
    def is_quick(self) -> bool:
        """Whether nearly all the time goes into few operations, over and over."""
        turns = (self.length or 0) // (self.lanes * self.copies)
        return turns >= QUICK_TURNS and self.size <= QUICK_SIZE

    @property
    def in_pieces(self) -> bool:
        """Whether turns left over by whole vectors are done by shorter ones, and not by masking."""
        number = (self.length or 0) % self.lanes
        return self.size * number.bit_count() <= FEW_MORE


def widened(body: Body, loop: Loop, changed: frozenset[Place]) -> Widened | None:
    """How to write a loop that changes those places with vectors, or None if it is left to LLVM."""
    target = body.module.target
    if loop.kind not in (Kind.SERIAL, Kind.FREE) or not target.vector:
        return None
    registers = _registers(loop.body)
    if registers is None:
        return None
    own, combines = registers
    walk = _Walk(body, loop, changed, own)
    walk.paired = {
        id(st)
        for first, second in pairwise(loop.body)
        if is_pair(loop.index, first, second) and not _feeds(body, first, second)
        for st in (first, second)
    }
    if not all(map(walk.statement, loop.body)):
        return None
    length = walk.length
    filled = next((st.offset for st in loop.body if _fills_bits(st)), None)
    lanes = _lanes(target, walk, filled is not None)
    if lanes is None or (length is None and loop.index.extent < LEAST * lanes):
        return None
    if length is not None and length <= SMALL and length % lanes and walk.is_local:
        return None
    if target.masks:
        copies = _copies(walk.size, combines, loop)
    else:
        copies = _few(walk, lanes, combines, loop)
    while copies > 1 and length is not None and _too_many(copies * lanes, length, walk.size):
        copies //= 2
    if filled is not None and lanes < llvm_bits.BYTE:  # would begin in one byte, end in the next
        return None
    written = length is None and _just_written(body, {*walk.loaded, *walk.stored})
    pieces = (lanes * copies).bit_length() - 1  # as many as there are powers of 2 below
    few = length is None and walk.size * pieces <= FEW_MORE
    unmasked = few and (written or not target.masks)
    if target.masks and written and not unmasked and not walk.is_free:
        return None
    ahead = walk.streams()
    return Widened(lanes, copies, length, combines, own, walk.size, unmasked, ahead, filled)


def _fills_bits(stmt: Stmt) -> TypeGuard[Store]:
    return isinstance(stmt, Store) and stmt.buffer.packed


def _registers(
    body: tuple[Stmt, ...],
) -> tuple[frozenset[Register], dict[Register, str]] | None:
    """The registers of a turn, and the others that it changes with how; None for other bodies."""
    own: set[Register] = set()
    combines: dict[Register, str] = {}
    for stmt in body:
        match stmt:
            case Store():
                pass
            case Declare():
                own.add(stmt.register)
            case Assign():
                if stmt.register not in own:
                    return None
            case Accumulate():
                known = combines.setdefault(stmt.register, stmt.combine)
                if stmt.register in own:
                    del combines[stmt.register]
                elif known != stmt.combine:
                    return None
            case _:
                return None
    return frozenset(own), combines


def _lanes(target: Target, walk: _Walk, fills_bits: bool) -> int | None:
    """How many numbers a vector has: a power of 2, not more than turns."""
    widest, length = walk.widest, walk.length
    if widest < (1 if walk.is_of_truths else 4) or (length is not None and length < 2):
        return None
    lanes = target.vector // widest
    if length is not None and length < lanes:
        lanes = 1 << (length.bit_length() - 1)
    if fills_bits and not target.masks and (length is None or length >= llvm_bits.BYTE):
        lanes = max(lanes, llvm_bits.BYTE)  # vectors of the machine that fill a byte together
    if walk.has_bits and not walk.is_of_bytes:
        lanes = min(lanes, llvm_bits.MOST_LANES)
    return lanes


def _copies(size: int, combines: dict[Register, str], loop: Loop) -> int:
    if size <= FEW_OPERATIONS and any(kind_of(r.dtype) == "f" for r in combines):
        return SIDE_BY_SIDE
    return 2 if size > LONG_BODY and loop.index.extent > LONG_LOOP else 1


def _few(walk: _Walk, lanes: int, combines: dict[Register, str], loop: Loop) -> int:
    """The copies for machines with 16 vector registers, which few operations are enough to fill.

    Two vectors need no loop: so long are rows made for the vectors of other machines. Two of a long
    body read each of its constants from memory once instead of twice, and one's sums are made while
    the other's wait.
    """
    if walk.length is not None and walk.length // lanes == 2:
        return 2
    sums = sum(kind_of(r.dtype) == "f" for r in combines)
    if sums:
        return max(1, SIDE_BY_SIDE // max(sums, 1 + walk.size // FEW_EACH))
    return 2 if walk.size > LONG_CHAIN and loop.index.extent > LONG_LOOP else 1


def _feeds(body: Body, first: Stmt, second: Stmt) -> bool:
    """Whether a store may be read by the value of the next one."""
    assert isinstance(first, Store) and isinstance(second, Store)
    return body.place(first.buffer) in body.reads(second.value)


def _just_written(body: Body, places: Iterable[Place]) -> bool:
    """Whether the loops around write to an array that the loop reads or writes.

    An element that has just been written on its own is still on its way to memory, and a vector
    that has it as one of its lanes waits until it is there; so does a read of what was masked. What
    was written last is among the turns left over, for most lengths: these are then not masked.
    """
    return any(place in scope.mutated for scope in body.scopes for place in places)


def _too_many(turns: int, length: int, size: int) -> bool:
    """Whether vectors for so many turns side by side leave over too much, or are never full."""
    return length < turns or (size > LONG_BODY and length % turns != 0)


class _Walk:
    """Looks at all that a loop computes anew in each turn."""

    def __init__(
        self, body: Body, loop: Loop, changed: frozenset[Place], own: frozenset[Register]
    ) -> None:
        self.body, self.index, self.changed, self.own = body, loop.index, changed, own
        self.start = loop.start
        self.is_free = loop.kind is Kind.FREE
        self.masks = body.module.target.masks
        self.length = constant_length(body.module.builder, loop)
        self.stored: dict[Place, list[tuple[Buffer, Expr]]] = {}
        self.loaded: dict[Place, list[tuple[Buffer, Expr]]] = {}
        self.seen: set[Expr] = set()
        self.paired: set[int] = set()  # stores of pairs, by identity
        self.widest = 0
        self.size = 0
        self.is_of_truths = True  # whether it knows nothing else
        self.has_bits = False
        self.is_of_bytes = True  # whether vectors of bits begin with whole bytes
        self.is_local = False  # whether it uses an array that could be in registers

    def statement(self, stmt: Stmt) -> bool:
        """Whether it can be one of vectors."""
        if isinstance(stmt, Store):
            at = (stmt.buffer, stmt.offset)
            place = self.body.place(stmt.buffer)
            self.stored.setdefault(place, []).append(at)
            accesses = (*self.stored[place], *self.loaded.get(place, ()))
            alone = all(self._apart(at, other) for other in accesses)
            step = self._step(*at)
            along = is_written(step) or id(stmt) in self.paired
            written = along and self._holds(stmt.buffer.dtype) and self._is_in_bits(at, step)
            return self._is_steady(at[1]) and alone and written and self._values(stmt.value)
        if isinstance(stmt, Declare):
            return self._holds(stmt.register.dtype) and self._values(stmt.init)
        if isinstance(stmt, Assign | Accumulate):
            return self._holds(stmt.register.dtype) and self._values(stmt.value)
        return False

    def _apart(self, x: tuple[Buffer, Expr], y: tuple[Buffer, Expr]) -> bool:
        """Whether two accesses of an array that is written meet in no turns but the same one."""
        pointers = self.body.pointers
        alike = x[0].dtype == y[0].dtype and pointers[x[0]] == pointers[y[0]]
        if self.is_free or (alike and x[1] is y[1]):
            return True
        first, second = affine(x[1]), affine(y[1])
        if not alike or first is None or second is None or first.terms != second.terms:
            return False
        step, between = first.terms.get(self.index, 0), abs(first.const - second.const)
        if step == 0:
            return False
        turns = between // abs(step)  # after which one access would come to where the other was
        return between % step != 0 or (self.length is not None and turns >= self.length)

    def _step(self, buffer: Buffer, offset: Expr) -> int | None:
        """By how many elements an access moves in a turn, if that is known."""
        self.is_local |= buffer.space is Space.LOCAL and buffer.size <= SMALL
        return step_of(self.body, self.index, offset)

    def _holds(self, dtype: DType) -> bool:
        self.widest = max(self.widest, dtype.itemsize)
        self.is_of_truths &= dtype == BOOL
        return not is_half(dtype)

    def _values(self, x: Expr) -> bool:
        return all(map(self._node, self._varying(x)))

    def _varying(self, x: Expr) -> Iterator[Expr]:
        """The nodes of an expression that may differ from turn to turn."""
        stack = [x]
        while stack:
            node = stack.pop()
            if node in self.seen or not varies(self.body, node, self.index, self.changed):
                continue
            self.seen.add(node)
            yield node
            if node.op is not ScalarOp.LOAD:
                stack.extend(self.body.operands(node))

    def streams(self) -> frozenset[Buffer]:
        """The arrays that are to be fetched ahead, if any: those that are read at one place."""
        reads = [at[0] for at in self.loaded.values() if len(at) == 1]
        large = [(b, x) for b, x in reads if b.nbytes >= LARGE and not b.packed]
        found = {b for b, x in large if self._step(b, x) == 1}
        many = len(found) >= MANY_STREAMS and sum(b.nbytes for b in found) >= TOO_LARGE
        return frozenset(found) if many else frozenset()

    def _node(self, x: Expr) -> bool:
        self.size += x.op not in MATHS
        self.is_of_truths &= x.dtype == BOOL
        match x.op:
            case ScalarOp.LOAD:
                return self._load(x)
            case ScalarOp.REGISTER:
                return x.attr in self.own
            case ScalarOp.INDEX:
                return True
            case ScalarOp.GUARD:
                return not self.body.reads(x.args[1])
            case ScalarOp.CALL:
                return False
            case _:
                known = x.op in MATHS or x.op in _WIDE
                known &= self.masks or not _is_long(x)
                return known and not any(is_half(e.dtype) for e in (x, *x.args))

    def _load(self, x: Expr) -> bool:
        place, at = self.body.place(x.attr), (x.attr, x.args[0])
        self.loaded.setdefault(place, []).append(at)
        alone = all(self._apart(other, at) for other in self.stored.get(place, ()))
        step = self._step(*at)
        if not alone or not self._holds(x.attr.dtype):
            return False
        if not self._is_steady(x.args[0]) and not is_gathered(step):
            return False
        if self.index not in x.args[0].indices:
            return self.is_free
        if is_gathered(step) and not self._values(x.args[0]):
            return False
        return is_read(step, x.attr.dtype) and self._is_in_bits(at, step)

    def _is_steady(self, offset: Expr) -> bool:
        """Whether no turn changes what a place hangs on, but by its index."""
        return self.body.reads(offset).isdisjoint(self.changed)

    def _is_in_bits(self, at: tuple[Buffer, Expr], step: int | None) -> bool:
        """Whether an access is of an array of whole elements, or goes along one of bits."""
        if at[0].packed:
            self.has_bits = True
            self.is_of_bytes &= llvm_bits.begins_at_byte(at[1], self.index, self.start)
        return not at[0].packed or step == 1


def _is_long(x: Expr) -> bool:
    """Whether it makes integers of 64 bits of floats, or the reverse for which there is no trick.

    Only vectors of 512 bits have instructions for that.
    """
    if x.op is not ScalarOp.CAST:
        return False
    source, target = x.args[0].dtype, x.dtype
    long = [kind_of(d) in "iu" and d.itemsize == 8 for d in (source, target)]
    return (long[0] and target == FLOAT32) or (long[1] and kind_of(source) == "f")


def varies(body: Body, x: Expr, index: Index, changed: frozenset[Place]) -> bool:
    """Whether a value may differ between the turns of the loop over `index`."""
    return index in x.indices or not body.reads(x).isdisjoint(changed)
