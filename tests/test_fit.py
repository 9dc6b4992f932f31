"""fit: what it trains, from whatever batches come, when it ends, and what it keeps."""

from __future__ import annotations

import dataclasses
import inspect
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, InputTypeError, ShapeError, TrainingError
from wengert.train import Options, Reason, source
from wengert.train.interrupts import Interrupts

RNG = np.random.default_rng(3)
X = RNG.standard_normal((200, 4))
TRUE = np.array([1.0, -2.0, 3.0, 0.5])
Y = X @ TRUE + 0.5
START = {"w": np.zeros(4), "b": 0.0}
SGD = wg.optim.sgd(0.1)


def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ params["w"] + params["b"] - y) ** 2)


def distance(params: Any, x: Any, y: Any) -> Any:
    return np.mean(np.abs(x @ params["w"] + params["b"] - y))


def same(a: Any, b: Any) -> bool:
    pairs = zip(wg.tree_leaves(a), wg.tree_leaves(b), strict=True)
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs)


def by_hand(epochs: int, seed: int = 0) -> Any:
    params = {k: np.asarray(v) for k, v in START.items()}
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(200)
        for k in range(0, 200, 32):
            part = order[k : k + 32]
            slope = wg.grad(loss)(params, X[part], Y[part])
            params = wg.tree_map(lambda p, g: p - 0.1 * g, params, slope)
    return params


def test_is_the_plain_loop() -> None:
    found = wg.fit(loss, START, (X, Y), SGD, epochs=3)
    expected = by_hand(3)
    np.testing.assert_allclose(found.params["w"], expected["w"], rtol=1e-12)
    np.testing.assert_allclose(found.params["b"], expected["b"], rtol=1e-12)
    assert (found.step, found.epoch, found.reason) == (21, 3, Reason.FINISHED)
    assert len(found.history.loss) == 21
    assert found.loss == found.history.loss[-1]


def test_all_kinds_of_batches() -> None:
    """Arrays, dicts, lists, functions of the epoch, generators: the same numbers."""
    rows = [slice(k, k + 50) for k in range(0, 200, 50)]
    parts = [(X[r], Y[r]) for r in rows]
    options: Any = {"epochs": 1, "batch_size": 50, "shuffle": False}
    expected = wg.fit(loss, START, (X, Y), SGD, **options).params
    for batches in (parts, lambda epoch: parts, iter(parts), (list(p) for p in parts)):
        assert same(wg.fit(loss, START, batches, SGD, epochs=1).params, expected)

    def of_dict(params: Any, batch: Any) -> Any:
        return loss(params, batch["x"], batch["y"])

    assert same(wg.fit(of_dict, START, {"x": X, "y": Y}, SGD, **options).params, expected)
    twice = wg.fit(loss, START, parts, SGD, epochs=2)
    assert same(twice.params, wg.fit(loss, START, lambda epoch: iter(parts), SGD, steps=8).params)
    single = wg.fit(lambda p, x: np.sum((x - p) ** 2), 0.0, X[:, 0], SGD, batch_size=1, steps=3)
    assert single.step == 3


def test_batches_of_arrays() -> None:
    data = np.arange(10)
    for drop, sizes in ((False, [4, 4, 2]), (True, [4, 4])):
        drawn = source(data, 4, True, 1, drop)
        assert drawn.length == len(sizes)
        first, second = ([b[0] for b in drawn.epoch(k, 0)] for k in range(2))
        assert [len(b) for b in first] == sizes
        assert np.unique(np.concatenate(first)).size == sum(sizes)
        assert not np.array_equal(first[0], second[0])
        skipped = [b[0] for b in drawn.epoch(1, 1)]
        np.testing.assert_array_equal(np.concatenate(skipped), np.concatenate(second[1:]))
    again = [b[0] for b in source(data, 4, True, 1).epoch(0, 0)]
    other = [b[0] for b in source(data, 4, True, 2).epoch(0, 0)]
    assert not np.array_equal(again[0], other[0])


