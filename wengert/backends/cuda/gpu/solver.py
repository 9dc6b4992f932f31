"""Routines of LAPACK by cuSOLVER, and of BLAS by cuBLAS, through CuPy's bindings of them.

As with LAPACK, matrices stand columns first, so what is passed as one is the transpose of what is
in memory (`ir.ops.lapack` has the rows of results). Batches of small matrices go to the routines
that take all of them at once, others go one after the other. A routine is prepared once: its places
in the workspace, and how much of it the library takes. CuPy lets none of these be captured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from wengert.backends.cuda.device import LibrarySpec
from wengert.backends.cuda.gpu.batched import Batched, host_room
from wengert.backends.cuda.gpu.own import OwnKernels
from wengert.backends.cuda.gpu.ready import Owned, Ready, Room, Run
from wengert.errors import MissingRuleError

# cublasFillMode_t, cublasSideMode_t, cublasDiagType_t, cusolverEigMode_t
LOWER, UPPER, RIGHT, UNIT, VECTORS, NO_VECTORS = 0, 1, 1, 1, 1, 0
# A batch of larger matrices goes one after the other: each of them fills the device.
SMALL = 128
# So many times the batch is the most elements of a matrix whose LU goes together (as in CuPy).
SMALL_LU = 65_536
# The largest matrices of Jacobi methods for batches (cuSOLVER's manual, gesvdjBatched).
SMALL_JACOBI = 32
# The largest matrices whose eigenvalues are found together.
SMALL_EIGEN = 512
# cudaDataType of real and complex numbers, by the bytes of a float.
TYPES = {4: (0, 4), 8: (1, 5)}


@dataclass(slots=True)
class Solver:
    """The libraries, and the kernels that make rows of their results."""

    cupy: Any
    own: OwnKernels
    batched: Batched = field(init=False)

    def __post_init__(self) -> None:
        self.batched = Batched(self.cupy)

    def prepare(self, spec: LibrarySpec) -> Ready:
        """A routine of its caller's own. Raises MissingRuleError for one that is not there."""
        call = Call(self, spec)
        made = _ROUTINES.get(call.name)
        if made is None:
            raise MissingRuleError(
                f"the CUDA back end has no {spec.routine} of LAPACK; compile this function for the "
                "CPU"
            )
        return made(call)


class Call:
    """What a routine is asked for, in terms of the library; `row` and `step` are in bytes."""

    def __init__(self, solver: Solver, spec: LibrarySpec) -> None:
        self.solver = solver
        self.spec = spec
        self.name, _, self.flags = spec.routine.removeprefix("z").partition("_")
        self.pair = 2 if spec.routine.startswith("z") else 1
        self.width = spec.dtype.itemsize
        self.size = self.pair * self.width
        self.letter = {4: "sc", 8: "dz"}[self.width][self.pair - 1]
        self.batch = spec.batch
        self.row = spec.count * self.width
        self.step = prod(spec.shapes[0]) * self.width
        rows, columns = spec.shapes[0]
        self.n, self.m = rows, columns // self.pair  # the transpose of what is in memory
        self.room = Room()
        self.status = self.room.take(4 * spec.batch)

    @property
    def handle(self) -> int:
        """cuSOLVER's for this thread and device."""
        return self.solver.cupy.cuda.device.get_cusolver_handle()

    @property
    def blas(self) -> int:
        """cuBLAS's for this thread and device."""
        return self.solver.cupy.cuda.device.get_cublas_handle()

    def routine(self, name: str) -> Any:
        """cuSOLVER's function for the kind of the numbers, complex ones by their name for it."""
        if self.pair == 2:
            name = name.replace("syev", "heev").replace("orgqr", "ungqr")
        return getattr(self.solver.cupy.cuda.cusolver, self.letter + name)

    def blas_routine(self, name: str) -> Any:
        """The same of cuBLAS."""
        return getattr(self.solver.cupy.cuda.cublas, self.letter + name)

    def numbers(self, count: int) -> int:
        """The offset of room for `count` numbers."""
        return self.room.take(count * self.size)

    def spread(self, out: int, source: int, count: int, given: int | None = None) -> None:
        """Copies `count` numbers of each matrix, which are `given` bytes apart, into the rows."""
        nbytes = count * self.size
        self.copy(out, self.row, source, nbytes if given is None else given, nbytes)

    def copy(self, out: int, step: int, source: int, given: int, nbytes: int) -> None:
        """Copies some bytes for each matrix."""
        cuda = self.solver.cupy.cuda
        stream = cuda.get_current_stream().ptr
        kind = cuda.runtime.memcpyDeviceToDevice
        if self.batch == 1:  # without rows, which have a greatest length
            cuda.runtime.memcpyAsync(out, source, nbytes, kind, stream)
        else:
            cuda.runtime.memcpy2DAsync(out, step, source, given, nbytes, self.batch, kind, stream)

    def launch(self, name: str, work: int, *arguments: int) -> None:
        """Runs a kernel that makes results."""
        names = {"NUMBER": "float" if self.width == 4 else "double"}
        self.solver.own.launch("results.h", names, f"wg_{name}", work, *arguments)

    def finish(self, out: int, work: int) -> None:
        """The statuses as the last numbers of the rows."""
        last = out + self.row - self.width
        self.launch("statuses", self.batch, last, self.spec.count, work + self.status, self.batch)

    def each(self) -> range:
        """The numbers of the matrices."""
        return range(self.batch)

    def ready(self, run: Run) -> Ready:
        """The routine with the workspace that was taken."""
        cuda = self.solver.cupy.cuda
        errors = (cuda.cusolver.CUSOLVERError, cuda.cublas.CUBLASError)
        return Ready(self.room.size, run, False, errors)


