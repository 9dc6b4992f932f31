"""bfloat16: the laws of operations on samples in it, and what users see of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from law_backends import BACKENDS
from op_cases import OPS, assert_close, has_regions, in_bfloat16, named, program_of, run
from scalar_eval import evaluate_element

import wengert as wg
from wengert.errors import DTypeError
from wengert.ir.builder import Builder, Value
from wengert.ir.floats import is_bfloat16, kind_of, widened
from wengert.ir.op import Op, Sample
from wengert.ir.parser import parse
from wengert.ir.text import to_text
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.jvp import Jvp, jvp
from wengert.ir.transforms.transpose import Vjp, vjp
from wengert.ir.types import TensorType, type_of

pytest.importorskip("ml_dtypes")
ROUNDING = 2.0**-8  # of a number to 8 bits, relative to it
ANY_ZERO = {"max", "min", "fmax", "fmin"}
OSCILLATING = frozenset({"j0", "j1", "y0", "y1"})  # of huge numbers the libraries lose the phase
TAKEN = [op for op in OPS if in_bfloat16(op)]


def over(ops: Sequence[Op]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("op", ops, ids=lambda op: op.name)


def assert_meets(op: Op, sample: Sample, actual: np.ndarray, expected: np.ndarray) -> None:
    """Both are the same number in float32, up to its rounding, and rounded: to neighbours at most."""
    whole = sample.differentiable or op.name in OSCILLATING
    absolute = 2 * ROUNDING if whole else 0.0
    assert_close(actual, expected, 2 * ROUNDING, absolute, zeros=op.name not in ANY_ZERO)


def drawn(rng: np.random.Generator) -> Callable[[TensorType], np.ndarray]:
    return lambda t: np.asarray(rng.standard_normal(t.shape)).astype(t.dtype)


def in_float32(param: Any) -> Any:
    brief = isinstance(param, np.dtype) and is_bfloat16(param)
    return np.dtype(np.float32) if brief else param


@over(TAKEN)
def test_meaning_and_element_rule(op: Op) -> None:
    for name, sample in in_bfloat16(op):
        with named(name):
            program = program_of(op, sample.args, sample.params)
            assert parse(to_text(program)).out_types == program.out_types
            (expected,) = run(program, sample.args)
            if op.element is not None:
                found = evaluate_element(op, sample.args, sample.params)
                assert_meets(op, sample, found, expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", sorted({op.family for op in TAKEN}))
def test_backends_agree_with_evaluate(family: str, backend: str) -> None:
    """All operations of a family, on all samples, in one program."""
    builder = Builder()
    outs: list[Value] = []
    origins: list[tuple[Op, str, Sample]] = []
    args: list[np.ndarray] = []
    for op in (op for op in TAKEN if op.family == family):
        for name, sample in in_bfloat16(op):
            if sum(a.size for a in sample.args) > 100 and backend in ("loops", "grid"):
                continue
            inputs = [builder.input(type_of(a)) for a in sample.args]
            made = builder.emit(op, inputs, sample.params)
            outs += made
            args += sample.args
            origins += [(op, name, sample)] * len(made)
    program = builder.finish(outs)
    results = BACKENDS[backend](program, args)
    for (op, name, sample), x, y in zip(origins, results, run(program, args), strict=True):
        with named(name):
            assert_meets(op, sample, x, y)


@over([op for op in TAKEN if op.jvp is not None and not has_regions(op)])
@pytest.mark.parametrize("transform", [jvp, vjp], ids=["jvp", "vjp"])
def test_derivatives_are_those_of_float32(op: Op, transform: Callable[..., Jvp | Vjp]) -> None:
    """Each equation rounds once, by a part of numbers of the size of its operands."""
    rng = np.random.default_rng(7)
    for name, sample in in_bfloat16(op):
        program = program_of(op, sample.args, sample.params)
        if not sample.differentiable or not all(t.is_float for t in program.out_types):
            continue
        with named(name):
            active = [kind_of(a.dtype) == "f" for a in sample.args]
            derived = transform(program, active).program
            given = [*sample.args, *map(drawn(rng), derived.in_types[len(sample.args) :])]
            found = run(derived, given)
            params = {k: in_float32(v) for k, v in sample.params.items()}
            wide = [widened(a) for a in given]
            same = transform(program_of(op, wide[: len(active)], params), active).program
            allowed = ROUNDING * (1 + len(derived.eqns))
            for x, y in zip(found, run(same, wide), strict=True):
                size = 1 + float(np.max(np.abs(y), initial=0))
                np.testing.assert_allclose(widened(x), y, allowed, allowed * size)


@over([op for op in TAKEN if any(s.args for _, s in in_bfloat16(op))])
def test_batch_agrees_with_loop(op: Op) -> None:
    for name, sample in in_bfloat16(op):
        if sum(a.size for a in sample.args) > 100:
            continue
        with named(name):
            program = program_of(op, sample.args, sample.params)
            stacked = [np.stack([a, np.roll(a, 1)]) for a in sample.args]
            mapped = batch(program, [True] * len(stacked), 2)
            for k in range(2):
                expected = run(program, [np.asarray(a[k]) for a in stacked])
                for x, on, y in zip(
                    run(mapped.program, stacked), mapped.out_batched, expected, strict=True
                ):
                    assert_meets(op, sample, np.asarray(x[k] if on else x), y)


# what users see


def test_numbers_are_rounded_as_by_ml_dtypes() -> None:
    """To bfloat16 and back, from what lies half-way between two of its numbers or a little off."""
    upper = np.arange(65536, dtype=np.uint32) << 16
    convert = wg.jit(lambda x: x.astype(wg.bfloat16))
    for low in (0, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
        values = (upper | np.uint32(low)).view(np.float32)
        found = convert(values)
        assert found.dtype == wg.bfloat16
        with np.errstate(invalid="ignore"):
            expected = values.astype(wg.bfloat16)
        np.testing.assert_array_equal(widened(found), widened(expected))
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
    ties = 1 + np.arange(-64, 64) * 2.0**-8 * (1 + 2.0**-40)
    for values in (ties, np.arange(-(2**40), 2**40, 2**33 + 12345)):
        np.testing.assert_array_equal(
            widened(wg.jit(lambda x: x.astype(wg.bfloat16))(values)),
            widened(values.astype(wg.bfloat16)),
        )


X = np.random.default_rng(1).standard_normal((6, 8)).astype(np.float32)


@pytest.mark.parametrize(
    ("other", "dtype"),
    [
        *((number, "bfloat16") for number in (2, 2.5, True, np.int64(3), np.uint8(3))),
        *((np.arange(8, dtype=d), "bfloat16") for d in (np.int8, np.int64, np.uint32)),
        (np.arange(8) > 3, "bfloat16"),
        *((np.float16(2), "float32"), (np.float32(2), "float32"), (np.float64(2), "float64")),
        *((1j, "complex64"), (np.complex128(1j), "complex128")),
    ],
)
def test_promotion(other: Any, dtype: str) -> None:
    x = X.astype(wg.bfloat16)
    for body in (lambda x, y: x * y, lambda x, y: np.where(x > 0, x, y)):
        assert wg.jit(lambda x, body=body: body(x, other))(x).dtype == dtype


def softmax_of_product(x: Any, w: Any) -> Any:
    scores = x @ w
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.sum((e / e.sum(axis=1, keepdims=True)) ** 2)


def test_derivatives_are_of_its_dtype() -> None:
    x, w = X.astype(wg.bfloat16), X.T.astype(wg.bfloat16)
    exact = wg.grad(softmax_of_product, (0, 1))(widened(x), widened(w))
    for gradient in (
        wg.grad(softmax_of_product, (0, 1)),
        wg.jit(wg.grad(softmax_of_product, (0, 1))),
    ):
        for found, expected in zip(gradient(x, w), exact, strict=True):
            assert found.dtype == wg.bfloat16
            # about ten operations, each rounded to a part of 2^-8
            allowed = 10 * ROUNDING * np.abs(expected).max()
            np.testing.assert_allclose(widened(found), expected, 0, allowed)
    _, tangent = wg.jvp(lambda x: softmax_of_product(x, w), (x,), (x,))
    assert tangent.dtype == wg.bfloat16
    assert wg.vmap(lambda row: row.sum())(x).dtype == wg.bfloat16


@pytest.mark.slow
def test_sums_do_not_stop_growing() -> None:
    ones = np.ones((3, 1000), wg.bfloat16)
    for f in (np.sum, lambda x: np.cumsum(x, 1)[2, -1] * 3, lambda x: (x @ x.T)[0, 0] * 3):
        assert abs(float(wg.jit(f)(ones)) - 3000) <= 3000 * ROUNDING
        (meant,) = run(wg.make_ir(f)(ones).program, [ones])
        assert abs(float(meant) - 3000) <= 3000 * ROUNDING


def test_scalars_arrays_and_loops() -> None:
    @wg.jit
    def run(x: Any, n: Any) -> Any:
        total = np.zeros(8, wg.bfloat16)
        for i in range(6):
            total[i] = wg.bfloat16(n) * x[i].sum()
        return total, x[0, 0], np.sort(x, axis=1), np.argmax(x)

    x = X.astype(wg.bfloat16)
    for _ in range(2):  # the second call finds its way without Python
        total, first, rows, at = run(x, np.float32(2))
        assert total.dtype == first.dtype == rows.dtype == wg.bfloat16
        assert type(first) is wg.bfloat16
        assert first == x[0, 0]
        assert at == np.argmax(widened(x))
        np.testing.assert_array_equal(widened(rows), np.sort(widened(x), axis=1))
        np.testing.assert_allclose(widened(total)[:6], 2 * widened(x).sum(1), 0.02, 0.02)
    assert type(wg.jit(lambda a: a * 2)(wg.bfloat16(1.5))) is wg.bfloat16


@pytest.mark.slow
def test_names_of_the_namespace() -> None:
    wnp = wg.numpy
    assert wnp.finfo(wg.bfloat16).eps == 2 * ROUNDING
    assert wnp.isdtype(np.dtype(wg.bfloat16), "real floating")
    assert wnp.issubdtype(wg.bfloat16, np.floating)
    assert wnp.promote_types(wg.bfloat16, np.float16) == np.float32
    assert wnp.zeros(3, wnp.bfloat16).dtype == wg.bfloat16
    for name in ("uniform", "normal", "exponential", "laplace"):
        drawn = getattr(wg.random, name)(wg.random.key(0), (5000,), dtype=wg.bfloat16)
        again = getattr(wg.random, name)(wg.random.key(0), (5,), dtype=wg.bfloat16)
        assert drawn.dtype == again.dtype == wg.bfloat16
        np.testing.assert_array_equal(widened(drawn)[:5], widened(again))
    normal = widened(wg.random.normal(wg.random.key(1), (20_000,), wg.bfloat16))
    assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.02 and normal.max() > 3.3


def test_what_it_is_not_taken_by() -> None:
    x = X.astype(wg.bfloat16)
    for f in (lambda x: np.linalg.inv(x[:, :6]), lambda x: x << 1, lambda x: np.gcd(x, x)):
        with pytest.raises(DTypeError, match="bfloat16"):
            wg.jit(f)(x)


@pytest.mark.slow
def test_the_package_is_imported_when_it_is_asked_for() -> None:
    """And without it only those who ask for the dtype notice."""
    script = """
