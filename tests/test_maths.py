"""The expansions of maths functions: accuracy against mpmath, special values against NumPy."""

from __future__ import annotations

import re
from typing import Any

import cpu_programs as build
import mpmath as mp
import numpy as np
import pytest
from cpu_programs import S, executable
from fast_share import fast_share
from maths_cases import EXACT, NUMPY, POINTS, Array, Sampler, exact, special_values, ulps

from benchmarks import maths_tables, minimax
from wengert.backends.cpu import machine
from wengert.ir.scalar import MATHS, Expr, ScalarBuilder, ScalarOp
from wengert.ir.scalar import ScalarOp as O
from wengert.kernels.loops import Kind
from wengert.kernels.maths import (
    ULP,
    expand,
    expand_slow,
    exponential,
    hyperbolic,
    inverse_trigonometric,
    logarithm,
    needs_slow_path,
    power,
    tables,
    trigonometric,
)

FUNCTIONS = sorted(MATHS - {ScalarOp.CALL})
BINARY = {ScalarOp.POW, ScalarOp.ATAN2, ScalarOp.FREM}
PERIODIC = {ScalarOp.SIN, ScalarOp.COS, ScalarOp.TAN}
GUARDED = PERIODIC | {ScalarOp.FREM}
DTYPES = ["float32", "float64"]
ALLOWED = frozenset(
    {*map(ScalarOp, ["const", "load", "index", "add", "sub", "mul", "div", "fma", "neg", "abs"])}
    | {
        *map(
            ScalarOp,
            ["sqrt", "rint", "floor", "copysign", "eq", "ne", "lt", "le", "gt", "ge", "and"],
        )
    }
    | {*map(ScalarOp, ["or", "xor", "not", "shl", "shr", "select", "cast", "bitcast"])}
    | {*map(ScalarOp, ["exponent", "significand", "scale", "lookup"])}
)


def compiled(op: ScalarOp, dtype: str, size: int) -> Any:
    operands = [dtype] * (2 if op in BINARY else 1)
    return executable(build.elementwise(lambda *args: S.maths(op, *args), operands, dtype, size))


def evaluate(op: ScalarOp, *columns: Array) -> Array:
    return compiled(op, columns[0].dtype.name, columns[0].size)(*columns)[0]


def nodes(root: Expr) -> list[Expr]:
    found: dict[Expr, None] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack.extend(node.args)
    return list(found)


def test_every_function_has_an_expansion_a_bound_and_cases() -> None:
    assert set(ULP) == set(POINTS) == set(EXACT) == set(NUMPY) == set(FUNCTIONS)
    assert all(set(bounds) == set(DTYPES) for bounds in ULP.values())


def in_form(tables: bool, op: ScalarOp, *columns: Array) -> Array:
    """The values of the form with tables or of the one without, on any machine."""
    dtype, whole = columns[0].dtype.name, columns[0].size

    def made(*args: Expr) -> Expr:
        return expand(S, S.maths(op, *args), guard=False, tables=tables)

    return executable(build.elementwise(made, [dtype] * len(columns), dtype, whole))(*columns)[0]


PARTS = {ScalarOp.EXPONENT, ScalarOp.SIGNIFICAND, ScalarOp.SCALE, ScalarOp.LOOKUP}
TWO_FORMS = [O.EXP, O.EXP2, O.LOG, O.TANH, O.ERF, O.ERFC, O.POW]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", fast_share(list(FUNCTIONS), 4))
def test_error_is_within_the_stated_bound(op: ScalarOp, dtype: str) -> None:
    columns = POINTS[op](Sampler(dtype, 500, seed=FUNCTIONS.index(op)))
    found = evaluate(op, *columns)
    worst, where = 0.0, ()
    tested = 0
    for value, *operands in zip(found.tolist(), *(c.tolist() for c in columns), strict=True):
        expected = exact(op, *operands)
        if expected is None:
            continue
        tested += 1
        assert not np.isnan(value), f"{op}{operands} is NaN, expected {mp.nstr(expected, 20)}"
        error = ulps(value, expected, dtype)
        if error > worst:
            worst, where = error, operands
    assert tested > 400
    assert worst <= ULP[op][dtype], f"{op}{where}: {worst:.2f} ulp"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", FUNCTIONS)
def test_special_values_are_numpys(op: ScalarOp, dtype: str) -> None:
    """NaN, infinities and zeros the same, signs of zeros too; the rest close by."""
    values = special_values(dtype)
    columns = [a.ravel() for a in np.meshgrid(values, values)] if op in BINARY else [values]
    with np.errstate(all="ignore"):
        expected = NUMPY[op](*columns)
    found = evaluate(op, *columns)
    assert found.dtype == expected.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
    np.testing.assert_array_equal(found == 0, expected == 0)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(expected[number]))
    info = np.finfo(dtype)
    tolerance = 8 * float(info.eps)
    smallest = 4 * float(info.smallest_subnormal)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=smallest)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", fast_share(TWO_FORMS, 2))