def _potrf(c: Call) -> Ready:
    n, together = c.n, c.batch > 1 and c.n <= SMALL
    lwork = 0 if together else c.routine("potrf_bufferSize")(c.handle, UPPER, n, 0, n)
    place = c.room.take(8 * c.batch) if together else c.numbers(lwork)

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        c.spread(out, sources[0], n * n)
        room, status = work + place, work + c.status
        if together:
            c.launch("addresses", c.batch, room, out, c.row, c.batch)
            c.routine("potrfBatched")(c.handle, UPPER, n, room, n, status, c.batch)
        else:
            for k in c.each():
                at = (out + k * c.row, n, room, lwork, status + 4 * k)
                c.routine("potrf")(c.handle, UPPER, n, *at)
        c.finish(out, work)

    return c.ready(run)


def _getrf(c: Call) -> Ready:
    n, together = c.n, c.batch > 1 and c.batch * SMALL_LU >= c.n * c.n
    lwork = 0 if together else c.routine("getrf_bufferSize")(c.handle, n, n, 0, n)
    place = c.room.take(8 * c.batch) if together else c.numbers(lwork)
    pivots, order = (c.room.take(4 * n * c.batch) for _ in range(2))

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        c.spread(out, sources[0], n * n)
        room, status, swaps = work + place, work + c.status, work + pivots
        if together:
            c.launch("addresses", c.batch, room, out, c.row, c.batch)
            c.blas_routine("getrfBatched")(c.blas, n, room, n, swaps, status, c.batch)
        else:
            for k in c.each():
                at = (out + k * c.row, n, room, swaps + 4 * n * k, status + 4 * k)
                c.routine("getrf")(c.handle, n, n, *at)
        end = out + n * n * c.size
        c.launch("permutations", 256 * c.batch, end, c.spec.count, swaps, work + order, n, c.batch)
        c.finish(out, work)

    return c.ready(run)


def _syevd(c: Call) -> Ready:
    if c.batch > 1 and c.n <= SMALL_JACOBI:
        return _syevj(c)
    if c.batch > 1 and c.n <= SMALL_EIGEN and c.solver.batched.has_syev:
        return _syev_batched(c)
    n = c.n
    lwork = c.routine("syevd_bufferSize")(c.handle, VECTORS, LOWER, n, 0, n, 0)
    place = c.numbers(lwork)

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        c.spread(out, sources[0], n * n)
        for k in c.each():
            matrix = out + k * c.row
            at = (matrix, n, matrix + n * n * c.size, work + place, lwork, work + c.status + 4 * k)
            c.routine("syevd")(c.handle, VECTORS, LOWER, n, *at)
        c.finish(out, work)

    return c.ready(run)


def _syevj(c: Call) -> Ready:
    """All small matrices at once, without gaps between them; results are copied to the rows."""
    n, library = c.n, c.solver.cupy.cuda.cusolver
    params = Owned(library.createSyevjInfo(), library.destroySyevjInfo)
    vectors, values = c.numbers(n * n * c.batch), c.room.take(n * c.width * c.batch)
    find = c.routine("syevjBatched_bufferSize")
    lwork = find(c.handle, VECTORS, LOWER, n, 0, n, 0, params.address, c.batch)
    place = c.numbers(lwork)

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        nbytes = n * n * c.size
        c.copy(work + vectors, nbytes, sources[0], nbytes, nbytes)
        rooms = (work + vectors, n, work + values, work + place, lwork, work + c.status)
        sizes = (params.address, c.batch)
        c.routine("syevjBatched")(c.handle, VECTORS, LOWER, n, *rooms, *sizes)
        c.spread(out, work + vectors, n * n)
        c.copy(out + nbytes, c.row, work + values, n * c.width, n * c.width)
        c.finish(out, work)

    return c.ready(run)


