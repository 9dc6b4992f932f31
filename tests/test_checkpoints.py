"""Checkpoint files: whole or absent, checked, the ones before kept; runs that die go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import train
from wengert.errors import CheckpointError

TREE = {
    "w": np.arange(6.0).reshape(2, 3),
    "s": [np.float32(0.1), np.zeros((0, 2), np.int8), np.asarray(True)],
    "h": (np.array([np.nan, -0.0, np.inf], np.float16), np.arange(5)[::2]),
    "b": np.array([np.nan, -0.0, 1.5], wg.bfloat16),
}
FACTS = {"history": [0.1, 1e-300, 3], "name": "ü"}


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_round_trip(tmp_path: Path) -> None:
    train.save(tmp_path, 3, TREE, FACTS)
    found = train.load(tmp_path, TREE)
    assert found is not None
    assert (found.step, found.facts) == (3, FACTS)
    for x, y in zip(wg.tree_leaves(found.tree), wg.tree_leaves(TREE), strict=True):
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        assert x.tobytes() == y.tobytes()
        assert x.flags.writeable
    assert train.load(tmp_path / "none", TREE) is None


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100):
        train.save(tmp_path, step, TREE, {})
    assert files(tmp_path) == ["step-000000000010.checkpoint", "step-000000000100.checkpoint"]


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text", "header"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    """Whatever happens to the newest file, the one before is taken."""
    train.save(tmp_path, 1, TREE, {"k": 1})
    newest = train.save(tmp_path, 2, TREE, {"k": 2})
    data = bytearray(newest.read_bytes())
    data[{"bit": len(data) // 2, "header": 22}.get(damage, 0)] ^= 0 if damage == "cut" else 4
    whole = {"cut": data[:-7], "empty": b"", "text": b"hello"}.get(damage, data)
    newest.write_bytes(bytes(whole))
    with pytest.warns(UserWarning, match="damaged"):
        found = train.load(tmp_path, TREE)
    assert found is not None
    assert found.facts == {"k": 1}


def test_all_damaged(tmp_path: Path) -> None:
    train.save(tmp_path, 1, TREE, {}).write_bytes(b"x")
    with (
        pytest.warns(UserWarning, match="damaged"),
        pytest.raises(CheckpointError, match="remove them"),
    ):
        train.load(tmp_path, TREE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"w": np.zeros((2, 4))}, r"float64\[2, 3\] at \['w'\] instead of float64\[2, 4\]"),
        ({"w": np.zeros((2, 3), np.float32)}, "instead of float32"),
        ({"z": np.zeros(1)}, "7 arrays instead of 8"),
    ],
)
def test_another_model(tmp_path: Path, change: Any, words: str) -> None:
    train.save(tmp_path, 1, TREE, {})
    with pytest.raises(CheckpointError, match=words):
        train.load(tmp_path, {**TREE, **change})


def full(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written leaves nothing behind, and training goes on."""
    train.save(tmp_path, 1, TREE, {})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        train.save(tmp_path, 2, TREE, {})
    assert files(tmp_path) == ["step-000000000001.checkpoint"]
    with pytest.warns(UserWarning, match="No space left.*goes on"):
        found = wg.fit(
            lambda p: p**2,
            1.0,
            lambda epoch: [()] * 3,
            wg.optim.sgd(0.1),
            epochs=2,
            checkpoint=tmp_path / "fit",
        )
    assert found.step == 6
    assert files(tmp_path / "fit") == []


def test_what_cannot_be_written_is_not_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that began anew leaves the last one's file of the same step until it has its own."""
    options: Any = {"batches": [()] * 2, "optimizer": wg.optim.sgd(0.1), "checkpoint": tmp_path}
    wg.fit(lambda p: p**2, 1.0, **options)
    before = [path.read_bytes() for path in tmp_path.iterdir()]
    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left"):
        wg.fit(lambda p: p**2, 2.0, resume=False, **options)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == before != []


