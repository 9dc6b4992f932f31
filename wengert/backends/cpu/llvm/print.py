"""Kernels as LLVM functions: loops, branches, memory; `llvm/program.py` puts them together."""

from __future__ import annotations

from collections.abc import Callable

from wengert.backends.cpu.kernel_facts import has_checks, interleaves, kernel_buffers
from wengert.backends.cpu.llvm import bits as llvm_bits
from wengert.backends.cpu.llvm import calls as llvm_calls
from wengert.backends.cpu.llvm import parallel as llvm_parallel
from wengert.backends.cpu.llvm.blas import print_gemm
from wengert.backends.cpu.llvm.collectives import print_collective
from wengert.backends.cpu.llvm.expr import Body, Module, Place, Scope
from wengert.backends.cpu.llvm.fft import print_step, print_transform
from wengert.backends.cpu.llvm.hints import (
    access_group,
    counted_opaquely,
    innermost,
    is_masked,
    is_scalar,
    is_short,
    loop_hint,
)
from wengert.backends.cpu.llvm.lapack import print_factorisation
from wengert.backends.cpu.llvm.local import allocate, hold
from wengert.backends.cpu.llvm.look import print_look
from wengert.backends.cpu.llvm.ops import emit_op
from wengert.backends.cpu.llvm.parallel import NOWHERE, Outside
from wengert.backends.cpu.llvm.sort import print_selection, print_sort
from wengert.backends.cpu.llvm.stretch import print_stretch
from wengert.backends.cpu.llvm.transpose import print_transposition, transposition
from wengert.backends.cpu.llvm.types import memory_type, value_type
from wengert.backends.cpu.llvm.vector_loop import VectorLoop
from wengert.backends.cpu.llvm.widen import widened
from wengert.backends.cpu.routines.runtime_text import FAIL, POLL, POLL_EVERY
from wengert.backends.cpu.versions import constant_length, in_equal_chunks, in_two_versions
from wengert.ir.scalar import Index, ScalarOp
from wengert.kernels import combine
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Call,
    Check,
    Communicate,
    Declare,
    Factorise,
    Gemm,
    If,
    Kernel,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import walk

ALIGNMENT = 64
FEW_TURNS = 8  # of which LLVM would make at best one vector, which was not found to be possible


_LIBRARIES = {
    "lapack": print_factorisation, "pocketfft": print_transform, "selection": print_selection,
    "sort": print_sort, "fourier": print_step,
}  # fmt: skip
"""What prints the calls of each library."""


