"""Elementwise ops: what the laws over the registry do not say."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from op_cases import program_of, run
from scalar_eval import evaluate_element, evaluate_requirement

import wengert as wg
from wengert.errors import ArgumentError, DTypeError, ShapeError, VerificationError
from wengert.ir.builder import Builder
from wengert.ir.op import REGISTRY
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.transpose import vjp
from wengert.ir.types import BOOL, FLOAT32, FLOAT64, INT64, TensorType


def tensor(dtype: Any, *shape: int) -> TensorType:
    return TensorType(np.dtype(dtype), shape)


F, G, N, B = (tensor(d, 2, 3) for d in (FLOAT64, FLOAT32, INT64, BOOL))


@pytest.mark.parametrize(
    ("name", "types", "error", "message"),
    [
        (
            "add",
            (F, tensor("f8", 3)),
            ShapeError,
            r"add needs .* one shape, got \(2, 3\) and \(3,\)",
        ),
        ("mul", (F, G), DTypeError, "mul needs operands of one dtype, got float64 and float32"),
        ("add", (B, B), DTypeError, "add does not take bool; it takes int8, .* and complex128"),
        ("div", (N, N), DTypeError, "div does not take int64"),
        ("sin", (N,), DTypeError, "sin does not take int64; it takes float16, .* and complex128"),
        ("shl", (F, F), DTypeError, "shl does not take float64"),
        ("select", (F, F, F), DTypeError, "select needs a bool condition, got float64"),
        ("select", (B, F, G), DTypeError, "select needs operands of one dtype"),
        ("select", (tensor("?", 2), F, F), ShapeError, "select needs operands of one shape"),
        ("add", (F,), VerificationError, "add takes 2 operands, got 1"),
    ],
)
def test_operands_that_do_not_fit(
    name: str, types: tuple[TensorType, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        REGISTRY[name].infer(*types)


def test_integers_have_no_negative_static_power() -> None:
    with pytest.raises(DTypeError, match="int64 to the power -2 is not an integer"):
        REGISTRY["integer_pow"].infer(N, exponent=-2)


def test_negative_power_of_an_integer_fails_at_run_time() -> None:
    args = [np.array([2, 3, 4]), np.array([1, -2, 0])]
    with pytest.raises(ArgumentError, match="an integer to the power -2"):
        run(program_of(REGISTRY["powi"], args, {}), args)
    condition, value = evaluate_requirement(REGISTRY["powi"], args, {})
    np.testing.assert_array_equal(condition, [True, False, True])
    np.testing.assert_array_equal(value, args[1])


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "uint64", "int64"])
def test_gcd_of_consecutive_fibonacci_numbers(dtype: str) -> None:
    """The longest chain of Euclid's algorithm in each width."""
    a, b = 1, 1
    while a + b <= np.iinfo(dtype).max:
        a, b = b, a + b
    for factor in (1, 3):
        args = [np.array([b // factor], dtype), np.array([a // factor], dtype)]
        result = evaluate_element(REGISTRY["gcd"], args, {})
        np.testing.assert_array_equal(result, np.gcd(*args))


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_polygamma_against_mpmath(order: int) -> None:
    points = np.array([1e-3, 0.3, 0.5, 0.75, 1.0, 3.5, 20.0, 1e4, -0.25, -1.5, -7.9])
    result = evaluate_element(REGISTRY["polygamma"], [points], {"order": order})
    with mpmath.workdps(40):
        wanted = [float(mpmath.psi(order, mpmath.mpf(x))) for x in points.tolist()]
    np.testing.assert_allclose(result, wanted, 1e-13)


def test_hypot_neither_overflows_nor_underflows() -> None:
    for size in (1e300, 1e-300, 1e-320):
        args = [np.array([3 * size, size, 0.0]), np.array([4 * size, 0.0, size])]
        result = evaluate_element(REGISTRY["hypot"], args, {})
        np.testing.assert_allclose(result, np.hypot(*args), 1e-15, 5e-324)


def test_angles_of_tiny_and_huge_points_have_gradients() -> None:
    for size in (1e200, 1e-200):
        args = [np.array(3 * size), np.array(4 * size)]
        pulled = vjp(program_of(REGISTRY["atan2"], args, {}), [True, True]).program
        _, *bars = run(pulled, [*args, np.array(1.0)])
        np.testing.assert_allclose(bars, [0.16 / size, -0.12 / size], 1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_remainders_have_pythons_signs(dtype: str) -> None:
    values = [-7.5, -6.0, -1.0, 1.0, 6.0, 7.5]
    for x in values:
        for y in (-2.0, -1.5, 1.5, 2.0):
            args = [np.array(x, dtype), np.array(y, dtype)]
            assert evaluate_element(REGISTRY["mod"], args, {}) == x % y
            assert evaluate_element(REGISTRY["floordiv"], args, {}) == x // y


def test_steps_between_floats() -> None:
    x, up = np.array([0.0, 1.0, -1.0, 5e-324]), np.array([1.0, 2.0, 0.0, 1.0])
    result = evaluate_element(REGISTRY["nextafter"], [x, up], {})
    np.testing.assert_array_equal(
        result, [math.nextafter(a, b) for a, b in zip(x, up, strict=True)]
    )


def test_literals_are_not_broadcast_by_batching() -> None:
    builder = Builder()
    program = builder.finish([builder.input(tensor("f8", 3)) * 2.0])
    mapped = batch(program, [True], 4).program
    assert [e.op.name for e in mapped.eqns] == ["mul"]


def test_zero_d_operand_beside_a_shaped_one_sums_its_cotangent() -> None:
    args = [np.array(2.0), np.arange(3.0)]
    pulled = vjp(program_of(REGISTRY["mul"], args, {}), [True, True]).program
    _, scalar_bar, bar = run(pulled, [*args, np.array([1.0, 10.0, 100.0])])
    assert scalar_bar == 210.0
    np.testing.assert_array_equal(bar, [2.0, 20.0, 200.0])


def test_constant_partials_need_no_multiplication() -> None:
    builder = Builder()
    x, y = (builder.input(F) for _ in range(2))
    pushed = jvp(builder.finish([x - y]), [True, True]).program
    assert [e.op.name for e in pushed.eqns] == ["sub", "neg", "add"]


def test_casts_to_and_from_integers_carry_no_derivative() -> None:
    builder = Builder()
    x = builder.input(F)
    program = builder.finish([x.to(INT64).to(FLOAT64) * 2.0])
    assert jvp(program, [True]).out_active == (False,)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16])
def test_division_by_a_power_of_two_rounds_down(dtype: type) -> None:
    x = np.arange(-70, 70).astype(dtype)

    def parts(x: Any) -> tuple[Any, ...]:
        return tuple(f(x, n) for n in (1, 2, 64, 7) for f in (np.floor_divide, np.remainder))

    for found, expected in zip(wg.jit(parts)(x), parts(x), strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
