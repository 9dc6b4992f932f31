"""What capture leaves to Python, and what it says where Python cannot do it either."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from failing_calls import X, fails, line_of

import wengert as wg
from wengert import errors
from wengert.capture import runtime_loops, short_loops
from wengert.errors import TracerConversionError

# what is not captured


def generated(x):
    for i in range(len(x)):
        yield x[i] * 2.0


def sums_a_generator(x):
    total = 0.0
    for value in generated(x):
        total += value
    return total


def generator_with_a_traced_condition(x):
    def positive():
        for value in x:
            if value > 0:
                yield value  # here

    return sum(positive())


def try_around_arithmetic(x):
    try:
        y = np.sin(x) * 2.0
    except ValueError:
        y = x
    finally:
        z = x + 1.0
    return y + z


def try_around_a_loop(x):
    total = 0.0
    try:
        for i in range(len(x)):
            total += x[i] * i
    except IndexError:
        total = -1.0
    return total


def with_around_a_loop(x):
    total = 0.0
    with np.errstate(all="ignore"):
        for value in x:
            total += np.sqrt(value)
    return total


@pytest.mark.parametrize(
    "fun", [sums_a_generator, try_around_arithmetic, try_around_a_loop, with_around_a_loop]
)
def test_generators_and_try_run_in_python(fun: Any) -> None:
    np.testing.assert_allclose(wg.jit(fun)(X), fun(X), rtol=1e-12)
    gradient = wg.grad(lambda x: np.sum(fun(x)))(X)
    shifted = [np.sum(fun(X + h)) for h in (1e-6, -1e-6)]
    np.testing.assert_allclose(gradient.sum(), (shifted[0] - shifted[1]) / 2e-6, rtol=1e-5)


def catches_a_traced_condition(x):
    try:
        if x[0] > 0:
            raise ValueError("positive")  # here
        y = x
    except ValueError:
        y = -x
    return y


def test_what_needs_a_concrete_condition_says_so() -> None:
    fails(errors.WengertError, generator_with_a_traced_condition, X, says="generator|yield")
    fails(errors.WengertError, catches_a_traced_condition, X, says="try|raise")


def fails_an_assertion(x):
    for value in x:
        assert value < 4.0, "too large"  # here
    return x


def test_an_assertion_on_traced_values() -> None:
    compiled = wg.jit(fails_an_assertion)
    np.testing.assert_array_equal(compiled(X[:3]), X[:3])
    fails(AssertionError, fails_an_assertion, X, says="too large", line="# here")
    np.testing.assert_array_equal(compiled(X[1:3]), X[1:3])


def test_a_failed_assertion_on_concrete_values() -> None:
    def fun(x, n: int):
        assert n > 3, "n is too small"
        return x * n

    with pytest.raises(AssertionError, match="n is too small"):
        wg.jit(fun)(X, 2)


def slice_of_traced_length(x, k):
    return x[:k] * 2.0  # here


def test_a_length_that_depends_on_data() -> None:
    message = fails(
        errors.WengertError, slice_of_traced_length, X, np.int64(2), says="np.where|mask"
    )
    assert str(line_of(slice_of_traced_length, "# here")) in message


def sorts_lists_of_any_length(x):
    return sorted([(x[0], "a"), (x[1], "b")])  # here


def changes_an_item_of_a_list(x, k):
    rows = [[x * 1.0], [x * 2.0]]
    rows[k][0] = x * 3.0  # here
    return rows[0][0]


def looks_up_a_dict(x, k):
    return x * {0: 1.0, 1: 2.0}[k]  # here


def appends_in_one_branch(x):
    found = []
    for v in x:
        if v > 2:  # here
            found.append(v)
    return np.array(found)


def appends_until(x):
    found = []
    for v in x:
        found.append(v * 2.0)
        if v > 2:
            break
    return np.array(found)


def least_of_none(x):
    return min(v for v in x if v > 99)


def changes_an_element_of_a_selection(x):
    some = x[x > 1]
    some[0] = 1.0  # here
    return some.sum()


@pytest.mark.parametrize(
    ("fun", "args", "says"),
    [
        (sorts_lists_of_any_length, (X,), r"np\.argsort"),
        (changes_an_item_of_a_list, (X, np.int64(1)), r"item of a list"),
        (looks_up_a_dict, (X, np.int64(1)), r"dict.*np\.select"),
        (appends_in_one_branch, (X,), r"branches.*append"),
        (appends_until, (X,), r"the length of a slice"),
        (changes_an_element_of_a_selection, (X,), r"np\.where"),
    ],
)
def test_what_python_needs_to_know(fun: Any, args: Any, says: str) -> None:
    fails(TypeError, fun, *args, says=says)


USES_OF_A_LIST = {
    "more": lambda found, x: found.append(x),
    "less": lambda found, x: found.pop(),
    "joined": lambda found, x: np.sum([x, *found]),
    "other items": lambda found, x: [2.0 * v for v in found],
}


def appends_and_uses(x, how):
    found = []
    for _ in range(9):
        x = x * 0.7
        found.append(x)
        if x < 0.3:
            break
    return USES_OF_A_LIST[how](found, x)


def halves_without_end(x):
    def halves():
        while True:
            yield 0.5

    total = x[0]
    for half in halves():
        total = half * total
        if total < 0.1:
            break
    return total


def counts_on(x):
    counter = itertools.count()
    for _ in counter:
        x = 0.5 * x
        if x[0] < 0.1:
            break
    return next(counter)


def test_what_has_no_end() -> None:
    fails(TypeError, halves_without_end, X, says="more than 2000 items follow")
    fails(TypeError, counts_on, X, says="make one for each loop")


def test_the_least_of_no_numbers() -> None:
    fails(ValueError, least_of_none, X, says="no item fulfils")


@pytest.mark.parametrize("how", USES_OF_A_LIST)
def test_what_needs_a_list_of_known_length(how: str) -> None:
    with pytest.raises(UnboundLocalError, match=r"may be left by break.*np\.zeros"):
        wg.jit(appends_and_uses, static_argnums=1)(4.0, how)


def changes_one_of_two_that_changed_places(x):
    y = x + 1.0
    turns = 0
    while turns < x[0]:
        x, y = y, x
        turns += 1
    x[1] = 0.0  # here
    return x + y


def test_arrays_that_changed_places_an_unknown_number_of_times() -> None:
    fun = changes_one_of_two_that_changed_places
    fails(errors.MutationError, fun, X, says=r"x\.copy\(\)", line="# here")


OUTSIDE = np.random.default_rng(3)


def draws_from_numpy(x):
    return x * np.random.rand()


def draws_from_a_generator(x):
    return x + OUTSIDE.normal(size=len(x))


def draws_without_a_seed(x):
    return x + np.random.default_rng().normal()


def draws_from_seeds(x):
    np.random.seed(3)
    inner = np.random.default_rng(4)
    return x * np.random.rand() + inner.normal(size=len(x)) + random.Random(2).random()


@pytest.mark.parametrize("fun", [draws_from_numpy, draws_from_a_generator, draws_without_a_seed])
def test_random_numbers_that_would_be_the_same_in_every_call(fun: Any) -> None:
    fails(errors.CaptureError, fun, X, says=r"wg\.random")
    assert np.isfinite(wg.grad(lambda x: np.sum(fun(x)))(X)).all()  # traced anew in each call


def test_random_numbers_of_a_seed_inside() -> None:
    np.testing.assert_array_equal(wg.jit(draws_from_seeds)(X), draws_from_seeds(X))


def compares_arrays(x):
    return max([x, x * 2.0])


def changes_a_shape(x):
    x.shape = (1, -1)
    return x


def test_arrays_without_a_truth_value_and_with_another_shape() -> None:
    fails(ValueError, compares_arrays, X, says=r"np\.maximum")
    fails(errors.MutationError, changes_a_shape, X, says="reshape")


def test_source_that_cannot_be_read() -> None:
    scope: dict[str, Any] = {}
    exec("def f(x):\n    y = x * 2.0\n    return y if y > 0 else x\n", scope)
    with pytest.raises(errors.TracerConversionError, match=r"source.*wg\.cond|wg\.cond.*source"):
        wg.jit(scope["f"])(1.0)
    exec("def g(x):\n    return x * 2.0\n", scope)
    assert wg.jit(scope["g"])(1.0) == 2.0


# after errors


def test_two_arguments_one_error() -> None:
    """An error late in the program leaves what was written before it as it was."""

    def fun(x, y, i):
        x[:] = 0.0
        y += x[i]
        return y

    x, y = X.copy(), X.copy()
    fails(IndexError, fun, x, y, np.int64(11), says="index 11")
    compiled = wg.jit(fun)
    compiled(x, y, np.int64(1))
    np.testing.assert_array_equal(x, np.zeros(5))


def test_overlapping_arguments_are_refused_or_right() -> None:
    def fun(x, y):
        for i in range(len(x)):
            x[i] = y[i] + 1.0

    base, plain = np.arange(6.0), np.arange(6.0)
    compiled = wg.jit(fun)
    compiled(base[:3], base[3:])
    fun(plain[:3], plain[3:])
    np.testing.assert_array_equal(base, plain)
    shared, plain = np.arange(4.0), np.arange(4.0)
    compiled(shared, shared)
    fun(plain, plain)
    np.testing.assert_array_equal(shared, plain)
    before = base.copy()
    with pytest.raises(errors.WengertError, match="overlap|memory"):
        compiled(base[1:4], base[0:3])
    np.testing.assert_array_equal(base, before)


def asserts_in_an_arm(x):
    if x[0] > 0:
        assert x[1] > 0, "alone in its arm"  # here
    return x


def test_an_assertion_that_is_all_a_branch_does() -> None:
    np.testing.assert_array_equal(wg.jit(asserts_in_an_arm)(X), X)
    fails(AssertionError, asserts_in_an_arm, np.array([1.0, -1.0]), says="alone", line="# here")


@pytest.mark.parametrize("f", [lambda x: sum(v for v in x), lambda x: np.stack([v * 2 for v in x])])
def test_errors_after_emission_are_not_reasons_to_run_in_python(
    f: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> None:
        raise TypeError("a fault of the emission")

    monkeypatch.setattr(runtime_loops, "settle_buffers", fails)
    monkeypatch.setattr(short_loops, "MOST_EQUATIONS", 0)
    with pytest.raises(TypeError, match="a fault of the emission"):
        wg.jit(f)(np.arange(9.0))


def test_errors_after_the_emission_of_a_while_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any) -> None:
        raise ValueError("a fault") from TracerConversionError("it needs Python")

    def halved(x: Any) -> Any:
        k = 0
        while k < 40:
            x, k = x * 0.5, k + 1
        return x

    monkeypatch.setattr(runtime_loops, "settle_buffers", fails)
    with pytest.raises(ValueError, match="a fault"):
        wg.jit(halved)(np.arange(9.0))


def test_lists_times_a_counter_are_repeated() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for i in range(1, 60):
            total = total + np.mean([1.0, 2.0] * i) * x[i] + len(i * (0.0,) + (1.0,))
        return total

    x = np.linspace(-1.0, 2.0, 60)
    np.testing.assert_allclose(wg.jit(f)(x), f(x), rtol=1e-12)
    with pytest.raises(TracerConversionError, match="the list repeated"):
        wg.jit(lambda n: np.mean([1.0, 2.0] * n[0]))(np.array([3]))
    times = np.array(3)
    np.testing.assert_array_equal(wg.jit(lambda n: [1.0, 2.0] * n)(times), [3.0, 6.0])


def lists_that_change_places(x, n):
    old, new = [x[0], x[1]], [x[2], x[3]]
    for _ in range(n):  # here
        new[0] = old[1] * 0.5
        old, new = new, old
    return old[0]


def lists_that_change_places_in_while(x, n):
    old, new = [x[0], x[1]], [x[2], x[3]]
    while n > 0:  # here
        new[0] = old[1] * 0.5
        old, new = new, old
        n -= 1
    return old[0]


@pytest.mark.parametrize(
    "fun", [lists_that_change_places, lists_that_change_places_in_while], ids=["for", "while"]
)
def test_lists_that_change_places_are_named(fun: Any) -> None:
    message = fails(errors.CaptureError, fun, X, np.int64(3), says="'old', 'new'.*np.zeros")
    assert f"in line {line_of(fun, '# here')}," in message
    assert wg.jit(fun)(X, 3) == fun(X, 3)
