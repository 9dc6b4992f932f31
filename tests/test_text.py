"""The text form: exact, stable, fast enough to be the key of a cache, and helpful when wrong."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
from strategies import random_program

from wengert.errors import Location, ParseError
from wengert.ir.builder import Builder
from wengert.ir.compare import same
from wengert.ir.op import REGISTRY, Op, register
from wengert.ir.parser import parse
from wengert.ir.program import Literal, Program
from wengert.ir.text import eqn_lines, fingerprint, to_text
from wengert.ir.types import FLOAT32, FLOAT64, INT64, SUPPORTED, TensorType

NUMBERS = (0.0, -0.0, 1.5, 1e300, 5e-324, 0.1, math.inf, -math.inf, math.nan, -math.nan, 2.0**60)


def returning(*outputs: Any) -> Program:
    return Program((), (), outputs)


@pytest.fixture
def holder() -> Any:
    """An op whose one param may be anything, for the text of params."""
    op = Op("holder", "test", lambda **params: (TensorType(INT64, ()),), None, ("value",))
    yield register(op)
    del REGISTRY["holder"]


def held(holder: Op, value: Any) -> Program:
    builder = Builder()
    return builder.finish(builder.emit(holder, (), {"value": value}))


@pytest.mark.parametrize("value", NUMBERS)
def test_literals_are_exact(value: float) -> None:
    again = parse(to_text(returning(Literal(value, FLOAT64)))).outputs[0]
    assert isinstance(again, Literal)
    assert np.float64(again.value).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize("dtype", SUPPORTED, ids=str)
def test_literals_and_arrays_of_each_dtype(dtype: Any) -> None:
    limits = (
        np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype) if dtype.kind == "f" else None
    )
    values = [True, False] if limits is None else [limits.min, limits.max, limits.max // 3]
    for count in (0, 3, 100):
        array = np.resize(np.array(values, dtype), count)
        array.flags.writeable = False
        builder = Builder()
        outputs = [builder.constant(array), *(builder.literal(v, dtype) for v in array[:3])]
        program = builder.finish(outputs)
        assert same(parse(to_text(program)), program)


@pytest.mark.parametrize(
    "value",
    [
        (), (1,), (1, 2), ((1, 2), ()), ((0,), ((), (3,))), None, True, False, -3, 10**30, 0.1,
        -0.0,
        math.nan, "", 'a "b"\n\\ é #', FLOAT32, TensorType(FLOAT64, (2, 0)), (None, "x", 1.0),
        TensorType(INT64, ()), ("program", "none"), parse("program(%a: bool[2]) { return %a, 1 }"),
    ],
    ids=repr,
)  # fmt: skip
def test_params_of_each_kind(holder: Op, value: Any) -> None:
    program = held(holder, value)
    assert same(parse(to_text(program)), program)


def test_numpy_scalars_in_params_print_as_numbers(holder: Op) -> None:
    program = held(holder, (np.int64(3), np.float64(0.5), np.bool_(True)))
    assert "value=(3, 0.5, true)" in to_text(program)


def test_a_param_without_a_text_is_an_error(holder: Op) -> None:
    with pytest.raises(TypeError, match="param of type list has no text form"):
        to_text(held(holder, [1]))


def test_regions_nest(holder: Op) -> None:
    inner = held(holder, 7)
    program = held(holder, held(holder, (inner, inner)))
    text = to_text(program)
    assert text.count("holder[") == 4
    assert same(parse(text), program)


def test_names_are_given_by_order() -> None:
    text = "program(%x: float64[]) { %b: float64[] = sin(%x) %a: float64[] = cos(%b) return %a }"
    assert (
        to_text(parse(text)).split()
        == text.replace("%x", "%0").replace("%b", "%1").replace("%a", "%2").split()
    )


def test_the_text_tells_neither_objects_nor_locations() -> None:
    program, _ = random_program(3, 30)
    moved = Program(
        program.inputs,
        tuple(
            type(e)(e.op, e.inputs, e.outputs, dict(e.params), Location("f.py", i, "g"))
            for i, e in enumerate(program.eqns)
        ),
        program.outputs,
    )
    assert to_text(moved) == to_text(program)
    assert fingerprint(moved) == fingerprint(program)
    assert same(moved, program)


def test_the_order_of_params_does_not_count() -> None:
    text = "program(%0: int64[2]) {{ %1: int64[2] = check_index[{}](%0) return %1 }}"
    one, two = (parse(text.format(p)) for p in ("size=3, axis=1", "axis=1, size=3"))
    assert to_text(one) == to_text(two)
    assert fingerprint(one) == fingerprint(two)
    assert same(one, two)


def test_locations_round_trip_where_asked_for() -> None:
    line = '    %1: float64[] = sin(%0) at "a b.py":3 in "f"'
    text = f"program(%0: float64[]) {{\n{line}\n    return %1\n}}\n"
    program = parse(text)
    assert program.eqns[0].location == Location("a b.py", 3, "f")
    assert to_text(program, locations=True) == text


ONE = "program(%0: float64[2]) { %1: float64[2] = add(%0, 1.0) return %1 }"


@pytest.mark.parametrize(
    "other",
    [
        ONE.replace("1.0", "-1.0"),
        ONE.replace("1.0", "1.0:float32"),
        ONE.replace("float64", "float32"),
        ONE.replace("[2]", "[3]"),
        ONE.replace("add", "sub"),
        ONE.replace("(%0, 1.0)", "(1.0, %0)"),
        ONE.replace("return %1", "return %0"),
        ONE.replace("return %1", "return %1, %1"),
        ONE.replace("%0: float64[2]", "%0: float64[2], %3: bool[]"),
    ],
)
def test_different_programs_differ(other: str) -> None:
    one, two = parse(ONE), parse(other)
    assert not same(one, two)
    assert fingerprint(one) != fingerprint(two)
    assert to_text(one) != to_text(two)


def test_fingerprints_know_the_elements_of_constants() -> None:
    def constant(array: Any) -> Program:
        builder = Builder()
        return builder.finish([builder.constant(array)])

    arrays = [np.zeros(100), -np.zeros(100), np.zeros(100, np.float32), np.zeros((10, 10))]
    prints = [fingerprint(constant(a)) for a in arrays]
    assert len(set(prints)) == len(arrays)
    assert prints[0] == fingerprint(constant(np.zeros(200)[::2]))


def test_elided_text_is_short() -> None:
    builder = Builder()
    program = builder.finish([builder.constant(np.zeros(10_000))])
    assert len(to_text(program, elide=True)) < 200 < len(to_text(program))


def test_the_fingerprint_takes_few_calls() -> None:
    """It is taken at each first call: some 40 calls of functions an equation, 10 us."""
    program, _ = random_program(1, 500)
    count = 0

    def seen(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        fingerprint(program)
    finally:
        sys.setprofile(None)
    assert count < 60 * len(program.eqns)


def test_lines_of_a_broken_program_still_print() -> None:
    program = parse(ONE)
    broken = Program((), program.eqns, program.outputs)
    assert eqn_lines(broken) == ["    %0: float64[2] = add(%?, 1.0)"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected 'program', found the end of the text"),
        ("program() {\n return 1\n}\nx", "line 4: expected the end of the text, found 'x'"),
        ("program(%0) { return }", r"line 1: expected ':', found '\)'"),
        ("program(%0: float8[]) { return }", r"expected a dtype \(bool, .*\), found 'float8'"),
        ("program(%0: bool[x]) { return }", "expected a dimension, found 'x'"),
        ("program(%0: bool[], %0: bool[]) { return }", "%0 is bound twice"),
        ("program() {\n return %9\n}", "line 2: %9 is used before it is bound"),
        (
            "program() {\n %0: bool[] = eq(%0, 1)\n return }",
            "line 2: %0 is used before it is bound",
        ),
        (
            "program() { %0: int64[] = adds(1, 2) return }",
            r"\(did you mean 'add'\?\), found 'adds'",
        ),
        ("program() { %0: int64[] = add(1 2) return }", r"expected '\)', found '2'"),
        ("program() { %0: int64[] = add[x](1, 2) return }", "expected '=', found ']'"),
        ("program() { %0: int64[] add(1, 2) return }", "expected '=', found 'add'"),
        ("program() { return 1.5:int32 }", "1.5 is not a number of dtype int32"),
        ("program() { return 300:uint8 }", "300 does not fit into dtype uint8"),
        ("program() { return ~ }", "line 1: '~' is not part of any word or mark"),
        ("program() { return", "expected a value such as %0, or a number, found the end"),
        ("program() {\n\n add(1, 2)\n}", "line 3: expected an equation or 'return', found 'add'"),
        (
            "program() { %0: int64[2] = constant[value=array<int64[2]>(1)]() return }",
            r"an array of type int64\[2\] has 2 elements, not 1",
        ),
        (
            'program() { %0: int64[2] = constant[value=array<int64[2]>("AA==")]() return }',
            r"an array of type int64\[2\] has 16 bytes, not 1",
        ),
        (
            'program() { %0: int64[2] = constant[value=array<int64[2]>("!")]() return }',
            "the elements are not valid base64",
        ),
    ],
)
def test_errors_name_the_line_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse(text)