def _syev_batched(c: Call) -> Ready:
    """The same of matrices that are larger."""
    n, library = c.n, c.solver.cupy.cuda.cusolver
    params = Owned(library.createParams(), library.destroyParams)
    kinds = TYPES[c.width]
    head = (params.address, VECTORS, LOWER, n, kinds[c.pair - 1])
    tail = (kinds[0], kinds[c.pair - 1], c.batch)
    vectors, values = c.numbers(n * n * c.batch), c.room.take(n * c.width * c.batch)
    nbytes, host_bytes = c.solver.batched.syev_rooms(head, tail)
    place, host = c.room.take(nbytes), host_room(host_bytes)

    def run(sources: tuple[int, ...], out: int, work: int, keep: Any = params) -> None:
        size = n * n * c.size
        c.copy(work + vectors, size, sources[0], size, size)
        places = (work + vectors, work + values, work + place, nbytes, work + c.status)
        c.solver.batched.syev(head, tail, places, host)
        c.spread(out, work + vectors, n * n)
        c.copy(out + size, c.row, work + values, n * c.width, n * c.width)
        c.finish(out, work)

    return c.ready(run)


def _geev(c: Call) -> Ready:
    n, library = c.n, c.solver.cupy.cuda.cusolver
    params = Owned(library.createParams(), library.destroyParams)
    real, pairs = TYPES[c.width]
    kind = (real, pairs)[c.pair - 1]
    matrices, values = c.numbers(n * n * c.batch), c.room.take(2 * n * c.width * c.batch)

    def given(matrix: int, own: int, vectors: int) -> tuple[int, ...]:
        first = (c.handle, params.address, NO_VECTORS, VECTORS, n, kind, matrix, n, pairs, own)
        return (*first, kind, vectors, n, kind, vectors, n, kind)

    nbytes, host_bytes = library.xgeev_bufferSize(*given(0, 0, 0))
    place, host = c.room.take(nbytes), np.empty(max(1, host_bytes), np.uint8)

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        c.copy(work + matrices, c.step, sources[0], c.step, c.step)
        for k in c.each():
            own, vectors = work + values + 2 * n * c.width * k, out + k * c.row
            rooms = (work + place, nbytes, host.ctypes.data, host_bytes, work + c.status + 4 * k)
            library.xgeev(*given(work + matrices + k * c.step, own, vectors), *rooms)
        end = out + n * n * c.size
        if c.pair == 2:
            c.spread(end, work + values, n)
        else:
            c.launch("parts", n * c.batch, end, c.spec.count, work + values, n, c.batch)
        c.finish(out, work)

    return c.ready(run)


def _geqrf(c: Call) -> Ready:
    m, n, k = c.m, c.n, min(c.m, c.n)
    if c.batch > 1 and min(m, n) <= SMALL:
        return _geqrf_batched(c)
    lwork = c.routine("geqrf_bufferSize")(c.handle, m, n, 0, m)
    lwork = max(lwork, c.routine("orgqr_bufferSize")(c.handle, m, k, k, 0, m, 0))
    tau, place = c.numbers(k), c.numbers(lwork)

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        c.spread(out, sources[0], m * n)
        for one in c.each():
            status = work + c.status + 4 * one
            rooms, matrix = (work + tau, work + place, lwork, status), out + one * c.row
            c.routine("geqrf")(c.handle, m, n, matrix, m, *rooms)
            vectors = matrix + m * n * c.size
            _copy_within(c, vectors, matrix, m * k)
            c.routine("orgqr")(c.handle, m, k, k, vectors, m, *rooms)
        c.finish(out, work)

    return c.ready(run)


