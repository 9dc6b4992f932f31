"""The model of what many processes cost: fits recover it, buckets are best, predictions add up."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.scaling.model import Compute, Link, best_bucket, fit_compute, fit_link, predict

LINK = Link(alpha=3e-6, beta=2e-10)
COMPUTE = Compute(fixed=2e-3, row=5e-5)


def test_fits_recover_the_model() -> None:
    sizes = (1e4, 1e6, 1e8)
    times = [(n, c, m, c * LINK.ring(n, m)) for n, c in ((2, 1.0), (4, 2.0)) for m in sizes]
    found = fit_link(times)
    np.testing.assert_allclose((found.alpha, found.beta), (LINK.alpha, LINK.beta))
    steps = [
        (r, c, k, COMPUTE.step(r, c, k)) for r, c, k in ((512, 1, 2), (256, 1, 1), (128, 2, 1))
    ]
    made = fit_compute(steps)
    np.testing.assert_allclose((made.fixed, made.row), (COMPUTE.fixed, COMPUTE.row))


@pytest.mark.parametrize("n", [2, 64, 4096])
def test_no_other_bucket_is_better(n: int) -> None:
    nbytes = 1e9

    def exposed(bucket: float) -> float:
        latencies = 2 * (n - 1) * LINK.alpha * nbytes / bucket
        return latencies + 2 * (n - 1) / n * LINK.beta * bucket

    best = best_bucket(LINK, n, nbytes)
    assert all(exposed(best) <= exposed(best * factor) for factor in (0.5, 0.9, 1.1, 2.0))


def test_predictions() -> None:
    found = {(p.n, p.scheme): p for p in predict(LINK, COMPUTE, 256, 4e6, 1e-3, (2, 4096))}
    alone = COMPUTE.step(256, 1.0)
    ring = found[4096, "ring"]
    assert ring.seconds == pytest.approx(alone + LINK.ring(4096, 4e6))
    assert ring.efficiency == pytest.approx(alone / ring.seconds)
    assert found[4096, "sharded"].seconds < ring.seconds
    assert found[4096, "tree"].seconds < ring.seconds  # latencies: 12 against 8190
