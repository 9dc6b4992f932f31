"""Derivatives and batches of random programs of loops, branches and updates in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derivative_laws import check_derivatives
from loop_programs import Generator
from op_cases import run

import wengert as wg
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.program import Program
from wengert.ir.transforms import batch as batching
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.transpose import vjp
from wengert.ir.verify import verify

SEEDS = range(40)
over_seeds = pytest.mark.parametrize("seed", SEEDS)


def drawn(seed: int) -> tuple[Program, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    program = Generator(rng, n=4, depth=2 + seed % 2).program()
    return program, [np.asarray(rng.uniform(-1, 1, t.shape)) for t in program.in_types]


@over_seeds
def test_forward_reverse_and_differences_agree(seed: int) -> None:
    program, args = drawn(seed)
    check_derivatives(program, args, range(len(args)))


@over_seeds
def test_passes_keep_the_meaning_of_derivatives(seed: int) -> None:
    program, args = drawn(seed)
    derived = vjp(program, [True] * len(args)).program
    rng = np.random.default_rng(seed)
    extra = [np.asarray(rng.standard_normal(t.shape)) for t in derived.in_types[len(args) :]]
    changed = default_pipeline(derived)
    verify(changed)
    pairs = zip(run(changed, [*args, *extra]), run(derived, [*args, *extra]), strict=True)
    for x, y in pairs:
        np.testing.assert_allclose(x, y, 1e-9, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_derivatives_of_derivatives(seed: int) -> None:
    program, args = drawn(seed)
    derived = vjp(program, [True] * len(args)).program
    rng = np.random.default_rng(seed)
    extra = [np.asarray(rng.standard_normal(t.shape)) for t in derived.in_types[len(args) :]]
    check_derivatives(derived, [*args, *extra], range(len(args)))


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_batches_agree_with_single_calls(seed: int) -> None:
    program, args = drawn(seed)
    rows = [np.stack([a, a * 0.5, a * -0.9]) for a in args]
    mapped = batch(program, [True] * len(args), 3)
    verify(mapped.program)
    found = run(mapped.program, rows)
    for k in range(3):
        expected = run(program, [np.asarray(r[k]) for r in rows])
        for x, on, y in zip(found, mapped.out_batched, expected, strict=True):
            np.testing.assert_allclose(x[k] if on else x, y, 1e-12, 1e-12)


def test_what_has_no_tangent_is_kept_without_one() -> None:
    """The sign of a determinant stands on a tape beside its factors, and moves with nothing."""
    at, turn = np.array([0.5, 0.9]), np.array([0.3, -0.7])

    def f(p: Any) -> Any:
        total = 0.0
        for k in range(6):
            total += np.linalg.det(np.eye(2) * p[0] + 0.1 * k * p[1])
        return total

    twice = wg.grad(lambda p: np.sum(wg.grad(f)(p) * turn))(at)
    np.testing.assert_allclose(twice, wg.jvp(wg.grad(f), (at,), (turn,))[1], rtol=1e-12)


def test_a_loop_left_for_its_checks_keeps_what_these_read() -> None:
    """Cleaned from inside, an inner loop needs less than one that is asked for results."""

    def f(x: Any, y: Any, p: Any, k: Any) -> Any:
        m, s = 1, x[2]
        for j, _ in enumerate(y):
            if m == 3:
                s -= 1.0
            np.copyto(y, x)
            if k[j] > 1:
                y[p[j]] += np.dot(y, x)
                y.fill(s)
                break
        return s + np.sum(y)

    at, places = np.arange(5.0), np.arange(5)
    slopes = wg.grad(f, (0, 1))(at, at.copy(), places, 3 - places)
    np.testing.assert_array_equal(slopes, [[0, 0, 6, 0, 0], [0] * 5])


def test_batches_of_nested_loops_are_tried_once_for_each_loop(monkeypatch: Any) -> None:
    mapped, tried = batching._mapped, list[int]()  # pyright: ignore[reportPrivateUsage]

    def counted(program: Any, batched: Any, size: int) -> Any:
        tried.append(size)
        return mapped(program, batched, size)

    def nested(depth: int, x: Any) -> Any:
        if depth == 0:
            return np.sin(x)
        return wg.fori_loop(0, 1, lambda i, y: nested(depth - 1, y), x)

    monkeypatch.setattr(batching, "_mapped", counted)
    rows = np.linspace(0, 1, 3)
    found = wg.vmap(lambda x: nested(9, x))(rows)
    np.testing.assert_allclose(found, np.sin(rows))
    assert 0 < len(tried) < 200  # thousands if each loop tried all of what is inside it anew


@pytest.mark.slow
def test_reverse_mode_twice_through_a_while_loop() -> None:
    def total(x: Any) -> Any:
        y, n = x, 0
        while n < 3 or y[0] > 5:
            y = np.sin(y) * y * 0.5 + x
            n = n + 1
        return (y**2).sum()

    x = np.array([0.3, 0.7, 0.5])
    expected = wg.jacfwd(wg.jacfwd(total))(x)
    np.testing.assert_allclose(wg.jacrev(wg.grad(total))(x), expected, rtol=1e-12, atol=1e-12)
