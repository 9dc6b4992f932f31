"""jit: signatures, caching, the quick way in, methods, pickling, threads."""

from __future__ import annotations

import functools
import gc
import pickle
import threading
import warnings
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.errors import InputTypeError

X = np.array([0.5, 1.0, 2.0])
BACKENDS = ("cpu", "reference")


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Model:
    w: Any
    b: Any
    name: str = field(default="m", metadata={"static": True})

    @wg.jit
    def predict(self, x: Any) -> Any:
        """Predicts."""
        return x @ self.w + self.b


@dataclass
class Plain:
    w: Any
    b: Any


class Scaler:
    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.traced = 0

    @wg.jit
    def scale(self, x: Any) -> Any:
        self.traced += 1
        return x * self.factor

    @functools.partial(wg.jit, static_argnames="power")
    def powered(self, x: Any, power: int = 1) -> Any:
        return self.factor * x**power


class Square:
    def __call__(self, x: Any) -> Any:
        return x * x


def counted(fun: Any, **options: Any) -> Any:
    """A compiled function, and a list that grows with each trace."""
    traces: list[Any] = []

    @functools.wraps(fun)
    def tracked(*args: Any, **kwargs: Any) -> Any:
        traces.append(len(args))
        return fun(*args, **kwargs)

    return wg.jit(tracked, **({"backend": "reference"} | options)), traces


@wg.jit
def module_level(x: Any) -> Any:
    return np.sum(x * 2)


# signatures


def test_one_program_per_signature() -> None:
    fun, traces = counted(lambda x, n: x * n)
    calls = [
        ((X, 2.0), 1),
        ((X + 1, 3.0), 1),  # other values
        ((X, np.float64(2.0)), 2),  # a NumPy scalar is not a Python float
        ((X, 2), 3),  # a Python int is a constant
        ((X, 3), 4),
        ((X, True), 5),  # and True is not 1
        ((X, 1), 6),
        ((X.astype(np.float32), 2.0), 7),
        ((X[:2], 2.0), 8),
        ((X[::-1], 4.0), 8),  # other strides
        ((1.0, 2.0), 9),
        ((np.float64(1.0), 2.0), 10),
        ((X.reshape(1, 3), 2.0), 11),
        ((X.astype(">f8"), 2.0), 12),
        ((X, 2.0), 12),
    ]
    for args, expected in calls:
        result = fun(*args)
        assert len(traces) == expected, args
        assert_array_equal(result, args[0] * args[1])
        assert np.asarray(result).dtype == np.asarray(args[0] * args[1]).dtype
    assert fun.recompilations == 11


def test_positional_and_keyword_arguments() -> None:
    fun, _ = counted(lambda x, y=1.0, *, z=0.0: x * y + z)
    assert_array_equal(fun(X), X)
    assert_array_equal(fun(X, 2.0), 2 * X)
    assert_array_equal(fun(X, y=2.0, z=X), 3 * X)
    assert_array_equal(fun(z=X, x=X), 2 * X)
    with pytest.raises(TypeError, match="unexpected keyword"):
        fun(X, q=1.0)


@pytest.mark.parametrize(
    "options", [{"static_argnums": 1}, {"static_argnums": (-2,)}, {"static_argnames": "n"}]
)
def test_static_arguments(options: Any) -> None:
    fun, traces = counted(lambda x, n, scale: x * scale if n == "up" else x, **options)
    assert_array_equal(fun(X, "up", 2.0), 2 * X)
    assert_array_equal(fun(X, n="up", scale=2.0), 2 * X)
    assert_array_equal(fun(X, "down", 2.0), X)
    assert_array_equal(fun(X, n="down", scale=3.0), X)
    assert_array_equal(fun(X, "up", 5.0), 5 * X)
    assert len(traces) == 4


