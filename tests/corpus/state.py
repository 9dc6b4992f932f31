"""What a loop carries: ints, bools, tuples, dicts, objects."""

from typing import NamedTuple

import numpy as np

from corpus.case import Case, vector


def integer_state(x):
    count = 0
    total = 0
    for i in range(len(x)):
        if x[i] > 0:
            count += 1
            total += i
    return count, total, total / (count + 1)


def integer_becomes_float(x):
    total = 0
    for v in x:
        total += v
    return total


def boolean_state(x):
    sorted_so_far = True
    inside = False
    for i in range(1, len(x)):
        sorted_so_far = sorted_so_far and x[i - 1] <= x[i]
        inside = inside != (x[i] > 0)
    return sorted_so_far, inside


def float32_state(x):
    total = np.float32(0)
    scale = np.float32(0.5)
    for v in x:
        total = total * scale + v
    return total


def weak_state_takes_the_dtype_of_the_array(x):
    total = 0.0
    for v in x:
        total = 0.5 * total + v
    return total


def mixed_precision(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total, x[0] + y


def array_state(x):
    v = np.ones(3)
    for i in range(len(x)):
        v = np.tanh(v * x[i]) + 0.1
    return v


def tuple_state(x):
    point = (0.0, 1.0)
    for v in x:
        a, b = point
        point = (b * 0.5 + v, a - 0.25 * v)
    return point


def list_state(x):
    state = [0.0, 1.0, x[0]]
    for v in x:
        state = [state[1], state[2] * 0.5, state[0] + v]
    return state


def dict_state(x):
    state = {"mean": 0.0, "count": 0}
    for v in x:
        count = state["count"] + 1
        state = {"mean": state["mean"] + (v - state["mean"]) / count, "count": count}
    return state


class Particle(NamedTuple):
    place: object
    speed: object


def named_tuple_state(x):
    particle = Particle(0.0, 1.0)
    for force in x:
        speed = particle.speed + 0.1 * force
        particle = particle._replace(place=particle.place + 0.1 * speed, speed=speed)
    return particle


def single(rng, n):
    return (rng.normal(size=n).astype(np.float32),)


def single_and_double(rng, n):
    return rng.normal(size=n).astype(np.float32), rng.normal(size=n)


CASES = [
    Case(integer_state, vector, 8, captured=True),
    Case(integer_becomes_float, vector, 8, (0,), captured=True),
    Case(boolean_state, vector, 7, captured=True),
    Case(float32_state, single, 8, captured=True),
    Case(weak_state_takes_the_dtype_of_the_array, single, 8, captured=True),
    Case(mixed_precision, single_and_double, 7, (1,), captured=True),
    Case(array_state, vector, 8, (0,), captured=True),
    Case(tuple_state, vector, 8, (0,), captured=True),
    Case(list_state, vector, 8, (0,), captured=True),
    Case(dict_state, vector, 8, (0,), captured=True),
    Case(named_tuple_state, vector, 8, (0,), captured=True),
]
