"""The exponential of a matrix and its derivatives, by a Padé approximant with scaling and squaring.

exp(A) = (r(A / 2^s))^(2^s) with the approximant r = (V - U)^(-1) (V + U) of degree 13, where s is
so large that the 1-norm of A / 2^s is at most REACH. These are products and one solution, whatever
the eigenvalues are.

The derivative in directions E_1, ..., E_k is the coefficient of t_1 ... t_k in the exponential of
A + t_1 E_1 + ... + t_k E_k, where squares of the t are left out: the same computation with sums of
matrices in the place of matrices, one for each subset of the t. As the derivative of order k + 1 of
trace(exp(A)), trace(F (k-th derivative)) does not change when directions and F are exchanged; so
the cotangent of a direction, or of A, is such a derivative too. Derivatives of any order and in any
modes are therefore one loop each, which keeps nothing of its turns.
N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J. Matrix
Anal. Appl. 26, 2005, algorithm 2.3; A. Al-Mohy, N. Higham, "Computing the Fréchet derivative of the
matrix exponential", SIAM J. Matrix Anal. Appl. 30, 2009, algorithm 6.4.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.control import fori_loop
from wengert.api.custom import Custom
from wengert.api.derivatives import stop_gradient
from wengert.linalg.square import identity, norm, square, transposed

DEGREE = 13
REACH = 5.371920351148152
"""The norm up to which the approximant has no errors but rounding's, in float64."""

MOST = 1100
"""More squarings than finite numbers need."""

COEFFICIENTS = [
    math.factorial(2 * DEGREE - k)
    / (math.factorial(k) * math.factorial(DEGREE - k))
    / (math.factorial(2 * DEGREE) / math.factorial(DEGREE))
    for k in range(DEGREE + 1)
]

Directions = tuple[Any, ...]
Family = Sequence[Any]
"""A matrix for each subset of the directions, the bits of its place; None is 0."""
Places = Callable[[int], Sequence[int]]
"""Which places of a family with so many directions are asked for."""


def expm(a: Any) -> Any:
    """The exponential of each matrix of shape (..., n, n), as `scipy.linalg.expm`.

    Float32 and complex64 stay, integers become float64; raises `numpy.linalg.LinAlgError` for
    shapes that are not square. What the matrices need of squarings is found when the program
    runs; a batch does as many as any of its matrices needs.
    """
    matrix = square("expm", a)
    return _mixed(matrix, ()) if matrix.size else matrix


def _family(a: Any, directions: Directions) -> Family:
    """The derivatives of the exponential in each subset of the directions; none is its value."""
    size = stop_gradient(norm(a))
    halvings = np.where(size > REACH, np.ceil(np.log2(np.maximum(size, REACH) / REACH)), 0.0)
    halvings = np.minimum(halvings, MOST)
    scale = np.exp2(-halvings).astype(a.dtype)[..., None, None]
    family: list[Any] = [None] * 2 ** len(directions)
    family[0] = a * scale
    for k, e in enumerate(directions):
        family[1 << k] = e * scale

    def squared(k: Any, x: Any) -> Any:
        more = (k < halvings)[..., None, None]
        return tuple(np.where(more, new, old) for new, old in zip(_product(x, x), x, strict=True))

    turns = np.max(halvings).astype(np.int64)
    return fori_loop(0, turns, squared, tuple(_approximant(family)))


def _approximant(a: Family) -> Family:
    """r(A), with U the odd and V the even terms of the numerator."""
    b = COEFFICIENTS
    one = [identity(a[0]), *(None for _ in a[1:])]
    a2 = _product(a, a)
    a4 = _product(a2, a2)
    a6 = _product(a4, a2)
    powers = one, a2, a4, a6

    def terms(first: int) -> Family:
        """b[first] + b[first + 2] A² + ..., as a matrix."""
        high = _combined(powers[1:], b[first + 8 :: 2])
        return _combined((_product(a6, high), *powers), (1.0, *b[first:8:2]))

    u, v = _product(a, terms(1)), terms(0)
    return _solved(_combined((v, u), (1.0, -1.0)), _combined((v, u), (1.0, 1.0)))


def _combined(families: Sequence[Family], factors: Sequence[float]) -> Family:
    """The sum of the families, each times its factor."""
    return [
        _sum([f * x for f, x in zip(factors, found, strict=True) if x is not None])
        for found in zip(*families, strict=True)
    ]


def _sum(terms: Sequence[Any]) -> Any:
    return functools.reduce(operator.add, terms) if terms else None


def _product(x: Family, y: Family) -> Family:
    return [_sum([p @ q for p, q in _pairs(x, y, place)]) for place in range(len(x))]


def _pairs(x: Family, y: Family, place: int) -> list[tuple[Any, Any]]:
    """What has to be multiplied for one subset: its parts in x with the rest of it in y."""
    parts = [p for p in range(place + 1) if p & place == p]
    found = [(x[p], y[place ^ p]) for p in parts]
    return [(p, q) for p, q in found if p is not None and q is not None]


def _solved(x: Family, y: Family) -> Family:
    """The Z with X Z = Y, subset by subset."""
    none: list[Any] = [None]
    z: list[Any] = []
    for place, right in enumerate(y):
        known = [*z, *none * (len(y) - place)]
        rest = [p @ q for p, q in _pairs([*none, *x[1:]], known, place)]
        z.append(np.linalg.solve(x[0], functools.reduce(operator.sub, rest, right)))
    return z


# rules


def _mixed(a: Any, directions: Directions) -> Any:
    """The derivative in all of the directions."""
    return _last(a, directions)[0]


def _forward(places: Places, primals: Any, tangents: Any) -> Any:
    """A's direction is one more; each of the others may move too."""
    a, directions = primals
    moved, turning = tangents
    count = len(directions)
    found = _all(a, (*directions, moved))
    slopes = [found[place | 1 << count] for place in places(count)]
    for k, other in enumerate(turning):
        turned = _all(a, (*directions[:k], other, *directions[k + 1 :]))
        slopes = [
            slope + turned[place] if place >> k & 1 else slope
            for place, slope in zip(places(count), slopes, strict=True)
        ]
    return tuple(found[place] for place in places(count)), tuple(slopes)


def _backward(places: Places, saved: Any, bars: Any) -> Any:
    a, directions = saved
    count = len(directions)
    of_a: list[Any] = []
    of_directions: list[list[Any]] = [[] for _ in directions]
    for place, bar in zip(places(count), bars, strict=True):
        members = [k for k in range(count) if place >> k & 1]
        around = {k: directions[k] for k in members}
        of_a.append(_pulled(a, tuple(around.values()), bar))
        for k in members:
            others = tuple(e for j, e in around.items() if j != k)
            of_directions[k].append(_pulled(a, others, bar))
    return _sum(of_a), tuple(map(_sum, of_directions))


def _pulled(a: Any, around: Directions, bar: Any) -> Any:
    return transposed(_mixed(a, (*around, transposed(bar))))


def _ruled(places: Places) -> Custom:
    """The members of a family at some places, with their rules."""

    def value(a: Any, directions: Directions) -> Any:
        family = _family(a, directions)
        return tuple(family[place] for place in places(len(directions)))

    found = Custom(value)
    found.defjvp(functools.partial(_forward, places))
    found.defvjp(lambda *args: (found(*args), args), functools.partial(_backward, places))
    return found


_last = _ruled(lambda count: [2**count - 1])
_all = _ruled(lambda count: range(2**count))
