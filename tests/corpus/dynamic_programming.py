"""Tables filled entry by entry: alignments, runs, knapsacks, hidden Markov models."""

import math

import numpy as np

from corpus.case import Case, vector


def edit_distance(a, b):
    d = np.zeros((len(a) + 1, len(b) + 1), dtype=np.int64)
    for i in range(len(a) + 1):
        d[i, 0] = i
    for j in range(len(b) + 1):
        d[0, j] = j
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + cost)
    return d[-1, -1]


def longest_common_subsequence(a, b):
    previous = np.zeros(len(b) + 1, int)
    for i in range(len(a)):
        current = np.zeros(len(b) + 1, int)
        for j in range(len(b)):
            if a[i] == b[j]:
                current[j + 1] = previous[j] + 1
            else:
                current[j + 1] = max(previous[j + 1], current[j])
        previous = current
    return previous[-1]


def dynamic_time_warping(x, y):
    d = np.full((len(x) + 1, len(y) + 1), np.inf)
    d[0, 0] = 0.0
    for i in range(1, len(x) + 1):
        for j in range(1, len(y) + 1):
            cost = abs(x[i - 1] - y[j - 1])
            d[i, j] = cost + min(d[i - 1, j], d[i, j - 1], d[i - 1, j - 1])
    return d[len(x), len(y)]


def soft_dynamic_time_warping(x, y, gamma):
    d = np.full((len(x) + 1, len(y) + 1), 1e10)
    d[0, 0] = 0.0
    for i in range(1, len(x) + 1):
        for j in range(1, len(y) + 1):
            a, b, c = -d[i - 1, j] / gamma, -d[i, j - 1] / gamma, -d[i - 1, j - 1] / gamma
            largest = max(a, b, c)
            total = math.exp(a - largest) + math.exp(b - largest) + math.exp(c - largest)
            cost = (x[i - 1] - y[j - 1]) ** 2
            d[i, j] = cost - gamma * (math.log(total) + largest)
    return d[-1, -1]


def viterbi(start, transition, emission, observed):
    turns, states = len(observed), len(start)
    score = np.zeros((turns, states))
    back = np.zeros((turns, states), int)
    score[0] = start + emission[:, observed[0]]
    for t in range(1, turns):
        for s in range(states):
            candidates = score[t - 1] + transition[:, s]
            back[t, s] = np.argmax(candidates)
            score[t, s] = np.max(candidates) + emission[s, observed[t]]
    path = np.zeros(turns, int)
    path[-1] = np.argmax(score[-1])
    for t in range(turns - 2, -1, -1):
        path[t] = back[t + 1, path[t + 1]]
    return path, np.max(score[-1])


def hidden_markov_forward(start, transition, emission, observed):
    alpha = start * emission[:, observed[0]]
    log_likelihood = 0.0
    for o in observed[1:]:
        alpha = (alpha @ transition) * emission[:, o]
        scale = alpha.sum()
        alpha = alpha / scale
        log_likelihood += np.log(scale)
    return log_likelihood + np.log(alpha.sum())


def knapsack(weights, values, capacity):
    best = np.zeros(capacity + 1)
    for i in range(len(weights)):
        for c in range(capacity, 0, -1):
            if c >= weights[i]:
                best[c] = max(best[c], best[c - weights[i]] + values[i])
    return best[capacity]


def knapsack_by_rows(weights, values):
    best = np.zeros(11)
    for w, v in zip(weights, values):
        taken = np.full(11, -np.inf)
        for c in range(w, 11):
            taken[c] = best[c - w] + v
        best = np.maximum(best, taken)
    return best


def longest_increasing_subsequence(x):
    length = np.ones(len(x), int)
    for i in range(len(x)):
        for j in range(i):
            if x[j] < x[i] and length[j] + 1 > length[i]:
                length[i] = length[j] + 1
    return max(length)


def matrix_chain(sizes):
    n = len(sizes) - 1
    cost = np.zeros((n, n), int)
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            best = 10**9
            for k in range(i, j):
                c = cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                if c < best:
                    best = c
            cost[i, j] = best
    return cost[0, n - 1]


def coin_change(coins, amount):
    ways = np.zeros(amount + 1, dtype=np.int64)
    ways[0] = 1
    for coin in coins:
        for a in range(coin, amount + 1):
            ways[a] += ways[a - coin]
    return ways[amount]


