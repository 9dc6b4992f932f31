"""Complete elliptic integrals of the parameter m, and of 1 - p.

Values are SciPy's. Slopes are DLMF 19.4.1 and 19.4.2 in m = k^2; near m = 0, where these cancel,
those of DLMF 19.5.1 and 19.5.2 by Gauss' hypergeometric function.
"""

from __future__ import annotations

import math

from wengert.ir.builder import Value
from wengert.ir.ops.orders import of_known

NEAR = 0.25
"""Below this, series of m have few terms; above it the closed forms lose little."""


def _safe(m: Value) -> tuple[Value, Value, Value]:
    """Where m is near 0, and m where it is near and where it is far."""
    near = m.abs().lt(NEAR)
    return near, near.select(m, 0.0), near.select(0.5, m)


def _slope_of_first(m: Value, rest: Value) -> Value:
    """dK/dm, where rest is 1 - m."""
    near, small, large = _safe(m)
    kept = near.select(0.5, rest)
    series = small.hyp2f1(a=1.5, b=1.5, c=2.0) * (math.pi / 8)
    closed = (large.ellipe() - kept * kept.ellipkm1()) / (large * kept * 2.0)
    return near.select(series, closed)


def _slope_of_second(m: Value) -> Value:
    near, small, large = _safe(m)
    series = small.hyp2f1(a=0.5, b=1.5, c=2.0) * (-math.pi / 8)
    return near.select(series, (large.ellipe() - large.ellipk()) / (large * 2.0))


of_known(
    *("ellipk", (), lambda m, out: _slope_of_first(m, 1.0 - m), (-2, 0.9), [()]),
    "the complete elliptic integral of the first kind",
)
of_known(
    *("ellipkm1", (), lambda p, out: -_slope_of_first(1.0 - p, p), (0.1, 3), [()]),
    "ellipk(1 - p), exact for small p",
)
of_known(
    *("ellipe", (), lambda m, out: _slope_of_second(m), (-2, 0.9), [()]),
    "the complete elliptic integral of the second kind",
)
