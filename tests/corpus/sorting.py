"""Sorting, searching, counting."""

import numpy as np

from corpus.case import Case, integers, vector


def prefix_sums(k):
    out = np.zeros(len(k) + 1, k.dtype)
    for i in range(len(k)):
        out[i + 1] = out[i] + k[i]
    return out


def run_lengths(k):
    values = np.zeros(len(k), k.dtype)
    lengths = np.zeros(len(k), int)
    runs = 0
    for i in range(len(k)):
        if i > 0 and k[i] == k[i - 1]:
            lengths[runs - 1] += 1
        else:
            values[runs] = k[i]
            lengths[runs] = 1
            runs += 1
    return values, lengths, runs


def insertion_sort(x):
    for i in range(1, len(x)):
        key = x[i]
        j = i - 1
        while j >= 0 and x[j] > key:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = key
    return x


def bubble_sort(k):
    n = len(k)
    swapped = True
    passes = 0
    while swapped:
        swapped = False
        for i in range(1, n):
            if k[i - 1] > k[i]:
                k[i - 1], k[i] = k[i], k[i - 1]
                swapped = True
        passes += 1
    return passes


def selection_sort(x):
    for i in range(len(x)):
        smallest = i
        for j in range(i + 1, len(x)):
            if x[j] < x[smallest]:
                smallest = j
        x[i], x[smallest] = x[smallest], x[i]


def counting_sort(k):
    counts = np.zeros(10, int)
    for v in k:
        counts[v] += 1
    out = np.empty_like(k)
    place = 0
    for v in range(10):
        for _ in range(counts[v]):
            out[place] = v
            place += 1
    return out


def binary_search(k, wanted):
    low, high = 0, len(k) - 1
    while low <= high:
        middle = (low + high) // 2
        if k[middle] == wanted:
            return middle
        if k[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1


def merged(a, b):
    out = np.zeros(len(a) + len(b), a.dtype)
    i = j = 0
    for k in range(len(out)):
        if j >= len(b) or (i < len(a) and a[i] <= b[j]):
            out[k] = a[i]
            i += 1
        else:
            out[k] = b[j]
            j += 1
    return out


def partitioned(x):
    pivot = x[-1]
    i = 0
    for j in range(len(x) - 1):
        if x[j] < pivot:
            x[i], x[j] = x[j], x[i]
            i += 1
    x[i], x[-1] = x[-1], x[i]
    return i


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def modular_power(base, exponent, modulus):
    result = 1
    base %= modulus
    while exponent > 0:
        if exponent & 1:
            result = result * base % modulus
        base = base * base % modulus
        exponent >>= 1
    return result


def digit_sum(n):
    total = 0
    while n > 0:
        n, digit = divmod(n, 10)
        total += digit
    return total


def congruential_numbers(seed, n):
    out = np.zeros(n)
    for i in range(n):
        seed = (1103515245 * seed + 12345) % 2**31
        out[i] = seed / 2**31
    return out, seed


def reversed_bits(k):
    out = 0
    for _ in range(8):
        out = (out << 1) | (k & 1)
        k >>= 1
    return out


def majority(k):
    candidate = -1
    count = 0
    for v in k:
        if count == 0:
            candidate = v
            count = 1
        elif v == candidate:
            count += 1
        else:
            count -= 1
    return candidate


def two_pointers(k, target):
    i, j = 0, len(k) - 1
    found = False
    while i < j and not found:
        total = k[i] + k[j]
        if total == target:
            found = True
        elif total < target:
            i += 1
        else:
            j -= 1
    return found, i, j


def josephus(n, k):
    survivor = 0
    for i in range(2, n + 1):
        survivor = (survivor + k) % i
    return survivor + 1


def square_root_of_an_integer(n):
    x = n
    y = (x + 1) // 2
    while y < x:
        x = y
        y = (x + n // x) // 2
    return x


def hash_of_bytes(k):
    value = np.uint32(2166136261)
    for byte in k:
        value = (value ^ byte) * np.uint32(16777619)
    return value


def histogram_counts(k):
    counts = np.zeros(5, dtype=np.int32)
    for v in k:
        counts[v % 5] += 1
    return counts


def permutation_cycles(p):
    seen = np.zeros(len(p), bool)
    cycles = 0
    for i in range(len(p)):
        if not seen[i]:
            cycles += 1
            j = i
            while not seen[j]:
                seen[j] = True
                j = p[j]
    return cycles


def union_find(a, b):
    parent = np.arange(8)
    for i in range(len(a)):
        x, y = a[i], b[i]
        while parent[x] != x:
            x = parent[x]
        while parent[y] != y:
            y = parent[y]
        if x != y:
            parent[y] = x
    return parent


def two_sorted(rng, n):
    return np.sort(rng.integers(0, 20, n)), np.sort(rng.integers(0, 20, n + 1))


CASES = [
    Case(prefix_sums, integers, 8, captured=True),
    Case(run_lengths, lambda r, n: (r.integers(0, 2, n),), 9, captured=True),
    Case(insertion_sort, vector, 7, (0,), captured=True),
    Case(bubble_sort, integers, 7, captured=True),
    Case(selection_sort, vector, 7, (0,), captured=True),
    Case(counting_sort, lambda r, n: (r.integers(0, 10, n),), 8, captured=True),
    Case(
        binary_search, lambda r, n: (np.sort(r.integers(0, 20, n)), np.int64(r.integers(0, 20))), 12
    ),
    Case(merged, two_sorted, 6, captured=True),
    Case(partitioned, vector, 8, (0,), captured=True),
    Case(fibonacci, lambda r, n: (np.int64(n + r.integers(4)),), 9),
    Case(modular_power, lambda r, n: (np.int64(r.integers(2, 50)), np.int64(r.integers(50)), 97)),
    Case(digit_sum, lambda r, n: (np.int64(r.integers(0, 99999)),)),
    Case(congruential_numbers, lambda r, n: (np.int64(r.integers(0, 999)), n), 8, captured=True),
    Case(reversed_bits, lambda r, n: (np.int64(r.integers(0, 256)),)),
    Case(majority, lambda r, n: (r.integers(0, 3, n),), 9, captured=True),
    Case(
        two_pointers, lambda r, n: (np.sort(r.integers(0, 20, n)), np.int64(r.integers(5, 30))), 8
    ),
    Case(josephus, lambda r, n: (n, np.int64(r.integers(2, 5))), 9, captured=True),
    Case(square_root_of_an_integer, lambda r, n: (np.int64(r.integers(1, 5000)),)),
    Case(hash_of_bytes, lambda r, n: (r.integers(0, 256, n).astype(np.uint8),), 7, captured=True),
    Case(histogram_counts, integers, 9, captured=True),
    Case(permutation_cycles, lambda r, n: (r.permutation(n),), 8, captured=True),
    Case(union_find, lambda r, n: (r.integers(0, 8, n), r.integers(0, 8, n)), 7, captured=True),
]
