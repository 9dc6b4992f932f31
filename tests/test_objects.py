"""Objects of the user's classes in compiled loops and branches, against plain Python.

Special methods, properties and context managers change what they belong to, without a statement in
the loop that says so. Each program here keeps its own state in such objects.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from noted_programs import assert_is_pythons, noting

Program = Callable[[float, int], Any]
PROGRAMS: list[Program] = []
program = noting(PROGRAMS)


class State:
    """An object whose special methods change it."""

    def __init__(self, v: Any) -> None:
        self.v = v
        self.calls = 0
        self.items = [0.0, 1.0]

    def __iadd__(self, other: Any) -> State:
        self.v = self.v + other
        self.calls += 1
        return self

    def __neg__(self) -> State:
        self.v = -self.v
        return self

    def __add__(self, other: Any) -> Any:
        self.calls += 1
        return self.v + other if self.v > 1 else self.v - other

    __radd__ = __add__

    def __getitem__(self, i: int) -> Any:
        self.calls += 1
        return self.items[i]

    def __setitem__(self, i: int, value: Any) -> None:
        self.items[i] = value
        self.calls += 1

    def __delitem__(self, i: int) -> None:
        self.calls -= i

    @property
    def double(self) -> Any:
        self.calls += 1
        return self.v * 2 if self.v > 0 else 0.0

    @double.setter
    def double(self, value: Any) -> None:
        self.v = value / 2

    def __enter__(self) -> State:
        self.v = self.v + 1
        return self

    def __exit__(self, *error: object) -> None:
        self.v = self.v * 0.5

    def __lt__(self, other: Any) -> Any:
        self.calls += 1
        return self.v < other

    def __bool__(self) -> Any:
        return self.v < 3

    def __contains__(self, k: Any) -> Any:
        return self.v < k

    def __abs__(self) -> Any:
        return self.v if self.v > 0 else -self.v

    def __len__(self) -> int:
        self.calls += 1
        return 3

    def __getattr__(self, name: str) -> Any:
        if name != "twice":
            raise AttributeError(name)
        return self.v * 2


@program
def operators(x: float, n: int) -> Any:
    t, s = 0.0, State(x)
    for _ in range(n):
        s += 0.1
        t = t + (s + 1.0) + (2.0 + s)
        s = -s
        t = t + abs(s) + len(s)
        if s < 1.0:
            t = t + 1.0
    return t, s.v, s.calls


@program
def items(x: float, n: int) -> Any:
    t, s = 0.0, State(x)
    for i in range(n):
        s[1] = x * i
        t = t + s[1] + s[i % 2 * 0]
        del s[1]
    return t, s.items[1], s.calls


@program
def properties(x: float, n: int) -> Any:
    t, s = 0.0, State(x)
    for i in range(n):
        t = t + s.double + s.twice
        s.double = t * 0.1
        setattr(s, "v", getattr(s, "v") + i)  # noqa: B009, B010
    return t, s.v, s.calls


@program
def managers(x: float, n: int) -> Any:
    s, box, t = State(x), {"k": x}, 0.0
    for i in range(n):
        with s, scaled(box, 2.0) as k:
            t = t + s.v * k
        if i in s:
            t = t - 1.0
    return t, s.v, box["k"]


@contextlib.contextmanager
def scaled(box: dict[str, Any], k: float) -> Iterator[Any]:
    """A generator that changes an object."""
    box["k"] = box["k"] * k
    try:
        yield box["k"]
    finally:
        box["k"] = box["k"] / k + 0.01


@program
def truth(x: float, n: int) -> Any:
    t, s = 0.0, State(x)
    while s:
        s.v = s.v * 1.1
        t += n
    return t, s.v


@program
def conditional_expressions(x: float, n: int) -> Any:
    box = {"k": 0.0}

    def bump(a: float) -> Any:
        box["k"] = box["k"] + a
        return box["k"]

    y = bump(1.0) if x > 1 else bump(2.0)
    z = (x > 5 and bump(3.0) > n) or (x > 1 and bump(4.0) > n)
    return y, z, bump(7.0) if x > 3 else 0.0, box["k"]


@program
def local_classes(x: float, n: int) -> Any:
    class Sum:
        total = 0.0
        __scale = 2.0

        def add(self, v: Any) -> None:
            if v > 1:
                Sum.total = Sum.total + v * self.__scale

    s = Sum()
    for i in range(n):
        s.add(x * i)
    return Sum.total


@program
def keys_that_come_to_be(x: float, n: int) -> Any:
    d: dict[str, Any] = {}
    e: dict[str, Any] = {}
    s: Any = State(x)
    t = 0.0
    for _ in range(n):
        d["a"] = d.get("a", 0.0) + x
        if "b" not in e:
            e["b"] = x
        e["b"] = e["b"] + 1.0
        if not hasattr(s, "c"):
            s.c = x
        s.c = s.c * 0.9
        t = t + s.c
    return d["a"], e["b"], t


@program
def texts(x: float, n: int) -> Any:
    d: dict[str, Any] = {}
    t = 0.0
    for i in range(n):
        d[f"k{i}"] = x * i
        d["m%d" % i] = x  # noqa: UP031
        d["n{}".format(i)] = t
        t = t + len(str(i)) * x
        assert t >= 0, f"{t} is negative"
    return t, d["k3"], d["n5"], len(d)


@program
def queues(x: float, n: int) -> Any:
    q = deque([0.0, 1.0], maxlen=2)
    for _ in range(n):
        q.append(q[0] + q[1] * x * 0.1)
    return q[0], q[1]


class Doubling(dict[str, Any]):
    """A dict that does not store what it is given."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value * 2)


