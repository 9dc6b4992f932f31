"""Lists, dicts and objects that branches and loops change.

Each program gives what plain Python gives, or an error that says what is known at run time only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import heapq
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from noted_programs import assert_is_pythons, noting

import wengert as wg
from wengert.errors import CaptureError, UndefinedVariableError

Program = Callable[[float], Any]
PROGRAMS: list[Program] = []
REFUSED: list[tuple[Program, type[Exception], str]] = []
TURNS = 12
program = noting(PROGRAMS)


def refused(error: type[Exception], text: str) -> Callable[[Program], Program]:
    """One of the programs that have no compiled form."""

    def noted(f: Program) -> Program:
        REFUSED.append((f, error, text))
        return f

    return noted


class Thing:
    def __init__(self, a: Any = 0.0) -> None:
        self.a = a


# lists


@program
def from_the_end(x):
    xs = [0.0, x, 2.0]
    if x > 1:
        xs[-1] = 5.0 * x
        xs[2] = xs[-1] + 1
    else:
        xs[1] = 7.0 * x
        xs[-2] = xs[1] * 2
    for _ in range(TURNS):
        xs[0], xs[-1] = xs[-1], xs[0] * 0.9
    return xs


@program
def grown_in_a_branch(x):
    xs = [x]
    if x > 1:
        xs.append(x * 2)
        xs[-1] = xs[-1] * 3
        xs[0] = xs[1]
    else:
        xs.append(0.0)
        xs[1] += 1
        xs[-2] = 9.0
    return xs


@program
def grown_in_a_loop(x):
    xs, ys = [], [x]
    for i in range(TURNS):
        xs.append(x * i)
        xs[-1] *= 2
        ys.append(ys[-1] * 0.5)
        if ys[-1] > 0.1:
            ys[-1] = ys[-1] + 0.01
    return xs, ys


@program
def grown_and_changed_before(x):
    xs, ys = [x], [x]
    for i in range(TURNS):
        xs.append(x * i)
        xs[0] = x * i + 1
        ys[-1] = ys[-1] + 1
        ys.append(ys[-1] * 0.5)
    return xs, ys


@program
def slices(x):
    xs = [0.5, x, 2.0, 3.0]
    if x > 1:
        xs[:2] = [x * 3, x]
    for _ in range(TURNS):
        xs[1:3] = [xs[0] + x, xs[1] * 0.5]
    return xs


# dicts and attributes that come to be under a condition


def given(x: Any) -> Any:
    d = {"a": x}
    if x > 1:
        d["k"] = x
    return d


@program
def other_keys(x):
    d = given(x)
    found = d["a"] * 2 + d.get("a", 0.0) + ("a" in d)
    d["k"] = 4.0
    return found, d["k"], len(d)


ABSENT = r"dict\['k'\] has no value here: it is assigned, but not if the condition in line"


@refused(UndefinedVariableError, ABSENT)
def is_in(x):
    return x if "k" in given(x) else 2 * x


@refused(UndefinedVariableError, ABSENT)
def gets(x):
    return given(x).get("k", 7.0)


@refused(UndefinedVariableError, ABSENT)
def counts(x):
    return len(given(x)) * x


@refused(UndefinedVariableError, ABSENT)
def runs_over(x):
    return sum([v for _, v in given(x).items()])


@refused(UndefinedVariableError, ABSENT)
def lists_keys(x):
    return len(sorted(given(x))) * x


@refused(UndefinedVariableError, ABSENT)
def copies(x):
    return len({**given(x)}) * x


@refused(UndefinedVariableError, ABSENT)
def reads_in_a_try(x):
    try:
        return given(x)["k"]
    except KeyError:
        return 3.0


@refused(UndefinedVariableError, ABSENT)
def returns(x):
    return given(x)


@refused(UndefinedVariableError, "Thing.t has no value here")
def has(x):
    o: Any = Thing()
    if x > 1:
        o.t = x
    return 3 * x if hasattr(o, "t") else 2 * x


@refused(UndefinedVariableError, "Thing.a has no value here")
def deletes(x):
    o = Thing(x)
    if x > 1:
        del o.a
    return getattr(o, "a", 9.0)


@refused(UndefinedVariableError, r"dict\['hit'\] has no value here")
def after_a_loop(x):
    d: dict[str, Any] = {}
    for i in range(TURNS):
        if x * i > 10:
            d["hit"] = x * i
    return d.get("hit", 0.0)


@program
def deleted_in_each_turn(x):
    o: Any = Thing()
    t = 0.0
    for i in range(TURNS):
        o.t = x * i
        t = t + o.t
        del o.t
    return t, hasattr(o, "t")


@refused(CaptureError, r"the new keys \['b', 'a'\] and \['a', 'b'\]")
def orders(x):
    d: dict[str, Any] = {}
    if x > 1:
        d["a"] = x
        d["b"] = 2.0
    else:
        d["b"] = 3.0
        d["a"] = x
    return list(d.values())


# attributes


class Fallback:
    def __init__(self, v: Any) -> None:
        self.v = v

    @property
    def bad(self) -> Any:
        raise AttributeError("the text of the property")

    @property
    def worse(self) -> Any:
        return self.missing  # pyright: ignore

    def __getattr__(self, name: str) -> Any:
        if name in ("bad", "missing"):
            return self.v * 3
        raise AttributeError(name)


class Failing:
    bad = Fallback.bad


class Logging:
    """Makes up attributes, and notes that it was asked."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.log.append(name)
        return 0.0


