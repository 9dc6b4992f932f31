"""Stand-ins for CuPy's cuSOLVER, cuBLAS, cuFFT and Thrust, which compute with NumPy and SciPy.

Matrices are read as the libraries do, columns first with their leading dimensions, and calls wait in
the queue of the current stream, so that a wrong layout, size or order gives wrong results. As
CuPy's, those of cuSOLVER and cuBLAS refuse to be captured.
"""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

DTYPES: dict[str, Any] = {"s": np.float32, "d": np.float64, "c": np.complex64, "z": np.complex128}


ROOM = 3  # numbers of workspace that each routine of cuSOLVER asks for


class CUSOLVERError(RuntimeError):
    """As CuPy's."""


class CUBLASError(RuntimeError):
    """As CuPy's."""


class CuFFTError(RuntimeError):
    """As CuPy's."""


def flat(address: int, count: int, dtype: Any) -> Any:
    """The elements at an address."""
    memory: Any = (ctypes.c_uint8 * max(1, count * np.dtype(dtype).itemsize)).from_address(address)
    return np.frombuffer(memory, dtype, count)


def matrix(address: int, rows: int, columns: int, leading: int, dtype: Any) -> Any:
    """A matrix that stands columns first."""
    assert leading >= max(1, rows)
    return flat(address, leading * columns, dtype).reshape(columns, leading).T[:rows]


class Library:
    """What the libraries share: a queue to wait in, and names with a letter for the kind."""

    def __init__(self, gpu: Any, handle: int) -> None:
        self.gpu, self.handle = gpu, handle

    def setStream(self, handle: int, stream: int) -> None:
        self.gpu.handles[handle] = stream

    def put(self, handle: int, work: Callable[[], None]) -> None:
        assert handle == self.handle
        stream = self.gpu.streams[-1]
        if stream.captured is not None:
            raise NotImplementedError("calling cuSOLVER API during stream capture is unsupported")
        stream.put(work)

    def __getattr__(self, name: str) -> Any:
        kind, rest = name[0], name[1:].replace("heev", "syev").replace("ungqr", "orgqr")
        known = hasattr(type(self), "_" + rest.removesuffix("_bufferSize"))
        if kind not in DTYPES or not known:
            raise AttributeError(name)
        # complex routines have names of their own
        assert kind in "sd" or not name[1:].startswith(("syev", "orgqr"))
        assert kind in "cz" or not name[1:].startswith(("heev", "ungqr"))
        if name.endswith("_bufferSize"):
            return lambda *arguments: ROOM
        function = getattr(self, "_" + rest)
        return lambda *arguments: function(DTYPES[kind], *arguments)


