"""A few long rows walked side by side: random programs over coordinates against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.kernels.staging.coordinates import lengths

N = 700
Program = Callable[[Any, Any], Any]


def picks(rng: np.random.Generator, rows: list[Any]) -> list[Any]:
    return [rows[k] for k in rng.integers(0, len(rows), 3)]


STEPS: list[Callable[[Any, np.random.Generator], Any]] = [
    lambda x, rng: np.sum(x * x, axis=0),
    lambda x, rng: np.max(x, axis=0) * x,
    lambda x, rng: np.stack(picks(rng, list(x))) - x.mean(axis=0),
    lambda x, rng: np.stack([x[1] * x[2], x[2] - x[0], x[0]]) * 0.5,
    lambda x, rng: np.concatenate([x[1:] + 1.0, x[:1] * 2.0]),
    lambda x, rng: x / (1.0 + np.sqrt(np.sum(x * x, axis=0))),
    lambda x, rng: np.sin(x) * np.cos(np.sum(x, axis=0)),
    lambda x, rng: x[:, ::-1] + x,
    lambda x, rng: np.concatenate([x[:, 1:], x[:, :1]], axis=1) - x,
    lambda x, rng: x + np.sum(x, axis=1, keepdims=True) / N,
    lambda x, rng: x.T.copy().T * 1.5,
    lambda x, rng: np.where(x > 0, x, 0.1 * x),
    lambda x, rng: np.array([[0.0, 1.0, 2.0], [1.0, 0.5, 0.0], [0.3, 0.0, 1.0]]) @ x,
    lambda x, rng: np.cumsum(x, axis=0),
    lambda x, rng: np.stack([x[0] > x[1], x[1] > x[2], x[2] > x[0]]) * x,
    lambda x, rng: np.roll(x, 1, axis=0) * x,
]


def random_program(seed: int) -> Program:
    """Steps on a few rows, which spread again where a step has made one of them."""
    numbers = np.random.default_rng(seed).integers(0, len(STEPS), 6)

    def run(x: Any, y: Any) -> Any:
        rng = np.random.default_rng(seed + 1)
        values = [x]
        for number in numbers:
            value = STEPS[number](values[-1], rng)
            values.append(value if value.ndim == 2 else value * y + values[-1])
        return values[-1], values[-2]

    return run


@pytest.mark.parametrize("seed", range(24))
def test_random_programs(seed: int) -> None:
    f, rng = random_program(seed), np.random.default_rng(seed)
    x, y = rng.standard_normal((3, N)), rng.standard_normal(N)
    for found, wanted in zip(wg.jit(f)(x, y), f(x, y), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)
    if seed < 8:
        loss = wg.grad(lambda x, y: sum(np.sum(np.sin(v)) for v in f(x, y)), argnums=(0, 1))
        found = wg.jit(loss)(x, y)
        for mine, oracle in zip(found, wg.jit(loss, backend="reference")(x, y), strict=True):
            np.testing.assert_allclose(mine, oracle, rtol=1e-8, atol=1e-8)


def rotated(axis: Any, point: Any) -> Any:
    """Rodrigues' formula; all of its steps fit into one loop."""
    angle = np.sqrt(np.sum(axis * axis, axis=0))
    w = axis / angle
    crossed = np.stack(
        [w[1] * point[2] - w[2] * point[1], w[2] * point[0] - w[0] * point[2],
         w[0] * point[1] - w[1] * point[0]]
    )  # fmt: skip
    along = np.sum(w * point, axis=0)
    return point * np.cos(angle) + crossed * np.sin(angle) + w * along * (1.0 - np.cos(angle))


def test_many_small_vectors_are_one_loop() -> None:
    rng = np.random.default_rng(0)
    axis, point = rng.standard_normal((2, 3, 5000))
    f = wg.jit(rotated)
    np.testing.assert_allclose(f(axis, point), rotated(axis, point), rtol=1e-12, atol=1e-12)
    assert f.lower(axis, point).kernels.count("kernel ") == 1


def test_angles_beyond_the_fast_form_run_once_more() -> None:
    """Where one strip of the loop meets huge angles its turns run twice, with what they stored."""
    rng = np.random.default_rng(0)
    axis, point = rng.standard_normal((2, 3, 5000))
    axis[:, 2000:2003] *= 1e9
    np.testing.assert_allclose(
        wg.jit(rotated)(axis, point), rotated(axis, point), rtol=1e-6, atol=1e-6
    )


def test_rows_that_are_only_computed_keep_their_order() -> None:
    x = np.ones((3, N))
    assert lengths(wg.make_ir(lambda x: np.exp(x) * x)(x).program) == frozenset()
    assert lengths(wg.make_ir(lambda x: np.exp(x[0]))(x).program) == frozenset({N})


def turned(axes: Any, points: Any, of_axis: Any, of_point: Any) -> Any:
    return wg.vmap(rotated)(axes[of_axis], points[of_point])


def test_one_vector_after_the_other_becomes_vectors_of_them() -> None:
    """Indices are checked ahead of the loop, which has no inner loops and no branches left."""
    rng = np.random.default_rng(0)
    axes, points = rng.standard_normal((50, 3)), rng.standard_normal((400, 3))
    of_axis, of_point = rng.integers(-50, 50, 5000), rng.integers(-400, 400, 5000)
    f = wg.jit(turned)
    wanted = rotated(axes[of_axis].T, points[of_point].T).T
    np.testing.assert_allclose(f(axes, points, of_axis, of_point), wanted, rtol=1e-11, atol=1e-11)
    text = f.lower(axes, points, of_axis, of_point).kernels
    (checks, *rest) = text.split("for i1 in")[1:]
    assert checks.count("check ") == 2 and "check " not in "".join(rest)
    for place, wrong in ((0, 50), (4999, -51)):
        bad = of_axis.copy()
        bad[place] = wrong
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis 0"):
            f(axes, points, bad, of_point)
    np.testing.assert_allclose(f(axes, points, of_axis, of_point), wanted, rtol=1e-11, atol=1e-11)


def waves(x: Any, w: Any) -> Any:
    """Sines of what a turn has just stored, one after the other."""
    y = np.stack([x[0] * w[0], x[1] * w[1], x[0] - x[1]])
    z = np.stack([np.sin(y[1] + y[0]), np.cos(y[2] * y[0]), np.sin(y[2])])
    return np.stack([np.cos(z[0] * y[1]), np.sin(z[1] + z[2]) * y[0]])


@pytest.mark.slow
def test_each_sine_of_a_turn_is_looked_at() -> None:
    """A huge angle in any of them runs the strip again; the last one alone does not tell."""
    rng = np.random.default_rng(1)
    for place in range(4):
        x, w = rng.standard_normal((2, 2, 5000))
        (x, w)[place // 2][place % 2, 2500:2503] *= 2.0**60
        found, wanted = wg.jit(waves)(x, w), waves(x, w)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
        slope = wg.grad(lambda x, w: np.sum(waves(x, w)))
        mine, oracle = wg.jit(slope)(x, w), wg.jit(slope, backend="reference")(x, w)
        np.testing.assert_allclose(mine, oracle, rtol=1e-7, atol=1e-7)
