"""The main function of a program: addresses, kernel calls, threads, BLAS, copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.backends.cpu.llvm_blas import RUNTIME, declare_thread_control
from wengert.backends.cpu.llvm_expr import Module
from wengert.kernels.loops import Buffer, Gemm, Kernel, Loop, LoopProgram, Space

MAIN = "wengert_main"
TEAM = 128  # the most threads that a loop is spread over

_FAIL = """define internal void @wg.fail(ptr %failure, i64 %code, i64 %value) cold noinline {
  %swapped = cmpxchg ptr %failure, i64 0, i64 %code seq_cst seq_cst
  %first = extractvalue { i64, i1 } %swapped, 1
  br i1 %first, label %store, label %done
store:
  %slot = getelementptr inbounds i64, ptr %failure, i64 1
  store i64 %value, ptr %slot
  br label %done
done:
  ret void
}
"""

# The pool calls a worker with args[0] advanced by steps[0] times the worker's number. It leaves
# null alone, so that counting starts at address 1.
_ONE_STEP = f"""@{RUNTIME} = external global [8 x i64]
@wg.one = internal constant i64 1
"""


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
        self.others: list[str] = []
        self.pointers: dict[object, str] = {}
        self._count = 0
        self._threads = False

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

    def kernel(self, module: Module, name: str, buffers: list[Group], checks: bool) -> None:
        """Call a kernel once."""
        arguments = [f"ptr {self.pointer(g.buffers[0])}" for g in buffers]
        if checks:
            arguments.append("ptr %failure")
            module.helpers["@wg.fail"] = _FAIL
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
        """Run a kernel for each chunk number, on the thread pool if there is more than one thread."""
        if checks:
            module.helpers["@wg.fail"] = _FAIL
        module.helpers["@wg.one"] = _ONE_STEP
        pointers = [self.pointer(g.buffers[0]) for g in buffers] + ["%failure"] * checks
        table, threads = self.fresh("%table"), self.fresh("%threads")
        self.prologue.append(f"  {table} = alloca [{len(pointers) + 2} x ptr]")
        for k, pointer in enumerate(["%counters", "null", *pointers]):
            slot = self.fresh("%entry")
            self.lines.append(f"  {slot} = getelementptr inbounds ptr, ptr {table}, i64 {k}")
            self.lines.append(f"  store ptr {pointer}, ptr {slot}")
        self.others.append(_worker_function(name, len(pointers), chunks))
        self.lines.append(f"  {threads} = load i64, ptr {_thread_slot()}")
        self._fork(name, table, threads, len(chunks))
        if checks:
            code = self.fresh("%code")
            self.lines.append(f"  {code} = load i64, ptr %failure")
            self._stop_if(f"icmp ne i64 {code}, 0")

    def _fork(self, name: str, table: str, threads: str, chunks: int) -> None:
        k = self.fresh("")
        most = min(chunks, TEAM)
        self.lines += [
            f"  %few{k} = call i64 @llvm.smin.i64(i64 {threads}, i64 {most})",
            f"  %size{k} = mul nuw nsw i64 %few{k}, 64",
            f"  call void @llvm.memset.p0.i64(ptr %counters, i8 0, i64 %size{k}, i1 false)",
            f"  %teamslot{k} = getelementptr inbounds ptr, ptr {table}, i64 1",
            f"  store i64 %few{k}, ptr %teamslot{k}",
            "  store i64 1, ptr %box",
            f"  %many{k} = icmp sgt i64 %few{k}, 1",
            f"  br i1 %many{k}, label %pool{k}, label %alone{k}",
            f"pool{k}:",
            f"  store i64 %few{k}, ptr %dims",
            f"  %team{k} = trunc i64 %few{k} to i32",
            f"  %run{k} = load ptr, ptr @{RUNTIME}",
            f"  call void %run{k}(ptr @{name}.worker, ptr %box, ptr %dims, ptr @wg.one, "
            f"ptr {table}, i64 0, i64 1, i32 %team{k})",
            f"  br label %joined{k}",
            f"alone{k}:",
            f"  call void @{name}.worker(ptr %box, ptr null, ptr null, ptr {table})",
            f"  br label %joined{k}",
            f"joined{k}:",
        ]
        self._threads = True

    # the whole

    def _copies(self, module: Module) -> None:
        """Fill outputs that are inputs, constants or earlier outputs."""
        first = len(self.program.inputs) + len(self.program.constants)
        for k, buffer in enumerate(self.program.outputs, first):
            if self.layout.slots[buffer] == k or buffer.nbytes == 0:
                continue
            module.declare("@llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
            name = self.fresh("%copy")
            self.prologue += self._slot(name, k)
            self.lines.append(
                f"  call void @llvm.memcpy.p0.p0.i64(ptr {name}, ptr {self.pointer(buffer)}, "
                f"i64 {buffer.nbytes}, i1 false)"
            )

    def text(self, module: Module) -> str:
        self._copies(module)
        if self._threads:
            module.declare("@llvm.smin.i64", "i64", "i64, i64")
            module.declare("@llvm.memset.p0.i64", "void", "ptr, i8, i64, i1")
            self.prologue.append("  %box = alloca i64")
            self.prologue.append("  %dims = alloca i64")
            self.prologue.append(f"  %counters = alloca [{8 * TEAM} x i64], align 64")
        before, after = [], []
        if any(map(_multiplies, self.program.steps)):
            declare_thread_control(module)
            module.helpers["@wg.one"] = _ONE_STEP
            before, after = ["  call void @wg.blas.begin()"], ["  call void @wg.blas.end()"]
        return "\n".join(
            [
                *self.others,
                f"define i64 @{MAIN}(ptr %arguments, ptr %arena, ptr %failure) nounwind {{",
                "start:",
                *self.prologue,
                *before,
                *self.lines,
                *after,
                "  ret i64 0",
                "stop:",
                *after,
                "  ret i64 1",
                "}",
                "",
            ]
        )


def _multiplies(kernel: Kernel) -> bool:
    """Whether a kernel calls a BLAS; calls stand alone, inside loops at most."""
    body = kernel.body
    while body and isinstance(body[0], Loop):
        body = body[0].body
    return bool(body) and isinstance(body[0], Gemm)


def _thread_slot() -> str:
    return f"getelementptr inbounds (i64, ptr @{RUNTIME}, i64 1)"


# What one thread of the team does: run the chunks of its own share, then those that are left of
# the others'. Each share has a counter, on a cache line of its own, from which the next chunk is
# taken. So a thread that the system has put aside holds up one chunk at most.
_WORKER = """define internal void @{name}.worker(ptr %args, ptr %dims, ptr %steps, ptr %table) nounwind {{
start:
  %address = load i64, ptr %args
  %me = sub nsw i64 %address, 1
  %counters = load ptr, ptr %table
  %teamslot = getelementptr inbounds ptr, ptr %table, i64 1
  %team = load i64, ptr %teamslot
{pointers}
  br label %share
share:
  %turn = phi i64 [ 0, %start ], [ %turn1, %exhausted ]
  %ahead = add nuw nsw i64 %me, %turn
  %owner = urem i64 %ahead, %team
  %scaled = mul nuw nsw i64 %owner, {count}
  %first = udiv i64 %scaled, %team
  %scaled1 = add nuw nsw i64 %scaled, {count}
  %last = udiv i64 %scaled1, %team
  %line = mul nuw nsw i64 %owner, 8
  %counter = getelementptr inbounds i64, ptr %counters, i64 %line
  br label %take
take:
  %taken = atomicrmw add ptr %counter, i64 1 monotonic
  %next = add nuw nsw i64 %first, %taken
  %left = icmp ult i64 %next, %last
  br i1 %left, label %run, label %exhausted
run:
  %chunk = add nsw i64 %next, {start}
  %status = call i64 @{name}({arguments})
  br label %take
exhausted:
  %turn1 = add nuw nsw i64 %turn, 1
  %more = icmp ult i64 %turn1, %team
  br i1 %more, label %share, label %done
done:
  ret void
}}
"""


def _worker_function(name: str, pointers: int, chunks: range) -> str:
    loads: list[str] = []
    for k in range(pointers):
        loads.append(f"  %s{k} = getelementptr inbounds ptr, ptr %table, i64 {k + 2}")
        loads.append(f"  %p{k} = load ptr, ptr %s{k}")
    return _WORKER.format(
        name=name,
        pointers="\n".join(loads),
        count=len(chunks),
        start=chunks.start,
        arguments=", ".join(["i64 %chunk", *(f"ptr %p{k}" for k in range(pointers))]),
    )


def constant_range(loop: Loop) -> range:
    """The chunk numbers of a parallel loop, which are known."""
    if not (loop.start.is_const and loop.stop.is_const):
        raise ValueError("the bounds of a parallel loop must be constants")
    return range(loop.start.attr, loop.stop.attr)


def parallel_loop(kernel: Kernel) -> Loop | None:
    """The parallel loop that a kernel consists of, if it does."""
    first = kernel.body[0] if len(kernel.body) == 1 else None
    return first if isinstance(first, Loop) and first.kind == "parallel" else None
