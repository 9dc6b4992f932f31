"""debug.print and debug.callback: what happens when, how often and in which order."""

from __future__ import annotations

import bdb
import linecache
import sys
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import debug
from wengert.errors import ArgumentError

X = np.array([3.0, 1.0, 2.0])
NUMBER = wg.ShapeDtypeStruct((), float)


@pytest.mark.parametrize("way", [wg.jit, lambda f: f])
def test_prints_come_in_order_at_run_time(way: Any, capsys: Any) -> None:
    def f(x: Any) -> Any:
        debug.print("start")
        for i in range(3):
            debug.print("{i}: {:.1f}", x, i=i)
            x = 2 * x
        if x > 10:
            debug.print("large {x}", x=x)
        else:
            debug.print("small {}", x)
        return x

    f = way(f)
    for x, last in ((1.0, "small 8.0"), (2.0, "large 16.0")):
        assert f(x) == 8 * x
        shown = [f"{i}: {x * 2**i:.1f}" for i in range(3)]
        assert capsys.readouterr().out.splitlines() == ["start", *shown, last]


def test_a_print_that_nothing_needs_stays(capsys: Any) -> None:
    @wg.jit
    def f(x: Any) -> Any:
        debug.print("twice")
        debug.print("twice")
        for _ in range(2):
            debug.print("norm {}", np.sum(x * x))
        return x + 1

    f(X)
    assert capsys.readouterr().out.splitlines() == ["twice", "twice", "norm 14.0", "norm 14.0"]


def looped(x: Any) -> Any:
    for i in range(3):
        debug.print("turn {}", i)
        x = np.sin(x) * x
    return x


def linear(x: Any) -> Any:
    for i in range(3):
        debug.print("turn {}", i)
        x = 2.0 * x
    return x


def until(x: Any) -> Any:
    i = 0
    while i < 3:
        debug.print("turn {}", i)
        x = np.sin(x) * x
        i += 1
    return x


def chosen(x: Any) -> Any:
    if x > 0:
        debug.print("turn 0")
        y = 2.0 * x
        debug.print("turn 1")
    else:
        debug.print("turn -1")
        y = np.sin(x)
    debug.print("turn 2")
    return y


@pytest.mark.parametrize("way", [wg.jit, lambda f: f])
@pytest.mark.parametrize("fun", [looped, linear, until, chosen, wg.checkpoint(looped)])
def test_derivatives_print_once_and_in_order(fun: Any, way: Any, capsys: Any) -> None:
    for derivative in (wg.grad(fun), wg.jacfwd(fun), wg.value_and_grad(fun)):
        way(derivative)(0.7)
        assert capsys.readouterr().out.splitlines() == ["turn 0", "turn 1", "turn 2"]


def test_vmap_prints_each_row(capsys: Any) -> None:
    def f(x: Any) -> Any:
        debug.print("x {}", x)
        return x

    wg.jit(wg.vmap(f))(X)
    assert capsys.readouterr().out.splitlines() == ["x 3.0", "x 1.0", "x 2.0"]


@pytest.mark.parametrize("lanes", [3, 40])
def test_vmap_of_loops_prints_each_turn_of_each_row(lanes: int, capsys: Any) -> None:
    def f(x: Any) -> Any:
        for i in range(3):
            debug.print("{} {}", i, x)
            x = wg.pure_callback(np.negative, NUMBER, x)
        return x

    rows = np.arange(lanes) + 1.0
    np.testing.assert_array_equal(wg.jit(wg.vmap(f))(rows), -rows)
    wanted = {f"{i} {(-1) ** i * x}" for i in range(3) for x in rows}
    shown = capsys.readouterr().out.splitlines()
    assert set(shown) == wanted and len(shown) == 3 * lanes


def test_texts_are_checked_where_they_stand() -> None:
    with pytest.raises(ArgumentError, match=r"has no place for \['1'\]"):
        debug.print("{}", 1, 2)
    with pytest.raises(ArgumentError, match=r"has places for \['x'\].*test_debug"):
        wg.jit(lambda x: debug.print("{x}", y=x))(1.0)


def test_callbacks_that_act() -> None:
    found: list[Any] = []

    @wg.jit
    def f(x: Any) -> Any:
        wg.debug.callback(lambda tree, name: found.append((name, tree)), {"x": x}, name="n")
        return 2 * x

    f(X)
    ((name, tree),) = found
    assert name == "n" and tree["x"].tolist() == X.tolist()


# breakpoints


@pytest.fixture
def paused(monkeypatch: Any) -> list[Any]:
    """What a debugger finds at each pause: the names in its frame, as sys.breakpointhook has it."""
    found: list[Any] = []

    def hook() -> None:
        frame = sys._getframe(1)
        names = {
            k: v for k, v in frame.f_globals.items() if k not in ("breakpoint", "__builtins__")
        }
        found.append({**names, "file": frame.f_code.co_filename, "line": frame.f_lineno})

    monkeypatch.setattr(sys, "breakpointhook", hook)
    return found


@pytest.mark.parametrize("way", [lambda f: f, wg.jit, lambda f: wg.jit(wg.grad(f)), wg.grad])
def test_breakpoints_have_the_values_by_name(way: Any, paused: list[Any], capsys: Any) -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for i in range(3):
            total = total + np.sin(x) * i
            wg.debug.print("turn {}", i)
            wg.debug.breakpoint(total=total, pair={"i": i, "name": "n"})
        return total

    way(f)(0.5)
    assert [p["pair"]["i"] for p in paused] == [0, 1, 2]
    np.testing.assert_allclose([p["total"] for p in paused], np.sin(0.5) * np.array([0, 1, 3]))
    assert all(p["pair"]["name"] == "n" and p["line"] == 1 for p in paused)
    assert all(__file__ in p["file"] for p in paused)
    assert linecache.getline(paused[0]["file"], 2).strip() == "pass  # at hand: total, pair"
    assert capsys.readouterr().out.split("\n")[:3] == ["turn 0", "turn 1", "turn 2"]


def test_breakpoints_of_compiled_loops_and_batches(paused: list[Any]) -> None:
    @wg.jit
    def loop(x: Any, n: Any) -> Any:
        while n > 0:
            x, n = 2 * x, n - 1
            if n == 1:
                wg.debug.breakpoint(x=x)
        return x

    assert loop(1.0, np.int64(4)) == 16.0
    assert [p["x"] for p in paused] == [8.0]
    paused.clear()
    wg.vmap(lambda x: wg.debug.breakpoint(x=x))(np.arange(3.0))
    assert [p["x"] for p in paused] == [0.0, 1.0, 2.0]


def test_python_decides_what_a_breakpoint_does(monkeypatch: Any, paused: list[Any]) -> None:
    compiled = wg.jit(lambda x: (wg.debug.breakpoint(), x + 1)[1])
    monkeypatch.setattr(sys, "breakpointhook", sys.__breakpointhook__)
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    assert compiled(1.0) == 2.0
    assert not paused

    def quits() -> None:
        raise bdb.BdbQuit

    monkeypatch.setattr(sys, "breakpointhook", quits)
    with pytest.raises(bdb.BdbQuit):
        compiled(1.0)