import sys
sys.modules["ml_dtypes"] = None
import numpy as np
import wengert as wg
from wengert.ir.parser import parse
assert wg.jit(lambda x: np.sum(x * 2, axis=0))(np.ones((3, 2), np.float16)).dtype == np.float16
assert not hasattr(wg, "bfloat16")
for ask in (lambda: wg.bfloat16, lambda: parse("program(%0: bfloat16[2]) {\\n    return %0\\n}")):
    try:
        ask()
    except (AttributeError, TypeError) as error:
        print("pip install ml_dtypes" in str(error))
del sys.modules["ml_dtypes"]
wg.grad(np.sin)(1.0)
print("ml_dtypes" in sys.modules, wg.bfloat16(1.5), "ml_dtypes" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["True", "True", "False", "1.5", "True"], "")


# Where values of 16 bits have been widened already, or NumPy's own dtypes are meant.
WIDE = {"llvm/ops.py", "llvm/sort.py", "llvm/types.py", "routines/merge_text.py", "ir/floats.py"}


def test_kinds_are_asked_of_kind_of() -> None:
    """For NumPy the kind of bfloat16 is not that of floats."""
    asked = re.compile(r"""dtype\.kind (==|!=|in|not in) "[biuc]*f[biuc]*\"""")
    found = [
        f"{path}: {line.strip()}"
        for path in Path(wg.__file__).parent.rglob("*.py")
        if f"{path.parent.name}/{path.name}" not in WIDE
        for line in path.read_text(encoding="utf-8").splitlines()
        if asked.search(line)
    ]
    assert not found