def test_forms_with_and_without_tables_agree(op: ScalarOp, dtype: str) -> None:
    """Each has the stated bound, whichever of them this machine takes."""
    values = special_values(dtype)
    columns = [a.ravel() for a in np.meshgrid(values, values)] if op in BINARY else [values]
    points = POINTS[op](Sampler(dtype, 400, seed=7))
    columns = [np.concatenate(pair) for pair in zip(columns, points, strict=True)]
    tables, plain = (in_form(found, op, *columns) for found in (True, False))
    np.testing.assert_array_equal(np.isnan(tables), np.isnan(plain))
    number = ~np.isnan(plain)
    np.testing.assert_array_equal(np.signbit(tables[number]), np.signbit(plain[number]))
    np.testing.assert_array_equal(np.isinf(tables), np.isinf(plain))
    numbers = [c[np.isfinite(plain)].astype("f8") for c in (tables, plain)]
    with np.errstate(over="ignore"):  # next to the largest number
        unit = np.spacing(np.abs(tables[np.isfinite(plain)])).astype("f8")
    assert np.all(np.abs(numbers[0] - numbers[1]) <= 2 * ULP[op][dtype] * unit)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", FUNCTIONS)
def test_without_tables_all_is_arithmetic(op: ScalarOp, dtype: str) -> None:
    s = ScalarBuilder()
    operands = [s.load(build.buffer(dtype, 1), s.int(0)) for _ in range(2 if op in BINARY else 1)]
    made = expand(s, s.maths(op, *operands), guard=False, tables=False)
    assert {n.op for n in nodes(made)} <= ALLOWED - PARTS


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", FUNCTIONS)
def test_expansions_are_branch_free_and_avoid_slow_conversions(op: ScalarOp, dtype: str) -> None:
    s = ScalarBuilder()
    operands = [s.load(build.buffer(dtype, 1), s.int(0)) for _ in range(2 if op in BINARY else 1)]
    found = nodes(expand(s, s.maths(op, *operands), guard=False))
    assert {n.op for n in found} <= ALLOWED
    for node in found:
        if node.op is ScalarOp.CAST:
            kinds = {node.dtype.name, node.args[0].dtype.name}
            assert kinds == {"float32", "float64"}, "AVX2 has no vector conversion for it"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", fast_share(list(FUNCTIONS), 4))
def test_loops_are_vectorised(op: ScalarOp, dtype: str) -> None:
    module, _ = machine.optimized(compiled(op, dtype, 4096).source)
    used = "floor" if op is ScalarOp.FREM else "fma"  # remainders have no fused products
    packed = re.findall(rf"@llvm\.{used}\.v(\d+)f(?:32|64)\(", str(module))
    assert packed, f"no packed {used} in the loop of {op}"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", sorted(PERIODIC))
def test_huge_arguments_among_others(op: ScalarOp, dtype: str) -> None:
    sampler = Sampler(dtype, 3000)
    x = sampler.uniform(-100, 100)
    x[::97] = sampler.magnitudes(1e5, sampler.largest, 2)[: x[::97].size]
    found = evaluate(op, x)
    errors = [ulps(float(y), exact(op, float(v)), dtype) for v, y in zip(x, found, strict=True)]
    assert max(errors) <= ULP[op][dtype]


def test_powers_near_the_ends_of_float32() -> None:
    """Where the exponent is largest, and bases near 1 have the least of a logarithm to lose."""
    random = np.random.default_rng(5)
    x = np.exp(random.uniform(np.log(0.5), np.log(2), 400_000)).astype("f4")
    y = random.uniform(120, 127, x.size) / np.maximum(np.abs(np.log2(x.astype("f8"))), 1e-9)
    y = (y * random.choice([-1, 1], x.size)).astype("f4")
    exact = np.power(x.astype("f8"), y.astype("f8"))
    errors = np.abs(evaluate(ScalarOp.POW, x, y) - exact) / np.spacing(exact.astype("f4"))
    assert errors.max() <= ULP[ScalarOp.POW]["float32"]


