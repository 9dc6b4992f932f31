"""Minimum cuts against all cuts there are, and how often deep nests of loops are pushed."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ir.transforms import jvp as forward
from wengert.ir.transforms.mincut import INFINITE, Graph

Edges = dict[tuple[int, int], int]


def random_edges(seed: int) -> tuple[int, Edges]:
    draw = random.Random(seed)
    size = draw.randint(2, 8)
    edges: Edges = {}
    for _ in range(draw.randint(0, 24)):
        a, b = draw.sample(range(size), 2)
        width = draw.choice([1, 2, 3, 7, INFINITE])
        edges[a, b] = min(INFINITE, edges.get((a, b), 0) + width)
    return size, edges


def nearest_cut(size: int, edges: Edges) -> tuple[int, set[int]]:
    """The capacity of the least cut of 0 from 1, and the smallest side of 1 that has it."""
    found: list[tuple[int, int, set[int]]] = []
    for count in range(size - 1):
        for others in itertools.combinations(range(2, size), count):
            side = {1, *others}
            across = sum(w for (a, b), w in edges.items() if a not in side and b in side)
            found.append((across, len(side), side))
    across, _, side = min(found, key=lambda x: x[:2])
    return across, side


@pytest.mark.parametrize("seed", range(120))
def test_the_cut_is_the_least_one_and_nearest_to_the_sink(seed: int) -> None:
    size, edges = random_edges(seed)
    graph = Graph()
    for (a, b), width in edges.items():
        graph.edge(a, b, width)
    across, side = nearest_cut(size, edges)
    if across < INFINITE:
        assert graph.sink_side(0, 1) == side


def nest(depth: int) -> Any:
    """A sum over `depth` loops inside one another, each with a total of its own."""

    def inner(x: Any, left: int) -> Any:
        total = 0.0
        for k in range(len(x)):
            total += np.sin(x[k]) * (inner(x, left - 1) if left else 1.0)
        return total

    return lambda x: inner(x, depth - 1)


def pushes(depth: int, monkeypatch: pytest.MonkeyPatch) -> int:
    done: list[Any] = []
    plain = forward._pushed

    def counted(*args: Any) -> Any:
        done.append(args)
        return plain(*args)

    with monkeypatch.context() as patched:
        patched.setattr(forward, "_pushed", counted)
        wg.jit(wg.grad(nest(depth))).lower(np.linspace(0.1, 0.9, 9))
    return len(done)


def test_a_deeper_nest_costs_no_multiple(monkeypatch: pytest.MonkeyPatch) -> None:
    few, more, most = (pushes(depth, monkeypatch) for depth in (1, 3, 5))
    assert few < more < most  # the loops are there
    assert most - more <= 2 * (more - few)
