"""Eigenvalues and vectors of small symmetric matrices, as many at a time as vectors have lanes.

The method is that of `small_eigen`, step by step, so the vectors have LAPACK's signs. All that is
computed is a vector with one element of each matrix: tridiagonal matrices and the reflections that
made them here, the iteration in `lane_sweeps`. Rows of matrices are `wide` vectors, a multiple of
four, so that loops do four rows or columns at once; what stands beside a matrix is 0.

From `DIVIDED` rows on LAPACK's `syevd` divides the tridiagonal matrix: it is that of two halves and
e u u', u with two elements that are not 0 (J. J. M. Cuppen, "A divide and conquer method for the
symmetric tridiagonal eigenproblem", Numerische Mathematik 36 (1981)). Vectors are then
(D - w)^-1 z, z being u in the vectors of the halves, times something positive; and as
1 + r z' (D - w)^-1 z = 0 with r > 0, u' v is negative. So these signs follow from u alone.

`plain_text` makes native code of it.
"""

from __future__ import annotations

from math import copysign, sqrt

from wengert.backends.cpu.routines import lane_sweeps
from wengert.backends.cpu.routines.lane_sweeps import KEPT, iterate
from wengert.backends.cpu.routines.plain_text import Numbers, Scalars, Words, some
from wengert.backends.cpu.routines.small_copies import lines

DIVIDED = 26
"""The least size of matrices whose vectors have the signs of a divided problem."""

PARAMETERS = f"ptr, ptr, ptr, ptr, ptr, {{kind}}, {{kind}}, {{kind}}, {', '.join(['i64'] * 7)}"
"""The matrices; the results; workspace of `room` vectors, twice; that of `words` integers; what
`small_eigen.limits` gives; n; `row_length`; the least n that is divided; how many matrices there
are, and lanes; whether vectors are wanted; and how many sweeps are kept."""


