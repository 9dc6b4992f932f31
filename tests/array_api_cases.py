"""SciPy's functions on traced values, which need SCIPY_ARRAY_API=1 before SciPy is imported.

Run as a program: prints for each case an empty text, or what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from scipy import fft, integrate, linalg, optimize, signal, special, stats
from scipy.cluster import vq
from scipy.spatial.transform import Rotation

import wengert as wg

X = np.array([0.3, 1.2, 0.7, 2.5, 1.1, 0.2])
Y = np.array([0.5, 0.1, 0.9, 0.4, 0.6, 1.7])
T = np.array([0.0, 0.1, 0.3, 0.4, 0.7, 1.0])
Case = Callable[[Any], Any]


def _of(module: Any, names: str, *rest: Any) -> dict[str, Case]:
    def case(name: str) -> Case:
        return lambda x: getattr(module, name)(x, *rest)

    return {f"{module.__name__[6:]}.{name}": case(name) for name in names.split()}


CASES: dict[str, Case] = {
    **_of(special, "logsumexp softmax log_softmax entr expit gammaln erf digamma ndtr i0e sinc"),
    **_of(special, "cbrt exp10 log_ndtr log1p"),
    **_of(special, "xlogy xlog1py rel_entr kl_div betaln beta huber pseudo_huber", Y),
    "special.logsumexp of rows": lambda x: special.logsumexp(x.reshape(2, 3), axis=1),
    "special.logsumexp with weights": lambda x: special.logsumexp(x, b=Y),
    **_of(stats, "zscore gzscore gmean moment skew kurtosis variation entropy sem gstd kstat"),
    **_of(stats, "differential_entropy lmoment circmean circvar circstd tmean tvar tstd tsem"),
    **_of(stats, "tmin tmax"),
    **_of(stats, "zmap entropy", Y),
    "stats.describe": lambda x: stats.describe(x).variance,
    "stats.boxcox_llf": lambda x: stats.boxcox_llf(0.5, x),
    "stats.yeojohnson_llf": lambda x: stats.yeojohnson_llf(0.5, x),
    "stats.directional_stats": lambda x: stats.directional_stats(x.reshape(3, 2)).mean_direction,
    **_of(integrate, "trapezoid cumulative_trapezoid", T),
    "integrate.cumulative_simpson": lambda x: integrate.cumulative_simpson(x, x=T),
    "integrate.trapezoid over x": lambda x: integrate.trapezoid(T, np.cumsum(x)),
    "integrate.romb": lambda x: integrate.romb(x[:5], dx=0.1),
    "integrate.fixed_quad": lambda x: integrate.fixed_quad(lambda s: np.exp(x[0] * s), 0, 1)[0],
    "signal.fftconvolve": lambda x: signal.fftconvolve(x, Y[:3]),
    "signal.oaconvolve": lambda x: signal.oaconvolve(x, Y[:3]),
    "signal.hilbert": lambda x: signal.hilbert(x).imag,
    "signal.resample": lambda x: signal.resample(x, 9),
    "signal.freqz": lambda x: signal.freqz(x, worN=8)[1].real,
    "fft.fft": lambda x: fft.fft(x).real,
    "fft.irfft": lambda x: fft.irfft(x),
    "cluster.whiten": lambda x: vq.whiten(x.reshape(3, 2)),
    **_of(optimize, "rosen rosen_der"),
    "linalg.block_diag": lambda x: linalg.block_diag(x.reshape(2, 3), np.eye(2)),
    "Rotation.from_rotvec": lambda x: Rotation.from_rotvec(x[:3]).as_matrix(),
    "Rotation.apply": lambda x: Rotation.from_rotvec(x[:3]).apply(x[3:]),
    "Rotation product": lambda x: (
        Rotation.from_rotvec(x[:3]) * Rotation.from_rotvec(x[3:])
    ).as_quat(),
}

if np.lib.NumpyVersion(scipy.__version__) < "1.18.0":  # later ones look at the elements for NaN
    CASES["stats.trim_mean"] = lambda x: stats.trim_mean(x, 0.2)


def wrong(f: Case) -> str:
    """What is wrong with `f` compiled and differentiated; differences are of SciPy's own values."""
    expected = np.asarray(f(X))
    weights = np.cos(np.arange(expected.size)).reshape(expected.shape)

    def total(x: Any) -> Any:
        return np.sum(f(x) * weights)

    try:
        np.testing.assert_allclose(wg.jit(f)(X), expected, rtol=1e-9, atol=1e-12)
        step = 1e-6 * np.eye(X.size)
        slopes = [(total(X + h) - total(X - h)) / 2e-6 for h in step]
        np.testing.assert_allclose(wg.jit(wg.grad(total))(X), slopes, rtol=1e-5, atol=1e-6)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    print(json.dumps({name: wrong(f) for name, f in CASES.items()}))
