"""Random plain functions, as NumPy runs them and compiled: results, changed arguments, gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fast_share import fast_share
from plain_programs import N, load

import wengert as wg


def arguments(seed: int) -> tuple[Any, ...]:
    r = np.random.default_rng(seed)
    return r.random(N) + 0.1, r.random(N) + 0.1, r.random((N, N)), r.permutation(N)


def agree(seed: int, folder: Path, backend: str) -> None:
    f = load(seed, folder)
    plain = [x.copy() for x in arguments(seed)]
    changed = [x.copy() for x in arguments(seed)]
    with np.errstate(all="ignore"):
        wanted = f(*plain)
    found = wg.jit(f, backend=backend)(*changed)
    for w, x in zip((*wanted, *plain), (*found, *changed), strict=True):
        np.testing.assert_allclose(x, w, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("seed", fast_share(range(100), 3))
def test_values(seed: int, tmp_path: Path) -> None:
    agree(seed, tmp_path, "reference")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 115))
def test_native_values(seed: int, tmp_path: Path) -> None:
    agree(seed, tmp_path, "cpu")


@pytest.mark.parametrize("seed", range(200, 220))
def test_gradients(seed: int, tmp_path: Path) -> None:
    f = load(seed, tmp_path)

    def total(x: Any, y: Any, a: Any, p: Any) -> Any:
        s, t = f(x, y, a, p)
        return s + t + np.sum(a * a) + np.sum(x * y)

    *points, p = arguments(seed)
    r = np.random.default_rng(1)
    ways = [r.standard_normal(x.shape) for x in points]

    def along(step: float) -> Any:
        return total(*(x + step * d for x, d in zip(points, ways, strict=True)), p.copy())

    slopes = [(along(h) - along(-h)) / (2 * h) for h in (1e-6, 3e-7)]
    if abs(along(0)) > 1e6 or abs(slopes[0] - slopes[1]) > 1e-5 * (1 + abs(slopes[0])):
        return  # at a kink, or the sine of numbers so large that no difference shows its slope
    gradient = wg.grad(total, (0, 1, 2))(*(x.copy() for x in points), p)
    slope = sum(np.sum(g * d) for g, d in zip(gradient, ways, strict=True))
    np.testing.assert_allclose(slope, slopes[0], rtol=1e-4, atol=1e-4)
