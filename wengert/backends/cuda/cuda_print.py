"""Grid-scheduled kernels as CUDA C++.

A kernel's parameters are the addresses of its buffers, then of the program's failure record if it
has any checks, then of what a wide kernel's threads meet at.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.backends.cuda.cuda_expr import Body
from wengert.backends.cuda.cuda_team import Size, Team
from wengert.backends.cuda.cuda_thread import Thread, index_type
from wengert.backends.cuda.cuda_types import memory_type
from wengert.backends.cuda.cuda_vectors import print_vector
from wengert.backends.cuda.device import KernelSpec
from wengert.backends.cuda.vectors import Vectors, find_vectors
from wengert.kernels.grid.team import team_locals
from wengert.kernels.loops import Buffer, Kernel, Kind, Loop, Space
from wengert.kernels.statements import buffers, changed

BLOCK = 256  # threads of a block where each does work of its own
WARP = 32
PACKED = 4  # teams of a warp that share a block
MAX_BLOCKS = 1 << 20
# Blocks of a loop whose number of turns is not known, and of a wide kernel: two for each of the
# processors of a large device.
RESIDENT = 264
ALIGNMENT = 16


@dataclass(frozen=True, slots=True)
class Printed:
    """A kernel's text, its launch, and the buffers that its first parameters are."""

    text: str
    spec: KernelSpec
    buffers: tuple[Buffer, ...]
    checks: bool
    wide: bool


def print_kernel(kernel: Kernel, name: str, checks: bool) -> Printed:
    """The text of one kernel; with `checks` it takes part in the program's failure record."""
    first = kernel.body[0]
    outer = first if len(kernel.body) == 1 and isinstance(first, Loop) else None
    if outer is not None and outer.kind is Kind.GRID:
        return _Printer(kernel, name, checks).grid(outer)
    if kernel.threads == 1:
        return _Printer(kernel, name, checks).single()
    is_blocks = outer is not None and outer.kind is Kind.BLOCK
    return _Printer(kernel, name, checks).team(outer if is_blocks else None)


