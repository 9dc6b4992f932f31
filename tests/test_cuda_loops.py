"""Loops and branches of CUDA programs that the host runs, since libraries are called in them.

They run through the driver with the stand-in for CuPy (on a GPU, with `make test-gpu`, on that).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import fake_cupy
import numpy as np
import pytest
from cuda_device import KIND, forget_devices, jit, use_device, use_stand_in
from law_backends import grid
from program_laws import assert_same_results

import wengert as wg
from wengert.api.compilation import real_pipeline
from wengert.errors import OutOfBoundsError, SingularMatrixError
from wengert.ir.evaluate import evaluate

if shutil.which("g++") is None:
    pytest.skip("g++ is not installed", allow_module_level=True)

RNG = np.random.default_rng(3)
N = 8
HALF = RNG.normal(size=(N, N))
A, X = HALF @ HALF.T + N * np.eye(N), RNG.normal(size=N)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake_cupy.Gpu]:
    made = fake_cupy.Gpu()
    if KIND == "host":
        use_stand_in(monkeypatch, made)
    else:
        use_device(monkeypatch)
    yield made
    monkeypatch.undo()
    forget_devices()


def newton(a: Any, x: Any) -> Any:
    for _ in range(4):
        x = x - np.linalg.solve(a + np.diag(np.cos(x)), a @ x + np.sin(x))
    return x


def until_small(a: Any, x: Any) -> Any:
    steps = 0
    while np.abs(x).max() > 1e-3:
        x = np.linalg.solve(a, x)
        steps += 1
    return x * steps


def filtered(cov: Any, seen: Any) -> Any:
    """What is carried goes to and fro between two buffers, and rows are written by the turn."""
    x, found = np.zeros(N), np.zeros((6, N))
    for t in range(6):
        gain = cov @ np.linalg.inv(cov + np.eye(N))
        x = x + gain @ (seen * t - x)
        cov = cov - gain @ cov + 0.1 * np.eye(N)
        found[t] = x
    return found


def nested(a: Any, x: Any) -> Any:
    total = a * 0
    for i in range(3):
        for j in range(i + 1):
            total = total + np.linalg.inv(a + (i * j + 1) * np.eye(N))
        if total[0, 0] > 0.4:
            total = total + np.linalg.cholesky(a)
    return total @ x


def batched(a: Any, x: Any) -> Any:
    return wg.vmap(newton)(np.stack([a, a + np.eye(N)]), np.stack([x, 2 * x]))


def transformed(a: Any, x: Any) -> Any:
    for k in range(3):
        x = np.fft.irfft(np.fft.rfft(x) * np.exp(-0.1 * k * np.arange(N // 2 + 1)), N)
    return x


PROGRAMS = [newton, until_small, filtered, nested, batched, transformed]


@pytest.mark.slow
@pytest.mark.parametrize("fun", PROGRAMS)
def test_turns_are_launches(fun: Callable[..., Any]) -> None:
    """By the interpreter, turns of any order reversed."""
    for form in (fun, wg.grad(lambda a, x: (fun(a, x) ** 2).sum(), (0, 1))):
        program = wg.make_ir(form)(A, X).program
        found = grid(real_pipeline(program), [A, X])
        assert_same_results(found, evaluate(program, [A, X]), program)


@pytest.mark.slow
@pytest.mark.parametrize("fun", [until_small, nested])
def test_values_and_gradients(gpu: fake_cupy.Gpu, fun: Callable[..., Any]) -> None:
    form = wg.value_and_grad(lambda a, x: (fun(a, x) ** 2).sum(), (0, 1))
    compiled, expected = jit(form), wg.tree_leaves(wg.jit(form)(A, X))
    for _ in range(3):  # launches are recorded in the second, replayed in the third
        for a, b in zip(wg.tree_leaves(compiled(A, X)), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


def test_products_in_turns_are_those_of_a_library(gpu: fake_cupy.Gpu) -> None:
    """A loop of known length is a part of the program's one graph; the turns copy nothing."""

    def power(a: Any, x: Any) -> Any:
        for k in range(7):
            x = np.tanh(a @ x) + k
        return x

    a, x = RNG.normal(size=(256, 256)) / 16, RNG.normal(size=(256, 256))
    compiled = jit(power)
    for _ in range(4):
        np.testing.assert_allclose(compiled(a, x), power(a, x), rtol=1e-9)
    text = compiled.lower(a, x).kernels
    assert text.count("gemm") == 3 and "host for" in text  # pairs of turns, and the last
    if KIND == "host":
        assert gpu.replays == 3


def test_a_number_of_turns_that_the_device_knows(gpu: fake_cupy.Gpu) -> None:
    def repeated(a: Any, x: Any, turns: Any) -> Any:
        for k in range(turns):
            x = np.linalg.solve(a, x) + k
        return x

    compiled = jit(repeated)
    for turns in (3, 0, 5, 3):
        given = (A, X, np.array(turns))
        np.testing.assert_allclose(compiled(*given), repeated(A, X, turns), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("while_loop", [True, False])
def test_a_failed_check_ends_the_loop(gpu: fake_cupy.Gpu, while_loop: bool) -> None:
    def pick(a: Any, x: Any, i: Any) -> Any:
        while (x[i] < 100) if while_loop else False:
            x = np.linalg.solve(a, x * 40 * x[i])
        for k in range(3):
            x = x + np.linalg.solve(a - k * np.eye(len(x)), x)[i]
        return x

    compiled, x = jit(pick), np.ones(N)
    for _ in range(3):
        np.testing.assert_allclose(compiled(A, x, 2), wg.jit(pick)(A, x, 2), rtol=1e-9)
    with pytest.raises(OutOfBoundsError, match=r"9.*test_cuda_loops.py"):
        compiled(A, x, 9)
    with pytest.raises(SingularMatrixError):
        compiled(A * 0, x, 2)
    np.testing.assert_allclose(compiled(A, x, 2), wg.jit(pick)(A, x, 2), rtol=1e-9)


def test_python_is_called_in_each_turn(gpu: fake_cupy.Gpu) -> None:
    seen: list[float] = []

    def look(x: Any) -> Any:
        seen.append(float(x[0]))
        return x * 2

    def looped(x: Any) -> Any:
        for _ in range(3):
            x = wg.pure_callback(look, wg.ShapeDtypeStruct((4,), float), x) + 1
        return x

    compiled = jit(looped)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(np.ones(4)), 15.0)
    assert seen == [1.0, 3.0, 7.0] * 3
