"""Loops whose variables get new objects of the user's classes in each turn, against plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

TURNS = 25


class Vector:
    def __init__(self, x: Any, y: Any) -> None:
        self.x = x
        self.y = y

    def __add__(self, other: Vector) -> Vector:
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, k: Any) -> Vector:
        return Vector(self.x * k, self.y * k)

    def norm(self) -> Any:
        return math.sqrt(self.x * self.x + self.y * self.y)


class Slotted:
    __slots__ = ("inner", "t")

    def __init__(self, inner: Vector, t: Any) -> None:
        self.inner = inner
        self.t = t


def orbit(x, n):
    p, v = Vector(x, 0.0), Vector(0.0, 1.0)
    for _ in range(n):
        a = p * (-1 / p.norm() ** 3)
        v = v + a * 0.001
        p = p + v * 0.001
    return p.x, p.y, v.norm()


def nested(x, n):
    s = Slotted(Vector(x, 1.0), 0.0)
    last = s
    for _ in range(n):
        last = s
        s = Slotted(s.inner * 0.999, s.t + 0.1)
    return s.inner.x, s.t, last.t


def until(x, n):
    p, k = Vector(x, 0.0), 0
    while p.norm() > 0.1 and k < n:
        p = p * 0.9
        k += 1
    return p.x, k


def in_lists(x, n):
    ps = [Vector(x, 0.0), Vector(1.0, 2.0)]
    for _ in range(n):
        for k in range(2):
            ps[k] = ps[k] * 0.999 + Vector(0.1, 0.0)
        ps = [p * 0.5 for p in ps]
    return [p.x for p in ps]


def known_by_two_names(x, n):
    p = q = Vector(x, 0.0)
    a, b = Vector(x, 1.0), Vector(2.0, 3.0)
    this, other, t = a, b, 0.0
    for _ in range(n):
        q.x += 1
        a.x += 1
        t += p.x + this.x
        p = p * 0.9
        this, other = other, this
    return p.x, q.x, t, other.x


def made_once_and_named_twice(x, n):
    p, q = Vector(x, 1.0), Vector(2.0, 3.0)
    for _ in range(n):
        p = q = p * 0.9 + q * 0.1
        p.x = p.x + 1
    return p.x, q.x


@pytest.mark.parametrize(
    "f", [orbit, nested, until, in_lists, known_by_two_names, made_once_and_named_twice]
)
def test_new_objects_in_each_turn(f: Callable[..., Any]) -> None:
    found = wg.tree_leaves(wg.jit(f, backend="reference", static_argnums=1)(1.5, TURNS))
    np.testing.assert_allclose(found, wg.tree_leaves(f(1.5, TURNS)), rtol=1e-12)


@pytest.mark.parametrize("f", [orbit, nested])
def test_such_loops_are_compiled(f: Callable[..., Any]) -> None:
    program = wg.make_ir(lambda x: f(x, 100_000))(1.5).program
    assert len(program.eqns) < 50
    slope = wg.grad(lambda x: f(x, TURNS)[0])(1.5)
    difference = (f(1.5 + 1e-6, TURNS)[0] - f(1.5 - 1e-6, TURNS)[0]) / 2e-6
    np.testing.assert_allclose(slope, difference, rtol=1e-6)
