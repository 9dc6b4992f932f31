"""A function of LLVM text, written line by line: names, loops, conditions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Function:
    """The text of one function; `head` is its result, name and parameters."""

    def __init__(self, head: str, linkage: str = "", attributes: str = "nounwind") -> None:
        self._head = " ".join(filter(None, ("define", linkage, head, attributes)))
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def fresh(self, hint: str = "v") -> str:
        """A name that is not used yet."""
        self._count += 1
        return f"%{hint}.{self._count}"

    def line(self, text: str) -> None:
        """A line without a result."""
        self._lines.append(f"  {text}")

    def op(self, text: str, hint: str = "v") -> str:
        """The name of what an instruction gives."""
        name = self.fresh(hint)
        self.line(f"{name} = {text}")
        return name

    def room(self, kind: str) -> str:
        """Stack memory of a type, aligned for vectors, made once at the function's start."""
        name = self.fresh("room")
        self._entry.append(f"  {name} = alloca {kind}, align 64")
        return name

    def at(self, kind: str, pointer: str, offset: str | int) -> str:
        """The address of an element."""
        return self.op(f"getelementptr {kind}, ptr {pointer}, i64 {offset}", "p")

    def least(self, first: str | int, second: str | int) -> str:
        """The smaller one of two integers."""
        return self.op(f"call i64 @llvm.smin.i64(i64 {first}, i64 {second})", "least")

    def label(self, name: str) -> None:
        """Starts a block."""
        self._lines.append(f"{name[1:]}:")

    def go(self, name: str) -> None:
        """Goes on in a block."""
        self.line(f"br label {name}")

    @contextlib.contextmanager
    def loop(self, stop: str | int, step: str | int = 1) -> Iterator[str]:
        """What is written meanwhile, for an index from 0 to `stop`."""
        before, head, body, after = (self.fresh(n) for n in ("before", "head", "body", "after"))
        index, following = self.fresh("i"), self.fresh("i")
        latch = self.fresh("latch")
        self.go(before)
        self.label(before)
        self.go(head)
        self.label(head)
        self.line(f"{index} = phi i64 [ 0, {before} ], [ {following}, {latch} ]")
        inside = self.op(f"icmp slt i64 {index}, {stop}")
        self.line(f"br i1 {inside}, label {body}, label {after}")
        self.label(body)
        yield index
        self.go(latch)
        self.label(latch)
        self.line(f"{following} = add nsw i64 {index}, {step}")
        self.go(head)
        self.label(after)

    @contextlib.contextmanager
    def unless(self, condition: str) -> Iterator[None]:
        """What is written meanwhile, if the condition does not hold; it leaves the function."""
        then, after = self.fresh("then"), self.fresh("after")
        self.line(f"br i1 {condition}, label {after}, label {then}")
        self.label(then)
        yield
        self.label(after)

    @contextlib.contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """What is written meanwhile, if the condition holds."""
        then, after = self.fresh("then"), self.fresh("after")
        self.line(f"br i1 {condition}, label {then}, label {after}")
        self.label(then)
        yield
        self.go(after)
        self.label(after)

    def text(self) -> str:
        """All of it."""
        return "\n".join([self._head + " {", *self._entry, *self._lines, "}\n"])
