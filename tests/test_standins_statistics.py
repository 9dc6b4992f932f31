"""Correlations, lines, ranks, spreads and densities by kernels of `scipy.stats` on traced values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats as st

import wengert as wg
from wengert.errors import ArgumentError

R = np.random.default_rng(11)
X = R.normal(size=(12, 3)) + 3.0
Y = 0.4 * X + R.normal(size=(12, 3))
TIED = np.round(X)
FLAT = np.ones(12)

# name -> a function of two samples; it moves with their elements
MOVING: dict[str, Callable[[Any, Any], Any]] = {
    "pearsonr": lambda x, y: st.pearsonr(x, y),
    "pearsonr less": lambda x, y: st.pearsonr(x, y, alternative="less", axis=1).pvalue,
    "pearsonr greater": lambda x, y: st.pearsonr(x, y, alternative="greater", axis=None).pvalue,
    "linregress": lambda x, y: tuple(st.linregress(x[:, 0], y[:, 0])),
    "linregress error": lambda x, y: st.linregress(x[:, 0], y[:, 1]).intercept_stderr,
    "linregress less": lambda x, y: st.linregress(x[:, 0], y[:, 1], alternative="less").pvalue,
    "linregress of two": lambda x, y: tuple(st.linregress(x[:2, 0], y[:2, 0])),
    "ttest_ind": lambda x, y: tuple(st.ttest_ind(x, y, equal_var=False)),
    "ttest_rel": lambda x, y: tuple(st.ttest_rel(x, y)),
    "f_oneway": lambda x, y: tuple(st.f_oneway(x, y, x[:5] * y[:5])),
    "f_oneway rows": lambda x, y: st.f_oneway(x, y, axis=1).statistic,
    "iqr": lambda x, y: st.iqr(x, axis=0) + st.iqr(y, rng=(20, 60), scale="normal"),
    "iqr kept": lambda x, y: x - st.iqr(x, axis=1, keepdims=True, interpolation="midpoint"),
    "mad": lambda x, y: st.median_abs_deviation(x) + st.median_abs_deviation(y, scale="normal"),
    "mad of all": lambda x, y: st.median_abs_deviation(x, axis=None, center=np.mean),
    "hmean": lambda x, y: st.hmean(x * x, axis=1) + st.hmean(y * y, axis=None),
    "hmean weighted": lambda x, y: st.hmean(np.abs(x), weights=np.abs(y)),
    "kde": lambda x, y: st.gaussian_kde(x[:, 0])(y[:, 0]),
    "kde of planes": lambda x, y: st.gaussian_kde(x.T, "silverman").logpdf(y.T),
    "kde weighted": lambda x, y: st.gaussian_kde(x.T, 0.7, x[:, 0] ** 2).evaluate(y.T[:, :4]),
    "kde covariance": lambda x, y: st.gaussian_kde(x.T).covariance,
    "kde box": lambda x, y: st.gaussian_kde(x[:, 0]).integrate_box_1d(y[0, 0] - 1.0, 3.0),
    "kde point": lambda x, y: st.gaussian_kde(x.T)(y[0]),
    "kde called": lambda x, y: st.gaussian_kde(x[:, 0], lambda k: 2.0 * k.scotts_factor())(2.0),
}
KNOWN = st.gaussian_kde(X.T, 0.4, weights=np.arange(1.0, 13.0))
STEADY: dict[str, Callable[[Any, Any], Any]] = {
    **{
        f"rankdata {method} {axis}": lambda x, y, m=method, a=axis: st.rankdata(x, m, axis=a)
        for method, axis in (
            *(("average", None), ("average", 1), ("min", 0)),
            *(("max", 1), ("dense", None), ("ordinal", 0)),
        )
    },
    "spearmanr": lambda x, y: tuple(st.spearmanr(x[:, 0], y[:, 0], alternative="less")),
    "spearmanr of columns": lambda x, y: tuple(st.spearmanr(x, y)),
    "spearmanr of rows": lambda x, y: st.spearmanr(x[:2], axis=1).correlation,
    "spearmanr of all": lambda x, y: tuple(st.spearmanr(x, y, axis=None)),
}


@pytest.mark.parametrize("name", [*MOVING, *STEADY])
def test_values_are_scipys(name: str) -> None:
    f = {**MOVING, **STEADY}[name]
    samples = [(X, Y)] if name in MOVING else [(X, Y), (TIED, Y), (TIED, TIED)]
    for x, y in samples:
        found, expected = wg.jit(lambda x, y: f(x, y))(x, y), f(x, y)
        parts = found if isinstance(found, tuple) else (found,)
        wanted = expected if isinstance(expected, tuple) else (expected,)
        assert len(parts) == len(wanted)
        for p, w in zip(parts, wanted, strict=True):
            assert np.shape(p) == np.shape(w)
            np.testing.assert_allclose(p, w, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", MOVING)
def test_derivatives_are_differences(name: str) -> None:
    def total(x: Any, y: Any) -> Any:
        found = MOVING[name](x, y)
        parts = found if isinstance(found, tuple) else (found,)
        return sum(np.sum(np.sin(1.0 + p)) for p in parts)

    grads = wg.jit(wg.grad(total, argnums=(0, 1)))(X, Y)
    for k, (place, grad) in enumerate(zip((X, Y), grads, strict=True)):
        direction, h = R.normal(size=place.shape), 1e-6
        ends = [[X, Y], [X, Y]]
        ends[0][k], ends[1][k] = place + h * direction, place - h * direction
        expected = (total(*ends[0]) - total(*ends[1])) / (2 * h)
        np.testing.assert_allclose(np.sum(grad * direction), expected, 2e-5, 1e-7)


def test_a_kernel_density_of_known_data_takes_traced_points() -> None:
    for f in (lambda p: KNOWN(p), lambda p: KNOWN.logpdf(p), lambda p: KNOWN.pdf(p[:, 0])):
        np.testing.assert_allclose(wg.jit(f)(Y.T), f(Y.T), rtol=1e-10)


def test_samples_that_do_not_vary_are_scipys() -> None:
    with pytest.warns(st.ConstantInputWarning):
        assert np.isnan(st.pearsonr(FLAT, X[:, 0]).statistic)
    assert np.isnan(wg.jit(lambda x: st.pearsonr(FLAT, x)[0])(X[:, 0]))
    assert wg.jit(lambda x: st.linregress(x, FLAT).rvalue)(X[:, 0]) == 0.0
    with pytest.raises(ValueError, match="all x values are identical"):
        wg.jit(lambda x: st.linregress(x, X[:, 0]).slope)(FLAT)
    missing = np.array([1.0, np.nan, 2.0])
    assert np.isnan(wg.jit(lambda x: st.rankdata(x))(missing)).all()
    assert np.isnan(wg.jit(lambda x: st.hmean(x))(-X[:, 0]))


def test_what_draws_samples_or_leaves_out_elements_is_an_error() -> None:
    for f in (
        lambda x: st.pearsonr(x, x, method=st.PermutationMethod())[0],
        lambda x: st.pearsonr(x, x, alternative="more")[1],
        lambda x: st.rankdata(x, nan_policy="omit"),
        lambda x: st.iqr(x, nan_policy="omit"),
        lambda x: st.gaussian_kde(x, "wide")(x),
    ):
        with pytest.raises(ArgumentError):
            wg.jit(f)(X[:, 0])