@pytest.mark.parametrize("op", FUNCTIONS)
def test_slow_path_is_for_periodic_functions(op: ScalarOp) -> None:
    s = ScalarBuilder()
    operands = [s.load(build.buffer("f4", 1), s.int(0)) for _ in range(2 if op in BINARY else 1)]
    node = s.maths(op, *operands)
    condition = needs_slow_path(s, node)
    assert (condition is not None) == (op in GUARDED)
    if condition is not None:
        whole = expand(s, node)
        assert whole.op is ScalarOp.GUARD
        assert whole.args == (condition, expand_slow(s, node), expand(s, node, guard=False))


MONOTONE: dict[ScalarOp, tuple[float, float]] = {
    ScalarOp.EXP: (-5, 5),
    ScalarOp.LOG: (0.1, 10),
    ScalarOp.TANH: (-3, 3),
    ScalarOp.ERF: (-3, 3),
}


@pytest.mark.parametrize("op", sorted(MONOTONE))
def test_joins_are_monotone_up_to_rounding(op: ScalarOp) -> None:
    """No step down by more than the bound where one form takes over from another."""
    x = np.linspace(*MONOTONE[op], 200_001).astype("float32")
    y = evaluate(op, x).astype("f8")
    allowed = 2 * ULP[op]["float32"] * np.spacing(np.abs(y[1:]).astype("float32"))
    assert np.all(np.diff(y) >= -allowed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype", "used"),
    [
        ("sin", "f4", trigonometric._SIN_SINGLE),
        ("cos", "f8", trigonometric._COS_DOUBLE),
        ("exp2", "f8", exponential.EXP2_DOUBLE),
        ("log quotient", "f8", logarithm._DOUBLE),
        ("atan", "f4", inverse_trigonometric._ATAN_SINGLE),
        ("log2 quotient", "f4", power._R),
        ("coth", "f4", hyperbolic._COTH_SINGLE),
        ("coth", "f8", hyperbolic._COTH_DOUBLE),
    ],
)
def test_coefficients_are_those_of_the_generator(
    name: str, dtype: str, used: tuple[float, ...]
) -> None:
    coefficients, error = minimax.table(name, dtype, len(used))
    assert coefficients == list(used)
    assert error < (-27 if dtype == "f4" else -56)


@pytest.mark.slow
def test_tables_are_those_of_the_generator() -> None:
    exp = (tables.EXP_SINGLE, tables.EXP_TERMS_SINGLE, tables.EXP2_TERMS_SINGLE)
    assert tuple(map(tuple, maths_tables.exp_table("f4"))) == exp
    columns, terms = maths_tables.log_table("f8")
    assert (tuple(map(tuple, columns)), tuple(terms)) == (
        tables.LOG_DOUBLE,
        tables.LOG_TERMS_DOUBLE,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", [O.EXP, O.EXP2, O.LOG, O.ERF, O.ERFC])
def test_one_at_a_time_gives_the_bits_of_vectors(op: ScalarOp, dtype: str) -> None:
    """Tables, exponents and powers of two are arithmetic there, and instructions in vectors."""
    (column,) = POINTS[op](Sampler(dtype, 50))
    values = np.concatenate((column, special_values(dtype)))
    found = [
        executable(build.elementwise(lambda x: S.maths(op, x), [dtype], dtype, values.size, kind))
        for kind in (Kind.SERIAL, Kind.ORDERED)
    ]
    vectors, numbers = (f(values)[0] for f in found)
    assert [("avx512" in f.source) for f in found] == [machine.target().masks, False]
    np.testing.assert_array_equal(vectors, numbers)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 3, 21])
def test_parts_of_floats(size: int, dtype: str) -> None:
    """In vectors of any length, what NumPy takes apart."""
    x = np.resize(special_values(dtype), (7, size)).T.copy()
    fraction, power = np.frexp(x)
    with np.errstate(divide="ignore"):
        ends = np.log(np.abs(x))
    made = {
        "exponent": np.where(np.isfinite(x) & (x != 0), power - 1.0, ends),
        "significand": np.where(x > 0, fraction * 2, np.nan),
    }
    for name, expected in made.items():
        for column, wanted in zip(x.T, expected.T, strict=True):
            f = executable(
                build.elementwise(
                    lambda v, name=name: S.unary(ScalarOp(name), v), [dtype], dtype, size
                )
            )
            found, plain = f(column)[0], (column > 0) & (column < np.inf)
            use = plain | (name == "exponent") | np.isnan(column) | (column < 0)
            np.testing.assert_array_equal(found[use], wanted[use].astype(dtype))


def test_other_dtypes_are_refused() -> None:
    s = ScalarBuilder()
    x = s.load(build.buffer("f2", 1), s.int(0))
    with pytest.raises(TypeError, match="exp of float16: only float32 and float64"):
        expand(s, s.maths(ScalarOp.EXP, x))