@program
def fallbacks(x):
    p = Fallback(x)
    return p.bad + p.worse, getattr(p, "other", x * 5), hasattr(p, "none"), getattr(p, "bad", 1.0)


@program
def errors_of_properties(x):
    try:
        return Failing().bad
    except AttributeError as error:
        return x * len(str(error)), getattr(Failing(), "bad", x)


@program
def nobody_asks_for_attributes(x):
    o: Any = Logging()
    p: Any = Logging()
    for i in range(TURNS):
        o.t = x * i
    if x > 1:
        p.t = x
    else:
        p.t = 2.0
    return o.t, p.t, len(o.log), len(p.log)


# one list or another


@program
def joined_and_changed(x):
    a, b = [x, 1.0], [2.0, x]
    c = a if x > 1 else b
    c[0] = 100.0
    a, b = [x, 3.0], [4.0, x]
    a, b = (b, a) if x > 1.2 else (a, b)
    a[1] = 50.0
    if x > 1:
        p = q = a
    else:
        p = q = b
    q[1] = 7.0
    return c, p, q


@refused(UndefinedVariableError, "may be part of the same list as what is changed in line")
def joined_and_read_by_its_other_name(x):
    a, b = [x, 1.0], [2.0, x]
    c = a if x > 1 else b
    c[0] = 100.0
    return c, a


@refused(UndefinedVariableError, "may be part of the same dict as what is changed in line")
def joined_inside(x):
    a, b = {"w": {"v": x}}, {"w": {"v": 1.0}}
    c = a if x > 1 else b
    b["w"]["v"] = 2.0
    return c


@refused(UndefinedVariableError, "may be part of the same list as what is changed in line")
def the_best_so_far(x):
    w, best, least = [x, 1.0], [0.0, 0.0], 1e9
    for i in range(TURNS):
        w[0] = w[0] * 0.9 + np.sin(i)
        if w[0] ** 2 < least:
            least = w[0] ** 2
            best = w
    return best


@program
def the_turn_before(x):
    w, before, copied = [x, 1.0], [0.0, 0.0], [0.0, 0.0]
    for i in range(TURNS):
        w[0] = w[0] * 0.9 + np.sin(i)
        w[1] = w[1] + before[0] * 0.1 + copied[0]
        before = w
        if w[0] > 0.5:
            copied = list(w)
    return before, w, copied


# what the user's classes and Python's functions change


class Single:
    """There is one object of it."""

    only: Any = None

    def __new__(cls, *args: Any) -> Any:
        if cls.only is None:
            cls.only = super().__new__(cls)
            cls.only.n = 0
        cls.only.n += 1
        return cls.only


class Tagging(type):
    made = 0

    def __call__(cls, *args: Any) -> Any:
        found = super().__call__(*args)
        Tagging.made += 1
        return found


class Tagged(metaclass=Tagging):
    def __init__(self, v: Any) -> None:
        self.v = v


@program
def classes_that_count(x):
    Single.only = None
    Tagging.made = 0
    t = 0.0
    for i in range(TURNS):
        t += Single().n * x + Tagged(x * i).v
    return t, Tagging.made


@program
def updates(x):
    d, xs = {"a": x, "b": 0.0}, [x]
    if x > 1:
        d.update({"b": 3.0 * x})
        xs.extend([x, 2 * x])
    else:
        xs.extend((0.0, 1.0))
    for i in range(TURNS):
        d.update(b=d["b"] + d["a"] * i)
        xs.extend([x * i, 1.0])
    return d, xs


@program
def dispatched(x):
    @functools.singledispatch
    def area(s: Any) -> Any:
        raise TypeError(s)

    @area.register
    def _(s: Thing) -> Any:
        return s.a * 2

    return area(Thing(x))


@refused(CaptureError, "heapq.heappush compares values that are known only at run time")
def heaps(x):
    h: list[Any] = []
    for k in range(3):
        heapq.heappush(h, (x * k, k))
    return h


@refused(CaptureError, "ValueError would be raised under a condition")
def raised_in_a_loop_that_may_not_run(x):
    while x < 0:
        raise ValueError("no")
    return x


class Timer:
    def __init__(self) -> None:
        self.n = 0

    @contextlib.contextmanager
    def block(self) -> Iterator[Timer]:
        self.n += 1
        try:
            yield self
        finally:
            self.n += 10


@program
def managers_that_are_methods(x):
    timer, t = Timer(), 0.0
    for _ in range(TURNS):
        with timer.block() as b:
            t += x * b.n * 0.001
    return t, timer.n


# texts


@dataclasses.dataclass
class Point:
    i: Any


class Named:
    def __init__(self, i: Any) -> None:
        self.i = i

    def __repr__(self) -> str:
        return f"N({self.i})"


@program
def texts_of_containers(x):
    d: dict[str, Any] = {}
    form = "%s"
    for i in range(TURNS):
        d[str([i])] = x * i
        d[f"{(i, [i])}"] = d[repr(Point(i))] = d[f"{Named(i)}"] = d[str([Named(i)])] = x
        d[form % i] = d["{}".format({"k": i})] = x
    return len(d) * x, d["[3]"]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.8, 1.5])
def test_changes_are_those_of_python(f: Program, x: float) -> None:
    assert_is_pythons(f, x)


@pytest.mark.parametrize(("f", "error", "text"), REFUSED, ids=[f.__name__ for f, *_ in REFUSED])
def test_what_only_the_program_knows_is_refused(
    f: Program, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        wg.jit(f, backend="reference")(1.5)
