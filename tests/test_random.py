"""Random numbers: their bits against JAX's where it is installed, their laws, all back ends."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any

import numpy as np
import pytest
import scipy.stats
from cuda_device import fetched, forget_devices, use_device

import wengert as wg
from wengert import random
from wengert.errors import ArgumentError, DTypeError

KEY = random.key(42)
HAS_JAX = importlib.util.find_spec("jax") is not None

# Salmon et al.'s vectors of known answers for threefry2x32 with 20 rounds.
KNOWN = (
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
)


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN)
def test_known_answers(key: Any, counter: Any, expected: Any) -> None:
    high, low = (np.array([c], np.uint32) for c in counter)
    found = random.threefry.threefry(np.array(key, np.uint32), high, low)
    assert tuple(int(x[0]) for x in found) == expected


@pytest.mark.slow
@pytest.mark.skipif(not HAS_JAX, reason="JAX, whose bits these are, is not installed")
def test_bits_are_those_of_jax() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    key = jax.random.PRNGKey(42)
    np.testing.assert_array_equal(random.split(KEY, 3), jax.random.split(key, 3))
    np.testing.assert_array_equal(random.fold_in(KEY, 7), jax.random.fold_in(key, 7))
    for dtype in (jax.numpy.bfloat16, np.float16, np.float32, np.float64):
        ours, theirs = (
            random.uniform(KEY, (9, 3), dtype=dtype),
            jax.random.uniform(key, (9, 3), dtype),
        )
        np.testing.assert_array_equal(ours, theirs)
    for kind in (np.int32, np.int64):
        expected = jax.random.randint(key, (50,), -5, 100, kind)
        np.testing.assert_array_equal(random.randint(KEY, (50,), -5, 100, kind), expected)
    np.testing.assert_array_equal(random.permutation(KEY, 50), jax.random.permutation(key, 50))
    np.testing.assert_allclose(
        random.normal(KEY, (50,)), jax.random.normal(key, (50,), np.float64), rtol=1e-12
    )


DISTRIBUTIONS = {
    "uniform": scipy.stats.uniform,
    "normal": scipy.stats.norm,
    "exponential": scipy.stats.expon,
    "gumbel": scipy.stats.gumbel_r,
    "laplace": scipy.stats.laplace,
    "logistic": scipy.stats.logistic,
    "cauchy": scipy.stats.cauchy,
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distributions(name: str, dtype: Any) -> None:
    found = getattr(random, name)(KEY, (20_000,), dtype=dtype)
    assert found.dtype == dtype
    assert scipy.stats.kstest(found, DISTRIBUTIONS[name].cdf).pvalue > 1e-3


FAMILIES = {
    "gamma": (lambda a: random.gamma(KEY, a, (4000,)), lambda a: scipy.stats.gamma(a)),
    "beta": (lambda a: random.beta(KEY, a, 2.0, (4000,)), lambda a: scipy.stats.beta(a, 2.0)),
    "dirichlet": (
        lambda a: random.dirichlet(KEY, np.stack([a, a, a * 0 + 1.0]), (4000,))[:, 0],
        lambda a: scipy.stats.beta(a, a + 1.0),
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("a", [0.4, 3.0])
def test_families_and_their_derivatives(name: str, a: float) -> None:
    """The slope of the mean of samples is that of the mean, as far as so many samples tell it."""
    draw, family = FAMILIES[name]
    found = wg.jit(draw)(a)
    assert scipy.stats.kstest(found, family(a).cdf).pvalue > 1e-3
    _, tangent = wg.jvp(draw, (a,), (1.0,))
    step = 1e-5
    np.testing.assert_allclose(
        tangent, (draw(a + step) - draw(a - step)) / (2 * step), rtol=1e-4, atol=1e-6
    )
    wanted = (family(a + step).mean() - family(a - step).mean()) / (2 * step)
    assert abs(tangent.mean() - wanted) < 5 * tangent.std() / 4000**0.5


def test_multivariate_normal() -> None:
    root = np.array([[1.0, 0.0], [0.7, 0.5]])
    mean = np.array([1.0, -2.0])
    found = wg.jit(random.multivariate_normal, static_argnames="shape")(
        KEY, mean, root @ root.T, shape=(4000,)
    )
    white = np.linalg.solve(root, (found - mean).T)
    assert all(scipy.stats.kstest(w, scipy.stats.norm.cdf).pvalue > 1e-3 for w in white)
    assert abs(np.corrcoef(white)[0, 1]) < 0.08
    assert random.dirichlet(KEY, np.full((3, 4), 1e-3), dtype=np.float32).sum() == pytest.approx(3)


def test_truncated_normal() -> None:
    found = random.truncated_normal(KEY, -0.5, 3.0, (20_000,))
    assert found.min() > -0.5
    assert found.max() < 3.0
    assert scipy.stats.kstest(found, scipy.stats.truncnorm(-0.5, 3.0).cdf).pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_randint_is_even(dtype: Any) -> None:
    found = random.randint(KEY, (60_000,), 3, 10, dtype)
    assert found.dtype == dtype
    counts = np.bincount(found.astype(np.int64), minlength=10)
    assert not counts[:3].any()
    assert scipy.stats.chisquare(counts[3:]).pvalue > 1e-3


def test_choices() -> None:
    p = np.array([0.1, 0.2, 0.7])
    counts = np.bincount(random.categorical(KEY, np.log(p), shape=(20_000,)))
    assert scipy.stats.chisquare(counts, p * 20_000).pvalue > 1e-3
    counts = np.bincount(random.choice(KEY, 3, (20_000,), p=p))
    assert scipy.stats.chisquare(counts, p * 20_000).pvalue > 1e-3
    assert abs(random.bernoulli(KEY, 0.3, (20_000,)).mean() - 0.3) < 0.02
    found = random.choice(KEY, np.arange(10) * 10, (10,), replace=False)
    assert sorted(found) == list(range(0, 100, 10))
    assert set(random.rademacher(KEY, (50,))) == {-1, 1}


def test_permutations() -> None:
    np.testing.assert_array_equal(np.sort(random.permutation(KEY, 100)), np.arange(100))
    x = np.arange(12).reshape(3, 4)
    found = random.permutation(KEY, x, axis=1)
    np.testing.assert_array_equal(np.sort(found, axis=1), x)


def test_keys_give_different_numbers() -> None:
    keys = [KEY, *random.split(KEY, 3), *(random.fold_in(KEY, k) for k in range(3, 6))]
    found = {random.bits(k, (2,)).tobytes() for k in keys}
    assert len(found) == len(keys)
    np.testing.assert_array_equal(random.fold_in(KEY, 2), random.split(KEY, 3)[2])


def drawn(key: Any) -> tuple[Any, ...]:
    first, second = random.split(key)
    numbers = random.uniform(first, (40, 3)), random.randint(second, (50,), 0, 1000)
    return (*numbers, random.bits(key, (7,), np.uint64), random.permutation(key, 20))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpu", "cuda", "reference"])
def test_back_ends_agree_bit_by_bit(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend == "cuda" and shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    use_device(monkeypatch)
    found = wg.tree_map(fetched, wg.jit(drawn, backend=backend)(KEY))
    monkeypatch.undo()
    forget_devices()
    for x, y in zip(found, drawn(KEY), strict=True):
        np.testing.assert_array_equal(x, y)


def test_many_numbers_are_the_same_as_few() -> None:
    few = random.uniform(KEY, (1000,))
    np.testing.assert_array_equal(random.uniform(KEY, (10_000,))[:1000], few)


def test_numbers_are_made_inside_the_loops_that_use_them() -> None:
    few = wg.jit(lambda k: random.normal(k, (100,)).sum()).lower(KEY)  # for one thread
    assert "arena 0 bytes" in few.kernels
    many = wg.jit(lambda k: random.normal(k, (1000,)).sum()).lower(KEY)
    assert "arena 64 bytes" in many.kernels  # sums of its eight shares


def test_derivatives_go_through_samples() -> None:
    def loss(mean: Any, scale: Any) -> Any:
        return ((mean + scale * random.normal(KEY, (5000,))) ** 2).mean()

    slopes = wg.grad(loss, (0, 1))(1.5, 2.0)
    np.testing.assert_allclose(slopes, (3.0, 4.0), rtol=0.1)
    low, high = wg.grad(lambda a, b: random.uniform(KEY, (), a, b), (0, 1))(1.0, 3.0)
    np.testing.assert_allclose(low + high, 1.0)


def test_keys_are_mapped() -> None:
    keys = random.split(KEY, 4)
    found = wg.jit(wg.vmap(lambda k: random.normal(k, (3,))))(keys)
    expected = np.stack([random.normal(k, (3,)) for k in keys])
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_seeds_may_be_traced() -> None:
    found = wg.jit(lambda n: random.uniform(random.fold_in(random.key(n), n)))(np.int64(3))
    assert found == random.uniform(random.fold_in(random.key(3), 3))


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"random\.key\(seed\)"):
        random.uniform(3, (2,))
    with pytest.raises(DTypeError, match="uint32"):
        random.uniform(np.zeros(2), (2,))
    with pytest.raises(ArgumentError, match=r"shape \(4, 2\)"):
        random.normal(random.split(KEY, 4))
    with pytest.raises(DTypeError, match="float dtype"):
        random.normal(KEY, (3,), np.int64)
    with pytest.raises(ArgumentError, match="5 different entries"):
        random.choice(KEY, 4, (5,), replace=False)
