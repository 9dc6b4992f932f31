"""Dicts whose keys control flow inserts in several orders: as in Python, or an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import CaptureError


def walked(d: Any) -> Any:
    out = 1.0
    for v in d.values():
        out = out * 2 + v
    return out


def in_branches(n: Any, x: Any) -> Any:
    if n > 0:
        d = {"a": x, "b": 2 * x}
    else:
        d = {"b": x, "a": 3 * x}
    return walked(d)


def returned(n: Any, x: Any) -> Any:
    if n > 0:
        return [{"a": x, "b": 2 * x}]
    return [{"b": x, "a": x}]


def in_turns(n: Any, x: Any) -> Any:
    d = {"a": x, "b": 2 * x}
    for i in range(n):
        d = {"b": d["a"], "a": d["b"] + i}
    return walked(d)


def in_while(n: Any, x: Any) -> Any:
    d = {"a": x, "b": 2 * x}
    while d["a"] < n:
        d = {"b": d["a"], "a": d["b"] + 1}
    return walked(d)


@pytest.mark.parametrize("f", [in_branches, returned, in_turns, in_while])
def test_orders_that_depend_on_data_are_errors(f: Any) -> None:
    with pytest.raises(CaptureError, match=r"another order.*test_dict_order.py"):
        wg.jit(f)(np.int64(3), 1.5)


@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_first_turns_may_change_the_order(n: int) -> None:
    assert wg.jit(in_turns)(n, 1.5) == in_turns(n, 1.5)


def test_forms_have_sorted_keys_where_orders_differ() -> None:
    def f(c: Any, x: Any) -> Any:
        return wg.cond(c > 0, lambda x: {"b": x, "a": -x}, lambda x: {"a": x, "b": x}, x)

    for c, wanted in ((1.0, {"a": -2.0, "b": 2.0}), (-1.0, {"a": 2.0, "b": 2.0})):
        found = wg.jit(f)(c, 2.0)
        assert (found, list(found)) == (wanted, ["a", "b"])
