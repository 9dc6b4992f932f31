"""What a function is made of: closures, methods, helpers, recursion, lists, parameters."""

import functools
from dataclasses import dataclass

import numpy as np

from corpus.case import Case, vector

GAINS = {"low": 0.5, "high": np.array([2.0, -1.0, 0.25])}


@dataclass
class Oscillator:
    stiffness: float
    damping: float

    def force(self, x, v):
        return -self.stiffness * x - self.damping * v

    def simulate(self, x, v, steps):
        for _ in range(steps):
            v = v + 0.05 * self.force(x, v)
            x = x + 0.05 * v
        return x, v


def methods_of_an_object(x, v, stiffness, steps):
    system = Oscillator(stiffness, 0.1)
    return system.simulate(x, v, steps)


def local_function(x):
    def step(state, value):
        return 0.5 * state + np.sin(value)

    state = 0.0
    for v in x:
        state = step(state, v)
    return state


def closure_over_traced_values(x, rate):
    offset = x[0]

    def step(value):
        return rate * (value - offset)

    total = 0.0
    for v in x:
        total += step(v)
    return total


def nonlocal_state(x):
    count = 0
    total = 0.0

    def add(value):
        nonlocal count, total
        count += 1
        total += value * value

    for v in x:
        add(v)
    return total / count


def lambdas(x):
    square = lambda v: v * v  # noqa: E731
    compose = lambda f, g: lambda v: f(g(v))  # noqa: E731
    total = 0.0
    for v in x:
        total += compose(square, np.sin)(v)
    return total


def clamp(value, low, high):
    if value < low:
        return low
    if value > high:
        return high
    return value


def helper_with_branches(x):
    total = 0.0
    for v in x:
        total += clamp(v * 2.0, -1.0, 1.0) ** 2
    return total


def integrate(f, a, b, n):
    h = (b - a) / n
    total = 0.5 * (f(a) + f(b))
    for i in range(1, n):
        total += f(a + i * h)
    return total * h


def function_as_an_argument(a, b, n):
    return integrate(lambda t: np.exp(-t * t) * b, a, b, n)


def partial_and_defaults(x, scale=0.5, *, shift=1.0):
    f = functools.partial(clamp, low=-scale, high=scale)
    total = shift
    for v in x:
        total += f(v)
    return total


def star_arguments(*arrays):
    total = 0.0
    for a in arrays:
        total += np.sum(a * a)
    first, *rest = arrays
    return total + first[0] * len(rest)


def power_by_recursion(x, n):
    if n == 0:
        return 1.0
    half = power_by_recursion(x, n // 2)
    if n % 2:
        return half * half * x
    return half * half


def fast_fourier_by_recursion(re, im):
    n = len(re)
    if n == 1:
        return re, im
    a, b = fast_fourier_by_recursion(re[::2], im[::2])
    c, d = fast_fourier_by_recursion(re[1::2], im[1::2])
    angle = -2.0 * np.pi * np.arange(n // 2) / n
    p = np.cos(angle) * c - np.sin(angle) * d
    q = np.cos(angle) * d + np.sin(angle) * c
    return np.concatenate([a + p, a - p]), np.concatenate([b + q, b - q])


def list_then_stack(x):
    rows = []
    state = np.zeros(2)
    for i in range(len(x)):
        state = np.array([0.5 * state[1] + x[i], state[0] - x[i]])
        rows.append(state)
    return np.stack(rows)


def list_then_array(x):
    values = []
    y = 1.0
    for v in x:
        y = 0.5 * y + v
        values.append(y)
    return np.array(values)


def list_with_a_first_entry(x):
    values = [x[0]]
    for i in range(1, len(x)):
        values.append(0.5 * values[-1] + x[i])
    return np.array(values)


def preallocated_list(x):
    out = [0.0] * len(x)
    for i in range(len(x)):
        out[i] = x[i] * x[i]
    return np.array(out)


def layers_in_a_list(x, layers):
    for weights, bias in layers:
        x = np.tanh(weights @ x + bias)
    return x


def parameters_in_a_dict(x, parameters):
    for name, value in parameters.items():
        x = np.maximum(x, 0.0) * value if name.startswith("scale") else x + value
    return sum(parameters[k].sum() for k in sorted(parameters)) + x


def global_constants(x):
    total = 0.0
    for i in range(len(x)):
        total += GAINS["low"] * x[i] + GAINS["high"][i % 3]
    return total


def matrix_state_made_of_scalars(x):
    m = np.eye(2)
    for v in x:
        m = m @ np.array([[np.cos(v), -np.sin(v)], [np.sin(v), np.cos(v)]])
    return m


def state_defined_in_the_loop(x):
    for i in range(len(x)):
        if i == 0:
            best = x[0]
        elif x[i] > best:
            best = x[i]
    return best


def assertions_in_loops(x):
    total = 0.0
    for v in x:
        assert v < 1000.0, "too large"
        total += v
    return total


def walrus(x):
    total = 0.0
    i = 0
    while (i := i + 1) < len(x):
        total += (y := x[i] * 2.0) * y
    return total


def layers(rng, n):
    shapes = [(4, 3), (4, 4), (2, 4)]
    return rng.normal(size=3), [(rng.normal(size=s), rng.normal(size=s[0])) for s in shapes]


def parameters(rng, n):
    names = ["scale1", "shift1", "scale2"]
    return rng.normal(size=n), {k: rng.normal(size=n) for k in names}


CASES = [
    Case(methods_of_an_object, lambda r, n: (1.0, 0.2, 3.0, n), 8, (0, 1, 2), captured=True),
    Case(local_function, vector, 8, (0,), captured=True),
    Case(
        closure_over_traced_values, lambda r, n: (r.normal(size=n), 0.3), 8, (0, 1), captured=True
    ),
    Case(nonlocal_state, vector, 8, (0,), captured=True),
    Case(lambdas, vector, 8, (0,), captured=True),
    Case(helper_with_branches, vector, 8, (0,), captured=True),
    Case(function_as_an_argument, lambda r, n: (-0.3, 1.2, n), 8, (0, 1), captured=True),
    Case(partial_and_defaults, vector, 8, (0,), captured=True),
    Case(star_arguments, lambda r, n: (r.normal(size=2), r.normal(size=3)), 1, (0, 1)),
    Case(power_by_recursion, lambda r, n: (r.normal(), 13), 1, (0,)),
    Case(fast_fourier_by_recursion, lambda r, n: (r.normal(size=8), r.normal(size=8)), 8, (0, 1)),
    Case(list_then_stack, vector, 8, (0,), captured=True),
    Case(list_then_array, vector, 8, (0,), captured=True),
    Case(list_with_a_first_entry, vector, 8, (0,)),
    Case(preallocated_list, vector, 8, (0,)),
    Case(layers_in_a_list, layers, 3, (0, 1)),
    Case(parameters_in_a_dict, parameters, 3, (0, 1)),
    Case(global_constants, vector, 8, (0,), captured=True),
    Case(matrix_state_made_of_scalars, vector, 7, (0,), captured=True),
    Case(state_defined_in_the_loop, vector, 7, (0,), captured=True),
    Case(assertions_in_loops, vector, 7, (0,), captured=True),
    Case(walrus, vector, 7, (0,), captured=True),
]
