"""Attention in blocks: against the formula, in all modes, and what it keeps in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import nn
from wengert.ir.passes.pipeline import default_pipeline
from wengert.kernels.loops import Space
from wengert.kernels.lower import lower
from wengert.kernels.statements import buffers
from wengert.nn import attention

RNG = np.random.default_rng(31)
BEHIND = {"causal": True}


def formula(
    q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False, *, bias: Any = 0.0
) -> Any:
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]) + bias
    seen = np.ones(scores.shape[-2:], bool) if mask is None else mask
    seen = np.logical_and(seen, np.tri(*scores.shape[-2:], dtype=bool)) if causal else seen
    raised = np.where(seen, np.exp(scores), 0)
    total = np.sum(raised, axis=-1, keepdims=True)
    return raised / np.where(total == 0, 1, total) @ v


def drawn(
    lead: tuple[int, ...], queries: int, keys: int, rng: np.random.Generator = RNG
) -> list[Any]:
    shapes = (*lead, queries, 4), (*lead, keys, 4), (*lead, keys, 3)
    return [rng.standard_normal(s) for s in shapes]


def options(names: str, queries: int, keys: int) -> dict[str, Any]:
    found: dict[str, Any] = dict(BEHIND) if "causal" in names else {}
    if "mask" in names:
        found["mask"] = RNG.random((queries, keys)) < 0.5
        found["mask"][5] = False
    if "bias" in names:
        found["bias"] = RNG.standard_normal((keys,))
    return found


CASES = [
    ((8,), 384, 384, ""),  # whole blocks, whole tasks
    ((), 362, 402, "causal mask bias"),  # parts of the queries, several blocks a task
    ((2,), 500, 290, "causal"),  # more queries than keys
]


@pytest.mark.slow
@pytest.mark.parametrize(("lead", "queries", "keys", "names"), CASES)
def test_all_modes(lead: Any, queries: int, keys: int, names: str) -> None:
    inputs, given = drawn(lead, queries, keys), options(names, queries, keys)
    weight = RNG.standard_normal((*lead, queries, 3))
    steps = tuple(RNG.standard_normal(x.shape) for x in inputs)

    def results(function: Any) -> Any:
        def f(*xs: Any) -> Any:
            return function(*xs, **given)

        def loss(*xs: Any) -> Any:
            return np.sum(np.sin(f(*xs)) * weight)

        def both(*xs: Any) -> Any:
            out, pull = wg.vjp(f, *xs)
            return out, pull(weight), wg.jvp(f, xs, steps)[1], wg.hvp(loss, xs, steps)

        return wg.tree_leaves(wg.jit(both)(*inputs))

    for mine, plain in zip(results(nn.dot_product_attention), results(formula), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_reverse_over_reverse() -> None:
    inputs = drawn((), 363, 364)

    def twice(function: Any) -> Any:
        def loss(*xs: Any) -> Any:
            return np.sum(function(*xs) ** 2)

        def slopes(*xs: Any) -> Any:
            return sum(np.sum(np.sin(g)) for g in wg.grad(loss, (0, 1, 2))(*xs))

        return wg.jit(wg.grad(slopes, (0, 1, 2)))(*inputs)

    for mine, plain in zip(twice(nn.dot_product_attention), twice(formula), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_bias_and_scale_have_derivatives() -> None:
    q, k, v = drawn((2,), 363, 364)
    bias, scale = RNG.standard_normal((363, 1)), np.float64(0.3)

    def mine(b: Any, s: Any) -> Any:
        return np.sum(nn.dot_product_attention(q, k, v, scale=s, bias=b + k[0, :, 0]) ** 2)

    def plain(b: Any, s: Any) -> Any:
        return np.sum(formula(q * s * 2, k, v, bias=b + k[0, :, 0]) ** 2)

    for found, wanted in zip(
        wg.jit(wg.grad(mine, (0, 1)))(bias, scale), wg.grad(plain, (0, 1))(bias, scale), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_batches_and_groups() -> None:
    """vmap over a shared key, fewer heads of keys than of queries, and no trace at all."""
    q, k, v = drawn((2, 4), 363, 364, np.random.default_rng(7))
    k, v = k[:, :2], v[:, :2]
    wanted = formula(q, np.repeat(k, 2, axis=1), np.repeat(v, 2, axis=1))
    attend = nn.dot_product_attention
    np.testing.assert_allclose(attend(q, k, v), wanted, rtol=1e-10)
    narrow = wg.jit(attend)(*(x.astype(np.float32) for x in (q, k, v)))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wanted, rtol=2e-4, atol=1e-5)
    mapped = wg.jit(wg.vmap(attend, in_axes=(1, None, None)))
    found = mapped(q, k[:, 0], v[:, 0])
    np.testing.assert_allclose(found[1], formula(q[:, 1], k[:, 0], v[:, 0]), rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("stored", [True, False])
def test_queries_that_see_nothing_get_zeros(stored: bool, monkeypatch: Any) -> None:
    if stored:
        monkeypatch.setattr(attention, "STORED", 1 << 30)
    inputs = drawn((), 363, 364)
    mask = np.ones((363, 364), bool)
    mask[7] = False
    bias = np.where(np.arange(363) == 9, -np.inf, 0.0)[:, None]

    def f(*xs: Any) -> Any:
        return nn.dot_product_attention(*xs, mask, bias=bias)

    assert not wg.jit(f)(*inputs)[[7, 9]].any()
    slopes = wg.jit(wg.grad(lambda *xs: np.sum(f(*xs)), (0, 1, 2)))(*inputs)
    assert all(np.isfinite(x).all() for x in slopes) and not slopes[0][[7, 9]].any()


def temporaries(function: Any, length: int) -> int:
    """Bytes of all temporaries: the arena, and what a thread has of its own."""
    inputs = [np.ones((8, length, 16), np.float32)] * 3
    loops = lower(default_pipeline(wg.make_ir(function)(*inputs).program)).loops
    local = {b for k in loops.steps for b in buffers(k.body) if b.space is Space.LOCAL}
    return loops.arena + sum(b.nbytes for b in local)


@pytest.mark.slow
@pytest.mark.parametrize("names", ["causal", "", "mask"])
def test_memory_is_linear_in_the_sequence(names: str) -> None:
    """Here the mask says which keys there are in each element of the batch."""

    def f(*xs: Any) -> Any:
        mask = np.ones((8, 1, xs[0].shape[1]), bool) if names == "mask" else None
        return nn.dot_product_attention(*xs, mask, names == "causal")

    def loss(*xs: Any) -> Any:
        return np.sum(f(*xs))

    def forward_mode(*xs: Any) -> Any:
        return wg.jvp(f, xs, xs)

    def reverse_over_reverse(*xs: Any) -> Any:
        slopes = wg.grad(loss, (0, 1, 2))
        return wg.grad(lambda *xs: sum(np.sum(g * g) for g in slopes(*xs)), (0, 1, 2))(*xs)

    twice = [] if names == "mask" else [reverse_over_reverse]
    for function in (f, wg.grad(loss, (0, 1, 2)), forward_mode, *twice):
        short, long = (temporaries(function, n) for n in (4000, 8000))
        assert long <= 2.1 * short
        part = 32 if function is reverse_over_reverse else 64
        assert long < 8 * 8000 * 8000 * 4 / part  # a part of one copy of the scores


def test_errors() -> None:
    q, k, v = drawn((), 3, 4)
    with pytest.raises(ValueError, match="takes queries"):
        nn.dot_product_attention(q, k[:3], v)
    with pytest.raises(TypeError, match="as bias"):
        nn.dot_product_attention(q, k, v, mask=np.ones((3, 4)))