class Solver(Library):
    """cupy.cuda.cusolver."""

    CUSOLVERError = CUSOLVERError
    alive = 0

    def _create(self) -> int:
        self.alive += 1
        return 21

    def _destroy(self, address: int) -> None:
        assert address == 21
        self.alive -= 1

    def usable(self, address: int) -> None:
        """What a routine is given has not been destroyed."""
        assert address == 21 and self.alive > 0

    def createParams(self) -> int:
        return self._create()

    def createSyevjInfo(self) -> int:
        return self._create()

    def createGesvdjInfo(self) -> int:
        return self._create()

    def destroyParams(self, address: int) -> None:
        self._destroy(address)

    def destroySyevjInfo(self, address: int) -> None:
        self._destroy(address)

    def destroyGesvdjInfo(self, address: int) -> None:
        self._destroy(address)

    def spoil(self, dtype: Any, work: int, lwork: int) -> None:
        flat(work, lwork, dtype)[:] = np.nan

    def _potrf(
        self, dtype: Any, handle: int, uplo: int, n: int, a: int, lda: int, *rest: int
    ) -> None:
        work, lwork, info = rest

        def run() -> None:
            self.spoil(dtype, work, lwork)
            flat(info, 1, np.int32)[0] = self.cholesky(dtype, uplo, n, a, lda)

        self.put(handle, run)

    def cholesky(self, dtype: Any, uplo: int, n: int, a: int, lda: int) -> int:
        assert uplo == 1
        seen = matrix(a, n, n, lda, dtype)
        upper = np.triu(seen)
        try:
            whole = upper + np.triu(seen, 1).conj().T
            seen[...] = np.linalg.cholesky(whole).conj().T + np.tril(np.full_like(seen, 7), -1)
        except np.linalg.LinAlgError:
            return 2
        return 0

    def _potrfBatched(
        self, dtype: Any, handle: int, uplo: int, n: int, places: int, *rest: int
    ) -> None:
        lda, info, batch = rest

        def run() -> None:
            for k, a in enumerate(flat(places, batch, np.uint64)):
                found = self.cholesky(dtype, uplo, n, int(a), lda)
                flat(info, batch, np.int32)[k] = found

        self.put(handle, run)

    def _getrf(self, dtype: Any, handle: int, m: int, n: int, a: int, lda: int, *rest: int) -> None:
        pivots, info = rest[1:]
        self.put(handle, lambda: factors(dtype, n, a, lda, pivots, info))

    def _syevd(
        self, dtype: Any, handle: int, jobz: int, uplo: int, n: int, a: int, *rest: int
    ) -> None:
        lda, w, work, lwork, info = rest

        def run() -> None:
            self.spoil(dtype, work, lwork)
            self.symmetric(dtype, n, matrix(a, n, n, lda, dtype), w)
            flat(info, 1, np.int32)[0] = 0

        assert (jobz, uplo) == (1, 0)
        self.put(handle, run)

    def symmetric(self, dtype: Any, n: int, seen: Any, w: int) -> None:
        values, vectors = np.linalg.eigh(seen, "L")
        seen[...] = vectors
        flat(w, n, values.dtype)[:] = values

    def _syevjBatched(
        self, dtype: Any, handle: int, jobz: int, uplo: int, n: int, a: int, *rest: int
    ) -> None:
        lda, w, work, lwork, info, params, batch = rest
        size, width = np.dtype(dtype).itemsize, np.dtype(dtype).type(0).real.itemsize
        self.usable(params)
        assert n <= 32 and (jobz, uplo) == (1, 0)

        def run() -> None:
            self.spoil(dtype, work, lwork)
            for k in range(batch):
                seen = matrix(a + k * lda * n * size, n, n, lda, dtype)
                self.symmetric(dtype, n, seen, w + k * n * width)
            flat(info, batch, np.int32)[:] = 0

        self.put(handle, run)

    def _geqrf(self, dtype: Any, handle: int, m: int, n: int, a: int, lda: int, *rest: int) -> None:
        tau, _, _, info = rest

        def run() -> None:
            seen = matrix(a, m, n, lda, dtype)
            (raw, found), _ = scipy.linalg.qr(seen, mode="raw")
            seen[...] = raw
            flat(tau, min(m, n), dtype)[:] = found
            flat(info, 1, np.int32)[0] = 0

        self.put(handle, run)

    def _orgqr(
        self, dtype: Any, handle: int, m: int, n: int, k: int, a: int, lda: int, *rest: int
    ) -> None:
        tau, _, _, info = rest

        def run() -> None:
            name = "ungqr" if np.dtype(dtype).kind == "c" else "orgqr"
            function = scipy.linalg.get_lapack_funcs(name, dtype=dtype)
            seen = matrix(a, m, n, lda, dtype)
            seen[...] = function(np.asfortranarray(seen), flat(tau, k, dtype))[0]
            flat(info, 1, np.int32)[0] = 0

        self.put(handle, run)

    def _gesvdj(
        self, dtype: Any, handle: int, jobz: int, econ: int, m: int, n: int, a: int, *rest: int
    ) -> None:
        lda, s, u, ldu, v, ldv, _, _, info, params = rest
        self.usable(params)
        assert (jobz, econ) == (1, 1)

        def run() -> None:
            left, values, right = np.linalg.svd(matrix(a, m, n, lda, dtype), full_matrices=False)
            k = min(m, n)
            flat(s, k, values.dtype)[:] = values
            matrix(u, m, k, ldu, dtype)[...] = left
            matrix(v, n, k, ldv, dtype)[...] = right.conj().T
            flat(info, 1, np.int32)[0] = 0

        self.put(handle, run)

    def _gesvdjBatched(
        self, dtype: Any, handle: int, jobz: int, m: int, n: int, a: int, *rest: int
    ) -> None:
        lda, s, u, ldu, v, ldv, _, _, info, params, batch = rest
        size, k = np.dtype(dtype).itemsize, min(m, n)
        self.usable(params)
        assert max(m, n) <= 32

        def run() -> None:
            for one in range(batch):
                seen = matrix(a + one * lda * n * size, m, n, lda, dtype)
                left, values, right = np.linalg.svd(seen)
                flat(s, batch * k, values.dtype)[one * k :][:k] = values
                matrix(u + one * ldu * m * size, m, m, ldu, dtype)[...] = left
                matrix(v + one * ldv * n * size, n, n, ldv, dtype)[...] = right.conj().T
            flat(info, batch, np.int32)[:] = 0

        self.put(handle, run)

    def xgeev_bufferSize(self, handle: int, params: int, *arguments: int) -> tuple[int, int]:
        assert (handle, params) == (self.handle, 21)
        return 64, 8

    def xgeev(self, handle: int, params: int, left: int, right: int, n: int, *rest: int) -> None:
        kind, a, lda, pairs, w, _, _, _, same, vr, ldvr, compute, _, nbytes, host, _, info = rest
        kinds = {0: np.float32, 1: np.float64, 4: np.complex64, 5: np.complex128}
        self.usable(params)
        assert (left, right, nbytes, same, compute) == (0, 1, 64, kind, kind)
        flat(host, 8, np.uint8)[:] = 1

        def run() -> None:
            seen = matrix(a, n, n, lda, kinds[kind])
            values, vectors = np.linalg.eig(seen)
            flat(w, n, kinds[pairs])[:] = values
            packed = vectors
            if kind < 4:
                packed = vectors.real.copy()
                second = np.flatnonzero(values.imag < 0)
                packed[:, second] = vectors[:, second - 1].imag
            matrix(vr, n, n, ldvr, kinds[kind])[...] = packed
            flat(info, 1, np.int32)[0] = 0

        self.put(handle, run)