def test_static_values_are_compared_with_their_types() -> None:
    fun, traces = counted(lambda n: np.zeros(3) + n, static_argnums=0)
    assert fun(1).dtype == fun(1.0).dtype == fun(True).dtype
    assert len(traces) == 3
    shape, _ = counted(lambda shape: np.ones(shape), static_argnums=0)
    assert shape((2, 3)).shape == (2, 3)


def test_strings_none_and_containers() -> None:
    fun, traces = counted(lambda t, mode: t["a"] * 2 if mode == "x" and t["b"] is None else t["a"])
    assert_array_equal(fun({"a": X, "b": None}, "x"), 2 * X)
    assert_array_equal(fun({"a": X + 1, "b": None}, "x"), 2 * X + 2)
    assert len(traces) == 1
    assert_array_equal(fun({"a": X, "b": None}, "y"), X)
    assert_array_equal(fun({"a": X, "b": 1.0}, "x"), X)
    assert len(traces) == 3


def test_many_values_of_one_int_warn_once() -> None:
    fun = wg.jit(lambda x, steps: x * steps, backend="reference")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(16):
            fun(X, n)
    with pytest.warns(UserWarning, match=r"17 values of argument 'steps'.*np\.int64") as found:
        fun(X, 16)
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fun(X, 17)
        for n in range(1, 30):  # other shapes are no fault of the int
            fun(np.ones(n), 1)


# results


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x,
        lambda x: (x, x),
        lambda x: [x[0], x.T],
        lambda x: {"b": x * 2, "a": None, "c": (3, "text", 2.5, True)},
        lambda x: Pair(np.sum(x), [x > 1]),
        lambda x: OrderedDict([("z", x), ("a", x + 1)]),
        lambda x: (),
        lambda x: None,
        lambda x: 7,
        lambda x: np.ones((2, 2)),
        lambda x: np.float32(2.5),
        lambda x: (np.zeros((0, 2)), x[:0], np.argmax(x)),
        lambda x: Plain(x, [x.astype(np.float32)]),
    ],
)
def test_results_are_those_of_the_function(fun: Any, backend: str) -> None:
    expected = fun(X)
    compiled = wg.jit(fun, backend=backend)
    for _ in range(2):  # the second call goes the quick way
        result = compiled(X)
        leaves, structure = wg.tree_flatten(result)
        wanted, expected_structure = wg.tree_flatten(expected)
        assert structure == expected_structure
        for x, y in zip(leaves, wanted, strict=True):
            assert type(x) is type(y)
            assert_array_equal(x, y)
            if isinstance(x, np.ndarray):
                assert x.flags.writeable
                assert x.flags.owndata
                assert x.dtype == y.dtype


# the quick way


ARGUMENTS = [
    (X,),
    (X, 2.0, np.float32(3)),
    ({"w": X, "b": (X, [2.0])},),
    (Pair(X, None), 3, "text", True),
    (Plain(X, {"k": X}), [X, 1.5]),
    (Model(X, X, "a"),),  # static fields: the general way
    (OrderedDict([("b", X), ("a", X)]),),
    ([], (), {}, None, X),
]


@pytest.mark.parametrize("args", ARGUMENTS, ids=lambda a: type(a[0]).__name__)
def test_the_quick_way_tells_signatures_apart(args: Any) -> None:
    fun, traces = counted(lambda *a: [x * 2 for x in wg.tree_leaves(a)], backend="cpu")
    double = lambda a: [x * 2 for x in wg.tree_leaves(a)]  # noqa: E731
    for _ in range(3):
        for x, y in zip(fun(*args), double(args), strict=True):
            assert_array_equal(x, y)
    assert len(traces) == 1
    seen = 1
    for i, leaf in enumerate(wg.tree_leaves(args)):
        for other in _others(leaf):
            changed = wg.tree_leaves(args)
            changed[i] = other
            again = wg.tree_unflatten(wg.tree_structure(args), changed)
            for x, y in zip(fun(*again), double(again), strict=True):
                assert_array_equal(x, y)
                assert np.asarray(x).dtype == np.asarray(y).dtype
            seen += 1
            assert len(traces) == seen, f"{other!r} in place of {leaf!r}"
    for x, y in zip(fun(*args), double(args), strict=True):
        assert_array_equal(x, y)
    assert len(traces) == seen


