"""Shortest paths."""

import numpy as np

from corpus.case import Case


def floyd_warshall(d):
    n = d.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if d[i, k] + d[k, j] < d[i, j]:
                    d[i, j] = d[i, k] + d[k, j]


def floyd_warshall_by_rows(d):
    for k in range(len(d)):
        d = np.minimum(d, d[:, k : k + 1] + d[k : k + 1, :])
    return d


def distances(rng, n):
    return (rng.uniform(0.5, 5, (n, n)),)


CASES = [
    Case(floyd_warshall, distances, 6, (0,), captured=True),
    Case(floyd_warshall_by_rows, distances, 6, (0,), captured=True),
]
