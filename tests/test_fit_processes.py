"""fit in several processes (here threads): what they agree on, and what only one of them meets."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import distributed as dist
from wengert.errors import CheckpointError, DistributedError, TrainingError
from wengert.train import trainer

RNG = np.random.default_rng(4)
X, Y = RNG.standard_normal((40, 3)), RNG.standard_normal(40)
START = {"w": np.zeros(3)}


def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ params["w"] - y) ** 2)


def fitted(batches: Any = (X, Y), **options: Any) -> Any:
    given = {"batch_size": 10, "distributed": True, **options}
    return wg.fit(loss, START, batches, wg.optim.sgd(0.05), **given)


def steps(folder: Path, rank: int) -> list[int]:
    found = (folder / f"process-{rank}-of-2").glob("*.checkpoint")
    return sorted(int(path.stem.removeprefix("step-")) for path in found)


def test_batches_of_each_process_are_weighted_by_their_rows() -> None:
    """As one process does on both halves; it ends with the shortest."""

    def run() -> Any:
        halves = [(X[:3], Y[:3]), (X[3:10], Y[3:10])]
        return fitted([halves[dist.rank()]] * (2 + dist.rank()))

    alone = wg.fit(loss, START, [(X[:10], Y[:10])] * 2, wg.optim.sgd(0.05))
    for found in dist.simulate(2, run):
        assert found.step == 2
        np.testing.assert_allclose(found.params["w"], alone.params["w"])
        np.testing.assert_allclose(found.history.column("loss"), alone.history.column("loss"))


def test_batches_that_raise_in_one_process_end_all() -> None:
    def batches() -> Iterator[Any]:
        yield X, Y
        if dist.rank() == 1:
            raise OSError("the network is down")
        yield X, Y

    def run() -> Any:
        with pytest.raises(TrainingError) as caught:
            fitted(batches())
        return str(caught.value), caught.value.result.step

    (other, step), (own, same) = dist.simulate(2, run)
    assert (step, same) == (1, 1)
    assert "the batches of another process" in other
    assert "the network is down" in own


def test_an_overflow_in_one_process_skips_the_step_in_all() -> None:
    """Where gradients are not summed up yet when they are looked at."""

    def steep(params: Any, x: Any) -> Any:
        return np.mean(params["w"] * x)

    def run() -> Any:
        x = np.full((4, 3), (1.0, 30.0)[dist.rank()], np.float32)
        return wg.fit(
            steep,
            {"w": np.zeros(3, np.float32)},
            [x] * 6,
            dist.sharded(wg.optim.sgd(1e-3)),
            value_and_grad=functools.partial(dist.value_and_grad, reduced=False),
            precision=np.float16,
            distributed=True,
        )

    first, second = dist.simulate(2, run)
    assert first.state.scale == second.state.scale < 2.0**15
    np.testing.assert_array_equal(first.params["w"], second.params["w"])
    skipped = int(np.log2(2.0**15 / first.state.scale))
    np.testing.assert_allclose(first.params["w"], -1e-3 * 15.5 / 3 * (6 - skipped), rtol=1e-2)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epochs", (1, 2)),
        ("batch_size", (10, 20)),
        ("validate_every", (None, 3)),
        ("metrics", ({"a": loss}, {"b": loss})),
        ("batches", ((X, Y), (X[:30], Y[:30]))),
        ("batches", ((X, Y), [(X, Y)])),
    ],
)
def test_processes_that_were_told_different_things(name: str, values: Any) -> None:
    wanted = "rows to draw from" if name == "batches" else name
    with pytest.raises(DistributedError, match=wanted):
        dist.simulate(2, lambda: fitted(**{name: values[dist.rank()]}))


def test_what_one_cannot_write_none_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a disk is full in one process for a while, all still have a step to go on from."""
    plain = trainer.draft

    def draft(folder: Any, step: int, *rest: Any) -> Any:
        if dist.rank() == 1 and 3 <= step <= 8:
            raise OSError(28, "No space left on device")
        return plain(folder, step, *rest)

    monkeypatch.setattr(trainer, "draft", draft)
    options: Any = {"epochs": 2, "checkpoint": tmp_path, "checkpoint_every": 1}
    with pytest.warns(UserWarning, match="by another process|No space left"):
        (whole, _) = dist.simulate(2, lambda: fitted(**options))
    assert steps(tmp_path, 0) == steps(tmp_path, 1) == [1, 2]
    monkeypatch.setattr(trainer, "draft", plain)
    resumed = dist.simulate(2, lambda: fitted(**options))
    for found in resumed:
        assert found.history.loss == whole.history.loss


