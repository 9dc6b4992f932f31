"""The training loop itself: steps, rounds, checkpoints, and the ways to end."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wengert.api.arguments import fail, is_true
from wengert.errors import ArgumentError, CheckpointError, DistributedError, TrainingError
from wengert.tracer.pytree import tree_leaves
from wengert.train.batches import Batch, Source
from wengert.train.checkpoint import (
    KEPT,
    Checkpoint,
    Draft,
    discard,
    draft,
    holds,
    latest,
    load,
    prune,
)
from wengert.train.history import Fit, Means, Position, Reason
from wengert.train.interrupts import Interrupts
from wengert.train.options import JUDGED, Options
from wengert.train.processes import Alone, Weighted
from wengert.train.progress import Quiet
from wengert.train.step import evaluated


@dataclass(slots=True)
class Trainer:
    """Training: what does not change, the arrays that do, and how far it is."""

    told: Options
    step: Callable[..., Any]
    evaluate: Callable[..., Any]
    source: Source
    validation: Source | None
    folder: Path | None
    stores: bool  # whether any process has a folder
    asks: bool  # whether any process has a callback
    params: Any
    state: Any
    best: Any  # the parameters of the best round
    good: Any  # the last parameters whose loss was finite
    at: Position
    saved: int = -1  # the step of the last checkpoint
    who: Alone = field(default_factory=Alone)  # trains
    interrupts: Interrupts = field(default_factory=Interrupts)

    def total(self) -> int | None:
        """The number of steps, if it is known."""
        steps, epochs = self.told.steps, self.told.last_epoch
        known = [] if steps is None else [steps]
        if epochs is not None and self.source.length is not None:
            known.append(epochs * self.source.length)
        return min(known, default=None)

    def run(self, show: Quiet) -> Fit:
        """Trains to the end."""
        try:
            with self.interrupts.handled():
                reason = self.train(show)
        except KeyboardInterrupt:
            reason = Reason.INTERRUPTED
        except _Failed as failed:
            raise self.failed(failed.cause) from failed.cause
        except DistributedError:
            raise  # what the processes do not agree on is nothing to go on from
        except Exception:
            self.store(agreed=False)  # it is this process's alone: nobody else would answer
            raise
        if reason is not Reason.DIVERGED:
            self.store()
        elif self.folder is not None and self.saved == self.at.step:
            discard(self.folder, self.saved)  # it has the parameters whose loss is not finite
        return self.result(reason)

    def failed(self, cause: Exception) -> TrainingError:
        self.store(agreed=False)
        error = TrainingError(
            f"the batches raised {cause!r} after step {self.at.step}; the result up to there is in "
            "this error's `result`"
            + (f", and in the checkpoint in {self.folder}" if self.folder is not None else "")
        )
        error.result = self.result(Reason.FAILED)
        return error

    def train(self, show: Quiet) -> Reason:
        """Epoch after epoch."""
        reason, epochs = self.too_long(), self.told.last_epoch
        while reason is None and (epochs is None or self.at.epoch < epochs):
            reason = self.epoch(show)
        return (reason or Reason.FINISHED) if self.sound() else Reason.DIVERGED

    def epoch(self, show: Quiet) -> Reason | None:
        """The rest of an epoch; a reason if training is to end."""
        before = self.at.step
        for batch, weight in () if self.done() else self.batches():
            reason = self.one_step(batch, weight, show)
            if reason is not None:
                return reason
            if self.done():
                break
        at = self.at
        if not self.done() and at.step == before and at.batch == 0:
            fail(ArgumentError(f"there are no batches in epoch {at.epoch}"))
        over = self.source.once or not self.done() or at.batch == self.source.length
        reason, place = None, (at.epoch, at.batch)
        with self.interrupts.deferred():
            if over:
                at.epoch, at.batch = at.epoch + 1, 0
            try:
                if at.round.weight and (self.told.validate_every is None or self.done()):
                    reason = self.round_ended(show)
            except BaseException:
                at.epoch, at.batch = place  # the round ends again where training goes on
                raise
        return reason or (Reason.FINISHED if self.done() or self.source.once else None)

    def done(self) -> bool:
        return self.told.steps is not None and self.at.step >= self.told.steps

    def sound(self) -> bool:
        """Whether the last step left parameters that are as finite as those before it."""
        return finite(self.params) or not finite(self.good)

    def too_long(self) -> Reason | None:
        """Whether there was no improvement for too many rounds."""
        late = self.told.patience is not None and self.at.waited >= self.told.patience
        return Reason.EARLY if late else None

    def batches(self) -> Iterator[Weighted]:
        """The rest of this epoch's batches; an exception of theirs is marked as such."""
        try:
            yield from self.who.batches(self.source, self.at.epoch, self.at.batch)
        except Exception as fault:
            raise _Failed(fault) from fault

    def one_step(self, batch: Batch, weight: float, show: Quiet) -> Reason | None:
        """A step, and what is due after it; a reason if training is to end."""
        with self.interrupts.deferred():
            reason = self.advance(batch, weight, show)
        if reason is Reason.DIVERGED or not self.asks:
            return reason
        ask = self.told.callback
        wants = ask is not None and is_true(ask(self.result(Reason.STOPPED, final=False)))
        return reason or (Reason.STOPPED if self.who.anyone(wants) else None)

    def advance(self, batch: Batch, weight: float, show: Quiet) -> Reason | None:
        at = self.at
        found = self.step(self.params, self.state, np.int64(at.step), batch)
        value, measured, params, state = found
        loss = float(value)
        if not math.isfinite(loss):
            at.history.loss.append(loss)
            return Reason.DIVERGED
        self.good, self.params, self.state = self.params, params, state
        at.step, at.batch = at.step + 1, at.batch + 1
        at.history.loss.append(loss)
        at.round.add({"loss": loss, **{k: float(v) for k, v in measured.items()}}, weight)
        show.step(loss)
        reason = self.round_ended(show) if self.due(self.told.validate_every) else None
        if self.due(self.told.checkpoint_every):
            self.store()
        return reason

    def due(self, every: int | None) -> bool:
        """Whether what is done every so many steps is to be done now."""
        return every is not None and self.at.step % every == 0

    def round_ended(self, show: Quiet) -> Reason | None:
        """Records and judges a round; a reason if training is to end."""
        at = self.at
        self.who.verify(self.params, at.step)
        record: dict[str, float] = {"epoch": at.epoch, "step": at.step, **at.round.means()}
        if self.validation is not None:
            judges = self.who.batches(self.validation, 0, 0)
            record |= evaluated(self.evaluate, self.params, judges)
        at.history.rounds.append(record)
        at.round = Means()
        show.note(record)
        judged = record.get(f"{JUDGED}loss", record.get("loss", math.inf))
        if judged < at.best - self.told.min_delta:
            at.best, at.waited, self.best = judged, 0, self.params
        else:
            at.waited += 1
        if self.told.checkpoint_every is None:
            self.store()
        return self.too_long()

    # results and checkpoints

    def arrays(self) -> dict[str, Any]:
        return {"params": self.params, "state": self.state, "best": self.best}

    def store(self, agreed: bool = True) -> None:
        """Writes a checkpoint if there is a folder; a disk that is full is only warned of.

        What one process cannot write none keeps, if it is `agreed`: the older ones, which all have,
        must not make room for steps that some lack. Nor do they for one that is this process's
        alone, or for parameters that are not finite.
        """
        if not self.stores or self.at.step in (0, self.saved) or not self.sound():
            return
        made = self.drafted()
        failed = isinstance(made, OSError)
        if self.who.anyone(failed) if agreed else failed:
            self.withdraw(made)
            return
        if isinstance(made, Draft):
            try:
                made.place()
            except OSError as fault:
                self.withdraw(fault)
                return
        # what a run that began anew finds there is another's, which nobody is to go on from
        foreign = self.saved < 0 and not self.told.resume
        self.saved = self.at.step
        if self.folder is not None:
            prune(self.folder, self.at.step, (1 if foreign else KEPT) if agreed else None)

    def drafted(self) -> Draft | OSError | None:
        """This process's checkpoint, beside its place; or what went wrong."""
        if self.folder is None:
            return None
        try:
            return draft(self.folder, self.at.step, self.arrays(), self.at.facts())
        except OSError as fault:
            return fault

    def withdraw(self, made: Draft | OSError | None) -> None:
        """Gives up a checkpoint that could not be written here or elsewhere, and warns of it."""
        where = f"to {self.folder}: {made}" if isinstance(made, OSError) else "by another process"
        if isinstance(made, Draft):
            made.drop()
        warnings.warn(
            f"the checkpoint of step {self.at.step} could not be written {where}; training goes "
            "on, and the checkpoints before are as they were",
            stacklevel=2,
        )

    def restore(self) -> None:
        """Goes on from the newest good checkpoint that all processes have, if there is one."""
        found = self.newest(None)
        common, alike = self.who.common(-1 if found is None else found.step)
        while not alike:
            if found is not None and found.step != common:
                found = self.newest(common)
            common, alike = self.who.common(-1 if found is None else found.step)
        if found is None:
            return
        self.params, self.state, self.best = (found.tree[k] for k in ("params", "state", "best"))
        self.good = self.params
        self.who.verify(self.params, found.step)
        self.at = Position.of(found.facts)
        missing = self.folder is not None and not holds(self.folder, found.step)
        self.saved = -1 if self.who.anyone(missing) else found.step

    def newest(self, limit: int | None) -> Checkpoint | None:
        """The newest good checkpoint here, not after step `limit`."""
        if self.folder is None or self.told.checkpoint is None:
            return None
        first, others = self.who.runs(Path(self.told.checkpoint))
        other = max(others, key=latest, default=None)
        if other is None or latest(other) <= (latest(first) or latest(self.folder)):
            return load(self.folder, self.arrays(), limit)
        try:
            return load(other, self.arrays(), limit)
        except CheckpointError as fault:
            raise CheckpointError(
                f"the newest checkpoint in {self.told.checkpoint} is of a run with another number "
                f"of processes, which cannot be taken over: {fault} (sharded states need as many "
                "processes as before)"
            ) from fault

    def result(self, reason: Reason, final: bool = True) -> Fit:
        """The fit as it is now; if it is not `final`, its history stays as it is now."""
        params = self.params
        if reason is Reason.DIVERGED:
            params = self.good
        elif self.told.patience is not None and reason in (Reason.FINISHED, Reason.EARLY):
            params = self.best if math.isfinite(self.at.best) else params
        at = self.at
        history = at.history if final else at.history.so_far()
        return Fit(params, self.state, history, at.step, at.epoch, reason, self.message(reason))

    def message(self, reason: Reason) -> str:
        step = self.at.step
        match reason:
            case Reason.DIVERGED:
                losses = self.at.history.loss
                what = f"the loss was {losses[-1] if losses else math.nan} at step {step + 1}"
                if losses and math.isfinite(losses[-1]):
                    what = f"step {step} made parameters that are not finite"
                return (
                    f"{what}; the parameters are the last ones whose loss was finite. A lower "
                    "learning rate, clipping (wg.optim.clip_by_global_norm) or a look at the batch "
                    "may help"
                )
            case Reason.EARLY:
                best = f"the parameters are those of the best one, with {self.at.best:.6g}"
                if not math.isfinite(self.at.best):
                    best = "no round had a loss that is a number, so the parameters are the last"
                return f"no improvement in {self.told.patience} rounds; {best}"
            case _:
                return f"{reason} after {step} steps and {self.at.epoch} epochs"


def finite(params: Any) -> bool:
    """Whether all numbers are finite; those that are not in this memory are not looked at."""
    leaves = [x for x in tree_leaves(params) if isinstance(x, (np.ndarray, np.generic))]
    return all(bool(np.all(np.isfinite(x))) for x in leaves)


class _Failed(Exception):
    """An exception in the batches."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause
