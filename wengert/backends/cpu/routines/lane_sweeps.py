"""Implicit QL on symmetric tridiagonal matrices, as many at a time as vectors have lanes.

Each lane has a block that it works on, from `at` to `end`, and the place m where it is cut. All
lanes that need one do a sweep together, a rotation at a time; those outside of their block turn by
nothing. Where `small_eigen` goes backwards through a block, the block of that lane is reversed.

The rotations of some sweeps are kept, and then turn all vectors: a row of components stays near
while all of them are done. That is most of the work, and runs at several products a cycle.

`plain_text` makes native code of it.
"""

from __future__ import annotations

from math import copysign, sqrt

from wengert.backends.cpu.routines.plain_text import Numbers, Words, some

KEPT = 4
"""How many sweeps are kept until they turn the vectors."""


def iterate(
    d: Numbers,
    e: Numbers,
    v: Numbers,
    turns: Numbers,
    z: Numbers,
    ends: Words,
    rounding: float,
    tiny: float,
    n: int,
    wide: int,
    wanted: int,
    keep: int,
) -> None:
    """Makes d the values, and columns of v the vectors.

    `z` is what the lanes know of their blocks: at, end and m; whether the block is reversed; d[at],
    d[at + 1], e[at] and d[m]; m again, or `at` in lanes that have no sweep to do. `ends` are the
    first and last rows of the sweeps that are kept.
    """
    size = float(n)
    z[0] = 0.0
    z[1] = -1.0
    z[3] = 0.0
    kept = 0
    left = 40 * n
    while some(z[0] < size) and left > 0:
        if some((z[0] > z[1]) & (z[0] < size)):
            divide(d, e, v, z, rounding, n, wide, wanted)
        search(d, e, z, rounding, tiny, n)
        alone = (z[2] == z[0]) & (z[0] < size)
        if some(alone):
            z[0] = z[0] + 1.0 if alone else z[0]
        else:
            left -= 1
            advance(d, e, turns[2 * kept * wide :], z, ends[2 * kept :], tiny / rounding, tiny, n)
            if wanted == 1:
                kept += 1
            if kept == keep:
                turn(v, turns, ends, kept, n, wide)
                kept = 0
    if kept > 0:
        turn(v, turns, ends, kept, n, wide)


def advance(
    d: Numbers, e: Numbers, t: Numbers, z: Numbers, ends: Words, low: float, tiny: float, n: int
) -> None:
    """A sweep of all lanes, from the first to the last row of any block: these are the `ends`."""
    size = float(n)
    bottom = 0
    while not some(z[0] == float(bottom)):
        bottom += 1
    top = n - 1
    while not some((z[2] == float(top)) & (z[0] < size)):
        top -= 1
    sweep(d, e, t, z, low, tiny, bottom, top)
    if some((z[2] == z[0] + 1.0) & (z[0] < size)):
        pair(d, e, t, z, bottom, top, n)
    ends[0] = bottom
    ends[1] = top


def divide(
    d: Numbers, e: Numbers, v: Numbers, z: Numbers, rounding: float, n: int, wide: int, wanted: int
) -> None:
    """The next block of lanes that are through with theirs."""
    at = z[0]
    fresh = (at > z[1]) & (at < float(n))
    end = 0.0 * at + float(n - 1)
    first = d[n - 1]
    last = d[n - 1]
    for k in range(1, n):
        i = n - 1 - k
        x = d[i]
        none = abs(e[i]) <= sqrt(abs(x)) * sqrt(abs(d[i + 1])) * rounding
        cut = none & (at <= float(i))
        end = float(i) if cut else end
        last = x if cut else last
        first = x if at == float(i) else first
    for i in range(n - 1):
        e[i] = 0.0 if fresh & (end == float(i)) else e[i]
    z[1] = end if fresh else z[1]
    back = fresh & (abs(last) < abs(first))
    z[3] = (1.0 if back else 0.0) if fresh else z[3]
    if some(back):
        z[4] = 1.0 if back else 0.0
        reverse(d, e, v, z, n, wide, wanted)