def _others(leaf: Any) -> list[Any]:
    """Leaves of other signatures than `leaf`."""
    if isinstance(leaf, np.ndarray):
        return [leaf[:1], leaf.astype(np.int64), 5, 2.5, "s"]
    if isinstance(leaf, np.generic):
        return [leaf.item(), np.float64(leaf), 3, X]
    if isinstance(leaf, float):
        return [np.float64(leaf), 2, X]
    return ["other", 17, 2.5]


def test_the_quick_way_with_keywords_and_static_arguments() -> None:
    fun, traces = counted(
        lambda x, n, *, scale, mode: x * n * scale, static_argnames=("n", "mode"), backend="cpu"
    )
    for _ in range(3):
        assert_array_equal(fun(X, 3, scale=2.0, mode="a"), 6 * X)
        assert_array_equal(fun(X, n=3, scale=2.0, mode="a"), 6 * X)
    assert len(traces) == 2
    assert_array_equal(fun(X, 4, scale=2.0, mode="a"), 8 * X)
    assert_array_equal(fun(X, 3, scale=2.0, mode="b"), 6 * X)
    assert_array_equal(fun(X, 3, scale=np.float64(2.0), mode="b"), 6 * X)
    assert len(traces) == 5
    with pytest.raises(TypeError):
        fun(X, 3, scale=2.0)


def test_unusual_arrays_are_read_right() -> None:
    fun = wg.jit(lambda x: x * 2 + 1)
    base = np.arange(24.0)
    backing = bytearray(25)
    unaligned = np.frombuffer(backing, np.uint8)[1:].view(np.float64)
    unaligned[...] = [1, 2, 3]
    read_only = X.copy()
    read_only.flags.writeable = False
    for x in (
        X,
        base[:12:4],
        base[2::-1],
        np.asfortranarray(base.reshape(4, 6)),
        base.reshape(2, 3, 4).transpose(2, 0, 1),
        np.broadcast_to(X, (2, 3)),
        read_only,
        unaligned,
        X.astype(">f8"),
        np.float64(3),
        np.array(3.0),
        base[:0],
    ):
        assert_array_equal(fun(x), x * 2 + 1)
        assert_array_equal(fun(x), x * 2 + 1)


# kinds of functions


def test_partials_callables_and_decorators() -> None:
    assert_array_equal(wg.jit(functools.partial(np.add, 1.0))(X), X + 1)
    assert_array_equal(wg.jit(Square())(X), X * X)
    assert_array_equal(wg.jit(wg.jit(np.sin))(X), np.sin(X))
    assert_array_equal(wg.jit(static_argnums=1)(lambda x, n: x * n)(X, 3), 3 * X)
    assert module_level.__name__ == "module_level"
    assert "module_level" in repr(module_level)
    assert wg.jit(np.tanh).__name__ == "tanh"


def test_methods_of_pytrees_take_the_object_as_an_argument() -> None:
    model = Model(np.eye(3), 1.0)
    assert_array_equal(model.predict(X), X + 1)
    model.b = 2.0
    assert_array_equal(model.predict(X), X + 2)
    assert_array_equal(Model.predict(model, X), X + 2)
    slopes = wg.grad(lambda m: np.sum(m.predict(X)))(model)
    assert_array_equal(slopes.b, 3.0)
    assert "program" in model.predict.lower(X).ir
    assert Model.predict.__doc__ == "Predicts."


