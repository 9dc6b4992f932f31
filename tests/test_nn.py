"""Functions of neural networks: formulas, derivatives, compiled or not."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import special

import wengert as wg
from wengert import nn

RNG = np.random.default_rng(4)
X = np.concatenate([RNG.standard_normal(20) * 3, [-4.0, 7.0]])

ACTIVATIONS: dict[str, Any] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.maximum(x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "celu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "sigmoid": special.expit,
    "log_sigmoid": lambda x: np.log(special.expit(x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "gelu": lambda x: x * special.ndtr(x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "softmax": special.softmax,
    "log_softmax": special.log_softmax,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    fun, formula = getattr(nn, name), ACTIVATIONS[name]
    for call in (fun, wg.jit(fun)):
        np.testing.assert_allclose(call(X), formula(X), rtol=1e-12, atol=1e-14)
        assert call(X.astype(np.float32)).dtype == np.float32
    wg.testing.check_grads(fun, (X,), order=1)


def test_gelu_by_tanh() -> None:
    np.testing.assert_allclose(nn.gelu(X, approximate=True), X * special.ndtr(X), atol=2e-3)


def test_derivatives_far_out_are_finite() -> None:
    far = np.array([-1e4, -800.0, 0.0, 800.0, 1e4])
    for name in ACTIVATIONS:
        fun = getattr(nn, name)
        slope = wg.grad(lambda x, fun=fun: np.sum(fun(x)))(far)
        assert np.isfinite(slope).all(), name


# losses


def test_cross_entropy() -> None:
    logits, labels = RNG.standard_normal((5, 4)), np.array([0, 3, 1, 1, 2])
    logs = special.log_softmax(logits, axis=-1)
    wanted = -logs[np.arange(5), labels]
    np.testing.assert_allclose(wg.jit(nn.cross_entropy)(logits, labels), wanted)
    np.testing.assert_allclose(nn.cross_entropy(logits, np.eye(4)[labels]), wanted)
    smooth = wg.jit(lambda x: nn.cross_entropy(x, labels, smoothing=0.1))(logits)
    np.testing.assert_allclose(smooth, 0.9 * wanted - 0.1 * logs.mean(axis=-1))
    slope = wg.grad(lambda x: np.sum(nn.cross_entropy(x, labels)))(logits)
    np.testing.assert_allclose(
        slope, special.softmax(logits, axis=-1) - np.eye(4)[labels], atol=1e-12
    )


def test_other_losses() -> None:
    x, y = RNG.standard_normal((2, 6)) * 2
    labels = (y > 0) * 1.0
    p = special.expit(x)
    np.testing.assert_allclose(
        nn.binary_cross_entropy(x, labels), -labels * np.log(p) - (1 - labels) * np.log(1 - p)
    )
    np.testing.assert_allclose(nn.huber(x, y), special.huber(1.0, x - y))
    np.testing.assert_allclose(nn.mean_squared_error(x, y), np.mean((x - y) ** 2))
    np.testing.assert_allclose(nn.mean_absolute_error(x, y), np.mean(np.abs(x - y)))
    a, b = special.softmax(x), special.softmax(y)
    np.testing.assert_allclose(nn.kl_divergence(np.log(a), b), special.rel_entr(b, a).sum())
    np.testing.assert_allclose(
        nn.cosine_similarity(x, y), x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    )
    np.testing.assert_allclose(nn.hinge(x, np.sign(y)), np.maximum(0, 1 - x * np.sign(y)))


# layers


def test_normalisations() -> None:
    x = RNG.standard_normal((4, 3, 5))
    normal = nn.layer_norm(x, np.full(5, 2.0), np.ones(5))
    np.testing.assert_allclose(normal.mean(axis=-1), 1)
    np.testing.assert_allclose(normal.std(axis=-1), 2, rtol=1e-3)
    np.testing.assert_allclose((nn.rms_norm(x) ** 2).mean(axis=-1), 1, rtol=1e-4)
    found, mean, variance = nn.batch_norm(x, np.zeros(3), np.ones(3), train=True, momentum=0.0)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 2)))
    np.testing.assert_allclose(variance, x.var(axis=(0, 2), ddof=1))
    np.testing.assert_allclose(found.std(axis=(0, 2)), 1, rtol=1e-3)
    same, *_ = nn.batch_norm(x, mean, x.var(axis=(0, 2)), train=False)
    np.testing.assert_allclose(same, found)


def test_embedding_and_one_hot() -> None:
    table, places = RNG.standard_normal((6, 3)), np.array([[0, 5], [2, 2]])
    np.testing.assert_array_equal(wg.jit(nn.embedding)(table, places), table[places])
    np.testing.assert_array_equal(
        nn.one_hot(places, 6) @ table.astype(np.float32), table[places].astype(np.float32)
    )
    with pytest.raises(IndexError):
        wg.jit(nn.embedding)(table, np.array([6]))


def test_dropout_keeps_the_mean() -> None:
    key = wg.random.key(0)
    found = wg.jit(lambda x: nn.dropout(key, x, 0.3))(np.ones(20_000))
    assert set(np.unique(found)) == {0.0, 1 / 0.7}
    np.testing.assert_allclose(found.mean(), 1, atol=0.02)
    with pytest.raises(ValueError, match="rate of dropout"):
        nn.dropout(key, X, 1.0)


def test_attention() -> None:
    q, k, v = RNG.standard_normal((3, 2, 4, 5))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(5)
    np.testing.assert_allclose(
        wg.jit(nn.dot_product_attention)(q, k, v), special.softmax(scores, axis=-1) @ v
    )
    behind = np.tril(np.ones((4, 4), bool))
    hidden = np.where(behind, scores, -np.inf)
    causal = wg.jit(lambda *xs: nn.dot_product_attention(*xs, causal=True))(q, k, v)
    np.testing.assert_allclose(causal, special.softmax(hidden, axis=-1) @ v)
    np.testing.assert_allclose(nn.dot_product_attention(q, k, v, mask=behind), causal)
    wg.testing.check_grads(
        lambda *xs: nn.dot_product_attention(*xs, causal=True), (q, k, v), order=1
    )


# windows


def correlated(x: np.ndarray, w: np.ndarray, step: int, gap: int, pad: int, groups: int) -> Any:
    """The definition, element by element."""
    dims = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0)] + [(pad, pad)] * dims)
    space = [
        (n - (k - 1) * gap - 1) // step + 1 for n, k in zip(x.shape[2:], w.shape[2:], strict=True)
    ]
    out = np.zeros((x.shape[0], w.shape[0], *space))
    per = w.shape[0] // groups
    for o in range(w.shape[0]):
        first = o // per * w.shape[1]
        for at in itertools.product(*map(range, space)):
            cuts = tuple(
                slice(a * step, a * step + (k - 1) * gap + 1, gap)
                for a, k in zip(at, w.shape[2:], strict=True)
            )
            part = x[(slice(None), slice(first, first + w.shape[1]), *cuts)]
            out[(slice(None), o, *at)] = (part * w[o]).reshape(len(x), -1).sum(axis=1)
    return out


@pytest.mark.parametrize(
    ("space", "window", "step", "gap", "pad", "groups"),
    [
        ((9,), (3,), 1, 1, 0, 1),
        ((9,), (3,), 2, 2, 2, 2),
        ((6, 7), (3, 2), 1, 1, 1, 1),
        ((7, 7), (3, 3), 2, 1, 1, 2),
        ((7, 6), (2, 2), 1, 3, 0, 1),
        ((4, 5, 4), (2, 3, 2), 1, 1, 1, 1),
    ],
)
def test_convolution_is_its_definition(
    space: Any, window: Any, step: int, gap: int, pad: int, groups: int
) -> None:
    x = RNG.standard_normal((2, 4, *space))
    w = RNG.standard_normal((6, 4 // groups, *window))

    def f(x: Any, w: Any) -> Any:
        return nn.conv(x, w, step, pad, gap, groups)

    for call in (f, wg.jit(f)):
        np.testing.assert_allclose(call(x, w), correlated(x, w, step, gap, pad, groups), atol=1e-12)
    wg.testing.check_grads(f, (x, w), order=1)


def test_same_padding_keeps_the_space() -> None:
    x, w = RNG.standard_normal((1, 2, 7, 8)), RNG.standard_normal((3, 2, 3, 4))
    assert nn.conv(x, w, padding="same").shape == (1, 3, 7, 8)
    assert nn.conv(x, w, 2, padding="same").shape == (1, 3, 4, 4)
    assert nn.conv(x, w, padding="valid").shape == (1, 3, 5, 5)


def test_pooling() -> None:
    x = RNG.standard_normal((2, 3, 6, 8))
    blocks = x.reshape(2, 3, 3, 2, 4, 2)
    np.testing.assert_allclose(wg.jit(lambda a: nn.max_pool(a, 2))(x), blocks.max(axis=(3, 5)))
    np.testing.assert_allclose(wg.jit(lambda a: nn.avg_pool(a, 2))(x), blocks.mean(axis=(3, 5)))
    assert nn.max_pool(x, 3, 2, padding=1).shape == (2, 3, 3, 4)
    wg.testing.check_grads(lambda a: nn.max_pool(a, (2, 3), 1), (x,), order=1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.conv(np.ones((1, 3, 5)), np.ones((2, 2, 3))), "do not fit filters"),
        (lambda: nn.conv(np.ones((1, 3)), np.ones((2, 3))), "1 to 3 dimensions"),
        (lambda: nn.conv(np.ones((1, 3, 2)), np.ones((2, 3, 3))), "does not fit into"),
        (lambda: nn.max_pool(np.ones((1, 1, 4)), 0), "positive number"),
        (lambda: nn.conv(np.ones((1, 1, 4)), np.ones((1, 1, 2)), padding=[1, 1]), "an entry for"),
    ],
)
def test_shapes_that_do_not_fit(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_large_convolutions_by_the_library() -> None:
    """The windows are an operand of two products, in another role in the second."""
    x, w = RNG.standard_normal((3, 2, 12, 12)), RNG.standard_normal((12, 2, 3, 3))

    def f(x: Any, w: Any) -> Any:
        return np.sum(np.tanh(nn.conv(x, w)))

    slope = wg.grad(f, (0, 1))
    assert wg.jit(slope).lower(x, w).kernels.count("gemm ") == 3
    for mine, plain in zip(wg.jit(slope)(x, w), slope(x, w), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-10, atol=1e-12)
