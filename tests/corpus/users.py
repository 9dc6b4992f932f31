"""Programs as they are found in users' own files, each for something that once went wrong."""

import functools
import itertools
import math
import statistics
from bisect import bisect

import numpy as np

from corpus.case import Case, positive, vector


def ranks_of_pages(links):
    """The factor 0.85 times the matrix is the same at every turn, and the turns are not known."""
    n = len(links)
    m = links / links.sum(0)
    r = np.ones(n) / n
    for _ in range(60):
        new = 0.85 * m @ r + 0.15 / n
        if np.abs(new - r).sum() < 1e-3:
            break
        r = new
    return r


def decay(x):
    steps, value = 0, 1.0
    while value > 1e-3:
        value = np.sin(0.85 * x) * 0.5 * value
        steps += 1
    return value


def sorts_in_python(x):
    by_size = sorted(x, key=lambda v: abs(v), reverse=True)
    places = sorted(range(len(x)), key=lambda i: x[i])
    pairs = sorted(zip(x, range(len(x)), strict=True), key=lambda p: (p[1] % 2, -p[0]))
    rows = [np.array([v, 1.0]) for v in x]
    rows.sort(key=lambda row: row[0])
    best = max(range(len(x)), key=lambda i: x[i])
    near = min(x, key=lambda v: abs(v - 0.3))
    named = [v for _, v in sorted({"b": x[0], "a": x}.items(), reverse=True)]
    first = min([(2, x[0]), (1, x[1])], key=lambda p: p)
    place = bisect(sorted([x[0], x[1]]), x[2])
    most = 0.5 + sum(v for v in x if v > 0)
    return by_size, places, [p[0] for p in pairs], rows, best, near, named, first, place, most


def appends_in_each_branch(x):
    out, which = [0.0], []
    for i in range(len(x)):
        if x[i] > 0.5:
            out.append(out[-1] + x[i])
            which.append(i)
        elif x[i] > 0:
            which.append(-1)
            out.append(x[i] * 2)
        else:
            out.append(0.5 * out[-1])
            which.append(-2)
    if x[0] > x[1]:
        out.append(x[0])
    else:
        out.append(x[1])
    return np.array(out), np.array(which)


def lists_in_numpy(x):
    a, b = x[0], x[1]
    return (
        *(np.mean([v * v for v in x]), np.max([a, b, 0.0]), np.sqrt([a * a, 2.0])),
        *(np.linalg.norm([a, b]), np.linalg.det([[a, 1.0], [2.0, b]]), np.dot([a, b], [1, 2])),
        *(np.r_[x, a, 0:2], np.c_[x, x**2], x.sum().item(), x.tolist()),
        np.lib.stride_tricks.sliding_window_view(x, 3) @ np.array([1.0, -2.0, 1.0]),
        list(itertools.accumulate(x, lambda s, v: 0.5 * s + v)),
    )


def looks_up_lists(x, k):
    table = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    total = 0.0
    for i in range(len(x)):
        total += table[k[i] % 3][k[i] % 2] * (x[0], x[1])[k[i] % 2]
    return total, np.choose(k % 2, [x, -x])


def vectorized(x):
    @functools.partial(np.vectorize, excluded={"slope"})
    def leaky(v, slope=0.1):
        if v > 0:
            return math.exp(v)
        return slope * v

    spread = np.vectorize(lambda row, w: (row.max() - row.min()) * w, signature="(n),()->()")
    both = np.vectorize(lambda a, b: (a * b, a - b))
    return leaky(x, slope=0.3), spread(x.reshape(-1, 2), x[0]), both(x[:, None], x[:2])


def pieces(x):
    """Each function gets the elements of its own case, so that their mean is not the whole's."""
    return (
        np.piecewise(x, [x < 0, x > 1], [lambda v: v * v.mean(), lambda v: v.sum() - v, 0.5]),
        np.piecewise(x, x > 0, [np.sqrt, lambda v: v**2]),
    )


def selections(x, k):
    good = x[x > 0]
    places = np.where(x > -0.5)[0]
    peaks = np.flatnonzero((x[1:-1] > x[:-2]) & (x[1:-1] > x[2:])) + 1
    y = x.copy()
    y[places] = 0.25 * y[places] + k[places]
    mean = good.sum() / len(good) if good.size > 0 else 0.0
    clipped = np.clip(good, 0.1, 1.0)
    clipped[clipped > 0.8] = 0.5
    return (
        *(mean, np.median(good), np.percentile(good, 30), good @ good, np.linalg.norm(good)),
        *(good[0], good[-1], np.sort(good)[1], np.cumsum(good)[-1], good.argmax(), places[0]),
        *(y, x[peaks].sum(), peaks.size, clipped.sum(), sum(good), max(good), any(good > 1)),
    )


def numbers_of_python(x, k):
    n = int(k[0]) + 5
    return (
        *(math.dist(x[:2], x[2:4]), math.gcd(n, 6), math.lcm(n, 4), math.isqrt(n * n + 1)),
        *(math.modf(2.5 * x[0]), math.frexp(x[1]), math.ldexp(x[0], 2), type(x[0]) is np.float64),
    )