def test_a_process_that_fails_again_and_again(tmp_path: Path) -> None:
    """What it alone has does not make room for itself among what all have."""

    def run(fails: int) -> Any:
        def callback(found: Any) -> None:
            if dist.rank() == 1 and found.step == fails:
                raise ValueError("not again")

        return fitted(epochs=2, checkpoint=tmp_path, callback=callback)

    (whole, _) = dist.simulate(2, lambda: fitted(epochs=2))
    for step in (5, 6, 7):
        with pytest.raises(ValueError, match="not again"):
            dist.simulate(2, lambda s=step: run(s))
    assert steps(tmp_path, 0) == [4]
    assert steps(tmp_path, 1) == [4, 5, 6, 7]
    counts: list[int] = []
    for found in dist.simulate(
        2, lambda: fitted(epochs=2, checkpoint=tmp_path, callback=lambda f: counts.append(f.step))
    ):
        assert found.history.loss == whole.history.loss
    assert sorted(counts) == [5, 5, 6, 6, 7, 7, 8, 8]


def test_parameters_that_part_are_told(tmp_path: Path) -> None:
    """At the end of the round; what differs is not kept."""

    def run() -> Any:
        rate = (0.05, 0.06)[dist.rank()]
        return wg.fit(
            loss,
            START,
            (X, Y),
            wg.optim.sgd(rate),
            distributed=True,
            checkpoint=tmp_path,
        )

    with pytest.raises(DistributedError, match="different parameters after step 2"):
        dist.simulate(2, run)
    assert steps(tmp_path, 0) == steps(tmp_path, 1) == []


def test_fewer_rows_than_processes() -> None:
    """Numbers of one process without rows stand in the order of the others'."""

    def largest(params: Any, x: Any, y: Any) -> Any:
        return np.max(np.abs(x)) + 0.0 * params["w"][0]

    options: Any = {
        "metrics": {"largest": lambda params, x, y: np.max(np.abs(x)), "other": largest},
        "validation": (X[:1], Y[:1]),
        "batch_size": 3,
    }
    alone = fitted(**{**options, "distributed": False})
    for found in dist.simulate(4, lambda: fitted(**options)):
        for name in ("loss", "val_loss", "val_largest", "val_other"):
            np.testing.assert_allclose(found.history.column(name), alone.history.column(name))


@pytest.mark.parametrize("lost", [(0, 8), (1, 4), (0, 4)])
def test_all_go_on_from_a_step_that_all_have(tmp_path: Path, lost: tuple[int, int]) -> None:
    options: Any = {"epochs": 2, "checkpoint": tmp_path}
    (whole, _) = dist.simulate(2, lambda: fitted(**options))
    assert steps(tmp_path, 0) == [4, 8]
    rank, step = lost
    (tmp_path / f"process-{rank}-of-2" / f"step-{step:012d}.checkpoint").unlink()
    if step == 4:  # and another one that only the other has
        (tmp_path / f"process-{1 - rank}-of-2" / f"step-{8:012d}.checkpoint").unlink()
    for found in dist.simulate(2, lambda: fitted(**options)):
        assert found.history.loss == whole.history.loss


def test_resuming_with_another_number_of_processes(tmp_path: Path) -> None:
    """Each run goes on from the last one's checkpoint, also from that of one that began anew."""
    expected = fitted(epochs=4, distributed=False)
    options: Any = {"checkpoint": tmp_path, "checkpoint_every": 1, "epochs": 4}
    counts: list[int] = []
    for processes, steps, resume in ((2, 9, True), (3, 11, True), (1, 5, False), (2, 7, True)):
        before = len(counts)
        given = {
            **options,
            "steps": steps,
            "resume": resume,
            "callback": lambda f: counts.append(1),
        }
        found = dist.simulate(processes, lambda g=given: fitted(**g))
        assert (len(counts) - before) / processes == {9: 9, 11: 2, 5: 5, 7: 2}[steps]
        for one in found:
            np.testing.assert_allclose(one.history.loss, expected.history.loss[:steps])


def test_sharded_states_need_as_many_processes_as_before(tmp_path: Path) -> None:
    def run() -> Any:
        return wg.fit(
            loss,
            START,
            (X, Y),
            dist.sharded(wg.optim.adam(0.05)),
            batch_size=10,
            distributed=True,
            checkpoint=tmp_path,
            value_and_grad=lambda f: dist.value_and_grad(f, reduced=False),
        )

    dist.simulate(2, run)
    with pytest.raises(CheckpointError, match="another number of processes"):
        dist.simulate(3, run)
