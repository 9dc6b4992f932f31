"""Special functions by those of inverses, tails and counts: SciPy's values, and their slopes."""

import numpy as np
import pytest
import scipy.special as sp

import wengert as wg

P = np.array([1e-4, 0.02, 0.3, 0.4999999, 0.5, 0.51, 0.9, 0.9999])
X = np.array([0.1, 0.7, 2.0, 11.0])
K = np.array([0.0, 1.0, 2.5, 5.0])

FUNCTIONS = {
    "stdtrit": (lambda p: sp.stdtrit(3.5, p), P),
    "stdtrit of few": (lambda p: sp.stdtrit(0.6, p), P),
    "betainccinv": (lambda p: sp.betainccinv(2.0, 3.0, p), P),
    "chdtri": (lambda p: sp.chdtri(3.0, p), P),
    "gammaincinv in a": (lambda x: sp.gammaincinv(x, 0.3), X),
    "exp1": (sp.exp1, X),
    "k0": (sp.k0, X),
    "k1": (sp.k1, X),
    "powm1": (lambda x: sp.powm1(x, 1e-9), X),
    "binom": (lambda x: sp.binom(12.5, x), X),
    "poch": (lambda x: sp.poch(x, 2.5), X),
    "binom of many": (lambda x: sp.binom(1e12 * x, K), X),
    "poch of large": (lambda x: sp.poch(1e7 * x, 2.7), X),
    "pdtr": (lambda x: sp.pdtr(K, x), X),
    "pdtrc": (lambda x: sp.pdtrc(K, x), X),
    "bdtr": (lambda p: sp.bdtr(K, 5, p), np.array([0.1, 0.4, 0.5, 0.9])),
    "bdtrc": (lambda p: sp.bdtrc(K, 5, p), np.array([0.1, 0.4, 0.5, 0.9])),
    "nbdtr": (lambda p: sp.nbdtr(3, 5, p), P[1:-1]),
    "nbdtrc": (lambda p: sp.nbdtrc(3, 5, p), P[1:-1]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_scipys_and_slopes_are_differences(name):
    f, x = FUNCTIONS[name]
    np.testing.assert_allclose(wg.jit(f)(x), f(x), rtol=2e-12, atol=1e-14)
    step = 1e-5 * np.minimum(np.abs(x), 1 - x if x is P else 1.0)
    expected = (f(x + step) - f(x - step)) / (2 * step)
    slope = wg.jvp(f, (x,), (np.ones_like(x),))[1]
    size = np.abs(f(x)).max() + np.abs(expected)
    assert (np.abs(slope - expected) < 1e-6 * size).all()


def test_the_normal_distribution_is_flat_far_out_to_any_order():
    x = np.array([-np.inf, -50.0, 50.0, np.inf])
    f = sp.ndtr
    for _ in range(3):
        f = (lambda g: lambda x: wg.jvp(g, (x,), (np.ones_like(x),))[1])(f)
        assert (f(x) == 0).all()
        assert (np.isnan(f(np.array([np.nan])))).all()
