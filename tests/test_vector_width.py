"""On machines with vectors of 512 bits, LLVM is told to use them where that pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.cpu.kernel_facts import interleaves
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.lower import lower


def halves(x: Any) -> Any:
    return np.sin(x[:500]) + x[500:]


def triples(x: Any) -> Any:
    out = np.zeros(999)
    for i in range(333):
        out[3 * i] = x[i]
        out[3 * i + 1] = 2.0 * x[i]
        out[3 * i + 2] = 3.0 * x[i]
    return out


@pytest.mark.parametrize(("fun", "expected"), [(halves, False), (triples, True)])
def test_loops_that_go_by_a_few_elements_are_known(
    fun: Callable[[Any], Any], expected: bool
) -> None:
    program = default_pipeline(wg.make_ir(fun)(np.ones(1000)).program)
    assert any(interleaves(kernel) for kernel in lower(program).loops.steps) == expected
