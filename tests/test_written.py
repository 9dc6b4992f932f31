"""Lists, dicts and objects that a compiled function changes: the caller's are changed as well."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import CaptureError, InputTypeError, MutationError


@dataclasses.dataclass
class Body:
    x: Any
    seen: list[Any]


@dataclasses.dataclass(slots=True)
class Slotted:
    x: float
    v: float


@dataclasses.dataclass
class Derived(Slotted):
    w: float


class Boxed:
    """A registered pytree whose child is no attribute of its own."""

    def __init__(self, x: Any) -> None:
        self.data = {"x": x}


wg.register_pytree_node(Boxed, lambda b: ((b.data["x"],), None), lambda _, c: Boxed(*c))


class Log:
    last = 0.0


@dataclasses.dataclass
class Logging:
    x: float
    log: Log = dataclasses.field(metadata={"static": True})


def advance(body: Any, v: Any) -> Any:
    body.x += v
    body.seen.append(body.x)
    return body.x


def slotted(s: Any) -> None:
    s.x, s.v = s.x + 0.5 * s.v, -s.x


def first(items: Any) -> Any:
    items[0] = items[0] + 1
    return items


def swap(items: Any) -> None:
    items[0], items[1] = items[1], items[0]


def two_names(a: Any, b: Any) -> Any:
    a[0] = a[0] + 2.0
    return b[0] * 2


def methods(items: Any) -> Any:
    x = items.pop()
    items.insert(0, x)
    del items[1]
    items.extend([x, 2 * x])
    items.reverse()
    return x


def updates(state: Any, x: Any) -> Any:
    state.update(w=state["w"] - 0.1 * x, n=state.get("n", 0.0) + 1.0)
    state["sub"]["k"] = x[:2]
    state["sub"].pop("old", None)
    state["alias"] = state["w"]
    state["fixed"] = ("done", None, len(x))
    return state["w"].sum()


def in_loop(state: Any, n: Any) -> Any:
    for i in range(n):
        state["x"] = state["x"] * 0.5 + i
        state["seen"].append(state["x"])
    return state["x"]


def in_branch(state: Any, x: Any) -> Any:
    if x > 0:
        state["a"] = x
    else:
        state["a"] = -x * 2
    return state


def table(items: Any, x: Any) -> None:
    for i in range(1, len(x)):
        items[i] = max(items[i - 1], x[i])


def new_container(state: Any) -> Any:
    state["p"] = state["q"] = [state["a"] * 2]
    return state["q"]


def arrays_too(state: Any) -> None:
    state["u"][0] += 5.0
    state["v"] = state["u"]
    state["u"] = state["u"] + 1


def without_axes(state: Any) -> None:
    state["t"] = np.array(2.0)
    state["s"] = np.zeros(())
    state["f"] = state["f"] / 3


def slots_and_more(s: Any) -> None:
    s.x, s.v, s.w = s.w * 2.0, s.x, s.v


def put_last(state: Any) -> None:
    state["b"] = state.pop("b") + 1
    state["new"] = state.pop("c", 5.0) * 2
    state["a"] = state.pop("a")


CASES: list[tuple[Callable[..., Any], Callable[[], list[Any]]]] = [
    (advance, lambda: [Body(1.0, []), 2.0]),
    (advance, lambda: [Body(np.ones(2), []), 2.0]),
    (slotted, lambda: [Slotted(1.0, 2.0)]),
    (slots_and_more, lambda: [Derived(1.0, 2.0, 3.0)]),
    (put_last, lambda: [{"a": 1.0, "b": 2.0, "c": 3.0}]),
    (put_last, lambda: [OrderedDict(c=1.0, b=2.0, a=3.0)]),
    (first, lambda: [[1.0, np.ones(2)]]),
    (first, lambda: [[3, 4]]),
    (swap, lambda: [[np.ones(2), np.zeros(3)]]),
    (swap, lambda: [[[np.ones(2)], 1.0]]),
    (two_names, lambda: [[1.0], [1.0]]),
    (two_names, lambda: [[np.ones(2)]] * 2),
    (two_names, lambda: [[1.0]] * 2),
    (methods, lambda: [[1.0, 2.0, 3.0]]),
    (updates, lambda: [{"w": np.ones(3), "sub": {"old": 1.0, "z": 2}}, np.arange(3.0)]),
    (updates, lambda: [OrderedDict(w=np.ones(3), sub=OrderedDict(old=1.0)), np.arange(3.0)]),
    (in_loop, lambda: [{"x": 1.0, "seen": [1.0]}, 20]),
    (in_loop, lambda: [defaultdict(float, x=1.0, seen=[]), 5]),
    (in_branch, lambda: [{"a": 1.0, "b": np.ones(2)}, 3.0]),
    (in_branch, lambda: [{}, -3.0]),
    (table, lambda: [[0.0] * 8, np.arange(8.0)[::-1].copy()]),
    (new_container, lambda: [{"a": np.ones(2)}]),
    (arrays_too, lambda: [{"u": np.ones(3)}]),
    (without_axes, lambda: [{"f": 1.0}]),
]


def nodes(x: Any) -> list[Any]:
    """All objects in `x`, in one order."""
    inner: Any = ()
    if isinstance(x, dict):
        inner = [v for pair in x.items() for v in pair]
    elif isinstance(x, (list, tuple)):
        inner = x
    elif dataclasses.is_dataclass(x):
        inner = [getattr(x, f.name) for f in dataclasses.fields(x)]
    return [x, *(y for part in inner for y in nodes(part))]


def kind(x: Any) -> Any:
    return float if isinstance(x, float) else type(x)


def check_same(found: Any, wanted: Any) -> None:
    """Equal in types, numbers, and in which containers and arrays are one."""
    a, b = nodes(found), nodes(wanted)
    assert [kind(x) for x in a] == [kind(x) for x in b]
    kept = (list, dict, np.ndarray, Body, Slotted)
    first_a, first_b = ({id(x): k for k, x in reversed([*enumerate(xs)])} for xs in (a, b))
    for x, y in zip(a, b, strict=True):
        if isinstance(x, kept):
            assert first_a[id(x)] == first_b[id(y)]
        if not isinstance(x, kept[:2]) and not dataclasses.is_dataclass(x) and x is not None:
            np.testing.assert_array_equal(x, y) if type(x) is not tuple else None


@pytest.mark.parametrize(("f", "make"), CASES)
def test_as_in_python(f: Any, make: Any) -> None:
    compiled = wg.jit(f)
    given, wanted = make(), make()
    for _ in range(3):
        results = compiled(*given), f(*wanted)
        check_same([given, results[0]], [wanted, results[1]])


@pytest.mark.parametrize(("f", "make"), CASES)
def test_inside_of_compiled_functions(f: Any, make: Any) -> None:
    """The changes of an inner compiled function are changes of the outer one."""
    inner = wg.jit(f)

    def outer(*args: Any) -> Any:
        inner(*args)
        return inner(*args)

    given, wanted = make(), make()
    wg.jit(outer)(*given)
    f(*wanted)
    f(*wanted)
    for x, y in zip(nodes(given), nodes(wanted), strict=True):
        if isinstance(x, (float, np.ndarray)):
            np.testing.assert_array_equal(x, y)


def test_state_of_a_loop_around() -> None:
    @wg.jit
    def step(state: Any, h: Any) -> None:
        state["x"] = state["x"] + h * state["v"]
        state["v"] = state["v"] - h * state["x"]

    def run(state: Any, n: Any, h: Any) -> Any:
        for _ in range(n):
            step(state, h)
        return state["x"]

    a, b = {"x": 1.0, "v": 0.0}, {"x": 1.0, "v": 0.0}
    found = wg.jit(run)(a, np.int64(50), 0.1)
    for _ in range(50):
        b["x"] = b["x"] + 0.1 * b["v"]
        b["v"] = b["v"] - 0.1 * b["x"]
    assert a == pytest.approx(b, rel=1e-14)
    assert found == a["x"]


def test_containers_that_are_no_children() -> None:
    def f(box: Any) -> Any:
        box.data["x"] = box.data["x"] * 2
        return box.data["x"]

    box, compiled = Boxed(1.0), wg.jit(f)
    assert [compiled(box), compiled(box)] == [2.0, 4.0]
    assert box.data == {"x": 4.0}
    assert wg.grad(f)(Boxed(3.0)).data == {"x": 2.0}


@pytest.mark.parametrize("transform", [wg.jit, wg.grad])
def test_static_fields_keep_no_traced_values(transform: Any) -> None:
    def f(s: Any) -> Any:
        s.log.last = s.x
        return s.x * 2

    log = Log()
    with pytest.raises(MutationError, match="Log.last"):
        transform(f)(Logging(1.0, log))
    assert log.last == 0.0


def test_positional_and_keyword_arguments_and_static_ones() -> None:
    def f(n: int, *rest: Any, state: Any) -> None:
        state["n"] = state["n"] + n * rest[0]["x"]
        rest[1].append(state["n"])

    state, items = {"n": 1.0}, [0.0]
    wg.jit(f, static_argnums=0)(3, {"x": 2.0}, items, state=state)
    assert (state, items) == ({"n": 7.0}, [0.0, 7.0])


def test_ahead_of_time() -> None:
    compiled = wg.jit(first).lower([1.0, 2.0]).compile()
    items = [1.0, 2.0]
    assert compiled(items) is items
    assert items == [2.0, 2.0]
    twice = wg.jit(two_names).lower([1.0], [1.0]).compile()
    with pytest.raises(MutationError, match="passed twice"):
        twice(items := [1.0], items)


def test_failed_calls_change_nothing() -> None:
    def f(state: Any, i: Any) -> Any:
        state["x"] = state["x"] * 2
        return state["a"][i]

    state = {"x": 1.0, "a": np.ones(3)}
    with pytest.raises(IndexError):
        wg.jit(f)(state, np.int64(7))
    assert state["x"] == 1.0


def test_transforms_keep_changes_inside() -> None:
    def f(x: Any, items: Any) -> Any:
        items.append(x * items[0])
        items[0] = x
        return items[0] * items[1]

    items = [3.0]
    assert wg.grad(f)(2.0, items) == 12.0
    assert wg.jit(wg.grad(f))(2.0, items) == 12.0
    assert items == [3.0]


def test_what_cannot_be_given_to_the_caller() -> None:
    class Own:
        pass

    def an_object(state: Any, x: Any) -> None:
        state["o"] = Own()

    def under_a_condition(state: Any, x: Any) -> None:
        if x > 0:
            state["new"] = x

    def itself(state: Any, x: Any) -> None:
        state["me"] = [x]
        state["me"].append(state["me"])

    for f, match in ((an_object, "Own"), (under_a_condition, "new"), (itself, "itself")):
        state: dict[str, Any] = {}
        with pytest.raises(CaptureError, match=match):
            wg.jit(f)(state, 1.0)
        assert state == {}
    with pytest.raises(InputTypeError):
        wg.jit(first)([Own()])


# state from outside that is no argument


class Counter:
    def __init__(self) -> None:
        self.total, self.calls, self.seen = 1.0, 0, {"last": 0.0}
        self.log, self.queue = [0.0], deque([1.0], maxlen=2)

    def add(self, x: Any) -> Any:
        self.calls += 1
        self.total = self.total + x
        return self.total

    def see(self, x: Any) -> Any:
        self.seen["last"] = x
        return x

    def append(self, x: Any) -> Any:
        self.log[0] = x
        self.log.append(x)
        self.log[1] = x
        return x

    def replace(self, x: Any) -> Any:
        self.log[:] = [x, x]
        return x

    def push(self, x: Any) -> Any:
        self.queue.append(2.0)
        self.queue.appendleft(x)
        return x

    def default(self, x: Any) -> Any:
        return self.seen.setdefault("new", x)

    def through_dict(self, x: Any) -> Any:
        self.__dict__["new"] = x
        return x

    def remember(self, x: Any) -> Any:
        self.new = x
        return x


total = 1.0
state = {"n": 1.0}


def to_global(x: Any) -> Any:
    global total
    total = total + x
    return total


def to_global_dict(x: Any) -> Any:
    state["n"] += x
    return x


def through_a_helper(x: Any) -> Any:
    return to_global_dict(x) + 1


def to_closure() -> Any:
    total = 1.0

    def f(x: Any) -> Any:
        nonlocal total
        total = total * x
        return total

    return f


@pytest.mark.parametrize("transform", [wg.jit, wg.grad, lambda f: wg.jit(wg.grad(f))])
def test_traced_values_do_not_stay_outside(transform: Any) -> None:
    counter, before = Counter(), total
    longer = (counter.append, counter.replace, counter.push, counter.default)
    kept = (counter.add, counter.see, counter.remember, counter.through_dict, to_closure())
    for f in (*longer, *kept):
        for _ in range(2):
            with pytest.raises(MutationError, match=r"constant of the program.*test_written.py"):
                transform(f)(2.0)
    for f in (to_global, to_global_dict, through_a_helper):
        with pytest.raises(MutationError, match="pass the state as an argument"):
            transform(f)(2.0)
    assert (counter.total, counter.seen, total, state) == (1.0, {"last": 0.0}, before, {"n": 1.0})
    assert not hasattr(counter, "new")
    assert (counter.log, list(counter.queue)) == ([0.0], [1.0])


def test_objects_made_inside_are_nobodys_concern() -> None:
    def f(x: Any) -> Any:
        counter = Counter()
        counter.add(x)
        counter.see(x)
        return counter.add(counter.seen["last"])

    assert wg.jit(f)(2.0) == 5.0
    assert wg.grad(f)(2.0) == 2.0


def test_failed_traces_leave_objects_as_they_were() -> None:
    counter = Counter()

    def f(x: Any) -> Any:
        counter.calls = 7
        counter.seen["last"] = 3.0
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        wg.jit(f)(1.0)
    assert (counter.calls, counter.seen) == (0, {"last": 0.0})


def test_bodies_of_forms_store_nothing_outside() -> None:
    def fori(out: Any, x: Any) -> Any:
        def body(i: Any, s: Any) -> Any:
            out[0] = s
            return s * x

        return wg.fori_loop(0, 6, body, 1.0)

    def scanned(out: Any, x: Any) -> Any:
        def body(s: Any, y: Any) -> Any:
            out["last"] = s
            return s * y, s

        return wg.scan(body, 1.0, np.ones(7) * x)[0]

    def repeated(out: Any, x: Any) -> Any:
        def body(s: Any) -> Any:
            out["last"] = s
            return s * x

        return wg.while_loop(lambda s: s < 100.0, body, 1.0)

    def appended(out: Any, x: Any) -> Any:
        def body(i: Any, s: Any) -> Any:
            out.append(s)
            return s * x

        return wg.fori_loop(0, 6, body, 1.0)

    dicts = [(f, {"last": 2.0}) for f in (scanned, repeated)]
    for f, out in [*[(f, [2.0]) for f in (fori, appended)], *dicts]:
        with pytest.raises(CaptureError, match=r"part of the state.*test_written.py"):
            wg.jit(f)(out, 1.5)
        assert out in ([2.0], {"last": 2.0})


def test_bodies_of_forms_may_have_lists_of_their_own() -> None:
    def f(x: Any) -> Any:
        def body(i: Any, s: Any) -> Any:
            parts: list[Any] = repr(x.shape).split("s")  # a list that Python itself has made
            parts.append(s)
            parts.append(s)
            parts[0] = x
            return parts[0] * parts[2]

        return wg.fori_loop(0, 5, body, 1.0)

    assert wg.jit(f)(2.0) == 32.0