def reverse(d: Numbers, e: Numbers, v: Numbers, z: Numbers, n: int, wide: int, wanted: int) -> None:
    """Turns blocks round where z[4] is set, those of the same rows together."""
    while some(z[4] > 0.0):
        low = 0
        while not some((z[4] > 0.0) & (z[0] == float(low))):
            low += 1
        high = n - 1
        while not some((z[4] > 0.0) & (z[0] == float(low)) & (z[1] == float(high))):
            high -= 1
        mine = (z[4] > 0.0) & (z[0] == float(low)) & (z[1] == float(high))
        z[4] = 0.0 if mine else z[4]
        i = low
        j = high
        while i < j:
            x = d[i]
            y = d[j]
            d[i] = y if mine else x
            d[j] = x if mine else y
            x = e[i]
            y = e[j - 1]
            e[j - 1] = x if mine else y
            e[i] = y if mine else x
            if wanted == 1:
                for r in range(n):
                    x = v[r * wide + i]
                    y = v[r * wide + j]
                    v[r * wide + i] = y if mine else x
                    v[r * wide + j] = x if mine else y
            i += 1
            j -= 1


def search(d: Numbers, e: Numbers, z: Numbers, rounding: float, tiny: float, n: int) -> None:
    """Where blocks are cut: m is the first row from `at` on behind which e is negligible."""
    at = z[0]
    end = z[1]
    live = at < float(n)
    m = end
    cut = d[n - 1]
    one = cut
    two = cut
    between = cut
    after = cut
    for k in range(n):
        i = n - 1 - k
        x = d[i]
        y = e[i]
        number = float(i)
        none = y * y <= rounding * rounding * abs(x) * abs(after) + tiny
        here = (none & (at <= number) & (number < end)) | (number == end)
        m = number if here else m
        cut = x if here else cut
        mine = at == number
        one = x if mine else one
        two = after if mine else two
        between = y if mine else between
        after = x
    for i in range(n - 1):
        e[i] = 0.0 if live & (m == float(i)) else e[i]
    z[2] = m
    z[4] = one
    z[5] = two
    z[6] = between
    z[7] = cut
    z[8] = m if (m > at + 1.0) & live else at


def sweep(
    d: Numbers, e: Numbers, t: Numbers, z: Numbers, low: float, tiny: float, bottom: int, top: int
) -> None:
    """One step of implicit QL on the blocks from `at` to m, with the shift for `at`."""
    at = z[0]
    m = z[8]
    g = (z[5] - z[4]) / (2.0 * z[6])
    g = z[7] - z[4] + z[6] / (g + copysign(sqrt(g * g + 1.0), g))
    s = at * 0.0 + 1.0
    c = s
    p = at * 0.0
    for k in range(top - bottom):
        i = top - 1 - k
        number = float(i)
        active = (at <= number) & (number < m)
        f = s * e[i]
        b = c * e[i]
        square = g * g + f * f
        lift = at * 0.0 + 1.0
        tall = sqrt(square)
        if some(active & (square < low) & (f != 0.0)):  # squares have lost digits, or numbers
            small = square < low
            lift = 1.0 / tiny if small else 1.0
            u = (abs(f) if abs(f) > abs(g) else abs(g)) * lift
            w = (abs(g) if abs(f) > abs(g) else abs(f)) * lift / u
            tall = u * sqrt(1.0 + w * w) if small else tall
        inverse = 1.0 / tall
        nothing = f == 0.0
        x = 1.0 if nothing else abs(g * lift) * inverse
        y = 0.0 if nothing else (-f if g < 0.0 else f) * lift * inverse
        r = g if nothing else copysign(tall, g) / lift
        e[i + 1] = r if active & (number + 1.0 < m) else e[i + 1]
        h = d[i + 1] - p
        r = (d[i] - h) * y + 2.0 * x * b
        w = y * r
        d[i + 1] = h + w if active else d[i + 1]
        g = x * r - b if active else g
        p = w if active else p
        c = x if active else c
        s = y if active else s
        t[2 * i] = x if active else 1.0
        t[2 * i + 1] = y if active else 0.0
    for i in range(bottom, top):
        last = (at == float(i)) & (at < m)
        d[i] = d[i] - p if last else d[i]
        e[i] = g if last else e[i]


