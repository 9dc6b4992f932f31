"""Collectives against what a single process makes of all arrays; data and model parallelism."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import distributed as dist
from wengert.errors import ArgumentError, DistributedError, ShapeError

RNG = np.random.default_rng(6)
SIZE = 3
RING = [(0, 1), (1, 2), (2, 0)]

# name -> what each process calls, and the same of the stack of all arrays in one process
COLLECTIVES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "psum": (dist.psum, lambda x: np.broadcast_to(x.sum(0), x.shape)),
    "pmean": (dist.pmean, lambda x: np.broadcast_to(x.mean(0), x.shape)),
    "pmax": (dist.pmax, lambda x: np.broadcast_to(x.max(0), x.shape)),
    "pmin": (dist.pmin, lambda x: np.broadcast_to(x.min(0), x.shape)),
    "all_gather": (dist.all_gather, lambda x: np.broadcast_to(x, (SIZE, *x.shape))),
    "tiled all_gather": (
        functools.partial(dist.all_gather, tiled=True),
        lambda x: np.broadcast_to(x.reshape(-1, *x.shape[2:]), (SIZE, SIZE * x.shape[1], 2)),
    ),
    "psum_scatter": (dist.psum_scatter, lambda x: x.sum(0)),
    "all_to_all": (dist.all_to_all, lambda x: np.swapaxes(x, 0, 1)),
    "ppermute": (lambda x: dist.ppermute(x, RING), lambda x: x[np.array([2, 0, 1])]),
    "part of ppermute": (
        lambda x: dist.ppermute(x, [(0, 2)]),
        lambda x: np.stack([0 * x[0], 0 * x[0], x[0]]),
    ),
    "broadcast": (
        lambda x: dist.broadcast(x, 1),
        lambda x: np.broadcast_to(x[1], x.shape),
    ),
    "axis_index": (
        lambda x: x * dist.axis_index(),
        lambda x: x * np.arange(3.0)[:, None, None],
    ),
}


@pytest.fixture(params=COLLECTIVES)
def pair(request: pytest.FixtureRequest) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return COLLECTIVES[request.param]


def everywhere(fun: Callable[..., Any], *stacks: Any) -> Any:
    """The results of all processes, each with its row of the arguments."""
    found = dist.simulate(SIZE, lambda: fun(*[s[dist.rank()] for s in stacks]))
    return wg.tree_map(lambda *rows: np.stack(rows), *found)


def bent(fun: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The collective between two functions that are not linear."""
    return lambda x: np.sin(fun(np.exp(x)))


@pytest.mark.parametrize("compiled", [True, False])
def test_values(pair: Any, compiled: bool) -> None:
    ours, whole = pair
    x = RNG.standard_normal((SIZE, SIZE, 2))
    fun = wg.jit(bent(ours)) if compiled else bent(ours)
    np.testing.assert_allclose(everywhere(fun, x), bent(whole)(x))


def test_forward_mode(pair: Any) -> None:
    ours, whole = pair
    x, t = RNG.standard_normal((2, SIZE, SIZE, 2))
    found = everywhere(wg.jit(lambda x, t: wg.jvp(bent(ours), (x,), (t,))), x, t)
    for a, b in zip(found, wg.jvp(bent(whole), (x,), (t,)), strict=True):
        np.testing.assert_allclose(a, b)


def test_reverse_mode_is_of_the_sum_over_processes(pair: Any) -> None:
    ours, whole = pair
    x = RNG.standard_normal((SIZE, SIZE, 2))
    weights = RNG.standard_normal(np.shape(whole(x)))

    def local(x: Any, w: Any) -> Any:
        return np.sum(w * bent(ours)(x))

    found = everywhere(wg.jit(wg.grad(local)), x, weights)
    np.testing.assert_allclose(found, wg.grad(lambda x: np.sum(weights * bent(whole)(x)))(x))


