"""Matrix products by cublasLt, through ctypes.

CuPy's own products cannot be captured in a CUDA graph, cublasLt's can: they take their workspace
and stream with each call. A product is prepared once (layouts, and the algorithm that the library
proposes for them) and then run on addresses. Numbers and names of fields are those of cublasLt.h
of CUDA 13.0.

cublasLt counts columns first. Row by row, `out = lhs @ rhs` of (m, k) and (k, n) is the same memory
as column by column out' = rhs' @ lhs' of (n, k) and (k, m); so A is rhs and B is lhs, and an
operand that is already stored the other way round is marked as transposed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wengert.backends.cuda.device import MatMulSpec
from wengert.backends.cuda.gpu.libraries import library
from wengert.backends.cuda.gpu.ready import Owned
from wengert.errors import LaunchError

# The most that a product may ask for (NVIDIA's advice for Hopper); few ask for all of it.
WORKSPACE = 32 << 20

# cudaDataType, cublasComputeType_t and the C type of the factors alpha and beta, by dtype.
TYPES: dict[str, tuple[int, int, int, type]] = {
    "float16": (2, 68, 0, ctypes.c_float),
    "bfloat16": (14, 68, 0, ctypes.c_float),
    "float32": (0, 68, 0, ctypes.c_float),
    "float64": (1, 70, 1, ctypes.c_double),
}
TRANSPOSED = 1
# cublasLtMatmulDescAttributes_t
DESC_TRANSA, DESC_TRANSB, DESC_EPILOGUE, DESC_BIAS_POINTER = 3, 4, 7, 8
# cublasLtEpilogue_t, by activation and whether there is a bias
EPILOGUES = {
    ("", False): 1,
    ("relu", False): 2,
    ("", True): 4,
    ("relu", True): 6,
    ("gelu", False): 32,
    ("gelu", True): 36,
}
# cublasLtMatrixLayoutAttribute_t
LAYOUT_BATCH_COUNT, LAYOUT_BATCH_STRIDE = 5, 6
# cublasLtMatmulPreferenceAttributes_t
PREFERENCE_WORKSPACE, PREFERENCE_ALIGNMENTS = 1, (5, 6, 7, 8)
# Where a bias is said to be while an algorithm is chosen: without any, the library need not have
# one for its epilogue. Nothing is read there.
SOME_ADDRESS = 1 << 20


class _Algorithm(ctypes.Structure):
    _fields_ = (("data", ctypes.c_uint64 * 8),)


class _Heuristic(ctypes.Structure):
    _fields_ = (
        ("algorithm", _Algorithm),
        ("workspace", ctypes.c_size_t),
        ("state", ctypes.c_int),
        ("waves", ctypes.c_float),
        ("reserved", ctypes.c_int * 4),
    )


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix as cublasLt sees it: `rows` and `columns` of what is stored, columns first."""

    rows: int
    columns: int
    leading: int
    transposed: bool


def operand(shape: tuple[int, int], strides: tuple[int, int]) -> Operand:
    """The transpose of a matrix of (row, column) strides; one of the strides is 1."""
    (rows, columns), (row, column) = shape, strides
    if column == 1:
        return Operand(columns, rows, max(row, columns), False)
    return Operand(rows, columns, max(column, rows), True)