def appends_until_it_is_small(x):
    """How long the lists are is known only when the program runs."""
    sizes, points, s = [x[0]], [], 4.0 + x[0]
    for k in range(30):
        s = 0.6 * s
        sizes.append(s)
        points.append(np.array([s, k * s]))
        points.append(x[:2] * s)
        if s < 0.5:
            break
    total, all_sizes = 0.0, np.array(sizes)
    for i, (size, point) in enumerate(zip(sizes, points)):
        total += i * size * point[0]
    return (
        *(sizes[-1], sizes[0], sizes[-3], sizes[k], len(sizes), len(points), points[-2] * 1.0),
        *(all_sizes.mean(), np.max(sizes), sum(sizes), min(sizes), np.sum(points), total),
        *(np.linalg.norm(sizes[1:]), not sizes),
    )


def chosen_among_some(x, k):
    basis, best = list(range(4)), [0.0, x[1], 2]
    for i in range(len(x)):
        j = k[i] % 4
        basis[j] += i
        best[-1 - j % 3] = x[i]
        if basis[0] > 9:
            break
    return (
        *(
            basis,
            best,
            min(v for i, v in enumerate(x) if i != k[0] % 3),
            max(v for v in x if v < 9),
        ),
        *(min((v for v in x if v > 99), default=-1.0), max(i for i in range(5) if x[i] < 9)),
        *(any(v > 0.5 for v in x if v < 1), all(np.log(v) < 1 for v in x if v > 0)),
    )


def has_nothing_before_the_first_turn(x):
    found, last, s = [], {}, x[0]
    for i in range(len(x)):
        if i > 0:
            s = s + 0.5 * found[-1] + last["v"]
        found.append(s * x[i])
        last["v"] = 0.1 * s
    return s, np.array(found)


def averages_of_python(x):
    values = [v * v + 0.5 for v in x]
    line = statistics.linear_regression(x, values)
    through = statistics.linear_regression(x, values, proportional=True)
    return (
        *(statistics.mean(x), statistics.fmean(values), statistics.median(x)),
        *(statistics.fmean(values, range(1, len(x) + 1)), statistics.mean(v + 1 for v in x)),
        *(statistics.geometric_mean(values), statistics.harmonic_mean(values)),
        *(statistics.variance(x), statistics.stdev(x), statistics.pvariance(x, mu=x[0])),
        *(statistics.pstdev(x), statistics.covariance(x, values), line.slope, line.intercept),
        *(
            *through,
            statistics.mean(k * a for k, a, _ in zip(itertools.count(), x, iter("abcdefgh"))),
        ),
        *(statistics.correlation(x, values), statistics.mean([1, 2, len(x)])),
    )


def reads_before_a_branch_writes(x, a):
    """`b` is of the old x, and both are changed in the branch."""
    turns = 0
    while turns < 3 + int(2 * np.abs(x[0])):
        turns += 1
        x = x * 0.9
    b = a + x
    if b[0, 1] < 0.2:
        x[0] = 3.0
        b[1, 2] = 5.0
    else:
        x[1:-1] = 0.5 * (x[:-2] + x[2:])
    return x, b


def changes_what_may_be_replaced(x):
    """The inner loop does not run in the first turn, after which x is still the argument."""
    for i in range(7):
        x[0] += 1.0
        k = 0
        while k < i:
            x = x * 0.9
            k += 1
    return x


def links(rng, n):
    return (rng.uniform(0.1, 1, (n, n)),)


def with_numbers(rng, n):
    return rng.permutation(np.linspace(-1, 1.5, n)) + 0.01, rng.integers(0, 9, n)


CASES = [
    Case(has_nothing_before_the_first_turn, vector, 8, (0,)),
    Case(chosen_among_some, lambda r, n: (r.normal(size=n), r.integers(0, 9, n)), 8, (0,)),
    Case(appends_until_it_is_small, vector, 8, (0,), captured=True, differences=True),
    Case(averages_of_python, vector, 8, (0,), differences=True),
    Case(ranks_of_pages, links, 5, (0,)),
    Case(decay, lambda rng, n: (rng.uniform(0.3, 1),), 1, (0,)),
    Case(
        reads_before_a_branch_writes,
        lambda rng, n: (rng.normal(size=n), rng.normal(size=(n, n))),
        5,
        (0, 1),
        differences=True,
    ),
    Case(changes_what_may_be_replaced, vector, 3, (0,)),
    Case(sorts_in_python, vector, 6, (0,), differences=True),
    Case(appends_in_each_branch, vector, 9, (0,), differences=True),
    Case(lists_in_numpy, vector, 6, (0,), differences=True),
    Case(looks_up_lists, with_numbers, 7, (0,), captured=False),
    Case(vectorized, vector, 6, (0,), differences=True),
    Case(pieces, vector, 8, (0,), differences=True),
    Case(selections, with_numbers, 12, (0,), differences=True),
    Case(numbers_of_python, lambda rng, n: (positive(rng, n)[0], rng.integers(0, 9, n)), 5),
]