def test_a_run_that_began_anew_never_goes_on_from_the_last_one(tmp_path: Path) -> None:
    """Not even from its checkpoints of earlier steps, after losing its own newest one."""
    options: Any = {"optimizer": wg.optim.sgd(0.1), "checkpoint": tmp_path, "checkpoint_every": 2}
    wg.fit(lambda p: p**2, 1.0, [()] * 3, **options)
    wg.fit(lambda p: p**2, 2.0, [()] * 4, resume=False, **options)
    assert files(tmp_path) == ["step-000000000002.checkpoint", "step-000000000004.checkpoint"]
    wg.fit(
        lambda p: p**2, 3.0, [()] * 6, resume=False, steps=6, **{**options, "checkpoint_every": 6}
    )
    assert files(tmp_path) == ["step-000000000006.checkpoint"]


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "step-000000000007.4242.partial").write_bytes(b"half of")
    train.save(tmp_path, 8, TREE, {})
    assert files(tmp_path) == ["step-000000000008.checkpoint"]


def test_a_run_from_the_start_in_the_folder_of_a_longer_one(tmp_path: Path) -> None:
    """It is the new one that is gone on with."""

    def fitted(rate: float, **options: Any) -> Any:
        return wg.fit(
            lambda p: p**2,
            1.0,
            lambda epoch: [()] * 4,
            wg.optim.sgd(rate),
            checkpoint=tmp_path,
            checkpoint_every=1,
            **options,
        )

    fitted(0.1, epochs=2)
    again = fitted(0.2, epochs=2, resume=False, callback=lambda fit: fit.step == 3)
    assert files(tmp_path) == ["step-000000000002.checkpoint", "step-000000000003.checkpoint"]
    assert fitted(0.2, epochs=2).history.loss[:3] == again.history.loss


def test_a_place_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="no folder .*file"):
        wg.fit(lambda p: p**2, 1.0, [()], wg.optim.sgd(0.1), checkpoint=tmp_path / "file")


SCRIPT = """
import sys, time
import numpy as np
import wengert as wg

rng = np.random.default_rng(0)
data = rng.standard_normal((96, 4)).astype(np.float32), rng.standard_normal(96).astype(np.float32)

def loss(params, x, y, key):
    noise = 0 if key is None else wg.random.normal(key, (4,), np.float32)
    return np.mean((x @ (params["w"] + np.float32(0.01) * noise) + params["b"] - y) ** 2)

def slow(fit):
    print(fit.step, flush=True)
    time.sleep(float(sys.argv[2]))

params = {"w": np.zeros(4, np.float32), "b": np.zeros((), np.float32)}
found = wg.fit(loss, params, data, wg.optim.adam(0.1), epochs=4, batch_size=10, key=7,
               validation=data, checkpoint=sys.argv[1], checkpoint_every=3, callback=slow)
everything = [*wg.tree_leaves((found.params, found.state)), found.history.loss,
              [list(r.values()) for r in found.history.rounds]]
print("end", [np.asarray(x).tobytes().hex() for x in everything])
"""


def run(folder: Path, pause: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(pause)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_killed_and_resumed(tmp_path: Path) -> None:
    """Killed at random steps, and once with its newest checkpoint cut: the same bits at the end."""
    whole = run(tmp_path / "whole", 0.0)
    expected = whole.communicate(timeout=60)[0].splitlines()[-1]
    assert expected.startswith("end")
    folder = tmp_path / "killed"
    for _ in range(2):
        victim = run(folder, 0.02)
        assert victim.stdout is not None
        for _ in range(random.randint(5, 12)):
            victim.stdout.readline()
        victim.send_signal(signal.SIGKILL)
        victim.wait(timeout=30)
    newest = max(folder.glob("*.checkpoint"))
    newest.write_bytes(newest.read_bytes()[:-50])
    resumed = run(folder, 0.0)
    lines = resumed.communicate(timeout=60)[0].splitlines()
    assert 3 < int(lines[0]) < 40
    assert lines[-1] == expected