@dataclass(frozen=True, slots=True)
class MatMul:
    """A product that is ready to run; `workspace` are the bytes of device memory that it needs."""

    spec: MatMulSpec
    description: ctypes.c_void_p
    layouts: tuple[ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    algorithm: _Algorithm
    factors: tuple[Any, Any]
    workspace: int
    owned: tuple[Owned, ...] = ()  # what the library holds for it


class CublasLt:
    """The library, and a handle of it."""

    def __init__(self) -> None:
        self.library = _library()
        self.handle = ctypes.c_void_p()
        self._call("cublasLtCreate", ctypes.byref(self.handle))

    def prepare(self, spec: MatMulSpec) -> MatMul:
        """A product of its caller's own. Raises LaunchError if the library has none."""
        data, compute, scale, number = TYPES[spec.dtype.name]
        a = operand((spec.k, spec.n), spec.rhs)
        b = operand((spec.m, spec.k), spec.lhs)
        d = operand((spec.m, spec.n), spec.out)
        description = ctypes.c_void_p()
        self._call("cublasLtMatmulDescCreate", ctypes.byref(description), compute, scale)
        for field, side in ((DESC_TRANSA, a), (DESC_TRANSB, b)):
            if side.transposed:
                value = ctypes.c_int32(TRANSPOSED)
                self._set("cublasLtMatmulDescSetAttribute", description, field, value)
        epilogue = ctypes.c_int32(EPILOGUES[spec.activation, spec.biased])
        self._set("cublasLtMatmulDescSetAttribute", description, DESC_EPILOGUE, epilogue)
        if spec.biased:
            self._bias(description, ctypes.c_void_p(SOME_ADDRESS))
        lhs, rhs, out = spec.steps
        steps = ((a, rhs), (b, lhs), (d, out))
        layouts = tuple(self._layout(side, data, spec.batch, step) for side, step in steps)
        algorithm, workspace = self._algorithm(spec, description, layouts)
        factors = (number(1), number(0))
        made = (layouts[0], layouts[1], layouts[2])
        owned = (
            self._owned("cublasLtMatmulDescDestroy", description),
            *(self._owned("cublasLtMatrixLayoutDestroy", layout) for layout in layouts),
        )
        return MatMul(spec, description, made, algorithm, factors, workspace, owned)

    def _owned(self, destroy: str, thing: ctypes.c_void_p) -> Owned:
        function = getattr(self.library, destroy)
        return Owned(thing.value or 0, lambda address: function(ctypes.c_void_p(address)))

    def _layout(self, side: Operand, data: int, batch: int, step: int) -> ctypes.c_void_p:
        layout = ctypes.c_void_p()
        size = (ctypes.c_uint64(side.rows), ctypes.c_uint64(side.columns))
        leading = ctypes.c_int64(side.leading)
        self._call("cublasLtMatrixLayoutCreate", ctypes.byref(layout), data, *size, leading)
        if batch > 1:
            function = "cublasLtMatrixLayoutSetAttribute"
            self._set(function, layout, LAYOUT_BATCH_COUNT, ctypes.c_int32(batch))
            self._set(function, layout, LAYOUT_BATCH_STRIDE, ctypes.c_int64(step))
        return layout

    def _algorithm(
        self,
        spec: MatMulSpec,
        description: ctypes.c_void_p,
        layouts: Sequence[ctypes.c_void_p],
    ) -> tuple[_Algorithm, int]:
        """What the library proposes, and the workspace that it takes."""
        preference = ctypes.c_void_p()
        self._call("cublasLtMatmulPreferenceCreate", ctypes.byref(preference))
        function = "cublasLtMatmulPreferenceSetAttribute"
        self._set(function, preference, PREFERENCE_WORKSPACE, ctypes.c_uint64(WORKSPACE))
        for field in PREFERENCE_ALIGNMENTS:
            self._set(function, preference, field, ctypes.c_uint32(spec.alignment))
        found, count = _Heuristic(), ctypes.c_int()
        status = self.library.cublasLtMatmulAlgoGetHeuristic(
            self.handle,
            description,
            *layouts,
            layouts[-1],
            preference,
            1,
            ctypes.byref(found),
            ctypes.byref(count),
        )
        self._call("cublasLtMatmulPreferenceDestroy", preference)
        if status or not count.value or found.state:
            shape = f"({spec.m}, {spec.k}) @ ({spec.k}, {spec.n})"
            raise LaunchError(
                f"cublasLt has no way to multiply {spec.dtype} matrices of shapes {shape} (status "
                f"{status}, state {found.state}); run this function with backend='cpu', and report "
                "it, since such products are not meant to reach it"
            )
        return found.algorithm, found.workspace

    def run(self, product: MatMul, addresses: Sequence[int], workspace: int, stream: int) -> None:
        """Runs a product on the addresses of lhs, rhs, out and, if it has one, bias."""
        lhs, rhs, out, *bias = (ctypes.c_void_p(x) for x in addresses)
        if bias:
            self._bias(product.description, bias[0])
        a, b, d = product.layouts
        one, zero = product.factors
        self._call(
            "cublasLtMatmul",
            self.handle,
            product.description,
            ctypes.byref(one),
            rhs,
            a,
            lhs,
            b,
            ctypes.byref(zero),
            out,
            d,
            out,
            d,
            ctypes.byref(product.algorithm),
            ctypes.c_void_p(workspace),
            ctypes.c_size_t(product.workspace),
            ctypes.c_void_p(stream),
        )

    def _bias(self, description: ctypes.c_void_p, address: ctypes.c_void_p) -> None:
        self._set("cublasLtMatmulDescSetAttribute", description, DESC_BIAS_POINTER, address)

    def _set(self, function: str, thing: ctypes.c_void_p, field: int, value: Any) -> None:
        size = ctypes.c_size_t(ctypes.sizeof(value))
        self._call(function, thing, field, ctypes.byref(value), size)

    def _call(self, function: str, *arguments: Any) -> None:
        status = getattr(self.library, function)(*arguments)
        if status:
            raise LaunchError(f"{function} failed with cuBLAS status {status}")


def _library() -> Any:
    return library("cublasLt", "matrix products")
