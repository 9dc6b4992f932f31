"""Lists and dicts of which it is known only at run time which one a variable holds."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import CaptureError, UndefinedVariableError

TURNS = 40


def chosen_in_a_choice(x, c):
    p, other = [x], [2 * x]
    if c > 0:
        if c > 2:
            q = p
        else:
            q = other
    else:
        q = p
    q[0] = 100.0
    return other[0]


def left_by_a_loop(x, c):
    p, other = [x], [2 * x]
    q = p
    for i in range(TURNS):
        if c > i:
            q = other
    q[0] = 100.0
    return p[0]


def stored_by_a_loop(x, c):
    other = [1.0]
    d = {"p": [x]}
    for i in range(TURNS):
        if c > i:
            d["p"] = other
    other[0] = 4.0
    return d["p"][0]


def length_of_a_list(x, c):
    p = [x]
    q = p if c > 0 else [1.0]
    q.append(x)
    return len(p) * x


def truth_of_a_list(x, c):
    p = [x]
    q = p if c > 0 else [1.0]
    q.pop()
    return x if p else -x


def new_key(x, c):
    p: dict[str, Any] = {}
    q = p if c > 0 else {}
    q["a"] = x
    return p.get("a", 0.0)


@pytest.mark.parametrize(
    "f",
    [
        *(chosen_in_a_choice, left_by_a_loop, stored_by_a_loop),
        *(length_of_a_list, truth_of_a_list, new_key),
    ],
)
def test_what_may_have_been_changed_by_another_name_is_not_read(f: Any) -> None:
    with pytest.raises(UndefinedVariableError, match="may be part of the same"):
        wg.jit(f, backend="reference")(2.0, 1.0)


def test_an_empty_list_that_may_be_another_one_is_not_lengthened() -> None:
    def f(x, c):
        p: list[Any] = []
        q = p if c > 0 else []
        q.append(x)
        return sum(p)

    with pytest.raises(CaptureError, match="a list gets longer or shorter"):
        wg.jit(f, backend="reference")(2.0, 1.0)


def best_so_far(x, c):
    best, least = [x, x], 1e9
    for _ in range(TURNS):
        new = [best[0] * 0.9, best[1] * 0.8]
        f = (new[0] - c) ** 2 + new[1] ** 2
        if f < least:
            best, least = new, f
    best.append(least)
    best[0] = best[0] + 1
    return best


def changed_in_a_loop_that_follows(x, c):
    q = [x, x]
    if c > 0:
        q = [p * 0.5 for p in q]
    k = 0.0
    while k < c:
        for i in range(2):
            q[i] = q[i] * 0.9
        if c > 3:
            q[0] = q[0] + 1
        k += 1
    return q


def swapped_in_each_turn(x, c):
    a, b = [x, 1.0], [2 * x, c]
    for _ in range(TURNS):
        if a[0] > b[0]:
            a, b = b, a
        a[0] = a[0] + 0.3
    return [*a, *b]


def new_ones_in_each_part(x, c):
    p, d = [x, 2 * x], {"a": [x]}
    if c > 0:
        q, e, r = p[1:], dict(d), list(p)
    else:
        q, e, r = p[:1] + p[:1], d.copy(), p.copy()
        q.pop()
    q.append(3.0)
    e["b"] = x
    r.pop()
    return [*q, len(p) * x, *r]


def counted(x, c):
    d, sums, rows = defaultdict(int), defaultdict(lambda: c), defaultdict(lambda: np.zeros(2))
    for k in range(TURNS):
        sums["all"] += x * k  # in each turn, so that it surely is there afterwards
    for k in range(4):
        if c > k:
            d[k % 2] += 1
            rows["r"] += x
    return [d[0], d[1], sums["all"], len(sums), *rows["r"]]


def texts_that_nobody_reads(x, c):
    d = {"v": x, "kind": "none"}
    if c > 0:
        d, note = {"v": 2 * x, "kind": "positive"}, "up"
    else:
        d["kind"] = note = "negative"
    return [d["v"], len(d) * x if "kind" in d and note is not None else x]


def texts_that_are_compared(x, c):
    kind, d = "up" if c > 0 else "down", {"low": x, "middle": c, "high": x * c}
    best: Any = max(d, key=d.get)  # type: ignore[arg-type]
    least = min(d, key=lambda k: abs(d[k]))
    total = d[best] + {"up": 1.0, "down": x}[kind]
    for k in range(6):
        turn = "even" if c > k else "odd"
        if turn == "even" and kind != "down":
            total += x
    total += x if kind in ("up", "left") and best in d else 1.0
    return [total, 1.0 if best == "high" else 2.0, 3.0 if least != "low" else 4.0]


def one_list_in_both_parts(x, c):
    h = [x, 2 * x]
    s = {"h": h, "w": [x]} if c > 0 else {"h": h, "w": [c]}
    s["h"][0] = 2.0
    return [s["h"][0], h[0], *s["w"]]


def parts_of_arrays(x, c):
    a = np.arange(8.0) * x
    s = slice(None, 3) if c > 0 else slice(2, None)
    t = slice(1, 4) if c > 2 else slice(4, 7)
    a[t] += 1.0
    return [a[s].sum(), a[t].max(), *a]


@pytest.mark.parametrize(
    "f",
    [
        *(
            texts_that_nobody_reads,
            texts_that_are_compared,
            one_list_in_both_parts,
            parts_of_arrays,
        ),
        *(best_so_far, counted, changed_in_a_loop_that_follows),
        *(swapped_in_each_turn, new_ones_in_each_part),
    ],
)
@pytest.mark.parametrize("c", [-1.0, 1.0, 5.0])
def test_what_nobody_else_looks_at_may_be_changed(f: Any, c: float) -> None:
    found = wg.jit(f, backend="reference")(2.0, c)
    for a, b in zip(found, f(2.0, c), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("seen", [len, bool, lambda d: "a" in d, list])
def test_a_key_that_a_default_may_have_made_is_known_at_run_time_only(seen: Any) -> None:
    def f(x):
        d: Any = defaultdict(float)
        if x > 0:
            d["a"] += x
        return seen(d)

    with pytest.raises(UndefinedVariableError, match="given it under a condition"):
        wg.jit(f, backend="reference")(2.0)


@pytest.mark.parametrize(
    "seen",
    [
        *(lambda d: d["k"] == 1, lambda d: {d["k"]: 1.0}, lambda d: f"{d['k']}"),
        *(lambda d: d["k"].upper(), lambda d: isinstance(d["k"], str), lambda d: d["k"] < "b"),
        *(lambda d: d["k"], lambda d: d["k"] + "b", lambda d: 1.0 if d["k"] else 2.0),
    ],
)
def test_a_text_that_is_known_at_run_time_only_is_not_read(seen: Any) -> None:
    def f(x):
        d = {"k": "a" if x > 0 else "b"}
        return seen(d)

    with pytest.raises(CaptureError, match="'b' if its condition is false"):
        wg.jit(f, backend="reference")(2.0)


def test_a_text_that_a_loop_carries_is_no_text_of_before() -> None:
    def f(x):
        kind, total = "none", 0.0
        for k in range(TURNS):
            if x > k:
                kind = "up"
            total += 1.0 if kind == "up" else 0.0
        return total

    with pytest.raises(CaptureError, match="'kind' is"):
        wg.jit(f, backend="reference")(100.0)