class _Printer:
    def __init__(self, kernel: Kernel, name: str, checks: bool) -> None:
        self.kernel = kernel
        self.name = name
        self.checks = checks
        self.body = Body()
        used = buffers(kernel.body)
        self.buffers = tuple(b for b in used if b.space is not Space.LOCAL)
        self.local = [b for b in used if b.space is Space.LOCAL]
        for k, buffer in enumerate(self.buffers):
            self.body.pointers[buffer] = f"b{k}"
        self.thread = Thread(self.body)
        self.together = False  # whether threads read what others have written

    def finish(self, blocks: int, threads: int, shared: int = 0) -> Printed:
        wide = self.kernel.wide
        spec = KernelSpec(self.name, blocks, threads, shared, wide)
        head = f"WG_KERNEL({self.name}, {threads})({', '.join(self.parameters())})"
        text = "\n".join([f"// {self.kernel.name}", f"{head} {{", *self.body.lines, "}", ""])
        return Printed(text, spec, self.buffers, self.checks, wide)

    def parameters(self) -> list[str]:
        """The addresses of buffers and whatever else a kernel takes.

        What the threads of a team write to each other is not marked as restricted: the compiler
        takes it from there that no other thread changes it, and goes on with what it has loaded
        before a barrier instead of loading it again (seen in NVRTC's PTX).
        """
        written = changed(self.kernel.body)
        found: list[str] = []
        for buffer in self.buffers:
            const = "" if buffer in written else "const "
            alone = not self.together or buffer not in written
            name = ("__restrict__ " if alone else "") + self.body.pointers[buffer]
            found.append(f"{const}{memory_type(buffer.dtype)}* {name}")
        if self.checks:
            found.append("long long* failure")
        if self.kernel.wide:
            found.append("unsigned char* meeting")
        return found

    # work of single threads

    def single(self) -> Printed:
        """All of it by one thread."""
        self.stop_if_failed()
        self.thread.turn(self.kernel.body, self.local)
        return self.finish(1, 1)

    def stop_if_failed(self) -> None:
        if self.checks:
            self.body.line("if (failure[0] != 0) return;")

    def grid(self, loop: Loop) -> Printed:
        """A thread for each turn, or for each vector of turns."""
        self.stop_if_failed()
        whole = loop.start.is_const and loop.start.attr == 0 and loop.stop.is_const
        vectors = find_vectors(loop.body, loop.index) if whole and not self.local else None
        width = 1 if vectors is None else vectors.width
        count = -(-loop.index.extent // (BLOCK * width))
        blocks = max(1, count if count <= MAX_BLOCKS else 8 * RESIDENT)
        body, kind = self.body, index_type(loop)
        start, stop = body.value(loop.start), body.value(loop.stop)
        index = self.thread.index_of(loop)
        place = f"({kind})wg_block() * {BLOCK} + wg_thread()"
        place = place if width == 1 else f"({place}) * {width}"
        place = place if start == "0" else f"{start} + {place}"
        if blocks == count:
            body.line(f"const {kind} {index} = {place};")
            body.open(f"if ({index} < {stop})")
        else:
            step = f"({kind})wg_blocks() * {BLOCK * width}"
            body.open(f"for ({kind} {index} = {place}; {index} < {stop}; {index} += {step})")
        if vectors is None:
            self.thread.turn(loop.body, self.local)
        else:
            self.in_vectors(loop, index, vectors)
        body.close()
        return self.finish(blocks, BLOCK)

    def in_vectors(self, loop: Loop, index: str, vectors: Vectors) -> None:
        """A vector of turns, with its loads and stores whole unless the end cuts it short."""
        body, width, turns = self.body, vectors.width, loop.stop.attr
        if turns % width:
            body.open(f"if ({index} + {width} <= {turns})")
        print_vector(self.thread, loop.body, loop.index, index, vectors, ())
        if turns % width:
            body.close("} else {")
            body.reopen()
            last = body.fresh("i")
            kind = index_type(loop)
            body.open(f"for ({kind} {last} = {index}; {last} < {turns}; ++{last})")
            body.indices[loop.index] = last
            self.thread.turn(loop.body, ())
            body.close()
            body.close()

    # work of teams

    def team(self, loop: Loop | None) -> Printed:
        """The work of one team, or of one for each turn of a loop."""
        threads, wide = self.kernel.threads, self.kernel.wide
        self.together = True
        packed = PACKED if loop is not None and threads == WARP else 1
        body = self.body
        body.line("WG_DYNAMIC(dynamic);")
        body.line(f"const int lane = {self.lane(threads, packed, wide)};")
        inner = self.kernel.body if loop is None else loop.body
        near = set(team_locals(self.kernel.body))
        team = Team(self.thread, Size(threads, wide, self.checks), inner, near)
        kept = {b for row in team.rows.values() for b in row.buffers}
        shared = self.shared_memory([b for b in self.local if b in near - kept], threads, packed)
        if self.checks:
            team.leave_if("failure[0] != 0")
        if loop is None:
            team.statements(inner)
            return self.finish(RESIDENT if wide else 1, threads, shared)
        blocks = self.turns(team, loop, threads, packed)
        return self.finish(blocks, threads * packed, shared * packed)

    def lane(self, threads: int, packed: int, wide: bool) -> str:
        if packed > 1:
            return f"wg_thread() % {threads}"
        return f"wg_block() * {threads} + wg_thread()" if wide else "wg_thread()"

    def shared_memory(self, buffers: list[Buffer], threads: int, packed: int) -> int:
        """Places buffers in the team's shared memory, after what sums need; its bytes."""
        places: list[tuple[Buffer, int]] = []
        size = WARP * 8 if threads > WARP else 0
        for buffer in buffers:
            places.append((buffer, size))
            size += -(-buffer.nbytes // ALIGNMENT) * ALIGNMENT
        base = f"(dynamic + wg_thread() / {threads} * {size})" if packed > 1 else "dynamic"
        if threads > WARP:
            self.body.line(f"unsigned char* scratch = {base};")
        for buffer, at in places:
            name = self.body.pointers[buffer] = self.body.fresh("s")
            kind = memory_type(buffer.dtype)
            self.body.line(f"{kind}* {name} = ({kind}*)({base} + {at});")
        return size

    def turns(self, team: Team, loop: Loop, threads: int, packed: int) -> int:
        """A turn for each team; the number of blocks."""
        body, kind = self.body, index_type(loop)
        count = -(-loop.index.extent // packed)
        blocks = max(1, count if count <= MAX_BLOCKS else 8 * RESIDENT)
        start, stop = body.value(loop.start), body.value(loop.stop)
        index = self.thread.index_of(loop)
        place = f"({kind})wg_block()"
        if packed > 1:
            place = f"{place} * {packed} + wg_thread() / {threads}"
        place = place if start == "0" else f"{start} + {place}"
        if blocks == count:
            body.line(f"const {kind} {index} = {place};")
            body.open(f"if ({index} < {stop})")
            team.statements(loop.body)
        else:
            step = f"({kind})wg_blocks() * {packed}"
            body.open(f"for ({kind} {index} = {place}; {index} < {stop}; {index} += {step})")
            team.statements(loop.body)
            team.barrier()
        body.close()
        return blocks
