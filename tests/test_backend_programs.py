"""Random programs, and gradients of random programs, on every way to run them.

The reference evaluator on the program as it was drawn is the oracle: passes, lowering, fusion,
scheduling, memory planning and code generation all lie between it and what is compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fast_share import fast_share
from law_backends import BACKENDS
from program_laws import assert_same_results
from strategies import random_program

from wengert.ir.evaluate import evaluate
from wengert.ir.parser import parse
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.program import Program
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.transpose import vjp

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
CASES = [
    *((backend, seed, size) for backend in BACKENDS for seed, size in enumerate([4, 8, 12] * 4)),
    *(("cpu", seed, size) for seed, size in enumerate([15, 30] * 6, 100)),
]
cases = pytest.mark.parametrize(("backend", "seed", "size"), fast_share(CASES, 4))


def check(backend: str, program: Program, args: list[Any]) -> None:
    expected = evaluate(program, args)
    kept = [np.array(a) for a in args]
    found = BACKENDS[backend](default_pipeline(program), args)
    assert_same_results(found, expected, program)
    for arg, copy in zip(args, kept, strict=True):
        np.testing.assert_array_equal(arg, copy, "an input was changed")


@cases
def test_programs(backend: str, seed: int, size: int) -> None:
    check(backend, *random_program(seed, size))


@cases
def test_gradients(backend: str, seed: int, size: int) -> None:
    program, args = random_program(seed, size, smooth=True)
    pulled = vjp(program, [True] * len(args)).program
    rng = np.random.default_rng(seed)
    bars = [np.asarray(rng.standard_normal(t.shape)) for t in pulled.in_types[len(args) :]]
    check(backend, pulled, [*args, *bars])


ROWS_WITH_A_RARE_FORM = """
program(%x: float64[2,12], %i: int64[2], %y: float64[2,12]) {
    %0: float64[2,12] = cos(%x)
    %1: float64[2,12] = gather(%y, %i)
    %2: float64[2,12] = add(%0, %1)
    return %2
}
"""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("far", [1.0, 1e200])
def test_a_loop_of_two_versions_inside_a_loop(backend: str, far: float) -> None:
    """The flag that chooses the version belongs to each run of the inner loop."""
    x = np.arange(24.0).reshape(2, 12)
    x[1, 5] = far
    check(backend, parse(ROWS_WITH_A_RARE_FORM), [x, np.array([1, 0]), x + 1])


@pytest.mark.parametrize(
    ("backend", "seed"), fast_share([(b, s) for b in BACKENDS for s in range(6)], 3)
)
def test_batches(backend: str, seed: int) -> None:
    program, args = random_program(seed, 8, smooth=True)
    rng = np.random.default_rng(seed)
    stacks = [np.asarray(rng.standard_normal((3, *x.shape))) for x in args]
    check(backend, batch(program, [True] * len(args), 3).program, stacks)