def test_endless_stream() -> None:
    """Online learning: single rows, rounds by steps, an end by the callback."""

    def stream() -> Iterator[Any]:
        k = 0
        while True:
            yield X[k % 200], float(Y[k % 200])
            k += 1

    found = wg.fit(
        loss,
        START,
        stream(),
        wg.optim.sgd(0.02),
        steps=600,
        validate_every=200,
        validation=(X, Y),
    )
    assert [r["step"] for r in found.history.rounds] == [200, 400, 600]
    assert found.history.column("val_loss")[-1] < 0.05
    seen: list[Any] = []
    keep = lambda fit: seen.append(fit) or fit.step == 7  # noqa: E731
    stopped = wg.fit(loss, START, stream(), SGD, callback=keep)
    assert (stopped.step, stopped.reason) == (7, Reason.STOPPED)
    assert [fit.history.loss for fit in seen] == [stopped.history.loss[: k + 1] for k in range(7)]
    assert seen[2].loss == stopped.history.loss[2]


def test_steps_take_no_batch_too_many() -> None:
    batches = iter([(X, Y)] * 5)
    assert wg.fit(loss, START, batches, SGD, steps=3).step == 3
    assert len(list(batches)) == 2
    assert wg.fit(loss, START, iter([(X, Y)]), SGD, steps=0).step == 0


def test_metrics_are_means_over_rows() -> None:
    """Also where the last batch is smaller."""
    found = wg.fit(
        loss,
        START,
        (X, Y),
        wg.optim.sgd(0.0),
        batch_size=150,
        metrics={"distance": distance},
        validation=(X[:70], Y[:70]),
    )
    (record,) = found.history.rounds
    start = {k: np.asarray(v) for k, v in START.items()}
    assert record["loss"] == pytest.approx(loss(start, X, Y))
    assert record["distance"] == pytest.approx(distance(start, X, Y))
    assert record["val_loss"] == pytest.approx(loss(start, X[:70], Y[:70]))
    assert record["val_distance"] == pytest.approx(distance(start, X[:70], Y[:70]))


def loss_by_rows(params: Any, x: Any, y: Any) -> Any:
    """`loss`, by a loop that fills an array."""
    squares = np.zeros(len(x), x.dtype)
    for k in range(len(x)):
        squares[k] = (x[k] @ params["w"] + params["b"] - y[k]) ** 2
    return np.mean(squares)


