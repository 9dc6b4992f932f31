"""Laws of the transforms, on random smooth programs.

J is the Jacobian at the arguments, v a tangent, u a cotangent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from program_laws import assert_same_results, directions, inner
from strategies import random_program

from wengert.ir.evaluate import evaluate
from wengert.ir.program import Program
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.linearize import linearize
from wengert.ir.transforms.transpose import transpose, vjp
from wengert.ir.verify import verify, verify_linear

CASES = [(seed, size) for size, count in ((4, 30), (15, 40), (50, 15)) for seed in range(count)]
cases = pytest.mark.parametrize(("seed", "size"), CASES)
STEP = 1e-6


def drawn(seed: int, size: int) -> tuple[Program, list[Any], list[bool], np.random.Generator]:
    program, args = random_program(seed, size, smooth=True)
    return program, args, [t.is_float for t in program.in_types], np.random.default_rng(seed)


def tangents_at(program: Program, args: list[Any], v: list[Any]) -> tuple[list[Any], list[bool]]:
    """Jv, and which outputs depend on the inputs at all."""
    pushed = jvp(program, [True] * len(args))
    results = evaluate(pushed.program, [*args, *v])
    return results[len(program.outputs) :], list(pushed.out_active)


@cases
def test_transforms_give_valid_programs(seed: int, size: int) -> None:
    program, args, active, _ = drawn(seed, size)
    split = linearize(program, active)
    for result in (
        jvp(program, active).program,
        vjp(program, active).program,
        split.primal,
        split.linear,
        transpose(split.linear, split.residuals),
        batch(program, [True] * len(args), 3).program,
    ):
        verify(result)
    verify_linear(split.linear, split.residuals)


@cases
def test_jvp_is_the_limit_of_differences(seed: int, size: int) -> None:
    program, args, _, rng = drawn(seed, size)
    v = directions(program, rng)
    found, active = tangents_at(program, args, v)
    ahead = evaluate(program, [x + STEP * t for x, t in zip(args, v, strict=True)])
    behind = evaluate(program, [x - STEP * t for x, t in zip(args, v, strict=True)])
    differences = [(a - b) / (2 * STEP) for a, b in zip(ahead, behind, strict=True)]
    for difference, on in zip(differences, active, strict=True):
        assert on or not np.any(difference)
    expected = [d for d, on in zip(differences, active, strict=True) if on]
    for x, y in zip(found, expected, strict=True):
        scale = 1 + np.max(np.abs(y), initial=0)
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5 * scale)


@cases
def test_vjp_is_the_transpose_of_jvp(seed: int, size: int) -> None:
    """<u, Jv> = <J'u, v>."""
    program, args, active, rng = drawn(seed, size)
    v = directions(program, rng)
    jv, _ = tangents_at(program, args, v)
    pulled = vjp(program, active)
    u = [rng.standard_normal(t.shape) for t in pulled.program.in_types[len(args) :]]
    results = evaluate(pulled.program, [*args, *u])
    outs, ju = results[: len(program.outputs)], results[len(program.outputs) :]
    assert_same_results(outs, evaluate(program, args), program, exact=True)
    scale = 1 + sum(np.abs(x * y).sum() for x, y in zip(ju, v, strict=True))
    assert abs(inner(u, jv) - inner(ju, v)) <= 1e-11 * scale


@cases
def test_linearize_agrees_with_jvp(seed: int, size: int) -> None:
    program, args, active, rng = drawn(seed, size)
    split = linearize(program, active)
    known = evaluate(split.primal, args)
    outs, residuals = known[: len(program.outputs)], known[len(program.outputs) :]
    assert_same_results(outs, evaluate(program, args), program, exact=True)
    v = directions(program, rng)
    jv = evaluate(split.linear, [*residuals, *v])
    assert_same_results(jv, tangents_at(program, args, v)[0], program, exact=True)


@cases
def test_linear_programs_are_linear(seed: int, size: int) -> None:
    """J(av + w) = aJv + Jw."""
    program, args, active, rng = drawn(seed, size)
    split = linearize(program, active)
    residuals = evaluate(split.primal, args)[len(program.outputs) :]
    v, w = directions(program, rng), directions(program, rng)
    mixed = [np.asarray(2.5 * x + y) for x, y in zip(v, w, strict=True)]
    jv, jw, jm = (evaluate(split.linear, [*residuals, *d]) for d in (v, w, mixed))
    for x, y, z in zip(jv, jw, jm, strict=True):
        scale = 1 + np.max(np.abs(x), initial=0) + np.max(np.abs(y), initial=0)
        np.testing.assert_allclose(z, 2.5 * x + y, rtol=1e-9, atol=1e-11 * scale)


@cases
def test_transposing_twice_gives_the_program_back(seed: int, size: int) -> None:
    program, args, active, rng = drawn(seed, size)
    split = linearize(program, active)
    residuals = evaluate(split.primal, args)[len(program.outputs) :]
    back = transpose(transpose(split.linear, split.residuals), split.residuals)
    v = [*residuals, *directions(program, rng)]
    once, twice = evaluate(split.linear, v), evaluate(back, v)
    for x, y in zip(once, twice, strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-11 * (1 + np.max(np.abs(x), initial=0)))


@cases
@pytest.mark.parametrize("count", [0, 1, 3])
def test_batch_is_a_loop(seed: int, size: int, count: int) -> None:
    program, args, _, rng = drawn(seed, size)
    batched = [bool(rng.integers(2)) for _ in args] if seed % 2 else [True] * len(args)
    stacks = [
        np.stack([x] * count) + 0.1 * rng.standard_normal((count, *x.shape))
        if on and count
        else np.zeros((0, *x.shape))
        if on
        else x
        for x, on in zip(args, batched, strict=True)
    ]
    spread = batch(program, batched, count)
    results = evaluate(spread.program, stacks)
    for out, on, type_ in zip(results, spread.out_batched, program.out_types, strict=True):
        assert out.shape == ((count, *type_.shape) if on else type_.shape)
    for i in range(count):
        one = [x[i] if on else x for x, on in zip(stacks, batched, strict=True)]
        found = [
            np.asarray(x[i]) if on else x for x, on in zip(results, spread.out_batched, strict=True)
        ]
        assert_same_results(found, evaluate(program, one), program)


@pytest.mark.parametrize("seed", range(25))
def test_second_derivatives_agree(seed: int) -> None:
    """The Hessian of a scalar is symmetric: <Hv, w> = <Hw, v>, forward over reverse."""
    program, args, active, rng = drawn(seed, 12)
    gradient = vjp(program, active)
    count, outs = len(args), len(program.outputs)
    u = [rng.standard_normal(t.shape) for t in gradient.program.in_types[count:]]
    known = [True] * count + [False] * len(u)
    pushed = jvp(gradient.program, known)

    def product(v: list[Any]) -> list[Any]:
        results = evaluate(pushed.program, [*args, *u, *v])
        tangents = iter(results[len(gradient.program.outputs) :])
        full = [next(tangents) if on else None for on in pushed.out_active]
        return [0 * x if t is None else t for t, x in zip(full[outs:], args, strict=True)]

    v, w = directions(program, rng), directions(program, rng)
    hv, hw = product(v), product(w)
    scale = 1 + sum(np.abs(x).sum() for x in (*hv, *hw))
    assert abs(inner(hv, w) - inner(hw, v)) <= 1e-10 * scale
