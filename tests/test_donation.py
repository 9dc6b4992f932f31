"""Donated arguments: the same results, in the arguments' memory where that is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import random_program

import wengert as wg
from wengert.api.compilation import compile_program
from wengert.ir.program import Program
from wengert.kernels.interpret import interpret
from wengert.kernels.lower import lower

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
RNG = np.random.default_rng(8)
N = 1000
FEW = 40  # of which the interpreter, being slow, sorts no more


def arrays(*shapes: Any) -> list[Any]:
    return [RNG.standard_normal(s).astype(np.float32) for s in shapes]


def momentum(x: Any, m: Any, g: Any) -> Any:
    m = 0.9 * m + g
    return x - m, m


def crossed(x: Any, y: Any) -> Any:
    return y * 2, x * 3


def shifted(x: Any) -> Any:
    return np.concatenate([x[1:], x[:1]]) + 1


def table(x: Any) -> Any:
    x = x.copy()
    for i in range(1, 40):
        x[i] = x[i] + 0.5 * x[i - 1]
    return x


# functions, shapes of arguments, how many arguments' arrays the results are
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int]] = {
    "own elements": (lambda x, y: x * 2 + y, (N, N), 1),
    "two results": (momentum, (N, N, N), 2),
    "matrices": (momentum, ((30, 40), (30, 40), (30, 40)), 2),
    "with a sum": (lambda x, y: (x.sum(), y + 1), (N, N), None),
    "crossed": (crossed, (N, N), 1),
    "reversed": (lambda x: x[::-1] * 2, (N,), 0),
    "shifted": (shifted, (N,), 0),
    "transposed": (lambda x: x.T + 1, ((30, 30),), 0),
    "transposed and not": (lambda x: x.T + x, ((30, 30),), 0),
    "read by a row": (lambda x: x - x.mean(axis=1, keepdims=True), ((30, 20),), None),
    "product": (lambda x, w: np.tanh(x @ w), ((30, 30), (30, 30)), None),
    "used before": (lambda x, y: (x + (x @ y), y - 1), ((30, 30), (30, 30)), None),
    "returned as it is": (lambda x, y: (x, x + y), (N, N), 1),
    "the same twice": (lambda x: (x + 1, x + 1), (N,), 1),
    "other types": (lambda x: (x > 0, x.astype(np.float64), np.sum(x)), (N,), 0),
    "sorted": (lambda x: np.sort(x) + x, (FEW,), None),
    "cumulative": (lambda x: np.cumsum(x) + x, (FEW,), None),
    "recurrence": (table, (FEW,), None),
    "empty": (lambda x, y: (x + 1, y + 1), ((0, 3), N), 1),
    "short": (momentum, (7, 7, 7), 2),
}


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("name", CASES)
def test_results(name: str, backend: str) -> None:
    """As without donation, bit by bit, by the interpreter on every back end's loops."""
    fun, shapes, _ = CASES[name]
    args = arrays(*shapes)
    whole = wg.jit(fun).lower(*args).program
    grid = backend == "cuda"
    plain, given = (lower(whole, grid, frozenset(d)) for d in ((), range(len(args))))
    expected = interpret(plain.loops, args, plain.constants)
    found = interpret(given.loops, args, given.constants)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", CASES)
def test_compiled(name: str) -> None:
    fun, shapes, count = CASES[name]
    args = arrays(*shapes)
    expected = wg.tree_leaves(wg.jit(fun)(*args))
    given = [x.copy() for x in args]
    found = wg.tree_leaves(
        wg.jit(fun, donate_argnums=tuple(range(len(args))))(*given),
    )
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)
    own = {id(x) for x in found} & {id(x) for x in given}
    assert count is None or len(own) == count
    places = [x.__array_interface__["data"][0] for x in found if x.size > 1]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("seed", range(24))
def test_random_programs(seed: int) -> None:
    """All inputs donated; every other one with outputs for all of its float values."""
    program, args = random_program(seed, 12)
    if seed % 2:
        made = [v for e in program.eqns for v in e.outputs]
        program = Program(program.inputs, program.eqns, (*program.outputs, *made[:6]))
    everything = frozenset(range(len(args)))
    plain, given = lower(program), lower(program, donated=everything)
    expected = interpret(plain.loops, args, plain.constants)
    found = interpret(given.loops, args, given.constants)
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, y)
    if given.loops.donated and seed < 12:
        copies = [np.array(a) for a in args]
        results = compile_program(program, "cpu", everything)(*copies)
        for x, y in zip(results, expected, strict=True):
            np.testing.assert_allclose(np.ravel(x), y, rtol=1e-5, atol=1e-6)