def test_second_derivatives(pair: Any) -> None:
    ours, whole = pair
    x, t = RNG.standard_normal((2, SIZE, SIZE, 2))

    def product(fun: Callable[[Any], Any]) -> Callable[..., Any]:
        return lambda x, t: wg.hvp(lambda x: np.sum(bent(fun)(x) ** 2), (x,), (t,))

    np.testing.assert_allclose(everywhere(wg.jit(product(ours)), x, t), product(whole)(x, t))


def test_batches(pair: Any) -> None:
    ours, whole = pair
    x = RNG.standard_normal((SIZE, 4, SIZE, 2))
    found = everywhere(wg.jit(wg.vmap(bent(ours))), x)
    np.testing.assert_allclose(found, wg.vmap(bent(whole), in_axes=1, out_axes=1)(x))


def test_in_loops_and_branches() -> None:
    def fun(x: Any, count: Any) -> Any:
        for _ in range(count):
            x = dist.ppermute(x, RING) + (dist.pmean(x) if x.sum() > -1e9 else x)
        return x

    x, n = RNG.standard_normal((SIZE, 5)), np.full(SIZE, 4)
    want = x
    for _ in range(4):
        want = want[np.array([2, 0, 1])] + want.mean(0)
    np.testing.assert_allclose(everywhere(wg.jit(fun), x, n), want)
    found = everywhere(wg.jit(wg.grad(lambda x: np.sum(fun(x, 4) ** 2))), x)

    def total(x: Any) -> Any:
        for _ in range(4):
            x = x[np.array([2, 0, 1])] + x.mean(0)
        return np.sum(x**2)

    np.testing.assert_allclose(found, wg.grad(total)(x))


def test_complex_numbers() -> None:
    x = RNG.standard_normal((SIZE, SIZE, 2)) + 1j * RNG.standard_normal((SIZE, SIZE, 2))
    for name in ("psum", "all_gather", "psum_scatter", "all_to_all", "ppermute", "broadcast"):
        ours, whole = COLLECTIVES[name]
        np.testing.assert_allclose(everywhere(wg.jit(ours), x), whole(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, wg.bfloat16, np.int64, np.uint8])
def test_dtypes_stay(dtype: Any) -> None:
    x = RNG.integers(0, 20, (SIZE, SIZE)).astype(dtype)
    for ours, whole in ((dist.psum, np.sum), (dist.pmax, np.max)):
        found = everywhere(wg.jit(ours), x)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found[0], whole(x, axis=0))


def test_one_process_is_a_world() -> None:
    x = RNG.standard_normal(4)
    assert (dist.rank(), dist.size()) == (0, 1)
    np.testing.assert_array_equal(wg.jit(lambda x: dist.psum(x) + dist.axis_index())(x), x)
    np.testing.assert_array_equal(dist.all_gather(x), x[None])
    np.testing.assert_array_equal(dist.ppermute(x, []), np.zeros(4))


# data parallelism

DATA = RNG.standard_normal((37, 6)), RNG.integers(0, 4, 37)
PARAMS = [
    (0.5 * RNG.standard_normal((6, 8)), np.zeros(8)),
    (0.5 * RNG.standard_normal((8, 4)), np.zeros(4)),
]


def loss(params: Any, x: Any, labels: Any) -> Any:
    (w, b), (v, c) = params
    scores = np.tanh(x @ w + b) @ v + c
    scores = scores - scores.max(1, keepdims=True)
    return np.mean(np.log(np.exp(scores).sum(1)) - scores[np.arange(len(labels)), labels])


def shard(cuts: list[int]) -> tuple[Any, Any]:
    own = slice(cuts[dist.rank()], cuts[dist.rank() + 1])
    return DATA[0][own], DATA[1][own]


