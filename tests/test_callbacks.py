"""Python functions that programs call while they run: pure_callback."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.config import config
from wengert.errors import (
    ArgumentError,
    DTypeError,
    ImpureCallbackError,
    MissingRuleError,
    ParseError,
    ShapeError,
    TreeError,
)
from wengert.ir.parser import parse
from wengert.ir.text import to_text

X = np.array([3.0, 1.0, 2.0])
ROW = wg.ShapeDtypeStruct((3,), float)
NUMBER = wg.ShapeDtypeStruct((), float)


class Calls:
    """A function that remembers its arguments."""

    __name__ = "recorded"

    def __init__(self, fun: Any) -> None:
        self.fun = fun
        self.args: list[Any] = []

    def __call__(self, *args: Any) -> Any:
        assert all(isinstance(x, np.ndarray) for x in args)
        self.args.append(args[0].tolist() if len(args) == 1 else [x.tolist() for x in args])
        return self.fun(*args)


def sorting(x: Any) -> Any:
    return wg.pure_callback(np.sort, ROW, x)


# values


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_compiled_function_calls_back(backend: str) -> None:
    f = wg.jit(lambda x: sorting(2 * x) + 1, backend=backend)
    np.testing.assert_array_equal(f(X), [3.0, 5.0, 7.0])
    np.testing.assert_array_equal(f(-X), [-5.0, -3.0, -1.0])


def test_outside_of_traces_it_is_a_call() -> None:
    seen = Calls(np.sum)
    found = wg.pure_callback(seen, NUMBER, X)
    assert found == 6.0 and isinstance(found, np.float64)
    assert wg.pure_callback(lambda: 1, NUMBER) == 1.0
    assert len(seen.args) == 1


def test_pytrees_keywords_dtypes_and_empty_arrays() -> None:
    kinds = {
        "ints": wg.ShapeDtypeStruct((2,), np.int32),
        "pair": (wg.ShapeDtypeStruct((), bool), wg.ShapeDtypeStruct((0, 3), np.float32)),
        "z": wg.ShapeDtypeStruct((2,), complex),
    }

    def host(tree: Any, *, empty: Any) -> Any:
        assert empty.shape == (0,)
        a, z = tree["a"], tree["z"]
        return {
            "ints": a.astype(np.int32),
            "pair": (a.sum() > 1, np.zeros((0, 3), np.float32)),
            "z": 1j * z,
        }

    @wg.jit
    def f(a: Any, z: Any) -> Any:
        return wg.pure_callback(host, kinds, {"a": a, "z": z * 1}, empty=np.zeros(0))

    found = f(np.array([1.0, 2.0]), np.array([1 + 2j, 3.0]))
    assert found["ints"].dtype == np.int32 and found["ints"].tolist() == [1, 2]
    assert found["pair"][0] and found["pair"][1].shape == (0, 3)
    assert found["z"].tolist() == [-2 + 1j, 3j]


def test_known_arguments_are_no_reason_to_call_early() -> None:
    seen = Calls(lambda a: 2 * a)
    f = wg.jit(lambda x: x + wg.pure_callback(seen, NUMBER, 2.0))
    compiled = f.lower(X)
    assert compiled and seen.args == []
    for _ in range(3):
        assert f(X)[0] == 7.0
    assert seen.args == [2.0, 2.0, 2.0]


def test_the_function_may_keep_and_change_its_arguments() -> None:
    kept: list[Any] = []

    def host(x: Any) -> Any:
        x[0] = 9.0
        kept.append(x)
        return x

    f = wg.jit(lambda x: wg.pure_callback(host, ROW, x + 0) + x)
    np.testing.assert_array_equal(f(X), [12.0, 2.0, 4.0])
    f(2 * X)
    assert [k.tolist() for k in kept] == [[9.0, 1.0, 2.0], [9.0, 2.0, 4.0]]


def test_the_function_may_call_compiled_functions() -> None:
    inner = wg.jit(lambda x: np.sin(x) @ np.cos(x))
    f = wg.jit(lambda x: x @ x + wg.pure_callback(lambda a: inner(a), NUMBER, x))
    np.testing.assert_allclose(f(X), X @ X + np.sin(X) @ np.cos(X))


# loops and branches


def test_a_loop_calls_at_each_turn_in_order() -> None:
    seen = Calls(lambda y, i: y + i)

    @wg.jit
    def f(y: float, n: int) -> Any:
        for i in range(n):
            y = wg.pure_callback(seen, NUMBER, y, i)
        return y

    assert f(0.0, 5) == 10.0
    assert seen.args == [[0.0, 0], [0.0, 1], [1.0, 2], [3.0, 3], [6.0, 4]]
    assert f(1.0, 0) == 1.0 and len(seen.args) == 5


def test_a_call_that_is_the_same_at_every_turn_stays_in_its_loop() -> None:
    seen = Calls(lambda a: a)

    @wg.jit
    def f(x: Any, n: int) -> Any:
        total = 0.0
        for _ in range(n):
            total += wg.pure_callback(seen, NUMBER, x)
        return total

    assert f(2.0, 0) == 0.0 and seen.args == []
    assert f(2.0, 3) == 6.0 and seen.args == [2.0] * 3


def test_while_loops() -> None:
    seen = Calls(lambda a: a / 2)

    @wg.jit
    def f(x: float) -> Any:
        while x > 1:
            x = wg.pure_callback(seen, NUMBER, x)
        return x

    assert f(5.0) == 0.625 and seen.args == [5.0, 2.5, 1.25]


@pytest.mark.parametrize("way", [wg.jit, lambda f: f])
def test_only_the_branch_that_is_taken_calls(way: Any) -> None:
    left, right = Calls(lambda a: a + 1), Calls(lambda a: a - 1)

    def f(x: Any) -> Any:
        return wg.cond(
            x > 0,
            lambda x: wg.pure_callback(left, NUMBER, x),
            lambda x: wg.pure_callback(right, NUMBER, x),
            x,
        )

    f = way(f)
    assert f(2.0) == 3.0 and f(-2.0) == -3.0
    assert left.args == [2.0] and right.args == [-2.0]


def test_conditions_of_loops_may_call() -> None:
    @wg.jit
    def f(n: int) -> Any:
        i = 0
        while wg.pure_callback(lambda i, n: i < n, wg.ShapeDtypeStruct((), bool), i, n):
            i += 1
        return i

    assert f(7) == 7 and f(0) == 0


def test_calls_see_arrays_as_they_are_between_changes() -> None:
    def f(x: Any) -> Any:
        x, total = x.copy(), 0.0
        for i in range(4):
            x[i] = 2 * x[i]
            total += wg.pure_callback(np.sum, NUMBER, x)
            x[i] = wg.pure_callback(np.sort, wg.ShapeDtypeStruct((200,), float), x[i])
        return x, total

    x = np.random.default_rng(0).standard_normal((4, 200))
    found, total = wg.jit(f)(x)
    sums = [2 * x[: i + 1].sum() + x[i + 1 :].sum() for i in range(4)]
    np.testing.assert_array_equal(found, np.sort(2 * x, axis=1))
    np.testing.assert_allclose(total, sum(sums))


def test_calls_of_many_rows_are_on_one_thread() -> None:
    threads: set[int] = set()

    def host(a: Any) -> Any:
        threads.add(threading.get_ident())
        return a + 1

    def row(x: Any) -> Any:
        for i in range(50):
            x = np.sin(x) + wg.pure_callback(host, NUMBER, x.sum() * i)
        return x.sum()

    found = wg.jit(wg.vmap(row))(np.ones((64, 40)))
    assert found.shape == (64,) and threads == {threading.get_ident()}


# batches


@pytest.mark.parametrize("way", [wg.jit, lambda f: f])
def test_vmap_calls_for_each_row_or_once(way: Any) -> None:
    rows = np.arange(6.0).reshape(2, 3)
    each, once = Calls(lambda x, y: x + y), Calls(lambda x, y: x + y)

    def by(seen: Any, method: str) -> Any:
        one = wg.vmap(lambda x, y: wg.pure_callback(seen, ROW, x, y, vmap_method=method), (0, None))
        return way(one)(rows, X)

    np.testing.assert_array_equal(by(each, "sequential"), rows + X)
    np.testing.assert_array_equal(by(once, "broadcast_all"), rows + X)
    assert each.args == [[r.tolist(), X.tolist()] for r in rows]
    assert once.args == [[rows.tolist(), [X.tolist()] * 2]]


def test_vmap_of_vmap() -> None:
    seen = Calls(lambda x: 2 * x)
    values = np.arange(4.0).reshape(2, 2)
    f = wg.vmap(wg.vmap(lambda x: wg.pure_callback(seen, NUMBER, x)))
    np.testing.assert_array_equal(wg.jit(f)(values), 2 * values)
    assert seen.args == [0.0, 1.0, 2.0, 3.0]


# derivatives


@wg.custom_jvp
def host_sine(x: Any) -> Any:
    return wg.pure_callback(np.sin, wg.ShapeDtypeStruct(np.shape(x), float), x)


@host_sine.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    return host_sine(x), dx * np.cos(x)


@wg.custom_vjp
def host_cube(x: Any) -> Any:
    return wg.pure_callback(lambda a: a**3, wg.ShapeDtypeStruct(np.shape(x), float), x)


host_cube.defvjp(lambda x: (host_cube(x), x), lambda x, bar: (3 * x**2 * bar,))


@pytest.mark.parametrize("way", [wg.jit, lambda f: f])
def test_a_wrapped_callback_has_derivatives(way: Any) -> None:
    sines, cubes = lambda x: np.sum(host_sine(x)), lambda x: np.sum(host_cube(x))
    np.testing.assert_allclose(way(wg.grad(sines))(X), np.cos(X))
    np.testing.assert_allclose(way(wg.grad(cubes))(X), 3 * X**2)
    np.testing.assert_allclose(way(wg.hessian(sines))(X), np.diag(-np.sin(X)), atol=1e-15)
    np.testing.assert_allclose(way(wg.vmap(wg.grad(host_sine)))(X), np.cos(X))
    np.testing.assert_allclose(way(wg.vmap(wg.grad(host_cube)))(X), 3 * X**2)


def test_derivatives_of_loops_do_not_call_again() -> None:
    seen = Calls(np.sin)

    @wg.custom_jvp
    def sine(x: Any) -> Any:
        return wg.pure_callback(seen, NUMBER, x)

    @sine.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        return sine(x), dx * np.cos(x)

    def f(x: Any) -> Any:
        for _ in range(6):
            x = sine(x) * x
        return x

    def plain(x: Any) -> Any:
        for _ in range(6):
            x = np.sin(x) * x
        return x

    np.testing.assert_allclose(wg.jit(wg.grad(f))(1.2), wg.grad(plain)(1.2))
    assert len(seen.args) == 6


def test_without_a_rule_there_is_no_derivative() -> None:
    with pytest.raises(MissingRuleError, match=r"'sort' runs in Python.*custom_jvp.*test_callb"):
        wg.grad(lambda x: sorting(x).sum())(X)
    stopped = wg.grad(lambda x: (x * sorting(wg.stop_gradient(x))).sum())
    np.testing.assert_array_equal(stopped(X), np.sort(X))
    places = wg.ShapeDtypeStruct((3,), int)  # integers have no derivative to be missed
    picked = wg.grad(lambda x: x[wg.pure_callback(np.argsort, places, x)][0])
    np.testing.assert_array_equal(picked(X), [0.0, 1.0, 0.0])


# errors


class Odd(Exception):
    pass


def test_what_the_function_raises_comes_out_unchanged() -> None:
    error = Odd("no")

    def host(i: Any, y: Any) -> Any:
        if i == 3 and fails:
            raise error
        return y + 1

    @wg.jit
    def f(y: Any) -> Any:
        for i in range(6):
            y = wg.pure_callback(host, NUMBER, i, y)
        return y

    for fails in (True, False, True):
        if fails:
            with pytest.raises(Odd) as caught:
                f(0.0)
            assert caught.value is error and error.args == ("no",)
        else:
            assert f(0.0) == 6.0


@pytest.mark.parametrize("way", [wg.jit, wg.vmap])
@pytest.mark.parametrize("error", [ShapeError("mine"), KeyboardInterrupt()])
def test_no_exception_is_changed(way: Any, error: BaseException) -> None:
    given = error.args

    def host(x: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        way(lambda x: 2 * wg.pure_callback(host, NUMBER, x.sum()))(np.ones((2, 2)))
    assert caught.value is error and error.args == given


@pytest.mark.parametrize("way", [wg.jit, wg.vmap, lambda f: f])
@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (np.zeros(2), ShapeError, r"float64\[2\].*float64\[3\]"),
        (np.zeros(3, np.float32), DTypeError, r"float32\[3\].*float64\[3\]"),
        (1.0, ShapeError, r"float64\[\].*float64\[3\]"),
        ([np.zeros(3)], TreeError, "gave"),
    ],
)
def test_a_wrong_result_is_an_error(way: Any, given: Any, kind: Any, said: str) -> None:
    def wrong(x: Any) -> Any:
        return given

    f = way(lambda x: wg.pure_callback(wrong, ROW, x))
    with pytest.raises(kind, match=rf"'wrong' gave.*{said if kind is not TreeError else ''}") as e:
        f(np.ones((2, 3)) if way is wg.vmap else X)
    assert "test_callbacks.py:" in str(e.value)


def test_arguments_are_checked() -> None:
    with pytest.raises(ArgumentError, match="vmap_method"):
        wg.pure_callback(np.sort, ROW, X, vmap_method="all")
    with pytest.raises(ArgumentError, match="ShapeDtypeStruct"):
        wg.pure_callback(np.sort, float, X)


# programs


def test_programs_print_and_cannot_be_read_back() -> None:
    text = to_text(wg.make_ir(sorting)(X).program)
    assert ", sort>](%0)" in text and "pure_call[function=<function " in text
    with pytest.raises(ParseError):
        parse(text)


def test_no_program_with_a_call_is_on_disk(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    wg.jit(sorting)(X)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


# functions that are not pure


@pytest.fixture
def compared(monkeypatch: Any) -> Any:
    monkeypatch.setenv("WENGERT_DEBUG_CALLBACKS", "1")
    config.cache_clear()
    yield
    monkeypatch.undo()
    config.cache_clear()


def test_a_function_that_is_not_pure_is_found(compared: Any) -> None:
    state = np.random.default_rng(1)
    noise = lambda x: wg.pure_callback(lambda y: y + state.random(3), ROW, x)  # noqa: E731
    rows = lambda x: wg.vmap(noise)(np.stack([x, x]))  # noqa: E731
    for run in (noise, wg.jit(noise), rows):
        with pytest.raises(
            ImpureCallbackError, match=r"'<lambda>' gave .* at \(0,\), and"
        ) as caught:
            run(X)
        assert caught.value.location is not None
        assert caught.value.location.file == __file__
    counts = iter(range(10))
    with pytest.raises(ImpureCallbackError, match="gave 0, and then 1"):
        wg.jit(lambda: wg.pure_callback(lambda: next(counts), wg.ShapeDtypeStruct((), int)))()


def test_pure_functions_pass_the_comparison(compared: Any) -> None:
    def changing(x: Any) -> Any:
        x += 1
        x[0] = np.nan
        return x

    seen = Calls(changing)
    found = wg.jit(lambda x: wg.pure_callback(seen, ROW, 2 * x))(X)
    np.testing.assert_array_equal(found, [np.nan, 3, 5])
    assert seen.args == [[6.0, 2.0, 4.0]] * 2
    np.testing.assert_array_equal(wg.jit(sorting)(X), np.sort(X))


def test_functions_are_called_once_by_default() -> None:
    seen = Calls(np.sort)
    wg.jit(lambda x: wg.pure_callback(seen, ROW, x))(X)
    assert len(seen.args) == 1
