"""What the law tests are run on: the ops of the registry with their samples, as programs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

import wengert.ir.ops  # noqa: F401  (fills the registry)
from wengert.ir.builder import Builder
from wengert.ir.evaluate import evaluate
from wengert.ir.floats import FLOAT16, bfloat16, finfo, is_half, kind_of
from wengert.ir.op import REGISTRY, Op, Sample
from wengert.ir.program import Program
from wengert.ir.types import type_of

OPS = list(REGISTRY.values())


def has_regions(op: Op) -> bool:
    """Whether programs are among the op's params, which fix the types of its operands."""
    return op.family in ("control", "custom")


def samples_of(op: Op) -> list[tuple[str, Sample]]:
    """The samples of an op with a name for messages."""
    named: list[tuple[str, Sample]] = []
    for i, sample in enumerate(op.samples()):
        arrays = tuple(np.asarray(a) for a in sample.args)
        types = ", ".join(str(type_of(a)) for a in arrays)
        shown = {k: v for k, v in sample.params.items() if not isinstance(v, np.ndarray | Program)}
        fixed = Sample(arrays, sample.params, sample.differentiable, sample.tolerance)
        named.append((f"sample {i}: {op.name}({types}) {shown}", fixed))
    return named


def in_bfloat16(op: Op) -> list[tuple[str, Sample]]:
    """The samples of an op in float16, in bfloat16: special values become its own."""
    made: list[tuple[str, Sample]] = []
    if op.name == "bitcast":  # which takes it for no number: it is computed with in float32
        return made
    for name, sample in samples_of(op):
        named = [k for k, v in sample.params.items() if isinstance(v, np.dtype) and v == FLOAT16]
        params = {**sample.params, **dict.fromkeys(named, bfloat16())}
        halves = [a.dtype == FLOAT16 for a in sample.args]
        if any(halves) or named:
            args = [_as_bfloat16(a) if on else a for a, on in zip(sample.args, halves, strict=True)]
            made.append((name, replace(sample, args=tuple(args), params=params)))
    return made


def _as_bfloat16(x: np.ndarray) -> np.ndarray:
    given, wanted = np.finfo(np.float16), finfo(bfloat16())
    found = x.astype(bfloat16())
    for limit in ("max", "tiny", "smallest_subnormal"):
        for sign in (1, -1):
            found[x == sign * getattr(given, limit)] = sign * float(getattr(wanted, limit))
    return found


@contextmanager
def named(name: str) -> Iterator[None]:
    """Adds `name` to the message of what fails inside."""
    try:
        yield
    except BaseException as error:
        error.add_note(name)
        raise


def program_of(op: Op, args: Sequence[np.ndarray], params: dict[str, Any]) -> Program:
    """The program of one equation."""
    builder = Builder()
    inputs = [builder.input(type_of(a)) for a in args]
    return builder.finish(builder.emit(op, inputs, params))


def run(program: Program, args: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Evaluates by the reference and checks that the program's types are true."""
    assert program.in_types == tuple(type_of(a) for a in args)
    outputs = [np.asarray(out) for out in evaluate(program, args)]
    assert program.out_types == tuple(type_of(out) for out in outputs)
    return outputs


def floats(args: Sequence[np.ndarray]) -> list[int]:
    """The positions of float and complex operands."""
    return [i for i, a in enumerate(args) if kind_of(a.dtype) in "fc"]


def subsets(positions: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All non-empty subsets of a few positions; each alone and all together of many."""
    if len(positions) > 3:
        yield from ((p,) for p in positions)
        yield tuple(positions)
        return
    for count in range(1, len(positions) + 1):
        yield from itertools.combinations(positions, count)


def assert_close(
    actual: Any, expected: Any, relative: float, absolute: float = 0.0, zeros: bool = False
) -> None:
    """Equal type and, within tolerance, values; NaN and infinities must match.

    With `zeros` the signs of zeros must match, too.
    """
    assert type_of(actual) == type_of(expected)
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.dtype.kind == "c":
        for x, y in ((actual.real, expected.real), (actual.imag, expected.imag)):
            # the parts of a complex number have its error, not their own
            size = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
            assert_close(x, y, relative, max(absolute, relative * size))
        return
    if kind_of(actual.dtype) != "f":
        np.testing.assert_array_equal(actual, expected)
        return
    if zeros:
        both = (actual == 0) & (expected == 0)
        np.testing.assert_array_equal(np.signbit(actual[both]), np.signbit(expected[both]))
    if relative:  # results below the normal numbers have no relative precision: one unit may be off
        absolute = max(absolute, float(finfo(actual.dtype).smallest_subnormal))
    if is_half(actual.dtype):
        actual, expected = actual.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_allclose(actual, expected, relative, absolute)
