"""Optimisers: against their formulas, compiled against eager, dtypes, structure, bad input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import optim
from wengert.errors import ArgumentError, DTypeError, InputTypeError, ShapeError, TreeError
from wengert.optim.directions import Lbfgs

RNG = np.random.default_rng(6)
STEPS = 9
START = {"w": RNG.standard_normal((4, 5)), "b": RNG.standard_normal(3)}
GRADIENTS = [{"w": RNG.standard_normal((4, 5)), "b": RNG.standard_normal(3)} for _ in range(STEPS)]
Formula = Callable[[Any, Iterator[Any]], Any]


def adam(rate: float, decay: float = 0.0, nesterov: bool = False) -> Formula:
    def formula(x: Any, gradients: Iterator[Any]) -> Any:
        m = v = np.zeros_like(x)
        for t, g in enumerate(gradients, 1):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            mean = m / (1 - 0.9**t)
            if nesterov:
                mean = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
            root = np.sqrt(v / (1 - 0.999**t))
            x = x - rate * (mean / (root + 1e-8) + decay * x)
        return x

    return formula


def momentum(rate: float, decay: float, nesterov: bool) -> Formula:
    def formula(x: Any, gradients: Iterator[Any]) -> Any:
        t = np.zeros_like(x)
        for g in gradients:
            t = g + decay * t
            x = x - rate * (g + decay * t if nesterov else t)
        return x

    return formula


def rmsprop(x: Any, gradients: Iterator[Any]) -> Any:
    v = np.zeros_like(x)
    for g in gradients:
        v = 0.9 * v + 0.1 * g * g
        x = x - 0.1 * g / np.sqrt(v + 1e-8)
    return x


def centred(x: Any, gradients: Iterator[Any]) -> Any:
    v = m = t = np.zeros_like(x)
    for g in gradients:
        v, m = 0.9 * v + 0.1 * g * g, 0.9 * m + 0.1 * g
        t = 0.5 * t - 0.1 * g / (np.sqrt(v - m * m) + 1e-3)
        x = x + t
    return x


def adagrad(x: Any, gradients: Iterator[Any]) -> Any:
    total = np.full_like(x, 0.1)
    for g in gradients:
        total = total + g * g
        x = x - 0.1 * g / np.sqrt(total + 1e-7)
    return x


def lion(x: Any, gradients: Iterator[Any]) -> Any:
    m = np.zeros_like(x)
    for g in gradients:
        x = x - 0.1 * (np.sign(0.9 * m + 0.1 * g) + 1e-3 * x)
        m = 0.99 * m + 0.01 * g
    return x


def adafactor(x: Any, gradients: Iterator[Any]) -> Any:
    """Algorithms 4 and 5 of the paper, with sums of rows and columns in full."""
    factored = x.ndim == 2
    r, c, v = np.zeros(x.shape[:1]), np.zeros(x.shape[-1:]), np.zeros_like(x)
    for t, g in enumerate(gradients, 1):
        keep = 1 - t**-0.8
        square = g * g + 1e-30
        v = keep * v + (1 - keep) * square
        if factored:
            r = keep * r + (1 - keep) * square.sum(1)
            c = keep * c + (1 - keep) * square.sum(0)
        u = g / np.sqrt(np.outer(r, c) / r.sum() if factored else v)
        u = u / max(1.0, np.sqrt(np.mean(u * u)))
        x = x - 0.1 * max(1e-3, np.sqrt(np.mean(x * x))) * u
    return x


def penalised(x: Any, gradients: Iterator[Any]) -> Any:
    for g in gradients:
        x = x - 0.1 * np.clip(g + 0.2 * np.sign(x) + 0.3 * x, -0.5, 0.5)
    return x


RULES: dict[str, tuple[optim.Optimizer, Formula]] = {
    "sgd": (optim.sgd(0.1), momentum(0.1, 0.0, False)),
    "momentum": (optim.sgd(0.1, 0.9), momentum(0.1, 0.9, False)),
    "nesterov": (optim.sgd(0.1, 0.9, nesterov=True), momentum(0.1, 0.9, True)),
    "adam": (optim.adam(0.1), adam(0.1)),
    "nadam": (optim.adam(0.1, nesterov=True), adam(0.1, nesterov=True)),
    "adamw": (optim.adamw(0.1, weight_decay=0.01), adam(0.1, 0.01)),
    "lion": (optim.lion(0.1), lion),
    "rmsprop": (optim.rmsprop(0.1), rmsprop),
    "rmsprop centred": (
        optim.rmsprop(0.1, centered=True, momentum=0.5, eps=1e-3, eps_in_sqrt=False),
        centred,
    ),
    "adagrad": (optim.adagrad(0.1), adagrad),
    "adafactor": (optim.adafactor(0.1, min_dim_size_to_factor=4), adafactor),
    "penalties": (
        optim.chain(optim.l1(0.2), optim.l2(0.3), optim.clip(0.5), optim.sgd(0.1)),
        penalised,
    ),
}


def steps(optimizer: optim.Optimizer, update: Any = None, dtype: Any = np.float64) -> Any:
    """Parameters and state after all steps."""
    params = wg.tree_map(lambda x: x.astype(dtype), START)
    state = optimizer.init(params)
    for k, gradients in enumerate(GRADIENTS):
        gradients = wg.tree_map(lambda x: x.astype(dtype), gradients)
        value = np.asarray(1.0 / (1 + min(k, 4)), dtype)
        updates, state = (update or optimizer.update)(gradients, state, params, value)
        params = optim.apply_updates(params, updates)
    return params, state


@pytest.mark.parametrize("name", RULES)
def test_formula(name: str) -> None:
    optimizer, formula = RULES[name]
    found, _ = steps(optimizer)
    for key, start in START.items():
        expected = formula(start, (g[key] for g in GRADIENTS))
        np.testing.assert_allclose(found[key], expected, rtol=1e-9)


MORE = {
    "clip by norm": optim.chain(optim.clip_by_global_norm(0.7), optim.trace(0.9)),
    "ema": optim.chain(optim.ema(0.9), optim.scale(-0.1)),
    "accumulate": optim.accumulate(optim.adam(0.1), 4),
    "average": optim.with_average(optim.sgd(0.1)),
    "lbfgs": optim.lbfgs(0.5, 3),
    "plateau": optim.chain(optim.sgd(0.1), optim.reduce_on_plateau(patience=2, cooldown=1)),
    "schedule": optim.adam(optim.warmup_cosine_decay_schedule(0.0, 0.1, 2, 7)),
}
ALL = {**{name: rule[0] for name, rule in RULES.items()}, **MORE}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_compiled_is_eager(name: str, dtype: Any) -> None:
    """The same numbers, one compilation for all steps, and no dtype but that of the parameters."""
    optimizer = ALL[name]
    update = wg.jit(optimizer.update)
    eager, compiled = steps(optimizer, None, dtype), steps(optimizer, update, dtype)
    assert update.recompilations == 0
    assert {x.dtype for x in wg.tree_leaves(compiled[0])} == {np.dtype(dtype)}
    exact = {np.float64: 1e-12, np.float32: 1e-4, np.float16: 2e-2}[dtype]
    for x, y in zip(wg.tree_leaves(eager), wg.tree_leaves(compiled), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=exact, atol=exact)
        assert np.all(np.isfinite(x))


DECAYING = ["momentum", "nesterov", "adam", "nadam", "lion", "rmsprop centred", "ema"]


@pytest.mark.parametrize("name", DECAYING)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_means_that_fade_become_zero(name: str, dtype: Any) -> None:
    """Never subnormal numbers, on which processors are slow and rounding lets decays stop."""
    optimizer = ALL[name]
    tiny = np.finfo(dtype).tiny
    first = np.array([1.5, 4.0, 2.0**20, 0.25]) * [tiny, -tiny, tiny, np.sqrt(tiny)]
    params = np.ones(4, dtype)
    state = optimizer.init(params)
    for gradient in (first.astype(dtype), *np.zeros((200, 4), dtype)):
        updates, state = optimizer.update(gradient, state, params)
        assert np.all(np.isfinite(updates))
        for mean in (np.abs(x) for x in wg.tree_leaves(state) if np.shape(x)):
            assert np.all((mean == 0) | (mean >= tiny))
    assert any(np.any(x == 0) for x in wg.tree_leaves(state) if np.shape(x))


@pytest.mark.parametrize("name", ALL)
def test_descends(name: str) -> None:
    """In one compiled step with the gradient, towards the minimum of a quadratic."""
    optimizer = ALL[name]

    def loss(params: Any) -> Any:
        return np.sum(np.square(params["w"] - 3.0)) + np.sum(np.square(params["b"]))

    @wg.jit
    def step(params: Any, state: Any) -> Any:
        value, gradients = wg.value_and_grad(loss)(params)
        if name == "clip by norm":
            gradients = wg.tree_map(lambda g: -0.1 * g, gradients)
        updates, state = optimizer.update(gradients, state, params, value)
        return value, optim.apply_updates(params, updates), state

    params, state = START, optimizer.init(START)
    first = loss(params)
    for _ in range(12):
        _, params, state = step(params, state)
    assert loss(params) < 0.95 * first
    assert step.recompilations == 0


def test_accumulated_gradients_are_those_of_the_whole() -> None:
    optimizer = optim.accumulate(optim.adam(0.1), 3)
    state = optimizer.init(START)
    for k, gradients in enumerate(GRADIENTS[:3]):
        updates, state = optimizer.update(gradients, state, START)
        assert k == 2 or not any(np.any(u) for u in wg.tree_leaves(updates))
    mean = wg.tree_map(lambda *g: sum(g) / 3, *GRADIENTS[:3])
    whole = optim.adam(0.1)
    expected, _ = whole.update(mean, whole.init(START))
    wg.tree_map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12), updates, expected)


def test_clipping() -> None:
    gradients = GRADIENTS[0]
    norm = optim.global_norm(gradients)
    np.testing.assert_allclose(norm, np.linalg.norm(wg.ravel_pytree(gradients)[0]))
    for limit, expected in ((norm / 2, norm / 2), (norm * 2, norm)):
        clipped, _ = optim.clip_by_global_norm(limit).update(gradients, ())
        np.testing.assert_allclose(optim.global_norm(clipped), expected)
    zero = wg.tree_map(np.zeros_like, gradients)
    assert optim.global_norm(optim.clip_by_global_norm(1.0).update(zero, ())[0]) == 0
    half, _ = optim.clip_by_block_rms(0.5).update(gradients, ())
    assert all(np.sqrt(np.mean(x * x)) <= 0.5 + 1e-12 for x in wg.tree_leaves(half))


def test_mean_of_parameters() -> None:
    average = optim.ema(0.9)
    state = average.init(START)
    for k in range(1, 4):
        mean, state = average.update(wg.tree_map(lambda x, k=k: k * x, START), state)
    weights = np.array([0.81, 0.9, 1.0])
    factor = weights @ [1, 2, 3] / weights.sum()
    wg.tree_map(lambda x, y: np.testing.assert_allclose(x, factor * y), mean, START)


def test_mean_of_parameters_beside_an_optimizer() -> None:
    optimizer = optim.with_average(optim.adam(0.1), 0.8)
    params, state = START, optimizer.init(START)
    mean, sums = START, optim.ema(0.8).init(START)
    for gradients in GRADIENTS[:4]:
        updates, state = wg.jit(optimizer.update)(gradients, state, params)
        params = optim.apply_updates(params, updates)
        mean, sums = optim.ema(0.8).update(params, sums)
    wg.tree_map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12), state.average, mean)


def test_lbfgs_has_the_directions_of_minimize() -> None:
    """Those of the plain two loops over vectors, on a function with curvature of both signs."""

    def loss(params: Any) -> Any:
        return np.sum(np.cos(params["w"])) + np.sum(params["b"] ** 4)

    rule, known = optim.scale_by_lbfgs(3), Lbfgs(3)
    params, state = START, rule.init(START)
    update = wg.jit(rule.update)
    old: Any = None
    for _ in range(8):
        gradients = wg.grad(loss)(params)
        updates, state = update(gradients, state, params)
        (x, _), (g, _) = wg.ravel_pytree(params), wg.ravel_pytree(gradients)
        if old is not None:
            known.learn(x - old[0], g - old[1])
        if known.informed and (x - old[0]) @ (g - old[1]) > 0:
            np.testing.assert_allclose(wg.ravel_pytree(updates)[0], -known.at(x, g), rtol=1e-9)
        old = x, g
        params = optim.apply_updates(params, wg.tree_map(lambda u: -0.3 * u, updates))


def test_lbfgs_is_quick_where_hessians_are_constant() -> None:
    scales = np.geomspace(1.0, 100.0, 6)

    def loss(x: Any) -> Any:
        return 0.5 * np.sum(scales * (x - 1.0) ** 2)

    optimizer = optim.lbfgs()
    x: Any = np.zeros(6)
    state = optimizer.init(x)
    for _ in range(40):
        updates, state = optimizer.update(wg.grad(loss)(x), state, x)
        x = optim.apply_updates(x, updates)
    np.testing.assert_allclose(x, np.ones(6), rtol=1e-6)


def test_plateau() -> None:
    optimizer = optim.reduce_on_plateau(0.5, patience=2, cooldown=1, min_scale=0.2)
    state = optimizer.init(1.0)
    factors = []
    for value in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        updates, state = optimizer.update(np.float64(1), state, value=value)
        factors.append(float(updates))
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2]


SCHEDULES: dict[str, tuple[optim.Schedule, dict[int, float]]] = {
    "constant": (optim.constant_schedule(0.3), {0: 0.3, 9: 0.3}),
    "steps": (
        optim.piecewise_constant_schedule(1.0, {3: 0.5, 6: 0.1}),
        {0: 1.0, 2: 1.0, 3: 0.5, 5: 0.5, 6: 0.05, 99: 0.05},
    ),
    "linear": (optim.linear_schedule(1.0, 0.0, 4, 2), {0: 1.0, 2: 1.0, 4: 0.5, 6: 0.0, 9: 0.0}),
    "square": (optim.polynomial_schedule(1.0, 0.0, 2, 4), {0: 1.0, 2: 0.25, 4: 0.0}),
    "exponential": (
        optim.exponential_decay(1.0, 2, 0.25, end_value=0.1),
        {0: 1.0, 1: 0.5, 2: 0.25, 3: 0.125, 4: 0.1},
    ),
    "stairs": (optim.exponential_decay(1.0, 2, 0.25, staircase=True), {1: 1.0, 3: 0.25}),
    "cosine": (
        optim.cosine_decay_schedule(2.0, 4, alpha=0.1),
        {0: 2.0, 2: 1.1, 4: 0.2, 7: 0.2},
    ),
    "warm-up": (
        optim.warmup_cosine_decay_schedule(0.0, 1.0, 2, 6, 0.5),
        {0: 0.0, 1: 0.5, 2: 1.0, 4: 0.75, 6: 0.5, 8: 0.5},
    ),
    "no warm-up": (
        optim.warmup_cosine_decay_schedule(0.3, 1.0, 0, 4, 0.5),
        {0: 1.0, 2: 0.75, 9: 0.5},
    ),
    "one cycle": (
        optim.cosine_onecycle_schedule(10, 1.0, 0.4, 5.0, 10.0),
        {0: 0.2, 2: 0.6, 4: 1.0, 7: 0.51, 10: 0.02, 11: 0.02},
    ),
    "one cycle of lines": (
        optim.linear_onecycle_schedule(10, 1.0, 0.4, 0.8, 5.0, 10.0),
        {0: 0.2, 2: 0.6, 4: 1.0, 6: 0.6, 8: 0.2, 9: 0.11, 10: 0.02},
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    schedule, values = SCHEDULES[name]
    compiled = wg.jit(schedule)
    for count, value in values.items():
        assert float(schedule(count)) == pytest.approx(value)
        assert float(compiled(np.int64(count))) == pytest.approx(value)
    assert compiled.recompilations == 0


def halved_again_and_again(count: Any) -> Any:
    rate = 1.0
    for k in range(5):
        if count > 2 * k:
            rate = rate / 2
    return rate


@pytest.mark.parametrize(
    "optimizer",
    [
        optim.sgd(halved_again_and_again),
        optim.scale_by_schedule(lambda count: -halved_again_and_again(count)),
        optim.sgd(optim.join_schedules([halved_again_and_again, lambda count: 7.0], [6])),
    ],
    ids=["sgd", "scale_by_schedule", "join_schedules"],
)
def test_schedules_with_loops_and_branches(optimizer: optim.Optimizer) -> None:
    step = wg.jit(optimizer.update)
    state = optimizer.init(np.ones(2))
    for count in range(6):
        updates, state = step(np.ones(2), state)
        np.testing.assert_array_equal(updates, [-halved_again_and_again(count)] * 2)


def test_one_pass_over_memory() -> None:
    """Adam for several arrays: a loop for each, in which each array is read or written once."""
    optimizer = optim.adam(optim.cosine_decay_schedule(1e-3, 100))

    def update(params: Any, state: Any, gradients: Any) -> Any:
        updates, state = optimizer.update(gradients, state, params)
        return optim.apply_updates(params, updates), state

    params = [np.ones(30_000, np.float32) for _ in range(3)]
    kernels = str(wg.jit(update).lower(params, optimizer.init(params), params).kernels)
    loops = [k for k in kernels.split("kernel ") if "30000" in k and "for " in k]
    assert len(loops) == 3
    for loop in loops:
        assert len(set(re.findall(r"\bx\d+(?=\[)", loop)) - {"x3"}) == 4
        assert len(re.findall(r"\by\d+\[[^\]]*\] =", loop)) == 3
        assert "pow" not in loop


def test_numbers_as_parameters() -> None:
    optimizer = optim.adam(0.1)
    updates, _ = optimizer.update({"a": np.float64(2.0)}, optimizer.init({"a": 1.0}))
    assert optim.apply_updates({"a": 1.0}, updates)["a"] == pytest.approx(0.9)
    assert optim.adam(0.1).update([], optim.adam(0.1).init([]))[0] == []


def test_bad_input() -> None:
    with pytest.raises(DTypeError, match=r"params\['n'\] is int64"):
        optim.adam(0.1).init({"n": np.arange(3)})
    with pytest.raises(ArgumentError, match=r"update\(gradients, state, params\)"):
        optim.adamw(0.1).update(START, optim.adamw(0.1).init(START))
    with pytest.raises(ArgumentError, match="value=loss"):
        optimizer = optim.reduce_on_plateau()
        optimizer.update(START, optimizer.init(START))
    with pytest.raises(TreeError, match="state, params"):
        optim.adam(0.1).update({"w": START["w"]}, optim.adam(0.1).init(START))
    with pytest.raises(ArgumentError, match="above zero"):
        optim.clip(0.0)
    with pytest.raises(ArgumentError, match="warmup_steps < decay_steps"):
        optim.warmup_cosine_decay_schedule(0.0, 1.0, 5, 5)
    with pytest.raises(ArgumentError, match="whole number of gradients.*2.5"):
        optim.accumulate(optim.sgd(0.1), 2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="mask of add_decayed_weights.*got an array"):
        mask = {"w": np.ones((4, 5), bool), "b": False}
        optim.add_decayed_weights(0.1, mask).update(START, (), START)
    for state in ((), (1, 2, 3), 4):
        with pytest.raises(TreeError, match="chain of 2 optimisers.*init"):
            optim.adam(0.1).update(START, state)
    with pytest.raises(ArgumentError, match="joined"):
        optim.join_schedules([optim.constant_schedule(1.0)], [3])


def test_masks() -> None:
    for mask in ({"w": True, "b": False}, lambda p: wg.tree_map(lambda x: x.ndim > 1, p)):
        zero = wg.tree_map(np.zeros_like, START)
        decayed, _ = optim.add_decayed_weights(0.5, mask).update(zero, (), START)
        np.testing.assert_allclose(decayed["w"], 0.5 * START["w"])
        assert not np.any(decayed["b"])


def halved() -> optim.Optimizer:
    """Steps halved until they are short: a loop whose turns depend on the gradient."""

    def update(gradients: Any, state: Any, params: Any = None, value: Any = None) -> Any:
        while np.sum(np.square(gradients)) * state > 0.5:
            state = state * 0.5
        return -state * gradients, state

    return optim.Optimizer(lambda params: np.float64(1.0), update)


OUTER: dict[str, Callable[[optim.Optimizer], optim.Optimizer]] = {
    "alone": lambda o: o,
    "chain": lambda o: optim.chain(o, optim.scale(1.0)),
    "accumulate": lambda o: optim.accumulate(o, 1),
    "average": lambda o: optim.with_average(o),
}


@pytest.mark.parametrize("name", OUTER)
def test_loops_in_an_optimiser_of_the_users(name: str) -> None:
    """Inside others and in `fit`, which are wengert's own code, too."""
    start, data = np.zeros(3), np.full((2, 3), 4.0)
    fitted = wg.fit(
        lambda p, x: np.sum(np.square(p - x)), start, data, OUTER[name](halved()), batch_size=2
    )
    gradient = np.full(3, -16.0)
    np.testing.assert_array_equal(fitted.params, -(2.0**-11) * gradient)


@pytest.mark.parametrize(
    ("update", "error", "words"),
    [
        (lambda g, s, params, value: g, InputTypeError, "returns .updates, state., and this one"),
        (lambda g, s, params, value: ([g], s), TreeError, "the updates should be"),
        (
            lambda g, s, params, value: ({"a": np.sum(g["a"])}, s),
            ShapeError,
            r"updates.'a'. has \(\) where params",
        ),
    ],
)
def test_bad_updates_of_an_optimiser_of_the_users(update: Any, error: Any, words: str) -> None:
    own = optim.Optimizer(lambda params: (), update)
    with pytest.raises(error, match=words):
        wg.fit(lambda p, x: np.sum(p["a"] * x), {"a": np.ones(3)}, np.ones((2, 3)), own)
