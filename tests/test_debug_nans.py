"""WENGERT_DEBUG_NANS: the first NaN is an error that names the operation and the user's line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.config import config
from wengert.errors import NotANumberError


@pytest.fixture(autouse=True)
def finding_nans(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WENGERT_DEBUG_NANS", "1")
    config.cache_clear()
    yield
    monkeypatch.undo()
    config.cache_clear()


def in_a_loop(x: Any) -> Any:
    y = np.log(x)
    for k in range(4):
        y = y + np.sqrt(y - k)  # the line
    return y


@pytest.mark.parametrize(
    "transform", [wg.jit, lambda f: wg.jit(wg.grad(lambda x: np.sum(f(x)))), wg.jacfwd]
)
def test_the_first_nan_is_named(transform: Callable[..., Any]) -> None:
    with pytest.raises(NotANumberError, match=r"sqrt\(-0\.7522825.*\) is NaN at \(1,\)") as caught:
        transform(in_a_loop)(np.array([9.0, 1.5]))
    line = in_a_loop.__code__.co_firstlineno + 3
    assert f"test_debug_nans.py:{line} in in_a_loop" in str(caught.value)
    assert isinstance(caught.value, FloatingPointError)


def test_nans_of_the_caller_are_no_errors() -> None:
    x = np.array([1.0, np.nan])
    np.testing.assert_array_equal(wg.jit(lambda a: a * 2)(x), x * 2)


def test_programs_without_nan_give_their_values() -> None:
    x = np.array([9.0, 30.0])
    np.testing.assert_allclose(wg.jit(lambda a: np.log(a) / a)(x), np.log(x) / x)
