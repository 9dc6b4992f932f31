"""Filters, recurrent networks, convolutions."""

import numpy as np

from corpus.case import Case


def kalman_filter(z, F, H, q, r):
    x = np.zeros(2)
    P = np.eye(2)
    log_likelihood = 0.0
    for t in range(len(z)):
        x = F @ x
        P = F @ P @ F.T + q * np.eye(2)
        S = H @ P @ H + r
        K = P @ H / S
        e = z[t] - H @ x
        x = x + K * e
        P = P - np.outer(K, H @ P)
        log_likelihood -= 0.5 * (e * e / S + np.log(S))
    return x, log_likelihood


def recurrent_network(x, W, U, b):
    h = np.zeros(len(b))
    for t in range(len(x)):
        h = np.tanh(W @ x[t] + U @ h + b)
    return h


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def long_short_term_memory(x, W, U, b):
    size = len(b) // 4
    h = np.zeros(size)
    c = np.zeros(size)
    outputs = []
    for t in range(len(x)):
        gates = W @ x[t] + U @ h + b
        i, f = sigmoid(gates[:size]), sigmoid(gates[size : 2 * size])
        o, g = sigmoid(gates[2 * size : 3 * size]), np.tanh(gates[3 * size :])
        c = f * c + i * g
        h = o * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


def gated_recurrent_unit(x, W, U):
    h = np.zeros(2)
    for v in x:
        a, b = W[0] * v + U[0] @ h, W[1] * v + U[1] @ h
        z, r = sigmoid(a), sigmoid(b)
        h = (1.0 - z) * h + z * np.tanh(W[2] * v + U[2] @ (r * h))
    return h


def moving_average(x, decay):
    out = np.zeros_like(x)
    state = x[0]
    for i, value in enumerate(x):
        state = decay * state + (1.0 - decay) * value
        out[i] = state
    return out


def infinite_impulse_response(x, b, a):
    y = np.zeros(len(x))
    for n in range(len(x)):
        for k in range(len(b)):
            if n - k >= 0:
                y[n] += b[k] * x[n - k]
        for k in range(1, len(a)):
            if n >= k:
                y[n] -= a[k] * y[n - k]
    return y


def convolution(x, kernel):
    out = np.zeros(len(x) - len(kernel) + 1)
    for i in range(len(out)):
        for k in range(len(kernel)):
            out[i] += x[i + k] * kernel[len(kernel) - 1 - k]
    return out


def convolution_of_an_image(image, kernel):
    n, m = image.shape
    out = np.zeros((n - 2, m - 2))
    for i in range(n - 2):
        for j in range(m - 2):
            out[i, j] = np.sum(image[i : i + 3, j : j + 3] * kernel)
    return out


def page_rank(links, turns):
    n = links.shape[0]
    rank = np.full(n, 1.0 / n)
    degree = links.sum(axis=0)
    for _ in range(turns):
        new = np.full(n, 0.15 / n)
        for i in range(n):
            for j in range(n):
                new[i] += 0.85 * links[i, j] * rank[j] / degree[j]
        rank = new
    return rank


def k_means_step(points, centres):
    sums = np.zeros_like(centres)
    counts = np.zeros(len(centres))
    for p in points:
        best = 0
        smallest = np.inf
        for k in range(len(centres)):
            d = np.sum((p - centres[k]) ** 2)
            if d < smallest:
                smallest = d
                best = k
        sums[best] += p
        counts[best] += 1
    for k in range(len(centres)):
        if counts[k] > 0:
            centres[k] = sums[k] / counts[k]


def predator_prey(rabbits, foxes, rates, steps):
    path = np.zeros((steps, 2))
    for t in range(steps):
        births, deaths = rates[0] * rabbits, rates[1] * rabbits * foxes
        rabbits = rabbits + 0.1 * (births - deaths)
        foxes = foxes + 0.1 * (0.5 * deaths - rates[2] * foxes)
        path[t, 0], path[t, 1] = rabbits, foxes
    return path


def network(rng, n, gates=1):
    h = 2
    draw = (
        rng.normal(size=(gates * h, 3)),
        rng.normal(size=(gates * h, h)),
        rng.normal(size=gates * h),
    )
    return rng.normal(size=(n, 3)), *draw


def tracking(rng, n):
    F = np.array([[1.0, 0.1], [0.0, 0.95]])
    return rng.normal(size=n), F, np.array([1.0, 0.2]), 0.1, 0.5


CASES = [
    Case(kalman_filter, tracking, 6, (0, 1, 2, 3, 4), captured=True, slow=True),
    Case(recurrent_network, network, 6, (0, 1, 2, 3), captured=True),
    Case(
        long_short_term_memory,
        lambda r, n: network(r, n, 4),
        6,
        (0, 1, 2, 3),
        captured=True,
        slow=True,
    ),
    Case(
        gated_recurrent_unit,
        lambda r, n: (r.normal(size=n), r.normal(size=(3, 2)), r.normal(size=(3, 2, 2))),
        6,
        (0, 1, 2),
        captured=True,
    ),
    Case(moving_average, lambda r, n: (r.normal(size=n), 0.8), 8, (0, 1), captured=True),
    Case(
        infinite_impulse_response,
        lambda r, n: (r.normal(size=n), r.normal(size=3), r.normal(size=3)),
        7,
        (0, 1, 2),
        captured=True,
        differences=True,
    ),
    Case(
        convolution,
        lambda r, n: (r.normal(size=n + 3), r.normal(size=n)),
        5,
        (0, 1),
        captured=True,
        differences=True,
    ),
    Case(
        convolution_of_an_image,
        lambda r, n: (r.normal(size=(n, n)), r.normal(size=(3, 3))),
        7,
        (0, 1),
        captured=True,
        differences=True,
    ),
    Case(
        page_rank,
        lambda r, n: (r.uniform(0.1, 1, (5, 5)), n),
        6,
        (0,),
        captured=True,
        differences=True,
    ),
    Case(
        k_means_step,
        lambda r, n: (r.normal(size=(n, 2)), r.normal(size=(2, 2))),
        6,
        (0, 1),
        captured=True,
    ),
    Case(
        predator_prey,
        lambda r, n: (1.0, 0.5, r.uniform(0.2, 1, 3), n),
        7,
        (0, 1, 2),
        captured=True,
        differences=True,
    ),
]
