"""The demo and the doctor, as a user runs them, and the demo's parts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wengert.__main__ import COMMANDS, main, parser
from wengert.cli import doctor
from wengert.demo import digits, model

ROOT = Path(__file__).resolve().parent.parent
PNG = b"\x89PNG\r\n\x1a\n"
LINES = {
    "epoch": r"epoch +\d+/\d+  loss (\d+\.\d+)  accuracy: train [01]\.\d{3}  test [01]\.\d{3}",
    "compile": r"compiled: \d+\.\d\d s",
    "run": r"ran: \d+\.\d\d s, \d+ steps of \d+\.\d+ ms",
}


def run_module(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "wengert", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_demo_reaches_its_accuracy(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the demo needs scikit-learn")
    out = run_module("demo", "--out", str(tmp_path))
    last = out.strip().splitlines()[-1]
    found = re.fullmatch(r"test accuracy: (0\.\d{3})", last)
    assert found and float(found[1]) >= 0.97
    for pattern in LINES.values():
        assert re.search(pattern, out)
    losses = [float(x) for x in re.findall(r"epoch .*loss (\d+\.\d+)", out)]
    assert len(losses) == 40 and losses[-1] < 0.05 * losses[0]
    assert (tmp_path / "demo-loss.png").read_bytes().startswith(PNG)


def test_readme_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "README.md").read_text()
    code, output = re.search(r"```python\n(.*?)```\n+```\n(.*?)```", text, re.DOTALL).groups()
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == output


@pytest.mark.slow
def test_demo_is_deterministic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two processes give the same: one of its own, and this one."""
    pytest.importorskip("sklearn", reason="the demo needs scikit-learn")
    arguments = ("demo", "--epochs", "2", "--out", str(tmp_path))
    assert main(arguments) == 0
    runs = [capsys.readouterr().out, run_module(*arguments)]
    epochs = [re.findall(r"epoch .*", out) for out in runs]
    assert len(epochs[0]) == 2 and epochs[0] == epochs[1]


def test_scores_by_hand() -> None:
    w1 = np.array([[1.0, -1.0]], np.float32)
    w2 = np.array([[2.0], [3.0]], np.float32)
    b1, b2 = np.array([0.0, 0.5], np.float32), np.array([1.0], np.float32)
    images = np.array([[2.0], [-1.0]], np.float32)
    # relu([2, -1.5]) @ w2 + 1 = 5; relu([-1, 1.5]) @ w2 + 1 = 5.5
    np.testing.assert_array_equal(model.scores([w1, b1, w2, b2], images), [[5.0], [5.5]])


def test_loss_of_equal_scores_is_log_of_classes() -> None:
    state = model.initial_state((4, 3, 10), np.random.default_rng(0))
    zeros = [np.zeros_like(value) for value in state.parameters]
    images, labels = np.ones((5, 4), np.float32), np.arange(5)
    assert float(model.loss(zeros, images, labels)) == pytest.approx(np.log(10.0), rel=1e-6)


def test_steps_reduce_the_loss_and_keep_float32() -> None:
    rng = np.random.default_rng(0)
    state = model.initial_state((6, 8, 3), rng)
    images = rng.standard_normal((16, 6)).astype(np.float32)
    labels = rng.integers(0, 3, 16)
    losses = []
    for n in range(20):
        value, state = model.train_step(state, digits.learning_rate(n, 100), images, labels)
        losses.append(float(value))
    assert losses[-1] < losses[0]
    assert all(value.dtype == np.float32 for part in state for value in part)


def test_learning_rate_starts_corrected_and_falls_to_zero() -> None:
    rates = [float(digits.learning_rate(n, 5000)) for n in range(0, 5001, 100)]
    # Adam's first step: mean 0.1 g over root mean square sqrt(0.001) |g|, corrected to 1
    assert rates[0] * 0.1 / np.sqrt(0.001) == pytest.approx(digits.PEAK_RATE, rel=1e-6)
    assert max(rates) <= digits.PEAK_RATE and rates[-1] == 0.0
    assert digits.learning_rate(3, 10).dtype == np.float32


def test_batches_are_a_permutation() -> None:
    data = digits.Split(np.arange(70, dtype=np.float32).reshape(70, 1), np.arange(70))
    seen = np.concatenate([b.labels for b in digits.batches(data, np.random.default_rng(0))])
    assert seen.size == 64 and np.unique(seen).size == 64


def test_missing_package_is_explained() -> None:
    with pytest.raises(SystemExit, match=r"no_such_package.*pip install 'wengert\[demo\]'"):
        digits.needed("no_such_package")


@pytest.mark.slow
def test_doctor_prints_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for word in ("versions", "processor", "engines", "disk cache", "optional", np.__version__):
        assert word in out
    assert "fails:" not in out


def test_probe_survives_failures() -> None:
    assert doctor.probe("print('fine')") == "fine"
    assert doctor.probe("raise ValueError('broken')") == "fails: ValueError: broken"
    assert doctor.probe("import os; os._exit(3)") == "fails: exit status 3"


def test_every_subcommand_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(command.name in out and command.help.split(":")[0] in out for command in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["no-such-thing"], ["demo", "--epochs", "0"]])
def test_wrong_command_lines_are_errors(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
