"""Eigenvalues and vectors of small symmetric matrices, one at a time, in plain loops.

For small matrices most of LAPACK's time goes into what surrounds its loops. The method here is the
one that LAPACK's `syevd` uses for them, with the same choices where the mathematics leaves one, so
that the vectors have the same signs: Householder's reduction to tridiagonal form from the first
column on, each reflection giving a subdiagonal element of the sign opposite to the one that was
there; then implicit QL, or QR where the last diagonal element is the smaller one, with Wilkinson's
shift and plane rotations of positive cosine; blocks of two in closed form. Where a choice hangs on
a rounding error, as that of a sign of something that is 0 but for rounding, signs can differ.

G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th edition, sections 8.3.1 and 8.3.3;
A. Dubrulle, R. S. Martin and J. H. Wilkinson, "The implicit QL algorithm", Numerische Mathematik 12
(1968); E. Anderson et al., LAPACK Users' Guide, 3rd edition, SIAM 1999, section 2.4.4.

`plain_text` makes native code of it. Matrices are flat and row-major.
"""

from __future__ import annotations

from math import copysign, sqrt

import numpy as np

from wengert.backends.cpu.routines.plain_text import Numbers, module
from wengert.ir.types import DType

LARGEST = 25
"""LAPACK divides larger ones, and has other signs for them; up to here these loops take less than
half of its time."""


def name(dtype: DType) -> str:
    """The function's symbol."""
    return f"wg.eigh.{dtype.char}"


PARAMETERS = "ptr, ptr, ptr, ptr, ptr, {kind}, {kind}, {kind}, i64"
"""A copy of the matrix, which is overwritten; the vectors as rows; the values; workspace of n
numbers, twice; what `limits` gives; and n, at least 1."""


def limits(dtype: DType) -> tuple[float, float, float]:
    """The relative rounding error, the least normal number, and the least size of a matrix."""
    info = np.finfo(dtype)
    rounding, tiny = float(info.eps) / 2, float(info.tiny)
    return rounding, tiny, float(np.sqrt(tiny)) / rounding**2


def text(dtype: DType) -> str:
    """The module with the function of a dtype."""
    kind = "double" if dtype.itemsize == 8 else "float"
    parts = (mirror, reduce, reflect, rotate, pair, sweep, iterate, arrange, eigh)
    return module(parts, kind, name(dtype))


def eigh(
    a: Numbers,
    v: Numbers,
    d: Numbers,
    e: Numbers,
    t: Numbers,
    rounding: float,
    tiny: float,
    least: float,
    n: int,
) -> None:
    """Values d in ascending order, vectors as rows of v; NaN if an element of a is not finite."""
    largest = 0.0
    finite = 0.0
    for k in range(n * n):
        finite += a[k] * 0.0
        largest = abs(a[k]) if abs(a[k]) > largest else largest
    factor = 1.0
    if largest > 0.0 and (largest < least or largest > 1.0 / least) and finite == 0.0:
        factor = largest
        for k in range(n * n):
            a[k] /= factor
    reduce(a, d, e, t, tiny / rounding, n)
    reflect(a, v, t, n)
    iterate(d, e, v, rounding, tiny, n)
    arrange(d, v, n)
    for k in range(n):
        d[k] = d[k] * factor + finite
    if finite != 0.0:
        for k in range(n * n):
            v[k] = finite


def reduce(a: Numbers, d: Numbers, e: Numbers, t: Numbers, low: float, n: int) -> None:
    """The diagonals d and e of Q' A Q; behind e of row k of a the vector of reflection k."""
    for k in range(n - 1):
        first = a[k * n + k + 1]
        total = 0.0
        some = 0.0
        for i in range(k + 2, n):
            some += abs(a[k * n + i])
            total += a[k * n + i] * a[k * n + i]
        lift = 1.0
        if first * first + total < low and some != 0.0:  # squares have lost digits
            lift = 1.0 / sqrt(low)
            total = 0.0
            for i in range(k + 2, n):
                total += (a[k * n + i] * lift) * (a[k * n + i] * lift)
            some = some if total >= low else 0.0  # or all are nothing beside the largest element
        e[k] = first
        t[k] = 0.0
        d[k] = a[k * n + k]
        if some != 0.0:
            size = copysign(sqrt(first * lift * (first * lift) + total), first)
            e[k] = -size / lift
            t[k] = (size + first * lift) / size
            inverse = lift / (first * lift + size)
            a[k * n + k + 1] = 1.0
            for i in range(k + 2, n):
                a[k * n + i] *= inverse
            mirror(a, d, t[k], k, n)
    d[n - 1] = a[n * n - 1]


def mirror(a: Numbers, d: Numbers, factor: float, k: int, n: int) -> None:
    """Reflection k on both sides of what is left of A: A - u w' - w u' for its vector u.

    w = f A u - (f² u' A u / 2) u, which stands in d meanwhile.
    """
    for i in range(k + 1, n):
        d[i] = 0.0
    for j in range(k + 1, n):
        x = a[k * n + j] * factor
        for i in range(k + 1, n):
            d[i] += a[j * n + i] * x
    along = 0.0
    for i in range(k + 1, n):
        along += d[i] * a[k * n + i]
    along *= -0.5 * factor
    for i in range(k + 1, n):
        d[i] += along * a[k * n + i]
    for j in range(k + 1, n):
        x = a[k * n + j]
        y = d[j]
        for i in range(k + 1, n):
            a[j * n + i] -= x * d[i] + y * a[k * n + i]