def largest_sum_of_a_run(x):
    best = x[0]
    current = x[0]
    start = first = last = 0
    for i in range(1, len(x)):
        if current < 0:
            current = x[i]
            start = i
        else:
            current += x[i]
        if current > best:
            best = current
            first, last = start, i
    return best, first, last


def needleman_wunsch(a, b, gap):
    score = np.zeros((len(a) + 1, len(b) + 1))
    score[:, 0] = -gap * np.arange(len(a) + 1)
    score[0, :] = -gap * np.arange(len(b) + 1)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            match = score[i, j] + (1.0 if p == q else -0.7)
            score[i + 1, j + 1] = max(match, score[i, j + 1] - gap, score[i + 1, j] - gap)
    return score


def cheapest_path(cost):
    rows, columns = cost.shape
    for i in range(rows):
        for j in range(columns):
            if i == 0 and j == 0:
                continue
            if i == 0:
                cost[i, j] += cost[i, j - 1]
            elif j == 0:
                cost[i, j] += cost[i - 1, j]
            else:
                cost[i, j] += min(cost[i - 1, j], cost[i, j - 1])
    return cost[-1, -1]


def catalan(n):
    c = np.zeros(n + 1, dtype=np.int64)
    c[0] = 1
    for i in range(1, n + 1):
        for j in range(i):
            c[i] += c[j] * c[i - 1 - j]
    return c


def summed_area_table(a):
    s = np.zeros((a.shape[0] + 1, a.shape[1] + 1))
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            s[i + 1, j + 1] = a[i, j] + s[i, j + 1] + s[i + 1, j] - s[i, j]
    return s


def distances(rng, n):
    return (rng.uniform(0.5, 5, (n, n)),)


def words(rng, n):
    return rng.integers(0, 3, n), rng.integers(0, 3, n + 1)


def series(rng, n):
    return rng.normal(size=n), rng.normal(size=n + 1)


def cheapest_path_in_lists(costs):
    n = len(costs)
    best = [[math.inf] * n for _ in range(n)]
    best[0][0] = costs[0, 0]
    for i in range(n):
        for j in range(n):
            if i > 0:
                best[i][j] = min(best[i][j], best[i - 1][j] + costs[i, j])
            if j > 0:
                best[i][j] = min(best[i][j], best[i][j - 1] + costs[i, j])
    return best[n - 1][n - 1]


def markov(rng, n):
    draw = rng.uniform(0.1, 1, 3), rng.uniform(0.1, 1, (3, 3)), rng.uniform(0.1, 1, (3, 2))
    return *draw, rng.integers(0, 2, n)


CASES = [
    Case(edit_distance, words, 6, captured=True),
    Case(longest_common_subsequence, words, 6, captured=True),
    Case(dynamic_time_warping, series, 6, (0, 1), captured=True, differences=True),
    Case(
        soft_dynamic_time_warping,
        lambda r, n: (*series(r, n), 0.5),
        6,
        (0, 1, 2),
        captured=True,
        rtol=1e-5,
        value_rtol=1e-9,
        differences=True,
    ),
    Case(viterbi, markov, 7, (0, 1, 2), captured=True, differences=True),
    Case(hidden_markov_forward, markov, 7, (0, 1, 2), captured=True),
    Case(
        knapsack,
        lambda r, n: (r.integers(1, 5, n), r.uniform(1, 2, n), 9),
        6,
        (1,),
        captured=True,
        differences=True,
    ),
    Case(
        knapsack_by_rows,
        lambda r, n: (r.integers(1, 5, n), r.uniform(1, 2, n)),
        6,
        (1,),
        captured=True,
        differences=True,
    ),
    Case(longest_increasing_subsequence, vector, 8, captured=True),
    Case(matrix_chain, lambda r, n: (r.integers(1, 9, n + 1),), 6, captured=True),
    Case(coin_change, lambda r, n: (np.arange(1, n + 1) % 5 + 1, 12), 6, captured=True),
    Case(largest_sum_of_a_run, vector, 8, (0,), captured=True),
    Case(
        needleman_wunsch,
        lambda r, n: (*words(r, n), 0.45),
        6,
        (2,),
        captured=True,
        differences=True,
    ),
    Case(cheapest_path, distances, 6, (0,), captured=True),
    Case(cheapest_path_in_lists, distances, 6, (0,), captured=True),
    Case(catalan, lambda r, n: (n,), 8, captured=True),
    Case(
        summed_area_table,
        lambda r, n: (r.normal(size=(n, n)),),
        6,
        (0,),
        captured=True,
        differences=True,
    ),
]