def _geqrf_batched(c: Call) -> Ready:
    """All matrices at once; Q is made of their reflections by a kernel of the driver's own."""
    m, n, k = c.m, c.n, min(c.m, c.n)
    matrices, lists = c.room.take(8 * c.batch), c.room.take(8 * c.batch)
    taus, step = c.numbers(k * c.batch), k * c.size

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        c.spread(out, sources[0], m * n)
        c.launch("addresses", c.batch, work + matrices, out, c.row, c.batch)
        c.launch("addresses", c.batch, work + lists, work + taus, step, c.batch)
        given = (m, n, work + matrices, m, work + lists, c.batch)
        c.solver.batched.geqrf(c.letter, *given)
        sizes = (m, n, k, c.pair, c.batch)
        c.launch("reflected", 32 * k * c.batch, out, c.spec.count, work + taus, *sizes)
        cuda = c.solver.cupy.cuda
        stream = cuda.get_current_stream().ptr
        cuda.runtime.memsetAsync(work + c.status, 0, 4 * c.batch, stream)
        c.finish(out, work)

    return c.ready(run)


def _copy_within(c: Call, out: int, source: int, count: int) -> None:
    """Copies numbers of one matrix."""
    cuda = c.solver.cupy.cuda
    kind, stream = cuda.runtime.memcpyDeviceToDevice, cuda.get_current_stream().ptr
    cuda.runtime.memcpyAsync(out, source, count * c.size, kind, stream)


def _gesdd(c: Call) -> Ready:
    """By Jacobi's method, which takes matrices of any shape; V comes untransposed."""
    m, n, k = c.m, c.n, min(c.m, c.n)
    together = c.batch > 1 and max(m, n) <= SMALL_JACOBI
    library = c.solver.cupy.cuda.cusolver
    params = Owned(library.createGesvdjInfo(), library.destroyGesvdjInfo)
    matrices = c.numbers(m * n * c.batch)
    lefts, rights = (m * m, n * n) if together else (0, n * k)  # numbers for each matrix
    left, right = c.numbers(lefts * c.batch), c.numbers(rights * c.batch)
    values = c.room.take(k * c.width * c.batch)
    head = (c.handle, VECTORS, m, n) if together else (c.handle, VECTORS, 1, m, n)
    tail = (params.address, c.batch) if together else (params.address,)
    name = "gesvdjBatched" if together else "gesvdj"
    lwork = c.routine(name + "_bufferSize")(*head, 0, m, 0, 0, m, 0, n, *tail)
    place = c.numbers(lwork)

    def run(sources: tuple[int, ...], out: int, work: int, keep: Any = params) -> None:
        c.copy(work + matrices, c.step, sources[0], c.step, c.step)
        for one in (0,) if together else c.each():
            vectors = work + left if together else out + one * c.row
            where = (work + matrices + one * c.step, m, work + values + one * k * c.width)
            where += (vectors, m, work + right + one * rights * c.size, n)
            rooms = (work + place, lwork, work + c.status + 4 * one)
            c.routine(name)(c.handle, *head[1:], *where, *rooms, *tail)
        if together:
            c.spread(out, work + left, m * k, lefts * c.size)
        second = out + m * k * c.size
        sizes = (rights * c.pair, n, k, c.pair, c.batch)
        c.launch("turned", n * k * c.pair * c.batch, second, c.spec.count, work + right, *sizes)
        end = second + n * k * c.size
        c.copy(end, c.row, work + values, k * c.width, k * c.width)
        c.finish(out, work)

    return c.ready(run)


def _trsm(c: Call) -> Ready:
    """X of A X = B as X' A' = B', on what the library sees, A' and B'."""
    n, m = c.n, c.spec.shapes[1][1] // c.pair
    uplo, trans, diag = c.flags
    together = c.batch > 1 and n <= SMALL
    lists = [c.room.take(8 * c.batch) for _ in range(2 * together)]
    modes = (RIGHT, UPPER if uplo == "L" else LOWER, int(trans == "T"), UNIT * (diag == "U"), m, n)
    one = np.array([1, 0], c.spec.dtype)

    def run(sources: tuple[int, ...], out: int, work: int) -> None:
        c.copy(out, c.row, sources[1], c.row, c.row)
        if together:
            for place, first, step in zip(lists, (sources[0], out), (c.step, c.row), strict=True):
                c.launch("addresses", c.batch, work + place, first, step, c.batch)
            a, b = (work + place for place in lists)
            given = (one.ctypes.data, a, n, b, m, c.batch)
            c.blas_routine("trsmBatched")(c.blas, *modes, *given)
            return
        for k in c.each():
            given = (one.ctypes.data, sources[0] + k * c.step, n, out + k * c.row, m)
            c.blas_routine("trsm")(c.blas, *modes, *given)

    return c.ready(run)


_ROUTINES: dict[str, Callable[[Call], Ready]] = {
    "potrf": _potrf,
    "getrf": _getrf,
    "syevd": _syevd,
    "geev": _geev,
    "geqrf": _geqrf,
    "gesdd": _gesdd,
    "trsm": _trsm,
}