def reflect(a: Numbers, v: Numbers, t: Numbers, n: int) -> None:
    """Q' as the rows of v: the product of the reflections, from the last one on."""
    for i in range(n):
        for j in range(n):
            v[i * n + j] = 0.0
        v[i * n + i] = 1.0
    for m in range(2, n):
        k = n - 1 - m
        if t[k] != 0.0:
            for i in range(k + 1, n):
                along = 0.0
                for j in range(k + 1, n):
                    along += v[i * n + j] * a[k * n + j]
                along *= t[k]
                for j in range(k + 1, n):
                    v[i * n + j] -= along * a[k * n + j]


def rotate(v: Numbers, i: int, c: float, s: float, n: int) -> None:
    """Turns vectors i and i + 1 towards each other."""
    for j in range(n):
        x = v[i * n + j]
        y = v[i * n + n + j]
        v[i * n + n + j] = c * y - s * x
        v[i * n + j] = s * y + c * x


def iterate(d: Numbers, e: Numbers, v: Numbers, rounding: float, tiny: float, n: int) -> None:
    """Makes d the values, and rows of v the vectors. Blocks between zeros of e are worked on alone.

    In a block, `at` is the end where values are found, `end` the other one; `step` leads from `at`
    to `end`, and e[k + off] stands between k and k + step.
    """
    left = 30 * n
    first = 0
    while first < n:
        last = first
        while (
            last < n - 1 and abs(e[last]) > sqrt(abs(d[last])) * sqrt(abs(d[last + 1])) * rounding
        ):
            last += 1
        if last < n - 1:
            e[last] = 0.0
        backwards = abs(d[last]) < abs(d[first])
        at = last if backwards else first
        end = first if backwards else last
        step = -1 if backwards else 1
        off = -1 if backwards else 0
        first = last + 1
        searching = at != end
        while searching:
            m = at
            while m != end and e[m + off] * e[m + off] > (
                rounding * rounding * abs(d[m]) * abs(d[m + step]) + tiny
            ):
                m += step
            if m != end:
                e[m + off] = 0.0
            if m == at:
                at += step
            elif m == at + step:
                pair(d, e, v, at if step > 0 else m, n)
                at += step + step
            elif left == 0:
                searching = False
            else:
                left -= 1
                sweep(d, e, v, at, m, step, off, tiny / rounding, tiny, n)
            searching = searching and (at - end) * step <= 0


def sweep(
    d: Numbers,
    e: Numbers,
    v: Numbers,
    at: int,
    m: int,
    step: int,
    off: int,
    low: float,
    tiny: float,
    n: int,
) -> None:
    """One step of implicit QL or QR on the block from m to `at`, with the shift for `at`."""
    g = (d[at + step] - d[at]) / (2.0 * e[at + off])
    g = d[m] - d[at] + e[at + off] / (g + copysign(sqrt(g * g + 1.0), g))
    s = 1.0
    c = 1.0
    p = 0.0
    i = m - step
    while i != at - step:
        f = s * e[i + off]
        b = c * e[i + off]
        r = g
        c = 1.0
        s = 0.0
        if f != 0.0:
            lift = 1.0
            if g * g + f * f < low:  # squares have lost digits, and numbers may have
                lift = 1.0 / tiny
                u = abs(f * lift) if abs(f) > abs(g) else abs(g * lift)
                w = (abs(g) if abs(f) > abs(g) else abs(f)) * lift / u
                size = u * sqrt(1.0 + w * w)
            else:
                size = sqrt(g * g + f * f)
            c = abs(g * lift) / size
            s = (-f if g < 0.0 else f) * lift / size
            r = (-size if g < 0.0 else size) / lift
        if i != m - step:
            e[i + step + off] = r
        g = d[i + step] - p
        r = (d[i] - g) * s + 2.0 * c * b
        p = s * r
        d[i + step] = g + p
        g = c * r - b
        rotate(v, i + off, c, -s if step > 0 else s, n)
        i -= step
    d[at] -= p
    e[at + off] = g


def pair(d: Numbers, e: Numbers, v: Numbers, k: int, n: int) -> None:
    """The block of k and k + 1: first the value that is larger in size."""
    total = d[k] + d[k + 1]
    difference = d[k] - d[k + 1]
    twice = e[k] + e[k]
    u = abs(difference) if abs(difference) > abs(twice) else abs(twice)
    w = abs(twice) if abs(difference) > abs(twice) else abs(difference)
    root = u * sqrt(1.0 + (w / u) * (w / u)) if u > 0.0 else 0.0
    large = d[k] if abs(d[k]) > abs(d[k + 1]) else d[k + 1]
    small = d[k + 1] if abs(d[k]) > abs(d[k + 1]) else d[k]
    value = 0.5 * (total - root) if total < 0.0 else 0.5 * (total + root)
    other = -0.5 * root
    if total != 0.0:
        other = (large / value) * small - (e[k] / value) * e[k]
    far = difference - root if difference < 0.0 else difference + root
    c = 1.0
    s = 0.0
    if abs(far) > abs(twice):
        s = 1.0 / sqrt(1.0 + (twice / far) * (twice / far))
        c = -(twice / far) * s
    elif twice != 0.0:
        c = 1.0 / sqrt(1.0 + (far / twice) * (far / twice))
        s = -(far / twice) * c
    if (total < 0.0) == (difference < 0.0):
        x = c
        c = -s
        s = x
    rotate(v, k, c, s, n)
    d[k] = value
    d[k + 1] = other
    e[k] = 0.0


def arrange(d: Numbers, v: Numbers, n: int) -> None:
    """Puts values into ascending order, by exchanges with the least one that is left."""
    for i in range(n - 1):
        k = i
        for j in range(i + 1, n):
            if d[j] < d[k]:
                k = j
        if k != i:
            x = d[k]
            d[k] = d[i]
            d[i] = x
            for j in range(n):
                x = v[k * n + j]
                v[k * n + j] = v[i * n + j]
                v[i * n + j] = x
