"""Taylor mode of every op is its forward mode again and again."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from derivative_laws import normal
from op_cases import OPS, floats, has_regions, named, program_of, run, samples_of, subsets

from wengert.errors import SingularMatrixError
from wengert.ir.builder import Builder, Value
from wengert.ir.op import Op
from wengert.ir.program import Program
from wengert.ir.transforms.nested import nested
from wengert.ir.transforms.taylor import taylor
from wengert.ir.verify import verify

ORDER = 3
DOUBLES = (np.dtype(np.float64), np.dtype(np.complex128))
DIFFERENTIABLE = [op for op in OPS if op.jvp is not None and not has_regions(op)]


def again_and_again(program: Program, positions: Sequence[int]) -> Program:
    """What `taylor` gives, by nested forward mode."""
    builder = Builder(inputs=list(program.inputs))
    firsts = [Value(builder, v) for v in program.inputs]
    terms = {i: [firsts[i]] for i in positions}
    for k in range(1, ORDER + 1):
        for i in positions:
            terms[i].append(builder.input(firsts[i].type) / float(math.factorial(k)))
    operands = [
        functools.partial(list.__getitem__, terms[i]) if i in terms else first
        for i, first in enumerate(firsts)
    ]
    at = nested(builder, program.eqns[0], operands, ORDER)
    found: list[Value] = []
    for k in range(ORDER + 1):
        for v in at(k):
            assert v is not None
            found.append(v * float(math.factorial(k)) if v.type.is_float else v)
    return builder.finish(found)


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
def test_series_are_nested_derivatives(op: Op) -> None:
    rng = np.random.default_rng(3)
    for name, sample in samples_of(op):
        args = sample.args
        moving = floats(args)
        if (
            not sample.differentiable
            or not moving
            or any(args[i].dtype not in DOUBLES for i in moving)
        ):
            continue
        program = program_of(op, args, sample.params)
        if not all(t.dtype in DOUBLES for t in program.out_types):
            continue
        for positions in subsets(moving):
            with named(f"{name} in {positions}"):
                found = taylor(program, [i in positions for i in range(len(args))], ORDER)
                verify(found.program)
                given = [
                    0.3 * normal(rng, args[i].shape, args[i].dtype)
                    for _ in range(ORDER)
                    for i in positions
                ]
                try:
                    actual = iter(run(found.program, [*args, *given]))
                except SingularMatrixError:  # third derivatives of determinants, in both ways
                    with pytest.raises(SingularMatrixError):
                        run(again_and_again(program, positions), [*args, *given])
                    continue
                expected = run(again_and_again(program, positions), [*args, *given])
                count = len(program.outputs)
                for i, wanted in enumerate(expected):
                    if i < count or found.out_active[i % count]:
                        got = next(actual)
                    else:
                        got = np.zeros_like(wanted)
                    size = max(1.0, float(np.max(np.abs(wanted), initial=0)))
                    np.testing.assert_allclose(got, wanted, 1e-7, 1e-9 * size)