# the numbers of JAX


@pytest.mark.slow
def test_elementwise_results_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")
    every = np.arange(65536, dtype=np.uint16).view(wg.bfloat16)
    size = np.abs(widened(every))
    x = every[(size > 1e-30) & (size < 1e30)]  # its own subnormal numbers JAX takes for zeros
    y = np.random.default_rng(2).permutation(x)
    for name in ("exp", "expm1", "tanh", "sin", "sqrt", "log", "arctan", "floor", "cbrt", "square"):
        assert_neighbours(wg.jit(getattr(np, name))(x), getattr(jax.numpy, name)(x))
    for name in ("add", "subtract", "multiply", "divide", "maximum", "copysign"):
        assert_neighbours(wg.jit(getattr(np, name))(x, y), getattr(jax.numpy, name)(x, y))


def assert_neighbours(found: np.ndarray, expected: Any) -> None:
    """The same numbers or neighbours; what is subnormal may be zero."""
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype == wg.bfloat16
    np.testing.assert_allclose(widened(found), widened(expected), 2 * ROUNDING, 2.0**-126)


@pytest.mark.slow
def test_gradients_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")

    def loss(q: Any, w: Any) -> Any:
        e = jax.numpy.exp(q @ w - (q @ w).max(axis=1, keepdims=True))
        return ((e / e.sum(axis=1, keepdims=True)) ** 2).sum()

    x, w = X.astype(wg.bfloat16), X.T.astype(wg.bfloat16)
    ours = wg.jit(wg.grad(softmax_of_product, (0, 1)))(x, w)
    for found, expected in zip(ours, jax.jit(jax.grad(loss, (0, 1)))(x, w), strict=True):
        expected = widened(np.asarray(expected))
        allowed = 10 * ROUNDING * np.abs(expected).max()
        np.testing.assert_allclose(widened(found), expected, 0, allowed)
