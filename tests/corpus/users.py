"""Programs as they are found in users' own files, each for something that once went wrong."""

import numpy as np

from corpus.case import Case


def page_rank(links):
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


def links(rng, n):
    return (rng.uniform(0.1, 1, (n, n)),)


CASES = [
    Case(page_rank, links, 5, (0,)),
    Case(decay, lambda rng, n: (rng.uniform(0.3, 1),), 1, (0,)),
]
