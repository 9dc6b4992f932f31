"""Gradients over partitioned data sets: by a stand-in for an RDD, and by Spark where it is."""

from __future__ import annotations

import functools
import importlib.util
import pickle
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, InputTypeError
from wengert.interop import spark

RNG = np.random.default_rng(8)
X, Y = RNG.standard_normal((203, 5)), RNG.standard_normal(203)
PARAMS = {"w": RNG.standard_normal((5, 4)).astype(np.float32), "b": np.zeros(4)}


def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((np.sum(np.tanh(x @ params["w"] + params["b"]), axis=1) - y) ** 2)


@dataclass
class Broadcast:
    value: Any

    def unpersist(self) -> None:
        self.value = None


@dataclass
class Rows:
    """What of an RDD is used; work and results are pickled, as if they were sent."""

    parts: list[list[Any]]

    context: Any = None

    def __post_init__(self) -> None:
        self.context = self

    def broadcast(self, value: Any) -> Broadcast:
        return Broadcast(pickle.loads(pickle.dumps(value)))

    def take(self, count: int) -> list[Any]:
        return [row for part in self.parts for row in part][:count]

    def mapPartitions(self, fun: Callable[[Iterable[Any]], Iterable[Any]]) -> Rows:
        return Rows([pickle.loads(pickle.dumps(list(fun(iter(part))))) for part in self.parts])

    def treeReduce(self, fun: Callable[[Any, Any], Any], depth: int) -> Any:
        return functools.reduce(fun, [x for part in self.parts for x in part])


def partitioned(*cuts: int) -> Rows:
    rows = list(zip(X, Y, strict=True))
    return Rows([rows[a:b] for a, b in zip((0, *cuts), (*cuts, len(rows)), strict=True)])


@pytest.mark.parametrize("cuts", [(), (100,), (0, 7, 7, 150), (1, 2, 3)])
@pytest.mark.parametrize("batch", [1, 48, 1024])
def test_as_one_process(cuts: tuple[int, ...], batch: int) -> None:
    value, grads = spark.value_and_grad(loss, batch=batch)(PARAMS, partitioned(*cuts))
    expected, slopes = wg.value_and_grad(loss)(PARAMS, X, Y)
    np.testing.assert_allclose(value, expected)
    for name, slope in slopes.items():
        assert grads[name].dtype == PARAMS[name].dtype
        np.testing.assert_allclose(grads[name], slope, rtol=2e-6)


def test_each_program_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[int] = []
    monkeypatch.setattr(spark, "_compiled", {})
    plain = spark.compile_program

    def counting(program: Any, *rest: Any) -> Any:
        compiled.append(program.in_types[-1].shape[0])
        return plain(program, *rest)

    monkeypatch.setattr(spark, "compile_program", counting)
    step = spark.make_step(loss, wg.optim.sgd(0.01), batch=64)
    params, state, values = PARAMS, wg.optim.sgd(0.01).init(PARAMS), []
    for _ in range(4):
        value, params, state = step(params, state, partitioned(67, 134))
        values.append(value)
    assert sorted(compiled) == [1, 2, 4, 64]  # 67 = 64 + 2 + 1, 69 = 64 + 4 + 1
    assert values == sorted(values, reverse=True)


def test_rows_of_other_kinds() -> None:
    """What converts without loss does; all else is named."""

    def distance(params: Any, x: Any) -> Any:
        return np.mean((x - params) ** 2)

    gradient = spark.value_and_grad(distance, batch=2)
    assert gradient(1.0, Rows([[(0.5,), (2.0,)], [(3,), (4,)]]))[0] == (0.25 + 1 + 4 + 9) / 4
    for rows, words in (
        ([(1,), (2.5,)], r"first one is \(int64\[\]\), and another one is \(float64\[\]\)"),
        ([(np.ones(3),), (np.ones(2),)], r"float64\[3\].*float64\[2\]"),
        ([(1.0,), (1.0, 2.0)], "of one kind"),
    ):
        with pytest.raises(ArgumentError, match=words):
            gradient(1.0, Rows([rows]))
    with pytest.raises(InputTypeError, match="rows of a data set are tuples.*ndarray"):
        gradient(1.0, Rows([[np.ones(3)]]))


def test_nothing_to_average() -> None:
    with pytest.raises(ArgumentError, match="no rows"):
        spark.value_and_grad(loss)(PARAMS, Rows([[], []]))
    with pytest.raises(ArgumentError, match="positive"):
        spark.value_and_grad(loss, batch=0)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
    reason="pyspark (wengert[spark]) or Java is not installed",
)
def test_spark_itself() -> None:
    rows = spark.local((X, Y), partitions=3, cores=2)
    value, grads = spark.value_and_grad(loss, batch=32)(PARAMS, rows)
    expected, slopes = wg.value_and_grad(loss)(PARAMS, X, Y)
    np.testing.assert_allclose(value, expected)
    for name, slope in slopes.items():
        np.testing.assert_allclose(grads[name], slope, rtol=2e-6)
    step = spark.make_step(loss, wg.optim.sgd(0.01), batch=32)
    _, params, state = step(PARAMS, wg.optim.sgd(0.01).init(PARAMS), rows)
    later, _, _ = step(params, state, rows)
    assert later < value
    rows.context.stop()