class KernelPrinter:
    """Prints one kernel as a function of its buffers' addresses (and of the chunk number)."""

    def __init__(
        self,
        module: Module,
        layout: llvm_calls.Layout,
        kernel: Kernel,
        name: str,
        given: Outside = NOWHERE,
    ) -> None:
        self.given = given
        self.parts = 0  # parallel loops inside
        self.body = Body(module)
        self.kernel = kernel
        self.name = name
        self.layout = layout
        self.checks = has_checks(kernel)
        self.entry: list[str] = []  # allocations
        self.exit: list[str] = []  # releases
        self.settled = True  # no loop is left to LLVM
        self.rare: dict[int, tuple[Stmt, ...]] = {}  # bodies of loops that hardly ever run
        self.buffers, self.written, self.local = kernel_buffers(kernel)
        self.groups = layout.groups(self.buffers)
        for cluster in layout.clusters(self.buffers):
            self.body.same.update((b, cluster[0]) for b in cluster)
        loop = llvm_calls.parallel_loop(kernel)
        self.chunks = (
            None if loop is None or given is not NOWHERE else llvm_calls.constant_range(loop)
        )

    def text(self) -> str:
        body = self.kernel.body
        parameters = ["i64 %chunk"]
        loop = llvm_calls.parallel_loop(self.kernel)
        if loop is not None:
            self.body.indices[loop.index] = "%chunk"
            self._set_range(loop)
            body = in_equal_chunks(self.body.module.builder, loop, self.body.place).body
        parameters += self._parameters()
        self._statements(body)
        scope = self.body.scopes[0]
        linkage = "hidden" if self.given is NOWHERE else "internal"
        attributes = "noinline nounwind"
        if self.body.module.target.vector:
            # LLVM aligns no vectors that it puts aside while it gives out registers: each of 512
            # bits would be in two lines of the cache, and some of those of 256
            attributes += f" alignstack({ALIGNMENT})"
        lines = [
            f"define {linkage} i64 @{self.name}({', '.join(parameters)}) {attributes}"
            f"{self._width()} {{",
            "entry:",
            *self.entry,
            *scope.lines,
            *self.exit,
            "  ret i64 0",
            "}",
            "",
        ]
        self.body.is_quick &= self.settled
        text = self.body.constants("\n".join(lines))
        return counted_opaquely(text) if self.settled else text

    def _width(self) -> str:
        """How wide vectors are that LLVM finds, on machines of which it would take only half."""
        wide = self.body.module.target.masks and not interleaves(self.kernel)
        return ' "prefer-vector-width"="512"' if wide else ""

    def _parameters(self) -> list[str]:
        own = [b for b in self.local if b not in self.given.local]
        self.exit += allocate(self.body, self.entry, own)
        parameters: list[str] = []
        for k, group in enumerate(self.groups):
            name = f"%b{k}"
            for b in group.buffers:
                self.body.pointers[b] = name
            attributes = ["noalias"] if group.exclusive else []
            if not any(b in self.written for b in group.buffers):
                attributes.append("readonly")
            nbytes = max(b.nbytes for b in group.buffers)
            aligned = all(b.space is Space.TEMP for b in group.buffers)
            align = ALIGNMENT if aligned else group.buffers[0].dtype.itemsize
            attributes += ["noundef", f"align {align}"]
            if nbytes:
                attributes.append(f"dereferenceable({nbytes})")
            parameters.append(f"ptr {' '.join(attributes)} {name}")
        declared, lines = llvm_parallel.parameters(self.body, self.given)
        parameters += declared
        self.entry += lines
        if self.checks:
            parameters.append("ptr %failure")
        return parameters

    def _set_range(self, loop: Loop) -> None:
        start = self.body.bounds(loop.start)
        stop = self.body.bounds(loop.stop)
        last = loop.index.extent if stop is None else min(stop[1], loop.index.extent)
        if start is not None:
            self.body.set_range(loop.index, (start[0], max(start[0], last - 1)))

    # statements

    def _statements(self, body: tuple[Stmt, ...]) -> None:
        for stmt in body:
            parts: tuple[Stmt, ...] = (stmt,)
            if isinstance(stmt, Loop) and id(stmt.body) not in self.rare:
                versions, rare = in_two_versions(self.body.module.builder, stmt, self.body.place)
                if versions:
                    parts = versions
                    hold(self.body, self.entry, versions)
                    self.rare[id(rare)] = rare
            for part in parts:
                _PRINTERS[type(part)](self, part)

    def _outlined(self, loop: Loop) -> None:
        """A parallel loop in the middle of the kernel, as a function of its own."""
        body, module = self.body, self.body.module
        self.parts += 1
        name = f"{self.name}.part{self.parts}"
        given = llvm_parallel.outside(loop, self.kernel.body)
        part = KernelPrinter(module, self.layout, Kernel(name, (loop,)), name, given)
        part.body.ranges = {i: body.ranges[i] for i in given.indices if i in body.ranges}
        if part.checks:
            module.failing.add(name)
        module.parts.append(part.text())
        self.settled &= part.settled
        body.is_quick &= part.body.is_quick
        pointers = [body.pointers[g.buffers[0]] for g in part.groups]
        llvm_parallel.call(body, self.entry, name, given, pointers, loop)
        body.forget(self._changed(list(walk(loop.body))))
        if part.checks:
            self._stop_after_failure()

    def _stop_after_failure(self) -> None:
        body = self.body
        failed, fine = body.fresh("failed"), body.fresh("fine")
        code = body.fresh("%code")
        body.line(f"{code} = load i64, ptr %failure")
        none = body.fresh("%none")
        body.line(f"{none} = icmp eq i64 {code}, 0")
        scope = body.scopes[-1]
        body.line(f"br i1 {none}, label %{fine}, label %{failed}, !prof !0")
        scope.lines.append(f"{failed}:")
        scope.lines += self.exit
        body.line("ret i64 1")
        body.start_block(scope, fine)

    def _loop(self, stmt: Loop) -> None:
        if stmt.kind is Kind.PARALLEL:
            self._outlined(stmt)
            return
        body = self.body
        copy = transposition(stmt) if body.module.target.vector else None
        if copy is not None:
            print_transposition(body, copy)
            return
        if print_stretch(body, stmt) or print_look(body, stmt):
            return
        start, stop = body.bounds(stmt.start), body.bounds(stmt.stop)
        if start is not None and stop is not None and stop[1] <= start[0]:
            return
        runs = start is not None and stop is not None and start[1] < stop[0]
        inner = list(walk(stmt.body))
        checks = any(isinstance(s, Check | While | Communicate) for s in inner)
        changed = self._changed(inner)
        if self._in_vectors(stmt, changed):
            return
        label, index = body.fresh("loop"), body.fresh("%i")
        first, last = body.value(stmt.start), body.value(stmt.stop)
        scope = Scope(label, stmt.index, changed, runs and not checks)
        scope.is_scalar, scope.group = is_scalar(stmt), access_group(body.module, stmt)
        body.push(scope)
        body.indices[stmt.index] = index
        self._set_range(stmt)
        self._statements(stmt.body)
        self._close_loop(stmt, body.pop(), (label, index, first, last), runs)

    def _in_vectors(self, loop: Loop, changed: frozenset[Place]) -> bool:
        """Prints a loop with vectors, if it is one of those."""
        plan = None if self._is_edge(loop) else widened(self.body, loop, changed)
        if plan is None or (self._runs_once() and is_short(loop, plan.size)):
            return False
        self.body.is_quick &= plan.is_quick
        VectorLoop(self.body, self.entry, loop, plan, changed, self._set_range).text()
        return True

    def _is_edge(self, loop: Loop) -> bool:
        """Whether a loop hardly ever runs, or has one or two turns."""
        start, stop = self.body.bounds(loop.start), self.body.bounds(loop.stop)
        few = start is not None and stop is not None and stop[1] - start[0] <= 2
        return few or id(loop.body) in self.rare

    def _runs_once(self) -> bool:
        """Whether a loop begun now runs once in a call."""
        return len(self.body.scopes) == 1 and "%chunk" not in self.body.indices.values()

    def _close_loop(
        self, stmt: Loop, scope: Scope, names: tuple[str, str, str, str], runs: bool
    ) -> None:
        label, index, first, last = names
        outer = self.body.scopes[-1]
        short = self._runs_once() and is_short(stmt, len(scope.lines))
        rare = short or self._is_edge(stmt)
        length = constant_length(self.body.module.builder, stmt)
        few = length is not None and length <= FEW_TURNS
        if not (rare or few) and innermost(stmt.body) and not any(map(_leaves, stmt.body)):
            self.settled = False
        if not rare and innermost(stmt.body):
            self.body.is_quick = False  # one number at a time is where LLVM finds most to do
        hint = loop_hint(self.body.module, stmt, len(scope.lines), rare, scope.group)
        lines = scope.lines
        counted = length is not None or is_masked(self.body.module, stmt, len(lines))
        if counted and not rare and first != "0":
            # counted from 0, to a number that LLVM can see through: it would else keep a copy
            # of the loop without vectors, for what they leave over or for an overflow
            shift, (first, last) = first, self._count(first, last, length, stmt.index.extent)
            runs = runs or length is not None
            place, index = index, f"{index}.count"
            lines = [f"  {place} = add nsw i64 {shift}, {index}", *lines]
        done, after = self.body.fresh("%again"), self.body.fresh("after")
        around = any(line.startswith("loop") for line in scope.lines)  # of other loops
        # in one of few turns there is little to gain by better addresses
        following = f"{index}.{'next' if rare or few or around else 'then'}"
        if runs:
            outer.lines.append(f"  br label %{label}")
        else:
            entered = self.body.fresh("%enter")
            outer.lines.append(f"  {entered} = icmp slt i64 {first}, {last}")
            outer.lines.append(f"  br i1 {entered}, label %{label}, label %{after}")
        outer.lines += [
            f"{label}:",
            f"  {index} = phi i64 [ {first}, %{outer.label} ], [ {following}, %{scope.label} ]",
            *lines,
            f"  {following} = add nsw i64 {index}, 1",
            f"  {done} = icmp slt i64 {following}, {last}",
            f"  br i1 {done}, label %{label}, label %{after}{hint}",
        ]
        self.body.start_block(outer, after)

    def _count(self, first: str, last: str, length: int | None, most: int) -> tuple[str, str]:
        """0 and the number of iterations from `first` to `last`, which are `most` at most."""
        if length is not None:
            return "0", str(length)
        between = self.body.op(f"sub nsw i64 {last}, {first}")
        self.body.intrinsic("@llvm.smin.i64", "i64", "i64, i64")
        return "0", self.body.op(f"call i64 @llvm.smin.i64(i64 {between}, i64 {most})")

    def _changed(self, body: list[Stmt]) -> frozenset[Place]:
        """The buffers and registers that statements change."""
        found: set[Place] = set()
        for stmt in body:
            if isinstance(stmt, Store):
                found.add(self.body.place(stmt.buffer))
            elif isinstance(stmt, Call):
                found.add(self.body.place(stmt.out.buffer))
            elif isinstance(stmt, Communicate):
                found.update(map(self.body.place, stmt.outs))
            elif isinstance(stmt, Declare | Assign | Accumulate):
                found.add(stmt.register)
        return frozenset(found)

    def _store(self, stmt: Store) -> None:
        body = self.body
        offset, value = body.value(stmt.offset), body.value(stmt.value)
        body.forget((body.place(stmt.buffer),))
        if stmt.buffer.packed:
            llvm_bits.write_one(body, body.pointers[stmt.buffer], offset, value)
            return
        if stmt.buffer.dtype.kind == "b":
            value = body.op(f"zext i1 {value} to i8")
        address = body.address(stmt.buffer, offset)
        kind = memory_type(stmt.buffer.dtype)
        mark = f"{stmt.buffer.dtype.itemsize}{body.scopes[-1].group}"
        body.line(f"store {kind} {value}, ptr {address}, align {mark}")

    def _declare(self, stmt: Declare) -> None:
        name = self.body.registers[stmt.register] = self.body.fresh("%r")
        self.entry.append(f"  {name} = alloca {value_type(stmt.register.dtype)}")
        # the loops around did not know of registers that `in_two_versions` makes
        for scope in self.body.scopes:
            scope.mutated |= {stmt.register}
        self.body.set_register(stmt.register, self.body.value(stmt.init))

    def _assign(self, stmt: Assign) -> None:
        self.body.set_register(stmt.register, self.body.value(stmt.value))

    def _accumulate(self, stmt: Accumulate) -> None:
        body, register, value = self.body, stmt.register, stmt.value
        kind = value_type(register.dtype)
        sums = stmt.combine in ("add", "mul") and kind in ("float", "double")
        if sums and stmt.combine == "add" and value.op is ScalarOp.MUL:
            # a product of its own, that may contract with the sum
            factors = [body.value(a) for a in value.args]
            operand = body.op(f"fmul contract {kind} {factors[0]}, {factors[1]}")
            body.is_quick = False
        else:
            operand = body.value(value)
        old = body.in_register(register)
        if sums:
            flags = "reassoc contract"
            new = body.op(f"f{stmt.combine} {flags} {kind} {old}, {operand}")
        else:
            s = body.module.builder
            x = s.node(combine.OPS[stmt.combine], (s.register(register), value), register.dtype)
            new = emit_op(body, x, [old, operand])
        body.set_register(register, new)

    def _gemm(self, stmt: Gemm) -> None:
        print_gemm(self.body, self.entry, stmt)

    def _factorise(self, stmt: Factorise) -> None:
        _LIBRARIES[stmt.library](self.body, self.entry, stmt)

    def _communicate(self, stmt: Communicate) -> None:
        status = print_collective(self.body, self.entry, stmt)
        self._fail_unless(self.body.op(f"icmp eq i64 {status}, 0"), stmt.code, "0")

    def _if(self, stmt: If) -> None:
        body = self.body
        condition = body.value(stmt.condition)
        then, otherwise, after = (body.fresh(n) for n in ("then", "else", "end"))
        branches: list[Scope] = []
        for label, statements in ((then, stmt.then), (otherwise, stmt.otherwise)):
            around = body.scopes[-1]
            body.push(Scope(label, is_scalar=around.is_scalar, group=around.group))
            self._statements(statements)
            branches.append(body.pop())
        outer = body.scopes[-1]
        outer.lines.append(f"  br i1 {condition}, label %{then}, label %{otherwise}")
        for label, branch in zip((then, otherwise), branches, strict=True):
            outer.lines += [f"{label}:", *branch.lines, f"  br label %{after}"]
        body.start_block(outer, after)

    def _while(self, stmt: While) -> None:
        body = self.body
        self.settled = False
        head, turn, after = (body.fresh(n) for n in ("head", "turn", "after"))
        changed = self._changed([*walk(stmt.before), *walk(stmt.body)])
        counter = body.fresh("%turns")
        self.entry.append(f"  {counter} = alloca i64")
        body.line(f"store i64 0, ptr {counter}")
        scope = body.push(Scope(head, Index(0), changed, is_scalar=True))
        self._statements(stmt.before)
        condition = body.value(stmt.condition)
        body.line(f"br i1 {condition}, label %{turn}, label %{after}")
        inner = body.push(Scope(turn, is_scalar=True))
        self._poll(counter)
        self._statements(stmt.body)
        body.line(f"br label %{head}")
        body.pop()
        scope.lines += [f"{turn}:", *inner.lines]
        body.pop()
        outer = body.scopes[-1]
        outer.lines += [f"  br label %{head}", f"{head}:", *scope.lines]
        body.forget(changed)
        body.start_block(outer, after)

    def _poll(self, counter: str) -> None:
        """Every so many turns, looks whether the user wants to stop."""
        body = self.body
        llvm_calls.declare(body.module, POLL)
        old = body.op(f"load i64, ptr {counter}")
        new = body.op(f"add nuw i64 {old}, 1")
        body.line(f"store i64 {new}, ptr {counter}")
        low = body.op(f"and i64 {new}, {POLL_EVERY - 1}")
        due = body.op(f"icmp ne i64 {low}, 0")
        poll, go, stop = (body.fresh(name) for name in ("poll", "go", "stop"))
        scope = body.scopes[-1]
        body.line(f"br i1 {due}, label %{go}, label %{poll}, !prof !0")
        scope.lines.append(f"{poll}:")
        status = body.op(f"call i64 @{POLL}(ptr %failure)")
        fine = body.op(f"icmp eq i64 {status}, 0")
        body.line(f"br i1 {fine}, label %{go}, label %{stop}, !prof !0")
        scope.lines.append(f"{stop}:")
        scope.lines += self.exit
        body.line("ret i64 1")
        body.start_block(scope, go)

    def _check(self, stmt: Check) -> None:
        body = self.body
        self._fail_unless(body.value(stmt.condition), stmt.code, body.value(stmt.value))

    def _fail_unless(self, condition: str, code: int, value: str) -> None:
        body = self.body
        llvm_calls.declare(body.module, FAIL)
        failed, fine = body.fresh("failed"), body.fresh("fine")
        scope = body.scopes[-1]
        body.line(f"br i1 {condition}, label %{fine}, label %{failed}, !prof !0")
        scope.lines.append(f"{failed}:")
        body.line(f"call void @{FAIL}(ptr %failure, i64 {code + 1}, i64 {value})")
        scope.lines += self.exit
        body.line("ret i64 1")
        body.start_block(scope, fine)


def _leaves(stmt: Stmt) -> bool:
    """Whether a statement may end the loop around it, or calls what is no code of vectors."""
    return isinstance(stmt, Check | Gemm | Factorise | Communicate)


_PRINTERS: dict[type[Stmt], Callable[[KernelPrinter, Stmt], None]] = {
    Loop: KernelPrinter._loop,  # pyright: ignore
    Store: KernelPrinter._store,  # pyright: ignore
    Declare: KernelPrinter._declare,  # pyright: ignore
    Assign: KernelPrinter._assign,  # pyright: ignore
    Accumulate: KernelPrinter._accumulate,  # pyright: ignore
    If: KernelPrinter._if,  # pyright: ignore
    While: KernelPrinter._while,  # pyright: ignore
    Check: KernelPrinter._check,  # pyright: ignore
    Gemm: KernelPrinter._gemm,  # pyright: ignore
    Factorise: KernelPrinter._factorise,  # pyright: ignore
    Communicate: KernelPrinter._communicate,  # pyright: ignore
}
