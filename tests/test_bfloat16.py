"""bfloat16: the laws of operations on samples in it, and what users see of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from law_backends import BACKENDS
from op_cases import OPS, assert_close, has_regions, in_bfloat16, named, program_of, run
from scalar_eval import evaluate_element

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
OSCILLATING = frozenset({"j0", "j1"})  # of huge numbers the libraries lose the phase
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
