"""Steps of launch plans that are calls: of libraries, and of Python; with kernels around them.

On a GPU (`make test-gpu`) these are the libraries themselves, at sizes that matter there; elsewhere
the driver runs with the stand-ins for CuPy and its libraries.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import fake_cupy
import numpy as np
import pytest
from cuda_device import KIND, forget_devices, jit, use_device, use_stand_in

import wengert as wg

if shutil.which("g++") is None:
    pytest.skip("g++ is not installed", allow_module_level=True)

REAL = KIND == "gpu"
RNG = np.random.default_rng(11)
CALLS = 4  # launches are recorded in the second, replayed in the others
# batches of matrices that are written out, go together by Jacobi's method, together, and in turn
SIZES = [(5, 4), (5, 20), (3, 40), (2, 600)] if REAL else [(3, 40)]


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if KIND == "host":
        use_stand_in(monkeypatch, fake_cupy.Gpu())
    else:
        use_device(monkeypatch)
    yield
    monkeypatch.undo()
    forget_devices()


def found(fun: Callable[..., Any], *args: Any) -> Any:
    """What a call gives after the first ones."""
    compiled = jit(fun)
    for _ in range(CALLS - 1):
        compiled(*args)
    return compiled(*args)


def matrices(batch: int, n: int, m: int, kind: str) -> Any:
    x = RNG.normal(size=(batch, n, m)) + 1j * RNG.normal(size=(batch, n, m))
    return x if kind == "complex" else x.real.copy()


def turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2).conj()


KINDS = ["real", "complex"]
HALVES: list[Any] = [np.float16, wg.bfloat16]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "n"), SIZES)
def test_factors_multiply_to_what_was_factorised(batch: int, n: int, kind: str) -> None:
    def all_of_them(a: Any, b: Any) -> Any:
        square = np.swapaxes(a, 1, 2).conj() @ a + np.eye(n)
        low = np.linalg.cholesky(square)
        return (np.linalg.qr(a), low, np.linalg.eigh(square), np.linalg.solve(square, b), square)

    a, b = matrices(batch, n + 2, n, kind), matrices(batch, n, 3, kind)
    (q, r), low, (values, vectors), x, square = found(all_of_them, a, b)
    np.testing.assert_allclose(square, turned(a) @ a + np.eye(n), rtol=1e-9)
    np.testing.assert_allclose(q @ r, a, atol=1e-9 * n)
    np.testing.assert_allclose(turned(q) @ q, np.broadcast_to(np.eye(n), r.shape), atol=1e-9 * n)
    np.testing.assert_allclose(r, np.triu(r))
    np.testing.assert_allclose(low @ turned(low), square, atol=1e-8 * n)
    np.testing.assert_allclose(square @ vectors, vectors * values[:, None, :], atol=1e-8 * n)
    assert np.all(np.diff(values) >= 0)
    np.testing.assert_allclose(square @ x, b, atol=1e-7 * n)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [20, 40] if REAL else [20])
def test_singular_values_and_general_eigenvalues(n: int, kind: str) -> None:
    a, b = matrices(3, n, n - 1, kind), matrices(3, n, n, kind)
    both = lambda a, b: (np.linalg.svd(a, full_matrices=False), np.linalg.eig(b))  # noqa: E731
    (u, s, v), (values, vectors) = found(both, a, b)
    np.testing.assert_allclose((u * s[:, None, :]) @ v, a, atol=1e-8 * n)
    np.testing.assert_allclose(b @ vectors, vectors * values[:, None, :], atol=1e-7 * n)


@pytest.mark.parametrize("dtype", HALVES + [np.float32, np.float64] * REAL)
@pytest.mark.parametrize("shape", [(130, 70, 90), (64, 128, 256)] if REAL else [(130, 70, 90)])
def test_products_with_a_bias_and_an_activation(shape: tuple[int, ...], dtype: Any) -> None:
    m, k, n = shape
    x, w, v = ((RNG.normal(size=s) / k**0.25).astype(dtype) for s in ((m, k), (k, n), (k, n)))
    bias = RNG.normal(size=n).astype(dtype)

    def products(x: Any, w: Any, v: Any, b: Any) -> Any:
        y = x @ v + b
        gelu = 0.5 * y * (1 + np.tanh(0.7978845608 * (y + 0.044715 * y * y * y)))
        return np.maximum(x @ w + b, 0), gelu, w.T @ x.T, (x + 1) @ w * 2

    wide = [a.astype(np.float64) for a in (x, w, v, bias)]
    bound = {"float64": 1e-10, "float32": 1e-4, "float16": 1e-2, "bfloat16": 6e-2}[x.dtype.name]
    for got, want in zip(found(products, x, w, v, bias), products(*wide), strict=True):
        np.testing.assert_allclose(got.astype(np.float64), want, bound, 8 * bound)


@pytest.mark.parametrize("n", [8, 96, 1000] if REAL else [105])
def test_transforms(n: int) -> None:
    def transforms(x: Any) -> Any:
        there = [np.fft.fft(x, axis=a) for a in (0, 1, 2)]
        real = [np.fft.rfft(np.cos(x), axis=a) for a in (0, 1, 2)]
        return *there, *real, np.fft.irfft(np.fft.rfft(x, axis=1) * 2, n, axis=1)

    x = RNG.normal(size=(4, n, 6))
    for got, want in zip(found(transforms, x), transforms(x), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-9 * n)


ALL = [np.float32, np.float64, np.float16, wg.bfloat16, np.int32]


@pytest.mark.parametrize("dtype", ALL if REAL else [np.float32, wg.bfloat16])
@pytest.mark.parametrize("shape", [(1 << 20 if REAL else 500,), (7, 90)])
def test_sorted_rows(shape: tuple[int, ...], dtype: Any) -> None:
    x = (RNG.normal(size=shape) * 9).astype(dtype)
    values, order = found(lambda x: (np.sort(x), np.argsort(x * 2, kind="stable")), x)
    np.testing.assert_array_equal(values, np.sort(x.astype(np.float64)).astype(dtype))
    np.testing.assert_array_equal(order, np.argsort(x.astype(np.float64), kind="stable"))


def test_what_goes_along_an_axis() -> None:
    n = 1 << 20 if REAL else 3000

    def everything(x: Any, places: Any) -> Any:
        return (
            *(x.argmax(), np.cumsum(x), np.cumsum(x.reshape(4, -1), axis=1)),
            *(np.maximum.accumulate(x), np.bincount(places, weights=x, minlength=50)),
        )

    x, places = RNG.normal(size=n), RNG.integers(0, 50, n)
    for got, want in zip(found(everything, x, places), everything(x, places), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("n", [20, 300, 40_000] if REAL else [300])
def test_loops_read_what_other_threads_wrote(n: int) -> None:
    """Neighbours in each turn: by a warp, a block and the whole grid."""

    def diffuse(x: Any) -> Any:
        for _ in range(30):
            x = np.concatenate([x[:1], 0.25 * x[:-2] + 0.5 * x[1:-1] + 0.25 * x[2:], x[-1:]])
        return x

    x = RNG.normal(size=n)
    np.testing.assert_allclose(found(diffuse, x), diffuse(x), rtol=1e-9, atol=1e-12)


def test_python_between_kernels() -> None:
    def fun(x: Any) -> Any:
        y = wg.pure_callback(np.sort, wg.ShapeDtypeStruct(x.shape, x.dtype), np.sin(x))
        return np.cumsum(y * 2)

    x = RNG.normal(size=200)
    np.testing.assert_allclose(found(fun, x), np.cumsum(np.sort(np.sin(x)) * 2), rtol=1e-9)
