"""Loop programs as LLVM text.

Each kernel becomes one function whose pointer parameters are marked `noalias`, so that loops
vectorise without run-time checks. A kernel that is one parallel loop becomes a function of the
chunk number. Kernels that differ in nothing but their buffers (the updates of many parameters, the
layers of a network) are one function, called several times.

What is exported is a constant, the plan: which kernels to call with which buffers, and how often
(`llvm/calls.py`). The runtime's main function (`runtime_text.py`), compiled once for all programs,

    i64 wg.main(ptr arguments, ptr arena, ptr failure, ptr plan)

takes a table of the addresses of inputs, constants and outputs, in this order, and returns
non-zero after a failed check, with the code plus one and the value in `failure`.

The functions can be shared out over several texts, which are compiled at the same time. Only the
plan names functions of other texts; these have hidden names in any case, so that the code of a
function does not depend on how many texts there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.backends.cpu.llvm import alike
from wengert.backends.cpu.llvm import calls as llvm_calls
from wengert.backends.cpu.llvm.expr import Module
from wengert.backends.cpu.llvm.print import KernelPrinter
from wengert.backends.cpu.llvm.target import Target
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.loops import Kernel, LoopProgram

SETTLED = "; its loops are as they will be: few passes\n"
"""The first line of texts in which there is no loop that LLVM could make vectors of."""


QUICK = SETTLED + "; and so is its code: little is looked for\n"
"""The first lines of texts whose code LLVM makes instruction by instruction."""

UNSETTLED = 4  # how many times as long a text takes of which LLVM makes vectors
LEAST_LOT = 5000  # less than that takes no longer than another thread and its module do
LEAST_WORK = 700  # what the passes over any function take, in characters of a settled one


def weighed(head: str, text: str) -> int:
    """How long a text takes that begins with `head`, in characters of a settled one."""
    if head.startswith(QUICK):
        return len(text) // 2
    return len(text) * (1 if head.startswith(SETTLED) else UNSETTLED)


@dataclass(frozen=True, slots=True)
class Group:
    """The functions of one kernel, and the declaration of the one that the plan names."""

    text: str
    declaration: str
    settled: bool
    is_quick: bool

    @property
    def head(self) -> str:
        """What a text with the functions begins with."""
        return QUICK if self.is_quick else SETTLED * self.settled


@dataclass(frozen=True, slots=True)
class ProgramText:
    """The LLVM text of a program: what all functions may use, the kernels, the plan."""

    shared: tuple[str, ...]
    groups: tuple[Group, ...]
    main: str
    metadata: tuple[str, ...]

    def whole(self) -> str:
        """All of it as one text."""
        return self._text(range(len(self.groups)), True)

    def units(self, number: int, least: int = 1) -> list[str]:
        """The program as texts for so many threads to compile, the plan's first.

        Each has the kernels of one thread's share of the work: those of one kind. A share is no
        less work than `least`, if there is as much. No text is without a kernel, and none has two
        kinds, so that the code of a kernel does not depend on the number.
        """
        numbers = range(len(self.groups))
        most = sum(map(self._work, numbers)) // least
        lots = self._shared(numbers, max(1, min(number, len(numbers), most)))
        kinds = [
            [[k for k in lot if self.groups[k].head == x] for lot in lots]
            for x in ("", SETTLED, QUICK)
        ]
        parts = [sorted(part) for lot in zip(*kinds, strict=True) for part in lot if part]
        return [self._text(part, n == 0) for n, part in enumerate(parts)] or [self.whole()]

    def _shared(self, members: Sequence[int], number: int) -> list[list[int]]:
        """Kernels in so many lots of about the same work."""
        lots: list[list[int]] = [[] for _ in range(number)]
        for k in sorted(members, key=lambda k: -self._work(k)):
            min(lots, key=lambda lot: (sum(map(self._work, lot)), len(lot))).append(k)
        return lots

    def _work(self, k: int) -> int:
        """How much there is to compile in a kernel, in characters of a settled one."""
        group = self.groups[k]
        return LEAST_WORK + weighed(group.head, group.text)

    def _text(self, members: Sequence[int], with_main: bool) -> str:
        absent = sorted(set(range(len(self.groups))).difference(members))
        parts = [
            *self.shared,
            *(self.groups[k].declaration for k in absent if with_main),
            *(self.groups[k].text for k in members),
            *([self.main] if with_main else []),
            *self.metadata,
        ]
        heads = {self.groups[k].head for k in members}
        return min(heads, key=len, default=QUICK) + "\n".join(parts)


def print_program(
    program: LoopProgram, expand: Callable[[ScalarBuilder, Expr], Expr], target: Target
) -> ProgramText:
    """The LLVM text of a loop program."""
    module = Module(target, expand)
    main = llvm_calls.Main(program)
    printed = _Printed(module, main.layout, len(program.steps) >= alike.LEAST)
    for step in program.steps:
        name, printer = printed.kernel(step)
        if printer.chunks is None or printer.chunks:
            called = llvm_calls.Called(printer.groups, printer.buffers, printer.written)
            main.kernel(module, name, called, printer.chunks, printer.checks)
    text = main.text(module)
    shared = (*module.declarations.values(), *module.helpers.values())
    return ProgramText(shared, tuple(printed.groups), text, tuple(module.metadata))


class _Printed:
    """The kernels printed so far, and the names of those that later ones may be like."""

    def __init__(self, module: Module, layout: llvm_calls.Layout, many: bool) -> None:
        self.module, self.layout, self.many = module, layout, many
        self.groups: list[Group] = []
        self._texts: dict[str, str] = {}  # names by the text apart from them
        self._forms: dict[tuple[Any, ...], str] = {}  # and by what the text depends on

    def kernel(self, step: Kernel) -> tuple[str, KernelPrinter]:
        """The name of the function of a kernel, and what knows its parameters."""
        module, name = self.module, f"kernel{len(self.groups)}"
        printer = KernelPrinter(module, self.layout, step, name)
        form = self._form(step, printer)
        if form in self._forms:
            return self._forms[form], printer
        first, parts = len(module.metadata), len(module.parts)
        text = printer.text()
        if len(module.parts) == parts:  # no functions of its own besides
            name = self._texts.setdefault(
                nameless(text, module.metadata[first:], name, first), name
            )
            if form is not None:
                self._forms[form] = name
        if name == printer.name:
            self.groups.append(_group(printer, [*module.parts[parts:], text]))
        else:
            del module.metadata[first:]
        return name, printer

    def _form(self, step: Kernel, printer: KernelPrinter) -> tuple[Any, ...] | None:
        if not self.many:
            return None
        clusters = [*self.layout.clusters(printer.buffers), printer.local]
        try:
            return alike.form(step, printer.groups, clusters)
        except alike.UnknownForm:
            return None


def _group(printer: KernelPrinter, texts: list[str]) -> Group:
    parameters = ", ".join(["i64", *["ptr"] * (len(printer.groups) + printer.checks)])
    declaration = f"declare hidden i64 @{printer.name}({parameters}) nounwind"
    return Group("\n".join(texts), declaration, printer.settled, printer.body.is_quick)


def nameless(text: str, metadata: Sequence[str], name: str, first: int) -> str:
    """A function's text without its name, and with its metadata numbered from `first`."""

    def relative(found: re.Match[str]) -> str:
        number = int(found[1])
        return f"!+{number - first}" if number >= first else found[0]

    whole = "\n".join((text.replace(f"@{name}(", "@(", 1), *metadata))
    return re.sub(r"!(\d+)", relative, whole)
