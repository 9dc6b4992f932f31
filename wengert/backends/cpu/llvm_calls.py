"""The main function of a program: addresses, kernel calls, threads, BLAS, copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.backends.cpu.llvm_collectives import abandoning
from wengert.backends.cpu.llvm_expr import Module
from wengert.backends.cpu.runtime_text import (
    BLAS_BEGIN,
    BLAS_END,
    DECLARATIONS,
    MAIN,
    PARALLEL,
)
from wengert.kernels.loops import (
    Buffer,
    Communicate,
    Factorise,
    Gemm,
    Kernel,
    Loop,
    LoopProgram,
    Phase,
    Space,
)
from wengert.kernels.statements import walk

# Functions that only pass addresses on are not worth LLVM's passes, which took 0.7 ms for them.
GLUE = "noinline optnone nounwind"


@dataclass(frozen=True, slots=True)
class Group:
    """Buffers that one pointer parameter stands for; `exclusive` if no other one overlaps it."""

    buffers: tuple[Buffer, ...]
    exclusive: bool


class Layout:
    """Where the buffers of a program are."""

    def __init__(self, program: LoopProgram) -> None:
        self.offsets = program.offsets
        table = (*program.inputs, *program.constants, *program.outputs)
        self.slots: dict[Buffer, int] = {}
        for k, buffer in enumerate(table):
            self.slots.setdefault(buffer, k)

    def groups(self, buffers: Sequence[Buffer]) -> list[Group]:
        """Buffers by pointer parameter: temporaries may share their memory."""
        return [g for cluster in self.clusters(buffers) for g in self._split(cluster)]

    def clusters(self, buffers: Sequence[Buffer]) -> list[list[Buffer]]:
        """Buffers that overlap one another, directly or through others, together."""
        found = [[b] for b in buffers if b.space is not Space.TEMP]
        end = -1
        temporaries = [b for b in buffers if b.space is Space.TEMP]
        for b in sorted(temporaries, key=lambda b: self.offsets[b]):
            offset = self.offsets[b]
            if offset < end and b.nbytes:
                found[-1].append(b)
            else:
                found.append([b])
            end = max(end, offset + b.nbytes)
        return found

    def _split(self, cluster: list[Buffer]) -> list[Group]:
        if len({self.offsets.get(b, 0) for b in cluster}) == 1:
            return [Group(tuple(cluster), True)]
        return [Group((b,), False) for b in cluster]


class Main:
    """Collects the text of the main function, step by step."""

    def __init__(self, program: LoopProgram) -> None:
        self.program = program
        self.layout = Layout(program)
        self.lines: list[str] = []
        self.prologue: list[str] = []
        self.pointers: dict[object, str] = {}
        self._count = 0
        self.widest = 0  # pointers of a parallel kernel

    def fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def pointer(self, buffer: Buffer) -> str:
        """The address of a buffer, loaded or computed once at the start."""
        slot = self.layout.slots.get(buffer)
        key = ("slot", slot) if slot is not None else ("arena", self.layout.offsets[buffer])
        if key not in self.pointers:
            name = self.pointers[key] = self.fresh("%p")
            if slot is None:
                offset = self.layout.offsets[buffer]
                self.prologue.append(
                    f"  {name} = getelementptr inbounds i8, ptr %arena, i64 {offset}"
                )
            else:
                self.prologue += self._slot(name, slot)
        return self.pointers[key]

    def _slot(self, name: str, slot: int) -> list[str]:
        return [
            f"  {name}.slot = getelementptr inbounds ptr, ptr %arguments, i64 {slot}",
            f"  {name} = load ptr, ptr {name}.slot",
        ]

    # kernels

    def kernel(self, name: str, buffers: list[Group], checks: bool) -> None:
        """Call a kernel once."""
        arguments = [f"ptr {self.pointer(g.buffers[0])}" for g in buffers]
        if checks:
            arguments.append("ptr %failure")
        status = self.fresh("%status")
        self.lines.append(f"  {status} = call i64 @{name}({', '.join(arguments)})")
        if checks:
            self._stop_if(f"icmp ne i64 {status}, 0")

    def _stop_if(self, condition: str) -> None:
        failed, fine = self.fresh("%failed"), self.fresh("fine")
        self.lines += [
            f"  {failed} = {condition}",
            f"  br i1 {failed}, label %stop, label %{fine}",
            f"{fine}:",
        ]

    def parallel(
        self, module: Module, name: str, buffers: list[Group], checks: bool, chunks: range
    ) -> None:
        """Run a kernel for each chunk number, on the threads that there are."""
        declare(module, PARALLEL)
        pointers = [self.pointer(g.buffers[0]) for g in buffers] + ["%failure"] * checks
        self.widest = max(self.widest, len(pointers))
        for k, pointer in enumerate(pointers):
            slot = self.fresh("%entry")
            self.lines.append(f"  {slot} = getelementptr inbounds ptr, ptr %table, i64 {k}")
            self.lines.append(f"  store ptr {pointer}, ptr {slot}")
        self.lines.append(
            f"  call void @{PARALLEL}(ptr @{name}.chunk, ptr %table, i64 {chunks.start}, "
            f"i64 {len(chunks)})"
        )
        if checks:
            code = self.fresh("%code")
            self.lines.append(f"  {code} = load i64, ptr %failure")
            self._stop_if(f"icmp ne i64 {code}, 0")

    # the whole

    def _copies(self, module: Module) -> None:
        """Fill outputs that are inputs, constants or earlier outputs."""
        first = len(self.program.inputs) + len(self.program.constants)
        donors = self.program.donors
        for k, buffer in enumerate(self.program.outputs, first):
            there = self.layout.slots[buffer] == k or donors[k - first] >= 0
            if there or buffer.nbytes == 0:
                continue
            module.declare("@llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
            name = self.fresh("%copy")
            self.prologue += self._slot(name, k)
            self.lines.append(
                f"  call void @llvm.memcpy.p0.p0.i64(ptr {name}, ptr {self.pointer(buffer)}, "
                f"i64 {buffer.nbytes}, i1 false)"
            )

    def _abandoned(self, module: Module) -> list[str]:
        """After a failure: waits for the collectives whose memory is about to be given back."""
        statements = (st for step in self.program.steps for st in walk(step.body))
        begun = any(isinstance(st, Communicate) and st.phase is Phase.START for st in statements)
        return [abandoning(module)] if begun else []

    def text(self, module: Module) -> str:
        self._copies(module)
        if self.widest:
            self.prologue.append(f"  %table = alloca [{self.widest} x ptr]")
        before, after = [], []
        own = module.target.masks
        if any(_calls_blas(kernel, own) for kernel in self.program.steps):
            declare(module, BLAS_BEGIN)
            declare(module, BLAS_END)
            before, after = [f"  call void @{BLAS_BEGIN}()"], [f"  call void @{BLAS_END}()"]
        return "\n".join(
            [
                f"define i64 @{MAIN}(ptr %arguments, ptr %arena, ptr %failure) {GLUE} {{",
                "start:",
                *self.prologue,
                *before,
                *self.lines,
                *after,
                "  ret i64 0",
                "stop:",
                *self._abandoned(module),
                *after,
                "  ret i64 1",
                "}",
                "",
            ]
        )


def _calls_blas(kernel: Kernel, own: bool) -> bool:
    """Whether a kernel calls a BLAS or LAPACK; with `own`, matrix products need none."""
    return any(
        (isinstance(st, Gemm) and not (own and st.k))
        or (isinstance(st, Factorise) and st.library == "lapack")
        for st in walk(kernel.body)
    )


def declare(module: Module, name: str) -> None:
    """Declare a function of the runtime."""
    result, parameters = DECLARATIONS[name]
    module.declare(f"@{name}", result, parameters, " nounwind")


def chunk_function(name: str, pointers: int, linkage: str = "internal") -> str:
    """The kernel as a function of the chunk number and a table of its pointers."""
    lines = [f"define {linkage} void @{name}.chunk(i64 %chunk, ptr %table) {GLUE} {{"]
    for k in range(pointers):
        lines.append(f"  %s{k} = getelementptr inbounds ptr, ptr %table, i64 {k}")
        lines.append(f"  %p{k} = load ptr, ptr %s{k}")
    arguments = ", ".join(["i64 %chunk", *(f"ptr %p{k}" for k in range(pointers))])
    lines += [f"  %status = call i64 @{name}({arguments})", "  ret void", "}", ""]
    return "\n".join(lines)


def constant_range(loop: Loop) -> range:
    """The chunk numbers of a parallel loop, which are known."""
    if not (loop.start.is_const and loop.stop.is_const):
        raise ValueError("the bounds of a parallel loop must be constants")
    return range(loop.start.attr, loop.stop.attr)


def parallel_loop(kernel: Kernel) -> Loop | None:
    """The parallel loop that a kernel consists of, if it does."""
    first = kernel.body[0] if len(kernel.body) == 1 else None
    return first if isinstance(first, Loop) and first.kind == "parallel" else None
