"""Plain Python functions, unchanged: compiled and differentiated, against themselves.

Each function of the corpus runs as plain Python and compiled; results and mutated arguments agree.
Gradients are compared with complex steps or central differences of the plain function.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpus import (
    branches,
    branches_in_loops,
    dynamic_programming,
    exits,
    factorisations,
    filters,
    for_loops,
    functions,
    graphs,
    in_place,
    integer_codes,
    integration,
    matrix_iterations,
    mutation,
    prefixes,
    python_builtins,
    series,
    simulations,
    solvers,
    sorting,
    state,
    triangular,
    users,
    views,
)
from corpus.case import Case
from corpus_laws import (
    Scalar,
    assert_gradient,
    assert_same_outcome,
    called,
    count_equations,
    fresh,
    plain_gradient,
)

import wengert as wg
from wengert.ir.evaluate import evaluate
from wengert.ir.program import Program
from wengert.ir.sparsity.walk import jacobian_pattern
from wengert.ir.transforms.jacobian import jacobian

FILES = (
    branches,
    branches_in_loops,
    dynamic_programming,
    exits,
    factorisations,
    filters,
    for_loops,
    functions,
    graphs,
    in_place,
    integer_codes,
    integration,
    matrix_iterations,
    mutation,
    prefixes,
    python_builtins,
    series,
    simulations,
    solvers,
    sorting,
    state,
    triangular,
    users,
    views,
)
CASES = [case for file in FILES for case in file.CASES]
DRAWS = 4


def table(cases: list[Case], every: int = 1) -> list[Any]:
    """The cases as parameters; slow ones are marked, and all but each so-manieth (none for 0)."""
    slow = [bool(k % every) if every else True for k in range(len(cases))]
    return [
        pytest.param(c, id=c.name, marks=pytest.mark.slow if s or c.slow else ())
        for c, s in zip(cases, slow, strict=True)
    ]


DIFFERENTIABLE = [c for c in CASES if c.diff]
CAPTURED = [c for c in CASES if c.captured]


def test_the_corpus_is_large() -> None:
    names = [c.name for c in CASES]
    assert len(names) == len(set(names)) >= 90
    assert len(DIFFERENTIABLE) >= 60


@pytest.mark.parametrize("case", table(CASES, every=5))
def test_values_and_mutated_arguments(case: Case) -> None:
    compiled = wg.jit(case.fn)
    for seed in range(DRAWS):
        arguments = case.draw(seed)
        assert_same_outcome(
            called(compiled, arguments), called(case.fn, arguments), case.value_rtol
        )


@pytest.mark.parametrize("case", table(DIFFERENTIABLE, every=6))
def test_compiled_gradient(case: Case) -> None:
    scalars = [Scalar.of(case, seed) for seed in range(2)]
    gradient = wg.jit(wg.grad(scalars[0].function()))
    for scalar in scalars:
        found = wg.tree_leaves(gradient(scalar.point, scalar.rest))
        assert_gradient(found, plain_gradient(scalar), case.rtol)


@pytest.mark.parametrize("case", table(DIFFERENTIABLE, every=0))
def test_gradient(case: Case) -> None:
    scalar = Scalar.of(case)
    found = wg.grad(scalar.function())(scalar.point, scalar.rest)
    assert_gradient(wg.tree_leaves(found), plain_gradient(scalar), case.rtol)


@pytest.mark.parametrize("case", table(DIFFERENTIABLE[::4], every=6))
def test_sparsity_covers_the_jacobian(case: Case) -> None:
    """What the program alone says of loops and branches, against the numbers at one point."""
    arguments = case.draw()
    whole = wg.make_ir(case.fn)(*arguments).program
    program = Program(whole.inputs, whole.eqns, tuple(a for a in whole.outputs if a.type.is_float))
    leaves = [
        np.asarray(x, t.dtype) for x, t in zip(numbers(arguments), whole.in_types, strict=True)
    ]
    active = [t.is_float for t in program.in_types]
    count, ins = len(program.outputs), sum(active)
    if not count:
        return  # all that it does is left in its arguments
    found = evaluate(jacobian(program, active, count, True), leaves)[count:]
    rows = [
        np.concatenate([b.reshape(t.size, -1) for b in found[k * ins : (k + 1) * ins]], axis=1)
        for k, t in enumerate(program.out_types)
        if t.size
    ]
    pattern = jacobian_pattern(program, active).toarray()
    assert not (np.concatenate(rows)[~pattern] != 0).any()


def numbers(arguments: Any) -> list[Any]:
    """The leaves that are inputs of a program: arrays, NumPy's scalars and floats."""
    return [x for x in wg.tree_leaves(arguments) if isinstance(x, np.ndarray | np.generic | float)]


@pytest.mark.parametrize("case", table(DIFFERENTIABLE, every=4))
def test_tangent(case: Case) -> None:
    scalar = Scalar.of(case)
    function = scalar.function()
    rng = np.random.default_rng(5)
    direction = wg.tree_map(lambda x: rng.normal(size=np.shape(x))[()], scalar.point)
    value, found = wg.jvp(
        lambda *point: function(point, fresh(scalar.rest)), scalar.point, direction
    )
    np.testing.assert_allclose(value, function(scalar.point, scalar.rest), rtol=case.value_rtol)
    slopes = plain_gradient(scalar)
    expected = sum(np.sum(s * d) for s, d in zip(slopes, wg.tree_leaves(direction), strict=True))
    scale = sum(
        np.sum(np.abs(s * d)) for s, d in zip(slopes, wg.tree_leaves(direction), strict=True)
    )
    np.testing.assert_allclose(found, expected, rtol=case.rtol, atol=case.rtol * max(scale, 1.0))


@pytest.mark.parametrize("case", table(CAPTURED))
def test_loops_are_captured(case: Case) -> None:
    once, twice = (wg.make_ir(case.fn)(*case.draw(n=n)) for n in (case.n, 2 * case.n))
    assert count_equations(once.program) == count_equations(twice.program)


@pytest.mark.parametrize("case", table([c for c in CAPTURED if c.diff], every=3))
def test_gradients_of_loops_are_loops(case: Case) -> None:
    counts = []
    for n in (case.n, 2 * case.n):
        scalar = Scalar.of(case, n=n)
        gradient = wg.make_ir(wg.grad(scalar.function()))(scalar.point, scalar.rest)
        counts.append(count_equations(gradient.program))
    assert counts[0] == counts[1]
