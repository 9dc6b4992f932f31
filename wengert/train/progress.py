"""What is shown of training: a bar on a terminal, a picture of the loss.

The optional packages for them, tqdm and matplotlib, are imported here alone, when they are needed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from wengert.errors import ArgumentError
from wengert.train.history import History


def optional(module: str, wanted_for: str, extra: str) -> Any:
    """A module of an optional package; raises ArgumentError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as fault:
        raise ArgumentError(
            f"{wanted_for} needs the package of '{module}' ({fault}): pip install "
            f"'wengert[{extra}]', or leave it out"
        ) from fault


class Quiet:
    """Shows nothing."""

    def step(self, loss: float) -> None:
        """A step was made."""

    def note(self, numbers: dict[str, float]) -> None:
        """A round has ended."""

    def close(self) -> None:
        """Training has ended."""


class Bar(Quiet):
    """A bar of tqdm's with the loss, and a line for each round."""

    def __init__(self, total: int | None, done: int) -> None:
        tqdm = optional("tqdm", "a progress bar", "progress")
        self._bar = tqdm.tqdm(total=total, initial=done, unit="step", file=sys.stderr, leave=False)

    def step(self, loss: float) -> None:
        self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
        self._bar.update()

    def note(self, numbers: dict[str, float]) -> None:
        counts = {"epoch", "step"}
        found = "  ".join(f"{k} {v:.4g}" for k, v in numbers.items() if k not in counts)
        self._bar.write(
            f"epoch {numbers['epoch']:g}  step {numbers['step']:g}  {found}", sys.stderr
        )

    def close(self) -> None:
        self._bar.close()


def shown(progress: bool | None, total: int | None, done: int) -> Quiet:
    """A bar if asked for; with None, if standard error is a terminal and tqdm is installed."""
    if progress is None:
        progress = sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
    return Bar(total, done) if progress else Quiet()


def plot(history: History, path: str | Path) -> None:
    """A picture of the loss of each step and of the rounds' losses."""
    figure = optional("matplotlib.figure", "a plot of the loss", "plot").Figure(
        figsize=(7, 4), layout="constrained"
    )
    axes = figure.subplots()
    steps = range(1, len(history.loss) + 1)
    axes.plot(steps, history.loss, color="#2a6f97", alpha=0.35, linewidth=0.8, label="steps")
    for name, colour in (("loss", "#2a6f97"), ("val_loss", "#d08c60")):
        rounds = [r for r in history.rounds if name in r]
        if rounds:
            axes.plot([r["step"] for r in rounds], [r[name] for r in rounds], color=colour)
            axes.lines[-1].set_label({"loss": "mean", "val_loss": "validation"}[name])
    positive = all(x > 0 for x in history.loss)
    axes.set(xlabel="step", ylabel="loss", yscale="log" if positive else "linear")
    axes.grid(alpha=0.3)
    axes.legend()
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=130)
