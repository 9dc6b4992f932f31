"""Codes on integers: divisors, digits, hashes."""

import numpy as np

from corpus.case import Case


def collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


def greatest_common_divisor(a, b):
    while b != 0:
        a, b = b, a % b
    return a


def common_divisors(a, b):
    out = np.zeros_like(a)
    for i in range(len(a)):
        x, y = a[i], b[i]
        while y:
            x, y = y, x % y
        out[i] = x
    return out


def extended_euclid(a, b):
    old, r = a, b
    s0, s1 = 1, 0
    while r != 0:
        q = old // r
        old, r = r, old - q * r
        s0, s1 = s1, s0 - q * s1
    return old, s0


def sieve(n):
    prime = np.ones(n + 1, dtype=bool)
    prime[:2] = False
    for i in range(2, int(n**0.5) + 1):
        if prime[i]:
            for j in range(i * i, n + 1, i):
                prime[j] = False
    return prime, prime.sum()


def is_prime(n):
    if n < 2:
        return False
    k = 2
    while k * k <= n:
        if n % k == 0:
            return False
        k += 1
    return True


def an_integer(rng, n):
    return (np.int64(rng.integers(1, 30)),)


def two_integers(rng, n):
    return np.int64(rng.integers(1, 60)), np.int64(rng.integers(1, 60))


CASES = [
    Case(collatz, an_integer),
    Case(greatest_common_divisor, two_integers),
    Case(
        common_divisors, lambda r, n: (r.integers(1, 60, n), r.integers(1, 60, n)), 6, captured=True
    ),
    Case(extended_euclid, two_integers),
    Case(sieve, lambda r, n: (n * n,), 6, notes="the bounds of the inner loop are affine"),
    Case(is_prime, an_integer),
]
