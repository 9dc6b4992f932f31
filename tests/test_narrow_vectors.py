"""Vectors of 256 bits without masks, which machines with masks can run as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.cpu import machine
from wengert.backends.cpu.llvm.program import SETTLED

R = np.random.default_rng(11)
TARGET = machine.target()
pytestmark = pytest.mark.skipif(not TARGET.vector, reason="needs vectors of 256 bits")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has programs be printed for a machine without masks."""
    target = replace(TARGET, masks=False, halves=True)
    monkeypatch.setattr(machine, "target", lambda: target)


def nearer(x: Any, y: Any) -> Any:
    """Minima in place, of which each turn changes few elements."""
    d = x.copy()
    for i in range(d.shape[0]):
        for j in range(d.shape[1]):
            if y[i, j] < d[i, j]:
                d[i, j] = y[i, j]
    return d


def long_turns(x: Any, y: Any) -> Any:
    """Bodies too long to be printed for shorter and shorter vectors as well."""
    z = x * y + x
    for k in range(24):
        z = z * x + np.abs(y - 0.1 * k) * z
    return z, np.sum(z, axis=1)


def parts_of_rows(x: Any, y: Any) -> Any:
    """Rows whose length is known only at run time, with a sum beside what is stored."""
    z, total = np.zeros(x.shape), np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        for j in range(min(i, x.shape[1])):
            z[i, j] = x[i, j] * 2 + y[i, 0]
            total[i] += x[i, j]
    return z, total


def points(x: Any, y: Any) -> Any:
    """Every second and every third element; the last ones read are the last there are."""
    even = x.reshape(-1)[: x.size // 2 * 2].reshape(-1, 2)
    third = y.reshape(-1)[: y.size // 3 * 3].reshape(-1, 3)
    lengths = third[:, 0] * third[:, 1] - third[:, 2]
    return even[:, 0] + 2 * even[:, 1], lengths, third[:, 2] > 0.5


def places(x: Any, y: Any) -> Any:
    """Elements far apart or anywhere, and integers that become floats."""
    k = (np.arange(x.shape[1]) * 7) % x.shape[1]
    whole = np.arange(x.shape[1]) * (1 << 40) - 3
    return x[:, k] * 2, y[:, ::5] + 1, whole * x.astype(np.float64)


FUNCTIONS = (nearer, long_turns, parts_of_rows, points, places)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [1, 4, 13, 39])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_any_length_and_step(function: Callable[..., Any], length: int, dtype: Any) -> None:
    x, y = R.uniform(0.1, 1.0, (2, 40, length)).astype(dtype)
    found, expected = wg.jit(function)(x, y), function(x, y)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    for a, b in zip(tuple(found), tuple(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance)


def test_what_is_chosen_is_not_stored_under_a_mask() -> None:
    """LLVM makes masked stores of it if it can, which processors without masks are slow at."""
    d = np.ones((64, 64))
    source = wg.jit(nearer).lower(d, d).source
    assert source.startswith(SETTLED) and "<4 x double>" in source
    assert "maskmov" not in machine.assembly(source)