@pytest.mark.slow
@pytest.mark.parametrize("precision", [None, np.float32])
def test_losses_and_metrics_with_loops(precision: Any) -> None:
    kwargs: Any = {"epochs": 2, "validation": (X, Y), "precision": precision}
    plain = wg.fit(loss, START, (X, Y), SGD, metrics={"again": loss}, **kwargs)
    loops = wg.fit(loss_by_rows, START, (X, Y), SGD, metrics={"again": loss_by_rows}, **kwargs)
    for found, expected in zip(loops.history.rounds, plain.history.rounds, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


def test_early_stopping_gives_the_best() -> None:
    noisy = Y + RNG.standard_normal(200)
    found = wg.fit(
        loss,
        START,
        (X[:20], noisy[:20]),
        wg.optim.adam(0.3),
        epochs=200,
        patience=4,
        validation=(X[100:], noisy[100:]),
    )
    values = found.history.column("val_loss")
    assert found.reason is Reason.EARLY
    assert len(values) < 200
    assert int(np.argmin(values)) == len(values) - 5
    assert loss(found.params, X[100:], noisy[100:]) == pytest.approx(min(values))


@pytest.mark.parametrize("ends", [5, 7, 12, 14])
def test_resumes_to_the_same_bits(tmp_path: Path, ends: int) -> None:
    options: Any = {"epochs": 3, "validation": (X, Y), "metrics": {"d": distance}, "patience": 9}
    optimizer = wg.optim.chain(wg.optim.clip_by_global_norm(1.0), wg.optim.adam(0.05))
    whole = wg.fit(loss, START, (X, Y), optimizer, **options)
    first = wg.fit(
        loss,
        START,
        (X, Y),
        optimizer,
        **options,
        checkpoint=tmp_path,
        callback=lambda fit: fit.step == ends,
    )
    assert first.step == ends
    second = wg.fit(loss, START, (X, Y), optimizer, **options, checkpoint=tmp_path)
    assert same((whole.params, whole.state), (second.params, second.state))
    assert whole.history == second.history
    third = wg.fit(loss, START, (X, Y), optimizer, **options, checkpoint=tmp_path)
    assert third.step == 21
    assert same(third.params, whole.params)


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    """Ends with the last parameters whose loss was finite; the newest checkpoint is good, too."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = wg.fit(
            loss,
            START,
            (X, Y),
            wg.optim.sgd(50.0),
            epochs=20,
            checkpoint=tmp_path,
            checkpoint_every=1,
        )
    assert found.reason is Reason.DIVERGED
    assert "learning rate" in found.message
    assert not np.isfinite(found.history.loss[-1])
    assert all(np.all(np.isfinite(x)) for x in wg.tree_leaves(found.params))
    assert len(list(tmp_path.glob("*.checkpoint"))) == 1
    assert f"{found.step - 1:012d}" in next(tmp_path.glob("*.checkpoint")).name


def test_a_last_step_to_parameters_that_are_not_finite(tmp_path: Path) -> None:
    """Its loss is finite, but not its gradient: nothing of it is kept."""

    def root(p: Any, x: Any) -> Any:
        return np.mean(np.where(x > 2, np.sqrt((p - p) * x), p**2))

    batches = [np.ones(3), np.ones(3), np.full(3, 3.0)]
    kwargs: Any = {"checkpoint": tmp_path, "checkpoint_every": 1}
    found = wg.fit(root, 1.0, batches, SGD, **kwargs)
    assert (found.step, found.reason) == (3, Reason.DIVERGED)
    assert "step 3 made parameters that are not finite" in found.message
    assert found.params == pytest.approx(0.64)
    assert f"{2:012d}" in max(tmp_path.glob("*.checkpoint")).name


def test_infinite_parameters_that_stay_are_no_divergence() -> None:
    start = {**START, "mask": np.array([0.0, -np.inf])}
    found = wg.fit(loss, start, (X, Y), SGD)
    assert found.reason is Reason.FINISHED


def test_nan_in_the_data() -> None:
    bad = X.copy()
    bad[100] = np.nan
    found = wg.fit(loss, START, (bad, Y), SGD, batch_size=20, shuffle=False)
    assert (found.step, found.reason) == (5, Reason.DIVERGED)
    assert np.all(np.isfinite(found.params["w"]))


def test_batches_that_raise(tmp_path: Path) -> None:
    def broken() -> Iterator[Any]:
        yield X, Y
        yield X, Y
        raise OSError("the network is down")

    with pytest.raises(TrainingError, match="the network is down.*after step 2") as caught:
        wg.fit(loss, START, broken(), SGD, checkpoint=tmp_path)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.result.step == 2
    more = wg.fit(loss, START, iter([(X, Y)]), SGD, checkpoint=tmp_path)
    assert same(more.params, wg.fit(loss, START, [(X, Y)] * 3, SGD).params)


def test_validation_that_raises(tmp_path: Path) -> None:
    """The round ends again where the next run goes on."""

    def raises(epoch: int) -> Iterator[Any]:
        yield X, Y
        raise OSError("the network is down")

    kwargs: Any = {"epochs": 2, "batch_size": 100, "checkpoint": tmp_path}
    with pytest.raises(OSError, match="the network"):
        wg.fit(loss, START, (X, Y), SGD, validation=raises, **kwargs)
    found = wg.fit(loss, START, (X, Y), SGD, validation=(X, Y), **kwargs)
    whole = wg.fit(loss, START, (X, Y), SGD, validation=(X, Y), **{**kwargs, "checkpoint": None})
    assert found.history == whole.history


def test_answers_of_callbacks_may_be_numpys() -> None:
    found = wg.fit(loss, START, (X, Y), SGD, callback=lambda fit: np.max(fit.params["w"]) > 0)
    assert found.step == 1
    least = wg.minimize(lambda x: (x - 1) ** 4, 3.0, callback=lambda found: np.abs(found.x) > 0)
    assert (least.nit, least.status) == (1, 99)


class Made(NamedTuple):
    """What an optimiser of the user's returns."""

    updates: Any
    state: Any


def test_results_of_optimisers_may_be_named() -> None:
    named = wg.optim.Optimizer(
        lambda params: (),
        lambda g, state, params=None, value=None: Made(wg.tree_map(lambda x: -0.1 * x, g), state),
    )
    found = wg.fit(loss, START, (X, Y), wg.optim.chain(named, wg.optim.scale(1.0)))
    assert same(found.params, wg.fit(loss, START, (X, Y), named).params)
    assert same(found.params, wg.fit(loss, START, (X, Y), SGD).params)


def test_interrupt_from_the_keyboard(tmp_path: Path) -> None:
    def interrupt(fit: Any) -> None:
        if fit.step == 3:
            raise KeyboardInterrupt

    found = wg.fit(loss, START, (X, Y), SGD, callback=interrupt, checkpoint=tmp_path)
    assert (found.step, found.reason) == (3, Reason.INTERRUPTED)
    assert wg.fit(loss, START, (X, Y), SGD, checkpoint=tmp_path).step == 7


def test_an_interrupt_does_not_tear_a_step(tmp_path: Path) -> None:
    """It comes while the step's loss is read, and is raised when the step is counted."""

    def batches(epoch: int) -> Iterator[Any]:
        for k in range(9):
            if k == 4:
                signal.raise_signal(signal.SIGINT)  # between steps: at once
            yield X, Y

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # pyspark has one of its own
    try:
        found = wg.fit(loss, START, batches, SGD, checkpoint=tmp_path)
        assert (found.step, found.reason) == (4, Reason.INTERRUPTED)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    deferring = Interrupts()
    done = []
    with pytest.raises(KeyboardInterrupt), deferring.handled():
        with deferring.deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("step")
        done.append("not reached")
    assert done == ["step"]


@pytest.mark.slow
def test_keys() -> None:
    """Each step has its own key, the same in every run."""

    def noisy(params: Any, x: Any, y: Any, key: Any) -> Any:
        if key is not None:
            x = x + wg.random.normal(key, x.shape)
        return loss(params, x, y)

    runs = [wg.fit(noisy, START, [(X, Y)], SGD, epochs=3, key=k) for k in (1, 1, 2)]
    assert runs[0].history.loss == runs[1].history.loss
    assert runs[0].history.loss[1] != runs[2].history.loss[1]
    wg.fit(noisy, START, [(X, Y)], SGD, key=wg.random.key(1), validation=(X, Y))


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_mixed_precision(scale: float, precision: str) -> None:
    """Gradients too small for float16 arrive; parameters stay in float32."""
    start = wg.tree_map(np.float32, START)
    seen: set[str] = set()

    def small(params: Any, x: Any, y: Any) -> Any:
        seen.update(a.dtype.name for a in wg.tree_leaves((params, x, y)))
        return loss(params, x, y) * x.dtype.type(scale)

    x32, y32 = X.astype(np.float32), Y.astype(np.float32)
    optimizer = wg.optim.sgd(0.1 / scale)
    low = wg.fit(small, start, (x32, y32), optimizer, epochs=5, precision=precision)
    assert seen == {precision}
    high = wg.fit(small, start, (x32, y32), optimizer, epochs=5)
    assert low.params["w"].dtype == np.float32
    assert hasattr(low.state, "scale") == (precision == "float16")
    # one rounding of the parameters, to a part of 2^-9 of the largest, 3, is what is left
    tolerance = 0.02 if precision == "float16" else 3 * 2.0**-8
    np.testing.assert_allclose(low.params["w"], high.params["w"], atol=tolerance)


def test_optimisers_keep_their_moments_in_float32() -> None:
    start = wg.tree_map(np.float32, START)
    adam = wg.optim.adam(0.05)
    found = wg.fit(loss, start, (X, Y), adam, epochs=1, precision=wg.bfloat16)
    moments = wg.tree_leaves((found.params, found.state))
    assert {x.dtype.name for x in moments} == {"float32", "int64"}
    narrow = wg.tree_map(lambda x: x.astype(wg.bfloat16), start)
    state = adam.init(narrow)
    _, state = wg.jit(adam.update)(narrow, state, narrow)
    assert {x.dtype.name for x in wg.tree_leaves(state)} == {"float32", "int64"}


def test_overflow_skips_the_step() -> None:
    def steep(params: Any, x: Any) -> Any:
        return np.mean(params * x)

    x = np.full((4, 1), 30.0, np.float32)
    found = wg.fit(steep, np.float32(0), [x] * 8, wg.optim.sgd(1e-3), precision=np.float16)
    skipped = int(np.log2(2.0**15 / found.state.scale))
    assert skipped >= 1
    assert found.state.steps == 8 - skipped
    np.testing.assert_allclose(found.params, -0.03 * (8 - skipped), rtol=1e-3)


@pytest.mark.slow
def test_nothing_is_printed_and_plots_are_made(tmp_path: Path) -> None:
    script = (
        "import numpy as np, wengert as wg\n"
        "wg.fit(lambda p, x: np.mean((x - p) ** 2), 0.0, np.ones(9), wg.optim.sgd(0.1),\n"
        f"       epochs=2, plot_to={str(tmp_path / 'loss.png')!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "loss.png").stat().st_size > 5000


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    wg.fit(loss, START, (X, Y), SGD, epochs=2, progress=True, validation=(X, Y))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch 2" in shown.err
    assert "val_loss" in shown.err


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ArgumentError, match=r"wengert\[progress\]"):
        wg.fit(loss, START, (X, Y), SGD, progress=True)


def test_bad_input() -> None:
    with pytest.raises(ShapeError, match=r"data\[0\]: 200, data\[1\]: 9"):
        wg.fit(loss, START, (X, Y[:9]), SGD)
    with pytest.raises(ArgumentError, match="no batches"):
        wg.fit(loss, START, (X[:0], Y[:0]), SGD)
    with pytest.raises(ArgumentError, match="no batches"):
        wg.fit(loss, START, [], SGD)
    with pytest.raises(ArgumentError, match="drop_last"):
        wg.fit(loss, START, (X[:9], Y[:9]), SGD, drop_last=True)
    with pytest.raises(ArgumentError, match="gives its batches once"):
        wg.fit(loss, START, iter([(X, Y)]), SGD, epochs=2)
    with pytest.raises(ArgumentError, match="read only once"):
        wg.fit(loss, START, (X, Y), SGD, validation=iter([(X, Y)]))
    with pytest.raises(ArgumentError, match="optimiser"):
        wg.fit(loss, START, (X, Y), 0.1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputTypeError, match="NoneType"):
        wg.fit(loss, START, None, SGD)
    with pytest.raises(ArgumentError, match="epochs cannot be -1"):
        wg.fit(loss, START, (X, Y), SGD, epochs=-1)
    for name in ("loss", "val_loss", "val_distance"):
        with pytest.raises(ArgumentError, match=f"cannot be called '{name}'"):
            wg.fit(loss, START, (X, Y), SGD, metrics={name: distance})


@pytest.mark.parametrize("name", ["patience", "validate_every", "checkpoint_every", "batch_size"])
def test_counts_that_are_nothing(name: str) -> None:
    for count in (0, 1.5):
        given: Any = {name: count}
        with pytest.raises(ArgumentError, match=f"{name} cannot be {count}: it is a whole number"):
            wg.fit(loss, START, (X, Y), SGD, **given)


def test_bad_metrics() -> None:
    with pytest.raises(InputTypeError, match="functions by name.*list"):
        wg.fit(loss, START, (X, Y), SGD, metrics=[loss])  # pyright: ignore[reportArgumentType]
    for kwargs in ({}, {"validation": (X, Y)}):
        with pytest.raises(ShapeError, match=r"'residual' has the shape \(32,\); take its mean"):
            wg.fit(
                loss, START, (X, Y), SGD, metrics={"residual": lambda p, x, y: x @ p["w"]}, **kwargs
            )


def test_options_are_the_arguments() -> None:
    names = list(inspect.signature(wg.fit).parameters)
    assert names == [field.name for field in dataclasses.fields(Options)]
    told = inspect.signature(Options).parameters.values()
    assert [x.default for x in told] == [
        x.default for x in inspect.signature(wg.fit).parameters.values()
    ]
    documented = re.findall(r"^ *- ([\w, ]+):", Options.__doc__ or "", re.MULTILINE)
    assert sorted(names) == sorted(", ".join(documented).split(", "))
