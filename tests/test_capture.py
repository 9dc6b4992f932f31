"""Capture of plain Python: what rewriting must not change, compiled against plain runs."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import traceback
import types
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors
from wengert.capture.convert import converted

X = np.array([0.5, -1.0, 2.0, 3.0, -0.25, 1.5, 0.75])
SCALE = 3.0


def same(fun: Any, *args: Any, **options: Any) -> Any:
    """Checks that a compiled call gives what the plain one does, mutated arguments included."""

    def own() -> Any:
        return wg.tree_map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, args)

    plain_args, jit_args = own(), own()
    expected = fun(*plain_args)
    found = wg.jit(fun, backend="reference", **options)(*jit_args)
    for a, b in ((found, expected), (jit_args, plain_args)):
        assert wg.tree_structure(a) == wg.tree_structure(b)
        for x, y in zip(wg.tree_leaves(a), wg.tree_leaves(b), strict=True):
            if isinstance(y, str):
                assert x == y
                continue
            np.testing.assert_allclose(x, y, rtol=1e-12)
            assert np.asarray(x).dtype == np.asarray(y).dtype
    return found


def equations(fun: Any, *args: Any) -> int:
    """How many equations the program of a function has at its top level."""
    return len(wg.make_ir(fun)(*args).program.eqns)


# functions and scopes


def test_defaults_keywords_and_closures() -> None:
    factor = 2.0

    def f(x: Any, n: int = 6, *rest: Any, shift: float = 1.0, **more: Any) -> Any:
        total = shift
        for i in range(n):
            total = total + factor * x[i] * SCALE
        return total + sum(rest) + sum(more.values())

    same(f, X)
    same(lambda x: f(x, 5, 1.0, 2.0, shift=0.5, other=3.0), X)


def test_closures_see_later_values() -> None:
    def f(x: Any) -> Any:
        scale = 1.0

        def scaled(v: Any) -> Any:
            return v * scale

        total = 0.0
        for i in range(len(x)):
            scale = scale * 0.5
            total += scaled(x[i])
        return total, scale

    same(f, X)


def test_nested_functions_assign_outer_variables() -> None:
    def f(x: Any) -> Any:
        count, total = 0, 0.0

        def add(v: Any) -> None:
            nonlocal count, total
            if v > 0:
                count += 1
            total = total + v

        for value in x:
            add(value)
        return count, total

    same(f, X)


class Base:
    def step(self, x: Any) -> Any:
        if x > 0:
            return x * 2.0
        return x


class Derived(Base):
    __rate = 0.5

    def __init__(self, power: int) -> None:
        self.power = power

    def step(self, x: Any) -> Any:
        y = super().step(x)
        for _ in range(self.power):
            y = y * self.__rate + self.__private(y)
        return y

    def __private(self, y: Any) -> Any:
        return y if y < 1 else 1.0 / y

    def __call__(self, x: Any) -> Any:
        return self.step(x)

    @property
    def twice(self) -> int:
        return 2 * self.power


def test_methods_super_and_private_names() -> None:
    model = Derived(7)
    same(lambda x: model.step(x[0]) + model.twice, X)
    same(lambda x: model(x[1]), X)
    same(functools.partial(lambda m, x: m.step(x[2]), model), X)
    same(lambda x: Derived(6).step(x[1]), X)


def running(x: Any) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = 2.0 * x[i] if x[i] > 0 else x[i]
    return out


HANDED_ON = {
    "map": lambda x: list(map(running, [x, -x])),
    "reduce": lambda x: functools.reduce(lambda a, b: running(a) + b, [x, x, x]),
    "tree_map": lambda x: wg.tree_map(running, {"a": x, "b": [-x]}),
    "tree_reduce": lambda x: wg.tree_reduce(lambda a, b: running(a) + b, [x, -x], x),
    "apply_along_axis": lambda x: np.apply_along_axis(running, 1, np.stack([x, -x])),
}


@pytest.mark.parametrize("name", HANDED_ON)
def test_functions_handed_to_functions(name: str) -> None:
    same(HANDED_ON[name], X)


def decorated(fun: Any) -> Any:
    @functools.wraps(fun)
    def wrapper(*args: Any) -> Any:
        return fun(*args) + 1.0

    return wrapper


@decorated
def with_decorator(x: Any) -> Any:
    if x[0] > 0:
        return x.sum()
    return x.max()


def test_decorators_apply_once() -> None:
    same(with_decorator, X)
    same(with_decorator, -X)


def test_lambdas_on_one_line_are_told_apart() -> None:
    pair = (lambda x: x if x > 0 else -x), (lambda x: 2 * x if x > 0 else 3 * x)
    for f in pair:
        same(f, 1.5)
        same(f, -1.5)


def test_jit_inside_of_rewritten_code() -> None:
    @wg.jit
    def inner(v: Any) -> Any:
        return v * v if v > 0 else v

    def f(x: Any) -> Any:
        total = 0.0
        for v in x:
            total += inner(v) + wg.grad(inner)(v)
        return total

    same(lambda x: wg.jit(f)(x), X)
    assert wg.jit(f, backend="reference")(X) == pytest.approx(
        sum((v * v + 2 * v) if v > 0 else v + 1 for v in X)
    )


# statements


def test_unpacking_stars_walrus_and_del() -> None:
    def f(x: Any) -> Any:
        first, *middle, last = x[0], x[1], x[2], x[3]
        total = 0.0
        n = 0
        while (n := n + 1) < 9:
            (a, b), c = (first, last), middle[0]
            first, last = b * 0.5, a + c
            total += (t := first * last)
            del a
        return total, t, n

    same(f, X)


def test_subscript_and_attribute_targets() -> None:
    def f(x: Any, s: Any) -> Any:
        box = types.SimpleNamespace(total=0.0, count=0)
        table = {"a": 1.0, "b": [0.0, 0.0]}
        for i in range(len(x)):
            box.total, table["a"] = table["a"] + x[i], box.total
            table["b"][1] += s * x[i]
            box.count += 1
        return box.total, box.count, table["a"], table["b"]

    same(f, X, 2.0)


def test_match_with_and_try() -> None:
    def f(x: Any, kind: str) -> Any:
        log = []
        with contextlib.suppress(KeyError):
            for i in range(len(x)):
                if x[i] > 0:
                    x[i] = x[i] * 2
            {}["missing"]
        try:
            y = x[0] / 2 if x[1] > 0 else x[2]
        finally:
            log.append("done")
        match kind:
            case "sum":
                return y + x.sum(), len(log)
            case _:
                return y, len(log)

    same(f, X, "sum", static_argnums=1)
    same(f, X, "none", static_argnums=1)


def test_generators_run_in_python() -> None:
    def pairs(x: Any) -> Any:
        for i in range(3):
            yield x[i], x[i + 1]

    def f(x: Any) -> Any:
        total = 0.0
        for a, b in pairs(x):
            total += a * b if a > b else a
        return total + sum(v * 2 for v in x) + max([v for v in x])  # noqa: C416

    same(f, X)


def test_assertions_on_concrete_values_hold() -> None:
    def f(x: Any, n: int) -> Any:
        assert n > 2, f"{n} is too small"
        assert x[0] > -100.0
        return x * n

    same(f, X, 3)
    with pytest.raises(AssertionError, match="1 is too small"):
        wg.jit(f)(X, 1)


def test_conditions_evaluate_their_operands_once_and_only_if_needed() -> None:
    calls: list[int] = []

    def noted(k: int, v: Any) -> Any:
        calls.append(k)
        return v

    def f(x: Any, n: int) -> Any:
        a = n > 0 or noted(1, x[0] > 0)
        b = n < 0 and noted(2, x[0] > 0)
        c = noted(3, 0) < noted(4, n) < noted(5, 10)
        return (1.0 if a else 2.0) + (4.0 if b else 8.0) + c

    assert wg.jit(f)(X, 5) == 10.0
    assert calls == [3, 4, 5]


def test_guards_protect_an_index() -> None:
    def f(x: Any, i: Any) -> Any:
        inside = i < len(x) and x[i] > 0
        outside = i >= len(x) or x[i] < 0
        return inside, outside, x[i] if i < len(x) else 0.0

    for i in (0, 1, 7, 99):
        same(f, X, np.int64(i))


def test_python_values_stay_python() -> None:
    def f(x: Any) -> Any:
        sizes = []
        n = 0
        for k in range(10):
            n += k
            sizes.append(math.factorial(k % 4))
        return np.zeros(n) + sum(sizes) + x[0]

    assert same(f, X).shape == (45,)


# source, lines, caches


def test_without_source_the_error_says_so() -> None:
    space: dict[str, Any] = {}
    exec("def hidden(x):\n    return x if x > 0 else -x", space)
    with pytest.raises(errors.TracerConversionError, match=r"'hidden' could not be read.*wg\.cond"):
        wg.jit(space["hidden"])(1.0)
    assert wg.jit(lambda x: space["hidden"].__name__ and x)(1.0) == 1.0


def test_rewriting_happens_once() -> None:
    def f(x: Any) -> Any:
        return x if x > 0 else -x

    assert converted(f).__code__ is converted(f).__code__
    assert converted(converted(f)) is not f
    assert converted(np.sin) is np.sin
    assert converted(math.gcd) is math.gcd
    assert converted(traceback.format_exc) is traceback.format_exc


def test_tracebacks_show_the_users_lines() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for i in range(len(x)):
            if x[i] > 0:
                total += undefined_name  # noqa: F821  the line
        return total

    with pytest.raises(NameError) as found:
        wg.jit(f)(X)
    frames = traceback.extract_tb(found.value.__traceback__)
    last = frames[-1]
    assert (last.filename, last.name) == (__file__, "f")
    assert "the line" in (last.line or "")


# how much is traced


def test_a_body_is_traced_once_or_twice() -> None:
    counter = itertools.count()

    def noted(v: Any) -> Any:
        counter.__next__()  # after next(counter) Python would run the loop
        return v

    def once(x: Any) -> Any:
        total = x[0]
        for i in range(len(x)):
            total = total + noted(x[i])
        return total

    def twice(x: Any) -> Any:
        total = 0
        for i in range(len(x)):
            total = total + noted(x[i])
        return total

    wg.make_ir(once)(X)
    assert next(counter) == 1
    wg.make_ir(twice)(X)
    assert next(counter) == 4


def test_long_loops_make_short_programs() -> None:
    def f(x: Any) -> Any:
        rows = []
        s = x[0]
        for i in range(10_000):
            s = np.sin(s) + x[i % 7]
            rows.append(s)
        return np.array(rows)

    assert equations(f, X) < 15
    found = wg.jit(f)(X)
    assert found.shape == (10_000,)
    assert found[1] == np.sin(np.sin(X[0]) + X[0]) + X[1]


def grown(of: Any) -> Any:
    """A function that appends what `of` makes of an item and of the list so far."""

    def f(x: Any) -> Any:
        found: list[Any] = []
        for v in x:
            found.append(of(v, found))
        return np.array(found)

    return f


def peeled(x: Any) -> Any:
    """The first turn is another one, so the list has an element when the loop begins."""
    found, before = [], None
    for v in x:
        found.append(v if before is None else v + before)
        before = v
    return np.array(found)


def of_another_list(x: Any) -> Any:
    first: list[Any] = []
    second = []
    for v in x:
        first.append(v)
        second.append(len(first) * v + sum(first))
    return np.array(second)


@pytest.mark.parametrize(
    "fun",
    [
        grown(lambda v, found: v + sum(found)),
        grown(lambda v, found: v * len(found)),
        grown(lambda v, found: v + found[-1] if found else v),
        grown(lambda v, found: v + found[-1] if len(found) > 3 else v),
        grown(lambda v, found: -v if len(found) % 2 else v),
        grown(lambda v, found: max(found, default=v) - v),
        grown(lambda v, found: v + sum(w * w for w in found)),
        grown(lambda v, found: v + np.sum(found[-2:])),
        of_another_list,
        peeled,
    ],
)
def test_lists_that_a_loop_lengthens_and_reads(fun: Any) -> None:
    same(fun, X)


def test_loops_over_the_last_of_a_list_are_compiled() -> None:
    """What a turn asks of a list is asked at several lengths; the last element is the same."""
    program = wg.make_ir(grown(lambda v, found: v + found[-1] if found else v))(np.ones(50))
    assert str(program).count("for_loop") == 1
    with pytest.raises(errors.CaptureError, match="depends on how long the list is"):
        wg.make_ir(grown(lambda v, found: v * len(found)))(np.ones(3000))


def test_short_loops_and_lists_are_unrolled() -> None:
    def f(x: Any, ws: Any) -> Any:
        for w in ws:
            x = np.tanh(x * w)
        for _ in range(3):
            x = x + 1.0
        return x

    program = wg.make_ir(f)(X, [1.0, 2.0]).program
    assert not any(e.op.name == "for_loop" for e in program.eqns)
    same(f, X, [1.0, 2.0])


def test_match_of_traced_values() -> None:
    def f(x, k):
        total = 0.0
        for i in range(9):
            match (i + k) % 7:
                case 0 | 2 if x > 1:
                    total += x
                case 1:
                    continue
                case v if v > 5:
                    break
                case -1 | 3:
                    total *= 0.9
                case _:
                    total += 2 * x
        return total

    for x in (0.6, 1.6):
        for k in (0, 3):
            same(f, x, k)


def test_which_object_a_traced_condition_is() -> None:
    def f(x, flag=True):
        if flag is True and flag is not False:
            x = 2 * x
        return (x > 1) is True

    with pytest.raises(errors.CaptureError, match="'is True' asks which object it is"):
        wg.jit(f, static_argnums=1)(1.0)
