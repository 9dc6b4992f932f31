"""The calls to cublasLt, against a stand-in that multiplies what its descriptors say.

The stand-in reads layouts as cublasLt does, columns first, so that a wrong stride, transposition or
batch step gives a wrong product.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from wengert.backends.cuda.device import MatMulSpec
from wengert.backends.cuda.gpu import cublaslt
from wengert.backends.cuda.gpu.cublaslt import CublasLt
from wengert.errors import LaunchError

RNG = np.random.default_rng(0)
DTYPES = {0: np.float32, 1: np.float64, 2: np.float16}


class FakeLibrary:
    """Handles are numbers of dictionaries of attributes."""

    def __init__(self) -> None:
        self.things: list[dict[Any, Any]] = []
        self.state = 0
        self.destroyed: list[int] = []

    def _new(self, place: Any, **attributes: Any) -> int:
        self.things.append(attributes)
        place._obj.value = len(self.things)
        return 0

    def _set(self, thing: Any, field: int, value: Any, size: Any) -> int:
        assert ctypes.sizeof(value._obj) == size.value
        self.things[thing.value - 1][field] = value._obj.value
        return 0

    def cublasLtCreate(self, place: Any) -> int:
        return self._new(place)

    def cublasLtMatmulDescCreate(self, place: Any, compute: int, scale: int) -> int:
        return self._new(place, compute=compute, scale=scale)

    def cublasLtMatrixLayoutCreate(self, place: Any, kind: int, *sizes: Any) -> int:
        rows, columns, leading = (s.value for s in sizes)
        assert leading >= rows
        return self._new(place, kind=kind, rows=rows, columns=columns, leading=leading)

    def cublasLtMatmulPreferenceCreate(self, place: Any) -> int:
        return self._new(place)

    def cublasLtMatmulPreferenceDestroy(self, thing: Any) -> int:
        return 0

    def _destroy(self, thing: Any) -> int:
        self.destroyed.append(thing.value)
        return 0

    cublasLtMatmulDescDestroy = _destroy  # noqa: N815
    cublasLtMatrixLayoutDestroy = _destroy  # noqa: N815
    cublasLtMatmulDescSetAttribute = _set  # noqa: N815
    cublasLtMatrixLayoutSetAttribute = _set  # noqa: N815
    cublasLtMatmulPreferenceSetAttribute = _set  # noqa: N815

    def cublasLtMatmulAlgoGetHeuristic(self, *arguments: Any) -> int:
        preference, _, found, count = arguments[6:]
        told = self.things[arguments[1].value - 1]
        assert (8 in told) == bool(told[7] & 4)  # a bias, if its epilogue has one
        assert self.things[preference.value - 1][5] == 4
        found._obj.workspace, found._obj.state = 512, self.state
        count._obj.value = 1
        return 0

    def _matrices(self, layout: Any, address: Any) -> Any:
        found = self.things[layout.value - 1]
        batch, step = found.get(5, 1), found.get(6, 0)
        dtype = np.dtype(DTYPES[found["kind"]])
        count = (batch - 1) * step + found["leading"] * (found["columns"] - 1) + found["rows"]
        memory = (ctypes.c_uint8 * (count * dtype.itemsize)).from_address(address.value)
        flat = np.frombuffer(memory, dtype)
        strides = (step, 1, found["leading"])
        shape = (batch, found["rows"], found["columns"])
        strided = np.lib.stride_tricks.as_strided
        return strided(flat, shape, tuple(dtype.itemsize * s for s in strides))

    def cublasLtMatmul(self, _: Any, description: Any, *rest: Any) -> int:
        one, a, la, b, lb, zero, c, lc, d, ld, _, workspace, size, stream = rest
        assert (one._obj.value, zero._obj.value, c.value) == (1.0, 0.0, d.value)
        assert (lc.value, workspace.value, size.value, stream.value) == (ld.value, 4096, 512, 7)
        told = self.things[description.value - 1]
        x, y = self._matrices(la, a), self._matrices(lb, b)
        x = x.swapaxes(1, 2) if told.get(3) else x
        y = y.swapaxes(1, 2) if told.get(4) else y
        out = self._matrices(ld, d)
        epilogue = told[7]
        bias = np.zeros(out.shape[1], out.dtype)
        if epilogue & 4:
            memory = (ctypes.c_uint8 * bias.nbytes).from_address(told[8])
            bias = np.frombuffer(memory, out.dtype)
        wide = np.float32 if out.dtype == np.float16 else out.dtype
        total = x.astype(wide) @ y.astype(wide) + bias[:, np.newaxis]
        out[...] = np.maximum(total, 0) if epilogue & 2 else total
        return 0


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    made = FakeLibrary()
    monkeypatch.setattr(cublaslt, "_library", lambda: made)
    return made


def laid_out(x: Any, turned: bool) -> tuple[Any, tuple[int, int], int]:
    """An array in memory, its strides of rows and columns, and its step from one to the next."""
    stored = np.ascontiguousarray(x.swapaxes(1, 2) if turned else x)
    view = stored.swapaxes(1, 2) if turned else stored
    step, row, column = (s // x.itemsize for s in view.strides)
    return stored, (row, column), step


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("size", [(1, 7, 5, 3), (4, 6, 2, 9), (1, 1, 8, 5), (2, 5, 1, 4)])
def test_products(
    library: FakeLibrary, size: tuple[int, ...], turned: tuple[bool, bool], dtype: Any
) -> None:
    batch, m, n, k = size
    x = RNG.normal(size=(batch, m, k)).astype(dtype)
    y = RNG.normal(size=(batch, k, n)).astype(dtype)
    lhs, lhs_strides, lhs_step = laid_out(x, turned[0])
    rhs, rhs_strides, rhs_step = laid_out(y, turned[1])
    out = np.zeros((batch, m, n), dtype)
    strides = (lhs_strides, rhs_strides, (n, 1))
    steps = (lhs_step, rhs_step, m * n)
    spec = MatMulSpec(np.dtype(dtype), m, n, k, *strides, batch, steps, alignment=4)
    lt = CublasLt()
    product = lt.prepare(spec)
    assert product.workspace == 512
    lt.run(product, [a.ctypes.data for a in (lhs, rhs, out)], 4096, 7)
    wide = [a.astype(float) for a in (x, y)]
    # sums may be rounded in any order: Higham, Accuracy and Stability, section 3.1
    bound = (k + 1) * np.finfo(dtype).eps * (np.abs(wide[0]) @ np.abs(wide[1]))
    assert np.all(np.abs(out - wide[0] @ wide[1]) <= bound)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("activation", ["", "relu"])
def test_epilogues(library: FakeLibrary, activation: str, dtype: Any) -> None:
    x, y, bias = (RNG.normal(size=s).astype(dtype) for s in ((5, 4), (4, 3), (3,)))
    out = np.zeros((5, 3), dtype)
    strides = ((4, 1), (3, 1), (3, 1))
    spec = MatMulSpec(x.dtype, 5, 3, 4, *strides, alignment=4, activation=activation, biased=True)
    lt = CublasLt()
    lt.run(lt.prepare(spec), [a.ctypes.data for a in (x, y, out, bias)], 4096, 7)
    x, y, bias = (a.astype(np.float32) for a in (x, y, bias))
    expected = np.maximum(x @ y + bias, 0) if activation else x @ y + bias
    rtol, atol = (2e-3, 1e-3) if dtype == np.float16 else (1e-6, 0)
    np.testing.assert_allclose(out, expected, rtol=rtol, atol=atol)


def test_what_the_library_holds_is_given_back(library: FakeLibrary) -> None:
    spec = MatMulSpec(np.dtype("f4"), 8, 8, 8, (8, 1), (8, 1), (8, 1), alignment=4)
    product = CublasLt().prepare(spec)
    assert library.destroyed == []
    held = {product.description.value, *(layout.value for layout in product.layouts)}
    del product
    assert set(library.destroyed) == held and len(library.destroyed) == 4


def test_a_product_that_the_library_has_not_is_an_error(library: FakeLibrary) -> None:
    library.state = 15
    spec = MatMulSpec(np.dtype("f4"), 8, 8, 8, (8, 1), (8, 1), (8, 1), alignment=4)
    with pytest.raises(LaunchError, match=r"shapes \(8, 8\) @ \(8, 8\).*backend='cpu'"):
        CublasLt().prepare(spec)
