"""Where each maths function is tested, and its exact value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special

from wengert.ir.scalar import ScalarOp as O

Array = np.ndarray[Any, Any]
# x mod pi for the largest float64 needs 1024 bits more than the result
PRECISION = 1200


@dataclass(frozen=True)
class Sampler:
    """Random points of one dtype."""

    dtype: str
    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "random", np.random.default_rng(self.seed))

    @property
    def single(self) -> bool:
        return self.dtype == "float32"

    def uniform(self, low: float, high: float, share: float = 1) -> Array:
        n = int(self.count * share)
        return self.random.uniform(low, high, n).astype(self.dtype)

    def magnitudes(self, low: float, high: float, share: float = 0.3) -> Array:
        """Both signs, uniform in the exponent."""
        n = int(self.count * share)
        sizes = np.exp(self.random.uniform(np.log(low), np.log(high), n))
        return (sizes * self.random.choice([-1, 1], n)).astype(self.dtype)

    @property
    def smallest(self) -> float:
        return 1e-45 if self.single else 5e-324

    @property
    def largest(self) -> float:
        return 3.4e38 if self.single else 1.79e308

    def around(self, points: Array, steps: int = 2) -> Array:
        """The numbers nearest to the points, and their neighbours."""
        at = np.asarray(points).astype(self.dtype)
        found = [at]
        for end in (-np.inf, np.inf):
            near = at
            for _ in range(steps):
                near = np.nextafter(near, np.array(end, self.dtype))
                found.append(near)
        return np.concatenate(found)


Points = Callable[[Sampler], list[Array]]


def _one(*parts: Callable[[Sampler], Array]) -> Points:
    return lambda s: [np.concatenate([p(s) for p in parts])]


def _all_sizes(s: Sampler) -> Array:
    return s.magnitudes(s.smallest, s.largest)


def _small(s: Sampler) -> Array:
    return s.magnitudes(s.smallest, 1.0)


def _uniform(low: float, high: float) -> Callable[[Sampler], Array]:
    return lambda s: s.uniform(low, high)


def _exponents(base: float) -> Callable[[Sampler], Array]:
    """From where the result underflows to where it overflows, and the two edges."""

    def points(s: Sampler) -> Array:
        low, high = (-150, 128) if s.single else (-1075, 1024)
        edges = np.array([low, low + 1, -126 if s.single else -1022, 0, high]) / np.log2(base)
        return np.concatenate(
            [s.uniform(low / np.log2(base), high / np.log2(base)), s.around(edges)]
        )

    return points


def _near_one(s: Sampler) -> Array:
    return (1 + s.magnitudes(1e-7 if s.single else 1e-16, 0.5).astype("f8")).astype(s.dtype)


def _multiples_of_half_pi(s: Sampler) -> Array:
    """Neighbours of k pi/2, small and large k: where the result is near 0 or its extrema."""
    high = 1e5 if s.single else 1e13
    sizes = np.exp(s.random.uniform(0, np.log(high), s.count // 4)).astype(np.int64)
    k = np.concatenate([np.arange(1, s.count // 4), sizes])
    return s.around(k * (np.pi / 2), 1)


def _power_operands(s: Sampler) -> list[Array]:
    """Results over the whole range, bases near 1 with huge exponents, and integer exponents."""
    base = np.concatenate(
        [
            abs(s.magnitudes(s.smallest, s.largest, 0.5)),
            s.uniform(0.5, 2, 0.5),
            _near_one(s),
            s.uniform(1e-3, 5, 0.5),
        ]
    )
    limit = 127 if s.single else 1023
    log = np.abs(np.log2(base.astype("f8")))
    room = np.minimum(limit / np.maximum(log, 1e-300), 1e30)
    exponent = (s.random.uniform(-1.15, 1, base.size) * room).astype(s.dtype)
    exponent[-base.size // 4 :] = s.random.uniform(-5, 5, len(exponent[-base.size // 4 :]))
    negative = -np.exp(s.random.uniform(-3, 3, s.count // 4)).astype(s.dtype)
    integers = s.random.integers(-20, 20, negative.size).astype(s.dtype)
    return [np.concatenate([base, negative]), np.concatenate([exponent, integers])]


def _directions(s: Sampler) -> list[Array]:
    sizes = s.magnitudes(1e-30, 1e30, 0.5), s.magnitudes(1e-30, 1e30, 0.5)
    y = np.concatenate([s.uniform(-1, 1), sizes[0], _all_sizes(s)])
    x = np.concatenate([s.uniform(-1, 1), sizes[1], _all_sizes(s)])
    return [y, x]


def _dividends(s: Sampler) -> list[Array]:
    """Neighbours of whole multiples of the divisors, small quotients, and those of all sizes."""
    y = s.uniform(-2, 2)
    multiples = (y * s.random.integers(-2000, 2000, y.size)).astype(s.dtype)
    x = np.concatenate([np.nextafter(multiples, -y), s.uniform(-50, 50), _all_sizes(s)])
    return [x, np.concatenate([y, s.magnitudes(1e-2, 1e2, 1), _all_sizes(s)])]


PERIODIC = _one(_uniform(-4, 4), _small, _uniform(-1e4, 1e4), _multiples_of_half_pi, _all_sizes)
POINTS: dict[O, Points] = {
    O.EXP: _one(_uniform(-1, 1), _exponents(np.e), _small),
    O.EXP2: _one(_uniform(-1, 1), _exponents(2.0), _small),
    O.EXPM1: _one(_uniform(-2, 2), _exponents(np.e), _small),
    O.LOG: _one(_uniform(0.3, 3), _near_one, lambda s: abs(_all_sizes(s))),
    O.LOG2: _one(_uniform(0.3, 3), _near_one, lambda s: abs(_all_sizes(s))),
    O.LOG10: _one(_uniform(0.3, 3), _near_one, lambda s: abs(_all_sizes(s))),
    O.LOG1P: _one(
        _uniform(-0.999, 2), _small, lambda s: abs(_all_sizes(s)), lambda s: -abs(_small(s))
    ),
    O.SIN: PERIODIC,
    O.COS: PERIODIC,
    O.TAN: PERIODIC,
    O.ASIN: _one(_uniform(-1, 1), _small, lambda s: s.around(np.array([-1, -0.5, 0.5, 1]))),
    O.ACOS: _one(_uniform(-1, 1), _small, lambda s: s.around(np.array([-1, -0.5, 0.5, 1]))),
    O.ATAN: _one(_uniform(-4, 4), _all_sizes),
    O.ATAN2: _directions,
    O.SINH: _one(
        _uniform(-2, 2), lambda s: s.uniform(-1, 1) * (89.4 if s.single else 710.4), _small
    ),
    O.COSH: _one(
        _uniform(-2, 2), lambda s: s.uniform(-1, 1) * (89.4 if s.single else 710.4), _small
    ),
    O.TANH: _one(_uniform(-2, 2), _uniform(-25, 25), _small),
    O.ASINH: _one(_uniform(-4, 4), _all_sizes),
    O.ACOSH: _one(_uniform(1, 4), lambda s: 1 + abs(_small(s)), lambda s: abs(_all_sizes(s))),
    O.ATANH: _one(_uniform(-1, 1), _small, lambda s: 1 - abs(_small(s))),
    O.POW: _power_operands,
    O.CBRT: _one(_uniform(-3, 3), _all_sizes),
    O.ERF: _one(_uniform(-2, 2), _uniform(-7, 7), _small),
    O.ERFC: _one(_uniform(-2, 2), lambda s: s.uniform(-6, 10.1 if s.single else 27.3), _small),
    O.FREM: _dividends,
}

EXACT: dict[O, Callable[..., Any]] = {
    **{op: getattr(mp, str(op)) for op in POINTS if hasattr(mp, str(op))},
    O.EXP2: lambda x: mp.mpf(2) ** x,
    O.LOG2: lambda x: mp.log(x, 2),
    O.POW: mp.power,
    O.CBRT: lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    O.FREM: lambda x, y: mp.mpf(math.fmod(x, y)),
}
NUMPY: dict[O, Callable[..., Array]] = {
    **{op: getattr(np, str(op)) for op in POINTS if hasattr(np, str(op))},
    O.ERF: scipy.special.erf,
    O.ERFC: scipy.special.erfc,
    O.POW: np.power,
    O.FREM: np.fmod,
}


def exact(op: O, *operands: float) -> Any:
    """The value to PRECISION bits; None at a singularity or outside of the domain."""
    try:
        # only the reduction of huge arguments needs all the bits
        with mp.workprec(PRECISION if op in (O.SIN, O.COS, O.TAN) else 200):
            value = EXACT[op](*map(mp.mpf, operands))
    except (ValueError, ZeroDivisionError):
        return None
    return value if isinstance(value, mp.mpf) and mp.isfinite(value) else None


def ulps(found: float, value: Any, dtype: str) -> float:
    """The error of `found` in units in the last place of `value` (of the smallest subnormal
    below the normal numbers, and of the largest number where `value` overflows)."""
    info = np.finfo(dtype)
    digits = info.nmant + 1
    exponent = min(max(mp.frexp(value)[1], info.minexp + 1), info.maxexp) - digits
    if np.isinf(found):
        found = mp.sign(found) * mp.ldexp(1, info.maxexp)
        value = mp.sign(value) * min(abs(value), mp.ldexp(1, info.maxexp))
    return float(abs(mp.mpf(found) - value) / mp.ldexp(1, exponent))


def special_values(dtype: str) -> Array:
    """Zeros, infinities, NaN, subnormals, edges of ranges, integers of either parity."""
    info = np.finfo(dtype)
    values = [np.nan, np.inf, 0, info.smallest_subnormal, info.tiny / 2, info.tiny, info.max]
    values += [info.eps, 1e-20, 1e-3, 1 / 3, 0.5, 1 - info.epsneg, 1, 1 + info.eps, 1.5, 2, 2.5, 3]
    values += [10, 20, 88.7, 88.73, 89, 90, 100, 103.9, 104, 127, 128, 149, 150, 700, 709.7]
    values += [709.79, 745.1, 745.2, 750, 1022, 1023, 1024, 1074, 1075, 2.0**24, 2.0**24 + 2]
    values += [2.0**53, 2.0**53 + 2, 1e5, 1e9, 2.0**46, 1e30]
    positive = np.array(values, dtype)
    return np.concatenate([positive, -positive])