def factors(dtype: Any, n: int, a: int, lda: int, pivots: int, info: int) -> None:
    """LU with partial pivoting, rows counted from 1."""
    seen = matrix(a, n, n, lda, dtype)
    found, swaps, status = scipy.linalg.get_lapack_funcs("getrf", dtype=dtype)(seen)
    seen[...] = found
    flat(pivots, n, np.int32)[:] = swaps + 1
    flat(info, 1, np.int32)[0] = status


class Blas(Library):
    """cupy.cuda.cublas."""

    CUBLASError = CUBLASError

    def _getrfBatched(
        self, dtype: Any, handle: int, n: int, places: int, lda: int, *rest: int
    ) -> None:
        pivots, info, batch = rest

        def run() -> None:
            for k, a in enumerate(flat(places, batch, np.uint64)):
                factors(dtype, n, int(a), lda, pivots + 4 * n * k, info + 4 * k)

        self.put(handle, run)

    def solved(
        self, dtype: Any, modes: Any, scale: Any, a: int, lda: int, b: int, ldb: int
    ) -> None:
        side, uplo, trans, diag, m, n = modes
        assert side == 1 and scale == 1
        left, right = matrix(a, n, n, lda, dtype), matrix(b, m, n, ldb, dtype)
        solve = scipy.linalg.get_blas_funcs("trsm", dtype=dtype)
        right[...] = solve(1, left, right, side, not uplo, trans, diag)

    def _trsm(self, dtype: Any, handle: int, *arguments: int) -> None:
        modes, (alpha, a, lda, b, ldb) = arguments[:6], arguments[6:]
        scale = flat(alpha, 1, dtype)[0]
        self.put(handle, lambda: self.solved(dtype, modes, scale, a, lda, b, ldb))

    def _trsmBatched(self, dtype: Any, handle: int, *arguments: int) -> None:
        modes, (alpha, lefts, lda, rights, ldb, batch) = arguments[:6], arguments[6:]
        scale = flat(alpha, 1, dtype)[0]

        def run() -> None:
            pairs = zip(*(flat(x, batch, np.uint64) for x in (lefts, rights)), strict=True)
            for a, b in pairs:
                self.solved(dtype, modes, scale, int(a), lda, int(b), ldb)

        self.put(handle, run)


TYPES: dict[int, Any] = {0: np.float32, 1: np.float64, 4: np.complex64, 5: np.complex128}


class Plain:
    """libcublas and libcusolver as ctypes calls them, on the stream that their handles were given."""

    def __init__(self, gpu: Any, solver: Solver) -> None:
        self.gpu, self.solver = gpu, solver

    def put(self, handle: Any, number: int, work: Callable[[], None]) -> int:
        assert handle.value == number
        assert self.gpu.handles[number] == self.gpu.streams[-1].ptr
        self.gpu.streams[-1].put(work)
        return 0

    def __getattr__(self, name: str) -> Any:
        letter = name.removeprefix("cublas")[0].lower()
        if not name.endswith("geqrfBatched") or letter not in DTYPES:
            raise AttributeError(name)
        return lambda *arguments: self.geqrf(DTYPES[letter], *arguments)

    def geqrf(self, dtype: Any, handle: Any, m: Any, n: Any, places: Any, *rest: Any) -> int:
        lda, taus, info, batch = rest
        info._obj.value = 0

        def run() -> None:
            for k in range(batch.value):
                a = int(flat(places.value, batch.value, np.uint64)[k])
                seen = matrix(a, m.value, n.value, lda.value, dtype)
                (raw, tau), _ = scipy.linalg.qr(seen, mode="raw")
                seen[...] = raw
                place = int(flat(taus.value, batch.value, np.uint64)[k])
                flat(place, len(tau), dtype)[:] = tau

        return self.put(handle, 12, run)

    def cusolverDnXsyevBatched_bufferSize(self, handle: Any, params: Any, *rest: Any) -> int:
        *_, device, host, _ = rest
        device._obj.value, host._obj.value = 96, 16
        return 0

    def cusolverDnXsyevBatched(self, handle: Any, params: Any, *rest: Any) -> int:
        jobz, uplo, n, kind, a, lda, real, w, computed, *rooms = (r.value for r in rest)
        room, nbytes, host, host_bytes, info, batch = rooms
        self.solver.usable(params.value)
        assert (jobz, uplo, lda, computed, nbytes, host_bytes) == (1, 0, n, kind, 96, 16)
        flat(host, 16, np.uint8)[:] = 1

        def run() -> None:
            flat(room, 96, np.uint8)[:] = 255
            size, width = np.dtype(TYPES[kind]).itemsize, np.dtype(TYPES[real]).itemsize
            for k in range(batch):
                seen = matrix(a + k * n * n * size, n, n, n, TYPES[kind])
                self.solver.symmetric(TYPES[kind], n, seen, w + k * n * width)
            flat(info, batch, np.int32)[:] = 0

        return self.put(handle, 11, run)