def row_length(n: int) -> int:
    """Vectors for a row: rows at multiples of 2 KB would drive each other out of the cache."""
    wide = -(-n // 4) * 4
    return wide if wide < 24 or wide % 8 else wide + 4


def room(n: int) -> int:
    """Workspace in vectors."""
    wide = row_length(n)
    return 2 * wide * wide + (8 + 2 * KEPT) * wide + 16


def words(n: int, lanes: int) -> int:
    """Workspace in integers."""
    return n * lanes + 2 * KEPT


def syevd(
    source: Scalars,
    out: Scalars,
    work: Numbers,
    flat: Scalars,
    numbers: Words,
    rounding: float,
    tiny: float,
    least: float,
    n: int,
    wide: int,
    divided: int,
    many: int,
    lanes: int,
    wanted: int,
    keep: int,
) -> None:
    """Values and, if `wanted`, vectors of up to `lanes` matrices. `flat` is the workspace too."""
    square = wide * wide
    rest = 2 * square
    lines(source, n * n, many, n * n, flat[square * lanes :], lanes, lanes)
    begin(work[square:], work, work[rest:], least, n, wide)
    tridiagonal(work, work[square:], work[rest + 2 :], rounding, tiny, divided, n, wide, wanted)
    spectrum(
        work[square:], work[rest + 2 :], numbers, rounding, tiny, divided, n, wide, wanted, keep
    )
    leave(work[rest:], work[rest + 2 :], work[square:], n, wide, wanted)
    v = square * lanes
    d = (rest + 2) * lanes
    place = d + 2 * wide * lanes
    put(flat[v:], flat[d:], flat[place:], out, numbers, n, wide, many, lanes, wanted)


def tridiagonal(
    a: Numbers,
    v: Numbers,
    room: Numbers,
    rounding: float,
    tiny: float,
    divided: int,
    n: int,
    wide: int,
    wanted: int,
) -> None:
    """The diagonals in rows 0 and 1 of `room`; if vectors are wanted, what they start from in v,
    and in row 5 that by which their signs are told. Rows 2 to 4 are workspace."""
    low = tiny / rounding
    e = wide
    t = 2 * wide
    u = 3 * wide
    w = 4 * wide
    reduce(a, room, room[e:], room[t:], room[u:], room[w:], low, n, wide)
    if wanted == 1:
        reflect(a, v, room[t:], n, wide)
        if n >= divided:
            cut(v, room, room[e:], room[5 * wide :], rounding, divided, n, wide)


def spectrum(
    v: Numbers,
    room: Numbers,
    numbers: Words,
    rounding: float,
    tiny: float,
    divided: int,
    n: int,
    wide: int,
    wanted: int,
    keep: int,
) -> None:
    """The values in row 0 of `room`, vectors as columns of v, and in row 2 the values' places."""
    e = wide
    turns = 6 * wide
    z = turns + 2 * keep * wide
    iterate(
        room, room[e:], v, room[turns:], room[z:], numbers, rounding, tiny, n, wide, wanted, keep
    )
    if wanted == 1 and n >= divided:
        turn_signs(v, room[5 * wide :], room[2 * wide :], rounding, n, wide)
    arrange(room, room[2 * wide :], n)


def begin(given: Numbers, a: Numbers, scale: Numbers, least: float, n: int, wide: int) -> None:
    """The matrices in rows, divided by scale[0]; those that are not finite as 0.

    scale[1] is NaN for these.
    """
    largest = abs(given[0])
    finite = given[0] * 0.0
    for k in range(n * n):
        x = abs(given[k])
        finite += x * 0.0
        largest = x if x > largest else largest
    odd = (largest > 0.0) & ((largest < least) | (largest > 1.0 / least)) & (finite == 0.0)
    factor = largest if odd else 1.0
    scale[0] = factor
    scale[1] = finite
    if some(odd) or some(finite != 0.0):
        for k in range(n * n):
            given[k] = given[k] / factor if finite == 0.0 else 0.0
    for i in range(wide):
        for j in range(wide):
            a[i * wide + j] = 0.0
    for i in range(n):
        for j in range(n):
            a[i * wide + j] = given[i * n + j]


def reduce(
    a: Numbers,
    d: Numbers,
    e: Numbers,
    t: Numbers,
    u: Numbers,
    w: Numbers,
    low: float,
    n: int,
    wide: int,
) -> None:
    """The diagonals d and e of Q' A Q; behind e of row k of a the vector of reflection k."""
    for i in range(wide):
        u[i] = 0.0
        w[i] = 0.0
        d[i] = 0.0
        e[i] = 0.0
        t[i] = 0.0
    for k in range(n - 1):
        d[k] = a[k * wide + k]
        u[k] = 0.0
        direct(a[k * wide :], e, t, u, low, k, n)
        mirror(a, u, w, t, k, n, wide)
    d[n - 1] = a[(n - 1) * wide + n - 1]


def direct(a: Numbers, e: Numbers, t: Numbers, u: Numbers, low: float, k: int, n: int) -> None:
    """Reflection k, of row k: its vector there and in u, its factor in t, what is left in e."""
    first = a[k + 1]
    total = first * 0.0
    most = first * 0.0
    for i in range(k + 2, n):
        x = a[i]
        most += abs(x)
        total += x * x
    small = (first * first + total < low) & (most != 0.0)  # squares have lost digits
    lift = (1.0 / sqrt(low)) if small else 1.0
    if some(small):
        lifted = first * 0.0
        for i in range(k + 2, n):
            x = a[i] * lift
            lifted += x * x
        total = lifted if small else total
        # or all are nothing beside the largest element
        most = 0.0 if small & (total < low) else most
    live = most != 0.0
    first *= lift
    size = copysign(sqrt(first * first + total), first)
    size = size if live else 1.0
    inverse = lift / (first + size)
    e[k] = -size / lift if live else a[k + 1]
    t[k] = (size + first) / size if live else 0.0
    a[k + 1] = 1.0
    u[k + 1] = 1.0
    for i in range(k + 2, n):
        x = a[i] * inverse if live else 0.0
        a[i] = x
        u[i] = x


def mirror(a: Numbers, u: Numbers, w: Numbers, t: Numbers, k: int, n: int, wide: int) -> None:
    """Reflection k on both sides of what is left of A: A - u w' - w u' for its vector u.

    w = f A u - (f² u' A u / 2) u with f = t[k]. Both are 0 up to k.
    """
    base = ((k + 1) >> 2) << 2
    j = base
    while j < n:
        p = u[0] * 0.0
        q = u[0] * 0.0
        r = u[0] * 0.0
        s = u[0] * 0.0
        for i in range(k + 1, n):
            x = u[i]
            p += a[j * wide + i] * x
            q += a[j * wide + wide + i] * x
            r += a[j * wide + 2 * wide + i] * x
            s += a[j * wide + 3 * wide + i] * x
        w[j] = p
        w[j + 1] = q
        w[j + 2] = r
        w[j + 3] = s
        j += 4
    for i in range(base, k + 1):
        w[i] = 0.0
    factor = t[k]
    along = u[0] * 0.0
    for i in range(k + 1, n):
        along += w[i] * u[i]
    along *= -0.5 * factor
    for i in range(k + 1, n):
        w[i] = (w[i] + along * u[i]) * factor
    subtract(a, u, w, base, k + 1, n, wide)


def subtract(a: Numbers, u: Numbers, w: Numbers, base: int, first: int, n: int, wide: int) -> None:
    """A - u w' - w u' in rows from `base` on, four at once, and columns from `first` on."""
    j = base
    while j < n:
        p = u[j]
        q = u[j + 1]
        r = u[j + 2]
        s = u[j + 3]
        f = w[j]
        g = w[j + 1]
        h = w[j + 2]
        v = w[j + 3]
        for i in range(first, n):
            x = u[i]
            y = w[i]
            a[j * wide + i] -= p * y + f * x
            a[j * wide + wide + i] -= q * y + g * x
            a[j * wide + 2 * wide + i] -= r * y + h * x
            a[j * wide + 3 * wide + i] -= s * y + v * x
        j += 4


def reflect(a: Numbers, v: Numbers, t: Numbers, n: int, wide: int) -> None:
    """Q, the product of the reflections, from the last one on."""
    for i in range(wide):
        for j in range(wide):
            v[i * wide + j] = 0.0
    for i in range(n):
        v[i * wide + i] = 1.0
    for m in range(2, n):
        k = n - 1 - m
        i = ((k + 1) >> 2) << 2
        factor = t[k]
        while i < n:
            p = factor * 0.0
            q = factor * 0.0
            r = factor * 0.0
            s = factor * 0.0
            for j in range(k + 1, n):
                x = a[k * wide + j]
                p += v[j * wide + i] * x
                q += v[j * wide + i + 1] * x
                r += v[j * wide + i + 2] * x
                s += v[j * wide + i + 3] * x
            p *= factor
            q *= factor
            r *= factor
            s *= factor
            for j in range(k + 1, n):
                x = a[k * wide + j]
                v[j * wide + i] -= p * x
                v[j * wide + i + 1] -= q * x
                v[j * wide + i + 2] -= r * x
                v[j * wide + i + 3] -= s * x
            i += 4


def cut(
    v: Numbers,
    d: Numbers,
    e: Numbers,
    axis: Numbers,
    rounding: float,
    divided: int,
    n: int,
    wide: int,
) -> None:
    """Q u for the u at which LAPACK divides the block that is so long; 0 if there is none.

    The block is from row `start` on, and `middle` is twice the row it is divided at.
    """
    start = d[0] * 0.0
    middle = start
    for i in range(n - 1):
        axis[i + 1] = 0.0
        none = abs(e[i]) <= sqrt(abs(d[i])) * sqrt(abs(d[i + 1])) * rounding
        stop = float(i + 1)
        middle = start + stop if none & (stop - start >= float(divided)) else middle
        start = stop if none else start
    middle = start + float(n) if float(n) - start >= float(divided) else middle
    axis[0] = 0.0
    for k in range(1, n):
        here = (middle == float(2 * k)) | (middle == float(2 * k + 1))
        if some(here):
            sign = copysign(1.0, e[k - 1])
            for j in range(n):
                x = v[j * wide + k - 1] + sign * v[j * wide + k]
                axis[j] = x if here else axis[j]


def turn_signs(
    v: Numbers, axis: Numbers, along: Numbers, rounding: float, n: int, wide: int
) -> None:
    """Gives vectors the sign for which their product with the axis is not positive.

    Where it is nothing but rounding errors, a vector is of another block, or of a half alone.
    """
    for k in range(n):
        along[k] = 0.0
    for j in range(n):
        x = axis[j]
        for k in range(n):
            along[k] += x * v[j * wide + k]
    for k in range(n):
        along[k] = -1.0 if along[k] > 64.0 * rounding else 1.0
    for j in range(n):
        for k in range(n):
            v[j * wide + k] *= along[k]


def arrange(d: Numbers, place: Numbers, n: int) -> None:
    """The place of each value in ascending order."""
    for k in range(n):
        x = d[k]
        found = x * 0.0
        for i in range(k):
            found = found + 1.0 if d[i] <= x else found
        for i in range(k + 1, n):
            found = found + 1.0 if d[i] < x else found
        place[k] = found


def leave(scale: Numbers, d: Numbers, v: Numbers, n: int, wide: int, wanted: int) -> None:
    """The values of the matrices as they were given; NaN where an element was not finite."""
    factor = scale[0]
    finite = scale[1]
    for k in range(n):
        d[k] = d[k] * factor + finite
    if wanted == 1 and some(finite != 0.0):
        for j in range(n):
            for k in range(n):
                v[j * wide + k] = v[j * wide + k] + finite


def put(
    v: Scalars,
    d: Scalars,
    place: Scalars,
    out: Scalars,
    numbers: Words,
    n: int,
    wide: int,
    many: int,
    lanes: int,
    wanted: int,
) -> None:
    """The results of each matrix: vectors as rows if they are wanted, values, and a 0."""
    end = n * n if wanted == 1 else 0
    for p in range(many):
        first = p * (end + n + 1)
        for k in range(n):
            at = int(place[k * lanes + p])
            out[first + end + at] = d[k * lanes + p]
            numbers[k * lanes + p] = first + at * n
        out[first + end + n] = 0.0
    if wanted == 1:
        for j in range(n):
            for k in range(n):
                for p in range(many):
                    out[numbers[k * lanes + p] + j] = v[(j * wide + k) * lanes + p]


PARTS = (
    begin,
    direct,
    subtract,
    mirror,
    reduce,
    reflect,
    cut,
    tridiagonal,
    *lane_sweeps.PARTS,
    turn_signs,
    arrange,
    spectrum,
    leave,
    put,
    syevd,
)
"""The functions, the last one of which calls the others."""
