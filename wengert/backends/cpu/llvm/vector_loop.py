"""The frame of a loop of vectors: its turns, what they leave over, sums at its end.

A loop of known length is so many turns of whole vectors, then the vectors left over, then shorter
vectors or one of which the last lanes are masked. Of a loop whose length is known only at run time,
whole vectors come first while there are any, then masked ones; those with long bodies have masked
ones alone, which is half as much to compile. Where loops around write to what the loop reads, what
is left over is done by shorter vectors, each of which runs if the number left has its power of 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wengert.backends.cpu.llvm import bits as llvm_bits
from wengert.backends.cpu.llvm.expr import Body, Place, Scope
from wengert.backends.cpu.llvm.hints import LONG_BODY
from wengert.backends.cpu.llvm.lanes import Around, Lanes, combined, nothing, numbers, splat
from wengert.backends.cpu.llvm.types import constant, intrinsic_suffix, value_type
from wengert.backends.cpu.llvm.widen import Widened
from wengert.ir.floats import kind_of
from wengert.ir.types import DType
from wengert.kernels.loops import Loop, Register

_INT32 = np.dtype(np.int32)
_FLOATS = {"add": "fadd", "mul": "fmul", "max": "fmaximum", "min": "fminimum"}
_BOOLS = {"add": "or", "max": "or", "or": "or", "mul": "and", "min": "and", "and": "and"}
_SIGNED = {"max": "smax", "min": "smin"}
_UNSIGNED = {"max": "umax", "min": "umin"}

Names = Sequence[dict[Register, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of some vectors in a row, and the label of the last block."""

    lines: list[str]
    label: str


def _in_step(copies: list[list[str]]) -> list[str]:
    """The lines of independent vectors one for one, so that their long chains overlap.

    The machine's window is too small to reach from one vector's chain to the next one's.
    """
    plain = len({len(lines) for lines in copies}) == 1 and not any(x[0] != " " for x in copies[0])
    return [line for step in (zip(*copies, strict=True) if plain else copies) for line in step]


