"""How results of programs are compared in the law tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.ir.evaluate import evaluate
from wengert.ir.program import Program
from wengert.ir.text import to_text

TOLERANCES = {"float16": 2e-2, "float32": 2e-4, "float64": 1e-8}


def assert_same_results(
    found: Sequence[Any], expected: Sequence[Any], program: Program, *, exact: bool = False
) -> None:
    """Asserts equal dtypes, shapes and numbers; shows the program where they differ."""
    assert len(found) == len(expected)
    for number, (x, y) in enumerate(zip(found, expected, strict=True)):
        message = f"output {number} of\n{to_text(program)}"
        assert x.dtype == y.dtype and x.shape == y.shape, message
        if exact or y.dtype.kind != "f":
            np.testing.assert_array_equal(x, y, message)
        else:
            scale = np.max(np.abs(y), initial=0, where=np.isfinite(y)).astype(float)
            tolerance = TOLERANCES[y.dtype.name]
            np.testing.assert_allclose(
                x, y, rtol=tolerance, atol=tolerance * (1e-3 * scale + 1e-6), err_msg=message
            )


def assert_same_meaning(
    changed: Program, original: Program, args: Sequence[Any], *, exact: bool = False
) -> None:
    """Asserts that two programs give the same results on `args`."""
    assert changed.in_types == original.in_types
    assert changed.out_types == original.out_types
    assert_same_results(evaluate(changed, args), evaluate(original, args), changed, exact=exact)


def directions(program: Program, rng: np.random.Generator) -> list[Any]:
    """A random tangent for each input."""
    return [np.asarray(rng.standard_normal(t.shape)).astype(t.dtype) for t in program.in_types]


def inner(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    """The inner product of two lists of arrays."""
    return float(sum(np.vdot(x, y) for x, y in zip(xs, ys, strict=True)))