def pair(d: Numbers, e: Numbers, turns: Numbers, z: Numbers, bottom: int, top: int, n: int) -> None:
    """Blocks of two: the first value, before they were reversed, is the one larger in size."""
    at = z[0]
    both = (z[2] == at + 1.0) & (at < float(n))
    back = z[3] > 0.0
    a = z[5] if back else z[4]
    b = z[4] if back else z[5]
    total = a + b
    difference = a - b
    between = z[6]
    twice = between + between
    u = abs(difference) if abs(difference) > abs(twice) else abs(twice)
    w = abs(twice) if abs(difference) > abs(twice) else abs(difference)
    root = u * sqrt(1.0 + (w / u) * (w / u)) if u > 0.0 else 0.0
    large = a if abs(a) > abs(b) else b
    small = b if abs(a) > abs(b) else a
    value = 0.5 * (total - root) if total < 0.0 else 0.5 * (total + root)
    other = (large / value) * small - (between / value) * between
    other = other if total != 0.0 else -0.5 * root
    far = difference - root if difference < 0.0 else difference + root
    q = twice / far if abs(far) > abs(twice) else far / twice
    x = 1.0 / sqrt(1.0 + q * q)
    c = -q * x if abs(far) > abs(twice) else (x if twice != 0.0 else 1.0)
    s = x if abs(far) > abs(twice) else (-q * x if twice != 0.0 else 0.0)
    unlike = (total < 0.0) ^ (difference < 0.0)
    x = c if unlike else -s
    s = s if unlike else c
    for i in range(bottom, top):
        here = both & (at == float(i))
        turns[2 * i] = x if here else turns[2 * i]
        turns[2 * i + 1] = (s if back else -s) if here else turns[2 * i + 1]
        d[i] = (other if back else value) if here else d[i]
        d[i + 1] = (value if back else other) if here else d[i + 1]
        e[i] = 0.0 if here else e[i]
    z[0] = at + 2.0 if both else at


def turn(v: Numbers, turns: Numbers, ends: Words, kept: int, n: int, wide: int) -> None:
    """Turns vectors by the rotations that are kept, four rows of components at once."""
    j = 0
    while j < n:
        for k in range(kept):
            low = ends[2 * k]
            i = ends[2 * k + 1]
            first = j * wide
            p = v[first + i]
            q = v[first + wide + i]
            r = v[first + 2 * wide + i]
            t = v[first + 3 * wide + i]
            while i > low:
                i -= 1
                c = turns[2 * k * wide + 2 * i]
                s = turns[2 * k * wide + 2 * i + 1]
                x = v[first + i]
                v[first + i + 1] = c * p + s * x
                p = c * x - s * p
                x = v[first + wide + i]
                v[first + wide + i + 1] = c * q + s * x
                q = c * x - s * q
                x = v[first + 2 * wide + i]
                v[first + 2 * wide + i + 1] = c * r + s * x
                r = c * x - s * r
                x = v[first + 3 * wide + i]
                v[first + 3 * wide + i + 1] = c * t + s * x
                t = c * x - s * t
            v[first + low] = p
            v[first + wide + low] = q
            v[first + 2 * wide + low] = r
            v[first + 3 * wide + low] = t
        j += 4


PARTS = (reverse, divide, search, sweep, pair, advance, turn, iterate)
"""The functions, the last one of which calls the others."""
