"""Laws that every op of the registry must obey, on the samples it declares.

An op gets all of these tests by being registered; an op without samples or rules fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from derivative_laws import check_derivatives, check_linear, normal, randoms
from law_backends import BACKENDS
from op_cases import (
    OPS,
    assert_close,
    floats,
    has_regions,
    named,
    program_of,
    run,
    samples_of,
    subsets,
)
from scalar_eval import evaluate_element, evaluate_requirement

from wengert.ir.builder import Builder, Value
from wengert.ir.op import Op, Sample
from wengert.ir.program import Program
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.jvp import Jvp, jvp
from wengert.ir.transforms.transpose import Vjp, vjp
from wengert.ir.types import COMPLEX128, FLOAT64, type_of

# Far out SciPy's values are not exact to more than this: it loses the phase of huge numbers.
OSCILLATING = frozenset({"j0", "j1", "y0", "y1"})
# Small elements of orthonormal vectors have the rounding errors of the whole vectors.
OF_VECTORS = ("syevd", "geev", "geqrf", "gesdd")
# NumPy itself returns either zero, depending on the length of the array.
DOUBLES = (FLOAT64, COMPLEX128)
ANY_ZERO = {"max", "min", "fmax", "fmin"}


def over_ops(ops: Sequence[Op] = OPS) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("op", ops, ids=lambda op: op.name)


def differentiable(op: Op) -> list[tuple[str, Sample]]:
    """The samples in double precision at which differences can be taken."""
    return [
        (name, s)
        for name, s in samples_of(op)
        if s.differentiable
        and floats(s.args)
        and all(s.args[i].dtype in DOUBLES for i in floats(s.args))
        and all(t.dtype in DOUBLES for t in op.infer(*map(type_of, s.args), **s.params))
        and op.name != "stop_gradient"
    ]


DIFFERENTIABLE = [op for op in OPS if differentiable(op)]


@over_ops()
def test_is_complete(op: Op) -> None:
    samples = samples_of(op)
    assert samples, f"op '{op.name}' has no samples: add some to its definition"
    assert op.doc, f"op '{op.name}' has no doc line"
    if any(s.args for _, s in samples):
        assert op.batch is not None
        assert op.jvp is not None
        made = op.expand is not None  # of others, though a form may stand for small cases
        assert (op.element is not None) + (op.form is not None or made) == 1 or (
            op.element is op.form is op.expand is None and op.parts is not None
        ), "either pointwise, or a kernel form, or made of others"
    for _, sample in samples:
        assert set(sample.params) | op.optional == set(op.params), "undeclared params"


@over_ops()
def test_infer_agrees_with_evaluate(op: Op) -> None:
    for name, sample in samples_of(op):
        with named(name):
            run(program_of(op, sample.args, sample.params), sample.args)


@over_ops()
def test_evaluate_leaves_its_operands_alone(op: Op) -> None:
    for name, sample in samples_of(op):
        with named(name):
            before = [a.copy() for a in sample.args]
            run(program_of(op, sample.args, sample.params), sample.args)
            for x, y in zip(before, sample.args, strict=True):
                np.testing.assert_array_equal(x, y)


@over_ops([op for op in OPS if op.element is not None])
def test_element_agrees_with_evaluate(op: Op) -> None:
    for name, sample in samples_of(op):
        if is_complex(sample):
            continue  # comes apart before any element rule is asked
        with named(name):
            (expected,) = run(program_of(op, sample.args, sample.params), sample.args)
            assert_meets(op, sample, evaluate_element(op, sample.args, sample.params), expected)


def is_complex(sample: Sample) -> bool:
    dtypes = [*(a.dtype for a in sample.args), sample.params.get("dtype", FLOAT64)]
    return any(d.kind == "c" for d in dtypes)


def assert_meets(op: Op, sample: Sample, actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal within the sample's tolerance; relative to each value where those are special."""
    epsilon = np.finfo(expected.dtype).eps if expected.dtype.kind in "fc" else 0
    tolerance = float(4 * epsilon * sample.tolerance)
    vectors = op.name == "lapack" and sample.params["routine"].endswith(OF_VECTORS)
    whole = sample.differentiable or op.name in OSCILLATING or vectors
    absolute = tolerance if whole else 0.0
    assert_close(actual, expected, tolerance, absolute, zeros=op.name not in ANY_ZERO)