def step_of(optimizer: wg.optim.Optimizer) -> Any:
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        def loss(p: Any) -> Any:
            return np.mean((np.tanh(x @ p["w"]) @ p["v"] + p["b"] - y) ** 2)

        value, gradients = wg.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state, params)
        return value, wg.optim.apply_updates(params, updates), state

    return step


def test_training_in_place() -> None:
    """Parameters and moments stay where they are, with the same numbers as without donation."""
    optimizer = wg.optim.adamw(1e-2)
    w, v, b, x, y = arrays((30, 200), (200, 4), 4, (50, 30), (50, 4))
    start = {"w": w, "v": v, "b": b}
    plain, given = (wg.jit(step_of(optimizer), donate_argnums=d) for d in ((), (0, 1)))
    p, s = start, optimizer.init(start)
    q = wg.tree_map(np.copy, start)
    t = optimizer.init(q)
    homes = [x.ctypes.data for x in wg.tree_leaves((q, t)) if x.size > 100]
    for _ in range(5):
        value, p, s = plain(p, s, x, y)
        other, q, t = given(q, t, x, y)
        assert value == other
    for a, c in zip(wg.tree_leaves((p, s)), wg.tree_leaves((q, t)), strict=True):
        np.testing.assert_array_equal(a, c)
    assert [x.ctypes.data for x in wg.tree_leaves((q, t)) if x.size > 100] == homes
    assert given.recompilations == 0


def test_arguments_that_cannot_be_overwritten() -> None:
    """Read-only, with other strides, the same array twice, overlapping: copied, never wrong."""
    f = wg.jit(lambda x, y: (x * 2 + y, y * 3), donate_argnums=(0, 1))
    base = RNG.standard_normal(3 * N)

    def check(x: Any, y: Any, kept: Any) -> None:
        before = kept.copy()
        expected = x * 2 + y, y * 3
        for found, wanted in zip(f(x, y), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(kept, before)

    f(base[:N].copy(), base[N : 2 * N].copy())
    fixed = base[:N].copy()
    fixed.flags.writeable = False
    check(fixed, base[:N].copy(), fixed)
    check(base[::3], base[1::3], base)
    swapped = base[:N].astype(">f8")
    check(swapped, base[:N].copy(), swapped)
    same = base[:N].copy()
    found = f(same, same)
    np.testing.assert_array_equal(found[0], base[:N] * 3)
    np.testing.assert_array_equal(found[1], base[:N] * 3)
    wide = base.copy()
    found = f(wide[:N], wide[N - 1 : 2 * N - 1])
    np.testing.assert_array_equal(found[0], base[:N] * 2 + base[N - 1 : 2 * N - 1])
    np.testing.assert_array_equal(found[1], base[N - 1 : 2 * N - 1] * 3)


def test_functions_that_change_donated_arguments() -> None:
    def exchange(x: Any, y: Any) -> Any:
        z = x + 0.0
        x[:] = 2.0 * y
        y[:] = 3.0 * z
        return x.sum()

    x, y = RNG.standard_normal(N), RNG.standard_normal(N)
    expected = 2.0 * y, 3.0 * x
    f = wg.jit(exchange, donate_argnums=(0, 1))
    total = f(x, y)
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_array_equal(y, expected[1])
    np.testing.assert_allclose(total, x.sum())


def test_only_what_is_donated() -> None:
    g = RNG.standard_normal(N)
    f = wg.jit(lambda x, y: x + y, donate_argnums=0)
    x, y = g.copy(), g.copy()
    assert f(x, y) is x
    np.testing.assert_array_equal(y, g)
    np.testing.assert_array_equal(x, 2 * g)
    constant = g.copy()
    h = wg.jit(lambda x: x + constant, donate_argnums=0)
    np.testing.assert_array_equal(h(constant), 2 * g)
    np.testing.assert_array_equal(h(g.copy()), 2 * g)
    slow = compile_program(wg.jit(lambda x, y: x + y).lower(g, g).program, "cpu", frozenset({0}))
    slow.fast = None
    x = g.copy()
    assert slow(x, y)[0] is x
    np.testing.assert_array_equal(x, 2 * g)
    assert float(wg.jit(lambda a: a + 1, donate_argnums=0)(np.float64(2))) == 3.0