@pytest.mark.parametrize("cuts", [[0, 18, 37], [0, 36, 37], [0, 0, 37], [0, 1, 30, 33, 37]])
@pytest.mark.parametrize("compiled", [True, False])
def test_means_over_uneven_shards(cuts: list[int], compiled: bool) -> None:
    value, grads = wg.value_and_grad(loss)(PARAMS, *DATA)
    fun = dist.value_and_grad(loss)
    fun = wg.jit(fun) if compiled else fun
    for own_value, own in dist.simulate(len(cuts) - 1, lambda: fun(PARAMS, *shard(cuts))):
        np.testing.assert_allclose(own_value, value)
        for a, b in zip(wg.tree_leaves(own), wg.tree_leaves(grads), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


def test_auxiliary_results_stay_here() -> None:
    fun = dist.value_and_grad(lambda p, x, y: (loss(p, x, y), len(y)), has_aux=True)
    found = dist.simulate(2, lambda: fun(PARAMS, *shard([0, 10, 37])))
    assert [aux for (_, aux), _ in found] == [10, 27]


def trained(optimizer: Any, value_and_grad: Any, batch: Any, steps: int = 6) -> Any:
    @wg.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = value_and_grad(loss)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        return value, wg.optim.apply_updates(params, updates), state

    params, state, values = PARAMS, optimizer.init(PARAMS), []
    for _ in range(steps):
        value, params, state = step(params, state, *batch)
        values.append(float(value))
    return values, params, state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrap", "tolerance"),
    [
        (dist.sharded, 1e-12),
        (lambda o: wg.optim.chain(dist.compressed("float16"), o), 1e-3),
        (lambda o: wg.optim.chain(dist.compressed("bfloat16"), o), 8e-3),
        (lambda o: wg.optim.chain(dist.compressed("top-k", 1.0), o), 1e-12),
    ],
    ids=["sharded", "float16", "bfloat16", "top-k"],
)
def test_other_ways_to_sum_gradients(wrap: Any, tolerance: float) -> None:
    adam = wg.optim.adam(1e-2)
    values, params, _ = trained(adam, wg.value_and_grad, DATA)
    local = functools.partial(dist.value_and_grad, reduced=False)
    found = dist.simulate(2, lambda: trained(wrap(adam), local, shard([0, 20, 37])))
    for own_values, own, _ in found:
        np.testing.assert_allclose(own_values, values, rtol=tolerance)
        for a, b in zip(wg.tree_leaves(own), wg.tree_leaves(params), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    for a, b in zip(*(wg.tree_leaves(own) for _, own, _ in found), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sharded_states_are_parts() -> None:
    whole = sum(x.size for x in wg.tree_leaves(PARAMS))
    states = dist.simulate(2, lambda: dist.sharded(wg.optim.adam(1e-2)).init(PARAMS))
    for state in states:
        assert sum(np.size(x) for x in wg.tree_leaves(state)) <= 2 * (whole // 2 + 1) + 2


@pytest.mark.parametrize(
    ("method", "rounding"), [("top-k", 1e-7), ("float16", 2**-11), ("bfloat16", 2**-8)]
)
def test_what_is_not_sent_is_sent_later(method: str, rounding: float) -> None:
    """With error feedback the sum of all that was received is the sum of all gradients.

    The sums of halves are rounded once more, in each step.
    """
    rule = dist.compressed(method, 0.25)
    grads = RNG.standard_normal((2, 12, 8))

    def run() -> Any:
        state, received = rule.init(grads[0, 0]), np.zeros(8)
        for g in grads[dist.rank()]:
            update, state = rule.update(g, state)
            received += update
        return received, state

    (received, error0), (_, error1) = dist.simulate(2, run)
    lost = rounding * np.abs(grads).sum((0, 1)).max()
    np.testing.assert_allclose(received + error0 + error1, grads.sum((0, 1)), atol=lost)


# model parallelism on the same collectives


def test_sharded_matmul_by_columns_then_rows() -> None:
    """Two layers: columns of the first and rows of the second in each process, one sum at the end.

    M. Shoeybi et al., Megatron-LM, arXiv:1909.08053.
    """
    x, w, v = (RNG.standard_normal(s) for s in ((5, 6), (6, 2 * SIZE), (2 * SIZE, 4)))

    def whole(w: Any, v: Any, x: Any) -> Any:
        return np.sum(np.sin(np.tanh(x @ w) @ v))

    def part(w: Any, v: Any, x: Any) -> Any:
        # what is reverse differentiated is the sum over processes: each counts its share
        return np.sum(np.sin(dist.psum(np.tanh(x @ w) @ v))) / dist.size()

    columns = np.stack(np.split(w, SIZE, axis=1))
    rows = np.stack(np.split(v, SIZE, axis=0))
    found = everywhere(
        wg.jit(lambda w, v: wg.value_and_grad(part, argnums=(0, 1))(w, v, x)), columns, rows
    )
    value, (dw, dv) = wg.value_and_grad(whole, argnums=(0, 1))(w, v, x)
    np.testing.assert_allclose(found[0].sum(), value)
    np.testing.assert_allclose(np.concatenate(list(found[1][0]), axis=1), dw)
    np.testing.assert_allclose(np.concatenate(list(found[1][1]), axis=0), dv)


@pytest.mark.slow
def test_pipeline_of_two_stages() -> None:
    """Micro-batches pass from the first half of a network to the second, gradients back.

    Each process holds one layer; at tick t, process 0 works on micro-batch t and process 1 on
    t - 1. The transpose of sending forward is sending back.
    """
    micro, count = RNG.standard_normal((4, 5, 6)), 4
    w = RNG.standard_normal((2, 6, 6)) / 2

    def whole(w: Any) -> Any:
        return sum(np.sum(np.tanh(np.tanh(x @ w[0]) @ w[1]) ** 2) for x in micro)

    def stage(w: Any) -> Any:
        is_first = dist.axis_index() == 0
        sent, total = np.zeros((5, 6)), 0.0
        for tick in range(count + 1):
            came = dist.ppermute(sent, [(0, 1)])
            fresh = micro[tick] if tick < count else np.zeros((5, 6))
            sent = np.tanh(np.where(is_first, fresh, came) @ w)
            if tick:
                total = total + np.where(is_first, 0.0, np.sum(sent**2))
        return total

    found = dist.simulate(2, lambda: wg.jit(wg.value_and_grad(stage))(w[dist.rank()]))
    value, grad = wg.value_and_grad(whole)(w)
    np.testing.assert_allclose(sum(v for v, _ in found), value)
    np.testing.assert_allclose(np.stack([g for _, g in found]), grad)


def test_a_process_without_rows_adds_nothing_not_even_nan() -> None:
    x = [np.array([2.0, 4.0]), np.zeros(0)]

    def loss(w: Any, x: Any) -> Any:
        return np.mean(w / (x - 1.0))  # 1 is what a process without rows is given for the types

    def process() -> Any:
        return wg.jit(dist.value_and_grad(loss))(np.float64(3.0), x[dist.rank()])

    for value, grad in dist.simulate(2, process):
        np.testing.assert_allclose((value, grad), (2.0, 2.0 / 3.0))


# how programs are arranged


def kernels_of(fun: Callable[..., Any], *args: Any) -> str:
    return dist.simulate(2, lambda: str(wg.jit(fun).lower(*args).kernels))[0]


def test_sums_go_in_buckets_and_overlap() -> None:
    big = [0.1 * RNG.standard_normal((600, 600)) for _ in range(4)]

    def deep(params: Any, x: Any) -> Any:
        for w in params:
            x = np.tanh(x @ w)
        return np.mean(x**2)

    text = kernels_of(dist.value_and_grad(loss), PARAMS, *DATA)
    assert text.count("whole of psum") == 1  # value and four gradients
    assert text.count("start of psum") == 1  # the rows, needed where the reverse sweep begins
    text = kernels_of(dist.value_and_grad(deep), big, RNG.standard_normal((8, 600)))
    begun, products = (
        text.index("start of psum"),
        [m for m in range(len(text)) if text.startswith("gemm", m)],
    )
    assert max(products) > begun  # the last layer's gradient leaves before the first one's is there
    assert text.count("start of psum") >= 3


def test_small_sums_wait_for_one_another_beside_large_ones() -> None:
    """Biases between matrices are one message, whatever else they are sums with."""
    layers = [(0.1 * RNG.standard_normal((300, 300)), np.zeros(300)) for _ in range(3)]

    def deep(params: Any, x: Any) -> Any:
        for w, b in params:
            x = np.tanh(x @ w + b)
        return np.mean(x**2)

    data = RNG.standard_normal((8, 300))
    text = kernels_of(dist.value_and_grad(deep), layers, data)
    # the matrices, the biases, and the rows
    assert len(re.findall("(start|whole) of psum", text)) == 3 + 1 + 1
    alone = wg.value_and_grad(deep)(layers, data)
    for found in dist.simulate(2, lambda: wg.jit(dist.value_and_grad(deep))(layers, data)):
        for a, b in zip(wg.tree_leaves(found), wg.tree_leaves(alone), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


# what goes wrong


def test_different_programs_are_told() -> None:
    def run() -> Any:
        x = np.zeros(3 + dist.rank())
        return wg.jit(dist.psum)(x)

    with pytest.raises(DistributedError, match="same program"):
        dist.simulate(2, run)


@pytest.mark.parametrize(
    "pair",
    [(lambda x: dist.psum(x), lambda x: dist.psum(x[:2])), (dist.psum, dist.pmax)],
    ids=["shapes", "kinds"],
)
def test_different_calls_outside_of_programs_are_told(pair: Any) -> None:
    with pytest.raises(DistributedError, match="communicate differently"):
        dist.simulate(2, lambda: pair[dist.rank()](np.zeros(3)))


def test_another_order_of_the_same_sums_is_told() -> None:
    """Where shapes alone would let one number be taken for the other."""

    def sums(x: Any, y: Any) -> Any:
        first, second = np.sin(x).sum(), np.cos(y).sum()
        if dist.rank():  # what is ready first is sent first
            second = np.cos(y).sum()
            first = np.sin(x + 0.0 * second).sum()
        return dist.psum(first), dist.psum(second)

    with pytest.raises(DistributedError, match="communicate differently"):
        dist.simulate(2, lambda: wg.jit(sums)(np.ones(3), np.ones(4)))


def test_a_process_that_fails_ends_the_others() -> None:
    def run() -> Any:
        if dist.rank() == 1:
            raise ValueError("mine")
        return wg.jit(dist.psum)(np.zeros(3))

    with pytest.raises(ValueError, match="mine"):
        dist.simulate(2, run)


def test_functions_traced_for_another_world() -> None:
    fun = wg.jit(dist.psum)
    fun(np.zeros(3))
    with pytest.raises(DistributedError, match="traced for 1 processes, and there are 2"):
        dist.simulate(2, lambda: fun(np.zeros(3)))


def test_parameters_that_differ() -> None:
    with pytest.raises(DistributedError, match="different parameters"):
        dist.simulate(2, lambda: dist.check_equal({"w": np.full(3, float(dist.rank()))}))
    dist.simulate(2, lambda: dist.check_equal({"w": np.ones(3)}))


def test_bad_arguments() -> None:
    x = np.zeros((4, 2))
    with pytest.raises(DistributedError, match="no axis 'model'"):
        dist.psum(x, "model")
    with pytest.raises(ArgumentError, match="twice"):
        dist.simulate(2, lambda: dist.ppermute(x, [(0, 1), (0, 0)]))
    with pytest.raises(ArgumentError, match="no process 2 among 2"):
        dist.simulate(2, lambda: dist.broadcast(x, 2))
    with pytest.raises(ShapeError, match="a row of its first axis for each of the 3"):
        dist.simulate(3, lambda: dist.psum_scatter(x))
    with pytest.raises(ArgumentError, match="share evenly"):
        dist.simulate(3, lambda: dist.psum_scatter(x, tiled=True))
    with pytest.raises(ArgumentError, match="same number of rows"):
        dist.value_and_grad(loss)(PARAMS, DATA[0], DATA[1][:3])
    with pytest.raises(ArgumentError, match="float16"):
        dist.compressed("zip")
