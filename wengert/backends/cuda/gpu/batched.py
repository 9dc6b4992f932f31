"""Routines for batches of matrices that CuPy does not bind, on the handles that it keeps.

Declarations are those of cublas_api.h and cusolverDn.h of CUDA 13.0.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from wengert.backends.cuda.gpu.libraries import library
from wengert.errors import LaunchError

PURPOSE = "factorisations of batches"


class Batched:
    """cuBLAS and cuSOLVER, called on CuPy's current stream."""

    def __init__(self, cupy: Any) -> None:
        self.cuda: Any = cupy.cuda

    @functools.cached_property
    def blas(self) -> Any:
        return library("cublas", PURPOSE)

    @functools.cached_property
    def solver(self) -> Any:
        return library("cusolver", PURPOSE)

    def geqrf(
        self, letter: str, m: int, n: int, places: int, lda: int, taus: int, batch: int
    ) -> None:
        """QR of m x n matrices; `places` and `taus` are where lists of addresses are."""
        handle = self.cuda.device.get_cublas_handle()
        self.cuda.cublas.setStream(handle, self.cuda.get_current_stream().ptr)
        name, info = f"cublas{letter.upper()}geqrfBatched", ctypes.c_int()
        sizes = (ctypes.c_int(m), ctypes.c_int(n), ctypes.c_void_p(places), ctypes.c_int(lda))
        rest = (ctypes.c_void_p(taus), ctypes.byref(info), ctypes.c_int(batch))
        status = getattr(self.blas, name)(ctypes.c_void_p(handle), *sizes, *rest)
        if status or info.value:
            raise LaunchError(f"{name} failed with cuBLAS status {status}, info {info.value}")

    @property
    def has_syev(self) -> bool:
        """Whether cuSOLVER is new enough for eigenvalues of batches (11.7.1)."""
        return hasattr(self.solver, "cusolverDnXsyevBatched")

    def syev_rooms(
        self, head: tuple[int, int, int, int, int], tail: tuple[int, int, int]
    ) -> tuple[int, int]:
        """Bytes of workspace on the device and on the host; for `head` and `tail` see `syev`."""
        device, host = ctypes.c_size_t(), ctypes.c_size_t()
        sizes = (ctypes.byref(device), ctypes.byref(host))
        self._syev("_bufferSize", (*_head(*head, 0), *_values(tail, 0), *sizes), tail[2])
        return device.value, host.value

    def syev(
        self,
        head: tuple[int, int, int, int, int],
        tail: tuple[int, int, int],
        places: tuple[int, int, int, int, int],
        host: Any,
    ) -> None:
        """Eigenvalues and eigenvectors of matrices that follow one another without gaps.

        `head` is (params, jobz, uplo, n, dtype), `tail` (dtype of the values, that of the
        computation, batch), `places` those of matrices, values, workspace, its bytes, statuses.
        """
        matrices, values, room, nbytes, info = places
        self.cuda.cusolver.setStream(self._handle(), self.cuda.get_current_stream().ptr)
        rooms = (
            *(ctypes.c_void_p(room), ctypes.c_size_t(nbytes)),
            *(ctypes.c_void_p(host.ctypes.data), ctypes.c_size_t(host.nbytes)),
            ctypes.c_void_p(info),
        )
        self._syev("", (*_head(*head, matrices), *_values(tail, values), *rooms), tail[2])

    def _handle(self) -> int:
        handle: int = self.cuda.device.get_cusolver_handle()
        return handle

    def _syev(self, suffix: str, arguments: tuple[Any, ...], batch: int) -> None:
        name = f"cusolverDnXsyevBatched{suffix}"
        call = getattr(self.solver, name)
        status = call(ctypes.c_void_p(self._handle()), *arguments, ctypes.c_int64(batch))
        if status:
            raise LaunchError(f"{name} failed with cuSOLVER status {status}")


def _head(params: int, jobz: int, uplo: int, n: int, kind: int, matrices: int) -> tuple[Any, ...]:
    return (
        *(ctypes.c_void_p(params), ctypes.c_int(jobz), ctypes.c_int(uplo), ctypes.c_int64(n)),
        *(ctypes.c_int(kind), ctypes.c_void_p(matrices), ctypes.c_int64(n)),
    )


def _values(tail: tuple[int, int, int], place: int) -> tuple[Any, ...]:
    real, computed, _ = tail
    return ctypes.c_int(real), ctypes.c_void_p(place), ctypes.c_int(computed)


def host_room(nbytes: int) -> Any:
    """Memory of the host for a routine, which outlives its calls."""
    return np.empty(max(1, nbytes), np.uint8)
