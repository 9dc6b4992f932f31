"""What training leaves behind: parameters, state, and what was measured on the way."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from wengert.optim.prefix import Prefix


class Reason(StrEnum):
    """Why training ended."""

    FINISHED = "finished"
    EARLY = "no improvement"
    DIVERGED = "diverged"
    STOPPED = "stopped"  # by the callback
    INTERRUPTED = "interrupted"  # from the keyboard
    FAILED = "failed"  # by an exception in the batches


@dataclass(slots=True)
class Means:
    """Means of named numbers, weighted by the rows of each batch."""

    weight: float = 0.0
    totals: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, numbers: dict[str, float], rows: float) -> None:
        """Counts a batch of so many rows."""
        self.weight += rows
        for name, number in numbers.items():
            self.totals[name] = self.totals.get(name, 0.0) + rows * number

    def means(self) -> dict[str, float]:
        """The means so far."""
        return {name: total / self.weight for name, total in self.totals.items()}


@dataclass(slots=True)
class History:
    """`loss` has the loss of each step. `rounds` has a record for each round.

    A round ends with an epoch, or every `validate_every` steps; a record has the step, the epoch,
    the mean loss and metrics of its steps and, with the prefix "val_", those of the validation.
    """

    loss: list[float] = field(default_factory=list[float])
    rounds: list[dict[str, float]] = field(default_factory=list[dict[str, float]])

    def so_far(self) -> History:
        """What there is now, while this goes on growing."""
        now: Any = (Prefix(self.loss), Prefix(self.rounds))
        return History(*now)

    def column(self, name: str) -> list[float]:
        """One number of all rounds that have it: `history.column("val_loss")`."""
        return [r[name] for r in self.rounds if name in r]


@dataclass(slots=True)
class Position:
    """How far training is, but for arrays: what a checkpoint holds as facts."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # of this epoch
    best: float = math.inf
    waited: int = 0  # rounds without improvement
    round: Means = field(default_factory=Means)
    history: History = field(default_factory=History)

    def facts(self) -> dict[str, Any]:
        """As JSON holds it; the many losses as bytes of float64 in base64."""
        losses = base64.b64encode(np.asarray(self.history.loss, "<f8").tobytes()).decode()
        numbers = {name: getattr(self, name) for name in NUMBERS}
        means = {"weight": self.round.weight, "totals": self.round.totals}
        return {**numbers, "round": means, "loss": losses, "rounds": self.history.rounds}

    @staticmethod
    def of(facts: dict[str, Any]) -> Position:
        """The inverse of `facts`."""
        losses = np.frombuffer(base64.b64decode(facts["loss"]), "<f8").tolist()
        history = History(losses, facts["rounds"])
        numbers = {name: facts[name] for name in NUMBERS}
        return Position(**numbers, round=Means(**facts["round"]), history=history)


NUMBERS = ("step", "epoch", "batch", "best", "waited")


@dataclass(slots=True)
class Fit:
    """The result of `fit`.

    `params` are the parameters: the last ones, or the best ones of the validation if training was
    to end early, or the last good ones if the loss stopped being finite. `state` is the optimiser's
    state. `reason` says why training ended, `message` in a sentence.
    """

    params: Any
    state: Any
    history: History
    step: int
    epoch: int
    reason: Reason
    message: str

    @property
    def loss(self) -> float:
        """The loss of the last step; NaN before the first one."""
        return self.history.loss[-1] if self.history.loss else math.nan
