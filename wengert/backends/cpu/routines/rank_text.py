"""The order of a few words in vectors, in LLVM text: each is counted past by all others.

A word's place is the number of smaller words and of equal ones before it. A vector of words meets
one word after the other; what is to be compared differs only for those of the vector itself.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm.function import Function

NAME = "wg.rank.order"
PARAMETERS = "ptr, ptr, ptr, i64, i64"
"""Words, where they and their numbers are written in order, the first one's number, how many."""
LANES = 8
ROOM = LANES
"""So many words after the last one are read, whatever they are."""
MOST = 72
"""Runs of so many words: the time for one grows with their square."""

_WORDS, _ONES = f"<{LANES} x i64>", f"<{LANES} x i1>"


def text() -> str:
    """The module of a function of words that writes their stable order, and of their number."""
    f = Function(
        f"void @{NAME}(ptr %words, ptr %to, ptr %places, i64 %base, i64 %n)",
        attributes='nounwind "prefer-vector-width"="512"',
    )
    lanes = ", ".join(f"i64 {lane}" for lane in range(LANES))
    with f.loop("%n", LANES) as first:
        own = f.op(f"load {_WORDS}, ptr {f.at('i64', '%words', first)}, align 8")
        numbers = f.op(f"add {_WORDS} {_spread(f, first)}, <{lanes}>")
        room = f.room(_WORDS)
        f.line(f"store {_WORDS} zeroinitializer, ptr {room}")
        last = f.op(f"add i64 {first}, {LANES}")
        _count(f, own, room, "0", first, "sge")
        for lane in range(LANES):
            _meet(f, own, room, f.op(f"add i64 {first}, {lane}"), lane)
        _count(f, own, room, last, "%n", "sgt")
        inside = f.op(f"icmp slt {_WORDS} {numbers}, {_spread(f, '%n')}")
        ranks = f.op(f"load {_WORDS}, ptr {room}")
        numbered = f.op(f"add {_WORDS} {numbers}, {_spread(f, '%base')}")
        for values, array in ((own, "%to"), (numbered, "%places")):
            targets = f.op(f"getelementptr i64, ptr {array}, {_WORDS} {ranks}")
            given = f"{_WORDS} {values}, <{LANES} x ptr> {targets}, i32 8, {_ONES} {inside}"
            f.line(f"call void @llvm.masked.scatter.v{LANES}i64.v{LANES}p0({given})")
    f.line("ret void")
    types = f"{_WORDS}, <{LANES} x ptr>, i32, {_ONES}"
    return f"declare void @llvm.masked.scatter.v{LANES}i64.v{LANES}p0({types})\n" + f.text()


def _spread(f: Function, value: str) -> str:
    first = f.op(f"insertelement {_WORDS} poison, i64 {value}, i64 0")
    zeros = f"<{LANES} x i32> zeroinitializer"
    return f.op(f"shufflevector {_WORDS} {first}, {_WORDS} poison, {zeros}")


def _word(f: Function, at: str) -> str:
    return _spread(f, f.op(f"load i64, ptr {f.at('i64', '%words', at)}"))


def _add(f: Function, room: str, earlier: str) -> None:
    count = f.op(f"load {_WORDS}, ptr {room}")
    step = f.op(f"sext {_ONES} {earlier} to {_WORDS}")
    f.line(f"store {_WORDS} {f.op(f'sub {_WORDS} {count}, {step}')}, ptr {room}")


def _count(f: Function, own: str, room: str, start: str, stop: str, order: str) -> None:
    """Counts the words from `start` to `stop` that come before: ties do where these are earlier."""
    with f.loop(f.op(f"sub i64 {stop}, {start}")) as k:
        other = _word(f, f.op(f"add i64 {start}, {k}"))
        _add(f, room, f.op(f"icmp {order} {_WORDS} {own}, {other}"))


def _meet(f: Function, own: str, room: str, at: str, lane: int) -> None:
    """Counts a word of the vector itself, if there is one: it is earlier than those after it."""
    with f.when(f.op(f"icmp slt i64 {at}, %n")):
        other = _word(f, at)
        later = ", ".join(f"i1 {str(k > lane).lower()}" for k in range(LANES))
        tied = f.op(f"and {_ONES} {f.op(f'icmp eq {_WORDS} {own}, {other}')}, <{later}>")
        less = f.op(f"icmp sgt {_WORDS} {own}, {other}")
        _add(f, room, f.op(f"or {_ONES} {less}, {tied}"))