@over_ops([op for op in OPS if op.check is not None])
def test_samples_meet_requirements(op: Op) -> None:
    for name, sample in samples_of(op):
        with named(name):
            condition, value = evaluate_requirement(op, sample.args, sample.params)
            assert condition.all()
            assert value.dtype == np.int64


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@over_ops()
def test_backends_agree_with_evaluate(op: Op, backend: str) -> None:
    """All samples in one program, which compiles faster than a program for each."""
    cases = [(name, s) for name, s in samples_of(op) if fits(s, backend)]
    builder = Builder()
    outs: list[Value] = []
    origins: list[tuple[str, Sample]] = []
    for case in cases:
        inputs = [builder.input(type_of(a)) for a in case[1].args]
        made = builder.emit(op, inputs, case[1].params)
        outs += made
        origins += [case] * len(made)
    args = [a for _, sample in cases for a in sample.args]
    program = builder.finish(outs)
    results = BACKENDS[backend](program, args)
    for (name, sample), x, y in zip(origins, results, run(program, args), strict=True):
        with named(name):
            if backend == "cuda":
                x, y = (determined(op, sample, out) for out in (x, y))
            assert_meets(op, sample, x, y)


def determined(op: Op, sample: Sample, out: np.ndarray) -> np.ndarray:
    """A result without what the op leaves open: above the diagonal of a Cholesky factor.

    LAPACK leaves there what was there, so that it is compared; a GPU's routine for batches does not.
    """
    routine = str(sample.params.get("routine", ""))
    if op.name != "lapack" or not routine.endswith("potrf"):
        return out
    n, columns = sample.args[0].shape[-2:]
    below = np.tril(np.ones((n, n), bool)).repeat(columns // n, axis=1)
    return np.where(np.append(below, True), out, out.dtype.type(0))


def fits(sample: Sample, backend: str) -> bool:
    """Whether a sample is small enough for an interpreter."""
    return backend not in ("loops", "grid") or sum(a.size for a in sample.args) <= 100


@over_ops(DIFFERENTIABLE)
def test_first_derivatives(op: Op) -> None:
    for name, sample in differentiable(op):
        with named(name):
            program = program_of(op, sample.args, sample.params)
            for positions in subsets(floats(sample.args)):
                check_derivatives(program, sample.args, positions)


@over_ops(DIFFERENTIABLE)
@pytest.mark.parametrize("transform", [jvp, vjp], ids=["jvp", "vjp"])
def test_second_derivatives(op: Op, transform: Callable[..., Jvp | Vjp]) -> None:
    rng = np.random.default_rng(5)
    for name, sample in differentiable(op):
        with named(name):
            program = program_of(op, sample.args, sample.params)
            first = transform(program, [i in floats(sample.args) for i in range(len(sample.args))])
            extra = first.program.in_types[len(sample.args) :]
            args = [*sample.args, *(normal(rng, t.shape, t.dtype) for t in extra)]
            check_derivatives(first.program, args, floats(args))


@over_ops([op for op in OPS if op.transpose is not None and not has_regions(op)])
def test_is_linear_where_it_says_so(op: Op) -> None:
    checked = 0
    for name, sample in samples_of(op):
        if not sample.differentiable or any(a.dtype.name == "float16" for a in sample.args):
            continue
        with named(name):
            program = program_of(op, sample.args, sample.params)
            if not all(t.is_float for t in program.out_types):
                continue
            for positions in subsets(floats(sample.args)):
                if op.linear(frozenset(positions)):
                    checked += 1
                    check_linear(program, other_terms_zero(op, sample.args, positions), positions)
    assert checked, f"op '{op.name}' has a transpose but no sample that it is linear in"


def other_terms_zero(
    op: Op, args: Sequence[np.ndarray], positions: Sequence[int]
) -> list[np.ndarray]:
    """Known operands of an op that is linear in all together are terms of a sum: taken as zero."""
    together = op.linear(frozenset(floats(args)))
    return [
        np.zeros_like(a) if together and a.dtype.kind in "fc" and i not in positions else a
        for i, a in enumerate(args)
    ]


@over_ops([op for op in OPS if op.transpose is None])
def test_is_not_linear_without_transpose(op: Op) -> None:
    count = max(len(s.args) for _, s in samples_of(op))
    assert not any(op.linear(frozenset({i})) for i in range(count))


@over_ops()
def test_batch_agrees_with_loop(op: Op) -> None:
    for name, sample in samples_of(op):
        if sum(a.size for a in sample.args) > 200:
            continue
        with named(name):
            program = program_of(op, sample.args, sample.params)
            for size in (3, 0) if sample.differentiable else (3,):
                for positions in subsets(range(len(sample.args))):
                    check_batch(program, sample, positions, size)


def check_batch(program: Program, sample: Sample, positions: Sequence[int], size: int) -> None:
    batched = [i in positions for i in range(len(sample.args))]
    variants = [[np.roll(a, k) for a in sample.args] for k in range(size)]
    stacked = [
        np.array([v[i] for v in variants], a.dtype).reshape(size, *a.shape) if on else a
        for i, (a, on) in enumerate(zip(sample.args, batched, strict=True))
    ]
    mapped = batch(program, batched, size)
    assert mapped.program.in_types == tuple(type_of(a) for a in stacked)
    results = run(mapped.program, stacked)
    for k in range(size):
        args = [a[k] if on else a for a, on in zip(stacked, batched, strict=True)]
        expected = run(program, [np.asarray(a) for a in args])
        for x, on, y in zip(results, mapped.out_batched, expected, strict=True):
            tolerance = 1e-2 if y.dtype.name == "float16" else 1e-5
            assert_close(np.asarray(x[k] if on else x), y, tolerance, tolerance)


@over_ops(DIFFERENTIABLE)
def test_zero_tangents_and_cotangents_stay_zero(op: Op) -> None:
    """However singular the point: this is what keeps NaN out of the gradient of a `where`."""
    for name, sample in samples_of(op):
        active = [a.dtype.kind in "fc" for a in sample.args]
        program = program_of(op, sample.args, sample.params)
        if not any(active) or not program.out_types[0].is_float:
            continue
        with named(name):
            for transform in (jvp, vjp):
                derived = transform(program, active).program
                extra = derived.in_types[len(sample.args) :]
                zeros = [np.zeros(t.shape, t.dtype) for t in extra]
                results = run(derived, [*sample.args, *zeros])
                for result in results[len(program.outputs) :]:
                    np.testing.assert_array_equal(result, np.zeros_like(result))


SINGLE: dict[str, type] = {"f": np.float32, "c": np.complex64}
DOUBLE: dict[str, type] = {"f": np.float64, "c": np.complex128}


@over_ops([op for op in DIFFERENTIABLE if not has_regions(op)])
def test_float32_derivatives_agree_with_float64(op: Op) -> None:
    rng = np.random.default_rng(6)
    for name, sample in differentiable(op):
        if sample.params.get("dtype") in DOUBLES:
            continue
        with named(name):
            tangents = randoms(rng, [sample.args[i] for i in floats(sample.args)])
            results = []
            for wanted in (SINGLE, DOUBLE):
                args = [a.astype(wanted.get(a.dtype.kind, a.dtype)) for a in sample.args]
                program = program_of(op, args, sample.params)
                if program.out_types[0].dtype not in wanted.values():
                    break
                pushed = jvp(program, [a.dtype.kind in "fc" for a in args]).program
                moving = [t.astype(wanted[t.dtype.kind]) for t in tangents]
                results.append(run(pushed, [*args, *moving]))
            for x, y in zip(*results, strict=True) if len(results) == 2 else ():
                np.testing.assert_allclose(x, y, 1e-3, 1e-4)
