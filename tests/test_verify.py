"""The verifier: each invariant broken on purpose, and the faulty line shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import wengert.ir.ops  # noqa: F401
from wengert.errors import VerificationError
from wengert.ir.op import REGISTRY
from wengert.ir.parser import parse
from wengert.ir.passes.pipeline import Pass
from wengert.ir.program import Eqn, Literal, Program, Var
from wengert.ir.types import FLOAT64, INT64, TensorType
from wengert.ir.verify import identities, verify, verify_linear

GOOD = """
program(%0: float64[3]) {
    %1: float64[3] = sin(%0)
    %2: float64[3] = cos(%1)
    %3: float64[] = reduce_sum[axes=(0,)](%2)
    return %3
}
"""


def broken(number: int, **changes: Any) -> Program:
    """The good program with one equation changed."""
    program = parse(GOOD)
    eqns = list(program.eqns)
    eqns[number] = replace(eqns[number], **changes)
    return Program(program.inputs, tuple(eqns), program.outputs)


def swapped() -> Program:
    program = parse(GOOD)
    first, second, third = program.eqns
    return Program(program.inputs, (second, first, third), program.outputs)


def bound_twice() -> Program:
    program = parse(GOOD)
    return Program(program.inputs, (program.eqns[0], *program.eqns), program.outputs)


def same_inputs() -> Program:
    program = parse(GOOD)
    return Program(program.inputs * 2, program.eqns, program.outputs)


def unbound_output() -> Program:
    program = parse(GOOD)
    return Program(program.inputs, program.eqns, (Var(TensorType(FLOAT64, ())),))


def with_constant(array: Any) -> Program:
    var = Var(TensorType(array.dtype, array.shape))
    return Program((), (Eqn(REGISTRY["constant"], (), (var,), {"value": array}),), (var,))


FAULTS: list[tuple[Any, str]] = [
    (lambda: broken(1, inputs=(Var(TensorType(FLOAT64, (3,))),)), "operand 0 of 'cos' is used"),
    (swapped, "operand 0 of 'cos' is used before it is bound"),
    (bound_twice, "'sin' binds a value that is bound already"),
    (same_inputs, "two inputs of the program are the same value"),
    (unbound_output, "output 0 of the program is used before it is bound"),
    (lambda: broken(2, params={}), r"'reduce_sum' has params \[\], but declares \['axes'\]"),
    (lambda: broken(1, params={"x": 1}), r"'cos' has params \['x'\], but declares \[\]"),
    (lambda: broken(2, params={"axes": (1,)}), "axis 1 is out of bounds"),
    (
        lambda: broken(2, params={"axes": [0]}),
        "param 'axes' of 'reduce_sum' is a list, which cannot",
    ),
    (
        lambda: broken(1, outputs=(Var(TensorType(FLOAT64, (4,))),)),
        r"'cos' of float64\[3\] gives float64\[3\], but is written as float64\[4\]",
    ),
    (lambda: broken(1, outputs=()), r"but is written as \(\)"),
    (lambda: broken(1, inputs=()), "takes 1 operands, got 0"),
    (
        lambda: broken(1, inputs=(Literal(1, FLOAT64),)),
        "literal 1, which is not a Python number of",
    ),
    (lambda: broken(1, inputs=(Literal(1.0, INT64),)), "literal 1.0, which is not a Python number"),
    (lambda: broken(1, inputs=(Literal(1, np.dtype("S1")),)), r"literal of dtype \|S1"),
    (lambda: with_constant(np.zeros(3)), "is an array that can still be changed"),
]


def test_a_good_program_passes() -> None:
    verify(parse(GOOD))


@pytest.mark.parametrize(("make", "message"), FAULTS, ids=[m for _, m in FAULTS])
def test_each_fault_is_found(make: Any, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        verify(make())


def test_the_faulty_line_is_marked_among_its_neighbours() -> None:
    lines = [f"%{i + 1}: float64[3] = sin(%{i})" for i in range(60)]
    lines[30] = "%31: float64[4] = cos(%30)"
    text = "\n".join(["program(%0: float64[3]) {", *lines, "return %60 }"])
    with pytest.raises(VerificationError) as caught:
        verify(parse(text))
    excerpt = str(caught.value).splitlines()[1:]
    assert len(excerpt) == 11
    assert [line for line in excerpt if line.startswith(">>>")] == [excerpt[5]]
    assert excerpt[5].endswith("%31: float64[4] = cos(%30)")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("%a: float64[] = sin(%t) return %a", "'sin' is not linear in its operands 0"),
        ("%a: float64[] = mul(%t, %t) return %a", "'mul' is not linear in its operands 0, 1"),
        ("%a: float64[] = div(%r, %t) return %a", "'div' is not linear in its operands 1"),
        (
            "%a: float64[] = sin(%r) return %a",
            "output 0 of the linear program depends on no tangent",
        ),
        ("return 1.0", "output 0 of the linear program depends on no tangent"),
    ],
)
def test_programs_that_are_not_linear(body: str, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        verify_linear(parse(f"program(%r: float64[], %t: float64[]) {{ {body} }}"), 1)


@pytest.mark.parametrize(
    "body",
    [
        "%a: float64[] = mul(%t, %r) %b: float64[] = sub(%a, %t) return %b, %t",
        "%s: float64[] = sin(%r) %a: float64[] = div(%t, %s) return %a",
        "%z: float64[2] = broadcast[shape=(2,), dims=()](0.0) return %z, 0.0",
    ],
)
def test_programs_that_are_linear(body: str) -> None:
    verify_linear(parse(f"program(%r: float64[], %t: float64[]) {{ {body} }}"), 1)


def test_a_pass_that_breaks_a_program_is_named() -> None:
    breaking = Pass("breaking", "drops the first equation", lambda p: replace(p, eqns=p.eqns[1:]))
    with pytest.raises(VerificationError, match="after pass 'breaking': operand 0 of 'cos'"):
        breaking(parse(GOOD))


LOOP = """
program(%0: float64[5]) {
    %1: float64[5] = for_loop[symbol=i0(0, 4), turns=5, reverse=false, consts=0, body=program(%0: int64[], %1: float64[5]) {
        %2: float64[i0+1] = broadcast[shape=(i0+1,), dims=()](0.0)
        return %1
    }](0, 5, %0)
    return %1
}
"""


def test_what_a_pass_moves_out_of_its_loop_is_asked_for_again() -> None:
    """Even if it is the same equation, which was right inside."""

    def moved(program: Program) -> Program:
        (loop,) = program.eqns
        return replace(program, eqns=(*loop.params["body"].eqns, loop))

    program = parse(LOOP)
    verify(program)
    verify(program, known=identities(program))
    with pytest.raises(VerificationError, match="of 'broadcast' has a dimension of a loop that is"):
        Pass("moving", "takes equations out of loops", moved)(program)