class VectorLoop:
    """Prints one loop."""

    def __init__(
        self,
        body: Body,
        entry: list[str],
        loop: Loop,
        plan: Widened,
        changed: frozenset[Place],
        set_range: Callable[[Loop], None],
    ) -> None:
        self.body, self.entry, self.loop, self.plan = body, entry, loop, plan
        self.changed, self.set_range = changed, set_range
        self.masks = body.module.target.masks
        self.around = Around(body, loop.index, changed, plan.lanes, loop.start, plan.streams)
        start, stop = body.bounds(loop.start), body.bounds(loop.stop)
        self.runs = start is not None and stop is not None and start[1] < stop[0]
        self.runs = self.runs or plan.length is not None

    def text(self) -> None:
        """Appends the loop to the scope being printed into."""
        first, last = self.body.value(self.loop.start), self.body.value(self.loop.stop)
        self.body.forget(self.changed)
        sums = self._begin()
        length = self.plan.length
        filled, loop = self.plan.filled, self.loop
        known = length is not None and filled is not None
        if filled is not None and not (
            known and llvm_bits.begins_at_byte(filled, loop.index, loop.start)
        ):
            count = self.body.op(f"sub nsw i64 {last}, {first}")
            begun = self._to_a_byte(first, count)
            self.plan = replace(self.plan, length=None)
            self.around.filled = filled
            self._counted(*begun, sums)
            self._end(sums)
            self.body.forget(self.changed)
            return
        if length is None:
            self._counted(first, self.body.op(f"sub nsw i64 {last}, {first}"), sums)
        elif self._is_masked(length):
            self._counted(first, str(length), sums)
        else:
            self._known(first, length, sums)
        self._end(sums)
        if length is not None and self.plan.in_pieces:
            self._pieces(first, length)
        elif length is not None and not self.masks:
            left = length % self.plan.lanes
            self._singles(self._after(first, str(length - left)), str(left))
        self.body.forget(self.changed)

    def _is_masked(self, length: int) -> bool:
        """Whether all vectors of a loop of known length are masked, for the sake of the last."""
        plan = self.plan
        rest = length % plan.lanes != 0
        return self.masks and rest and plan.size > LONG_BODY and not plan.in_pieces

    def _pieces(self, first: str, length: int) -> None:
        """The turns left over by whole vectors, as shorter and shorter ones."""
        left = length % self.plan.lanes
        while left:
            lanes = 1 << (left.bit_length() - 1)
            plan = replace(self.plan, lanes=lanes, copies=1, length=lanes)
            piece = VectorLoop(self.body, self.entry, self.loop, plan, self.changed, self.set_range)
            sums = piece._begin()
            piece._straight(self._after(first, str(length - left)), [0], sums)
            piece._end(sums)
            left -= lanes

    # turns before the first whole byte of a packed array

    def _to_a_byte(self, first: str, count: str) -> tuple[str, str]:
        """Does the turns up to a whole byte: the index of the next one, and how many are left.

        They are done as a vector of no more elements than a byte has, which is masked.
        """
        body, filled = self.body, self.plan.filled
        assert filled is not None
        with body.at(self.loop.index, first):
            self.set_range(self.loop)
            offset = body.value(filled)
        body.forget(self.changed)
        for name in ("@llvm.umin.i64", "@llvm.smax.i64"):
            body.intrinsic(name, "i64", "i64, i64")
        missing = body.op(f"and i64 {body.op(f'sub i64 0, {offset}')}, {llvm_bits.BYTE - 1}")
        count = body.op(f"call i64 @llvm.smax.i64(i64 {count}, i64 0)")
        few = body.op(f"call i64 @llvm.umin.i64(i64 {missing}, i64 {count})")
        some = body.op(f"icmp sgt i64 {few}, 0")
        inside, after = body.fresh("begun"), body.fresh("whole")
        plan = replace(self.plan, copies=1, lanes=llvm_bits.BYTE, length=None)
        self._branch(plan, [first], (some, inside, after), few)
        return body.op(f"add nsw i64 {first}, {few}"), body.op(f"sub nsw i64 {count}, {few}")

    # sums

    def _begin(self) -> Names:
        found: list[dict[Register, str]] = []
        for _ in range(self.plan.copies):
            slots: dict[Register, str] = {}
            for register, how in self.plan.combines.items():
                kind = value_type(register.dtype, self.plan.lanes)
                slots[register] = self.body.fresh("%sum")
                self.entry.append(f"  {slots[register]} = alloca {kind}")
                none = constant(nothing(how, register.dtype), register.dtype, self.plan.lanes)
                self.body.line(f"store {kind} {none}, ptr {slots[register]}")
            found.append(slots)
        return found

    def _end(self, sums: Names) -> None:
        body = self.body
        for register, how in self.plan.combines.items():
            whole = value_type(register.dtype, self.plan.lanes)
            values = [body.op(f"load {whole}, ptr {slots[register]}") for slots in sums]
            lanes = Lanes(self.around, {})
            while len(values) > 1:
                half = len(values) // 2
                pairs = zip(values[:half], values[half:], strict=True)
                values = [combined(lanes, register, how, x, y) for x, y in pairs]
            old = body.in_register(register)
            new = combined(body, register, how, old, self._reduced(register, how, values[0]))
            body.set_register(register, new)

    def _reduced(self, register: Register, how: str, vector: str) -> str:
        """All lanes of a vector as one number, by halves: LLVM would take longer to find them."""
        dtype, lanes = register.dtype, self.plan.lanes
        if lanes == 1:
            return self.body.op(f"extractelement {value_type(dtype, 1)} {vector}, i64 0")
        while lanes > 4:
            halves = [self._half(vector, dtype, lanes, k) for k in range(2)]
            lanes //= 2
            around = replace(self.around, lanes=lanes)
            vector = combined(Lanes(around, {}), register, how, *halves)
        kind, whole = value_type(dtype), value_type(dtype, lanes)
        names = {"f": _FLOATS, "b": _BOOLS, "i": _SIGNED}.get(kind_of(dtype), _UNSIGNED)
        name = f"@llvm.vector.reduce.{names.get(how, how)}.{intrinsic_suffix(dtype, lanes)}"
        if kind_of(dtype) == "f" and how in ("add", "mul"):
            self.body.intrinsic(name, kind, f"{kind}, {whole}")
            start = constant(nothing(how, dtype), dtype)
            call = f"{name}({kind} {start}, {whole} {vector})"
            return self.body.op(f"call reassoc contract {kind} {call}")
        self.body.intrinsic(name, kind, whole)
        flags = "nsz " if kind_of(dtype) == "f" else ""
        return self.body.op(f"call {flags}{kind} {name}({whole} {vector})")

    def _half(self, vector: str, dtype: DType, lanes: int, number: int) -> str:
        kind, order = value_type(dtype, lanes), value_type(_INT32, lanes // 2)
        taken = numbers("i32", lanes // 2, number * lanes // 2)
        return self.body.op(f"shufflevector {kind} {vector}, {kind} poison, {order} {taken}")

    # turns

    def _vectors(self, label: str, firsts: Sequence[str], sums: Names, left: str = "") -> Part:
        """The vectors whose first turns have such indices; masked if so many turns are `left`."""
        body, copies = self.body, list[list[str]]()
        for k, first in enumerate(firsts):
            scope = Scope(label, self.loop.index, self.changed, self.runs, is_scalar=False)
            body.push(scope)
            body.indices[self.loop.index] = first
            self.set_range(self.loop)
            mask = self._mask(left, k) if left else ""
            lanes = Lanes(self.around, sums[k], mask)
            lanes.statements(self.loop.body)
            body.pop()
            copies.append(scope.lines)
            label = scope.label
        return Part(_in_step(copies), label)

    def _mask(self, left: str, number: int) -> str:
        """The lanes of vector `number` that are among so many turns."""
        body, lanes, first = self.body, self.plan.lanes, number * self.plan.lanes
        if left.isdecimal():
            bits = (f"i1 {'true' if first + k < int(left) else 'false'}" for k in range(lanes))
            return f"<{', '.join(bits)}>"
        body.intrinsic("@llvm.smin.i64", "i64", "i64, i64")
        short = body.op(f"call i64 @llvm.smin.i64(i64 {left}, i64 {first + lanes})")
        least = splat(body, body.op(f"trunc i64 {short} to i32"), _INT32, lanes)
        turns = numbers("i32", lanes, first)
        return body.op(f"icmp slt {value_type(_INT32, lanes)} {turns}, {least}")

    def _straight(self, first: str, counts: Sequence[int], sums: Names, left: str = "") -> None:
        """Vectors that no loop goes around, after so many turns; what they read leaves others."""
        for count, slots in zip(counts, sums, strict=False):
            with self.body.at(self.loop.index, self._after(first, str(count))):
                self.set_range(self.loop)
                mask = self._mask(left, 0) if left else ""
                lanes = Lanes(self.around, slots, mask, leaves=True)
                lanes.statements(self.loop.body)

    def _after(self, first: str, count: str) -> str:
        """The index of a turn, so many after the first; in the scope being printed into."""
        if count == "0":
            return first
        if first.isdecimal() and count.isdecimal():
            return str(int(first) + int(count))
        return count if first == "0" else self.body.op(f"add nsw i64 {first}, {count}")

    def _known(self, first: str, length: int, sums: Names) -> None:
        lanes, copies = self.plan.lanes, self.plan.copies
        turns, rest = divmod(length // lanes, copies)
        done = turns * lanes * copies
        if turns == 1:
            self._straight(first, range(0, done, lanes), sums)
        elif turns:
            self._loop(first, str(done), sums)
        self._straight(first, [done + k * lanes for k in range(rest)], sums)
        if length % lanes and self.masks and not self.plan.in_pieces:
            self._straight(first, [length - length % lanes], sums, str(length % lanes))

    def _loop(self, first: str, count: str, sums: Names) -> None:
        """Whole vectors for a number of turns that is not 0."""
        body, outer = self.body, self.body.scopes[-1]
        label, index = body.fresh("loop"), body.fresh("%i")
        part, before = self._turn(label, index, first, sums)
        again, after = body.fresh("%again"), body.fresh("after")
        outer.lines += [
            f"  br label %{label}",
            *self._head(label, index, "0", outer.label, part.label),
            *before,
            *part.lines,
            f"  {index}.next = add nsw i64 {index}, {self.plan.lanes * self.plan.copies}",
            f"  {again} = icmp ne i64 {index}.next, {count}",
            f"  br i1 {again}, label %{label}, label %{after}",
        ]
        body.start_block(outer, after)

    def _head(self, label: str, index: str, start: str, before: str, latch: str) -> list[str]:
        phi = f"  {index} = phi i64 [ {start}, %{before} ], [ {index}.next, %{latch} ]"
        return [f"{label}:", phi]

    def _turn(
        self, label: str, index: str, first: str, sums: Names, count: str = ""
    ) -> tuple[Part, list[str]]:
        """The vectors of one turn, and the lines before them with the indices."""
        firsts: list[str] = []
        before: list[str] = []
        for k in range(len(sums)):
            names = [x for x in (index, first, str(k * self.plan.lanes)) if x != "0"]
            while len(names) > 1:
                name = self.body.fresh("%at")
                before.append(f"  {name} = add nsw i64 {names[0]}, {names[1]}")
                names[:2] = [name]
            firsts += names
        left = ""
        if count:
            left = self.body.fresh("%left")
            before.append(f"  {left} = sub nsw i64 {count}, {index}")
        return self._vectors(label, firsts, sums, left), before

    def _counted(self, first: str, count: str, sums: Names) -> None:
        """A number of turns known only at run time, or one for which all vectors are masked."""
        body, outer = self.body, self.body.scopes[-1]
        if self.plan.unmasked or not self.masks:
            self._unmasked(first, count, sums)
            return
        whole = self.plan.size <= LONG_BODY
        names = [(body.fresh("loop"), body.fresh("%i")) for _ in range(2)]
        # all that stands before the loops is printed with the first of their vectors
        rest_sums = sums[:1] if whole else sums
        turns = [self._turn(*names[0], first, sums)] if whole else []
        masked, before = self._turn(*names[1], first, rest_sums, count)
        start, came = "0", outer.label
        after, rest = body.fresh("after"), body.fresh("rest")
        if turns:
            outer.lines += self._while_whole(*names[0], turns[0], count, rest)
            start = body.fresh("%done")
            outer.lines += [
                f"{rest}:",
                f"  {start} = phi i64 [ 0, %{came} ], [ {names[0][1]}.next, %{turns[0][0].label} ]",
            ]
            came = rest
        (label, index), more, again = names[1], body.fresh("%more"), body.fresh("%again")
        outer.lines += [
            f"  {more} = icmp slt i64 {start}, {count}",
            f"  br i1 {more}, label %{label}, label %{after}",
            *self._head(label, index, start, came, masked.label),
            *before,
            *masked.lines,
            f"  {index}.next = add nsw i64 {index}, {self.plan.lanes * len(rest_sums)}",
            f"  {again} = icmp slt i64 {index}.next, {count}",
            f"  br i1 {again}, label %{label}, label %{after}",
        ]
        body.start_block(outer, after)

    def _unmasked(self, first: str, count: str, sums: Names) -> None:
        """Whole vectors while there are turns enough, then shorter ones or one turn at a time."""
        body, outer = self.body, self.body.scopes[-1]
        label, index, rest = body.fresh("loop"), body.fresh("%i"), body.fresh("rest")
        came, start = outer.label, body.fresh("%done")
        turn = self._turn(label, index, first, sums)
        outer.lines += self._while_whole(label, index, turn, count, rest)
        body.start_block(outer, rest)
        body.line(f"{start} = phi i64 [ 0, %{came} ], [ {index}.next, %{turn[0].label} ]")
        body.forget(self.changed)
        left = body.op(f"sub nsw i64 {count}, {start}")
        if not self.plan.unmasked:
            self._singles(self._after(first, start), left)
            return
        width = self.plan.lanes * self.plan.copies // 2
        while width:
            self._piece(width, self._after(first, start), left)
            width //= 2

    def _piece(self, width: int, first: str, left: str) -> None:
        """So many turns, if the number of those that are left over has this power of 2."""
        body, lanes = self.body, min(width, self.plan.lanes)
        some = body.op(f"icmp ne i64 {body.op(f'and i64 {left}, {width}')}, 0")
        start = self._after(first, body.op(f"and i64 {left}, {-2 * width}"))
        inside, after = body.fresh("piece"), body.fresh("after")
        plan = replace(self.plan, lanes=lanes, copies=width // lanes, length=width)
        firsts = [self._after(start, str(k)) for k in range(0, width, lanes)]
        self._branch(plan, firsts, (some, inside, after))

    def _branch(
        self, plan: Widened, firsts: Sequence[str], names: tuple[str, str, str], left: str = ""
    ) -> None:
        """Vectors that run if a condition holds, in a block of their own; then another block."""
        body, (some, inside, after) = self.body, names
        piece = VectorLoop(body, self.entry, self.loop, plan, self.changed, self.set_range)
        piece.around.filled = self.around.filled
        branch = body.push(Scope(inside))
        sums = piece._begin()
        part = piece._vectors(inside, firsts, sums, left)
        branch.lines += part.lines
        branch.label = part.label
        piece._end(sums)
        body.pop()
        outer = body.scopes[-1]
        outer.lines += [f"  br i1 {some}, label %{inside}, label %{after}", f"{inside}:"]
        outer.lines += [*branch.lines, f"  br label %{after}"]
        body.start_block(outer, after)
        body.forget(self.changed)

    def _singles(self, first: str, count: str) -> None:
        """So many turns one by one, by the operations of vectors of one lane."""
        body, outer = self.body, self.body.scopes[-1]
        body.forget(self.changed)
        plan = replace(self.plan, lanes=1, copies=1, length=None, streams=frozenset())
        single = VectorLoop(body, self.entry, self.loop, plan, self.changed, self.set_range)
        label, index, rest = body.fresh("loop"), body.fresh("%i"), body.fresh("rest")
        sums = single._begin()
        turn = single._turn(label, index, first, sums)
        outer.lines += single._while_whole(label, index, turn, count, rest)
        body.start_block(outer, rest)
        single._end(sums)

    def _while_whole(
        self, label: str, index: str, turn: tuple[Part, list[str]], count: str, rest: str
    ) -> list[str]:
        """A loop that runs while there are turns enough for whole vectors."""
        step, (part, before) = self.plan.lanes * self.plan.copies, turn
        enough, again, last = (self.body.fresh(n) for n in ("%enough", "%again", "%last"))
        return [
            f"  {last} = sub nsw i64 {count}, {step}",
            f"  {enough} = icmp sge i64 {last}, 0",
            f"  br i1 {enough}, label %{label}, label %{rest}",
            *self._head(label, index, "0", self.body.scopes[-1].label, part.label),
            *before,
            *part.lines,
            f"  {index}.next = add nsw i64 {index}, {step}",
            f"  {again} = icmp sle i64 {index}.next, {last}",
            f"  br i1 {again}, label %{label}, label %{rest}",
        ]