class Noting:
    """Attributes pass through `__setattr__`."""

    def __init__(self, v: Any) -> None:
        self.v = v

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        object.__setattr__(self, "last", value)

    @functools.cached_property
    def square(self) -> Any:
        return self.v * self.v


@program
def stored_by_methods(x: float, n: int) -> Any:
    s: Any = Noting(x)
    d, t = Doubling(), 0.0
    d["a"] = x
    for _ in range(n):
        d["a"] = d["a"] * 0.3
        s.v = s.v * 0.3
        t = t + s.square
    return d["a"], s.v, s.last, t


class Halving:
    """A descriptor."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    def __get__(self, x: Any, kind: type) -> Any:
        return getattr(x, self.name)

    def __set__(self, x: Any, value: Any) -> None:
        setattr(x, self.name, value / 2)


class Held:
    v = Halving()

    def __init__(self, v: Any) -> None:
        self.v = v


@program
def descriptors(x: float, n: int) -> Any:
    s = Held(x)
    for _ in range(n):
        s.v = s.v * 3.0
    return s.v


@dataclasses.dataclass
class Counting:
    """Iterates over multiples."""

    v: Any
    n: int
    k: int = 0

    def __iter__(self) -> Counting:
        self.k = 0
        return self

    def __next__(self) -> Any:
        if self.k >= self.n:
            raise StopIteration
        self.k += 1
        return self.v * self.k if self.v > 1 else self.v

    def __matmul__(self, other: Counting) -> Any:
        return self.v * other.v if self.v > other.v else 0.0

    def __rsub__(self, other: Any) -> Any:
        return other - self.v if self.v > 1 else other


@program
def iterators(x: float, n: int) -> Any:
    it, t = Counting(x, 4), 0.0
    for v in it:
        t = t + v
    return t, next(iter(it)), list(it), sum(it), it @ Counting(1.0, 2), np.float64(n) - it, n - it


@dataclasses.dataclass
class Bell:
    """Objects of it are called, and have no hash."""

    width: Any
    sign: dataclasses.InitVar[float] = 1.0
    height: Any = dataclasses.field(init=False)
    seen: list[Any] = dataclasses.field(default_factory=list[Any])

    def __post_init__(self, sign: float) -> None:
        self.height = sign * (self.width if self.width > 1 else 2.0)

    def __call__(self, x: Any) -> Any:
        return self.height * math.exp(-((x / self.width) ** 2))


@program
def called_data_classes(x: float, n: int) -> Any:
    bells = [Bell(x), Bell(2 * x, -0.5), Bell(width=x, seen=[1])]
    return [bell(0.1 * n * x) for bell in bells], [bell.seen for bell in bells]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.8, 1.5])
def test_objects_change_as_in_python(f: Program, x: float) -> None:
    assert_is_pythons(f, x, 25, static=(1,))
