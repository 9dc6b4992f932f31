"""Loops and branches: derivatives of every order, batches, passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from control_cases import Case, at_scalar, cases, draw, loop
from control_cases import case as case_of
from derivative_laws import check_derivatives
from fast_share import fast_share
from law_backends import BACKENDS
from op_cases import floats, run

from wengert.ir.builder import Value
from wengert.ir.compare import same
from wengert.ir.ops import for_loop_snapshots
from wengert.ir.parser import parse
from wengert.ir.passes import pipeline
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.program import Program, equations
from wengert.ir.text import fingerprint, to_text
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.linearize import linearize
from wengert.ir.transforms.storage import nbytes
from wengert.ir.transforms.transpose import transpose, vjp
from wengert.ir.verify import verify, verify_linear

CASES = cases()
some_cases = pytest.mark.parametrize("case", fast_share(list(CASES.values()), 3, list(CASES)))
over_cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def active(case: Case) -> list[bool]:
    return [t.is_float for t in case[0].in_types]


@over_cases
def test_text_comes_back(case: Case) -> None:
    program, args = case
    for each in (program, jvp(program, active(case)).program, vjp(program, active(case)).program):
        verify(each)
        again = parse(to_text(each))
        assert same(again, each)
        assert to_text(again) == to_text(each)
        assert fingerprint(again) == fingerprint(each)
    for x, y in zip(run(parse(to_text(program)), args), run(program, args), strict=True):
        np.testing.assert_array_equal(x, y)


@over_cases
def test_first_derivatives(case: Case) -> None:
    program, args = case
    for position in floats(args):
        check_derivatives(program, args, [position])
    check_derivatives(program, args, floats(args))


@some_cases
@pytest.mark.parametrize("transform", [jvp, vjp], ids=["jvp", "vjp"])
def test_second_derivatives(case: Case, transform: object) -> None:
    program, args = case
    rng = np.random.default_rng(5)
    first = transform(program, active(case)).program  # type: ignore[operator]
    extra = [rng.standard_normal(t.shape) for t in first.in_types[len(args) :]]
    check_derivatives(first, [*args, *extra], floats([*args, *extra]))


@over_cases
def test_linear_parts_are_linear(case: Case) -> None:
    program, args = case
    rng = np.random.default_rng(6)
    split = linearize(program, active(case))
    verify(split.primal)
    verify(split.linear)
    verify_linear(split.linear, split.residuals)
    verify(transpose(split.linear, split.residuals))
    results = run(split.primal, args)
    residuals = results[len(program.outputs) :]
    x, y = ([rng.standard_normal(a.shape) for a in args if a.dtype.kind == "f"] for _ in range(2))
    mixed = [np.asarray(2 * a - 3 * b) for a, b in zip(x, y, strict=True)]
    fx, fy, fm = (run(split.linear, [*residuals, *map(np.asarray, v)]) for v in (x, y, mixed))
    for a, b, c in zip(fx, fy, fm, strict=True):
        np.testing.assert_allclose(c, 2 * a - 3 * b, 1e-9, 1e-9)


@over_cases
@pytest.mark.parametrize("size", [3, 40])
def test_batch_agrees_with_single_calls(case: Case, size: int) -> None:
    program, args = case
    rng = np.random.default_rng(7)
    for batched in (floats(args), range(len(args))):
        flags = [i in batched for i in range(len(args))]
        rows = [varied(a, size, rng) if on else a for a, on in zip(args, flags, strict=True)]
        mapped = batch(program, flags, size)
        verify(mapped.program)
        found = run(mapped.program, rows)
        for k in range(size):
            lane = [np.asarray(r[k]) if on else r for r, on in zip(rows, flags, strict=True)]
            expected = run(program, lane)
            for x, on, y in zip(found, mapped.out_batched, expected, strict=True):
                np.testing.assert_allclose(x[k] if on else x, y, 1e-12, 1e-12)


def varied(array: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A batch of arrays like this one."""
    if array.dtype.kind == "f":
        return array * rng.uniform(0.8, 1.2, (size, *array.shape))
    return rng.integers(0, 7, (size, *array.shape))


@some_cases
@pytest.mark.parametrize("derived", ["primal", "jvp", "vjp", "batch"])
def test_passes_keep_the_meaning(case: Case, derived: str) -> None:
    """After each pass of the default pipeline; the last result is given to the back ends too."""
    program, args = derive(case, derived)
    expected = run(program, args)
    for step in pipeline.DEFAULT:
        program = step.function(program)
        verify(program)
        assert_close(run(program, args), expected, step.name)
    for name in ("loops", "cpu"):
        assert_close(BACKENDS[name](program, args), expected, name)


def derive(case: Case, derived: str) -> tuple[Program, list[np.ndarray]]:
    """A derivative or batch of a case, and arguments for it."""
    program, args = case
    rng = np.random.default_rng(8)
    if derived == "primal":
        return case
    if derived == "batch":
        flags = active(case)
        rows = [varied(a, 20, rng) if on else a for a, on in zip(args, flags, strict=True)]
        return batch(program, flags, 20).program, rows
    first = (jvp if derived == "jvp" else vjp)(program, active(case)).program
    more = [np.asarray(rng.standard_normal(t.shape)) for t in first.in_types[len(args) :]]
    return first, [*args, *more]


def assert_close(found: Sequence[np.ndarray], expected: Sequence[np.ndarray], name: str) -> None:
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, 1e-10, 1e-10, err_msg=name)


@pytest.mark.parametrize("name", ["unknown_turns", "newton", "collatz", "on_a_budget"])
@pytest.mark.parametrize("room", [2, 3])
def test_more_turns_than_snapshots(name: str, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks, several segments on each level, and a last one that is not full."""
    monkeypatch.setattr(for_loop_snapshots, "_MOST", room)
    monkeypatch.setattr(for_loop_snapshots, "_LEAST", room)
    program, args = CASES[name]
    for turns in (0, 1, 7, 8, 9, 29) if name == "unknown_turns" else (0,):
        given = [np.array(turns) if a.dtype.kind == "i" else a for a in args]
        check_derivatives(program, given, floats(given))


@pytest.mark.parametrize("budget", [100, 400, 1000, 5000])
def test_a_budget_bounds_what_is_kept(budget: int) -> None:
    """The arrays of the reverse sweep that are larger than the state fit into the budget."""

    def function(x: Value, w: Value) -> Value:
        def body(i: Value, w: Value, x: Value) -> Value:
            return (x * w).sin() + x * at_scalar(i)

        return loop(0, 200, [x], body, [w], checkpoint=budget)

    program, _ = case_of(function, draw(3), draw(3))
    derived = default_pipeline(vjp(program, [True, True]).program)
    boards = {
        id(v.type): nbytes(v.type)
        for e in equations(derived)
        if e.op.name == "broadcast"
        for v in e.outputs
        if v.type.size > 3
    }
    tapes = [n for n in boards.values() if n > 24]
    assert sum(tapes) <= max(budget, 2 * 24 * 8 * 2)
    assert tapes
