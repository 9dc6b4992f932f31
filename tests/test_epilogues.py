"""Kernels that become epilogues of products, and those that must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import special
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import Gemm
from wengert.kernels.lower import Lowered, lower
from wengert.kernels.statements import walk
from wengert.kernels.verify import verify

RNG = np.random.default_rng(0)
F = np.float32


def drawn(dtype: Any = F) -> tuple[Any, ...]:
    return tuple(RNG.normal(size=s).astype(dtype) for s in ((40, 30), (30, 24), (24,)))


def lowered(f: Callable[..., Any], args: Any) -> Lowered:
    made = lower(default_pipeline(wg.make_ir(f)(*args).program), grid=True)
    verify(made.loops)
    return made


def names(f: Callable[..., Any], args: Any) -> list[str]:
    return [k.name for k in lowered(f, args).loops.steps]


def tanh_gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def logistic_gelu(x: Any) -> Any:
    """The same function: (1 + tanh(y)) / 2 is the logistic function of 2 y."""
    return x / (1 + np.exp(-1.5957691216 * (x + 0.044715 * x**3)))


EPILOGUES = {
    "relu": lambda x, w, b: np.maximum(x @ w + b, 0),
    "where": lambda x, w, b: np.where(x @ w + b > 0, x @ w + b, 0),
    "gelu": lambda x, w, b: tanh_gelu(x @ w + b),
    "logistic gelu": lambda x, w, b: logistic_gelu(b + x @ w),
    "bias": lambda x, w, b: x @ w + b,
    "no bias": lambda x, w, b: np.maximum(0, x @ w),
}


@pytest.mark.parametrize("dtype", [F, np.float16, wg.bfloat16])
@pytest.mark.parametrize("name", EPILOGUES)
def test_epilogues(name: str, dtype: Any) -> None:
    f, args = EPILOGUES[name], drawn(dtype)
    made = lowered(f, args)
    assert [k.name for k in made.loops.steps] == ["gemm_map"]
    (found,) = interpret(made.loops, args, made.constants)
    with np.errstate(over="ignore"):
        expected = f(*(x.astype(F) for x in args))
    assert found.dtype == dtype
    rtol, atol = {2: (4e-3, 4e-3), 4: (1e-4, 1e-5)}[found.itemsize]
    if dtype == wg.bfloat16:
        rtol, atol = 8 * rtol, 8 * atol
    np.testing.assert_allclose(found.reshape(40, 24).astype(F), expected, rtol=rtol, atol=atol)


OTHERS = {
    "another function": lambda x, w, b: np.tanh(x @ w + b),
    "nearly gelu": lambda x, w, b: (x @ w + b) / (1 + np.exp(-1.702 * (x @ w + b))),
    "gelu by erf": lambda x, w, b: (x @ w) * (0.5 + 0.5 * special.erf((x @ w) * 0.70710678)),
    "a bias for each row": lambda x, w, b: x @ w + x[:, :1],
    "more is read": lambda x, w, b: np.maximum(x @ w + b, x[:, :24]),
    "turned": lambda x, w, b: (x @ w).T * 1.0,
    "a sum": lambda x, w, b: (x @ w + b).sum(axis=1),
    "the bias is scaled": lambda x, w, b: x @ w + 2 * b,
    "rounded before": lambda x, w, b: np.maximum((x @ w).astype(np.float16).astype(F), 0),
    "more bits after": lambda x, w, b: ((x @ w).astype(float) + b.astype(float)).astype(F),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_kernels_stay(name: str) -> None:
    assert "gemm_map" not in names(OTHERS[name], drawn())


def test_a_product_that_is_used_again_keeps_its_kernel() -> None:
    def f(x: Any, w: Any, b: Any) -> Any:
        y = x @ w + b
        return np.maximum(y, 0), y.sum(axis=0)

    assert "gemm_map" not in names(f, drawn())


def test_float64_has_no_epilogues() -> None:
    assert "gemm_map" not in names(EPILOGUES["relu"], drawn(np.float64))


def half(shape: tuple[int, ...], dtype: Any = np.float16) -> Any:
    return RNG.normal(size=shape).astype(dtype)


HALVES = {
    "plain": (lambda x, y: x @ y, (40, 30), (30, 24)),
    "a batch": (lambda x, y: x @ y, (3, 20, 30), (3, 30, 24)),
    "turned": (lambda x, y: x.T @ y.T, (30, 40), (24, 30)),
    "rounded first": (lambda x, y: (x.astype(F) * 2).astype(y.dtype) @ y, (40, 30), (30, 24)),
}


@pytest.mark.parametrize("dtype", [np.float16, wg.bfloat16])
@pytest.mark.parametrize("name", HALVES)
def test_products_of_halves_read_and_write_halves(name: str, dtype: Any) -> None:
    f, *shapes = HALVES[name]
    args = [half(s, dtype) for s in shapes]
    made = lowered(f, args)
    calls = [st for k in made.loops.steps for st in walk(k.body) if isinstance(st, Gemm)]
    assert [m.buffer.dtype for c in calls for m in c.matrices] == [np.dtype(dtype)] * 3
    (found,) = interpret(made.loops, args, made.constants)
    expected = f(*[x.astype(F) for x in args])
    rounding = 2.0**-8 if dtype == wg.bfloat16 else 2.0**-11
    found = found.reshape(expected.shape).astype(F)
    np.testing.assert_allclose(found, expected, rtol=2 * rounding, atol=16 * rounding)


def test_a_sum_of_halves_that_stays_in_single_precision_is_not_rounded() -> None:
    """Nor is one that is read twice: as it is and rounded."""
    x, y = half((40, 30)), half((30, 24))
    wide = lowered(lambda x, y: x.astype(F) @ y.astype(F), (x, y))
    found, *_ = interpret(wide.loops, (x, y), wide.constants)
    np.testing.assert_allclose(found.reshape(40, 24), x.astype(F) @ y.astype(F), rtol=1e-5)

    def both(x: Any, y: Any) -> Any:
        product = x.astype(F) @ y.astype(F)
        return product, product.astype(np.float16)

    made = lowered(both, (x, y))
    assert [k.name for k in made.loops.steps].count("gemm") == 1