def test_methods_of_other_objects_take_it_as_a_constant() -> None:
    two, three = Scaler(2.0), Scaler(3.0)
    for _ in range(3):
        assert_array_equal(two.scale(X), 2 * X)
        assert_array_equal(three.scale(X), 3 * X)
    assert (two.traced, three.traced) == (1, 1)
    for n in (1, 2):
        assert_array_equal(two.powered(X, power=n), 2 * X**n)
        assert_array_equal(two.powered(X, n), 2 * X**n)
    assert_array_equal(wg.jit(three.scale)(X), 3 * X)
    with pytest.raises(InputTypeError, match="Scaler"):
        Scaler.scale(two, X)


def test_nested_jit_is_inlined() -> None:
    inner, traces = counted(lambda x: np.sin(x) * 2)
    outer = wg.jit(lambda x: inner(x) + inner(x * 2), backend="reference")
    assert_allclose(outer(X), 2 * np.sin(X) + 2 * np.sin(2 * X))
    assert len(traces) == 1
    assert_allclose(wg.grad(lambda x: np.sum(inner(x)))(X), 2 * np.cos(X))
    assert_allclose(wg.vmap(inner)(np.stack([X, X])), np.stack([2 * np.sin(X)] * 2))
    assert_allclose(wg.hessian(lambda x: np.sum(inner(x)))(X), np.diag(-2 * np.sin(X)))


def test_closures_over_an_open_trace_are_not_cached() -> None:
    def outer(a: Any) -> Any:
        inner = wg.jit(lambda x: x * a)
        return inner(X) + inner(a)

    assert_allclose(wg.jit(outer)(X), 2 * X * X)
    assert_allclose(wg.jit(outer)(2 * X), 2 * X * X + 4 * X * X)
    assert_allclose(wg.grad(lambda a: np.sum(wg.jit(outer)(a)))(X), X + 2 * X)


def test_what_is_read_from_outside_is_a_constant() -> None:
    state = {"factor": 2.0}
    table = np.arange(3.0)
    fun = wg.jit(lambda x: x * state["factor"] + table)
    assert_array_equal(fun(X), 2 * X + np.arange(3))
    table[0] = 100.0
    state["factor"] = 3.0
    assert_array_equal(fun(X), 2 * X + np.arange(3))
    fun.clear_cache()
    assert_array_equal(fun(X), 3 * X + table)


def test_arrays_changed_while_tracing() -> None:
    def fun(x: Any) -> Any:
        table = np.zeros(3)
        first = x + table
        table[0] = 1.0
        return first, x + table

    first, second = wg.jit(fun)(X)
    assert_array_equal(first, X)
    assert_array_equal(second, X + np.array([1.0, 0, 0]))


def test_pickle() -> None:
    again = pickle.loads(pickle.dumps(module_level))
    assert again is module_level
    wrapped = pickle.loads(pickle.dumps(wg.jit(np.sum, backend="reference")))
    assert wrapped(X) == np.sum(X)
    scaler = Scaler(2.0)
    assert_array_equal(pickle.loads(pickle.dumps(scaler)).scale(X), 2 * X)
    assert_array_equal(pickle.loads(pickle.dumps(scaler.scale))(X), 2 * X)


def test_arguments_are_not_kept_alive() -> None:
    fun = wg.jit(lambda x: x * 2)
    array = np.ones(100)
    alive = weakref.ref(array)
    fun(array)
    fun(array)
    del array
    gc.collect()
    assert alive() is None


# threads


@pytest.mark.parametrize("backend", BACKENDS)
def test_first_calls_from_several_threads(backend: str) -> None:
    fun = wg.jit(lambda x, y: np.sum(np.sin(x) * y), backend=backend)
    sizes = [3, 4, 5]
    failures: list[str] = []
    start = threading.Barrier(6)

    def work(seed: int) -> None:
        start.wait()
        rng = np.random.default_rng(seed)
        for _ in range(30):
            for n in sizes:
                x, y = rng.normal(size=(2, n))
                if not np.allclose(fun(x, y), np.sum(np.sin(x) * y)):
                    failures.append(f"wrong for {n}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert fun.recompilations == len(sizes) - 1
