"""Pointwise ops on arrays that are long enough for vectors: each lane has its own value."""

from __future__ import annotations

import pytest
from fast_share import fast_share
from law_backends import native
from op_cases import OPS, named, program_of, run
from test_op_laws import assert_meets
from wide_cases import is_pointwise, pointwise_samples

from wengert.ir.op import Op

POINTWISE = [op for op in OPS if is_pointwise(op)]


@pytest.mark.parametrize("op", fast_share(POINTWISE, 12, [op.name for op in POINTWISE]))
def test_all_lanes_agree_with_evaluate(op: Op) -> None:
    for name, sample in pointwise_samples(op):
        with named(name):
            program = program_of(op, sample.args, sample.params)
            found, expected = native(program, sample.args), run(program, sample.args)
            for x, y in zip(found, expected, strict=True):
                assert_meets(op, sample, x, y)