KINDS: dict[int, tuple[Any, Any]] = {
    41: (np.complex64, np.complex64),
    42: (np.float32, np.complex64),
    44: (np.complex64, np.float32),
    105: (np.complex128, np.complex128),
    106: (np.float64, np.complex128),
    108: (np.complex128, np.float64),
}


def fourier(gpu: Any) -> Any:
    """cupy.cuda.cufft."""

    class PlanNd:
        def __init__(self, shape: Any, *layout: Any) -> None:
            inembed, istride, idist, onembed, ostride, odist, kind, batch = layout[:8]
            assert layout[8:] == ("C", 0, shape[0]) and gpu.allocators  # not CuPy's own pool
            self.n, self.kinds, self.batch = shape[0], KINDS[kind], batch
            self.before = (inembed[0], istride, idist)
            self.after = (onembed[0], ostride, odist)

        def lines(self, address: int, kind: Any, layout: tuple[int, int, int]) -> Any:
            size = np.dtype(kind).itemsize
            assert address % max(size, 2 * np.dtype(kind).type(0).real.itemsize) == 0
            length, stride, dist = layout
            count = (self.batch - 1) * dist + (length - 1) * stride + 1
            strided, steps = np.lib.stride_tricks.as_strided, (size * dist, size * stride)
            return strided(flat(address, count, kind), (self.batch, length), steps)

        def fft(self, a: Any, out: Any, direction: int) -> None:
            source, target, (before, after) = a.data.ptr, out.data.ptr, self.kinds
            assert direction == -1

            def run() -> None:
                given = self.lines(source, before, self.before)
                made = self.lines(target, after, self.after)
                if np.dtype(before).kind == "f":
                    made[...] = np.fft.rfft(given)
                elif np.dtype(after).kind == "f":
                    made[...] = np.fft.irfft(given, self.n, norm="forward")
                    given[...] = np.nan
                else:
                    made[...] = np.fft.fft(given)

            gpu.streams[-1].put(run)

    return types.SimpleNamespace(PlanNd=PlanNd, CuFFTError=CuFFTError)


def thrust(gpu: Any) -> Any:
    """cupy.cuda.thrust: one row of floats is sorted by its bits, rows by comparing numbers."""

    def order(dtype: Any, address: int, shape: tuple[int, ...]) -> Any:
        values = flat(address, int(np.prod(shape)), dtype).reshape(shape)
        if len(shape) == 1 and np.dtype(dtype).kind == "f":
            bits = values.view(f"u{values.itemsize}")
            top = bits.dtype.type(1 << 8 * values.itemsize - 1)
            values = np.where(bits & top, ~bits, bits | top)
        return np.argsort(values, axis=-1, kind="stable")

    def put(rows: int, shape: tuple[int, ...], work: Callable[[], None]) -> None:
        assert gpu.allocators and gpu.streams[-1].captured is None
        if len(shape) > 1:
            gpu.streams[-1].put(lambda: flat(rows, 8 * int(np.prod(shape)), np.uint8).fill(0))
        gpu.streams[-1].put(work)

    def sort(dtype: Any, address: int, rows: int, shape: tuple[int, ...]) -> None:
        def run() -> None:
            values = flat(address, int(np.prod(shape)), dtype).reshape(shape)
            values[...] = np.take_along_axis(values, order(dtype, address, shape), axis=-1)

        put(rows, shape, run)

    def argsort(dtype: Any, out: int, address: int, rows: int, shape: tuple[int, ...]) -> None:
        def run() -> None:
            found = order(dtype, address, shape)
            flat(out, found.size, np.int64)[:] = found.reshape(-1)
            flat(address, found.size, dtype)[:] = 0

        put(rows, shape, run)

    return types.SimpleNamespace(sort=sort, argsort=argsort)
