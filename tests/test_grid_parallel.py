"""What goes along an axis in order, on a grid: the same results, by many threads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.api.compilation import lower_program
from wengert.backends.cuda import compile_for
from wengert.backends.cuda.host import HostDevice
from wengert.backends.cuda.plan import print_program
from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.ops import spreading
from wengert.ir.types import type_of
from wengert.kernels.interpret import interpret
from wengert.kernels.lower import lower
from wengert.kernels.verify import verify

RNG = np.random.default_rng(3)
LONG = 1500  # not a multiple of the blocks that a scan is cut into
F4, I8 = np.float32, np.int64


def with_holes(*shape: int) -> Any:
    x = RNG.normal(size=shape)
    x[..., shape[-1] // 2 :: 7] = np.nan
    return x


def tied(*shape: int) -> Any:
    return RNG.integers(0, 3, shape).astype(float)


SEARCHED: dict[str, Any] = {
    "floats": RNG.normal(size=(3, 40)),
    "NaNs": with_holes(3, 40),
    "ties": tied(3, 40),
    "infinite": np.full((3, 40), -np.inf),
    "integers": RNG.integers(-9, 9, (3, 40)),
    "truths": RNG.integers(0, 2, (3, 40)).astype(bool),
    "halves": RNG.normal(size=(3, 40)).astype(np.float16),
    "one long row": RNG.normal(size=5000),
}


def arg(name: str, axis: int) -> Callable[[Any], Any]:
    return lambda x: getattr(np, name)(x, axis=axis)


def scan(name: str, axis: int) -> Callable[[Any], Any]:
    return lambda x: getattr(np, name)(x, axis=axis)


def counted(x: Any, places: Any) -> Any:
    return np.bincount(places, weights=x, minlength=5)


def slopes(x: Any, places: Any) -> Any:
    """The gradient of a gather: sums into the places it read."""
    return wg.grad(lambda t: (t[places] * x).sum())(np.zeros(5))


def agree(fun: Callable[..., Any], *args: Any, exact: bool = False) -> Any:
    """The loops for a grid mean what the program means, in both orders of free turns."""
    program = wg.make_ir(fun)(*args).program
    lowered = lower_program(program, grid=True)
    verify(lowered.loops)
    wanted = evaluate(program, args)
    for order in (iter, reversed):
        found = interpret(lowered.loops, list(args), lowered.constants, order)
        for a, b in zip(found, wanted, strict=True):
            if exact:
                np.testing.assert_array_equal(a, np.ravel(b))
            else:
                np.testing.assert_allclose(a, np.ravel(b), rtol=1e-9, atol=1e-9)
    return lowered


@pytest.mark.parametrize("kind", SEARCHED)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_first_extreme_element(name: str, kind: str) -> None:
    x = SEARCHED[kind]
    for axis in range(x.ndim):
        agree(arg(name, axis), x, exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(150,), (2, 151), (150, 3), (2, 148, 2), (1000,)])
def test_running_sums(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "BLOCK", 4)
    monkeypatch.setattr(spreading, "LEAST_SCANNED", 16)  # so that totals are cut in turn
    x = RNG.normal(size=shape)
    axis = int(np.argmax(shape))
    agree(scan("cumsum", axis), x)
    agree(wg.grad(lambda x: (np.cumsum(x, axis) ** 2).sum()), x)  # and from the end


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["cumsum", "cummax", "cummin"])
@pytest.mark.parametrize("dtype", [F4, I8, np.int32])
def test_running_combinations(
    name: str, reverse: bool, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "LEAST_SCANNED", 100)
    x = (RNG.normal(size=(150, 2)) * 50).astype(dtype)
    builder = Builder()
    outs = getattr(Value(builder, builder.input(type_of(x)).atom), name)(axis=0, reverse=reverse)
    program = builder.finish([outs])
    lowered = lower(program, grid=True)
    verify(lowered.loops)
    (found,) = interpret(lowered.loops, [x], lowered.constants, reversed)
    (wanted,) = evaluate(program, [x])
    rtol = 1e-3 if dtype == F4 and name == "cumsum" else 0
    np.testing.assert_allclose(found, np.ravel(wanted), rtol=rtol, atol=rtol)


def test_a_running_maximum_hands_on_nan() -> None:
    x = RNG.normal(size=LONG)
    x[700] = np.nan
    agree(lambda x: np.maximum.accumulate(x), x, exact=True)


@pytest.mark.parametrize("count", [400, 401, 3])
def test_sums_into_few_places(count: int) -> None:
    x, places = RNG.normal(size=count), RNG.integers(0, 5, count)
    agree(counted, x, places)
    agree(slopes, x, places)


# A search beside a scan of the same rows, and after it, in one kernel.
def beside(x: Value, y: Value, axis: int, other: int, reverse: bool) -> list[Value]:
    return [x.argmin(axis=axis), x.linear_recurrence(y, axis=other, reverse=reverse)]


def after(x: Value, y: Value, axis: int, other: int, reverse: bool) -> list[Value]:
    run = x.linear_recurrence(y, axis=other, reverse=reverse)
    return [y.argmin(axis=axis), (run * y).argmin(axis=axis), run.sin()]


@pytest.mark.parametrize("make", [beside, after])
@pytest.mark.parametrize("shape", [(5, 4), (4, 1), (2, 3, 4), (3, 40)])
def test_searches_and_scans_in_one_kernel(make: Any, shape: tuple[int, ...]) -> None:
    x, y = RNG.normal(size=shape), RNG.normal(size=shape)
    for axis in range(len(shape)):
        for other in range(len(shape)):
            for reverse in (False, True):
                builder = Builder()
                values = [builder.input(type_of(a)) for a in (x, y)]
                program = builder.finish(make(*values, axis, other, reverse))
                lowered = lower(program, grid=True)
                verify(lowered.loops)
                found = interpret(lowered.loops, [x, y], lowered.constants, reversed)
                for a, b in zip(found, evaluate(program, [x, y]), strict=True):
                    np.testing.assert_allclose(a, np.ravel(b), rtol=1e-12)


THREADS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int]] = {
    "argmax of everything": (lambda x: x.argmax(), ((1 << 20, F4),), 1 << 17),
    "argmax of long rows": (arg("argmax", 1), (((64, 1 << 15), F4),), 64 * 256),
    "argmax of columns": (arg("argmax", 0), (((4096, 1024), F4),), 1 << 16),
    "cumsum of one row": (scan("cumsum", 0), ((1 << 20, F4),), 1 << 14),
    "cumsum of some rows": (scan("cumsum", 1), (((64, 1 << 14), F4),), 64 * 32),
    "histogram": (counted, ((1 << 20, F4), (1 << 20, I8)), 1 << 15),
    "gradient of a gather": (slopes, ((1 << 20, F4), (1 << 20, I8)), 1 << 15),
}


@pytest.mark.parametrize("name", THREADS)
def test_many_threads_work(name: str) -> None:
    """No kernel of any size is the work of a few threads: those that take longest have many."""
    fun, shapes, least = THREADS[name]
    given = [wg.ShapeDtypeStruct(s if isinstance(s, tuple) else (s,), d) for s, d in shapes]
    loops = wg.jit(fun, backend="cuda").lower(*given)._kernels
    launches = [k.spec for k in print_program(loops).kernels]
    assert sum(k.blocks * k.threads >= least for k in launches) >= 1
    small = [k for k in launches if k.blocks * k.threads < least // 8]
    texts = {k.spec.name: k.text for k in print_program(loops).kernels}
    assert not [k for k in small if "1048576" in texts[k.name]]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("seed", [1, 2])
def test_on_fibers_in_shuffled_order(seed: int) -> None:
    def everything(x: Any, places: Any) -> Any:
        return (
            *(x.argmax(), x.argmin(), np.cumsum(x), np.cumsum(x.reshape(2, -1), axis=1)),
            *(np.maximum.accumulate(x), counted(x, places), slopes(x, places)),
        )

    x, places = RNG.normal(size=2 * LONG), RNG.integers(0, 5, 2 * LONG)
    program = wg.make_ir(everything)(x, places).program
    lowered = lower_program(program, grid=True)
    made = compile_for(
        *(HostDevice(seed), lowered.loops, program.in_types, program.out_types, lowered.constants)
    )
    for a, b in zip(made(x, places), evaluate(program, [x, places]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
