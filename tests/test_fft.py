"""Fourier transforms: all functions of numpy.fft on traced values, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(1)
NORMS = (None, "backward", "ortho", "forward")
LENGTHS = (1, 2, 3, 8, 12, 13, 31, 64, 97)


def real(*shape: int) -> Array:
    return RNG.standard_normal(shape)


def drawn(*shape: int) -> Array:
    return real(*shape) + 1j * real(*shape)


def same(found: Any, wanted: Any) -> None:
    x, y = np.asarray(found), np.asarray(wanted)
    assert (x.dtype, x.shape) == (y.dtype, y.shape)
    tolerance = {"float16": 2e-3, "float32": 1e-4, "complex64": 1e-4}.get(y.dtype.name, 1e-11)
    np.testing.assert_allclose(x, y, tolerance, tolerance * max(1.0, np.abs(y).max(initial=0)))


def agree(f: Callable[..., Any], *args: Any) -> None:
    for backend in ("reference", "cpu"):
        same(wg.jit(f, backend=backend)(*args), f(*args))


ONE_AXIS = (np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft)


@pytest.mark.slow
@pytest.mark.parametrize("f", ONE_AXIS, ids=lambda f: f.__name__)
def test_lengths_and_norms(f: Any) -> None:
    """Of odd, even and prime lengths, all in one program for each norm."""
    takes_real = f in (np.fft.rfft, np.fft.ihfft)
    rows = [real(2, n) if takes_real else drawn(2, n) for n in LENGTHS]
    for norm in NORMS:

        def every(xs: list[Array], norm: Any = norm) -> list[Any]:
            return [f(x, n, norm=norm) for x, n in zip(xs, LENGTHS, strict=True)]

        for found, wanted in zip(wg.jit(every)(rows), every(rows), strict=True):
            same(found, wanted)


@pytest.mark.parametrize("f", ONE_AXIS, ids=lambda f: f.__name__)
def test_axes_and_other_lengths(f: Any) -> None:
    takes_real = f in (np.fft.rfft, np.fft.ihfft)
    x = real(4, 6, 5) if takes_real else drawn(4, 6, 5)
    agree(lambda x: f(x, axis=0), x)
    agree(lambda x: f(x, 4, 1), x)
    agree(lambda x: f(x, n=9, axis=-1), x)
    agree(lambda x: f(x), x[0, 0])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "i4", "?"])
def test_dtypes(dtype: str) -> None:
    x = (drawn(8) * 4).astype(dtype) if dtype[0] == "c" else (real(8) * 4).astype(dtype)
    agree(np.fft.fft, x)
    agree(np.fft.irfft, x)
    if dtype[0] != "c":
        agree(np.fft.rfft, x)


SEVERAL: dict[str, Callable[[Array], Any]] = {
    "fft2": np.fft.fft2,
    "ifft2": np.fft.ifft2,
    "fftn": np.fft.fftn,
    "ifftn": lambda z: np.fft.ifftn(z, axes=(0, 2), norm="ortho"),
    "fftn of lengths": lambda z: np.fft.fftn(z, s=(3, 8), axes=(0, 1)),
    "rfft2": lambda z: np.fft.rfft2(z.real),
    "irfft2": np.fft.irfft2,
    "rfftn": lambda z: np.fft.rfftn(z.real, axes=(1, 0), norm="forward"),
    "irfftn": lambda z: np.fft.irfftn(z, s=(4, 7), axes=(1, 2)),
    "there and back": lambda z: np.fft.irfft2(np.fft.rfft2(z.real)),
    "shifts": lambda z: np.fft.fftshift(z) + np.fft.ifftshift(z, axes=1),
    "shift of one axis": lambda z: np.fft.fftshift(z, axes=(0, 2)),
    "frequencies": lambda z: z[0, 0] * np.fft.fftfreq(5, 0.1) + np.fft.rfftfreq(8)[:5],
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_axes(name: str) -> None:
    agree(SEVERAL[name], drawn(4, 6, 5))


def test_many_rows_on_all_threads() -> None:
    """The rows are cut into runs, of which the last is shorter."""
    x = drawn(1031, 100)
    same(wg.jit(np.fft.fft)(x), np.fft.fft(x))
    same(wg.jit(lambda x: np.fft.rfft(x, axis=0))(x.real), np.fft.rfft(x.real, axis=0))
    cube = drawn(40, 30, 50)
    same(wg.jit(lambda x: np.fft.fftn(x))(cube), np.fft.fftn(cube))


def close(found: Array, wanted: Array) -> None:
    error = np.linalg.norm(found - wanted)
    assert found.dtype == wanted.dtype, (found.dtype, wanted.dtype)
    assert error < 5 * np.finfo(wanted.dtype).eps * np.linalg.norm(wanted), wanted.shape


@pytest.mark.parametrize("dtype", ["c16", "c8"])
def test_transforms_in_the_lanes_of_vectors(dtype: str) -> None:
    """Of all radices, rows and columns that do not fill vectors, and one row in two steps."""
    lengths = (2, 3, 5, 8, 30, 56, 64, 99, 127, 169, 34)
    rows = [drawn(19, n).astype(dtype) for n in lengths]

    def every(rows: list[Array]) -> list[Array]:
        found = [np.fft.fft(x) for x in rows]
        return found + [np.fft.fft(x.T, axis=0) for x in rows] + [np.fft.fft(rows[6][0])]

    for found, wanted in zip(wg.jit(every)(rows), every(rows), strict=True):
        close(found, wanted)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_real_numbers_as_half_as_many_pairs(dtype: str) -> None:
    """In one run and in several; imaginary parts of both ends are not looked at."""
    rows = [real(k, n).astype(dtype) for k, n in ((1, 68), (19, 130), (3, 1 << 16), (1, 600_000))]

    def there(rows: list[Array]) -> list[Array]:
        return [np.fft.rfft(x) for x in rows]

    wanted = there(rows)
    for x, y in zip(wg.jit(there)(rows), wanted, strict=True):
        close(x, y)
    for half in wanted:
        half.imag[:, [0, -1]] = np.nan
    for x, y in zip(wg.jit(lambda w: [np.fft.irfft(z) for z in w])(wanted), rows, strict=True):
        close(x, y)


@pytest.mark.parametrize("n", [1 << 15, 3 * 5 * 7 * 11 * 29, 32_771, 2 * 32_771])
def test_long_rows_in_two_steps(n: int) -> None:
    """A power of two, a product of small primes, and lengths that cannot be cut."""
    x = drawn(2, n)
    for f in (np.fft.fft, np.fft.ifft):
        found, wanted = wg.jit(f)(x), f(x)
        error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        assert error < 2e-15, error
    single, wanted = wg.jit(np.fft.fft)(x[0].astype(np.complex64)), np.fft.fft(x[0])
    assert single.dtype == np.complex64
    assert np.linalg.norm(single - wanted) < 1e-6 * np.linalg.norm(wanted)


@pytest.mark.parametrize("columns", [202, 203])
def test_columns_that_threads_share_unevenly(columns: int) -> None:
    """One column that is left over was once taken for rows, beyond the end of memory."""
    for x in (drawn(165, columns), drawn(165, columns).astype(np.complex64)):
        found, wanted = wg.jit(lambda x: np.fft.fft(x, axis=0))(x), np.fft.fft(x, axis=0)
        assert np.linalg.norm(found - wanted) < 10 * np.finfo(x.dtype).eps * np.linalg.norm(wanted)


def test_long_columns_are_not_done_side_by_side() -> None:
    """As many numbers at a time as all columns have are more than caches hold."""
    for n, ours in ((1 << 16, True), (1 << 17, False)):
        x = np.zeros((n, 8), complex)
        source = wg.jit(lambda x: np.fft.fft(x, axis=0)).lower(x).source
        assert ("@wg.fft.f64" in source) == ours


def test_long_rows_differentiate() -> None:
    n = 1 << 15
    x, w = drawn(n), drawn(n)
    slope = wg.jit(wg.grad(lambda x: np.sum((np.fft.fft(x) * w).real)))(x)
    np.testing.assert_allclose(slope, np.fft.fft(w), rtol=1e-9, atol=1e-9)


def test_inside_loops_and_batches() -> None:
    def damped(z: Array, steps: int) -> Array:
        for _ in range(steps):
            z = np.fft.ifft(np.fft.fft(z) * np.exp(-0.1 * np.arange(z.shape[-1])))
        return z

    z = drawn(16)
    same(wg.jit(damped)(z, np.int64(20)), damped(z, 20))
    rows = drawn(3, 16)
    same(wg.jit(wg.vmap(lambda z: damped(z, 20)))(rows), damped(rows, 20))


def test_the_namespace() -> None:
    x = real(6)
    same(wg.jit(wg.numpy.fft.rfft)(x), np.fft.rfft(x))
    same(wg.numpy.fft.fftfreq(6), np.fft.fftfreq(6))


# derivatives


def convolved(x: Array, y: Array) -> Array:
    """The full convolution, by transforms."""
    n = x.shape[-1] + y.shape[-1] - 1
    return np.fft.irfft(np.fft.rfft(x, n) * np.fft.rfft(y, n), n)


def test_convolution_differentiates() -> None:
    x, y = real(7), real(4)
    same(wg.jit(convolved)(x, y), np.convolve(x, y))
    weights = real(10)
    gradient = wg.jit(wg.grad(lambda x, y: np.sum(convolved(x, y) * weights), (0, 1)))(x, y)
    direct = wg.grad(lambda x, y: np.sum(np.convolve(x, y) * weights), (0, 1))(x, y)
    for found, wanted in zip(gradient, direct, strict=True):
        same(found, wanted)


@pytest.mark.parametrize("n", [4, 5, 9])
@pytest.mark.parametrize("f", ONE_AXIS, ids=lambda f: f.__name__)
def test_derivatives_are_limits_of_differences(f: Any, n: int) -> None:
    takes_real = f in (np.fft.rfft, np.fft.ihfft)
    x = real(2, n) if takes_real else drawn(2, n)
    for length in (n, n + 2, n - 1):
        wg.testing.check_grads(lambda x, length=length: f(x, length) ** 2, (x,), order=1)


def test_a_spectral_solver_has_the_gradient_of_the_dense_one() -> None:
    """Poisson's equation on a ring, by transforms and by a matrix."""
    n = 8
    k = np.fft.fftfreq(n) * n
    symbol = k**2 + 1.0

    def solved(b: Array) -> Array:
        return np.fft.ifft(np.fft.fft(b) / symbol).real

    b, matrix = real(n), np.stack([solved(row) for row in np.eye(n)], axis=1)
    same(wg.jit(wg.jacrev(solved))(b), matrix)
    same(wg.jit(wg.jacfwd(solved))(b), matrix)
    same(wg.jit(wg.grad(lambda b: np.sum(solved(b) ** 2)))(b), 2 * matrix.T @ matrix @ b)


# errors


@pytest.mark.parametrize(
    ("f", "kind", "words"),
    [
        (lambda z: np.fft.fft(z, 0), ValueError, "Invalid number of FFT data points"),
        (lambda z: np.fft.fft(z, norm="best"), ValueError, "Invalid norm value best"),
        (lambda z: np.fft.fft(z, axis=3), IndexError, "axis 3 is out of bounds"),
        (lambda z: np.fft.fftn(z, (2, 3), (0,)), ValueError, "different lengths"),
        (np.fft.rfft, TypeError, "rfft takes real numbers"),
    ],
)
def test_errors(f: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        wg.jit(f)(drawn(4, 4))


def test_on_a_gpu_transforms_are_steps_of_the_program() -> None:
    assert "c2c_4x1" in wg.jit(np.fft.fft, backend="cuda").lower(drawn(4)).kernels

    def looped(x: Any) -> Any:
        return wg.fori_loop(0, 5, lambda i, x: np.fft.fft(x) * 0.5, x)

    assert "c2c_4x1" in wg.jit(looped, backend="cuda").lower(drawn(4) + 0j).kernels
